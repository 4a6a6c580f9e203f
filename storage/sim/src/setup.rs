//! Making the cluster, and who writes when.

use std::sync::Arc;

use redoubt_page::{Lsn, MembershipEpoch, PgId, VolumeEpoch};
use redoubt_protocol::{
    Address, CreateSegment, History, Member, Membership, Message, NewSegment, NodeId, OpeningState,
    ReplacementCore, ReplacementState, RequestId, SegmentId, Zone,
};

use crate::compute::Compute;
use crate::faults::Fault;
use crate::party::Party;
use crate::world::{Event, NODES, World, ZONES};

impl World {
    /// Starts the hosts and makes the segments of all groups, without faults.
    pub(crate) fn make_cluster(&mut self) {
        (0..self.places.len()).for_each(|host| self.start_host(host));
        let history = Arc::new(History::new(VolumeEpoch::ZERO));
        for pg in (0..self.shape.groups).map(PgId::new) {
            let first = self.metadata.next_segment;
            self.metadata.next_segment += u64::from(NODES);
            let members = (0..NODES).zip(first..).map(|(node, segment)| Member {
                segment: SegmentId::new(segment),
                node: NodeId::new(node),
                zone: Zone::new((node % ZONES) as u8),
                join_point: Lsn::ZERO,
            });
            let membership = Membership::uniform(MembershipEpoch::new(1), members.collect());
            let membership = Arc::new(membership.expect("six equal members"));
            for member in membership.members() {
                let create = CreateSegment {
                    to: Address { pg, segment: member.segment },
                    request: RequestId::new(0),
                    volume: self.volume,
                    segment_pages: self.shape.segment_pages,
                    volume_epoch: VolumeEpoch::new(1),
                    history: Arc::clone(&history),
                    membership: Arc::clone(&membership),
                };
                let host = self.host_of(member.node);
                let from = Party::Probe(host).origin();
                self.places[host].host.deliver(from, Message::CreateSegment(Box::new(create)));
                self.run_host(host);
            }
            self.metadata.memberships.push(membership);
        }
        for host in 0..self.places.len() {
            // From now on flushes take their time.
            self.places[host].host.storage.hold_flushes();
        }
    }

    /// Lets everything begin that goes on by itself.
    pub(crate) fn begin(&mut self) {
        for host in 0..self.places.len() {
            let delay_us = self.rng.between(1_000, 15_000);
            self.at(delay_us, Event::Gossip { host });
        }
        self.at(0, Event::Watch);
        self.at(10_000, Event::Probe);
        for fault in Fault::ALL {
            if let Some(mean_us) = self.plan.mean_us(*fault) {
                let delay_us = self.strikes.interval(mean_us);
                self.at(delay_us, Event::Strike(*fault));
            }
        }
    }

    /// Sees to it that somebody writes, or is about to.
    pub(crate) fn watch(&mut self) {
        let is_busy = self.computes.last().is_some_and(|c| {
            c.is_alive
                && (c.writer.is_some()
                    || !matches!(c.opening(), OpeningState::Stuck(_) | OpeningState::Fenced(_)))
        });
        if !is_busy {
            self.start_compute();
        }
        let delay_us = self.rng.between(10_000, 40_000);
        self.at(delay_us, Event::Watch);
    }

    /// A process takes the next epoch by compare-and-set, and begins to open the volume.
    pub(crate) fn start_compute(&mut self) {
        self.metadata.epoch = self.metadata.epoch.next();
        let epoch = self.metadata.epoch;
        let tick_us = self.rng.between(3_000, 12_000);
        let memberships = self.metadata.memberships.clone();
        let limit = self.shape.allocation_limit;
        #[cfg_attr(not(feature = "planted-bugs"), expect(unused_mut, reason = "planted only"))]
        let mut compute = Compute::start(epoch, tick_us, limit, self.geometry, memberships);
        #[cfg(feature = "planted-bugs")]
        compute.plant(self.planted);
        self.say(&Party::Compute(epoch), format_args!("begins to open the volume"));
        self.computes.push(compute);
        self.cut_off(epoch);
        self.at(tick_us, Event::Tick { epoch });
        self.after_compute(self.computes.len() - 1);
    }

    /// A volume was opened: its writer connects to everyone and begins to work.
    pub(crate) fn opened(&mut self, at: usize) {
        let epoch = self.computes[at].epoch;
        self.say(&Party::Compute(epoch), format_args!("has opened the volume"));
        #[cfg(feature = "planted-bugs")]
        if let Some(writer) = &mut self.computes[at].writer {
            writer.plant(self.planted);
        }
        self.connect_writer(at);
        self.at(100, Event::Work { epoch });
    }

    fn connect_writer(&mut self, at: usize) {
        let up: Vec<Address> = (0..self.places.len())
            .filter(|host| self.places[*host].host.is_running())
            .flat_map(|host| self.addresses_on(host))
            .collect();
        if let Some(writer) = &mut self.computes[at].writer {
            up.iter().for_each(|to| writer.on_connected(*to));
        }
    }

    /// Some round trips have passed for a process.
    pub(crate) fn tick(&mut self, epoch: VolumeEpoch) {
        let Some(at) = self.computes.iter().position(|c| c.epoch == epoch && c.is_alive) else { return };
        self.computes[at].tick();
        if matches!(
            self.computes[at].opening(),
            OpeningState::Stuck(redoubt_protocol::Undecided::NewerMembership(_))
        ) {
            // It reads the metadata and starts again, under another epoch.
            self.computes[at].is_alive = false;
            return;
        }
        if let OpeningState::Stuck(why) = self.computes[at].opening() {
            panic!("the recovery of epoch {epoch} is stuck: {why}");
        }
        let keep = self.shape.keep_points;
        self.computes[at].move_floor(keep);
        if self.rng.permille(300) {
            self.computes[at].writer.iter_mut().for_each(|w| w.announce_positions());
        }
        self.replace_segments(at);
        self.after_compute(at);
        let tick_us = self.computes[at].tick_us;
        self.at(tick_us, Event::Tick { epoch });
    }

    /// A writer works: a mini-transaction, perhaps a read.
    pub(crate) fn work(&mut self, epoch: VolumeEpoch) {
        let Some(at) = self.computes.iter().position(|c| c.epoch == epoch && c.is_alive) else { return };
        let pages = self.some_pages();
        let padding = self.rng.below(self.shape.padding + 1);
        if !self.is_healing && self.computes[at].append(&pages, padding, &mut self.truth) {
            self.coverage.hit("mini-transaction appended");
            let newest = self.computes.iter().filter(|c| c.writer.is_some()).map(|c| c.epoch).max();
            if newest > Some(epoch) {
                self.coverage.hit("zombie appended after being overtaken");
            }
            if self.trace.is_on() {
                let next = self.computes[at].writer.as_ref().map(|w| w.next_lsn());
                self.say(&Party::Compute(epoch), format_args!("appends to {pages:?}, next LSN {next:?}"));
            }
        }
        if self.rng.permille(300) {
            self.read_somewhere(at);
        }
        self.pump(epoch);
        let delay_us = self.rng.interval(self.shape.work_us);
        self.at(delay_us, Event::Work { epoch });
    }

    fn read_somewhere(&mut self, at: usize) {
        let page = self.some_pages()[0];
        let pg = self.geometry.pg_of(page);
        let epoch = self.computes[at].epoch;
        let Some(writer) = &self.computes[at].writer else { return };
        let all: Vec<SegmentId> = if self.rng.permille(500) {
            writer.segments(pg).map(|s| s.segment).collect()
        } else {
            writer.complete_segments(pg, writer.vdl()).collect()
        };
        let Some(segment) = self.rng.pick(&all).copied() else { return };
        let to = Address { pg, segment };
        let Some(host) = self.host_of_segment(to) else { return };
        if let Some(message) = self.computes[at].read(to, page, &mut self.rng) {
            self.send(Party::Compute(epoch), Party::Host(host), message);
        }
    }

    /// Takes replacements of lost segments a step further.
    fn replace_segments(&mut self, at: usize) {
        if self.computes[at].epoch != self.metadata.epoch || self.computes[at].writer.is_none() {
            return;
        }
        self.begin_replacements(at);
        let mut under_way = std::mem::take(&mut self.computes[at].replacements);
        under_way.retain_mut(|replacement| self.take_step(at, replacement));
        self.computes[at].replacements.append(&mut under_way);
    }

    fn begin_replacements(&mut self, at: usize) {
        let epoch = self.computes[at].epoch;
        let lost: Vec<Address> = self.computes[at].lost.iter().copied().collect();
        for address in lost {
            let compute = &mut self.computes[at];
            let known = &self.metadata.memberships[address.pg.get() as usize];
            let Some(member) = known.member(address.segment).copied() else {
                self.computes[at].lost.remove(&address);
                continue;
            };
            let is_busy = compute.replacements.iter().any(|r| r.pg() == address.pg);
            let Some(writer) = compute.writer.as_mut().filter(|_| !is_busy) else { continue };
            if writer.membership(address.pg).map(|m| m.epoch()) != Some(known.epoch()) {
                continue;
            }
            let joining = Member { segment: SegmentId::new(self.metadata.next_segment), ..member };
            self.metadata.next_segment += 1;
            let new = NewSegment {
                volume: self.volume,
                segment_pages: self.shape.segment_pages,
                request: RequestId::new(1 << 62),
            };
            if let Ok(begun) = ReplacementCore::begin(writer, address.pg, address.segment, joining, new) {
                self.say(
                    &Party::Compute(epoch),
                    format_args!(
                        "replaces s{} of group {} by s{}",
                        address.segment, address.pg, joining.segment
                    ),
                );
                self.coverage.hit("replacement begun");
                self.computes[at].replacements.push(begun);
            }
        }
    }

    /// One step of a replacement. Returns whether there are more.
    fn take_step(&mut self, at: usize, replacement: &mut ReplacementCore) -> bool {
        let (epoch, pg) = (self.computes[at].epoch, replacement.pg());
        let Some(writer) = &mut self.computes[at].writer else { return false };
        match replacement.next_step(writer).expect("quorums overlap") {
            ReplacementState::Create(create) => {
                let node = create.membership.member(create.to.segment).map(|m| m.node);
                let host = self.host_of(node.expect("it joins its membership"));
                self.send(Party::Compute(epoch), Party::Host(host), Message::CreateSegment(create));
            }
            ReplacementState::Name(next) => {
                let stored = &mut self.metadata.memberships[pg.get() as usize];
                if stored.epoch().next() != next.epoch() {
                    replacement.on_overtaken();
                } else {
                    *stored = next;
                    replacement.on_named();
                }
            }
            ReplacementState::Install(next) => {
                if let Some(writer) = &mut self.computes[at].writer {
                    writer.change_membership(pg, next);
                }
                self.connect_writer(at);
            }
            ReplacementState::Settling | ReplacementState::Filling => {}
            ReplacementState::Done(_) => {
                self.coverage.hit("segment replaced");
                self.say(&Party::Compute(epoch), format_args!("s{} took its place", replacement.joining()));
                return false;
            }
            ReplacementState::Overtaken => return false,
        }
        true
    }
}
