//! What an owner is shown of a log while it is checked.

use super::*;
use crate::commitlog::commit::Recovered;

/// What a visitor saw of one commit.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    range: (u64, u64),
    epoch: u32,
    record: Vec<u8>,
    durable_through: u64,
}

/// Visits a log from an offset on; what was seen, and how it ended.
fn visit(source: &dyn LogSource, from: u64) -> (Vec<Seen>, Result<Planned, LogError>) {
    let mut seen = Vec::new();
    let mut visitor = |recovered: Recovered<'_>| {
        let commit = &recovered.commit;
        let record = commit.transactions().next().expect("a record").1.to_vec();
        seen.push(Seen {
            range: (commit.first.get(), commit.end.get()),
            epoch: commit.epoch.get(),
            record,
            durable_through: recovered.durable_through.get(),
        });
        Ok(())
    };
    let visit = Visit {
        from: tx(from),
        visitor: &mut visitor,
    };
    let planned = plan_and_visit(source, Beforehand::default(), Some(visit));
    (seen, planned)
}

/// A letter for each commit that was seen.
fn letters(seen: &[Seen]) -> String {
    seen.iter().map(|seen| char::from(seen.record[0])).collect()
}

/// Three segments, of which the last is a fork: `ab`, `cd` and `xLyz`, where `L` is large.
fn three() -> [Made; 3] {
    let first = Made::first().synced("ab");
    let second = first.next().synced("cd").unsynced("gone");
    let newest = second.fork(2).unsynced("x").named().large();
    [first, second, newest.synced("y").unsynced("z")]
}

#[test]
fn each_commit_is_seen_once_and_in_order() {
    let three = three();
    let (seen, planned) = visit(&source(&three), 0);
    assert!(planned.is_ok());
    assert_eq!(letters(&seen), "abcdxLyz");
    for (n, seen) in (0..).zip(&seen) {
        assert_eq!(seen.range, (n, n + 1));
        assert_eq!(seen.epoch, if n < 4 { 1 } else { 2 });
    }
    // A visit changes nothing about the decision.
    let Ok(Planned::Log(visited)) = planned else {
        panic!("there is a log");
    };
    check(&source(&three), &short(&told(&visited)));
    assert_eq!(told(&visited), "0..8, durable 6, clean");
}

#[test]
fn nothing_is_called_durable_beyond_what_is_known_by_then() {
    let (seen, _) = visit(&source(&three()), 0);
    let durable: Vec<_> = seen.iter().map(|seen| seen.durable_through).collect();
    // Of full segments everything is, up to the newest one; there it is what a frame before says.
    assert_eq!(durable, [4, 4, 4, 4, 5, 5, 6, 6]);
    assert!(durable.is_sorted());
}

#[test]
fn a_visit_begins_with_the_commit_that_holds_the_offset() {
    let all = "abcdxLyz";
    for closed in [false, true] {
        let mut three = three();
        if closed {
            three[2] = three[2].clone().closed();
        }
        for from in 0..=9 {
            let (seen, planned) = visit(&source(&three), from);
            assert!(planned.is_ok());
            let expected = all.get(from as usize..).unwrap_or_default();
            assert_eq!(letters(&seen), expected, "{from}");
        }
    }
}

#[test]
fn history_that_is_gone_cannot_be_visited() {
    let retired = with_lock(source(&three()), superblock(1, 2, 4, 4));
    let (seen, planned) = visit(&retired, 1);
    let gone = matches!(planned, Err(LogError::HistoryGone { asked, oldest })
        if (asked, oldest) == (tx(1), tx(2)));
    assert!(gone && seen.is_empty(), "{seen:?}");
    assert_eq!(letters(&visit(&retired, 2).0), "cdxLyz");
}

#[test]
fn a_visit_finds_damage_that_an_opening_does_not_look_for() {
    let three = three();
    let with = |index: usize, made: Made| {
        let mut changed = three.clone();
        changed[index] = made;
        source(&changed)
    };
    let damage = |source: &MemorySource| match visit(source, 0) {
        (seen, Err(LogError::Corrupt { corrupt, evidence })) => {
            let (file, field) = (short(&corrupt.file), corrupt.defect.field);
            (letters(&seen), file, field, evidence)
        }
        (_, planned) => panic!("{planned:?}"),
    };
    let successor = Evidence::Successor {
        file: names::segment(tx(4)),
    };
    let found = damage(&with(1, three[1].damaged(1)));
    let expected = (
        "abc".into(),
        "2.log".into(),
        "frame checksum",
        successor.clone(),
    );
    assert_eq!(found, expected);
    // Another content of the same length, in another writer's file of the same header.
    let replaced = three[0].next().synced("cD").unsynced("gone");
    let (seen, file, field, evidence) = damage(&with(1, replaced));
    assert_eq!((seen.as_str(), file.as_str()), ("abcD", "2.log"));
    assert_eq!((field, evidence), ("checksum of the last frame", successor));
    // In the newest, of which a later frame shows that it was durable.
    let found = damage(&with(2, three[2].damaged(0)));
    assert_eq!((found.0.as_str(), found.1.as_str()), ("abcd", "4.log"));
    // Records that are no records, in a frame with a good checksum.
    let mut odd = three[1].clone();
    odd.bytes.truncate(position(2));
    assert!(decide(&with(1, odd), Beforehand::default()).starts_with("0..8"));
}

#[test]
fn what_a_visitor_refuses_ends_the_opening() {
    let mut count = 0;
    let mut visitor = |_: Recovered<'_>| {
        count += 1;
        match count {
            3 => Err("enough".into()),
            _ => Ok(()),
        }
    };
    let visit = Visit {
        from: tx(0),
        visitor: &mut visitor,
    };
    let planned = plan_and_visit(&source(&three()), Beforehand::default(), Some(visit));
    assert!(
        matches!(planned, Err(LogError::Visitor { .. })),
        "{planned:?}"
    );
    assert_eq!(count, 3);
}

#[test]
fn a_tail_is_not_shown() {
    let mut three = three();
    three[2] = three[2].cut(three[2].bytes.len() - 1);
    let (seen, planned) = visit(&source(&three), 0);
    assert!(planned.is_ok());
    assert_eq!(letters(&seen), "abcdxLy");
}
