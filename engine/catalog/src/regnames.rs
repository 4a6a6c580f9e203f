//! Text forms of the `reg*` types: names of objects in, names out (PostgreSQL's regproc.c).

use crate::ddl::PG_CATALOG;
use crate::names::quote_identifier;
use crate::rows::{PgOperator, PgProc};
use crate::type_names::parse_type_name;
use crate::view::CatalogView;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, RegKind};
use std::sync::Arc;

/// Splits a possibly qualified name: parts separated by dots, each folded to lower case unless quoted.
///
/// # Errors
/// `42602` when the text is not such a name.
pub fn split_name(text: &str) -> PgResult<Vec<String>> {
    let invalid = || PgError::new(code::INVALID_NAME, "invalid name syntax");
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let part;
        if let Some(mut quoted) = rest.strip_prefix('"') {
            let mut name = String::new();
            loop {
                let end = quoted.find('"').ok_or_else(invalid)?;
                name.push_str(&quoted[..end]);
                quoted = &quoted[end + 1..];
                match quoted.strip_prefix('"') {
                    Some(after) => {
                        name.push('"');
                        quoted = after;
                    }
                    None => break,
                }
            }
            part = name;
            rest = quoted;
        } else {
            let end = rest.find(|c: char| c == '.' || c.is_whitespace()).unwrap_or(rest.len());
            part = rest[..end].to_lowercase();
            rest = &rest[end..];
        }
        if part.is_empty() {
            return Err(invalid());
        }
        parts.push(crate::ddl::truncate_name(&part).to_string());
        rest = rest.trim_start();
        match rest.strip_prefix('.') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => return Ok(parts),
            None => return Err(invalid()),
        }
    }
}

/// Splits `name(arg, arg)` into the name and the arguments' texts.
fn split_signature(text: &str) -> PgResult<(&str, Vec<&str>)> {
    let bad = |what| PgError::new(code::INVALID_TEXT_REPRESENTATION, what);
    let mut quoted = false;
    let open = text.find(|c: char| {
        quoted ^= c == '"';
        c == '(' && !quoted
    });
    let open = open.ok_or_else(|| bad("expected a left parenthesis"))?;
    let inner = text[open + 1..].trim_end();
    let inner = inner.strip_suffix(')').ok_or_else(|| bad("expected a right parenthesis"))?;
    if inner.trim().is_empty() {
        return Ok((&text[..open], Vec::new()));
    }
    let (mut quoted, mut depth) = (false, 0);
    let arguments: Vec<&str> = inner
        .split(|c: char| {
            match c {
                '"' => quoted = !quoted,
                '(' | '[' if !quoted => depth += 1,
                ')' | ']' if !quoted => depth -= 1,
                _ => {}
            }
            c == ',' && !quoted && depth == 0
        })
        .map(str::trim)
        .collect();
    if arguments.iter().any(|argument| argument.is_empty()) {
        return Err(bad("expected a type name"));
    }
    Ok((&text[..open], arguments))
}

impl CatalogView<'_> {
    /// The object that the text form of a `reg*` value names, other than a number or `-`. `None` when
    /// there is none, which input functions make an error of and `to_reg*` functions NULL.
    ///
    /// # Errors
    /// Those of malformed names; `42725` for a name that stands for several; those of reading pages.
    pub fn reg_lookup(&self, kind: RegKind, text: &str, path: &[Oid]) -> PgResult<Option<Oid>> {
        match kind {
            RegKind::Type => Ok(parse_type_name(self, text, path)?.map(|(oid, _)| oid)),
            RegKind::Procedure => self.procedure_named(text, path),
            RegKind::Operator => self.operator_with_types_named(text, path),
            RegKind::Oper => {
                let (schema, name) = self.operator_name(text)?;
                let found = self.operators_named(schema, name, path)?;
                one_of(found.iter().map(|row| row.oid), || format!("more than one operator named {text}"))
            }
            RegKind::Proc => {
                let (schema, name) = self.qualified(split_name(text)?)?;
                let found = self.procs_named(schema, &name, path)?;
                one_of(found.iter().map(|row| row.oid), || format!("more than one function named \"{text}\""))
            }
            RegKind::Role | RegKind::Namespace => {
                let [name] = &split_name(text)?[..] else {
                    return Err(PgError::new(code::INVALID_NAME, "invalid name syntax"));
                };
                Ok(match kind {
                    RegKind::Role => self.role_by_name(name)?.map(|row| row.oid),
                    _ => self.namespace_by_name(name)?.map(|row| row.oid),
                })
            }
            RegKind::Class | RegKind::Config | RegKind::Dictionary | RegKind::Collation => {
                let (schema, name) = self.qualified(split_name(text)?)?;
                for schema in self.schemas_to_search(schema, path) {
                    if let Some(oid) = self.in_schema(kind, schema, &name)? {
                        return Ok(Some(oid));
                    }
                }
                Ok(None)
            }
        }
    }

    /// The error for a name that [`CatalogView::reg_lookup`] found nothing for.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn reg_missing(&self, kind: RegKind, text: &str) -> PgError {
        // A schema that is not there is what is missing first.
        let named = !matches!(kind, RegKind::Procedure | RegKind::Operator | RegKind::Oper);
        if named
            && let Ok(parts) = split_name(text)
            && let [.., schema, _] = &parts[..]
            && let Ok(None) = self.namespace_by_name(schema)
        {
            return PgError::new(code::UNDEFINED_SCHEMA, format!("schema \"{schema}\" does not exist"));
        }
        let (sqlstate, message) = match kind {
            RegKind::Class => (code::UNDEFINED_TABLE, format!("relation \"{text}\" does not exist")),
            RegKind::Proc | RegKind::Procedure => {
                (code::UNDEFINED_FUNCTION, format!("function \"{text}\" does not exist"))
            }
            RegKind::Oper | RegKind::Operator => {
                (code::UNDEFINED_FUNCTION, format!("operator does not exist: {text}"))
            }
            RegKind::Type => (code::UNDEFINED_OBJECT, format!("type \"{text}\" does not exist")),
            RegKind::Role => (code::UNDEFINED_OBJECT, format!("role \"{text}\" does not exist")),
            RegKind::Namespace => (code::UNDEFINED_SCHEMA, format!("schema \"{text}\" does not exist")),
            RegKind::Config => {
                (code::UNDEFINED_OBJECT, format!("text search configuration \"{text}\" does not exist"))
            }
            RegKind::Dictionary => {
                (code::UNDEFINED_OBJECT, format!("text search dictionary \"{text}\" does not exist"))
            }
            RegKind::Collation => {
                let message = format!("collation \"{text}\" for encoding \"UTF8\" does not exist");
                (code::UNDEFINED_OBJECT, message)
            }
        };
        PgError::new(sqlstate, message)
    }

    /// A name of up to three parts as schema and name; the database, if named, must be this one.
    pub(crate) fn qualified(&self, mut parts: Vec<String>) -> PgResult<(Option<String>, String)> {
        let name = parts.pop().expect("a name has a part");
        match &parts[..] {
            [] => Ok((None, name)),
            [schema] => Ok((Some(schema.clone()), name)),
            [database, schema] => {
                let here = self.database_by_oid(self.database())?;
                if here.is_some_and(|row| *row.datname == **database) {
                    return Ok((Some(schema.clone()), name));
                }
                Err(PgError::new(
                    code::FEATURE_NOT_SUPPORTED,
                    format!("cross-database references are not implemented: \"{database}.{schema}.{name}\""),
                ))
            }
            _ => Err(PgError::new(
                code::SYNTAX_ERROR,
                format!("improper relation name (too many dotted names): {}.{name}", parts.join(".")),
            )),
        }
    }

    /// The schema named, if it exists, or those of the search path.
    pub(crate) fn schemas_to_search(&self, schema: Option<String>, path: &[Oid]) -> Vec<Oid> {
        match schema {
            // The session's own temporary schema is in its path.
            Some(name) if name == "pg_temp" => {
                let is_temporary = |oid: &Oid| {
                    let row = self.namespace_by_oid(*oid).ok().flatten();
                    row.is_some_and(|row| row.nspname.starts_with("pg_temp_"))
                };
                path.iter().copied().filter(is_temporary).take(1).collect()
            }
            Some(name) => {
                self.namespace_by_name(&name).ok().flatten().map(|row| row.oid).into_iter().collect()
            }
            None => crate::names::with_system(path),
        }
    }

    fn in_schema(&self, kind: RegKind, schema: Oid, name: &str) -> PgResult<Option<Oid>> {
        Ok(match kind {
            RegKind::Config => self.ts_config_by_name(schema, name)?.map(|row| row.oid),
            RegKind::Dictionary => self.ts_dict_by_name(schema, name)?.map(|row| row.oid),
            RegKind::Collation => {
                let rows = self.collations_by_name(name)?;
                rows.iter().find(|row| row.collnamespace == schema).map(|row| row.oid)
            }
            _ => self.relation_oid(schema, name)?,
        })
    }

    /// Functions of a name; along the path, those hidden by an earlier one with the same arguments are left
    /// out.
    fn procs_named(&self, schema: Option<String>, name: &str, path: &[Oid]) -> PgResult<Vec<Arc<PgProc>>> {
        let all = self.procs_by_name(name)?;
        let mut found: Vec<Arc<PgProc>> = Vec::new();
        for schema in self.schemas_to_search(schema, path) {
            for row in all.iter().filter(|row| row.pronamespace == schema) {
                if found.iter().all(|known| known.proargtypes != row.proargtypes) {
                    found.push(row.clone());
                }
            }
        }
        Ok(found)
    }

    fn operators_named(
        &self,
        schema: Option<String>,
        name: &str,
        path: &[Oid],
    ) -> PgResult<Vec<Arc<PgOperator>>> {
        let all = self.operators_by_name(name)?;
        let mut found: Vec<Arc<PgOperator>> = Vec::new();
        for schema in self.schemas_to_search(schema, path) {
            for row in all.iter().filter(|row| row.oprnamespace == schema) {
                let same =
                    |known: &Arc<PgOperator>| (known.oprleft, known.oprright) == (row.oprleft, row.oprright);
                if !found.iter().any(same) {
                    found.push(row.clone());
                }
            }
        }
        Ok(found)
    }

    /// `schema.+` or `+`.
    fn operator_name<'t>(&self, text: &'t str) -> PgResult<(Option<String>, &'t str)> {
        let text = text.trim();
        let symbols = text.trim_end_matches(|c| "+-*/<>=~!@#%^&|`?".contains(c));
        let name = &text[symbols.len()..];
        if name.is_empty() {
            return Err(PgError::new(code::INVALID_NAME, "invalid name syntax"));
        }
        match symbols.trim_end().strip_suffix('.') {
            Some(schema) => Ok((split_name(schema)?.pop(), name)),
            None if symbols.is_empty() => Ok((None, name)),
            None => Err(PgError::new(code::INVALID_NAME, "invalid name syntax")),
        }
    }

    fn procedure_named(&self, text: &str, path: &[Oid]) -> PgResult<Option<Oid>> {
        let (name, arguments) = split_signature(text)?;
        let (schema, name) = self.qualified(split_name(name)?)?;
        let mut types = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let found = parse_type_name(self, argument, path)?;
            let Some((oid, _)) = found else {
                return Err(self.reg_missing(RegKind::Type, argument));
            };
            types.push(oid);
        }
        let found = self.procs_named(schema, &name, path)?;
        Ok(found.iter().find(|row| row.proargtypes == types).map(|row| row.oid))
    }

    fn operator_with_types_named(&self, text: &str, path: &[Oid]) -> PgResult<Option<Oid>> {
        let (name, arguments) = split_signature(text)?;
        let (schema, name) = self.operator_name(name)?;
        let [left, right] = arguments[..] else {
            let error = if arguments.len() < 2 {
                PgError::new(code::UNDEFINED_PARAMETER, "missing argument")
                    .hint("Use NONE to denote the missing argument of a unary operator.")
            } else {
                PgError::new(code::TOO_MANY_ARGUMENTS, "too many arguments")
                    .hint("Provide two argument types for operator.")
            };
            return Err(error);
        };
        let argument = |text: &str| -> PgResult<Oid> {
            if text.eq_ignore_ascii_case("none") {
                return Ok(0);
            }
            let found = parse_type_name(self, text, path)?;
            found.map(|(oid, _)| oid).ok_or_else(|| self.reg_missing(RegKind::Type, text))
        };
        let types = (argument(left)?, argument(right)?);
        let found = self.operators_named(schema, name, path)?;
        Ok(found.iter().find(|row| (row.oprleft, row.oprright) == types).map(|row| row.oid))
    }

    /// The text form of a `reg*` value: the name, qualified and quoted as far as it must be to be found along
    /// `path`; `None` when there is no such object.
    ///
    /// # Errors
    /// Those of reading pages.
    pub fn reg_name(&self, kind: RegKind, oid: Oid, path: &[Oid]) -> PgResult<Option<String>> {
        Ok(match kind {
            RegKind::Class => match self.relation_by_oid(oid)? {
                Some(relation) => Some(self.relation_name(&relation, path)?),
                None => None,
            },
            RegKind::Type => match self.type_info(oid)? {
                Some(_) => Some(self.format_type(oid, None, path)?),
                None => None,
            },
            RegKind::Role => self.role_by_oid(oid)?.map(|row| quote_identifier(&row.rolname)),
            RegKind::Namespace => self.namespace_by_oid(oid)?.map(|row| quote_identifier(&row.nspname)),
            RegKind::Procedure => match self.proc_by_oid(oid)? {
                Some(row) => Some(self.function_signature(&row, path)?),
                None => None,
            },
            RegKind::Operator => match self.operator_by_oid(oid)? {
                Some(_) => Some(self.operator_signature(oid, path)?),
                None => None,
            },
            RegKind::Proc => match self.proc_by_oid(oid)? {
                Some(row) => {
                    let seen = self.procs_named(None, &row.proname, path)?;
                    let alone = seen.len() == 1 && seen[0].oid == oid;
                    Some(self.quote_in_schema((!alone).then_some(row.pronamespace), &row.proname)?)
                }
                None => None,
            },
            RegKind::Oper => match self.operator_by_oid(oid)? {
                Some(row) => {
                    let seen = self.operators_named(None, &row.oprname, path)?;
                    let alone = seen.len() == 1 && seen[0].oid == oid;
                    let schema = self.namespace_by_oid(row.oprnamespace)?.filter(|_| !alone);
                    let schema = schema.map(|row| format!("{}.", quote_identifier(&row.nspname)));
                    Some(format!("{}{}", schema.unwrap_or_default(), row.oprname))
                }
                None => None,
            },
            RegKind::Config | RegKind::Dictionary | RegKind::Collation => {
                self.schema_object_name(kind, oid, path)?
            }
        })
    }

    fn schema_object_name(&self, kind: RegKind, oid: Oid, path: &[Oid]) -> PgResult<Option<String>> {
        let found = match kind {
            RegKind::Config => self.ts_config_by_oid(oid)?.map(|row| (row.cfgnamespace, row.cfgname.clone())),
            RegKind::Dictionary => {
                self.ts_dict_by_oid(oid)?.map(|row| (row.dictnamespace, row.dictname.clone()))
            }
            _ => self.collation_by_oid(oid)?.map(|row| (row.collnamespace, row.collname.clone())),
        };
        let Some((schema, name)) = found else { return Ok(None) };
        let mut seen = None;
        for schema in crate::names::with_system(path) {
            seen = self.in_schema(kind, schema, &name)?;
            if seen.is_some() {
                break;
            }
        }
        Ok(Some(self.quote_in_schema((seen != Some(oid)).then_some(schema), &name)?))
    }
}

/// The only one of some objects, if there is any.
fn one_of(mut found: impl Iterator<Item = Oid>, several: impl FnOnce() -> String) -> PgResult<Option<Oid>> {
    let first = found.next();
    if found.next().is_some() {
        return Err(PgError::new(code::AMBIGUOUS_FUNCTION, several()));
    }
    Ok(first)
}

/// The schema `pg_catalog` as a search path of its own, for the bodies of built-in functions.
pub const SYSTEM_PATH: &[Oid] = &[PG_CATALOG];
