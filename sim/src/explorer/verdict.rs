//! The verdict on one image: through the read tree, or by running on it.
//!
//! A run that passes is followed by a second one on what its orderly end has left
//! ([`super::second`]), and a verdict is of both. Not here: which images there are (`lot`).

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::found::eras_of;
use super::lot::{Lot, Moment, Scene};
use super::past::Past;
use super::second::Second;
use super::seen::Seen;
use crate::call::mix64;
use crate::case::Era;
use crate::disk::{CrashKind, Image, Promise, Question, Resolution, Shape};
use crate::failure::Failure;
use crate::readtree::{Contradiction, ReadTree};
use crate::run::{EraRun, Start, after_crash, plan_of};
use crate::scenario::Scenario;
use crate::sched::Finish;

/// A tree that has so many leaves gets no more: memory has an end.
const LEAVES_MAX: usize = 1 << 18;

/// Runs that may share a tree: they differ in nothing but their image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kin {
    /// How many eras there were before: it varies the program's random bytes.
    depth: u64,
    /// How deep crashes are nested: what was run deeper may not have been crashed as deep.
    level: u32,
    promise: Promise,
    known: Known,
}

/// What of the model a run may have read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    /// Only what the scenario names.
    Named(u64),
    /// Anything: the model of this scene after so many events and a crash of this kind.
    All {
        scene: u64,
        folded: usize,
        is_kill: bool,
    },
}

impl Kin {
    fn of<S: Scenario>(scene: &Scene<'_, S>, moment: &Moment<'_, S>, start: &Start<S>) -> Self {
        let all = |is_kill| Known::All {
            scene: scene.number,
            folded: moment.folded,
            is_kill,
        };
        let runner = scene.team.runner;
        let known = match runner.scenario.known_to_a_run(&runner.config, &start.model) {
            Some(known) => Known::Named(known),
            None => all(start.image.is_of_kill()),
        };
        Self {
            depth: start.depth,
            level: scene.depth,
            promise: start.promise,
            known,
        }
    }

    /// Whether only this scene can have use for it.
    pub fn is_of(&self, number: u64) -> bool {
        matches!(self.known, Known::All { scene, .. } if scene == number)
    }
}

/// What two runs without a failure did: one on an image, one on what the first has left.
pub(super) struct Leaf<S: Scenario> {
    events: Vec<S::Event>,
    then: Vec<S::Event>,
    /// What of the model the second run may have read.
    known_then: Option<u64>,
    finish: Finish,
    calls: u64,
}

/// What has been judged.
#[derive(Default)]
pub(super) struct Judged {
    /// Hashes of contents, with what led to the model, and how deep crashes were nested.
    seen: Seen,
    /// Whether what stands at a leaf is right after a past, if it says anything of that.
    verdicts: BTreeMap<(Kin, usize, Past), Option<bool>>,
}

impl<S: Scenario> Lot<S> {
    /// Judges an image; without a resolution it is that of a kill.
    pub(super) fn image(
        &mut self,
        scene: &Scene<'_, S>,
        moment: &Moment<'_, S>,
        image: Image,
        resolution: Option<&Resolution>,
    ) {
        let content = image.content_hash();
        self.contents.push(content);
        self.tidy_contents();
        let kind = match resolution {
            Some(_) => CrashKind::Power,
            None => CrashKind::Kill,
        };
        let past = moment.past.crashed(kind, scene.run.promise);
        let below = below(scene, &image);
        if !self
            .judged
            .seen
            .insert(past.with(content ^ below, scene.depth))
        {
            return;
        }
        self.tally(scene.depth).judged += 1;
        let shape = image.shape();
        let start = start_of(scene, moment, image, kind);
        let kin = Kin::of(scene, moment, &start);
        self.has_unnamed |= kin.is_of(scene.number);
        // Damage, or a limit of space, is seen by runs and is in no question.
        let is_plain = start.image.is_plain(&scene.team.runner.disk);
        let found = self.trees.get_mut(&kin).filter(|_| is_plain);
        let found = found.and_then(|tree| tree.find(&start.image, &shape));
        // A crash of the recovery is judged by what was promised before, and may take what is not
        // durable yet, or show what freed blocks hold. And whoever recovers from it may read what
        // this one never did. So equal answers are not enough for it.
        let crashed = (past, content ^ below);
        let found = found.filter(|&leaf| self.is_crashed_alike(scene, crashed, (kin, leaf)));
        let verdict = found.map(|leaf| (leaf, self.verdict_of(scene, (&start, past), (kin, leaf))));
        let Some((leaf, Some(passes))) = verdict else {
            // Where a leaf says nothing of this past, the second run may ask otherwise on its path.
            let kin = verdict.is_none().then_some(kin);
            self.run_on(scene, moment, (&start, crashed), &shape, kin, resolution);
            return;
        };
        self.tally(scene.depth).by_tree += 1;
        self.tree_verdicts += 1;
        if passes && !self.is_sampled(scene, content) {
            return;
        }
        self.tally(scene.depth).checked += 1;
        self.compare(
            scene,
            moment,
            &start,
            &shape,
            (kin, leaf, passes),
            resolution,
        );
    }

    /// Whether a run at this leaf has been crashed, after this past and with as much below what is
    /// seen; or none is to be.
    fn is_crashed_alike(
        &self,
        scene: &Scene<'_, S>,
        crashed: (Past, u64),
        (kin, leaf): (Kin, usize),
    ) -> bool {
        let is_deepest = scene.depth >= scene.team.options.depth_max;
        is_deepest || self.crashed.contains(&(kin, leaf, crashed))
    }

    /// Whether the present verdict of a tree is compared with a run: the lot's first, and then by
    /// a hash, so that equal contents are compared in some places and not in others.
    fn is_sampled(&self, scene: &Scene<'_, S>, content: u64) -> bool {
        let one_in = scene.team.options.check_one_in.max(1);
        let hash = mix64(content ^ mix64(self.tree_verdicts));
        self.tree_verdicts == 1 || hash.is_multiple_of(one_in)
    }

    /// Whether what the runs at a leaf recorded is right for this past, too. None: after it the
    /// second run would know something else, and might do something else.
    fn verdict_of(
        &mut self,
        scene: &Scene<'_, S>,
        (start, past): (&Start<S>, Past),
        (kin, leaf): (Kin, usize),
    ) -> Option<bool> {
        let key = (kin, leaf, past);
        if let Some(&verdict) = self.judged.verdicts.get(&key) {
            return verdict;
        }
        let leaf = self.trees.get(&kin)?.leaf(leaf)?;
        let runner = scene.team.runner;
        let scenario = &runner.scenario;
        let mut model = start.model.clone();
        let fits = |model: &mut S::Model, events: &[S::Event]| {
            let mut events = events.iter();
            events.all(|event| scenario.apply(model, event).is_ok())
        };
        let verdict = if fits(&mut model, &leaf.events) {
            scenario.crash(&mut model, CrashKind::Kill);
            let known = scenario.known_to_a_run(&runner.config, &model);
            (known == leaf.known_then).then(|| fits(&mut model, &leaf.then))
        } else {
            Some(false)
        };
        self.judged.verdicts.insert(key, verdict);
        verdict
    }

    /// Runs the verification era twice, keeps what both saw and did in the tree of `kin`, and
    /// crashes them in turn.
    fn run_on(
        &mut self,
        scene: &Scene<'_, S>,
        moment: &Moment<'_, S>,
        (start, crashed): (&Start<S>, (Past, u64)),
        shape: &Shape,
        kin: Option<Kin>,
        resolution: Option<&Resolution>,
    ) {
        let past = crashed.0;
        let (mut run, second) = match self.both(scene, start, past, true) {
            Ok(both) => both,
            Err((failure, eras)) => {
                self.failed(scene, &failure, eras_of(scene, moment, resolution, eras));
                return;
            }
        };
        if let Some(kin) = kin {
            match self.keep(start, shape, kin, &mut run, &second) {
                Ok(None) => {}
                Ok(Some(leaf)) => {
                    self.crashed.insert((kin, leaf, crashed));
                }
                Err(Contradiction) => {
                    self.contradicted(scene, moment, "it asked something else", resolution);
                    return;
                }
            }
        }
        if scene.depth >= scene.team.options.depth_max {
            return;
        }
        let verification = scene.team.verification();
        let pasts = past.through::<S>(&run.history);
        self.nested(Scene {
            pasts: &pasts,
            start,
            run: &run,
            era: &verification,
            before: &eras_of(scene, moment, resolution, 0),
            depth: scene.depth + 1,
            ..*scene
        });
        if let Some((left, ran)) = &second.ran {
            let past = pasts.last().copied().unwrap_or(past);
            let past = past.crashed(CrashKind::Kill, run.promise);
            self.nested(Scene {
                pasts: &past.through::<S>(&ran.history),
                start: left,
                run: ran,
                era: &verification,
                before: &eras_of(scene, moment, resolution, 1),
                depth: scene.depth + 1,
                ..*scene
            });
        }
    }

    /// Runs the verification era, and on what that leaves once more; if `recalls`, the second only
    /// where it is not known.
    ///
    /// # Errors
    /// The failure, and in which of the two it showed.
    fn both(
        &mut self,
        scene: &Scene<'_, S>,
        start: &Start<S>,
        past: Past,
        recalls: bool,
    ) -> Result<(EraRun<S>, Second<S>), (Failure, usize)> {
        let mut run = self.run(scene, start, &scene.team.verification());
        if let Some(failure) = run.failure.take() {
            return Err((failure, 1));
        }
        // That of the first run's end has all that the model has seen. Only who crashes needs it.
        let past = match scene.depth < scene.team.options.depth_max {
            true => past.through::<S>(&run.history).pop().unwrap_or(past),
            false => past,
        };
        let second = self.second(scene, start, &run, past, recalls);
        match second {
            Ok(second) => Ok((run, second)),
            Err(failure) => Err((failure, 2)),
        }
    }

    /// Makes what both runs saw and did a path of the tree, if that can be told and there is room.
    fn keep(
        &mut self,
        start: &Start<S>,
        shape: &Shape,
        kin: Kin,
        run: &mut EraRun<S>,
        second: &Second<S>,
    ) -> Result<Option<usize>, Contradiction> {
        let is_full = |tree: &ReadTree<Leaf<S>>| tree.leaf_count() >= LEAVES_MAX;
        let has_room = !self.trees.get(&kin).is_some_and(is_full);
        let leaf = leaf_of(run, second);
        let Some(questions) = asked_by_both(run, second).filter(|_| has_room) else {
            return Ok(None);
        };
        let is_deaf = self.is_deaf;
        let tree = self.trees.entry(kin);
        let tree = tree.or_insert_with(|| ReadTree::new(is_deaf));
        tree.insert(&start.image, shape, &questions, leaf).map(Some)
    }

    /// Runs on an image that the tree has judged: both must say the same.
    fn compare(
        &mut self,
        scene: &Scene<'_, S>,
        moment: &Moment<'_, S>,
        start: &Start<S>,
        shape: &Shape,
        (kin, leaf, passes): (Kin, usize, bool),
        resolution: Option<&Resolution>,
    ) {
        let past = moment.past;
        let both = self.both(scene, start, past, false);
        if both.is_ok() != passes {
            self.contradicted(scene, moment, "it was judged otherwise", resolution);
            return;
        }
        let (mut run, second) = match both {
            Ok(both) => both,
            Err((failure, eras)) => {
                self.failed(scene, &failure, eras_of(scene, moment, resolution, eras));
                return;
            }
        };
        let ran = leaf_of(&run, &second);
        let questions = asked_by_both(&mut run, &second).unwrap_or_default();
        let Some(tree) = self.trees.get_mut(&kin) else {
            return;
        };
        let is_told = tree.leaf(leaf).is_some_and(|known| known.is_like(&ran));
        let path = tree.insert(&start.image, shape, &questions, ran);
        if !is_told {
            self.contradicted(scene, moment, "it did something else", resolution);
        } else if path != Ok(leaf) {
            self.contradicted(scene, moment, "it asked something else", resolution);
        }
    }

    pub(super) fn run(
        &mut self,
        scene: &Scene<'_, S>,
        start: &Start<S>,
        era: &Era<S::Op>,
    ) -> EraRun<S> {
        let run = scene.team.runner.era(start, plan_of(era));
        let tally = self.tally(scene.depth);
        tally.recoveries += 1;
        tally.calls += run.calls;
        run
    }
}

impl<S: Scenario> Leaf<S> {
    fn is_like(&self, other: &Self) -> bool {
        self.finish == other.finish
            && self.calls == other.calls
            && self.events.len() == other.events.len()
            && told(&self.events) == told(&other.events)
            && told(&self.then) == told(&other.then)
    }
}

/// A hash of what is not seen, where a later crash may show it.
pub(super) fn below<S: Scenario>(scene: &Scene<'_, S>, image: &Image) -> u64 {
    let shows = scene.team.runner.disk.profile.exposes_stale();
    let is_deepest = scene.depth >= scene.team.options.depth_max;
    if shows && !is_deepest {
        image.hidden_hash()
    } else {
        0
    }
}

fn told<E: Debug>(events: &[E]) -> String {
    format!("{events:?}")
}

fn leaf_of<S: Scenario>(run: &EraRun<S>, second: &Second<S>) -> Leaf<S> {
    let events = run.history.iter().map(|stamped| stamped.event.clone());
    Leaf {
        events: events.collect(),
        then: second.events.clone(),
        known_then: second.known,
        finish: run.finish.clone(),
        calls: run.calls,
    }
}

/// What two runs asked of the image of the first, if that is all; it is taken out of the run.
fn asked_by_both<S: Scenario>(run: &mut EraRun<S>, second: &Second<S>) -> Option<Vec<Question>> {
    let asks = run.asks.take()?;
    Some(asks.followed_by(&second.shape, second.questions.as_ref()?))
}

fn start_of<S: Scenario>(
    scene: &Scene<'_, S>,
    moment: &Moment<'_, S>,
    image: Image,
    kind: CrashKind,
) -> Start<S> {
    let scenario = &*scene.team.runner.scenario;
    let promise = scene.run.promise;
    after_crash(
        scenario,
        kind,
        image,
        moment.model,
        promise,
        scene.start.depth,
    )
}
