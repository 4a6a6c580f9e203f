//! The traits between a storage node and its disk.
//!
//! Their futures need not be `Send`: a shard runs on one thread, and an implementation on a ring of that
//! thread keeps its futures there. Rules and guarantees are those in the crate's documentation.

use std::io;

use crate::buffer::IoBuf;
use crate::executor::block_on;
use crate::shipping::{Stretch, check_size};

/// A file of fixed length, written mostly forward and recycled from its start.
///
/// Offsets and lengths that are multiples of [`crate::IO_ALIGNMENT`] go to the device directly where that is
/// possible; others work, and are slower.
#[expect(async_fn_in_trait, reason = "the futures stay on the shard's thread and need not be Send")]
pub trait LogDevice {
    /// Writes all of `bytes` at `offset`. Not durable before a later flush.
    ///
    /// # Errors
    /// `InvalidInput` when the end of the write lies beyond the end of the file; whatever the device reports, after
    /// which the range holds anything; always, once a flush has failed.
    async fn write_at(&self, offset: u64, bytes: IoBuf) -> io::Result<()>;

    /// Makes durable every write that completed before this call.
    ///
    /// # Errors
    /// Whatever the device reports. The device is then dead; the caller does not write to or flush it again.
    async fn flush(&self) -> io::Result<()>;

    /// [`LogDevice::write_at`], then [`LogDevice::flush`], without a trip back to the caller between them. What
    /// a commit waits for.
    ///
    /// # Errors
    /// As those two.
    async fn write_at_and_flush(&self, offset: u64, bytes: IoBuf) -> io::Result<()> {
        self.write_at(offset, bytes).await?;
        self.flush().await
    }

    /// Reads `len` bytes at `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when they are not all within the file; whatever the device reports.
    async fn read_at(&self, offset: u64, len: usize) -> io::Result<IoBuf>;

    /// Reads stretches of the file for a peer that is catching up, at most [`crate::SHIPMENT_BYTES`] altogether, in the
    /// order in which they are given. Commits do not wait behind it where the device has another thread for it. What
    /// was written before the call is read; what is written meanwhile may be, in part.
    ///
    /// # Errors
    /// `InvalidInput` for too many bytes; `UnexpectedEof` when they are not all within the file; whatever the device
    /// reports.
    async fn read_stretches(&self, stretches: &[Stretch]) -> io::Result<Vec<Vec<u8>>> {
        check_size(stretches)?;
        let mut all = Vec::with_capacity(stretches.len());
        for stretch in stretches {
            all.push(self.read_at(stretch.offset, stretch.len).await?.to_vec());
        }
        Ok(all)
    }

    /// The file's length, fixed when it was created.
    fn len_bytes(&self) -> u64;
}

/// A file of pages that grows, written and read anywhere.
#[expect(async_fn_in_trait, reason = "the futures stay on the shard's thread and need not be Send")]
pub trait PageDevice {
    /// Writes all of `bytes` at `offset`. Not durable before a later flush.
    ///
    /// # Errors
    /// As [`LogDevice::write_at`]; the file must have been grown before.
    async fn write_at(&self, offset: u64, bytes: IoBuf) -> io::Result<()>;

    /// Makes durable every write and growth that completed before this call.
    ///
    /// # Errors
    /// As [`LogDevice::flush`].
    async fn flush(&self) -> io::Result<()>;

    /// Reads `len` bytes at `offset`.
    ///
    /// # Errors
    /// As [`LogDevice::read_at`].
    async fn read_at(&self, offset: u64, len: usize) -> io::Result<IoBuf>;

    /// Reads stretches of the file for a peer that is catching up, at most [`crate::SHIPMENT_BYTES`] altogether, in the
    /// order in which they are given. Commits do not wait behind it where the device has another thread for it. What
    /// was written before the call is read; what is written meanwhile may be, in part.
    ///
    /// # Errors
    /// `InvalidInput` for too many bytes; `UnexpectedEof` when they are not all within the file; whatever the device
    /// reports.
    async fn read_stretches(&self, stretches: &[Stretch]) -> io::Result<Vec<Vec<u8>>> {
        check_size(stretches)?;
        let mut all = Vec::with_capacity(stretches.len());
        for stretch in stretches {
            all.push(self.read_at(stretch.offset, stretch.len).await?.to_vec());
        }
        Ok(all)
    }

    /// Makes the file at least `len_bytes` long and reserves the space, so that a full disk is met here and not
    /// by a write. What is added reads as zeroes. Durable with the next flush.
    ///
    /// # Errors
    /// `StorageFull`, the file then being as before; whatever the device reports.
    async fn grow(&self, len_bytes: u64) -> io::Result<()>;

    /// The file's length.
    fn len_bytes(&self) -> u64;
}

/// Opens devices and keeps control files, all by name.
///
/// A name consists of components separated by `/`, each of ASCII letters, digits, `-`, `_` and `.`, none
/// beginning with a dot. One name is used for one kind of file only. Anything else is `InvalidInput`.
#[expect(async_fn_in_trait, reason = "the futures stay on the shard's thread and need not be Send")]
pub trait Storage {
    /// What [`Storage::open_log`] opens.
    type Log: LogDevice;
    /// What [`Storage::open_pages`] opens.
    type Pages: PageDevice;

    /// Opens a log. When there is none of this name, creates one of `len_bytes`, allocated and filled with
    /// zeroes; a crash during creation leaves none. One that exists keeps the length it was made with.
    ///
    /// # Errors
    /// `StorageFull` when there is no room to create it; whatever the device reports.
    async fn open_log(&self, name: &str, len_bytes: u64) -> io::Result<Self::Log>;

    /// Opens a page file, creating an empty one when there is none of this name.
    ///
    /// # Errors
    /// Whatever the device reports.
    async fn open_pages(&self, name: &str) -> io::Result<Self::Pages>;

    /// Replaces a control file: after a crash at any point it has the old contents or the new, and the new once this
    /// has returned. Works on a full disk, from reserved space, while all control files together have up
    /// to 128 KiB.
    ///
    /// # Errors
    /// Whatever the device reports; the contents are then the old or the new.
    async fn write_control(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Reads a control file; nothing when it was never written.
    ///
    /// # Errors
    /// `InvalidData` when the file is damaged, which is not the same as absent; whatever the device reports.
    async fn read_control(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Removes a file of any kind, durably; a name without a file is no error. Devices still open on it stay
    /// usable, and their space is freed when they are dropped.
    ///
    /// # Errors
    /// Whatever the device reports.
    async fn remove(&self, name: &str) -> io::Result<()>;

    /// The names of all files, sorted.
    ///
    /// # Errors
    /// Whatever the device reports.
    async fn names(&self) -> io::Result<Vec<String>>;

    /// Runs a future to its end on this thread, by the executor that the devices need. Logs and page files are
    /// opened and used by what runs here; control files, names and removal work under any executor.
    ///
    /// # Errors
    /// When the system refuses what the executor needs.
    fn drive<F>(&self, future: F) -> io::Result<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(block_on(future))
    }
}
