//! What is done to the database, and in which of SQLite's modes.

use blackstart_sim::Step;
use blackstart_sim::draw::Draw;
use serde::{Deserialize, Serialize};

/// How a transaction becomes durable: `journal_mode` and `synchronous`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A write-ahead log, FULL.
    WalFull,
    /// A write-ahead log, NORMAL: consistent, and not durable before a checkpoint.
    WalNormal,
    /// A rollback journal that is cut to length 0, FULL.
    TruncateFull,
    /// A rollback journal that is removed, EXTRA.
    DeleteExtra,
    /// A rollback journal that is removed, FULL: the removal is not synced.
    DeleteFull,
    /// A rollback journal that is removed, NORMAL.
    DeleteNormal,
    /// A rollback journal that is removed, OFF: nothing is synced.
    DeleteOff,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::WalFull,
        Self::WalNormal,
        Self::TruncateFull,
        Self::DeleteExtra,
        Self::DeleteFull,
        Self::DeleteNormal,
        Self::DeleteOff,
    ];

    /// The scenario's name, `journal_mode` and `synchronous`.
    pub const fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::WalFull => ("sqlite-wal-full", "WAL", "FULL"),
            Self::WalNormal => ("sqlite-wal-normal", "WAL", "NORMAL"),
            Self::TruncateFull => ("sqlite-truncate-full", "TRUNCATE", "FULL"),
            Self::DeleteExtra => ("sqlite-delete-extra", "DELETE", "EXTRA"),
            Self::DeleteFull => ("sqlite-delete-full", "DELETE", "FULL"),
            Self::DeleteNormal => ("sqlite-delete-normal", "DELETE", "NORMAL"),
            Self::DeleteOff => ("sqlite-delete-off", "DELETE", "OFF"),
        }
    }

    /// Whether a commit is held to be durable when it returns.
    pub const fn is_durable(self) -> bool {
        !matches!(self, Self::WalNormal)
    }
}

/// One change of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Insert a value of so many bytes, at least 8, over what is there.
    Put(u16, u32),
    /// Remove a key.
    Remove(u16),
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Op {
    /// One transaction.
    Transaction(Vec<Change>),
    /// Close in order and open again.
    Reopen,
}

/// Draws the operations of one era.
pub fn steps(draw: &mut Draw<'_>) -> Vec<Step<Op>> {
    let count = draw.range(1..=8) as u32;
    let steps = (1..=count).map(|id| {
        let op = match draw.below(8) {
            0 => Op::Reopen,
            _ => Op::Transaction(changes(draw)),
        };
        Step { id, client: 0, op }
    });
    steps.collect()
}

fn changes(draw: &mut Draw<'_>) -> Vec<Change> {
    let count = *draw.pick(&[1, 1, 2, 3, 6]);
    let changes = (0..count).map(|_| {
        let key = draw.below(24) as u16;
        match draw.below(8) {
            0 | 1 => Change::Remove(key),
            2 => Change::Put(key, draw.range(500..=20_000) as u32),
            _ => Change::Put(key, draw.range(8..=200) as u32),
        }
    });
    changes.collect()
}

/// After a crash: it takes a transaction.
pub fn verification() -> Vec<Step<Op>> {
    let op = Op::Transaction(vec![Change::Put(1, 40)]);
    vec![Step {
        id: 1,
        client: 0,
        op,
    }]
}

impl Op {
    /// Simpler forms, simplest first.
    pub fn simpler(&self) -> Vec<Self> {
        let Self::Transaction(changes) = self else {
            return Vec::new();
        };
        let mut simpler = Vec::new();
        for (at, change) in changes.iter().enumerate() {
            if changes.len() > 1 {
                let mut fewer = changes.clone();
                fewer.remove(at);
                simpler.push(Self::Transaction(fewer));
            }
            if let Change::Put(key, bytes) = *change
                && bytes > 8
            {
                let mut smaller = changes.clone();
                smaller[at] = Change::Put(key, 8);
                simpler.push(Self::Transaction(smaller));
            }
        }
        simpler
    }
}
