//! Index entries on their way from the table to a new index: sorted in files where memory does not hold them.

use redoubt_access::Tid;
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::Sortable;
use std::cmp::Ordering;

/// A row's key, what is stored along, and its place.
pub(super) struct Pair {
    /// The key's first bytes, big-endian: most comparisons end here.
    prefix: u64,
    bytes: Box<[u8]>,
    key_bytes: u32,
    pub tid: Tid,
    pub live: bool,
    /// A key column is NULL.
    pub has_null: bool,
}

/// In a file: the place, two flags, the length of the key.
const HEADER_BYTES: usize = 12;

impl Pair {
    pub(super) fn new(key: &[u8], payload: &[u8], tid: Tid, (live, has_null): (bool, bool)) -> Self {
        let bytes = [key, payload].concat().into_boxed_slice();
        Self::of(bytes, key.len(), tid, (live, has_null))
    }

    fn of(bytes: Box<[u8]>, key_bytes: usize, tid: Tid, (live, has_null): (bool, bool)) -> Self {
        let mut first = [0; 8];
        let shared = key_bytes.min(8);
        first[..shared].copy_from_slice(&bytes[..shared]);
        // A key is shorter than a page.
        Pair { prefix: u64::from_be_bytes(first), bytes, key_bytes: key_bytes as u32, tid, live, has_null }
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.bytes[..self.key_bytes as usize]
    }

    pub(super) fn payload(&self) -> &[u8] {
        &self.bytes[self.key_bytes as usize..]
    }

    /// The tree's order: by key, then by place.
    pub(super) fn order(a: &Pair, b: &Pair) -> PgResult<Ordering> {
        Ok(a.prefix.cmp(&b.prefix).then_with(|| a.key().cmp(b.key())).then_with(|| a.tid.cmp(&b.tid)))
    }
}

impl Sortable for Pair {
    type Format = ();

    fn write(&self, (): &mut (), out: &mut Vec<u8>) -> PgResult<()> {
        out.extend(self.tid.block.to_le_bytes());
        out.extend(self.tid.slot.to_le_bytes());
        out.extend([u8::from(self.live), u8::from(self.has_null)]);
        out.extend(self.key_bytes.to_le_bytes());
        out.extend_from_slice(&self.bytes);
        Ok(())
    }

    fn read((): &(), bytes: &[u8]) -> PgResult<Self> {
        let damaged = || PgError::new(code::DATA_CORRUPTED, "an index entry in a temporary file is damaged");
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or_else(damaged)?;
        let [b0, b1, b2, b3, s0, s1, live, has_null, k0, k1, k2, k3] = *header;
        let tid = Tid::new(u32::from_le_bytes([b0, b1, b2, b3]), u16::from_le_bytes([s0, s1]));
        let key_bytes = u32::from_le_bytes([k0, k1, k2, k3]) as usize;
        if key_bytes > rest.len() {
            return Err(damaged());
        }
        Ok(Self::of(rest.into(), key_bytes, tid, (live != 0, has_null != 0)))
    }

    fn bytes(&self) -> usize {
        /// What the allocator needs.
        const ALLOCATION: usize = 16;
        ALLOCATION + self.bytes.len()
    }
}
