//! Ways to use indexes (PostgreSQL's src/backend/optimizer/path/indxpath.c).

use super::clause::{Clause, operator_of};
use super::cost::clamp_rows;
use super::equivalence::strip_relabel;
use super::inspect;
use super::level::LevelPlanner;
use super::order::DISABLE_COST;
use super::path::{IndexClause, IndexClauseTest, Path, PathKey, PathKind};
use super::relset::RelSet;
use crate::equal::same;
use crate::facts::{IndexColumn, IndexFacts, IndexForm};
use crate::planner::fold::bool_const;
use redoubt_analyze::query::*;
use redoubt_error::PgResult;
use std::rc::Rc;
use std::sync::Arc;

/// The strategy of `=` in B-tree families.
const EQUAL: u8 = 3;

impl LevelPlanner<'_, '_> {
    /// Adds the index scans of a table: by its own restrictions, in useful orders, and driven by
    /// other relations' rows.
    pub(crate) fn add_index_paths(
        &mut self,
        range: usize,
        clauses: &[Rc<Clause>],
        paths: &mut Vec<Rc<Path>>,
    ) -> PgResult<()> {
        let indexes: Vec<Arc<IndexFacts>> = self.bases[&range].indexes.clone();
        for index in indexes.iter().filter(|index| index.valid) {
            if !self.predicate_holds(range, index, clauses)? {
                continue;
            }
            let own = self.match_clauses(range, index, clauses)?;
            self.add_index_scans(range, index, &own, clauses, RelSet::new(), paths)?;
            let joins = self.joining_clauses(range, index)?;
            self.add_driven_scans(range, index, &own, &joins, clauses, paths)?;
        }
        Ok(())
    }

    pub(super) fn predicate_holds(
        &self,
        range: usize,
        index: &IndexFacts,
        clauses: &[Rc<Clause>],
    ) -> PgResult<bool> {
        let Some(predicate) = &index.predicate else { return Ok(true) };
        let predicate = over_range(predicate, range);
        let conditions: Vec<&Expr> = clauses.iter().map(|clause| &clause.expr).collect();
        self.implies(&conditions, &predicate)
    }

    /// The clauses that the index can test, by column.
    pub(super) fn match_clauses(
        &self,
        range: usize,
        index: &IndexFacts,
        clauses: &[Rc<Clause>],
    ) -> PgResult<Vec<IndexClause>> {
        let mut found = Vec::new();
        for column in 0..index.key_columns {
            for clause in clauses.iter().filter(|clause| !clause.constant) {
                if let Some(test) = self.match_clause(range, index, column, clause)? {
                    found.push(IndexClause { column, clause: clause.clone(), test });
                }
            }
        }
        Ok(found)
    }

    /// What a clause asks of an index column, if it can be asked of the index.
    fn match_clause(
        &self,
        range: usize,
        index: &IndexFacts,
        column: usize,
        clause: &Rc<Clause>,
    ) -> PgResult<Option<IndexClauseTest>> {
        let column = &index.columns[column];
        let is_column = |expr: &Expr| matches_column(range, column, expr);
        if let Some((call, operator)) = operator_of(&clause.expr) {
            let (left, right) = (&call.args[0], &call.args[1]);
            if is_column(left) && self.is_index_value(range, right) {
                return self.compare_test(index, column, call, operator, right);
            }
            if is_column(right) && self.is_index_value(range, left) {
                let commutator =
                    self.builder.ctx.catalog.operator(operator)?.map_or(0, |facts| facts.commutator);
                return self.compare_test(index, column, call, commutator, left);
            }
            return Ok(None);
        }
        Ok(match &clause.expr {
            Expr::ScalarArrayOp { call, any: true } => {
                let CallForm::Operator { oid, .. } = call.form else { return Ok(None) };
                let fits = index.searches_lists()
                    && is_column(&call.args[0])
                    && self.is_index_value(range, &call.args[1])
                    && self.strategy(index, column, call, oid)? == Some(EQUAL);
                fits.then(|| IndexClauseTest::AnyOf { array: call.args[1].clone() })
            }
            Expr::IsNull { arg, negated, row: false } if is_column(arg) && index.searches_nulls() => {
                Some(if *negated { IndexClauseTest::NotNull } else { IndexClauseTest::IsNull })
            }
            // A boolean column is itself a condition.
            Expr::Not(arg) if is_column(arg) => {
                Some(IndexClauseTest::Compare { strategy: EQUAL, value: bool_const(false) })
            }
            expr if expr.ty().type_oid == redoubt_functions::types::BOOL && is_column(expr) => {
                Some(IndexClauseTest::Compare { strategy: EQUAL, value: bool_const(true) })
            }
            _ => None,
        })
    }

    fn compare_test(
        &self,
        index: &IndexFacts,
        column: &IndexColumn,
        call: &Call,
        operator: redoubt_functions::Oid,
        value: &Expr,
    ) -> PgResult<Option<IndexClauseTest>> {
        let strategy = self.strategy(index, column, call, operator)?;
        Ok(strategy.map(|strategy| IndexClauseTest::Compare { strategy, value: value.clone() }))
    }

    /// The operator's strategy in the column's operator family; `=` in a hash family as B-trees number it.
    fn strategy(
        &self,
        index: &IndexFacts,
        column: &IndexColumn,
        call: &Call,
        operator: redoubt_functions::Oid,
    ) -> PgResult<Option<u8>> {
        if operator == 0 || column.collation != 0 && call.input_collation != column.collation {
            return Ok(None);
        }
        // Only an order needs values of one kind; else the operator family says what goes together.
        if index.is_ordered() && !call.args.iter().all(|arg| fits_key(column, arg.ty().type_oid)) {
            return Ok(None);
        }
        let strategy = self.builder.ctx.catalog.strategy(operator, column.family)?;
        Ok(strategy.and_then(|strategy| match &index.form {
            IndexForm::Ordered => u8::try_from(strategy).ok(),
            // A hash family has one operator.
            IndexForm::Hashed(_) => Some(EQUAL),
            // Every family has numbers of its own.
            IndexForm::Searched(_) => u8::try_from(strategy).ok(),
        }))
    }

    /// Whether a comparison value is fixed while the index is read.
    fn is_index_value(&self, range: usize, expr: &Expr) -> bool {
        !self.local_relids(expr).contains(range) && !inspect::is_volatile(expr)
    }

    /// Clauses that join the table with others and that the index can test, those that follow from
    /// equivalence classes included.
    fn joining_clauses(&mut self, range: usize, index: &IndexFacts) -> PgResult<Vec<IndexClause>> {
        let joins: Vec<Rc<Clause>> = self.bases[&range]
            .join_clauses
            .iter()
            .filter(|clause| {
                clause.relids.contains(range) && !clause.outer_relids.contains(range) && !clause.delayed
            })
            .cloned()
            .collect();
        let mut found = self.match_clauses(range, index, &joins)?;
        for column in 0..index.key_columns {
            for clause in self.class_clauses(range, &index.columns[column])? {
                let known = found.iter().any(|known| Rc::ptr_eq(&known.clause, &clause));
                if known || !clause.relids.contains(range) || clause.relids.len() < 2 {
                    continue;
                }
                if let Some(test) = self.match_clause(range, index, column, &clause)? {
                    found.push(IndexClause { column, clause, test });
                }
            }
        }
        found.sort_by_key(|condition| condition.column);
        Ok(found)
    }

    /// Equalities of an index column with other relations' expressions
    /// (`generate_implied_equalities_for_column`).
    fn class_clauses(&mut self, range: usize, column: &IndexColumn) -> PgResult<Vec<Rc<Clause>>> {
        let mut pairs = Vec::new();
        for (class, info) in self.classes.iter().enumerate() {
            if info.merged_into.is_some() || info.has_constant || info.members.len() < 2 || info.broken.get()
            {
                continue;
            }
            let own = info.members.iter().position(|member| {
                member.relids.singleton() == Some(range) && matches_column(range, column, &member.expr)
            });
            let Some(own) = own else { continue };
            for (other, member) in info.members.iter().enumerate() {
                let usable = !member.relids.contains(range)
                    && !member.relids.is_empty()
                    && member.relids.is_subset_of(&self.from);
                if other != own && usable {
                    pairs.push((class, own, other));
                }
            }
        }
        let mut clauses = Vec::with_capacity(pairs.len());
        for (class, own, other) in pairs {
            clauses.extend(self.equality_clause(class, own, other)?);
        }
        Ok(clauses)
    }

    /// Scans driven by other relations: one for each set of relations that some clauses need.
    fn add_driven_scans(
        &mut self,
        range: usize,
        index: &Arc<IndexFacts>,
        own: &[IndexClause],
        joins: &[IndexClause],
        restrictions: &[Rc<Clause>],
        paths: &mut Vec<Rc<Path>>,
    ) -> PgResult<()> {
        let mut tried: Vec<RelSet> = Vec::new();
        let singles: Vec<RelSet> = joins
            .iter()
            .map(|condition| condition.clause.relids.difference(&RelSet::single(range)))
            .collect();
        for (at, first) in singles.iter().enumerate() {
            let mut sets = vec![first.clone()];
            sets.extend(singles[at + 1..].iter().map(|second| first.union(second)));
            for outer in sets {
                // Many joined relations would make many combinations that hardly differ.
                if tried.contains(&outer) || tried.len() >= 10 {
                    continue;
                }
                tried.push(outer.clone());
                let mut conditions: Vec<IndexClause> = own.to_vec();
                conditions.extend(
                    joins
                        .iter()
                        .filter(|c| c.clause.relids.difference(&RelSet::single(range)).is_subset_of(&outer))
                        .cloned(),
                );
                conditions.sort_by_key(|condition| condition.column);
                self.add_index_scans(range, index, &conditions, restrictions, outer, paths)?;
            }
        }
        Ok(())
    }

    /// Adds the scans of one index under these conditions, forward and, where the order helps,
    /// backward.
    fn add_index_scans(
        &mut self,
        range: usize,
        index: &Arc<IndexFacts>,
        conditions: &[IndexClause],
        restrictions: &[Rc<Clause>],
        outer: RelSet,
        paths: &mut Vec<Rc<Path>>,
    ) -> PgResult<()> {
        let index_only = index.is_ordered() && self.covers(range, index, restrictions, conditions);
        // Values are looked for one after the other: in a B-tree's later columns that mixes up the order, and an index
        // that knows no order leaves a list to a bitmap.
        let listed = |condition: &IndexClause| matches!(condition.test, IndexClauseTest::AnyOf { .. });
        if !index.is_ordered() && (conditions.is_empty() || conditions.iter().any(listed)) {
            return Ok(());
        }
        let ordered = index.is_ordered()
            && !conditions.iter().any(|condition| condition.column > 0 && listed(condition));
        for backward in [false, true] {
            let order = if ordered { self.index_order(range, index, backward)? } else { Vec::new() };
            let useful = self.useful_order(&order);
            let pays = !conditions.is_empty() || index.predicate.is_some() || index_only;
            if useful.is_empty() && (backward || !pays) {
                continue;
            }
            let path = self.index_scan(
                range,
                index,
                conditions,
                restrictions,
                &outer,
                (backward, index_only),
                useful,
            )?;
            self.add(paths, path);
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn index_scan(
        &self,
        range: usize,
        index: &Arc<IndexFacts>,
        conditions: &[IndexClause],
        restrictions: &[Rc<Clause>],
        outer: &RelSet,
        (backward, index_only): (bool, bool),
        order: Vec<PathKey>,
    ) -> PgResult<Path> {
        let settings = self.builder.ctx.settings;
        let base = &self.bases[&range];
        let tested =
            |clause: &Rc<Clause>| conditions.iter().any(|condition| Rc::ptr_eq(&condition.clause, clause));
        let mut filter: Vec<Rc<Clause>> =
            restrictions.iter().filter(|clause| !tested(clause)).cloned().collect();
        let mut rows = base.rows;
        let mut loops = 1.0;
        if !outer.is_empty() {
            let allowed = outer.union(&RelSet::single(range));
            let movable = base.join_clauses.iter().filter(|clause| {
                clause.required.is_subset_of(&allowed)
                    && !clause.outer_relids.contains(range)
                    && !clause.delayed
                    && !tested(clause)
            });
            filter.extend(movable.cloned());
            let joins: Vec<Rc<Clause>> = conditions
                .iter()
                .map(|condition| &condition.clause)
                .chain(&filter)
                .filter(|clause| clause.relids.len() > 1)
                .cloned()
                .collect();
            rows = clamp_rows(base.rows * self.clauses_selectivity(&joins)?);
            loops = outer
                .iter()
                .filter_map(|rel| self.bases.get(&rel))
                .map(|other| other.rows)
                .fold(f64::INFINITY, f64::min);
            loops = if loops.is_finite() { loops.max(1.0) } else { 1.0 };
        }
        let index_cost = self.index_cost(base, index, conditions, loops)?;
        let mut cost = self.index_scan_cost(base, index, &index_cost, &filter, (index_only, loops))?;
        let enabled = if index_only { settings.enable_indexonlyscan } else { settings.enable_indexscan };
        if !enabled {
            cost.startup += DISABLE_COST;
            cost.total += DISABLE_COST;
        }
        Ok(Path {
            kind: PathKind::IndexScan {
                range,
                index: index.clone(),
                conditions: conditions.to_vec(),
                filter,
                backward,
                index_only,
            },
            relids: RelSet::single(range),
            outer: outer.union(&base.lateral),
            rows,
            startup: cost.startup,
            total: cost.total,
            width: base.width,
            order,
        })
    }

    /// Whether the index alone has every column of the table that is used.
    fn covers(
        &self,
        range: usize,
        index: &IndexFacts,
        restrictions: &[Rc<Clause>],
        conditions: &[IndexClause],
    ) -> bool {
        if !self.builder.ctx.settings.enable_indexonlyscan {
            return false;
        }
        let _ = (restrictions, conditions);
        self.builder
            .used_columns(range)
            .iter()
            .all(|attno| *attno > 0 && index.columns.iter().any(|column| column.attno == *attno))
    }

    /// The order that reading the index delivers.
    fn index_order(&mut self, range: usize, index: &IndexFacts, backward: bool) -> PgResult<Vec<PathKey>> {
        let mut order = Vec::new();
        for column in &index.columns[..index.key_columns] {
            let expr = match &column.expr {
                Some(expr) => over_range(expr, range),
                None => {
                    let ty = self.builder.ranges[range].columns[column.attno as usize - 1];
                    crate::builder::column_var(range, column.attno, ty)
                }
            };
            // Only what something asks to be ordered by is worth a class.
            let stripped = strip_relabel(&expr);
            let known = (0..self.classes.len()).find(|&at| {
                let class = &self.classes[at];
                class.merged_into.is_none()
                    && !class.volatile
                    && class.families.contains(&column.family)
                    && class.collation == column.collation
                    && class.members.iter().any(|member| same(&member.expr, stripped))
            });
            let Some(class) = known else { break };
            let key = PathKey {
                class,
                family: column.family,
                descending: column.descending != backward,
                nulls_first: column.nulls_first != backward,
            };
            self.push_key(&mut order, key);
        }
        Ok(order)
    }

    /// The part of an order that the query can use: for its own order, or for merging.
    fn useful_order(&self, order: &[PathKey]) -> Vec<PathKey> {
        let wanted = order.iter().zip(&self.wanted_order).take_while(|(have, want)| have == want).count();
        let complete = wanted == self.wanted_order.len() && wanted > 0;
        let merging = order
            .iter()
            .take_while(|key| {
                let class = &self.classes[key.class];
                !key.descending && class.members.len() > 1 && class.relids.len() > 1
            })
            .count();
        order[..merging.max(if complete { wanted } else { 0 })].to_vec()
    }
}

/// Whether an expression is what an index column holds.
fn matches_column(range: usize, column: &IndexColumn, expr: &Expr) -> bool {
    let expr = strip_relabel(expr);
    match &column.expr {
        None => matches!(expr, Expr::Var(var) if var.rt == range && var.attno == column.attno),
        Some(indexed) => same(strip_relabel(&over_range(indexed, range)), expr),
    }
}

/// Whether values of a type can be made keys of the column: they are of its type, or numbers or
/// strings as it holds. Operator families also compare other types, which the filter does then.
fn fits_key(column: &IndexColumn, type_oid: redoubt_functions::Oid) -> bool {
    use redoubt_functions::{is_string_type, types};
    let integer = |oid| matches!(oid, types::INT2 | types::INT4 | types::INT8);
    let class = column.class_type;
    let padded = class == types::BPCHAR || type_oid == types::BPCHAR;
    let info = redoubt_functions::builtin_type(type_oid);
    // The other operand of `= ANY` is an array of what is looked for.
    let element = info.filter(|info| info.is_array()).map_or(0, |info| info.elem);
    inspect::is_polymorphic(class)
        || type_oid == class
        || type_oid == column.type_oid
        || info.is_none()
        || integer(class) && (integer(type_oid) || integer(element))
        || is_string_type(class) && is_string_type(type_oid) && !padded
        || element == class && element != 0
        || is_string_type(class)
            && is_string_type(element)
            && class != types::BPCHAR
            && element != types::BPCHAR
}

/// An index's expression over its table (range-table entry 0) made one over this entry.
pub(crate) fn over_range(expr: &Expr, range: usize) -> Expr {
    let mut expr = expr.clone();
    inspect::replace_vars(&mut expr, &mut |var| (var.rt == 0).then(|| Expr::Var(Var { rt: range, ..*var })));
    expr
}
