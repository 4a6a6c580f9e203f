//! The storage protocol without its I/O: who must hold what, who may say what, and what follows.
//!
//! Machines take messages, completions and the driver's wishes as arguments and return what is to be done;
//! they see no clock, socket, file or random number. Messages and quorums are data. Decisions after a crash
//! are pure functions over the reports of those who survived it. The README beside this crate names the
//! papers, where we differ, and the numbered rules that comments cite.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod batch;
mod bytes;
mod codec;
mod control;
pub mod fuzz;
mod geometry;
mod history;
mod ids;
mod links;
mod message;
mod opening;
mod planted;
mod quorum;
mod recovery;
mod refusal;
mod replacement;
mod segment;
#[cfg(test)]
mod tests;
mod wire;
mod writer;

pub use batch::{BatchBuilder, BatchError, BatchSummary, LsnRun, MAX_BATCH_BYTES, RecordBatch};
pub use bytes::SharedBytes;
pub use codec::DecodeError;
pub use control::ControlState;
pub use geometry::{Member, Membership, QuorumPair, VolumeGeometry};
pub use history::{History, HistoryError, MAX_VOIDED_RANGES, VoidedRange};
pub use ids::{ControlToken, NodeId, Origin, PersistToken, RequestId, SegmentId, VolumeId, Zone};
pub use message::*;
pub use opening::{OpeningCore, OpeningState};
pub use planted::Planted;
pub use quorum::{MAX_QUORUM_DEPTH, MAX_QUORUM_SEGMENTS, MAX_QUORUM_TERMS, QuorumError, QuorumSet, overlaps};
pub use recovery::{Decision, GroupReports, Undecided, decide};
pub use refusal::Refusal;
pub use replacement::{NewSegment, ReplacementCore, ReplacementState};
pub use segment::{ImageProgress, Output, Positions, RecordsFor, RestorePoint, SegmentCore};
pub use wire::{FRAME_HEADER_BYTES, MAX_BODY_BYTES, PROTOCOL_VERSION, body_length};
pub use writer::{
    AppendedMtr, Budget, GroupStart, LSN_ALLOCATION_LIMIT, MIN_UNACKED_BYTES, NewRecord, SegmentView,
    WriterCore, WriterEvent, WriterStart,
};
