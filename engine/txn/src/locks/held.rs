//! What one backend holds.

use rustc_hash::FxHashMap;

use crate::locks::{LockLife, LockMode, LockTag, Modes};

/// The locks of one backend, and the order in which its transaction got them.
#[derive(Default)]
pub(crate) struct HeldLocks {
    by_tag: FxHashMap<LockTag, Held>,
    /// Every mode held to the end of a (sub)transaction, once, with that one's depth; deeper ones last.
    log: Vec<(u32, LockTag, LockMode)>,
}

#[derive(Default)]
struct Held {
    /// Modes held to the end of some (sub)transaction.
    transaction: Modes,
    /// How often each mode was acquired for the session.
    session: [u32; 9],
    /// The modes that are in the shared table; the others are on the fast path.
    shared: Modes,
}

impl Held {
    fn modes(&self) -> Modes {
        let session = LockMode::ALL.into_iter().filter(|&mode| self.session[mode as usize] > 0);
        session.fold(self.transaction, |modes, mode| modes.or(Modes::of(mode)))
    }
}

/// What has to happen in the shared table after a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Released {
    /// Nothing: it is held still.
    Held,
    /// Nothing: it was on the fast path.
    FastPath,
    /// The shared table's entry goes.
    Shared,
}

impl HeldLocks {
    /// If the mode is held already, notes that it is wanted for `life` as well, and says so.
    pub(super) fn acquire_again(&mut self, tag: LockTag, mode: LockMode, life: LockLife) -> bool {
        let Some(held) = self.by_tag.get_mut(&tag) else { return false };
        if !held.modes().has(mode) {
            return false;
        }
        match life {
            LockLife::Session => held.session[mode as usize] += 1,
            LockLife::Transaction { depth } if !held.transaction.has(mode) => {
                held.transaction = held.transaction.or(Modes::of(mode));
                self.log.push((depth, tag, mode));
            }
            LockLife::Transaction { .. } => (),
        }
        true
    }

    /// Notes a new lock.
    pub(super) fn acquired(&mut self, tag: LockTag, mode: LockMode, life: LockLife, shared: bool) {
        let held = self.by_tag.entry(tag).or_default();
        if shared {
            held.shared = held.shared.or(Modes::of(mode));
        }
        let is_held = self.acquire_for(tag, mode, life);
        debug_assert!(is_held);
    }

    fn acquire_for(&mut self, tag: LockTag, mode: LockMode, life: LockLife) -> bool {
        let held = self.by_tag.get_mut(&tag).expect("the entry was just made");
        match life {
            LockLife::Session => held.session[mode as usize] += 1,
            LockLife::Transaction { depth } => {
                held.transaction = held.transaction.or(Modes::of(mode));
                self.log.push((depth, tag, mode));
            }
        }
        true
    }

    /// Marks the weak modes on `tag` that are on the fast path as shared, and returns them.
    pub(super) fn share_weak(&mut self, tag: LockTag) -> Modes {
        let Some(held) = self.by_tag.get_mut(&tag) else { return Modes::default() };
        let moved = held.modes().and(Modes::WEAK).without(held.shared);
        held.shared = held.shared.or(moved);
        moved
    }

    /// Takes back what was held to the end of (sub)transactions deeper than `depth`, last first.
    pub(super) fn pop_above(&mut self, depth: u32) -> Option<(LockTag, LockMode, Released)> {
        let &(at, tag, mode) = self.log.last()?;
        if at <= depth {
            return None;
        }
        self.log.pop();
        let held = self.by_tag.get_mut(&tag).expect("what is in the log is held");
        held.transaction = held.transaction.without(Modes::of(mode));
        Some((tag, mode, self.settle(tag, mode)))
    }

    /// Takes one release back from the session's count; nothing when the session does not have it.
    pub(super) fn release_session(&mut self, tag: LockTag, mode: LockMode) -> Option<Released> {
        let count = &mut self.by_tag.get_mut(&tag)?.session[mode as usize];
        *count = count.checked_sub(1)?;
        Some(self.settle(tag, mode))
    }

    /// Takes one mode back before its transaction's end; the last one acquired is found first.
    pub(super) fn release_early(&mut self, tag: LockTag, mode: LockMode) -> Option<Released> {
        let place = self.log.iter().rposition(|&(_, t, m)| t == tag && m == mode)?;
        self.log.remove(place);
        let held = self.by_tag.get_mut(&tag).expect("what is in the log is held");
        held.transaction = held.transaction.without(Modes::of(mode));
        Some(self.settle(tag, mode))
    }

    /// Everything that the session holds beyond transactions.
    pub(super) fn session_locks(&self) -> Vec<(LockTag, LockMode, u32)> {
        let all = self.by_tag.iter().flat_map(|(&tag, held)| {
            LockMode::ALL.into_iter().map(move |mode| (tag, mode, held.session[mode as usize]))
        });
        all.filter(|&(_, _, count)| count > 0).collect()
    }

    /// A subtransaction ended well: its locks are its parent's, at `depth`.
    pub(super) fn adopt_by_parent(&mut self, depth: u32) {
        let deeper = self.log.iter_mut().rev().take_while(|(at, _, _)| *at > depth);
        deeper.for_each(|(at, _, _)| *at = depth);
    }

    /// The modes on the fast path, for listing.
    pub(super) fn fast_path(&self) -> Vec<(LockTag, LockMode)> {
        let fast = |held: &Held| held.modes().without(held.shared);
        self.by_tag.iter().flat_map(|(&tag, held)| fast(held).iter().map(move |mode| (tag, mode))).collect()
    }

    /// The strongest mode held on `tag`, if any.
    pub(super) fn strongest(&self, tag: LockTag) -> Option<LockMode> {
        self.by_tag.get(&tag)?.modes().iter().last()
    }

    /// Says what a release has to do, and forgets what is not held any more.
    fn settle(&mut self, tag: LockTag, mode: LockMode) -> Released {
        let held = self.by_tag.get_mut(&tag).expect("the caller has just changed it");
        if held.modes().has(mode) {
            return Released::Held;
        }
        let was_shared = held.shared.has(mode);
        held.shared = held.shared.without(Modes::of(mode));
        if held.modes().is_empty() {
            self.by_tag.remove(&tag);
        }
        if was_shared { Released::Shared } else { Released::FastPath }
    }
}
