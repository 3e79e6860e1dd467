//! Tests of the filter.

use super::*;

fn build(keys: u32) -> Vec<u8> {
    let mut builder = FilterBuilder::default();
    for key in 0..keys {
        builder.push(&key.to_be_bytes());
        builder.push(&key.to_be_bytes());
    }
    assert_eq!(builder.keys.len(), keys as usize, "each key once");
    builder.finish(7)
}

/// [I1] A key that was added passes, and of others about one in a hundred.
#[test]
fn keys_that_were_added_pass() {
    for keys in [0, 1, 50, 51, 1_000, 20_000] {
        let filter = Filter::decode(&build(keys), 7, ByteOffset::new(0)).unwrap();
        let passes = |key: u32| filter.may_have(KeyHash::of(&key.to_be_bytes()));
        assert!((0..keys).all(passes), "[I1] {keys}");
        if keys >= 1_000 {
            let wrong = (keys..keys + 20_000).filter(|key| passes(*key)).count();
            assert!((100..400).contains(&wrong), "{wrong} of 20,000");
        }
    }
}

/// The bits of a key are a part of the format.
#[test]
fn the_bits_of_a_key_stay_the_same() {
    let hash = KeyHash::of(b"blackstart");
    let bits: Vec<u64> = hash.bits().collect();
    assert_eq!(hash, KeyHash(0x8DD3_92B3_EF65_7C63));
    assert_eq!(
        (hash.line(1_000), bits),
        (554, vec![297, 93, 346, 221, 422, 74, 15])
    );
}

/// Whatever the bytes, a filter is refused or safe to ask; one that was changed is refused.
#[test]
fn a_filter_that_was_changed_is_refused() {
    let whole = build(100);
    let decode = |bytes: &[u8]| Filter::decode(bytes, 7, ByteOffset::new(0));
    assert!(Filter::decode(&whole, 8, ByteOffset::new(0)).is_err());
    for at in 0..whole.len() {
        assert!(decode(&whole[..at]).is_err());
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        assert_eq!(decode(&changed).unwrap_err().field, "checksum");
        let end = changed.len() - 4;
        let sum = checksum(7, NUMBER, &changed[..end]).to_le_bytes();
        changed[end..].copy_from_slice(&sum);
        if let Ok(filter) = decode(&changed) {
            let _ = filter.may_have(KeyHash::of(b"key"));
        }
    }
}
