//! After a recovery that passes and ends in order: what it left has to stand the same again.
//!
//! The state is that of a kill at the end of the run: the page cache stays. Different images leave
//! few different ones of these, so most are known already ([`crate::reopening`]). One that is new is
//! run, and crashed in its turn where the depth allows it: the cuts of a recovery are those of
//! both runs.
//!
//! Most recoveries make everything durable before they end, and then what they leave is what is
//! seen. Whether that is so depends on the calls alone: no data is in it, only what was written
//! where, and what was synced after it.

use super::lot::{Lot, Moment, Scene};
use super::past::Past;
use super::verdict::{Kin, eras_of};
use crate::disk::{CrashKind, CrashModel, Image, Resolution, Trace};
use crate::reopening::Key;
use crate::run::{Start, after_crash};
use crate::scenario::Scenario;

/// The run after which everything is looked at again.
pub(super) struct First<'a, S: Scenario> {
    pub trace: &'a Trace,
    /// The model at its end.
    pub model: &'a S::Model,
    /// What led to that, if crashes are to be nested in what follows.
    pub past: Option<Past>,
    /// What was seen at its end, and the hash of its calls, if it was run on this very image.
    pub seen: Option<(&'a Image, u64)>,
}

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
        let Some((trace, events)) = leaf.and_then(|leaf| Some((leaf.left.clone()?, &leaf.events)))
        else {
            return;
        };
        let mut model = start.model.clone();
        for event in events {
            // They were judged by the tree's verdict.
            let _ = scene.team.runner.scenario.apply(&mut model, event);
        }
        let first = First {
            trace: &trace,
            model: &model,
            past: None,
            seen: None,
        };
        self.second(scene, moment, start, &first, resolution);
    }

    /// Starts the system on what a run from `start` has left.
    pub(super) fn second(
        &mut self,
        scene: &Scene<'_, S>,
        moment: &Moment<'_, S>,
        start: &Start<S>,
        first: &First<'_, S>,
        resolution: Option<&Resolution>,
    ) {
        let runner = scene.team.runner;
        let after = |image| {
            let (promise, depth) = (start.promise, start.depth);
            let scenario = &*runner.scenario;
            let kind = CrashKind::Kill;
            after_crash(scenario, kind, image, first.model, promise, depth)
        };
        let was_durable = start.image.unsynced_hash() == 0;
        let settled = first.seen.filter(|(_, calls)| {
            was_durable && self.settles.get(calls).is_some_and(|settles| *settles)
        });
        if let Some((seen, _)) = settled {
            let left = after(seen.clone());
            if self
                .reopenings
                .passes(runner, Key::of(runner, &left), &left)
            {
                return;
            }
        }
        let mut disk = CrashModel::new(&start.image, &runner.disk, &[]);
        disk.advance(first.trace, first.trace.len());
        let left = after(disk.kill_image());
        if let Some((_, calls)) = first.seen.filter(|_| was_durable) {
            self.settles.insert(calls, left.image.unsynced_hash() == 0);
        }
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
        } else if let Some(past) = first.past {
            let past = past.crashed(CrashKind::Kill, start.promise);
            self.nested(Scene {
                pasts: &past.through::<S>(&run.history),
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
