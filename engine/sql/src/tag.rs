//! Command tags: what CommandComplete says a statement was.

use crate::tree::*;

impl StatementKind {
    /// The tag without a row count: `SELECT`, `CREATE TABLE`, ... The session adds the counts.
    pub fn tag(&self) -> String {
        match self {
            StatementKind::Query(_) => "SELECT".into(),
            StatementKind::Insert(_) => "INSERT".into(),
            StatementKind::Update(_) => "UPDATE".into(),
            StatementKind::Delete(_) => "DELETE".into(),
            StatementKind::Utility(u) => u.tag(),
        }
    }
}

impl UtilityStatement {
    /// The command tag, as PostgreSQL's CreateCommandTag names it.
    pub fn tag(&self) -> String {
        use UtilityStatement as U;
        let fixed = match self {
            U::Transaction(t) => t.tag(),
            U::CreateTable(_) => "CREATE TABLE",
            U::CreateTableAs(c) if c.materialized_view => "CREATE MATERIALIZED VIEW",
            U::CreateTableAs(c) if c.select_into => "SELECT INTO",
            U::CreateTableAs(_) => "CREATE TABLE AS",
            U::AlterTable(a) => return format!("ALTER {}", a.object.tag_words()),
            U::CreateIndex(_) => "CREATE INDEX",
            U::CreateView(_) => "CREATE VIEW",
            U::RefreshMaterializedView { .. } => "REFRESH MATERIALIZED VIEW",
            U::CreateSequence(_) => "CREATE SEQUENCE",
            U::AlterSequence(_) => "ALTER SEQUENCE",
            U::CreateSchema(_) => "CREATE SCHEMA",
            U::CreateDatabase { .. } => "CREATE DATABASE",
            U::AlterDatabase { .. } | U::AlterDatabaseTablespace { .. } | U::AlterDatabaseSet { .. } => {
                "ALTER DATABASE"
            }
            U::DropDatabase { .. } => "DROP DATABASE",
            U::CreateRole { .. } => "CREATE ROLE",
            U::AlterRole { .. } | U::AlterRoleSet { .. } | U::AlterGroup { .. } => "ALTER ROLE",
            U::DropRole { .. } => "DROP ROLE",
            U::ReassignOwned { .. } => "REASSIGN OWNED",
            U::DropOwned { .. } => "DROP OWNED",
            U::Grant(g) => {
                if g.is_grant {
                    "GRANT"
                } else {
                    "REVOKE"
                }
            }
            U::GrantRole(g) => {
                if g.is_grant {
                    "GRANT ROLE"
                } else {
                    "REVOKE ROLE"
                }
            }
            U::AlterDefaultPrivileges(_) => "ALTER DEFAULT PRIVILEGES",
            U::Drop(d) => return format!("DROP {}", d.object.tag_words()),
            U::Rename(r) => {
                let object = match r.object {
                    ObjectType::Column | ObjectType::TableConstraint => r.relation_kind,
                    other => other,
                };
                return format!("ALTER {}", object.tag_words());
            }
            U::AlterObjectSchema { object, .. } | U::AlterOwner { object, .. } => {
                return format!("ALTER {}", object.tag_words());
            }
            U::Comment { .. } => "COMMENT",
            U::Set(s) => match s.action {
                SetAction::Reset { .. } | SetAction::ResetAll => "RESET",
                _ => "SET",
            },
            U::Show { .. } => "SHOW",
            U::Explain(_) => "EXPLAIN",
            U::Prepare { .. } => "PREPARE",
            U::Execute(_) => "EXECUTE",
            U::Deallocate { name: None } => "DEALLOCATE ALL",
            U::Deallocate { .. } => "DEALLOCATE",
            U::DeclareCursor(_) => "DECLARE CURSOR",
            U::Fetch(f) => {
                if f.is_move {
                    "MOVE"
                } else {
                    "FETCH"
                }
            }
            U::ClosePortal { name: None } => "CLOSE CURSOR ALL",
            U::ClosePortal { .. } => "CLOSE CURSOR",
            U::Copy(_) => "COPY",
            U::Truncate { .. } => "TRUNCATE TABLE",
            U::Vacuum(v) => {
                if v.is_vacuum {
                    "VACUUM"
                } else {
                    "ANALYZE"
                }
            }
            U::Cluster { .. } => "CLUSTER",
            U::Reindex { .. } => "REINDEX",
            U::Lock { .. } => "LOCK TABLE",
            U::Discard(target) => match target {
                DiscardTarget::All => "DISCARD ALL",
                DiscardTarget::Plans => "DISCARD PLANS",
                DiscardTarget::Sequences => "DISCARD SEQUENCES",
                DiscardTarget::Temp => "DISCARD TEMP",
            },
            U::Checkpoint => "CHECKPOINT",
            U::Load { .. } => "LOAD",
            U::Listen { .. } => "LISTEN",
            U::Unlisten { .. } => "UNLISTEN",
            U::Notify { .. } => "NOTIFY",
            U::SetConstraints { .. } => "SET CONSTRAINTS",
            U::Do { .. } => "DO",
            U::Call(_) => "CALL",
            U::CreateType(_) => "CREATE TYPE",
            U::AlterEnum(_) => "ALTER TYPE",
            U::CreateDomain(_) => "CREATE DOMAIN",
            U::AlterDomain { .. } => "ALTER DOMAIN",
            U::CreateFunction(f) => {
                if f.is_procedure {
                    "CREATE PROCEDURE"
                } else {
                    "CREATE FUNCTION"
                }
            }
            U::AlterFunction(a) => return format!("ALTER {}", a.object.tag_words()),
            U::CreateExtension { .. } => "CREATE EXTENSION",
            U::CreateTablespace { .. } => "CREATE TABLESPACE",
            U::DropTablespace { .. } => "DROP TABLESPACE",
            U::NotYet { what } => what,
        };
        fixed.into()
    }
}

impl TransactionStatement {
    fn tag(&self) -> &'static str {
        use TransactionStatement as T;
        match self {
            T::Begin(_) => "BEGIN",
            T::Start(_) => "START TRANSACTION",
            T::Commit { .. } => "COMMIT",
            T::Rollback { .. } | T::RollbackTo(_) => "ROLLBACK",
            T::Savepoint(_) => "SAVEPOINT",
            T::Release(_) => "RELEASE",
            T::PrepareTransaction(_) => "PREPARE TRANSACTION",
            T::CommitPrepared(_) => "COMMIT PREPARED",
            T::RollbackPrepared(_) => "ROLLBACK PREPARED",
        }
    }
}
