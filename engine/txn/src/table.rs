//! What became of recent transactions, in memory: one word each, readable without a lock.
//!
//! The words live in chunks, and the chunks in a directory that is replaced as a whole when it grows. A
//! snapshot keeps the directory of its time, so that looking at a transaction costs two loads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use redoubt_buffer::Lsn;

use crate::backend::BackendId;
use crate::xid::Xid;

const CHUNK_XIDS: u64 = 8192;
/// Chunks kept after all their transactions are settled: a million transactions, 8 MiB. What falls out is
/// read from the status pages.
const RETAINED_CHUNKS: usize = 128;

/// Set in the word of a running transaction; the rest is its backend's number.
const RUNNING: u64 = 1 << 63;
/// The word of a failed transaction.
const ABORTED: u64 = u64::MAX;

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XidState {
    /// Not finished; whose it is.
    Running(BackendId),
    /// Committed; where its commit record is, or [`Lsn::ZERO`] when that was long ago.
    Committed(Lsn),
    /// Failed, or lost in a crash.
    Aborted,
}

/// The state words of some consecutive transactions.
struct Chunk {
    words: Box<[AtomicU64]>,
}

/// All chunks at one time.
pub(crate) struct Directory {
    first_chunk: u64,
    chunks: Vec<Arc<Chunk>>,
}

impl Directory {
    /// The state of `xid`; nothing when it is not kept here, so that the status page has to say.
    #[inline]
    pub(crate) fn state(&self, xid: Xid) -> Option<XidState> {
        match self.word(xid)?.load(Ordering::Acquire) {
            0 => None,
            ABORTED => Some(XidState::Aborted),
            word if word & RUNNING != 0 => Some(XidState::Running(BackendId::new(word as u32))),
            word => Some(XidState::Committed(Lsn::new(word))),
        }
    }

    #[inline]
    fn word(&self, xid: Xid) -> Option<&AtomicU64> {
        let chunk = (xid.get() / CHUNK_XIDS).checked_sub(self.first_chunk)?;
        let chunk = self.chunks.get(usize::try_from(chunk).ok()?)?;
        Some(&chunk.words[(xid.get() % CHUNK_XIDS) as usize])
    }
}

/// The current directory.
pub(crate) struct CommitTable {
    current: RwLock<Arc<Directory>>,
}

impl CommitTable {
    /// A table for transactions from `first` on; those before are on the status pages.
    pub(crate) fn new(first: Xid) -> Self {
        let directory = Directory { first_chunk: first.get() / CHUNK_XIDS, chunks: vec![new_chunk()] };
        Self { current: RwLock::new(Arc::new(directory)) }
    }

    /// The directory of now.
    pub(crate) fn directory(&self) -> Arc<Directory> {
        self.current.read().clone()
    }

    /// Looks without keeping the directory.
    pub(crate) fn state(&self, xid: Xid) -> Option<XidState> {
        self.current.read().state(xid)
    }

    /// Makes room for `xid`, the next to be given out, and drops chunks whose transactions are all below
    /// `settled`. Callers take turns.
    pub(crate) fn make_room(&self, xid: Xid, settled: Xid) {
        let now = self.directory();
        if now.word(xid).is_some() {
            return;
        }
        let settled_chunk = settled.get() / CHUNK_XIDS;
        let droppable = settled_chunk.saturating_sub(now.first_chunk);
        let spare = (now.chunks.len() + 1).saturating_sub(RETAINED_CHUNKS);
        let drop = usize::try_from(droppable).map_or(spare, |droppable| droppable.min(spare));
        let mut chunks = now.chunks[drop..].to_vec();
        chunks.push(new_chunk());
        let grown = Directory { first_chunk: now.first_chunk + drop as u64, chunks };
        assert!(grown.word(xid).is_some(), "transactions are given out in order");
        *self.current.write() = Arc::new(grown);
    }

    pub(crate) fn set_running(&self, xid: Xid, backend: BackendId) {
        self.set(xid, RUNNING | u64::from(backend.get()));
    }

    pub(crate) fn set_committed(&self, xid: Xid, lsn: Lsn) {
        assert!(lsn > Lsn::ZERO && lsn.get() < RUNNING, "{lsn} is not a commit's position");
        self.set(xid, lsn.get());
    }

    pub(crate) fn set_aborted(&self, xid: Xid) {
        self.set(xid, ABORTED);
    }

    fn set(&self, xid: Xid, word: u64) {
        let directory = self.current.read();
        let cell = directory.word(xid).expect("running transactions are in the table");
        cell.store(word, Ordering::Release);
    }
}

fn new_chunk() -> Arc<Chunk> {
    Arc::new(Chunk { words: (0..CHUNK_XIDS).map(|_| AtomicU64::new(0)).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_and_go() {
        let table = CommitTable::new(Xid::new(20_000));
        let old = table.directory();
        assert_eq!(table.state(Xid::new(20_000)), None);
        let me = BackendId::new(5);
        let last = 20_000 + 300 * CHUNK_XIDS;
        for xid in 20_000..last {
            table.make_room(Xid::new(xid), Xid::new(xid.min(30 * CHUNK_XIDS)));
            table.set_running(Xid::new(xid), me);
        }
        // Nothing above the settled ones went, although that is more than is retained by itself.
        for xid in [30 * CHUNK_XIDS, last - 1] {
            assert_eq!(table.state(Xid::new(xid)), Some(XidState::Running(me)));
        }
        assert_eq!(table.state(Xid::new(20_000)), None);
        assert_eq!(old.state(Xid::new(20_000)), Some(XidState::Running(me)), "a snapshot's directory stays");
        table.set_committed(Xid::new(last - 1), Lsn::new(77));
        table.set_aborted(Xid::new(last - 2));
        assert_eq!(table.state(Xid::new(last - 1)), Some(XidState::Committed(Lsn::new(77))));
        assert_eq!(table.state(Xid::new(last - 2)), Some(XidState::Aborted));
        let next_chunk = Xid::new((last / CHUNK_XIDS + 1) * CHUNK_XIDS);
        table.make_room(next_chunk, Xid::new(last - 10));
        assert!(table.directory().chunks.len() <= RETAINED_CHUNKS);
    }
}
