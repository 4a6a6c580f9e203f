//! Asking the nodes whether they are what they say, and the end: everything heals, and must converge.

use redoubt_page::{Lsn, PageId, PgId};
use redoubt_protocol::{Address, AskGaps, AskStatus, Message, RequestId, SegmentId};

use crate::party::Party;
use crate::world::{Event, World};

/// How long a healed world may take.
const PATIENCE_US: u64 = 20_000_000;

impl World {
    /// A host's segments say how they are, and ask peers for what they lack.
    pub(crate) fn gossip(&mut self, host: usize) {
        if self.places[host].host.is_running() && !self.places[host].is_paused {
            for to in self.addresses_on(host) {
                let ask = Message::AskStatus(AskStatus { to, request: RequestId::new(0) });
                self.places[host].host.deliver(Party::Gossip(host).origin(), ask);
            }
            self.places[host].host.gossip();
            self.run_host(host);
        }
        let delay_us = self.rng.between(8_000, 25_000);
        self.at(delay_us, Event::Gossip { host });
    }

    /// A segment has said how it is.
    pub(crate) fn on_gossip_status(&mut self, message: &Message) {
        let Message::Status(status) = message else { return };
        self.statuses.insert(status.from.segment, *status);
    }

    /// Asks a segment of every host for all that it holds, to see whether it links.
    pub(crate) fn probe(&mut self) {
        for host in 0..self.places.len() {
            if !self.places[host].host.is_running() || self.places[host].is_paused {
                continue;
            }
            let addresses = self.addresses_on(host);
            let Some(to) = self.rng.pick(&addresses).copied() else { continue };
            let Some(status) = self.statuses.get(&to.segment).copied() else { continue };
            let epochs =
                redoubt_protocol::Epochs { volume: status.volume_epoch, membership: status.membership_epoch };
            // It is asked in its own name, so that the answer says whose it is.
            let ask = AskGaps { to, from: to.segment, epochs, scl: Lsn::ZERO, upto: Lsn::MAX };
            self.places[host].host.deliver(Party::Probe(host).origin(), Message::AskGaps(ask));
            self.run_host(host);
        }
        let delay_us = self.rng.between(10_000, 40_000);
        self.at(delay_us, Event::Probe);
    }

    /// What a probe was answered.
    pub(crate) fn on_probed(&mut self, message: &Message) {
        let Message::Fill(fill) = message else { return };
        self.coverage.hit("chain of a segment checked");
        self.truth.check_chain(fill.to, fill.epochs.volume, Lsn::ZERO, &fill.batch);
    }

    /// Faults stop. A recovery must open, its writer be acknowledged, every segment hold what survived, and every
    /// page read from every one of them be right.
    pub(crate) fn heal(&mut self) {
        self.say(&"world", format_args!("heals"));
        self.is_healing = true;
        self.network.heal();
        for host in 0..self.places.len() {
            self.places[host].slowness = 1;
            self.places[host].is_paused = false;
            self.make_space(host);
            // Faults that were set and did not happen must not happen now.
            if self.places[host].host.is_up() {
                self.kill_host(host);
            }
            self.start_host(host);
        }
        self.computes.iter_mut().for_each(|c| c.is_alive = false);
        let end_us = self.now_us + PATIENCE_US;
        while !self.is_open() {
            assert!(
                self.now_us < end_us,
                "the volume does not open: {:?}",
                self.computes.last().map(|c| c.opening())
            );
            self.run_until(self.now_us + 20_000);
        }
        self.append_last();
        while !self.has_settled() {
            let why = || self.unsettled();
            assert!(self.now_us < end_us, "the world does not settle: {}", why());
            self.run_until(self.now_us + 20_000);
        }
        let epoch = self.computes.last().expect("one is open").epoch;
        self.truth.check_all_acknowledged(epoch);
        let (_, history) = self.truth.newest_history().expect("one is open");
        let void = self.truth.check_survivors(&history);
        self.coverage.add("records void in the end", void);
        self.read_everything(end_us);
    }

    fn is_open(&self) -> bool {
        self.computes.last().is_some_and(|c| c.is_alive && c.writer.is_some())
    }

    /// The last writer changes a page of every group.
    fn append_last(&mut self) {
        let at = self.computes.len() - 1;
        for pg in 0..u64::from(self.shape.groups) {
            let pages = [PageId::new(pg * self.shape.segment_pages)];
            let appended = self.computes[at].append(&pages, 10, &mut self.truth);
            assert!(appended, "a writer that has just opened has no room");
        }
        let epoch = self.computes[at].epoch;
        self.pump(epoch);
    }

    /// The members whose disks were never damaged.
    fn sound_members(&self) -> Vec<Address> {
        let groups = (0_u32..).map(PgId::new).zip(&self.metadata.memberships);
        let all =
            groups.flat_map(|(pg, m)| m.members().iter().map(move |m| Address { pg, segment: m.segment }));
        all.filter(|a| !self.truth.is_damaged(a.segment)).collect()
    }

    fn scl_of(&self, segment: SegmentId) -> Option<Lsn> {
        self.statuses.get(&segment).map(|s| s.scl)
    }

    fn has_settled(&self) -> bool {
        let Some(writer) = self.computes.last().and_then(|c| c.writer.as_ref()) else { return false };
        let is_acknowledged = writer.vdl().next() >= writer.next_lsn() && writer.unacked_bytes() == 0;
        let is_at_tail = |a: &Address| self.scl_of(a.segment) == writer.pg_tail(a.pg);
        let is_whole = (0..self.places.len()).all(|host| self.is_whole(host));
        is_acknowledged && is_whole && self.sound_members().iter().all(is_at_tail)
    }

    fn unsettled(&self) -> String {
        let Some(writer) = self.computes.last().and_then(|c| c.writer.as_ref()) else {
            return "no writer".into();
        };
        let behind =
            self.sound_members().into_iter().filter(|a| self.scl_of(a.segment) != writer.pg_tail(a.pg));
        let behind: Vec<String> = behind
            .map(|a| {
                format!("g{}/s{} {:?} of {:?}", a.pg, a.segment, self.scl_of(a.segment), writer.pg_tail(a.pg))
            })
            .collect();
        let down: Vec<usize> =
            (0..self.places.len()).filter(|h| !self.places[*h].host.is_running()).collect();
        let torn: Vec<usize> = (0..self.places.len()).filter(|h| !self.is_whole(*h)).collect();
        format!(
            "VDL {} of {}, behind {behind:?}, down {down:?}, not replaced {torn:?}",
            writer.vdl(),
            writer.next_lsn()
        )
    }

    fn read_everything(&mut self, end_us: u64) {
        let at = self.computes.len() - 1;
        let epoch = self.computes[at].epoch;
        let vdl = self.computes[at].writer.as_ref().expect("it is open").vdl();
        self.computes[at].forget_reads();
        let before = self.coverage.count("page read and compared");
        let mut asked = 0;
        let pages: Vec<PageId> = self.truth.pages().collect();
        let geometry = self.geometry;
        for to in self.sound_members() {
            for page in pages.iter().filter(|page| geometry.pg_of(**page) == to.pg) {
                let Some(host) = self.host_of_segment(to) else { continue };
                let read = self.computes[at].read_at(to, *page, vdl).expect("it is open");
                asked += 1;
                self.send(Party::Compute(epoch), Party::Host(host), read);
            }
        }
        while self.computes[at].open_reads() > 0 {
            assert!(self.now_us < end_us + 5_000_000, "reads are not answered");
            self.run_until(self.now_us + 10_000);
        }
        let compared = self.coverage.count("page read and compared") - before;
        assert!(compared >= asked, "{} of {asked} reads were refused at the end", asked - compared);
    }
}
