//! Tests of what faults are aimed at.

use std::path::Path;
use std::sync::Arc;

use blackstart_vfs::{FileExt, OpenOptions};

use crate::call::CallKind;
use crate::counter::Counter;
use crate::disk::{CrashKind, Errno, Fault, Trigger};
use crate::draw::Draw;
use crate::explore::Effort;
use crate::generate;
use crate::{Campaign, Ctx, Failure, Scenario, Step};

/// Reads of an era, and the one whose failure the system does not stand.
const READS: u64 = 200;
const FATAL: u64 = 169;

/// A system that stands every failing read but one, far behind its beginning.
struct Reader;

impl Reader {
    fn read(ctx: &Ctx<Self>) -> std::io::Result<Result<(), Failure>> {
        let fs = ctx.env().fs();
        fs.create_root()?;
        let options = OpenOptions::new().read().write().create();
        let file = fs.open(Path::new("data"), options)?;
        file.write_all_at(&[7], 0)?;
        for step in ctx.steps(0) {
            ctx.begin(step.id);
            for nth in 1..=READS {
                match file.read_full_at(&mut [0], 0) {
                    Err(_) if nth == FATAL => {
                        return Ok(Err(Failure::new("far read", "it was not handled")));
                    }
                    read => read?,
                };
            }
        }
        Ok(Ok(()))
    }
}

impl Scenario for Reader {
    type Config = ();
    type Op = ();
    type Event = ();
    type Model = ();

    fn name(&self) -> &'static str {
        "reader"
    }

    fn about(&self) -> &'static str {
        "many reads of a file"
    }

    fn config(&self, _draw: &mut Draw<'_>) {}

    fn steps(&self, _draw: &mut Draw<'_>, _config: &()) -> Vec<Step<()>> {
        vec![Step {
            id: 1,
            client: 0,
            op: (),
        }]
    }

    fn verification(&self, _config: &()) -> Vec<Step<()>> {
        Vec::new()
    }

    fn model(&self, _config: &()) {}

    fn apply(&self, _model: &mut (), _event: &()) -> Result<(), Failure> {
        Ok(())
    }

    fn crash(&self, _model: &mut (), _kind: CrashKind) {}

    fn run(&self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        let result = Self::read(ctx);
        // Whatever else failed is no matter here.
        ctx.verified();
        result.unwrap_or(Ok(()))
    }
}

/// Positions used to end at 20, and no number of seeds found this. Seed 8,269 does.
#[test]
fn a_bug_behind_the_hundredth_read_is_found_within_20_000_seeds() {
    let effort = Effort {
        cuts_max: 0,
        ..Effort::CAMPAIGN
    };
    let campaign = Campaign::new(Reader).seeds(20_000).effort(effort);
    let report = campaign.first_failure().report();
    let found = report.failures.first().expect("it is found");
    assert_eq!(found.failure.oracle, "far read");
}

fn rules() -> impl Iterator<Item = (CallKind, u32, Fault)> {
    let scenario = Arc::new(Counter { is_careful: true });
    let cases =
        (0..3_000).map(move |seed| generate::case(&scenario, &mut Draw::seeded(seed), None));
    let rules = cases.flat_map(|case| case.eras.into_iter().flat_map(|era| era.faults));
    rules.filter_map(|rule| match rule.when {
        Trigger::Nth { kind, nth, .. } => Some((kind, nth, rule.what)),
        _ => None,
    })
}

#[test]
fn syncs_run_out_of_space_and_every_drawn_error_is_one_of_its_call() {
    let failing: Vec<(CallKind, Errno)> = rules()
        .filter_map(|(kind, _, what)| match what {
            Fault::Fail(errno) => Some((kind, errno)),
            _ => None,
        })
        .collect();
    for kind in [CallKind::SyncData, CallKind::SyncDir] {
        for errno in [Errno::Eio, Errno::Enospc, Errno::Edquot, Errno::Erofs] {
            assert!(failing.contains(&(kind, errno)), "{kind:?} {errno:?}");
        }
    }
    let reads = failing.iter().filter(|(kind, _)| *kind == CallKind::Read);
    for (_, errno) in reads {
        assert_eq!(*errno, Errno::Eio);
    }
}

#[test]
fn most_faults_are_aimed_at_calls_that_there_are() {
    // The counter makes at most six writes an era, and no call of these kinds.
    let missing = [CallKind::SyncAll, CallKind::SetLen, CallKind::RemoveFile];
    let (mut all, mut missed) = (0, 0);
    for (kind, nth, _) in rules() {
        all += 1;
        missed += u32::from(missing.contains(&kind) || (kind == CallKind::Write && nth > 6));
    }
    assert!(all > 1_000 && missed * 10 < all, "{missed} of {all}");
}
