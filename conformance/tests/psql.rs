//! psql as a person uses it: Ctrl-C and the TAB key.

use redoubt_conformance::{Server, scratch_dir};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long anything may take before the test fails.
const LIMIT: Duration = Duration::from_secs(60);

fn start(name: &str) -> Server {
    Server::start(&scratch_dir(name).join("data"))
}

/// psql on a terminal of its own (`script` makes it).
struct Terminal {
    child: std::process::Child,
    input: std::process::ChildStdin,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    fn open(server: &Server) -> Terminal {
        let psql = format!("psql -X -h 127.0.0.1 -p {} -U postgres -d postgres", server.port);
        let mut child = Command::new("script")
            .args(["-qec", &psql, "/dev/null"])
            .env("TERM", "dumb")
            .env("PAGER", "cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script is part of every Debian");
        let input = child.stdin.take().expect("piped");
        let mut stdout = child.stdout.take().expect("piped");
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = stdout.read(&mut buffer) {
                if count == 0 || sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal { child, input, output, seen: String::new() }
    }

    fn type_keys(&mut self, keys: &str) {
        self.seen.clear();
        self.input.write_all(keys.as_bytes()).expect("psql reads");
        self.input.flush().expect("psql reads");
    }

    /// Waits until a text has appeared since the last keys.
    fn shows(&mut self, text: &str) {
        while !self.seen.contains(text) {
            match self.output.recv_timeout(LIMIT) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("{text:?} does not show ({error}):\n{}", self.seen),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn ctrl_c_cancels_the_statement_and_not_the_session() {
    let server = start("ctrl-c");
    let mut terminal = Terminal::open(&server);
    terminal.shows("postgres=#");
    terminal.type_keys("SELECT pg_sleep(600);\n");
    let running =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'";
    let deadline = Instant::now() + LIMIT;
    while server.psql(running) != "1" {
        assert!(Instant::now() < deadline, "the statement does not show in pg_stat_activity");
    }
    terminal.type_keys("\u{3}");
    terminal.shows("ERROR:  canceling statement due to user request");
    terminal.shows("postgres=#");
    terminal.type_keys("SELECT 'still ' || 'here';\n");
    terminal.shows("still here");
}

#[test]
fn tab_completes_names() {
    let server = start("tab");
    server.psql("CREATE TABLE measurements (station int, temperature int); CREATE SCHEMA weather; CREATE ROLE meteorologist");
    let mut terminal = Terminal::open(&server);
    terminal.shows("postgres=#");
    for (keys, shows) in [
        ("SELECT * FROM measur\t", "measurements"),
        ("INSERT INTO meas\t", "measurements"),
        ("ALTER TABLE measurements DROP COLUMN temp\t", "temperature"),
        ("DROP TABLE measu\t", "measurements"),
        ("SET search_path TO wea\t", "weather"),
        ("GRANT SELECT ON measurements TO mete\t", "meteorologist"),
        ("SHOW statement_t\t", "statement_timeout"),
        ("\\d measur\t", "measurements"),
        ("SET enable_seqs\t", "enable_seqscan"),
    ] {
        terminal.type_keys(keys);
        terminal.shows(shows);
        // The line is thrown away, and a fresh prompt answers.
        terminal.type_keys("\u{15}SELECT 'next';\n");
        terminal.shows("(1 row)");
        terminal.shows("postgres=#");
    }
}
