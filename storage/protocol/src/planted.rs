//! Deliberately wrong variants, one at a time, so that the tests can prove that they would notice.
//!
//! In a product build the only variant is "none" and every question below is answered at compile time.

/// A known way in which such systems have lost data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Planted {
    /// The machines as they are meant to be.
    #[default]
    None,
    /// The writer takes a read quorum of acknowledgements for a write quorum.
    AckAtReadQuorum,
    /// A segment's SCL skips over gaps.
    SclOverGaps,
    /// A segment acknowledges on receipt.
    AckBeforeFlush,
    /// A segment checks the epoch when records arrive but not when their flush completes.
    EpochCheckedOnlyAtReceipt,
    /// A segment's promise to refuse older epochs is lost when it restarts.
    VolatileEpoch,
    /// A segment reports what it held when the seal arrived, and refuses older epochs only once its promise
    /// is durable.
    ReportBeforeSeal,
    /// Recovery takes the lowest SCL of the voters.
    RecoverMinimum,
    /// Recovery adds its range to the union of all histories it saw.
    HistoryMerged,
    /// Recovery writes only its own range.
    HistoryForgotten,
    /// A segment takes records from peers whatever their epoch, the voided ones included.
    StaleGossipTaken,
    /// Recovery and the writer count a joining segment before it has reached its join point.
    JoinerCountsEarly,
    /// The writer lets PGCL pass a joining segment's join point on the old write quorum alone, for as long as the change
    /// is not installed.
    JoinPointPassed,
    /// A segment takes the first of the images that a peer gives it for all of them.
    ImagesCountInPart,
    /// The voided range ends at the highest LSN seen rather than the highest that could exist.
    VoidOnlySeen,
    /// A segment serves a page although its SCL is below what the read point needs.
    ReadsBehind,
    /// The writer takes the newest VCL for the VDL, splitting mini-transactions.
    VdlIgnoresCpl,
}

/// Which wrong variant is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Bugs {
    #[cfg(any(test, feature = "planted-bugs"))]
    planted: Planted,
}

impl Bugs {
    /// Plants one.
    #[cfg(any(test, feature = "planted-bugs"))]
    pub(crate) fn planted(planted: Planted) -> Bugs {
        Bugs { planted }
    }

    /// Whether this one is in force.
    #[cfg(any(test, feature = "planted-bugs"))]
    pub(crate) fn has(self, planted: Planted) -> bool {
        self.planted == planted
    }

    /// None ever is.
    #[cfg(not(any(test, feature = "planted-bugs")))]
    pub(crate) fn has(self, _planted: Planted) -> bool {
        false
    }
}
