//! An embedded, ordered key-value store: one log-structured merge tree over one commit log.
//!
//! A write is a record of the log first. It enters the memtable in log order, once it has reached
//! its durability. A full memtable becomes a table, and the manifest names the tables and how far
//! they hold the log; what is behind that is read from the log again at each opening.
//!
//! | module | what it is |
//! |---|---|
//! | `transaction` | reads and writes that count together, or not at all |
//! | `handle` | [`Store`]: the calls of an application |
//! | `snapshot`, `stats` | what some of them return |
//! | `commit` | a batch on its way through the log |
//! | `encoded`, `read_set` | which commits conflict |
//! | `keyspace`, `catalog` | parts of the store with keys of their own, and their names |
//! | `batch` | what is written together, and how a record of the log holds it |
//! | `tombstone` | ranges that were deleted |
//! | `memtable` | rows that no table has yet |
//! | `block`, `index`, `filter`, `table` | rows in a file |
//! | `cache` | blocks that stay in memory |
//! | `heads` | the first bytes of keys, which are searched before the keys |
//! | `manifest` | which tables there are |
//! | `tree` | memtables and tables together: what a reader sees |
//! | `source`, `cursor` | many sources of rows, read as one |
//! | `compaction` | which tables to merge |
//! | `merge`, `output` | rows of many sources become tables |
//! | `flush` | memtables become tables; tables are merged |
//! | `background` | the task that does it, and who waits for it |
//! | `history` | how much of the log stays |
//! | `replay` | what the tables lack comes from the log |
//! | `open` | recovery: manifest, tables, log |
//! | `readonly` | the same without writing, beside a writer in another process |
//! | `inspect`, `verify`, `backup`, `dump` | tools, which take no lock |
//!
//! ```text
//! transaction ─► handle ─► background ─► flush ─► merge ─► cursor ─► tree ─► table ─► block
//!                  │ └────► open ─────────┘ └──► compaction ─► manifest ┘ └──► memtable ─► batch
//!                  └─► commit ─► encoded ─► tree
//! ```
//!
//! Invariants:
//! - \[I1\] A row's sequence is the offset of its batch in the log: the same live and replayed, and
//!   never given twice in one history.
//! - \[I2\] All rows of a batch become visible at once, and batches in log order.
//! - \[I3\] Of a key the row with the highest visible sequence counts.
//! - \[I4\] What the manifest names is durable, and holds everything of the log before its
//!   `flushed_through`. The log keeps everything from there on.
//! - \[I5\] A file that the manifest does not name is removed only once all that it names was
//!   verified.
//!
//! Directory: `log/`, `tables/`, `MANIFEST-n`. The lock lies on the directory itself.

mod background;
mod backup;
mod batch;
mod block;
mod cache;
mod catalog;
mod commit;
mod compaction;
mod cursor;
mod dump;
mod encoded;
mod error;
mod filter;
mod flush;
mod handle;
mod heads;
mod history;
mod index;
mod inspect;
mod keyspace;
mod manifest;
mod memtable;
mod merge;
mod open;
mod options;
mod output;
mod read_set;
mod readonly;
mod replay;
mod report;
mod snapshot;
mod source;
mod stats;
mod sync;
mod table;
mod tombstone;
mod transaction;
mod tree;
mod verify;

pub use backup::{BackupReport, backup};
pub use batch::WriteBatch;
pub use catalog::Genesis;
pub use commit::Ticket;
pub use cursor::{Cursor, KeyAndValue, OwnedRows};
pub use dump::{Dumped, KeyspaceAndKey, dump};
pub use error::StoreError;
pub use handle::Store;
pub use history::History;
pub use inspect::{
    BlockSummary, Inspected, InspectedWrite, ManifestSummary, TableSummary, check_block,
    check_manifest, check_record, inspect,
};
pub use keyspace::Keyspace;
pub use options::{StoreOptions, WhenFull};
pub use readonly::{ReadOnlyOptions, ReadOnlyStore};
pub use report::RecoveryReport;
pub use snapshot::Snapshot;
pub use stats::StoreStats;
pub use transaction::{Transaction, TransactionCursor};
pub use verify::{Progress, TableVerdict, Verification, verify};

/// The longest key of an application, in bytes.
pub const KEY_BYTES_MAX: usize = 64 << 10;
/// The longest value, in bytes.
pub const VALUE_BYTES_MAX: usize = 512 << 20;
