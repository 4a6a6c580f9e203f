//! The shape of whole trees.

use crate::{analyze, print, schema};
use expect_test::{Expect, expect};

fn check(sql: &str, expected: Expect) {
    let catalog = schema::catalog();
    let shown = match analyze(&catalog, sql) {
        Ok((query, _)) => print::query(&query),
        Err(error) => format!("{error}\n"),
    };
    expected.assert_eq(&shown);
}

#[test]
fn plain_selects() {
    check(
        "select a, b as x from t where a = 1 order by c",
        expect![[r#"
        Select
        0: t perms 2 reads [1, 2, 3]
        from 0
        where int4eq(0.1, Int4(1))
        target a = 0.1
        target x = 0.2
        target c = 0.3 junk
        sort 2
    "#]],
    );
    check(
        "select distinct a from t order by a desc",
        expect![[r#"
        Select
        0: t perms 2 reads [1]
        from 0
        target a = 0.1
        distinct 0 desc
        sort 0 desc
    "#]],
    );
    check(
        "select distinct on (b) a from t order by b, c limit 2 offset $1",
        expect![[r#"
        Select
        0: t perms 2 reads [1, 2, 3]
        from 0
        target a = 0.1
        target b = 0.2 junk
        target c = 0.3 junk
        distinct on 1
        sort 1, 2
        offset $1
        limit int8(Int4(2))
    "#]],
    );
    check(
        "select * from vw",
        expect![[r#"
        Select
        0: vw perms 2 reads [1, 2]
          Select
          0: t perms 2 reads [1, 2]
          from 0
          where int4gt(0.1, Int4(0))
          target a = 0.1
          target b = 0.2
        from 0
        target a = 0.1
        target b = 0.2
    "#]],
    );
}

#[test]
fn joins() {
    check(
        "select * from t join u using (a)",
        expect![[r#"
        Select
        0: t perms 2 reads [1, 2, 3, 4]
        1: u perms 2 reads [1, 2, 3]
        2: unnamed_join join
        from (0 Inner 1 on int4eq(0.1, 1.1) as 2)
        target a = 0.1
        target b = 0.2
        target c = 0.3
        target d = 0.4
        target b = 1.2
        target e = 1.3
    "#]],
    );
    check(
        "select a, t.b from t left join u using (a) where u.e is null",
        expect![[r#"
        Select
        0: t perms 2 reads [1, 2]
        1: u perms 2 reads [1, 3]
        2: unnamed_join join
        from (0 Left 1 on int4eq(0.1, 1.1) as 2)
        where IsNull { arg: Var(Var { rt: 1, attno: 3, type_oid: 23, typmod: -1, collation: 0, levels_up: 0, position: Position(Some(49)) }), negated: false, row: false }
        target a = 0.1
        target b = 0.2
    "#]],
    );
    check(
        "select a from t full join u using (a)",
        expect![[r#"
        Select
        0: t perms 2 reads [1]
        1: u perms 2 reads [1]
        2: unnamed_join join
        from (0 Full 1 on int4eq(0.1, 1.1) as 2)
        target a = coalesce(0.1, 1.1)
    "#]],
    );
    check(
        "select v from onecol join (select 1::bigint as v) q using (v)",
        expect![[r#"
        Select
        0: onecol perms 2 reads [1]
        1: q
          Select
          target v = int8(Int4(1))
        2: unnamed_join join
        from (0 Inner 1 on int48eq(0.1, 1.1) as 2)
        target v = 1.1
    "#]],
    );
    check(
        "select * from t, lateral (select t.a + 1 as z) q",
        expect![[r#"
        Select
        0: t perms 2 reads [1, 2, 3, 4]
        1: q lateral
          Select
          target z = int4pl(^1.0.1, Int4(1))
        from 0, 1
        target a = 0.1
        target b = 0.2
        target c = 0.3
        target d = 0.4
        target z = 1.1
    "#]],
    );
    check(
        "select x.* from t x, generate_series(1, x.a) with ordinality as g(n, o)",
        expect![[r#"
        Select
        0: x perms 2 reads [1, 2, 3, 4]
        1: g lateral function generate_series(Int4(1), 0.1) with ordinality
        from 0, 1
        target a = 0.1
        target b = 0.2
        target c = 0.3
        target d = 0.4
    "#]],
    );
}

#[test]
fn aggregates() {
    check(
        "select b, sum(a) as s from u group by b having count(*) > 1 order by s",
        expect![[r#"
        Select
        0: u perms 2 reads [2, 1]
        from 0
        target b = 0.2
        target s = agg sum(0.1)
        group by 0
        having int84gt(agg count(*), Int4(1))
        sort 1
    "#]],
    );
    check(
        "select (select sum(u.a) from t) from u",
        expect![[r#"
        Select
        0: u perms 2 reads [1]
        from 0
        target sum = Expr[Select; 0: t perms 2; from 0; target sum = agg^1 sum(^1.0.1); ]
    "#]],
    );
    check(
        "select a, b, grouping(a, b) from u group by rollup (a, b)",
        expect![[r#"
        Select
        0: u perms 2 reads [1, 2]
        from 0
        target a = 0.1
        target b = 0.2
        target grouping = grouping[0, 1]
        group by 0, 1
        sets [[], [0], [0, 1]]
    "#]],
    );
    check(
        "select a, e from u group by a, grouping sets ((b), (e, b)), ()",
        expect![[r#"
        Select
        0: u perms 2 reads [1, 3, 2]
        from 0
        target a = 0.1
        target e = 0.3
        target b = 0.2 junk
        group by 0, 2, 1
        sets [[0, 1], [0, 2, 1]]
    "#]],
    );
    check(
        "select t.b from t group by t.a",
        expect![[r#"
        Select
        0: t perms 2 reads [2, 1]
        from 0
        target b = 0.2
        target a = 0.1 junk
        group by 1
    "#]],
    );
}

#[test]
fn windows() {
    check(
        "select sum(a) over w, rank() over (w order by c), count(*) over (partition by b), row_number() over (partition by b) from t window w as (partition by b)",
        expect![[r#"
        Select
        0: t perms 2 reads [1, 2, 3]
        from 0
        target sum = sum(0.1) over 0
        target rank = rank() over 1
        target count = count() over 0
        target row_number = row_number() over 0
        target b = 0.2 junk
        target c = 0.3 junk
        window partition [4] order [] Range
        window partition [4] order [5] Range
    "#]],
    );
    check(
        "select sum(sum(a)) over (order by b) from u group by b",
        expect![[r#"
        Select
        0: u perms 2 reads [1, 2]
        from 0
        target sum = sum(agg sum(0.1)) over 0
        target b = 0.2 junk
        group by 1
        window partition [] order [1] Range
    "#]],
    );
}

#[test]
fn set_operations() {
    check(
        "select a as x from t union select 'x'::text || 'y' from t where false",
        expect![[r#"
        ERROR:  UNION types integer and text cannot be matched (42804)
    "#]],
    );
    check(
        "select a from t union all select c from t order by a",
        expect![[r#"
        Select
        0: *SELECT* 1
          Select
          0: t perms 2 reads [1]
          from 0
          target a = int8(0.1)
        1: *SELECT* 2
          Select
          0: t perms 2 reads [3]
          from 0
          target c = 0.3
        target a = 0.1
        sort 0
        (0 Union all 1 by [])
    "#]],
    );
    check(
        "select a from t union all (select d from t order by c limit 1) union select 1",
        expect![[r#"
        Select
        0: *SELECT* 1
          Select
          0: t perms 2 reads [1]
          from 0
          target a = numeric(0.1)
        1: *SELECT* 2
          Select
          0: t perms 2 reads [4, 3]
          from 0
          target d = 0.4
          target c = 0.3 junk
          sort 1
          limit int8(Int4(1))
        2: *SELECT* 3
          Select
          target ?column? = numeric(Int4(1))
        target a = 0.1
        ((0 Union all 1 by []) Union 2 by [0])
    "#]],
    );
    check(
        "(select a from t intersect select c from t) union all select 1.5",
        expect![[r#"
        Select
        0: *SELECT* 1
          Select
          0: t perms 2 reads [1]
          from 0
          target a = int8(0.1)
        1: *SELECT* 2
          Select
          0: t perms 2 reads [3]
          from 0
          target c = 0.3
        2: *SELECT* 3
          Select
          target ?column? = Numeric(Numeric { kind: Positive, dscale: 1, weight: 0, digits: [1, 5000] })
        3: *SELECT* 4
          Select
          0: *SELECT*
            Select
            0: *SELECT* 1
              Select
              0: t perms 2 reads [1]
              from 0
              target a = int8(0.1)
            1: *SELECT* 2
              Select
              0: t perms 2 reads [3]
              from 0
              target c = 0.3
            target a = 0.1
            (0 Intersect 1 by [0])
          from 0
          target a = numeric(0.1)
        target a = 3.1
        (3 Union all 2 by [])
    "#]],
    );
    check(
        "select 1 union select '2' union all select null",
        expect![[r#"
        Select
        0: *SELECT* 1
          Select
          target ?column? = Int4(1)
        1: *SELECT* 2
          Select
          target ?column? = Int4(2)
        2: *SELECT* 3
          Select
          target ?column? = null:23
        target ?column? = 0.1
        ((0 Union 1 by [0]) Union all 2 by [])
    "#]],
    );
    check(
        "values (1, 'a'), (2.5, null) order by 2 limit 1",
        expect![[r#"
        Select
        0: *VALUES* values
          numeric(Int4(1)), 'a':25
          Numeric(Numeric { kind: Positive, dscale: 1, weight: 0, digits: [2, 5000] }), null:25
        from 0
        target column1 = 0.1
        target column2 = 0.2
        sort 1
        limit int8(Int4(1))
    "#]],
    );
}

#[test]
fn with_queries() {
    check(
        "with w as (select a from t) select x.a, (select count(*) from w) from w x",
        expect![[r#"
        Select
        with w x2
          Select
          0: t perms 2 reads [1]
          from 0
          target a = 0.1
        0: x cte 0 up 0
        from 0
        target a = 0.1
        target count = Expr[Select; 0: w cte 0 up 1; from 0; target count = agg count(*); ]
    "#]],
    );
    check(
        "with recursive r(n) as (select 1 union all select n + 1 from r where n < 5) select * from r",
        expect![[r#"
        Select
        with r recursive x1
          Select
          0: *SELECT* 1
            Select
            target ?column? = Int4(1)
          1: *SELECT* 2
            Select
            0: r cte 0 up 2 itself
            from 0
            where int4lt(0.1, Int4(5))
            target ?column? = int4pl(0.1, Int4(1))
          target ?column? = 0.1
          (0 Union all 1 by [])
        0: r cte 0 up 0
        from 0
        target n = 0.1
    "#]],
    );
    check(
        "with d as (delete from t where a = 1 returning b) insert into onecol select length(b) from d",
        expect![[r#"
        Insert
        with d x1
          Delete
          0: t perms 10 reads [1, 2]
          from 0
          where int4eq(0.1, Int4(1))
          returning target b = 0.2
        0: onecol perms 1 writes [1]
        1: *SELECT*
          Select
          0: d cte 0 up 1
          from 0
          target length = length(0.1)
        from 1
        target v = 1.1 -> 1
    "#]],
    );
}

#[test]
fn views_that_are_changed() {
    check(
        "insert into vw (b) values ('x') returning a, b",
        expect![[r#"
        Insert
        0: vw perms 3 reads [1, 2] writes [2]
        1: t perms 3 reads [1, 2] writes [2]
        target b = 'x':25 -> 2
        returning target a = 1.1
        returning target b = 1.2
    "#]],
    );
    check(
        "update vover set b = aa::text where aa = 1 returning vover",
        expect![[r#"
        Update
        0: vover perms 6 reads [1, 0] writes [2]
        1: t perms 6 reads [1, 2] writes [2]
        from 1
        where and(int4gt(1.1, Int4(0)), IsNull { arg: Var(Var { rt: 1, attno: 2, type_oid: 25, typmod: -1, collation: 100, levels_up: 0, position: Position(None) }), negated: true, row: false }, int4eq(1.1, Int4(1)))
        target b = 1.1::io 25 -> 2
        returning target vover = row(1.1, 1.2)
    "#]],
    );
    check(
        "delete from vexpr using t where vexpr.s = t.a",
        expect![[r#"
        Delete
        0: vexpr perms 10 reads [2]
        1: t perms 2 reads [1]
        2: u perms 10 reads [1]
        from 2, 1
        where int4eq(int4pl(2.1, Int4(1)), 1.1)
    "#]],
    );
}

#[test]
fn rows_assigned_from_subqueries() {
    check(
        "update t set (b, c) = (select u.b, u.e from u where u.a = t.a)",
        expect![[r#"
        Update
        0: t perms 6 reads [1] writes [2, 3]
        from 0
        target b = (Expr[Select; 0: *SELECT*;   Select;   0: u perms 2 reads [2, 3, 1];   from 0;   where int4eq(0.1, ^2.0.1);   target b = 0.2;   target e = 0.3; from 0; target row = row(0.1, 0.2); ]).1::25 -> 2
        target c = int8((Expr[Select; 0: *SELECT*;   Select;   0: u perms 2 reads [2, 3, 1];   from 0;   where int4eq(0.1, ^2.0.1);   target b = 0.2;   target e = 0.3; from 0; target row = row(0.1, 0.2); ]).2) -> 3
    "#]],
    );
}

#[test]
fn forward_references() {
    check(
        "with recursive a as (select c.x from c), c(x) as (select 1 union all select x + 1 from c) select * from a",
        expect![[r#"
            Select
            with c recursive x1
              Select
              0: *SELECT* 1
                Select
                target ?column? = Int4(1)
              1: *SELECT* 2
                Select
                0: c cte 0 up 2 itself
                from 0
                target ?column? = int4pl(0.1, Int4(1))
              target ?column? = 0.1
              (0 Union all 1 by [])
            with a x1
              Select
              0: c cte 0 up 1
              from 0
              target x = 0.1
            0: a cte 1 up 0
            from 0
            target x = 0.1
        "#]],
    );
}
