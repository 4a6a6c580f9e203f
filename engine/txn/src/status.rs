//! Which transactions have committed: two bits each, on pages of a relation of their own.
//!
//! Only commits are written. A number below the ceiling without a commit is of a transaction that failed or
//! that a crash ended; that is all the recovery transactions need (storage.md, Recovery).

use std::sync::Arc;

use redoubt_buffer::fields::u64_at;
use redoubt_buffer::{
    Access, BlockNo, Lsn, Mtr, PinnedPage, RelKey, Relation, Space, TRANSACTION_STATUS_NODE, kinds,
};
use redoubt_error::PgResult;
use redoubt_page::{MAX_MTR_PAGES, Op, PatchTarget};

use crate::xid::Xid;

/// Bytes before the bits: when the last transaction on the page committed.
const AT_BITS: usize = 8;
const BITS_BYTES: usize = 8000;
/// Transactions on one page.
pub(crate) const PAGE_XIDS: u64 = BITS_BYTES as u64 * 4;

const COMMITTED: u8 = 0b01;

/// The status of an old transaction is on a page that is not in memory; see [`crate::TxnManager::load_status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusMissing {
    /// The transaction.
    pub xid: Xid,
}

/// The status pages.
pub(crate) struct StatusLog {
    relation: Arc<Relation>,
}

impl StatusLog {
    /// Opens the pages, making the relation on a new volume.
    pub(crate) fn open(space: &Space) -> PgResult<Self> {
        let key = RelKey::main(TRANSACTION_STATUS_NODE);
        let relation = match space.relation(key)? {
            Some(relation) => relation,
            None => space.create_relation(key, 0)?,
        };
        Ok(Self { relation })
    }

    /// Makes sure that there is a page for `xid`.
    pub(crate) fn ensure_page(&self, space: &Space, xid: Xid) -> PgResult<()> {
        while self.relation.nblocks() <= block_of(xid) {
            space.extend(&self.relation, kinds::TRANSACTION_STATUS, &[0; AT_BITS + BITS_BYTES])?;
        }
        Ok(())
    }

    /// Whether `xid`, which is not running, has committed. Never blocks.
    pub(crate) fn has_committed(&self, space: &Space, xid: Xid) -> Result<bool, StatusMissing> {
        let missing = StatusMissing { xid };
        if block_of(xid) >= self.relation.nblocks() {
            // Below the ceiling, but none of its neighbours was ever used.
            return Ok(false);
        }
        let page = space.page_of(&self.relation, block_of(xid)).map_err(|_| missing)?;
        let pin = space.pool().pin_cached(page, Access::Normal).ok_or(missing)?;
        let (byte, shift) = place_of(xid);
        let bits = pin.read().special().get(byte).copied().unwrap_or(0);
        Ok(bits >> shift & 0b11 == COMMITTED)
    }

    /// Brings the page of `xid` into memory. May block.
    pub(crate) fn load(&self, space: &Space, xid: Xid) -> PgResult<PinnedPage> {
        space.pin(&self.relation, block_of(xid))
    }

    /// Records that `xids` (sorted, the first being the transaction itself) have committed at `time_us`
    /// (microseconds since 2000-01-01), in one mini-transaction; `on_cpl` learns its position before it can be
    /// durable. Fails only before anything is written.
    pub(crate) fn commit(
        &self,
        space: &Space,
        xids: &[Xid],
        time_us: i64,
        on_cpl: impl FnOnce(Lsn),
    ) -> PgResult<Lsn> {
        let mut groups = Vec::with_capacity(1);
        for group in xids.chunk_by(|a, b| block_of(*a) == block_of(*b)) {
            groups.push((space.pin(&self.relation, block_of(group[0]))?, group));
        }
        let max_bytes = groups.iter().map(|(_, group)| 64 + (group.len() * 16).min(BITS_BYTES + 64)).sum();
        let mut mtr = space.pool().begin_mtr(groups.len(), max_bytes)?;
        for (pin, group) in &groups {
            mark_committed(&mut mtr, pin, group, time_us);
        }
        Ok(mtr.commit_stamped(on_cpl))
    }

    /// When the last commit on the page of `xid` happened.
    pub(crate) fn last_commit_time_us(&self, space: &Space, xid: Xid) -> PgResult<i64> {
        let pin = self.load(space, xid)?;
        let time = u64_at(pin.read().special(), 0).cast_signed();
        Ok(time)
    }
}

/// Whether one mini-transaction can record transactions that lie so far apart.
pub(crate) fn fits_one_commit(first: Xid, last: Xid) -> bool {
    let pages = block_of(last) - block_of(first) + 1;
    (pages as usize) < MAX_MTR_PAGES
}

fn mark_committed(mtr: &mut Mtr<'_>, pin: &PinnedPage, group: &[Xid], time_us: i64) {
    let page = mtr.latch(pin);
    let target = PatchTarget::Special;
    mtr.change(page, &Op::PatchBytes { target, offset: 0, bytes: &time_us.to_le_bytes() });
    // Numbers of one transaction are mostly neighbours: runs of bytes are cheaper than single ones.
    for run in group.chunk_by(|a, b| b.get() - a.get() <= 16) {
        let (first, _) = place_of(run[0]);
        let (last, _) = place_of(run[run.len() - 1]);
        let mut bytes = [0; BITS_BYTES];
        let bytes = &mut bytes[..last - first + 1];
        bytes.copy_from_slice(&mtr.page(page).special()[first..=last]);
        for &xid in run {
            let (byte, shift) = place_of(xid);
            bytes[byte - first] |= COMMITTED << shift;
        }
        // A special area is shorter than a page; the cast is exact.
        mtr.change(page, &Op::PatchBytes { target, offset: first as u16, bytes });
    }
}

fn block_of(xid: Xid) -> BlockNo {
    // 2^32 pages of 32,000 transactions would take centuries to fill.
    BlockNo::try_from(xid.get() / PAGE_XIDS).expect("transaction numbers stay below 2^46")
}

/// The byte within the special area, and how far to shift it.
fn place_of(xid: Xid) -> (usize, u32) {
    let index = xid.get() % PAGE_XIDS;
    (AT_BITS + (index / 4) as usize, (index % 4) as u32 * 2)
}
