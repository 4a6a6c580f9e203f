//! From a row plan's subtree to a DataFusion physical plan.
//!
//! Our planner has chosen scans, join order and methods; each of its nodes becomes DataFusion's node of the
//! same kind, between nodes that run the plan's own compiled programs. DataFusion's planner and optimiser are
//! not used, so nothing is decided by rules that know SQL in general but not PostgreSQL. What has no exact
//! counterpart is refused by name, and stays with the row executor.

mod group;
mod join;
mod layout;
mod sort;

pub(crate) use group::depends_on_order;

use crate::evaluate::Surroundings;
use crate::heap_scan::{HeapScanExec, Source};
use crate::program_exec::{Output, ProgramExec, Work, schema_of_types};
use crate::repr::Repr;
use datafusion_common::DataFusionError;
use datafusion_physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion_physical_plan::union::UnionExec;
use datafusion_physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use redoubt_error::PgResult;
use redoubt_functions::Oid;
use redoubt_plan::join::JoinType;
use redoubt_plan::range::RangeKind;
use redoubt_plan::scan::{ScanColumns, SeqScan};
use redoubt_plan::{NodeId, NodeKind, Plan, PlanNode, Slot};
use redoubt_txn::Backend;
use std::collections::HashMap;
use std::sync::Arc;

/// Why a subtree stays with the row executor: what has no translation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub String);

pub(crate) type Translated<T> = Result<T, Refusal>;

pub(crate) fn refuse<T>(what: impl Into<String>) -> Translated<T> {
    Err(Refusal(what.into()))
}

impl From<DataFusionError> for Refusal {
    fn from(error: DataFusionError) -> Self {
        Refusal(format!("a plan that DataFusion refuses: {error}"))
    }
}

/// Opens the tables of a plan that is going to run.
pub(crate) type OpenSource<'a> = &'a dyn Fn(Oid) -> PgResult<Source>;

/// A translated subtree: the node, and which slots its columns are for.
pub(crate) struct Built {
    pub exec: Arc<dyn ExecutionPlan>,
    /// `None` for columns that nobody above asks for (keys).
    pub columns: Vec<Option<(Slot, Repr)>>,
}

/// Translates one subtree.
pub(crate) struct Translator<'a> {
    plan: &'a Plan,
    around: Arc<Surroundings>,
    backend: Option<Arc<Backend>>,
    /// Absent while it is only asked whether the subtree can be translated.
    open: Option<OpenSource<'a>>,
    partitions: usize,
    /// The layouts of slots written in the subtree.
    layouts: HashMap<Slot, Repr>,
    /// What each node of the plan has become.
    pub built: Vec<(NodeId, Arc<dyn ExecutionPlan>)>,
    /// An error of opening a table, to be told instead of the refusal.
    pub error: Option<redoubt_error::PgError>,
}

impl<'a> Translator<'a> {
    pub(crate) fn new(
        around: &'a Arc<Surroundings>,
        backend: Option<Arc<Backend>>,
        open: Option<OpenSource<'a>>,
        partitions: usize,
    ) -> Self {
        Translator {
            plan: &around.plan,
            around: around.clone(),
            backend,
            open,
            partitions,
            layouts: HashMap::new(),
            built: Vec::new(),
            error: None,
        }
    }

    /// Translates the subtree under a node into a plan of one partition.
    pub(crate) fn translate(&mut self, root: NodeId) -> Translated<Built> {
        if needs_order(self.plan, root) {
            self.partitions = 1;
        }
        let built = self.node(root)?;
        Ok(one_partition(built))
    }

    fn plan_node(&self, id: NodeId) -> &'a PlanNode {
        &self.plan.nodes[id.index()]
    }

    fn node(&mut self, id: NodeId) -> Translated<Built> {
        let node = self.plan_node(id);
        let built = match &node.kind {
            // Every part of it is named, so that one that is added does not go unnoticed.
            NodeKind::SeqScan(SeqScan { scan, sample: None }) => self.scan(scan)?,
            NodeKind::SeqScan(SeqScan { scan: _, sample: Some(_) }) => return refuse("TABLESAMPLE"),
            NodeKind::SubqueryScan { child, .. } | NodeKind::Hash(child) | NodeKind::Material(child) => {
                self.node(*child)?
            }
            NodeKind::Result { child: Some(child), once: None } => self.node(*child)?,
            NodeKind::Result { child: None, .. } => return refuse("a query without tables"),
            NodeKind::Result { .. } => return refuse("a condition that is tested once"),
            NodeKind::HashJoin(join) => self.hash_join(join)?,
            NodeKind::NestedLoop(join) => self.nested_loop(join)?,
            NodeKind::Aggregate(aggregation) => self.aggregate(id, aggregation)?,
            NodeKind::Unique { child, keys } | NodeKind::Group { child, keys } => {
                self.unique(*child, keys)?
            }
            NodeKind::Sort { child, keys, bound } => self.sort(*child, keys, bound.as_ref())?,
            NodeKind::Limit(limit) => self.limit(limit)?,
            NodeKind::Append(children) => self.append(children)?,
            other => return refuse(name_of(other)),
        };
        let built = self.finish(node, built)?;
        self.built.push((id, built.exec.clone()));
        Ok(built)
    }

    fn scan(&mut self, scan: &ScanColumns) -> Translated<Built> {
        if !scan.system.is_empty() {
            return refuse("system columns");
        }
        if scan.whole_row.is_some() {
            return refuse("whole-row references");
        }
        let RangeKind::Relation { relid, desc, .. } = &self.plan.ranges[scan.range].kind else {
            return refuse("a scan of something else than a table");
        };
        let mut columns = Vec::with_capacity(scan.columns.len());
        let mut slots = Vec::with_capacity(scan.columns.len());
        for &(attno, slot) in &scan.columns {
            let attr = &desc.attrs[attno as usize - 1];
            // A dropped column reads as NULL, whatever its type was.
            let repr = match Repr::of_type(attr.type_oid) {
                Some(repr) => repr,
                None if attr.dropped => Repr::Encoded,
                None => return refuse(format!("columns of {}", layout::type_name(attr.type_oid))),
            };
            self.set_layout(slot, repr)?;
            columns.push((attno as usize - 1, repr));
            slots.push(Some((slot, repr)));
        }
        let source = match self.open {
            None => None,
            Some(open) => match open(*relid) {
                Ok(source) => Some(source),
                Err(error) => {
                    self.error = Some(error);
                    return refuse("a table that cannot be opened");
                }
            },
        };
        let schema = schema_of_types(columns.iter().map(|(_, repr)| repr.data_type()));
        // A partition should have some pages to read.
        const MIN_PARTITION_BLOCKS: usize = 64;
        let blocks = source.as_ref().map_or(0, |source| source.heap.nblocks() as usize);
        let partitions = self.partitions.min(blocks / MIN_PARTITION_BLOCKS).max(1);
        let exec = HeapScanExec::new(source, desc.clone(), columns, schema, partitions);
        Ok(Built { exec: Arc::new(exec), columns: slots })
    }

    /// A node's filter and projection over what the node itself delivers, down to what is wanted above it.
    fn finish(&mut self, node: &PlanNode, built: Built) -> Translated<Built> {
        let mut work = Vec::new();
        if let Some(filter) = &node.filter {
            self.learn(&filter.program)?;
            work.push(Work::Filter(filter.program.clone()));
        }
        if !node.project.steps.is_empty() {
            self.learn(&node.project)?;
            work.push(Work::Compute(node.project.clone()));
        }
        let wanted: Vec<(Slot, Repr)> =
            node.live.iter().map(|slot| (*slot, self.layout_or_any(*slot))).collect();
        if work.is_empty() && built.columns.iter().copied().eq(wanted.iter().copied().map(Some)) {
            return Ok(built);
        }
        let outputs = wanted.iter().map(|&(slot, repr)| Output::Slot(slot, repr)).collect();
        Ok(Built {
            exec: self.program(built, work, outputs),
            columns: wanted.into_iter().map(Some).collect(),
        })
    }

    fn program(&self, input: Built, work: Vec<Work>, outputs: Vec<Output>) -> Arc<dyn ExecutionPlan> {
        let (around, backend) = (self.around.clone(), self.backend.clone());
        Arc::new(ProgramExec::new(around, backend, input.exec, input.columns, work, outputs))
    }

    /// All rows of each child in turn; every child writes the same slots.
    fn append(&mut self, children: &[NodeId]) -> Translated<Built> {
        let mut inputs: Vec<Arc<dyn ExecutionPlan>> = Vec::with_capacity(children.len());
        let mut columns: Option<Vec<Option<(Slot, Repr)>>> = None;
        for child in children {
            let built = self.node(*child)?;
            let live = &self.plan_node(*child).live;
            let wanted: Vec<(Slot, Repr)> =
                live.iter().map(|slot| (*slot, self.layout_or_any(*slot))).collect();
            let outputs = wanted.iter().map(|&(slot, repr)| Output::Slot(slot, repr)).collect();
            let these: Vec<Option<(Slot, Repr)>> = wanted.into_iter().map(Some).collect();
            if columns.as_ref().is_some_and(|columns| *columns != these) {
                return refuse("UNION ALL of columns that lie differently");
            }
            inputs.push(self.program(built, Vec::new(), outputs));
            columns = Some(these);
        }
        match columns {
            Some(columns) if inputs.len() > 1 => Ok(Built { exec: UnionExec::try_new(inputs)?, columns }),
            Some(columns) => Ok(Built { exec: inputs.swap_remove(0), columns }),
            None => refuse("a query without tables"),
        }
    }
}

/// The same rows in one partition.
pub(crate) fn one_partition(built: Built) -> Built {
    if built.exec.output_partitioning().partition_count() <= 1 {
        return built;
    }
    Built { exec: Arc::new(CoalescePartitionsExec::new(built.exec)), columns: built.columns }
}

/// Whether the answer of a subtree can depend on the order in which its rows are read: then it is read in
/// the row executor's order, in one partition.
fn needs_order(plan: &Plan, root: NodeId) -> bool {
    let node = &plan.nodes[root.index()];
    let here = match &node.kind {
        NodeKind::Aggregate(aggregation) => depends_on_order(root, aggregation),
        NodeKind::Unique { .. } | NodeKind::Group { .. } => true,
        _ => false,
    };
    here || redoubt_plan::children(&node.kind).into_iter().any(|child| needs_order(plan, child))
}

/// What a node that has no translation is called in the message.
fn name_of(kind: &NodeKind) -> &'static str {
    match kind {
        NodeKind::ProjectSet(_) => "set-returning functions",
        NodeKind::IndexScan(_) | NodeKind::BitmapHeapScan(_) | NodeKind::TidScan(_) => "an index scan",
        NodeKind::BitmapIndexScan(_) | NodeKind::BitmapAnd(_) | NodeKind::BitmapOr(_) => "an index scan",
        NodeKind::FunctionScan(_) => "functions in FROM",
        NodeKind::ValuesScan(_) => "VALUES lists",
        NodeKind::CteScan(_) => "WITH queries that are not inlined",
        NodeKind::WorkTableScan(_) | NodeKind::RecursiveUnion(_) => "recursive WITH queries",
        NodeKind::MergeJoin(join) if join.join == JoinType::Full => "a full join by merging",
        NodeKind::MergeJoin(_) => "a merge join",
        NodeKind::Window(_) => "window functions",
        NodeKind::SetOp(_) => "INTERSECT and EXCEPT",
        NodeKind::LockRows(_) => "row locks",
        NodeKind::ModifyTable(_) => "statements that change rows",
        NodeKind::Offload { .. } => "a part that is run elsewhere already",
        _ => "this kind of plan node",
    }
}
