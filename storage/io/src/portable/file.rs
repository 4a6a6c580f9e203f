//! Log and page files.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustix::fs::{Advice, FallocateFlags, OFlags, fadvise, fallocate};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::threads::Threads;
use super::{create_atomically, create_directories, sync_parent};
use crate::buffer::{IO_ALIGNMENT, IoBuf};
use crate::device::{LogDevice, PageDevice};
use crate::shipping::Stretch;

/// How much is written at a time while a log file is filled with zeroes.
const FILL_BYTES: usize = 1024 * 1024;

/// A log file; clones share it.
#[derive(Clone, Debug)]
pub struct LogFile {
    core: Arc<FileCore>,
    threads: Arc<Threads>,
}

/// A page file; clones share it.
#[derive(Clone, Debug)]
pub struct PageFile {
    core: Arc<FileCore>,
    threads: Arc<Threads>,
}

impl LogFile {
    pub(crate) fn core(&self) -> &FileCore {
        &self.core
    }

    pub(super) fn new(core: FileCore, threads: Arc<Threads>) -> Self {
        Self { core: Arc::new(core), threads }
    }
}

impl PageFile {
    pub(crate) fn core(&self) -> &FileCore {
        &self.core
    }

    pub(super) fn new(core: FileCore, threads: Arc<Threads>) -> Self {
        Self { core: Arc::new(core), threads }
    }
}

impl LogDevice for LogFile {
    async fn write_at(&self, offset: u64, bytes: IoBuf) -> io::Result<()> {
        let core = Arc::clone(&self.core);
        self.threads.run(move || core.write(offset, &bytes)).await
    }

    async fn flush(&self) -> io::Result<()> {
        let core = Arc::clone(&self.core);
        self.threads.run(move || core.flush()).await
    }

    async fn write_at_and_flush(&self, offset: u64, bytes: IoBuf) -> io::Result<()> {
        let core = Arc::clone(&self.core);
        self.threads.run(move || core.write(offset, &bytes).and_then(|()| core.flush())).await
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<IoBuf> {
        let core = Arc::clone(&self.core);
        self.threads.run(move || core.read(offset, len)).await
    }

    fn len_bytes(&self) -> u64 {
        self.core.len_bytes()
    }
}

impl PageDevice for PageFile {
    async fn write_at(&self, offset: u64, bytes: IoBuf) -> io::Result<()> {
        let core = Arc::clone(&self.core);
        self.threads.run(move || core.write(offset, &bytes)).await
    }

    async fn flush(&self) -> io::Result<()> {
        let core = Arc::clone(&self.core);
        self.threads.run(move || core.flush()).await
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<IoBuf> {
        if let Some(bytes) = self.core.read_if_cached(offset, len)? {
            return Ok(bytes);
        }
        let core = Arc::clone(&self.core);
        self.threads.run(move || core.read(offset, len)).await
    }

    async fn grow(&self, len_bytes: u64) -> io::Result<()> {
        let core = Arc::clone(&self.core);
        self.threads.run(move || core.grow(len_bytes)).await
    }

    fn len_bytes(&self) -> u64 {
        self.core.len_bytes()
    }
}

/// An open file and its blocking calls.
#[derive(Debug)]
pub(crate) struct FileCore {
    /// What its errors call it.
    name: String,
    /// Through the page cache. All flushes go through this one descriptor: the kernel reports a failed
    /// write-back once to each, and the report must not end up with one that nobody asks.
    cached: File,
    /// Past the page cache, where that is wanted and possible.
    direct: Option<File>,
    len_bytes: AtomicU64,
    /// One flush at a time. Of two at once the kernel would fail one, and let the other succeed although the
    /// writes it stands for are lost.
    flushing: Mutex<()>,
    growing: Mutex<()>,
    /// Why the file is dead, once a flush has failed.
    dead: OnceLock<String>,
}

impl FileCore {
    pub(super) fn open_log(path: &Path, len_bytes: u64, direct: bool) -> io::Result<Self> {
        {
            // Two that want the same new file at once must get the same one.
            static CREATING: Mutex<()> = Mutex::new(());
            let _one_at_a_time = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
            if !path.try_exists()? {
                create_atomically(path, |file, temporary| {
                    fill_with_zeroes(file, temporary, len_bytes, direct)
                })?;
            }
        }
        let direct = if direct { open_direct(path)? } else { None };
        Self::over(path, File::options().read(true).write(true).open(path)?, direct)
    }

    pub(super) fn open_pages(path: &Path) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            create_directories(parent)?;
        }
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        // Also when the file was there: whoever created it may have crashed before its entry was durable.
        sync_parent(path)?;
        Self::over(path, file, None)
    }

    fn over(path: &Path, cached: File, direct: Option<File>) -> io::Result<Self> {
        // After a failed write-back the page cache may show what the medium never got, as if it were clean. What
        // the last process left there is dropped, so that opening sees what is stored. Some file systems cannot.
        let _ = fadvise(&cached, 0, None, Advice::DontNeed);
        Ok(Self {
            name: path.display().to_string(),
            len_bytes: AtomicU64::new(cached.metadata()?.len()),
            cached,
            direct,
            flushing: Mutex::new(()),
            growing: Mutex::new(()),
            dead: OnceLock::new(),
        })
    }

    /// The same file for someone who makes the direct transfers himself, and whether there are any.
    pub(crate) fn without_direct(self) -> (Self, bool) {
        let is_direct = self.direct.is_some();
        (Self { direct: None, ..self }, is_direct)
    }

    /// Another handle on the file, for someone who reads these stretches through the page cache.
    pub(crate) fn handle_for(&self, stretches: &[Stretch]) -> io::Result<File> {
        stretches.iter().try_for_each(|stretch| self.check_readable(stretch.offset, stretch.len))?;
        self.cached.try_clone()
    }

    /// What errors call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn len_bytes(&self) -> u64 {
        self.len_bytes.load(Ordering::Acquire)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check_writable(offset, bytes.len())?;
        self.handle(offset, bytes.len()).write_all_at(bytes, offset)
    }

    fn flush(&self) -> io::Result<()> {
        let _one_at_a_time = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_alive()?;
        // Under the lock, and before anyone hears of the error.
        self.cached.sync_data().inspect_err(|error| self.bury(error))
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<IoBuf> {
        self.check_readable(offset, len)?;
        let mut bytes = IoBuf::zeroed(len);
        self.handle(offset, len).read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Reads on the caller's thread if that takes no I/O.
    pub(crate) fn read_if_cached(&self, offset: u64, len: usize) -> io::Result<Option<IoBuf>> {
        self.check_readable(offset, len)?;
        let mut bytes = IoBuf::zeroed(len);
        let read = preadv2(&self.cached, &mut [IoSliceMut::new(&mut bytes)], offset, ReadWriteFlags::NOWAIT);
        // A part, or an error of whatever kind, is left to the call that may block.
        Ok((read == Ok(len)).then_some(bytes))
    }

    pub(crate) fn grow(&self, len_bytes: u64) -> io::Result<()> {
        let _one_at_a_time = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_alive()?;
        let old_bytes = self.len_bytes();
        if len_bytes <= old_bytes {
            return Ok(());
        }
        if let Err(error) = allocate(&self.cached, old_bytes, len_bytes - old_bytes) {
            // Part of it may have been allocated. That the file is too long matters less than the error.
            let _ = self.cached.set_len(old_bytes);
            return Err(error);
        }
        self.len_bytes.store(len_bytes, Ordering::Release);
        Ok(())
    }

    fn handle(&self, offset: u64, len: usize) -> &File {
        match &self.direct {
            Some(direct)
                if offset.is_multiple_of(IO_ALIGNMENT as u64) && len.is_multiple_of(IO_ALIGNMENT) =>
            {
                direct
            }
            _ => &self.cached,
        }
    }

    fn contains(&self, offset: u64, len: usize) -> bool {
        offset.checked_add(len as u64).is_some_and(|end| end <= self.len_bytes())
    }

    /// Refuses a write that does not lie within the file, or to a dead one.
    pub(crate) fn check_writable(&self, offset: u64, len: usize) -> io::Result<()> {
        self.check_alive()?;
        if self.contains(offset, len) {
            return Ok(());
        }
        let text = format!("{}: write of {len} bytes at {offset} beyond the end", self.name);
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }

    /// A flush failed: from now on nothing is tried any more.
    pub(crate) fn bury(&self, error: &io::Error) {
        // A file dies once; the first reason is the one that matters.
        let _ = self.dead.set(error.to_string());
    }

    pub(crate) fn check_readable(&self, offset: u64, len: usize) -> io::Result<()> {
        if self.contains(offset, len) {
            return Ok(());
        }
        let text = format!("{}: read of {len} bytes at {offset} beyond the end", self.name);
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, text))
    }

    pub(crate) fn check_alive(&self) -> io::Result<()> {
        match self.dead.get() {
            None => Ok(()),
            Some(error) => {
                Err(io::Error::other(format!("{}: dead since a flush failed: {error}", self.name)))
            }
        }
    }
}

/// Allocates a range at the end of a file, which then reads as zeroes.
fn allocate(file: &File, offset: u64, len: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), offset, len) {
        Ok(()) => Ok(()),
        // A file system that cannot reserve; there a write may meet the full disk.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(offset + len),
        Err(errno) => Err(errno.into()),
    }
}

/// Makes a log's blocks exist as written ones, so that no later write changes metadata, which its flush would
/// have to wait for.
fn fill_with_zeroes(file: &File, path: &Path, len_bytes: u64, direct: bool) -> io::Result<()> {
    if len_bytes > 0 {
        allocate(file, 0, len_bytes)?;
    }
    let direct = if direct { open_direct(path)? } else { None };
    let zeroes = IoBuf::zeroed(FILL_BYTES);
    let mut offset = 0;
    while offset < len_bytes {
        let len = (len_bytes - offset).min(FILL_BYTES as u64) as usize;
        let handle = if len.is_multiple_of(IO_ALIGNMENT) { direct.as_ref().unwrap_or(file) } else { file };
        handle.write_all_at(&zeroes[..len], offset)?;
        offset += len as u64;
    }
    Ok(())
}

/// Opens a file past the page cache, or says that this file system, or this file, cannot have it.
fn open_direct(path: &Path) -> io::Result<Option<File>> {
    let flags = i32::try_from(OFlags::DIRECT.bits()).expect("the flag is a small number");
    let file = match File::options().read(true).write(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if cannot_direct(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    // Some accept the flag and then refuse every transfer. A file shorter than a block never gets one.
    let mut block = IoBuf::zeroed(IO_ALIGNMENT);
    match file.read_at(&mut block, 0) {
        Ok(_) => Ok(Some(file)),
        Err(error) if cannot_direct(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn cannot_direct(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `/dev/null` takes writes and refuses to be flushed: a device whose flush fails, on any machine.
    fn unflushable() -> FileCore {
        let path = Path::new("/dev/null");
        let core =
            FileCore::over(path, File::options().read(true).write(true).open(path).expect("opens"), None);
        let core = core.expect("a length");
        core.len_bytes.store(1 << 20, Ordering::Release);
        core
    }

    #[test]
    fn a_failed_flush_kills_the_file() {
        let core = unflushable();
        core.write(0, &[1; 10]).expect("alive");
        assert_eq!(core.flush().expect_err("refused").kind(), io::ErrorKind::InvalidInput);
        // From here on nothing is tried any more, whatever the device would say.
        for result in [core.flush(), core.write(0, &[1; 10]), core.grow(1 << 21)] {
            let error = result.expect_err("dead").to_string();
            assert!(error.starts_with("/dev/null: dead since a flush failed: "), "{error}");
        }
    }

    #[test]
    fn a_new_file_wanted_by_several_at_once_is_one_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("chunk");
        let start = std::sync::Barrier::new(8);
        let lengths: Vec<io::Result<u64>> = std::thread::scope(|scope| {
            let open = || {
                start.wait();
                FileCore::open_log(&path, 1 << 20, false).map(|core| core.len_bytes())
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        for length in lengths {
            assert_eq!(length.expect("opened"), 1 << 20);
        }
    }
}
