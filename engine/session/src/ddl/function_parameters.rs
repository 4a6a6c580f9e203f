//! The parameters and the result of a new function (PostgreSQL's `interpret_function_parameter_list`).

use super::stored_text::{canonical, with_analysis};
use super::type_definition::unplaced;
use crate::access::Access;
use redoubt_analyze::is_polymorphic;
use redoubt_analyze::{AnalyzeContext, Params, Place, analyze_expression, references_of, resolve_type_name};
use redoubt_catalog::ddl::ObjectAddress;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types};
use redoubt_sql::tree::{CreateFunction, ParameterMode, TypeName};
use std::sync::Arc;

/// What separates expressions that are kept in one text.
const SEPARATOR: &str = "\u{1}";

/// Parameters as `pg_proc` keeps them.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    /// Types of the inputs.
    pub inputs: Vec<Oid>,
    /// All types, modes and names, where `pg_proc` needs them.
    pub all: Option<Vec<Oid>>,
    pub modes: Option<Vec<char>>,
    pub names: Option<Vec<Arc<str>>>,
    pub defaults: Option<Arc<str>>,
    pub default_count: i16,
    /// Element type of a VARIADIC parameter, or 0.
    pub variadic: Oid,
    /// The result, and whether there are many.
    pub result: Oid,
    pub returns_set: bool,
    /// What the defaults refer to.
    pub referenced: Vec<ObjectAddress>,
}

pub(super) fn invalid(message: impl Into<String>) -> PgError {
    PgError::new(code::INVALID_FUNCTION_DEFINITION, message)
}

impl Parameters {
    pub(super) fn read(create: &CreateFunction, access: &Access<'_>) -> PgResult<Parameters> {
        let mut read = Parameters::default();
        let (mut all, mut modes, mut names) = (Vec::new(), Vec::new(), Vec::new());
        let mut outputs = Vec::new();
        let mut defaults: Vec<Arc<str>> = Vec::new();
        for parameter in &create.params {
            if parameter.type_name.setof {
                return Err(match create.is_procedure {
                    true => invalid("procedures cannot accept set arguments"),
                    false => invalid("functions cannot accept set arguments"),
                });
            }
            let oid = type_of(&parameter.type_name, access)?;
            let mode = match parameter.mode {
                ParameterMode::Default | ParameterMode::In => 'i',
                ParameterMode::Out => 'o',
                ParameterMode::InOut => 'b',
                ParameterMode::Variadic => 'v',
                ParameterMode::Table => 't',
            };
            let is_input = matches!(mode, 'i' | 'b' | 'v');
            if is_input && read.variadic != 0 {
                return Err(invalid("VARIADIC parameter must be the last input parameter"));
            }
            if mode == 'v' {
                read.variadic = match oid {
                    types::ANY => types::ANY,
                    types::ANYARRAY => types::ANYELEMENT,
                    types::ANYCOMPATIBLEARRAY => types::ANYCOMPATIBLE,
                    _ => match access.catalog().type_info_must(oid)? {
                        info if info.is_array() => info.elem,
                        _ => return Err(invalid("VARIADIC parameter must be an array")),
                    },
                };
            }
            if is_input {
                read.inputs.push(oid);
            } else if create.is_procedure && !defaults.is_empty() && mode == 'o' {
                return Err(invalid("procedure OUT parameters cannot appear after one with a default value"));
            }
            if matches!(mode, 'o' | 'b' | 't') {
                outputs.push(oid);
            }
            let name: Arc<str> = parameter.name.as_ref().map_or_else(|| "".into(), |name| name.name.clone());
            check_name(&name, mode, &names, &modes)?;
            all.push(oid);
            modes.push(mode);
            names.push(name);
            match &parameter.default {
                Some(_) if !is_input => {
                    return Err(invalid("only input parameters can have default values"));
                }
                Some(raw) => defaults.push(read.default_text(raw, oid, access)?),
                None if is_input && !defaults.is_empty() => {
                    let message = "input parameters after one with a default value must also have defaults";
                    return Err(invalid(message));
                }
                None => {}
            }
        }
        read.default_count = defaults.len() as i16;
        if !defaults.is_empty() {
            let texts: Vec<&str> = defaults.iter().map(|text| &**text).collect();
            read.defaults = Some(texts.join(SEPARATOR).into());
        }
        read.say_result(create, access, &outputs)?;
        if names.iter().any(|name| !name.is_empty()) {
            read.names = Some(names);
        }
        if modes.iter().any(|mode| *mode != 'i') {
            (read.all, read.modes) = (Some(all), Some(modes));
        }
        Ok(read)
    }

    /// A default: analyzed, cast to its parameter's type, as the catalogs keep it.
    fn default_text(
        &mut self,
        raw: &redoubt_sql::tree::Expr,
        oid: Oid,
        access: &Access<'_>,
    ) -> PgResult<Arc<str>> {
        let expr = match is_polymorphic(oid) {
            // What becomes of it depends on the call.
            true => with_analysis(access, |context| analyze_expression(raw, Place::Other, None, context))?,
            false => {
                let attribute = redoubt_functions::Attribute::new("default", oid);
                with_analysis(access, |context| redoubt_analyze::analyze_default(raw, &attribute, context))?
            }
        };
        self.referenced.extend(references_of(&expr).objects);
        canonical(access, &expr, None)
    }

    fn say_result(&mut self, create: &CreateFunction, access: &Access<'_>, outputs: &[Oid]) -> PgResult<()> {
        let by_outputs = match outputs {
            [] => None,
            // A procedure's outputs are always a row.
            [only] if !create.is_procedure => Some(*only),
            _ => Some(types::RECORD),
        };
        self.returns_set = create.returns_table || create.returns.as_ref().is_some_and(|name| name.setof);
        let declared = create.returns.as_ref().map(|name| type_of(name, access)).transpose()?;
        self.result = match (declared, by_outputs) {
            (Some(declared), Some(required)) if declared != required => {
                let shown = access.catalog().format_type(required, None, &access.path)?;
                let message = format!("function result type must be {shown} because of OUT parameters");
                return Err(invalid(message));
            }
            (Some(declared), _) => declared,
            (None, Some(required)) => required,
            (None, None) if create.is_procedure => types::VOID,
            (None, None) => return Err(invalid("function result type must be specified")),
        };
        Ok(())
    }
}

/// Inputs and outputs are two lists of names, in each of which a name comes once.
fn check_name(name: &str, mode: char, names: &[Arc<str>], modes: &[char]) -> PgResult<()> {
    let is_input = |mode: char| matches!(mode, 'i' | 'v');
    let is_output = |mode: char| matches!(mode, 'o' | 't');
    let clash = names.iter().zip(modes).any(|(other, other_mode)| {
        **other == *name
            // A pure input and a pure output may share a name.
            && !(is_input(mode) && is_output(*other_mode))
            && !(is_output(mode) && is_input(*other_mode))
    });
    if clash && !name.is_empty() {
        return Err(invalid(format!("parameter name \"{name}\" used more than once")));
    }
    Ok(())
}

/// The names of types, as signatures show them.
pub(super) fn type_names(access: &Access<'_>, types: &[Oid], separator: &str) -> PgResult<String> {
    let names: PgResult<Vec<String>> =
        types.iter().map(|oid| access.catalog().format_type(*oid, None, &access.path)).collect();
    Ok(names?.join(separator))
}

pub(super) fn type_of(name: &TypeName, access: &Access<'_>) -> PgResult<Oid> {
    let env = access.env();
    let context = AnalyzeContext {
        catalog: access.catalog(),
        env: &env,
        path: &access.path,
        params: Params::fixed(Vec::new()),
    };
    let single = TypeName { setof: false, ..name.clone() };
    Ok(resolve_type_name(&single, context).map_err(unplaced)?.0)
}
