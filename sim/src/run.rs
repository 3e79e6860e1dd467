//! Runs: one era on one disk image, and whole cases.
//!
//! `Runner::era` is the only place where a system meets the simulated world. It gives back
//! everything that was seen; judging a crash is done by running another era on the image that
//! the crash left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use blackstart_vfs::Env;
use parking_lot::Mutex;

use crate::call::mix64;
use crate::case::{CaseOf, Cut, End, Era};
use crate::disk::{
    Asks, CallRecord, CrashKind, CrashModel, DiskConfig, FaultRule, Image, LedgerEntry, Promise,
    SimFs, Trace,
};
use crate::failure::Failure;
use crate::marks::Marks;
use crate::quiet::Quiet;
use crate::scenario::{Ctx, CtxInner, Record, Scenario, Stamped, Step};
use crate::sched::{Choice, Deviation, Finish, Latency, Schedule, Stop, World, WorldConfig};
use crate::settle::settle;
use crate::unmet;

/// What stays the same over all runs of one case.
pub(crate) struct Runner<S: Scenario> {
    pub scenario: Arc<S>,
    pub config: S::Config,
    pub disk: DiskConfig,
    pub latency: Latency,
    pub entropy: u64,
    /// Whether calls are logged for people.
    pub verbose: bool,
    /// Whether it is noted where other tasks could go first.
    pub notes_choices: bool,
    /// Whether it is written down what runs ask of their image.
    pub asks: bool,
    /// A run of more calls makes no progress.
    pub calls_max: u64,
}

/// Where an era starts.
pub(crate) struct Start<S: Scenario> {
    pub image: Image,
    pub model: S::Model,
    pub promise: Promise,
    /// How many eras there were before: it varies the program's random bytes.
    pub depth: u64,
}

impl<S: Scenario> Clone for Start<S> {
    fn clone(&self) -> Self {
        Self {
            image: self.image.clone(),
            model: self.model.clone(),
            promise: self.promise,
            depth: self.depth,
        }
    }
}

/// What an era is to do.
pub(crate) struct Plan<'a, O> {
    pub steps: &'a [Step<O>],
    pub faults: &'a [FaultRule],
    pub schedule: Schedule,
    pub stop: Stop,
}

/// What an era's run left behind.
pub(crate) struct EraRun<S: Scenario> {
    pub failure: Option<Failure>,
    pub finish: Finish,
    pub trace: Trace,
    pub history: Vec<Stamped<S::Event>>,
    /// The model after the last event.
    pub model: S::Model,
    pub promise: Promise,
    pub marks: Marks,
    pub ledger: Vec<LedgerEntry>,
    pub taken: Vec<Deviation>,
    /// Where other tasks could have gone first, if that was asked for.
    pub choices: Vec<Choice>,
    pub hash: u64,
    /// A hash of the kinds of its calls in their order.
    pub order_hash: u64,
    pub calls: u64,
    pub log: Vec<CallRecord>,
    /// The names of the tasks, by number.
    pub tasks: Vec<String>,
    /// The operations that were begun.
    pub begun: BTreeSet<u32>,
    /// What is seen at its end, if it was written down what it asks.
    pub seen: Option<Image>,
    /// What it asked of its image, if that was written down and is all.
    pub asks: Option<Asks>,
}

impl<S: Scenario> Runner<S> {
    pub fn of_case(scenario: &Arc<S>, case: &CaseOf<S>) -> Self {
        Self {
            scenario: Arc::clone(scenario),
            config: case.config.clone(),
            disk: case.disk.clone(),
            latency: case.latency,
            entropy: case.entropy,
            verbose: false,
            notes_choices: false,
            asks: false,
            calls_max: WorldConfig::default().calls_max,
        }
    }

    /// The same with calls written down, and at most so many of them.
    pub fn rehearsing(&self, calls_max: u64) -> Self {
        Self {
            scenario: Arc::clone(&self.scenario),
            config: self.config.clone(),
            disk: self.disk.clone(),
            verbose: true,
            calls_max,
            ..*self
        }
    }

    /// Before anything happened.
    pub fn start(&self) -> Start<S> {
        Start {
            image: Image::empty(&self.disk),
            model: self.scenario.model(&self.config),
            promise: Promise::Full,
            depth: 0,
        }
    }

    /// Runs one era.
    pub fn era(&self, start: &Start<S>, plan: Plan<'_, S::Op>) -> EraRun<S> {
        let _quiet = Quiet::new();
        let world = World::new(WorldConfig {
            schedule: plan.schedule,
            stop: plan.stop,
            latency: self.latency,
            entropy: mix64(self.entropy ^ mix64(start.depth)),
            notes_choices: self.notes_choices,
            calls_max: self.calls_max,
            ..WorldConfig::default()
        });
        let gate = Arc::new(world.clone());
        let fs = SimFs::boot(&start.image, &self.disk, plan.faults, gate);
        fs.set_verbose(self.verbose);
        if self.asks {
            fs.note_questions();
        }
        let shared: Arc<World> = Arc::new(world.clone());
        let env = Env::new(Arc::new(fs.clone()), shared.clone(), shared.clone(), shared);
        let ctx = Ctx {
            inner: Arc::new(CtxInner {
                scenario: Arc::clone(&self.scenario),
                env,
                world: world.clone(),
                fs: fs.clone(),
                config: self.config.clone(),
                steps: plan.steps.to_vec(),
                promise: start.promise,
                record: Mutex::new(Record {
                    model: start.model.clone(),
                    history: Vec::new(),
                    failure: None,
                    marks: Marks::default(),
                    began: BTreeMap::new(),
                    begun: BTreeSet::new(),
                }),
            }),
        };
        let main = ctx.clone();
        let finish = world.run(Box::new(move || {
            if let Err(failure) = main.inner.scenario.run(&main) {
                main.fail(failure);
            }
        }));
        self.collect(&ctx, finish)
    }

    fn collect(&self, ctx: &Ctx<S>, finish: Finish) -> EraRun<S> {
        let (world, fs) = (&ctx.inner.world, &ctx.inner.fs);
        let promise = ctx.promise();
        let mut record = ctx.inner.record.lock();
        let failure = record.failure.take().or_else(|| failure_of(&finish));
        let failure = match finish {
            Finish::Complete => failure.or_else(|| settle(&*self.scenario, fs, world)),
            _ => failure,
        };
        EraRun {
            failure,
            trace: fs.take_trace(),
            history: std::mem::take(&mut record.history),
            model: record.model.clone(),
            promise,
            marks: std::mem::take(&mut record.marks),
            ledger: fs.ledger(),
            taken: world.taken(),
            choices: world.choices(),
            hash: mix64(world.call_hash() ^ fs.trace_hash()),
            order_hash: world.order_hash(),
            calls: world.calls(),
            log: fs.take_log(),
            tasks: world.task_names(),
            begun: std::mem::take(&mut record.begun),
            seen: self.asks.then(|| fs.seen()),
            asks: fs.take_questions(),
            finish,
        }
    }
}

fn failure_of(finish: &Finish) -> Option<Failure> {
    let (oracle, place, message) = match finish {
        Finish::Complete | Finish::Crashed => return None,
        Finish::Panicked { task, message } => {
            let place = message.rsplit_once("(at ").map_or("", |(_, place)| place);
            let place = place.trim_end_matches(')').to_owned();
            ("panic", place, format!("task {task} panicked: {message}"))
        }
        Finish::Deadlock { waiting } => (
            "deadlock",
            String::new(),
            format!("no task can move: {}", waiting.join("; ")),
        ),
        Finish::NoProgress { calls } => (
            "liveness",
            String::new(),
            format!("no end after {calls} calls"),
        ),
    };
    Some(Failure {
        oracle: oracle.to_owned(),
        place,
        message,
    })
}

/// The state after a crash: what the next era starts from.
pub(crate) fn after_crash<S: Scenario>(
    scenario: &S,
    kind: CrashKind,
    image: Image,
    model: &S::Model,
    promise: Promise,
    depth: u64,
) -> Start<S> {
    let mut model = model.clone();
    scenario.crash(&mut model, kind);
    Start {
        image,
        model,
        promise,
        depth: depth + 1,
    }
}

/// What running a whole case gave.
#[derive(Clone, Debug, Default)]
pub struct CaseRun {
    /// The failure and the era (from 0) in which it showed.
    pub failure: Option<(usize, Failure)>,
    /// A hash of every call and its result over all eras.
    pub hash: u64,
    /// Calls on the seam over all eras.
    pub calls: u64,
    /// The calls in words, if asked for.
    pub log: Vec<String>,
    /// Names in the case that the run did not meet, up to the failure if there is one.
    pub stale: Vec<String>,
}

/// Runs a case: era by era, each on the image that the last one's end left.
pub fn run_case<S: Scenario>(scenario: &Arc<S>, case: &CaseOf<S>, verbose: bool) -> CaseRun {
    let mut runner = Runner::of_case(scenario, case);
    runner.verbose = verbose;
    let mut start = runner.start();
    let mut result = CaseRun::default();
    for (index, era) in case.eras.iter().enumerate() {
        let run = runner.era(&start, plan_of(era));
        result.hash = mix64(result.hash ^ run.hash);
        result.calls += run.calls;
        if verbose {
            result.log.push(format!("era {index}"));
            result.log.extend(run.log.iter().map(ToString::to_string));
        }
        if let Some(failure) = run.failure {
            result.failure = Some((index, failure));
            return result;
        }
        let mut unmet = unmet::operations(era, &run);
        unmet.extend(unmet::names(era, &run));
        start = end_state(&runner, &start, era, &run, &mut unmet);
        let unmet = unmet.into_iter().map(|name| format!("era {index}: {name}"));
        result.stale.extend(unmet);
    }
    result
}

/// The plan that an era of a case describes.
pub(crate) fn plan_of<O>(era: &Era<O>) -> Plan<'_, O> {
    let at = match &era.end {
        End::Close => None,
        End::Power { at, .. } | End::Kill { at } => Some(*at),
    };
    let stop = match at {
        Some(Cut::Before(call)) => Stop::Before(call),
        Some(Cut::Last) | None => Stop::Never,
    };
    Plan {
        steps: &era.steps,
        faults: &era.faults,
        schedule: era.schedule.clone(),
        stop,
    }
}

/// What the next era starts from. Effects that survivors name and the disk does not have are told
/// in `stale`.
pub(crate) fn end_state<S: Scenario>(
    runner: &Runner<S>,
    start: &Start<S>,
    era: &Era<S::Op>,
    run: &EraRun<S>,
    stale: &mut Vec<String>,
) -> Start<S> {
    let mut model = CrashModel::new(&start.image, &runner.disk, &era.faults);
    model.advance(&run.trace, run.trace.len());
    let (kind, image) = match &era.end {
        // An orderly end and a new process: the page cache stays, as after a kill.
        End::Close | End::Kill { .. } => (CrashKind::Kill, model.kill_image()),
        End::Power { survivors, .. } => {
            stale.extend(model.stale(survivors));
            (CrashKind::Power, model.image(survivors))
        }
    };
    let scenario = &*runner.scenario;
    after_crash(scenario, kind, image, &run.model, run.promise, start.depth)
}
