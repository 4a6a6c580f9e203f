//! Files over io_uring, by glommio: what a shard's thread uses where the kernel lets it.
//!
//! A log's aligned writes and reads go past the page cache straight from the shard's thread; the flush that follows a
//! write is a separate `fdatasync` in the same ring. Nothing else stands between a batch and the device: no queue,
//! no second thread, no lock. Page files, and log reads that are not aligned, go through the page cache: a page
//! that is there already is read without the ring, which would lose to `preadv2`.
//!
//! Creating, growing and control files are left to the portable storage: they are rare, and glommio's own ways
//! of growing a file per write cost milliseconds.

mod bell;
mod file;
mod probe;

use std::cell::Cell;
use std::io;
use std::time::Duration;

use glommio::{Latency, LocalExecutor, LocalExecutorBuilder, Placement, Shares};

pub(crate) use file::RingFile;
pub(crate) use probe::{bare_ring_refusal, refusal};

/// Registered memory of one executor, in bytes, which the kernel pins; glommio's default is ten times 1 MiB for each
/// of three rings. A batch that is longer goes through memory of the process.
const IO_MEMORY_BYTES: usize = 512 << 10;
/// Operations in flight that a ring has room for. A shard has one write and a handful of page reads.
const RING_DEPTH: usize = 64;
/// The executor's preemption timer, which is never to fire. One that does, after the reactor has made the task ready
/// and before the task is run, lets glommio 0.9 find no task run, forget that one is ready, and go to sleep
/// (`LocalExecutor::run` and `run_task_queues`): the wake is lost, whoever it came from, until something else happens.
/// There is one task; it has nobody to be preempted for.
const NEVER: Duration = Duration::from_secs(1 << 30);

thread_local! {
    /// Whether this thread is inside [`drive`].
    static IN_RING: Cell<bool> = const { Cell::new(false) };
}

/// Whether ring files can be opened on this thread at this moment.
pub(crate) fn is_driven() -> bool {
    IN_RING.get()
}

/// Runs a future to its end on a ring of this thread.
///
/// # Errors
/// When the kernel refuses the ring.
pub(crate) fn drive<F>(future: F) -> io::Result<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let executor = executor()?;
    let _inside = Inside::enter();
    executor.run(async move {
        // To a queue with a latency bound, and only to such a one, glommio passes a wake of another thread on by an
        // event in the ring, whatever it believes about who sleeps.
        let latency = Latency::Matters(NEVER);
        let queue = glommio::executor().create_task_queue(Shares::default(), latency, "shard");
        let output = glommio::spawn_local_into(bell::run(future), queue).map_err(io::Error::from)?.await;
        bell::step_aside().await;
        Ok(output)
    })
}

fn executor() -> io::Result<LocalExecutor> {
    let builder = LocalExecutorBuilder::new(Placement::Unbound).name("redoubt-ring");
    let builder = builder.io_memory(IO_MEMORY_BYTES).ring_depth(RING_DEPTH).preempt_timer(NEVER);
    builder.make().map_err(io::Error::from)
}

/// Marks the thread while it lives, a panic that leaves it included.
struct Inside;

impl Inside {
    fn enter() -> Self {
        assert!(!IN_RING.replace(true), "one executor runs on a thread at a time");
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        IN_RING.set(false);
    }
}
