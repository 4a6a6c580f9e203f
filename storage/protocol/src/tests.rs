//! Tests that need more than one machine, or whole tables.

mod batch_tables;
mod changes;
mod checkers;
mod codec_tables;
mod history_tables;
mod hostile;
mod image_tables;
mod quorum_tables;
mod recovery_tables;
mod rng;
mod scenarios;
mod schedule;
mod segment_tables;
mod world;
mod writer_tables;

use alloc::sync::Arc;
use alloc::vec::Vec;
use redoubt_page::{Lsn, MembershipEpoch, OpsBuf, PageId, PageKind, PgId, RecordFlags, RecordHeader};

use crate::batch::{BatchBuilder, RecordBatch};
use crate::geometry::{Member, Membership};
use crate::ids::{NodeId, SegmentId, Zone};

/// A small encoded operation.
fn some_ops() -> OpsBuf {
    let mut ops = OpsBuf::new();
    ops.push(&redoubt_page::Op::Initialise { kind: PageKind::new(1), special: &[] });
    ops
}

fn lsn(raw: u64) -> Lsn {
    Lsn::new(raw)
}

/// A batch of records given as (LSN, previous in the volume, CPL), the first following `prev_pg`.
fn batch_of(pg: u32, prev_pg: u64, records: &[(u64, u64, bool)]) -> RecordBatch {
    let mut builder = BatchBuilder::default();
    let mut prev = prev_pg;
    for &(number, prev_volume, cpl) in records {
        let header = RecordHeader {
            lsn: lsn(number),
            page_id: PageId::new(u64::from(pg) * 100 + number % 7),
            pg: PgId::new(pg),
            prev_pg_lsn: lsn(prev),
            prev_page_lsn: Lsn::ZERO,
            prev_volume_lsn: lsn(prev_volume),
            flags: if cpl { RecordFlags::CPL } else { RecordFlags::NONE },
        };
        builder.push(&header, some_ops().as_bytes());
        prev = number;
    }
    builder.take().expect("a batch has records")
}

/// Neighbouring records `first..=last`, the last one a consistency point.
fn run_of(prev_pg: u64, first: u64, last: u64) -> RecordBatch {
    let records: Vec<(u64, u64, bool)> =
        (first..=last).map(|n| (n, if n == first { prev_pg } else { n - 1 }, n == last)).collect();
    batch_of(0, prev_pg, &records)
}

fn member(segment: u64, join_point: u64) -> Member {
    Member {
        segment: SegmentId::new(segment),
        node: NodeId::new(segment as u16),
        zone: Zone::new((segment % 3) as u8),
        join_point: lsn(join_point),
    }
}

fn six(first_segment: u64) -> Arc<Membership> {
    let members = (first_segment..first_segment + 6).map(|s| member(s, 0)).collect();
    Arc::new(Membership::uniform(MembershipEpoch::new(1), members).expect("six equal members"))
}
