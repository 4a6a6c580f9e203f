//! What the primitives make, and the names they refuse.

use super::*;

#[test]
fn a_table_is_put_together() {
    let made = make();
    let table = made.relation(made.t);
    assert_eq!((&*table.name, table.kind, table.class.relnatts, table.class.relchecks), ("t", 'r', 4, 1));
    assert!(table.class.relhasindex && table.class.relhastriggers);
    assert_eq!(table.class.relreplident, 'd');
    let names: Vec<_> = table.constraints.iter().map(|c| (&*c.conname, c.contype)).collect();
    assert_eq!(names, [("t_b_c_key", 'u'), ("t_c_check", 'c'), ("t_pkey", 'p')]);
    assert_eq!(&*table.default_of(2).unwrap().expression, "'x'::character varying");
    assert_eq!(table.indexes.len(), 3);
    let primary = table.primary_key.unwrap();
    assert_eq!(table.constraints[2].conindid, primary);
    let indexes = made.catalog.view().indexes_of(&table).unwrap();
    let ti = indexes.iter().find(|index| &*index.name == "ti").unwrap();
    assert_eq!((ti.columns.len(), ti.key_columns, ti.predicate.as_deref()), (3, 2, Some("a > 5")));
    assert_eq!(ti.columns[0].expression.as_deref(), Some("lower(d)"));
    assert!(ti.columns[0].descending && ti.columns[0].nulls_first);
    assert_eq!((ti.columns[2].attnum, ti.columns[2].opclass), (3, 0));
    let u = made.relation(made.u);
    assert_eq!(u.foreign_keys().next().unwrap().confrelid, made.t);
    assert_eq!(u.triggers.iter().map(|row| row.tgfoid).collect::<Vec<_>>(), [1644, 1645]);
    assert_eq!(table.triggers.iter().map(|row| row.tgfoid).collect::<Vec<_>>(), [1646, 1655]);
    assert_eq!(made.relation(made.v).view_definition(), Some("SELECT a, b FROM s.t WHERE c > 1"));
    let domain = made.catalog.view().type_by_oid(made.dom).unwrap().unwrap();
    assert_eq!((domain.typtype, domain.typlen, domain.typbasetype), ('d', 4, t::INT4));
    assert_eq!(made.catalog.view().domain_constraints(made.dom).unwrap().len(), 1);
}

#[test]
fn names_collide_as_in_postgresql() {
    let made = make();
    let ddl = made.ddl();
    let table =
        |name: &str, columns| NewRelation { columns, ..NewRelation::new('r', made.schema, name, POSTGRES) };
    let error = fails(ddl.create_relation(&table("t", vec![])), "relation \"t\" already exists");
    assert_eq!(error.code(), code::DUPLICATE_TABLE);
    let error = fails(ddl.create_relation(&table("e", vec![])), "type \"e\" already exists");
    assert!(error.fields().hint.as_deref().unwrap().starts_with("A relation has an associated type"));
    fails(ddl.create_enum::<&str>(made.schema, "t", POSTGRES, &[]), "type \"t\" already exists");
    fails(ddl.create_schema("s", POSTGRES, false), "schema \"s\" already exists");
    fails(ddl.create_schema("pg_x", POSTGRES, false), "unacceptable schema name \"pg_x\"");
    let twice = vec![int("a"), int("a")];
    fails(ddl.create_relation(&table("x", twice)), "column \"a\" specified more than once");
    let system = vec![int("xmin")];
    fails(
        ddl.create_relation(&table("x", system)),
        "column name \"xmin\" conflicts with a system column name",
    );
    let pseudo = vec![column("a", t::ANYELEMENT, -1, 0)];
    fails(ddl.create_relation(&table("x", pseudo)), "column \"a\" has pseudo-type anyelement");
    fails(ddl.add_column(made.t, &int("b")), "column \"b\" of relation \"t\" already exists");
    let check = NewConstraint::new('c', made.schema, made.t, "t_pkey");
    fails(ddl.create_constraint(&check), "constraint \"t_pkey\" for relation \"t\" already exists");
}

#[test]
fn array_types_give_way() {
    let made = make();
    let ddl = made.ddl();
    ddl.create_relation(&NewRelation::new('c', made.schema, "_u", POSTGRES)).unwrap();
    let view = made.catalog.view();
    let name_of = |oid| view.type_by_oid(oid).unwrap().unwrap().typname.to_string();
    let array_of = |name| view.type_by_name(made.schema, name).unwrap().unwrap().typarray;
    assert_eq!(name_of(array_of("u")), "__u");
    assert_eq!(name_of(array_of("_u")), "___u");
}

#[test]
fn columns_come_and_go() {
    let made = make();
    let ddl = made.ddl();
    let missing = redoubt_functions::Datum::Int4(7);
    let attnum =
        ddl.add_column(made.t, &NewColumn { missing: Some(missing), ..int("z").not_null() }).unwrap();
    assert_eq!(attnum, 5);
    let table = made.relation(made.t);
    assert!(matches!(table.desc.attrs[4].missing, Some(redoubt_functions::Datum::Int4(7))));
    // The index over the column goes silently; the table stays.
    let dropped = ddl.drop_objects(&[ObjectAddress::column(made.t, 4)], Behavior::Restrict).unwrap();
    assert!(dropped.notices.is_empty());
    let table = made.relation(made.t);
    assert!(table.desc.attrs[3].dropped);
    assert_eq!(&*table.desc.attrs[3].name, "........pg.dropped.4........");
    assert_eq!(table.indexes.len(), 2);
    let error = fails(
        ddl.drop_objects(&[ObjectAddress::column(made.t, 3)], Behavior::Restrict),
        "cannot drop column c of table s.t because other objects depend on it",
    );
    assert_eq!(error.fields().detail.as_deref(), Some("view s.v depends on column c of table s.t"));
    ddl.rename_column(made.t, 1, "aa").unwrap();
    assert_eq!(made.relation(made.t).desc.position("aa"), Some(0));
    ddl.rename_relation(made.t, "tt").unwrap();
    let view = made.catalog.view();
    assert!(view.relation_by_name(made.schema, "t").unwrap().is_none());
    assert_eq!(view.type_by_name(made.schema, "tt").unwrap().unwrap().typrelid, made.t);
    assert!(view.type_by_name(made.schema, "_tt").unwrap().is_some());
    assert!(view.type_by_name(made.schema, "_t").unwrap().is_none());
}

#[test]
fn enum_labels_find_their_places() {
    let made = make();
    let ddl = made.ddl();
    let labels = || -> Vec<String> {
        let members = made.catalog.view().enum_members(made.e).unwrap();
        members.iter().map(|member| member.enumlabel.to_string()).collect()
    };
    ddl.add_enum_label(made.e, "z", NewEnumLabel::Last).unwrap();
    ddl.add_enum_label(made.e, "w", NewEnumLabel::Before("x")).unwrap();
    assert_eq!(labels(), ["w", "x", "y", "z"]);
    for n in 0..20 {
        ddl.add_enum_label(made.e, &format!("x{n}"), NewEnumLabel::After("x")).unwrap();
        assert_eq!(labels()[1..3], ["x".to_string(), format!("x{n}")]);
    }
    assert_eq!(labels().len(), 24);
    // Halving the distance each time, there is no number left in the end. Rows hold the numbers, so none is moved.
    let mut more = 20..60;
    let refused =
        more.find_map(|n| ddl.add_enum_label(made.e, &format!("x{n}"), NewEnumLabel::After("x")).err());
    let message = refused.expect("a float has an end").message().to_string();
    assert_eq!(message, "a label between two that have no number between them is not supported yet");
    fails(ddl.add_enum_label(made.e, "x", NewEnumLabel::Last), "enum label \"x\" already exists");
    fails(
        ddl.add_enum_label(made.e, "n", NewEnumLabel::After("nil")),
        "\"nil\" is not an existing enum label",
    );
    ddl.rename_enum_label(made.e, "w", "first").unwrap();
    assert_eq!(labels()[0], "first");
}

#[test]
fn roles_and_databases() {
    let catalog = MemoryCatalog::new();
    let ddl = Ddl::new(&catalog, PATH);
    let r1 = ddl.create_role(&NewRole::new("r1")).unwrap();
    let r2 = ddl.create_role(&NewRole::new("r2")).unwrap();
    fails(ddl.create_role(&NewRole::new("r1")), "role \"r1\" already exists");
    fails(ddl.create_role(&NewRole::new("pg_x")), "role name \"pg_x\" is reserved");
    ddl.grant_role(r1, r2, POSTGRES, false).unwrap();
    fails(ddl.grant_role(r2, r1, POSTGRES, false), "role \"r2\" is a member of role \"r1\"");
    assert_eq!(catalog.view().roles_of(r2, true).unwrap(), [r2, r1]);
    let table = NewRelation { columns: vec![int("a")], ..NewRelation::new('r', PUBLIC, "rt", r1) };
    let table = ddl.create_relation(&table).unwrap();
    let schema = ddl.create_schema("r1", r1, false).unwrap();
    let acl = redoubt_catalog::acl::Acl(
        [redoubt_catalog::acl::AclItem::from_stored(&format!("{r2}=r/{r1}")).unwrap()].into(),
    );
    ddl.set_relation_acl(table, Some(acl)).unwrap();
    let error = fails(ddl.drop_role(r1), "role \"r1\" cannot be dropped because some objects depend on it");
    assert_eq!(error.fields().detail.as_deref(), Some("owner of table rt\nowner of schema r1"));
    let error = fails(ddl.drop_role(r2), "role \"r2\" cannot be dropped because some objects depend on it");
    assert_eq!(error.fields().detail.as_deref(), Some("privileges for table rt"));
    let objects = [ObjectAddress::relation(table), ObjectAddress::new(class::NAMESPACE, schema)];
    ddl.drop_objects(&objects, Behavior::Restrict).unwrap();
    ddl.drop_role(r1).unwrap();
    ddl.drop_role(r2).unwrap();
    assert_eq!(catalog.view().scan::<PgAuthMembers>().unwrap().len(), 3);

    let database = NewDatabase {
        name: "d".into(),
        owner: POSTGRES,
        template: 1,
        connection_limit: -1,
        is_template: false,
        allow_connections: true,
    };
    let oid = ddl.create_database(&database).unwrap();
    fails(ddl.create_database(&database), "database \"d\" already exists");
    fails(ddl.drop_database(1), "cannot drop a template database");
    fails(ddl.drop_database(5), "cannot drop the currently open database");
    ddl.drop_database(oid).unwrap();
    assert!(catalog.view().database_by_name("d").unwrap().is_none());
}

#[test]
fn objects_of_other_kinds() {
    let made = make();
    let ddl = made.ddl();
    let view = made.catalog.view();
    let function = |name: &str, arguments: Vec<Oid>| NewFunction {
        row: PgProc {
            oid: 0,
            proname: name.into(),
            pronamespace: made.schema,
            pronargs: arguments.len() as i16,
            proargtypes: arguments,
            prosrc: "SELECT 1".into(),
            prorettype: made.e,
            prolang: 14,
            ..(*view.proc_by_oid(177).unwrap().unwrap()).clone()
        },
        aggregate: None,
        referenced: vec![],
    };
    let f = ddl.create_function(&function("f", vec![t::INT4, t::TEXT]), None).unwrap();
    let g = ddl.create_function(&function("g", vec![t::INT4, t::TEXT]), None).unwrap();
    let (f, g) = (ObjectAddress::new(class::PROC, f), ObjectAddress::new(class::PROC, g));
    assert_eq!(ddl.describe(f).unwrap(), "function s.f(integer,text)");
    let error = fails(ddl.rename_object(g, "f"), "function f(integer, text) already exists in schema \"s\"");
    assert_eq!(error.code(), code::DUPLICATE_FUNCTION);
    ddl.move_object(g, PUBLIC).unwrap();
    ddl.rename_object(g, "f").unwrap();
    assert_eq!(ddl.describe(g).unwrap(), "function f(integer,text)");
    let error = fails(
        ddl.drop_objects(&[ObjectAddress::type_(made.e)], Behavior::Restrict),
        "cannot drop type s.e because other objects depend on it",
    );
    assert_eq!(
        error.fields().detail.as_deref(),
        Some("function s.f(integer,text) depends on type s.e\nfunction f(integer,text) depends on type s.e")
    );
    let replaced = ddl.create_function(&function("f", vec![t::INT4, t::TEXT]), Some(f.object)).unwrap();
    assert_eq!(replaced, f.object);

    let role = ddl.create_role(&NewRole::new("owner")).unwrap();
    ddl.change_object_owner(f, role).unwrap();
    assert_eq!(view.proc_by_oid(f.object).unwrap().unwrap().proowner, role);
    fails(ddl.drop_role(role), "role \"owner\" cannot be dropped because some objects depend on it");

    let oid = ddl.allocate_oid().unwrap();
    let collation = PgCollation {
        oid,
        collname: "mine".into(),
        collnamespace: made.schema,
        collowner: role,
        ..(*view.collation_by_oid(950).unwrap().unwrap()).clone()
    };
    let ties = ObjectTies { namespace: made.schema, owner: role, ..ObjectTies::default() };
    ddl.create_object(&collation, oid, &ties).unwrap();
    let collation = ObjectAddress::new(class::COLLATION, oid);
    assert_eq!(ddl.describe(collation).unwrap(), "collation s.mine");
    fails(ddl.rename_object(collation, "mine"), "collation \"mine\" already exists in schema \"s\"");
    ddl.drop_objects(&[collation, f, g], Behavior::Restrict).unwrap();
    ddl.drop_role(role).unwrap();
}
