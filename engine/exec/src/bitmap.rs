//! Sets of rows by place, for bitmap scans (PostgreSQL's src/backend/nodes/tidbitmap.c).
//!
//! A page has the slots of its rows, or, once the set has grown past its limit, is taken as a whole: it is
//! *lossy*, and its rows have to be tested again.

use redoubt_access::Tid;
use std::collections::BTreeMap;

/// A set of rows of one table, by page.
#[derive(Debug, Default)]
pub(crate) struct Bitmap {
    pages: BTreeMap<u32, Page>,
    /// How many pages may know their rows.
    exact_max: usize,
    exact: usize,
}

/// The rows of one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// Exactly these slots: bit `n` of word `w` is slot `64 w + n`.
    Exact(Vec<u64>),
    /// Any.
    Lossy,
}

/// Bytes that a page takes in memory, roughly.
const PAGE_BYTES: usize = 96;
const WORD_BITS: u16 = 64;

impl Bitmap {
    /// An empty set that takes about `bytes` of memory before it gets lossy.
    pub(crate) fn new(bytes: usize) -> Self {
        Bitmap { pages: BTreeMap::new(), exact_max: (bytes / PAGE_BYTES).max(16), exact: 0 }
    }

    /// Adds a row.
    pub(crate) fn insert(&mut self, tid: Tid) {
        let (word, bit) = (usize::from(tid.slot / WORD_BITS), tid.slot % WORD_BITS);
        let exact = &mut self.exact;
        let page = self.pages.entry(tid.block).or_insert_with(|| {
            *exact += 1;
            Page::Exact(Vec::new())
        });
        if let Page::Exact(words) = page {
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            words[word] |= 1 << bit;
        }
        self.shrink();
    }

    /// Makes pages lossy until the set is within its limit, with room to grow.
    fn shrink(&mut self) {
        if self.exact <= self.exact_max {
            return;
        }
        for page in self.pages.values_mut() {
            if self.exact <= self.exact_max / 2 {
                break;
            }
            if matches!(page, Page::Exact(_)) {
                *page = Page::Lossy;
                self.exact -= 1;
            }
        }
    }

    /// Adds all rows of another set.
    pub(crate) fn unite(&mut self, other: Bitmap) {
        for (block, page) in other.pages {
            let lossy_before = match self.pages.get(&block) {
                None => {
                    self.exact += usize::from(page != Page::Lossy);
                    self.pages.insert(block, page);
                    continue;
                }
                Some(known) => *known == Page::Lossy,
            };
            match (lossy_before, page) {
                (true, _) => {}
                (false, Page::Lossy) => {
                    self.exact -= 1;
                    self.pages.insert(block, Page::Lossy);
                }
                (false, Page::Exact(more)) => {
                    let Some(Page::Exact(words)) = self.pages.get_mut(&block) else { unreachable!() };
                    words.resize(words.len().max(more.len()), 0);
                    words.iter_mut().zip(&more).for_each(|(word, more)| *word |= more);
                }
            }
        }
        self.shrink();
    }

    /// Keeps only the rows that are in both sets, or may be.
    pub(crate) fn intersect(&mut self, other: &Bitmap) {
        self.pages.retain(|block, page| {
            let Some(with) = other.pages.get(block) else { return false };
            match (&mut *page, with) {
                (_, Page::Lossy) => true,
                // What is known of the rows is what the other set knows.
                (Page::Lossy, Page::Exact(_)) => {
                    *page = with.clone();
                    true
                }
                (Page::Exact(words), Page::Exact(with)) => {
                    words.truncate(with.len());
                    words.iter_mut().zip(with).for_each(|(word, with)| *word &= with);
                    words.iter().any(|word| *word != 0)
                }
            }
        });
        self.exact = self.pages.values().filter(|page| **page != Page::Lossy).count();
    }

    /// Whether no row is in the set.
    pub(crate) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Takes the page with the lowest number out.
    pub(crate) fn pop(&mut self) -> Option<(u32, Page)> {
        self.pages.pop_first()
    }
}

/// The slots that are set in an exact page, ascending.
pub(crate) fn slots(words: &[u64]) -> impl Iterator<Item = u16> + '_ {
    words.iter().enumerate().flat_map(|(at, &word)| {
        (0..WORD_BITS).filter(move |bit| word & (1 << bit) != 0).map(move |bit| at as u16 * WORD_BITS + bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn numbers(seed: u64, len: usize, blocks: u64) -> Vec<(u32, u16)> {
        let mut state = seed;
        let mut next = |range: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % range
        };
        (0..len).map(|_| (next(blocks) as u32, next(290) as u16 + 1)).collect()
    }

    fn bitmap(rows: &[(u32, u16)], bytes: usize) -> Bitmap {
        let mut map = Bitmap::new(bytes);
        rows.iter().for_each(|(block, slot)| map.insert(Tid::new(*block, *slot)));
        map
    }

    /// Every row that the set may hold, on pages that are known to have 290 slots.
    fn members(mut map: Bitmap) -> BTreeSet<(u32, u16)> {
        let mut found = BTreeSet::new();
        while let Some((block, page)) = map.pop() {
            match page {
                Page::Exact(words) => found.extend(slots(&words).map(|slot| (block, slot))),
                Page::Lossy => found.extend((1..=290).map(|slot| (block, slot))),
            }
        }
        found
    }

    #[test]
    fn sets_of_places_unite_and_intersect() {
        for seed in 0..40 {
            let (a, b) = (numbers(seed, 300, 20), numbers(seed + 1000, 300, 20));
            let (set_a, set_b): (BTreeSet<_>, BTreeSet<_>) =
                (a.iter().copied().collect(), b.iter().copied().collect());
            let mut union = bitmap(&a, 1 << 20);
            union.unite(bitmap(&b, 1 << 20));
            assert_eq!(members(union), set_a.union(&set_b).copied().collect());
            let mut both = bitmap(&a, 1 << 20);
            both.intersect(&bitmap(&b, 1 << 20));
            assert_eq!(members(both), set_a.intersection(&set_b).copied().collect());
        }
    }

    #[test]
    fn a_set_beyond_its_limit_loses_no_row() {
        for seed in 0..20 {
            let (a, b) = (numbers(seed, 500, 200), numbers(seed + 1000, 500, 200));
            let (set_a, set_b): (BTreeSet<_>, BTreeSet<_>) =
                (a.iter().copied().collect(), b.iter().copied().collect());
            let mut union = bitmap(&a, 0);
            assert!(union.exact <= 16);
            union.unite(bitmap(&b, 0));
            assert!(union.exact <= 16);
            assert!(members(union).is_superset(&set_a.union(&set_b).copied().collect()));
            let mut both = bitmap(&a, 0);
            both.intersect(&bitmap(&b, 1 << 20));
            assert!(members(both).is_superset(&set_a.intersection(&set_b).copied().collect()));
        }
    }
}
