//! Giving out OIDs, which relfilenodes are too: each once in the life of a volume.

use crate::memory::FIRST_NORMAL_OID;
use parking_lot::Mutex;
use redoubt_buffer::{Ceiling, Space};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;

/// How many OIDs one record makes safe to use; so many are lost in a crash.
const STEP: u64 = 8192;

/// The OIDs that may be given out without asking the volume.
#[derive(Debug, Default)]
pub(crate) struct OidAllocator {
    range: Mutex<(u64, u64)>,
}

impl OidAllocator {
    /// So many consecutive OIDs; the first is returned.
    ///
    /// # Errors
    /// `54000` when there are none left; those of writing pages.
    pub(crate) fn allocate(&self, space: &Space, count: u32) -> PgResult<Oid> {
        let mut range = self.range.lock();
        let (mut next, mut limit) = *range;
        if limit - next < u64::from(count) {
            next = space.ceiling(Ceiling::Oid).max(u64::from(FIRST_NORMAL_OID));
            limit = next + STEP.max(u64::from(count));
            if limit > u64::from(Oid::MAX) {
                return Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, "all object identifiers are used up"));
            }
            limit = space.raise_ceiling(Ceiling::Oid, limit)?;
        }
        *range = (next + u64::from(count), limit);
        Ok(next as Oid)
    }
}
