//! What is too deep is refused, what is merely long is not. All of it runs on a test's ordinary
//! stack of 2 MiB.

use super::expr;
use redoubt_sql::{MAX_EXPRESSION_HEIGHT, MAX_NESTING, MAX_QUERY_CHAIN, parse};

const TOO_DEEP: &str = "stack depth limit exceeded";

fn outcome(text: &str) -> String {
    match parse(text) {
        Ok(_) => "ok".into(),
        Err(error) => error.message().to_string(),
    }
}

#[test]
fn long_lists_and_flat_chains_pass() {
    let list = vec!["1"; 30_000].join(", ");
    assert_eq!(outcome(&format!("SELECT x IN ({list})")), "ok");
    assert_eq!(outcome(&format!("SELECT ARRAY[{list}]")), "ok");
    assert_eq!(outcome(&format!("VALUES ({})", vec!["1"; 20_000].join("), ("))), "ok");
    let equalities: Vec<String> = (0..5_000).map(|i| format!("a = {i}")).collect();
    assert_eq!(outcome(&format!("SELECT {}", equalities.join(" OR "))), "ok");
    assert_eq!(outcome(&format!("SELECT {}", equalities.join(" AND "))), "ok");
}

#[test]
fn high_trees_are_refused() {
    let chain = |n: usize| format!("SELECT {}", vec!["1"; n].join(" + "));
    assert_eq!(outcome(&chain(MAX_EXPRESSION_HEIGHT)), "ok");
    assert_eq!(outcome(&chain(MAX_EXPRESSION_HEIGHT + 2)), TOO_DEEP);
    assert_eq!(outcome(&chain(200_000)), TOO_DEEP);
    assert_eq!(expr(&format!("a{}", "::int".repeat(10_000))), format!("ERROR: {TOO_DEEP}"));
    // Chains inside parentheses inside chains add up.
    let mut text = "1".to_string();
    for _ in 0..50 {
        text = format!("({text}{})", " + 1".repeat(100));
    }
    assert_eq!(expr(&text), format!("ERROR: {TOO_DEEP}"));
    let error = parse(&chain(10_000)).unwrap_err();
    assert_eq!(error.code().as_str(), "54001");
    assert!(error.fields().hint.is_some());
}

#[test]
fn deep_nesting_is_refused() {
    let parens = |n: usize| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n));
    assert_eq!(outcome(&parens(MAX_NESTING / 2 - 1)), "ok");
    for n in [MAX_NESTING + 1, 100_000] {
        assert_eq!(outcome(&parens(n)), TOO_DEEP);
        assert_eq!(outcome(&format!("SELECT {}1{}", "f(".repeat(n), ")".repeat(n))), TOO_DEEP);
        assert_eq!(outcome(&format!("SELECT {}1", "- ".repeat(n))), TOO_DEEP);
        assert_eq!(outcome(&format!("SELECT {}a", "NOT ".repeat(n))), TOO_DEEP);
        assert_eq!(outcome(&format!("SELECT {}1{}", "ARRAY[".repeat(n), "]".repeat(n))), TOO_DEEP);
        assert_eq!(outcome(&format!("SELECT ARRAY{}1{}", "[".repeat(n), "]".repeat(n))), TOO_DEEP);
        assert_eq!(
            outcome(&format!("SELECT {}a{}", "CASE WHEN ".repeat(n), " THEN 1 END".repeat(n))),
            TOO_DEEP
        );
        assert_eq!(outcome(&format!("{}SELECT 1{}", "(".repeat(n), ")".repeat(n))), TOO_DEEP);
        assert_eq!(outcome(&format!("SELECT {}SELECT 1{}", "(".repeat(n), ")".repeat(n))), TOO_DEEP);
        assert_eq!(
            outcome(&format!("SELECT 1 FROM {}a CROSS JOIN b{}", "(".repeat(n), ")".repeat(n))),
            TOO_DEEP
        );
        assert_eq!(outcome(&format!("SELECT 1{}", " FROM (SELECT 1".repeat(n))), TOO_DEEP);
        assert_eq!(outcome(&format!("SELECT 1 FROM a{}", " JOIN b".repeat(n))), TOO_DEEP);
        assert_eq!(outcome(&format!("SELECT 1 GROUP BY {}a", "GROUPING SETS (".repeat(n))), TOO_DEEP);
        assert_eq!(outcome(&format!("{}SELECT 1", "WITH a AS (".repeat(n))), TOO_DEEP);
    }
    let unions = |n: usize| vec!["SELECT 1"; n].join(" UNION ");
    assert_eq!(outcome(&unions(MAX_QUERY_CHAIN)), "ok");
    assert_eq!(outcome(&unions(MAX_QUERY_CHAIN + 2)), TOO_DEEP);
    assert_eq!(outcome(&format!("SELECT 1 FROM a{}", " CROSS JOIN b".repeat(MAX_QUERY_CHAIN + 1))), TOO_DEEP);
}

/// Whatever the bytes are, the answer is a tree or an error.
#[test]
fn scrambled_statements_never_panic() {
    let pieces = [
        "SELECT",
        "FROM",
        "(",
        ")",
        "[",
        "]",
        ",",
        ";",
        ".",
        "*",
        "'a'",
        "E'\\",
        "U&'\\00",
        "$$",
        "$1",
        "\"x\"",
        "a",
        "1",
        "1.",
        "::",
        ":=",
        "=>",
        "=",
        "<",
        "+",
        "-",
        "--",
        "/*",
        "*/",
        "NOT",
        "IN",
        "BETWEEN",
        "AND",
        "OR",
        "LIKE",
        "IS",
        "NULL",
        "CASE",
        "WHEN",
        "THEN",
        "END",
        "CREATE",
        "TABLE",
        "ALTER",
        "DROP",
        "VALUES",
        "INSERT",
        "INTO",
        "UPDATE",
        "SET",
        "DELETE",
        "WITH",
        "AS",
        "JOIN",
        "ON",
        "USING",
        "GROUP",
        "BY",
        "ORDER",
        "LIMIT",
        "FOR",
        "GRANT",
        "COPY",
        "é",
        "int",
        "interval",
        "OVER",
        "ROWS",
        "ANY",
        "ARRAY",
        "ROW",
        "UNION",
        "\0",
        "\\",
        "{",
        "\u{feff}",
        "PARTITION",
        "OF",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for _ in 0..30_000 {
        let words: Vec<&str> = (0..1 + next() % 14).map(|_| pieces[next() % pieces.len()]).collect();
        let separator = if next() % 4 == 0 { "" } else { " " };
        let text = words.join(separator);
        if let Err(error) = parse(&text) {
            let at = error.fields().position.unwrap_or(0);
            assert!(at <= text.len() && text.is_char_boundary(at), "{text:?}: position {at}");
        }
    }
}
