//! A whole statement.

use super::*;
use redoubt_error::PgError;
use std::ops::Range;

/// One statement of a query string.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Bytes of the query string that it occupies, without the semicolon.
    pub text_range: Range<usize>,
    /// What it is.
    pub kind: StatementKind,
    /// Notices raised while lexing it, such as "identifier ... will be truncated".
    pub notices: Vec<PgError>,
}

/// The kinds of statement.
#[derive(Clone, Debug)]
pub enum StatementKind {
    /// SELECT, VALUES, TABLE, also behind WITH. `SELECT INTO` is [`UtilityStatement::CreateTableAs`].
    Query(Box<Query>),
    /// INSERT.
    Insert(Box<Insert>),
    /// UPDATE.
    Update(Box<Update>),
    /// DELETE.
    Delete(Box<Delete>),
    /// Everything that is not planned.
    Utility(Box<UtilityStatement>),
}

impl StatementKind {
    /// The statement as something to analyze and plan, if it is that.
    pub fn as_dml(&self) -> Option<DmlStatement> {
        Some(match self {
            StatementKind::Query(q) => DmlStatement::Select(q.clone()),
            StatementKind::Insert(i) => DmlStatement::Insert(i.clone()),
            StatementKind::Update(u) => DmlStatement::Update(u.clone()),
            StatementKind::Delete(d) => DmlStatement::Delete(d.clone()),
            StatementKind::Utility(_) => return None,
        })
    }
}

impl From<DmlStatement> for StatementKind {
    fn from(dml: DmlStatement) -> Self {
        match dml {
            DmlStatement::Select(q) => StatementKind::Query(q),
            DmlStatement::Insert(i) => StatementKind::Insert(i),
            DmlStatement::Update(u) => StatementKind::Update(u),
            DmlStatement::Delete(d) => StatementKind::Delete(d),
        }
    }
}
