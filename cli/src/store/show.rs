//! What the commands on a store print.

use std::fmt::Write as _;
use std::path::Path;

use blackstart::store::{
    BackupReport, BlockSummary, Inspected, InspectedWrite, Keyspace, ManifestSummary,
    ReadOnlyStore, RecoveryReport, StoreStats, TableSummary, TableVerdict, Verification,
};
use serde_json::{Value, json};

use super::Shape;
use super::encoding::Encoding;
use crate::log;

/// One JSON object, or the text.
fn either(shape: Shape, json: impl FnOnce() -> Value, text: impl FnOnce() -> String) -> String {
    match shape.json {
        true => format!("{}\n", json()),
        false => text(),
    }
}

/// A number and what is counted.
fn count(number: u64, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        many if one.ends_with("ch") => format!("{many} {one}es"),
        many => format!("{many} {one}s"),
    }
}

/// A key of the tree, by its keyspace.
fn tree_key(encoding: Encoding, tree_key: &[u8]) -> String {
    match tree_key.split_first_chunk::<4>() {
        Some((keyspace, key)) => {
            format!("{}/{}", u32::from_be_bytes(*keyspace), encoding.encode(key))
        }
        None => encoding.encode(tree_key),
    }
}

/// A keyspace and its name as JSON.
pub(crate) fn keyspace(number: u32, name: &str) -> String {
    format!("{}\n", json!({"keyspace": number, "name": name}))
}

/// A row as JSON.
pub(crate) fn row(keyspace: Keyspace, key: &[u8], value: Option<&[u8]>, shape: Shape) -> String {
    let row = json!({
        "keyspace": keyspace.number(),
        "encoding": shape.encoding.name(),
        "key": shape.encoding.encode(key),
        "value": value.map(|value| shape.encoding.encode(value)),
    });
    format!("{row}\n")
}

/// Something that `inspect` saw.
pub(crate) fn inspected(seen: &Inspected, shape: Shape) -> String {
    let encoding = shape.encoding;
    match seen {
        Inspected::Manifest { file, manifest } => match manifest {
            Ok(manifest) => self::manifest(file, manifest, shape),
            Err(error) => unreadable("manifest", file, &error.to_string(), shape),
        },
        Inspected::Table { table, blocks } => self::table(table, blocks, shape),
        Inspected::Block { at, bytes, block } => match block {
            Ok(block) => self::block(at.get(), *bytes, block, shape),
            Err(error) => unreadable("block", &format!("  {at:>10}"), &error.to_string(), shape),
        },
        Inspected::DeletedRange { from, end } => {
            let (from, end) = (tree_key(encoding, from), tree_key(encoding, end));
            either(
                shape,
                || json!({"what": "deleted range", "from": from, "end": end}),
                || format!("  deleted   from {from} to before {end}\n"),
            )
        }
        Inspected::Batch { sequence, writes } => match writes {
            Ok(writes) => batch(sequence.get(), writes, shape),
            Err(defect) => {
                let place = format!("batch {sequence} of the log");
                unreadable("batch", &place, &defect.to_string(), shape)
            }
        },
        Inspected::Log { log } => match log {
            Ok(range) => either(
                shape,
                || json!({"what": "log", "from": range.start.get(), "end": range.end.get()}),
                || format!("log  transactions {}..{}\n", range.start, range.end),
            ),
            Err(error) => unreadable("log", "log", &error.to_string(), shape),
        },
        Inspected::Unnamed { file } => either(
            shape,
            || json!({"what": "unnamed file", "file": file}),
            || format!("{file}  is named by no manifest; the next writable opening removes it\n"),
        ),
        Inspected::Unknown { file } => either(
            shape,
            || json!({"what": "unknown file", "file": file}),
            || format!("{file}  is no file of a store\n"),
        ),
        other => format!("{other:?}\n"),
    }
}

fn unreadable(what: &str, place: &str, error: &str, shape: Shape) -> String {
    either(
        shape,
        || json!({"what": what, "place": place.trim(), "error": error}),
        || format!("{place}  cannot be read: {error}\n"),
    )
}

fn manifest(file: &str, manifest: &ManifestSummary, shape: Shape) -> String {
    let tables = manifest.tables.len();
    either(
        shape,
        || {
            json!({
                "what": "manifest",
                "file": file,
                "log": manifest.log_id.to_string(),
                "epoch": manifest.epoch.get(),
                "flushed_through": manifest.flushed_through.get(),
                "table_next": manifest.table_next,
                "tables": manifest.tables.iter().map(summary).collect::<Vec<_>>(),
            })
        },
        || {
            format!(
                "{file}  names {}, which hold everything before transaction {} of log {}, \
                 epoch {}\n",
                count(tables as u64, "table"),
                manifest.flushed_through,
                manifest.log_id,
                manifest.epoch
            )
        },
    )
}

fn summary(table: &TableSummary) -> Value {
    json!({
        "file": table.file,
        "creation": format!("{:016x}", table.creation),
        "bytes": table.bytes,
        "rows": table.rows,
    })
}

fn table(
    table: &TableSummary,
    blocks: &Result<usize, blackstart::store::StoreError>,
    shape: Shape,
) -> String {
    let text = match blocks {
        Ok(blocks) => count(*blocks as u64, "block"),
        Err(error) => format!("cannot be opened: {error}"),
    };
    either(
        shape,
        || {
            let mut object = summary(table);
            object["what"] = json!("table");
            match blocks {
                Ok(blocks) => object["blocks"] = json!(blocks),
                Err(error) => object["error"] = json!(error.to_string()),
            }
            object
        },
        || {
            format!(
                "tables/{}  {} bytes, {} rows, {text}\n",
                table.file, table.bytes, table.rows
            )
        },
    )
}

fn block(at: u64, bytes: u32, block: &BlockSummary, shape: Shape) -> String {
    let encoding = shape.encoding;
    let (first, last) = (
        tree_key(encoding, &block.first),
        tree_key(encoding, &block.last),
    );
    let (low, high) = block.sequences;
    either(
        shape,
        || {
            json!({
                "what": "block",
                "at": at,
                "bytes": bytes,
                "rows": block.rows,
                "deletes": block.deletes,
                "first": first,
                "last": last,
                "sequences": [low.get(), high.get()],
            })
        },
        || {
            format!(
                "  {at:>10}  block of {bytes} bytes, {} rows, {} deletes, sequences {low} to \
                 {high}, {first} to {last}\n",
                block.rows, block.deletes
            )
        },
    )
}

fn batch(sequence: u64, writes: &[InspectedWrite], shape: Shape) -> String {
    let encoding = shape.encoding;
    let words = writes.iter().map(|write| match write {
        InspectedWrite::Put(key, bytes) => {
            format!("put {} ({bytes} bytes)", tree_key(encoding, key))
        }
        InspectedWrite::Delete(key) => format!("delete {}", tree_key(encoding, key)),
        InspectedWrite::DeleteRange(from, end) => format!(
            "delete {} to before {}",
            tree_key(encoding, from),
            tree_key(encoding, end)
        ),
        other => format!("{other:?}"),
    });
    let words: Vec<_> = words.collect();
    either(
        shape,
        || json!({"what": "batch", "sequence": sequence, "writes": words}),
        || format!("batch {sequence}  {}\n", words.join(", ")),
    )
}

/// What `verify` found.
pub(crate) fn verified(verification: &Verification, shape: Shape) -> String {
    let findings = &verification.findings;
    let text = || {
        let mut text = String::new();
        for table in &verification.tables {
            text.push_str(&verdict(table));
        }
        if let Some(own) = &verification.log {
            for segment in &own.segments {
                let _ = write!(text, "log/{}", log::show::verdict(segment));
            }
        }
        for file in &verification.files_unnamed {
            let _ = writeln!(text, "{file}  is named by no manifest");
        }
        for file in &verification.files_unknown {
            let _ = writeln!(text, "{file}  is no file of a store");
        }
        for finding in findings {
            let _ = writeln!(text, "wrong: {finding}");
        }
        let _ = match findings.len() {
            0 => writeln!(
                text,
                "good: {}, {} of the log behind them",
                count(verification.tables.len() as u64, "table"),
                count(verification.batches, "batch")
            ),
            1 => writeln!(text, "1 thing is wrong"),
            many => writeln!(text, "{many} things are wrong"),
        };
        text
    };
    let json = || {
        let tables = verification.tables.iter().map(|own| {
            let mut object = summary(&own.table);
            object["blocks_good"] = json!(own.blocks);
            object["blocks_bad"] = json!(own.blocks_bad);
            object["rows_read"] = json!(own.rows);
            object
        });
        json!({
            "good": verification.is_good(),
            "manifest": verification.manifest,
            "tables": tables.collect::<Vec<_>>(),
            "batches": verification.batches,
            "findings": findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "files_unnamed": verification.files_unnamed,
            "files_unknown": verification.files_unknown,
        })
    };
    either(shape, json, text)
}

fn verdict(own: &TableVerdict) -> String {
    let judged = match own.blocks_bad {
        0 if own.rows == own.table.rows => "good".to_owned(),
        0 => "not whole".to_owned(),
        bad => format!("{} cannot be read", count(bad, "block")),
    };
    format!(
        "tables/{}  {}, {} rows, {} bytes: {judged}\n",
        own.table.file,
        count(own.blocks + own.blocks_bad, "block"),
        own.table.rows,
        own.table.bytes
    )
}

/// What a store consists of.
pub(crate) fn stats(store: &ReadOnlyStore, report: &RecoveryReport, shape: Shape) -> String {
    let stats = store.stats();
    let (log, next) = (&report.log, store.snapshot().sequence());
    either(
        shape,
        || {
            json!({
                "log": store.log_id().to_string(),
                "manifest": report.manifest,
                "next_sequence": next.get(),
                "flushed_through": stats.flushed_through.get(),
                "tables": stats.tables,
                "table_bytes": stats.table_bytes,
                "table_rows": stats.table_rows,
                "log_oldest": log.oldest.get(),
                "log_segments": log.segments,
                "batches_behind_tables": report.batches_replayed,
                "rows_behind_tables": report.rows_replayed,
                "memtable_bytes": stats.memtable_bytes,
                "closed": log.closed,
            })
        },
        || {
            format!(
                "store    {}, the next batch gets sequence {next}
\
                 tables   {}, {} bytes, {} rows with older ones and deletes; they hold all before \
                 sequence {}
\
                 log      {}, transactions {}..{}{}
\
                 behind   {} with {} rows are in no table yet
",
                store.log_id(),
                count(stats.tables as u64, "table"),
                stats.table_bytes,
                stats.table_rows,
                stats.flushed_through,
                count(log.segments, "segment"),
                log.oldest,
                log.next,
                if log.closed { ", closed" } else { "" },
                count(report.batches_replayed, "batch"),
                report.rows_replayed,
            )
        },
    )
}

/// What a backup copied.
pub(crate) fn copied(report: &BackupReport, to: &Path, shape: Shape) -> String {
    let bytes = report.bytes_linked + report.bytes_copied;
    either(
        shape,
        || {
            json!({
                "to": to.display().to_string(),
                "tables": report.tables,
                "bytes_linked": report.bytes_linked,
                "bytes_copied": report.bytes_copied,
                "flushed_through": report.flushed_through.get(),
                "log_bytes": report.log.bytes,
                "next_sequence": report.log.next.get(),
            })
        },
        || {
            format!(
                "{}: {} of {bytes} bytes, {} of them linked and {} copied; the log with \
                 {} bytes; all batches before sequence {}\n",
                to.display(),
                count(report.tables as u64, "table"),
                report.bytes_linked,
                report.bytes_copied,
                report.log.bytes,
                report.log.next
            )
        },
    )
}

/// What a compaction made of a store.
pub(crate) fn compacted(before: &StoreStats, after: &StoreStats, shape: Shape) -> String {
    let part = |stats: &StoreStats| {
        let (bytes, rows) = (stats.table_bytes, stats.table_rows);
        json!({"tables": stats.tables, "bytes": bytes, "rows": rows})
    };
    either(
        shape,
        || json!({"before": part(before), "after": part(after)}),
        || {
            format!(
                "before: {}, {} rows, {} bytes\nnow: {}, {} rows, {} bytes\n",
                count(before.tables as u64, "table"),
                before.table_rows,
                before.table_bytes,
                count(after.tables as u64, "table"),
                after.table_rows,
                after.table_bytes
            )
        },
    )
}
