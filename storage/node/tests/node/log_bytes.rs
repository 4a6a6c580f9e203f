//! Logs to the byte: what a scan makes of them after a kill, after damage, after their chunks went round.

use std::collections::BTreeSet;
use std::rc::Rc;

use redoubt_io::forgetting::ForgettingStorage;
use redoubt_node::log::block::{BlockHeader, BlockKind, MAX_NODES, SECTOR_BYTES};
use redoubt_node::log::entry::CopySet;
use redoubt_node::log::error::LogError;
use redoubt_node::log::open::Scanned;
use redoubt_node::log::position::LogId;
use redoubt_node::log::ring::{Group, Log, LogShape, MIN_CHUNK_BYTES};
use redoubt_page::{Lsn, Op, OpsBuf, PageId, PageKind, PgId, RecordFlags, RecordHeader, VolumeEpoch};
use redoubt_protocol::{BatchBuilder, NodeId, Positions, SegmentId};

use crate::poll::{now, step};
use crate::seeded::Seeded;

const NODES: usize = 6;

fn shape() -> LogShape {
    LogShape {
        log_id: LogId::new(4711),
        chunk_bytes: MIN_CHUNK_BYTES,
        max_chunks: 12,
        nodes: (0..NODES as u16).map(NodeId::new).collect(),
    }
}

fn chunk_file(place: u32) -> String {
    format!("log/chunk-{place:05}")
}

/// Records of one group, numbered from `first`, on pages in turn.
fn group(first: u64, count: u64, item_bytes: usize, copies: u8) -> Group {
    let mut builder = BatchBuilder::default();
    for lsn in first..first + count {
        let header = RecordHeader {
            lsn: Lsn::new(lsn),
            page_id: PageId::new(lsn % 10),
            pg: PgId::new(0),
            prev_pg_lsn: Lsn::new(lsn - 1),
            prev_page_lsn: Lsn::new(lsn.saturating_sub(10)),
            prev_volume_lsn: Lsn::new(lsn - 1),
            flags: RecordFlags::CPL,
        };
        let mut ops = OpsBuf::new();
        ops.push(&Op::Initialise { kind: PageKind::new(1), special: &[] });
        ops.push(&Op::InsertItem { slot: 0, bytes: &vec![lsn as u8; item_bytes], shift: true });
        builder.push(&header, ops.as_bytes());
    }
    let batch = builder.take().expect("there are records");
    let positions = Positions {
        volume_epoch: VolumeEpoch::new(1),
        vdl: Lsn::new(first - 1),
        pg_tail: Lsn::new(first - 1),
        read_floor: Lsn::ZERO,
    };
    Group {
        kind: BlockKind::Records,
        copies: CopySet::new(copies),
        segments: std::array::from_fn(|slot| SegmentId::new(100 + slot as u64)),
        pg: PgId::new(0),
        positions: Some(positions),
        body: batch.bytes().clone(),
        record_count: batch.summary().record_count(),
    }
}

fn states() -> Vec<Vec<Vec<u8>>> {
    (0..NODES).map(|slot| vec![vec![slot as u8; 20], vec![slot as u8; 700]]).collect()
}

fn create(storage: &ForgettingStorage) -> Log<ForgettingStorage> {
    let log = now(Log::create(Rc::new(storage.clone()), shape())).expect("created");
    now(log.begin_lap(&states())).expect("begun");
    log
}

fn reopen(storage: &ForgettingStorage) -> (Log<ForgettingStorage>, Vec<Scanned>) {
    now(Log::open(Rc::new(storage.clone()), shape())).expect("opened")
}

/// Appends groups of growing size until `count` records are there, beginning laps as they fill up.
fn fill(log: &Log<ForgettingStorage>, first: u64, count: u64) {
    let (mut next, end) = (first, first + count);
    while next < end {
        let records = (1 + next % 7).min(end - next);
        let wanted = group(next, records, 50 + (next % 900) as usize, 0b11_1111);
        if now(log.append(std::slice::from_ref(&wanted))).expect("appended") == 0 {
            now(log.begin_lap(&states())).expect("begun");
            continue;
        }
        next += records;
    }
}

/// The records that one node's copies give back, each checked to be itself.
fn readable(log: &Log<ForgettingStorage>, slot: usize) -> BTreeSet<u64> {
    let mut lsns = BTreeSet::new();
    for page in 0..10 {
        let page = PageId::new(page);
        for found in now(log.find(PgId::new(0), page, Lsn::ZERO, Lsn::MAX)).expect("found") {
            if !found.entry.copies.contains(slot) {
                continue;
            }
            let copy = match now(log.read_copy(&found.chunk, &found.entry, slot)) {
                Ok(copy) => copy,
                Err(LogError::Rot) => continue,
                Err(error) => panic!("{error}"),
            };
            let bytes = &copy.payload()[found.entry.record_at as usize..];
            let (record, _) = redoubt_page::decode_record_prefix(bytes).expect("a record");
            assert_eq!((record.lsn(), record.page_id()), (found.entry.lsn, page));
            lsns.insert(record.lsn().get());
        }
    }
    lsns
}

fn all(count: u64) -> BTreeSet<u64> {
    (1..=count).collect()
}

#[test]
fn records_are_found_while_scanned_and_when_sealed() {
    let storage = ForgettingStorage::new();
    let log = create(&storage);
    fill(&log, 1, 1500);
    assert!(log.full_chunks().len() >= 3, "several chunks are full");
    (0..NODES).for_each(|slot| assert_eq!(readable(&log, slot), all(1500)));
    drop(log);
    let (log, scanned) = reopen(&storage);
    assert_eq!(scanned.len(), log.full_chunks().len(), "no index was written");
    (0..NODES).for_each(|slot| assert_eq!(readable(&log, slot), all(1500)));
    while now(log.seal_one()).expect("sealed") {}
    assert_eq!(log.unsealed_chunks(), 0);
    (0..NODES).for_each(|slot| assert_eq!(readable(&log, slot), all(1500)));
    drop(log);
    let (log, scanned) = reopen(&storage);
    assert!(scanned.is_empty(), "every chunk has its index");
    (0..NODES).for_each(|slot| assert_eq!(readable(&log, slot), all(1500)));
}

#[test]
fn a_damaged_index_is_made_again() {
    let storage = ForgettingStorage::new();
    let log = create(&storage);
    fill(&log, 1, 1500);
    while now(log.seal_one()).expect("sealed") {}
    drop(log);
    // The second half of each chunk's last tenth: index blocks, summaries or footers, whatever lies there.
    let mut random = Seeded::new(5);
    for round in 0..40 {
        let place = random.below(3) as u32;
        let at = MIN_CHUNK_BYTES as u64 - 1 - random.below(20_000);
        storage.damage(&chunk_file(place), at, &[0x5a]);
        let (log, _) = reopen(&storage);
        for slot in 0..NODES {
            assert_eq!(readable(&log, slot), all(1500), "round {round}, byte {at} of chunk {place}");
        }
    }
}

/// The blocks of a chunk, as they lie: where each begins, how long it is, whose it is.
fn blocks_in(bytes: &[u8]) -> Vec<(usize, usize, NodeId)> {
    let mut blocks = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match BlockHeader::decode(&bytes[at..]) {
            Ok((header, payload)) => {
                let len = redoubt_node::log::block::block_bytes(payload.len());
                blocks.push((at, len, header.node));
                at += len;
            }
            Err(_) => at += SECTOR_BYTES,
        }
    }
    blocks
}

#[test]
fn damage_to_any_two_nodes_loses_nothing() {
    for first in 0..NODES {
        for second in first + 1..NODES {
            let storage = ForgettingStorage::new();
            let log = create(&storage);
            fill(&log, 1, 300);
            drop(log);
            let bytes = storage.durable(&chunk_file(0)).expect("there");
            for (at, len, node) in blocks_in(&bytes) {
                if [first, second].contains(&usize::from(node.get())) {
                    storage.damage(&chunk_file(0), at as u64, &vec![0x77; len]);
                }
            }
            let (log, scanned) = reopen(&storage);
            for slot in 0..NODES {
                let node = NodeId::new(slot as u16);
                let chunk = &scanned[0];
                if slot == first || slot == second {
                    assert!(readable(&log, slot).is_empty());
                    assert!(chunk.scan.has_rot(node, slot, 0), "rot is not a torn tail");
                    assert!(chunk.scan.state_of(&chunk.bytes, node).is_none());
                } else {
                    assert_eq!(readable(&log, slot), all(300));
                    assert!(!chunk.scan.has_rot(node, slot, 0));
                    let state = chunk.scan.state_of(&chunk.bytes, node).expect("whole");
                    assert_eq!(state, states()[slot].iter().map(Vec::as_slice).collect::<Vec<_>>());
                }
            }
        }
    }
}

#[test]
fn one_damaged_byte_costs_one_block_of_one_node() {
    let storage = ForgettingStorage::new();
    let log = create(&storage);
    fill(&log, 1, 120);
    // What a later batch records as flushed is what can be told from a torn tail.
    let flushed = all(120);
    fill(&log, 121, 1);
    drop(log);
    let bytes = storage.durable(&chunk_file(0)).expect("there");
    let blocks = blocks_in(&bytes);
    let mut random = Seeded::new(9);
    for (at, len, node) in blocks.iter().take(blocks.len() - NODES) {
        let hit = at + random.below(*len as u64) as usize;
        storage.damage(&chunk_file(0), hit as u64, &[bytes[hit] ^ (1 << random.below(8))]);
        let (log, scanned) = reopen(&storage);
        let is_padding = scanned[0].scan.blocks.len() == blocks.len();
        for slot in 0..NODES {
            let is_hit = usize::from(node.get()) == slot && !is_padding;
            let has_rot = scanned[0].scan.has_rot(NodeId::new(slot as u16), slot, 0);
            assert_eq!(has_rot, is_hit, "byte {hit} of a block of {node}");
            if !is_hit {
                assert!(readable(&log, slot).is_superset(&flushed));
            }
        }
        storage.damage(&chunk_file(0), hit as u64, &[bytes[hit]]);
    }
}

#[test]
fn a_torn_tail_is_no_rot_and_costs_nothing_that_was_flushed() {
    for seed in 0..200 {
        let storage = ForgettingStorage::new();
        let log = create(&storage);
        fill(&log, 1, 40);
        storage.hold_flushes();
        let groups = [group(41, 5, 300, 0b11_1111), group(46, 9, 700, 0b11_1111)];
        let mut append = Box::pin(log.append(&groups));
        assert!(step(append.as_mut()).is_pending());
        assert_eq!(readable(&log, 0), all(40), "what is not durable is not found");
        drop(append);
        storage.kill(seed);
        let (log, scanned) = reopen(&storage);
        for slot in 0..NODES {
            let found = readable(&log, slot);
            assert!(found.is_superset(&all(40)) && found.is_subset(&all(54)), "seed {seed}: {found:?}");
            assert!(!scanned[0].scan.has_rot(NodeId::new(slot as u16), slot, 0), "seed {seed}");
        }
        // Nothing is ever written behind a torn tail: the next lap begins elsewhere.
        now(log.begin_lap(&states())).expect("begun");
        assert_eq!(log.chunks().len(), 2);
    }
}

#[test]
fn a_chunk_used_again_shows_nothing_of_its_former_life() {
    let storage = ForgettingStorage::new();
    let log = create(&storage);
    fill(&log, 1, 600);
    let old = log.full_chunks();
    let place = old[0].place;
    let lap = old[0].lap;
    assert!(!log.recycle(lap), "someone may still be reading in it");
    drop(old);
    assert!(log.recycle(lap));
    // A lap in the same place, killed when it has one record.
    now(log.begin_lap(&states())).expect("begun");
    assert_eq!(log.chunks().last().expect("a chunk").place, place);
    fill(&log, 601, 1);
    drop(log);
    let (log, scanned) = reopen(&storage);
    let newest = scanned.last().expect("scanned");
    assert_eq!(newest.scan.blocks.len(), NODES * 3, "two blocks of state and one of records for each");
    let lsns = readable(&log, 2);
    assert!(lsns.contains(&601) && lsns.contains(&600) && !lsns.contains(&1), "{lsns:?}");
}

#[test]
fn a_failed_flush_kills_the_log() {
    let storage = ForgettingStorage::new();
    let log = create(&storage);
    fill(&log, 1, 10);
    storage.inject(&chunk_file(0), redoubt_io::forgetting::Fault::Flush);
    let wanted = [group(11, 1, 100, 0b11_1111)];
    assert!(matches!(now(log.append(&wanted)), Err(LogError::Failed(_))));
    assert!(matches!(now(log.append(&wanted)), Err(LogError::Dead)), "nothing is tried again");
    assert!(matches!(now(log.begin_lap(&states())), Err(LogError::Dead)));
    assert_eq!(readable(&log, 0), all(10));
}

#[test]
fn nodes_with_copies_of_their_own_are_told_apart() {
    let storage = ForgettingStorage::new();
    let log = create(&storage);
    // A record for all, one for three of them, and that one later for two of the others.
    for (first, copies) in [(1, 0b11_1111), (2, 0b01_0101), (2, 0b00_1010)] {
        assert_eq!(now(log.append(&[group(first, 1, 80, copies)])).expect("appended"), 1);
    }
    drop(log);
    let (log, _) = reopen(&storage);
    for slot in 0..NODES {
        let expected = if slot == 5 { 1 } else { 2 };
        assert_eq!(readable(&log, slot), all(expected), "node {slot}");
    }
    let counts: [u32; MAX_NODES] = {
        now(log.begin_lap(&states())).expect("begun");
        let (_, scanned) = reopen(&storage);
        let newest = scanned.last().expect("scanned");
        newest.scan.counts_before(&newest.bytes).expect("a state is whole")
    };
    assert_eq!(counts, [4, 4, 4, 4, 4, 3, 0, 0], "two blocks of state, and one per record");
}
