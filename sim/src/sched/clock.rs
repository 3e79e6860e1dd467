//! Virtual time.

use std::time::Duration;

use blackstart_vfs::{Clock, Monotonic};

use super::state::Status;
use super::world::World;
use crate::call::CallKind;

impl Clock for World {
    fn monotonic(&self) -> Monotonic {
        let _ = self.enter(CallKind::Now);
        Monotonic::from_origin(self.shared.state.lock().now())
    }

    fn wall(&self) -> Duration {
        let _ = self.enter(CallKind::Now);
        let state = self.shared.state.lock();
        state.now() + Duration::from_nanos(state.wall_offset_ns)
    }

    fn sleep(&self, duration: Duration) {
        if self.enter(CallKind::Sleep).is_err() {
            return;
        }
        let (current, until_ns) = {
            let state = self.shared.state.lock();
            let Some(current) = state.current else { return };
            (
                current,
                state.now_ns.saturating_add(duration.as_nanos() as u64),
            )
        };
        self.block(current, Status::Sleeping { until_ns });
    }
}
