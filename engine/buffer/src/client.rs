//! The volume over storage nodes, as the pool wants it.

use redoubt_client::{Volume, VolumeError};
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_page::{Lsn, Page, PageId};

use crate::volume::{Appended, Budget, PageChange, PageVolume};

impl PageVolume for Volume {
    fn read_page(&self, id: PageId, at: Lsn) -> PgResult<Page> {
        Volume::read_page(self, id, at).map_err(report)
    }

    fn reserve(&self, records: u32, bytes: u32) -> PgResult<Budget> {
        let reservation = Volume::reserve(self, records, bytes).map_err(report)?;
        Ok(Budget { records, bytes, reservation: Some(reservation) })
    }

    fn try_reserve(&self, records: u32, bytes: u32) -> PgResult<Option<Budget>> {
        let reservation = Volume::try_reserve(self, records, bytes).map_err(report)?;
        Ok(reservation.map(|reservation| Budget { records, bytes, reservation: Some(reservation) }))
    }

    fn append(
        &self,
        budget: Budget,
        changes: &mut [PageChange],
        stamp: &mut dyn FnMut(usize, Lsn),
    ) -> Appended {
        let reservation = budget.reservation.expect("the budget was reserved from this volume");
        let appended = Volume::append(self, reservation, changes, stamp);
        Appended { first: appended.first, cpl: appended.cpl }
    }

    fn vdl(&self) -> Lsn {
        Volume::vdl(self)
    }

    fn wait_durable_blocking(&self, lsn: Lsn) -> PgResult<()> {
        Volume::wait_durable_blocking(self, lsn).map_err(report)
    }

    fn set_read_floor(&self, lsn: Lsn) {
        Volume::set_read_floor(self, lsn);
    }

    fn reserve_pages(&self, up_to: PageId) -> PgResult<()> {
        Volume::reserve_pages(self, up_to).map_err(report)
    }
}

/// What clients are told when the volume fails under a statement. A fenced or failed writer ends the
/// connection: its commits are in doubt, and nothing it says may sound like an abort.
pub fn report(error: VolumeError) -> PgError {
    let (severity, state) = match &error {
        VolumeError::Fenced { .. } => (Severity::Fatal, code::ADMIN_SHUTDOWN),
        VolumeError::Unavailable(_) => (Severity::Fatal, code::CANNOT_CONNECT_NOW),
        VolumeError::Corrupt { .. } => (Severity::Error, code::DATA_CORRUPTED),
        VolumeError::ReadPointTooOld { .. } => (Severity::Error, code::SNAPSHOT_TOO_OLD),
        VolumeError::OutOfSpace => (Severity::Error, code::DISK_FULL),
        VolumeError::Metadata(_) => (Severity::Error, code::IO_ERROR),
    };
    PgError::report(severity, state, error.to_string())
}
