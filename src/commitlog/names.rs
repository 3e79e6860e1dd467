//! The names of a log's files.
//!
//! | name | what |
//! |---|---|
//! | `{first tx offset, 20 digits}.log` | a segment |
//! | `{…}.tmp`, `{…}.tmp.{n}` | a segment that is being made; removed by the next opening |
//! | `lock` | the superblock; see `superblock` |
//! | `lock.tmp`, `lock.tmp.{n}` | a superblock that is being made, likewise |
//!
//! The lock itself lies on the directory, not on this file.

use super::TxOffset;

/// The name of the superblock's file.
pub(crate) const LOCK: &str = "lock";

/// How many digits of the first tx offset a name has.
const DIGITS: usize = 20;

/// What a file in a log's directory is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileName {
    Segment(TxOffset),
    Temp,
    Lock,
    /// No file of a log.
    Other,
}

impl FileName {
    /// Classifies a name. Only the exact spelling counts: 20 digits and a known ending.
    pub fn parse(name: &str) -> Self {
        if name == LOCK {
            return Self::Lock;
        }
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        // The next opening removes it: it has to be ours.
        let is_temp =
            |ending: &str| ending == ".tmp" || ending.strip_prefix(".tmp.").is_some_and(is_number);
        if name.strip_prefix(LOCK).is_some_and(is_temp) {
            return Self::Temp;
        }
        let Some((digits, ending)) = name.split_at_checked(DIGITS) else {
            return Self::Other;
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::Other;
        }
        let Ok(first) = digits.parse().map(TxOffset::new) else {
            return Self::Other;
        };
        match ending {
            ".log" => Self::Segment(first),
            _ if is_temp(ending) => Self::Temp,
            _ => Self::Other,
        }
    }
}

pub(crate) fn segment(first: TxOffset) -> String {
    format!("{:020}.log", first.get())
}

/// The `attempt`-th name for a segment that is being made, from 0.
pub(crate) fn temp(first: TxOffset, attempt: u32) -> String {
    match attempt {
        0 => format!("{:020}.tmp", first.get()),
        _ => format!("{:020}.tmp.{attempt}", first.get()),
    }
}

/// The `attempt`-th name for a superblock that is being made, from 0.
pub(crate) fn lock_temp(attempt: u32) -> String {
    match attempt {
        0 => format!("{LOCK}.tmp"),
        _ => format!("{LOCK}.tmp.{attempt}"),
    }
}

#[cfg(test)]
mod tests;
