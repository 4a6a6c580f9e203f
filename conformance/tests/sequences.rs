//! Sequences and `kill -9`: no value is handed out twice.

use redoubt_conformance::{OpenSession, Server, scratch_dir};
use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

const CLIENTS: usize = 4;
const ROUNDS: usize = 6;
/// Values handed out to all clients before the server is killed.
const BEFORE_KILL: u64 = 300;

/// Takes values until the server is gone. Some in transactions that are taken back or never end: a value that was
/// shown counts, whatever becomes of the transaction.
fn take(server: &Server, client: usize, taken: &AtomicU64) -> Vec<i64> {
    let mut session = OpenSession::start(server);
    let mut values = Vec::new();
    for turn in 0.. {
        let sql = match (turn + client) % 3 {
            0 => "SELECT nextval('s');".to_string(),
            1 => "BEGIN; SELECT nextval('s'); ROLLBACK;".to_string(),
            _ => "INSERT INTO t DEFAULT VALUES RETURNING id;".to_string(),
        };
        let state = session.run(&sql);
        values.extend(session.printed.iter().filter_map(|line| line.parse::<i64>().ok()));
        taken.fetch_add(1, Ordering::Relaxed);
        if state != "00000" {
            break;
        }
    }
    values
}

#[test]
fn no_value_is_handed_out_twice() {
    let dir = scratch_dir("sequences").join("data");
    let server = Server::start(&dir);
    server.psql("CREATE SEQUENCE s; CREATE TABLE t (id bigint DEFAULT nextval('s'), x int)");
    drop(server);
    let mut seen: HashMap<i64, usize> = HashMap::new();
    for round in 0..ROUNDS {
        let server = Server::start(&dir);
        let taken = AtomicU64::new(0);
        let all = thread::scope(|scope| {
            let (server, taken) = (&server, &taken);
            let start = |client| scope.spawn(move || take(server, client, taken));
            let clients: Vec<_> = (0..CLIENTS).map(start).collect();
            while taken.load(Ordering::Relaxed) < BEFORE_KILL {
                assert!(!clients.iter().all(|client| client.is_finished()), "{}", server.log_tail());
                thread::yield_now();
            }
            let killed = Command::new("kill").args(["-9", &server.pid().to_string()]).status();
            assert!(killed.expect("kill runs").success(), "{}", server.log_tail());
            let values = clients.into_iter().flat_map(|client| client.join().expect("the client thread"));
            values.collect::<Vec<i64>>()
        });
        for value in all {
            if let Some(before) = seen.insert(value, round) {
                panic!("{value} was handed out in round {before} and again in round {round}");
            }
        }
    }
    assert!(seen.len() as u64 >= ROUNDS as u64 * BEFORE_KILL / 2, "only {} values", seen.len());
}
