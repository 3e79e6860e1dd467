//! Blocks of tables that stay in memory, within one budget for a whole store.
//!
//! Each open table has an array of slots, one for each block: a reader finds a block by its number
//! and hashes nothing. One hand goes round the slots of all tables; a block that it meets twice
//! without a read between goes.
//!
//! Slots and the hand are behind leaf locks: no call of the seam is made while the hand is held. A
//! reader may hold a slot as long as it likes, since nobody waits for one: who would insert or
//! evict there goes on without. Two readers that miss together both read the file.
//!
//! Invariants:
//! - \[I1\] The bytes of blocks in slots are at most the budget.
//! - \[I2\] A reader that only passes by, such as a merge, changes nothing here.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::{MappedRwLockReadGuard, Mutex, RwLock, RwLockReadGuard};

use super::block::Block;

/// How a reader treats the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    /// What it reads is likely to be read again.
    Keep,
    /// It reads a lot: its blocks may have what room there is.
    Spare,
    /// It passes by.
    Pass,
}

/// No block.
const EMPTY: u8 = 0;
/// A block that nobody read since the hand was here.
const UNREAD: u8 = 1;
const READ: u8 = 2;

#[derive(Debug)]
struct Slot {
    block: RwLock<Option<Block>>,
    /// Changed while `block` is locked.
    state: AtomicU8,
}

/// The blocks of a table.
pub(crate) struct Slots {
    slots: Box<[Slot]>,
    cache: Arc<Cache>,
}

/// The budget, and the hand.
#[derive(Debug)]
pub(crate) struct Cache {
    bytes_max: u64,
    bytes: AtomicU64,
    /// Blocks that were read from files.
    misses: AtomicU64,
    hand: Mutex<Hand>,
}

/// The slot that is looked at next.
#[derive(Debug, Default)]
struct Hand {
    tables: Vec<Weak<Slots>>,
    table: usize,
    slot: usize,
}

impl Cache {
    /// A cache of at most this many bytes.
    pub fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            bytes: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            hand: Mutex::default(),
        })
    }

    /// Slots for a table of so many blocks.
    pub fn slots(self: &Arc<Self>, blocks: usize) -> Arc<Slots> {
        let slot = || Slot {
            block: RwLock::new(None),
            state: AtomicU8::new(EMPTY),
        };
        let slots = Arc::new(Slots {
            slots: std::iter::repeat_with(slot).take(blocks).collect(),
            cache: self.clone(),
        });
        self.hand.lock().tables.push(Arc::downgrade(&slots));
        slots
    }

    /// Bytes of the blocks that it holds.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many blocks were not there when they were asked for.
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// [I1] Takes so many bytes of the budget, if there is room, or if some can be made.
    fn reserve(&self, bytes: u64, evicts: bool) -> bool {
        if bytes > self.bytes_max {
            return false;
        }
        let mut hand = self.hand.lock();
        while self.bytes() + bytes > self.bytes_max {
            if !evicts || !hand.evict() {
                return false;
            }
        }
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        assert!(before + bytes <= self.bytes_max, "[I1] within the budget");
        true
    }

    fn release(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Hand {
    /// Takes the next block that nobody read, or reads now, out of its slot; false if there is
    /// none.
    fn evict(&mut self) -> bool {
        // It may begin in the middle; then each block has been passed twice.
        let mut rounds_left = 3;
        while rounds_left > 0 {
            let Some(slots) = self.tables.get(self.table) else {
                (self.table, self.slot) = (0, 0);
                rounds_left -= 1;
                continue;
            };
            let Some(slots) = slots.upgrade() else {
                self.tables.remove(self.table);
                self.slot = 0;
                continue;
            };
            while let Some(slot) = slots.slots.get(self.slot) {
                self.slot += 1;
                if let Some(block) = slot.evict() {
                    slots.cache.release(block.bytes());
                    return true;
                }
            }
            (self.table, self.slot) = (self.table + 1, 0);
        }
        false
    }
}

impl Slot {
    /// Takes the block out, unless it was read since the last time.
    fn evict(&self) -> Option<Block> {
        match self.state.load(Ordering::Relaxed) {
            EMPTY => return None,
            READ => {
                self.state.store(UNREAD, Ordering::Relaxed);
                return None;
            }
            _ => {}
        }
        let block = self.block.try_write()?.take();
        self.state.store(EMPTY, Ordering::Relaxed);
        block
    }
}

impl Slots {
    /// The block of a number, if it is there. It stays there as long as the answer is held.
    #[inline]
    pub fn get(&self, number: usize, caching: Caching) -> Option<MappedRwLockReadGuard<'_, Block>> {
        let slot = &self.slots[number];
        // Recursive: whoever is shown a value may look up others meanwhile.
        let block = slot.block.read_recursive();
        let block = RwLockReadGuard::try_map(block, Option::as_ref).ok()?;
        if caching == Caching::Keep && slot.state.load(Ordering::Relaxed) != READ {
            slot.state.store(READ, Ordering::Relaxed);
        }
        Some(block)
    }

    /// Keeps a block that was just read from the file, if that can be.
    pub fn insert(&self, number: usize, block: &Block, caching: Caching) {
        self.cache.misses.fetch_add(1, Ordering::Relaxed);
        if caching == Caching::Pass {
            return;
        }
        let (slot, bytes) = (&self.slots[number], block.bytes());
        let is_there = slot.state.load(Ordering::Relaxed) != EMPTY;
        if is_there || !self.cache.reserve(bytes, caching == Caching::Keep) {
            return;
        }
        match slot.block.try_write() {
            Some(mut place) if place.is_none() => {
                *place = Some(block.clone());
                slot.state.store(UNREAD, Ordering::Relaxed);
            }
            // Another reader is faster.
            _ => self.cache.release(bytes),
        }
    }

    /// Bytes of memory that the slots take, without their blocks.
    pub fn bytes(&self) -> u64 {
        size_of_val::<[Slot]>(&self.slots) as u64
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // The hand may be held: it is not asked. It meets a table that is gone, and forgets it.
        let blocks = self.slots.iter_mut();
        let blocks = blocks.filter_map(|slot| slot.block.get_mut().as_ref());
        self.cache.release(blocks.map(Block::bytes).sum());
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slots").field(&self.slots.len()).finish()
    }
}

#[cfg(test)]
mod tests;
