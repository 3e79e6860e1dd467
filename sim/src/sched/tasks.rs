//! The world as an implementation of [`Tasks`], [`Clock`](blackstart_vfs::Clock) and
//! [`Entropy`](blackstart_vfs::Entropy).

use std::any::Any;
use std::io;
use std::sync::Arc;

use blackstart_vfs::{Entropy, JoinHandle, RawEvent, TaskPanicked, Tasks};

use super::event::SimEvent;
use super::state::Status;
use super::world::World;
use crate::call::{CallKind, mix64};

impl Tasks for World {
    fn spawn(
        &self,
        name: &str,
        body: Box<dyn FnOnce() + Send + 'static>,
    ) -> io::Result<Box<dyn JoinHandle>> {
        self.enter(CallKind::Spawn)?;
        let task = self.add_task(name, body);
        Ok(Box::new(SimJoin {
            world: self.clone(),
            task,
        }))
    }

    fn event(&self) -> Arc<dyn RawEvent> {
        Arc::new(SimEvent::new(self))
    }

    fn yield_now(&self) {
        if self.enter(CallKind::Yield).is_err() {
            return;
        }
        let next = {
            let mut state = self.shared.state.lock();
            let Some(current) = state.current else { return };
            // The next task in the order of numbers that can run, cyclically.
            state.wake_due();
            let others = state.runnable_others(current);
            let next = others
                .iter()
                .find(|&&other| other > current)
                .or_else(|| others.first());
            let next = next.copied();
            state.next = next;
            next
        };
        if next.is_some() {
            self.switch();
        }
    }

    fn checkpoint(&self) {
        // An error only says that the task unwinds; a checkpoint has no effect to refuse.
        let _ = self.enter(CallKind::Checkpoint);
    }
}

struct SimJoin {
    world: World,
    task: u32,
}

impl JoinHandle for SimJoin {
    fn join(self: Box<Self>) -> Result<(), TaskPanicked> {
        let entered = self.world.enter(CallKind::Join);
        let current = self.world.shared.state.lock().current;
        if let (Ok(_), Some(current)) = (entered, current) {
            let done = self.world.shared.state.lock().task(self.task).status == Status::Done;
            if !done {
                self.world
                    .block(current, Status::Joining { task: self.task });
            }
        }
        let mut state = self.world.shared.state.lock();
        let task = state.task(self.task);
        match task.panic.clone() {
            Some(message) => Err(TaskPanicked {
                task: task.name.clone(),
                message,
            }),
            None => Ok(()),
        }
    }
}

impl Entropy for World {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        self.enter(CallKind::Entropy)?;
        let mut state = self.shared.state.lock();
        for chunk in bytes.chunks_mut(8) {
            state.entropy = mix64(state.entropy);
            let word = state.entropy.to_le_bytes();
            for (target, source) in chunk.iter_mut().zip(word) {
                *target = source;
            }
        }
        Ok(())
    }
}

/// What a panic said; the place is added by the panic hook of the run.
pub(super) fn panic_message(payload: &(dyn Any + Send)) -> String {
    let said = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    match crate::quiet::last_panic_place() {
        Some(place) => format!("{said} (at {place})"),
        None => said,
    }
}
