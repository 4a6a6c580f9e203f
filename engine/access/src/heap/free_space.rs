//! Where there is room: one byte per block, in units of 32 bytes, as PostgreSQL's free-space map.
//!
//! It lives in memory and is a hint: whoever follows it looks at the page. What insertion learns counts only
//! among its neighbours; what vacuum finds is published for everybody, and written to a fork so that the next
//! writer knows it too.

use parking_lot::Mutex;
use redoubt_buffer::{BlockNo, Fork, RelKey, kinds};
use redoubt_error::PgResult;
use redoubt_page::{Op, PAGE_BYTES, PatchTarget};

use crate::heap::Heap;

/// Bytes per step of a category.
pub(super) const STEP_BYTES: usize = PAGE_BYTES / 256;
/// Blocks whose maximum is kept together.
const GROUP_BLOCKS: usize = 4000;

/// The map of one table.
#[derive(Default)]
pub(super) struct FreeSpace {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether what an earlier writer wrote down has been read.
    loaded: bool,
    /// Free bytes of each block in steps, rounded down; 0 for those that nobody has looked at.
    blocks: Vec<u8>,
    /// The highest value of each group when it was last published.
    published: Vec<u8>,
    /// Where the last published search ended.
    next: usize,
}

impl FreeSpace {
    /// Notes what is free on a block, and returns a neighbour with `wanted` bytes, if one is known.
    pub(super) fn record_and_find(&self, block: BlockNo, free: usize, wanted: usize) -> Option<BlockNo> {
        let mut state = self.state.lock();
        state.record(block, free);
        let group = block as usize / GROUP_BLOCKS;
        state.find_in(group, step_up(wanted)?)
    }

    /// A block that is known to everybody to have `wanted` bytes free.
    pub(super) fn find(&self, wanted: usize) -> Option<BlockNo> {
        let wanted = step_up(wanted)?;
        let mut state = self.state.lock();
        let groups = state.published.len();
        for step in 0..groups {
            let group = (state.next + step) % groups;
            if state.published[group] < wanted {
                continue;
            }
            if let Some(found) = state.find_in(group, wanted) {
                state.next = group;
                return Some(found);
            }
            // Used up since it was published.
            state.published[group] = state.highest_in(group);
        }
        None
    }

    /// Notes what is free on a block.
    pub(super) fn record(&self, block: BlockNo, free: usize) {
        self.state.lock().record(block, free);
    }

    /// Lets everybody know what has been noted.
    pub(super) fn publish(&self) {
        let mut state = self.state.lock();
        let groups = state.blocks.len().div_ceil(GROUP_BLOCKS);
        state.published = (0..groups).map(|group| state.highest_in(group)).collect();
        state.next = 0;
    }

    /// Forgets blocks that are gone.
    pub(super) fn truncate(&self, nblocks: BlockNo) {
        self.state.lock().blocks.truncate(nblocks as usize);
        self.publish();
    }

    fn is_loaded(&self) -> bool {
        self.state.lock().loaded
    }

    /// Takes over what an earlier writer wrote down, as far as nothing newer is known.
    fn load(&self, mut steps: Vec<u8>) {
        let mut state = self.state.lock();
        if !state.loaded {
            let known = steps.len().max(state.blocks.len());
            steps.resize(known, 0);
            for (old, &new) in steps.iter_mut().zip(&state.blocks) {
                *old = if new > 0 { new } else { *old };
            }
            state.blocks = steps;
            state.loaded = true;
        }
        drop(state);
        self.publish();
    }
}

/// Bytes of the map on one page of the fork.
const MAP_BYTES: usize = 8000;

impl Heap {
    /// Reads what an earlier writer wrote down, once.
    pub(super) fn load_free_space(&self) -> PgResult<()> {
        if self.free.is_loaded() || self.is_overflow {
            return Ok(());
        }
        let mut steps = Vec::new();
        if let Some(fork) = self.space.relation(RelKey { node: self.node(), fork: Fork::FreeSpace })? {
            for block in 0..fork.nblocks() {
                steps.extend_from_slice(self.space.pin(&fork, block)?.read().special());
            }
        }
        steps.truncate(self.nblocks() as usize);
        self.free.load(steps);
        Ok(())
    }

    /// Writes down what is known, for the next writer. Insertion does not: what it learns is a hint, and cheap to
    /// learn again.
    pub(super) fn save_free_space(&self) -> PgResult<()> {
        self.load_free_space()?;
        let steps = self.free.state.lock().blocks.clone();
        if steps.is_empty() {
            return Ok(());
        }
        let key = RelKey { node: self.node(), fork: Fork::FreeSpace };
        let fork = match self.space.relation(key)? {
            Some(fork) => fork,
            None => self.space.create_relation(key, 0)?,
        };
        for (block, steps) in (0..).zip(steps.chunks(MAP_BYTES)) {
            while fork.nblocks() <= block {
                self.space.extend(&fork, kinds::FREE_SPACE_MAP, &[0; MAP_BYTES])?;
            }
            let pin = self.space.pin(&fork, block)?;
            let mut mtr = self.pool().begin_mtr(1, MAP_BYTES + 64)?;
            let page = mtr.latch(&pin);
            let old = mtr.page(page).special();
            let differs = |at: &usize| old.get(*at) != Some(&steps[*at]);
            let (Some(first), Some(last)) = ((0..steps.len()).find(differs), (0..steps.len()).rfind(differs))
            else {
                continue;
            };
            // A special area is shorter than a page; the cast is exact.
            let (offset, bytes) = (first as u16, &steps[first..=last]);
            mtr.change(page, &Op::PatchBytes { target: PatchTarget::Special, offset, bytes });
            mtr.commit();
        }
        Ok(())
    }
}

impl State {
    fn record(&mut self, block: BlockNo, free: usize) {
        let block = block as usize;
        if block >= self.blocks.len() {
            self.blocks.resize(block + 1, 0);
        }
        self.blocks[block] = (free / STEP_BYTES).min(255) as u8;
    }

    fn find_in(&self, group: usize, wanted: u8) -> Option<BlockNo> {
        let first = group * GROUP_BLOCKS;
        let end = (first + GROUP_BLOCKS).min(self.blocks.len());
        let place = self.blocks.get(first..end)?.iter().position(|&free| free >= wanted)?;
        BlockNo::try_from(first + place).ok()
    }

    fn highest_in(&self, group: usize) -> u8 {
        let first = group * GROUP_BLOCKS;
        let end = (first + GROUP_BLOCKS).min(self.blocks.len());
        self.blocks[first..end].iter().copied().max().unwrap_or(0)
    }
}

/// The lowest category whose blocks surely have so many bytes; nothing when no page has.
fn step_up(wanted: usize) -> Option<u8> {
    u8::try_from(wanted.div_ceil(STEP_BYTES).max(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_at_once_everybody_after_publishing() {
        let free = FreeSpace::default();
        free.record(9000, 500);
        free.record(3, 100);
        assert_eq!(free.find(64), None);
        assert_eq!(free.record_and_find(4, 10, 96), Some(3));
        assert_eq!(free.record_and_find(4, 10, 97), None);
        free.publish();
        assert_eq!(free.find(96), Some(3));
        assert_eq!(free.find(97), Some(9000));
        assert_eq!(free.find(500), None, "steps are rounded down");
        free.record(9000, 0);
        assert_eq!(free.find(97), None);
        assert_eq!(free.find(9000), None);
        free.truncate(3);
        assert_eq!(free.find(1), None);
        free.load(vec![7; 10]);
        assert_eq!(free.find(200), Some(0));
    }
}
