//! What index scans cost (`cost_index`, `genericcostestimate` and `btcostestimate`).

use super::cost::{Cost, clamp_rows};
use super::level::{BaseRel, LevelPlanner};
use super::path::{IndexClause, IndexClauseTest};
use crate::facts::{IndexFacts, IndexForm, PlannerSettings};
use crate::planner::clause::Clause;
use redoubt_analyze::query::Expr;
use redoubt_error::PgResult;
use std::rc::Rc;

/// CPU cost of visiting an index page, in operators (PostgreSQL's `DEFAULT_PAGE_CPU_MULTIPLIER`).
const PAGE_OPERATORS: f64 = 50.0;

/// An index's part of a scan's cost.
pub(crate) struct IndexCost {
    pub startup: f64,
    pub total: f64,
    /// The share of the table's rows that the index conditions let through.
    pub selectivity: f64,
    pub correlation: f64,
}

/// The number of pages fetched for `tuples` random rows under a cache (Mackert and Lohman,
/// "Index Scans Using a Finite LRU Buffer", 1989).
pub(crate) fn pages_fetched(
    settings: &PlannerSettings,
    tuples: f64,
    pages: f64,
    index_pages: f64,
    all_pages: f64,
) -> f64 {
    let table = pages.max(1.0);
    let total = (all_pages + index_pages).max(1.0);
    let cache = (settings.effective_cache_size_pages * table / total).max(1.0).ceil();
    if table <= cache {
        return ((2.0 * table * tuples) / (2.0 * table + tuples)).min(table).ceil();
    }
    let limit = (2.0 * table * cache) / (2.0 * table - cache);
    let fetched = if tuples <= limit {
        (2.0 * table * tuples) / (2.0 * table + tuples)
    } else {
        cache + (tuples - limit) * (table - cache) / table
    };
    fetched.ceil()
}

impl LevelPlanner<'_, '_> {
    /// The cost of finding the index entries, `loops` times over.
    pub(crate) fn index_cost(
        &self,
        base: &BaseRel,
        index: &IndexFacts,
        conditions: &[IndexClause],
        loops: f64,
    ) -> PgResult<IndexCost> {
        let settings = self.builder.ctx.settings;
        let index_pages = f64::from(index.pages.max(1));
        let index_tuples = if index.tuples >= 0.0 { index.tuples } else { base.tuples }.max(1.0);
        let (bounds, scans) = if index.is_ordered() { bounding(conditions) } else { searching(conditions) };
        let all: Vec<Rc<Clause>> = conditions.iter().map(|condition| condition.clause.clone()).collect();
        let selectivity = self.clauses_selectivity(&all)?;
        let whole_key = index.unique && equality_columns(&bounds) == index.key_columns && scans == 1.0;
        let tuples = if whole_key {
            1.0
        } else {
            let bounding: Vec<Rc<Clause>> = bounds.iter().map(|condition| condition.clause.clone()).collect();
            let tuples = self.clauses_selectivity(&bounding)? * base.tuples;
            (tuples / scans).round_ties_even().clamp(1.0, index_tuples)
        };
        let pages = if index_pages > 1.0 && index_tuples > 1.0 {
            (tuples * index_pages / index_tuples).ceil()
        } else {
            1.0
        };
        let all_scans = scans * loops;
        let mut total = if all_scans > 1.0 {
            let fetched =
                pages_fetched(settings, pages * all_scans, index_pages, index_pages, self.all_pages());
            fetched * settings.random_page_cost / loops
        } else {
            pages * settings.random_page_cost
        };
        let mut arguments = Cost::default();
        for condition in conditions {
            if let IndexClauseTest::Compare { value, .. } | IndexClauseTest::AnyOf { array: value } =
                &condition.test
            {
                let cost = self.expr_cost(value)?;
                arguments.startup += cost.startup;
                arguments.total += cost.total;
            }
        }
        let mut startup = arguments.startup + arguments.total;
        let operators = settings.cpu_operator_cost * conditions.len() as f64;
        total += startup + tuples * scans * (settings.cpu_index_tuple_cost + operators);
        let correlation = match index.form {
            // Hash codes lead to their page at once, as PostgreSQL reckons.
            IndexForm::Hashed(_) => return Ok(IndexCost { startup, total, selectivity, correlation: 0.0 }),
            IndexForm::Ordered => self.index_correlation(base, index)?,
            IndexForm::Searched(_) => 0.0,
        };
        if index_tuples > 1.0 {
            let descent = index_tuples.log2().ceil() * settings.cpu_operator_cost;
            startup += descent;
            total += scans * descent;
        }
        let descent = f64::from(index.height + 1) * PAGE_OPERATORS * settings.cpu_operator_cost;
        startup += descent;
        total += scans * descent;
        Ok(IndexCost { startup, total, selectivity, correlation })
    }

    /// How well the index's order follows the table's, from the first column's statistics.
    fn index_correlation(&self, base: &BaseRel, index: &IndexFacts) -> PgResult<f64> {
        let Some(first) = index.columns.first().filter(|column| column.attno > 0) else { return Ok(0.0) };
        let super::level::BaseKind::Table { relid, .. } = base.kind else { return Ok(0.0) };
        let stats = self.builder.ctx.catalog.column_stats(relid, first.attno)?;
        let Some(mut correlation) = stats.and_then(|stats| stats.correlation) else { return Ok(0.0) };
        if first.descending {
            correlation = -correlation;
        }
        Ok(if index.key_columns > 1 { correlation * 0.75 } else { correlation })
    }

    /// Pages of all tables of the level.
    pub(crate) fn all_pages(&self) -> f64 {
        self.bases.values().map(|base| base.pages).sum()
    }

    /// The cost of fetching the rows that the index finds.
    pub(crate) fn index_scan_cost(
        &self,
        base: &BaseRel,
        index: &IndexFacts,
        cost: &IndexCost,
        filter: &[Rc<Clause>],
        (index_only, loops): (bool, f64),
    ) -> PgResult<Cost> {
        let settings = self.builder.ctx.settings;
        let index_pages = f64::from(index.pages.max(1));
        let tuples = clamp_rows(cost.selectivity * base.tuples);
        let fetched = |tuples: f64| {
            let pages = pages_fetched(settings, tuples, base.pages, index_pages, self.all_pages());
            if index_only { (pages * (1.0 - base.all_visible_fraction)).ceil() } else { pages }
        };
        let random = settings.random_page_cost;
        let (worst, best) = if loops > 1.0 {
            let ordered = (cost.selectivity * base.pages).ceil();
            (fetched(tuples * loops) * random / loops, fetched(ordered * loops) * random / loops)
        } else {
            let mut ordered = (cost.selectivity * base.pages).ceil();
            if index_only {
                ordered = (ordered * (1.0 - base.all_visible_fraction)).ceil();
            }
            let best = if ordered > 0.0 { random + (ordered - 1.0) * settings.seq_page_cost } else { 0.0 };
            (fetched(tuples) * random, best)
        };
        let blend = cost.correlation * cost.correlation;
        let quals = self.exprs_cost(filter.iter().map(|clause| &clause.expr))?;
        let startup = cost.startup + quals.startup;
        let run = (cost.total - cost.startup)
            + worst
            + blend * (best - worst)
            + (settings.cpu_tuple_cost + quals.total) * tuples;
        Ok(Cost { startup, total: startup + run })
    }
}

/// The conditions that bound the range of the index that is read, and how often the scan starts
/// for lists of values.
fn bounding(conditions: &[IndexClause]) -> (Vec<&IndexClause>, f64) {
    let mut bounds = Vec::new();
    let mut scans = 1.0;
    let mut column = 0;
    let mut equal = false;
    for condition in conditions {
        if condition.column != column {
            if !equal || condition.column != column + 1 {
                break;
            }
            (column, equal) = (condition.column, false);
        }
        match &condition.test {
            IndexClauseTest::Compare { strategy, .. } => equal |= *strategy == 3,
            IndexClauseTest::AnyOf { array } => {
                scans *= elements(array).max(1.0);
                equal = true;
            }
            IndexClauseTest::IsNull => equal = true,
            IndexClauseTest::NotNull => {}
        }
        bounds.push(condition);
    }
    (bounds, scans)
}

/// As [`bounding`], of an index that is searched by all its conditions at once.
fn searching(conditions: &[IndexClause]) -> (Vec<&IndexClause>, f64) {
    let lists = conditions.iter().filter_map(|condition| match &condition.test {
        IndexClauseTest::AnyOf { array } => Some(elements(array).max(1.0)),
        _ => None,
    });
    (conditions.iter().collect(), lists.product())
}

fn elements(array: &Expr) -> f64 {
    super::cost::array_length(array)
}

/// How many leading columns have an equality.
fn equality_columns(bounds: &[&IndexClause]) -> usize {
    let mut columns: Vec<usize> = bounds
        .iter()
        .filter(|condition| matches!(condition.test, IndexClauseTest::Compare { strategy: 3, .. }))
        .map(|condition| condition.column)
        .collect();
    columns.dedup();
    columns.len()
}
