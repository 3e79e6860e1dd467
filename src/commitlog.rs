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
//!   twice.
//! - \[I4\] Damage is never taken for an end, and an end never for damage, where any evidence tells
//!   them apart; and neither ever for a wrong value.
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
//! | part | files |
//! |---|---|
//! | format | `header`, `frame`, `records`, `index`, `names` |
//! | reading segments | `source`, `chain`, `seek`, `reader`, `follow` |
//! | opening | `open`, `readonly`, `recovery`, `salvage` |
//! | writing | `writer`, `group`, `creation`, `rotate`, `truncate`, `retain` |
//! | looking from outside | `inspect` |
//!
//! Not here: what a record means. Sealed segments are not compressed.

mod chain;
mod creation;
mod error;
mod follow;
mod frame;
mod group;
mod header;
mod ids;
mod index;
mod inspect;
mod log;
mod names;
mod open;
mod options;
mod reader;
mod readonly;
mod records;
pub mod recovery;
mod report;
mod retain;
mod rotate;
mod salvage;
mod seek;
mod shared;
mod source;
#[cfg(test)]
mod testing;
mod truncate;
mod writer;

pub use error::{Evidence, LogError};
pub use follow::Follower;
pub use frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, MARK_BYTES, Seed};
pub use group::{Committed, LogStats, Ticket};
pub use header::{
    FORMAT_VERSION, HeaderProblem, SEGMENT_HEADER_BYTES, SegmentFlags, SegmentHeader,
};
pub use ids::{Epoch, LogId, TxOffset};
pub use index::{IndexOf, decode_index};
pub use inspect::{Inspected, SegmentVerdict, Verification, inspect, verify};
pub use log::Log;
pub use options::{ArchiveError, ArchiveHook, ArchiveSegment, Durability, LogOptions};
pub use reader::{Commit, Entry, ReadScope, Reader};
pub use readonly::ReadOnlyLog;
pub use records::{Transactions, check as check_records};
pub use report::{LogEnd, RecoveryReport, Tail};
pub use source::{LogSource, MemorySource, ReadAt, SourceFile};
