//! Sets of hashes: what has been seen. They are asked for each image, and that is a large part of
//! its cost.
//!
//! Invariant \[I1\]: what was put in is in; nothing else can be asked, so that there is no order.

/// How many slots a set has at least.
const SLOTS_MIN: usize = 16;

/// A set of hashes that were mixed well already: each is looked for from its own place on.
#[derive(Default)]
pub(super) struct Seen {
    /// A power of two of them, at most three quarters full; 0: free.
    slots: Vec<u64>,
    count: usize,
}

impl Seen {
    /// Puts a hash in; whether it is new.
    pub fn insert(&mut self, hash: u64) -> bool {
        if self.count * 4 >= self.slots.len() * 3 {
            self.grow();
        }
        // One hash in 2^64 shares its place with another.
        self.put(hash.max(1))
    }

    fn put(&mut self, hash: u64) -> bool {
        let last = self.slots.len() - 1;
        let mut at = hash as usize & last;
        loop {
            match self.slots.get_mut(at) {
                Some(slot) if *slot == 0 => {
                    *slot = hash;
                    self.count += 1;
                    return true;
                }
                Some(slot) if *slot == hash => return false,
                _ => at = (at + 1) & last,
            }
        }
    }

    fn grow(&mut self) {
        let slots = vec![0; (self.slots.len() * 2).max(SLOTS_MIN)];
        let old = std::mem::replace(&mut self.slots, slots);
        self.count = 0;
        for hash in old.into_iter().filter(|hash| *hash != 0) {
            self.put(hash);
        }
    }
}

#[cfg(test)]
mod tests;
