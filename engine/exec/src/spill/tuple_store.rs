//! Rows kept in the order in which they came, to be read from anywhere and more than once (PostgreSQL's
//! tuplestore.c).
//!
//! Beyond its memory a store writes its rows to a file, many of them as one record: a run. Reading a
//! row brings its run back; a few runs are kept, for readers in several places.

use super::block_file::{BlockFile, Cursor, Stream};
use super::row_format::RowFormat;
use super::work::{Reservation, Work, row_bytes};
use crate::exec::Exec;
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::Slot;

/// Bytes of rows in memory that make a run.
const RUN_BYTES: usize = 32 << 10;
/// Runs kept in memory for reading.
const KEPT_RUNS: usize = 4;

/// A store of rows of one width.
#[derive(Debug, Default)]
pub(crate) struct TupleStore {
    width: usize,
    rows: usize,
    /// Rows that are not in the file: those from `first_held` on.
    values: Vec<Datum>,
    first_held: usize,
    held: Option<Reservation>,
    limit: usize,
    spilled: Option<Box<Spilled>>,
}

/// The part in a file.
#[derive(Debug)]
struct Spilled {
    file: BlockFile,
    stream: Stream,
    format: RowFormat,
    /// Per run, its first row and where it begins.
    runs: Vec<(usize, u64)>,
    kept: Vec<Kept>,
    clock: u64,
    scratch: Vec<u8>,
}

#[derive(Debug)]
struct Kept {
    run: usize,
    used: u64,
    values: Vec<Datum>,
}

impl TupleStore {
    /// A store that holds up to `work_mem` in memory.
    pub(crate) fn new(work: &Work, width: usize) -> Self {
        TupleStore { width, held: Some(work.reserve()), limit: work.sort_bytes, ..TupleStore::default() }
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Values per row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Keeps the current values of these slots as a row.
    ///
    /// # Errors
    /// `53200`, `53400`, `53100`; those of the file system.
    pub(crate) fn push(&mut self, x: &Exec<'_>, slots: &[Slot]) -> PgResult<()> {
        self.push_row(&x.ctx.storage.work, slots.iter().map(|slot| x.frame[slot.index()].clone()))
    }

    /// Keeps a row.
    ///
    /// # Errors
    /// As [`TupleStore::push`].
    pub(crate) fn push_row(&mut self, work: &Work, row: impl IntoIterator<Item = Datum>) -> PgResult<()> {
        let before = self.values.len();
        self.values.extend(row);
        debug_assert_eq!(self.values.len() - before, self.width);
        self.rows += 1;
        let bytes = row_bytes(&self.values[before..]);
        let held = self.held.get_or_insert_with(|| work.reserve());
        held.add(bytes)?;
        let limit = if self.spilled.is_some() { RUN_BYTES } else { self.limit };
        if held.bytes() > limit { self.write_out(work) } else { Ok(()) }
    }

    /// Writes the rows in memory to the file, as runs.
    fn write_out(&mut self, work: &Work) -> PgResult<()> {
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            None => self.spilled.insert(Box::new(Spilled::new(work)?)),
        };
        let mut row = self.first_held;
        while row < self.rows {
            spilled.scratch.clear();
            let (first, mut bytes) = (row, 0);
            while row < self.rows && bytes < RUN_BYTES {
                let at = (row - self.first_held) * self.width;
                let values = &self.values[at..at + self.width];
                spilled.format.write(values, &mut spilled.scratch)?;
                bytes += row_bytes(values).max(1);
                row += 1;
            }
            spilled.runs.push((first, spilled.stream.bytes()));
            spilled.stream.put(&mut spilled.file, &spilled.scratch)?;
        }
        self.values.clear();
        self.first_held = self.rows;
        self.held.as_mut().expect("rows were counted").set(0)
    }

    /// A row's values.
    ///
    /// # Errors
    /// Those of the file system.
    #[inline]
    pub(crate) fn row(&mut self, row: usize) -> PgResult<&[Datum]> {
        if row >= self.first_held {
            let at = (row - self.first_held) * self.width;
            return Ok(&self.values[at..at + self.width]);
        }
        let (width, end) = (self.width, self.first_held);
        self.spilled.as_mut().expect("rows before the held ones are in the file").row(row, width, end)
    }

    /// Writes a row back into its slots.
    ///
    /// # Errors
    /// As [`TupleStore::row`].
    pub(crate) fn load(&mut self, x: &mut Exec<'_>, slots: &[Slot], row: usize) -> PgResult<()> {
        for (slot, value) in slots.iter().zip(self.row(row)?) {
            x.frame[slot.index()] = value.clone();
        }
        Ok(())
    }

    /// Forgets all rows.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        (self.rows, self.first_held, self.spilled) = (0, 0, None);
        if let Some(held) = &mut self.held {
            held.clear();
        }
    }
}

impl Spilled {
    fn new(work: &Work) -> PgResult<Spilled> {
        Ok(Spilled {
            file: BlockFile::new(work)?,
            stream: Stream::default(),
            format: RowFormat::default(),
            runs: Vec::new(),
            kept: Vec::new(),
            clock: 0,
            scratch: Vec::new(),
        })
    }

    fn row(&mut self, row: usize, width: usize, end: usize) -> PgResult<&[Datum]> {
        let run = self.runs.partition_point(|(first, _)| *first <= row) - 1;
        let first = self.runs[run].0;
        self.clock += 1;
        let at = match self.kept.iter().position(|kept| kept.run == run) {
            Some(at) => at,
            None => self.bring(run, width, end)?,
        };
        let kept = &mut self.kept[at];
        kept.used = self.clock;
        let start = (row - first) * width;
        Ok(&kept.values[start..start + width])
    }

    /// Reads a run, in place of the one that was not used for longest.
    fn bring(&mut self, run: usize, width: usize, end: usize) -> PgResult<usize> {
        let (first, start) = self.runs[run];
        let after = self.runs.get(run + 1).map_or(end, |(first, _)| *first);
        let at = if self.kept.len() < KEPT_RUNS {
            self.kept.push(Kept { run, used: 0, values: Vec::new() });
            self.kept.len() - 1
        } else {
            let oldest = self.kept.iter().enumerate().min_by_key(|(_, kept)| kept.used);
            oldest.expect("several runs are kept").0
        };
        let kept = &mut self.kept[at];
        kept.run = run;
        kept.values.clear();
        let mut cursor = Cursor::at(start);
        let bytes = cursor.next(&mut self.file, &self.stream, false)?.unwrap_or_default();
        self.format.read(bytes, (after - first) * width, &mut kept.values)?;
        Ok(at)
    }
}
