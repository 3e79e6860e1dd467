//! The tables of the documentation, and files decoded by them alone.

use std::ops::Range;

/// A row of a table: where a field stands, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub bytes: Range<usize>,
    pub field: String,
    pub meaning: String,
}

/// The rows of the table below a heading (or, in a module's documentation, of its first table)
/// whose first column is a range of bytes. Rows without fixed bounds are left out.
pub fn table(text: &str, heading: Option<&str>) -> Vec<Row> {
    let lines = text
        .lines()
        .map(|line| line.trim_start_matches("//!").trim());
    let mut lines = lines.skip_while(|line| heading.is_some_and(|heading| *line != heading));
    let header = lines.find(|line| *line == "| bytes | field | meaning |");
    assert!(header.is_some(), "{heading:?} has no table");
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let mut cells = line.trim_matches('|').split('|').map(str::trim);
    let (bytes, field, meaning) = (cells.next()?, cells.next()?, cells.next()?);
    let bytes = match bytes.split_once("..") {
        Some((from, to)) => from.parse().ok()?..to.parse().ok()?,
        None => {
            let at = bytes.parse().ok()?;
            at..at + 1
        }
    };
    let [field, meaning] = [field, meaning].map(str::to_owned);
    Some(Row {
        bytes,
        field,
        meaning,
    })
}

/// A structure in a file, decoded by a table.
pub struct Decoded<'a> {
    rows: &'a [Row],
    bytes: &'a [u8],
}

impl<'a> Decoded<'a> {
    pub fn new(rows: &'a [Row], bytes: &'a [u8]) -> Self {
        Self { rows, bytes }
    }

    pub fn bytes(&self, field: &str) -> &'a [u8] {
        let row = self.rows.iter().find(|row| row.field == field);
        let row = row.unwrap_or_else(|| panic!("the table has no {field}"));
        self.bytes
            .get(row.bytes.clone())
            .expect("it is in the file")
    }

    pub fn number(&self, field: &str) -> u64 {
        let bytes = self.bytes(field).iter().rev();
        bytes.fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    /// All fields but zeros, a line for each: small numbers as such, others as bytes.
    pub fn describe(&self, indent: &str) -> String {
        let mut text = String::new();
        for row in self.rows {
            let bytes = self.bytes(&row.field);
            if bytes.iter().all(|byte| *byte == 0) {
                continue;
            }
            let shown = match self.number(&row.field) {
                number if bytes.len() <= 8 && number < 1 << 24 => number.to_string(),
                _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            };
            text.push_str(&format!("{indent}{}: {shown}\n", row.field));
        }
        text
    }
}
