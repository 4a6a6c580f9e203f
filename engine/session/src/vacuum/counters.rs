//! How much tables have changed since they were last vacuumed and analyzed. The numbers are kept in memory
//! alone, as PostgreSQL's are: after a restart they begin at nothing.

use parking_lot::Mutex;
use redoubt_functions::Oid;
use rustc_hash::FxHashMap;

/// A table: `pg_database.oid` and `pg_class.oid`.
pub(crate) type TableKey = (Oid, Oid);

/// Rows changed by a statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
}

/// What is known of one table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// Since the server was started.
    pub total: Changes,
    /// Row versions that have died since the last vacuum, or were left by it.
    pub dead: u64,
    /// Rows inserted since the last vacuum.
    pub inserted_since_vacuum: u64,
    /// Rows changed since the last analyze.
    pub changed_since_analyze: u64,
}

/// Tables spread over locks, so that sessions that end transactions do not meet.
const SHARDS: usize = 16;

/// The counters of all tables.
#[derive(Default)]
pub(crate) struct TableCounters {
    shards: [Mutex<FxHashMap<TableKey, Counted>>; SHARDS],
}

impl TableCounters {
    fn change(&self, table: TableKey, change: impl FnOnce(&mut Counted)) {
        change(self.shards[table.1 as usize % SHARDS].lock().entry(table).or_default());
    }

    /// A statement has changed rows. What a transaction that fails has inserted is dead as well, and counted
    /// as such by the next vacuum only.
    pub(crate) fn changed(&self, table: TableKey, changes: Changes) {
        self.change(table, |counted| {
            counted.total.inserted += changes.inserted;
            counted.total.updated += changes.updated;
            counted.total.deleted += changes.deleted;
            counted.dead += changes.updated + changes.deleted;
            counted.inserted_since_vacuum += changes.inserted;
            counted.changed_since_analyze += changes.inserted + changes.updated + changes.deleted;
        });
    }

    /// The table was vacuumed; so many dead rows had to be left.
    pub(crate) fn vacuumed(&self, table: TableKey, dead: u64) {
        self.change(table, |counted| {
            (counted.dead, counted.inserted_since_vacuum) = (dead, 0);
        });
    }

    /// The table was analyzed.
    pub(crate) fn analyzed(&self, table: TableKey) {
        self.change(table, |counted| counted.changed_since_analyze = 0);
    }

    /// What is known of a table.
    pub(crate) fn of(&self, table: TableKey) -> Counted {
        self.shards[table.1 as usize % SHARDS].lock().get(&table).copied().unwrap_or_default()
    }

    /// The tables that have changed at all, by database.
    pub(crate) fn changed_tables(&self) -> Vec<(TableKey, Counted)> {
        let mut tables = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let changed = |counted: &Counted| counted.dead > 0 || counted.changed_since_analyze > 0;
            tables.extend(shard.iter().filter(|(_, counted)| changed(counted)).map(|(key, c)| (*key, *c)));
        }
        tables.sort_unstable_by_key(|(key, _)| *key);
        tables
    }

    /// Forgets a table that is gone.
    pub(crate) fn forget(&self, table: TableKey) {
        self.shards[table.1 as usize % SHARDS].lock().remove(&table);
    }
}
