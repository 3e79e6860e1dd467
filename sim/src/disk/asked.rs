//! What a run asks of the image it began on.
//!
//! A run knows the image only by the answers of its calls. The answers that an image gives are
//! brought to three forms: its [`Shape`] (all names, kinds and links, asked once at the start),
//! the length of a file, and the bytes of a piece of a page; or, where a program says what it uses
//! of a file, the conclusion of a [`Look`]. Everything else that a call answers is a function of
//! those, of the run's own writes, and of what is the same for all runs.
//!
//! Invariants:
//! - \[I1\] A byte that a read returns was asked for, or the run wrote or cut it itself, or it was
//!   read to be looked at: then all that the program uses of it was asked for.
//! - \[I2\] A question may be wider than what the run looked at, never narrower.
//! - \[I3\] Where the above does not hold (faults, damage at rest, limited space, a look at the
//!   crash model from inside), the record is void, and says so.
//!
//! Not here: what is done with questions ([`crate::readtree`]).

use blackstart_vfs::{Bytes, Look};

use super::config::DiskConfig;
use super::hash;
use super::image::Image;
use super::page::PAGE;
use super::tree::{Ino, Inode, Tree};

/// One question about an image's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Which bytes there are.
    Piece(Piece),
    /// How long a file is.
    Len(u32),
    /// What a look at a file, numbered as in [`Piece`], concludes.
    Look(u32, Look),
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
            Self::Len(file) | Self::Look(file, _) => *file,
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
    /// Whether the run has changed it.
    is_changed: bool,
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
            let Some(&(ino, len)) = left.files.get(question.file() as usize) else {
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
                Question::Look(_, look) => conclude(known, asked, ino, len, look.clone()),
            }
        }
        self.questions
    }
}

/// The names of an image.
pub(crate) struct Shape {
    /// Of names, kinds and links.
    pub hash: u64,
    /// The inode of each file and its length, in the order of the walk.
    files: Vec<(Ino, u64)>,
}

impl Image {
    /// Looks at all names.
    pub(crate) fn shape(&self) -> Shape {
        let tree = &self.visible;
        let mut files: Vec<(Ino, u64)> = Vec::with_capacity(tree.inodes.len());
        let mut hash = u64::from(tree.has_root);
        let mut depth_of_dir: Vec<(Ino, u64)> = vec![(Ino::ROOT, 0)];
        tree.walk(&mut |dir, name, ino| {
            let parent = depth_of_dir.iter().find(|(known, _)| *known == dir);
            let parent = parent.map_or(u64::MAX, |&(_, number)| number);
            let number = files.iter().position(|&(known, _)| known == ino);
            let number = number.unwrap_or(files.len());
            hash = hash::bytes(hash::word(hash, parent), name.as_bytes());
            hash = hash::word(hash, number as u64);
            if number == files.len() {
                let inode = tree.get(ino);
                let len = inode.map_or(0, |inode| inode.len);
                files.push((ino, len));
                let is_dir = inode.is_some_and(|inode| inode.is_dir());
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
        let Some(inode) = file.and_then(|&(ino, _)| self.visible.get(ino)) else {
            return 0;
        };
        match question {
            Question::Piece(piece) => {
                let (from, to) = (usize::from(piece.from), usize::from(piece.to));
                inode.content.piece_hash(piece.page as usize, from, to)
            }
            Question::Len(_) => inode.len,
            Question::Look(_, look) => look.conclude(inode),
        }
    }

    /// A hash of the file that a question takes a look at: equal files, equal conclusions. None for
    /// other questions, of which the answers are at hand.
    pub(crate) fn looked_at(&self, shape: &Shape, question: &Question) -> Option<u64> {
        let Question::Look(file, _) = question else {
            return None;
        };
        let &(ino, len) = shape.files.get(*file as usize)?;
        let inode = self.visible.get(ino)?;
        Some(hash::word(inode.content.hash(), len))
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
                    is_changed: false,
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

    /// A read of bytes of a file, of which the program will tell what it uses. Of a file that it
    /// has changed it can't: what it told before was told of other bytes.
    pub fn look(&mut self, ino: Ino, from: u64, to: u64, len: u64) {
        let file = self.known.get(ino.index());
        if file.is_some_and(|file| file.as_ref().is_some_and(|file| file.is_changed)) {
            self.read(ino, from, to, len);
        }
    }

    /// What the program uses of a file that is now `len` long.
    pub fn concludes(&mut self, ino: Ino, len: u64, look: Look) {
        conclude(&mut self.known, &mut self.questions, ino, len, look);
    }

    /// A file is not what it was: it has grown, and shows no bytes that are new.
    pub fn changed(&mut self, ino: Ino) {
        if let Some(Some(file)) = self.known.get_mut(ino.index()) {
            file.is_changed = true;
        }
    }

    /// From now on these bytes are the run's own.
    pub fn own(&mut self, ino: Ino, from: u64, to: u64) {
        if let Some(Some(file)) = self.known.get_mut(ino.index()) {
            file.is_changed = true;
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

/// Writes down what a look at a file, which is now `len` long, concludes. If the run has changed
/// the file, the conclusion is about other bytes than the image's; then all of them count.
fn conclude(known: &mut Known, questions: &mut Vec<Question>, ino: Ino, len: u64, look: Look) {
    let Some(Some(file)) = known.get(ino.index()) else {
        return;
    };
    if file.is_changed {
        ask(known, questions, ino, (0, len), len);
        return;
    }
    let question = Question::Look(file.number, look);
    if !questions.contains(&question) {
        questions.push(question);
    }
}

impl Bytes for Inode {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> usize {
        let count = buffer.len().min(self.len.saturating_sub(offset) as usize);
        match buffer.get_mut(..count) {
            Some(buffer) => self.content.read(offset, buffer),
            None => return 0,
        }
        count
    }
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
