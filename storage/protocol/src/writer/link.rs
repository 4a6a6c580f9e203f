//! One segment as the writer sees it: is it up to date, what was it sent, how far is it.

use super::*;

use crate::ids::{RequestId, SegmentId};
use redoubt_page::MembershipEpoch;

/// What every send carries.
pub(super) struct SendContext<'a> {
    pub(super) request: RequestId,
    pub(super) volume_epoch: VolumeEpoch,
    pub(super) history: &'a Arc<History>,
    pub(super) vdl: Lsn,
    pub(super) read_floor: Lsn,
}

/// What the segment has to have before it takes records. Each question is sent once, and again by a tick
/// that finds it unanswered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkState {
    /// Not connected, or not able to serve.
    Down,
    /// To be asked for its positions.
    Asking { sent: bool },
    /// To be given the history.
    WritingHistory { sent: bool },
    /// To be given the membership.
    WritingMembership { sent: bool },
    /// Takes records.
    Ready,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) segment: SegmentId,
    pub(super) state: LinkState,
    /// The highest SCL acknowledged under this writer's epoch.
    pub(super) scl: Lsn,
    /// The newest membership that the segment has said is durable there.
    pub(super) membership_epoch: MembershipEpoch,
    /// The batch to send next, counted from the group's first.
    pub(super) next_seq: u64,
    /// Positions are to be sent even without records.
    pub(super) announce: bool,
    /// The SCL at the last tick, and whether something had been sent by then.
    pub(super) ticked: Option<Lsn>,
}

impl Link {
    pub(super) fn new(segment: SegmentId, membership_epoch: MembershipEpoch) -> Link {
        Link {
            segment,
            state: LinkState::Down,
            scl: Lsn::ZERO,
            membership_epoch,
            next_seq: 0,
            announce: false,
            ticked: None,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.state == LinkState::Ready
    }

    /// Whether the state itself has something to send.
    pub(super) fn has_question(&self) -> bool {
        matches!(
            self.state,
            LinkState::Asking { sent: false }
                | LinkState::WritingHistory { sent: false }
                | LinkState::WritingMembership { sent: false }
        )
    }

    /// The message that the state asks for.
    pub(super) fn take_question(
        &mut self,
        to: Address,
        context: &SendContext<'_>,
        membership: &Arc<Membership>,
    ) -> Option<Message> {
        let (request, volume_epoch) = (context.request, context.volume_epoch);
        match &mut self.state {
            LinkState::Asking { sent } if !*sent => {
                *sent = true;
                Some(Message::AskStatus(AskStatus { to, request }))
            }
            LinkState::WritingHistory { sent } if !*sent => {
                *sent = true;
                let history = Arc::clone(context.history);
                Some(Message::WriteHistory(WriteHistory { to, request, volume_epoch, history }))
            }
            LinkState::WritingMembership { sent } if !*sent => {
                *sent = true;
                let membership = Arc::clone(membership);
                Some(Message::WriteMembership(WriteMembership { to, request, volume_epoch, membership }))
            }
            _ => None,
        }
    }

    /// An unanswered question is asked again. Returns whether records should be sent again instead: the
    /// segment takes them, and its SCL has not moved since the last tick.
    pub(super) fn on_tick(&mut self) -> bool {
        match &mut self.state {
            LinkState::Asking { sent }
            | LinkState::WritingHistory { sent }
            | LinkState::WritingMembership { sent } => {
                *sent = false;
                false
            }
            LinkState::Down => false,
            LinkState::Ready => {
                let stuck = self.ticked == Some(self.scl);
                self.ticked = if stuck { None } else { Some(self.scl) };
                stuck
            }
        }
    }
}
