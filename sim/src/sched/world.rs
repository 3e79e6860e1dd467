//! One run: enter calls, switch tasks, crash, finish.

use std::any::Any;
use std::io;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::coroutine::{Fiber, Resumed, suspend};
use super::schedule::{Choice, Deviation, Schedule};
use super::state::{Latency, State, Status, Stop, Task};
use super::watchdog::Watchdog;
use crate::call::{CallId, CallKind, mix64};
use blackstart_vfs::{is_crash, unwind_for_crash};

/// What a world starts with.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// The order of tasks.
    pub schedule: Schedule,
    /// Where the run is stopped as by a crash.
    pub stop: Stop,
    /// How long calls take.
    pub latency: Latency,
    /// A run of more calls than this is stopped and reported: it makes no progress.
    pub calls_max: u64,
    /// What the program's random bytes are derived from.
    pub entropy: u64,
    /// Whether to note where other tasks could go first: [`World::choices`].
    pub notes_choices: bool,
    /// The monotonic clock's first reading, in nanoseconds.
    pub start_ns: u64,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            schedule: Schedule::RunUntilBlocked,
            stop: Stop::Never,
            latency: Latency::default(),
            calls_max: 10_000_000,
            entropy: 0,
            notes_choices: false,
            start_ns: 1_000_000_000,
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Every task ended.
    Complete,
    /// It was stopped where [`WorldConfig::stop`] says.
    Crashed,
    /// A task panicked: its name and what it said, with the place.
    Panicked {
        /// The task.
        task: String,
        /// The message and the place.
        message: String,
    },
    /// No task could move: what each waits for.
    Deadlock {
        /// One line per task.
        waiting: Vec<String>,
    },
    /// More than [`WorldConfig::calls_max`] calls.
    NoProgress {
        /// How many calls were made.
        calls: u64,
    },
}

/// A body that waits for its first turn, by the task's number.
pub(super) type Body = (u32, Box<dyn FnOnce() + Send>);

/// The shared part of a run. Clones are the same world.
#[derive(Clone)]
pub struct World {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub state: Mutex<State>,
    pub spawned: Mutex<Vec<Body>>,
}

impl World {
    /// A world without tasks; [`World::run`] starts the first.
    pub fn new(config: WorldConfig) -> Self {
        let schedule = config.schedule.sorted();
        let state = State {
            tasks: Vec::new(),
            current: None,
            next: None,
            deviates: config.notes_choices || !schedule.is_default(),
            schedule,
            taken: Vec::new(),
            choices: config.notes_choices.then(Vec::new),
            stop: config.stop,
            crashed: false,
            now_ns: config.start_ns,
            wall_offset_ns: 1_700_000_000_000_000_000,
            latency: config.latency,
            calls: 0,
            calls_max: config.calls_max,
            exhausted: false,
            event_count: 0,
            entropy: config.entropy,
            call_hash: 0,
            kind_last: None,
            order_hash: 0,
            others: Vec::new(),
            left_behind: Vec::new(),
        };
        let shared = Shared {
            state: Mutex::new(state),
            spawned: Mutex::new(Vec::new()),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Runs `main` as task 0 until every task has ended or the run is stopped.
    pub fn run(&self, main: Box<dyn FnOnce() + Send>) -> Finish {
        self.add_task("main", main);
        let mut fibers: Vec<Option<Fiber>> = Vec::new();
        let mut watch = Watchdog::current();
        loop {
            for (number, body) in self.shared.spawned.lock().drain(..) {
                debug_assert_eq!(number as usize, fibers.len());
                fibers.push(Some(Fiber::new(body)));
            }
            let number = match self.decide() {
                Decision::Run(number) => number,
                Decision::Finish(finish) => return self.finish(finish),
                Decision::Deadlock(waiting) => {
                    self.shared.state.lock().crashed = true;
                    self.unwind_all(&mut fibers);
                    return Finish::Deadlock { waiting };
                }
            };
            let Some(fiber) = fibers.get_mut(number as usize).and_then(Option::as_mut) else {
                continue;
            };
            if let Some(watch) = &mut watch {
                watch.running(|| self.shared.state.lock().task(number).name.clone());
            }
            if !fiber.is_started() && self.is_crashed() {
                // Its code never ran, and must not begin after the end.
                self.end_task(number, Ok(()));
                fibers[number as usize] = None;
                continue;
            }
            if let Resumed::Ended(outcome) = fiber.resume() {
                if let Some(slot) = fibers.get_mut(number as usize) {
                    *slot = None;
                }
                self.end_task(number, outcome);
            }
        }
    }

    fn unwind_all(&self, fibers: &mut [Option<Fiber>]) {
        for (slot, number) in fibers.iter_mut().zip(0u32..) {
            if let Some(fiber) = slot {
                self.shared.state.lock().current = Some(number);
                while matches!(fiber.resume(), Resumed::Suspended) {}
                *slot = None;
            }
        }
        self.shared.state.lock().current = None;
    }

    fn finish(&self, finish: Finish) -> Finish {
        let state = self.shared.state.lock();
        if state.exhausted {
            return Finish::NoProgress { calls: state.calls };
        }
        finish
    }

    /// Adds a task; it runs at its first turn.
    pub(super) fn add_task(&self, name: &str, body: Box<dyn FnOnce() + Send>) -> u32 {
        let number = {
            let mut state = self.shared.state.lock();
            let op = state.current.map_or(0, |current| state.task(current).op);
            state.tasks.push(Task::new(name, op));
            state.tasks.len() as u32 - 1
        };
        self.shared.spawned.lock().push((number, body));
        number
    }

    fn end_task(&self, number: u32, outcome: Result<(), Box<dyn Any + Send>>) {
        let mut state = self.shared.state.lock();
        state.current = None;
        state.task(number).status = Status::Done;
        if let Err(payload) = outcome
            && !is_crash(&*payload)
        {
            state.task(number).panic = Some(super::tasks::panic_message(&*payload));
            // A panic is a failure of the run; nothing may go on as if it had not happened.
            state.crashed = true;
        }
        if number == 0 {
            let alive = state
                .tasks
                .iter()
                .filter(|task| task.status != Status::Done);
            state.left_behind = alive.map(|task| task.name.clone()).collect();
        }
        for task in &mut state.tasks {
            if task.status == (Status::Joining { task: number }) {
                task.status = Status::Runnable;
            }
        }
    }

    /// Chooses who runs next.
    fn decide(&self) -> Decision {
        let mut state = self.shared.state.lock();
        if state.crashed {
            // Each task that has not ended is resumed once, to unwind out of its call.
            let live = state
                .tasks
                .iter()
                .position(|task| task.status != Status::Done);
            return match live {
                Some(number) => {
                    state.current = Some(number as u32);
                    Decision::Run(number as u32)
                }
                None => Decision::Finish(ended(&state)),
            };
        }
        state.wake_due();
        loop {
            if let Some(number) = state.next.take()
                && state.task(number).status == Status::Runnable
            {
                state.current = Some(number);
                return Decision::Run(number);
            }
            let runnable = state
                .tasks
                .iter()
                .position(|task| task.status == Status::Runnable);
            if let Some(number) = runnable {
                state.next = Some(number as u32);
                continue;
            }
            if state.tasks.iter().all(|task| task.status == Status::Done) {
                return Decision::Finish(ended(&state));
            }
            match state.next_deadline() {
                Some(deadline_ns) => {
                    state.now_ns = state.now_ns.max(deadline_ns);
                    state.wake_due();
                }
                None => return Decision::Deadlock(describe(&state)),
            }
        }
    }

    /// Enters a seam call: names it, lets time pass, perhaps switches, perhaps crashes.
    ///
    /// # Errors
    /// EIO in a destructor while its task unwinds: the call has no effect.
    pub fn enter(&self, kind: CallKind) -> io::Result<CallId> {
        let mut state = self.shared.state.lock();
        let Some(current) = state.current else {
            if state.crashed {
                // The destructor of a task that never began.
                return Err(io::Error::from_raw_os_error(EIO));
            }
            // Outside of a run: a test that prepares the disk.
            return Ok(CallId::outside(kind, 0));
        };
        if std::thread::panicking() {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let id = state.task(current).name_call(current, kind);
        state.calls += 1;
        if state.calls > state.calls_max {
            state.exhausted = true;
            state.crashed = true;
        }
        if state.crashed {
            drop(state);
            unwind_for_crash();
        }
        state.now_ns += state.latency.of(kind);
        state.call_hash = mix64(state.call_hash ^ id.mix(state.now_ns));
        state.note_kind(kind);
        if kind != CallKind::Notify && state.deviates && state.tasks.len() > 1 {
            state = self.deviate(state, current, id);
        }
        // Only now: what other tasks did while this one stood at the call has happened.
        if state.stop == Stop::Before(id) {
            state.crashed = true;
            drop(state);
            unwind_for_crash();
        }
        Ok(id)
    }

    fn deviate<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        current: u32,
        id: CallId,
    ) -> MutexGuard<'a, State> {
        state.wake_due();
        state.runnable_others(current);
        if state.others.is_empty() {
            return state;
        }
        state.note_choice(id, None);
        let Some(to) = state.schedule.choose(id, &state.others) else {
            return state;
        };
        state.taken.push(Deviation { at: id, to });
        state.next = Some(to);
        drop(state);
        self.switch();
        self.shared.state.lock()
    }

    /// Suspends the running task; when it is resumed it goes on, or unwinds after a crash.
    pub(super) fn switch(&self) {
        suspend();
        if self.shared.state.lock().crashed {
            unwind_for_crash();
        }
    }

    /// Blocks the running task with `status` until something makes it runnable.
    pub(super) fn block(&self, current: u32, status: Status) {
        self.shared.state.lock().task(current).status = status;
        self.switch();
    }

    /// Names the operation that the running task begins; the names of its calls start anew.
    pub fn begin_op(&self, op: u32) {
        let mut state = self.shared.state.lock();
        if let Some(current) = state.current {
            state.task(current).begin_op(op);
        }
    }

    /// The running task's number; 0 outside of any.
    pub fn task(&self) -> u32 {
        self.shared.state.lock().current.unwrap_or(0)
    }

    /// The tasks that had not ended when the main task did.
    pub fn left_behind(&self) -> Vec<String> {
        self.shared.state.lock().left_behind.clone()
    }

    /// The running task and the operation that it carries out; none outside of a run.
    pub(crate) fn present(&self) -> Option<(u32, u32)> {
        let mut state = self.shared.state.lock();
        let current = state.current?;
        Some((current, state.task(current).op))
    }

    /// The names of all tasks, by number.
    pub(crate) fn task_names(&self) -> Vec<String> {
        let state = self.shared.state.lock();
        state.tasks.iter().map(|task| task.name.clone()).collect()
    }

    /// The number of calls so far.
    pub fn calls(&self) -> u64 {
        self.shared.state.lock().calls
    }

    /// A hash of the kinds of calls on the file system in their order, where a row of calls of one
    /// kind counts as one.
    pub fn order_hash(&self) -> u64 {
        self.shared.state.lock().order_hash
    }

    /// A hash of every call's name and time: equal runs have equal hashes.
    pub fn call_hash(&self) -> u64 {
        self.shared.state.lock().call_hash
    }

    /// The points at which other tasks could have gone first, in order.
    pub fn choices(&self) -> Vec<Choice> {
        self.shared.state.lock().choices.clone().unwrap_or_default()
    }

    /// The deviations that were taken, whatever the form of the schedule.
    pub fn taken(&self) -> Vec<Deviation> {
        self.shared.state.lock().taken.clone()
    }

    /// Virtual nanoseconds on the monotonic clock.
    pub fn now_ns(&self) -> u64 {
        self.shared.state.lock().now_ns
    }

    /// Whether the run was stopped.
    pub fn is_crashed(&self) -> bool {
        self.shared.state.lock().crashed
    }

    /// Moves the wall clock by `delta_ns`; the monotonic clock is not affected.
    pub fn jump_wall(&self, delta_ns: i64) {
        let mut state = self.shared.state.lock();
        state.wall_offset_ns = state.wall_offset_ns.saturating_add_signed(delta_ns);
    }

    /// Lets `duration_ns` pass at once, as a stall of the whole machine.
    pub fn stall(&self, duration_ns: u64) {
        let mut state = self.shared.state.lock();
        state.now_ns = state.now_ns.saturating_add(duration_ns);
        state.wake_due();
    }
}

enum Decision {
    Run(u32),
    Finish(Finish),
    Deadlock(Vec<String>),
}

fn ended(state: &State) -> Finish {
    let panicked = state.tasks.iter().find_map(|task| {
        let message = task.panic.clone()?;
        Some(Finish::Panicked {
            task: task.name.clone(),
            message,
        })
    });
    match panicked {
        Some(finish) => finish,
        None if state.crashed => Finish::Crashed,
        None => Finish::Complete,
    }
}

fn describe(state: &State) -> Vec<String> {
    let line = |task: &Task| {
        let waits = match task.status {
            Status::Waiting { event, .. } => format!("waits for event {event}"),
            Status::Joining { task } => format!("joins task {task}"),
            Status::Sleeping { until_ns } => format!("sleeps until {until_ns} ns"),
            Status::Runnable | Status::Done => return None,
        };
        let last = task
            .last
            .map_or_else(|| "before any call".to_owned(), |id| id.to_string());
        Some(format!("{} {waits} ({last})", task.name))
    };
    state.tasks.iter().filter_map(line).collect()
}

/// EIO on Linux, which is where the errors of the seam come from.
const EIO: i32 = 5;
