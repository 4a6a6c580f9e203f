//! Deadlock detection, after PostgreSQL's `deadlock.c`.
//!
//! Run by a waiter whose `deadlock_timeout` has passed, with all shards locked. A waiter waits for every holder
//! in its way (a hard edge) and for every conflicting waiter ahead of it in the queue (a soft edge). A cycle
//! through the caller that has a soft edge may be broken by letting the waiter behind go first, if that
//! makes no other cycle; a cycle of hard edges ends the caller's statement.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::MutexGuard;
use redoubt_error::{PgError, code};

use crate::backend::Backend;
use crate::locks::manager::Shard;
use crate::locks::shard::{Lock, Waiter};
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

/// Looks for a deadlock that `start` is part of, and resolves it by reordering a queue if that can be done.
/// The answer is the error for `start`, or nothing when it may wait on.
pub(super) fn find_deadlock(shards: &mut [MutexGuard<'_, Shard>], start: &Arc<Backend>) -> Option<PgError> {
    let cycle = find_cycle(shards, start)?;
    for edge in cycle.iter().filter(|edge| edge.soft) {
        if reorder(shards, edge) {
            return None;
        }
    }
    Some(report(&cycle))
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

/// Moves the waiter of a soft edge ahead of its blocker, if no waiter of that queue is in a cycle then.
fn reorder(shards: &mut [MutexGuard<'_, Shard>], edge: &Edge) -> bool {
    let at = shards.iter().position(|shard| shard.contains_key(&edge.tag)).expect("the lock is waited for");
    let place = |queue: &VecDeque<Waiter>, backend: &Arc<Backend>| {
        queue.iter().position(|waiter| Arc::ptr_eq(&waiter.backend, backend)).expect("both are in the queue")
    };
    let queue = &mut lock_of(&mut shards[at], edge.tag).queue;
    let (behind, ahead) = (place(queue, &edge.waiter), place(queue, &edge.blocker));
    let moved = queue.remove(behind).expect("the place was just found");
    queue.insert(ahead, moved);
    let waiters: Vec<_> = queue.iter().map(|waiter| waiter.backend.clone()).collect();
    if waiters.iter().any(|waiter| find_cycle(shards, waiter).is_some()) {
        let queue = &mut lock_of(&mut shards[at], edge.tag).queue;
        let moved = queue.remove(ahead).expect("it was just put there");
        queue.insert(behind, moved);
        return false;
    }
    lock_of(&mut shards[at], edge.tag).wake_queue();
    true
}

fn lock_of(shard: &mut Shard, tag: LockTag) -> &mut Lock {
    shard.get_mut(&tag).expect("the lock is waited for")
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
