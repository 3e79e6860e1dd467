//! `sim run`.

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::options::{MessageFormat, RunArgs};
use super::{Exit, Registry, UsageError, files, interrupt, say};
use crate::any::AnyScenario;
use crate::campaign::{CampaignOptions, Progress};
use crate::explore::Effort;
use crate::report::{FailureReport, Report};
use crate::story::Look;

/// Without seeds and minutes, all scenarios together take this long.
const DEFAULT_TIME: Duration = Duration::from_secs(55);

/// Runs the campaigns of all scenarios that were named.
pub(super) fn run(args: &RunArgs, registry: &Registry) -> Result<Exit, UsageError> {
    let mut scenarios: Vec<&dyn AnyScenario> = Vec::new();
    for name in &args.scenarios {
        scenarios.push(registry.find(name)?);
    }
    if scenarios.is_empty() {
        scenarios.extend(registry.all());
    }
    let interrupted = interrupt::flag();
    let mut exit = Exit::Fine;
    for scenario in &scenarios {
        let options = options_of(args, scenarios.len());
        let bar = Bar::new(&options);
        let report = scenario.campaign(&options, &bar, &interrupted);
        bar.bar.finish_and_clear();
        let this = conclude(args, *scenario, &options, &report)?;
        if this != Exit::Fine && exit != Exit::Nondeterminism {
            exit = this;
        }
    }
    Ok(exit)
}

fn options_of(args: &RunArgs, scenario_count: usize) -> CampaignOptions {
    let time_max = match (&args.seeds, args.minutes) {
        (_, Some(minutes)) => Some(Duration::from_secs_f64(minutes * 60.0)),
        (Some(_), None) => None,
        (None, None) => Some(DEFAULT_TIME / scenario_count.max(1) as u32),
    };
    let mut effort = Effort::CAMPAIGN;
    if let Some(depth) = args.depth {
        effort.depth_max = depth;
    }
    CampaignOptions {
        seeds: args.seeds.clone().unwrap_or(0..u64::MAX / 4),
        time_max,
        jobs: args.jobs.unwrap_or_else(processors),
        effort,
        profile: args.profile,
        shard: args.shard.unwrap_or((0, 1)),
        shrink: !args.no_shrink,
        first_failure: args.first_failure,
        ..CampaignOptions::default()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how many threads to use changes no result"
)]
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Prints the report, keeps the failing cases, and says how it went.
fn conclude(
    args: &RunArgs,
    scenario: &dyn AnyScenario,
    options: &CampaignOptions,
    report: &Report,
) -> Result<Exit, UsageError> {
    let mut reproduce = String::new();
    let mut stories = String::new();
    for failure in &report.failures {
        let path = args.out.join(failure.name());
        files::write(&path, failure.best_case())?;
        stories.push_str(&story(scenario, failure, &path));
        reproduce = format!("blackstart sim explain {}\n", path.display());
    }
    match args.message_format {
        MessageFormat::Json => say(&format!("{}\n", json(report))),
        MessageFormat::Human => {
            say(&report.summary());
            say(&stories);
            if let Some(nondeterminism) = &report.nondeterminism {
                say(&format!("not deterministic: {nondeterminism}\n"));
            }
            say(&reproduce);
        }
    }
    let required: Vec<&str> = report
        .never_hit()
        .into_iter()
        .filter_map(|(name, required)| required.then_some(name))
        .collect();
    // A short run cannot be expected to meet everything.
    let is_long = report.cases >= 1_000 && options.profile.is_none() && !report.interrupted;
    if report.nondeterminism.is_some() {
        return Ok(Exit::Nondeterminism);
    }
    if !report.failures.is_empty() {
        return Ok(Exit::Failure);
    }
    if is_long && !required.is_empty() {
        say(&format!(
            "required marks were never hit: {}\n",
            required.join(", ")
        ));
        return Ok(Exit::Failure);
    }
    Ok(Exit::Fine)
}

/// A failure in a few lines, and where its case is kept.
fn story(scenario: &dyn AnyScenario, failure: &FailureReport, path: &Path) -> String {
    let file = path.display().to_string();
    let look = Look {
        colored: std::io::stdout().is_terminal(),
        ..Look::default()
    };
    let told = match scenario.explain(&file, failure.best_case(), "") {
        Ok(story) if !story.is_clean() => story.summary(look),
        // A case that does not fail by itself is shown as it is.
        _ => format!("{}\n{}", failure.failure, failure.best_case()),
    };
    let shrunken = match failure.shrink_runs {
        0 => String::new(),
        runs => format!(", shrunk in {runs} runs"),
    };
    format!(
        "\nseed {}: {file}{shrunken}\n{}\n",
        failure.seed,
        told.trim_end()
    )
}

fn json(report: &Report) -> serde_json::Value {
    serde_json::json!({
        "scenario": report.scenario,
        "cases": report.cases,
        "eras": report.eras,
        "seam_calls": report.calls,
        "images": report.tally.images,
        "images_distinct": report.tally.distinct,
        "recoveries": report.tally.recoveries,
        "compared": report.compared,
        "elapsed_s": report.elapsed.as_secs_f64(),
        "interrupted": report.interrupted,
        "faults": report.faults,
        "marks": report.marks,
        "never_hit": report.never_hit().iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        "failures": report.failures,
        "nondeterminism": report.nondeterminism,
    })
}

/// Progress on standard error; hidden when that is no terminal.
struct Bar {
    bar: ProgressBar,
    time_max: Option<Duration>,
}

impl Bar {
    fn new(options: &CampaignOptions) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self {
                bar: ProgressBar::hidden(),
                time_max: None,
            };
        }
        let length = match options.time_max {
            Some(time_max) => time_max.as_secs(),
            None => options.seeds.end.saturating_sub(options.seeds.start) / options.shard.1.max(1),
        };
        let bar = ProgressBar::new(length);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {elapsed} {msg}") {
            bar.set_style(style);
        }
        Self {
            bar,
            time_max: options.time_max,
        }
    }
}

impl Progress for Bar {
    fn seed_done(&self, report: &Report) {
        let seconds = report.elapsed.as_secs_f64().max(1e-9);
        match self.time_max {
            Some(_) => self.bar.set_position(report.elapsed.as_secs()),
            None => self.bar.set_position(report.cases),
        }
        self.bar.set_message(format!(
            "{:.0} cases/s, {:.0} images/s, {} distinct, {} failures, {} marks",
            report.cases as f64 / seconds,
            report.tally.images as f64 / seconds,
            report.tally.distinct,
            report.failures.len(),
            report.marks.iter().count(),
        ));
    }
}
