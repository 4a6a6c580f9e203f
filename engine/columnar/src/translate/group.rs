//! Grouping and aggregates.

use super::layout::repr_of;
use super::sort::Ordering;
use super::{Built, Translated, Translator, one_partition, refuse};
use crate::aggregate::{Kind, PgAggregate, result_repr};
use crate::program_exec::{Output, Work};
use crate::repr::Repr;
use datafusion_common::ScalarValue;
use datafusion_expr::AggregateUDF;
use datafusion_physical_expr::aggregate::{AggregateExprBuilder, AggregateFunctionExpr};
use datafusion_physical_expr::expressions::{Column, Literal};
use datafusion_physical_expr::{Partitioning, PhysicalExpr};
use datafusion_physical_plan::aggregates::{AggregateExec, AggregateMode, PhysicalGroupBy};
use datafusion_physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion_physical_plan::repartition::RepartitionExec;
use datafusion_physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use redoubt_analyze::query::Expr;
use redoubt_functions::{Oid, types};
use redoubt_plan::aggregate::{AggCall, AggStrategy, Aggregation};
use redoubt_plan::node::GroupKey;
use redoubt_plan::{NodeId, NodeKind, Slot};
use std::sync::Arc;

/// Aggregates whose DISTINCT form does not depend on the order in which values come: `count`, and `sum` and
/// `avg` of exact numbers.
const EXACT: [Oid; 9] = [2147, 2100, 2101, 2102, 2103, 2107, 2108, 2109, 2114];

fn proc_oid(call: &AggCall) -> Oid {
    match &call.expr {
        Expr::Aggregate(aggregate) => aggregate.proc_oid,
        _ => 0,
    }
}

fn arg_type(call: &AggCall) -> Option<Oid> {
    match &call.expr {
        Expr::Aggregate(aggregate) if !aggregate.star => aggregate.arg_types.first().copied(),
        _ => None,
    }
}

fn kind_of(node: NodeId, at: usize, call: &AggCall) -> Kind {
    let arg = arg_type(call).map(|type_oid| Repr::of_type(type_oid).unwrap_or(Repr::Encoded));
    Kind::of_call(call, proc_oid(call), arg, node, at)
}

/// Whether a grouping's answer may depend on the order of its rows.
pub(crate) fn depends_on_order(node: NodeId, aggregation: &Aggregation) -> bool {
    let plain = |key: &GroupKey| {
        key.equality.type_oid != types::BPCHAR
            && Repr::of_type(key.equality.type_oid).is_some_and(Repr::is_identity)
    };
    !aggregation.keys.iter().all(plain)
        || aggregation.calls.iter().enumerate().any(|(at, call)| !kind_of(node, at, call).has_parts())
}

/// An aggregate function and where its arguments are in the input.
struct Call {
    kind: Kind,
    args: Vec<(usize, Repr)>,
    filter: Option<usize>,
    result: Repr,
    out: Slot,
}

/// What groups are made by, on the way to an AggregateExec.
#[derive(Default)]
struct Grouping {
    work: Vec<Work>,
    outputs: Vec<Output>,
    /// Input columns to group by, and the slot that gets the value, if the column is the value.
    keys: Vec<(usize, Option<(Slot, Repr)>)>,
    calls: Vec<Call>,
    /// Columns of the input so far.
    width: usize,
}

impl Grouping {
    fn push(&mut self, output: Output) -> usize {
        self.outputs.push(output);
        self.width += 1;
        self.width - 1
    }

    /// Groups by a slot; `out` gets the value of a group's first row.
    fn key(&mut self, slot: Slot, repr: Repr, type_oid: Oid, out: Slot) {
        if repr.is_identity() && type_oid != types::BPCHAR {
            let at = self.push(Output::Slot(slot, repr));
            self.keys.push((at, Some((out, repr))));
            return;
        }
        let key = Output::Key { slot, type_oid, descending: false, nulls_first: false, keep_null: false };
        let at = self.push(key);
        self.keys.push((at, None));
        self.first(slot, repr, out);
    }

    /// The value of a group's first row.
    fn first(&mut self, slot: Slot, repr: Repr, out: Slot) {
        let at = self.push(Output::Slot(slot, repr));
        self.calls.push(Call { kind: Kind::First, args: vec![(at, repr)], filter: None, result: repr, out });
    }
}

impl Translator<'_> {
    pub(super) fn aggregate(&mut self, id: NodeId, aggregation: &Aggregation) -> Translated<Built> {
        if aggregation.sets.is_some() || aggregation.strategy == AggStrategy::Mixed {
            return refuse("GROUPING SETS");
        }
        // A sort below only brings equal keys together; what the order is worth above is restored after.
        let (child, order) = match (&aggregation.strategy, &self.plan_node(aggregation.child).kind) {
            (AggStrategy::Sorted, NodeKind::Sort { child, keys, bound: None }) => {
                (*child, keys.iter().map(Ordering::of).collect::<Translated<Vec<_>>>()?)
            }
            (AggStrategy::Sorted, _) => return refuse("grouping of rows that come sorted"),
            _ => (aggregation.child, Vec::new()),
        };
        let built = self.node(child)?;
        let mut grouping = Grouping::default();
        for (key, out) in aggregation.keys.iter().zip(&aggregation.key_outs) {
            if key.equality.function.is_some() {
                return refuse("grouping by an operator of its own");
            }
            let repr = self.layout_or_any(key.slot);
            self.set_layout(*out, repr)?;
            grouping.key(key.slot, repr, key.equality.type_oid, *out);
        }
        for (from, to) in &aggregation.carried {
            let repr = self.layout_or_any(*from);
            self.set_layout(*to, repr)?;
            grouping.first(*from, repr, *to);
        }
        for (at, call) in aggregation.calls.iter().enumerate() {
            self.call(id, at, call, &mut grouping)?;
        }
        let grouped = self.grouped(built, grouping, !aggregation.keys.is_empty())?;
        let order: Vec<Ordering> = order
            .into_iter()
            .map_while(|key| {
                let at = aggregation.keys.iter().position(|group| group.slot == key.slot)?;
                Some(Ordering { slot: aggregation.key_outs[at], ..key })
            })
            .collect();
        self.in_order(grouped, &order)
    }

    /// One aggregate call: checked, and its arguments added to the input.
    fn call(&mut self, id: NodeId, at: usize, call: &AggCall, grouping: &mut Grouping) -> Translated<()> {
        let Expr::Aggregate(aggregate) = &call.expr else { return refuse("an aggregate without a name") };
        if aggregate.proc_oid >= FIRST_USER_OID {
            return refuse(format!("aggregate {}", aggregate.name));
        }
        if aggregate.direct_args > 0 {
            return refuse(format!("ordered-set aggregate {}", aggregate.name));
        }
        self.learn(&call.program)?;
        if let Some(filter) = &call.filter {
            self.learn(&filter.program)?;
        }
        let mut args = Vec::with_capacity(usize::from(call.count));
        for (arg, type_oid) in (1..=usize::from(call.count)).zip(&aggregate.arg_types) {
            let slot = call.args.plus(arg);
            let repr = match self.layout(slot) {
                Some(repr) => repr,
                None => repr_of(*type_oid)?,
            };
            args.push((slot, repr));
        }
        let kind = kind_of(id, at, call);
        if matches!(kind, Kind::Call(..)) {
            if !aggregate.order_by.is_empty() {
                return refuse("ORDER BY in an aggregate's arguments");
            }
            if call.distinct.is_some() && !EXACT.contains(&aggregate.proc_oid) {
                return refuse(format!("DISTINCT in aggregate {}", aggregate.name));
            }
        }
        let Some(result) = result_repr(call) else {
            return refuse(format!(
                "aggregate {} of {}",
                aggregate.name,
                super::layout::type_name(call.result_type)
            ));
        };
        self.set_layout(call.out, result)?;
        let number = grouping.work.len();
        let first = grouping.width;
        grouping.work.push(Work::Arguments {
            filter: call.filter.clone(),
            program: call.program.clone(),
            args: args.clone(),
        });
        grouping.outputs.push(Output::Arguments(number));
        grouping.width += args.len() + usize::from(call.filter.is_some());
        grouping.calls.push(Call {
            kind,
            filter: call.filter.as_ref().map(|_| first + args.len()),
            args: args.into_iter().enumerate().map(|(index, (_, repr))| (first + index, repr)).collect(),
            result,
            out: call.out,
        });
        Ok(())
    }

    /// Drops duplicates of sorted rows: groups by the keys, with the other columns of each group's first row.
    pub(super) fn unique(&mut self, child: NodeId, keys: &[GroupKey]) -> Translated<Built> {
        let NodeKind::Sort { child, keys: order, bound: None } = &self.plan_node(child).kind else {
            return refuse("dropping duplicates of rows that come sorted");
        };
        // DISTINCT ON takes the first row in the order of keys that are not compared.
        if order.len() > keys.len() {
            return refuse("DISTINCT ON");
        }
        let order: Vec<Ordering> = order.iter().map(Ordering::of).collect::<Translated<_>>()?;
        let built = self.node(*child)?;
        let mut grouping = Grouping::default();
        for key in keys {
            if key.equality.function.is_some() {
                return refuse("grouping by an operator of its own");
            }
            grouping.key(key.slot, self.layout_or_any(key.slot), key.equality.type_oid, key.slot);
        }
        for slot in &self.plan_node(*child).live {
            if !keys.iter().any(|key| key.slot == *slot) {
                grouping.first(*slot, self.layout_or_any(*slot), *slot);
            }
        }
        let grouped = self.grouped(built, grouping, true)?;
        self.in_order(grouped, &order)
    }

    fn in_order(&mut self, built: Built, order: &[Ordering]) -> Translated<Built> {
        if order.is_empty() {
            return Ok(built);
        }
        let live: Vec<Slot> = built.columns.iter().flatten().map(|(slot, _)| *slot).collect();
        self.sorted(built, order, None, &live)
    }

    fn grouped(&mut self, built: Built, grouping: Grouping, by_keys: bool) -> Translated<Built> {
        let Grouping { work, outputs, keys, calls, .. } = grouping;
        let input = self.program(built, work, outputs);
        let schema = input.schema();
        let column = |at: usize| Arc::new(Column::new(&format!("c{at}"), at)) as Arc<dyn PhysicalExpr>;
        let mut functions: Vec<Arc<AggregateFunctionExpr>> = Vec::with_capacity(calls.len());
        let mut filters: Vec<Option<Arc<dyn PhysicalExpr>>> = Vec::with_capacity(calls.len());
        for (number, call) in calls.iter().enumerate() {
            let reprs = call.args.iter().map(|(_, repr)| *repr).collect();
            let function = PgAggregate::new(call.kind, reprs, call.result, self.around.clone());
            let mut args: Vec<Arc<dyn PhysicalExpr>> = call.args.iter().map(|(at, _)| column(*at)).collect();
            if args.is_empty() {
                // Rows are counted by an argument that always has a value.
                args.push(Arc::new(Literal::new(ScalarValue::Boolean(Some(true)))));
            }
            let function = AggregateExprBuilder::new(Arc::new(AggregateUDF::new_from_impl(function)), args)
                .schema(schema.clone())
                .alias(format!("a{number}"))
                .build()?;
            functions.push(Arc::new(function));
            filters.push(call.filter.map(column));
        }
        let mut columns: Vec<Option<(Slot, Repr)>> = keys.iter().map(|(_, out)| *out).collect();
        columns.extend(calls.iter().map(|call| Some((call.out, call.result))));
        let by = keys.iter().enumerate().map(|(number, (at, _))| (column(*at), format!("g{number}")));
        let by = PhysicalGroupBy::new_single(by.collect());
        let make = |mode, by: PhysicalGroupBy, filters, input: Arc<dyn ExecutionPlan>| {
            AggregateExec::try_new(mode, by, functions.clone(), filters, input, schema.clone())
        };
        let in_parts = calls.iter().all(|call| call.kind.has_parts());
        if input.output_partitioning().partition_count() <= 1 || !in_parts {
            let input = one_partition(Built { exec: input, columns: Vec::new() }).exec;
            let exec = make(AggregateMode::Single, by, filters, input)?;
            return Ok(Built { exec: Arc::new(exec), columns });
        }
        let final_by = by.as_final();
        let partial: Arc<dyn ExecutionPlan> = Arc::new(make(AggregateMode::Partial, by, filters, input)?);
        let no_filters = vec![None; functions.len()];
        let exec = if by_keys {
            let hash = final_by.expr().iter().map(|(expr, _)| expr.clone()).collect();
            let spread = RepartitionExec::try_new(partial, Partitioning::Hash(hash, self.partitions))?;
            make(AggregateMode::FinalPartitioned, final_by, no_filters, Arc::new(spread))?
        } else {
            let one = Arc::new(CoalescePartitionsExec::new(partial));
            make(AggregateMode::Final, final_by, no_filters, one)?
        };
        Ok(Built { exec: Arc::new(exec), columns })
    }
}

/// Objects with smaller OIDs are built in.
const FIRST_USER_OID: Oid = 16384;
