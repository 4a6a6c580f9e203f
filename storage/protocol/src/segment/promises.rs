//! Epochs, histories and memberships: what a segment promises, durably, before it acts on it.

use super::*;

impl SegmentCore {
    /// Promises an epoch; answers with a report taken after the promise's own flush (rules 3 and 4).
    pub(super) fn on_seal(&mut self, from: Origin, seal: Seal) {
        if let Err(reason) = self.check_promise(seal.volume_epoch) {
            return self.refuse(from, seal.request, reason);
        }
        if seal.volume_epoch == self.durable.volume_epoch {
            // Promised already, durably: whatever flush completes from here on under an older epoch is
            // discarded, so the report is as good as one taken then.
            let report = self.report(seal.request);
            return self.send(from, Message::SealReport(report.into()));
        }
        if self.bugs.has(Planted::ReportBeforeSeal) {
            return self.report_before_seal(from, &seal);
        }
        self.promise_epoch(seal.volume_epoch);
        self.persist_control(Some((from, seal.request, Then::Seal)));
        self.check_order();
    }

    /// Replaces the history by a whole other one, which takes effect when it is durable.
    ///
    /// Nearly always the other one is newer. But a recovery that finds a history of which some group's read
    /// quorum knows nothing has proof that its writer never opened: it writes the list it starts from back
    /// over it, or its copies of records which that list lets live would be refused as voided.
    pub(super) fn on_write_history(&mut self, from: Origin, write: &WriteHistory) {
        if let Err(reason) = self.admit_history(write) {
            return self.refuse(from, write.request, reason);
        }
        self.promise_epoch(write.volume_epoch);
        if self.promised.is_superseded_by(&write.history, write.volume_epoch) {
            self.promised.history = Arc::clone(&write.history);
            self.promised.history_writer = write.volume_epoch;
        }
        if self.promised == self.durable {
            return self.send_history_written(from, write.request);
        }
        self.persist_control(Some((from, write.request, Then::History)));
        self.check_order();
    }

    fn admit_history(&self, write: &WriteHistory) -> Result<(), Refusal> {
        self.check_promise(write.volume_epoch)?;
        if write.history.epoch() > write.volume_epoch {
            return Err(Refusal::BadRecords);
        }
        let newer = self.promised.is_superseded_by(&write.history, write.volume_epoch);
        let is_too_deep =
            self.links.can_void(&write.history).is_err() || self.commits_what_is_voided(&write.history);
        if newer && is_too_deep {
            return Err(Refusal::HistoryTooDeep { linked: self.links.base() });
        }
        Ok(())
    }

    fn check_promise(&self, epoch: VolumeEpoch) -> Result<(), Refusal> {
        self.check_health()?;
        let current = self.promised.volume_epoch;
        if epoch < current { Err(Refusal::Fenced { current }) } else { Ok(()) }
    }

    /// Installs a membership when it is newer.
    pub(super) fn on_write_membership(&mut self, from: Origin, write: &WriteMembership) {
        if let Err(reason) = self.admit_recovery(write.volume_epoch) {
            return self.refuse(from, write.request, reason);
        }
        if write.membership.epoch() > self.promised.membership_epoch() {
            self.promised.membership = Arc::clone(&write.membership);
        }
        if self.promised == self.durable {
            return self.send_membership_written(from, write.request);
        }
        self.persist_control(Some((from, write.request, Then::Membership)));
    }

    /// The segment exists: creating it again changes nothing, and is answered once its state is durable.
    pub(super) fn on_create_again(&mut self, from: Origin, create: &CreateSegment) {
        let same = create.volume == self.durable.volume
            && create.to == self.durable.address
            && create.segment_pages == self.durable.geometry.segment_pages();
        if !same {
            return self.refuse(from, create.request, Refusal::UnknownSegment);
        }
        if self.unflushed_control.is_empty() {
            return self.send_status(from, create.request);
        }
        self.persist_control(Some((from, create.request, Then::Status)));
    }

    pub(super) fn persist_control(&mut self, then: Option<(Origin, RequestId, Then)>) {
        let token = ControlToken::new(self.next_control_token);
        self.next_control_token += 1;
        let control = self.promised.clone();
        let early_report = None;
        self.outputs.push_back(Output::PersistControl { token, control: control.clone() });
        self.unflushed_control.push_back(UnflushedControl { token, control, then, early_report });
    }

    /// Only for the planted bug of that name.
    fn report_before_seal(&mut self, from: Origin, seal: &Seal) {
        let before = self.promised.clone();
        let mut report = self.report(seal.request);
        report.volume_epoch = seal.volume_epoch;
        self.promised.volume_epoch = seal.volume_epoch;
        self.persist_control(Some((from, seal.request, Then::Seal)));
        self.promised = before;
        if let Some(last) = self.unflushed_control.back_mut() {
            last.early_report = Some(report);
        }
    }

    /// Every control state up to and including `upto` is durable: it takes effect and is answered.
    pub fn on_control_persisted(&mut self, upto: ControlToken) {
        if self.health == Health::LogDead {
            return;
        }
        while let Some(front) = self.unflushed_control.front() {
            if front.token > upto {
                break;
            }
            let Some(done) = self.unflushed_control.pop_front() else { break };
            let new_history = done.control.history != self.durable.history;
            self.durable = done.control;
            if self.bugs.has(Planted::ReportBeforeSeal) {
                self.promise_epoch(self.durable.volume_epoch.max(self.promised.volume_epoch));
            }
            if new_history {
                self.put_history_in_force();
            }
            if self.health == Health::LogDead {
                return;
            }
            if let Some((from, request, then)) = done.then {
                self.answer_promise(from, request, then, done.early_report);
            }
        }
        self.take_committed_images();
        self.check_order();
    }

    fn put_history_in_force(&mut self) {
        let history = Arc::clone(&self.durable.history);
        if self.links.can_void(&history).is_err() {
            // It could be applied when it came. Records at or below the VDL persisted here have been linked since,
            // which no honest history voids. The segment is of no use any more, and must say nothing.
            return self.on_flush_failed();
        }
        self.links.apply_history(&history);
        for positions in [&mut self.heard, &mut self.persisted] {
            positions.vdl = history.clipped(positions.vdl);
            positions.pg_tail = history.clipped(positions.pg_tail);
            positions.read_floor = positions.read_floor.min(positions.vdl);
        }
        // Between the last record that links and the old persisted VDL there was none: nothing is undone.
        let limit = self.coalesce_limit();
        self.coalesced = self.coalesced.min(limit);
        self.collected = self.collected.min(limit);
        let scl = self.links.scl();
        self.outputs.push_back(Output::HistoryInForce { history, scl });
    }

    fn answer_promise(
        &mut self,
        from: Origin,
        request: RequestId,
        then: Then,
        early_report: Option<SealReport>,
    ) {
        match then {
            // A newer promise overtook this one: the report would be of no use to its asker.
            Then::Seal if self.promised.volume_epoch != self.durable.volume_epoch => {
                let current = self.promised.volume_epoch;
                self.refuse(from, request, Refusal::Fenced { current });
            }
            Then::Seal => {
                let report = early_report.unwrap_or_else(|| self.report(request));
                self.send(from, Message::SealReport(report.into()));
            }
            Then::History => self.send_history_written(from, request),
            Then::Membership => self.send_membership_written(from, request),
            Then::Status => self.send_status(from, request),
        }
    }

    /// What recovery needs to know, as of now.
    fn report(&self, request: RequestId) -> SealReport {
        let (chain, cpls) = self.links.chain();
        SealReport {
            from: self.durable.address,
            request,
            volume_epoch: self.promised.volume_epoch,
            membership: Arc::clone(&self.durable.membership),
            joined: self.durable.joined,
            clean: self.clean,
            history: Arc::clone(&self.durable.history),
            scl: self.links.scl(),
            persisted_vdl: self.persisted.vdl,
            read_floor: self.persisted.read_floor,
            chain_base: self.links.base(),
            chain,
            cpls,
        }
    }
}
