//! Expressions over one row of a table, compiled without a query around them: for building indexes, rewriting
//! tables, checking rows that are there already.

use crate::builder::Builder;
use crate::facts::{PlannerContext, column_type};
use crate::node::{NodeId, Plan};
use crate::program::Program;
use crate::range::{PlanRange, RangeKind};
use crate::slot::Slot;
use redoubt_analyze::query::{CommandType, Expr};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::TupleDesc;

/// Compiled expressions.
#[derive(Debug)]
pub struct RowProgram {
    /// Frame and call sites. It has no nodes.
    pub plan: Plan,
    /// Computes all outputs.
    pub program: Program,
    /// The row, one slot per attribute.
    pub row: Slot,
    /// How many attributes.
    pub columns: usize,
    /// The values, in the order of the expressions.
    pub outputs: Vec<Slot>,
}

/// Compiles expressions whose columns are `Var`s with `rt` 0, as [`redoubt_analyze::analyze_check`] and its kin
/// give them.
///
/// # Errors
/// `0A000` for system columns; those of evaluating constant parts.
pub fn plan_row(exprs: &[Expr], desc: &TupleDesc, ctx: &PlannerContext<'_>) -> PgResult<RowProgram> {
    let mut builder = Builder::new(ctx);
    let count = desc.len();
    let row = builder.new_slots(count);
    for range in 0..=ROW_RANGE {
        builder.ranges.push(PlanRange {
            sample: None,
            alias: "".into(),
            column_names: desc.attrs.iter().map(|attr| attr.name.clone()).collect(),
            columns: (1..=count as i16).map(|attno| column_type(desc, attno)).collect(),
            kind: RangeKind::NewRow,
        });
        builder.local_index.push(range);
    }
    for at in 0..count {
        builder.columns.insert((ROW_RANGE, at as i16 + 1), row.plus(at));
    }
    let mut program = Program::default();
    let mut outputs = Vec::with_capacity(exprs.len());
    for expr in exprs {
        let expr = builder.over_row(expr, ROW_RANGE)?;
        let slot = builder.new_slot();
        let step = builder.compile_into(&expr, slot)?;
        program.append(step);
        outputs.push(slot);
    }
    if builder.columns.keys().any(|(_, attno)| *attno < 0) {
        return Err(PgError::unsupported("system columns in expressions over a table's rows"));
    }
    if !builder.subplans.is_empty() {
        return Err(PgError::internal("an expression over a row has a subquery"));
    }
    let plan = Plan {
        command: CommandType::Select,
        nodes: builder.nodes,
        root: NodeId(0),
        frame: builder.frame,
        params: builder.params,
        call_sites: builder.call_sites,
        subplans: builder.subplans,
        ctes: Vec::new(),
        ranges: builder.ranges,
        columns: Vec::new(),
        first_column: row,
        array_caches: builder.array_caches,
        permissions: Vec::new(),
        read_only: true,
    };
    Ok(RowProgram { plan, program, row, columns: count, outputs })
}

/// The range that stands for the row; range 0 is what the expressions call it.
const ROW_RANGE: usize = 1;
