//! Kind A: files at rest, each harmed in every way in which users and file systems harm files.
//!
//! | the file | the harm | what must be seen |
//! |---|---|---|
//! | not the log's, or a creation that was never completed | any, under such a name | all commits |
//! | the same, under the name of a segment | | refused |
//! | `lock` | lost, damaged, or an older state of itself | all commits; it is written again |
//! | `lock` | a link, a directory, a segment's content | refused |
//! | a segment that another one follows | more bytes behind it | all commits |
//! | the same | any other | refused, or told by whoever reads it |
//! | the newest one of a closed log | more bytes, or a damaged close mark | all commits |
//! | the same | any other | refused |
//! | the newest one of a killed log | its last commits lost or damaged | **nothing**: only they knew of themselves |
//! | the same | an older state of itself | **nothing**, unless header or superblock know of more |
//! | the same | any other | refused |
//!
//! Where nothing can be noticed, [`Expected::Fewer`] says how many commits are left: never fewer
//! than are durable by the word of a frame, of a header or of the superblock.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use blackstart::commitlog::{Inspected, ReadOnlyLog, SegmentHeader, Superblock, inspect};

use super::directory::{Dir, Seen, fill, look, options, segment, tx};

/// The bytes of a header, and of a commit.
const HEADER_BYTES: usize = 128;
const COMMIT_BYTES: usize = 136;

/// A log in files.
struct Sample {
    /// How many commits it has.
    end: u64,
    files: Vec<(String, Vec<u8>)>,
    /// Older states of files, each with its name.
    older: Vec<(String, Vec<u8>)>,
    /// The oldest transaction that is kept.
    oldest: u64,
    /// The header of the newest segment.
    newest: SegmentHeader,
    /// All commits before this are durable by the word of header or superblock.
    known: u64,
}

/// How a log came to be what it is.
#[derive(Clone, Copy, Debug)]
enum Life {
    /// One segment.
    Short,
    /// Four segments.
    Long,
    /// Four segments, of which the first two were retired.
    Retained,
    /// Closed, and opened again to retire some of it.
    Trimmed,
    /// Killed, and opened again, in its first segment.
    Again,
    /// Killed and opened again several times.
    Reopened,
    /// Cut and grown again.
    Truncated,
}

impl Life {
    const ALL: [Self; 7] = [
        Self::Short,
        Self::Long,
        Self::Retained,
        Self::Trimmed,
        Self::Again,
        Self::Reopened,
        Self::Truncated,
    ];

    /// Lives it in a directory. `between` is called now and then.
    fn live(self, dir: &Dir, is_closed: bool, mut between: impl FnMut()) {
        let open = || dir.open(options().create(true)).expect("it opens").0;
        let mut log = open();
        let mut grow = |log: &blackstart::commitlog::Log, count| {
            between();
            fill(log, count);
        };
        match self {
            Self::Short => [5, 15].into_iter().for_each(|count| grow(&log, count)),
            Self::Long => (0..10).for_each(|_| grow(&log, 10)),
            Self::Retained => {
                (0..10).for_each(|_| grow(&log, 10));
                log.retain_from(tx(70)).expect("old segments go");
                grow(&log, 5);
            }
            Self::Trimmed => {
                (0..10).for_each(|_| grow(&log, 10));
                log.close().expect("it closes");
                drop(log);
                log = open();
                log.retain_from(tx(30)).expect("old segments go");
            }
            Self::Again => {
                grow(&log, 10);
                grow(&log, 0);
                drop(log);
                log = open();
                grow(&log, 5);
            }
            Self::Reopened => {
                for _ in 0..5 {
                    grow(&log, 17);
                    drop(log);
                    log = open();
                }
                grow(&log, 9);
            }
            Self::Truncated => {
                (0..10).for_each(|_| grow(&log, 10));
                log.truncate_to(tx(41)).expect("it is cut");
                grow(&log, 30);
                log.truncate_to(tx(65)).expect("it is cut");
                grow(&log, 11);
            }
        }
        if is_closed {
            log.close().expect("it closes");
        }
    }
}

/// A log with a creation that was never completed, and a file that is not the log's.
fn sample(life: Life, is_closed: bool) -> Sample {
    let dir = Dir::new();
    let mut older = Vec::new();
    life.live(&dir, is_closed, || older.extend(dir.files()));
    let mut newest = None;
    let mut known = 0;
    let visit = &mut |seen| match seen {
        Inspected::Segment { header, .. } => newest = header.ok(),
        Inspected::Superblock { superblock } => {
            known = superblock.expect("a superblock").durable_through.get();
        }
        _ => {}
    };
    inspect(dir.env(), "", visit).expect("a log");
    let newest = newest.expect("a segment with a header");
    let end = ReadOnlyLog::open(dir.env(), "", options()).expect("a log");
    let (oldest, end) = (end.1.oldest.get(), end.1.next.get());
    let bytes = dir.read(&segment(newest.first.get()));
    dir.write(&temp(end), &bytes[..200]);
    dir.write(STRAY, b"somebody's");
    let known = known.max(newest.durable_through.get());
    let was_closed = is_closed || matches!(life, Life::Trimmed);
    assert!(
        known == end || !was_closed,
        "a log that was closed is known to the end"
    );
    let files = dir.files();
    older.retain(|old| !files.contains(old));
    older.sort();
    older.dedup();
    Sample {
        oldest,
        end,
        files,
        older,
        newest,
        known,
    }
}

const STRAY: &str = "notes";

fn temp(first: u64) -> String {
    format!("{first:020}.tmp")
}

/// What is done to a file.
#[derive(Clone, PartialEq, Eq)]
enum Harm {
    /// Its first so many bytes are left.
    Cut(usize),
    /// These of its bytes become zeros.
    Zero(Range<usize>),
    /// One bit is flipped.
    Flip(usize),
    /// So many bytes of garbage follow.
    Grow(usize),
    Remove,
    /// It gets a second copy.
    CopyTo(String),
    /// It gets another name, and loses its own.
    RenameTo(String),
    /// A symbolic link to it is in its place.
    Link,
    /// A directory is in its place.
    Directory,
    /// It becomes what it was at another time.
    Replace(Vec<u8>),
}

impl fmt::Debug for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut(len) => write!(f, "cut to {len} bytes"),
            Self::Zero(range) => write!(f, "zeros at {range:?}"),
            Self::Flip(at) => write!(f, "a bit flipped at {at}"),
            Self::Grow(count) => write!(f, "{count} bytes appended"),
            Self::Remove => write!(f, "removed"),
            Self::CopyTo(name) => write!(f, "copied to {name}"),
            Self::RenameTo(name) => write!(f, "renamed to {name}"),
            Self::Link => write!(f, "a symbolic link"),
            Self::Directory => write!(f, "a directory"),
            Self::Replace(older) => write!(f, "an older state of {} bytes", older.len()),
        }
    }
}

impl Harm {
    /// Every harm for a file of this sample.
    fn all(sample: &Sample, name: &str, len: usize) -> Vec<Self> {
        let newest = sample.newest.first.get();
        let places = [0, 1, 17, 64, 127, 128, 140, 160, 264, 300, 512, 700, 1000];
        let places = places.into_iter().filter(|place| *place < len);
        let back = [1, 16, 32, 33, 132, 136, 164, 300, 500];
        let back = back.into_iter().filter_map(|back| len.checked_sub(back));
        let places: BTreeSet<_> = places.chain(back).collect();
        let mut harms = vec![Self::Remove, Self::Link, Self::Directory];
        for place in places {
            harms.push(Self::Cut(place));
            harms.push(Self::Flip(place));
            harms.push(Self::Zero(place..len));
            harms.push(Self::Zero(0..place + 1));
            harms.push(Self::Zero(place..len.min(place + 400)));
        }
        harms.extend([1, 3000].map(Self::Grow));
        let segments = [0, 1, 50, newest, sample.end, sample.end + 50];
        let temps = [0, newest, sample.end + 1];
        let others = segments.map(segment).into_iter().chain(temps.map(temp));
        let others = others.chain(["lock".to_owned(), "stray".to_owned()]);
        for other in others.filter(|other| other != name) {
            harms.push(Self::CopyTo(other.clone()));
            harms.push(Self::RenameTo(other));
        }
        let older = sample.older.iter().filter(|(other, _)| other == name);
        harms.extend(older.map(|(_, bytes)| Self::Replace(bytes.clone())));
        harms
    }

    /// What it makes of a file's content.
    fn edit(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Cut(len) => bytes.truncate(*len),
            Self::Zero(range) => bytes[range.clone()].fill(0),
            Self::Flip(at) => bytes[*at] ^= 0x10,
            Self::Grow(count) => bytes.extend(vec![0xA5; *count]),
            Self::Replace(older) => bytes.clone_from(older),
            _ => {}
        }
    }

    fn apply(&self, dir: &Dir, name: &str) {
        let mut bytes = dir.read(name);
        self.edit(&mut bytes);
        match self {
            Self::Remove | Self::Directory => dir.remove(name),
            Self::CopyTo(other) => dir.write(other, &bytes),
            Self::RenameTo(other) => dir.rename(name, other),
            Self::Link => {
                let elsewhere = dir.path("").with_file_name("elsewhere");
                std::fs::rename(dir.path(name), &elsewhere).expect("a rename");
                symlink(&elsewhere, dir.path(name)).expect("a link");
            }
            _ => dir.write(name, &bytes),
        }
        if *self == Self::Directory {
            {
                let made = dir.env().fs().create_dir(Path::new(name));
                made.expect("a directory");
            }
        }
    }

    /// The name that it gives to a file, if it gives one.
    fn new_name(&self) -> Option<&str> {
        match self {
            Self::CopyTo(name) | Self::RenameTo(name) => Some(name),
            _ => None,
        }
    }
}

/// What must be seen.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Whole,
    Told,
    /// Nobody can know of the others.
    Fewer(u64),
}

impl Sample {
    fn expected(&self, name: &str, bytes: &[u8], harm: &Harm) -> Expected {
        let newest = segment(self.newest.first.get());
        let is_segment = |name: &str| name.ends_with(".log");
        match (name, harm.new_name()) {
            // The unfinished creation of the sample is what the newest segment was.
            (name, Some(new)) if name.ends_with(".tmp") && new == newest => {
                self.ends_at(200, bytes)
            }
            (_, Some(new)) if is_segment(new) && self.is_superfluous(new, bytes) => {
                match (name, harm) {
                    ("lock", Harm::RenameTo(_)) => self.expected_of_lock(&[]),
                    (name, Harm::RenameTo(_)) if is_segment(name) => Expected::Told,
                    _ => Expected::Whole,
                }
            }
            (_, Some(new)) if is_segment(new) => Expected::Told,
            // A segment that lost its own name for that of the superblock.
            (_, Some("lock")) if is_segment(name) && matches!(harm, Harm::RenameTo(_)) => {
                Expected::Told
            }
            (_, Some("lock")) => self.expected_of_lock(bytes),
            ("lock", _) => {
                let mut left = bytes.to_vec();
                match harm {
                    Harm::Link | Harm::Directory => return Expected::Told,
                    Harm::Remove | Harm::RenameTo(_) => left.clear(),
                    _ => harm.edit(&mut left),
                }
                self.expected_of_lock(&left)
            }
            (name, _) if !is_segment(name) => Expected::Whole,
            (_, Some(_)) if matches!(harm, Harm::CopyTo(_)) => Expected::Whole,
            _ if matches!(harm, Harm::Grow(_)) => Expected::Whole,
            (name, _) if name == newest => self.expected_of_newest(bytes, harm),
            // Before it was cut where a fork took over.
            _ if matches!(harm, Harm::Replace(older) if older.starts_with(bytes)) => {
                Expected::Whole
            }
            _ => Expected::Told,
        }
    }

    /// Whether a file of this name is listed and removed: all it could hold is retired, or it is of
    /// an earlier epoch than a segment before it.
    fn is_superfluous(&self, name: &str, bytes: &[u8]) -> bool {
        let header_of = |bytes: &[u8]| SegmentHeader::decode(bytes).ok();
        let before = self.files.iter().filter(|(other, _)| **other < *name);
        let mut before = before.filter_map(|(_, bytes)| header_of(bytes));
        let is_retired = name < segment(self.oldest).as_str();
        let is_superseded =
            header_of(bytes).is_some_and(|header| before.any(|other| other.epoch > header.epoch));
        let is_new = !self.files.iter().any(|(other, _)| other == name);
        is_new && (is_retired || is_superseded)
    }

    /// A superblock that is lost is written again; but nothing else knows of a retention after the
    /// newest segment was made.
    fn expected_of_lock(&self, left: &[u8]) -> Expected {
        let told = Superblock::decode(left).map_or(0, |superblock| superblock.oldest.get());
        match told.max(self.newest.oldest.get()) < self.oldest {
            true => Expected::Told,
            false => Expected::Whole,
        }
    }

    fn expected_of_newest(&self, bytes: &[u8], harm: &Harm) -> Expected {
        let len = bytes.len();
        match harm {
            Harm::Cut(at) => self.ends_at(*at, bytes),
            Harm::Replace(older) => self.ends_at(older.len(), older),
            Harm::Flip(at) => self.breaks_at(*at, *at + 1, bytes),
            Harm::Zero(range) if bytes[range.clone()].iter().all(|byte| *byte == 0) => {
                Expected::Whole
            }
            Harm::Zero(range) if range.end == len => self.ends_at(range.start, bytes),
            Harm::Zero(range) => self.breaks_at(range.start, range.end, bytes),
            _ => Expected::Told,
        }
    }

    /// The commits in the newest segment's first so many bytes.
    fn commits_in(&self, at: usize) -> u64 {
        let commits = at.saturating_sub(HEADER_BYTES) / COMMIT_BYTES;
        self.end.min(self.newest.first.get() + commits as u64)
    }

    /// What is to be seen if its chain ends there, and nothing behind vouches for more.
    fn ends_at(&self, at: usize, bytes: &[u8]) -> Expected {
        let is_older_life = bytes[..HEADER_BYTES] != self.newest.encode()[..];
        match self.commits_in(at) {
            _ if at < HEADER_BYTES || is_older_life => Expected::Told,
            // Only the close mark, which says nothing that is not known otherwise.
            count if count == self.end => Expected::Whole,
            count if count < self.known => Expected::Told,
            count => Expected::Fewer(count),
        }
    }

    /// What is to be seen if these bytes are damaged and those behind are not.
    fn breaks_at(&self, from: usize, to: usize, bytes: &[u8]) -> Expected {
        let behind = self.commits_in(to);
        let last = self.end - 1;
        match from < HEADER_BYTES {
            true => Expected::Told,
            // A whole commit behind says that what is before it was durable.
            false if behind < last => Expected::Told,
            false => self.ends_at(from, bytes),
        }
    }
}

/// Every harm to every file of every kind of log.
#[test]
fn every_harm_to_every_file_is_told_or_harmless() {
    let mut complaints = Vec::new();
    let mut counts = [0; 3];
    for (life, is_closed) in Life::ALL
        .into_iter()
        .flat_map(|life| [(life, true), (life, false)])
    {
        let sample = sample(life, is_closed);
        for (name, bytes) in &sample.files {
            for harm in Harm::all(&sample, name, bytes.len()) {
                let is_on_os = harm == Harm::Link;
                let dir = if is_on_os { Dir::os() } else { Dir::new() };
                let dir = dir.with(&sample.files);
                harm.apply(&dir, name);
                let expected = sample.expected(name, bytes, &harm);
                let seen = catch_unwind(AssertUnwindSafe(|| look(&dir, sample.end)));
                let is_right = match (&expected, &seen) {
                    (Expected::Whole, Ok(Seen::Whole)) | (Expected::Told, Ok(Seen::Told(_))) => {
                        true
                    }
                    (Expected::Fewer(count), Ok(Seen::Fewer(left))) => count == left,
                    _ => false,
                };
                counts[match expected {
                    Expected::Whole => 0,
                    Expected::Told => 1,
                    Expected::Fewer(_) => 2,
                }] += 1;
                if !is_right {
                    complaints.push(format!(
                        "{life:?}, closed: {is_closed}, {name}, {harm:?}: {expected:?}, {seen:?}"
                    ));
                }
            }
        }
    }
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
    assert!(
        complaints.is_empty(),
        "{}\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}
