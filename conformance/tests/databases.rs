//! Several databases seen from outside: who is kept out and when, and that copies survive a crash.

use redoubt_conformance::{Server, scratch_dir};
use std::io::Write;
use std::process::{Child, Command, Stdio};

/// psql in some database as some user, which prints "in" once it is connected, and stays.
fn stay_in(server: &Server, database: &str) -> Child {
    let mut child = Command::new("psql")
        .args(["-X", "-Atq", "-h", "127.0.0.1", "-p", &server.port.to_string(), "-U", "postgres"])
        .args(["-d", database])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("psql is installed");
    let input = child.stdin.as_mut().expect("it is piped");
    input.write_all(b"SELECT 'in';\n").expect("psql reads");
    let output = child.stdout.as_mut().expect("it is piped");
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).expect("psql writes");
    assert_eq!(line, "in\n");
    child
}

/// Runs SQL in a database as a user; the rows, or the error.
fn run(server: &Server, database: &str, user: &str, sql: &str) -> Result<String, String> {
    let output = Command::new("psql")
        .args(["-X", "-Atq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &server.port.to_string()])
        .args(["-U", user, "-d", database, "-c", sql])
        .output()
        .expect("psql is installed");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_string();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A statement must fail with this in its message.
fn fails(result: Result<String, String>, expect: &str) {
    let error = result.expect_err(expect);
    assert!(error.contains(expect), "{error}");
}

#[test]
fn databases_in_use() {
    let server = Server::start(&scratch_dir("databases-in-use").join("data"));
    server.psql("CREATE DATABASE one");
    let mut guest = stay_in(&server, "one");
    let in_use = "is being accessed by other users";
    fails(server.try_psql("DROP DATABASE one"), &format!("database \"one\" {in_use}"));
    fails(server.try_psql("CREATE DATABASE two TEMPLATE one"), &format!("source database \"one\" {in_use}"));
    fails(server.try_psql("DROP DATABASE one"), "There is 1 other session using the database.");
    server.psql("DROP DATABASE one WITH (FORCE)");
    guest.wait().expect("it was told to go");
    fails(run(&server, "one", "postgres", "SELECT 1"), "database \"one\" does not exist");
}

#[test]
fn who_is_kept_out() {
    let server = Server::start(&scratch_dir("databases-kept-out").join("data"));
    server.psql("CREATE ROLE visitor LOGIN");
    server.psql("CREATE DATABASE limited CONNECTION LIMIT 1");
    assert_eq!(run(&server, "limited", "visitor", "SELECT 1"), Ok("1".into()));
    let mut guest = stay_in(&server, "limited");
    let too_many = "too many connections for database \"limited\"";
    fails(run(&server, "limited", "visitor", "SELECT 1"), too_many);
    assert_eq!(run(&server, "limited", "postgres", "SELECT 1"), Ok("1".into()), "superusers always may");
    guest.kill().expect("it runs");
    guest.wait().expect("it ends");
    server.psql("REVOKE CONNECT ON DATABASE limited FROM public");
    fails(run(&server, "limited", "visitor", "SELECT 1"), "permission denied for database \"limited\"");
    fails(run(&server, "limited", "visitor", "SELECT 1"), "User does not have CONNECT privilege.");
    server.psql("ALTER ROLE visitor CONNECTION LIMIT 0");
    fails(run(&server, "postgres", "visitor", "SELECT 1"), "too many connections for role \"visitor\"");
    fails(run(&server, "template0", "postgres", "SELECT 1"), "is not currently accepting connections");
    // What is kept for the role is in force from the next login on; what it asks for itself is stronger.
    server.psql("ALTER ROLE visitor CONNECTION LIMIT -1");
    server.psql("ALTER ROLE visitor SET work_mem TO '7MB'");
    assert_eq!(run(&server, "postgres", "visitor", "SHOW work_mem"), Ok("7MB".into()));
    server.psql("ALTER ROLE visitor IN DATABASE postgres SET work_mem TO '8MB'");
    assert_eq!(run(&server, "postgres", "visitor", "SHOW work_mem"), Ok("8MB".into()));
    server.psql("ALTER ROLE visitor IN DATABASE postgres RESET ALL");
    assert_eq!(run(&server, "postgres", "visitor", "SHOW work_mem"), Ok("7MB".into()));
}

/// What a copy holds is its own, and is there after a crash.
#[test]
fn copies_survive_a_crash() {
    let dir = scratch_dir("databases-crash").join("data");
    let server = Server::start(&dir);
    server.psql("CREATE DATABASE source");
    let in_source = |server: &Server, sql: &str| run(server, "source", "postgres", sql).expect(sql);
    in_source(&server, "CREATE TABLE t (i int PRIMARY KEY, filler text)");
    in_source(&server, "INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 5000) i");
    in_source(&server, "DELETE FROM t WHERE i % 3 = 0");
    in_source(&server, "UPDATE t SET filler = 'changed' WHERE i % 100 = 1");
    server.psql("CREATE DATABASE copy TEMPLATE source");
    let sums = "SELECT count(*), sum(i), count(*) FILTER (WHERE filler = 'changed') FROM t";
    let expected = in_source(&server, sums);
    in_source(&server, "DROP TABLE t");
    let in_copy = |server: &Server, sql: &str| run(server, "copy", "postgres", sql).expect(sql);
    assert_eq!(in_copy(&server, sums), expected);
    drop(server.kill());

    let server = Server::start(&dir);
    assert_eq!(in_copy(&server, sums), expected);
    in_copy(&server, "INSERT INTO t VALUES (3, 'new'), (6, 'new')");
    fails(run(&server, "copy", "postgres", "INSERT INTO t VALUES (1, 'twice')"), "duplicate key value");
    assert_eq!(in_copy(&server, "SELECT filler FROM t WHERE i = 6"), "new");
    server.psql("DROP DATABASE copy");
    assert_eq!(server.psql("SELECT count(*) FROM pg_database WHERE datname = 'copy'"), "0");
    // What the dropped database had is given to others, which must be whole.
    server.psql("CREATE TABLE other (i int)");
    server.psql("INSERT INTO other SELECT * FROM generate_series(1, 20000)");
    assert_eq!(server.psql("SELECT count(*), sum(i) FROM other"), "20000|200010000");
}
