//! What must be true, whatever happens. Kept apart from the machines and nodes: it hears what writers number, what
//! they acknowledge, what recoveries decide and what segments say, and asks nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use redoubt_page::{Lsn, Page, PageId, PgId, VolumeEpoch};
use redoubt_protocol::{Address, Decision, History, Message, RecordBatch, SegmentId, WriterStart};

/// A record that some writer numbered.
#[derive(Clone, Debug)]
struct Written {
    epoch: VolumeEpoch,
    pg: PgId,
    page: PageId,
    prev_pg: Lsn,
    /// The page with this record in.
    image: Page,
}

/// What a segment said of itself, that must hold of everything it says later.
#[derive(Clone, Debug, Default)]
struct Said {
    promised: VolumeEpoch,
    /// By the history's epoch: the lowest and highest SCL told in the last go that told one.
    scl: BTreeMap<VolumeEpoch, (Lsn, Lsn)>,
    joined: bool,
}

impl Said {
    /// Takes in what was said in one go, if it can follow what was said before.
    ///
    /// A history may be taken back: a recovery that finds it on some segments, and knows that its writer never opened,
    /// writes the list it starts from over it (rule 6 of the protocol). What the later history voided does not come
    /// back, so SCL may be lower then than it was under the earlier one; not than under the later one.
    fn go_on(&mut self, segment: SegmentId, new: Said) {
        for (history, (scl, _)) in &new.scl {
            let later = (Bound::Excluded(*history), Bound::Unbounded);
            let taken_back =
                self.scl.range(later).chain(new.scl.range(later)).map(|(_, (low, _))| *low).min();
            let known = self.scl.get(history).map_or(Lsn::ZERO, |(_, high)| *high);
            let known = taken_back.map_or(known, |told| told.min(known));
            assert!(known <= *scl, "SCL of {segment:?} fell from {known} to {scl} under history {history}");
        }
        self.promised = self.promised.max(new.promised);
        self.joined |= new.joined;
        if let Some((earliest, _)) = new.scl.first_key_value() {
            self.scl.retain(|history, _| history < earliest);
            self.scl.extend(new.scl);
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Truth {
    /// Every LSN ever given out.
    written: BTreeMap<Lsn, Written>,
    /// The LSNs of each page's records.
    of_page: BTreeMap<PageId, BTreeSet<Lsn>>,
    of_group: BTreeMap<PgId, BTreeSet<Lsn>>,
    /// The last records of the groups, as each writer sees them.
    tails: BTreeMap<(VolumeEpoch, PgId), Lsn>,
    /// The last record of each mini-transaction, and in how many groups it has records.
    cpls: BTreeMap<Lsn, usize>,
    /// The highest LSN that each writer told its clients is durable.
    acknowledged: BTreeMap<VolumeEpoch, Lsn>,
    vcl: BTreeMap<VolumeEpoch, Lsn>,
    /// The volumes that were opened: VDL and history.
    opened: BTreeMap<VolumeEpoch, (Lsn, Arc<History>)>,
    said: BTreeMap<SegmentId, Said>,
    /// Segments whose disk was damaged: what they said before may be forgotten.
    damaged: BTreeSet<SegmentId>,
}

impl Truth {
    /// A writer numbered a mini-transaction: LSN, group, and the page with the record in. No LSN is ever given out
    /// twice, whoever is or was writing.
    pub fn appended(&mut self, epoch: VolumeEpoch, records: Vec<(Lsn, PgId, Page)>) {
        let groups: BTreeSet<PgId> = records.iter().map(|(_, pg, _)| *pg).collect();
        let cpl = records.last().map(|(lsn, ..)| *lsn).expect("a mini-transaction has records");
        for (lsn, pg, image) in records {
            let page = image.page_id();
            let prev_pg = self.tails.insert((epoch, pg), lsn).unwrap_or(Lsn::ZERO);
            let before = self.written.insert(lsn, Written { epoch, pg, page, prev_pg, image });
            if let Some(before) = before {
                panic!("LSN {lsn} was given out by epoch {epoch} and by epoch {}", before.epoch);
            }
            self.of_page.entry(page).or_default().insert(lsn);
            self.of_group.entry(pg).or_default().insert(lsn);
        }
        self.cpls.insert(cpl, groups.len());
    }

    /// A writer told its clients that everything up to here is durable. Nothing of it may be void in any volume
    /// opened since. Returns how many mini-transactions over several groups were among what is new.
    pub fn acknowledged(&mut self, epoch: VolumeEpoch, vdl: Lsn) -> u64 {
        assert!(self.cpls.contains_key(&vdl), "VDL {vdl} is inside a mini-transaction");
        for (later, (recovered, history)) in self.opened.range(epoch.next()..) {
            assert!(
                vdl <= *recovered && !history.is_voided(vdl),
                "epoch {epoch} acknowledged {vdl} although epoch {later} had opened at {recovered}"
            );
        }
        let known = self.acknowledged.entry(epoch).or_default();
        assert!(*known <= vdl, "VDL of epoch {epoch} fell from {known} to {vdl}");
        let before = std::mem::replace(known, vdl);
        self.cpls.range(before.next()..=vdl).filter(|(_, groups)| **groups > 1).count() as u64
    }

    /// VCL rises for as long as a writer lives, and is never below VDL.
    pub fn saw_vcl(&mut self, epoch: VolumeEpoch, vdl: Lsn, vcl: Lsn) {
        let known = self.vcl.entry(epoch).or_default();
        assert!(vdl <= vcl, "VDL {vdl} is above VCL {vcl}");
        assert!(*known <= vcl, "VCL of epoch {epoch} fell from {known} to {vcl}");
        *known = vcl;
    }

    /// A recovery decided, whether or not it will ever open: everything acknowledged must be in.
    pub fn decided(&self, epoch: VolumeEpoch, decision: &Decision) {
        for (writer, acknowledged) in self.acknowledged.range(..epoch) {
            assert!(
                *acknowledged <= decision.vdl,
                "recovery {epoch} found VDL {}, but epoch {writer} had acknowledged {acknowledged}",
                decision.vdl
            );
            for (lsn, written) in self.written.range(..=*acknowledged) {
                let is_dead = written.epoch == *writer && decision.history.is_voided(*lsn);
                assert!(!is_dead, "recovery {epoch} voids {lsn}, acknowledged by epoch {writer}");
            }
        }
        let at_cpl = decision.vdl == Lsn::ZERO || self.cpls.contains_key(&decision.vdl);
        assert!(at_cpl, "recovery {epoch} found VDL {} inside a mini-transaction", decision.vdl);
        let Some((opened, (_, before))) = self.opened.range(..epoch).next_back() else { return };
        for range in before.ranges() {
            let (first, last) = (range.after.next(), range.upto);
            let still = decision.history.is_voided(first) && decision.history.is_voided(last);
            assert!(still, "recovery {epoch} revives {first}..{last}, void since epoch {opened}");
        }
    }

    /// A recovery opened a volume.
    pub fn opened(&mut self, start: &WriterStart) {
        let epoch = start.volume_epoch;
        if let Some((_, (vdl, _))) = self.opened.range(..epoch).next_back() {
            assert!(*vdl <= start.vdl, "VDL fell from {vdl} to {} across a recovery", start.vdl);
        }
        // A writer that is being fenced may have been told of old acknowledgements after the decision, not of new.
        for (writer, acknowledged) in self.acknowledged.range(..epoch) {
            assert!(
                *acknowledged <= start.vdl,
                "epoch {epoch} opens at {}, but epoch {writer} had acknowledged {acknowledged}",
                start.vdl
            );
        }
        for (pg, group) in (0_u32..).map(PgId::new).zip(&start.groups) {
            let expected = self.tail_at(&start.history, pg, start.vdl);
            assert_eq!(group.tail, expected, "tail of group {pg} at {} in epoch {epoch}", start.vdl);
            self.tails.insert((epoch, pg), group.tail);
        }
        self.opened.insert(epoch, (start.vdl, Arc::clone(&start.history)));
    }

    /// The last record of a group, at or below an LSN, that survives in a history.
    pub fn tail_at(&self, history: &History, pg: PgId, upto: Lsn) -> Lsn {
        let mut mine = self.of_group.get(&pg).into_iter().flat_map(|of| of.range(..=upto).rev());
        mine.find(|lsn| self.is_alive(history, **lsn)).copied().unwrap_or(Lsn::ZERO)
    }

    /// Whether a record is part of the volume that has this history.
    fn is_alive(&self, history: &History, lsn: Lsn) -> bool {
        !history.is_voided(lsn) && self.written[&lsn].epoch <= history.epoch()
    }

    /// A page as of a read point, in the volume that has this history.
    pub fn page_at(&self, history: &History, page: PageId, at: Lsn) -> Page {
        let mut of_page = self.of_page.get(&page).into_iter().flat_map(|of| of.range(..=at).rev());
        let newest = of_page.find(|lsn| self.is_alive(history, **lsn));
        newest.map_or_else(|| Page::absent(page), |lsn| self.written[lsn].image.clone())
    }

    /// The disk of this segment was damaged.
    pub fn damaged(&mut self, segment: SegmentId) {
        self.damaged.insert(segment);
    }

    /// Whether its disk was.
    pub fn is_damaged(&self, segment: SegmentId) -> bool {
        self.damaged.contains(&segment)
    }

    /// Segments of one host said something, in one go: nodes put what they send in order by its receiver, so nothing
    /// is known of the order between these. Promises never go back, through restarts neither; SCL never falls under
    /// one history; who counts in quorums counts for good; and an SCL is a record of the segment's group.
    pub fn heard<'a>(&mut self, messages: impl Iterator<Item = &'a Message>) {
        let mut news: BTreeMap<SegmentId, Said> = BTreeMap::new();
        for message in messages {
            let from = message.address();
            if self.damaged.contains(&from.segment) {
                continue;
            }
            let (promised, history, scl, joined) = match message {
                // It names the newest epoch heard of, which may not be durable yet.
                Message::AppendAck(m) => (VolumeEpoch::ZERO, None, m.scl, None),
                Message::SealReport(m) => (m.volume_epoch, Some(m.history.epoch()), m.scl, Some(m.joined)),
                Message::HistoryWritten(m) => (m.volume_epoch, Some(m.history_epoch), m.scl, None),
                Message::Status(m) => (m.volume_epoch, Some(m.history_epoch), m.scl, Some(m.joined)),
                _ => continue,
            };
            let is_record = scl == Lsn::ZERO || self.written.get(&scl).is_some_and(|w| w.pg == from.pg);
            assert!(is_record, "{from:?} counts up to {scl}, which is no record of its group");
            let before = self.said.entry(from.segment).or_default();
            let new = news.entry(from.segment).or_default();
            if promised > VolumeEpoch::ZERO {
                let known = before.promised;
                assert!(known <= promised, "{from:?} promised epoch {known} and then {promised}");
                new.promised = new.promised.max(promised);
            }
            if let Some(joined) = joined {
                assert!(joined || !before.joined, "{from:?} counted in quorums and now does not");
                new.joined |= joined;
            }
            if let Some(history) = history {
                // Told twice in one go: the lower one came first.
                let (low, high) = new.scl.entry(history).or_insert((scl, scl));
                (*low, *high) = (scl.min(*low), scl.max(*high));
            }
        }
        for (segment, new) in news {
            self.said.entry(segment).or_default().go_on(segment, new);
        }
    }

    /// A segment was asked for all it holds above `after`, and this is the beginning of it. Link by link it must be
    /// what was written and is alive in the history of its epoch.
    pub fn check_chain(&self, from: Address, epoch: VolumeEpoch, after: Lsn, batch: &RecordBatch) {
        let Some((_, (_, history))) = self.opened.range(..=epoch).next_back() else { return };
        let mut at = batch.summary().prev_pg_lsn();
        assert!(at <= after, "{from:?} leaves out what follows {after}: the first follows {at}");
        for record in redoubt_page::records(batch.bytes()) {
            let header = *record.expect("a batch was decoded").header();
            let written = self.written.get(&header.lsn);
            let Some(written) = written.filter(|w| (w.pg, w.page) == (header.pg, header.page_id)) else {
                panic!("{from:?} has a record {} that nobody wrote", header.lsn);
            };
            let is_next = header.prev_pg_lsn == at && written.prev_pg == at;
            assert!(is_next, "{from:?} counts {} after {at}; it follows {}", header.lsn, written.prev_pg);
            let is_voided = history.is_voided(header.lsn);
            assert!(!is_voided, "{from:?} holds {}, void since epoch {epoch}", header.lsn);
            at = header.lsn;
        }
    }

    /// Everything that the newest writer appended has been acknowledged, and it did append.
    pub fn check_all_acknowledged(&self, epoch: VolumeEpoch) {
        let acknowledged = self.acknowledged.get(&epoch).copied().unwrap_or_default();
        let mut mine = self.written.iter().filter(|(_, w)| w.epoch == epoch).map(|(lsn, _)| *lsn);
        assert!(mine.all(|l| l <= acknowledged), "epoch {epoch} is stuck at {acknowledged}");
        assert!(acknowledged > Lsn::ZERO, "epoch {epoch} had nothing acknowledged after everything healed");
    }

    /// Every mini-transaction that any writer had acknowledged is in this history, and how many records are not.
    pub fn check_survivors(&self, history: &History) -> u64 {
        for (writer, acknowledged) in &self.acknowledged {
            for (lsn, written) in self.written.range(..=*acknowledged) {
                let is_lost = written.epoch == *writer && !self.is_alive(history, *lsn);
                assert!(!is_lost, "record {lsn}, acknowledged by epoch {writer}, is lost");
            }
        }
        self.written.keys().filter(|lsn| !self.is_alive(history, **lsn)).count() as u64
    }

    /// All pages ever written to.
    pub fn pages(&self) -> impl Iterator<Item = PageId> {
        self.of_page.keys().copied()
    }

    /// The history of the volume opened last.
    pub fn newest_history(&self) -> Option<(VolumeEpoch, Arc<History>)> {
        self.opened.last_key_value().map(|(epoch, (_, history))| (*epoch, Arc::clone(history)))
    }
}
