//! A few threads that make blocking calls, and futures that wait for them on any executor.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use futures_channel::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// A group of threads with one queue. They end, after what was queued, when it is dropped.
pub(crate) struct Threads {
    queue: Arc<Queue>,
    handles: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Threads {
    /// Starts `count` threads, at least one.
    pub(crate) fn start(name: &str, count: usize) -> io::Result<Arc<Self>> {
        let mut threads = Self { queue: Arc::default(), handles: Vec::new() };
        for number in 0..count.max(1) {
            let queue = Arc::clone(&threads.queue);
            let builder = thread::Builder::new().name(format!("{name}-{number}"));
            // On an error, dropping what was started ends it.
            threads.handles.push(builder.spawn(move || queue.work())?);
        }
        Ok(Arc::new(threads))
    }

    /// Queues a blocking call at once; the future gives its result. Dropping the future does not recall the call.
    pub(crate) fn run<T, F>(&self, call: F) -> impl Future<Output = io::Result<T>> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> io::Result<T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.queue.push(Box::new(move || {
            let result = call();
            // Nobody may be waiting any more, which is their decision.
            let _ = sender.send(result);
        }));
        async move { receiver.await.unwrap_or_else(|_| Err(io::Error::other("the I/O call panicked"))) }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Jobs run outside the lock, so the state is whole even if a holder panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, job: Job) {
        self.state().jobs.push_back(job);
        self.changed.notify_one();
    }

    fn work(&self) {
        loop {
            let mut state = self.state();
            let job = loop {
                if let Some(job) = state.jobs.pop_front() {
                    break job;
                }
                if state.closed {
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            };
            drop(state);
            // A panic ends the call, whose future then fails, and not the thread, on which others depend.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.queue.state().closed = true;
        self.queue.changed.notify_all();
        for handle in self.handles.drain(..) {
            // Waiting keeps a late write from landing after whoever opens the directory next has looked. The last
            // owner may be a task that was woken, and dropped, on one of the threads themselves.
            if handle.thread().id() != thread::current().id() {
                let _ = handle.join();
            }
        }
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").field("count", &self.handles.len()).finish_non_exhaustive()
    }
}
