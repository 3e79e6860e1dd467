//! A store of which some bytes were changed: whatever they are, it is read or refused, and nothing
//! of it is taken for something else.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use arbitrary::{Arbitrary, Unstructured};
use blackstart::commitlog::{Durability, LogOptions};
use blackstart::store::{
    Dumped, Keyspace, ReadOnlyOptions, Store, StoreError, StoreOptions, dump, inspect, verify,
};
use blackstart_sim::disk::SimFs;
use blackstart_vfs::{Env, FileExt, FileKind, Fs, OpenOptions};

use super::disk::simulated;

type Rows = BTreeMap<(u32, Vec<u8>), Vec<u8>>;

/// Files by path, and the rows that they hold.
struct Good {
    files: Vec<(String, Vec<u8>)>,
    rows: Rows,
}

/// Bytes of a file that are changed.
#[derive(Arbitrary, Debug)]
struct Change {
    file: u8,
    at: u16,
    how: How,
}

#[derive(Arbitrary, Debug)]
enum How {
    Flip(u8),
    Set([u8; 8]),
    Cut,
    Remove,
}

/// A small store with two tables, deletes, a range delete, and batches behind them.
fn good() -> &'static Good {
    static GOOD: OnceLock<Good> = OnceLock::new();
    GOOD.get_or_init(|| {
        let (disk, env) = simulated();
        let log = LogOptions::new().preallocate_bytes(0);
        let options = StoreOptions::new(Durability::Os)
            .create(true)
            .block_bytes(128)
            .log(log);
        let opened = Store::create_with(&env, "", &options, |genesis| {
            genesis.keyspace("second").map(drop)
        });
        let (store, _) = opened.expect("an empty disk");
        for number in 0..40_u32 {
            let keyspace = Keyspace::new(1 + number % 2);
            let key = format!("key {number:04}");
            store
                .put(keyspace, key.as_bytes(), &number.to_le_bytes())
                .expect("an honest disk");
            if number == 15 || number == 30 {
                store.delete(keyspace, b"key 0003").expect("an honest disk");
                store
                    .delete_range(keyspace, b"key 0005"..b"key 0008")
                    .expect("an honest disk");
                store.flush().expect("an honest disk");
            }
        }
        store.close().expect("an honest disk");
        let mut files = Vec::new();
        gather(&disk, "", &mut files);
        let rows = rows(&env, false).expect("it is good").0;
        Good { files, rows }
    })
}

/// All files, byte by byte.
fn gather(disk: &SimFs, dir: &str, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in disk.read_dir(Path::new(dir)).expect("it can be listed") {
        let name = entry.name.to_str().expect("text");
        let path = if dir.is_empty() {
            name.to_owned()
        } else {
            format!("{dir}/{name}")
        };
        if entry.kind == FileKind::Dir {
            gather(disk, &path, files);
            continue;
        }
        let file = disk.open(Path::new(&path), OpenOptions::new().read());
        let file = file.expect("it is listed");
        let mut bytes = vec![0; file.len().expect("an honest disk") as usize];
        file.read_exact_at(&mut bytes, 0).expect("an honest disk");
        files.push((path, bytes));
    }
}

/// The rows of a dump, and the ranges that it tells to be lost.
type Dump = (Rows, Vec<((u32, Vec<u8>), Option<(u32, Vec<u8>)>)>, bool);

fn rows(env: &Env, skip_damaged: bool) -> Result<Dump, StoreError> {
    let (mut rows, mut lost, mut log_lost) = (Rows::new(), Vec::new(), false);
    let options = ReadOnlyOptions::new();
    dump(env, "", &options, skip_damaged, &mut |one| {
        match one {
            Dumped::Row {
                keyspace,
                key,
                value,
            } => drop(rows.insert((keyspace, key.to_vec()), value.to_vec())),
            Dumped::Lost { from, end, .. } => lost.push((from, end)),
            Dumped::LostLog { .. } => log_lost = true,
            _ => {}
        }
        Ok::<_, StoreError>(())
    })?;
    Ok((rows, lost, log_lost))
}

/// Changes bytes of a good store. What a dump then shows was there, or it is refused; nothing is
/// written by what only looks.
pub fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let good = good();
    let mut files = good.files.clone();
    while let Ok(change) = Change::arbitrary(&mut bytes) {
        apply(&change, &mut files);
        if bytes.is_empty() {
            break;
        }
    }
    let (disk, env) = simulated();
    for dir in ["log", "tables"] {
        disk.create_dir(Path::new(dir)).expect("an empty disk");
    }
    for (path, bytes) in &files {
        let options = OpenOptions::new().write().create_new();
        let file = disk.open(Path::new(path), options).expect("it is new");
        file.write_all_at(bytes, 0).expect("there is space");
    }
    let verified = verify(&env, "", &mut |_| {}).expect("the directory is there");
    inspect(&env, "", &mut |_| {}).expect("the directory is there");
    for skip_damaged in [false, true] {
        let Ok((rows, lost, log_lost)) = rows(&env, skip_damaged) else {
            assert!(!verified.is_good(), "refused, and verified");
            continue;
        };
        // Without a manifest the log is the store; and a log that lost its end, for which nothing
        // vouches then, is a log.
        let has_manifest = files.iter().any(|(path, _)| path.starts_with("MANIFEST"));
        let may_be_old = log_lost || !has_manifest;
        let may_lack = log_lost || files != good.files;
        let is_lost = |place: &(u32, Vec<u8>)| {
            let mut lost = lost.iter();
            lost.any(|(from, end)| from <= place && end.as_ref().is_none_or(|end| place < end))
        };
        for (place, value) in &rows {
            let was = good.rows.get(place);
            assert!(
                may_be_old || was == Some(value),
                "{place:?} is {value:?}, was {was:?}"
            );
        }
        let lacks = good
            .rows
            .keys()
            .find(|own| !rows.contains_key(*own) && !is_lost(own));
        assert!(may_lack || lacks.is_none(), "{lacks:?} is missing");
    }
    let mut after = Vec::new();
    gather(&disk, "", &mut after);
    assert_eq!(after.len(), files.len(), "what looks has written");
    drop(Store::open(&env, "", &StoreOptions::new(Durability::Os)));
}

fn apply(change: &Change, files: &mut Vec<(String, Vec<u8>)>) {
    if files.is_empty() {
        return;
    }
    let file = usize::from(change.file) % files.len();
    let bytes = &mut files[file].1;
    if bytes.is_empty() {
        return;
    }
    let at = usize::from(change.at) % bytes.len();
    match &change.how {
        How::Flip(bit) => bytes[at] ^= 1 << (bit & 7),
        How::Set(new) => {
            let end = bytes.len().min(at + new.len());
            bytes[at..end].copy_from_slice(&new[..end - at]);
        }
        How::Cut => bytes.truncate(at),
        How::Remove => drop(files.remove(file)),
    }
}
