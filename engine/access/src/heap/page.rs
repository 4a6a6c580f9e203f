//! What lies in a heap page's slots.
//!
//! Tuples have at least a header's length; two shorter kinds of item stand where a tuple was: a redirect to
//! the first living version of a chain (3 bytes), and the stub of a dead row whose index entries are not removed
//! yet (1 byte).

use redoubt_buffer::fields::u64_at;
use redoubt_buffer::{Latched, Mtr};
use redoubt_page::{Op, Page, PatchTarget, SLOT_BYTES};
use redoubt_txn::Xid;

use crate::tuple::TupleRef;

/// Flags (1 byte), then the prune hint (7 bytes).
pub(super) const SPECIAL_BYTES: usize = 8;
const AT_HINT: u16 = 1;

const REDIRECT: u8 = 1;
const DEAD: u8 = 2;

/// The stub of a dead row.
pub(super) const DEAD_ITEM: &[u8] = &[DEAD];

/// A redirect to a slot, from 1.
pub(super) fn redirect_item(slot: u16) -> [u8; 3] {
    let [low, high] = slot.to_le_bytes();
    [REDIRECT, low, high]
}

/// The content of a slot.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'a> {
    /// Nothing, or something that no version of this code has written.
    Unused,
    /// The row goes on in this slot (from 1).
    Redirect(u16),
    /// The row is dead; index entries may point here still.
    Dead,
    /// A row version.
    Tuple(TupleRef<'a>),
}

/// What is in a slot, counted from 1.
#[inline]
pub(super) fn item(page: &Page, slot: u16) -> Item<'_> {
    let Some(bytes) = slot.checked_sub(1).and_then(|index| page.item(index)) else { return Item::Unused };
    match (TupleRef::new(bytes), bytes) {
        (Some(tuple), _) => Item::Tuple(tuple),
        (None, [REDIRECT, low, high]) => Item::Redirect(u16::from_le_bytes([*low, *high])),
        (None, [DEAD]) => Item::Dead,
        _ => Item::Unused,
    }
}

/// The row version in a slot, counted from 1.
#[inline]
pub(super) fn tuple(page: &Page, slot: u16) -> Option<TupleRef<'_>> {
    match item(page, slot) {
        Item::Tuple(tuple) => Some(tuple),
        _ => None,
    }
}

/// The oldest transaction whose deletion or update of a row on this page may have made something to prune;
/// nothing when there is surely nothing (PostgreSQL's `pd_prune_xid`).
pub(super) fn prune_hint(page: &Page) -> Option<Xid> {
    let hint = Xid::new(u64_at(page.special(), 0) >> 8);
    hint.is_valid().then_some(hint)
}

/// Makes sure that the hint is not above `xid`, which has ended a row version here.
pub(super) fn note_prunable(mtr: &mut Mtr<'_>, page: Latched, xid: Xid) {
    if prune_hint(mtr.page(page)).is_none_or(|hint| hint > xid) {
        set_prune_hint(mtr, page, Some(xid));
    }
}

/// Sets the hint.
pub(super) fn set_prune_hint(mtr: &mut Mtr<'_>, page: Latched, hint: Option<Xid>) {
    if prune_hint(mtr.page(page)) == hint {
        return;
    }
    // Transaction numbers stay below 2^46 (redoubt_txn's status pages), so seven bytes hold them.
    let bytes = hint.unwrap_or(Xid::INVALID).get().to_le_bytes();
    mtr.change(page, &Op::PatchBytes { target: PatchTarget::Special, offset: AT_HINT, bytes: &bytes[..7] });
}

/// The lowest slot (from 1) that a new item can have.
pub(super) fn free_slot(page: &Page) -> u16 {
    page.first_unused_slot().unwrap_or(page.slot_count()) + 1
}

/// Whether an item of `len` bytes fits while `reserve` bytes stay free. An empty page takes anything that fits.
pub(super) fn has_room(page: &Page, len: usize, reserve: usize) -> bool {
    let slot_bytes = if page.first_unused_slot().is_some() { 0 } else { SLOT_BYTES };
    let needed = len + slot_bytes;
    let free = page.reclaimable_free_bytes();
    needed + reserve <= free || page.slot_count() == 0 && needed <= free
}
