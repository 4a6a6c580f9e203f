//! Six nodes of one shard on a storage that forgets, driven message by message by one thread.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use redoubt_io::forgetting::ForgettingStorage;
use redoubt_node::{Counters, Outbound, Shard, ShardError, ShardHandle, ShardIdentity, ShardOptions};
use redoubt_page::{
    Lsn, MembershipEpoch, Op, OpsBuf, Page, PageId, PageKind, PgId, RecordFlags, RecordHeader, VolumeEpoch,
    apply_op, finish,
};
use redoubt_protocol::{
    Address, Append, BatchBuilder, CreateSegment, Epochs, History, Member, Membership, Message, NodeId,
    Origin, ReadPage, RecordBatch, RequestId, Seal, SegmentId, VolumeId, WriteHistory, Zone,
};

use crate::poll::step;

/// How many nodes there are.
pub const NODES: u16 = 6;
const PG: PgId = PgId::new(0);
const WRITER: Origin = Origin::new(1);

type Running = Pin<Box<dyn Future<Output = Result<(), ShardError>>>>;

#[derive(Clone, Default)]
struct IntoList(Rc<RefCell<Vec<Message>>>);

impl Outbound for IntoList {
    fn deliver(&self, _to: Origin, messages: &mut Vec<Message>) {
        self.0.borrow_mut().append(messages);
    }
}

/// See the module.
pub struct Nodes {
    pub storage: ForgettingStorage,
    options: ShardOptions,
    handle: ShardHandle,
    said: IntoList,
    running: Running,
    membership: Arc<Membership>,
    epoch: VolumeEpoch,
    /// Every page as the writer has it.
    pages: BTreeMap<PageId, Page>,
    /// The last record appended.
    pub last: Lsn,
    /// What each segment acknowledged.
    scls: [Lsn; NODES as usize],
    heard: Vec<Message>,
    /// Why the nodes ended, once they have.
    pub ended: Option<ShardError>,
}

/// The places of all nodes.
pub fn all() -> Vec<usize> {
    (0..usize::from(NODES)).collect()
}

fn address(node: usize) -> Address {
    Address { pg: PG, segment: SegmentId::new(node as u64 + 1) }
}

impl Nodes {
    /// Nodes with one protection group of eight pages, and a log of so many chunks of a mebibyte.
    pub fn new(chunks: u64) -> Nodes {
        let options = ShardOptions {
            log_bytes: chunks << 20,
            chunk_bytes: 1 << 20,
            lazy_chunks: 1,
            // Every node is asked for its own.
            cached_pages: 0,
            cached_index_nodes: 4,
        };
        let members = (0..NODES).map(|node| Member {
            segment: address(usize::from(node)).segment,
            node: NodeId::new(node),
            zone: Zone::new((node % 3) as u8),
            join_point: Lsn::ZERO,
        });
        let membership = Membership::uniform(MembershipEpoch::new(1), members.collect());
        let mut nodes = Nodes {
            storage: ForgettingStorage::new(),
            options,
            handle: ShardHandle::new(),
            said: IntoList::default(),
            running: Box::pin(async { Ok(()) }),
            membership: Arc::new(membership.expect("six equal members")),
            epoch: VolumeEpoch::new(1),
            pages: BTreeMap::new(),
            last: Lsn::ZERO,
            scls: [Lsn::ZERO; NODES as usize],
            heard: Vec::new(),
            ended: None,
        };
        nodes.start(true);
        let history = Arc::new(History::new(VolumeEpoch::ZERO));
        for node in all() {
            nodes.tell(Message::CreateSegment(Box::new(CreateSegment {
                to: address(node),
                request: RequestId::new(0),
                volume: VolumeId::new([3; 16]),
                segment_pages: 8,
                volume_epoch: nodes.epoch,
                history: Arc::clone(&history),
                membership: Arc::clone(&nodes.membership),
            })));
        }
        nodes.promise(2, &all());
        nodes.write_history(&all());
        nodes
    }

    fn start(&mut self, is_new: bool) {
        self.handle = ShardHandle::new();
        let (storage, options, handle) = (Rc::new(self.storage.clone()), self.options, self.handle.clone());
        let outbound = Box::new(self.said.clone());
        let identity = ShardIdentity {
            log_id: 5,
            chunk_bytes: options.chunk_bytes,
            nodes: (0..NODES).map(|node| (NodeId::new(node), 100 * u64::from(node + 1))).collect(),
        };
        self.running = Box::pin(async move {
            let shard = match is_new {
                true => Shard::create(storage, identity, options, handle, outbound).await?,
                false => Shard::open(storage, options, handle, outbound).await?,
            };
            shard.run().await
        });
        self.ended = None;
        self.go_on();
    }

    /// Kills the machine, and starts the nodes again.
    pub fn restart(&mut self, seed: u64) {
        self.storage.kill(seed);
        self.start(false);
    }

    /// Lets the nodes go on until all of them wait.
    fn go_on(&mut self) {
        // Whoever can go on says so to nobody: a few looks more than it can take.
        for _ in 0..300 {
            if self.ended.is_none()
                && let Poll::Ready(ended) = step(self.running.as_mut())
            {
                self.ended = Some(ended.expect_err("nobody closed the nodes"));
            }
        }
        self.heard = std::mem::take(&mut *self.said.0.borrow_mut());
        for message in &self.heard {
            let scl = match message {
                Message::AppendAck(ack) => ack.scl,
                Message::HistoryWritten(written) => written.scl,
                _ => continue,
            };
            let node = message.address().segment.get() as usize - 1;
            self.scls[node] = self.scls[node].max(scl);
        }
    }

    fn tell(&mut self, message: Message) {
        self.handle.send(WRITER, message);
        self.go_on();
    }

    /// What the nodes count.
    pub fn counters(&self) -> Counters {
        assert!(self.ended.is_none(), "the nodes ended: {:?}", self.ended);
        self.handle.counters()
    }

    /// What a node acknowledged.
    pub fn scl(&self, node: usize) -> Lsn {
        self.scls[node]
    }

    /// What a write quorum acknowledged. Every record ends a mini-transaction here.
    pub fn vdl(&self) -> Lsn {
        let mut scls = self.scls;
        scls.sort_unstable();
        scls[2]
    }

    /// A new writer's promise, from these nodes.
    pub fn promise(&mut self, epoch: u64, nodes: &[usize]) {
        self.epoch = VolumeEpoch::new(epoch);
        for node in nodes {
            let (to, volume_epoch) = (address(*node), self.epoch);
            self.tell(Message::Seal(Seal { to, request: RequestId::new(1), volume_epoch }));
        }
    }

    /// The history of its epoch, in which nothing is void.
    pub fn write_history(&mut self, nodes: &[usize]) {
        let history = Arc::new(History::new(self.epoch));
        for node in nodes {
            self.tell(Message::WriteHistory(WriteHistory {
                to: address(*node),
                request: RequestId::new(2),
                volume_epoch: self.epoch,
                history: Arc::clone(&history),
            }));
        }
    }

    fn append(&mut self, nodes: &[usize], has_floor: bool, batch: Option<RecordBatch>) {
        let vdl = self.vdl();
        let read_floor = if has_floor { vdl } else { Lsn::ZERO };
        for node in nodes {
            let epochs = Epochs { volume: self.epoch, membership: MembershipEpoch::new(1) };
            let to = address(*node);
            let append = Append { to, epochs, vdl, pg_tail: vdl, read_floor, batch: batch.clone() };
            self.handle.send(WRITER, Message::Append(append));
        }
        self.go_on();
    }

    /// Appends one record, to these nodes, that puts `bytes` bytes on a page. Unless it has a floor, the nodes may make
    /// no images of what they hold.
    pub fn put(&mut self, page: u64, bytes: usize, nodes: &[usize], has_floor: bool) {
        let page = PageId::new(page);
        let image = self.pages.entry(page).or_insert_with(|| Page::absent(page));
        let (prev_page_lsn, mut ops) = (image.lsn(), OpsBuf::new());
        let text = vec![b'a' + (self.last.get() % 26) as u8; bytes];
        let begin = Op::Initialise { kind: PageKind::new(7), special: &[] };
        for op in [begin, Op::InsertItem { slot: 0, bytes: &text, shift: true }] {
            apply_op(image, &op).expect("the operation fits");
            ops.push(&op);
        }
        let lsn = self.last.next();
        finish(image, lsn);
        let header = RecordHeader {
            lsn,
            page_id: page,
            pg: PG,
            prev_pg_lsn: self.last,
            prev_page_lsn,
            prev_volume_lsn: self.last,
            flags: RecordFlags::CPL,
        };
        let mut batch = BatchBuilder::default();
        batch.push(&header, ops.as_bytes());
        self.last = lsn;
        self.append(nodes, has_floor, batch.take());
    }

    /// Tells these nodes what is durable, and that nobody reads anything older.
    pub fn announce(&mut self, nodes: &[usize]) {
        self.append(nodes, true, None);
    }

    /// Checks a page, as of now, from a node that must serve it.
    pub fn check(&mut self, node: usize, page: u64) {
        let page = PageId::new(page);
        let epochs = Epochs { volume: self.epoch, membership: MembershipEpoch::new(1) };
        let (to, request) = (address(node), RequestId::new(9));
        let (read_point, pg_tail) = (self.vdl(), self.vdl());
        self.tell(Message::ReadPage(ReadPage { to, request, epochs, page, read_point, pg_tail }));
        let reply = self.heard.iter().find(|message| matches!(message, Message::PageReply(_)));
        let Some(Message::PageReply(reply)) = reply else {
            panic!("node {node} does not serve page {page}: {:?} {:?}", self.heard, self.ended);
        };
        let mut found = Page::from_slice(&reply.image).expect("a page");
        found.unseal(page).expect("undamaged");
        let expected = &self.pages[&page];
        assert!(
            found == *expected,
            "page {page} of node {node} is as of {}, not {}",
            found.lsn(),
            expected.lsn()
        );
    }
}
