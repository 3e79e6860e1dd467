//! A lane for each file: what of it is durable and what is pending, moment by moment.

use super::{EffectStory, EraStory, Moment};
use crate::disk::{Change, How, Outcome};

/// The files of an era that have a lane, and how many have none.
pub(super) struct Lanes {
    pub files: Vec<u32>,
    pub more: usize,
}

/// A file at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It was not created yet.
    Absent,
    /// Something of it is not durable.
    Pending,
    /// All of it is durable.
    Durable,
}

/// What a moment does to a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touch {
    /// An effect that is lost in the end.
    Lost,
    /// An effect of which a part is lost in the end.
    Torn,
    /// An effect that is pending from here on.
    Issued,
    /// What was pending is durable from here on.
    Settled,
    /// What was pending is dropped.
    Dropped,
}

impl Lanes {
    /// Lanes for at most `lanes_max` files: those that lost something first, then the busiest.
    pub fn of(era: &EraStory, lanes_max: usize) -> Self {
        let is_hurt =
            |effect: &&EffectStory| matches!(effect.outcome, Outcome::Lost | Outcome::Torn(_));
        let mut files: Vec<(usize, usize, u32)> = Vec::new();
        for file in &era.files {
            let effects = era
                .effects
                .iter()
                .filter(|effect| effect.file == file.number);
            let hurt = effects.clone().filter(is_hurt).count();
            let count = effects.count();
            if count > 0 {
                files.push((hurt, count, file.number));
            }
        }
        files.sort_by_key(|&(hurt, count, number)| (std::cmp::Reverse((hurt, count)), number));
        let more = files.len().saturating_sub(lanes_max);
        files.truncate(lanes_max);
        let mut files: Vec<u32> = files.into_iter().map(|(.., number)| number).collect();
        files.sort_unstable();
        Self { files, more }
    }
}

/// The state of a file after a moment.
pub(super) fn state(era: &EraStory, file: u32, at: usize) -> State {
    let mut is_pending = false;
    for effect in era.effects.iter().filter(|effect| effect.file == file) {
        let is_later = effect.moment.is_some_and(|moment| moment > at);
        if matches!(effect.change, Change::Create(_)) && is_later {
            return State::Absent;
        }
        let is_durable = matches!(effect.settled, Some((when, How::Durable)) if when <= at);
        is_pending |= !is_later && !is_durable;
    }
    match is_pending {
        true => State::Pending,
        false => State::Durable,
    }
}

/// What a moment does to a file's lane; none if nothing.
pub(super) fn touch(era: &EraStory, file: u32, at: usize) -> Option<Touch> {
    let Some(Moment::Call(call)) = era.moments.get(at) else {
        return None;
    };
    let of_file = |list: &[usize]| -> Vec<&EffectStory> {
        let effects = list.iter().filter_map(|&at| era.effects.get(at));
        effects.filter(|effect| effect.file == file).collect()
    };
    let (issued, settled) = (of_file(&call.effects), of_file(&call.settles));
    let has = |effects: &[&EffectStory], wanted: fn(&EffectStory) -> bool| {
        effects.iter().any(|effect| wanted(effect))
    };
    if has(&issued, |effect| effect.outcome == Outcome::Lost) {
        Some(Touch::Lost)
    } else if has(&issued, |effect| matches!(effect.outcome, Outcome::Torn(_))) {
        Some(Touch::Torn)
    } else if !issued.is_empty() {
        Some(Touch::Issued)
    } else if has(&settled, |effect| {
        matches!(effect.settled, Some((_, How::Dropped)))
    }) {
        Some(Touch::Dropped)
    } else if !settled.is_empty() {
        Some(Touch::Settled)
    } else {
        None
    }
}

/// What the end of an era makes of a file: the worst of its effects.
pub(super) fn outcome(era: &EraStory, file: u32) -> Outcome {
    let effects = era.effects.iter().filter(|effect| effect.file == file);
    worst(effects)
}

/// What the end of an era makes of what is pending of a file at a moment: the worst of it.
pub(super) fn doom(era: &EraStory, file: u32, at: usize) -> Outcome {
    let is_pending = |effect: &&EffectStory| {
        let is_later = effect.moment.is_some_and(|moment| moment > at);
        let is_durable = matches!(effect.settled, Some((when, How::Durable)) if when <= at);
        effect.file == file && !is_later && !is_durable
    };
    worst(era.effects.iter().filter(is_pending))
}

fn worst<'e>(effects: impl Iterator<Item = &'e EffectStory>) -> Outcome {
    let worst = effects.max_by_key(|effect| match effect.outcome {
        Outcome::Durable => 0,
        Outcome::Survived => 1,
        Outcome::Pending => 2,
        Outcome::Torn(_) => 3,
        Outcome::Lost => 4,
    });
    worst.map_or(Outcome::Durable, |effect| effect.outcome.clone())
}
