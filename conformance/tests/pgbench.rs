//! pgbench as its users run it: every load, protocol and number of clients without an error, balances that
//! agree, and kills in the middle of it that lose nothing.

use redoubt_conformance::noting::{NOTED_TABLE, NotingClients, check_noted};
use redoubt_conformance::{Server, pgbench, scratch_dir};
use std::process::{Command, Stdio};

/// The four tables' balances, which TPC-B keeps equal.
const BALANCES: &str = "SELECT (SELECT sum(abalance) FROM pgbench_accounts), \
     (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches), \
     (SELECT coalesce(sum(delta), 0) FROM pgbench_history)";

fn command(server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(pgbench());
    command.args(["-h", "127.0.0.1", "-p", &server.port.to_string(), "-U", "postgres"]);
    command.args(arguments).arg("postgres");
    command
}

/// Runs pgbench to its end, which must be a good one.
fn run(server: &Server, arguments: &[&str]) -> String {
    let output = command(server, arguments).output().expect("pgbench starts");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "pgbench {arguments:?}\n{text}{errors}\n{}", server.log_tail());
    text.into_owned()
}

fn balances(server: &Server) -> Vec<String> {
    server.psql(BALANCES).split('|').map(str::to_string).collect()
}

#[test]
fn every_load_protocol_and_number_of_clients() {
    let server = Server::start(&scratch_dir("pgbench").join("data"));
    run(&server, &["-i", "-q", "-s", "2", "-I", "dtGvpf"]);
    run(&server, &["-i", "-q", "-s", "2", "--foreign-keys"]);
    assert_eq!(server.psql("SELECT count(*) FROM pgbench_accounts"), "200000");
    let (mut expected_history, mut only_accounts) = (0, 0);
    for (load, changes) in [(&["-b", "tpcb-like"], true), (&["-b", "select-only"], false)] {
        for protocol in ["simple", "extended", "prepared"] {
            for clients in [1, 8, 32] {
                let (clients_text, count) = (clients.to_string(), (160 / clients).to_string());
                let mut arguments = vec!["-n", "-M", protocol, "-c", &clients_text, "-t", &count];
                arguments.extend(load);
                let text = run(&server, &arguments);
                assert!(text.contains("number of failed transactions: 0 "), "{text}");
                expected_history += if changes { 160 } else { 0 };
            }
        }
    }
    let sums = balances(&server);
    assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
    for protocol in ["simple", "extended", "prepared"] {
        run(&server, &["-n", "-N", "-M", protocol, "-c", "8", "-t", "20"]);
        only_accounts += 160;
    }
    let sums = balances(&server);
    assert_eq!(sums[0], sums[3], "after -N accounts and history agree: {sums:?}");
    let history: u32 = server.psql("SELECT count(*) FROM pgbench_history").parse().expect("a number");
    assert_eq!(history, expected_history + only_accounts);
    server.psql("VACUUM ANALYZE");
    assert_eq!(balances(&server), sums);
    assert_eq!(server.psql("SELECT count(*) FROM pgbench_accounts"), "200000");
}

/// Kills under TPC-B, with four clients beside it that note each row that was acknowledged.
#[test]
fn balances_agree_after_kill_9() {
    const ROUNDS: u64 = 20;
    const CLIENTS: u64 = 4;
    const BEFORE_KILL: u64 = 25;
    /// Transactions of pgbench that were seen committed before the clients begin.
    const LOAD_BEFORE_KILL: u64 = 50;
    let dir = scratch_dir("pgbench-kills").join("data");
    let server = Server::start(&dir);
    run(&server, &["-i", "-q", "-s", "1"]);
    server.psql(NOTED_TABLE);
    drop(server);
    let mut noted = Vec::new();
    let mut history = 0;
    for turn in 0..ROUNDS {
        let server = Server::start(&dir);
        let protocol = ["simple", "extended", "prepared"][turn as usize % 3];
        let mut load = command(&server, &["-n", "-M", protocol, "-c", "8", "-T", "600"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pgbench starts");
        // The kill comes when pgbench is in the middle of its work, not while it connects.
        while rows_of_history(&server) < history + LOAD_BEFORE_KILL {
            assert!(load.try_wait().expect("pgbench can be asked").is_none(), "pgbench gave up");
        }
        let clients = NotingClients::start(&server, CLIENTS, turn * 1_000_000);
        clients.wait_for(CLIENTS * BEFORE_KILL, &server);
        server.kill();
        noted.extend(clients.finish());
        load.wait().expect("pgbench ends when its server is gone");
        let server = Server::start(&dir);
        let when = format!("after kill {turn}");
        check_noted(&server, &noted, &when);
        let sums = balances(&server);
        assert!(sums.iter().all(|sum| *sum == sums[0]), "{when}: {sums:?}");
        let rows = rows_of_history(&server);
        assert!(rows >= history + LOAD_BEFORE_KILL, "{when}: history went from {history} rows to {rows}");
        history = rows;
    }
}

fn rows_of_history(server: &Server) -> u64 {
    server.psql("SELECT count(*) FROM pgbench_history").parse().expect("a number")
}
