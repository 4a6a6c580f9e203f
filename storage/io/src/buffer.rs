//! An owned buffer that a device can read from and write to directly.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// The alignment in memory that direct I/O asks for, in bytes; also the block size of log files.
pub const IO_ALIGNMENT: usize = 4096;

/// Bytes that start at a multiple of [`IO_ALIGNMENT`] in memory. Moves into an operation and out of it, because
/// an operation outlives the future that waits for it.
pub struct IoBuf {
    /// Longer than the bytes by up to the alignment. Never grown in place, or the bytes would move.
    backing: Vec<u8>,
    /// Where the bytes start in `backing`.
    start: usize,
    len: usize,
}

impl IoBuf {
    /// `len` zeroes.
    pub fn zeroed(len: usize) -> Self {
        let mut buffer = Self::with_capacity(len);
        buffer.len = len;
        buffer
    }

    /// No bytes yet, and room for `capacity`.
    pub fn with_capacity(capacity: usize) -> Self {
        let backing = vec![0; capacity + IO_ALIGNMENT - 1];
        let start = backing.as_ptr().align_offset(IO_ALIGNMENT);
        assert!(start < IO_ALIGNMENT, "an allocation can be aligned by skipping bytes");
        Self { backing, start, len: 0 }
    }

    /// A copy of `bytes`.
    pub fn from_slice(bytes: &[u8]) -> Self {
        let mut buffer = Self::with_capacity(bytes.len());
        buffer.extend_from_slice(bytes);
        buffer
    }

    /// How many bytes fit without another allocation.
    pub fn capacity(&self) -> usize {
        self.backing.len() - self.start
    }

    /// Appends `bytes`, moving everything to a larger allocation when they do not fit.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        let end = self.start + self.len;
        self.backing[end..end + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Makes room for `additional` more bytes.
    pub fn reserve(&mut self, additional: usize) {
        let needed = self.len + additional;
        if needed > self.capacity() {
            let mut larger = Self::with_capacity(needed.max(2 * self.capacity()));
            larger.extend_from_slice(self);
            *self = larger;
        }
    }

    /// Appends zeroes up to the next multiple of `alignment`.
    ///
    /// # Panics
    /// When `alignment` is zero.
    pub fn pad_to(&mut self, alignment: usize) {
        self.resize(self.len.next_multiple_of(alignment));
    }

    /// Cuts, or appends zeroes, to `len` bytes.
    pub fn resize(&mut self, len: usize) {
        if len > self.len {
            self.reserve(len - self.len);
            let (from, to) = (self.start + self.len, self.start + len);
            self.backing[from..to].fill(0);
        }
        self.len = len;
    }

    /// Forgets the bytes and keeps the allocation.
    pub fn clear(&mut self) {
        self.len = 0;
    }
}

impl Deref for IoBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.backing[self.start..self.start + self.len]
    }
}

impl DerefMut for IoBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.backing[self.start..self.start + self.len]
    }
}

impl Clone for IoBuf {
    fn clone(&self) -> Self {
        Self::from_slice(self)
    }
}

impl PartialEq for IoBuf {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for IoBuf {}

impl fmt::Debug for IoBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IoBuf({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_aligned(buffer: &IoBuf) -> bool {
        buffer.as_ptr().align_offset(IO_ALIGNMENT) == 0
    }

    #[test]
    fn stays_aligned_while_it_grows() {
        let mut buffer = IoBuf::with_capacity(0);
        let mut expected = Vec::new();
        for step in 0..200_usize {
            let bytes = vec![step as u8; step * 7 % 300];
            buffer.extend_from_slice(&bytes);
            expected.extend_from_slice(&bytes);
            assert!(is_aligned(&buffer) && *buffer == *expected);
        }
        assert!(is_aligned(&buffer.clone()) && buffer.clone() == buffer);
        assert!(is_aligned(&IoBuf::zeroed(100_000)));
    }

    #[test]
    fn padding_is_zero_even_where_bytes_were() {
        let mut buffer = IoBuf::from_slice(&[7; 5000]);
        buffer.resize(10);
        buffer.pad_to(IO_ALIGNMENT);
        assert_eq!((buffer.len(), &buffer[..10], buffer[10..].iter().max()), (4096, &[7; 10][..], Some(&0)));
        buffer.pad_to(IO_ALIGNMENT);
        assert_eq!(buffer.len(), 4096);
        buffer.clear();
        buffer.pad_to(512);
        assert!(buffer.is_empty());
    }
}
