//! DDL primitives over catalogs in memory: the rows and messages are those of a PostgreSQL 15 server that was
//! given the same statements.

mod drops;
mod objects;

use redoubt_catalog::ddl::*;
use redoubt_catalog::rows::*;
use redoubt_catalog::{MemoryCatalog, Relation};
use redoubt_error::code;
use redoubt_functions::{Oid, types as t};
use std::sync::Arc;

const POSTGRES: Oid = 10;
const PUBLIC: Oid = 2200;
const PATH: &[Oid] = &[PUBLIC];
const NUMERIC_10_2: i32 = 655_366;

fn column(name: &str, type_oid: Oid, typmod: i32, collation: Oid) -> NewColumn {
    NewColumn::new(name, type_oid, typmod, collation)
}

fn int(name: &str) -> NewColumn {
    column(name, t::INT4, -1, 0)
}

fn key_column(name: &str, attnum: i16, opclass: Oid, collation: Oid) -> NewIndexColumn {
    NewIndexColumn {
        name: name.into(),
        attnum,
        expression: None,
        opclass,
        collation,
        descending: false,
        nulls_first: false,
    }
}

const INT4_OPS: Oid = 1978;
const TEXT_OPS: Oid = 3126;
const NUMERIC_OPS: Oid = 3125;
const TEXT_PATTERN_OPS: Oid = 4217;

/// A primary key or unique constraint with its index.
fn add_key(ddl: &Ddl<'_>, kind: char, table: &Relation, name: &str, columns: Vec<NewIndexColumn>) -> Oid {
    let constraint = NewConstraint {
        columns: columns.iter().map(|c| c.attnum).collect(),
        ..NewConstraint::new(kind, table.namespace, table.oid, name)
    };
    let constraint = ddl.create_constraint(&constraint).unwrap();
    let index = NewIndex { unique: true, primary: kind == 'p', ..NewIndex::btree(name, table.oid, columns) };
    let index = ddl.create_index(&index, Some(constraint)).unwrap();
    ddl.set_constraint_index(constraint, index).unwrap();
    index
}

struct Made {
    catalog: MemoryCatalog,
    schema: Oid,
    t: Oid,
    u: Oid,
    v: Oid,
    e: Oid,
    dom: Oid,
}

impl Made {
    fn ddl(&self) -> Ddl<'_> {
        Ddl::new(&self.catalog, PATH)
    }

    fn relation(&self, oid: Oid) -> Arc<Relation> {
        self.catalog.view().relation_by_oid(oid).unwrap().unwrap()
    }
}

/// ```sql
/// create schema s;
/// create table s.t(a int primary key, b varchar(10) default 'x' not null,
///     c numeric(10,2) check (c > 0), d text collate "C", unique(b,c));
/// create index ti on s.t (lower(d) text_pattern_ops desc, a) include (c) where a > 5;
/// create sequence s.q;
/// create table s.u(id serial, i int generated always as identity,
///     g int generated always as (id+1) stored, r int references s.t on delete cascade);
/// create view s.v as select a, b from s.t where c > 1;
/// create type s.e as enum('x','y');
/// create domain s.dom as int check (value > 0) default 3;
/// create type s.comp as (x int, y text);
/// ```
fn make() -> Made {
    let catalog = MemoryCatalog::new();
    let ddl = Ddl::new(&catalog, PATH);
    let schema = ddl.create_schema("s", POSTGRES, false).unwrap();
    let t = make_t(&ddl, schema);
    let sequence = |name: &str, type_oid| NewSequence {
        relation: NewRelation::new('S', schema, name, POSTGRES),
        parameters: PgSequence {
            seqrelid: 0,
            seqtypid: type_oid,
            seqstart: 1,
            seqincrement: 1,
            seqmax: i64::MAX,
            seqmin: 1,
            seqcache: 1,
            seqcycle: false,
        },
    };
    ddl.create_sequence(&sequence("q", t::INT8)).unwrap();
    let id_seq = ddl.create_sequence(&sequence("u_id_seq", t::INT4)).unwrap();
    let i_seq = ddl.create_sequence(&sequence("u_i_seq", t::INT4)).unwrap();
    let u = make_u(&ddl, schema, t, id_seq, i_seq);
    let columns = vec![int("a"), column("b", t::VARCHAR, 14, 100)];
    let v = ddl
        .create_relation(&NewRelation { columns, ..NewRelation::new('v', schema, "v", POSTGRES) })
        .unwrap();
    let mut referenced: Vec<_> = (1..=3).map(|attnum| ObjectAddress::column(t, attnum)).collect();
    referenced.push(ObjectAddress::relation(v));
    ddl.set_view_query(v, "SELECT a, b FROM s.t WHERE c > 1", &referenced).unwrap();
    let e = ddl.create_enum(schema, "e", POSTGRES, &["x", "y"]).unwrap();
    let dom = make_dom(&ddl, schema);
    let columns = vec![int("x"), column("y", t::TEXT, -1, 100)];
    ddl.create_relation(&NewRelation { columns, ..NewRelation::new('c', schema, "comp", POSTGRES) }).unwrap();
    Made { schema, t, u, v, e, dom, catalog }
}

fn make_t(ddl: &Ddl<'_>, schema: Oid) -> Oid {
    let columns = vec![
        int("a").not_null(),
        column("b", t::VARCHAR, 14, 100).not_null(),
        column("c", t::NUMERIC, NUMERIC_10_2, 0),
        column("d", t::TEXT, -1, 950),
    ];
    let t = ddl
        .create_relation(&NewRelation { columns, ..NewRelation::new('r', schema, "t", POSTGRES) })
        .unwrap();
    ddl.add_default(t, 2, "'x'::character varying", &[]).unwrap();
    let check = NewConstraint {
        columns: vec![3],
        expression: Some("c > 0".into()),
        referenced: vec![ObjectAddress::column(t, 3)],
        ..NewConstraint::new('c', schema, t, "t_c_check")
    };
    ddl.create_constraint(&check).unwrap();
    let table = ddl.view().relation_by_oid(t).unwrap().unwrap();
    add_key(ddl, 'p', &table, "t_pkey", vec![key_column("a", 1, INT4_OPS, 0)]);
    let columns = vec![key_column("b", 2, TEXT_OPS, 100), key_column("c", 3, NUMERIC_OPS, 0)];
    add_key(ddl, 'u', &table, "t_b_c_key", columns);
    let columns = vec![
        NewIndexColumn {
            expression: Some(("lower(d)".into(), t::TEXT, -1)),
            descending: true,
            nulls_first: true,
            ..key_column("lower", 0, TEXT_PATTERN_OPS, 950)
        },
        key_column("a", 1, INT4_OPS, 0),
        key_column("c", 3, 0, 0),
    ];
    let ti = NewIndex {
        key_columns: 2,
        predicate: Some("a > 5".into()),
        expression_columns: vec![4, 1],
        ..NewIndex::btree("ti", t, columns)
    };
    ddl.create_index(&ti, None).unwrap();
    t
}

fn make_u(ddl: &Ddl<'_>, schema: Oid, t: Oid, id_seq: Oid, i_seq: Oid) -> Oid {
    let columns = vec![
        int("id").not_null(),
        NewColumn { identity: 'a', ..int("i").not_null() },
        NewColumn { generated: 's', ..int("g") },
        int("r"),
    ];
    let u = ddl
        .create_relation(&NewRelation { columns, ..NewRelation::new('r', schema, "u", POSTGRES) })
        .unwrap();
    ddl.set_sequence_owner_column(id_seq, Some((u, 1)), false).unwrap();
    ddl.set_sequence_owner_column(i_seq, Some((u, 2)), true).unwrap();
    let next = "nextval('s.u_id_seq'::regclass)";
    ddl.add_default(u, 1, next, &[ObjectAddress::relation(id_seq)]).unwrap();
    ddl.add_default(u, 3, "id + 1", &[ObjectAddress::column(u, 1)]).unwrap();
    let table = ddl.view().relation_by_oid(t).unwrap().unwrap();
    let foreign = NewForeignKey {
        table: t,
        columns: vec![1],
        on_update: 'a',
        on_delete: 'c',
        match_type: 's',
        set_columns: None,
        pk_fk_operators: vec![96],
        pk_pk_operators: vec![96],
        fk_fk_operators: vec![96],
    };
    let constraint = NewConstraint {
        columns: vec![4],
        index: table.primary_key.unwrap(),
        foreign: Some(foreign),
        ..NewConstraint::new('f', schema, u, "u_r_fkey")
    };
    let constraint = ddl.create_constraint(&constraint).unwrap();
    ddl.create_foreign_key_triggers(constraint).unwrap();
    u
}

fn make_dom(ddl: &Ddl<'_>, schema: Oid) -> Oid {
    let domain = NewDomain {
        name: "dom".into(),
        namespace: schema,
        owner: POSTGRES,
        base: t::INT4,
        typmod: -1,
        dimensions: 0,
        collation: 0,
        not_null: false,
        default: Some("3".into()),
    };
    let oid = ddl.create_domain(&domain, &[]).unwrap();
    let check = NewConstraint {
        domain: oid,
        expression: Some("VALUE > 0".into()),
        no_inherit: false,
        ..NewConstraint::new('c', schema, 0, "dom_check")
    };
    ddl.create_constraint(&check).unwrap();
    oid
}

/// Every dependency in words, as `pg_describe_object` says them, without numbers that depend on OIDs.
fn dependencies(made: &Made) -> Vec<String> {
    let view = made.catalog.view();
    let mut lines: Vec<String> = view
        .scan::<PgDepend>()
        .unwrap()
        .iter()
        .filter(|row| row.objid >= 16384)
        .map(|row| {
            let say = |class, object, sub| {
                let text = made.ddl().describe(ObjectAddress { class, object, sub }).unwrap();
                let words = text.split(' ').map(|word| match word.rsplit_once('_') {
                    Some((rest, number)) if number.parse::<u32>().is_ok() => format!("{rest}_N"),
                    _ => word.to_string(),
                });
                words.collect::<Vec<_>>().join(" ")
            };
            let dependent = say(row.classid, row.objid, row.objsubid);
            format!("{} {dependent} -> {}", row.deptype, say(row.refclassid, row.refobjid, row.refobjsubid))
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

fn fails<T>(result: redoubt_error::PgResult<T>, message: &str) -> redoubt_error::PgError {
    match result {
        Ok(_) => panic!("expected: {message}"),
        Err(error) => {
            assert_eq!(error.message(), message);
            error
        }
    }
}
