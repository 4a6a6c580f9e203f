//! What must be true, whatever happens. Kept apart from the machines: nothing here asks them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use redoubt_page::{Lsn, PgId, VolumeEpoch};

use super::world::{Disk, Node};
use crate::geometry::Membership;
use crate::history::History;
use crate::message::{AppendAck, Images, ReadPage};
use crate::recovery::Decision;
use crate::writer::WriterStart;

#[derive(Clone, Copy, Debug)]
struct Written {
    epoch: VolumeEpoch,
    pg: PgId,
    prev_pg: Lsn,
}

/// The truth about a run.
#[derive(Debug)]
pub(crate) struct Truth {
    per_node_checks: bool,
    /// Every LSN ever allocated, and by whom.
    written: BTreeMap<Lsn, Written>,
    /// The last records of the groups, as each writer sees them.
    tails: BTreeMap<(VolumeEpoch, PgId), Lsn>,
    cpls: BTreeSet<Lsn>,
    /// The highest LSN acknowledged by each writer.
    acknowledged: BTreeMap<VolumeEpoch, Lsn>,
    /// The volumes that were opened: VDL and history.
    opened: BTreeMap<VolumeEpoch, (Lsn, Arc<History>)>,
    pub(crate) decisions: usize,
    pub(crate) served: usize,
}

impl Truth {
    pub(crate) fn new(per_node_checks: bool) -> Truth {
        Truth {
            per_node_checks,
            written: BTreeMap::new(),
            tails: BTreeMap::new(),
            cpls: BTreeSet::new(),
            acknowledged: BTreeMap::new(),
            opened: BTreeMap::new(),
            decisions: 0,
            served: 0,
        }
    }

    pub(crate) fn acknowledged_count(&self) -> usize {
        let upto = |(epoch, lsn): (&VolumeEpoch, &Lsn)| {
            self.written.iter().filter(|(l, w)| w.epoch == *epoch && *l <= lsn).count()
        };
        self.acknowledged.iter().map(upto).sum()
    }

    /// A writer numbered records. No LSN is ever given out twice, whoever is or was writing.
    pub(crate) fn appended(
        &mut self,
        epoch: VolumeEpoch,
        cpl: Lsn,
        records: impl Iterator<Item = (Lsn, PgId)>,
    ) {
        for (lsn, pg) in records {
            let tail = self.tails.entry((epoch, pg)).or_default();
            let prev_pg = core::mem::replace(tail, lsn);
            let before = self.written.insert(lsn, Written { epoch, pg, prev_pg });
            assert!(before.is_none(), "LSN {lsn} was given out by epoch {epoch} and by {before:?}");
        }
        self.cpls.insert(cpl);
    }

    /// A writer told its clients that everything up to here is durable. Nothing of it may be void in any
    /// volume opened since.
    pub(crate) fn acknowledged(&mut self, epoch: VolumeEpoch, vdl: Lsn) {
        assert!(self.cpls.contains(&vdl), "VDL {vdl} is inside a mini-transaction");
        for (later, (recovered, history)) in self.opened.range(epoch.next()..) {
            assert!(
                vdl <= *recovered && !history.is_voided(vdl),
                "epoch {epoch} acknowledged {vdl} after epoch {later} had opened at {recovered}"
            );
        }
        let known = self.acknowledged.entry(epoch).or_default();
        assert!(*known <= vdl, "VDL fell from {known} to {vdl}");
        *known = vdl;
    }

    /// A recovery decided, whether or not it will ever open: everything acknowledged must be in.
    pub(crate) fn decided(&mut self, epoch: VolumeEpoch, decision: &Decision) {
        self.decisions += 1;
        for (writer, acknowledged) in self.acknowledged.range(..epoch) {
            assert!(
                *acknowledged <= decision.vdl,
                "recovery {epoch} found VDL {}, but epoch {writer} had acknowledged {acknowledged}",
                decision.vdl
            );
            self.check_survives(epoch, *writer, *acknowledged, &decision.history);
        }
        let at_cpl = decision.vdl == Lsn::ZERO || self.cpls.contains(&decision.vdl);
        assert!(at_cpl, "recovery {epoch} found VDL {} inside a mini-transaction", decision.vdl);
        self.check_nothing_revived(epoch, decision);
    }

    fn check_survives(&self, by: VolumeEpoch, writer: VolumeEpoch, acknowledged: Lsn, history: &History) {
        let mine = self.written.range(..=acknowledged).filter(|(_, w)| w.epoch == writer);
        for (lsn, _) in mine {
            assert!(!history.is_voided(*lsn), "recovery {by} voids {lsn}, acknowledged by {writer}");
        }
    }

    /// What an opened volume had voided stays void.
    fn check_nothing_revived(&self, epoch: VolumeEpoch, decision: &Decision) {
        let Some((opened, (_, before))) = self.opened.range(..epoch).next_back() else { return };
        for range in before.ranges() {
            let (first, last) = (range.after.next(), range.upto);
            let still = decision.history.is_voided(first) && decision.history.is_voided(last);
            assert!(still, "recovery {epoch} revives {first}..{last}, voided by {opened}");
        }
    }

    pub(crate) fn opened(&mut self, start: &WriterStart) {
        let epoch = start.volume_epoch;
        if let Some((_, (vdl, _))) = self.opened.range(..epoch).next_back() {
            assert!(*vdl <= start.vdl, "VDL fell from {vdl} to {} across a recovery", start.vdl);
        }
        // A fenced writer may be told of acknowledgements after the decision, not of new ones.
        for (writer, acknowledged) in self.acknowledged.range(..epoch) {
            assert!(
                *acknowledged <= start.vdl,
                "epoch {epoch} opens at {}, but epoch {writer} had acknowledged {acknowledged}",
                start.vdl
            );
        }
        for (pg, group) in (0_u32..).map(PgId::new).zip(&start.groups) {
            let expected = self.tail_at(&start.history, pg, start.vdl);
            assert_eq!(group.tail, expected, "tail of {pg} at {} in epoch {epoch}", start.vdl);
            self.tails.insert((epoch, pg), group.tail);
        }
        self.opened.insert(epoch, (start.vdl, Arc::clone(&start.history)));
    }

    /// The last record of a group, at or below an LSN, that survives in a history.
    fn tail_at(&self, history: &History, pg: PgId, upto: Lsn) -> Lsn {
        let mut mine = self.written.range(..=upto).rev().filter(|(_, w)| w.pg == pg);
        mine.find(|(lsn, _)| !history.is_voided(**lsn)).map_or(Lsn::ZERO, |(lsn, _)| *lsn)
    }

    /// A segment claims to hold everything up to an SCL: its disk must, link by link.
    pub(crate) fn acked_by_segment(&self, node: &Node, ack: &AppendAck) {
        if self.per_node_checks {
            let held = held_on_disk(&node.disk);
            self.check_chain(&held, ack.scl, node);
        }
    }

    /// A segment gives a peer pages as of a point: it must have what they stand for.
    pub(crate) fn offered_images(&self, node: &Node, offer: &Images) {
        // A recovery has not opened yet, and may never: what is copied survives the volume opened last.
        let history = self.opened.range(..=offer.epochs.volume).next_back();
        let (_, (_, history)) = history.expect("the first volume was opened");
        let tail = self.tail_at(history, offer.to.pg, offer.at);
        assert_eq!(offer.pg_tail, tail, "{:?} gives images as of {} a wrong end", node.address, offer.at);
        self.check_chain(&held_on_disk(&node.disk), tail, node);
    }

    fn check_chain(&self, held: &BTreeSet<Lsn>, scl: Lsn, node: &Node) {
        let mut at = scl;
        while at > node.disk.images_to {
            assert!(held.contains(&at), "{:?} counts {at} below SCL {scl}, not on its disk", node.address);
            at = self.written[&at].prev_pg;
        }
    }

    /// A segment admitted a page read. It must hold every record of its group up to the read point.
    pub(crate) fn served(&mut self, node: &Node, read: &ReadPage) {
        self.served += 1;
        let Some((_, history)) = self.opened.get(&read.epochs.volume) else {
            panic!("a read of epoch {}, which never opened, was admitted", read.epochs.volume);
        };
        let mut needed = self.tail_at(history, read.to.pg, read.read_point);
        let held = held_on_disk(&node.disk);
        while needed > node.disk.images_to {
            assert!(
                held.contains(&needed),
                "{:?} serves a page at {} without record {needed}",
                node.address,
                read.read_point
            );
            needed = self.written[&needed].prev_pg;
        }
    }

    /// After healing: every segment holds exactly what survived, and says so.
    pub(crate) fn check_converged(&self, nodes: &[Node], memberships: &[Arc<Membership>]) {
        let Some((epoch, (_, history))) = self.opened.last_key_value() else { return };
        for node in nodes {
            let membership = &memberships[node.address.pg.get() as usize];
            let counts = membership.member(node.address.segment).is_some() && !node.log_dead;
            let Some(core) = node.core.as_ref().filter(|_| counts) else { continue };
            let last = self.tail_at(history, node.address.pg, Lsn::MAX);
            assert_eq!(core.scl(), last, "{:?} did not converge under epoch {epoch}", node.address);
            self.check_chain(&held_on_disk(&node.disk), last, node);
        }
    }

    /// Everything that the newest writer appended has been acknowledged.
    pub(crate) fn check_all_acknowledged(&self, epoch: VolumeEpoch) {
        let mine: Vec<Lsn> =
            self.written.iter().filter(|(_, w)| w.epoch == epoch).map(|(lsn, _)| *lsn).collect();
        let acknowledged = self.acknowledged.get(&epoch).copied().unwrap_or_default();
        assert!(mine.iter().all(|l| *l <= acknowledged), "epoch {epoch} is stuck at {acknowledged}");
        assert!(!mine.is_empty(), "epoch {epoch} appended nothing after healing");
    }
}

/// The records in a log.
fn held_on_disk(disk: &Disk) -> BTreeSet<Lsn> {
    let batches = disk.log.iter().filter_map(|(batch, _)| batch.as_ref());
    let runs = batches.flat_map(|b| b.summary().runs().to_vec());
    runs.flat_map(|r| (r.first.get()..=r.last.get()).map(Lsn::new)).collect()
}
