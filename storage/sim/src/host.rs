//! A host: one disk that forgets, and the storage nodes of one shard on it, the real ones.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use redoubt_io::Storage;
use redoubt_io::forgetting::ForgettingStorage;
use redoubt_node::{Outbound, Shard, ShardError, ShardHandle, ShardIdentity, ShardOptions};
use redoubt_protocol::{Message, NodeId, Origin};

#[cfg(feature = "planted-bugs")]
use redoubt_protocol::Planted;

use crate::disk::SimDisk;
use crate::party::Party;

/// Messages that a host's nodes have to send, in order.
type Outbox = Rc<RefCell<Vec<(Origin, Message)>>>;

type Opening = Pin<Box<dyn Future<Output = Result<Shard<SimDisk>, ShardError>>>>;
type Running = Pin<Box<dyn Future<Output = Result<(), ShardError>>>>;

/// Puts aside what the nodes send, and knows where the others are.
struct IntoOutbox {
    outbox: Outbox,
    hosts: Rc<Vec<Vec<NodeId>>>,
}

impl Outbound for IntoOutbox {
    fn deliver(&self, to: Origin, messages: &mut Vec<Message>) {
        self.outbox.borrow_mut().extend(messages.drain(..).map(|message| (to, message)));
    }

    fn peer(&self, node: NodeId) -> Option<Origin> {
        // Whether anything arrives there is the network's matter.
        self.hosts.iter().position(|nodes| nodes.contains(&node)).map(|host| Party::Host(host).origin())
    }
}

/// Remembers that something was woken.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

enum Process {
    /// There is none.
    Down,
    /// It reads its disk.
    Opening(Opening),
    /// It serves. The shard is kept for its counters.
    Running(Running),
}

/// Why a host's process ended by itself.
#[derive(Debug)]
pub enum Ended {
    /// The process met a failure that it must not outlive, or could not start.
    Failed(ShardError),
    /// It stopped, as nobody asked it to.
    Stopped,
}

/// See the module.
pub struct Host {
    /// The disk.
    pub storage: ForgettingStorage,
    disk: Rc<SimDisk>,
    /// The nodes of the shard.
    pub nodes: Vec<NodeId>,
    /// The nodes of every host, this one's too.
    hosts: Rc<Vec<Vec<NodeId>>>,
    options: ShardOptions,
    process: Process,
    handle: ShardHandle,
    outbox: Outbox,
    woken: Arc<Woken>,
    #[cfg(feature = "planted-bugs")]
    planted: Planted,
}

impl Host {
    /// A host with an empty disk.
    pub fn new(disk: SimDisk, at: usize, hosts: Rc<Vec<Vec<NodeId>>>, options: ShardOptions) -> Host {
        let nodes = hosts[at].clone();
        Host {
            hosts,
            storage: disk.below().clone(),
            disk: Rc::new(disk),
            nodes,
            options,
            process: Process::Down,
            handle: ShardHandle::new(),
            outbox: Outbox::default(),
            woken: Arc::new(Woken(AtomicBool::new(false))),
            #[cfg(feature = "planted-bugs")]
            planted: Planted::None,
        }
    }

    /// How its shard works.
    pub fn options(&self) -> ShardOptions {
        self.options
    }

    /// The disk as the simulation sees it.
    pub fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// Plants a wrong variant into every segment from the next start on.
    #[cfg(feature = "planted-bugs")]
    pub fn plant(&mut self, planted: Planted) {
        self.planted = planted;
    }

    /// Whether there is a process: opening or serving.
    pub fn is_up(&self) -> bool {
        !matches!(self.process, Process::Down)
    }

    /// Whether it serves.
    pub fn is_running(&self) -> bool {
        matches!(self.process, Process::Running(_))
    }

    /// Starts a process. It makes the shard when the disk is empty, under numbers drawn by the caller.
    pub fn start(&mut self, log_id: u64) {
        assert!(!self.is_up(), "a host has one process");
        self.handle = ShardHandle::new();
        self.outbox = Outbox::default();
        self.woken = Arc::new(Woken(AtomicBool::new(true)));
        let (disk, options, handle) = (Rc::clone(&self.disk), self.options, self.handle.clone());
        let outbound =
            Box::new(IntoOutbox { outbox: Rc::clone(&self.outbox), hosts: Rc::clone(&self.hosts) });
        let nodes = self.nodes.iter().zip(1..).map(|(node, n)| (*node, log_id ^ n)).collect();
        let identity = ShardIdentity { log_id, chunk_bytes: options.chunk_bytes, nodes };
        self.process = Process::Opening(Box::pin(async move {
            match ShardIdentity::read(&*disk).await? {
                Some(_) => Shard::open(disk, options, handle, outbound).await,
                None => {
                    // An attempt that did not get as far as the identity has left files.
                    for name in disk.names().await? {
                        disk.remove(&name).await?;
                    }
                    Shard::create(disk, identity, options, handle, outbound).await
                }
            }
        }));
    }

    /// Ends the process at this instant; of what was not flushed, `seed` decides what is left.
    pub fn kill(&mut self, seed: u64) {
        self.process = Process::Down;
        self.storage.kill(seed);
        self.storage.hold_flushes();
    }

    /// Hands a message to the process.
    pub fn deliver(&self, from: Origin, message: Message) {
        self.handle.send(from, message);
    }

    /// The nodes of every host.
    pub fn hosts(&self) -> Rc<Vec<Vec<NodeId>>> {
        Rc::clone(&self.hosts)
    }

    /// Lets its segments ask peers for what they lack.
    pub fn gossip(&self) {
        self.handle.gossip();
    }

    /// Lets it look again whether there is space.
    pub fn nudge(&self) {
        self.handle.nudge();
    }

    /// Flushes and control files that have begun and wait.
    pub fn held_flushes(&self) -> usize {
        self.storage.held_flushes()
    }

    /// Finishes what waits. What the process begins afterwards waits again.
    pub fn release_flushes(&self) {
        self.storage.release_flushes();
        self.storage.hold_flushes();
    }

    /// Chunks given back, damage found: what the nodes count.
    pub fn counters(&self) -> redoubt_node::Counters {
        self.handle.counters()
    }

    /// Runs the process until it waits, and returns what it sent.
    ///
    /// # Errors
    /// When it ended.
    pub fn run(&mut self) -> (Vec<(Origin, Message)>, Result<(), Ended>) {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut context = Context::from_waker(&waker);
        let mut result = Ok(());
        self.woken.0.store(true, Ordering::Relaxed);
        while self.woken.0.swap(false, Ordering::Relaxed) {
            match &mut self.process {
                Process::Down => break,
                Process::Opening(opening) => match opening.as_mut().poll(&mut context) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(shard)) => {
                        #[cfg(feature = "planted-bugs")]
                        shard.plant(self.planted);
                        self.process = Process::Running(Box::pin(async move { shard.run().await }));
                        self.woken.0.store(true, Ordering::Relaxed);
                    }
                    Poll::Ready(Err(error)) => {
                        self.process = Process::Down;
                        result = Err(Ended::Failed(error));
                    }
                },
                Process::Running(running) => {
                    if let Poll::Ready(ended) = running.as_mut().poll(&mut context) {
                        self.process = Process::Down;
                        result = Err(ended.map_or_else(Ended::Failed, |()| Ended::Stopped));
                    }
                }
            }
        }
        (std::mem::take(&mut *self.outbox.borrow_mut()), result)
    }
}
