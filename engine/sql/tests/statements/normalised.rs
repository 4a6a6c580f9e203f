//! Literals lifted out of statements.

use expect_test::{Expect, expect};
use redoubt_sql::{Lifted, normalise};

fn check(text: &str, want: Expect) {
    let normalised = normalise(text).unwrap_or_else(|| panic!("not normalised: {text}"));
    let literals: Vec<String> = normalised
        .literals
        .iter()
        .map(|literal| match literal {
            Lifted::Int4(value) => value.to_string(),
            Lifted::Int8(value) => format!("{value}L"),
            Lifted::Numeric(value) => format!("{value}n"),
            Lifted::String(value) => format!("{value:?}"),
        })
        .collect();
    want.assert_eq(&format!("{} [{}]", normalised.text, literals.join(", ")));
}

#[test]
fn values_are_lifted() {
    check(
        "SELECT abalance FROM pgbench_accounts WHERE aid = 12345;",
        expect!["select abalance from pgbench_accounts where aid = $1 [12345]"],
    );
    check(
        "UPDATE t SET a = a + 1, b = 'it''s' WHERE id = 3000000000 AND c < 1.5",
        expect![[
            r#"update t set a = a + $1 , b = $2 where id = $3 and c < $4 [1, "it's", 3000000000L, 1.5n]"#
        ]],
    );
    check(
        "INSERT INTO t (a, b, c) VALUES (1, 'x', now()), (-2, NULL, CURRENT_DATE)",
        expect![[
            r#"insert into t ( a , b , c ) values ( $1 , $2 , now ( ) ) , ( $3 , null , current_date ) [1, "x", -2]"#
        ]],
    );
    check(
        "DELETE FROM \"T\" -- all\n WHERE x IN (1, 2, 3) OR y BETWEEN 'a' AND 'b'",
        expect![[
            r#"delete from "T" where x in ( $1 , $2 , $3 ) or y between $4 and $5 [1, 2, 3, "a", "b"]"#
        ]],
    );
    check(
        "SELECT 1 FROM t WHERE (a = 1 OR (b, c) = (2, 'z')) LIMIT 10 OFFSET 20",
        expect![[
            r#"select 1 from t where ( a = $1 or ( b , c ) = ( $2 , $3 ) ) limit $4 offset $5 [1, 2, "z", 10, 20]"#
        ]],
    );
    check(
        "select * from t where a = 1 and b in (select c from u where d = 2 group by 1 limit 3)",
        expect![
            "select * from t where a = $1 and b in ( select c from u where d = $2 group by 1 limit $3 ) [1, 2, 3]"
        ],
    );
    check(
        "SELECT a FROM t WHERE d > '2020-01-01'::date AND e IS DISTINCT FROM 5",
        expect![[r#"select a from t where d > $1 :: date and e is distinct from 5 ["2020-01-01"]"#]],
    );
    check(
        "INSERT INTO t VALUES (1) ON CONFLICT (a) WHERE b > 0 DO UPDATE SET c = 2 WHERE t.d = 3 RETURNING 4",
        expect![
            "insert into t values ( $1 ) on conflict ( a ) where b > 0 do update set c = $2 where t . d = $3 returning 4 [1, 2, 3]"
        ],
    );
    check(
        "UPDATE t SET a = a + -4321, b = b - 2, c = (d) * -1, e = -1::int, f = +5 WHERE g = -2147483648",
        expect![
            "update t set a = a + $1 , b = b - $2 , c = ( d ) * $3 , e = - 1 :: int , f = + 5 where g = $4 [-4321, 2, -1, -2147483648]"
        ],
    );
    check(
        "UPDATE t SET a = CASE WHEN b = 1 THEN 2 ELSE 3 END",
        expect!["update t set a = case when b = $1 then $2 else $3 end [1, 2, 3]"],
    );
}

#[test]
fn what_is_more_than_a_value_stays() {
    check(
        "SELECT 1, 'a', f(2) FROM g(3) WHERE true GROUP BY 1 HAVING x > 5 ORDER BY 2",
        expect!["select 1 , 'a' , f ( 2 ) from g ( 3 ) where true group by 1 having x > 5 order by 2 []"],
    );
    check(
        "SELECT 1 FROM t WHERE f(1, 'a') AND x::numeric(10, 2) > 0 AND a[1] = b",
        expect!["select 1 from t where f ( 1 , 'a' ) and x :: numeric ( 10 , 2 ) > $1 and a [ 1 ] = b [0]"],
    );
    check(
        "SELECT 1 FROM t WHERE d > date '2020-01-01' + interval '1 day' AND b LIKE 'a%'",
        expect!["select 1 from t where d > date '2020-01-01' + interval '1 day' and b like 'a%' []"],
    );
    check(
        "SELECT 1 FROM t WHERE a = -5 AND b = E'\\n' AND c = ARRAY[1, 2] AND d = b'1'",
        expect![[r#"select 1 from t where a = $1 and b = E'\n' and c = array [ 1 , 2 ] and d = b'1' [-5]"#]],
    );
    check(
        "SELECT 1 FROM (VALUES (1, 'x')) v WHERE extract(year from d) = 2020",
        expect!["select 1 from ( values ( 1 , 'x' ) ) v where extract ( year from d ) = $1 [2020]"],
    );
    check(
        "SELECT 1 FROM t JOIN u ON t.a = 1 WHERE cast(x AS varchar(3)) = 'abc' FOR UPDATE",
        expect![[
            r#"select 1 from t join u on t . a = 1 where cast ( x as varchar ( 3 ) ) = $1 for update ["abc"]"#
        ]],
    );
}

#[test]
fn other_statements_are_left_alone() {
    for text in [
        "SELECT $1",
        "SELECT 1; SELECT 2",
        "BEGIN",
        "WITH q AS (SELECT 1) SELECT 2",
        "EXPLAIN SELECT 1",
        "SELECT 'abc",
        "(SELECT 1)",
        "SELECT 1)",
        "",
    ] {
        assert_eq!(normalise(text), None, "{text}");
    }
    let many = vec!["1"; 200].join(", ");
    assert_eq!(normalise(&format!("SELECT 1 FROM t WHERE a IN ({many})")), None);
}

/// With the literals put back, the statement reads as before.
#[test]
fn nothing_is_lost() {
    for text in [
        "SELECT abalance FROM pgbench_accounts WHERE aid = 12345",
        "UPDATE t SET a = a + 1, b = 'it''s' WHERE id = 3000000000 AND c < 1.5",
        "INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y') ON CONFLICT DO NOTHING",
        "DELETE FROM t WHERE x IN (1, 2, 3) OR (y = 'a' AND NOT z BETWEEN 4 AND 5.5)",
    ] {
        let normalised = normalise(text).unwrap();
        assert!(!normalised.literals.is_empty());
        let mut back = normalised.text.clone();
        for (index, literal) in normalised.literals.iter().enumerate().rev() {
            let value = match literal {
                Lifted::Int4(value) => value.to_string(),
                Lifted::Int8(value) => value.to_string(),
                Lifted::Numeric(value) => value.clone(),
                Lifted::String(value) => format!("'{}'", value.replace('\'', "''")),
            };
            back = back.replace(&format!("${}", index + 1), &value);
        }
        let tokens = |text: &str| -> Vec<String> {
            redoubt_sql::lexer::lex(text).tokens.iter().map(|token| token.token.to_string()).collect()
        };
        assert_eq!(tokens(&back), tokens(text));
        redoubt_sql::parse(&normalised.text).unwrap();
    }
}
