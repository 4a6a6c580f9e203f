//! A volume of several protection groups under load: mini-transactions that span groups are whole after `kill -9`.

use redoubt_conformance::noting::{NOTED_TABLE, NotingClients, check_noted};
use redoubt_conformance::{Server, pgbench, redoubt_binary, scratch_dir, unused_port};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

const BALANCES: &str = "SELECT (SELECT sum(abalance) FROM pgbench_accounts), \
     (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches), \
     (SELECT coalesce(sum(delta), 0) FROM pgbench_history)";
/// Segments of 8 MiB: pgbench's tables at scale 3 lie in more than four of them.
const SMALL_SEGMENTS: [&str; 2] = ["--segment-pages", "1024"];
const ROUNDS: u64 = 4;
const CLIENTS: u64 = 4;
/// Acknowledged transactions of the noting clients before each kill.
const BEFORE_KILL: u64 = 100;

fn load(server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(pgbench());
    command.args(["-h", "127.0.0.1", "-p", &server.port.to_string(), "-U", "postgres"]);
    command.args(arguments).arg("postgres").stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn ctl(arguments: &[&str], dir: &Path) -> String {
    let output = Command::new(redoubt_binary()).arg("ctl").args(arguments).arg("-D").arg(dir).output();
    let output = output.expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("words")
}

fn status(dir: &Path) -> Value {
    serde_json::from_str(&ctl(&["status", "--json"], dir)).expect("ctl status --json prints JSON")
}

/// How many mini-transactions with records of more than one group lie whole in a described stretch of a log.
fn spanning(log: &str) -> usize {
    let mut records: Vec<(u64, &str, bool)> = log
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.trim_start().strip_prefix("record ")?.split(' ').collect();
            // "record LSN page PAGE pg PG after ... [CPL] (N bytes)"
            Some((words[0].parse().ok()?, words[4], words.contains(&"CPL")))
        })
        .collect();
    records.sort_unstable();
    records.dedup();
    let (mut count, mut groups, mut last) = (0, BTreeSet::new(), 0);
    for (lsn, group, is_cpl) in records {
        if lsn != last + 1 {
            groups.clear();
        }
        last = lsn;
        groups.insert(group);
        if is_cpl {
            count += usize::from(groups.len() > 1);
            groups.clear();
        }
    }
    count
}

#[test]
fn mini_transactions_over_several_groups_survive_whole() {
    let dir = scratch_dir("groups").join("data");
    let server = Server::start_with(&dir, unused_port(), &SMALL_SEGMENTS);
    assert!(load(&server, &["-i", "-q", "-s", "3"]).status().expect("pgbench starts").success());
    server.psql(NOTED_TABLE);
    server.psql("CREATE INDEX kept_both ON kept (client, number, half)");
    let first = status(&dir)["writer"]["next_lsn"].as_u64().expect("a number");
    drop(server);
    let mut noted = Vec::new();
    for turn in 0..ROUNDS {
        let server = Server::start(&dir);
        let mut bench = load(&server, &["-n", "-c", "4", "-T", "600"]).spawn().expect("pgbench starts");
        let clients = NotingClients::start(&server, CLIENTS, turn * 1_000_000);
        clients.wait_for(CLIENTS * BEFORE_KILL, &server);
        server.kill();
        noted.extend(clients.finish());
        bench.wait().expect("pgbench ends when its server is gone");

        let server = Server::start(&dir);
        let when = format!("after kill {turn}");
        check_noted(&server, &noted, &when);
        let sums = server.psql(BALANCES);
        let sums: Vec<&str> = sums.split('|').collect();
        assert!(sums.iter().all(|sum| *sum == sums[0]), "{when}: {sums:?}");
        // A split of which half is there loses rows for whoever comes by the index.
        let by_table = server.psql("SELECT count(*), sum(number) FROM kept");
        let by_index = "SET enable_seqscan = off; SELECT count(*), sum(number) FROM kept WHERE client >= 0";
        assert_eq!(server.psql(by_index), by_table, "{when}: table and index disagree");
    }
    let server = Server::start(&dir);
    let status = status(&dir);
    let groups = status["writer"]["groups"].as_array().expect("a list").len();
    assert!(groups >= 4, "the volume has {groups} groups");
    let last = status["writer"]["vdl"].as_u64().expect("a number");
    drop(server);
    let log = ctl(&["inspect", "--node", "0", "--log", &format!("{first}..{last}")], &dir);
    assert!(spanning(&log) > 0, "no mini-transaction of the load spans two groups");
}

#[test]
fn a_volume_keeps_the_segments_it_was_made_with() {
    let dir = scratch_dir("groups-fixed").join("data");
    drop(Server::start_with(&dir, unused_port(), &SMALL_SEGMENTS));
    let exit = Server::start_that_fails(&dir, unused_port(), &SMALL_SEGMENTS);
    assert_ne!(exit.code, Some(0));
    assert!(
        exit.stderr.contains("holds a volume already; --segment-pages is for a new one"),
        "{}",
        exit.stderr
    );
}
