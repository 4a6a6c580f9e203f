//! Searching a GiST index: conditions that the operator classes understand, and the rows that may satisfy them.

use super::IndexScanState;
use crate::exec::Exec;
use redoubt_access::{GistColumns, GistCondition, GistSearch, GistTest};
use redoubt_error::PgResult;
use redoubt_plan::scan::{IndexCondition, IndexScan, IndexTest};
use std::sync::Arc;

/// The conditions with the values that they compare with; nothing if no row can satisfy them.
pub(in crate::nodes) fn search_conditions<'a>(
    x: &mut Exec<'a>,
    columns: &GistColumns,
    conditions: &'a [IndexCondition],
) -> PgResult<Option<Vec<GistCondition>>> {
    let mut found = Vec::with_capacity(conditions.len());
    for condition in conditions {
        let column = condition.column;
        let test = match &condition.test {
            IndexTest::IsNull => GistTest::IsNull,
            IndexTest::NotNull => GistTest::NotNull,
            IndexTest::Compare { strategy, value, .. } => {
                let value = x.value(value)?;
                if value.is_null() {
                    return Ok(None);
                }
                let mut query = Vec::new();
                columns[column].compress(value, &mut query)?;
                GistTest::Operator { strategy: i16::from(*strategy), query }
            }
            // Lists are not looked for in such an index.
            IndexTest::AnyOf { .. } => continue,
        };
        found.push(GistCondition { column, test });
    }
    Ok(Some(found))
}

impl IndexScanState {
    /// The next row of a search.
    pub(super) fn next_found<'a>(
        &mut self,
        x: &mut Exec<'a>,
        node: &'a IndexScan,
        columns: &Arc<GistColumns>,
    ) -> PgResult<bool> {
        if !self.started {
            self.open_table(x, node)?;
            self.started = true;
            let conditions = search_conditions(x, columns, &node.conditions)?;
            self.search = match conditions {
                None => None,
                Some(conditions) => {
                    let tree = x.ctx.storage.open_gist(node.index.storage)?;
                    Some(GistSearch::new(tree, columns.clone(), conditions))
                }
            };
        }
        let Some(search) = &mut self.search else { return Ok(false) };
        let table = self.table.as_ref().expect("opened at the start");
        while let Some(root) = search.next()? {
            x.ctx.check_for_interrupts()?;
            let found = table.table.heap.fetch_from_index(root, &x.ctx.storage.snapshot, &mut self.buf)?;
            let Some(tid) = found else { continue };
            table.deliver(&node.scan, tid, self.buf.tuple(), &mut x.frame)?;
            if x.run(&node.recheck.program)? {
                return Ok(true);
            }
            x.note(self.id, |stats| stats.recheck_filtered += 1);
        }
        Ok(false)
    }
}
