//! Append, acknowledge, read, grow, close, open.

use redoubt_client::VolumeError;
use redoubt_embedded::{ClusterError, EmbeddedCluster, EmbeddedOptions};
use redoubt_io::forgetting::ForgettingStorage;
use redoubt_io::{Device, IoMethod};
use redoubt_node::ShardOptions;
use redoubt_page::{Lsn, PageId};

use crate::model::{Model, small_options};

#[test]
fn what_was_appended_is_read_back_after_reopening() {
    let storage = ForgettingStorage::new();
    let mut model = Model::default();
    let (volume, cluster) =
        EmbeddedCluster::create_on(storage.clone(), small_options()).expect("a new cluster");
    assert_eq!(volume.vdl(), Lsn::ZERO);
    let mut last = Lsn::ZERO;
    for round in 0_u64..50 {
        let pages = [PageId::new(round % 7), PageId::new(20 + round % 3)];
        last = model.put(&volume, &pages, format!("round {round}").as_bytes());
    }
    volume.wait_durable_blocking(last).expect("durable");
    assert_eq!(volume.vdl(), last);
    model.check_all(&volume, last);
    model.check_all(&volume, Lsn::new(last.get() - 20));
    let epoch = volume.volume_epoch();
    cluster.shutdown().expect("a clean end");
    let refused = volume.wait_durable_blocking(last.next());
    assert!(matches!(refused, Err(VolumeError::Unavailable(_))), "{refused:?}");

    let (volume, cluster) = EmbeddedCluster::open_on(storage, small_options()).expect("opened again");
    assert!(volume.volume_epoch() > epoch);
    assert_eq!(volume.vdl(), last);
    model.check_all(&volume, last);
    let next = model.put(&volume, &[PageId::new(1)], b"after");
    assert!(next.get() > last.get() + 10_000, "numbers begin above the voided range");
    volume.wait_durable_blocking(next).expect("durable");
    model.check_all(&volume, next);
    cluster.shutdown().expect("a clean end");
}

#[test]
fn a_directory_is_used_by_one_cluster_at_a_time() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let refused = EmbeddedCluster::create(directory.path(), small_options());
    assert!(matches!(refused, Err(ClusterError::Options(_))), "a log as small as in these tests");
    let options = EmbeddedOptions { segment_pages: 16, ..EmbeddedOptions::default() };
    let mut model = Model::default();
    let absent = EmbeddedCluster::open(directory.path(), options);
    assert!(absent.is_err(), "there is nothing to open yet");
    let (volume, cluster) = EmbeddedCluster::create(directory.path(), options).expect("a new cluster");
    let last = model.put(&volume, &[PageId::new(3)], b"on disk");
    volume.wait_durable_blocking(last).expect("durable");
    assert!(matches!(EmbeddedCluster::open(directory.path(), options), Err(ClusterError::Lock(_))));
    cluster.shutdown().expect("a clean end");
    let again = EmbeddedCluster::create(directory.path(), options);
    assert!(again.is_err(), "a cluster is not made over another");
    let (volume, _cluster) = EmbeddedCluster::open(directory.path(), options).expect("opened again");
    model.check_all(&volume, last);
}

/// The devices of this machine; the portable one alone where the kernel refuses rings.
fn devices() -> Vec<Device> {
    let best = IoMethod::Auto.choose().expect("there is always one").device;
    if best == Device::Portable { vec![best] } else { vec![best, Device::Portable] }
}

#[test]
fn one_device_opens_what_another_wrote() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut model, mut last) = (Model::default(), Lsn::ZERO);
    for (turn, device) in devices().into_iter().chain(devices()).enumerate() {
        // A directory's cluster is held to what users may ask for.
        let shard = ShardOptions { log_bytes: 64 << 20, ..small_options().shard };
        let options = EmbeddedOptions { device, shard, allocation_limit: 1_000_000, ..small_options() };
        let opened = match turn {
            0 => EmbeddedCluster::create(directory.path(), options),
            _ => EmbeddedCluster::open(directory.path(), options),
        };
        let (volume, cluster) = opened.expect("a cluster");
        assert!(volume.vdl() >= last, "by {device:?}: {} is left of {last}", volume.vdl());
        model.check_all(&volume, volume.vdl());
        // More than the ring holds, so that chunks are indexed, made into images and used again.
        for step in 0..6000 {
            let pages = [PageId::new(step % 16), PageId::new(16 + step % 30)];
            last = model.put(&volume, &pages, &[b'a' + (step % 26) as u8; 200]);
            if step % 16 == 0 {
                volume.wait_durable_blocking(last).expect("durable");
                volume.set_read_floor(volume.vdl());
                model.forget_below(volume.vdl());
            }
        }
        volume.wait_durable_blocking(last).expect("durable");
        model.check_all(&volume, last);
        assert!(cluster.counters().chunks_recycled > 0, "{:?}", cluster.counters());
        assert_eq!(cluster.counters().damage_found, 0);
        cluster.shutdown().expect("a clean end");
    }
}
