//! Whether the current role may run a plan: PostgreSQL's ExecCheckRTEPerms
//! (src/backend/executor/execMain.c), and EXECUTE on the functions that not everybody may call.
//!
//! A plan names what it needs ([`Permission`]); inside a view the view's owner is asked, not the user. The
//! answer depends on the catalogs and on the role alone, so that a kept plan is asked once for each of them.

use crate::access::Access;
use crate::run::Planned;
use crate::session::Session;
use crate::settings::Parameter;
use redoubt_analyze::query::{CommandType, Expr, Query};
use redoubt_analyze::visit;
use redoubt_catalog::acl::{AclObject, Privileges};
use redoubt_catalog::{CatalogView, Relation};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_plan::node::{Permission, Plan};

/// Objects with lower OIDs came with the system.
const FIRST_NORMAL_OID: Oid = 16384;
/// Privileges that may also be held on columns.
const ON_COLUMNS: Privileges = Privileges::SELECT.union(Privileges::INSERT).union(Privileges::UPDATE);
const CHANGES: Privileges = Privileges::INSERT.union(Privileges::UPDATE).union(Privileges::DELETE);

impl Session {
    /// Whether the current role may do what a plan does.
    ///
    /// # Errors
    /// `42501` when it may not.
    pub(crate) fn check_privileges(&self, access: &Access<'_>, planned: &Planned) -> PgResult<()> {
        self.check_permissions(access, &planned.plan)?;
        let catalog = access.catalog();
        if !self.facts.superuser {
            for function in planned.guarded_functions.iter() {
                check_execute(&catalog, self.facts.user_oid, *function)?;
            }
        }
        Ok(())
    }

    /// Whether the current role may use the relations of a plan as it does.
    ///
    /// # Errors
    /// `42501` when it may not.
    pub(crate) fn check_permissions(&self, access: &Access<'_>, plan: &Plan) -> PgResult<()> {
        let catalog = access.catalog();
        for permission in &plan.permissions {
            let wanted = Privileges(permission.perms.0);
            let changes = !wanted.intersection(CHANGES).is_empty();
            let role = match permission.check_as_user {
                0 => self.facts.user_oid,
                role => role,
            };
            let superuser = catalog.is_superuser(role)?;
            // Others do not have the privilege anyway.
            if changes && superuser && permission.relid < FIRST_NORMAL_OID {
                let relation = access.catalog().relation_by_oid(permission.relid)?;
                let name = relation.map_or_else(String::new, |relation| relation.name.to_string());
                return Err(denied(format!("permission denied: \"{name}\" is a system catalog")));
            }
            if superuser {
                continue;
            }
            check_permission(&catalog, role, permission)?;
        }
        Ok(())
    }

    /// A transaction that only reads changes nothing.
    ///
    /// # Errors
    /// `25006`.
    pub(crate) fn check_read_only(&self, plan: &Plan) -> PgResult<()> {
        if plan.read_only || !self.settings.bool(Parameter::TransactionReadOnly) {
            return Ok(());
        }
        let verb = match plan.command {
            CommandType::Insert => "INSERT",
            CommandType::Update => "UPDATE",
            CommandType::Delete => "DELETE",
            CommandType::Select => "SELECT FOR UPDATE",
        };
        let message = format!("cannot execute {verb} in a read-only transaction");
        Err(PgError::new(code::READ_ONLY_SQL_TRANSACTION, message))
    }
}

fn check_permission(catalog: &CatalogView<'_>, role: Oid, permission: &Permission) -> PgResult<()> {
    let wanted = Privileges(permission.perms.0);
    if wanted.is_empty() {
        return Ok(());
    }
    let Some(relation) = catalog.relation_by_oid(permission.relid)? else { return Ok(()) };
    let missing = wanted.minus(catalog.privileges_on_relation(role, &relation)?);
    if missing.is_empty() {
        return Ok(());
    }
    let mut allowed = missing.minus(ON_COLUMNS).is_empty();
    for (privilege, columns) in [
        (Privileges::SELECT, &permission.selected),
        (Privileges::INSERT, &permission.modified),
        (Privileges::UPDATE, &permission.modified),
    ] {
        if allowed && missing.contains(privilege) {
            allowed = on_columns(catalog, role, &relation, privilege, columns)?;
        }
    }
    if allowed {
        return Ok(());
    }
    let word = match relation.kind {
        'S' => "sequence",
        'v' => "view",
        'm' => "materialized view",
        'f' => "foreign table",
        'i' | 'I' => "index",
        _ => "table",
    };
    Err(denied(format!("permission denied for {word} {}", relation.name)))
}

/// Whether the role holds a privilege on each of the columns; on some column, if none is named.
fn on_columns(
    catalog: &CatalogView<'_>,
    role: Oid,
    relation: &Relation,
    privilege: Privileges,
    columns: &[i16],
) -> PgResult<bool> {
    let holds = |attnum| Ok(catalog.privileges_on_column(role, relation, attnum)?.contains(privilege));
    let live = || relation.attributes.iter().filter(|row| !row.attisdropped).map(|row| row.attnum);
    if columns.is_empty() {
        for attnum in live() {
            if holds(attnum)? {
                return Ok(true);
            }
        }
        return Ok(false);
    }
    for attnum in columns {
        let granted = match attnum {
            // The whole row is all its columns.
            0 => live().map(holds).collect::<PgResult<Vec<bool>>>()?.into_iter().all(|held| held),
            attnum => holds(*attnum)?,
        };
        if !granted {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a role may call a function.
///
/// # Errors
/// `42501` when it may not.
pub(crate) fn check_execute(catalog: &CatalogView<'_>, role: Oid, function: Oid) -> PgResult<()> {
    let Some(row) = catalog.proc_by_oid(function)? else { return Ok(()) };
    let held = catalog.privileges(role, AclObject::Function, row.proowner, row.proacl.as_ref())?;
    if held.contains(Privileges::EXECUTE) {
        return Ok(());
    }
    let word = if row.prokind == 'p' { "procedure" } else { "function" };
    Err(denied(format!("permission denied for {word} {}", row.proname)))
}

/// The functions of a query whose privileges are not the default, by which everybody may call them.
pub(crate) fn guarded_functions(catalog: &CatalogView<'_>, query: &Query) -> PgResult<Vec<Oid>> {
    let mut called = Vec::new();
    visit::visit_query(query, 0, &mut |node, _| {
        match node {
            Expr::Call(call)
            | Expr::Distinct { equality: call, .. }
            | Expr::NullIf { equality: call, .. }
            | Expr::ScalarArrayOp { call, .. } => called.push(call.proc_oid),
            Expr::Aggregate(aggregate) => called.push(aggregate.proc_oid),
            Expr::WindowFunc(function) => called.push(function.proc_oid),
            _ => {}
        }
        true
    });
    called.sort_unstable();
    called.dedup();
    let mut guarded = Vec::new();
    for function in called {
        if catalog.proc_by_oid(function)?.is_some_and(|row| row.proacl.is_some()) {
            guarded.push(function);
        }
    }
    Ok(guarded)
}

fn denied(message: String) -> PgError {
    PgError::new(code::INSUFFICIENT_PRIVILEGE, message)
}
