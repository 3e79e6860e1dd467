//! Threads of the operating system: one inserts, others look up and scan what it has published.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::sealed;
use crate::store::Keyspace;
use crate::store::memtable::{Memtable, RowRef};

const READERS: u64 = 2;
/// Miri runs a thousandth as fast.
const ROWS: u64 = if cfg!(miri) { 80 } else { 60_000 };
/// Each key gets several versions. Half of the keys share 24 bytes.
const KEYS: u64 = ROWS / 3;
/// How often the order that is wrong may stay unnoticed.
const ROUNDS: usize = 200;

/// The key that is written at a sequence.
fn key(sequence: u64) -> Vec<u8> {
    let number = sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let number = (number % KEYS).to_be_bytes();
    match number[7] % 2 {
        0 => number.to_vec(),
        _ => [&[b'p'; 20][..], &number].concat(),
    }
}

fn sequence_in(value: Option<&[u8]>) -> Option<u64> {
    value?.try_into().ok().map(u64::from_be_bytes)
}

/// The sequence of a row whose parts belong together.
fn checked(row: RowRef<'_>) -> Result<u64, String> {
    let sequence = row.sequence;
    let is_whole = sequence_in(row.value) == Some(sequence);
    match is_whole && row.key == Keyspace::DEFAULT.key(&key(sequence)) {
        true => Ok(sequence),
        false => Err(format!("a row of something else: {row:?}")),
    }
}

/// The row of each sequence is found at its place, and by lookups below a sequence.
fn look_up(memtable: &Memtable, sequence: u64, visible: u64) -> Result<(), String> {
    let key = Keyspace::DEFAULT.key(&key(sequence));
    let found = memtable.get(&key, sequence + 1);
    if found.and_then(sequence_in) != Some(sequence) {
        return Err(format!("{sequence} of {visible}: found {found:?}"));
    }
    let newest = memtable.get(&key, visible).and_then(sequence_in);
    if newest.is_none_or(|newest| newest < sequence || newest >= visible) {
        return Err(format!("{sequence} of {visible}: newest {newest:?}"));
    }
    let mut cursor = memtable.cursor();
    cursor.seek(&key, sequence);
    match cursor.row().map(checked).transpose()? {
        Some(at) if at == sequence => Ok(()),
        other => Err(format!("{sequence} of {visible}: a cursor is at {other:?}")),
    }
}

/// A scan in each direction meets all that is visible, in order.
fn scan(memtable: &Memtable, visible: u64) -> Result<(), String> {
    let mut cursor = memtable.cursor();
    for is_forward in [true, false] {
        let (mut count, mut last) = (0, None);
        match is_forward {
            true => cursor.seek(b"", u64::MAX),
            false => cursor.seek_back(&[255; 64], 0),
        }
        while let Some(row) = cursor.row() {
            count += u64::from(checked(row)? < visible);
            let place = (row.key.to_vec(), std::cmp::Reverse(row.sequence));
            let is_next = last.is_none_or(|last| (last < place) == is_forward);
            if !is_next {
                return Err(format!("not in order: {place:?}"));
            }
            last = Some(place);
            match is_forward {
                true => cursor.next(),
                false => cursor.back(),
            }
        }
        if count != visible - 1 {
            return Err(format!("{count} rows below {visible}"));
        }
    }
    Ok(())
}

fn read(
    memtable: &Memtable,
    visible: &AtomicU64,
    is_over: &AtomicBool,
    reader: u64,
) -> Result<(), String> {
    for look in reader.. {
        let ends = is_over.load(Ordering::Acquire);
        let visible = visible.load(Ordering::Acquire);
        if visible > 1 {
            // The newest, and any other.
            look_up(memtable, visible - 1, visible)?;
            look_up(memtable, 1 + look * 7919 % (visible - 1), visible)?;
            if look % 512 == 0 || ends {
                scan(memtable, visible)?;
            }
        }
        if ends {
            break;
        }
    }
    Ok(())
}

/// Inserts rows beside readers; what one of them saw that is wrong.
fn stress(insert: fn(&Memtable, &AtomicU64, u64)) -> Result<(), String> {
    let (memtable, visible) = (Memtable::default(), AtomicU64::new(1));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (memtable, visible, is_over) = (&memtable, &visible, &is_over);
        let readers = (0..READERS)
            .map(|reader| scope.spawn(move || read(memtable, visible, is_over, reader)));
        let readers: Vec<_> = readers.collect();
        for sequence in 1..=ROWS {
            insert(memtable, visible, sequence);
        }
        is_over.store(true, Ordering::Release);
        let reports = readers.into_iter().map(|reader| reader.join().unwrap());
        reports.collect()
    })
}

fn row(memtable: &Memtable, sequence: u64) {
    let batch = sealed(&[(key(sequence), Some(sequence.to_be_bytes()))]);
    memtable.insert(batch.writes(), sequence);
}

/// [I2] Readers find what was inserted before the visible sequence passed it.
#[test]
fn readers_find_what_is_published() {
    let insert = |memtable: &Memtable, visible: &AtomicU64, sequence| {
        row(memtable, sequence);
        visible.store(sequence + 1, Ordering::Release);
    };
    assert_eq!(stress(insert), Ok(()), "[I2]");
}

/// The wrong order is noticed.
#[test]
fn what_is_published_too_early_is_noticed() {
    let insert = |memtable: &Memtable, visible: &AtomicU64, sequence| {
        visible.store(sequence + 1, Ordering::Release);
        row(memtable, sequence);
    };
    assert!((0..ROUNDS).any(|_| stress(insert).is_err()));
}
