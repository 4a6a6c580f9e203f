//! Faults as they happen.

use redoubt_io::forgetting::Fault as DiskFault;
use redoubt_page::PgId;
use redoubt_protocol::NodeId;

use crate::disk::SimDisk;
use crate::faults::Fault;
use crate::host::Host;
use crate::party::Party;
use crate::rng::Rng;
use crate::world::{Event, World, ZONES};

/// Hosts with one node each whose disks may be hurt in one run: what a volume must survive, and go on after.
const MOST_HURT: usize = 2;

impl World {
    /// A fault of a kind, now; and the next of its kind, later.
    pub(crate) fn strike(&mut self, fault: Fault) {
        if self.is_healing {
            return;
        }
        if let Some(mean_us) = self.plan.mean_us(fault) {
            let delay_us = self.strikes.interval(mean_us);
            self.at(delay_us, Event::Strike(fault));
        }
        let host = self.strikes.below(self.places.len());
        let for_us = self.strikes.between(20_000, 200_000);
        match fault {
            Fault::Loss | Fault::Duplicate | Fault::Delay => {}
            Fault::Partition => self.partition(for_us),
            Fault::OneWay => self.block_one_way(host, for_us),
            Fault::Kill => self.kill_for(host, for_us / 4, "host killed"),
            Fault::ZoneLoss => self.lose_zone(for_us),
            Fault::Slow => {
                self.places[host].slowness = self.strikes.between(5, 60);
                self.say(&Party::Host(host), format_args!("is slow"));
                self.at(for_us, Event::Quicken { host });
            }
            Fault::Pause => self.pause(host, for_us),
            Fault::FlushError => self.inject(host, DiskFault::Flush),
            Fault::WriteError => self.inject(host, DiskFault::Write),
            Fault::ReadError => self.inject(host, DiskFault::Read),
            Fault::Rot => self.rot(host),
            Fault::DiskFull => self.fill_disk(host, for_us),
            Fault::WriterKill => self.kill_writer(),
            Fault::Takeover => self.take_over(),
            Fault::Wipe => self.wipe(host),
        }
    }

    fn partition(&mut self, for_us: u64) {
        let id = self.network.new_block();
        let count = 1 + self.strikes.below((self.places.len() / 2).max(1));
        let apart: Vec<usize> = (0..count).map(|_| self.strikes.below(self.places.len())).collect();
        self.say(&"network", format_args!("hosts {apart:?} are cut off"));
        let parties: Vec<Party> = (0..self.places.len())
            .filter(|host| !apart.contains(host))
            .map(Party::Host)
            .chain(self.computes.iter().filter(|c| c.is_alive).map(|c| Party::Compute(c.epoch)))
            .collect();
        for host in apart {
            parties.iter().for_each(|other| self.network.block(id, Party::Host(host), *other, None));
        }
        self.at(for_us, Event::Unblock(id));
    }

    fn block_one_way(&mut self, host: usize, for_us: u64) {
        let id = self.network.new_block();
        let computes: Vec<Party> =
            self.computes.iter().filter(|c| c.is_alive).map(|c| Party::Compute(c.epoch)).collect();
        let peer = Party::Host(self.strikes.below(self.places.len()));
        let other = self.strikes.pick(&computes).copied().filter(|_| self.places.len() < 3).unwrap_or(peer);
        let other =
            if self.strikes.permille(700) { computes.last().copied().unwrap_or(other) } else { other };
        let (mut from, mut to) = (Party::Host(host), other);
        if self.strikes.permille(500) {
            std::mem::swap(&mut from, &mut to);
        }
        self.say(&"network", format_args!("{to} does not hear {from}"));
        self.network.block_one_way(id, from, to, None);
        self.at(for_us, Event::Unblock(id));
    }

    /// An opener often cannot reach some segments, while the writer that it overtakes can, and does not hear of
    /// it. The worst choice is to cut it off from those that are furthest.
    pub(crate) fn cut_off(&mut self, epoch: redoubt_page::VolumeEpoch) {
        let is_on = self.plan.strength(Fault::Partition) + self.plan.strength(Fault::OneWay) > 0;
        if self.is_healing || !is_on || self.strikes.permille(300) {
            return;
        }
        let id = self.network.new_block();
        let by_progress = self.strikes.permille(500);
        let hides = self.strikes.permille(700);
        let older = self.computes.iter().rev().find(|c| c.is_alive && c.epoch < epoch).map(|c| c.epoch);
        for (pg, membership) in (0_u32..).map(PgId::new).zip(self.metadata.memberships.clone()) {
            // Group 0 needs promises of a write quorum, the others of a read quorum.
            let most = if pg == PgId::new(0) { 2 } else { 3 };
            let mut order: Vec<_> = membership.members().to_vec();
            for at in (1..order.len()).rev() {
                order.swap(at, self.strikes.below(at + 1));
            }
            if by_progress {
                let scl = |m: &redoubt_protocol::Member| self.statuses.get(&m.segment).map(|s| s.scl);
                order.sort_by_key(|m| std::cmp::Reverse(scl(m)));
            }
            let count = self.strikes.below(most + 1);
            for (at, member) in order.iter().enumerate() {
                let host = Party::Host(self.host_of(member.node));
                if at < count {
                    self.network.block(id, Party::Compute(epoch), host, Some(pg));
                } else if let Some(older) = older.filter(|_| hides) {
                    self.network.block(id, Party::Compute(older), host, Some(pg));
                }
            }
        }
        self.say(&"network", format_args!("writer e{epoch} reaches a part of the segments"));
        let for_us = self.strikes.between(20_000, 300_000);
        self.at(for_us, Event::Unblock(id));
    }

    pub(crate) fn kill_for(&mut self, host: usize, away_us: u64, why: &'static str) {
        if !self.places[host].host.is_up() {
            return;
        }
        self.coverage.hit(why);
        self.say(&Party::Host(host), format_args!("is killed"));
        self.kill_host(host);
        self.at(away_us, Event::StartHost { host });
    }

    fn lose_zone(&mut self, for_us: u64) {
        let zone = self.strikes.below(usize::from(ZONES)) as u16;
        let is_in = |nodes: &[NodeId]| nodes.iter().any(|n| n.get() % ZONES == zone);
        let hosts: Vec<usize> =
            (0..self.places.len()).filter(|host| is_in(&self.places[*host].host.nodes)).collect();
        if hosts.len() == self.places.len() && hosts.len() > 1 {
            return;
        }
        self.coverage.hit("zone lost");
        for host in hosts {
            self.kill_for(host, for_us, "host killed with its zone");
        }
    }

    fn pause(&mut self, host: usize, for_us: u64) {
        if !self.places[host].host.is_running() || self.places[host].is_paused {
            return;
        }
        self.coverage.hit("host paused");
        self.say(&Party::Host(host), format_args!("is paused"));
        self.places[host].is_paused = true;
        self.at(for_us, Event::Resume { host });
    }

    fn inject(&mut self, host: usize, fault: DiskFault) {
        let files = self.places[host].host.disk().files();
        // Mostly the log that is being written: the one that was changed last is not known, so any with contents.
        let used: Vec<&String> =
            files.iter().filter(|(_, b)| b.iter().any(|b| *b != 0)).map(|(n, _)| n).collect();
        let Some(name) = self.strikes.pick(&used) else { return };
        self.say(&Party::Host(host), format_args!("will fail its next {fault:?} of {name}"));
        self.places[host].host.storage.inject(name, fault);
    }

    /// Hosts that have been hurt for good, or as good as.
    fn hurt(&self) -> usize {
        let is_hurt = |host: &usize| {
            let place = &self.places[*host];
            place.is_damaged || !self.is_whole(*host)
        };
        (0..self.places.len()).filter(is_hurt).count()
    }

    /// Whether all segments that a wiped host had have been replaced.
    pub(crate) fn is_whole(&self, host: usize) -> bool {
        let wiped_before = self.places[host].wiped_before;
        let is_settled = |pg: PgId| self.metadata.memberships[pg.get() as usize].alternatives().len() == 1;
        wiped_before == 0
            || self.addresses_on(host).iter().all(|a| a.segment.get() >= wiped_before && is_settled(a.pg))
    }

    fn rot(&mut self, host: usize) {
        let is_alone = self.places[host].host.nodes.len() == 1;
        let is_new = !self.places[host].is_damaged;
        if is_alone && is_new && (self.hurt() >= MOST_HURT || !self.is_whole(host)) {
            return;
        }
        // Nodes that share a disk have copies side by side. Two places at most, so that four copies are whole.
        if !is_alone && self.coverage.count("sector rotted") >= MOST_HURT as u64 {
            return;
        }
        let files = self.places[host].host.disk().files();
        let Some((name, bytes)) = self.strikes.pick(&files) else { return };
        let sectors = bytes.len() / 512;
        let is_used = |sector: usize| bytes[sector * 512..][..512].iter().any(|b| *b != 0);
        let Some(sector) =
            (0..200).map(|_| self.strikes.below(sectors.max(1))).find(|s| *s < sectors && is_used(*s))
        else {
            return;
        };
        let mut noise = Rng::new(self.strikes.next(), 9);
        let rotten: Vec<u8> = (0..64).map(|_| noise.next() as u8).collect();
        let offset = (sector * 512 + self.strikes.below(448)) as u64;
        self.places[host].host.storage.damage(name, offset, &rotten);
        self.places[host].is_damaged = true;
        self.coverage.hit("sector rotted");
        self.say(&Party::Host(host), format_args!("rots: {name} at {offset}"));
        for address in self.addresses_on(host) {
            self.truth.damaged(address.segment);
        }
    }

    fn fill_disk(&mut self, host: usize, for_us: u64) {
        let bytes: usize = self.places[host].host.disk().files().iter().map(|(_, bytes)| bytes.len()).sum();
        self.places[host].host.storage.set_capacity_bytes(Some(bytes as u64));
        self.places[host].is_full = true;
        self.say(&Party::Host(host), format_args!("has no more space"));
        self.at(for_us, Event::MakeSpace { host });
    }

    pub(crate) fn make_space(&mut self, host: usize) {
        let place = &mut self.places[host];
        if std::mem::take(&mut place.is_full) {
            place.host.storage.set_capacity_bytes(None);
            place.host.nudge();
            self.run_host(host);
        }
    }

    fn kill_writer(&mut self) {
        let Some(compute) = self.computes.last_mut().filter(|c| c.is_alive) else { return };
        compute.is_alive = false;
        let (epoch, was_open) = (compute.epoch, compute.writer.is_some());
        if was_open {
            self.coverage.hit("writer killed");
        }
        self.say(&Party::Compute(epoch), format_args!("is killed"));
    }

    fn take_over(&mut self) {
        if self.computes.last().is_some_and(|c| c.is_alive && c.writer.is_some()) {
            self.coverage.hit("writer overtaken");
        }
        self.start_compute();
    }

    /// A host loses its disk, and everything on it; its node returns with nothing.
    pub(crate) fn wipe(&mut self, host: usize) {
        let place = &self.places[host];
        let may = place.host.nodes.len() == 1 && !place.is_damaged && self.is_whole(host);
        if !may || self.hurt() >= MOST_HURT {
            return;
        }
        self.coverage.hit("disk wiped");
        self.say(&Party::Host(host), format_args!("loses its disk"));
        self.kill_host(host);
        let (hosts, options) = (self.places[host].host.hosts(), self.places[host].host.options());
        let disk = SimDisk::new(self.flush_bug);
        disk.below().hold_flushes();
        self.places[host].host = Host::new(disk, host, hosts, options);
        self.places[host].wiped_before = self.metadata.next_segment;
        let away_us = self.strikes.between(1_000, 50_000);
        self.at(away_us, Event::StartHost { host });
    }
}
