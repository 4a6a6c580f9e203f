//! A session of psql that stays open: for tests in which transactions wait for one another.

use crate::Server;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// An open session. It ends when dropped.
pub struct OpenSession {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    /// What the last statements printed.
    pub printed: Vec<String>,
}

/// What psql prints behind the answers to one call.
const MARK: &str = "-- answered";

impl OpenSession {
    /// Connects.
    pub fn start(server: &Server) -> OpenSession {
        let mut child = server
            .psql_command()
            .arg("-Atq")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("piped")).lines();
        OpenSession { child, input, output, printed: Vec::new() }
    }

    /// Runs statements and waits for the answer: the last one's SQLSTATE, or nothing if the server has gone.
    pub fn run(&mut self, sql: &str) -> String {
        self.printed.clear();
        let input = self.input.as_mut().expect("open until dropped");
        if input.write_all(format!("{sql}\n\\echo {MARK} :SQLSTATE\n").as_bytes()).is_err() {
            return String::new();
        }
        // A closed pipe shows when the answer is read.
        let _flushed = input.flush();
        while let Some(Ok(line)) = self.output.next() {
            match line.strip_prefix(MARK) {
                Some(state) => return state.trim().to_string(),
                None => self.printed.push(line),
            }
        }
        String::new()
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        // psql ends with its input.
        drop(self.input.take());
        let _ended = self.child.wait();
    }
}
