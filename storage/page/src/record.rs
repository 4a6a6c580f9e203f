//! Redo records: one header and the operations on one page, encoded so that they delimit themselves.
//!
//! ```text
//! length  varint   bytes that follow
//! flags   u8       bit 0: CPL
//! lsn     varint
//! page    varint
//! pg      varint
//! three distances varint each: lsn - previous LSN in the PG, of the page, in the volume
//! ops     to the end
//! ```

use alloc::vec::Vec;

use crate::ids::{Lsn, PageId, PgId};
use crate::op::Ops;
use crate::varint::{DecodeError, MAX_VARINT_BYTES, Reader, put_varint, varint_len};

/// The longest encoded record, length field included.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;
/// The longest encoded header, length field included: three bytes of length, flags, and six numbers.
pub const MAX_RECORD_HEADER_BYTES: usize = 3 + 1 + MAX_VARINT_BYTES + 7 + 5 + 3 * MAX_VARINT_BYTES;
/// The most encoded operations that one record takes, whatever its header.
pub const MAX_OPS_BYTES: usize = MAX_RECORD_BYTES - MAX_RECORD_HEADER_BYTES;
/// The most pages that one mini-transaction changes; larger work is several of them.
pub const MAX_MTR_PAGES: usize = 64;
/// The most encoded bytes of one mini-transaction.
pub const MAX_MTR_BYTES: usize = 1024 * 1024;

/// A record's flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RecordFlags(u8);

impl RecordFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// The last record of its mini-transaction: the volume is consistent at this LSN.
    pub const CPL: Self = Self(1);

    /// Whether this is a consistency point.
    pub const fn is_cpl(self) -> bool {
        self.0 & Self::CPL.0 != 0
    }

    /// The encoded form.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Decodes; nothing when a bit is set that this version does not know.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits & !Self::CPL.0 == 0 { Some(Self(bits)) } else { None }
    }
}

/// Where a record stands: in the volume, in its protection group, and in its page.
///
/// Every previous LSN lies below `lsn`; [`Lsn::ZERO`] says that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordHeader {
    /// The record's number, at least 1.
    pub lsn: Lsn,
    /// The page it changes.
    pub page_id: PageId,
    /// The protection group of that page.
    pub pg: PgId,
    /// The record before in the same protection group: a segment finds its gaps by it.
    pub prev_pg_lsn: Lsn,
    /// The record before on the same page: the page version this change is made to.
    pub prev_page_lsn: Lsn,
    /// The record before in the volume: recovery walks it. Not always `lsn - 1`, because of voided ranges.
    pub prev_volume_lsn: Lsn,
    /// See [`RecordFlags`].
    pub flags: RecordFlags,
}

impl RecordHeader {
    fn body_bytes(&self) -> usize {
        1 + varint_len(self.lsn.get())
            + varint_len(self.page_id.get())
            + varint_len(u64::from(self.pg.get()))
            + self.previous().iter().map(|&prev| varint_len(self.lsn.records_since(prev))).sum::<usize>()
    }

    const fn previous(&self) -> [Lsn; 3] {
        [self.prev_pg_lsn, self.prev_page_lsn, self.prev_volume_lsn]
    }
}

/// The bytes that [`encode_record`] will append.
pub fn encoded_len(header: &RecordHeader, ops_bytes: usize) -> usize {
    let body = header.body_bytes() + ops_bytes;
    varint_len(body as u64) + body
}

/// Appends a record made of `header` and encoded operations ([`crate::OpsBuf::as_bytes`]).
///
/// # Panics
/// When a previous LSN is not below the record's own, when there is no operation, or when the record exceeds
/// [`MAX_RECORD_BYTES`]: the writer's invariants are broken, and nothing it sends can be trusted any more.
pub fn encode_record(header: &RecordHeader, ops: &[u8], out: &mut Vec<u8>) {
    assert!(!ops.is_empty(), "record {} has no operation", header.lsn);
    assert!(
        header.previous().iter().all(|&prev| prev < header.lsn),
        "record {} follows itself or a later one: {header:?}",
        header.lsn
    );
    let body_bytes = header.body_bytes() + ops.len();
    let record_bytes = varint_len(body_bytes as u64) + body_bytes;
    assert!(record_bytes <= MAX_RECORD_BYTES, "record {} has {record_bytes} bytes", header.lsn);
    out.reserve(record_bytes);
    put_varint(out, body_bytes as u64);
    out.push(header.flags.bits());
    put_varint(out, header.lsn.get());
    put_varint(out, header.page_id.get());
    put_varint(out, u64::from(header.pg.get()));
    for prev in header.previous() {
        put_varint(out, header.lsn.records_since(prev));
    }
    out.extend_from_slice(ops);
}

/// A decoded view of one encoded record. Every operation has been checked to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef<'a> {
    header: RecordHeader,
    ops: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> RecordRef<'a> {
    /// Where it stands.
    pub const fn header(&self) -> &RecordHeader {
        &self.header
    }

    /// Its number.
    pub const fn lsn(&self) -> Lsn {
        self.header.lsn
    }

    /// The page it changes.
    pub const fn page_id(&self) -> PageId {
        self.header.page_id
    }

    /// Its operations, in order; at least one.
    pub fn ops(&self) -> Ops<'a> {
        Ops::trusted(self.ops)
    }

    /// Its operations as they are encoded.
    pub const fn ops_bytes(&self) -> &'a [u8] {
        self.ops
    }

    /// The whole encoded record.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// Decodes exactly one record.
///
/// # Errors
/// What is wrong with the bytes; [`DecodeError::Trailing`] when something follows the record.
pub fn decode_record(bytes: &[u8]) -> Result<RecordRef<'_>, DecodeError> {
    let (record, rest) = decode_record_prefix(bytes)?;
    if rest.is_empty() { Ok(record) } else { Err(DecodeError::Trailing(rest.len())) }
}

/// Decodes the record at the front and returns what follows it.
///
/// # Errors
/// What is wrong with the bytes.
pub fn decode_record_prefix(bytes: &[u8]) -> Result<(RecordRef<'_>, &[u8]), DecodeError> {
    let mut outer = Reader::new(bytes);
    let body = outer.slice("record length", MAX_RECORD_BYTES)?;
    let record_bytes = bytes.len() - outer.rest().len();
    if record_bytes > MAX_RECORD_BYTES {
        return Err(DecodeError::OutOfRange { field: "record length", value: record_bytes as u64 });
    }
    let mut reader = Reader::new(body);
    let header = decode_header(&mut reader)?;
    let ops = reader.rest();
    if ops.is_empty() {
        return Err(DecodeError::NoOps);
    }
    Ops::checked(ops)?;
    Ok((RecordRef { header, ops, bytes: &bytes[..record_bytes] }, outer.rest()))
}

fn decode_header(reader: &mut Reader<'_>) -> Result<RecordHeader, DecodeError> {
    let bits = reader.byte()?;
    let flags = RecordFlags::from_bits(bits).ok_or(DecodeError::UnknownFlags(bits))?;
    let lsn = Lsn::new(reader.varint()?);
    if lsn == Lsn::ZERO {
        return Err(DecodeError::OutOfRange { field: "LSN", value: 0 });
    }
    let page = reader.varint()?;
    let page_id = PageId::try_new(page).ok_or(DecodeError::OutOfRange { field: "page id", value: page })?;
    // The bound makes the cast exact.
    let pg = PgId::new(reader.bounded("protection group", u64::from(u32::MAX))? as u32);
    let mut previous = |field| {
        let distance = reader.varint()?;
        let prev = if distance == 0 { None } else { lsn.checked_sub(distance) };
        prev.ok_or(DecodeError::OutOfRange { field, value: distance })
    };
    Ok(RecordHeader {
        lsn,
        page_id,
        pg,
        prev_pg_lsn: previous("distance in the protection group")?,
        prev_page_lsn: previous("distance in the page")?,
        prev_volume_lsn: previous("distance in the volume")?,
        flags,
    })
}

/// Iterates over concatenated encoded records. After an error, which says that the bytes cannot be
/// delimited or trusted any further, it ends.
pub fn records(bytes: &[u8]) -> Records<'_> {
    Records { rest: bytes }
}

/// See [`records`].
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// The bytes not yet decoded.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordRef<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match decode_record_prefix(self.rest) {
            Ok((record, rest)) => {
                self.rest = rest;
                Some(Ok(record))
            }
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}
