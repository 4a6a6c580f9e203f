//! The actions of ALTER TABLE: what messages call them, what relations they are for, in which order they go, and
//! which lock they need (PostgreSQL's `ATPrepCmd` and `AlterTableGetLockLevel`).

use super::object_names::not_for;
use redoubt_catalog::Relation;
use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree::{AlterTableCommand as C, TableConstraintKind, TriggerState};
use redoubt_txn::LockMode;

/// The order in which actions of one statement are carried out, whatever the order that they are written in
/// (PostgreSQL's `AlterTablePass`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pass {
    Drop,
    AlterType,
    AddColumn,
    ColumnAttributes,
    AddKey,
    AddOther,
    Rest,
}

/// When an action's turn is.
pub(crate) fn pass_of(command: &C) -> Pass {
    match command {
        C::DropColumn { .. }
        | C::DropConstraint { .. }
        | C::DropNotNull { .. }
        | C::DropDefault { .. }
        | C::DropIdentity { .. }
        | C::DropExpression { .. } => Pass::Drop,
        C::AlterType { .. } => Pass::AlterType,
        C::AddColumn { .. } => Pass::AddColumn,
        C::SetNotNull { .. } => Pass::ColumnAttributes,
        C::AddConstraint(constraint) => match constraint.kind {
            TableConstraintKind::Unique { .. }
            | TableConstraintKind::PrimaryKey { .. }
            | TableConstraintKind::Exclude { .. } => Pass::AddKey,
            _ => Pass::AddOther,
        },
        C::SetDefault { .. } | C::AddIdentity { .. } => Pass::AddOther,
        _ => Pass::Rest,
    }
}

/// The lock that an action needs.
pub(crate) fn lock_of(command: &C) -> LockMode {
    match command {
        C::AddConstraint(constraint) if matches!(constraint.kind, TableConstraintKind::ForeignKey { .. }) => {
            LockMode::ShareRowExclusive
        }
        C::Trigger { .. } => LockMode::ShareRowExclusive,
        C::SetStatistics { .. }
        | C::SetOptions(_)
        | C::ResetOptions(_)
        | C::ValidateConstraint { .. }
        | C::ClusterOn { .. }
        | C::SetWithoutCluster
        | C::SetColumnOptions { .. }
        | C::ResetColumnOptions { .. } => LockMode::ShareUpdateExclusive,
        _ => LockMode::AccessExclusive,
    }
}

/// Refuses an action on a relation of a kind that it is not for.
///
/// # Errors
/// `42809`.
pub(crate) fn check_kind(command: &C, relation: &Relation) -> PgResult<()> {
    let (name, kinds) = described(command);
    if kinds.is_empty() || kinds.contains(relation.kind) {
        return Ok(());
    }
    let message = format!("ALTER action {name} cannot be performed on relation \"{}\"", relation.name);
    Err(PgError::new(code::WRONG_OBJECT_TYPE, message).detail(not_for(relation.kind)))
}

/// What messages call an action, and the kinds of relation that it is for; none listed means all.
pub(crate) fn described(command: &C) -> (&'static str, &'static str) {
    match command {
        C::AddColumn { .. } => ("ADD COLUMN", "rpf"),
        C::DropColumn { .. } => ("DROP COLUMN", "rpf"),
        C::AlterType { .. } => ("ALTER COLUMN ... SET DATA TYPE", "rpf"),
        C::SetDefault { .. } => ("ALTER COLUMN ... SET DEFAULT", "rpvf"),
        C::DropDefault { .. } => ("ALTER COLUMN ... DROP DEFAULT", "rpvf"),
        C::SetNotNull { .. } => ("ALTER COLUMN ... SET NOT NULL", "rpf"),
        C::DropNotNull { .. } => ("ALTER COLUMN ... DROP NOT NULL", "rpf"),
        C::DropExpression { .. } => ("ALTER COLUMN ... DROP EXPRESSION", "rpf"),
        C::SetStatistics { .. } => ("ALTER COLUMN ... SET STATISTICS", "rpmiIf"),
        C::SetStorage { .. } => ("ALTER COLUMN ... SET STORAGE", "rpmf"),
        C::SetCompression { .. } => ("ALTER COLUMN ... SET COMPRESSION", "rpm"),
        C::SetColumnOptions { .. } => ("ALTER COLUMN ... SET", "rpmf"),
        C::ResetColumnOptions { .. } => ("ALTER COLUMN ... RESET", "rpmf"),
        C::AddIdentity { .. } => ("ALTER COLUMN ... ADD IDENTITY", "rpvf"),
        C::SetIdentity { .. } => ("ALTER COLUMN ... SET", "rpvf"),
        C::DropIdentity { .. } => ("ALTER COLUMN ... DROP IDENTITY", "rpvf"),
        C::AddConstraint(_) => ("ADD CONSTRAINT", "rpf"),
        C::AlterConstraint { .. } => ("ALTER CONSTRAINT", "rp"),
        C::ValidateConstraint { .. } => ("VALIDATE CONSTRAINT", "rp"),
        C::DropConstraint { .. } => ("DROP CONSTRAINT", "rpf"),
        C::OwnerTo(_) => ("OWNER TO", ""),
        C::ClusterOn { .. } => ("CLUSTER ON", "rpm"),
        C::SetWithoutCluster => ("SET WITHOUT CLUSTER", "rpm"),
        C::SetLogged => ("SET LOGGED", "rpS"),
        C::SetUnlogged => ("SET UNLOGGED", "rpS"),
        C::SetWithoutOids => ("SET WITHOUT OIDS", "rpf"),
        C::SetAccessMethod(_) => ("SET ACCESS METHOD", "rm"),
        C::SetTablespace(_) => ("SET TABLESPACE", "rpmiI"),
        C::SetOptions(_) => ("SET", "rpvmiI"),
        C::ResetOptions(_) => ("RESET", "rpvmiI"),
        C::Inherit(_) => ("INHERIT", "rf"),
        C::NoInherit(_) => ("NO INHERIT", "rf"),
        C::OfType(_) => ("OF", "rp"),
        C::NotOf => ("NOT OF", "rp"),
        C::ReplicaIdentity(_) => ("REPLICA IDENTITY", "rpm"),
        C::Trigger { state, .. } => (
            match state {
                TriggerState::Enabled => "ENABLE TRIGGER",
                TriggerState::Disabled => "DISABLE TRIGGER",
                TriggerState::Always => "ENABLE ALWAYS TRIGGER",
                TriggerState::Replica => "ENABLE REPLICA TRIGGER",
            },
            "rpf",
        ),
        C::Rule { state, .. } => (
            match state {
                TriggerState::Enabled => "ENABLE RULE",
                TriggerState::Disabled => "DISABLE RULE",
                TriggerState::Always => "ENABLE ALWAYS RULE",
                TriggerState::Replica => "ENABLE REPLICA RULE",
            },
            "rp",
        ),
        C::RowSecurity { enable: true } => ("ENABLE ROW SECURITY", "rp"),
        C::RowSecurity { enable: false } => ("DISABLE ROW SECURITY", "rp"),
        C::ForceRowSecurity { force: true } => ("FORCE ROW SECURITY", "rp"),
        C::ForceRowSecurity { force: false } => ("NO FORCE ROW SECURITY", "rp"),
        C::AttachPartition { .. } => ("ATTACH PARTITION", "pI"),
        C::DetachPartition { .. } => ("DETACH PARTITION", "p"),
    }
}
