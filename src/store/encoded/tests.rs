//! Tests of what is refused at encoding, without a log.

use std::sync::Arc;

use super::{Encoded, Intent};
use crate::store::batch::SealedBatch;
use crate::store::cache::Cache;
use crate::store::read_set::ReadSet;
use crate::store::tree::{Layers, Tree};
use crate::store::{Keyspace, StoreError, WriteBatch};

const KEYS: Keyspace = Keyspace::DEFAULT;

/// A log's writer.
struct Rig {
    tree: Arc<Tree>,
    encoded: Arc<Encoded>,
}

impl Rig {
    fn new(bytes_max: u64) -> Self {
        let layers = Layers {
            active: Arc::default(),
            frozen: Vec::new(),
            runs: Vec::new(),
        };
        Self {
            tree: Arc::new(Tree::new(layers, Cache::new(1 << 20), 1, 1 << 20)),
            encoded: Encoded::new(bytes_max, [KEYS].into_iter()),
        }
    }

    fn place(&self, sequence: u64, key: &[u8]) -> Arc<SealedBatch> {
        let batch = batch(key);
        self.encoded
            .place(sequence, &batch, &Intent::Plain)
            .unwrap();
        batch
    }

    fn apply(&self, sequence: u64, batch: &SealedBatch) {
        self.tree.apply(batch.writes(), sequence);
        self.encoded.applied(sequence);
    }

    /// A transaction that begins now and reads a key.
    fn reader(&self, key: &[u8]) -> Intent {
        let mut reads = ReadSet::default();
        reads.key(&KEYS.key(key));
        let (_, open) = self.encoded.begin(&self.tree);
        Intent::Transaction(reads.seal(), open)
    }

    fn conflicts(&self, sequence: u64, reader: &Intent) -> bool {
        match self.encoded.place(sequence, &batch(b"of a reader"), reader) {
            Ok(()) => {
                self.encoded.withdraw(sequence, reader);
                false
            }
            Err(StoreError::Conflict { .. }) => true,
            Err(error) => panic!("{error}"),
        }
    }

    fn kept(&self) -> usize {
        self.encoded.state.lock().commits.len()
    }
}

fn batch(key: &[u8]) -> Arc<SealedBatch> {
    let mut batch = WriteBatch::new();
    batch.put(KEYS, key, b"value").unwrap();
    Arc::new(batch.seal())
}

/// [I1] [I2] Also commits that are encoded but not applied yet.
#[test]
fn what_was_encoded_after_a_snapshot_conflicts() {
    let rig = Rig::new(1 << 20);
    let early = rig.reader(b"a");
    let first = rig.place(1, b"a");
    assert!(rig.conflicts(2, &early));
    let unapplied = rig.reader(b"a");
    assert!(
        rig.conflicts(2, &unapplied),
        "[I2] it does not see the commit yet"
    );
    rig.apply(1, &first);
    assert!(rig.conflicts(2, &unapplied), "[I1]");
    let late = rig.reader(b"a");
    assert!(!rig.conflicts(2, &late), "it has seen the commit");
    assert!(!rig.conflicts(2, &rig.reader(b"b")));
    drop((early, unapplied));
    assert_eq!(rig.kept(), 0, "nobody needs it any more");
    assert!(!rig.conflicts(2, &late));
}

/// [I3] What failed has no conflicts, and its offset is given again.
#[test]
fn what_failed_is_withdrawn() {
    let rig = Rig::new(1 << 20);
    let reader = rig.reader(b"a");
    rig.place(1, b"a");
    rig.place(2, b"a");
    for sequence in [1, 2] {
        rig.encoded.withdraw(sequence, &Intent::Plain);
    }
    assert_eq!(rig.kept(), 0, "[I3]");
    assert!(!rig.conflicts(1, &reader));
    rig.place(1, b"a");
    assert!(rig.conflicts(2, &reader));
}

/// [I1] [I2] What is too much is forgotten, oldest first, and transactions that are older have
/// conflicts; later ones have not.
#[test]
fn memory_has_a_bound() {
    let rig = Rig::new(1);
    let old = rig.reader(b"never written");
    let first = rig.place(1, b"a");
    rig.place(2, b"b");
    assert_eq!(rig.kept(), 2, "[I2] neither is applied");
    rig.apply(1, &first);
    assert_eq!(rig.kept(), 1);
    assert!(
        rig.conflicts(3, &old),
        "[I1] it may have read what was forgotten"
    );
    assert!(!rig.conflicts(3, &rig.reader(b"a")));
    assert!(rig.conflicts(3, &rig.reader(b"b")));
}

/// [I4] From the commit on that drops a keyspace, in log order; unless that fails.
#[test]
fn a_dropped_keyspace_is_refused() {
    let rig = Rig::new(1 << 20);
    rig.encoded
        .place(1, &batch(b"a"), &Intent::Drop(KEYS))
        .unwrap();
    let refused = rig.encoded.place(2, &batch(b"a"), &Intent::Plain);
    assert!(
        matches!(refused, Err(StoreError::NoKeyspace { number: 1 })),
        "[I4] {refused:?}"
    );
    rig.encoded.withdraw(1, &Intent::Drop(KEYS));
    rig.place(1, b"a");
    let other = Keyspace::new(2);
    let mut batch = WriteBatch::new();
    batch.put(other, b"a", b"").unwrap();
    let batch = Arc::new(batch.seal());
    assert!(rig.encoded.place(2, &batch, &Intent::Plain).is_err());
    rig.encoded
        .place(2, &batch, &Intent::Create(other))
        .unwrap();
    rig.encoded.withdraw(2, &Intent::Create(other));
    assert!(rig.encoded.place(2, &batch, &Intent::Plain).is_err());
}
