//! Bitmap scans: rows found by several indexes at once, and by the arms of an OR
//! (`generate_bitmap_or_paths` and `choose_bitmap_and` in PostgreSQL's indxpath.c; costs from costsize.c).

use super::clause::{Clause, conjuncts};
use super::cost::clamp_rows;
use super::level::LevelPlanner;
use super::order::DISABLE_COST;
use super::path::{BitmapKind, BitmapPath, IndexClause, Path, PathKind};
use super::relset::RelSet;
use crate::equal::same;
use crate::facts::IndexFacts;
use redoubt_analyze::query::Expr;
use redoubt_error::PgResult;
use std::rc::Rc;
use std::sync::Arc;

/// Operators that uniting or intersecting two bitmaps costs.
const COMBINE_OPERATORS: f64 = 100.0;

impl LevelPlanner<'_, '_> {
    /// Adds the best bitmap scan of a table by its own restrictions, if an index helps.
    pub(super) fn add_bitmap_paths(
        &mut self,
        range: usize,
        clauses: &[Rc<Clause>],
        paths: &mut Vec<Rc<Path>>,
    ) -> PgResult<()> {
        let mut candidates = self.index_bitmaps(range, clauses, clauses)?;
        for clause in clauses {
            if let Expr::Or(arms) = &clause.expr {
                candidates.extend(self.or_bitmap(range, arms, clauses)?);
            }
        }
        let Some(bitmap) = self.best_intersection(range, candidates, clauses)? else { return Ok(()) };
        let path = self.bitmap_heap(range, &bitmap, clauses)?;
        self.add(paths, path);
        Ok(())
    }

    /// A bitmap from every index that some of these clauses restrict; all conditions of the table may
    /// make a partial index usable.
    fn index_bitmaps(
        &self,
        range: usize,
        clauses: &[Rc<Clause>],
        all: &[Rc<Clause>],
    ) -> PgResult<Vec<Rc<BitmapPath>>> {
        let mut found = Vec::new();
        for index in self.bases[&range].indexes.iter().filter(|index| index.valid) {
            let conditions = self.match_clauses(range, index, clauses)?;
            if !conditions.is_empty() && self.predicate_holds(range, index, all)? {
                found.push(Rc::new(self.index_bitmap(range, index, conditions)?));
            }
        }
        Ok(found)
    }

    fn index_bitmap(
        &self,
        range: usize,
        index: &Arc<IndexFacts>,
        conditions: Vec<IndexClause>,
    ) -> PgResult<BitmapPath> {
        let base = &self.bases[&range];
        let cost = self.index_cost(base, index, &conditions, 1.0)?;
        let mut exprs: Vec<Expr> = Vec::with_capacity(conditions.len());
        for condition in &conditions {
            if !exprs.iter().any(|known| same(known, &condition.clause.expr)) {
                exprs.push(condition.clause.expr.clone());
            }
        }
        Ok(BitmapPath {
            total: cost.total,
            selectivity: cost.selectivity,
            rows: clamp_rows(cost.selectivity * base.tuples),
            exprs,
            kind: BitmapKind::Index { index: index.clone(), conditions },
        })
    }

    /// The union of a bitmap for each arm of an OR; nothing if some arm has no index.
    fn or_bitmap(
        &mut self,
        range: usize,
        arms: &[Expr],
        all: &[Rc<Clause>],
    ) -> PgResult<Option<Rc<BitmapPath>>> {
        let mut parts = Vec::with_capacity(arms.len());
        for arm in arms {
            let mut conditions = Vec::new();
            conjuncts(arm.clone(), &mut conditions);
            let mut clauses = Vec::with_capacity(conditions.len());
            for condition in conditions {
                clauses.push(Rc::new(self.make_clause(condition, true, false, None, RelSet::new())?));
            }
            let mut usable = clauses.clone();
            usable.extend(all.iter().cloned());
            let candidates = self.index_bitmaps(range, &clauses, &usable)?;
            match self.best_intersection(range, candidates, &clauses)? {
                Some(part) => parts.push(part),
                None => return Ok(None),
            }
        }
        let tuples = self.bases[&range].tuples;
        let selectivity = parts.iter().map(|part| part.selectivity).sum::<f64>().min(1.0);
        let total = self.combined_cost(&parts, true);
        let exprs = vec![Expr::Or(parts.iter().map(|part| conjunction(&part.exprs)).collect())];
        let rows = clamp_rows(selectivity * tuples);
        Ok(Some(Rc::new(BitmapPath { kind: BitmapKind::Or(parts), total, selectivity, rows, exprs })))
    }

    fn combined_cost(&self, parts: &[Rc<BitmapPath>], union: bool) -> f64 {
        let operator = self.builder.ctx.settings.cpu_operator_cost;
        let mut total = 0.0;
        for (at, part) in parts.iter().enumerate() {
            total += self.bitmap_cost(part);
            // An index scan adds its rows to a union as it finds them.
            if at > 0 && !(union && matches!(part.kind, BitmapKind::Index { .. })) {
                total += COMBINE_OPERATORS * operator;
            }
        }
        total
    }

    /// The cost of making a bitmap (`cost_bitmap_tree_node`).
    fn bitmap_cost(&self, bitmap: &BitmapPath) -> f64 {
        match &bitmap.kind {
            BitmapKind::Index { .. } => {
                bitmap.total + 0.1 * self.builder.ctx.settings.cpu_operator_cost * bitmap.rows
            }
            _ => bitmap.total,
        }
    }

    /// The intersection of the bitmaps that makes the cheapest scan; often just one of them.
    fn best_intersection(
        &self,
        range: usize,
        mut candidates: Vec<Rc<BitmapPath>>,
        clauses: &[Rc<Clause>],
    ) -> PgResult<Option<Rc<BitmapPath>>> {
        candidates.sort_by(|a, b| {
            let cost = self.bitmap_cost(a).total_cmp(&self.bitmap_cost(b));
            cost.then(a.selectivity.total_cmp(&b.selectivity))
        });
        let mut best: Option<(f64, Rc<BitmapPath>)> = None;
        for (at, first) in candidates.iter().enumerate() {
            let mut chosen = first.clone();
            let mut cost = self.bitmap_heap(range, &chosen, clauses)?.total;
            let mut parts = vec![first.clone()];
            for other in &candidates[at + 1..] {
                let overlaps = parts.iter().any(|part| {
                    part.exprs.iter().any(|expr| other.exprs.iter().any(|known| same(known, expr)))
                });
                if overlaps {
                    continue;
                }
                parts.push(other.clone());
                let both = Rc::new(self.intersection(range, &parts));
                let new_cost = self.bitmap_heap(range, &both, clauses)?.total;
                if new_cost < cost {
                    (cost, chosen) = (new_cost, both);
                } else {
                    parts.pop();
                }
            }
            if best.as_ref().is_none_or(|(known, _)| cost < *known) {
                best = Some((cost, chosen));
            }
        }
        Ok(best.map(|(_, bitmap)| bitmap))
    }

    fn intersection(&self, range: usize, parts: &[Rc<BitmapPath>]) -> BitmapPath {
        let selectivity: f64 = parts.iter().map(|part| part.selectivity).product();
        BitmapPath {
            total: self.combined_cost(parts, false),
            selectivity,
            rows: clamp_rows(selectivity * self.bases[&range].tuples),
            exprs: parts.iter().flat_map(|part| part.exprs.iter().cloned()).collect(),
            kind: BitmapKind::And(parts.to_vec()),
        }
    }

    /// Reading the rows of a bitmap (`cost_bitmap_heap_scan`).
    fn bitmap_heap(&self, range: usize, bitmap: &Rc<BitmapPath>, clauses: &[Rc<Clause>]) -> PgResult<Path> {
        let settings = self.builder.ctx.settings;
        let base = &self.bases[&range];
        let tuples = clamp_rows(bitmap.selectivity * base.tuples);
        let table = base.pages.max(1.0);
        let pages = ((2.0 * table * tuples) / (2.0 * table + tuples)).min(table).ceil();
        let (random, sequential) = (settings.random_page_cost, settings.seq_page_cost);
        let per_page =
            if pages >= 2.0 { random - (random - sequential) * (pages / table).sqrt() } else { random };
        let quals = self.exprs_cost(clauses.iter().map(|clause| &clause.expr))?;
        let mut startup = self.bitmap_cost(bitmap) + quals.startup;
        if !settings.enable_bitmapscan {
            startup += DISABLE_COST;
        }
        let run = pages * per_page + (settings.cpu_tuple_cost + quals.total) * tuples;
        let mut guaranteed = Vec::new();
        bitmap.clauses(&mut guaranteed);
        let tested = |clause: &&Rc<Clause>| {
            guaranteed.iter().any(|known| Rc::ptr_eq(known, clause))
                || bitmap.exprs.iter().any(|expr| same(expr, &clause.expr))
        };
        Ok(Path {
            kind: PathKind::BitmapHeap {
                range,
                bitmap: bitmap.clone(),
                filter: clauses.iter().filter(|clause| !tested(clause)).cloned().collect(),
            },
            relids: RelSet::single(range),
            outer: base.lateral.clone(),
            rows: base.rows,
            startup,
            total: startup + run,
            width: base.width,
            order: Vec::new(),
        })
    }
}

/// Several conditions as one.
fn conjunction(exprs: &[Expr]) -> Expr {
    match exprs {
        [single] => single.clone(),
        several => Expr::And(several.to_vec()),
    }
}
