//! Built-in functions in language SQL: their bodies, analyzed.

use super::CatalogFacts;
use crate::facts::SqlBody;
use redoubt_analyze::query::{CommandType, Expr};
use redoubt_analyze::{AnalyzeContext, Params, analyze_statement};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::Oid;

/// `pg_namespace.oid` of `pg_catalog`, in which alone the names of a built-in body are looked up.
const PG_CATALOG: Oid = 11;
/// `pg_language.oid` of `sql`.
const SQL_LANGUAGE: Oid = 14;
/// Functions from here on are users'; what their bodies mean depends on more than the body.
const FIRST_NORMAL_OID: Oid = 16384;

impl CatalogFacts<'_> {
    /// The body of a built-in function in language SQL, for a call with arguments of these types.
    pub(super) fn body_in_sql(&self, oid: Oid, arg_types: &[Oid]) -> PgResult<Option<SqlBody>> {
        if oid >= FIRST_NORMAL_OID {
            return Ok(None);
        }
        let Some(proc) = self.view.proc_by_oid(oid)? else { return Ok(None) };
        if proc.prolang != SQL_LANGUAGE || proc.proretset {
            return Ok(None);
        }
        let damaged = || PgError::internal(format!("the body of function {} is damaged", proc.proname));
        let statements = redoubt_sql::parse(&proc.prosrc)?;
        let [statement] = statements.as_slice() else { return Err(damaged()) };
        let raw = statement.kind.as_dml().ok_or_else(damaged)?;
        let path = [PG_CATALOG, proc.pronamespace];
        let context = AnalyzeContext {
            catalog: self.view,
            env: self.env,
            path: &path,
            params: Params::fixed(arg_types.to_vec()),
        };
        let (query, _) = analyze_statement(&raw, context)?;
        let shown: Vec<_> = query.target_list.iter().filter(|entry| !entry.junk).collect();
        let [result] = shown.as_slice() else { return Err(damaged()) };
        if query.command != CommandType::Select || !self.same_type(&result.expr, proc.prorettype)? {
            return Err(damaged());
        }
        Ok(Some(SqlBody { query, strict: proc.proisstrict, volatility: proc.provolatile }))
    }

    /// Whether an expression's values are values of a type, or of the type that it is a domain over.
    fn same_type(&self, expr: &Expr, declared: Oid) -> PgResult<bool> {
        let found = expr.ty().type_oid;
        Ok(found == declared || self.view.is_binary_coercible(found, self.view.base_type(declared, -1)?.0)?)
    }
}
