//! Starting what cannot be started: one clear line, a non-zero exit, nothing touched.

use redoubt_conformance::{Server, scratch_dir, unused_port};
use std::fs;
use std::net::TcpListener;

fn check(exit: redoubt_conformance::Exit, expect: &str) {
    assert!(exit.code.is_some_and(|code| code != 0), "{exit:?}");
    let lines: Vec<&str> = exit.stderr.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 1, "one line, not {:?}", exit.stderr);
    assert!(lines[0].contains(expect), "{:?} does not say {expect:?}", lines[0]);
}

#[test]
fn a_second_start_on_a_live_directory_is_refused() {
    let dir = scratch_dir("second").join("data");
    let server = Server::start(&dir);
    check(Server::start_that_fails(&dir, unused_port(), &[]), "is in use by another server");
    assert_eq!(server.psql("SELECT 1"), "1");
}

#[test]
fn a_taken_port_is_refused_before_anything_is_made() {
    let dir = scratch_dir("port").join("data");
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("bound").port();
    check(Server::start_that_fails(&dir, port, &[]), "cannot listen on 127.0.0.1");
    assert!(!dir.exists(), "nothing may be made for a server that cannot listen");
}

#[test]
fn a_directory_that_is_not_ours_is_refused_and_not_touched() {
    let dir = scratch_dir("foreign");
    fs::write(dir.join("letter.txt"), "dear").expect("written");
    check(
        Server::start_that_fails(&dir, unused_port(), &[]),
        "is not empty and is not a Redoubt data directory",
    );
    let names: Vec<_> =
        fs::read_dir(&dir).expect("readable").map(|entry| entry.expect("entry").file_name()).collect();
    assert_eq!(names, ["letter.txt"]);
}

#[test]
fn another_format_version_is_refused() {
    let dir = scratch_dir("version").join("data");
    assert_eq!(Server::start(&dir).stop(), Some(0));
    let file = dir.join("REDOUBT_VERSION");
    fs::write(&file, "999\n").expect("written");
    check(Server::start_that_fails(&dir, unused_port(), &[]), "format version 999");
    assert_eq!(fs::read_to_string(&file).expect("readable"), "999\n");
}

#[test]
fn an_unusable_setting_is_refused() {
    let dir = scratch_dir("setting").join("data");
    let exit = Server::start_that_fails(&dir, unused_port(), &["-c", "fsync=off"]);
    check(exit, "setting fsync to \"off\" is not supported yet");
    check(
        Server::start_that_fails(&dir, unused_port(), &["-c", "nonsense=1"]),
        "unrecognized configuration parameter \"nonsense\"",
    );
    // Where the file lies is told, not chosen.
    check(
        Server::start_that_fails(&dir, unused_port(), &["-c", "hba_file=/elsewhere"]),
        "parameter \"hba_file\" cannot be changed",
    );
    assert!(!dir.exists());
}
