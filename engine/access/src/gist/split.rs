//! Changing a leaf together with the nodes above it: keys that widen, nodes that are split, a root that grows.
//!
//! What is to be done is worked out first, under latches on all nodes of the way; then it is done in one
//! mini-transaction. If it takes more new blocks than there are at hand, they are got with nothing latched, and it is
//! worked out again: meanwhile only leaves can have changed.

use redoubt_buffer::{BlockNo, Latched, Mtr, PinnedPage, kinds};
use redoubt_error::{PgError, PgResult, code};
use redoubt_page::{Op, PAGE_BYTES, PAGE_HEADER_BYTES, PatchTarget, SLOT_BYTES};

use crate::gist::Gist;
use crate::gist::insert::Step;
use crate::gist::keys::{GistColumns, pick_split, union_of, united};
use crate::gist::node::{Links, Node, SPECIAL_BYTES, inner_item, key_of};

/// Bytes for items and their slots.
const CAPACITY: usize = PAGE_BYTES - PAGE_HEADER_BYTES - SPECIAL_BYTES;

/// More levels than any index has.
const MAX_LEVELS: usize = 24;

type Items = Vec<Vec<u8>>;

/// What comes in: its key, the leaf's item, and how many bytes are to be left free on the leaf.
type Entry<'e> = (&'e [u8], &'e [u8], usize);

/// What happens to one node of the way.
enum Change {
    /// An entry gets another key, or an item comes to the end, or both.
    Edit { replace: Option<(u16, Vec<u8>)>, append: Option<Vec<u8>> },
    /// Two nodes in the place of one; the second is a new block's.
    Split { left: Items, right: Items },
    /// The root's entries go to two new nodes.
    Grow { left: Items, right: Items },
}

impl Change {
    fn new_blocks(&self) -> usize {
        match self {
            Change::Edit { .. } => 0,
            Change::Split { .. } => 1,
            Change::Grow { .. } => 2,
        }
    }
}

impl Gist {
    /// Inserts an item, whatever that takes. The caller holds the structure.
    pub(super) fn insert_with_structure(
        &self,
        columns: &GistColumns,
        key: &[u8],
        item: &[u8],
        spare_bytes: usize,
    ) -> PgResult<()> {
        let mut blocks: Vec<(BlockNo, PinnedPage)> = Vec::new();
        let done = self.insert_with(columns, (key, item, spare_bytes), &mut blocks);
        let used = *done.as_ref().unwrap_or(&0);
        for (at, (block, _)) in blocks.iter().enumerate() {
            if at < used { self.free.was_used(*block) } else { self.free.give_back(*block) }
        }
        done.map(|_| ())
    }

    /// As said above; how many of the blocks were used.
    fn insert_with(
        &self,
        columns: &GistColumns,
        entry: Entry<'_>,
        blocks: &mut Vec<(BlockNo, PinnedPage)>,
    ) -> PgResult<usize> {
        loop {
            let needed = self.try_insert(columns, entry, blocks)?;
            if needed <= blocks.len() {
                return Ok(needed);
            }
            while blocks.len() < needed {
                blocks.push(self.allocate()?);
            }
        }
    }

    /// Inserts the item, if that takes no more than these blocks. Says how many it takes.
    fn try_insert(
        &self,
        columns: &GistColumns,
        entry: Entry<'_>,
        blocks: &[(BlockNo, PinnedPage)],
    ) -> PgResult<usize> {
        let damaged = |what: &str| PgError::new(code::INDEX_CORRUPTED, format!("an index {what}"));
        // Nobody else changes inner nodes now.
        let path = self.descend(columns, entry.0)?;
        let path = path.ok_or_else(|| damaged("leads to a node that is not in it"))?;
        if path.len() > MAX_LEVELS {
            return Err(damaged("has too many levels"));
        }
        let pages = 2 * path.len() + 1;
        let mut mtr = self.pool().begin_mtr(pages, pages * 2 * PAGE_BYTES)?;
        // From below to above, as everywhere.
        let latched: Vec<Latched> = path.iter().rev().map(|step| mtr.latch(&step.pin)).collect();
        let numbers: Vec<BlockNo> = blocks.iter().map(|(block, _)| *block).collect();
        let changes = plan(columns, &mtr, &latched, &path, entry, &numbers)?;
        let needed = changes.iter().map(Change::new_blocks).sum();
        if needed > blocks.len() {
            return Ok(needed);
        }
        let mut blocks = blocks.iter();
        for (height, change) in changes.iter().enumerate() {
            let page = latched[height];
            let mut next = || &blocks.next().expect("as many as were counted").1;
            match change {
                Change::Edit { replace, append } => {
                    edit(&mut mtr, page, replace.as_ref(), append.as_deref())?
                }
                Change::Split { left, right } => {
                    let new = (next(), numbers[blocks_before(&changes, height)]);
                    // Above the LSN that the parent's page has had until now, at most what it will have.
                    let mark = mtr.page(latched[height + 1]).lsn().get() + 1;
                    split(&mut mtr, page, new, mark, (left, right))?;
                }
                Change::Grow { left, right } => {
                    let at = blocks_before(&changes, height);
                    let halves = [(next(), numbers[at], left), (next(), numbers[at + 1], right)];
                    grow(columns, &mut mtr, page, halves)?;
                }
            }
        }
        mtr.commit();
        Ok(needed)
    }
}

/// How many new blocks the nodes below take.
fn blocks_before(changes: &[Change], height: usize) -> usize {
    changes[..height].iter().map(Change::new_blocks).sum()
}

/// What has to be done for an item to come into the leaf: to each node of the way, from the leaf up to the last that
/// changes. Block numbers that are not known yet are left open; the plan is only good for counting then.
fn plan(
    columns: &GistColumns,
    mtr: &Mtr<'_>,
    latched: &[Latched],
    path: &[Step],
    (key, item, spare_bytes): Entry<'_>,
    numbers: &[BlockNo],
) -> PgResult<Vec<Change>> {
    let mut changes: Vec<Change> = Vec::with_capacity(path.len());
    let mut replace: Option<(u16, Vec<u8>)> = None;
    let mut append = Some(item.to_vec());
    for (height, step) in path.iter().rev().enumerate() {
        let page = mtr.page(latched[height]);
        let node = Node::new(page)?;
        let is_root = height + 1 == path.len();
        let growth = append.as_ref().map_or(0, |item| item.len() + SLOT_BYTES)
            + replace.as_ref().map_or(0, |(slot, item)| item.len().saturating_sub(node.item(*slot).len()));
        // A node without entries cannot be split.
        let spare = if height == 0 && node.len() > 0 { spare_bytes } else { 0 };
        let fits = growth + spare <= page.reclaimable_free_bytes();
        let parent = path.len().checked_sub(height + 2).map(|at| &path[at]);
        if fits {
            changes.push(Change::Edit { replace: replace.take(), append: append.take() });
            let Some(parent) = parent.filter(|parent| !parent.covers) else { break };
            let above = Node::new(mtr.page(latched[height + 1]))?;
            let wider = united(columns, above.key(parent.slot), key);
            replace = Some((parent.slot, inner_item(step.block, &wider)));
            continue;
        }
        let mut items: Items = node.items().map(<[u8]>::to_vec).collect();
        if let Some((slot, item)) = replace.take() {
            items[usize::from(slot)] = item;
        }
        items.extend(append.take());
        let (left, right) = halves(columns, items);
        if is_root {
            changes.push(Change::Grow { left, right });
            break;
        }
        let parent = parent.expect("all but the root have one");
        let new = numbers.get(blocks_before(&changes, height)).copied().unwrap_or_default();
        replace = Some((parent.slot, inner_item(step.block, &key_over(columns, &left))));
        append = Some(inner_item(new, &key_over(columns, &right)));
        changes.push(Change::Split { left, right });
    }
    Ok(changes)
}

fn key_over(columns: &GistColumns, items: &Items) -> Vec<u8> {
    union_of(columns, items.iter().map(|item| key_of(item)))
}

/// Divides a node's items as the operator classes want it, if both halves have room then; otherwise in the middle.
fn halves(columns: &GistColumns, items: Items) -> (Items, Items) {
    let size = |items: &Items| items.iter().map(|item| item.len() + SLOT_BYTES).sum::<usize>();
    let keys: Vec<&[u8]> = items.iter().map(|item| key_of(item)).collect();
    let sides = pick_split(columns, &keys);
    let part = |wanted: bool| {
        let of_side = items.iter().zip(&sides).filter(|(_, side)| **side == wanted);
        of_side.map(|(item, _)| item.clone()).collect::<Items>()
    };
    let (left, right) = (part(false), part(true));
    if !left.is_empty() && !right.is_empty() && size(&left).max(size(&right)) <= CAPACITY {
        return (left, right);
    }
    let (all, mut left, mut bytes) = (size(&items), items, 0);
    let middle = left.iter().position(|item| {
        bytes += item.len() + SLOT_BYTES;
        2 * bytes > all
    });
    let right = left.split_off(middle.unwrap_or(1).max(1));
    (left, right)
}

fn edit(
    mtr: &mut Mtr<'_>,
    page: Latched,
    replace: Option<&(u16, Vec<u8>)>,
    append: Option<&[u8]>,
) -> PgResult<()> {
    if let Some((slot, item)) = replace {
        mtr.change(page, &Op::ReplaceItem { slot: *slot, bytes: item });
    }
    if let Some(item) = append {
        let slot = Node::new(mtr.page(page))?.len();
        mtr.change(page, &Op::InsertItem { slot, bytes: item, shift: true });
    }
    Ok(())
}

/// Gives a node's right half to a new node.
fn split(
    mtr: &mut Mtr<'_>,
    page: Latched,
    (new_pin, new_block): (&PinnedPage, BlockNo),
    split_mark: u64,
    (left, right): (&Items, &Items),
) -> PgResult<()> {
    let links = Node::new(mtr.page(page))?.links();
    let new = mtr.latch(new_pin);
    // Whoever was to go right from the old node has to do so from the new one.
    write(mtr, new, links, right);
    fill(mtr, page, left);
    let special = Links { right: new_block, split_mark, ..links }.encode();
    mtr.change(page, &Op::PatchBytes { target: PatchTarget::Special, offset: 0, bytes: &special });
    Ok(())
}

/// Puts a level between the root and what was below it.
fn grow(
    columns: &GistColumns,
    mtr: &mut Mtr<'_>,
    root: Latched,
    halves: [(&PinnedPage, BlockNo, &Items); 2],
) -> PgResult<()> {
    let level = Node::new(mtr.page(root))?.links().level;
    let mut entries = Vec::with_capacity(halves.len());
    for (pin, block, items) in halves {
        let page = mtr.latch(pin);
        // Nobody has been led to them yet, so nobody goes right.
        write(mtr, page, Links::at_level(level), items);
        entries.push(inner_item(block, &key_over(columns, items)));
    }
    write(mtr, root, Links::at_level(level + 1), &entries);
    Ok(())
}

fn write(mtr: &mut Mtr<'_>, page: Latched, links: Links, items: &Items) {
    mtr.change(page, &Op::Initialise { kind: kinds::GIST_NODE, special: &links.encode() });
    fill(mtr, page, items);
}

fn fill(mtr: &mut Mtr<'_>, page: Latched, items: &Items) {
    mtr.change(page, &Op::TruncateItems { from_slot: 0 });
    for (slot, item) in (0..).zip(items) {
        mtr.change(page, &Op::InsertItem { slot, bytes: item, shift: false });
    }
}
