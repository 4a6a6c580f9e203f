//! The storage that chooses its device.

use std::io::ErrorKind;

use redoubt_io::portable::PortableOptions;
use redoubt_io::{Choice, Device, DiskStorage, IoBuf, IoMethod, LogDevice, PageDevice, Storage, Stretch};

use crate::contract;

fn open(root: &std::path::Path, device: Device) -> DiskStorage {
    DiskStorage::open(root, device, PortableOptions::default()).expect("opens")
}

/// The devices of this machine; the portable one alone where the kernel refuses rings.
pub fn devices() -> Vec<Device> {
    let best = IoMethod::Auto.choose().expect("there is always one").device;
    if best == Device::Portable { vec![best] } else { vec![best, Device::Portable] }
}

#[test]
fn every_device_keeps_the_contract() {
    for device in devices() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let storage = open(directory.path(), device);
        let checked = storage.clone();
        storage.drive(async move { contract::check_all(&checked).await }).expect("an executor");
    }
}

/// The threads of this process with this name.
fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("a list of threads");
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|found| found.trim_end() == name).count()
}

#[test]
fn reads_for_peers_have_a_ring_of_their_own_whatever_shards_use() {
    let is_refused = IoMethod::Auto.choose().expect("there is always one").instead_because.is_some();
    for device in devices() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let storage = open(directory.path(), device);
        let used = storage.clone();
        let read = async move {
            let pages = used.open_pages("pages").await.expect("opens");
            pages.grow(8192).await.expect("grows");
            pages.read_stretches(&[Stretch { offset: 0, len: 8192 }]).await.expect("reads");
            threads_named("redoubt-ship")
        };
        let threads = storage.drive(read).expect("an executor");
        if !is_refused {
            assert_eq!(storage.reader_for_peers(), "tokio-uring");
            assert!(threads >= 1, "{device:?}: the thread of tokio-uring reads");
        }
    }
}

#[test]
fn what_one_device_wrote_the_other_reads() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (turn, device) in (1_u8..).zip(devices().into_iter().chain(devices())) {
        let storage = open(directory.path(), device);
        let used = storage.clone();
        let run = async move {
            let log = used.open_log("log", 1 << 20).await.expect("opens");
            let pages = used.open_pages("pages").await.expect("opens");
            pages.grow(8192).await.expect("grows");
            if turn > 1 {
                assert_eq!(*log.read_at(4096, 8192).await.expect("reads"), [turn - 1; 8192]);
                assert_eq!(*log.read_at(5000, 77).await.expect("reads"), [turn - 1; 77], "by the other way");
                assert_eq!(*pages.read_at(0, 8192).await.expect("reads"), [turn - 1; 8192]);
            }
            log.write_at_and_flush(4096, IoBuf::from_slice(&[turn; 8192])).await.expect("writes");
            pages.write_at(0, IoBuf::from_slice(&[turn; 8192])).await.expect("writes");
            pages.flush().await.expect("flushes");
        };
        storage.drive(run).expect("an executor");
    }
}

#[test]
fn a_ring_file_is_for_the_thread_that_drives_it() {
    let Device::Glommio = devices()[0] else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let storage = open(directory.path(), Device::Glommio);
    let refused = redoubt_io::block_on(storage.open_log("log", 4096)).expect_err("no executor here");
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
}

#[test]
fn methods_by_name() {
    let check =
        |name: &str, expect: Option<IoMethod>| assert_eq!(IoMethod::from_name(name), expect, "{name}");
    check("auto", Some(IoMethod::Auto));
    check("glommio", Some(IoMethod::Glommio));
    check("portable", Some(IoMethod::Portable));
    check("worker", None);
    let portable = Choice { device: Device::Portable, instead_because: None };
    assert_eq!(IoMethod::Portable.choose().expect("always there"), portable);
    let instead = Choice { instead_because: Some("io_uring is refused".into()), ..portable };
    assert_eq!(instead.to_string(), "portable, because io_uring is refused");
}
