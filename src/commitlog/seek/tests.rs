//! Tests of seeking, and of the index that it uses.

use std::path::Path;

use super::*;
use crate::codec::ByteOffset;
use crate::commitlog::directory::Directory;
use crate::commitlog::recovery::{Beforehand, Planned, plan};
use crate::commitlog::segment::Sealed;
use crate::commitlog::state::{Active, Phase, State, TailBuffer};
use crate::commitlog::testing::{Scratch, commit, options, read, tx};
use crate::commitlog::{Durability, ReadOnlyLog};

fn link(number: u64) -> Link {
    Link {
        at: ByteOffset::new(600 * number),
        prev: number as u32,
        next: tx(10 * number),
    }
}

#[test]
fn places_are_an_interval_apart_and_found() {
    let mut index = SparseIndex::new(0);
    (0..20).for_each(|number| index.add(link(number)));
    // Closer than an interval to the last one.
    index.add(Link {
        at: link(19).at.plus(100),
        ..link(20)
    });
    for (tx_offset, expected) in [
        (0, None),
        (9, None),
        (10, Some(link(1))),
        (19, Some(link(1))),
        (20, Some(link(2))),
        (u64::MAX, Some(link(19))),
    ] {
        assert_eq!(index.before(tx(tx_offset)), expected, "{tx_offset}");
    }
    index.cut(ByteOffset::new(1800));
    assert_eq!(index.before(tx(u64::MAX)), Some(link(2)));
    index.cut(ByteOffset::new(0));
    assert_eq!(index.before(tx(u64::MAX)), None);
}

#[test]
fn an_index_is_bounded_by_the_segments_length() {
    let mut index = SparseIndex::new(1 << 30);
    let places = (0..1 << 20).map(|number| Link {
        at: ByteOffset::new(number << 10),
        ..link(number)
    });
    let mut kept = std::collections::BTreeSet::new();
    for place in places {
        index.add(place);
        kept.extend(index.before(tx(u64::MAX)).map(|link| link.at.get()));
    }
    assert!((200..=256).contains(&kept.len()), "{}", kept.len());
}

/// A log of 400 transactions, two in each commit, in one full segment.
fn full() -> Scratch {
    let scratch = Scratch::new();
    let options = options().segment_bytes_max(1 << 20);
    let (log, _) = scratch.open_with(options).unwrap();
    for number in 0..200 {
        let pair = [format!("{number}"), format!("{number}")];
        log.commit(&pair, Durability::Os).unwrap();
        if number % 10 == 0 {
            for from in [0, number, 2 * number] {
                let reader = log.reader(tx(from)).unwrap();
                assert_eq!(read(reader).len() as u64, 2 * (number + 1) - from / 2 * 2);
            }
        }
    }
    log.rotate().unwrap();
    log.close().unwrap();
    scratch
}

fn reads_from(reader: crate::commitlog::Reader, from: u64) {
    let records = read(reader);
    assert_eq!(records.len() as u64, 400 - from / 2 * 2, "{from}");
    let first = format!("{}:{}", from / 2 * 2, from / 2);
    assert_eq!(records[0], first);
}

#[test]
fn every_transaction_is_found_in_a_full_segment_and_in_a_written_one() {
    let scratch = full();
    let (log, _) = ReadOnlyLog::open(&scratch.env, "", options()).unwrap();
    for from in 0..400 {
        reads_from(log.reader(tx(from)).unwrap(), from);
    }
    drop(log);
    // In the newest segment too, behind what was there before.
    let (log, _) = scratch.open();
    commit(&log, &["x"]);
    assert_eq!(read(log.reader(tx(400)).unwrap()), ["400:x"]);
    assert_eq!(read(log.reader(tx(401)).unwrap()), [""; 0]);
}

/// index [I1]: damage to what an index names costs time, or is found.
#[test]
fn a_place_where_no_frame_continues_is_not_used() {
    let scratch = full();
    let name = "00000000000000000000.log";
    let bytes = scratch.read(name);
    let (log, _) = ReadOnlyLog::open(&scratch.env, "", options()).unwrap();
    // The index is made here.
    reads_from(log.reader(tx(390)).unwrap(), 390);
    let start = crate::commitlog::SEGMENT_HEADER_BYTES;
    for at in (start..bytes.len() / 2).step_by(97) {
        scratch.edit(name, |bytes| bytes[at] ^= 2);
        // Any place before the damage leads to it, and any behind is as good as ever.
        match log.reader(tx(390)) {
            Ok(reader) => reads_from(reader, 390),
            Err(LogError::Corrupt { corrupt, .. }) => assert_eq!(corrupt.file, name, "index [I1]"),
            Err(error) => panic!("index [I1] {error}"),
        }
        scratch.write(name, &bytes);
    }
}

/// The log of [`full`] as its readers share it, and its full segment.
fn shared(scratch: &Scratch) -> (Shared, Sealed) {
    let directory = Directory::open(&scratch.env, Path::new("")).unwrap();
    let Planned::Log(plan) = plan(&directory, Beforehand::default()).unwrap() else {
        panic!("there is a log");
    };
    let active = Active {
        segment: Segment::new(plan.newest),
        file: None,
        index: SparseIndex::new(0),
        tail: TailBuffer::default(),
    };
    let (sealed, end) = (plan.sealed[0].clone(), plan.scan.end);
    let state = State::new(plan.sealed.clone(), active, end, tx(0), Phase::Found);
    (Shared::new(directory, plan.log_id(), None, state), sealed)
}

/// index [I1]: each place is changed in each of its parts.
#[test]
fn a_lying_index_costs_time_only() {
    let scratch = full();
    let (honest, sealed) = shared(&scratch);
    let file = honest.open_segment(&sealed.segment).unwrap();
    let find = |shared: &Shared, sealed: &Sealed, tx_offset| {
        let found = seek(shared, &sealed.segment, &file, sealed.end, tx(tx_offset));
        found.expect("index [I1] the segment is good").link()
    };
    let places: Vec<_> = (0..400).map(|from| find(&honest, &sealed, from)).collect();
    for (from, place) in (0..).zip(&places) {
        assert_eq!(place.next, tx(from / 2 * 2));
    }
    let lies: [fn(&mut Link); 5] = [
        |link| link.at = link.at.plus(1),
        |link| link.at = ByteOffset::new(link.at.get() - 1),
        |link| link.prev ^= 1,
        |link| link.next = tx(link.next.get() + 1),
        |link| link.next = tx(link.next.get() - 1),
    ];
    for lie in lies {
        let (lying, sealed) = shared(&scratch);
        let mut index = SparseIndex::new(0);
        places.iter().skip(20).for_each(|place| {
            let mut place = *place;
            lie(&mut place);
            index.add(place);
        });
        assert!(sealed.segment.index.set(index).is_ok());
        for (from, place) in (0..).zip(&places) {
            assert_eq!(find(&lying, &sealed, from), *place, "index [I1] {from}");
        }
    }
}
