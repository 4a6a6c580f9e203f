//! Query trees in few words.

use redoubt_analyze::query::*;
use std::fmt::Write;

/// A query, one clause per line.
pub fn query(query: &Query) -> String {
    let mut out = String::new();
    write_query(&mut out, query, 0);
    out
}

fn line(out: &mut String, depth: usize, text: &str) {
    writeln!(out, "{:1$}{text}", "", depth * 2).unwrap();
}

fn write_query(out: &mut String, query: &Query, depth: usize) {
    line(out, depth, &format!("{:?}", query.command));
    for cte in &query.ctes {
        let marks = if cte.recursive { " recursive" } else { "" };
        line(out, depth, &format!("with {}{marks} x{}", cte.name, cte.references));
        write_query(out, &cte.query, depth + 1);
    }
    for (index, entry) in query.rtable.iter().enumerate() {
        write_entry(out, index, entry, depth);
    }
    if !query.jointree.items.is_empty() {
        let items: Vec<String> = query.jointree.items.iter().map(from_item).collect();
        line(out, depth, &format!("from {}", items.join(", ")));
    }
    if let Some(quals) = &query.jointree.quals {
        line(out, depth, &format!("where {}", expr(quals)));
    }
    for entry in &query.target_list {
        line(out, depth, &target(entry));
    }
    write_clauses(out, query, depth);
}

fn target(entry: &TargetEntry) -> String {
    let junk = if entry.junk { " junk" } else { "" };
    let assigned =
        if entry.target_attno != 0 { format!(" -> {}", entry.target_attno) } else { String::new() };
    format!("target {} = {}{assigned}{junk}", entry.name, expr(&entry.expr))
}

fn write_clauses(out: &mut String, query: &Query, depth: usize) {
    if !query.group_by.is_empty() {
        line(out, depth, &format!("group by {}", keys(&query.group_by)));
    }
    if let Some(sets) = &query.grouping_sets {
        line(out, depth, &format!("sets {sets:?}"));
    }
    if let Some(having) = &query.having {
        line(out, depth, &format!("having {}", expr(having)));
    }
    for window in &query.windows {
        let (partition, order) = (keys(&window.partition_by), keys(&window.order_by));
        line(out, depth, &format!("window partition [{partition}] order [{order}] {:?}", window.frame.mode));
    }
    match &query.distinct {
        Some(Distinct::All(all)) => line(out, depth, &format!("distinct {}", keys(all))),
        Some(Distinct::On(on)) => line(out, depth, &format!("distinct on {}", keys(on))),
        None => {}
    }
    if !query.sort.is_empty() {
        line(out, depth, &format!("sort {}", keys(&query.sort)));
    }
    if let Some(offset) = &query.limit_offset {
        line(out, depth, &format!("offset {}", expr(offset)));
    }
    if let Some(count) = &query.limit_count {
        line(out, depth, &format!("limit {}", expr(count)));
    }
    for mark in &query.row_marks {
        line(out, depth, &format!("lock {} {:?} {:?}", mark.rt, mark.strength, mark.wait));
    }
    if let Some(conflict) = &query.on_conflict {
        let arbiters = conflict.arbiter_indexes.len();
        line(out, depth, &format!("on conflict of {arbiters} update {}", conflict.do_update));
        conflict.set.iter().for_each(|entry| line(out, depth + 1, &target(entry)));
        if let Some(condition) = &conflict.where_clause {
            line(out, depth + 1, &format!("where {}", expr(condition)));
        }
    }
    if let Some(tree) = &query.set_operation {
        line(out, depth, &set_tree(tree));
    }
    for entry in &query.returning {
        line(out, depth, &format!("returning {}", target(entry)));
    }
}

fn set_tree(tree: &SetOperation) -> String {
    match tree {
        SetOperation::Leaf(rt) => rt.to_string(),
        SetOperation::Node { op, all, left, right, keys: k, .. } => {
            let all = if *all { " all" } else { "" };
            format!("({} {op:?}{all} {} by [{}])", set_tree(left), set_tree(right), keys(k))
        }
    }
}

fn write_entry(out: &mut String, index: usize, entry: &RangeTblEntry, depth: usize) {
    let mut text = format!("{index}: {}", entry.alias);
    if entry.perms_relid != 0 {
        write!(text, " perms {}", entry.required_perms.0).unwrap();
    }
    if !entry.selected_columns.is_empty() {
        write!(text, " reads {:?}", entry.selected_columns).unwrap();
    }
    if !entry.modified_columns.is_empty() {
        write!(text, " writes {:?}", entry.modified_columns).unwrap();
    }
    if entry.lateral {
        text.push_str(" lateral");
    }
    match &entry.kind {
        RteKind::Relation { .. } => line(out, depth, &text),
        RteKind::Subquery(inner) => {
            line(out, depth, &text);
            write_query(out, inner, depth + 1);
        }
        RteKind::Join => line(out, depth, &format!("{text} join")),
        RteKind::Function { functions, with_ordinality } => {
            let calls: Vec<String> = functions.iter().map(|function| expr(&function.call)).collect();
            let ordinality = if *with_ordinality { " with ordinality" } else { "" };
            line(out, depth, &format!("{text} function {}{ordinality}", calls.join(", ")));
        }
        RteKind::Values(rows) => {
            line(out, depth, &format!("{text} values"));
            rows.iter().for_each(|row| line(out, depth + 1, &list(row)));
        }
        RteKind::Cte { levels_up, index, self_reference, .. } => {
            let own = if *self_reference { " itself" } else { "" };
            line(out, depth, &format!("{text} cte {index} up {levels_up}{own}"));
        }
        RteKind::Excluded => line(out, depth, &format!("{text} excluded")),
    }
}

fn from_item(item: &FromItem) -> String {
    match item {
        FromItem::Rte(rt) => rt.to_string(),
        FromItem::Join { kind, left, right, quals, rt, .. } => {
            let on = quals.as_ref().map_or(String::new(), |quals| format!(" on {}", expr(quals)));
            format!("({} {kind:?} {}{on} as {rt})", from_item(left), from_item(right))
        }
    }
}

fn keys(keys: &[SortGroup]) -> String {
    let shown = |key: &SortGroup| {
        let direction = if key.descending { " desc" } else { "" };
        let nulls = if key.nulls_first != key.descending { " nulls-other" } else { "" };
        format!("{}{direction}{nulls}", key.target)
    };
    keys.iter().map(shown).collect::<Vec<_>>().join(", ")
}

fn list(exprs: &[Expr]) -> String {
    exprs.iter().map(expr).collect::<Vec<_>>().join(", ")
}

/// An expression as something like SQL.
pub fn expr(e: &Expr) -> String {
    match e {
        Expr::Const { value, ty } => match value {
            redoubt_functions::Datum::Null => format!("null:{}", ty.type_oid),
            redoubt_functions::Datum::Text(text) => format!("'{text}':{}", ty.type_oid),
            other => format!("{other:?}"),
        },
        Expr::Var(v) if v.levels_up > 0 => format!("^{}.{}.{}", v.levels_up, v.rt, v.attno),
        Expr::Var(v) => format!("{}.{}", v.rt, v.attno),
        Expr::Param { number, .. } => format!("${number}"),
        Expr::Call(call) => format!("{}({})", call.name, list(&call.args)),
        Expr::Relabel { arg, ty, .. } => format!("{}::{}", expr(arg), ty.type_oid),
        Expr::CoerceViaIo { arg, ty, .. } => format!("{}::io {}", expr(arg), ty.type_oid),
        Expr::And(args) => format!("and({})", list(args)),
        Expr::Or(args) => format!("or({})", list(args)),
        Expr::Not(arg) => format!("not({})", expr(arg)),
        Expr::Coalesce { args, .. } => format!("coalesce({})", list(args)),
        Expr::Row { fields, .. } => format!("row({})", list(fields)),
        Expr::Aggregate(a) => {
            let up = if a.levels_up > 0 { format!("^{}", a.levels_up) } else { String::new() };
            let args = if a.star { "*".to_owned() } else { list(&a.args) };
            format!("agg{up} {}({args})", a.name)
        }
        Expr::WindowFunc(w) => format!("{}({}) over {}", w.name, list(&w.args), w.window),
        Expr::Grouping { keys, .. } => format!("grouping{keys:?}"),
        Expr::SubLink(link) => {
            let inner = query(&link.query).replace('\n', "; ");
            format!("{:?}[{inner}]", link.kind)
        }
        Expr::SetToDefault(_) => "default".into(),
        Expr::FieldSelect { arg, field, .. } => format!("({}).{field}", expr(arg)),
        other => format!("{other:?}"),
    }
}
