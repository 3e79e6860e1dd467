//! A disk for one input of a fuzzer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use blackstart_sim::disk::{DiskConfig, SimFs};
use blackstart_vfs::os::{OsClock, OsTasks};
use blackstart_vfs::{Entropy, Env, Fs};

/// Other bytes at each call and the same in each run, so that a fuzzer's input repeats.
#[derive(Default)]
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        let count = self.0.fetch_add(1, Ordering::Relaxed);
        bytes.fill(7);
        bytes
            .iter_mut()
            .zip(count.to_le_bytes())
            .for_each(|(byte, part)| *byte = part);
        Ok(())
    }
}

/// An empty simulated disk and an environment around it.
pub fn simulated() -> (SimFs, Env) {
    let disk = SimFs::new(DiskConfig::default());
    let env = Env::new(
        Arc::new(disk.clone()),
        Arc::new(OsClock::new()),
        Arc::new(OsTasks::new()),
        Arc::new(Counter::default()),
    );
    disk.create_root().expect("an empty disk takes a root");
    (disk, env)
}
