//! After a recovery that passes and ends in order: what it left has to stand the same again.
//!
//! The state is that of a kill at the end of the run: the page cache stays. Different images leave
//! few different ones of these, so most are known already ([`crate::reopening`]). One that is new is
//! run, and crashed in its turn where the depth allows it: the cuts of a recovery are those of
//! both runs.

use super::lot::{Lot, Moment, Scene};
use super::verdict::{Kin, eras_of};
use crate::disk::{CrashKind, CrashModel, Resolution, Trace};
use crate::reopening::Key;
use crate::run::{Start, after_crash};
use crate::scenario::Scenario;

impl<S: Scenario> Lot<S> {
    /// As [`second`](Self::second), for an image that a tree has judged: what was left depends on
    /// the image only if there are bytes that the run of the leaf has not looked at.
    pub(super) fn second_by_tree(
        &mut self,
        scene: &Scene<'_, S>,
        moment: &Moment<'_, S>,
        start: &Start<S>,
        (kin, leaf): (Kin, usize),
        resolution: Option<&Resolution>,
    ) {
        let leaf = self.trees.get(&kin).and_then(|tree| tree.leaf(leaf));
        let Some((left, events)) = leaf.and_then(|leaf| Some((leaf.left.clone()?, &leaf.events)))
        else {
            return;
        };
        let mut model = start.model.clone();
        for event in events {
            // They were judged by the tree's verdict.
            let _ = scene.team.runner.scenario.apply(&mut model, event);
        }
        self.second(scene, moment, start, (&left, &model), resolution);
    }

    /// Starts the system on what a run from `start` has left that wrote this trace, and after
    /// which the model was this.
    pub(super) fn second(
        &mut self,
        scene: &Scene<'_, S>,
        moment: &Moment<'_, S>,
        start: &Start<S>,
        (trace, model): (&Trace, &S::Model),
        resolution: Option<&Resolution>,
    ) {
        let runner = scene.team.runner;
        let mut disk = CrashModel::new(&start.image, &runner.disk, &[]);
        disk.advance(trace, trace.len());
        let image = disk.kill_image();
        let left = after_crash(
            &*runner.scenario,
            CrashKind::Kill,
            image,
            model,
            start.promise,
            start.depth,
        );
        let key = Key::of(runner, &left);
        if self.reopenings.passes(runner, key, &left) {
            return;
        }
        let verification = scene.team.verification();
        let run = self.run(scene, &left, &verification);
        self.tally(scene.depth).second += 1;
        self.reopenings.remember(key, &run);
        if let Some(failure) = &run.failure {
            self.failed(scene, failure, eras_of(scene, moment, resolution, 2));
        } else if scene.depth < scene.team.options.depth_max {
            self.nested(Scene {
                start: &left,
                run: &run,
                era: &verification,
                before: &eras_of(scene, moment, resolution, 1),
                depth: scene.depth + 1,
                ..*scene
            });
        }
    }
}
