//! Six nodes on loopback within the test's process, and the way to a volume on them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redoubt_client::{
    MemoryMetadata, MetadataStore, Receiver, Transport, Volume, VolumeShape, WriterOptions,
};
use redoubt_embedded::{ShardThread, new_identity};
use redoubt_io::forgetting::ForgettingStorage;
use redoubt_node::{ShardHandle, ShardOptions};
use redoubt_protocol::{NodeId, VolumeId, Zone};
use redoubt_quic::{Addresses, Identity, MemberName, NodeServer, QuicTransport, tls};

/// Where nodes listen: what a cluster keeps in its metadata.
#[derive(Clone, Default)]
pub struct Listening(Arc<Mutex<HashMap<NodeId, SocketAddr>>>);

impl Addresses for Listening {
    fn address(&self, node: NodeId) -> Option<SocketAddr> {
        self.0.lock().expect("no panic").get(&node).copied()
    }
}

/// A node that runs.
struct Running {
    server: NodeServer,
    shard: ShardThread,
}

/// The nodes, running or not.
pub struct Nodes {
    tls: tempfile::TempDir,
    pub listening: Listening,
    storages: HashMap<NodeId, ForgettingStorage>,
    running: HashMap<NodeId, Running>,
    pub metadata: Arc<dyn MetadataStore>,
    options: ShardOptions,
}

pub fn all() -> Vec<NodeId> {
    (1..=6).map(NodeId::new).collect()
}

/// Pages in each segment of the volume.
pub const SEGMENT_PAGES: u64 = 16;

fn options() -> ShardOptions {
    ShardOptions { log_bytes: 64 << 20, chunk_bytes: 1 << 20, ..ShardOptions::default() }
}

impl Nodes {
    /// Six new nodes.
    pub fn start() -> Self {
        Self::start_with(options())
    }

    /// Six new nodes with logs of another size.
    pub fn start_with(options: ShardOptions) -> Self {
        let tls = tempfile::tempdir().expect("a temporary directory");
        let mut members = vec![MemberName::Writer];
        members.extend(all().into_iter().map(MemberName::Node));
        tls::issue(tls.path(), &members).expect("certificates");
        let mut nodes = Self {
            tls,
            listening: Listening::default(),
            storages: HashMap::new(),
            running: HashMap::new(),
            metadata: Arc::new(MemoryMetadata::default()),
            options,
        };
        all().into_iter().for_each(|node| nodes.make(node));
        nodes
    }

    pub fn identity(&self, name: MemberName) -> Identity {
        Identity::load(self.tls.path(), name).expect("it was issued")
    }

    /// Starts a node on an empty disk.
    pub fn make(&mut self, node: NodeId) {
        self.storages.insert(node, ForgettingStorage::new());
        self.run(node, true);
    }

    /// Starts a node again on its disk.
    pub fn restart(&mut self, node: NodeId) {
        self.run(node, false);
    }

    fn run(&mut self, node: NodeId, is_new: bool) {
        let handle = ShardHandle::new();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let identity = self.identity(MemberName::Node(node));
        let server = NodeServer::bind(&identity, listen, handle.clone()).expect("a socket");
        let new = is_new.then(|| new_identity(vec![node], self.options.chunk_bytes).expect("random numbers"));
        let storage = self.storages[&node].clone();
        let shard = ShardThread::start(storage, new, self.options, handle, server.outbound(), |_| {});
        let shard = shard.expect("the node starts");
        self.listening.0.lock().expect("no panic").insert(node, server.address());
        let addresses: Arc<dyn Addresses> = Arc::new(self.listening.clone());
        server.serve(&all(), &addresses);
        self.running.insert(node, Running { server, shard });
    }

    /// Stops a node; what it had not flushed is lost.
    pub fn kill(&mut self, node: NodeId) {
        let running = self.running.remove(&node).expect("it runs");
        self.storages[&node].kill(u64::from(node.get()));
        drop(running.server);
        // It cannot flush any more: the end of its shard is an error, or not, if it was idle.
        let _ = running.shard.stop();
    }

    pub fn shard(&self, node: NodeId) -> &ShardHandle {
        self.running[&node].shard.handle()
    }

    fn connect(&self) -> (Receiver, Arc<dyn Transport>) {
        let receiver = Receiver::new();
        let identity = self.identity(MemberName::Writer);
        let addresses = Arc::new(self.listening.clone());
        let transport = QuicTransport::start(&identity, &all(), addresses, &receiver).expect("sockets");
        (receiver, transport)
    }

    /// A new volume.
    pub fn create(&self) -> Volume {
        let (receiver, transport) = self.connect();
        let zone = |node: NodeId| Zone::new(((node.get() - 1) / 2) as u8);
        let shape = VolumeShape {
            volume: VolumeId::new([7; 16]),
            segment_pages: SEGMENT_PAGES,
            allocation_limit: 1_000_000,
            nodes: all().into_iter().map(|node| (node, zone(node))).collect(),
        };
        Volume::create(&shape, WriterOptions::default(), Arc::clone(&self.metadata), transport, &receiver)
            .expect("a new volume")
    }

    /// The volume, opened by another writer.
    pub fn open(&self) -> Volume {
        let (receiver, transport) = self.connect();
        Volume::open(WriterOptions::default(), Arc::clone(&self.metadata), transport, &receiver)
            .expect("it opens")
    }
}

/// Waits until something is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::yield_now();
    }
}
