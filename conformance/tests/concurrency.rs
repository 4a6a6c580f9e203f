//! Keys under many clients at once: upserts that lose nothing, duplicates that never get in, references that never
//! dangle.

use redoubt_conformance::{OpenSession, Server, pgbench, scratch_dir};
use std::fs;
use std::path::Path;
use std::process::Command;

const CLIENTS: u32 = 16;
const TRANSACTIONS: u32 = 200;

/// Runs a script of pgbench's with all clients; their errors are text.
fn run(server: &Server, dir: &Path, script: &str) -> String {
    let file = dir.join("script");
    fs::write(&file, script).expect("the scratch directory is writable");
    let output = Command::new(pgbench())
        .args(["-h", "127.0.0.1", "-p", &server.port.to_string(), "-U", "postgres", "-n"])
        .args(["-c", &CLIENTS.to_string(), "-t", &TRANSACTIONS.to_string(), "-f"])
        .arg(&file)
        .arg("postgres")
        .output()
        .expect("pgbench starts");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn keys_under_many_clients() {
    let dir = scratch_dir("concurrency");
    let server = Server::start(&dir.join("data"));
    server.psql("CREATE TABLE u (k int PRIMARY KEY, n int NOT NULL)");

    // Every upsert counts, whoever else is at the same key.
    let errors = run(
        &server,
        &dir,
        "\\set k random(1, 40)\nINSERT INTO u VALUES (:k, 1) ON CONFLICT (k) DO UPDATE SET n = u.n + 1;\n",
    );
    assert!(!errors.contains("ERROR"), "{errors}");
    let expected = format!("{}|40", CLIENTS * TRANSACTIONS);
    assert_eq!(server.psql("SELECT sum(n), count(*) FROM u"), expected);

    // A client stops at its first duplicate; all of them meet one.
    let errors = run(&server, &dir, "\\set k random(1, 2000)\nINSERT INTO u VALUES (:k + 1000, 0);\n");
    assert!(errors.contains("duplicate key value violates unique constraint \"u_pkey\""), "{errors}");
    let by_table =
        "SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off; ";
    let counts = "SELECT count(*) = count(DISTINCT k) FROM u";
    assert_eq!(server.psql(&format!("{by_table}{counts}")), "t");
    let found = "SELECT count(*) FROM u a WHERE NOT EXISTS (SELECT 1 FROM u b WHERE b.k = a.k)";
    assert_eq!(server.psql(found), "0", "rows that the index does not find");

    // Parents come and go while children are made, in transactions that stay open for a while.
    server.psql("CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (p int REFERENCES parent)");
    let errors = run(
        &server,
        &dir,
        "\\set k random(1, 30)\n\\set what random(1, 3)\n\\if :what = 1\n\
         INSERT INTO parent VALUES (:k) ON CONFLICT DO NOTHING;\n\\elif :what = 2\n\
         DELETE FROM parent WHERE id = :k AND NOT EXISTS (SELECT 1 FROM child WHERE p = :k);\n\\else\n\
         BEGIN;\nINSERT INTO child SELECT id FROM parent WHERE id = :k;\nSELECT sum(n) FROM u;\n\
         SELECT count(*) FROM child;\nEND;\n\\endif\n",
    );
    // Losing a race is an error of the foreign key's, and of nothing else.
    for line in errors.lines().filter(|line| line.contains("ERROR")) {
        assert!(line.contains("violates foreign key constraint"), "{errors}");
    }
    let dangling = "SELECT count(*) FROM child WHERE NOT EXISTS (SELECT 1 FROM parent WHERE id = p)";
    assert_eq!(server.psql(dangling), "0");
    assert_ne!(server.psql("SELECT count(*) FROM child"), "0");
}

/// Whether a statement has to wait for a lock. What holds it does so until this has returned, so that it is the
/// timeout that ends the waiting.
fn would_wait(server: &Server, sql: &str) -> bool {
    match server.try_psql(&format!("SET lock_timeout = '100ms'; {sql}")) {
        Ok(_) => false,
        Err(error) => {
            assert!(error.contains("canceling statement due to lock timeout"), "{sql}: {error}");
            true
        }
    }
}

#[test]
fn references_hold_on_to_what_they_found() {
    let dir = scratch_dir("references");
    let server = Server::start(&dir.join("data"));
    server.psql(
        "CREATE TABLE parent (id int PRIMARY KEY, note text); CREATE TABLE child (p int REFERENCES parent)",
    );
    const PARENTS: u32 = 5;
    const CHILDREN: usize = 6;
    for parent in 1..=PARENTS {
        server.psql(&format!("INSERT INTO parent VALUES ({parent})"));
        // Children whose transactions are open: their rows are seen by nobody, the locks on the parent are.
        let mut makers: Vec<OpenSession> = (0..CHILDREN).map(|_| OpenSession::start(&server)).collect();
        for maker in &mut makers {
            assert_eq!(maker.run(&format!("BEGIN; INSERT INTO child VALUES ({parent});")), "00000");
        }
        let delete = format!("DELETE FROM parent WHERE id = {parent}");
        assert!(would_wait(&server, &delete), "a parent went while its children were made");
        assert!(would_wait(&server, &format!("UPDATE parent SET id = -id WHERE id = {parent}")));
        // What leaves the key alone does not disturb them.
        server.psql(&format!("UPDATE parent SET note = 'x' WHERE id = {parent}"));
        let last = makers.pop().expect("there are several");
        for (number, mut maker) in makers.into_iter().enumerate() {
            let end = if number % 2 == 0 { "COMMIT;" } else { "ROLLBACK;" };
            assert_eq!(maker.run(end), "00000");
            assert!(would_wait(&server, &delete), "one child is still being made");
        }
        assert_eq!({ last }.run("COMMIT;"), "00000");
        let error = server.try_psql(&delete).expect_err("children refer to it");
        assert!(error.contains("violates foreign key constraint"), "{error}");

        // The other way round: a parent that is going is waited for.
        server.psql(&format!("DELETE FROM child WHERE p = {parent}"));
        let mut deleter = OpenSession::start(&server);
        assert_eq!(deleter.run(&format!("BEGIN; {delete};")), "00000");
        let insert = format!("INSERT INTO child VALUES ({parent})");
        assert!(would_wait(&server, &insert), "a child found a parent that is going");
        let keep = parent % 2 == 0;
        assert_eq!(deleter.run(if keep { "ROLLBACK;" } else { "COMMIT;" }), "00000");
        assert_eq!(server.try_psql(&insert).is_ok(), keep);
    }
    let dangling = "SELECT count(*) FROM child WHERE NOT EXISTS (SELECT 1 FROM parent WHERE id = p)";
    assert_eq!(server.psql(dangling), "0");
}
