//! Index scan nodes.

use crate::builder::Builder;
use crate::node::{Estimate, Filter, NodeId, NodeKind};
use crate::planner::clause::Clause;
use crate::planner::path::{BitmapKind, BitmapPath, IndexClause, IndexClauseTest, Path, PathKind};
use crate::scan::{BitmapHeapScan, BitmapIndexScan, IndexCondition, IndexScan, IndexTest};
use redoubt_error::{PgError, PgResult};
use std::rc::Rc;

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

    /// Rows of a bitmap. All conditions are tested again on the rows.
    pub(super) fn create_bitmap_scan(
        &mut self,
        range: usize,
        bitmap: &BitmapPath,
        filter: &[Rc<Clause>],
    ) -> PgResult<NodeId> {
        let child = self.create_bitmap(range, bitmap)?;
        let recheck = self.filter(&bitmap.exprs)?.unwrap_or_default();
        let filter = self.clause_filter(filter)?;
        let scan = self.scan_of(range)?;
        let id = self.node(NodeKind::BitmapHeapScan(BitmapHeapScan { scan, bitmap: child, recheck }));
        self.node_mut(id).filter = filter;
        Ok(id)
    }

    fn create_bitmap(&mut self, range: usize, bitmap: &BitmapPath) -> PgResult<NodeId> {
        let mut create_all = |parts: &[Rc<BitmapPath>]| -> PgResult<Vec<NodeId>> {
            parts.iter().map(|part| self.create_bitmap(range, part)).collect()
        };
        let (kind, startup) = match &bitmap.kind {
            BitmapKind::And(parts) => (NodeKind::BitmapAnd(create_all(parts)?), bitmap.total),
            BitmapKind::Or(parts) => (NodeKind::BitmapOr(create_all(parts)?), bitmap.total),
            BitmapKind::Index { index, conditions } => {
                let scan = BitmapIndexScan {
                    relid: self.scan_of(range)?.relid,
                    index: index.clone(),
                    conditions: self.index_conditions(conditions)?,
                    exprs: bitmap.exprs.clone(),
                };
                (NodeKind::BitmapIndexScan(scan), 0.0)
            }
        };
        let id = self.node(kind);
        self.node_mut(id).estimate = Estimate { startup, total: bitmap.total, rows: bitmap.rows, width: 0 };
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
