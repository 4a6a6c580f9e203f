//! Utility statements.

use expect_test::{Expect, expect};
use redoubt_sql::StatementKind;

/// The statement's tree on one line, without positions and without fields that say nothing.
fn check(text: &str, want: Expect) {
    let statements = redoubt_sql::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let StatementKind::Utility(utility) = &statements[0].kind else { panic!("planned: {text}") };
    want.assert_eq(&format!("{}: {}", utility.tag(), compact(&format!("{utility:?}"))));
}

/// Rewrites `Debug` output: `Ident { name: "a", pos: 1 }` is `a`, and empty fields go.
fn compact(debug: &str) -> String {
    let mut text = debug.to_string();
    loop {
        let before = text.clone();
        while let Some(start) = text.find("Ident { name: \"") {
            let rest = text[start + 15..].to_string();
            let end = rest.find('"').expect("closing quote");
            let close = start + 15 + rest.find('}').expect("closing brace");
            text.replace_range(start..=close, &rest[..end]);
        }
        for field in [": None", ": []", ": false", ": Default", ": Restrict", ": Permanent"] {
            while let Some(at) = text.find(field) {
                let start = text[..at].rfind([' ', '{']).expect("a field's name");
                let mut end = at + field.len();
                if text[end..].starts_with(',') {
                    end += 1;
                }
                text.replace_range(start..end, "");
            }
        }
        while let Some(at) = text.find("pos: ") {
            let digits = text[at + 5..].find(|c: char| !c.is_ascii_digit()).expect("something behind");
            let start = if text[..at].ends_with(", ") { at - 2 } else { at };
            text.replace_range(start..at + 5 + digits, "");
        }
        for (from, to) in [
            (", }", " }"),
            ("{ }", "{}"),
            ("{  ", "{ "),
            ("  ", " "),
            ("ObjectName { parts: ", "{"),
            ("]}", "] }"),
        ] {
            text = text.replace(from, to);
        }
        if text == before {
            return text;
        }
    }
}

#[test]
fn transactions() {
    check(
        "BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY NOT DEFERRABLE",
        expect![
            "BEGIN: Transaction(Begin(TransactionModes { isolation: Some(Serializable), read_only: Some(true), deferrable: Some(false) }))"
        ],
    );
    check(
        "START TRANSACTION READ WRITE",
        expect!["START TRANSACTION: Transaction(Start(TransactionModes { read_only: Some(false) }))"],
    );
    check("END WORK AND CHAIN", expect!["COMMIT: Transaction(Commit { chain: true })"]);
    check("ROLLBACK TO SAVEPOINT a", expect!["ROLLBACK: Transaction(RollbackTo(a))"]);
    check("RELEASE savepoint", expect!["RELEASE: Transaction(Release(savepoint))"]);
    check(
        "PREPARE TRANSACTION 'x'",
        expect![[r#"PREPARE TRANSACTION: Transaction(PrepareTransaction("x"))"#]],
    );
}

#[test]
fn create_table() {
    check(
        "CREATE UNLOGGED TABLE IF NOT EXISTS s.t (a serial PRIMARY KEY, b varchar(3) NOT NULL DEFAULT 'x' || 'y', \
         CHECK (b <> '') NO INHERIT, UNIQUE NULLS NOT DISTINCT (a, b) INCLUDE (c), \
         FOREIGN KEY (a) REFERENCES u (x) MATCH FULL ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED)",
        expect![[
            r#"CREATE TABLE: CreateTable(CreateTable { name: {[s, t] }, persistence: Unlogged, if_not_exists: true, elements: [Column(ColumnDef { name: a, type_name: Some(TypeName { name: {[serial] } }), constraints: [ColumnConstraint { kind: PrimaryKey(IndexConstraint {}), attributes: ConstraintAttributes {} }] }), Column(ColumnDef { name: b, type_name: Some(TypeName { name: {[pg_catalog, varchar] }, typmods: [Literal { value: Integer(3) }] }), constraints: [ColumnConstraint { kind: NotNull, attributes: ConstraintAttributes {} }, ColumnConstraint {(Op(Op { name: OpName { symbol: "||" }, left: Some(Literal { value: String("x") }), right: Literal { value: String("y") } })), attributes: ConstraintAttributes {} }] }), Constraint(TableConstraint { kind: Check { expr: Op(Op { name: OpName { symbol: "<>" }, left: Some(Column(ColumnRef { parts: [b] })), right: Literal { value: String("") } }) }, attributes: ConstraintAttributes { no_inherit: true } }), Constraint(TableConstraint { kind: Unique { columns: [a, b], index: IndexConstraint { nulls_not_distinct: true, include: [c] } }, attributes: ConstraintAttributes {} }), Constraint(TableConstraint { kind: ForeignKey { columns: [a], references: References { table: {[u] }, columns: [x], match_type: Full, on_update: Cascade, on_delete: SetNull } }, attributes: ConstraintAttributes { deferrable: Some(true), initially_deferred: Some(true) } })] })"#
        ]],
    );
    check(
        "CREATE TEMP TABLE t (a int GENERATED ALWAYS AS IDENTITY (START 5), LIKE u INCLUDING ALL) ON COMMIT DROP",
        expect![[
            r#"CREATE TABLE: CreateTable(CreateTable { name: {[t] }, persistence: Temporary, elements: [Column(ColumnDef { name: a, type_name: Some(TypeName { name: {[pg_catalog, int4] } }), constraints: [ColumnConstraint { kind: Identity { always: true, options: [SequenceOption { kind: Start("5") }] }, attributes: ConstraintAttributes {} }] }), Like(LikeClause { source: {[u] }, options: [(All, true)] })], on_commit: Drop })"#
        ]],
    );
    check(
        "CREATE TABLE p PARTITION OF t (a NOT NULL) FOR VALUES FROM (1) TO (MAXVALUE)",
        expect![
            "CREATE TABLE: CreateTable(CreateTable { name: {[p] }, elements: [Column(ColumnDef { name: a, constraints: [ColumnConstraint { kind: NotNull, attributes: ConstraintAttributes {} }] })], partition_of: Some(({[t] }, Range { from: [Literal { value: Integer(1) }], to: [Column(ColumnRef { parts: [maxvalue] })] })) })"
        ],
    );
    check(
        "CREATE TABLE t (a) WITH (fillfactor = 70) AS VALUES (1) WITH NO DATA",
        expect![
            "CREATE TABLE AS: CreateTableAs(CreateTableAs { into: IntoClause { name: {[t] }, columns: [a], options: [DefElem { name: fillfactor, value: Some(Integer(70)) }] }, source: Query(Query { body: Values { rows: [[Literal { value: Integer(1) }]] }, limit: Limit {} }), query_range: 45..55 })"
        ],
    );
    check(
        "SELECT 1 AS a INTO TEMP t FROM u",
        expect![
            "SELECT INTO: CreateTableAs(CreateTableAs { into: IntoClause { name: {[t] }, persistence: Temporary }, source: Query(Query { body: Select(Select { targets: [Target { expr: Literal { value: Integer(1) }, alias: Some(a) }], from: [Relation { relation: RelationName { name: {[u] }, inherit: true } }] }), limit: Limit {} }), with_data: true, select_into: true, query_range: 0..32 })"
        ],
    );
}

#[test]
fn alter_and_drop() {
    check(
        "ALTER TABLE IF EXISTS ONLY t ADD COLUMN IF NOT EXISTS a int, DROP b CASCADE, ALTER c TYPE text USING d",
        expect![
            "ALTER TABLE: AlterTable(AlterTable { object: Table, if_exists: true, relation: RelationName { name: {[t] } }, commands: [AddColumn { if_not_exists: true, column: ColumnDef { name: a, type_name: Some(TypeName { name: {[pg_catalog, int4] } }) } }, DropColumn { name: b, behavior: Cascade }, AlterType { name: c, type_name: TypeName { name: {[text] } }, using: Some(Column(ColumnRef { parts: [d] })) }] })"
        ],
    );
    check(
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID, ALTER a SET DEFAULT 1, OWNER TO CURRENT_USER",
        expect![[
            r#"ALTER TABLE: AlterTable(AlterTable { object: Table, relation: RelationName { name: {[t] }, inherit: true }, commands: [AddConstraint(TableConstraint { name: Some(c), kind: Check { expr: Op(Op { name: OpName { symbol: ">" }, left: Some(Column(ColumnRef { parts: [a] })), right: Literal { value: Integer(0) } }) }, attributes: ConstraintAttributes { not_valid: true } }), SetDefault { name: a, expr: Literal { value: Integer(1) } }, OwnerTo(CurrentUser)] })"#
        ]],
    );
    check(
        "ALTER TABLE t RENAME COLUMN a TO b",
        expect![
            "ALTER TABLE: Rename(Rename { object: Column, relation_kind: Table, target: ObjectRef { name: {[t] } }, subname: Some(a), new_name: b })"
        ],
    );
    check(
        "ALTER VIEW v SET SCHEMA s",
        expect![
            "ALTER VIEW: AlterObjectSchema { object: View, target: ObjectRef { name: {[v] } }, new_schema: s }"
        ],
    );
    check(
        "ALTER SEQUENCE s RESTART WITH 5 OWNED BY t.a NO CYCLE",
        expect![[
            r#"ALTER SEQUENCE: AlterSequence(AlterSequence { name: {[s] }, options: [SequenceOption { kind: Restart(Some("5")) }, SequenceOption { kind: OwnedBy({[t, a] }) }, SequenceOption { kind: Cycle(false) }] })"#
        ]],
    );
    check(
        "DROP TABLE IF EXISTS a, s.b CASCADE",
        expect![
            "DROP TABLE: Drop(Drop { object: Table, targets: [ObjectRef { name: {[a] } }, ObjectRef { name: {[s, b] } }], if_exists: true, behavior: Cascade })"
        ],
    );
    check(
        "DROP FUNCTION f(int, VARIADIC text[]), g",
        expect![
            "DROP FUNCTION: Drop(Drop { object: Function, targets: [ObjectRef { name: {[f] }, args: Some([FunctionParameter { type_name: TypeName { name: {[pg_catalog, int4] } } }, FunctionParameter { mode: Variadic, type_name: TypeName { name: {[text] }, array_bounds: [None] } }]) }, ObjectRef { name: {[g] } }] })"
        ],
    );
}

#[test]
fn objects() {
    check(
        "CREATE UNIQUE INDEX CONCURRENTLY i ON t USING btree (a DESC, (b + 1) NULLS FIRST, lower(c) text_ops) INCLUDE (d) WHERE e",
        expect![[
            r#"CREATE INDEX: CreateIndex(CreateIndex { unique: true, concurrently: true, name: Some(i), relation: RelationName { name: {[t] }, inherit: true }, method: Some(btree), columns: [IndexElement { expr: Column(ColumnRef { parts: [a] }), direction: Desc }, IndexElement { expr: Op(Op { name: OpName { symbol: "+" }, left: Some(Column(ColumnRef { parts: [b] })), right: Literal { value: Integer(1) } }), nulls_first: Some(true) }, IndexElement { expr: Call(FuncCall { name: {[lower] }, args: [FuncArg { value: Column(ColumnRef { parts: [c] }) }] }), opclass: Some({[text_ops] }) }], include: [IndexElement { expr: Column(ColumnRef { parts: [d] }) }], where_clause: Some(Column(ColumnRef { parts: [e] })) })"#
        ]],
    );
    check(
        "CREATE OR REPLACE VIEW v (a) AS SELECT 1 WITH LOCAL CHECK OPTION",
        expect![
            "CREATE VIEW: CreateView(CreateView { or_replace: true, name: {[v] }, columns: [a], query: Query { body: Select(Select { targets: [Target { expr: Literal { value: Integer(1) } }] }), limit: Limit {} }, query_range: 32..40, check_option: Some(Local) })"
        ],
    );
    check(
        "CREATE SEQUENCE s INCREMENT BY -1 MINVALUE -10 CACHE 5",
        expect![[
            r#"CREATE SEQUENCE: CreateSequence(CreateSequence { name: {[s] }, options: [SequenceOption { kind: Increment("-1") }, SequenceOption { kind: MinValue(Some("-10")) }, SequenceOption { kind: Cache("5") }] })"#
        ]],
    );
    check(
        "CREATE SCHEMA s AUTHORIZATION r CREATE TABLE t (a int)",
        expect![
            "CREATE SCHEMA: CreateSchema(CreateSchema { name: Some(s), authorization: Some(Name(r)), elements: [Statement { text_range: 32..54, kind: Utility(CreateTable(CreateTable { name: {[t] }, elements: [Column(ColumnDef { name: a, type_name: Some(TypeName { name: {[pg_catalog, int4] } }) })] })) }] })"
        ],
    );
    check(
        "CREATE DATABASE d TEMPLATE = template0 CONNECTION LIMIT 5",
        expect![[
            r#"CREATE DATABASE: CreateDatabase { name: d, options: [DefElem { name: template, value: Some(String("template0")) }, DefElem { name: connection_limit, value: Some(Integer(5)) }] }"#
        ]],
    );
    check(
        "CREATE TYPE m AS ENUM ('a', 'b')",
        expect![[r#"CREATE TYPE: CreateType(Enum { name: {[m] }, labels: ["a", "b"] })"#]],
    );
    check(
        "CREATE DOMAIN d AS int CHECK (VALUE > 0)",
        expect![[
            r#"CREATE DOMAIN: CreateDomain(CreateDomain { name: {[d] }, type_name: TypeName { name: {[pg_catalog, int4] } }, constraints: [ColumnConstraint { kind: Check { expr: Op(Op { name: OpName { symbol: ">" }, left: Some(Column(ColumnRef { parts: [value] })), right: Literal { value: Integer(0) } }) }, attributes: ConstraintAttributes {} }] })"#
        ]],
    );
    check(
        "COMMENT ON COLUMN t.a IS 'x'",
        expect![[
            r#"COMMENT: Comment { object: Column, target: Object(ObjectRef { name: {[t, a] } }), text: Some("x") }"#
        ]],
    );
}

#[test]
fn roles_and_privileges() {
    check(
        "CREATE USER u WITH PASSWORD 'x' NOSUPERUSER CONNECTION LIMIT -1",
        expect![[
            r#"CREATE ROLE: CreateRole { kind: User, name: Name(u), options: [RoleOption { kind: Password(Some("x")) }, RoleOption { kind: Superuser(false) }, RoleOption { kind: ConnectionLimit(-1) }] }"#
        ]],
    );
    check(
        "ALTER ROLE ALL IN DATABASE d SET a.b = 'x', 1",
        expect![[
            r#"ALTER ROLE: AlterRoleSet { database: Some(d), setting: SetStatement { action: Value { name: "a.b", values: [String("x"), Integer(1)] } } }"#
        ]],
    );
    check(
        "GRANT SELECT, UPDATE (a) ON TABLE t, u TO PUBLIC, r WITH GRANT OPTION",
        expect![
            "GRANT: Grant(Grant { is_grant: true, privileges: [Privilege { name: Some(select) }, Privilege { name: Some(update), columns: [a] }], object: Table, target: Objects([ObjectRef { name: {[t] } }, ObjectRef { name: {[u] } }]), grantees: [Public, Name(r)], grant_option: true })"
        ],
    );
    check(
        "REVOKE ADMIN OPTION FOR a FROM b CASCADE",
        expect![
            "REVOKE ROLE: GrantRole(GrantRole { roles: [a], grantees: [Name(b)], admin_option: true, behavior: Cascade })"
        ],
    );
    check(
        "GRANT ALL ON ALL TABLES IN SCHEMA s TO r",
        expect![
            "GRANT: Grant(Grant { is_grant: true, object: Table, target: AllInSchema([s]), grantees: [Name(r)] })"
        ],
    );
}

#[test]
fn session() {
    check(
        "SET LOCAL search_path TO a, \"B\", 'c'",
        expect![[
            r#"SET: Set(SetStatement { local: true, action: Value { name: "search_path", values: [String("a"), String("B"), String("c")] } })"#
        ]],
    );
    check(
        "SET TIME ZONE 'UTC'",
        expect![[
            r#"SET: Set(SetStatement { action: Value { name: "timezone", values: [String("UTC")] } })"#
        ]],
    );
    check(
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        expect![
            "SET: Set(SetStatement { action: SessionCharacteristics(TransactionModes { read_only: Some(true) }) })"
        ],
    );
    check("RESET ALL", expect!["RESET: Set(SetStatement { action: ResetAll })"]);
    check(
        "SHOW transaction isolation level",
        expect![[r#"SHOW: Show { name: Some("transaction_isolation") }"#]],
    );
    check(
        "EXPLAIN (ANALYZE, COSTS off, FORMAT json) DELETE FROM t",
        expect![[
            r#"EXPLAIN: Explain(Explain { options: [DefElem { name: analyze }, DefElem { name: costs, value: Some(String("off")) }, DefElem { name: format, value: Some(String("json")) }], statement: Statement { text_range: 42..55, kind: Delete(Delete { relation: RelationName { name: {[t] }, inherit: true } }) } })"#
        ]],
    );
    check(
        "PREPARE p (int, text) AS SELECT $1",
        expect![
            "PREPARE: Prepare { name: p, types: [TypeName { name: {[pg_catalog, int4] } }, TypeName { name: {[text] } }], statement: Statement { text_range: 25..34, kind: Query(Query { body: Select(Select { targets: [Target { expr: Param { number: 1 } }] }), limit: Limit {} }) } }"
        ],
    );
    check(
        "EXECUTE p (1, 'x')",
        expect![[
            r#"EXECUTE: Execute(Execute { name: p, params: [Literal { value: Integer(1) }, Literal { value: String("x") }] })"#
        ]],
    );
    check(
        "DECLARE c BINARY NO SCROLL CURSOR WITH HOLD FOR SELECT 1",
        expect![
            "DECLARE CURSOR: DeclareCursor(DeclareCursor { name: c, binary: true, scroll: Some(false), hold: true, query: Query { body: Select(Select { targets: [Target { expr: Literal { value: Integer(1) } }] }), limit: Limit {} }, query_range: 48..56 })"
        ],
    );
    check(
        "FETCH BACKWARD ALL FROM c",
        expect!["FETCH: Fetch(Fetch { direction: Backward(9223372036854775807), cursor: c })"],
    );
    check("MOVE -3 c", expect!["MOVE: Fetch(Fetch { is_move: true, direction: Forward(-3), cursor: c })"]);
    check(
        "LOCK TABLE ONLY t IN SHARE ROW EXCLUSIVE MODE NOWAIT",
        expect![
            "LOCK TABLE: Lock { relations: [RelationName { name: {[t] } }], mode: ShareRowExclusive, nowait: true }"
        ],
    );
    check(
        "TRUNCATE a, ONLY b RESTART IDENTITY CASCADE",
        expect![
            "TRUNCATE TABLE: Truncate { relations: [RelationName { name: {[a] }, inherit: true }, RelationName { name: {[b] } }], restart_identity: true, behavior: Cascade }"
        ],
    );
    check(
        "VACUUM (FULL, ANALYZE) t (a)",
        expect![
            "VACUUM: Vacuum(Vacuum { is_vacuum: true, options: [DefElem { name: full }, DefElem { name: analyze }], relations: [VacuumRelation { name: {[t] }, columns: [a] }] })"
        ],
    );
    check("DISCARD TEMP", expect!["DISCARD TEMP: Discard(Temp)"]);
    check("NOTIFY c, 'x'", expect![[r#"NOTIFY: Notify { channel: c, payload: Some("x") }"#]]);
}

#[test]
fn copy() {
    check(
        "COPY s.t (a, b) FROM STDIN",
        expect!["COPY: Copy(Copy { source: Relation { name: {[s, t] }, columns: [a, b] }, is_from: true })"],
    );
    check(
        "COPY BINARY t TO '/x' WITH DELIMITER AS '|' CSV HEADER FORCE QUOTE *",
        expect![[
            r#"COPY: Copy(Copy { source: Relation { name: {[t] } }, filename: Some("/x"), options: [DefElem { name: format, value: Some(String("binary")) }, DefElem { name: delimiter, value: Some(String("|")) }, DefElem { name: format, value: Some(String("csv")) }, DefElem { name: header, value: Some(String("true")) }, DefElem { name: force_quote, value: Some(Star) }] })"#
        ]],
    );
    check(
        "COPY (SELECT 1) TO STDOUT (FORMAT csv, FORCE_NOT_NULL (a, b), HEADER true)",
        expect![[
            r#"COPY: Copy(Copy { source: Query { statement: Statement { text_range: 6..14, kind: Query(Query { body: Select(Select { targets: [Target { expr: Literal { value: Integer(1) } }] }), limit: Limit {} }) } }, options: [DefElem { name: format, value: Some(String("csv")) }, DefElem { name: force_not_null, value: Some(List([String("a"), String("b")])) }, DefElem { name: header, value: Some(String("true")) }] })"#
        ]],
    );
    check(
        "COPY t FROM '/x' USING DELIMITERS ',' WITH NULL AS '' WHERE a > 1",
        expect![[
            r#"COPY: Copy(Copy { source: Relation { name: {[t] } }, is_from: true, filename: Some("/x"), options: [DefElem { name: delimiter, value: Some(String(",")) }, DefElem { name: null, value: Some(String("")) }], where_clause: Some(Op(Op { name: OpName { symbol: ">" }, left: Some(Column(ColumnRef { parts: [a] })), right: Literal { value: Integer(1) } })) })"#
        ]],
    );
}

#[test]
fn what_is_recognised_but_not_built() {
    check(
        "CREATE TRIGGER t BEFORE INSERT ON a EXECUTE FUNCTION f()",
        expect![[r#"CREATE TRIGGER: NotYet { what: "CREATE TRIGGER" }"#]],
    );
    check(
        "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",
        expect![[r#"CREATE RULE: NotYet { what: "CREATE RULE" }"#]],
    );
    let statements =
        redoubt_sql::parse("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3").unwrap();
    assert_eq!(statements.len(), 2);
}

#[test]
fn statements_are_split_at_semicolons() {
    let text = ";; SELECT 1 ; ; INSERT INTO t VALUES (';') -- ;\n;";
    let statements = redoubt_sql::parse(text).unwrap();
    let parts: Vec<&str> = statements.iter().map(|s| &text[s.text_range.clone()]).collect();
    assert_eq!(parts, ["SELECT 1", "INSERT INTO t VALUES (';')"]);
    assert!(redoubt_sql::parse(" -- nothing\n").unwrap().is_empty());
}
