//! BitmapHeapScan over BitmapIndexScan, BitmapAnd and BitmapOr: rows in the order of the table's pages.

use super::index_scan;
use crate::bitmap::{Bitmap, Page, slots};
use crate::exec::Exec;
use crate::node::Node;
use crate::table::TableReader;
use redoubt_access::{BTreeScan, Direction, FetchBuf, GistSearch, HeapScan, Tid};
use redoubt_error::PgResult;
use redoubt_plan::explain::NodeDetail;
use redoubt_plan::facts::IndexForm;
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct BitmapScanState {
    id: NodeId,
    table: Option<TableReader>,
    bitmap: Option<Bitmap>,
    /// Places on the current page, the next one last.
    places: Vec<Tid>,
    /// The current page, when it is read as a whole.
    whole: Option<HeapScan>,
    buf: FetchBuf,
}

impl BitmapScanState {
    pub(crate) fn new(id: NodeId) -> Self {
        BitmapScanState {
            id,
            table: None,
            bitmap: None,
            places: Vec::new(),
            whole: None,
            buf: FetchBuf::default(),
        }
    }

    /// Goes to the next page; false when there is none.
    fn next_page(&mut self, x: &mut Exec<'_>) -> bool {
        let Some((block, page)) = self.bitmap.as_mut().and_then(Bitmap::pop) else { return false };
        let lossy = page == Page::Lossy;
        match page {
            Page::Exact(words) => {
                self.places.extend(slots(&words).map(|slot| Tid::new(block, slot)));
                self.places.reverse();
            }
            Page::Lossy => {
                let heap = self.table.as_ref().expect("open").table.heap.clone();
                let snapshot = x.ctx.storage.snapshot.clone();
                self.whole = Some(HeapScan::over(heap, snapshot, block, block + 1));
            }
        }
        x.note(self.id, |stats| {
            let (mut exact_pages, mut lossy_pages) = match stats.detail {
                Some(NodeDetail::HeapBlocks { exact, lossy }) => (exact, lossy),
                _ => (0, 0),
            };
            if lossy {
                lossy_pages += 1
            } else {
                exact_pages += 1
            }
            stats.detail = Some(NodeDetail::HeapBlocks { exact: exact_pages, lossy: lossy_pages });
        });
        true
    }

    /// Delivers the next row of the current page; false at its end.
    fn next_on_page(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let NodeKind::BitmapHeapScan(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        let table = self.table.as_ref().expect("open");
        if let Some(scan) = &mut self.whole {
            if let Some((tid, tuple)) = scan.next(Direction::Forward)? {
                table.deliver(&node.scan, tid, tuple, &mut x.frame)?;
                return Ok(true);
            }
            self.whole = None;
        }
        while let Some(root) = self.places.pop() {
            let found = table.table.heap.fetch_from_index(root, &x.ctx.storage.snapshot, &mut self.buf)?;
            if let Some(tid) = found {
                table.deliver(&node.scan, tid, self.buf.tuple(), &mut x.frame)?;
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Makes the bitmap of a node.
fn make<'a>(x: &mut Exec<'a>, id: NodeId) -> PgResult<Bitmap> {
    let plan = x.plan;
    let bitmap = match &plan.nodes[id.index()].kind {
        NodeKind::BitmapIndexScan(node) => {
            let mut bitmap = Bitmap::new(x.ctx.storage.work.sort_bytes);
            let mut found = 0;
            if let IndexForm::Searched(columns) = &node.index.form {
                if let Some(conditions) = index_scan::search_conditions(x, columns, &node.conditions)? {
                    let tree = x.ctx.storage.open_gist(node.index.storage)?;
                    let mut search = GistSearch::new(tree, columns.clone(), conditions);
                    while let Some(tid) = search.next()? {
                        bitmap.insert(tid);
                        found += 1;
                        x.ctx.check_for_interrupts()?;
                    }
                }
                x.note_loop(id, found);
                return Ok(bitmap);
            }
            let mut scan = None;
            for range in index_scan::ranges(x, &node.index, &node.conditions)? {
                match &mut scan {
                    None => {
                        scan = Some(BTreeScan::new(x.ctx.storage.open_index(node.index.storage)?, range));
                    }
                    Some(scan) => scan.rescan(range),
                }
                let scan = scan.as_mut().expect("just made");
                while let Some(entry) = scan.next(Direction::Forward)? {
                    bitmap.insert(entry.tid);
                    found += 1;
                    x.ctx.check_for_interrupts()?;
                }
            }
            x.note_loop(id, found);
            return Ok(bitmap);
        }
        NodeKind::BitmapAnd(children) => {
            let mut all: Option<Bitmap> = None;
            for child in children {
                match &mut all {
                    None => all = Some(make(x, *child)?),
                    // Nothing can be added any more.
                    Some(all) if all.is_empty() => break,
                    Some(all) => all.intersect(&make(x, *child)?),
                }
            }
            all.unwrap_or_default()
        }
        NodeKind::BitmapOr(children) => {
            let mut all = Bitmap::new(x.ctx.storage.work.sort_bytes);
            for child in children {
                all.unite(make(x, *child)?);
            }
            all
        }
        _ => unreachable!("only bitmap nodes make bitmaps"),
    };
    // PostgreSQL counts no rows of these.
    x.note_loop(id, 0);
    Ok(bitmap)
}

impl Node for BitmapScanState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let NodeKind::BitmapHeapScan(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        if self.table.is_none() {
            self.table = Some(TableReader::open(x, node.scan.range)?);
        }
        if self.bitmap.is_none() {
            self.bitmap = Some(make(x, node.bitmap)?);
        }
        loop {
            while self.next_on_page(x)? {
                x.ctx.check_for_interrupts()?;
                if x.run(&node.recheck.program)? {
                    return Ok(true);
                }
                x.note(self.id, |stats| stats.recheck_filtered += 1);
            }
            if !self.next_page(x) {
                return Ok(false);
            }
        }
    }

    fn rescan(&mut self, _: &mut Exec<'_>, _: &SlotSet) -> PgResult<()> {
        (self.bitmap, self.whole) = (None, None);
        self.places.clear();
        Ok(())
    }
}
