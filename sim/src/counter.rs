//! A number in a file that is replaced as a whole, with a sync that can be left out: the smallest
//! system with a mistake.

use std::io::ErrorKind;
use std::path::Path;

use blackstart_vfs::{FileExt, Fs, OpenOptions};

use crate::disk::{CrashKind, Promise, Told};
use crate::draw::Draw;
use crate::{Ctx, Failure, Scenario, Step};

/// The number stands in the file as often as this, so that damage shows.
const BYTES: usize = 8;

/// Each step adds one.
pub struct Counter {
    /// Whether the new file is synced before it takes the place of the old one.
    pub is_careful: bool,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// It was opened and showed this.
    Opened(u8),
    /// It is to become this.
    Begun(u8),
    /// It is this.
    Done,
}

impl Counter {
    fn count(&self, ctx: &Ctx<Self>) -> std::io::Result<Result<(), Failure>> {
        let fs = ctx.env().fs();
        fs.create_root()?;
        let mut count = load(fs)?;
        // Whatever failed before: from here on it is durable.
        self.save(fs, count)?;
        if ctx.promise() != Promise::Full {
            ctx.verified();
            return Ok(Ok(()));
        }
        ctx.mark("opened");
        if let Err(failure) = ctx.record(Event::Opened(count)) {
            return Ok(Err(failure));
        }
        ctx.verified();
        for step in ctx.steps(0) {
            ctx.begin(step.id);
            count += 1;
            let _ = ctx.record(Event::Begun(count));
            self.save(fs, count)?;
            let _ = ctx.record(Event::Done);
        }
        Ok(Ok(()))
    }

    fn save(&self, fs: &dyn Fs, count: u8) -> std::io::Result<()> {
        let options = OpenOptions::new().write().create().truncate();
        let file = fs.open(Path::new("new"), options)?;
        file.write_all_at(&[count; BYTES], 0)?;
        if self.is_careful {
            file.sync_data()?;
        }
        fs.rename(Path::new("new"), Path::new("count"))?;
        fs.sync_dir(Path::new(""))
    }
}

fn load(fs: &dyn Fs) -> std::io::Result<u8> {
    let file = match fs.open(Path::new("count"), OpenOptions::new().read()) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        file => file?,
    };
    let mut bytes = [0; BYTES];
    let is_whole = file.read_full_at(&mut bytes, 0)? == BYTES;
    if is_whole && bytes == [bytes[0]; BYTES] {
        Ok(bytes[0])
    } else {
        Err(ErrorKind::InvalidData.into())
    }
}

impl Scenario for Counter {
    type Config = ();
    type Op = ();
    type Event = Event;
    /// The least and the most that it may show.
    type Model = (u8, u8);

    fn name(&self) -> &'static str {
        "counter"
    }

    fn about(&self) -> &'static str {
        "a number in a file"
    }

    fn marks(&self) -> &'static [&'static str] {
        &["!opened", "!never", "seldom"]
    }

    fn config(&self, _draw: &mut Draw<'_>) {}

    fn steps(&self, draw: &mut Draw<'_>, _config: &()) -> Vec<Step<()>> {
        let count = draw.range(1..=5) as u32;
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
                let message = format!("read {count}, expected {least} to {most}");
                return Err(Failure::new("durable count", message));
            }
            Event::Opened(count) => (*least, *most) = (count, count),
            Event::Begun(count) => *most = count,
            Event::Done => *least = *most,
        }
        Ok(())
    }

    fn crash(&self, _model: &mut (u8, u8), _kind: CrashKind) {}

    fn run(&self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        self.count(ctx).unwrap_or_else(|error| {
            // It ends the era: nothing more was promised.
            if error.kind() == ErrorKind::InvalidData {
                ctx.reported("count", &Told::Bytes(0..BYTES as u64));
            } else {
                ctx.verified();
            }
            Ok(())
        })
    }
}

fn step(id: u32) -> Step<()> {
    Step {
        id,
        client: 0,
        op: (),
    }
}
