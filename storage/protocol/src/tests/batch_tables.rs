//! Batches: what bytes make one, and its parts.

use alloc::vec;
use alloc::vec::Vec;

use super::{batch_of, lsn, run_of};
use crate::batch::{BatchBuilder, BatchError, LsnRun, MAX_BATCH_BYTES, RecordBatch};
use crate::bytes::SharedBytes;

fn joined(batches: &[RecordBatch]) -> SharedBytes {
    let bytes: Vec<u8> = batches.iter().flat_map(|b| b.bytes().to_vec()).collect();
    SharedBytes::from(bytes)
}

#[test]
fn a_batch_survives_its_bytes() {
    let batch =
        batch_of(3, 4, &[(7, 6, false), (8, 7, true), (11, 10, false), (12, 11, false), (20, 19, true)]);
    let parsed = RecordBatch::parse(batch.bytes().clone()).expect("a batch");
    assert_eq!(parsed, batch);
    let summary = parsed.summary();
    assert_eq!((summary.prev_pg_lsn(), summary.first(), summary.last()), (lsn(4), lsn(7), lsn(20)));
    assert_eq!((summary.record_count(), summary.cpls()), (5, &[lsn(8), lsn(20)][..]));
    let runs: Vec<(u64, u64, u64)> =
        summary.runs().iter().map(|r| (r.prev_volume.get(), r.first.get(), r.last.get())).collect();
    assert_eq!(runs, [(6, 7, 8), (10, 11, 12), (19, 20, 20)]);
    for (at, below) in [(6, None), (7, Some(7)), (9, Some(8)), (11, Some(11)), (19, Some(12)), (99, Some(20))]
    {
        assert_eq!(summary.last_at_or_below(lsn(at)), below.map(lsn), "{at}");
    }
}

#[test]
fn other_bytes_are_refused() {
    let table = [
        (SharedBytes::from(vec![]), BatchError::Empty),
        (joined(&[run_of(0, 1, 3), run_of(4, 5, 6)]), BatchError::BrokenLink(lsn(5))),
        (joined(&[run_of(0, 1, 3), run_of(0, 1, 3)]), BatchError::BrokenLink(lsn(1))),
        (joined(&[run_of(0, 1, 3), batch_of(1, 3, &[(4, 3, true)])]), BatchError::MixedGroups(lsn(4))),
        // The volume chain may not skip a record of the batch itself.
        (joined(&[run_of(0, 1, 3), batch_of(0, 3, &[(5, 2, true)])]), BatchError::BrokenLink(lsn(5))),
        (SharedBytes::from(vec![1; MAX_BATCH_BYTES + 1]), BatchError::TooLong(MAX_BATCH_BYTES + 1)),
    ];
    for (bytes, expected) in table {
        assert_eq!(RecordBatch::parse(bytes).map(|_| ()), Err(expected));
    }
    let cut = run_of(0, 1, 3).bytes().clone();
    for len in 1..cut.len() {
        let parsed = RecordBatch::parse(cut.slice(0..len));
        let is_shorter_batch = parsed.as_ref().is_ok_and(|b| b.summary().last() < lsn(3));
        assert!(is_shorter_batch || matches!(parsed, Err(BatchError::Record(_))), "cut at {len}");
    }
}

#[test]
fn parts_are_batches() {
    let records = [(7, 6, false), (8, 7, true), (11, 10, false), (12, 11, true), (20, 19, true)];
    let batch = batch_of(3, 4, &records);
    for after in 0..=21 {
        for upto in 0..=21 {
            let part = batch.slice(lsn(after), lsn(upto));
            let expected: Vec<_> = records.iter().copied().filter(|r| after < r.0 && r.0 <= upto).collect();
            let Some(first) = expected.first() else {
                assert!(part.is_none(), "{after}..{upto}");
                continue;
            };
            let prev = records.iter().rev().map(|r| r.0).find(|n| *n < first.0).unwrap_or(4);
            let part = part.expect("records lie there");
            assert_eq!(part, batch_of(3, prev, &expected), "{after}..{upto}");
            assert_eq!(RecordBatch::parse(part.bytes().clone()), Ok(part));
        }
    }
}

#[test]
fn neighbours_make_one_run() {
    let batch = run_of(9, 10, 500);
    let run = LsnRun { prev_volume: lsn(9), first: lsn(10), last: lsn(500) };
    assert_eq!(batch.summary().runs(), [run]);
    assert!(BatchBuilder::with_capacity(10).take().is_none());
}
