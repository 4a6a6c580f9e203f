//! Aggregates and joins over a million rows, in the row executor and in DataFusion, against PostgreSQL's answers.
//!
//! `conformance/analytics/tables.sql` makes the same tables on every server by arithmetic; `queries.out` and
//! `errors.out` are what PostgreSQL 15.18 answered (`psql -X -q -At`, C collation) to the scripts of those names.

use redoubt_conformance::{Server, metrics, plain_number, scratch_dir, unused_port};
use std::fs;
use std::path::{Path, PathBuf};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("analytics").join(name)
}

fn text(name: &str) -> String {
    let path = script(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A server with the tables, and the port of its metrics.
fn start(name: &str) -> (Server, u16) {
    let port = unused_port();
    let address = format!("redoubt.metrics_address=127.0.0.1:{port}");
    let server = Server::start_with(&scratch_dir(name).join("data"), unused_port(), &["-c", &address]);
    run(&server, &[], "tables.sql");
    (server, port)
}

/// Runs a script through psql with some settings; what it prints, errors where they occurred.
fn run(server: &Server, settings: &[&str], name: &str) -> String {
    let mut command = server.psql_command();
    let options: Vec<String> = settings.iter().map(|setting| format!("-c {setting}")).collect();
    command.env("PGOPTIONS", options.join(" ")).args(["-q", "-At", "-f"]).arg(script(name));
    let output = command.output().expect("psql is installed");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{name}: {errors}\n{}", server.log_tail());
    // Lines of errors begin with the script's place.
    let errors = errors.lines().map(|line| line.split_once(": ").map_or(line, |(_, message)| message));
    text + &errors.map(|line| format!("{line}\n")).collect::<String>()
}

/// The statements of a script; none has a semicolon in it.
fn statements(name: &str) -> Vec<String> {
    let script = text(name);
    let lines: Vec<&str> = script.lines().filter(|line| !line.starts_with("--")).collect();
    let statements = lines.join("\n");
    statements.split(';').map(|statement| statement.trim().to_string()).filter(|s| !s.is_empty()).collect()
}

/// How many parts of plans DataFusion has run.
fn ran_in_datafusion(port: u16) -> u64 {
    let [count] =
        metrics(port, ["redoubt_datafusion_subtrees_total"]).unwrap_or_else(|error| panic!("{error}"));
    count as u64
}

fn assert_same(got: &str, expected: &str, what: &str) {
    if got != expected {
        let line = got.lines().zip(expected.lines()).take_while(|(a, b)| a == b).count();
        let show =
            |text: &str| text.lines().skip(line.saturating_sub(2)).take(6).collect::<Vec<_>>().join("\n");
        panic!("{what}, line {}:\n-- expected\n{}\n-- got\n{}", line + 1, show(expected), show(got));
    }
}

#[test]
fn a_million_rows_in_both_executors() {
    let (server, port) = start("analytics");
    let expected = text("queries.out");
    assert_same(&run(&server, &["redoubt.executor=row"], "queries.sql"), &expected, "row executor");
    assert_eq!(ran_in_datafusion(port), 0, "the row executor gives nothing away");

    let queries: Vec<String> =
        statements("queries.sql").into_iter().filter(|sql| !sql.starts_with("SET")).collect();
    assert!(queries.len() > 70, "the script was taken apart");
    for query in &queries {
        let plan = server.psql(&format!("SET redoubt.executor = datafusion; EXPLAIN {query}"));
        assert!(plan.starts_with("Custom Scan (DataFusion)"), "{query}\n{plan}");
    }
    assert_same(&run(&server, &["redoubt.executor=datafusion"], "queries.sql"), &expected, "DataFusion");
    assert_eq!(ran_in_datafusion(port), queries.len() as u64, "every query ran there");

    // Left to choose, the planner gives away what is large; the answers are the same.
    assert_same(&run(&server, &[], "queries.sql"), &expected, "auto");
    let large = "SELECT kind, sum(id) FROM facts GROUP BY kind";
    assert!(server.psql(&format!("EXPLAIN {large}")).contains("DataFusion"));
    let small = "SELECT region, count(*) FROM dims GROUP BY region";
    assert!(!server.psql(&format!("EXPLAIN {small}")).contains("DataFusion"));

    let expected = text("errors.out");
    assert_same(
        &run(&server, &["redoubt.executor=row"], "errors.sql"),
        &expected,
        "errors of the row executor",
    );
    assert_same(
        &run(&server, &["redoubt.executor=datafusion"], "errors.sql"),
        &expected,
        "errors of DataFusion",
    );

    // Snapshots: what this transaction has done shows, what it has taken back does not.
    let changes = "SET redoubt.executor = row; BEGIN; DELETE FROM facts WHERE id <= 10; SAVEPOINT s; \
        DELETE FROM facts WHERE id <= 20; ROLLBACK TO s; UPDATE facts SET grp = -1 WHERE id = 11; \
        SET LOCAL redoubt.executor = datafusion; SELECT count(*), min(id), min(grp) FROM facts; ROLLBACK";
    assert_eq!(server.psql(changes), "999990|11|-1");

    // ANALYZE shows what ran; a statement that takes too long ends.
    let sql = "SET redoubt.executor = datafusion; EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) \
        SELECT count(*) FROM facts WHERE grp < 500";
    let plan = server.psql(sql);
    let line = plan.lines().next().unwrap_or_default();
    assert_eq!(line, "Custom Scan (DataFusion) (actual rows=1 loops=1)", "{plan}");
    assert!(plan.contains("Seq Scan on facts (actual rows=500000 loops=1)"), "{plan}");
    let sql = "SET redoubt.executor = datafusion; SET statement_timeout = '200ms'; \
        SELECT count(*) FROM facts a JOIN facts b ON a.grp = b.grp AND a.id + b.id < 0";
    let error = server.try_psql(sql).expect_err("it cannot be done in that time");
    assert!(error.contains("canceling statement due to statement timeout"), "{error}");

    // Memory has a bound: what can spill does, what cannot fails, and the server goes on.
    let few = "SET redoubt.executor = datafusion; SET redoubt.datafusion_mem = '8MB';";
    let sql = format!("{few} SELECT count(*), sum(n) FROM (SELECT id, count(*) n FROM facts GROUP BY id) s");
    assert_eq!(server.psql(&sql), "1000000|1000000");
    let sql = format!("{few} SELECT count(*) FROM facts a JOIN facts b ON a.id = b.id");
    let error = server.try_psql(&sql).expect_err("the hash table does not fit");
    assert!(error.contains("out of memory"), "{error}");
    assert_eq!(server.psql("SELECT 1"), "1");

    // Chosen by an estimate that was wrong (one row in 200 where it is all of them), it is left to the rows.
    let sql = "SELECT count(*) FROM facts a JOIN facts b ON a.id = b.id WHERE b.id % 1 = b.id % 1 + 0";
    let few = "SET redoubt.datafusion_mem = '8MB'; SET redoubt.datafusion_above_cost = 0;";
    assert!(server.psql(&format!("{few} EXPLAIN {sql}")).contains("DataFusion"));
    assert_eq!(server.psql(&format!("{few} {sql}")), "1000000");
}

/// What cannot run there says so by name, and nothing falls back.
#[test]
fn what_datafusion_cannot_run_is_refused() {
    let server = Server::start(&scratch_dir("analytics-refused").join("data"));
    server.psql("CREATE TABLE t (a int PRIMARY KEY, b text, c int[], p point)");
    server.psql("INSERT INTO t (a, b, c) VALUES (1, 'x', '{1}'), (2, 'y', '{2}')");
    for (sql, what) in [
        ("SELECT 1", "a query without tables"),
        ("SELECT rank() OVER (ORDER BY a) FROM t", "window functions"),
        ("SELECT a, random() FROM t", "function random"),
        ("SELECT c FROM t", "columns of type integer[]"),
        ("SELECT ctid FROM t", "system columns"),
        ("SELECT t FROM t", "whole-row references"),
        ("SELECT (SELECT max(a) FROM t) + a FROM t", "subqueries in expressions"),
        ("SELECT * FROM generate_series(1, 3)", "functions in FROM"),
        ("SELECT a FROM t LIMIT 1", "LIMIT without ORDER BY"),
        ("SELECT a, count(*) FROM t GROUP BY ROLLUP (a)", "GROUPING SETS"),
        ("SELECT string_agg(b, ',' ORDER BY a) FROM t", "ORDER BY in an aggregate's arguments"),
        ("SELECT a FROM t INTERSECT SELECT a FROM t", "INTERSECT and EXCEPT"),
        (
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT * FROM r",
            "WITH",
        ),
        ("SELECT a FROM t FOR UPDATE", "row locks"),
        ("SELECT count(*) FROM t TABLESAMPLE SYSTEM (50)", "TABLESAMPLE"),
        ("INSERT INTO t (a) VALUES (3)", "statements that change rows"),
        ("UPDATE t SET b = 'z'", "statements that change rows"),
    ] {
        let error = server
            .try_psql(&format!("SET redoubt.executor = datafusion; {sql}"))
            .expect_err("nothing falls back to the row executor");
        assert!(error.contains(what) && error.contains("in DataFusion"), "{sql}: {error}");
        server.psql(&format!("BEGIN; SET LOCAL redoubt.executor = auto; {sql}; ROLLBACK"));
    }
    // What the server does by itself is nobody's choice: the foreign key's own queries run.
    server.psql("CREATE TABLE u (a int REFERENCES t ON DELETE CASCADE); INSERT INTO u VALUES (1)");
    server.psql("SET redoubt.executor = row; DELETE FROM t WHERE a = 1");
    assert_eq!(server.psql("SET redoubt.executor = datafusion; SELECT count(*) FROM u"), "0");
}

/// Seeded random numbers (Knuth's constants).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// A random query over the special values and the dimensions.
fn random_query(random: &mut Random) -> String {
    const COLUMNS: &[&str] = &[
        "s.i2", "s.i4", "s.i8", "s.f4", "s.f8", "s.num", "s.t", "s.c", "s.v", "s.b", "s.d", "s.ts", "s.tz",
        "s.u", "s.bo",
    ];
    const CONDITIONS: &[&str] = &[
        "s.i4 > 0",
        "s.i2 IS NULL",
        "s.f8 >= 0",
        "s.f8 <> s.f8",
        "s.num < 2",
        "s.t >= 'a'",
        "s.c = 'a'",
        "NOT s.bo",
        "s.bo IS NOT TRUE",
        "s.d > '2000-01-01'",
        "s.b < '\\x61'",
        "s.n % 3 = 1",
        "s.ts = s.tz",
        "s.t LIKE 'a%'",
        "s.i4 IN (0, 7, NULL)",
        "coalesce(s.f4, 1) = 1",
        "s.v IS DISTINCT FROM 'aa'",
        "s.u <= '80000000-0000-0000-0000-000000000000'",
    ];
    const AGGREGATES: &[&str] = &[
        "count(*)",
        "count(s.t)",
        "sum(s.i2)",
        "sum(s.i4)",
        "sum(s.i8)",
        "avg(s.i4)",
        "sum(s.num)",
        "avg(s.num)",
        "min(s.f8)",
        "max(s.f8)",
        "max(s.f4)",
        "min(s.t)",
        "max(s.c)",
        "min(s.d)",
        "max(s.tz)",
        "bool_or(s.bo)",
        "count(DISTINCT s.f8)",
        "count(DISTINCT s.c)",
        "sum(DISTINCT s.i4)",
        "max(s.num)",
        "min(s.v)",
        "sum(s.f8)",
        "avg(s.f8)",
        "variance(s.i2)",
    ];
    const JOINS: &[&str] = &["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"];
    const KEYS: &[&str] =
        &["i2", "i4", "i8", "f4", "f8", "num", "t", "c", "v", "b", "d", "ts", "tz", "u", "bo"];
    let mut from = "special s".to_string();
    if random.below(2) == 0 {
        let key = random.pick(KEYS);
        let mut on = format!("s.{key} = j.{key}");
        let kind = random.pick(JOINS);
        if kind != "FULL JOIN" && random.below(3) == 0 {
            on.push_str(" AND s.n < j.n");
        }
        from = format!("special s {kind} special j ON {on}");
    }
    let mut condition = String::new();
    if random.below(3) > 0 {
        let (left, right) = (random.pick(CONDITIONS), random.pick(CONDITIONS));
        let joined = random.pick(&["AND", "OR", "AND NOT"]);
        condition = format!(" WHERE ({left}) {joined} ({right})");
    }
    let mut aggregates: Vec<String> =
        (0..1 + random.below(3)).map(|_| random.pick(AGGREGATES).to_string()).collect();
    if random.below(4) == 0 {
        aggregates.push(format!("count(*) FILTER (WHERE {})", random.pick(CONDITIONS)));
    }
    let aggregates = aggregates.join(", ");
    match random.below(4) {
        0 => format!("SELECT {aggregates} FROM {from}{condition}"),
        1 => format!("SELECT DISTINCT {} FROM {from}{condition}", random.pick(COLUMNS)),
        2 => {
            let key = random.pick(COLUMNS);
            let order = random.pick(&["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]);
            format!("SELECT s.n, {key} FROM {from}{condition} ORDER BY {key}{order}, s.n")
        }
        _ => {
            let (one, two) = (random.pick(COLUMNS), random.pick(COLUMNS));
            let having = random.pick(&["", " HAVING count(*) > 1", " HAVING max(s.n) % 2 = 0"]);
            format!("SELECT {one}, {two}, {aggregates} FROM {from}{condition} GROUP BY {one}, {two}{having}")
        }
    }
}

/// Both executors over the same random queries: rows as multisets, and the same errors.
#[test]
fn random_queries_agree() {
    const QUERIES: usize = 600;
    let server = Server::start(&scratch_dir("analytics-random").join("data"));
    let special = text("tables.sql");
    let from = special.find("CREATE TABLE special").expect("the table is in the script");
    server.psql(&special[from..]);
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20);
    let mut random = Random(seed);
    let queries: Vec<String> = (0..QUERIES).map(|_| random_query(&mut random)).collect();
    let by_rows = answers(&server, "row", &queries);
    let by_columns = answers(&server, "datafusion", &queries);
    let mut refused = 0;
    for ((query, rows), columns) in queries.iter().zip(&by_rows).zip(&by_columns) {
        if columns.iter().any(|line| line.contains("in DataFusion")) {
            refused += 1;
            continue;
        }
        assert_eq!(rows, columns, "seed {seed}: {query}");
    }
    assert!(refused * 20 < QUERIES, "{refused} of {QUERIES} queries were refused");
}

/// The answers to queries, each as sorted lines, an error as its message.
fn answers(server: &Server, executor: &str, queries: &[String]) -> Vec<Vec<String>> {
    const MARK: &str = "-- next query";
    let dir = scratch_dir("analytics-answers");
    let mut script = format!("SET redoubt.executor = {executor};\nSET timezone = 'UTC';\n");
    for query in queries {
        script.push_str(&format!("{query};\n\\echo '{MARK}'\n"));
    }
    let (file, out) = (dir.join("queries.sql"), dir.join("out"));
    fs::write(&file, script).expect("the scratch directory is writable");
    let output = fs::File::create(&out).expect("the scratch directory is writable");
    let errors = output.try_clone().expect("file handles can be copied");
    let mut command = server.psql_command();
    command.args(["-q", "-At", "-f"]).arg(&file).stdout(output).stderr(errors);
    assert!(command.status().expect("psql is installed").success(), "{}", server.log_tail());
    let text = fs::read_to_string(&out).expect("psql wrote its output");
    let mut all: Vec<Vec<String>> = text
        .split(MARK)
        .map(|answer| {
            // Messages begin with the script's line, which counts statements, not executors.
            let message = |line: &str| match line.find("ERROR:") {
                Some(at) => line[at..].to_string(),
                None => line.split('|').map(plain_number).collect::<Vec<_>>().join("|"),
            };
            let mut lines: Vec<String> =
                answer.strip_prefix('\n').unwrap_or(answer).lines().map(message).collect();
            lines.sort();
            lines
        })
        .collect();
    all.pop();
    assert_eq!(all.len(), queries.len(), "every query was answered");
    all
}
