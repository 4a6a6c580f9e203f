//! Snapshots: which transactions a statement sees.
//!
//! A snapshot is one position in the log: it sees the transactions whose commit record is at or below it
//! (engine.md, "Visibility order is commit-LSN order"). Two numbers make looking cheap: below `xmin` all
//! transactions were settled when it was taken, and from `xmax` on none had been given out.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use redoubt_buffer::Lsn;

use crate::backend::Backend;
use crate::manager::Inner;
use crate::status::StatusMissing;
use crate::table::{Directory, XidState};
use crate::xid::{CommandId, Xid};

/// A snapshot. Cheap to clone; what it needs is kept until the last clone goes.
#[derive(Clone)]
pub struct Snapshot {
    shared: Arc<Shared>,
    command: CommandId,
}

pub(crate) struct Shared {
    pub(crate) txns: Arc<Inner>,
    pub(crate) backend: Arc<Backend>,
    pub(crate) lsn: Lsn,
    pub(crate) xmin: Xid,
    pub(crate) xmax: Xid,
    pub(crate) directory: Arc<Directory>,
}

/// What a snapshot thinks of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Committed at or before the snapshot.
    Committed,
    /// Running, failed, or committed after it.
    Invisible,
    /// The transaction that took the snapshot, or one of its living subtransactions.
    Own,
}

/// The two transactions that a row version carries, and their commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps {
    /// Who made it; [`Xid::INVALID`] when the making was taken back.
    pub xmin: Xid,
    /// By which of its commands.
    pub cmin: CommandId,
    /// Who deleted or replaced it, if anyone has.
    pub xmax: Xid,
    /// By which of its commands.
    pub cmax: CommandId,
}

/// The last answer, kept by a scan: neighbouring rows mostly come from the same transaction.
#[derive(Clone, Copy, Debug)]
pub struct ViewCache {
    xid: Xid,
    view: View,
}

impl Default for ViewCache {
    fn default() -> Self {
        Self { xid: Xid::INVALID, view: View::Invisible }
    }
}

impl Snapshot {
    pub(crate) fn new(shared: Shared, command: CommandId) -> Self {
        Self { shared: Arc::new(shared), command }
    }

    /// Everything committed up to here is seen.
    pub fn lsn(&self) -> Lsn {
        self.shared.lsn
    }

    /// All transactions below were settled when it was taken.
    pub fn xmin(&self) -> Xid {
        self.shared.xmin
    }

    /// No transaction from here on had been given out.
    pub fn xmax(&self) -> Xid {
        self.shared.xmax
    }

    /// Its own transaction's commands below this one are seen.
    pub fn command(&self) -> CommandId {
        self.command
    }

    /// The same snapshot for a later (or earlier) command of its transaction.
    pub fn at_command(&self, command: CommandId) -> Self {
        Self { shared: self.shared.clone(), command }
    }

    /// The transactions in `[xmin, xmax)` that it does not see and that have not failed, for
    /// `pg_current_snapshot()`.
    pub fn in_progress(&self) -> Vec<Xid> {
        let range = self.shared.xmin.get()..self.shared.xmax.get();
        let unseen = range.map(Xid::new).filter(|&xid| match self.shared.directory.state(xid) {
            Some(XidState::Running(_)) => true,
            Some(XidState::Committed(lsn)) => lsn > self.shared.lsn,
            Some(XidState::Aborted) | None => false,
        });
        unseen.collect()
    }

    /// What it thinks of `xid`. Takes no lock but for old transactions that have left memory.
    ///
    /// # Errors
    /// When a status page has to be loaded first; see [`crate::TxnManager::load_status`].
    #[inline]
    pub fn view(&self, xid: Xid) -> Result<View, StatusMissing> {
        if xid.is_normal() && xid < self.shared.xmax {
            return match self.shared.directory.state(xid) {
                Some(XidState::Committed(lsn)) if lsn <= self.shared.lsn => Ok(View::Committed),
                Some(XidState::Committed(_) | XidState::Aborted) => Ok(View::Invisible),
                Some(XidState::Running(backend)) if backend == self.shared.backend.id() => Ok(View::Own),
                Some(XidState::Running(_)) => Ok(View::Invisible),
                None => self.view_from_status(xid),
            };
        }
        if xid.is_normal() { Ok(self.view_of_later(xid)) } else { Ok(view_of_special(xid)) }
    }

    #[cold]
    fn view_from_status(&self, xid: Xid) -> Result<View, StatusMissing> {
        // It left the table before the snapshot was taken, so it was settled by then.
        let committed = self.shared.txns.status.has_committed(&self.shared.txns.space, xid)?;
        Ok(if committed { View::Committed } else { View::Invisible })
    }

    /// A transaction given out after the snapshot was taken can only be its own.
    fn view_of_later(&self, xid: Xid) -> View {
        let own_first = self.shared.backend.top_xid.load(Ordering::Acquire);
        if own_first == 0 || xid.get() < own_first {
            return View::Invisible;
        }
        match self.shared.txns.table.state(xid) {
            Some(XidState::Running(backend)) if backend == self.shared.backend.id() => View::Own,
            _ => View::Invisible,
        }
    }

    /// Whether it sees a row version.
    ///
    /// # Errors
    /// When a status page has to be loaded first; see [`crate::TxnManager::load_status`].
    #[inline]
    pub fn sees(&self, stamps: &Stamps, cache: &mut ViewCache) -> Result<bool, StatusMissing> {
        let made = if stamps.xmin == cache.xid {
            cache.view
        } else {
            let view = self.view(stamps.xmin)?;
            *cache = ViewCache { xid: stamps.xmin, view };
            view
        };
        let is_made = match made {
            View::Committed => true,
            View::Own => stamps.cmin < self.command,
            View::Invisible => false,
        };
        if !is_made || !stamps.xmax.is_valid() {
            return Ok(is_made);
        }
        Ok(match self.view(stamps.xmax)? {
            View::Committed => false,
            View::Own => stamps.cmax >= self.command,
            View::Invisible => true,
        })
    }
}

/// Numbers that were never given out: none, and the two that are always committed.
fn view_of_special(xid: Xid) -> View {
    if xid.is_valid() { View::Committed } else { View::Invisible }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut kept = self.backend.snapshots.lock();
        let own = (self.lsn, self.xmin);
        let place =
            kept.iter().position(|&kept| kept == own).expect("a snapshot is registered until it goes");
        kept.swap_remove(place);
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Shared { lsn, xmin, xmax, .. } = &*self.shared;
        write!(f, "Snapshot(lsn {lsn}, {xmin}:{xmax}, command {})", self.command)
    }
}

/// What everybody alive or to come sees alike: row versions deleted before it may be removed.
#[derive(Clone)]
pub struct Horizon {
    pub(crate) txns: Arc<Inner>,
    pub(crate) lsn: Lsn,
    pub(crate) xmin: Xid,
    pub(crate) directory: Arc<Directory>,
}

impl Horizon {
    /// Every snapshot, now and later, is at or above this position.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Every transaction below is settled for every snapshot.
    pub fn xmin(&self) -> Xid {
        self.xmin
    }

    /// Whether every snapshot, now and later, sees `xid` as committed.
    ///
    /// # Errors
    /// When a status page has to be loaded first; see [`crate::TxnManager::load_status`].
    pub fn all_see(&self, xid: Xid) -> Result<bool, StatusMissing> {
        if !xid.is_normal() {
            return Ok(xid.is_valid());
        }
        match self.directory.state(xid) {
            Some(XidState::Committed(lsn)) => Ok(lsn <= self.lsn),
            Some(XidState::Running(_) | XidState::Aborted) => Ok(false),
            None if xid < self.xmin => self.txns.status.has_committed(&self.txns.space, xid),
            None => Ok(false),
        }
    }

    /// Whether `xid` has committed, wherever.
    ///
    /// # Errors
    /// When a status page has to be loaded first; see [`crate::TxnManager::load_status`].
    pub fn has_committed(&self, xid: Xid) -> Result<bool, StatusMissing> {
        match self.directory.state(xid) {
            Some(state) => Ok(matches!(state, XidState::Committed(_))),
            None => self.all_see(xid),
        }
    }

    /// Whether `xid` has failed, so that no snapshot will ever see it.
    ///
    /// # Errors
    /// When a status page has to be loaded first; see [`crate::TxnManager::load_status`].
    pub fn none_sees(&self, xid: Xid) -> Result<bool, StatusMissing> {
        if !xid.is_normal() {
            return Ok(!xid.is_valid());
        }
        match self.directory.state(xid) {
            Some(XidState::Aborted) => Ok(true),
            Some(_) => Ok(false),
            None if xid < self.xmin => Ok(!self.txns.status.has_committed(&self.txns.space, xid)?),
            None => Ok(false),
        }
    }
}
