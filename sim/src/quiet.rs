//! Panics inside a run are results, not noise: their place is kept and nothing is printed.

use std::cell::{Cell, RefCell};
use std::panic;
use std::sync::Once;

thread_local! {
    static QUIET: Cell<u32> = const { Cell::new(0) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// While it lives, panics of this thread are recorded instead of printed.
pub(crate) struct Quiet(());

impl Quiet {
    pub fn new() -> Self {
        HOOK.call_once(install);
        QUIET.set(QUIET.get() + 1);
        Self(())
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(QUIET.get() - 1);
    }
}

/// Chains a hook before the present one. Other threads' panics are printed as before.
fn install() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if QUIET.get() == 0 {
            before(info);
            return;
        }
        let place = info
            .location()
            .map(|place| format!("{}:{}", place.file(), place.line()));
        PLACE.set(place);
    }));
}

/// Where the last panic of this thread happened.
pub(crate) fn last_panic_place() -> Option<String> {
    PLACE.take()
}
