//! The history of voided LSN ranges.
//!
//! A recovery voids every LSN above its VDL that any earlier writer could have allocated. The list of all
//! ranges is **one value per volume epoch**: it is written whole under its epoch, replaces what was there,
//! is never merged from several segments (a recovery that failed halfway would kill live records) and
//! never forgotten (a segment absent for two recoveries would revive dead ones).

use alloc::vec::Vec;
use redoubt_page::{Lsn, VolumeEpoch};

/// The most ranges a history may list: a bound for decoding, not a goal. Recoveries that found nothing new
/// written since the one before do not lengthen the list.
pub const MAX_VOIDED_RANGES: usize = 1 << 20;

/// LSNs that never became part of the volume: those above `after`, up to and including `upto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoidedRange {
    /// The VDL that the recovery found; itself not voided.
    pub after: Lsn,
    /// The highest LSN any earlier epoch could have allocated.
    pub upto: Lsn,
    /// The volume epoch of the recovery that voided the range.
    pub epoch: VolumeEpoch,
}

/// Every voided range as of one volume epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    epoch: VolumeEpoch,
    ranges: Vec<VoidedRange>,
}

/// Why a list of ranges is not a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A range ends at or before its start.
    #[error("a voided range is empty")]
    EmptyRange,
    /// Ranges are not in rising order with live LSNs between them.
    #[error("voided ranges are out of order")]
    OutOfOrder,
    /// A range names an epoch above the history's own, or epochs fall along the list.
    #[error("the epochs of voided ranges are out of order")]
    EpochOutOfOrder,
    /// A new range starts inside an old one: the position it starts from is itself voided.
    #[error("a voided range starts inside an earlier one")]
    StartsInVoid,
    /// A new range ends below an old one, or its epoch is not above the history's.
    #[error("a voided range does not extend the history")]
    NotAnExtension,
    /// More than `MAX_VOIDED_RANGES` ranges.
    #[error("the history lists too many voided ranges")]
    TooLong,
}

impl History {
    /// The history of a volume that has never been recovered.
    pub const fn new(epoch: VolumeEpoch) -> History {
        History { epoch, ranges: Vec::new() }
    }

    /// A history from its parts, as read from a message or a control file.
    ///
    /// # Errors
    /// When the ranges are empty, out of order, or newer than the epoch.
    pub fn from_ranges(epoch: VolumeEpoch, ranges: Vec<VoidedRange>) -> Result<History, HistoryError> {
        if ranges.len() > MAX_VOIDED_RANGES {
            return Err(HistoryError::TooLong);
        }
        for (i, range) in ranges.iter().enumerate() {
            if range.after >= range.upto {
                return Err(HistoryError::EmptyRange);
            }
            if range.epoch > epoch {
                return Err(HistoryError::EpochOutOfOrder);
            }
            let Some(before) = i.checked_sub(1).map(|j| &ranges[j]) else { continue };
            if range.after <= before.upto {
                return Err(HistoryError::OutOfOrder);
            }
            if range.epoch <= before.epoch {
                return Err(HistoryError::EpochOutOfOrder);
            }
        }
        Ok(History { epoch, ranges })
    }

    /// The volume epoch under which this list was written.
    pub fn epoch(&self) -> VolumeEpoch {
        self.epoch
    }

    /// The ranges, in rising order.
    pub fn ranges(&self) -> &[VoidedRange] {
        &self.ranges
    }

    /// The end of the last voided range, or zero: every LSN allocated under this history is above it.
    pub fn end(&self) -> Lsn {
        self.ranges.last().map_or(Lsn::ZERO, |r| r.upto)
    }

    /// This history with one more range, as the recovery of `epoch` writes it. Ranges that the new one
    /// swallows (because nothing between them survived) are dropped from the list: their LSNs stay voided.
    ///
    /// # Errors
    /// When the range does not extend the history: see `HistoryError`.
    pub fn extended(&self, epoch: VolumeEpoch, after: Lsn, upto: Lsn) -> Result<History, HistoryError> {
        if epoch <= self.epoch || upto < self.end() {
            return Err(HistoryError::NotAnExtension);
        }
        if after >= upto {
            return Err(HistoryError::EmptyRange);
        }
        if self.is_voided(after) {
            return Err(HistoryError::StartsInVoid);
        }
        let kept = self.ranges.partition_point(|r| r.after < after);
        let mut ranges = Vec::with_capacity(kept + 1);
        ranges.extend_from_slice(&self.ranges[..kept]);
        ranges.push(VoidedRange { after, upto, epoch });
        History::from_ranges(epoch, ranges)
    }

    /// Whether the record with this LSN is dead.
    pub fn is_voided(&self, lsn: Lsn) -> bool {
        self.range_of(lsn).is_some()
    }

    /// The highest LSN at or below `lsn` that is not voided.
    pub fn clipped(&self, lsn: Lsn) -> Lsn {
        self.range_of(lsn).map_or(lsn, |r| r.after)
    }

    /// Whether any LSN from `first` to `last` is voided.
    pub fn voids_any(&self, first: Lsn, last: Lsn) -> bool {
        self.first_voided_in(first, last).is_some()
    }

    /// The lowest voided LSN from `first` to `last`.
    pub fn first_voided_in(&self, first: Lsn, last: Lsn) -> Option<Lsn> {
        if first > self.end() || first > last {
            return None;
        }
        let at = self.ranges.partition_point(|r| r.upto < first);
        let range = self.ranges.get(at)?;
        if range.after >= last { None } else { Some(range.after.next().max(first)) }
    }

    fn range_of(&self, lsn: Lsn) -> Option<&VoidedRange> {
        // Nearly every question is about a live LSN above all ranges.
        if lsn > self.end() {
            return None;
        }
        let at = self.ranges.partition_point(|r| r.upto < lsn);
        self.ranges.get(at).filter(|r| r.after < lsn)
    }
}
