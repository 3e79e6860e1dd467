//! Walking through a damaged segment, over what is broken.

use crate::codec::{ByteOffset, Defect};
use crate::commitlog::TxOffset;
use crate::commitlog::chain::{Chain, Check, Step};
use crate::commitlog::directory::Directory;
use crate::commitlog::error::{Evidence, LogError};
use crate::commitlog::frame::{FrameKey, FrameKind};
use crate::commitlog::header::SEGMENT_HEADER_BYTES;
use crate::commitlog::link::Link;
use crate::commitlog::recovery::evidence::{Search, look_ahead};
use crate::commitlog::recovery::listing::HeadFile;
use crate::commitlog::source::LogSource;

use super::survey::Damaged;

/// Hands each commit of a segment that can be read to `push`, in order; returns what was wrong
/// first.
///
/// Of a segment that has a successor everything was durable; in the newest the walk goes on over a
/// break only if some evidence covers what is broken.
pub(super) fn walk(
    source: &Directory,
    segment: &Damaged,
    mut push: impl FnMut(TxOffset, &[u8], u32) -> Result<(), LogError>,
) -> Result<Option<LogError>, LogError> {
    let (file, len) = HeadFile::open(source, &segment.name())?;
    let len = segment.limit(len);
    let any = FrameKey::new(segment.log_id, segment.first, None);
    let start = ByteOffset::new(SEGMENT_HEADER_BYTES as u64);
    let mut problem = segment.problem.clone();
    let (key, mut place) = match &segment.header {
        Some(header) => (header.key(), Some(header.start())),
        None => match tag_of(&file, any, segment, start, len)? {
            Some(tag) => (any.tagged(tag), None),
            None => return Ok(problem),
        },
    };
    let (mut at, mut next) = (start, segment.first);
    loop {
        if place.is_none() {
            place = resume(&file, key, len, at, next, segment.next)?;
        }
        let Some(link) = place.take() else { break };
        let mut chain = Chain::new(key, link);
        let defect = loop {
            let before = chain.link();
            match chain.step(&file, len, Check::Records)? {
                Step::End => break None,
                Step::Break(defect) => break Some(defect),
                Step::Frame(frame) => {
                    let end = chain.link().next;
                    if segment.next.is_some_and(|limit| end > limit) {
                        // A fork took over here, and this has not been cut off.
                        break None;
                    }
                    if frame.kind == FrameKind::Commit {
                        push(before.next, chain.payload(), frame.tx_count)?;
                    }
                }
            }
        };
        (at, next) = (chain.link().at, chain.link().next);
        let Some(defect) = defect else { break };
        if segment.next.is_none() && !is_durable_behind(&file, key, segment, chain.link(), len)? {
            // A tail, as in any recovery.
            break;
        }
        problem.get_or_insert(damage(source, segment, defect));
    }
    if let Some(limit) = segment.next.filter(|limit| next < *limit) {
        let found = next.get();
        let defect = Defect::new(at, "end of the segment", limit.get(), found);
        problem.get_or_insert(damage(source, segment, defect));
    }
    Ok(problem)
}

fn damage(source: &Directory, segment: &Damaged, defect: Defect) -> LogError {
    LogError::Corrupt {
        corrupt: defect.in_file(source.shown(&segment.name())),
        evidence: Evidence::Name,
    }
}

/// The creation tag of a segment whose header is lost: that of most of its frames. Its blocks may
/// hold frames of an undone creation, or of a segment that it has replaced; what a truncation cut
/// is of an earlier epoch.
fn tag_of(
    file: &HeadFile,
    key: FrameKey,
    segment: &Damaged,
    from: ByteOffset,
    len: ByteOffset,
) -> Result<Option<u32>, LogError> {
    let mut counts = std::collections::BTreeMap::<u32, u64>::new();
    let mut search = Search::new(file, key, from, len);
    while let Some((_, frame)) = search.next()? {
        if !segment.epoch_min.is_after_tag(frame.tag) {
            *counts.entry(frame.tag).or_default() += 1;
        }
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    Ok(most.map(|(tag, _)| tag))
}

/// Whether something behind a break in the newest segment was durable.
fn is_durable_behind(
    file: &HeadFile,
    key: FrameKey,
    segment: &Damaged,
    end: Link,
    len: ByteOffset,
) -> Result<bool, LogError> {
    let by_frames = look_ahead(file, key, end.at, len)?.best;
    let by_frames = by_frames.map(|claim| claim.durable_bytes);
    let by_header = segment
        .header
        .map(|header| ByteOffset::new(header.durable_bytes.into()));
    let bytes = by_frames.max(by_header).unwrap_or_default();
    Ok(bytes > end.at || segment.bound > end.next)
}

/// The next whole frame at or behind `at` that holds nothing before `next` and nothing behind the
/// segment's end.
fn resume(
    file: &HeadFile,
    key: FrameKey,
    len: ByteOffset,
    at: ByteOffset,
    next: TxOffset,
    limit: Option<TxOffset>,
) -> Result<Option<Link>, LogError> {
    let mut search = Search::new(file, key, at, len);
    while let Some((at, frame)) = search.next()? {
        let link = Link {
            at,
            prev: frame.prev,
            next: frame.first,
        };
        let is_here = frame.first >= next && limit.is_none_or(|limit| frame.first <= limit);
        let mut chain = Chain::new(key, link);
        if is_here && matches!(chain.step(file, len, Check::Records)?, Step::Frame(_)) {
            return Ok(Some(link));
        }
    }
    Ok(None)
}
