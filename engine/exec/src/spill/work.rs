//! How much a statement may hold, in memory and in temporary files.

use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Datum;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Bytes that a holder may have taken without saying so.
const STEP_BYTES: usize = 64 << 10;

/// A session's space for temporary data: the account of what it holds, and where its files go.
#[derive(Clone, Debug)]
pub struct WorkSpace {
    account: Arc<Account>,
    files: Arc<Files>,
}

impl WorkSpace {
    /// An empty space. `directory` is where temporary files go, `owner` part of their names.
    pub fn new(directory: PathBuf, owner: i32) -> WorkSpace {
        let files = Files { directory, owner, made: AtomicU64::new(0), bytes: AtomicU64::new(0) };
        WorkSpace { account: Arc::default(), files: Arc::new(files) }
    }

    /// Removes what a server that died between making a file and taking its name away has left.
    ///
    /// # Errors
    /// Those of the file system, other than that there is no such directory.
    pub fn clean(directory: &Path) -> io::Result<()> {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// What the session holds.
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Bytes in temporary files now.
    pub fn file_bytes(&self) -> u64 {
        self.files.bytes.load(Ordering::Relaxed)
    }
}

/// A statement's limits, in a session's space.
#[derive(Clone, Debug)]
pub struct Work {
    /// Bytes that a sort or a store may hold in memory: `work_mem`.
    pub sort_bytes: usize,
    /// Bytes that a hash table may hold: `work_mem` times `hash_mem_multiplier`.
    pub hash_bytes: usize,
    /// Bytes that the session's statements may hold in memory in all.
    pub statement_bytes: u64,
    /// Bytes of temporary files that the session may have (`temp_file_limit`), if that is limited.
    pub file_bytes: Option<u64>,
    /// Where it all is counted.
    pub space: WorkSpace,
}

impl Work {
    /// PostgreSQL's defaults, for statements of the server's own.
    pub fn standard(space: &WorkSpace) -> Work {
        Work {
            sort_bytes: 4 << 20,
            hash_bytes: 8 << 20,
            statement_bytes: 1 << 30,
            file_bytes: None,
            space: space.clone(),
        }
    }

    /// A reservation of nothing yet.
    pub(crate) fn reserve(&self) -> Reservation {
        Reservation {
            account: self.space.account.clone(),
            limit: self.statement_bytes,
            bytes: 0,
            reported: 0,
        }
    }

    /// Makes a temporary file. It has no name by the time this returns, so that it goes with its last user,
    /// however that ends.
    pub(crate) fn make_file(&self) -> PgResult<TempFile> {
        let files = &self.space.files;
        let number = files.made.fetch_add(1, Ordering::Relaxed);
        let path = files.directory.join(format!("pgsql_tmp{}.{number}", files.owner));
        let open = || OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path);
        let opened = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&files.directory).and_then(|()| open())
            }
            other => other,
        };
        let file = opened
            .and_then(|file| fs::remove_file(&path).map(|()| file))
            .map_err(|error| file_error(&error, "create"))?;
        Ok(TempFile { file, bytes: 0, limit: self.file_bytes, files: files.clone() })
    }
}

/// The bytes that a session's statements hold in memory.
#[derive(Debug, Default)]
pub struct Account {
    held: AtomicI64,
    peak: AtomicI64,
}

impl Account {
    /// Bytes held now, but for what holders have not yet reported: 64 KiB each at most.
    pub fn held_bytes(&self) -> i64 {
        self.held.load(Ordering::Relaxed)
    }

    /// The most bytes that were ever held.
    pub fn peak_bytes(&self) -> i64 {
        self.peak.load(Ordering::Relaxed)
    }
}

/// What one holder has taken of its session's account; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    account: Arc<Account>,
    limit: u64,
    bytes: usize,
    reported: usize,
}

impl Reservation {
    /// Bytes taken.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes so many more.
    ///
    /// # Errors
    /// `53200` when the session's statements hold more than they may.
    #[inline]
    pub(crate) fn add(&mut self, bytes: usize) -> PgResult<()> {
        self.bytes += bytes;
        if self.bytes >= self.reported + STEP_BYTES { self.report() } else { Ok(()) }
    }

    /// Says how many are taken in all.
    ///
    /// # Errors
    /// As [`Reservation::add`].
    pub(crate) fn set(&mut self, bytes: usize) -> PgResult<()> {
        self.bytes = bytes;
        if self.bytes.abs_diff(self.reported) >= STEP_BYTES { self.report() } else { Ok(()) }
    }

    /// Gives all back.
    pub(crate) fn clear(&mut self) {
        self.account.held.fetch_sub(self.reported as i64, Ordering::Relaxed);
        (self.bytes, self.reported) = (0, 0);
    }

    #[cold]
    fn report(&mut self) -> PgResult<()> {
        let change = self.bytes as i64 - self.reported as i64;
        let held = self.account.held.fetch_add(change, Ordering::Relaxed) + change;
        self.account.peak.fetch_max(held, Ordering::Relaxed);
        self.reported = self.bytes;
        if held.max(0) as u64 > self.limit {
            let detail = format!(
                "The statement would hold more than {} kB that cannot be written to temporary files.",
                self.limit >> 10
            );
            return Err(PgError::new(code::OUT_OF_MEMORY, "out of memory")
                .detail(detail)
                .hint("Consider raising \"redoubt.statement_memory\"."));
        }
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A session's temporary files.
#[derive(Debug)]
struct Files {
    directory: PathBuf,
    owner: i32,
    made: AtomicU64,
    bytes: AtomicU64,
}

/// A file without a name.
#[derive(Debug)]
pub(crate) struct TempFile {
    pub file: File,
    bytes: u64,
    limit: Option<u64>,
    files: Arc<Files>,
}

impl TempFile {
    /// Its length.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Counts so many bytes more, before they are written.
    ///
    /// # Errors
    /// `53400` when the session's files are larger than they may be.
    pub(crate) fn extend(&mut self, bytes: u64) -> PgResult<()> {
        let all = self.files.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bytes += bytes;
        match self.limit {
            Some(limit) if all > limit => {
                let message = format!("temporary file size exceeds temp_file_limit ({}kB)", limit >> 10);
                Err(PgError::new(code::CONFIGURATION_LIMIT_EXCEEDED, message))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        self.files.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What the file system says, as the client hears it.
pub(crate) fn file_error(error: &io::Error, action: &str) -> PgError {
    let code = if error.kind() == io::ErrorKind::StorageFull { code::DISK_FULL } else { code::IO_ERROR };
    PgError::new(code, format!("could not {action} temporary file: {error}"))
}

/// The bytes of a row in memory.
#[inline]
pub(crate) fn row_bytes(row: &[Datum]) -> usize {
    row.iter().map(|value| size_of::<Datum>() + value.payload_bytes()).sum::<usize>()
}
