//! What `catch` stops and what it lets through.

use std::panic;

use super::{Crashed, catch, is_crash, unwind_for_crash};

/// Runs `body` under the bare catch of the standard library, which stops everything.
fn stopped(body: impl FnOnce() + panic::UnwindSafe) -> Option<Box<dyn std::any::Any + Send>> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the test must see what passes `catch`"
    )]
    panic::catch_unwind(body).err()
}

#[test]
fn a_value_and_a_panic_are_returned() {
    assert_eq!(catch(|| 7).ok(), Some(7));
    let payload = catch(|| panic!("mistake")).expect_err("it panics");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"mistake"));
    assert!(!is_crash(&*payload));
}

/// The seam's lib [I2]: no `catch` stops a crash.
#[test]
fn a_crash_passes_through_every_catch() {
    let payload = stopped(|| {
        let _ = catch(|| catch(|| unwind_for_crash()));
        unreachable!("the task has crashed");
    });
    assert!(is_crash(&*payload.expect("a crash")));
}

#[test]
fn destructors_run_in_a_crash() {
    struct Flag<'a>(&'a std::cell::Cell<bool>);
    impl Drop for Flag<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let dropped = std::cell::Cell::new(false);
    let payload = stopped(panic::AssertUnwindSafe(|| {
        let _flag = Flag(&dropped);
        unwind_for_crash();
    }));
    assert!(payload.is_some_and(|payload| payload.is::<Crashed>()));
    assert!(dropped.get());
}
