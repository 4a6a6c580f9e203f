//! A node whose directory was deleted, while two others lag: it returns under new segments' names, counts once they are
//! complete, and nothing is lost.

use redoubt_conformance::members::{Member, kill_9, signal, status};
use redoubt_conformance::noting::{NOTED_TABLE, NotingClients, check_noted};
use redoubt_conformance::{Server, pgbench, scratch_dir, unused_port};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const BALANCES: &str = "SELECT (SELECT sum(abalance) FROM pgbench_accounts), \
     (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches), \
     (SELECT coalesce(sum(delta), 0) FROM pgbench_history)";
/// Several groups, and logs that are soon made into images.
const SMALL: [&str; 7] = [
    "--processes",
    "--segment-pages",
    "1024",
    "-c",
    "redoubt.log_size=128MB",
    "-c",
    "redoubt.log_lazy_size=16MB",
];
/// Acknowledged transactions of the noting clients in each part of the test.
const AT_LEAST: u64 = 100;
/// How long anything may take that must happen.
const LIMIT: Duration = Duration::from_secs(180);

fn load(server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new(pgbench());
    command.args(["-h", "127.0.0.1", "-p", &server.port.to_string(), "-U", "postgres"]);
    command.args(arguments).arg("postgres").stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn eventually(what: &str, server: &Server, dir: &Path, mut is_so: impl FnMut(&Value) -> bool) {
    let deadline = Instant::now() + LIMIT;
    loop {
        let status = status(dir);
        if is_so(&status) {
            return;
        }
        assert!(Instant::now() < deadline, "not in time: {what}\n{status:#}\n{}", server.log_tail());
        std::thread::yield_now();
    }
}

fn groups(status: &Value) -> &[Value] {
    status["writer"]["groups"].as_array().map_or(&[], Vec::as_slice)
}

/// The segments of a node, as the writer knows them.
fn segments_of(status: &Value, node: u64) -> Vec<&Value> {
    let all = groups(status).iter().filter_map(|group| group["segments"].as_array()).flatten();
    all.filter(|segment| segment["node"] == node).collect()
}

fn names(status: &Value, node: u64) -> Vec<u64> {
    segments_of(status, node).iter().filter_map(|segment| segment["segment"].as_u64()).collect()
}

/// Whether every segment of a node is one that the writer sends records to and that holds what its group had a moment
/// ago, and says of itself that it counts.
fn is_complete(status: &Value, node: u64) -> bool {
    let said = status["nodes"].as_array().into_iter().flatten().filter(|said| said["node"] == node);
    let said: Vec<&Value> = said.filter_map(|said| said["segments"].as_array()).flatten().collect();
    let counts = |name: &Value| said.iter().any(|s| s["segment"] == *name && s["joined"] == true);
    groups(status).iter().all(|group| {
        let mut mine = group["segments"].as_array().into_iter().flatten().filter(|s| s["node"] == node);
        group["change"].is_null()
            && mine.all(|s| {
                s["ready"] == true && s["scl"].as_u64() >= group["tail"].as_u64() && counts(&s["segment"])
            })
    })
}

#[test]
fn a_node_whose_directory_was_deleted_while_two_lag() {
    let dir = scratch_dir("processes-wiped").join("data");
    let server = Server::start_with(&dir, unused_port(), &SMALL);
    assert!(load(&server, &["-i", "-q", "-s", "2"]).status().expect("pgbench starts").success());
    server.psql(NOTED_TABLE);
    let mut tpcb = load(&server, &["-n", "-c", "4", "-T", "900"]).spawn().expect("pgbench starts");
    let clients = NotingClients::start(&server, 4, 0);
    clients.wait_for(AT_LEAST, &server);
    let before = names(&status(&dir), 6);
    assert!(before.len() > 1, "there are several groups");

    // Two of six fall behind: what is acknowledged from here on is on the other four.
    signal(&dir, "node-3", "-STOP");
    signal(&dir, "node-5", "-STOP");
    let seen = clients.acknowledged();
    clients.wait_for(seen + AT_LEAST, &server);
    // One of the four loses everything. What is left of a write quorum are three.
    kill_9(&dir, "node-6");
    std::fs::remove_dir_all(dir.join("node-6")).expect("it is there");
    let back = Member::start(
        &dir,
        &["--node", "6", "-c", "redoubt.log_size=128MB", "-c", "redoubt.log_lazy_size=16MB"],
    );
    eventually("the lost segments are being replaced", &server, &dir, |status| {
        groups(status).iter().all(|group| group["change"]["step"].is_string())
    });
    assert!(!is_complete(&status(&dir), 6));
    signal(&dir, "node-3", "-CONT");
    signal(&dir, "node-5", "-CONT");
    let seen = clients.acknowledged();
    clients.wait_for(seen + AT_LEAST, &server);
    for node in [6, 3, 5] {
        eventually("the node is complete", &server, &dir, |status| is_complete(status, node));
    }
    let now = status(&dir);
    let after = names(&now, 6);
    assert!(
        before.iter().all(|name| !after.contains(name)),
        "the old segments are members: {before:?} {after:?}"
    );
    for group in groups(&now).iter().take(before.len()) {
        assert_eq!(group["segments"].as_array().map(Vec::len), Some(6), "{group}");
        assert!(group["membership_epoch"].as_u64() >= Some(3), "{group}");
    }

    // Zone a goes: four of six are left, and the new segments are among them.
    kill_9(&dir, "node-1");
    kill_9(&dir, "node-2");
    let seen = clients.acknowledged();
    clients.wait_for(seen + AT_LEAST, &server);
    let noted = clients.finish();
    tpcb.kill().expect("pgbench runs");
    tpcb.wait().expect("pgbench ends");
    check_noted(&server, &noted, "after zone a was lost");
    let check_balances = |when: &str| {
        let sums = server.psql(BALANCES);
        let mut each = sums.split('|');
        let first = each.next().expect("four sums");
        assert!(each.all(|sum| sum == first), "{when}: {sums}");
    };
    check_balances("after zone a was lost");

    // Another writer has to recover the volume from these four.
    kill_9(&dir, "writer");
    let port = server.port.to_string();
    let writer = Member::start(&dir, &["--writer", "-p", &port]);
    let deadline = Instant::now() + LIMIT;
    while !server.is_ready() {
        assert!(Instant::now() < deadline, "no writer is ready:\n{}", server.log_tail());
        std::thread::yield_now();
    }
    check_noted(&server, &noted, "after a recovery without zone a");
    check_balances("after a recovery without zone a");
    drop((writer, back));
    assert_eq!(server.stop(), Some(0));
}
