//! Lookups over the facts: every kind of question, asked twice, against known answers.

use redoubt_catalog::rows::*;
use redoubt_catalog::{BTREE, CatalogView, HASH, MemoryCatalog, SortOperators};
use redoubt_functions::types as t;

const PG_CATALOG: u32 = 11;
const PUBLIC: u32 = 2200;

fn with_view(ask: impl Fn(&CatalogView<'_>)) {
    let catalog = MemoryCatalog::new();
    // The second time the answers come out of the cache.
    ask(&catalog.view());
    ask(&catalog.view());
}

#[test]
fn schemas_and_relations() {
    with_view(|view| {
        assert_eq!(view.namespace_by_name("public").unwrap().unwrap().oid, PUBLIC);
        assert!(view.namespace_by_name("nowhere").unwrap().is_none());
        let class = view.relation_by_name(PG_CATALOG, "pg_class").unwrap().unwrap();
        assert_eq!((class.oid, class.kind, class.desc.len()), (1259, 'r', 33));
        assert_eq!((class.database, class.table_id().relation), (5, 1259));
        assert_eq!(class.indexes, [2662, 2663, 3455]);
        assert_eq!(class.primary_key, Some(2662));
        assert_eq!(class.desc.position("relkind"), Some(16));
        assert!(class.desc.attrs[0].not_null);
        let names: Vec<_> = class.constraints.iter().map(|c| (&*c.conname, c.contype)).collect();
        assert_eq!(names, [("pg_class_oid_index", 'p'), ("pg_class_relname_nsp_index", 'u')]);

        let roles = view.relation_in_path(&[PUBLIC, PG_CATALOG], "pg_authid").unwrap().unwrap();
        assert_eq!((roles.database, roles.node.0), (0, 1260));
        assert!(view.relation_is_visible(&[PG_CATALOG], &roles).unwrap());
        assert!(!view.relation_is_visible(&[PUBLIC], &roles).unwrap());
        assert!(view.relation_in_path(&[PUBLIC], "pg_authid").unwrap().is_none());
        assert!(view.relation_by_oid(1).unwrap().is_none());
        assert!(view.is_current(&roles).unwrap());
    });
}

#[test]
fn indexes() {
    with_view(|view| {
        let class = view.relation_by_oid(1259).unwrap().unwrap();
        let indexes = view.indexes_of(&class).unwrap();
        let by_name = &indexes[1];
        assert_eq!(
            (&*by_name.name, by_name.table, by_name.method),
            ("pg_class_relname_nsp_index", 1259, BTREE)
        );
        assert!(by_name.row.indisunique && !by_name.row.indisprimary);
        let columns: Vec<_> = by_name
            .columns
            .iter()
            .map(|c| (c.attnum, c.type_oid, c.input_type, c.collation, c.descending, c.nulls_first))
            .collect();
        // An index over a name stores a cstring, as its operator class says.
        assert_eq!(
            columns,
            [(2, t::CSTRING, t::NAME, 950, false, false), (3, t::OID, t::OID, 0, false, false)]
        );
    });
}

#[test]
fn functions_and_operators() {
    with_view(|view| {
        let lower = view.procs_by_name("lower").unwrap();
        let mut arguments: Vec<_> = lower.iter().map(|p| p.proargtypes.clone()).collect();
        arguments.sort();
        assert_eq!(arguments, [vec![t::TEXT], vec![t::ANYRANGE], vec![t::ANYMULTIRANGE]]);
        assert!(view.procs_by_name("no_such_function").unwrap().is_empty());
        assert_eq!(&*view.proc_by_oid(177).unwrap().unwrap().prosrc, "int4pl");
        let minus = view.operators_by_name("-").unwrap();
        assert!(minus.iter().any(|o| o.oprleft == 0 && o.oprright == t::INT4));
        assert!(minus.iter().any(|o| o.oprleft == t::INT4 && o.oprright == t::INT4));
        assert_eq!(view.operator_by_oid(551).unwrap().unwrap().oprcode, 177);
        let sum = lower_is_no_aggregate_but_sum_is(view);
        assert_eq!((sum.aggkind, sum.aggtranstype), ('n', t::INT8));
        let cast = view.cast(t::INT4, t::INT8).unwrap().unwrap();
        assert_eq!((cast.castcontext, cast.castmethod), ('i', 'f'));
        assert!(view.cast(t::INT4, t::UUID).unwrap().is_none());
        assert!(view.language_by_name("plpgsql").unwrap().unwrap().lanispl);
        let defaults = view.procs_by_name("make_interval").unwrap()[0].proargdefaults.clone();
        assert_eq!(defaults.as_deref(), Some("0, 0, 0, 0, 0, 0, 0.0"));
    });
}

fn lower_is_no_aggregate_but_sum_is(view: &CatalogView<'_>) -> std::sync::Arc<PgAggregate> {
    assert!(view.aggregate(870).unwrap().is_none());
    let sums = view.procs_by_name("sum").unwrap();
    let of_int4 = sums.iter().find(|p| p.proargtypes == [t::INT4]).unwrap();
    view.aggregate(of_int4.oid).unwrap().unwrap()
}

#[test]
fn types() {
    with_view(|view| {
        let int4 = view.type_by_name(PG_CATALOG, "int4").unwrap().unwrap();
        assert_eq!((int4.oid, int4.typlen, int4.info.array), (t::INT4, 4, t::INT4_ARRAY));
        assert_eq!(view.array_element(t::INT4_ARRAY).unwrap(), Some(t::INT4));
        assert_eq!(view.array_element(t::NAME).unwrap(), None);
        assert_eq!(view.base_type(t::INT4, 7).unwrap(), (t::INT4, 7));
        let row_type = view.relation_by_oid(1259).unwrap().unwrap().class.reltype;
        assert_eq!(view.composite_desc(row_type).unwrap().len(), 33);
        assert_eq!(view.composite_desc(t::INT4).unwrap_err().message(), "type int4 is not composite");
        assert_eq!(view.range(3904).unwrap().unwrap().rngsubtype, t::INT4);
        assert_eq!(view.range_of_multirange(4451).unwrap().unwrap().rngtypid, 3904);
        assert_eq!(view.collations_by_name("C").unwrap()[0].oid, 950);
        assert_eq!(view.ts_config_by_name(PG_CATALOG, "simple").unwrap().unwrap().oid, 3748);
    });
}

#[test]
fn binary_coercions() {
    with_view(|view| {
        for (source, target, expect) in [
            (t::VARCHAR, t::TEXT, true),
            (t::TEXT, t::VARCHAR, true),
            (t::NAME, t::TEXT, false),
            (t::INT4, t::OID, true),
            (t::OID, t::INT4, false),
            (t::INT4_ARRAY, t::ANYARRAY, true),
            (t::INT4, t::ANYARRAY, false),
            (t::INT4, t::ANYNONARRAY, true),
            (t::INT4, t::ANY, true),
            (83, t::RECORD, true),
            (3904, t::ANYRANGE, true),
        ] {
            assert_eq!(view.is_binary_coercible(source, target).unwrap(), expect, "{source} to {target}");
        }
    });
}

#[test]
fn operator_classes() {
    with_view(|view| {
        for (method, type_oid, expect) in [
            (BTREE, t::INT4, Some("int4_ops")),
            (BTREE, t::VARCHAR, Some("text_ops")),
            (HASH, t::BPCHAR, Some("bpchar_ops")),
            (BTREE, t::INT4_ARRAY, Some("array_ops")),
            (BTREE, t::POINT, None),
            (BTREE, t::JSON, None),
            (BTREE, t::REGCLASS, Some("oid_ops")),
        ] {
            let found = view.default_opclass(method, type_oid).unwrap();
            assert_eq!(found.as_ref().map(|class| &*class.opcname), expect, "{method} for {type_oid}");
        }
        let int4 = view.sort_operators(t::INT4).unwrap();
        assert_eq!((int4.less, int4.equal, int4.greater, int4.hashable), (97, 96, 521, true));
        let varchar = view.sort_operators(t::VARCHAR).unwrap();
        assert_eq!((varchar.less, varchar.input_type), (664, t::TEXT));
        assert_eq!(view.sort_operators(t::JSON).unwrap(), SortOperators::default());
        assert_eq!(view.sort_operators(t::JSON_ARRAY).unwrap(), SortOperators::default());
        assert_eq!(view.sort_operators(t::XID).unwrap().less, 0);
        assert_ne!(view.sort_operators(t::XID).unwrap().equal, 0);
        assert!(!view.sort_operators(t::MONEY).unwrap().hashable);
        assert!(!view.sort_operators(791).unwrap().hashable, "an array is hashed by its elements");
        assert_eq!(view.strategy_in_family(97, int4.btree_family).unwrap().unwrap().amopstrategy, 1);
        assert_eq!(view.family_proc(int4.btree_family, t::INT4, t::INT4, 1).unwrap(), 351);
    });
}

#[test]
fn roles_and_databases() {
    with_view(|view| {
        assert_eq!(view.role_by_name("postgres").unwrap().unwrap().oid, 10);
        assert_eq!(view.roles_of(3373, true).unwrap(), [3373, 3374, 3375, 3377]);
        // The owner of the database is a member of pg_database_owner.
        assert_eq!(view.roles_of(10, true).unwrap(), [10, 6171]);
        assert_eq!(view.database_by_name("template1").unwrap().unwrap().oid, 1);
        assert_eq!(view.tablespace_by_name("pg_default").unwrap().unwrap().oid, 1663);
        assert!(view.role_by_name("nobody").unwrap().is_none());
    });
}

#[test]
fn reg_names_in_and_out() {
    use redoubt_functions::RegKind::*;
    let path = &[PUBLIC];
    with_view(|view| {
        for (kind, text, expect) in [
            (Class, "pg_class", Ok(Some(1259))),
            (Class, "PG_class", Ok(Some(1259))),
            (Class, "\"PG_class\"", Ok(None)),
            (Class, "pg_catalog.pg_class", Ok(Some(1259))),
            (Class, "postgres.pg_catalog.pg_class", Ok(Some(1259))),
            (Class, "nosuch.x", Ok(None)),
            (Class, "a.b.c", Err("cross-database references are not implemented: \"a.b.c\"")),
            (Class, "a.b.c.d", Err("improper relation name (too many dotted names): a.b.c.d")),
            (Class, "a b", Err("invalid name syntax")),
            (Class, "\"a", Err("invalid name syntax")),
            (Class, "", Err("invalid name syntax")),
            (Proc, "now", Ok(Some(1299))),
            (Proc, "lower", Err("more than one function named \"lower\"")),
            (Proc, "nosuch", Ok(None)),
            (Procedure, "lower(text)", Ok(Some(870))),
            (Procedure, "lower(int)", Ok(None)),
            (Procedure, "now()", Ok(Some(1299))),
            (Procedure, "lower", Err("expected a left parenthesis")),
            (Oper, "+", Err("more than one operator named +")),
            (Oper, "@@@@", Ok(None)),
            (Operator, "+(int,int)", Ok(Some(551))),
            (Operator, "pg_catalog.+(int4, int4)", Ok(Some(551))),
            (Operator, "-(none,int)", Ok(Some(558))),
            (Operator, "+(int,uuid)", Ok(None)),
            (Role, "postgres", Ok(Some(10))),
            (Role, "a.b", Err("invalid name syntax")),
            (Namespace, "pg_catalog", Ok(Some(11))),
            (Collation, "\"C\"", Ok(Some(950))),
            (Config, "simple", Ok(Some(3748))),
            (Dictionary, "simple", Ok(Some(3765))),
            (Type, "int", Ok(Some(t::INT4))),
            (Type, "varchar(10)", Ok(Some(t::VARCHAR))),
            (Type, "numeric(3,2)[]", Ok(Some(t::NUMERIC_ARRAY))),
            (Type, "timestamp(3) with time zone", Ok(Some(t::TIMESTAMPTZ))),
            (Type, "bit varying(3)", Ok(Some(t::VARBIT))),
            (Type, "interval day to second(3)", Ok(Some(t::INTERVAL))),
            (Type, "float(3)", Ok(Some(t::FLOAT4))),
            (Type, "double precision array", Ok(Some(1022))),
            (Type, "char", Ok(Some(t::BPCHAR))),
            (Type, "\"char\"", Ok(Some(t::CHAR))),
            (Type, "pg_catalog.int4[][]", Ok(Some(t::INT4_ARRAY))),
            (Type, "pg_class", Ok(Some(83))),
            (Type, "nosuch", Ok(None)),
            (Type, "setof int", Err("invalid type name \"setof int\"")),
            (Type, "int4(3)", Err("type modifier is not allowed for type \"int4\"")),
            (Type, "nosuch.t", Ok(None)),
        ] {
            let found = view.reg_lookup(kind, text, path);
            let found = found.as_ref().map(|oid| *oid).map_err(|error| error.message());
            assert_eq!(found, expect, "{kind:?} {text}");
        }
        for (kind, oid, expect) in [
            (Class, 1255, Some("pg_proc")),
            (Class, 12, None),
            (Proc, 870, Some("pg_catalog.lower")),
            (Proc, 1299, Some("now")),
            (Oper, 551, Some("pg_catalog.+")),
            (Operator, 551, Some("+(integer,integer)")),
            (Operator, 558, Some("-(NONE,integer)")),
            (Procedure, 870, Some("lower(text)")),
            (Namespace, 2200, Some("public")),
            (Collation, 950, Some("\"C\"")),
            (Config, 3748, Some("simple")),
            (Type, 1043, Some("character varying")),
            (Role, 10, Some("postgres")),
        ] {
            assert_eq!(view.reg_name(kind, oid, path).unwrap().as_deref(), expect, "{kind:?} {oid}");
        }
        for (kind, text, expect) in [
            (Class, "x", "relation \"x\" does not exist"),
            (Class, "nosuch.x", "schema \"nosuch\" does not exist"),
            (Class, "pg_catalog.nosuch", "relation \"pg_catalog.nosuch\" does not exist"),
            (Proc, "nosuch", "function \"nosuch\" does not exist"),
            (Oper, "@@@@", "operator does not exist: @@@@"),
            (Type, "nosuch.t", "schema \"nosuch\" does not exist"),
            (Type, "nosuch", "type \"nosuch\" does not exist"),
            (Collation, "nosuch", "collation \"nosuch\" for encoding \"UTF8\" does not exist"),
        ] {
            assert_eq!(view.reg_missing(kind, text).message(), expect);
        }
    });
}

#[test]
fn privileges_follow_roles() {
    use redoubt_catalog::acl::Privileges;
    with_view(|view| {
        let relation = |name| view.relation_by_name(PG_CATALOG, name).unwrap().unwrap();
        let (class, authid) = (relation("pg_class"), relation("pg_authid"));
        let on = |role, relation| view.privileges_on_relation(role, relation).unwrap();
        assert_eq!(on(10, &class), Privileges::ALL_TABLE);
        assert_eq!(on(4200, &class), Privileges::SELECT, "PUBLIC may read");
        assert_eq!(on(4200, &authid), Privileges::NONE, "but not passwords");
        assert_eq!(on(6181, &authid), Privileges::SELECT, "pg_read_all_data may");
        assert_eq!(on(6182, &class), Privileges::SELECT, "nobody but superusers writes catalogs");
        assert!(view.has_privileges_of(3373, 3375).unwrap());
        assert!(!view.has_privileges_of(3375, 3373).unwrap());
        assert!(view.is_member_of(10, 3373).unwrap());
    });
}
