//! The object that a statement names: DROP, ALTER, COMMENT, GRANT.

use super::object_names::kind_word;
use crate::access::Access;
use crate::session::Session;
use redoubt_analyze::{AnalyzeContext, Params, resolve_type_name};
use redoubt_catalog::ddl::{ObjectAddress, class};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{ObjectName, ObjectRef, ObjectType, ParameterMode};

impl Session {
    /// The object that a statement names, of the kind that it says.
    ///
    /// # Errors
    /// The kind's "does not exist", `42809` when the object is of another kind.
    pub(crate) fn find_object(
        &self,
        access: &Access<'_>,
        object: ObjectType,
        target: &ObjectRef,
    ) -> PgResult<ObjectAddress> {
        use ObjectType as O;
        match object {
            O::Table | O::Index | O::Sequence | O::View | O::MaterializedView | O::ForeignTable => {
                self.find_relation_object(access, object, &target.name)
            }
            O::Schema => {
                let oid = access.schema_named(target.name.last().as_str())?;
                Ok(ObjectAddress::new(class::NAMESPACE, oid))
            }
            O::Type | O::Domain => self.find_type_object(access, object, &target.name),
            O::Function | O::Procedure | O::Routine | O::Aggregate => {
                self.find_function_object(access, object, target)
            }
            other => Err(PgError::unsupported(format!("{} as the object of a statement", other.tag_words()))),
        }
    }

    fn find_relation_object(
        &self,
        access: &Access<'_>,
        object: ObjectType,
        name: &ObjectName,
    ) -> PgResult<ObjectAddress> {
        let (word, kinds): (&str, &[char]) = match object {
            ObjectType::Table => ("table", &['r', 'p']),
            ObjectType::Index => ("index", &['i', 'I']),
            ObjectType::Sequence => ("sequence", &['S']),
            ObjectType::View => ("view", &['v']),
            ObjectType::MaterializedView => ("materialized view", &['m']),
            _ => ("foreign table", &['f']),
        };
        let Some(relation) = access.find_relation(name)? else {
            if let Some(schema) = name.schema() {
                access.schema_named(schema.as_str())?;
            }
            let message = format!("{word} \"{}\" does not exist", name.last().name);
            let code = if word == "index" { code::UNDEFINED_OBJECT } else { code::UNDEFINED_TABLE };
            return Err(PgError::new(code, message));
        };
        if !kinds.contains(&relation.kind) {
            let message = format!("\"{}\" is not {} {word}", relation.name, article(word));
            let actual = kind_word(relation.kind);
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, message).hint(format!(
                "Use DROP {} to remove {} {actual}.",
                actual.to_uppercase(),
                article(actual)
            )));
        }
        Ok(ObjectAddress::relation(relation.oid))
    }

    /// A type by its bare name; DOMAIN asks for a domain.
    pub(crate) fn find_type_object(
        &self,
        access: &Access<'_>,
        object: ObjectType,
        name: &ObjectName,
    ) -> PgResult<ObjectAddress> {
        let catalog = access.catalog();
        let found = match name.schema() {
            None => catalog.type_in_path(&access.path, name.last().as_str())?,
            Some(schema) => {
                let namespace = access.schema_named(schema.as_str())?;
                catalog.type_by_name(namespace, name.last().as_str())?
            }
        };
        let Some(found) = found else {
            let message = format!("type \"{}\" does not exist", name.dotted());
            return Err(PgError::new(code::UNDEFINED_OBJECT, message));
        };
        if object == ObjectType::Domain && found.row.typtype != 'd' {
            let shown = catalog.format_type(found.row.oid, None, &access.path)?;
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, format!("{shown} is not a domain")));
        }
        Ok(ObjectAddress::type_(found.row.oid))
    }

    fn find_function_object(
        &self,
        access: &Access<'_>,
        object: ObjectType,
        target: &ObjectRef,
    ) -> PgResult<ObjectAddress> {
        let catalog = access.catalog();
        let word = match object {
            ObjectType::Function => "function",
            ObjectType::Procedure => "procedure",
            ObjectType::Aggregate => "aggregate",
            _ => "routine",
        };
        let kinds: &[char] = match object {
            ObjectType::Function => &['f', 'w', 'a'],
            ObjectType::Procedure => &['p'],
            ObjectType::Aggregate => &['a'],
            _ => &['f', 'w', 'a', 'p'],
        };
        let schemas = match target.name.schema() {
            None => access.path.clone(),
            Some(schema) => vec![access.schema_named(schema.as_str())?],
        };
        let arguments = target.args.as_ref().map(|_| self.argument_types(access, target)).transpose()?;
        let rows = catalog.procs_by_name(target.name.last().as_str())?;
        let mut found = Vec::new();
        for schema in schemas {
            let fits = |row: &&std::sync::Arc<redoubt_catalog::rows::PgProc>| {
                row.pronamespace == schema && arguments.as_ref().is_none_or(|types| row.proargtypes == *types)
            };
            found.extend(rows.iter().filter(fits).cloned());
        }
        let name = target.name.dotted();
        match found.as_slice() {
            [] => {
                let message = match &arguments {
                    Some(types) => {
                        let shown: PgResult<Vec<String>> =
                            types.iter().map(|oid| catalog.format_type(*oid, None, &access.path)).collect();
                        format!("{word} {name}({}) does not exist", shown?.join(", "))
                    }
                    None => format!("could not find a {word} named \"{name}\""),
                };
                Err(PgError::new(code::UNDEFINED_FUNCTION, message))
            }
            [row, rest @ ..] if rest.is_empty() || arguments.is_some() => {
                if !kinds.contains(&row.prokind) {
                    let signature = catalog.function_signature(row, &access.path)?.replace(',', ", ");
                    let message = format!("{signature} is not {} {word}", article(word));
                    return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
                }
                Ok(ObjectAddress::new(class::PROC, row.oid))
            }
            _ => Err(PgError::new(code::AMBIGUOUS_FUNCTION, format!("{word} name \"{name}\" is not unique"))
                .hint(format!("Specify the argument list to select the {word} unambiguously."))),
        }
    }

    /// Types of the arguments that a reference to a function lists, without those that are results only.
    fn argument_types(&self, access: &Access<'_>, target: &ObjectRef) -> PgResult<Vec<Oid>> {
        let env = access.env();
        let mut types = Vec::new();
        for parameter in target.args.iter().flatten() {
            if matches!(parameter.mode, ParameterMode::Out | ParameterMode::Table) {
                continue;
            }
            let params = Params::fixed(Vec::new());
            let context = AnalyzeContext { catalog: access.catalog(), env: &env, path: &access.path, params };
            types.push(resolve_type_name(&parameter.type_name, context)?.0);
        }
        Ok(types)
    }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}
