//! ORDER BY, GROUP BY, DISTINCT and LIMIT: which output column an item means, and by which
//! operators it is sorted and grouped (PostgreSQL's src/backend/parser/parse_clause.c).

use crate::analyzer::{Analyzer, Place};
use crate::equal::same_expr;
use crate::query::{Distinct, Expr, SortGroup};
use crate::target::{Targets, column_name, first_position};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::types;
use redoubt_sql::tree as ast;

/// A clause's words in messages.
fn clause_name(place: Place) -> &'static str {
    match place {
        Place::GroupBy => "GROUP BY",
        Place::DistinctOn => "DISTINCT ON",
        Place::WindowPartition => "window PARTITION BY",
        Place::WindowOrder => "window ORDER BY",
        _ => "ORDER BY",
    }
}

/// An integer literal, negative ones included, as the grammar folds them.
fn integer_literal(raw: &ast::Expr) -> Option<i64> {
    match raw {
        ast::Expr::Literal { value: ast::Literal::Integer(number), .. } => Some(i64::from(*number)),
        ast::Expr::Op(op) if op.left.is_none() && op.name.schema.is_empty() && &*op.name.symbol == "-" => {
            integer_literal(&op.right).filter(|number| *number >= 0).map(|number| -number)
        }
        _ => None,
    }
}

/// Another constant than an integer.
fn other_literal(raw: &ast::Expr) -> bool {
    match raw {
        ast::Expr::Literal { value, .. } => !matches!(value, ast::Literal::Integer(_)),
        ast::Expr::Op(op) if op.left.is_none() && op.name.schema.is_empty() && &*op.name.symbol == "-" => {
            matches!(op.right, ast::Expr::Literal { value: ast::Literal::Number(_), .. })
        }
        _ => false,
    }
}

impl Analyzer<'_> {
    /// The target entry that an item means by SQL92's rules: an output column's name or number, or
    /// else an expression (`findTargetlistEntrySQL92`).
    pub(crate) fn find_target(
        &mut self,
        raw: &ast::Expr,
        targets: &mut Targets,
        place: Place,
    ) -> PgResult<usize> {
        if let ast::Expr::Column(column) = raw
            && let [name] = column.parts.as_slice()
            && !column.star
        {
            // In GROUP BY a column of FROM comes before an output column.
            let hidden = place == Place::GroupBy && self.is_from_column(&name.name, column.pos)?;
            if !hidden && let Some(found) = named_target(&name.name, targets, place, column.pos)? {
                self.check_target_sql92(targets, found, place)?;
                return Ok(found);
            }
        }
        if let Some(number) = integer_literal(raw) {
            let mut shown = (0..targets.entries.len()).filter(|index| !targets.entries[*index].junk);
            let found = usize::try_from(number - 1).ok().and_then(|index| shown.nth(index));
            let Some(found) = found else {
                let message = format!("{} position {number} is not in select list", clause_name(place));
                return Err(PgError::new(code::INVALID_COLUMN_REFERENCE, message).at(Some(raw.location())));
            };
            self.check_target_sql92(targets, found, place)?;
            return Ok(found);
        }
        if other_literal(raw) {
            let message = format!("non-integer constant in {}", clause_name(place));
            return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(raw.location())));
        }
        self.find_target_sql99(raw, targets, place)
    }

    /// GROUP BY may not name an output column that aggregates.
    fn check_target_sql92(&mut self, targets: &Targets, index: usize, place: Place) -> PgResult<()> {
        if place != Place::GroupBy {
            return Ok(());
        }
        let expr = &targets.entries[index].expr;
        let aggregate =
            |node: &Expr, depth: usize| matches!(node, Expr::Aggregate(a) if a.levels_up == depth);
        if self.level().has_aggs
            && let Some(position) = first_position(expr, &aggregate)
        {
            let message = "aggregate functions are not allowed in GROUP BY";
            return Err(PgError::new(code::GROUPING_ERROR, message).at(Some(position)));
        }
        let window = |node: &Expr, depth: usize| matches!(node, Expr::WindowFunc(_)) && depth == 0;
        if self.level().has_window_funcs
            && let Some(position) = first_position(expr, &window)
        {
            let message = "window functions are not allowed in GROUP BY";
            return Err(PgError::new(code::WINDOWING_ERROR, message).at(Some(position)));
        }
        Ok(())
    }

    /// The target entry of an expression, added as junk if there is none
    /// (`findTargetlistEntrySQL99`).
    pub(crate) fn find_target_sql99(
        &mut self,
        raw: &ast::Expr,
        targets: &mut Targets,
        place: Place,
    ) -> PgResult<usize> {
        let expr = self.expr(raw, place)?;
        let same = targets.entries.iter().position(|entry| same_expr(&expr, strip_implicit(&entry.expr)));
        if let Some(found) = same {
            return Ok(found);
        }
        let name = column_name(raw, &expr);
        Ok(targets.push(name, expr, true, raw.location()))
    }

    /// ORDER BY (`transformSortClause`).
    pub(crate) fn sort_clause(
        &mut self,
        raw: &[ast::SortBy],
        targets: &mut Targets,
        place: Place,
    ) -> PgResult<Vec<SortGroup>> {
        let mut keys = Vec::with_capacity(raw.len());
        for sort in raw {
            let index = if place == Place::OrderBy {
                self.find_target(&sort.expr, targets, place)?
            } else {
                self.find_target_sql99(&sort.expr, targets, place)?
            };
            let key = self.sort_key(sort, index, targets)?;
            let known = |k: &SortGroup| k.target == index && k.sort_operator == key.sort_operator;
            if !keys.iter().any(known) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    fn sort_key(&mut self, sort: &ast::SortBy, index: usize, targets: &mut Targets) -> PgResult<SortGroup> {
        self.settle_target(targets, index)?;
        let position = sort.pos.unwrap_or_else(|| sort.expr.location());
        let type_oid = targets.entries[index].expr.ty().type_oid;
        let (sort_operator, eq_operator, descending) = match &sort.direction {
            ast::SortDirection::Using(name) => self.using_operator(name, type_oid, position)?,
            direction => {
                let (less, equal, greater) = self.sort_group_operators(type_oid, Some(position))?;
                let descending = *direction == ast::SortDirection::Desc;
                (if descending { greater } else { less }, equal, descending)
            }
        };
        let nulls_first = sort.nulls_first.unwrap_or(descending);
        Ok(SortGroup { target: index, descending, nulls_first, sort_operator, eq_operator })
    }

    /// ORDER BY ... USING: the operator must be `<` or `>` of a btree family. Gives it, the equality
    /// that goes with it, and whether it sorts downwards.
    fn using_operator(
        &mut self,
        name: &ast::OpName,
        type_oid: u32,
        position: usize,
    ) -> PgResult<(u32, u32, bool)> {
        const LESS: i16 = 1;
        const EQUAL: i16 = 3;
        const GREATER: i16 = 5;
        let operator = self.find_operator(name, Some(type_oid), type_oid, Some(position))?;
        for row in self.catalog.families_of_operator(operator.oid)?.iter() {
            if row.amopmethod != redoubt_catalog::BTREE || !matches!(row.amopstrategy, LESS | GREATER) {
                continue;
            }
            let equal =
                self.catalog.family_operator(row.amopfamily, row.amoplefttype, row.amoprighttype, EQUAL)?;
            if equal != 0 {
                return Ok((operator.oid, equal, row.amopstrategy == GREATER));
            }
        }
        let message = format!("operator {} is not a valid ordering operator", name.symbol);
        Err(PgError::new(code::WRONG_OBJECT_TYPE, message)
            .hint("Ordering operators must be \"<\" or \">\" members of btree operator families.")
            .at(Some(position)))
    }

    /// A literal that is sorted or grouped by is text.
    fn settle_target(&mut self, targets: &mut Targets, index: usize) -> PgResult<()> {
        let entry = &mut targets.entries[index];
        if entry.expr.ty().type_oid == types::UNKNOWN {
            let position = Some(targets.positions[index]);
            entry.expr = self.resolve_unknown(entry.expr.clone(), position)?;
        }
        Ok(())
    }

    /// A key with the type's default grouping (`addTargetToGroupList`); sorting need not be possible.
    pub(crate) fn group_key(
        &mut self,
        targets: &mut Targets,
        index: usize,
        position: usize,
    ) -> PgResult<SortGroup> {
        self.settle_target(targets, index)?;
        let type_oid = targets.entries[index].expr.ty().type_oid;
        let found = self.catalog.sort_operators(type_oid)?;
        if found.equal == 0 {
            let message =
                format!("could not identify an equality operator for type {}", self.type_name(type_oid)?);
            return Err(PgError::new(code::UNDEFINED_FUNCTION, message).at(Some(position)));
        }
        Ok(SortGroup {
            target: index,
            descending: false,
            nulls_first: false,
            sort_operator: found.less,
            eq_operator: found.equal,
        })
    }

    /// DISTINCT: the ORDER BY items first, then all other output columns
    /// (`transformDistinctClause`).
    pub(crate) fn distinct_clause(
        &mut self,
        targets: &mut Targets,
        sort: &[SortGroup],
    ) -> PgResult<Distinct> {
        let mut keys: Vec<SortGroup> = Vec::new();
        for key in sort {
            if targets.entries[key.target].junk {
                let message = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
                return Err(PgError::new(code::INVALID_COLUMN_REFERENCE, message)
                    .at(Some(targets.positions[key.target])));
            }
            keys.push(*key);
        }
        for index in 0..targets.entries.len() {
            if !targets.entries[index].junk && !keys.iter().any(|key| key.target == index) {
                let position = targets.positions[index];
                keys.push(self.group_key(targets, index, position)?);
            }
        }
        if keys.is_empty() {
            let message = "SELECT DISTINCT must have at least one column";
            return Err(PgError::new(code::SYNTAX_ERROR, message));
        }
        Ok(Distinct::All(keys))
    }

    /// DISTINCT ON: its items must be the first of ORDER BY (`transformDistinctOnClause`).
    pub(crate) fn distinct_on_clause(
        &mut self,
        raw: &[ast::Expr],
        targets: &mut Targets,
        sort: &[SortGroup],
    ) -> PgResult<Distinct> {
        let mut wanted = Vec::with_capacity(raw.len());
        for expr in raw {
            wanted.push((self.find_target(expr, targets, Place::DistinctOn)?, expr.location()));
        }
        let mismatch = |position: usize| {
            let message = "SELECT DISTINCT ON expressions must match initial ORDER BY expressions";
            Err(PgError::new(code::INVALID_COLUMN_REFERENCE, message).at(Some(position)))
        };
        let mut keys: Vec<SortGroup> = Vec::new();
        let mut skipped = false;
        for key in sort {
            match wanted.iter().find(|(index, _)| *index == key.target) {
                Some((_, position)) if skipped => return mismatch(*position),
                Some(_) => keys.push(*key),
                None => skipped = true,
            }
        }
        for (index, position) in wanted {
            if keys.iter().any(|key| key.target == index) {
                continue;
            }
            if skipped {
                return mismatch(position);
            }
            keys.push(self.group_key(targets, index, position)?);
        }
        Ok(Distinct::On(keys))
    }

    /// WHERE, HAVING and the like (`transformWhereClause`).
    pub(crate) fn condition(
        &mut self,
        raw: Option<&ast::Expr>,
        place: Place,
        clause: &str,
    ) -> PgResult<Option<Expr>> {
        let Some(raw) = raw else { return Ok(None) };
        let expr = self.expr(raw, place)?;
        self.coerce_to_boolean(expr, clause, raw.location()).map(Some)
    }

    /// LIMIT and OFFSET: an int8 without columns of this query (`transformLimitClause`).
    pub(crate) fn limit_clause(
        &mut self,
        raw: Option<&ast::Expr>,
        place: Place,
        with_ties: bool,
    ) -> PgResult<Option<Expr>> {
        let Some(raw) = raw else { return Ok(None) };
        let clause = if place == Place::Limit { "LIMIT" } else { "OFFSET" };
        let expr = self.expr(raw, place)?;
        let expr = self.coerce_to_specific(expr, types::INT8, clause, raw.location())?;
        let own = |node: &Expr, depth: usize| matches!(node, Expr::Var(var) if var.levels_up == depth);
        if contains(&expr, &own) {
            let message = format!("argument of {clause} must not contain variables");
            return Err(PgError::new(code::INVALID_COLUMN_REFERENCE, message).at(first_position(&expr, &own)));
        }
        if with_ties && matches!(raw, ast::Expr::Literal { value: ast::Literal::Null, .. }) {
            let message = "row count cannot be null in FETCH FIRST ... WITH TIES clause";
            return Err(PgError::new(code::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, message));
        }
        Ok(Some(expr))
    }
}

/// The one output column of this name; several must be the same expression.
fn named_target(name: &str, targets: &Targets, place: Place, position: usize) -> PgResult<Option<usize>> {
    let mut found: Option<usize> = None;
    for (index, entry) in targets.entries.iter().enumerate() {
        if entry.junk || &*entry.name != name {
            continue;
        }
        match found {
            None => found = Some(index),
            Some(first) if same_expr(&targets.entries[first].expr, &entry.expr) => {}
            Some(_) => {
                let message = format!("{} \"{name}\" is ambiguous", clause_name(place));
                return Err(PgError::new(code::AMBIGUOUS_COLUMN, message).at(Some(position)));
            }
        }
    }
    Ok(found)
}

/// The expression below casts that nobody wrote.
fn strip_implicit(expr: &Expr) -> &Expr {
    use crate::query::CallForm;
    match expr {
        Expr::Relabel { arg, explicit: false, .. } | Expr::CoerceViaIo { arg, explicit: false, .. } => {
            strip_implicit(arg)
        }
        Expr::Call(call) if call.form == CallForm::ImplicitCast => strip_implicit(&call.args[0]),
        _ => expr,
    }
}

/// Whether any node of an expression, subqueries included, satisfies a test.
pub(crate) fn contains(expr: &Expr, test: &dyn Fn(&Expr, usize) -> bool) -> bool {
    let mut found = false;
    crate::visit::visit(expr, 0, &mut |node, depth| {
        found = found || test(node, depth);
        !found
    });
    found
}
