//! COPY's binary form (documentation, "COPY", "Binary Format").

use super::input::Input;
use super::lines::bad_format;
use redoubt_error::{PgError, PgResult, code};

/// What a file begins with.
pub(super) const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// Flags from this bit up must be understood.
const CRITICAL_FLAGS: u32 = 0xffff_0000;
/// Rows once had OIDs.
const HAS_OIDS: u32 = 1 << 16;

/// Reads rows of fields.
pub(super) struct BinaryRows<'a> {
    input: Input<'a>,
    /// The number of the current row, from 1.
    pub number: u64,
}

impl<'a> BinaryRows<'a> {
    pub(super) fn new(input: Input<'a>) -> BinaryRows<'a> {
        BinaryRows { input, number: 0 }
    }

    /// Reads the file's header.
    ///
    /// # Errors
    /// `22P04`.
    pub(super) fn header(&mut self) -> PgResult<()> {
        match self.take(SIGNATURE.len())? {
            Some(bytes) if bytes == SIGNATURE => {}
            _ => return Err(bad_format("COPY file signature not recognized")),
        }
        let flags = self.u32()?.ok_or_else(|| bad_format("invalid COPY file header (missing flags)"))?;
        if flags & HAS_OIDS != 0 {
            return Err(bad_format("invalid COPY file header (WITH OIDS)"));
        }
        if flags & CRITICAL_FLAGS != 0 {
            return Err(bad_format("unrecognized critical flags in COPY file header"));
        }
        let extension = self.u32()?.filter(|length| *length <= i32::MAX as u32);
        let extension = extension.ok_or_else(|| bad_format("invalid COPY file header (missing length)"))?;
        // Taken piece by piece: the length alone must not make the server allocate.
        let mut left = extension as usize;
        while left > 0 {
            let step = left.min(64 * 1024);
            if self.take(step)?.is_none() {
                return Err(bad_format("invalid COPY file header (wrong length)"));
            }
            left -= step;
        }
        Ok(())
    }

    /// Goes to the next row, which must have so many fields; false at the end.
    ///
    /// # Errors
    /// `22P04`.
    pub(super) fn advance(&mut self, columns: usize) -> PgResult<bool> {
        self.number += 1;
        let Some(count) = self.take(2)?.map(|bytes| i16::from_be_bytes([bytes[0], bytes[1]])) else {
            // A file from before the trailer was invented, or a client that ends without one.
            return Ok(false);
        };
        if count == -1 {
            if self.take(1)?.is_some() {
                return Err(bad_format("received copy data after EOF marker"));
            }
            self.input.finish()?;
            return Ok(false);
        }
        if count as isize != columns as isize {
            let message = format!("row field count is {count}, expected {columns}");
            return Err(bad_format(&message));
        }
        Ok(true)
    }

    /// Reads a field into `bytes`; false for NULL.
    ///
    /// # Errors
    /// `22P04`.
    pub(super) fn field(&mut self, bytes: &mut Vec<u8>) -> PgResult<bool> {
        bytes.clear();
        let unexpected = || bad_format("unexpected EOF in COPY data");
        let length = self.u32()?.ok_or_else(unexpected)? as i32;
        if length == -1 {
            return Ok(false);
        }
        let mut left = usize::try_from(length).map_err(|_| bad_format("invalid field size"))?;
        const MAX_FIELD_BYTES: usize = 0x3fff_ffff;
        if left > MAX_FIELD_BYTES {
            let message = format!("out of memory: a field of {left} bytes is too long");
            return Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message));
        }
        while left > 0 {
            let window = self.input.window();
            let step = left.min(window.len());
            bytes.extend_from_slice(&window[..step]);
            self.input.consume(step);
            left -= step;
            if left > 0 && !self.input.fill()? {
                return Err(unexpected());
            }
        }
        Ok(true)
    }

    fn u32(&mut self) -> PgResult<Option<u32>> {
        Ok(self.take(4)?.map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])))
    }

    /// The next bytes, if there are so many.
    fn take(&mut self, count: usize) -> PgResult<Option<Vec<u8>>> {
        while self.input.window().len() < count {
            if !self.input.fill()? {
                return Ok(None);
            }
        }
        let bytes = self.input.window()[..count].to_vec();
        self.input.consume(count);
        Ok(Some(bytes))
    }
}
