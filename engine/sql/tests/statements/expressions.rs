//! Operators, calls and special syntaxes.

use super::expr;
use expect_test::{Expect, expect};

fn check(text: &str, want: Expect) {
    want.assert_eq(&expr(text));
}

#[test]
fn operators_bind_as_postgresql_has_them() {
    for (text, want) in [
        ("1 + 2 * 3 - 4", "((1 + (2 * 3)) - 4)"),
        ("2 ^ 3 ^ 2", "((2 ^ 3) ^ 2)"),
        ("-2 ^ 2", "(-2 ^ 2)"),
        ("- a ^ 2", "((- a) ^ 2)"),
        ("-a::int", "(- a::int4)"),
        ("- - 1", "1"),
        ("-2147483648", "-2147483648"),
        ("1 - -1", "(1 - -1)"),
        ("a || b + c", "(a || (b + c))"),
        ("@ -5 + 1", "(@ (-5 + 1))"),
        ("!! 3 <> 4", "((!! 3) <> 4)"),
        ("a @-1", "(a @- 1)"),
        ("a <>-1", "(a <> -1)"),
        ("a <-1", "(a < -1)"),
        ("a ->> 'b' = 'c'", "((a ->> \"b\") = \"c\")"),
        ("2 + 3 << 1", "((2 + 3) << 1)"),
        ("a OPERATOR(pg_catalog.+) b * c", "(a pg_catalog.+ (b * c))"),
        ("NOT a = b AND c", "(and (not (a = b)) c)"),
        ("a OR b AND NOT c OR d", "(or a (and b (not c)) d)"),
        ("a AND (b AND c) AND d", "(and a (and b c) d)"),
        ("(a AND b) AND c", "(and a b c)"),
        ("a = b IS NULL", "((a = b) is-null)"),
        ("a IS NULL IS NOT TRUE", "((a is-null) is-not-true)"),
        ("a ISNULL, b NOTNULL", "(a is-null), (b is-not-null)"),
        ("a IS DISTINCT FROM b AND c", "(and (a distinct b) c)"),
        ("a IS NOT DISTINCT FROM b + 1", "(a not-distinct (b + 1))"),
        ("x <> -1 BETWEEN 1 AND 1", "(x <> (-1 between 1 1))"),
        ("a BETWEEN 1 AND 2 AND b", "(and (a between 1 2) b)"),
        ("a NOT BETWEEN SYMMETRIC b + 1 AND c", "(a not-between symmetric (b + 1) c)"),
        ("a LIKE b || 'c'", "(a like (b || \"c\"))"),
        ("a NOT LIKE b ESCAPE 'x' OR c", "(or (a not-like b escape \"x\") c)"),
        ("a ILIKE b = c", "((a ilike b) = c)"),
        ("a SIMILAR TO b", "(a similar b)"),
        ("a IN (1, 2) = b", "((a in 1 2) = b)"),
        ("a NOT IN (1) AND b", "(and (a not-in 1) b)"),
        ("a IN (1, 2) IN (true)", "((a in 1 2) in true)"),
        ("a AT TIME ZONE 'x' AT TIME ZONE 'y'", "timezone!(\"y\" timezone!(\"x\" a))"),
        ("a + b AT TIME ZONE 'x'", "(a + timezone!(\"x\" b))"),
        ("a COLLATE \"C\" < b", "((a collate C) < b)"),
        ("- a COLLATE x.y", "((- a) collate x.y)"),
        ("a::int::text || b", "(a::int4::text || b)"),
        ("a = ANY (b)", "(a = any b)"),
        ("a + 1 > ALL (ARRAY[1])", "((a + 1) > all [1])"),
        ("a LIKE ANY (b), a NOT ILIKE ALL (b)", "(a ~~ any b), (a !~~* all b)"),
        ("a = SOME (SELECT 1)", "(a = any {select [1]})"),
        ("x NOT IN (SELECT 1)", "(not (x = any {select [1]}))"),
    ] {
        assert_eq!(expr(text), want, "{text}");
    }
}

#[test]
fn operands() {
    check("a.b.c, t.*, (x).y.z, (x).*", expect![["a.b.c, t.*, (x).y.z, (x).*"]]);
    check(
        "a[1], a[1:2], a[:], a[1][2:], (f(x))[1], $1[2].b",
        expect![["(a)[1], (a)[1:2], (a)[:], (a)[1][2:], (f(x))[1], ($1)[2].b"]],
    );
    check("t.a[1].b", expect![["(t.a)[1].b"]]);
    check("ROW(1, 2), (1, 2), ROW(), (1)", expect![["row(1 2), tuple(1 2), row(), 1"]]);
    check("ARRAY[[1,2],[3,4]], ARRAY[]::int[]", expect![["[[1 2] [3 4]], []::int4[]"]]);
    check(
        "(SELECT 1) + 1, ((SELECT 1)), ((SELECT 1) UNION SELECT 2)",
        expect![["({select [1]} + 1), {select [1]}, {{select [1]} union {select [2]}}"]],
    );
    check(
        "EXISTS (SELECT 1), ARRAY(SELECT 1), (SELECT a)[1]",
        expect![["exists{select [1]}, array{select [1]}, ({select [a]})[1]"]],
    );
    check(
        "CASE a WHEN 1 THEN 2 ELSE 3 END, CASE WHEN b THEN c END",
        expect![["case(a 1->2 else 3), case(b->c)"]],
    );
    check("1 AS x, 2 y, 3 \"Z\", 4 AS select", expect![["1 AS x, 2 AS y, 3 AS Z, 4 AS select"]]);
    check(
        "(1, 2) OVERLAPS (3, 4), ROW(1, 2) OVERLAPS (3, 4)",
        expect![["overlaps!(1 2 3 4), overlaps!(1 2 3 4)"]],
    );
}

#[test]
fn calls() {
    check(
        "f(), s.f(1), count(*), f(DISTINCT a), f(ALL a)",
        expect![["f(), s.f(1), count(*), f(distinct a), f(a)"]],
    );
    check(
        "f(a => 1, b := 2), f(1, VARIADIC x), left(a, 1)",
        expect![["f(a=>1 b=>2), f(1 variadic x), left(a 1)"]],
    );
    check(
        "string_agg(a, ',' ORDER BY b DESC NULLS LAST) FILTER (WHERE c)",
        expect![["string_agg(a \",\" order(b desc nulls-last) filter(c))"]],
    );
    check(
        "percentile_cont(0.5) WITHIN GROUP (ORDER BY x USING <)",
        expect![["percentile_cont(0.5 within-group(x using <))"]],
    );
    check(
        "sum(a) OVER (PARTITION BY b ORDER BY c ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING EXCLUDE TIES)",
        expect![["sum(a over(partition b order c Rows -1..+2 Ties))"]],
    );
    check(
        "sum(a) OVER w, sum(a) OVER (w GROUPS UNBOUNDED PRECEDING)",
        expect![["sum(a over(w)), sum(a over(from w Groups -inf NoOthers))"]],
    );
}

#[test]
fn special_syntaxes() {
    check(
        "extract(epoch FROM x), extract('day' FROM x), position('a' IN b)",
        expect![["extract!(\"epoch\" x), extract!(\"day\" x), position!(b \"a\")"]],
    );
    check(
        "substring(a FROM 2 FOR 3), substring(a FOR 3), substring(a, 1, 2)",
        expect![["substring!(a 2 3), substring!(a 1 3::int4), substring(a 1 2)"]],
    );
    check(
        "substring(a SIMILAR b ESCAPE c), overlay(a PLACING b FROM 3), overlay(a, b, 1)",
        expect![["substring!(a b c), overlay!(a b 3), overlay(a b 1)"]],
    );
    check(
        "trim(a), trim(BOTH FROM a), trim(LEADING 'x' FROM a), trim(TRAILING 'x', a)",
        expect![["btrim!(a), btrim!(a), ltrim!(a \"x\"), rtrim!(\"x\" a)"]],
    );
    check(
        "coalesce(a, b), greatest(a), least(a, b), nullif(a, b), grouping(a, b)",
        expect![["coalesce(a b), greatest(a), least(a b), nullif(a b), grouping(a b)"]],
    );
    check(
        "normalize(a, nfd), a IS NOT NFKC NORMALIZED, COLLATION FOR (a), treat(a AS text)",
        expect![["normalize!(a \"NFD\"), (not is_normalized!(a \"NFKC\")), pg_collation_for!(a), text(a)"]],
    );
    check(
        "current_date, current_timestamp(2), localtime, user, current_schema",
        expect![["CurrentDate, CurrentTimestamp(2), LocalTime, User, CurrentSchema"]],
    );
}

#[test]
fn types() {
    check(
        "a::int, b::varchar(3)[][2], c::\"char\", d::s.t(1, 'x')",
        expect![["a::int4, b::varchar(3)[][2], c::char, d::s.t(1 \"x\")"]],
    );
    check(
        "a::char, a::bit, a::bit varying(3), a::float(24), a::double precision, a::dec(5,2)",
        expect![["a::bpchar(1), a::bit(1), a::varbit(3), a::float4, a::float8, a::numeric(5 2)"]],
    );
    check(
        "a::timestamp(3) with time zone, a::time without time zone, a::timestamptz",
        expect!["a::timestamptz(3), a::time, a::timestamptz"],
    );
    check(
        "a::interval, a::interval(2), a::interval day to second(3), a::interval year to month",
        expect![["a::interval, a::interval(32767 2), a::interval(7176 3), a::interval<0x6ffff>"]],
    );
    check(
        "CAST(a AS national character varying(3)), a::int array[3], a::int array",
        expect![["a::varchar(3), a::int4[3], a::int4[]"]],
    );
    check(
        "int '1', float8 '1', s.t 'x', numeric(3,1) '1.5', date '2020-01-01'",
        expect![["\"1\"::int4, \"1\"::float8, \"x\"::s.t, \"1.5\"::numeric(3 1), \"2020-01-01\"::date"]],
    );
    check(
        "interval '1' day, interval(2) '1 s', timestamp with time zone 'x', char 'abc', bit '1'",
        expect![[
            "\"1\"::interval<0x8ffff>, \"1 s\"::interval(32767 2), \"x\"::timestamptz, \"abc\"::bpchar, \"1\"::bit"
        ]],
    );
    check(
        "interval, time, name 'x', double precision '1'",
        expect![["interval, time, \"x\"::name, \"1\"::float8"]],
    );
}
