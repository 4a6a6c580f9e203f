//! Slots: the registers of a statement's frame.
//!
//! One execution of a plan owns one frame, a flat vector of datums. Every column that a scan
//! delivers, every constant, parameter and intermediate result has a slot of its own in it, over
//! all query levels, so that an expression reads its inputs where the scans have put them: rows
//! are never copied on their way up the tree, and a correlated subquery sees the outer row for
//! free. Nodes that hold rows back (sorts, hash tables, materialised inputs) save the live slots
//! and write them back when they hand the row out.

use std::fmt;

/// The number of a datum in the frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

impl Slot {
    /// The slot as an index into the frame.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The slot `offset` places behind this one, inside a range that was allocated together.
    #[inline]
    pub fn plus(self, offset: usize) -> Slot {
        Slot(self.0 + offset as u32)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// A set of slots, as a bitmap.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SlotSet {
    words: Vec<u64>,
}

impl SlotSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one slot; says whether it was new.
    pub fn insert(&mut self, slot: Slot) -> bool {
        let (word, bit) = (slot.index() / 64, slot.index() % 64);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let fresh = self.words[word] & (1 << bit) == 0;
        self.words[word] |= 1 << bit;
        fresh
    }

    /// Whether the slot is in the set.
    pub fn contains(&self, slot: Slot) -> bool {
        self.words.get(slot.index() / 64).is_some_and(|word| word & (1 << (slot.index() % 64)) != 0)
    }

    /// Adds every slot of the other set.
    pub fn union_with(&mut self, other: &SlotSet) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine |= theirs;
        }
    }

    /// Removes every slot of the other set.
    pub fn subtract(&mut self, other: &SlotSet) {
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine &= !theirs;
        }
    }

    /// Keeps only the slots that are in the other set too.
    pub fn intersect_with(&mut self, other: &SlotSet) {
        for (at, mine) in self.words.iter_mut().enumerate() {
            *mine &= other.words.get(at).copied().unwrap_or(0);
        }
    }

    /// Whether the two sets share a slot.
    pub fn intersects(&self, other: &SlotSet) -> bool {
        self.words.iter().zip(&other.words).any(|(mine, theirs)| mine & theirs != 0)
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The slots in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.words.iter().enumerate().flat_map(|(at, &word)| {
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| Slot((at * 64 + bit) as u32))
        })
    }
}

impl FromIterator<Slot> for SlotSet {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut set = SlotSet::new();
        for slot in slots {
            set.insert(slot);
        }
        set
    }
}

impl Extend<Slot> for SlotSet {
    fn extend<I: IntoIterator<Item = Slot>>(&mut self, slots: I) {
        for slot in slots {
            self.insert(slot);
        }
    }
}

impl fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(slots: &[u32]) -> SlotSet {
        slots.iter().map(|&slot| Slot(slot)).collect()
    }

    #[test]
    fn sets_behave_as_sets() {
        let mut left = set(&[1, 64, 200]);
        assert!(left.contains(Slot(64)) && !left.contains(Slot(63)) && !left.contains(Slot(900)));
        assert!(left.intersects(&set(&[200])) && !left.intersects(&set(&[0, 65])));
        left.union_with(&set(&[3]));
        left.subtract(&set(&[64]));
        assert_eq!(left.iter().map(|slot| slot.0).collect::<Vec<_>>(), [1, 3, 200]);
        left.intersect_with(&set(&[3, 200, 201]));
        assert_eq!(left.iter().map(|slot| slot.0).collect::<Vec<_>>(), [3, 200]);
        left.intersect_with(&SlotSet::new());
        assert!(left.is_empty());
    }
}
