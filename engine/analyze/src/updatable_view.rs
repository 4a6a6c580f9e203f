//! Changing a view: INSERT, UPDATE and DELETE go to the table under it
//! (PostgreSQL's rewriteTargetView and view_query_is_auto_updatable).

use crate::analyzer::Analyzer;
use crate::query::{ColumnType, CommandType, Expr, FromItem, Perms, Query, RteKind, TargetEntry};
use crate::visit;
use redoubt_catalog::Relation;
use redoubt_error::{PgError, PgResult, code};
use std::sync::Arc;

/// The rule that makes a relation a view.
pub(crate) const RETURN_RULE: &str = "_RETURN";

/// The table under a view, and how the view's columns are made of it.
pub(crate) struct ViewTarget {
    /// The table.
    pub base: Arc<Relation>,
    /// Its range-table index.
    pub base_rt: usize,
    /// The view's columns, over the table.
    columns: Vec<Expr>,
    /// The conditions of all views on the way.
    quals: Vec<Expr>,
}

impl Analyzer<'_> {
    /// Finds the table under a view, through other views, and adds it to the range table.
    pub(crate) fn view_target(&mut self, view: &Relation, command: CommandType) -> PgResult<ViewTarget> {
        check_mechanics(view, command)?;
        let query = self.view_query(view)?;
        if let Some(reason) = not_updatable(&query) {
            return Err(cannot(view, command).detail(reason));
        }
        let [FromItem::Rte(rt)] = query.jointree.items.as_slice() else {
            unreachable!("a view that can be changed has one table")
        };
        let entry = &query.rtable[*rt];
        let gone = || PgError::internal(format!("cache lookup failed for relation {}", entry.perms_relid));
        let relation = self.catalog.relation_by_oid(entry.perms_relid)?.ok_or_else(gone)?;
        let mut target = if relation.kind == 'v' {
            if relation.owner != view.owner || is_invoker(&relation) != is_invoker(view) {
                // The inner view's privileges would have to be checked for the outer one's owner.
                return Err(PgError::unsupported("changing a view over a view with another owner"));
            }
            self.view_target(&relation, command)?
        } else {
            self.refuse_children(&relation, command != CommandType::Insert, 0)?;
            let item = self.add_relation(&relation, None, Perms::default())?;
            let columns = self.entry_vars(item.rt);
            ViewTarget { base: relation, base_rt: item.rt, columns, quals: Vec::new() }
        };
        let level = self.level();
        level.rtable[target.base_rt].check_as_user = if is_invoker(view) { 0 } else { view.owner };
        let shown = query.target_list.iter().filter(|entry| !entry.junk);
        let columns: Vec<Expr> =
            shown.map(|entry| over_base(entry.expr.clone(), *rt, &target.columns)).collect();
        if let Some(quals) = query.jointree.quals {
            target.quals.push(over_base(quals, *rt, &target.columns));
        }
        target.columns = columns;
        Ok(target)
    }

    /// The assignments to a view's columns as assignments to the table's.
    pub(crate) fn base_assignments(
        &self,
        view: &Relation,
        target: &ViewTarget,
        assignments: Vec<TargetEntry>,
        command: CommandType,
    ) -> PgResult<Vec<TargetEntry>> {
        assignments
            .into_iter()
            .map(|mut entry| {
                let why = match &target.columns[entry.target_attno as usize - 1] {
                    Expr::Var(var) if var.attno > 0 => {
                        entry.target_attno = var.attno;
                        entry.name = target.base.desc.attrs[var.attno as usize - 1].name.clone();
                        return Ok(entry);
                    }
                    Expr::Var(var) if var.attno < 0 => {
                        "View columns that refer to system columns are not updatable."
                    }
                    Expr::Var(_) => "View columns that return whole-row references are not updatable.",
                    _ => "View columns that are not columns of their base relation are not updatable.",
                };
                let action = if command == CommandType::Insert { "insert into" } else { "update" };
                let message = format!("cannot {action} column \"{}\" of view \"{}\"", entry.name, view.name);
                Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).detail(why))
            })
            .collect()
    }

    /// Puts the table in the view's place throughout a finished query.
    pub(crate) fn replace_view(&self, query: &mut Query, view_rt: usize, target: ViewTarget) -> PgResult<()> {
        let ViewTarget { base_rt, columns, quals, .. } = target;
        let row_type = self.row_type_of(query.rtable[view_rt].perms_relid)?;
        visit::rewrite_query(query, 0, &mut |node, depth| {
            let Expr::Var(var) = node else { return true };
            if var.rt != view_rt || var.levels_up != depth {
                return true;
            }
            let mut value = match var.attno {
                0 => Expr::Row { fields: columns.clone(), ty: row_type },
                attno => columns[attno as usize - 1].clone(),
            };
            let position = var.position;
            visit::rewrite(&mut value, 0, &mut |inner, inner_depth| {
                if let Expr::Var(var) = inner
                    && var.levels_up == inner_depth
                {
                    var.levels_up += depth;
                    var.position = position;
                }
                true
            });
            *node = value;
            false
        });
        self.move_privileges(query, view_rt, base_rt, &columns, &quals);
        for item in &mut query.jointree.items {
            if matches!(item, FromItem::Rte(rt) if *rt == view_rt) {
                *item = FromItem::Rte(base_rt);
            }
        }
        if query.command != CommandType::Insert {
            let own = query.jointree.quals.take();
            let mut all: Vec<Expr> = quals.into_iter().chain(own).collect();
            query.jointree.quals = if all.len() > 1 { Some(Expr::And(all)) } else { all.pop() };
        }
        query.result_relation = Some(base_rt);
        Ok(())
    }

    /// The view's owner needs on the table what the statement needs on the view.
    fn move_privileges(
        &self,
        query: &mut Query,
        view_rt: usize,
        base_rt: usize,
        columns: &[Expr],
        quals: &[Expr],
    ) {
        let view = query.rtable[view_rt].clone();
        let value = |attno: &i16| usize::try_from(*attno - 1).ok().and_then(|index| columns.get(index));
        let mut read: Vec<&Expr> = view.selected_columns.iter().filter_map(value).collect();
        if view.selected_columns.contains(&0) {
            read.extend(columns);
        }
        read.extend(quals);
        let mut selected = Vec::new();
        for expr in read {
            visit::visit(expr, 0, &mut |node, depth| {
                if let Expr::Var(var) = node
                    && var.levels_up == depth
                    && !selected.contains(&var.attno)
                {
                    selected.push(var.attno);
                }
                true
            });
        }
        let base = &mut query.rtable[base_rt];
        base.required_perms = view.required_perms;
        if !selected.is_empty() {
            base.required_perms = base.required_perms.with(Perms::SELECT);
        }
        base.selected_columns = selected;
        let changed = view.modified_columns.iter().filter_map(value);
        base.modified_columns = changed
            .filter_map(|value| if let Expr::Var(var) = value { Some(var.attno) } else { None })
            .collect();
    }

    fn row_type_of(&self, relid: u32) -> PgResult<ColumnType> {
        let relation = self.catalog.relation_by_oid(relid)?;
        let oid = relation.map_or(redoubt_functions::types::RECORD, |relation| relation.class.reltype);
        Ok(ColumnType { type_oid: oid, typmod: -1, collation: 0 })
    }
}

/// Whether rows of a view can be changed through it.
pub fn is_updatable_view(view: &Relation, context: crate::statement::AnalyzeContext<'_>) -> bool {
    context.analyzer().in_level(|analyzer| analyzer.view_target(view, CommandType::Update)).is_ok()
}

/// Whether the user's privileges count under a view, not its owner's.
pub(crate) fn is_invoker(view: &Relation) -> bool {
    view.boolean_option("security_invoker") == Some(true)
}

/// An expression of a view's query, with its table's columns replaced.
fn over_base(mut expr: Expr, rt: usize, columns: &[Expr]) -> Expr {
    visit::rewrite(&mut expr, 0, &mut |node, depth| {
        let Expr::Var(var) = node else { return true };
        if var.rt != rt || var.levels_up != depth {
            return true;
        }
        match usize::try_from(var.attno - 1).ok().and_then(|index| columns.get(index)) {
            Some(value) => {
                let mut value = value.clone();
                visit::rewrite(&mut value, 0, &mut |inner, inner_depth| {
                    if let Expr::Var(var) = inner
                        && var.levels_up == inner_depth
                    {
                        var.levels_up += depth;
                    }
                    true
                });
                *node = value;
            }
            // A system column, or the whole row: of the table itself.
            None => {
                if let Some(Expr::Var(first)) = columns.first() {
                    var.rt = first.rt;
                }
            }
        }
        false
    });
    expr
}

/// Ways of changing a view that are not built.
fn check_mechanics(view: &Relation, command: CommandType) -> PgResult<()> {
    if view.rules.iter().any(|rule| &*rule.rulename != RETURN_RULE && rule.ev_enabled != 'D') {
        return Err(PgError::unsupported("a rewrite rule"));
    }
    if !view.triggers.is_empty() {
        return Err(PgError::unsupported("a trigger on a view"));
    }
    if view.boolean_option("security_barrier") == Some(true) {
        return Err(PgError::unsupported("changing a view with security_barrier"));
    }
    if command != CommandType::Delete && view.option("check_option").is_some() {
        return Err(PgError::unsupported("WITH CHECK OPTION"));
    }
    if !view.defaults.is_empty() {
        return Err(PgError::unsupported("a default of a view's column"));
    }
    Ok(())
}

/// Why a view cannot be changed, if so.
pub fn not_updatable(query: &Query) -> Option<&'static str> {
    let single = matches!(query.jointree.items.as_slice(), [FromItem::Rte(rt)]
    if match &query.rtable[*rt].kind {
        RteKind::Relation { relkind, .. } => matches!(relkind, 'r' | 'p' | 'f'),
        RteKind::Subquery(_) => query.rtable[*rt].perms_relid != 0,
        _ => false,
    });
    if single && query.rtable.iter().any(|entry| entry.sample.is_some()) {
        Some("Views containing TABLESAMPLE are not automatically updatable.")
    } else if query.distinct.is_some() {
        Some("Views containing DISTINCT are not automatically updatable.")
    } else if !query.group_by.is_empty() || query.grouping_sets.is_some() {
        Some("Views containing GROUP BY are not automatically updatable.")
    } else if query.having.is_some() {
        Some("Views containing HAVING are not automatically updatable.")
    } else if query.set_operation.is_some() {
        Some("Views containing UNION, INTERSECT, or EXCEPT are not automatically updatable.")
    } else if !query.ctes.is_empty() {
        Some("Views containing WITH are not automatically updatable.")
    } else if query.limit_count.is_some() || query.limit_offset.is_some() {
        Some("Views containing LIMIT or OFFSET are not automatically updatable.")
    } else if query.has_aggs {
        Some("Views that return aggregate functions are not automatically updatable.")
    } else if !query.windows.is_empty() {
        Some("Views that return window functions are not automatically updatable.")
    } else if query.has_target_srfs {
        Some("Views that return set-returning functions are not automatically updatable.")
    } else if !single {
        Some("Views that do not select from a single table or view are not automatically updatable.")
    } else {
        None
    }
}

fn cannot(view: &Relation, command: CommandType) -> PgError {
    let (doing, enabling, event) = match command {
        CommandType::Insert => ("insert into", "inserting into", "INSERT"),
        CommandType::Update => ("update", "updating", "UPDATE"),
        _ => ("delete from", "deleting from", "DELETE"),
    };
    let message = format!("cannot {doing} view \"{}\"", view.name);
    PgError::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message).hint(format!(
        "To enable {enabling} the view, provide an INSTEAD OF {event} trigger or an unconditional ON {event} DO \
         INSTEAD rule."
    ))
}
