//! Row versions as they lie on heap pages.
//!
//! ```text
//!  0  xmin      u64   who made it; 0 when the making was taken back
//!  8  cmin      u32   by which command
//! 12  xmax      u64   who deleted or replaced it; 0 when nobody has
//! 20  cmax      u32   by which command
//! 24  ctid      u32 block, u16 slot of the version that replaced it; slot 0 when there is none
//! 30  infomask  u16
//! 32  natts     u16   columns stored; later ones have their missing value
//! 34  values, one after the other, see `value.rs`
//! ```

use redoubt_buffer::fields::{u16_at, u32_at, u64_at};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, TupleDesc};
use redoubt_txn::{CommandId, Stamps, Xid};

use crate::value::{self, Values};

/// Bytes before the values.
pub const HEADER_BYTES: usize = 34;
/// The most columns a row can have, PostgreSQL's `MaxTupleAttributeNumber`.
pub const MAX_COLUMNS: usize = 1664;

pub(crate) const AT_XMAX: u16 = 12;
const AT_CTID: usize = 24;
const AT_INFOMASK: usize = 30;
const AT_NATTS: usize = 32;

/// The place of a row version: its block, and its slot counted from 1, as PostgreSQL's `ctid` shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid {
    /// Block within the table.
    pub block: u32,
    /// Slot within the block, from 1; 0 is no row.
    pub slot: u16,
}

impl Tid {
    /// No row.
    pub const INVALID: Self = Self { block: 0, slot: 0 };

    /// Wraps the two numbers.
    pub const fn new(block: u32, slot: u16) -> Self {
        Self { block, slot }
    }

    /// Whether it can be the place of a row.
    pub const fn is_valid(self) -> bool {
        self.slot != 0
    }
}

impl std::fmt::Display for Tid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({},{})", self.block, self.slot)
    }
}

/// Bits of a version's `infomask`.
pub(crate) mod mask {
    /// No index entry points here; it is reached through the chain from its root.
    pub(crate) const HEAP_ONLY: u16 = 1;
    /// Its successor is on the same page and heap-only.
    pub(crate) const HOT_UPDATED: u16 = 2;
    /// Whoever set xmax deleted the row or changed its key: not compatible with FOR KEY SHARE.
    pub(crate) const KEYS_UPDATED: u16 = 4;
    /// It replaced another version.
    pub(crate) const UPDATED: u16 = 8;
    /// Some of its values are references to where they are.
    pub(crate) const EXTERNAL: u16 = 16;
}

/// A row version in memory.
#[derive(Clone, Copy, Debug)]
pub struct TupleRef<'a>(&'a [u8]);

impl<'a> TupleRef<'a> {
    /// A view of the bytes, if there are enough for a header.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() >= HEADER_BYTES).then_some(Self(bytes))
    }

    /// Header and values.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Who made it.
    #[inline]
    pub fn xmin(self) -> Xid {
        Xid::new(u64_at(self.0, 0))
    }

    /// Who deleted or replaced it, or [`Xid::INVALID`].
    #[inline]
    pub fn xmax(self) -> Xid {
        Xid::new(u64_at(self.0, 12))
    }

    /// What visibility depends on.
    #[inline]
    pub fn stamps(self) -> Stamps {
        Stamps {
            xmin: self.xmin(),
            cmin: CommandId::new(u32_at(self.0, 8)),
            xmax: self.xmax(),
            cmax: CommandId::new(u32_at(self.0, 20)),
        }
    }

    /// The version that replaced it, or [`Tid::INVALID`].
    #[inline]
    pub fn ctid(self) -> Tid {
        Tid { block: u32_at(self.0, AT_CTID), slot: u16_at(self.0, AT_CTID + 4) }
    }

    /// How many columns are stored.
    #[inline]
    pub fn natts(self) -> usize {
        usize::from(u16_at(self.0, AT_NATTS))
    }

    pub(crate) fn infomask(self) -> u16 {
        u16_at(self.0, AT_INFOMASK)
    }

    #[inline]
    pub(crate) fn has(self, bit: u16) -> bool {
        self.infomask() & bit != 0
    }

    /// The stored values.
    #[inline]
    pub fn values(self) -> Values<'a> {
        Values::new(&self.0[HEADER_BYTES..])
    }
}

/// Makes a row version into `out`, replacing what is there: a blank header, then the values. `values` has one
/// for each column of `desc`; dropped ones are stored as NULL.
///
/// # Errors
/// `54011` for too many columns; see also [`value::encode`].
pub fn form_tuple(desc: &TupleDesc, values: &[Datum], out: &mut Vec<u8>) -> PgResult<()> {
    assert_eq!(desc.len(), values.len(), "a row has a value for each column");
    if values.len() > MAX_COLUMNS {
        let message = format!("number of columns ({}) exceeds limit ({MAX_COLUMNS})", values.len());
        return Err(PgError::new(code::TOO_MANY_COLUMNS, message));
    }
    out.clear();
    out.resize(HEADER_BYTES, 0);
    out[AT_NATTS..AT_NATTS + 2].copy_from_slice(&(values.len() as u16).to_le_bytes());
    for (attr, value) in desc.attrs.iter().zip(values) {
        value::encode(if attr.dropped { &Datum::Null } else { value }, out)?;
    }
    Ok(())
}

/// Appends the first `upto` columns of a row version to `out`. Columns added after it was stored have their
/// missing value; dropped ones are NULL.
///
/// # Errors
/// `XX001` when the bytes are damaged.
pub fn deform(tuple: TupleRef<'_>, desc: &TupleDesc, upto: usize, out: &mut Vec<Datum>) -> PgResult<()> {
    let mut values = tuple.values();
    let stored = tuple.natts();
    for (number, attr) in desc.attrs[..upto].iter().enumerate() {
        out.push(if number >= stored {
            attr.missing.clone().unwrap_or(Datum::Null)
        } else if attr.dropped {
            values.skip()?;
            Datum::Null
        } else {
            values.read()?
        });
    }
    Ok(())
}

/// As [`deform`], but only columns for which `needed` is true are made; the others are NULL. Ends with the last
/// needed one, so `out` gets `needed.len()` values at most.
///
/// # Errors
/// `XX001` when the bytes are damaged.
pub fn deform_needed(
    tuple: TupleRef<'_>,
    desc: &TupleDesc,
    needed: &[bool],
    out: &mut Vec<Datum>,
) -> PgResult<()> {
    let mut values = tuple.values();
    let stored = tuple.natts();
    for (number, (attr, &needed)) in desc.attrs.iter().zip(needed).enumerate() {
        let is_stored = number < stored;
        out.push(if needed && !attr.dropped {
            if is_stored { values.read()? } else { attr.missing.clone().unwrap_or(Datum::Null) }
        } else {
            if is_stored {
                values.skip()?;
            }
            Datum::Null
        });
    }
    Ok(())
}

/// Whether two row versions of one table store the same bytes in every column that `columns` marks; where one of
/// them is older than the column, they count as different.
///
/// # Errors
/// `XX001` when the bytes are damaged.
pub fn same_columns(a: TupleRef<'_>, b: TupleRef<'_>, columns: &[bool]) -> PgResult<bool> {
    let stored = a.natts().min(b.natts());
    if columns.iter().skip(stored).any(|&column| column) {
        return Ok(false);
    }
    let (mut a, mut b) = (a.values(), b.values());
    for &column in columns.iter().take(stored) {
        if a.raw()? != b.raw()? && column {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Says whether some of a row's values are references.
pub(crate) fn set_external(tuple: &mut [u8], external: bool) {
    let infomask = u16_at(tuple, AT_INFOMASK) & !mask::EXTERNAL | if external { mask::EXTERNAL } else { 0 };
    tuple[AT_INFOMASK..AT_INFOMASK + 2].copy_from_slice(&infomask.to_le_bytes());
}

/// Fills in the header of a version that is about to be stored.
pub(crate) fn stamp_new(tuple: &mut [u8], xmin: Xid, cmin: CommandId, infomask: u16) {
    let infomask = infomask | u16_at(tuple, AT_INFOMASK) & mask::EXTERNAL;
    tuple[..8].copy_from_slice(&xmin.get().to_le_bytes());
    tuple[8..12].copy_from_slice(&cmin.get().to_le_bytes());
    tuple[12..AT_INFOMASK].fill(0);
    tuple[AT_INFOMASK..AT_INFOMASK + 2].copy_from_slice(&infomask.to_le_bytes());
}

/// The header's bytes from xmax to infomask: what a deletion or replacement writes.
pub(crate) fn encode_end(xmax: Xid, cmax: CommandId, ctid: Tid, infomask: u16) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&xmax.get().to_le_bytes());
    bytes[8..12].copy_from_slice(&cmax.get().to_le_bytes());
    bytes[12..16].copy_from_slice(&ctid.block.to_le_bytes());
    bytes[16..18].copy_from_slice(&ctid.slot.to_le_bytes());
    bytes[18..].copy_from_slice(&infomask.to_le_bytes());
    bytes
}
