//! SELECT, INSERT, UPDATE, DELETE.

use super::print;
use expect_test::{Expect, expect};

fn check(text: &str, want: Expect) {
    let statements = redoubt_sql::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let dml = statements[0].kind.as_dml().expect("a planned statement");
    want.assert_eq(&print::dml(&dml));
}

#[test]
fn select_clauses() {
    check(
        "SELECT DISTINCT ON (a) a, b FROM t, ONLY u x (c, d) WHERE a = 1 GROUP BY DISTINCT a, ROLLUP (b, c), () \
         HAVING count(*) > 1 WINDOW w AS (PARTITION BY a) ORDER BY a DESC, b USING > LIMIT 1 OFFSET 2 ROWS",
        expect![[
            "select distinct-on(a) [a b] from t only u as x(c d) where (a = 1) group[distinct a rollup(b c) ()] \
                  having (count(*) > 1) window[w partition a] order[a desc b using >] limit 1 offset 2"
        ]],
    );
    check("SELECT", expect![["select []"]]);
    check("SELECT FROM t", expect![["select [] from t"]]);
    check("SELECT ALL a FROM t LIMIT ALL", expect![["select [a] from t limit null"]]);
    check(
        "SELECT a FROM t ORDER BY a FETCH FIRST ROW WITH TIES",
        expect![["select [a] from t order[a] limit 1 ties"]],
    );
    check("SELECT a FROM t FETCH NEXT 5 ROWS ONLY", expect![["select [a] from t limit 5"]]);
    check(
        "SELECT a FROM t GROUP BY GROUPING SETS ((a, b), (), CUBE (c))",
        expect![["select [a] from t group[sets(tuple(a b) () cube(c))]"]],
    );
    check(
        "SELECT 1 FROM a, b FOR NO KEY UPDATE OF a, b NOWAIT FOR KEY SHARE SKIP LOCKED LIMIT 1",
        expect![["select [1] from a b limit 1 for no key update of a b error for key share skip"]],
    );
    check("TABLE ONLY t ORDER BY 1", expect![["select [*] from only t order[1]"]]);
    check("VALUES (1, DEFAULT), (2, 3) LIMIT 1", expect![["values (1 default) (2 3) limit 1"]]);
}

#[test]
fn from_items() {
    check(
        "SELECT 1 FROM a JOIN b ON x JOIN c USING (y) AS z",
        expect![["select [1] from ((a inner b on x) inner c using(y) as z)"]],
    );
    check(
        "SELECT 1 FROM a LEFT JOIN b JOIN c ON x ON y",
        expect![["select [1] from (a left (b inner c on x) on y)"]],
    );
    check(
        "SELECT 1 FROM a CROSS JOIN b NATURAL FULL OUTER JOIN c",
        expect![["select [1] from ((a inner b) natural-full c)"]],
    );
    check(
        "SELECT 1 FROM (a CROSS JOIN b) AS x (c, d), ((a JOIN b ON true))",
        expect![["select [1] from (a inner b) as x(c d) (a inner b on true)"]],
    );
    check(
        "SELECT 1 FROM (SELECT 2) s, LATERAL (VALUES (1)) v(a), ((SELECT 1) UNION SELECT 2) u",
        expect![[
            "select [1] from {select [2]} as s lateral {values (1)} as v(a) {{select [1]} union {select [2]}} as u"
        ]],
    );
    check(
        "SELECT 1 FROM ((SELECT 1) x CROSS JOIN t)",
        expect![["select [1] from ({select [1]} as x inner t)"]],
    );
    check(
        "SELECT 1 FROM f(1) WITH ORDINALITY AS x(a, b), g() AS (a int, b text), h() y(c int[])",
        expect![["select [1] from f(1) ordinality as x(a b) g() (a:int4 b:text) h() as y (c:int4[])"]],
    );
    check(
        "SELECT 1 FROM LATERAL ROWS FROM (f(1), g() AS (a int)) WITH ORDINALITY z, current_date",
        expect![["select [1] from lateral rows-from f(1) g()(a:int4) ordinality as z CurrentDate"]],
    );
    check(
        "SELECT 1 FROM t AS x TABLESAMPLE system (10) REPEATABLE (1)",
        expect![["select [1] from t as x sample system(10) repeat 1"]],
    );
}

#[test]
fn set_operations_and_with() {
    check(
        "SELECT 1 UNION SELECT 2 INTERSECT SELECT 3 EXCEPT ALL SELECT 4",
        expect![["{{select [1]} union {{select [2]} intersect {select [3]}}} except-all {select [4]}"]],
    );
    check(
        "(SELECT 1 LIMIT 1) UNION (SELECT 2 ORDER BY 1) ORDER BY 1",
        expect![["{select [1] limit 1} union {select [2] order[1]} order[1]"]],
    );
    check("(SELECT 1 LIMIT 1) ORDER BY 1", expect![["select [1] order[1] limit 1"]]);
    check(
        "WITH RECURSIVE a (x) AS MATERIALIZED (SELECT 1 UNION ALL SELECT x FROM a), \
         b AS NOT MATERIALIZED (DELETE FROM t RETURNING *) SELECT 1",
        expect![["with recursive a(x) materialized {{select [1]} union-all {select [x] from a}} \
                  b inlined {delete t returning [*]} select [1]"]],
    );
    check(
        "WITH RECURSIVE a AS (SELECT 1) SEARCH DEPTH FIRST BY x SET o CYCLE x SET c USING p TABLE a",
        expect![["with recursive a {select [1]} search cycle select [*] from a"]],
    );
    check("(WITH a AS (SELECT 1) SELECT 2) ORDER BY 1", expect![["with a {select [1]} select [2] order[1]"]]);
}

#[test]
fn inserts() {
    check("INSERT INTO t DEFAULT VALUES", expect![["insert t default"]]);
    check(
        "INSERT INTO s.t AS x (a[1], b.c) OVERRIDING SYSTEM VALUE VALUES (1, 2) RETURNING a, b AS c",
        expect![["insert s.t as x (a[1] b.c) system values (1 2) returning [a b AS c]"]],
    );
    check("INSERT INTO t (SELECT 1)", expect![["insert t select [1]"]]);
    check("INSERT INTO t ((SELECT 1) UNION SELECT 2)", expect![["insert t {select [1]} union {select [2]}"]]);
    check(
        "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
        expect![["insert t values (1) conflict nothing"]],
    );
    check(
        "INSERT INTO t VALUES (1) ON CONFLICT (a COLLATE c int4_ops, lower(b)) WHERE a > 1 \
         DO UPDATE SET a = excluded.a, (b, c) = (SELECT 1, 2) WHERE t.a < 5",
        expect![["insert t values (1) conflict (a lower(b)) where (a > 1) \
                  set [a=excluded.a (b c)={select [1 2]}] where (t.a < 5)"]],
    );
    check(
        "WITH x AS (SELECT 1) INSERT INTO t TABLE x ON CONFLICT ON CONSTRAINT k DO NOTHING",
        expect![["with x {select [1]} insert t select [*] from x conflict constraint k nothing"]],
    );
}

#[test]
fn updates_and_deletes() {
    check(
        "UPDATE ONLY t x SET a = 1, b[2].c = DEFAULT, (d, e) = ROW(1, 2) FROM u WHERE x.a = u.a RETURNING *",
        expect![[
            "update only t as x set [a=1 b[2].c=default (d e)=row(1 2)] from u where (x.a = u.a) returning [*]"
        ]],
    );
    check("UPDATE t SET set = 1", expect![["update t set [set=1]"]]);
    check(
        "UPDATE t AS set SET a = 1 WHERE CURRENT OF c",
        expect![["update t as set set [a=1] where current of c"]],
    );
    check(
        "DELETE FROM t * USING a, b JOIN c ON x WHERE y",
        expect![["delete t from a (b inner c on x) where y"]],
    );
}
