//! A plan as a tree of named properties.

mod details;

use super::expr::{Prefix, Printer};
use super::names::{Names, table_name};
use super::{ExplainContext, ExplainOptions, Measurements, NodeStats};
use crate::aggregate::AggStrategy;
use crate::join::JoinType;
use crate::node::{Estimate, NodeId, NodeKind, Plan, PlanNode};
use crate::planner::children;
use crate::program::{Program, Step};
use crate::range::RangeKind;
use crate::subplan::SubPlanId;
use redoubt_analyze::query::{CommandType, SetOp};
use redoubt_error::PgResult;
use redoubt_functions::quote_identifier;

/// One node as it is shown.
#[derive(Debug)]
pub(super) struct View {
    /// What its parent calls it: `Outer`, `Inner`, `Member`, `Subquery`, `InitPlan`, `SubPlan`.
    pub relationship: Option<&'static str>,
    /// The heading of a subplan or WITH query.
    pub subplan: Option<String>,
    /// The node's type without further words, for JSON.
    pub node_type: &'static str,
    /// The line's text before the numbers.
    pub title: String,
    /// Words of the title as properties of their own, for JSON.
    pub words: Vec<(&'static str, Property)>,
    pub estimate: Option<Estimate>,
    pub stats: Option<NodeStats>,
    pub timing: bool,
    pub properties: Vec<(&'static str, Property)>,
    pub children: Vec<View>,
}

/// A property's value.
#[derive(Clone, Debug)]
pub(super) enum Property {
    Text(String),
    List(Vec<String>),
    Count(u64),
    /// A whole line, of the text format only.
    Line(String),
    /// A number that the text format has in a line with others.
    Part(u64),
    /// A word of that kind.
    Word(&'static str),
}

/// What comes after the plan.
pub(super) struct Summary<'a> {
    pub planning_ms: Option<f64>,
    pub execution_ms: Option<f64>,
    pub analyzed: bool,
    pub settings: &'a [(&'static str, String)],
}

/// Makes the views.
pub(super) struct Explainer<'a> {
    pub plan: &'a Plan,
    pub options: &'a ExplainOptions,
    pub measured: Option<&'a Measurements>,
    pub context: &'a ExplainContext<'a>,
    pub names: Names,
}

impl<'a> Explainer<'a> {
    pub(super) fn root(&self) -> PgResult<View> {
        let mut view = self.level(self.plan.root, None)?;
        // WITH queries belong to the level that defines them; those nobody reads have none.
        let mut ctes = Vec::new();
        for cte in self.plan.ctes.iter().flatten() {
            let mut child = self.level(cte.root, Some("InitPlan"))?;
            child.subplan = Some(format!("CTE {}", cte.name));
            ctes.push(child);
        }
        view.children.splice(0..0, ctes);
        Ok(view)
    }

    pub(super) fn printer(&self) -> Printer<'_> {
        Printer { plan: self.plan, context: self.context, names: &self.names, verbose: self.options.verbose }
    }

    fn node_of(&self, id: NodeId) -> &'a PlanNode {
        &self.plan.nodes[id.index()]
    }

    /// The top node of a query level, with the init plans of the level.
    fn level(&self, id: NodeId, relationship: Option<&'static str>) -> PgResult<View> {
        let mut view = self.node(id, relationship)?;
        let mut inits = Vec::new();
        self.init_plans(id, &mut inits);
        let mut children = Vec::new();
        for subplan in inits {
            let plan = &self.plan.subplans[subplan.index()];
            let mut child = self.level(plan.root, Some("InitPlan"))?;
            child.subplan = Some(format!("InitPlan {} (returns ${})", plan.number, plan.param));
            children.push(child);
        }
        view.children.splice(0..0, children);
        Ok(view)
    }

    /// Init plans used in a level's nodes.
    fn init_plans(&self, id: NodeId, found: &mut Vec<SubPlanId>) {
        for subplan in self.subplans_of(id) {
            if self.plan.subplans[subplan.index()].init && !found.contains(&subplan) {
                found.push(subplan);
            }
        }
        for child in children(&self.node_of(id).kind) {
            self.init_plans(child, found);
        }
        found.sort_unstable_by_key(|id| self.plan.subplans[id.index()].number);
    }

    /// Subqueries in a node's own expressions.
    fn subplans_of(&self, id: NodeId) -> Vec<SubPlanId> {
        let node = self.node_of(id);
        let mut found = Vec::new();
        let mut visit = |program: &Program| collect_subplans(program, &mut found);
        if let Some(filter) = &node.filter {
            visit(&filter.program);
        }
        visit(&node.project);
        each_program(&node.kind, &mut visit);
        found
    }

    fn node(&self, id: NodeId, relationship: Option<&'static str>) -> PgResult<View> {
        let node = self.node_of(id);
        let (node_type, title, words) = self.title(node)?;
        let stats = self.measured.and_then(|measured| measured.nodes.get(id.index()).copied());
        let mut view = View {
            relationship,
            subplan: None,
            node_type,
            title,
            words,
            estimate: self.options.costs.then_some(node.estimate),
            stats,
            timing: self.options.timing,
            properties: self.details(node, stats)?,
            children: Vec::new(),
        };
        let kinds = children(&node.kind);
        let append =
            matches!(node.kind, NodeKind::Append(_) | NodeKind::BitmapAnd(_) | NodeKind::BitmapOr(_));
        for (index, child) in kinds.into_iter().enumerate() {
            let relationship = match (&node.kind, append, index) {
                (NodeKind::SubqueryScan { .. }, _, _) => "Subquery",
                (_, true, _) => "Member",
                (_, _, 0) => "Outer",
                _ => "Inner",
            };
            // A subquery scan starts a level of its own.
            let child = if matches!(node.kind, NodeKind::SubqueryScan { .. }) {
                self.level(child, Some(relationship))?
            } else {
                self.node(child, Some(relationship))?
            };
            view.children.push(child);
        }
        for subplan in self.subplans_of(id) {
            let plan = &self.plan.subplans[subplan.index()];
            if plan.init {
                continue;
            }
            let mut child = self.level(plan.root, Some("SubPlan"))?;
            child.subplan = Some(format!("SubPlan {}", plan.number));
            view.children.push(child);
        }
        Ok(view)
    }

    /// A node's type, its line, and the line's words as properties.
    #[allow(clippy::type_complexity)]
    fn title(&self, node: &PlanNode) -> PgResult<(&'static str, String, Vec<(&'static str, Property)>)> {
        let plain = |name: &'static str| (name, name.to_owned(), Vec::new());
        Ok(match &node.kind {
            NodeKind::Result { .. } => plain("Result"),
            NodeKind::ProjectSet(_) => plain("ProjectSet"),
            NodeKind::SeqScan(scan) => {
                let name = if scan.sample.is_some() { "Sample Scan" } else { "Seq Scan" };
                self.scan_title(name, scan.scan.range)?
            }
            NodeKind::IndexScan(scan) => {
                let name = if scan.index_only { "Index Only Scan" } else { "Index Scan" };
                let (_, on, mut words) = self.scan_title("", scan.scan.range)?;
                let backward = if scan.backward { " Backward" } else { "" };
                let index = quote_identifier(&scan.index.name);
                words.insert(0, ("Index Name", Property::Text(scan.index.name.to_string())));
                let direction = if scan.backward { "Backward" } else { "Forward" };
                words.insert(0, ("Scan Direction", Property::Text(direction.to_owned())));
                (name, format!("{name}{backward} using {index}{on}"), words)
            }
            NodeKind::BitmapHeapScan(scan) => self.scan_title("Bitmap Heap Scan", scan.scan.range)?,
            NodeKind::BitmapIndexScan(scan) => {
                let index = quote_identifier(&scan.index.name);
                let words = vec![("Index Name", Property::Text(scan.index.name.to_string()))];
                ("Bitmap Index Scan", format!("Bitmap Index Scan on {index}"), words)
            }
            NodeKind::BitmapAnd(_) => plain("BitmapAnd"),
            NodeKind::BitmapOr(_) => plain("BitmapOr"),
            NodeKind::TidScan(scan) => self.scan_title("Tid Scan", scan.scan.range)?,
            NodeKind::SubqueryScan { range, .. } => self.scan_title("Subquery Scan", *range)?,
            NodeKind::FunctionScan(scan) => self.scan_title("Function Scan", scan.range)?,
            NodeKind::ValuesScan(scan) => self.scan_title("Values Scan", scan.range)?,
            NodeKind::CteScan(scan) => self.scan_title("CTE Scan", scan.range)?,
            NodeKind::WorkTableScan(scan) => self.scan_title("WorkTable Scan", scan.range)?,
            NodeKind::NestedLoop(join) => join_title("Nested Loop", "Nested Loop", join.join),
            NodeKind::MergeJoin(join) => join_title("Merge Join", "Merge", join.join),
            NodeKind::HashJoin(join) => join_title("Hash Join", "Hash", join.join),
            NodeKind::Hash(_) => plain("Hash"),
            NodeKind::Material(_) => plain("Materialize"),
            NodeKind::Sort { .. } => plain("Sort"),
            NodeKind::Limit(_) => plain("Limit"),
            NodeKind::Unique { .. } => plain("Unique"),
            NodeKind::Group { .. } => plain("Group"),
            NodeKind::Aggregate(aggregation) => {
                let (name, strategy) = match aggregation.strategy {
                    AggStrategy::Plain => ("Aggregate", "Plain"),
                    AggStrategy::Sorted if aggregation.calls.is_empty() => ("Group", "Sorted"),
                    AggStrategy::Sorted => ("GroupAggregate", "Sorted"),
                    AggStrategy::Hashed => ("HashAggregate", "Hashed"),
                    AggStrategy::Mixed => ("MixedAggregate", "Mixed"),
                };
                let node_type = if name == "Group" { "Group" } else { "Aggregate" };
                (node_type, name.to_owned(), aggregate_words(strategy))
            }
            NodeKind::Window(_) => plain("WindowAgg"),
            NodeKind::Append(_) => plain("Append"),
            NodeKind::SetOp(operation) => {
                let name = if operation.hashed { "HashSetOp" } else { "SetOp" };
                let mut command =
                    if operation.op == SetOp::Intersect { "Intersect" } else { "Except" }.to_owned();
                if operation.all {
                    command.push_str(" All");
                }
                let words = vec![("Command", Property::Text(command.clone()))];
                ("SetOp", format!("{name} {command}"), words)
            }
            NodeKind::RecursiveUnion(_) => plain("Recursive Union"),
            NodeKind::Offload { executor, .. } => {
                let words = vec![("Custom Plan Provider", Property::Text((*executor).to_owned()))];
                ("Custom Scan", format!("Custom Scan ({executor})"), words)
            }
            NodeKind::LockRows(_) => plain("LockRows"),
            NodeKind::ModifyTable(modify) => {
                let operation = match modify.operation {
                    CommandType::Update => "Update",
                    CommandType::Delete => "Delete",
                    _ => "Insert",
                };
                let (_, on, mut words) = self.scan_title("", modify.range)?;
                words.insert(0, ("Operation", Property::Text(operation.to_owned())));
                ("ModifyTable", format!("{operation}{on}"), words)
            }
        })
    }

    /// `Seq Scan on t alias`.
    #[allow(clippy::type_complexity)]
    fn scan_title(
        &self,
        name: &'static str,
        range: usize,
    ) -> PgResult<(&'static str, String, Vec<(&'static str, Property)>)> {
        let alias = &self.names.aliases[range];
        let mut words = Vec::new();
        let object = match &self.plan.ranges[range].kind {
            RangeKind::Relation { .. } => match table_name(self.plan, range, self.context)? {
                Some(table) => {
                    words.push(("Relation Name", Property::Text(table.name.to_string())));
                    if self.options.verbose {
                        words.push(("Schema", Property::Text(table.schema.to_string())));
                        let (schema, name) = (quote_identifier(&table.schema), quote_identifier(&table.name));
                        (format!("{schema}.{name}"), table.name.to_string())
                    } else {
                        (quote_identifier(&table.name).to_string(), table.name.to_string())
                    }
                }
                None => (quote_identifier(alias).to_string(), alias.clone()),
            },
            RangeKind::Cte(number) | RangeKind::WorkTable(number) => {
                let cte = self.plan.ctes.get(*number).and_then(Option::as_ref);
                let cte = cte.map_or_else(|| alias.clone(), |cte| cte.name.to_string());
                words.push(("CTE Name", Property::Text(cte.clone())));
                (quote_identifier(&cte).to_string(), cte)
            }
            RangeKind::Function => match self.function_name(range) {
                Some(function) => {
                    words.push(("Function Name", Property::Text(function.clone())));
                    (quote_identifier(&function).to_string(), function)
                }
                None => (quote_identifier(alias).to_string(), alias.clone()),
            },
            _ => (quote_identifier(alias).to_string(), alias.clone()),
        };
        words.push(("Alias", Property::Text(alias.clone())));
        let mut title = format!("{name} on {}", object.0);
        if object.1 != *alias {
            title.push(' ');
            title.push_str(&quote_identifier(alias));
        }
        Ok((name, title, words))
    }

    /// The function of a FROM item that is one plain call.
    fn function_name(&self, range: usize) -> Option<String> {
        use crate::scan::ScanCall;
        self.plan.nodes.iter().find_map(|node| {
            let NodeKind::FunctionScan(scan) = &node.kind else { return None };
            if scan.range != range || scan.functions.len() != 1 {
                return None;
            }
            match &scan.functions[0].call {
                ScanCall::Set(call) => Some(self.plan.call_sites[call.site.0 as usize].name.to_string()),
                ScanCall::Scalar(value) => value.program.steps.iter().rev().find_map(|step| match step {
                    Step::Call { site, .. } => Some(self.plan.call_sites[site.0 as usize].name.to_string()),
                    _ => None,
                }),
            }
        })
    }

    pub(super) fn own_prefix(&self, range: usize) -> Prefix {
        if self.options.verbose { Prefix::Always } else { Prefix::Except(range) }
    }
}

fn aggregate_words(strategy: &str) -> Vec<(&'static str, Property)> {
    let text = |text: &str| Property::Text(text.to_owned());
    vec![("Strategy", text(strategy)), ("Partial Mode", text("Simple"))]
}

#[allow(clippy::type_complexity)]
fn join_title(
    node_type: &'static str,
    word: &'static str,
    join: JoinType,
) -> (&'static str, String, Vec<(&'static str, Property)>) {
    let kind = match join {
        JoinType::Inner => "Inner",
        JoinType::Left => "Left",
        JoinType::Right => "Right",
        JoinType::Full => "Full",
        JoinType::Semi => "Semi",
        JoinType::Anti => "Anti",
    };
    let title = match (join, word) {
        (JoinType::Inner, "Nested Loop") => "Nested Loop".to_owned(),
        (JoinType::Inner, word) => format!("{word} Join"),
        (_, word) => format!("{word} {kind} Join"),
    };
    (node_type, title, vec![("Join Type", Property::Text(kind.to_owned()))])
}

fn collect_subplans(program: &Program, found: &mut Vec<SubPlanId>) {
    for step in &program.steps {
        match step {
            Step::SubPlan { id, .. } if !found.contains(id) => found.push(*id),
            Step::ArrayCast(cast) => collect_subplans(&cast.cast.program, found),
            Step::RowCompare(compare) => {
                compare.columns.iter().for_each(|column| collect_subplans(&column.operands, found));
            }
            _ => {}
        }
    }
}

/// Calls `f` on the programs of a node's own kind, filter and projection not included.
fn each_program(kind: &NodeKind, f: &mut dyn FnMut(&Program)) {
    use crate::scan::{IndexTest, ScanCall, ValuesRow};
    match kind {
        NodeKind::Result { once: Some(once), .. } => f(&once.program),
        NodeKind::ProjectSet(node) => node.calls.iter().for_each(|call| f(&call.program)),
        NodeKind::IndexScan(node) => {
            for condition in &node.conditions {
                match &condition.test {
                    IndexTest::Compare { value, .. } | IndexTest::AnyOf { array: value, .. } => {
                        f(&value.program)
                    }
                    _ => {}
                }
            }
        }
        NodeKind::SeqScan(node) => {
            if let Some(sample) = &node.sample {
                std::iter::once(&sample.percent).chain(&sample.seed).for_each(|value| f(&value.program));
            }
        }
        NodeKind::FunctionScan(node) => node.functions.iter().for_each(|function| match &function.call {
            ScanCall::Set(call) => f(&call.program),
            ScanCall::Scalar(value) => f(&value.program),
        }),
        NodeKind::ValuesScan(node) => node.rows.iter().for_each(|row| {
            if let ValuesRow::Computed(program) = row {
                f(program);
            }
        }),
        NodeKind::NestedLoop(node) => node.condition.iter().for_each(|filter| f(&filter.program)),
        NodeKind::HashJoin(node) => {
            node.keys.iter().for_each(|key| [&key.outer, &key.inner].iter().for_each(|v| f(&v.program)));
            node.condition.iter().for_each(|filter| f(&filter.program));
        }
        NodeKind::MergeJoin(node) => node.condition.iter().for_each(|filter| f(&filter.program)),
        NodeKind::Limit(node) => node.count.iter().chain(&node.offset).for_each(|value| f(&value.program)),
        NodeKind::Aggregate(node) => node.calls.iter().for_each(|call| {
            f(&call.program);
            call.filter.iter().for_each(|filter| f(&filter.program));
        }),
        NodeKind::ModifyTable(node) => {
            f(&node.generated);
            if let Some(update) = node.conflict.as_ref().and_then(|conflict| conflict.update.as_ref()) {
                f(&update.set);
                update.condition.iter().for_each(|filter| f(&filter.program));
            }
        }
        _ => {}
    }
}
