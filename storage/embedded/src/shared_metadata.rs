//! A metadata store that several processes of one machine use: control files, and a lock around each change.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use redoubt_client::{MetadataError, MetadataStore, Revised};
use redoubt_io::portable::{PortableOptions, PortableStorage};

use crate::metadata::ControlFileMetadata;

const LOCK_NAME: &str = ".changing";

/// Control files in a directory. Changes are made under an exclusive lock of a file beside them, which goes with the
/// process that holds it, however that ends; so a change is a compare-and-set among all processes.
/// Reading takes no lock: a file is replaced whole.
pub struct SharedFileMetadata {
    files: ControlFileMetadata<PortableStorage>,
    lock_path: PathBuf,
}

impl SharedFileMetadata {
    /// The store in a directory, which is made when it is missing.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn open(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        // Whoever opens clears away unfinished files; nobody may be making one at that moment.
        let lock_path = directory.join(LOCK_NAME);
        let _lock = lock(&lock_path)?;
        let options = PortableOptions { log_threads: 1, page_threads: 1, ..PortableOptions::default() };
        let storage = PortableStorage::open(directory, options)?;
        Ok(Self { files: ControlFileMetadata::new(storage), lock_path })
    }
}

fn lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.lock()?;
    Ok(file)
}

impl MetadataStore for SharedFileMetadata {
    fn read(&self, key: &str) -> Result<Option<Revised>, MetadataError> {
        self.files.read(key)
    }

    fn compare_and_set(&self, key: &str, expected: Option<u64>, value: &[u8]) -> Result<u64, MetadataError> {
        let failure = |error: io::Error| MetadataError::Failed(format!("{key}: {error}"));
        let _lock = lock(&self.lock_path).map_err(failure)?;
        self.files.compare_and_set(key, expected, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn of_several_who_change_the_same_one_succeeds() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let start = Barrier::new(4);
        let wins: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4_u8)
                .map(|own| {
                    let (start, directory) = (&start, directory.path());
                    scope.spawn(move || {
                        // Each with a store of its own, as in processes of their own.
                        let store = SharedFileMetadata::open(directory).expect("opened");
                        let mut wins = 0;
                        start.wait();
                        for round in 0..20 {
                            let expected = (round > 0).then_some(round);
                            match store.compare_and_set("volume", expected, &[own]) {
                                Ok(revision) => {
                                    assert_eq!(revision, round + 1);
                                    wins += 1;
                                }
                                Err(MetadataError::Conflict) => {}
                                Err(error) => panic!("{error}"),
                            }
                            start.wait();
                        }
                        wins
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(wins, 20, "one of four in each round");
        let store = SharedFileMetadata::open(directory.path()).expect("opened");
        assert_eq!(store.read("volume").expect("read").expect("there").revision, 20);
    }
}
