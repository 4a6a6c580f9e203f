//! Server processes that are the bench's own, and end with it.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The beginning of a command whose process the kernel kills when the bench ends, however it does (setpriv(1), which is in
/// util-linux).
pub fn ending_with_us() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    command
}

/// A process that is killed when it is dropped.
pub struct Owned(Child);

impl Owned {
    /// Starts it; what it says goes to the end of `log`.
    pub fn start(mut command: Command, log: &Path) -> Result<Owned, String> {
        let file = OpenOptions::new().create(true).append(true).open(log);
        let file = file.map_err(|error| format!("{}: {error}", log.display()))?;
        let again = file.try_clone().map_err(|error| error.to_string())?;
        command.stdin(Stdio::null()).stdout(file).stderr(again);
        command.spawn().map(Owned).map_err(|error| format!("{command:?}: {error}"))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// `kill -9`, and its descendants with it. All are gone when it returns, and their locks and ports with them.
    pub fn kill(&mut self) {
        let mut all = crate::accounting::tree(self.pid());
        // Parents first: one that starts its children again must not outlive them.
        all.retain(|pid| *pid != self.pid());
        let _gone = self.0.kill();
        for pid in &all {
            // One that has ended by itself is as good.
            let _gone = Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status();
        }
        let _reaped = self.0.wait();
        while all.iter().any(|pid| crate::accounting::is_running(*pid)) {
            std::thread::yield_now();
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.kill();
    }
}
