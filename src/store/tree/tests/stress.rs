//! Threads of the operating system: one applies batches, others look up the newest.

use std::sync::atomic::AtomicBool;

use super::*;

const READERS: u64 = 2;
const BATCHES: u64 = 30_000;
/// How often the order that is wrong may stay unnoticed.
const ROUNDS: usize = 200;

fn key(sequence: u64) -> String {
    format!("key {}", sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Looks up what the newest visible batch wrote.
fn read(tree: &Tree, is_over: &AtomicBool) -> Result<(), String> {
    loop {
        let ends = is_over.load(Ordering::Acquire);
        let layers = tree.pin();
        let visible = tree.visible();
        if visible > 1 {
            let key = Keyspace::DEFAULT.key(key(visible - 1).as_bytes());
            if layers.get_with(&key, visible, |_| ()).unwrap().is_none() {
                return Err(format!("nothing of batch {}", visible - 1));
            }
        }
        if ends {
            return Ok(());
        }
    }
}

/// Applies batches beside readers; what one of them missed.
fn stress(apply: fn(&Tree, &SealedBatch, u64)) -> Result<(), String> {
    let (tree, is_over) = (tree(64 << 10), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (tree, is_over) = (&tree, &is_over);
        let readers = (0..READERS).map(|_| scope.spawn(move || read(tree, is_over)));
        let readers: Vec<_> = readers.collect();
        for sequence in 1..=BATCHES {
            apply(tree, &batch(&key(sequence)), sequence);
        }
        is_over.store(true, Ordering::Release);
        let reports = readers.into_iter().map(|reader| reader.join().unwrap());
        reports.collect()
    })
}

/// [I2] What is below `visible` is in a memtable, also while one is frozen.
#[test]
fn readers_find_what_is_visible() {
    let apply = |tree: &Tree, batch: &SealedBatch, sequence| {
        tree.apply(batch.writes(), sequence);
    };
    assert_eq!(stress(apply), Ok(()), "[I2]");
}

/// The wrong order is noticed.
#[test]
fn what_is_visible_too_early_is_noticed() {
    let apply = |tree: &Tree, batch: &SealedBatch, sequence| {
        tree.visible.store(sequence + 1, Ordering::Release);
        tree.apply(batch.writes(), sequence);
    };
    assert!((0..ROUNDS).any(|_| stress(apply).is_err()));
}
