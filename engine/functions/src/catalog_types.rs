//! Types that only the system catalogs have: `aclitem`, `pg_node_tree` and other stored forms.

use crate::io::TypeIo;
use crate::{Datum, Env, Oid, RegKind};
use redoubt_error::{PgError, PgResult, code};

/// A type whose values only the server makes; clients see them as text.
macro_rules! stored_text {
    ($name:literal) => {
        TypeIo {
            input: |_, _, _| {
                let message = concat!("cannot accept a value of type ", $name);
                Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message))
            },
            output: |datum, _, out| {
                out.extend_from_slice(datum.as_str()?.as_bytes());
                Ok(())
            },
            recv: |_, _, _| {
                let message = concat!("cannot accept a value of type ", $name);
                Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message))
            },
            send: |datum, _, out| {
                out.extend_from_slice(datum.as_str()?.as_bytes());
                Ok(())
            },
        }
    };
}

/// An `aclitem`. In a datum it is its text form with role OIDs in the place of names, so that
/// renaming a role rewrites nothing.
pub(crate) static ACLITEM_IO: TypeIo = TypeIo {
    input: |text, _, env| acl_item(text, env).map(Datum::text),
    output: |datum, env, out| acl_text(datum.as_str()?, env, out),
    recv: |_, _, _| Err(no_binary("input", "aclitem")),
    send: |_, _, _| Err(no_binary("output", "aclitem")),
};

/// `pg_node_tree`: SQL text here.
pub(crate) static NODE_TREE_IO: TypeIo = stored_text!("pg_node_tree");
/// `pg_ndistinct`
pub(crate) static NDISTINCT_IO: TypeIo = stored_text!("pg_ndistinct");
/// `pg_dependencies`
pub(crate) static DEPENDENCIES_IO: TypeIo = stored_text!("pg_dependencies");

#[cold]
fn no_binary(direction: &str, name: &str) -> PgError {
    let message = format!("no binary {direction} function available for type {name}");
    PgError::new(code::UNDEFINED_FUNCTION, message)
}

/// The letters of the privileges.
const LETTERS: &str = "arwdDxtXUCTcsA";
/// The role that owns everything at first, and grants where nobody is said to.
const BOOTSTRAP_SUPERUSER: Oid = 10;

fn syntax_error(message: &str) -> PgError {
    PgError::new(code::INVALID_TEXT_REPRESENTATION, message)
}

/// Reads `[group|user] grantee=privileges[/grantor]` into the stored form (PostgreSQL's aclparse).
fn acl_item(text: &str, env: &dyn Env) -> PgResult<String> {
    let (mut grantee, mut rest) = identifier(text)?;
    if !rest.starts_with('=') && !grantee.is_empty() {
        // A key word may stand before the name.
        if grantee != "group" && grantee != "user" {
            return Err(syntax_error(&format!("unrecognized key word: \"{grantee}\""))
                .hint("ACL key word must be \"group\" or \"user\"."));
        }
        (grantee, rest) = identifier(rest)?;
        if grantee.is_empty() {
            return Err(
                syntax_error("missing name").hint("A name must follow the \"group\" or \"user\" key word.")
            );
        }
    }
    let letters = rest.strip_prefix('=').ok_or_else(|| syntax_error("missing \"=\" sign"))?;
    let end = letters.find(|c: char| !c.is_ascii_alphabetic() && c != '*').unwrap_or(letters.len());
    let (letters, rest) = letters.split_at(end);
    if letters.chars().any(|c| c != '*' && !LETTERS.contains(c)) {
        return Err(syntax_error(&format!("invalid mode character: must be one of \"{LETTERS}\"")));
    }
    let (grantor, rest) = match rest.strip_prefix('/') {
        Some(rest) => {
            let (name, rest) = identifier(rest)?;
            if name.is_empty() {
                return Err(syntax_error("a name must follow the \"/\" sign"));
            }
            (role(&name, env)?, rest)
        }
        None => {
            let message = format!("defaulting grantor to user ID {BOOTSTRAP_SUPERUSER}");
            env.notice(PgError::report(redoubt_error::Severity::Warning, code::INVALID_GRANTOR, message));
            (BOOTSTRAP_SUPERUSER, rest)
        }
    };
    if !rest.trim_start().is_empty() {
        return Err(syntax_error("extra garbage at the end of the ACL specification"));
    }
    let grantee = if grantee.is_empty() { String::new() } else { role(&grantee, env)?.to_string() };
    Ok(format!("{grantee}={}/{grantor}", in_order(letters)))
}

/// The privileges, each once, in the order of [`LETTERS`].
fn in_order(letters: &str) -> String {
    let mut out = String::new();
    for letter in LETTERS.chars() {
        let Some(_) = letters.find(letter) else { continue };
        out.push(letter);
        let starred = letters.char_indices().any(|(at, c)| c == letter && letters[at + 1..].starts_with('*'));
        if starred {
            out.push('*');
        }
    }
    out
}

/// A name, quoted or not, and what follows it.
fn identifier(text: &str) -> PgResult<(String, &str)> {
    const MAX_BYTES: usize = 63;
    let text = text.trim_start();
    let mut name = String::new();
    let mut quoted = false;
    let mut chars = text.char_indices().peekable();
    let mut end = text.len();
    while let Some((at, c)) = chars.next() {
        if c == '"' {
            if quoted && chars.peek().is_some_and(|(_, next)| *next == '"') {
                name.push('"');
                chars.next();
            } else {
                quoted = !quoted;
            }
        } else if quoted || c.is_alphanumeric() || c == '_' {
            name.push(c);
        } else {
            end = at;
            break;
        }
    }
    if name.len() > MAX_BYTES {
        let message = "identifier too long";
        return Err(
            PgError::new(code::NAME_TOO_LONG, message).detail("Identifier must be less than 64 characters.")
        );
    }
    Ok((name, text[end..].trim_start()))
}

fn role(name: &str, env: &dyn Env) -> PgResult<Oid> {
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    env.reg_lookup(RegKind::Role, &quoted)?
        .ok_or_else(|| PgError::new(code::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist")))
}

/// Writes the stored form with names.
fn acl_text(stored: &str, env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    let damaged = || PgError::internal(format!("damaged aclitem: {stored}"));
    let (grantee, rest) = stored.split_once('=').ok_or_else(damaged)?;
    let (letters, grantor) = rest.split_once('/').ok_or_else(damaged)?;
    if !grantee.is_empty() {
        put_role(grantee.parse().map_err(|_| damaged())?, env, out)?;
    }
    out.push(b'=');
    out.extend_from_slice(letters.as_bytes());
    out.push(b'/');
    put_role(grantor.parse().map_err(|_| damaged())?, env, out)
}

/// A role's name, quoted when it has characters that a bare name may not have; its OID when it has gone.
fn put_role(oid: Oid, env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    let Some(quoted) = env.reg_name(RegKind::Role, oid)? else {
        out.extend_from_slice(oid.to_string().as_bytes());
        return Ok(());
    };
    let name = match quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => quoted,
    };
    if name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        out.extend_from_slice(name.as_bytes());
    } else {
        out.extend_from_slice(format!("\"{}\"", name.replace('"', "\"\"")).as_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlainEnv;

    /// Expectations taken from PostgreSQL 15.18.
    #[test]
    fn malformed_items_are_refused() {
        let check = |text: &str, expect: &str| {
            let error = acl_item(text, &PlainEnv::default()).expect_err(text);
            assert_eq!(error.message(), expect, "{text}");
        };
        check("x y", "unrecognized key word: \"x\"");
        check("group =r", "role \"group\" does not exist");
        check("=q/postgres", "invalid mode character: must be one of \"arwdDxtXUCTcsA\"");
        check("=r/", "a name must follow the \"/\" sign");
    }

    #[test]
    fn privileges_come_in_order() {
        assert_eq!(in_order("wr*a"), "ar*w");
        assert_eq!(in_order(""), "");
    }
}
