//! Workloads that are small enough to be explored in full.
//!
//! Each begins on an empty disk, so that the creation of the database is crashed in all of them.
//! Values are as small as what they are for allows. Not here: how operations are drawn (`op`).

use blackstart_sim::{SmallCase, Step};

use crate::op::{Change, Config, Ending, Mixture, Op};

/// The process closes the database.
const CLOSES: Config = Config {
    integrity: false,
    abandon: false,
};
/// The process ends without closing.
const LEAVES: Config = Config {
    abandon: true,
    ..CLOSES
};
/// A value that fits into a page beside others.
const SMALL: u32 = 40;
/// A value over pages of its own.
const LONG: u32 = 6_000;
/// A value of which a file that has just been created holds three.
const LARGE: u32 = 200_000;

/// The workloads of a mixture.
pub fn cases(mixture: Mixture) -> Vec<SmallCase<Config, Op>> {
    match mixture {
        Mixture::All => all(),
        Mixture::Growth => growth(),
        Mixture::Commits => commits(),
    }
}

/// What neither of the other mixtures does.
fn all() -> Vec<SmallCase<Config, Op>> {
    let endings = [
        Ending::Immediate,
        Ending::NotDurable,
        Ending::TwoPhase,
        Ending::NotDurable,
        Ending::QuickRepair,
        Ending::Abort,
        Ending::NotDurable,
    ];
    let endings = (1..).zip(endings);
    let endings = endings.map(|(key, ending)| Op::Transaction {
        changes: vec![Change::Put(key, SMALL), Change::Put(20, LONG)],
        ending,
    });
    let undone = Op::Undo {
        changes: vec![Change::Put(1, LONG), Change::Remove(2)],
    };
    let integrity = Config {
        integrity: true,
        ..CLOSES
    };
    vec![
        case(CLOSES, endings.clone().collect()),
        case(integrity, endings.take(3).collect()),
        case(LEAVES, vec![puts(&[(1, SMALL), (2, SMALL)]), undone]),
        case(
            CLOSES,
            vec![
                puts(&[(1, LONG), (2, LONG)]),
                removes(&[1]),
                Op::Compact,
                Op::Reopen,
                put(3, SMALL),
            ],
        ),
    ]
}

/// The file grows in a commit, shrinks when it is closed, and grows again.
fn growth() -> Vec<SmallCase<Config, Op>> {
    vec![
        case(
            CLOSES,
            vec![put(1, LARGE), puts(&[(2, LARGE), (3, LARGE), (4, LARGE)])],
        ),
        case(
            CLOSES,
            vec![
                puts(&[(1, LARGE), (2, LARGE), (3, LARGE), (4, LARGE)]),
                removes(&[1, 2, 3]),
                Op::Reopen,
                puts(&[(5, LARGE), (6, LARGE), (7, LARGE)]),
            ],
        ),
    ]
}

/// Commits that need no more than a page, one after another.
fn commits() -> Vec<SmallCase<Config, Op>> {
    let row = |keys: &[u16]| keys.iter().map(|&key| put(key, SMALL)).collect();
    vec![
        case(LEAVES, row(&[1, 2, 3, 4])),
        case(LEAVES, row(&[1, 1, 1])),
        case(LEAVES, vec![put(1, SMALL), put(2, LONG), removes(&[1])]),
    ]
}

fn put(key: u16, bytes: u32) -> Op {
    puts(&[(key, bytes)])
}

fn puts(values: &[(u16, u32)]) -> Op {
    let changes = values.iter().map(|&(key, bytes)| Change::Put(key, bytes));
    durable(changes.collect())
}

fn removes(keys: &[u16]) -> Op {
    durable(keys.iter().map(|&key| Change::Remove(key)).collect())
}

fn durable(changes: Vec<Change>) -> Op {
    Op::Transaction {
        changes,
        ending: Ending::Immediate,
    }
}

fn case(config: Config, ops: Vec<Op>) -> SmallCase<Config, Op> {
    let steps = (1..).zip(ops);
    let steps = steps.map(|(id, op)| Step { id, client: 0, op });
    SmallCase {
        config,
        steps: steps.collect(),
    }
}
