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
//! Campaign::new(my_scenario).seeds(64).run();
//! # }
//! ```
//!
//! Invariants:
//! - \[I1\] A seed that is begun is run to its end, so that the seeds of a shard that were run have
//!   no gap: interrupted or not, "all below this one" is true.

pub mod in_test;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::ops::Range;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use in_test::Seeds;
use parking_lot::Mutex;

use crate::call::mix64;
use crate::case::{Case, CaseOf, End, Era};
use crate::disk::{CallRecord, CrashKind, CrashModel, Profile, draw_survivors};
use crate::draw::Draw;
use crate::explore::{Attack, Base, Effort, Found, cut_at};
use crate::failure::Failure;
use crate::generate;
use crate::guide::{Guide, Scout, Turn as Guided};
use crate::marks::{self, LIBRARY};
use crate::report::{Ended, FailureReport, Part, Report, SeedReport};
use crate::run::{EraRun, Runner, Start, after_crash, end_state, plan_of};
use crate::scenario::Scenario;
use crate::sched::{Schedule, Watchdog};
use crate::shard::Shard;
use crate::shrink;
use crate::stopwatch::Stopwatch;
use crate::{reached, sometimes};

/// How long a task may keep the processor outside the seam.
const WATCHDOG_PATIENCE: Duration = Duration::from_secs(30);
/// A campaign stops after this many failures: more say nothing new.
const FAILURES_MAX: usize = 8;
/// Two runs that differed are run so often again, to find out where.
const DIFFERENCE_TRIES: u32 = 8;

/// The end of the seeds of a campaign that only a time limit ends.
pub const SEEDS_MAX: u64 = u64::MAX / 4;

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
    /// Only the seeds of this shard.
    pub shard: Shard,
    /// One seed in this many is run twice and compared; 0: none.
    pub determinism_one_in: u64,
    /// Whether failing cases are shrunk.
    pub shrink: bool,
    /// Stop after the first failure.
    pub first_failure: bool,
    /// Whether cases that led to something new are varied ([`crate::report::Guidance`]).
    pub guided: bool,
}

impl Default for CampaignOptions {
    fn default() -> Self {
        Self {
            seeds: 0..64,
            time_max: None,
            jobs: 1,
            effort: Effort::CAMPAIGN,
            profile: None,
            shard: Shard::WHOLE,
            determinism_one_in: 16,
            shrink: true,
            first_failure: false,
            guided: false,
        }
    }
}

impl CampaignOptions {
    /// The flags that `sim replay` needs besides the seed; each is followed by a space.
    fn flags(&self) -> String {
        let mut flags = String::new();
        if let Some(profile) = self.profile {
            let _ = write!(flags, "--profile {} ", profile.name());
        }
        if self.effort.depth_max != Effort::CAMPAIGN.depth_max {
            let _ = write!(flags, "--depth {} ", self.effort.depth_max);
        }
        flags
    }
}

/// What a campaign tells while it runs.
pub trait Progress: Sync {
    /// A seed is done; the report holds everything so far.
    fn seed_done(&self, report: &Report);

    /// A seed has failed. The case is as it was found; it may be made smaller later.
    fn failed(&self, failure: &FailureReport) {
        let _ = failure;
    }
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

    /// Sets the seeds: a range, or how many from 0.
    #[must_use]
    pub fn seeds(mut self, seeds: impl Into<Seeds>) -> Self {
        let Seeds(range) = seeds.into();
        self.options.seeds = range;
        self
    }

    /// Runs only the seeds of one shard.
    #[must_use]
    pub fn shard(mut self, shard: Shard) -> Self {
        self.options.shard = shard;
        self
    }

    /// Stops at the first failure.
    #[must_use]
    pub fn first_failure(mut self) -> Self {
        self.options.first_failure = true;
        self
    }

    /// Varies cases that led to something new, besides drawing fresh ones.
    #[must_use]
    pub fn guided(mut self) -> Self {
        self.options.guided = true;
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

    /// Runs it as it is, whatever the environment says, and judges nothing.
    pub fn report(&self) -> Report {
        self.run_with(&Silent, &AtomicBool::new(false))
    }

    /// Runs it, telling `progress`, until done or until `interrupted` is set. What was found until
    /// then is in the report.
    pub fn run_with(&self, progress: &dyn Progress, interrupted: &AtomicBool) -> Report {
        let started = Stopwatch::start();
        let report = Report::new(self.scenario.name(), self.scenario.marks());
        let guide = self.options.guided.then(Guide::<S>::new);
        let work = Work {
            options: &self.options,
            started,
            interrupted,
            turn: Mutex::new(Turn::default()),
            report: Mutex::new(report),
            progress,
        };
        let worker = || {
            let _watchdog = Watchdog::new(WATCHDOG_PATIENCE);
            while let Some((position, seed)) = work.next() {
                let turn = guide.as_ref().map(|guide| guide.turn(position, seed));
                work.add(run_turn(&self.scenario, seed, &self.options, turn));
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.options.jobs.max(1) {
                scope.spawn(worker);
            }
            worker();
        });
        let mut report = work.finish();
        report.guidance = guide.map(Guide::finish);
        if self.options.shrink {
            self.shrink_failures(&mut report, interrupted);
        }
        report
    }

    /// Shrinks each failure once; a second one of the same kind keeps its case as found.
    fn shrink_failures(&self, report: &mut Report, interrupted: &AtomicBool) {
        let mut kinds: Vec<Failure> = Vec::new();
        for failure in &mut report.failures {
            if interrupted.load(Ordering::Relaxed) {
                return;
            }
            if kinds.iter().any(|kind| kind.same(&failure.failure)) {
                continue;
            }
            kinds.push(failure.failure.clone());
            if let Ok(case) = crate::case::decode(&failure.name(), &failure.case) {
                let shrunken =
                    shrink::shrink_until(&self.scenario, &case, &failure.failure, interrupted);
                failure.shrink_runs = shrunken.runs;
                failure.shrunken = write_case(&shrunken.case, &failure.failure);
            }
        }
    }
}

/// The seeds of a campaign as its threads share them.
struct Work<'a> {
    options: &'a CampaignOptions,
    started: Stopwatch,
    interrupted: &'a AtomicBool,
    turn: Mutex<Turn>,
    report: Mutex<Report>,
    progress: &'a dyn Progress,
}

/// How far the threads are.
#[derive(Default)]
struct Turn {
    /// How many seeds of the shard were begun.
    position: u64,
    /// Why no more are begun.
    ended: Option<Ended>,
}

impl Work<'_> {
    /// The next seed to run, with its position. A seed that is given out is run: so those that were
    /// run have no gap.
    fn next(&self) -> Option<(u64, u64)> {
        let mut turn = self.turn.lock();
        if turn.ended.is_some() {
            return None;
        }
        let time_max = self.options.time_max;
        let is_late = time_max.is_some_and(|max| self.started.elapsed() >= max);
        let seed = self.options.shard.seed(&self.options.seeds, turn.position);
        turn.ended = match seed {
            _ if self.interrupted.load(Ordering::Relaxed) => Some(Ended::Interrupted),
            None => Some(Ended::Complete),
            Some(_) if is_late => Some(Ended::Time),
            Some(_) => None,
        };
        if turn.ended.is_some() {
            return None;
        }
        let position = turn.position;
        turn.position += 1;
        Some((position, seed?))
    }

    fn add(&self, seed: SeedReport) {
        let mut report = self.report.lock();
        if let Some(failure) = &seed.failure {
            self.progress.failed(failure);
        }
        report.add(seed);
        report.elapsed = self.started.elapsed();
        self.progress.seed_done(&report);
        let failures_max = if self.options.first_failure {
            1
        } else {
            FAILURES_MAX
        };
        if report.failures.len() >= failures_max || report.nondeterminism.is_some() {
            self.turn.lock().ended.get_or_insert(Ended::Failures);
        }
    }

    fn finish(self) -> Report {
        let mut report = self.report.into_inner();
        let (shard, seeds) = (self.options.shard, self.options.seeds.clone());
        let turn = self.turn.into_inner();
        report.elapsed = self.started.elapsed();
        report.failures.sort_by_key(|failure| failure.seed);
        report.parts.push(Part {
            shard,
            done: shard.seed(&seeds, turn.position).unwrap_or(seeds.end),
            seeds,
            cases: report.cases,
            profile: self
                .options
                .profile
                .map(|profile| profile.name().to_owned()),
            ended: turn.ended.unwrap_or(Ended::Complete),
        });
        report
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
    run_turn(scenario, seed, options, None)
}

/// Everything that a seed leads to at its turn of a guided campaign; without a turn, all that
/// comes of the case it draws.
pub(crate) fn run_turn<S: Scenario>(
    scenario: &Arc<S>,
    seed: u64,
    options: &CampaignOptions,
    mut turn: Option<Guided<'_, S>>,
) -> SeedReport {
    let mut report = SeedReport::new(seed);
    let mut draw = Draw::seeded(seed);
    // What was hit on this thread before was another's.
    let _ = marks::take();
    let child = turn
        .as_ref()
        .and_then(|turn| turn.child(scenario, seed, options.profile));
    let is_child = child.is_some();
    let case = child.unwrap_or_else(|| generate::case(scenario, &mut draw, options.profile));
    let scout = turn.as_mut().and_then(|turn| turn.scout.take());
    let mut search = Search {
        number: mix64(seed),
        options,
        report: &mut report,
        scout,
    };
    let found = explore_case(scenario, &case, &mut draw, &mut search);
    let mut scout = search.scout.take();
    if let Some((case, failure)) = found {
        report.failure = Some(FailureReport {
            seed,
            scenario: scenario.name().to_owned(),
            case: write_case(&case, &failure),
            failure,
            shrunken: String::new(),
            shrink_runs: 0,
            flags: options.flags(),
            seeds_too: Vec::new(),
            is_child,
        });
    }
    report.marks.merge(&marks::take());
    if let Some(scout) = &mut scout {
        scout.seed(&case, &report.marks);
    }
    if let Some(turn) = &mut turn {
        turn.scout = scout;
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
    let case = generate::case(scenario, &mut draw, options.profile);
    let mut search = Search {
        number: 1,
        options,
        report: &mut report,
        scout: None,
    };
    let (case, failure) = explore_case(scenario, &case, &mut draw, &mut search)?;
    Some(FailureReport {
        seed: 0,
        scenario: scenario.name().to_owned(),
        case: write_case(&case, &failure),
        failure,
        shrunken: String::new(),
        shrink_runs: 0,
        flags: options.flags(),
        seeds_too: Vec::new(),
        is_child: false,
    })
}

/// One exploration of a case, and what it tells.
struct Search<'a, S: Scenario> {
    /// What says whether runs are compared.
    number: u64,
    options: &'a CampaignOptions,
    report: &'a mut SeedReport,
    /// Looks out for what is new, in a guided campaign.
    scout: Option<Scout<S>>,
}

impl<S: Scenario> Search<'_, S> {
    /// Takes down what an era's run has shown, and runs some of them again.
    fn observe(&mut self, runner: &Runner<S>, start: &Start<S>, era: &Era<S::Op>, run: &EraRun<S>) {
        self.report.observe(run);
        let strikes = run.ledger.iter().map(|entry| entry.injected).sum::<u64>();
        sometimes!(LIBRARY, strikes > 0, "sim: faults struck an era");
        sometimes!(
            LIBRARY,
            !run.taken.is_empty(),
            "sim: a task was run out of order"
        );
        if run.failure.is_none() && is_sampled(self.number, self.options.determinism_one_in) {
            reached!(LIBRARY, "sim: two runs were compared");
            marks::unheard(|| check_determinism(runner, start, era, run, self.report));
        }
    }

    /// Crashes an era in many ways.
    fn attack(
        &mut self,
        runner: &Runner<S>,
        before: &[Era<S::Op>],
        base: &Base<'_, S>,
        number: u64,
        draw: &mut Draw<'_>,
    ) -> Option<Found<S>> {
        let mut attack = Attack::new(runner, self.options.effort.clone());
        attack.scout = self.scout.take();
        attack.draw_faults(number, base, draw);
        let found = attack.crash(before, base, draw, 1);
        self.scout = attack.scout.take();
        self.report.tally.add(&attack.tally);
        self.report.marks.merge(&attack.marks);
        self.report.add_faults(&attack.faults);
        let strikes = attack.faults.values().map(|count| count.injected);
        let strikes: u64 = strikes.sum();
        sometimes!(LIBRARY, strikes > 0, "sim: a fault met a recovery");
        found
    }
}

/// Explores a case: what [`run_seed`] does for any source of choices. An era that ends with a crash
/// is run as it is; only eras that close in order are crashed in other ways.
fn explore_case<S: Scenario>(
    scenario: &Arc<S>,
    case: &CaseOf<S>,
    draw: &mut Draw<'_>,
    search: &mut Search<'_, S>,
) -> Option<(CaseOf<S>, Failure)> {
    search.report.profile = case.disk.profile.name();
    let runner = Runner::of_case(scenario, case);
    let mut start = runner.start();
    let mut before: Vec<Era<S::Op>> = Vec::new();
    for (index, era) in case.eras.iter().enumerate() {
        let run = runner.era(&start, plan_of(era));
        search.observe(&runner, &start, era, &run);
        let found = match &run.failure {
            Some(failure) => Some(Found {
                failure: failure.clone(),
                eras: [&before, slice::from_ref(era)].concat(),
            }),
            None if era.end != End::Close => None,
            None => {
                let base = Base {
                    start: &start,
                    run: &run,
                    era,
                };
                draw.stream("explore", index as u64, |draw| {
                    search.attack(&runner, &before, &base, index as u64, draw)
                })
            }
        };
        if let Some(found) = found {
            let case = Case {
                eras: found.eras,
                ..case.clone()
            };
            return Some((case, found.failure));
        }
        if let Some(scout) = &mut search.scout {
            scout.era(&runner, &run, || [&before, slice::from_ref(era)].concat());
        }
        let (next, era) = match &era.end {
            End::Close => draw.stream("go on", index as u64, |draw| {
                go_on(&runner, &start, era, &run, draw)
            }),
            _ => {
                let next = end_state(&runner, &start, era, &run, &mut Vec::new());
                (next, era.clone())
            }
        };
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
        reached!(LIBRARY, "sim: went on after a kill");
        (CrashKind::Kill, disk.kill_image(), End::Kill { at: cut })
    } else {
        reached!(LIBRARY, "sim: went on after a loss of power");
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
    let others = (0..DIFFERENCE_TRIES).map(|_| verbose.era(start, plan_of(era)).log);
    let difference = others.into_iter().find_map(|two| difference(&one, &two));
    report.nondeterminism = Some(format!(
        "seed {}: two runs of one case differ{}",
        report.seed,
        difference.unwrap_or_else(|| format!(
            ", and not again in {DIFFERENCE_TRIES} more: the call is not known"
        ))
    ));
}

/// The first call in which two runs differ.
fn difference(one: &[CallRecord], two: &[CallRecord]) -> Option<String> {
    let differs = one.iter().zip(two).position(|(one, two)| one != two);
    let is_longer = one.len() != two.len();
    let at = differs.or_else(|| is_longer.then(|| one.len().min(two.len())))?;
    let line = |log: &[CallRecord]| {
        log.get(at)
            .map_or_else(|| "the end".to_owned(), ToString::to_string)
    };
    let (one, two) = (line(one), line(two));
    Some(match one == two {
        true => format!(" at call {at}: {one}, with other bytes, or at another place"),
        false => format!(" at call {at}: {one} against {two}"),
    })
}
