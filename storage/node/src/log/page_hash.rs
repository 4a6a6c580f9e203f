//! Hashing page numbers: they come from no adversary who gains by a collision, and are looked up often.

use std::hash::{BuildHasherDefault, Hasher};

use redoubt_page::PageId;

/// Builds hashers for maps keyed by `PageId`.
pub type PageHash = BuildHasherDefault<PageHasher>;

/// A hasher that mixes 64-bit numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct PageHasher(u64);

impl Hasher for PageHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = mix(self.0 ^ value);
    }
}

/// A number whose every bit depends on every bit of the page's number (the finalizer of MurmurHash3).
pub fn page_bits(page: PageId) -> u64 {
    mix(page.get() ^ 0x9e37_79b9_7f4a_7c15)
}

const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let value = (value ^ (value >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ (value >> 33)
}
