//! Costs, after PostgreSQL's src/backend/optimizer/path/costsize.c: the same formulas over the
//! same settings, so that plans come out alike.

use super::level::LevelPlanner;
use super::path::Path;
use crate::builder::Builder;
use crate::facts::{PlannerSettings, RelationSize};
use crate::walk;
use redoubt_analyze::query::*;
use redoubt_error::PgResult;
use redoubt_functions::{Oid, builtin_type, types};

/// Bytes of a page, and of its header, line pointer and tuple header as PostgreSQL counts them.
const PAGE_BYTES: f64 = 8192.0;
const PAGE_HEADER_BYTES: f64 = 24.0;
const TUPLE_OVERHEAD_BYTES: i32 = 24 + 4;

/// Startup and total cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub startup: f64,
    pub total: f64,
}

/// A row count that is at least one and whole, as `clamp_row_est`.
pub(crate) fn clamp_rows(rows: f64) -> f64 {
    if rows.is_nan() || rows <= 1.0 { 1.0 } else { rows.min(1e100).round_ties_even() }
}

/// The width PostgreSQL expects of a value whose actual width is not known (`get_typavgwidth`).
pub(crate) fn type_width(ty: ColumnType) -> i32 {
    let Some(info) = builtin_type(ty.type_oid) else { return 32 };
    if info.len > 0 {
        return i32::from(info.len);
    }
    let max = match ty.type_oid {
        types::BPCHAR | types::VARCHAR if ty.typmod > 4 => ty.typmod - 4 + 4,
        types::NUMERIC if ty.typmod > 4 => return numeric_width(ty.typmod),
        _ => return 32,
    };
    if ty.type_oid == types::BPCHAR || max <= 32 {
        max
    } else if max < 1000 {
        32 + (max - 32) / 2
    } else {
        32 + (1000 - 32) / 2
    }
}

fn numeric_width(typmod: i32) -> i32 {
    let precision = (typmod - 4) >> 16 & 0xFFFF;
    let max = 6 + 2 * ((precision + 6) / 4);
    if max <= 32 { max } else { 32 + (max - 32) / 2 }
}

/// Pages and rows of a table as `estimate_rel_size` has them.
pub(crate) fn table_size(size: &RelationSize, width: i32) -> (f64, f64) {
    let mut pages = f64::from(size.pages);
    if size.pages < 10 && size.known_tuples < 0.0 {
        pages = 10.0;
    }
    if pages == 0.0 {
        return (0.0, 0.0);
    }
    let density = if size.known_pages > 0 && size.known_tuples >= 0.0 {
        f64::from(size.known_tuples) / f64::from(size.known_pages)
    } else {
        let tuple_bytes = f64::from(width + TUPLE_OVERHEAD_BYTES);
        ((PAGE_BYTES - PAGE_HEADER_BYTES) / tuple_bytes).floor()
    };
    (pages, (density * pages).round_ties_even())
}

/// Bytes that `rows` rows of this width take in memory (`relation_byte_size`).
fn rows_bytes(rows: f64, width: i32) -> f64 {
    let align = |bytes: i32| f64::from((bytes + 7) & !7);
    rows * (align(width) + align(23))
}

/// Pages that spilled rows take.
pub(crate) fn spill_pages(rows: f64, width: i32) -> f64 {
    (rows_bytes(rows, width) / PAGE_BYTES).ceil()
}

/// Sorting `rows` rows, on top of their own cost (`cost_tuplesort`). `limit` rows are wanted, 0 for all.
pub(crate) fn sort_cost(settings: &PlannerSettings, rows: f64, width: i32, limit: f64) -> Cost {
    let comparison = 2.0 * settings.cpu_operator_cost;
    let rows = rows.max(2.0);
    let input_bytes = rows_bytes(rows, width);
    let (output_rows, output_bytes) =
        if limit > 0.0 && limit < rows { (limit, rows_bytes(limit, width)) } else { (rows, input_bytes) };
    let memory = settings.work_mem_kb as f64 * 1024.0;
    let startup = if output_bytes > memory {
        let pages = (input_bytes / PAGE_BYTES).ceil();
        let runs = input_bytes / memory;
        let order = (memory / (3.0 * PAGE_BYTES)).clamp(6.0, 500.0);
        let passes = if runs > order { (runs.ln() / order.ln()).ceil() } else { 1.0 };
        let page_accesses = 2.0 * pages * passes;
        comparison * rows * rows.log2()
            + page_accesses * (settings.seq_page_cost * 0.75 + settings.random_page_cost * 0.25)
    } else if rows > 2.0 * output_rows || input_bytes > memory {
        comparison * rows * (2.0 * output_rows).log2()
    } else {
        comparison * rows * rows.log2()
    };
    Cost { startup, total: startup + settings.cpu_operator_cost * rows }
}

/// Materialising a path (`cost_material`).
pub(crate) fn material_cost(settings: &PlannerSettings, sub: &Path) -> Cost {
    let mut run = sub.total - sub.startup + 2.0 * settings.cpu_operator_cost * sub.rows;
    if rows_bytes(sub.rows, sub.width) > settings.work_mem_kb as f64 * 1024.0 {
        run += settings.seq_page_cost * spill_pages(sub.rows, sub.width);
    }
    Cost { startup: sub.startup, total: sub.startup + run }
}

/// Reading a materialised path again (`cost_rescan`): startup and total.
pub(crate) fn rescan_cost(settings: &PlannerSettings, path: &Path) -> Cost {
    use super::path::PathKind;
    match &path.kind {
        PathKind::Hash { .. } => Cost { startup: 0.0, total: path.total - path.startup },
        PathKind::Cte { .. } | PathKind::Material(_) | PathKind::Sort { .. } => {
            let per_row = if matches!(path.kind, PathKind::Cte { .. }) {
                settings.cpu_tuple_cost
            } else {
                settings.cpu_operator_cost
            };
            let mut total = per_row * path.rows;
            if rows_bytes(path.rows, path.width) > settings.work_mem_kb as f64 * 1024.0 {
                total += settings.seq_page_cost * spill_pages(path.rows, path.width);
            }
            Cost { startup: 0.0, total }
        }
        PathKind::Function { .. } => Cost { startup: 0.0, total: path.total - path.startup },
        _ => Cost { startup: path.startup, total: path.total },
    }
}

/// Grouping costs (`cost_agg`).
pub(crate) struct AggregateCosts {
    /// Per input row: transitions, startup and per row.
    pub transition: Cost,
    /// Per group: final functions.
    pub finals: Cost,
}

/// Number of keys, groups and whether hashed: the cost of an aggregation over a path.
pub(crate) fn aggregate_cost(
    settings: &PlannerSettings,
    strategy: crate::aggregate::AggStrategy,
    costs: &AggregateCosts,
    keys: usize,
    groups: f64,
    input: (&Path, f64),
) -> Cost {
    use crate::aggregate::AggStrategy;
    let (path, width) = input;
    let rows = path.rows;
    let operator = settings.cpu_operator_cost;
    match strategy {
        AggStrategy::Plain => {
            let startup = path.total
                + costs.transition.startup
                + costs.transition.total * rows
                + costs.finals.startup
                + costs.finals.total;
            Cost { startup, total: startup + settings.cpu_tuple_cost }
        }
        AggStrategy::Sorted | AggStrategy::Mixed => {
            let mut startup = path.startup;
            let mut total = path.total;
            total += costs.transition.startup + costs.transition.total * rows;
            total += operator * keys as f64 * rows;
            total += costs.finals.startup + costs.finals.total * groups + settings.cpu_tuple_cost * groups;
            if strategy == AggStrategy::Mixed {
                startup = path.total;
            }
            Cost { startup, total }
        }
        AggStrategy::Hashed => {
            let mut startup = path.total
                + costs.transition.startup
                + costs.transition.total * rows
                + operator * keys as f64 * rows
                + costs.finals.startup;
            let mut total = startup + costs.finals.total * groups + settings.cpu_tuple_cost * groups;
            // Spilling, when the table outgrows its memory.
            let entry = (width + 56.0).max(64.0);
            let memory = settings.work_mem_kb as f64 * 1024.0 * settings.hash_mem_multiplier;
            if groups * entry > memory {
                let pages = spill_pages(rows, width as i32);
                let written = pages * settings.random_page_cost;
                let read = pages * settings.seq_page_cost;
                startup += written;
                total += written + read;
                let spill = pages * 2.0 * settings.cpu_tuple_cost;
                startup += spill;
                total += spill;
            }
            Cost { startup, total }
        }
    }
}

impl Builder<'_> {
    /// What evaluating an expression costs: once, and per row (`cost_qual_eval`).
    pub(crate) fn expr_cost(&self, expr: &Expr) -> PgResult<Cost> {
        let settings = self.ctx.settings;
        let mut cost = Cost::default();
        let mut failure = None;
        walk::visit(expr, 0, &mut |node, depth| {
            if depth > 0 {
                return false;
            }
            match self.node_cost(node) {
                Ok(own) => {
                    cost.startup += own.startup;
                    cost.total += own.total * settings.cpu_operator_cost;
                }
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
            !matches!(node, Expr::Aggregate(_) | Expr::WindowFunc(_) | Expr::SubLink(_))
        });
        failure.map_or(Ok(cost), Err)
    }

    /// Per-row cost of one node in operator units.
    fn node_cost(&self, node: &Expr) -> PgResult<Cost> {
        let per_row = |units: f64| Cost { startup: 0.0, total: units };
        Ok(match node {
            Expr::Call(call) => per_row(self.proc_cost(call.proc_oid)?),
            Expr::Distinct { equality, .. } | Expr::NullIf { equality, .. } => {
                per_row(self.proc_cost(equality.proc_oid)?)
            }
            Expr::ScalarArrayOp { call, .. } => {
                let elements = array_length(&call.args[1]);
                per_row(self.proc_cost(call.proc_oid)? * elements * 0.5)
            }
            Expr::CoerceViaIo { .. } => per_row(2.0),
            Expr::MinMax { .. } | Expr::SqlValue { .. } | Expr::Coalesce { .. } => per_row(1.0),
            Expr::RowCompare { calls, .. } => {
                let mut total = 0.0;
                for call in calls {
                    total += self.proc_cost(call.proc_oid)?;
                }
                per_row(total)
            }
            // A guess: the subquery is planned when the expression is compiled.
            Expr::SubLink(_) => per_row(100.0),
            _ => Cost::default(),
        })
    }

    fn proc_cost(&self, proc: Oid) -> PgResult<f64> {
        Ok(self.ctx.catalog.proc(proc)?.map_or(1.0, |facts| facts.cost))
    }
}

impl LevelPlanner<'_, '_> {
    /// As [`Builder::expr_cost`].
    pub(crate) fn expr_cost(&self, expr: &Expr) -> PgResult<Cost> {
        self.builder.expr_cost(expr)
    }

    /// The cost of a list of conditions.
    pub(crate) fn exprs_cost<'e>(&self, exprs: impl IntoIterator<Item = &'e Expr>) -> PgResult<Cost> {
        let mut sum = Cost::default();
        for expr in exprs {
            let cost = self.expr_cost(expr)?;
            sum.startup += cost.startup;
            sum.total += cost.total;
        }
        Ok(sum)
    }
}

/// The number of elements an array expression is expected to have (`estimate_array_length`).
pub(crate) fn array_length(expr: &Expr) -> f64 {
    match expr {
        Expr::Const { value: redoubt_functions::Datum::Array(array), .. } => array.elems.len() as f64,
        Expr::Const { value: redoubt_functions::Datum::Null, .. } => 0.0,
        Expr::Array { elements, multidim: false, .. } => elements.len() as f64,
        Expr::Relabel { arg, .. } | Expr::ArrayCoerce { arg, .. } => array_length(arg),
        _ => 10.0,
    }
}
