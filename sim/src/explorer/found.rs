//! What is wrong, as a case: the eras that lead to it, and the proof that it fails again.

use super::lot::{Finding, Lot, Moment, Scene};
use crate::case::{Case, End, Era};
use crate::disk::Resolution;
use crate::explore::cut_at;
use crate::failure::Failure;
use crate::run::run_case;
use crate::scenario::Scenario;
use crate::sched::Schedule;

impl<S: Scenario> Lot<S> {
    /// A failure becomes a case, and the case must show it.
    pub(super) fn failed(
        &mut self,
        scene: &Scene<'_, S>,
        failure: &Failure,
        eras: Vec<Era<S::Op>>,
    ) {
        let team = scene.team;
        if team.wanted.is_some_and(|wanted| !wanted.same(failure)) {
            return;
        }
        let known = self
            .findings
            .iter()
            .position(|known| known.failure.same(failure));
        if let Some(known) = known.and_then(|at| self.findings.get_mut(at))
            && known.depth <= scene.depth
        {
            known.count += 1;
            return;
        }
        let case = Case {
            eras,
            ..team.case.clone()
        };
        let replayed = run_case(&team.runner.scenario, &case, false).failure;
        if !replayed.is_some_and(|(_, replayed)| replayed.same(failure)) {
            let end = &case.eras.get(scene.before.len()).map(|era| &era.end);
            self.defect = Some(format!(
                "a run on an image contradicts what was known of it: as a case it has not: \
                 {failure}; crash {} of the case: {end:?}",
                scene.before.len() + 1
            ));
            return;
        }
        let mut finding = Finding {
            failure: failure.clone(),
            case,
            count: 1,
            depth: scene.depth,
        };
        match known.and_then(|at| self.findings.get_mut(at)) {
            Some(deeper) => {
                finding.count += deeper.count;
                *deeper = finding;
            }
            None => self.findings.push(finding),
        }
    }

    /// A run says otherwise than what was known: a defect, which ends the exploration.
    pub(super) fn contradicted(
        &mut self,
        scene: &Scene<'_, S>,
        moment: &Moment<'_, S>,
        what: &str,
        resolution: Option<&Resolution>,
    ) {
        let era = crashed(scene, moment, resolution);
        self.defect = Some(format!(
            "a run on an image contradicts what was known of it: {what}; crash {} of the case: \
             {:?}",
            scene.before.len() + 1,
            era.end
        ));
    }
}

/// The eras of a case that has this image, followed by so many verification eras.
pub(super) fn eras_of<S: Scenario>(
    scene: &Scene<'_, S>,
    moment: &Moment<'_, S>,
    resolution: Option<&Resolution>,
    verifications: usize,
) -> Vec<Era<S::Op>> {
    let mut eras = scene.before.to_vec();
    eras.push(crashed(scene, moment, resolution));
    let verification = scene.team.verification();
    eras.extend(std::iter::repeat_n(verification, verifications));
    eras
}

/// The era as a case says it, ended by the crash.
fn crashed<S: Scenario>(
    scene: &Scene<'_, S>,
    moment: &Moment<'_, S>,
    resolution: Option<&Resolution>,
) -> Era<S::Op> {
    let at = cut_at(&scene.run.trace, moment.at);
    let end = match resolution {
        Some(resolution) => End::Power {
            at,
            survivors: moment.disk.survivors_of(resolution),
        },
        None => End::Kill { at },
    };
    Era {
        schedule: Schedule::Deviations(scene.run.taken.clone()),
        end,
        ..scene.era.clone()
    }
}
