//! Once an opening has returned, every segment that others follow is durable to its end.

use blackstart_sim::call::CallKind;
use blackstart_sim::disk::{CrashKind, Fault, SyncFailure};

use crate::commitlog::testing::{Scratch, commit, options};

/// The segments, but the newest.
fn sealed(scratch: &Scratch) -> Vec<(String, Vec<u8>)> {
    let mut names = scratch.names();
    names.retain(|name| name.ends_with(".log"));
    names.pop();
    let bytes = |name: String| {
        let bytes = scratch.read(&name);
        (name, bytes)
    };
    names.into_iter().map(bytes).collect()
}

#[test]
fn a_cut_whose_sync_failed_is_made_again() {
    for how in [SyncFailure::StayDirty, SyncFailure::CleanKeepNew] {
        for nth in 1..8 {
            for times in [1, 2, 3] {
                let scratch = Scratch::new();
                for record in ["a", "b"] {
                    let (log, _) = scratch.open();
                    commit(&log, &[record, record]);
                }
                let rule = scratch.disk.fail(CallKind::SyncAll).nth(nth).times(times);
                rule.with(Fault::Sync(how));
                while scratch.open_with(options()).is_err() {}
                scratch.disk.heal();
                let seen = sealed(&scratch);
                scratch.disk.crash(CrashKind::Power);
                for (name, bytes) in seen {
                    assert_eq!(scratch.read(&name), bytes, "{how:?} {nth}+{times}: {name}");
                }
            }
        }
    }
}
