//! A model of what a volume must hold, and the small cluster that tests run.

use std::collections::BTreeMap;

use redoubt_client::{PendingRecord, Volume};
use redoubt_embedded::{EmbeddedOptions, OnFailure};
use redoubt_node::ShardOptions;
use redoubt_page::{Lsn, Op, OpsBuf, Page, PageId, PageKind, apply_op, finish};

/// Small segments and chunks, so that a short test meets many of both.
pub fn small_options() -> EmbeddedOptions {
    EmbeddedOptions {
        segment_pages: 16,
        allocation_limit: 10_000,
        shard: ShardOptions {
            log_bytes: 8 << 20,
            chunk_bytes: 1 << 20,
            lazy_chunks: 1,
            cached_pages: 8,
            cached_index_nodes: 4,
        },
        on_failure: OnFailure::FailVolume,
        ..EmbeddedOptions::default()
    }
}

/// Pages as they are in the engine's memory: the newest version of each, and every version by its number.
#[derive(Default)]
pub struct Model {
    pub newest: BTreeMap<PageId, Page>,
    pub versions: BTreeMap<PageId, BTreeMap<Lsn, Page>>,
    /// Every mini-transaction: its last record, and the pages it changed.
    pub mtrs: BTreeMap<Lsn, Vec<PageId>>,
}

impl Model {
    /// Appends one mini-transaction that puts this text into each of these pages, as a new first item.
    pub fn put(&mut self, volume: &Volume, pages: &[PageId], text: &[u8]) -> Lsn {
        let highest = pages.iter().max().expect("a mini-transaction has a page");
        volume.reserve_pages(*highest).expect("the volume grows");
        let mut records: Vec<PendingRecord> = pages.iter().map(|page| self.change(*page, text)).collect();
        let bytes: usize = records.iter().map(|record| record.ops.len_bytes()).sum();
        let reservation = volume.reserve(records.len() as u32, bytes as u32).expect("there is room");
        let mut changed = Vec::new();
        let appended = volume.append(reservation, &mut records, |at, lsn| changed.push((pages[at], lsn)));
        for (page, lsn) in changed {
            let image = self.newest.get_mut(&page).expect("a changed page is known");
            finish(image, lsn);
            self.versions.entry(page).or_default().insert(lsn, image.clone());
        }
        self.mtrs.insert(appended.cpl, pages.to_vec());
        appended.cpl
    }

    /// Changes a page in memory and gives the record of it.
    fn change(&mut self, page: PageId, text: &[u8]) -> PendingRecord {
        let image = self.newest.entry(page).or_insert_with(|| Page::absent(page));
        let mut ops = OpsBuf::new();
        let mut record = |op: Op<'_>, image: &mut Page| {
            apply_op(image, &op).expect("the operation fits");
            ops.push(&op);
        };
        let prev_page_lsn = image.lsn();
        if !image.is_initialised() || !image.fits(text.len()) {
            record(Op::Initialise { kind: PageKind::new(7), special: b"special" }, image);
        }
        record(Op::InsertItem { slot: 0, bytes: text, shift: true }, image);
        PendingRecord { page, prev_page_lsn, ops }
    }

    /// The page as of a read point.
    pub fn page_at(&self, page: PageId, at: Lsn) -> Page {
        let versions = self.versions.get(&page);
        let version = versions.and_then(|versions| versions.range(..=at).next_back());
        version.map_or_else(|| Page::absent(page), |(_, image)| image.clone())
    }

    /// Checks every page as of a read point.
    pub fn check_all(&self, volume: &Volume, at: Lsn) {
        for page in self.versions.keys() {
            let read = volume.read_page(*page, at).expect("the page can be read");
            assert!(read == self.page_at(*page, at), "page {page} as of {at} is not what it was");
        }
    }

    /// Forgets versions that nobody reads any more.
    pub fn forget_below(&mut self, floor: Lsn) {
        for versions in self.versions.values_mut() {
            if let Some((newest, _)) = versions.range(..=floor).next_back() {
                let newest = *newest;
                versions.retain(|lsn, _| *lsn >= newest);
            }
        }
    }

    /// What is left after a crash that kept everything up to `vdl`.
    pub fn roll_back_to(&mut self, vdl: Lsn) {
        self.mtrs.retain(|cpl, _| *cpl <= vdl);
        for (page, versions) in &mut self.versions {
            versions.retain(|lsn, _| *lsn <= vdl);
            let newest = versions.values().next_back().cloned();
            self.newest.insert(*page, newest.unwrap_or_else(|| Page::absent(*page)));
        }
    }
}
