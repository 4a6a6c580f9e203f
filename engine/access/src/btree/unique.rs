//! Insertion into unique indexes.
//!
//! All leaves that can hold an equal key are latched together, and searched, before the entry goes in; usually that is
//! one. Rows with an equal key are judged with nothing latched, for that may have to fetch or wait; what was
//! judged dead stays dead, so the search is repeated until it finds nothing new.

use redoubt_buffer::{Latched, Mtr};
use redoubt_error::PgResult;
use redoubt_txn::Txn;
use rustc_hash::FxHashSet;

use crate::btree::descend::{Found, right_of};
use crate::btree::insert::{Attempt, Entry, Inserted};
use crate::btree::node::Node;
use crate::btree::{BTree, TID_BYTES};
use crate::heap::{Heap, Liveness};
use crate::tuple::Tid;

/// When a duplicate is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unique {
    /// Now.
    Immediate,
    /// At the end of the statement or transaction (deferrable constraints): the entry goes in, and the answer says
    /// whether [`BTree::find_conflict`] must look again then.
    Deferred,
}

/// Latched neighbouring leaves that hold all entries with one key.
struct Run<'p> {
    mtr: Mtr<'p>,
    found: Vec<Found>,
    pages: Vec<Latched>,
}

impl BTree {
    /// Inserts an entry whose key no other living row of `heap` may have. Waits for transactions whose end decides.
    ///
    /// # Errors
    /// As [`BTree::insert`]; deadlock, `lock_timeout` or an interrupt while waiting.
    pub fn insert_unique(
        &self,
        txn: &Txn,
        heap: &Heap,
        key: &[u8],
        tid: Tid,
        payload: &[u8],
        unique: Unique,
    ) -> PgResult<Inserted> {
        let entry = Entry::new(key, tid, payload)?;
        let mut dead = FxHashSet::default();
        loop {
            let mut run = self.latch_run(key, entry.mtr_bytes())?;
            let new: Vec<Tid> =
                run.places(key)?.into_iter().filter(|found| *found != tid && !dead.contains(found)).collect();
            if new.is_empty() || unique == Unique::Deferred {
                let at = run.place_of(&entry.full)?;
                match self.try_insert(&mut run.mtr, run.pages[at], &entry)? {
                    Attempt::Done => {
                        run.mtr.commit();
                        let duplicate =
                            unique == Unique::Deferred && self.judge(txn, heap, &new, &mut dead)?;
                        return Ok(if duplicate { Inserted::PerhapsDuplicate } else { Inserted::Done });
                    }
                    Attempt::FinishSplit => {
                        let block = run.found[at].block;
                        drop(run);
                        self.finish_split(block)?;
                    }
                    Attempt::Split => {
                        let block = run.found[at].block;
                        drop(run);
                        self.split(block, &entry.full, entry.item.len())?;
                    }
                }
                continue;
            }
            drop(run);
            if let Some(other) = self.resolve(txn, heap, key, &new, &mut dead)? {
                return Ok(Inserted::Conflict(other));
            }
        }
    }

    /// A living row other than `except` with this key. Waits for transactions whose end decides.
    ///
    /// # Errors
    /// Deadlock, `lock_timeout` or an interrupt while waiting; what the volume says.
    pub fn find_conflict(&self, txn: &Txn, heap: &Heap, key: &[u8], except: Tid) -> PgResult<Option<Tid>> {
        let mut dead = FxHashSet::default();
        loop {
            let places = self.places(key)?;
            let new: Vec<Tid> =
                places.into_iter().filter(|found| *found != except && !dead.contains(found)).collect();
            if new.is_empty() {
                return Ok(None);
            }
            if let Some(other) = self.resolve(txn, heap, key, &new, &mut dead)? {
                return Ok(Some(other));
            }
        }
    }

    /// Judges rows, waiting if need be: one that lives is the answer; the others go to `dead`.
    fn resolve(
        &self,
        txn: &Txn,
        heap: &Heap,
        key: &[u8],
        rows: &[Tid],
        dead: &mut FxHashSet<Tid>,
    ) -> PgResult<Option<Tid>> {
        for &tid in rows {
            match heap.liveness(txn, tid)? {
                Liveness::Dead => drop(dead.insert(tid)),
                // Vacuum removes an entry before its row's place is used again. So if the entry is still here, it was
                // its row that was judged.
                Liveness::Live(at) if self.places(key)?.contains(&tid) => return Ok(Some(at)),
                Liveness::Live(_) => return Ok(None),
                Liveness::Undecided(xid) => {
                    txn.wait_for(xid)?;
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// Whether any of these rows is alive, or may be; without waiting.
    fn judge(&self, txn: &Txn, heap: &Heap, rows: &[Tid], dead: &mut FxHashSet<Tid>) -> PgResult<bool> {
        for &tid in rows {
            if heap.liveness(txn, tid)? != Liveness::Dead {
                return Ok(true);
            }
            dead.insert(tid);
        }
        Ok(false)
    }

    /// The places of all rows with this key.
    fn places(&self, key: &[u8]) -> PgResult<Vec<Tid>> {
        let mut found = self.find(key, 0)?;
        let mut places = Vec::new();
        loop {
            let page = found.pin.read();
            let node = Node::new(&page)?;
            if !node.is_left_of(key) {
                collect(node, key, &mut places);
            }
            if !node.is_left_of(key) && !may_go_on(node, key) {
                return Ok(places);
            }
            let right = right_of(node, &page)?;
            drop(page);
            found = Found { block: right, pin: self.pin(right)? };
        }
    }

    /// Latches all leaves that can hold entries with this key.
    fn latch_run(&self, key: &[u8], mtr_bytes: usize) -> PgResult<Run<'_>> {
        let mut found = vec![self.find(key, 0)?];
        loop {
            let mut mtr = self.pool().begin_mtr(1, mtr_bytes)?;
            let pages: Vec<Latched> = found.iter().map(|leaf| mtr.latch(&leaf.pin)).collect();
            if is_whole_run(&mtr, &found, &pages, key)? {
                return Ok(Run { mtr, found, pages });
            }
            drop(mtr);
            found = self.find_run(key)?;
        }
    }

    /// Those leaves, not latched.
    fn find_run(&self, key: &[u8]) -> PgResult<Vec<Found>> {
        let mut run = Vec::new();
        let mut next = self.find(key, 0)?;
        loop {
            let (belongs, right) = {
                let page = next.pin.read();
                let node = Node::new(&page)?;
                let belongs = !node.is_left_of(key);
                if belongs && !may_go_on(node, key) {
                    drop(page);
                    run.push(next);
                    return Ok(run);
                }
                (belongs, right_of(node, &page)?)
            };
            if belongs {
                run.push(next);
            }
            next = Found { block: right, pin: self.pin(right)? };
        }
    }
}

/// Whether these leaves are all that can hold entries with this key, each followed by the next.
fn is_whole_run(mtr: &Mtr<'_>, found: &[Found], pages: &[Latched], key: &[u8]) -> PgResult<bool> {
    for (at, &page) in pages.iter().enumerate() {
        let node = Node::new(mtr.page(page))?;
        let follows = match found.get(at + 1) {
            Some(next) => may_go_on(node, key) && node.right() == next.block,
            None => !may_go_on(node, key),
        };
        if node.is_left_of(key) || !follows {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Run<'_> {
    /// The places of all rows with this key.
    fn places(&self, key: &[u8]) -> PgResult<Vec<Tid>> {
        let mut places = Vec::new();
        for &page in &self.pages {
            collect(Node::new(self.mtr.page(page))?, key, &mut places);
        }
        Ok(places)
    }

    /// Which of the leaves an entry belongs to.
    fn place_of(&self, full: &[u8]) -> PgResult<usize> {
        for (at, &page) in self.pages.iter().enumerate() {
            if !Node::new(self.mtr.page(page))?.is_left_of(full) {
                return Ok(at);
            }
        }
        unreachable!("the last leaf of a run takes every place of its key")
    }
}

fn collect(node: Node<'_>, key: &[u8], places: &mut Vec<Tid>) {
    let is_equal = |slot: &u16| {
        let full = node.leaf_key(*slot);
        full.len() == key.len() + TID_BYTES && full.starts_with(key)
    };
    let first = node.lower_bound(key);
    places.extend((first..node.end()).take_while(is_equal).map(|slot| node.tid(slot)));
}

/// Whether the right sibling may have entries with this key, too.
fn may_go_on(node: Node<'_>, key: &[u8]) -> bool {
    node.high().is_some_and(|high| high.starts_with(key))
}
