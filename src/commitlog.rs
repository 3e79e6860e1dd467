//! The commit log.

mod error;
mod follow;
mod group;
mod ids;
mod log;
mod options;
mod reader;
mod readonly;
mod report;

pub use error::{Evidence, LogError};
pub use follow::Follower;
pub use group::{Committed, LogStats, Ticket};
pub use ids::{Epoch, LogId, TxOffset};
pub use log::Log;
pub use options::{ArchiveError, ArchiveHook, ArchiveSegment, Durability, LogOptions};
pub use reader::{Commit, Entry, ReadScope, Reader, Transactions};
pub use readonly::ReadOnlyLog;
pub use report::{LogEnd, RecoveryReport, Tail};
