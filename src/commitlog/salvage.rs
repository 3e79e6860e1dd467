//! Salvage: what is left of a damaged log becomes a new log in another directory.
//!
//! The survey decides which files are the log's history and how each is to be walked; `walk` reads
//! one segment over what is broken in it; here the new log is written. What is missing is recorded
//! in the headers of the new segments, so that offsets do not shift and no reader passes over it
//! unknowingly.
//!
//! Invariants:
//! - \[I1\] Nothing in the damaged directory is changed.
//! - \[I2\] Salvage drops nothing that can be read: every valid frame that continues the history
//!   comes into the new log with its offset.
//! - \[I3\] It only follows evidence. What no evidence covers is a tail, as in any recovery.
//! - \[I4\] The new directory gets its name when the new log is complete and durable.
//! - \[I5\] Segments of another log, unknown formats and read errors are no damage that could be
//!   left out; they stay errors.

mod survey;
mod walk;

use std::ops::Range;
use std::path::Path;

use blackstart_vfs::Env;

use super::creation::Creation;
use super::directory::Directory;
use super::error::{Failure, LogError};
use super::header::{Predecessor, SegmentFlags, SegmentHeader};
use super::keeper::SuperblockKeeper;
use super::new_directory::fill_new;
use super::options::LogOptions;
use super::report::FileNote;
use super::superblock::Superblock;
use super::{Epoch, Incarnation, LogId, TxOffset};
use survey::{Survey, survey};
use walk::walk;

/// What a salvage found and gave up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SalvageReport {
    /// The log's identity, which the new log keeps.
    pub log_id: LogId,
    /// The new log's epoch: later than any in the old one.
    pub epoch: Epoch,
    /// The oldest transaction that was to be there.
    pub oldest: TxOffset,
    /// The transaction after the last one.
    pub next: TxOffset,
    /// Commits that were saved.
    pub commits: u64,
    /// Their transactions.
    pub transactions: u64,
    /// Transactions that are lost.
    pub lost: Vec<Range<TxOffset>>,
    /// What was wrong, file by file.
    pub problems: Vec<LogError>,
    /// Files that are no part of the history.
    pub files: Vec<FileNote>,
}

/// Reads the log in `from` and writes what is left of it as a new log, `to`, which must not exist.
/// Of the options those matter that say what is known of the log. The new log is durable when this
/// returns; a crash before leaves a directory whose name ends in `.unfinished`.
///
/// # Errors
/// [`LogError::Locked`]: somebody writes the log. [`LogError::AlreadyExists`]: `to`, or an
/// unfinished directory, is there. [`LogError::SegmentsMissing`], [`LogError::Corrupt`]: nothing
/// says which log it was. [`LogError::Foreign`], [`LogError::UnsupportedVersion`],
/// [`LogError::UnsupportedFeature`], [`LogError::Io`].
pub fn salvage(
    env: &Env,
    from: impl AsRef<Path>,
    target: &Env,
    to: impl AsRef<Path>,
    options: &LogOptions,
) -> Result<SalvageReport, LogError> {
    let source = Directory::open(env, from.as_ref())?;
    let _lock = source.lock()?;
    let survey = survey(&source, options)?;
    fill_new(target, to.as_ref(), |directory| {
        let incarnation = Incarnation::new(u64::from_le_bytes(directory.draw()?));
        let mut output = Output {
            directory: directory.clone(),
            template: survey.template(incarnation),
            segment_bytes_max: options.segment_bytes_max,
            before: None,
            open: None,
            is_new: true,
            next: survey.oldest,
            report: survey.report(),
        };
        for segment in &survey.segments {
            output.is_new = true;
            let problem = walk(&source, segment, |first, payload, tx_count| {
                output.push(first, payload, tx_count)
            })?;
            output.report.problems.extend(problem);
        }
        output.finish(&survey)
    })
}

/// The new log, being written.
struct Output {
    directory: Directory,
    /// What all headers have in common.
    template: SegmentHeader,
    segment_bytes_max: u64,
    before: Option<Predecessor>,
    open: Option<Creation>,
    /// Whether the next commit goes into a segment of its own.
    is_new: bool,
    /// The transaction after the last one written.
    next: TxOffset,
    report: SalvageReport,
}

impl Output {
    fn push(&mut self, first: TxOffset, payload: &[u8], tx_count: u32) -> Result<(), LogError> {
        if first < self.template.oldest {
            // It was retired, and its segment not removed yet.
            return Ok(());
        }
        if self.is_new || first > self.next {
            self.begin(first)?;
            self.is_new = false;
        }
        let Some(creation) = &mut self.open else {
            unreachable!("a segment was just begun");
        };
        creation.push(payload, tx_count)?;
        self.next = creation.end().next;
        self.report.commits += 1;
        self.report.transactions += u64::from(tx_count);
        Ok(())
    }

    /// Starts a segment with this transaction. What lies between the last one and this is lost.
    fn begin(&mut self, first: TxOffset) -> Result<(), LogError> {
        self.close()?;
        let mut flags = SegmentFlags::NONE;
        if first > self.next {
            flags = SegmentFlags::LOSS;
            self.report.lost.push(self.next..first);
        }
        let header = SegmentHeader {
            flags,
            first,
            durable_through: first,
            predecessor: self.before,
            ..self.template
        };
        let creation = Creation::begin(&self.directory, header, self.segment_bytes_max)?;
        self.open = Some(creation);
        self.next = first;
        Ok(())
    }

    /// Completes the segment that is open.
    fn close(&mut self) -> Result<(), LogError> {
        let Some(creation) = self.open.take() else {
            return Ok(());
        };
        let staged = creation.finish().map_err(Failure::into_error)?;
        let new = staged.publish()?;
        self.before = Some(Predecessor::new(&new.header, new.end));
        Ok(())
    }

    /// Completes the log: it ends where the old one is known to have ended.
    fn finish(mut self, survey: &Survey) -> Result<SalvageReport, LogError> {
        if survey.bound > self.next || self.before.is_none() && self.open.is_none() {
            self.begin(survey.bound.max(self.next))?;
        }
        let newest = match &self.open {
            Some(creation) => creation.first(),
            None => unreachable!("the last segment is still open"),
        };
        self.close()?;
        let superblock = Superblock {
            log_id: self.template.log_id,
            epoch: self.template.epoch,
            counter: 0,
            oldest: self.template.oldest,
            newest,
            durable_through: self.next,
        };
        let mut keeper = SuperblockKeeper::new(self.directory.clone(), superblock, None);
        keeper.update(|_| {})?;
        self.report.next = self.next;
        Ok(self.report)
    }
}

#[cfg(test)]
mod tests;
