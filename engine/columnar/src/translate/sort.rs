//! Sorting and limiting.

use super::{Built, Translated, Translator, one_partition, refuse};
use crate::program_exec::Output;
use crate::repr::Repr;
use arrow::compute::SortOptions;
use datafusion_physical_expr::expressions::Column;
use datafusion_physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion_physical_plan::limit::GlobalLimitExec;
use datafusion_physical_plan::sorts::sort::SortExec;
use redoubt_error::{PgError, SqlState, code};
use redoubt_functions::{Datum, types};
use redoubt_plan::node::{Bound, Limit, SortKey};
use redoubt_plan::program::Value;
use redoubt_plan::{NodeId, NodeKind, Slot};
use std::sync::Arc;

/// A key to sort by: a slot and how it orders.
pub(super) struct Ordering {
    pub slot: Slot,
    pub type_oid: redoubt_functions::Oid,
    pub descending: bool,
    pub nulls_first: bool,
}

impl Ordering {
    pub(super) fn of(key: &SortKey) -> Translated<Ordering> {
        if key.less.is_some() {
            return refuse("ORDER BY ... USING an operator of its own");
        }
        let SortKey { slot, type_oid, descending, nulls_first, .. } = *key;
        Ok(Ordering { slot, type_oid, descending, nulls_first })
    }
}

impl Translator<'_> {
    pub(super) fn sort(
        &mut self,
        child: NodeId,
        keys: &[SortKey],
        bound: Option<&Bound>,
    ) -> Translated<Built> {
        let built = self.node(child)?;
        // The sort's own projection reads what the child delivers.
        let live = self.plan_node(child).live.clone();
        let keys: Vec<Ordering> = keys.iter().map(Ordering::of).collect::<Translated<_>>()?;
        let fetch = match bound {
            None => None,
            Some(bound) => {
                let offset = match &bound.offset {
                    None => Some(0),
                    Some(offset) => Some(self.row_count(offset)?.unwrap_or(0)),
                };
                // A negative count is the limit's to complain about.
                match (self.row_count(&bound.count)?, offset) {
                    (Some(count), Some(offset)) => usize::try_from(count)
                        .ok()
                        .zip(usize::try_from(offset).ok())
                        .map(|(c, o)| c.saturating_add(o)),
                    _ => None,
                }
            }
        };
        self.sorted(built, &keys, fetch, &live)
    }

    /// Sorts what a node delivers. Columns that Arrow orders as PostgreSQL does sort as they are, all others
    /// by their key bytes, in which direction and NULLs are already.
    pub(super) fn sorted(
        &mut self,
        built: Built,
        keys: &[Ordering],
        fetch: Option<usize>,
        live: &[Slot],
    ) -> Translated<Built> {
        let wanted: Vec<(Slot, Repr)> = live.iter().map(|slot| (*slot, self.layout_or_any(*slot))).collect();
        let mut outputs: Vec<Output> = wanted.iter().map(|&(slot, repr)| Output::Slot(slot, repr)).collect();
        let mut columns: Vec<Option<(Slot, Repr)>> = wanted.into_iter().map(Some).collect();
        let mut order = Vec::with_capacity(keys.len());
        for key in keys {
            let &Ordering { slot, type_oid, descending, nulls_first } = key;
            let repr = self.layout_or_any(slot);
            let natively = repr.is_identity() && type_oid != types::BPCHAR;
            let options = if natively {
                outputs.push(Output::Slot(slot, repr));
                SortOptions { descending, nulls_first }
            } else {
                outputs.push(Output::Key { slot, type_oid, descending, nulls_first, keep_null: false });
                SortOptions { descending: false, nulls_first: false }
            };
            let at = outputs.len() - 1;
            order.push(PhysicalSortExpr::new(Arc::new(Column::new(&format!("c{at}"), at)), options));
            columns.push(None);
        }
        let exec = self.program(one_partition(built), Vec::new(), outputs);
        let Some(order) = LexOrdering::new(order) else { return Ok(Built { exec, columns }) };
        let sort = SortExec::new(order, exec).with_fetch(fetch);
        Ok(Built { exec: Arc::new(sort), columns })
    }

    pub(super) fn limit(&mut self, limit: &Limit) -> Translated<Built> {
        if limit.ties.is_some() {
            return refuse("FETCH FIRST ... WITH TIES");
        }
        // Batches are computed whole: rows beyond the limit might fail that the row executor never computes.
        // A sort that knows the limit delivers no more than it.
        let child = &self.plan_node(limit.child).kind;
        if !matches!(child, NodeKind::Sort { bound: Some(_), .. }) {
            return refuse("LIMIT without ORDER BY");
        }
        let built = one_partition(self.node(limit.child)?);
        let offset =
            self.bound(limit.offset.as_ref(), "OFFSET", code::INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE)?;
        let count = self.bound(limit.count.as_ref(), "LIMIT", code::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE)?;
        let exec = GlobalLimitExec::new(built.exec, offset.unwrap_or(0), count);
        Ok(Built { exec: Arc::new(exec), columns: built.columns })
    }

    fn bound(&mut self, value: Option<&Value>, name: &str, code: SqlState) -> Translated<Option<usize>> {
        let Some(value) = value else { return Ok(None) };
        match self.row_count(value)? {
            None => Ok(None),
            Some(count) => match usize::try_from(count) {
                Ok(count) => Ok(Some(count)),
                Err(_) => {
                    self.error = Some(PgError::new(code, format!("{name} must not be negative")));
                    refuse("a negative row count")
                }
            },
        }
    }

    /// A LIMIT or OFFSET that is known when the subtree starts.
    fn row_count(&self, value: &Value) -> Translated<Option<i64>> {
        if !value.program.steps.is_empty() {
            return refuse("a computed LIMIT or OFFSET");
        }
        match &self.around.frame[value.slot.index()] {
            Datum::Int8(count) => Ok(Some(*count)),
            Datum::Null => Ok(None),
            other => refuse(format!("a LIMIT of kind {}", other.kind())),
        }
    }
}
