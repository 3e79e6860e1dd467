//! Processor time: what a computation costs, and what else the machine does meanwhile.

use std::fs;
use std::time::Instant;

/// The processor time of this process.
#[cfg(feature = "simulator")]
pub fn cpu_time() -> std::time::Duration {
    use rustix::time::{ClockId, clock_gettime};
    std::time::Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Ticks of the clock by which the kernel counts processor time: 100 a second to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// The kernel gives a tick to whoever runs at its end, so two differences of ticks may be off by
/// so much.
const ROUNDING_TICKS: f64 = 2.0;

/// Watches how much of the processors other programs use.
pub struct Neighbours {
    since: Instant,
    user_ticks: f64,
    own_ticks: f64,
}

impl Neighbours {
    /// Starts to watch.
    pub fn watch() -> Self {
        Self {
            since: Instant::now(),
            user_ticks: user_ticks(),
            own_ticks: own_ticks(),
        }
    }

    /// The processors that other programs have used since, in user mode, on average. What the
    /// kernel does is left out: most of it is done for the one that is measured.
    pub fn processors(&self) -> f64 {
        let seconds = self.since.elapsed().as_secs_f64();
        let others = (user_ticks() - self.user_ticks) - (own_ticks() - self.own_ticks);
        let others = others - ROUNDING_TICKS;
        (others / TICKS_PER_SECOND / seconds).max(0.0)
    }
}

/// Time of all programs in user mode: the first two numbers of the kernel's total.
fn user_ticks() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let total = text.lines().next().unwrap_or_default();
    total
        .split_whitespace()
        .skip(1)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum()
}

/// Time in user mode of this process and the children it has waited for: fields 14 and 16 of
/// proc(5), counted after the name, which may have spaces.
fn own_ticks() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|ticks| ticks.parse::<f64>().ok())
    };
    ticks(11).unwrap_or(0.0) + ticks(13).unwrap_or(0.0)
}
