//! What the world knows of its tasks, time and end.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::schedule::{Choice, Deviation, Schedule};
use crate::call::{CallId, CallKind, mix64};

/// Where a run is stopped as by a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stop {
    /// It runs to its end.
    #[default]
    Never,
    /// When this call would take effect: nothing of it has happened, and all that any task did
    /// before has.
    Before(CallId),
}

/// How much virtual time calls take, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Every call but a sync.
    pub call_ns: u64,
    /// `sync_data`, `sync_all`, `sync_dir`.
    pub sync_ns: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            call_ns: 1_000,
            sync_ns: 100_000,
        }
    }
}

impl Latency {
    pub(super) fn of(self, kind: CallKind) -> u64 {
        match kind {
            CallKind::SyncData | CallKind::SyncAll | CallKind::SyncDir => self.sync_ns,
            _ => self.call_ns,
        }
    }
}

/// Why a task does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Runnable,
    /// Waits for an event, perhaps with a deadline on the monotonic clock (nanoseconds).
    Waiting {
        event: u64,
        deadline_ns: Option<u64>,
    },
    Sleeping {
        until_ns: u64,
    },
    Joining {
        task: u32,
    },
    Done,
}

pub(super) struct Task {
    pub name: String,
    pub status: Status,
    pub op: u32,
    /// The kind of the last call, for reports of deadlock.
    pub last: Option<CallId>,
    /// Set when a wait ended by its event and not by its deadline.
    pub notified: bool,
    /// The panic, if the task ended by one.
    pub panic: Option<String>,
    counts: [u32; CallKind::COUNT],
}

impl Task {
    pub fn new(name: &str, op: u32) -> Self {
        Self {
            name: name.to_owned(),
            status: Status::Runnable,
            op,
            last: None,
            notified: false,
            panic: None,
            counts: [0; CallKind::COUNT],
        }
    }

    pub fn begin_op(&mut self, op: u32) {
        self.op = op;
        self.counts = [0; CallKind::COUNT];
    }

    pub fn name_call(&mut self, task: u32, kind: CallKind) -> CallId {
        let nth = self.counts[kind.index()];
        self.counts[kind.index()] += 1;
        let id = CallId {
            op: self.op,
            task,
            kind,
            nth,
        };
        self.last = Some(id);
        id
    }
}

pub(super) struct State {
    pub tasks: Vec<Task>,
    /// The task that runs now; none while the scheduler decides or before the run.
    pub current: Option<u32>,
    /// Who goes first at the next decision.
    pub next: Option<u32>,
    pub schedule: Schedule,
    /// Whether the schedule ever deviates from the default.
    pub deviates: bool,
    pub taken: Vec<Deviation>,
    /// Every point at which another task could have gone first, if they are asked for.
    pub choices: Option<Vec<Choice>>,
    pub stop: Stop,
    pub crashed: bool,
    pub now_ns: u64,
    pub wall_offset_ns: u64,
    pub latency: Latency,
    pub calls: u64,
    pub calls_max: u64,
    pub exhausted: bool,
    pub event_count: u64,
    pub entropy: u64,
    pub call_hash: u64,
    /// The kind of the last call on the file system, and a hash of the order of kinds: a row of
    /// calls of one kind counts as one.
    pub kind_last: Option<CallKind>,
    pub order_hash: u64,
    /// Scratch for the numbers of runnable tasks.
    pub others: Vec<u32>,
    /// The tasks that had not ended when the main task did.
    pub left_behind: Vec<String>,
}

impl State {
    /// Takes a call into the order of kinds, unless it is one of tasks or clocks.
    pub fn note_kind(&mut self, kind: CallKind) {
        if kind < CallKind::Spawn && self.kind_last != Some(kind) {
            self.kind_last = Some(kind);
            self.order_hash = mix64(self.order_hash ^ (kind as u64 + 1));
        }
    }

    /// The other tasks that could run now, sorted.
    pub fn runnable_others(&mut self, current: u32) -> &[u32] {
        self.others.clear();
        for (task, number) in self.tasks.iter().zip(0u32..) {
            if number != current && task.status == Status::Runnable {
                self.others.push(number);
            }
        }
        &self.others
    }

    /// Notes that any of `others` but the default could go first.
    pub fn note_choice(&mut self, at: CallId, default: Option<u32>) {
        if let Some(choices) = &mut self.choices {
            let others = self.others.iter().copied();
            let others = others.filter(|other| Some(*other) != default).collect();
            choices.push(Choice { at, others });
        }
    }

    pub fn task(&mut self, number: u32) -> &mut Task {
        &mut self.tasks[number as usize]
    }

    /// Makes every task runnable whose deadline has passed.
    pub fn wake_due(&mut self) {
        let now_ns = self.now_ns;
        for task in &mut self.tasks {
            let due = match task.status {
                Status::Waiting {
                    deadline_ns: Some(deadline_ns),
                    ..
                } => deadline_ns <= now_ns,
                Status::Sleeping { until_ns } => until_ns <= now_ns,
                _ => false,
            };
            if due {
                task.status = Status::Runnable;
            }
        }
    }

    /// The nearest deadline of any task that waits for time.
    pub fn next_deadline(&self) -> Option<u64> {
        let deadline = |task: &Task| match task.status {
            Status::Waiting { deadline_ns, .. } => deadline_ns,
            Status::Sleeping { until_ns } => Some(until_ns),
            _ => None,
        };
        self.tasks.iter().filter_map(deadline).min()
    }

    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.now_ns)
    }
}
