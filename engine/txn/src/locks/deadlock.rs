//! Deadlock detection, after PostgreSQL's `deadlock.c`.
//!
//! Run by a waiter whose `deadlock_timeout` has passed, with all shards locked. A waiter waits for every holder
//! in its way (a hard edge) and for every conflicting waiter ahead of it in the queue (a soft edge). A cycle
//! through the caller that has a soft edge may be broken by letting the waiter behind go first. There may be
//! several cycles, and breaking one may make another: nobody looks a second time, so the caller goes on until
//! no cycle is left, or none of the orders does that; then its statement ends.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::MutexGuard;
use redoubt_error::{PgError, code};

use crate::backend::Backend;
use crate::locks::manager::Shard;
use crate::locks::shard::Waiter;
use crate::locks::{LockMode, LockTag};

/// One wait on the way round.
#[derive(Clone)]
struct Edge {
    waiter: Arc<Backend>,
    blocker: Arc<Backend>,
    tag: LockTag,
    mode: LockMode,
    /// The blocker only queues ahead; it does not have the lock.
    soft: bool,
}

/// Looks for a deadlock that `start` is part of, and resolves it by reordering queues if that can be done.
/// The answer is the error for `start`, or nothing when it may wait on.
pub(super) fn find_deadlock(shards: &mut [MutexGuard<'_, Shard>], start: &Arc<Backend>) -> Option<PgError> {
    let cycle = find_cycle(shards, start)?;
    let mut rearrangement = Rearrangement { shards, start, reversed: Vec::new(), originals: Vec::new() };
    if !rearrangement.breaks(&cycle) {
        return Some(report(&cycle));
    }
    rearrangement.wake();
    None
}

/// Queues put into another order for as long as it is not known whether that helps.
struct Rearrangement<'a, 'b> {
    shards: &'a mut [MutexGuard<'b, Shard>],
    start: &'a Arc<Backend>,
    /// Soft edges whose waiter is to go before its blocker.
    reversed: Vec<Edge>,
    /// The touched queues as they were.
    originals: Vec<(LockTag, Vec<Waiter>)>,
}

impl Rearrangement<'_, '_> {
    /// Looks for soft edges, of this cycle and of those that are left or arise when it is broken, whose reversal
    /// leaves none. The queues are as they were if there are none.
    fn breaks(&mut self, cycle: &[Edge]) -> bool {
        // PostgreSQL tries the end of the cycle first: whoever looks for the deadlock goes on last.
        for edge in cycle.iter().rev().filter(|edge| edge.soft) {
            self.reversed.push(edge.clone());
            if self.arrange(edge.tag) && self.remaining_cycle().is_none_or(|next| self.breaks(&next)) {
                return true;
            }
            self.reversed.pop();
            let arranged = self.arrange(edge.tag);
            assert!(arranged, "the reversals before the last could be satisfied");
        }
        false
    }

    /// Puts a queue into the order that obeys the reversals and differs from its own only where it must: filled
    /// from its end, each place with the last one that need not go before another. False when they contradict.
    fn arrange(&mut self, tag: LockTag) -> bool {
        let queue = queue_of(self.shards, tag);
        let mut left = match self.originals.iter().find(|(touched, _)| *touched == tag) {
            Some((_, original)) => original.clone(),
            None => {
                let original: Vec<_> = queue.iter().cloned().collect();
                self.originals.push((tag, original.clone()));
                original
            }
        };
        let mut arranged = VecDeque::with_capacity(left.len());
        while !left.is_empty() {
            let is_left = |backend| left.iter().any(|waiter| Arc::ptr_eq(&waiter.backend, backend));
            let must_go_before = |waiter: &Waiter| {
                let mut reversed = self.reversed.iter().filter(|edge| edge.tag == tag);
                reversed.any(|edge| Arc::ptr_eq(&edge.waiter, &waiter.backend) && is_left(&edge.blocker))
            };
            let Some(last) = left.iter().rposition(|waiter| !must_go_before(waiter)) else { return false };
            arranged.push_front(left.remove(last));
        }
        *queue = arranged;
        true
    }

    /// A cycle through the caller, or through somebody whose place has changed.
    fn remaining_cycle(&self) -> Option<Vec<Edge>> {
        let moved = self.reversed.iter().flat_map(|edge| [&edge.waiter, &edge.blocker]);
        moved.chain([self.start]).find_map(|backend| find_cycle(self.shards, backend))
    }

    /// Grants what the new order allows.
    fn wake(self) {
        for (tag, _) in self.originals {
            let lock = self.shards.iter_mut().find_map(|shard| shard.get_mut(&tag));
            lock.expect("the lock is waited for").wake_queue();
        }
    }
}

fn queue_of<'a>(shards: &'a mut [MutexGuard<'_, Shard>], tag: LockTag) -> &'a mut VecDeque<Waiter> {
    let lock = shards.iter_mut().find_map(|shard| shard.get_mut(&tag));
    &mut lock.expect("the lock is waited for").queue
}

/// A cycle through `start`, as the waits in order.
fn find_cycle(shards: &[MutexGuard<'_, Shard>], start: &Arc<Backend>) -> Option<Vec<Edge>> {
    let mut visited = vec![start.clone()];
    let mut path = Vec::new();
    if follow(shards, start, start, &mut visited, &mut path) { Some(path) } else { None }
}

fn follow(
    shards: &[MutexGuard<'_, Shard>],
    from: &Arc<Backend>,
    start: &Arc<Backend>,
    visited: &mut Vec<Arc<Backend>>,
    path: &mut Vec<Edge>,
) -> bool {
    for edge in edges_of(shards, from) {
        let next = edge.blocker.clone();
        path.push(edge);
        if Arc::ptr_eq(&next, start) {
            return true;
        }
        if !visited.iter().any(|seen| Arc::ptr_eq(seen, &next)) {
            visited.push(next.clone());
            if follow(shards, &next, start, visited, path) {
                return true;
            }
        }
        path.pop();
    }
    false
}

/// Whom `waiter` waits for.
fn edges_of(shards: &[MutexGuard<'_, Shard>], waiter: &Arc<Backend>) -> Vec<Edge> {
    let Some((tag, mode)) = *waiter.waiting_for.lock() else { return Vec::new() };
    let Some(lock) = shards.iter().find_map(|shard| shard.get(&tag)) else { return Vec::new() };
    let edge = |blocker: &Arc<Backend>, soft| Edge {
        waiter: waiter.clone(),
        blocker: blocker.clone(),
        tag,
        mode,
        soft,
    };
    let mut edges: Vec<Edge> = lock.in_the_way(waiter, mode).map(|blocker| edge(blocker, false)).collect();
    let ahead = lock.queue.iter().take_while(|other| !Arc::ptr_eq(&other.backend, waiter));
    edges.extend(
        ahead.filter(|other| mode.conflicts_with(other.mode)).map(|other| edge(&other.backend, true)),
    );
    edges
}

fn report(cycle: &[Edge]) -> PgError {
    let line = |edge: &Edge| {
        format!(
            "Process {} waits for {} on {}; blocked by process {}.",
            edge.waiter.pid(),
            edge.mode.name(),
            edge.tag,
            edge.blocker.pid()
        )
    };
    PgError::new(code::T_R_DEADLOCK_DETECTED, "deadlock detected")
        .detail(cycle.iter().map(line).collect::<Vec<_>>().join("\n"))
        .hint("See server log for query details.")
}
