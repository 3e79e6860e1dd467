//! Which of the files in a directory make up the log.

use crate::codec::ByteOffset;
use crate::commitlog::TxOffset;
use crate::commitlog::error::LogError;
use crate::commitlog::header::SEGMENT_HEADER_BYTES;
use crate::commitlog::names;
use crate::commitlog::source::{LogSource, ReadAt};

use super::heads::{self, Head, HeadFile, Listing, read_heads, superseded};

/// The segments that make up the log, and what else there is.
pub(crate) struct Gathered {
    pub listing: Listing,
    /// In order.
    pub heads: Vec<Head>,
    /// The newest one's.
    pub file: Option<HeadFile>,
    /// Files to be removed.
    pub removals: Vec<String>,
    /// A file that only an existing log leaves.
    pub trace: Option<String>,
}

/// Lists the directory, reads both ends of each segment, and leaves out what is unfinished or
/// superseded.
pub(crate) fn gather(source: &dyn LogSource) -> Result<Gathered, LogError> {
    let listing = Listing::read(source)?.unwrap_or_default();
    let mut trace = listing.trace();
    let mut removals: Vec<_> = listing
        .temps
        .iter()
        .map(|first| names::temp(*first))
        .collect();
    let (mut heads, mut file) = read_heads(source, &listing.segments)?;
    while let Some(head) = heads.last()
        && is_unfinished(head, file.as_ref())?
    {
        removals.push(head.name());
        // Only the first segment of a log can be an unfinished creation of the log itself.
        trace = trace.or((head.first > TxOffset::ZERO).then(|| head.name()));
        heads.pop();
        drop(file.take());
        file = match heads.last() {
            Some(head) => Some(heads::open(source, &head.name())?.0),
            None => None,
        };
    }
    drop_superseded(source, &mut heads, &mut file, &mut removals)?;
    Ok(Gathered {
        listing,
        heads,
        file,
        removals,
        trace,
    })
}

/// Whether the newest file is a creation that never got its header.
fn is_unfinished(head: &Head, file: Option<&HeadFile>) -> Result<bool, LogError> {
    if head.header.is_ok() {
        return Ok(false);
    }
    if head.len < ByteOffset::new(SEGMENT_HEADER_BYTES as u64) {
        return Ok(true);
    }
    let Some(file) = file else { return Ok(false) };
    is_zero(file, head.len)
}

/// Whether there is nothing but zeros.
pub(crate) fn is_zero<F: ReadAt + ?Sized>(file: &F, len: ByteOffset) -> Result<bool, LogError> {
    let mut chunk = vec![0; len.get().min(64 << 10) as usize];
    let mut at = 0;
    while at < len.get() {
        let read = file.read_full_at(&mut chunk, at)?;
        let bytes = chunk.get(..read).unwrap_or_default();
        if bytes.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        if read == 0 {
            break;
        }
        at += read as u64;
    }
    Ok(true)
}

/// Leaves out what a recorded fork made superfluous.
fn drop_superseded(
    source: &dyn LogSource,
    heads: &mut Vec<Head>,
    file: &mut Option<HeadFile>,
    removals: &mut Vec<String>,
) -> Result<(), LogError> {
    let gone = superseded(heads);
    let newest_gone = gone.last().copied().unwrap_or(false);
    let mut gone = gone.into_iter();
    heads.retain(|head| {
        let is_gone = gone.next().unwrap_or(false);
        if is_gone {
            removals.push(head.name());
        }
        !is_gone
    });
    if newest_gone && let Some(head) = heads.last() {
        drop(file.take());
        *file = Some(heads::open(source, &head.name())?.0);
    }
    Ok(())
}

/// Leaves out segments below the oldest transaction that is kept.
pub(crate) fn drop_retired(
    heads: &mut Vec<Head>,
    newest: TxOffset,
    oldest: TxOffset,
    removals: &mut Vec<String>,
) {
    let following = heads.iter().skip(1).map(|head| head.first).chain([newest]);
    let retired = following
        .take_while(|first| *first <= oldest)
        .count()
        .min(heads.len());
    removals.extend(heads.drain(..retired).map(|head| head.name()));
}

pub(crate) fn orphan_indexes(listing: &Listing, heads: &[Head], newest: &Head) -> Vec<String> {
    let lives = |first: &TxOffset| {
        *first == newest.first || heads.binary_search_by_key(first, |head| head.first).is_ok()
    };
    let orphans = listing.indexes.iter().filter(|first| !lives(first));
    orphans.map(|first| names::index(*first)).collect()
}
