//! A node that runs the plan's own programs over its input's batches: filters, projections, and the
//! arguments and keys that joins, sorts and aggregates work on.

use crate::error::to_datafusion;
use crate::evaluate::{Batch, Column, Surroundings};
use crate::flow::Rows;
use crate::heap_scan::check_pending;
use crate::repr::{Reader, Repr};
use arrow::array::{Array, ArrayRef, BooleanArray, LargeBinaryBuilder, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_common::Result;
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion_physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion_physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures_util::StreamExt;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Oid, key};
use redoubt_plan::Slot;
use redoubt_plan::program::{Program, Value};
use redoubt_txn::Backend;
use std::fmt;
use std::sync::Arc;

/// What is done with each batch, in order.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// Only rows that pass go on.
    Filter(Program),
    /// Computes slots.
    Compute(Program),
    /// Computes an aggregate call's arguments for the rows that its FILTER passes.
    Arguments { filter: Option<Value>, program: Program, args: Vec<(Slot, Repr)> },
}

/// A column of the result.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// A slot.
    Slot(Slot, Repr),
    /// An integer slot of any width in 64 bits, to join by.
    Wide(Slot),
    /// A slot's bytes by which it sorts and compares (`redoubt_functions::key`).
    Key { slot: Slot, type_oid: Oid, descending: bool, nulls_first: bool, keep_null: bool },
    /// The arguments of the n-th aggregate call, and with a FILTER whether the row counts.
    Arguments(usize),
}

/// The node.
pub(crate) struct ProgramExec {
    around: Arc<Surroundings>,
    backend: Option<Arc<Backend>>,
    input: Arc<dyn ExecutionPlan>,
    /// The slots of the input's columns; `None` for columns that are not needed.
    columns: Vec<Option<(Slot, Repr)>>,
    work: Vec<Work>,
    outputs: Vec<Output>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl ProgramExec {
    pub(crate) fn new(
        around: Arc<Surroundings>,
        backend: Option<Arc<Backend>>,
        input: Arc<dyn ExecutionPlan>,
        columns: Vec<Option<(Slot, Repr)>>,
        work: Vec<Work>,
        outputs: Vec<Output>,
    ) -> Self {
        let schema = schema_of(&outputs, &work);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            input.output_partitioning().clone(),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        ProgramExec {
            around,
            backend,
            input,
            columns,
            work,
            outputs,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

/// The Arrow schema of a row of these columns. Columns are found by their places, names are for DataFusion's
/// messages.
pub(crate) fn schema_of_types(types: impl IntoIterator<Item = DataType>) -> SchemaRef {
    let fields: Vec<Field> =
        types.into_iter().enumerate().map(|(at, ty)| Field::new(format!("c{at}"), ty, true)).collect();
    Arc::new(Schema::new(fields))
}

fn schema_of(outputs: &[Output], work: &[Work]) -> SchemaRef {
    let mut types = Vec::new();
    for output in outputs {
        match output {
            Output::Slot(_, repr) => types.push(repr.data_type()),
            Output::Wide(_) => types.push(DataType::Int64),
            Output::Key { .. } => types.push(DataType::LargeBinary),
            Output::Arguments(call) => {
                let (filter, args) = arguments(work, *call);
                types.extend(args.iter().map(|(_, repr)| repr.data_type()));
                types.extend(filter.map(|_| DataType::Boolean));
            }
        }
    }
    schema_of_types(types)
}

/// The n-th aggregate call's FILTER and arguments.
fn arguments(work: &[Work], call: usize) -> (Option<&Value>, &[(Slot, Repr)]) {
    let mut calls = work.iter().filter_map(|work| match work {
        Work::Arguments { filter, args, .. } => Some((filter.as_ref(), args.as_slice())),
        _ => None,
    });
    calls.nth(call).expect("outputs name calls that there are")
}

impl fmt::Debug for ProgramExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProgramExec({} programs, {} columns)", self.work.len(), self.outputs.len())
    }
}

impl DisplayAs for ProgramExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl ExecutionPlan for ProgramExec {
    fn name(&self) -> &str {
        "ProgramExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(ProgramExec::new(
            self.around.clone(),
            self.backend.clone(),
            children.swap_remove(0),
            self.columns.clone(),
            self.work.clone(),
            self.outputs.clone(),
        )))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        use datafusion_physical_plan::execution_plan::ChildrenPropertiesMode;
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let runner = Runner {
            around: self.around.clone(),
            backend: self.backend.clone(),
            columns: self.columns.clone(),
            work: self.work.clone(),
            outputs: self.outputs.clone(),
            schema: self.schema(),
        };
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let stream = input.map(move |batch| {
            let _timer = metrics.elapsed_compute().timer();
            let batch = runner.run(&batch?).map_err(to_datafusion)?;
            metrics.record_output(batch.num_rows());
            Ok(batch)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// What a partition's stream needs of the node.
struct Runner {
    around: Arc<Surroundings>,
    backend: Option<Arc<Backend>>,
    columns: Vec<Option<(Slot, Repr)>>,
    work: Vec<Work>,
    outputs: Vec<Output>,
    schema: SchemaRef,
}

impl Runner {
    fn run(&self, input: &RecordBatch) -> PgResult<RecordBatch> {
        if let Some(backend) = &self.backend {
            check_pending(backend)?;
        }
        let mut batch = load(&self.around, &self.columns, input);
        let mut calls: Vec<Vec<ArrayRef>> = Vec::new();
        for work in &self.work {
            match work {
                Work::Filter(program) => {
                    let rows = batch.run(program, Rows::All)?;
                    if let Rows::Some(rows) = rows {
                        batch = batch.keep(&rows)?;
                    }
                }
                Work::Compute(program) => {
                    batch.run(program, Rows::All)?;
                }
                Work::Arguments { filter, program, args } => {
                    calls.push(run_arguments(&mut batch, filter.as_ref(), program, args)?);
                }
            }
        }
        let mut arrays = Vec::with_capacity(self.schema.fields().len());
        for output in &self.outputs {
            match output {
                Output::Slot(slot, repr) => arrays.push(batch.array(*slot, *repr, &Rows::All)?),
                Output::Wide(slot) => arrays.push(wide(&batch, *slot)?),
                Output::Key { slot, type_oid, descending, nulls_first, keep_null } => {
                    arrays.push(keys(&batch, *slot, *type_oid, *descending, *nulls_first, *keep_null)?);
                }
                Output::Arguments(call) => arrays.append(&mut calls[*call]),
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map_err(|error| PgError::internal(format!("Arrow: {error}")))
    }
}

/// A batch with the input's columns in their slots.
pub(crate) fn load<'s>(
    around: &'s Surroundings,
    columns: &[Option<(Slot, Repr)>],
    input: &RecordBatch,
) -> Batch<'s> {
    let mut batch = Batch::new(around, input.num_rows());
    for (column, array) in columns.iter().zip(input.columns()) {
        if let Some((slot, repr)) = column {
            batch.set(*slot, Column::Each(*repr, array.clone()));
        }
    }
    batch
}

/// The arguments of an aggregate call, and with a FILTER whether each row passes it.
fn run_arguments(
    batch: &mut Batch<'_>,
    filter: Option<&Value>,
    program: &Program,
    args: &[(Slot, Repr)],
) -> PgResult<Vec<ArrayRef>> {
    let passing = match filter {
        None => Rows::All,
        Some(filter) => {
            batch.run(&filter.program, Rows::All)?;
            batch.true_rows(filter.slot)?
        }
    };
    batch.run(program, passing.clone())?;
    let mut arrays = Vec::with_capacity(args.len() + 1);
    for (slot, repr) in args {
        arrays.push(batch.array(*slot, *repr, &Rows::All)?);
    }
    if filter.is_some() {
        let mut flags = vec![false; batch.rows()];
        passing.iter(batch.rows()).for_each(|row| flags[row] = true);
        arrays.push(Arc::new(BooleanArray::from(flags)));
    }
    Ok(arrays)
}

fn wide(batch: &Batch<'_>, slot: Slot) -> PgResult<ArrayRef> {
    let (repr, array) = batch.whole(slot)?;
    match repr {
        Repr::Int8 => Ok(array),
        // A constant NULL has no layout of its own.
        Repr::Encoded => Ok(arrow::array::new_null_array(&DataType::Int64, batch.rows())),
        _ => arrow::compute::cast(&array, &DataType::Int64)
            .map_err(|error| PgError::internal(format!("Arrow: {error}"))),
    }
}

fn keys(
    batch: &Batch<'_>,
    slot: Slot,
    type_oid: Oid,
    descending: bool,
    nulls_first: bool,
    keep_null: bool,
) -> PgResult<ArrayRef> {
    let (repr, array) = batch.whole(slot)?;
    let reader = Reader::new(repr, &array);
    let mut builder = LargeBinaryBuilder::with_capacity(batch.rows(), batch.rows() * 12);
    let mut bytes = Vec::new();
    for row in 0..batch.rows() {
        if keep_null && array.is_null(row) {
            builder.append_null();
            continue;
        }
        bytes.clear();
        key::encode(type_oid, &reader.get(row)?, descending, nulls_first, &mut bytes)?;
        builder.append_value(&bytes);
    }
    Ok(Arc::new(builder.finish()))
}
