//! RecursiveUnion: the recursive term over and over, each time on the rows that the last time
//! yielded, until there are none.

use crate::exec::Exec;
use crate::keys::{hash_keys, same_key};
use crate::node::{Node, PlanState};
use crate::rows::RowStore;
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
    next_table: RowStore,
    /// UNION: all rows so far.
    seen: Option<(HashTable<(u64, u32)>, RowStore)>,
}

impl RecursiveUnionState {
    pub(crate) fn new(id: NodeId, start: PlanState, step: PlanState) -> Self {
        RecursiveUnionState { id, start, step, recursing: false, next_table: RowStore::default(), seen: None }
    }

    /// Whether the current row is new; remembers it.
    fn is_new(&mut self, x: &Exec<'_>, node: &RecursiveUnion) -> PgResult<bool> {
        let Some(keys) = &node.distinct else { return Ok(true) };
        let (index, rows) = self.seen.get_or_insert_with(|| (HashTable::new(), RowStore::new(keys.len())));
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
        Ok(true)
    }
}

impl Node for RecursiveUnionState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let NodeKind::RecursiveUnion(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        if self.next_table.width() != node.columns.len() {
            self.next_table = RowStore::new(node.columns.len());
        }
        loop {
            x.ctx.check_for_interrupts()?;
            let source = if self.recursing { &mut self.step } else { &mut self.start };
            if source.next(x)? {
                if self.is_new(x, node)? {
                    self.next_table.push(x, &node.columns);
                    return Ok(true);
                }
                continue;
            }
            if self.next_table.len() == 0 {
                return Ok(false);
            }
            let fresh = RowStore::new(node.columns.len());
            x.work_tables[node.cte] = std::mem::replace(&mut self.next_table, fresh);
            if self.recursing {
                // The working table is not a slot, so everything below starts over.
                let everything = all_external(x, self.step.id());
                self.step.rescan(x, &everything)?;
            }
            self.recursing = true;
        }
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        if self.recursing {
            let everything = all_external(x, self.step.id());
            self.step.rescan(x, &everything)?;
        }
        self.recursing = false;
        self.next_table.clear();
        self.seen = None;
        self.start.rescan(x, changed)
    }
}

/// Every slot that some node below reads from outside itself: makes all of them start over.
fn all_external(x: &Exec<'_>, root: NodeId) -> SlotSet {
    let mut all = x.plan.nodes[root.index()].external.clone();
    for child in redoubt_plan::children(&x.plan.nodes[root.index()].kind) {
        all.union_with(&all_external(x, child));
    }
    all
}
