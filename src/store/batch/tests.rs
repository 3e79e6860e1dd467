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
    let shown = sealed
        .rows
        .iter()
        .map(|(key, value)| (&key[4..], value.as_deref()));
    let expected: [(&[u8], Option<&[u8]>); 3] =
        [(b"a", Some(b"")), (b"b", None), (b"c", Some(b"2"))];
    assert!(shown.eq(expected), "[I1] {sealed:?}");
    assert_eq!(
        Record::decode(&sealed.encode()),
        Ok(Record::Batch(sealed)),
        "[I2]"
    );
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
    assert_eq!(Record::decode(&Record::genesis()), Ok(Record::Genesis));
    let whole = batch(&[("a", Some("1")), ("b", None)]).seal().encode();
    for len in 0..whole.len() {
        assert!(Record::decode(&whole[..len]).is_err(), "{len}");
    }
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x80;
        match Record::decode(&changed) {
            Ok(Record::Batch(batch)) => assert_eq!(batch.encode(), changed, "{at}"),
            Ok(Record::Genesis) => panic!("{at}"),
            Err(defect) => assert!(!defect.field.is_empty()),
        }
    }
    let longer = [whole, vec![0]].concat();
    assert_eq!(Record::decode(&longer).unwrap_err().field, "end of record");
}
