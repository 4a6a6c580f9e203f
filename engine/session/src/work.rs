//! How much a session's statements may hold, by its settings.

use crate::session::Session;
use crate::settings::{Parameter, Settings};
use redoubt_exec::{Work, WorkSpace};
use std::path::PathBuf;

/// Where temporary files go: they have names for a moment only.
pub(crate) fn directory(settings: &Settings) -> PathBuf {
    match settings.text(Parameter::DataDirectory) {
        "" => std::env::temp_dir(),
        directory => PathBuf::from(directory).join("pgsql_tmp"),
    }
}

/// Removes temporary files that a server has left which died at the wrong moment.
pub(crate) fn clean(settings: &Settings) {
    if settings.text(Parameter::DataDirectory).is_empty() {
        return;
    }
    let directory = directory(settings);
    if let Err(error) = WorkSpace::clean(&directory) {
        tracing::warn!(directory = %directory.display(), %error, "temporary files could not be removed");
    }
}

/// A new session's space.
pub(crate) fn space(settings: &Settings, process_id: i32) -> WorkSpace {
    WorkSpace::new(directory(settings), process_id)
}

impl Session {
    /// What a statement that starts now may hold.
    pub(crate) fn work(&self) -> Work {
        let settings = &self.settings;
        let sort_bytes = settings.int(Parameter::WorkMem) as usize * 1024;
        let hash_bytes = sort_bytes as f64 * settings.real(Parameter::HashMemMultiplier);
        Work {
            sort_bytes,
            hash_bytes: hash_bytes.min(usize::MAX as f64) as usize,
            statement_bytes: settings.int(Parameter::StatementMemory) as u64 * 1024,
            file_bytes: u64::try_from(settings.int(Parameter::TempFileLimit)).ok().map(|kib| kib * 1024),
            space: self.work_space.clone(),
        }
    }
}
