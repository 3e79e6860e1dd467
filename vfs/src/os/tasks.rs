//! Tasks as threads.

use std::any::Any;
use std::io;
use std::sync::Arc;
use std::thread;

use rustix::io::Errno;

use super::event::OsEvent;
use crate::{JoinHandle, RawEvent, TaskPanicked, Tasks};

/// Threads of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsTasks(());

impl OsTasks {
    /// The tasks of this process.
    pub fn new() -> Self {
        Self(())
    }
}

impl Tasks for OsTasks {
    fn spawn(
        &self,
        name: &str,
        body: Box<dyn FnOnce() + Send + 'static>,
    ) -> io::Result<Box<dyn JoinHandle>> {
        if name.contains('\0') {
            // The standard library panics on such a name.
            return Err(Errno::INVAL.into());
        }
        let thread = thread::Builder::new().name(name.to_owned()).spawn(body)?;
        Ok(Box::new(OsJoinHandle {
            task: name.to_owned(),
            thread,
        }))
    }

    fn event(&self) -> Arc<dyn RawEvent> {
        Arc::new(OsEvent::default())
    }

    fn yield_now(&self) {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the yield that others must use"
        )]
        thread::yield_now();
    }
}

struct OsJoinHandle {
    task: String,
    thread: thread::JoinHandle<()>,
}

impl JoinHandle for OsJoinHandle {
    fn join(self: Box<Self>) -> Result<(), TaskPanicked> {
        let Self { task, thread } = *self;
        thread.join().map_err(|payload| TaskPanicked {
            task,
            message: panic_message(&*payload),
        })
    }
}

/// What a panic said. The payload of `panic!` is a string of one of two types; any other is of
/// someone's own making.
fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(message) = payload.downcast_ref::<&'static str>() {
        (*message).to_owned()
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message.clone()
    } else {
        "(a payload that is not text)".to_owned()
    }
}

#[cfg(test)]
mod tests;
