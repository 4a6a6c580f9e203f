//! What is shown below a node's line: conditions, keys, measurements.

use super::{Explainer, Property};
use crate::aggregate::Aggregation;
use crate::explain::expr::Prefix;
use crate::explain::{NodeDetail, NodeStats};
use crate::modify::ModifyTable;
use crate::node::{Filter, GroupKey, NodeId, NodeKind, PlanNode, SortKey};
use crate::range::RangeKind;
use redoubt_analyze::query::Expr;
use redoubt_error::PgResult;
use std::cmp::Reverse;

type Properties = Vec<(&'static str, Property)>;

impl Explainer<'_> {
    pub(super) fn details(&self, node: &PlanNode, stats: Option<NodeStats>) -> PgResult<Properties> {
        let mut list = Properties::new();
        match &node.kind {
            NodeKind::IndexScan(scan) => {
                let prefix = self.own_prefix(scan.scan.range);
                self.condition(&mut list, "Index Cond", &scan.recheck.exprs, prefix)?;
                self.filter(&mut list, node, prefix, stats)?;
            }
            NodeKind::BitmapHeapScan(scan) => {
                let prefix = self.own_prefix(scan.scan.range);
                self.condition(&mut list, "Recheck Cond", &scan.recheck.exprs, prefix)?;
                self.filter(&mut list, node, prefix, stats)?;
            }
            NodeKind::BitmapIndexScan(scan) => {
                self.condition(&mut list, "Index Cond", &scan.exprs, Prefix::ByPlan)?;
            }
            NodeKind::TidScan(scan) => {
                let prefix = self.own_prefix(scan.scan.range);
                self.condition(&mut list, "TID Cond", &scan.exprs, prefix)?;
                self.filter(&mut list, node, prefix, stats)?;
            }
            NodeKind::SeqScan(scan) => {
                if let Some(sample) = &scan.sample {
                    let mut text = sample.method.name().to_owned();
                    for (word, expr) in [" (", " REPEATABLE ("].into_iter().zip(&sample.exprs) {
                        text += word;
                        text += &self.printer().condition(std::slice::from_ref(expr), Prefix::ByPlan)?;
                        text.push(')');
                    }
                    list.push(("Sampling", Property::Text(text)));
                }
                self.filter(&mut list, node, self.own_prefix(scan.scan.range), stats)?
            }
            NodeKind::FunctionScan(scan) => {
                self.filter(&mut list, node, self.own_prefix(scan.range), stats)?
            }
            NodeKind::ValuesScan(scan) => self.filter(&mut list, node, self.own_prefix(scan.range), stats)?,
            NodeKind::CteScan(scan) | NodeKind::WorkTableScan(scan) => {
                self.filter(&mut list, node, self.own_prefix(scan.range), stats)?;
            }
            // PostgreSQL names the subquery here.
            NodeKind::SubqueryScan { .. } => self.filter(&mut list, node, Prefix::Always, stats)?,
            NodeKind::Result { once, .. } => {
                let once = once.iter().flat_map(|once| &once.exprs).cloned().collect::<Vec<_>>();
                self.condition(&mut list, "One-Time Filter", &once, Prefix::ByPlan)?;
                self.filter(&mut list, node, Prefix::ByPlan, stats)?;
            }
            NodeKind::NestedLoop(join) => {
                self.join_filter(&mut list, &join.condition, stats)?;
                self.filter(&mut list, node, Prefix::ByPlan, stats)?;
            }
            NodeKind::MergeJoin(join) => {
                self.condition(&mut list, "Merge Cond", &join.exprs, Prefix::ByPlan)?;
                self.join_filter(&mut list, &join.condition, stats)?;
                self.filter(&mut list, node, Prefix::ByPlan, stats)?;
            }
            NodeKind::HashJoin(join) => {
                self.condition(&mut list, "Hash Cond", &join.exprs, Prefix::ByPlan)?;
                self.join_filter(&mut list, &join.condition, stats)?;
                self.filter(&mut list, node, Prefix::ByPlan, stats)?;
            }
            NodeKind::Aggregate(aggregation) => {
                self.group_properties(&mut list, aggregation)?;
                self.filter(&mut list, node, Prefix::Aggregate, stats)?;
            }
            NodeKind::Group { child, keys } => {
                list.push(("Group Key", self.group_key_list(keys, *child)?));
                self.filter(&mut list, node, Prefix::ByPlan, stats)?;
            }
            NodeKind::Sort { keys, .. } => {
                list.push(("Sort Key", self.sort_key_list(keys)?));
            }
            NodeKind::ModifyTable(modify) => self.modify_properties(&mut list, modify)?,
            _ => self.filter(&mut list, node, Prefix::ByPlan, stats)?,
        }
        if let Some(detail) = stats.and_then(|stats| stats.detail) {
            measured(&mut list, detail);
        }
        Ok(list)
    }

    fn condition(
        &self,
        list: &mut Properties,
        name: &'static str,
        exprs: &[Expr],
        prefix: Prefix,
    ) -> PgResult<()> {
        if !exprs.is_empty() {
            list.push((name, Property::Text(self.printer().condition(exprs, prefix)?)));
        }
        Ok(())
    }

    fn filter(
        &self,
        list: &mut Properties,
        node: &PlanNode,
        prefix: Prefix,
        stats: Option<NodeStats>,
    ) -> PgResult<()> {
        let Some(filter) = &node.filter else { return Ok(()) };
        self.condition(list, "Filter", &filter.exprs, prefix)?;
        removed(list, "Rows Removed by Filter", stats, |stats| stats.filtered);
        Ok(())
    }

    fn join_filter(
        &self,
        list: &mut Properties,
        condition: &Option<Filter>,
        stats: Option<NodeStats>,
    ) -> PgResult<()> {
        let Some(filter) = condition else { return Ok(()) };
        self.condition(list, "Join Filter", &filter.exprs, Prefix::ByPlan)?;
        removed(list, "Rows Removed by Join Filter", stats, |stats| stats.join_filtered);
        Ok(())
    }

    fn group_properties(&self, list: &mut Properties, node: &Aggregation) -> PgResult<()> {
        let Some(sets) = &node.sets else {
            if !node.keys.is_empty() {
                list.push(("Group Key", self.group_key_list(&node.keys, node.child)?));
            }
            return Ok(());
        };
        let (mut hashed, whole): (Vec<_>, Vec<_>) =
            sets.sets.iter().partition(|members| members.contains(&true));
        hashed.sort_by_key(|members| Reverse(members.iter().filter(|member| **member).count()));
        for members in hashed {
            let members = node.keys.iter().zip(members).filter(|(_, member)| **member);
            let keys: Vec<GroupKey> = members.map(|(key, _)| key.clone()).collect();
            list.push(("Hash Key", self.group_key_list(&keys, node.child)?));
        }
        list.extend(whole.iter().map(|_| ("Group Key", Property::Text("()".to_owned()))));
        Ok(())
    }

    /// Grouping keys as the child has them: what it computes itself stands without the parentheses
    /// that a reference to an inner node's value has.
    fn group_key_list(&self, keys: &[GroupKey], child: NodeId) -> PgResult<Property> {
        let passes_on = matches!(
            self.plan.nodes[child.index()].kind,
            NodeKind::Sort { .. } | NodeKind::Material(_) | NodeKind::Unique { .. }
        );
        let mut texts = Vec::with_capacity(keys.len());
        for key in keys {
            let own = match &key.expr {
                Expr::Var(var) if !passes_on => match &self.plan.ranges[var.rt].kind {
                    RangeKind::Computed(exprs) => exprs.get(var.attno as usize - 1),
                    _ => None,
                },
                _ => None,
            };
            texts.push(self.printer().expr(own.unwrap_or(&key.expr), Prefix::ByPlan)?);
        }
        Ok(Property::List(texts))
    }

    fn sort_key_list(&self, keys: &[SortKey]) -> PgResult<Property> {
        let mut texts = Vec::with_capacity(keys.len());
        for key in keys {
            let mut text = self.printer().expr(&key.expr, Prefix::ByPlan)?;
            if !matches!(key.expr, Expr::Var(_)) {
                text = format!("({text})");
            }
            if key.descending {
                text.push_str(" DESC");
            }
            // Said where it is not what the direction implies.
            match (key.nulls_first, key.descending) {
                (true, false) => text.push_str(" NULLS FIRST"),
                (false, true) => text.push_str(" NULLS LAST"),
                _ => {}
            }
            texts.push(text);
        }
        Ok(Property::List(texts))
    }

    fn modify_properties(&self, list: &mut Properties, node: &ModifyTable) -> PgResult<()> {
        let Some(conflict) = &node.conflict else { return Ok(()) };
        let resolution = if conflict.update.is_some() { "UPDATE" } else { "NOTHING" };
        list.push(("Conflict Resolution", Property::Text(resolution.to_owned())));
        if !conflict.arbiters.is_empty() {
            let names = conflict.arbiters.iter().map(|at| node.indexes[*at].index.name.to_string()).collect();
            list.push(("Conflict Arbiter Indexes", Property::List(names)));
        }
        if let Some(condition) = conflict.update.as_ref().and_then(|update| update.condition.as_ref()) {
            self.condition(list, "Conflict Filter", &condition.exprs, Prefix::Always)?;
        }
        Ok(())
    }
}

/// What was measured of this kind of node alone.
fn measured(list: &mut Properties, detail: NodeDetail) {
    match detail {
        NodeDetail::Sort { method, kib, disk } => {
            let place = if disk { "Disk" } else { "Memory" };
            list.push(("", Property::Line(format!("Sort Method: {method}  {place}: {kib}kB"))));
            list.push(("Sort Method", Property::Word(method)));
            list.push(("Sort Space Used", Property::Part(kib)));
            list.push(("Sort Space Type", Property::Word(place)));
        }
        NodeDetail::Hash { buckets, batches, kib } => {
            let line = format!("Buckets: {buckets}  Batches: {batches}  Memory Usage: {kib}kB");
            list.push(("", Property::Line(line)));
            list.push(("Hash Buckets", Property::Part(buckets)));
            list.push(("Original Hash Buckets", Property::Part(buckets)));
            list.push(("Hash Batches", Property::Part(batches)));
            list.push(("Original Hash Batches", Property::Part(batches)));
            list.push(("Peak Memory Usage", Property::Part(kib)));
        }
        NodeDetail::Groups { batches, kib, disk_kib } => {
            let mut line = format!("Batches: {batches}  Memory Usage: {kib}kB");
            if batches > 1 {
                line.push_str(&format!("  Disk Usage: {disk_kib}kB"));
            }
            list.push(("", Property::Line(line)));
            list.push(("HashAgg Batches", Property::Part(batches)));
            list.push(("Peak Memory Usage", Property::Part(kib)));
            list.push(("Disk Usage", Property::Part(disk_kib)));
        }
        NodeDetail::HeapFetches(count) => list.push(("Heap Fetches", Property::Count(count))),
        NodeDetail::HeapBlocks { exact, lossy } => {
            let mut line = "Heap Blocks:".to_owned();
            for (name, blocks) in [("exact", exact), ("lossy", lossy)] {
                if blocks > 0 {
                    line.push_str(&format!(" {name}={blocks}"));
                }
            }
            if exact + lossy > 0 {
                list.push(("", Property::Line(line)));
            }
            list.push(("Exact Heap Blocks", Property::Part(exact)));
            list.push(("Lossy Heap Blocks", Property::Part(lossy)));
        }
        NodeDetail::Conflicts { inserted, conflicting } => {
            list.push(("Tuples Inserted", Property::Count(inserted)));
            list.push(("Conflicting Tuples", Property::Count(conflicting)));
        }
    }
}

/// Rows that a condition dropped, per loop, if any.
fn removed(
    list: &mut Properties,
    name: &'static str,
    stats: Option<NodeStats>,
    count: impl Fn(&NodeStats) -> u64,
) {
    let Some(stats) = stats else { return };
    let dropped = count(&stats);
    if dropped > 0 {
        let per_loop = dropped as f64 / stats.loops.max(1) as f64;
        list.push((name, Property::Count(per_loop.round() as u64)));
    }
}
