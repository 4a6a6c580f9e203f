//! Faults and changes of the world's shape: partitions, dead logs, segments replaced.

use alloc::sync::Arc;
use alloc::vec::Vec;
use redoubt_page::PgId;

use super::world::{GROUPS, Node, Party, SEGMENT_PAGES, World};
use crate::control::ControlState;
use crate::geometry::{Member, Membership};
use crate::ids::{NodeId, RequestId, SegmentId, VolumeId, Zone};
use crate::message::{Address, CreateSegment};
use crate::writer::WriterCore;

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
    }

    /// The writer that the metadata store would let change a membership, if it is alive.
    fn current_writer(&mut self) -> Option<usize> {
        let epoch = self.epoch;
        self.writers.iter().position(|w| w.alive && w.core.volume_epoch() == epoch)
    }

    /// Begins, completes or reverts a replacement in a group.
    pub(crate) fn change_membership(&mut self) {
        let group = self.rng.below(GROUPS);
        let pg = PgId::new(group as u32);
        let Some(writer) = self.current_writer() else { return };
        let known = Arc::clone(&self.memberships[group]);
        // One step at a time: the last one must be in force.
        if self.writers[writer].core.membership(pg).is_none_or(|m| m.epoch() != known.epoch()) {
            return;
        }
        let next = match known.alternatives() {
            [_] => {
                let members = known.members();
                let dead = |s: SegmentId| self.nodes.iter().any(|n| n.address.segment == s && n.log_dead);
                let any = self.rng.below(members.len());
                let failed = members.iter().find(|m| dead(m.segment)).unwrap_or(&members[any]).segment;
                self.begin_replacement(writer, pg, failed)
            }
            [old, new, ..] => {
                let leaving = old.write.segments().into_iter().find(|s| !new.write.names(*s));
                let joining = new.write.segments().into_iter().find(|s| !old.write.names(*s));
                let (Some(leaving), Some(joining)) = (leaving, joining) else { return };
                let complete = is_complete(&self.writers[writer].core, &known, pg, joining);
                if complete && self.rng.percent(80) {
                    known.without(leaving).ok()
                } else if self.rng.percent(30) {
                    known.without(joining).ok()
                } else {
                    None
                }
            }
            [] => None,
        };
        if let Some(next) = next {
            self.put_membership(writer, pg, next);
        }
    }

    /// The metadata store names the membership; the writer brings it to the segments.
    pub(crate) fn put_membership(&mut self, writer: usize, pg: PgId, next: Membership) {
        let next = Arc::new(next);
        self.memberships[pg.get() as usize] = Arc::clone(&next);
        self.changes += 1;
        self.writers[writer].core.change_membership(pg, next);
        self.connect_all(writer);
    }

    /// A new segment, and the membership in which it replaces `failed`.
    pub(crate) fn begin_replacement(
        &mut self,
        writer: usize,
        pg: PgId,
        failed: SegmentId,
    ) -> Option<Membership> {
        let known = Arc::clone(&self.memberships[pg.get() as usize]);
        let segment = SegmentId::new(self.nodes.len() as u64 + 1);
        let joining = Member {
            segment,
            node: NodeId::new(segment.get() as u16),
            zone: Zone::new(0),
            join_point: self.writers[writer].core.pgcl(pg)?,
        };
        let next = known.replacing(failed, joining).expect("a member is replaced by a stranger");
        let core = &self.writers[writer].core;
        let address = Address { pg, segment };
        let control = ControlState::created(&CreateSegment {
            to: address,
            request: RequestId::new(0),
            volume: VolumeId::new([7; 16]),
            segment_pages: SEGMENT_PAGES,
            volume_epoch: core.volume_epoch(),
            history: Arc::clone(core.history()),
            membership: Arc::new(next.clone()),
        });
        // The segment exists, durably, before the metadata store names it.
        self.nodes.push(Node::created(address, control.expect("a segment of its membership")));
        self.restart(self.nodes.len() - 1);
        Some(next)
    }

    fn connect_all(&mut self, writer: usize) {
        let addresses: Vec<Address> =
            self.nodes.iter().filter(|n| n.core.is_some()).map(|n| n.address).collect();
        for address in addresses {
            self.writers[writer].core.on_connected(address);
        }
    }
}

/// Whether the segment that joins holds all that was durable when it joined.
fn is_complete(core: &WriterCore, membership: &Membership, pg: PgId, joining: SegmentId) -> bool {
    let Some(member) = membership.member(joining) else { return false };
    core.segments(pg).any(|s| s.segment == joining && s.ready && s.scl >= member.join_point)
}
