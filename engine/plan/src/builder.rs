//! What is built up while one statement is planned: frame, ranges, nodes, call sites.

use crate::facts::PlannerContext;
use crate::node::{NodeId, NodeKind, Permission, PlanNode};
use crate::program::{CallSite, SiteId};
use crate::range::{PlanRange, RangeKind};
use crate::slot::{Slot, SlotSet};
use crate::subplan::{CtePlan, SubPlan, SubPlanId};
use redoubt_analyze::query::{ColumnType, Cte, Expr, Var};
use redoubt_functions::Datum;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The state of planning one statement.
pub(crate) struct Builder<'a> {
    /// Catalog, session, settings.
    pub ctx: &'a PlannerContext<'a>,
    /// The frame as an execution starts with it.
    pub frame: Vec<Datum>,
    /// Slots that hold constants or parameters: nothing writes them.
    pub fixed: SlotSet,
    /// Slots of `$n`.
    pub params: Vec<Option<Slot>>,
    /// Range-table entries of all levels.
    pub ranges: Vec<PlanRange>,
    /// For each of them, its index in its own query's range table.
    pub local_index: Vec<usize>,
    /// Slots of columns, by range-table entry and attribute number.
    pub columns: HashMap<(usize, i16), Slot>,
    /// Types of whole rows that something refers to.
    pub row_types: HashMap<usize, redoubt_functions::Oid>,
    /// Columns that something in the statement refers to.
    pub used: HashMap<usize, BTreeSet<i16>>,
    /// Nodes.
    pub nodes: Vec<PlanNode>,
    /// Call sites.
    pub call_sites: Vec<CallSite>,
    /// Subqueries in expressions.
    pub subplans: Vec<SubPlan>,
    /// WITH queries that are stored: filled in when their query is planned.
    pub ctes: Vec<CteState>,
    /// Array caches given out.
    pub array_caches: u32,
    /// Privileges.
    pub permissions: Vec<Permission>,
    /// How many subqueries EXPLAIN has numbered.
    pub subplan_numbers: usize,
    /// How many values passed between plan and subplans EXPLAIN has numbered.
    pub param_numbers: usize,
    /// Subqueries compiled into the expressions of each level under construction, innermost last.
    pub trails: Vec<Vec<SubPlanId>>,
    /// Rows may be checked again after a concurrent update, so that every FROM item must have a node.
    pub rechecks: bool,
    /// Something changes data or locks rows.
    pub writes: bool,
    /// COPY FROM ... WHERE, over the target's row as range-table entry 0.
    pub copy_condition: Option<Expr>,
}

/// A stored WITH query while the statement is planned.
pub(crate) struct CteState {
    /// Its definition, with ranges numbered; taken when it is planned.
    pub definition: Option<Cte>,
    /// The plan.
    pub plan: Option<CtePlan>,
    /// Estimated rows, once planned.
    pub rows: f64,
    /// Estimated width, once planned.
    pub width: i32,
    /// Total cost, once planned.
    pub total_cost: f64,
    /// Of a recursive one: the slot that stands for its working table's contents.
    pub work: Option<Slot>,
}

/// A reference to a column of a range-table entry.
pub(crate) fn column_var(range: usize, attno: i16, ty: ColumnType) -> Expr {
    Expr::Var(Var {
        rt: range,
        attno,
        type_oid: ty.type_oid,
        typmod: ty.typmod,
        collation: ty.collation,
        levels_up: 0,
        position: Default::default(),
    })
}

impl<'a> Builder<'a> {
    pub(crate) fn new(ctx: &'a PlannerContext<'a>) -> Self {
        Builder {
            ctx,
            frame: Vec::new(),
            fixed: SlotSet::new(),
            params: Vec::new(),
            ranges: Vec::new(),
            local_index: Vec::new(),
            columns: HashMap::new(),
            row_types: HashMap::new(),
            used: HashMap::new(),
            nodes: Vec::new(),
            call_sites: Vec::new(),
            subplans: Vec::new(),
            ctes: Vec::new(),
            array_caches: 0,
            permissions: Vec::new(),
            subplan_numbers: 0,
            param_numbers: 0,
            trails: vec![Vec::new()],
            rechecks: false,
            writes: false,
            copy_condition: None,
        }
    }

    /// A fresh slot, NULL at first.
    pub(crate) fn new_slot(&mut self) -> Slot {
        self.new_slots(1)
    }

    /// The slot that stands for the contents of a recursive query's working table.
    pub(crate) fn work_slot(&mut self, cte: usize) -> Slot {
        if let Some(slot) = self.ctes[cte].work {
            return slot;
        }
        let slot = self.new_slot();
        self.ctes[cte].work = Some(slot);
        slot
    }

    /// `count` consecutive fresh slots.
    pub(crate) fn new_slots(&mut self, count: usize) -> Slot {
        let first = Slot(self.frame.len() as u32);
        self.frame.resize(self.frame.len() + count, Datum::Null);
        first
    }

    /// A slot with a constant in it.
    pub(crate) fn constant(&mut self, value: Datum) -> Slot {
        let slot = Slot(self.frame.len() as u32);
        self.frame.push(value);
        self.fixed.insert(slot);
        slot
    }

    /// The slot of `$number`.
    pub(crate) fn param(&mut self, number: usize) -> Slot {
        if self.params.len() < number {
            self.params.resize(number, None);
        }
        if let Some(slot) = self.params[number - 1] {
            return slot;
        }
        let slot = self.constant(Datum::Null);
        self.params[number - 1] = Some(slot);
        slot
    }

    /// The slot of a column, which whoever scans the range-table entry fills.
    pub(crate) fn column(&mut self, range: usize, attno: i16) -> Slot {
        if let Some(&slot) = self.columns.get(&(range, attno)) {
            return slot;
        }
        let slot = self.new_slot();
        self.columns.insert((range, attno), slot);
        slot
    }

    /// A new range-table entry for values that an inner node computes, and the `Var`s that stand
    /// for them from then on.
    pub(crate) fn computed_range(&mut self, exprs: Vec<Expr>) -> usize {
        let range = self.ranges.len();
        self.ranges.push(PlanRange {
            sample: None,
            alias: Arc::from(""),
            column_names: Vec::new(),
            columns: exprs.iter().map(Expr::ty).collect(),
            kind: RangeKind::Computed(exprs),
        });
        self.local_index.push(usize::MAX);
        range
    }

    /// A `Var` for one value of a computed range; `index` counts from 0.
    pub(crate) fn computed_var(&self, range: usize, index: usize) -> Expr {
        column_var(range, index as i16 + 1, self.ranges[range].columns[index])
    }

    /// Where the trail of the current level's subqueries ends.
    pub(crate) fn trail_mark(&self) -> usize {
        self.trails.last().map_or(0, Vec::len)
    }

    /// Puts references to the subqueries that were compiled since the mark in their places in these
    /// expressions, which are kept for EXPLAIN. Compiling met them in the same order.
    pub(crate) fn name_subplans(&mut self, exprs: &mut [Expr], mark: usize) {
        let trail = self.trails.last_mut().expect("there is always a level");
        let mut ids = trail.split_off(mark.min(trail.len())).into_iter();
        for expr in exprs {
            crate::walk::rewrite(expr, 0, &mut |node, _| {
                let Expr::SubLink(link) = node else { return true };
                if let Some(id) = ids.next() {
                    let ty = link.ty;
                    let range = self.ranges.len();
                    self.ranges.push(PlanRange {
                        sample: None,
                        alias: Arc::from(""),
                        column_names: Vec::new(),
                        columns: vec![ty],
                        kind: RangeKind::SubPlan(id),
                    });
                    self.local_index.push(usize::MAX);
                    *node = column_var(range, 1, ty);
                }
                false
            });
        }
    }

    /// Registers a call site.
    pub(crate) fn site(&mut self, site: CallSite) -> SiteId {
        self.call_sites.push(site);
        SiteId(self.call_sites.len() as u32 - 1)
    }

    /// Adds a node without filter and projection.
    pub(crate) fn node(&mut self, kind: NodeKind) -> NodeId {
        self.nodes.push(PlanNode {
            kind,
            filter: None,
            project: Default::default(),
            init_plans: Vec::new(),
            live: Box::default(),
            external: SlotSet::new(),
            estimate: Default::default(),
            output: Vec::new(),
        });
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// A node to change.
    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut PlanNode {
        &mut self.nodes[id.index()]
    }

    /// The columns of a range-table entry that something refers to, ascending.
    pub(crate) fn used_columns(&self, range: usize) -> Vec<i16> {
        self.used.get(&range).map(|set| set.iter().copied().collect()).unwrap_or_default()
    }
}
