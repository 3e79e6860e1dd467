//! Tests of backups: what becomes of the log that is copied.

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::CallRecord;

use super::*;
use crate::commitlog::testing::{Scratch, commit, tx};

/// [I1] The log is in use meanwhile.
#[test]
fn a_backup_writes_nothing_to_the_log_and_takes_no_lock() {
    let (scratch, target) = (Scratch::new(), Scratch::new());
    let (log, _) = scratch.open();
    commit(&log, &["a", "b"]);
    log.rotate().unwrap();
    commit(&log, &["c"]);
    let effects = scratch.disk.trace_len();
    scratch.disk.set_verbose(true);
    let report = backup(&scratch.env, "", &target.env, "copy", &LogOptions::new()).unwrap();
    assert_eq!(report.next, tx(3));
    assert_eq!(scratch.disk.trace_len(), effects, "[I1]");
    let calls = scratch.disk.take_log();
    let locks = |record: &CallRecord| record.call.kind == CallKind::Lock;
    assert!(!calls.is_empty() && !calls.iter().any(locks), "[I1]");
}
