//! The world of one seed: hosts, compute processes, a network, virtual time, and one queue of events.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::sync::Arc;

use redoubt_node::ShardOptions;
use redoubt_page::{PageId, PgId, VolumeEpoch};
use redoubt_protocol::{Address, Membership, Message, NodeId, Origin, SegmentId, VolumeGeometry, VolumeId};

use crate::compute::{Compute, Heard};
use crate::disk::{FlushBug, SimDisk};
use crate::faults::{Coverage, Fault, FaultPlan};
use crate::host::{Ended, Host};
use crate::network::Network;
use crate::party::Party;
use crate::rng::Rng;
use crate::trace::{Brief, Trace};
use crate::truth::Truth;

/// Storage nodes, two in each zone.
pub(crate) const NODES: u16 = 6;
/// Availability zones.
pub(crate) const ZONES: u16 = 3;

/// Chunks of a log in which no run gives anything up.
const ROOMY_CHUNKS: u64 = 100;

/// LSNs above the allocation base when all nodes share one small log. Six copies of what is not durable yet lie in it:
/// a volume lets a shard fetch little at a time, all six of a batch together, where the simulation sends to each.
const TOGETHER_LIMIT: u64 = 60;

/// What a seed draws about the cluster, besides faults.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The nodes of each host.
    pub hosts: Vec<Vec<NodeId>>,
    /// Protection groups.
    pub groups: u32,
    /// Pages in each segment.
    pub segment_pages: u64,
    /// LSNs that may be above the allocation base.
    pub allocation_limit: u64,
    /// Chunks in each log.
    pub chunks: u64,
    /// Bytes by which items are made longer, at most.
    pub padding: usize,
    /// The mean interval between two mini-transactions.
    pub work_us: u64,
    /// What a flush takes on a quick host.
    pub flush_us: u64,
    /// How many points back reads may reach.
    pub keep_points: usize,
    /// Bytes kept by a writer for slow segments.
    pub straggler_bytes: u64,
}

impl Shape {
    fn draw(seed: u64, plan: &FaultPlan) -> Shape {
        let mut rng = Rng::new(seed, 3);
        let node = NodeId::new;
        let is_apart = plan.is_scripted || plan.strength(Fault::Wipe) > 0;
        let layout = if is_apart { 0 } else { rng.below(10) };
        let hosts = match layout {
            _ if plan.is_together => vec![(0..NODES).map(node).collect()],
            0..=6 => (0..NODES).map(|n| vec![node(n)]).collect(),
            7..=8 => (0..ZONES).map(|z| vec![node(z), node(z + ZONES)]).collect(),
            _ => vec![(0..NODES).map(node).collect()],
        };
        let is_tight = plan.is_tight;
        let is_busy = is_tight && plan.strength(Fault::DiskFull) == 0;
        Shape {
            hosts,
            groups: rng.between(1 + u64::from(plan.is_scripted), 4) as u32,
            segment_pages: [3, 8, 16][rng.below(3)],
            allocation_limit: if plan.is_together { TOGETHER_LIMIT } else { [150, 600, 5000][rng.below(3)] },
            chunks: match is_tight {
                // Every start of a host begins one, and a recovery has to copy before anything is freed.
                true if plan.is_together => [8, 10, 12][rng.below(3)],
                true => [5, 8, 12][rng.below(3)],
                false => ROOMY_CHUNKS,
            },
            padding: if is_busy { 3500 } else { [20, 400][rng.below(2)] },
            work_us: if is_busy { 400 } else { [500, 1000, 3000][rng.below(3)] },
            flush_us: [100, 300, 1000][rng.below(3)],
            keep_points: [2, 6, 20][rng.below(3)],
            straggler_bytes: [2_000, 200_000, 64 << 20][rng.below(3)],
        }
    }
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Event {
    Deliver {
        from: Party,
        to: Party,
        number: u64,
        message: Box<Message>,
    },
    /// A host's flushes are done, unless it was killed since.
    Flushed {
        host: usize,
        boot: u64,
    },
    StartHost {
        host: usize,
    },
    Resume {
        host: usize,
    },
    Tick {
        epoch: VolumeEpoch,
    },
    Work {
        epoch: VolumeEpoch,
    },
    Gossip {
        host: usize,
    },
    Probe,
    /// Sees to it that somebody writes.
    Watch,
    Strike(Fault),
    Unblock(u64),
    Quicken {
        host: usize,
    },
    MakeSpace {
        host: usize,
    },
}

/// A host and what is being done to it.
pub(crate) struct Place {
    pub(crate) host: Host,
    pub(crate) boot: u64,
    pub(crate) flush_scheduled: bool,
    pub(crate) slowness: u64,
    pub(crate) is_paused: bool,
    /// Something of its disk was damaged, so that it may never serve again.
    pub(crate) is_damaged: bool,
    /// It lost its disk when this was the next segment's number: its segments below it are gone.
    pub(crate) wiped_before: u64,
    pub(crate) is_full: bool,
    /// It cannot be started any more.
    pub(crate) is_dead: bool,
    pub(crate) starts: u64,
}

/// What everybody agrees on: who may write, and who holds what.
pub(crate) struct Metadata {
    pub(crate) epoch: VolumeEpoch,
    pub(crate) memberships: Vec<Arc<Membership>>,
    pub(crate) next_segment: u64,
}

/// See the module.
pub struct World {
    pub(crate) now_us: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    next_number: u64,
    pub(crate) rng: Rng,
    pub(crate) strikes: Rng,
    pub(crate) plan: FaultPlan,
    pub(crate) shape: Shape,
    pub(crate) geometry: VolumeGeometry,
    pub(crate) volume: VolumeId,
    pub(crate) network: Network,
    pub(crate) places: Vec<Place>,
    pub(crate) computes: Vec<Compute>,
    pub(crate) metadata: Metadata,
    pub(crate) truth: Truth,
    /// What happened, counted.
    pub coverage: Coverage,
    pub(crate) trace: Trace,
    /// Events handled.
    pub handled: u64,
    pub(crate) is_healing: bool,
    pub(crate) flush_bug: FlushBug,
    /// What the segments last said of themselves to the simulation.
    pub(crate) statuses: BTreeMap<SegmentId, redoubt_protocol::Status>,
    #[cfg(feature = "planted-bugs")]
    pub(crate) planted: redoubt_protocol::Planted,
}

impl World {
    /// A world with a cluster that nobody has opened yet.
    pub(crate) fn new(seed: u64, plan: FaultPlan, flush_bug: FlushBug, trace: Trace) -> World {
        let shape = Shape::draw(seed, &plan);
        let chunk_bytes = 1 << 20;
        let options = ShardOptions {
            log_bytes: shape.chunks * chunk_bytes as u64,
            chunk_bytes,
            lazy_chunks: if plan.is_tight { 1 } else { ROOMY_CHUNKS as usize },
            cached_pages: 16,
            cached_index_nodes: 4,
        };
        let hosts = Rc::new(shape.hosts.clone());
        let place = move |at: usize| Place {
            host: Host::new(SimDisk::new(flush_bug), at, Rc::clone(&hosts), options),
            boot: 0,
            flush_scheduled: false,
            slowness: 1,
            is_paused: false,
            is_damaged: false,
            wiped_before: 0,
            is_full: false,
            is_dead: false,
            starts: 0,
        };
        let places = (0..shape.hosts.len()).map(place).collect();
        World {
            now_us: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            next_number: 1,
            rng: Rng::new(seed, 4),
            strikes: Rng::new(seed, 5),
            geometry: VolumeGeometry::new(shape.segment_pages).expect("segments have pages"),
            volume: VolumeId::new([7; 16]),
            network: Network::new(seed, &plan),
            places,
            computes: Vec::new(),
            metadata: Metadata { epoch: VolumeEpoch::new(1), memberships: Vec::new(), next_segment: 1 },
            truth: Truth::default(),
            coverage: Coverage::default(),
            trace,
            handled: 0,
            is_healing: false,
            flush_bug,
            statuses: BTreeMap::new(),
            plan,
            shape,
            #[cfg(feature = "planted-bugs")]
            planted: redoubt_protocol::Planted::None,
        }
    }

    /// Plants a wrong variant everywhere.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn plant(&mut self, planted: redoubt_protocol::Planted) {
        self.planted = planted;
    }

    /// Adds what hosts have counted themselves.
    pub(crate) fn count_hosts(&mut self) {
        for place in &self.places {
            let failures = place.host.disk().failures();
            self.coverage.add("flush failed", failures.flushes);
            self.coverage.add("write failed", failures.writes);
            self.coverage.add("read failed", failures.reads);
            self.coverage.add("disk full", failures.full);
            let counters = place.host.counters();
            self.coverage.add("log recycled", counters.chunks_recycled);
            self.coverage.add("damage repaired", counters.damage_repaired);
        }
    }

    pub(crate) fn at(&mut self, delay_us: u64, event: Event) {
        let number = self.take_number();
        self.queue.push(Reverse((self.now_us + delay_us, number)));
        self.events.insert(number, event);
    }

    fn take_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Handles events until this time.
    pub(crate) fn run_until(&mut self, end_us: u64) {
        while let Some(Reverse((at_us, number))) = self.queue.peek().copied() {
            if at_us > end_us {
                break;
            }
            self.queue.pop();
            self.now_us = at_us;
            self.handled += 1;
            let event = self.events.remove(&number).expect("a queued event exists");
            self.handle(event);
        }
        self.now_us = end_us;
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, number, message } => self.deliver(from, to, number, *message),
            Event::Flushed { host, boot } => self.finish_flushes(host, boot),
            Event::StartHost { host } => self.start_host(host),
            Event::Resume { host } => {
                self.places[host].is_paused = false;
                self.run_host(host);
            }
            Event::Tick { epoch } => self.tick(epoch),
            Event::Work { epoch } => self.work(epoch),
            Event::Gossip { host } => self.gossip(host),
            Event::Probe => self.probe(),
            Event::Watch => self.watch(),
            Event::Strike(fault) => self.strike(fault),
            Event::Unblock(id) => self.network.unblock(id),
            Event::Quicken { host } => self.places[host].slowness = 1,
            Event::MakeSpace { host } => self.make_space(host),
        }
    }

    // Hosts.

    pub(crate) fn say(&self, who: &dyn std::fmt::Display, what: std::fmt::Arguments<'_>) {
        self.trace.line(self.now_us, who, what);
    }

    pub(crate) fn start_host(&mut self, host: usize) {
        let log_id = self.rng.next();
        let place = &mut self.places[host];
        if place.host.is_up() || place.is_dead {
            return;
        }
        #[cfg(feature = "planted-bugs")]
        place.host.plant(self.planted);
        place.starts += 1;
        place.host.start(log_id);
        self.say(&Party::Host(host), format_args!("starts"));
        self.run_host(host);
    }

    /// Lets a host go on until it waits, and sends what it has to send.
    pub(crate) fn run_host(&mut self, host: usize) {
        if self.places[host].is_paused {
            return;
        }
        let was_running = self.places[host].host.is_running();
        let (messages, result) = self.places[host].host.run();
        if let Err(ended) = result {
            self.host_ended(host, &ended);
        } else if !was_running && self.places[host].host.is_running() {
            self.say(&Party::Host(host), format_args!("serves"));
            self.connect_host(host);
        }
        self.truth.heard(messages.iter().map(|(_, message)| message));
        for (to, message) in messages {
            self.host_said(host, to, message);
        }
        let place = &mut self.places[host];
        if place.host.held_flushes() > 0 && !place.flush_scheduled {
            place.flush_scheduled = true;
            let (boot, slowness) = (place.boot, place.slowness);
            let usual = self.rng.between(self.shape.flush_us / 2, self.shape.flush_us * 2);
            if slowness > 1 {
                self.coverage.hit("slow host flushed");
            }
            self.at(usual * slowness, Event::Flushed { host, boot });
        }
    }

    fn finish_flushes(&mut self, host: usize, boot: u64) {
        let place = &mut self.places[host];
        if place.boot != boot {
            return;
        }
        place.flush_scheduled = false;
        if place.is_paused {
            // The device is done; the process will see it later.
            place.flush_scheduled = true;
            return self.at(2_000, Event::Flushed { host, boot });
        }
        let count = place.host.held_flushes();
        place.host.release_flushes();
        self.say(&Party::Host(host), format_args!("has {count} flushes done"));
        self.run_host(host);
    }

    /// A process ended by itself: its machine starts again, without what was only in memory.
    fn host_ended(&mut self, host: usize, ended: &Ended) {
        self.say(&Party::Host(host), format_args!("ended: {ended:?}"));
        let place = &self.places[host];
        let has_failed_often = place.starts > 400;
        let is_unusable = matches!(ended, Ended::Failed(redoubt_node::ShardError::Unusable(_)));
        assert!(place.is_damaged || !is_unusable, "host {host} cannot be opened: {ended:?}");
        self.coverage.hit("host process ended by a failure");
        self.kill_host(host);
        if self.places[host].is_damaged && (is_unusable || has_failed_often) {
            self.coverage.hit("host lost for good by rot");
            self.places[host].is_dead = true;
        } else {
            let delay_us = self.rng.between(5_000, 50_000);
            self.at(delay_us, Event::StartHost { host });
        }
    }

    /// Kills a host's process and machine.
    pub(crate) fn kill_host(&mut self, host: usize) {
        let seed = self.strikes.next();
        if self.places[host].host.held_flushes() > 0 {
            self.coverage.hit("host killed with writes in flight");
        }
        let place = &mut self.places[host];
        place.host.kill(seed);
        place.boot += 1;
        place.flush_scheduled = false;
        place.is_paused = false;
        let is_noticed = self.rng.permille(500);
        let addresses = self.addresses_on(host);
        for compute in self.computes.iter_mut().filter(|c| c.is_alive && is_noticed) {
            let Some(writer) = &mut compute.writer else { continue };
            addresses.iter().for_each(|to| writer.on_disconnected(*to));
        }
    }

    fn connect_host(&mut self, host: usize) {
        let addresses = self.addresses_on(host);
        for compute in self.computes.iter_mut().filter(|c| c.is_alive) {
            let Some(writer) = &mut compute.writer else { continue };
            addresses.iter().for_each(|to| writer.on_connected(*to));
        }
        let epochs: Vec<VolumeEpoch> = self.computes.iter().filter(|c| c.is_alive).map(|c| c.epoch).collect();
        epochs.into_iter().for_each(|epoch| self.pump(epoch));
    }

    /// The segments that the metadata place on a host.
    pub(crate) fn addresses_on(&self, host: usize) -> Vec<Address> {
        let nodes = &self.places[host].host.nodes;
        let mut found = Vec::new();
        for (pg, membership) in (0_u32..).map(PgId::new).zip(&self.metadata.memberships) {
            let here = membership.members().iter().filter(|m| nodes.contains(&m.node));
            found.extend(here.map(|m| Address { pg, segment: m.segment }));
        }
        found
    }

    /// The host of a node.
    pub(crate) fn host_of(&self, node: NodeId) -> usize {
        let found = self.places.iter().position(|p| p.host.nodes.contains(&node));
        found.expect("every node has a host")
    }

    // Messages.

    /// A host's node wants something sent.
    fn host_said(&mut self, host: usize, to: Origin, message: Message) {
        let is_damage = match &message {
            Message::SealReport(report) => !report.clean,
            Message::Refused(refused) => refused.reason == redoubt_protocol::Refusal::Damaged,
            Message::Status(status) => !status.clean,
            _ => false,
        };
        if is_damage {
            self.coverage.hit("segment found damaged");
        }
        let to = Party::of(to);
        match to {
            Party::Gossip(_) => self.on_gossip_status(&message),
            Party::Probe(_) => self.on_probed(&message),
            Party::Host(_) | Party::Compute(_) => self.send(Party::Host(host), to, message),
        }
    }

    pub(crate) fn send(&mut self, from: Party, to: Party, message: Message) {
        let (first, again) = self.network.send(&mut self.coverage);
        if first.is_none() && self.trace.is_on() {
            self.say(&from, format_args!("-> {to}: {} LOST", Brief(&message)));
        }
        for delay_us in [first, again].into_iter().flatten() {
            let number = self.take_number();
            let message = Box::new(message.clone());
            self.at(delay_us, Event::Deliver { from, to, number, message });
        }
    }

    fn deliver(&mut self, from: Party, to: Party, number: u64, message: Message) {
        let pg = message.address().pg;
        if !self.network.passes(from, to, pg, &mut self.coverage) {
            return;
        }
        self.network.arrived(from, to, number, &mut self.coverage);
        if self.trace.is_on() {
            self.say(&to, format_args!("<- {from}: {}", Brief(&message)));
        }
        match to {
            Party::Host(host) => {
                if self.places[host].host.is_up() {
                    if matches!(message, Message::Fill(_)) && matches!(from, Party::Host(_)) {
                        self.coverage.hit("gap filled by a peer");
                    }
                    if matches!(message, Message::Images(_)) {
                        self.coverage.hit("pages given in the place of records");
                    }
                    self.places[host].host.deliver(from.origin(), message);
                    self.run_host(host);
                }
            }
            Party::Compute(epoch) => self.deliver_to_compute(epoch, &message),
            Party::Gossip(_) | Party::Probe(_) => {}
        }
    }

    fn deliver_to_compute(&mut self, epoch: VolumeEpoch, message: &Message) {
        let Some(at) = self.computes.iter().position(|c| c.epoch == epoch && c.is_alive) else { return };
        let before = self.computes[at].writer.as_ref().map(|w| w.vdl());
        match self.computes[at].on_message(message, &mut self.truth) {
            Heard::Nothing => {}
            Heard::Advanced(over_groups) => {
                self.coverage.add("mini-transaction over several groups acknowledged", over_groups);
                if let (true, Some(writer)) = (self.trace.is_on(), &self.computes[at].writer) {
                    let (vdl, vcl) = (writer.vdl(), writer.vcl());
                    self.say(&Party::Compute(epoch), format_args!("VDL {before:?} -> {vdl}, VCL {vcl}"));
                }
            }
            Heard::Fenced => {
                self.coverage.hit("writer fenced");
                self.say(&Party::Compute(epoch), format_args!("is fenced, and ends"));
                self.computes[at].is_alive = false;
            }
            Heard::Compared => self.coverage.hit("page read and compared"),
            Heard::ReadRefused(why) => self.coverage.hit(why),
        }
        self.after_compute(at);
    }

    /// Looks at what a compute process has come to, and sends what it has to send.
    pub(crate) fn after_compute(&mut self, at: usize) {
        let epoch = self.computes[at].epoch;
        while let Some((to, message)) = self.computes[at].poll_opening() {
            if let Some(host) = self.host_of_segment(to) {
                self.send(Party::Compute(epoch), Party::Host(host), message);
            }
        }
        if self.computes[at].is_alive && self.computes[at].look(&mut self.truth, self.shape.straggler_bytes) {
            self.coverage.hit("volume opened");
            self.opened(at);
        }
        self.pump(epoch);
    }

    /// A writer's connections have room.
    pub(crate) fn pump(&mut self, epoch: VolumeEpoch) {
        let now_us = self.now_us;
        let Some(at) = self.computes.iter().position(|c| c.epoch == epoch && c.is_alive) else { return };
        let Compute { writer, rooms, .. } = &mut self.computes[at];
        let Some(writer) = writer else { return };
        let mut out = Vec::new();
        for pg in (0..writer.group_count() as u32).map(PgId::new) {
            let segments: Vec<SegmentId> = writer.segments(pg).map(|s| s.segment).collect();
            for segment in segments {
                let to = Address { pg, segment };
                let room = rooms.entry(to).or_default();
                while room.take(now_us) {
                    let Some(message) = writer.poll_send(to) else { break };
                    out.push((to, message));
                }
            }
        }
        for (to, message) in out {
            if let Some(host) = self.host_of_segment(to) {
                self.send(Party::Compute(epoch), Party::Host(host), message);
            }
        }
    }

    /// Where a segment is, as far as memberships say, the ones on their way included.
    pub(crate) fn host_of_segment(&self, address: Address) -> Option<usize> {
        let stored = self.metadata.memberships.get(address.pg.get() as usize);
        let node = stored.and_then(|m| m.member(address.segment)).map(|m| m.node);
        node.map(|node| self.host_of(node))
    }

    /// Pages drawn for a mini-transaction.
    pub(crate) fn some_pages(&mut self) -> Vec<PageId> {
        let all = u64::from(self.shape.groups) * self.shape.segment_pages;
        let count = 1 + self.rng.below(4);
        let mut pages: Vec<PageId> = Vec::new();
        for _ in 0..count {
            let page = PageId::new(self.rng.next() % all);
            if !pages.contains(&page) {
                pages.push(page);
            }
        }
        pages
    }
}
