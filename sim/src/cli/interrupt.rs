//! Ctrl-C ends a campaign cleanly: what was found so far is kept, printed and reported.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Exit;

/// A flag that the first Ctrl-C (or SIGTERM) sets; a second one ends the process at once.
pub(super) fn flag() -> Arc<AtomicBool> {
    let code = Exit::Interrupted.into();
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // In this order: the shutdown only happens if the flag is set already.
        let armed = Arc::clone(&interrupted);
        let _ = signal_hook::flag::register_conditional_shutdown(signal, code, armed);
        let _ = signal_hook::flag::register(signal, Arc::clone(&interrupted));
    }
    interrupted
}
