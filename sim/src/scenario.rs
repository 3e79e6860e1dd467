//! What a scenario gives: a system, operations to put it through, and a model to judge it by.
//!
//! An author implements [`Scenario`]; everything else (drawing cases, crashing, shrinking,
//! reports, the command line) is done here. A run is an *era*: the time between two crashes. In
//! each era [`Scenario::run`] opens the system, reads back what it shows, and carries out the
//! era's operations. Whatever it learns it hands to [`Ctx::record`], which folds it into the
//! model; the model answers with a [`Failure`] when the event contradicts it.
//!
//! Because every event is stamped with its position in the disk's trace, one run can be judged at
//! every cut: the model at a cut is the fold of the events before it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use blackstart_vfs::Env;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::disk::{CrashKind, DiskConfig, Promise, Sighting, SimFs, Told};
use crate::draw::Draw;
use crate::failure::Failure;
use crate::marks::Marks;
use crate::sched::World;
use crate::story::Said;

/// One operation of a case, with a name that stays when others are dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step<O> {
    /// The operation's id, unique in its era and not 0.
    pub id: u32,
    /// Which client carries it out; client 0 exists always.
    pub client: u32,
    /// What to do.
    pub op: O,
}

/// A small fixed workload, for the explorer.
#[derive(Clone, Debug)]
pub struct SmallCase<C, O> {
    /// Options of the system.
    pub config: C,
    /// The operations, in order.
    pub steps: Vec<Step<O>>,
}

/// A system under test with its workload and its model.
pub trait Scenario: Send + Sync + Sized + 'static {
    /// Options of the system, part of a case.
    type Config: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// An operation, part of a case.
    type Op: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Something that happened in a run. The explorer takes two histories for one if their events
    /// have the same form of `Debug`: it must leave nothing out.
    type Event: Clone + Debug + Send + Sync + 'static;
    /// What is known of the system's state: the simplest correct reference.
    type Model: Clone + Send + Sync + 'static;

    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// One sentence for `sim list`.
    fn about(&self) -> &'static str;

    /// The marks that a campaign should hit; the ones that start with `!` are required.
    fn marks(&self) -> &'static [&'static str] {
        &[]
    }

    /// Patterns of the files that faults are aimed at, the likeliest first.
    fn files(&self) -> &'static [&'static str] {
        &["*"]
    }

    /// Whether the model knows what to make of damage that the disk does not report at all: writes
    /// and reads that hit another place, reads of old contents ([`Promise::PrefixOnly`]). Campaigns
    /// draw it then.
    fn tolerates_silent_damage(&self) -> bool {
        false
    }

    /// Whether the system stands that others alter its files between two eras, or while it runs,
    /// and the model knows what to make of that: a report that names the file, or the truth, never
    /// silently less ([`Alteration`](crate::disk::Alteration), and the live
    /// [`Fault`](crate::disk::Fault)s that remove names). Campaigns draw it then.
    fn meets_alterations(&self) -> bool {
        false
    }

    /// Whether campaigns draw failures of those calls alone that make a file longer
    /// ([`Trigger::Growth`](crate::disk::Trigger)): a full disk, a quota, a limit on the size of
    /// files, while overwriting works.
    fn meets_growth_failures(&self) -> bool {
        false
    }

    /// Whether campaigns draw faults besides crashes. Without them the disk is honest, free of
    /// errors and never full.
    fn meets_faults(&self) -> bool {
        true
    }

    /// The disk that a case gets, made of the one that was drawn: takes back what the system says
    /// that it does not stand.
    fn disk(&self, drawn: DiskConfig) -> DiskConfig {
        drawn
    }

    /// Draws the system's options.
    fn config(&self, draw: &mut Draw<'_>) -> Self::Config;

    /// Draws one era's operations. Ids are given by position, from 1.
    fn steps(&self, draw: &mut Draw<'_>, config: &Self::Config) -> Vec<Step<Self::Op>>;

    /// Refuses an operation that no machine could carry out, before a case of a file is run: says
    /// what is wrong with it. What is drawn is not asked about.
    ///
    /// # Errors
    /// The reason, for people.
    fn check(&self, op: &Self::Op) -> Result<(), String> {
        let _ = op;
        Ok(())
    }

    /// The operations that check, after a crash, that the system is usable again. They are carried
    /// out in an era of their own, and once more in the next, on what its orderly end has left: so
    /// there is no need to close and open the system among them.
    fn verification(&self, config: &Self::Config) -> Vec<Step<Self::Op>>;

    /// Small fixed workloads for the explorer: a few operations that reach all that matters.
    fn small_cases(&self) -> Vec<SmallCase<Self::Config, Self::Op>> {
        Vec::new()
    }

    /// What of the model a run of [`Scenario::verification`] reads to decide what it does next, as
    /// a hash; none: perhaps all of it. The explorer takes runs on images that look alike for one
    /// if this is equal; it compares a part of them. Recording does not count as reading.
    fn known_to_a_run(&self, config: &Self::Config, model: &Self::Model) -> Option<u64> {
        let _ = (config, model);
        None
    }

    /// Simpler forms of an operation for the shrinker, simplest first.
    fn simpler(&self, op: &Self::Op) -> Vec<Self::Op> {
        let _ = op;
        Vec::new()
    }

    /// One operation that may do for two neighbouring ones of a client, for the shrinker.
    fn merged(&self, one: &Self::Op, two: &Self::Op) -> Vec<Self::Op> {
        let _ = (one, two);
        Vec::new()
    }

    /// Rows of operations that end with one which stops the system and starts it again, without
    /// closing it first: with one of them the shrinker puts two eras together in place of a crash.
    /// They are carried out by a lone client.
    fn restarts(&self) -> Vec<Vec<Self::Op>> {
        Vec::new()
    }

    /// Plainer options for the shrinker, plainest first. Going on from any of them must end.
    fn simpler_config(&self, config: &Self::Config) -> Vec<Self::Config> {
        let _ = config;
        Vec::new()
    }

    /// The model before anything happened.
    fn model(&self, config: &Self::Config) -> Self::Model;

    /// Folds an event into the model.
    ///
    /// # Errors
    /// The failure, if the event contradicts the model.
    fn apply(&self, model: &mut Self::Model, event: &Self::Event) -> Result<(), Failure>;

    /// What a crash does to what is known: who was promised what, and what is open now.
    fn crash(&self, model: &mut Self::Model, kind: CrashKind);

    /// Whether a call that failed in this way must lead to a report that names its file. If it has
    /// not when the era ends, the fault was silent, and the run fails.
    fn must_report(&self, sighting: &Sighting) -> bool {
        let _ = sighting;
        false
    }

    /// An operation in words, for a [`Story`](crate::story::Story).
    fn op_words(&self, op: &Self::Op) -> String {
        format!("{op:?}")
    }

    /// An event in words, and what it means to whoever was told of it.
    fn event_words(&self, event: &Self::Event) -> Said {
        Said::fact(format!("{event:?}"))
    }

    /// What the model knows, in short lines: how much was acknowledged at which level, what must
    /// be there after a crash.
    fn model_words(&self, model: &Self::Model) -> Vec<String> {
        let _ = model;
        Vec::new()
    }

    /// One era: open, read back, carry out the steps, close. A crash of the case ends it anywhere.
    ///
    /// # Errors
    /// The failure it found.
    fn run(&self, ctx: &Ctx<Self>) -> Result<(), Failure>;
}

/// An event and how much of the trace came before it.
#[derive(Clone, Debug)]
pub(crate) struct Stamped<E> {
    pub at: usize,
    /// How many calls were written down before it; 0 where they are not.
    pub calls: usize,
    /// The task that recorded it and the operation in whose course.
    pub by: (u32, u32),
    /// Whether it contradicts the model.
    pub contradicts: bool,
    pub event: E,
}

/// What one era's run may use. Clones are the same run.
pub struct Ctx<S: Scenario> {
    pub(crate) inner: Arc<CtxInner<S>>,
}

pub(crate) struct CtxInner<S: Scenario> {
    pub scenario: Arc<S>,
    pub env: Env,
    pub world: World,
    pub fs: SimFs,
    pub config: S::Config,
    pub steps: Vec<Step<S::Op>>,
    pub promise: Promise,
    pub record: Mutex<Record<S>>,
}

pub(crate) struct Record<S: Scenario> {
    pub model: S::Model,
    pub history: Vec<Stamped<S::Event>>,
    pub failure: Option<Failure>,
    pub marks: Marks,
    /// How many sightings of faults there were when each task began its operation.
    pub began: BTreeMap<u32, usize>,
    /// The operations that were begun.
    pub begun: BTreeSet<u32>,
}

impl<S: Scenario> Clone for Ctx<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<S: Scenario> Ctx<S> {
    /// The world the system runs in.
    pub fn env(&self) -> &Env {
        &self.inner.env
    }

    /// The scenario itself.
    pub fn scenario(&self) -> &Arc<S> {
        &self.inner.scenario
    }

    /// The system's options.
    pub fn config(&self) -> &S::Config {
        &self.inner.config
    }

    /// The simulated disk.
    pub fn fs(&self) -> &SimFs {
        &self.inner.fs
    }

    /// What the system still promises, given the faults that struck in its life so far.
    pub fn promise(&self) -> Promise {
        self.inner.promise.max(self.inner.fs.promise())
    }

    /// How many faults have struck in this era so far. An error of the system is excusable only
    /// if one has.
    pub fn faults_struck(&self) -> u64 {
        self.inner.fs.faults_struck()
    }

    /// Whether a fault of this kind has struck in this era ([`Fault::kind`](crate::disk::Fault)).
    pub fn has_struck(&self, kind: &str) -> bool {
        let ledger = self.inner.fs.ledger();
        let mut struck = ledger.iter().filter(|entry| entry.injected > 0);
        struck.any(|entry| entry.kind == kind)
    }

    /// The system has reported an error that names `file`, or found something there: what showed
    /// itself there since the calling task began its operation is detected. Gives what that is.
    pub fn reported(&self, file: &str, told: &Told) -> Vec<Sighting> {
        self.inner.fs.report(self.began(), file, told)
    }

    /// As [`reported`](Self::reported), for what may have shown itself before the operation.
    pub fn recalled(&self, file: &str, told: &Told) -> Vec<Sighting> {
        self.inner.fs.report(0, file, told)
    }

    /// The calling task got an answer from the system, and it was judged right; or the system
    /// refused, and an error explained why: what the task met in its operation did no harm. Bytes
    /// that were damaged and read have to lead to this or to a report before the era ends, or
    /// else the run fails.
    pub fn verified(&self) {
        let (task, since) = (self.inner.world.task(), self.began());
        self.inner.fs.verified(task, since);
    }

    /// How many sightings there were when the calling task began its operation.
    fn began(&self) -> usize {
        let task = self.inner.world.task();
        let record = self.inner.record.lock();
        record.began.get(&task).copied().unwrap_or(0)
    }

    /// Stops all live faults and frees the disk's capacity: from here on the system has to
    /// recover and make progress.
    pub fn heal(&self) {
        self.inner.fs.heal();
    }

    /// The clients of this era, in order; never empty.
    pub fn clients(&self) -> Vec<u32> {
        let mut clients: Vec<u32> = self.inner.steps.iter().map(|step| step.client).collect();
        clients.push(0);
        clients.sort_unstable();
        clients.dedup();
        clients
    }

    /// The steps of one client, in order.
    pub fn steps(&self, client: u32) -> impl Iterator<Item = &Step<S::Op>> {
        self.inner
            .steps
            .iter()
            .filter(move |step| step.client == client)
    }

    /// Says that the calling task begins an operation: its calls are named by it from here on.
    pub fn begin(&self, op: u32) {
        self.inner.world.begin_op(op);
        let (task, count) = (self.inner.world.task(), self.inner.fs.sighting_count());
        let mut record = self.inner.record.lock();
        record.began.insert(task, count);
        record.begun.insert(op);
    }

    /// Records what happened, now.
    ///
    /// # Errors
    /// The failure, if it contradicts the model.
    pub fn record(&self, event: S::Event) -> Result<(), Failure> {
        let (at, calls) = self.inner.fs.progress();
        let by = self.inner.world.present().unwrap_or_default();
        let mut record = self.inner.record.lock();
        let judged = self.inner.scenario.apply(&mut record.model, &event);
        record.history.push(Stamped {
            at,
            calls,
            by,
            contradicts: judged.is_err(),
            event,
        });
        judged
    }

    /// Reads the model.
    pub fn model<R>(&self, read: impl FnOnce(&S::Model) -> R) -> R {
        read(&self.inner.record.lock().model)
    }

    /// Counts a mark: this kind of thing has happened in a run.
    pub fn mark(&self, name: &'static str) {
        self.inner.record.lock().marks.hit(name);
    }

    /// Reports a failure from a task that can't return it; the first one stands.
    pub fn fail(&self, failure: Failure) {
        self.inner.record.lock().failure.get_or_insert(failure);
    }
}
