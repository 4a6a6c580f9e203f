//! Append, acknowledge, read, grow, close, open.

use redoubt_client::VolumeError;
use redoubt_embedded::{ClusterError, EmbeddedCluster, EmbeddedOptions};
use redoubt_io::forgetting::ForgettingStorage;
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
