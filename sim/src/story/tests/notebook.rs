//! A program that appends pages to a file, and promises each whether it was synced or not.

use std::path::Path;

use blackstart_vfs::{FileExt, OpenOptions};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::disk::CrashKind;
use crate::draw::Draw;
use crate::scenario::{Ctx, Scenario, Step};
use crate::story::Said;

/// Bytes of a page.
const PAGE: u64 = 512;

pub struct Notebook;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    pub file: String,
}

/// Append a page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Op {
    pub syncs: bool,
}

#[derive(Clone, Debug)]
pub enum Event {
    Promised(u64),
    Shown(u64),
}

impl Scenario for Notebook {
    type Config = Config;
    type Op = Op;
    type Event = Event;
    /// So many pages were promised.
    type Model = u64;

    fn name(&self) -> &'static str {
        "notebook"
    }

    fn about(&self) -> &'static str {
        "pages that are promised before they are synced"
    }

    fn config(&self, _draw: &mut Draw<'_>) -> Config {
        Config {
            file: "notes".to_owned(),
        }
    }

    fn steps(&self, _draw: &mut Draw<'_>, _config: &Config) -> Vec<Step<Op>> {
        Vec::new()
    }

    fn verification(&self, _config: &Config) -> Vec<Step<Op>> {
        Vec::new()
    }

    fn model(&self, _config: &Config) -> u64 {
        0
    }

    fn apply(&self, model: &mut u64, event: &Event) -> Result<(), Failure> {
        match event {
            Event::Promised(pages) => *model = *pages,
            Event::Shown(pages) if pages < model => {
                return Err(Failure {
                    oracle: "durable prefix".to_owned(),
                    place: "the notebook".to_owned(),
                    message: format!("expected {model} pages, found {pages}"),
                });
            }
            Event::Shown(pages) => *model = *pages,
        }
        Ok(())
    }

    fn crash(&self, _model: &mut u64, _kind: CrashKind) {}

    fn event_words(&self, event: &Event) -> Said {
        match event {
            Event::Promised(page) => Said::promise(format!("page {page} is durable")),
            Event::Shown(pages) => Said::shown(format!("pages there: {pages}")),
        }
    }

    fn model_words(&self, model: &u64) -> Vec<String> {
        vec![format!("pages promised: {model}")]
    }

    fn run(&self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        notes(ctx).map_err(|error| Failure::new("error", error.to_string()))?
    }
}

fn notes(ctx: &Ctx<Notebook>) -> std::io::Result<Result<(), Failure>> {
    let fs = ctx.env().fs();
    fs.create_root()?;
    let options = OpenOptions::new().read().write().create();
    let file = fs.open(Path::new(&ctx.config().file), options)?;
    fs.sync_dir(Path::new(""))?;
    let mut pages = 0;
    let mut page = [0; PAGE as usize];
    for number in 0..file.len()? / PAGE {
        file.read_full_at(&mut page, number * PAGE)?;
        if page.iter().any(|&byte| u64::from(byte) != number % 100 + 1) {
            break;
        }
        pages += 1;
    }
    if let Err(failure) = ctx.record(Event::Shown(pages)) {
        return Ok(Err(failure));
    }
    for step in ctx.steps(0) {
        ctx.begin(step.id);
        let bytes = [(pages % 100) as u8 + 1; PAGE as usize];
        file.write_all_at(&bytes, pages * PAGE)?;
        if step.op.syncs {
            file.sync_data()?;
        }
        pages += 1;
        if let Err(failure) = ctx.record(Event::Promised(pages)) {
            return Ok(Err(failure));
        }
    }
    Ok(Ok(()))
}
