//! Why a segment does not do what it was asked. Every refusal names what the asker needs to know next.

use redoubt_page::{Lsn, MembershipEpoch, VolumeEpoch};

/// A segment's reason for refusing a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A newer volume epoch has been promised: the asker is fenced, for good.
    #[error("fenced: volume epoch {current} has been promised")]
    Fenced {
        /// The newest epoch promised.
        current: VolumeEpoch,
    },
    /// The history of the asked epoch is not durable here yet; it must be written first.
    #[error("the history of this volume epoch is not installed; that of epoch {installed} is")]
    NeedHistory {
        /// The epoch of the history that is durable here.
        installed: VolumeEpoch,
    },
    /// The asker's membership has been replaced.
    #[error("membership epoch {current} has replaced the one asked under")]
    StaleMembership {
        /// The newest membership epoch here.
        current: MembershipEpoch,
    },
    /// The asker's membership is not durable here yet; it must be written first.
    #[error("this membership is not installed; that of epoch {installed} is")]
    NeedMembership {
        /// The epoch of the membership that is durable here.
        installed: MembershipEpoch,
    },
    /// The segment is not complete up to what is asked; another one is.
    #[error("complete only up to {scl}")]
    Behind {
        /// The segment's SCL.
        scl: Lsn,
    },
    /// Versions as old as the read point may have been collected.
    #[error("the read point is below the read floor {floor}")]
    BelowReadFloor {
        /// The lowest read point still served.
        floor: Lsn,
    },
    /// The node does not hold this segment. It is not an empty one: a segment is created before it is used.
    #[error("no such segment here")]
    UnknownSegment,
    /// The page lies outside the segment's range.
    #[error("the page lies in another protection group")]
    WrongPage,
    /// The records contradict what the segment holds, or are voided: the asker has a fault.
    #[error("the records contradict the segment's")]
    BadRecords,
    /// The records do not link and too many such already wait; records in between must come first.
    #[error("too many records wait for a gap to close")]
    TooManyGaps,
    /// A flush failed: the segment's log is dead and the segment must be rebuilt from its peers.
    #[error("the segment's log is dead after a failed flush")]
    LogDead,
    /// Records or pages that were durable cannot be read back.
    #[error("damaged on media")]
    Damaged,
    /// The disk is full; freeing space resumes service.
    #[error("out of space")]
    OutOfSpace,
    /// The records asked for have been collected; their effect is in the pages.
    #[error("records at or below {floor} have been collected")]
    RecordsCollected {
        /// The highest LSN whose records are gone.
        floor: Lsn,
    },
    /// The history voids records of which this segment no longer knows the links; it must be rebuilt.
    #[error("the history voids records at or below {linked}, which can no longer be undone here")]
    HistoryTooDeep {
        /// The record up to which links are no longer known one by one.
        linked: Lsn,
    },
}
