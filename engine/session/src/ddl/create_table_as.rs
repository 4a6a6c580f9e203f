//! CREATE TABLE AS and SELECT INTO: a table with the columns of a query, and its rows
//! (PostgreSQL's src/backend/commands/createas.c).
//!
//! The query is planned before there is a table, so that no name in it can mean the new one. Its rows go straight into
//! the heap: a new table has no indexes, no constraints and nobody else who sees it.

use super::storage_options::table_options;
use crate::access::Access;
use crate::run::Planned;
use crate::session::Session;
use redoubt_access::{InsertOptions, form_tuple};
use redoubt_analyze::Params;
use redoubt_analyze::query::ColumnType;
use redoubt_catalog::ddl::{Ddl, NewColumn, NewRelation};
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::{ExecContext, Execution, Relations, Storage};
use redoubt_functions::{Datum, Oid, types};
use redoubt_sql::tree::{CreateTableAs, CreateTableAsSource, DmlStatement, Ident, IntoClause, OnCommit};
use std::sync::Arc;

impl Session {
    /// Makes the table and gives the command tag: `SELECT n` if rows were asked for.
    pub(crate) fn create_table_as(&mut self, create: &CreateTableAs) -> PgResult<String> {
        const TAG: &str = "CREATE TABLE AS";
        self.ensure_transaction()?;
        let into = &create.into;
        super::check_tablespace(into.tablespace.as_ref())?;
        super::check_access_method(into.access_method.as_ref())?;
        if create.materialized_view {
            return self.create_materialized_view(create);
        }
        if create.if_not_exists && self.relation_is_there(into)? {
            return Ok(TAG.into());
        }
        let CreateTableAsSource::Query(query) = &create.source else {
            return Err(PgError::unsupported("CREATE TABLE AS EXECUTE"));
        };
        let planned = self.plan(&DmlStatement::Select(query.clone()), &Params::fixed(Vec::new()))?;
        let table = self.make_table_for(into, &planned)?;
        if !create.with_data {
            return Ok(TAG.into());
        }
        Ok(format!("SELECT {}", self.fill_from(table, &planned, &[])?))
    }

    /// Whether IF NOT EXISTS leaves nothing to do; the client is told.
    pub(super) fn relation_is_there(&self, into: &IntoClause) -> PgResult<bool> {
        let access = Access::current(self)?;
        let place = self.place_for(&access, &into.name, into.persistence)?;
        if access.catalog().relation_oid(place.namespace, &place.name)?.is_none() {
            return Ok(false);
        }
        self.note(code::DUPLICATE_TABLE, format!("relation \"{}\" already exists, skipping", place.name));
        Ok(true)
    }

    fn make_table_for(&self, into: &IntoClause, planned: &Planned) -> PgResult<Oid> {
        let found = planned.plan.columns.iter().map(|column| (column.name.clone(), column.ty));
        let columns = new_columns(&into.columns, found)?;
        let access = Access::current(self)?;
        let place = self.place_for(&access, &into.name, into.persistence)?;
        if into.on_commit != OnCommit::None && place.persistence != 't' {
            let message = "ON COMMIT can only be used on temporary tables";
            return Err(PgError::new(code::INVALID_TABLE_DEFINITION, message));
        }
        let mut relation = NewRelation::new('r', place.namespace, &*place.name, self.facts.user_oid);
        relation.persistence = place.persistence;
        relation.columns = columns;
        relation.options = table_options(None, &into.options)?;
        let table = Ddl::new(access.store(), &access.path).create_relation(&relation)?;
        self.temporary.at_commit(table, into.on_commit);
        Ok(table)
    }

    /// Puts the rows of a plan into a table that has neither rows nor indexes, and counts them.
    pub(super) fn fill_from(&self, table: Oid, planned: &Planned, params: &[Datum]) -> PgResult<u64> {
        let access = Access::current(self)?;
        let env = access.env();
        let datafusion = self.datafusion_for(&planned.plan);
        let storage = Storage {
            engine: access.engine(),
            txn: self.txn(),
            snapshot: access.snapshot.clone(),
            relations: &access,
            work: self.work(),
            offload: datafusion.as_ref().map(|datafusion| datafusion as _),
        };
        let context = ExecContext { env: &env, storage: &storage };
        let desc = access.relation(table)?.desc.clone();
        let target = access.open(table)?;
        let options = InsertOptions { fillfactor: target.fillfactor };
        let mut execution = Execution::new(planned.plan.clone(), params);
        let mut tuple = Vec::new();
        let mut rows = 0;
        redoubt_buffer::blocking(|| {
            while execution.next(&context)? {
                form_tuple(&desc, execution.row(), &mut tuple)?;
                target.heap.insert(self.txn(), &mut tuple, options)?;
                rows += 1;
            }
            Ok(rows)
        })
    }
}

/// The columns of a relation that a query makes: named by the statement as far as it goes, then by the query.
///
/// # Errors
/// `42601` when the statement names more than there are.
pub(super) fn new_columns(
    names: &[Ident],
    columns: impl ExactSizeIterator<Item = (Arc<str>, ColumnType)>,
) -> PgResult<Vec<NewColumn>> {
    if names.len() > columns.len() {
        return Err(PgError::new(code::SYNTAX_ERROR, "too many column names were specified"));
    }
    let column = |(at, (own, ty)): (usize, (Arc<str>, ColumnType))| {
        let name = names.get(at).map_or(own, |name| name.name.clone());
        let type_oid = if ty.type_oid == types::UNKNOWN { types::TEXT } else { ty.type_oid };
        NewColumn::new(name, type_oid, ty.typmod, ty.collation)
    };
    Ok(columns.enumerate().map(column).collect())
}
