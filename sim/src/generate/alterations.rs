//! What others do to names and lengths, and calls that fail because they make a file longer. They
//! are drawn from streams of their own, and only for scenarios that say they stand them.

use super::{Aim, Calls};
use crate::call::CallKind;
use crate::case::Era;
use crate::disk::{Alteration, Errno, Fault, FaultRule, NewName, Trigger};
use crate::draw::Draw;

/// Calls before which others meddle.
const MEDDLED: [CallKind; 6] = [
    CallKind::Write,
    CallKind::SyncData,
    CallKind::Open,
    CallKind::Rename,
    CallKind::ReadDir,
    CallKind::SyncDir,
];

/// Gives a case one alteration at rest or one while it runs, or neither. A second damage in the
/// life of a case promises nothing that could be checked.
pub(super) fn add<O>(
    draw: &mut Draw<'_>,
    files: &[&str],
    eras: &mut [Era<O>],
    rehearsals: &[Calls],
) {
    let mut rules = eras.iter().flat_map(|era| &era.faults);
    let is_damaged = rules.any(|rule| rule.what.is_at_rest());
    match draw.below(3) {
        0 if !is_damaged && eras.len() > 1 => {
            // Before the first era there is nothing to alter.
            let at = draw.range(1..=eras.len() as u64 - 1) as usize;
            eras[at].faults.push(at_rest(draw, files));
        }
        1 => {
            let at = draw.below(eras.len() as u64) as usize;
            eras[at]
                .faults
                .push(live(draw, files, is_damaged, &rehearsals[at]));
        }
        _ => {}
    }
}

/// An alteration of a file when an era begins.
pub(super) fn at_rest(draw: &mut Draw<'_>, files: &[&str]) -> FaultRule {
    let when = Trigger::Boot {
        files: (*draw.pick(files)).to_owned(),
        nth: draw.range(1..=4) as u32,
    };
    FaultRule::new(when, Fault::Alter(alteration(draw)))
}

fn alteration(draw: &mut Draw<'_>) -> Alteration {
    match draw.below(10) {
        0 => Alteration::Empty,
        1 => Alteration::Zero,
        2 => Alteration::CutShort {
            per_mille: draw.below(1_000) as u32,
        },
        3 => Alteration::Remove,
        4 | 5 => Alteration::Copy(new_name(draw)),
        6 => Alteration::Rename(new_name(draw)),
        7 => Alteration::Older(draw.range(1..=4) as u32),
        8 => Alteration::Link(new_name(draw)),
        _ => Alteration::Dir,
    }
}

fn new_name(draw: &mut Draw<'_>) -> NewName {
    match draw.chance(500) {
        true => NewName::Neighbour(*draw.pick(&[1, 1, -1, 2, 10])),
        false => {
            let suffix = *draw.pick(&["~", ".bak", " (copy)", ".tmp"]);
            NewName::Suffix(suffix.to_owned())
        }
    }
}

/// What others do to names while the program runs.
fn live(draw: &mut Draw<'_>, files: &[&str], is_damaged: bool, calls: &Calls) -> FaultRule {
    let what = match draw.below(3) {
        0 => Fault::LoseLock,
        1 if !is_damaged => Fault::LoseName {
            files: (*draw.pick(files)).to_owned(),
            nth: draw.range(1..=4) as u32,
        },
        _ => Fault::RenewRoot,
    };
    let files = &["*"];
    let kind = Aim { files, calls }.kind(draw, &MEDDLED);
    let when = Trigger::Nth {
        kind,
        files: "*".to_owned(),
        nth: calls.nth(draw, kind, "*"),
        times: 1,
    };
    FaultRule::new(when, what)
}

/// Gives some cases calls that fail because they make a file longer.
pub(super) fn add_growth<O>(
    draw: &mut Draw<'_>,
    files: &[&str],
    eras: &mut [Era<O>],
    rehearsals: &[Calls],
) {
    if !draw.chance(200) {
        return;
    }
    let errnos = [
        Errno::Enospc,
        Errno::Enospc,
        Errno::Edquot,
        Errno::Efbig,
        Errno::Eperm,
    ];
    let at = draw.below(eras.len() as u64) as usize;
    let files = (*draw.pick(files)).to_owned();
    // Most writes of a log make its file longer.
    let nth = rehearsals[at].nth(draw, CallKind::Write, &files);
    let times = *draw.pick(&[1, 1, 2, 1_000]);
    let when = Trigger::Growth { files, nth, times };
    let rule = FaultRule::new(when, Fault::Fail(*draw.pick(&errnos)));
    eras[at].faults.push(rule);
}
