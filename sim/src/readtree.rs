//! What runs on images have asked and what they came to: a new image that gives the same answers
//! need not be run.
//!
//! A run is a function of its image's answers, and of what is equal for all runs of one tree: the
//! steps, the era's number, and what of the model they read. So the runs form a tree: each inner
//! node is the next question, each edge an answer, each leaf what a run with these answers did.
//! An image is walked down by answering the questions from it, without a scheduler and without
//! the program.
//!
//! Invariants:
//! - \[I1\] Two images on one path ask and answer alike from the first call to the last.
//! - \[I2\] A run that contradicts \[I1\] is never put in: it is a [`Contradiction`], a defect of
//!   the simulator or a program that knows its image by other ways than the seam.
//!
//! Not here: what may be asked ([`crate::disk`]), who judges ([`crate::explorer`]).

use std::collections::BTreeMap;

use crate::disk::{Image, Question, Shape};

#[cfg(test)]
mod tests;

/// A run asked something else than an earlier one that had got the same answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contradiction;

/// The runs of one kind, by what they saw.
pub(crate) struct ReadTree<L> {
    roots: BTreeMap<u64, usize>,
    nodes: Vec<Node>,
    leaves: Vec<L>,
    /// All answers count as the same: a planted defect.
    is_deaf: bool,
}

enum Node {
    Ask {
        question: Question,
        /// By answer, ascending.
        next: Vec<(u64, usize)>,
    },
    Leaf(usize),
}

impl<L> ReadTree<L> {
    /// A tree without runs. One that is deaf takes all answers for the same, and is wrong.
    pub fn new(is_deaf: bool) -> Self {
        Self {
            roots: BTreeMap::new(),
            nodes: Vec::new(),
            leaves: Vec::new(),
            is_deaf,
        }
    }

    /// The leaf that an image leads to, if a run has been there.
    pub fn find(&self, image: &Image, shape: &Shape) -> Option<usize> {
        let mut at = *self.roots.get(&shape.hash)?;
        loop {
            match self.nodes.get(at)? {
                Node::Leaf(leaf) => return Some(*leaf),
                Node::Ask { question, next } => {
                    let answer = self.heard(image.answer(shape, question));
                    let found = next.binary_search_by_key(&answer, |&(answer, _)| answer);
                    at = next.get(found.ok()?)?.1;
                }
            }
        }
    }

    /// What stands at a leaf.
    pub fn leaf(&self, leaf: usize) -> Option<&L> {
        self.leaves.get(leaf)
    }

    /// How many leaves there are.
    pub fn leaf_count(&self) -> usize {
        self.leaves.len()
    }

    /// Puts in what a run on an image asked and what it came to. It stays as it was if the run was
    /// there before.
    ///
    /// # Errors
    /// If the run contradicts an earlier one.
    pub fn insert(
        &mut self,
        image: &Image,
        shape: &Shape,
        questions: &[Question],
        leaf: L,
    ) -> Result<usize, Contradiction> {
        let mut place = Place::Root(shape.hash);
        for question in questions {
            let at = match self.follow(place) {
                Some(at) => at,
                None => self.hang(
                    place,
                    Node::Ask {
                        question: *question,
                        next: Vec::new(),
                    },
                ),
            };
            match self.nodes.get(at) {
                Some(Node::Ask {
                    question: known, ..
                }) if known == question => {}
                _ => return Err(Contradiction),
            }
            place = Place::After(at, self.heard(image.answer(shape, question)));
        }
        match self.follow(place) {
            None => {
                self.leaves.push(leaf);
                self.hang(place, Node::Leaf(self.leaves.len() - 1));
                Ok(self.leaves.len() - 1)
            }
            Some(at) => match self.nodes.get(at) {
                Some(Node::Leaf(known)) => Ok(*known),
                _ => Err(Contradiction),
            },
        }
    }

    fn heard(&self, answer: u64) -> u64 {
        if self.is_deaf { 0 } else { answer }
    }

    fn follow(&self, place: Place) -> Option<usize> {
        match place {
            Place::Root(shape) => self.roots.get(&shape).copied(),
            Place::After(at, answer) => match self.nodes.get(at)? {
                Node::Ask { next, .. } => {
                    let found = next.binary_search_by_key(&answer, |&(answer, _)| answer);
                    Some(next.get(found.ok()?)?.1)
                }
                Node::Leaf(_) => None,
            },
        }
    }

    fn hang(&mut self, place: Place, node: Node) -> usize {
        let new = self.nodes.len();
        self.nodes.push(node);
        match place {
            Place::Root(shape) => {
                self.roots.insert(shape, new);
            }
            Place::After(at, answer) => {
                if let Some(Node::Ask { next, .. }) = self.nodes.get_mut(at) {
                    let at = next.partition_point(|&(known, _)| known < answer);
                    next.insert(at, (answer, new));
                }
            }
        }
        new
    }
}

/// Where a node hangs.
#[derive(Clone, Copy)]
enum Place {
    Root(u64),
    After(usize, u64),
}
