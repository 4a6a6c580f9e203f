//! PostgreSQL's own run of the suite: it proves the harness, and is what our answers are held against.
//! It takes some minutes, so its recordings are kept beside the suite.

use crate::compare::{Expected, pair};
use crate::recording::{Exchange, load, save};
use crate::regress::Run;
use crate::server::{scratch_dir, unused_port};
use crate::suite::Suite;
use crate::target::{Target, run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Goes up whenever recordings get another form or the runs another set-up.
const FORMAT: u32 = 2;
/// What pg_resetwal gives the second cluster: other OIDs and transaction ids than the first has.
const OTHER_NUMBERS: &[&str] = &["-o", "400000", "-x", "20000"];

/// The kept recordings.
pub struct Reference {
    directory: PathBuf,
}

impl Reference {
    /// Makes the recordings unless they are kept. Fails if PostgreSQL does not pass its own suite
    /// here, because then the harness is wrong. `progress` hears what is being run.
    pub fn ready(suite: &Suite, mut progress: impl FnMut(&str)) -> Result<Reference, String> {
        let directory = suite.kept().join(format!("reference-{}-{FORMAT}", suite.version));
        let reference = Reference { directory };
        if reference.directory.join("complete").exists() {
            return Ok(reference);
        }
        let mut proof = String::new();
        for (which, reset) in [("first", &[] as &[&str]), ("second", OTHER_NUMBERS)] {
            proof.push_str(&reference.record(suite, which, reset, &mut progress)?);
        }
        let complete = reference.directory.join("complete");
        fs::write(&complete, proof).map_err(|error| format!("{}: {error}", complete.display()))?;
        Ok(reference)
    }

    /// One run of everything; returns the line that says so.
    fn record(
        &self,
        suite: &Suite,
        which: &str,
        reset: &'static [&'static str],
        progress: &mut impl FnMut(&str),
    ) -> Result<String, String> {
        let directory = self.directory.join(which);
        fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        let home = scratch_dir("reference");
        let copy = readable_copy(suite, &home)?;
        let target = |name: &str| Target::postgres(&copy, reset, home.join(name), unused_port());
        let mut failed = Vec::new();
        let mut regression = Run::start(&copy, target("regress"), home.join("out"), "regression")?;
        let files = copy.files()?;
        for name in &files {
            progress(&format!("PostgreSQL, {which} recording: {name}"));
            let file = regression.file(name)?;
            save(&directory.join(format!("{name}.jsonl")), &file.exchanges)?;
            if !file.passed {
                failed.push(name.clone());
            }
        }
        let mut differences = regression.differences();
        drop(regression);
        let specs = copy.specs()?;
        let mut isolation =
            Run::start(&copy, target("isolation"), home.join("isolation"), "isolation_regression")?;
        for name in &specs {
            progress(&format!("PostgreSQL, {which} recording: spec {name}"));
            if !isolation.spec(name)?.passed {
                failed.push(name.clone());
            }
        }
        differences.push_str(&isolation.differences());
        drop(isolation);
        fs::remove_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
        if !failed.is_empty() {
            return Err(format!("PostgreSQL fails its own suite here: {}\n{differences}", failed.join(" ")));
        }
        Ok(format!("PostgreSQL {}: {} files and {} specs passed\n", suite.version, files.len(), specs.len()))
    }

    /// What PostgreSQL did in one file.
    pub fn file(&self, name: &str) -> Result<Vec<Expected>, String> {
        let read = |which: &str| -> Result<Vec<Exchange>, String> {
            load(&self.directory.join(which).join(format!("{name}.jsonl")))
        };
        Ok(pair(read("first")?, &read("second")?))
    }

    /// What the two runs proved.
    pub fn proof(&self) -> String {
        fs::read_to_string(self.directory.join("complete")).unwrap_or_default()
    }
}

/// The suite where PostgreSQL can read it, which may run as another user than we do, one that cannot see our home.
pub fn readable_copy(suite: &Suite, home: &Path) -> Result<Suite, String> {
    run(Command::new("chmod").arg("755").arg(home))?;
    run(Command::new("cp").arg("-R").arg(&suite.root).arg(home.join("suite")))?;
    Ok(suite.at(home.join("suite")))
}
