//! What a run asks of the image it began on.
//!
//! A run knows the image only by the answers of its calls. The answers that an image gives are
//! brought to three forms: its [`Shape`] (all names, kinds and links, asked once at the start),
//! the length of a file, and the bytes of a piece of a page. Everything else that a call answers is
//! a function of those, of the run's own writes, and of what is the same for all runs.
//!
//! Invariants:
//! - \[I1\] A byte that a read returns was asked for, or the run wrote or cut it itself.
//! - \[I2\] A question may be wider than what the run looked at, never narrower.
//! - \[I3\] Where the above does not hold (faults, damage at rest, limited space, a look at the
//!   crash model from inside), the record is void, and says so.
//!
//! Not here: what is done with questions ([`crate::readtree`]).

use super::config::DiskConfig;
use super::hash;
use super::image::Image;
use super::page::PAGE;
use super::tree::{Ino, Inode, Tree};

/// One question about an image's contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Which bytes there are.
    Piece(Piece),
    /// How long a file is.
    Len(u32),
}

/// A part of one page of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The file, numbered in the order of a walk over all names.
    file: u32,
    page: u32,
    from: u16,
    to: u16,
}

impl Question {
    fn file(&self) -> u32 {
        match self {
            Self::Piece(piece) => piece.file,
            Self::Len(file) => *file,
        }
    }
}

/// All that a run asked.
pub(crate) struct Asks {
    pub questions: Vec<Question>,
    known: Known,
}

/// What a run knows of a file of the image.
struct KnownFile {
    /// Its number in the walk of the image.
    number: u32,
    /// The ranges whose bytes are known or the run's own.
    ranges: Ranges,
    /// Whether its length was asked for, or is the run's own.
    has_len: bool,
}

/// By inode. None: the run made it.
type Known = Vec<Option<KnownFile>>;

impl Asks {
    /// What this run and the next together ask of the image that this one began on. The next began
    /// on what this one left, a disk of this shape, and asked these questions about it.
    pub fn followed_by(mut self, left: &Shape, questions: &[Question]) -> Vec<Question> {
        for question in questions {
            let Some(&ino) = left.files.get(question.file() as usize) else {
                continue;
            };
            let (known, asked) = (&mut self.known, &mut self.questions);
            match question {
                Question::Piece(piece) => {
                    let start = u64::from(piece.page) * PAGE as u64;
                    let bytes = (start + u64::from(piece.from), start + u64::from(piece.to));
                    ask(known, asked, ino, bytes, u64::MAX);
                }
                Question::Len(_) => ask_len(known, asked, ino),
            }
        }
        self.questions
    }
}

/// The names of an image.
pub(crate) struct Shape {
    /// Of names, kinds and links.
    pub hash: u64,
    /// The inode of each file, in the order of the walk.
    files: Vec<Ino>,
}

impl Image {
    /// Looks at all names.
    pub(crate) fn shape(&self) -> Shape {
        let tree = &self.visible;
        let mut files: Vec<Ino> = Vec::with_capacity(tree.inodes.len());
        let mut hash = u64::from(tree.has_root);
        let mut depth_of_dir: Vec<(Ino, u64)> = vec![(Ino::ROOT, 0)];
        tree.walk(&mut |dir, name, ino| {
            let parent = depth_of_dir.iter().find(|(known, _)| *known == dir);
            let parent = parent.map_or(u64::MAX, |&(_, number)| number);
            let number = files.iter().position(|&known| known == ino);
            let number = number.unwrap_or(files.len());
            hash = hash::bytes(hash::word(hash, parent), name.as_bytes());
            hash = hash::word(hash, number as u64);
            if number == files.len() {
                files.push(ino);
                let is_dir = tree.get(ino).is_some_and(Inode::is_dir);
                hash = hash::word(hash, u64::from(is_dir));
                if is_dir {
                    depth_of_dir.push((ino, number as u64 + 1));
                }
            }
        });
        Shape { hash, files }
    }

    /// The answer to a question, as a hash.
    pub(crate) fn answer(&self, shape: &Shape, question: &Question) -> u64 {
        let file = shape.files.get(question.file() as usize);
        let Some(inode) = file.and_then(|&ino| self.visible.get(ino)) else {
            return 0;
        };
        match question {
            Question::Piece(piece) => {
                let (from, to) = (usize::from(piece.from), usize::from(piece.to));
                inode.content.piece_hash(piece.page as usize, from, to)
            }
            Question::Len(_) => inode.len,
        }
    }

    /// Whether what a run on this disk sees is told by shape and contents alone.
    pub(crate) fn is_plain(&self, config: &DiskConfig) -> bool {
        self.damage.is_empty() && config.capacity_bytes.is_none()
    }
}

/// Writes down what a run asks.
pub(super) struct Asked {
    known: Known,
    questions: Vec<Question>,
    is_void: bool,
}

impl Asked {
    pub fn of(tree: &Tree, is_void: bool) -> Self {
        let mut known = Known::new();
        known.resize_with(tree.inodes.len(), || None);
        let mut number = 0;
        tree.walk(&mut |_, _, ino| {
            if let Some(slot @ None) = known.get_mut(ino.index()) {
                *slot = Some(KnownFile {
                    number,
                    ranges: Ranges::default(),
                    has_len: false,
                });
                number += 1;
            }
        });
        Self {
            known,
            questions: Vec::new(),
            is_void,
        }
    }

    /// An answer that the length of a file has a part in: or a change, after which its length
    /// follows from what it was.
    pub fn len(&mut self, ino: Ino) {
        ask_len(&mut self.known, &mut self.questions, ino);
    }

    /// From now on all of a file is the run's own, its length too.
    pub fn own_all(&mut self, ino: Ino) {
        if let Some(Some(file)) = self.known.get_mut(ino.index()) {
            file.has_len = true;
        }
        self.own(ino, 0, u64::MAX);
    }

    /// A read of these bytes of a file that is now `len` long.
    pub fn read(&mut self, ino: Ino, from: u64, to: u64, len: u64) {
        ask(&mut self.known, &mut self.questions, ino, (from, to), len);
    }

    /// From now on these bytes are the run's own.
    pub fn own(&mut self, ino: Ino, from: u64, to: u64) {
        if let Some(Some(file)) = self.known.get_mut(ino.index()) {
            file.ranges.add(from, to);
        }
    }

    /// Something was asked that is not written down here.
    pub fn void(&mut self) {
        self.is_void = true;
    }

    /// What was asked; none if the record is void.
    pub fn take(self) -> Option<Asks> {
        (!self.is_void).then_some(Asks {
            questions: self.questions,
            known: self.known,
        })
    }
}

/// Writes down that the length of a file is asked for, if it is not known.
fn ask_len(known: &mut Known, questions: &mut Vec<Question>, ino: Ino) {
    if let Some(Some(file)) = known.get_mut(ino.index())
        && !file.has_len
    {
        file.has_len = true;
        questions.push(Question::Len(file.number));
    }
}

/// Writes down what of these bytes of a file, which is now `len` long, is not known.
fn ask(known: &mut Known, questions: &mut Vec<Question>, ino: Ino, bytes: (u64, u64), len: u64) {
    let Some(Some(KnownFile { number, ranges, .. })) = known.get_mut(ino.index()) else {
        // The run's own file.
        return;
    };
    let page_bytes = PAGE as u64;
    for (from, to) in ranges.missing(bytes.0, bytes.1) {
        for page in from / page_bytes..to.div_ceil(page_bytes) {
            let start = page * page_bytes;
            let mut from = from.max(start) - start;
            let mut to = to.min(start + page_bytes) - start;
            // All that there is of a page is cheaper to ask for as a page: its hash is kept.
            if from == 0 && start + to >= len {
                to = page_bytes;
            }
            if from == to {
                from = 0;
            }
            questions.push(Question::Piece(Piece {
                file: *number,
                page: page as u32,
                from: from as u16,
                to: to as u16,
            }));
        }
    }
    ranges.add(bytes.0, bytes.1);
}

/// Disjoint ranges in ascending order.
#[derive(Default)]
struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    fn add(&mut self, from: u64, to: u64) {
        if from >= to {
            return;
        }
        let first = self.0.partition_point(|&(_, end)| end < from);
        let last = self.0.partition_point(|&(start, _)| start <= to);
        let touched = self.0.get(first..last).unwrap_or_default();
        let start = touched.first().map_or(from, |range| range.0.min(from));
        let end = touched.last().map_or(to, |range| range.1.max(to));
        self.0.splice(first..last, [(start, end)]);
    }

    /// The parts of a range that are in none of these.
    fn missing(&self, from: u64, to: u64) -> Vec<(u64, u64)> {
        let mut missing = Vec::new();
        let mut at = from;
        for &(start, end) in &self.0 {
            if start >= to {
                break;
            }
            if start > at {
                missing.push((at, start));
            }
            at = at.max(end);
        }
        if at < to {
            missing.push((at, to));
        }
        missing
    }
}

#[cfg(test)]
mod tests;
