//! Tests of frames and marks.

use super::*;

fn header() -> FrameHeader {
    FrameHeader {
        kind: FrameKind::Commit,
        first: TxOffset::new(3),
        durable_through: TxOffset::new(2),
        epoch: Epoch::new(1),
        tx_count: 2,
        payload_len: 40,
        payload_checksum: 7,
        prev: 8,
        durable_bytes: 9,
    }
}

fn seed() -> Seed {
    Seed::new(LogId::new([1; 16]), TxOffset::new(0))
}

#[test]
fn what_is_encoded_is_decoded() {
    let at = ByteOffset::new(96);
    let (bytes, checksum) = header().encode(seed(), at);
    assert_eq!(
        FrameHeader::decode(&bytes, seed(), at),
        Ok((header(), checksum))
    );
}

#[test]
fn every_flipped_bit_is_found() {
    let at = ByteOffset::new(96);
    let (bytes, _) = header().encode(seed(), at);
    for bit in 0..FRAME_HEADER_BYTES * 8 {
        let mut damaged = bytes;
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(
            FrameHeader::decode(&damaged, seed(), at).is_err(),
            "bit {bit}"
        );
    }
}

#[test]
fn a_frame_is_valid_at_one_place_only() {
    let at = ByteOffset::new(96);
    let (bytes, _) = header().encode(seed(), at);
    let refused = |seed, at| FrameHeader::decode(&bytes, seed, at).is_err();
    assert!(refused(seed(), at.plus(1)));
    assert!(refused(
        Seed::new(LogId::new([1; 16]), TxOffset::new(1)),
        at
    ));
    assert!(refused(
        Seed::new(LogId::new([2; 16]), TxOffset::new(0)),
        at
    ));
}

#[test]
fn counts_and_lengths_fit_the_kind() {
    let at = ByteOffset::new(96);
    let check = |header: FrameHeader| FrameHeader::decode(&header.encode(seed(), at).0, seed(), at);
    let field = |header| check(header).unwrap_err().field;
    assert_eq!(
        field(FrameHeader {
            tx_count: 0,
            ..header()
        }),
        "tx count"
    );
    assert_eq!(
        field(FrameHeader {
            tx_count: 11,
            ..header()
        }),
        "payload length"
    );
    let mark = FrameHeader {
        kind: FrameKind::Seal,
        tx_count: 0,
        payload_len: 8,
        ..header()
    };
    assert!(check(mark).is_ok());
    assert_eq!(
        field(FrameHeader {
            tx_count: 1,
            ..mark
        }),
        "tx count"
    );
    assert_eq!(
        field(FrameHeader {
            payload_len: 9,
            ..mark
        }),
        "payload length"
    );
    assert_eq!(
        field(FrameHeader {
            payload_len: 7,
            ..mark
        }),
        "payload length"
    );
}

#[test]
fn a_mark_is_a_frame_with_a_number() {
    let at = ByteOffset::new(96);
    let place = Place {
        epoch: Epoch::FIRST,
        next: TxOffset::new(5),
        prev: 1,
        durable_through: TxOffset::new(4),
        durable_bytes: 96,
    };
    for kind in [2, 3, 4, 5, 6].map(|byte| FrameKind::from_byte(byte).unwrap()) {
        let (bytes, checksum) = Mark { kind, number: 77 }.encode(&place, seed(), at);
        let (head, payload) = bytes.split_first_chunk().unwrap();
        let (header, decoded) = FrameHeader::decode(head, seed(), at).unwrap();
        assert_eq!(
            (header.kind, header.frame_bytes()),
            (kind, MARK_BYTES as u64)
        );
        assert_eq!((decoded, header.end(at)), (checksum, Ok(TxOffset::new(5))));
        assert_eq!(Mark::number(payload, at), Ok(77));
    }
}

#[test]
fn an_end_beyond_the_last_offset_is_refused() {
    let last = FrameHeader {
        first: TxOffset::new(u64::MAX - 1),
        ..header()
    };
    assert_eq!(last.end(ByteOffset::new(0)).unwrap_err().field, "tx count");
}
