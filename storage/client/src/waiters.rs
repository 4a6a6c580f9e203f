//! Those who wait for a record to be durable, in the order of the records.
//!
//! The durable end of the log is one atomic number. Whoever finds it too low queues a waker under the
//! number it waits for; whoever raises it takes exactly the wakers that are due off the queue and wakes
//! them, lowest first. Nobody is woken to find that it must go on waiting.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use parking_lot::Mutex;
use redoubt_page::Lsn;

use crate::error::VolumeError;

/// The durable end of the log and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    vdl: AtomicU64,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// By record, then by order of arrival.
    waiting: BTreeMap<(Lsn, u64), Waker>,
    arrivals: u64,
    /// Why nothing becomes durable any more.
    ended: Option<VolumeError>,
}

/// Those whose record is durable now.
#[must_use = "who is due waits to be woken"]
#[derive(Debug, Default)]
pub(crate) struct Due(BTreeMap<(Lsn, u64), Waker>);

impl Due {
    /// Wakes them, lowest record first. Not under a lock that they may want.
    pub(crate) fn wake(self) {
        self.0.into_values().for_each(Waker::wake);
    }
}

impl Waiters {
    pub(crate) fn new(vdl: Lsn) -> Self {
        Self { vdl: AtomicU64::new(vdl.get()), queue: Mutex::default() }
    }

    /// The durable end of the log.
    pub(crate) fn vdl(&self) -> Lsn {
        Lsn::new(self.vdl.load(Ordering::Acquire))
    }

    /// Raises the durable end, and takes those who waited for it off the queue. Calls come in rising order.
    pub(crate) fn advance(&self, vdl: Lsn) -> Due {
        self.vdl.store(vdl.get(), Ordering::Release);
        let mut queue = self.queue.lock();
        let later = queue.waiting.split_off(&(vdl.next(), 0));
        Due(std::mem::replace(&mut queue.waiting, later))
    }

    /// Nothing becomes durable any more: everyone is told why.
    pub(crate) fn end(&self, error: VolumeError) {
        let mut queue = self.queue.lock();
        queue.ended.get_or_insert(error);
        let all = std::mem::take(&mut queue.waiting);
        drop(queue);
        all.into_values().for_each(Waker::wake);
    }

    /// Why nothing becomes durable any more, if that is so.
    pub(crate) fn ended(&self) -> Option<VolumeError> {
        self.queue.lock().ended.clone()
    }

    /// Waits until the durable end has reached `lsn`.
    pub(crate) fn wait(&self, lsn: Lsn) -> DurableWait<'_> {
        DurableWait { waiters: self, lsn, place: None }
    }

    /// As `wait`, blocking the thread.
    pub(crate) fn wait_blocking(&self, lsn: Lsn) -> Result<(), VolumeError> {
        if self.vdl() >= lsn {
            return Ok(());
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut wait = self.wait(lsn);
        loop {
            match Pin::new(&mut wait).poll(&mut context) {
                Poll::Ready(result) => return result,
                Poll::Pending => thread::park(),
            }
        }
    }
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// See [`Waiters::wait`]. Takes itself off the queue when dropped.
pub(crate) struct DurableWait<'a> {
    waiters: &'a Waiters,
    lsn: Lsn,
    place: Option<u64>,
}

impl Future for DurableWait<'_> {
    type Output = Result<(), VolumeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.waiters.vdl() >= self.lsn {
            return Poll::Ready(Ok(()));
        }
        let mut queue = self.waiters.queue.lock();
        // The end is raised before the queue is looked through: either this look or that one finds the other.
        if self.waiters.vdl() >= self.lsn {
            return Poll::Ready(Ok(()));
        }
        if let Some(error) = &queue.ended {
            return Poll::Ready(Err(error.clone()));
        }
        let place = self.place.unwrap_or(queue.arrivals);
        queue.arrivals = queue.arrivals.max(place + 1);
        let key = (self.lsn, place);
        match queue.waiting.get_mut(&key) {
            Some(waker) => waker.clone_from(context.waker()),
            None => {
                queue.waiting.insert(key, context.waker().clone());
            }
        }
        drop(queue);
        self.place = Some(place);
        Poll::Pending
    }
}

impl Drop for DurableWait<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.waiters.queue.lock().waiting.remove(&(self.lsn, place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Log(Mutex<Vec<u64>>);
    struct Named(Arc<Log>, u64);

    impl Wake for Named {
        fn wake(self: Arc<Self>) {
            self.0.0.lock().push(self.1);
        }
    }

    fn poll(wait: &mut DurableWait<'_>, log: &Arc<Log>, name: u64) -> Poll<Result<(), VolumeError>> {
        let waker = Waker::from(Arc::new(Named(Arc::clone(log), name)));
        Pin::new(wait).poll(&mut Context::from_waker(&waker))
    }

    #[test]
    fn wakes_who_is_due_in_order_and_nobody_else() {
        let (waiters, log) = (Waiters::new(Lsn::new(3)), Arc::new(Log(Mutex::default())));
        let mut waits: Vec<DurableWait<'_>> =
            [9, 5, 7, 5].iter().map(|lsn| waiters.wait(Lsn::new(*lsn))).collect();
        for (name, wait) in waits.iter_mut().enumerate() {
            assert!(poll(wait, &log, name as u64).is_pending());
        }
        assert_eq!(poll(&mut waiters.wait(Lsn::new(3)), &log, 9), Poll::Ready(Ok(())));
        waiters.advance(Lsn::new(4)).wake();
        assert!(log.0.lock().is_empty());
        waiters.advance(Lsn::new(7)).wake();
        assert_eq!(*log.0.lock(), [1, 3, 2]);
        assert_eq!(poll(&mut waits[2], &log, 2), Poll::Ready(Ok(())));
        waiters.end(VolumeError::OutOfSpace);
        assert_eq!(*log.0.lock(), [1, 3, 2, 0]);
        assert_eq!(poll(&mut waits[0], &log, 0), Poll::Ready(Err(VolumeError::OutOfSpace)));
        assert_eq!(waiters.wait_blocking(Lsn::new(7)), Ok(()));
        assert_eq!(waiters.wait_blocking(Lsn::new(8)), Err(VolumeError::OutOfSpace));
    }

    #[test]
    fn who_gave_up_is_not_woken() {
        let (waiters, log) = (Waiters::new(Lsn::ZERO), Arc::new(Log(Mutex::default())));
        let mut wait = waiters.wait(Lsn::new(1));
        assert!(poll(&mut wait, &log, 0).is_pending());
        drop(wait);
        waiters.advance(Lsn::new(1)).wake();
        assert!(log.0.lock().is_empty());
    }
}
