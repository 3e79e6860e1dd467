//! Finding the frame that holds a transaction.
//!
//! The index only says where to start: a place is used if a frame that continues from it stands
//! there. Otherwise the segment is walked from its start, which is always right.

use std::sync::Arc;

use blackstart_vfs::{FileExt, OpenOptions};

use super::TxOffset;
use super::chain::{Chain, Check, Link, Step};
use super::error::{Evidence, LogError};
use super::frame::FrameKind;
use super::index::{self, IndexOf, SparseIndex};
use super::names;
use super::rotate::write_index;
use super::shared::{LiveFile, Segment, Shared};
use super::source::OpenFile;
use crate::codec::{ByteOffset, Defect};

/// A walk in `segment`, whose frames end at `limit`, that stands before the frame which holds
/// `tx_offset`. The transaction is in the segment.
pub(crate) fn seek(
    shared: &Shared,
    segment: &Arc<Segment>,
    file: &OpenFile,
    limit: ByteOffset,
    tx_offset: TxOffset,
) -> Result<Chain, LogError> {
    let file = LiveFile {
        shared,
        segment,
        file,
    };
    let hint = hint(shared, &file, limit, tx_offset);
    if let Some(hint) = hint
        && let Ok(chain) = walk(&file, hint, limit, tx_offset)?
    {
        return Ok(chain);
    }
    walk(&file, Link::start(&segment.header), limit, tx_offset)?.map_err(|defect| {
        let corrupt = defect.in_file(segment.name.as_str());
        LogError::Corrupt {
            corrupt,
            evidence: Evidence::InUse,
        }
    })
}

/// Walks from `from` to the frame that holds `tx_offset`.
fn walk(
    file: &LiveFile<'_>,
    from: Link,
    limit: ByteOffset,
    tx_offset: TxOffset,
) -> Result<Result<Chain, Defect>, LogError> {
    let mut chain = Chain::new(file.segment.identity(), from);
    loop {
        let link = chain.link();
        match chain.step(file, limit, Check::Header)? {
            Step::Frame(_) if chain.link().next > tx_offset => {
                chain.back_to(link);
                return Ok(Ok(chain));
            }
            Step::Frame(_) => {}
            Step::End => return Ok(Ok(chain)),
            Step::Break(defect) => return Ok(Err(defect)),
        }
    }
}

/// A place at or before `tx_offset`, by the index.
fn hint(
    shared: &Shared,
    file: &LiveFile<'_>,
    limit: ByteOffset,
    tx_offset: TxOffset,
) -> Option<Link> {
    {
        let state = shared.state.lock();
        if state.active.segment.is(file.segment) {
            return state.active.index.before(tx_offset);
        }
    }
    if limit.get() <= shared.index_interval_bytes {
        // So short a segment has no index.
        return None;
    }
    let of = IndexOf::segment(&file.segment.header, limit);
    let index = match read_index(shared, of) {
        Some(index) => index,
        None if shared.writable => rebuild(shared, file, of)?,
        None => return None,
    };
    index.before(tx_offset)
}

fn read_index(shared: &Shared, of: IndexOf) -> Option<SparseIndex> {
    let name = names::index(of.first);
    let file = shared
        .directory
        .open_file(&name, OpenOptions::new().read())
        .ok()?;
    let len = usize::try_from(file.len().ok()?).ok()?;
    let mut bytes = vec![0; len];
    let read = file.read_full_at(&mut bytes, 0).ok()?;
    index::decode(bytes.get(..read)?, of, shared.index_interval_bytes).ok()
}

/// Makes the index of a sealed segment again.
fn rebuild(shared: &Shared, file: &LiveFile<'_>, of: IndexOf) -> Option<SparseIndex> {
    let mut chain = Chain::new(file.segment.identity(), Link::start(&file.segment.header));
    let mut index = SparseIndex::new(shared.index_interval_bytes);
    loop {
        let link = chain.link();
        match chain.step(file, of.len, Check::Header) {
            Ok(Step::Frame(frame)) if frame.kind == FrameKind::Commit => index.add(link),
            Ok(Step::Frame(_)) => {}
            Ok(Step::End) => break,
            // Nobody will read further; whoever tries is told why.
            Ok(Step::Break(_)) | Err(_) => return Some(index),
        }
    }
    write_index(&shared.directory, of, &index);
    if !shared.state.lock().sealed.contains_key(&of.first) {
        // The segment was retired meanwhile, and its index removed before this one was written.
        drop(shared.directory.remove(&names::index(of.first)));
    }
    Some(index)
}

#[cfg(test)]
mod tests;
