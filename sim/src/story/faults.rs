//! What became of each fault of an era.

use super::{FaultStory, Moment};
use crate::disk::{Account, FaultRule, Trigger};
use crate::run::EraRun;
use crate::scenario::Scenario;

/// The faults of an era, by position in its list.
pub(super) fn tell<S: Scenario>(
    rules: &[FaultRule],
    run: &EraRun<S>,
    account: &Account,
    moments: &[Moment],
) -> Vec<FaultStory> {
    let mut stories: Vec<FaultStory> = Vec::new();
    for (rule, number) in rules.iter().zip(0..) {
        let Some(entry) = run.ledger.get(number) else {
            break;
        };
        let damaged = account.harmed.iter().filter(|harmed| harmed.rule == number);
        let damaged = damaged.map(|harmed| {
            let mut files = account.files.iter();
            let file = files.find(|file| file.number == harmed.file);
            let name = file.and_then(|file| file.names.last());
            let name = name.map_or("?", String::as_str);
            format!("{name} {}..{}", harmed.start, harmed.end)
        });
        let altered = account.altered.iter().filter(|(rule, _)| *rule == number);
        let altered = altered.map(|(_, names)| names.join(", "));
        stories.push(FaultStory {
            kind: rule.what.kind(),
            when: when(&rule.when),
            struck: Vec::new(),
            showed: Vec::new(),
            damaged: damaged.chain(altered).collect(),
            ledger: entry.clone(),
        });
    }
    // A moment knows its faults; here it is the other way round.
    let mut records = run.log.iter();
    for (position, moment) in moments.iter().enumerate() {
        let Moment::Call(_) = moment else { continue };
        let Some(record) = records.next() else { break };
        for &rule in &record.struck {
            if let Some(story) = stories.get_mut(rule) {
                story.struck.push(position);
            }
        }
        for &rule in &record.showed {
            if let Some(story) = stories.get_mut(rule) {
                story.showed.push(position);
            }
        }
    }
    stories
}

fn when(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Call(call) => format!("at {call}"),
        Trigger::Nth {
            kind,
            files,
            nth,
            times,
        } => {
            format!("at {kind:?} number {nth} on {files}{}", in_a_row(*times))
        }
        Trigger::Growth { files, nth, times } => {
            format!(
                "at growing call number {nth} on {files}{}",
                in_a_row(*times)
            )
        }
        Trigger::Boot { files, nth } => format!("at rest, file {nth} of {files}"),
    }
}

fn in_a_row(times: u32) -> String {
    match times {
        1 => String::new(),
        times => format!(", {times} times in a row"),
    }
}
