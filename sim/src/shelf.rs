//! Boxes on a shelf, one file each, and how many there are in a file beside them. The trusting one
//! believes that what it does not find was never there.

use std::io::{self, ErrorKind};
use std::path::Path;

use blackstart_vfs::{FileExt, FileKind, Fs, OpenOptions};

use crate::disk::{CrashKind, Promise, Shown, Told};
use crate::draw::Draw;
use crate::{Ctx, Failure, Scenario, Step};

/// A file holds its number as often as this, and one more than that, so that zeros are no number.
const BYTES: usize = 8;
/// The file that says how many boxes there are.
const COUNT: &str = "count";

/// Each step adds a box.
pub struct Shelf {
    /// Whether it counts what it finds, and nothing tells it how much there was.
    pub is_trusting: bool,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// It was opened and showed so many boxes.
    Opened(u8),
    /// A box is being added.
    Begun,
    /// It is durable.
    Done,
}

/// How an operation ends early.
enum Stop {
    /// The disk failed.
    Io,
    /// A file is not what it must be: it was reported.
    Damaged(String),
    /// The model objects.
    Failed(Failure),
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Io
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn name(number: u8) -> String {
    format!("{number:03}.box")
}

impl Shelf {
    fn work(&self, ctx: &Ctx<Self>) -> Result<(), Stop> {
        let fs = ctx.env().fs();
        fs.create_root()?;
        let mut count = match self.is_trusting {
            true => found(fs)?,
            false => counted(fs)?,
        };
        // Whatever is seen is durable from here on.
        (1..=count).try_for_each(|number| put(fs, &name(number), number))?;
        put(fs, COUNT, count)?;
        fs.sync_dir(Path::new(""))?;
        if ctx.promise() == Promise::PrefixOnly {
            ctx.verified();
            return Ok(());
        }
        ctx.record(Event::Opened(count))?;
        ctx.verified();
        for step in ctx.steps(0) {
            ctx.begin(step.id);
            ctx.record(Event::Begun)?;
            count += 1;
            put(fs, &name(count), count)?;
            fs.sync_dir(Path::new(""))?;
            put(fs, COUNT, count)?;
            fs.sync_dir(Path::new(""))?;
            ctx.record(Event::Done)?;
            ctx.verified();
        }
        Ok(())
    }
}

/// Replaces a file as a whole.
fn put(fs: &dyn Fs, name: &str, number: u8) -> io::Result<()> {
    let options = OpenOptions::new().write().create().truncate();
    let new = fs.open(Path::new("new"), options)?;
    new.write_all_at(&[number + 1; BYTES], 0)?;
    new.sync_all()?;
    fs.rename(Path::new("new"), Path::new(name))
}

/// The number in a file; none if it is not whole.
fn load(fs: &dyn Fs, name: &str) -> io::Result<Option<u8>> {
    let file = match fs.open(Path::new(name), OpenOptions::new().read()) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = [0; BYTES + 1];
    let len = match file.read_full_at(&mut bytes, 0) {
        Err(error) if error.kind() == ErrorKind::IsADirectory => return Ok(None),
        len => len?,
    };
    let is_whole = len == BYTES && bytes[..BYTES] == [bytes[0]; BYTES];
    Ok(bytes[0].checked_sub(1).filter(|_| is_whole))
}

/// How many boxes there are, as far as they are found whole.
fn found(fs: &dyn Fs) -> Result<u8, Stop> {
    let entries = fs.read_dir(Path::new(""))?;
    let files = entries.iter().filter(|entry| entry.kind == FileKind::File);
    let names: Vec<_> = files.filter_map(|entry| entry.name.to_str()).collect();
    let mut count = 0;
    while names.contains(&name(count + 1).as_str())
        && load(fs, &name(count + 1))? == Some(count + 1)
    {
        count += 1;
    }
    Ok(count)
}

/// How many boxes there must be, if they are all there.
fn counted(fs: &dyn Fs) -> Result<u8, Stop> {
    let entries = fs.read_dir(Path::new(""))?;
    let has = |wanted: &str| {
        entries
            .iter()
            .any(|entry| entry.name.to_str() == Some(wanted))
    };
    let names = entries.iter().filter_map(|entry| entry.name.to_str());
    let mut boxes = names.filter(|name| name.ends_with(".box"));
    if !has(COUNT) {
        // It is there before the first box is.
        return match boxes.next() {
            None => Ok(0),
            Some(_) => Err(Stop::Damaged(COUNT.to_owned())),
        };
    }
    let Some(count) = load(fs, COUNT)? else {
        return Err(Stop::Damaged(COUNT.to_owned()));
    };
    for number in 1..=count {
        if load(fs, &name(number))? != Some(number) {
            return Err(Stop::Damaged(name(number)));
        }
    }
    // One more may be on its way.
    let more = boxes.filter(|found| **found > *name(count));
    match more.count() {
        0 | 1 => Ok(count),
        _ => Err(Stop::Damaged(COUNT.to_owned())),
    }
}

impl Scenario for Shelf {
    type Config = ();
    type Op = ();
    type Event = Event;
    /// The least and the most that it may show.
    type Model = (u8, u8);

    fn name(&self) -> &'static str {
        "shelf"
    }

    fn about(&self) -> &'static str {
        "a file for each box"
    }

    fn files(&self) -> &'static [&'static str] {
        &["*.box", "*"]
    }

    fn meets_alterations(&self) -> bool {
        true
    }

    fn meets_growth_failures(&self) -> bool {
        true
    }

    fn config(&self, _draw: &mut Draw<'_>) {}

    fn steps(&self, draw: &mut Draw<'_>, _config: &()) -> Vec<Step<()>> {
        let count = draw.range(1..=4) as u32;
        (1..=count).map(step).collect()
    }

    fn verification(&self, _config: &()) -> Vec<Step<()>> {
        vec![step(1)]
    }

    fn model(&self, _config: &()) -> (u8, u8) {
        (0, 0)
    }

    fn apply(&self, (least, most): &mut (u8, u8), event: &Event) -> Result<(), Failure> {
        match *event {
            Event::Opened(count) if count < *least || count > *most => {
                let message = format!("found {count} boxes, expected {least} to {most}");
                return Err(Failure::new("no box is lost", message));
            }
            Event::Opened(count) => (*least, *most) = (count, count),
            Event::Begun => *most = *least + 1,
            Event::Done => *least = *most,
        }
        Ok(())
    }

    fn crash(&self, _model: &mut (u8, u8), _kind: CrashKind) {}

    fn run(&self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        match self.work(ctx) {
            Ok(()) => Ok(()),
            Err(Stop::Failed(failure)) => Err(failure),
            Err(Stop::Io) => {
                ctx.verified();
                Ok(())
            }
            Err(Stop::Damaged(file)) => {
                let is_met = |shown: &Shown| matches!(shown, Shown::Altered | Shown::Damaged(_));
                let sightings = ctx.fs().sightings();
                let told = Told::Bytes(0..u64::MAX);
                let is_named = !ctx.reported(&file, &told).is_empty();
                let is_explained = is_named
                    || sightings.iter().any(|sighting| is_met(&sighting.shown))
                    || ctx.promise() != Promise::Full;
                ctx.verified();
                match is_explained {
                    true => Ok(()),
                    false => Err(Failure::new("spurious error", file)),
                }
            }
        }
    }
}

pub fn step(id: u32) -> Step<()> {
    Step {
        id,
        client: 0,
        op: (),
    }
}

#[cfg(test)]
mod tests;
