//! Tests of the manifest.

use super::*;
use crate::commitlog::testing::Scratch;
use crate::commitlog::{Durability, ErrorClass};
use crate::store::{Keyspace, Store, StoreOptions};

fn manifest() -> Manifest {
    let table = |number| TableInfo {
        number,
        creation: 77,
        bytes: 1000,
        footer_checksum: 5,
        rows: 10,
    };
    Manifest {
        number: 4,
        log_id: LogId::new([9; 16]),
        epoch: Epoch::new(3),
        flushed_through: TxOffset::new(12),
        table_next: 9,
        fork: Some(TxOffset::new(15)),
        tables: vec![table(8), table(2)],
    }
}

#[test]
fn a_manifest_that_was_changed_or_cut_is_refused() {
    let whole = manifest().encode();
    assert_eq!(Manifest::decode(&whole), Ok(manifest()));
    for at in 0..whole.len() {
        assert!(Manifest::decode(&whole[..at]).is_err(), "{at}");
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert_eq!(Manifest::decode(&changed).unwrap_err().field, "checksum");
        let end = changed.len() - 4;
        let sum = crc32fast::hash(&changed[..end]).to_le_bytes();
        changed[end..].copy_from_slice(&sum);
        if let Ok(other) = Manifest::decode(&changed) {
            assert_eq!(other.encode(), changed, "{at}");
        }
    }
}

#[test]
fn names_are_exact() {
    assert_eq!(parse(&name(7)), Some(7));
    for other in [
        "MANIFEST-7",
        "MANIFEST-0000000000000000000x",
        "manifest",
        "",
    ] {
        assert_eq!(parse(other), None, "{other}");
    }
    assert!(is_temp(&format!("{}.tmp", name(7))) && is_temp(&format!("{}.tmp.2", name(7))));
    assert!(!is_temp(&name(7)) && !is_temp("x.tmp") && !is_temp(&format!("{}.tmpx", name(7))));
}

/// [I1] and [I2], at the level of the store: its newest manifest was damaged, and the one before is
/// there again. The opening refuses, names the file, and changes nothing.
#[test]
fn the_one_before_never_counts() {
    let scratch = Scratch::new();
    let options = StoreOptions::new(Durability::Synced).create(true);
    let (store, _) = Store::open(&scratch.env, "", &options).unwrap();
    store.put(Keyspace::DEFAULT, b"a", b"1").unwrap();
    let older = scratch.read(&name(1));
    store.flush().unwrap();
    drop(store);
    scratch.write(&name(1), &older);
    scratch.edit(&name(2), |bytes| bytes[44] ^= 1);
    let before = scratch.names();
    let refused = Store::open(&scratch.env, "", &options).unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Damage, "[I2] {refused}");
    assert!(refused.to_string().contains(&name(2)), "[I1] {refused}");
    assert_eq!(scratch.names(), before);
}
