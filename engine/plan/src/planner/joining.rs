//! The join search: dynamic programming over sets of relations.
//!
//! After `standard_join_search` and `make_join_rel` (PostgreSQL's src/backend/optimizer/path).

use super::base::empty_query;
use super::clause::Clause;
use super::deconstruct::JoinItem;
use super::level::{JoinRel, LevelPlanner};
use super::path::{self, Path};
use super::relset::RelSet;
use redoubt_error::{PgError, PgResult};
use std::rc::Rc;

impl LevelPlanner<'_, '_> {
    /// Plans all base relations and joins them.
    pub(crate) fn plan_joins(&mut self, items: Vec<JoinItem>) -> PgResult<Vec<Rc<Path>>> {
        let mut ranges: Vec<usize> = self.bases.keys().copied().collect();
        ranges.sort_unstable();
        for range in ranges {
            self.plan_base(range)?;
            let base = &self.bases[&range];
            let rel = JoinRel { rows: base.rows, width: base.width, paths: base.paths.clone() };
            self.join_rels.insert(RelSet::single(range), rel);
        }
        let set = self.join_list(&items)?;
        Ok(self.join_rels[&set].paths.clone())
    }

    fn join_list(&mut self, items: &[JoinItem]) -> PgResult<RelSet> {
        let mut sets = Vec::with_capacity(items.len());
        for item in items {
            sets.push(match item {
                JoinItem::Rel(range) => RelSet::single(*range),
                JoinItem::List(list) => self.join_list(list)?,
            });
        }
        if sets.len() == 1 {
            return Ok(sets.remove(0));
        }
        Err(PgError::unsupported("joining several relations"))
    }
}
