//! Aggregate nodes.

use crate::aggregate::*;
use crate::builder::Builder;
use crate::facts::AggregateFacts;
use crate::node::{KeyEquality, NodeId, NodeKind, SortKey};
use crate::planner::level::Level;
use crate::planner::path::{AggregateSpec, Path, PathKind};
use crate::program::{CallSite, Program, SiteId};
use crate::slot::Slot;
use redoubt_analyze::query::{Aggregate, Expr, WindowFunc};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Oid, aggregate as library, io, types};

impl Builder<'_> {
    pub(super) fn create_aggregate(&mut self, level: &Level, path: &Path) -> PgResult<NodeId> {
        match &path.kind {
            PathKind::Distinct { sub, keys, carried } => {
                let child = self.create(level, sub)?;
                let keys = self.group_keys(child, keys)?;
                let carried = carried.iter().map(|column| self.input_slot(child, column));
                let carried =
                    carried.map(|slot| slot.map(|slot| (slot, slot))).collect::<PgResult<Vec<_>>>()?;
                // The input is used up before the first group comes out: its slots are free.
                let key_outs = keys.iter().map(|key| key.slot).collect();
                Ok(self.node(NodeKind::Aggregate(Aggregation {
                    child,
                    strategy: AggStrategy::Hashed,
                    keys,
                    key_outs,
                    carried,
                    calls: Vec::new(),
                    sets: None,
                    groups: path.rows,
                })))
            }
            PathKind::Aggregate { sub, spec, strategy } => self.create_grouping(level, sub, spec, *strategy),
            PathKind::Group { sub, spec } => self.create_grouping(level, sub, spec, AggStrategy::Sorted),
            other => Err(PgError::internal(format!("not an aggregation: {other:?}"))),
        }
    }

    fn create_grouping(
        &mut self,
        level: &Level,
        sub: &Path,
        spec: &AggregateSpec,
        strategy: AggStrategy,
    ) -> PgResult<NodeId> {
        let child = self.create(level, sub)?;
        let keys = self.group_keys(child, &spec.keys)?;
        let mut column = 0;
        let mut next = |builder: &mut Self| {
            column += 1;
            builder.column(spec.range, column)
        };
        let key_outs: Vec<Slot> = keys.iter().map(|_| next(self)).collect();
        let mut carried = Vec::with_capacity(spec.carried.len());
        for expr in &spec.carried {
            let from = self.input_slot(child, expr)?;
            carried.push((from, next(self)));
        }
        let mut calls = Vec::with_capacity(spec.calls.len());
        for call in &spec.calls {
            let out = next(self);
            calls.push(self.aggregate_call(call, out)?);
        }
        let sets = match &spec.sets {
            None => None,
            Some(sets) => {
                let groupings =
                    spec.groupings.iter().map(|keys| (keys.clone().into_boxed_slice(), next(self))).collect();
                Some(self.grouping_sets(sets, &keys, groupings)?)
            }
        };
        if spec.sets.is_none() {
            // Without grouping sets every key is grouped by.
            for _ in &spec.groupings {
                let slot = next(self);
                self.frame[slot.index()] = Datum::Int4(0);
            }
        }
        let having = self.filter(&spec.having)?;
        let aggregation =
            Aggregation { child, strategy, keys, key_outs, carried, calls, sets, groups: spec.groups };
        let id = self.node(NodeKind::Aggregate(aggregation));
        self.node_mut(id).filter = having;
        Ok(id)
    }

    fn grouping_sets(
        &mut self,
        sets: &[Vec<usize>],
        keys: &[crate::node::GroupKey],
        groupings: Vec<(Box<[usize]>, Slot)>,
    ) -> PgResult<GroupingSets> {
        let members =
            sets.iter().map(|set| (0..keys.len()).map(|key| set.contains(&key)).collect()).collect();
        Ok(GroupingSets { sets: members, sorted: Vec::new(), hashed: (0..sets.len()).collect(), groupings })
    }

    /// Compiles an aggregate call.
    pub(super) fn aggregate_call(&mut self, call: &Aggregate, out: Slot) -> PgResult<AggCall> {
        let facts = self.aggregate_facts(call.proc_oid, &call.name)?;
        let aggregated = &call.args[call.direct_args..];
        let args = self.new_slots(aggregated.len() + 1);
        let filter = call.filter.as_ref().map(|filter| self.compile(filter)).transpose()?;
        let pairs: Vec<(&Expr, Slot)> =
            aggregated.iter().enumerate().map(|(index, arg)| (arg, args.plus(index + 1))).collect();
        let mut program = self.compile_all_into(pairs)?;
        let mut order = Vec::new();
        for key in &call.order_by {
            let slot = match aggregated.iter().position(|arg| crate::equal::same(arg, &key.expr)) {
                Some(index) => args.plus(index + 1),
                None => {
                    let value = self.compile(&key.expr)?;
                    program.append(value.program);
                    value.slot
                }
            };
            order.push(SortKey {
                slot,
                type_oid: key.expr.ty().type_oid,
                descending: key.descending,
                nulls_first: key.nulls_first,
                less: None,
                expr: key.expr.clone(),
                operator: key.sort_operator,
            });
        }
        let distinct = call.distinct.then(|| self.distinct_order(aggregated, args, &mut order));
        let mut inputs: Vec<Slot> = (0..aggregated.len()).map(|index| args.plus(index + 1)).collect();
        for key in &order {
            if !inputs.contains(&key.slot) {
                inputs.push(key.slot);
            }
        }
        let arg_types = &call.arg_types[call.direct_args.min(call.arg_types.len())..];
        let mut compiled = self.transition(&facts, call, arg_types, args, program, out)?;
        compiled.filter = filter;
        compiled.distinct = distinct;
        compiled.order = order;
        compiled.inputs = inputs.into();
        compiled.finalizer = self.finalizer(&facts, call, &compiled)?;
        Ok(compiled)
    }

    fn aggregate_facts(&self, proc: Oid, name: &str) -> PgResult<std::sync::Arc<AggregateFacts>> {
        self.ctx
            .catalog
            .aggregate(proc)?
            .ok_or_else(|| PgError::internal(format!("cache lookup failed for aggregate {name}")))
    }

    /// DISTINCT needs its input sorted by all arguments, after the keys asked for.
    fn distinct_order(&self, args: &[Expr], first: Slot, order: &mut Vec<SortKey>) -> Vec<KeyEquality> {
        for (index, arg) in args.iter().enumerate() {
            let slot = first.plus(index + 1);
            if !order.iter().any(|key| key.slot == slot) {
                order.push(SortKey {
                    slot,
                    type_oid: arg.ty().type_oid,
                    descending: false,
                    nulls_first: false,
                    less: None,
                    expr: arg.clone(),
                    operator: 0,
                });
            }
        }
        args.iter().map(|arg| KeyEquality { type_oid: arg.ty().type_oid, function: None }).collect()
    }

    fn transition(
        &mut self,
        facts: &AggregateFacts,
        call: &Aggregate,
        arg_types: &[Oid],
        args: Slot,
        program: Program,
        out: Slot,
    ) -> PgResult<AggCall> {
        let state_type = self.state_type(facts.transition_type, call.ty.type_oid, arg_types);
        let (transition, transition_site) = self.transition_function(
            &facts.transition,
            &call.name,
            state_type,
            arg_types,
            call.input_collation,
        )?;
        let initial = match &facts.initial {
            Some(text) => io::input(state_type, -1, text, self.ctx.env)?,
            None => Datum::Null,
        };
        Ok(AggCall {
            filter: None,
            program,
            args,
            count: (call.args.len() - call.direct_args) as u16,
            transition,
            strict: facts.transition_strict,
            initial,
            state_type,
            transition_site,
            finalizer: None,
            distinct: None,
            order: Vec::new(),
            inputs: Box::default(),
            out,
            result_type: call.ty.type_oid,
            expr: Expr::Aggregate(Box::new(call.clone())),
        })
    }

    /// A polymorphic state type made actual.
    fn state_type(&self, declared: Oid, result: Oid, arg_types: &[Oid]) -> Oid {
        match declared {
            types::ANYELEMENT => arg_types.first().copied().unwrap_or(result),
            declared if crate::planner::inspect::is_polymorphic(declared) => result,
            declared => declared,
        }
    }

    fn transition_function(
        &mut self,
        source: &str,
        name: &str,
        state_type: Oid,
        arg_types: &[Oid],
        collation: Oid,
    ) -> PgResult<(Transition, SiteId)> {
        let mut site_types = arg_types.to_vec();
        let transition = match library::transition(source) {
            Some(function) => Transition::State(function),
            None => {
                let function = self
                    .ctx
                    .catalog
                    .function(source)
                    .ok_or_else(|| PgError::unsupported(format!("aggregate function {name}")))?;
                site_types.insert(0, state_type);
                Transition::Scalar(function)
            }
        };
        let site = self.site(CallSite {
            arg_types: site_types.into(),
            result_type: state_type,
            result_desc: None,
            collation,
            variadic: false,
            proc_oid: 0,
            name: name.into(),
        });
        Ok((transition, site))
    }

    fn finalizer(
        &mut self,
        facts: &AggregateFacts,
        call: &Aggregate,
        compiled: &AggCall,
    ) -> PgResult<Option<Finalizer>> {
        let Some(source) = &facts.finalizer else { return Ok(None) };
        let direct = &call.args[..call.direct_args];
        let extra = if facts.final_extra { call.args.len() - call.direct_args } else { 0 };
        let args = self.new_slots(1 + direct.len() + extra);
        let pairs: Vec<(&Expr, Slot)> =
            direct.iter().enumerate().map(|(index, arg)| (arg, args.plus(index + 1))).collect();
        let direct_program = self.compile_all_into(pairs)?;
        let function = match library::final_function(source) {
            Some(function) => FinalFunction::State(function),
            None => FinalFunction::Scalar(
                self.ctx
                    .catalog
                    .function(source)
                    .ok_or_else(|| PgError::unsupported(format!("aggregate function {}", call.name)))?,
            ),
        };
        let mut arg_types = call.arg_types.clone();
        if matches!(function, FinalFunction::Scalar(_)) {
            arg_types.insert(0, compiled.state_type);
        }
        let site = self.site(CallSite {
            arg_types: arg_types.into(),
            result_type: call.ty.type_oid,
            result_desc: None,
            collation: call.input_collation,
            variadic: false,
            proc_oid: call.proc_oid,
            name: call.name.clone(),
        });
        Ok(Some(Finalizer {
            function,
            strict: facts.final_strict,
            direct: direct_program,
            args,
            count: (direct.len() + extra) as u16,
            site,
        }))
    }

    /// An aggregate used as a window function.
    pub(super) fn window_aggregate(&mut self, call: &WindowFunc, out: Slot) -> PgResult<AggCall> {
        let aggregate = Aggregate {
            proc_oid: call.proc_oid,
            name: call.name.clone(),
            args: call.args.clone(),
            direct_args: 0,
            arg_types: call.arg_types.clone(),
            star: call.star,
            distinct: false,
            order_by: Vec::new(),
            filter: call.filter.clone(),
            ty: call.ty,
            input_collation: call.input_collation,
            levels_up: 0,
            position: call.position,
        };
        self.aggregate_call(&aggregate, out)
    }
}
