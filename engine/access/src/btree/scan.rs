//! Range scans, in both directions.
//!
//! The entries of one leaf that lie in the range are copied under one latch and then handed out. Going forward, the
//! next leaf is the right sibling; going backward, it is looked for from the root, as the leaf with the last entry
//! below this one's lower bound. So nodes need no left siblings, and a scan may stop, or turn round, anywhere.

use std::ops::Bound;
use std::sync::Arc;

use redoubt_buffer::BlockNo;
use redoubt_error::PgResult;

use crate::btree::descend::Found;
use crate::btree::node::{NONE, Node, split_leaf_item};
use crate::btree::{BTree, TID_BYTES, tid_of};
use crate::heap::Direction;
use crate::tuple::Tid;

/// A range of keys: at or above `low`, below `high`; nothing means no bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    low: Option<Vec<u8>>,
    high: Option<Vec<u8>>,
    is_empty: bool,
}

impl KeyRange {
    /// All keys.
    pub fn all() -> Self {
        Self::default()
    }

    /// All keys that begin with `prefix`: equality on an index's first columns.
    pub fn prefix(prefix: &[u8]) -> Self {
        Self::new(Bound::Included(prefix), Bound::Included(prefix))
    }

    /// Between two bounds. A bound may be the beginning of a key (of an index's first columns); it then stands for all
    /// keys that begin so: all of them are included, or all excluded.
    pub fn new(low: Bound<&[u8]>, high: Bound<&[u8]>) -> Self {
        let mut range = Self::default();
        match low {
            Bound::Unbounded => (),
            Bound::Included(low) => range.low = Some(low.to_vec()),
            Bound::Excluded(low) => {
                range.low = behind(low);
                range.is_empty |= range.low.is_none();
            }
        }
        range.high = match high {
            Bound::Unbounded => None,
            Bound::Excluded(high) => Some(high.to_vec()),
            Bound::Included(high) => behind(high),
        };
        if let (Some(low), Some(high)) = (&range.low, &range.high) {
            range.is_empty |= low >= high;
        }
        range
    }

    /// Whether no key can lie in it.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }
}

/// The first bytes behind everything that begins with `prefix`; nothing when that is the end of all.
fn behind(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// An entry handed out by a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry<'a> {
    /// The row.
    pub tid: Tid,
    /// Its key.
    pub key: &'a [u8],
    /// What was stored along.
    pub payload: &'a [u8],
}

/// A scan over a range. It takes no snapshot; whoever runs it holds one while it lasts, which keeps the blocks it
/// will go to from being used for something else.
pub struct BTreeScan {
    tree: Arc<BTree>,
    range: KeyRange,
    /// Entries of one leaf, in the order in which they are handed out.
    batch: Batch,
    /// The entry handed out last is before this one.
    at: usize,
    state: State,
}

#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// Where each entry's key begins, where it ends, and where the payload ends.
    entries: Vec<(u32, u32, u32)>,
    /// How often it has been filled.
    fills: u64,
}

enum State {
    /// Before the range (forward) and behind it (backward) at once: nothing has been handed out yet.
    Fresh,
    /// The batch is from going this way; this is where it goes on.
    Going(Next),
    /// Between entries: behind (forward) or before (backward) this key and place.
    At(Vec<u8>),
    /// Everything has been handed out this way.
    End(Direction),
}

enum Next {
    /// This block, if any.
    Forward(BlockNo),
    /// Before this bound, if any.
    Backward(Option<Vec<u8>>),
}

impl Next {
    fn direction(&self) -> Direction {
        match self {
            Next::Forward(_) => Direction::Forward,
            Next::Backward(_) => Direction::Backward,
        }
    }
}

impl Batch {
    fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
        self.fills += 1;
    }

    fn push(&mut self, item: &[u8]) {
        let (key, payload) = split_leaf_item(item);
        if key.len() < TID_BYTES {
            return;
        }
        // A leaf's entries are shorter than a page; the casts are exact.
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len() as u32;
        self.bytes.extend_from_slice(payload);
        self.entries.push((start, key_end, self.bytes.len() as u32));
    }

    fn full_key(&self, at: usize) -> &[u8] {
        let (start, key_end, _) = self.entries[at];
        &self.bytes[start as usize..key_end as usize]
    }

    fn entry(&self, at: usize) -> IndexEntry<'_> {
        let full = self.full_key(at);
        let (_, key_end, end) = self.entries[at];
        let key = &full[..full.len() - TID_BYTES];
        IndexEntry { tid: tid_of(full), key, payload: &self.bytes[key_end as usize..end as usize] }
    }
}

impl BTreeScan {
    /// A scan over `range`, before its first and behind its last entry.
    pub fn new(tree: Arc<BTree>, range: KeyRange) -> Self {
        Self { tree, range, batch: Batch::default(), at: 0, state: State::Fresh }
    }

    /// A number that changes whenever entries of another leaf, or of the same one at another time, are handed out.
    pub fn leaf_read(&self) -> u64 {
        self.batch.fills
    }

    /// Starts over with another range, keeping the allocations: for the inner side of a join.
    pub fn rescan(&mut self, range: KeyRange) {
        self.range = range;
        self.batch.clear();
        self.state = State::Fresh;
    }

    /// The next entry in this direction, or nothing at the end; then the other direction starts from that end.
    ///
    /// # Errors
    /// `XX002` when the index is damaged, or what the volume says.
    #[inline]
    pub fn next(&mut self, direction: Direction) -> PgResult<Option<IndexEntry<'_>>> {
        Ok(if self.advance(direction)? { Some(self.entry()) } else { None })
    }

    /// Goes to the next entry in this direction; false at the end.
    ///
    /// # Errors
    /// As [`BTreeScan::next`].
    #[inline]
    pub fn advance(&mut self, direction: Direction) -> PgResult<bool> {
        let goes_on = matches!(&self.state, State::Going(next) if next.direction() == direction);
        let in_batch = goes_on && self.at < self.batch.entries.len();
        if !in_batch && !self.load(direction)? {
            return Ok(false);
        }
        self.at += 1;
        Ok(true)
    }

    /// The entry that [`BTreeScan::advance`] went to.
    ///
    /// # Panics
    /// When it has not, or there was none.
    #[inline]
    pub fn entry(&self) -> IndexEntry<'_> {
        self.batch.entry(self.at - 1)
    }

    /// Remembers where the scan is, for [`BTreeScan::restore`].
    pub fn mark(&self) -> ScanMark {
        ScanMark(match &self.state {
            State::Going(_) if self.at > 0 => Some(self.batch.full_key(self.at - 1).to_vec()),
            State::At(key) => Some(key.clone()),
            _ => None,
        })
    }

    /// Goes back to where the scan was when the mark was made: the next entry forward is the one behind the marked one.
    pub fn restore(&mut self, mark: &ScanMark) {
        self.state = mark.0.clone().map_or(State::Fresh, State::At);
        self.batch.clear();
    }

    /// Fills the batch with the next entries in this direction; false when there are none.
    fn load(&mut self, direction: Direction) -> PgResult<bool> {
        if self.range.is_empty {
            return Ok(false);
        }
        if let State::End(ended) = self.state
            && ended == direction
        {
            return Ok(false);
        }
        let mut next = self.start(direction)?;
        loop {
            self.at = 0;
            if !self.batch.entries.is_empty() {
                self.state = State::Going(next);
                return Ok(true);
            }
            next = match next {
                Next::Forward(block) if block != NONE => {
                    let found = Found { block, pin: self.tree.pin(block)? };
                    self.load_forward(found, None)?
                }
                Next::Backward(Some(bound)) => self.load_backward(Some(&bound))?,
                Next::Forward(_) | Next::Backward(None) => {
                    self.state = State::End(direction);
                    return Ok(false);
                }
            };
        }
    }

    /// The first leaf to look at from where the scan is.
    fn start(&mut self, direction: Direction) -> PgResult<Next> {
        let state = std::mem::replace(&mut self.state, State::Fresh);
        let position = match state {
            State::Going(next) if next.direction() == direction => {
                self.batch.clear();
                return Ok(next);
            }
            State::Going(_) if self.at > 0 => Some(self.batch.full_key(self.at - 1).to_vec()),
            State::At(key) => Some(key),
            State::Going(_) | State::Fresh | State::End(_) => None,
        };
        match (direction, position) {
            (Direction::Forward, Some(after)) => {
                let found = self.tree.find(&after, 0)?;
                self.load_forward(found, Some(&after))
            }
            (Direction::Forward, None) => {
                let found = self.tree.find(self.range.low.as_deref().unwrap_or(&[]), 0)?;
                self.load_forward(found, None)
            }
            (Direction::Backward, Some(before)) => self.load_backward(Some(&before)),
            (Direction::Backward, None) => {
                let high = self.range.high.clone();
                self.load_backward(high.as_deref())
            }
        }
    }

    /// Copies what a leaf has in the range, behind `after` if given.
    fn load_forward(&mut self, found: Found, after: Option<&[u8]>) -> PgResult<Next> {
        self.batch.clear();
        let page = found.pin.read();
        let node = Node::new(&page)?;
        if node.is_deleted() {
            return Ok(Next::Forward(node.right()));
        }
        let mut slot = node.lower_bound(after.or(self.range.low.as_deref()).unwrap_or(&[]));
        if let Some(after) = after
            && slot < node.end()
            && node.leaf_key(slot) == after
        {
            slot += 1;
        }
        let high = self.range.high.as_deref();
        while slot < node.end() {
            let item = node.item(slot);
            if high.is_some_and(|high| split_leaf_item(item).0 >= high) {
                return Ok(Next::Forward(NONE));
            }
            self.batch.push(item);
            slot += 1;
        }
        // Nothing further right is in the range if what is there starts above it.
        let ends = node.high().is_none_or(|bound| high.is_some_and(|high| bound >= high));
        Ok(Next::Forward(if ends { NONE } else { node.right() }))
    }

    /// Copies what the leaf with the last entry below `before` has in the range, last first.
    fn load_backward(&mut self, before: Option<&[u8]>) -> PgResult<Next> {
        self.batch.clear();
        let (mut found, mut bound) = self.tree.find_before(before)?;
        let mut page = found.pin.read();
        // Between finding the leaf and latching it again it may have been split, and what is wanted moved
        // right, or it may have been deleted: then it is looked for anew.
        while Node::new(&page)?.is_passed_by(before) {
            drop(page);
            (found, bound) = self.tree.find_before(before)?;
            page = found.pin.read();
        }
        let node = Node::new(&page)?;
        let low = self.range.low.as_deref();
        let end = match before {
            Some(before) => node.lower_bound(before),
            None => node.end(),
        };
        for slot in (crate::btree::node::FIRST..end).rev() {
            let item = node.item(slot);
            if low.is_some_and(|low| split_leaf_item(item).0 < low) {
                return Ok(Next::Backward(None));
            }
            self.batch.push(item);
        }
        let ends = low.is_some_and(|low| bound.as_deref().is_none_or(|bound| bound <= low));
        Ok(Next::Backward(if ends { None } else { bound }))
    }
}

/// A place in a scan; see [`BTreeScan::mark`].
#[derive(Clone, Debug)]
pub struct ScanMark(Option<Vec<u8>>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_stand_for_all_that_begins_so() {
        let within = |range: &KeyRange, key: &[u8]| {
            !range.is_empty()
                && range.low.as_deref().is_none_or(|low| key >= low)
                && range.high.as_deref().is_none_or(|high| key < high)
        };
        let keys: [&[u8]; 7] = [b"a", b"ab", b"ab\xff", b"ab\xff\xff1", b"ac", b"\xff", b"\xff\xff"];
        let bounds: [&[u8]; 5] = [b"a", b"ab", b"ab\xff", b"\xff", b"b"];
        for bound in bounds {
            for key in keys {
                let (begins, less) = (key.starts_with(bound), key < bound);
                let check = |low, high, expect: bool| {
                    let range = KeyRange::new(low, high);
                    assert_eq!(within(&range, key), expect, "{key:?} in {range:?}");
                };
                check(Bound::Included(bound), Bound::Unbounded, !less);
                check(Bound::Excluded(bound), Bound::Unbounded, !less && !begins);
                check(Bound::Unbounded, Bound::Included(bound), less || begins);
                check(Bound::Unbounded, Bound::Excluded(bound), less);
                assert_eq!(within(&KeyRange::prefix(bound), key), begins);
            }
        }
    }
}
