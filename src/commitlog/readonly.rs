//! A log opened for reading only.
//!
//! Invariants:
//! - \[I1\] Nothing is written and no lock is taken; a directory without write permission will do.
//! - \[I2\] While another process writes, what is found is some moment's state of the log: an
//!   answer
//!   that could stem from files that changed between two looks is looked at again before it is
//!   given.
//! - \[I3\] What is shown need not be durable: it is what the operating system has.

use std::path::Path;
use std::sync::Arc;

use blackstart_vfs::Env;

use super::TxOffset;
use super::error::LogError;
use super::index::SparseIndex;
use super::options::LogOptions;
use super::reader::{ReadScope, Reader};
use super::recovery::{Plan, Planned, plan};
use super::report::RecoveryReport;
use super::shared::{Active, Point, Segment, Shared, State, TailBuffer};
use super::source::{Directory, LogSource};

/// How often a log that seems damaged must look the same before that is believed.
const LOOKS_MAX: u32 = 3;
/// How often it is looked at while a writer changes it.
const LOOKS_IN_MOTION_MAX: u32 = 1000;

/// A log opened for reading only: it takes no lock, writes nothing, and may be looked at while
/// another process writes.
#[derive(Debug)]
pub struct ReadOnlyLog {
    shared: Arc<Shared>,
    options: LogOptions,
}

impl ReadOnlyLog {
    /// Opens the log in `dir` as it is now. Of the options those matter that say what is known of
    /// the log (`durable_through`) and how much of it to show (`history_end`).
    ///
    /// # Errors
    /// As [`Log::open`](super::Log::open), but for locks.
    pub fn open(
        env: &Env,
        dir: impl AsRef<Path>,
        options: LogOptions,
    ) -> Result<(Self, RecoveryReport), LogError> {
        options.check()?;
        let directory = Directory::new(env, dir.as_ref());
        let (plan, report) = look(&directory, &options)?;
        let state = state(&plan, &options);
        let interval = options.index_interval_bytes;
        let shared = Shared::new(directory, plan.log_id(), interval, false, state);
        let log = Self {
            shared: Arc::new(shared),
            options,
        };
        log.check_history_end()?;
        Ok((log, report))
    }

    /// Looks again: what was written since becomes visible. Readers go on, unless the history was
    /// cut below them.
    ///
    /// # Errors
    /// As [`open`](Self::open); what was visible before stays so.
    pub fn refresh(&self) -> Result<RecoveryReport, LogError> {
        let (plan, report) = look(&self.shared.directory, &self.options)?;
        if plan.log_id() != self.shared.log_id {
            let file = super::names::segment(plan.newest.first);
            let (expected, found) = (self.shared.log_id, plan.log_id());
            return Err(LogError::Foreign {
                file,
                expected,
                found,
            });
        }
        let fresh = state(&plan, &self.options);
        let mut state = self.shared.state.lock();
        state.follow(fresh);
        self.shared.publish(&state);
        drop(state);
        Ok(report)
    }

    /// A reader from the commit that holds `from` on.
    ///
    /// # Errors
    /// [`LogError::HistoryGone`], [`LogError::BeyondEnd`].
    pub fn reader(&self, from: TxOffset) -> Result<Reader, LogError> {
        Reader::new(self.shared.clone(), from, ReadScope::Visible)
    }

    /// The offset before which all transactions are visible.
    pub fn visible_through(&self) -> TxOffset {
        self.shared.frontier(ReadScope::Visible)
    }

    /// The oldest transaction that is kept.
    pub fn oldest(&self) -> TxOffset {
        self.shared.state.lock().oldest
    }

    /// A history that ends inside a commit cannot be shown.
    fn check_history_end(&self) -> Result<(), LogError> {
        let end = self.visible_through();
        if self.options.history_end != Some(end) || end == self.oldest() {
            return Ok(());
        }
        let Some(last) = end.get().checked_sub(1) else {
            return Ok(());
        };
        let mut reader = self.reader(TxOffset::new(last))?;
        let found = match reader.next_commit() {
            Ok(found) => found.map(|commit| commit.range()),
            Err(LogError::Lost { from, to }) => Some(from..to),
            Err(error) => return Err(error),
        };
        match found {
            Some(range) if range.end > end => {
                let (asked, first, end) = (end, range.start, range.end);
                Err(LogError::NotACommitBoundary { asked, first, end })
            }
            _ => Ok(()),
        }
    }
}

/// Plans, and does so again if the log seems damaged: a writer may have been at work in between.
fn look(
    directory: &Directory,
    options: &LogOptions,
) -> Result<(Box<Plan>, RecoveryReport), LogError> {
    let clock = directory.env.clock();
    let began = clock.monotonic();
    let (mut looks, mut before) = (1, None);
    for _ in 0..LOOKS_IN_MOTION_MAX {
        match plan(directory, options.durable_through) {
            Ok(Planned::Log(plan)) => {
                let mut report = plan.report();
                report.elapsed = clock.monotonic().saturating_since(began);
                return Ok((plan, report));
            }
            Ok(Planned::Nothing { .. }) => {
                return Err(LogError::NotFound {
                    dir: directory.path.to_path_buf(),
                });
            }
            Err(error) => {
                // What stays the same from one look to the next is no motion.
                let seen = Some((directory.names()?, error.to_string()));
                if seen != before {
                    (looks, before) = (1, seen);
                } else if looks < LOOKS_MAX {
                    looks += 1;
                } else {
                    return Err(error);
                }
            }
        }
    }
    Err(LogError::InMotion {
        dir: directory.path.to_path_buf(),
    })
}

/// The state of the log as the plan found it, up to the end of the history that is asked for.
fn state(plan: &Plan, options: &LogOptions) -> State {
    let active = Active {
        segment: Segment::new(plan.newest),
        file: None,
        index: SparseIndex::incomplete(options.index_interval_bytes),
        tail: TailBuffer::default(),
    };
    let mut end = Point::of(plan.last);
    if let Some(tx) = options.history_end {
        end.tx = end.tx.min(tx);
    }
    State::new(&plan.sealed, active, end, plan.oldest)
}

impl State {
    /// Becomes `fresh`, and remembers if that cuts the history: where a segment that was known
    /// gave way to another.
    fn follow(&mut self, mut fresh: Self) {
        let cut = self.extents().into_iter().filter_map(|(known, end)| {
            let extents = fresh.extents();
            let again = extents.iter().find(|(fresh, _)| fresh.is(&known));
            match again {
                Some((_, end_again)) => Some(*end_again).filter(|again| *again < end),
                None => Some(known.header.first).filter(|first| *first >= fresh.oldest),
            }
        });
        self.truncations.extend(cut.min());
        fresh.truncations = std::mem::take(&mut self.truncations);
        *self = fresh;
    }

    /// All segments and the transactions after their last ones.
    fn extents(&self) -> Vec<(Arc<Segment>, TxOffset)> {
        let active = &self.active.segment;
        let sealed = self.sealed.values().map(|sealed| sealed.segment.clone());
        let segments: Vec<_> = sealed.chain([active.clone()]).collect();
        let ends = segments.iter().skip(1).map(|segment| segment.header.first);
        let ends: Vec<_> = ends.chain([self.visible.tx]).collect();
        segments.into_iter().zip(ends).collect()
    }
}
