//! What recovery uses of what it reads: it tells those who simulate its disk.
//!
//! Most bytes that recovery reads behind the end of a log are as good as any others: they are no
//! frame, and that is all. So it says what it concludes from a file. What a defect *was found to
//! hold* is for people who read an error, and in no conclusion: only where it is.
//!
//! Invariant \[I1\]: what is concluded here is what [`plan`](super::plan) uses, and it uses nothing
//! else of a file that it opened to look at it.

use std::hash::{Hash, Hasher};

use blackstart_vfs::{Bytes, Look};

use super::cut;
use super::gather::is_zero;
use super::heads::{header, last_mark};
use super::scan::{Scan, scan};
use crate::codec::{ByteOffset, Defect};
use crate::commitlog::TxOffset;
use crate::commitlog::error::LogError;
use crate::commitlog::header::{HeaderProblem, SegmentHeader};
use crate::commitlog::source::ReadAt;

/// The kinds of looks, for their names.
#[derive(Clone, Copy, Hash)]
enum Kind {
    Ends,
    Zero,
    Scan,
    Cut,
}

/// Both ends of a segment.
pub(crate) fn at_ends() -> Look {
    look(Kind::Ends, (), |file, len, hasher| {
        let header = header(file)?;
        if let Ok(header) = &header {
            last_mark(file, header, len)?.hash(hasher);
        }
        match header {
            Ok(header) => header.hash(hasher),
            Err(HeaderProblem::UnknownVersion(version)) => (1, version).hash(hasher),
            Err(HeaderProblem::Defect(defect)) => tell_defect(&defect, hasher),
        }
        Ok(())
    })
}

/// Whether a segment is all zeros.
pub(crate) fn for_zeros() -> Look {
    look(Kind::Zero, (), |file, len, hasher| {
        is_zero(file, len)?.hash(hasher);
        Ok(())
    })
}

/// The chain of a segment's frames, and what is behind it.
pub(crate) fn through(header: SegmentHeader) -> Look {
    look(Kind::Scan, header, move |file, len, hasher| {
        tell_scan(&scan(file, len, &header)?, hasher);
        Ok(())
    })
}

/// The place where a fork takes over.
pub(crate) fn for_cut(header: SegmentHeader, end: TxOffset, chain: u32) -> Look {
    look(Kind::Cut, (header, end, chain), move |file, len, hasher| {
        cut::find(file, len, &header, end, chain)?.hash(hasher);
        Ok(())
    })
}

fn look(
    kind: Kind,
    parameters: impl Hash,
    conclude: impl Fn(&Looked<'_>, ByteOffset, &mut Told) -> Result<(), LogError>
    + Send
    + Sync
    + 'static,
) -> Look {
    let mut id = Told::default();
    (kind, parameters).hash(&mut id);
    Look::new(id.finish(), move |bytes| {
        let len = ByteOffset::new(bytes.len());
        let mut hasher = Told::default();
        let concluded = conclude(&Looked(bytes), len, &mut hasher);
        concluded.is_ok().hash(&mut hasher);
        hasher.finish()
    })
}

/// A hash of all that is told. A look is taken at each of very many images, and what it tells is a
/// few numbers.
#[derive(Default)]
struct Told(u64);

impl Hasher for Told {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        let rest = rest.iter().rev();
        let last = rest.fold(0, |word, &byte| word << 8 | u64::from(byte));
        self.write_u64(last);
    }

    /// The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): it is a bijection, so two
    /// words that differ never come to the same.
    fn write_u64(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        self.0 = mixed ^ mixed >> 31;
    }
}

/// A file that is looked at.
struct Looked<'a>(&'a dyn Bytes);

impl ReadAt for Looked<'_> {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> Result<usize, LogError> {
        Ok(self.0.read_at(buffer, at))
    }
}

fn tell_scan(scan: &Scan, hasher: &mut impl Hasher) {
    let Scan {
        end,
        vouched,
        best,
        oldest,
        closed,
        defect,
        tail,
        frames,
        transactions,
    } = scan;
    (end, vouched, best, oldest, closed).hash(hasher);
    (tail, frames, transactions).hash(hasher);
    defect.is_some().hash(hasher);
    if let Some(defect) = defect {
        tell_defect(defect, hasher);
    }
}

fn tell_defect(defect: &Defect, hasher: &mut impl Hasher) {
    let Defect {
        at,
        field,
        expected: _,
        found: _,
    } = defect;
    (at, field).hash(hasher);
}

#[cfg(test)]
mod tests;
