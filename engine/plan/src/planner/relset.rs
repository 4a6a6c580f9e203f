//! Sets of range-table entries.

use smallvec::{SmallVec, smallvec};
use std::fmt;

/// A set of statement-wide range-table numbers. Words beyond the last member are not kept, so
/// equal sets are equal values.
#[derive(Clone, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub(crate) struct RelSet(SmallVec<[u64; 2]>);

impl RelSet {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn single(rel: usize) -> Self {
        let mut set = RelSet::new();
        set.insert(rel);
        set
    }

    pub(crate) fn insert(&mut self, rel: usize) {
        let word = rel / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (rel % 64);
    }

    pub(crate) fn contains(&self, rel: usize) -> bool {
        self.0.get(rel / 64).is_some_and(|word| word & (1 << (rel % 64)) != 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn union(&self, other: &RelSet) -> RelSet {
        let mut result = self.clone();
        result.add(other);
        result
    }

    pub(crate) fn add(&mut self, other: &RelSet) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }

    pub(crate) fn intersection(&self, other: &RelSet) -> RelSet {
        RelSet(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect()).trimmed()
    }

    pub(crate) fn difference(&self, other: &RelSet) -> RelSet {
        let word = |at: usize| other.0.get(at).copied().unwrap_or(0);
        RelSet(self.0.iter().enumerate().map(|(at, mine)| mine & !word(at)).collect()).trimmed()
    }

    pub(crate) fn overlaps(&self, other: &RelSet) -> bool {
        self.0.iter().zip(&other.0).any(|(a, b)| a & b != 0)
    }

    pub(crate) fn is_subset_of(&self, other: &RelSet) -> bool {
        self.0.iter().enumerate().all(|(at, mine)| mine & !other.0.get(at).copied().unwrap_or(0) == 0)
    }

    /// The only member, if there is exactly one.
    pub(crate) fn singleton(&self) -> Option<usize> {
        if self.len() == 1 { self.iter().next() } else { None }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(at, &word)| {
            (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| at * 64 + bit)
        })
    }

    fn trimmed(mut self) -> RelSet {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }
}

impl FromIterator<usize> for RelSet {
    fn from_iter<I: IntoIterator<Item = usize>>(rels: I) -> Self {
        let mut set = RelSet(smallvec![]);
        rels.into_iter().for_each(|rel| set.insert(rel));
        set
    }
}

impl fmt::Debug for RelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_are_equal_values() {
        let all: RelSet = [1, 70, 200].into_iter().collect();
        let rest = all.difference(&RelSet::single(200));
        assert_eq!(rest, [70, 1].into_iter().collect());
        assert_eq!(all.intersection(&rest), rest);
        assert!(rest.is_subset_of(&all) && !all.is_subset_of(&rest) && all.overlaps(&rest));
        assert_eq!(rest.difference(&rest), RelSet::new());
        assert_eq!(RelSet::single(70).singleton(), Some(70));
        assert_eq!(rest.singleton(), None);
    }
}
