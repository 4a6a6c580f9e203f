//! Pruning: removing the versions of rows that nobody can see any more from one page.
//!
//! A chain of versions loses its dead front. What index entries point to stays: the root's slot becomes a redirect
//! to the first living version, or the stub of a dead row, until vacuum has removed the index entries. Heap-only
//! versions leave nothing behind. See PostgreSQL's `README.HOT`.

use redoubt_buffer::{Latched, Mtr};
use redoubt_page::{Op, Page};
use redoubt_txn::{Horizon, StatusMissing};

use crate::heap::fetch::Chain;
use crate::heap::page::{DEAD_ITEM, Item, item, redirect_item};
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
}

/// The most bytes of operations that pruning one page takes: every slot once, a few bytes each.
pub(super) const PRUNING_BYTES: usize = 4096;

impl Pruning {
    /// Decides what goes. Never blocks.
    pub(super) fn plan(page: &Page, horizon: &Horizon) -> Result<Self, StatusMissing> {
        let mut plan = Self::default();
        let mut reached = vec![false; usize::from(page.slot_count()) + 1];
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
                && !reached[usize::from(slot)]
                && is_dead(tuple, horizon)?
            {
                plan.unused.push(slot);
            }
        }
        Ok(plan)
    }

    fn plan_chain(
        &mut self,
        page: &Page,
        horizon: &Horizon,
        root: u16,
        reached: &mut [bool],
    ) -> Result<(), StatusMissing> {
        let mut members = Vec::new();
        let mut dead_front = 0;
        for (slot, tuple) in Chain::new(page, root) {
            members.push(slot);
            reached[usize::from(slot)] = true;
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
        match members.get(dead_front) {
            Some(&first_living) => self.redirects.push((root, first_living)),
            None => self.dead.push(root),
        }
        self.unused.extend(members[..dead_front].iter().filter(|&&slot| slot != root));
        Ok(())
    }

    /// Whether the version in this slot goes.
    pub(super) fn removes(&self, slot: u16) -> bool {
        let becomes_redirect = self.redirects.iter().any(|&(root, _)| root == slot);
        becomes_redirect || self.dead.contains(&slot) || self.unused.contains(&slot)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.redirects.is_empty() && self.dead.is_empty() && self.unused.is_empty()
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
    }
}

/// Whether no snapshot, now or later, sees a version.
pub(super) fn is_dead(tuple: TupleRef<'_>, horizon: &Horizon) -> Result<bool, StatusMissing> {
    if horizon.none_sees(tuple.xmin())? {
        return Ok(true);
    }
    Ok(tuple.xmax().is_valid() && horizon.all_see(tuple.xmax())?)
}
