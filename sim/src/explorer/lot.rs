//! One lot of the work: from cuts to images.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::ground::{Part, cuts};
use super::levels::{self, LevelTally};
use super::past::Past;
use super::rounds::Team;
use super::seen::Seen;
use super::verdict::{Judged, Kin, Leaf};
use crate::case::{CaseOf, Era};
use crate::disk::{Built, Choice, CrashModel, Elements, Print, choices, legal_images_log2};
use crate::failure::Failure;
use crate::readtree::ReadTree;
use crate::reopening::{Key, Reopenings};
use crate::run::{EraRun, Start};
use crate::scenario::Scenario;

/// Subsets of at most so many elements are exhausted.
const EXHAUST_MAX: u32 = 12;
/// A cut is exhausted when so many samples in a row have brought nothing new.
const STALE_MAX: u32 = 64;
/// After so many choices it is asked whether to go on.
const ASK_EVERY: u64 = 16;
/// The list of contents is not tidied before it is so long.
const CONTENTS_MIN: usize = 1 << 16;

/// A failure, as a case.
pub(super) struct Finding<S: Scenario> {
    pub failure: Failure,
    pub case: CaseOf<S>,
    /// How many images showed it.
    pub count: u64,
    /// How deep crashes nest in the case; 0: it needs none.
    pub depth: u32,
}

/// The state of a lot between rounds.
pub(super) struct Lot<S: Scenario> {
    part: Part,
    progress: Vec<Progress>,
    pub(super) judged: Judged,
    pub(super) trees: BTreeMap<Kin, ReadTree<Leaf<S>>>,
    /// Which runs have been crashed: tree, leaf, what led to the model, and a hash of all that is
    /// on the disk.
    pub(super) crashed: BTreeSet<(Kin, usize, (Past, u64))>,
    /// By the hash of a run's calls and the number of their effects, whether all that it leaves is
    /// durable, if all was before.
    pub(super) settles: BTreeMap<(u64, usize), bool>,
    /// Which second runs have been crashed: where they began, and what led to the model.
    pub(super) crashed_second: BTreeSet<(Key, Past, u64)>,
    /// What has been found after recoveries.
    pub(super) reopenings: Reopenings<S>,
    /// Whether its trees take all answers for the same: a planted defect.
    pub(super) is_deaf: bool,
    /// Whether some runs may have read anything of their models.
    pub(super) has_unnamed: bool,
    /// How many images trees have judged.
    pub(super) tree_verdicts: u64,
    /// Eras that were crashed; each has a number of its own.
    scene_count: u64,
    pub levels: Vec<LevelTally>,
    /// Hashes of the contents of images, some more than once.
    pub contents: Vec<u64>,
    contents_max: usize,
    pub findings: Vec<Finding<S>>,
    pub defect: Option<String>,
}

/// What has been tried at one cut.
#[derive(Default)]
struct Progress {
    seen: Seen,
    stale: u32,
    is_exhausted: bool,
}

/// What serves all images of a scene.
#[derive(Default)]
struct Shop {
    built: Built,
    print: Print,
}

/// A finished era that is being crashed.
pub(super) struct Scene<'a, S: Scenario> {
    pub team: &'a Team<'a, S>,
    /// The lot's number.
    pub lot: usize,
    pub start: &'a Start<S>,
    pub run: &'a EraRun<S>,
    pub era: &'a Era<S::Op>,
    pub before: &'a [Era<S::Op>],
    pub depth: u32,
    /// The scene's number within the lot.
    pub number: u64,
    /// What led to the model after each event of the run.
    pub pasts: &'a [Past],
}

/// A cut with what is known there.
pub(super) struct Moment<'a, S: Scenario> {
    pub at: usize,
    /// How many events there were before.
    pub folded: usize,
    /// What led to the model.
    pub past: Past,
    pub disk: &'a CrashModel,
    /// The model before the crash.
    pub model: &'a S::Model,
}

impl<S: Scenario> Lot<S> {
    pub fn new(part: Part, is_deaf: bool) -> Self {
        let progress = part.cuts.iter().map(|_| Progress::default()).collect();
        Self {
            part,
            progress,
            judged: Judged::default(),
            trees: BTreeMap::new(),
            is_deaf,
            crashed: BTreeSet::new(),
            settles: BTreeMap::new(),
            crashed_second: BTreeSet::new(),
            reopenings: Reopenings::default(),
            has_unnamed: false,
            tree_verdicts: 0,
            scene_count: 0,
            levels: Vec::new(),
            contents: Vec::new(),
            contents_max: CONTENTS_MIN,
            findings: Vec::new(),
            defect: None,
        }
    }

    /// Whether no cut has anything new to give.
    pub fn is_exhausted(&self) -> bool {
        self.progress.iter().all(|cut| cut.is_exhausted)
    }

    /// Goes through the lot's cuts once more, with these choices.
    pub fn work(&mut self, team: &Team<'_, S>, number: usize, choices: &Range<u64>) {
        let Some(ground) = team.grounds.get(self.part.ground) else {
            return;
        };
        let scene = Scene {
            team,
            lot: number,
            start: &ground.start,
            run: &ground.run,
            era: &ground.era,
            before: &ground.before,
            depth: 1,
            number: 0,
            pasts: &ground.pasts,
        };
        let cuts = std::mem::take(&mut self.part.cuts);
        let mut progress = std::mem::take(&mut self.progress);
        self.level(&scene, &cuts, &mut progress, choices);
        self.part.cuts = cuts;
        self.progress = progress;
    }

    /// Crashes a recovery at each of its cuts.
    pub(super) fn nested(&mut self, mut scene: Scene<'_, S>) {
        self.scene_count += 1;
        scene.number = self.scene_count;
        let trace = &scene.run.trace;
        let cuts = cuts(trace.len(), |at| trace.boundary(at));
        let mut progress: Vec<Progress> = cuts.iter().map(|_| Progress::default()).collect();
        let choices = 0..scene.team.options.nested_choices_max;
        self.level(&scene, &cuts, &mut progress, &choices);
        if self.has_unnamed {
            self.trees.retain(|kin, _| !kin.is_of(scene.number));
            self.crashed.retain(|(kin, _, _)| !kin.is_of(scene.number));
        }
    }

    fn level(
        &mut self,
        scene: &Scene<'_, S>,
        cuts: &[usize],
        progress: &mut [Progress],
        choices: &Range<u64>,
    ) {
        let runner = scene.team.runner;
        let mut disk = CrashModel::new(&scene.start.image, &runner.disk, &scene.era.faults);
        let mut model = scene.start.model.clone();
        let mut folded = 0;
        let mut shop = Shop::default();
        for (&at, progress) in cuts.iter().zip(progress) {
            if self.defect.is_some() || scene.team.has_to_end(scene.lot) {
                return;
            }
            disk.advance(&scene.run.trace, at);
            let history = &scene.run.history;
            while let Some(stamped) = history.get(folded).filter(|event| event.at <= at) {
                // It was judged when it was recorded; here it is only folded.
                let _ = runner.scenario.apply(&mut model, &stamped.event);
                folded += 1;
            }
            if progress.is_exhausted {
                continue;
            }
            let Some(&past) = scene.pasts.get(folded) else {
                return;
            };
            let moment = Moment {
                at,
                folded,
                past,
                disk: &disk,
                model: &model,
            };
            self.cut(scene, &moment, progress, choices, &mut shop);
        }
    }

    fn cut(
        &mut self,
        scene: &Scene<'_, S>,
        moment: &Moment<'_, S>,
        progress: &mut Progress,
        wanted: &Range<u64>,
        shop: &mut Shop,
    ) {
        if wanted.start == 0 {
            let tally = self.tally(scene.depth);
            tally.cuts += 1;
            tally.kills += 1;
            tally.add_legal(legal_images_log2(moment.disk));
            self.image(scene, moment, moment.disk.kill_image(), None);
        }
        let elements = Elements::of(moment.disk);
        shop.built.at(moment.disk, &elements);
        let mut row = choices(moment.disk, &elements, EXHAUST_MAX).skip(wanted.start as usize);
        for number in wanted.clone() {
            let Some(choice) = row.next() else {
                progress.is_exhausted = true;
                return;
            };
            // A cut of the workload may have any number of choices.
            let asks = number.is_multiple_of(ASK_EVERY);
            if self.defect.is_some() || (asks && scene.team.has_to_end(scene.lot)) {
                return;
            }
            self.choice(scene, moment, progress, (choice, &elements), shop);
            if progress.stale >= STALE_MAX {
                progress.is_exhausted = true;
                return;
            }
        }
    }

    fn choice(
        &mut self,
        scene: &Scene<'_, S>,
        moment: &Moment<'_, S>,
        progress: &mut Progress,
        (choice, elements): (Choice, &Elements),
        shop: &mut Shop,
    ) {
        let resolution = choice.resolve(moment.disk, elements);
        resolution.fingerprint_into(&mut shop.print, moment.disk, elements);
        if !progress.seen.insert(shop.print.seen()) {
            progress.stale += u32::from(choice.is_sampled());
            return;
        }
        progress.stale = 0;
        self.tally(scene.depth).tried += 1;
        let built = (&mut shop.built, !choice.is_sampled());
        let choice = (&resolution, &shop.print);
        let image = moment.disk.image_with(choice, elements, built);
        self.image(scene, moment, image, Some(&resolution));
    }

    /// Keeps the list of contents short: each once, whenever it has doubled.
    pub(super) fn tidy_contents(&mut self) {
        if self.contents.len() >= self.contents_max {
            levels::count_distinct(&mut self.contents);
            self.contents_max = self.contents.len().saturating_mul(2).max(CONTENTS_MIN);
        }
    }

    pub(super) fn tally(&mut self, depth: u32) -> &mut LevelTally {
        let at = depth.saturating_sub(1) as usize;
        if at >= self.levels.len() {
            self.levels.resize(at + 1, LevelTally::default());
        }
        &mut self.levels[at]
    }
}
