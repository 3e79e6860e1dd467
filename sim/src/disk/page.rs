//! File contents as pages that are shared until written.
//!
//! A page table has two levels, so that copying contents and telling them apart cost what has
//! changed: blocks of pages are shared until one of their pages is written, and a block keeps the
//! hash of its pages.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::hash;
use crate::call::mix64;

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;
/// Bytes that are hashed together.
const SECTOR: usize = 512;
/// Pages of a block.
const BLOCK_PAGES: usize = 32;

/// What never-written bytes read as.
static ZEROS: [u8; PAGE] = [0; PAGE];

/// A page of zeros: to copy it is cheaper than to make one.
fn zeros() -> &'static Arc<Page> {
    static PAGE_OF_ZEROS: OnceLock<Arc<Page>> = OnceLock::new();
    PAGE_OF_ZEROS.get_or_init(|| Arc::new(Page::new(ZEROS)))
}

/// The hash of a page of zeros.
fn zero_page_hash() -> u64 {
    zeros().hash()
}

/// A hash that is computed once; 0: not computed yet.
#[derive(Default)]
struct LazyHash(AtomicU64);

impl LazyHash {
    /// The hash, which `compute` never finds to be 0.
    fn get(&self, compute: impl FnOnce() -> u64) -> u64 {
        match self.0.load(Ordering::Relaxed) {
            0 => {
                let hash = compute();
                self.0.store(hash, Ordering::Relaxed);
                hash
            }
            hash => hash,
        }
    }

    fn forget(&mut self) {
        *self.0.get_mut() = 0;
    }
}

impl Clone for LazyHash {
    /// A clone is made to be written to.
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// One page.
#[derive(Clone)]
pub(super) struct Page {
    bytes: [u8; PAGE],
    hash: LazyHash,
}

impl Page {
    fn new(bytes: [u8; PAGE]) -> Self {
        Self {
            bytes,
            hash: LazyHash::default(),
        }
    }

    /// A hash of the sectors that are not all zeros: most pages of small files have few.
    fn hash(&self) -> u64 {
        self.hash.get(|| {
            let (sectors, _) = self.bytes.as_chunks::<SECTOR>();
            let sectors = sectors.iter().zip(0..);
            let content = sectors.filter(|(sector, _)| ZEROS.first_chunk() != Some(*sector));
            let hashes = content.map(|(sector, at)| hash::word(hash::sector(sector), at));
            hashes.fold(0, hash::word) | 1
        })
    }
}

/// Neighbouring pages.
#[derive(Clone, Default)]
struct Block {
    pages: [Option<Arc<Page>>; BLOCK_PAGES],
    hash: LazyHash,
}

/// The hash of a block of which all pages are holes or zeros.
const NOTHING: u64 = 1;

impl Block {
    /// [`NOTHING`], or a hash of its pages; those of zeros count as holes.
    fn hash(&self) -> u64 {
        self.hash.get(|| {
            let mut combined = 0;
            let mut is_nothing = true;
            for (page, index) in self.pages.iter().zip(0..) {
                let hash = page.as_ref().map_or(zero_page_hash(), |page| page.hash());
                if hash != zero_page_hash() {
                    is_nothing = false;
                    combined = hash::word(combined, hash::word(index, hash));
                }
            }
            match is_nothing {
                true => NOTHING,
                // Even, so it is not `NOTHING`; and not 0.
                false => (combined & !1).max(2),
            }
        })
    }
}

/// The bytes of one write, which any number of images share.
#[derive(Clone)]
pub(super) struct Written {
    offset: u64,
    bytes: Arc<[u8]>,
    /// The whole pages in it.
    pages: Arc<[Arc<Page>]>,
}

impl Written {
    /// Bytes that were written at this place.
    pub fn new(offset: u64, bytes: &[u8]) -> Self {
        let first = offset.next_multiple_of(PAGE as u64) - offset;
        let whole = bytes.get(first as usize..).unwrap_or_default();
        let (pages, _) = whole.as_chunks::<PAGE>();
        Self {
            offset,
            bytes: bytes.into(),
            pages: pages
                .iter()
                .map(|page| Arc::new(Page::new(*page)))
                .collect(),
        }
    }

    /// The bytes that belong between these places of the file.
    pub fn part(&self, start: u64, end: u64) -> &[u8] {
        let at = |place: u64| place.saturating_sub(self.offset) as usize;
        self.bytes.get(at(start)..at(end)).unwrap_or_default()
    }

    /// The page of the file with this number, if all of it was written.
    fn page(&self, index: usize) -> Option<&Arc<Page>> {
        let first = self.offset.div_ceil(PAGE as u64) as usize;
        self.pages.get(index.checked_sub(first)?)
    }
}

impl std::ops::Deref for Written {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.bytes.fmt(f)
    }
}

/// A page that nothing is known of: a pattern that no program is likely to write.
fn pattern() -> &'static Arc<Page> {
    static PATTERN: OnceLock<Arc<Page>> = OnceLock::new();
    PATTERN.get_or_init(|| Arc::new(Page::new([0xA5; PAGE])))
}

/// Sparse contents without a length: what was never written reads as zeros.
#[derive(Clone, Default)]
pub(super) struct Content {
    blocks: Vec<Arc<Block>>,
    allocated: u64,
    hash: LazyHash,
}

impl Content {
    /// Pages that take space.
    pub fn allocated(&self) -> u64 {
        self.allocated
    }

    /// The numbers of pages that take space and hold nothing but zeros.
    pub fn zero_pages(&self) -> impl Iterator<Item = u64> + '_ {
        let pages = self.blocks.iter().flat_map(|block| &block.pages).zip(0..);
        let is_zero = |page: &Arc<Page>| page.hash() == zero_page_hash();
        let zeros = pages.filter(move |(page, _)| page.as_ref().is_some_and(is_zero));
        zeros.map(|(_, number)| number)
    }

    fn page(&self, index: usize) -> Option<&Arc<Page>> {
        let block = self.blocks.get(index / BLOCK_PAGES)?;
        block.pages.get(index % BLOCK_PAGES)?.as_ref()
    }

    /// Copies the bytes at `offset` into `buffer`.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) {
        let (mut at, mut rest) = (offset as usize, buffer);
        while !rest.is_empty() {
            let start = at % PAGE;
            let count = (PAGE - start).min(rest.len());
            let (target, tail) = rest.split_at_mut(count);
            match self.page(at / PAGE) {
                Some(page) => target.copy_from_slice(&page.bytes[start..start + count]),
                None => target.fill(0),
            }
            at += count;
            rest = tail;
        }
    }

    /// How many pages a write of `len` bytes at `offset` would newly allocate.
    pub fn pages_needed(&self, offset: u64, len: u64) -> u64 {
        if len == 0 {
            return 0;
        }
        let (first, last) = (offset as usize / PAGE, (offset + len - 1) as usize / PAGE);
        let is_new = |index: &usize| self.page(*index).is_none();
        (first..=last).filter(is_new).count() as u64
    }

    /// Writes bytes at `offset`.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        let (mut at, mut rest) = (offset as usize, bytes);
        while !rest.is_empty() {
            let start = at % PAGE;
            let count = (PAGE - start).min(rest.len());
            let (source, tail) = rest.split_at(count);
            match source.first_chunk::<PAGE>() {
                Some(whole) => self.put(at / PAGE, Arc::new(Page::new(*whole))),
                None => self.page_mut(at / PAGE)[start..start + count].copy_from_slice(source),
            }
            at += count;
            rest = tail;
        }
    }

    /// Writes the bytes of a write that belong between these places of the file. Whole pages are
    /// shared with all who do so.
    pub fn write_part(&mut self, written: &Written, start: u64, end: u64) {
        let mut at = start;
        while at < end {
            let page = at / PAGE as u64;
            let next = ((page + 1) * PAGE as u64).min(end);
            let is_whole = next - at == PAGE as u64;
            match written.page(page as usize).filter(|_| is_whole) {
                Some(whole) => self.put(page as usize, Arc::clone(whole)),
                None => {
                    self.write(at, written.part(at, next));
                }
            }
            at = next;
        }
    }

    /// Writes the pattern of blocks that nothing is known of.
    pub fn write_pattern(&mut self, start: u64, end: u64) {
        let mut at = start;
        while at < end {
            let page = at / PAGE as u64;
            let next = ((page + 1) * PAGE as u64).min(end);
            match (next - at) as usize {
                PAGE => self.put(page as usize, Arc::clone(pattern())),
                count => self.write(at, &pattern().bytes[..count]),
            }
            at = next;
        }
    }

    /// The place of a page, for changing it.
    fn slot(&mut self, index: usize) -> &mut Option<Arc<Page>> {
        let block = index / BLOCK_PAGES;
        if block >= self.blocks.len() {
            self.blocks.resize_with(block + 1, Arc::default);
        }
        let block = Arc::make_mut(&mut self.blocks[block]);
        block.hash.forget();
        self.hash.forget();
        &mut block.pages[index % BLOCK_PAGES]
    }

    fn put(&mut self, index: usize, page: Arc<Page>) {
        let before = self.slot(index).replace(page);
        self.allocated += u64::from(before.is_none());
    }

    fn page_mut(&mut self, index: usize) -> &mut [u8; PAGE] {
        let is_new = self.page(index).is_none();
        self.allocated += u64::from(is_new);
        let empty = || Arc::clone(zeros());
        let page = Arc::make_mut(self.slot(index).get_or_insert_with(empty));
        page.hash.forget();
        &mut page.bytes
    }

    /// Makes a range read as zeros; whole pages give their space back.
    pub fn zero(&mut self, offset: u64, len: u64) {
        let end = (offset + len).min(self.end()) as usize;
        let mut at = offset as usize;
        while at < end {
            let start = at % PAGE;
            let count = (PAGE - start).min(end - at);
            let index = at / PAGE;
            if let Some(page) = self.page(index) {
                if count == PAGE {
                    *self.slot(index) = None;
                    self.allocated -= 1;
                } else if page.bytes[start..start + count] != ZEROS[..count] {
                    self.page_mut(index)[start..start + count].fill(0);
                }
            }
            at += count;
        }
    }

    /// Zeros everything from `len` on.
    pub fn cut(&mut self, len: u64) {
        let end = self.end();
        if len < end {
            self.zero(len, end - len);
            let blocks = (len as usize).div_ceil(BLOCK_PAGES * PAGE);
            self.blocks.truncate(blocks);
            self.hash.forget();
        }
    }

    /// No page is allocated from here on.
    fn end(&self) -> u64 {
        (self.blocks.len() * BLOCK_PAGES * PAGE) as u64
    }

    /// A hash of a part of one page; a hole is a page of zeros.
    pub fn piece_hash(&self, page: usize, from: usize, to: usize) -> u64 {
        match self.page(page) {
            Some(page) if from == 0 && to == PAGE => page.hash(),
            None if from == 0 && to == PAGE => zero_page_hash(),
            page => {
                let bytes = page.map_or(&ZEROS, |page| &page.bytes);
                hash::bytes(2, bytes.get(from..to).unwrap_or_default())
            }
        }
    }

    /// A hash of the contents; pages of zeros count as holes.
    pub fn hash(&self) -> u64 {
        self.hash.get(|| {
            let blocks = self.blocks.iter().map(|block| block.hash()).zip(0..);
            let something = blocks.filter(|&(hash, _)| hash != NOTHING);
            let words = something.map(|(hash, index)| hash::word(index, hash));
            mix64(words.fold(0, hash::word)).max(1)
        })
    }
}

#[cfg(test)]
mod tests;
