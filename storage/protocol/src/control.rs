//! What a segment must remember through anything: its identity and its promises.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use redoubt_page::{Lsn, MembershipEpoch, VolumeEpoch};

use crate::codec::{DecodeError, Reader, Writer};
use crate::geometry::{Membership, VolumeGeometry};
use crate::history::History;
use crate::ids::VolumeId;
use crate::message::{Address, CreateSegment, Epochs};

/// The version of the stored form.
const CONTROL_VERSION: u8 = 1;

/// A segment's identity and promises. Small; stored by an atomic replace that is durable before the
/// segment acts on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlState {
    /// The volume.
    pub volume: VolumeId,
    /// The segment.
    pub address: Address,
    /// How the volume's pages are divided.
    pub geometry: VolumeGeometry,
    /// The newest volume epoch promised: older ones are refused.
    pub volume_epoch: VolumeEpoch,
    /// The voided ranges, as of the history's own epoch.
    pub history: Arc<History>,
    /// The volume epoch of whoever wrote the history here. Among histories it decides, before their own
    /// epochs, which is the later word: a recovery may have to take back a newer history that never opened.
    pub history_writer: VolumeEpoch,
    /// The protection group's membership.
    pub membership: Arc<Membership>,
    /// Whether the SCL has once reached the segment's join point.
    pub joined: bool,
}

impl ControlState {
    /// The state of a segment about to be created.
    ///
    /// # Errors
    /// When the message does not describe a segment: a geometry without pages, a history newer than the
    /// epoch, or a membership that the segment is not in.
    pub fn created(message: &CreateSegment) -> Result<ControlState, DecodeError> {
        let pages = message.segment_pages;
        let geometry = VolumeGeometry::new(pages)
            .ok_or(DecodeError::OutOfRange { field: "segment pages", value: pages })?;
        let state = ControlState {
            volume: message.volume,
            address: message.to,
            geometry,
            volume_epoch: message.volume_epoch,
            history: Arc::clone(&message.history),
            history_writer: message.volume_epoch,
            membership: Arc::clone(&message.membership),
            joined: false,
        };
        state.check()?;
        let value = state.address.segment.get();
        let join_point = state.join_point().ok_or(DecodeError::OutOfRange { field: "segment", value })?;
        Ok(ControlState { joined: join_point == Lsn::ZERO, ..state })
    }

    /// Checks that the parts belong together.
    fn check(&self) -> Result<(), DecodeError> {
        let (history, writer) = (self.history.epoch(), self.history_writer);
        if history > writer || writer > self.volume_epoch {
            let value = history.get();
            return Err(DecodeError::OutOfRange { field: "history epoch", value });
        }
        Ok(())
    }

    /// The SCL from which the segment counts in quorums; nothing once it has left the membership.
    pub fn join_point(&self) -> Option<Lsn> {
        self.membership.member(self.address.segment).map(|m| m.join_point)
    }

    /// Whether a history is a later word than the one held: written by a later incarnation, or by the same
    /// one under a later epoch (rule 6).
    pub fn is_superseded_by(&self, history: &History, writer: VolumeEpoch) -> bool {
        (writer, history.epoch()) > (self.history_writer, self.history.epoch())
    }

    /// The fencing numbers.
    pub fn epochs(&self) -> Epochs {
        Epochs { volume: self.volume_epoch, membership: self.membership_epoch() }
    }

    /// The membership's epoch.
    pub fn membership_epoch(&self) -> MembershipEpoch {
        self.membership.epoch()
    }

    /// The numbers of the pages that the segment holds.
    pub fn pages(&self) -> Range<u64> {
        self.geometry.pages_of(self.address.pg)
    }

    /// Appends the stored form. The driver adds a checksum.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut w = Writer::new(out);
        w.u8(CONTROL_VERSION);
        w.bytes(&self.volume.get());
        w.u32(self.address.pg.get());
        w.u64(self.address.segment.get());
        w.u64(self.geometry.segment_pages());
        w.u64(self.volume_epoch.get());
        w.u64(self.history_writer.get());
        w.bool(self.joined);
        w.history(&self.history);
        w.membership(&self.membership);
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn decode(bytes: &[u8]) -> Result<ControlState, DecodeError> {
        let mut r = Reader::new(bytes);
        let version = r.u8()?;
        if version != CONTROL_VERSION {
            return Err(DecodeError::Version(version));
        }
        let volume = r.volume()?;
        let address = Address { pg: r.pg()?, segment: r.segment()? };
        let pages = r.u64()?;
        let geometry = VolumeGeometry::new(pages)
            .ok_or(DecodeError::OutOfRange { field: "segment pages", value: pages })?;
        let volume_epoch = r.volume_epoch()?;
        let history_writer = r.volume_epoch()?;
        let joined = r.bool("joined")?;
        let history = Arc::new(r.history()?);
        let membership = Arc::new(r.membership()?);
        r.finish()?;
        let state = ControlState {
            volume,
            address,
            geometry,
            volume_epoch,
            history,
            history_writer,
            membership,
            joined,
        };
        state.check()?;
        Ok(state)
    }
}
