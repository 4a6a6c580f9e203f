//! Running a translated subtree, and handing its rows to the row executor.
//!
//! DataFusion's tasks run on a pool of threads of this crate's own, one per core, so that a heavy statement
//! takes none of the threads that sessions run on. The session's thread waits for batches; it looks at its
//! interrupts meanwhile, and what runs on the pool looks at them with every batch. Dropping the rows ends the
//! tasks.

use crate::error::from_datafusion;
use crate::evaluate::Surroundings;
use crate::heap_scan::{Hold, Holders, Source};
use crate::repr::{Reader, Repr};
use crate::translate::{Refusal, Translator};
use arrow::array::RecordBatch;
use datafusion_common::DataFusionError;
use datafusion_execution::TaskContext;
use datafusion_execution::config::SessionConfig;
use datafusion_execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion_execution::memory_pool::FairSpillPool;
use datafusion_execution::runtime_env::RuntimeEnvBuilder;
use datafusion_physical_plan::ExecutionPlan;
use datafusion_physical_plan::metrics::MetricValue;
use futures_util::StreamExt;
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::{ExecContext, Offload, OffloadedRows};
use redoubt_functions::{Datum, PlainEnv};
use redoubt_plan::explain::NodeStats;
use redoubt_plan::{NodeId, Plan, Slot};
use redoubt_txn::Backend;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Rows per batch.
const BATCH_ROWS: usize = 8192;
/// Batches that may wait for the session; then the plan waits.
const WAITING_BATCHES: usize = 2;
/// How often a waiting session looks at its interrupts.
const LOOK_AROUND: Duration = Duration::from_millis(20);

/// The executor as a session uses it.
#[derive(Clone, Debug)]
pub struct DataFusion {
    /// The most memory that a statement's sorts, hash tables and groups may take, in bytes; what can be
    /// spilled goes to disk beyond it.
    pub memory_bytes: usize,
    /// Where it spills to.
    pub spill_directory: PathBuf,
    /// It must run what it is given: a lack of memory is the statement's error, and not the row executor's to cope with.
    pub forced: bool,
    /// Bytes of temporary files that a statement may have (`temp_file_limit`), if that is limited.
    pub spill_bytes: Option<u64>,
}

/// The pool's threads, one per core, at most 16.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).clamp(1, 16)
}

fn runtime() -> PgResult<&'static Runtime> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(threads())
            .thread_name("columnar")
            .enable_time()
            .build()
            .map_err(|error| error.to_string())
    });
    made.as_ref().map_err(|error| {
        PgError::new(code::INSUFFICIENT_RESOURCES, format!("could not start threads for DataFusion: {error}"))
    })
}

impl DataFusion {
    /// The error to report; the disk manager only has words for what exceeds its limit.
    fn error(&self, error: &DataFusionError) -> PgError {
        match self.spill_bytes {
            Some(limit) if error.to_string().contains("exceeded the allowable limit") => {
                let message = format!("temporary file size exceeds temp_file_limit ({}kB)", limit >> 10);
                PgError::new(code::CONFIGURATION_LIMIT_EXCEEDED, message)
            }
            _ => from_datafusion(error),
        }
    }

    fn task_context(&self) -> PgResult<TaskContext> {
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![self.spill_directory.clone()]))
            .with_max_temp_directory_size(self.spill_bytes.unwrap_or(u64::MAX));
        let env = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(self.memory_bytes)))
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(|error| self.error(&error))?;
        // What a sort keeps back for merging what it has spilled.
        let for_merging = (self.memory_bytes / 16).clamp(64 << 10, 10 << 20);
        let config = SessionConfig::new()
            .with_batch_size(BATCH_ROWS)
            .with_target_partitions(threads())
            .with_sort_spill_reservation_bytes(for_merging);
        let none = (HashMap::new(), HashMap::new(), HashMap::new(), HashMap::new());
        Ok(TaskContext::new(None, String::new(), config, none.0, none.1, none.2, none.3, env))
    }
}

impl Offload for DataFusion {
    fn start(
        &self,
        plan: &Arc<Plan>,
        node: NodeId,
        ctx: &ExecContext<'_>,
        frame: &[Datum],
    ) -> PgResult<Box<dyn OffloadedRows>> {
        let settings = (*ctx.env.settings()).clone();
        let env = PlainEnv::new(settings, ctx.env.transaction_timestamp_us());
        let around = Arc::new(Surroundings { plan: plan.clone(), frame: frame.to_vec(), env });
        let backend = ctx.storage.txn.backend().clone();
        let holders = Arc::new(Holders::default());
        let open = |relid| {
            let table = ctx.storage.relations.open(relid)?;
            let snapshot = ctx.storage.snapshot.clone();
            Ok(Source { heap: table.heap, snapshot, backend: backend.clone(), hold: Hold::new(&holders) })
        };
        let mut translator = Translator::new(&around, Some(backend.clone()), Some(&open), threads());
        let built = match translator.translate(node) {
            Ok(built) => built,
            Err(Refusal(what)) => {
                return Err(translator.error.take().unwrap_or_else(|| crate::choose::unsupported(&what)));
            }
        };
        let (sender, batches) = mpsc::channel(WAITING_BATCHES);
        let task = runtime()?.spawn(run(built.exec, Arc::new(self.task_context()?), sender));
        metrics::counter!("redoubt_datafusion_subtrees_total").increment(1);
        Ok(Box::new(Running {
            limits: self.clone(),
            columns: built.columns,
            nodes: std::mem::take(&mut translator.built),
            backend,
            batches,
            task,
            holders: holders.clone(),
            batch: None,
            row: 0,
        }))
    }

    /// Joins and groups that do not fit in memory here go to files there. Their sizes were estimates.
    fn may_run_by_rows(&self, error: &PgError) -> bool {
        !self.forced && error.code() == code::OUT_OF_MEMORY
    }
}

/// Runs a plan to its end. It is started here, too, because nodes start tasks where they are started.
async fn run(
    exec: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    sender: mpsc::Sender<Result<RecordBatch, DataFusionError>>,
) {
    let mut stream = match exec.execute(0, context) {
        Ok(stream) => stream,
        Err(error) => {
            // Nobody listens when the statement has ended already.
            let _told = sender.send(Err(error)).await;
            return;
        }
    };
    while let Some(batch) = stream.next().await {
        let ends = batch.is_err();
        if sender.send(batch).await.is_err() || ends {
            return;
        }
    }
}

/// A subtree that runs.
struct Running {
    limits: DataFusion,
    columns: Vec<Option<(Slot, Repr)>>,
    /// What each node of the plan has become, for measurements.
    nodes: Vec<(NodeId, Arc<dyn ExecutionPlan>)>,
    backend: Arc<Backend>,
    batches: mpsc::Receiver<Result<RecordBatch, DataFusionError>>,
    task: JoinHandle<()>,
    holders: Arc<Holders>,
    batch: Option<RecordBatch>,
    row: usize,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
        // What has been sent, and the plan itself, hold the snapshot too.
        self.batches.close();
        self.nodes.clear();
        redoubt_buffer::blocking(|| self.holders.wait());
    }
}

impl Running {
    /// Waits for the next batch; nothing at the end.
    fn next_batch(&mut self) -> PgResult<Option<RecordBatch>> {
        loop {
            self.backend.check_for_interrupts()?;
            let (batches, handle) = (&mut self.batches, runtime()?.handle());
            let waited = redoubt_buffer::blocking(|| {
                handle.block_on(async { tokio::time::timeout(LOOK_AROUND, batches.recv()).await })
            });
            match waited {
                Err(_) => continue,
                Ok(Some(Ok(batch))) => return Ok(Some(batch)),
                Ok(Some(Err(error))) => {
                    // Our own interrupt says what it was: a cancel, a timeout, the end of the connection.
                    self.backend.check_for_interrupts()?;
                    return Err(self.limits.error(&error));
                }
                Ok(None) => return self.end(),
            }
        }
    }

    /// The channel is closed: the plan has come to its end, or its task has panicked.
    fn end(&mut self) -> PgResult<Option<RecordBatch>> {
        let (task, handle) = (&mut self.task, runtime()?.handle());
        match redoubt_buffer::blocking(|| handle.block_on(task)) {
            Ok(()) => Ok(None),
            Err(error) => Err(PgError::internal(format!("DataFusion stopped: {error}"))),
        }
    }
}

impl OffloadedRows for Running {
    fn next(&mut self, frame: &mut [Datum]) -> PgResult<bool> {
        while self.batch.as_ref().is_none_or(|batch| self.row >= batch.num_rows()) {
            self.row = 0;
            self.batch = self.next_batch()?;
            if self.batch.is_none() {
                return Ok(false);
            }
        }
        let batch = self.batch.as_ref().expect("a batch with a row left");
        for (column, array) in self.columns.iter().zip(batch.columns()) {
            if let Some((slot, repr)) = column {
                frame[slot.index()] = Reader::new(*repr, array).get(self.row)?;
            }
        }
        self.row += 1;
        Ok(true)
    }

    fn measured(&self, tell: &mut dyn FnMut(NodeId, NodeStats)) {
        for (id, exec) in &self.nodes {
            let rows = exec.metrics().and_then(|metrics| metrics.output_rows()).unwrap_or(0) as u64;
            let total_ms = compute_ms(exec);
            tell(*id, NodeStats { startup_ms: 0.0, total_ms, rows, loops: 1, ..NodeStats::default() });
        }
    }
}

/// Milliseconds that a node and what is below it have computed, on all threads together.
fn compute_ms(exec: &Arc<dyn ExecutionPlan>) -> f64 {
    let own: usize = exec.metrics().map_or(0, |metrics| {
        let times = metrics.iter().filter_map(|metric| match metric.value() {
            MetricValue::ElapsedCompute(time) => Some(time.value()),
            _ => None,
        });
        times.sum()
    });
    own as f64 / 1e6 + exec.children().into_iter().map(compute_ms).sum::<f64>()
}
