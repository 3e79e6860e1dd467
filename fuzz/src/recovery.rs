//! What recovery decides about the files of a damaged log.

use arbitrary::{Arbitrary, Unstructured};
use blackstart::commitlog::MemorySource;
use blackstart::commitlog::recovery::{Plan, Planned, plan};

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
    let beforehand = files.beforehand();
    let planned = plan(&source, beforehand);
    let again = plan(&source, beforehand);
    assert_eq!(
        format!("{planned:?}"),
        format!("{again:?}"),
        "one log, one verdict"
    );
    match planned {
        Ok(Planned::Log(plan)) => check_plan(&plan),
        Ok(Planned::Nothing { .. }) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn check_plan(plan: &Plan) {
    assert!(plan.oldest() <= plan.next(), "{plan:?}");
}
