//! Sorting more than memory holds: runs that are sorted in memory, merged until one merge is left, which
//! happens as the rows are asked for.
//!
//! Knuth, volume 3, 5.4.1 (balanced merging), as PostgreSQL's tuplesort.c does it since version 15.

use super::block_file::{BLOCK_BYTES, BlockFile, Cursor, Stream};
use super::heap;
use super::work::{Reservation, Work};
use crate::quicksort;
use redoubt_error::PgResult;
use std::cmp::Ordering;

/// The fewest and the most runs merged at a time.
const MERGE_ORDER: (usize, usize) = (6, 500);

/// What can be sorted: how it looks in a temporary file.
pub trait Sortable: Sized {
    /// What writing and reading share.
    type Format: Default;

    /// Appends the item.
    ///
    /// # Errors
    /// Those of the item's values.
    fn write(&self, format: &mut Self::Format, out: &mut Vec<u8>) -> PgResult<()>;

    /// Reads an item.
    ///
    /// # Errors
    /// `XX001` for bytes that were not written so.
    fn read(format: &Self::Format, bytes: &[u8]) -> PgResult<Self>;

    /// Bytes of memory.
    fn bytes(&self) -> usize;
}

/// A sort: items go in by [`push`](ExternalSort::push), and come out in order by
/// [`next`](ExternalSort::next) once [`finish`](ExternalSort::finish) was called.
pub struct ExternalSort<T: Sortable> {
    work: Work,
    limit: usize,
    held: Reservation,
    items: Vec<T>,
    format: T::Format,
    file: Option<BlockFile>,
    runs: Vec<Stream>,
    merge: Option<Merge<T>>,
    /// The next of the items in memory.
    next: usize,
    peak: usize,
    scratch: Vec<u8>,
}

/// The last merge.
struct Merge<T> {
    cursors: Vec<Cursor>,
    /// The first item of each run that has some left, least on top.
    heads: Vec<Head<T>>,
    /// The run that the top's successor comes from, once the top is delivered.
    advance: bool,
}

struct Head<T> {
    item: T,
    run: usize,
}

impl<T: Sortable> ExternalSort<T> {
    /// A sort of nothing yet, in `limit_bytes` of memory.
    pub fn new(work: &Work, limit_bytes: usize) -> Self {
        ExternalSort {
            work: work.clone(),
            limit: limit_bytes,
            held: work.reserve(),
            items: Vec::new(),
            format: T::Format::default(),
            file: None,
            runs: Vec::new(),
            merge: None,
            next: 0,
            peak: 0,
            scratch: Vec::new(),
        }
    }

    /// Takes an item.
    ///
    /// # Errors
    /// The comparison's; `53400`, `53100` and those of the file system.
    pub fn push(&mut self, item: T, compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>) -> PgResult<()> {
        self.held.add(item.bytes() + size_of::<T>())?;
        self.items.push(item);
        if self.held.bytes() > self.limit && self.items.len() > 1 {
            self.write_run(compare)?;
        }
        Ok(())
    }

    /// All items are there.
    ///
    /// # Errors
    /// As [`ExternalSort::push`].
    pub fn finish(&mut self, compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>) -> PgResult<()> {
        self.peak = self.peak.max(self.held.bytes());
        if self.runs.is_empty() {
            return quicksort::sort(&mut self.items, compare);
        }
        if !self.items.is_empty() {
            self.write_run(compare)?;
        }
        self.items = Vec::new();
        let order = (self.limit / (2 * BLOCK_BYTES)).clamp(MERGE_ORDER.0, MERGE_ORDER.1);
        while self.runs.len() > order {
            self.merge_pass(order, compare)?;
        }
        self.rewind(compare)
    }

    /// The next item in order.
    ///
    /// # Errors
    /// The comparison's; those of the file system.
    pub fn next(&mut self, compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>) -> PgResult<Option<&T>> {
        let Some(merge) = &mut self.merge else {
            self.next += 1;
            return Ok(self.items.get(self.next - 1));
        };
        let file = self.file.as_mut().expect("runs are in a file");
        if merge.advance {
            merge.step(&self.format, file, &self.runs, false, compare)?;
        }
        merge.advance = true;
        Ok(merge.heads.first().map(|head| &head.item))
    }

    /// Starts over with the first item.
    ///
    /// # Errors
    /// As [`ExternalSort::next`].
    pub fn rewind(&mut self, compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>) -> PgResult<()> {
        self.next = 0;
        if let Some(file) = &mut self.file {
            let merge = Merge::start(&self.format, file, &self.runs, false, compare)?;
            self.held.set(self.runs.len() * 2 * BLOCK_BYTES)?;
            self.merge = Some(merge);
        }
        Ok(())
    }

    /// Kibibytes on disk, if items were written there.
    pub fn disk_kib(&self) -> Option<u64> {
        self.file.as_ref().map(BlockFile::kib)
    }

    /// The most kibibytes that were held in memory.
    pub fn memory_kib(&self) -> u64 {
        (self.peak.max(self.held.bytes()) as u64).div_ceil(1024)
    }

    fn write_run(&mut self, compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>) -> PgResult<()> {
        self.peak = self.peak.max(self.held.bytes());
        quicksort::sort(&mut self.items, compare)?;
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(BlockFile::new(&self.work)?),
        };
        let mut run = Stream::default();
        for item in self.items.drain(..) {
            self.scratch.clear();
            item.write(&mut self.format, &mut self.scratch)?;
            run.put(file, &self.scratch)?;
        }
        run.seal(file)?;
        self.runs.push(run);
        self.held.set(0)
    }

    /// Merges all runs, `order` at a time.
    fn merge_pass(
        &mut self,
        order: usize,
        compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>,
    ) -> PgResult<()> {
        let file = self.file.as_mut().expect("runs are in a file");
        let mut merged = Vec::new();
        let mut rest = std::mem::take(&mut self.runs);
        while !rest.is_empty() {
            let after = rest.split_off(order.min(rest.len()));
            let mut out = Stream::default();
            let mut merge = Merge::start(&self.format, file, &rest, true, compare)?;
            while let Some(head) = merge.heads.first() {
                self.scratch.clear();
                head.item.write(&mut self.format, &mut self.scratch)?;
                out.put(file, &self.scratch)?;
                merge.step(&self.format, file, &rest, true, compare)?;
            }
            out.seal(file)?;
            merged.push(out);
            rest = after;
        }
        self.runs = merged;
        Ok(())
    }
}

impl<T: Sortable> Merge<T> {
    fn start(
        format: &T::Format,
        file: &mut BlockFile,
        runs: &[Stream],
        consume: bool,
        compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>,
    ) -> PgResult<Self> {
        let mut merge = Merge {
            cursors: runs.iter().map(|_| Cursor::default()).collect(),
            heads: Vec::with_capacity(runs.len()),
            advance: false,
        };
        for run in 0..runs.len() {
            if let Some(bytes) = merge.cursors[run].next(file, &runs[run], consume)? {
                let head = Head { item: T::read(format, bytes)?, run };
                heap::insert(&mut merge.heads, head, &mut order_of(compare))?;
            }
        }
        Ok(merge)
    }

    /// Puts the top's successor in its place.
    fn step(
        &mut self,
        format: &T::Format,
        file: &mut BlockFile,
        runs: &[Stream],
        consume: bool,
        compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>,
    ) -> PgResult<()> {
        let Some(top) = self.heads.first_mut() else { return Ok(()) };
        match self.cursors[top.run].next(file, &runs[top.run], consume)? {
            Some(bytes) => {
                top.item = T::read(format, bytes)?;
                heap::sink(&mut self.heads, &mut order_of(compare))
            }
            None => heap::pop(&mut self.heads, &mut order_of(compare)).map(drop),
        }
    }
}

/// Heads by their items; of equal ones, that of the run written first.
fn order_of<T>(
    compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>,
) -> impl FnMut(&Head<T>, &Head<T>) -> PgResult<Ordering> {
    move |a, b| Ok(compare(&a.item, &b.item)?.then(a.run.cmp(&b.run)))
}

/// The first items of a sort, as many as are wanted, without keeping the others: a heap with the last of
/// them on top.
pub(crate) struct TopItems<T> {
    heap: Vec<T>,
}

impl<T: Sortable> TopItems<T> {
    /// Starts with the items of a sort that has as many as wanted or more in memory.
    pub(crate) fn of(
        sort: &mut ExternalSort<T>,
        wanted: usize,
        compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>,
    ) -> PgResult<Self> {
        let mut top = TopItems { heap: Vec::with_capacity(wanted) };
        for item in std::mem::take(&mut sort.items) {
            if top.heap.len() < wanted {
                heap::insert(&mut top.heap, item, &mut |a, b| Ok(compare(a, b)?.reverse()))?;
            } else {
                top.push(sort, item, compare)?;
            }
        }
        sort.held.set(top.heap.iter().map(|item| item.bytes() + size_of::<T>()).sum())?;
        Ok(top)
    }

    /// Takes an item, in place of the last one if it comes before that.
    pub(crate) fn push(
        &mut self,
        sort: &mut ExternalSort<T>,
        item: T,
        compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>,
    ) -> PgResult<()> {
        if compare(&item, &self.heap[0])?.is_ge() {
            return Ok(());
        }
        let grown = (sort.held.bytes() + item.bytes()).saturating_sub(self.heap[0].bytes());
        sort.held.set(grown)?;
        self.heap[0] = item;
        heap::sink(&mut self.heap, &mut |a, b| Ok(compare(a, b)?.reverse()))
    }

    /// Puts the items into the sort, in order: it is finished.
    pub(crate) fn finish(
        mut self,
        sort: &mut ExternalSort<T>,
        compare: &mut impl FnMut(&T, &T) -> PgResult<Ordering>,
    ) -> PgResult<()> {
        let mut backwards = Vec::with_capacity(self.heap.len());
        while let Some(item) = heap::pop(&mut self.heap, &mut |a, b| Ok(compare(a, b)?.reverse()))? {
            backwards.push(item);
        }
        backwards.reverse();
        sort.items = backwards;
        sort.peak = sort.peak.max(sort.held.bytes());
        Ok(())
    }
}

impl<T: Sortable> ExternalSort<T> {
    /// Items in memory; nothing once some were written out.
    pub(crate) fn in_memory(&self) -> Option<usize> {
        self.runs.is_empty().then_some(self.items.len())
    }

    /// Whether the memory is nearly used up.
    pub(crate) fn is_full(&self) -> bool {
        self.held.bytes() >= self.limit - self.limit / 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spill::WorkSpace;

    impl Sortable for u64 {
        type Format = ();

        fn write(&self, (): &mut (), out: &mut Vec<u8>) -> PgResult<()> {
            // Lengths vary, so that items cross blocks at all offsets.
            out.extend(self.to_le_bytes());
            out.resize(8 + (*self % 23) as usize, 7);
            Ok(())
        }

        fn read((): &(), bytes: &[u8]) -> PgResult<Self> {
            assert!(bytes[8..].iter().all(|byte| *byte == 7));
            Ok(u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")))
        }

        fn bytes(&self) -> usize {
            24
        }
    }

    fn numbers(seed: u64, count: usize) -> Vec<u64> {
        let mut state = seed;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state >> 40
            })
            .collect()
    }

    #[test]
    fn sorts_in_any_amount_of_memory() {
        let directory = std::env::temp_dir().join(format!("redoubt-sort-{}", std::process::id()));
        let space = WorkSpace::new(directory.clone(), 1);
        let work = Work::standard(&space);
        let compare = &mut |a: &u64, b: &u64| Ok(a.cmp(b));
        for (seed, count, limit) in [
            (1, 0, 100),
            (2, 1, 0),
            (3, 500, 1 << 20),
            (4, 20_000, 40_000),
            (5, 100_000, 30_000),
            (6, 3000, 64),
        ] {
            let mut expected = numbers(seed, count);
            let mut sort = ExternalSort::new(&work, limit);
            for number in &expected {
                sort.push(*number, compare).unwrap();
            }
            sort.finish(compare).unwrap();
            expected.sort_unstable();
            for _ in 0..2 {
                for number in &expected {
                    assert_eq!(sort.next(compare).unwrap(), Some(number), "seed {seed}");
                }
                assert_eq!(sort.next(compare).unwrap(), None);
                sort.rewind(compare).unwrap();
            }
            assert_eq!(sort.disk_kib().is_some(), count * 32 > limit && count > 1, "seed {seed}");
            if limit > 10_000 {
                let input = count as u64 * 40;
                assert!(sort.disk_kib().unwrap_or(0) * 1024 < input * 3 / 2 + (1 << 20), "blocks are reused");
            }
        }
        assert_eq!(space.file_bytes(), 0, "files go with their sorts");
        assert_eq!(space.account().held_bytes(), 0);
        let left = std::fs::read_dir(&directory).unwrap().count();
        assert_eq!(left, 0, "files have no names");
        std::fs::remove_dir(&directory).unwrap();
    }

    #[test]
    fn keeps_within_the_limit_of_files() {
        let directory = std::env::temp_dir().join(format!("redoubt-limit-{}", std::process::id()));
        let space = WorkSpace::new(directory.clone(), 1);
        let work = Work { file_bytes: Some(100 << 10), ..Work::standard(&space) };
        let compare = &mut |a: &u64, b: &u64| Ok(a.cmp(b));
        let mut sort = ExternalSort::new(&work, 10_000);
        let error = numbers(1, 100_000).into_iter().find_map(|number| sort.push(number, compare).err());
        let error = error.expect("more than 100 kB do not fit");
        assert_eq!(error.message(), "temporary file size exceeds temp_file_limit (100kB)");
        drop(sort);
        assert_eq!(space.file_bytes(), 0);
        std::fs::remove_dir(&directory).unwrap();
    }
}
