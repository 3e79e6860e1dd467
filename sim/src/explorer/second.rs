//! After a recovery that passes and ends in order: what it left has to stand the same again.
//!
//! The state is that of a kill at the end of the run: the page cache stays. Different images leave
//! few different ones of these, so most are known already ([`crate::reopening`]). Together the two
//! runs are one path of the read tree: what the second asks of bytes that the first has neither
//! read nor written is a question about the image.
//!
//! Most recoveries make everything durable before they end, and then what they leave is what is
//! seen. Whether that is so depends on the calls alone: no data is in it, only what was written
//! where, and what was synced after it.

use super::lot::{Lot, Scene};
use super::past::Past;
use super::verdict::below;
use crate::disk::{CrashKind, CrashModel, Question, Shape};
use crate::failure::Failure;
use crate::reopening::{Key, Reopened};
use crate::run::{EraRun, Runner, Start, after_crash};
use crate::scenario::Scenario;

/// What the second start did.
pub(super) struct Second<S: Scenario> {
    pub events: Vec<S::Event>,
    /// What it asked of what was left, if that was written down and is all.
    pub questions: Option<Vec<Question>>,
    /// What of the model it may have read.
    pub known: Option<u64>,
    /// Of what was left.
    pub shape: Shape,
    /// Where it began and what it did, unless that was known.
    pub ran: Option<(Start<S>, EraRun<S>)>,
}

impl<S: Scenario> Second<S> {
    fn of(reopened: Reopened<S>, runner: &Runner<S>, left: &Start<S>) -> Self {
        let Reopened { events, questions } = reopened;
        Self {
            events,
            questions,
            known: runner.scenario.known_to_a_run(&runner.config, &left.model),
            shape: left.image.shape(),
            ran: None,
        }
    }
}

impl<S: Scenario> Lot<S> {
    /// Whether such a second run has been crashed, after this past; or none is to be.
    fn is_second_crashed(
        &self,
        scene: &Scene<'_, S>,
        key: Option<Key>,
        past: Past,
        left: &Start<S>,
    ) -> bool {
        let is_deepest = scene.depth >= scene.team.options.depth_max;
        let crashed = key.map(|key| (key, past, below(scene, &left.image)));
        is_deepest || crashed.is_some_and(|crashed| self.crashed_second.contains(&crashed))
    }

    /// Starts the system on what a run from `start` has left; if `recalls`, only where what it
    /// would do is not known. `past` led to the model after
    /// the first run.
    ///
    /// # Errors
    /// What it failed with.
    pub(super) fn second(
        &mut self,
        scene: &Scene<'_, S>,
        start: &Start<S>,
        first: &EraRun<S>,
        past: Past,
        recalls: bool,
    ) -> Result<Second<S>, Failure> {
        let runner = scene.team.runner;
        let after = |image| {
            let scenario = &*runner.scenario;
            let (model, promise) = (&first.model, first.promise);
            after_crash(
                scenario,
                CrashKind::Kill,
                image,
                model,
                promise,
                start.depth,
            )
        };
        let was_durable = start.image.unsynced_hash() == 0;
        // What was done to a file's length may depend on what it was, and no call tells.
        let calls = (first.hash, first.trace.len());
        let settles = self.settles.get(&calls).copied().unwrap_or(false);
        if let Some(seen) = first.seen.as_ref()
            && recalls
            && was_durable
            && settles
        {
            let left = after(seen.clone());
            let key = Key::of(runner, &left, scene.depth);
            if self.is_second_crashed(scene, key, past, &left)
                && let Some(known) = self.reopenings.recall(runner, key, &left)
            {
                return Ok(Second::of(known.clone(), runner, &left));
            }
        }
        let mut disk = CrashModel::new(&start.image, &runner.disk, &[]);
        disk.advance(&first.trace, first.trace.len());
        let left = after(disk.kill_image());
        if was_durable {
            let settles = left.image.unsynced_hash() == 0;
            self.settles.insert(calls, settles);
        }
        let key = Key::of(runner, &left, scene.depth);
        let is_crashed = self.is_second_crashed(scene, key, past, &left);
        let known = self.reopenings.recall(runner, key, &left);
        if let Some(known) = known.filter(|_| recalls && is_crashed) {
            return Ok(Second::of(known.clone(), runner, &left));
        }
        let mut run = self.run(scene, &left, &scene.team.verification());
        self.tally(scene.depth).second += 1;
        if let Some(failure) = run.failure.take() {
            return Err(failure);
        }
        self.reopenings.remember(key, &run);
        if let Some(key) = key.filter(|_| recalls) {
            // Whoever ran it crashes it.
            let crashed = (key, past, below(scene, &left.image));
            self.crashed_second.insert(crashed);
        }
        let second = Second::of(Reopened::of(&run), runner, &left);
        Ok(Second {
            ran: Some((left, run)),
            ..second
        })
    }
}
