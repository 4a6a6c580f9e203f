//! Pruning: removing the versions of rows that nobody can see any more from one page.
//!
//! A chain of versions loses its dead front. What index entries point to stays: the root's slot becomes a redirect
//! to the first living version, or the stub of a dead row, until vacuum has removed the index entries. Heap-only
//! versions leave nothing behind. See PostgreSQL's `README.HOT`.

use redoubt_buffer::{Latched, Mtr};
use redoubt_page::{Op, Page};
use redoubt_txn::{Horizon, StatusMissing, Xid};

use crate::heap::fetch::Chain;
use crate::heap::page::{DEAD_ITEM, Item, item, prune_hint, redirect_item, set_prune_hint};
use crate::tuple::{TupleRef, mask};

/// What pruning a page changes; slots count from 1.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pruning {
    /// Slots that become redirects, and to where.
    redirects: Vec<(u16, u16)>,
    /// Slots that become stubs of dead rows.
    dead: Vec<u16>,
    /// Slots that become unused.
    unused: Vec<u16>,
    /// All of these.
    changed: SlotSet,
    /// The page's hint from then on.
    hint: Option<Xid>,
}

/// Slots of one page.
#[derive(Debug, Default, PartialEq, Eq)]
struct SlotSet([u64; 32]);

impl SlotSet {
    fn add(&mut self, slot: u16) {
        self.0[usize::from(slot / 64)] |= 1 << (slot % 64);
    }

    fn has(&self, slot: u16) -> bool {
        self.0[usize::from(slot / 64)] & 1 << (slot % 64) != 0
    }
}

/// The most bytes of operations that pruning one page takes: every slot once, a few bytes each.
pub(super) const PRUNING_BYTES: usize = 4096;

impl Pruning {
    /// Decides what goes. Never blocks.
    pub(super) fn plan(page: &Page, horizon: &Horizon) -> Result<Self, StatusMissing> {
        let mut plan = Self::default();
        let mut reached = SlotSet::default();
        for slot in 1..=page.slot_count() {
            let is_root = match item(page, slot) {
                Item::Tuple(tuple) => !tuple.has(mask::HEAP_ONLY),
                Item::Redirect(_) => true,
                Item::Dead | Item::Unused => false,
            };
            if is_root {
                plan.plan_chain(page, horizon, slot, &mut reached)?;
            }
        }
        for slot in 1..=page.slot_count() {
            // A heap-only version that no chain leads to was left by an update that failed.
            if let Item::Tuple(tuple) = item(page, slot)
                && !reached.has(slot)
                && is_dead(tuple, horizon)?
            {
                plan.unused.push(slot);
                plan.changed.add(slot);
            }
        }
        plan.hint = plan.next_hint(page, horizon)?;
        Ok(plan)
    }

    fn plan_chain(
        &mut self,
        page: &Page,
        horizon: &Horizon,
        root: u16,
        reached: &mut SlotSet,
    ) -> Result<(), StatusMissing> {
        let mut members = Vec::new();
        let mut dead_front = 0;
        for (slot, tuple) in Chain::new(page, root) {
            members.push(slot);
            reached.add(slot);
            if is_dead(tuple, horizon)? {
                dead_front = members.len();
            } else if !(tuple.xmax().is_valid() && horizon.has_committed(tuple.xmax())?) {
                // The row's latest version for somebody; what follows it comes from an update that runs or failed.
                break;
            }
        }
        let is_redirect = matches!(item(page, root), Item::Redirect(_));
        if dead_front == 0 && !(is_redirect && members.is_empty()) {
            return Ok(());
        }
        self.changed.add(root);
        members[..dead_front].iter().for_each(|&slot| self.changed.add(slot));
        match members.get(dead_front) {
            Some(&first_living) => self.redirects.push((root, first_living)),
            None => self.dead.push(root),
        }
        self.unused.extend(members[..dead_front].iter().filter(|&&slot| slot != root));
        Ok(())
    }

    /// The oldest transaction that has ended one of the versions that stay.
    fn next_hint(&self, page: &Page, horizon: &Horizon) -> Result<Option<Xid>, StatusMissing> {
        let mut hint = None;
        for slot in 1..=page.slot_count() {
            let Item::Tuple(tuple) = item(page, slot) else { continue };
            let xmax = tuple.xmax();
            if xmax.is_valid() && !self.removes(slot) && !horizon.none_sees(xmax)? {
                hint = Some(hint.map_or(xmax, |hint: Xid| hint.min(xmax)));
            }
        }
        Ok(hint)
    }

    /// Whether the version in this slot goes.
    pub(super) fn removes(&self, slot: u16) -> bool {
        self.changed.has(slot)
    }

    /// Carries it out, within [`PRUNING_BYTES`].
    pub(super) fn apply(&self, mtr: &mut Mtr<'_>, page: Latched) {
        for &(slot, target) in &self.redirects {
            mtr.change(page, &Op::ReplaceItem { slot: slot - 1, bytes: &redirect_item(target) });
        }
        for &slot in &self.dead {
            mtr.change(page, &Op::ReplaceItem { slot: slot - 1, bytes: DEAD_ITEM });
        }
        for &slot in &self.unused {
            mtr.change(page, &Op::DeleteItem { slot: slot - 1, shift: false });
        }
        set_prune_hint(mtr, page, self.hint);
    }
}

/// Whether the page's hint says that pruning may find something.
pub(super) fn is_worthwhile(page: &Page, horizon: &Horizon) -> Result<bool, StatusMissing> {
    match prune_hint(page) {
        None => Ok(false),
        Some(hint) => Ok(horizon.all_see(hint)? || horizon.none_sees(hint)?),
    }
}

/// Whether no snapshot, now or later, sees a version.
pub(super) fn is_dead(tuple: TupleRef<'_>, horizon: &Horizon) -> Result<bool, StatusMissing> {
    if horizon.none_sees(tuple.xmin())? {
        return Ok(true);
    }
    Ok(tuple.xmax().is_valid() && horizon.all_see(tuple.xmax())?)
}
