//! Processor time: what a computation costs, whoever else uses the machine.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The processor time of this process.
pub fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}
