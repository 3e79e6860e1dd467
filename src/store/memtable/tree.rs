//! A B-link tree over rows in an arena: one thread inserts while others read.
//!
//! A node's slots are sorted in place under a version, which is odd while they change. A reader
//! looks at the version, reads, and looks again; if it has changed, what was read does not count.
//! A node that splits keeps its lower half. The upper half is at `next`, and `high`, its first row,
//! is the separator, which the parent gets last: until then readers go to the right.
//!
//! | a node | |
//! |---|---|
//! | version | odd while the node changes |
//! | shape | slots in use, u32; bytes of the prefix, u32 |
//! | prefix | its first 24 bytes; the rest is read from the key of slot 0 |
//! | heads, rows | for each slot the 8 bytes behind the prefix as a big-endian number, padded with zeros, and the row |
//! | children | of an inner node, one more than slots: before, between and behind its rows |
//!
//! Invariants:
//! - \[I1\] Rows are ordered by key, and those of one key by sequence, highest first; no two have
//!   the same key and sequence.
//! - \[I2\] A node's rows are above its lower bound, or are it, and below `high`. All of them begin
//!   with its prefix.
//! - \[I3\] A reader misses no row that was inserted before it began, and is never blocked.
//! - \[I4\] Every node but those at the right edge has its separator one level above, once the
//!   insertion that split it is over.
//!
//! Why no fences: each datum is stored with Release, after the odd version; who loads it with
//! Acquire sees that version, or a later one, when it looks again.
//!
//! Not here: removing rows; what a reader may see.
#![expect(
    unsafe_code,
    reason = "nodes and rows lead to each other within one arena"
)]

use std::cmp::Ordering::{Equal, Greater, Less};
use std::sync::Arc;

use parking_lot::Mutex;

use super::RowRef;
use super::arena::{Arena, Entry, Link, Pool, RowLink};
use crate::store::sync::{self, AtomicU64, Ordering};

/// Rows in a node.
const SLOTS: usize = sync::unless_loom(62, 3);
/// Words of a prefix that stand in the node: a keyspace, and what keys of one kind often share.
const PREFIX_WORDS: usize = 3;
const PREFIX_BYTES: usize = 8 * PREFIX_WORDS;

/// Eight bytes of a key from `at` on, or fewer and zeros.
fn word(key: &[u8], at: usize) -> u64 {
    let rest = key.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => {
            let mut bytes = [0; 8];
            bytes[..rest.len()].copy_from_slice(rest);
            u64::from_be_bytes(bytes)
        }
    }
}

/// The bits of a word of which `bytes` count.
fn mask(bytes: usize) -> u64 {
    match bytes {
        0 => 0,
        1..8 => !(u64::MAX >> (8 * bytes)),
        _ => u64::MAX,
    }
}

fn common(one: &[u8], two: &[u8]) -> usize {
    let pairs = one.iter().zip(two);
    pairs.take_while(|(one, two)| one == two).count()
}

/// A place in the order of rows.
#[derive(Clone, Copy)]
struct Probe<'k> {
    key: &'k [u8],
    sequence: u64,
    words: [u64; PREFIX_WORDS],
}

impl<'k> Probe<'k> {
    fn new(key: &'k [u8], sequence: u64) -> Self {
        let words = std::array::from_fn(|at| word(key, 8 * at));
        Self {
            key,
            sequence,
            words,
        }
    }

    fn of(row: Entry<'k>) -> Self {
        Self::new(row.key(), row.sequence())
    }

    /// Where it is, seen from a row [I1]. Both keys have `equal` bytes in common.
    fn compare(&self, row: Entry<'_>, equal: usize) -> std::cmp::Ordering {
        let key = row.key().get(equal..).unwrap_or_default();
        let own = self.key.get(equal..).unwrap_or_default();
        own.cmp(key)
            .then_with(|| row.sequence().cmp(&self.sequence))
    }
}

/// The first of `from..to` for which this does not hold; it holds for none behind that.
fn partition(from: usize, to: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut from, mut left) = (from, to - from);
    while left > 0 {
        let half = left / 2;
        match holds(from + half) {
            true => {
                from += half + 1;
                left -= half + 1;
            }
            false => left = half,
        }
    }
    from
}

type Children = [Link<Node>; SLOTS + 1];

#[repr(C, align(64))]
struct Node {
    version: AtomicU64,
    shape: AtomicU64,
    prefix: [AtomicU64; PREFIX_WORDS],
    high: RowLink,
    next: Link<Node>,
    /// 0: a leaf.
    level: usize,
    children: Link<Children>,
    heads: [AtomicU64; SLOTS],
    rows: [RowLink; SLOTS],
}

/// Where a probe is within a node.
#[derive(Clone, Copy)]
struct Spot {
    /// How many rows of the node are before it.
    index: usize,
    count: usize,
    /// Whether a row is at this very place.
    met: bool,
}

impl Node {
    fn new(level: usize) -> Self {
        Self {
            version: AtomicU64::new(0),
            shape: AtomicU64::new(0),
            prefix: std::array::from_fn(|_| AtomicU64::new(0)),
            high: RowLink::none(),
            next: Link::none(),
            level,
            children: Link::none(),
            heads: std::array::from_fn(|_| AtomicU64::new(0)),
            rows: std::array::from_fn(|_| RowLink::none()),
        }
    }

    /// Has the processor fetch what a search will read, while it waits for the first line.
    fn touch(&self) {
        if SLOTS > 8 {
            for at in [SLOTS / 4, SLOTS / 2, SLOTS * 3 / 4] {
                self.heads[at].load(Ordering::Acquire);
            }
        }
    }

    /// An even version; waits for a change to end, which calls nothing.
    fn version(&self) -> u64 {
        loop {
            let version = self.version.load(Ordering::Acquire);
            if version.is_multiple_of(2) {
                return version;
            }
            sync::spin_loop();
        }
    }

    /// Whether all that was read since this version belongs together.
    fn is_at(&self, version: u64) -> bool {
        self.version.load(Ordering::Acquire) == version
    }

    /// How many slots are in use, and how many bytes the prefix has.
    fn shape(&self) -> (usize, usize) {
        let shape = self.shape.load(Ordering::Acquire);
        let count = (shape & u64::from(u32::MAX)) as usize;
        (count.min(SLOTS), (shape >> 32) as usize)
    }

    fn row(&self, at: usize) -> Option<Entry<'_>> {
        self.rows.get(at)?.get()
    }

    fn head(&self, at: usize) -> u64 {
        self.heads[at].load(Ordering::Acquire)
    }

    fn child(&self, at: usize) -> Option<&Node> {
        self.children.get()?.get(at)?.get()
    }

    /// The row at an index, or that which follows all of them.
    fn row_or_high(&self, spot: Spot) -> Option<Entry<'_>> {
        match spot.index < spot.count {
            true => self.row(spot.index),
            false => self.high.get(),
        }
    }

    /// Where a key is, seen from this node's prefix.
    fn compare_prefix(&self, probe: &Probe<'_>, bytes: usize) -> std::cmp::Ordering {
        for (at, word) in self.prefix.iter().enumerate().take(bytes.div_ceil(8)) {
            let own = probe.words[at] & mask(bytes - 8 * at);
            match own.cmp(&word.load(Ordering::Acquire)) {
                Equal => {}
                other => return other,
            }
        }
        if bytes > PREFIX_BYTES {
            let sample = self.row(0).map(Entry::key).unwrap_or_default();
            let rest = sample.get(PREFIX_BYTES..bytes).unwrap_or_default();
            let end = bytes.min(probe.key.len());
            let own = probe.key.get(PREFIX_BYTES..end).unwrap_or_default();
            if own != rest {
                return own.cmp(rest);
            }
        }
        match probe.key.len() < bytes {
            true => Less,
            false => Equal,
        }
    }

    /// Where a probe is among the rows: among the heads first, then among the keys of equal heads.
    fn find(&self, probe: &Probe<'_>) -> Spot {
        let (count, bytes) = self.shape();
        let spot = |index, met| Spot { index, count, met };
        match self.compare_prefix(probe, bytes) {
            Less => return spot(0, false),
            Greater => return spot(count, false),
            Equal => {}
        }
        let head = word(probe.key, bytes);
        let first = partition(0, count, |at| self.head(at) < head);
        let is_equal = |at: usize| at < count && self.head(at) == head;
        if !is_equal(first) {
            return spot(first, false);
        }
        let end = match is_equal(first + 1) {
            true => partition(first + 1, count, |at| self.head(at) == head),
            false => first + 1,
        };
        let compare = |at| self.row(at).map(|row| probe.compare(row, bytes));
        let index = partition(first, end, |at| compare(at) == Some(Greater));
        spot(index, index < end && compare(index) == Some(Equal))
    }

    /// How many bytes of prefix its rows have in common with a key.
    fn shared(&self, key: &[u8]) -> usize {
        let (count, bytes) = self.shape();
        match self.row(0).filter(|_| count > 0) {
            Some(row) => common(row.key(), key).min(bytes),
            None => key.len(),
        }
    }
}

/// Changes of nodes, by the one thread that inserts.
impl Node {
    /// Readers that meet this look again.
    fn change(&self, change: impl FnOnce()) {
        let version = self.version.load(Ordering::Relaxed);
        assert!(version.is_multiple_of(2), "[I3] one thread inserts");
        self.version.store(version + 1, Ordering::Relaxed);
        change();
        self.version.store(version + 2, Ordering::Release);
    }

    fn set_shape(&self, count: usize, bytes: usize) {
        self.shape
            .store((bytes as u64) << 32 | count as u64, Ordering::Release);
    }

    fn set(&self, at: usize, head: u64, row: Option<Entry<'_>>) {
        self.heads[at].store(head, Ordering::Release);
        // SAFETY: all rows of a tree, and all its nodes, are in its arena.
        unsafe { self.rows[at].set(row) }
    }

    fn set_child(&self, at: usize, child: Option<&Node>) {
        let children = self.children.get().expect("an inner node has children");
        // SAFETY: all nodes of a tree are in its arena.
        unsafe { children[at].set(child) }
    }

    fn set_next(&self, high: Option<Entry<'_>>, next: Option<&Node>) {
        // SAFETY: as above.
        unsafe {
            self.high.set(high);
            self.next.set(next);
        }
    }

    /// Gives the node a prefix of another length, which all its rows and `key` have.
    fn set_prefix(&self, key: &[u8], bytes: usize) {
        for (at, prefix) in self.prefix.iter().enumerate() {
            let masked = word(key, 8 * at) & mask(bytes.saturating_sub(8 * at));
            prefix.store(masked, Ordering::Release);
        }
        let (count, _) = self.shape();
        self.set_shape(count, bytes);
        for at in 0..count {
            let head = self.row(at).map_or(0, |row| word(row.key(), bytes));
            self.heads[at].store(head, Ordering::Release);
        }
    }

    /// A longer prefix, if rows cannot be told apart by their heads.
    fn tighten(&self) {
        let (count, bytes) = self.shape();
        let has_ties = (1..count).any(|at| self.head(at - 1) == self.head(at));
        if !has_ties {
            return;
        }
        if let (Some(first), Some(last)) = (self.row(0), self.row(count - 1)) {
            let longer = common(first.key(), last.key());
            if longer > bytes {
                self.set_prefix(first.key(), longer);
            }
        }
    }

    /// Inserts a row into a node that has room, and behind it a child into an inner one.
    fn add(&self, index: usize, row: Entry<'_>, child: Option<&Node>) {
        let (count, bytes) = self.shape();
        assert!(index <= count && count < SLOTS, "[I2] the node has room");
        let key = row.key();
        let has_prefix = count > 0 && self.compare_prefix(&Probe::of(row), bytes) == Equal;
        let shared = match has_prefix {
            true => bytes,
            false => self.shared(key),
        };
        if shared != bytes {
            self.set_prefix(key, shared);
        }
        for at in (index..count).rev() {
            self.set(at + 1, self.head(at), self.row(at));
        }
        self.set(index, word(key, shared), Some(row));
        if let Some(child) = child {
            for at in (index + 1..=count).rev() {
                self.set_child(at + 1, self.child(at));
            }
            self.set_child(index + 1, Some(child));
        }
        self.set_shape(count + 1, shared);
    }

    /// Moves the rows from `from` on into a node that nobody else sees yet, and with them the
    /// children behind them; of an inner node the row before them becomes the separator.
    fn give(&self, from: usize, right: &Node) {
        let (count, bytes) = self.shape();
        for (to, at) in (from..count).enumerate() {
            right.set(to, self.head(at), self.row(at));
        }
        if self.level > 0 {
            for (to, at) in (from..=count).enumerate() {
                right.set_child(to, self.child(at));
            }
        }
        right.set_rows(count - from, bytes);
        right.set_next(self.high.get(), self.next.get());
    }

    /// Keeps so many rows; what follows is in `right`.
    fn keep(&self, count: usize, separator: Entry<'_>, right: &Node) {
        let (_, bytes) = self.shape();
        self.set_shape(count, bytes);
        self.set_next(Some(separator), Some(right));
        self.tighten();
    }

    /// Takes so many rows, which are set, with their heads, into use.
    fn set_rows(&self, count: usize, bytes: usize) {
        let sample = self.row(0).map(Entry::key).unwrap_or_default();
        self.set_prefix(sample, bytes);
        self.set_shape(count, bytes);
        self.tighten();
    }
}

/// What the thread that inserts has for itself.
struct Writer {
    arena: Arena,
    /// The address of the leaf in which the last row was inserted, and the index behind it.
    last: (usize, usize),
    is_frozen: bool,
}

/// The tree.
pub(super) struct Tree {
    /// None: it is empty.
    root: Link<Node>,
    bytes: AtomicU64,
    writer: Mutex<Writer>,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl Tree {
    /// An empty tree; nothing is allocated yet.
    pub fn new(pool: Arc<Pool>) -> Self {
        Self::with(Arena::new(pool))
    }

    fn with(arena: Arena) -> Self {
        Self {
            root: Link::none(),
            bytes: AtomicU64::new(0),
            writer: Mutex::new(Writer {
                arena,
                last: (0, 0),
                is_frozen: false,
            }),
        }
    }

    /// Whose chunks it takes and gives back.
    pub fn pool(&self) -> Arc<Pool> {
        self.writer.lock().arena.pool().clone()
    }

    /// Bytes of its rows and nodes.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.root.get().is_none()
    }

    /// It gets no more rows.
    pub fn freeze(&self) {
        self.writer.lock().is_frozen = true;
    }

    /// Reads the node of a level in which a probe is, once it stood still.
    fn read<'t, R>(
        &'t self,
        probe: &Probe<'_>,
        level: usize,
        read: impl Fn(&'t Node, Spot) -> R,
    ) -> Option<R> {
        let mut node = self.root.get()?;
        loop {
            node.touch();
            let version = node.version();
            let spot = node.find(probe);
            let high = match spot.index == spot.count {
                true => node.high.get(),
                false => None,
            };
            let step = match high.map(|high| probe.compare(high, 0)) {
                Some(Greater) => Err(node.next.get()),
                Some(Equal) if node.level == level => Ok(read(node, Spot { met: true, ..spot })),
                _ if node.level == level => Ok(read(node, spot)),
                _ => Err(node.child(spot.index)),
            };
            if node.is_at(version) {
                match step {
                    Ok(read) => return Some(read),
                    Err(next) => node = next.expect("[I4] a bound has a node behind it"),
                }
            }
        }
    }

    /// The first row at or behind a place.
    pub fn first_from(&self, key: &[u8], sequence: u64) -> Option<Entry<'_>> {
        let probe = Probe::new(key, sequence);
        self.read(&probe, 0, Node::row_or_high)?
    }
}

/// Insertion.
impl Tree {
    /// Inserts rows of one sequence; returns how many they are.
    pub fn insert<'r>(
        &self,
        rows: impl Iterator<Item = (&'r [u8], Option<&'r [u8]>)>,
        sequence: u64,
    ) -> u64 {
        let mut count = 0;
        let mut writer = self.writer.lock();
        assert!(!writer.is_frozen, "[I3] a frozen memtable gets no rows");
        for (key, value) in rows {
            // SAFETY: the row is used as long as this tree, which has the arena.
            let row = unsafe { writer.arena.row(key, sequence, value) };
            self.insert_row(&mut writer, row);
            count += 1;
        }
        self.count(&writer.arena);
        count
    }

    /// An empty tree has no bytes, and its first node is not counted either: a small bound on its
    /// size bounds rows.
    fn count(&self, arena: &Arena) {
        let bytes = arena.bytes().saturating_sub(size_of::<Node>() as u64);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    fn insert_row(&self, writer: &mut Writer, row: Entry<'_>) {
        if self.root.get().is_none() {
            self.set_root(self.node(&mut writer.arena, 0));
        }
        let found = self.read(&Probe::of(row), 0, |node, spot| (node, spot));
        let (leaf, spot) = found.expect("the tree has a root");
        assert!(!spot.met, "[I1] a sequence has one row of a key");
        self.add(writer, leaf, spot.index, row, None);
    }

    /// Inserts into a node, which may split.
    fn add<'t>(
        &'t self,
        writer: &mut Writer,
        node: &'t Node,
        index: usize,
        row: Entry<'_>,
        child: Option<&Node>,
    ) {
        let (count, _) = node.shape();
        let place = (std::ptr::from_ref(node).addr(), index);
        let is_run = std::mem::replace(&mut writer.last, (place.0, index + 1)) == place;
        if count < SLOTS {
            node.change(|| node.add(index, row, child));
            return;
        }
        let right = self.node(&mut writer.arena, node.level);
        if index == count || is_run {
            // Rows that come in order fill their nodes.
            node.give(index, right);
            match child {
                Some(child) => right.set_child(0, Some(child)),
                None => right.add(0, row, None),
            }
            node.change(|| node.keep(index, row, right));
            self.add_separator(writer, node, row, right);
            return;
        }
        let middle = SLOTS / 2;
        let from = middle + usize::from(node.level > 0);
        let separator = node.row(middle).expect("a full node");
        node.give(from, right);
        let goes_left = index <= middle;
        if !goes_left {
            right.add(index - from, row, child);
        }
        node.change(|| {
            node.keep(middle, separator, right);
            if goes_left {
                node.add(index, row, child);
            }
        });
        self.add_separator(writer, node, separator, right);
    }

    /// Tells the level above that `node` was split.
    fn add_separator<'t>(
        &'t self,
        writer: &mut Writer,
        node: &'t Node,
        separator: Entry<'_>,
        right: &'t Node,
    ) {
        let is_root = self.root.get().is_some_and(|root| std::ptr::eq(root, node));
        if is_root {
            let root = self.node(&mut writer.arena, node.level + 1);
            root.set_child(0, Some(node));
            root.add(0, separator, Some(right));
            self.set_root(root);
            return;
        }
        let found = self.read(&Probe::of(separator), node.level + 1, |node, spot| {
            (node, spot)
        });
        let (parent, spot) = found.expect("the tree has a root");
        let child = parent.child(spot.index);
        assert!(
            !spot.met && child.is_some_and(|child| std::ptr::eq(child, node)),
            "[I4] the parent leads to the node that was split"
        );
        self.add(writer, parent, spot.index, separator, Some(right));
    }

    fn node<'t>(&'t self, arena: &mut Arena, level: usize) -> &'t Node {
        let node = Node::new(level);
        // SAFETY: this tree has the arena; children and node are in it.
        unsafe {
            if level > 0 {
                let children: Children = std::array::from_fn(|_| Link::none());
                node.children.set(Some(arena.place(children)));
            }
            arena.place(node)
        }
    }

    fn set_root(&self, root: &Node) {
        // SAFETY: all nodes are in the arena of this tree.
        unsafe { self.root.set(Some(root)) }
    }
}

/// Rows in any order, which become a tree at once.
pub(super) struct Gathered {
    arena: Arena,
    /// With the eight bytes of each key behind `shared`, once they are sorted.
    rows: Vec<(u64, Entry<'static>)>,
    /// How many leading bytes all keys have in common.
    shared: usize,
}

impl Gathered {
    /// None yet, for a tree that takes the chunks which another one gives back.
    pub fn new(pool: Arc<Pool>) -> Self {
        Self {
            arena: Arena::new(pool),
            rows: Vec::new(),
            shared: usize::MAX,
        }
    }

    pub fn pool(&self) -> &Arc<Pool> {
        self.arena.pool()
    }

    /// About as many as the tree will have.
    pub fn bytes(&self) -> u64 {
        let slots = self.rows.len() * size_of::<Node>() / SLOTS;
        self.arena.bytes() + slots as u64
    }

    pub fn push(&mut self, key: &[u8], sequence: u64, value: Option<&[u8]>) {
        // SAFETY: the arena goes where the row goes, into the tree.
        let row = unsafe { self.arena.row(key, sequence, value) };
        let first = self.rows.first().map_or(row, |(_, row)| *row);
        self.shared = common(first.key(), key).min(self.shared);
        self.rows.push((0, row));
    }

    /// Sorts, and builds leaves first.
    pub fn build(mut self) -> Tree {
        for (head, row) in &mut self.rows {
            *head = word(row.key(), self.shared);
        }
        let order = |one: &(u64, Entry<'_>), two: &(u64, Entry<'_>)| {
            let place = |row: Entry<'_>| Probe::of(row).compare(two.1, self.shared);
            one.0.cmp(&two.0).then_with(|| place(one.1))
        };
        self.rows.sort_unstable_by(order);
        let is_ordered = self.rows.is_sorted_by(|one, two| order(one, two) == Less);
        assert!(is_ordered, "[I1] a sequence has one row of a key");
        let tree = Tree::with(self.arena);
        tree.build(&self.rows, self.shared);
        tree
    }
}

/// A node, its first row, and the row's head.
type Built<'t> = (u64, Entry<'t>, &'t Node);

/// Building bottom up.
impl Tree {
    fn build<'t>(&'t self, rows: &[(u64, Entry<'t>)], bytes: usize) {
        let arena = &mut self.writer.lock().arena;
        let leaf = |rows: &[(u64, Entry<'t>)]| {
            let node = self.node(arena, 0);
            for (at, (head, row)) in rows.iter().enumerate() {
                node.set(at, *head, Some(*row));
            }
            node.set_rows(rows.len(), bytes);
            (rows[0].0, rows[0].1, node)
        };
        let mut nodes: Vec<Built<'t>> = rows.chunks(SLOTS).map(leaf).collect();
        link(&nodes);
        let mut level = 0;
        while nodes.len() > 1 {
            level += 1;
            let inner = |children: &[Built<'t>]| {
                let node = self.node(arena, level);
                node.set_child(0, Some(children[0].2));
                for (at, (head, row, child)) in children[1..].iter().enumerate() {
                    node.set(at, *head, Some(*row));
                    node.set_child(at + 1, Some(child));
                }
                node.set_rows(children.len() - 1, bytes);
                (children[0].0, children[0].1, node)
            };
            nodes = nodes.chunks(SLOTS + 1).map(inner).collect();
            link(&nodes);
        }
        if let Some((_, _, root)) = nodes.first() {
            self.set_root(root);
        }
        self.count(arena);
    }
}

/// Each node leads to the next one of its level.
fn link(nodes: &[Built<'_>]) {
    for pair in nodes.windows(2) {
        pair[0].2.set_next(Some(pair[1].1), Some(pair[1].2));
    }
}

/// A leaf as it was at one moment.
#[derive(Clone)]
struct Leaf<'t> {
    rows: [Option<Entry<'t>>; SLOTS],
    count: usize,
    next: Option<&'t Node>,
}

impl<'t> Leaf<'t> {
    const NONE: Self = Self {
        rows: [None; SLOTS],
        count: 0,
        next: None,
    };

    fn of(node: &'t Node, count: usize) -> Self {
        let mut leaf = Self {
            count,
            next: node.next.get(),
            ..Self::NONE
        };
        for (at, row) in leaf.rows.iter_mut().enumerate().take(count) {
            *row = node.row(at);
        }
        leaf
    }

    fn read(node: &'t Node) -> Self {
        loop {
            let version = node.version();
            let leaf = Self::of(node, node.shape().0);
            if node.is_at(version) {
                return leaf;
            }
        }
    }
}

/// A place in a tree, which stays in memory as long as the cursor.
///
/// It meets every row that was inserted before it was placed by a seek. Of later rows it may meet
/// some: their sequences tell.
#[derive(Clone)]
pub(crate) struct Cursor {
    tree: Arc<Tree>,
    /// Rows of `tree`; they are shown for as long as `self` is borrowed only.
    leaf: Leaf<'static>,
    /// Of its rows; behind them: the cursor is at none.
    at: usize,
}

impl Cursor {
    /// At no row.
    pub(super) fn new(tree: Arc<Tree>) -> Self {
        Self {
            tree,
            leaf: Leaf::NONE,
            at: 0,
        }
    }

    fn entry(&self) -> Option<Entry<'_>> {
        *self.leaf.rows.get(..self.leaf.count)?.get(self.at)?
    }

    /// The row where it stands.
    pub fn row(&self) -> Option<RowRef<'_>> {
        self.entry().map(RowRef::from)
    }

    /// Goes to the first row at or behind this place.
    pub fn seek(&mut self, key: &[u8], sequence: u64) {
        self.at = self.locate(&Probe::new(key, sequence));
        if self.at == self.leaf.count {
            self.load_next();
        }
    }

    /// Goes to the last row that is wholly before this place.
    pub fn seek_back(&mut self, key: &[u8], sequence: u64) {
        self.before(&Probe::new(key, sequence));
    }

    /// Goes to the next row; from the last one to none.
    pub fn next(&mut self) {
        self.at += 1;
        if self.at >= self.leaf.count {
            self.load_next();
        }
    }

    /// Goes to the row before; from the first one to none.
    pub fn back(&mut self) {
        match (self.at, self.leaf.rows[0]) {
            (0, Some(first)) if self.leaf.count > 0 => self.before(&Probe::of(first)),
            (at, _) => self.at = at.wrapping_sub(1),
        }
    }

    /// Copies the leaf of a probe; returns how many of its rows are before it.
    fn locate(&mut self, probe: &Probe<'_>) -> usize {
        // SAFETY: the cursor keeps the tree, and lends rows only as long as it is borrowed itself.
        let tree: &'static Tree = unsafe { &*Arc::as_ptr(&self.tree) };
        let found = tree.read(probe, 0, |node, spot| {
            (Leaf::of(node, spot.count), spot.index)
        });
        let (leaf, index) = found.unwrap_or((Leaf::NONE, 0));
        self.leaf = leaf;
        index
    }

    /// Every leaf but the first begins with its lower bound, which is before the probe: the last
    /// row before it is in the same leaf.
    fn before(&mut self, probe: &Probe<'_>) {
        match self.locate(probe).checked_sub(1) {
            Some(at) => self.at = at,
            None => self.clear(),
        }
    }

    fn load_next(&mut self) {
        match self.leaf.next {
            Some(next) => self.leaf = Leaf::read(next),
            None => self.leaf = Leaf::NONE,
        }
        self.at = 0;
    }

    fn clear(&mut self) {
        self.leaf = Leaf::NONE;
        self.at = 0;
    }
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor")
            .field("row", &self.row())
            .finish_non_exhaustive()
    }
}

impl Default for Gathered {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl std::fmt::Debug for Gathered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gathered")
            .field("rows", &self.rows.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree")
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}
