//! The hash table of one batch of inner rows.

use crate::rows::RowStore;
use crate::spill::{Reservation, Work, row_bytes};
use hashbrown::HashTable;
use redoubt_error::PgResult;
use redoubt_functions::Datum;

/// No row.
pub(super) const NONE: u32 = u32::MAX;

/// Inner rows by the hash of their keys.
pub(super) struct Table {
    /// Hash and the newest row with it.
    heads: HashTable<(u64, u32)>,
    /// Per row, the next older one with the same hash.
    older: Vec<u32>,
    hashes: Vec<u64>,
    pub rows: RowStore,
    pub keys: RowStore,
    pub matched: Vec<bool>,
    held: Reservation,
}

impl Table {
    pub(super) fn new(work: &Work, keys: usize, width: usize) -> Self {
        Table {
            heads: HashTable::new(),
            older: Vec::new(),
            hashes: Vec::new(),
            rows: RowStore::new(width),
            keys: RowStore::new(keys),
            matched: Vec::new(),
            held: work.reserve(),
        }
    }

    /// Rows in the table.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.held.bytes()
    }

    /// Buckets, as PostgreSQL would say.
    pub(super) fn buckets(&self) -> usize {
        self.len().next_power_of_two().max(1024)
    }

    /// Takes a row in. NULL equals nothing: a row with such a key is found by nobody.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        keys: impl IntoIterator<Item = Datum>,
        values: impl IntoIterator<Item = Datum>,
    ) -> PgResult<()> {
        /// Besides the values: the chain's link, the hash, the mark, and a place in the table.
        const PER_ROW: usize = 4 + 8 + 1 + 18;
        let row = self.rows.len();
        self.rows.push_row(values);
        self.keys.push_row(keys);
        self.hashes.push(hash);
        self.matched.push(false);
        self.older.push(NONE);
        let keys = self.keys.row(row);
        if !keys.iter().any(Datum::is_null) {
            match self.heads.find_mut(hash, |(known, _)| *known == hash) {
                Some((_, head)) => self.older[row] = std::mem::replace(head, row as u32),
                None => {
                    self.heads.insert_unique(hash, (hash, row as u32), |(hash, _)| *hash);
                }
            }
        }
        self.held.add(row_bytes(keys) + row_bytes(self.rows.row(row)) + PER_ROW)
    }

    /// The newest row with this hash.
    pub(super) fn find(&self, hash: u64) -> u32 {
        self.heads.find(hash, |(known, _)| *known == hash).map_or(NONE, |(_, row)| *row)
    }

    /// The next older row with the same hash.
    pub(super) fn older(&self, row: usize) -> u32 {
        self.older[row]
    }

    /// All rows in the order in which they came: hash, keys, values.
    pub(super) fn each_row(
        &self,
        mut each: impl FnMut(u64, &[Datum], &[Datum]) -> PgResult<()>,
    ) -> PgResult<()> {
        for row in 0..self.rows.len() {
            each(self.hashes[row], self.keys.row(row), self.rows.row(row))?;
        }
        Ok(())
    }
}
