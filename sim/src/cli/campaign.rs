//! `sim run`.

use std::io::IsTerminal;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use super::options::{MessageFormat, RunArgs};
use super::{Exit, Registry, UsageError, complain, files, interrupt, lines, output, say};
use crate::any::AnyScenario;
use crate::campaign::{CampaignOptions, Progress, SEEDS_MAX};
use crate::explore::Effort;
use crate::report::{FailureReport, Report};
use crate::shard::{Shard, scheduler};
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
    let options = options_of(args, scenarios.len())?;
    let interrupted = interrupt::flag();
    let mut exit = Exit::Fine;
    let mut reports = Vec::new();
    for scenario in &scenarios {
        if interrupted.load(Ordering::Relaxed) {
            exit = exit.and(Exit::Interrupted);
            break;
        }
        let teller = Teller::new(args, registry, *scenario, &options);
        let report = scenario.campaign(&options, &teller, &interrupted);
        exit = exit.and(teller.conclude(&report));
        reports.push(report);
    }
    exit = exit.and(output::write(&args.files, args.message_format, &reports));
    if args.message_format == MessageFormat::Json {
        say(&lines::end(exit));
    }
    Ok(exit)
}

/// The shard that is asked for, or that a batch system gave.
#[expect(
    clippy::disallowed_methods,
    reason = "only the command line reads the environment"
)]
fn shard_of(args: &RunArgs) -> Result<Shard, UsageError> {
    if let Some(shard) = args.shard {
        return Ok(shard);
    }
    let variable = |name: &str| std::env::var(name).ok();
    let given = scheduler::shard(&variable, args.shards);
    match (given, args.shards) {
        (Ok(Some(shard)), _) => Ok(shard),
        (Ok(None), None) => Ok(Shard::WHOLE),
        (Ok(None), Some(_)) => Err(UsageError(
            "--shards needs a batch system that says which shard this is; else say --shard I/N"
                .to_owned(),
        )),
        (Err(error), _) => Err(UsageError(error.to_string())),
    }
}

fn options_of(args: &RunArgs, scenario_count: usize) -> Result<CampaignOptions, UsageError> {
    let time_max = match (&args.seeds, args.minutes) {
        (_, Some(minutes)) => Some(Duration::from_secs_f64(minutes * 60.0)),
        (Some(_), None) => None,
        (None, None) => Some(DEFAULT_TIME / scenario_count.max(1) as u32),
    };
    let mut effort = Effort::CAMPAIGN;
    if let Some(depth) = args.depth {
        effort.depth_max = depth;
    }
    Ok(CampaignOptions {
        seeds: args.seeds.clone().unwrap_or(0..SEEDS_MAX),
        time_max,
        jobs: args.jobs.unwrap_or_else(processors),
        effort,
        profile: args.profile,
        shard: shard_of(args)?,
        shrink: !args.no_shrink,
        first_failure: args.first_failure,
        guided: args.guided,
        ..CampaignOptions::default()
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "how many threads to use changes no result"
)]
pub(super) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Tells of one campaign while it runs and when it is over.
struct Teller<'a> {
    args: &'a RunArgs,
    /// What people type before `explain`.
    program: &'static str,
    scenario: &'a dyn AnyScenario,
    bar: Bar,
    /// JSON lines of the campaign; none for people.
    lines: Option<Mutex<lines::Campaign>>,
}

impl<'a> Teller<'a> {
    fn new(
        args: &'a RunArgs,
        registry: &Registry,
        scenario: &'a dyn AnyScenario,
        options: &CampaignOptions,
    ) -> Self {
        let lines = match args.message_format {
            MessageFormat::Human => None,
            MessageFormat::Json => {
                let campaign = lines::Campaign::new(scenario.name());
                say(&campaign.begin(options.shard, &options.seeds));
                Some(Mutex::new(campaign))
            }
        };
        Self {
            args,
            program: registry.program(),
            scenario,
            bar: Bar::new(options),
            lines,
        }
    }

    /// Keeps a failing case. It is kept when it is found: what comes later may not come.
    fn keep(&self, failure: &FailureReport) -> Exit {
        let path = self.args.out.join(failure.name());
        match files::write(&path, failure.best_case()) {
            Ok(()) => Exit::Fine,
            Err(error) => {
                complain(&error.to_string());
                Exit::Usage
            }
        }
    }

    /// Prints the report, keeps the cases as they were shrunk, and says how it went.
    fn conclude(self, report: &Report) -> Exit {
        self.bar.bar.finish_and_clear();
        let mut exit = output::verdict(report);
        for failure in &report.failures {
            exit = exit.and(self.keep(failure));
        }
        match &self.lines {
            Some(lines) => say(&lines.lock().report(report)),
            None => say(&self.text(report)),
        }
        exit
    }

    fn text(&self, report: &Report) -> String {
        let mut text = output::text(report, |failure| self.story(failure));
        if let Some(last) = report.failures.last() {
            let path = self.args.out.join(last.name());
            text += &format!("{} explain {}\n", self.program, path.display());
        }
        text
    }

    /// A failure in a few lines, and where its case is kept.
    fn story(&self, failure: &FailureReport) -> String {
        let file = self.args.out.join(failure.name()).display().to_string();
        let look = Look {
            colored: std::io::stdout().is_terminal(),
            ..Look::default()
        };
        let told = match self.scenario.explain(&file, failure.best_case(), "") {
            Ok(story) if !story.is_clean() => story.summary(look),
            // A case that does not fail by itself is shown as it is.
            _ => format!("{}\n{}", failure.failure, failure.best_case()),
        };
        format!("{file}\n{told}")
    }
}

impl Progress for Teller<'_> {
    fn seed_done(&self, report: &Report) {
        self.bar.seed_done(report);
        if let Some(lines) = &self.lines {
            say(&lines.lock().progress(report));
        }
    }

    fn failed(&self, failure: &FailureReport) {
        self.keep(failure);
        if let Some(lines) = &self.lines {
            say(&lines.lock().failure(failure));
        }
    }
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
            None => options.shard.seed_count(&options.seeds),
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

impl Bar {
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
