//! Values too long for their rows (PostgreSQL's TOAST): kept in pieces in a fork of the table, a short reference in
//! their place.
//!
//! A piece is a row version like any other, so that it comes and goes with its transaction: made by whoever stores the
//! value, ended by whoever ends the last row version that refers to it. An update that leaves a value alone passes the
//! reference on. Whoever sees a row version finds the pieces it refers to, for vacuum removes a piece only when nobody
//! can see the row version that ended with it. References are resolved before a row leaves this module's crate:
//! upper layers never see one.
//!
//! ```text
//! reference   50, u32 length of the stored value, u32 block and u16 slot of the first piece
//! piece       a row version without columns: u32 block and u16 slot of the next (slot 0: none), then bytes
//! ```

use std::sync::Arc;

use redoubt_buffer::fields::{u16_at, u32_at};
use redoubt_buffer::{Fork, RelKey};
use redoubt_error::{PgError, PgResult, code};
use redoubt_page::{Op, PatchTarget};
use redoubt_txn::{Txn, Xid};

use crate::heap::free_space::STEP_BYTES;
use crate::heap::page::{note_prunable, tuple};
use crate::heap::{Heap, InsertOptions, MAX_TUPLE_BYTES};
use crate::tuple::{AT_XMAX, HEADER_BYTES, Tid, TupleRef, encode_end, mask, set_external};
use crate::value::EXTERNAL;

/// Rows up to this length keep all their values.
pub(super) const INLINE_BYTES: usize = 4000;
/// Shorter values stay in their row, whatever its length: a reference would not save much.
const MIN_EXTERNAL_BYTES: usize = 64;
const REFERENCE_BYTES: usize = 11;
const NEXT_BYTES: usize = 6;
/// A piece fills a page but for one step of the free-space map, which rounds down: else it would never find an empty
/// page again.
const PIECE_BYTES: usize = MAX_TUPLE_BYTES - HEADER_BYTES - NEXT_BYTES - STEP_BYTES;

/// Where a value's pieces are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    len: usize,
    first: Tid,
}

impl Reference {
    fn encode(self) -> [u8; REFERENCE_BYTES] {
        let mut bytes = [EXTERNAL; REFERENCE_BYTES];
        // A value is shorter than 2^30 bytes in PostgreSQL; the length was checked.
        bytes[1..5].copy_from_slice(&(self.len as u32).to_le_bytes());
        bytes[5..9].copy_from_slice(&self.first.block.to_le_bytes());
        bytes[9..].copy_from_slice(&self.first.slot.to_le_bytes());
        bytes
    }

    fn decode(value: &[u8]) -> Option<Self> {
        (value.len() == REFERENCE_BYTES && value[0] == EXTERNAL).then(|| Self {
            len: u32_at(value, 1) as usize,
            first: Tid::new(u32_at(value, 5), u16_at(value, 9)),
        })
    }
}

/// A row made to fit, with what has to be ended along with the version it replaces, or with itself if it is not
/// stored after all.
pub(super) struct Shortened {
    /// The row with references; nothing when it is stored as it came.
    pub(super) row: Option<Vec<u8>>,
    /// Values stored for it.
    pub(super) made: Vec<Reference>,
    /// Values of the version it replaces that it does not refer to.
    pub(super) left_behind: Vec<Reference>,
}

impl Heap {
    /// Moves the longest values of a row elsewhere until it is short enough. `old` is the version that it replaces,
    /// whose stored values are used again where they are the same.
    pub(super) fn shorten(&self, txn: &Txn, row: &[u8], old: Option<&[u8]>) -> PgResult<Shortened> {
        let mut result = Shortened { row: None, made: Vec::new(), left_behind: Vec::new() };
        let old_references = old.map(references).transpose()?.unwrap_or_default();
        if row.len() > INLINE_BYTES && !self.is_overflow {
            let values = raw_values(row)?;
            let mut len = row.len();
            let mut by_length: Vec<usize> = (0..values.len()).collect();
            by_length.sort_by_key(|&at| std::cmp::Reverse(values[at].len()));
            let mut replaced: Vec<Option<Reference>> = vec![None; values.len()];
            for at in by_length {
                if len <= INLINE_BYTES || values[at].len() < MIN_EXTERNAL_BYTES {
                    break;
                }
                let reference = match self.same_value(&old_references, at, values[at])? {
                    Some(reference) => reference,
                    None => {
                        let made = self.store(txn, values[at])?;
                        result.made.push(made);
                        made
                    }
                };
                replaced[at] = Some(reference);
                len = len - values[at].len() + REFERENCE_BYTES;
            }
            result.row = Some(with_references(row, &values, &replaced));
            let kept = |reference: &Reference| replaced.contains(&Some(*reference));
            result.left_behind =
                old_references.iter().map(|&(_, old)| old).filter(|old| !kept(old)).collect();
        } else {
            result.left_behind = old_references.into_iter().map(|(_, old)| old).collect();
        }
        Ok(result)
    }

    /// The reference of the old version's column `at`, if what it refers to is `value`.
    fn same_value(&self, old: &[(usize, Reference)], at: usize, value: &[u8]) -> PgResult<Option<Reference>> {
        let Some(&(_, reference)) = old.iter().find(|(column, _)| *column == at) else { return Ok(None) };
        let is_same = reference.len == value.len() && self.load(reference)? == value;
        Ok(is_same.then_some(reference))
    }

    /// Replaces the references in a row by what they refer to. Not to be called under a latch.
    pub(super) fn complete(&self, row: &mut Vec<u8>) -> PgResult<()> {
        let is_short = TupleRef::new(row).is_none_or(|row| !row.has(mask::EXTERNAL));
        if is_short {
            return Ok(());
        }
        let mut whole = row[..HEADER_BYTES].to_vec();
        for value in raw_values(row)? {
            match Reference::decode(value) {
                Some(reference) => whole.extend(self.load(reference)?),
                None => whole.extend_from_slice(value),
            }
        }
        set_external(&mut whole, false);
        *row = whole;
        Ok(())
    }

    /// Ends stored values, as `txn` ends the row version that referred to them.
    pub(super) fn end_external(&self, txn: &Txn, references: &[Reference]) -> PgResult<()> {
        if references.is_empty() {
            return Ok(());
        }
        let xid = txn.xid()?;
        let overflow = self.overflow()?.ok_or_else(missing_piece)?;
        for reference in references {
            let mut at = reference.first;
            while at.is_valid() {
                at = overflow.end_piece(txn, xid, at)?;
            }
        }
        Ok(())
    }

    /// Marks one piece as ended, and returns the next.
    fn end_piece(&self, txn: &Txn, xid: Xid, at: Tid) -> PgResult<Tid> {
        let pin = self.pin(at.block)?;
        let mut mtr = self.pool().begin_mtr(1, 128)?;
        let page = mtr.latch(&pin);
        let piece = tuple(mtr.page(page), at.slot).ok_or_else(missing_piece)?;
        let next = next_of(piece)?;
        let end = encode_end(xid, txn.command_for_write(), Tid::INVALID, piece.infomask());
        let target = PatchTarget::Slot(at.slot - 1);
        mtr.change(page, &Op::PatchBytes { target, offset: AT_XMAX, bytes: &end });
        note_prunable(&mut mtr, page, xid);
        mtr.commit();
        Ok(next)
    }

    /// Stores a value's bytes, last piece first, so that each knows the next.
    fn store(&self, txn: &Txn, value: &[u8]) -> PgResult<Reference> {
        let overflow = self.overflow_or_create()?;
        if u32::try_from(value.len()).is_err() {
            return Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, "value is too long to be stored"));
        }
        let mut next = Tid::INVALID;
        let mut row = Vec::with_capacity(MAX_TUPLE_BYTES);
        for piece in value.chunks(PIECE_BYTES).rev() {
            row.clear();
            row.resize(HEADER_BYTES, 0);
            row.extend_from_slice(&next.block.to_le_bytes());
            row.extend_from_slice(&next.slot.to_le_bytes());
            row.extend_from_slice(piece);
            next = overflow.insert(txn, &mut row, InsertOptions::default())?;
        }
        Ok(Reference { len: value.len(), first: next })
    }

    /// Puts a value's pieces together.
    fn load(&self, reference: Reference) -> PgResult<Vec<u8>> {
        let overflow = self.overflow()?.ok_or_else(missing_piece)?;
        let mut value = Vec::with_capacity(reference.len.min(1 << 20));
        let mut at = reference.first;
        while at.is_valid() {
            let pin = overflow.pin(at.block)?;
            let page = pin.read();
            let piece = tuple(&page, at.slot).ok_or_else(missing_piece)?;
            value.extend_from_slice(&piece.bytes()[HEADER_BYTES + NEXT_BYTES..]);
            at = next_of(piece)?;
            if value.len() > reference.len {
                return Err(missing_piece());
            }
        }
        if value.len() == reference.len { Ok(value) } else { Err(missing_piece()) }
    }

    /// The fork that has the pieces, if there is one.
    pub(super) fn overflow(&self) -> PgResult<Option<Arc<Heap>>> {
        if self.is_overflow {
            return Ok(None);
        }
        let mut overflow = self.overflow.lock();
        if overflow.is_none() && self.space.relation(self.overflow_key())?.is_some() {
            *overflow = Some(Arc::new(self.open_overflow()?));
        }
        Ok(overflow.clone())
    }

    fn overflow_or_create(&self) -> PgResult<Arc<Heap>> {
        if let Some(overflow) = self.overflow()? {
            return Ok(overflow);
        }
        let mut overflow = self.overflow.lock();
        if overflow.is_none() {
            // It has no creator of its own: it goes when the table goes.
            self.space.create_relation(self.overflow_key(), 0)?;
            *overflow = Some(Arc::new(self.open_overflow()?));
        }
        Ok(overflow.clone().expect("it was just made"))
    }

    fn open_overflow(&self) -> PgResult<Heap> {
        Heap::open_fork(self.space.clone(), self.txns.clone(), self.overflow_key(), self.table)
    }

    fn overflow_key(&self) -> RelKey {
        RelKey { node: self.node(), fork: Fork::Overflow }
    }
}

/// The references in a row, with their columns.
fn references(row: &[u8]) -> PgResult<Vec<(usize, Reference)>> {
    if TupleRef::new(row).is_none_or(|row| !row.has(mask::EXTERNAL)) {
        return Ok(Vec::new());
    }
    let values = raw_values(row)?;
    Ok(values.iter().enumerate().filter_map(|(at, value)| Some((at, Reference::decode(value)?))).collect())
}

/// The references in a row version.
pub(super) fn references_of(row: TupleRef<'_>) -> PgResult<Vec<Reference>> {
    Ok(references(row.bytes())?.into_iter().map(|(_, reference)| reference).collect())
}

fn raw_values(row: &[u8]) -> PgResult<Vec<&[u8]>> {
    let tuple = TupleRef::new(row).ok_or_else(missing_piece)?;
    let mut values = tuple.values();
    (0..tuple.natts()).map(|_| values.raw()).collect()
}

fn with_references(row: &[u8], values: &[&[u8]], replaced: &[Option<Reference>]) -> Vec<u8> {
    let mut short = row[..HEADER_BYTES].to_vec();
    for (value, reference) in values.iter().zip(replaced) {
        match reference {
            Some(reference) => short.extend_from_slice(&reference.encode()),
            None => short.extend_from_slice(value),
        }
    }
    set_external(&mut short, replaced.iter().any(Option::is_some));
    short
}

fn next_of(piece: TupleRef<'_>) -> PgResult<Tid> {
    let bytes = &piece.bytes()[HEADER_BYTES..];
    if bytes.len() < NEXT_BYTES {
        return Err(missing_piece());
    }
    Ok(Tid::new(u32_at(bytes, 0), u16_at(bytes, 4)))
}

#[cold]
fn missing_piece() -> PgError {
    PgError::new(code::DATA_CORRUPTED, "a piece of a long value is missing")
}
