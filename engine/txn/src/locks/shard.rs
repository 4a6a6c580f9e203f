//! One lock in the shared table: who has it in which modes, and who queues for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::backend::Backend;
use crate::locks::{LockMode, LockTag, Modes};

#[derive(Default)]
pub(super) struct Lock {
    holders: Vec<Holder>,
    pub(super) queue: VecDeque<Waiter>,
    /// How many backends have each mode.
    granted: [u32; 9],
}

struct Holder {
    backend: Arc<Backend>,
    modes: Modes,
}

#[derive(Clone)]
pub(super) struct Waiter {
    pub(super) backend: Arc<Backend>,
    pub(super) mode: LockMode,
}

impl Lock {
    pub(super) fn is_unused(&self) -> bool {
        self.holders.is_empty() && self.queue.is_empty()
    }

    /// The modes that `backend` has here.
    pub(super) fn modes_of(&self, backend: &Backend) -> Modes {
        let holder = self.holders.iter().find(|holder| std::ptr::eq(&*holder.backend, backend));
        holder.map_or(Modes::default(), |holder| holder.modes)
    }

    /// Everybody's modes.
    pub(super) fn holders(&self) -> impl Iterator<Item = (&Arc<Backend>, LockMode)> {
        self.holders.iter().flat_map(|holder| holder.modes.iter().map(move |mode| (&holder.backend, mode)))
    }

    /// The backends that `backend` would have to wait for.
    pub(super) fn in_the_way<'a>(
        &'a self,
        backend: &'a Backend,
        mode: LockMode,
    ) -> impl Iterator<Item = &'a Arc<Backend>> {
        let blocking = move |holder: &&Holder| {
            !std::ptr::eq(&*holder.backend, backend) && !holder.modes.and(mode.conflicts()).is_empty()
        };
        self.holders.iter().filter(blocking).map(|holder| &holder.backend)
    }

    /// Whether another backend has a mode that conflicts.
    pub(super) fn conflicts(&self, backend: &Backend, mode: LockMode) -> bool {
        let own = self.modes_of(backend);
        mode.conflicts().iter().any(|other| self.granted[other as usize] > u32::from(own.has(other)))
    }

    pub(super) fn grant(&mut self, backend: &Arc<Backend>, mode: LockMode) {
        let place = match self.holders.iter().position(|holder| Arc::ptr_eq(&holder.backend, backend)) {
            Some(place) => place,
            None => {
                self.holders.push(Holder { backend: backend.clone(), modes: Modes::default() });
                self.holders.len() - 1
            }
        };
        let modes = &mut self.holders[place].modes;
        if !modes.has(mode) {
            *modes = modes.or(Modes::of(mode));
            self.granted[mode as usize] += 1;
        }
    }

    /// Takes a mode from a backend and gives the lock to whoever can have it now.
    pub(super) fn release(&mut self, backend: &Backend, mode: LockMode) {
        let place = self.holders.iter().position(|holder| std::ptr::eq(&*holder.backend, backend));
        let place = place.expect("a released lock is held");
        let modes = &mut self.holders[place].modes;
        assert!(modes.has(mode), "a released mode is held");
        *modes = modes.without(Modes::of(mode));
        if modes.is_empty() {
            self.holders.swap_remove(place);
        }
        self.granted[mode as usize] -= 1;
        self.wake_queue();
    }

    /// Queues for the lock, or gets it at once: the answer is whether it does. As in PostgreSQL's `ProcSleep`,
    /// whoever has a mode already that a waiter needs to go goes before that waiter, for it would
    /// otherwise be waiting for somebody who waits for it.
    pub(super) fn join_queue(&mut self, backend: &Arc<Backend>, mode: LockMode) -> bool {
        let own = self.modes_of(backend);
        let mut ahead = Modes::default();
        let mut place = self.queue.len();
        if !own.is_empty() {
            for (at, waiter) in self.queue.iter().enumerate() {
                if !waiter.mode.conflicts().and(own).is_empty() {
                    place = at;
                    break;
                }
                ahead = ahead.or(Modes::of(waiter.mode));
            }
        }
        if place == self.queue.len() {
            ahead =
                self.queue.iter().fold(Modes::default(), |modes, waiter| modes.or(Modes::of(waiter.mode)));
        }
        if mode.conflicts().and(ahead).is_empty() && !self.conflicts(backend, mode) {
            self.grant(backend, mode);
            return true;
        }
        self.queue.insert(place, Waiter { backend: backend.clone(), mode });
        false
    }

    /// Gives up waiting. Returns whether the backend was still in the queue.
    pub(super) fn leave_queue(&mut self, backend: &Backend) -> bool {
        let place = self.queue.iter().position(|waiter| std::ptr::eq(&*waiter.backend, backend));
        if let Some(place) = place {
            self.queue.remove(place);
            *backend.waiting_for.lock() = None;
            self.wake_queue();
        }
        place.is_some()
    }

    /// Grants what can be granted, in the queue's order; nobody overtakes a conflicting waiter.
    pub(super) fn wake_queue(&mut self) {
        let mut ahead = Modes::default();
        let mut at = 0;
        while at < self.queue.len() {
            let Waiter { backend, mode } = &self.queue[at];
            let (backend, mode) = (backend.clone(), *mode);
            if !mode.conflicts().and(ahead).is_empty() || self.conflicts(&backend, mode) {
                ahead = ahead.or(Modes::of(mode));
                at += 1;
                continue;
            }
            self.queue.remove(at);
            self.grant(&backend, mode);
            tell_granted(&backend);
        }
    }

    /// The lock is gone for good (a transaction has ended): everybody may go on.
    pub(super) fn dissolve(self) {
        self.queue.iter().for_each(|waiter| tell_granted(&waiter.backend));
    }
}

/// Makes a backend a waiter for `tag`; called under the shard's lock.
pub(super) fn start_waiting(backend: &Backend, tag: LockTag, mode: LockMode) {
    backend.granted.store(false, Ordering::SeqCst);
    *backend.waiting_for.lock() = Some((tag, mode));
}

fn tell_granted(backend: &Backend) {
    *backend.waiting_for.lock() = None;
    backend.granted.store(true, Ordering::SeqCst);
    backend.interrupts().wake();
}
