//! A scenario that is no function of its seed, and what a campaign makes of it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use blackstart_vfs::{FileExt, Fs, OpenOptions};

use super::panic_in;
use crate::campaign::{Campaign, CampaignOptions};
use crate::disk::CrashKind;
use crate::draw::Draw;
use crate::report::Report;
use crate::{Ctx, Failure, Scenario, Step};

/// What it asks besides its seed, as a program does that goes by the order of a hash map, an
/// address, or the time of day.
enum Whim {
    None,
    /// Each run asks for one more call than the one before, after the second.
    Calls(AtomicU64),
    /// Each run writes other bytes.
    Bytes(AtomicU64),
    /// The first run is unlike all others.
    Once(AtomicU64),
}

struct Whimsical(Whim);

impl Whimsical {
    fn work(&self, fs: &dyn Fs) -> std::io::Result<()> {
        let next = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
        let (calls, byte) = match &self.0 {
            Whim::None => (0, 0),
            Whim::Calls(count) => (next(count), 0),
            Whim::Bytes(count) => (0, next(count)),
            Whim::Once(count) => (u64::from(next(count) == 0), 0),
        };
        fs.create_root()?;
        let file = fs.open(Path::new("file"), OpenOptions::new().write().create())?;
        for _ in 0..calls % 4 {
            fs.read_dir(Path::new(""))?;
        }
        file.write_all_at(&[byte as u8], 0)?;
        file.sync_all()
    }
}

impl Scenario for Whimsical {
    type Config = ();
    type Op = ();
    type Event = ();
    type Model = ();

    fn name(&self) -> &'static str {
        "whim"
    }

    fn about(&self) -> &'static str {
        "does what it likes"
    }

    fn config(&self, _draw: &mut Draw<'_>) {}

    fn meets_faults(&self) -> bool {
        false
    }

    fn steps(&self, _draw: &mut Draw<'_>, _config: &()) -> Vec<Step<()>> {
        Vec::new()
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
        ctx.verified();
        let worked = self.work(ctx.env().fs());
        worked.map_err(|error| Failure::new("works", error.to_string()))
    }
}

fn report(whim: Whim) -> Report {
    Campaign::new(Whimsical(whim)).seeds(40).jobs(1).report()
}

fn count() -> AtomicU64 {
    AtomicU64::new(0)
}

#[test]
fn a_scenario_with_a_whim_is_told_with_the_first_call_that_differs() {
    let calm = report(Whim::None);
    assert!(calm.compared > 0);
    assert_eq!((calm.nondeterminism, calm.failures.len()), (None, 0));
    let told = report(Whim::Calls(count())).nondeterminism;
    let told = told.expect("runs have different calls");
    assert!(
        told.contains("two runs of one case differ at call 2"),
        "{told}"
    );
    assert!(
        told.contains("ReadDir") && told.contains("against"),
        "{told}"
    );
    let told = report(Whim::Bytes(count())).nondeterminism;
    let told = told.expect("runs write different bytes");
    assert!(told.contains("differ at call 2"), "{told}");
    assert!(
        told.contains("Write") && told.contains("with other bytes"),
        "{told}"
    );
}

#[test]
fn a_difference_that_does_not_come_again_is_told_all_the_same() {
    let options = CampaignOptions {
        determinism_one_in: 1,
        ..CampaignOptions::default()
    };
    let scenario = Arc::new(Whimsical(Whim::Once(count())));
    let campaign = Campaign::shared(scenario, options).seeds(3).jobs(1);
    let told = campaign.report().nondeterminism;
    let told = told.expect("the first run was unlike the second");
    assert!(
        told.contains("seed 0: ") && told.contains("not again"),
        "{told}"
    );
}

#[test]
fn a_test_fails_by_a_whim() {
    let campaign = Campaign::new(Whimsical(Whim::Calls(count()))).seeds(40);
    let told = panic_in(|| campaign.run_as(&|_| None));
    assert!(told.contains("differ at call 2"), "{told}");
}
