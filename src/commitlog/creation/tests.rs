//! Tests of creations: what a crash leaves of one, and what its frames say.

use std::collections::BTreeMap;
use std::path::Path;

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{DiskConfig, Errno, Image};

use super::*;
use crate::codec::ByteOffset;
use crate::commitlog::chain::{Chain, Check, each_frame};
use crate::commitlog::directory::TEMPS_MAX;
use crate::commitlog::header::SegmentFlags;
use crate::commitlog::options::Features;
use crate::commitlog::recovery::apply::remove_files;
use crate::commitlog::report::{FileNote, FileReason};
use crate::commitlog::source::MemorySource;
use crate::commitlog::testing::{Scratch, commit, crashes, tx};
use crate::commitlog::{Epoch, Incarnation, LogId};

fn header(first: u64) -> SegmentHeader {
    SegmentHeader {
        features: Features::NONE,
        flags: SegmentFlags::NONE,
        log_id: LogId::new([1; 16]),
        first: tx(first),
        oldest: TxOffset::ZERO,
        incarnation: Incarnation::new(1),
        durable_through: TxOffset::ZERO,
        epoch: Epoch::FIRST,
        tag: 0,
        durable_bytes: 0,
        predecessor: None,
        cut_epoch: None,
    }
}

fn directory(scratch: &Scratch) -> Directory {
    Directory::open(&scratch.env, Path::new("")).unwrap()
}

/// A record of so many bytes as a payload.
fn payload(len: usize) -> Vec<u8> {
    let mut payload = Vec::new();
    crate::commitlog::records::encode(&mut payload, &[vec![7; len]]);
    payload
}

/// Reads a segment's first content; returns the number of its commits.
fn content(name: &str, bytes: &[u8]) -> usize {
    let header = SegmentHeader::decode(bytes).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    let mut source = MemorySource::new();
    source.insert(name, bytes.to_vec());
    let (file, limit) = (
        source.open(name).unwrap(),
        ByteOffset::new(header.durable_bytes.into()),
    );
    let (mut chain, mut count) = (Chain::new(header.key(), header.start()), 0);
    let broken = each_frame(&mut chain, &*file, limit, Check::Records, |_, _, _| {
        count += 1;
        Ok(())
    });
    assert_eq!(broken.unwrap(), None, "{name}");
    assert_eq!(chain.link().next, header.durable_through, "{name}");
    count
}

#[test]
fn a_segment_is_complete_with_its_first_content() {
    for lens in [
        &[][..],
        &[1],
        &[1, 1020, 1021, 5000],
        &[1 << 20, 3, 3 << 20, 9],
    ] {
        let scratch = Scratch::new();
        let directory = directory(&scratch);
        let mut creation = Creation::begin(&directory, header(3), 1 << 30).unwrap();
        for len in lens {
            creation.push(&payload(*len), 1).unwrap();
        }
        assert_eq!(scratch.names(), [names::temp(tx(3), 0)]);
        let end = creation.end();
        assert_eq!(
            (creation.first(), end.next),
            (tx(3), tx(3 + lens.len() as u64))
        );
        let new = creation.finish().unwrap().publish().unwrap();
        let name = names::segment(tx(3));
        assert_eq!(scratch.names(), [name.as_str()]);
        let bytes = scratch.read(&name);
        assert_eq!(content(&name, &bytes), lens.len());
        assert_eq!(SegmentHeader::decode(&bytes), Ok(new.header));
        assert_eq!((new.len, new.end), (bytes.len() as u64, end));
        assert_eq!(u64::from(new.header.durable_bytes), new.len);
    }
}

#[test]
fn two_creations_of_one_name_have_different_tags() {
    let scratch = Scratch::new();
    let directory = directory(&scratch);
    let mut tags = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let creation = Creation::begin(&directory, header(3), 1 << 30).unwrap();
        tags.insert(creation.finish().unwrap().publish().unwrap().header.tag);
    }
    assert_eq!(tags.len(), 5);
}

#[test]
fn what_another_creation_left_is_no_file_to_write_into() {
    let scratch = Scratch::new();
    let (directory, temp) = (directory(&scratch), names::temp(tx(3), 0));
    scratch.write(&temp, &[0xAA; 10_000]);
    let creation = Creation::begin(&directory, header(3), 1 << 30).unwrap();
    creation.finish().unwrap().publish().unwrap();
    let bytes = scratch.read(&names::segment(tx(3)));
    assert_eq!(bytes.len(), SEGMENT_HEADER_BYTES);
}

#[test]
fn a_temporary_name_that_is_taken_is_passed_over() {
    let scratch = Scratch::new();
    let directory = directory(&scratch);
    let taken = names::temp(tx(3), 0);
    scratch.env.fs().create_dir(Path::new(&taken)).unwrap();
    let creation = Creation::begin(&directory, header(3), 1 << 30).unwrap();
    assert_eq!(scratch.names(), [taken.clone(), names::temp(tx(3), 1)]);
    creation.finish().unwrap().publish().unwrap();
    assert_eq!(scratch.names(), [names::segment(tx(3)), taken]);
}

#[test]
fn a_creation_that_fails_leaves_a_temporary_name_at_most() {
    for (kind, times, is_fatal) in [
        (CallKind::Open, 1 + TEMPS_MAX, false),
        (CallKind::Write, 1, true),
        (CallKind::SyncAll, 1, true),
    ] {
        let scratch = Scratch::new();
        let directory = directory(&scratch);
        scratch.disk.fail(kind).times(times).errno(Errno::Eio);
        let created = Creation::begin(&directory, header(3), 1 << 30)
            .map_err(Failure::Harmless)
            .and_then(Creation::finish);
        match created.err().expect("it fails") {
            Failure::Harmless(_) => assert!(!is_fatal, "{kind:?}"),
            Failure::Fatal(_) => assert!(is_fatal, "{kind:?}"),
        }
        assert!(!scratch.names().contains(&names::segment(tx(3))));
        Creation::abandon(&directory, tx(3));
        assert_eq!(scratch.names(), [""; 0]);
    }
    // For lack of space it is harmless.
    let scratch = Scratch::new();
    scratch.disk.fail(CallKind::Write).errno(Errno::Enospc);
    let creation = Creation::begin(&directory(&scratch), header(3), 1 << 30).unwrap();
    assert!(matches!(creation.finish(), Err(Failure::Harmless(_))));
}

#[test]
fn offsets_end() {
    let scratch = Scratch::new();
    let last = header(u64::MAX - 1);
    let mut creation = Creation::begin(&directory(&scratch), last, 1 << 30).unwrap();
    creation.push(&payload(1), 1).unwrap();
    let exhausted = creation.push(&payload(1), 1);
    assert!(matches!(exhausted, Err(LogError::Exhausted { .. })));
}

/// [I1], [I2] and header [I2]: a log is created and rotated, and crashes after each step.
#[test]
fn a_name_is_given_to_what_is_complete_and_durable() {
    let create = |scratch: &Scratch| {
        let (log, _) = scratch.open();
        commit(&log, &["a", "b"]);
        log.rotate().unwrap();
        commit(&log, &["c"]);
    };
    let crashes = crashes(&Image::empty(&DiskConfig::default()), create);
    let mut cuts = BTreeMap::<usize, Vec<_>>::new();
    let mut headers = BTreeMap::<String, SegmentHeader>::new();
    for crash in crashes {
        let (mut named, mut appended) = (Vec::new(), Vec::new());
        let names = crash.disk.names();
        for name in names.into_iter().filter(|name| name.ends_with(".log")) {
            let bytes = crash.disk.read(&name);
            // [I1] Header and first content are there.
            content(&name, &bytes);
            let header = SegmentHeader::decode(&bytes).expect("header [I2]");
            let before = *headers.entry(name.clone()).or_insert(header);
            assert_eq!(header, before, "header [I2]: {name} got another one");
            if bytes.len() > header.durable_bytes as usize {
                appended.push(name.clone());
            }
            named.push(name);
        }
        cuts.entry(crash.cut).or_default().push((named, appended));
    }
    let mut count = 0;
    for images in cuts.values() {
        let appended = images.iter().flat_map(|(_, appended)| appended);
        for name in appended {
            let is_durable = images.iter().all(|(named, _)| named.contains(name));
            assert!(is_durable, "[I2] {name} may lose its name");
            count += 1;
        }
    }
    assert!(count > 0);
}

#[test]
fn an_unfinished_creation_is_removed_by_its_name() {
    let scratch = Scratch::new();
    let directory = directory(&scratch);
    drop(Creation::begin(&directory, header(3), 1 << 30).unwrap());
    let mut notes = [FileNote {
        file: names::temp(tx(3), 0),
        reason: FileReason::Unfinished,
        removed: false,
    }];
    remove_files(&directory, &mut notes, &[FileReason::Retired]).unwrap();
    assert!(!notes[0].removed);
    remove_files(&directory, &mut notes, &[FileReason::Unfinished]).unwrap();
    assert!(notes[0].removed && scratch.names().is_empty());
}
