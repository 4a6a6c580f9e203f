//! The shape of whole trees that change data or lock rows.

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
fn inserts() {
    check(
        "insert into t (b, a) values ('x', $1) returning a + 1",
        expect![[r#"
        Insert
        0: t perms 3 reads [1] writes [2, 1]
        target a = $1 -> 1
        target b = 'x':25 -> 2
        returning target ?column? = int4pl(0.1, Int4(1))
    "#]],
    );
    check(
        "insert into t (a) values (1), (2)",
        expect![[r#"
        Insert
        0: t perms 1 writes [1]
        1: *VALUES* values
          Int4(1)
          Int4(2)
        from 1
        target a = 1.1 -> 1
    "#]],
    );
    check(
        "insert into t select a, b from u",
        expect![[r#"
        Insert
        0: t perms 1 writes [1, 2]
        1: *SELECT*
          Select
          0: u perms 2 reads [1, 2]
          from 0
          target a = 0.1
          target b = 0.2
        from 1
        target a = 1.1 -> 1
        target b = 1.2::25 -> 2
    "#]],
    );
    check(
        "insert into onecol select '1'",
        expect![[r#"
        Insert
        0: onecol perms 1 writes [1]
        1: *SELECT*
          Select
          target ?column? = '1':705
        from 1
        target v = Int4(1) -> 1
    "#]],
    );
    check(
        "insert into ident (n) values ('a')",
        expect![[r#"
        Insert
        0: ident perms 1 writes [4]
        target id = int4(nextval(Oid(16401), Bool(true))) -> 1
        target x = Int4(7) -> 2
        target n = 'a':25 -> 4
    "#]],
    );
    check(
        "insert into ident (n, x, id) values ('a', default, default), ('b', 3, default)",
        expect![[r#"
        Insert
        0: ident perms 1 writes [4, 2, 1]
        1: *VALUES* values
          'a':25, Int4(7), null:23
          'b':25, Int4(3), null:23
        from 1
        target id = int4(nextval(Oid(16401), Bool(true))) -> 1
        target x = 1.2 -> 2
        target n = 1.1 -> 4
    "#]],
    );
    check(
        "insert into identd values (default, default), (5, 6)",
        expect![[r#"
        Insert
        0: identd perms 1 writes [1, 2]
        1: *VALUES* values
          int4(nextval(Oid(16406), Bool(true))), Int4(7)
          Int4(5), Int4(6)
        from 1
        target id = 1.1 -> 1
        target x = 1.2 -> 2
    "#]],
    );
    check(
        "insert into t default values",
        expect![[r#"
        Insert
        0: t perms 1
    "#]],
    );
    check(
        "insert into u (a, b) values (1, 'x') on conflict do nothing",
        expect![[r#"
        Insert
        0: u perms 1 writes [1, 2]
        target a = Int4(1) -> 1
        target b = varchar('x':1043, Int4(14), Bool(false)) -> 2
        on conflict of 0 update false
    "#]],
    );
    check(
        "insert into t (a, b) values (1, 'x') on conflict (a) do update set b = excluded.b || t.b where excluded.c is null returning b",
        expect![[r#"
        Insert
        0: t perms 7 reads [1, 2, 3] writes [1, 2]
        1: excluded excluded
        target a = Int4(1) -> 1
        target b = 'x':25 -> 2
        on conflict of 1 update true
          target b = textcat(1.2, 0.2) -> 2
          where IsNull { arg: Var(Var { rt: 1, attno: 3, type_oid: 20, typmod: -1, collation: 0, levels_up: 0, position: Position(Some(95)) }), negated: false, row: false }
        returning target b = 0.2
    "#]],
    );
    check(
        "insert into uniq (k) values (1) on conflict (n, m) do nothing",
        expect![[r#"
        Insert
        0: uniq perms 3 reads [2, 3] writes [1]
        target k = Int4(1) -> 1
        on conflict of 1 update false
    "#]],
    );
    check(
        "insert into uniq (k) values (1) on conflict (lower(n)) do nothing",
        expect![[r#"
        Insert
        0: uniq perms 3 reads [2] writes [1]
        target k = Int4(1) -> 1
        on conflict of 1 update false
    "#]],
    );
    check(
        "insert into uniq (k) values (1) on conflict (m) where m > 0 do nothing",
        expect![[r#"
        Insert
        0: uniq perms 3 reads [3] writes [1]
        target k = Int4(1) -> 1
        on conflict of 1 update false
    "#]],
    );
    check(
        "insert into uniq (k) values (1) on conflict (m) do nothing",
        expect![[r#"
        ERROR:  there is no unique or exclusion constraint matching the ON CONFLICT specification (42P10)
    "#]],
    );
    check(
        "insert into uniq (k) values (1) on conflict (n) do nothing",
        expect![[r#"
        ERROR:  there is no unique or exclusion constraint matching the ON CONFLICT specification (42P10)
    "#]],
    );
    check(
        "insert into uniq (k) values (1) on conflict on constraint un do update set m = 1",
        expect![[r#"
        Insert
        0: uniq perms 7 reads [2, 3] writes [1, 3]
        1: excluded excluded
        target k = Int4(1) -> 1
        on conflict of 1 update true
          target m = Int4(1) -> 3
    "#]],
    );
}

#[test]
fn updates_and_deletes() {
    check(
        "update t set c = a, b = default where a = 1",
        expect![[r#"
        Update
        0: t perms 6 reads [1] writes [3, 2]
        from 0
        where int4eq(0.1, Int4(1))
        target b = null:25 -> 2
        target c = int8(0.1) -> 3
    "#]],
    );
    check(
        "update t set (a, b) = (u.a, u.b) from u where t.a = u.a returning u.e",
        expect![[r#"
        Update
        0: t perms 6 reads [1] writes [1, 2]
        1: u perms 2 reads [1, 3, 2]
        from 0, 1
        where int4eq(0.1, 1.1)
        target a = 1.1 -> 1
        target b = 1.2::25 -> 2
        returning target e = 1.3
    "#]],
    );
    check(
        "update ident set g = default, x = default, id = default",
        expect![[r#"
        Update
        0: ident perms 4 writes [3, 2, 1]
        from 0
        target id = int4(nextval(Oid(16401), Bool(true))) -> 1
        target x = Int4(7) -> 2
    "#]],
    );
    check(
        "delete from t using u where t.a = u.a returning t.*",
        expect![[r#"
        Delete
        0: t perms 10 reads [1, 2, 3, 4]
        1: u perms 2 reads [1]
        from 0, 1
        where int4eq(0.1, 1.1)
        returning target a = 0.1
        returning target b = 0.2
        returning target c = 0.3
        returning target d = 0.4
    "#]],
    );
}

#[test]
fn locking() {
    check(
        "select * from t, u for update of u nowait for share",
        expect![[r#"
        Select
        0: t perms 6 reads [1, 2, 3, 4]
        1: u perms 6 reads [1, 2, 3]
        from 0, 1
        target a = 0.1
        target b = 0.2
        target c = 0.3
        target d = 0.4
        target a = 1.1
        target b = 1.2
        target e = 1.3
        lock 1 Update Error
        lock 0 Share Block
    "#]],
    );
    check(
        "select * from (select a from t) q, vw for key share skip locked",
        expect![[r#"
        Select
        0: q
          Select
          0: t perms 6 reads [1]
          from 0
          target a = 0.1
          lock 0 KeyShare Skip
        1: vw perms 6 reads [1, 2]
          Select
          0: t perms 6 reads [1, 2]
          from 0
          where int4gt(0.1, Int4(0))
          target a = 0.1
          target b = 0.2
          lock 0 KeyShare Skip
        from 0, 1
        target a = 0.1
        target a = 1.1
        target b = 1.2
    "#]],
    );
}

#[test]
fn errors_without_positions() {
    check(
        "insert into sq values (1)",
        expect![[r#"
        ERROR:  cannot change sequence "sq" (42809)
    "#]],
    );
    check(
        "update sq set last_value = 1",
        expect![[r#"
        ERROR:  cannot change sequence "sq" (42809)
    "#]],
    );
    check(
        "delete from sq",
        expect![[r#"
        ERROR:  cannot change sequence "sq" (42809)
    "#]],
    );
}
