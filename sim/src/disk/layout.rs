//! What is pending at one cut, by file: the part of it that all choices have in common.

use super::crash::CrashModel;
use super::pending::What;
use super::resolve::{Kept, Resolution, is_cut, units};
use super::runs::Runs;
use super::tree::{Ino, Inode};

/// The pending effects of one cut.
pub(super) struct Layout {
    /// Of each pending effect.
    pub effects: Vec<Laid>,
    /// The files that have pending contents, in the order of their first effect.
    pub files: Vec<Changed>,
}

/// One pending effect.
pub(super) struct Laid {
    /// Its file's place among [`Layout::files`]; none for a change of names.
    pub file: Option<usize>,
    /// Its first tear unit, and how many it has.
    pub units: (u64, usize),
    pub is_cut: bool,
    pub is_data: bool,
    /// From which of its units on, if lost, a longer file or a filled hole may show what blocks
    /// held before.
    pub stale_from: usize,
}

/// A file with pending contents.
pub(super) struct Changed {
    pub ino: Ino,
    /// Its durable length.
    pub len: u64,
    /// Places of its effects among the pending ones, in order.
    pub ops: Vec<usize>,
    /// Whether writes are known to touch the same units.
    pub has_overwrites: bool,
}

impl Layout {
    pub fn of(model: &CrashModel) -> Self {
        let mut files: Vec<Changed> = Vec::new();
        let mut lay = |(at, what): (usize, &What)| {
            let file = what.content_of().map(|ino| {
                let known = files.iter().position(|known| known.ino == ino);
                let file = known.unwrap_or(files.len());
                if file == files.len() {
                    files.push(Changed {
                        ino,
                        len: model.durable.get(ino).map_or(0, |inode| inode.len),
                        ops: Vec::new(),
                        has_overwrites: false,
                    });
                }
                files[file].ops.push(at);
                file
            });
            let units = units(what, model.config.tear_bytes);
            Laid {
                file,
                stale_from: stale_from(model, what, units),
                units,
                is_cut: is_cut(what),
                is_data: matches!(what, What::Data { .. }),
            }
        };
        let whats = model.pending.iter().map(|pending| &pending.what);
        let effects = whats.enumerate().map(&mut lay).collect();
        Self { effects, files }
    }

    /// Finds out of which files pending writes touch the same units.
    pub fn find_overwrites(&mut self) {
        for changed in &mut self.files {
            let mut seen: Runs<()> = Runs::default();
            let laid = changed.ops.iter().filter_map(|&at| self.effects.get(at));
            for laid in laid.filter(|laid| laid.is_data) {
                let (first, end) = (laid.units.0, laid.units.0 + laid.units.1 as u64);
                changed.has_overwrites |= seen.within(first, end).next().is_some();
                seen.put(first, end, ());
            }
        }
    }

    /// Whether some choice may show what blocks held before.
    pub fn shows_stale(&self) -> bool {
        let mut effects = self.effects.iter();
        effects.any(|laid| laid.is_data && laid.stale_from < laid.units.1)
    }
}

fn stale_from(model: &CrashModel, what: &What, (first, count): (u64, usize)) -> usize {
    let What::Data { ino, offset, bytes } = what else {
        return count;
    };
    if !model.config.profile.exposes_stale() {
        return count;
    }
    let durable = model.durable.get(*ino);
    let is_hole = |inode: &Inode| inode.content.pages_needed(*offset, bytes.len() as u64) > 0;
    match durable {
        Some(inode) if !is_hole(inode) => {
            let unit = inode.len / model.config.tear_bytes;
            (unit.saturating_sub(first) as usize).min(count)
        }
        _ => 0,
    }
}

impl Changed {
    /// Whether anything of its effects is kept.
    pub fn is_kept_in(&self, resolution: &Resolution) -> bool {
        let mut kept = self.ops.iter().filter_map(|&at| resolution.kept.get(at));
        kept.any(|kept| *kept != Kept::No)
    }
}
