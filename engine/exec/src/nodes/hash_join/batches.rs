//! Parts of a hash join that does not fit into memory: rows of both sides, divided by the hashes of their keys.
//!
//! Kitsuregawa, Tanaka and Moto-oka, "Application of Hash to Data Base Machine and Its Architecture"
//! (1983), hybrid as in DeWitt and others (1984): the first part is joined while the inputs are read.
//! As in PostgreSQL's nodeHash.c the number of parts doubles whenever a part turns out too large; rows move
//! to later parts only.

use crate::spill::block_file::{BLOCK_BYTES, BlockFile, Cursor, Stream};
use crate::spill::row_format::RowFormat;
use crate::spill::{Reservation, Work};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Datum;

/// The parts. The first is never written.
pub(super) struct Batches {
    file: BlockFile,
    format: RowFormat,
    inner: Vec<Stream>,
    outer: Vec<Stream>,
    current: usize,
    /// Where the current part's outer rows are read.
    cursor: Cursor,
    /// Dividing further has been of no use: all rows have one hash.
    pub grows: bool,
    /// Blocks being filled.
    held: Reservation,
    scratch: Vec<u8>,
}

/// A row of either side: hash, keys, values.
pub(super) struct BatchRow {
    pub hash: u64,
    pub keys: Vec<Datum>,
    pub values: Vec<Datum>,
}

/// Which side a row is of.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Side {
    Inner,
    Outer,
}

impl Batches {
    pub(super) fn new(work: &Work) -> PgResult<Self> {
        Ok(Batches {
            file: BlockFile::new(work)?,
            format: RowFormat::default(),
            inner: vec![Stream::default()],
            outer: vec![Stream::default()],
            current: 0,
            cursor: Cursor::default(),
            grows: true,
            held: work.reserve(),
            scratch: Vec::new(),
        })
    }

    /// How many parts there are.
    pub(super) fn count(&self) -> usize {
        self.inner.len()
    }

    /// Whether this is the part that is joined while the inputs are read.
    pub(super) fn is_first(&self) -> bool {
        self.current == 0
    }

    /// Memory that a part may take so that dividing it is worth the blocks that more parts keep in memory.
    pub(super) fn worth_bytes(&self) -> usize {
        self.count() * 4 * BLOCK_BYTES
    }

    /// Twice as many parts.
    pub(super) fn double(&mut self) -> PgResult<()> {
        let count = self.count() * 2;
        self.inner.resize_with(count, Stream::default);
        self.outer.resize_with(count, Stream::default);
        self.held.set(count * 2 * BLOCK_BYTES)
    }

    /// Whether a row with this hash belongs to the current part.
    pub(super) fn is_current(&self, hash: u64) -> bool {
        self.part_of(hash) == self.current
    }

    fn part_of(&self, hash: u64) -> usize {
        // The table uses other bits of the hash as it is.
        (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize & (self.count() - 1)
    }

    /// Keeps a row for its part.
    pub(super) fn put<'d>(
        &mut self,
        side: Side,
        hash: u64,
        values: impl IntoIterator<Item = &'d Datum>,
    ) -> PgResult<()> {
        let part = self.part_of(hash);
        assert!(part > self.current, "rows move to later parts only");
        self.scratch.clear();
        self.scratch.extend(hash.to_le_bytes());
        self.format.write(values, &mut self.scratch)?;
        let streams = if side == Side::Inner { &mut self.inner } else { &mut self.outer };
        streams[part].put(&mut self.file, &self.scratch)
    }

    /// Goes to the next part that has rows; false if there is none.
    pub(super) fn advance(&mut self) -> PgResult<bool> {
        loop {
            // What has been read has given its blocks back; what has not is not needed.
            self.inner[self.current] = Stream::default();
            self.outer[self.current] = Stream::default();
            self.cursor = Cursor::default();
            self.current += 1;
            if self.current == self.count() {
                self.current -= 1;
                return Ok(false);
            }
            if self.inner[self.current].records() + self.outer[self.current].records() > 0 {
                return Ok(true);
            }
        }
    }

    /// The current part's inner rows, to be read while the parts may double.
    pub(super) fn take_inner(&mut self) -> (Stream, Cursor) {
        (std::mem::take(&mut self.inner[self.current]), Cursor::default())
    }

    /// The next inner row of a part.
    pub(super) fn next_inner(
        &mut self,
        (stream, cursor): &mut (Stream, Cursor),
        keys: usize,
        width: usize,
    ) -> PgResult<Option<BatchRow>> {
        match cursor.next(&mut self.file, stream, true)? {
            Some(bytes) => decode(&self.format, bytes, keys, width).map(Some),
            None => Ok(None),
        }
    }

    /// The current part's next outer row.
    pub(super) fn next_outer(&mut self, keys: usize, width: usize) -> PgResult<Option<BatchRow>> {
        match self.cursor.next(&mut self.file, &self.outer[self.current], true)? {
            Some(bytes) => decode(&self.format, bytes, keys, width).map(Some),
            None => Ok(None),
        }
    }
}

fn decode(format: &RowFormat, bytes: &[u8], keys: usize, width: usize) -> PgResult<BatchRow> {
    let (hash, bytes) = bytes
        .split_first_chunk()
        .ok_or_else(|| PgError::new(code::DATA_CORRUPTED, "a row in a temporary file is damaged"))?;
    let mut all = Vec::with_capacity(keys + width);
    format.read(bytes, keys + width, &mut all)?;
    let values = all.split_off(keys);
    Ok(BatchRow { hash: u64::from_le_bytes(*hash), keys: all, values })
}
