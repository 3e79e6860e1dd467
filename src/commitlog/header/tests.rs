//! Tests of the header of a segment.

use super::*;

/// The header of a segment of a log in format 1.
const OF_FORMAT_1: [u8; 96] = [
    0x42, 0x4c, 0x4b, 0x53, 0x54, 0x4c, 0x4f, 0x47, 0x01, 0x00, 0x00, 0x00, 0x60, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
    0xc1, 0x5c, 0x02, 0x89, 0xec, 0x2d, 0x0a, 0x91, 0x1e, 0x61, 0x39, 0x74, 0x08, 0xab, 0x41, 0x5e,
    0x0b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x0b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x78, 0x66, 0x92, 0x96,
    0x60, 0x00, 0x00, 0x00, 0x6c, 0x26, 0xa5, 0xc1, 0x47, 0x9d, 0x1f, 0xfc, 0x7e, 0xa0, 0xaf, 0x76,
];

fn header() -> SegmentHeader {
    SegmentHeader {
        features: Features {
            compat: 1,
            ro_compat: 2,
            incompat: 4,
        },
        flags: SegmentFlags::FORK,
        log_id: LogId::new([7; 16]),
        first: TxOffset::new(11),
        oldest: TxOffset::new(3),
        incarnation: Incarnation::new(12),
        durable_through: TxOffset::new(13),
        epoch: Epoch::new(14),
        tag: 15,
        durable_bytes: 160,
        predecessor: Some(Predecessor {
            first: TxOffset::new(5),
            header_checksum: 17,
            end_at: ByteOffset::new(300),
            end_tx: TxOffset::new(11),
            end_checksum: 18,
        }),
        cut_epoch: Some(Epoch::new(13)),
    }
}

/// The first segment of a log.
fn first() -> SegmentHeader {
    SegmentHeader {
        flags: SegmentFlags::NONE,
        predecessor: None,
        cut_epoch: None,
        ..header()
    }
}

fn with_predecessor(change: impl FnOnce(&mut Predecessor)) -> SegmentHeader {
    let mut header = header();
    change(header.predecessor.as_mut().expect("it has one"));
    header
}

/// A header that was changed and then got the right checksum.
fn forged(mut bytes: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    change(&mut bytes);
    let covered = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..covered]);
    bytes[covered..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn refused(bytes: &[u8]) -> &'static str {
    match SegmentHeader::decode(bytes) {
        Err(HeaderProblem::Defect(defect)) => defect.field,
        decoded => panic!("{decoded:?}"),
    }
}

#[test]
fn what_is_encoded_is_decoded() {
    for header in [header(), first()] {
        assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header));
        let longer = [&header.encode()[..], &[1, 2, 3]].concat();
        assert_eq!(SegmentHeader::decode(&longer), Ok(header));
    }
    // What it follows may be nothing but zeros.
    let zeros = Predecessor {
        first: TxOffset::ZERO,
        header_checksum: 0,
        end_at: ByteOffset::new(0),
        end_tx: TxOffset::ZERO,
        end_checksum: 0,
    };
    let follows_zeros = SegmentHeader {
        predecessor: Some(zeros),
        ..header()
    };
    let encoded = follows_zeros.encode();
    assert_eq!(SegmentHeader::decode(&encoded), Ok(follows_zeros));
}

/// The table in the module's documentation.
#[test]
fn each_field_stands_where_the_table_says() {
    let bytes = header().encode();
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    assert_eq!(bytes[..8], *b"BLKSTLOG");
    assert_eq!([8, 12, 16, 20, 24].map(u32_at), [2, 128, 1, 2, 4]);
    assert_eq!(u32_at(28), 0b101, "a fork that follows a segment");
    assert_eq!(bytes[32..48], [7; 16]);
    assert_eq!([48, 56, 64, 72].map(u64_at), [11, 3, 12, 13]);
    assert_eq!([80, 84, 88, 92].map(u32_at), [14, 15, 160, 300]);
    assert_eq!([96, 104].map(u64_at), [5, 11]);
    assert_eq!([112, 116, 120].map(u32_at), [18, 17, 13]);
    assert_eq!(u32_at(124), crc32fast::hash(&bytes[..124]));
    assert_eq!(header().checksum(), u32_at(124));
    let bytes = first().encode();
    assert_eq!((bytes[28], &bytes[92..124]), (0, &[0; 32][..]));
}

#[test]
fn every_flipped_bit_is_found() {
    let bytes = header().encode();
    for bit in 0..SEGMENT_HEADER_BYTES * 8 {
        let mut damaged = bytes;
        damaged[bit / 8] ^= 1 << (bit % 8);
        let problem = SegmentHeader::decode(&damaged).unwrap_err();
        assert!(
            matches!(problem, HeaderProblem::Defect(_)),
            "bit {bit}: {problem:?}"
        );
    }
}

#[test]
fn every_shorter_prefix_is_refused() {
    let bytes = header().encode();
    for len in 0..SEGMENT_HEADER_BYTES {
        assert!(SegmentHeader::decode(&bytes[..len]).is_err(), "{len} bytes");
    }
}

/// [I1] The format before this one is refused by its number.
#[test]
fn a_header_of_format_1_is_refused_by_name() {
    let version_1 = Err(HeaderProblem::UnknownVersion(1));
    assert_eq!(SegmentHeader::decode(&OF_FORMAT_1), version_1, "[I1]");
    let behind_it = [&OF_FORMAT_1[..], &[0; 96]].concat();
    assert_eq!(SegmentHeader::decode(&behind_it), version_1, "[I1]");
    for bit in 0..OF_FORMAT_1.len() * 8 {
        let mut damaged = OF_FORMAT_1;
        damaged[bit / 8] ^= 1 << (bit % 8);
        let problem = SegmentHeader::decode(&damaged).unwrap_err();
        assert!(
            matches!(problem, HeaderProblem::Defect(_)),
            "[I1] bit {bit}"
        );
    }
}

/// [I1] A later version may have a header of any length, and is believed with its checksum only.
#[test]
fn a_version_is_told_only_by_a_whole_header() {
    for len in [20_usize, 64, 128, 129, 200, 4096] {
        let later = forged(vec![0xAA; len], |bytes| {
            bytes[..8].copy_from_slice(&MAGIC);
            bytes[8..12].copy_from_slice(&3_u32.to_le_bytes());
            bytes[12..16].copy_from_slice(&(len as u32).to_le_bytes());
        });
        let version_3 = Err(HeaderProblem::UnknownVersion(3));
        assert_eq!(SegmentHeader::decode(&later), version_3, "[I1] {len}");
        assert_eq!(refused(&later[..len - 1]), "segment header", "[I1] {len}");
        let mut torn = later;
        torn[len - 1] ^= 1;
        assert_eq!(refused(&torn), "header checksum", "[I1] {len}");
    }
}

#[test]
fn lengths_that_no_header_has_are_refused() {
    for (version, len) in [
        (2_u32, 127_u32),
        (2, 129),
        (2, 0),
        (3, 0),
        (3, 19),
        (3, 4097),
        (3, u32::MAX),
    ] {
        let bytes = forged(vec![0; 8192], |bytes| {
            bytes[..8].copy_from_slice(&MAGIC);
            bytes[8..12].copy_from_slice(&version.to_le_bytes());
            bytes[12..16].copy_from_slice(&len.to_le_bytes());
        });
        assert_eq!(refused(&bytes), "header length", "{version}, {len}");
    }
}

#[test]
fn unknown_flags_are_refused() {
    for bit in 3..32 {
        let bytes = forged(header().encode().to_vec(), |bytes| {
            let flags = 0b101_u32 | 1 << bit;
            bytes[28..32].copy_from_slice(&flags.to_le_bytes());
        });
        assert_eq!(refused(&bytes), "flags", "bit {bit}");
    }
}

/// A successor names a header by its checksum.
#[test]
fn there_is_one_form_of_a_header_only() {
    let with =
        |header: SegmentHeader, at: usize| forged(header.encode().to_vec(), |bytes| bytes[at] = 1);
    for at in 92..120 {
        assert_eq!(refused(&with(first(), at)), "unused byte", "{at}");
    }
}

#[test]
fn offsets_stand_in_the_order_that_a_writer_leaves() {
    let tx = TxOffset::new;
    let oldest = |oldest| SegmentHeader { oldest, ..header() };
    let durable_through = |durable_through| SegmentHeader {
        durable_through,
        ..header()
    };
    let before =
        |first, end| with_predecessor(|before| (before.first, before.end_tx) = (first, end));
    let end_of_the_one_before = Some("predecessor's end: tx offset");
    for (header, expected) in [
        (oldest(tx(11)), None),
        (oldest(tx(12)), Some("oldest tx offset")),
        (durable_through(tx(11)), None),
        (durable_through(tx(10)), Some("durable through")),
        (before(tx(10), tx(11)), None),
        (before(tx(11), tx(11)), end_of_the_one_before),
        (before(tx(5), tx(12)), end_of_the_one_before),
        // A loss.
        (before(tx(5), tx(9)), None),
    ] {
        let decoded = SegmentHeader::decode(&header.encode());
        let field = match decoded {
            Ok(_) => None,
            Err(HeaderProblem::Defect(defect)) => Some(defect.field),
            Err(problem) => panic!("{problem:?}"),
        };
        assert_eq!(field, expected, "{header:?}");
    }
}

#[test]
fn a_loss_reaches_from_the_end_before_to_the_segment() {
    let tx = TxOffset::new;
    let ends_at = |end, flags| SegmentHeader {
        flags,
        ..with_predecessor(|before| before.end_tx = end)
    };
    let starts = |oldest, flags| SegmentHeader {
        oldest,
        flags,
        ..first()
    };
    let (none, loss) = (SegmentFlags::NONE, SegmentFlags::LOSS);
    for (header, expected) in [
        (ends_at(tx(9), loss), Some(tx(9)..tx(11))),
        (ends_at(tx(11), loss), None),
        (ends_at(tx(9), none), None),
        (ends_at(tx(9), SegmentFlags::FORK), None),
        (
            ends_at(tx(9), loss.with(SegmentFlags::FORK)),
            Some(tx(9)..tx(11)),
        ),
        (starts(tx(3), loss), Some(tx(3)..tx(11))),
        (starts(tx(11), loss), None),
        (starts(tx(3), none), None),
    ] {
        assert_eq!(header.loss(), expected, "{header:?}");
    }
}

#[test]
fn the_first_frame_continues_the_segment_before_in_this_creation_alone() {
    let start = header().start();
    assert_eq!((start.at.get(), start.next), (128, TxOffset::new(11)));
    // What is known only once the content is written changes nothing.
    let complete = SegmentHeader {
        durable_bytes: 999,
        durable_through: TxOffset::new(99),
        ..header()
    };
    assert_eq!(complete.start(), start);
    let other_creation = SegmentHeader {
        tag: 16,
        ..header()
    };
    assert_ne!(other_creation.start().prev, start.prev);
    let other_history = with_predecessor(|before| before.end_checksum = 19);
    assert_ne!(other_history.start().prev, start.prev);
}
