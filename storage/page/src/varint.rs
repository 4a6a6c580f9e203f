//! The integers of the encoded form: LEB128, canonical, little end first.
//!
//! Canonical means that a number has exactly one encoding, so that decoding and encoding again gives the
//! same bytes, and two nodes can compare records by comparing bytes.

use alloc::vec::Vec;

/// Why bytes are not a record or not an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("the bytes end inside a field")]
    Truncated,
    /// Bytes are left over where there should be none.
    #[error("{0} bytes are left over")]
    Trailing(usize),
    /// An integer has more digits than it needs or than fit into 64 bits.
    #[error("an integer is not in its shortest form, or exceeds 64 bits")]
    BadInteger,
    /// A field holds a number that its kind does not allow.
    #[error("{field} is out of range: {value}")]
    OutOfRange {
        /// The field's name.
        field: &'static str,
        /// What was found.
        value: u64,
    },
    /// The tag of an operation is unknown, or has a flag which that operation does not have.
    #[error("unknown operation tag {0:#04x}")]
    UnknownOp(u8),
    /// A record has a flag which this version does not know.
    #[error("unknown record flags {0:#04x}")]
    UnknownFlags(u8),
    /// A record without an operation.
    #[error("the record has no operation")]
    NoOps,
}

/// The longest encoding of a `u64`.
pub(crate) const MAX_VARINT_BYTES: usize = 10;

/// How many bytes `value` takes.
pub(crate) const fn varint_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Appends `value`.
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A cursor over untrusted bytes. Every method either consumes what it returns or fails; none panics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        let (&first, rest) = self.rest.split_first().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(first)
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        let first = self.byte()?;
        if first < 0x80 { Ok(u64::from(first)) } else { self.long_varint(first) }
    }

    fn long_varint(&mut self, first: u8) -> Result<u64, DecodeError> {
        let mut value = u64::from(first & 0x7f);
        let mut shift = 7;
        loop {
            let byte = self.byte()?;
            let digit = u64::from(byte & 0x7f);
            // The tenth byte holds the last single bit of a u64; anything above does not fit.
            if shift == 63 && byte > 1 {
                return Err(DecodeError::BadInteger);
            }
            value |= digit << shift;
            if byte < 0x80 {
                // A zero in the last place is a digit that need not be there.
                return if byte == 0 { Err(DecodeError::BadInteger) } else { Ok(value) };
            }
            shift += 7;
        }
    }

    /// A number of at most `max`.
    #[inline]
    pub(crate) fn bounded(&mut self, field: &'static str, max: u64) -> Result<u64, DecodeError> {
        let value = self.varint()?;
        if value <= max { Ok(value) } else { Err(DecodeError::OutOfRange { field, value }) }
    }

    #[inline]
    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        // The bound makes the cast exact.
        Ok(self.bounded(field, u64::from(u16::MAX))? as u16)
    }

    /// A length of at most `max`, then that many bytes.
    #[inline]
    pub(crate) fn slice(&mut self, field: &'static str, max: usize) -> Result<&'a [u8], DecodeError> {
        let len = self.bounded(field, max as u64)? as usize;
        self.take(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_trip_in_their_shortest_form() {
        for value in
            [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX]
        {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(bytes.len(), varint_len(value), "{value}");
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.varint(), Ok(value));
            assert!(reader.is_empty());
        }
        assert_eq!(varint_len(u64::MAX), MAX_VARINT_BYTES);
    }

    #[test]
    fn other_forms_are_refused() {
        for (bytes, error) in [
            (&[][..], DecodeError::Truncated),
            (&[0x80], DecodeError::Truncated),
            (&[0x80, 0x00], DecodeError::BadInteger),
            (&[0xff, 0x80, 0x00], DecodeError::BadInteger),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], DecodeError::BadInteger),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x01], DecodeError::BadInteger),
        ] {
            assert_eq!(Reader::new(bytes).varint(), Err(error), "{bytes:?}");
        }
    }
}
