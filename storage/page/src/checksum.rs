//! The page checksum: CRC-32 (IEEE 802.3) over the 8 KiB with the checksum field taken as zero.
//!
//! At 65,536 bits this polynomial detects every error of up to three bits and every burst of up to 32.
//! The page id lies inside the sum, so that a page written to or read from the wrong place is found as well.

use crate::page::PAGE_BYTES;

const FIELD_BYTES: usize = 4;

/// The checksum that belongs into the first four bytes of `bytes`; what those bytes hold does not matter.
pub fn page_checksum(bytes: &[u8; PAGE_BYTES]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[0; FIELD_BYTES]);
    hasher.update(&bytes[FIELD_BYTES..]);
    hasher.finalize()
}
