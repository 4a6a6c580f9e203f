//! The lock that keeps two processes from opening one data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const FILE_NAME: &str = ".lock";

/// Why a directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process, or another opening in this one, has it.
    #[error("{} is in use by another process{}", directory.display(), holder.as_ref().map(|pid| format!(" (PID {pid})")).unwrap_or_default())]
    Held {
        /// The directory.
        directory: PathBuf,
        /// The holder's process id as it wrote it down, if it can be read.
        holder: Option<u32>,
    },
    /// The lock file could not be used.
    #[error("could not lock {}: {source}", directory.display())]
    Io {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Holds a directory. The lock goes with the value, or with the process, however it ends; a file left behind
/// locks nothing. So whoever holds it knows that the former holder is gone.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock of an existing directory, without waiting.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn acquire(directory: &Path) -> Result<Self, LockError> {
        let io_error = |source| LockError::Io { directory: directory.to_owned(), source };
        let path = directory.join(FILE_NAME);
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = options.map_err(io_error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let holder = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(LockError::Held { directory: directory.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(io_error(source)),
        }
        // The number is for the message alone, so that a failure to write it, on a full disk say, is no matter.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let lock = DirectoryLock::acquire(directory.path()).expect("nobody has it");
        match DirectoryLock::acquire(directory.path()) {
            Err(LockError::Held { holder, .. }) => assert_eq!(holder, Some(std::process::id())),
            other => panic!("held, but: {other:?}"),
        }
        drop(lock);
        DirectoryLock::acquire(directory.path()).expect("it was given back");
        let missing = DirectoryLock::acquire(&directory.path().join("missing"));
        assert!(matches!(missing, Err(LockError::Io { .. })));
    }
}
