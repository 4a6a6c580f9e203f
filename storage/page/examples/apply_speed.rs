//! How long the operations take, in nanoseconds each, on pages that are in the processor's cache.
//!
//! `cargo run --release -p redoubt-page --example apply_speed`

use std::hint::black_box;
use std::time::Instant;

use redoubt_page::{
    Lsn, Op, OpsBuf, Page, PageId, PageKind, PatchTarget, PgId, RecordFlags, RecordHeader, apply, apply_op,
    decode_record, encode_record, page_checksum,
};

const ROUNDS: u32 = 200_000;
const ITEM: [u8; 100] = [7; 100];

fn main() {
    let mut empty = Page::absent(PageId::new(1));
    apply_op(&mut empty, &Op::Initialise { kind: PageKind::new(1), special: &[0; 16] }).expect("fits");
    let mut half = empty.clone();
    for slot in 0..35 {
        apply_op(&mut half, &Op::InsertItem { slot, bytes: &ITEM, shift: false }).expect("fits");
    }
    let mut page = half.clone();

    time("insert at the end, delete again", || {
        apply_op(&mut page, black_box(&Op::InsertItem { slot: 35, bytes: &ITEM, shift: false }))
            .expect("fits");
        apply_op(&mut page, black_box(&Op::DeleteItem { slot: 35, shift: false })).expect("is there");
    });
    time("insert in the middle, delete again", || {
        apply_op(&mut page, black_box(&Op::InsertItem { slot: 17, bytes: &ITEM, shift: true }))
            .expect("fits");
        apply_op(&mut page, black_box(&Op::DeleteItem { slot: 17, shift: true })).expect("is there");
    });
    time("replace in place", || {
        apply_op(&mut page, black_box(&Op::ReplaceItem { slot: 9, bytes: &ITEM })).expect("fits");
    });
    time("patch 8 bytes of an item", || {
        let target = PatchTarget::Slot(9);
        apply_op(&mut page, black_box(&Op::PatchBytes { target, offset: 4, bytes: &ITEM[..8] }))
            .expect("fits");
    });
    time("compact 35 items", || apply_op(&mut page, black_box(&Op::Compact)).expect("sound"));
    time("copy a page", || black_box(&mut page).copy_from(black_box(&half)));
    time("checksum", || {
        black_box(page_checksum(black_box(half.bytes())));
    });

    for ops_per_record in [1, 2] {
        let mut ops = OpsBuf::new();
        for _ in 0..ops_per_record {
            ops.push(&Op::PatchBytes { target: PatchTarget::Slot(9), offset: 4, bytes: &ITEM[..8] });
        }
        let (mut page, mut lsn, mut bytes) = (half.clone(), Lsn::ZERO, Vec::new());
        time(&format!("encode, decode, apply a record of {ops_per_record}"), || {
            let prev = lsn;
            lsn = lsn.next();
            bytes.clear();
            encode_record(&header(lsn, prev), ops.as_bytes(), &mut bytes);
            let record = decode_record(black_box(&bytes)).expect("was encoded");
            apply(&mut page, &record).expect("follows");
        });
    }
}

fn header(lsn: Lsn, prev: Lsn) -> RecordHeader {
    RecordHeader {
        lsn,
        page_id: PageId::new(1),
        pg: PgId::new(0),
        prev_pg_lsn: prev,
        prev_page_lsn: prev,
        prev_volume_lsn: prev,
        flags: RecordFlags::CPL,
    }
}

fn time(what: &str, mut step: impl FnMut()) {
    (0..ROUNDS / 10).for_each(|_| step());
    let start = Instant::now();
    (0..ROUNDS).for_each(|_| step());
    println!("{what:40} {:7.1} ns", start.elapsed().as_nanos() as f64 / f64::from(ROUNDS));
}
