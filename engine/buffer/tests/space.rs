//! The space allocator: relations grow, go, and give their extents back, whatever crash comes in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;

use redoubt_buffer::{
    BufferPool, Ceiling, EXTENT_PAGES, Fate, Fork, Lsn, MemVolume, PageId, PageVolume, Register, RelKey,
    RelNode, Space, kinds,
};
use redoubt_page::Op;

fn open(volume: &MemVolume) -> Space {
    let pool = BufferPool::new(Arc::new(volume.clone()), 256);
    if Space::is_formatted(&pool).unwrap() {
        Space::open(&pool).unwrap()
    } else {
        Space::create(&pool, 42).unwrap()
    }
}

fn key(node: u32) -> RelKey {
    RelKey::main(RelNode(node))
}

/// Every block of every relation, with the pages they are; fails when two share one.
fn blocks(space: &Space) -> BTreeMap<PageId, (u32, u32)> {
    let mut owners = BTreeMap::new();
    for key in space.relation_keys() {
        let relation = space.existing_relation(key).unwrap();
        for block in 0..relation.nblocks() {
            let page = space.page_of(&relation, block).unwrap();
            let other = owners.insert(page, (key.node.0, block));
            assert_eq!(other, None, "{page} belongs to {key:?} block {block} as well");
        }
    }
    owners
}

/// Adds a block that says whose it is.
fn extend(space: &Space, node: u32) {
    let relation = space.existing_relation(key(node)).unwrap();
    let (block, pin) = space.extend(&relation, kinds::HEAP, &[]).unwrap();
    let mut mtr = space.pool().begin_mtr(1, 64).unwrap();
    let page = mtr.latch(&pin);
    assert_eq!(mtr.page(page).slot_count(), 0, "a new block is empty");
    let label = [node.to_le_bytes(), block.to_le_bytes()].concat();
    mtr.change(page, &Op::InsertItem { slot: 0, bytes: &label, shift: false });
    mtr.commit();
}

fn check_labels(space: &Space) {
    for (page, (node, block)) in blocks(space) {
        let pin = space.pool().pin(page).unwrap();
        // The label is a mini-transaction of its own, so a crash may have come before it.
        if let Some(label) = pin.read().item(0) {
            assert_eq!(label, [node.to_le_bytes(), block.to_le_bytes()].concat(), "{page}");
        }
    }
}

#[test]
fn relations_grow_through_every_level_of_the_map() {
    let volume = MemVolume::new();
    let space = open(&volume);
    for node in [1, 2] {
        space.create_relation(key(node), 0).unwrap();
    }
    let big = space.existing_relation(key(1)).unwrap();
    // 48 direct extents, then single maps of 672 extents each.
    let target = (48 + 672 + 3) * 16;
    for block in 0..target {
        assert_eq!(space.extend(&big, kinds::HEAP, &[]).unwrap().0, block);
        if block % 100 == 0 {
            extend(&space, 2);
        }
    }
    let before = blocks(&space);
    assert_eq!(before.len() as u32, target + target.div_ceil(100));
    volume.assert_pool_matches(space.pool());
    assert_eq!(before, blocks(&open(&volume)));
}

#[test]
fn what_is_freed_is_used_again_and_only_that() {
    let volume = MemVolume::new();
    let space = open(&volume);
    for node in 1..=3 {
        space.create_relation(key(node), 7).unwrap();
        // More extents than one page of the free list holds.
        for _ in 0..400 * 16 {
            space.extend(&space.existing_relation(key(node)).unwrap(), kinds::HEAP, &[]).unwrap();
        }
    }
    let highest = *blocks(&space).keys().last().unwrap();
    space.drop_relation(key(1), 8).unwrap();
    space.drop_relation(key(3), 9).unwrap();
    let fate = |xid| Ok(if xid == 9 { Fate::Aborted } else { Fate::Settled });
    assert_eq!(space.sweep(&mut |_| Ok(Fate::Unsettled)).unwrap(), 0);
    assert_eq!(space.sweep(&mut { fate }).unwrap(), 1);
    assert!(space.relation(key(1)).unwrap().is_none());
    assert_eq!(space.drop_relation(key(1), 1).unwrap_err().code().as_str(), "58P01");
    for node in [3, 2] {
        space.drop_relation(key(node), 10).unwrap();
    }
    assert_eq!(space.sweep(&mut { fate }).unwrap(), 2);
    assert!(blocks(&space).is_empty());

    space.create_relation(key(4), 0).unwrap();
    assert_eq!(space.create_relation(key(4), 0).unwrap_err().code().as_str(), "58P02");
    for _ in 0..1150 * 16 {
        extend(&space, 4);
    }
    check_labels(&space);
    // A mini-transaction takes from one page of the free list only, so a map page's extent may be a new one.
    let slack = PageId::new(highest.get() + 2 * EXTENT_PAGES);
    assert!(*blocks(&space).keys().last().unwrap() <= slack, "freed extents are used before new ones");
    volume.assert_pool_matches(space.pool());
    check_labels(&open(&volume));
}

#[test]
fn a_truncated_relation_grows_again() {
    let volume = MemVolume::new();
    let space = open(&volume);
    space.create_relation(key(1), 0).unwrap();
    (0..50).for_each(|_| extend(&space, 1));
    space.truncate(&space.existing_relation(key(1)).unwrap(), 5).unwrap();
    let space = open(&volume);
    assert_eq!(space.existing_relation(key(1)).unwrap().nblocks(), 5);
    (0..60).for_each(|_| extend(&space, 1));
    check_labels(&space);
    volume.assert_pool_matches(space.pool());
}

#[test]
fn a_crash_anywhere_leaves_one_owner_per_extent() {
    let volume = MemVolume::new();
    let space = open(&volume);
    let xid_of = |node: u32| u64::from(node) + 1000;
    // Odd transactions fail.
    let mut fate = |xid: u64| Ok(if xid % 2 == 1 { Fate::Aborted } else { Fate::Settled });
    for node in 1..40 {
        space.create_relation(key(node), xid_of(node)).unwrap();
        (0..node * 4).for_each(|_| extend(&space, node));
        if node % 3 == 0 {
            // It may be gone already, with the transaction that created it.
            let _ = space.drop_relation(key(node / 2 + 1), xid_of(node));
        }
        if node % 5 == 0 {
            space.sweep(&mut fate).unwrap();
        }
    }
    let cpls = volume.cpls();
    for cpl in cpls[2..].iter().step_by(41) {
        let left = volume.crashed_at(*cpl);
        let space = open(&left);
        check_labels(&space);
        space.sweep(&mut fate).unwrap();
        space.create_relation(key(99), 0).unwrap();
        (0..100).for_each(|_| extend(&space, 99));
        check_labels(&space);
        left.assert_pool_matches(space.pool());
    }
}

#[test]
fn threads_extend_and_create_without_sharing_a_page() {
    let volume = MemVolume::new();
    let space = open(&volume);
    space.create_relation(key(1), 0).unwrap();
    thread::scope(|scope| {
        for thread in 0..4 {
            let space = &space;
            scope.spawn(move || {
                for round in 0..50 {
                    let own = 100 + thread * 100 + round;
                    space.create_relation(key(own), 0).unwrap();
                    for _ in 0..20 {
                        extend(space, own);
                        extend(space, 1);
                    }
                    if round % 2 == 0 {
                        space.drop_relation(key(own), 5).unwrap();
                        space.sweep(&mut |_| Ok(Fate::Settled)).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(space.existing_relation(key(1)).unwrap().nblocks(), 4 * 50 * 20);
    check_labels(&space);
    volume.assert_pool_matches(space.pool());
    assert_eq!(blocks(&space), blocks(&open(&volume)));
}

#[test]
fn a_directory_of_many_pages() {
    let volume = MemVolume::new();
    let space = open(&volume);
    let forks = [Fork::Main, Fork::FreeSpace, Fork::Visibility];
    for node in 1..2000 {
        space.create_relation(RelKey { node: RelNode(node), fork: forks[node as usize % 3] }, 0).unwrap();
    }
    let reopened = open(&volume);
    let (before, after): (BTreeSet<_>, BTreeSet<_>) =
        (space.relation_keys().into_iter().collect(), reopened.relation_keys().into_iter().collect());
    assert_eq!(before.len(), 1999);
    assert_eq!(before, after);
}

#[test]
fn ceilings_precede_their_use() {
    let volume = MemVolume::new();
    let space = open(&volume);
    assert_eq!(space.ceiling(Ceiling::Xid), 3);
    assert_eq!(space.raise_ceiling(Ceiling::Xid, 100).unwrap(), 100);
    assert_eq!(space.raise_ceiling(Ceiling::Xid, 50).unwrap(), 100);
    space.raise_ceiling(Ceiling::Oid, 99_999).unwrap();
    space.set_register(Register::CatalogVersion, 5).unwrap();
    let before = volume.vdl();
    space.raise_ceiling(Ceiling::Xid, 200).unwrap();
    for (cpl, xid) in [(before, 100), (volume.vdl(), 200), (Lsn::new(2), 3)] {
        assert_eq!(open(&volume.crashed_at(cpl)).ceiling(Ceiling::Xid), xid);
    }
    let space = open(&volume);
    assert_eq!((space.ceiling(Ceiling::Oid), space.register(Register::CatalogVersion)), (99_999, 5));
    assert_eq!(space.system_identifier(), 42);
}
