//! SQL cursors: DECLARE, FETCH, MOVE and CLOSE.
//!
//! Executions run forward only. A cursor that may go back either keeps its rows (SCROLL, and WITH HOLD
//! after its transaction), or is run again from the start under its own snapshot, where PostgreSQL would
//! run its plan backward: the rows and their order are the same then.

use crate::access::Access;
use crate::block::State;
use crate::client::{Client, Format, OutputColumn};
use crate::env::StatementEnv;
use crate::functions::{SetFamily, all_rows, columns, row, session_sets};
use crate::run::Planned;
use crate::session::Session;
use crate::settings::Parameter;
use redoubt_analyze::Params;
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::{ExecContext, Execution, Storage};
use redoubt_functions::{CallContext, Datum, Env, Oid, Rows, types};
use redoubt_plan::{NodeId, NodeKind, Plan};
use redoubt_sql::tree::{DeclareCursor, DmlStatement, Fetch, FetchDirection, Ident};
use redoubt_txn::Snapshot;
use std::sync::Arc;

/// How a cursor goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scroll {
    /// It does not.
    Never,
    /// By running again from the start.
    Again,
    /// Over rows that are kept.
    Kept,
}

/// A declared cursor.
pub(crate) struct Cursor {
    planned: Planned,
    params: Vec<Datum>,
    /// The text of the message that declared it.
    text: Arc<str>,
    declared_us: i64,
    binary: bool,
    pub(crate) columns: Arc<[OutputColumn]>,
    scroll: Scroll,
    hold: bool,
    /// An error has ended a FETCH: what has been read and what not is lost.
    failed: bool,
    /// How many savepoints there were when it was declared: rolling one of them back takes it along.
    level: usize,
    /// What it sees; nothing once all rows are kept.
    snapshot: Option<Snapshot>,
    execution: Option<Execution>,
    /// Rows that the execution has delivered.
    delivered: u64,
    rows: Vec<Vec<Datum>>,
    /// Rows before the first one kept.
    dropped: u64,
    /// The row that it stands on, from 1; 0 before the first, one more than there are after the last.
    at: u64,
    /// How many rows there are, once that is known.
    count: Option<u64>,
}

/// Takes the rows that a FETCH delivers.
type Sink<'a> = &'a mut dyn FnMut(&[Datum], &dyn Env) -> PgResult<()>;

impl Session {
    /// DECLARE.
    pub(crate) fn declare_cursor(&mut self, declare: &DeclareCursor, text: &str) -> PgResult<()> {
        if declare.name.as_str().is_empty() {
            let message = "invalid cursor name: must not be empty";
            return Err(PgError::new(code::INVALID_CURSOR_NAME, message));
        }
        if !declare.hold && !matches!(self.block.state(), State::Block | State::Implicit) {
            let message = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(PgError::new(code::NO_ACTIVE_SQL_TRANSACTION, message));
        }
        self.ensure_transaction()?;
        let statement = DmlStatement::Select(declare.query.clone());
        let fraction = self.settings.real(Parameter::CursorTupleFraction);
        let planned = self.plan_part(&statement, &Params::fixed(Vec::new()), fraction)?;
        let scroll = check_declaration(declare, &planned.plan)?;
        let name = declare.name.as_str();
        if self.cursors.contains_key(name) || self.portals.contains_key(name) {
            return Err(PgError::new(code::DUPLICATE_CURSOR, format!("cursor \"{name}\" already exists")));
        }
        let format = if declare.binary { Format::Binary } else { Format::Text };
        let columns =
            planned.columns.iter().map(|column| OutputColumn { format, ..column.clone() }).collect();
        let cursor = Cursor {
            execution: Some(Execution::new(planned.plan.clone(), &[])),
            snapshot: Some(self.txn().statement_snapshot()?),
            planned,
            params: Vec::new(),
            text: text.into(),
            declared_us: self.facts.statement_timestamp_us,
            binary: declare.binary,
            columns,
            scroll,
            hold: declare.hold,
            failed: false,
            level: self.block.depth(),
            delivered: 0,
            rows: Vec::new(),
            dropped: 0,
            at: 0,
            count: None,
        };
        self.cursors.insert(name.to_string(), cursor);
        Ok(())
    }

    /// FETCH and MOVE; gives the command tag.
    pub(crate) fn fetch_cursor(&mut self, fetch: &Fetch, client: &mut dyn Client) -> PgResult<String> {
        let name = fetch.cursor.as_str();
        self.ensure_transaction()?;
        let mut cursor = self.cursors.remove(name).ok_or_else(|| no_cursor(name))?;
        let result = match cursor.failed {
            true => Err(cannot_be_run(name)),
            false => self.fetch_from(&mut cursor, fetch, client),
        };
        cursor.failed |= result.is_err();
        self.cursors.insert(name.to_string(), cursor);
        let rows = result?;
        Ok(format!("{} {rows}", if fetch.is_move { "MOVE" } else { "FETCH" }))
    }

    fn fetch_from(&mut self, cursor: &mut Cursor, fetch: &Fetch, client: &mut dyn Client) -> PgResult<u64> {
        if fetch.is_move {
            return cursor.go(self, fetch.direction, &mut |_, _| Ok(()));
        }
        let columns = self.announce(&cursor.columns, client)?;
        cursor.go(self, fetch.direction, &mut |row, env| client.data_row(&columns, row, env))
    }

    /// The columns that FETCH returns.
    pub(crate) fn columns_of_fetch(&self, fetch: &Fetch) -> PgResult<Option<Arc<[OutputColumn]>>> {
        let name = fetch.cursor.as_str();
        let cursor = self.cursors.get(name).ok_or_else(|| no_cursor(name))?;
        Ok((!fetch.is_move).then(|| cursor.columns.clone()))
    }

    /// CLOSE; without a name, of all.
    pub(crate) fn close_cursor(&mut self, name: Option<&Ident>) -> PgResult<()> {
        match name {
            None => self.cursors.clear(),
            Some(name) => {
                if self.cursors.remove(name.as_str()).is_none() {
                    return Err(no_cursor(name.as_str()));
                }
            }
        }
        Ok(())
    }

    /// Before a commit: cursors WITH HOLD read what they have not read yet, the others are closed.
    pub(crate) fn keep_held_cursors(&mut self) -> PgResult<()> {
        if self.cursors.is_empty() {
            return Ok(());
        }
        let mut cursors = std::mem::take(&mut self.cursors);
        cursors.retain(|_, cursor| cursor.hold);
        let mut result = Ok(());
        for cursor in cursors.values_mut().filter(|cursor| cursor.snapshot.is_some()) {
            result = result.and_then(|()| cursor.keep_all(self));
        }
        // If one failed, the transaction's abort drops this transaction's.
        self.cursors = cursors;
        result
    }

    /// The transaction, or its part above this many savepoints, is undone: so are its cursors.
    pub(crate) fn drop_cursors(&mut self, above: usize) {
        self.cursors.retain(|_, cursor| cursor.snapshot.is_none() || cursor.level < above);
    }

    /// Savepoints are released down to this many: their cursors belong to the one below.
    pub(crate) fn release_cursors(&mut self, savepoints: usize) {
        for cursor in self.cursors.values_mut() {
            cursor.level = cursor.level.min(savepoints);
        }
    }
}

fn no_cursor(name: &str) -> PgError {
    PgError::new(code::INVALID_CURSOR_NAME, format!("cursor \"{name}\" does not exist"))
}

fn cannot_be_run(name: &str) -> PgError {
    PgError::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, format!("portal \"{name}\" cannot be run"))
}

fn forward_only() -> PgError {
    PgError::new(code::OBJECT_NOT_IN_PREREQUISITE_STATE, "cursor can only scan forward")
        .hint("Declare it with SCROLL option to enable backward scan.")
}

/// Refuses what does not go together, and decides how the cursor goes back.
fn check_declaration(declare: &DeclareCursor, plan: &Plan) -> PgResult<Scroll> {
    let has = |test: fn(&NodeKind) -> bool| plan.nodes.iter().any(|node| test(&node.kind));
    if has(|kind| matches!(kind, NodeKind::ModifyTable(_))) {
        let message = "DECLARE CURSOR must not contain data-modifying statements in WITH";
        return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
    }
    let locks = has(|kind| matches!(kind, NodeKind::LockRows(_)));
    if locks {
        let strength = locking_words(declare);
        let refuse = |code, what: &str, rest: &str, kind: &str| {
            let message = format!("DECLARE {what} ... {strength} is {rest}");
            Err(PgError::new(code, message).detail(format!("{kind} cursors must be READ ONLY.")))
        };
        if declare.hold {
            return refuse(code::FEATURE_NOT_SUPPORTED, "CURSOR WITH HOLD", "not supported", "Holdable");
        }
        if declare.scroll == Some(true) {
            return refuse(code::FEATURE_NOT_SUPPORTED, "SCROLL CURSOR", "not supported", "Scrollable");
        }
        if declare.insensitive == Some(true) {
            let code = code::INVALID_CURSOR_DEFINITION;
            return refuse(code, "INSENSITIVE CURSOR", "not valid", "Insensitive");
        }
    }
    Ok(match declare.scroll {
        Some(true) => Scroll::Kept,
        Some(false) => Scroll::Never,
        None if !locks && runs_backward(plan, plan.root) => Scroll::Again,
        None => Scroll::Never,
    })
}

fn locking_words(declare: &DeclareCursor) -> &'static str {
    use redoubt_sql::tree::LockStrength as S;
    match declare.query.locking.first().map(|locking| locking.strength) {
        Some(S::KeyShare) => "FOR KEY SHARE",
        Some(S::Share) => "FOR SHARE",
        Some(S::NoKeyUpdate) => "FOR NO KEY UPDATE",
        _ => "FOR UPDATE",
    }
}

/// Whether PostgreSQL would run such a plan backward (its ExecSupportsBackwardScan).
fn runs_backward(plan: &Plan, id: NodeId) -> bool {
    match &plan.nodes[id.index()].kind {
        NodeKind::SeqScan(_)
        | NodeKind::IndexScan(_)
        | NodeKind::TidScan(_)
        | NodeKind::FunctionScan(_)
        | NodeKind::ValuesScan(_)
        | NodeKind::CteScan(_)
        | NodeKind::Material(_)
        | NodeKind::Sort { .. } => true,
        NodeKind::Result { child, .. } => child.is_some_and(|child| runs_backward(plan, child)),
        NodeKind::SubqueryScan { child, .. } => runs_backward(plan, *child),
        NodeKind::Limit(node) => runs_backward(plan, node.child),
        NodeKind::Append(children) => children.iter().all(|child| runs_backward(plan, *child)),
        _ => false,
    }
}

impl Cursor {
    /// Moves, delivering the rows passed to FETCH's rules; says how many.
    fn go(&mut self, session: &Session, direction: FetchDirection, sink: Sink<'_>) -> PgResult<u64> {
        use FetchDirection as D;
        match direction {
            D::Forward(0) | D::Backward(0) | D::Relative(0) => self.same(session, sink),
            D::Forward(count) if count > 0 => self.forward(session, count as u64, sink),
            D::Backward(count) if count < 0 => self.forward(session, count.unsigned_abs(), sink),
            D::Forward(count) | D::Backward(count) => self.backward(session, count.unsigned_abs(), sink),
            D::Absolute(row) if row >= 0 => self.to(session, row as u64, sink),
            D::Absolute(row) => {
                self.check_backward()?;
                let count = self.count_all(session)?;
                let back = row.unsigned_abs();
                self.to(session, (count + 1).saturating_sub(back), sink)
            }
            D::Relative(by) if by > 0 => self.to(session, self.at.saturating_add(by as u64), sink),
            D::Relative(by) => {
                self.check_backward()?;
                self.to(session, self.at.saturating_sub(by.unsigned_abs()), sink)
            }
        }
    }

    fn check_backward(&self) -> PgResult<()> {
        if self.scroll == Scroll::Never { Err(forward_only()) } else { Ok(()) }
    }

    /// The row that it stands on, again.
    fn same(&mut self, session: &Session, sink: Sink<'_>) -> PgResult<u64> {
        if self.at == 0 || self.count.is_some_and(|count| self.at > count) {
            return Ok(0);
        }
        self.check_backward()?;
        self.pass(session, self.at, self.at, sink)
    }

    fn forward(&mut self, session: &Session, count: u64, sink: Sink<'_>) -> PgResult<u64> {
        let last = self.at.saturating_add(count);
        let passed = self.pass(session, self.at + 1, last, sink)?;
        self.at = if passed == count { last } else { self.after_last() };
        Ok(passed)
    }

    fn backward(&mut self, session: &Session, count: u64, sink: Sink<'_>) -> PgResult<u64> {
        self.check_backward()?;
        let (low, high) = (self.at.saturating_sub(count).max(1), self.at.saturating_sub(1));
        self.at = self.at.saturating_sub(count);
        if low > high {
            return Ok(0);
        }
        let mut rows = Vec::new();
        self.pass(session, low, high, &mut |row, _| {
            rows.push(row.to_vec());
            Ok(())
        })?;
        let access = Access::current(session)?;
        let env = access.env();
        rows.iter().rev().try_for_each(|row| sink(row, &env))?;
        Ok(high - low + 1)
    }

    /// Goes to one row, which is delivered if there is one.
    fn to(&mut self, session: &Session, row: u64, sink: Sink<'_>) -> PgResult<u64> {
        if row <= self.at && self.at > 0 {
            self.check_backward()?;
        }
        if row == 0 {
            self.at = 0;
            return Ok(0);
        }
        let passed = self.pass(session, row, row, sink)?;
        self.at = if passed == 1 { row } else { self.after_last() };
        Ok(passed)
    }

    fn after_last(&self) -> u64 {
        self.count.map_or(self.at, |count| count + 1)
    }

    fn count_all(&mut self, session: &Session) -> PgResult<u64> {
        if self.count.is_none() {
            self.pass(session, u64::MAX, u64::MAX, &mut |_, _| Ok(()))?;
        }
        self.count.ok_or_else(|| PgError::internal("a cursor has an end"))
    }

    /// Delivers the rows from `first` to `last`, as far as there are any, and says how many.
    fn pass(&mut self, session: &Session, first: u64, last: u64, sink: Sink<'_>) -> PgResult<u64> {
        let access = match &self.snapshot {
            Some(snapshot) => Access::new(session, snapshot.clone())?,
            None => Access::current(session)?,
        };
        let env = access.env();
        if self.scroll == Scroll::Again && self.execution.is_some() && self.delivered >= first {
            self.execution = Some(Execution::new(self.planned.plan.clone(), &self.params));
            self.delivered = 0;
        }
        let (mut passed, mut next) = (0, first);
        while next <= last {
            let kept = next.checked_sub(self.dropped + 1).and_then(|index| self.rows.get(index as usize));
            if let Some(row) = kept {
                sink(row, &env)?;
            } else if self.count.is_some_and(|count| next > count) || !self.step_to(&access, &env, next)? {
                break;
            } else {
                let execution = self.execution.as_ref().expect("it has just delivered a row");
                sink(execution.row(), &env)?;
            }
            passed += 1;
            next += 1;
        }
        Ok(passed)
    }

    /// Runs the execution until it has delivered a row; false at the end.
    fn step_to(&mut self, access: &Access<'_>, env: &dyn Env, row: u64) -> PgResult<bool> {
        let session = access.session;
        let Some(execution) = &mut self.execution else { return Ok(false) };
        let datafusion = session.datafusion_for(execution.plan());
        let storage = Storage {
            engine: &session.facts.instance.engine,
            txn: session.txn(),
            snapshot: access.snapshot.clone(),
            relations: access,
            work: session.work(),
            offload: datafusion.as_ref().map(|datafusion| datafusion as _),
        };
        let context = ExecContext { env, storage: &storage };
        while self.delivered < row {
            if !execution.next(&context)? {
                self.count = Some(self.delivered);
                return Ok(false);
            }
            self.delivered += 1;
            if self.scroll == Scroll::Kept {
                self.rows.push(execution.row().to_vec());
            }
        }
        Ok(true)
    }

    /// Reads all rows that may be asked for later, so that the transaction is needed no more.
    fn keep_all(&mut self, session: &Session) -> PgResult<()> {
        match self.scroll {
            Scroll::Kept => {}
            Scroll::Never => self.dropped = self.delivered,
            Scroll::Again => {
                self.execution = Some(Execution::new(self.planned.plan.clone(), &self.params));
                self.delivered = 0;
            }
        }
        let scroll = std::mem::replace(&mut self.scroll, Scroll::Kept);
        self.count = None;
        let read = self.pass(session, u64::MAX, u64::MAX, &mut |_, _| Ok(()));
        self.scroll = scroll;
        read?;
        (self.execution, self.snapshot) = (None, None);
        Ok(())
    }
}

pub(crate) const SETS: SetFamily = session_sets! {
    "pg_cursor": cursors;
};

const COLUMNS: [(&str, Oid); 6] = [
    ("name", types::TEXT),
    ("statement", types::TEXT),
    ("is_holdable", types::BOOL),
    ("is_binary", types::BOOL),
    ("is_scrollable", types::BOOL),
    ("creation_time", types::TIMESTAMPTZ),
];

fn cursors(env: &StatementEnv<'_>, _: &CallContext<'_>, _: &[Datum]) -> PgResult<Rows> {
    let desc = columns(&COLUMNS);
    let rows = env.session.cursors.iter().map(|(name, cursor)| {
        let fields = vec![
            Datum::text(name.as_str()),
            Datum::Text(cursor.text.clone()),
            Datum::Bool(cursor.hold),
            Datum::Bool(cursor.binary),
            Datum::Bool(cursor.scroll != Scroll::Never),
            Datum::TimestampTz(cursor.declared_us),
        ];
        row(&desc, fields)
    });
    Ok(all_rows(rows.collect()))
}
