//! Index scan nodes.

use crate::builder::Builder;
use crate::node::{Filter, NodeId, NodeKind};
use crate::planner::path::{IndexClause, IndexClauseTest, Path, PathKind};
use crate::scan::{IndexCondition, IndexScan, IndexTest};
use redoubt_error::{PgError, PgResult};

impl Builder<'_> {
    pub(super) fn create_index_scan(&mut self, path: &Path) -> PgResult<NodeId> {
        let PathKind::IndexScan { range, index, conditions, filter, backward, index_only } = &path.kind
        else {
            return Err(PgError::internal("not an index scan"));
        };
        let filter = self.clause_filter(filter)?;
        let tests = self.index_conditions(conditions)?;
        let recheck = self.recheck(conditions)?;
        let scan = self.scan_of(*range)?;
        let id = self.node(NodeKind::IndexScan(IndexScan {
            scan,
            index: index.clone(),
            conditions: tests,
            recheck,
            backward: *backward,
            index_only: *index_only,
        }));
        self.node_mut(id).filter = filter;
        Ok(id)
    }

    /// Compiles the values that index columns are compared with.
    pub(super) fn index_conditions(&mut self, conditions: &[IndexClause]) -> PgResult<Vec<IndexCondition>> {
        conditions
            .iter()
            .map(|condition| {
                let test = match &condition.test {
                    IndexClauseTest::Compare { strategy, value } => IndexTest::Compare {
                        strategy: *strategy,
                        value: self.compile(value)?,
                        type_oid: value.ty().type_oid,
                    },
                    IndexClauseTest::AnyOf { array } => {
                        let element =
                            self.ctx.env.type_info(array.ty().type_oid)?.map_or(0, |info| info.elem);
                        IndexTest::AnyOf { array: self.compile(array)?, type_oid: element }
                    }
                    IndexClauseTest::IsNull => IndexTest::IsNull,
                    IndexClauseTest::NotNull => IndexTest::NotNull,
                };
                Ok(IndexCondition { column: condition.column, test })
            })
            .collect()
    }

    /// The conditions as a filter over the row, for rows found by a lossy or changed entry.
    pub(super) fn recheck(&mut self, conditions: &[IndexClause]) -> PgResult<Filter> {
        let exprs: Vec<_> = conditions.iter().map(|condition| condition.clause.expr.clone()).collect();
        Ok(self.filter(&exprs)?.unwrap_or_default())
    }
}
