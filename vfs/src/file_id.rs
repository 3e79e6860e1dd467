//! Which inode a name or a handle leads to.

/// An inode's identity: its device and its number. Two are compared and no more is made of them;
/// they have no order, since a file system gives its numbers in an order of its own.
///
/// It tells inodes apart while they exist. The number of one that is gone, with no name and no
/// handle left, may be given to another: hold a handle on the file that is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The identity of an inode, as an implementation of the seam tells it.
    pub const fn new(device: u64, inode: u64) -> Self {
        Self { device, inode }
    }
}
