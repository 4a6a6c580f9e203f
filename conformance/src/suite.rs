//! Where the unpacked suite and its programs are, and what its schedules list.

use std::path::{Path, PathBuf};
use std::process::Command;

/// PostgreSQL's regression and isolation suites with the programs of the same minor version.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The directory everything was unpacked to.
    pub root: PathBuf,
    /// Debian's version of it.
    pub version: String,
}

impl Suite {
    /// Fetches the suite unless it is there. The error says what is missing, such as a network.
    pub fn fetch() -> Result<Suite, String> {
        let root = fetched("suite")?;
        let version = read(&root.join("VERSION"))?.trim().to_string();
        Ok(Suite { root, version })
    }

    /// The same suite, copied elsewhere.
    pub fn at(&self, root: PathBuf) -> Suite {
        Suite { root, version: self.version.clone() }
    }

    /// `initdb`, `postgres`, `psql`, `pg_regress`, `isolationtester` and their like.
    pub fn bin(&self) -> PathBuf {
        self.root.join("usr/lib/postgresql/15/bin")
    }

    /// Where `regress.so` is: pg_regress's `--dlpath`.
    pub fn libraries(&self) -> PathBuf {
        self.root.join("usr/lib/postgresql/15/lib")
    }

    /// The regression suite's sources: pg_regress's `--inputdir`.
    pub fn regress(&self) -> PathBuf {
        self.root.join("src/test/regress")
    }

    /// The isolation suite's sources.
    pub fn isolation(&self) -> PathBuf {
        self.root.join("src/test/isolation")
    }

    /// A directory that outlives a run, beside the suite, for what is worth keeping of it.
    pub fn kept(&self) -> PathBuf {
        self.root.parent().unwrap_or(&self.root).join("kept")
    }

    /// One of the suite's programs, with an environment of nothing but what it needs.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin().join(name));
        self.clean_environment(&mut command);
        command
    }

    /// Leaves a command the path, the suite's libraries and connections without encryption.
    pub fn clean_environment(&self, command: &mut Command) {
        command.env_clear();
        for name in ["PATH", "HOME", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("LC_ALL", "C").env("PGSSLMODE", "disable").env("PGGSSENCMODE", "disable");
        command.env("PGCONNECT_TIMEOUT", "20");
        let libraries = self.root.join("usr/lib");
        let paths = std::fs::read_dir(&libraries).into_iter().flatten().flatten().map(|entry| entry.path());
        if let Ok(joined) =
            std::env::join_paths(paths.filter(|path| path.join("libpq.so.5").exists()).collect::<Vec<_>>())
        {
            command.env("LD_LIBRARY_PATH", joined);
        }
    }

    /// The files of the regression schedule in their order.
    pub fn files(&self) -> Result<Vec<String>, String> {
        scheduled(&self.regress().join("parallel_schedule"))
    }

    /// The specs of the isolation schedule in their order.
    pub fn specs(&self) -> Result<Vec<String>, String> {
        scheduled(&self.isolation().join("isolation_schedule"))
    }
}

/// Where `tools/fetch-postgresql` has what it fetches under this name.
pub(crate) fn fetched(what: &str) -> Result<PathBuf, String> {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/fetch-postgresql");
    let output = Command::new(tool).arg(what).output().map_err(|error| format!("bash: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{what} could not be fetched:\n{}", said.trim_end()));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// The names on a schedule's `test:` lines.
fn scheduled(path: &Path) -> Result<Vec<String>, String> {
    let text = read(path)?;
    let lines = text.lines().filter_map(|line| line.strip_prefix("test:"));
    Ok(lines.flat_map(str::split_whitespace).map(str::to_string).collect())
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// A path as the arguments of programs want it.
pub fn shown(path: &Path) -> String {
    path.display().to_string()
}
