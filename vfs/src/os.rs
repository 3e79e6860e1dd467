//! The operating system behind the seam. Linux.
//!
//! Thin on purpose: each call is one system call or a short, documented row of them.
//!
//! Invariants:
//! - \[I1\] Every [`std::io::Error`] of this module carries the error number of the system.
//!
//! EINTR is retried here and never seen outside. No call makes anything durable but
//! [`Fs::sync_dir`](crate::Fs::sync_dir), [`File::sync_data`](crate::File::sync_data),
//! [`File::sync_all`](crate::File::sync_all) and [`Fs::create_root`](crate::Fs::create_root).
//!
//! Not here: other systems. macOS would need `fcntl(F_FULLFSYNC)` for durability, since its
//! `fsync` leaves data in the drive's cache, and `F_NOCACHE` for direct I/O; Windows another way
//! to sync a directory, and names that do not depend on open handles. They wait for something
//! that can test them.

mod clock;
mod entropy;
mod event;
mod file;
mod fs;
mod lock;
mod tasks;

pub use clock::OsClock;
pub use entropy::OsEntropy;
pub use fs::OsFs;
pub use tasks::OsTasks;
