//! What every storage promises, whatever it is made of. The callers name the storage.

use std::io::ErrorKind;

use redoubt_io::{IoBuf, LogDevice, PageDevice, SHIPMENT_BYTES, Storage, Stretch};

const KIB: usize = 1024;

/// Runs every check on an empty storage.
pub async fn check_all<S: Storage>(storage: &S) {
    logs(storage).await;
    pages(storage).await;
    control_files(storage).await;
    names(storage).await;
}

async fn logs<S: Storage>(storage: &S) {
    let log = storage.open_log("node-1/log", 1_000_000).await.expect("creates");
    assert_eq!(log.len_bytes(), 1_000_000);
    let whole = log.read_at(0, 1_000_000).await.expect("reads");
    assert!(whole.iter().all(|&byte| byte == 0), "a new log is zeroes");

    // Aligned and not, overlapping, on the last byte.
    let mut expected = vec![0; 1_000_000];
    for (offset, len) in
        [(0, 4096), (8192, 16_384), (4096, 512), (5000, 77), (12_000, 1), (999_999, 1), (0, 0)]
    {
        let bytes: Vec<u8> = (0..len).map(|at| (at * 31 + offset) as u8 | 1).collect();
        expected[offset..offset + len].copy_from_slice(&bytes);
        log.write_at(offset as u64, IoBuf::from_slice(&bytes)).await.expect("writes");
        assert_eq!(*log.read_at(offset as u64, len).await.expect("reads"), *bytes, "before a flush as well");
    }
    log.flush().await.expect("flushes");
    expected[20_480..24_576].fill(9);
    log.write_at_and_flush(20_480, IoBuf::from_slice(&[9; 4096])).await.expect("writes and flushes");
    assert!(*log.read_at(0, 1_000_000).await.expect("reads") == *expected);
    assert!(*log.read_at(4096, 400 * KIB).await.expect("reads") == expected[4096..][..400 * KIB]);
    let stretches = [(20_480, 4096), (0, 0), (999_999, 1), (5000, 100_000)];
    let stretches = stretches.map(|(offset, len)| Stretch { offset, len });
    let read = log.read_stretches(&stretches).await.expect("reads");
    for (stretch, bytes) in stretches.iter().zip(&read) {
        assert!(*bytes == expected[stretch.offset as usize..][..stretch.len], "{stretch:?}");
    }
    assert_eq!(read.len(), stretches.len());

    for (offset, len) in [(1_000_000, 1), (999_999, 2), (u64::MAX, 2)] {
        let refused = log.write_at(offset, IoBuf::zeroed(len)).await.expect_err("beyond the end");
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        assert_eq!(
            log.read_at(offset, len).await.expect_err("beyond the end").kind(),
            ErrorKind::UnexpectedEof
        );
    }
    drop(log);
    let again = storage.open_log("node-1/log", 5).await.expect("opens");
    assert_eq!(again.len_bytes(), 1_000_000, "a log keeps the length it was made with");
    assert!(*again.read_at(0, 1_000_000).await.expect("reads") == *expected);

    let empty = storage.open_log("empty", 0).await.expect("creates");
    assert_eq!((empty.len_bytes(), empty.read_at(0, 0).await.expect("nothing").len()), (0, 0));
}

async fn pages<S: Storage>(storage: &S) {
    let pages = storage.open_pages("node-1/segment.pages").await.expect("creates");
    assert_eq!(pages.len_bytes(), 0);
    let refused = pages.write_at(0, IoBuf::zeroed(8192)).await.expect_err("not grown yet");
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    pages.grow(3 * 8192).await.expect("grows");
    pages.grow(8192).await.expect("never shrinks");
    assert_eq!(pages.len_bytes(), 3 * 8192);
    pages.write_at(8192, IoBuf::from_slice(&[7; 8192])).await.expect("writes");
    pages.flush().await.expect("flushes");
    pages.grow(1_000_000).await.expect("grows");
    let other = storage.open_pages("node-1/segment.pages").await.expect("opens");
    assert_eq!(other.len_bytes(), 1_000_000);
    let mut expected = vec![0; 1_000_000];
    expected[8192..16_384].fill(7);
    assert!(*other.read_at(0, 1_000_000).await.expect("reads") == *expected, "growth reads as zeroes");
    assert_eq!(other.read_at(999_999, 2).await.expect_err("beyond the end").kind(), ErrorKind::UnexpectedEof);
    read_for_a_peer(&other, &mut expected).await;
}

/// More stretches than are read at once, of what was written a moment ago and is not flushed.
async fn read_for_a_peer<P: PageDevice>(pages: &P, expected: &mut [u8]) {
    let places: Vec<Stretch> =
        (0..100_u64).rev().map(|number| Stretch { offset: number * 8192 + number % 3, len: 8192 }).collect();
    for (turn, place) in places.iter().enumerate() {
        let bytes = [turn as u8 | 1; 8192];
        expected[place.offset as usize..][..place.len].copy_from_slice(&bytes);
        pages.write_at(place.offset, IoBuf::from_slice(&bytes)).await.expect("writes");
    }
    let read = pages.read_stretches(&places).await.expect("reads");
    assert_eq!(read.len(), places.len());
    for (place, bytes) in places.iter().zip(&read) {
        assert!(*bytes == expected[place.offset as usize..][..place.len], "{place:?}");
    }
    let check = async |offset, len, expect| {
        let refused = pages.read_stretches(&[places[0], Stretch { offset, len }]).await;
        assert_eq!(refused.expect_err("refused").kind(), expect, "{len} bytes at {offset}");
    };
    check(999_999, 2, ErrorKind::UnexpectedEof).await;
    check(u64::MAX, 1, ErrorKind::UnexpectedEof).await;
    check(0, SHIPMENT_BYTES, ErrorKind::InvalidInput).await;
    check(0, usize::MAX, ErrorKind::InvalidInput).await;
}

async fn control_files<S: Storage>(storage: &S) {
    assert_eq!(storage.read_control("node-1/epoch").await.expect("reads"), None);
    for contents in [&b"first"[..], b"", b"third, and longer", &[9; 60_000], b"short again"] {
        storage.write_control("node-1/epoch", contents).await.expect("writes");
        assert_eq!(storage.read_control("node-1/epoch").await.expect("reads").as_deref(), Some(contents));
    }
}

async fn names<S: Storage>(storage: &S) {
    let expected = ["empty", "node-1/epoch", "node-1/log", "node-1/segment.pages"];
    assert_eq!(storage.names().await.expect("lists"), expected);
    storage.remove("node-1/log").await.expect("removes");
    storage.remove("node-1/log").await.expect("nothing to remove");
    storage.remove("never/there").await.expect("nothing to remove");
    assert_eq!(storage.names().await.expect("lists"), [expected[0], expected[1], expected[3]]);
    storage.remove("node-1/epoch").await.expect("removes");
    assert_eq!(storage.read_control("node-1/epoch").await.expect("reads"), None);
    let log = storage.open_log("node-1/log", 10).await.expect("creates");
    assert_eq!(*log.read_at(0, 10).await.expect("reads"), [0; 10], "nothing is left of the removed one");

    for name in ["", "../x", ".hidden", "a b"] {
        assert_eq!(storage.open_log(name, 1).await.err().map(|e| e.kind()), Some(ErrorKind::InvalidInput));
        assert_eq!(storage.open_pages(name).await.err().map(|e| e.kind()), Some(ErrorKind::InvalidInput));
        assert_eq!(
            storage.write_control(name, b"").await.err().map(|e| e.kind()),
            Some(ErrorKind::InvalidInput)
        );
        assert_eq!(storage.read_control(name).await.err().map(|e| e.kind()), Some(ErrorKind::InvalidInput));
        assert_eq!(storage.remove(name).await.err().map(|e| e.kind()), Some(ErrorKind::InvalidInput));
    }
}
