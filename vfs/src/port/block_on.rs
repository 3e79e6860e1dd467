//! One future, run to its end by the calling task.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::{Env, Event};

/// Wakes the task that polls.
struct Notify(Event);

impl Wake for Notify {
    fn wake(self: Arc<Self>) {
        self.0.notify_all();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.notify_all();
    }
}

/// Polls a future until it is ready; between polls the calling task waits for its waker.
///
/// Several futures run beside each other in several tasks, or joined into one. A future that is
/// never woken is a deadlock, which the simulator reports as one. There is no timer here: a future
/// that has to wait for a time can be woken by a task that sleeps.
///
/// ```
/// use blackstart_vfs::Env;
/// use blackstart_vfs::port::block_on;
///
/// let env = Env::os(".");
/// let (inner, name) = (env.clone(), "writer");
/// let writer = async move { name.len() };
/// env.tasks().spawn(name, Box::new(move || assert_eq!(block_on(&inner, writer), 6)))?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn block_on<F: Future>(env: &Env, future: F) -> F::Output {
    let event = Event::new(env);
    let waker = Waker::from(Arc::new(Notify(event.clone())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        // Taken before the poll: a wake-up during the poll is not lost.
        let ticket = event.ticket();
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        event.wait(ticket);
    }
}
