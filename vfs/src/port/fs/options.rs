//! How to open a file, with the setters of `std::fs::OpenOptions`.

use std::io;
use std::path::Path;

use super::File;
use crate::Fs;

/// How to open a file, as `std::fs::OpenOptions`: setters take a value and return `&mut Self`.
///
/// `append` writes each time at the end that the file then has. The seam has no call for that, so
/// here it is two, the length and the write: several writers that append to one file at a time,
/// which `O_APPEND` keeps apart, overwrite each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
}

macro_rules! setter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub fn $name(&mut self, $name: bool) -> &mut Self {
            self.$name = $name;
            self
        }
    };
}

impl OpenOptions {
    /// Nothing asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    setter!(
        /// Allow reading.
        read
    );
    setter!(
        /// Allow writing.
        write
    );
    setter!(
        /// Allow writing, at the end only.
        append
    );
    setter!(
        /// Cut the file to length 0.
        truncate
    );
    setter!(
        /// Create the file if it is missing.
        create
    );
    setter!(
        /// Create the file, and fail if the name is taken.
        create_new
    );

    /// Opens a file. A created name is durable only after [`super::sync_dir`].
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for the combinations that `std::fs` refuses; else of
    /// [`Fs::open`].
    pub fn open(&self, fs: &dyn Fs, path: impl AsRef<Path>) -> io::Result<File> {
        if self.append && self.truncate && !self.create_new {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut options = crate::OpenOptions::new();
        if self.read {
            options = options.read();
        }
        if self.write || self.append {
            options = options.write();
        }
        if self.create {
            options = options.create();
        }
        if self.create_new {
            options = options.create_new();
        } else if self.truncate {
            options = options.truncate();
        }
        let file = fs.open(path.as_ref(), options)?;
        Ok(File::new(file, self.append))
    }
}
