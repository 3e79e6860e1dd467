//! Logs of every format version that was ever written are read as they were.
//!
//! `corpus/format/log-v1` holds the files of a log that was made once, by the calls below, in the
//! simulated world with a fixed source of identities. It is never made again: a change of the
//! format brings a new directory beside it.
#![expect(clippy::disallowed_methods, reason = "the golden files are real files")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blackstart::commitlog::{
    Durability, Entry, Inspected, Log, LogOptions, ReadOnlyLog, TxOffset, inspect, verify,
};
use blackstart_sim::disk::{DiskConfig, SimFs};
use blackstart_sim::sched::{Finish, World, WorldConfig};
use blackstart_vfs::{Env, FileExt, Fs, OpenOptions};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/format/log-v1")
}

/// The calls that made the golden log: every kind of frame and header but those of a salvage.
fn make(env: &Env) {
    let options = || {
        LogOptions::new()
            .create(true)
            .segment_bytes_max(512)
            .size_ahead_bytes(0)
    };
    let (log, _) = Log::open(env, "", options()).expect("opens");
    for number in 0..4u8 {
        let records = vec![vec![b'a' + number; 30 + usize::from(number)]; usize::from(number) + 1];
        log.commit(&records, Durability::Synced).expect("commits");
    }
    log.retain_from(TxOffset::new(6)).expect("retires");
    log.close().expect("closes");
    let (log, _) = Log::open(env, "", options()).expect("opens");
    log.commit(&[b"after a close"], Durability::Synced)
        .expect("commits");
    log.commit(&[b"cut off"], Durability::Synced)
        .expect("commits");
    log.truncate_to(TxOffset::new(11)).expect("cuts");
    log.commit(&[b"after a cut"], Durability::Os)
        .expect("commits");
    log.flush().expect("flushes");
}

/// The files that [`make`] writes today.
fn made_now() -> Vec<(String, Vec<u8>)> {
    let world = World::new(WorldConfig {
        entropy: 1,
        ..WorldConfig::default()
    });
    let fs = SimFs::new(DiskConfig::default());
    let shared = Arc::new(world.clone());
    let env = Env::new(Arc::new(fs.clone()), shared.clone(), shared.clone(), shared);
    assert_eq!(world.run(Box::new(move || make(&env))), Finish::Complete);
    let entries = fs.read_dir(Path::new("")).expect("lists");
    let names = entries
        .into_iter()
        .map(|entry| entry.name.into_string().expect("text"));
    let read = |name: String| {
        let options = OpenOptions::new().read();
        let file = fs.open(Path::new(&name), options).expect("opens");
        let mut bytes = vec![0; file.len().expect("a length") as usize];
        file.read_exact_at(&mut bytes, 0).expect("reads");
        (name, bytes)
    };
    names.filter(|name| name != "lock").map(read).collect()
}

/// What a log consists of, a line for each part.
fn describe(dir: &Path) -> String {
    let mut text = String::new();
    inspect(&Env::os(dir), "", &mut |seen| {
        text.push_str(&match seen {
            Inspected::Segment {
                file,
                bytes,
                header,
            } => match header {
                Ok(header) => format!(
                    "{file} {bytes} bytes, epoch {}, first {}, oldest {}, durable through {}, \
                     flags {:#b}\n",
                    header.epoch,
                    header.first,
                    header.oldest,
                    header.durable_through,
                    header.flags.bits()
                ),
                Err(problem) => format!("{file} {bytes} bytes, {problem:?}\n"),
            },
            Inspected::Frame { at, frame, end } => format!(
                "  {at} {:?} {}..{end}, {} payload bytes, durable through {}\n",
                frame.kind, frame.first, frame.payload_len, frame.durable_through
            ),
            other => format!("  {other:?}\n"),
        });
    })
    .expect("looks");
    text
}

#[test]
fn the_golden_log_is_decoded_as_it_was() {
    insta::assert_snapshot!("log-v1", describe(&golden()));
    let verification = verify(&Env::os(golden()), "").expect("reads");
    assert!(verification.is_good(), "{verification:?}");
}

#[test]
fn the_golden_log_reads_as_it_did() {
    let (log, report) =
        ReadOnlyLog::open(&Env::os(golden()), "", LogOptions::new()).expect("opens");
    let mut reader = log.reader(report.oldest).expect("reads");
    let mut text = String::new();
    while let Some(entry) = reader.next_entry().expect("reads") {
        let Entry::Commit(commit) = entry else {
            panic!("nothing is lost")
        };
        for (offset, record) in commit.transactions() {
            text.push_str(&format!("{offset} {}\n", String::from_utf8_lossy(record)));
        }
    }
    insta::assert_snapshot!("log-v1-records", text);
}

/// The same calls write the same bytes as long as the format is the same.
#[test]
fn the_format_has_not_changed_in_silence() {
    let now = made_now();
    if std::env::var_os("BLACKSTART_MAKE_GOLDEN").is_some() {
        for (name, bytes) in &now {
            std::fs::write(golden().join(name), bytes).expect("writes");
        }
    }
    let names: Vec<&str> = now.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.len() >= 3, "{names:?}");
    for (name, bytes) in &now {
        let kept = std::fs::read(golden().join(name)).expect("reads");
        assert!(
            kept == *bytes,
            "{name} differs: a change of the format needs a version of its own"
        );
    }
}

/// The tables of the documentation say where the fields stand: read by them, and by nothing else,
/// the golden files give the same numbers as the decoder.
#[test]
fn the_documented_layout_is_the_layout() {
    let name = "00000000000000000011.log";
    let bytes = std::fs::read(golden().join(name)).expect("reads");
    let number = |at: usize, len: usize| {
        let field = bytes.get(at..at + len).expect("in the file");
        field
            .iter()
            .rev()
            .fold(0u64, |number, &byte| number << 8 | u64::from(byte))
    };
    assert_eq!(bytes.get(..8), Some(&b"BLKSTLOG"[..]));
    assert_eq!(number(8, 4), 1, "format version");
    assert_eq!(number(12, 4), 96, "header length");
    assert_eq!(number(28, 4), 1, "flags: a fork");
    assert_eq!(number(48, 8), 11, "first tx offset");
    let checksum = crc32fast::hash(bytes.get(..92).expect("in the file"));
    assert_eq!(number(92, 4), u64::from(checksum), "checksum of the header");
}
