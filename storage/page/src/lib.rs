//! Pages, redo records, and the one function that turns the second into the first.
//!
//! A page is 8 KiB, slotted, and identical to the byte on every node that has applied the same records.
//! A [`RecordRef`] is one change to one page: a header that chains it to its predecessors in the
//! protection group, in the page and in the volume, and one or more [`Op`]s out of a closed set. The writer,
//! the storage nodes and the readers all change a page through [`apply_op`]; there is no second path
//! ("the log is the database", Verbitski and others, SIGMOD 2017, section 3).
//!
//! This crate knows nothing of heaps, B-trees, clocks, files, sockets or random numbers.
#![no_std]

extern crate alloc;

mod apply;
mod checksum;
mod describe;
pub mod fuzz;
mod ids;
mod op;
mod page;
mod record;
mod varint;

pub use apply::{Applied, ApplyError, apply, apply_op, finish};
pub use checksum::page_checksum;
pub use describe::{describe, describe_op, describe_page};
pub use ids::{Lsn, MembershipEpoch, PageId, PageKind, PgId, VolumeEpoch};
pub use op::{Op, Ops, OpsBuf, PatchTarget};
pub use page::{
    MAX_ITEM_BYTES, MAX_SPECIAL_BYTES, PAGE_BYTES, PAGE_HEADER_BYTES, PAGE_VERSION, Page, PageError,
    SLOT_BYTES,
};
pub use record::{
    MAX_MTR_BYTES, MAX_MTR_PAGES, MAX_OPS_BYTES, MAX_RECORD_BYTES, MAX_RECORD_HEADER_BYTES, RecordFlags,
    RecordHeader, RecordRef, Records, decode_record, decode_record_prefix, encode_record, encoded_len,
    records,
};
pub use varint::DecodeError;
