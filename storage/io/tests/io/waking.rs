//! Futures that other threads wake, that wake themselves, and whose wakers outlive them, on every device.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use redoubt_io::portable::PortableOptions;
use redoubt_io::{Device, DiskStorage, IoBuf, LogDevice, Storage};

use crate::disk::devices;

/// After this long a wake is lost: nothing here takes a hundredth of it.
const LOST: Duration = Duration::from_secs(60);

/// Runs what `make` makes on a thread of its own, by the executor of a device, and gives its output, or nothing when
/// none came. A future that sleeps on for ever keeps its thread, and not the test.
fn drive<F, M, T>(device: Device, make: M) -> Option<T>
where
    M: FnOnce(DiskStorage) -> F + Send + 'static,
    F: Future<Output = T> + 'static,
    T: Send + 'static,
{
    let (done, wait_done) = mpsc::channel();
    thread::spawn(move || {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let storage = DiskStorage::open(directory.path(), device, PortableOptions::default()).expect("opens");
        let future = make(storage.clone());
        let _ = done.send(storage.drive(future).expect("an executor"));
    });
    wait_done.recv_timeout(LOST).ok()
}

/// What threads put in and one task takes out: a queue, and the waker of the task while it waits.
#[derive(Default)]
struct Inbox {
    requests: VecDeque<mpsc::Sender<()>>,
    waiter: Option<Waker>,
    is_closed: bool,
}

impl Inbox {
    fn put(inbox: &Mutex<Self>, change: impl FnOnce(&mut Self)) {
        let mut open = inbox.lock().expect("nobody panics");
        change(&mut open);
        let waiter = open.waiter.take();
        drop(open);
        waiter.into_iter().for_each(Waker::wake);
    }

    /// Answers every request until the inbox is closed. Returns how many there were.
    async fn serve(inbox: Arc<Mutex<Self>>) -> u64 {
        let mut served = 0;
        poll_fn(move |context| {
            let mut open = inbox.lock().expect("nobody panics");
            for answer in open.requests.drain(..) {
                served += 1;
                let _ = answer.send(());
            }
            if open.is_closed {
                return Poll::Ready(served);
            }
            open.waiter = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

#[test]
fn every_request_of_many_threads_is_answered() {
    const THREADS: u64 = 4;
    const REQUESTS: u64 = 25_000;
    for device in devices() {
        let inbox = Arc::new(Mutex::new(Inbox::default()));
        let asking: Vec<_> = (0..THREADS)
            .map(|number| {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || {
                    let (answer, answered) = mpsc::channel();
                    for request in 0..REQUESTS {
                        let answer = answer.clone();
                        Inbox::put(&inbox, |inbox| inbox.requests.push_back(answer));
                        let heard = answered.recv_timeout(LOST);
                        assert!(heard.is_ok(), "{device:?}: request {request} of thread {number} is lost");
                    }
                })
            })
            .collect();
        let closing = Arc::clone(&inbox);
        let closer = thread::spawn(move || {
            let ended: Vec<_> = asking.into_iter().map(|thread| thread.join().is_ok()).collect();
            Inbox::put(&closing, |inbox| inbox.is_closed = true);
            assert!(ended.into_iter().all(|is_ok| is_ok), "{device:?} loses wakes");
        });
        let (done, wait_done) = mpsc::channel();
        thread::spawn(move || {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let options = PortableOptions::default();
            let storage = DiskStorage::open(directory.path(), device, options).expect("opens");
            done.send(storage.drive(Inbox::serve(inbox)).expect("an executor")).expect("the test waits");
        });
        closer.join().expect("every request is answered");
        let served = wait_done.recv_timeout(LOST).expect("the task hears that it is over");
        assert_eq!(served, THREADS * REQUESTS);
    }
}

#[test]
fn wakers_may_be_kept_cloned_and_dropped_by_other_threads() {
    const TURNS: usize = 20_000;
    for device in devices() {
        let (give, taken) = mpsc::channel::<Waker>();
        let waking = thread::spawn(move || {
            let mut kept = Vec::new();
            for waker in taken {
                waker.wake_by_ref();
                // Twice, and from a clone: more wakes than anyone waits for.
                let again = waker.clone();
                again.wake();
                kept.push(waker);
            }
            kept
        });
        let turned = drive(device, |_| async move {
            for _ in 0..TURNS {
                let mut is_first = true;
                poll_fn(|context| {
                    if !std::mem::take(&mut is_first) {
                        return Poll::Ready(());
                    }
                    // More clones than sixteen bits count.
                    (0..3).for_each(|_| give.send(context.waker().clone()).expect("the other thread waits"));
                    Poll::Pending
                })
                .await;
            }
        });
        turned.unwrap_or_else(|| panic!("{device:?} loses wakes"));
        let late = waking.join().expect("no panic");
        assert_eq!(late.len(), 3 * TURNS);
        late.iter().for_each(Waker::wake_by_ref);
    }
}

#[test]
fn a_future_that_keeps_waking_itself_lets_its_writes_complete() {
    for device in devices() {
        let written = drive(device, |storage| async move {
            let log = storage.open_log("log", 1 << 20).await.expect("opens");
            let mut write = Box::pin(async move {
                for turn in 0..20_u8 {
                    log.write_at_and_flush(4096, IoBuf::from_slice(&[turn; 4096])).await.expect("writes");
                }
            });
            poll_fn(move |context| {
                if write.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        });
        written.unwrap_or_else(|| panic!("{device:?} lets nothing complete"));
    }
}
