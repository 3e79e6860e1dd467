//! Ids and numbers of the log as types of their own.

use std::fmt;

/// Counts transactions from the start of the log: the first one is 0.
///
/// An offset that was acknowledged durable, or shown by a recovery, is never given to another
/// transaction unless the history was cut by [`truncate_to`](super::Log::truncate_to). In one
/// directory the pair of [`Epoch`] and offset is never given twice; with the [`Incarnation`] that
/// holds for copies of the directory too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxOffset(u64);

impl TxOffset {
    /// The offset of the first transaction of a log.
    pub const ZERO: Self = Self(0);

    /// The offset with `count` transactions before it.
    pub const fn new(count: u64) -> Self {
        Self(count)
    }

    /// How many transactions come before.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The offset `count` transactions later; none if that cannot be counted.
    pub const fn checked_add(self, count: u64) -> Option<Self> {
        match self.0.checked_add(count) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The transactions from `earlier` up to here; 0 if `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for TxOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Which life of the log wrote something. It is raised by every writable opening after an unclean
/// end and by every logical truncation, and is the same for a whole segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u32);

impl Epoch {
    /// The epoch of a new log.
    pub const FIRST: Self = Self(1);

    /// The epoch of this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The epoch after this; none after the last.
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The creation tag of a segment of this epoch, of which the low bytes were drawn.
    pub(crate) const fn tag(self, drawn: [u8; 3]) -> u32 {
        let [epoch, ..] = self.0.to_le_bytes();
        u32::from_le_bytes([drawn[0], drawn[1], drawn[2], epoch])
    }

    /// Whether a segment with this creation tag is of an earlier epoch, of the 128 before.
    pub(crate) const fn is_after_tag(self, tag: u32) -> bool {
        let [.., epoch] = tag.to_le_bytes();
        let [own, ..] = self.0.to_le_bytes();
        epoch.wrapping_sub(own) >= 128
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The identity of a log: 128 random bits, drawn when it was created.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId([u8; 16]);

impl LogId {
    /// The identity with these bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}

/// Which writable opening wrote something: 64 random bits that it drew. Two copies of one log may
/// give the same [`Epoch`] and offset to different transactions; their openings differ in this.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(u64);

impl Incarnation {
    /// The incarnation with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Incarnation({self})")
    }
}
