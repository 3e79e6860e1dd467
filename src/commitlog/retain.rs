//! Retention: the oldest segments are archived and removed.
//!
//! | step | a crash behind it leaves |
//! |---|---|
//! | 1. the archive hook, for each segment | everything |
//! | 2. a retain mark that names the new oldest offset, synced | everything; the next opening removes what is below |
//! | 3. for a segment that becomes a spare: zero its header, sync, rename; else remove it | any of them, in any order |
//! | 4. `sync_dir` | the shorter log |
//!
//! The mark comes before any removal, so that a missing segment is told from a lost one.

use std::sync::Arc;

use blackstart_vfs::OpenOptions;

use super::TxOffset;
use super::error::LogError;
use super::frame::{FrameKind, Mark};
use super::header::SEGMENT_HEADER_BYTES;
use super::log::Core;
use super::names;
use super::options::ArchiveSegment;
use super::shared::SealedSegment;
use super::source::{Directory, OpenFile};
use super::writer::{Failure, Writer};

impl Core {
    /// Removes sealed segments that hold only transactions below `tx_offset`.
    pub fn retain_from(&self, tx_offset: TxOffset) -> Result<TxOffset, LogError> {
        // One at a time, so that no segment is archived twice. The writer is free meanwhile.
        let _turn = self.retention.lock();
        // A segment that an earlier one has retired may be gone after the next opening, whatever
        // the hook makes of it now.
        self.with_writer(|_| Ok(()))?;
        let candidates = self.retirable(tx_offset);
        let mut refused = None;
        let mut archived = Vec::new();
        for (sealed, end) in candidates {
            match self.archive(&sealed, end) {
                Ok(()) => archived.push((sealed, end)),
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        if !archived.is_empty() {
            self.with_writer(|writer| retire(writer, archived))?;
        }
        match refused {
            Some(error) => Err(error),
            None => Ok(self.shared.state.lock().oldest),
        }
    }

    /// Sealed segments that end at or before `tx_offset`, oldest first, with their ends.
    fn retirable(&self, tx_offset: TxOffset) -> Vec<(SealedSegment, TxOffset)> {
        let state = self.shared.state.lock();
        let active = state.active.segment.header.first;
        let ends = state.sealed.keys().skip(1).copied().chain([active]);
        let with_ends = state.sealed.values().cloned().zip(ends);
        with_ends.take_while(|(_, end)| *end <= tx_offset).collect()
    }

    fn archive(&self, sealed: &SealedSegment, end: TxOffset) -> Result<(), LogError> {
        let Some(hook) = &self.archive else {
            return Ok(());
        };
        let name = sealed.segment.name.as_str();
        let segment = ArchiveSegment {
            path: self.shared.directory.file(name),
            range: sealed.segment.header.first..end,
            bytes: sealed.len.get(),
        };
        hook(&segment).map_err(|error| LogError::Archive {
            file: name.to_owned(),
            source: Arc::from(error),
        })
    }
}

/// Records the new oldest offset and removes the segments before it.
fn retire(writer: &mut Writer, archived: Vec<(SealedSegment, TxOffset)>) -> Result<(), Failure> {
    let retired = still_there(writer, archived);
    let Some((_, oldest)) = retired.last() else {
        return Ok(());
    };
    let oldest = *oldest;
    writer.begin()?;
    let moment = writer.moment();
    writer.append_mark(Mark {
        kind: FrameKind::Retain,
        number: oldest.get(),
    });
    if let Err(failure) = writer.sync() {
        return Err(writer.take_back(failure, moment));
    }
    writer.publish(|_| {});
    {
        let mut state = writer.shared.state.lock();
        state.oldest = oldest;
        for (sealed, _) in &retired {
            state.sealed.remove(&sealed.segment.header.first);
        }
    }
    for (sealed, _) in retired {
        remove_or_keep(writer, sealed).map_err(Failure::Fatal)?;
    }
    writer.shared.directory.sync().map_err(Failure::Fatal)
}

/// Leaves out what a truncation superseded since it was archived, and what comes after it.
fn still_there(
    writer: &Writer,
    archived: Vec<(SealedSegment, TxOffset)>,
) -> Vec<(SealedSegment, TxOffset)> {
    let state = writer.shared.state.lock();
    let is_there = |sealed: &SealedSegment| {
        let known = state.sealed.get(&sealed.segment.header.first);
        known.is_some_and(|known| {
            Arc::ptr_eq(&known.segment, &sealed.segment) && known.len == sealed.len
        })
    };
    archived
        .into_iter()
        .take_while(|(sealed, _)| is_there(sealed))
        .collect()
}

/// Removes a retired segment, or keeps its file as a spare.
fn remove_or_keep(writer: &mut Writer, sealed: SealedSegment) -> Result<(), LogError> {
    let directory = &writer.shared.directory;
    let first = sealed.segment.header.first;
    let name = sealed.segment.name.clone();
    directory.remove(&names::index(first))?;
    let is_wanted = writer.spares.len() < writer.options.spare_segments_max as usize;
    // Nobody in this process reads it, and it has no other name.
    let readers = Arc::strong_count(&sealed.segment) - 1;
    if is_wanted && readers == 0 && link_count(directory, &name)? == 1 {
        keep(directory, &name, first)?;
        writer.spares.push(first);
        return Ok(());
    }
    directory.remove(&name)
}

fn link_count(directory: &Directory, name: &str) -> Result<u64, LogError> {
    let metadata = directory.env.fs().metadata(&directory.file(name));
    let metadata = metadata.map_err(|error| LogError::io(name, "look at it", error))?;
    Ok(metadata.link_count)
}

/// Makes a spare of a retired segment. It loses its header, durably, before it loses its name, so
/// that no spare is ever taken for a segment.
fn keep(directory: &Directory, name: &str, first: TxOffset) -> Result<(), LogError> {
    let file = directory.open_file(name, OpenOptions::new().read().write())?;
    let file = OpenFile {
        file,
        name: name.to_owned(),
    };
    file.write(&[0; SEGMENT_HEADER_BYTES], 0)?;
    file.sync_data()?;
    let (from, to) = (directory.file(name), directory.file(&names::spare(first)));
    let renamed = directory.env.fs().rename(&from, &to);
    renamed.map_err(|error| LogError::io(name, "keep it as a spare", error))
}

#[cfg(test)]
mod tests;
