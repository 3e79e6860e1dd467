//! Tests of the manifest.

use super::*;
use crate::commitlog::testing::Scratch;
use crate::commitlog::{Durability, ErrorClass};
use crate::store::{Keyspace, Store, StoreOptions};

fn table(number: u64, first: &[u8], end: &[u8]) -> TableInfo {
    TableInfo {
        number,
        creation: 77,
        bytes: 1000,
        footer_checksum: 5,
        rows: 10,
        stale: 3,
        sequence_min: 4,
        sequence_max: 9,
        first_key: first.to_vec(),
        end_key: end.to_vec(),
    }
}

fn manifest() -> Manifest {
    let run = |tier, tables| RunInfo { tier, tables };
    Manifest {
        features: Features {
            compatible: 1,
            read_only: 2,
            incompatible: 0,
        },
        number: 4,
        flushed_through: TxOffset::new(12),
        table_next: 9,
        fork: None,
        runs: vec![
            run(0, vec![table(8, b"a", b"z")]),
            run(1, vec![table(2, b"", b"b"), table(3, b"b", b"c")]),
            run(BOTTOM, vec![table(7, b"x", b"y")]),
        ],
        ..Manifest::first(LogId::new([9; 16]), Epoch::new(3))
    }
}

#[test]
fn a_manifest_that_was_changed_or_cut_is_refused() {
    for fork in [None, Some(TxOffset::new(12))] {
        let sound = Manifest { fork, ..manifest() };
        let whole = sound.encode();
        assert_eq!(Manifest::decode(&whole), Ok(sound));
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
}

/// [I3] What a manifest may not say, and the field that is named for it.
#[test]
fn tables_that_may_not_be_together_are_refused() {
    type Edit = fn(&mut Manifest);
    let edits: [(Edit, &str); 9] = [
        (|own| own.runs[1].tables[0].end_key = b"bb".to_vec(), "run"),
        (|own| own.runs[1].tables.reverse(), "run"),
        (|own| own.runs[2].tables.clear(), "run"),
        (|own| own.runs[2].tables[0].end_key = b"x".to_vec(), "run"),
        (|own| own.runs.reverse(), "tiers"),
        (|own| own.runs[1].tier = BOTTOM, "tiers"),
        (|own| own.runs[2].tables[0].number = 8, "table number"),
        (|own| own.table_next = 8, "table number"),
        (|own| own.runs[0].tables[0].sequence_max = 12, "sequences"),
    ];
    for (edit, field) in edits {
        let mut wrong = manifest();
        edit(&mut wrong);
        let defect = Manifest::decode(&wrong.encode()).unwrap_err();
        assert_eq!(defect.field, field, "[I3]");
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
