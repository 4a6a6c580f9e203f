//! The storage that forgets: it must forget all that it may, and nothing that it may not.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use redoubt_io::forgetting::{Fault, ForgettingStorage};
use redoubt_io::{IoBuf, LogDevice, PageDevice, Storage};

use crate::block_on::block_on;
use crate::contract;

const LOG_BYTES: usize = 64 * 512;

fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A log whose sectors hold 1 durably, then each one 2 and, the odd ones, 3 without a flush.
fn half_flushed() -> ForgettingStorage {
    let storage = ForgettingStorage::new();
    block_on(async {
        let log = storage.open_log("log", LOG_BYTES as u64).await.expect("creates");
        log.write_at_and_flush(0, IoBuf::from_slice(&[1; LOG_BYTES])).await.expect("writes");
        log.write_at(0, IoBuf::from_slice(&[2; LOG_BYTES])).await.expect("writes");
        for sector in (1..64).step_by(2) {
            log.write_at(sector * 512, IoBuf::from_slice(&[3; 512])).await.expect("writes");
        }
    });
    storage
}

fn read_log(storage: &ForgettingStorage) -> Vec<u8> {
    block_on(async {
        let log = storage.open_log("log", 0).await.expect("opens");
        log.read_at(0, log.len_bytes() as usize).await.expect("reads").to_vec()
    })
}

#[test]
fn keeps_the_contract() {
    block_on(contract::check_all(&ForgettingStorage::new()));
}

#[test]
fn a_kill_loses_keeps_mixes_and_tears() {
    let (mut lost, mut kept, mut cut, mut mixed, mut torn) = (0, 0, 0, 0, 0);
    for seed in 0..200 {
        let storage = half_flushed();
        storage.kill(seed);
        let found = read_log(&storage);
        let sectors: Vec<BTreeSet<u8>> =
            found.chunks(512).map(|sector| sector.iter().copied().collect()).collect();
        for (number, values) in sectors.iter().enumerate() {
            let possible = if number % 2 == 0 { 1..=2 } else { 1..=3 };
            assert!(values.iter().all(|value| possible.contains(value)), "sector {number}: {values:?}");
        }
        let whole: Option<Vec<u8>> =
            sectors.iter().map(|values| (values.len() == 1).then(|| *values.first().expect("one"))).collect();
        match whole {
            None => torn += 1,
            Some(values) if values.iter().all(|&value| value == 1) => lost += 1,
            Some(values) if (0..64).all(|at| values[at] == 2 + (at % 2) as u8) => kept += 1,
            // A cut between the small writes leaves 3 in the first odd sectors and 2 in the others.
            Some(values)
                if !values.contains(&1) && values.iter().skip(1).step_by(2).is_sorted_by(|a, b| a >= b) =>
            {
                cut += 1
            }
            Some(_) => mixed += 1,
        }
        storage.kill(seed + 1);
        assert_eq!(read_log(&storage), found, "what a kill left is on the medium");
    }
    for count in [lost, kept, cut, mixed, torn] {
        assert!(count >= 20, "lost {lost}, kept {kept}, cut {cut}, mixed {mixed}, torn {torn}");
    }
}

#[test]
fn the_same_seed_loses_the_same() {
    let outcomes: Vec<_> = [7, 7, 8]
        .map(|seed| {
            let storage = half_flushed();
            storage.kill(seed);
            read_log(&storage)
        })
        .into();
    assert_eq!(outcomes[0], outcomes[1]);
    let distinct: BTreeSet<_> = (0..50)
        .map(|seed| {
            let storage = half_flushed();
            storage.kill(seed);
            read_log(&storage)
        })
        .collect();
    assert!(distinct.len() > 20);
}

#[test]
fn what_was_flushed_is_never_lost() {
    for seed in 0..100 {
        let storage = half_flushed();
        block_on(async {
            let log = storage.open_log("log", 0).await.expect("opens");
            log.flush().await.expect("flushes");
        });
        let expected = read_log(&storage);
        assert_eq!(storage.durable("log").as_ref(), Some(&expected));
        storage.kill(seed);
        assert_eq!(read_log(&storage), expected);
    }
}

#[test]
fn devices_die_with_the_machine() {
    let storage = ForgettingStorage::new();
    block_on(async {
        let log = storage.open_log("log", 4096).await.expect("creates");
        let pages = storage.open_pages("pages").await.expect("creates");
        storage.kill(1);
        assert!(log.write_at(0, IoBuf::zeroed(1)).await.is_err());
        assert!(log.read_at(0, 1).await.is_err() && log.flush().await.is_err());
        assert!(pages.grow(1).await.is_err() && pages.flush().await.is_err());
        let again = storage.open_log("log", 4096).await.expect("opens");
        again.flush().await.expect("flushes");
    });
}

#[test]
fn growth_may_be_lost_until_it_is_flushed() {
    let mut lengths = BTreeSet::new();
    for seed in 0..100 {
        let storage = ForgettingStorage::new();
        block_on(async {
            let pages = storage.open_pages("pages").await.expect("creates");
            pages.grow(8192).await.expect("grows");
            pages.flush().await.expect("flushes");
            pages.grow(3 * 8192).await.expect("grows");
            pages.write_at(8192, IoBuf::from_slice(&[5; 2 * 8192])).await.expect("writes");
            storage.kill(seed);
            let pages = storage.open_pages("pages").await.expect("opens");
            lengths.insert(pages.len_bytes());
            let bytes = pages.read_at(0, pages.len_bytes() as usize).await.expect("reads");
            assert!(bytes.iter().all(|&byte| byte == 0 || byte == 5));
        });
    }
    assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [8192, 3 * 8192]);
}

#[test]
fn a_flush_covers_only_what_was_written_before_it_began() {
    let storage = ForgettingStorage::new();
    block_on(async {
        let log = storage.open_log("log", 1024).await.expect("creates");
        log.write_at(0, IoBuf::from_slice(&[1; 512])).await.expect("writes");
        storage.hold_flushes();
        let mut flush = pin!(log.flush());
        assert!(poll(flush.as_mut()).is_pending());
        log.write_at(0, IoBuf::from_slice(&[2; 512])).await.expect("writes");
        log.write_at(512, IoBuf::from_slice(&[2; 512])).await.expect("writes");
        assert_eq!((storage.held_flushes(), storage.durable("log")), (1, Some(vec![0; 1024])));
        storage.release_flushes();
        assert!(matches!(poll(flush.as_mut()), Poll::Ready(Ok(()))));
        let durable = storage.durable("log").expect("is there");
        assert_eq!((&durable[..512], &durable[512..]), (&[1; 512][..], &[0; 512][..]));
        assert_eq!(*log.read_at(0, 1024).await.expect("reads"), [2; 1024]);
        log.flush().await.expect("flushes at once again");
        assert_eq!((storage.durable("log"), storage.flush_count()), (Some(vec![2; 1024]), 2));
    });
}

#[test]
fn a_kill_during_a_flush_fails_it() {
    let storage = ForgettingStorage::new();
    let mut contents = BTreeSet::new();
    for seed in 0..40 {
        block_on(async {
            storage.write_control("epoch", b"old").await.expect("writes");
            let log = storage.open_log("log", 1024).await.expect("opens");
            storage.hold_flushes();
            let (mut flush, mut control) = (pin!(log.flush()), pin!(storage.write_control("epoch", b"new")));
            assert!(poll(flush.as_mut()).is_pending() && poll(control.as_mut()).is_pending());
            assert_eq!(storage.read_control("epoch").await.expect("reads").as_deref(), Some(&b"old"[..]));
            storage.kill(seed);
            assert!(matches!(poll(flush.as_mut()), Poll::Ready(Err(_))));
            assert!(matches!(poll(control.as_mut()), Poll::Ready(Err(_))));
            contents.insert(storage.read_control("epoch").await.expect("reads").expect("old or new"));
        });
    }
    assert_eq!(contents.into_iter().collect::<Vec<_>>(), [b"new".to_vec(), b"old".to_vec()]);
}

#[test]
fn a_flush_that_failed_cannot_be_repaired_by_another() {
    for seed in 0..40 {
        let storage = ForgettingStorage::new();
        block_on(async {
            let log = storage.open_log("log", 512).await.expect("creates");
            log.write_at_and_flush(0, IoBuf::from_slice(&[1; 512])).await.expect("writes");
            log.write_at(0, IoBuf::from_slice(&[2; 512])).await.expect("writes");
            storage.inject("log", Fault::Flush);
            assert_eq!(log.flush().await.expect_err("injected").raw_os_error(), Some(5));
            assert_eq!(*log.read_at(0, 512).await.expect("reads"), [2; 512], "it looks written");
            log.flush().await.expect("and the next flush even succeeds");
            storage.kill(seed);
        });
        assert_eq!(read_log(&storage), [1; 512], "but it is gone");
    }
}

#[test]
fn injected_faults_happen_once() {
    let storage = ForgettingStorage::new();
    block_on(async {
        let log = storage.open_log("log", 1024).await.expect("creates");
        storage.inject("log", Fault::Write);
        storage.inject("log", Fault::Read);
        assert!(log.write_at(0, IoBuf::from_slice(&[1; 1024])).await.is_err());
        assert!(log.read_at(0, 1).await.is_err());
        let bytes = log.read_at(0, 1024).await.expect("reads");
        assert_eq!((&bytes[..512], &bytes[512..]), (&[1; 512][..], &[0; 512][..]), "half of it was written");
        log.write_at(0, IoBuf::from_slice(&[1; 1024])).await.expect("writes");
        storage.inject("epoch", Fault::Write);
        assert!(storage.write_control("epoch", b"1").await.is_err());
        assert_eq!(storage.read_control("epoch").await.expect("reads"), None);
        log.flush().await.expect("flushes");
        storage.damage("log", 100, b"rot");
        assert_eq!(*log.read_at(100, 3).await.expect("reads"), *b"rot");
        assert_eq!(storage.durable("log").expect("is there")[100..103], *b"rot");
    });
}

#[test]
fn a_full_disk_refuses_growth_and_takes_control_files() {
    let storage = ForgettingStorage::new();
    storage.set_capacity_bytes(Some(20_000));
    block_on(async {
        let log = storage.open_log("log", 10_000).await.expect("fits");
        let pages = storage.open_pages("pages").await.expect("creates");
        pages.grow(10_000).await.expect("fits");
        assert_eq!(pages.grow(10_001).await.expect_err("full").kind(), ErrorKind::StorageFull);
        assert_eq!(pages.len_bytes(), 10_000);
        assert_eq!(storage.open_log("other", 1).await.err().map(|e| e.kind()), Some(ErrorKind::StorageFull));
        storage.write_control("epoch", &[1; 5000]).await.expect("reserved space");
        log.write_at_and_flush(0, IoBuf::from_slice(&[1; 10_000])).await.expect("its space is its own");
        storage.kill(1);
        storage.remove("log").await.expect("removes");
        let pages = storage.open_pages("pages").await.expect("opens");
        pages.grow(20_000).await.expect("there is room again");
    });
}
