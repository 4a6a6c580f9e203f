//! What a segment's machine wants done.

use alloc::sync::Arc;
use core::ops::Range;
use redoubt_page::{Lsn, VolumeEpoch};

use super::RestorePoint;
use crate::batch::RecordBatch;
use crate::bytes::SharedBytes;
use crate::control::ControlState;
use crate::history::History;
use crate::ids::{ControlToken, Origin, PersistToken, RequestId};
use crate::message::*;

/// Positions that are persisted with every batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    /// The volume epoch under which the batch was received.
    pub volume_epoch: VolumeEpoch,
    /// The highest VDL heard of.
    pub vdl: Lsn,
    /// The last record of the protection group at or below `vdl`.
    pub pg_tail: Lsn,
    /// The lowest read point still to be served.
    pub read_floor: Lsn,
}

/// What a request for records is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordsFor {
    /// A recovery: one `Records` message with this request number.
    Recovery(RequestId),
    /// A peer, this one: `Fill` messages from the start of the range on.
    Peer(Address),
}

/// What the driver must do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write the records and positions to the log and flush; then `on_persisted`. Intents are logged in
    /// the order of their tokens; those of positions alone may go before others, and end in
    /// `on_positions_persisted`.
    PersistRecords {
        /// Names the intent.
        token: PersistToken,
        /// The records; none when only the positions are new.
        batch: Option<RecordBatch>,
        /// Logged beside the records.
        positions: Positions,
    },
    /// Replace the stored control state, durably; then `on_control_persisted`.
    PersistControl {
        /// Names the intent.
        token: ControlToken,
        /// The state to store.
        control: ControlState,
    },
    /// The records of this intent do not count, although they may reach the log: the epoch changed before
    /// they were durable. They must not be applied or handed to a peer. Comes before the flush completes.
    Discard {
        /// The intent.
        token: PersistToken,
    },
    /// A new history is in force. Voided records leave every index; page images above the start of a voided
    /// range go, and so does whatever was materialised from such records.
    HistoryInForce {
        /// The history.
        history: Arc<History>,
        /// The SCL under it. It may have fallen.
        scl: Lsn,
    },
    /// The read is admitted: make the page as of the read point (records up to it, no higher) and send a
    /// `PageReply`.
    ServePage {
        /// Who asked.
        to: Origin,
        /// What was asked.
        read: ReadPage,
    },
    /// Read linked records of a range from the log and send them. The message carries the epochs given
    /// here, not those in force when the reading is done: records of a history replaced in between must
    /// not pass for the new one's (rule 7).
    ServeRecords {
        /// Who asked.
        to: Origin,
        /// How to answer.
        answer: RecordsFor,
        /// The epochs in force now.
        epochs: Epochs,
        /// Records above this one,
        after: Lsn,
        /// up to this one,
        upto: Lsn,
        /// no more bytes than this, but at least one record.
        max_bytes: u32,
    },
    /// Make every page of the segment as of `at` that changed above `above`, from `first_page` on, and send them
    /// as `Images`, a message at a time: the next one is asked for. Nothing above `at` may be made into durable
    /// images before `image_pin` is gone.
    ServeImages {
        /// Who asked.
        to: Origin,
        /// What the message says, but for its pages and the page to go on from.
        offer: Images,
    },
    /// Put these pages aside, durably or not: they become part of the segment with `CommitImages`, all at once.
    StageImages {
        /// Whether these are the first: what was put aside before is dropped.
        is_first: bool,
        /// The numbers that the pages may have,
        pages: Range<u64>,
        /// and the highest LSN that one of them may be as of.
        upto: Lsn,
        /// Whole pages one after the other, sealed; not looked into yet. Once they are put aside, call
        /// `on_images_staged`; when one is damaged, or cannot be put aside, `abandon_images`.
        images: SharedBytes,
    },
    /// Make the pages put aside the segment's own, together with this restore point, in one step that is durable or
    /// did not happen; then `on_images_committed`.
    CommitImages {
        /// Names the intent.
        token: ControlToken,
        /// The positions that the images stand for.
        point: RestorePoint,
    },
    /// Send a message.
    Send {
        /// Where to.
        to: Origin,
        /// The message.
        message: Message,
    },
}
