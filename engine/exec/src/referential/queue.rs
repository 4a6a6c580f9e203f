//! The events of a statement until it is done: in memory as far as `work_mem` goes, then in a file.

use super::Event;
use crate::spill::block_file::{BlockFile, Cursor, Stream};
use crate::spill::row_format::RowFormat;
use crate::spill::{Reservation, Work, row_bytes};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Datum;
use redoubt_plan::facts::ForeignKey;
use std::sync::Arc;

/// Events in the order in which they came.
#[derive(Default)]
pub(crate) struct EventQueue {
    events: std::collections::VecDeque<Event>,
    held: Option<Reservation>,
    spilled: Option<Box<Spilled>>,
}

/// The events that came when memory was used up.
struct Spilled {
    file: BlockFile,
    stream: Stream,
    cursor: Cursor,
    format: RowFormat,
    /// The constraints, which the records name by number.
    keys: Vec<Arc<ForeignKey>>,
    scratch: Vec<u8>,
}

/// What a record begins with: the constraint's number, values before, values after.
const HEADER_BYTES: usize = 8;
/// There are no values after.
const NONE: u16 = u16::MAX;

impl EventQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.spilled.is_none()
    }

    /// Adds an event.
    ///
    /// # Errors
    /// `53200`, `53400`, `53100`; those of the file system.
    pub(crate) fn push(&mut self, work: &Work, event: Event) -> PgResult<()> {
        if let Some(spilled) = &mut self.spilled {
            return spilled.put(event);
        }
        let held = self.held.get_or_insert_with(|| work.reserve());
        let (_, before, after) = event.parts();
        held.add(size_of::<Event>() + row_bytes(before) + row_bytes(after.unwrap_or_default()))?;
        self.events.push_back(event);
        if held.bytes() > work.sort_bytes {
            self.spilled = Some(Box::new(Spilled {
                file: BlockFile::new(work)?,
                stream: Stream::default(),
                cursor: Cursor::default(),
                format: RowFormat::default(),
                keys: Vec::new(),
                scratch: Vec::new(),
            }));
        }
        Ok(())
    }

    /// Takes the first event out.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn pop(&mut self) -> PgResult<Option<Event>> {
        match (self.events.pop_front(), &mut self.spilled) {
            (Some(event), _) => Ok(Some(event)),
            (None, Some(spilled)) => spilled.next(),
            (None, None) => Ok(None),
        }
    }
}

impl Spilled {
    fn put(&mut self, event: Event) -> PgResult<()> {
        let (key, before, after) = event.parts();
        let number = self.keys.iter().position(|known| Arc::ptr_eq(known, key)).unwrap_or_else(|| {
            self.keys.push(key.clone());
            self.keys.len() - 1
        });
        self.scratch.clear();
        self.scratch.extend((number as u32).to_le_bytes());
        self.scratch.extend((before.len() as u16).to_le_bytes());
        self.scratch.extend(after.map_or(NONE, |after| after.len() as u16).to_le_bytes());
        // A referencing row's event has no values before, a deleted one's none after.
        self.format.write(before.iter().chain(after.unwrap_or_default()), &mut self.scratch)?;
        self.stream.put(&mut self.file, &self.scratch)
    }

    fn next(&mut self) -> PgResult<Option<Event>> {
        let Some(bytes) = self.cursor.next(&mut self.file, &self.stream, true)? else { return Ok(None) };
        let damaged = || PgError::new(code::DATA_CORRUPTED, "an event in a temporary file is damaged");
        let (header, values) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or_else(damaged)?;
        let [n0, n1, n2, n3, b0, b1, a0, a1] = *header;
        let key = self.keys.get(u32::from_le_bytes([n0, n1, n2, n3]) as usize).ok_or_else(damaged)?.clone();
        let before = usize::from(u16::from_le_bytes([b0, b1]));
        let after = Some(u16::from_le_bytes([a0, a1])).filter(|after| *after != NONE).map(usize::from);
        let mut old: Vec<Datum> = Vec::new();
        self.format.read(values, before + after.unwrap_or(0), &mut old)?;
        let new = after.map(|_| old.split_off(before));
        Ok(Some(match (before, new) {
            (0, Some(values)) => Event::Referencing { key, values },
            (_, new) => Event::Referenced { key, old, new },
        }))
    }
}

impl Event {
    /// The constraint, the values before, and those after.
    fn parts(&self) -> (&Arc<ForeignKey>, &[Datum], Option<&[Datum]>) {
        match self {
            Event::Referencing { key, values } => (key, &[], Some(values.as_slice())),
            Event::Referenced { key, old, new } => (key, old.as_slice(), new.as_deref()),
        }
    }
}
