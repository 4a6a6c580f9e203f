//! The privileges that GRANT and REVOKE name, and which objects have which.

use redoubt_catalog::acl::{AclObject, Privileges};
use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree::{Grant, Ident, ObjectType};

/// What a statement names.
pub(crate) struct Wanted {
    /// ALL PRIVILEGES.
    pub all: bool,
    /// On the objects.
    pub privileges: Privileges,
    /// On columns, each with their names.
    pub columns: Vec<(Privileges, Vec<Ident>)>,
}

const NAMES: &[(&str, Privileges)] = &[
    ("insert", Privileges::INSERT),
    ("select", Privileges::SELECT),
    ("update", Privileges::UPDATE),
    ("delete", Privileges::DELETE),
    ("truncate", Privileges::TRUNCATE),
    ("references", Privileges::REFERENCES),
    ("trigger", Privileges::TRIGGER),
    ("execute", Privileges::EXECUTE),
    ("usage", Privileges::USAGE),
    ("create", Privileges::CREATE),
    ("temporary", Privileges::TEMPORARY),
    ("temp", Privileges::TEMPORARY),
    ("connect", Privileges::CONNECT),
    ("set", Privileges::SET),
    ("alter system", Privileges::ALTER_SYSTEM),
];

/// Reads the privileges of a statement.
///
/// # Errors
/// `42601` for a word that is no privilege, `0LP01` for one that the kind of object does not have.
pub(crate) fn wanted_privileges(grant: &Grant) -> PgResult<Wanted> {
    let mut wanted =
        Wanted { all: grant.privileges.is_empty(), privileges: Privileges::NONE, columns: Vec::new() };
    let (allowed, word) = allowed_on(grant.object)?;
    for privilege in &grant.privileges {
        let invalid = |word: &str, place: &str| {
            let message = format!("invalid privilege type {} for {place}", word.to_uppercase());
            PgError::new(code::INVALID_GRANT_OPERATION, message)
        };
        let one = match &privilege.name {
            None => Privileges::ALL_COLUMN,
            Some(name) => named(name)?,
        };
        let shown = privilege.name.as_ref().map_or("all", Ident::as_str);
        if privilege.columns.is_empty() {
            if !allowed.contains(one) {
                return Err(invalid(shown, word));
            }
            wanted.privileges = wanted.privileges.union(one);
            continue;
        }
        if grant.object != ObjectType::Table {
            let message = "column privileges are only valid for relations";
            return Err(PgError::new(code::INVALID_GRANT_OPERATION, message));
        }
        if !Privileges::ALL_COLUMN.contains(one) {
            return Err(invalid(shown, "column"));
        }
        wanted.columns.push((one, privilege.columns.clone()));
    }
    Ok(wanted)
}

fn named(name: &Ident) -> PgResult<Privileges> {
    let found = NAMES.iter().find(|(word, _)| *word == name.as_str());
    found.map(|(_, privileges)| *privileges).ok_or_else(|| {
        PgError::new(code::SYNTAX_ERROR, format!("unrecognized privilege type \"{}\"", name.name))
    })
}

/// The privileges of a kind of object, and what messages call it.
fn allowed_on(object: ObjectType) -> PgResult<(Privileges, &'static str)> {
    Ok(match object {
        // A sequence may be named as a table.
        ObjectType::Table => (Privileges::ALL_TABLE.union(Privileges::ALL_SEQUENCE), "relation"),
        ObjectType::Sequence => (Privileges::ALL_SEQUENCE, "sequence"),
        ObjectType::Database => (Privileges::ALL_DATABASE, "database"),
        ObjectType::Domain => (Privileges::USAGE, "domain"),
        ObjectType::Function => (Privileges::EXECUTE, "function"),
        ObjectType::Procedure => (Privileges::EXECUTE, "procedure"),
        ObjectType::Routine => (Privileges::EXECUTE, "routine"),
        ObjectType::Language => (Privileges::USAGE, "language"),
        ObjectType::Schema => (Privileges::ALL_SCHEMA, "schema"),
        ObjectType::Tablespace => (Privileges::CREATE, "tablespace"),
        ObjectType::Type => (Privileges::USAGE, "type"),
        other => return Err(PgError::unsupported(format!("GRANT ON {}", other.tag_words()))),
    })
}

/// What messages call a kind of object.
pub(crate) fn kind_words(kind: AclObject) -> &'static str {
    match kind {
        AclObject::Table => "table",
        AclObject::Column => "column",
        AclObject::Sequence => "sequence",
        AclObject::Database => "database",
        AclObject::Function => "function",
        AclObject::Language => "language",
        AclObject::LargeObject => "large object",
        AclObject::Schema => "schema",
        AclObject::Tablespace => "tablespace",
        AclObject::ForeignDataWrapper => "foreign-data wrapper",
        AclObject::ForeignServer => "foreign server",
        AclObject::Type => "type",
        AclObject::Parameter => "parameter",
    }
}
