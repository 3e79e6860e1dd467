//! Stackful coroutines: the one unsafe part of the scheduler.
//!
//! A task body is ordinary blocking code. It is started on a stack of its own; [`suspend`] leaves
//! it where it stands, and [`Fiber::resume`] goes on there. Stacks are kept for reuse, because
//! mapping one costs more than a whole small run.
//!
//! Not here: who runs when ([`super::world`]).
#![expect(
    unsafe_code,
    reason = "a yielder can only be reached through a pointer from deep calls"
)]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

/// The bytes of a task's stack; pages are only touched as they are used.
const STACK_BYTES: usize = 1 << 20;
/// How many free stacks a thread keeps.
const SPARE_STACKS_MAX: usize = 64;

type Outcome = Result<(), Box<dyn Any + Send>>;

thread_local! {
    static CURRENT: Cell<*const Yielder<(), ()>> = const { Cell::new(std::ptr::null()) };
    static SPARE: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

/// One task's code, suspended or not yet started.
pub(super) struct Fiber {
    inner: Option<Coroutine<(), (), Outcome, DefaultStack>>,
    started: bool,
}

/// What happened when a fiber was resumed.
pub(super) enum Resumed {
    Suspended,
    /// It ended, perhaps by a panic with this payload.
    Ended(Outcome),
}

impl Fiber {
    /// A fiber that will run `body`.
    ///
    /// # Panics
    /// If the system has no memory for a stack.
    pub fn new(body: Box<dyn FnOnce() + Send>) -> Self {
        let spare = SPARE.with_borrow_mut(Vec::pop);
        let stack = match spare {
            Some(stack) => stack,
            None => match DefaultStack::new(STACK_BYTES) {
                Ok(stack) => stack,
                Err(error) => panic!("no memory for a task's stack: {error}"),
            },
        };
        let inner = Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            CURRENT.set(yielder);
            #[expect(clippy::disallowed_methods, reason = "the end of a task's stack")]
            catch_unwind(AssertUnwindSafe(body))
        });
        Self {
            inner: Some(inner),
            started: false,
        }
    }

    /// Whether any of its code has run.
    pub fn is_started(&self) -> bool {
        self.started
    }

    /// Runs the fiber until it suspends or ends.
    pub fn resume(&mut self) -> Resumed {
        let Some(inner) = &mut self.inner else {
            return Resumed::Ended(Ok(()));
        };
        self.started = true;
        let outer = CURRENT.replace(std::ptr::null());
        let result = inner.resume(());
        CURRENT.set(outer);
        match result {
            CoroutineResult::Yield(()) => Resumed::Suspended,
            CoroutineResult::Return(outcome) => {
                if let Some(inner) = self.inner.take() {
                    recycle(inner.into_stack());
                }
                Resumed::Ended(outcome)
            }
        }
    }
}

fn recycle(stack: DefaultStack) {
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < SPARE_STACKS_MAX {
            spare.push(stack);
        }
    });
}

/// Suspends the running fiber until it is resumed. Without a running fiber it does nothing.
pub(super) fn suspend() {
    let yielder = CURRENT.get();
    if yielder.is_null() {
        return;
    }
    // SAFETY: the pointer was set by the fiber that runs on this thread now, from a reference that
    // lives on that fiber's stack until its body returns. `resume` clears it whenever no fiber of
    // this thread runs, and it is set again below for the fiber that continues, so it always
    // belongs to the running fiber. Fibers never move between threads: they are not `Send`.
    unsafe { (*yielder).suspend(()) };
    CURRENT.set(yielder);
}
