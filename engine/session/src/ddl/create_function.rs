//! CREATE FUNCTION and CREATE PROCEDURE (PostgreSQL's src/backend/commands/functioncmds.c and pg_proc.c).

use super::function_options::FunctionOptions;
use super::function_parameters::{Parameters, invalid, type_names};
use super::role::denied;
use crate::access::Access;
use crate::functions;
use crate::session::Session;
use crate::settings::Parameter;
use redoubt_analyze::is_polymorphic;
use redoubt_catalog::ddl::{Ddl, NewFunction, ObjectAddress, class};
use redoubt_catalog::rows::PgProc;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types};
use redoubt_sql::tree::{CreateFunction, Persistence, SqlBody};
use std::sync::Arc;

pub(crate) const INTERNAL_LANGUAGE: Oid = 12;
pub(crate) const C_LANGUAGE: Oid = 13;
pub(crate) const SQL_LANGUAGE: Oid = 14;

/// What a body says, by its language.
#[derive(Default)]
struct Body {
    source: Arc<str>,
    library: Option<Arc<str>>,
    sql: Option<Arc<str>>,
    referenced: Vec<ObjectAddress>,
}

impl Session {
    pub(crate) fn create_function(&mut self, create: &CreateFunction) -> PgResult<()> {
        self.ensure_transaction()?;
        let access = Access::current(self)?;
        let place = self.place_for(&access, &create.name, Persistence::Permanent)?;
        let options = FunctionOptions::read(&create.options, create.is_procedure)?;
        let language_name = match (&options.language, &create.sql_body) {
            (Some(language), _) => language.clone(),
            (None, Some(_)) => "sql".into(),
            (None, None) => return Err(invalid("no language specified")),
        };
        let language = access.catalog().language_by_name(&language_name)?.ok_or_else(|| {
            let message = format!("language \"{language_name}\" does not exist");
            PgError::new(code::UNDEFINED_OBJECT, message)
        })?;
        if !language.lanpltrusted && !self.facts.superuser {
            return Err(denied(format!("permission denied for language {language_name}")));
        }
        if !matches!(language.oid, INTERNAL_LANGUAGE | C_LANGUAGE | SQL_LANGUAGE) {
            return Err(PgError::unsupported(format!("language {language_name}")));
        }
        let parameters = Parameters::read(create, &access)?;
        if create.is_procedure && parameters.result != types::VOID {
            return Err(PgError::unsupported("procedures with output parameters"));
        }
        check_result(&access, &parameters)?;
        let mut row = self.new_row(create, &place.name, place.namespace, &parameters, language.oid);
        options.apply(self, &mut row)?;
        if row.prosecdef {
            return Err(PgError::unsupported("SECURITY DEFINER"));
        }
        let body = self.body(&access, create, &options, &row, language.oid)?;
        row.prosrc = body.source;
        row.probin = body.library;
        row.prosqlbody = body.sql;
        let ddl = Ddl::new(access.store(), &access.path);
        let replaced = ddl.find_function(place.namespace, &place.name, &parameters.inputs)?;
        if let Some(oid) = replaced {
            self.check_may_replace(&access, oid, &row, create.or_replace)?;
        }
        let mut referenced = parameters.referenced;
        referenced.extend(body.referenced);
        ddl.create_function(&NewFunction { row: row.clone(), aggregate: None, referenced }, replaced)?;
        if language.oid == SQL_LANGUAGE && self.settings.bool(Parameter::CheckFunctionBodies) {
            let offset = options.body_begins;
            // The body may call the function itself.
            let access = Access::current(self)?;
            self.check_sql_body(&access, &row).map_err(|error| match offset {
                Some(offset) => error.moved_by(offset),
                None if error.fields().position.is_some() => error.in_internal_query(&*row.prosrc),
                None => error,
            })?;
        }
        Ok(())
    }

    fn new_row(
        &self,
        create: &CreateFunction,
        name: &str,
        namespace: Oid,
        parameters: &Parameters,
        language: Oid,
    ) -> PgProc {
        let usual_cost = if matches!(language, INTERNAL_LANGUAGE | C_LANGUAGE) { 1.0 } else { 100.0 };
        PgProc {
            oid: 0,
            proname: name.into(),
            pronamespace: namespace,
            proowner: self.facts.user_oid,
            prolang: language,
            procost: usual_cost,
            prorows: if parameters.returns_set { 1000.0 } else { 0.0 },
            provariadic: parameters.variadic,
            prosupport: 0,
            prokind: if create.is_procedure { 'p' } else { 'f' },
            prosecdef: false,
            proleakproof: false,
            proisstrict: false,
            proretset: parameters.returns_set,
            provolatile: 'v',
            proparallel: 'u',
            pronargs: parameters.inputs.len() as i16,
            pronargdefaults: parameters.default_count,
            prorettype: parameters.result,
            proargtypes: parameters.inputs.clone(),
            proallargtypes: parameters.all.clone(),
            proargmodes: parameters.modes.clone(),
            proargnames: parameters.names.clone(),
            proargdefaults: parameters.defaults.clone(),
            protrftypes: None,
            prosrc: "".into(),
            probin: None,
            prosqlbody: None,
            proconfig: None,
            proacl: None,
        }
    }

    fn body(
        &self,
        access: &Access<'_>,
        create: &CreateFunction,
        options: &FunctionOptions,
        row: &PgProc,
        language: Oid,
    ) -> PgResult<Body> {
        if let Some(sql) = &create.sql_body {
            if language != SQL_LANGUAGE {
                return Err(invalid("inline SQL function body only valid for language SQL"));
            }
            if options.body.is_some() {
                return Err(invalid("duplicate function body specified"));
            }
            return self.sql_body(access, sql, row);
        }
        let Some(parts) = &options.body else { return Err(invalid("no function body specified")) };
        let first: Arc<str> = parts[0].as_str().into();
        if language == C_LANGUAGE {
            let symbol = match parts.get(1).map(String::as_str) {
                None | Some("-") => row.proname.clone(),
                Some(symbol) => symbol.into(),
            };
            check_c_function(&first, &symbol)?;
            return Ok(Body { source: symbol, library: Some(first), ..Body::default() });
        }
        if parts.len() > 1 {
            let name = if language == SQL_LANGUAGE { "sql" } else { "internal" };
            return Err(invalid(format!("only one AS item needed for language \"{name}\"")));
        }
        if language == INTERNAL_LANGUAGE
            && functions::find(&first).is_none()
            && functions::find_set(&first).is_none()
        {
            let message = format!("there is no built-in function named \"{first}\"");
            return Err(PgError::new(code::UNDEFINED_FUNCTION, message));
        }
        Ok(Body { source: first, ..Body::default() })
    }

    /// A SQL-standard body: what its names mean is settled now.
    fn sql_body(&self, access: &Access<'_>, sql: &SqlBody, row: &PgProc) -> PgResult<Body> {
        if row.proargtypes.iter().any(|oid| is_polymorphic(*oid)) {
            let message = "SQL function with unquoted function body cannot have polymorphic arguments";
            return Err(invalid(message));
        }
        let (texts, referenced) = crate::routine::print_body(access, sql, row)?;
        let is_return = !sql.is_atomic;
        let text = match is_return {
            true => format!("RETURN {}", texts[0].trim_start().trim_start_matches("SELECT").trim_start()),
            false => {
                let mut text = String::from("BEGIN ATOMIC\n");
                for statement in &texts {
                    text += &format!(" {};\n", statement.trim_end_matches(';'));
                }
                text + "END"
            }
        };
        Ok(Body { sql: Some(text.into()), referenced, ..Body::default() })
    }

    /// Whether a function may take the place of another (`ProcedureCreate`).
    fn check_may_replace(
        &self,
        access: &Access<'_>,
        oid: Oid,
        new: &PgProc,
        or_replace: bool,
    ) -> PgResult<()> {
        let catalog = access.catalog();
        let Some(old) = catalog.proc_by_oid(oid)? else { return Ok(()) };
        if !or_replace {
            let message = format!("function \"{}\" already exists with same argument types", new.proname);
            return Err(PgError::new(code::DUPLICATE_FUNCTION, message));
        }
        self.check_object_owner(access, ObjectAddress::new(class::PROC, oid), false)?;
        if old.prokind != new.prokind {
            let word = match old.prokind {
                'a' => "an aggregate function",
                'w' => "a window function",
                'p' => "a procedure",
                _ => "a function",
            };
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, "cannot change routine kind")
                .detail(format!("\"{}\" is {word}.", old.proname)));
        }
        let kind = if old.prokind == 'p' { "PROCEDURE" } else { "FUNCTION" };
        let signature = format!("{}({})", old.proname, type_names(access, &old.proargtypes, ",")?);
        let hint = format!("Use DROP {kind} {signature} first.");
        if old.prorettype != new.prorettype || old.proretset != new.proretset {
            let message = match old.prokind {
                'p' => "cannot change whether a procedure has output parameters",
                _ => "cannot change return type of existing function",
            };
            return Err(invalid(message).hint(hint));
        }
        let outputs = |row: &PgProc| -> Vec<(char, Oid, Arc<str>)> {
            let (Some(modes), Some(all)) = (&row.proargmodes, &row.proallargtypes) else { return Vec::new() };
            let name = |at: usize| {
                row.proargnames.as_ref().and_then(|names| names.get(at).cloned()).unwrap_or_default()
            };
            let found = modes.iter().zip(all).enumerate();
            let found = found.filter(|(_, (mode, _))| matches!(mode, 'o' | 'b' | 't'));
            found.map(|(at, (mode, oid))| (*mode, *oid, name(at))).collect()
        };
        let row_type = |row: &PgProc| -> Vec<(Oid, Arc<str>)> {
            outputs(row).into_iter().map(|(_, oid, name)| (oid, name)).collect()
        };
        if old.prorettype == types::RECORD && row_type(&old) != row_type(new) {
            return Err(invalid("cannot change return type of existing function")
                .detail("Row type defined by OUT parameters is different.")
                .hint(hint));
        }
        let (old_names, new_names) =
            (crate::routine::argument_names(&old).names, crate::routine::argument_names(new).names);
        for (at, name) in old_names.iter().enumerate().filter(|(_, name)| !name.name.is_empty()) {
            if new_names.get(at).is_none_or(|new| new.name != name.name) {
                let message = format!("cannot change name of input parameter \"{}\"", name.name);
                return Err(invalid(message).hint(hint));
            }
        }
        if new.pronargdefaults < old.pronargdefaults {
            return Err(invalid("cannot remove parameter defaults from existing function").hint(hint));
        }
        Ok(())
    }
}

/// A polymorphic result is found from a polymorphic argument.
fn check_result(access: &Access<'_>, parameters: &Parameters) -> PgResult<()> {
    let outputs = parameters.all.iter().flatten().zip(parameters.modes.iter().flatten());
    let outputs = outputs.filter(|(_, mode)| matches!(mode, 'o' | 't')).map(|(oid, _)| *oid);
    for result in std::iter::once(parameters.result).chain(outputs) {
        if !is_polymorphic(result) || parameters.inputs.iter().any(|oid| is_polymorphic(*oid)) {
            continue;
        }
        let shown = access.catalog().format_type(result, None, &access.path)?;
        let common =
            matches!(result, types::ANYCOMPATIBLE | types::ANYCOMPATIBLEARRAY | types::ANYCOMPATIBLENONARRAY);
        let sources = match common {
            true => {
                "anycompatible, anycompatiblearray, anycompatiblenonarray, anycompatiblerange, or anycompatiblemultirange"
            }
            false => "anyelement, anyarray, anynonarray, anyenum, anyrange, or anymultirange",
        };
        return Err(invalid("cannot determine result data type")
            .detail(format!("A result of type {shown} requires at least one input of type {sources}.")));
    }
    Ok(())
}

/// The functions of PostgreSQL's `regress` library are built-ins under their symbols; there is no other library.
fn check_c_function(library: &str, symbol: &str) -> PgResult<()> {
    let file = library.rsplit('/').next().unwrap_or(library);
    if !matches!(file, "regress" | "regress.so") {
        let message = format!("could not access file \"{library}\": No such file or directory");
        return Err(PgError::new(code::UNDEFINED_FILE, message));
    }
    if functions::find(symbol).is_none() && functions::find_set(symbol).is_none() {
        return Err(PgError::unsupported(format!("function {symbol} in language C")));
    }
    Ok(())
}
