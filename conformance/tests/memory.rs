//! Statements that need more than `work_mem`: the answers are the same, the memory is bounded, and nothing is left
//! behind.

use redoubt_conformance::{Server, scratch_dir};
use std::fs;

/// Queries whose order is total, over rows that a seed makes.
const QUERIES: &[&str] = &[
    "SELECT k, t FROM wide ORDER BY t, k",
    "SELECT k, t FROM wide ORDER BY n DESC NULLS LAST, k OFFSET 3000 LIMIT 40",
    "SELECT t, count(*), sum(n), max(k) FROM wide GROUP BY t ORDER BY t",
    "SELECT n, count(DISTINCT t), string_agg(k::text, ',' ORDER BY k DESC) FROM wide GROUP BY n ORDER BY n",
    "SELECT a.k, b.k FROM wide a JOIN wide b ON a.t = b.t AND a.k <> b.k ORDER BY 1, 2",
    "SELECT a.k, b.id FROM wide a FULL JOIN other b ON a.t = b.t ORDER BY 1, 2",
    "SELECT a.k, b.id FROM wide a LEFT JOIN other b ON a.n = b.id ORDER BY 1, 2",
    "SELECT k FROM wide a WHERE EXISTS (SELECT 1 FROM other b WHERE b.t = a.t) ORDER BY k",
    "SELECT k FROM wide a WHERE NOT EXISTS (SELECT 1 FROM other b WHERE b.t = a.t) ORDER BY k",
    "SELECT t FROM wide EXCEPT SELECT t FROM other ORDER BY 1",
    "SELECT t FROM wide INTERSECT ALL SELECT t FROM other ORDER BY 1",
    "WITH c AS MATERIALIZED (SELECT * FROM wide) SELECT a.k FROM c a JOIN c b ON a.k = b.k ORDER BY a.k",
    "WITH RECURSIVE r(i, s) AS (SELECT 1, 'x' UNION ALL SELECT i + 1, repeat('y', 50) FROM r WHERE i < 5000)
     SELECT count(*), sum(i), max(s) FROM r",
    "WITH RECURSIVE r(i) AS (SELECT k FROM wide UNION SELECT i / 2 FROM r) SELECT i FROM r ORDER BY i",
    "SELECT k, sum(n) OVER w, lag(t, 900) OVER w, last_value(k) OVER w, nth_value(k, 2000) OVER (ORDER BY k)
     FROM wide WINDOW w AS (ORDER BY k ROWS BETWEEN 20 PRECEDING AND 15 FOLLOWING) ORDER BY k",
    "SELECT r, (r).t FROM (SELECT wide AS r FROM wide ORDER BY (wide).t DESC, (wide).k) x",
    "SELECT n, t, grouping(n, t), count(*) FROM wide GROUP BY GROUPING SETS ((n), (t), ()) ORDER BY 1, 2, 3",
];

fn prepare(server: &Server) {
    server.psql(
        "CREATE TABLE wide (k int, n int, t text);
         INSERT INTO wide SELECT i, CASE WHEN i % 97 = 0 THEN NULL ELSE (i * 7919) % 1009 END,
             md5(((i * 104729) % 5003)::text) || repeat('w', 60) FROM generate_series(1, 6000) i;
         CREATE TABLE other (id int, t text);
         INSERT INTO other SELECT i, md5(((i * 31) % 7001)::text) || repeat('w', 60)
             FROM generate_series(1, 4000) i;
         INSERT INTO other VALUES (NULL, NULL), (9999, NULL);
         ANALYZE",
    );
}

/// Temporary files that the server still has open: they have no names.
fn open_files(server: &Server) -> usize {
    let links = fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("the server's files can be listed");
    links
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter(|target| target.to_string_lossy().contains("pgsql_tmp"))
        .count()
}

#[test]
fn the_answers_do_not_depend_on_memory() {
    let dir = scratch_dir("memory").join("data");
    let server = Server::start(&dir);
    prepare(&server);
    for query in QUERIES {
        let ample = server.psql(&format!("SET work_mem = '64MB'; {query}"));
        for forced in ["", "SET enable_hashagg = off; SET enable_hashjoin = off; ", "SET enable_sort = off; "]
        {
            let scarce = server.psql(&format!("{forced}SET work_mem = '64kB'; {query}"));
            assert!(scarce == ample, "{forced}{query}");
        }
    }
    let explain = |query: &str| {
        server.psql(&format!(
            "SET work_mem = '64kB'; SET enable_mergejoin = off; SET enable_nestloop = off;
             EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {query}"
        ))
    };
    let plan = explain(QUERIES[0]);
    assert!(plan.contains("Sort Method: external merge  Disk: "), "{plan}");
    let plan = explain("SELECT count(*) FROM wide a JOIN wide b USING (t)");
    assert!(plan.contains("Batches: ") && !plan.contains("Batches: 1 "), "{plan}");
    let plan = explain("SELECT t, count(*) FROM wide GROUP BY t");
    assert!(plan.contains("  Disk Usage: "), "{plan}");
    assert_eq!(open_files(&server), 0);
    let left = fs::read_dir(dir.join("pgsql_tmp")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "temporary files have no names");
}

#[test]
fn what_cannot_spill_fails_alone() {
    let dir = scratch_dir("memory").join("data");
    let server = Server::start(&dir);
    let fails = |query: &str| server.try_psql(query).expect_err("more than is allowed");
    let sort = "SELECT repeat(i::text, 50) FROM generate_series(1, 40000) i ORDER BY 1 OFFSET 39999";
    let error = fails(&format!("SET work_mem = '64kB'; SET temp_file_limit = '1MB'; {sort}"));
    assert!(error.contains("temporary file size exceeds temp_file_limit (1024kB)"), "{error}");
    let limit = "SET redoubt.statement_memory = '4MB'; ";
    for query in [
        "SELECT array_agg(i) FROM generate_series(1, 10000000) i",
        "SELECT string_agg(repeat('x', 100), '') FROM generate_series(1, 10000000) i",
        "SELECT cardinality(ARRAY(SELECT generate_series(1, 10000000)))",
        "WITH RECURSIVE r(i) AS (SELECT 1 UNION SELECT i + 1 FROM r) SELECT count(*) FROM r",
    ] {
        let error = fails(&format!("{limit}{query}"));
        assert!(error.contains("out of memory"), "{query}: {error}");
    }
    // The session's next statements have all of it again.
    let again = format!(
        "{limit}SELECT count(*) FROM (SELECT array_agg(i) FROM generate_series(1, 40000) i GROUP BY i % 2) x"
    );
    assert_eq!(server.psql(&again), "2");
    assert_eq!(open_files(&server), 0);
}

/// The most memory that a process has had, in KiB.
fn peak_kib(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the server runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
}

#[test]
fn a_large_sort_takes_little_memory() {
    let dir = scratch_dir("memory").join("data");
    let server = Server::start(&dir);
    let sort = |rows: u32| {
        format!(
            "SET work_mem = '4MB'; SELECT count(*), max(t) FROM (SELECT md5(i::text) || repeat('z', 300) t
             FROM generate_series(1, {rows}) i ORDER BY t OFFSET 0) s"
        )
    };
    server.psql(&sort(20_000));
    let before = peak_kib(&server);
    // 150 MB of rows.
    server.psql(&sort(400_000));
    let grown = peak_kib(&server) - before;
    assert!(grown < 48 << 10, "sorting took {grown} kB more");
}

#[test]
fn checks_of_references_wait_in_a_file() {
    let dir = scratch_dir("memory").join("data");
    let server = Server::start(&dir);
    server.psql(
        "CREATE TABLE parent (id int PRIMARY KEY, other text UNIQUE);
         INSERT INTO parent SELECT i, 'p' || i FROM generate_series(1, 5000) i;
         CREATE TABLE child (p int REFERENCES parent ON DELETE CASCADE, o text REFERENCES parent (other))",
    );
    let scarce = "SET work_mem = '64kB'; ";
    let insert = "INSERT INTO child SELECT i, 'p' || i FROM generate_series(1, 5000) i";
    server.psql(&format!("{scarce}{insert}"));
    assert_eq!(server.psql("SELECT count(*), sum(p) FROM child"), "5000|12502500");
    // The last row of all is looked at too, and it is the error that is told.
    let error = server
        .try_psql(&format!("{scarce}{insert} UNION ALL SELECT 5000, 'p5001'"))
        .expect_err("no such parent");
    assert!(error.contains("Key (o)=(p5001) is not present in table \"parent\"."), "{error}");
    assert_eq!(server.psql("SELECT count(*) FROM child"), "5000");
    server.psql(&format!("{scarce}UPDATE child SET o = NULL; {scarce}DELETE FROM parent WHERE id % 2 = 0"));
    assert_eq!(server.psql("SELECT count(*), sum(p) FROM child"), "2500|6250000");
    assert_eq!(open_files(&server), 0);
}
