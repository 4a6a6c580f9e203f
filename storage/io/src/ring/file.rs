//! Log and page files on a ring.

use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use glommio::io::{BufferedFile, DmaFile, OpenOptions};
use glommio::sync::Semaphore;

use crate::buffer::{IO_ALIGNMENT, IoBuf};
use crate::portable::{FileCore, Threads};

/// An open file of a ring; clones share it. It belongs to the thread it was opened on.
#[derive(Clone, Debug)]
pub(crate) struct RingFile(Rc<Open>);

#[derive(Debug)]
struct Open {
    /// Length, death and the page cache: what a portable file has as well.
    core: Arc<FileCore>,
    /// Through the page cache, on the ring. All flushes go through this one descriptor: the kernel reports a failed
    /// write-back once to each.
    cached: BufferedFile,
    /// Past the page cache; a log's.
    direct: Option<DmaFile>,
    /// One flush at a time, for the reason given in the portable file.
    flushing: Semaphore,
    /// For growing, which may take long.
    threads: Arc<Threads>,
}

impl RingFile {
    /// A log that exists, with its aligned transfers past the page cache where the file system has that.
    pub(crate) async fn open_log(path: &Path, core: FileCore, threads: Arc<Threads>) -> io::Result<Self> {
        // The portable file has found out whether this file system takes direct transfers.
        let (core, is_direct) = core.without_direct();
        let direct = match is_direct {
            true => Some(OpenOptions::new().read(true).write(true).dma_open(path).await?),
            false => None,
        };
        Self::over(path, core, direct, threads).await
    }

    /// A page file that exists.
    pub(crate) async fn open_pages(path: &Path, core: FileCore, threads: Arc<Threads>) -> io::Result<Self> {
        Self::over(path, core, None, threads).await
    }

    async fn over(
        path: &Path,
        core: FileCore,
        direct: Option<DmaFile>,
        threads: Arc<Threads>,
    ) -> io::Result<Self> {
        let cached = OpenOptions::new().read(true).write(true).buffered_open(path).await?;
        let flushing = Semaphore::new(1);
        Ok(Self(Rc::new(Open { core: Arc::new(core), cached, direct, flushing, threads })))
    }

    pub(crate) fn core(&self) -> &FileCore {
        &self.0.core
    }

    pub(crate) fn len_bytes(&self) -> u64 {
        self.0.core.len_bytes()
    }

    pub(crate) async fn write_at(&self, offset: u64, bytes: IoBuf) -> io::Result<()> {
        self.0.core.check_writable(offset, bytes.len())?;
        let len = bytes.len();
        if len == 0 {
            return Ok(());
        }
        let written = match self.direct(offset, len) {
            Some(file) => {
                // The ring's own memory, registered with the kernel: one copy, and no pinning per write.
                let mut buffer = file.alloc_dma_buffer(len);
                buffer.as_bytes_mut().copy_from_slice(&bytes);
                file.write_at(buffer, offset).await?
            }
            None => self.0.cached.write_at(bytes.to_vec(), offset).await?,
        };
        if written == len {
            return Ok(());
        }
        let text = format!("{}: {written} of {len} bytes written at {offset}", self.0.core.name());
        Err(io::Error::new(io::ErrorKind::WriteZero, text))
    }

    pub(crate) async fn flush(&self) -> io::Result<()> {
        let _one_at_a_time = self.0.flushing.acquire_permit(1).await?;
        self.0.core.check_alive()?;
        let flushed = self.0.cached.fdatasync().await.map_err(io::Error::from);
        // Before anyone else may try, and before anyone hears of the error.
        flushed.inspect_err(|error| self.0.core.bury(error))
    }

    pub(crate) async fn read_at(&self, offset: u64, len: usize) -> io::Result<IoBuf> {
        let direct = self.direct(offset, len);
        if direct.is_none()
            && let Some(bytes) = self.0.core.read_if_cached(offset, len)?
        {
            return Ok(bytes);
        }
        self.0.core.check_readable(offset, len)?;
        let mut bytes = IoBuf::with_capacity(len);
        // A transfer may end early, at a signal say. The next one begins behind it.
        while bytes.len() < len {
            let (at, missing) = (offset + bytes.len() as u64, len - bytes.len());
            let part = match direct {
                Some(file) => file.read_at(at, missing).await?,
                None => self.0.cached.read_at(at, missing).await?,
            };
            if part.is_empty() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, self.0.core.name().to_owned()));
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    }

    pub(crate) async fn grow(&self, len_bytes: u64) -> io::Result<()> {
        let core = Arc::clone(&self.0.core);
        self.0.threads.run(move || core.grow(len_bytes)).await
    }

    /// The way past the page cache, for a transfer that may take it.
    fn direct(&self, offset: u64, len: usize) -> Option<&DmaFile> {
        let is_aligned = offset.is_multiple_of(IO_ALIGNMENT as u64) && len.is_multiple_of(IO_ALIGNMENT);
        self.0.direct.as_ref().filter(|_| is_aligned && len > 0)
    }
}
