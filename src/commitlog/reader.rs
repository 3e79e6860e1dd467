//! Reading commits in order.
//!
//! Invariants:
//! - \[I1\] A reader shows commits only up to the frontier of its scope, in order and without gaps;
//!   what it cannot show it answers with an error, never with the next thing it can.
//! - \[I2\] It checks every frame's place in the chain and every payload's checksum.
//! - \[I3\] Its memory is one chunk of a segment, or one frame if that is larger.
//! - \[I4\] If the history was cut below its position, or what it was to read next was retired, it
//!   says so. An error found while files changed under it is looked at again in that light.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::chain::{Chain, Check, Link, Step};
use super::error::{Evidence, LogError};
use super::frame::{FrameHeader, FrameKind};
use super::records::{Ends, Transactions};
use super::seek::seek;
use super::shared::{LiveFile, Segment, Shared};
use super::source::OpenFile;
use super::{Epoch, TxOffset};
use crate::codec::{ByteOffset, Defect, Value};

/// What a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadScope {
    /// Every commit that was acknowledged at its own level.
    Visible,
    /// Only what is durable.
    Synced,
}

/// One commit, borrowed from the reader's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    first: TxOffset,
    end: TxOffset,
    epoch: Epoch,
    payload: &'a [u8],
    ends: &'a Ends,
}

impl<'a> Commit<'a> {
    /// The offset of its first transaction.
    pub fn first(&self) -> TxOffset {
        self.first
    }

    /// Its transactions' offsets.
    pub fn range(&self) -> Range<TxOffset> {
        self.first..self.end
    }

    /// The epoch of the segment it is in. After a recovery that may be a later one than it was
    /// acknowledged in.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Its transactions in order.
    #[inline]
    pub fn transactions(&self) -> Transactions<'a> {
        Transactions::new(self.payload, self.ends, self.first)
    }
}

/// What stands next in the log.
#[derive(Clone, Debug)]
pub enum Entry<'a> {
    /// A commit.
    Commit(Commit<'a>),
    /// Transactions lost to damage, left out by a salvage.
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
                state.visible.tx,
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
    /// [`LogError::HistoryGone`] mean that the reader is of no more use.
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
    pub(crate) fn is_outdated(&self) -> bool {
        self.shared.generation() != self.generation
    }

    /// The commit that was just found, which is still in the buffer.
    #[inline]
    pub(crate) fn commit(&self, header: &FrameHeader) -> Commit<'_> {
        let (payload, ends) = match &self.open {
            Some(open) => (open.chain.payload(), open.chain.ends()),
            None => (&[][..], Ends::NONE),
        };
        Commit {
            first: header.first,
            end: self.position,
            epoch: header.epoch,
            payload,
            ends,
        }
    }

    /// Goes to the next entry.
    #[inline]
    fn advance(&mut self) -> Result<Option<Found>, LogError> {
        self.check_generation()?;
        if self.position >= self.shared.frontier(self.scope) {
            return Ok(None);
        }
        match self.step() {
            Ok(found) => Ok(found),
            Err(error) => {
                // Files that a truncation or retention changed under us show as damage.
                self.check_generation()?;
                self.check_oldest(error).map(|()| None)
            }
        }
    }

    /// Whether the history below was cut.
    #[inline]
    fn check_generation(&mut self) -> Result<(), LogError> {
        if self.shared.generation() == self.generation {
            return Ok(());
        }
        let state = self.shared.state.lock();
        let seen = usize::try_from(self.generation).unwrap_or(usize::MAX);
        let at = state
            .truncations
            .get(seen..)
            .unwrap_or_default()
            .iter()
            .min()
            .copied();
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

    /// Whether what was to be read next is gone on purpose.
    fn check_oldest(&self, error: LogError) -> Result<(), LogError> {
        let is_retired = match &error {
            LogError::Corrupt { .. } => true,
            LogError::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            _ => false,
        };
        let (asked, oldest) = (self.position, self.shared.state.lock().oldest);
        if is_retired && asked < oldest {
            return Err(LogError::HistoryGone { asked, oldest });
        }
        Err(error)
    }

    #[inline]
    fn step(&mut self) -> Result<Option<Found>, LogError> {
        loop {
            let open = match &mut self.open {
                Some(open) => open,
                none => none.insert(Self::enter(&self.shared, self.scope, self.position)?),
            };
            let (segment, file) = (&open.segment, &open.file);
            let file = LiveFile {
                shared: &self.shared,
                segment,
                file,
            };
            match open.chain.step(&file, open.limit, Check::Records)? {
                Step::Frame(header) => {
                    if let Some(found) = self.pass(header)? {
                        return Ok(Some(found));
                    }
                }
                Step::Break(defect) => return Err(damaged(&open.segment, defect)),
                Step::End => self.pass_end()?,
            }
        }
    }

    /// Passes a frame: what it is to the caller, if anything.
    #[inline]
    fn pass(&mut self, header: FrameHeader) -> Result<Option<Found>, LogError> {
        let Some(open) = &self.open else {
            return Ok(None);
        };
        let (start, end) = (self.position, open.chain.link().next);
        if end <= start {
            // A mark.
            return Ok(None);
        }
        self.position = end;
        Ok(Some(match header.kind {
            FrameKind::Commit => Found::Commit(header),
            _ => Found::Lost(start.max(header.first)..end),
        }))
    }

    /// At the end of what was visible at the last look: more became visible, or the segment was
    /// sealed and reading goes on in the next.
    fn pass_end(&mut self) -> Result<(), LogError> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let limit = limit(&self.shared, self.scope, &open.segment);
        if let Some(limit) = limit.filter(|limit| *limit > open.limit) {
            open.limit = limit;
            return Ok(());
        }
        let next = open.chain.link().next;
        if next != self.position || !is_followed(&self.shared, &open.segment, next) {
            return Err(damaged(&open.segment, ends_early(open, self.position)));
        }
        self.open = None;
        Ok(())
    }

    /// Opens the segment that holds a transaction.
    fn enter(shared: &Arc<Shared>, scope: ReadScope, asked: TxOffset) -> Result<Open, LogError> {
        let (segment, oldest) = {
            let state = shared.state.lock();
            let active = &state.active.segment;
            let sealed = state.sealed.range(..=asked).next_back();
            let sealed = sealed.filter(|_| asked < active.header.first);
            (
                sealed.map_or(active, |(_, sealed)| &sealed.segment).clone(),
                state.oldest,
            )
        };
        if asked < oldest {
            return Err(LogError::HistoryGone { asked, oldest });
        }
        let file = shared
            .open_segment(&segment)
            .map_err(|error| gone(shared, asked, error))?;
        let limit = limit(shared, scope, &segment).ok_or_else(|| {
            // Retired or superseded since.
            LogError::HistoryGone {
                asked,
                oldest: shared.state.lock().oldest,
            }
        })?;
        let chain = if asked == segment.header.first {
            Chain::new(segment.identity(), Link::start(&segment.header))
        } else {
            seek(shared, &segment, &file, limit, asked)?
        };
        Ok(Open {
            segment,
            file,
            chain,
            limit,
        })
    }
}

/// A segment whose file is gone was retired: by this log since the look, or by the process that
/// writes the log that is read here.
fn gone(shared: &Shared, asked: TxOffset, error: LogError) -> LogError {
    let is_missing = matches!(&error,
        LogError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound);
    if !is_missing {
        return error;
    }
    let state = shared.state.lock();
    let after = state.sealed.keys().copied().find(|first| *first > asked);
    let oldest = after
        .unwrap_or(state.active.segment.header.first)
        .max(state.oldest);
    LogError::HistoryGone { asked, oldest }
}

/// How far a segment may be read; none if it is no longer part of the log.
fn limit(shared: &Shared, scope: ReadScope, segment: &Segment) -> Option<ByteOffset> {
    let state = shared.state.lock();
    if state.active.segment.is(segment) {
        return Some(match scope {
            ReadScope::Visible => state.visible.at,
            ReadScope::Synced => state.durable.at,
        });
    }
    let sealed = state.sealed.get(&segment.header.first)?;
    sealed.segment.is(segment).then_some(sealed.len)
}

/// Whether another segment starts with `next`.
fn is_followed(shared: &Shared, segment: &Segment, next: TxOffset) -> bool {
    let state = shared.state.lock();
    next > segment.header.first
        && (state.active.segment.header.first == next || state.sealed.contains_key(&next))
}

fn damaged(segment: &Segment, defect: Defect) -> LogError {
    let corrupt = defect.in_file(segment.name.as_str());
    LogError::Corrupt {
        corrupt,
        evidence: Evidence::InUse,
    }
}

fn ends_early(open: &Open, position: TxOffset) -> Defect {
    Defect {
        at: open.chain.link().at,
        field: "end of the segment",
        expected: Value::Number(position.get()),
        found: Value::Number(open.chain.link().next.get()),
    }
}
