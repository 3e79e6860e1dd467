//! Campaigns in `cargo test`.
//!
//! [`Campaign::run`] does what a test is written to do, unless the environment asks for something
//! else, and fails the test with a short story. The last line of the story reproduces it.
//!
//! | variable | effect |
//! |---|---|
//! | `BLACKSTART_SEED=17` | only this seed |
//! | `BLACKSTART_SEEDS=0..5000` | these seeds |
//! | `BLACKSTART_SHARD=1/4` | only this shard of the seeds |
//! | `BLACKSTART_CASE=FILE` | only this case; campaigns of other scenarios run nothing |
//!
//! A path is relative to the directory of the crate, where cargo runs its tests. A campaign that
//! must not heed the environment, such as the test of an oracle, uses [`Campaign::report`].
//!
//! ```
//! use std::io::{self, ErrorKind};
//! use std::path::Path;
//!
//! use blackstart_sim::disk::{CrashKind, Promise, Told};
//! use blackstart_sim::draw::Draw;
//! use blackstart_sim::{Campaign, Ctx, Failure, Scenario, Step};
//! use blackstart_vfs::{FileExt, Fs, OpenOptions};
//!
//! /// A number in a file, eight times, so that damage shows: each step adds one. The model is the
//! /// least and the most it may be.
//! struct Counter;
//!
//! fn load(fs: &dyn Fs) -> io::Result<u8> {
//!     let mut bytes = [0; 8];
//!     let count = match fs.open(Path::new("count"), OpenOptions::new().read()) {
//!         Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
//!         file => file?.read_full_at(&mut bytes, 0)?,
//!     };
//!     match count == 8 && bytes == [bytes[0]; 8] {
//!         true => Ok(bytes[0]),
//!         false => Err(ErrorKind::InvalidData.into()),
//!     }
//! }
//!
//! fn save(fs: &dyn Fs, count: u8) -> io::Result<()> {
//!     let options = OpenOptions::new().write().create().truncate();
//!     let file = fs.open(Path::new("new"), options)?;
//!     file.write_all_at(&[count; 8], 0)?;
//!     file.sync_data()?; // leave this out, and the campaign fails
//!     fs.rename(Path::new("new"), Path::new("count"))?;
//!     fs.sync_dir(Path::new("")) // or this
//! }
//!
//! fn count(ctx: &Ctx<Counter>) -> io::Result<Result<(), Failure>> {
//!     let fs = ctx.env().fs();
//!     fs.create_root()?;
//!     let mut count = load(fs)?;
//!     save(fs, count)?; // whatever failed before: from here on it is durable
//!     if ctx.promise() != Promise::Full {
//!         ctx.verified();
//!         return Ok(Ok(())); // the disk lied, or its bytes were damaged
//!     }
//!     if let Err(failure) = ctx.record((count, count, true)) {
//!         return Ok(Err(failure));
//!     }
//!     ctx.verified(); // what was read is right, whatever the disk did
//!     for step in ctx.steps(0) {
//!         ctx.begin(step.id);
//!         let _ = ctx.record((count, count + 1, false));
//!         count += 1;
//!         save(fs, count)?;
//!         let _ = ctx.record((count, count, false));
//!     }
//!     Ok(Ok(()))
//! }
//!
//! impl Scenario for Counter {
//!     type Config = ();
//!     type Op = ();
//!     type Event = (u8, u8, bool);
//!     type Model = (u8, u8);
//!
//!     fn name(&self) -> &'static str {
//!         "counter"
//!     }
//!     fn about(&self) -> &'static str {
//!         "a number in a file"
//!     }
//!     fn config(&self, _draw: &mut Draw<'_>) {}
//!     fn steps(&self, draw: &mut Draw<'_>, _config: &()) -> Vec<Step<()>> {
//!         let count = draw.range(1..=5) as u32;
//!         (1..=count).map(|id| Step { id, client: 0, op: () }).collect()
//!     }
//!     fn verification(&self, _config: &()) -> Vec<Step<()>> {
//!         vec![Step { id: 1, client: 0, op: () }]
//!     }
//!     fn model(&self, _config: &()) -> (u8, u8) {
//!         (0, 0)
//!     }
//!     fn apply(&self, model: &mut (u8, u8), event: &(u8, u8, bool)) -> Result<(), Failure> {
//!         let &(least, most, was_read) = event;
//!         let fits = model.0 <= least && most <= model.1;
//!         if was_read && !fits {
//!             let message = format!("read {least}, expected {} to {}", model.0, model.1);
//!             return Err(Failure::new("durable count", message));
//!         }
//!         *model = (least, most);
//!         Ok(())
//!     }
//!     fn crash(&self, _model: &mut (u8, u8), _kind: CrashKind) {}
//!     fn run(&self, ctx: &Ctx<Self>) -> Result<(), Failure> {
//!         count(ctx).unwrap_or_else(|error| {
//!             // It ends the era: nothing more was promised. Damage has to be told.
//!             match error.kind() {
//!                 ErrorKind::InvalidData => drop(ctx.reported("count", &Told::Bytes(0..8))),
//!                 _ => ctx.verified(),
//!             }
//!             Ok(())
//!         })
//!     }
//! }
//!
//! // #[test]
//! fn the_count_survives() {
//!     Campaign::new(Counter).seeds(16).run();
//! }
//! # the_count_survives();
//! ```

use std::fmt::Write as _;
use std::ops::Range;

use super::{Campaign, CampaignOptions};
use crate::case;
use crate::report::Report;
use crate::run::run_case;
use crate::scenario::Scenario;
use crate::shard::Shard;

/// A range of seeds; a number stands for as many from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(pub Range<u64>);

impl From<u64> for Seeds {
    fn from(count: u64) -> Self {
        Self(0..count)
    }
}

impl From<Range<u64>> for Seeds {
    fn from(range: Range<u64>) -> Self {
        Self(range)
    }
}

/// Reads a range of seeds, as `0..500`.
///
/// # Errors
/// A sentence, if it is none.
pub fn parse_seeds(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = text.split_once("..").ok_or("expected a range as 0..500")?;
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|_| format!("{text:?} is no number"))
    };
    let (start, end) = (number(start)?, number(end)?);
    if start < end {
        Ok(start..end)
    } else {
        Err(format!("{start}..{end} is empty"))
    }
}

/// What the environment asks of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    seeds: Option<Range<u64>>,
    shard: Option<Shard>,
    case: Option<String>,
}

impl Request {
    /// Reads the variables; the error is a sentence.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let explain = |name: &str, error: String| format!("{name}: {error}");
        let seed = match variable("BLACKSTART_SEED") {
            None => None,
            Some(text) => {
                let seed: u64 = text
                    .parse()
                    .map_err(|_| explain("BLACKSTART_SEED", format!("{text:?} is no number")))?;
                Some(seed..seed.saturating_add(1))
            }
        };
        let seeds = match variable("BLACKSTART_SEEDS") {
            None => None,
            Some(text) => {
                let seeds = parse_seeds(&text);
                Some(seeds.map_err(|error| explain("BLACKSTART_SEEDS", error))?)
            }
        };
        if seed.is_some() && seeds.is_some() {
            return Err("BLACKSTART_SEED and BLACKSTART_SEEDS are both set".to_owned());
        }
        let shard = match variable("BLACKSTART_SHARD") {
            None => None,
            Some(text) => {
                let shard: Result<Shard, _> = text.parse();
                Some(shard.map_err(|error| explain("BLACKSTART_SHARD", error.to_string()))?)
            }
        };
        Ok(Self {
            seeds: seed.or(seeds),
            shard,
            case: variable("BLACKSTART_CASE"),
        })
    }
}

impl<S: Scenario> Campaign<S> {
    /// Runs it as a test: heeds the environment, and panics with a story if anything is wrong.
    ///
    /// # Panics
    /// If a seed fails, if two runs of one case differ, or if a variable can't be understood.
    #[expect(
        clippy::disallowed_methods,
        reason = "a person chooses seeds of a test by the environment"
    )]
    pub fn run(&self) -> Report {
        self.run_as(&|name| std::env::var(name).ok())
    }

    /// As [`run`](Self::run), in an environment that is given.
    pub(super) fn run_as(&self, variable: &dyn Fn(&str) -> Option<String>) -> Report {
        let request = Request::read(variable).unwrap_or_else(|error| panic!("{error}"));
        if let Some(path) = &request.case {
            return self.run_file(path);
        }
        let options = CampaignOptions {
            seeds: request.seeds.unwrap_or_else(|| self.options.seeds.clone()),
            shard: request.shard.unwrap_or(self.options.shard),
            ..self.options.clone()
        };
        let campaign = Self::shared(self.scenario.clone(), options);
        let report = campaign.report();
        assert!(
            report.cases > 0 || campaign.options.shard != Shard::WHOLE,
            "no case was run: there are no seeds"
        );
        if let Some(story) = story(&report, variable) {
            panic!("{story}");
        }
        report
    }

    #[expect(clippy::disallowed_methods, reason = "the case is a real file")]
    fn run_file(&self, file: &str) -> Report {
        match std::fs::read_to_string(file) {
            Ok(text) => self.run_text(file, &text),
            Err(error) => panic!("BLACKSTART_CASE: {file} can't be read: {error}"),
        }
    }

    /// Runs one case, if it is for this scenario.
    pub(super) fn run_text(&self, file: &str, text: &str) -> Report {
        let mut report = Report::new(self.scenario.name(), self.scenario.marks());
        let name = case::scenario_of(file, text)
            .unwrap_or_else(|error| panic!("BLACKSTART_CASE: {error}"));
        if name != self.scenario.name() {
            return report;
        }
        let case = case::decode_of(&*self.scenario, file, text)
            .unwrap_or_else(|error| panic!("BLACKSTART_CASE: {error}"));
        let run = run_case(&self.scenario, &case, false);
        if let Some((era, failure)) = run.failure {
            panic!("{file}: era {era}: {failure}\nblackstart sim replay {file} --trace");
        }
        report.cases = 1;
        report.calls = run.calls;
        report
    }
}

/// What is wrong with a report, in a few lines; none if nothing is. The last one reproduces it.
fn story(report: &Report, variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut text = String::new();
    let seed = match (report.failures.first(), &report.nondeterminism) {
        (Some(failure), _) => {
            let others = report.failures.len() - 1;
            let _ = writeln!(
                text,
                "{}: {} cases, {} crash images; seed {} fails, and {others} others",
                report.scenario, report.cases, report.tally.images, failure.seed
            );
            let _ = writeln!(text, "{}\n", failure.failure);
            let _ = writeln!(text, "{}", failure.best_case());
            Some(failure.seed)
        }
        (None, Some(nondeterminism)) => {
            let _ = writeln!(text, "{}: not deterministic", report.scenario);
            let _ = writeln!(text, "{nondeterminism}\n");
            nondeterminism
                .strip_prefix("seed ")
                .and_then(|rest| rest.split(':').next()?.parse().ok())
        }
        (None, None) => return None,
    };
    let seed = seed.map_or_else(String::new, |seed| format!("BLACKSTART_SEED={seed} "));
    let _ = write!(text, "{seed}{}", command(variable));
    Some(text)
}

/// The command that runs the test again which is running now.
fn command(variable: &dyn Fn(&str) -> Option<String>) -> String {
    let package = variable("CARGO_PKG_NAME").map(|name| format!(" -p {name}"));
    // The harness names the thread of a test after it.
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main");
    let test = test.map(|name| format!(" -- --exact {name}"));
    format!(
        "cargo test{}{}",
        package.unwrap_or_default(),
        test.unwrap_or_default()
    )
}
