//! Tests of heads.

use super::*;

/// [I1] Heads have the order of their keys, and a seek finds what a walk finds.
#[test]
fn heads_keep_the_order_of_keys() {
    let mut keys: Vec<Vec<u8>> = vec![Vec::new()];
    for byte in [0, 1, 0x7F, 0xFF] {
        for len in 1..11 {
            keys.push(vec![byte; len]);
            keys.push([vec![1; len], vec![byte]].concat());
        }
    }
    keys.sort();
    for pair in keys.windows(2) {
        assert!(head(&pair[0]) <= head(&pair[1]), "[I1] {pair:?}");
    }
    let heads: Vec<u64> = keys.iter().map(|key| head(key)).collect();
    for key in &keys {
        let found = seek(&heads, |head| *head, head(key), |at| keys[at] < *key);
        let walked = keys.iter().take_while(|other| *other < key).count();
        assert_eq!(found, walked, "{key:?}");
    }
}

#[test]
fn a_key_without_the_prefix_is_before_or_behind() {
    assert_eq!(rest(b"abc", b"ab"), Ok(&b"c"[..]));
    assert_eq!(rest(b"ab", b"ab"), Ok(&b""[..]));
    assert_eq!(rest(b"a", b"ab"), Err(Ordering::Less));
    assert_eq!(rest(b"aa0", b"ab"), Err(Ordering::Less));
    assert_eq!(rest(b"b", b"ab"), Err(Ordering::Greater));
    assert_eq!((shared(b"abc", b"abd"), shared(b"", b"x")), (2, 0));
}
