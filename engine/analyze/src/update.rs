//! UPDATE, and the SET lists that ON CONFLICT DO UPDATE shares with it
//! (PostgreSQL's transformUpdateStmt and transformUpdateTargetList).

use crate::analyzer::{Analyzer, Place};
use crate::assign::assignment;
use crate::insert::refuse_path;
use crate::query::{CommandType, Expr, FromExpr, FromItem, Perms, Query, SubLink, SubLinkKind, TargetEntry};
use crate::target::Targets;
use crate::updatable_view::ViewTarget;
use crate::visit;
use redoubt_catalog::Relation;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Attribute, types};
use redoubt_sql::tree as ast;

impl Analyzer<'_> {
    pub(crate) fn update(&mut self, raw: &ast::Update) -> PgResult<Query> {
        if let Some(with) = &raw.with {
            self.with_clause(with)?;
        }
        let (relation, target) = self.target_table(&raw.relation, Perms::UPDATE, true)?;
        let rt = target.rt;
        let items = self.range_beside_target(target, &raw.from)?;
        let quals = self.condition(raw.where_clause.as_ref(), Place::Where, "WHERE")?;
        let returning = self.returning(&raw.returning)?;
        let view = match relation.kind {
            'v' => Some(self.view_target(&relation, CommandType::Update)?),
            _ => None,
        };
        let assignments = self.update_targets(&raw.set, &relation, rt, view.as_ref())?;
        let mut query = self.finish_level(CommandType::Update, Targets::default());
        query.jointree = FromExpr { items, quals };
        query.target_list = assignments;
        query.result_relation = Some(rt);
        query.returning = returning;
        if let Some(view) = view {
            self.replace_view(&mut query, rt, view)?;
        }
        Ok(query)
    }

    /// FROM or USING beside the target, whose columns only later clauses see.
    pub(crate) fn range_beside_target(
        &mut self,
        mut target: crate::scope::NsItem,
        from: &[ast::TableRef],
    ) -> PgResult<Vec<FromItem>> {
        let rt = target.rt;
        (target.lateral_only, target.lateral_ok) = (true, false);
        self.level().scope.items.push(target);
        let mut items = vec![FromItem::Rte(rt)];
        items.extend(self.range_list(from)?);
        Ok(items)
    }

    /// Analyzes SET; assignments come in the table's order, with DEFAULT replaced.
    pub(crate) fn update_targets(
        &mut self,
        set: &[ast::Assignment],
        relation: &Relation,
        rt: usize,
        view: Option<&ViewTarget>,
    ) -> PgResult<Vec<TargetEntry>> {
        let mut sources: Vec<(&ast::AssignTarget, Expr, usize)> = Vec::with_capacity(set.len());
        for item in set {
            match item {
                ast::Assignment::Single { target, value } => {
                    let (value, position) = self.update_value(value)?;
                    sources.push((target, value, position));
                }
                ast::Assignment::Multiple { targets, source } => {
                    let values = self.multiple_values(source, targets.len())?;
                    let pairs = targets.iter().zip(values);
                    sources.extend(pairs.map(|(target, (value, position))| (target, value, position)));
                }
            }
        }
        let mut assignments: Vec<TargetEntry> = Vec::with_capacity(sources.len());
        for (target, value, position) in sources {
            let column = self.target_column(relation, &target.column)?;
            refuse_path(target)?;
            let value = self.assign(value, relation, &column, position)?;
            let entry = &mut self.level().rtable[rt];
            if !entry.modified_columns.contains(&column.attno) {
                entry.modified_columns.push(column.attno);
            }
            assignments.push(assignment(&column, value));
        }
        match view {
            Some(view) => {
                let assignments = self.base_assignments(relation, view, assignments, CommandType::Update)?;
                self.finish_assignments(assignments, &view.base)
            }
            None => self.finish_assignments(assignments, relation),
        }
    }

    fn update_value(&mut self, raw: &ast::Expr) -> PgResult<(Expr, usize)> {
        if let ast::Expr::Default { pos } = raw {
            return Ok((Expr::SetToDefault(self.plain_type(types::UNKNOWN)?), *pos));
        }
        Ok((self.expr(raw, Place::UpdateSource)?, raw.location()))
    }

    /// `(a, b) = ROW(x, y)` (`transformMultiAssignRef`).
    fn multiple_values(&mut self, source: &ast::Expr, wanted: usize) -> PgResult<Vec<(Expr, usize)>> {
        let position = source.location();
        let mismatch = || {
            let message = "number of columns does not match number of values";
            PgError::new(code::SYNTAX_ERROR, message).at(Some(position))
        };
        match source {
            ast::Expr::Row { fields, .. } => {
                let values = self.expression_row(fields, Place::UpdateSource, true)?;
                if values.len() == wanted { Ok(values) } else { Err(mismatch()) }
            }
            ast::Expr::SubLink(link) if matches!(link.kind, ast::SubLinkKind::Scalar) => {
                if wanted == 1 {
                    return Ok(vec![(self.expr(source, Place::UpdateSource)?, position)]);
                }
                self.subquery_values(link, wanted, position)
            }
            _ => {
                let message =
                    "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression";
                Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).at(Some(position)))
            }
        }
    }

    /// `(a, b) = (SELECT x, y ...)`: the subquery gives a row, of which each column takes its field.
    fn subquery_values(
        &mut self,
        link: &ast::SubLink,
        wanted: usize,
        position: usize,
    ) -> PgResult<Vec<(Expr, usize)>> {
        let before = self.level().place.replace(Place::UpdateSource);
        let query = self.sub_query(&link.query);
        self.level().place = before;
        let mut query = crate::setop::wrap(query?);
        let columns: Vec<Expr> = query.target_list.iter().map(|entry| entry.expr.clone()).collect();
        if columns.len() != wanted {
            let message = "number of columns does not match number of values";
            return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(position)));
        }
        let mut volatile = false;
        visit::visit_query(&query, 0, &mut |node, _| {
            volatile |= matches!(node, Expr::Call(call) if call.volatility == 'v');
            true
        });
        if volatile {
            // It is run once for each column.
            let what = "assigning several columns from one subquery with volatile functions";
            return Err(PgError::unsupported(what).at(Some(position)));
        }
        let ty = self.plain_type(types::RECORD)?;
        query.target_list.truncate(1);
        query.target_list[0].expr = Expr::Row { fields: columns.clone(), ty };
        query.target_list[0].name = "row".into();
        let link = SubLink { kind: SubLinkKind::Expr, query, tests: Vec::new(), ty };
        let row = Expr::SubLink(Box::new(link));
        let field = |(index, column): (usize, &Expr)| {
            let arg = Box::new(row.clone());
            (Expr::FieldSelect { arg, field: index as i16 + 1, ty: column.ty() }, position)
        };
        Ok(columns.iter().enumerate().map(field).collect())
    }

    /// What PostgreSQL's rewriter does: one assignment per column, in order, DEFAULT replaced.
    fn finish_assignments(
        &mut self,
        mut assignments: Vec<TargetEntry>,
        relation: &Relation,
    ) -> PgResult<Vec<TargetEntry>> {
        assignments.sort_by_key(|entry| entry.target_attno);
        for index in 0..assignments.len() {
            let attno = assignments[index].target_attno;
            let attribute = &relation.desc.attrs[attno as usize - 1];
            if index > 0 && assignments[index - 1].target_attno == attno {
                let message = format!("multiple assignments to same column \"{}\"", attribute.name);
                return Err(PgError::new(code::SYNTAX_ERROR, message));
            }
            let defaults = matches!(assignments[index].expr, Expr::SetToDefault(_));
            if !defaults && (attribute.identity == b'a' || attribute.generated != 0) {
                return Err(only_default(attribute));
            }
            if defaults {
                let value = self.column_default(relation, attno)?;
                assignments[index].expr = value.unwrap_or_else(|| Self::null_of(attribute));
            }
        }
        // A generated column is computed when the row is stored.
        assignments.retain(|entry| relation.desc.attrs[entry.target_attno as usize - 1].generated == 0);
        Ok(assignments)
    }
}

fn only_default(attribute: &Attribute) -> PgError {
    let name = &attribute.name;
    let message = format!("column \"{name}\" can only be updated to DEFAULT");
    let detail = if attribute.generated != 0 {
        format!("Column \"{name}\" is a generated column.")
    } else {
        format!("Column \"{name}\" is an identity column defined as GENERATED ALWAYS.")
    };
    PgError::new(code::GENERATED_ALWAYS, message).detail(detail)
}
