//! Tests of new directories: what a crash leaves of one, and what is in its way.

use blackstart_sim::disk::{DiskConfig, Image};
use blackstart_vfs::OpenOptions;

use super::*;
use crate::commitlog::testing::{Scratch, crashes};

/// Makes the directory `log` with one file.
fn make(scratch: &Scratch) -> Result<(), LogError> {
    fill_new(&scratch.env, Path::new("log"), |directory| {
        let options = OpenOptions::new().write().create_new();
        let file = directory.open_file("file", options)?;
        file.write(b"content", 0)?;
        file.sync_all()?;
        directory.sync()
    })
}

/// [I1] A crash leaves the whole directory, or none of its name.
#[test]
fn a_directory_that_has_its_name_is_complete() {
    let run = |scratch: &Scratch| make(scratch).unwrap();
    for crash in crashes(&Image::empty(&DiskConfig::default()), run) {
        let names = crash.disk.names();
        let is_known = |name: &String| name == "log" || name == "log.unfinished";
        assert!(names.iter().all(is_known), "[I1] {names:?}");
        let is_named = names.iter().any(|name| name == "log");
        assert!(is_named || !crash.is_over, "[I1] it has its name for good");
        if is_named {
            assert_eq!(crash.disk.read("log/file"), b"content", "[I1]");
        }
    }
}

/// [I2] What has the name, or that of an unfinished directory, stays as it is.
#[test]
fn what_exists_is_not_written_over() {
    for taken in ["log", "log.unfinished"] {
        let scratch = Scratch::new();
        scratch.write(taken, b"mine");
        let refused = make(&scratch);
        let is_refused = matches!(refused, Err(LogError::AlreadyExists { .. }));
        assert!(is_refused, "[I2] {refused:?}");
        assert_eq!(scratch.names(), [taken], "[I2]");
        assert_eq!(scratch.read(taken), b"mine", "[I2]");
    }
}
