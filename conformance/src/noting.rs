//! Clients that write rows and note which of them were acknowledged: the witnesses of every test that kills a
//! server.

use crate::Server;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// The table that the clients write to.
pub const NOTED_TABLE: &str = "CREATE TABLE kept (client int, number int, half text)";

/// A row that was acknowledged: client and number.
pub type Noted = (u64, u64);

/// Clients under way.
pub struct NotingClients {
    clients: Vec<(Child, JoinHandle<Vec<u64>>)>,
    acknowledged: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl NotingClients {
    /// Starts clients that insert numbered pairs of rows, each pair in a transaction, and note a number only when
    /// the server has answered its COMMIT.
    pub fn start(server: &Server, clients: u64, first: u64) -> NotingClients {
        let acknowledged = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let start = |client| start_client(server, client, first, acknowledged.clone(), stop.clone());
        NotingClients { clients: (0..clients).map(start).collect(), acknowledged, stop }
    }

    /// How many transactions have been acknowledged to all clients together.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many transactions have been acknowledged to all clients together.
    ///
    /// # Panics
    /// When all clients have given up before.
    pub fn wait_for(&self, acknowledged: u64, server: &Server) {
        while self.acknowledged.load(Ordering::Relaxed) < acknowledged {
            assert!(
                self.clients.iter().any(|(_, thread)| !thread.is_finished()),
                "all clients gave up:\n{}",
                server.log_tail()
            );
            std::thread::yield_now();
        }
    }

    /// Ends the clients and returns what they noted.
    pub fn finish(self) -> Vec<Noted> {
        self.stop.store(true, Ordering::Relaxed);
        let mut noted = Vec::new();
        for (number, (mut child, thread)) in (0..).zip(self.clients) {
            noted.extend(thread.join().expect("the client thread").into_iter().map(|row| (number, row)));
            child.wait().expect("psql ends");
        }
        noted
    }
}

fn start_client(
    server: &Server,
    client: u64,
    first: u64,
    acknowledged: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) -> (Child, JoinHandle<Vec<u64>>) {
    let mut child = server
        .psql_command()
        .args(["-Atq", "-v", "ON_ERROR_STOP=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("psql starts");
    let mut input = child.stdin.take().expect("piped");
    let output = child.stdout.take().expect("piped");
    let thread = std::thread::spawn(move || {
        let mut noted = Vec::new();
        let mut lines = BufReader::new(output).lines();
        for number in first.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let sql = format!(
                "BEGIN; INSERT INTO kept VALUES ({client}, {number}, 'a'); \
                 INSERT INTO kept VALUES ({client}, {number}, 'b'); COMMIT;\n\\echo {number}\n"
            );
            if input.write_all(sql.as_bytes()).and_then(|()| input.flush()).is_err() {
                break;
            }
            // psql stops at the first error, so an echo means that COMMIT was answered.
            match lines.next() {
                Some(Ok(line)) if line == number.to_string() => {
                    noted.push(number);
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                _ => break,
            }
        }
        noted
    });
    (child, thread)
}

/// Asserts that every noted pair is there, and that no pair is half there.
///
/// # Panics
/// When a row is missing.
pub fn check_noted(server: &Server, noted: &[Noted], when: &str) {
    let rows = server.psql("SELECT client, number, half FROM kept");
    let mut halves = BTreeMap::<Noted, Vec<&str>>::new();
    for row in rows.lines() {
        let fields: Vec<&str> = row.split('|').collect();
        let key = (fields[0].parse().expect("client"), fields[1].parse().expect("number"));
        halves.entry(key).or_default().push(fields[2]);
    }
    for key in noted {
        assert!(halves.contains_key(key), "acknowledged row {key:?} is gone {when}");
    }
    for (key, found) in &mut halves {
        found.sort_unstable();
        assert_eq!(found, &["a", "b"], "transaction {key:?} is not whole {when}");
    }
}
