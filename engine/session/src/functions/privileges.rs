//! Who may do what: `has_*_privilege`, `pg_has_role`, and access control lists as values
//! (PostgreSQL's src/backend/utils/adt/acl.c).

use super::{Family, SetFamily, all_rows, columns, row, session_functions, session_sets};
use crate::env::StatementEnv;
use redoubt_catalog::acl::{Acl, AclItem, AclObject, Privileges};
use redoubt_catalog::rows::{PgForeignDataWrapper, PgForeignServer};
use redoubt_catalog::{Relation, rows};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{ArrayValue, CallContext, Datum, Oid, RegKind, Rows, types};
use std::sync::Arc;

macro_rules! variants {
    ($($function:ident: $($symbol:literal),*;)*) => {
        session_functions! { $($($symbol: $function;)*)* }
    };
}

pub(super) const BUILTINS: Family = variants! {
    table: "has_table_privilege_id", "has_table_privilege_id_id", "has_table_privilege_id_name",
        "has_table_privilege_name", "has_table_privilege_name_id", "has_table_privilege_name_name";
    sequence: "has_sequence_privilege_id", "has_sequence_privilege_id_id", "has_sequence_privilege_id_name",
        "has_sequence_privilege_name", "has_sequence_privilege_name_id", "has_sequence_privilege_name_name";
    any_column: "has_any_column_privilege_id", "has_any_column_privilege_id_id",
        "has_any_column_privilege_id_name", "has_any_column_privilege_name",
        "has_any_column_privilege_name_id", "has_any_column_privilege_name_name";
    column: "has_column_privilege_id_attnum", "has_column_privilege_id_id_attnum",
        "has_column_privilege_id_id_name", "has_column_privilege_id_name",
        "has_column_privilege_id_name_attnum", "has_column_privilege_id_name_name",
        "has_column_privilege_name_attnum", "has_column_privilege_name_id_attnum",
        "has_column_privilege_name_id_name", "has_column_privilege_name_name",
        "has_column_privilege_name_name_attnum", "has_column_privilege_name_name_name";
    database: "has_database_privilege_id", "has_database_privilege_id_id", "has_database_privilege_id_name",
        "has_database_privilege_name", "has_database_privilege_name_id", "has_database_privilege_name_name";
    schema: "has_schema_privilege_id", "has_schema_privilege_id_id", "has_schema_privilege_id_name",
        "has_schema_privilege_name", "has_schema_privilege_name_id", "has_schema_privilege_name_name";
    function: "has_function_privilege_id", "has_function_privilege_id_id", "has_function_privilege_id_name",
        "has_function_privilege_name", "has_function_privilege_name_id", "has_function_privilege_name_name";
    language: "has_language_privilege_id", "has_language_privilege_id_id", "has_language_privilege_id_name",
        "has_language_privilege_name", "has_language_privilege_name_id", "has_language_privilege_name_name";
    tablespace: "has_tablespace_privilege_id", "has_tablespace_privilege_id_id",
        "has_tablespace_privilege_id_name", "has_tablespace_privilege_name",
        "has_tablespace_privilege_name_id", "has_tablespace_privilege_name_name";
    type_: "has_type_privilege_id", "has_type_privilege_id_id", "has_type_privilege_id_name",
        "has_type_privilege_name", "has_type_privilege_name_id", "has_type_privilege_name_name";
    wrapper: "has_foreign_data_wrapper_privilege_id", "has_foreign_data_wrapper_privilege_id_id",
        "has_foreign_data_wrapper_privilege_id_name", "has_foreign_data_wrapper_privilege_name",
        "has_foreign_data_wrapper_privilege_name_id", "has_foreign_data_wrapper_privilege_name_name";
    server: "has_server_privilege_id", "has_server_privilege_id_id", "has_server_privilege_id_name",
        "has_server_privilege_name", "has_server_privilege_name_id", "has_server_privilege_name_name";
    has_role: "pg_has_role_id", "pg_has_role_id_id", "pg_has_role_id_name", "pg_has_role_name",
        "pg_has_role_name_id", "pg_has_role_name_name";
    row_security: "row_security_active", "row_security_active_name";
    acl_default: "acldefault_sql";
    make_item: "makeaclitem";
    item_eq: "aclitem_eq";
    contains: "aclcontains";
    obsolete: "aclinsert", "aclremove";
};

pub(super) const SETS: SetFamily = session_sets! {
    "aclexplode": explode;
};

type Env<'a> = StatementEnv<'a>;
type Context<'a> = CallContext<'a>;

/// One of the privileges that a text names.
struct Wanted {
    privileges: Privileges,
    grantable: bool,
}

/// Reads a list of privileges separated by commas; any of them will do.
fn wanted(text: &str, kind: AclObject) -> PgResult<Vec<Wanted>> {
    let one = |word: &str| {
        let upper = word.trim().to_ascii_uppercase();
        let (name, grantable) = match upper.strip_suffix(" WITH GRANT OPTION") {
            Some(name) => (name.trim_end(), true),
            None => (upper.as_str(), false),
        };
        // RULE is a privilege of old that nobody has.
        if name == "RULE" && kind == AclObject::Table {
            return Ok(Wanted { privileges: Privileges::NONE, grantable });
        }
        match privilege_named(name).filter(|privileges| kind.all().contains(*privileges)) {
            Some(privileges) => Ok(Wanted { privileges, grantable }),
            None => {
                let message = format!("unrecognized privilege type: \"{}\"", word.trim());
                Err(PgError::new(code::INVALID_PARAMETER_VALUE, message))
            }
        }
    };
    text.split(',').map(one).collect()
}

const NAMES: [(&str, Privileges); 14] = [
    ("INSERT", Privileges::INSERT),
    ("SELECT", Privileges::SELECT),
    ("UPDATE", Privileges::UPDATE),
    ("DELETE", Privileges::DELETE),
    ("TRUNCATE", Privileges::TRUNCATE),
    ("REFERENCES", Privileges::REFERENCES),
    ("TRIGGER", Privileges::TRIGGER),
    ("EXECUTE", Privileges::EXECUTE),
    ("USAGE", Privileges::USAGE),
    ("CREATE", Privileges::CREATE),
    ("TEMPORARY", Privileges::TEMPORARY),
    ("CONNECT", Privileges::CONNECT),
    ("SET", Privileges::SET),
    ("ALTER SYSTEM", Privileges::ALTER_SYSTEM),
];

fn privilege_named(name: &str) -> Option<Privileges> {
    let name = if name == "TEMP" { "TEMPORARY" } else { name };
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, privileges)| *privileges)
}

/// The role that is asked about, by name or OID; without one the current user.
fn role(env: &Env<'_>, arg: Option<&Datum>) -> PgResult<Oid> {
    match arg {
        None => Ok(env.facts.user_oid),
        Some(Datum::Oid(oid)) => Ok(*oid),
        Some(name) => {
            let name = name.as_str()?;
            if name == "public" {
                return Ok(0);
            }
            let missing = || PgError::new(code::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist"));
            Ok(env.catalog.role_by_name(name)?.ok_or_else(missing)?.oid)
        }
    }
}

/// What a role may do with an object, and what it may grant.
fn held(
    env: &Env<'_>,
    role: Oid,
    kind: AclObject,
    owner: Oid,
    acl: Option<&Acl>,
) -> PgResult<(Privileges, Privileges)> {
    if role != 0 && env.catalog.has_privileges_of(role, owner)? {
        let own = env.catalog.privileges(role, kind, owner, acl)?;
        return Ok((own, kind.all()));
    }
    let default;
    let acl = match acl {
        Some(acl) => acl,
        None => {
            default = Acl::default_for(kind, owner);
            &default
        }
    };
    let roles = if role == 0 { Vec::new() } else { env.catalog.roles_of(role, true)? };
    let (mut privileges, mut options) = (Privileges::NONE, Privileges::NONE);
    for item in acl.0.iter() {
        if item.grantee == 0 || item.grantee == role || roles.contains(&item.grantee) {
            privileges = privileges.union(item.privileges);
            options = options.union(item.grant_options);
        }
    }
    Ok((privileges, options))
}

fn any_held(wanted: &[Wanted], (privileges, options): (Privileges, Privileges)) -> bool {
    wanted.iter().any(|wanted| {
        let have = if wanted.grantable { options } else { privileges };
        !wanted.privileges.is_empty() && have.contains(wanted.privileges)
    })
}

/// The arguments of the usual form: role (or none), object, privileges.
fn usual(args: &[Datum]) -> (Option<&Datum>, &Datum, &Datum) {
    match args {
        [object, privileges] => (None, object, privileges),
        [role, object, privileges, ..] => (Some(role), object, privileges),
        _ => unreachable!("these functions have two or three arguments"),
    }
}

/// The object by OID (`None` when there is none) or by name (which must exist).
fn object(env: &Env<'_>, kind: RegKind, arg: &Datum) -> PgResult<Oid> {
    match arg {
        Datum::Oid(oid) => Ok(*oid),
        name => {
            let name = name.as_str()?;
            let found = env.catalog.reg_lookup(kind, name, env.path)?;
            found.ok_or_else(|| env.catalog.reg_missing(kind, name))
        }
    }
}

fn relation_held(env: &Env<'_>, role: Oid, relation: &Relation) -> PgResult<(Privileges, Privileges)> {
    let kind = if relation.kind == 'S' { AclObject::Sequence } else { AclObject::Table };
    let (own, options) = held(env, role, kind, relation.owner, relation.class.relacl.as_ref())?;
    let own = if role == 0 { own } else { env.catalog.privileges_on_relation(role, relation)? };
    Ok((own, options))
}

fn table(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let (who, object_arg, list) = usual(args);
    let who = role(env, who)?;
    let oid = object(env, RegKind::Class, object_arg)?;
    let wanted = wanted(list.as_str()?, AclObject::Table)?;
    match env.catalog.relation_by_oid(oid)? {
        Some(relation) => Ok(Datum::Bool(any_held(&wanted, relation_held(env, who, &relation)?))),
        None => Ok(Datum::Null),
    }
}

fn sequence(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let (who, object_arg, list) = usual(args);
    let who = role(env, who)?;
    let oid = object(env, RegKind::Class, object_arg)?;
    let wanted = wanted(list.as_str()?, AclObject::Sequence)?;
    let Some(relation) = env.catalog.relation_by_oid(oid)? else { return Ok(Datum::Null) };
    if relation.kind != 'S' {
        let message = format!("\"{}\" is not a sequence", relation.name);
        return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
    }
    Ok(Datum::Bool(any_held(&wanted, relation_held(env, who, &relation)?)))
}

fn column_held(
    env: &Env<'_>,
    role: Oid,
    relation: &Relation,
    at: usize,
) -> PgResult<(Privileges, Privileges)> {
    let (table, table_options) = relation_held(env, role, relation)?;
    let Some(acl) = relation.attributes.get(at).and_then(|row| row.attacl.as_ref()) else {
        return Ok((table, table_options));
    };
    let (own, options) = held(env, role, AclObject::Column, relation.owner, Some(acl))?;
    Ok((table.union(own), table_options.union(options)))
}

fn any_column(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let (who, object_arg, list) = usual(args);
    let who = role(env, who)?;
    let oid = object(env, RegKind::Class, object_arg)?;
    let wanted = wanted(list.as_str()?, AclObject::Column)?;
    let Some(relation) = env.catalog.relation_by_oid(oid)? else { return Ok(Datum::Null) };
    if any_held(&wanted, relation_held(env, who, &relation)?) {
        return Ok(Datum::Bool(true));
    }
    for (at, attribute) in relation.desc.attrs.iter().enumerate() {
        if !attribute.dropped && any_held(&wanted, column_held(env, who, &relation, at)?) {
            return Ok(Datum::Bool(true));
        }
    }
    Ok(Datum::Bool(false))
}

fn column(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let (who, rest) = if args.len() == 4 { (Some(&args[0]), &args[1..]) } else { (None, args) };
    let who = role(env, who)?;
    let oid = object(env, RegKind::Class, &rest[0])?;
    let wanted = wanted(rest[2].as_str()?, AclObject::Column)?;
    let Some(relation) = env.catalog.relation_by_oid(oid)? else { return Ok(Datum::Null) };
    let at = match &rest[1] {
        Datum::Int2(number) => usize::try_from(*number).ok().and_then(|number| number.checked_sub(1)),
        name => {
            let name = name.as_str()?;
            let found = relation.desc.position(name);
            let message = || format!("column \"{name}\" of relation \"{}\" does not exist", relation.name);
            Some(found.ok_or_else(|| PgError::new(code::UNDEFINED_COLUMN, message()))?)
        }
    };
    match at.filter(|at| relation.desc.attrs.get(*at).is_some_and(|attribute| !attribute.dropped)) {
        Some(at) => Ok(Datum::Bool(any_held(&wanted, column_held(env, who, &relation, at)?))),
        None => Ok(Datum::Null),
    }
}

/// An owner and a list, as every kind of object has them.
type Owned = (Oid, Option<Acl>);

fn check(
    env: &Env<'_>,
    args: &[Datum],
    kind: AclObject,
    find: impl FnOnce(&Datum) -> PgResult<Option<Owned>>,
) -> PgResult<Datum> {
    let (who, object_arg, list) = usual(args);
    let who = role(env, who)?;
    let found = find(object_arg)?;
    let wanted = wanted(list.as_str()?, kind)?;
    match found {
        Some((owner, acl)) => Ok(Datum::Bool(any_held(&wanted, held(env, who, kind, owner, acl.as_ref())?))),
        None => Ok(Datum::Null),
    }
}

fn missing(code: redoubt_error::SqlState, what: &str, name: &str) -> PgError {
    PgError::new(code, format!("{what} \"{name}\" does not exist"))
}

fn database(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    check(env, args, AclObject::Database, |arg| {
        let row = match arg {
            Datum::Oid(oid) => env.catalog.database_by_oid(*oid)?,
            name => {
                let name = name.as_str()?;
                let row = env.catalog.database_by_name(name)?;
                Some(row.ok_or_else(|| missing(code::UNDEFINED_DATABASE, "database", name))?)
            }
        };
        Ok(row.map(|row| (row.datdba, row.datacl.clone())))
    })
}

fn schema(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    check(env, args, AclObject::Schema, |arg| {
        let row = match arg {
            Datum::Oid(oid) => env.catalog.namespace_by_oid(*oid)?,
            name => {
                let name = name.as_str()?;
                let row = env.catalog.namespace_by_name(name)?;
                Some(row.ok_or_else(|| missing(code::INVALID_SCHEMA_NAME, "schema", name))?)
            }
        };
        Ok(row.map(|row| (row.nspowner, row.nspacl.clone())))
    })
}

fn function(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    check(env, args, AclObject::Function, |arg| {
        let row = env.catalog.proc_by_oid(object(env, RegKind::Procedure, arg)?)?;
        Ok(row.map(|row| (row.proowner, row.proacl.clone())))
    })
}

fn language(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    check(env, args, AclObject::Language, |arg| {
        let row = match arg {
            Datum::Oid(oid) => env.catalog.language_by_oid(*oid)?,
            name => {
                let name = name.as_str()?;
                let row = env.catalog.language_by_name(name)?;
                Some(row.ok_or_else(|| missing(code::UNDEFINED_OBJECT, "language", name))?)
            }
        };
        Ok(row.map(|row| (row.lanowner, row.lanacl.clone())))
    })
}

fn tablespace(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    check(env, args, AclObject::Tablespace, |arg| {
        let row = match arg {
            Datum::Oid(oid) => env.catalog.tablespace_by_oid(*oid)?,
            name => {
                let name = name.as_str()?;
                let row = env.catalog.tablespace_by_name(name)?;
                Some(row.ok_or_else(|| missing(code::UNDEFINED_OBJECT, "tablespace", name))?)
            }
        };
        Ok(row.map(|row| (row.spcowner, row.spcacl.clone())))
    })
}

fn type_(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    check(env, args, AclObject::Type, |arg| {
        let oid = object(env, RegKind::Type, arg)?;
        let Some(mut row) = env.catalog.type_by_oid(oid)? else { return Ok(None) };
        // An array is used by whoever may use its elements.
        if let Some(element) = env.catalog.array_element(oid)? {
            row = env.catalog.type_must(element)?;
        }
        Ok(Some((row.typowner, row.typacl.clone())))
    })
}

fn wrapper(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    check(env, args, AclObject::ForeignDataWrapper, |arg| {
        let rows: Vec<PgForeignDataWrapper> = env.catalog.scan()?;
        let row = match arg {
            Datum::Oid(oid) => rows.into_iter().find(|row| row.oid == *oid),
            name => {
                let name = name.as_str()?;
                let row = rows.into_iter().find(|row| &*row.fdwname == name);
                Some(row.ok_or_else(|| missing(code::UNDEFINED_OBJECT, "foreign-data wrapper", name))?)
            }
        };
        Ok(row.map(|row| (row.fdwowner, row.fdwacl)))
    })
}

fn server(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    check(env, args, AclObject::ForeignServer, |arg| {
        let rows: Vec<PgForeignServer> = env.catalog.scan()?;
        let row = match arg {
            Datum::Oid(oid) => rows.into_iter().find(|row| row.oid == *oid),
            name => {
                let name = name.as_str()?;
                let row = rows.into_iter().find(|row| &*row.srvname == name);
                Some(row.ok_or_else(|| missing(code::UNDEFINED_OBJECT, "server", name))?)
            }
        };
        Ok(row.map(|row| (row.srvowner, row.srvacl)))
    })
}

/// `pg_has_role`: MEMBER may set the role, USAGE has its privileges, with ADMIN OPTION grants it.
fn has_role(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let (who, of, list) = usual(args);
    let (who, of) = (role(env, who)?, role(env, Some(of))?);
    for word in list.as_str()?.split(',') {
        let word = word.trim();
        let granted = match word.to_ascii_uppercase().as_str() {
            "USAGE" => env.catalog.has_privileges_of(who, of)?,
            "MEMBER" => env.catalog.is_member_of(who, of)?,
            "USAGE WITH GRANT OPTION"
            | "USAGE WITH ADMIN OPTION"
            | "MEMBER WITH GRANT OPTION"
            | "MEMBER WITH ADMIN OPTION" => is_admin(env, who, of)?,
            _ => {
                let message = format!("unrecognized privilege type: \"{word}\"");
                return Err(PgError::new(code::INVALID_PARAMETER_VALUE, message));
            }
        };
        if granted {
            return Ok(Datum::Bool(true));
        }
    }
    Ok(Datum::Bool(false))
}

fn is_admin(env: &Env<'_>, who: Oid, of: Oid) -> PgResult<bool> {
    if env.catalog.is_superuser(who)? {
        return Ok(true);
    }
    for member in env.catalog.roles_of(who, false)? {
        let rows: Arc<Vec<Arc<rows::PgAuthMembers>>> = env.catalog.memberships_of(member)?;
        if rows.iter().any(|row| row.roleid == of && row.admin_option) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Row-level security applies to nobody as long as it is not built: tables with it cannot be read.
fn row_security(env: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let oid = object(env, RegKind::Class, &args[0])?;
    let Some(relation) = env.catalog.relation_by_oid(oid)? else { return Ok(Datum::Null) };
    let exempt = env.facts.superuser
        || (env.catalog.has_privileges_of(env.facts.user_oid, relation.owner)?
            && !relation.class.relforcerowsecurity);
    Ok(Datum::Bool(relation.class.relrowsecurity && !exempt))
}

fn acl_default(_: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let kind = match args[0].as_char()? {
        b'c' => AclObject::Column,
        b'r' => AclObject::Table,
        b's' => AclObject::Sequence,
        b'd' => AclObject::Database,
        b'f' => AclObject::Function,
        b'l' => AclObject::Language,
        b'L' => AclObject::LargeObject,
        b'n' => AclObject::Schema,
        b'p' => AclObject::Parameter,
        b't' => AclObject::Tablespace,
        b'F' => AclObject::ForeignDataWrapper,
        b'S' => AclObject::ForeignServer,
        b'T' => AclObject::Type,
        other => {
            let message = format!("unrecognized object type abbreviation: {}", char::from(other));
            return Err(PgError::internal(message));
        }
    };
    let acl = Acl::default_for(kind, args[1].as_oid()?);
    let items = acl.0.iter().map(|item| Datum::text(item.to_string())).collect();
    Ok(Datum::Array(Arc::new(ArrayValue::from_elems(types::ACLITEM, items))))
}

fn make_item(_: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let mut privileges = Privileges::NONE;
    for word in args[2].as_str()?.split(',') {
        let name = word.trim();
        let Some(found) = privilege_named(&name.to_ascii_uppercase()) else {
            let message = format!("unrecognized privilege type: \"{name}\"");
            return Err(PgError::new(code::INVALID_PARAMETER_VALUE, message));
        };
        privileges = privileges.union(found);
    }
    let grant_options = if args[3].as_bool()? { privileges } else { Privileges::NONE };
    let item = AclItem { grantee: args[0].as_oid()?, grantor: args[1].as_oid()?, privileges, grant_options };
    Ok(Datum::text(item.to_string()))
}

fn item_eq(_: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Bool(AclItem::from_stored(args[0].as_str()?)? == AclItem::from_stored(args[1].as_str()?)?))
}

fn items(array: &ArrayValue) -> PgResult<Vec<AclItem>> {
    let item = |datum: &Datum| AclItem::from_stored(datum.as_str()?);
    array.elems.iter().filter(|datum| !datum.is_null()).map(item).collect()
}

fn contains(_: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Datum> {
    let sought = AclItem::from_stored(args[1].as_str()?)?;
    let found = items(&*args[0].as_array()?)?.iter().any(|item| {
        (item.grantee, item.grantor) == (sought.grantee, sought.grantor)
            && item.privileges.contains(sought.privileges)
            && item.grant_options.contains(sought.grant_options)
    });
    Ok(Datum::Bool(found))
}

fn obsolete(_: &Env<'_>, context: &Context<'_>, _: &[Datum]) -> PgResult<Datum> {
    let _ = context;
    Err(PgError::new(code::FEATURE_NOT_SUPPORTED, "aclinsert is no longer supported"))
}

/// One row per privilege: grantor, grantee, its name, whether it may be granted on.
fn explode(_: &Env<'_>, _: &Context<'_>, args: &[Datum]) -> PgResult<Rows> {
    let desc = columns(&[
        ("grantor", types::OID),
        ("grantee", types::OID),
        ("privilege_type", types::TEXT),
        ("is_grantable", types::BOOL),
    ]);
    let mut rows = Vec::new();
    for item in items(&*args[0].as_array()?)? {
        for (bit, (name, _)) in NAMES.iter().enumerate() {
            let one = Privileges(1 << bit);
            if item.privileges.contains(one) {
                let grantable = Datum::Bool(item.grant_options.contains(one));
                let fields =
                    vec![Datum::Oid(item.grantor), Datum::Oid(item.grantee), Datum::text(*name), grantable];
                rows.push(row(&desc, fields));
            }
        }
    }
    Ok(all_rows(rows))
}
