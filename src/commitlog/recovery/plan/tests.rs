//! The decision, row by row, on files made byte by byte.

use super::*;
use crate::commitlog::SEGMENT_HEADER_BYTES;
use crate::commitlog::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, seal};
use crate::commitlog::source::{MemorySource, SourceFile, SourceName};
use crate::commitlog::testing::tx;

mod continuity;
mod visiting;

/// A commit of one record of one letter.
const SMALL: usize = FRAME_HEADER_BYTES + 4 + 1;

/// Where the commit of the `n`-th letter stands.
const fn position(n: usize) -> usize {
    SEGMENT_HEADER_BYTES + n * SMALL
}

/// A segment as a writer leaves it.
#[derive(Clone)]
struct Made {
    header: SegmentHeader,
    bytes: Vec<u8>,
    /// The places between its frames.
    links: Vec<Link>,
}

impl Made {
    /// An empty segment that has its name.
    fn new(header: SegmentHeader) -> Self {
        let start = header.start();
        let header = SegmentHeader {
            durable_bytes: SEGMENT_HEADER_BYTES as u32,
            durable_through: header.first,
            ..header
        };
        Self {
            bytes: header.encode().to_vec(),
            links: vec![start],
            header,
        }
    }

    /// The first segment of a log.
    fn first() -> Self {
        Self::new(SegmentHeader {
            features: Features::NONE,
            flags: SegmentFlags::NONE,
            log_id: LogId::new([1; 16]),
            first: TxOffset::ZERO,
            oldest: TxOffset::ZERO,
            incarnation: Incarnation::new(1),
            durable_through: TxOffset::ZERO,
            epoch: Epoch::FIRST,
            tag: 100,
            durable_bytes: 0,
            predecessor: None,
            cut_epoch: None,
        })
    }

    fn end(&self) -> Link {
        self.links[self.links.len() - 1]
    }

    /// The segment that takes over where this one ends.
    fn next(&self) -> Self {
        self.next_with(self.end(), |_| {})
    }

    /// A segment that takes over at `end`.
    fn next_with(&self, end: Link, change: impl FnOnce(&mut SegmentHeader)) -> Self {
        let mut header = SegmentHeader {
            flags: SegmentFlags::NONE,
            first: end.next,
            tag: self.header.tag + 1,
            predecessor: Some(Predecessor::new(&self.header, end)),
            ..self.header
        };
        change(&mut header);
        Self::new(header)
    }

    /// A fork of the next epoch before this segment's `n`-th commit.
    fn fork(&self, n: usize) -> Self {
        self.next_with(self.links[n], |header| {
            header.flags = SegmentFlags::FORK;
            header.epoch = Epoch::new(header.epoch.get() + 1);
        })
    }

    /// The same with another header. There are no frames yet.
    fn with(&self, change: impl FnOnce(&mut SegmentHeader)) -> Self {
        let mut header = self.header;
        change(&mut header);
        Self::new(header)
    }

    fn frame(&mut self, kind: FrameKind, record: &[u8], durable_bytes: u32) {
        let Link { at, prev, next } = self.end();
        let from = self.bytes.len();
        self.bytes.resize(from + FRAME_HEADER_BYTES, 0);
        if kind == FrameKind::Commit {
            crate::commitlog::records::encode(&mut self.bytes, &[record]);
        }
        let frame = FrameHeader {
            kind,
            tag: self.header.tag,
            prev,
            payload_len: (self.bytes.len() - from - FRAME_HEADER_BYTES) as u32,
            tx_count: u32::from(kind == FrameKind::Commit),
            first: next,
            durable_bytes,
        };
        let prev = seal(&mut self.bytes, from, &frame, &self.header.key(), at);
        self.links.push(Link {
            at: ByteOffset::new(self.bytes.len() as u64),
            prev,
            next: frame.end(at).expect("few transactions"),
        });
    }

    /// Commits a record for each letter; each is synced before the next one.
    fn synced(mut self, letters: &str) -> Self {
        for letter in letters.bytes() {
            let durable_bytes = self.bytes.len() as u32;
            self.frame(FrameKind::Commit, &[letter], durable_bytes);
        }
        self
    }

    /// Commits a record for each letter; none is synced.
    fn unsynced(mut self, letters: &str) -> Self {
        for letter in letters.bytes() {
            self.frame(FrameKind::Commit, &[letter], self.header.durable_bytes);
        }
        self
    }

    /// Commits a large record; what is before it was synced.
    fn large(mut self) -> Self {
        let durable_bytes = self.bytes.len() as u32;
        self.frame(FrameKind::Commit, &[b'L'; 2000], durable_bytes);
        self
    }

    /// Has it get its name with the content that it has now.
    fn named(mut self) -> Self {
        self.header.durable_bytes = self.bytes.len() as u32;
        self.header.durable_through = self.end().next;
        self.bytes[..SEGMENT_HEADER_BYTES].copy_from_slice(&self.header.encode());
        self
    }

    fn closed(mut self) -> Self {
        let durable_bytes = self.bytes.len() as u32;
        self.frame(FrameKind::Close, b"", durable_bytes);
        self
    }

    /// The same with other bytes.
    fn edit(&self, edit: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut made = self.clone();
        edit(&mut made.bytes);
        made
    }

    /// With a damaged last byte of the `n`-th letter's commit.
    fn damaged(&self, n: usize) -> Self {
        self.edit(|bytes| bytes[position(n + 1) - 1] ^= 0x40)
    }

    /// With zeros in place of the `n`-th letter's commit.
    fn zeroed(&self, n: usize) -> Self {
        self.edit(|bytes| bytes[position(n)..position(n + 1)].fill(0))
    }

    fn cut(&self, len: usize) -> Self {
        self.edit(|bytes| bytes.truncate(len))
    }

    fn followed_by(&self, behind: &[u8]) -> Self {
        self.edit(|bytes| bytes.extend_from_slice(behind))
    }
}

fn source<'a>(segments: impl IntoIterator<Item = &'a Made>) -> MemorySource {
    let mut source = MemorySource::new();
    for made in segments {
        source.insert(names::segment(made.header.first), made.bytes.clone());
    }
    source
}

/// What `lock` holds.
fn superblock(epoch: u32, oldest: u64, newest: u64, durable_through: u64) -> Vec<u8> {
    let superblock = Superblock {
        log_id: LogId::new([1; 16]),
        epoch: Epoch::new(epoch),
        counter: 0,
        oldest: tx(oldest),
        newest: tx(newest),
        durable_through: tx(durable_through),
    };
    let mut file = superblock.encode().to_vec();
    file.resize(crate::commitlog::superblock::SUPERBLOCK_BYTES, 0);
    file
}

fn with_lock(mut source: MemorySource, lock: Vec<u8>) -> MemorySource {
    source.insert(names::LOCK, lock);
    source
}

fn caller(epoch: u32, durable_through: u64) -> Beforehand {
    Beforehand {
        durable_through: Some((Epoch::new(epoch), tx(durable_through))),
        ..Beforehand::default()
    }
}

/// The decision in a line.
fn decide(source: &dyn LogSource, beforehand: Beforehand) -> String {
    short(&match plan(source, beforehand) {
        Ok(Planned::Log(plan)) => told(&plan),
        Ok(Planned::Nothing { files }) => format!("nothing{}", listed(&files)),
        Err(LogError::Corrupt { corrupt, evidence }) => {
            let (file, at, field) = (corrupt.file, corrupt.defect.at, corrupt.defect.field);
            let evidence = match evidence {
                Evidence::LaterFrame { at, durable_bytes } => {
                    format!("frame {at}: {durable_bytes}")
                }
                Evidence::Header { durable_bytes } => format!("header: {durable_bytes}"),
                Evidence::Superblock { tx_offset } => format!("superblock: {tx_offset}"),
                Evidence::Caller { tx_offset } => format!("caller: {tx_offset}"),
                Evidence::Successor { file } => format!("successor: {file}"),
                other => format!("{other:?}"),
            };
            format!("corrupt {file} {at} {field}, {evidence}")
        }
        Err(error) => error.to_string(),
    })
}

fn told(plan: &Plan) -> String {
    let end = match &plan.end {
        LogEnd::Clean if plan.is_closed() => "closed".to_owned(),
        LogEnd::Clean => "clean".to_owned(),
        LogEnd::Tail(tail) => format!(
            "tail {}+{}, {} later",
            tail.at, tail.bytes, tail.later_frames
        ),
    };
    let (oldest, next, durable) = (plan.oldest, plan.next(), plan.scan.durable.next);
    format!(
        "{oldest}..{next}, durable {durable}, {end}{}",
        listed(&plan.files)
    )
}

fn listed(files: &[FileNote]) -> String {
    let note = |note: &FileNote| format!("; {} {:?}", note.file, note.reason);
    files.iter().map(note).collect()
}

/// Names without their leading zeros, no checksums, no identities.
fn short(text: &str) -> String {
    let text = text.replace("0000000000000000000", "");
    let word = |word: &str| match word {
        _ if word.starts_with("0x") => "0x_".to_owned(),
        _ if word.trim_end_matches(',').len() == 32 => "id".to_owned(),
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(source: &dyn LogSource, expected: &str) {
    assert_eq!(decide(source, Beforehand::default()), expected);
}

#[track_caller]
fn check_told(source: &dyn LogSource, beforehand: Beforehand, expected: &str) {
    assert_eq!(decide(source, beforehand), expected);
}

#[test]
fn without_evidence_what_follows_the_chain_is_a_tail_unless_it_is_zeros() {
    let (abc, loose) = (Made::first().synced("abc"), Made::first().unsynced("abc"));
    let noise = [&[0; 100][..], &[1], &[0; 7]].concat();
    let large = Made::first().synced("ab").large();
    for (newest, expected) in [
        (Made::first(), "0..0, durable 0, clean"),
        (abc.clone(), "0..3, durable 2, clean"),
        (loose.clone(), "0..3, durable 0, clean"),
        (abc.followed_by(&[0; 5]), "0..3, durable 2, clean"),
        (abc.followed_by(&[0; 5000]), "0..3, durable 2, clean"),
        (
            abc.followed_by(&noise),
            "0..3, durable 2, tail 239+101, 0 later",
        ),
        (
            abc.followed_by(b"x"),
            "0..3, durable 2, tail 239+1, 0 later",
        ),
        // The last synced commit cannot be told from one that is torn.
        (abc.damaged(2), "0..2, durable 1, tail 202+37, 0 later"),
        (abc.zeroed(2), "0..2, durable 1, clean"),
        (abc.cut(position(2)), "0..2, durable 1, clean"),
        (
            abc.cut(position(2) + 9),
            "0..2, durable 1, tail 202+9, 0 later",
        ),
        // Of unsynced ones any may be torn or missing.
        (loose.damaged(0), "0..0, durable 0, tail 128+111, 2 later"),
        (loose.damaged(1), "0..1, durable 0, tail 165+74, 1 later"),
        (loose.zeroed(1), "0..1, durable 0, tail 165+74, 1 later"),
        (
            loose.zeroed(0).damaged(2),
            "0..0, durable 0, tail 128+111, 1 later",
        ),
        // A large one's header is as good without its payload.
        (large.cut(500), "0..2, durable 2, tail 202+298, 0 later"),
    ] {
        check(&source([&newest]), expected);
    }
}

/// [I1] of `recovery`: what a valid frame says counts, and not that it is valid.
#[test]
fn a_frame_that_says_more_was_durable_shows_corruption() {
    let abc = Made::first().synced("abc");
    let behind = abc.clone().unsynced("d");
    let large = Made::first().synced("ab").large();
    for (newest, expected) in [
        (
            abc.damaged(0),
            "corrupt 0.log 128 frame checksum, frame 202: 202",
        ),
        (
            abc.damaged(1),
            "corrupt 0.log 165 frame checksum, frame 202: 202",
        ),
        (
            abc.zeroed(0),
            "corrupt 0.log 132 frame magic, frame 202: 202",
        ),
        (
            abc.zeroed(0).zeroed(1),
            "corrupt 0.log 132 frame magic, frame 202: 202",
        ),
        (
            abc.damaged(0).damaged(2),
            "corrupt 0.log 128 frame checksum, frame 165: 165",
        ),
        (
            behind.damaged(1),
            "corrupt 0.log 165 frame checksum, frame 202: 202",
        ),
        (
            behind.damaged(1).damaged(2),
            "0..1, durable 0, tail 165+111, 1 later",
        ),
        // One whose payload is torn says what it says.
        (
            large.damaged(1).cut(500),
            "corrupt 0.log 165 frame checksum, frame 202: 202",
        ),
    ] {
        check(&source([&newest]), expected);
    }
}

/// Every byte of a commit that is vouched for.
#[test]
fn any_damage_to_what_was_durable_is_corruption() {
    let abc = Made::first().synced("abc");
    for at in position(0)..position(2) {
        let damaged = abc.edit(|bytes| bytes[at] ^= 0x10);
        let decided = decide(&source([&damaged]), Beforehand::default());
        assert!(decided.starts_with("corrupt 0.log "), "{at}: {decided}");
        assert!(decided.ends_with(", frame 202: 202"), "{at}: {decided}");
    }
}

/// [I1] of `recovery`: a segment gets its name when its first content is durable.
#[test]
fn the_header_shows_that_first_content_was_durable() {
    let content = Made::first().unsynced("ab").named();
    let written = content.clone().unsynced("cd");
    for (newest, expected) in [
        (written.clone(), "0..4, durable 2, clean"),
        (written.damaged(2), "0..2, durable 2, tail 202+74, 1 later"),
        (written.cut(position(2)), "0..2, durable 2, clean"),
        // A frame behind it says so as well.
        (
            written.damaged(1),
            "corrupt 0.log 165 frame checksum, frame 202: 202",
        ),
        (content.clone(), "0..2, durable 2, clean"),
        (
            content.damaged(1),
            "corrupt 0.log 165 frame checksum, header: 202",
        ),
        (
            content.zeroed(1),
            "corrupt 0.log 169 frame magic, header: 202",
        ),
        (
            content.zeroed(0).zeroed(1),
            "corrupt 0.log 132 frame magic, header: 202",
        ),
        (
            content.cut(position(2) - 1),
            "corrupt 0.log 165 payload, header: 202",
        ),
        (
            content.cut(position(1)),
            "corrupt 0.log 165 next tx offset, header: 202",
        ),
        (
            content.cut(SEGMENT_HEADER_BYTES),
            "corrupt 0.log 128 next tx offset, header: 202",
        ),
    ] {
        check(&source([&newest]), expected);
    }
}

/// [I1] of `recovery`: the superblock's bound and the caller's.
#[test]
fn bounds_show_what_was_durable() {
    let abc = Made::first().synced("abc");
    let closed = abc.clone().closed();
    for (newest, through, expected) in [
        (abc.clone(), 3, "0..3, durable 2, clean"),
        (abc.damaged(2), 2, "0..2, durable 1, tail 202+37, 0 later"),
        (
            abc.damaged(2),
            3,
            "corrupt 0.log 202 frame checksum, who: 3",
        ),
        (abc.zeroed(2), 3, "corrupt 0.log 206 frame magic, who: 3"),
        (
            abc.cut(position(2)),
            3,
            "corrupt 0.log 202 next tx offset, who: 3",
        ),
        (abc.clone(), 4, "corrupt 0.log 239 next tx offset, who: 4"),
        (closed.clone(), 3, "0..3, durable 3, closed"),
        // An older state of the file, which was closed as well.
        (closed, 4, "corrupt 0.log 239 next tx offset, who: 4"),
    ] {
        let source = source([&newest]);
        let expected = |who| expected.replace("who", who);
        check_told(&source, caller(1, through), &expected("caller"));
        let lock = superblock(1, 0, 0, through);
        check(&with_lock(source, lock), &expected("superblock"));
    }
    // A frame says more than a bound, and of the bounds the superblock's comes first.
    let lock = superblock(1, 0, 0, 3);
    let damaged = with_lock(source([&abc.damaged(1)]), lock.clone());
    check_told(
        &damaged,
        caller(1, 3),
        "corrupt 0.log 165 frame checksum, frame 202: 202",
    );
    let damaged = with_lock(source([&abc.damaged(2)]), lock);
    check_told(
        &damaged,
        caller(1, 3),
        "corrupt 0.log 202 frame checksum, superblock: 3",
    );
}

/// A bound counts up to the first fork of a later epoch.
#[test]
fn bounds_of_earlier_epochs_end_where_the_history_was_cut() {
    let old = Made::first().synced("abcde");
    let fork = old.fork(2).unsynced("x");
    let forks = source([&old, &fork]);
    let again = source([&old, &fork, &fork.fork(1).unsynced("yz")]);
    for (source, epoch, through, expected) in [
        (&forks, 1, 5, "0..3, durable 2, clean"),
        (&forks, 2, 3, "0..3, durable 2, clean"),
        (&forks, 2, 4, "corrupt 2.log 165 next tx offset, who: 4"),
        (&forks, 3, 4, "corrupt 2.log 165 next tx offset, who: 4"),
        (&again, 1, 9, "0..5, durable 3, clean"),
        (&again, 2, 9, "0..5, durable 3, clean"),
        (&again, 3, 6, "corrupt 3.log 202 next tx offset, who: 6"),
    ] {
        let expected = |who| expected.replace("who", who);
        check_told(source, caller(epoch, through), &expected("caller"));
        // Each epoch's first segment.
        let newest = [0, 2, 3][epoch as usize - 1];
        let lock = with_lock(source.clone(), superblock(epoch, 0, newest, through));
        match source.names().expect("names").len() >= epoch as usize {
            true => check(&lock, &expected("superblock")),
            false => check(&lock, "3.log: the segment is missing; lock names it"),
        }
    }
    // What the fork took over was there when it was made.
    let took_over = old.fork(2).unsynced("cde").named();
    let source = |fork: &Made| source([&old, fork]);
    check_told(&source(&took_over), caller(1, 5), "0..5, durable 5, clean");
    let lost = took_over.damaged(2);
    let expected = "corrupt 2.log 202 frame checksum, header: 239";
    check_told(&source(&lost), caller(1, 5), expected);
}

#[test]
fn what_stands_behind_a_close_mark_is_no_part_of_the_log() {
    let closed = Made::first().synced("ab").closed();
    let [a_byte, zeros, noise] = [&[0; 1][..], &[0; 100], &[7; 100]];
    for (newest, expected) in [
        (closed.clone(), "0..2, durable 2, closed"),
        (closed.followed_by(a_byte), "0..2, durable 2, closed"),
        (closed.followed_by(zeros), "0..2, durable 2, closed"),
        (closed.followed_by(noise), "0..2, durable 2, closed"),
        // Nothing else is read if the mark is at the very end.
        (closed.damaged(0), "0..2, durable 2, closed"),
        (
            closed.damaged(0).followed_by(a_byte),
            "corrupt 0.log 128 frame checksum, frame 202: 202",
        ),
        (Made::first().closed(), "0..0, durable 0, closed"),
        // The mark itself is torn.
        (
            closed.cut(position(2) + 20),
            "0..2, durable 1, tail 202+16, 0 later",
        ),
    ] {
        check(&source([&newest]), expected);
    }
}

/// No writer leaves one: each syncs everything first.
#[test]
fn a_close_mark_that_does_not_say_that_all_was_durable_is_not_believed() {
    let mut made = Made::first().unsynced("ab");
    made.frame(FrameKind::Close, b"", SEGMENT_HEADER_BYTES as u32);
    check(&source([&made]), "0..2, durable 0, clean");
    check(&source([&made.followed_by(&[0])]), "0..2, durable 0, clean");
}

/// A directory in which some names stand for no regular file.
struct Odd<'a> {
    source: MemorySource,
    odd: &'a [&'a str],
}

impl LogSource for Odd<'_> {
    fn names(&self) -> Result<Vec<SourceName>, LogError> {
        let odd = self.odd.iter().map(|name| SourceName {
            name: (*name).to_owned(),
            is_file: false,
        });
        let mut names = self.source.names()?;
        names.extend(odd);
        Ok(names)
    }

    fn open(&self, name: &str) -> Result<Box<dyn SourceFile>, LogError> {
        assert!(!self.odd.contains(&name), "{name} is not opened");
        self.source.open(name)
    }
}

/// [I6] of `recovery`: every name is evidence or in the report.
#[test]
fn names_are_evidence() {
    let abc = Made::first().synced("abc");
    let kind = |name: &str| format!("corrupt {name} 0 kind of the file, Name");
    let fine = |notes: &str| format!("0..3, durable 2, clean{notes}");
    let (segment, temp) = (names::segment(tx(3)), names::temp(tx(3), 0));
    for (odd, expected) in [
        (segment.as_str(), kind("3.log")),
        ("lock", kind("lock")),
        (&temp, fine("; 3.tmp Unfinished")),
        ("subdir", fine("; subdir Unknown")),
    ] {
        let (source, odd) = (source([&abc]), &[odd][..]);
        check(&Odd { source, odd }, &expected);
    }
    let mut source = source([&abc]);
    for name in [
        "zebra",
        "00000000000000000000.idx",
        &names::temp(tx(0), 0),
        &temp,
    ] {
        source.insert(name, b"anything".to_vec());
    }
    let notes = "; 0.tmp Unfinished; 3.tmp Unfinished; 0.idx Unknown; zebra Unknown";
    check(&source, &fine(notes));
}

#[test]
fn a_lost_superblock_is_told_and_a_foreign_one_refused() {
    let abc = Made::first().synced("abc");
    let [mut damaged, mut foreign] = [superblock(1, 0, 0, 3), superblock(1, 0, 0, 3)];
    damaged[40] ^= 1;
    let theirs = Superblock {
        log_id: LogId::new([2; 16]),
        ..Superblock::decode(&foreign).unwrap()
    };
    foreign[..512].copy_from_slice(&theirs.encode());
    let lost = |lock: Option<Vec<u8>>| {
        let source = source([&abc]);
        let source = match lock {
            Some(lock) => with_lock(source, lock),
            None => source,
        };
        check(&source, "0..3, durable 2, clean");
        let Planned::Log(plan) = plan(&source, Beforehand::default()).unwrap() else {
            panic!("there is a log");
        };
        plan.report().superblock_lost
    };
    assert!(lost(None));
    assert!(lost(Some(Vec::new())));
    assert!(lost(Some(damaged)));
    assert!(lost(Some(vec![0; 1024])));
    assert!(
        lost(Some(superblock(1, 0, 0, 3)[..67].to_vec())),
        "cut short"
    );
    assert!(!lost(Some(superblock(1, 0, 0, 3))));
    let mut torn = superblock(1, 0, 0, 3);
    torn[512] = 1;
    assert!(lost(Some(torn)), "the next one was torn");
    assert!(!lost(Some(superblock(1, 0, 0, 0))), "an older one will do");
    let foreign = with_lock(source([&abc]), foreign);
    check(&foreign, "lock: it belongs to log id not to id");
}

/// A segment's file that was given the name of the superblock's may be the only copy. One whose
/// segment has its own name is no copy that matters: blocks of it that a crash has shown, perhaps.
#[test]
fn a_segment_in_place_of_the_superblock_is_refused() {
    let abc = Made::first().synced("abc");
    let expected = "corrupt lock 64 superblock checksum, Name";
    check(&with_lock(MemorySource::new(), abc.bytes.clone()), expected);
    check(
        &with_lock(source([&abc]), abc.bytes.clone()),
        "0..3, durable 2, clean",
    );
}

/// An older file of the same name, from before a fork took it.
#[test]
fn a_newest_segment_of_an_earlier_epoch_than_the_superblocks_is_refused() {
    let of_epoch = |epoch| {
        let made = Made::first().with(|header| header.epoch = Epoch::new(epoch));
        made.synced("abc")
    };
    let lock = |oldest| superblock(2, oldest, 0, 3);
    let older = "corrupt 0.log 80 epoch, superblock: 3";
    check(&with_lock(source([&of_epoch(1)]), lock(0)), older);
    let fine = "0..3, durable 2, clean";
    check(&with_lock(source([&of_epoch(2)]), lock(0)), fine);
    check(&with_lock(source([&of_epoch(3)]), lock(0)), fine);
    // Nor is history retired up to behind the newest segment.
    let missing = "3.log: the segment is missing; lock names it";
    check(&with_lock(source([&of_epoch(2)]), lock(3)), missing);
}

#[test]
fn a_directory_that_holds_traces_of_a_log_is_not_empty() {
    let missing = |found: &str| {
        format!(": all segments of a log are missing; {found} shows that there was one")
    };
    let none = MemorySource::new;
    let mut littered = none();
    littered.insert(names::temp(tx(0), 0), b"half a header".to_vec());
    littered.insert("notes.txt", Vec::new());
    let littered_note = "nothing; 0.tmp Unfinished; notes.txt Unknown";
    check(&none(), "nothing");
    check(&littered, littered_note);
    // An unfinished creation.
    check(&with_lock(none(), Vec::new()), "nothing");
    check(&with_lock(littered.clone(), Vec::new()), littered_note);
    let by_lock = missing("lock");
    check(&with_lock(none(), superblock(1, 0, 0, 0)), &by_lock);
    check(&with_lock(littered, superblock(1, 0, 0, 0)), &by_lock);
    check(&with_lock(none(), vec![0; 1024]), &by_lock);
    check(&with_lock(none(), b"x".to_vec()), &by_lock);
    check_told(&none(), caller(1, 0), "nothing");
    let by_caller = missing("the knowledge of 1 durable transactions");
    check_told(&none(), caller(1, 1), &by_caller);
}

#[test]
fn features_decide_what_may_be_done() {
    let features = |compat, ro_compat, incompat| Features {
        compat,
        ro_compat,
        incompat,
    };
    let none = Features::NONE;
    let refused = "0.log: unknown incompatible features 0x_";
    let read_only = "0.log: unknown features 0x_ allow reading only";
    let fine = "0..1, durable 0, clean";
    for (used, known, expected, for_writing) in [
        (features(8, 0, 0), none, fine, None),
        (features(0, 8, 0), none, fine, Some(read_only)),
        (features(0, 8, 0), features(0, 8, 0), fine, None),
        (features(0, 8, 0), features(8, 4, 8), fine, Some(read_only)),
        (features(0, 0, 8), none, refused, None),
        (features(0, 0, 8), features(8, 8, 4), refused, None),
        (features(0, 0, 8), features(0, 0, 12), fine, None),
        (features(0, 0, 12), features(0, 0, 8), refused, None),
    ] {
        let beforehand = Beforehand {
            known_features: known,
            ..Beforehand::default()
        };
        let with_features = Made::first().with(|header| header.features = used);
        let newest = with_features.clone().synced("a");
        // In a full segment as well as in the newest.
        let next = newest.next().with(|header| header.features = none);
        for (source, expected) in [
            (source([&newest]), expected.to_owned()),
            (
                source([&newest, &next]),
                expected.replace("durable 0", "durable 1"),
            ),
        ] {
            check_told(&source, beforehand, &expected);
            let Ok(Planned::Log(plan)) = plan(&source, beforehand) else {
                continue;
            };
            let error = plan.read_only_feature(&source, known);
            let error = error.map(|error| short(&error.to_string()));
            assert_eq!(error.as_deref(), for_writing, "{used:?}, {known:?}");
        }
    }
}

#[test]
fn a_small_segment_is_taken_over_as_a_whole() {
    let newest = Made::first().synced("ab").next().header;
    let newest = SegmentHeader {
        flags: SegmentFlags::LOSS,
        ..newest
    };
    let start = newest.start();
    let place = |bytes, next| Link {
        at: start.at.plus(bytes),
        prev: 7,
        next: tx(next),
    };
    let (inc, renewed) = (Incarnation::new(9), Some(Epoch::new(5)));
    let max = TAKEOVER_BYTES_MAX;
    for (durable, end, renewal, is_whole) in [
        (start, start, renewed, true),
        (place(10, 3), place(max, 9), renewed, true),
        (place(max, 9), place(max, 9), None, true),
        (place(10, 3), place(max + 1, 9), renewed, false),
        (place(max + 1, 9), place(max + 1, 9), None, false),
        // Nothing of it is known to be durable: there is nothing to leave behind.
        (start, place(max + 1, 9), renewed, true),
    ] {
        let takeover = Takeover::new(&newest, durable, end, inc, renewal);
        let epoch = renewal.unwrap_or(newest.epoch);
        let common = SegmentHeader {
            incarnation: inc,
            epoch,
            ..newest
        };
        let expected = match is_whole {
            true => (common, start),
            false => {
                let flags = match renewal {
                    Some(_) => SegmentFlags::FORK,
                    None => SegmentFlags::NONE,
                };
                let header = SegmentHeader {
                    first: durable.next,
                    flags,
                    predecessor: Some(Predecessor::new(&newest, durable)),
                    ..common
                };
                (header, durable)
            }
        };
        assert_eq!((takeover.header, takeover.from), expected, "{durable:?}");
    }
}

/// No decision panics, whatever the bytes.
#[test]
fn any_bytes_get_an_answer() {
    let old = Made::first().synced("abc");
    let fork = old.fork(2).unsynced("c").named().synced("d");
    let lock = superblock(2, 0, 2, 3);
    let all = with_lock(source([&old, &fork]), lock.clone());
    check(&all, "0..4, durable 3, clean");
    let (first, second) = (names::segment(tx(0)), names::segment(tx(2)));
    let files = [
        (first, old.bytes),
        (second, fork.bytes),
        ("lock".into(), lock),
    ];
    for (name, bytes) in &files {
        let decide = |bytes: Vec<u8>| {
            let mut source = all.clone();
            source.insert(name.as_str(), bytes);
            let decided = decide(&source, Beforehand::default());
            assert_ne!(decided, "nothing", "{name}");
        };
        for at in 0..bytes.len() {
            decide(bytes[..at].to_vec());
            let mut changed = bytes.clone();
            changed[at] = !changed[at];
            decide(changed);
        }
    }
}
