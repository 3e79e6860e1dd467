//! Where rows come from: a memtable, or a run of tables. A source stands at one of its rows, and
//! goes from there in either direction.
//!
//! Two ways to go on: by rows, as a merge of tables does, or by keys, as a reader does, to whom
//! only the newest row of a key counts that it may see.
//!
//! Invariants:
//! - \[I1\] By rows: every row is met, by key, and those of one key by sequence, highest first;
//!   backwards in the reverse order.
//! - \[I2\] By keys: each key is met once that has a row below `visible`, at the newest such row,
//!   in both directions.

use std::sync::Arc;

use super::block::{Block, Layout, Rows};
use super::cache::Caching;
use super::error::StoreError;
use super::memtable::{self, Memtable};
use super::table::Table;
use super::tree::Run;

/// A reader of more blocks reads a lot: it leaves the cache to others from then on.
const BLOCKS_KEPT_MAX: u32 = 32;

/// Rows of one memtable, or of one run.
pub(crate) struct Source {
    rows: SourceRows,
    /// A key that was left.
    left: Vec<u8>,
}

enum SourceRows {
    Memtable(Box<memtable::Cursor>),
    Run(RunCursor),
}

impl Source {
    /// The rows of a memtable.
    pub fn of_memtable(memtable: &Arc<Memtable>) -> Self {
        Self {
            rows: SourceRows::Memtable(Box::new(memtable.cursor())),
            left: Vec::new(),
        }
    }

    /// The rows of a run.
    pub fn of_run(run: &Run, caching: Caching) -> Self {
        Self {
            rows: SourceRows::Run(RunCursor::new(run.tables.clone(), caching)),
            left: Vec::new(),
        }
    }

    /// The key of the row where it stands; none if it stands at none.
    #[inline]
    pub fn key(&self) -> Option<&[u8]> {
        match &self.rows {
            SourceRows::Memtable(cursor) => cursor.row().map(|row| row.key),
            SourceRows::Run(cursor) => cursor.at.as_ref().map(|_| cursor.key.as_slice()),
        }
    }

    /// The sequence of the row where it stands.
    #[inline]
    pub fn sequence(&self) -> u64 {
        let sequence = match &self.rows {
            SourceRows::Memtable(cursor) => cursor.row().map(|row| row.sequence),
            SourceRows::Run(cursor) => cursor.at.as_ref().map(|at| at.rows().sequence(at.row)),
        };
        sequence.expect("it stands at a row")
    }

    /// The value of the row where it stands; none if that is a delete.
    #[inline]
    pub fn value(&self) -> Option<&[u8]> {
        match &self.rows {
            SourceRows::Memtable(cursor) => cursor.row()?.value,
            SourceRows::Run(cursor) => {
                let at = cursor.at.as_ref()?;
                at.rows().value(at.row)
            }
        }
    }

    /// Goes to the first row at or behind a place.
    pub fn seek(&mut self, key: &[u8], sequence: u64) -> Result<(), StoreError> {
        match &mut self.rows {
            SourceRows::Memtable(cursor) => cursor.seek(key, sequence),
            SourceRows::Run(cursor) => cursor.seek(key, sequence)?,
        }
        Ok(())
    }

    /// Goes to the last row before a place.
    fn seek_back(&mut self, key: &[u8], sequence: u64) -> Result<(), StoreError> {
        match &mut self.rows {
            SourceRows::Memtable(cursor) => cursor.seek_back(key, sequence),
            SourceRows::Run(cursor) => cursor.seek_back(key, sequence)?,
        }
        Ok(())
    }

    /// [I1] Goes to the next row.
    pub fn next(&mut self) -> Result<(), StoreError> {
        match &mut self.rows {
            SourceRows::Memtable(cursor) => cursor.next(),
            SourceRows::Run(cursor) => cursor.next()?,
        }
        Ok(())
    }

    /// [I1] Goes to the row before.
    fn back(&mut self) -> Result<(), StoreError> {
        match &mut self.rows {
            SourceRows::Memtable(cursor) => cursor.back(),
            SourceRows::Run(cursor) => cursor.back()?,
        }
        Ok(())
    }

    /// [I2] Goes to the first key at or behind this one.
    pub fn seek_key(&mut self, key: &[u8], visible: u64) -> Result<(), StoreError> {
        self.seek(key, u64::MAX)?;
        while self.key().is_some() && self.sequence() >= visible {
            self.next()?;
        }
        Ok(())
    }

    /// [I2] Goes to the last key before this one.
    pub fn seek_key_back(&mut self, key: &[u8], visible: u64) -> Result<(), StoreError> {
        self.seek_back(key, u64::MAX)?;
        self.left.clear();
        self.newest_back(visible, false)
    }

    /// [I2] Goes to the next key.
    #[inline]
    pub fn next_key(&mut self, visible: u64) -> Result<(), StoreError> {
        if let SourceRows::Run(cursor) = &mut self.rows
            && cursor.next_key_within(visible)
        {
            return Ok(());
        }
        self.leave_key();
        self.next()?;
        while let Some(key) = self.key()
            && (key == self.left || self.sequence() >= visible)
        {
            self.next()?;
        }
        Ok(())
    }

    /// [I2] Goes to the key before.
    #[inline]
    pub fn back_key(&mut self, visible: u64) -> Result<(), StoreError> {
        if let SourceRows::Run(cursor) = &mut self.rows
            && cursor.back_key_within(visible)
        {
            return Ok(());
        }
        self.leave_key();
        self.back()?;
        self.newest_back(visible, true)
    }

    fn leave_key(&mut self) {
        let mut left = std::mem::take(&mut self.left);
        left.clear();
        left.extend_from_slice(self.key().unwrap_or_default());
        self.left = left;
    }

    /// From the oldest row of a key, or from a row of the key that was left, goes to the newest row
    /// that can be seen, of this key or of one before.
    fn newest_back(&mut self, visible: u64, has_left: bool) -> Result<(), StoreError> {
        let mut is_left = has_left;
        while let Some(key) = self.key() {
            let is_of_left = is_left && key == self.left;
            if !is_of_left && self.sequence() < visible {
                break;
            }
            // The rows before are of a key before, or newer still.
            if !is_of_left {
                self.leave_key();
                is_left = true;
            }
            self.back()?;
        }
        if self.key().is_none() {
            return Ok(());
        }
        self.leave_key();
        loop {
            self.back()?;
            match self.key() {
                Some(key) if key == self.left && self.sequence() < visible => {}
                Some(_) => return self.next(),
                None => return self.seek(&[], u64::MAX),
            }
        }
    }
}

/// A place in the tables of a run.
struct RunCursor {
    tables: Arc<[Arc<Table>]>,
    caching: Caching,
    /// Blocks that it has read.
    blocks: u32,
    table: usize,
    /// The number of the block within the table.
    number: usize,
    at: Option<At>,
    /// The key of the row where it stands.
    key: Vec<u8>,
}

/// A row of a block.
struct At {
    block: Block,
    layout: Layout,
    row: usize,
}

impl At {
    #[inline]
    fn rows(&self) -> Rows<'_> {
        self.block.rows_of(self.layout)
    }
}

impl RunCursor {
    fn new(tables: Arc<[Arc<Table>]>, caching: Caching) -> Self {
        Self {
            tables,
            caching,
            blocks: 0,
            table: 0,
            number: 0,
            at: None,
            key: Vec::new(),
        }
    }

    /// Enters a block at the row that `row` chooses.
    fn enter(
        &mut self,
        table: usize,
        number: usize,
        row: impl FnOnce(Rows<'_>) -> usize,
    ) -> Result<(), StoreError> {
        if self.caching == Caching::Keep && self.blocks == BLOCKS_KEPT_MAX {
            self.caching = Caching::Spare;
        }
        self.blocks = self.blocks.saturating_add(1);
        self.at = None;
        let block = self.tables[table].block(number, self.caching)?;
        let layout = block.layout();
        let rows = block.rows_of(layout);
        let row = row(rows);
        self.key.clear();
        self.key.extend_from_slice(rows.prefix());
        self.key.extend_from_slice(rows.rest(row));
        (self.table, self.number) = (table, number);
        self.at = Some(At { block, layout, row });
        Ok(())
    }

    /// Goes to a row of the same block.
    #[inline]
    fn go_to(&mut self, row: usize) {
        let Some(at) = &mut self.at else { return };
        at.row = row;
        let rows = at.block.rows_of(at.layout);
        self.key.truncate(rows.prefix().len());
        self.key.extend_from_slice(rows.rest(row));
    }

    fn seek(&mut self, key: &[u8], sequence: u64) -> Result<(), StoreError> {
        self.at = None;
        let is_before = |table: &Arc<Table>| table.info.end_key.as_slice() <= key;
        let first = self.tables.partition_point(is_before);
        for at in first..self.tables.len() {
            let table = &self.tables[at];
            let number = table.locate(key, sequence);
            if number < table.blocks() {
                let seek = |rows: Rows<'_>| rows.seek(key, sequence).min(rows.len() - 1);
                return self.enter(at, number, seek);
            }
        }
        Ok(())
    }

    fn seek_back(&mut self, key: &[u8], sequence: u64) -> Result<(), StoreError> {
        self.seek(key, sequence)?;
        match self.at {
            Some(_) => self.back(),
            None => self.enter_last(self.tables.len()),
        }
    }

    fn next(&mut self) -> Result<(), StoreError> {
        let Some(at) = &self.at else { return Ok(()) };
        let row = at.row + 1;
        if row < at.rows().len() {
            self.go_to(row);
            return Ok(());
        }
        if self.number + 1 < self.tables[self.table].blocks() {
            return self.enter(self.table, self.number + 1, |_| 0);
        }
        let later = self.table + 1..self.tables.len();
        let has_rows = |table: &usize| self.tables[*table].blocks() > 0;
        match { later }.find(has_rows) {
            Some(table) => self.enter(table, 0, |_| 0),
            None => {
                self.at = None;
                Ok(())
            }
        }
    }

    fn back(&mut self) -> Result<(), StoreError> {
        let Some(at) = &self.at else { return Ok(()) };
        if let Some(row) = at.row.checked_sub(1) {
            self.go_to(row);
            return Ok(());
        }
        match self.number.checked_sub(1) {
            Some(number) => self.enter(self.table, number, |rows| rows.len() - 1),
            None => self.enter_last(self.table),
        }
    }

    /// Goes to the last row of the tables before `end`.
    fn enter_last(&mut self, end: usize) -> Result<(), StoreError> {
        let has_rows = |table: &usize| self.tables[*table].blocks() > 0;
        match (0..end).rev().find(has_rows) {
            Some(table) => {
                let number = self.tables[table].blocks() - 1;
                self.enter(table, number, |rows| rows.len() - 1)
            }
            None => {
                self.at = None;
                Ok(())
            }
        }
    }

    /// Goes to the next key if that takes one step within the block; says whether it did.
    #[inline]
    fn next_key_within(&mut self, visible: u64) -> bool {
        let Some(at) = &self.at else { return false };
        let (rows, next) = (at.rows(), at.row + 1);
        let is_one_step =
            next < rows.len() && !rows.has_key_of_next(at.row) && rows.sequence(next) < visible;
        if is_one_step {
            self.go_to(next);
        }
        is_one_step
    }

    /// Goes to the key before if that takes one step within the block; says whether it did.
    #[inline]
    fn back_key_within(&mut self, visible: u64) -> bool {
        let Some(at) = &self.at else { return false };
        let rows = at.rows();
        let Some(before) = at.row.checked_sub(1) else {
            return false;
        };
        let is_one_row = match (before.checked_sub(1), self.number.checked_sub(1)) {
            (Some(one_more), _) => !rows.has_key_of_next(one_more),
            (None, Some(number)) => {
                let last = self.tables[self.table].last_key(number);
                !rows.has_key(before, last)
            }
            // Tables of a run share no key.
            (None, None) => true,
        };
        let is_one_step =
            is_one_row && !rows.has_key_of_next(before) && rows.sequence(before) < visible;
        if is_one_step {
            self.go_to(before);
        }
        is_one_step
    }
}
