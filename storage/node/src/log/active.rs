//! The index of a chunk that is still being written: page to records, in memory.

use std::collections::HashMap;

use redoubt_page::{Lsn, PageId, PgId};

use super::entry::IndexEntry;
use super::page_hash::PageHash;

/// No entry: the end of a page's list.
const NONE: u32 = u32::MAX;

/// The lowest and highest record of each protection group in a chunk.
pub type LsnRanges = HashMap<PgId, (Lsn, Lsn)>;

/// Page to records of one chunk. Its size is bounded by the chunk's, as every entry has a record there.
#[derive(Debug, Default)]
pub struct ActiveIndex {
    /// Every entry, with the place of the one before it of the same page.
    entries: Vec<(IndexEntry, u32)>,
    /// The newest entry of each page.
    newest: HashMap<PageId, u32, PageHash>,
    ranges: LsnRanges,
}

impl ActiveIndex {
    /// Adds an entry whose record is durable.
    pub fn add(&mut self, pg: PgId, entry: IndexEntry) {
        let place = u32::try_from(self.entries.len()).expect("a chunk has fewer than 2^32 records");
        let before = self.newest.insert(entry.page, place).unwrap_or(NONE);
        self.entries.push((entry, before));
        widen(&mut self.ranges, pg, entry.lsn);
    }

    /// How many entries there are.
    pub fn entry_count(&self) -> usize {
        self.entries.len()
    }

    /// How many groups have records here.
    pub fn group_count(&self) -> usize {
        self.ranges.len()
    }

    /// The lowest and highest record of each group.
    pub fn ranges(&self) -> &LsnRanges {
        &self.ranges
    }

    /// Calls `visit` for each entry of the page, the one added last first.
    pub fn for_each_of(&self, page: PageId, mut visit: impl FnMut(&IndexEntry)) {
        let mut place = self.newest.get(&page).copied().unwrap_or(NONE);
        while place != NONE {
            let (entry, before) = &self.entries[place as usize];
            visit(entry);
            place = *before;
        }
    }

    /// The entries by page and, within a page, by record number.
    pub fn sorted(&self) -> Vec<IndexEntry> {
        let mut entries: Vec<IndexEntry> = self.entries.iter().map(|(entry, _)| *entry).collect();
        entries.sort_unstable_by_key(|entry| (entry.page, entry.lsn, entry.first_sector));
        entries
    }
}

/// Takes a record number into a group's range.
pub fn widen(ranges: &mut LsnRanges, pg: PgId, lsn: Lsn) {
    let range = ranges.entry(pg).or_insert((lsn, lsn));
    *range = (range.0.min(lsn), range.1.max(lsn));
}
