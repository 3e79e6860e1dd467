//! From one run to many crashes: cuts, images, and a verdict on each.
//!
//! An `Attack` takes a finished era, walks its trace once from front to back, and at chosen
//! cuts builds images of what the disk may have kept. On each image the system is started again
//! and has to pass the verification era, and after its orderly end once more: what recovery left
//! must be good for the next opening. Images of equal content that follow the same history are
//! judged once.
//!
//! Invariants:
//! - \[I1\] What is judged is what a case can say: a failure found here is written down as a case
//!   (`Found`) whose run fails in the same way.
//! - \[I2\] The order of attempts depends on the draw alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::{Cut, End, Era};
use crate::disk::{
    Budget, CrashKind, CrashModel, FaultRule, Image, Promise, Survivors, Trace, aimed_damage,
    draw_survivors, enumerate,
};
use crate::draw::Draw;
use crate::failure::Failure;
use crate::generate;
use crate::guide::Scout;
use crate::marks::Marks;
use crate::reopening::{Key, Reopenings};
use crate::report::{FaultCount, count_faults};
use crate::run::{EraRun, Runner, Start, after_crash, end_state, plan_of};
use crate::scenario::{Scenario, Step};
use crate::sched::Schedule;

/// How often a system is started on an image: once to recover, and once on what that left.
const VERIFICATIONS: usize = 2;
/// Cuts of each era of a recovery that is crashed.
const NESTED_CUTS: usize = 8;

/// How much oftener a recovery is crashed if what the disk holds below the files is new.
const FREED_MORE_OFTEN: u64 = 4;

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
        nested_one_in: 16,
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
    /// Verification eras run: for each image one, and a second where what the first left is new.
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
    /// How many of a thousand images are judged with damage that is aimed at what was written.
    pub aimed_per_mille: u64,
    seen: BTreeSet<(u64, usize)>,
    reopenings: Reopenings<S>,
    /// The same of what the blocks of files that are gone hold.
    seen_freed: BTreeSet<(u64, usize)>,
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
            aimed_per_mille: 0,
            seen: BTreeSet::new(),
            reopenings: Reopenings::default(),
            seen_freed: BTreeSet::new(),
            scout: None,
        }
    }

    /// Draws what the recoveries after a crash of era `index` meet.
    pub fn draw_faults(&mut self, index: u64, base: &Base<'_, S>, draw: &mut Draw<'_>) {
        let scenario = &*self.runner.scenario;
        self.later_faults = generate::later_faults(scenario, draw, |draw| {
            let ended = (base.start, base.era, base.run);
            generate::rehearse(self.runner, ended, &self.verification, draw)
        });
        let aimed = draw.stream("aim", u64::MAX - index, |draw| {
            generate::aimed_per_mille(scenario, draw)
        });
        self.aimed_per_mille = aimed;
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
        self.seen_freed.clear();
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
        let aimed = self.aim(base, cut, &image, draw, depth);
        let news = match aimed {
            Some(_) => News::DAMAGED,
            None => self.news(&image, survivors.is_none(), cut.folded),
        };
        let nested = self.is_crashed_again(news, base, draw, depth);
        if !news.content && !nested {
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
        let faults = aimed.as_ref().unwrap_or(&later_faults);
        let eras = || {
            let mut eras = before.to_vec();
            eras.push(crashed(base.era, base.run, cut, survivors));
            eras
        };
        let found = self.verify((start, cut.shape), &eras, faults, nested, draw, depth);
        self.later_faults = later_faults;
        found
    }

    /// Runs the verification era, and on what its orderly end leaves once more.
    fn verify(
        &mut self,
        (start, shape): (Start<S>, u64),
        eras: &dyn Fn() -> Vec<Era<S::Op>>,
        faults: &[FaultRule],
        nested: bool,
        draw: &mut Draw<'_>,
        depth: u32,
    ) -> Option<Found<S>> {
        let mut start = start;
        let mut done: Vec<Era<S::Op>> = Vec::new();
        while done.len() < VERIFICATIONS {
            let verification = Era {
                steps: self.verification.clone(),
                faults: after_damage(start.promise, faults),
                schedule: Schedule::RunUntilBlocked,
                end: End::Close,
            };
            let eras = || {
                let mut eras = eras();
                eras.extend(done.iter().cloned());
                eras
            };
            // One that is to be crashed is run, whether it is known or not.
            let is_second = !done.is_empty() && verification.faults.is_empty() && !nested;
            let key = is_second
                .then(|| Key::of(self.runner, &start, depth))
                .flatten();
            if self.reopenings.recall(self.runner, key, &start).is_some() {
                break;
            }
            let run = self.runner.era(&start, plan_of(&verification));
            self.reopenings.remember(key, &run);
            self.tally.recoveries += 1;
            self.tally.calls += run.calls;
            self.marks.merge(&run.marks);
            self.count_faults(&run);
            if let Some(failure) = run.failure {
                let wanted = self.wanted.as_ref();
                let counts = wanted.is_none_or(|wanted| wanted.same(&failure));
                let mut eras = eras();
                eras.push(verification);
                return counts.then_some(Found { failure, eras });
            }
            if let Some(scout) = &mut self.scout {
                scout.recovery(self.runner, shape, &run, eras);
            }
            if nested {
                let base = Base {
                    start: &start,
                    run: &run,
                    era: &verification,
                };
                let found = self.nested(&eras(), &base, draw, depth);
                if found.is_some() {
                    return found;
                }
            }
            start = end_state(self.runner, &start, &verification, &run, &mut Vec::new());
            done.push(verification);
        }
        None
    }

    /// Draws damage for an image, now and then.
    fn aim(
        &self,
        base: &Base<'_, S>,
        cut: &Moment<'_, S>,
        image: &Image,
        draw: &mut Draw<'_>,
        depth: u32,
    ) -> Option<Vec<FaultRule>> {
        // As `after_damage`.
        let is_whole = base.run.promise == Promise::Full && self.later_faults.is_empty();
        if self.aimed_per_mille == 0 || depth > 1 || !is_whole {
            return None;
        }
        draw.stream("aim", self.number(base), |draw| {
            let is_aimed = draw.chance(self.aimed_per_mille);
            let may_alter = self.runner.scenario.meets_alterations();
            let aim =
                |draw: &mut Draw<'_>| aimed_damage(&base.run.trace, cut.at, image, may_alter, draw);
            let rule = is_aimed.then(|| aim(draw));
            rule.flatten().map(|rule| vec![rule])
        })
    }

    /// The number of the present image: for choices that have a stream of their own.
    fn number(&self, base: &Base<'_, S>) -> u64 {
        base.start.depth << 32 | self.tally.images
    }

    /// What of an image was not met before at the same place in history.
    fn news(&mut self, image: &Image, is_kill: bool, folded: usize) -> News {
        let key = image.content_hash() ^ u64::from(is_kill);
        let freed = match self.runner.disk.profile.exposes_stale() {
            true => image.freed_hash(),
            false => 0,
        };
        News {
            content: self.seen.insert((key, folded)),
            freed: freed != 0 && self.seen_freed.insert((freed, folded)),
        }
    }

    /// Whether the recovery from an image is crashed as well. What freed blocks hold shows only
    /// then, so that images which differ in it are no better than equal without.
    fn is_crashed_again(
        &self,
        news: News,
        base: &Base<'_, S>,
        draw: &mut Draw<'_>,
        depth: u32,
    ) -> bool {
        let one_in = self.effort.nested_one_in;
        if depth >= self.effort.depth_max || one_in == 0 {
            return false;
        }
        let by_content = news.content && draw.below(one_in) == 0;
        let of_freed = one_in.div_ceil(FREED_MORE_OFTEN);
        let by_freed =
            news.freed && draw.stream("freed", self.number(base), |draw| draw.below(of_freed) == 0);
        by_content || by_freed
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

    fn nested(
        &mut self,
        eras: &[Era<S::Op>],
        base: &Base<'_, S>,
        draw: &mut Draw<'_>,
        depth: u32,
    ) -> Option<Found<S>> {
        let seen = std::mem::take(&mut self.seen);
        let cuts_max = std::mem::replace(&mut self.effort.cuts_max, NESTED_CUTS);
        let found = self.crash(eras, base, draw, depth + 1);
        self.effort.cuts_max = cuts_max;
        self.seen = seen;
        found
    }
}

/// The faults of the next era, without damage where there was some before: damage of several
/// places promises nothing that could be checked.
fn after_damage(promise: Promise, faults: &[FaultRule]) -> Vec<FaultRule> {
    let is_whole = promise == Promise::Full;
    let faults = faults.iter().cloned();
    faults
        .filter(|rule| is_whole || !rule.what.is_at_rest())
        .collect()
}

/// What of an image was not met before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct News {
    /// What a program sees.
    content: bool,
    /// What the blocks of files that are gone hold.
    freed: bool,
}

impl News {
    /// Damage of its own makes any image another.
    const DAMAGED: Self = Self {
        content: true,
        freed: false,
    };
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
