//! Replacing one segment of a protection group by another, step by step (SIGMOD 2018, section 4.1).
//!
//! The driver asks `next_step` whenever something may have changed, carries the step out, and says what came of
//! it; asked again it names the same step again, so that nothing depends on a message or an answer that is lost.
//! I/O goes on throughout. Every step is in the metadata store before it is in force, so a writer that ends
//! half-way leaves a membership from which the next one's `resume` goes on.

use alloc::boxed::Box;
use alloc::sync::Arc;
use redoubt_page::{Lsn, PgId};

use crate::geometry::{Member, Membership};
use crate::ids::{RequestId, SegmentId, VolumeId};
use crate::message::{Address, CreateSegment, Status};
use crate::quorum::QuorumError;
use crate::writer::WriterCore;

/// What a new segment is made with, besides what its membership says.
#[derive(Clone, Copy, Debug)]
pub struct NewSegment {
    /// The volume.
    pub volume: VolumeId,
    /// Pages in each segment of the volume.
    pub segment_pages: u64,
    /// The number of the request to make it.
    pub request: RequestId,
}

/// Where a replacement stands, and what the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplacementState {
    /// Send this to the node of the joining segment until it is answered, then `on_created` (rule 13).
    Create(Box<CreateSegment>),
    /// Put this membership into the metadata store in the place of the one before, by compare-and-set; then
    /// `on_named`, or `on_overtaken`. Whether it was done before a crash is seen there.
    Name(Arc<Membership>),
    /// Hand this to `WriterCore::change_membership`, and connect the segments that are new in it.
    Install(Arc<Membership>),
    /// Wait: the membership is not on a write quorum of both sides yet.
    Settling,
    /// Wait: the joining segment has not reached its join point. Its peers fill it.
    Filling,
    /// The group is whole again, under this membership.
    Done(Arc<Membership>),
    /// The metadata store has another membership than this replacement started from, or it was given up before it was
    /// named: look there, start anew.
    Overtaken,
}

/// What the present step leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Creating(Box<CreateSegment>),
    Naming,
    Installing,
    Filling,
    Overtaken,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct ReplacementCore {
    pg: PgId,
    leaving: SegmentId,
    joining: SegmentId,
    /// The membership that the phase is about: the one to be named, installed, or in force.
    target: Arc<Membership>,
    phase: Phase,
    gives_up: bool,
}

impl ReplacementCore {
    /// Begins to replace `failed` by a segment that nobody has heard of, on any node: the same one with an empty
    /// disk, say. Its identity was taken from the metadata store and is never used again. The join point is set
    /// here: what is durable in the group now. From here on the writer counts nothing as durable that misses the
    /// write quorum of the next membership. A record that got past the join point on the old quorum alone, before the
    /// change is installed, would be missing in a read quorum that the joining segment is part of by then.
    ///
    /// # Errors
    /// When the group is being changed already or lacks `failed`, or when the quorums would not overlap.
    pub fn begin(
        writer: &mut WriterCore,
        pg: PgId,
        failed: SegmentId,
        joining: Member,
        new: NewSegment,
    ) -> Result<ReplacementCore, QuorumError> {
        let known = writer.membership(pg).ok_or(QuorumError::NotReplaceable)?;
        let join_point = writer.pgcl(pg).ok_or(QuorumError::NotReplaceable)?;
        if known.alternatives().len() != 1 {
            return Err(QuorumError::NotReplaceable);
        }
        // A join point of zero would make it a founding member, which counts from the start. Nothing was
        // durable when such a group was made; here something may be by the time the change is in force.
        let join_point = join_point.max(Lsn::ZERO.next());
        let joining = Member { join_point, ..joining };
        let target = Arc::new(known.replacing(failed, joining)?);
        let create = CreateSegment {
            to: Address { pg, segment: joining.segment },
            request: new.request,
            volume: new.volume,
            segment_pages: new.segment_pages,
            volume_epoch: writer.volume_epoch(),
            history: Arc::clone(writer.history()),
            membership: Arc::clone(&target),
        };
        writer.expect_membership(pg, Some(Arc::clone(&target)));
        let phase = Phase::Creating(Box::new(create));
        Ok(ReplacementCore { pg, leaving: failed, joining: joining.segment, target, phase, gives_up: false })
    }

    /// Goes on with a change that the metadata store names and an earlier writer did not finish; nothing when
    /// the membership is not in the middle of one. Of nested changes the newest comes first.
    pub fn resume(pg: PgId, known: &Arc<Membership>) -> Option<ReplacementCore> {
        let joining = known.members().last().filter(|_| known.alternatives().len() > 1)?.segment;
        let with = known.alternatives().iter().find(|p| p.write.names(joining))?;
        let without = known.alternatives().iter().find(|p| !p.write.names(joining))?;
        let leaving = without.write.segments().into_iter().find(|s| !with.write.names(*s))?;
        let target = Arc::clone(known);
        Some(ReplacementCore { pg, leaving, joining, target, phase: Phase::Installing, gives_up: false })
    }

    /// The protection group.
    pub fn pg(&self) -> PgId {
        self.pg
    }

    /// The segment that leaves, unless the change is taken back.
    pub fn leaving(&self) -> SegmentId {
        self.leaving
    }

    /// The segment that joins.
    pub fn joining(&self) -> SegmentId {
        self.joining
    }

    /// What was durable when the change began: the joining segment counts once it holds that.
    pub fn join_point(&self) -> Lsn {
        self.target.member(self.joining).map_or(Lsn::ZERO, |member| member.join_point)
    }

    /// The segment that was to leave is back: the change is taken back, if it is not complete before.
    pub fn give_up(&mut self) {
        self.gives_up = true;
    }

    /// The joining segment exists, durably. Its `Status` is the answer to `Create`.
    pub fn on_created(&mut self, status: &Status) {
        let is_it = status.from == Address { pg: self.pg, segment: self.joining };
        if is_it && matches!(self.phase, Phase::Creating(_)) {
            self.phase = Phase::Naming;
        }
    }

    /// The metadata store has the membership that `Name` asked for.
    pub fn on_named(&mut self) {
        if self.phase == Phase::Naming {
            self.phase = Phase::Installing;
        }
    }

    /// The metadata store has another one, or a newer writer has.
    pub fn on_overtaken(&mut self) {
        self.phase = Phase::Overtaken;
    }

    /// What is to be done now, as far as the writer has come.
    ///
    /// # Errors
    /// When the next membership's quorums would not overlap: a fault of the memberships, not of a moment.
    pub fn next_step(&mut self, writer: &mut WriterCore) -> Result<ReplacementState, QuorumError> {
        loop {
            let in_force = writer.membership(self.pg).map(|m| m.epoch());
            match &self.phase {
                Phase::Creating(_) if self.gives_up => self.phase = Phase::Overtaken,
                Phase::Creating(create) => return Ok(ReplacementState::Create(create.clone())),
                Phase::Naming => return Ok(ReplacementState::Name(Arc::clone(&self.target))),
                Phase::Overtaken => {
                    writer.expect_membership(self.pg, None);
                    return Ok(ReplacementState::Overtaken);
                }
                Phase::Installing if in_force < Some(self.target.epoch()) => {
                    let known = writer.newest_membership(self.pg).map(|m| m.epoch());
                    let is_known = known >= Some(self.target.epoch());
                    let install = || ReplacementState::Install(Arc::clone(&self.target));
                    return Ok(if is_known { ReplacementState::Settling } else { install() });
                }
                Phase::Installing => self.phase = Phase::Filling,
                Phase::Filling if self.target.member(self.joining).is_none() || !self.is_between() => {
                    return Ok(ReplacementState::Done(Arc::clone(&self.target)));
                }
                Phase::Filling => {
                    let leaving = if self.is_complete(writer) {
                        self.leaving
                    } else if self.gives_up {
                        self.joining
                    } else {
                        return Ok(ReplacementState::Filling);
                    };
                    self.target = Arc::new(self.target.without(leaving)?);
                    self.phase = Phase::Naming;
                }
            }
        }
    }

    /// Whether both segments are still members.
    fn is_between(&self) -> bool {
        self.target.member(self.leaving).is_some() && self.target.member(self.joining).is_some()
    }

    /// Whether the joining segment holds all that was durable when it joined (rule 8).
    fn is_complete(&self, writer: &WriterCore) -> bool {
        let Some(member) = self.target.member(self.joining) else { return false };
        let holds = |scl| scl >= member.join_point;
        writer.segments(self.pg).any(|s| s.segment == self.joining && s.ready && holds(s.scl))
    }
}
