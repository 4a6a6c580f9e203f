//! The data directory: whether it is ours, and what a new one gets.
//!
//! ```text
//! DIR/REDOUBT_VERSION   format version and mode, written last when the directory is made
//! DIR/postgresql.conf   settings
//! DIR/pg_hba.conf       who may connect
//! DIR/pgsql_tmp/        what statements hold back: files without names, nothing of it durable
//! DIR/volume/           embedded: the cluster's metadata and the nodes' files (storage)
//! ```
//!
//! What a cluster of processes keeps beside these is in `members`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The format this binary reads and writes.
pub const FORMAT_VERSION: u32 = 1;
const VERSION_FILE: &str = "REDOUBT_VERSION";

/// How a cluster runs; fixed when its directory is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Engine and storage nodes in one process.
    Embedded,
    /// A process for each.
    Processes,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Processes => "processes",
        }
    }

    /// The mode in which the cluster in a directory was made; nothing when it cannot be told.
    pub fn of(dir: &Path) -> Option<Self> {
        let text = fs::read_to_string(dir.join(VERSION_FILE)).ok()?;
        let name = text.split_whitespace().nth(1).unwrap_or(Self::Embedded.name());
        [Self::Embedded, Self::Processes].into_iter().find(|mode| mode.name() == name)
    }
}

/// What a directory turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Absent or empty: a new cluster can be made here.
    Empty,
    /// A cluster of this format and mode.
    Cluster,
    /// The remains of an initialisation that did not finish: nothing in it was ever acknowledged.
    Unfinished,
}

/// Looks without touching. The error is the one line that the user sees.
pub fn examine(dir: &Path, mode: Mode) -> Result<Found, String> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Empty),
        Err(error) => return Err(format!("could not open directory \"{}\": {error}", dir.display())),
    };
    let names: Vec<String> = entries
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_, _>>()
        .map_err(|error| format!("could not read directory \"{}\": {error}", dir.display()))?;
    if names.is_empty() {
        return Ok(Found::Empty);
    }
    let version = match fs::read_to_string(dir.join(VERSION_FILE)) {
        Ok(version) => version,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let ours = names.iter().any(|name| name == UNFINISHED_FILE);
            return if ours {
                Ok(Found::Unfinished)
            } else {
                Err(format!(
                    "directory \"{}\" is not empty and is not a Redoubt data directory",
                    dir.display()
                ))
            };
        }
        Err(error) => {
            return Err(format!("could not read \"{}\": {error}", dir.join(VERSION_FILE).display()));
        }
    };
    check_version(dir, &version, mode).map(|()| Found::Cluster)
}

fn check_version(dir: &Path, text: &str, wanted: Mode) -> Result<(), String> {
    let mut words = text.split_whitespace();
    let (version, mode) = (words.next().unwrap_or(""), words.next().unwrap_or(Mode::Embedded.name()));
    if version != FORMAT_VERSION.to_string() {
        return Err(format!(
            "directory \"{}\" has format version {version}, but this server reads version {FORMAT_VERSION}",
            dir.display()
        ));
    }
    if mode != wanted.name() {
        let with = if mode == Mode::Processes.name() { "with" } else { "without" };
        return Err(format!(
            "directory \"{}\" was made in {mode} mode; start it {with} --processes",
            dir.display()
        ));
    }
    Ok(())
}

/// Present from the first moment of an initialisation to its end.
const UNFINISHED_FILE: &str = "REDOUBT_UNFINISHED";

/// Makes the directory and marks it as being initialised. What an unfinished initialisation left
/// is removed first.
pub fn begin(dir: &Path, postgresql_conf: &str, pg_hba_conf: &str) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    write_durably(&dir.join(UNFINISHED_FILE), "This directory is being made.\n")?;
    let volume = volume_dir(dir);
    if volume.exists() {
        fs::remove_dir_all(&volume)?;
    }
    write_durably(&dir.join("postgresql.conf"), postgresql_conf)?;
    write_durably(&dir.join("pg_hba.conf"), pg_hba_conf)
}

/// Marks the directory as a finished cluster.
pub fn finish(dir: &Path, mode: Mode) -> io::Result<()> {
    write_durably(&dir.join(VERSION_FILE), &format!("{FORMAT_VERSION}\n{}\n", mode.name()))?;
    fs::remove_file(dir.join(UNFINISHED_FILE))?;
    File::open(dir)?.sync_all()
}

/// Where storage keeps its files.
pub fn volume_dir(dir: &Path) -> PathBuf {
    dir.join("volume")
}

/// Replaces a file so that after a power loss it has its old content or its new one.
pub(crate) fn write_durably(path: &Path, content: &str) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(path.parent().expect("files live in the data directory"))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("redoubt-directory-{name}-{}", std::process::id()));
        if dir.exists() {
            fs::remove_dir_all(&dir).expect("removable");
        }
        dir
    }

    #[test]
    fn a_directory_is_made_found_and_kept_from_strangers() {
        let dir = scratch("made");
        assert_eq!(examine(&dir, Mode::Embedded), Ok(Found::Empty));
        begin(&dir, "a = 1\n", "").expect("made");
        assert_eq!(examine(&dir, Mode::Embedded), Ok(Found::Unfinished));
        fs::create_dir(volume_dir(&dir)).expect("made");
        begin(&dir, "a = 1\n", "").expect("made again");
        assert!(!volume_dir(&dir).exists(), "remains of an unfinished start are removed");
        finish(&dir, Mode::Embedded).expect("finished");
        assert_eq!(examine(&dir, Mode::Embedded), Ok(Found::Cluster));
        fs::write(dir.join(VERSION_FILE), "2\n").expect("written");
        assert!(examine(&dir, Mode::Embedded).expect_err("another version").contains("format version 2"));
        fs::write(dir.join(VERSION_FILE), "1\nprocesses\n").expect("written");
        assert!(examine(&dir, Mode::Embedded).expect_err("another mode").contains("processes mode"));
        assert_eq!(examine(&dir, Mode::Processes), Ok(Found::Cluster));
        assert_eq!(Mode::of(&dir), Some(Mode::Processes));
        fs::remove_dir_all(&dir).expect("removed");
    }
}
