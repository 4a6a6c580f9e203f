//! Vacuum: what nobody can see any more is removed from a table and its indexes, and the maps are brought up to date.
//!
//! Three passes, as PostgreSQL's lazy vacuum: prune each page, leaving stubs where index entries point; remove those
//! entries from every index; remove the stubs. When the list of dead rows has grown long, the last two are run in
//! between. Transaction numbers have 64 bits, so nothing is ever frozen.

use std::sync::Arc;

use redoubt_buffer::{BlockNo, Latched, Mtr};
use redoubt_error::PgResult;
use redoubt_page::{Op, Page};
use redoubt_txn::{Backend, Horizon, StatusMissing};

use crate::access_method::AccessMethod;
use crate::heap::Heap;
use crate::heap::page::{Item, item};
use crate::heap::prune::{PRUNING_BYTES, Pruning};
use crate::heap::visibility_map::is_all_visible;
use crate::tuple::{Tid, TupleRef};

/// How to vacuum.
#[derive(Clone, Copy, Debug)]
pub struct VacuumOptions {
    /// Looks at pages, too, that the map says everybody sees all of.
    pub all_pages: bool,
    /// Dead rows that are remembered at once, 8 bytes each.
    pub max_dead_rows: usize,
}

impl Default for VacuumOptions {
    fn default() -> Self {
        Self { all_pages: false, max_dead_rows: 8 << 20 }
    }
}

/// What a vacuum found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VacuumStats {
    /// Blocks of the table.
    pub pages: u32,
    /// Blocks that were looked at; the others were known to have nothing to do.
    pub pages_scanned: u32,
    /// Rows that are alive, or may be for somebody, on the blocks looked at.
    pub rows_left: u64,
    /// Among them, deleted ones that somebody may still see.
    pub rows_recently_dead: u64,
    /// Row versions removed.
    pub rows_removed: u64,
    /// Index entries removed, in all indexes.
    pub index_entries_removed: u64,
    /// How often the indexes were gone through.
    pub index_passes: u32,
    /// Trailing blocks without anything on them; see [`Heap::truncate_empty_tail`].
    pub empty_tail_pages: u32,
}

/// One vacuum under way.
struct Vacuum<'a> {
    heap: &'a Heap,
    backend: &'a Backend,
    indexes: &'a [Arc<dyn AccessMethod>],
    horizon: Horizon,
    /// Places of dead rows that index entries point to still, ascending.
    dead: Vec<Tid>,
    stats: VacuumStats,
}

/// What is on a page after pruning.
#[derive(Default)]
struct Content {
    rows: u64,
    recently_dead: u64,
    stubs: Vec<u16>,
    /// All rows that will be left are seen by everybody.
    all_visible: bool,
}

impl Heap {
    /// Vacuums the table. The caller has it locked (`ShareUpdateExclusive`), so that one does at a time, and passes all
    /// its indexes.
    ///
    /// # Errors
    /// An interrupt, or what the volume says. What was done until then stays done.
    pub fn vacuum(
        &self,
        backend: &Backend,
        indexes: &[Arc<dyn AccessMethod>],
        options: VacuumOptions,
    ) -> PgResult<VacuumStats> {
        let horizon = self.txns.horizon();
        let stats = VacuumStats { pages: self.nblocks(), ..VacuumStats::default() };
        let mut vacuum = Vacuum { heap: self, backend, indexes, horizon, dead: Vec::new(), stats };
        for block in 0..vacuum.stats.pages {
            backend.check_for_interrupts()?;
            if options.all_pages || !self.is_all_visible(block)? {
                vacuum.prune(block)?;
            }
            if vacuum.dead.len() >= options.max_dead_rows {
                vacuum.remove_dead()?;
            }
        }
        vacuum.remove_dead()?;
        self.free.publish();
        if !self.is_overflow {
            self.save_free_space()?;
        }
        if let Some(overflow) = self.overflow()? {
            // Its pieces are rows that no index entry points to.
            overflow.vacuum(backend, &[], options)?;
        }
        vacuum.stats.empty_tail_pages = self.nblocks() - self.end_of_rows()?;
        Ok(vacuum.stats)
    }

    /// One past the last block that has anything on it.
    fn end_of_rows(&self) -> PgResult<BlockNo> {
        let mut end = self.nblocks();
        while end > 0 && self.pin(end - 1)?.read().slot_count() == 0 {
            end -= 1;
        }
        Ok(end)
    }

    /// Gives up trailing blocks that have nothing on them, and returns how many. The caller has the table locked
    /// exclusively.
    ///
    /// # Errors
    /// What the volume says.
    pub fn truncate_empty_tail(&self) -> PgResult<u32> {
        let (before, end) = (self.nblocks(), self.end_of_rows()?);
        if end < before {
            // First, so that a block that is added later does not find a bit set.
            self.forget_all_visible(end, before)?;
            self.space.truncate(&self.main, end)?;
            self.free.truncate(end);
            self.save_free_space()?;
        }
        Ok(before - end)
    }
}

impl Vacuum<'_> {
    /// Removes dead versions from a page and notes the stubs that are left.
    fn prune(&mut self, block: BlockNo) -> PgResult<()> {
        let heap = self.heap;
        let pin = heap.pin(block)?;
        let map = if heap.is_overflow { None } else { Some(heap.pin_map(block)?) };
        let (mut mtr, page, plan, mut content) = loop {
            let mut mtr = heap.pool().begin_mtr(2, PRUNING_BYTES + 64)?;
            let page = mtr.latch(&pin);
            match self.plan(mtr.page(page)) {
                Ok((plan, content)) => break (mtr, page, plan, content),
                Err(missing) => {
                    drop(mtr);
                    heap.txns.load_status(missing)?;
                }
            }
        };
        let versions = versions_on(mtr.page(page));
        plan.apply(&mut mtr, page);
        self.stats.rows_removed += versions - versions_on(mtr.page(page));
        content.stubs = stubs_on(mtr.page(page));
        if self.indexes.is_empty() {
            remove_stubs(&mut mtr, page, &std::mem::take(&mut content.stubs));
        }
        if let Some(map) = map
            && content.all_visible
            && content.stubs.is_empty()
            && !is_all_visible(mtr.page(page))
        {
            heap.mark_all_visible(&mut mtr, page, &map, block);
        }
        heap.free.record(block, mtr.page(page).reclaimable_free_bytes());
        mtr.commit();
        self.stats.pages_scanned += 1;
        self.stats.rows_left += content.rows;
        self.stats.rows_recently_dead += content.recently_dead;
        self.dead.extend(content.stubs.iter().map(|&slot| Tid::new(block, slot)));
        Ok(())
    }

    /// What to prune from a page, and what will be on it then.
    fn plan(&self, page: &Page) -> Result<(Pruning, Content), StatusMissing> {
        let plan = Pruning::plan(page, &self.horizon)?;
        let content = survey(page, &self.horizon, &plan)?;
        Ok((plan, content))
    }

    /// Removes the index entries of the dead rows, then their stubs.
    fn remove_dead(&mut self) -> PgResult<()> {
        if self.dead.is_empty() {
            return Ok(());
        }
        let dead = std::mem::take(&mut self.dead);
        for index in self.indexes {
            self.backend.check_for_interrupts()?;
            let done = index.vacuum(&self.horizon, &mut |tid| dead.binary_search(&tid).is_ok())?;
            self.stats.index_entries_removed += done.entries_removed;
        }
        self.stats.index_passes += 1;
        for on_block in dead.chunk_by(|a, b| a.block == b.block) {
            self.backend.check_for_interrupts()?;
            let slots: Vec<u16> = on_block.iter().map(|tid| tid.slot).collect();
            self.remove_stubs_of(on_block[0].block, &slots)?;
        }
        Ok(())
    }

    fn remove_stubs_of(&mut self, block: BlockNo, slots: &[u16]) -> PgResult<()> {
        let heap = self.heap;
        let (pin, map) = (heap.pin(block)?, heap.pin_map(block)?);
        let (mut mtr, page, content) = loop {
            let mut mtr = heap.pool().begin_mtr(2, PRUNING_BYTES)?;
            let page = mtr.latch(&pin);
            match survey(mtr.page(page), &self.horizon, &Pruning::default()) {
                Ok(content) => break (mtr, page, content),
                Err(missing) => {
                    drop(mtr);
                    heap.txns.load_status(missing)?;
                }
            }
        };
        remove_stubs(&mut mtr, page, slots);
        let no_stubs = content.stubs.iter().all(|slot| slots.contains(slot));
        if content.all_visible && no_stubs && !is_all_visible(mtr.page(page)) {
            heap.mark_all_visible(&mut mtr, page, &map, block);
        }
        heap.free.record(block, mtr.page(page).reclaimable_free_bytes());
        mtr.commit();
        Ok(())
    }
}

impl Content {
    fn count(&mut self, tuple: TupleRef<'_>, horizon: &Horizon) -> Result<(), StatusMissing> {
        self.rows += 1;
        let deleted = tuple.xmax().is_valid() && !horizon.none_sees(tuple.xmax())?;
        self.recently_dead += u64::from(deleted && horizon.has_committed(tuple.xmax())?);
        self.all_visible &= !deleted && horizon.all_see(tuple.xmin())?;
        Ok(())
    }
}

/// What will be on a page when it has been pruned as planned.
fn survey(page: &Page, horizon: &Horizon, plan: &Pruning) -> Result<Content, StatusMissing> {
    let mut content = Content { all_visible: true, ..Content::default() };
    for slot in 1..=page.slot_count() {
        match item(page, slot) {
            Item::Tuple(tuple) if !plan.removes(slot) => content.count(tuple, horizon)?,
            Item::Dead => content.stubs.push(slot),
            _ => (),
        }
    }
    Ok(content)
}

fn stubs_on(page: &Page) -> Vec<u16> {
    (1..=page.slot_count()).filter(|&slot| matches!(item(page, slot), Item::Dead)).collect()
}

fn versions_on(page: &Page) -> u64 {
    (1..=page.slot_count()).filter(|&slot| matches!(item(page, slot), Item::Tuple(_))).count() as u64
}

/// Removes those of `slots` that hold stubs.
fn remove_stubs(mtr: &mut Mtr<'_>, page: Latched, slots: &[u16]) {
    for &slot in slots {
        if matches!(item(mtr.page(page), slot), Item::Dead) {
            mtr.change(page, &Op::DeleteItem { slot: slot - 1, shift: false });
        }
    }
}
