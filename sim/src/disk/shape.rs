//! The shape of a disk at a cut: how much of each kind is pending, on how many files, and how many
//! files there are. Many states have one shape; it is for telling new situations from known ones.

use super::crash::CrashModel;
use super::pending::What;
use crate::call::mix64;

/// Kinds of pending effects, as [`kind`] numbers them.
const KINDS: usize = 9;

impl CrashModel {
    /// A hash of the shape.
    pub(crate) fn shape(&self) -> u64 {
        let mut counts = [0u64; KINDS];
        let mut files = 0u64;
        for pending in &self.pending {
            if let Some(count) = counts.get_mut(kind(&pending.what)) {
                *count += 1;
            }
            files |= 1 << (pending.what.file().index() % 64);
        }
        let inodes = self.visible.inodes.iter().flatten().count() as u64;
        let counts = counts
            .into_iter()
            .chain([u64::from(files.count_ones()), inodes]);
        counts.fold(0, |shape, count| mix64(shape ^ bucket(count)))
    }
}

fn kind(what: &What) -> usize {
    match what {
        What::Data { .. } => 0,
        What::Size { by_write: true, .. } => 1,
        What::Size { old, new, .. } if new < old => 2,
        What::Size { .. } => 3,
        What::Zero { .. } => 4,
        What::Floor { .. } => 5,
        What::Link { .. } => 6,
        What::Unlink { .. } => 7,
        What::Rename { .. } => 8,
    }
}

/// The number of a count's bucket: 0, 1, 2, 3, and then twice as many for each.
pub(crate) fn bucket(count: u64) -> u64 {
    match count {
        0..=3 => count,
        _ => 2 + u64::from(count.ilog2()),
    }
}
