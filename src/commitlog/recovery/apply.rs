//! Doing what a plan says.
//!
//! | step | if it is cut short there |
//! |---|---|
//! | temporary files are removed | some of them |
//! | a new segment takes over: temporary file, `sync_all`, rename, `sync_dir` | the old log, and perhaps a temporary file; or the new segment and an uncut predecessor |
//! | cuts: `set_len`, `sync_all` | the fork's predecessor is longer than its part; the next opening cuts it again |
//! | removals, `sync_dir` | superfluous files, known by their epoch or by the oldest offset |
//! | the superblock | the one before |
//!
//! The order matters: what is cut and removed is superfluous only once the name of the new
//! segment is durable. An opening that finds the name cannot know that, so it makes it so first:
//! a segment in which nothing was written since it was named is always replaced by a new one.

use std::sync::Arc;

use blackstart_vfs::OpenOptions;

use crate::codec::Defect;
use crate::commitlog::chain::{Chain, Check, each_frame};
use crate::commitlog::creation::Creation;
use crate::commitlog::directory::{Directory, OpenFile};
use crate::commitlog::error::{Evidence, Failure, LogError};
use crate::commitlog::frame::FrameKind;
use crate::commitlog::header::SegmentHeader;
use crate::commitlog::link::Link;
use crate::commitlog::names;
use crate::commitlog::report::{FileNote, FileReason};
use crate::commitlog::segment::NewSegment;
use crate::commitlog::source::SourceFile;

use super::continuity::Cut;
use super::plan::Takeover;

/// Removes the files that are no part of the log and known to be superfluous. What cannot be
/// removed stays, and the notes say so: nobody needs it gone.
pub(crate) fn remove_files(
    directory: &Directory,
    files: &mut [FileNote],
    reasons: &[FileReason],
) -> Result<(), LogError> {
    let mut removed = false;
    for note in files
        .iter_mut()
        .filter(|note| reasons.contains(&note.reason))
    {
        note.removed = directory.remove(&note.file).is_ok();
        removed |= note.removed;
    }
    match removed {
        true => directory.sync(),
        false => Ok(()),
    }
}

/// Makes the segment that takes over from `old`, which ends at `end`, and gives it its name.
pub(crate) fn take_over(
    directory: &Directory,
    old: &SegmentHeader,
    end: Link,
    takeover: &Takeover,
    segment_bytes_max: u64,
) -> Result<NewSegment, Failure> {
    let first = takeover.header.first;
    let created = Creation::begin(directory, takeover.header, segment_bytes_max)
        .and_then(|mut creation| {
            copy(directory, old, takeover.from, end, &mut creation)?;
            Ok(creation)
        })
        .map_err(Failure::Harmless)
        .and_then(Creation::finish);
    let staged = created.inspect_err(|_| Creation::abandon(directory, first))?;
    staged.publish().map_err(Failure::Fatal)
}

/// Copies commits that may be in the page cache only, or are few.
fn copy(
    directory: &Directory,
    old: &SegmentHeader,
    from: Link,
    end: Link,
    creation: &mut Creation,
) -> Result<(), LogError> {
    if from == end {
        return Ok(());
    }
    let file = directory.open_file(&names::segment(old.first), OpenOptions::new().read())?;
    let mut chain = Chain::new(old.key(), from);
    let defect = each_frame(
        &mut chain,
        &file,
        end.at,
        Check::Payload,
        |_, frame, chain| match frame.kind {
            FrameKind::Commit => creation.push(chain.payload(), frame.tx_count),
            FrameKind::Close => Ok(()),
        },
    )?;
    // A close mark vouches for frames that nobody has read.
    let wrong_end = || {
        let (expected, found) = (end.next.get(), chain.link().next.get());
        Defect::new(chain.link().at, "end of the segment", expected, found)
    };
    let defect = defect.or_else(|| (chain.link() != end).then(wrong_end));
    match defect {
        None => Ok(()),
        // It was good when the plan was made, or was vouched for.
        Some(defect) => Err(LogError::Corrupt {
            corrupt: defect.in_file(file.name.as_str()),
            evidence: Evidence::ReadBefore,
        }),
    }
}

/// Ends a segment's file where its successor takes over, durably.
pub(crate) fn apply_cut(directory: &Directory, cut: &Cut) -> Result<(), LogError> {
    let name = names::segment(cut.first);
    let file = directory.open_file(&name, OpenOptions::new().read().write())?;
    if file.len()? > cut.at.get() {
        file.set_len(cut.at.get())?;
    }
    file.sync_all()
}

/// Opens a segment that stays as it is.
pub(crate) fn reopen(
    directory: &Directory,
    header: &SegmentHeader,
) -> Result<Arc<OpenFile>, LogError> {
    let name = names::segment(header.first);
    let file = directory.open_file(&name, OpenOptions::new().read())?;
    Ok(Arc::new(file))
}
