//! Base relations: their sizes and the ways to scan them.

use super::clause::Clause;
use super::cost::{self, Cost, clamp_rows};
use super::level::{BaseKind, BaseRel, LevelPlanner};
use super::order::DISABLE_COST;
use super::path::{self, Path, PathKey, PathKind};
use super::relset::RelSet;
use redoubt_analyze::query::*;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::Datum;
use std::rc::Rc;

impl LevelPlanner<'_, '_> {
    /// Registers a range-table entry of the join tree as a base relation.
    pub(crate) fn add_base(&mut self, range: usize) -> PgResult<()> {
        let local = self.builder.local_index[range];
        // Before planning a subquery takes it out of the range table.
        let lateral = if self.query.rtable[local].lateral { self.entry_relids(local) } else { RelSet::new() };
        let kind = self.base_kind(range, local)?;
        let width = self.range_width(range);
        let mut base = BaseRel {
            range,
            kind,
            restrictions: Vec::new(),
            join_clauses: Vec::new(),
            tuples: 0.0,
            pages: 0.0,
            all_visible_fraction: 0.0,
            rows: 0.0,
            width,
            indexes: Vec::new(),
            lateral,
            paths: Vec::new(),
        };
        if let Some(mut sample) = self.builder.ranges[range].sample.take() {
            sample.args.iter_mut().try_for_each(|arg| self.builder.fold(arg))?;
            self.builder.ranges[range].sample = Some(sample);
        }
        self.size_base(&mut base, local)?;
        self.bases.insert(range, base);
        Ok(())
    }

    fn base_kind(&mut self, range: usize, local: usize) -> PgResult<BaseKind> {
        let entry = &mut self.query.rtable[local];
        Ok(match &mut entry.kind {
            RteKind::Relation { relid, relkind, .. } => {
                let relid = *relid;
                match *relkind {
                    'r' | 'm' | 't' | 'S' => {}
                    'p' => return Err(PgError::unsupported("reading a partitioned table")),
                    'f' => return Err(PgError::unsupported("reading a foreign table")),
                    kind => {
                        return Err(PgError::internal(format!(
                            "relation \"{}\" of kind {kind} cannot be scanned",
                            entry.alias
                        )));
                    }
                }
                BaseKind::Table { relid, size: self.builder.ctx.catalog.relation_size(relid)? }
            }
            RteKind::Subquery(query) => {
                let query = std::mem::replace(&mut **query, empty_query());
                let used = self.builder.used_columns(range);
                let planned = self.builder.plan_subquery(query, &used)?;
                BaseKind::Subquery(Rc::new(planned))
            }
            RteKind::Function { .. } => BaseKind::Function,
            RteKind::Values(rows) => BaseKind::Values { rows: rows.len() },
            RteKind::Cte { index, self_reference, .. } => {
                let (number, work_table) = (*index, *self_reference);
                if !work_table {
                    self.builder.plan_cte(number)?;
                }
                BaseKind::Cte { number, work_table }
            }
            RteKind::Join | RteKind::Excluded => {
                return Err(PgError::internal("a join or EXCLUDED is no base relation"));
            }
        })
    }

    /// Relations of this level that a FROM item's expressions mention.
    fn entry_relids(&self, local: usize) -> RelSet {
        let mut set = RelSet::new();
        let mut note = |expr: &Expr, _: usize| {
            if let Expr::Var(var) = expr {
                if self.locals.contains(var.rt) {
                    set.insert(var.rt);
                }
            }
            true
        };
        match &self.query.rtable[local].kind {
            RteKind::Function { functions, .. } => {
                functions.iter().for_each(|function| crate::walk::visit(&function.call, 0, &mut note));
            }
            RteKind::Values(rows) => {
                rows.iter().flatten().for_each(|value| crate::walk::visit(value, 0, &mut note));
            }
            RteKind::Subquery(query) => crate::walk::visit_query(query, 1, &mut note),
            _ => {}
        }
        set
    }

    fn range_width(&self, range: usize) -> i32 {
        let columns = &self.builder.ranges[range].columns;
        let width: i32 = self
            .builder
            .used_columns(range)
            .iter()
            .map(|&attno| match attno {
                1.. => columns.get(attno as usize - 1).map_or(4, |ty| cost::type_width(*ty)),
                0 => columns.iter().map(|ty| cost::type_width(*ty)).sum(),
                -1 => 6,
                _ => 4,
            })
            .sum();
        width
    }

    fn size_base(&self, base: &mut BaseRel, local: usize) -> PgResult<()> {
        match &base.kind {
            BaseKind::Table { relid, size } => {
                let columns = &self.builder.ranges[base.range].columns;
                let row_width =
                    columns.iter().filter(|ty| ty.type_oid != 0).map(|ty| cost::type_width(*ty)).sum();
                (base.pages, base.tuples) = cost::table_size(size, row_width);
                if size.pages > 0 {
                    let visible = f64::from(size.all_visible_pages.max(0)) / f64::from(size.pages);
                    base.all_visible_fraction = visible.min(1.0);
                }
                if let Some(sample) = &self.builder.ranges[base.range].sample {
                    let fraction = sampled_fraction(sample);
                    base.tuples = clamp_rows(base.tuples * fraction);
                    if sample.method == SampleMethod::System {
                        base.pages = clamp_rows(base.pages * fraction);
                    }
                    return Ok(());
                }
                base.indexes = self.builder.ctx.catalog.indexes(*relid)?;
            }
            BaseKind::Subquery(planned) => {
                let best = path::cheapest_total(&planned.paths)
                    .ok_or_else(|| PgError::internal("failed to find a path for a subquery"))?;
                base.tuples = best.rows;
                base.width = best.width;
            }
            BaseKind::Function => {
                let RteKind::Function { functions, .. } = &self.query.rtable[local].kind else {
                    unreachable!()
                };
                for function in functions {
                    base.tuples = base.tuples.max(self.set_rows(&function.call)?);
                }
            }
            BaseKind::Values { rows } => base.tuples = *rows as f64,
            BaseKind::Cte { number, work_table } => {
                let state = &self.builder.ctes[*number];
                base.tuples = clamp_rows(if *work_table { state.rows * 10.0 } else { state.rows });
            }
        }
        base.rows = base.tuples;
        Ok(())
    }

    /// How many rows a FROM function is expected to return.
    pub(crate) fn set_rows(&self, call: &Expr) -> PgResult<f64> {
        let Expr::Call(call) = call else { return Ok(1.0) };
        if !call.returns_set {
            return Ok(1.0);
        }
        let Some(facts) = self.builder.ctx.catalog.proc(call.proc_oid)? else { return Ok(1000.0) };
        if facts.name.as_ref() == "generate_series" {
            if let Some(rows) = series_rows(&call.args) {
                return Ok(clamp_rows(rows));
            }
        }
        if facts.name.as_ref() == "unnest" && call.args.len() == 1 {
            return Ok(clamp_rows(cost::array_length(&call.args[0])));
        }
        Ok(clamp_rows(facts.rows))
    }

    /// Estimates a base relation's rows under its restrictions and makes its scan paths.
    pub(crate) fn plan_base(&mut self, range: usize) -> PgResult<()> {
        let clauses = self.bases[&range].restrictions.clone();
        let selectivity = self.clauses_selectivity(&clauses)?;
        let base = self.bases.get_mut(&range).expect("registered");
        base.rows = clamp_rows(base.tuples * selectivity);
        let paths = self.scan_paths(range, &clauses)?;
        self.bases.get_mut(&range).expect("registered").paths = paths;
        Ok(())
    }

    fn scan_paths(&mut self, range: usize, clauses: &[Rc<Clause>]) -> PgResult<Vec<Rc<Path>>> {
        let mut paths = Vec::new();
        let base = &self.bases[&range];
        match &base.kind {
            BaseKind::Table { .. } => {
                self.add(&mut paths, self.seq_scan(range, clauses)?);
                // A sample is of the table's blocks, not of what an index finds.
                if self.builder.ranges[range].sample.is_some() {
                    return Ok(paths);
                }
                self.add_index_paths(range, clauses, &mut paths)?;
                self.add_bitmap_paths(range, clauses, &mut paths)?;
                self.add_tid_path(range, clauses, &mut paths)?;
            }
            BaseKind::Subquery(planned) => {
                let planned = planned.clone();
                for sub in &planned.paths {
                    let order = self.outer_order(range, &planned.level, &sub.order)?;
                    let path = self.subquery_scan(range, &planned.level, sub, clauses, order)?;
                    self.add(&mut paths, path);
                }
            }
            BaseKind::Function => {
                let kind = PathKind::Function { range, clauses: clauses.to_vec() };
                let local = self.builder.local_index[range];
                let RteKind::Function { functions, .. } = &self.query.rtable[local].kind else {
                    unreachable!()
                };
                let calls: Vec<Expr> = functions.iter().map(|function| function.call.clone()).collect();
                let call_cost = self.exprs_cost(&calls)?;
                let startup = call_cost.startup + call_cost.total;
                paths.push(self.simple_scan(range, kind, clauses, startup, 0.0)?);
            }
            BaseKind::Values { .. } => {
                let kind = PathKind::Values { range, clauses: clauses.to_vec() };
                let operator = self.builder.ctx.settings.cpu_operator_cost;
                paths.push(self.simple_scan(range, kind, clauses, 0.0, operator)?);
            }
            BaseKind::Cte { .. } => {
                let kind = PathKind::Cte { range, clauses: clauses.to_vec() };
                let tuple = self.builder.ctx.settings.cpu_tuple_cost;
                paths.push(self.simple_scan(range, kind, clauses, 0.0, tuple)?);
            }
        }
        Ok(paths)
    }

    /// Adds a path to a list under the level's rules.
    pub(crate) fn add(&self, paths: &mut Vec<Rc<Path>>, path: Path) {
        path::add_path(paths, Rc::new(path), self.fraction > 0.0);
    }

    fn seq_scan(&self, range: usize, clauses: &[Rc<Clause>]) -> PgResult<Path> {
        let settings = self.builder.ctx.settings;
        let base = &self.bases[&range];
        let quals = self.exprs_cost(clauses.iter().map(|clause| &clause.expr))?;
        let mut startup = quals.startup;
        if !settings.enable_seqscan {
            startup += DISABLE_COST;
        }
        let run = base.pages * settings.seq_page_cost + (settings.cpu_tuple_cost + quals.total) * base.tuples;
        Ok(Path {
            kind: PathKind::SeqScan { range, clauses: clauses.to_vec() },
            relids: RelSet::single(range),
            outer: base.lateral.clone(),
            rows: base.rows,
            startup,
            total: startup + run,
            width: base.width,
            order: Vec::new(),
        })
    }

    /// A scan that yields the relation's tuples at a fixed cost each.
    fn simple_scan(
        &self,
        range: usize,
        kind: PathKind,
        clauses: &[Rc<Clause>],
        startup: f64,
        per_tuple: f64,
    ) -> PgResult<Rc<Path>> {
        let settings = self.builder.ctx.settings;
        let base = &self.bases[&range];
        let quals = self.exprs_cost(clauses.iter().map(|clause| &clause.expr))?;
        let startup = startup + quals.startup;
        let run = (per_tuple + settings.cpu_tuple_cost + quals.total) * base.tuples;
        Ok(Rc::new(Path {
            kind,
            relids: RelSet::single(range),
            outer: base.lateral.clone(),
            rows: base.rows,
            startup,
            total: startup + run,
            width: base.width,
            order: Vec::new(),
        }))
    }

    fn subquery_scan(
        &self,
        range: usize,
        level: &Rc<super::level::Level>,
        sub: &Rc<Path>,
        clauses: &[Rc<Clause>],
        order: Vec<PathKey>,
    ) -> PgResult<Path> {
        let settings = self.builder.ctx.settings;
        let base = &self.bases[&range];
        let quals = self.exprs_cost(clauses.iter().map(|clause| &clause.expr))?;
        let mut cost = Cost { startup: sub.startup + quals.startup, total: sub.total + quals.startup };
        // Without conditions the node is not there at run time.
        if !clauses.is_empty() {
            cost.total += (settings.cpu_tuple_cost + quals.total) * sub.rows;
        }
        Ok(Path {
            kind: PathKind::Subquery {
                range,
                level: level.clone(),
                sub: sub.clone(),
                clauses: clauses.to_vec(),
            },
            relids: RelSet::single(range),
            outer: base.lateral.clone(),
            rows: base.rows,
            startup: cost.startup,
            total: cost.total,
            width: base.width,
            order,
        })
    }

    /// A subquery's order as an order of its columns seen from outside
    /// (`convert_subquery_pathkeys`).
    fn outer_order(
        &mut self,
        range: usize,
        level: &super::level::Level,
        order: &[PathKey],
    ) -> PgResult<Vec<PathKey>> {
        let used = self.builder.used_columns(range);
        let mut result = Vec::new();
        for key in order {
            let class = &level.classes[key.class];
            let column = level.targets.iter().filter(|entry| !entry.junk).position(|entry| {
                class.members.iter().any(|member| {
                    !member.constant
                        && crate::equal::same(&member.expr, super::equivalence::strip_relabel(&entry.expr))
                })
            });
            let Some(column) = column.filter(|&column| used.contains(&(column as i16 + 1))) else { break };
            let ty = self.builder.ranges[range].columns[column];
            let var = crate::builder::column_var(range, column as i16 + 1, ty);
            let class = self.class_for_sort(&var, key.family, ty.collation)?;
            let class = self.canonical_class(class);
            self.push_key(&mut result, PathKey { class, ..*key });
        }
        Ok(result)
    }
}

/// Rows of `generate_series` over integer constants.
fn series_rows(args: &[Expr]) -> Option<f64> {
    let number = |expr: &Expr| match expr {
        Expr::Const { value: Datum::Int4(value), .. } => Some(f64::from(*value)),
        Expr::Const { value: Datum::Int8(value), .. } => Some(*value as f64),
        _ => None,
    };
    let (start, stop) = (number(args.first()?)?, number(args.get(1)?)?);
    let step = args.get(2).map_or(Some(1.0), number)?;
    (step != 0.0).then(|| ((stop - start + step) / step).floor())
}

/// The part of a table that a sample is expected to be; a tenth when that is not known before it runs.
fn sampled_fraction(sample: &TableSample) -> f64 {
    let percent = match &sample.args[0] {
        Expr::Const { value: Datum::Float4(percent), .. } => f64::from(*percent),
        _ => 10.0,
    };
    if (0.0..=100.0).contains(&percent) { percent / 100.0 } else { 0.1 }
}

/// A query without anything in it, left where one was taken out.
pub(crate) fn empty_query() -> Query {
    Query {
        command: CommandType::Select,
        rtable: Vec::new(),
        jointree: FromExpr::default(),
        target_list: Vec::new(),
        result_relation: None,
        on_conflict: None,
        returning: Vec::new(),
        group_by: Vec::new(),
        grouping_sets: None,
        having: None,
        has_aggs: false,
        windows: Vec::new(),
        has_target_srfs: false,
        distinct: None,
        sort: Vec::new(),
        limit_offset: None,
        limit_count: None,
        with_ties: false,
        row_marks: Vec::new(),
        ctes: Vec::new(),
        set_operation: None,
        constraint_deps: Vec::new(),
    }
}
