//! Foreign keys: checked, and acted on, when the statement is done.
//!
//! As PostgreSQL's ri_triggers.c: a new or changed referencing row must find its key in the index on
//! the referenced table, and locks that row FOR KEY SHARE; a deleted or changed referenced row makes the
//! constraint's action happen, which is an SQL statement of its own.

mod actions;
mod lookup;
mod queue;

pub(crate) use queue::EventQueue;

use crate::exec::Exec;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, TupleDesc, compare};
use redoubt_plan::Slot;
use redoubt_plan::facts::ForeignKey;
use redoubt_plan::modify::ModifyTable;
use std::sync::Arc;

/// Something that a statement has done to a foreign key's rows.
pub(crate) enum Event {
    /// A referencing row has these values now.
    Referencing {
        /// The constraint.
        key: Arc<ForeignKey>,
        /// The values, in the order of the constraint's columns.
        values: Vec<Datum>,
    },
    /// A referenced row had these values.
    Referenced {
        /// The constraint.
        key: Arc<ForeignKey>,
        /// The values before, in the order of the constraint's referenced columns.
        old: Vec<Datum>,
        /// The values now; nothing if the row is deleted.
        new: Option<Vec<Datum>>,
    },
}

/// Notes an inserted row, whose values are in the new row's slots.
pub(crate) fn row_inserted(x: &mut Exec<'_>, node: &ModifyTable) -> PgResult<()> {
    for key in &node.rules.foreign_keys {
        refuse_deferred(key)?;
        let values = read(x, node.new_row, &key.columns);
        x.note_event(Event::Referencing { key: key.clone(), values })?;
    }
    Ok(())
}

/// Notes an updated row.
pub(crate) fn row_updated(x: &mut Exec<'_>, node: &ModifyTable) -> PgResult<()> {
    let Some(old_row) = node.old_row else { return Ok(()) };
    for key in &node.rules.foreign_keys {
        let (old, new) = (read(x, old_row, &key.columns), read(x, node.new_row, &key.columns));
        if !same_values(&key.desc, &key.columns, &old, &new) {
            refuse_deferred(key)?;
            x.note_event(Event::Referencing { key: key.clone(), values: new })?;
        }
    }
    for key in &node.rules.referenced_by {
        let columns = &key.referenced_columns;
        let (old, new) = (read(x, old_row, columns), read(x, node.new_row, columns));
        if !same_values(&key.referenced_desc, columns, &old, &new) {
            refuse_deferred(key)?;
            x.note_event(Event::Referenced { key: key.clone(), old, new: Some(new) })?;
        }
    }
    Ok(())
}

/// Notes a deleted row, whose values are in the old row's slots.
pub(crate) fn row_deleted(x: &mut Exec<'_>, node: &ModifyTable) -> PgResult<()> {
    let Some(old_row) = node.old_row else { return Ok(()) };
    for key in &node.rules.referenced_by {
        refuse_deferred(key)?;
        let old = read(x, old_row, &key.referenced_columns);
        x.note_event(Event::Referenced { key: key.clone(), old, new: None })?;
    }
    Ok(())
}

/// Checks at the end of a transaction have no place to wait yet.
fn refuse_deferred(key: &ForeignKey) -> PgResult<()> {
    if key.initially_deferred {
        return Err(PgError::unsupported(format!("deferred foreign key constraint \"{}\"", key.name)));
    }
    Ok(())
}

fn read(x: &Exec<'_>, row: Slot, columns: &[i16]) -> Vec<Datum> {
    columns.iter().map(|attno| x.get(row.plus(*attno as usize - 1)).clone()).collect()
}

/// Whether the values are the same, NULLs included.
fn same_values(desc: &TupleDesc, columns: &[i16], old: &[Datum], new: &[Datum]) -> bool {
    columns.iter().zip(old.iter().zip(new)).all(|(attno, (old, new))| match (old, new) {
        (Datum::Null, Datum::Null) => true,
        (Datum::Null, _) | (_, Datum::Null) => false,
        _ => compare::eq(desc.attrs[*attno as usize - 1].type_oid, old, new),
    })
}

impl Exec<'_> {
    fn note_event(&mut self, event: Event) -> PgResult<()> {
        self.events.push(&self.ctx.storage.work, event)
    }

    /// Looks after the foreign keys that the statement has touched.
    ///
    /// # Errors
    /// `23503`; those of the actions.
    pub(crate) fn run_events(&mut self) -> PgResult<()> {
        if self.events.is_empty() {
            return Ok(());
        }
        // The checks see what the statement has done.
        self.ctx.storage.txn.advance_command()?;
        let mut events = std::mem::take(&mut self.events);
        while let Some(event) = events.pop()? {
            self.ctx.check_for_interrupts()?;
            match event {
                Event::Referencing { key, values } => self.check_referencing(&key, &values)?,
                Event::Referenced { key, old, new } => self.act_on_referenced(&key, &old, new.as_deref())?,
            }
        }
        Ok(())
    }
}
