//! Finding the frame that holds a transaction.
//!
//! The index only says where to start: a place is used if a frame that continues from it stands
//! there. Otherwise the segment is walked from its start, which is always right.

use std::sync::Arc;

use super::TxOffset;
use super::chain::{Chain, Check, Step, each_frame};
use super::directory::OpenFile;
use super::error::{Evidence, LogError};
use super::index::SparseIndex;
use super::link::Link;
use super::segment::Segment;
use super::source::LogSource;
use super::state::{LiveFile, Shared};
use crate::codec::Defect;

/// A walk in `segment`, whose part of the log ends at `limit`, that stands before the frame which
/// holds `tx_offset`, or at the limit.
pub(crate) fn seek(
    shared: &Shared,
    segment: &Arc<Segment>,
    file: &OpenFile,
    limit: Link,
    tx_offset: TxOffset,
) -> Result<Chain, LogError> {
    let file = LiveFile {
        shared,
        segment,
        file,
    };
    let hint = hint(shared, &file, limit, tx_offset)?;
    if let Some(hint) = hint
        && let Ok(chain) = walk(&file, hint, limit, tx_offset)?
    {
        return Ok(chain);
    }
    let start = segment.header.start();
    walk(&file, start, limit, tx_offset)?.map_err(|defect| LogError::Corrupt {
        corrupt: defect.in_file(shared.directory.shown(&segment.name)),
        evidence: Evidence::InUse,
    })
}

/// Walks from `from` to the frame that holds `tx_offset`.
fn walk(
    file: &LiveFile<'_>,
    from: Link,
    limit: Link,
    tx_offset: TxOffset,
) -> Result<Result<Chain, Defect>, LogError> {
    let mut chain = Chain::new(file.segment.header.key(), from);
    loop {
        let link = chain.link();
        match chain.step(file, limit.at, Check::Header)? {
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
    limit: Link,
    tx_offset: TxOffset,
) -> Result<Option<Link>, LogError> {
    {
        let state = shared.state.lock();
        if state.active.segment.is(file.segment) {
            return Ok(state.active.index.before(tx_offset));
        }
    }
    if let Some(index) = file.segment.index.get() {
        return Ok(index.before(tx_offset));
    }
    let header = &file.segment.header;
    let mut index = SparseIndex::new(limit.at.get());
    let mut chain = Chain::new(header.key(), header.start());
    let broken = each_frame(&mut chain, file, limit.at, Check::Header, |before, _, _| {
        index.add(before);
        Ok(())
    })?;
    let hint = index.before(tx_offset);
    if broken.is_none() {
        // Somebody else may have been faster.
        drop(file.segment.index.set(index));
    }
    Ok(hint)
}

#[cfg(test)]
mod tests;
