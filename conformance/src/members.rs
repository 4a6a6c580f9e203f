//! The members of a cluster of processes: what they say, their ends, and starting one by itself.

use crate::redoubt_binary;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A member's process id.
///
/// # Panics
/// When it does not run.
pub fn pid(dir: &Path, member: &str) -> String {
    let path = dir.join(member).join("pid");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.split_whitespace().next().expect("a process id").to_string()
}

/// Sends a member a signal.
///
/// # Panics
/// When it does not run.
pub fn signal(dir: &Path, member: &str, signal: &str) {
    let sent = Command::new("kill").args([signal, &pid(dir, member)]).status().expect("kill runs");
    assert!(sent.success(), "{member} was not running");
}

/// Kills a member, and waits until it is gone: it may be started again then.
///
/// # Panics
/// When it does not run.
pub fn kill_9(dir: &Path, member: &str) {
    let process = Path::new("/proc").join(pid(dir, member));
    signal(dir, member, "-9");
    // Somebody else's child may stay as a zombie ("PID (name) Z ..."), which holds nothing any more once its other
    // threads have ended, too: the first may be the first to go, and locks go with the last.
    let lives = || match std::fs::read_to_string(process.join("stat")) {
        Err(_) => false,
        Ok(stat) => {
            !stat.contains(") Z ")
                || std::fs::read_dir(process.join("task")).is_ok_and(|tasks| tasks.count() > 1)
        }
    };
    while lives() {
        std::thread::yield_now();
    }
}

/// A member that a test has started again by itself. It ends with the value.
pub struct Member(Child);

impl Member {
    /// `redoubt start --processes` with further arguments: `--node 3`, say.
    ///
    /// # Panics
    /// When the binary does not start.
    pub fn start(dir: &Path, arguments: &[&str]) -> Member {
        let mut command = Command::new(redoubt_binary());
        command.arg("start").arg("-D").arg(dir).arg("--processes").args(arguments);
        // What it says is shown with the test's own output.
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        Member(command.spawn().expect("the binary starts"))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// What `ctl status --json` says.
///
/// # Panics
/// When it fails.
pub fn status(dir: &Path) -> Value {
    let output = Command::new(redoubt_binary())
        .args(["ctl", "status", "--json", "-D"])
        .arg(dir)
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("ctl status --json prints JSON")
}
