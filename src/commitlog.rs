//! The commit log: the engine's only durable append, and its only truth.
//!
//! A log is a directory of segments. A segment is a header and frames; a frame is a commit (one or
//! more transactions, atomic on disk) or a mark. Writers hand in commits and are told when they
//! have reached the durability they asked for; readers and followers see them in order.
//!
//! Invariants:
//! - \[I1\] Only what was synced is called durable, and it survives any crash that leaves synced
//!   bytes alone. Recovery shows a prefix of what was committed, at least up to the last commit
//!   acknowledged at the level of the crash.
//! - \[I2\] A commit is there whole or not at all.
//! - \[I3\] A transaction's offset never changes and, together with its epoch, is never given
//!   twice in one directory; with its incarnation in no copy of it either.
//! - \[I4\] Corruption is never mistaken for the end of the log, or the reverse, where evidence can
//!   distinguish them; neither is ever returned as data. No file is left out in silence.
//! - \[I5\] A failure of the world is an error that says what and where. After one that leaves the
//!   disk's state unknown nothing is written any more.
//!
//! ```
//! use blackstart::commitlog::{Durability, Log, LogOptions, TxOffset};
//! use blackstart_vfs::Env;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! let env = Env::os(dir.path().join("log"));
//! let (log, report) = Log::open(&env, "", LogOptions::new().create(true))?;
//! assert!(report.created);
//! log.commit(&["first", "second"], Durability::Synced)?;
//!
//! let mut reader = log.reader(TxOffset::ZERO)?;
//! let commit = reader.next_commit()?.expect("one commit is visible");
//! let records: Vec<_> = commit.transactions().map(|(_, record)| record).collect();
//! assert_eq!(records, [b"first".as_slice(), b"second"]);
//! log.close()?;
//! # Ok(())
//! # }
//! ```
//!
//! | layer | files |
//! |---|---|
//! | numbers and words | `ids`, `link`, `names`, `options`, `error`, `report` |
//! | format | `frame`, `header`, `records`, `superblock` |
//! | access | `source`, `directory`, `chain`, `commit`, `index`, `segment` |
//! | making a segment, a directory; the superblock | `creation`, `new_directory`, `keeper` |
//! | recovery | `recovery` and its parts |
//! | an open log | `state`, `writer`, `queue`, `core` |
//! | reading | `seek`, `view`, `reader`, `follow` |
//! | what a log does | `group`, `truncate`, `retain`, `open` |
//! | handles and tools | `log`, `readonly`, `inspect`, `backup`, `salvage` |
//!
//! Each file uses only files of its own and of earlier layers.
//!
//! Not here: what a record means. Full segments are not compressed.

mod backup;
mod chain;
mod commit;
mod core;
mod creation;
pub(crate) mod directory;
mod error;
mod follow;
mod frame;
mod group;
mod header;
mod ids;
mod index;
mod inspect;
mod keeper;
mod link;
mod log;
mod names;
pub(crate) mod new_directory;
mod open;
mod options;
mod queue;
mod reader;
mod readonly;
mod records;
pub mod recovery;
mod report;
mod retain;
mod salvage;
mod seek;
mod segment;
mod source;
mod state;
mod superblock;
#[cfg(test)]
pub(crate) mod testing;
mod truncate;
mod view;
mod writer;

pub use backup::{BackupReport, backup};
pub use commit::{Commit, Recovered, Visitor};
pub use error::{ErrorClass, Evidence, LogError};
pub use follow::Follower;
pub use frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKey, FrameKind, SMALL_PAYLOAD_BYTES_MAX};
pub use group::Ticket;
pub use header::{
    FORMAT_VERSION, HeaderProblem, Predecessor, SEGMENT_HEADER_BYTES, SegmentFlags, SegmentHeader,
};
pub use ids::{Epoch, Incarnation, LogId, TxOffset};
pub use inspect::{Inspected, SegmentVerdict, Verification, inspect, verify};
pub use log::Log;
pub use options::{
    ArchiveError, ArchiveHook, ArchiveSegment, Durability, Features, LogOptions, ReadScope,
};
pub use queue::{CommitOwner, Refusal};
pub use reader::{Entry, Reader};
pub use readonly::ReadOnlyLog;
pub use records::{Transactions, check as check_records};
pub use report::{FileNote, FileReason, LogEnd, RecoveryReport, Tail};
pub use retain::{Pin, SegmentInfo};
pub use salvage::{SalvageReport, salvage};
pub use source::{LogSource, MemorySource, ReadAt, SourceFile, SourceName};
pub use state::LogStats;
pub use superblock::{SUPERBLOCK_BYTES, Superblock};
pub use writer::Committed;
