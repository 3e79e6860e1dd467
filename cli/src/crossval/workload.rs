//! What a round does: drawn calls on a few names.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use blackstart_sim::draw::Draw;
use blackstart_vfs::{FileExt, Fs, OpenOptions};

/// A file of a round. Half of them are in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    A,
    B,
    C,
    InDirA,
    InDirB,
}

impl Name {
    const ALL: [Self; 5] = [Self::A, Self::B, Self::C, Self::InDirA, Self::InDirB];

    pub fn path(self) -> &'static Path {
        Path::new(match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
            Self::InDirA => "d/a",
            Self::InDirB => "d/b",
        })
    }
}

/// One call, or a short row of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    CreateDir,
    Create(Name),
    Write {
        file: Name,
        offset: u64,
        len: u64,
    },
    Append {
        file: Name,
        len: u64,
    },
    SetLen {
        file: Name,
        len: u64,
    },
    Punch {
        file: Name,
        offset: u64,
        len: u64,
    },
    Allocate {
        file: Name,
        offset: u64,
        len: u64,
    },
    Rename(Name, Name),
    Link(Name, Name),
    Remove(Name),
    SyncData(Name),
    SyncAll(Name),
    SyncRoot,
    SyncDir,
    /// The kernel begins to write a file's pages back, as it may at any time. No call on the seam.
    WriteBack(Name),
}

/// How the file system is cut off from its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Whatever is in memory is lost.
    Hard,
    /// The journal is written first, and what has to go before it.
    JournalFirst,
}

/// One round.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub steps: Vec<Step>,
    pub cut: Cut,
    /// Picks one of the options of the mount.
    pub option: u64,
}

impl Round {
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for (step, number) in self.steps.iter().zip(1..) {
            let _ = writeln!(text, "  {number} {step:?}");
        }
        let _ = writeln!(text, "  cut {:?}, option {}", self.cut, self.option);
        text
    }
}

pub(super) fn draw(draw: &mut Draw<'_>) -> Round {
    let weights = draw.swarm(&[2, 12, 14, 5, 3, 2, 8, 3, 4, 4, 4, 3, 3, 8]);
    let names = draw.range(1..=Name::ALL.len() as u64) as usize;
    // Sizes around blocks, or far from them.
    let grain = *draw.pick(&[4_096, 4_096, 1_000, 1]);
    let count = draw.range(2..=16);
    let mut steps = vec![Step::CreateDir];
    steps.extend((0..count).map(|_| step(draw, &weights, &Name::ALL[..names], grain)));
    Round {
        steps,
        cut: *draw.pick(&[Cut::Hard, Cut::Hard, Cut::JournalFirst]),
        option: draw.below(64),
    }
}

fn step(draw: &mut Draw<'_>, weights: &[u32], names: &[Name], grain: u64) -> Step {
    let file = *draw.pick(names);
    let other = *draw.pick(names);
    let offset = draw.below(5) * grain.max(1_000) + draw.below(4_096 / grain.max(1)).min(300);
    let len = (1 + draw.below(4)) * grain.max(700);
    match draw.weighted(weights) {
        0 => Step::Create(file),
        1 => Step::Write { file, offset, len },
        2 => Step::Append { file, len },
        3 => Step::SetLen { file, len: offset },
        4 => Step::Punch { file, offset, len },
        5 => Step::Allocate { file, offset, len },
        6 => Step::Rename(file, other),
        7 => Step::Link(file, other),
        8 => Step::Remove(file),
        9 => Step::SyncData(file),
        10 => Step::SyncAll(file),
        11 => Step::SyncRoot,
        12 => Step::SyncDir,
        _ => Step::WriteBack(file),
    }
}

/// Carries a step out. `number` marks the bytes that it writes.
pub(super) fn apply(fs: &dyn Fs, step: &Step, number: u8) -> io::Result<()> {
    let rw = OpenOptions::new().read().write();
    let open = |file: &Name| fs.open(file.path(), rw.create());
    let bytes = |len: u64| vec![number; len as usize];
    match step {
        Step::CreateDir => fs.create_dir(Path::new("d")),
        Step::Create(file) => open(file).map(drop),
        Step::Write { file, offset, len } => open(file)?.write_all_at(&bytes(*len), *offset),
        Step::Append { file, len } => {
            let file = open(file)?;
            let end = file.len()?;
            file.write_all_at(&bytes(*len), end)
        }
        Step::SetLen { file, len } => fs.open(file.path(), rw)?.set_len(*len),
        Step::Punch { file, offset, len } => fs.open(file.path(), rw)?.punch(*offset, *len),
        Step::Allocate { file, offset, len } => open(file)?.allocate(*offset, *len),
        Step::Rename(from, to) => fs.rename(from.path(), to.path()),
        Step::Link(from, to) => fs.hard_link(from.path(), to.path()),
        Step::Remove(file) => fs.remove_file(file.path()),
        Step::SyncData(file) => fs.open(file.path(), rw)?.sync_data(),
        Step::SyncAll(file) => fs.open(file.path(), rw)?.sync_all(),
        Step::SyncRoot => fs.sync_dir(Path::new("")),
        Step::SyncDir => fs.sync_dir(Path::new("d")),
        Step::WriteBack(_) => Ok(()),
    }
}
