//! An embedded, crash-safe storage engine whose only truth is a segmented commit log.
#![forbid(unsafe_code)]
