//! A page as a list of items, without offsets: what every operation must amount to.

use redoubt_page::{ApplyError, Op, PAGE_BYTES, PAGE_HEADER_BYTES, Page, PatchTarget, SLOT_BYTES};

/// The page as its readers see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    pub kind: Option<u8>,
    pub special: Vec<u8>,
    pub slots: Vec<Option<Vec<u8>>>,
}

/// Why the model refuses, without the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotInitialised,
    NoSuchSlot,
    SlotUnused,
    SlotInUse,
    NoSpace,
    PatchOutside,
}

impl Refusal {
    pub fn of(error: &ApplyError) -> Self {
        match error {
            ApplyError::NotInitialised => Self::NotInitialised,
            ApplyError::NoSuchSlot { .. } => Self::NoSuchSlot,
            ApplyError::SlotUnused(_) => Self::SlotUnused,
            ApplyError::SlotInUse(_) => Self::SlotInUse,
            ApplyError::NoSpace { .. } => Self::NoSpace,
            ApplyError::PatchOutside { .. } => Self::PatchOutside,
            other => panic!("not expected of a sound page: {other}"),
        }
    }
}

impl Model {
    pub fn of(page: &Page) -> Self {
        let slots = (0..page.slot_count()).map(|slot| page.item(slot).map(<[u8]>::to_vec)).collect();
        Self {
            kind: page.is_initialised().then(|| page.kind().get()),
            special: page.special().to_vec(),
            slots,
        }
    }

    /// All bytes that no item, slot, header or special area takes.
    pub fn free_bytes(&self) -> usize {
        let items: usize = self.slots.iter().flatten().map(Vec::len).sum();
        PAGE_BYTES - PAGE_HEADER_BYTES - self.special.len() - self.slots.len() * SLOT_BYTES - items
    }

    pub fn apply(&mut self, op: &Op<'_>) -> Result<(), Refusal> {
        match *op {
            Op::Initialise { kind, special } => {
                *self = Self { kind: Some(kind.get()), special: special.to_vec(), slots: Vec::new() };
                return Ok(());
            }
            Op::FullImage { bytes } => {
                *self = Self::of(&Page::from_slice(bytes).expect("an image has a page's length"));
                return Ok(());
            }
            _ => {}
        }
        if self.kind.is_none() {
            return Err(Refusal::NotInitialised);
        }
        match *op {
            Op::InsertItem { slot, bytes, shift } => self.insert(usize::from(slot), bytes, shift)?,
            Op::ReplaceItem { slot, bytes } => {
                let old_len = self.item(slot)?.len();
                if bytes.len() > old_len + self.free_bytes() {
                    return Err(Refusal::NoSpace);
                }
                *self.item(slot)? = bytes.to_vec();
            }
            Op::DeleteItem { slot, shift } => {
                self.item(slot)?;
                if shift {
                    self.slots.remove(usize::from(slot));
                } else {
                    self.slots[usize::from(slot)] = None;
                }
            }
            Op::PatchBytes { target, offset, bytes } => {
                let target = match target {
                    PatchTarget::Slot(slot) => self.item(slot)?,
                    PatchTarget::Special => &mut self.special,
                };
                let start = usize::from(offset);
                target
                    .get_mut(start..start + bytes.len())
                    .ok_or(Refusal::PatchOutside)?
                    .copy_from_slice(bytes);
            }
            Op::TruncateItems { from_slot } => {
                if usize::from(from_slot) > self.slots.len() {
                    return Err(Refusal::NoSuchSlot);
                }
                self.slots.truncate(usize::from(from_slot));
            }
            Op::Compact => {}
            Op::Initialise { .. } | Op::FullImage { .. } => unreachable!("handled above"),
        }
        while matches!(self.slots.last(), Some(None)) {
            self.slots.pop();
        }
        Ok(())
    }

    fn insert(&mut self, slot: usize, bytes: &[u8], shift: bool) -> Result<(), Refusal> {
        if slot > self.slots.len() {
            return Err(Refusal::NoSuchSlot);
        }
        let reuse = !shift && slot < self.slots.len();
        if reuse && self.slots[slot].is_some() {
            return Err(Refusal::SlotInUse);
        }
        if bytes.len() + if reuse { 0 } else { SLOT_BYTES } > self.free_bytes() {
            return Err(Refusal::NoSpace);
        }
        if reuse {
            self.slots[slot] = Some(bytes.to_vec());
        } else {
            self.slots.insert(slot, Some(bytes.to_vec()));
        }
        Ok(())
    }

    fn item(&mut self, slot: u16) -> Result<&mut Vec<u8>, Refusal> {
        let item = self.slots.get_mut(usize::from(slot)).ok_or(Refusal::NoSuchSlot)?;
        item.as_mut().ok_or(Refusal::SlotUnused)
    }
}
