//! A memtable as plain as can be.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};

use crate::store::batch::{Write, Writes};
use crate::store::memtable::Row;

type Place = (Vec<u8>, Reverse<u64>);

#[derive(Default)]
pub struct Model {
    rows: BTreeMap<Place, Option<Vec<u8>>>,
}

fn place(key: &[u8], sequence: u64) -> Place {
    (key.to_vec(), Reverse(sequence))
}

fn row((place, value): (&Place, &Option<Vec<u8>>)) -> Row {
    Row {
        key: place.0.clone(),
        sequence: place.1.0,
        value: value.clone(),
    }
}

impl Model {
    pub fn insert(&mut self, writes: Writes<'_>, sequence: u64) {
        for write in writes {
            if let Write::Row(key, value) = write {
                let value = value.map(<[u8]>::to_vec);
                let before = self.rows.insert(place(key, sequence), value);
                assert!(before.is_none());
            }
        }
    }

    pub fn get(&self, key: &[u8], visible: u64) -> Option<Option<Vec<u8>>> {
        let found = self.seek(key, visible.checked_sub(1)?)?;
        (found.key == key).then_some(found.value)
    }

    pub fn seek(&self, key: &[u8], sequence: u64) -> Option<Row> {
        let from = (Included(place(key, sequence)), Unbounded);
        self.rows.range(from).next().map(row)
    }

    pub fn seek_back(&self, key: &[u8], sequence: u64) -> Option<Row> {
        let to = (Unbounded, Excluded(place(key, sequence)));
        self.rows.range(to).next_back().map(row)
    }

    pub fn rows(&self) -> Vec<Row> {
        self.rows.iter().map(row).collect()
    }
}
