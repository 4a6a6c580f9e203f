//! Reading values in PostgreSQL's binary format, which comes from clients and is not trusted.

use redoubt_error::{PgError, PgResult, code};

/// A cursor over one value's bytes.
pub(crate) struct BinaryReader<'a> {
    rest: &'a [u8],
}

impl<'a> BinaryReader<'a> {
    /// Starts at the first byte.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        BinaryReader { rest: bytes }
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize) -> PgResult<&'a [u8]> {
        if count > self.rest.len() {
            return Err(insufficient());
        }
        let (head, tail) = self.rest.split_at(count);
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> PgResult<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or_else(insufficient)?;
        self.rest = tail;
        Ok(*head)
    }

    /// One byte.
    pub(crate) fn u8(&mut self) -> PgResult<u8> {
        Ok(self.array::<1>()?[0])
    }

    /// Two bytes, big-endian.
    pub(crate) fn i16(&mut self) -> PgResult<i16> {
        self.array().map(i16::from_be_bytes)
    }

    /// Four bytes, big-endian.
    pub(crate) fn i32(&mut self) -> PgResult<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// Four bytes, big-endian, unsigned.
    pub(crate) fn u32(&mut self) -> PgResult<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes, big-endian.
    pub(crate) fn i64(&mut self) -> PgResult<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// What is not yet read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The number of bytes not yet read.
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Ends the value.
    ///
    /// # Errors
    /// `22P03` when bytes are left over.
    pub(crate) fn finish(self) -> PgResult<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(incorrect()) }
    }
}

/// `08P01`: the value ends too early.
pub(crate) fn insufficient() -> PgError {
    PgError::new(code::PROTOCOL_VIOLATION, "insufficient data left in message")
}

/// `22P03`: bytes are left over after the value.
pub(crate) fn incorrect() -> PgError {
    PgError::new(code::INVALID_BINARY_REPRESENTATION, "incorrect binary data format")
}

/// Reads text from a client: valid UTF-8 without a zero byte.
pub(crate) fn client_text(bytes: &[u8]) -> PgResult<&str> {
    let invalid = |at: usize, len: usize| {
        let shown: Vec<String> =
            bytes[at..(at + len).min(bytes.len())].iter().map(|byte| format!("0x{byte:02x}")).collect();
        PgError::new(
            code::CHARACTER_NOT_IN_REPERTOIRE,
            format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
        )
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        invalid(at, utf8_sequence_len(bytes[at]))
    })?;
    match memchr::memchr(0, bytes) {
        Some(at) => Err(invalid(at, 1)),
        None => Ok(text),
    }
}

/// The length that a sequence's first byte announces; PostgreSQL shows that many bytes.
fn utf8_sequence_len(first: u8) -> usize {
    match first {
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF7 => 4,
        _ => 1,
    }
}
