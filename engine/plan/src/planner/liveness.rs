//! Which slots live where: the last pass over a plan.
//!
//! Bottom up it finds what every subtree reads and writes; what it reads without writing comes from
//! outside (an outer query, the outer side of a nested loop). Top down it finds what is still
//! wanted above every node: that is what sorts, hash tables and stores keep.

use crate::aggregate::{AggCall, Aggregation};
use crate::join::{HashJoin, MergeJoin};
use crate::modify::ModifyTable;
use crate::node::*;
use crate::program::{Program, Step, Value};
use crate::scan::{IndexCondition, IndexTest, ScanCall, ScanColumns, ValuesRow};
use crate::slot::{Slot, SlotSet};
use crate::subplan::SubPlanKind;
use crate::window::{Bound as FrameBound, WindowFunction, Windowing};

/// What one node itself reads and writes, its children not included.
#[derive(Default, Clone)]
struct Effect {
    reads: SlotSet,
    writes: SlotSet,
}

/// Fills in `live` and `external` of every node and subplan.
/// `fixed` slots hold constants and parameters: reading them depends on nothing.
pub(super) fn annotate(plan: &mut Plan, fixed: &SlotSet) {
    let mut pass = Pass {
        fixed,
        effects: vec![None; plan.nodes.len()],
        subtree: vec![None; plan.nodes.len()],
        subplan_reads: vec![None; plan.subplans.len()],
        plan,
    };
    pass.run();
}

struct Pass<'p> {
    plan: &'p mut Plan,
    fixed: &'p SlotSet,
    /// Per node: its own effect.
    effects: Vec<Option<Effect>>,
    /// Per node: its whole subtree's.
    subtree: Vec<Option<Effect>>,
    /// Per subplan: what it reads from outside.
    subplan_reads: Vec<Option<SlotSet>>,
}

impl Pass<'_> {
    fn run(&mut self) {
        let ctes: Vec<(usize, NodeId)> = self
            .plan
            .ctes
            .iter()
            .enumerate()
            .filter_map(|(at, cte)| Some((at, cte.as_ref()?.root)))
            .collect();
        for &(_, root) in &ctes {
            self.up(root);
        }
        let root = self.plan.root;
        self.up(root);
        for at in 0..self.plan.subplans.len() {
            self.subplan(at);
        }
        let visible = (0..self.plan.columns.len()).map(|at| self.plan.first_column.plus(at)).collect();
        self.down(root, &visible);
        for (at, root) in ctes {
            let columns = self.plan.ctes[at].as_ref().expect("listed").columns.iter().copied().collect();
            let external = self.external(root);
            self.plan.ctes[at].as_mut().expect("listed").external = external;
            self.down(root, &columns);
        }
        for at in 0..self.plan.subplans.len() {
            let (root, mut wanted) = (self.plan.subplans[at].root, SlotSet::new());
            wanted.extend(self.plan.subplans[at].columns.iter().copied());
            let external = self.subplan_reads[at].clone().unwrap_or_default();
            self.plan.subplans[at].external = external;
            self.down(root, &wanted);
        }
    }

    /// What a subplan reads from outside, the left sides of its comparisons included.
    fn subplan(&mut self, at: usize) -> SlotSet {
        if let Some(known) = &self.subplan_reads[at] {
            return known.clone();
        }
        let root = self.plan.subplans[at].root;
        self.up(root);
        let mut inside = self.subtree[root.index()].clone().expect("just computed");
        let mut own = Effect::default();
        let subplan = std::mem::replace(&mut self.plan.subplans[at].kind, SubPlanKind::Exists);
        match &subplan {
            SubPlanKind::Quantified { left, test, .. } | SubPlanKind::RowCompare { left, test } => {
                self.program(left, &mut own);
                self.value(test, &mut own);
            }
            SubPlanKind::HashedAny { left, keys, test, .. } => {
                self.program(left, &mut own);
                self.value(test, &mut own);
                own.reads.extend(keys.iter().flat_map(|key| [key.left, key.right]));
            }
            SubPlanKind::Exists | SubPlanKind::Scalar | SubPlanKind::Array { .. } => {}
        }
        self.plan.subplans[at].kind = subplan;
        own.reads.subtract(&inside.writes);
        own.reads.subtract(&own.writes.clone());
        inside.reads.subtract(&inside.writes.clone());
        inside.reads.union_with(&own.reads);
        inside.reads.subtract(self.fixed);
        self.subplan_reads[at] = Some(inside.reads.clone());
        inside.reads
    }

    fn external(&self, node: NodeId) -> SlotSet {
        let effect = self.subtree[node.index()].as_ref().expect("computed");
        let mut reads = effect.reads.clone();
        reads.subtract(&effect.writes);
        reads.subtract(self.fixed);
        reads
    }

    /// Computes the effects of a subtree.
    fn up(&mut self, node: NodeId) {
        if self.subtree[node.index()].is_some() {
            return;
        }
        let own = self.node_effect(node);
        let mut all = own.clone();
        for child in children(&self.plan.nodes[node.index()].kind) {
            self.up(child);
            let inner = self.subtree[child.index()].as_ref().expect("just computed");
            all.reads.union_with(&inner.reads);
            all.writes.union_with(&inner.writes);
        }
        self.effects[node.index()] = Some(own);
        self.subtree[node.index()] = Some(all);
        let external = self.external(node);
        self.plan.nodes[node.index()].external = external;
    }

    /// Notes what is wanted above each node of a subtree.
    fn down(&mut self, node: NodeId, wanted: &SlotSet) {
        let effect = self.subtree[node.index()].as_ref().expect("computed");
        let mut live = wanted.clone();
        live.intersect_with(&effect.writes);
        let own = self.effects[node.index()].as_ref().expect("computed");
        let mut below = wanted.clone();
        below.union_with(&own.reads);
        self.plan.nodes[node.index()].live = live.iter().collect();
        let children = children(&self.plan.nodes[node.index()].kind);
        let params = match &self.plan.nodes[node.index()].kind {
            NodeKind::NestedLoop(join) => {
                let inner = self.external(join.inner);
                let mut params = self.subtree[join.outer.index()].as_ref().expect("computed").writes.clone();
                params.intersect_with(&inner);
                Some(params)
            }
            _ => None,
        };
        if let (Some(params), NodeKind::NestedLoop(join)) = (params, &mut self.plan.nodes[node.index()].kind)
        {
            below.union_with(&params);
            join.params = params;
        }
        for child in children {
            self.down(child, &below);
        }
    }

    fn program(&mut self, program: &Program, effect: &mut Effect) {
        for step in &program.steps {
            self.step(step, effect);
        }
    }

    fn value(&mut self, value: &Value, effect: &mut Effect) {
        self.program(&value.program, effect);
        effect.reads.insert(value.slot);
    }

    fn filter(&mut self, filter: &Option<Filter>, effect: &mut Effect) {
        if let Some(filter) = filter {
            self.program(&filter.program, effect);
        }
    }

    fn step(&mut self, step: &Step, effect: &mut Effect) {
        let mut read = |slot: Slot| {
            effect.reads.insert(slot);
        };
        let out = match step {
            Step::Copy { from, to } => {
                read(*from);
                Some(*to)
            }
            Step::Call { args, count, out, .. } | Step::MinMax { args, count, out, .. } => {
                (0..*count).for_each(|at| read(args.plus(at as usize)));
                Some(*out)
            }
            Step::Fast { left, right, out, .. } => {
                read(*left);
                read(*right);
                Some(*out)
            }
            Step::Unsupported(_) | Step::Jump(_) => None,
            Step::JumpUnless { condition: slot, .. }
            | Step::JumpIfNotNull { value: slot, .. }
            | Step::Require(slot) => {
                read(*slot);
                None
            }
            Step::And { arg, out, .. }
            | Step::Or { arg, out, .. }
            | Step::Not { arg, out }
            | Step::IsNull { arg, out, .. }
            | Step::RowIsNull { arg, out, .. }
            | Step::BooleanTest { arg, out, .. }
            | Step::Field { arg, out, .. }
            | Step::ViaText { arg, out, .. }
            | Step::CheckDomain { arg, out, .. } => {
                read(*arg);
                Some(*out)
            }
            Step::Distinct { args, out, .. } | Step::NullIf { args, out, .. } => {
                read(*args);
                read(args.plus(1));
                Some(*out)
            }
            Step::ArrayOp(op) => {
                read(op.args);
                read(op.array);
                Some(op.out)
            }
            Step::MakeArray { args, count, out, .. } => {
                (0..*count).for_each(|at| read(args.plus(at as usize)));
                Some(*out)
            }
            Step::MakeRow(row) => {
                (0..row.count).for_each(|at| read(row.args.plus(at as usize)));
                Some(row.out)
            }
            Step::Subscript(op) => {
                read(op.container);
                op.indexes.iter().flat_map(|(lower, upper)| [*lower, *upper]).flatten().for_each(read);
                Some(op.out)
            }
            Step::ArrayCast(cast) => {
                read(cast.arg);
                effect.writes.insert(cast.element);
                self.value(&cast.cast, effect);
                Some(cast.out)
            }
            Step::RowCompare(compare) => {
                for column in &compare.columns {
                    self.program(&column.operands, effect);
                    effect.reads.insert(column.args);
                    effect.reads.insert(column.args.plus(1));
                }
                Some(compare.out)
            }
            Step::SubPlan { id, out } => {
                let reads = self.subplan(id.index());
                effect.reads.union_with(&reads);
                Some(*out)
            }
        };
        if let Some(out) = out {
            effect.writes.insert(out);
        }
    }

    fn node_effect(&mut self, node: NodeId) -> Effect {
        let mut effect = Effect::default();
        let placeholder = NodeKind::Append(Vec::new());
        let kind = std::mem::replace(&mut self.plan.nodes[node.index()].kind, placeholder);
        let filter = self.plan.nodes[node.index()].filter.take();
        let project = std::mem::take(&mut self.plan.nodes[node.index()].project);
        self.kind_effect(&kind, &mut effect);
        self.filter(&filter, &mut effect);
        self.program(&project, &mut effect);
        let slot = &mut self.plan.nodes[node.index()];
        (slot.kind, slot.filter, slot.project) = (kind, filter, project);
        effect
    }

    fn kind_effect(&mut self, kind: &NodeKind, effect: &mut Effect) {
        match kind {
            NodeKind::Result { once, .. } => self.filter(once, effect),
            NodeKind::ProjectSet(node) => node.calls.iter().for_each(|call| self.set_call(call, effect)),
            NodeKind::SeqScan(node) => {
                scan_writes(&node.scan, effect);
                for value in
                    node.sample.iter().flat_map(|sample| std::iter::once(&sample.percent).chain(&sample.seed))
                {
                    self.value(value, effect);
                }
            }
            NodeKind::IndexScan(node) => {
                scan_writes(&node.scan, effect);
                self.program(&node.recheck.program, effect);
                self.conditions(&node.conditions, effect);
            }
            NodeKind::BitmapHeapScan(node) => {
                scan_writes(&node.scan, effect);
                self.program(&node.recheck.program, effect);
            }
            NodeKind::BitmapIndexScan(node) => self.conditions(&node.conditions, effect),
            NodeKind::TidScan(node) => {
                scan_writes(&node.scan, effect);
                node.tids.iter().for_each(|(value, _)| self.value(value, effect));
            }
            NodeKind::FunctionScan(node) => {
                for function in &node.functions {
                    match &function.call {
                        ScanCall::Set(call) => self.set_call(call, effect),
                        ScanCall::Scalar(value) => self.value(value, effect),
                    }
                    effect.writes.extend(function.columns.iter().flatten().copied());
                }
                effect.writes.extend(node.ordinality);
            }
            NodeKind::ValuesScan(node) => {
                effect.writes.extend(node.columns.iter().map(|(_, slot)| *slot));
                for row in &node.rows {
                    if let ValuesRow::Computed(program) = row {
                        self.program(program, effect);
                    }
                }
            }
            NodeKind::CteScan(node) => {
                effect.writes.extend(node.columns.iter().map(|(_, slot)| *slot));
                // A store is filled once; what its query needs from outside, the reader needs.
                if let Some(Some(cte)) = self.plan.ctes.get(node.cte) {
                    let root = cte.root;
                    self.up(root);
                    let external = self.external(root);
                    effect.reads.union_with(&external);
                }
            }
            NodeKind::WorkTableScan(node) => {
                effect.writes.extend(node.columns.iter().map(|(_, slot)| *slot));
                effect.reads.extend(node.work);
            }
            NodeKind::NestedLoop(node) => self.filter(&node.condition, effect),
            NodeKind::MergeJoin(node) => self.merge_join(node, effect),
            NodeKind::HashJoin(node) => self.hash_join(node, effect),
            NodeKind::Sort { keys, bound, .. } => {
                effect.reads.extend(keys.iter().map(|key| key.slot));
                if let Some(bound) = bound {
                    self.value(&bound.count, effect);
                    bound.offset.iter().for_each(|offset| self.value(offset, effect));
                }
            }
            NodeKind::Limit(node) => {
                node.count.iter().chain(&node.offset).for_each(|value| self.value(value, effect));
                effect.reads.extend(node.ties.iter().flatten().map(|key| key.slot));
            }
            NodeKind::Unique { keys, .. } | NodeKind::Group { keys, .. } => {
                effect.reads.extend(keys.iter().map(|key| key.slot));
            }
            NodeKind::SetOp(node) => {
                effect.reads.extend(node.keys.iter().map(|key| key.slot));
                effect.reads.insert(node.flag);
            }
            NodeKind::RecursiveUnion(node) => {
                effect.reads.extend(node.columns.iter().copied());
                effect.writes.insert(node.work);
            }
            NodeKind::Aggregate(node) => self.aggregation(node, effect),
            NodeKind::Window(node) => self.windowing(node, effect),
            NodeKind::LockRows(node) => {
                effect.reads.extend(node.locks.iter().map(|lock| lock.ctid));
                for mark in &node.marks {
                    effect.reads.extend(mark.ctid.into_iter().chain(mark.slots.iter().copied()));
                }
            }
            NodeKind::ModifyTable(node) => self.modify(node, effect),
            NodeKind::SubqueryScan { .. }
            | NodeKind::Hash(_)
            | NodeKind::Material(_)
            | NodeKind::Append(_)
            | NodeKind::BitmapAnd(_)
            | NodeKind::BitmapOr(_)
            | NodeKind::Offload { .. } => {}
        }
    }

    fn set_call(&mut self, call: &SetCall, effect: &mut Effect) {
        self.program(&call.program, effect);
        effect.reads.extend((0..call.count).map(|at| call.args.plus(at as usize)));
        effect.writes.insert(call.out);
    }

    fn conditions(&mut self, conditions: &[IndexCondition], effect: &mut Effect) {
        for condition in conditions {
            match &condition.test {
                IndexTest::Compare { value, .. } => self.value(value, effect),
                IndexTest::AnyOf { array, .. } => self.value(array, effect),
                IndexTest::IsNull | IndexTest::NotNull => {}
            }
        }
    }

    fn merge_join(&mut self, node: &MergeJoin, effect: &mut Effect) {
        for key in &node.keys {
            self.value(&key.outer, effect);
            self.value(&key.inner, effect);
        }
        self.filter(&node.condition, effect);
    }

    fn hash_join(&mut self, node: &HashJoin, effect: &mut Effect) {
        for key in &node.keys {
            self.value(&key.outer, effect);
            self.value(&key.inner, effect);
        }
        self.filter(&node.condition, effect);
    }

    fn aggregate_call(&mut self, call: &AggCall, effect: &mut Effect) {
        call.filter.iter().for_each(|filter| self.value(filter, effect));
        self.program(&call.program, effect);
        effect.reads.extend(call.inputs.iter().copied());
        if let Some(finalizer) = &call.finalizer {
            self.program(&finalizer.direct, effect);
        }
        effect.writes.insert(call.out);
    }

    fn aggregation(&mut self, node: &Aggregation, effect: &mut Effect) {
        effect.reads.extend(node.keys.iter().map(|key| key.slot));
        effect.writes.extend(node.key_outs.iter().copied());
        for (from, to) in &node.carried {
            effect.reads.insert(*from);
            effect.writes.insert(*to);
        }
        node.calls.iter().for_each(|call| self.aggregate_call(call, effect));
        if let Some(sets) = &node.sets {
            effect.writes.extend(sets.groupings.iter().map(|(_, slot)| *slot));
        }
    }

    fn windowing(&mut self, node: &Windowing, effect: &mut Effect) {
        effect.reads.extend(node.partition.iter().chain(&node.order).map(|key| key.slot));
        effect.reads.extend(node.order_keys.iter().map(|key| key.slot));
        for bound in [&node.frame.start, &node.frame.end] {
            if let FrameBound::Preceding(value) | FrameBound::Following(value) = bound {
                self.value(value, effect);
            }
        }
        for call in &node.calls {
            match &call.function {
                WindowFunction::Aggregate(aggregate) => self.aggregate_call(aggregate, effect),
                WindowFunction::Builtin { program, args, count, .. } => {
                    self.program(program, effect);
                    effect.reads.extend((0..*count).map(|at| args.plus(at as usize)));
                }
            }
            effect.writes.insert(call.out);
        }
    }

    fn modify(&mut self, node: &ModifyTable, effect: &mut Effect) {
        let attributes = node.rules.desc.len();
        effect.reads.extend(node.ctid);
        effect.reads.extend((0..attributes).map(|at| node.new_row.plus(at)));
        effect.reads.extend(node.assigned.iter().map(|(_, slot)| *slot));
        effect.writes.extend((0..attributes).map(|at| node.new_row.plus(at)));
        if let Some(old) = node.old_row {
            effect.writes.extend((0..attributes).map(|at| old.plus(at)));
        }
        effect.writes.extend(node.returning_system.iter().map(|(_, slot)| *slot));
        self.program(&node.generated, effect);
        node.condition.iter().for_each(|value| self.value(value, effect));
        node.checks.iter().for_each(|(_, value)| self.value(value, effect));
        for index in &node.indexes {
            self.program(&index.program, effect);
            index.predicate.iter().for_each(|value| self.value(value, effect));
        }
        if let Some(update) = node.conflict.as_ref().and_then(|conflict| conflict.update.as_ref()) {
            effect.writes.extend((0..attributes).map(|at| update.excluded.plus(at)));
            effect.writes.extend(update.system.iter().map(|(_, slot)| *slot));
            self.filter(&update.condition, effect);
            self.program(&update.set, effect);
        }
        for mark in &node.marks {
            effect.reads.extend(mark.ctid.into_iter().chain(mark.slots.iter().copied()));
        }
    }
}

fn scan_writes(scan: &ScanColumns, effect: &mut Effect) {
    effect.writes.extend(scan.columns.iter().chain(&scan.system).map(|(_, slot)| *slot));
    effect.writes.extend(scan.whole_row);
}

/// A node's inputs, outer before inner.
pub fn children(kind: &NodeKind) -> Vec<NodeId> {
    match kind {
        NodeKind::Result { child, .. } => child.iter().copied().collect(),
        NodeKind::ProjectSet(node) => vec![node.child],
        NodeKind::BitmapHeapScan(node) => vec![node.bitmap],
        NodeKind::BitmapAnd(children) | NodeKind::BitmapOr(children) | NodeKind::Append(children) => {
            children.clone()
        }
        NodeKind::NestedLoop(node) => vec![node.outer, node.inner],
        NodeKind::MergeJoin(node) => vec![node.outer, node.inner],
        NodeKind::HashJoin(node) => vec![node.outer, node.inner],
        NodeKind::Hash(child) | NodeKind::Material(child) => vec![*child],
        NodeKind::SubqueryScan { child, .. }
        | NodeKind::Sort { child, .. }
        | NodeKind::Unique { child, .. }
        | NodeKind::Group { child, .. }
        | NodeKind::Offload { child, .. } => vec![*child],
        NodeKind::Limit(node) => vec![node.child],
        NodeKind::Aggregate(node) => vec![node.child],
        NodeKind::Window(node) => vec![node.child],
        NodeKind::SetOp(node) => vec![node.child],
        NodeKind::RecursiveUnion(node) => vec![node.start, node.step],
        NodeKind::LockRows(node) => vec![node.child],
        NodeKind::ModifyTable(node) => vec![node.child],
        NodeKind::SeqScan(_)
        | NodeKind::IndexScan(_)
        | NodeKind::BitmapIndexScan(_)
        | NodeKind::TidScan(_)
        | NodeKind::FunctionScan(_)
        | NodeKind::ValuesScan(_)
        | NodeKind::CteScan(_)
        | NodeKind::WorkTableScan(_) => Vec::new(),
    }
}
