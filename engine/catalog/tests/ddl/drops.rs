//! Who depends on whom, and what a drop makes of it.

use super::*;

#[test]
fn dependencies_are_those_of_postgresql() {
    let expect = "\
a constraint dom_check -> type s.dom
a constraint t_b_c_key on table s.t -> column b of table s.t
a constraint t_b_c_key on table s.t -> column c of table s.t
a constraint t_c_check on table s.t -> column c of table s.t
a constraint t_pkey on table s.t -> column a of table s.t
a constraint u_r_fkey on table s.u -> column r of table s.u
a default value for column b of table s.t -> column b of table s.t
a default value for column id of table s.u -> column id of table s.u
a index s.ti -> column a of table s.t
a index s.ti -> column c of table s.t
a index s.ti -> column d of table s.t
a sequence s.u_id_seq -> column id of table s.u
i composite type s.comp -> type s.comp
i default value for column g of table s.u -> column g of table s.u
i index s.t_b_c_key -> constraint t_b_c_key on table s.t
i index s.t_pkey -> constraint t_pkey on table s.t
i rule _RETURN on view s.v -> view s.v
i sequence s.u_i_seq -> column i of table s.u
i trigger RI_ConstraintTrigger_a_N on table s.t -> constraint u_r_fkey on table s.u
i trigger RI_ConstraintTrigger_c_N on table s.u -> constraint u_r_fkey on table s.u
i type s.comp[] -> type s.comp
i type s.dom[] -> type s.dom
i type s.e[] -> type s.e
i type s.t -> table s.t
i type s.t[] -> type s.t
i type s.u -> table s.u
i type s.u[] -> type s.u
i type s.v -> view s.v
i type s.v[] -> type s.v
n constraint t_c_check on table s.t -> column c of table s.t
n constraint u_r_fkey on table s.u -> column a of table s.t
n constraint u_r_fkey on table s.u -> index s.t_pkey
n default value for column g of table s.u -> column id of table s.u
n default value for column id of table s.u -> sequence s.u_id_seq
n rule _RETURN on view s.v -> column a of table s.t
n rule _RETURN on view s.v -> column b of table s.t
n rule _RETURN on view s.v -> column c of table s.t
n rule _RETURN on view s.v -> view s.v
n sequence s.q -> schema s
n sequence s.u_i_seq -> schema s
n sequence s.u_id_seq -> schema s
n table s.t -> schema s
n table s.u -> schema s
n type s.comp -> schema s
n type s.dom -> schema s
n type s.e -> schema s
n view s.v -> schema s";
    let mut expect: Vec<&str> = expect.lines().collect();
    expect.sort_unstable();
    assert_eq!(dependencies(&make()), expect);
}

#[test]
fn drops_are_refused_with_postgresqls_words() {
    let made = make();
    let ddl = made.ddl();
    let drop = |object| ddl.drop_objects(&[object], Behavior::Restrict);
    let check = |object, message: &str, detail: Option<&str>, hint: &str| {
        let error = fails(drop(object), message);
        assert_eq!(error.code(), code::DEPENDENT_OBJECTS_STILL_EXIST);
        assert_eq!(error.fields().detail.as_deref(), detail);
        assert_eq!(error.fields().hint.as_deref(), Some(hint));
    };
    let cascade = "Use DROP ... CASCADE to drop the dependent objects too.";
    check(
        ObjectAddress::relation(made.t),
        "cannot drop table s.t because other objects depend on it",
        Some(
            "constraint u_r_fkey on table s.u depends on table s.t\n\
             view s.v depends on table s.t",
        ),
        cascade,
    );
    check(
        ObjectAddress::new(class::NAMESPACE, made.schema),
        "cannot drop schema s because other objects depend on it",
        Some(
            "table s.t depends on schema s\n\
             sequence s.q depends on schema s\n\
             table s.u depends on schema s\n\
             view s.v depends on schema s\n\
             type s.e depends on schema s\n\
             type s.dom depends on schema s\n\
             type s.comp depends on schema s",
        ),
        cascade,
    );
    let table = made.relation(made.t);
    check(
        ObjectAddress::relation(table.primary_key.unwrap()),
        "cannot drop index s.t_pkey because constraint t_pkey on table s.t requires it",
        None,
        "You can drop constraint t_pkey on table s.t instead.",
    );
    let view = made.catalog.view();
    let oid = |name| view.relation_oid(made.schema, name).unwrap().unwrap();
    check(
        ObjectAddress::relation(oid("u_id_seq")),
        "cannot drop sequence s.u_id_seq because other objects depend on it",
        Some("default value for column id of table s.u depends on sequence s.u_id_seq"),
        cascade,
    );
    check(
        ObjectAddress::relation(oid("u_i_seq")),
        "cannot drop sequence s.u_i_seq because column i of table s.u requires it",
        None,
        "You can drop column i of table s.u instead.",
    );
    let row_type = view.type_by_name(made.schema, "u").unwrap().unwrap();
    check(
        ObjectAddress::type_(row_type.oid),
        "cannot drop type s.u because table s.u requires it",
        None,
        "You can drop table s.u instead.",
    );
    check(
        ObjectAddress::type_(row_type.typarray),
        "cannot drop type s.u[] because type s.u requires it",
        None,
        "You can drop type s.u instead.",
    );
    fails(
        drop(ObjectAddress::type_(t::INT4)),
        "cannot drop type integer because it is required by the database system",
    );
    fails(
        drop(ObjectAddress::new(class::PROC, 177)),
        "cannot drop function int4pl(integer,integer) because it is required by the database system",
    );
    // Nothing of all this was done.
    assert_eq!(dependencies(&made), dependencies(&make()));
}

#[test]
fn drop_cascade_takes_along_what_depends() {
    let made = make();
    let ddl = made.ddl();
    let dropped = ddl.drop_objects(&[ObjectAddress::relation(made.t)], Behavior::Cascade).unwrap();
    let notice = &dropped.notices[0];
    assert_eq!(notice.message(), "drop cascades to 2 other objects");
    assert_eq!(
        notice.fields().detail.as_deref(),
        Some("drop cascades to constraint u_r_fkey on table s.u\ndrop cascades to view s.v")
    );
    let view = made.catalog.view();
    assert!(view.relation_by_oid(made.t).unwrap().is_none());
    assert!(view.relation_by_name(made.schema, "v").unwrap().is_none());
    assert!(view.relation_by_name(made.schema, "t_pkey").unwrap().is_none());
    let u = made.relation(made.u);
    assert!(u.triggers.is_empty() && u.constraints.is_empty());
    // What is left depends only on what is left.
    dependencies(&made);
}

#[test]
fn dropping_the_schema_leaves_nothing() {
    let made = make();
    let ddl = made.ddl();
    ddl.set_comment(ObjectAddress::column(made.t, 1), Some("first")).unwrap();
    let schema = ObjectAddress::new(class::NAMESPACE, made.schema);
    let dropped = ddl.drop_objects(&[schema], Behavior::Cascade).unwrap();
    assert_eq!(dropped.notices[0].message(), "drop cascades to 7 other objects");
    let view = made.catalog.view();
    assert!(view.scan::<PgDepend>().unwrap().iter().all(|row| row.objid < 16384));
    assert!(view.scan::<PgClass>().unwrap().iter().all(|row| row.oid < 16384));
    assert!(view.scan::<PgAttribute>().unwrap().iter().all(|row| row.attrelid < 16384));
    assert!(view.scan::<PgType>().unwrap().iter().all(|row| row.oid < 16384));
    assert!(view.scan::<PgConstraint>().unwrap().iter().all(|row| row.oid < 16384));
    assert!(view.scan::<PgAttrdef>().unwrap().is_empty());
    assert!(view.scan::<PgTrigger>().unwrap().is_empty());
    assert!(view.scan::<PgRewrite>().unwrap().iter().all(|row| row.ev_class < 16384));
    assert!(view.scan::<PgEnum>().unwrap().is_empty());
    assert!(view.scan::<PgSequence>().unwrap().is_empty());
    assert!(view.scan::<PgDescription>().unwrap().is_empty());
}
