//! ModifyTable: INSERT, UPDATE, DELETE.

use crate::exec::Exec;
use crate::node::{Node, PlanState};
use crate::table::{TableReader, system_column};
use redoubt_access::{InsertOptions, TupleRef, form_tuple};
use redoubt_analyze::query::CommandType;
use redoubt_error::{PgError, PgResult};
use redoubt_plan::modify::ModifyTable;
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct ModifyTableState {
    id: NodeId,
    child: PlanState,
    target: Option<Target>,
    done: bool,
}

/// The target, open for writing.
struct Target {
    table: TableReader,
    /// Where rows are made.
    tuple: Vec<u8>,
}

impl ModifyTableState {
    pub(crate) fn new(id: NodeId, child: PlanState) -> Self {
        ModifyTableState { id, child, target: None, done: false }
    }

    fn open(&mut self, x: &Exec<'_>, node: &ModifyTable) -> PgResult<()> {
        if self.target.is_none() {
            let table = TableReader::open(x, node.range)?;
            self.target = Some(Target { table, tuple: Vec::new() });
        }
        Ok(())
    }

    /// Inserts the new row.
    fn insert<'a>(&mut self, x: &mut Exec<'a>, node: &'a ModifyTable) -> PgResult<bool> {
        let target = self.target.as_mut().expect("opened before the first row");
        x.run(&node.generated)?;
        x.check_row(node, &target.table.table)?;
        if !node.indexes.is_empty() {
            return Err(PgError::unsupported("changing a table with indexes"));
        }
        let desc = &target.table.desc;
        let first = node.new_row.index();
        form_tuple(desc, &x.frame[first..first + desc.len()], &mut target.tuple)?;
        let options = InsertOptions { fillfactor: target.table.table.fillfactor };
        let tid = target.table.table.heap.insert(x.ctx.storage.txn, &mut target.tuple, options)?;
        let tuple = TupleRef::new(&target.tuple).expect("a formed row has a header");
        for &(attno, slot) in &node.returning_system {
            x.frame[slot.index()] = system_column(attno, node.relid, tid, tuple);
        }
        Ok(true)
    }
}

fn modify_table<'a>(x: &Exec<'a>, id: NodeId) -> &'a ModifyTable {
    match &x.plan.nodes[id.index()].kind {
        NodeKind::ModifyTable(node) => node,
        _ => unreachable!("the node is a ModifyTable"),
    }
}

impl Node for ModifyTableState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        if self.done {
            return Ok(false);
        }
        let node = modify_table(x, self.id);
        self.open(x, node)?;
        loop {
            x.ctx.check_for_interrupts()?;
            if !self.child.next(x)? {
                self.done = true;
                return Ok(false);
            }
            let changed = match node.operation {
                CommandType::Insert => self.insert(x, node)?,
                CommandType::Update | CommandType::Delete | CommandType::Select => {
                    return Err(PgError::unsupported("UPDATE and DELETE"));
                }
            };
            if changed && node.sets_tag {
                x.processed += 1;
            }
            if changed && node.returning {
                return Ok(true);
            }
        }
    }

    fn rescan(&mut self, _: &mut Exec<'_>, _: &SlotSet) -> PgResult<()> {
        Err(PgError::internal("a ModifyTable node cannot be rescanned"))
    }
}
