//! ModifyTable: INSERT, UPDATE, DELETE.

mod change;
mod conflict;
mod feed;
mod index_entries;
mod insert;

use crate::context::OpenIndex;
use crate::exec::Exec;
use crate::node::{Node, PlanState};
use crate::table::{TableReader, system_column};
use redoubt_access::{FetchBuf, InsertOptions, Tid, TupleRef};
use redoubt_analyze::query::CommandType;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::Datum;
use redoubt_plan::modify::ModifyTable;
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub use feed::{Feed, RowSource};

pub(crate) struct ModifyTableState {
    id: NodeId,
    child: PlanState,
    target: Option<Target>,
    done: bool,
    /// The child's row as it came, while another version of it takes its place.
    original: Option<Vec<Datum>>,
}

/// The target, open for writing.
pub(crate) struct Target {
    table: TableReader,
    /// In step with `ModifyTable::indexes`.
    indexes: Vec<OpenIndex>,
    /// Where new rows are made.
    tuple: Vec<u8>,
    /// Where old rows are fetched.
    old: FetchBuf,
    /// Where index keys are made.
    key: Vec<u8>,
    /// Where what is stored along with them is.
    payload: Vec<u8>,
    /// Unique keys to be looked at again when the statement is done: index, key, row.
    unsettled: Vec<(usize, Vec<u8>, Tid)>,
}

impl Target {
    fn open(x: &Exec<'_>, node: &ModifyTable) -> PgResult<Target> {
        let table = TableReader::open(x, node.range)?;
        let mut indexes = Vec::with_capacity(node.indexes.len());
        for index in &node.indexes {
            indexes.push(x.ctx.storage.open_for_entries(&index.index)?);
        }
        Ok(Target {
            table,
            indexes,
            tuple: Vec::new(),
            old: FetchBuf::default(),
            key: Vec::new(),
            payload: Vec::new(),
            unsettled: Vec::new(),
        })
    }

    fn insert_options(&self) -> InsertOptions {
        InsertOptions { fillfactor: self.table.table.fillfactor }
    }
}

impl ModifyTableState {
    pub(crate) fn new(id: NodeId, child: PlanState) -> Self {
        ModifyTableState { id, child, target: None, done: false, original: None }
    }

    /// Handles the child's current row; says whether a row was changed.
    fn change_row<'a>(
        &mut self,
        x: &mut Exec<'a>,
        node: &'a ModifyTable,
        target: &mut Target,
    ) -> PgResult<bool> {
        match node.operation {
            CommandType::Insert => insert::insert(x, node, target),
            CommandType::Update => self.update(x, node, target),
            CommandType::Delete => self.delete(x, node, target),
            CommandType::Select => Err(PgError::internal("SELECT modifies no table")),
        }
    }
}

fn modify_table<'a>(x: &Exec<'a>, id: NodeId) -> &'a ModifyTable {
    match &x.plan.nodes[id.index()].kind {
        NodeKind::ModifyTable(node) => node,
        _ => unreachable!("the node is a ModifyTable"),
    }
}

/// Fills in the system columns that RETURNING reads.
fn deliver_system(x: &mut Exec<'_>, node: &ModifyTable, tid: Tid, tuple: &[u8]) -> PgResult<()> {
    if node.returning_system.is_empty() {
        return Ok(());
    }
    let tuple = TupleRef::new(tuple).ok_or_else(|| PgError::internal("a row version without a header"))?;
    for &(attno, slot) in &node.returning_system {
        x.set(slot, system_column(attno, node.relid, tid, tuple));
    }
    Ok(())
}

/// The child's ctid column.
fn row_place(x: &Exec<'_>, node: &ModifyTable) -> PgResult<Tid> {
    let slot = node.ctid.ok_or_else(|| PgError::internal("UPDATE and DELETE know their rows by ctid"))?;
    match x.get(slot) {
        Datum::Tid(place) => Ok(Tid::new(place.block, place.slot)),
        _ => Err(PgError::internal("ctid is NULL")),
    }
}

impl Node for ModifyTableState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        if self.done {
            return Ok(false);
        }
        let node = modify_table(x, self.id);
        let mut target = match self.target.take() {
            Some(target) => target,
            None => Target::open(x, node)?,
        };
        loop {
            x.ctx.check_for_interrupts()?;
            if let Some(values) = self.original.take() {
                x.write_live(self.child.id(), values);
            }
            if !self.child.next(x)? {
                self.done = true;
                index_entries::settle(x, node, &mut target)?;
                return Ok(false);
            }
            let changed = self.change_row(x, node, &mut target)?;
            if changed && node.sets_tag {
                x.processed += 1;
            }
            if changed && node.returning {
                self.target = Some(target);
                return Ok(true);
            }
        }
    }

    fn rescan(&mut self, _: &mut Exec<'_>, _: &SlotSet) -> PgResult<()> {
        Err(PgError::internal("a ModifyTable node cannot be rescanned"))
    }
}
