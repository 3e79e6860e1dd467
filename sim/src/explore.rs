//! From one run to many crashes: cuts, images, and a verdict on each.
//!
//! An `Attack` takes a finished era, walks its trace once from front to back, and at chosen
//! cuts builds images of what the disk may have kept. On each image the system is started again
//! and has to pass the verification era. Images of equal content that follow the same history are
//! judged once.
//!
//! Invariants:
//! - \[I1\] What is judged is what a case can say: a failure found here is written down as a case
//!   (`Found`) whose run fails in the same way.
//! - \[I2\] The order of attempts depends on the draw alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::{Cut, End, Era};
use crate::disk::{
    Budget, CrashKind, CrashModel, FaultRule, Image, Survivors, Trace, draw_survivors, enumerate,
};
use crate::draw::Draw;
use crate::failure::Failure;
use crate::guide::Scout;
use crate::marks::Marks;
use crate::report::{FaultCount, count_faults};
use crate::run::{EraRun, Plan, Runner, Start, after_crash};
use crate::scenario::{Scenario, Step};
use crate::sched::{Schedule, Stop};

/// How much of what may happen is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Cuts of one trace; the likeliest to break come first.
    pub cuts_max: usize,
    /// Systematic images at a cut.
    pub systematic_max: usize,
    /// Drawn images at a cut.
    pub drawn_max: usize,
    /// One image in this many has its recovery crashed as well; 0: none.
    pub nested_one_in: u64,
    /// How deep crashes nest: 1 is a single crash.
    pub depth_max: u32,
    /// Images judged in all, over nested crashes too; equal ones are judged once.
    pub images_max: u64,
}

impl Effort {
    /// What a campaign spends on one seed.
    pub const CAMPAIGN: Self = Self {
        cuts_max: 24,
        systematic_max: 6,
        drawn_max: 4,
        nested_one_in: 12,
        depth_max: 2,
        images_max: 2_000,
    };

    /// Every cut and the likeliest images of each.
    pub const BROAD: Self = Self {
        cuts_max: usize::MAX,
        systematic_max: 12,
        drawn_max: 4,
        nested_one_in: 0,
        depth_max: 1,
        images_max: 2_000,
    };

    /// Every cut and many images: for shrinking and small cases.
    pub const THOROUGH: Self = Self {
        cuts_max: usize::MAX,
        systematic_max: 64,
        drawn_max: 16,
        nested_one_in: 0,
        depth_max: 1,
        images_max: 20_000,
    };
}

/// Counts of an exploration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Images built.
    pub images: u64,
    /// Images that differ in content or in the history before them.
    pub distinct: u64,
    /// Verification eras run.
    pub recoveries: u64,
    /// Calls on the seam.
    pub calls: u64,
}

impl Tally {
    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        self.images += other.images;
        self.distinct += other.distinct;
        self.recoveries += other.recoveries;
        self.calls += other.calls;
    }
}

/// A failure and the eras that lead to it.
pub(crate) struct Found<S: Scenario> {
    pub failure: Failure,
    pub eras: Vec<Era<S::Op>>,
}

/// One exploration: what it tries and what it has counted.
pub(crate) struct Attack<'a, S: Scenario> {
    pub runner: &'a Runner<S>,
    pub effort: Effort,
    pub tally: Tally,
    pub marks: Marks,
    pub faults: BTreeMap<String, FaultCount>,
    /// Only this failure counts; others are passed over (for shrinking).
    pub wanted: Option<Failure>,
    verification: Vec<Step<S::Op>>,
    /// Faults that the eras after a crash meet.
    pub later_faults: Vec<FaultRule>,
    seen: BTreeSet<(u64, usize)>,
    /// Looks out for what is new, in a guided campaign.
    pub scout: Option<Scout<S>>,
}

/// A finished era and where it began.
pub(crate) struct Base<'a, S: Scenario> {
    pub start: &'a Start<S>,
    pub run: &'a EraRun<S>,
    /// The era as a case says it; its end is replaced by the crash.
    pub era: &'a Era<S::Op>,
}

impl<'a, S: Scenario> Attack<'a, S> {
    pub fn new(runner: &'a Runner<S>, effort: Effort) -> Self {
        Self {
            runner,
            effort,
            tally: Tally::default(),
            marks: Marks::default(),
            faults: BTreeMap::new(),
            wanted: None,
            verification: runner.scenario.verification(&runner.config),
            later_faults: Vec::new(),
            seen: BTreeSet::new(),
            scout: None,
        }
    }

    /// Crashes a finished era at many cuts. `before` are the eras that led to it.
    pub fn crash(
        &mut self,
        before: &[Era<S::Op>],
        base: &Base<'_, S>,
        draw: &mut Draw<'_>,
        depth: u32,
    ) -> Option<Found<S>> {
        self.seen.clear();
        let trace = &base.run.trace;
        let mut disk = CrashModel::new(&base.start.image, &self.runner.disk, &base.era.faults);
        let mut model = base.start.model.clone();
        let mut folded = 0;
        for at in choose_cuts(trace, self.effort.cuts_max, draw) {
            disk.advance(trace, at);
            while let Some(stamped) = base
                .run
                .history
                .get(folded)
                .filter(|stamped| stamped.at <= at)
            {
                // It was judged when it was recorded; here it is only folded.
                let _ = self.runner.scenario.apply(&mut model, &stamped.event);
                folded += 1;
            }
            let cut = Moment {
                at,
                folded,
                disk: &disk,
                model: &model,
                shape: self.scout.as_ref().map_or(0, |_| disk.shape()),
            };
            if let Some(found) = self.cut(before, base, &cut, draw, depth) {
                return Some(found);
            }
            if self.tally.distinct >= self.effort.images_max {
                break;
            }
        }
        None
    }

    fn cut(
        &mut self,
        before: &[Era<S::Op>],
        base: &Base<'_, S>,
        cut: &Moment<'_, S>,
        draw: &mut Draw<'_>,
        depth: u32,
    ) -> Option<Found<S>> {
        if draw.chance(300) {
            let image = cut.disk.kill_image();
            let found = self.image(before, base, cut, image, None, draw, depth);
            if found.is_some() {
                return found;
            }
        }
        let budget = Budget::up_to(self.effort.systematic_max);
        let systematic: Vec<Survivors> = enumerate(cut.disk, &budget)
            .take(self.effort.systematic_max)
            .collect();
        let drawn = self.effort.drawn_max;
        let choices = systematic
            .into_iter()
            .map(Some)
            .chain((0..drawn).map(|_| None));
        for choice in choices {
            let survivors = choice.unwrap_or_else(|| draw_survivors(cut.disk, draw));
            let image = cut.disk.image(&survivors);
            let found = self.image(before, base, cut, image, Some(&survivors), draw, depth);
            if found.is_some() || self.tally.distinct >= self.effort.images_max {
                return found;
            }
        }
        None
    }

    /// Judges one image. `survivors` is none for a kill.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one verdict; none is optional"
    )]
    fn image(
        &mut self,
        before: &[Era<S::Op>],
        base: &Base<'_, S>,
        cut: &Moment<'_, S>,
        image: Image,
        survivors: Option<&Survivors>,
        draw: &mut Draw<'_>,
        depth: u32,
    ) -> Option<Found<S>> {
        self.tally.images += 1;
        let kind = if survivors.is_some() {
            CrashKind::Power
        } else {
            CrashKind::Kill
        };
        let salt = u64::from(survivors.is_none());
        if !self.seen.insert((image.content_hash() ^ salt, cut.folded)) {
            return None;
        }
        self.tally.distinct += 1;
        let runner = self.runner;
        let promise = base.run.promise;
        let start = after_crash(
            &*runner.scenario,
            kind,
            image,
            cut.model,
            promise,
            base.start.depth,
        );
        let later_faults = std::mem::take(&mut self.later_faults);
        let plan = Plan {
            steps: &self.verification,
            faults: &later_faults,
            schedule: Schedule::RunUntilBlocked,
            stop: Stop::Never,
        };
        let run = runner.era(&start, plan);
        self.tally.recoveries += 1;
        self.tally.calls += run.calls;
        self.marks.merge(&run.marks);
        self.count_faults(&run);
        if let Some(scout) = &mut self.scout
            && run.failure.is_none()
        {
            scout.recovery(runner, cut.shape, &run, || {
                let crashed = crashed(base.era, base.run, cut, survivors);
                [before, &[crashed]].concat()
            });
        }
        let nested = depth < self.effort.depth_max
            && self.effort.nested_one_in > 0
            && draw.below(self.effort.nested_one_in) == 0;
        let found = if run.failure.is_some() || nested {
            let mut eras = before.to_vec();
            eras.push(crashed(base.era, base.run, cut, survivors));
            self.judge(eras, &start, run, &later_faults, nested, draw, depth)
        } else {
            None
        };
        self.later_faults = later_faults;
        found
    }

    fn count_faults(&mut self, run: &EraRun<S>) {
        if run.ledger.is_empty() {
            return;
        }
        let counts = count_faults(&run.ledger);
        for (kind, count) in counts {
            self.faults.entry(kind).or_default().add(count);
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one verdict; none is optional"
    )]
    fn judge(
        &mut self,
        eras: Vec<Era<S::Op>>,
        start: &Start<S>,
        run: EraRun<S>,
        faults: &[FaultRule],
        nested: bool,
        draw: &mut Draw<'_>,
        depth: u32,
    ) -> Option<Found<S>> {
        let verification = Era {
            steps: self.verification.clone(),
            faults: faults.to_vec(),
            schedule: Schedule::RunUntilBlocked,
            end: End::Close,
        };
        if let Some(failure) = &run.failure {
            let counts = self
                .wanted
                .as_ref()
                .is_none_or(|wanted| wanted.same(failure));
            let mut eras = eras;
            eras.push(verification);
            return counts.then(|| Found {
                failure: failure.clone(),
                eras,
            });
        }
        if !nested {
            return None;
        }
        let seen = std::mem::take(&mut self.seen);
        let base = Base {
            start,
            run: &run,
            era: &verification,
        };
        let cuts_max = std::mem::replace(&mut self.effort.cuts_max, 8);
        let found = self.crash(&eras, &base, draw, depth + 1);
        self.effort.cuts_max = cuts_max;
        self.seen = seen;
        found
    }
}

/// A cut of a trace with what is known there.
struct Moment<'a, S: Scenario> {
    at: usize,
    folded: usize,
    disk: &'a CrashModel,
    model: &'a S::Model,
    /// The shape of the disk, if somebody looks out for new ones.
    shape: u64,
}

/// The era as a case says it, ended by the crash.
fn crashed<S: Scenario>(
    era: &Era<S::Op>,
    run: &EraRun<S>,
    cut: &Moment<'_, S>,
    survivors: Option<&Survivors>,
) -> Era<S::Op> {
    let at = cut_at(&run.trace, cut.at);
    let end = match survivors {
        Some(survivors) => End::Power {
            at,
            survivors: cut.disk.materialize(survivors),
        },
        None => End::Kill { at },
    };
    Era {
        schedule: Schedule::Deviations(run.taken.clone()),
        end,
        ..era.clone()
    }
}

/// The name of the cut before event `at` of a trace.
pub(crate) fn cut_at(trace: &Trace, at: usize) -> Cut {
    match trace.call_at(at) {
        Some(call) => Cut::Before(call),
        None => Cut::Last,
    }
}

/// Chooses cuts, ascending: all of them where there are few, else the likeliest to break and a
/// drawn rest.
fn choose_cuts(trace: &Trace, cuts_max: usize, draw: &mut Draw<'_>) -> Vec<usize> {
    let by_interest = trace.cuts_by_interest();
    if by_interest.len() <= cuts_max {
        let mut all = by_interest;
        all.sort_unstable();
        return all;
    }
    let mut chosen = BTreeSet::new();
    while chosen.len() < cuts_max {
        // Half of the draws fall into the most interesting eighth.
        let bound = if draw.chance(500) {
            by_interest.len().div_ceil(8)
        } else {
            by_interest.len()
        };
        let index = draw.below(bound as u64) as usize;
        if let Some(&cut) = by_interest.get(index)
            && !chosen.insert(cut)
        {
            // Fill up in order, so that the loop ends.
            if let Some(&next) = by_interest.iter().find(|cut| !chosen.contains(cut)) {
                chosen.insert(next);
            }
        }
    }
    chosen.into_iter().collect()
}
