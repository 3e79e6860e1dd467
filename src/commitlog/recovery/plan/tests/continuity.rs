//! Whether the segments make up one history.

use super::*;
use crate::commitlog::recovery::continuity::{Cut, cuts_to_confirm};

/// Segments of two commits each, and an empty one: at 0, 2, 4 and 6.
fn four() -> [Made; 4] {
    let first = Made::first().synced("ab");
    let second = first.next().synced("cd");
    let third = second.next().synced("ef");
    let newest = third.next();
    [first, second, third, newest]
}

/// The four segments without some, with others in their place or beside them.
fn but(changed: &[(u64, Option<Made>)]) -> MemorySource {
    let mut all = std::collections::BTreeMap::new();
    for made in four() {
        all.insert(made.header.first, made.bytes);
    }
    for (first, made) in changed {
        match made {
            Some(made) => all.insert(tx(*first), made.bytes.clone()),
            None => all.remove(&tx(*first)),
        };
    }
    let mut source = MemorySource::new();
    for (first, bytes) in all {
        source.insert(names::segment(first), bytes);
    }
    source
}

#[test]
fn a_missing_segment_is_missed() {
    let lock = |newest| superblock(1, 0, newest, 6);
    let gone = |first| (first, None);
    let missing = |file, expected, found| {
        format!("{file}.log: history is missing: expected transaction {expected}, found {found}")
    };
    check(&but(&[]), "0..6, durable 6, clean");
    check(&but(&[gone(0)]), &missing(2, 0, 2));
    check(&but(&[gone(2)]), &missing(4, 2, 4));
    check(&but(&[gone(4)]), &missing(6, 4, 6));
    check(&but(&[gone(2), gone(4)]), &missing(6, 4, 6));
    let named = "6.log: the segment is missing; lock names it";
    check(&with_lock(but(&[gone(6)]), lock(6)), named);
    check(&with_lock(but(&[gone(4), gone(6)]), lock(6)), named);
    // Its creation was not noted yet, so nothing was written to it.
    check(
        &with_lock(but(&[gone(6)]), lock(4)),
        "0..6, durable 5, clean",
    );
    let two = but(&[gone(4), gone(6)]);
    let expected = "corrupt 2.log 202 next tx offset, superblock: 6";
    check(&with_lock(two.clone(), lock(2)), expected);
    check_told(
        &two,
        caller(1, 6),
        "corrupt 2.log 202 next tx offset, caller: 6",
    );
    // Without `lock` and caller nothing shows it.
    check(&two, "0..4, durable 3, clean");
}

/// [I6] of `recovery`: a name is given to a complete segment only.
#[test]
fn a_named_segment_without_a_whole_header_is_corrupt() {
    for (index, made) in four().iter().enumerate() {
        let first = 2 * index as u64;
        let header = SEGMENT_HEADER_BYTES;
        for (changed, field) in [
            (made.cut(0), "0 magic"),
            (made.edit(|bytes| bytes.fill(0)), "0 magic"),
            (made.edit(|bytes| *bytes = vec![0; 5000]), "0 magic"),
            (made.edit(|bytes| *bytes = vec![0xAA; 5000]), "0 magic"),
            (made.cut(header - 1), "0 segment header"),
            (
                made.edit(|bytes| bytes[header - 1] ^= 1),
                "124 header checksum",
            ),
            (made.edit(|bytes| bytes[32] ^= 1), "124 header checksum"),
        ] {
            let expected = format!("corrupt {first}.log {field}, Name");
            check(&but(&[(first, Some(changed))]), &expected);
        }
        for at in 0..header {
            let changed = made.edit(|bytes| bytes[at] ^= 4);
            let source = but(&[(first, Some(changed))]);
            let decided = decide(&source, Beforehand::default());
            assert!(decided.ends_with(", Name"), "{at}: {decided}");
        }
    }
}

#[test]
fn a_segment_of_another_format_is_refused_by_its_number() {
    let later = |made: &Made| {
        made.edit(|bytes| {
            bytes[8] = 3;
            let checksum = crc32fast::hash(&bytes[..124]);
            bytes[124..128].copy_from_slice(&checksum.to_le_bytes());
        })
    };
    for (index, made) in four().iter().enumerate() {
        let first = 2 * index as u64;
        let expected = format!("{first}.log: format version 3 is not supported, only 2");
        check(&but(&[(first, Some(later(made)))]), &expected);
    }
}

#[test]
fn a_segment_of_another_log_or_name_is_refused() {
    let four = four();
    let foreign = four[1].with(|header| header.log_id = LogId::new([2; 16]));
    let expected = "2.log: it belongs to log id not to id";
    check(&but(&[(2, Some(foreign))]), expected);
    // The content of one under the name of another.
    for (name, content) in [(0, 1), (2, 0), (4, 1), (6, 2)] {
        let expected = format!("corrupt {name}.log 48 first tx offset, Name");
        check(&but(&[(name, Some(four[content].clone()))]), &expected);
    }
    // A copy under a name between two.
    let copy = (3, Some(four[1].clone()));
    check(&but(&[copy]), "corrupt 3.log 48 first tx offset, Name");
}

#[test]
fn a_full_segment_reaches_at_least_to_its_successor() {
    let four = four();
    let fine = "0..6, durable 6, clean";
    let len = four[1].bytes.len();
    for (changed, expected) in [
        (four[1].cut(len - 1), Some(len - 1)),
        (four[1].cut(position(1)), Some(position(1))),
        (four[1].cut(position(0)), Some(position(0))),
        (four[1].followed_by(&[0]), None),
        (four[1].followed_by(&[7; 300]), None),
        (four[1].clone().synced("x").closed(), None),
        // Found when it is read.
        (four[1].damaged(0), None),
    ] {
        let expected = match expected {
            Some(at) => format!("corrupt 2.log {at} end of the segment, successor: 4.log"),
            None => fine.to_owned(),
        };
        check(&but(&[(2, Some(changed))]), &expected);
    }
}

#[test]
fn a_segment_follows_one_other() {
    let four = four();
    // The log's second segment in another copy of it.
    let other_copy = four[0].next_with(four[0].end(), |header| header.tag = 9);
    let other_copy = other_copy.synced("CD");
    let expected = "4.log: it follows another segment: header checksum 0x_ expected 0x_";
    check(&but(&[(2, Some(other_copy))]), expected);
    let first = four[1].with(|header| header.predecessor = None);
    let twice = |file, from, to| {
        format!("{file}.log: transactions from {from} to {to} are in two segments")
    };
    check(&but(&[(2, Some(first.synced("cd")))]), &twice(2, 0, 2));
    // One that takes over behind the first segment, beside the second one.
    let longer = Made::first().synced("abcd");
    let beside = longer.next();
    let source = but(&[(0, Some(longer)), (4, Some(beside)), (6, None)]);
    check(&source, &twice(4, 2, 4));
}

#[test]
fn what_a_later_epoch_took_over_from_is_superseded() {
    let four = four();
    let fork = four[1].fork(1);
    let lock = || superblock(1, 0, 6, 6);
    let beside = |fork: &Made| but(&[(fork.header.first.get(), Some(fork.clone()))]);
    let notes = "; 4.log Superseded; 6.log Superseded";
    let told = |end: &str| format!("{end}{notes}");
    check(&beside(&fork), &told("0..3, durable 3, clean"));
    // The superblock is not written yet, and its bound ends at the fork.
    check(
        &with_lock(beside(&fork), lock()),
        &told("0..3, durable 3, clean"),
    );
    let written = fork.clone().synced("xy");
    check(&beside(&written), &told("0..5, durable 4, clean"));
    check(
        &beside(&written.damaged(1)),
        &told("0..4, durable 3, tail 165+37, 0 later"),
    );
    // It has the name of a segment.
    let renamed = four[1].next_with(four[1].end(), |header| header.epoch = Epoch::new(2));
    let told = "0..4, durable 4, clean; 6.log Superseded";
    check(&with_lock(beside(&renamed), lock()), told);
    // A fork of the fork, before its predecessor's own fork.
    let again = four[0].next_with(four[0].links[1], |header| {
        header.flags = SegmentFlags::FORK;
        header.epoch = Epoch::new(3);
    });
    let (fork_note, again_note) = ((3, Some(fork.clone())), (1, Some(again)));
    let told = "0..1, durable 1, clean; 2.log Superseded; 3.log Superseded";
    check(&but(&[fork_note, again_note]), &format!("{told}{notes}"));
    // Whoever cannot be read cannot be called superseded.
    let (fork_note, unreadable) = ((3, Some(fork)), (6, Some(four[3].cut(100))));
    check(
        &but(&[fork_note, unreadable]),
        "corrupt 6.log 0 segment header, Name",
    );
}

#[test]
fn what_was_retired_is_left_out_unread() {
    let four = four();
    let lock = |oldest| superblock(1, oldest, 6, 6);
    let zeros = |index: usize| {
        (
            2 * index as u64,
            Some(four[index].edit(|bytes| bytes.fill(0))),
        )
    };
    let note = "; 0.log Retired";
    let notes = "; 0.log Retired; 2.log Retired";
    let fine = |oldest, notes| format!("{oldest}..6, durable 6, clean{notes}");
    check(&with_lock(but(&[]), lock(0)), &fine(0, ""));
    check(&with_lock(but(&[]), lock(2)), &fine(2, note));
    check(&with_lock(but(&[]), lock(3)), &fine(3, note));
    check(&with_lock(but(&[]), lock(4)), &fine(4, notes));
    check(&with_lock(but(&[(0, None)]), lock(2)), &fine(2, ""));
    check(&with_lock(but(&[(0, None)]), lock(3)), &fine(3, ""));
    check(
        &with_lock(but(&[zeros(0), zeros(1)]), lock(4)),
        &fine(4, notes),
    );
    check(
        &with_lock(but(&[(2, None), zeros(0)]), lock(4)),
        &fine(4, note),
    );
    let all = "; 0.log Retired; 2.log Retired; 4.log Retired";
    check(&with_lock(but(&[]), lock(6)), &fine(6, all));
    // What is kept is not left out.
    let gap = "4.log: history is missing: expected transaction 2, found 4";
    check(&with_lock(but(&[(2, None)]), lock(2)), gap);
    let corrupt = "corrupt 2.log 0 magic, Name";
    check(&with_lock(but(&[zeros(1)]), lock(3)), corrupt);
    // The newest segment's header knows as well.
    let newest = four[3].with(|header| header.oldest = tx(4));
    check(
        &but(&[(0, None), (6, Some(newest))]),
        &fine(4, "; 2.log Retired"),
    );
    let gap = "2.log: history is missing: expected transaction 0, found 2";
    check(&but(&[(0, None)]), gap);
}

#[test]
fn lost_history_is_in_the_header() {
    let first = Made::first().synced("ab");
    let behind = |flags| {
        first.next_with(first.end(), |header| {
            header.first = tx(5);
            header.flags = flags;
        })
    };
    let (none, loss) = (SegmentFlags::NONE, SegmentFlags::LOSS);
    let gap = |from| format!("5.log: history is missing: expected transaction {from}, found 5");
    check(&source([&first, &behind(loss)]), "0..5, durable 5, clean");
    check(&source([&first, &behind(none)]), &gap(2));
    check(&source([&first, &behind(SegmentFlags::FORK)]), &gap(2));
    // What was lost is the beginning.
    let beginning = |flags, oldest| {
        Made::first().with(|header| {
            header.first = tx(5);
            header.oldest = tx(oldest);
            header.flags = flags;
        })
    };
    check(&source([&beginning(loss, 0)]), "0..5, durable 5, clean");
    check(&source([&beginning(loss, 3)]), "3..5, durable 5, clean");
    check(&source([&beginning(none, 0)]), &gap(0));
    check(&source([&beginning(none, 5)]), "5..5, durable 5, clean");
    // It was kept from 3 on; that more is missing was not said.
    let more = with_lock(source([&beginning(loss, 3)]), superblock(1, 4, 5, 5));
    check(&more, "4..5, durable 5, clean");
}

#[test]
fn cuts_are_repeated_before_forks_that_nobody_appended_to() {
    let old = Made::first().synced("abcd");
    let fork = old.fork(2);
    let appended = fork.clone().synced("x");
    let again = appended.fork(1);
    let whole_again = fork.next_with(fork.end(), |header| {
        header.first = fork.header.first;
        header.predecessor = fork.header.predecessor;
        header.flags = SegmentFlags::FORK;
    });
    let first = |n: usize| Cut {
        first: tx(0),
        at: old.links[n].at,
    };
    let second = Cut {
        first: tx(2),
        at: appended.links[1].at,
    };
    let rotated = fork.next_with(Made::end(&appended), |_| {});
    let sealed = |made: &Made, end: Link| Sealed {
        segment: crate::commitlog::segment::Segment::new(made.header),
        end,
    };
    let cuts =
        |newest: &Made, sealed: &[Sealed]| cuts_to_confirm(&newest.header, newest.end(), sealed);
    let before = sealed(&old, old.links[2]);
    let before = std::slice::from_ref(&before);
    assert_eq!(cuts(&old, &[]), []);
    assert_eq!(cuts(&fork, before), [first(2)]);
    assert_eq!(cuts(&whole_again, before), [first(2)]);
    assert_eq!(cuts(&appended, before), []);
    // Content that it was named with is no append.
    assert_eq!(
        cuts(&old.fork(2).unsynced("cd").named(), before),
        [first(2)]
    );
    let two = [before[0].clone(), sealed(&appended, appended.links[1])];
    assert_eq!(
        cuts(&again, &two),
        [second],
        "the one before was appended to"
    );
    let two = [before[0].clone(), sealed(&fork, fork.end())];
    assert_eq!(
        cuts(&fork.fork(0), &two).len(),
        2,
        "nobody appended to either"
    );
    // A rotation behind a fork is an append's.
    let two = [before[0].clone(), sealed(&appended, appended.end())];
    assert_eq!(cuts(&rotated, &two), []);
}
