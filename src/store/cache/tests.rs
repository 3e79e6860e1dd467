//! Tests of the cache.

use super::*;
use crate::codec::ByteOffset;
use crate::store::block::BlockBuilder;

/// A block of about this size.
fn block(bytes: usize) -> Block {
    let mut builder = BlockBuilder::default();
    builder.push(b"key", 1, Some(&vec![7; bytes]));
    let bytes = builder.finish(7, 3);
    Block::decode(bytes.into(), 7, 3, ByteOffset::new(0)).unwrap()
}

fn held(slots: &Slots) -> Vec<usize> {
    let all = 0..slots.slots.len();
    all.filter(|number| slots.get(*number, Caching::Pass).is_some())
        .collect()
}

/// [I1] The budget is kept, whichever tables come and go, and what is read stays longest.
#[test]
fn the_budget_is_kept() {
    let block = block(100);
    let cache = Cache::new(4 * block.bytes() + 10);
    let (one, two) = (cache.slots(10), cache.slots(10));
    for number in 0..10 {
        for slots in [&one, &two] {
            slots.insert(number, &block, Caching::Keep);
            let _ = one.get(0, Caching::Keep);
            assert!(cache.bytes() <= 4 * block.bytes(), "[I1]");
        }
    }
    assert!(
        held(&one).contains(&0),
        "what is read again and again stays"
    );
    assert_eq!(held(&one).len() + held(&two).len(), 4);
    assert_eq!(cache.misses(), 20);
    drop(two);
    assert_eq!(cache.bytes(), held(&one).len() as u64 * block.bytes());
    for number in 0..10 {
        one.insert(number, &block, Caching::Keep);
    }
    assert_eq!(held(&one).len(), 4);
    drop(one);
    assert_eq!(cache.bytes(), 0);
    let three = cache.slots(2);
    three.insert(1, &block, Caching::Keep);
    assert_eq!(
        held(&three),
        [1],
        "tables that are gone do not stop the hand"
    );
}

/// A block that is larger than the budget is not kept, and nothing makes room for it.
#[test]
fn a_block_larger_than_the_budget_is_not_kept() {
    let (small, large) = (block(10), block(1_000));
    let cache = Cache::new(500);
    let slots = cache.slots(2);
    slots.insert(0, &small, Caching::Keep);
    slots.insert(1, &large, Caching::Keep);
    assert_eq!((held(&slots), cache.bytes()), (vec![0], small.bytes()));
}

/// [I2] Whoever passes by inserts nothing, evicts nothing and saves no block from the hand; who
/// takes what is spare evicts nothing.
#[test]
fn who_passes_by_changes_nothing() {
    let block = block(100);
    let cache = Cache::new(3 * block.bytes());
    let slots = cache.slots(10);
    slots.insert(5, &block, Caching::Pass);
    assert_eq!(held(&slots), [] as [usize; 0], "[I2]");
    for number in 0..5 {
        slots.insert(number, &block, Caching::Spare);
    }
    assert_eq!(held(&slots), [0, 1, 2]);
    let _ = slots.get(0, Caching::Spare);
    let _ = slots.get(0, Caching::Pass);
    slots.insert(7, &block, Caching::Keep);
    assert_eq!(held(&slots), [1, 2, 7], "[I2]");
}

/// Nobody waits for a block that is being read: it stays, and another one goes, or none is kept.
#[test]
fn a_block_that_is_held_stays() {
    let block = block(100);
    let cache = Cache::new(2 * block.bytes());
    let slots = cache.slots(10);
    slots.insert(0, &block, Caching::Keep);
    slots.insert(1, &block, Caching::Keep);
    let zero = slots.get(0, Caching::Keep);
    slots.insert(2, &block, Caching::Keep);
    assert_eq!(held(&slots), [0, 2]);
    let two = slots.get(2, Caching::Keep);
    slots.insert(3, &block, Caching::Keep);
    assert_eq!(
        (held(&slots), cache.bytes()),
        (vec![0, 2], 2 * block.bytes())
    );
    drop((zero, two));
    slots.insert(3, &block, Caching::Keep);
    assert!(held(&slots).contains(&3));
}
