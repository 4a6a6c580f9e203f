//! Checking a row again after a concurrent update (PostgreSQL's EvalPlanQual).
//!
//! READ COMMITTED takes the newest version of a row that somebody else has changed, provided that it
//! still satisfies the statement. To find out, the plan below the ModifyTable or LockRows node runs
//! once more in an execution of its own, in which each FROM item of the statement delivers just one
//! row: the newest version for the locked table, the row that it was joined with for all others.

use crate::exec::Exec;
use crate::node::PlanState;
use crate::spill::tuple_store::TupleStore;
use redoubt_access::{FetchBuf, Tid};
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::modify::SourceMark;
use redoubt_plan::{NodeId, Slot};
use rustc_hash::FxHashMap;

/// The one row that a FROM item delivers.
pub(crate) enum Candidate {
    /// A version of a table's row.
    Row {
        /// Its place.
        tid: Tid,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Values of something that is no table.
    Values(Vec<(Slot, Datum)>),
    /// No row: the item was null-extended by an outer join.
    Nothing,
}

/// What the FROM items deliver while a row is checked again, by range-table entry.
pub(crate) type Candidates = FxHashMap<usize, Candidate>;

impl<'a> Exec<'a> {
    /// The rows that the other FROM items had when the current row came.
    pub(crate) fn current_candidates(&self, marks: &[SourceMark]) -> PgResult<Candidates> {
        let mut candidates = Candidates::default();
        for mark in marks {
            let candidate = match mark.ctid {
                None => {
                    let values = mark.slots.iter().map(|slot| (*slot, self.get(*slot).clone()));
                    Candidate::Values(values.collect())
                }
                Some(ctid) => match self.get(ctid) {
                    Datum::Tid(place) => {
                        let tid = Tid::new(place.block, place.slot);
                        let table = self.ctx.storage.relations.open(mark.relid)?;
                        let mut buf = FetchBuf::default();
                        if table.heap.fetch_any(tid, &mut buf)? {
                            Candidate::Row { tid, bytes: buf.bytes().to_vec() }
                        } else {
                            Candidate::Nothing
                        }
                    }
                    _ => Candidate::Nothing,
                },
            };
            candidates.insert(mark.range, candidate);
        }
        Ok(candidates)
    }

    /// Runs the subtree over these rows. If a row comes out, the values of the subtree's live slots.
    pub(crate) fn recheck(&mut self, child: NodeId, candidates: Candidates) -> PgResult<Option<Vec<Datum>>> {
        // A WITH query that is half done has its place in this execution's frame.
        self.complete_ctes()?;
        let mut inner = Exec {
            plan: self.plan,
            shared_plan: self.shared_plan,
            ctx: self.ctx,
            frame: self.frame.clone(),
            arrays: std::iter::repeat_with(|| None).take(self.arrays.len()).collect(),
            subplans: std::iter::repeat_with(|| None).take(self.subplans.len()).collect(),
            ctes: std::mem::take(&mut self.ctes),
            work_tables: std::iter::repeat_with(TupleStore::default).take(self.work_tables.len()).collect(),
            processed: 0,
            candidates: Some(candidates),
            events: std::mem::take(&mut self.events),
            meter: None,
        };
        let mut root = PlanState::new(self.plan, child);
        let found = root.next(&mut inner);
        let completed = inner.complete_ctes();
        self.ctes = std::mem::take(&mut inner.ctes);
        self.processed += inner.processed;
        self.events = std::mem::take(&mut inner.events);
        completed?;
        if !found? {
            return Ok(None);
        }
        let live = &self.plan.nodes[child.index()].live;
        Ok(Some(live.iter().map(|slot| inner.get(*slot).clone()).collect()))
    }

    /// Saves a subtree's live slots, to be put back by [`Exec::write_live`].
    pub(crate) fn read_live(&self, child: NodeId) -> Vec<Datum> {
        self.plan.nodes[child.index()].live.iter().map(|slot| self.get(*slot).clone()).collect()
    }

    /// Writes a subtree's live slots.
    pub(crate) fn write_live(&mut self, child: NodeId, values: Vec<Datum>) {
        for (slot, value) in self.plan.nodes[child.index()].live.iter().zip(values) {
            self.frame[slot.index()] = value;
        }
    }
}
