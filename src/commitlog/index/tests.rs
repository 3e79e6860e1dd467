//! The offset index: what it finds, and that damage to it is found.

use super::*;

fn link(number: u64) -> Link {
    Link {
        at: ByteOffset::new(100 * number),
        prev: number as u32,
        next: TxOffset::new(10 * number),
    }
}

fn of() -> IndexOf {
    IndexOf {
        log_id: LogId::new([1; 16]),
        first: TxOffset::ZERO,
        epoch: Epoch::FIRST,
        len: ByteOffset::new(5000),
    }
}

fn index() -> SparseIndex {
    let mut index = SparseIndex::new(200);
    (1..20).for_each(|number| index.add(link(number)));
    index
}

#[test]
fn places_are_an_interval_apart_and_found() {
    let index = index();
    let kept: Vec<_> = index.links.iter().map(|link| link.at.get()).collect();
    assert_eq!(kept, (1..10).map(|number| 200 * number).collect::<Vec<_>>());
    assert_eq!(index.before(TxOffset::new(19)), None);
    assert_eq!(index.before(TxOffset::new(20)), Some(link(2)));
    assert_eq!(index.before(TxOffset::new(59)), Some(link(4)));
    assert_eq!(index.before(TxOffset::new(u64::MAX)), Some(link(18)));
}

#[test]
fn what_is_taken_back_is_forgotten() {
    let mut index = index();
    index.cut(ByteOffset::new(600));
    assert_eq!(index.before(TxOffset::new(u64::MAX)), Some(link(4)));
    index.cut(ByteOffset::new(0));
    assert!(index.is_empty());
}

#[test]
fn what_is_encoded_is_decoded() {
    let bytes = encode(of(), &index());
    assert_eq!(decode(&bytes, of(), 200), Ok(index()));
    assert_eq!(decode_index(&bytes, of()), Ok(9));
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let bytes = encode(of(), &index());
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(decode_index(&damaged, of()).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(decode_index(&bytes[..len], of()).is_err(), "{len} bytes");
    }
}

#[test]
fn the_index_of_another_segment_or_state_is_refused() {
    let bytes = encode(of(), &index());
    let refused = |change: fn(&mut IndexOf)| {
        let mut other = of();
        change(&mut other);
        decode_index(&bytes, other).unwrap_err().field
    };
    assert_eq!(refused(|of| of.log_id = LogId::new([2; 16])), "segment");
    assert_eq!(refused(|of| of.first = TxOffset::new(1)), "segment");
    assert_eq!(refused(|of| of.epoch = Epoch::new(2)), "segment");
    assert_eq!(refused(|of| of.len = of.len.plus(1)), "segment");
}

#[test]
fn counts_and_orders_that_lie_are_refused() {
    let bytes = encode(of(), &index());
    let lie = |edit: fn(&mut [u8])| {
        let mut bytes = bytes.clone();
        edit(&mut bytes);
        let covered = bytes.len() - 4;
        let checksum = crc32fast::hash(&bytes[..covered]);
        bytes[covered..].copy_from_slice(&checksum.to_le_bytes());
        decode_index(&bytes, of()).unwrap_err().field
    };
    assert_eq!(lie(|bytes| bytes[15] = 0xFF), "number of entries");
    assert_eq!(lie(|bytes| bytes[8] = 2), "format version");
    assert_eq!(lie(|bytes| bytes.copy_within(52..68, 84)), "entry");
}
