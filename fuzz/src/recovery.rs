//! What recovery decides about the files of a damaged log.

use arbitrary::{Arbitrary, Unstructured};
use blackstart::commitlog::recovery::{Plan, Planned, plan};
use blackstart::commitlog::{MemorySource, TxOffset};

use super::files::Files;

/// Plans the recovery of a log drawn from bytes: it decides, decides the same again, and what it
/// decides holds together.
pub fn check(bytes: &[u8]) {
    let Ok(files) = Files::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    let mut source = MemorySource::new();
    for (name, bytes) in files.build() {
        source.insert(name, bytes);
    }
    let durable_through = files
        .durable_through
        .map(|offset| TxOffset::new(offset.into()));
    let planned = plan(&source, durable_through);
    let again = plan(&source, durable_through);
    assert_eq!(
        format!("{planned:?}"),
        format!("{again:?}"),
        "one log, one verdict"
    );
    match planned {
        Ok(Planned::Log(plan)) => check_plan(&plan, durable_through),
        Ok(Planned::Nothing { .. }) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn check_plan(plan: &Plan, durable_through: Option<TxOffset>) {
    assert!(plan.oldest <= plan.next, "{plan:?}");
    assert!(plan.known_durable_through <= plan.next, "{plan:?}");
    assert!(
        durable_through.is_none_or(|bound| bound <= plan.next),
        "{plan:?}"
    );
    let firsts = plan
        .sealed
        .iter()
        .map(|sealed| sealed.header.first)
        .chain([plan.newest.first]);
    assert!(
        firsts.is_sorted_by(|earlier, later| earlier < later),
        "{plan:?}"
    );
}
