//! FOR UPDATE and its kin (PostgreSQL's transformLockingClause).

use crate::analyzer::Analyzer;
use crate::query::{LockStrength, LockWait, Perms, Query, RowMark, RteKind};
use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree as ast;

impl Analyzer<'_> {
    /// Applies one clause to the tables that it names, or to all.
    pub(crate) fn locking_clause(&mut self, query: &mut Query, locking: &ast::Locking) -> PgResult<()> {
        let words = locking.strength.as_str();
        check_lockable(query, words)?;
        if locking.of.is_empty() {
            return lock_all(query, locking);
        }
        for name in &locking.of {
            let position = Some(name.pos());
            if name.parts.len() > 1 {
                let message = format!("{words} must specify unqualified relation names");
                return Err(PgError::new(code::SYNTAX_ERROR, message).at(position));
            }
            let alias = &name.last().name;
            let found = query.rtable.iter().position(|entry| entry.in_from_clause && entry.alias == *alias);
            let Some(rt) = found else {
                let message = format!("relation \"{alias}\" in {words} clause not found in FROM clause");
                return Err(PgError::new(code::UNDEFINED_TABLE, message).at(position));
            };
            let refuse = |what: &str| {
                let message = format!("{words} cannot be applied to {what}");
                Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).at(position))
            };
            match &query.rtable[rt].kind {
                RteKind::Relation { .. } | RteKind::Subquery(_) => lock_entry(query, rt, locking)?,
                RteKind::Join => return refuse("a join"),
                RteKind::Function { .. } => return refuse("a function"),
                RteKind::Values(_) => return refuse("VALUES"),
                RteKind::Cte { .. } => return refuse("a WITH query"),
                RteKind::Excluded => return refuse("a table that is not in FROM"),
            }
        }
        Ok(())
    }
}

/// Rows can be locked only where each output row comes from one row of each table
/// (`CheckSelectLocking`).
fn check_lockable(query: &Query, words: &str) -> PgResult<()> {
    let with = if query.set_operation.is_some() {
        "UNION/INTERSECT/EXCEPT"
    } else if query.distinct.is_some() {
        "DISTINCT clause"
    } else if !query.group_by.is_empty() || query.grouping_sets.is_some() {
        "GROUP BY clause"
    } else if query.having.is_some() {
        "HAVING clause"
    } else if query.has_aggs {
        "aggregate functions"
    } else if !query.windows.is_empty() {
        "window functions"
    } else if query.has_target_srfs {
        "set-returning functions in the target list"
    } else {
        return Ok(());
    };
    Err(PgError::new(code::FEATURE_NOT_SUPPORTED, format!("{words} is not allowed with {with}")))
}

fn lock_all(query: &mut Query, locking: &ast::Locking) -> PgResult<()> {
    for rt in 0..query.rtable.len() {
        if query.rtable[rt].in_from_clause
            && matches!(query.rtable[rt].kind, RteKind::Relation { .. } | RteKind::Subquery(_))
        {
            lock_entry(query, rt, locking)?;
        }
    }
    Ok(())
}

/// A table's rows are locked; a subquery's clause goes to all of its tables.
fn lock_entry(query: &mut Query, rt: usize, locking: &ast::Locking) -> PgResult<()> {
    let entry = &mut query.rtable[rt];
    if entry.perms_relid != 0 {
        entry.required_perms = entry.required_perms.with(Perms::UPDATE);
    }
    if let RteKind::Subquery(inner) = &mut entry.kind {
        check_lockable(inner, locking.strength.as_str())?;
        return lock_all(inner, locking);
    }
    let strength = match locking.strength {
        ast::LockStrength::KeyShare => LockStrength::KeyShare,
        ast::LockStrength::Share => LockStrength::Share,
        ast::LockStrength::NoKeyUpdate => LockStrength::NoKeyUpdate,
        ast::LockStrength::Update => LockStrength::Update,
    };
    let wait = match locking.wait {
        ast::LockWait::Block => LockWait::Block,
        ast::LockWait::Skip => LockWait::Skip,
        ast::LockWait::Error => LockWait::Error,
    };
    match query.row_marks.iter_mut().find(|mark| mark.rt == rt) {
        // Two clauses for one table: the stronger lock, and the more impatient way of waiting.
        Some(mark) => {
            mark.strength = mark.strength.max(strength);
            mark.wait = more_impatient(mark.wait, wait);
        }
        None => query.row_marks.push(RowMark { rt, strength, wait }),
    }
    Ok(())
}

fn more_impatient(a: LockWait, b: LockWait) -> LockWait {
    let rank = |wait: LockWait| match wait {
        LockWait::Block => 0,
        LockWait::Skip => 1,
        LockWait::Error => 2,
    };
    if rank(a) >= rank(b) { a } else { b }
}
