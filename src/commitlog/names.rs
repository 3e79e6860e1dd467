//! The names of a log's files.
//!
//! | name | what |
//! |---|---|
//! | `{first tx offset, 20 digits}.log` | a segment |
//! | `{…}.idx` | the offset index of that segment: a cache |
//! | `{…}.tmp` | a segment that is being made; removed by the next opening |
//! | `{…}.spare` | a retired segment kept for reuse; it has no header |
//! | `{…}.damaged`, `{…}.damaged.{n}` | what a segment was before a salvage |
//! | `lock` | the directory lock |

use super::TxOffset;

/// The name of the directory lock.
pub(crate) const LOCK: &str = "lock";

/// How many digits of the first tx offset a name has.
const DIGITS: usize = 20;

/// What a file in a log's directory is, told by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileName {
    Segment(TxOffset),
    Index(TxOffset),
    Temp(TxOffset),
    Spare(TxOffset),
    Damaged(TxOffset),
    /// The lock, or no file of a log.
    Other,
}

impl FileName {
    /// Tells a file by its name. Only the exact spelling counts: 20 digits and a known ending.
    pub fn parse(name: &str) -> Self {
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
            ".idx" => Self::Index(first),
            ".tmp" => Self::Temp(first),
            ".spare" => Self::Spare(first),
            _ if ending.starts_with(".damaged") => Self::Damaged(first),
            _ => Self::Other,
        }
    }
}

pub(crate) fn segment(first: TxOffset) -> String {
    name(first, ".log")
}

pub(crate) fn index(first: TxOffset) -> String {
    name(first, ".idx")
}

pub(crate) fn temp(first: TxOffset) -> String {
    name(first, ".tmp")
}

pub(crate) fn spare(first: TxOffset) -> String {
    name(first, ".spare")
}

fn name(first: TxOffset, ending: &str) -> String {
    format!("{:0DIGITS$}{ending}", first.get())
}

/// The `attempt`-th name for what a segment was before a salvage, counted from 0.
pub(crate) fn damaged(first: TxOffset, attempt: u32) -> String {
    match attempt {
        0 => name(first, ".damaged"),
        _ => name(first, &format!(".damaged.{attempt}")),
    }
}

#[cfg(test)]
mod tests;
