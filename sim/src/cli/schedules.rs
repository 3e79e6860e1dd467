//! `sim schedules`.

use std::path::Path;

use super::options::SchedulesArgs;
use super::{Exit, Registry, UsageError, replay, say};
use crate::campaign::CampaignOptions;
use crate::schedules::ScheduleBounds;

/// Runs a case under every schedule within the bounds.
pub(super) fn schedules(args: &SchedulesArgs, registry: &Registry) -> Result<Exit, UsageError> {
    let (scenario, file, text) = match args.case.parse::<u64>() {
        Ok(seed) => {
            let scenario = replay::of_seed(args.scenario.as_deref(), registry)?;
            let case = scenario.case_of_seed(seed, &CampaignOptions::default());
            (scenario, format!("seed {seed}"), case)
        }
        Err(_) => replay::load(Path::new(&args.case), registry)?,
    };
    let bounds = ScheduleBounds {
        preemptions_max: args.preemptions,
        schedules_max: args.schedules,
        images_max: args.images,
    };
    let explored = scenario.explore_schedules(&file, &text, bounds);
    let (tally, found) = explored.map_err(|error| UsageError(error.to_string()))?;
    let extent = match (&found, tally.is_complete) {
        (Some(_), _) => "up to the first failure",
        (None, true) => "all there are",
        (None, false) => "not all there are: --schedules raises the limit",
    };
    let summary = format!(
        "{} schedules with at most {} preemptions ({extent}), {} different runs, {} images\n",
        tally.schedules, args.preemptions, tally.distinct, tally.images
    );
    let Some((case, failure)) = found else {
        say(&summary);
        return Ok(Exit::Fine);
    };
    say(&case);
    say(&format!("// {summary}// it fails: {failure}\n"));
    Ok(Exit::Failure)
}
