//! An embedded, crash-safe storage engine whose only truth is a segmented commit log.
//!
//! The engine is plain blocking Rust above [`blackstart_vfs`], its only door to the world. The
//! same code therefore runs on the operating system and inside the deterministic simulator that
//! attacks it with crashes and faults.
//!
//! | module | what it is |
//! |---|---|
//! | [`store`] | an ordered key-value store: one tree over one log |
//! | [`commitlog`] | the one durable append: segments of framed commits, recovery, retention, following |
//! | [`codec`] | checked decoding: bytes from disk are never trusted, and errors say where and what |
//!
//! Dependencies point down: `store` → `commitlog` → `codec` → `blackstart-vfs`.
#![deny(unsafe_code)]

pub use blackstart_vfs::Env;

pub mod codec;
pub mod commitlog;
pub mod store;
