//! Campaigns: many seeds, on several threads, into one report.
//!
//! A seed gives a case with one to three eras. Each era is run to its end, then crashed in many
//! ways ([`crate::explore`]); one of the crashes is chosen to go on from into the next era. A seed
//! does the same on every machine and however many threads there are; only which seeds fit into a
//! time limit varies.
//!
//! ```no_run
//! # use blackstart_sim::{Campaign, Scenario};
//! # fn check<S: Scenario>(my_scenario: S) {
//! Campaign::new(my_scenario).seeds(0..64).run().assert_clean();
//! # }
//! ```

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::case::{Case, CaseOf, End, Era};
use crate::disk::{CallRecord, CrashKind, CrashModel, Profile, draw_survivors};
use crate::draw::Draw;
use crate::explore::{Attack, Base, Effort, Found, cut_at};
use crate::failure::Failure;
use crate::generate;
use crate::report::{FailureReport, Report, SeedReport};
use crate::run::{EraRun, Runner, Start, after_crash, plan_of};
use crate::scenario::Scenario;
use crate::sched::{Schedule, Watchdog};
use crate::shrink;

/// How long a task may keep the processor outside the seam.
const WATCHDOG_PATIENCE: Duration = Duration::from_secs(30);
/// A campaign stops after this many failures: more say nothing new.
const FAILURES_MAX: usize = 8;

/// A campaign to be run.
pub struct Campaign<S: Scenario> {
    scenario: Arc<S>,
    options: CampaignOptions,
}

/// What a campaign covers.
#[derive(Clone, Debug)]
pub struct CampaignOptions {
    /// The seeds.
    pub seeds: Range<u64>,
    /// No new seed is begun after this long; none: all seeds.
    pub time_max: Option<Duration>,
    /// Threads.
    pub jobs: usize,
    /// What is spent on a seed.
    pub effort: Effort,
    /// Only this profile; none: all of them.
    pub profile: Option<Profile>,
    /// Only the seeds whose remainder by the second number is the first.
    pub shard: (u64, u64),
    /// One seed in this many is run twice and compared; 0: none.
    pub determinism_one_in: u64,
    /// Whether failing cases are shrunk.
    pub shrink: bool,
    /// Stop after the first failure.
    pub first_failure: bool,
}

impl Default for CampaignOptions {
    fn default() -> Self {
        Self {
            seeds: 0..64,
            time_max: None,
            jobs: 1,
            effort: Effort::CAMPAIGN,
            profile: None,
            shard: (0, 1),
            determinism_one_in: 16,
            shrink: true,
            first_failure: false,
        }
    }
}

/// What a campaign tells while it runs.
pub trait Progress: Sync {
    /// A seed is done; the report holds everything so far.
    fn seed_done(&self, report: &Report);
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn seed_done(&self, _report: &Report) {}
}

impl<S: Scenario> Campaign<S> {
    /// A campaign of 64 seeds on one thread.
    pub fn new(scenario: S) -> Self {
        Self::shared(Arc::new(scenario), CampaignOptions::default())
    }

    /// A campaign with all options given.
    pub fn shared(scenario: Arc<S>, options: CampaignOptions) -> Self {
        Self { scenario, options }
    }

    /// Sets the seeds.
    #[must_use]
    pub fn seeds(mut self, seeds: Range<u64>) -> Self {
        self.options.seeds = seeds;
        self
    }

    /// Sets the number of threads.
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.options.jobs = jobs;
        self
    }

    /// Fixes the profile.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.options.profile = Some(profile);
        self
    }

    /// Sets what is spent on a seed.
    #[must_use]
    pub fn effort(mut self, effort: Effort) -> Self {
        self.options.effort = effort;
        self
    }

    /// Runs it.
    pub fn run(&self) -> Report {
        self.run_with(&Silent, &AtomicBool::new(false))
    }

    /// Runs it, telling `progress`, until done or until `interrupted` is set.
    pub fn run_with(&self, progress: &dyn Progress, interrupted: &AtomicBool) -> Report {
        let started = crate::stopwatch::Stopwatch::start();
        let next = AtomicU64::new(self.options.seeds.start);
        let report = Mutex::new(Report::new(self.scenario.name(), self.scenario.marks()));
        let worker = || {
            let _watchdog = Watchdog::new(WATCHDOG_PATIENCE);
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                let late = self
                    .options
                    .time_max
                    .is_some_and(|max| started.elapsed() >= max);
                if seed >= self.options.seeds.end || late || interrupted.load(Ordering::Relaxed) {
                    return;
                }
                let (shard, shards) = self.options.shard;
                if seed % shards.max(1) != shard {
                    continue;
                }
                let done = run_seed(&self.scenario, seed, &self.options);
                let mut report = report.lock();
                report.add(done);
                report.elapsed = started.elapsed();
                progress.seed_done(&report);
                let failures_max = if self.options.first_failure {
                    1
                } else {
                    FAILURES_MAX
                };
                if report.failures.len() >= failures_max || report.nondeterminism.is_some() {
                    next.store(u64::MAX / 2, Ordering::Relaxed);
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.options.jobs.max(1) {
                scope.spawn(worker);
            }
            worker();
        });
        let mut report = report.into_inner();
        report.elapsed = started.elapsed();
        report.interrupted = interrupted.load(Ordering::Relaxed);
        report.failures.sort_by_key(|failure| failure.seed);
        if self.options.shrink {
            self.shrink_failures(&mut report);
        }
        report
    }

    /// Shrinks each failure once; a second one of the same kind keeps its case as found.
    fn shrink_failures(&self, report: &mut Report) {
        let mut kinds: Vec<Failure> = Vec::new();
        for failure in &mut report.failures {
            if kinds.iter().any(|kind| kind.same(&failure.failure)) {
                continue;
            }
            kinds.push(failure.failure.clone());
            if let Ok(case) = crate::case::decode(&failure.name(), &failure.case) {
                let shrunken = shrink::shrink(&self.scenario, &case, &failure.failure);
                failure.shrink_runs = shrunken.runs;
                failure.shrunken = write_case(&shrunken.case, &failure.failure);
            }
        }
    }
}

/// The text of a case, with its failure as a comment at the head.
pub(crate) fn write_case<C, O>(case: &Case<C, O>, failure: &Failure) -> String
where
    C: serde::Serialize + serde::de::DeserializeOwned,
    O: serde::Serialize + serde::de::DeserializeOwned,
{
    let comment = failure.to_string();
    crate::case::encode(case, &comment).unwrap_or_else(|error| format!("// {error}\n"))
}

/// Everything that a seed leads to.
pub(crate) fn run_seed<S: Scenario>(
    scenario: &Arc<S>,
    seed: u64,
    options: &CampaignOptions,
) -> SeedReport {
    let mut report = SeedReport::new(seed);
    let mut draw = Draw::seeded(seed);
    if let Some((case, failure)) = explore_draw(scenario, &mut draw, seed, options, &mut report) {
        report.failure = Some(FailureReport {
            seed,
            scenario: scenario.name().to_owned(),
            case: write_case(&case, &failure),
            failure,
            shrunken: String::new(),
            shrink_runs: 0,
        });
    }
    report
}

/// What a fuzzer's bytes lead to.
pub(crate) fn explore_bytes<S: Scenario>(
    scenario: &Arc<S>,
    bytes: &[u8],
    options: &CampaignOptions,
) -> Option<FailureReport> {
    let mut report = SeedReport::new(0);
    let mut draw = Draw::bytes(bytes);
    let (case, failure) = explore_draw(scenario, &mut draw, 1, options, &mut report)?;
    Some(FailureReport {
        seed: 0,
        scenario: scenario.name().to_owned(),
        case: write_case(&case, &failure),
        failure,
        shrunken: String::new(),
        shrink_runs: 0,
    })
}

/// Draws a case and explores it: what [`run_seed`] does for any source of choices.
pub(crate) fn explore_draw<S: Scenario>(
    scenario: &Arc<S>,
    draw: &mut Draw<'_>,
    number: u64,
    options: &CampaignOptions,
    report: &mut SeedReport,
) -> Option<(CaseOf<S>, Failure)> {
    let case = generate::case(&**scenario, draw, options.profile);
    let runner = Runner::of_case(scenario, &case);
    let mut start = runner.start();
    let mut before: Vec<Era<S::Op>> = Vec::new();
    for (index, era) in case.eras.iter().enumerate() {
        let run = runner.era(&start, plan_of(era));
        report.observe(&run);
        if run.failure.is_none() && is_sampled(number, options.determinism_one_in) {
            check_determinism(&runner, &start, era, &run, report);
        }
        let found = match &run.failure {
            Some(failure) => {
                let mut eras = before.clone();
                eras.push(era.clone());
                Some(Found {
                    failure: failure.clone(),
                    eras,
                })
            }
            None => {
                let base = Base {
                    start: &start,
                    run: &run,
                    era,
                };
                let mut attack = Attack::new(&runner, options.effort.clone());
                let found = draw.stream("explore", index as u64, |draw| {
                    attack.later_faults = generate::later_faults(&**scenario, draw);
                    attack.crash(&before, &base, draw, 1)
                });
                report.tally.add(&attack.tally);
                report.marks.merge(&attack.marks);
                report.add_faults(&attack.faults);
                found
            }
        };
        if let Some(found) = found {
            let case = Case {
                eras: found.eras,
                ..case.clone()
            };
            return Some((case, found.failure));
        }
        let (next, era) = draw.stream("go on", index as u64, |draw| {
            go_on(&runner, &start, era, &run, draw)
        });
        start = next;
        before.push(era);
    }
    None
}

fn is_sampled(number: u64, one_in: u64) -> bool {
    one_in > 0 && number.is_multiple_of(one_in)
}

/// Chooses one crash of a finished era to go on from.
fn go_on<S: Scenario>(
    runner: &Runner<S>,
    start: &Start<S>,
    era: &Era<S::Op>,
    run: &EraRun<S>,
    draw: &mut Draw<'_>,
) -> (Start<S>, Era<S::Op>) {
    let at = draw.below(run.trace.len() as u64 + 1) as usize;
    let at = run.trace.boundary(at);
    let mut disk = CrashModel::new(&start.image, &runner.disk, &era.faults);
    disk.advance(&run.trace, at);
    let mut model = start.model.clone();
    for stamped in run.history.iter().take_while(|stamped| stamped.at <= at) {
        let _ = runner.scenario.apply(&mut model, &stamped.event);
    }
    let cut = cut_at(&run.trace, at);
    let (kind, image, end) = if draw.chance(300) {
        (CrashKind::Kill, disk.kill_image(), End::Kill { at: cut })
    } else {
        let survivors = draw_survivors(&disk, draw);
        let image = disk.image(&survivors);
        let survivors = disk.materialize(&survivors);
        (CrashKind::Power, image, End::Power { at: cut, survivors })
    };
    let scenario = &*runner.scenario;
    let next = after_crash(scenario, kind, image, &model, run.promise, start.depth);
    let schedule = Schedule::Deviations(run.taken.clone());
    (
        next,
        Era {
            schedule,
            end,
            ..era.clone()
        },
    )
}

/// Runs the era again; a difference is the framework's or the system's hidden nondeterminism.
fn check_determinism<S: Scenario>(
    runner: &Runner<S>,
    start: &Start<S>,
    era: &Era<S::Op>,
    run: &EraRun<S>,
    report: &mut SeedReport,
) {
    report.compared += 1;
    if runner.era(start, plan_of(era)).hash == run.hash {
        return;
    }
    let verbose = Runner {
        scenario: Arc::clone(&runner.scenario),
        config: runner.config.clone(),
        disk: runner.disk.clone(),
        verbose: true,
        ..*runner
    };
    let one = verbose.era(start, plan_of(era)).log;
    let two = verbose.era(start, plan_of(era)).log;
    let differs = one.iter().zip(&two).position(|(one, two)| one != two);
    let at = differs.unwrap_or_else(|| one.len().min(two.len()));
    let line = |log: &[CallRecord]| {
        log.get(at)
            .map_or_else(|| "the end".to_owned(), ToString::to_string)
    };
    report.nondeterminism = Some(format!(
        "seed {}: two runs of one case differ at call {at}: {} against {}",
        report.seed,
        line(&one),
        line(&two)
    ));
}
