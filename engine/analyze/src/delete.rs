//! DELETE (PostgreSQL's transformDeleteStmt).

use crate::analyzer::{Analyzer, Place};
use crate::query::{CommandType, FromExpr, Perms, Query};
use crate::target::Targets;
use redoubt_error::PgResult;
use redoubt_sql::tree as ast;

impl Analyzer<'_> {
    pub(crate) fn delete(&mut self, raw: &ast::Delete) -> PgResult<Query> {
        if let Some(with) = &raw.with {
            self.with_clause(with)?;
        }
        let (relation, target) = self.target_table(&raw.relation, Perms::DELETE, true)?;
        let rt = target.rt;
        let items = self.range_beside_target(target, &raw.using)?;
        let quals = self.condition(raw.where_clause.as_ref(), Place::Where, "WHERE")?;
        let returning = self.returning(&raw.returning)?;
        let view = match relation.kind {
            'v' => Some(self.view_target(&relation, CommandType::Delete)?),
            _ => None,
        };
        let mut query = self.finish_level(CommandType::Delete, Targets::default());
        query.jointree = FromExpr { items, quals };
        query.result_relation = Some(rt);
        query.returning = returning;
        if let Some(view) = view {
            self.replace_view(&mut query, rt, view)?;
        }
        Ok(query)
    }
}
