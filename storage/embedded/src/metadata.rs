//! The metadata store of an embedded cluster: control files in the data directory.

use parking_lot::Mutex;
use redoubt_client::{MetadataError, MetadataStore, Revised};
use redoubt_io::{Storage, block_on};

/// One control file per key, which holds the revision and the value. Control files are replaced whole, and
/// on a full disk from reserved space. The directory's lock keeps other processes out, so that a lock in
/// this one makes a change a compare-and-set.
pub struct ControlFileMetadata<S> {
    storage: Mutex<S>,
}

impl<S: Storage> ControlFileMetadata<S> {
    /// A store in the control files of this storage whose names begin with `metadata/`.
    pub fn new(storage: S) -> Self {
        Self { storage: Mutex::new(storage) }
    }

    fn read_from(storage: &S, key: &str) -> Result<Option<Revised>, MetadataError> {
        let stored = block_on(storage.read_control(&file_name(key)));
        let Some(bytes) = stored.map_err(|error| failure(key, &error))? else { return Ok(None) };
        let Some((revision, value)) = bytes.split_first_chunk::<8>() else {
            return Err(MetadataError::Damaged(format!("{key} is cut off")));
        };
        Ok(Some(Revised { revision: u64::from_le_bytes(*revision), value: value.to_vec() }))
    }
}

impl<S: Storage + Send> MetadataStore for ControlFileMetadata<S> {
    fn read(&self, key: &str) -> Result<Option<Revised>, MetadataError> {
        Self::read_from(&self.storage.lock(), key)
    }

    fn compare_and_set(&self, key: &str, expected: Option<u64>, value: &[u8]) -> Result<u64, MetadataError> {
        let storage = self.storage.lock();
        let current = Self::read_from(&storage, key)?.map(|revised| revised.revision);
        if current != expected {
            return Err(MetadataError::Conflict);
        }
        let revision = current.unwrap_or(0) + 1;
        let mut bytes = revision.to_le_bytes().to_vec();
        bytes.extend_from_slice(value);
        let written = block_on(storage.write_control(&file_name(key), &bytes));
        written.map_err(|error| failure(key, &error))?;
        Ok(revision)
    }
}

fn file_name(key: &str) -> String {
    format!("metadata/{key}")
}

fn failure(key: &str, error: &std::io::Error) -> MetadataError {
    match error.kind() {
        std::io::ErrorKind::InvalidData => MetadataError::Damaged(format!("{key}: {error}")),
        _ => MetadataError::Failed(format!("{key}: {error}")),
    }
}
