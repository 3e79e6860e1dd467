//! Tests of dumps.

use super::{Dumped, dump};
use crate::commitlog::testing::Scratch;
use crate::commitlog::{Durability, LogOptions};
use crate::store::{Keyspace, ReadOnlyOptions, Store, StoreError, StoreOptions};

fn options() -> StoreOptions {
    let log = LogOptions::new()
        .segment_bytes_max(1024)
        .preallocate_bytes(0);
    StoreOptions::new(Durability::Synced)
        .create(true)
        .block_bytes(256)
        .log(log)
}

/// Two keyspaces in a table, and rows behind them.
fn filled() -> Scratch {
    let scratch = Scratch::new();
    let (store, _) = Store::open(&scratch.env, "", &options()).unwrap();
    let keyspaces = [Keyspace::DEFAULT, store.keyspace("odd").unwrap()];
    for number in 0..60 {
        let keyspace = keyspaces[number % 2];
        let (key, value) = (format!("key {number:04}"), format!("value {number}"));
        store
            .put(keyspace, key.as_bytes(), value.as_bytes())
            .unwrap();
        if number == 39 {
            store.flush().unwrap();
        }
    }
    scratch
}

/// What a dump shows: rows as text, and lost ranges.
#[derive(Default)]
struct Shown {
    keyspaces: usize,
    rows: Vec<(u32, String)>,
    lost: Vec<(String, String)>,
    log_lost: bool,
}

fn shown(scratch: &Scratch, skip_damaged: bool) -> Result<Shown, StoreError> {
    let mut shown = Shown::default();
    let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
    let options = ReadOnlyOptions::new();
    dump(&scratch.env, "", &options, skip_damaged, &mut |one| {
        match one {
            Dumped::Keyspace { number, name } => {
                assert_eq!(name, ["default", "odd"][number as usize - 1]);
                shown.keyspaces += 1;
            }
            Dumped::Row { keyspace, key, .. } => shown.rows.push((keyspace, text(key))),
            Dumped::Lost { from, end, .. } => {
                let place = |(keyspace, key): (u32, Vec<u8>)| format!("{keyspace}/{}", text(&key));
                let end = end.map_or("the end".to_owned(), place);
                shown.lost.push((place(from), end));
            }
            Dumped::LostLog { .. } => shown.log_lost = true,
        }
        Ok::<_, StoreError>(())
    })?;
    assert!(shown.rows.is_sorted());
    Ok(shown)
}

#[test]
fn all_keyspaces_are_shown_in_order() {
    let scratch = filled();
    for skip_damaged in [false, true] {
        let shown = shown(&scratch, skip_damaged).unwrap();
        assert_eq!((shown.keyspaces, shown.rows.len()), (2, 60));
        assert_eq!(shown.rows[29], (1, "key 0058".to_owned()));
        assert_eq!(shown.rows[30], (2, "key 0001".to_owned()));
        assert_eq!(shown.lost, []);
    }
}

/// [I1], [I2] Each block in turn is damaged: what is not shown lies in a range that is told, and
/// these ranges are as large as a block.
#[test]
fn what_is_lost_is_told_by_its_keys() {
    let whole = shown(&filled(), false).unwrap().rows;
    let path = "tables/00000000000000000001.tbl";
    let len = filled().read(path).len();
    let mut blocks = 0;
    for at in (30..len - 200).step_by(50) {
        let scratch = filled();
        scratch.edit(path, |bytes| bytes[at] ^= 1);
        let before = scratch.read(path);
        let Err(error) = shown(&scratch, false) else {
            panic!("byte {at} is part of a block")
        };
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        let skipped = shown(&scratch, true).unwrap();
        let place = |(keyspace, key): &(u32, String)| format!("{keyspace}/{key}");
        let is_lost = |row: &&(u32, String)| {
            let place = place(row);
            let mut lost = skipped.lost.iter();
            lost.any(|(from, end)| *from <= place && (end == "the end" || place < *end))
        };
        let kept: Vec<_> = whole.iter().filter(|row| !is_lost(row)).cloned().collect();
        assert_eq!(skipped.rows, kept, "[I2] byte {at}: {:?}", skipped.lost);
        assert!(!skipped.lost.is_empty());
        blocks += usize::from(kept.len() > 20);
        assert_eq!(scratch.read(path), before, "[I1]");
    }
    assert!(blocks > 3, "{blocks}");
}

#[test]
fn a_lost_log_is_told_before_all_rows() {
    let scratch = filled();
    let names = scratch.env.fs().read_dir("log".as_ref()).unwrap();
    for entry in names {
        let name = format!("log/{}", entry.name.to_str().unwrap());
        if name.ends_with(".log") {
            scratch.remove(&name);
        }
    }
    assert!(shown(&scratch, false).is_err());
    let shown = shown(&scratch, true).unwrap();
    assert!(shown.log_lost);
    assert_eq!(shown.rows.len(), 40);
}
