//! What happens in a run, as the model sees it: plain numbers.

use std::ops::Range;

use blackstart_sim::Promise;

use super::op::Level;

/// One transaction that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its offset.
    pub offset: u64,
    /// The epoch it was written in.
    pub epoch: u32,
    /// Its token; none if its bytes are not those of any record.
    pub token: Option<u64>,
}

/// Everything that an opening showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The oldest offset that is kept, as the log says.
    pub oldest: u64,
    /// The next offset, as the log says.
    pub next: u64,
    /// The epoch in which the log writes now.
    pub epoch: u32,
    /// The opening, as it calls itself.
    pub incarnation: u64,
    /// Whether the opening has written a superblock.
    pub is_on_record: bool,
    /// All transactions, read back.
    pub found: Vec<Found>,
    /// It was closed in order before.
    pub closed: bool,
    /// Bytes were dropped and reported, and damaged ones were among them.
    pub reports_damage: bool,
    /// Whether the report says that the superblock lost its last state, to damage that was read.
    pub reports_lost_record: bool,
    /// Whether an archive hook sees every segment before it is retired.
    pub is_archived: bool,
    /// The log was told that everything below this was durable.
    pub known: Option<u64>,
    /// What is promised, given the faults so far.
    pub promise: Promise,
}

/// Everything that a salvaged log showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// The oldest offset that is kept, as the log says.
    pub oldest: u64,
    /// The next offset, as the log says.
    pub next: u64,
    /// All transactions, read back.
    pub found: Vec<Found>,
    /// Ranges that readers are told are lost.
    pub lost: Vec<Range<u64>>,
    /// The epoch in which it writes.
    pub epoch: u32,
    /// What the damaged segments held, and how many commits of each may be lost.
    pub damaged: Vec<(Range<u64>, u64)>,
    /// Whether the damaged log's superblock is whole.
    pub has_record: bool,
    /// What is promised, given the faults so far.
    pub promise: Promise,
}

/// A segment in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Archived {
    /// The offset after its last transaction.
    pub end: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// A hash of them.
    pub hash: u64,
}

/// What the owner of a commit is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Its first transaction will have this offset.
    Placed(u64),
    /// It has reached its level.
    Applied {
        /// The offset of its first transaction.
        first: u64,
        /// The epoch.
        epoch: u32,
        /// The level.
        level: Level,
    },
    /// It has failed, having been placed there.
    Failed(u64),
    /// Nothing: it has refused its commit.
    Refused,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A client hands in a commit of these tokens.
    Submitted {
        /// The tokens of its records, in order.
        tokens: Range<u64>,
    },
    /// The commit was acknowledged.
    Acked {
        /// Its tokens.
        tokens: Range<u64>,
        /// The offset of its first transaction.
        first: u64,
        /// The epoch that the acknowledgement names.
        epoch: u32,
        /// How durable it was promised to be.
        level: Level,
    },
    /// The commit was refused, and will never be in the log.
    Refused {
        /// Its tokens.
        tokens: Range<u64>,
    },
    /// The commit failed with an error that leaves its fate open.
    Failed {
        /// Its tokens.
        tokens: Range<u64>,
    },
    /// Everything acknowledged before this offset is now at least this durable.
    Through {
        /// The offset.
        offset: u64,
        /// How durable.
        level: Level,
    },
    /// Retirement up to this offset begins; it may take effect from now on.
    RetainBegan {
        /// No transaction from here on may go.
        offset: u64,
    },
    /// Retirement has returned.
    Retained {
        /// The oldest offset that is kept.
        oldest: u64,
    },
    /// The archive has a segment.
    Archived {
        /// The offset of its first transaction.
        first: u64,
        /// What it is.
        archived: Archived,
    },
    /// The archive hook refused the segment that begins there.
    ArchiveRefused {
        /// The offset of its first transaction.
        first: u64,
    },
    /// The history is being cut at this offset.
    TruncateBegan {
        /// The first transaction that goes.
        offset: u64,
        /// The epoch of the history that is cut; what follows it has a later one.
        epoch: u32,
    },
    /// The cut has returned.
    Truncated {
        /// The first transaction that is gone.
        offset: u64,
    },
    /// The cut was refused: nothing happened.
    TruncateRefused,
    /// An opening begins; it may change the log before it is known how.
    OpenBegan {
        /// Whether a whole sector is damaged, and perhaps several frames with it.
        is_wide: bool,
        /// Names that others have altered or taken.
        altered: Vec<String>,
        /// Whether others have put another directory in the place of the log's.
        is_renewed: bool,
    },
    /// A salvage has written a new log, and everything in it was read.
    Salvaged(Salvaged),
    /// An opening failed, and may have dropped damaged bytes before.
    Dropped,
    /// The log was opened and everything read.
    Opened(Opened),
    /// A failed sync took what was not synced out of the page cache: a kill may lose it too.
    CacheLost,
    /// The log was closed in order.
    Closed {
        /// Whether that is on record beside the segments.
        on_record: bool,
        /// Whether this opening has marked it: a mark that was found may have been left by a
        /// process that ended before it was durable.
        is_marked: bool,
    },
    /// The log was left without closing, as by the end of the process.
    Abandoned,
    /// The owner of a commit is told something.
    Owner {
        /// The commit's tokens.
        tokens: Range<u64>,
        /// What it is told.
        told: Told,
    },
    /// History from an offset on is pinned.
    Pinned {
        /// The offset.
        from: u64,
    },
    /// A pin is dropped.
    Unpinned {
        /// Where it was.
        from: u64,
    },
    /// A reader that was kept read these, and had not looked at the log as it is now.
    Glimpsed {
        /// What it read.
        found: Vec<Found>,
    },
    /// A reader read these.
    Read {
        /// What it read.
        found: Vec<Found>,
        /// Where it began.
        from: u64,
        /// It must show everything below this.
        acked_through: u64,
        /// It was to show only what is durable.
        is_synced: bool,
        /// What is promised, given the faults so far.
        promise: Promise,
    },
}
