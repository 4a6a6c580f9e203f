//! Scan nodes.

use crate::builder::Builder;
use crate::node::{NodeId, NodeKind, SetCall};
use crate::planner::level::Level;
use crate::planner::path::{Path, PathKind};
use crate::program::CallSite;
use crate::range::RangeKind;
use crate::scan::*;
use crate::slot::Slot;
use redoubt_analyze::query::*;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Attribute, Datum, TupleDesc, types};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// Objects from here on are users'.
const FIRST_NORMAL_OID: redoubt_functions::Oid = 16384;

impl Builder<'_> {
    pub(super) fn create_scan(&mut self, level: &Level, path: &Path) -> PgResult<NodeId> {
        match &path.kind {
            PathKind::SeqScan { range, clauses } => {
                let filter = self.clause_filter(clauses)?;
                let sample = self.sample_of(*range)?;
                let scan = self.scan_of(*range)?;
                let id = self.node(NodeKind::SeqScan(SeqScan { scan, sample }));
                self.node_mut(id).filter = filter;
                Ok(id)
            }
            PathKind::IndexScan { .. } => self.create_index_scan(path),
            PathKind::BitmapHeap { range, bitmap, filter } => self.create_bitmap_scan(*range, bitmap, filter),
            PathKind::TidScan { range, tids, conditions, filter } => {
                let filter = self.clause_filter(filter)?;
                let mut places = Vec::with_capacity(tids.len());
                for (tid, is_array) in tids {
                    places.push((self.compile(tid)?, *is_array));
                }
                let scan = self.scan_of(*range)?;
                let exprs = conditions.iter().map(|clause| clause.expr.clone()).collect();
                let id = self.node(NodeKind::TidScan(TidScan { scan, tids: places, exprs }));
                self.node_mut(id).filter = filter;
                Ok(id)
            }
            PathKind::Values { range, clauses } => {
                let id = self.values_scan(level, *range)?;
                self.whole_row(id, *range)?;
                let filter = self.clause_filter(clauses)?;
                self.filter_after_projection(id, *range, filter)
            }
            PathKind::Function { range, clauses } => {
                let id = self.function_scan(level, *range)?;
                self.whole_row(id, *range)?;
                let filter = self.clause_filter(clauses)?;
                self.filter_after_projection(id, *range, filter)
            }
            PathKind::Cte { range, clauses } => {
                let id = self.cte_scan(*range)?;
                self.whole_row(id, *range)?;
                let filter = self.clause_filter(clauses)?;
                self.filter_after_projection(id, *range, filter)
            }
            PathKind::Subquery { range, level, sub, clauses } => {
                let child = self.create(level, sub)?;
                self.subquery_columns(child, level, *range)?;
                self.whole_row(child, *range)?;
                if clauses.is_empty() && !self.rechecks {
                    return Ok(child);
                }
                let filter = self.clause_filter(clauses)?;
                let id = self.node(NodeKind::SubqueryScan { child, range: *range });
                self.node_mut(id).filter = filter;
                Ok(id)
            }
            other => Err(PgError::internal(format!("not a scan: {other:?}"))),
        }
    }

    /// The description of a table scan; its columns are filled in when all are known.
    pub(super) fn scan_of(&self, range: usize) -> PgResult<ScanColumns> {
        match self.ranges[range].kind {
            RangeKind::Relation { relid, .. } => Ok(ScanColumns { range, relid, ..Default::default() }),
            _ => Err(PgError::internal("a table scan needs a table")),
        }
    }

    fn sample_of(&mut self, range: usize) -> PgResult<Option<Sample>> {
        let Some(sample) = self.ranges[range].sample.clone() else { return Ok(None) };
        let TableSample { method, args: exprs } = *sample;
        let percent = self.compile(&exprs[0])?;
        let seed = exprs.get(1).map(|seed| self.compile(seed)).transpose()?;
        Ok(Some(Sample { method, percent, seed, exprs }))
    }

    /// Sets a filter that sees the node's columns. A whole-row column is computed by projection,
    /// which comes after the filter, so a filter that reads it goes on a node above.
    fn filter_after_projection(
        &mut self,
        id: NodeId,
        range: usize,
        filter: Option<crate::node::Filter>,
    ) -> PgResult<NodeId> {
        let reads_row = filter.iter().flat_map(|filter| &filter.exprs).any(|expr| {
            crate::walk::any(
                expr,
                &mut |node, _| matches!(node, Expr::Var(var) if var.rt == range && var.attno == 0),
            )
        });
        if !reads_row {
            self.node_mut(id).filter = filter;
            return Ok(id);
        }
        let above = self.node(NodeKind::SubqueryScan { child: id, range });
        self.node_mut(above).filter = filter;
        Ok(above)
    }

    /// Makes the whole row of something that is no table, if anything refers to it.
    fn whole_row(&mut self, node: NodeId, range: usize) -> PgResult<()> {
        if !self.used.get(&range).is_some_and(|used| used.contains(&0)) {
            return Ok(());
        }
        let fields: Vec<Expr> = self.ranges[range]
            .columns
            .iter()
            .enumerate()
            .map(|(index, ty)| crate::builder::column_var(range, index as i16 + 1, *ty))
            .collect();
        let ty = ColumnType { type_oid: types::RECORD, typmod: -1, collation: 0 };
        let slot = self.column(range, 0);
        let names = self.ranges[range].column_names.clone();
        let mut program = self.compile_into(&Expr::Row { fields, ty }, slot)?;
        for step in &mut program.steps {
            if let crate::program::Step::MakeRow(row) = step {
                row.desc = named_desc(&row.desc, &names);
            }
        }
        self.node_mut(node).project.append(program);
        Ok(())
    }

    /// Gives a subquery's columns their slots: a plain column of the subquery shares its slot,
    /// anything else is computed on the subquery's top node.
    fn subquery_columns(&mut self, child: NodeId, level: &Rc<Level>, range: usize) -> PgResult<()> {
        let mut outputs = Vec::new();
        let visible: Vec<&TargetEntry> = level.targets.iter().filter(|entry| !entry.junk).collect();
        let used = self.used_columns(range);
        let all = used.contains(&0);
        for (index, entry) in visible.iter().enumerate() {
            let attno = index as i16 + 1;
            if !all && !used.contains(&attno) {
                continue;
            }
            match &entry.expr {
                Expr::Var(var) if level.locals.contains(var.rt) => {
                    match (self.columns.get(&(range, attno)), self.columns.get(&(var.rt, var.attno))) {
                        (None, _) => {
                            let slot = self.column(var.rt, var.attno);
                            self.columns.insert((range, attno), slot);
                        }
                        (Some(&outer), _) => outputs.push((entry.expr.clone(), outer)),
                    }
                }
                _ => {
                    let slot = self.column(range, attno);
                    outputs.push((entry.expr.clone(), slot));
                }
            }
        }
        self.project(child, &outputs)
    }

    fn values_scan(&mut self, level: &Level, range: usize) -> PgResult<NodeId> {
        let RteKind::Values(rows) = &level.rtable[self.local_index[range]].kind else {
            return Err(PgError::internal("a values scan needs VALUES"));
        };
        let columns = self.wanted_columns(range);
        let mut scan_rows = Vec::with_capacity(rows.len());
        for row in rows {
            let wanted: Vec<&Expr> = columns.iter().map(|&(index, _)| &row[index]).collect();
            let constants: Option<Vec<Datum>> = wanted
                .iter()
                .map(|expr| match expr {
                    Expr::Const { value, .. } => Some(value.clone()),
                    _ => None,
                })
                .collect();
            scan_rows.push(match constants {
                Some(values) => ValuesRow::Constant(values.into()),
                None => {
                    let pairs = wanted.into_iter().zip(columns.iter().map(|&(_, slot)| slot));
                    ValuesRow::Computed(self.compile_all_into(pairs)?)
                }
            });
        }
        Ok(self.node(NodeKind::ValuesScan(ValuesScan { range, rows: scan_rows, columns: columns.into() })))
    }

    /// The columns of a range that are read: index from 0 and slot.
    fn wanted_columns(&mut self, range: usize) -> Vec<(usize, Slot)> {
        let used = self.used_columns(range);
        let all = used.contains(&0);
        (0..self.ranges[range].columns.len())
            .filter(|&index| all || used.contains(&(index as i16 + 1)))
            .map(|index| (index, self.column(range, index as i16 + 1)))
            .collect()
    }

    fn cte_scan(&mut self, range: usize) -> PgResult<NodeId> {
        let (cte, work_table) = match self.ranges[range].kind {
            RangeKind::Cte(number) => (number, false),
            RangeKind::WorkTable(number) => (number, true),
            _ => return Err(PgError::internal("a CTE scan needs a CTE")),
        };
        let columns = self.wanted_columns(range).into();
        let name = self.ranges[range].alias.clone();
        let work = work_table.then(|| self.work_slot(cte));
        let scan = CteScan { range, cte, columns, name, work };
        Ok(self.node(if work_table { NodeKind::WorkTableScan(scan) } else { NodeKind::CteScan(scan) }))
    }

    fn function_scan(&mut self, level: &Level, range: usize) -> PgResult<NodeId> {
        let RteKind::Function { functions, with_ordinality } = &level.rtable[self.local_index[range]].kind
        else {
            return Err(PgError::internal("a function scan needs functions"));
        };
        let wanted: HashMap<usize, Slot> = self.wanted_columns(range).into_iter().collect();
        let mut next_column = 0;
        let mut scan_functions = Vec::with_capacity(functions.len());
        for function in functions {
            let columns: Box<[Option<Slot>]> = (0..function.columns.len())
                .map(|index| wanted.get(&(next_column + index)).copied())
                .collect();
            let names = &level.rtable[self.local_index[range]].column_names[next_column..];
            next_column += function.columns.len();
            let returned = function.call.ty().type_oid;
            let info = self.ctx.env.type_info(returned)?;
            let first_site = self.call_sites.len();
            let composite = returned == types::RECORD || info.is_some_and(|info| info.typtype == 'c');
            let call = match &function.call {
                Expr::Call(call) if call.returns_set => {
                    let out = self.new_slot();
                    ScanCall::Set(self.set_call(&function.call, out)?)
                }
                other => ScanCall::Scalar(self.compile(other)?),
            };
            if returned == types::RECORD && self.call_sites.len() > first_site {
                // The call itself comes after those of its arguments.
                let desc = described(names, &function.columns);
                self.call_sites.last_mut().expect("a call was compiled").result_desc = Some(desc);
            }
            // Users' functions may return whatever rows they like; built-in ones are known.
            let unknown = matches!(call, ScanCall::Scalar(_))
                || matches!(&function.call, Expr::Call(call) if call.proc_oid >= FIRST_NORMAL_OID);
            let expected = match unknown && returned == types::RECORD {
                true => function.columns.iter().map(|column| column.type_oid).collect(),
                false => Box::default(),
            };
            scan_functions.push(ScanFunction { call, columns, composite, expected });
        }
        let ordinality = with_ordinality.then(|| wanted.get(&next_column).copied()).flatten();
        Ok(self.node(NodeKind::FunctionScan(FunctionScan { range, functions: scan_functions, ordinality })))
    }

    /// Compiles a call of a set-returning function.
    pub(super) fn set_call(&mut self, expr: &Expr, out: Slot) -> PgResult<SetCall> {
        let Expr::Call(call) = expr else {
            return Err(PgError::internal("a set-returning call is a call"));
        };
        let args = self.new_slots(call.args.len());
        let pairs: Vec<(&Expr, Slot)> =
            call.args.iter().enumerate().map(|(index, arg)| (arg, args.plus(index))).collect();
        let program = self.compile_all_into(pairs)?;
        let proc = self.ctx.catalog.proc(call.proc_oid)?;
        let function = proc.as_ref().and_then(|proc| self.ctx.catalog.set_function(proc.symbol()));
        let site = self.site(CallSite {
            arg_types: call.arg_types.clone().into(),
            result_type: call.ty.type_oid,
            result_desc: None,
            collation: call.input_collation,
            variadic: call.variadic,
            proc_oid: call.proc_oid,
            name: call.name.clone(),
        });
        Ok(SetCall {
            function,
            program,
            args,
            count: call.args.len() as u16,
            strict: call.strict,
            site,
            out,
            expr: expr.clone(),
        })
    }

    /// Fills in which columns the table scans deliver, once every expression is compiled.
    pub(crate) fn fill_scans(&mut self) {
        let mut by_range: HashMap<usize, Vec<(i16, Slot)>> = HashMap::new();
        for (&(range, attno), &slot) in &self.columns {
            by_range.entry(range).or_default().push((attno, slot));
        }
        for columns in by_range.values_mut() {
            columns.sort_unstable();
        }
        for node in &mut self.nodes {
            let scan = match &mut node.kind {
                NodeKind::SeqScan(node) => &mut node.scan,
                NodeKind::IndexScan(node) => &mut node.scan,
                NodeKind::BitmapHeapScan(node) => &mut node.scan,
                NodeKind::TidScan(node) => &mut node.scan,
                _ => continue,
            };
            let Some(columns) = by_range.get(&scan.range) else { continue };
            scan.columns = columns.iter().filter(|(attno, _)| *attno > 0).copied().collect();
            scan.system = columns.iter().filter(|(attno, _)| *attno < 0).copied().collect();
            scan.whole_row = columns.iter().find(|(attno, _)| *attno == 0).map(|(_, slot)| *slot);
            scan.row_type = self.row_types.get(&scan.range).copied().unwrap_or(types::RECORD);
        }
    }
}

/// An anonymous record's descriptor with the range's column names.
fn named_desc(
    desc: &redoubt_functions::TupleDesc,
    names: &[std::sync::Arc<str>],
) -> redoubt_functions::TupleDesc {
    let attrs: Vec<_> = desc
        .attrs
        .iter()
        .zip(names)
        .map(|(attr, name)| {
            let mut attr = attr.clone();
            attr.name = name.clone();
            attr
        })
        .collect();
    redoubt_functions::TupleDesc::new(attrs)
}

/// The row that a function in FROM is expected to return.
fn described(names: &[Arc<str>], columns: &[ColumnType]) -> TupleDesc {
    let attr = |(name, column): (&Arc<str>, &ColumnType)| Attribute {
        collation: column.collation,
        ..Attribute::new(name.clone(), column.type_oid).with_typmod(column.typmod)
    };
    TupleDesc::new(names.iter().zip(columns).map(attr).collect::<Vec<_>>())
}
