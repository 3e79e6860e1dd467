//! What is printed: tables in Markdown, or the same as JSON.

use serde::Serialize;

use crate::Result;
use crate::target::Verdict;

/// A table of one workload.
#[derive(Serialize)]
pub struct Table {
    title: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Table {
    /// A table without rows. The first column is left-aligned, the others right-aligned.
    pub fn new(title: impl Into<String>, columns: &[&str]) -> Self {
        Self {
            title: title.into(),
            columns: columns.iter().map(|&name| name.into()).collect(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Adds a sentence below the table.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    fn print(&self) {
        println!("\n## {}\n", self.title);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .chain(self.columns.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| width(column).unwrap_or(0))
            .collect();
        println!("{}", line(&self.columns, &widths));
        let rule: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(index, &width)| match index {
                0 => "-".repeat(width + 2),
                _ => format!("{}:", "-".repeat(width + 1)),
            })
            .collect();
        println!("|{}|", rule.join("|"));
        for row in &self.rows {
            println!("{}", line(row, &widths));
        }
        for note in &self.notes {
            println!("\n{note}");
        }
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let cells: Vec<String> = cells
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(index, (cell, &width))| match index {
            0 => format!(" {cell:<width$} "),
            _ => format!(" {cell:>width$} "),
        })
        .collect();
    format!("|{}|", cells.join("|"))
}

/// Everything one run says.
#[derive(Serialize)]
pub struct Report {
    machine: String,
    load: String,
    tables: Vec<Table>,
    verdicts: Vec<Verdict>,
}

impl Report {
    /// An empty report about a machine.
    pub fn new(machine: String) -> Self {
        Self {
            machine,
            load: String::new(),
            tables: Vec::new(),
            verdicts: Vec::new(),
        }
    }

    /// Sets the machine's load before and after the run.
    pub fn load(&mut self, before: &str, after: &str) {
        self.load = format!("{before} before the run, {after} after it");
    }

    /// Adds a table.
    pub fn table(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// Adds a verdict on a target.
    pub fn verdict(&mut self, verdict: Verdict) {
        self.verdicts.push(verdict);
    }

    /// Prints everything.
    pub fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        println!("Measured on: {}", self.machine);
        println!("Load average: {}", self.load);
        for table in &self.tables {
            table.print();
        }
        if !self.verdicts.is_empty() {
            println!("\n## Targets\n");
        }
        for verdict in &self.verdicts {
            println!("{verdict}");
        }
        Ok(())
    }
}

/// A rate with three digits and a unit: `13.9M`.
pub fn rate(per_second: f64) -> String {
    match per_second {
        value if value >= 1e6 => format!("{:.2}M", value / 1e6),
        value if value >= 1e3 => format!("{:.1}k", value / 1e3),
        value => format!("{value:.0}"),
    }
}

/// Bytes in MiB with one digit.
pub fn mebibytes(bytes: f64) -> String {
    format!("{:.1}", bytes / f64::from(1 << 20))
}

/// A ratio with two digits, a large one without; a dash if there is none.
pub fn ratio(value: Option<f64>) -> String {
    match value {
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) => format!("{value:.2}"),
        None => "–".into(),
    }
}
