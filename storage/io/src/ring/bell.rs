//! How a ring's one task is woken, by its own thread and by others.
//!
//! glommio's wakers are kept from the future: they count their clones in sixteen bits, queue every wake of another
//! thread on its own, and free the task from under a thread that drops the last of them at the wrong moment. The
//! future gets a waker of ours instead, which any thread may clone, keep, use and drop. Only the first wake between
//! two polls goes on to the executor.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use glommio::timer::Timer;

/// Polls in a row of a future that wakes itself, before operations that completed have their turn.
const POLLS_IN_A_ROW: usize = 2;
/// The wait of a task that only lets the ring have its turn: the shortest that has not passed when it is asked for.
const SHORTEST_WAIT: Duration = Duration::from_micros(1);

thread_local! {
    /// The bell whose future this thread is polling; null when there is none.
    static POLLED: Cell<*const Bell> = const { Cell::new(ptr::null()) };
}

/// The waker of the one future.
#[derive(Default)]
struct Bell {
    /// From a wake to the poll that follows it.
    is_rung: AtomicBool,
    /// The future woke itself while it was polled. Written and read by its own thread alone.
    rang_itself: AtomicBool,
    /// The task's waker, until the future has ended. It is cloned and dropped by the task's thread only.
    task: Mutex<Option<Waker>>,
}

impl Bell {
    fn set_task(&self, task: Option<Waker>) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = task;
    }

    /// Polls once. Returns whether the future woke itself, if it is not ready.
    fn poll<F: Future>(self: &Arc<Self>, waker: &Waker, future: Pin<&mut F>) -> Poll<F::Output> {
        // What was written before a wake is seen from here on.
        self.is_rung.swap(false, Ordering::AcqRel);
        self.rang_itself.store(false, Ordering::Relaxed);
        let _polled = Polled::enter(self);
        future.poll(&mut Context::from_waker(waker))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_rung.swap(true, Ordering::AcqRel) {
            return;
        }
        if ptr::eq(POLLED.get(), Arc::as_ptr(self)) {
            self.rang_itself.store(true, Ordering::Relaxed);
            return;
        }
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.iter().for_each(Waker::wake_by_ref);
    }
}

/// Marks the thread while it polls, a panic that leaves the poll included.
struct Polled;

impl Polled {
    fn enter(bell: &Arc<Bell>) -> Self {
        POLLED.set(Arc::as_ptr(bell));
        Self
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        POLLED.set(ptr::null());
    }
}

/// Takes the task's waker from its bell, on the task's thread, when the future has ended or was dropped.
struct Silence(Arc<Bell>);

impl Drop for Silence {
    fn drop(&mut self) {
        self.0.set_task(None);
    }
}

/// Runs a future as the calling task, woken through a bell.
///
/// A future that keeps waking itself (a background loop that steps back for others) lets completed operations be
/// noticed all the same: the executor, which never preempts, would run nothing else.
pub(super) async fn run<F: Future>(future: F) -> F::Output {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    let silence = Silence(Arc::clone(&bell));
    let mut future = pin!(future);
    let mut is_first = true;
    let mut turn = None;
    poll_fn(move |context| {
        let bell = &silence.0;
        if std::mem::take(&mut is_first) {
            bell.set_task(Some(context.waker().clone()));
        }
        drop(turn.take());
        for _ in 0..POLLS_IN_A_ROW {
            if let Poll::Ready(output) = bell.poll(&waker, future.as_mut()) {
                return Poll::Ready(output);
            }
            if !bell.rang_itself.load(Ordering::Relaxed) {
                return Poll::Pending;
            }
        }
        turn = Some(charged_timer(context));
        Poll::Pending
    })
    .await
}

/// A timer that wakes the task at the reactor's next turn.
fn charged_timer(context: &mut Context<'_>) -> Timer {
    let mut wait = SHORTEST_WAIT;
    loop {
        let mut timer = Timer::new(wait);
        if Pin::new(&mut timer).poll(context).is_pending() {
            return timer;
        }
        wait *= 2;
    }
}

/// Lets the reactor have a turn: it takes in, and lets go of, the last wakes of a task that has ended.
pub(super) async fn step_aside() {
    let mut turn = None;
    poll_fn(|context| match turn.take() {
        Some(_) => Poll::Ready(()),
        None => {
            turn = Some(charged_timer(context));
            Poll::Pending
        }
    })
    .await;
}
