//! Words that the terminal and the page share.

use std::fmt::Write as _;

use super::{CallMoment, EffectStory, EraEnd, EraStory, FaultStory, Moment, StepStory, Story};
use crate::call::{CallId, CallKind};
use crate::disk::{Change, FileAccount, How, Outcome, Span};

/// The name of a call on the seam.
pub(super) const fn verb(kind: CallKind) -> &'static str {
    match kind {
        CallKind::CreateRoot => "create_root",
        CallKind::Open => "open",
        CallKind::CreateDir => "create_dir",
        CallKind::ReadDir => "read_dir",
        CallKind::Rename => "rename",
        CallKind::HardLink => "hard_link",
        CallKind::RemoveFile => "remove_file",
        CallKind::RemoveDir => "remove_dir",
        CallKind::Metadata => "metadata",
        CallKind::SyncDir => "sync_dir",
        CallKind::Lock => "lock",
        CallKind::Read => "read",
        CallKind::Write => "write",
        CallKind::SetLen => "set_len",
        CallKind::Allocate => "allocate",
        CallKind::Punch => "punch",
        CallKind::SyncData => "sync_data",
        CallKind::SyncAll => "sync_all",
        CallKind::Len => "len",
        CallKind::Spawn => "spawn",
        CallKind::Join => "join",
        CallKind::Yield => "yield",
        CallKind::Checkpoint => "checkpoint",
        CallKind::Wait => "wait",
        CallKind::Notify => "notify",
        CallKind::Now => "now",
        CallKind::Sleep => "sleep",
        CallKind::Entropy => "entropy",
        CallKind::Subdir => "subdir",
        CallKind::FileId => "file_id",
        CallKind::LinkCount => "link_count",
    }
}

/// A path as it is shown: the root has a name.
pub(super) fn path(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

/// `1 call`, `2 calls`.
pub(super) fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

/// What broke, in one sentence.
pub(super) fn headline(story: &Story) -> String {
    match &story.failure {
        Some(failure) => format!("{}: {}", failure.oracle, failure.message),
        None => "nothing is wrong".to_owned(),
    }
}

/// Who does what: a turn in the timeline.
pub(super) fn turn(era: &EraStory, task: u32, op: u32) -> String {
    let name = era.tasks.get(task as usize);
    let name = name.map_or_else(|| format!("task {task}"), Clone::clone);
    match era.step(op) {
        Some(step) => format!("operation {op} ({name}): {}", step.words),
        None if op == 0 => format!("{name}, outside of any operation"),
        None => format!("operation {op} ({name})"),
    }
}

/// An operation in a few words.
pub(super) fn op(step: Option<&StepStory>, op: u32) -> String {
    match step {
        Some(step) => format!("operation {op}, {}", step.words),
        None if op == 0 => "no operation".to_owned(),
        None => format!("operation {op}"),
    }
}

/// How an era ended.
pub(super) fn end(era: &EraStory) -> String {
    let before = |call: &Option<CallId>| match call {
        Some(call) => format!("before {} of {}", verb(call.kind), of_op(call.op)),
        None => "after its last call".to_owned(),
    };
    match &era.end {
        EraEnd::Failed => "the failure shows".to_owned(),
        EraEnd::Closed => "ends in order".to_owned(),
        EraEnd::Power(call) => format!("the power fails {}", before(call)),
        EraEnd::Killed(call) => format!("the process is killed {}", before(call)),
    }
}

fn of_op(op: u32) -> String {
    match op {
        0 => "no operation".to_owned(),
        op => format!("operation {op}"),
    }
}

/// What the end of an era took, in one sentence.
pub(super) fn losses(era: &EraStory) -> String {
    let pending = era.pending_count();
    let is = |wanted: fn(&Outcome) -> bool| {
        era.effects
            .iter()
            .filter(move |effect| wanted(&effect.outcome))
    };
    let open = |effect: &&EffectStory| effect.settled.is_none();
    let lost = is(|outcome| *outcome == Outcome::Lost).filter(open).count();
    let gone = is(|outcome| *outcome == Outcome::Lost).count() - lost;
    let torn = is(|outcome| matches!(outcome, Outcome::Torn(_))).count();
    let mut words = match (&era.end, pending) {
        (EraEnd::Power(_), 0) => "nothing was pending".to_owned(),
        (EraEnd::Power(_), _) => {
            let kept = pending - lost - torn;
            let parts = [(lost, "lost"), (torn, "torn"), (kept, "kept")];
            let parts = parts.iter().filter(|(count, _)| *count > 0);
            let parts: Vec<String> = parts.map(|(n, what)| format!("{n} {what}")).collect();
            let pending = count(pending, "effect");
            format!("of {pending} not yet durable: {}", parts.join(", "))
        }
        (_, 0) => "nothing is pending".to_owned(),
        (_, _) => format!("{} pending, in the page cache", count(pending, "effect")),
    };
    if gone > 0 {
        let _ = write!(words, "; {} lost before that", count(gone, "write"));
    }
    words
}

/// What a call did, in words: its effects if it had any.
pub(super) fn call(era: &EraStory, at: usize) -> String {
    let Some(Moment::Call(call)) = era.moments.get(at) else {
        return String::new();
    };
    let mut text = format!("{} {}", verb(call.call.kind), path(name_at(era, call, at)));
    let effects = call.effects.iter().filter_map(|&at| era.effects.get(at));
    let changes: Vec<String> = effects
        .filter_map(|effect| change(&effect.change))
        .collect();
    if !changes.is_empty() {
        let _ = write!(text, ": {}", changes.join(", "));
    }
    if let Some(error) = &call.error {
        let _ = write!(text, " = {error}");
    }
    for fault in call.faults.iter().filter_map(|&rule| era.faults.get(rule)) {
        let _ = write!(text, "  [fault: {}]", fault.kind);
    }
    text
}

/// The name that the file of a call has when the call begins: a handle keeps the one it was opened
/// with.
fn name_at<'e>(era: &'e EraStory, call: &'e CallMoment, at: usize) -> &'e str {
    let path = call.path();
    if !call.is_on_handle() {
        return path;
    }
    let renames = era.effects.iter().filter(|effect| {
        effect.moment.is_none_or(|moment| moment < at) && era.is_named(effect.file, path)
    });
    let renames = renames.filter_map(|effect| match &effect.change {
        Change::Rename { from, to, .. } => Some((from.as_str(), to.as_str())),
        _ => None,
    });
    renames.fold(
        path,
        |name, (from, to)| if name == from { to } else { name },
    )
}

/// A change behind the call that made it, which names the file already.
fn change(change: &Change) -> Option<String> {
    match change {
        Change::Create(_) => Some("new".to_owned()),
        Change::Remove(_) | Change::Link(_) => None,
        Change::Rename { to, replaces, .. } => {
            let replaces = if *replaces { ", replaces a file" } else { "" };
            Some(format!("to {to}{replaces}"))
        }
        change => Some(change.to_string()),
    }
}

/// What became of the effects of a call: the sign, and words.
pub(super) fn outcome_of_call(era: &EraStory, at: usize) -> Option<(char, String)> {
    let Some(Moment::Call(call)) = era.moments.get(at) else {
        return None;
    };
    let effects = call.effects.iter().filter_map(|&at| era.effects.get(at));
    let effects: Vec<&EffectStory> = effects.collect();
    if effects.is_empty() {
        return match call.settles.len() {
            0 => None,
            _ => {
                let settled = call.settles.iter().filter_map(|&at| era.effects.get(at));
                let is_dropped =
                    |effect: &&EffectStory| matches!(effect.settled, Some((_, How::Dropped)));
                let dropped = settled.clone().filter(is_dropped).count();
                let durable = settled.count() - dropped;
                Some(match (durable, dropped) {
                    (_, 0) => ('■', format!("{durable} durable")),
                    (0, _) => ('×', format!("{dropped} dropped")),
                    _ => ('×', format!("{durable} durable, {dropped} dropped")),
                })
            }
        };
    }
    let mut outcomes: Vec<(char, &'static str, &Change)> = effects
        .iter()
        .map(|effect| {
            let (sign, words) = outcome(effect);
            (sign, words, &effect.change)
        })
        .collect();
    outcomes.sort_by_key(|(sign, ..)| "×~·+■".find(*sign));
    let &(sign, words, _) = outcomes.first()?;
    if outcomes.iter().all(|(other, ..)| *other == sign) {
        return Some((sign, words.to_owned()));
    }
    let worst = outcomes.iter().filter(|(other, ..)| *other == sign);
    let worst: Vec<&str> = worst.map(|(.., change)| noun(change)).collect();
    Some((sign, format!("{} {words}", worst.join(", "))))
}

const fn noun(change: &Change) -> &'static str {
    match change {
        Change::Write { .. } => "bytes",
        Change::Length { .. } => "length",
        Change::Zero { .. } => "zeros",
        Change::Create(_) | Change::Link(_) | Change::Remove(_) | Change::Rename { .. } => "name",
    }
}

/// The sign and the word of a outcome.
pub(super) fn outcome(effect: &EffectStory) -> (char, &'static str) {
    match &effect.outcome {
        Outcome::Durable => ('■', "durable"),
        Outcome::Survived => ('+', "kept"),
        Outcome::Torn(_) => ('~', "torn"),
        Outcome::Lost => ('×', "lost"),
        Outcome::Pending => ('·', "pending"),
    }
}

/// What one call lost of one file.
pub(super) struct Loss {
    /// All of it, or a part.
    pub outcome: Outcome,
    pub sign: char,
    pub word: &'static str,
    /// The file and what of it.
    pub what: String,
    /// The operation.
    pub by: String,
    pub reason: String,
    /// The first promise after it; empty if there was none.
    pub promise: String,
}

/// What an era lost, call by call.
pub(super) fn lost(era: &EraStory) -> Vec<Loss> {
    let mut groups: Vec<Vec<&EffectStory>> = Vec::new();
    for effect in era.lost() {
        let is_same = |group: &&mut Vec<&EffectStory>| {
            let first = group.first();
            first.is_some_and(|first| {
                let is_one_call = first.call == effect.call && first.moment == effect.moment;
                is_one_call && first.file == effect.file && first.cause == effect.cause
            })
        };
        match groups.last_mut().filter(is_same) {
            Some(group) => group.push(effect),
            None => groups.push(vec![effect]),
        }
    }
    groups.iter().filter_map(|group| loss(era, group)).collect()
}

fn loss(era: &EraStory, group: &[&EffectStory]) -> Option<Loss> {
    // A part of a write and its whole length: the write is torn.
    let first = group
        .iter()
        .max_by_key(|effect| effect.outcome != Outcome::Lost)?;
    let (sign, word) = outcome(first);
    let changes = group.iter().map(|effect| match &effect.outcome {
        Outcome::Torn(words) => format!("{} ({words})", effect.change),
        _ => effect.change.to_string(),
    });
    let changes = changes.collect::<Vec<_>>().join(", ");
    let is_content = matches!(
        first.change,
        Change::Write { .. } | Change::Length { .. } | Change::Zero { .. }
    );
    let what = match is_content {
        true => format!("{}: {changes}", era.file_name(first.file)),
        false => changes,
    };
    let of_moment = first.moment.and_then(|at| era.moments.get(at));
    let by = match of_moment {
        Some(moment) => op(era.step(moment.by().1), moment.by().1),
        None => "an earlier era".to_owned(),
    };
    let cause = first.cause.as_ref();
    let promise = cause.and_then(|cause| cause.promise);
    Some(Loss {
        outcome: first.outcome.clone(),
        sign,
        word,
        what,
        by,
        reason: cause.map_or_else(String::new, |cause| cause.reason.clone()),
        promise: promise.map_or_else(String::new, |at| event(era, at).to_owned()),
    })
}

/// The words of an event.
pub(super) fn event(era: &EraStory, at: usize) -> &str {
    match era.moments.get(at) {
        Some(Moment::Event(event)) => &event.said.words,
        _ => "",
    }
}

/// What became of a fault, in words.
pub(super) fn fault(era: &EraStory, fault: &FaultStory) -> String {
    let mut parts = Vec::new();
    let calls = |at: &[usize]| {
        let mut calls: Vec<String> = Vec::new();
        for &at in at {
            let call = super::causes::call_words(era, at);
            if !calls.contains(&call) {
                calls.push(call);
            }
        }
        let more = calls.len().saturating_sub(3);
        calls.truncate(3);
        match more {
            0 => calls.join(", "),
            more => format!("{}, {more} more", calls.join(", ")),
        }
    };
    let ledger = &fault.ledger;
    match ledger.injected {
        0 => parts.push("did not strike".to_owned()),
        times if fault.struck.is_empty() => parts.push(format!("struck {times} ×")),
        times => parts.push(format!("struck {times} ×: {}", calls(&fault.struck))),
    }
    if !fault.damaged.is_empty() {
        let more = fault.damaged.len().saturating_sub(3);
        let shown: Vec<&str> = fault.damaged.iter().take(3).map(String::as_str).collect();
        let more = if more > 0 {
            format!(", {more} more")
        } else {
            String::new()
        };
        parts.push(format!("damaged {}{more}", shown.join(", ")));
    }
    if ledger.injected > 0 {
        parts.push(match ledger.observed {
            0 => "never seen by the program".to_owned(),
            times if fault.showed.is_empty() => format!("seen {times} ×"),
            times => format!("seen {times} ×: {}", calls(&fault.showed)),
        });
    }
    let counts = [
        (ledger.detected, "reported by the system"),
        (ledger.repaired, "written over"),
        (ledger.masked, "unreported and harmless"),
        (ledger.silent, "SILENT"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    parts.extend(counts.map(|(count, what)| format!("{what} {count} ×")));
    parts.join("; ")
}

/// The sentence that says what the failing era was told and found; none if no event did.
pub(super) fn contradiction(era: &EraStory) -> Option<(usize, &str)> {
    let moments = era.moments.iter().enumerate();
    let mut events = moments.filter_map(|(at, moment)| match moment {
        Moment::Event(event) if event.contradicts => Some((at, event.said.words.as_str())),
        _ => None,
    });
    events.next_back()
}

/// An era in one sentence.
pub(super) fn sentence(era: &EraStory) -> String {
    let (end, losses) = (end(era), losses(era));
    match &era.end {
        EraEnd::Failed => match contradiction(era) {
            Some((_, found)) => format!("{end}: {found}."),
            None => format!("{end}."),
        },
        EraEnd::Power(_) => format!("{end}; {losses}."),
        EraEnd::Closed | EraEnd::Killed(_) => format!("{end}."),
    }
}

/// How many clients an era has.
pub(super) fn clients(era: &EraStory) -> usize {
    let mut clients: Vec<u32> = era.steps.iter().map(|step| step.client).collect();
    clients.push(0);
    clients.sort_unstable();
    clients.dedup();
    clients.len()
}

/// The files of which a loss of power left less, or not for certain all.
pub(super) fn changed_files(era: &EraStory) -> impl Iterator<Item = &FileAccount> {
    let is_power = matches!(era.end, EraEnd::Power(_));
    era.files.iter().filter(move |file| {
        let is_there = file.seen.is_some() || file.left.is_some();
        let is_open = |span: &Span| span.outcome != Outcome::Durable;
        let is_changed = file.seen != file.left || file.spans.iter().any(is_open);
        is_power && !file.is_dir && is_there && is_changed
    })
}
