//! The disk under a shard: the forgetting one, and above it the two oldest mistakes, for the tests that must notice
//! them.

use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use redoubt_io::forgetting::{ForgettingLog, ForgettingPages, ForgettingStorage};
use redoubt_io::{IoBuf, LogDevice, PageDevice, Storage};

/// A mistake in the handling of flushes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlushBug {
    /// None.
    #[default]
    None,
    /// Nothing is ever flushed, and everybody is told that it was.
    NeverFlushed,
    /// A flush that fails is taken for one that succeeded.
    ErrorSwallowed,
}

/// How often operations really failed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Failures {
    /// Flushes.
    pub flushes: u64,
    /// Writes.
    pub writes: u64,
    /// Reads.
    pub reads: u64,
    /// Growth, or new files, for which there was no space.
    pub full: u64,
}

/// See the module. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    below: ForgettingStorage,
    bug: FlushBug,
    failures: Rc<Cell<Failures>>,
}

/// An open file.
#[derive(Debug)]
pub struct SimFile<F> {
    below: F,
    disk: Rc<SimDisk>,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(bug: FlushBug) -> SimDisk {
        SimDisk { below: ForgettingStorage::new(), bug, failures: Rc::default() }
    }

    /// How often operations really failed so far.
    pub fn failures(&self) -> Failures {
        self.failures.get()
    }

    fn note<T>(&self, result: io::Result<T>, count: impl FnOnce(&mut Failures)) -> io::Result<T> {
        if let Err(error) = &result {
            let mut failures = self.failures.get();
            match error.kind() {
                io::ErrorKind::StorageFull => failures.full += 1,
                // A device that was killed fails as well: that is not what is counted here.
                _ if error.raw_os_error().is_some() => count(&mut failures),
                _ => {}
            }
            self.failures.set(failures);
        }
        result
    }

    /// Logs and page files, and the bytes that are certainly on the medium.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut names = pin!(self.below.names());
        let Poll::Ready(Ok(names)) = names.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("names in memory are known at once");
        };
        let durable = |name: String| self.below.durable(&name).map(|bytes| (name, bytes));
        names.into_iter().filter_map(durable).collect()
    }

    /// The storage below.
    pub fn below(&self) -> &ForgettingStorage {
        &self.below
    }

    async fn flush(&self, flush: impl Future<Output = io::Result<()>>) -> io::Result<()> {
        match self.bug {
            FlushBug::None => self.note(flush.await, |f| f.flushes += 1),
            FlushBug::NeverFlushed => Ok(()),
            FlushBug::ErrorSwallowed => {
                let _ = self.note(flush.await, |f| f.flushes += 1);
                Ok(())
            }
        }
    }
}

impl LogDevice for SimFile<ForgettingLog> {
    async fn write_at(&self, offset: u64, bytes: IoBuf) -> io::Result<()> {
        self.disk.note(self.below.write_at(offset, bytes).await, |f| f.writes += 1)
    }

    async fn flush(&self) -> io::Result<()> {
        self.disk.flush(self.below.flush()).await
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<IoBuf> {
        self.disk.note(self.below.read_at(offset, len).await, |f| f.reads += 1)
    }

    fn len_bytes(&self) -> u64 {
        self.below.len_bytes()
    }
}

impl PageDevice for SimFile<ForgettingPages> {
    async fn write_at(&self, offset: u64, bytes: IoBuf) -> io::Result<()> {
        self.disk.note(self.below.write_at(offset, bytes).await, |f| f.writes += 1)
    }

    async fn flush(&self) -> io::Result<()> {
        self.disk.flush(self.below.flush()).await
    }

    async fn read_at(&self, offset: u64, len: usize) -> io::Result<IoBuf> {
        self.disk.note(self.below.read_at(offset, len).await, |f| f.reads += 1)
    }

    async fn grow(&self, len_bytes: u64) -> io::Result<()> {
        self.disk.note(self.below.grow(len_bytes).await, |f| f.writes += 1)
    }

    fn len_bytes(&self) -> u64 {
        self.below.len_bytes()
    }
}

impl Storage for SimDisk {
    type Log = SimFile<ForgettingLog>;
    type Pages = SimFile<ForgettingPages>;

    async fn open_log(&self, name: &str, len_bytes: u64) -> io::Result<Self::Log> {
        let below = self.note(self.below.open_log(name, len_bytes).await, |f| f.writes += 1)?;
        Ok(SimFile { below, disk: Rc::new(self.clone()) })
    }

    async fn open_pages(&self, name: &str) -> io::Result<Self::Pages> {
        Ok(SimFile { below: self.below.open_pages(name).await?, disk: Rc::new(self.clone()) })
    }

    async fn write_control(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.below.write_control(name, bytes).await
    }

    async fn read_control(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.below.read_control(name).await
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        self.below.remove(name).await
    }

    async fn names(&self) -> io::Result<Vec<String>> {
        self.below.names().await
    }
}
