//! Devices that fail or fill up.

use redoubt_client::VolumeError;
use redoubt_embedded::EmbeddedCluster;
use redoubt_io::forgetting::{Fault, ForgettingStorage};
use redoubt_page::PageId;

use crate::kills::Seeded;
use crate::model::{Model, small_options};
use crate::storage_size;

#[test]
fn a_failed_flush_ends_the_cluster_and_acknowledges_nothing() {
    let (storage, mut model) = (ForgettingStorage::new(), Model::default());
    let (volume, cluster) =
        EmbeddedCluster::create_on(storage.clone(), small_options()).expect("a new cluster");
    let first = model.put(&volume, &[PageId::new(1)], b"durable");
    volume.wait_durable_blocking(first).expect("durable");
    // Two chunks were used: creating the volume took the first, as nothing was opened again.
    for place in 0..3 {
        let name = format!("log/chunk-{place:05}");
        if storage.durable(&name).is_some() {
            storage.inject(&name, Fault::Flush);
        }
    }
    let second = model.put(&volume, &[PageId::new(1)], b"lost");
    let refused = volume.wait_durable_blocking(second);
    assert!(matches!(refused, Err(VolumeError::Unavailable(_))), "{refused:?}");
    assert_eq!(volume.vdl(), first);
    assert!(volume.reserve(1, 100).is_err());
    assert!(volume.read_page(PageId::new(1), first).is_err());
    assert!(cluster.shutdown().is_err());
    // What the device says it holds is what counts after a restart, and that is what media have.
    storage.kill(1);
    let (volume, cluster) = EmbeddedCluster::open_on(storage, small_options()).expect("opened again");
    assert_eq!(volume.vdl(), first);
    model.roll_back_to(first);
    model.check_all(&volume, first);
    cluster.shutdown().expect("a clean end");
}

#[test]
fn a_full_device_holds_writers_back_until_it_has_space() {
    let (storage, mut model, mut random) = (ForgettingStorage::new(), Model::default(), Seeded::new(4));
    let mut options = small_options();
    options.shard.log_bytes = 24 << 20;
    let (volume, cluster) = EmbeddedCluster::create_on(storage.clone(), options).expect("a new cluster");
    let mut last = model.put(&volume, &[PageId::new(0), PageId::new(20)], b"first");
    volume.wait_durable_blocking(last).expect("durable");
    let floor = last;
    // Not one byte more than now: neither another chunk nor another image.
    storage.set_capacity_bytes(Some(storage_size(&storage) as u64));
    for _ in 0..3000 {
        let text = vec![b'y'; 1 + random.below(900) as usize];
        last = model.put(&volume, &[PageId::new(random.below(16)), PageId::new(16)], &text);
    }
    assert!(volume.vdl() < last, "there is no space for all of it");
    model.check_all(&volume, floor);
    storage.set_capacity_bytes(None);
    for cpl in model.mtrs.keys() {
        volume.set_read_floor(volume.vdl());
        volume.wait_durable_blocking(*cpl).expect("durable");
    }
    model.check_all(&volume, last);
    cluster.shutdown().expect("a clean end");
}

#[test]
fn control_files_are_written_on_a_full_device() {
    let (storage, mut model) = (ForgettingStorage::new(), Model::default());
    let (volume, cluster) =
        EmbeddedCluster::create_on(storage.clone(), small_options()).expect("a new cluster");
    let last = model.put(&volume, &[PageId::new(0)], b"first");
    volume.wait_durable_blocking(last).expect("durable");
    cluster.shutdown().expect("a clean end");
    // Opening needs the next epoch in the metadata, promises in the log, and a lap for them.
    storage.set_capacity_bytes(Some(storage_size(&storage) as u64));
    for _ in 0..6 {
        let (volume, cluster) =
            EmbeddedCluster::open_on(storage.clone(), small_options()).expect("opened on a full device");
        assert_eq!(volume.vdl(), last);
        model.check_all(&volume, last);
        cluster.shutdown().expect("a clean end");
    }
}
