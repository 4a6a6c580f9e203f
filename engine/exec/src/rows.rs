//! Rows that a node holds back: the live slots' values, row after row in one vector.

use crate::exec::Exec;
use redoubt_functions::Datum;
use redoubt_plan::Slot;

/// A store of rows of one width.
#[derive(Debug, Default)]
pub(crate) struct RowStore {
    values: Vec<Datum>,
    width: usize,
    /// Counted apart, for rows without columns.
    rows: usize,
}

impl RowStore {
    pub(crate) fn new(width: usize) -> Self {
        RowStore { values: Vec::new(), width, rows: 0 }
    }

    /// Keeps the current values of these slots as a row.
    pub(crate) fn push(&mut self, x: &Exec<'_>, slots: &[Slot]) {
        debug_assert_eq!(slots.len(), self.width);
        self.values.extend(slots.iter().map(|slot| x.frame[slot.index()].clone()));
        self.rows += 1;
    }

    /// Keeps a row.
    pub(crate) fn push_row(&mut self, row: impl IntoIterator<Item = Datum>) {
        self.values.extend(row);
        self.rows += 1;
        debug_assert_eq!(self.values.len(), self.rows * self.width);
    }

    /// Writes a row back into its slots.
    pub(crate) fn load(&self, x: &mut Exec<'_>, slots: &[Slot], row: usize) {
        for (slot, value) in slots.iter().zip(self.row(row)) {
            x.frame[slot.index()] = value.clone();
        }
    }

    /// A row's values.
    #[inline]
    pub(crate) fn row(&self, row: usize) -> &[Datum] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// Values per row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }
}
