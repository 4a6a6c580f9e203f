//! Checking the rows that a table has already: queries that look for one that breaks a rule.

use crate::access::Access;
use crate::executor::Origin;
use crate::session::Session;
use redoubt_analyze::Params;
use redoubt_catalog::Relation;
use redoubt_catalog::names::{quote_identifier, quote_qualified};
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::{ExecContext, Execution, Storage};
use redoubt_functions::{Datum, Oid};

impl Session {
    /// Runs a query of the server's own over the latest rows, and gives up to `limit` of its rows. Names in the text
    /// are qualified unless they are in `pg_catalog`.
    pub(crate) fn query_latest(&self, text: &str, limit: usize) -> PgResult<Vec<Vec<Datum>>> {
        const PG_CATALOG: Oid = 11;
        let statements = redoubt_sql::parse(text)?;
        let [statement] = statements.as_slice() else {
            return Err(PgError::internal("an internal query is one statement"));
        };
        let dml = statement.kind.as_dml().ok_or_else(|| PgError::internal("an internal query reads rows"))?;
        let mut access = Access::new(self, self.txn().latest_snapshot()?)?;
        access.path = vec![PG_CATALOG];
        let planned = self.plan_under(&access, &dml, &Params::fixed(Vec::new()), Origin::Server)?;
        let env = access.env();
        let storage = Storage {
            engine: access.engine(),
            txn: self.txn(),
            snapshot: access.snapshot.clone(),
            relations: &access,
            work: self.work(),
            offload: None,
        };
        let context = ExecContext { env: &env, storage: &storage };
        let mut execution = Execution::new(planned.plan.clone(), &[]);
        let mut rows = Vec::new();
        redoubt_buffer::blocking(|| {
            while rows.len() < limit && execution.next(&context)? {
                rows.push(execution.row().to_vec());
            }
            Ok(rows)
        })
    }

    /// Whether a column has no NULLs.
    ///
    /// # Errors
    /// `23502` when it has.
    pub(crate) fn check_no_nulls(&self, table: &Relation, column: &str) -> PgResult<()> {
        let text = format!(
            "SELECT 1 FROM ONLY {} WHERE {} IS NULL",
            self.qualified(table)?,
            quote_identifier(column)
        );
        if self.query_latest(&text, 1)?.is_empty() {
            return Ok(());
        }
        let message = format!("column \"{column}\" of relation \"{}\" contains null values", table.name);
        Err(PgError::new(code::NOT_NULL_VIOLATION, message)
            .table(self.schema_of(table)?, &*table.name)
            .column(column))
    }

    /// Whether all rows satisfy a CHECK constraint.
    ///
    /// # Errors
    /// `23514` when one does not.
    pub(crate) fn check_rows_satisfy(
        &self,
        table: &Relation,
        constraint: &str,
        condition: &str,
    ) -> PgResult<()> {
        let text = format!("SELECT 1 FROM ONLY {} WHERE NOT ({condition})", self.qualified(table)?);
        if self.query_latest(&text, 1)?.is_empty() {
            return Ok(());
        }
        let message = format!(
            "check constraint \"{constraint}\" of relation \"{}\" is violated by some row",
            table.name
        );
        Err(PgError::new(code::CHECK_VIOLATION, message)
            .table(self.schema_of(table)?, &*table.name)
            .constraint(constraint))
    }

    /// A table's name with its schema.
    pub(crate) fn qualified(&self, table: &Relation) -> PgResult<String> {
        Ok(quote_qualified(Some(&self.schema_of(table)?), &table.name))
    }

    /// The name of a table's schema.
    pub(crate) fn schema_of(&self, table: &Relation) -> PgResult<String> {
        let access = Access::current(self)?;
        let schema = access.catalog().namespace_by_oid(table.namespace)?;
        Ok(schema.map_or_else(String::new, |schema| schema.nspname.to_string()))
    }
}
