//! Walking and rewriting whole query trees, subqueries included.
//!
//! Walkers carry the query depth: 0 for the expression they were started on, one more inside each
//! subquery, so that references with `levels_up` can be told apart. The callback sees a node before
//! its children and says whether to go into them.

use crate::query::*;

/// Generates the shared and the mutable walker from one description of the tree, so that the two
/// cannot disagree about what the children of a node are.
macro_rules! walkers {
    ($expr:ident, $query:ident, $from_item:ident, $calls:ident, $bound:ident, $iter:ident, $as_option:ident, [$($r:tt)+]) => {
        /// Calls `f` on the expression and, where `f` returns true, on all it is made of.
        pub fn $expr(expr: $($r)+ Expr, depth: usize, f: &mut dyn FnMut($($r)+ Expr, usize) -> bool) {
            if !f(expr, depth) {
                return;
            }
            match expr {
                Expr::Const { .. }
                | Expr::Var(_)
                | Expr::Param { .. }
                | Expr::CaseTest(_)
                | Expr::Grouping { .. }
                | Expr::SqlValue { .. }
                | Expr::SetToDefault(_) => {}
                Expr::Call(call) => $calls($($r)+ **call, depth, f),
                Expr::Relabel { arg, .. }
                | Expr::CoerceViaIo { arg, .. }
                | Expr::Not(arg)
                | Expr::IsNull { arg, .. }
                | Expr::BooleanTest { arg, .. }
                | Expr::FieldSelect { arg, .. }
                | Expr::Collate { arg, .. } => $expr(arg, depth, f),
                Expr::ArrayCoerce { arg, element, .. } => {
                    $expr(arg, depth, f);
                    $expr(element, depth, f);
                }
                Expr::And(args) | Expr::Or(args) => args.$iter().for_each(|arg| $expr(arg, depth, f)),
                Expr::Distinct { equality, .. } | Expr::NullIf { equality, .. } => {
                    $calls($($r)+ **equality, depth, f)
                }
                Expr::Case { arg, whens, otherwise, .. } => {
                    if let Some(arg) = arg {
                        $expr(arg, depth, f);
                    }
                    for (condition, result) in whens {
                        $expr(condition, depth, f);
                        $expr(result, depth, f);
                    }
                    $expr(otherwise, depth, f);
                }
                Expr::Coalesce { args, .. } | Expr::MinMax { args, .. } => {
                    args.$iter().for_each(|arg| $expr(arg, depth, f))
                }
                Expr::ScalarArrayOp { call, .. } => $calls($($r)+ **call, depth, f),
                Expr::Array { elements, .. } => elements.$iter().for_each(|arg| $expr(arg, depth, f)),
                Expr::Row { fields, .. } => fields.$iter().for_each(|arg| $expr(arg, depth, f)),
                Expr::RowCompare { calls, equalities, .. } => {
                    calls.$iter().for_each(|call| $calls(call, depth, f));
                    equalities.$iter().for_each(|call| $calls(call, depth, f));
                }
                Expr::Subscript { arg, indexes, .. } => {
                    $expr(arg, depth, f);
                    for (lower, upper) in indexes {
                        if let Some(lower) = lower {
                            $expr(lower, depth, f);
                        }
                        if let Some(upper) = upper {
                            $expr(upper, depth, f);
                        }
                    }
                }
                Expr::Aggregate(aggregate) => {
                    let Aggregate { args, order_by, filter, .. } = $($r)+ **aggregate;
                    args.$iter().for_each(|arg| $expr(arg, depth, f));
                    order_by.$iter().for_each(|key| $expr($($r)+ key.expr, depth, f));
                    if let Some(filter) = filter {
                        $expr(filter, depth, f);
                    }
                }
                Expr::WindowFunc(function) => {
                    let WindowFunc { args, filter, .. } = $($r)+ **function;
                    args.$iter().for_each(|arg| $expr(arg, depth, f));
                    if let Some(filter) = filter {
                        $expr(filter, depth, f);
                    }
                }
                Expr::SubLink(link) => {
                    let SubLink { query, tests, .. } = $($r)+ **link;
                    for test in tests.$iter() {
                        // The call's first argument repeats `left`; a rewriter must see both.
                        $expr($($r)+ test.left, depth, f);
                        $calls($($r)+ test.call, depth, f);
                    }
                    $query(query, depth + 1, f);
                }
            }
        }

        fn $calls(call: $($r)+ Call, depth: usize, f: &mut dyn FnMut($($r)+ Expr, usize) -> bool) {
            call.args.$iter().for_each(|arg| $expr(arg, depth, f));
        }

        /// Walks every expression of a query, its range table included; `depth` is the query's own.
        pub fn $query(query: $($r)+ Query, depth: usize, f: &mut dyn FnMut($($r)+ Expr, usize) -> bool) {
            for entry in query.rtable.$iter() {
                match $($r)+ entry.kind {
                    RteKind::Subquery(inner) => $query(inner, depth + 1, f),
                    RteKind::Function { functions, .. } => {
                        functions.$iter().for_each(|function| $expr($($r)+ function.call, depth, f))
                    }
                    RteKind::Values(rows) => {
                        rows.$iter().for_each(|row| row.$iter().for_each(|value| $expr(value, depth, f)))
                    }
                    RteKind::Relation { .. } | RteKind::Join | RteKind::Cte { .. } | RteKind::Excluded => {}
                }
                if let Some(sample) = entry.sample.$as_option() {
                    sample.args.$iter().for_each(|arg| $expr(arg, depth, f));
                }
            }
            for cte in query.ctes.$iter() {
                $query($($r)+ cte.query, depth + 1, f);
            }
            query.target_list.$iter().for_each(|entry| $expr($($r)+ entry.expr, depth, f));
            query.returning.$iter().for_each(|entry| $expr($($r)+ entry.expr, depth, f));
            query.jointree.items.$iter().for_each(|item| $from_item(item, depth, f));
            for expr in [
                query.jointree.quals.$as_option(),
                query.having.$as_option(),
                query.limit_offset.$as_option(),
                query.limit_count.$as_option(),
            ] {
                if let Some(expr) = expr {
                    $expr(expr, depth, f);
                }
            }
            for window in query.windows.$iter() {
                $bound($($r)+ window.frame.start, depth, f);
                $bound($($r)+ window.frame.end, depth, f);
            }
            if let Some(conflict) = query.on_conflict.$as_option() {
                conflict.set.$iter().for_each(|entry| $expr($($r)+ entry.expr, depth, f));
                if let Some(condition) = conflict.where_clause.$as_option() {
                    $expr(condition, depth, f);
                }
            }
        }

        fn $bound(bound: $($r)+ FrameBound, depth: usize, f: &mut dyn FnMut($($r)+ Expr, usize) -> bool) {
            if let FrameBound::Preceding(offset) | FrameBound::Following(offset) = bound {
                $expr(offset, depth, f);
            }
        }

        /// Walks the join conditions of a FROM item.
        pub fn $from_item(item: $($r)+ FromItem, depth: usize, f: &mut dyn FnMut($($r)+ Expr, usize) -> bool) {
            if let FromItem::Join { left, right, quals, .. } = item {
                $from_item(left, depth, f);
                $from_item(right, depth, f);
                if let Some(quals) = quals {
                    $expr(quals, depth, f);
                }
            }
        }
    };
}

walkers!(visit, visit_query, visit_from_item, visit_call, visit_bound, iter, as_ref, [&]);
walkers!(rewrite, rewrite_query, rewrite_from_item, rewrite_call, rewrite_bound, iter_mut, as_mut, [&mut]);

/// Whether any node of the expression satisfies the test; subqueries are searched too.
pub fn any(expr: &Expr, test: &mut dyn FnMut(&Expr, usize) -> bool) -> bool {
    let mut found = false;
    visit(expr, 0, &mut |node, depth| {
        found = found || test(node, depth);
        !found
    });
    found
}

/// Moves a query some levels further down: whatever in it refers to levels around it refers that
/// many levels further up. References within the query stay.
pub fn shift_outer_levels(query: &mut Query, by: usize) {
    rewrite_query(query, 0, &mut |node, depth| {
        match node {
            // A reference at `depth` with `levels_up > depth` leaves the query.
            Expr::Var(Var { levels_up, .. }) | Expr::Grouping { levels_up, .. } if *levels_up > depth => {
                *levels_up += by;
            }
            Expr::Aggregate(aggregate) if aggregate.levels_up > depth => aggregate.levels_up += by,
            _ => {}
        }
        true
    });
    each_query(query, 0, &mut |query, depth| {
        for entry in &mut query.rtable {
            if let RteKind::Cte { levels_up, .. } = &mut entry.kind
                && *levels_up > depth
            {
                *levels_up += by;
            }
        }
    });
}

/// Calls `f` on a query and every query inside it, with its depth.
pub fn each_query(query: &mut Query, depth: usize, f: &mut dyn FnMut(&mut Query, usize)) {
    each_in_tables(query, depth, f);
    // What is inside expressions, at any depth; the walk itself goes into those queries.
    rewrite_query(query, depth, &mut |node, depth| {
        if let Expr::SubLink(link) = node {
            each_in_tables(&mut link.query, depth + 1, f);
        }
        true
    });
}

/// The query itself, and those that are reached through range tables and WITH alone.
fn each_in_tables(query: &mut Query, depth: usize, f: &mut dyn FnMut(&mut Query, usize)) {
    f(query, depth);
    for entry in &mut query.rtable {
        if let RteKind::Subquery(inner) = &mut entry.kind {
            each_in_tables(inner, depth + 1, f);
        }
    }
    for cte in &mut query.ctes {
        each_in_tables(&mut cte.query, depth + 1, f);
    }
}
