//! Which segments of a log are to be written anew, and with what. It only reads.

use crate::commitlog::error::{Evidence, LogError};
use crate::commitlog::frame::{FrameKind, Seed};
use crate::commitlog::header::{FORMAT_VERSION, SegmentFlags, SegmentHeader};
use crate::commitlog::recovery::continuity::{find_cut, is_continued, usable_header};
use crate::commitlog::recovery::gather::{Gathered, drop_retired, gather};
use crate::commitlog::recovery::heads::{self, Head, LastMark};
use crate::commitlog::recovery::plan::{closed, judge};
use crate::commitlog::recovery::scan::scan;
use crate::commitlog::source::LogSource;
use crate::commitlog::{Epoch, LogId, TxOffset};

use super::Piece;
use super::walk::{Known, walk};

/// Where a header is lost, or a segment, so many epochs are passed over: each opening takes one, so
/// that a pair of epoch and offset that was given before is not given again. It need not be the
/// newest: a fork may have superseded what stands behind it, and that may have come back.
const EPOCHS_SKIPPED: u32 = 1 << 16;

/// A segment to be written anew.
#[derive(Clone, Debug)]
pub(crate) struct Rewrite {
    pub header: SegmentHeader,
    /// Whether its `chain` is the seal of the segment written anew before it.
    pub continues_rewritten: bool,
    pub pieces: Vec<Piece>,
    /// What the successor continues, or 0 if that is not known; none for the newest segment,
    /// which gets no seal.
    pub stands_for: Option<u32>,
    /// Whether there is a damaged file of its name, which is kept.
    pub replaces: bool,
}

/// Reads a whole log and finds what is to be written anew, in the order in which it must be.
///
/// # Errors
/// What is no damage that could be left out.
pub(crate) fn survey(
    source: &dyn LogSource,
    bound: Option<TxOffset>,
) -> Result<Vec<Rewrite>, LogError> {
    let Gathered { mut heads, .. } = gather(source)?;
    // Without a single header there is nothing to go by; the plan will say what is wrong.
    let Some(known) = heads.iter().rev().find_map(|head| head.header.ok()) else {
        return Ok(Vec::new());
    };
    let oldest = oldest(source, &heads)?;
    let all = heads.len();
    let epochs: Vec<_> = heads.iter().map(|head| head.header.ok()).collect();
    if let Some(newest) = heads.pop() {
        drop_retired(&mut heads, newest.first, oldest, &mut Vec::new());
        heads.push(newest);
    }
    let retired = epochs.iter().take(all - heads.len()).flatten();
    let lowest = retired.map(|header| header.epoch).max();
    let lowest = lowest.unwrap_or(Epoch::FIRST);
    let headers = heads.iter().filter_map(|head| head.header.ok());
    let highest = headers
        .map(|header| header.epoch)
        .max()
        .unwrap_or(known.epoch);
    let hides_epochs = heads.iter().any(|head| head.header.is_err());
    let bound = bound.unwrap_or_default();
    let (before, rewrites) = (None, Vec::new());
    let log_id = known.log_id;
    let mut survey = Survey {
        source,
        bound,
        log_id,
        oldest,
        lowest,
        highest,
        hides_epochs,
        before,
        rewrites,
    };
    survey.fill_front(&heads);
    for (at, head) in heads.iter().enumerate() {
        survey.look_at(head, heads.get(at + 1))?;
    }
    Ok(survey.rewrites)
}

/// Whether a segment was written by a salvage that did not know what the next one continues.
fn stands_for_nothing(header: &SegmentHeader, seal: Option<LastMark>) -> bool {
    let is_salvaged = header.flags.contains(SegmentFlags::SALVAGED);
    is_salvaged && seal.is_some_and(|seal| seal.number == 0)
}

/// The oldest transaction kept, as far as that can be told.
fn oldest(source: &dyn LogSource, heads: &[Head]) -> Result<TxOffset, LogError> {
    let by_headers = heads
        .iter()
        .filter_map(|head| head.header.ok())
        .map(|header| header.oldest);
    let by_headers = by_headers.max().unwrap_or_default();
    let Some((head, header)) = heads
        .last()
        .and_then(|head| Some((head, head.header.ok()?)))
    else {
        return Ok(by_headers);
    };
    let (file, len) = heads::open(source, &head.name())?;
    Ok(scan(&file, len, &header)?.oldest.max(by_headers))
}

/// The segment before.
#[derive(Clone, Copy)]
struct Before {
    epoch: Epoch,
    /// The checksum of its seal; none if it is written anew.
    seal: Option<u32>,
}

struct Survey<'a> {
    source: &'a dyn LogSource,
    bound: TxOffset,
    log_id: LogId,
    oldest: TxOffset,
    /// The highest epoch of the retired segments that are still there. One of them may be a fork,
    /// and what is behind it in a lower epoch counts as superseded by it.
    lowest: Epoch,
    /// The highest epoch that a header tells.
    highest: Epoch,
    /// Whether something is lost that may have had a higher one.
    hides_epochs: bool,
    before: Option<Before>,
    rewrites: Vec<Rewrite>,
}

impl Survey<'_> {
    /// An epoch that was never given.
    fn new_epoch(&self) -> Result<Epoch, LogError> {
        let skipped = if self.hides_epochs { EPOCHS_SKIPPED } else { 0 };
        let epoch = self.highest.get().checked_add(skipped).map(Epoch::new);
        epoch
            .and_then(Epoch::next)
            .ok_or(LogError::Exhausted { number: "epoch" })
    }

    /// The header of a segment; none if it is damaged.
    fn header(&self, head: &Head) -> Result<Option<SegmentHeader>, LogError> {
        match usable_header(head, Some(self.log_id), Evidence::Name) {
            Ok(header) => Ok(Some(header)),
            Err(LogError::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// If the first segments are missing, one that says so takes their place.
    fn fill_front(&mut self, heads: &[Head]) {
        let Some(first) = heads.first().filter(|first| first.first > self.oldest) else {
            return;
        };
        self.hides_epochs = true;
        let header = first.header.ok();
        let epoch = header.map_or(self.lowest, |header| header.epoch);
        self.rewrites.push(Rewrite {
            header: SegmentHeader {
                epoch,
                ..self.made_up(self.oldest, 0)
            },
            continues_rewritten: false,
            pieces: vec![Piece::Lost(self.oldest..first.first)],
            stands_for: Some(header.map_or(0, |header| header.chain)),
            replaces: false,
        });
        self.before = Some(Before { epoch, seal: None });
    }

    /// A header in place of a lost one.
    fn made_up(&self, first: TxOffset, chain: u32) -> SegmentHeader {
        SegmentHeader {
            version: FORMAT_VERSION,
            compat: 0,
            ro_compat: 0,
            incompat: 0,
            flags: SegmentFlags::SALVAGED,
            log_id: self.log_id,
            first,
            oldest: self.oldest,
            durable_through: first,
            epoch: Epoch::FIRST,
            chain,
            durable_bytes: 0,
            creation: 0,
        }
    }

    /// Looks at one segment and the one that follows it, if one does.
    fn look_at(&mut self, head: &Head, next: Option<&Head>) -> Result<(), LogError> {
        let header = self.header(head)?;
        let next_header = next.map(|next| self.header(next)).transpose()?;
        let (file, len) = heads::open(self.source, &head.name())?;
        let walked = walk(
            &file,
            len,
            Known {
                header,
                seed: Seed::new(self.log_id, head.first),
                first: head.first,
                end: next.map(|next| next.first),
                bound: self.bound,
            },
        )?;
        let mut replaces = true;
        let seal = match (&header, next, next_header) {
            (None, ..) => None,
            (Some(header), None, _) => {
                replaces = !self.sound_newest(head, header)?;
                (!replaces && !self.hides_epochs).then_some(0)
            }
            (Some(header), Some(next), next_header) => {
                let next_header = next_header.flatten();
                let seal = self.sound_seal(head, header, next, next_header.as_ref())?;
                seal.filter(|_| walked.is_whole)
            }
        };
        let epoch = match &header {
            Some(header) => Some(header.epoch),
            None => {
                let known = walked.epoch.or(self.before.map(|before| before.epoch));
                known.map(|epoch| epoch.max(self.lowest))
            }
        };
        let epoch = epoch.unwrap_or(self.lowest);
        if seal.is_none() {
            let stands_for = next_header.map(|next| next.map_or(0, |next| next.chain));
            let rewrite = Rewrite {
                header: self.header_now(head, header, epoch, stands_for.is_none())?,
                continues_rewritten: header.is_none() && self.is_behind_rewritten(),
                pieces: walked.pieces,
                stands_for,
                replaces,
            };
            self.add(rewrite, header.is_some());
        }
        self.before = Some(Before { epoch, seal });
        Ok(())
    }

    /// Whether recovery will take the newest segment as it is.
    fn sound_newest(&self, head: &Head, header: &SegmentHeader) -> Result<bool, LogError> {
        let (file, len) = heads::open(self.source, &head.name())?;
        let scan = scan(&file, len, header)?;
        if closed(head, header).is_some_and(|closed| closed.end != scan.end) {
            // Recovery would believe the close mark, and nobody could read up to it.
            return Ok(false);
        }
        match judge(head, header, &scan, Some(self.bound)) {
            Ok(()) => Ok(true),
            Err(LogError::Corrupt { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The checksum of the seal with which the segment leads on to the next; none if it does not.
    fn sound_seal(
        &mut self,
        head: &Head,
        header: &SegmentHeader,
        next: &Head,
        next_header: Option<&SegmentHeader>,
    ) -> Result<Option<u32>, LogError> {
        let seal = head.last.filter(|last| last.header.kind == FrameKind::Seal);
        let Some(next_header) = next_header else {
            // What the next one continues is lost with its header.
            let fits = seal.filter(|seal| seal.header.first == next.first);
            return Ok(fits.map(|seal| seal.checksum));
        };
        let Err(problem) = is_continued(head, header, next_header) else {
            return Ok(seal.map(|seal| seal.checksum));
        };
        if let Some(cut) = find_cut(self.source, head, header, next_header)? {
            return Ok(Some(cut.checksum));
        }
        match problem {
            LogError::Corrupt { .. } => Ok(None),
            // An earlier salvage that was cut short had not seen the next one's header.
            LogError::WrongChain { .. } if stands_for_nothing(header, seal) => Ok(None),
            LogError::Gap { .. } => {
                self.hides_epochs = true;
                Ok(None)
            }
            error => Err(error),
        }
    }

    /// Whether the segment before is written anew.
    fn is_behind_rewritten(&self) -> bool {
        self.before.is_some_and(|before| before.seal.is_none())
    }

    /// The header of a segment that is written anew.
    fn header_now(
        &self,
        head: &Head,
        header: Option<SegmentHeader>,
        epoch: Epoch,
        is_newest: bool,
    ) -> Result<SegmentHeader, LogError> {
        let seal = self.before.and_then(|before| before.seal);
        let header = header.unwrap_or_else(|| self.made_up(head.first, seal.unwrap_or(0)));
        // In the newest segment offsets behind the damage are given again.
        let epoch = if is_newest { self.new_epoch()? } else { epoch };
        Ok(SegmentHeader {
            flags: header.flags.with(SegmentFlags::SALVAGED),
            // A header does not say that what its own segment begins with is gone.
            oldest: self.oldest.min(header.first),
            epoch,
            ..header
        })
    }

    /// Has a segment written anew. Once the others are whole, nothing tells any more that epochs
    /// are to be passed over, so that the newest comes first then. Where its own header is damaged
    /// as well, that tells it to the end.
    fn add(&mut self, rewrite: Rewrite, has_header: bool) {
        let leads = rewrite.stands_for.is_none() && self.hides_epochs && has_header;
        let at = if leads { 0 } else { self.rewrites.len() };
        self.rewrites.insert(at, rewrite);
    }
}
