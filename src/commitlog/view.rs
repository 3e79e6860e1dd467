//! What a read-only log shows, and how it keeps up with a writer in another process.
//!
//! Invariants:
//! - \[I1\] Nothing is written and no lock is taken.
//! - \[I2\] While another process writes, what is found is some moment's state of the log: an
//!   answer that could stem from files that changed while they were read is read again before it is
//!   given.
//! - \[I3\] A view never shows more than `history_end`, and only whole commits.

use std::sync::Arc;

use super::TxOffset;
use super::chain::{Chain, Check, Step};
use super::directory::Directory;
use super::error::{Evidence, LogError};
use super::index::SparseIndex;
use super::link::Link;
use super::options::LogOptions;
use super::recovery::{Beforehand, Plan, Planned, plan};
use super::report::RecoveryReport;
use super::segment::{Sealed, Segment};
use super::source::{LogSource, SourceName};
use super::state::{Active, Phase, Shared, State, TailBuffer, View};

/// Identical failing reads required before damage is reported.
const READS_MAX: u32 = 3;
/// Reads of a log that a writer changes all the time.
const READS_IN_MOTION_MAX: u32 = 1000;

/// Repeats `read` as long as it fails in a way that a writer beside it explains: until it has
/// failed in the same way, over the same names, several times.
///
/// # Errors
/// The lasting error; [`LogError::ChangedWhileReading`].
pub(crate) fn read_steadily<R>(
    directory: &Directory,
    mut read: impl FnMut() -> Result<R, LogError>,
) -> Result<R, LogError> {
    let mut before: Option<(Vec<SourceName>, String)> = None;
    let mut same = 1;
    for _ in 0..READS_IN_MOTION_MAX {
        let error = match read() {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let seen = Some((directory.names()?, error.to_string()));
        if seen != before {
            (same, before) = (1, seen);
        } else if same < READS_MAX {
            same += 1;
        } else {
            return Err(error);
        }
    }
    Err(LogError::ChangedWhileReading {
        dir: directory.shown_dir(),
    })
}

/// Reads the log as it is now.
pub(crate) fn look(
    directory: &Directory,
    view: &View,
) -> Result<(State, Box<Plan>, RecoveryReport), LogError> {
    let clock = directory.env.clock();
    let began = clock.monotonic();
    read_steadily(directory, || {
        let Planned::Log(plan) = plan(directory, view.beforehand)? else {
            return Err(LogError::NotFound {
                dir: directory.shown_dir(),
            });
        };
        let state = state(directory, &plan, view.history_end)?;
        let mut report = plan.report();
        report.elapsed = clock.monotonic().saturating_since(began);
        Ok((state, plan, report))
    })
}

/// Reads the log again: what was written since becomes visible, and what was cut is noted. Returns
/// whether anything has changed.
pub(crate) fn refresh(shared: &Shared, view: &View) -> Result<(bool, RecoveryReport), LogError> {
    // One at a time, or an older state could take the place of a newer one.
    let _turn = view.turn.lock();
    let (fresh, plan, report) = look(&shared.directory, view)?;
    if plan.log_id() != shared.log_id {
        return Err(LogError::Foreign {
            file: shared.directory.shown(&fresh.active.segment.name),
            expected: shared.log_id,
            found: plan.log_id(),
        });
    }
    let mut state = shared.state.lock();
    let changed = state.follow(fresh);
    shared.publish(&state);
    drop(state);
    shared.changed.notify_all();
    Ok((changed, report))
}

/// The state of the log as the plan found it, up to the end of the history that is asked for.
fn state(
    directory: &Directory,
    plan: &Plan,
    history_end: Option<TxOffset>,
) -> Result<State, LogError> {
    let mut segments = plan.sealed.clone();
    let mut last = Sealed {
        segment: Segment::new(plan.newest),
        end: plan.scan.end,
    };
    let end = plan.scan.end.next;
    if let Some(asked) = history_end.filter(|asked| *asked < end) {
        let oldest = plan.oldest;
        if asked < oldest {
            return Err(LogError::HistoryGone { asked, oldest });
        }
        // The last segment that begins before; if none does, nothing of the first is shown.
        while last.segment.header.first >= asked
            && let Some(before) = segments.pop()
        {
            last = before;
        }
        last.end = match last.segment.header.first < asked {
            true => find(directory, &last, asked)?,
            false => last.segment.header.start(),
        };
    }
    let Sealed { segment, end } = last;
    let active = Active {
        index: SparseIndex::new(end.at.get()),
        segment,
        file: None,
        tail: TailBuffer::default(),
    };
    let phase = match plan.is_closed() {
        true => Phase::Closed,
        false => Phase::Writing,
    };
    Ok(State::new(segments, active, end, plan.oldest, phase))
}

/// The place in a segment at which the commit of `asked` starts.
fn find(directory: &Directory, sealed: &Sealed, asked: TxOffset) -> Result<Link, LogError> {
    if sealed.end.next <= asked {
        return Ok(sealed.end);
    }
    let file = directory.open(&sealed.segment.name)?;
    let header = &sealed.segment.header;
    let mut chain = Chain::new(header.key(), header.start());
    loop {
        let link = chain.link();
        if link.next == asked {
            return Ok(link);
        }
        let step = chain.step(&*file, sealed.end.at, Check::Header)?;
        let (first, end) = (link.next, chain.link().next);
        match step {
            Step::Frame(_) if end > asked => {
                return Err(LogError::NotACommitBoundary { asked, first, end });
            }
            Step::Frame(_) => {}
            Step::End => return Ok(link),
            Step::Break(defect) => {
                return Err(LogError::Corrupt {
                    corrupt: defect.in_file(directory.shown(&sealed.segment.name)),
                    evidence: Evidence::ReadBefore,
                });
            }
        }
    }
}

impl View {
    /// The view that the options ask for.
    pub fn new(directory: &Directory, options: &LogOptions) -> Self {
        Self {
            beforehand: Beforehand::of(options),
            history_end: options.history_end,
            turn: blackstart_vfs::Mutex::new(&directory.env, ()),
        }
    }
}

impl State {
    /// Becomes `fresh`, and notes where that cuts what was visible. Returns whether anything has
    /// changed.
    fn follow(&mut self, mut fresh: Self) -> bool {
        let seen = self.visible.next;
        let known = |segment: &Arc<Segment>| self.segments().any(|known| known.is(segment));
        let unknown = fresh.segments().filter(|segment| !known(segment));
        // A segment goes on with what was there before it up to where it was durable at first,
        // unless the history was cut where it begins, since the view last saw it.
        let epoch = self.active.segment.header.epoch;
        let cuts = unknown.map(|segment| match segment.header.cut_epoch {
            Some(cut_epoch) if cut_epoch > epoch => segment.header.first,
            _ => segment.header.durable_through,
        });
        let cut = cuts.chain([fresh.visible.next]).min();
        let changed = fresh.visible != self.visible
            || fresh.oldest != self.oldest
            || !fresh.active.segment.is(&self.active.segment);
        self.truncations.extend(cut.filter(|cut| *cut < seen));
        fresh.truncations = std::mem::take(&mut self.truncations);
        *self = fresh;
        changed
    }

    fn segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        let sealed = self.sealed.values().map(|sealed| &sealed.segment);
        sealed.chain([&self.active.segment])
    }
}

#[cfg(test)]
mod tests;
