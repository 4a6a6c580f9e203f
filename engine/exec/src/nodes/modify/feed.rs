//! Rows that come from outside, one after the other: COPY FROM.
//!
//! The plan is an INSERT of one row of parameters. A feed runs its row source once per row, checks the
//! row as every INSERT does, and puts rows into the heap and the indexes many at a time: a page is
//! latched and logged once for all the rows that it takes.

use super::{Target, index_entries, modify_table};
use crate::context::ExecContext;
use crate::exec::{Exec, Execution};
use crate::interpret::is_true;
use crate::node::PlanState;
use crate::referential;
use crate::table::deform_into;
use redoubt_access::{Tid, TupleRef, form_tuple};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::Datum;
use redoubt_plan::modify::ModifyTable;
use redoubt_plan::{NodeKind, Plan, Slot, SlotSet};
use std::ops::Range;
use std::sync::Arc;

/// Rows that wait together, at most (PostgreSQL's MAX_BUFFERED_TUPLES).
const BATCH_ROWS: usize = 1000;
/// Their bytes, at most (PostgreSQL's MAX_BUFFERED_BYTES).
const BATCH_BYTES: usize = 65_535;

/// Where the rows come from.
pub trait RowSource {
    /// Puts the next row's parameters into `params`, which is empty, and answers with the number of
    /// its line; nothing at the end.
    ///
    /// # Errors
    /// Whatever is wrong with the row.
    fn next_row(&mut self, params: &mut Vec<Datum>) -> PgResult<Option<u64>>;

    /// An error concerns a line that was read before, whose text is gone.
    fn blame(&mut self, line: u64);

    /// All rows are stored: errors concern none of them from now on.
    fn all_stored(&mut self);
}

/// An INSERT that is fed.
#[derive(Debug)]
pub struct Feed {
    plan: Arc<Plan>,
}

impl Feed {
    /// Takes a plan of one INSERT whose values are parameters.
    ///
    /// # Errors
    /// `XX000` for any other plan.
    pub fn new(plan: Arc<Plan>) -> PgResult<Feed> {
        match &plan.nodes[plan.root.index()].kind {
            NodeKind::ModifyTable(node) if node.conflict.is_none() && !node.returning => Ok(Feed { plan }),
            _ => Err(PgError::internal("only a plain INSERT can be fed")),
        }
    }

    /// Inserts all rows of the source and says how many.
    ///
    /// # Errors
    /// Those of the source, and of inserting rows.
    pub fn run(self, ctx: &ExecContext<'_>, source: &mut dyn RowSource) -> PgResult<u64> {
        let plan = self.plan;
        let runtime = Execution::new(plan.clone(), &[]).into_runtime();
        let mut x = Exec::resume(&plan, ctx, runtime);
        let node = modify_table(&x, plan.root);
        let mut child = PlanState::new(&plan, node.child);
        let mut target = Target::open(&x, node)?;
        let mut batch = Batch::default();
        let mut params = Vec::new();
        let unchanged = SlotSet::new();
        loop {
            ctx.check_for_interrupts()?;
            params.clear();
            let Some(line) = source.next_row(&mut params)? else { break };
            for (slot, value) in plan.params.iter().zip(params.drain(..)) {
                if let Some(slot) = slot {
                    x.set(*slot, value);
                }
            }
            child.rescan(&mut x, &unchanged)?;
            if !child.next(&mut x)? {
                return Err(PgError::internal("a row of parameters is always one row"));
            }
            if let Some(condition) = &node.condition
                && !is_true(x.value(condition)?)
            {
                continue;
            }
            x.run(&node.generated)?;
            x.check_row(node, &target.table.table)?;
            batch.push(&mut x, node, &target, line)?;
            if batch.is_full() {
                batch.flush(&mut x, node, &mut target, source)?;
            }
        }
        batch.flush(&mut x, node, &mut target, source)?;
        source.all_stored();
        index_entries::settle(&mut x, node, &mut target)?;
        x.run_events()?;
        Ok(x.processed)
    }
}

/// Checked rows on their way into the table. The vectors are reused from batch to batch.
#[derive(Default)]
struct Batch {
    rows: usize,
    bytes: usize,
    /// The first `rows` of them are in use.
    tuples: Vec<Vec<u8>>,
    lines: Vec<u64>,
    /// The index keys of all rows, each with what is stored along, end to end.
    key_bytes: Vec<u8>,
    /// Per row and index: where key and payload are, and whether a column of the key is NULL; nothing where
    /// a partial index leaves the row out.
    keys: Vec<Option<(Range<usize>, Range<usize>, bool)>>,
    tids: Vec<Tid>,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.rows == BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    /// Takes the new row, as it is in its slots.
    fn push<'a>(
        &mut self,
        x: &mut Exec<'a>,
        node: &'a ModifyTable,
        target: &Target,
        line: u64,
    ) -> PgResult<()> {
        if self.tuples.len() == self.rows {
            self.tuples.push(Vec::new());
        }
        let tuple = &mut self.tuples[self.rows];
        let desc = &target.table.desc;
        let first = node.new_row.index();
        form_tuple(desc, &x.frame[first..first + desc.len()], tuple)?;
        self.bytes += tuple.len();
        let (mut key, mut payload) = (Vec::new(), Vec::new());
        for index in &node.indexes {
            let Some(has_null) = index_entries::make_key(x, index, &mut key)? else {
                self.keys.push(None);
                continue;
            };
            index_entries::make_payload(x, index, key.len(), &mut payload)?;
            let start = self.key_bytes.len();
            let end = start + key.len();
            self.key_bytes.extend_from_slice(&key);
            self.key_bytes.extend_from_slice(&payload);
            self.keys.push(Some((start..end, end..self.key_bytes.len(), has_null)));
        }
        referential::row_inserted(x, node)?;
        self.lines.push(line);
        self.rows += 1;
        Ok(())
    }

    /// Puts the rows into heap and indexes.
    fn flush<'a>(
        &mut self,
        x: &mut Exec<'a>,
        node: &'a ModifyTable,
        target: &mut Target,
        source: &mut dyn RowSource,
    ) -> PgResult<()> {
        let heap = target.table.table.heap.clone();
        self.tids.clear();
        let rows = &mut self.tuples[..self.rows];
        heap.multi_insert(x.ctx.storage.txn, rows, target.insert_options(), &mut self.tids)?;
        for row in 0..self.rows {
            for (at, index) in node.indexes.iter().enumerate() {
                let made = &self.keys[row * node.indexes.len() + at];
                let Some((key, payload, has_null)) = made else { continue };
                let pair = (&self.key_bytes[key.clone()], &self.key_bytes[payload.clone()]);
                let entered = index_entries::enter(x, index, target, at, pair, *has_null, self.tids[row]);
                match entered {
                    Ok(None) => {}
                    Ok(Some(_)) => {
                        source.blame(self.lines[row]);
                        load(x, node, target, &self.tuples[row])?;
                        x.run(&index.program)?;
                        return Err(index_entries::duplicate(x, index, target));
                    }
                    Err(error) => {
                        source.blame(self.lines[row]);
                        return Err(error);
                    }
                }
            }
        }
        if node.sets_tag {
            x.processed += self.rows as u64;
        }
        (self.rows, self.bytes) = (0, 0);
        self.lines.clear();
        self.key_bytes.clear();
        self.keys.clear();
        Ok(())
    }
}

/// Puts a row of the batch back into the new row's slots, for a message.
fn load(x: &mut Exec<'_>, node: &ModifyTable, target: &Target, tuple: &[u8]) -> PgResult<()> {
    let desc = &target.table.desc;
    let columns: Vec<(i16, Slot)> =
        (0..desc.len()).map(|at| (at as i16 + 1, node.new_row.plus(at))).collect();
    let tuple = TupleRef::new(tuple).ok_or_else(|| PgError::internal("a row version without a header"))?;
    deform_into(tuple, desc, &columns, &mut x.frame)
}
