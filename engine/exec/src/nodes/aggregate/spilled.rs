//! Rows of groups that found no room in memory.

use crate::exec::Exec;
use crate::spill::block_file::{BLOCK_BYTES, BlockFile, Cursor, Stream};
use crate::spill::row_format::RowFormat;
use crate::spill::{Reservation, Work};
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::{NodeId, Slot};

/// Bits of the hash that one division uses.
const BITS: std::ops::RangeInclusive<u32> = 2..=5;
/// Divisions of divisions; by then only rows whose hashes are equal are together.
const MAX_DEPTH: u32 = 10;

/// Parts that wait, and those being filled.
pub(super) struct Spilled {
    file: BlockFile,
    format: RowFormat,
    /// What is kept of a row.
    slots: Box<[Slot]>,
    bits: u32,
    /// Per set, its parts being filled.
    open: Vec<Option<Vec<Stream>>>,
    depth: u32,
    waiting: Vec<Part>,
    held: Reservation,
    scratch: Vec<u8>,
    row: Vec<Datum>,
}

/// Rows of one grouping set whose keys' hashes have some bits in common.
pub(super) struct Part {
    pub set: usize,
    pub depth: u32,
    stream: Stream,
    cursor: Cursor,
}

impl Spilled {
    pub(super) fn new(work: &Work, x: &Exec<'_>, child: NodeId) -> PgResult<Self> {
        // The blocks being filled should be a small part of the memory.
        let streams = (work.hash_bytes / (4 * BLOCK_BYTES)).max(1);
        Ok(Spilled {
            file: BlockFile::new(work)?,
            format: RowFormat::default(),
            slots: x.plan.nodes[child.index()].live.clone(),
            bits: streams.ilog2().clamp(*BITS.start(), *BITS.end()),
            open: Vec::new(),
            depth: 0,
            waiting: Vec::new(),
            held: work.reserve(),
            scratch: Vec::new(),
            row: Vec::new(),
        })
    }

    /// Whether rows of so deep a part can be divided further.
    pub(super) fn can_divide(depth: u32) -> bool {
        depth < MAX_DEPTH
    }

    /// Keeps the current row.
    pub(super) fn put(&mut self, x: &Exec<'_>, set: usize, depth: u32, hash: u64) -> PgResult<()> {
        self.depth = depth;
        if self.open.len() <= set {
            self.open.resize_with(set + 1, || None);
        }
        if self.open[set].is_none() {
            let mut streams = Vec::new();
            streams.resize_with(1 << self.bits, Stream::default);
            self.open[set] = Some(streams);
            self.held.add(BLOCK_BYTES << self.bits)?;
        }
        let streams = self.open[set].as_mut().expect("just opened");
        // The table uses other bits of the hash as it is.
        let part = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - self.bits * (depth + 1));
        let part = part as usize & (streams.len() - 1);
        self.scratch.clear();
        self.format.write(self.slots.iter().map(|slot| x.get(*slot)), &mut self.scratch)?;
        streams[part].put(&mut self.file, &self.scratch)
    }

    /// All rows of this pass are there: their parts wait to be read.
    pub(super) fn close_parts(&mut self) -> PgResult<()> {
        for (set, streams) in self.open.iter_mut().enumerate() {
            for mut stream in streams.take().into_iter().flatten() {
                if stream.records() > 0 {
                    stream.seal(&mut self.file)?;
                    self.waiting.push(Part { set, depth: self.depth, stream, cursor: Cursor::default() });
                }
            }
        }
        self.held.clear();
        Ok(())
    }

    /// A part to be aggregated now.
    pub(super) fn next_part(&mut self) -> Option<Part> {
        self.waiting.pop()
    }

    /// Loads a part's next row into its slots; false at the end.
    pub(super) fn load(&mut self, x: &mut Exec<'_>, part: &mut Part) -> PgResult<bool> {
        let Some(bytes) = part.cursor.next(&mut self.file, &part.stream, true)? else { return Ok(false) };
        self.row.clear();
        self.format.read(bytes, self.slots.len(), &mut self.row)?;
        for (slot, value) in self.slots.iter().zip(self.row.drain(..)) {
            x.frame[slot.index()] = value;
        }
        Ok(true)
    }

    /// Kibibytes of disk.
    pub(super) fn disk_kib(&self) -> u64 {
        self.file.kib()
    }
}
