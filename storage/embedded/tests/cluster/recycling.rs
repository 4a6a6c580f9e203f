//! The log goes round: records become images, chunks are given back, files stop growing.

use redoubt_embedded::EmbeddedCluster;
use redoubt_io::forgetting::ForgettingStorage;
use redoubt_page::{Lsn, PageId};

use crate::kills::Seeded;
use crate::model::{Model, small_options};
use crate::storage_size;

/// Appends until the ring has gone round several times.
fn fill(volume: &redoubt_client::Volume, model: &mut Model, random: &mut Seeded, count: u64) -> Lsn {
    let mut last = volume.vdl();
    for step in 0..count {
        let text = vec![b'a' + (step % 26) as u8; 1 + random.below(900) as usize];
        let pages = [PageId::new(random.below(16)), PageId::new(16 + random.below(30))];
        last = model.put(volume, &pages, &text);
        if step % 16 == 0 {
            volume.wait_durable_blocking(last).expect("durable");
            volume.set_read_floor(volume.vdl());
            model.forget_below(volume.vdl());
        }
    }
    volume.wait_durable_blocking(last).expect("durable");
    last
}

#[test]
fn files_stop_growing_and_pages_stay_right() {
    let (storage, mut model, mut random) = (ForgettingStorage::new(), Model::default(), Seeded::new(1));
    let (mut volume, mut cluster) =
        EmbeddedCluster::create_on(storage.clone(), small_options()).expect("a new cluster");
    let mut sizes = Vec::new();
    for round in 0..6 {
        let last = fill(&volume, &mut model, &mut random, 4000);
        model.check_all(&volume, last);
        assert!(cluster.counters().chunks_recycled > 5, "{:?}", cluster.counters());
        assert_eq!(cluster.counters().damage_found, 0);
        sizes.push(storage_size(&storage));
        if round % 2 == 1 {
            cluster.shutdown().expect("a clean end");
            (volume, cluster) =
                EmbeddedCluster::open_on(storage.clone(), small_options()).expect("opened again");
            assert_eq!(volume.vdl(), last);
            model.check_all(&volume, last);
        }
    }
    // The ring takes another chunk or two when the background falls behind for a moment. The last three rounds
    // write more than ten times as much as is allowed here.
    assert!(sizes[5] <= sizes[2] + (4 << 20), "the files still grow: {sizes:?}");
    cluster.shutdown().expect("a clean end");
}

#[test]
fn an_idle_group_does_not_keep_the_log_from_going_round() {
    let (storage, mut model, mut random) = (ForgettingStorage::new(), Model::default(), Seeded::new(2));
    let (volume, cluster) =
        EmbeddedCluster::create_on(storage.clone(), small_options()).expect("a new cluster");
    // Group 5 is written to once, and never hears of its record's being durable by another one.
    model.put(&volume, &[PageId::new(5 * 16)], b"once");
    let last = fill(&volume, &mut model, &mut random, 12_000);
    assert!(cluster.counters().chunks_recycled > 20, "{:?}", cluster.counters());
    model.check_all(&volume, last);
    cluster.shutdown().expect("a clean end");
}

#[test]
fn a_full_log_holds_writers_back_and_loses_nothing() {
    let (storage, mut model, mut random) = (ForgettingStorage::new(), Model::default(), Seeded::new(3));
    let mut options = small_options();
    options.allocation_limit = 10_000_000;
    // Large enough for two fetches of the largest batches, and smaller than what may be unacknowledged.
    options.shard.log_bytes = 24 << 20;
    let (volume, cluster) = EmbeddedCluster::create_on(storage.clone(), options).expect("a new cluster");
    let mut last = model.put(&volume, &[PageId::new(0), PageId::new(20)], b"first");
    volume.wait_durable_blocking(last).expect("durable");
    // The floor stays here, so nothing can be made into an image, until the writer is held back.
    let floor = last;
    while let Some(_room) = volume.try_reserve(2, 8000).expect("not fenced") {
        drop(_room);
        let text = vec![b'x'; 1 + random.below(900) as usize];
        last = model.put(&volume, &[PageId::new(random.below(16)), PageId::new(16)], &text);
    }
    assert!(volume.vdl() < last, "the log is full");
    assert_eq!(cluster.counters().chunks_recycled, 0);
    model.check_all(&volume, floor);
    // Now the floor follows the end of the log, space is freed, and everything that waited is written.
    for cpl in model.mtrs.keys() {
        volume.set_read_floor(volume.vdl());
        volume.wait_durable_blocking(*cpl).expect("durable");
    }
    let next = model.put(&volume, &[PageId::new(1)], b"next");
    volume.wait_durable_blocking(next).expect("durable");
    model.check_all(&volume, next);
    assert!(cluster.counters().chunks_recycled > 0);
    cluster.shutdown().expect("a clean end");
}
