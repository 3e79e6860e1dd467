//! Logs of every format version that was ever written: the version of now is read as it was, older
//! ones are refused by name.
//!
//! `corpus/format/log-v2` holds the files of a log that was made once, by the calls below, in the
//! simulated world with a fixed source of identities. It is never made again: a change of the
//! format brings a new directory beside it.
#![expect(clippy::disallowed_methods, reason = "the golden files are real files")]

#[path = "format_golden/table.rs"]
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blackstart::commitlog::{
    Durability, Entry, Inspected, Log, LogError, LogOptions, ReadOnlyLog, TxOffset, backup,
    inspect, salvage, verify,
};
use blackstart_sim::disk::{DiskConfig, SimFs};
use blackstart_sim::sched::{Finish, World, WorldConfig};
use blackstart_vfs::{Env, FileExt, Fs, OpenOptions};

use table::{Decoded, Row, table};

const FORMAT: &str = include_str!("../docs/FORMAT.md");

fn golden(version: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("corpus/format").join(version)
}

/// The calls that made the golden log: several segments, a large frame, a retired part, a fork and
/// a close mark.
fn make(env: &Env) {
    let options = || {
        LogOptions::new()
            .create(true)
            .segment_bytes_max(512)
            .preallocate_bytes(0)
    };
    let (log, _) = Log::open(env, "", options()).expect("opens");
    for number in 0..4u8 {
        let records = vec![vec![b'a' + number; 30 + usize::from(number)]; usize::from(number) + 1];
        log.commit(&records, Durability::Synced).expect("commits");
    }
    log.commit(&[[b'L'; 1_500]], Durability::Synced)
        .expect("commits");
    for record in ["kept", "cut off", "cut off as well"] {
        log.commit(&[record], Durability::Synced).expect("commits");
    }
    log.truncate_to(TxOffset::new(12)).expect("cuts");
    log.commit(&["after a cut", ""], Durability::Os)
        .expect("commits");
    log.retain_from(TxOffset::new(7)).expect("retires");
    log.close().expect("closes");
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
    names.map(read).collect()
}

/// The golden files by name.
fn files() -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(golden("log-v2")).expect("lists");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = paths
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy();
            (name.into_owned(), std::fs::read(&path).expect("reads"))
        })
        .collect();
    files.sort();
    files
}

/// The same calls write the same bytes as long as the format is the same.
#[test]
fn the_format_has_not_changed_in_silence() {
    let now = made_now();
    let golden = golden("log-v2");
    if std::env::var_os("BLACKSTART_MAKE_GOLDEN").is_some() {
        std::fs::create_dir_all(&golden).expect("makes it");
        for (name, bytes) in &now {
            std::fs::write(golden.join(name), bytes).expect("writes");
        }
    }
    let kept = files();
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&now), names(&kept));
    for ((name, now), (_, kept)) in now.iter().zip(&kept) {
        assert!(
            now == kept,
            "{name} differs: a change of the format needs a version of its own"
        );
    }
}

/// What the engine sees in the golden log, a line for each part.
#[test]
fn the_golden_log_is_seen_as_it_was() {
    let env = Env::os(golden("log-v2"));
    let mut text = String::new();
    inspect(&env, "", &mut |seen| {
        let line = match &seen {
            Inspected::Frame { at, frame, end } => format!(
                "  {at} {} {}..{end}, {} payload bytes, durable bytes {}",
                frame.kind.name(),
                frame.first,
                frame.payload_len,
                frame.durable_bytes
            ),
            Inspected::Segment { file, bytes, .. } => format!("{file} {bytes} bytes"),
            other => format!("{other:?}"),
        };
        text.push_str(&line);
        text.push('\n');
    })
    .expect("looks");
    insta::assert_snapshot!("log-v2", text);
    let verification = verify(&env, "", &LogOptions::new()).expect("reads");
    assert!(verification.is_good(), "{verification:?}");
}

#[test]
fn the_golden_log_reads_as_it_did() {
    let env = Env::os(golden("log-v2"));
    let (log, report) = ReadOnlyLog::open(&env, "", LogOptions::new()).expect("opens");
    assert!(report.closed, "{report:?}");
    assert!(report.files.is_empty(), "{report:?}");
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
    insta::assert_snapshot!("log-v2-records", text);
}

/// The documentation of the modules and FORMAT.md say the same.
#[test]
fn the_tables_agree() {
    let modules = [
        ("### Header", include_str!("../src/commitlog/header.rs")),
        ("### Frame", include_str!("../src/commitlog/frame.rs")),
        (
            "## The superblock",
            include_str!("../src/commitlog/superblock.rs"),
        ),
    ];
    for (heading, module) in modules {
        let rows = table(FORMAT, Some(heading));
        assert!(rows.len() > 8, "{heading}: {rows:?}");
        assert_eq!(rows, table(module, None), "{heading}");
        let ends = rows.iter().map(|row| row.bytes.end);
        let starts = rows.iter().skip(1).map(|row| row.bytes.start);
        assert!(ends.zip(starts).all(|(end, start)| end == start), "no gaps");
    }
}

/// The golden files are decoded by the tables of FORMAT.md, and by nothing else: fields, the chain
/// of frames, and every checksum.
#[test]
fn the_golden_log_is_what_the_tables_say() {
    let [headers, frames, slots] = ["### Header", "### Frame", "## The superblock"]
        .map(|heading| table(FORMAT, Some(heading)));
    let mut text = String::new();
    for (name, bytes) in files() {
        text.push_str(&format!("{name}\n"));
        match name.as_str() {
            "lock" => superblock(&slots, &bytes, &mut text),
            _ => segment(&headers, &frames, &bytes, &mut text),
        }
    }
    insta::assert_snapshot!("log-v2-by-the-tables", text);
}

fn superblock(slots: &[Row], bytes: &[u8], text: &mut String) {
    assert_eq!(bytes.len(), 8 * 512);
    for (number, bytes) in bytes.chunks(512).enumerate() {
        if bytes.iter().all(|byte| *byte == 0) {
            text.push_str(&format!("  slot {number} was not written yet\n"));
            continue;
        }
        let slot = Decoded::new(slots, bytes);
        assert_eq!(slot.bytes("magic"), b"BLKSTSUP");
        assert_eq!(slot.number("checksum"), checksum(&bytes[..64]));
        assert_eq!(slot.number("counter") % 8, number as u64);
        text.push_str(&format!("  slot {number}\n{}", slot.describe("    ")));
    }
}

fn segment(headers: &[Row], frames: &[Row], bytes: &[u8], text: &mut String) {
    let header = Decoded::new(headers, bytes);
    assert_eq!(header.bytes("magic"), b"BLKSTLOG");
    let len = header.number("header length") as usize;
    assert_eq!(header.number("checksum"), checksum(&bytes[..len - 4]));
    text.push_str(&format!("  header\n{}", header.describe("    ")));
    let identity = [header.bytes("log id"), header.bytes("first tx offset")].concat();
    let start = [
        header.bytes("predecessor's end: checksum"),
        header.bytes("creation tag"),
    ];
    let mut prev = checksum(&start.concat());
    let (mut at, mut next) = (len, 0);
    while at < bytes.len() {
        let frame = Decoded::new(frames, &bytes[at..]);
        assert_eq!(frame.bytes("magic"), [0xF5, 0x4B]);
        assert_eq!(frame.bytes("creation tag"), header.bytes("creation tag"));
        assert_eq!(frame.number("prev"), prev);
        assert_eq!(frame.number("relative tx offset"), next);
        let payload_len = frame.number("payload length") as usize;
        let payload = &bytes[at + 32..at + 32 + payload_len];
        let (covered_to, end) = match payload_len > 1_024 {
            true => {
                let stored = &bytes[at + 32 + payload_len..at + 36 + payload_len];
                assert_eq!(stored, (checksum(payload) as u32).to_le_bytes());
                (at + 32, at + 36 + payload_len)
            }
            false => (at + 32 + payload_len, at + 32 + payload_len),
        };
        let initial = checksum(&identity) as u32 ^ at as u32;
        let mut hasher = crc32fast::Hasher::new_with_initial(initial);
        hasher.update(&bytes[at + 4..covered_to]);
        prev = u64::from(hasher.finalize());
        assert_eq!(frame.number("checksum"), prev);
        text.push_str(&format!("  frame at {at}\n{}", frame.describe("    ")));
        next += frame.number("tx count");
        at = end;
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    crc32fast::hash(bytes).into()
}

/// Version 1 is refused by name, whatever is asked for.
#[test]
fn version_1_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let from = golden("log-v1");
    let to = dir.path().join("log-v1");
    std::fs::create_dir(&to).expect("makes it");
    for entry in std::fs::read_dir(&from).expect("lists") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copies");
    }
    let (env, target) = (Env::os(&to), Env::os(dir.path()));
    let options = LogOptions::new;
    let verification = verify(&env, "", &options()).expect("reads");
    assert!(!verification.is_good());
    let refusals = [
        Log::open(&env, "", options()).map(drop),
        Log::open(&env, "", options().create(true)).map(drop),
        ReadOnlyLog::open(&env, "", options()).map(drop),
        verification.opening.map(drop),
        salvage(&env, "", &target, "saved", &options()).map(drop),
        backup(&env, "", &target, "copy", &options()).map(drop),
    ];
    for refusal in refusals {
        let Err(LogError::UnsupportedVersion {
            file,
            found,
            supported,
        }) = refusal
        else {
            panic!("{refusal:?}")
        };
        assert!(file.ends_with(".log") && file.contains("log-v1/"), "{file}");
        assert_eq!((found, supported), (1, 2));
    }
    let names = std::fs::read_dir(dir.path()).expect("lists");
    assert_eq!(names.count(), 1, "nothing was begun");
}
