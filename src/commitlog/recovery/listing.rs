//! The directory as recovery sees it: names, the superblock, and the header of each segment.

use crate::codec::{ByteOffset, Defect};
use crate::commitlog::error::{Evidence, LogError};
use crate::commitlog::header::{
    FORMAT_VERSION, HeaderProblem, SEGMENT_HEADER_BYTES, SegmentHeader,
};
use crate::commitlog::names::{self, FileName};
use crate::commitlog::options::Features;
use crate::commitlog::report::{FileNote, FileReason};
use crate::commitlog::source::{LogSource, ReadAt, SourceFile, copy_from};
use crate::commitlog::superblock::{SUPERBLOCK_BYTES, Superblock};
use crate::commitlog::{LogId, TxOffset};

/// Files up to this length are read at once: one call instead of many.
const SMALL_BYTES_MAX: u64 = 64 << 10;

/// The names of a log's directory, by what they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listing {
    /// In order.
    pub segments: Vec<TxOffset>,
    pub temps: Vec<String>,
    pub unknown: Vec<String>,
    pub has_lock: bool,
}

impl Listing {
    /// The directory's names.
    ///
    /// # Errors
    /// A name that only a log's file has, and that stands for something else.
    pub fn read(source: &dyn LogSource) -> Result<Self, LogError> {
        let mut listing = Self::default();
        let mut no_file = None;
        for entry in source.names()? {
            let name = entry.name;
            match FileName::parse(&name) {
                FileName::Segment(_) | FileName::Lock if !entry.is_file => no_file = Some(name),
                FileName::Segment(first) => listing.segments.push(first),
                FileName::Temp => listing.temps.push(name),
                FileName::Lock => listing.has_lock = true,
                FileName::Other => listing.unknown.push(name),
            }
        }
        if let Some(name) = no_file {
            let (expected, found) = ("a regular file", "a link, a directory or a device");
            let defect = Defect::new(ByteOffset::new(0), "kind of the file", expected, found);
            return Err(LogError::Corrupt {
                corrupt: defect.in_file(source.shown(&name)),
                evidence: Evidence::Name,
            });
        }
        listing.segments.sort_unstable();
        listing.temps.sort_unstable();
        listing.unknown.sort_unstable();
        Ok(listing)
    }

    /// The files that are no part of the log, whatever its segments say.
    pub fn notes(&self) -> Vec<FileNote> {
        let note = |file, reason| FileNote {
            file,
            reason,
            removed: false,
        };
        let temps = self.temps.iter().cloned();
        let temps = temps.map(|file| note(file, FileReason::Unfinished));
        let unknown = self.unknown.iter().cloned();
        temps
            .chain(unknown.map(|file| note(file, FileReason::Unknown)))
            .collect()
    }
}

/// What the superblock's file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// There is no such file, or it is empty: no log was ever completed here, or it was lost.
    Nothing,
    /// There is one, and no slot of it is valid.
    Damaged,
    /// The newest valid slot.
    Superblock(Superblock),
    /// The newest valid slot, and a later one was lost.
    Older(Superblock),
}

impl Known {
    pub fn read(source: &dyn LogSource, listing: &Listing) -> Result<Self, LogError> {
        if !listing.has_lock {
            return Ok(Self::Nothing);
        }
        let mut bytes = vec![0; SUPERBLOCK_BYTES];
        let read = source.open(names::LOCK)?.read_full_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(match Superblock::decode(&bytes) {
            Ok(superblock) if superblock.is_later_lost(&bytes) => Self::Older(superblock),
            Ok(superblock) => Self::Superblock(superblock),
            Err(_) if bytes.is_empty() => Self::Nothing,
            Err(defect) if is_moved_segment(&bytes, listing) => {
                // Perhaps the only copy of it: it is not written over.
                return Err(LogError::Corrupt {
                    corrupt: defect.in_file(source.shown(names::LOCK)),
                    evidence: Evidence::Name,
                });
            }
            Err(_) => Self::Damaged,
        })
    }

    /// Whether the superblock, or its last state, was lost.
    pub fn is_lost(&self) -> bool {
        !matches!(self, Self::Superblock(_))
    }

    /// The superblock, if there is a valid one.
    pub fn superblock(&self) -> Option<&Superblock> {
        match self {
            Self::Superblock(superblock) | Self::Older(superblock) => Some(superblock),
            Self::Nothing | Self::Damaged => None,
        }
    }
}

/// Whether the file of the superblock is a segment that lost its own name. Where the first
/// superblock of a log was torn, its blocks may still hold what a temporary file of the first
/// segment held before: then that segment has its name.
fn is_moved_segment(bytes: &[u8], listing: &Listing) -> bool {
    let header = SegmentHeader::decode(bytes);
    header.is_ok_and(|header| listing.segments.binary_search(&header.first).is_err())
}

/// A segment by its header and its length.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub first: TxOffset,
    pub len: ByteOffset,
    pub header: Result<SegmentHeader, HeaderProblem>,
}

impl Head {
    pub fn read(source: &dyn LogSource, first: TxOffset) -> Result<(Self, HeadFile), LogError> {
        let (file, len) = HeadFile::open(source, &names::segment(first))?;
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let read = file.read_full_at(&mut bytes, 0)?;
        let header = SegmentHeader::decode(bytes.get(..read).unwrap_or_default());
        Ok((Self { first, len, header }, file))
    }

    /// Its file name.
    pub fn name(&self) -> String {
        names::segment(self.first)
    }

    /// The header of a segment that must have one.
    pub fn usable(
        &self,
        source: &dyn LogSource,
        log_id: Option<LogId>,
        known: Features,
    ) -> Result<SegmentHeader, LogError> {
        let file = || source.shown(&self.name());
        let corrupt = |defect: Defect| LogError::Corrupt {
            corrupt: defect.in_file(file()),
            evidence: Evidence::Name,
        };
        let header = match self.header {
            Ok(header) => header,
            Err(HeaderProblem::Defect(defect)) => return Err(corrupt(defect)),
            Err(HeaderProblem::UnknownVersion(found)) => {
                return Err(LogError::UnsupportedVersion {
                    file: file(),
                    found,
                    supported: FORMAT_VERSION,
                });
            }
        };
        let bits = header.features.incompat & !known.incompat;
        if bits != 0 {
            return Err(LogError::UnsupportedFeature { file: file(), bits });
        }
        if let Some(expected) = log_id.filter(|log_id| *log_id != header.log_id) {
            return Err(LogError::Foreign {
                file: file(),
                expected,
                found: header.log_id,
            });
        }
        if header.first != self.first {
            let [expected, found] = [self.first, header.first].map(TxOffset::get);
            let at = ByteOffset::new(48);
            return Err(corrupt(Defect::new(at, "first tx offset", expected, found)));
        }
        Ok(header)
    }
}

/// For each segment, whether a fork made it superfluous: a segment before it has a later epoch, and
/// epochs never go down in a history.
pub(crate) fn superseded(heads: &[Head]) -> Vec<bool> {
    let mut highest = 0;
    let is_gone = heads.iter().map(|head| {
        let Ok(header) = &head.header else {
            return false;
        };
        let epoch = header.epoch.get();
        let is_gone = epoch < highest;
        highest = highest.max(epoch);
        is_gone
    });
    is_gone.collect()
}

/// A segment's file, with its bytes if it is small enough to be read once.
pub(crate) struct HeadFile {
    file: Box<dyn SourceFile>,
    bytes: Option<Vec<u8>>,
}

impl HeadFile {
    /// Opens a segment; its length as it is now.
    pub fn open(source: &dyn LogSource, name: &str) -> Result<(Self, ByteOffset), LogError> {
        let file = source.open(name)?;
        let len = file.len()?;
        if len > SMALL_BYTES_MAX {
            return Ok((Self { file, bytes: None }, ByteOffset::new(len)));
        }
        let mut bytes = vec![0; len as usize];
        let read = file.read_full_at(&mut bytes, 0)?;
        bytes.truncate(read);
        let bytes = Some(bytes);
        Ok((Self { file, bytes }, ByteOffset::new(read as u64)))
    }
}

impl ReadAt for HeadFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError> {
        match &self.bytes {
            Some(bytes) => Ok(copy_from(bytes, at, buffer)),
            None => self.file.read_at(buffer, at),
        }
    }
}
