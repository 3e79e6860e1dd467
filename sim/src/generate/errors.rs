//! Which errors which calls may fail with.
//!
//! The errors are those that Linux's manual pages list for the system call behind a kind. Left
//! out are those that tell of a mistake of the caller (EBADF, EINVAL, ENOTDIR), those that a call
//! answers by what is on the disk (ENOENT, EEXIST, ENOTEMPTY), and EAGAIN, which says that a lock
//! is held.

use crate::call::CallKind;
use crate::disk::Errno;
use crate::draw::Draw;

/// Calls of which every program makes some.
pub(super) const COMMON: [CallKind; 12] = [
    CallKind::Write,
    CallKind::SyncData,
    CallKind::SyncAll,
    CallKind::SyncDir,
    CallKind::Read,
    CallKind::Open,
    CallKind::Rename,
    CallKind::SetLen,
    CallKind::RemoveFile,
    CallKind::ReadDir,
    CallKind::Len,
    CallKind::CreateRoot,
];

/// Calls that programs make seldom.
pub(super) const SELDOM: [CallKind; 10] = [
    CallKind::Lock,
    CallKind::Metadata,
    CallKind::Allocate,
    CallKind::Punch,
    CallKind::CreateDir,
    CallKind::HardLink,
    CallKind::RemoveDir,
    CallKind::Subdir,
    CallKind::FileId,
    CallKind::LinkCount,
];

/// Calls that may find no space. A sync finds none where blocks are allocated when they are written
/// out; a rename or a link, when a directory grows.
pub(super) const OUT_OF_SPACE: [CallKind; 12] = [
    CallKind::Write,
    CallKind::Write,
    CallKind::Write,
    CallKind::SetLen,
    CallKind::SetLen,
    CallKind::Open,
    CallKind::Open,
    CallKind::SyncData,
    CallKind::SyncAll,
    CallKind::SyncDir,
    CallKind::Rename,
    CallKind::CreateRoot,
];

/// The errors besides EIO that a call of this kind may fail with.
const fn besides_eio(kind: CallKind) -> &'static [Errno] {
    use Errno::{Eacces, Ebusy, Edquot, Efbig, Emfile, Enfile, Enospc, Eperm, Erofs};
    match kind {
        CallKind::CreateRoot | CallKind::CreateDir => &[Erofs, Enospc, Edquot, Eacces],
        CallKind::Open | CallKind::Lock => &[Erofs, Emfile, Enfile, Enospc, Edquot, Eacces, Eperm],
        CallKind::Subdir => &[Emfile, Enfile, Eacces],
        CallKind::ReadDir => &[Emfile, Enfile, Eacces],
        CallKind::Rename => &[Erofs, Enospc, Edquot, Eacces, Ebusy],
        CallKind::HardLink => &[Erofs, Enospc, Edquot, Eacces, Eperm],
        CallKind::RemoveFile | CallKind::RemoveDir => &[Erofs, Eacces, Eperm, Ebusy],
        CallKind::Metadata => &[Eacces],
        CallKind::SyncDir => &[Erofs, Enospc, Edquot, Emfile, Enfile],
        CallKind::SyncData | CallKind::SyncAll => &[Erofs, Enospc, Edquot],
        CallKind::Write => &[Erofs, Enospc, Edquot, Efbig],
        CallKind::SetLen => &[Erofs, Enospc, Edquot, Efbig, Eperm],
        CallKind::Allocate => &[Erofs, Enospc, Edquot, Efbig],
        CallKind::Punch => &[Erofs, Enospc, Eperm],
        _ => &[],
    }
}

/// Draws an error for a call of this kind: in half of the cases EIO.
pub(super) fn draw(draw: &mut Draw<'_>, kind: CallKind) -> Errno {
    let others = besides_eio(kind);
    match others.is_empty() || draw.chance(500) {
        true => Errno::Eio,
        false => *draw.pick(others),
    }
}
