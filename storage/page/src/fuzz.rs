//! Bodies of fuzz targets, as plain functions, so that a test can smoke-run them and a fuzzer can link them.

use crate::apply::{Applied, apply};
use crate::describe::{describe, describe_page};
use crate::ids::PageId;
use crate::op::OpsBuf;
use crate::page::{PAGE_BYTES, Page};
use crate::record::{RecordRef, encode_record, records};

/// Decodes `bytes` as concatenated records and applies what decodes, in order, to a page that each record's header
/// fits. Whatever the bytes are: no panic, what decodes encodes to the same bytes, a refused
/// record leaves the page alone, and the page stays sound.
pub fn fuzz_decode_and_apply(bytes: &[u8]) {
    let mut page = Page::absent(PageId::new(0));
    for record in records(bytes) {
        let Ok(record) = record else { return };
        check_round_trip(&record);
        let _ = describe(&record);
        // The header is as random as the rest. Aim it at the page, or almost nothing would ever be applied.
        let mut aimed = *record.header();
        aimed.page_id = page.page_id();
        aimed.prev_page_lsn = page.lsn();
        let mut encoded = alloc::vec::Vec::new();
        if aimed.prev_page_lsn >= aimed.lsn || record.ops_bytes().len() > crate::MAX_OPS_BYTES {
            continue;
        }
        encode_record(&aimed, record.ops_bytes(), &mut encoded);
        let aimed = crate::decode_record(&encoded).expect("what was encoded decodes");
        let before = page.clone();
        match apply(&mut page, &aimed) {
            Ok(Applied::Done) => page.validate().expect("an applied record leaves a sound page"),
            Ok(Applied::AlreadyIn) => unreachable!("the record was aimed above the page"),
            Err(_) => assert!(page == before, "a refused record leaves the page alone"),
        }
    }
}

/// Takes `bytes` as a page image, however damaged, reads all of it, and applies records taken from the
/// rest. A damaged page may be refused or changed, but nothing panics.
pub fn fuzz_damaged_page(bytes: &[u8]) {
    let (image, rest) = bytes.split_at(bytes.len().min(PAGE_BYTES));
    let mut whole = [0; PAGE_BYTES];
    whole[..image.len()].copy_from_slice(image);
    let Ok(mut page) = Page::from_slice(&whole) else { return };
    let (sound, page_id) = (page.validate().is_ok(), page.page_id());
    let _ = (page.verify(page_id), page.free_bytes(), page.fits(100), page.first_unused_slot());
    let _ = (page.special(), page.items().count(), describe_page(&page));
    if let Ok(ops) = OpsBuf::from_encoded(rest.to_vec()) {
        for op in &ops {
            let before = page.clone();
            match crate::apply_op(&mut page, &op) {
                Ok(()) => assert!(!sound || page.validate().is_ok(), "a sound page stays sound"),
                Err(_) => assert!(page == before, "a refused operation leaves the page alone"),
            }
        }
    }
}

fn check_round_trip(record: &RecordRef<'_>) {
    let mut ops = OpsBuf::new();
    record.ops().for_each(|op| ops.push(&op));
    assert_eq!(ops.as_bytes(), record.ops_bytes());
    let mut again = alloc::vec::Vec::new();
    encode_record(record.header(), ops.as_bytes(), &mut again);
    assert_eq!(again, record.bytes());
}
