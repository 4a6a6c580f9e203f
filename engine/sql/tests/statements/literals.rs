//! Tokens: strings, numbers, identifiers, comments.

use super::expr;
use expect_test::{Expect, expect};

fn check(text: &str, want: Expect) {
    want.assert_eq(&expr(text));
}

#[test]
fn strings() {
    check(
        r"'it''s', E'a\n\x41\101\u00e9\\', U&'d\0061t\+000061', U&'d!0061' UESCAPE '!'",
        expect![[r#""it's", "a\nAAé\\", "data", "da""#]],
    );
    check(
        "'a'\n'b', 'a' -- c\n 'b', $$x'y$$, $t$a$$b$t$, N'n'",
        expect![[r#""ab", "ab", "x'y", "a$$b", "n"::bpchar"#]],
    );
    check("b'101', X'1F', E'\\'x'", expect![["bits b101, bits x1F, \"'x\""]]);
    check(r"E'\ud83d\ude00', U&'\D83D\DE00'", expect![[r#""😀", "😀""#]]);
}

#[test]
fn numbers() {
    check("1, 2147483648, 1.5, .5, 1., 1e10, 1.5E-3", expect![["1, 2147483648, 1.5, .5, 1., 1e10, 1.5E-3"]]);
    check("123abc", expect![[r#"ERROR: trailing junk after numeric literal at or near "123abc""#]]);
    check("1e+", expect![[r#"ERROR: trailing junk after numeric literal at or near "1e+""#]]);
    check("$1a", expect![[r#"ERROR: trailing junk after parameter at or near "$1a""#]]);
}

#[test]
fn identifiers_and_comments() {
    check("ABC, \"A\"\"b\", U&\"d\\0061t\", été, a$1", expect![["abc, A\"b, dat, été, a$1"]]);
    check("1 /* a /* b */ c */ + -- x\n 2", expect![["(1 + 2)"]]);
    check("top, pivot, value, qualify", expect![["top, pivot, value, qualify"]]);
    let long = "x".repeat(70);
    let statements = redoubt_sql::parse(&format!("SELECT {long}")).unwrap();
    assert_eq!(
        statements[0].notices[0].message(),
        format!("identifier \"{long}\" will be truncated to \"{}\"", "x".repeat(63))
    );
}

#[test]
fn what_the_scanner_refuses() {
    for (text, want) in [
        ("'abc", "unterminated quoted string at or near \"'abc\""),
        ("\"abc", "unterminated quoted identifier at or near \"\"abc\""),
        ("/* abc", "unterminated /* comment at or near \"/* abc\""),
        ("$a$ x", "unterminated dollar-quoted string at or near \"$a$ x\""),
        ("b'1", "unterminated bit string literal at or near \"b'1\""),
        ("x'1", "unterminated hexadecimal string literal at or near \"x'1\""),
        ("\"\"", "zero-length delimited identifier at or near \"\"\"\""),
        ("E'\\u00'", "invalid Unicode escape"),
        ("E'\\xff'", "invalid byte sequence for encoding \"UTF8\": 0xff"),
        ("E'\\000'", "invalid byte sequence for encoding \"UTF8\": 0x00"),
        ("U&'\\00'", "invalid Unicode escape"),
        ("U&'x' UESCAPE '+'", "invalid Unicode escape character at or near \"'+'\""),
        ("E'\\ud800x'", "invalid Unicode surrogate pair at or near \"x\""),
        ("a \\ b", "syntax error at or near \"\\\""),
    ] {
        assert_eq!(expr(text), format!("ERROR: {want}"), "{text}");
    }
    // A syntax error that comes first is reported first.
    assert_eq!(expr("a b c 'x"), "ERROR: syntax error at or near \"c\"");
}
