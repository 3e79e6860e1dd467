//! Events of the simulated world.

use std::sync::atomic::{AtomicU64, Ordering};

use blackstart_vfs::{Monotonic, RawEvent, Ticket};

use super::state::Status;
use super::world::World;
use crate::call::CallKind;

pub(super) struct SimEvent {
    world: World,
    number: u64,
    epoch: AtomicU64,
}

impl SimEvent {
    pub fn new(world: &World) -> Self {
        let mut state = world.shared.state.lock();
        state.event_count += 1;
        Self {
            world: world.clone(),
            number: state.event_count,
            epoch: AtomicU64::new(0),
        }
    }
}

impl RawEvent for SimEvent {
    fn ticket(&self) -> Ticket {
        Ticket(self.epoch.load(Ordering::SeqCst))
    }

    fn wait(&self, ticket: Ticket, deadline: Option<Monotonic>) -> bool {
        let Ok(_) = self.world.enter(CallKind::Wait) else {
            return true;
        };
        if self.ticket() != ticket {
            return true;
        }
        let deadline_ns = deadline.map(|deadline| deadline.since_origin().as_nanos() as u64);
        let current = {
            let mut state = self.world.shared.state.lock();
            let Some(current) = state.current else {
                return true;
            };
            if deadline_ns.is_some_and(|deadline_ns| deadline_ns <= state.now_ns) {
                return false;
            }
            state.task(current).notified = false;
            current
        };
        self.world.block(
            current,
            Status::Waiting {
                event: self.number,
                deadline_ns,
            },
        );
        self.world.shared.state.lock().task(current).notified
    }

    fn notify(&self, all: bool) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        // While a task unwinds its notifications reach nobody: the machine is off, or the run
        // has failed. Waking needs no switch, so it is safe in destructors.
        let Ok(id) = self.world.enter(CallKind::Notify) else {
            return;
        };
        let mut state = self.world.shared.state.lock();
        state.others.clear();
        for index in 0..state.tasks.len() {
            if matches!(state.tasks[index].status,
                Status::Waiting { event, .. } if event == self.number)
            {
                state.others.push(index as u32);
            }
        }
        let Some(&default) = state.others.first() else {
            return;
        };
        let chosen = if state.others.len() > 1 {
            state.note_choice(id, Some(default));
            state.schedule.choose(id, &state.others)
        } else {
            None
        };
        if let Some(to) = chosen {
            state.taken.push(super::Deviation { at: id, to });
        }
        let first = chosen.unwrap_or(default);
        let woken = if all {
            std::mem::take(&mut state.others)
        } else {
            vec![first]
        };
        for &number in &woken {
            let task = state.task(number);
            task.status = Status::Runnable;
            task.notified = true;
        }
    }
}
