//! Which records a segment holds: the linked part up to SCL, and extents that wait for a gap to close.
//!
//! Positions only; the bytes are the driver's. Handling a batch that goes on where the last one ended costs
//! the same whatever the number of its records.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use redoubt_page::{Lsn, VolumeEpoch};

use crate::batch::{BatchSummary, LsnRun, RecordBatch};
use crate::history::History;
use crate::ids::PersistToken;

/// The most extents that may wait for gaps to close.
pub(crate) const MAX_WAITING_EXTENTS: usize = 16 * 1024;

/// Records that contradict the ones held: two different successors of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contradiction;

/// A history that voids what is no longer tracked record by record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VoidsTooDeep;

/// Consecutive records above SCL, received as one.
#[derive(Clone, Debug)]
struct Extent {
    summary: Arc<BatchSummary>,
    /// The last record that counts; lower than the summary's when history voided the rest.
    last: Lsn,
    token: PersistToken,
    epoch: VolumeEpoch,
    persisted: bool,
}

/// Linked durable records, as far as recovery could ask about them.
#[derive(Clone, Debug)]
struct Linked {
    summary: Arc<BatchSummary>,
    last: Lsn,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    scl: Lsn,
    /// Rising, without overlap, all above SCL.
    waiting: VecDeque<Extent>,
    /// The highest record that is linked or waiting.
    highest: Lsn,
    /// The last linked record at or below the persisted VDL (or SCL, if that is lower).
    base: Lsn,
    /// The persisted VDL: below it the chain need not be known.
    chain_floor: Lsn,
    /// Batches with linked records above `chain_floor`.
    chain: VecDeque<Linked>,
}

impl Links {
    /// Linked up to `scl`, nothing known about single records below it.
    pub(crate) fn starting_at(scl: Lsn, chain_floor: Lsn) -> Links {
        Links { scl, waiting: VecDeque::new(), highest: scl, base: scl, chain_floor, chain: VecDeque::new() }
    }

    pub(crate) fn scl(&self) -> Lsn {
        self.scl
    }

    pub(crate) fn highest(&self) -> Lsn {
        self.highest
    }

    pub(crate) fn base(&self) -> Lsn {
        self.base
    }

    /// The last record of the gap above SCL, when records above the gap are held.
    pub(crate) fn gap_end(&self) -> Option<Lsn> {
        let first = self.waiting.front()?;
        (first.summary.prev_pg_lsn() > self.scl).then(|| first.summary.prev_pg_lsn())
    }

    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() < MAX_WAITING_EXTENTS
    }

    /// Collects the parts of a batch that are not held yet, in rising order.
    pub(crate) fn missing(
        &self,
        batch: &RecordBatch,
        parts: &mut Vec<RecordBatch>,
    ) -> Result<(), Contradiction> {
        let summary = batch.summary();
        if summary.first() > self.highest {
            // The usual case: it goes on from the newest record, or leaves a gap after it.
            if summary.prev_pg_lsn() < self.highest {
                return Err(Contradiction);
            }
            parts.push(batch.clone());
            return Ok(());
        }
        let mut lower = self.scl;
        for extent in &self.waiting {
            let before = extent.summary.first().checked_sub(1).unwrap_or(Lsn::ZERO);
            self.missing_between(batch, lower, before, extent.summary.prev_pg_lsn(), parts)?;
            lower = extent.last;
        }
        self.missing_between(batch, lower, Lsn::MAX, Lsn::MAX, parts)
    }

    /// The part of `batch` in `(lower, upto]`, which must follow `lower` and end at or before `next_prev`,
    /// what the next record held follows.
    fn missing_between(
        &self,
        batch: &RecordBatch,
        lower: Lsn,
        upto: Lsn,
        next_prev: Lsn,
        parts: &mut Vec<RecordBatch>,
    ) -> Result<(), Contradiction> {
        if batch.summary().last() <= lower || batch.summary().first() > upto {
            return Ok(());
        }
        let Some(part) = batch.slice(lower, upto) else { return Ok(()) };
        if part.summary().prev_pg_lsn() < lower || part.summary().last() > next_prev {
            return Err(Contradiction);
        }
        parts.push(part);
        Ok(())
    }

    /// Takes in an extent that `missing` found to be missing.
    pub(crate) fn insert(&mut self, summary: &Arc<BatchSummary>, token: PersistToken, epoch: VolumeEpoch) {
        let extent =
            Extent { summary: Arc::clone(summary), last: summary.last(), token, epoch, persisted: false };
        if summary.first() > self.highest {
            self.highest = extent.last;
            self.waiting.push_back(extent);
        } else {
            let at = self.waiting.partition_point(|e| e.summary.first() < summary.first());
            self.waiting.insert(at, extent);
        }
    }

    /// Notes that an intent is durable.
    pub(crate) fn mark_persisted(&mut self, token: PersistToken, first: Lsn) {
        if let Some(at) = self.find(token, first) {
            self.waiting[at].persisted = true;
        }
    }

    /// Forgets an intent that does not count. Returns whether it was still held.
    pub(crate) fn discard(&mut self, token: PersistToken, first: Lsn) -> bool {
        let Some(at) = self.find(token, first) else { return false };
        self.waiting.remove(at);
        self.highest = self.waiting.back().map_or(self.scl, |e| e.last);
        true
    }

    /// Forgets what waits for a gap to close and is durable. Nobody counts on it: it comes again behind what is missing.
    /// Returns whether there was any.
    pub(crate) fn forget_waiting(&mut self) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|extent| !extent.persisted);
        self.highest = self.waiting.back().map_or(self.scl, |e| e.last);
        self.waiting.len() < before
    }

    fn find(&self, token: PersistToken, first: Lsn) -> Option<usize> {
        let at = self.waiting.partition_point(|e| e.summary.first() < first);
        self.waiting.get(at).filter(|e| e.token == token).map(|_| at)
    }

    /// Moves SCL over every durable extent that links. Returns whether it moved.
    pub(crate) fn advance(&mut self, over_gaps: bool) -> bool {
        let before = self.scl;
        while let Some(front) = self.waiting.front() {
            let linked = front.summary.prev_pg_lsn() == self.scl || over_gaps;
            if !front.persisted || !linked {
                break;
            }
            let Some(extent) = self.waiting.pop_front() else { break };
            self.scl = extent.last;
            self.chain.push_back(Linked { summary: extent.summary, last: extent.last });
        }
        self.trim_chain();
        self.scl > before
    }

    /// The persisted VDL rose: recovery will not ask about records at or below it.
    pub(crate) fn raise_chain_floor(&mut self, persisted_vdl: Lsn) {
        self.chain_floor = self.chain_floor.max(persisted_vdl);
        self.trim_chain();
    }

    fn trim_chain(&mut self) {
        while let Some(front) = self.chain.front() {
            let below = front.summary.last_at_or_below(self.chain_floor.min(front.last));
            self.base = self.base.max(below.unwrap_or(Lsn::ZERO));
            if front.last > self.chain_floor {
                break;
            }
            self.chain.pop_front();
        }
    }

    /// The linked records above the persisted VDL and the consistency points among them.
    pub(crate) fn chain(&self) -> (Vec<LsnRun>, Vec<Lsn>) {
        let (mut runs, mut cpls): (Vec<LsnRun>, Vec<Lsn>) = (Vec::new(), Vec::new());
        for part in &self.chain {
            for run in part.summary.runs() {
                push_run(&mut runs, *run, self.chain_floor, part.last);
            }
            let inside = |lsn: &&Lsn| **lsn > self.chain_floor && **lsn <= part.last;
            cpls.extend(part.summary.cpls().iter().filter(inside));
        }
        (runs, cpls)
    }

    /// Page images that contain every record up to `tail` took the place of those records; `floor` is a VDL whose
    /// last record of the group `tail` is. What waits and reaches below goes: it comes again if it is needed.
    pub(crate) fn jump_to(&mut self, tail: Lsn, floor: Lsn) {
        self.chain_floor = self.chain_floor.max(floor);
        if tail > self.scl {
            self.scl = tail;
            self.base = tail;
            self.chain.clear();
            self.waiting.retain(|e| e.summary.prev_pg_lsn() >= tail);
            self.highest = self.waiting.back().map_or(self.scl, |e| e.last);
            self.advance(false);
        }
        self.trim_chain();
    }

    /// Whether this history can be applied: nothing below the tracked chain is voided.
    pub(crate) fn can_void(&self, history: &History) -> Result<(), VoidsTooDeep> {
        if history.is_voided(self.base) { Err(VoidsTooDeep) } else { Ok(()) }
    }

    /// Drops every voided record. SCL may fall.
    ///
    /// # Panics
    /// When `can_void` was not asked first.
    pub(crate) fn apply_history(&mut self, history: &History) {
        assert!(self.can_void(history).is_ok(), "the history voids what is not tracked");
        self.chain_floor = history.clipped(self.chain_floor);
        self.clip_chain(history);
        for extent in &mut self.waiting {
            let last = live_part(&extent.summary, extent.last, history);
            extent.last = last.unwrap_or(Lsn::ZERO);
        }
        self.waiting.retain(|e| e.last > Lsn::ZERO);
        self.highest = self.waiting.back().map_or(self.scl, |e| e.last);
        self.advance(false);
    }

    fn clip_chain(&mut self, history: &History) {
        for at in 0..self.chain.len() {
            let part = &self.chain[at];
            let live = live_part(&part.summary, part.last, history);
            if live == Some(part.last) {
                continue;
            }
            // Whatever is linked behind a voided record is voided too: nothing live ever follows the dead.
            self.chain.truncate(at + usize::from(live.is_some()));
            if let (Some(last), Some(part)) = (live, self.chain.back_mut()) {
                part.last = last;
            }
            self.scl = self.chain.back().map_or(self.base, |p| p.last);
            return;
        }
    }

    /// The order of positions, checked after every step.
    pub(crate) fn check_order(&self) {
        assert!(self.scl <= self.highest, "SCL {} is above all received {}", self.scl, self.highest);
        assert!(self.base <= self.scl, "chain base {} is above SCL {}", self.base, self.scl);
        if let Some(front) = self.waiting.front() {
            assert!(front.summary.first() > self.scl, "a waiting extent lies below SCL {}", self.scl);
        }
        if let Some(back) = self.chain.back() {
            assert!(back.last == self.scl, "the chain ends at {} and SCL is {}", back.last, self.scl);
        }
    }

    /// The epoch under which waiting records were received, for traces.
    pub(crate) fn waiting_epochs(&self) -> impl Iterator<Item = (Lsn, Lsn, VolumeEpoch)> {
        self.waiting.iter().map(|e| (e.summary.first(), e.last, e.epoch))
    }
}

/// The last record of a batch, at or below `last`, before the first voided one.
fn live_part(summary: &BatchSummary, last: Lsn, history: &History) -> Option<Lsn> {
    match history.first_voided_in(summary.first(), last) {
        None => Some(last),
        Some(voided) => summary.last_at_or_below(voided.checked_sub(1)?),
    }
}

/// Appends the part of a run in `(floor, last]`, joining it to the run before when it goes on there.
fn push_run(runs: &mut Vec<LsnRun>, run: LsnRun, floor: Lsn, last: Lsn) {
    let upto = run.last.min(last);
    if upto <= floor || run.first > last {
        return;
    }
    let cut = if run.first > floor {
        LsnRun { last: upto, ..run }
    } else {
        LsnRun { prev_volume: floor, first: floor.next(), last: upto }
    };
    match runs.last_mut() {
        Some(before) if before.last == cut.prev_volume && before.last.next() == cut.first => {
            before.last = cut.last;
        }
        _ => runs.push(cut),
    }
}
