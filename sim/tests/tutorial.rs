//! The tutorial keeps its word: the mistake is found within seconds, and the mended engine is
//! clean.

#[path = "../examples/tutorial/mended.rs"]
mod mended;
#[path = "../examples/tutorial/mistaken.rs"]
mod mistaken;
#[path = "../examples/tutorial/scenario.rs"]
mod scenario;

use std::marker::PhantomData;

use blackstart_sim::Campaign;
use scenario::Journaling;

#[test]
fn the_mistake_is_found() {
    let scenario = Journaling::<mistaken::Journal>("journal", PhantomData);
    let report = Campaign::new(scenario).seeds(0..20).report();
    let failure = report.failures.first().expect("a failure");
    assert_eq!(failure.failure.oracle, "one state");
}

#[test]
fn the_mended_engine_is_clean() {
    let scenario = Journaling::<mended::Journal>("journal-mended", PhantomData);
    Campaign::new(scenario).seeds(0..60).run();
}
