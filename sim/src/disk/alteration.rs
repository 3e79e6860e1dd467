//! What may have been done to a file's name, length or kind while no program ran.
//!
//! Backup tools, cleaners, checks of the file system and people do such things: they empty a file,
//! cut it, copy it beside itself, put an old state of it back. Nothing tells a program so but what
//! it finds.
//!
//! Not here: how it is done to an image ([`super::alter`]), and who notices
//! ([`super::altered`]).

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that was done to a file between two eras.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Alteration {
    /// Its length is 0.
    Empty,
    /// It has its length, and all its bytes are zeros.
    Zero,
    /// It ends at so many thousandths of its length.
    CutShort {
        /// Where, in thousandths of the file's length.
        per_mille: u32,
    },
    /// It ends at this byte, if it is longer.
    CutAt(u64),
    /// Its name is gone.
    Remove,
    /// There is a copy of it under this name.
    Copy(NewName),
    /// It has this name instead of its own.
    Rename(NewName),
    /// It has its durable contents of before this many of the latest syncs that changed it; of
    /// before the first sync that is remembered, if there are fewer.
    Older(u32),
    /// It has this name, and a symbolic link to it stands under its own.
    Link(NewName),
    /// It is gone, and an empty directory has its name.
    Dir,
}

/// A name made of a file's own. A file that has it already is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NewName {
    /// The name with this behind it, such as `~` or `.bak`.
    Suffix(String),
    /// The name with its last number greater, or less, by this, in as many digits. A name without
    /// a number has no neighbour.
    Neighbour(i64),
    /// This one.
    Exact(String),
}

impl NewName {
    /// The name that is made of `name`; none if there is no such name, or it is the same.
    pub(super) fn of(&self, name: &str) -> Option<String> {
        let made = match self {
            Self::Suffix(suffix) => format!("{name}{suffix}"),
            Self::Neighbour(by) => neighbour(name, *by)?,
            Self::Exact(exact) => exact.clone(),
        };
        let is_name = !made.is_empty() && !made.contains('/') && made != "." && made != "..";
        (is_name && made != name).then_some(made)
    }
}

/// The name with its last number changed.
fn neighbour(name: &str, by: i64) -> Option<String> {
    let end = name.rfind(|sign: char| sign.is_ascii_digit())? + 1;
    let signs = name.get(..end)?.char_indices().rev();
    let (start, _) = signs.take_while(|(_, sign)| sign.is_ascii_digit()).last()?;
    let (head, tail) = (name.get(..start)?, name.get(end..)?);
    let number: u64 = name.get(start..end)?.parse().ok()?;
    let number = number.checked_add_signed(by)?;
    let width = end - start;
    Some(format!("{head}{number:0width$}{tail}"))
}

impl Alteration {
    /// The name in reports.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Empty => "file emptied",
            Self::Zero => "file zeroed",
            Self::CutShort { .. } | Self::CutAt(_) => "file cut short",
            Self::Remove => "file removed",
            Self::Copy(_) => "file copied beside itself",
            Self::Rename(_) => "file renamed",
            Self::Older(_) => "older state of a file",
            Self::Link(_) => "symbolic link in place of a file",
            Self::Dir => "directory in place of a file",
        }
    }

    /// Whether it needs a file that holds bytes.
    pub(super) const fn needs_bytes(&self) -> bool {
        matches!(
            self,
            Self::Empty | Self::Zero | Self::CutShort { .. } | Self::CutAt(_)
        )
    }

    /// Plainer alterations that may show the same, the plainest first.
    pub(crate) fn simpler(&self) -> Vec<Self> {
        match self {
            Self::CutShort { per_mille } if *per_mille > 0 => vec![
                Self::Empty,
                Self::CutShort { per_mille: 0 },
                Self::CutShort {
                    per_mille: per_mille / 2,
                },
            ],
            Self::CutAt(at) if *at > 0 => {
                vec![Self::Empty, Self::CutAt(0), Self::CutAt(at / 2)]
            }
            Self::Older(back) if *back > 1 => vec![Self::Older(1), Self::Older(back / 2)],
            Self::Copy(name) => name.simpler().into_iter().map(Self::Copy).collect(),
            Self::Rename(name) => {
                let renamed = name.simpler().into_iter().map(Self::Rename);
                std::iter::once(Self::Remove).chain(renamed).collect()
            }
            Self::Link(name) => name.simpler().into_iter().map(Self::Link).collect(),
            _ => Vec::new(),
        }
    }
}

impl NewName {
    /// The least surprising suffix, the nearest neighbour.
    fn simpler(&self) -> Vec<Self> {
        match self {
            Self::Suffix(suffix) if suffix != "~" => vec![Self::Suffix("~".to_owned())],
            Self::Neighbour(by) if by.unsigned_abs() > 1 => {
                vec![Self::Neighbour(by.signum()), Self::Neighbour(by / 2)]
            }
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for NewName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suffix(suffix) => write!(f, "its name with {suffix:?}"),
            Self::Neighbour(by) => write!(f, "its name with the number {by:+}"),
            Self::Exact(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests;
