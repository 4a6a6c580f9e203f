//! Inserting rows.

use super::{Target, conflict, deliver_system, index_entries};
use crate::exec::Exec;
use crate::referential;
use redoubt_access::{Tid, form_tuple};
use redoubt_error::PgResult;
use redoubt_plan::modify::ModifyTable;

/// Inserts the new row; false if ON CONFLICT made nothing of it.
pub(super) fn insert<'a>(x: &mut Exec<'a>, node: &'a ModifyTable, target: &mut Target) -> PgResult<bool> {
    x.run(&node.generated)?;
    x.check_row(node, &target.table.table)?;
    if let Some(conflict) = &node.conflict {
        return conflict::insert(x, node, conflict, target);
    }
    let tid = store(x, node, target)?;
    index_entries::insert_all(x, node, target, tid, None)?;
    inserted(x, node, target, tid)?;
    Ok(true)
}

/// Puts the new row into the heap.
pub(super) fn store(x: &mut Exec<'_>, node: &ModifyTable, target: &mut Target) -> PgResult<Tid> {
    let desc = &target.table.desc;
    let first = node.new_row.index();
    form_tuple(desc, &x.frame[first..first + desc.len()], &mut target.tuple)?;
    let options = target.insert_options();
    target.table.table.heap.insert(x.ctx.storage.txn, &mut target.tuple, options)
}

/// What follows when a row is in with all its index entries.
pub(super) fn inserted<'a>(
    x: &mut Exec<'a>,
    node: &'a ModifyTable,
    target: &Target,
    tid: Tid,
) -> PgResult<()> {
    referential::row_inserted(x, node)?;
    deliver_system(x, node, tid, &target.tuple)
}
