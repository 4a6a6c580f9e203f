//! The devices of storage nodes: the same results by each, also where the kernel refuses io_uring, and a log that says
//! which one is in use.

use redoubt_conformance::{Server, scratch_dir, unused_port};
use std::path::Path;
use std::process::Command;

const REFUSED: &str = "device=portable, because io_uring is refused: Operation not permitted";

/// `redoubt start` to which the kernel refuses io_uring.
fn refused(dir: &Path, port: u16, arguments: &[&str]) -> Command {
    let plain = Server::command(dir, port, arguments);
    let mut command = Command::new(env!("CARGO_BIN_EXE_without_io_uring"));
    command.arg(plain.get_program()).args(plain.get_args());
    command
}

fn start_refused(dir: &Path) -> Server {
    let port = unused_port();
    Server::start_by(refused(dir, port, &["-c", "redoubt.io_method=auto"]), dir, port)
}

/// The log lines that say which device is in use, one for each start.
fn device_lines(dir: &Path) -> Vec<String> {
    Server::log(dir).lines().filter(|line| line.contains("device=")).map(str::to_owned).collect()
}

/// Makes rows, and changes some of them in a transaction that is rolled back.
fn fill(server: &Server) {
    server.psql("CREATE TABLE t (k int PRIMARY KEY, v text)");
    server.psql("INSERT INTO t SELECT g, repeat(g::text, 20) FROM generate_series(1, 5000) g");
    server.psql("UPDATE t SET v = v || '!' WHERE k % 7 = 0; DELETE FROM t WHERE k % 11 = 0");
    server.psql("BEGIN; DELETE FROM t WHERE k < 4000; ROLLBACK");
}

fn answers(server: &Server) -> Vec<String> {
    let ask = |sql| server.psql(sql);
    [
        "SELECT count(*), sum(k), sum(length(v)) FROM t",
        "SELECT v FROM t WHERE k = 4998",
        "SELECT count(*) FROM t WHERE v LIKE '%!'",
    ]
    .map(ask)
    .to_vec()
}

#[test]
fn the_same_results_where_io_uring_is_refused() {
    let plain_dir = scratch_dir("devices-plain").join("data");
    let plain = Server::start(&plain_dir);
    fill(&plain);
    let expected = answers(&plain);
    drop(plain);

    let dir = scratch_dir("devices-refused").join("data");
    let server = start_refused(&dir);
    fill(&server);
    assert_eq!(answers(&server), expected);
    server.kill();
    let server = start_refused(&dir);
    assert_eq!(answers(&server), expected, "after kill -9");
    server.psql("INSERT INTO t VALUES (0, 'written without a ring')");
    server.kill();
    let lines = device_lines(&dir);
    assert_eq!(lines.len(), 2, "one line a start: {lines:?}");
    assert!(lines.iter().all(|line| line.contains(REFUSED)), "{lines:?}");

    // What one device wrote, the next one reads.
    let server = Server::start(&dir);
    assert_eq!(server.psql("SELECT v FROM t WHERE k = 0"), "written without a ring");
    server.psql("DELETE FROM t WHERE k = 0");
    assert_eq!(answers(&server), expected, "opened by the device of this machine");
    let lines = device_lines(&dir);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(!lines[2].contains("Operation not permitted"), "nothing is refused now: {lines:?}");
}

#[test]
fn a_device_can_be_asked_for() {
    let dir = scratch_dir("devices-portable").join("data");
    let server = Server::start_with(&dir, unused_port(), &["-c", "redoubt.io_method=portable"]);
    assert_eq!(server.psql("SHOW redoubt.io_method"), "portable");
    drop(server);
    let lines = device_lines(&dir);
    assert!(matches!(&lines[..], [line] if line.ends_with("device=portable")), "{lines:?}");
}

#[test]
fn a_device_that_cannot_be_had_is_refused_in_one_line() {
    let dir = scratch_dir("devices-forced").join("data");
    let output =
        refused(&dir, unused_port(), &["-c", "redoubt.io_method=glommio"]).output().expect("it starts");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    let expected = "redoubt: redoubt.io_method is glommio, but io_uring is refused: Operation not permitted";
    assert!(said.starts_with(expected) && said.lines().count() == 1, "{said}");
    assert!(!dir.exists(), "nothing may be made for it");
}
