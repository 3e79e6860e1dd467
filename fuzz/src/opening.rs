//! Opening the files of a damaged log, reading it, and writing to it.

use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use blackstart::commitlog::recovery::{Beforehand, plan};
use blackstart::commitlog::{
    Durability, Entry, ErrorClass, Log, LogError, LogOptions, MemorySource, ReadOnlyLog, Reader,
    backup, inspect, salvage, verify,
};
use blackstart_sim::disk::SimFs;
use blackstart_vfs::{Env, FileExt, FileKind, Fs, OpenOptions};

use super::disk::simulated;
use super::files::Files;

/// What a reader sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Transaction(u64, Vec<u8>),
    Lost(u64, u64),
    Unreadable(String),
}

/// A simulated disk that holds a log drawn from bytes.
struct Drawn {
    disk: SimFs,
    env: Env,
    source: MemorySource,
    beforehand: Beforehand,
}

impl Drawn {
    fn new(bytes: &[u8]) -> Option<Self> {
        let files = Files::arbitrary(&mut Unstructured::new(bytes)).ok()?;
        let (disk, env) = simulated();
        let mut source = MemorySource::new();
        for (name, bytes) in files.build() {
            put(&disk, &name, &bytes);
            source.insert(name, bytes);
        }
        Some(Self {
            disk,
            env,
            source,
            beforehand: files.beforehand(),
        })
    }

    fn options(&self) -> LogOptions {
        match self.beforehand.durable_through {
            Some((epoch, bound)) => LogOptions::new().durable_through(epoch, bound),
            None => LogOptions::new(),
        }
    }
}

/// Opens a log drawn from bytes. It opens exactly if recovery has a plan; a refusal changes
/// nothing, and neither does looking, copying or salvaging; and what was opened can be read,
/// written, closed, and read again.
pub fn check(bytes: &[u8]) {
    let Some(drawn) = Drawn::new(bytes) else {
        return;
    };
    let before = contents(&drawn.disk);
    look(&drawn.env, &drawn.options());
    copy(&drawn);
    save(&drawn);
    assert_eq!(contents(&drawn.disk), before, "looked at, and changed");
    let planned = plan(&drawn.source, drawn.beforehand);
    match Log::open(&drawn.env, "", drawn.options()) {
        Ok((log, report)) => {
            assert!(planned.is_ok(), "opened without a plan: {planned:?}");
            use_log(&drawn.env, "", log, report.closed);
        }
        // The superblock's counter has no next one; it is needed last.
        Err(LogError::Exhausted { .. }) => {}
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(
                contents(&drawn.disk),
                before,
                "refused, and changed: {error}"
            );
        }
    }
}

/// Looks at a log in every way there is.
fn look(env: &Env, options: &LogOptions) {
    let mut count = 0;
    let inspected = inspect(env, "", &mut |_| count += 1);
    assert!(inspected.is_ok() || count == 0, "{inspected:?}");
    if let Ok(verification) = verify(env, "", options) {
        assert!(!format!("{verification:?}").is_empty());
    }
}

/// A log is copied exactly if all of it is good, and the copy shows the same.
fn copy(drawn: &Drawn) {
    let (_, target) = simulated();
    let options = drawn.options();
    let is_good = verify(&drawn.env, "", &options).is_ok_and(|verified| verified.is_good());
    let copied = backup(&drawn.env, "", &target, "copy", &options);
    assert_eq!(copied.is_ok(), is_good, "{copied:?}");
    if copied.is_ok() {
        let open = |env, dir| ReadOnlyLog::open(env, dir, options.clone()).expect("it is good");
        let (log, copy) = (open(&drawn.env, ""), open(&target, "copy"));
        let read = |(log, report): &(ReadOnlyLog, _)| {
            let _: &blackstart::commitlog::RecoveryReport = report;
            entries(log.reader(log.oldest()).expect("it is there"))
        };
        assert_eq!(read(&log), read(&copy));
    }
}

/// Nothing is owed to who can forge checksums but an answer; what is saved is a good log.
fn save(drawn: &Drawn) {
    let (_, target) = simulated();
    if salvage(&drawn.env, "", &target, "saved", &drawn.options()).is_ok() {
        match Log::open(&target, "saved", LogOptions::new()) {
            Ok((log, report)) => use_log(&target, "saved", log, report.closed),
            // What the log's content uses is kept.
            Err(LogError::ReadOnlyFeature { .. }) => {}
            Err(error) => panic!("it was saved: {error}"),
        }
    }
}

/// Reads a log, commits, closes it, and reads it again. Of one that was found closed nothing was
/// checked yet.
pub(super) fn use_log(env: &Env, dir: &str, log: Log, was_closed: bool) {
    let mut seen = read(&log);
    let next = log.visible_through();
    let committed = match log.commit(&["new", ""], Durability::Synced) {
        Ok(committed) => committed,
        // A frame may say that all offsets there are were given, and have a right checksum.
        Err(LogError::Exhausted { .. }) => return,
        // What a close mark vouches for is not read when the log opens, but when the next segment
        // takes it over.
        Err(error) if was_closed && error.class() == ErrorClass::Damage => return,
        Err(error) => panic!("an honest disk: {error}"),
    };
    assert_eq!(committed.range().start, next, "offsets go on without a gap");
    log.close().expect("an honest disk");
    drop(log);
    let (log, _) = Log::open(env, dir, LogOptions::new()).expect("what was closed opens");
    let again = read(&log);
    if matches!(again.last(), Some(Seen::Unreadable(_))) {
        // What a close mark vouches for is not read when the log opens. Damage there is an error
        // when it is read, and hides nothing that was shown before.
        assert!(
            again[..again.len() - 1]
                .iter()
                .zip(&seen)
                .all(|(again, seen)| again == seen)
        );
        return;
    }
    seen.push(Seen::Transaction(next.get(), b"new".to_vec()));
    seen.push(Seen::Transaction(next.get() + 1, Vec::new()));
    assert_eq!(again, seen);
}

/// All that a log shows, from its oldest transaction on, to its end or to what cannot be read.
pub(super) fn read(log: &Log) -> Vec<Seen> {
    let reader = log.reader(log.oldest());
    let seen = entries(reader.expect("the oldest transaction is there"));
    check_order(&seen, log);
    seen
}

fn entries(mut reader: Reader) -> Vec<Seen> {
    let mut seen = Vec::new();
    loop {
        match reader.next_entry() {
            Ok(Some(Entry::Commit(commit))) => {
                for (offset, record) in commit.transactions() {
                    seen.push(Seen::Transaction(offset.get(), record.to_vec()));
                }
            }
            Ok(Some(Entry::Lost(range))) => {
                seen.push(Seen::Lost(range.start.get(), range.end.get()));
            }
            Ok(None) => return seen,
            Err(error) => {
                seen.push(Seen::Unreadable(error.to_string()));
                return seen;
            }
        }
    }
}

/// Offsets follow each other from the oldest to the last, without a gap.
fn check_order(seen: &[Seen], log: &Log) {
    let mut next = log.oldest().get();
    for (at, one) in seen.iter().enumerate() {
        next = match *one {
            // The oldest transaction may stand within a commit, which is shown whole.
            Seen::Transaction(offset, _) if at == 0 && offset <= next => offset + 1,
            Seen::Transaction(offset, _) if offset == next => offset + 1,
            Seen::Lost(from, to) if from <= next && next <= to => to,
            Seen::Unreadable(_) => return,
            _ => panic!("expected transaction {next}: {seen:?}"),
        };
    }
    assert_eq!(next, log.visible_through().get(), "{seen:?}");
}

pub(super) fn put(disk: &SimFs, name: &str, bytes: &[u8]) {
    let options = OpenOptions::new().write().create().truncate();
    let file = disk
        .open(Path::new(name), options)
        .expect("a new file opens");
    file.write_all_at(bytes, 0).expect("there is space");
    file.sync_all().expect("an honest disk");
    disk.sync_dir(Path::new("")).expect("an honest disk");
}

/// The log's files, byte by byte.
pub(super) fn contents(disk: &SimFs) -> Vec<(String, Vec<u8>)> {
    let names = disk
        .read_dir(Path::new(""))
        .expect("the root can be listed");
    let mut files = Vec::new();
    for entry in names
        .into_iter()
        .filter(|entry| entry.kind == FileKind::File)
    {
        let name = entry.name.into_string().expect("names are text");
        let file = disk
            .open(Path::new(&name), OpenOptions::new().read())
            .expect("it is listed");
        let mut bytes = vec![0; file.len().expect("an honest disk") as usize];
        file.read_exact_at(&mut bytes, 0).expect("an honest disk");
        files.push((name, bytes));
    }
    files
}
