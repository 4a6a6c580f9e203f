//! LOCK TABLE (PostgreSQL's src/backend/commands/lockcmds.c).

use crate::access::Access;
use crate::block::State;
use crate::session::Session;
use redoubt_analyze::{AnalyzeContext, Params, analyze_statement, visit};
use redoubt_catalog::Relation;
use redoubt_catalog::acl::Privileges;
use redoubt_catalog::names::quote_identifier;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree::{self as ast, RelationName};
use redoubt_txn::{LockMode, LockOutcome, LockTag, LockWait};
use std::sync::Arc;

/// What to lock how.
#[derive(Clone, Copy)]
struct Wanted {
    mode: LockMode,
    wait: LockWait,
}

impl Session {
    /// LOCK TABLE. A view is locked with all that it reads.
    ///
    /// # Errors
    /// `25P01` outside a block, `42809` for what is no table or view, `42501`, `55P03` with NOWAIT.
    pub(crate) fn lock_named_tables(
        &mut self,
        relations: &[RelationName],
        mode: ast::LockMode,
        nowait: bool,
    ) -> PgResult<()> {
        if self.block.state() == State::Idle {
            let message = "LOCK TABLE can only be used in transaction blocks";
            return Err(PgError::new(code::NO_ACTIVE_SQL_TRANSACTION, message));
        }
        self.ensure_transaction()?;
        let wait = if nowait { LockWait::NoWait } else { LockWait::Block };
        let wanted = Wanted { mode: lock_mode(mode), wait };
        for relation in relations {
            self.lock_named_table(relation, wanted)?;
        }
        Ok(())
    }

    fn lock_named_table(&self, name: &RelationName, wanted: Wanted) -> PgResult<()> {
        loop {
            let access = Access::current(self)?;
            let found = access.relation_named(&name.name)?;
            if !matches!(found.kind, 'r' | 'p' | 'v') {
                let message = format!("cannot lock relation \"{}\"", found.name);
                let detail = format!("This operation is not supported for {}.", kinds(found.kind));
                return Err(PgError::new(code::WRONG_OBJECT_TYPE, message).detail(detail));
            }
            self.lock_one(&access, &found, self.facts.user_oid, wanted)?;
            // The name may have come to mean another table until the lock was granted.
            let access = Access::current(self)?;
            if access.relation_named(&name.name)?.oid != found.oid {
                continue;
            }
            return match found.kind {
                'p' => Err(PgError::unsupported("LOCK TABLE of a partitioned table")),
                'v' => self.lock_below_view(&access, &found, wanted),
                _ => Ok(()),
            };
        }
    }

    /// Locks what a view reads, other views' tables included, each as the role that the view reads it as.
    fn lock_below_view(&self, access: &Access<'_>, view: &Relation, wanted: Wanted) -> PgResult<()> {
        let lost = || PgError::internal(format!("view \"{}\" cannot be read", view.name));
        let schema = access.catalog().namespace_by_oid(view.namespace)?.ok_or_else(lost)?;
        let text =
            format!("SELECT 1 FROM {}.{}", quote_identifier(&schema.nspname), quote_identifier(&view.name));
        let select = redoubt_sql::parse(&text)?.pop().and_then(|statement| statement.kind.as_dml());
        let env = access.env();
        let context = AnalyzeContext {
            catalog: access.catalog(),
            env: &env,
            path: &access.path,
            params: Params::fixed(Vec::new()),
        };
        let (mut query, _) = analyze_statement(&select.ok_or_else(lost)?, context)
            .map_err(redoubt_analyze::without_position)?;
        let mut read: Vec<(Oid, Oid)> = Vec::new();
        visit::each_query(&mut query, 0, &mut |query, _| {
            let entries = query.rtable.iter().filter(|entry| entry.perms_relid != 0);
            read.extend(entries.map(|entry| (entry.perms_relid, entry.check_as_user)));
        });
        for (relid, reads_as) in read {
            if relid == view.oid {
                continue;
            }
            let relation = access.relation(relid)?;
            if matches!(relation.kind, 'r' | 'p' | 'v') {
                let role = if reads_as == 0 { self.facts.user_oid } else { reads_as };
                self.lock_one(access, &relation, role, wanted)?;
            }
        }
        Ok(())
    }

    fn lock_one(
        &self,
        access: &Access<'_>,
        relation: &Arc<Relation>,
        role: Oid,
        wanted: Wanted,
    ) -> PgResult<()> {
        let catalog = access.catalog();
        if !catalog.is_superuser(role)? {
            let held = catalog.privileges_on_relation(role, relation)?;
            if held.intersection(sufficient(wanted.mode)).is_empty() {
                let word = if relation.kind == 'v' { "view" } else { "table" };
                let message = format!("permission denied for {word} {}", relation.name);
                return Err(PgError::new(code::INSUFFICIENT_PRIVILEGE, message));
            }
        }
        let database = if relation.class.relisshared { 0 } else { self.facts.database };
        let tag = LockTag::Relation { database, relation: relation.oid };
        if self.txn().lock(tag, wanted.mode, wanted.wait)? == LockOutcome::NotAvailable {
            let message = format!("could not obtain lock on relation \"{}\"", relation.name);
            return Err(PgError::new(code::LOCK_NOT_AVAILABLE, message));
        }
        Ok(())
    }
}

/// What relations of a kind are called.
fn kinds(kind: char) -> &'static str {
    match kind {
        'i' => "indexes",
        'I' => "partitioned indexes",
        'S' => "sequences",
        't' => "TOAST tables",
        'm' => "materialized views",
        'c' => "composite types",
        _ => "foreign tables",
    }
}

/// Privileges of which any one permits a mode.
fn sufficient(mode: LockMode) -> Privileges {
    let changes = Privileges::UPDATE.union(Privileges::DELETE).union(Privileges::TRUNCATE);
    match mode {
        LockMode::AccessShare => Privileges::SELECT,
        LockMode::RowExclusive => changes.union(Privileges::INSERT),
        _ => changes,
    }
}

fn lock_mode(mode: ast::LockMode) -> LockMode {
    use ast::LockMode as M;
    match mode {
        M::AccessShare => LockMode::AccessShare,
        M::RowShare => LockMode::RowShare,
        M::RowExclusive => LockMode::RowExclusive,
        M::ShareUpdateExclusive => LockMode::ShareUpdateExclusive,
        M::Share => LockMode::Share,
        M::ShareRowExclusive => LockMode::ShareRowExclusive,
        M::Exclusive => LockMode::Exclusive,
        M::AccessExclusive => LockMode::AccessExclusive,
    }
}
