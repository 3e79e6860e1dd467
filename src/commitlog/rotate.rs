//! Rotation: the newest segment is sealed and another begins.
//!
//! | step | a crash behind it leaves |
//! |---|---|
//! | 1. write out and sync the old segment | the old segment, complete |
//! | 2. new segment under a temporary name: header, `sync_all` | and a temporary file, which the next opening removes |
//! | 3. seal in the old segment, `set_len` to its end, `sync_all` | and perhaps a seal without a successor: the next opening looks at the old segment as the newest, and begins a new one |
//! | 4. rename, `sync_dir` | both; the new name proves that the old segment is complete |
//!
//! A lack of space in step 2 or 3 leaves the log as it was.

use blackstart_vfs::{FileExt, OpenOptions};

use super::TxOffset;
use super::creation::{Creation, Unnamed};
use super::error::LogError;
use super::frame::MARK_BYTES;
use super::header::{FORMAT_VERSION, SegmentFlags, SegmentHeader};
use super::index::{self, IndexOf, SparseIndex};
use super::names;
use super::recovery::{Cut, seal_at};
use super::shared::SealedSegment;
use super::source::Directory;
use super::writer::{Failure, Writer};

/// Seals the newest segment and goes on in a new one; nothing if it has no commits. Everything
/// that was encoded is published before.
pub(crate) fn rotate(writer: &mut Writer) -> Result<(), Failure> {
    if !writer.has_commits() {
        return Ok(());
    }
    writer.begin()?;
    writer.sync()?;
    let sealed = writer.segment.clone();
    let seal = seal_at(&sealed.header, writer.link);
    let directory = writer.shared.directory.clone();
    let header = successor(writer, &seal);
    let ready = create(writer, header).and_then(|unnamed| {
        writer.seal(&seal)?;
        Ok(unnamed)
    });
    let unnamed = match ready {
        Ok(unnamed) => unnamed,
        Err(failure) => {
            Creation::abandon(&directory, header.first);
            return Err(failure);
        }
    };
    let newborn = unnamed.publish().map_err(Failure::Fatal)?;
    let len = seal.at.plus(MARK_BYTES as u64);
    let index = writer.enter(newborn, |state, segment| {
        state
            .sealed
            .insert(segment.header.first, SealedSegment { segment, len });
        state.stats.rotations += 1;
    });
    write_index(&directory, IndexOf::segment(&sealed.header, len), &index);
    Ok(())
}

fn successor(writer: &Writer, seal: &Cut) -> SegmentHeader {
    SegmentHeader {
        version: FORMAT_VERSION,
        compat: 0,
        ro_compat: 0,
        incompat: 0,
        flags: SegmentFlags::NONE,
        log_id: writer.segment.header.log_id,
        first: writer.link.next,
        oldest: writer.shared.state.lock().oldest,
        durable_through: writer.link.next,
        epoch: writer.epoch(),
        chain: seal.checksum,
        durable_bytes: 0,
        creation: 0,
    }
}

/// The new segment under its temporary name, in a spare file if there is one.
fn create(writer: &mut Writer, header: SegmentHeader) -> Result<Unnamed, Failure> {
    let directory = &writer.shared.directory;
    let interval = writer.options.index_interval_bytes;
    // A spare that cannot be used is no loss.
    let in_spare =
        |spare: TxOffset| Creation::begin_in_spare(directory, header, spare, interval).ok();
    let creation = match writer.spares.pop().and_then(in_spare) {
        Some(creation) => creation,
        None => Creation::begin(directory, header, interval).map_err(Failure::Harmless)?,
    };
    creation.finish()
}

/// Writes the index of a sealed segment. It is a cache: if this fails, or is lost, it is made
/// again when somebody seeks there.
pub(crate) fn write_index(directory: &Directory, of: IndexOf, index: &SparseIndex) {
    if index.is_empty() || !index.is_complete() {
        return;
    }
    let name = names::index(of.first);
    let write = || -> Result<(), LogError> {
        let options = OpenOptions::new().write().create().truncate();
        let file = directory.open_file(&name, options)?;
        let written = file.write_all_at(&index::encode(of, index), 0);
        written.map_err(|error| LogError::io(name.as_str(), "write to it", error))
    };
    drop(write());
}
