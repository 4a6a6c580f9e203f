//! A socket in a member's directory on which it says how it is: one JSON document per connection. Whoever may
//! enter the directory may ask.

use serde_json::Value;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

const NAME: &str = "control";
/// How long one end waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers while it lives.
pub(crate) struct Control {
    path: Option<PathBuf>,
}

impl Control {
    /// Begins to answer. A member whose socket cannot be made, because its path is too long for one, say, goes on
    /// without and says so in the log.
    pub(crate) fn serve(directory: &Path, describe: impl Fn() -> Value + Send + 'static) -> Self {
        let path = directory.join(NAME);
        // Left by a member that was killed.
        let _ = fs::remove_file(&path);
        let started = UnixListener::bind(&path).and_then(|listener| {
            let answer = move || {
                for stream in listener.incoming() {
                    // A caller that has gone in the meantime wants no answer.
                    let _ = stream.and_then(|stream| say(stream, &describe()));
                }
            };
            std::thread::Builder::new().name("redoubt-control".into()).spawn(answer)
        });
        match started {
            Ok(_) => Self { path: Some(path) },
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no control socket: ctl status will not see this member");
                Self { path: None }
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

fn say(mut stream: UnixStream, document: &Value) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(document.to_string().as_bytes())
}

/// Asks the member whose directory this is; nothing when it does not run.
pub(crate) fn ask(directory: &Path) -> Option<Value> {
    let mut stream = UnixStream::connect(directory.join(NAME)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// Whether a member has a control socket, as it does once it is ready.
pub(crate) fn is_there(directory: &Path) -> bool {
    UnixStream::connect(directory.join(NAME)).is_ok()
}
