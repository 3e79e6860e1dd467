//! What a store makes of input that is wrong, too long, or strange: a typed error or the right
//! answer, never a panic, and never a loss.
#![expect(
    clippy::disallowed_methods,
    reason = "damage is done to real files behind the store's back"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use blackstart::Env;
use blackstart::commitlog::{Durability, ErrorClass, LogOptions};
use blackstart::store::{
    KEY_BYTES_MAX, Keyspace, ReadOnlyOptions, Store, StoreError, StoreOptions, VALUE_BYTES_MAX,
    WriteBatch,
};
use blackstart_vfs::os::{OsClock, OsEntropy, OsFs, OsTasks};
use blackstart_vfs::{Clock, Monotonic};
use tempfile::TempDir;

const KEYS: Keyspace = Keyspace::DEFAULT;

fn options() -> StoreOptions {
    let log = LogOptions::new()
        .segment_bytes_max(4096)
        .preallocate_bytes(0);
    StoreOptions::new(Durability::Os)
        .create(true)
        .block_bytes(256)
        .log(log)
}

fn open(dir: &Path) -> Result<Store, StoreError> {
    Store::open_path(dir, &options()).map(|(store, _)| store)
}

/// A directory with a store in it: a table, and batches behind it.
fn filled() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).expect("opens");
    for number in 0..30_u32 {
        let key = format!("key {number:02}");
        store
            .put(KEYS, key.as_bytes(), &number.to_le_bytes())
            .expect("writes");
        if number == 19 {
            store.flush().expect("flushes");
        }
    }
    store.close().expect("closes");
    dir
}

/// The store's only file of a kind.
fn file_of(dir: &Path, name: &str) -> PathBuf {
    let entries = std::fs::read_dir(dir).expect("lists");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut found = paths.filter(|path| path.to_string_lossy().contains(name));
    found.next().expect("there is one")
}

fn manifest(dir: &Path) -> PathBuf {
    file_of(dir, "MANIFEST")
}

/// Sets bytes of the manifest, with the checksum put right.
fn edit_manifest(dir: &Path, at: usize, new: &[u8]) {
    let path = manifest(dir);
    let mut bytes = std::fs::read(&path).expect("reads");
    bytes[at..at + new.len()].copy_from_slice(new);
    let covered = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..covered]);
    bytes[covered..].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(path, bytes).expect("writes");
}

/// Both openings refuse the store as damaged, with these words.
#[track_caller]
fn refused(dir: &Path, words: &[&str]) {
    let before = std::fs::read(manifest(dir)).expect("reads");
    let read_only = Store::open_read_only(&Env::os(dir), "", ReadOnlyOptions::new());
    let errors = [
        open(dir).expect_err("it is damaged"),
        read_only.map(|_| ()).expect_err("it is damaged"),
    ];
    for error in errors {
        assert_eq!(error.class(), ErrorClass::Damage, "{error}");
        let text = error.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
    let after = std::fs::read(manifest(dir)).expect("reads");
    assert_eq!(before, after, "a refusal changes nothing");
}

#[test]
fn other_versions_and_features_are_refused_by_name() {
    let dir = filled();
    edit_manifest(dir.path(), 8, &2_u32.to_le_bytes());
    refused(dir.path(), &["MANIFEST-", "format version", "2"]);
    let dir = filled();
    edit_manifest(dir.path(), 20, &0x40_u32.to_le_bytes());
    refused(dir.path(), &["MANIFEST-", "features to read", "64"]);
    let dir = filled();
    edit_manifest(dir.path(), 0, b"NOTMINE!");
    refused(dir.path(), &["MANIFEST-", "magic"]);
}

/// Features that a writer has to know keep writers away, and nobody else; those that may be passed
/// over keep nobody away.
#[test]
fn features_say_who_has_to_know_them() {
    let dir = filled();
    edit_manifest(dir.path(), 16, &0x40_u32.to_le_bytes());
    let refused = open(dir.path()).expect_err("it may not write").to_string();
    assert!(refused.contains("features to write"), "{refused}");
    let env = Env::os(dir.path());
    Store::open_read_only(&env, "", ReadOnlyOptions::new()).expect("it may read");
    let dir = filled();
    edit_manifest(dir.path(), 12, &0x40_u32.to_le_bytes());
    open(dir.path()).expect("it may pass over them");
}

/// Each file in turn is emptied, cut in half, or becomes another one.
#[test]
fn damaged_files_are_named() {
    let table = |dir: &Path| file_of(&dir.join("tables"), ".tbl");
    for find in [manifest, table] {
        for damage in 0..3 {
            let dir = filled();
            let path = find(dir.path());
            let bytes = std::fs::read(&path).expect("reads");
            let damaged = match damage {
                0 => Vec::new(),
                1 => bytes[..bytes.len() / 2].to_vec(),
                _ => vec![0x5a; bytes.len()],
            };
            std::fs::write(&path, damaged).expect("writes");
            let name = path.file_name().expect("a name").to_string_lossy();
            refused(dir.path(), &[&*name]);
        }
    }
}

/// A directory where a file should be, and the other way round.
#[test]
fn names_that_stand_for_something_else_are_errors() {
    let dir = filled();
    let path = manifest(dir.path());
    std::fs::remove_file(&path).expect("removes");
    std::fs::create_dir(&path).expect("makes it");
    assert!(open(dir.path()).is_err());
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("tables"), "").expect("writes");
    assert!(open(dir.path()).is_err());
    let file = dir.path().join("file");
    std::fs::write(&file, "").expect("writes");
    assert!(open(&file).is_err());
}

#[test]
fn keys_and_values_have_limits() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).expect("opens");
    let longest = vec![7; KEY_BYTES_MAX];
    for key in [&b""[..], &longest] {
        store.put(KEYS, key, b"").expect("writes");
        let found = store.get(KEYS, key).expect("reads");
        assert_eq!(
            found.as_deref(),
            Some(&b""[..]),
            "an empty value is a value"
        );
    }
    let too_long = vec![7; KEY_BYTES_MAX + 1];
    let before = store.next_sequence();
    let errors = [
        store.put(KEYS, &too_long, b"").expect_err("too long"),
        store.delete(KEYS, &too_long).expect_err("too long"),
        store
            .put(KEYS, b"a", &vec![0; VALUE_BYTES_MAX + 1])
            .expect_err("too long"),
    ];
    for error in errors {
        assert_eq!(error.class(), ErrorClass::Caller, "{error}");
    }
    assert_eq!(store.next_sequence(), before, "nothing was written");
    // What is too long to be there is not there.
    assert_eq!(store.get(KEYS, &too_long).expect("reads"), None);
    store.flush().expect("flushes");
    drop(store);
    let store = open(dir.path()).expect("opens");
    for key in [&b""[..], &longest] {
        let found = store.get(KEYS, key).expect("reads");
        assert_eq!(found.as_deref(), Some(&b""[..]));
    }
}

/// A batch that no segment of the log and no block holds.
#[test]
fn a_batch_may_be_larger_than_a_segment() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).expect("opens");
    let mut batch = WriteBatch::new();
    for number in 0..200_u32 {
        let value = vec![number as u8; 1000];
        batch
            .put(KEYS, &number.to_be_bytes(), &value)
            .expect("it is short");
    }
    store.write(batch, Durability::Synced).expect("writes");
    drop(store);
    for _ in 0..2 {
        let store = open(dir.path()).expect("opens");
        for number in 0..200_u32 {
            let found = store.get(KEYS, &number.to_be_bytes()).expect("reads");
            assert_eq!(found, Some(vec![number as u8; 1000]));
        }
        store.flush().expect("flushes");
    }
}

#[test]
fn a_large_value_goes_through_log_and_table() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path()).expect("opens");
    let value = vec![0xa5; 32 << 20];
    store.put(KEYS, b"large", &value).expect("writes");
    store.put(KEYS, b"small", b"value").expect("writes");
    for _ in 0..2 {
        let found = store.get(KEYS, b"large").expect("reads");
        assert!(found.as_ref() == Some(&value), "another value");
        store.flush().expect("flushes");
    }
    let found = store.get(KEYS, b"small").expect("reads");
    assert_eq!(found.as_deref(), Some(&b"value"[..]));
}

#[test]
fn reversed_and_empty_ranges_hold_nothing() {
    let dir = filled();
    let store = open(dir.path()).expect("opens");
    for range in [&b"key 09"[..]..&b"key 03"[..], b"key 05"..b"key 05"] {
        let mut cursor = store.scan(KEYS, range.clone()).expect("reads");
        assert!(cursor.next().expect("reads").is_none());
        store.delete_range(KEYS, range).expect("writes");
    }
    let mut cursor = store.scan_from(KEYS, b"").expect("reads");
    for number in 0..30_u32 {
        let (_, value) = cursor.next().expect("reads").expect("nothing was deleted");
        assert_eq!(value, number.to_le_bytes());
    }
}

#[test]
fn a_directory_has_one_writer_and_many_readers() {
    let dir = filled();
    let store = open(dir.path()).expect("opens");
    let again = open(dir.path()).expect_err("it is open");
    assert_eq!(again.class(), ErrorClass::Caller, "{again}");
    let env = Env::os(dir.path());
    for number in 30..40_u32 {
        let key = format!("key {number:02}");
        store
            .put(KEYS, key.as_bytes(), &number.to_le_bytes())
            .expect("writes");
        let opened = Store::open_read_only(&env, "", ReadOnlyOptions::new());
        let (reader, _) = opened.expect("opens beside the writer");
        let found = reader.get(KEYS, key.as_bytes()).expect("reads");
        assert_eq!(found.as_deref(), Some(&number.to_le_bytes()[..]));
    }
}

/// Clocks that go back, stand still, and leap.
struct Leaping {
    calls: AtomicU64,
    real: OsClock,
}

impl Leaping {
    fn leap(&self) -> Duration {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match call % 4 {
            0 => Duration::ZERO,
            1 => Duration::MAX,
            2 => Duration::from_secs(1 << 40),
            _ => Duration::from_nanos(1),
        }
    }
}

impl Clock for Leaping {
    fn monotonic(&self) -> Monotonic {
        Monotonic::from_origin(self.leap())
    }

    fn wall(&self) -> Duration {
        self.leap()
    }

    fn sleep(&self, duration: Duration) {
        self.real.sleep(duration.min(Duration::from_millis(1)));
    }
}

#[test]
fn clocks_that_jump_change_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let clock = Leaping {
        calls: AtomicU64::new(0),
        real: OsClock::new(),
    };
    let env = Env::new(
        Arc::new(OsFs::new(dir.path())),
        Arc::new(clock),
        Arc::new(OsTasks::new()),
        Arc::new(OsEntropy),
    );
    for round in 0..3_u32 {
        let (store, _) = Store::open(&env, "", &options()).expect("opens");
        for number in 0..50_u32 {
            let value = (number + round).to_le_bytes();
            store
                .put(KEYS, &number.to_be_bytes(), &value)
                .expect("writes");
            if number % 20 == 7 {
                store.flush().expect("flushes");
            }
        }
        store.compact().expect("merges");
        for number in 0..50_u32 {
            let found = store.get(KEYS, &number.to_be_bytes()).expect("reads");
            assert_eq!(found.as_deref(), Some(&(number + round).to_le_bytes()[..]));
        }
        store.close().expect("closes");
    }
}
