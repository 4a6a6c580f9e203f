//! The pool and mini-transactions under threads: what is in memory is what the log makes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use redoubt_buffer::fields::u64_at;
use redoubt_buffer::{BufferPool, Lsn, MemVolume, PageId, PageVolume, kinds};
use redoubt_page::{Op, PatchTarget};

fn pool_of(volume: &MemVolume, pages: usize) -> BufferPool {
    BufferPool::new(Arc::new(volume.clone()), pages)
}

/// A page with one counter of eight bytes in slot 0.
fn make_counter(pool: &BufferPool, id: PageId) {
    let pin = pool.pin(id).unwrap();
    let mut mtr = pool.begin_mtr(1, 64).unwrap();
    let page = mtr.latch(&pin);
    mtr.change(page, &Op::Initialise { kind: kinds::HEAP, special: &[] });
    mtr.change(page, &Op::InsertItem { slot: 0, bytes: &[0; 8], shift: false });
    mtr.commit();
}

fn counter(pool: &BufferPool, id: PageId) -> u64 {
    u64_at(pool.pin(id).unwrap().read().item(0).unwrap(), 0)
}

/// A small generator, so that runs repeat.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[test]
fn transfers_between_pages_are_atomic_and_survive_eviction() {
    const PAGES: u64 = 200;
    let volume = MemVolume::new();
    let pool = pool_of(&volume, 32);
    (0..PAGES).for_each(|id| make_counter(&pool, PageId::new(id)));
    let total = AtomicU64::new(0);
    thread::scope(|scope| {
        for seed in 1..=4 {
            let (pool, total) = (&pool, &total);
            scope.spawn(move || {
                let mut dice = Dice(seed * 7919);
                for _ in 0..2000 {
                    // Two different pages, latched in the order of their numbers.
                    let (a, b) = (dice.roll(PAGES), dice.roll(PAGES));
                    if a == b {
                        continue;
                    }
                    let pins = [a.min(b), a.max(b)].map(|id| pool.pin(PageId::new(id)).unwrap());
                    let mut mtr = pool.begin_mtr(2, 64).unwrap();
                    for pin in &pins {
                        let page = mtr.latch(pin);
                        let value = u64_at(mtr.page(page).item(0).unwrap(), 0) + 1;
                        let target = PatchTarget::Slot(0);
                        mtr.change(page, &Op::PatchBytes { target, offset: 0, bytes: &value.to_le_bytes() });
                    }
                    mtr.commit();
                    total.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
    });
    let sum: u64 = (0..PAGES).map(|id| counter(&pool, PageId::new(id))).sum();
    assert_eq!(sum, total.into_inner());
    assert!(pool.stats().pages_dropped > 100, "the pool is smaller than the pages: {:?}", pool.stats());
    volume.assert_pool_matches(&pool);

    // A crash at any consistency point shows whole transfers only.
    let cpls = volume.cpls();
    for cpl in cpls[PAGES as usize..].iter().step_by(977) {
        let crashed = pool_of(&volume.crashed_at(*cpl), 1000);
        let sum: u64 = (0..PAGES).map(|id| counter(&crashed, PageId::new(id))).sum();
        assert_eq!(sum % 2, 0, "half a transfer at {cpl}");
    }
}

#[test]
fn a_page_above_the_durable_end_stays() {
    let volume = MemVolume::new();
    let pool = pool_of(&volume, 4);
    make_counter(&pool, PageId::new(0));
    volume.hold();
    for id in 1..50 {
        make_counter(&pool, PageId::new(id));
    }
    // Nothing of this is durable: the pool grows beyond its size rather than forget it.
    pool.drop_unpinned();
    assert_eq!(pool.stats().pages, 49);
    volume.release(Some(Lsn::new(20)));
    pool.drop_unpinned();
    assert_eq!(pool.stats().pages, 30);
    volume.release(None);
    (0..50).for_each(|id| assert_eq!(counter(&pool, PageId::new(id)), 0));
    assert!(pool.stats().pages <= 5, "{:?}", pool.stats());
}

#[test]
fn a_pinned_page_stays() {
    let volume = MemVolume::new();
    let pool = pool_of(&volume, 4);
    (0..20).for_each(|id| make_counter(&pool, PageId::new(id)));
    let pin = pool.pin(PageId::new(3)).unwrap();
    let fetched = pool.stats().pages_fetched;
    (4..20).for_each(|id| assert_eq!(counter(&pool, PageId::new(id)), 0));
    assert!(pool.stats().pages_fetched > fetched);
    let before = pool.stats().pages_fetched;
    assert!(pool.pin(PageId::new(3)).unwrap().is_same(&pin));
    assert_eq!(pool.stats().pages_fetched, before);
}

#[test]
fn many_want_the_same_missing_page() {
    let volume = MemVolume::new();
    let pool = pool_of(&volume, 64);
    (0..8).for_each(|id| make_counter(&pool, PageId::new(id)));
    for _ in 0..200 {
        pool.drop_unpinned();
        let before = pool.stats().pages_fetched;
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..8).for_each(|id| assert_eq!(counter(&pool, PageId::new(id)), 0)));
            }
        });
        assert_eq!(pool.stats().pages_fetched - before, 8, "each page is fetched once");
    }
}

#[test]
fn a_fenced_instance_neither_reads_nor_writes() {
    let volume = MemVolume::new();
    let pool = pool_of(&volume, 4);
    make_counter(&pool, PageId::new(0));
    volume.hold();
    make_counter(&pool, PageId::new(1));
    volume.fence();
    assert!(pool.begin_mtr(1, 10).is_err());
    assert!(pool.pin(PageId::new(77)).is_err());
    assert!(pool.wait_durable(Lsn::new(2)).is_err());
    assert!(pool.wait_durable(volume.vdl()).is_ok());
}

#[test]
#[should_panic(expected = "dropped without being committed")]
fn a_changed_mtr_must_commit() {
    let pool = pool_of(&MemVolume::new(), 4);
    let pin = pool.pin(PageId::new(0)).unwrap();
    let mut mtr = pool.begin_mtr(1, 64).unwrap();
    let page = mtr.latch(&pin);
    mtr.change(page, &Op::Initialise { kind: kinds::HEAP, special: &[] });
}

#[test]
#[should_panic(expected = "more pages than it reserved")]
fn a_budget_is_kept() {
    let pool = pool_of(&MemVolume::new(), 4);
    let pins = [0, 1].map(|id| pool.pin(PageId::new(id)).unwrap());
    let mut mtr = std::mem::ManuallyDrop::new(pool.begin_mtr(1, 64).unwrap());
    for pin in &pins {
        let page = mtr.latch(pin);
        mtr.change(page, &Op::Initialise { kind: kinds::HEAP, special: &[] });
    }
}
