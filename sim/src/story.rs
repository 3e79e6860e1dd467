//! A story: what happened in a case, for a person who has half a minute.
//!
//! It is plain data, made by running the case once more with everything written down: era by era
//! the operations, their calls, the effects on each file and what became of them, the faults, the
//! crash, what was lost at it, what the system had promised, and what it showed afterwards.
//!
//! Invariants:
//! - \[I1\] A story is a function of the case. It judges nothing: the verdict is the run's, what
//!   was lost is the disk's, what was promised is the scenario's.
//! - \[I2\] It is complete. What is folded away is folded by those who show it.
//!
//! Making one is in `story/tell.rs` and `story/causes.rs`, showing it on a terminal in
//! `story/text.rs`, as a page in `story/page.rs`. What became of effects is told by
//! [`crate::disk::Account`].

mod causes;
mod faults;
mod fold;
mod lanes;
mod page;
mod stale;
mod tell;
mod text;
mod words;

#[cfg(test)]
mod tests;

use crate::call::{CallId, CallKind};
use crate::disk::{Change, FileAccount, How, LedgerEntry, Outcome};
use crate::failure::Failure;

pub use page::PageError;
pub(crate) use tell::tell;
pub use text::Look;

/// What happened in a case.
#[derive(Clone, Debug)]
pub struct Story {
    /// The scenario.
    pub scenario: String,
    /// The case file, or the seed.
    pub source: String,
    /// The file system's rules and sizes, in words.
    pub disk: String,
    /// The system's options, in words.
    pub config: String,
    /// The eras that were run; the last one is where it failed, if it did.
    pub eras: Vec<EraStory>,
    /// How many eras the case has.
    pub era_count: usize,
    /// What is wrong; none if nothing is.
    pub failure: Option<Failure>,
    /// Names in the case that the run did not meet.
    pub stale: Vec<String>,
    /// The command that shows the same run call by call.
    pub command: String,
    /// The case.
    pub case: String,
}

/// What happened between two crashes.
#[derive(Clone, Debug)]
pub struct EraStory {
    /// From 0.
    pub number: usize,
    /// The operations.
    pub steps: Vec<StepStory>,
    /// The names of the tasks, by number.
    pub tasks: Vec<String>,
    /// The files.
    pub files: Vec<FileAccount>,
    /// Calls and events in the order in which they happened.
    pub moments: Vec<Moment>,
    /// The effects, in order.
    pub effects: Vec<EffectStory>,
    /// The faults of the case, by position in its list.
    pub faults: Vec<FaultStory>,
    /// Bytes that files show at the end, and that were never written to them.
    pub stale: Vec<StaleStory>,
    /// How it ended.
    pub end: EraEnd,
    /// What the model knew when the era began, and when it ended.
    pub known: (Vec<String>, Vec<String>),
}

/// One operation.
#[derive(Clone, Debug)]
pub struct StepStory {
    /// Its id.
    pub id: u32,
    /// Who carries it out.
    pub client: u32,
    /// What it does.
    pub words: String,
}

/// How an era ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EraEnd {
    /// With the failure.
    Failed,
    /// In order.
    Closed,
    /// The power failed, before this call or after the last.
    Power(Option<CallId>),
    /// The process was killed, before this call or after the last.
    Killed(Option<CallId>),
}

/// One effect, as the disk accounts for it, and the reason of its loss.
#[derive(Clone, Debug)]
pub struct EffectStory {
    /// The call that had it; none if an earlier era left it pending.
    pub moment: Option<usize>,
    /// The call, where it is known.
    pub call: Option<CallId>,
    /// The number of the file.
    pub file: u32,
    /// What it changed.
    pub change: Change,
    /// The moment that settled it while the era went on, and how.
    pub settled: Option<(usize, How)>,
    /// What the end of the era made of it.
    pub outcome: Outcome,
    /// If it was lost: why nothing had made it durable, and what had been promised.
    pub cause: Option<Cause>,
}

/// Bytes of an earlier file that a later one shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleStory {
    /// The file that shows them.
    pub name: String,
    /// The first byte.
    pub start: u64,
    /// After the last one.
    pub end: u64,
    /// The file that held them, and the call that wrote them there, in words; none: nothing is
    /// known of their block.
    pub source: Option<(String, String)>,
}

/// Why an effect was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What had or had not been done for it.
    pub reason: String,
    /// The first promise after it, by the same operation if it made one: a moment.
    pub promise: Option<usize>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Moment {
    /// A call on the disk.
    Call(CallMoment),
    /// What the scenario recorded.
    Event(EventMoment),
}

/// A call on the disk.
#[derive(Clone, Debug)]
pub struct CallMoment {
    /// Its name.
    pub call: CallId,
    /// The path and the numbers.
    pub words: String,
    /// The error that it returned.
    pub error: Option<String>,
    /// The effects that it had: positions.
    pub effects: Vec<usize>,
    /// The effects that it settled: positions.
    pub settles: Vec<usize>,
    /// The faults that struck it, and those that showed in it.
    pub faults: Vec<usize>,
}

/// An event of the scenario.
#[derive(Clone, Debug)]
pub struct EventMoment {
    /// The task.
    pub task: u32,
    /// The operation in whose course it was recorded.
    pub op: u32,
    /// What happened.
    pub said: Said,
    /// Whether it is the one that contradicts the model.
    pub contradicts: bool,
}

/// An event in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The words.
    pub words: String,
    /// What it means.
    pub role: Role,
}

/// What an event means to whoever was told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Something was promised: a commit acknowledged, a sync returned.
    Promise,
    /// Something was shown: an opening, a read.
    Shown,
    /// Anything else.
    Fact,
}

impl Said {
    /// The system promised something.
    pub fn promise(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            role: Role::Promise,
        }
    }

    /// The system showed something.
    pub fn shown(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            role: Role::Shown,
        }
    }

    /// Something else happened.
    pub fn fact(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            role: Role::Fact,
        }
    }
}

/// What became of one fault of the case.
#[derive(Clone, Debug)]
pub struct FaultStory {
    /// Its kind, as reports name it.
    pub kind: &'static str,
    /// When it was to strike.
    pub when: String,
    /// Where it struck: moments.
    pub struck: Vec<usize>,
    /// Where it showed: moments.
    pub showed: Vec<usize>,
    /// What it damaged at rest, in words.
    pub damaged: Vec<String>,
    /// How often it struck, and what came of that.
    pub ledger: LedgerEntry,
}

impl Story {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.failure.is_none()
    }

    /// The era in which the failure showed, or the last.
    pub fn last_era(&self) -> Option<&EraStory> {
        self.eras.last()
    }
}

impl EraStory {
    /// The words of an operation; of 0, which is outside of any, none.
    pub fn step(&self, id: u32) -> Option<&StepStory> {
        self.steps.iter().find(|step| step.id == id)
    }

    /// A file by its number.
    pub fn file(&self, number: u32) -> Option<&FileAccount> {
        self.files.iter().find(|file| file.number == number)
    }

    /// The name of a file, the last that it had.
    pub fn file_name(&self, number: u32) -> &str {
        let file = self.file(number);
        file.and_then(|file| file.names.last())
            .map_or("?", String::as_str)
    }

    /// Whether a file has or had this name.
    pub fn is_named(&self, number: u32, path: &str) -> bool {
        let is_it = |file: &FileAccount| file.names.iter().any(|name| name == path);
        self.file(number).is_some_and(is_it)
    }

    /// The effects that did not outlive the era whole.
    pub fn lost(&self) -> impl Iterator<Item = &EffectStory> {
        let is_lost = |outcome: &Outcome| matches!(outcome, Outcome::Lost | Outcome::Torn(_));
        self.effects
            .iter()
            .filter(move |effect| is_lost(&effect.outcome))
    }

    /// How many effects were pending when the era ended.
    pub fn pending_count(&self) -> usize {
        let effects = self.effects.iter();
        effects.filter(|effect| effect.settled.is_none()).count()
    }
}

impl CallMoment {
    /// The path that it was made on; of a change of two names the one that is changed.
    pub fn path(&self) -> &str {
        match self.words.rsplit_once(' ') {
            Some((path, _)) if self.is_on_handle() => path,
            _ => &self.words,
        }
    }

    /// Whether it was made on an open file.
    pub fn is_on_handle(&self) -> bool {
        matches!(
            self.call.kind,
            CallKind::Read
                | CallKind::Write
                | CallKind::SetLen
                | CallKind::Allocate
                | CallKind::Punch
                | CallKind::SyncData
                | CallKind::SyncAll
                | CallKind::Len
                | CallKind::FileId
                | CallKind::LinkCount
        )
    }
}

impl Moment {
    /// The task and the operation.
    pub fn by(&self) -> (u32, u32) {
        match self {
            Self::Call(call) => (call.call.task, call.call.op),
            Self::Event(event) => (event.task, event.op),
        }
    }
}
