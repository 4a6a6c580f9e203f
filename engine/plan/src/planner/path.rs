//! Paths: ways to compute a relation, with their costs, before one is chosen and made a plan.
//!
//! As PostgreSQL's `Path` (src/include/nodes/pathnodes.h): cheap to make in numbers, shared
//! between the larger paths built on them, and compared by cost, order and parameters.

use super::clause::Clause;
use super::level::Level;
use super::relset::RelSet;
use crate::facts::IndexFacts;
use crate::join::JoinType;
use redoubt_analyze::query::{Expr, SetOp};
use redoubt_functions::Oid;
use std::rc::Rc;
use std::sync::Arc;

/// One way to compute a relation.
#[derive(Debug)]
pub(crate) struct Path {
    pub kind: PathKind,
    /// The base relations it covers.
    pub relids: RelSet,
    /// The relations whose current row it needs: it can only be the inner side under them.
    pub outer: RelSet,
    pub rows: f64,
    pub startup: f64,
    pub total: f64,
    pub width: i32,
    /// The order it delivers.
    pub order: Vec<PathKey>,
}

/// One key of an order, in canonical form: equal keys have the same class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PathKey {
    /// Number of the equivalence class of the sorted expression.
    pub class: usize,
    /// B-tree operator family.
    pub family: Oid,
    pub descending: bool,
    pub nulls_first: bool,
}

/// A key to sort by: the canonical key and an expression to compute it from.
#[derive(Clone, Debug)]
pub(crate) struct SortItem {
    pub expr: Expr,
    pub descending: bool,
    pub nulls_first: bool,
    pub operator: Oid,
}

/// One index condition: the clause it stands for and what the index is asked.
#[derive(Clone, Debug)]
pub(crate) struct IndexClause {
    pub column: usize,
    pub clause: Rc<Clause>,
    pub test: IndexClauseTest,
}

/// What an index condition asks, with the value still an expression.
#[derive(Clone, Debug)]
pub(crate) enum IndexClauseTest {
    Compare { strategy: u8, value: Expr },
    AnyOf { array: Expr },
    IsNull,
    NotNull,
}

#[derive(Debug)]
pub(crate) enum PathKind {
    /// Nothing: one row without columns, if the conditions hold.
    Result {
        conditions: Vec<Expr>,
    },
    /// A condition without variables over a path: tested once.
    Gate {
        sub: Rc<Path>,
        conditions: Vec<Expr>,
    },
    SeqScan {
        range: usize,
        clauses: Vec<Rc<Clause>>,
    },
    IndexScan {
        range: usize,
        index: Arc<IndexFacts>,
        conditions: Vec<IndexClause>,
        filter: Vec<Rc<Clause>>,
        backward: bool,
        index_only: bool,
    },
    BitmapHeap {
        range: usize,
        bitmap: Rc<BitmapPath>,
        filter: Vec<Rc<Clause>>,
    },
    TidScan {
        range: usize,
        tids: Vec<(Expr, bool)>,
        conditions: Vec<Rc<Clause>>,
        filter: Vec<Rc<Clause>>,
    },
    Subquery {
        range: usize,
        level: Rc<Level>,
        sub: Rc<Path>,
        clauses: Vec<Rc<Clause>>,
    },
    Function {
        range: usize,
        clauses: Vec<Rc<Clause>>,
    },
    Values {
        range: usize,
        clauses: Vec<Rc<Clause>>,
    },
    Cte {
        range: usize,
        clauses: Vec<Rc<Clause>>,
    },
    NestLoop(JoinPath),
    Merge {
        join: JoinPath,
        keys: Vec<Rc<Clause>>,
        /// Per key: whether the left side of the clause is the outer one.
        order: Vec<PathKey>,
        sort_outer: bool,
        sort_inner: bool,
        materialize: bool,
    },
    Hash {
        join: JoinPath,
        keys: Vec<Rc<Clause>>,
    },
    Material(Rc<Path>),
    /// One row of each set of equal keys.
    Distinct {
        sub: Rc<Path>,
        keys: Vec<SortItem>,
        /// Columns that are read above, too, with the values of any one of the set's rows.
        carried: Vec<Expr>,
    },
    Sort {
        sub: Rc<Path>,
        keys: Vec<SortItem>,
        bounded: bool,
    },
    /// Values computed over a path's rows, which `Var`s of the computed range stand for.
    Compute {
        sub: Rc<Path>,
        range: usize,
    },
    /// As `Compute` for calls of set-returning functions.
    ProjectSet {
        sub: Rc<Path>,
        range: usize,
    },
    Aggregate {
        sub: Rc<Path>,
        spec: Rc<AggregateSpec>,
        strategy: crate::aggregate::AggStrategy,
    },
    Group {
        sub: Rc<Path>,
        spec: Rc<AggregateSpec>,
    },
    Window {
        sub: Rc<Path>,
        spec: Rc<WindowSpec>,
    },
    Unique {
        sub: Rc<Path>,
        keys: Vec<SortItem>,
    },
    Limit {
        sub: Rc<Path>,
        offset: Option<Expr>,
        count: Option<Expr>,
        ties: Vec<SortItem>,
        with_ties: bool,
    },
    Append {
        children: Vec<Rc<Path>>,
    },
    SetOp {
        sub: Rc<Path>,
        op: SetOp,
        all: bool,
        hashed: bool,
        keys: Vec<SortItem>,
        flag: usize,
    },
    /// A leaf of a set operation: its columns are copied to those of `result`, the range-table
    /// entry whose columns the operation's results are.
    SetLeaf {
        level: Rc<Level>,
        sub: Rc<Path>,
        range: usize,
        result: usize,
    },
    /// Rows marked with a number in the computed range, to tell a set operation's inputs apart.
    Flag {
        sub: Rc<Path>,
        range: usize,
        value: i32,
    },
    RecursiveUnion {
        start: Rc<Path>,
        step: Rc<Path>,
        cte: usize,
        result: usize,
        columns: usize,
        distinct: Option<Vec<SortItem>>,
    },
    LockRows {
        sub: Rc<Path>,
    },
}

/// What all joins have.
#[derive(Debug)]
pub(crate) struct JoinPath {
    pub outer: Rc<Path>,
    pub inner: Rc<Path>,
    pub join: JoinType,
    /// Conditions of the join, keys of a hash or merge join not included.
    pub clauses: Vec<Rc<Clause>>,
    /// Conditions tested after null extension.
    pub filter: Vec<Rc<Clause>>,
    pub single_match: bool,
}

/// A bitmap over one table's rows.
#[derive(Debug)]
pub(crate) struct BitmapPath {
    pub kind: BitmapKind,
    pub total: f64,
    pub selectivity: f64,
    pub rows: f64,
    /// The conditions it guarantees (as far as it is exact).
    pub exprs: Vec<Expr>,
}

#[derive(Debug)]
pub(crate) enum BitmapKind {
    Index { index: Arc<IndexFacts>, conditions: Vec<IndexClause> },
    And(Vec<Rc<BitmapPath>>),
    Or(Vec<Rc<BitmapPath>>),
}

/// What an aggregation computes. Its outputs are a computed range: keys, then carried columns,
/// then calls, then GROUPING() masks.
#[derive(Debug)]
pub(crate) struct AggregateSpec {
    pub range: usize,
    pub keys: Vec<SortItem>,
    /// Columns that depend on the keys: any row's value does.
    pub carried: Vec<Expr>,
    pub calls: Vec<redoubt_analyze::query::Aggregate>,
    pub sets: Option<Vec<Vec<usize>>>,
    pub groupings: Vec<Vec<usize>>,
    pub having: Vec<Expr>,
    pub groups: f64,
}

/// What a window node computes; its outputs are a computed range.
#[derive(Debug)]
pub(crate) struct WindowSpec {
    pub range: usize,
    pub partition: Vec<SortItem>,
    pub order: Vec<SortItem>,
    pub frame: redoubt_analyze::query::WindowFrame,
    pub calls: Vec<redoubt_analyze::query::WindowFunc>,
}

impl BitmapPath {
    /// Adds the clauses that the bitmap stands for.
    pub(crate) fn clauses(&self, into: &mut Vec<Rc<Clause>>) {
        match &self.kind {
            BitmapKind::Index { conditions, .. } => {
                into.extend(conditions.iter().map(|condition| condition.clause.clone()));
            }
            BitmapKind::And(parts) => parts.iter().for_each(|part| part.clauses(into)),
            // An OR of scans stands for one clause, which is tested again as a filter.
            BitmapKind::Or(_) => {}
        }
    }
}

/// How two costs compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CostOrder {
    Equal,
    Better,
    Worse,
    Different,
}

/// How two orders compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyOrder {
    Equal,
    /// The first is longer and starts with the second.
    FirstContains,
    SecondContains,
    Different,
}

/// PostgreSQL's `STD_FUZZ_FACTOR`.
const FUZZ: f64 = 1.01;

pub(crate) fn compare_orders(a: &[PathKey], b: &[PathKey]) -> KeyOrder {
    let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    match (common == a.len(), common == b.len()) {
        (true, true) => KeyOrder::Equal,
        (false, true) => KeyOrder::FirstContains,
        (true, false) => KeyOrder::SecondContains,
        (false, false) => KeyOrder::Different,
    }
}

/// Whether rows in order `have` are in order `want` too.
pub(crate) fn order_satisfies(have: &[PathKey], want: &[PathKey]) -> bool {
    matches!(compare_orders(want, have), KeyOrder::Equal | KeyOrder::SecondContains)
}

fn compare_costs(a: &Path, b: &Path, fuzz: f64, startup_counts: bool) -> CostOrder {
    if a.total > b.total * fuzz {
        let trade = startup_counts && b.startup > a.startup * fuzz;
        if trade { CostOrder::Different } else { CostOrder::Worse }
    } else if b.total > a.total * fuzz {
        let trade = startup_counts && a.startup > b.startup * fuzz;
        if trade { CostOrder::Different } else { CostOrder::Better }
    } else if a.startup > b.startup * fuzz {
        CostOrder::Worse
    } else if b.startup > a.startup * fuzz {
        CostOrder::Better
    } else {
        CostOrder::Equal
    }
}

/// Adds a path to a list in which no path is worse than another in every respect, as
/// PostgreSQL's `add_path` (src/backend/optimizer/util/pathnode.c).
/// `startup_counts` says whether a low startup cost is worth anything: not all rows will be fetched.
pub(crate) fn add_path(paths: &mut Vec<Rc<Path>>, new: Rc<Path>, startup_counts: bool) {
    let mut accept = true;
    let mut insert_at = 0;
    let mut index = 0;
    while index < paths.len() {
        let old = &paths[index];
        let (keep_old, keep_new) = match_paths(&new, old, startup_counts);
        if !keep_old {
            paths.remove(index);
        } else {
            if new.total >= old.total {
                insert_at = index + 1;
            }
            index += 1;
        }
        if !keep_new {
            accept = false;
            break;
        }
    }
    if accept {
        paths.insert(insert_at.min(paths.len()), new);
    }
}

/// Decides between a new path and an old one: (keep the old one, keep the new one).
fn match_paths(new: &Path, old: &Path, startup_counts: bool) -> (bool, bool) {
    let costs = compare_costs(new, old, FUZZ, startup_counts);
    if costs == CostOrder::Different {
        return (true, true);
    }
    // A parameterised path has no useful order.
    let order = |path: &'_ Path| if path.outer.is_empty() { path.order.clone() } else { Vec::new() };
    let orders = compare_orders(&order(new), &order(old));
    if orders == KeyOrder::Different {
        return (true, true);
    }
    let new_needs_less = new.outer.is_subset_of(&old.outer);
    let old_needs_less = old.outer.is_subset_of(&new.outer);
    match costs {
        CostOrder::Equal => match_equal_costs(new, old, orders, new_needs_less, old_needs_less),
        CostOrder::Better if orders != KeyOrder::SecondContains => {
            (!(new_needs_less && new.rows <= old.rows), true)
        }
        CostOrder::Worse if orders != KeyOrder::FirstContains => {
            (true, !(old_needs_less && new.rows >= old.rows))
        }
        _ => (true, true),
    }
}

fn match_equal_costs(
    new: &Path,
    old: &Path,
    orders: KeyOrder,
    new_needs_less: bool,
    old_needs_less: bool,
) -> (bool, bool) {
    match orders {
        KeyOrder::FirstContains => (!(new_needs_less && new.rows <= old.rows), true),
        KeyOrder::SecondContains => (true, !(old_needs_less && new.rows >= old.rows)),
        _ => match (new_needs_less, old_needs_less) {
            (true, true) if new.rows < old.rows => (false, true),
            (true, true) if new.rows > old.rows => (true, false),
            // Equal in every respect: keep the old one unless the new one is better by a hair.
            (true, true) => match compare_costs(new, old, 1.000_000_000_1, true) {
                CostOrder::Better => (false, true),
                _ => (true, false),
            },
            (true, false) => (!(new.rows <= old.rows), true),
            (false, true) => (true, !(new.rows >= old.rows)),
            (false, false) => (true, true),
        },
    }
}

/// The cheapest path by total cost among those that need no outer row (or, failing that, all).
pub(crate) fn cheapest_total(paths: &[Rc<Path>]) -> Option<&Rc<Path>> {
    let free = paths.iter().filter(|path| path.outer.is_empty());
    free.min_by(|a, b| a.total.total_cmp(&b.total).then(a.startup.total_cmp(&b.startup)))
}

/// The cheapest path by startup cost among those that need no outer row.
pub(crate) fn cheapest_startup(paths: &[Rc<Path>]) -> Option<&Rc<Path>> {
    let free = paths.iter().filter(|path| path.outer.is_empty());
    free.min_by(|a, b| a.startup.total_cmp(&b.startup).then(a.total.total_cmp(&b.total)))
}

/// The cheapest way to get `fraction` of the rows: below 1 a share, from 1 on a count, 0 all.
pub(crate) fn cheapest_fractional(paths: &[Rc<Path>], fraction: f64) -> Option<&Rc<Path>> {
    let best = cheapest_total(paths)?;
    if fraction <= 0.0 {
        return Some(best);
    }
    let share = if fraction >= 1.0 && best.rows > 0.0 { fraction / best.rows } else { fraction };
    let cost = |path: &Path| path.startup + share.min(1.0) * (path.total - path.startup);
    paths.iter().filter(|path| path.outer.is_empty()).fold(None, |best: Option<&Rc<Path>>, path| match best {
        Some(best) if cost(best) <= cost(path) => Some(best),
        _ => Some(path),
    })
}
