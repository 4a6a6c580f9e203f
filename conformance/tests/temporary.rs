//! Temporary tables go with their session, however it ends.

use redoubt_conformance::{Server, scratch_dir};
use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// How long the end of a session may take to show.
const LIMIT: Duration = Duration::from_secs(30);

const LEFT: &str = "SELECT count(*) FROM pg_class WHERE relpersistence = 't'";
const MAKE: &str = "CREATE TEMP TABLE t (a serial PRIMARY KEY, b text);
    INSERT INTO t (b) VALUES ('x');
    CREATE TEMP VIEW v AS SELECT * FROM t;
    CREATE TABLE made AS SELECT count(*) AS rows FROM v;
";

/// A psql that has made temporary objects and stays connected.
fn session_with_tables(server: &Server) -> Child {
    let mut psql = server.psql_command().arg("-q").stdin(Stdio::piped()).spawn().expect("psql is installed");
    psql.stdin.as_mut().expect("it was asked for").write_all(MAKE.as_bytes()).expect("psql reads");
    wait_until(server, "SELECT count(*) FROM pg_class WHERE relname = 'made'", "1");
    psql
}

fn wait_until(server: &Server, query: &str, expected: &str) {
    let began = Instant::now();
    loop {
        let got = server.psql(query);
        if got.trim() == expected {
            return;
        }
        assert!(began.elapsed() < LIMIT, "{query}: {got}\n{}", server.log_tail());
    }
}

#[test]
fn temporary_tables_end_with_their_session() {
    let server = Server::start(&scratch_dir("temporary_session").join("data"));
    let mut psql = session_with_tables(&server);
    assert_ne!(server.psql(LEFT).trim(), "0");
    drop(psql.stdin.take());
    assert!(psql.wait().expect("psql can be waited for").success());
    wait_until(&server, LEFT, "0");

    server.psql("DROP TABLE made");
    let mut psql = session_with_tables(&server);
    server.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()");
    wait_until(&server, LEFT, "0");
    drop(psql.stdin.take());
    psql.wait().expect("psql can be waited for");
}

#[test]
fn temporary_tables_are_swept_after_a_crash() {
    let dir = scratch_dir("temporary_crash").join("data");
    let server = Server::start(&dir);
    let mut psql = session_with_tables(&server);
    server.kill();
    drop(psql.stdin.take());
    psql.wait().expect("psql can be waited for");
    let server = Server::start(&dir);
    assert_eq!(server.psql(LEFT).trim(), "0");
    assert_eq!(server.psql("SELECT rows FROM made").trim(), "1");
}
