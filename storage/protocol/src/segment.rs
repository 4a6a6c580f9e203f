//! A segment's side of the protocol: receive, link, count what is durable, acknowledge, promise, answer.
//!
//! The machine owns positions and promises; bytes, files and sockets are the driver's. Every entry point
//! takes an event and leaves outputs to be polled; nothing waits. The driver carries outputs out **in the
//! order given**, as far as one kind of device is concerned, and reports completions.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use redoubt_page::{Lsn, VolumeEpoch};

use crate::batch::RecordBatch;
use crate::control::ControlState;
use crate::ids::{ControlToken, Origin, PersistToken, RequestId};
use crate::links::Links;
use crate::message::*;
use crate::planted::{Bugs, Planted};
use crate::refusal::Refusal;

/// Whether the segment's log can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Running,
    /// A flush failed. The log is dead: nothing is retried on it.
    LogDead,
}

/// An intent given out and not yet reported durable.
#[derive(Clone, Copy, Debug)]
struct Unflushed {
    token: PersistToken,
    /// The first record, or zero for positions alone.
    first: Lsn,
    positions: Positions,
    from: Origin,
}

/// A control state given out and not yet reported durable, and who waits for it.
#[derive(Clone, Debug)]
struct UnflushedControl {
    token: ControlToken,
    control: ControlState,
    then: Option<(Origin, RequestId, Then)>,
    /// Only for a planted bug: a report taken too early.
    early_report: Option<SealReport>,
}

/// What to answer once a control state is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Seal,
    History,
    Membership,
    Status,
}

/// See the module.
#[derive(Debug)]
pub struct SegmentCore {
    /// Durable promises.
    durable: ControlState,
    /// Promises made and on their way to the disk; older epochs are refused from here on already.
    promised: ControlState,
    unflushed_control: VecDeque<UnflushedControl>,
    next_control_token: u64,
    links: Links,
    unflushed: VecDeque<Unflushed>,
    next_token: u64,
    /// The newest positions heard of.
    heard: Positions,
    /// The newest positions persisted.
    persisted: Positions,
    coalesced: Lsn,
    collected: Lsn,
    /// Where SCL changes are pushed, unasked: whoever appended last.
    writer: Option<Origin>,
    /// Images that this segment is being given in place of records.
    receiving: Option<images::Receiving>,
    /// The point as of which a peer is being given images.
    image_pin: Option<Lsn>,
    health: Health,
    clean: bool,
    out_of_space: bool,
    /// Nothing is taken that leaves a gap: it would wait in a log that has no room for what it waits for.
    is_cramped: bool,
    outputs: VecDeque<Output>,
    /// Kept between calls so that a batch costs no allocation.
    parts: Vec<RecordBatch>,
    bugs: Bugs,
}

/// The positions of a segment that was just created, or that was found on disk before its log is scanned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestorePoint {
    /// Every record up to here is held, linked and durable, and at or below `persisted_vdl`.
    pub linked: Lsn,
    /// The highest VDL persisted.
    pub persisted_vdl: Lsn,
    /// The last record of the protection group at or below `persisted_vdl`.
    pub pg_tail: Lsn,
    /// The read floor persisted.
    pub read_floor: Lsn,
    /// Durable page images include records up to here.
    pub coalesced: Lsn,
    /// Versions below this may have been collected.
    pub collected: Lsn,
}

impl SegmentCore {
    /// A segment whose control state is durable and whose log begins at a restore point (all zero for one
    /// just created). What the log holds above it is fed to `restore_batch`, in log order, before any event.
    pub fn restore(control: ControlState, point: RestorePoint) -> SegmentCore {
        let positions = Positions {
            volume_epoch: control.volume_epoch,
            vdl: point.persisted_vdl,
            pg_tail: point.pg_tail,
            read_floor: point.read_floor,
        };
        let core = SegmentCore {
            durable: control.clone(),
            promised: control,
            unflushed_control: VecDeque::new(),
            next_control_token: 1,
            links: Links::starting_at(point.linked, point.persisted_vdl),
            unflushed: VecDeque::new(),
            next_token: 1,
            heard: positions,
            persisted: positions,
            // Between `linked` and the persisted VDL the group has no record, so nothing is lost by this.
            coalesced: point.coalesced.min(point.linked),
            collected: point.collected.min(point.linked),
            writer: None,
            receiving: None,
            image_pin: None,
            health: Health::Running,
            clean: true,
            out_of_space: false,
            is_cramped: false,
            outputs: VecDeque::new(),
            parts: Vec::new(),
            bugs: Bugs::default(),
        };
        core.check_order();
        core
    }

    /// Takes in what a scan of the log found: records that are durable, with the positions logged beside
    /// them. Voided records are left out: a log keeps them until it is recycled. Returns the parts that
    /// count, for the driver's index.
    ///
    /// # Errors
    /// `BadRecords` when the records contradict those before: the log is damaged.
    pub fn restore_batch(
        &mut self,
        batch: Option<&RecordBatch>,
        positions: Positions,
    ) -> Result<Vec<RecordBatch>, Refusal> {
        let mut taken = Vec::new();
        if let Some(batch) = batch {
            let history = Arc::clone(&self.durable.history);
            let voided = history.first_voided_in(batch.summary().first(), batch.summary().last());
            let live = match voided.map(|lsn| lsn.checked_sub(1)) {
                None => Some(batch.clone()),
                Some(Some(upto)) => batch.slice(Lsn::ZERO, upto),
                Some(None) => None,
            };
            if let Some(live) = live {
                self.links.missing(&live, &mut taken).map_err(|_| Refusal::BadRecords)?;
            }
        }
        for part in &taken {
            let token = self.take_token();
            self.links.insert(part.summary(), token, positions.volume_epoch);
            self.links.mark_persisted(token, part.summary().first());
        }
        self.links.advance(false);
        self.persist_positions(positions);
        self.heard = self.persisted;
        self.check_order();
        Ok(taken)
    }

    /// Plants a wrong variant, for the tests that must notice it.
    #[cfg(any(test, feature = "planted-bugs"))]
    pub fn plant(&mut self, planted: Planted) {
        self.bugs = Bugs::planted(planted);
        if self.bugs.has(Planted::VolatileEpoch) {
            // Planted right after a restart: what was promised and is in no history yet is forgotten.
            self.durable.volume_epoch = self.durable.history_writer;
            self.promised = self.durable.clone();
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Handles a message addressed to this segment. Messages that only segments send are ignored.
    pub fn on_message(&mut self, from: Origin, message: Message) {
        // A restart may have found what was missing; nothing else would say so in an idle group.
        self.join_if_reached();
        match message {
            Message::Append(m) => self.on_append(from, m),
            Message::ReadPage(m) => self.on_read(from, m),
            Message::Seal(m) => self.on_seal(from, m),
            Message::WriteHistory(m) => self.on_write_history(from, &m),
            Message::WriteMembership(m) => self.on_write_membership(from, &m),
            Message::CreateSegment(m) => self.on_create_again(from, &m),
            Message::FetchRecords(m) => self.on_fetch(from, m),
            Message::Fill(m) => self.on_fill(from, m),
            Message::AskGaps(m) => self.on_ask_gaps(from, m),
            Message::AskStatus(m) => self.send_status(from, m.request),
            Message::AskImages(m) => self.on_ask_images(from, &m),
            Message::Images(m) => self.on_images(from, m),
            Message::AppendAck(_)
            | Message::Refused(_)
            | Message::PageReply(_)
            | Message::SealReport(_)
            | Message::HistoryWritten(_)
            | Message::MembershipWritten(_)
            | Message::Records(_)
            | Message::Status(_) => {}
        }
    }

    /// Takes records from the writer (SIGMOD 2017, figure 4, steps 1 and 2).
    pub fn on_append(&mut self, from: Origin, append: Append) {
        if let Err(reason) = self.admit_append(&append) {
            return self.refuse(from, RequestId::new(0), reason);
        }
        self.writer = Some(from);
        self.hear(&append);
        match &append.batch {
            None => self.persist_positions_alone(from),
            // A log that fills up with what must wait has no room left for what it waits for.
            Some(batch) if self.is_beyond_images(batch) || self.leaves_gap_when_cramped(batch) => {
                self.refuse(from, RequestId::new(0), Refusal::TooManyGaps);
            }
            Some(batch) => self.take_batch(from, batch),
        }
        self.check_order();
    }

    fn admit_append(&self, append: &Append) -> Result<(), Refusal> {
        self.admit(append.epochs)?;
        if append.read_floor > append.vdl || append.pg_tail > append.vdl {
            return Err(Refusal::BadRecords);
        }
        let Some(batch) = &append.batch else { return Ok(()) };
        // A writer allocates only above everything that was ever voided.
        if batch.summary().first() <= self.durable.history.end() {
            return Err(Refusal::BadRecords);
        }
        Ok(())
    }

    /// Takes records that a recovery or a peer found missing here.
    pub fn on_fill(&mut self, from: Origin, fill: Fill) {
        let admitted = self.admit_fill(fill.epochs, fill.source);
        match admitted {
            _ if fill.source == FillSource::Peer && self.bugs.has(Planted::StaleGossipTaken) => {
                self.take_batch(from, &fill.batch);
            }
            Err(reason) => self.refuse(from, RequestId::new(0), reason),
            Ok(()) => self.take_fill(from, &fill.batch),
        }
        self.check_order();
    }

    /// The rule for appends, gossip and reads: exactly the epochs that are durable here, with the history
    /// of that volume epoch, and no newer promise on its way (rules 3 and 5).
    fn admit(&self, epochs: Epochs) -> Result<(), Refusal> {
        self.admit_recovery(epochs.volume)?;
        let installed = self.durable.history.epoch();
        if installed != epochs.volume {
            return Err(Refusal::NeedHistory { installed });
        }
        let current = self.promised.membership_epoch();
        if epochs.membership < current {
            return Err(Refusal::StaleMembership { current });
        }
        let installed = self.durable.membership_epoch();
        if epochs.membership > installed {
            return Err(Refusal::NeedMembership { installed });
        }
        Ok(())
    }

    /// Takes what a fill brought. It may well go on from before a voided range to behind it, as the two sides are
    /// neighbours in the group's chain. They are taken apart: what is kept as one may be cut at a voided range.
    fn take_fill(&mut self, from: Origin, batch: &RecordBatch) {
        let history = Arc::clone(&self.durable.history);
        if !history.voids_any(batch.summary().first(), batch.summary().last()) {
            return self.take_batch(from, batch);
        }
        let ranges = history.ranges();
        if ranges.iter().any(|void| batch.slice(void.after, void.upto).is_some()) {
            return self.refuse(from, RequestId::new(0), Refusal::BadRecords);
        }
        let mut after = Lsn::ZERO;
        for end in ranges.iter().map(|void| void.after).chain([Lsn::MAX]) {
            if let Some(part) = batch.slice(after, end) {
                self.take_batch(from, &part);
            }
            after = end;
        }
    }

    fn admit_fill(&self, epochs: Epochs, source: FillSource) -> Result<(), Refusal> {
        match source {
            FillSource::Peer => self.admit(epochs),
            FillSource::Recovery => self.admit_recovery(epochs.volume),
        }
    }

    /// The rule for a recovery's copies: its promise must be durable here, its history cannot be yet (rule 5).
    fn admit_recovery(&self, epoch: VolumeEpoch) -> Result<(), Refusal> {
        self.check_health()?;
        let current = self.promised.volume_epoch;
        if epoch < current {
            return Err(Refusal::Fenced { current });
        }
        if epoch > self.durable.volume_epoch {
            return Err(Refusal::NeedHistory { installed: self.durable.history.epoch() });
        }
        Ok(())
    }

    fn check_health(&self) -> Result<(), Refusal> {
        match self.health {
            Health::Running => Ok(()),
            Health::LogDead => Err(Refusal::LogDead),
        }
    }

    fn hear(&mut self, append: &Append) {
        self.heard.volume_epoch = append.epochs.volume;
        self.heard.read_floor = self.heard.read_floor.max(append.read_floor);
        if append.vdl > self.heard.vdl {
            self.heard.vdl = append.vdl;
            self.heard.pg_tail = append.pg_tail;
        }
    }

    /// Links what is new in a batch and gives it out to be persisted.
    fn take_batch(&mut self, from: Origin, batch: &RecordBatch) {
        if self.out_of_space {
            return self.refuse(from, RequestId::new(0), Refusal::OutOfSpace);
        }
        if batch.summary().pg() != self.durable.address.pg {
            return self.refuse(from, RequestId::new(0), Refusal::BadRecords);
        }
        let mut parts = core::mem::take(&mut self.parts);
        if self.links.missing(batch, &mut parts).is_err() {
            self.refuse(from, RequestId::new(0), Refusal::BadRecords);
        } else if !self.links.has_room() {
            self.refuse(from, RequestId::new(0), Refusal::TooManyGaps);
        } else if parts.is_empty() {
            // All of it is held. Tell what is durable, in case the earlier answer was lost.
            self.send_ack(from);
        } else {
            for part in parts.drain(..) {
                self.persist_part(from, part);
            }
        }
        parts.clear();
        self.parts = parts;
    }

    fn persist_part(&mut self, from: Origin, part: RecordBatch) {
        let token = self.take_token();
        // Copies of a recovery are received under its promise, which may be newer than what was heard.
        let positions = Positions { volume_epoch: self.promised.volume_epoch, ..self.heard };
        self.links.insert(part.summary(), token, positions.volume_epoch);
        self.unflushed.push_back(Unflushed { token, first: part.summary().first(), positions, from });
        self.outputs.push_back(Output::PersistRecords { token, batch: Some(part), positions });
        if self.bugs.has(Planted::AckBeforeFlush) {
            let scl = self.links.highest();
            self.send_ack_of(from, scl);
        }
    }

    fn persist_positions_alone(&mut self, from: Origin) {
        if self.heard == self.persisted {
            return self.send_ack(from);
        }
        let token = self.take_token();
        let positions = self.heard;
        self.unflushed.push_back(Unflushed { token, first: Lsn::ZERO, positions, from });
        self.outputs.push_back(Output::PersistRecords { token, batch: None, positions });
    }

    fn take_token(&mut self) -> PersistToken {
        let token = PersistToken::new(self.next_token);
        self.next_token += 1;
        token
    }

    /// Every intent up to and including `upto` is durable. Only now do its records count, and only when the
    /// epoch under which they were received is still the newest promised (rules 1 and 2).
    pub fn on_persisted(&mut self, upto: PersistToken) {
        if self.health == Health::LogDead {
            return;
        }
        let mut last_origin = None;
        while let Some(done) = self.unflushed.front().copied().filter(|u| u.token <= upto) {
            self.unflushed.pop_front();
            let fenced = done.positions.volume_epoch != self.promised.volume_epoch;
            if fenced && !self.bugs.has(Planted::EpochCheckedOnlyAtReceipt) {
                // It was discarded when the newer epoch was promised.
                continue;
            }
            self.links.mark_persisted(done.token, done.first);
            self.persist_positions(done.positions);
            if fenced {
                self.links.advance(false);
                self.send_ack_under(done.positions.volume_epoch, done.from);
                continue;
            }
            // One flush completes many batches, nearly always of one origin: one answer each.
            if last_origin.is_some_and(|o| o != done.from) {
                self.answer_persisted(last_origin);
            }
            last_origin = Some(done.from);
        }
        self.answer_persisted(last_origin);
        self.check_order();
    }

    /// Every intent of positions alone up to and including `upto` is durable. They may overtake records, which wait
    /// for space that perhaps nothing but positions can free.
    pub fn on_positions_persisted(&mut self, upto: PersistToken) {
        if self.health == Health::LogDead {
            return;
        }
        let mut origin = None;
        for at in (0..self.unflushed.len()).rev() {
            let done = self.unflushed[at];
            if done.token > upto || done.first > Lsn::ZERO {
                continue;
            }
            self.unflushed.remove(at);
            if done.positions.volume_epoch == self.promised.volume_epoch {
                self.persist_positions(done.positions);
                origin = origin.or(Some(done.from));
            }
        }
        origin.into_iter().for_each(|origin| self.send_ack(origin));
        self.check_order();
    }

    fn answer_persisted(&mut self, origin: Option<Origin>) {
        let moved = self.links.advance(self.bugs.has(Planted::SclOverGaps));
        if let Some(origin) = origin {
            self.send_ack(origin);
        }
        if moved {
            if self.writer.is_some() && self.writer != origin {
                self.writer.into_iter().for_each(|w| self.send_ack(w));
            }
            self.join_if_reached();
        }
    }

    /// A newer epoch is being promised. What is still on its way to the disk will not count when it gets
    /// there, so it is forgotten now: a recovery may send the same records again under its own epoch (rule 2).
    fn promise_epoch(&mut self, epoch: VolumeEpoch) {
        if epoch == self.promised.volume_epoch {
            return;
        }
        self.promised.volume_epoch = epoch;
        if self.bugs.has(Planted::EpochCheckedOnlyAtReceipt) {
            return;
        }
        for intent in &self.unflushed {
            if self.links.discard(intent.token, intent.first) {
                self.outputs.push_back(Output::Discard { token: intent.token });
            }
        }
    }

    fn persist_positions(&mut self, positions: Positions) {
        self.persisted.volume_epoch = self.persisted.volume_epoch.max(positions.volume_epoch);
        // A history may have come into force since they were heard.
        let vdl = self.durable.history.clipped(positions.vdl);
        self.persisted.read_floor = self.persisted.read_floor.max(positions.read_floor.min(vdl));
        if vdl > self.persisted.vdl {
            self.persisted.vdl = vdl;
            self.persisted.pg_tail = self.durable.history.clipped(positions.pg_tail);
            self.links.raise_chain_floor(vdl);
        }
    }

    /// A segment that replaces another counts once it holds all that was durable when it joined (rule 8).
    fn join_if_reached(&mut self) {
        if self.promised.joined || self.health == Health::LogDead {
            return;
        }
        if self.promised.join_point().is_some_and(|p| self.links.scl() >= p) {
            self.promised.joined = true;
            self.persist_control(None);
        }
    }

    /// A write or flush of the log failed. The log is dead: its records are what their last completed
    /// flush made them, nothing is retried, and the segment is rebuilt from its peers.
    pub fn on_flush_failed(&mut self) {
        self.health = Health::LogDead;
        self.outputs.clear();
        self.unflushed.clear();
        self.unflushed_control.clear();
    }

    /// Records or images that were durable cannot be read back: the segment is not a clean voter until it
    /// was repaired.
    pub fn set_clean(&mut self, clean: bool) {
        self.clean = clean;
    }

    /// The device has no room for records, or has it again. Control state has reserved space and goes on.
    pub fn set_out_of_space(&mut self, out_of_space: bool) {
        self.out_of_space = out_of_space;
    }

    /// The log is full, and cannot be freed because of records that wait for a gap to close, which would need space
    /// itself: they are forgotten. Nobody counts on them, as SCL does not. Until `set_roomy` none are taken
    /// that would wait. Returns whether there were any.
    pub fn forget_waiting(&mut self) -> bool {
        self.is_cramped = true;
        let had_any = self.links.forget_waiting();
        self.check_order();
        had_any
    }

    /// The log has room again for records that wait.
    pub fn set_roomy(&mut self) {
        self.is_cramped = false;
    }

    fn leaves_gap_when_cramped(&self, batch: &RecordBatch) -> bool {
        self.is_cramped && batch.summary().prev_pg_lsn() > self.links.highest()
    }

    /// Durable page images now include every record up to here, which no recovery can void any more. Records that
    /// this segment lacked are among them when the images were made of a neighbour's: it holds those then, in that
    /// form, and goes on from there.
    pub fn on_coalesced(&mut self, upto: Lsn) {
        if upto > self.persisted.vdl {
            // A neighbour said so, and the log does not have it yet. The images have: a restart finds it in them.
            self.persisted.vdl = upto;
            self.persisted.pg_tail = upto;
            self.heard.vdl = self.heard.vdl.max(upto);
            self.heard.pg_tail = self.heard.pg_tail.max(upto);
        }
        if upto > self.links.scl() {
            self.links.jump_to(upto, self.persisted.vdl);
            self.writer.into_iter().for_each(|writer| self.send_ack(writer));
            self.join_if_reached();
        }
        self.coalesced = self.coalesced.max(upto);
        self.check_order();
    }

    /// Versions below here have been collected; never beyond what is coalesced.
    pub fn on_collected(&mut self, upto: Lsn) {
        self.collected = self.collected.max(upto);
        self.check_order();
    }
}

mod answers;
mod images;
pub use images::ImageProgress;
mod outputs;
mod promises;
pub use outputs::{Output, Positions, RecordsFor};
mod reads;
