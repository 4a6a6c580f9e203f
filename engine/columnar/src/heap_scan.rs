//! Reading a table into record batches.
//!
//! Pages are read, and row versions judged, by the same scan as in the row executor, under the statement's
//! snapshot; only the columns that the plan wants are taken out of a row, straight into Arrow's buffers. Each
//! partition reads a stretch of the table's blocks.

use crate::error::to_datafusion;
use crate::repr::{Collector, Repr};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion_common::Result;
use datafusion_common::tree_node::TreeNodeRecursion;
use datafusion_execution::{SendableRecordBatchStream, TaskContext};
use datafusion_physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion_physical_plan::coop::make_cooperative;
use datafusion_physical_plan::execution_plan::{Boundedness, EmissionType, ReplaceChildrenOptions};
use datafusion_physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion_physical_plan::stream::RecordBatchStreamAdapter;
use datafusion_physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use parking_lot::{Condvar, Mutex};
use redoubt_access::{Direction, Heap, HeapScan};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::TupleDesc;
use redoubt_txn::{Backend, Snapshot};
use std::fmt;
use std::sync::Arc;

/// A table open for reading, and as of when.
#[derive(Clone)]
pub(crate) struct Source {
    pub heap: Arc<Heap>,
    pub snapshot: Snapshot,
    /// Whose interrupts end the scan.
    pub backend: Arc<Backend>,
    /// Behind the snapshot, so that it is let go after it.
    pub hold: Hold,
}

/// Counts who holds the statement's snapshot. DataFusion's tasks end on their own threads, some time after they
/// were told to; the session must not go on before the last of them has let go.
#[derive(Default)]
pub(crate) struct Holders {
    count: Mutex<usize>,
    gone: Condvar,
}

impl Holders {
    /// Waits until nobody holds the snapshot.
    pub(crate) fn wait(&self) {
        let mut count = self.count.lock();
        while *count > 0 {
            self.gone.wait(&mut count);
        }
    }
}

/// One holder.
pub(crate) struct Hold(Arc<Holders>);

impl Hold {
    pub(crate) fn new(holders: &Arc<Holders>) -> Hold {
        *holders.count.lock() += 1;
        Hold(holders.clone())
    }
}

impl Clone for Hold {
    fn clone(&self) -> Hold {
        Hold::new(&self.0)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        *self.0.count.lock() -= 1;
        self.0.gone.notify_all();
    }
}

/// A scan of a whole table.
pub(crate) struct HeapScanExec {
    /// Absent while it is only asked whether a plan can run here.
    source: Option<Source>,
    desc: TupleDesc,
    /// Attribute numbers from 0, ascending, and their columns' layouts.
    columns: Arc<[(usize, Repr)]>,
    partitions: usize,
    /// How long the table was when the statement came to it; all partitions divide the same length.
    blocks: u32,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl HeapScanExec {
    pub(crate) fn new(
        source: Option<Source>,
        desc: TupleDesc,
        columns: Vec<(usize, Repr)>,
        schema: SchemaRef,
        partitions: usize,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let blocks = source.as_ref().map_or(0, |source| source.heap.nblocks());
        HeapScanExec {
            source,
            blocks,
            desc,
            columns: columns.into(),
            partitions,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl fmt::Debug for HeapScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeapScanExec({} columns, {} partitions)", self.columns.len(), self.partitions)
    }
}

impl DisplayAs for HeapScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl ExecutionPlan for HeapScanExec {
    fn name(&self) -> &str {
        "HeapScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(source) = &self.source else {
            return Err(to_datafusion(PgError::internal("a plan that was only examined is run")));
        };
        let bound = |at: usize| (u64::from(self.blocks) * at as u64 / self.partitions as u64) as u32;
        let mut scan = HeapScan::over(
            source.heap.clone(),
            source.snapshot.clone(),
            bound(partition),
            bound(partition + 1),
        );
        if source.heap.is_large(self.blocks) {
            scan = scan.once();
        }
        let batches = Batches {
            scan,
            backend: source.backend.clone(),
            desc: self.desc.clone(),
            columns: self.columns.clone(),
            schema: self.schema(),
            batch_rows: context.session_config().batch_size(),
            metrics: BaselineMetrics::new(&self.metrics, partition),
            done: false,
            _hold: source.hold.clone(),
        };
        let stream = RecordBatchStreamAdapter::new(self.schema(), futures_util::stream::iter(batches));
        Ok(make_cooperative(Box::pin(stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// The batches of one partition.
struct Batches {
    scan: HeapScan,
    backend: Arc<Backend>,
    desc: TupleDesc,
    columns: Arc<[(usize, Repr)]>,
    schema: SchemaRef,
    batch_rows: usize,
    metrics: BaselineMetrics,
    done: bool,
    /// Let go after the scan.
    _hold: Hold,
}

/// Batches end before they have this many bytes of long values.
const MAX_BATCH_BYTES: usize = 8 << 20;

impl Batches {
    fn next_batch(&mut self) -> PgResult<Option<RecordBatch>> {
        check_pending(&self.backend)?;
        let mut collectors: Vec<Collector> =
            self.columns.iter().map(|(_, repr)| Collector::new(*repr, self.batch_rows)).collect();
        let (mut rows, mut bytes) = (0, 0);
        while rows < self.batch_rows && bytes < MAX_BATCH_BYTES {
            let Some((_, tuple)) = self.scan.next(Direction::Forward)? else {
                self.done = true;
                break;
            };
            rows += 1;
            bytes += tuple.bytes().len();
            let (mut values, stored, mut next) = (tuple.values(), tuple.natts(), 0);
            for (collector, &(wanted, _)) in collectors.iter_mut().zip(self.columns.iter()) {
                while next < wanted.min(stored) {
                    values.skip()?;
                    next += 1;
                }
                let attr = &self.desc.attrs[wanted];
                if attr.dropped {
                    collector.push_null();
                } else if wanted < stored {
                    next = wanted + 1;
                    collector.push_stored(&mut values)?;
                } else {
                    match &attr.missing {
                        Some(value) => collector.push(value)?,
                        None => collector.push_null(),
                    }
                }
            }
        }
        if rows == 0 {
            return Ok(None);
        }
        let arrays = collectors.into_iter().map(Collector::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
            .map(Some)
            .map_err(|error| PgError::internal(format!("Arrow: {error}")))
    }
}

/// Fails if the session was asked to stop. The interrupt stays: the session's own thread reports it.
pub(crate) fn check_pending(backend: &Backend) -> PgResult<()> {
    if backend.interrupts().is_pending() {
        return Err(PgError::new(code::QUERY_CANCELED, "canceling statement due to user request"));
    }
    Ok(())
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let time = self.metrics.elapsed_compute().clone();
        let timer = time.timer();
        let batch = self.next_batch();
        drop(timer);
        match batch {
            Ok(Some(batch)) => {
                self.metrics.record_output(batch.num_rows());
                Some(Ok(batch))
            }
            Ok(None) => None,
            Err(error) => {
                self.done = true;
                Some(Err(to_datafusion(error)))
            }
        }
    }
}
