//! Pull-ups: EXISTS and IN subqueries become semi and anti joins, simple subqueries in FROM dissolve
//! into the query around them.
//!
//! After `pull_up_sublinks` and `pull_up_subqueries` (PostgreSQL's
//! src/backend/optimizer/prep/prepjointree.c). Since range-table numbers are statement-wide,
//! moving an expression up changes nothing in it; only references to the dissolved subquery's
//! columns are replaced.

use super::base::empty_query;
use super::common_conjuncts::canonical_conjuncts;
use super::inspect;
use super::level::{JoinTree, LevelPlanner};
use super::prepare::join_tree;
use super::relset::RelSet;
use super::sublink::{outer_ranges, simplify_exists};
use crate::builder::column_var;
use crate::join::JoinType;
use crate::range::{PlanRange, RangeKind};
use crate::walk;
use redoubt_analyze::query::*;
use redoubt_error::PgResult;

impl LevelPlanner<'_, '_> {
    /// Pulls up what can be joined directly instead of being run as a subquery.
    pub(crate) fn pull_up(&mut self, tree: JoinTree) -> PgResult<JoinTree> {
        let tree = self.pull_up_sublinks(tree);
        // The rest of the tree is kept where substitutions find it.
        let mut holder = tree;
        self.pull_up_subqueries(&mut holder)?;
        Ok(holder)
    }

    fn pull_up_sublinks(&mut self, tree: JoinTree) -> JoinTree {
        match tree {
            JoinTree::Rel(range) => JoinTree::Rel(range),
            JoinTree::From { items, quals } => {
                let items = items.into_iter().map(|item| self.pull_up_sublinks(item)).collect();
                self.sublinks_over(JoinTree::From { items, quals: Vec::new() }, quals)
            }
            JoinTree::Join { join: JoinType::Inner, left, right, quals } => {
                let left = Box::new(self.pull_up_sublinks(*left));
                let right = Box::new(self.pull_up_sublinks(*right));
                let bare = JoinTree::Join { join: JoinType::Inner, left, right, quals: Vec::new() };
                self.sublinks_over(bare, quals)
            }
            JoinTree::Join { join, left, right, quals } => JoinTree::Join {
                join,
                left: Box::new(self.pull_up_sublinks(*left)),
                right: Box::new(self.pull_up_sublinks(*right)),
                quals,
            },
        }
    }

    /// Puts conditions over a tree; those that are convertible subqueries become joins with it.
    fn sublinks_over(&mut self, mut tree: JoinTree, quals: Vec<Expr>) -> JoinTree {
        let available = tree.relids();
        let mut rest = Vec::new();
        for qual in quals {
            match self.sublink_join(qual, &available) {
                Ok((join, right, quals)) => {
                    let right = self.pull_up_sublinks(right);
                    tree = JoinTree::Join { join, left: Box::new(tree), right: Box::new(right), quals };
                }
                Err(qual) => rest.push(*qual),
            }
        }
        match tree {
            JoinTree::From { items, quals } if quals.is_empty() => JoinTree::From { items, quals: rest },
            JoinTree::Join { join: JoinType::Inner, left, right, quals } if quals.is_empty() => {
                JoinTree::Join { join: JoinType::Inner, left, right, quals: rest }
            }
            other => JoinTree::From { items: vec![other], quals: rest },
        }
    }

    /// The join that a condition amounts to, if it is a subquery that can be one.
    fn sublink_join(
        &mut self,
        qual: Expr,
        available: &RelSet,
    ) -> Result<(JoinType, JoinTree, Vec<Expr>), Box<Expr>> {
        let (link, negated) = match &qual {
            Expr::SubLink(link) => (link, false),
            Expr::Not(inner) => match &**inner {
                Expr::SubLink(link) => (link, true),
                _ => return Err(Box::new(qual)),
            },
            _ => return Err(Box::new(qual)),
        };
        let converted = match link.kind {
            SubLinkKind::Exists => self.exists_join(link, available),
            SubLinkKind::Any if !negated => self.any_join(link, available),
            _ => None,
        };
        match converted {
            Some((tree, quals)) => Ok((if negated { JoinType::Anti } else { JoinType::Semi }, tree, quals)),
            None => Err(Box::new(qual)),
        }
    }

    /// `x = ANY (SELECT ...)` over a subquery that does not depend on this level.
    fn any_join(&mut self, link: &SubLink, available: &RelSet) -> Option<(JoinTree, Vec<Expr>)> {
        if outer_ranges(&link.query).overlaps(available) {
            return None;
        }
        let mut mentioned = RelSet::new();
        for test in &link.tests {
            if inspect::is_volatile(&test.left) {
                return None;
            }
            inspect::each_var(&test.left, &mut |var| mentioned.insert(var.rt));
        }
        if !mentioned.overlaps(available) {
            return None;
        }
        let columns: Vec<ColumnType> = visible_types(&link.query);
        let range = self.add_subquery(link.query.clone(), &columns, "ANY_subquery");
        let mut quals = Vec::with_capacity(link.tests.len());
        for (index, test) in link.tests.iter().enumerate() {
            let mut expr = Expr::Call(Box::new(test.call.clone()));
            let column = column_var(range, index as i16 + 1, columns[index]);
            walk::rewrite(&mut expr, 0, &mut |node, _| {
                if matches!(node, Expr::CaseTest(_)) {
                    *node = column.clone();
                    return false;
                }
                true
            });
            self.builder.used.entry(range).or_default().insert(index as i16 + 1);
            quals.push(expr);
        }
        Some((JoinTree::Rel(range), quals))
    }

    /// `EXISTS (SELECT ... FROM ... WHERE ...)` whose only link with this level is its WHERE.
    fn exists_join(&mut self, link: &SubLink, available: &RelSet) -> Option<(JoinTree, Vec<Expr>)> {
        let mut query = link.query.clone();
        if !query.ctes.is_empty() || reads_changing_store(&query) {
            return None;
        }
        simplify_exists(&mut query);
        if !is_plain(&query) || !query.target_list.is_empty() || query.limit_count.is_some() {
            return None;
        }
        let condition = query.jointree.quals.take()?;
        // The FROM list must stand on its own.
        if query.jointree.items.is_empty() || outer_ranges(&query).overlaps(available) {
            return None;
        }
        if inspect::is_volatile(&condition) || has_level_up(&condition) {
            return None;
        }
        let mut mentioned = RelSet::new();
        inspect::each_var(&condition, &mut |var| mentioned.insert(var.rt));
        if !mentioned.overlaps(available) {
            return None;
        }
        let tree = join_tree(std::mem::take(&mut query.jointree));
        if !mentioned.overlaps(&tree.relids()) {
            return None;
        }
        self.adopt_ranges(&tree, &mut query);
        let mut quals = Vec::new();
        canonical_conjuncts(condition, &mut quals);
        Some((tree, quals))
    }

    /// Makes a subquery a range-table entry of this level.
    fn add_subquery(&mut self, query: Query, columns: &[ColumnType], alias: &str) -> usize {
        let range = self.builder.ranges.len();
        let names: Vec<std::sync::Arc<str>> =
            query.target_list.iter().filter(|entry| !entry.junk).map(|entry| entry.name.clone()).collect();
        self.builder.ranges.push(PlanRange {
            sample: None,
            alias: alias.into(),
            column_names: names.clone(),
            columns: columns.to_vec(),
            kind: RangeKind::Subquery,
        });
        self.builder.local_index.push(self.query.rtable.len());
        self.query.rtable.push(RangeTblEntry {
            kind: RteKind::Subquery(Box::new(query)),
            alias: alias.into(),
            column_names: names,
            columns: columns.to_vec(),
            lateral: false,
            security_barrier: false,
            in_from_clause: false,
            required_perms: Perms(0),
            selected_columns: Vec::new(),
            modified_columns: Vec::new(),
            perms_relid: 0,
            check_as_user: 0,
            sample: None,
        });
        range
    }

    /// Moves the range-table entries of a pulled-up tree to this level.
    fn adopt_ranges(&mut self, tree: &JoinTree, from: &mut Query) {
        for range in tree.relids().iter() {
            let local = self.builder.local_index[range];
            let placeholder = RangeTblEntry { kind: RteKind::Join, ..from.rtable[local].clone() };
            let entry = std::mem::replace(&mut from.rtable[local], placeholder);
            self.builder.local_index[range] = self.query.rtable.len();
            self.query.rtable.push(entry);
        }
    }

    fn pull_up_subqueries(&mut self, tree: &mut JoinTree) -> PgResult<()> {
        while let Some(range) = self.find_simple(tree, false, false) {
            self.dissolve(tree, range)?;
        }
        Ok(())
    }

    /// A subquery of the tree that may be pulled up. What is `fixed` is a side of a join other than an inner one:
    /// it must not vanish, since its one row is what the other side's rows are joined to.
    fn find_simple(&self, tree: &JoinTree, nullable: bool, fixed: bool) -> Option<usize> {
        match tree {
            JoinTree::Rel(range) => {
                let pulled = self.is_simple(*range, nullable) && !(fixed && self.has_no_from(*range));
                pulled.then_some(*range)
            }
            JoinTree::From { items, .. } => {
                items.iter().find_map(|item| self.find_simple(item, nullable, fixed))
            }
            JoinTree::Join { join, left, right, .. } => {
                let (left_nullable, right_nullable) = match join {
                    JoinType::Left | JoinType::Anti => (nullable, true),
                    JoinType::Full => (true, true),
                    _ => (nullable, nullable),
                };
                self.find_simple(left, left_nullable, fixed || *join != JoinType::Inner)
                    .or_else(|| self.find_simple(right, right_nullable, fixed))
            }
        }
    }

    fn has_no_from(&self, range: usize) -> bool {
        match self.query.rtable.get(self.builder.local_index[range]).map(|entry| &entry.kind) {
            Some(RteKind::Subquery(query)) => query.jointree.items.is_empty(),
            _ => false,
        }
    }

    /// PostgreSQL's `is_simple_subquery`, and what placeholders would be needed for.
    fn is_simple(&self, range: usize, nullable: bool) -> bool {
        let Some(entry) = self.query.rtable.get(self.builder.local_index[range]) else { return false };
        let RteKind::Subquery(query) = &entry.kind else { return false };
        if entry.security_barrier
            || !is_plain(query)
            || !query.sort.is_empty()
            || query.limit_count.is_some()
            || query.distinct.is_some()
        {
            return false;
        }
        if !query.ctes.is_empty() || reads_changing_store(query) || entry.lateral && nullable {
            return false;
        }
        if query.jointree.items.is_empty() && (nullable || query.jointree.quals.is_some()) {
            return false;
        }
        let used = self.builder.used_columns(range);
        if used.contains(&0) || self.query.row_marks.iter().any(|mark| mark.rt == range) {
            return false;
        }
        let mut from = RelSet::new();
        query.jointree.items.iter().for_each(|item| item_ranges(item, &mut from));
        let visible = query.target_list.iter().filter(|entry| !entry.junk).enumerate();
        for (index, target) in visible {
            if inspect::is_volatile(&target.expr) {
                return false;
            }
            // A value that must become NULL with its side of an outer join, or where it is no key of a grouping set,
            // has to be a column.
            let is_column = matches!(&target.expr, Expr::Var(var) if from.contains(var.rt));
            if (nullable || self.query.grouping_sets.is_some())
                && used.contains(&(index as i16 + 1))
                && !is_column
            {
                return false;
            }
        }
        !self
            .builder
            .ctes
            .iter()
            .any(|cte| cte.definition.as_ref().is_some_and(|cte| outer_ranges(&cte.query).contains(range)))
    }

    /// Replaces a subquery by its FROM and WHERE, and its columns by their expressions.
    fn dissolve(&mut self, tree: &mut JoinTree, range: usize) -> PgResult<()> {
        let local = self.builder.local_index[range];
        let RteKind::Subquery(query) = &mut self.query.rtable[local].kind else {
            unreachable!("only subqueries are dissolved")
        };
        let mut query = std::mem::replace(&mut **query, empty_query());
        let lateral = self.query.rtable[local].lateral;
        self.query.rtable[local].kind = RteKind::Join;
        self.builder.fold_query(&mut query)?;
        let values: Vec<Expr> =
            query.target_list.iter().filter(|entry| !entry.junk).map(|entry| entry.expr.clone()).collect();
        let inner = join_tree(std::mem::take(&mut query.jointree));
        self.adopt_ranges(&inner, &mut query);
        if lateral {
            // What the subquery refers to, its FROM items refer to now.
            for adopted in inner.relids().iter() {
                self.query.rtable[self.builder.local_index[adopted]].lateral = true;
            }
        }
        let inner = self.pull_up_sublinks(inner);
        let mut inner = Some(inner);
        replace_rel(tree, range, &mut inner);
        let mut replace =
            |var: &Var| (var.rt == range && var.attno > 0).then(|| values[var.attno as usize - 1].clone());
        each_qual(tree, &mut |qual| inspect::replace_vars(qual, &mut replace));
        let mut replace_node = |node: &mut Expr, _: usize| {
            if let Expr::Var(var) = node {
                if let Some(value) = replace(var) {
                    *node = value;
                }
                return false;
            }
            true
        };
        walk::rewrite_query(&mut self.query, 0, &mut replace_node);
        Ok(())
    }
}

/// Nothing but FROM, WHERE and a target list (and what the caller looks at itself).
fn is_plain(query: &Query) -> bool {
    query.command == CommandType::Select
        && query.set_operation.is_none()
        && !query.has_aggs
        && query.group_by.is_empty()
        && query.grouping_sets.is_none()
        && query.having.is_none()
        && query.windows.is_empty()
        && !query.has_target_srfs
        && query.limit_offset.is_none()
        && query.row_marks.is_empty()
}

/// Whether the query reads a working table, or a stored WITH query that depends on an outer row: such a store
/// is kept for as long as this query's own scan goes on.
fn reads_changing_store(query: &Query) -> bool {
    query.rtable.iter().any(|entry| match &entry.kind {
        RteKind::Cte { self_reference, outer, .. } => *self_reference || !outer.is_empty(),
        _ => false,
    })
}

/// Whether the expression holds an aggregate or GROUPING of the level above.
fn has_level_up(expr: &Expr) -> bool {
    walk::any(expr, &mut |node, depth| match node {
        Expr::Aggregate(aggregate) => aggregate.levels_up > depth,
        Expr::Grouping { levels_up, .. } => *levels_up > depth,
        _ => false,
    })
}

fn visible_types(query: &Query) -> Vec<ColumnType> {
    query.target_list.iter().filter(|entry| !entry.junk).map(|entry| entry.expr.ty()).collect()
}

fn item_ranges(item: &FromItem, into: &mut RelSet) {
    match item {
        FromItem::Rte(range) => into.insert(*range),
        FromItem::Join { left, right, .. } => {
            item_ranges(left, into);
            item_ranges(right, into);
        }
    }
}

fn replace_rel(tree: &mut JoinTree, range: usize, with: &mut Option<JoinTree>) {
    match tree {
        JoinTree::Rel(of) if *of == range => {
            if let Some(with) = with.take() {
                *tree = with;
            }
        }
        JoinTree::Rel(_) => {}
        JoinTree::From { items, .. } => items.iter_mut().for_each(|item| replace_rel(item, range, with)),
        JoinTree::Join { left, right, .. } => {
            replace_rel(left, range, with);
            replace_rel(right, range, with);
        }
    }
}

fn each_qual(tree: &mut JoinTree, f: &mut dyn FnMut(&mut Expr)) {
    match tree {
        JoinTree::Rel(_) => {}
        JoinTree::From { items, quals } => {
            items.iter_mut().for_each(|item| each_qual(item, f));
            quals.iter_mut().for_each(f);
        }
        JoinTree::Join { left, right, quals, .. } => {
            each_qual(left, f);
            each_qual(right, f);
            quals.iter_mut().for_each(f);
        }
    }
}
