//! A program that keeps one number, with a mistake to be chosen.

use std::io;
use std::path::Path;

use blackstart_vfs::{FileExt, Fs, OpenOptions};
use serde::{Deserialize, Serialize};

use crate::disk::CrashKind;
use crate::draw::Draw;
use crate::failure::Failure;
use crate::scenario::{Ctx, Scenario, SmallCase, Step};

const RW: OpenOptions = OpenOptions::new().read().write().create();

/// How the number is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// A new file for each number, synced with its directory.
    Right,
    /// A new file for each number; its directory is not synced.
    UnsyncedName,
    /// A new file takes the old one's name; its contents are not synced.
    UnsyncedReplacement,
    /// An opening that finds a new number removes the old one first, and one that finds no old
    /// number begins anew.
    FragileOpening,
    /// A new file takes the old one's name; an opening that finds one left puts it aside, and the
    /// next takes that for the number.
    BelievesLeftover,
    /// In place: the number and its complement, a cache line apart in one sector.
    OneSector,
    /// As `Right`; and a file beside, written in place, that only an opening reads which finds that
    /// another one was cut short.
    ReadsWhenResumed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put;

#[derive(Clone, Debug)]
pub enum Event {
    Opened(u64),
    Began(u64),
    Acked(u64),
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    acked: u64,
    began: u64,
}

/// The scenario.
pub struct Toy {
    pub way: Way,
    /// It says that runs know nothing of the model, though they do.
    pub lies: bool,
}

impl Scenario for Toy {
    type Config = Way;
    type Op = Put;
    type Event = Event;
    type Model = Model;

    fn name(&self) -> &'static str {
        "toy"
    }

    fn about(&self) -> &'static str {
        "one number"
    }

    fn config(&self, _draw: &mut Draw<'_>) -> Way {
        self.way
    }

    fn steps(&self, _draw: &mut Draw<'_>, _config: &Way) -> Vec<Step<Put>> {
        puts(3)
    }

    fn verification(&self, _config: &Way) -> Vec<Step<Put>> {
        puts(1)
    }

    fn small_cases(&self) -> Vec<SmallCase<Way, Put>> {
        vec![SmallCase {
            config: self.way,
            steps: puts(3),
        }]
    }

    fn known_to_a_run(&self, _config: &Way, model: &Model) -> Option<u64> {
        Some(if self.lies { 0 } else { model.began })
    }

    fn model(&self, _config: &Way) -> Model {
        Model::default()
    }

    fn apply(&self, model: &mut Model, event: &Event) -> Result<(), Failure> {
        match *event {
            Event::Began(number) => model.began = number,
            Event::Acked(number) => model.acked = number,
            Event::Opened(number) if (model.acked..=model.began).contains(&number) => {
                model.acked = number;
            }
            Event::Opened(number) => {
                let message = format!("{number} is not in {}..={}", model.acked, model.began);
                return Err(Failure::new("the number", message));
            }
        }
        Ok(())
    }

    fn crash(&self, _model: &mut Model, _kind: CrashKind) {}

    fn run(&self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        let fs = ctx.env().fs();
        let way = *ctx.config();
        let failed = |error: io::Error| Failure::new("no error", error.to_string());
        let number = open(fs, way).map_err(failed)?;
        let number = number
            .ok_or_else(|| Failure::new("whole", "the number and its complement do not fit"))?;
        ctx.record(Event::Opened(number))?;
        for step in ctx.steps(0) {
            ctx.begin(step.id);
            let number = ctx.model(|model| model.began + 1);
            ctx.record(Event::Began(number))?;
            put(ctx, fs, way, number).map_err(failed)?;
        }
        Ok(())
    }
}

fn puts(count: u32) -> Vec<Step<Put>> {
    let step = |id| Step {
        id,
        client: 0,
        op: Put,
    };
    (1..=count).map(step).collect()
}

fn read(fs: &dyn Fs, name: &str) -> io::Result<Option<u64>> {
    let file = match fs.open(Path::new(name), OpenOptions::new().read()) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // What stands between the two is never looked at.
    let (mut number, mut complement) = ([0; 8], [0; 8]);
    let count = file.read_full_at(&mut number, 0)? + file.read_full_at(&mut complement, 64)?;
    let (number, complement) = (u64::from_le_bytes(number), u64::from_le_bytes(complement));
    Ok((count == 16 && number == !complement).then_some(number))
}

fn write(fs: &dyn Fs, name: &str, number: u64, syncs: bool) -> io::Result<()> {
    let file = fs.open(Path::new(name), RW)?;
    let mut bytes = [0; 72];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[64..].copy_from_slice(&(!number).to_le_bytes());
    file.write_all_at(&bytes, 0)?;
    if syncs { file.sync_all() } else { Ok(()) }
}

fn rename(fs: &dyn Fs) -> io::Result<()> {
    fs.rename(Path::new("new"), Path::new("number"))?;
    fs.sync_dir(Path::new(""))
}

/// Makes durable what a kill has left in the cache: an opening shows it.
fn settle(fs: &dyn Fs, way: Way) -> io::Result<()> {
    for entry in fs.read_dir(Path::new(""))? {
        fs.open(Path::new(&entry.name), RW)?.sync_all()?;
    }
    match way {
        Way::UnsyncedName => Ok(()),
        _ => fs.sync_dir(Path::new("")),
    }
}

/// The number that is kept; none if it is damaged.
fn open(fs: &dyn Fs, way: Way) -> io::Result<Option<u64>> {
    fs.create_root()?;
    settle(fs, way)?;
    match way {
        Way::ReadsWhenResumed => match begin(fs)? {
            true => open(fs, Way::Right),
            false => Ok(None),
        },
        Way::Right | Way::UnsyncedName => {
            let names = fs.read_dir(Path::new(""))?;
            let mut newest = 0;
            for entry in names {
                let number = entry
                    .name
                    .to_str()
                    .and_then(|name| name.parse().ok())
                    .unwrap_or(0);
                // A file that is not whole was not acknowledged.
                let is_whole = read(fs, &format!("{number}"))? == Some(number);
                newest = if is_whole { number.max(newest) } else { newest };
            }
            Ok(Some(newest))
        }
        Way::UnsyncedReplacement | Way::OneSector => {
            if fs.metadata(Path::new("number")).is_err() {
                write(fs, "first", 0, true)?;
                fs.rename(Path::new("first"), Path::new("number"))?;
                fs.sync_dir(Path::new(""))?;
            }
            read(fs, "number")
        }
        Way::BelievesLeftover => {
            let aside = read(fs, "aside")?;
            if fs.metadata(Path::new("number")).is_err() {
                write(fs, "new", 0, true)?;
                rename(fs)?;
            } else if fs.metadata(Path::new("new")).is_ok() {
                fs.rename(Path::new("new"), Path::new("aside"))?;
                fs.sync_dir(Path::new(""))?;
            }
            match aside {
                Some(number) => Ok(Some(number)),
                None => read(fs, "number"),
            }
        }
        Way::FragileOpening => {
            let is_new = fs.metadata(Path::new("number")).is_err();
            if is_new {
                write(fs, "new", 0, true)?;
                rename(fs)?;
            } else if read(fs, "new")?.is_some() {
                fs.remove_file(Path::new("number"))?;
                fs.sync_dir(Path::new(""))?;
                rename(fs)?;
            }
            read(fs, "number")
        }
    }
}

/// Begins an opening, and whether what an earlier one left is sound.
fn begin(fs: &dyn Fs) -> io::Result<bool> {
    let began = Path::new("began");
    let is_resumed = fs.metadata(began).is_ok();
    if is_resumed && fs.metadata(Path::new("beside")).is_ok() {
        let file = fs.open(Path::new("beside"), OpenOptions::new().read())?;
        let mut bytes = [0; 72];
        file.read_full_at(&mut bytes, 0)?;
        let is_torn = bytes[..8]
            .iter()
            .zip(&bytes[64..])
            .any(|(one, two)| *one != !two);
        if bytes[0] > 0 && bytes[71] > 0 && is_torn {
            return Ok(false);
        }
    }
    if !is_resumed {
        fs.open(began, RW)?;
        fs.sync_dir(Path::new(""))?;
    }
    fs.remove_file(began)?;
    fs.sync_dir(Path::new(""))?;
    Ok(true)
}

fn put(ctx: &Ctx<Toy>, fs: &dyn Fs, way: Way, number: u64) -> io::Result<()> {
    // It cannot contradict the model.
    let ack = || drop(ctx.record(Event::Acked(number)));
    match way {
        Way::ReadsWhenResumed => {
            write(fs, "beside", number, true)?;
            fs.sync_dir(Path::new(""))?;
            return put(ctx, fs, Way::Right, number);
        }
        Way::Right | Way::UnsyncedName => {
            write(fs, &number.to_string(), number, true)?;
            if way == Way::Right {
                fs.sync_dir(Path::new(""))?;
            }
        }
        Way::UnsyncedReplacement => {
            write(fs, "new", number, false)?;
            rename(fs)?;
        }
        Way::BelievesLeftover => {
            write(fs, "new", number, true)?;
            rename(fs)?;
        }
        Way::FragileOpening => {
            write(fs, "new", number, true)?;
            fs.sync_dir(Path::new(""))?;
            ack();
            return rename(fs);
        }
        Way::OneSector => write(fs, "number", number, true)?,
    }
    ack();
    Ok(())
}
