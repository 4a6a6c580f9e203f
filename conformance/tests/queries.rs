//! Queries through psql whose answers were wrong once, or would be if something basic broke.

use redoubt_conformance::{Server, scratch_dir};

/// Expectations taken from PostgreSQL 15.18.
#[test]
fn answers() {
    let server = Server::start(&scratch_dir("queries").join("data"));
    server.psql("CREATE TABLE t (a int NOT NULL, b text)");
    server.psql("INSERT INTO t VALUES (1,'one'),(2,NULL),(3,'three'),(5,'five')");
    let check = |sql: &str, expect: &str| assert_eq!(server.psql(sql), expect, "{sql}");
    // A sort kept what was wanted above it, not what its own projection reads: every group showed one
    // group's aggregates.
    check("SELECT a % 2, max(a), count(*), sum(a) FROM t GROUP BY 1 ORDER BY 1", "0|2|1|2\n1|5|3|9");
    check("SELECT x.a, y.b FROM t x LEFT JOIN t y ON x.a = y.a + 1 ORDER BY 1", "1|\n2|one\n3|\n5|");
    check(
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 4) SELECT sum(n) FROM r",
        "10",
    );
    check("SELECT a FROM t WHERE NOT EXISTS (SELECT 1 FROM t u WHERE u.a = t.a + 1) ORDER BY 1", "3\n5");
    check("BEGIN; INSERT INTO t VALUES (9, 'x'); ROLLBACK; SELECT count(*) FROM t", "4");
    let error = server.try_psql("INSERT INTO t VALUES (NULL, 'x')").expect_err("NOT NULL");
    assert!(
        error.contains("null value in column \"a\" of relation \"t\" violates not-null constraint"),
        "{error}"
    );
}
