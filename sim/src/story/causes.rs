//! Why an effect was lost: what had been done for it, and what had been promised all the same.

use super::{Cause, EffectStory, EraStory, Moment, Role};
use crate::call::CallKind;
use crate::disk::{Change, How, Outcome};

/// Finds the cause of every loss of an era.
pub(super) fn find(era: &mut EraStory) {
    let causes: Vec<Option<Cause>> = era
        .effects
        .iter()
        .map(|effect| cause(era, effect))
        .collect();
    for (effect, cause) in era.effects.iter_mut().zip(causes) {
        effect.cause = cause;
    }
}

fn cause(era: &EraStory, effect: &EffectStory) -> Option<Cause> {
    if !matches!(effect.outcome, Outcome::Lost | Outcome::Torn(_)) {
        return None;
    }
    Some(Cause {
        reason: reason(era, effect),
        promise: promise(era, effect),
    })
}

fn reason(era: &EraStory, effect: &EffectStory) -> String {
    match effect.settled {
        Some((_, How::Swallowed)) => return "the disk took it for written and lost it".to_owned(),
        Some((at, How::Dropped)) => {
            let sync = call_words(era, at);
            return format!("dropped from the cache by {sync}, which failed");
        }
        Some((_, How::Durable)) | None => {}
    }
    let is_name = !matches!(
        effect.change,
        Change::Write { .. } | Change::Length { .. } | Change::Zero { .. }
    );
    let wanted: &[CallKind] = match is_name {
        true => &[CallKind::SyncDir],
        false => &[CallKind::SyncData, CallKind::SyncAll],
    };
    // Syncs that came after it and did not settle it.
    let from = effect.moment.map_or(0, |moment| moment + 1);
    let later = era.moments.iter().enumerate().skip(from);
    let mut later = later.filter_map(|(at, moment)| match moment {
        Moment::Call(call) if wanted.contains(&call.call.kind) => Some((at, call)),
        _ => None,
    });
    let vain = later.find(|(_, call)| {
        let lies = |&rule: &usize| {
            era.faults
                .get(rule)
                .is_some_and(|fault| fault.kind.starts_with("fsync"))
        };
        let is_marred = call.error.is_some() || call.faults.iter().any(lies);
        is_marred && (is_name || era.is_named(effect.file, call.path()))
    });
    match (vain, is_name) {
        (Some((at, call)), _) if call.error.is_some() => {
            format!("{} failed", call_words(era, at))
        }
        (Some((at, _)), _) => format!("{} lied", call_words(era, at)),
        (None, true) => "no sync of its directory came after it".to_owned(),
        (None, false) => match durable_name(era, effect) {
            Some(name) => format!(
                "no sync of the file came after it, and yet its name {name} was made durable"
            ),
            None => "no sync of the file came after it".to_owned(),
        },
    }
}

/// A name that the file of an effect got after it, and that is durable.
fn durable_name<'e>(era: &'e EraStory, effect: &EffectStory) -> Option<&'e str> {
    let mut later = era.effects.iter().filter(|name| {
        name.file == effect.file && name.moment > effect.moment && name.outcome == Outcome::Durable
    });
    later.find_map(|name| match &name.change {
        Change::Create(name) | Change::Link(name) | Change::Rename { to: name, .. } => {
            Some(name.as_str())
        }
        _ => None,
    })
}

/// The first promise after an effect: of its own operation, or else of any.
fn promise(era: &EraStory, effect: &EffectStory) -> Option<usize> {
    let from = effect.moment?;
    let by = effect.call.map(|call| (call.task, call.op));
    let later = era.moments.iter().enumerate().skip(from);
    let promises = later.filter(|(_, moment)| match moment {
        Moment::Event(event) => event.said.role == Role::Promise,
        Moment::Call(_) => false,
    });
    let mut promises = promises.map(|(at, moment)| (at, Some(moment.by())));
    let first = promises.next()?;
    let own = std::iter::once(first)
        .chain(promises)
        .find(|(_, of)| *of == by && by.is_some_and(|(_, op)| op != 0));
    Some(own.unwrap_or(first).0)
}

/// A call in the words of a sentence.
pub(super) fn call_words(era: &EraStory, at: usize) -> String {
    match era.moments.get(at) {
        Some(Moment::Call(call)) => {
            let path = super::words::path(call.path());
            format!("{} {path}", super::words::verb(call.call.kind))
        }
        _ => "the run".to_owned(),
    }
}
