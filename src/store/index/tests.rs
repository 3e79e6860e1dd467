//! Tests of the index.

use super::*;

type Places = Vec<(Vec<u8>, u64)>;

fn build(places: &Places) -> Vec<u8> {
    let mut builder = IndexBuilder::default();
    for (key, sequence) in places {
        builder.push(10, key, *sequence);
    }
    builder.finish(7)
}

fn decode(bytes: &[u8], blocks: usize) -> Result<Index, Defect> {
    Index::decode(bytes, 7, ByteOffset::new(10 * blocks as u64))
}

/// A number that looks random.
fn mixed(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
}

/// Keys of several kinds: random; of a few tenants, then random; as the logs of many tables have
/// them; long ones; one key with many sequences.
fn shapes() -> Vec<Places> {
    let random = |at: u64| {
        [
            &[0, 0, 0, 1][..],
            &mixed(at).to_be_bytes(),
            &mixed(at + 1).to_be_bytes(),
        ]
        .concat()
    };
    let of_tenants = |at: u64| {
        let tenant = mixed(at % 7).to_be_bytes();
        [
            &[0, 0, 0, 1][..],
            &tenant,
            &mixed(at).to_be_bytes(),
            &[3; 4],
        ]
        .concat()
    };
    let of_tables = |at: u64| {
        let (region, table) = (at % 3, at % 12);
        let numbers = [region, table, at].map(u64::to_be_bytes).concat();
        [&[0, 0, 0, 9, 1][..], &numbers, &[0]].concat()
    };
    let sorted = |key: &dyn Fn(u64) -> Vec<u8>| {
        let mut keys: Vec<_> = (0..500).map(|at| (key(at), at % 3)).collect();
        keys.sort();
        keys
    };
    let versions = (0..40).map(|at| (b"one key".to_vec(), 99 - at));
    let more = (0..40_u8).map(|at| (vec![b'p', at], 1));
    let long = |at: u64| {
        [
            vec![b'x'; 3_000 + at as usize % 5],
            at.to_be_bytes().to_vec(),
        ]
        .concat()
    };
    vec![
        vec![],
        vec![(vec![], 4)],
        vec![(vec![], 4), (vec![], 3), (vec![0], 9)],
        sorted(&random),
        sorted(&of_tenants),
        sorted(&of_tables),
        sorted(&long)[..60].to_vec(),
        versions.chain(more).collect(),
    ]
}

/// [I1] A seek finds the first block that does not end before a place, whatever the groups.
#[test]
fn a_seek_finds_what_a_walk_finds() {
    for places in shapes() {
        let index = decode(&build(&places), places.len()).unwrap();
        assert_eq!(index.len(), places.len());
        for (block, (key, sequence)) in places.iter().enumerate() {
            assert_eq!(index.last_key(block), key);
            assert_eq!(
                index.range(block),
                10 * block as u64..10 * block as u64 + 10
            );
            let longer = [key.as_slice(), b"\0"].concat();
            let shorter = &key[..key.len().saturating_sub(1)];
            for key in [
                key.as_slice(),
                &longer,
                shorter,
                b"",
                b"\xFF",
                b"\0\0\0\x01\x80",
            ] {
                for sequence in [0, *sequence, sequence + 1, u64::MAX] {
                    let is_before = |place: &&(Vec<u8>, u64)| {
                        let order = place.0.as_slice().cmp(key);
                        order.then(sequence.cmp(&place.1)).is_lt()
                    };
                    let walked = places.iter().take_while(is_before).count();
                    assert_eq!(index.seek(key, sequence), walked, "[I1] {key:?} {sequence}");
                }
            }
        }
    }
}

/// [I2] Keys of a few tenants have a group for each, and heads that differ.
#[test]
fn keys_with_few_beginnings_have_heads_of_their_own() {
    for places in shapes() {
        let index = decode(&build(&places), places.len()).unwrap();
        let mut start = 0;
        for (at, group) in index.groups.iter().enumerate() {
            let is_last = at + 1 == index.groups.len();
            assert!(group.end - start >= 2 || is_last, "[I2]");
            let heads = &index.heads[start..group.end];
            let keys = (start..group.end).map(|block| index.last_key(block));
            let ties = heads.windows(2).filter(|pair| pair[0] == pair[1]).count();
            let keys: std::collections::BTreeSet<_> = keys.collect();
            assert!(ties == 0 || keys.len() < heads.len(), "[I2] {ties}");
            start = group.end;
        }
    }
    let count = |at: usize| {
        decode(&build(&shapes()[at]), shapes()[at].len())
            .unwrap()
            .groups
            .len()
    };
    assert_eq!((count(3), count(4)), (1, 7));
}

/// Whatever the bytes, an index is refused or safe to search; one that was changed is refused.
#[test]
fn an_index_that_was_changed_is_refused() {
    for places in shapes() {
        let places = places[..places.len().min(20)].to_vec();
        let whole = build(&places);
        let at = ByteOffset::new(10 * places.len() as u64);
        assert!(Index::decode(&whole, 8, at).is_err());
        assert!(Index::decode(&whole, 7, at.plus(1)).is_err());
        for at in 0..whole.len().min(600) {
            assert!(decode(&whole[..at], places.len()).is_err());
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            let refused = decode(&changed, places.len()).unwrap_err();
            assert_eq!(refused.field, "checksum");
            let end = changed.len() - 4;
            let sum = checksum(7, NUMBER, &changed[..end]).to_le_bytes();
            changed[end..].copy_from_slice(&sum);
            if let Ok(index) = decode(&changed, places.len()) {
                let _ = (index.seek(b"a", 1), index.seek(b"", 0), index.bytes());
            }
        }
    }
}
