//! What ANALYZE and VACUUM keep: statistics of columns, sizes of relations.

use super::Ddl;
use crate::index_oids as index;
use crate::pages::PageStore;
use crate::rows::{CatalogRow, PgClass, PgStatistic};
use crate::store::{WriteStore, catalog_of, probe_rows};
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Oid};

impl Ddl<'_> {
    /// Puts a column's statistics in the place of its old ones.
    ///
    /// # Errors
    /// Those of writing pages.
    pub fn replace_statistics(&self, row: &PgStatistic) -> PgResult<()> {
        let key = [Datum::Oid(row.starelid), Datum::Int2(row.staattnum), Datum::Bool(row.stainherit)];
        match self.find::<PgStatistic>(index::STATISTIC_RELID, &key)?.pop() {
            Some((id, old)) => self.update(id, &old, row),
            None => self.insert(row).map(|_| ()),
        }
    }
}

impl PageStore<'_> {
    /// Notes a relation's size: pages, rows (-1 for "never counted") and pages that everybody sees all of.
    /// As in PostgreSQL it belongs to no transaction and is not taken back (unless the row has to move). Nothing happens if it is known.
    ///
    /// # Errors
    /// Those of reading and writing pages.
    pub fn set_relation_size(
        &self,
        relation: Oid,
        pages: i32,
        rows: f32,
        all_visible_pages: i32,
    ) -> PgResult<()> {
        let found = probe_rows::<PgClass>(self, index::CLASS_OID, &[Datum::Oid(relation)])?;
        for (id, old) in found {
            let known = (old.relpages, old.reltuples, old.relallvisible);
            if known == (pages, rows, all_visible_pages) {
                continue;
            }
            let new =
                PgClass { relpages: pages, reltuples: rows, relallvisible: all_visible_pages, ..old.clone() };
            WriteStore::overwrite(self, catalog_of::<PgClass>(), id, &old.to_datums(), &new.to_datums())?;
        }
        Ok(())
    }
}
