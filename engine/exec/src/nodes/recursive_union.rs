//! RecursiveUnion: the recursive term over and over, each time on the rows that the last time
//! yielded, until there are none.

use crate::exec::Exec;
use crate::keys::{hash_keys, same_key};
use crate::node::{Node, PlanState};
use crate::rows::RowStore;
use crate::spill::tuple_store::TupleStore;
use crate::spill::{Reservation, row_bytes};
use hashbrown::HashTable;
use redoubt_error::PgResult;
use redoubt_plan::node::RecursiveUnion;
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct RecursiveUnionState {
    id: NodeId,
    start: PlanState,
    step: PlanState,
    recursing: bool,
    /// The rows of this round, which the next works on.
    next_table: TupleStore,
    /// UNION: all rows so far.
    seen: Option<Seen>,
}

/// Rows that have come out, which have to stay in memory.
struct Seen {
    index: HashTable<(u64, u32)>,
    rows: RowStore,
    held: Reservation,
}

impl RecursiveUnionState {
    pub(crate) fn new(id: NodeId, start: PlanState, step: PlanState) -> Self {
        RecursiveUnionState {
            id,
            start,
            step,
            recursing: false,
            next_table: TupleStore::default(),
            seen: None,
        }
    }

    /// Whether the current row is new; remembers it.
    fn is_new(&mut self, x: &Exec<'_>, node: &RecursiveUnion) -> PgResult<bool> {
        let Some(keys) = &node.distinct else { return Ok(true) };
        let Seen { index, rows, held } = self.seen.get_or_insert_with(|| Seen {
            index: HashTable::new(),
            rows: RowStore::new(keys.len()),
            held: x.ctx.storage.work.reserve(),
        });
        let hash = hash_keys(keys.iter().map(|key| (key.equality.type_oid, x.get(key.slot))));
        let mut failure = None;
        let found = index.find(hash, |&(known, row)| {
            known == hash
                && keys.iter().zip(rows.row(row as usize)).all(|(key, value)| {
                    same_key(x, &key.equality, x.get(key.slot), value).unwrap_or_else(|error| {
                        failure.get_or_insert(error);
                        false
                    })
                })
        });
        if found.is_some() {
            return Ok(false);
        }
        if let Some(error) = failure {
            return Err(error);
        }
        index.insert_unique(hash, (hash, rows.len() as u32), |(hash, _)| *hash);
        rows.push_row(keys.iter().map(|key| x.get(key.slot).clone()));
        held.add(row_bytes(rows.row(rows.len() - 1)) + 2 * size_of::<(u64, u32)>())?;
        Ok(true)
    }
}

impl Node for RecursiveUnionState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let NodeKind::RecursiveUnion(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        if self.next_table.width() != node.columns.len() {
            self.next_table = TupleStore::new(&x.ctx.storage.work, node.columns.len());
        }
        loop {
            x.ctx.check_for_interrupts()?;
            let source = if self.recursing { &mut self.step } else { &mut self.start };
            if source.next(x)? {
                if self.is_new(x, node)? {
                    self.next_table.push(x, &node.columns)?;
                    return Ok(true);
                }
                continue;
            }
            if self.next_table.len() == 0 {
                return Ok(false);
            }
            let fresh = TupleStore::new(&x.ctx.storage.work, node.columns.len());
            x.work_tables[node.cte] = std::mem::replace(&mut self.next_table, fresh);
            if self.recursing {
                let mut changed = SlotSet::new();
                changed.insert(node.work);
                self.step.rescan(x, &changed)?;
            }
            self.recursing = true;
        }
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        let NodeKind::RecursiveUnion(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        if self.recursing {
            let mut changed = changed.clone();
            changed.insert(node.work);
            self.step.rescan(x, &changed)?;
        }
        self.recursing = false;
        self.next_table.clear();
        self.seen = None;
        self.start.rescan(x, changed)
    }
}
