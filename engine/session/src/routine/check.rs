//! Checking bodies in language SQL when their functions are made (`fmgr_sql_validator`), and printing those whose
//! names are settled then.

use super::result::shape_of_result;
use super::sql::{argument_names, body_path, check_result, no_rows, statements_of};
use crate::access::Access;
use crate::ddl::canonical_query;
use crate::session::Session;
use redoubt_analyze::{AnalyzeContext, Params, analyze_statement, output_types, references_of_query};
use redoubt_catalog::ddl::ObjectAddress;
use redoubt_catalog::rows::PgProc;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::types;
use redoubt_sql::tree::SqlBody;
use std::sync::Arc;

impl Session {
    /// Whether a function's body can be analyzed, and gives what the function is declared to return.
    ///
    /// # Errors
    /// PostgreSQL's, with positions in the body.
    pub(crate) fn check_sql_body(&self, access: &Access<'_>, row: &PgProc) -> PgResult<()> {
        let catalog = access.catalog();
        let declared = catalog.format_type(row.prorettype, None, &access.path)?;
        let info = catalog.type_info_must(row.prorettype)?;
        let is_poly = |oid| redoubt_analyze::is_polymorphic(oid);
        if info.typtype == 'p'
            && !matches!(row.prorettype, types::RECORD | types::VOID)
            && !is_poly(row.prorettype)
        {
            let message = format!("SQL functions cannot return type {declared}");
            return Err(PgError::new(code::INVALID_FUNCTION_DEFINITION, message));
        }
        let mut polymorphic = is_poly(row.prorettype);
        for oid in &row.proargtypes {
            if is_poly(*oid) {
                polymorphic = true;
            } else if catalog.type_info_must(*oid)?.typtype == 'p' {
                let shown = catalog.format_type(*oid, None, &access.path)?;
                let message = format!("SQL functions cannot have arguments of type {shown}");
                return Err(PgError::new(code::INVALID_FUNCTION_DEFINITION, message));
            }
        }
        // What has a place in the statement needs no context.
        let in_body = |error: PgError| match error.fields().position {
            Some(_) => error,
            None => error.context(format!("SQL function \"{}\"", row.proname)),
        };
        let statements = statements_of(row).map_err(in_body)?;
        // What polymorphic arguments are is known only when the function is called.
        if polymorphic {
            return Ok(());
        }
        let env = access.env();
        let own_path = body_path(access, row)?;
        let path = own_path.as_deref().unwrap_or(&access.path);
        let context = |params| AnalyzeContext { catalog: access.catalog(), env: &env, path, params };
        let outputs = output_types(row, &row.proargtypes, context(Params::fixed(Vec::new())))?;
        let shape = shape_of_result(&catalog, row, row.prorettype, outputs)?;
        let params = Params::named(row.proargtypes.clone(), Arc::new(argument_names(row)));
        let Some(last) = statements.len().checked_sub(1) else {
            return if row.prorettype == types::VOID { Ok(()) } else { Err(in_body(no_rows(&declared))) };
        };
        for (at, statement) in statements.iter().enumerate() {
            let (mut query, params) =
                analyze_statement(&statement.dml, context(params.clone())).map_err(in_body)?;
            if at == last {
                check_result(&mut query, &shape, &declared, context(params)).map_err(in_body)?;
            }
        }
        Ok(())
    }
}

/// The statements of a SQL-standard body, as they can be read again under no search path, and what they refer to.
pub(crate) fn print_body(
    access: &Access<'_>,
    body: &SqlBody,
    row: &PgProc,
) -> PgResult<(Vec<String>, Vec<ObjectAddress>)> {
    let env = access.env();
    let params = Params::named(row.proargtypes.clone(), Arc::new(argument_names(row)));
    let (mut texts, mut referenced) = (Vec::new(), Vec::new());
    for statement in &body.statements {
        let tag = statement.kind.tag();
        let dml = statement.kind.as_dml();
        let dml =
            dml.ok_or_else(|| PgError::unsupported(format!("{tag} in a SQL-standard function body")))?;
        let context = AnalyzeContext {
            catalog: access.catalog(),
            env: &env,
            path: &access.path,
            params: params.clone(),
        };
        let (query, _) = analyze_statement(&dml, context)?;
        referenced.extend(references_of_query(&query));
        let shown = query.target_list.iter().filter(|entry| !entry.junk);
        let names: Vec<Arc<str>> = shown.map(|entry| entry.name.clone()).collect();
        texts.push(canonical_query(access, &query, &names)?.to_string());
    }
    Ok((texts, referenced))
}
