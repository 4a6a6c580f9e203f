//! The join tree as the planner wants it: right joins turned around, subqueries and EXISTS pulled
//! up, outer joins reduced whose null-extended rows cannot survive.

use super::common_conjuncts::canonical_conjuncts;
use super::inspect;
use super::level::JoinTree;
use crate::join::JoinType;
use redoubt_analyze::query::*;
use redoubt_analyze::visit;

/// HAVING without GROUP BY and aggregates: one row of constants if the condition holds, whatever FROM has, which
/// is therefore not looked at (`create_degenerate_grouping_paths` in PostgreSQL's planner.c).
pub(crate) fn empty_having(query: &mut Query) {
    if query.having.is_none() || !query.group_by.is_empty() || query.grouping_sets.is_some() {
        return;
    }
    let grouped = |node: &Expr, depth: usize| match node {
        Expr::Aggregate(aggregate) => aggregate.levels_up == depth,
        Expr::Grouping { levels_up, .. } => *levels_up == depth,
        _ => false,
    };
    let mut outputs = query.target_list.iter().map(|entry| &entry.expr).chain(&query.having);
    if outputs.any(|expr| visit::any(expr, &mut |node, depth| grouped(node, depth))) {
        return;
    }
    query.jointree = FromExpr { items: Vec::new(), quals: query.having.take() };
    query.has_aggs = false;
}

/// FROM and WHERE as a tree, with conditions split into conjuncts.
pub(crate) fn join_tree(from: FromExpr) -> JoinTree {
    let items = from.items.into_iter().map(from_item).collect();
    let mut quals = Vec::new();
    if let Some(condition) = from.quals {
        canonical_conjuncts(condition, &mut quals);
    }
    JoinTree::From { items, quals }
}

fn from_item(item: FromItem) -> JoinTree {
    match item {
        FromItem::Rte(range) => JoinTree::Rel(range),
        FromItem::Join { kind, left, right, quals, .. } => {
            let (left, right) = (Box::new(from_item(*left)), Box::new(from_item(*right)));
            let mut list = Vec::new();
            if let Some(condition) = quals {
                canonical_conjuncts(condition, &mut list);
            }
            let (join, left, right) = match kind {
                JoinKind::Inner => (JoinType::Inner, left, right),
                JoinKind::Left => (JoinType::Left, left, right),
                JoinKind::Right => (JoinType::Left, right, left),
                JoinKind::Full => (JoinType::Full, left, right),
            };
            JoinTree::Join { join, left, right, quals: list }
        }
    }
}

/// Turns outer joins into inner ones (or FULL into LEFT) where a condition above rejects the rows
/// they would null-extend (`reduce_outer_joins` in PostgreSQL's prepjointree.c).
pub(crate) fn reduce_outer_joins(tree: &mut JoinTree) {
    reduce(tree, &mut Vec::new());
}

fn reduce(tree: &mut JoinTree, above: &mut Vec<Expr>) {
    match tree {
        JoinTree::Rel(_) => {}
        JoinTree::From { items, quals } => {
            let depth = above.len();
            above.extend(quals.iter().cloned());
            items.iter_mut().for_each(|item| reduce(item, above));
            above.truncate(depth);
        }
        JoinTree::Join { join, left, right, quals } => {
            let (left_rels, right_rels) = (left.relids(), right.relids());
            let rejects = |rels: &super::relset::RelSet| {
                above
                    .iter()
                    .any(|qual| rels.iter().any(|rel| inspect::rejects_nulls(qual, &|var| var.rt == rel)))
            };
            let (rejects_left, rejects_right) = (rejects(&left_rels), rejects(&right_rels));
            match *join {
                JoinType::Left if rejects_right => *join = JoinType::Inner,
                JoinType::Full if rejects_left && rejects_right => *join = JoinType::Inner,
                // A row whose left side is missing is rejected: only left rows are preserved.
                JoinType::Full if rejects_left => *join = JoinType::Left,
                JoinType::Full if rejects_right => {
                    *join = JoinType::Left;
                    std::mem::swap(left, right);
                }
                _ => {}
            }
            let depth = above.len();
            match *join {
                JoinType::Inner | JoinType::Semi => {
                    above.extend(quals.iter().cloned());
                    reduce(left, above);
                    reduce(right, above);
                }
                JoinType::Left | JoinType::Anti => {
                    // Its own condition says nothing about the preserved side's rows.
                    reduce(left, above);
                    let mut own = quals.clone();
                    reduce(right, &mut own);
                }
                _ => {
                    reduce(left, &mut Vec::new());
                    reduce(right, &mut Vec::new());
                }
            }
            above.truncate(depth);
        }
    }
}
