//! INSERT, UPDATE and DELETE, and FOR UPDATE.

use super::TopPlan;
use super::level::Level;
use super::path;
use crate::builder::Builder;
use crate::facts::{TableRules, column_type};
use crate::modify::*;
use crate::node::{Estimate, NodeId, NodeKind, OutputColumn};
use crate::program::Program;
use crate::range::{PlanRange, RangeKind};
use crate::slot::{Slot, SlotSet};
use crate::subplan::CtePlan;
use redoubt_analyze::query::*;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Oid, TupleDesc};
use std::sync::Arc;

/// The target of a DML statement.
struct Target {
    range: usize,
    relid: Oid,
    desc: TupleDesc,
    rules: Arc<TableRules>,
    /// The range whose columns are the new row.
    new_range: usize,
    new_row: Slot,
}

impl Builder<'_> {
    /// Plans a DML statement; `sets_tag` says that its rows are what the command tag counts.
    pub(crate) fn plan_modify(&mut self, mut query: Query, sets_tag: bool) -> PgResult<TopPlan> {
        self.writes = true;
        self.rechecks |= query.command != CommandType::Insert;
        let operation = query.command;
        let target = self.target_of(&query)?;
        self.fill_targets(&mut query, &target)?;
        self.fold_query(&mut query)?;
        let conflict = query.on_conflict.take();
        query.command = CommandType::Select;
        query.result_relation = None;
        let outer_ctes = std::mem::take(&mut query.ctes);
        debug_assert!(outer_ctes.is_empty(), "WITH queries were numbered");
        let planned = self.plan_level(query, 0.0)?;
        let path = path::cheapest_total(&planned.paths)
            .cloned()
            .ok_or_else(|| PgError::internal("failed to find a path for the statement"))?;
        let child = self.create(&planned.level, &path)?;
        let estimate = self.nodes[child.index()].estimate;
        let mut node = ModifyTable {
            child,
            operation,
            relid: target.relid,
            range: target.range,
            ctid: None,
            new_row: target.new_row,
            old_row: None,
            assigned: Vec::new(),
            rules: target.rules.clone(),
            generated: Program::default(),
            condition: None,
            checks: Vec::new(),
            indexes: Vec::new(),
            indexed: vec![false; target.desc.len()],
            referable: vec![false; target.desc.len()],
            conflict: None,
            returning: !planned.level.returning.is_empty(),
            returning_system: Vec::new(),
            sets_tag,
            marks: Vec::new(),
        };
        self.connect_source(&mut node, &target, &planned.level)?;
        if operation != CommandType::Delete {
            self.compile_rules(&mut node, &target)?;
        }
        if let Some(conflict) = conflict {
            node.conflict = Some(self.conflict(conflict, &target, &mut node)?);
        }
        self.returning(node, planned.level.returning.clone(), &target, estimate)
    }

    fn target_of(&mut self, query: &Query) -> PgResult<Target> {
        let range = query.result_relation.ok_or_else(|| PgError::internal("DML without a target"))?;
        let RangeKind::Relation { relid, relkind, desc } = self.ranges[range].kind.clone() else {
            return Err(PgError::internal("the target of DML is no table"));
        };
        match relkind {
            'r' | 't' => {}
            'p' => return Err(PgError::unsupported("changing a partitioned table")),
            'v' => return Err(PgError::unsupported("changing a view")),
            'f' => return Err(PgError::unsupported("changing a foreign table")),
            _ => {
                let name = &self.ranges[range].alias;
                return Err(PgError::new(
                    redoubt_error::code::WRONG_OBJECT_TYPE,
                    format!("cannot change relation \"{name}\""),
                ));
            }
        }
        let rules = self.ctx.catalog.table_rules(relid)?;
        let new_row = self.new_slots(desc.len());
        let new_range = self.row_range(range, new_row, desc.len());
        Ok(Target { range, relid, desc, rules, new_range, new_row })
    }

    /// A range whose columns are given slots: the new row, EXCLUDED.
    fn row_range(&mut self, like: usize, first: Slot, count: usize) -> usize {
        let range = self.ranges.len();
        let template = &self.ranges[like];
        self.ranges.push(PlanRange {
            sample: None,
            alias: template.alias.clone(),
            column_names: template.column_names.clone(),
            columns: template.columns.clone(),
            kind: RangeKind::NewRow,
        });
        self.local_index.push(usize::MAX);
        for at in 0..count {
            self.columns.insert((range, at as i16 + 1), first.plus(at));
        }
        range
    }

    /// Completes the target list: defaults for DEFAULT and for columns left out of an INSERT.
    fn fill_targets(&mut self, query: &mut Query, target: &Target) -> PgResult<()> {
        self.fill_values_defaults(query, target)?;
        for entry in &mut query.target_list {
            if let Expr::SetToDefault(ty) = entry.expr {
                entry.expr = self.default_of(target, entry.target_attno, ty)?;
            }
        }
        if query.command == CommandType::Insert {
            for at in 0..target.desc.len() {
                let attno = at as i16 + 1;
                let attr = &target.desc.attrs[at];
                if query.target_list.iter().any(|entry| entry.target_attno == attno) {
                    continue;
                }
                let ty = column_type(&target.desc, attno);
                let expr = if attr.dropped || attr.generated != 0 {
                    Expr::Const { value: Datum::Null, ty }
                } else {
                    self.default_of(target, attno, ty)?
                };
                query.target_list.push(TargetEntry {
                    expr,
                    name: attr.name.clone(),
                    junk: false,
                    target_attno: attno,
                    origin: (0, 0),
                });
            }
        } else {
            let is_source = |item: &FromItem| contains_range(item, target.range);
            if !query.jointree.items.iter().any(is_source) {
                query.jointree.items.insert(0, FromItem::Rte(target.range));
            }
            query.target_list.push(junk(system_var(target.range, -1)));
        }
        if let Some(conflict) = &mut query.on_conflict {
            for entry in &mut conflict.set {
                if let Expr::SetToDefault(ty) = entry.expr {
                    entry.expr = self.default_of(target, entry.target_attno, ty)?;
                }
            }
        }
        Ok(())
    }

    /// Replaces DEFAULT inside VALUES lists by the default of the column that the value goes to.
    fn fill_values_defaults(&mut self, query: &mut Query, target: &Target) -> PgResult<()> {
        let mut destinations: Vec<(usize, usize, i16)> = Vec::new();
        for entry in &query.target_list {
            if let Expr::Var(var) = &entry.expr {
                if var.attno > 0 && matches!(self.ranges[var.rt].kind, RangeKind::Values) {
                    destinations.push((var.rt, var.attno as usize - 1, entry.target_attno));
                }
            }
        }
        for (range, column, attno) in destinations {
            let local = self.local_index[range];
            let RteKind::Values(rows) = &mut query.rtable[local].kind else { continue };
            if !rows.iter().any(|row| matches!(row.get(column), Some(Expr::SetToDefault(_)))) {
                continue;
            }
            let default = self.default_of(target, attno, column_type(&target.desc, attno))?;
            for row in rows {
                if matches!(row.get(column), Some(Expr::SetToDefault(_))) {
                    row[column] = default.clone();
                }
            }
        }
        Ok(())
    }

    fn default_of(&self, target: &Target, attno: i16, ty: ColumnType) -> PgResult<Expr> {
        let found = self.ctx.catalog.column_default(target.relid, attno)?;
        Ok(found.unwrap_or(Expr::Const { value: Datum::Null, ty }))
    }

    /// Wires the child's values to the node's slots.
    fn connect_source(&mut self, node: &mut ModifyTable, target: &Target, level: &Level) -> PgResult<()> {
        let child = node.child;
        if node.operation == CommandType::Insert {
            let outputs: Vec<(Expr, Slot)> = level
                .targets
                .iter()
                .filter(|entry| entry.target_attno > 0)
                .map(|entry| (entry.expr.clone(), target.new_row.plus(entry.target_attno as usize - 1)))
                .collect();
            return self.project(child, &outputs);
        }
        node.ctid = Some(self.column(target.range, -1));
        // DELETE returns the row as it was.
        node.old_row = Some(if node.operation == CommandType::Delete {
            target.new_row
        } else {
            self.new_slots(target.desc.len())
        });
        let mut outputs = Vec::new();
        for entry in level.targets.iter().filter(|entry| entry.target_attno > 0) {
            let slot = self.new_slot();
            node.assigned.push((entry.target_attno, slot));
            outputs.push((entry.expr.clone(), slot));
        }
        self.project(child, &outputs)?;
        node.marks = self.source_marks(level, target.range);
        Ok(())
    }

    /// How to find the other relations' current rows again.
    fn source_marks(&mut self, level: &Level, target: usize) -> Vec<SourceMark> {
        let ranges: Vec<usize> = level.from.iter().filter(|&range| range != target).collect();
        ranges
            .into_iter()
            .map(|range| match self.ranges[range].kind {
                RangeKind::Relation { relid, .. } => {
                    let ctid = Some(self.column(range, -1));
                    SourceMark { range, ctid, relid, slots: Vec::new() }
                }
                _ => {
                    let mut slots: Vec<Slot> = self
                        .columns
                        .iter()
                        .filter(|((of, _), _)| *of == range)
                        .map(|(_, slot)| *slot)
                        .collect();
                    slots.sort_unstable();
                    SourceMark { range, ctid: None, relid: 0, slots }
                }
            })
            .collect()
    }

    /// Compiles generated columns, CHECK constraints and index expressions over the new row.
    fn compile_rules(&mut self, node: &mut ModifyTable, target: &Target) -> PgResult<()> {
        let rules = target.rules.clone();
        if let Some(condition) = self.copy_condition.take() {
            let condition = self.over_row(&condition, target.new_range)?;
            node.condition = Some(self.compile(&condition)?);
        }
        for (attno, expr) in &rules.generated {
            let expr = self.over_row(expr, target.new_range)?;
            let slot = target.new_row.plus(*attno as usize - 1);
            let program = self.compile_into(&expr, slot)?;
            node.generated.append(program);
        }
        for (name, expr) in &rules.checks {
            let expr = self.over_row(expr, target.new_range)?;
            node.checks.push((name.clone(), self.compile(&expr)?));
        }
        for index in rules.indexes.iter().filter(|index| index.ready) {
            note_columns(index, &mut node.indexed, &mut node.referable);
            let mut program = Program::default();
            let mut columns = Vec::with_capacity(index.columns.len());
            for column in &index.columns {
                columns.push(match &column.expr {
                    None => target.new_row.plus(column.attno as usize - 1),
                    Some(expr) => {
                        let expr = self.over_row(expr, target.new_range)?;
                        let value = self.compile(&expr)?;
                        program.append(value.program);
                        value.slot
                    }
                });
            }
            let predicate = match &index.predicate {
                None => None,
                Some(expr) => {
                    let expr = self.over_row(expr, target.new_range)?;
                    Some(self.compile(&expr)?)
                }
            };
            node.indexes.push(IndexMaintenance { index: index.clone(), program, columns, predicate });
        }
        Ok(())
    }

    /// An expression over a table's row (range-table entry 0) made one over this range.
    pub(crate) fn over_row(&mut self, expr: &Expr, range: usize) -> PgResult<Expr> {
        let mut expr = expr.clone();
        self.replace_row(&mut expr, 0, range);
        self.fold(&mut expr)?;
        Ok(expr)
    }

    /// Makes references to one range's row refer to another's, whose whole row is built here.
    fn replace_row(&mut self, expr: &mut Expr, from: usize, to: usize) {
        let columns = self.ranges[to].columns.clone();
        super::inspect::replace_vars(expr, &mut |var| {
            if var.rt != from {
                return None;
            }
            if var.attno != 0 {
                return Some(Expr::Var(Var { rt: to, ..*var }));
            }
            let fields = columns
                .iter()
                .enumerate()
                .map(|(at, ty)| crate::builder::column_var(to, at as i16 + 1, *ty))
                .collect();
            let ty = ColumnType { type_oid: var.type_oid, typmod: var.typmod, collation: 0 };
            Some(Expr::Row { fields, ty })
        });
    }

    fn conflict(
        &mut self,
        conflict: OnConflict,
        target: &Target,
        node: &mut ModifyTable,
    ) -> PgResult<Conflict> {
        let arbiters = conflict
            .arbiter_indexes
            .iter()
            .map(|oid| {
                node.indexes
                    .iter()
                    .position(|index| index.index.oid == *oid)
                    .ok_or_else(|| PgError::internal("ON CONFLICT names an unknown index"))
            })
            .collect::<PgResult<Vec<usize>>>()?;
        if !conflict.do_update {
            return Ok(Conflict { arbiters, update: None });
        }
        let count = target.desc.len();
        let excluded = self.new_slots(count);
        let old_row = self.new_slots(count);
        node.old_row = Some(old_row);
        let excluded_range = self.row_range(target.range, excluded, count);
        let old_range = self.row_range(target.range, old_row, count);
        let rewrite = |builder: &mut Self, mut expr: Expr| -> PgResult<Expr> {
            if let Some(range) = conflict.excluded_rt {
                builder.replace_row(&mut expr, range, excluded_range);
            }
            builder.replace_row(&mut expr, target.range, old_range);
            Ok(expr)
        };
        let condition = match &conflict.where_clause {
            None => None,
            Some(expr) => {
                let mut conjuncts = Vec::new();
                super::clause::conjuncts(rewrite(self, expr.clone())?, &mut conjuncts);
                self.filter(&conjuncts)?
            }
        };
        let mut assigned = Vec::new();
        let mut set = Program::default();
        for entry in &conflict.set {
            let expr = rewrite(self, entry.expr.clone())?;
            let slot = self.new_slot();
            let program = self.compile_into(&expr, slot)?;
            set.append(program);
            assigned.push((entry.target_attno, slot));
        }
        let system = self.system_columns(old_range);
        Ok(Conflict { arbiters, update: Some(ConflictUpdate { excluded, system, condition, set, assigned }) })
    }

    /// The system columns of a row range that compiled expressions read.
    fn system_columns(&self, range: usize) -> Vec<(i16, Slot)> {
        let mut found: Vec<(i16, Slot)> = self
            .columns
            .iter()
            .filter(|((of, attno), _)| *of == range && *attno < 0)
            .map(|((_, attno), slot)| (*attno, *slot))
            .collect();
        found.sort_unstable();
        found
    }

    /// Adds RETURNING and makes the node.
    fn returning(
        &mut self,
        mut node: ModifyTable,
        returning: Vec<TargetEntry>,
        target: &Target,
        estimate: Estimate,
    ) -> PgResult<TopPlan> {
        let visible: Vec<TargetEntry> = returning.into_iter().filter(|entry| !entry.junk).collect();
        let first_column = self.new_slots(visible.len());
        let mut columns = Vec::with_capacity(visible.len());
        let mut program = Program::default();
        for (at, entry) in visible.into_iter().enumerate() {
            let ty = entry.expr.ty();
            let mut expr = entry.expr;
            self.replace_row(&mut expr, target.range, target.new_range);
            let step = self.compile_into(&expr, first_column.plus(at))?;
            program.append(step);
            columns.push(OutputColumn { name: entry.name, ty, origin: entry.origin });
        }
        node.returning_system = self.system_columns(target.new_range);
        let id = self.node(NodeKind::ModifyTable(Box::new(node)));
        let slot = self.node_mut(id);
        slot.project = program;
        slot.estimate = Estimate { rows: if columns.is_empty() { 0.0 } else { estimate.rows }, ..estimate };
        Ok(TopPlan { root: id, columns, first_column })
    }

    /// Plans a data-modifying WITH query.
    pub(crate) fn plan_modifying_cte(&mut self, number: usize, name: Arc<str>, query: Query) -> PgResult<()> {
        let command = query.command;
        let top = self.plan_modify(query, false)?;
        let columns = (0..top.columns.len()).map(|at| top.first_column.plus(at)).collect();
        let estimate = self.nodes[top.root.index()].estimate;
        self.subplan_numbers += 1;
        let plan_number = self.subplan_numbers;
        let state = &mut self.ctes[number];
        (state.rows, state.width, state.total_cost) = (estimate.rows, estimate.width, estimate.total);
        state.plan = Some(CtePlan {
            name,
            root: top.root,
            columns,
            command,
            external: SlotSet::new(),
            number: plan_number,
        });
        Ok(())
    }

    pub(super) fn create_lock_rows(&mut self, level: &Level, child: NodeId) -> PgResult<NodeId> {
        let mut locks = Vec::with_capacity(level.row_marks.len());
        for mark in &level.row_marks {
            let RangeKind::Relation { relid, .. } = self.ranges[mark.rt].kind else { continue };
            locks.push(RowLock {
                range: mark.rt,
                relid,
                ctid: self.column(mark.rt, -1),
                strength: mark.strength,
                wait: mark.wait,
            });
        }
        let mut marks = self.source_marks(level, usize::MAX);
        marks.retain(|mark| !locks.iter().any(|lock| lock.range == mark.range));
        Ok(self.node(NodeKind::LockRows(LockRows { child, locks, marks })))
    }
}

/// Notes which columns an index depends on.
fn note_columns(index: &crate::facts::IndexFacts, indexed: &mut [bool], referable: &mut [bool]) {
    let mut note = |expr: &Expr| {
        super::inspect::each_var(expr, &mut |var| match var.attno {
            0 => indexed.fill(true),
            attno if attno > 0 => indexed[attno as usize - 1] = true,
            _ => {}
        });
    };
    index.columns.iter().filter_map(|column| column.expr.as_ref()).for_each(&mut note);
    index.predicate.iter().for_each(&mut note);
    let plain = index.predicate.is_none() && index.columns.iter().all(|column| column.attno > 0);
    for (at, column) in index.columns.iter().enumerate().filter(|(_, column)| column.attno > 0) {
        let attribute = column.attno as usize - 1;
        indexed[attribute] = true;
        referable[attribute] |= index.unique && plain && at < index.key_columns;
    }
}

fn contains_range(item: &FromItem, range: usize) -> bool {
    match item {
        FromItem::Rte(of) => *of == range,
        FromItem::Join { left, right, .. } => contains_range(left, range) || contains_range(right, range),
    }
}

fn system_var(range: usize, attno: i16) -> Expr {
    let ty = ColumnType { type_oid: redoubt_functions::types::TID, typmod: -1, collation: 0 };
    crate::builder::column_var(range, attno, ty)
}

fn junk(expr: Expr) -> TargetEntry {
    TargetEntry { expr, name: "ctid".into(), junk: true, target_attno: 0, origin: (0, 0) }
}
