//! The writer's positions, for those who ask, and the order that they keep.

use super::*;

use crate::ids::SegmentId;

/// What a writer knows of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentView {
    /// The segment.
    pub segment: SegmentId,
    /// Its SCL, as last heard under the writer's epoch.
    pub scl: Lsn,
    /// Whether it is connected and up to date with history and membership.
    pub ready: bool,
}

impl WriterCore {
    /// The writer's incarnation.
    pub fn volume_epoch(&self) -> VolumeEpoch {
        self.volume_epoch
    }

    /// The history under which this writer allocates.
    pub fn history(&self) -> &Arc<History> {
        &self.history
    }

    /// The newer epoch that ended this writer, if one did.
    pub fn fenced_by(&self) -> Option<VolumeEpoch> {
        self.fenced_by
    }

    /// The highest consistency point at or below VCL: durable, and what readers see.
    pub fn vdl(&self) -> Lsn {
        self.vdl
    }

    /// The highest LSN such that every record at or below it is durable on a write quorum.
    pub fn vcl(&self) -> Lsn {
        self.vcl
    }

    /// The LSN that the next record gets.
    pub fn next_lsn(&self) -> Lsn {
        self.next
    }

    /// The lowest read point announced.
    pub fn read_floor(&self) -> Lsn {
        self.read_floor
    }

    /// LSNs are allocated up to the allocation limit above this.
    pub fn allocation_base(&self) -> Lsn {
        self.vdl.max(self.history.end())
    }

    /// Bytes that no write quorum has acknowledged.
    pub fn unacked_bytes(&self) -> u64 {
        self.unacked_bytes
    }

    /// How many protection groups there are.
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// The highest LSN of the group that a write quorum has reached.
    pub fn pgcl(&self, pg: PgId) -> Option<Lsn> {
        self.groups.get(pg.get() as usize).map(Group::pgcl)
    }

    /// The group's last record at or below the current VDL. Good for any read point up to that VDL; one
    /// taken *before* the read point was established is not good for it (rule 14).
    pub fn pg_tail(&self, pg: PgId) -> Option<Lsn> {
        self.groups.get(pg.get() as usize).map(Group::tail)
    }

    /// The membership in force for the group.
    pub fn membership(&self, pg: PgId) -> Option<&Arc<Membership>> {
        self.groups.get(pg.get() as usize).map(Group::membership)
    }

    /// The newest membership that this writer was told of, in force or on its way there.
    pub fn newest_membership(&self, pg: PgId) -> Option<&Arc<Membership>> {
        self.groups.get(pg.get() as usize).map(Group::newest_membership)
    }

    /// The group's segments, those joining and leaving included.
    pub fn segments(&self, pg: PgId) -> impl Iterator<Item = SegmentView> {
        self.groups.get(pg.get() as usize).into_iter().flat_map(Group::segments)
    }

    /// The page read to send to a segment for a read point at or below VDL, if the segment is known to be
    /// complete that far. A segment that is not may still be asked, and says so itself.
    pub fn complete_segments(&self, pg: PgId, read_point: Lsn) -> impl Iterator<Item = SegmentId> {
        let needed = self.pg_tail(pg).map_or(Lsn::MAX, |tail| tail.min(read_point));
        self.segments(pg).filter(move |s| s.ready && s.scl >= needed).map(|s| s.segment)
    }

    /// The fencing numbers for requests to a segment.
    pub fn epochs(&self, to: Address) -> Option<Epochs> {
        let membership = self.groups.get(to.pg.get() as usize)?.membership_epoch_of(to.segment)?;
        Some(Epochs { volume: self.volume_epoch, membership })
    }

    /// The order of all positions: `read floor <= VDL <= VCL < next LSN <= base + limit + 1`.
    pub(super) fn check_order(&self) {
        let (floor, vdl, vcl, next) = (self.read_floor, self.vdl, self.vcl, self.next);
        assert!(floor <= vdl, "the read floor {floor} is above VDL {vdl}");
        assert!(vdl <= vcl, "VDL {vdl} is above VCL {vcl}");
        assert!(vcl < next, "VCL {vcl} is not below the next LSN {next}");
        let above = next.records_since(self.allocation_base());
        assert!(above <= self.allocation_limit + 1, "LSN {next} is {above} above the base");
        assert!(self.last < next, "the last LSN {} is not below the next {next}", self.last);
    }
}
