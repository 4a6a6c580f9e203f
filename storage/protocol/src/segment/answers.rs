//! Answers, positions to look at, and the order that all positions keep.

use super::*;

impl SegmentCore {
    pub(super) fn send(&mut self, to: Origin, message: Message) {
        self.outputs.push_back(Output::Send { to, message });
    }

    pub(super) fn refuse(&mut self, to: Origin, request: RequestId, reason: Refusal) {
        let from = self.durable.address;
        self.send(to, Message::Refused(Refused { from, request, reason }));
    }

    pub(super) fn send_ack(&mut self, to: Origin) {
        self.send_ack_of(to, self.links.scl());
    }

    pub(super) fn send_ack_of(&mut self, to: Origin, scl: Lsn) {
        let from = self.durable.address;
        let volume_epoch = self.promised.volume_epoch;
        self.send(to, Message::AppendAck(AppendAck { from, volume_epoch, scl }));
    }

    /// Only for a planted bug: an acknowledgement under the epoch of a fenced writer.
    pub(super) fn send_ack_under(&mut self, volume_epoch: VolumeEpoch, to: Origin) {
        let (from, scl) = (self.durable.address, self.links.scl());
        self.send(to, Message::AppendAck(AppendAck { from, volume_epoch, scl }));
    }

    pub(super) fn send_history_written(&mut self, to: Origin, request: RequestId) {
        let message = HistoryWritten {
            from: self.durable.address,
            request,
            volume_epoch: self.durable.volume_epoch,
            history_epoch: self.durable.history.epoch(),
            scl: self.links.scl(),
        };
        self.send(to, Message::HistoryWritten(message));
    }

    pub(super) fn send_membership_written(&mut self, to: Origin, request: RequestId) {
        let from = self.durable.address;
        let membership_epoch = self.durable.membership_epoch();
        self.send(to, Message::MembershipWritten(MembershipWritten { from, request, membership_epoch }));
    }

    pub(super) fn send_status(&mut self, to: Origin, request: RequestId) {
        let status = self.status(request);
        self.send(to, Message::Status(status));
    }

    /// The segment's positions, as it tells them to anyone who asks.
    pub fn status(&self, request: RequestId) -> Status {
        Status {
            from: self.durable.address,
            request,
            volume_epoch: self.durable.volume_epoch,
            history_epoch: self.durable.history.epoch(),
            membership_epoch: self.durable.membership_epoch(),
            scl: self.links.scl(),
            highest_received: self.links.highest(),
            persisted_vdl: self.persisted.vdl,
            coalesced: self.coalesced,
            read_floor: self.heard.read_floor,
            joined: self.durable.joined,
            clean: self.clean,
        }
    }

    /// The durable identity and promises.
    pub fn control(&self) -> &ControlState {
        &self.durable
    }

    /// The last record durably held and linked without a gap.
    pub fn scl(&self) -> Lsn {
        self.links.scl()
    }

    /// Durable page images may include records up to here: no recovery can void them.
    pub fn coalesce_limit(&self) -> Lsn {
        self.links.scl().min(self.persisted.vdl)
    }

    /// The newest positions that are durable.
    pub fn persisted_positions(&self) -> Positions {
        self.persisted
    }

    /// Where a scan of the log has to start after a restart: records above `linked` must still be in the
    /// log, and are fed to `restore_batch`.
    pub fn restore_point(&self) -> RestorePoint {
        RestorePoint {
            linked: self.links.base(),
            persisted_vdl: self.persisted.vdl,
            pg_tail: self.persisted.pg_tail,
            read_floor: self.persisted.read_floor,
            coalesced: self.coalesced,
            collected: self.collected,
        }
    }

    /// Whether a failed flush has ended this segment's life.
    pub fn is_log_dead(&self) -> bool {
        self.health == Health::LogDead
    }

    /// How many intents have been given out and not reported durable.
    pub fn unflushed_count(&self) -> usize {
        self.unflushed.len()
    }

    /// Records held above SCL: first, last, and the epoch under which they came.
    pub fn waiting(&self) -> impl Iterator<Item = (Lsn, Lsn, VolumeEpoch)> {
        self.links.waiting_epochs()
    }

    /// The order of all positions: `collected <= coalesced <= min(SCL, persisted VDL)`, `SCL <= highest
    /// received`, `read floor <= VDL`, and a durable promise is never ahead of the one made.
    pub(super) fn check_order(&self) {
        self.links.check_order();
        let limit = self.coalesce_limit();
        assert!(self.collected <= self.coalesced, "collected {} above {}", self.collected, self.coalesced);
        assert!(self.coalesced <= limit, "coalesced {} is above {limit}", self.coalesced);
        for positions in [&self.heard, &self.persisted] {
            assert!(positions.read_floor <= positions.vdl, "the read floor is above VDL: {positions:?}");
            assert!(positions.pg_tail <= positions.vdl, "the tail is above VDL: {positions:?}");
        }
        assert!(self.persisted.vdl <= self.heard.vdl, "a VDL was persisted before it was heard");
        let (durable, promised) = (&self.durable, &self.promised);
        assert!(durable.volume_epoch <= promised.volume_epoch, "a durable promise was forgotten");
        assert!(durable.history.epoch() <= durable.volume_epoch, "a history is ahead of its promise");
        assert!(durable.membership_epoch() <= promised.membership_epoch(), "a membership went back");
    }
}
