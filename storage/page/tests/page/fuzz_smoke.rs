//! Smoke runs of the fuzz bodies: random bytes, and sound inputs with a few bytes changed.

use redoubt_page::fuzz::{fuzz_damaged_page, fuzz_decode_and_apply};
use redoubt_page::{
    Lsn, OpsBuf, Page, PageId, PgId, RecordFlags, RecordHeader, apply_op, encode_record, finish,
};

use crate::random_ops::Generator;
use crate::seeded::Seeded;

/// A log of one page and the page at its end.
fn sound_input(seed: u64, records: u64) -> (Vec<u8>, Page) {
    let mut generator = Generator::new(seed);
    let (mut page, mut log) = (Page::absent(PageId::new(0)), Vec::new());
    for lsn in (1..=records).map(Lsn::new) {
        let mut ops = OpsBuf::new();
        generator.push_op(&page, &mut ops);
        let op = ops.iter().next().expect("one was pushed");
        let prev_page_lsn = page.lsn();
        if apply_op(&mut page, &op).is_err() {
            continue;
        }
        finish(&mut page, lsn);
        let header = RecordHeader {
            lsn,
            page_id: page.page_id(),
            pg: PgId::new(0),
            prev_pg_lsn: prev_page_lsn,
            prev_page_lsn,
            prev_volume_lsn: prev_page_lsn,
            flags: RecordFlags::NONE,
        };
        encode_record(&header, ops.as_bytes(), &mut log);
    }
    (log, page)
}

fn mutate(random: &mut Seeded, bytes: &mut Vec<u8>, within: usize) {
    for _ in 0..=random.below(4) {
        let at = random.below(within.min(bytes.len()));
        match random.below(8) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.next() as u8),
            2 => {
                bytes.remove(at);
            }
            3 => bytes[at] ^= 1 << random.below(8),
            _ => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, random.next() as u8][random.below(6)],
        }
        if bytes.is_empty() {
            return;
        }
    }
}

#[test]
fn random_bytes() {
    let mut random = Seeded::new(1);
    for _ in 0..20_000 {
        let len = random.below(60);
        let mut bytes = random.bytes(len);
        // Small numbers, because most random bytes end at the first length or tag.
        bytes.iter_mut().for_each(|byte| *byte %= [10, 32, 255][len % 3]);
        fuzz_decode_and_apply(&bytes);
    }
}

#[test]
fn mutated_logs() {
    let mut random = Seeded::new(2);
    for seed in 0..40 {
        let (log, _) = sound_input(seed, 60);
        fuzz_decode_and_apply(&log);
        for _ in 0..40 {
            let mut mutated = log.clone();
            mutate(&mut random, &mut mutated, usize::MAX);
            fuzz_decode_and_apply(&mutated);
        }
    }
}

#[test]
fn mutated_pages() {
    let mut random = Seeded::new(3);
    for seed in 0..60 {
        let (_, page) = sound_input(seed, 80);
        for _ in 0..60 {
            // Operations that suit the page, after an image with a damaged header or slot array.
            let mut generator = Generator::new(random.next());
            let mut ops = OpsBuf::new();
            (0..20).for_each(|_| generator.push_op(&page, &mut ops));
            let mut image = page.bytes().to_vec();
            for _ in 0..random.below(4) {
                let within = if random.chance(3) { 8192 } else { 60 };
                let at = random.below(within);
                image[at] = random.next() as u8;
            }
            image.extend_from_slice(ops.as_bytes());
            fuzz_damaged_page(&image);
        }
    }
}
