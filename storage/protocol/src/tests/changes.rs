//! Faults and changes of the world's shape: partitions, dead logs, segments replaced.

use alloc::sync::Arc;
use alloc::vec::Vec;
use redoubt_page::{Lsn, PageId, PgId};

use super::world::{GROUPS, Node, Party, SEGMENT_PAGES, World};
use crate::control::ControlState;
use crate::geometry::{Member, Membership};
use crate::ids::{NodeId, RequestId, SegmentId, VolumeId, Zone};
use crate::message::{Address, CreateSegment, Images, Message};
use crate::replacement::{NewSegment, ReplacementCore, ReplacementState};

impl World {
    /// An opener often cannot reach some segments, while a writer that it fences can. The worst choice is to
    /// cut it off from those that are up to date.
    pub(crate) fn cut_off_opener(&mut self, opener: usize) {
        let mode = self.rng.below(10);
        if mode < 3 {
            return;
        }
        for group in 0..GROUPS {
            let members: Vec<SegmentId> =
                self.memberships[group].members().iter().map(|m| m.segment).collect();
            // Group 0 needs a write quorum of promises, the others a read quorum.
            let most = members.len() - if group == 0 { 4 } else { 3 };
            let mut order = members;
            for at in (1..order.len()).rev() {
                order.swap(at, self.rng.below(at + 1));
            }
            if mode >= 6 {
                order.sort_by_key(|s| self.is_slow(*s));
            }
            let count = if mode >= 6 { most } else { self.rng.below(most + 1) };
            for segment in &order[..count] {
                let pairs: Vec<_> = self.pairs(Party::Opener(opener), *segment).collect();
                self.blocked.extend(pairs);
            }
            self.hide_opener(&order[count..]);
        }
    }

    /// The writer that is being fenced does not hear of it: nothing passes between it and the segments that
    /// the opener reaches, or only what those still have to say.
    fn hide_opener(&mut self, reached: &[SegmentId]) {
        let mode = self.rng.below(4);
        let Some(writer) = self.writers.len().checked_sub(1).filter(|_| mode > 0) else { return };
        for segment in reached {
            let pairs: Vec<_> = self.pairs(Party::Writer(writer), *segment).collect();
            // The first of a pair is the direction to the segment.
            self.blocked.extend(pairs.into_iter().take(if mode == 1 { 2 } else { 1 }));
        }
    }

    fn is_slow(&self, segment: SegmentId) -> bool {
        self.nodes.iter().any(|n| n.address.segment == segment && n.slow)
    }

    fn pairs(&self, party: Party, segment: SegmentId) -> impl Iterator<Item = (Party, Party)> + use<> {
        let at = self.nodes.iter().position(|n| n.address.segment == segment);
        at.into_iter()
            .flat_map(move |at| [(party, Party::Segment(at)), (Party::Segment(at), party)].into_iter())
    }

    /// Cuts one direction between a writer and a node, or mends it, or mends everything.
    pub(crate) fn block(&mut self, writer: usize, node: usize) {
        if self.rng.percent(15) {
            return self.blocked.clear();
        }
        if self.rng.percent(50) && !self.blocked.is_empty() {
            let at = self.rng.below(self.blocked.len());
            let mended = self.blocked.iter().nth(at).copied();
            mended.into_iter().for_each(|pair| _ = self.blocked.remove(&pair));
            return;
        }
        let (a, b) = (Party::Writer(writer), Party::Segment(node));
        let pair = if self.rng.percent(50) { (a, b) } else { (b, a) };
        if !self.blocked.remove(&pair) {
            self.blocked.insert(pair);
        }
    }

    /// A flush fails, if the group can still do without that segment.
    pub(crate) fn fail_log(&mut self, node: usize) {
        let pg = self.nodes[node].address.pg;
        let members = self.memberships[pg.get() as usize].members();
        let dead = |m: &&Member| self.nodes.iter().any(|n| n.address.segment == m.segment && n.log_dead);
        if members.iter().filter(dead).count() > 0 {
            return;
        }
        self.nodes[node].log_dead = true;
        self.with_node(node, |core| core.on_flush_failed());
        self.nodes[node].log_writes.clear();
        self.nodes[node].control_writes.clear();
        self.nodes[node].image_commits.clear();
    }

    /// The writer that the metadata store would let change a membership, if it is alive.
    fn current_writer(&mut self) -> Option<usize> {
        let epoch = self.epoch;
        self.writers.iter().position(|w| w.alive && w.core.volume_epoch() == epoch)
    }

    /// Takes a replacement in a group one step on, or begins one.
    pub(crate) fn change_membership(&mut self) {
        let group = self.rng.below(GROUPS);
        let pg = PgId::new(group as u32);
        let Some(writer) = self.current_writer() else { return };
        let known = Arc::clone(&self.memberships[group]);
        // A writer that is not the one that began goes on from what the metadata store names.
        let epoch = self.epoch;
        let begun = self.changing[group].take().filter(|(by, _)| *by == epoch).map(|(_, machine)| machine);
        let mut machine = match begun.or_else(|| ReplacementCore::resume(pg, &known)) {
            Some(machine) => machine,
            None => {
                // A membership may be complete in the store and not in force yet.
                let in_force = self.writers[writer].core.membership(pg).map(|m| m.epoch());
                if in_force != Some(known.epoch()) {
                    return self.install(writer, pg, known);
                }
                let members = known.members();
                let dead = |s: SegmentId| self.nodes.iter().any(|n| n.address.segment == s && n.log_dead);
                let any = self.rng.below(members.len());
                let failed = members.iter().find(|m| dead(m.segment)).unwrap_or(&members[any]).segment;
                self.begin_replacement(writer, pg, failed)
            }
        };
        if self.rng.percent(5) {
            machine.give_up();
        }
        let step = machine.next_step(&mut self.writers[writer].core).expect("quorums overlap");
        let is_over = self.carry_out(writer, &mut machine, step);
        self.changing[group] = (!is_over).then_some((epoch, machine));
    }

    /// Carries out one step of a replacement. Returns whether it was the last.
    pub(crate) fn carry_out(
        &mut self,
        writer: usize,
        machine: &mut ReplacementCore,
        step: ReplacementState,
    ) -> bool {
        let pg = machine.pg();
        match step {
            ReplacementState::Create(create) => {
                self.create_segment(&create);
                let made = self.nodes.iter().find(|n| n.address == create.to);
                let status = made.and_then(|n| n.core.as_ref()).map(|core| core.status(create.request));
                status.iter().for_each(|status| machine.on_created(status));
            }
            ReplacementState::Name(next) => {
                let group = pg.get() as usize;
                if next.epoch() != self.memberships[group].epoch().next() {
                    machine.on_overtaken();
                    return true;
                }
                self.memberships[group] = next;
                self.changes += 1;
                machine.on_named();
            }
            ReplacementState::Install(next) => self.install(writer, pg, next),
            ReplacementState::Settling | ReplacementState::Filling => {}
            ReplacementState::Done(_) | ReplacementState::Overtaken => return true,
        }
        false
    }

    fn install(&mut self, writer: usize, pg: PgId, next: Arc<Membership>) {
        self.writers[writer].core.change_membership(pg, next);
        self.connect_all(writer);
    }

    /// A machine that replaces `failed`.
    pub(crate) fn begin_replacement(
        &mut self,
        writer: usize,
        pg: PgId,
        failed: SegmentId,
    ) -> ReplacementCore {
        let segment = SegmentId::new(self.nodes.len() as u64 + 1);
        let (node, zone) = (NodeId::new(segment.get() as u16), Zone::new(0));
        let joining = Member { segment, node, zone, join_point: Lsn::ZERO };
        let new = NewSegment {
            volume: VolumeId::new([7; 16]),
            segment_pages: SEGMENT_PAGES,
            request: RequestId::new(0),
        };
        let core = &mut self.writers[writer].core;
        ReplacementCore::begin(core, pg, failed, joining, new).expect("a member is replaced by a stranger")
    }

    fn create_segment(&mut self, create: &CreateSegment) {
        if self.nodes.iter().any(|n| n.address == create.to) {
            return;
        }
        let control = ControlState::created(create).expect("a segment of its membership");
        self.nodes.push(Node::created(create.to, control));
        self.restart(self.nodes.len() - 1);
    }

    /// Records that recovery cannot ask for any more leave a node's log for its images.
    pub(crate) fn trim(&mut self, at: usize) {
        let Some(core) = &mut self.nodes[at].core else { return };
        let limit = core.coalesce_limit().min(core.image_pin().unwrap_or(Lsn::MAX));
        let limit = limit.min(core.restore_point().linked);
        if self.rng.percent(40) {
            core.release_images();
        }
        if limit <= self.nodes[at].disk.images_to {
            return;
        }
        self.with_node(at, |core| core.on_coalesced(limit));
        self.checkpoint(at);
        let disk = &mut self.nodes[at].disk;
        disk.images_to = limit;
        disk.log.retain(|(batch, _)| batch.as_ref().is_none_or(|b| b.summary().last() > limit));
    }

    /// A peer is sent pages in the place of records, in two messages.
    pub(crate) fn send_images(&mut self, at: usize, to: Party, offer: Images) {
        self.truth.offered_images(&self.nodes[at], &offer);
        let middle = offer.first_page.get() / SEGMENT_PAGES * SEGMENT_PAGES + SEGMENT_PAGES / 2;
        let next_page = (offer.first_page.get() < middle).then(|| PageId::new(middle));
        self.send(Party::Segment(at), to, Message::Images(Images { next_page, ..offer }));
    }

    /// Images put aside become the segment's.
    pub(crate) fn commit_images(&mut self, at: usize) {
        let Some((token, point)) = self.nodes[at].image_commits.pop_front() else { return };
        self.nodes[at].disk.checkpoint = point;
        let disk = &mut self.nodes[at].disk;
        disk.images_to = disk.images_to.max(point.linked);
        self.imaged += 1;
        self.with_node(at, |core| core.on_images_committed(token));
    }

    fn connect_all(&mut self, writer: usize) {
        let addresses: Vec<Address> =
            self.nodes.iter().filter(|n| n.core.is_some()).map(|n| n.address).collect();
        for address in addresses {
            self.writers[writer].core.on_connected(address);
        }
    }
}
