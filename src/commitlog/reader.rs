//! Reading commits in order.
//!
//! Invariants:
//! - \[I1\] A reader shows commits only up to the frontier of its scope, in order and without gaps;
//!   what it cannot show it answers with an error, never with the next thing it can.
//! - \[I2\] It checks every frame's place in the chain and every payload's checksum.
//! - \[I3\] Its memory is one chunk of a segment, or one frame if that is larger.
//! - \[I4\] If the history was cut below its position, or what it was to read next was retired, it
//!   says so. An error found while files changed under it is never reported as damage.

use std::ops::Range;
use std::sync::Arc;

use super::TxOffset;
use super::chain::{Chain, Check, Step};
use super::commit::Commit;
use super::directory::OpenFile;
use super::error::{ErrorClass, Evidence, LogError};
use super::frame::{FrameHeader, FrameKind};
use super::options::ReadScope;
use super::seek::seek;
use super::segment::Segment;
use super::source::LogSource;
use super::state::{LiveFile, Shared};
use super::view::refresh;
use crate::codec::{ByteOffset, Defect};

/// What stands next in the log.
#[derive(Clone, Debug)]
pub enum Entry<'a> {
    /// A commit.
    Commit(Commit<'a>),
    /// Transactions that were lost to damage: the log was written by a salvage.
    Lost(Range<TxOffset>),
}

/// Where an entry of the log stands, without its bytes.
enum Found {
    Commit(FrameHeader),
    Lost(Range<TxOffset>),
}

/// The segment that a reader is in.
#[derive(Debug)]
struct Open {
    segment: Arc<Segment>,
    file: Arc<OpenFile>,
    chain: Chain,
    /// How far it may be read, as of the last look.
    limit: ByteOffset,
}

/// Reads commits in order. It sees commits that become visible while it reads.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    scope: ReadScope,
    position: TxOffset,
    generation: u64,
    open: Option<Open>,
}

impl Reader {
    /// A reader that starts with the commit which holds `from`.
    pub(crate) fn new(
        shared: Arc<Shared>,
        from: TxOffset,
        scope: ReadScope,
    ) -> Result<Self, LogError> {
        let (oldest, next, generation) = {
            let state = shared.state.lock();
            (
                state.oldest,
                state.visible.next,
                state.truncations.len() as u64,
            )
        };
        let asked = from;
        if asked < oldest {
            return Err(LogError::HistoryGone { asked, oldest });
        }
        if asked > next {
            return Err(LogError::BeyondEnd { asked, next });
        }
        Ok(Self {
            shared,
            scope,
            position: from,
            generation,
            open: None,
        })
    }

    /// The next commit or lost range; none at the visible end (more may come later).
    ///
    /// # Errors
    /// [`LogError::Corrupt`] and [`LogError::Io`] stay; [`LogError::Truncated`] and
    /// [`LogError::HistoryGone`] mean that the reader is of no more use. So do
    /// [`LogError::Closed`] and [`LogError::Poisoned`]: the files are not what they were when the
    /// log was left, and only another opening can say whether that is damage.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>, LogError> {
        let Some(found) = self.advance()? else {
            return Ok(None);
        };
        Ok(Some(match found {
            Found::Lost(range) => Entry::Lost(range),
            Found::Commit(header) => Entry::Commit(self.commit(&header)),
        }))
    }

    /// The next commit. A lost range is the error [`LogError::Lost`], once; the next call goes on
    /// behind it.
    ///
    /// # Errors
    /// As [`next_entry`](Self::next_entry).
    #[inline]
    pub fn next_commit(&mut self) -> Result<Option<Commit<'_>>, LogError> {
        let header = self.find_commit()?;
        Ok(header.map(|header| self.commit(&header)))
    }

    /// As [`next_commit`](Self::next_commit); the commit is then in the buffer.
    #[inline]
    pub(crate) fn find_commit(&mut self) -> Result<Option<FrameHeader>, LogError> {
        match self.advance()? {
            None => Ok(None),
            Some(Found::Lost(range)) => Err(LogError::Lost {
                from: range.start,
                to: range.end,
            }),
            Some(Found::Commit(header)) => Ok(Some(header)),
        }
    }

    /// The offset of the transaction after the last one read.
    pub fn position(&self) -> TxOffset {
        self.position
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn scope(&self) -> ReadScope {
        self.scope
    }

    /// Whether the history was cut since the last look.
    #[inline]
    pub(crate) fn is_outdated(&self) -> bool {
        self.shared.generation() != self.generation
    }

    /// The commit that was just found, which is still in the buffer.
    #[inline]
    pub(crate) fn commit(&self, frame: &FrameHeader) -> Commit<'_> {
        let Some(open) = &self.open else {
            unreachable!("a commit was found in an open segment");
        };
        let header = &open.segment.header;
        Commit {
            first: frame.first,
            end: self.position,
            epoch: header.epoch,
            incarnation: header.incarnation,
            payload: open.chain.payload(),
            ends: open.chain.ends(),
        }
    }

    /// Goes to the next entry.
    #[inline]
    fn advance(&mut self) -> Result<Option<Found>, LogError> {
        loop {
            self.check_generation()?;
            if self.position >= self.shared.frontier(self.scope) {
                return Ok(None);
            }
            match self.step() {
                Ok(found) => return Ok(Some(found)),
                Err(error) => self.explain(error)?,
            }
        }
    }

    /// Fails with the error, unless files that changed under the reader explain it.
    #[cold]
    fn explain(&mut self, error: LogError) -> Result<(), LogError> {
        // The writer may be about to tell that the name has another segment.
        drop(self.shared.renaming.lock());
        if self.is_outdated() {
            return Ok(());
        }
        self.expect_kept()?;
        let is_explicable = match error.class() {
            ErrorClass::Damage => true,
            _ => error.is_not_found(),
        };
        // A step of the writer that failed may have given a name to another file, which is not
        // used; and a log that is closed may be open elsewhere, where its history is cut and
        // retired.
        let is_writable = self.shared.view.is_none();
        if let Some(refusal) = self
            .shared
            .refusal()
            .filter(|_| is_explicable && is_writable)
        {
            return Err(refusal);
        }
        let Some(view) = self.shared.view.as_ref().filter(|_| is_explicable) else {
            return Err(error);
        };
        // Another process writes the log. If reading it again finds the same, it is damage.
        match refresh(&self.shared, view) {
            Ok((true, _)) => {
                self.open = None;
                self.expect_kept()
            }
            Ok((false, _)) => Err(error),
            Err(again) if again.class() == ErrorClass::Damage => Err(error),
            // The history that it was to show is gone by now, or it cannot be looked at again.
            Err(again) => Err(again),
        }
    }

    /// Whether what is to be read next was retired.
    fn expect_kept(&self) -> Result<(), LogError> {
        let (asked, oldest) = (self.position, self.shared.state.lock().oldest);
        match asked < oldest {
            true => Err(LogError::HistoryGone { asked, oldest }),
            false => Ok(()),
        }
    }

    /// Whether the history below was cut.
    #[inline]
    fn check_generation(&mut self) -> Result<(), LogError> {
        match self.is_outdated() {
            true => self.follow_generation(),
            false => Ok(()),
        }
    }

    fn follow_generation(&mut self) -> Result<(), LogError> {
        let state = self.shared.state.lock();
        let seen = self.generation as usize;
        let at = state.truncations[seen..].iter().min().copied();
        let position = self.position;
        if let Some(at) = at.filter(|at| *at < position) {
            return Err(LogError::Truncated { position, at });
        }
        self.generation = state.truncations.len() as u64;
        drop(state);
        // The position is still part of the history, the file perhaps not.
        self.open = None;
        Ok(())
    }

    #[inline]
    fn step(&mut self) -> Result<Found, LogError> {
        loop {
            let open = match &mut self.open {
                Some(open) => open,
                none => match enter(&self.shared, self.scope, self.position)? {
                    Entered::Open(open) => none.insert(*open),
                    Entered::Lost(range) => {
                        self.position = range.end;
                        return Ok(Found::Lost(range));
                    }
                },
            };
            let (segment, file) = (&open.segment, &open.file);
            let file = LiveFile {
                shared: &self.shared,
                segment,
                file,
            };
            match open.chain.step(&file, open.limit, Check::Records)? {
                Step::Frame(frame) if frame.kind == FrameKind::Commit => {
                    self.position = open.chain.link().next;
                    return Ok(Found::Commit(frame));
                }
                Step::Frame(_) => {}
                Step::Break(defect) => return Err(damaged(&self.shared, &open.segment, defect)),
                Step::End => self.pass_end()?,
            }
        }
    }

    /// At the end of what was visible at the last look: more became visible, or another segment
    /// follows.
    fn pass_end(&mut self) -> Result<(), LogError> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let (limit, is_followed) = {
            let state = self.shared.state.lock();
            let is_active = state.active.segment.is(&open.segment);
            (state.limit(self.scope, &open.segment), !is_active)
        };
        let Some(limit) = limit else {
            // Another segment has taken its place.
            self.open = None;
            return Ok(());
        };
        if limit.at > open.limit {
            open.limit = limit.at;
            return Ok(());
        }
        let link = open.chain.link();
        if !is_followed || link != limit {
            let (expected, found) = (limit.next.get(), link.next.get());
            let defect = Defect::new(link.at, "end of the segment", expected, found);
            return Err(damaged(&self.shared, &open.segment, defect));
        }
        self.open = None;
        Ok(())
    }
}

/// Where a reader gets on.
enum Entered {
    Open(Box<Open>),
    Lost(Range<TxOffset>),
}

/// Opens the segment that holds a transaction.
fn enter(shared: &Arc<Shared>, scope: ReadScope, asked: TxOffset) -> Result<Entered, LogError> {
    let (segment, limit) = {
        let state = shared.state.lock();
        let oldest = state.oldest;
        if asked < oldest {
            // It was retired before this reader came to it.
            return Err(LogError::HistoryGone { asked, oldest });
        }
        let (segment, _) = state.locate(asked);
        let limit = state.limit(scope, &segment);
        let limit = limit.unwrap_or_else(|| unreachable!("a segment that was just located"));
        let first = segment.header.first;
        let is_active = state.active.segment.is(&segment);
        if asked < first || (!is_active && limit.next <= asked) {
            // Between the end of one segment and the start of the next.
            let sealed = state.sealed.keys().copied();
            let mut firsts = sealed.chain([state.active.segment.header.first]);
            let next = firsts.find(|first| *first > asked).unwrap_or(first);
            return Ok(Entered::Lost(asked..next));
        }
        (segment, limit)
    };
    let file = shared.open_segment(&segment)?;
    let start = segment.header.start();
    let chain = match asked == start.next {
        true => Chain::new(segment.header.key(), start),
        false => seek(shared, &segment, &file, limit, asked)?,
    };
    Ok(Entered::Open(Box::new(Open {
        segment,
        file,
        chain,
        limit: limit.at,
    })))
}

fn damaged(shared: &Shared, segment: &Segment, defect: Defect) -> LogError {
    LogError::Corrupt {
        corrupt: defect.in_file(shared.directory.shown(&segment.name)),
        evidence: Evidence::InUse,
    }
}

#[cfg(test)]
mod tests;
