//! Which pages belong to which protection group, and which segments hold a group under which quorums.

use alloc::vec::Vec;
use core::ops::Range;
use redoubt_page::{Lsn, MembershipEpoch, PageId, PgId};

use crate::ids::{NodeId, SegmentId, Zone};
use crate::quorum::{QuorumError, QuorumSet, overlaps};

/// How a volume's pages are divided; fixed when the volume is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumeGeometry {
    segment_pages: u64,
}

impl VolumeGeometry {
    /// Ten gigabytes of 8 KiB pages (SIGMOD 2017, section 2.2).
    pub const DEFAULT_SEGMENT_PAGES: u64 = 10 * 1024 * 1024 * 1024 / 8192;

    /// A geometry with this many pages in each segment; nothing when the number is zero.
    pub fn new(segment_pages: u64) -> Option<VolumeGeometry> {
        (segment_pages > 0).then_some(VolumeGeometry { segment_pages })
    }

    /// Pages in each segment.
    pub fn segment_pages(&self) -> u64 {
        self.segment_pages
    }

    /// The protection group of a page. With very small segments, pages beyond the last group number all
    /// fall to it; no volume grows that far.
    pub fn pg_of(&self, page: PageId) -> PgId {
        let pg = page.get() / self.segment_pages;
        PgId::new(u32::try_from(pg).unwrap_or(u32::MAX))
    }

    /// The numbers of the pages that a protection group holds.
    pub fn pages_of(&self, pg: PgId) -> Range<u64> {
        let end = PageId::MAX.get() + 1;
        let first = u64::from(pg.get()).saturating_mul(self.segment_pages).min(end);
        first..first.saturating_add(self.segment_pages).min(end)
    }
}

/// A segment of a protection group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The segment.
    pub segment: SegmentId,
    /// The node that holds it.
    pub node: NodeId,
    /// The zone of that node.
    pub zone: Zone,
    /// The PGCL when the segment joined. Until its SCL has reached this once, it counts in no read, seal or
    /// recovery quorum. Zero for a founding member.
    pub join_point: Lsn,
}

/// A write and a read quorum that belong together: one set of segments under consideration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumPair {
    /// Met by the segments that must hold a record for it to be durable.
    pub write: QuorumSet,
    /// Met by the segments that must answer for every durable record to be seen.
    pub read: QuorumSet,
}

/// The segments of one protection group at one membership epoch, and the quorums over them.
///
/// While segments are being replaced there are several alternatives, one per set that the change could
/// end at: a write must reach the write quorum of **every** alternative, a read needs the read quorum of
/// **any** (SIGMOD 2018, section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    epoch: MembershipEpoch,
    members: Vec<Member>,
    alternatives: Vec<QuorumPair>,
    write: QuorumSet,
    read: QuorumSet,
}

impl Membership {
    /// A membership from its parts.
    ///
    /// # Errors
    /// When an expression is malformed, names others than the members, when a read could miss a write, or
    /// when two writes could be disjoint.
    pub fn new(
        epoch: MembershipEpoch,
        members: Vec<Member>,
        alternatives: Vec<QuorumPair>,
    ) -> Result<Membership, QuorumError> {
        let write = joined(&alternatives, |p| p.write.clone(), QuorumSet::And)?;
        let read = joined(&alternatives, |p| p.read.clone(), QuorumSet::Or)?;
        write.check()?;
        read.check()?;
        let mut segments: Vec<SegmentId> = members.iter().map(|m| m.segment).collect();
        segments.sort_unstable();
        let mut named = write.segments();
        named.extend(read.segments());
        named.sort_unstable();
        named.dedup();
        if segments != named {
            return Err(QuorumError::MembersDiffer);
        }
        let membership = Membership { epoch, members, alternatives, write, read };
        membership.check_reads_see(&membership.write)?;
        if !overlaps(&membership.write, &membership.write, &[])? {
            return Err(QuorumError::WritesDisjoint);
        }
        Ok(membership)
    }

    /// The default quorums over equal members: of `n`, writes need `n/2 + 1` and reads `n - n/2`; for six
    /// that is 4 and 3, for three 2 and 2, for one 1 and 1.
    ///
    /// # Errors
    /// When there is no member, a member twice, or too many.
    pub fn uniform(epoch: MembershipEpoch, members: Vec<Member>) -> Result<Membership, QuorumError> {
        let segments: Vec<SegmentId> = members.iter().map(|m| m.segment).collect();
        let count = u8::try_from(segments.len()).map_err(|_| QuorumError::TooLarge)?;
        let write = QuorumSet::at_least(count / 2 + 1, &segments);
        let read = QuorumSet::at_least(count - count / 2, &segments);
        Membership::new(epoch, members, alloc::vec![QuorumPair { write, read }])
    }

    /// Full and tail segments (SIGMOD 2018, section 4.2): a write needs 4/6 of any or 3/3 full, a read
    /// needs 3/6 of any and 1/3 full; the majorities are taken likewise for other counts.
    ///
    /// # Errors
    /// When the counts admit no overlapping quorums.
    pub fn full_and_tail(
        epoch: MembershipEpoch,
        full: Vec<Member>,
        tail: Vec<Member>,
    ) -> Result<Membership, QuorumError> {
        let full_segments: Vec<SegmentId> = full.iter().map(|m| m.segment).collect();
        let mut members = full;
        members.extend(tail);
        let all: Vec<SegmentId> = members.iter().map(|m| m.segment).collect();
        let count = u8::try_from(all.len()).map_err(|_| QuorumError::TooLarge)?;
        let full_count = u8::try_from(full_segments.len()).map_err(|_| QuorumError::TooLarge)?;
        let write = QuorumSet::Or(alloc::vec![
            QuorumSet::at_least(count / 2 + 1, &all),
            QuorumSet::at_least(full_count, &full_segments),
        ]);
        let read = QuorumSet::And(alloc::vec![
            QuorumSet::at_least(count - count / 2, &all),
            QuorumSet::at_least(1, &full_segments),
        ]);
        Membership::new(epoch, members, alloc::vec![QuorumPair { write, read }])
    }

    /// The membership's fencing number.
    pub fn epoch(&self) -> MembershipEpoch {
        self.epoch
    }

    /// The segments, in the order they were given.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The sets that a change in progress could end at; one when there is none.
    pub fn alternatives(&self) -> &[QuorumPair] {
        &self.alternatives
    }

    /// The write quorum.
    pub fn write(&self) -> &QuorumSet {
        &self.write
    }

    /// The read quorum.
    pub fn read(&self) -> &QuorumSet {
        &self.read
    }

    /// The member that is this segment.
    pub fn member(&self, segment: SegmentId) -> Option<&Member> {
        self.members.iter().find(|m| m.segment == segment)
    }

    /// The next membership, in which `failed` is being replaced by `joining`: writes go to both outcomes.
    /// Replacements nest.
    ///
    /// # Errors
    /// When `failed` is not a member or `joining` already is, or when the quorums would not overlap, those
    /// of the membership before included.
    pub fn replacing(&self, failed: SegmentId, joining: Member) -> Result<Membership, QuorumError> {
        if self.member(failed).is_none() || self.member(joining.segment).is_some() {
            return Err(QuorumError::NotReplaceable);
        }
        let mut alternatives = self.alternatives.clone();
        alternatives.extend(self.alternatives.iter().map(|pair| QuorumPair {
            write: pair.write.substituted(failed, joining.segment),
            read: pair.read.substituted(failed, joining.segment),
        }));
        let mut members = self.members.clone();
        members.push(joining);
        let next = Membership::new(self.epoch.next(), members, alternatives)?;
        next.check_reads_see(&self.write)?;
        Ok(next)
    }

    /// The next membership, without `leaving`: the end of a replacement, whichever way it goes. Completing
    /// it requires that the segment that stays has reached its join point; reverting requires nothing.
    ///
    /// # Errors
    /// When no alternative is without `leaving`, or when the quorums would not overlap.
    pub fn without(&self, leaving: SegmentId) -> Result<Membership, QuorumError> {
        let alternatives: Vec<QuorumPair> =
            self.alternatives.iter().filter(|p| !p.write.names(leaving)).cloned().collect();
        if alternatives.is_empty() {
            return Err(QuorumError::NothingLeft);
        }
        let members = self.members.iter().filter(|m| m.segment != leaving).copied().collect();
        let next = Membership::new(self.epoch.next(), members, alternatives)?;
        if !overlaps(&next.read, &self.write, &[])? {
            return Err(QuorumError::ReadMissesWrite);
        }
        Ok(next)
    }

    /// Every read quorum must share a segment with every set that met `write`, a member that is still
    /// joining never counting for the read.
    fn check_reads_see(&self, write: &QuorumSet) -> Result<(), QuorumError> {
        let joining: Vec<SegmentId> =
            self.members.iter().map(|m| m.segment).filter(|s| !write.names(*s)).collect();
        if overlaps(&self.read, write, &joining)? { Ok(()) } else { Err(QuorumError::ReadMissesWrite) }
    }
}

/// One expression out of one per alternative: the expression itself when there is only one.
fn joined(
    alternatives: &[QuorumPair],
    part: impl Fn(&QuorumPair) -> QuorumSet,
    combine: impl Fn(Vec<QuorumSet>) -> QuorumSet,
) -> Result<QuorumSet, QuorumError> {
    match alternatives {
        [] => Err(QuorumError::NothingLeft),
        [only] => Ok(part(only)),
        several => Ok(combine(several.iter().map(part).collect())),
    }
}
