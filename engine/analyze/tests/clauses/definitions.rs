//! Definitions of indexes, constraints and views. The expected texts are those of a PostgreSQL 15
//! server for the same objects.

use crate::env::CatalogEnv;
use crate::schema;
use redoubt_analyze::DeparseContext;
use redoubt_catalog::ddl::{Ddl, NewConstraint, NewForeignKey, NewIndex, NewIndexColumn};
use redoubt_catalog::{BTREE, MemoryCatalog, Relation};
use redoubt_functions::{Oid, PlainEnv, Settings, types};
use std::sync::Arc;

const PATH: [Oid; 2] = [schema::PG_CATALOG, schema::PUBLIC];
/// `pg_collation.oid` of "C".
const C_COLLATION: Oid = 950;

fn with_context<T>(catalog: &MemoryCatalog, pretty: bool, ask: impl Fn(DeparseContext<'_>) -> T) -> T {
    let env = CatalogEnv { catalog, path: &PATH, plain: PlainEnv::new(Settings::default(), 0) };
    ask(DeparseContext { catalog: catalog.view(), env: &env, path: &PATH, pretty })
}

fn table(catalog: &MemoryCatalog, name: &str) -> Arc<Relation> {
    catalog.view().relation_by_name(schema::PUBLIC, name).unwrap().expect("a table")
}

fn opclass(catalog: &MemoryCatalog, type_oid: Oid, name: Option<&str>) -> Oid {
    match name {
        None => catalog.view().default_opclass(BTREE, type_oid).unwrap().unwrap().oid,
        Some(name) => {
            let classes = catalog.view().opclasses_of(BTREE).unwrap();
            classes.iter().find(|class| &*class.opcname == name).unwrap().oid
        }
    }
}

#[test]
fn indexes() {
    let catalog = schema::catalog();
    let t = table(&catalog, "t");
    let column = |attnum: i16, expression: Option<&str>, type_oid: Oid, class: Option<&str>| NewIndexColumn {
        name: "c".into(),
        attnum,
        expression: expression.map(|text| (Arc::from(text), type_oid, -1)),
        opclass: opclass(&catalog, type_oid, class),
        collation: catalog.view().type_info(type_oid).unwrap().unwrap().collation,
        descending: false,
        nulls_first: false,
    };
    let mut columns = vec![
        column(2, None, types::TEXT, None),
        column(0, Some("lower(b)"), types::TEXT, None),
        column(0, Some("a + 1"), types::INT4, None),
        column(1, None, types::INT4, None),
        column(2, None, types::TEXT, Some("text_pattern_ops")),
        column(3, None, types::INT8, None),
    ];
    (columns[0].descending, columns[0].nulls_first) = (true, true);
    columns[2].nulls_first = true;
    columns[3].descending = true;
    columns[4].collation = C_COLLATION;
    for (number, column) in columns.iter_mut().enumerate() {
        column.name = format!("c{number}").into();
    }
    let mut index = NewIndex::btree("di", t.oid, columns);
    index.key_columns = 5;
    index.predicate = Some("a > 0 AND b IS NOT NULL".into());
    index.options = Some(vec!["fillfactor=70".into()]);
    let oid = Ddl::new(&catalog, &PATH).create_index(&index, None).unwrap();
    let index = catalog.view().index_by_oid(oid).unwrap().unwrap();
    let definition =
        |pretty| with_context(&catalog, pretty, |context| context.index_definition(&index).unwrap());
    assert_eq!(
        definition(false),
        "CREATE INDEX di ON public.t USING btree (b DESC, lower(b), ((a + 1)) NULLS FIRST, a DESC NULLS LAST, \
         b COLLATE \"C\" text_pattern_ops) INCLUDE (c) WITH (fillfactor='70') \
         WHERE ((a > 0) AND (b IS NOT NULL))"
    );
    assert_eq!(
        definition(true),
        "CREATE INDEX di ON t USING btree (b DESC, lower(b), (a + 1) NULLS FIRST, a DESC NULLS LAST, \
         b COLLATE \"C\" text_pattern_ops) INCLUDE (c) WITH (fillfactor='70') WHERE a > 0 AND b IS NOT NULL"
    );
    let column = |number| {
        with_context(&catalog, false, |context| context.index_column_definition(&index, number).unwrap())
    };
    assert_eq!(column(3).as_deref(), Some("((a + 1))"));
    assert_eq!(column(6).as_deref(), Some("c"));
    assert_eq!((column(0), column(7)), (None, None));
}

#[test]
fn constraints() {
    let catalog = schema::catalog();
    let (u, uniq) = (table(&catalog, "u"), table(&catalog, "uniq"));
    let ddl = Ddl::new(&catalog, &PATH);
    let mut foreign = NewConstraint::new('f', schema::PUBLIC, u.oid, "f1");
    foreign.columns = vec![1, 3];
    (foreign.deferrable, foreign.deferred) = (true, true);
    foreign.index = uniq.constraints.iter().find(|c| &*c.conname == "un").unwrap().conindid;
    foreign.foreign = Some(NewForeignKey {
        table: uniq.oid,
        columns: vec![2, 3],
        match_type: 'f',
        on_update: 'c',
        on_delete: 'n',
        set_columns: Some(vec![1]),
        pk_fk_operators: vec![98, 96],
        pk_pk_operators: vec![98, 96],
        fk_fk_operators: vec![98, 96],
    });
    ddl.create_constraint(&foreign).unwrap();
    let mut check = NewConstraint::new('c', schema::PUBLIC, u.oid, "k1");
    (check.expression, check.no_inherit) = (Some("a > 0".into()), true);
    ddl.create_constraint(&check).unwrap();
    let mut check = NewConstraint::new('c', schema::PUBLIC, u.oid, "k2");
    (check.expression, check.validated) = (Some("a > e OR b IS NULL".into()), false);
    ddl.create_constraint(&check).unwrap();
    let definition = |relation: &str, name: &str, pretty| {
        let relation = table(&catalog, relation);
        let constraint = relation.constraints.iter().find(|c| &*c.conname == name).unwrap().clone();
        with_context(&catalog, pretty, |context| context.constraint_definition(&constraint).unwrap())
    };
    for (relation, name, plain, pretty) in [
        ("t", "t_pkey", "PRIMARY KEY (a)", None),
        ("uniq", "un", "UNIQUE (n, m)", None),
        (
            "u",
            "f1",
            "FOREIGN KEY (a, e) REFERENCES uniq(n, m) MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL (a) \
             DEFERRABLE INITIALLY DEFERRED",
            None,
        ),
        ("u", "k1", "CHECK ((a > 0)) NO INHERIT", Some("CHECK (a > 0) NO INHERIT")),
        (
            "u",
            "k2",
            "CHECK (((a > e) OR (b IS NULL))) NOT VALID",
            Some("CHECK (a > e OR b IS NULL) NOT VALID"),
        ),
    ] {
        assert_eq!(definition(relation, name, false), plain);
        assert_eq!(definition(relation, name, true), pretty.unwrap_or(plain));
    }
}

#[test]
fn views() {
    let catalog = schema::catalog();
    let view = table(&catalog, "vw");
    let definition =
        |pretty| with_context(&catalog, pretty, |context| context.view_definition(&view).unwrap());
    assert_eq!(definition(false), " SELECT t.a,\n    t.b\n   FROM t\n  WHERE (t.a > 0);");
    assert_eq!(definition(true), " SELECT t.a,\n    t.b\n   FROM t\n  WHERE t.a > 0;");
}
