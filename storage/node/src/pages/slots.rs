//! Which 8 KiB slots of a page file are in use.

use std::collections::VecDeque;

/// The number of an 8 KiB slot of the page file. Zero and one are the superblocks, so zero also stands for
/// "no page".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Slot(u32);

impl Slot {
    /// Wraps the number.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The number itself.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Whether there is a page at all.
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// Slots that the superblocks take.
pub const RESERVED_SLOTS: u32 = 2;

/// The slots in use: one bit each. Rebuilt from the index when a store is opened, never stored.
///
/// A slot that a switch made superfluous is *retired*: it still belongs to readers who looked it up before
/// the switch. It is free once all of them are done.
#[derive(Debug)]
pub struct SlotMap {
    used: Vec<u64>,
    count: u32,
    in_use: u32,
    cursor: u32,
    /// The oldest first: the switch after which these slots were superfluous, and which they are.
    retired: VecDeque<(u64, Vec<Slot>)>,
}

impl SlotMap {
    /// A map of `count` slots of which only the superblocks are in use.
    pub fn new(count: u32) -> Self {
        let mut map = Self {
            used: vec![0; count.div_ceil(64) as usize],
            count,
            in_use: 0,
            cursor: RESERVED_SLOTS,
            retired: VecDeque::new(),
        };
        (0..RESERVED_SLOTS).for_each(|slot| map.mark(Slot(slot)));
        map
    }

    /// How many slots there are.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How many of them are in use or retired.
    pub const fn in_use(&self) -> u32 {
        self.in_use
    }

    /// Marks a slot as in use.
    ///
    /// # Panics
    /// When it is in use already: two pages would share it.
    pub fn mark(&mut self, slot: Slot) {
        let (word, bit) = (slot.0 as usize / 64, 1 << (slot.0 % 64));
        assert!(self.used[word] & bit == 0, "slot {} belongs to two pages", slot.0);
        self.used[word] |= bit;
        self.in_use += 1;
    }

    /// Adds slots at the end.
    pub fn grow_to(&mut self, count: u32) {
        assert!(count >= self.count, "a page file never shrinks");
        self.used.resize(count.div_ceil(64) as usize, 0);
        self.count = count;
    }

    /// Takes a free slot, the next one after the last taken so that slots taken together lie together;
    /// nothing when all are in use.
    pub fn take(&mut self) -> Option<Slot> {
        let slot = self.next_free(self.cursor, self.count).or_else(|| self.next_free(0, self.cursor))?;
        self.mark(slot);
        self.cursor = slot.0 + 1;
        Some(slot)
    }

    fn next_free(&self, from: u32, to: u32) -> Option<Slot> {
        let mut slot = from;
        while slot < to {
            let taken = self.used[slot as usize / 64] >> (slot % 64);
            if taken == u64::MAX >> (slot % 64) {
                slot = (slot / 64 + 1) * 64;
                continue;
            }
            slot += taken.trailing_ones();
            return (slot < to).then_some(Slot(slot));
        }
        None
    }

    /// Notes that after switch `sequence` these slots are superfluous.
    pub fn retire(&mut self, sequence: u64, slots: Vec<Slot>) {
        self.retired.push_back((sequence, slots));
    }

    /// Frees what no reader can still look at: the slots retired by switches up to `sequence`.
    pub fn free_up_to(&mut self, sequence: u64) {
        while self.retired.front().is_some_and(|(switch, _)| *switch <= sequence) {
            let (_, slots) = self.retired.pop_front().expect("the queue has a front");
            slots.into_iter().for_each(|slot| self.release(slot));
        }
    }

    /// Frees a slot that nobody can have looked up.
    pub fn release(&mut self, slot: Slot) {
        let (word, bit) = (slot.0 as usize / 64, 1 << (slot.0 % 64));
        assert!(self.used[word] & bit != 0, "slot {} is freed twice", slot.0);
        self.used[word] &= !bit;
        self.in_use -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_each_slot_once_and_reuses_freed_ones() {
        let mut map = SlotMap::new(130);
        let taken: Vec<u32> = std::iter::from_fn(|| map.take()).map(Slot::get).collect();
        assert_eq!(taken, (2..130).collect::<Vec<u32>>());
        map.retire(7, vec![Slot(64), Slot(3)]);
        assert_eq!(map.take(), None);
        map.free_up_to(6);
        assert_eq!(map.take(), None);
        map.free_up_to(7);
        assert_eq!((map.take(), map.take(), map.take()), (Some(Slot(3)), Some(Slot(64)), None));
        map.grow_to(131);
        assert_eq!((map.take(), map.take()), (Some(Slot(130)), None));
    }
}
