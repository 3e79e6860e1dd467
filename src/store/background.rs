//! Flushes and merges behind the writes of an application.
//!
//! A task does them, one step at a time. It begins when the first memtable is full, and ends with
//! the store. Where no task can be had, writes do the work themselves.
//!
//! A writer waits in two cases. While more memtables are full than may be, it waits for a flush.
//! While merges are behind, it waits until the task has written some bytes: the more, the more the
//! writer writes and the further merges are behind. It never waits for a task that is idle: what
//! failed is tried again once somebody writes, and the write does not wait for more than that.
//!
//! Invariants:
//! - \[I1\] Who waits for progress is woken by each step, by each failure, and when the task ends.
//! - \[I2\] A flush that fails keeps its memtable, and refuses writes only once the memtables are
//!   full. A merge that fails refuses none.
//! - \[I3\] The task holds nothing that a writer or a reader waits for while it waits itself.

use std::sync::Arc;

use blackstart_vfs::{Env, Event, JoinHandle, Mutex, MutexGuard};

use super::error::StoreError;
use super::flush::Keeper;
use super::tree::Tree;
use crate::commitlog::TxOffset;
use crate::commitlog::directory::Directory;

/// As many memtables of debt make a writer wait for [`PAY_FACTOR`] times what it writes.
const DEBT_MEMTABLES: u64 = 4;
/// A byte of a writer costs about as many of merges.
const PAY_FACTOR: u64 = 8;
/// A flush that somebody asks for merges if there are more runs than this.
const RUNS_MAX: usize = 16;

/// The keeper, and the task that has it work.
pub(crate) struct Background {
    shared: Arc<Shared>,
    handle: parking_lot::Mutex<Option<Box<dyn JoinHandle>>>,
}

struct Shared {
    env: Env,
    keeper: Mutex<Keeper>,
    tree: Arc<Tree>,
    memtables_max: usize,
    table_bytes_max: u64,
    /// There may be something to do for the task.
    work: Event,
    /// [I1] Something was done, or could not be.
    progress: Event,
    state: parking_lot::Mutex<State>,
}

/// Behind a leaf lock.
struct State {
    task: Task,
    is_stopping: bool,
    /// The task waits for work.
    is_idle: bool,
    /// How many callers want the keeper: the task lets them go first.
    callers: usize,
    /// Bytes that were written so far.
    written: u64,
    /// By how many bytes merges are behind.
    debt: u64,
    flushed_through: TxOffset,
    flushes_failed: u64,
    flush_error: Option<StoreError>,
    merge_error: Option<StoreError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// It begins when there is something to do.
    None,
    Running,
    /// The operating system has no room for one, or the options want none.
    Refused,
}

impl Background {
    /// No task runs yet.
    pub fn new(env: &Env, keeper: Keeper, memtables_max: usize, has_task: bool) -> Self {
        let state = State {
            task: if has_task { Task::None } else { Task::Refused },
            is_stopping: false,
            is_idle: false,
            callers: 0,
            written: 0,
            debt: keeper.debt(),
            flushed_through: keeper.manifest.flushed_through,
            flushes_failed: 0,
            flush_error: None,
            merge_error: None,
        };
        let shared = Shared {
            env: env.clone(),
            tree: keeper.tree.clone(),
            memtables_max,
            table_bytes_max: keeper.table_bytes_max,
            work: Event::new(env),
            progress: Event::new(env),
            keeper: Mutex::new(env, keeper),
            state: parking_lot::Mutex::new(state),
        };
        Self {
            shared: Arc::new(shared),
            handle: parking_lot::Mutex::default(),
        }
    }

    /// A memtable may be full: has it written to a table. Without a task this does it.
    pub fn wake(&self) {
        if !self.shared.tree.pin().frozen.is_empty() {
            self.work();
        }
    }

    /// Has done what there is to do.
    fn work(&self) {
        match self.has_task() {
            true if self.shared.state.lock().is_idle => self.shared.work.notify_all(),
            true => {}
            false => {
                if let Some(mut keeper) = self.shared.keeper.try_lock() {
                    while matches!(self.shared.step(&mut keeper), Ok(Some(_))) {}
                }
            }
        }
    }

    /// Whether the task runs. It begins with the first call.
    fn has_task(&self) -> bool {
        {
            let mut state = self.shared.state.lock();
            if state.task != Task::None || state.is_stopping {
                return state.task == Task::Running && !state.is_stopping;
            }
            state.task = Task::Running;
        }
        let shared = self.shared.clone();
        let body = Box::new(move || run(&shared));
        let spawned = self.shared.env.tasks().spawn("store", body);
        if spawned.is_err() {
            self.shared.state.lock().task = Task::Refused;
            self.shared.progress.notify_all();
        }
        let handle = spawned.ok();
        let has_task = handle.is_some();
        *self.handle.lock() = handle;
        has_task
    }

    /// Waits before a write of as many bytes, as far as it has to.
    ///
    /// # Errors
    /// [`StoreError::MemtablesFull`].
    pub fn make_room(&self, bytes: u64) -> Result<(), StoreError> {
        self.wait_for_memtable()?;
        self.pay(bytes);
        Ok(())
    }

    /// [I2] Keeps the number of memtables that wait within its limit.
    fn wait_for_memtable(&self) -> Result<(), StoreError> {
        let shared = &self.shared;
        let mut failed_before = None;
        loop {
            let ticket = shared.progress.ticket();
            if shared.tree.pin().frozen.len() <= shared.memtables_max {
                return Ok(());
            }
            if !self.has_task() {
                let mut keeper = shared.lock();
                shared.flush(&mut keeper).map_err(full)?;
                continue;
            }
            let (failed, is_idle, error) = {
                let state = shared.state.lock();
                (
                    state.flushes_failed,
                    state.is_idle,
                    state.flush_error.clone(),
                )
            };
            match (failed_before, error) {
                (None, _) => failed_before = Some(failed),
                (Some(before), Some(error)) if failed > before => return Err(full(error)),
                _ => {}
            }
            if is_idle {
                shared.work.notify_all();
            }
            shared.progress.wait(ticket);
        }
    }

    /// Waits until merges have written what a write of as many bytes owes them.
    fn pay(&self, bytes: u64) {
        let shared = &self.shared;
        let until = {
            let state = shared.state.lock();
            let full = shared.table_bytes_max.saturating_mul(DEBT_MEMTABLES);
            let owed = u128::from(bytes) * u128::from(PAY_FACTOR * state.debt) / u128::from(full);
            state
                .written
                .saturating_add(u64::try_from(owed).unwrap_or(u64::MAX))
        };
        loop {
            let ticket = shared.progress.ticket();
            {
                let state = shared.state.lock();
                let is_at_work = state.task == Task::Running && !state.is_idle;
                if state.written >= until || state.is_stopping || !is_at_work {
                    return;
                }
            }
            shared.progress.wait(ticket);
        }
    }

    /// Writes all memtables to tables, and has the log retire them.
    pub fn flush(&self) -> Result<(), StoreError> {
        let shared = &self.shared;
        {
            let mut keeper = shared.lock();
            shared.tree.freeze_all();
            while shared.flush(&mut keeper)?.is_some() {}
            // Its newest segment would stay, with all that it holds. That is no reason to fail.
            if keeper.log.rotate().is_ok() {
                drop(keeper.retire());
            }
            while keeper.manifest.runs.len() > RUNS_MAX && shared.merge(&mut keeper).is_ok() {}
        }
        self.work();
        Ok(())
    }

    /// Has all tables that there are now go to the bottom.
    pub fn compact(&self) -> Result<(), StoreError> {
        let shared = &self.shared;
        let before = shared.lock().manifest.table_next;
        loop {
            let mut keeper = shared.lock();
            // Memtables do not wait for long merges. If they cannot be written, merges go on.
            if shared.state.lock().flush_error.is_none() {
                drop(shared.flush(&mut keeper));
            }
            let merged = keeper.merge(Some(before));
            shared.note(&keeper, merged.as_ref().ok().copied().flatten());
            if merged?.is_none() {
                keeper.stuck.clear();
                shared.state.lock().merge_error = None;
                return Ok(());
            }
        }
    }

    /// Why the last flush or merge failed that nobody asked for, if it did.
    pub fn error(&self) -> Option<StoreError> {
        let state = self.shared.state.lock();
        let error = state.flush_error.as_ref().or(state.merge_error.as_ref());
        error.cloned()
    }

    /// How far tables hold the log.
    pub fn flushed_through(&self) -> TxOffset {
        self.shared.state.lock().flushed_through
    }

    /// The directory of the store.
    pub fn root(&self) -> Directory {
        self.shared.lock().root.clone()
    }

    /// Ends the task, once it has done its step. Whoever works then does it alone.
    pub fn stop(&self) {
        self.shared.state.lock().is_stopping = true;
        self.shared.work.notify_all();
        self.shared.progress.notify_all();
        let handle = self.handle.lock().take();
        if let Some(handle) = handle {
            // A panic of the task is told where it happens.
            drop(handle.join());
        }
    }

    /// Gives up the merge that has begun, if any.
    pub fn abandon(&self) {
        self.shared.lock().give_up();
    }

    /// Allows a task again.
    pub fn go_on(&self) {
        self.shared.state.lock().is_stopping = false;
    }
}

fn full(error: StoreError) -> StoreError {
    StoreError::MemtablesFull {
        source: Box::new(error),
    }
}

/// The task.
fn run(shared: &Shared) {
    let _ended = Ended(shared);
    loop {
        let ticket = shared.work.ticket();
        if shared.state.lock().is_stopping {
            return;
        }
        let worked = {
            let mut keeper = shared.lock_after_callers();
            shared.step(&mut keeper)
        };
        if matches!(worked, Ok(Some(_))) {
            continue;
        }
        shared.state.lock().is_idle = true;
        shared.progress.notify_all();
        // A memtable that became full before the task was idle woke nobody.
        if worked.is_err() || shared.tree.pin().frozen.is_empty() {
            shared.work.wait(ticket);
        }
        shared.state.lock().is_idle = false;
    }
}

/// [I1] The task ends.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.task = match state.is_stopping {
            true => Task::None,
            // It panicked: writes do its work.
            false => Task::Refused,
        };
        drop(state);
        self.0.progress.notify_all();
    }
}

/// The keeper, in the hands of somebody who is not the task.
struct Caller<'a> {
    keeper: Option<MutexGuard<'a, Keeper>>,
    shared: &'a Shared,
}

impl std::ops::Deref for Caller<'_> {
    type Target = Keeper;

    fn deref(&self) -> &Keeper {
        match &self.keeper {
            Some(keeper) => keeper,
            None => unreachable!("the keeper is only given back in drop"),
        }
    }
}

impl std::ops::DerefMut for Caller<'_> {
    fn deref_mut(&mut self) -> &mut Keeper {
        match &mut self.keeper {
            Some(keeper) => keeper,
            None => unreachable!("the keeper is only given back in drop"),
        }
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.keeper = None;
        self.shared.state.lock().callers -= 1;
        self.shared.progress.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> Caller<'_> {
        self.state.lock().callers += 1;
        let mut caller = Caller {
            keeper: None,
            shared: self,
        };
        caller.keeper = Some(self.keeper.lock());
        caller
    }

    /// The keeper for the task. A mutex prefers who had it last.
    fn lock_after_callers(&self) -> MutexGuard<'_, Keeper> {
        loop {
            let ticket = self.progress.ticket();
            if self.state.lock().callers == 0 {
                return self.keeper.lock();
            }
            self.progress.wait(ticket);
        }
    }

    /// A step of whatever there is to do; none if there is nothing.
    fn step(&self, keeper: &mut Keeper) -> Result<Option<u64>, StoreError> {
        match self.flush(keeper)? {
            Some(bytes) => Ok(Some(bytes)),
            None => self.merge(keeper),
        }
    }

    fn flush(&self, keeper: &mut Keeper) -> Result<Option<u64>, StoreError> {
        let flushed = keeper.flush();
        {
            let mut state = self.state.lock();
            state.flushes_failed += u64::from(flushed.is_err());
            state.flush_error = flushed.as_ref().err().cloned();
        }
        self.note(keeper, flushed.as_ref().ok().copied().flatten());
        flushed
    }

    fn merge(&self, keeper: &mut Keeper) -> Result<Option<u64>, StoreError> {
        let merged = keeper.merge(None);
        match &merged {
            Err(error) => self.state.lock().merge_error = Some(error.clone()),
            // Damage is told as long as tables stay where they are for it.
            Ok(_) if keeper.stuck.is_empty() => self.state.lock().merge_error = None,
            Ok(_) => {}
        }
        self.note(keeper, merged.as_ref().ok().copied().flatten());
        merged
    }

    /// [I1] Tells what was done.
    fn note(&self, keeper: &Keeper, written: Option<u64>) {
        {
            let debt = keeper.debt();
            let mut state = self.state.lock();
            state.written += written.unwrap_or(0);
            state.debt = debt;
            state.flushed_through = keeper.manifest.flushed_through;
        }
        self.progress.notify_all();
    }
}

impl std::fmt::Debug for Background {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
