//! What became of each effect of a run: for people.
//!
//! The account of a run is told by the same [`CrashModel`] that builds images: it walks the trace
//! once and asks the model after every sync what is still pending.
//!
//! Invariants:
//! - \[I1\] Nothing is judged here that the model does not say: an effect is durable when a sync
//!   took it out of the pending ones, and lost if the survivors, made legal, do not keep it.
//! - \[I2\] No run depends on an account.
//!
//! Not here: lanes and sentences, which are `story`'s. The bytes of a file: `account/bytes.rs`.

mod bytes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use super::alter::alter;
use super::build;
use super::config::{DiskConfig, Profile};
use super::crash::CrashModel;
use super::damage::Damage;
use super::fault::FaultRule;
use super::image::Image;
use super::inject::damage_at_rest;
use super::layout::Layout;
use super::pending::What;
use super::resolve::{Kept, Resolution, resolve};
use super::survivors::{EffectId, Survivors};
use super::trace::{Effect, Synced, Trace};
use super::tree::{Ino, Inode, Tree};

pub use bytes::Span;

/// How the run that is accounted for ended.
#[derive(Clone, Copy, Debug)]
pub enum Ending<'a> {
    /// By a loss of power that kept these.
    Power(&'a Survivors),
    /// By a kill, or in order: the page cache stays.
    Kill,
}

/// All effects of a run and the files they concern.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Everything that has or had a name, in the order of creation.
    pub files: Vec<FileAccount>,
    /// The effects in order, those that an earlier era left pending first.
    pub effects: Vec<EffectAccount>,
    /// The bytes that were damaged at rest when the run began.
    pub harmed: Vec<Harmed>,
    /// The names that were altered at rest, or whose file was, by the position of the rule.
    pub altered: Vec<(usize, Vec<String>)>,
    /// Bytes that the next opening sees in files to which they were never written.
    pub stale: Vec<Stale>,
}

/// Bytes that a block held before it was given to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The number of the file that shows them.
    pub file: u32,
    /// The first byte.
    pub start: u64,
    /// After the last one.
    pub end: u64,
    /// The number of the file that is gone and held them there; none: nothing is known of them.
    pub source: Option<u32>,
}

/// One effect.
#[derive(Clone, Debug)]
pub struct EffectAccount {
    /// Its name; none for a write that never reaches the disk.
    pub id: Option<EffectId>,
    /// Its position in the trace; none if an earlier era left it pending.
    pub at: Option<usize>,
    /// The number of the file that it concerns; of a change of names, the file that is named.
    pub file: u32,
    /// What it changed.
    pub change: Change,
    /// Where it was settled while the run went on, and how.
    pub settled: Option<(usize, How)>,
    /// What the end of the run made of it.
    pub outcome: Outcome,
}

/// What an effect changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Bytes.
    Write {
        /// From here.
        offset: u64,
        /// So many.
        len: u64,
    },
    /// The length.
    Length {
        /// From this.
        old: u64,
        /// To this.
        new: u64,
    },
    /// A range became zeros.
    Zero {
        /// From here.
        offset: u64,
        /// So many.
        len: u64,
    },
    /// A new file or directory with its name.
    Create(String),
    /// One more name.
    Link(String),
    /// A name less.
    Remove(String),
    /// A new name instead of the old.
    Rename {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
        /// Whether another file had the new name.
        replaces: bool,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { offset, len } => write!(f, "bytes {offset}..{}", offset + len),
            Self::Length { old, new } => write!(f, "length {old} → {new}"),
            Self::Zero { offset, len } => write!(f, "zeros {offset}..{}", offset + len),
            Self::Create(name) => write!(f, "new name {name}"),
            Self::Link(name) => write!(f, "further name {name}"),
            Self::Remove(name) => write!(f, "name {name} removed"),
            Self::Rename {
                from,
                to,
                replaces: false,
            } => write!(f, "name {from} → {to}"),
            Self::Rename { from, to, .. } => write!(f, "name {from} → {to}, replacing a file"),
        }
    }
}

/// How an effect was settled before the run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// A sync made it durable.
    Durable,
    /// A failed sync took it out of the cache; the disk never got it, or not all of it.
    Dropped,
    /// The disk took the write for done and never got it.
    Swallowed,
}

/// What became of an effect in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was durable before the end.
    Durable,
    /// It was pending, and the disk kept it.
    Survived,
    /// It was pending, and the disk kept a part of it: in words.
    Torn(String),
    /// It is not on the disk.
    Lost,
    /// It is seen, and not durable.
    Pending,
}

/// One file or directory.
#[derive(Clone, Debug)]
pub struct FileAccount {
    /// Its number.
    pub number: u32,
    /// All its names, the first first.
    pub names: Vec<String>,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// The length that the program saw last; none if the name was gone.
    pub seen: Option<u64>,
    /// How much of that length is durable for certain.
    pub durable: u64,
    /// The length that the next opening sees; none if it is not there.
    pub left: Option<u64>,
    /// The bytes that the program saw, and what became of them.
    pub spans: Vec<Span>,
}

/// Bytes that a fault at rest damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Harmed {
    /// The rule, by position.
    pub rule: usize,
    /// The file's number.
    pub file: u32,
    /// The first damaged byte.
    pub start: u64,
    /// After the last one.
    pub end: u64,
}

impl Account {
    /// Accounts for a run on `image` that left this trace.
    pub fn of(
        image: &Image,
        config: &DiskConfig,
        rules: &[FaultRule],
        trace: &Trace,
        ending: Ending<'_>,
    ) -> Self {
        let mut model = CrashModel::new(image, config, rules);
        let mut names = Names::default();
        names.learn(&model.visible);
        let (found, altered) = alter(image, rules).unzip();
        let altered = altered.unwrap_or_default().into_iter().map(|altered| {
            let path = |name| names.path(altered.dir, name);
            (
                altered.rule,
                altered.names.iter().map(|name| path(name)).collect(),
            )
        });
        let mut account = Self {
            harmed: harmed(found.as_ref().unwrap_or(image), rules),
            altered: altered.collect(),
            ..Self::default()
        };
        for pending in &model.pending {
            account.effects.push(EffectAccount {
                id: Some(pending.id),
                at: None,
                file: pending.what.file().0,
                change: names.change(&pending.what),
                settled: None,
                outcome: Outcome::Pending,
            });
        }
        for at in 0..trace.len() {
            let before = model.pending.len();
            model.advance(trace, at + 1);
            account.step(&model, trace, at, before, &mut names);
        }
        account.conclude(&model, &names, ending);
        account
    }

    fn step(
        &mut self,
        model: &CrashModel,
        trace: &Trace,
        at: usize,
        pending_before: usize,
        names: &mut Names,
    ) {
        let Some(event) = trace.events.get(at) else {
            return;
        };
        match &event.effect {
            Effect::Sync { ino, how, .. } => self.synced(model, at, *ino, *how),
            Effect::Write {
                ino,
                offset,
                len,
                is_lost: true,
                ..
            } => self.effects.push(EffectAccount {
                id: None,
                at: Some(at),
                file: ino.0,
                change: Change::Write {
                    offset: *offset,
                    len: *len as u64,
                },
                settled: Some((at, How::Swallowed)),
                outcome: Outcome::Lost,
            }),
            _ => {}
        }
        let Some(pending) = model.pending.get(pending_before) else {
            return;
        };
        let mut change = names.change(&pending.what);
        if let (Effect::Create { .. }, Change::Link(name)) = (&event.effect, &change) {
            change = Change::Create(name.clone());
        }
        self.effects.push(EffectAccount {
            id: Some(pending.id),
            at: Some(at),
            file: pending.what.file().0,
            change,
            settled: None,
            outcome: Outcome::Pending,
        });
        if pending.what.content_of().is_none() {
            names.learn(&model.visible);
        }
    }

    /// What is no longer pending after a sync is settled.
    fn synced(&mut self, model: &CrashModel, at: usize, ino: Ino, how: Synced) {
        for effect in &mut self.effects {
            let is_pending = |id| model.pending.iter().any(|pending| pending.id == id);
            if effect.settled.is_some() || effect.id.is_none_or(is_pending) {
                continue;
            }
            let is_data = matches!(effect.change, Change::Write { .. });
            let is_dropped = match how {
                Synced::Cleaned | Synced::Partial => is_data && effect.file == ino.0,
                Synced::Reverted => effect.file == ino.0,
                Synced::Done | Synced::Nothing => false,
            };
            let how = if is_dropped {
                How::Dropped
            } else {
                How::Durable
            };
            effect.settled = Some((at, how));
        }
    }

    fn conclude(&mut self, model: &CrashModel, names: &Names, ending: Ending<'_>) {
        let (after, resolution) = match ending {
            Ending::Power(survivors) => {
                let image = model.image(survivors);
                (image.visible, Some(resolve(model, survivors)))
            }
            Ending::Kill => (model.kill_image().visible, None),
        };
        for effect in &mut self.effects {
            effect.outcome = match effect.settled {
                Some((_, How::Durable)) => Outcome::Durable,
                Some((_, How::Dropped | How::Swallowed)) => Outcome::Lost,
                None => outcome(model, effect.id, resolution.as_ref()),
            };
        }
        if let Some(resolution) = &resolution {
            self.stale = stale(model, resolution);
        }
        let (mut seen, mut left) = (Names::default(), Names::default());
        seen.learn(&model.visible);
        left.learn(&after);
        for (&number, known) in &names.all {
            let ino = Ino(number);
            let length = |tree: &Tree| tree.get(ino).map(|inode| inode.len);
            let shown =
                |of: &Names, tree: &Tree| of.all.contains_key(&number).then(|| length(tree));
            let file = FileAccount {
                number,
                names: known.clone(),
                is_dir: model.visible.get(ino).is_some_and(Inode::is_dir),
                seen: shown(&seen, &model.visible).flatten(),
                durable: length(&model.durable).unwrap_or(0),
                left: shown(&left, &after).flatten(),
                spans: Vec::new(),
            };
            let spans = bytes::spans(model, resolution.as_ref(), ino, &file);
            self.files.push(FileAccount { spans, ..file });
        }
    }
}

/// What the end makes of a pending effect. A sync may have cut a write into parts.
fn outcome(model: &CrashModel, id: Option<EffectId>, resolution: Option<&Resolution>) -> Outcome {
    let Some(resolution) = resolution else {
        return Outcome::Pending;
    };
    if model.config.profile == Profile::Tmpfs {
        return Outcome::Lost;
    }
    let parts = model.pending.iter().enumerate();
    let parts = parts.filter(|(_, pending)| Some(pending.id) == id);
    let (mut units, mut kept, mut tears) = (0, 0, Vec::new());
    for (at, _) in parts {
        match resolution.kept.get(at) {
            Some(Kept::All) => (units, kept) = (units + 1, kept + 1),
            Some(Kept::Units(of)) => {
                units += of.len();
                kept += of.count();
            }
            Some(Kept::No) | None => units += 1,
        }
        let torn = resolution.torn.iter().filter(|torn| torn.at == at);
        tears.extend(torn.map(|torn| format!("unit {} torn: {:?}", torn.unit, torn.tear)));
    }
    match (kept, tears.is_empty()) {
        (0, _) => Outcome::Lost,
        (_, true) if kept == units => Outcome::Survived,
        (_, true) => Outcome::Torn(format!("{kept} of {units} units kept")),
        (_, false) => Outcome::Torn(tears.join(", ")),
    }
}

/// Where files show what their blocks held before.
fn stale(model: &CrashModel, resolution: &Resolution) -> Vec<Stale> {
    let mut all = Vec::new();
    for changed in Layout::of(model).files {
        if !changed.is_kept_in(resolution) {
            continue;
        }
        let file = changed.ino.0;
        let found = build::stale(model, resolution, changed.ino, &changed.ops);
        all.extend(found.into_iter().map(|(start, end, source)| Stale {
            file,
            start,
            end,
            source: source.map(|ino| ino.0),
        }));
    }
    all
}

/// What these rules damage at rest. What earlier eras damaged is not theirs.
fn harmed(image: &Image, rules: &[FaultRule]) -> Vec<Harmed> {
    let mut damage = Damage::default();
    damage_at_rest(rules, &image.visible, &mut damage);
    let mut harmed: Vec<Harmed> = Vec::new();
    for (ino, offset, rule) in damage.iter() {
        match harmed.last_mut() {
            Some(last) if last.file == ino.0 && last.end == offset && last.rule == rule => {
                last.end = offset + 1;
            }
            _ => harmed.push(Harmed {
                rule,
                file: ino.0,
                start: offset,
                end: offset + 1,
            }),
        }
    }
    harmed
}

/// All names that each file had so far, by its number.
#[derive(Default)]
struct Names {
    all: BTreeMap<u32, Vec<String>>,
}

impl Names {
    /// Takes the names of a tree in.
    fn learn(&mut self, tree: &Tree) {
        let mut paths: BTreeMap<Ino, String> = BTreeMap::new();
        tree.walk(&mut |dir, name, ino| {
            let path = match paths.get(&dir) {
                Some(parent) => format!("{parent}/{name}"),
                None => name.to_string(),
            };
            let names = self.all.entry(ino.0).or_default();
            if !names.contains(&path) {
                names.push(path.clone());
            }
            if tree.get(ino).is_some_and(Inode::is_dir) {
                paths.insert(ino, path);
            }
        });
    }

    fn path(&self, dir: Ino, name: &str) -> String {
        match self.all.get(&dir.0).and_then(|names| names.last()) {
            Some(parent) => format!("{parent}/{name}"),
            None => name.to_owned(),
        }
    }

    fn change(&self, what: &What) -> Change {
        match what {
            What::Data { offset, bytes, .. } => Change::Write {
                offset: *offset,
                len: bytes.len() as u64,
            },
            What::Size { old, new, .. } => Change::Length {
                old: *old,
                new: *new,
            },
            // Up to there, whatever the length was.
            What::Floor { len, .. } => Change::Length { old: 0, new: *len },
            What::Zero { offset, len, .. } => Change::Zero {
                offset: *offset,
                len: *len,
            },
            What::Link { dir, name, .. } => Change::Link(self.path(*dir, name)),
            What::Unlink { dir, name, .. } => Change::Remove(self.path(*dir, name)),
            What::Rename {
                from_dir,
                from,
                to_dir,
                to,
                replaced,
                ..
            } => Change::Rename {
                from: self.path(*from_dir, from),
                to: self.path(*to_dir, to),
                replaces: replaced.is_some(),
            },
        }
    }
}
