//! `redoubt ctl inspect`: what a storage node has on disk, in words.

use redoubt_conformance::{Exit, Server, redoubt_binary, scratch_dir};
use std::path::Path;
use std::process::Command;

fn inspect(dir: &Path, arguments: &[&str]) -> Result<String, Exit> {
    let output =
        Command::new(redoubt_binary()).args(["ctl", "inspect", "-D"]).arg(dir).args(arguments).output();
    let output = output.expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("words");
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(Exit { code: output.status.code(), stderr: text(output.stderr) }),
    }
}

/// The numbers of the last record with this mark in hexadecimal, and of its page.
fn record_with(log: &str, mark: &str) -> (String, String) {
    let lines: Vec<&str> = log.lines().map(str::trim_start).collect();
    let at = lines.iter().rposition(|line| line.contains(mark)).expect("the row is in the log");
    let record = lines[..at].iter().rev().find_map(|line| line.strip_prefix("record ")).expect("its record");
    let words: Vec<&str> = record.split(' ').collect();
    (words[0].to_owned(), words[2].to_owned())
}

#[test]
fn a_row_is_found_in_the_log_and_on_its_page() {
    let dir = scratch_dir("inspect").join("data");
    let server = Server::start(&dir);
    server.psql("CREATE TABLE seen (c text)");
    server.psql("INSERT INTO seen VALUES ('Yes!')");
    let refused = inspect(&dir, &["--node", "0", "--page", "1"]).expect_err("the server runs");
    assert!(refused.stderr.contains("stop it first") && refused.stderr.lines().count() == 1, "{refused:?}");
    // Stopped and not killed: a node may be behind what four of six have acknowledged.
    assert_eq!(server.stop(), Some(0));

    let log = inspect(&dir, &["--node", "3", "--log", "1..1000000000"]).expect("described");
    // The first row of a table is the last first item of a page that a session has put anywhere.
    let (lsn, page) = record_with(&log, "insert item slot 0");
    assert!(log.contains(" CPL "), "ends of mini-transactions are marked");
    for node in ["0", "3", "5"] {
        // Without a record number it is told as far as the node knows that all is durable, which may be less.
        let text = inspect(&dir, &["--node", node, "--page", &page, "--lsn", &lsn]).expect("described");
        assert!(text.starts_with("segment "), "{text}");
        assert!(text.contains(&format!("\npage {page} lsn ")) && text.contains("\n  slot 0 "), "{text}");
    }
    let before = (lsn.parse::<u64>().expect("a number") - 1).to_string();
    let text = inspect(&dir, &["--node", "3", "--page", &page, "--lsn", &before]).expect("described");
    assert!(
        !text.contains(&format!("record {lsn} ")),
        "as of a record number, later ones do not count: {text}"
    );

    for (arguments, expect) in [
        (vec!["--node", "9", "--page", "1"], "there is no node 9 here"),
        (vec!["--node", "0", "--page", "99999999999"], "of which the node holds no segment"),
        (vec!["--node", "0"], "required arguments"),
        (vec!["--node", "0", "--log", "9..1"], "begins before it ends"),
    ] {
        let refused = inspect(&dir, &arguments).expect_err("refused");
        assert!(refused.stderr.contains(expect), "{arguments:?}: {}", refused.stderr);
    }
    let server = Server::start(&dir);
    assert_eq!(server.psql("SELECT c FROM seen"), "Yes!", "looking changed nothing");
}
