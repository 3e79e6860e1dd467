//! Doing what a plan says.
//!
//! | step | if it is cut short there |
//! |---|---|
//! | a new segment takes over: temporary file, `sync_all`, rename, `sync_dir` | the old log, and perhaps a temporary file; or the new segment and an uncut predecessor |
//! | cuts: seal, `set_len`, `sync_all` | the fork's predecessor is longer than its part; the next opening finds the place by the fork's `chain` and cuts again |
//! | removals, `sync_dir` | superfluous files, told by the fork's epoch or by the oldest offset |
//!
//! The order matters: what is cut and removed is superfluous only once the name of the new
//! segment is durable. An opening that finds the name cannot know that, so it makes it so first:
//! a segment in which nothing was written since it was named is always replaced by a new one.

use std::sync::Arc;

use blackstart_vfs::OpenOptions;

use crate::codec::ByteOffset;
use crate::commitlog::TxOffset;
use crate::commitlog::chain::{Chain, Check, Identity, Step};
use crate::commitlog::creation::{Creation, Newborn};
use crate::commitlog::error::{Evidence, LogError};
use crate::commitlog::frame::{FrameKind, MARK_BYTES};
use crate::commitlog::index::SparseIndex;
use crate::commitlog::names;
use crate::commitlog::source::{Directory, OpenFile, SourceFile};
use crate::commitlog::writer::Failure;

use super::cut::Cut;
use super::plan::{Plan, Renewal};

/// What was done.
pub(crate) struct Applied {
    /// The newest segment, open for writing.
    pub newest: Newborn,
    /// Files that were removed.
    pub removed: Vec<String>,
    /// Segments that were cut.
    pub cut: Vec<String>,
}

/// Does what `plan` says. When this returns, all that the plan shows is durable.
pub(crate) fn apply(
    directory: &Directory,
    plan: &Plan,
    index_interval_bytes: u64,
) -> Result<Applied, LogError> {
    let newest = match &plan.renewal {
        Some(renewal) => renew(directory, plan, renewal, index_interval_bytes)?,
        None => reopen(directory, plan, index_interval_bytes)?,
    };
    let mut cut = Vec::new();
    for planned in &plan.cuts {
        apply_cut(directory, planned)?;
        cut.push(names::segment(planned.first));
    }
    let renewed = names::temp(newest.header.first);
    let mut removed = Vec::new();
    for name in &plan.removals {
        // The creation took the place of a leftover of the same name.
        if *name != renewed || plan.renewal.is_none() {
            directory.remove(name)?;
        }
        removed.push(name.clone());
    }
    if !removed.is_empty() {
        directory.sync()?;
    }
    Ok(Applied {
        newest,
        removed,
        cut,
    })
}

/// Opens a segment that was closed.
fn reopen(
    directory: &Directory,
    plan: &Plan,
    index_interval_bytes: u64,
) -> Result<Newborn, LogError> {
    let name = names::segment(plan.newest.first);
    let file = directory.open_file(&name, OpenOptions::new().read().write())?;
    let file = Arc::new(OpenFile { file, name });
    let index = SparseIndex::incomplete(index_interval_bytes);
    let len = plan.last.at.get();
    Ok(Newborn {
        file,
        len,
        header: plan.newest,
        link: plan.last,
        index,
    })
}

/// Makes the segment that takes over.
fn renew(
    directory: &Directory,
    plan: &Plan,
    renewal: &Renewal,
    index_interval_bytes: u64,
) -> Result<Newborn, LogError> {
    let Renewal { header, from } = renewal;
    let mut creation = Creation::begin(directory, *header, index_interval_bytes)?;
    if from.at < plan.last.at {
        copy(directory, plan, renewal, &mut creation)?;
    }
    creation.finish().map_err(Failure::into_error)?.publish()
}

/// Copies what may be in the page cache only. Marks stay behind: they spoke of the old segment.
fn copy(
    directory: &Directory,
    plan: &Plan,
    renewal: &Renewal,
    creation: &mut Creation,
) -> Result<(), LogError> {
    let name = names::segment(plan.newest.first);
    let file = directory.open_file(&name, OpenOptions::new().read())?;
    let file = OpenFile { file, name };
    let mut chain = Chain::new(Identity::of(&plan.newest), renewal.from);
    loop {
        match chain.step(&file, plan.last.at, Check::Payload)? {
            Step::Frame(frame) => {
                if matches!(frame.kind, FrameKind::Commit | FrameKind::Lost) {
                    creation.push(frame, chain.payload(), chain.link().next)?;
                }
            }
            Step::End => return Ok(()),
            // It was good when the plan was made.
            Step::Break(defect) => {
                let corrupt = defect.in_file(file.name);
                return Err(LogError::Corrupt {
                    corrupt,
                    evidence: Evidence::ReadBefore,
                });
            }
        }
    }
}

/// Ends a segment where its successor takes over.
pub(crate) fn apply_cut(directory: &Directory, cut: &Cut) -> Result<(), LogError> {
    let name = names::segment(cut.first);
    let file = directory.open_file(&name, OpenOptions::new().read().write())?;
    let file = OpenFile { file, name };
    let end = cut.at.plus(MARK_BYTES as u64);
    file.write(&cut.seal, cut.at.get())?;
    if ByteOffset::new(file.len()?) != end {
        file.set_len(end.get())?;
    }
    file.sync_all()
}

/// Removes retired segments that are kept for reuse beyond the number wanted.
pub(crate) fn remove_spares(
    directory: &Directory,
    spares: &[TxOffset],
    spare_segments_max: u32,
) -> Result<Vec<TxOffset>, LogError> {
    let kept = spares.len().min(spare_segments_max as usize);
    let (kept, superfluous) = spares.split_at(kept);
    for first in superfluous {
        directory.remove(&names::spare(*first))?;
    }
    Ok(kept.to_vec())
}
