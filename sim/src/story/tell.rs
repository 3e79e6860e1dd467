//! From a case to its story: the case is run with everything written down.

use std::sync::Arc;

use super::{
    CallMoment, EffectStory, EraEnd, EraStory, EventMoment, Moment, Story, causes, faults, stale,
};
use crate::case::{CaseOf, Cut, End, Era};
use crate::disk::{Account, DiskConfig, Ending, Stale, Survivors};
use crate::run::{EraRun, Runner, Start, end_state, plan_of};
use crate::scenario::Scenario;
use crate::story::StepStory;
use crate::unmet;

/// Tells the story of a case. `source` is where the case stands, `command` reproduces it, `text`
/// is the case as it is written.
pub(crate) fn tell<S: Scenario>(
    scenario: &Arc<S>,
    case: &CaseOf<S>,
    source: &str,
    command: String,
    text: &str,
) -> Story {
    let mut runner = Runner::of_case(scenario, case);
    runner.verbose = true;
    let mut story = Story {
        scenario: case.scenario.clone(),
        source: source.to_owned(),
        disk: disk_words(&case.disk),
        config: format!("{:?}", case.config),
        eras: Vec::new(),
        era_count: case.eras.len(),
        failure: None,
        stale: Vec::new(),
        command,
        case: text.to_owned(),
    };
    let mut start = runner.start();
    for (number, era) in case.eras.iter().enumerate() {
        let run = runner.era(&start, plan_of(era));
        let (told, stale) = tell_era(&runner, &start, number, era, &run);
        story.eras.push(told);
        stale::tell(&mut story.eras, &stale);
        if run.failure.is_some() {
            story.failure = run.failure;
            break;
        }
        let mut unmet = unmet::names(era, &run);
        start = end_state(&runner, &start, era, &run, &mut unmet);
        let unmet = unmet
            .into_iter()
            .map(|name| format!("era {number}: {name}"));
        story.stale.extend(unmet);
    }
    story
}

fn disk_words(disk: &DiskConfig) -> String {
    let mut words = format!("{}, tear unit {} B", disk.profile.name(), disk.tear_bytes);
    if disk.torn_units {
        words.push_str(", units may tear");
    }
    if let Some(capacity) = disk.capacity_bytes {
        words.push_str(&format!(", {capacity} B in all"));
    }
    words
}

fn tell_era<S: Scenario>(
    runner: &Runner<S>,
    start: &Start<S>,
    number: usize,
    era: &Era<S::Op>,
    run: &EraRun<S>,
) -> (EraStory, Vec<Stale>) {
    let (end, ending) = match &era.end {
        _ if run.failure.is_some() => (EraEnd::Failed, Ending::Kill),
        End::Close => (EraEnd::Closed, Ending::Kill),
        End::Kill { at } => (EraEnd::Killed(call_of(*at)), Ending::Kill),
        End::Power { at, survivors } => {
            let survivors: &Survivors = survivors;
            (EraEnd::Power(call_of(*at)), Ending::Power(survivors))
        }
    };
    let account = Account::of(&start.image, &runner.disk, &era.faults, &run.trace, ending);
    let scenario = &*runner.scenario;
    let (mut moments, ends) = moments(scenario, run);
    let effects = effects(&account, &mut moments, &ends);
    let steps = era.steps.iter().map(|step| StepStory {
        id: step.id,
        client: step.client,
        words: scenario.op_words(&step.op),
    });
    let mut story = EraStory {
        number,
        steps: steps.collect(),
        tasks: run.tasks.clone(),
        faults: faults::tell(&era.faults, run, &account, &moments),
        files: account.files,
        moments,
        effects,
        stale: Vec::new(),
        end,
        known: (
            scenario.model_words(&start.model),
            scenario.model_words(&run.model),
        ),
    };
    causes::find(&mut story);
    (story, account.stale)
}

fn call_of(cut: Cut) -> Option<crate::call::CallId> {
    match cut {
        Cut::Before(call) => Some(call),
        Cut::Last => None,
    }
}

/// Calls and events in order; and for each moment how many effects there were after it.
fn moments<S: Scenario>(scenario: &S, run: &EraRun<S>) -> (Vec<Moment>, Vec<usize>) {
    let mut moments = Vec::new();
    let mut ends = Vec::new();
    let mut history = run.history.iter().peekable();
    for (position, record) in run.log.iter().map(Some).chain([None]).enumerate() {
        while let Some(stamped) =
            history.next_if(|stamped| record.is_none() || stamped.calls <= position)
        {
            ends.push(stamped.at);
            moments.push(Moment::Event(EventMoment {
                task: stamped.by.0,
                op: stamped.by.1,
                said: scenario.event_words(&stamped.event),
                contradicts: stamped.contradicts,
            }));
        }
        let Some(record) = record else { break };
        let mut faults = record.struck.clone();
        faults.extend(
            record
                .showed
                .iter()
                .filter(|rule| !record.struck.contains(rule)),
        );
        ends.push(record.effects_end);
        moments.push(Moment::Call(CallMoment {
            call: record.call,
            words: record.words.clone(),
            error: record.error.clone(),
            effects: Vec::new(),
            settles: Vec::new(),
            faults,
        }));
    }
    (moments, ends)
}

/// The effects with the moments that had and settled them; and the other way round.
fn effects(account: &Account, moments: &mut [Moment], ends: &[usize]) -> Vec<EffectStory> {
    // The effect at `at` belongs to the first moment after which there were more.
    let moment_of = |at: usize| ends.partition_point(|&end| end <= at);
    let mut effects = Vec::new();
    for (position, effect) in account.effects.iter().enumerate() {
        let moment = effect.at.map(moment_of);
        let settled = effect.settled.map(|(at, how)| (moment_of(at), how));
        if let Some(Moment::Call(call)) = moment.and_then(|at| moments.get_mut(at)) {
            call.effects.push(position);
        }
        if let Some(Moment::Call(call)) = settled.and_then(|(at, _)| moments.get_mut(at)) {
            call.settles.push(position);
        }
        effects.push(EffectStory {
            moment,
            call: effect.id.map(|id| id.call),
            file: effect.file,
            change: effect.change.clone(),
            settled,
            outcome: effect.outcome.clone(),
            cause: None,
        });
    }
    effects
}
