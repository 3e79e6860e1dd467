//! Operations on a store, beside an ordered map that does the same.
//!
//! The disk is honest and nothing crashes: what is written is there. Memtables and blocks are tiny,
//! so that few operations reach several tables and merges of them.

use std::collections::BTreeMap;

use arbitrary::{Arbitrary, Unstructured};
use blackstart::commitlog::{Durability, LogOptions};
use blackstart::store::{
    Keyspace, ReadOnlyOptions, Snapshot, Store, StoreOptions, WriteBatch, verify,
};
use blackstart_vfs::Env;

use super::disk::simulated;

/// What a key is, of few that are near each other.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub u8);

impl Key {
    /// A keyspace and the bytes of a key. Some share a prefix, some are a prefix of others.
    fn parts(self) -> (Keyspace, Vec<u8>) {
        let keyspace = Keyspace::new(1 + u32::from(self.0 & 1));
        let number = self.0 >> 1 & 15;
        let key = match self.0 >> 5 & 3 {
            0 => vec![number; usize::from(number) % 4],
            1 => format!("shared prefix {number:02}").into_bytes(),
            2 => [
                b"shared prefix 07".as_slice(),
                &[0; 3][..usize::from(number) % 4],
            ]
            .concat(),
            _ => vec![0xff; usize::from(number)],
        };
        (keyspace, key)
    }
}

/// A write of a batch.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Write {
    /// A value of so many bytes.
    Put(Key, u8),
    /// No value any more.
    Delete(Key),
    /// None for all keys of a range, within the keyspace of the first.
    DeleteRange(Key, Key),
}

/// A call of an application.
#[derive(Arbitrary, Clone, Debug)]
pub enum Op {
    /// A batch, at a level of durability.
    Write(Vec<Write>, u8),
    /// One key is read.
    Get(Key),
    /// All is read, and by a store that is opened for reading only.
    ReadAll,
    /// All memtables become tables.
    Flush,
    /// Tables become one.
    Compact,
    /// A snapshot is taken; an older one is checked, and let go.
    Snapshot,
    /// The store is closed, or dropped, and opened again.
    Reopen(bool),
    /// A backup takes the place of the store.
    Restore,
    /// Every checksum.
    Verify,
}

type Place = (u32, Vec<u8>);
type Map = BTreeMap<Place, Vec<u8>>;

/// The store and the map.
struct Both {
    env: Env,
    dir: String,
    store: Store,
    map: Map,
    /// How many values were written: no two are equal.
    values: u32,
    backups: u32,
    held: Option<(Snapshot, Map)>,
}

fn options() -> StoreOptions {
    let log = LogOptions::new()
        .segment_bytes_max(512)
        .preallocate_bytes(0);
    StoreOptions::new(Durability::Os)
        .create(true)
        .memtable_bytes_max(400)
        .block_bytes(96)
        .log(log)
}

fn open(env: &Env, dir: &str) -> Store {
    let opened = Store::create_with(env, dir, &options(), |genesis| {
        genesis.keyspace("second").map(drop)
    });
    opened.unwrap_or_else(|error| panic!("{error}")).0
}

/// Bytes as operations.
pub fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let mut ops = Vec::new();
    while !bytes.is_empty() && ops.len() < 60 {
        match Op::arbitrary(&mut bytes) {
            Ok(op) => ops.push(op),
            Err(_) => break,
        }
    }
    run(&ops);
}

/// Carries out operations on both, and compares what they show.
pub fn run(ops: &[Op]) {
    let (_disk, env) = simulated();
    let dir = "store".to_owned();
    let mut both = Both {
        store: open(&env, &dir),
        env,
        dir,
        map: Map::new(),
        values: 0,
        backups: 0,
        held: None,
    };
    for op in ops {
        both.op(op);
    }
    both.check_all();
}

impl Both {
    fn op(&mut self, op: &Op) {
        match op {
            Op::Write(writes, level) => self.write(writes, *level),
            Op::Get(key) => {
                let (keyspace, key) = key.parts();
                let found = self.store.get(keyspace, &key).expect("an honest disk");
                assert_eq!(found.as_ref(), self.map.get(&(keyspace.number(), key)));
            }
            Op::ReadAll => self.check_all(),
            Op::Flush => self.store.flush().expect("an honest disk"),
            Op::Compact => self.store.compact().expect("an honest disk"),
            Op::Snapshot => {
                let taken = (self.store.snapshot(), self.map.clone());
                if let Some((snapshot, map)) = self.held.replace(taken) {
                    assert_eq!(all(&snapshot), map, "a snapshot");
                }
            }
            Op::Reopen(closes) => self.reopen(*closes),
            Op::Restore => self.restore(),
            Op::Verify => self.verify(),
        }
        assert!(self.store.background_error().is_none());
    }

    fn write(&mut self, writes: &[Write], level: u8) {
        let mut batch = WriteBatch::new();
        for write in writes {
            match *write {
                Write::Put(key, len) => {
                    let (keyspace, key) = key.parts();
                    self.values += 1;
                    let mut value = self.values.to_le_bytes().to_vec();
                    value.resize(usize::from(len), b'v');
                    batch.put(keyspace, &key, &value).expect("it is short");
                    self.map.insert((keyspace.number(), key), value);
                }
                Write::Delete(key) => {
                    let (keyspace, key) = key.parts();
                    batch.delete(keyspace, &key).expect("it is short");
                    self.map.remove(&(keyspace.number(), key));
                }
                Write::DeleteRange(from, end) => {
                    let ((keyspace, from), (_, end)) = (from.parts(), end.parts());
                    batch
                        .delete_range(keyspace, &from..&end)
                        .expect("they are short");
                    let number = keyspace.number();
                    self.map
                        .retain(|(own, key), _| *own != number || *key < from || end <= *key);
                }
            }
        }
        let levels = [Durability::Buffered, Durability::Os, Durability::Synced];
        let level = levels[usize::from(level) % levels.len()];
        self.store.write(batch, level).expect("an honest disk");
    }

    fn check_all(&self) {
        assert_eq!(all(&self.store.snapshot()), self.map);
        self.store.sync().expect("an honest disk");
        let options = ReadOnlyOptions::new();
        let opened = Store::open_read_only(&self.env, &self.dir, options);
        let (reader, _) = opened.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(all(reader.snapshot()), self.map, "read only");
    }

    fn reopen(&mut self, closes: bool) {
        let sequence = self.store.next_sequence();
        match closes {
            true => self.store.close().expect("an honest disk"),
            // What is in the buffer would be lost, as it may.
            false => drop(self.store.sync().expect("an honest disk")),
        }
        self.open_again();
        let next = self.store.next_sequence();
        assert_eq!(next, sequence, "numbers go on");
    }

    fn open_again(&mut self) {
        // The lock goes with the last handle; a snapshot holds none.
        self.held = None;
        let (_disk, env) = simulated();
        self.store = open(&env, "placeholder");
        self.store = open(&self.env, &self.dir);
    }

    fn restore(&mut self) {
        self.backups += 1;
        let dir = format!("backup {}", self.backups);
        let copied = self.store.backup(&dir);
        copied.unwrap_or_else(|error| panic!("{error}"));
        self.dir = dir;
        self.open_again();
        self.verify();
    }

    fn verify(&self) {
        self.store.sync().expect("an honest disk");
        let verified = verify(&self.env, &self.dir, &mut |_| {}).expect("it is there");
        assert!(verified.is_good(), "{:?}", verified.findings);
        assert_eq!(verified.files_unknown, Vec::<String>::new());
    }
}

/// All that a snapshot shows, of both keyspaces.
fn all(snapshot: &Snapshot) -> Map {
    let mut shown = Map::new();
    for number in [1, 2] {
        let keyspace = Keyspace::new(number);
        let mut cursor = snapshot.scan_from(keyspace, b"").expect("an honest disk");
        while let Some((key, value)) = cursor.next().expect("an honest disk") {
            let place = (number, key.to_vec());
            assert!(shown.last_key_value().is_none_or(|(last, _)| *last < place));
            shown.insert(place, value.to_vec());
        }
    }
    shown
}
