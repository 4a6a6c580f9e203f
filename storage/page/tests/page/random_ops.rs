//! Random operation sequences: against the model, and as records against themselves.

use expect_test::expect;
use redoubt_page::{
    Applied, ApplyError, Lsn, Op, OpsBuf, PAGE_BYTES, Page, PageId, PageKind, PatchTarget, PgId, RecordFlags,
    RecordHeader, apply, apply_op, decode_record, encode_record, finish, page_checksum, records,
};

use crate::model::{Model, Refusal};
use crate::seeded::Seeded;

const PAGE_ID: PageId = PageId::new(12);

/// Operations that mostly fit the page at hand. The shapes change with the seed: uniform weights would
/// never fill a page with tiny items, or leave it almost empty.
pub struct Generator {
    pub random: Seeded,
    item_bytes_max: usize,
    delete_one_in: usize,
    shifts: bool,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        let mut random = Seeded::new(seed);
        Self {
            item_bytes_max: [1, 8, 60, 400, 3000][random.below(5)],
            delete_one_in: [2, 4, 9][random.below(3)],
            shifts: random.chance(2),
            random,
        }
    }

    /// Encodes one operation suited, or in one case of twenty not suited, to `page`.
    pub fn push_op(&mut self, page: &Page, ops: &mut OpsBuf) {
        let random = &mut self.random;
        let slot_count = usize::from(page.slot_count());
        let beyond = usize::from(random.chance(20));
        let any_slot = random.below(slot_count + beyond) as u16;
        let len = random.below(self.item_bytes_max + 1);
        let item = random.bytes(len);
        if !page.is_initialised() || random.chance(400) {
            let len = [0, 16, 24, 300][random.below(4)];
            let special = random.bytes(len);
            return ops.push(&Op::Initialise { kind: PageKind::new(random.next() as u8), special: &special });
        }
        let shift = self.shifts ^ random.chance(30);
        if random.chance(self.delete_one_in) {
            return ops.push(&Op::DeleteItem { slot: any_slot, shift });
        }
        match random.below(24) {
            0..12 => {
                let slot = match page.first_unused_slot() {
                    Some(unused) if !shift && !random.chance(3) => unused,
                    _ if shift => random.below(slot_count + 1) as u16,
                    _ => slot_count as u16 + u16::from(random.chance(50)),
                };
                ops.push(&Op::InsertItem { slot, bytes: &item, shift });
            }
            12..18 => ops.push(&Op::ReplaceItem { slot: any_slot, bytes: &item }),
            18..21 => {
                let target =
                    if random.chance(3) { PatchTarget::Special } else { PatchTarget::Slot(any_slot) };
                let len = match target {
                    PatchTarget::Special => page.special().len(),
                    PatchTarget::Slot(slot) => page.item(slot).map_or(4, <[u8]>::len),
                };
                let offset = random.below(len + 1);
                let beyond = usize::from(random.chance(20));
                let patch_len = random.below(len - offset + 1 + beyond);
                let patch = random.bytes(patch_len);
                ops.push(&Op::PatchBytes { target, offset: offset as u16, bytes: &patch });
            }
            21 if random.chance(10) => {
                ops.push(&Op::TruncateItems { from_slot: random.below(slot_count + 2) as u16 });
            }
            22 if random.chance(20) => ops.push(&Op::FullImage { bytes: page.bytes() }),
            _ => ops.push(&Op::Compact),
        }
    }
}

fn apply_like_the_model(page: &mut Page, model: &mut Model, op: &Op<'_>) -> Result<(), Refusal> {
    let before = page.clone();
    let expected = model.apply(op);
    let outcome = apply_op(page, op).map_err(|error| Refusal::of(&error));
    assert_eq!(outcome, expected, "{}", redoubt_page::describe_op(op));
    if outcome.is_err() {
        assert!(*page == before, "a refused operation changes nothing");
    }
    assert_eq!(Model::of(page), *model, "{}", redoubt_page::describe_op(op));
    assert_eq!(page.validate(), Ok(()), "{}", redoubt_page::describe_op(op));
    if page.is_initialised() {
        assert_eq!(page.reclaimable_free_bytes(), model.free_bytes());
        assert_eq!(
            page.first_unused_slot(),
            model.slots.iter().position(Option::is_none).map(|at| at as u16)
        );
    }
    outcome
}

#[test]
fn a_page_is_what_its_operations_say() {
    let (mut refused, mut full) = (0, 0);
    for seed in 0..150 {
        let mut generator = Generator::new(seed);
        let (mut page, mut model) = (Page::absent(PAGE_ID), Model::default());
        for _ in 0..400 {
            let mut ops = OpsBuf::new();
            generator.push_op(&page, &mut ops);
            for op in &ops {
                match apply_like_the_model(&mut page, &mut model, &op) {
                    Ok(()) => {}
                    Err(Refusal::NoSpace) => full += 1,
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(full > 500 && refused > 500, "the sequences reach full pages ({full}) and refusals ({refused})");
}

/// Builds records the way the writer does: operation by operation on its own page, then the LSN.
fn write_records(seed: u64, count: u64) -> (Page, Vec<u8>) {
    let mut generator = Generator::new(seed);
    let mut page = Page::absent(PAGE_ID);
    let mut log = Vec::new();
    let mut ops = OpsBuf::new();
    let mut lsn = Lsn::ZERO;
    for _ in 0..count {
        ops.clear();
        let prev_page_lsn = page.lsn();
        for _ in 0..=generator.random.below(4) {
            let mut next = OpsBuf::new();
            generator.push_op(&page, &mut next);
            for op in &next {
                if apply_op(&mut page, &op).is_ok() {
                    ops.push(&op);
                }
            }
        }
        if ops.is_empty() {
            continue;
        }
        lsn = lsn.checked_add(1 + generator.random.below(300) as u64).expect("far from the end");
        finish(&mut page, lsn);
        encode_record(&header(lsn, prev_page_lsn), ops.as_bytes(), &mut log);
    }
    (page, log)
}

fn header(lsn: Lsn, prev_page_lsn: Lsn) -> RecordHeader {
    RecordHeader {
        lsn,
        page_id: PAGE_ID,
        pg: PgId::new(0),
        prev_pg_lsn: prev_page_lsn,
        prev_page_lsn,
        prev_volume_lsn: lsn.checked_sub(1).expect("an LSN is at least 1"),
        flags: if lsn.get().is_multiple_of(2) { RecordFlags::CPL } else { RecordFlags::NONE },
    }
}

#[test]
fn do_is_redo() {
    for seed in 0..60 {
        let (written, log) = write_records(seed, 200);
        let mut redone = Page::absent(PAGE_ID);
        let mut lsn = Lsn::ZERO;
        for record in records(&log) {
            let record = record.expect("what was encoded decodes");
            assert_eq!(record.header(), &header(record.lsn(), lsn), "the header round trips");
            assert_eq!(decode_record(record.bytes()), Ok(record));
            lsn = record.lsn();
            assert_eq!(apply(&mut redone, &record), Ok(Applied::Done));
            assert_eq!(redone.lsn(), lsn);
            // A record comes again, by gossip or after a reconnection: nothing happens.
            let before = redone.clone();
            assert_eq!(apply(&mut redone, &record), Ok(Applied::AlreadyIn));
            assert!(redone == before);
        }
        assert!(redone == written, "seed {seed}: the page redone is the page written, to the byte");
    }
}

#[test]
fn a_record_left_out_is_noticed() {
    let (_, log) = write_records(3, 50);
    let all: Vec<_> = records(&log).map(|record| record.expect("what was encoded decodes")).collect();
    for left_out in 0..all.len() - 1 {
        let mut page = Page::absent(PAGE_ID);
        for record in &all[..left_out] {
            assert_eq!(apply(&mut page, record), Ok(Applied::Done));
        }
        let before = page.clone();
        let refused = apply(&mut page, &all[left_out + 1]);
        assert!(matches!(refused, Err(ApplyError::ChainBroken { .. })), "{refused:?}");
        assert!(page == before);
    }
}

#[test]
fn a_record_refused_in_its_middle_changes_nothing() {
    let (page, _) = write_records(5, 100);
    let mut ops = OpsBuf::new();
    ops.push(&Op::Compact);
    ops.push(&Op::TruncateItems { from_slot: 0 });
    ops.push(&Op::DeleteItem { slot: 9, shift: false });
    let mut bytes = Vec::new();
    encode_record(&header(page.lsn().next(), page.lsn()), ops.as_bytes(), &mut bytes);
    let mut changed = page.clone();
    let refused = apply(&mut changed, &decode_record(&bytes).expect("what was encoded decodes"));
    assert_eq!(refused, Err(ApplyError::NoSuchSlot { slot: 9, slot_count: 0 }));
    assert!(changed == page);
}

/// Where items land is part of the format: two versions of this code, on two nodes, must agree to the
/// byte. This sum over many pages changes when placement, packing or clearing does.
#[test]
fn placement_and_packing_are_part_of_the_format() {
    let mut sums = Vec::new();
    for seed in 1000..1040 {
        let (page, log) = write_records(seed, 300);
        sums.extend_from_slice(&page_checksum(page.bytes()).to_le_bytes());
        sums.extend_from_slice(&(log.len() as u32).to_le_bytes());
    }
    sums.resize(PAGE_BYTES, 0);
    let image = sums.try_into().expect("resized");
    expect!["ac8fdeb0"].assert_eq(&format!("{:08x}", page_checksum(&image)));
}
