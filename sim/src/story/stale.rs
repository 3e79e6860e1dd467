//! Where bytes come from that a file shows and that were never written to it.
//!
//! A block that is given to a file may still hold what a file before it had there. That one is gone
//! by then, perhaps since an earlier era; its number is its own for the whole case.

use super::causes::call_words;
use super::{EffectStory, EraStory, StaleStory};
use crate::disk::{Change, Stale};

/// Adds to the last era what its end shows of files that are gone.
pub(super) fn tell(eras: &mut [EraStory], all: &[Stale]) {
    let told = all.iter().map(|stale| StaleStory {
        name: name(eras, stale.file),
        start: stale.start,
        end: stale.end,
        source: stale.source.map(|source| {
            let written = written(eras, source, stale);
            let words = written.unwrap_or_else(|| "the disk, before the case begins".to_owned());
            (name(eras, source), words)
        }),
    });
    let told: Vec<StaleStory> = told.collect();
    if let Some(last) = eras.last_mut() {
        last.stale = told;
    }
}

/// The last name that a file had.
fn name(eras: &[EraStory], number: u32) -> String {
    let files = eras.iter().rev().flat_map(|era| &era.files);
    let mut names = files.filter(|file| file.number == number);
    let name = names.find_map(|file| file.names.last());
    name.map_or("?", String::as_str).to_owned()
}

/// The latest call that wrote some of these bytes to their first file.
fn written(eras: &[EraStory], source: u32, stale: &Stale) -> Option<String> {
    let is_writing = |effect: &&EffectStory| match effect.change {
        Change::Write { offset, len } => {
            let overlaps = offset < stale.end && stale.start < offset + len;
            effect.file == source && overlaps
        }
        _ => false,
    };
    eras.iter().rev().find_map(|era| {
        let own = |effect: &&EffectStory| effect.moment.is_some();
        let mut effects = era.effects.iter().rev().filter(own);
        let effect = effects.find(is_writing)?;
        let words = call_words(era, effect.moment?);
        let op = effect.call.map_or(0, |call| call.op);
        let by = match era.steps.iter().find(|step| step.id == op) {
            Some(step) => format!("operation {op}, {}", step.words),
            None => "the opening".to_owned(),
        };
        Some(format!("{words} (era {}, {by})", era.number))
    })
}

impl StaleStory {
    /// All of it in a sentence.
    pub(super) fn words(&self) -> String {
        let Self {
            name,
            start,
            end,
            source,
        } = self;
        let shown = format!("bytes {start}..{end} of {name} were never written");
        match source {
            Some((file, written)) => format!(
                "{shown}: their block is a freed one of {file}, and they are what was put there \
                 by {written}"
            ),
            None => format!("{shown}: their block holds what nothing is known of"),
        }
    }
}
