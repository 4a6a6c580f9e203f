//! A session's temporary schema, `pg_temp_N`: ordinary catalog rows and ordinary pages of the volume, which only
//! this session sees by name, and which go when it ends (PostgreSQL's namespace.c).
//!
//! N is a number that no other session of the server has. The schema's row stays when the session ends, for the next
//! that gets the number; what is in it is dropped, and the number is free again only if that worked. After a crash it
//! is dropped when the server starts, before anyone can connect ([`Instance::sweep_temporary`]).

use crate::access::Access;
use crate::instance::Instance;
use crate::session::{Session, SessionStart};
use redoubt_catalog::acl::Privileges;
use redoubt_catalog::ddl::{Behavior, Ddl, ObjectAddress, class};
use redoubt_catalog::rows::PgNamespace;
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::Relations;
use redoubt_functions::Oid;
use redoubt_sql::tree::OnCommit;
use redoubt_txn::Interrupt;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the names of temporary schemas begin with.
const PREFIX: &str = "pg_temp_";
/// The owner of temporary schemas, as PostgreSQL has it: the user that initdb made.
const SCHEMA_OWNER: Oid = 10;

/// The numbers of temporary schemas that sessions have.
#[derive(Default)]
pub(crate) struct TemporaryNumbers(parking_lot::Mutex<BTreeSet<u32>>);

/// What a session has to do with temporary objects.
#[derive(Default)]
pub(crate) struct Temporary {
    /// The number of the schema and its name, from the first use on.
    schema: RefCell<Option<(u32, Arc<str>)>>,
    /// What ON COMMIT says of tables, in the order in which they were made. Tables that are gone are forgotten at
    /// the next commit.
    on_commit: RefCell<Vec<(Oid, OnCommit)>>,
}

impl TemporaryNumbers {
    /// The smallest number that is free.
    fn take(&self) -> u32 {
        let mut taken = self.0.lock();
        let number = (1..).find(|number| !taken.contains(number)).expect("numbers do not end");
        taken.insert(number);
        number
    }

    fn give_back(&self, number: u32) {
        self.0.lock().remove(&number);
    }
}

impl Temporary {
    /// The schema's name, if the session has used it.
    pub(crate) fn schema_name(&self) -> Option<Arc<str>> {
        self.schema.borrow().as_ref().map(|(_, name)| name.clone())
    }

    /// Notes what is to happen to a table at commit.
    pub(crate) fn at_commit(&self, table: Oid, action: OnCommit) {
        if matches!(action, OnCommit::DeleteRows | OnCommit::Drop) {
            self.on_commit.borrow_mut().push((table, action));
        }
    }
}

impl Session {
    /// The temporary schema, made if it is not there.
    ///
    /// # Errors
    /// `42501` when the role may have no temporary tables in the database.
    pub(crate) fn temporary_schema(&self, access: &Access<'_>) -> PgResult<Oid> {
        self.check_may_make_temporary(access)?;
        let name = match self.temporary.schema_name() {
            Some(name) => name,
            None => {
                let number = self.facts.instance.temporary_numbers.take();
                let name: Arc<str> = format!("{PREFIX}{number}").into();
                *self.temporary.schema.borrow_mut() = Some((number, name.clone()));
                name
            }
        };
        let ddl = Ddl::new(access.store(), &access.path);
        match access.catalog().namespace_by_name(&name)? {
            Some(row) => Ok(row.oid),
            None => ddl.create_schema(&name, SCHEMA_OWNER, true),
        }
    }

    fn check_may_make_temporary(&self, access: &Access<'_>) -> PgResult<()> {
        if self.may_in_database(access, Privileges::TEMPORARY)? {
            return Ok(());
        }
        let name = &self.facts.database_name;
        let message = format!("permission denied to create temporary tables in database \"{name}\"");
        Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message))
    }
}

impl Session {
    /// Does what ON COMMIT says, as the last thing before the transaction commits.
    ///
    /// # Errors
    /// Those of dropping and of writing pages.
    pub(crate) fn act_on_commit(&self) -> PgResult<()> {
        let actions = self.temporary.on_commit.borrow().clone();
        if actions.is_empty() || self.txn.is_none() {
            return Ok(());
        }
        self.check_emptied_together(&actions)?;
        let mut left = Vec::with_capacity(actions.len());
        let mut dropped = Vec::new();
        for (table, action) in actions {
            let access = Access::current(self)?;
            let Some(relation) = access.catalog().relation_by_oid(table)? else { continue };
            match action {
                OnCommit::Drop => dropped.push(ObjectAddress::relation(table)),
                _ => {
                    left.push((table, action));
                    if access.open(relation.oid)?.heap.nblocks() > 0 {
                        self.empty(relation.oid)?;
                    }
                }
            }
        }
        if !dropped.is_empty() {
            let access = Access::current(self)?;
            Ddl::new(access.store(), &access.path).drop_objects(&dropped, Behavior::Cascade)?;
        }
        *self.temporary.on_commit.borrow_mut() = left;
        Ok(())
    }

    /// A table that is emptied at commit may be referred to only by tables that are emptied with it.
    fn check_emptied_together(&self, actions: &[(Oid, OnCommit)]) -> PgResult<()> {
        let is_emptied = |oid| actions.contains(&(oid, OnCommit::DeleteRows));
        for (oid, _) in actions.iter().filter(|(_, action)| *action == OnCommit::DeleteRows) {
            let access = Access::current(self)?;
            let Some(table) = access.catalog().relation_by_oid(*oid)? else { continue };
            for other in self.referencing(&access, &table)? {
                if is_emptied(other) {
                    continue;
                }
                let other = access.relation(other)?;
                let message = "unsupported ON COMMIT and foreign key combination";
                return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).detail(format!(
                    "Table \"{}\" references \"{}\", but they do not have the same ON COMMIT setting.",
                    other.name, table.name
                )));
            }
        }
        Ok(())
    }

    /// DISCARD TEMP: drops everything in the session's temporary schema.
    ///
    /// # Errors
    /// Those of dropping.
    pub(crate) fn discard_temporary(&self) -> PgResult<()> {
        let Some(name) = self.temporary.schema_name() else { return Ok(()) };
        let access = Access::current(self)?;
        let Some(row) = access.catalog().namespace_by_name(&name)? else { return Ok(()) };
        let schema = ObjectAddress::new(class::NAMESPACE, row.oid);
        Ddl::new(access.store(), &access.path).drop_dependents(schema, Behavior::Cascade)?;
        Ok(())
    }

    /// The session ends: its temporary objects go, and its number is free for another session.
    pub(crate) fn end_temporary(&mut self) {
        let Some((number, _)) = self.temporary.schema.borrow().clone() else { return };
        // What ended the session must not end this.
        let interrupts = self.facts.backend.interrupts();
        let all = [
            Interrupt::Cancel,
            Interrupt::StatementTimeout,
            Interrupt::Terminate,
            Interrupt::IdleInTransactionTimeout,
            Interrupt::IdleSessionTimeout,
            Interrupt::ClientGone,
        ];
        all.into_iter().for_each(|interrupt| interrupts.clear(interrupt));
        self.temporary.on_commit.borrow_mut().clear();
        let dropped = (|| {
            self.ensure_transaction()?;
            self.discard_temporary()?;
            self.commit_unanswered()
        })();
        match dropped {
            Ok(_) => self.facts.instance.temporary_numbers.give_back(number),
            Err(error) => {
                self.abort();
                tracing::warn!(error = error.message(), "temporary objects were not dropped");
            }
        }
    }

    /// Refuses to read or write a table that is another session's own.
    ///
    /// # Errors
    /// `0A000`.
    pub(crate) fn check_not_others_temporary(
        &self,
        access: &Access<'_>,
        relation: &redoubt_catalog::Relation,
    ) -> PgResult<()> {
        if relation.persistence != 't' || access.own_temporary_schema() == Some(relation.namespace) {
            return Ok(());
        }
        let message = "cannot access temporary tables of other sessions";
        Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message))
    }
}

impl Instance {
    /// Drops the temporary objects that a crash has left. To be called before there are sessions.
    ///
    /// # Errors
    /// Those of reading and writing pages.
    pub fn sweep_temporary(self: &Arc<Self>) -> PgResult<()> {
        // As the owner of the schemas, whatever it is called by now.
        let (user, databases) = crate::login::databases(self, SCHEMA_OWNER)?;
        for database in databases {
            let parameters =
                vec![("user".into(), user.to_string()), ("database".into(), database.to_string())];
            let start = SessionStart { parameters, ..SessionStart::default() };
            let mut session = Session::start(self, start)?;
            session.ensure_transaction()?;
            session.sweep_schemas()?;
            session.commit_unanswered()?;
        }
        Ok(())
    }
}

impl Session {
    fn sweep_schemas(&self) -> PgResult<()> {
        let access = Access::current(self)?;
        let schemas = access.catalog().scan::<PgNamespace>()?;
        for schema in schemas.iter().filter(|schema| schema.nspname.starts_with(PREFIX)) {
            let address = ObjectAddress::new(class::NAMESPACE, schema.oid);
            let ddl = Ddl::new(access.store(), &access.path);
            let dropped = ddl.drop_dependents(address, Behavior::Cascade)?;
            if !dropped.objects.is_empty() {
                let objects = dropped.objects.len();
                tracing::info!(schema = &*schema.nspname, objects, "dropped what a crash had left");
            }
        }
        Ok(())
    }
}

impl Access<'_> {
    /// The session's temporary schema, if it has one.
    pub(crate) fn own_temporary_schema(&self) -> Option<Oid> {
        self.temporary_schema
    }
}
