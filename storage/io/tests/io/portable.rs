//! The storage on a file system.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use redoubt_io::portable::{PortableOptions, PortableStorage};
use redoubt_io::{IoBuf, LogDevice, PageDevice, Storage};

use crate::block_on::block_on;
use crate::contract;

fn open(root: &Path) -> PortableStorage {
    PortableStorage::open(root, PortableOptions::default()).expect("opens")
}

#[test]
fn keeps_the_contract() {
    for direct_log in [true, false] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root = directory.path().join("made/by/opening");
        let options = PortableOptions { direct_log, log_threads: 1, page_threads: 1 };
        block_on(contract::check_all(&PortableStorage::open(&root, options).expect("opens")));
    }
}

#[test]
fn everything_is_there_after_reopening() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    block_on(async {
        let storage = open(directory.path());
        let log = storage.open_log("log", 1 << 20).await.expect("creates");
        let pages = storage.open_pages("pages").await.expect("creates");
        pages.grow(8192).await.expect("grows");
        log.write_at_and_flush(4096, IoBuf::from_slice(&[3; 8192])).await.expect("writes");
        pages.write_at(0, IoBuf::from_slice(&[4; 8192])).await.expect("writes");
        pages.flush().await.expect("flushes");
        storage.write_control("epoch", b"5").await.expect("writes");
    });
    block_on(async {
        let storage = open(directory.path());
        let log = storage.open_log("log", 1 << 20).await.expect("opens");
        let pages = storage.open_pages("pages").await.expect("opens");
        assert_eq!(*log.read_at(4096, 8192).await.expect("reads"), [3; 8192]);
        assert_eq!(*pages.read_at(0, 8192).await.expect("reads"), [4; 8192]);
        assert_eq!(storage.read_control("epoch").await.expect("reads").as_deref(), Some(&b"5"[..]));
    });
}

#[test]
fn what_a_crash_left_unfinished_is_cleared_away() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = directory.path();
    fs::create_dir(root.join("node")).expect("creates");
    // A log whose filling was cut short, and a control file that was never renamed.
    fs::write(root.join("node/.tmp-log"), [0; 100]).expect("writes");
    fs::write(root.join(".tmp-epoch"), b"half").expect("writes");
    fs::create_dir(root.join("lost+found")).expect("creates");
    fs::write(root.join("lost+found/.tmp-x"), b"not ours").expect("writes");
    let storage = open(root);
    assert!(!root.join("node/.tmp-log").exists() && !root.join(".tmp-epoch").exists());
    assert!(root.join("lost+found/.tmp-x").exists());
    block_on(async {
        assert_eq!(storage.names().await.expect("lists"), [""; 0]);
        let log = storage.open_log("node/log", 200_000).await.expect("creates");
        assert_eq!(log.len_bytes(), 200_000);
    });
    assert!(!root.join("node/.tmp-log").exists());
}

#[test]
fn a_log_occupies_its_blocks_from_the_start() {
    use std::os::unix::fs::MetadataExt;
    let directory = tempfile::tempdir().expect("a temporary directory");
    block_on(open(directory.path()).open_log("log", 3_000_000)).expect("creates");
    let metadata = fs::metadata(directory.path().join("log")).expect("is there");
    assert!(metadata.blocks() * 512 >= 3_000_000, "{} blocks", metadata.blocks());
}

#[test]
fn a_damaged_control_file_is_an_error() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let storage = open(directory.path());
    let path = directory.path().join("epoch");
    block_on(storage.write_control("epoch", b"7")).expect("writes");
    let mut bytes = fs::read(&path).expect("reads");
    *bytes.last_mut().expect("not empty") ^= 1;
    fs::write(&path, &bytes).expect("writes");
    let error = block_on(storage.read_control("epoch")).expect_err("damaged");
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().ends_with("epoch: checksum mismatch"), "{error}");
}

#[test]
fn a_dropped_future_does_not_take_its_operation_back() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    block_on(async {
        let storage = open(directory.path());
        let log = storage.open_log("log", 1 << 20).await.expect("creates");
        for slot in 0..64_u64 {
            let mut write = Box::pin(log.write_at(slot * 4096, IoBuf::from_slice(&[slot as u8; 4096])));
            let waker = std::task::Waker::noop();
            // Started, and abandoned unless it was done at once.
            let _ = write.as_mut().poll(&mut std::task::Context::from_waker(waker));
        }
    });
    // Dropping the storage and the log waited for the threads, and so for every write.
    let bytes = fs::read(directory.path().join("log")).expect("reads");
    for slot in 0..64 {
        assert_eq!(bytes[slot * 4096..][..4096], [slot as u8; 4096]);
    }
}

#[test]
fn many_operations_at_once() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let storage = open(directory.path());
    let pages = block_on(storage.open_pages("pages")).expect("creates");
    block_on(pages.grow(64 * 8192)).expect("grows");
    std::thread::scope(|scope| {
        for writer in 0..8_u64 {
            let pages = pages.clone();
            scope.spawn(move || {
                block_on(async {
                    for page in (writer..64).step_by(8) {
                        pages
                            .write_at(page * 8192, IoBuf::from_slice(&[page as u8; 8192]))
                            .await
                            .expect("writes");
                        pages.flush().await.expect("flushes");
                        assert_eq!(
                            *pages.read_at(page * 8192, 8192).await.expect("reads"),
                            [page as u8; 8192]
                        );
                    }
                });
            });
        }
    });
    let whole = block_on(pages.read_at(0, 64 * 8192)).expect("reads");
    assert!((0..64).all(|page| whole[page * 8192..][..8192] == [page as u8; 8192]));
}

/// To run it: `mount -t tmpfs -o size=2m tmpfs DIR`, then with `REDOUBT_SMALL_DISK=DIR`.
#[test]
fn a_full_disk_refuses_growth_and_takes_control_files() {
    let Ok(root) = std::env::var("REDOUBT_SMALL_DISK") else {
        eprintln!("SKIPPED: needs an empty small file system, named by REDOUBT_SMALL_DISK");
        return;
    };
    let root = Path::new(&root);
    block_on(async {
        let storage = open(root);
        storage.write_control("epoch", b"0").await.expect("writes");
        let pages = storage.open_pages("pages").await.expect("creates");
        pages.grow(8192).await.expect("grows");
        pages.write_at(0, IoBuf::from_slice(&[1; 8192])).await.expect("writes");
        let mut len_bytes = 8192;
        while pages.grow(len_bytes + 4096).await.is_ok() {
            len_bytes += 4096;
        }
        assert_eq!(pages.grow(u64::from(u32::MAX)).await.expect_err("full").kind(), ErrorKind::StorageFull);
        assert_eq!(pages.len_bytes(), len_bytes);
        assert_eq!(fs::metadata(root.join("pages")).expect("is there").len(), len_bytes);
        let refused = storage.open_log("log", 1 << 20).await.expect_err("full");
        assert_eq!(refused.kind(), ErrorKind::StorageFull);
        assert!(!root.join("log").exists() && !root.join(".tmp-log").exists());
        for round in 0..200_u32 {
            let contents = vec![round as u8; (round as usize * 331) % 65_536];
            storage.write_control(&format!("epoch-{}", round % 3), &contents).await.expect("reserved space");
            let found = storage.read_control(&format!("epoch-{}", round % 3)).await.expect("reads");
            assert_eq!(found, Some(contents));
        }
        pages.write_at(0, IoBuf::from_slice(&[2; 8192])).await.expect("its space is its own");
        pages.flush().await.expect("flushes");
        drop(open(root));
        storage.remove("pages").await.expect("removes");
        drop(pages);
        storage.open_log("log", 1 << 20).await.expect("there is room again");
    });
}
