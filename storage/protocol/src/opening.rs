//! Recovery as a machine: seal, decide, copy, void, open.
//!
//! The driver takes the next volume epoch from the metadata store (step 1), connects to every segment, and
//! carries messages; everything else is decided here and in `recovery`. Every message is idempotent and is
//! sent again by `on_tick` until it is answered.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use redoubt_page::{Lsn, PgId, VolumeEpoch};

use crate::geometry::{Membership, VolumeGeometry};
use crate::ids::{RequestId, SegmentId};
use crate::message::*;
use crate::planted::Bugs;
#[cfg(any(test, feature = "planted-bugs"))]
use crate::planted::Planted;
use crate::recovery::{Decision, GroupReports, Undecided, decide_with, live_scl};
use crate::refusal::Refusal;
use crate::writer::{GroupStart, WriterStart};

/// The most bytes of records asked for at once.
const COPY_BYTES: u32 = 1024 * 1024;

/// How many ticks an unfinished copy of images is waited for.
const IMAGE_TICKS: u32 = 4;

/// Where an opening stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpeningState {
    /// Promises and reports are being gathered.
    Sealing,
    /// Records up to the recovered VDL are being copied to a write quorum of every group.
    Copying,
    /// The new history is being written to a write quorum of every group.
    Voiding,
    /// Done: a writer may start.
    Open,
    /// A newer epoch exists: another opener has overtaken this one.
    Fenced(VolumeEpoch),
    /// Nothing can be decided on these reports; `NewerMembership` means to start again with it.
    Stuck(Undecided),
}

/// One segment as the opener sees it.
#[derive(Debug)]
struct Candidate {
    segment: SegmentId,
    /// What it holds under the base history; unknown until it has reported or holds that history.
    scl: Option<Lsn>,
    /// The epoch of its history.
    history_epoch: VolumeEpoch,
    clean: bool,
    /// Whether a copy to it is under way since the last tick.
    busy: bool,
    /// For how many ticks it is left alone, because it is being given images.
    patience: u32,
}

#[derive(Debug)]
struct Group {
    reports: GroupReports,
    candidates: Vec<Candidate>,
}

/// See the module.
#[derive(Debug)]
pub struct OpeningCore {
    epoch: VolumeEpoch,
    allocation_limit: u64,
    groups: Vec<Group>,
    state: OpeningState,
    decision: Option<Decision>,
    /// Which segment the records asked for with a request are to be sent to.
    copies: BTreeMap<RequestId, Address>,
    next_request: u64,
    ticks: usize,
    outputs: VecDeque<(Address, Message)>,
    bugs: Bugs,
}

impl OpeningCore {
    /// An opener of the volume made of these groups, under an epoch that nobody had before.
    /// `allocation_limit` is the volume's own, see `LSN_ALLOCATION_LIMIT`.
    ///
    /// # Panics
    /// When there is no group.
    pub fn start(
        epoch: VolumeEpoch,
        allocation_limit: u64,
        memberships: Vec<Arc<Membership>>,
    ) -> OpeningCore {
        assert!(!memberships.is_empty(), "a volume has at least one protection group");
        let groups = memberships.into_iter().map(|membership| Group {
            candidates: membership.members().iter().map(|m| Candidate::new(m.segment)).collect(),
            reports: GroupReports { membership, reports: Vec::new() },
        });
        let mut core = OpeningCore {
            epoch,
            allocation_limit,
            groups: groups.collect(),
            state: OpeningState::Sealing,
            decision: None,
            copies: BTreeMap::new(),
            next_request: 1,
            ticks: 0,
            outputs: VecDeque::new(),
            bugs: Bugs::default(),
        };
        core.send_missing();
        core
    }

    /// Plants a wrong variant, for the tests that must notice it.
    #[cfg(any(test, feature = "planted-bugs"))]
    pub fn plant(&mut self, planted: Planted) {
        self.bugs = Bugs::planted(planted);
    }

    /// The next message to send, and to whom.
    pub fn poll_output(&mut self) -> Option<(Address, Message)> {
        self.outputs.pop_front()
    }

    /// Where the opening stands.
    pub fn state(&self) -> &OpeningState {
        &self.state
    }

    /// The reports gathered so far, group by group: for a trace, or for someone to look at when stuck.
    pub fn reports(&self) -> Vec<&GroupReports> {
        self.groups.iter().map(|g| &g.reports).collect()
    }

    /// What was decided, once it was.
    pub fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    /// To be called at an interval of the driver's choice: whatever is unanswered is sent again. A decision
    /// waits for every segment's report until the next tick, then is content with quorums.
    pub fn on_tick(&mut self) {
        self.ticks += 1;
        if self.state == OpeningState::Sealing {
            self.try_decide();
        }
        for candidate in self.groups.iter_mut().flat_map(|g| &mut g.candidates) {
            candidate.patience = candidate.patience.saturating_sub(1);
            candidate.busy = candidate.patience > 0;
        }
        self.copies.clear();
        self.send_missing();
    }

    /// Handles a message from a segment.
    pub fn on_message(&mut self, message: &Message) {
        match message {
            Message::SealReport(report) => self.on_report(report),
            Message::HistoryWritten(written) => self.on_history_written(written),
            Message::Records(records) => self.on_records(records),
            Message::AppendAck(ack) => self.on_copied(ack),
            Message::Refused(refused) => self.on_refused(refused),
            Message::Images(images) => self.pass_on(images.to, images.epochs, message),
            Message::AskImages(ask) => self.pass_on(ask.to, ask.epochs, message),
            _ => {}
        }
    }

    /// A promise is refused only by a newer one. Anything else is tried again, or elsewhere, by a tick.
    fn on_refused(&mut self, refused: &Refused) {
        if let Refusal::RecordsCollected { .. } = refused.reason {
            return self.ask_for_images(refused);
        }
        let Refusal::Fenced { current } = refused.reason else { return };
        if current > self.epoch && self.state != OpeningState::Open {
            self.state = OpeningState::Fenced(current);
            self.outputs.clear();
        }
    }

    /// The source's log does not reach back to what a place to copy to lacks: that one gets pages instead.
    fn ask_for_images(&mut self, refused: &Refused) {
        let Some(to) = self.copies.remove(&refused.request) else { return };
        let Some(group) = self.groups.get_mut(to.pg.get() as usize) else { return };
        let membership = group.reports.membership.epoch();
        let Some(candidate) = group.candidate(to.segment) else { return };
        let Some(above) = candidate.scl else { return };
        candidate.patience = IMAGE_TICKS;
        let ask = AskImages {
            to: refused.from,
            from: to.segment,
            epochs: Epochs { volume: self.epoch, membership },
            source: FillSource::Recovery,
            at: Lsn::ZERO,
            pg_tail: Lsn::ZERO,
            above,
            first_page: redoubt_page::PageId::new(0),
        };
        self.outputs.push_back((refused.from, Message::AskImages(ask)));
    }

    /// Images go from one segment to another by way of the recovery, as records do: what the one knows of the
    /// other is its number only.
    fn pass_on(&mut self, to: Address, epochs: Epochs, message: &Message) {
        if self.state != OpeningState::Copying || epochs.volume != self.epoch {
            return;
        }
        let Some(group) = self.groups.get_mut(to.pg.get() as usize) else { return };
        let Some(candidate) = group.candidate(to.segment) else { return };
        if matches!(message, Message::Images(_)) {
            candidate.patience = IMAGE_TICKS;
        }
        self.outputs.push_back((to, message.clone()));
    }

    fn on_report(&mut self, report: &SealReport) {
        let epoch = self.epoch;
        let base = self.decision.as_ref().map(|d| Arc::clone(&d.base_history));
        let Some(group) = self.groups.get_mut(report.from.pg.get() as usize) else { return };
        let known = group.reports.reports.iter().any(|r| r.from == report.from);
        if report.volume_epoch != epoch || known {
            return;
        }
        let Some(candidate) = group.candidate(report.from.segment) else { return };
        candidate.history_epoch = report.history.epoch();
        candidate.clean = report.clean;
        candidate.scl = base.and_then(|base| live_scl(report, &base));
        group.reports.reports.push(report.clone());
        match self.state {
            OpeningState::Sealing if self.everyone_reported() => self.try_decide(),
            // Too late to be heard, but another place to copy to.
            OpeningState::Copying => self.go_on_copying(),
            _ => {}
        }
    }

    fn everyone_reported(&self) -> bool {
        self.groups.iter().all(|g| g.reports.reports.len() == g.candidates.len())
    }

    fn try_decide(&mut self) {
        let reports: Vec<GroupReports> = self.groups.iter().map(|g| g.reports.clone()).collect();
        match decide_with(self.epoch, self.allocation_limit, &reports, self.bugs) {
            Ok(decision) => {
                for group in &mut self.groups {
                    group.read_under(&decision);
                }
                self.decision = Some(decision);
                self.state = OpeningState::Copying;
                self.go_on_copying();
            }
            Err(Undecided::TooFewReports(_)) => {}
            Err(undecided) => self.state = OpeningState::Stuck(undecided),
        }
    }

    fn go_on_copying(&mut self) {
        let Some(decision) = &self.decision else { return };
        let copied = self.groups.iter().zip(&decision.tails).all(|(g, tail)| g.is_copied(*tail));
        if self.state == OpeningState::Copying && copied {
            self.state = OpeningState::Voiding;
            self.copies.clear();
        }
        self.send_missing();
    }

    /// Sends whatever the state still lacks an answer to.
    fn send_missing(&mut self) {
        match self.state {
            OpeningState::Sealing => self.send_seals(),
            OpeningState::Copying => self.send_copies(),
            OpeningState::Voiding => self.send_histories(),
            OpeningState::Open | OpeningState::Fenced(_) | OpeningState::Stuck(_) => {}
        }
    }

    fn send_seals(&mut self) {
        let volume_epoch = self.epoch;
        for to in self.addresses(|g, c| !g.has_reported(c.segment)) {
            let request = self.take_request();
            self.outputs.push_back((to, Message::Seal(Seal { to, request, volume_epoch })));
        }
    }

    /// Step 5, rule 11. Segments that have not reported are asked again: they are places to copy to.
    fn send_copies(&mut self) {
        self.send_seals_if_short();
        let Some(decision) = self.decision.clone() else { return };
        let base = decision.base_history.epoch();
        for to in self.addresses(|g, c| g.has_reported(c.segment) && !c.busy && c.clean) {
            let group = &self.groups[to.pg.get() as usize];
            let tail = decision.tails[to.pg.get() as usize];
            let source = group.source(tail, base, self.ticks);
            let Some(candidate) = group.candidates.iter().find(|c| c.segment == to.segment) else {
                continue;
            };
            let message = match candidate.scl {
                scl if candidate.history_epoch < base
                    || (candidate.history_epoch > base && scl < Some(tail)) =>
                {
                    // It missed whole writers and must let go of what was voided meanwhile; or it holds the
                    // history of a recovery that never opened and would refuse what that one had voided.
                    let request = self.take_request();
                    let history = Arc::clone(&decision.base_history);
                    let volume_epoch = self.epoch;
                    (to, Message::WriteHistory(WriteHistory { to, request, volume_epoch, history }))
                }
                Some(scl) if scl < tail => {
                    let Some(source) = source else { continue };
                    let from = Address { pg: to.pg, segment: source };
                    let request = self.take_request();
                    self.copies.insert(request, to);
                    (from, Message::FetchRecords(self.fetch(from, request, scl, tail)))
                }
                _ => continue,
            };
            if let Some(candidate) = self.groups[to.pg.get() as usize].candidate(to.segment) {
                candidate.busy = true;
            }
            self.outputs.push_back(message);
        }
    }

    fn send_seals_if_short(&mut self) {
        if self.ticks > 0 {
            self.send_seals();
        }
    }

    fn fetch(&self, to: Address, request: RequestId, after: Lsn, upto: Lsn) -> FetchRecords {
        FetchRecords { to, request, volume_epoch: self.epoch, after, upto, max_bytes: COPY_BYTES }
    }

    /// Step 6, rule 11.
    fn send_histories(&mut self) {
        let Some(history) = self.decision.as_ref().map(|d| Arc::clone(&d.history)) else { return };
        let volume_epoch = self.epoch;
        for to in self.addresses(|_, c| c.history_epoch < volume_epoch) {
            let request = self.take_request();
            let history = Arc::clone(&history);
            let write = WriteHistory { to, request, volume_epoch, history };
            self.outputs.push_back((to, Message::WriteHistory(write)));
        }
    }

    fn addresses(&self, wanted: impl Fn(&Group, &Candidate) -> bool) -> Vec<Address> {
        let mut found = Vec::new();
        for (pg, group) in (0_u32..).map(PgId::new).zip(&self.groups) {
            let wanted = group.candidates.iter().filter(|c| wanted(group, c));
            found.extend(wanted.map(|c| Address { pg, segment: c.segment }));
        }
        found
    }

    fn on_records(&mut self, records: &Records) {
        let Some(to) = self.copies.remove(&records.request) else { return };
        let Some(batch) = records.batch.clone() else { return };
        let Some(group) = self.groups.get(to.pg.get() as usize) else { return };
        let membership = group.reports.membership.epoch();
        let fill = Fill {
            to,
            epochs: Epochs { volume: self.epoch, membership },
            source: FillSource::Recovery,
            batch,
        };
        self.outputs.push_back((to, Message::Fill(fill)));
    }

    /// A segment's SCL rose by a copy.
    fn on_copied(&mut self, ack: &AppendAck) {
        if ack.volume_epoch != self.epoch || self.state != OpeningState::Copying {
            return;
        }
        let Some(base) = self.decision.as_ref().map(|d| d.base_history.epoch()) else { return };
        let Some(group) = self.groups.get_mut(ack.from.pg.get() as usize) else { return };
        let Some(candidate) = group.candidate(ack.from.segment) else { return };
        // What a segment says before it holds the base history may count the dead.
        if candidate.history_epoch < base {
            return;
        }
        // An acknowledgement that brings nothing new is a repeated one: asking again at once would go round
        // in circles until the flush under way is done.
        if candidate.scl < Some(ack.scl) {
            candidate.scl = Some(ack.scl);
            candidate.busy = false;
            candidate.patience = 0;
            self.go_on_copying();
        }
    }

    fn on_history_written(&mut self, written: &HistoryWritten) {
        let epoch = self.epoch;
        let Some(group) = self.groups.get_mut(written.from.pg.get() as usize) else { return };
        if written.volume_epoch != epoch {
            return;
        }
        let Some(candidate) = group.candidate(written.from.segment) else { return };
        // Once it holds this recovery's history, an answer about the base one is an old answer.
        if written.history_epoch != candidate.history_epoch && candidate.history_epoch < epoch {
            candidate.history_epoch = written.history_epoch;
            candidate.scl = Some(written.scl);
            candidate.busy = false;
        }
        match self.state {
            OpeningState::Copying => self.go_on_copying(),
            OpeningState::Voiding => self.open_if_voided(),
            _ => {}
        }
    }

    fn open_if_voided(&mut self) {
        let epoch = self.epoch;
        let voided = self.groups.iter().all(|g| {
            let has = |s: SegmentId| g.candidates.iter().any(|c| c.segment == s && c.history_epoch == epoch);
            g.reports.membership.write().is_met(has)
        });
        if voided {
            self.state = OpeningState::Open;
            self.outputs.clear();
        }
    }

    fn take_request(&mut self) -> RequestId {
        let request = RequestId::new(self.next_request);
        self.next_request += 1;
        request
    }

    /// Where a writer begins, once the state is `Open` (step 7); nothing before.
    pub fn writer_start(
        &self,
        geometry: VolumeGeometry,
        max_unacked_bytes: u64,
        max_straggler_bytes: u64,
    ) -> Option<WriterStart> {
        let decision = self.decision.as_ref().filter(|_| self.state == OpeningState::Open)?;
        let groups = self.groups.iter().zip(&decision.tails).map(|(group, tail)| GroupStart {
            membership: Arc::clone(&group.reports.membership),
            tail: *tail,
        });
        Some(WriterStart {
            volume_epoch: self.epoch,
            geometry,
            history: Arc::clone(&decision.history),
            vdl: decision.vdl,
            read_floor: decision.read_floor,
            groups: groups.collect(),
            allocation_limit: self.allocation_limit,
            max_unacked_bytes,
            max_straggler_bytes,
        })
    }
}

impl Candidate {
    fn new(segment: SegmentId) -> Candidate {
        Candidate {
            segment,
            scl: None,
            history_epoch: VolumeEpoch::ZERO,
            clean: false,
            busy: false,
            patience: 0,
        }
    }
}

impl Group {
    fn candidate(&mut self, segment: SegmentId) -> Option<&mut Candidate> {
        self.candidates.iter_mut().find(|c| c.segment == segment)
    }

    fn has_reported(&self, segment: SegmentId) -> bool {
        self.reports.reports.iter().any(|r| r.from.segment == segment)
    }

    /// Reads every report under the decision's base history.
    fn read_under(&mut self, decision: &Decision) {
        for candidate in &mut self.candidates {
            let report = self.reports.reports.iter().find(|r| r.from.segment == candidate.segment);
            candidate.scl = report.and_then(|r| live_scl(r, &decision.base_history));
        }
    }

    /// Whether a write quorum holds everything up to `tail`.
    fn is_copied(&self, tail: Lsn) -> bool {
        let has = |s: SegmentId| {
            self.candidates.iter().any(|c| c.segment == s && c.clean && c.scl.is_some_and(|l| l >= tail))
        };
        self.reports.membership.write().is_met(has)
    }

    /// A segment to copy from: one that holds everything up to `tail`, another at each turn.
    fn source(&self, tail: Lsn, base: VolumeEpoch, turn: usize) -> Option<SegmentId> {
        let holds =
            |c: &&Candidate| c.clean && c.history_epoch >= base && c.scl.is_some_and(|scl| scl >= tail);
        let count = self.candidates.iter().filter(holds).count();
        let mut holders = self.candidates.iter().filter(holds);
        holders.nth(turn.checked_rem(count)?).map(|c| c.segment)
    }
}
