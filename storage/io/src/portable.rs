//! Storage in a directory of any file system, with blocking calls on a few threads.
//!
//! Log writes bypass the page cache where the file system allows it; page writes go through it, because a
//! page that is read again soon is found there for less than a trip through a ring. Flushes are
//! `fdatasync`. Two groups of threads keep a commit from queueing behind page reads.

mod control;
mod file;
mod threads;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::device::Storage;
use crate::names::check_name;
use control::ControlFiles;
pub(crate) use file::FileCore;
pub use file::{LogFile, PageFile};
pub(crate) use threads::Threads;

/// Begins the names of files in the making. No name given by a caller begins with a dot.
const UNFINISHED: &str = ".tmp-";

/// How a [`PortableStorage`] works.
#[derive(Clone, Copy, Debug)]
pub struct PortableOptions {
    /// Whether log files bypass the page cache where they can.
    pub direct_log: bool,
    /// Threads for writes and flushes of logs. Two let a write proceed while an earlier one is flushed.
    pub log_threads: usize,
    /// Threads for everything else.
    pub page_threads: usize,
}

impl Default for PortableOptions {
    fn default() -> Self {
        Self { direct_log: true, log_threads: 2, page_threads: 4 }
    }
}

/// Storage in a directory. Clones share it; the threads end with the last clone and the last open file.
#[derive(Clone, Debug)]
pub struct PortableStorage {
    root: Arc<Path>,
    control: Arc<ControlFiles>,
    log_threads: Arc<Threads>,
    page_threads: Arc<Threads>,
    direct_log: bool,
}

impl PortableStorage {
    /// Opens a directory, creating it when it is missing, and clears away what a crash left unfinished. Blocks.
    ///
    /// Nothing here keeps another process out: see [`crate::DirectoryLock`].
    ///
    /// # Errors
    /// Whatever the system reports. A full disk is no error as such.
    pub fn open(root: &Path, options: PortableOptions) -> io::Result<Self> {
        create_directories(root)?;
        sync_parent(root)?;
        tidy_up(root)?;
        Ok(Self {
            root: root.into(),
            control: Arc::new(ControlFiles::open(root)?),
            log_threads: Threads::start("redoubt-log-io", options.log_threads)?,
            page_threads: Threads::start("redoubt-page-io", options.page_threads)?,
            direct_log: options.direct_log,
        })
    }

    /// Opens a log for someone who makes the transfers himself: its path, the file, and threads for what blocks.
    pub(crate) async fn open_log_core(
        &self,
        name: &str,
        len_bytes: u64,
    ) -> io::Result<(PathBuf, FileCore, Arc<Threads>)> {
        let (path, direct) = (self.path(name)?, self.direct_log);
        let opened = path.clone();
        let core = self.page_threads.run(move || FileCore::open_log(&opened, len_bytes, direct)).await?;
        Ok((path, core, Arc::clone(&self.log_threads)))
    }

    /// The same for a page file.
    pub(crate) async fn open_pages_core(&self, name: &str) -> io::Result<(PathBuf, FileCore, Arc<Threads>)> {
        let path = self.path(name)?;
        let opened = path.clone();
        let core = self.page_threads.run(move || FileCore::open_pages(&opened)).await?;
        Ok((path, core, Arc::clone(&self.page_threads)))
    }

    /// The threads for everything that no commit waits for.
    pub(crate) fn page_threads(&self) -> Arc<Threads> {
        Arc::clone(&self.page_threads)
    }

    fn path(&self, name: &str) -> io::Result<PathBuf> {
        check_name(name)?;
        Ok(self.root.join(name))
    }
}

impl Storage for PortableStorage {
    type Log = LogFile;
    type Pages = PageFile;

    async fn open_log(&self, name: &str, len_bytes: u64) -> io::Result<LogFile> {
        let (_, core, threads) = self.open_log_core(name, len_bytes).await?;
        Ok(LogFile::new(core, threads))
    }

    async fn open_pages(&self, name: &str) -> io::Result<PageFile> {
        let (_, core, threads) = self.open_pages_core(name).await?;
        Ok(PageFile::new(core, threads))
    }

    async fn write_control(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (path, control, bytes) = (self.path(name)?, Arc::clone(&self.control), bytes.to_vec());
        self.page_threads.run(move || control.write(&path, &bytes)).await
    }

    async fn read_control(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.path(name)?;
        self.page_threads.run(move || control::read(&path)).await
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        let path = self.path(name)?;
        self.page_threads
            .run(move || match fs::remove_file(&path) {
                Ok(()) => sync_parent(&path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            })
            .await
    }

    async fn names(&self) -> io::Result<Vec<String>> {
        let root = Arc::clone(&self.root);
        self.page_threads
            .run(move || {
                let mut names = Vec::new();
                visit_files(&root, &mut |path| {
                    let name = path.strip_prefix(&root).ok().and_then(Path::to_str);
                    names.extend(name.filter(|name| check_name(name).is_ok()).map(str::to_owned));
                    Ok(())
                })?;
                names.sort();
                Ok(names)
            })
            .await
    }
}

/// Makes a directory entry durable.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Creates a directory and those above it, each entry durable before anything is put below it.
fn create_directories(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_directories(parent)?;
    }
    match fs::create_dir(path) {
        Ok(()) => sync_parent(path),
        // Another thread may have been faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => sync_parent(path),
        Err(error) => Err(error),
    }
}

/// The name under which a file is made before it gets its own.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(UNFINISHED);
    name.push(path.file_name().expect("checked names end in a file name"));
    path.with_file_name(name)
}

/// Makes a file so that it is under its name either complete and durable, or not at all.
///
/// A flush that fails is not tried again: the unfinished file is given up, and with it what it held.
fn create_atomically(path: &Path, fill: impl FnOnce(&File, &Path) -> io::Result<()>) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        create_directories(parent)?;
    }
    let temporary = unfinished(path);
    let create = || {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&temporary)?;
        fill(&file, &temporary)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    if let Err(error) = create() {
        // Leaving it would only take space, until the next opening removes it.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_parent(path)
}

/// Removes what a crash left unfinished, and makes durable the directories that the last process had
/// created and may not have come to flush; what is flushed below one must not hang on its entry.
fn tidy_up(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && is_named_by_us(&entry) {
            tidy_up(&entry.path())?;
        } else if kind.is_file()
            && entry.file_name().to_str().is_some_and(|name| name.starts_with(UNFINISHED))
        {
            fs::remove_file(entry.path())?;
        }
    }
    File::open(directory)?.sync_all()
}

fn visit_files(directory: &Path, visit: &mut impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && is_named_by_us(&entry) {
            visit_files(&entry.path(), visit)?;
        } else if kind.is_file() {
            visit(&entry.path())?;
        }
    }
    Ok(())
}

/// Leaves alone what else may be in the directory: a file system's `lost+found` cannot even be listed.
fn is_named_by_us(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_str().is_some_and(|name| check_name(name).is_ok())
}
