//! The cluster as real processes: a zone lost, a third node lost, a node back again, seen from clients.

use redoubt_conformance::members::{Member, kill_9, status};
use redoubt_conformance::noting::{NOTED_TABLE, NotingClients, check_noted};
use redoubt_conformance::{Server, redoubt_binary, scratch_dir};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take that must happen.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_zone_and_a_third_node_lost() {
    let dir = scratch_dir("processes").join("data");
    let server = Server::start_with(&dir, redoubt_conformance::unused_port(), &["--processes"]);
    server.psql(NOTED_TABLE);
    let clients = NotingClients::start(&server, 4, 0);
    clients.wait_for(40, &server);
    let refused = Command::new(redoubt_binary())
        .args(["start", "--processes", "--node", "4", "-D"])
        .arg(&dir)
        .output()
        .expect("the binary starts");
    assert!(!refused.status.success(), "a second node 4 was started beside a living one");

    // Zone a goes: nobody notices.
    kill_9(&dir, "node-1");
    kill_9(&dir, "node-2");
    let before = clients.acknowledged();
    clients.wait_for(before + 200, &server);
    let noted = clients.finish();
    check_noted(&server, &noted, "after zone a was lost");
    assert_eq!(noted.iter().map(|(client, _)| client).collect::<std::collections::BTreeSet<_>>().len(), 4);

    // A third node goes: writes wait, reads go on.
    kill_9(&dir, "node-3");
    let mut write = server
        .psql_command()
        .args(["-c", "INSERT INTO kept VALUES (9, 9, 'a'), (9, 9, 'b')"])
        .stdout(Stdio::null())
        .spawn()
        .expect("psql starts");
    for _ in 0..20 {
        check_noted(&server, &noted, "while writes wait");
        assert!(write.try_wait().expect("psql can be asked").is_none(), "a write did not wait for a quorum");
    }

    // It comes back: writes go on, and it gets what it missed from its peers.
    let back = Member::start(&dir, &["--node", "1"]);
    let deadline = Instant::now() + LIMIT;
    let ended = loop {
        if let Some(ended) = write.try_wait().expect("psql can be asked") {
            break ended;
        }
        assert!(Instant::now() < deadline, "the write still waits:\n{}", server.log_tail());
        std::thread::yield_now();
    };
    assert!(ended.success(), "the write failed in the end:\n{}", server.log_tail());
    let nodes = status(&dir)["nodes"].as_array().expect("nodes").clone();
    let node = nodes.iter().find(|node| node["node"] == 1).expect("node 1 is shown");
    let bytes = |name: &str| node[name].as_u64().unwrap_or_else(|| panic!("{name} in {node}"));
    assert!(bytes("peer_record_bytes") > bytes("writer_record_bytes"), "{node}");
    check_noted(&server, &noted, "after node 1 came back");

    // The whole cluster, stopped and started: the same rows.
    assert_eq!(server.stop(), Some(0));
    drop(back);
    let server = Server::start_with(&dir, redoubt_conformance::unused_port(), &["--processes"]);
    check_noted(&server, &noted, "after a restart");
    assert_eq!(server.psql("SELECT count(*) FROM kept WHERE client = 9"), "2");
    assert_eq!(server.stop(), Some(0));
    let exit = Server::start_that_fails(&dir, redoubt_conformance::unused_port(), &[]);
    assert!(exit.code.is_some_and(|code| code != 0), "{}", exit.stderr);
    assert_eq!(exit.stderr.trim().lines().count(), 1, "{}", exit.stderr);
}
