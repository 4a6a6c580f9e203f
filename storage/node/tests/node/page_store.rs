//! Page stores against a model: changed, killed in the middle of a switch, opened again.

use std::collections::BTreeMap;

use redoubt_io::Storage;
use redoubt_io::forgetting::{ForgettingPages, ForgettingStorage};
use redoubt_node::pages::error::StoreError;
use redoubt_node::pages::store::PageStore;
use redoubt_node::pages::switch::Staged;
use redoubt_page::{Lsn, Op, Page, PageId, PageKind, apply_op, finish};
use redoubt_protocol::SegmentId;

use crate::poll::{now, step};
use crate::seeded::Seeded;

const NAME: &str = "pages";
const STORE: u64 = 77;

/// What a store holds: page to version, and how far a segment's records are contained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    pages: BTreeMap<PageId, Lsn>,
    applied: Lsn,
}

/// A page whose contents follow from its number and version.
fn image(page: PageId, version: Lsn) -> Page {
    let mut image = Page::absent(page);
    let text = format!("page {page} version {version}").repeat(20);
    apply_op(&mut image, &Op::Initialise { kind: PageKind::new(1), special: &[] }).expect("initialised");
    let item = Op::InsertItem { slot: 0, bytes: text.as_bytes(), shift: true };
    apply_op(&mut image, &item).expect("it fits");
    finish(&mut image, version);
    image.seal(page);
    image
}

fn open(storage: &ForgettingStorage) -> PageStore<ForgettingPages> {
    let device = now(storage.open_pages(NAME)).expect("the file is there");
    let store = now(PageStore::open(device, STORE, 4)).expect("a superblock is whole");
    now(store.find_free_slots()).expect("the index is whole");
    store
}

fn held(store: &PageStore<ForgettingPages>, known: &Model) -> Model {
    let mut found = Model { pages: BTreeMap::new(), applied: store.applied(SegmentId::new(9)) };
    for page in now(store.page_ids()).expect("the index is whole") {
        let read = now(store.read(page)).expect("undamaged").expect("it has an image");
        let mut expected = image(page, read.lsn());
        expected.unseal(page).expect("sealed");
        assert!(read == expected, "page {page} is not what was written");
        found.pages.insert(page, read.lsn());
    }
    let (stored, absent): (Vec<PageId>, _) =
        (found.pages.keys().copied().collect(), PageId::new((1 << 47) + 1));
    let asked: Vec<PageId> = stored.iter().rev().copied().chain([absent]).collect();
    let many = now(store.read_many(&asked)).expect("undamaged");
    assert_eq!(many.len(), asked.len());
    for (page, image) in asked.iter().zip(&many) {
        assert_eq!(image.as_ref().map(Page::lsn), found.pages.get(page).copied(), "page {page} of many");
    }
    for page in known.pages.keys() {
        let read = now(store.read(*page)).expect("undamaged");
        assert_eq!(read.map(|image| image.lsn()), found.pages.get(page).copied());
    }
    found
}

/// Some pages near each other, some so far apart that the index grows by levels.
fn random_page(random: &mut Seeded) -> PageId {
    PageId::new(match random.below(4) {
        0 => random.below(40),
        1 => random.below(4000),
        2 => 1_000_000 + random.below(3000),
        _ => random.below(1 << 24) << random.below(20),
    })
}

fn change(random: &mut Seeded, model: &Model, version: u64) -> (Vec<Page>, Model) {
    let mut next = model.clone();
    for _ in 0..1 + random.below(8) {
        next.pages.insert(random_page(random), Lsn::new(version));
    }
    next.applied = Lsn::new(version);
    let changed = next.pages.iter().filter(|(_, lsn)| lsn.get() == version);
    (changed.map(|(page, lsn)| image(*page, *lsn)).collect(), next)
}

fn run(seed: u64) {
    let (mut random, storage) = (Seeded::new(seed), ForgettingStorage::new());
    let device = now(storage.open_pages(NAME)).expect("created");
    let mut store = now(PageStore::create(device, STORE, 4)).expect("created");
    let mut model = Model::default();
    for version in 1..30 {
        let (images, next) = change(&mut random, &model, version);
        let applied = [(SegmentId::new(9), next.applied)];
        let mut staged = Staged::default();
        for part in images.chunks(7) {
            now(store.stage(&mut staged, part)).expect("staged");
        }
        assert_eq!(held(&store, &next), model, "seed {seed}: what is staged is not seen");
        if random.below(4) > 0 {
            now(store.switch(staged, &applied)).expect("switched");
            model = next;
            assert_eq!(held(&store, &model), model, "seed {seed}: what was switched is seen");
            continue;
        }
        // The machine is killed in the middle: nothing or all of the change is there.
        storage.hold_flushes();
        let mut switch = Box::pin(store.switch(staged, &applied));
        assert!(step(switch.as_mut()).is_pending());
        if random.below(2) == 0 {
            storage.release_flushes();
            storage.hold_flushes();
            assert!(step(switch.as_mut()).is_pending(), "the superblock is flushed after the images");
        }
        drop(switch);
        storage.kill(seed * 100 + version);
        drop(store);
        store = open(&storage);
        let found = held(&store, &next);
        assert!(found == model || found == next, "seed {seed}: a half of version {version} is there");
        model = found;
    }
}

#[test]
fn a_switch_is_there_whole_or_not_at_all() {
    for seed in 0..40 {
        run(seed);
    }
}

#[test]
fn the_file_stops_growing() {
    let storage = ForgettingStorage::new();
    let device = now(storage.open_pages(NAME)).expect("created");
    let store = now(PageStore::create(device, STORE, 4)).expect("created");
    let mut slots = Vec::new();
    for version in 1..200_u64 {
        let pages = (0..100).map(|page| image(PageId::new(page * 37 % 500), Lsn::new(version)));
        let mut staged = Staged::default();
        now(store.stage(&mut staged, &pages.collect::<Vec<_>>())).expect("staged");
        now(store.switch(staged, &[])).expect("switched");
        slots.push(store.slot_usage());
    }
    // A hundred pages, the hundred that replace them, and the index of both.
    assert!(slots[199 - 2].1 <= 2 * 128 + 2, "{:?}", slots[197]);
    assert_eq!(slots[20], slots[197], "the file still grows");
}

#[test]
fn a_slot_is_not_used_again_while_it_is_read() {
    let storage = ForgettingStorage::new();
    let device = now(storage.open_pages(NAME)).expect("created");
    let store = now(PageStore::create(device, STORE, 0)).expect("created");
    let put = |version: u64| {
        let mut staged = Staged::default();
        now(store.stage(&mut staged, &[image(PageId::new(5), Lsn::new(version))])).expect("staged");
        now(store.switch(staged, &[])).expect("switched");
    };
    put(1);
    let before = store.slot_usage().0;
    let reading = store.begin_reading();
    (2..9).for_each(put);
    assert!(store.slot_usage().0 > before + 6, "old images are kept for the reader");
    drop(reading);
    put(9);
    put(10);
    assert!(store.slot_usage().0 <= before + 3, "and are free once it is done");
}

#[test]
fn rot_is_found_and_is_not_absence() {
    let storage = ForgettingStorage::new();
    let device = now(storage.open_pages(NAME)).expect("created");
    let store = now(PageStore::create(device, STORE, 0)).expect("created");
    let mut staged = Staged::default();
    let images: Vec<Page> = (0..20).map(|page| image(PageId::new(page), Lsn::new(1))).collect();
    now(store.stage(&mut staged, &images)).expect("staged");
    now(store.switch(staged, &[])).expect("switched");
    let bytes = storage.durable(NAME).expect("there");
    let (mut of_pages, mut of_index) = (0, 0);
    // Every 8 KiB of the file, at a place that differs from one to the next.
    for slot in 2..bytes.len() / 8192 {
        let at = slot * 8192 + slot * 611 % 8192;
        storage.damage(NAME, at as u64, &[bytes[at] ^ 0x10]);
        for page in 0..20 {
            match now(store.read(PageId::new(page))) {
                Ok(Some(read)) => assert_eq!(read.lsn(), Lsn::new(1)),
                Ok(None) => panic!("damage to slot {slot} makes page {page} absent"),
                Err(StoreError::Rot(_)) => of_pages += 1,
                Err(StoreError::Lost(_)) => of_index += 1,
                Err(error) => panic!("{error}"),
            }
        }
        storage.damage(NAME, at as u64, &[bytes[at]]);
    }
    assert_eq!((of_pages, of_index), (20, 20), "each page rots alone, the index for all");
}

#[test]
fn a_lost_write_is_found() {
    let storage = ForgettingStorage::new();
    let device = now(storage.open_pages(NAME)).expect("created");
    let store = now(PageStore::create(device, STORE, 0)).expect("created");
    let put = |page: u64, version: u64| {
        let mut staged = Staged::default();
        let image = image(PageId::new(page), Lsn::new(version));
        now(store.stage(&mut staged, std::slice::from_ref(&image))).expect("staged");
        now(store.switch(staged, &[])).expect("switched");
        image
    };
    let old = put(3, 1);
    let new = put(3, 2);
    let bytes = storage.durable(NAME).expect("there");
    let is_new = |slot: &[u8]| slot == &new.bytes()[..];
    let slot = bytes.chunks(8192).position(is_new).expect("the new image is stored");
    // The device says it wrote the new image, and has an older and flawless one of the same page there.
    storage.damage(NAME, slot as u64 * 8192, &old.bytes()[..]);
    assert!(matches!(now(store.read(PageId::new(3))), Err(StoreError::Rot(_))));
    let many = now(store.read_many(&[PageId::new(2), PageId::new(3)]));
    assert!(matches!(many, Err(StoreError::Rot(page)) if page.get() == 3));
}

#[test]
fn without_superblocks_a_store_is_lost_and_not_empty() {
    let storage = ForgettingStorage::new();
    let device = now(storage.open_pages(NAME)).expect("created");
    drop(now(PageStore::create(device, STORE, 0)).expect("created"));
    let open = |store_id: u64| {
        let device = now(storage.open_pages(NAME)).expect("there");
        now(PageStore::open(device, store_id, 0)).map(|store| store.sequence())
    };
    assert_eq!(open(STORE).expect("whole"), 0);
    assert!(matches!(open(STORE + 1), Err(StoreError::Lost(_))), "it is another store");
    storage.damage(NAME, 20, &[0xff]);
    assert!(matches!(open(STORE), Err(StoreError::Lost(_))));
}

#[test]
fn a_full_device_leaves_everything_as_it_was() {
    let storage = ForgettingStorage::new();
    let device = now(storage.open_pages(NAME)).expect("created");
    let store = now(PageStore::create(device, STORE, 4)).expect("created");
    let images = |count: u64, version: u64| -> Vec<Page> {
        (0..count).map(|page| image(PageId::new(page * 3000), Lsn::new(version))).collect()
    };
    let mut staged = Staged::default();
    now(store.stage(&mut staged, &images(20, 1))).expect("staged");
    now(store.switch(staged, &[])).expect("switched");
    storage.set_capacity_bytes(Some(storage.durable(NAME).expect("there").len() as u64));
    let mut staged = Staged::default();
    let mut version = 2;
    // Images and the nodes that lead to them: one of both is too much at some point.
    let full = loop {
        match now(store.stage(&mut staged, &images(8, version))) {
            Ok(()) => {}
            Err(error) => break error,
        }
        match now(store.switch(std::mem::take(&mut staged), &[])) {
            Ok(()) => version += 1,
            Err(error) => break error,
        }
        assert!(version < 100, "slots are reused: the device never becomes full");
        if version > 20 {
            // It does not, as long as changes are small. A large one does not fit.
            match now(store.stage(&mut staged, &images(200, version))) {
                Ok(()) => panic!("two hundred images in a file of 130 slots"),
                Err(error) => break error,
            }
        }
    };
    assert!(matches!(full, StoreError::Full), "{full}");
    store.abandon(staged);
    storage.set_capacity_bytes(None);
    for page in 0..20 {
        let read = now(store.read(PageId::new(page * 3000))).expect("undamaged").expect("present");
        assert!(read.lsn().get() == 1 || read.lsn().get() == version - 1);
    }
    let mut staged = Staged::default();
    now(store.stage(&mut staged, &images(200, version + 1))).expect("there is room again");
    now(store.switch(staged, &[])).expect("switched");
    assert!(matches!(now(store.read(PageId::new(199 * 3000))), Ok(Some(_))));
}
