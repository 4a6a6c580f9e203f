//! The way into a shard from other threads.
//!
//! Two queues, because a read must not wait for a flush: what changes something, in order, and what only
//! asks. A writer does not queue its batches at all. It rings, and the shard fetches what has gathered when it
//! is about to write: a batch fills until it really leaves.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use redoubt_page::Lsn;
use redoubt_protocol::{ImageProgress, Message, NodeId, Origin, SegmentId, Status};

/// Where batches are fetched from at the moment they can be written.
pub trait Cargo: Send + Sync {
    /// Appends what has gathered, up to about `max_bytes` of records, every copy counted; with zero, only what
    /// carries no records. Returns whether something is left. Called on the shard's thread.
    fn load(&self, max_bytes: usize, messages: &mut Vec<Message>) -> bool;

    /// The lowest read point that the writer, and whoever reads through it, may still ask for.
    fn read_floor(&self) -> Lsn;

    /// The shard cannot free space before it knows that VDL and read floor have reached `lsn`: it is to be told
    /// once that is so, although no record may follow. Called on the shard's thread.
    fn positions_wanted(&self, lsn: Lsn);
}

/// Where a shard's answers go.
pub trait Outbound {
    /// Takes the answers to one origin, in order, and leaves the vector empty. Called on the shard's thread;
    /// must not block.
    fn deliver(&self, to: Origin, messages: &mut Vec<Message>);

    /// The origin under which a node of another shard can be asked for what is missing here; nothing when there
    /// is no connection to it at the moment.
    fn peer(&self, _node: NodeId) -> Option<Origin> {
        None
    }
}

/// The way in. Clones share it.
#[derive(Clone, Default)]
pub struct ShardHandle {
    inbox: Arc<Mutex<Inbox>>,
    counters: Arc<Mutex<Counters>>,
    statuses: Arc<Mutex<Published>>,
}

/// What other threads see of the segments.
#[derive(Clone, Debug, Default)]
struct Published {
    statuses: Vec<Status>,
    taking: Vec<(SegmentId, ImageProgress)>,
}

/// What a shard has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Writes of the log, each with one flush.
    pub log_writes: u64,
    /// Pages served.
    pub pages_served: u64,
    /// Page images written, each node's counted.
    pub images_written: u64,
    /// Chunks of the log in use, the one being written included.
    pub chunks_in_use: u64,
    /// Chunks given back.
    pub chunks_recycled: u64,
    /// Damaged blocks and images that were found.
    pub damage_found: u64,
    /// Damaged blocks and images that were replaced from a peer.
    pub damage_repaired: u64,
    /// How often a page could not be made from any node's copies.
    pub damage_unrepairable: u64,
    /// Bytes of records that writers sent.
    pub writer_record_bytes: u64,
    /// Bytes of records that peers filled in.
    pub peer_record_bytes: u64,
    /// Page images that peers gave in the place of records.
    pub peer_images: u64,
}

#[derive(Default)]
struct Inbox {
    changes: VecDeque<(Origin, Message)>,
    questions: VecDeque<(Origin, Message)>,
    cargo: Vec<(Origin, Arc<dyn Cargo>)>,
    rung: Vec<Origin>,
    /// Origins whose records were left where they are because there was no space for them.
    held_back: Vec<Origin>,
    nudged: bool,
    gossip: bool,
    looks: u64,
    closed: bool,
    change_waiter: Option<Waker>,
    question_waiter: Option<Waker>,
}

/// What a shard is to do next.
pub(crate) enum Work {
    /// These messages, in order.
    Messages(Vec<(Origin, Message)>),
    /// Nothing, ever again.
    Closed,
}

impl ShardHandle {
    /// A way into a shard that is not running yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        // Nothing panics while holding it with the queues half changed.
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the shard has done so far.
    pub fn counters(&self) -> Counters {
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Sends a message to the shard. After `close` it goes nowhere.
    pub fn send(&self, from: Origin, message: Message) {
        let mut inbox = self.inbox();
        let waiter = match message {
            Message::ReadPage(_) => {
                inbox.questions.push_back((from, message));
                inbox.question_waiter.take()
            }
            _ => {
                inbox.changes.push_back((from, message));
                inbox.change_waiter.take()
            }
        };
        drop(inbox);
        waiter.into_iter().for_each(Waker::wake);
    }

    /// Names the place where an origin's batches are fetched from.
    pub fn set_cargo(&self, from: Origin, cargo: Arc<dyn Cargo>) {
        let mut inbox = self.inbox();
        inbox.cargo.retain(|(origin, _)| *origin != from);
        inbox.cargo.push((from, cargo));
    }

    /// Forgets an origin that will send nothing more. What it sent before and was not fetched is dropped.
    pub fn forget(&self, from: Origin) {
        let mut inbox = self.inbox();
        inbox.cargo.retain(|(origin, _)| *origin != from);
        inbox.rung.retain(|origin| *origin != from);
        inbox.held_back.retain(|origin| *origin != from);
    }

    /// Lets the nodes look whether peers in other shards have something that they lack. To be called at an interval
    /// of some round trips.
    pub fn gossip(&self) {
        let mut inbox = self.inbox();
        inbox.gossip = true;
        inbox.looks += 1;
        let waiter = inbox.change_waiter.take();
        drop(inbox);
        waiter.into_iter().for_each(Waker::wake);
    }

    /// How often the shard was told to look at something: a clock of a kind.
    pub(crate) fn looks(&self) -> u64 {
        self.inbox().looks
    }

    /// Whether it is time to ask peers.
    pub(crate) fn take_gossip(&self) -> bool {
        std::mem::take(&mut self.inbox().gossip)
    }

    /// Where the segments stood at the last look at peers, or when they were opened.
    pub fn statuses(&self) -> Vec<Status> {
        self.published().statuses.clone()
    }

    /// The segments that are being given images in the place of records, as of the same look.
    pub fn taking(&self) -> Vec<(SegmentId, ImageProgress)> {
        self.published().taking.clone()
    }

    fn published(&self) -> MutexGuard<'_, Published> {
        self.statuses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn publish(&self, statuses: Vec<Status>, taking: Vec<(SegmentId, ImageProgress)>) {
        *self.published() = Published { statuses, taking };
    }

    /// Says that there is something to fetch. Ringing again before it is fetched changes nothing.
    pub fn ring(&self, from: Origin) {
        let mut inbox = self.inbox();
        if !inbox.rung.contains(&from) {
            inbox.rung.push(from);
        }
        let waiter = inbox.change_waiter.take();
        drop(inbox);
        waiter.into_iter().for_each(Waker::wake);
    }

    /// The highest of the writers' read floors: newer writers read no lower than older ones.
    pub(crate) fn read_floor(&self) -> Lsn {
        let cargo: Vec<Arc<dyn Cargo>> =
            self.inbox().cargo.iter().map(|(_, cargo)| Arc::clone(cargo)).collect();
        cargo.iter().map(|cargo| cargo.read_floor()).max().unwrap_or(Lsn::ZERO)
    }

    /// Asks every writer to say so when VDL and read floor have reached `lsn`.
    pub(crate) fn want_positions(&self, lsn: Lsn) {
        let cargo: Vec<Arc<dyn Cargo>> =
            self.inbox().cargo.iter().map(|(_, cargo)| Arc::clone(cargo)).collect();
        cargo.iter().for_each(|cargo| cargo.positions_wanted(lsn));
    }

    /// Lets the shard try again what it had no space for: the device may have some now. To be called at an interval of
    /// seconds.
    pub fn nudge(&self) {
        let mut inbox = self.inbox();
        inbox.nudged = true;
        inbox.looks += 1;
        let waiter = inbox.change_waiter.take();
        drop(inbox);
        waiter.into_iter().for_each(Waker::wake);
    }

    /// Ends the shard once it has done what was asked before.
    pub fn close(&self) {
        let mut inbox = self.inbox();
        inbox.closed = true;
        let waiters = [inbox.change_waiter.take(), inbox.question_waiter.take()];
        drop(inbox);
        waiters.into_iter().flatten().for_each(Waker::wake);
    }

    /// Everything that changes something, or nothing when there is none at the moment. Of records, not more than
    /// about `max_bytes`: what is fetched carries the positions of now, and the less of it there is, the
    /// sooner come positions that say that it is durable. With zero, no records at all.
    fn take_changes(&self, max_bytes: usize) -> Option<Work> {
        let mut inbox = self.inbox();
        let mut rung = std::mem::take(&mut inbox.rung);
        if max_bytes > 0 {
            rung.append(&mut inbox.held_back);
        }
        let nudged = std::mem::take(&mut inbox.nudged);
        if inbox.changes.is_empty() && rung.is_empty() && !nudged && !inbox.gossip {
            return inbox.closed.then_some(Work::Closed);
        }
        let mut messages: Vec<(Origin, Message)> = inbox.changes.drain(..).collect();
        let cargo: Vec<(Origin, Arc<dyn Cargo>)> =
            inbox.cargo.iter().filter(|(origin, _)| rung.contains(origin)).cloned().collect();
        drop(inbox);
        // Fetched without the lock: whoever fills it may be ringing at this moment.
        let mut loaded = Vec::new();
        for (origin, cargo) in cargo {
            if cargo.load(max_bytes, &mut loaded) {
                let mut inbox = self.inbox();
                let later = if max_bytes > 0 { &mut inbox.rung } else { &mut inbox.held_back };
                later.push(origin);
            }
            messages.extend(loaded.drain(..).map(|message| (origin, message)));
        }
        Some(Work::Messages(messages))
    }

    /// Waits for something that changes something; see `take_changes`.
    pub(crate) async fn changes(&self, max_bytes: usize) -> Work {
        poll_fn(|context| {
            // The waker first: what comes from here on finds it.
            self.inbox().change_waiter = Some(context.waker().clone());
            match self.take_changes(max_bytes) {
                Some(work) => {
                    self.inbox().change_waiter = None;
                    Poll::Ready(work)
                }
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Waits for questions.
    pub(crate) async fn questions(&self) -> Work {
        poll_fn(|context| {
            let mut inbox = self.inbox();
            if !inbox.questions.is_empty() {
                return Poll::Ready(Work::Messages(inbox.questions.drain(..).collect()));
            }
            if inbox.closed {
                return Poll::Ready(Work::Closed);
            }
            inbox.question_waiter = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}
