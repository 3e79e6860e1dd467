//! Tests of batches and records.

use super::*;

fn batch(rows: &[(&str, Option<&str>)]) -> WriteBatch {
    let mut batch = WriteBatch::new();
    for (key, value) in rows {
        let added = match value {
            Some(value) => batch.put(Keyspace::DEFAULT, key.as_bytes(), value.as_bytes()),
            None => batch.delete(Keyspace::DEFAULT, key.as_bytes()),
        };
        added.unwrap();
    }
    batch
}

/// [I1] The last write of a key counts, and rows are in order. [I2] An empty value is one.
#[test]
fn a_sealed_batch_has_the_last_write_of_each_key_in_order() {
    let rows = [
        ("b", Some("1")),
        ("a", None),
        ("b", None),
        ("a", Some("")),
        ("c", Some("2")),
    ];
    let sealed = batch(&rows).seal();
    let key = |name: &str| Keyspace::DEFAULT.key(name.as_bytes());
    let (a, b, c) = (key("a"), key("b"), key("c"));
    let expected = [
        Write::Row(&a, Some(b"")),
        Write::Row(&b, None),
        Write::Row(&c, Some(b"2")),
    ];
    assert!(sealed.writes().eq(expected), "[I1] {sealed:?}");
    let decoded = Record::decode(sealed.record());
    assert_eq!(decoded, Ok(Record::Batch(sealed.writes())), "[I2]");
}

/// [I1] [I3] A range covers what was added before it, and nothing that was added after. Ranges
/// that touch are one.
#[test]
fn a_range_covers_what_the_batch_wrote_before() {
    let mut batch = batch(&[("a", Some("1")), ("b", Some("2")), ("d", Some("3"))]);
    let keyspace = Keyspace::DEFAULT;
    batch.delete_range(keyspace, b"b"..b"c").unwrap();
    batch.delete_range(keyspace, b"a"..b"b").unwrap();
    batch.delete_range(keyspace, b"x"..b"x").unwrap();
    batch.delete_range(keyspace, b"z"..b"y").unwrap();
    batch.put(keyspace, b"b", b"4").unwrap();
    let key = |name: &str| keyspace.key(name.as_bytes());
    let sealed = batch.seal();
    let (a, b, c, d) = (key("a"), key("b"), key("c"), key("d"));
    let expected = [
        Write::DeleteRange(&a, &c),
        Write::Row(&b, Some(b"4")),
        Write::Row(&d, Some(b"3")),
    ];
    assert!(sealed.writes().eq(expected), "[I1] [I3] {sealed:?}");
}

#[test]
fn a_keyspace_is_deleted_whole_and_no_other() {
    let mut batch = WriteBatch::new();
    let neighbours = [1, 2, 3].map(Keyspace::new);
    for keyspace in neighbours {
        batch.put(keyspace, b"", b"").unwrap();
        batch.put(keyspace, &[255; 9], b"").unwrap();
    }
    batch.delete_all(neighbours[1]);
    let sealed = batch.seal();
    let rows = sealed
        .writes()
        .filter(|write| matches!(write, Write::Row(..)));
    assert_eq!(rows.count(), 4);
}

#[test]
fn limits_are_errors_and_add_nothing() {
    let mut batch = WriteBatch::new();
    let key = vec![0; KEY_BYTES_MAX + 1];
    let refused = batch.put(Keyspace::DEFAULT, &key, b"");
    assert!(matches!(refused, Err(StoreError::KeyTooLong { bytes }) if bytes == key.len()));
    batch.put(Keyspace::DEFAULT, &key[1..], b"").unwrap();
    batch.delete(Keyspace::DEFAULT, b"").unwrap();
    assert_eq!((batch.len(), batch.is_empty()), (2, false));
}

/// A record that was cut short or changed in a place is refused, or another whole record.
#[test]
fn records_are_checked() {
    let first = batch(&[("a", Some("1"))]).seal();
    let genesis = Record::genesis(&first);
    let decoded = Record::decode(&genesis).unwrap();
    assert_eq!(decoded, Record::Genesis(first.writes()));
    for at in 1..21 {
        let mut changed = genesis.clone();
        changed[at] ^= 0x80;
        assert!(Record::decode(&changed).is_err(), "{at}");
    }
    let mut added = batch(&[("a", Some("1")), ("b", None)]);
    added.delete_range(Keyspace::DEFAULT, b"c"..b"d").unwrap();
    let whole = added.seal().record().to_vec();
    for len in 0..whole.len() {
        assert!(Record::decode(&whole[..len]).is_err(), "{len}");
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x80;
        match Record::decode(&changed) {
            Ok(Record::Batch(writes)) => assert_eq!(writes.bytes, &changed[HEADER_BYTES..], "{at}"),
            Ok(Record::Genesis(_)) => panic!("{at}"),
            Err(defect) => assert!(!defect.field.is_empty()),
        }
    }
    let longer = [whole, vec![0]].concat();
    assert_eq!(Record::decode(&longer).unwrap_err().field, "end of record");
}

/// Ranges of neighbours are joined, and still count for both.
#[test]
fn a_sealed_batch_knows_its_keyspaces() {
    let [one, two, three] = [1, 2, 3].map(Keyspace::new);
    let keyspaces = |batch: WriteBatch| batch.seal().keyspaces().collect::<Vec<_>>();
    let mut batch = WriteBatch::new();
    batch.delete_all(one);
    batch.delete_all(two);
    assert_eq!(keyspaces(batch), [1, 2]);
    let mut batch = WriteBatch::new();
    batch.delete_range(two, b"a"..b"b").unwrap();
    batch.put(three, b"a", b"").unwrap();
    batch.put(three, b"b", b"").unwrap();
    batch.delete(one, b"a").unwrap();
    assert_eq!(keyspaces(batch), [2, 1, 3]);
    assert_eq!(keyspaces(WriteBatch::new()), [0; 0]);
}
