//! Tests of the check of whole stores.

use super::verify;
use crate::commitlog::testing::Scratch;
use crate::commitlog::{Durability, ErrorClass, LogOptions};
use crate::store::{Keyspace, Store, StoreError, StoreOptions, Verification};

const KEYS: Keyspace = Keyspace::DEFAULT;

fn options() -> StoreOptions {
    let log = LogOptions::new()
        .segment_bytes_max(1024)
        .preallocate_bytes(0);
    StoreOptions::new(Durability::Synced)
        .create(true)
        .block_bytes(256)
        .background_task(false)
        .log(log)
}

/// A store with two tables, of several blocks each, and batches behind them.
fn filled() -> Scratch {
    let scratch = Scratch::new();
    let (store, _) = Store::open(&scratch.env, "", &options()).unwrap();
    for number in 0..90 {
        let (key, value) = (format!("key {number:04}"), format!("value {number}"));
        store.put(KEYS, key.as_bytes(), value.as_bytes()).unwrap();
        if number == 29 || number == 59 {
            let key = format!("key {:04}", number - 26);
            store.delete(KEYS, key.as_bytes()).unwrap();
            store.flush().unwrap();
        }
    }
    scratch
}

fn verified(scratch: &Scratch) -> Verification {
    verify(&scratch.env, "", &mut |_| {}).unwrap()
}

/// Where in which file each finding is.
fn places(verification: &Verification) -> Vec<(String, u64)> {
    let places = verification.findings.iter().map(|finding| match finding {
        StoreError::Corrupt { corrupt } => (corrupt.file.clone(), corrupt.defect.at.get()),
        other => (other.to_string(), 0),
    });
    places.collect()
}

#[test]
fn a_good_store_is_found_good_and_counted() {
    let scratch = filled();
    let mut last = None;
    let verification = verify(&scratch.env, "", &mut |done| last = Some(done)).unwrap();
    assert!(verification.is_good(), "{:?}", verification.findings);
    let rows: Vec<_> = verification.tables.iter().map(|own| own.rows).collect();
    // Neither a row that was deleted nor the delete is in a table. The older one has the name of
    // the first keyspace, and the number of the next.
    assert_eq!(rows, [31, 29]);
    assert!(verification.tables.iter().all(|own| own.blocks > 2));
    assert_eq!(verification.batches, 30);
    let last = last.unwrap();
    assert_eq!(last.bytes_done, last.bytes);
}

/// [I1], [I2] Two blocks, and a record of the log: each is named with its place, and nothing is
/// changed.
#[test]
fn everything_that_is_wrong_is_listed() {
    let scratch = filled();
    let (one, other) = (
        "tables/00000000000000000002.tbl",
        "tables/00000000000000000001.tbl",
    );
    scratch.edit(one, |bytes| bytes[40] ^= 1);
    scratch.edit(other, |bytes| bytes[600] ^= 1);
    scratch.edit(other, |bytes| bytes[40] ^= 1);
    let before = [scratch.read(one), scratch.read(other)];
    let verification = verified(&scratch);
    let places = places(&verification);
    assert_eq!(places.len(), 3, "[I2] {places:?}");
    assert!(
        places[0].0.ends_with(other) && places[1].0.ends_with(other),
        "{places:?}"
    );
    assert!(
        places[0].1 < places[1].1 && places[2].0.ends_with(one),
        "{places:?}"
    );
    let bad: Vec<_> = verification
        .tables
        .iter()
        .map(|own| own.blocks_bad)
        .collect();
    assert_eq!(bad, [2, 1]);
    assert_eq!(before, [scratch.read(one), scratch.read(other)], "[I1]");
}

#[test]
fn damage_of_each_kind_of_file_is_named() {
    let check = |damage: &dyn Fn(&Scratch), name: &str| {
        let scratch = filled();
        damage(&scratch);
        let verification = verified(&scratch);
        let text: Vec<_> = verification
            .findings
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(!verification.is_good(), "{name} is damaged");
        assert!(
            text.iter().any(|text| text.contains(name)),
            "{name}: {text:?}"
        );
        let classes = verification.findings.iter().map(StoreError::class);
        assert!(
            classes.into_iter().all(|class| class == ErrorClass::Damage),
            "{text:?}"
        );
    };
    let table = "00000000000000000001.tbl";
    let path = format!("tables/{table}");
    check(&|scratch| scratch.remove(&path), table);
    check(
        &|scratch| scratch.edit(&path, |bytes| bytes.truncate(100)),
        table,
    );
    check(
        &|scratch| scratch.edit(&path, |bytes| *bytes.last_mut().unwrap() ^= 1),
        table,
    );
    let manifest = manifest_of(&filled());
    check(
        &|scratch| scratch.edit(&manifest_of(scratch), |bytes| bytes[20] ^= 1),
        &manifest,
    );
    let newest = "log/";
    check(
        &|scratch| {
            let names = scratch.env.fs().read_dir("log".as_ref()).unwrap();
            let mut logs: Vec<_> = names
                .into_iter()
                .map(|entry| entry.name.into_string().unwrap())
                .filter(|name| name.ends_with(".log"))
                .collect();
            logs.sort();
            let last = format!("log/{}", logs.last().unwrap());
            scratch.edit(&last, |bytes| bytes[30] ^= 1);
        },
        newest,
    );
}

fn manifest_of(scratch: &Scratch) -> String {
    let mut names = scratch.names().into_iter();
    names.rfind(|name| name.starts_with("MANIFEST")).unwrap()
}

/// Two tables that the manifest names are exchanged: every checksum is right within each file.
#[test]
fn a_table_in_the_place_of_another_is_found() {
    let scratch = filled();
    let paths = [
        "tables/00000000000000000001.tbl",
        "tables/00000000000000000002.tbl",
    ];
    let [one, other] = paths.map(|path| scratch.read(path));
    scratch.write(paths[0], &other);
    scratch.write(paths[1], &one);
    assert_eq!(verified(&scratch).findings.len(), 2);
}

/// [I3] A writer that merges while it is checked leaves nothing to find.
#[test]
fn a_writer_beside_is_no_finding() {
    let scratch = filled();
    let (store, _) = Store::open(&scratch.env, "", &options()).unwrap();
    let mut rounds = 0;
    let verification = verify(&scratch.env, "", &mut |_| {
        rounds += 1;
        store.put(KEYS, b"new", b"value").unwrap();
        if rounds % 3 == 1 && rounds < 40 {
            store.flush().unwrap();
            store.compact().unwrap();
        }
    });
    let verification = verification.unwrap();
    assert!(verification.is_good(), "[I3] {:?}", verification.findings);
}

#[test]
fn other_files_are_told_and_are_no_findings() {
    let scratch = filled();
    for name in ["MANIFEST-00000000000000000099.tmp", "notes", "tables/notes"] {
        scratch.write(name, b"?");
    }
    scratch.write("tables/00000000000000000077.tbl", b"?");
    let verification = verified(&scratch);
    assert!(verification.is_good(), "{:?}", verification.findings);
    assert_eq!(
        verification.files_unnamed,
        [
            "MANIFEST-00000000000000000099.tmp",
            "tables/00000000000000000077.tbl"
        ]
    );
    assert_eq!(verification.files_unknown, ["notes", "tables/notes"]);
}
