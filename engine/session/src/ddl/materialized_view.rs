//! Materialized views: a view's query and a table with the rows that it had when it was last refreshed
//! (PostgreSQL's src/backend/commands/matview.c).

use super::create_table_as::new_columns;
use super::storage_options::table_options;
use super::stored_text::{canonical_query, with_analysis};
use crate::access::Access;
use crate::executor::Origin;
use crate::session::Session;
use redoubt_analyze::query::Query;
use redoubt_analyze::{Params, analyze_statement, references_of_query};
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::{Ddl, NewRelation, PG_CATALOG};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{CreateTableAs, CreateTableAsSource, DmlStatement, ObjectName};
use redoubt_txn::LockMode;
use std::sync::Arc;

impl Session {
    /// CREATE MATERIALIZED VIEW; gives the command tag.
    pub(super) fn create_materialized_view(&mut self, create: &CreateTableAs) -> PgResult<String> {
        const TAG: &str = "CREATE MATERIALIZED VIEW";
        let into = &create.into;
        if create.if_not_exists && self.relation_is_there(into)? {
            return Ok(TAG.into());
        }
        let CreateTableAsSource::Query(raw) = &create.source else {
            return Err(PgError::internal("a materialized view has a query"));
        };
        let dml = DmlStatement::Select(raw.clone());
        let query: Query = loop {
            let access = Access::current(self)?;
            let query = with_analysis(&access, |context| analyze_statement(&dml, context))?.0;
            if !self.lock_referenced(&access, &references_of_query(&query))? {
                break query;
            }
        };
        let access = Access::current(self)?;
        let references = references_of_query(&query);
        if self.uses_temporary(&access, &references)? {
            let message = "materialized views must not use temporary tables or views";
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
        }
        let shown: Vec<_> = query.target_list.iter().filter(|entry| !entry.junk).collect();
        let columns =
            new_columns(&into.columns, shown.iter().map(|entry| (entry.name.clone(), entry.expr.ty())))?;
        let names: Vec<Arc<str>> = columns.iter().map(|column| column.name.clone()).collect();
        let place = self.place_for(&access, &into.name, into.persistence)?;
        let mut relation = NewRelation::new('m', place.namespace, &*place.name, self.facts.user_oid);
        relation.columns = columns;
        relation.options = table_options(None, &into.options)?;
        let text = canonical_query(&access, &query, &names)?;
        let ddl = Ddl::new(access.store(), &access.path);
        let view = ddl.create_relation(&relation)?;
        ddl.set_view_query(view, &text, &references)?;
        drop(access);
        if !create.with_data {
            self.set_populated(view, false)?;
            return Ok(TAG.into());
        }
        Ok(format!("SELECT {}", self.refill(view)?))
    }

    /// REFRESH MATERIALIZED VIEW.
    pub(crate) fn refresh_materialized_view(
        &mut self,
        name: &ObjectName,
        concurrently: bool,
        with_data: bool,
    ) -> PgResult<()> {
        self.ensure_transaction()?;
        if concurrently {
            return Err(PgError::unsupported("REFRESH MATERIALIZED VIEW CONCURRENTLY"));
        }
        let view = self.lock_existing(name, LockMode::AccessExclusive)?;
        if view.kind != 'm' {
            let message = format!("\"{}\" is not a materialized view", view.name);
            return Err(PgError::new(code::WRONG_OBJECT_TYPE, message));
        }
        let access = Access::current(self)?;
        self.check_owner(&access, &view)?;
        self.check_not_in_use(&view, "REFRESH MATERIALIZED VIEW")?;
        drop(access);
        self.set_populated(view.oid, with_data)?;
        if !with_data {
            return self.empty(view.oid);
        }
        self.refill(view.oid).map(|_| ())
    }

    /// Runs the query as the view's owner and puts its rows in the place of those that are there.
    fn refill(&mut self, view: Oid) -> PgResult<u64> {
        let owner = self.current(view)?.owner;
        self.as_user(owner, |session| {
            let relation = session.current(view)?;
            let rows = session.rows_of_query(&relation)?;
            session.rebuild_indexes(view)?;
            Ok(rows)
        })
    }

    fn rows_of_query(&self, view: &Relation) -> PgResult<u64> {
        let damaged = || PgError::internal(format!("materialized view \"{}\" has no query", view.name));
        let mut statements = redoubt_sql::parse(view.view_definition().ok_or_else(damaged)?)?;
        let dml = statements.pop().and_then(|statement| statement.kind.as_dml()).ok_or_else(damaged)?;
        let mut access = Access::current(self)?;
        access.path = vec![PG_CATALOG];
        let planned = self.plan_under(&access, &dml, &Params::fixed(Vec::new()), Origin::Client)?;
        self.check_privileges(&access, &planned)?;
        self.lock_tables(&access, &planned.plan)?;
        drop(access);
        let access = Access::current(self)?;
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.replace_storage(view.oid)?;
        self.fill_from(view.oid, &planned, &[])
    }

    fn set_populated(&self, view: Oid, populated: bool) -> PgResult<()> {
        let access = Access::current(self)?;
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.change_relation(view, |row| row.relispopulated = populated)
    }

    /// Refuses to read a materialized view that has no rows yet.
    ///
    /// # Errors
    /// `55000`.
    pub(crate) fn check_populated(&self, relation: &Relation) -> PgResult<()> {
        if relation.class.relispopulated || relation.kind != 'm' {
            return Ok(());
        }
        let message = format!("materialized view \"{}\" has not been populated", relation.name);
        Err(PgError::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            .hint("Use the REFRESH MATERIALIZED VIEW command."))
    }
}
