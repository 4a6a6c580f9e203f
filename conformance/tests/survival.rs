//! A row survives: `kill -9` under load, again and again, loses nothing that was acknowledged and
//! shows nothing that was not whole.

use redoubt_conformance::{Server, scratch_dir};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

const CLIENTS: u64 = 4;
const ROUNDS: u64 = 10;
/// Acknowledged transactions per client before the server is killed.
const BEFORE_KILL: u64 = 40;

/// A psql that inserts numbered pairs of rows in transactions and notes each as acknowledged only
/// when the server has said so.
struct Client {
    child: Child,
    thread: JoinHandle<Vec<u64>>,
}

fn start_client(
    server: &Server,
    client: u64,
    first: u64,
    acknowledged: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
) -> Client {
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
    Client { child, thread }
}

/// Runs the load until enough is acknowledged, kills the server, and returns what was noted.
fn round(dir: &Path, first: u64) -> Vec<(u64, u64)> {
    let server = Server::start(dir);
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(AtomicU64::new(0));
    let clients: Vec<Client> = (0..CLIENTS)
        .map(|client| start_client(&server, client, first, acknowledged.clone(), stop.clone()))
        .collect();
    while acknowledged.load(Ordering::Relaxed) < CLIENTS * BEFORE_KILL {
        assert!(
            clients.iter().any(|client| !client.thread.is_finished()),
            "all clients gave up:\n{}",
            server.log_tail()
        );
        std::thread::yield_now();
    }
    server.kill();
    stop.store(true, Ordering::Relaxed);
    let mut noted = Vec::new();
    for (number, mut client) in (0..CLIENTS).zip(clients) {
        noted.extend(client.thread.join().expect("the client thread").into_iter().map(|row| (number, row)));
        client.child.wait().expect("psql ends");
    }
    noted
}

#[test]
fn acknowledged_rows_survive_kill_9() {
    let dir = scratch_dir("survival").join("data");
    let server = Server::start(&dir);
    server.psql("CREATE TABLE kept (client int, number int, half text)");
    drop(server);
    let mut noted = Vec::new();
    for turn in 0..ROUNDS {
        noted.extend(round(&dir, turn * 1_000_000));
        let server = Server::start(&dir);
        let rows = server.psql("SELECT client, number, half FROM kept");
        let mut halves = std::collections::BTreeMap::<(u64, u64), Vec<String>>::new();
        for row in rows.lines() {
            let fields: Vec<&str> = row.split('|').collect();
            let key = (fields[0].parse().expect("client"), fields[1].parse().expect("number"));
            halves.entry(key).or_default().push(fields[2].to_string());
        }
        for key in &noted {
            assert!(halves.contains_key(key), "acknowledged row {key:?} is gone after round {turn}");
        }
        for (key, found) in &mut halves {
            found.sort();
            assert_eq!(found, &["a", "b"], "transaction {key:?} is not whole after round {turn}");
        }
    }
}

#[test]
fn a_clean_stop_and_a_second_start_keep_everything() {
    let dir = scratch_dir("restart").join("data");
    let server = Server::start(&dir);
    server.psql("CREATE TABLE t (a int, b text)");
    server.psql("INSERT INTO t VALUES (1, 'one'), (2, NULL)");
    assert_eq!(server.stop(), Some(0));
    let server = Server::start(&dir);
    assert_eq!(server.psql("SELECT a, b FROM t"), "1|one\n2|");
}
