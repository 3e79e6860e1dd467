//! File contents as pages that are shared until written.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::hash;

/// Bytes of a page.
pub(super) const PAGE: usize = 4096;

/// What never-written bytes read as.
static ZEROS: [u8; PAGE] = [0; PAGE];

/// The hash of a page of zeros.
fn zero_page_hash() -> u64 {
    static HASH: OnceLock<u64> = OnceLock::new();
    *HASH.get_or_init(|| hash::page(&ZEROS) | 1)
}

/// One page; its hash is computed once.
pub(super) struct Page {
    bytes: [u8; PAGE],
    /// 0: not computed yet.
    hash: AtomicU64,
}

impl Clone for Page {
    fn clone(&self) -> Self {
        // A clone is made to be written to.
        Self {
            bytes: self.bytes,
            hash: AtomicU64::new(0),
        }
    }
}

impl Page {
    fn hash(&self) -> u64 {
        match self.hash.load(Ordering::Relaxed) {
            0 => {
                let hash = hash::page(&self.bytes) | 1;
                self.hash.store(hash, Ordering::Relaxed);
                hash
            }
            hash => hash,
        }
    }
}

/// Sparse contents without a length: what was never written reads as zeros.
#[derive(Clone, Default)]
pub(super) struct Content {
    pages: Vec<Option<Arc<Page>>>,
    allocated: u64,
}

impl Content {
    /// Pages that take space.
    pub fn allocated(&self) -> u64 {
        self.allocated
    }

    /// Copies the bytes at `offset` into `buffer`.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) {
        let (mut at, mut rest) = (offset as usize, buffer);
        while !rest.is_empty() {
            let start = at % PAGE;
            let count = (PAGE - start).min(rest.len());
            let (target, tail) = rest.split_at_mut(count);
            match self.pages.get(at / PAGE) {
                Some(Some(page)) => target.copy_from_slice(&page.bytes[start..start + count]),
                _ => target.fill(0),
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
        let is_new = |index: &usize| !matches!(self.pages.get(*index), Some(Some(_)));
        (first..=last).filter(is_new).count() as u64
    }

    /// Writes bytes at `offset`.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        let (mut at, mut rest) = (offset as usize, bytes);
        while !rest.is_empty() {
            let start = at % PAGE;
            let count = (PAGE - start).min(rest.len());
            let (source, tail) = rest.split_at(count);
            self.page_mut(at / PAGE)[start..start + count].copy_from_slice(source);
            at += count;
            rest = tail;
        }
    }

    fn page_mut(&mut self, index: usize) -> &mut [u8; PAGE] {
        if index >= self.pages.len() {
            self.pages.resize(index + 1, None);
        }
        let slot = &mut self.pages[index];
        if slot.is_none() {
            self.allocated += 1;
        }
        let empty = || {
            Arc::new(Page {
                bytes: [0; PAGE],
                hash: AtomicU64::new(0),
            })
        };
        let page = Arc::make_mut(slot.get_or_insert_with(empty));
        *page.hash.get_mut() = 0;
        &mut page.bytes
    }

    /// Makes a range read as zeros; whole pages give their space back.
    pub fn zero(&mut self, offset: u64, len: u64) {
        let end = (offset + len).min(self.pages.len() as u64 * PAGE as u64) as usize;
        let mut at = offset as usize;
        while at < end {
            let start = at % PAGE;
            let count = (PAGE - start).min(end - at);
            if count == PAGE {
                if self.pages[at / PAGE].take().is_some() {
                    self.allocated -= 1;
                }
            } else if let Some(page) = &self.pages[at / PAGE]
                && page.bytes[start..start + count] != ZEROS[..count]
            {
                self.page_mut(at / PAGE)[start..start + count].fill(0);
            }
            at += count;
        }
    }

    /// Zeros everything from `len` on.
    pub fn cut(&mut self, len: u64) {
        let all = self.pages.len() as u64 * PAGE as u64;
        if len < all {
            self.zero(len, all - len);
            self.pages.truncate(len.div_ceil(PAGE as u64) as usize);
        }
    }

    /// A hash of a part of one page; a hole is a page of zeros.
    pub fn piece_hash(&self, page: usize, from: usize, to: usize) -> u64 {
        let page = self.pages.get(page).and_then(Option::as_ref);
        match page {
            Some(page) if from == 0 && to == PAGE => page.hash(),
            None if from == 0 && to == PAGE => zero_page_hash(),
            page => {
                let bytes = page.map_or(&ZEROS, |page| &page.bytes);
                hash::bytes(2, bytes.get(from..to).unwrap_or_default())
            }
        }
    }

    /// A hash of the contents; pages of zeros count as holes.
    pub fn hash(&self, seed: u64) -> u64 {
        let mut combined = seed;
        for (page, index) in self.pages.iter().zip(0u64..) {
            if let Some(page) = page
                && page.bytes != ZEROS
            {
                combined = hash::word(combined, hash::word(index, page.hash()));
            }
        }
        combined
    }
}
