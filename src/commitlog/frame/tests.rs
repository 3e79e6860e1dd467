//! Tests of frames: where one is valid, and that any change to one is found.

use super::*;

const AT: ByteOffset = ByteOffset::new(4096);

fn key() -> FrameKey {
    FrameKey::new(LogId::new([1; 16]), TxOffset::new(10), Some(7))
}

fn commit(payload_len: u32, tx_count: u32) -> FrameHeader {
    FrameHeader {
        kind: FrameKind::Commit,
        tag: 7,
        prev: 8,
        payload_len,
        tx_count,
        first: TxOffset::new(13),
        durable_bytes: 128,
    }
}

fn close() -> FrameHeader {
    FrameHeader {
        kind: FrameKind::Close,
        ..commit(0, 0)
    }
}

/// A frame as its writer leaves it at [`AT`], and its checksum.
fn sealed(header: &FrameHeader) -> (Vec<u8>, u32) {
    let mut buffer = vec![0; FRAME_HEADER_BYTES];
    buffer.extend((0..header.payload_len).map(|at| at as u8 | 1));
    let checksum = seal(&mut buffer, 0, header, &key(), AT);
    (buffer, checksum)
}

/// Checks what the header's checksum covers of `bytes`, as a reader does.
fn check(bytes: &[u8], key: &FrameKey, at: ByteOffset) -> Result<(FrameHeader, u32), Defect> {
    FrameHeader::decode(bytes, key, at)
}

/// The field that is refused in a frame which was changed and then got the right checksum.
fn refused(header: &FrameHeader, change: impl FnOnce(&mut [u8])) -> &'static str {
    let (mut bytes, _) = sealed(header);
    change(&mut bytes);
    let raw = RawHeader::new(*bytes.first_chunk().expect("a header"));
    let covered = FRAME_HEADER_BYTES + raw.covered_payload_len() as usize;
    let checksum = key().checksum(AT, &bytes[4..covered]);
    bytes[..4].copy_from_slice(&checksum.to_le_bytes());
    check(&bytes, &key(), AT).expect_err("refused").field
}

#[test]
fn what_is_sealed_is_checked_and_decoded() {
    for payload_len in [4, 1023, 1024, 1025, 5000] {
        let header = commit(payload_len, 1);
        let (bytes, checksum) = sealed(&header);
        assert_eq!(check(&bytes, &key(), AT), Ok((header, checksum)));
        assert_eq!(bytes.len() as u64, header.frame_bytes(), "{payload_len}");
    }
    let (bytes, checksum) = sealed(&close());
    assert_eq!(bytes.len(), FRAME_HEADER_BYTES);
    assert_eq!(check(&bytes, &key(), AT), Ok((close(), checksum)));
}

#[test]
fn what_is_cut_short_is_refused() {
    for header in [commit(40, 2), commit(1025, 1), close()] {
        let (bytes, _) = sealed(&header);
        let covered = match header.is_large() {
            true => FRAME_HEADER_BYTES,
            false => bytes.len(),
        };
        for len in 0..covered {
            assert!(check(&bytes[..len], &key(), AT).is_err(), "{len}");
        }
        assert!(check(&bytes[..covered], &key(), AT).is_ok());
    }
}

#[test]
fn only_a_large_payload_has_a_checksum_behind_it() {
    for (payload_len, trailer_bytes) in [(0, 0), (4, 0), (1023, 0), (1024, 0), (1025, 4)] {
        let header = commit(payload_len, 1);
        let whole = FRAME_HEADER_BYTES as u64 + u64::from(payload_len) + trailer_bytes;
        assert_eq!(header.frame_bytes(), whole, "{payload_len}");
        assert_eq!(header.is_large(), trailer_bytes > 0, "{payload_len}");
    }
    let (bytes, _) = sealed(&commit(1025, 1));
    let (payload, trailer) = bytes[FRAME_HEADER_BYTES..].split_at(1025);
    assert_eq!(trailer, crc32fast::hash(payload).to_le_bytes());
}

/// The table in the module's documentation.
#[test]
fn each_field_stands_where_the_table_says() {
    let (bytes, checksum) = sealed(&commit(1025, 1));
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
    assert_eq!(u32_at(0), checksum);
    assert_eq!(bytes[4..8], [0xF5, 0x4B, 1, 0]);
    assert_eq!([8, 12, 16, 20].map(u32_at), [7, 8, 1025, 1]);
    assert_eq!([24, 28].map(u32_at), [3, 128], "13 is 3 behind 10");
    assert_eq!(sealed(&close()).0[6], 2);
}

#[test]
fn every_flipped_bit_that_the_first_checksum_covers_is_found() {
    for header in [commit(40, 2), commit(1024, 1), commit(1025, 1), close()] {
        let (mut bytes, _) = sealed(&header);
        let covered = match header.is_large() {
            true => FRAME_HEADER_BYTES,
            false => bytes.len(),
        };
        // So that a changed length finds bytes to cover.
        bytes.resize(bytes.len() + 2048, 0xAA);
        for bit in 0..covered * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let checked = check(&bytes, &key(), AT);
            assert!(checked.is_err(), "{header:?}, bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(check(&bytes, &key(), AT).is_ok());
    }
}

/// [I1] No more than a small payload is ever asked for before the checksum was compared.
#[test]
fn a_length_above_the_small_ones_is_not_believed_before_the_checksum() {
    for len in [0, 1, 1024, 1025, 4096, 1 << 30, u32::MAX] {
        let mut bytes = [0xAA; FRAME_HEADER_BYTES];
        bytes[16..20].copy_from_slice(&len.to_le_bytes());
        let covered = RawHeader::new(bytes).covered_payload_len();
        let expected = if len <= SMALL_PAYLOAD_BYTES_MAX {
            len
        } else {
            0
        };
        assert_eq!(covered, expected, "[I1] {len}");
    }
}

/// [I2] and [I3]: log, segment, position and creation tag decide, and no frame before is asked for.
#[test]
fn a_frame_is_valid_at_one_place_of_one_segment_only() {
    let field = |bytes: &[u8], key: &FrameKey, at| check(bytes, key, at).err().map(|it| it.field);
    let (log_id, first) = (LogId::new([1; 16]), TxOffset::new(10));
    for header in [commit(40, 2), commit(1025, 1), close()] {
        let (bytes, _) = sealed(&header);
        let elsewhere = |key: FrameKey, at| field(&bytes, &key, at);
        let checksum = Some("frame checksum");
        assert_eq!(elsewhere(key(), AT), None);
        for away in [1, 32, 4096, 1 << 31] {
            assert_eq!(elsewhere(key(), AT.plus(away)), checksum, "[I2] {away}");
        }
        let other_log = FrameKey::new(LogId::new([2; 16]), first, Some(7));
        assert_eq!(elsewhere(other_log, AT), checksum, "[I2]");
        let other_segment = FrameKey::new(log_id, TxOffset::new(11), Some(7));
        assert_eq!(elsewhere(other_segment, AT), checksum, "[I2]");
        let other_creation = FrameKey::new(log_id, first, Some(8));
        assert_eq!(elsewhere(other_creation, AT), Some("creation tag"), "[I2]");
        let any_creation = FrameKey::new(log_id, first, None);
        assert_eq!(elsewhere(any_creation, AT), None);
        let tagged = any_creation.tagged(8);
        assert_eq!(elsewhere(tagged, AT), Some("creation tag"));
    }
}

#[test]
fn counts_and_lengths_fit_the_kind() {
    let field = |header: FrameHeader| {
        let (bytes, _) = sealed(&header);
        check(&bytes, &key(), AT).err().map(|defect| defect.field)
    };
    let close = |payload_len, tx_count| FrameHeader {
        kind: FrameKind::Close,
        ..commit(payload_len, tx_count)
    };
    for (header, expected) in [
        (commit(4, 1), None),
        (commit(8, 2), None),
        (commit(4, 0), Some("tx count")),
        (commit(0, 0), Some("tx count")),
        (commit(0, 1), Some("payload length")),
        (commit(3, 1), Some("payload length")),
        (commit(7, 2), Some("payload length")),
        (commit(2000, 501), Some("payload length")),
        (commit(40, u32::MAX), Some("payload length")),
        (close(0, 0), None),
        (close(0, 1), Some("tx count")),
        (close(4, 0), Some("payload length")),
        (close(1025, 0), Some("payload length")),
    ] {
        assert_eq!(field(header), expected, "{header:?}");
    }
}

#[test]
fn what_has_the_right_checksum_and_no_meaning_is_refused() {
    let header = commit(40, 2);
    assert_eq!(refused(&header, |bytes| bytes[4] = 0), "frame magic");
    for kind in [0, 3, 4, 255] {
        assert_eq!(refused(&header, |bytes| bytes[6] = kind), "frame kind");
    }
    assert_eq!(refused(&header, |bytes| bytes[7] = 1), "frame flags");
}

#[test]
fn offsets_beyond_the_last_one_are_refused() {
    let last = FrameKey::new(LogId::new([1; 16]), TxOffset::new(u64::MAX - 1), Some(7));
    let header = FrameHeader {
        first: TxOffset::new(u64::MAX),
        ..commit(40, 2)
    };
    let mut bytes = vec![0; FRAME_HEADER_BYTES + 40];
    seal(&mut bytes, 0, &header, &last, AT);
    let (decoded, _) = check(&bytes, &last, AT).expect("the offset can be counted");
    let beyond = decoded.end(AT).expect_err("its end cannot");
    assert_eq!((beyond.field, beyond.at), ("tx count", AT.plus(20)));

    bytes[24..28].copy_from_slice(&2_u32.to_le_bytes());
    let checksum = last.checksum(AT, &bytes[4..]);
    bytes[..4].copy_from_slice(&checksum.to_le_bytes());
    let beyond = check(&bytes, &last, AT).expect_err("beyond the last offset");
    assert_eq!(beyond.field, "relative tx offset");
}

#[test]
fn a_frame_is_sealed_behind_others_in_one_buffer() {
    let (one, _) = sealed(&commit(40, 2));
    let mut buffer = one.clone();
    buffer.resize(one.len() + FRAME_HEADER_BYTES, 0);
    buffer.extend([9; 1025]);
    let at = AT.plus(one.len() as u64);
    let checksum = seal(&mut buffer, one.len(), &commit(1025, 1), &key(), at);
    assert_eq!(buffer[..one.len()], one);
    let (_, found) = check(&buffer[one.len()..], &key(), at).expect("a frame");
    assert_eq!(found, checksum);
}
