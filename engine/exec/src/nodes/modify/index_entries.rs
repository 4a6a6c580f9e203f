//! Index entries for new row versions, and what unique indexes say to them.

use super::Target;
use crate::context::OpenIndex;
use crate::exec::Exec;
use crate::index_key::{encode_key, encode_payload};
use crate::interpret::is_true;
use redoubt_access::{Inserted, Tid, Unique};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, io};
use redoubt_plan::modify::{IndexMaintenance, ModifyTable};

/// An arbiter of ON CONFLICT refused the row.
pub(super) struct Refused;

/// Makes the entries of the new row in all indexes. A duplicate in an arbiting index (one of
/// `arbiters`, or any unique one if that is empty) is reported to the caller, in others it is an error.
pub(super) fn insert_all<'a>(
    x: &mut Exec<'a>,
    node: &'a ModifyTable,
    target: &mut Target,
    tid: Tid,
    arbiters: Option<&[usize]>,
) -> PgResult<Option<Refused>> {
    for (at, index) in node.indexes.iter().enumerate() {
        let Some(has_null) = make_key(x, index, &mut target.key)? else { continue };
        let (key, mut payload) = (std::mem::take(&mut target.key), std::mem::take(&mut target.payload));
        make_payload(x, index, key.len(), &mut payload)?;
        let entered = enter(x, index, target, at, (&key, &payload), has_null, tid);
        (target.key, target.payload) = (key, payload);
        if entered?.is_some() {
            if arbiters.is_some_and(|arbiters| arbiters.is_empty() || arbiters.contains(&at)) {
                return Ok(Some(Refused));
            }
            return Err(duplicate(x, index, target));
        }
    }
    Ok(None)
}

/// Makes the entry of a row, key and what is stored along, in one index; refused by a duplicate in a unique one.
pub(super) fn enter(
    x: &Exec<'_>,
    index: &IndexMaintenance,
    target: &mut Target,
    at: usize,
    (key, payload): (&[u8], &[u8]),
    has_null: bool,
    tid: Tid,
) -> PgResult<Option<Refused>> {
    let facts = &index.index;
    let tree = match &target.indexes[at] {
        OpenIndex::BTree(tree) => tree,
        OpenIndex::Gist(tree, columns) => return tree.insert(columns, key, tid, 0).map(|()| None),
    };
    if !facts.unique || has_null && !facts.nulls_not_distinct {
        tree.insert(key, tid, payload)?;
        return Ok(None);
    }
    let unique = if facts.immediate { Unique::Immediate } else { Unique::Deferred };
    let heap = &target.table.table.heap;
    match tree.insert_unique(x.ctx.storage.txn, heap, key, tid, payload, unique)? {
        Inserted::Done => {}
        Inserted::PerhapsDuplicate => target.unsettled.push((at, key.to_vec(), tid)),
        Inserted::Conflict(_) => return Ok(Some(Refused)),
    }
    Ok(None)
}

/// Looks again at the keys of deferrable constraints, now that the statement is done.
pub(super) fn settle<'a>(x: &mut Exec<'a>, node: &'a ModifyTable, target: &mut Target) -> PgResult<()> {
    for (at, key, tid) in std::mem::take(&mut target.unsettled) {
        let heap = &target.table.table.heap;
        if target.indexes[at].find_conflict(x.ctx.storage.txn, heap, &key, tid)?.is_some() {
            let index = &node.indexes[at];
            let message = format!("duplicate key value violates unique constraint \"{}\"", index.index.name);
            let table = &target.table.table;
            return Err(PgError::new(code::UNIQUE_VIOLATION, message)
                .table(&*table.schema, &*table.name)
                .constraint(&*index.index.name));
        }
    }
    Ok(())
}

/// Makes the new row's key for an index; nothing if the index has no entry for the row: it is partial, or knows no
/// NULLs. The answer is whether a key column is NULL.
pub(super) fn make_key<'a>(
    x: &mut Exec<'a>,
    index: &'a IndexMaintenance,
    key: &mut Vec<u8>,
) -> PgResult<Option<bool>> {
    if let Some(predicate) = &index.predicate {
        if !is_true(x.value(predicate)?) {
            return Ok(None);
        }
    }
    x.run(&index.program)?;
    let values = index.columns.iter().map(|slot| &x.frame[slot.index()]);
    encode_key(&index.index, x.ctx.env, values, key)
}

/// Makes what is stored along with the new row's key, once [`make_key`] has computed the columns.
pub(super) fn make_payload(
    x: &Exec<'_>,
    index: &IndexMaintenance,
    key_bytes: usize,
    payload: &mut Vec<u8>,
) -> PgResult<()> {
    let values = index.columns.iter().map(|slot| &x.frame[slot.index()]);
    encode_payload(&index.index, values, key_bytes, payload)
}

/// `23505`.
pub(super) fn duplicate(x: &Exec<'_>, index: &IndexMaintenance, target: &Target) -> PgError {
    let facts = &index.index;
    let desc = &target.table.desc;
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for (column, slot) in facts.columns[..facts.key_columns].iter().zip(&index.columns) {
        names.push(match (&column.text, column.attno) {
            (Some(text), _) => text.to_string(),
            (None, attno) => desc.attrs[attno as usize - 1].name.to_string(),
        });
        values.push(match x.get(*slot) {
            Datum::Null => "null".to_owned(),
            value => io::output_string(value, column.type_oid, x.ctx.env).unwrap_or_else(|_| "?".to_owned()),
        });
    }
    let message = format!("duplicate key value violates unique constraint \"{}\"", facts.name);
    let table = &target.table.table;
    PgError::new(code::UNIQUE_VIOLATION, message)
        .detail(format!("Key ({})=({}) already exists.", names.join(", "), values.join(", ")))
        .table(&*table.schema, &*table.name)
        .constraint(&*facts.name)
}
