//! Syntax errors: PostgreSQL's words at PostgreSQL's position. Every line was answered so by a
//! PostgreSQL 15 server, in a failed transaction, where it parses and does nothing else.

/// Statement, SQLSTATE, 1-based position (0 for none), message.
const TABLE: &[(&str, &str, usize, &str)] = &[
    ("SELEC 1", "42601", 1, "syntax error at or near \"SELEC\""),
    ("SELECT 1 1", "42601", 10, "syntax error at or near \"1\""),
    ("SELECT a, FROM t", "42601", 11, "syntax error at or near \"FROM\""),
    ("SELECT * FROM", "42601", 14, "syntax error at end of input"),
    ("SELECT * FROM t WHERE", "42601", 22, "syntax error at end of input"),
    ("SELECT (1", "42601", 10, "syntax error at end of input"),
    ("SELECT 1)", "42601", 9, "syntax error at or near \")\""),
    ("SELECT 'é' 1", "42601", 12, "syntax error at or near \"1\""),
    ("SELECT 1 < 2 < 3", "42601", 14, "syntax error at or near \"<\""),
    ("SELECT a LIKE b LIKE c", "42601", 17, "syntax error at or near \"LIKE\""),
    ("SELECT a BETWEEN 1 AND 2 BETWEEN 1 AND 2", "42601", 26, "syntax error at or near \"BETWEEN\""),
    ("SELECT 1 IS DISTINCT FROM 2 IS NULL", "42601", 29, "syntax error at or near \"IS\""),
    ("SELECT ARRAY[1,2][1]", "42601", 18, "syntax error at or near \"[\""),
    ("SELECT left FROM t", "42601", 13, "syntax error at or near \"FROM\""),
    ("SELECT * FROM left", "42601", 19, "syntax error at end of input"),
    ("SELECT time WITH FROM t", "42601", 13, "syntax error at or near \"WITH\""),
    ("SELECT 1 = ANY (1, 2)", "42601", 18, "syntax error at or near \",\""),
    ("SELECT 5 !", "42601", 11, "syntax error at end of input"),
    ("SELECT a.*.b FROM t", "42601", 14, "improper use of \"*\" at or near \"FROM\""),
    ("SELECT f(a b)", "42601", 12, "syntax error at or near \"b\""),
    ("SELECT a FROM t ORDER BY a NULLS", "42601", 28, "syntax error at or near \"NULLS\""),
    ("SELECT 1 LIMIT 1, 2", "42601", 10, "LIMIT #,# syntax is not supported"),
    ("SELECT * FROM (SELECT 1)", "42601", 15, "subquery in FROM must have an alias"),
    ("SELECT * FROM (VALUES (1))", "42601", 15, "VALUES in FROM must have an alias"),
    ("SELECT * FROM (SELECT 1 FRM t 3) x", "42601", 29, "syntax error at or near \"t\""),
    ("SELECT * FROM (t)", "42601", 17, "syntax error at or near \")\""),
    ("SELECT * FROM a JOIN b", "42601", 23, "syntax error at end of input"),
    ("SELECT * FROM a.b.c.d", "42601", 15, "improper qualified name (too many dotted names): a.b.c.d"),
    ("INSERT INTO t VALUES", "42601", 21, "syntax error at end of input"),
    ("INSERT INTO t (a, ) VALUES (1)", "42601", 19, "syntax error at or near \")\""),
    ("INSERT INTO t SET a = 1", "42601", 15, "syntax error at or near \"SET\""),
    ("UPDATE t SET a == 1", "42601", 16, "syntax error at or near \"==\""),
    ("DELETE t", "42601", 8, "syntax error at or near \"t\""),
    ("CREATE TABLE t (a int,)", "42601", 23, "syntax error at or near \")\""),
    ("CREATE TABLE t (a int NOT NUL)", "42601", 27, "syntax error at or near \"NUL\""),
    (
        "CREATE TABLE t (a int, CHECK (a > 0) DEFERRABLE)",
        "0A000",
        0,
        "CHECK constraints cannot be marked DEFERRABLE",
    ),
    ("CREATE TABLE t (a float(99))", "22023", 25, "precision for type float must be less than 54 bits"),
    ("CREATE TEMP t", "42601", 13, "syntax error at or near \"t\""),
    ("ALTER TABLE t ADD", "42601", 18, "syntax error at end of input"),
    ("DROP TABLE IF EXIST t", "42601", 15, "syntax error at or near \"EXIST\""),
    ("DROP MATERIALIZED t", "42601", 19, "syntax error at or near \"t\""),
    ("DROP OPERATOR = (int)", "42601", 21, "missing argument"),
    ("CREATE ROLE r BOGUS", "42601", 15, "unrecognized role option \"bogus\""),
    ("CREATE ROLE none", "42939", 13, "role name \"none\" is reserved"),
    ("BEGIN ISOLATION LEVEL", "42601", 22, "syntax error at end of input"),
    ("SET a", "42601", 6, "syntax error at end of input"),
    ("COPY t FROM STDIN WITH (FORMAT csv", "42601", 35, "syntax error at end of input"),
    ("COPY t TO STDOUT WHERE a", "42601", 18, "WHERE clause not allowed with COPY TO"),
    (
        "SELECT sum(a) OVER (ROWS UNBOUNDED FOLLOWING)",
        "42P20",
        26,
        "frame start cannot be UNBOUNDED FOLLOWING",
    ),
    (
        "SELECT (1, 2) OVERLAPS (3, 4, 5)",
        "42601",
        24,
        "wrong number of parameters on right side of OVERLAPS expression",
    ),
    ("SELECT 1; SELEC 2", "42601", 11, "syntax error at or near \"SELEC\""),
];

#[test]
fn syntax_errors() {
    for (text, state, position, message) in TABLE {
        let Err(error) = redoubt_sql::parse(text) else { panic!("accepted: {text}") };
        let found = error.fields().position.map_or(0, |at| text[..at].chars().count() + 1);
        assert_eq!((error.code().as_str(), found, error.message()), (*state, *position, *message), "{text}");
    }
}

#[test]
fn hints() {
    let hint = |text: &str| redoubt_sql::parse(text).unwrap_err().fields().hint.clone().unwrap_or_default();
    assert_eq!(hint("SELECT * FROM (SELECT 1)"), "For example, FROM (SELECT ...) [AS] foo.");
    assert_eq!(hint("SELECT 1 LIMIT 1, 2"), "Use separate LIMIT and OFFSET clauses.");
    assert_eq!(hint("SELECT E'\\u0'"), "Unicode escapes must be \\uXXXX or \\UXXXXXXXX.");
}
