//! raft-engine: a log of many Raft groups, indexed in memory.
//!
//! Each writer has a group of its own, since indices within a group must be contiguous. Entries
//! are protobuf messages; their bytes start with the index. Compression is off: nobody else
//! compresses. Recycling is on, as is the default.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use protobuf::well_known_types::BytesValue;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};

use super::contender::{Contender, WRITERS_MAX};
use super::record::{Record, Tally, number, set_number};
use crate::Result;

const READ_ENTRIES: u64 = 1_000;

struct Entries;

impl MessageExt for Entries {
    type Entry = BytesValue;

    fn index(entry: &BytesValue) -> u64 {
        number(&entry.value).unwrap_or(0)
    }
}

/// The open log.
pub struct RaftEngine {
    engine: Engine,
    groups: Vec<Mutex<Group>>,
}

/// One writer's group, with what it reuses from append to append.
struct Group {
    id: u64,
    last_index: u64,
    entries: Vec<BytesValue>,
    batch: LogBatch,
}

fn engine(dir: &Path) -> Result<Engine> {
    Ok(Engine::open(Config {
        dir: dir
            .to_str()
            .ok_or("the directory's name is not UTF-8")?
            .into(),
        batch_compression_threshold: ReadableSize(0),
        ..Config::default()
    })?)
}

impl RaftEngine {
    /// Opens the engine.
    pub fn open(dir: &Path) -> Result<Self> {
        let engine = engine(dir)?;
        let group = |id| {
            let last_index = engine.last_index(id).unwrap_or(0);
            Mutex::new(Group {
                id,
                last_index,
                entries: Vec::new(),
                batch: LogBatch::default(),
            })
        };
        let groups = (1..=WRITERS_MAX as u64).map(group).collect();
        Ok(Self { engine, groups })
    }

    fn append(&self, writer: usize, records: &[Record], sync: bool) -> Result<()> {
        let group = self.groups.get(writer).ok_or("no such writer")?;
        let mut group = group.lock().unwrap_or_else(PoisonError::into_inner);
        let Group {
            id,
            last_index,
            entries,
            batch,
        } = &mut *group;
        entries.resize_with(records.len(), BytesValue::default);
        for (entry, record) in entries.iter_mut().zip(records) {
            *last_index += 1;
            let mut record = *record;
            set_number(&mut record, *last_index);
            entry.value.clear();
            entry.value.extend_from_slice(&record);
        }
        batch.add_entries::<Entries>(*id, entries)?;
        self.engine.write(batch, sync)?;
        Ok(())
    }
}

impl Contender for RaftEngine {
    fn append_synced(&self, writer: usize, record: &Record) -> Result<()> {
        self.append(writer, std::slice::from_ref(record), true)
    }

    fn append_batch(&self, records: &[Record]) -> Result<()> {
        self.append(0, records, false)
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Opens the engine, which reads all of it into the index, and fetches every entry.
pub fn replay(dir: &Path) -> Result<Tally> {
    let engine = engine(dir)?;
    let mut tally = Tally::default();
    let mut entries = Vec::new();
    for id in engine.raft_groups() {
        let (first, last) = (engine.first_index(id), engine.last_index(id));
        let (Some(mut next), Some(last)) = (first, last) else {
            continue;
        };
        while next <= last {
            let end = (next + READ_ENTRIES).min(last + 1);
            entries.clear();
            engine.fetch_entries_to::<Entries>(id, next, end, None, &mut entries)?;
            for entry in &entries {
                tally.see(&entry.value);
            }
            next = end;
        }
    }
    Ok(tally)
}
