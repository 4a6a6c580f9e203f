//! What is refused: damaged images, damaged records, operations that do not fit.

use redoubt_page::{
    ApplyError, DecodeError, Lsn, MAX_ITEM_BYTES, MAX_RECORD_BYTES, MAX_SPECIAL_BYTES, Op, PAGE_BYTES, Page,
    PageError, PageId, PageKind, apply_op, decode_record, finish, records,
};

use crate::seeded::Seeded;

const PAGE_ID: PageId = PageId::new(77);

fn sealed_page() -> Page {
    let mut page = Page::absent(PAGE_ID);
    apply_op(&mut page, &Op::Initialise { kind: PageKind::new(1), special: b"special" }).expect("it fits");
    for slot in 0..100 {
        let item = [slot as u8; 60];
        apply_op(&mut page, &Op::InsertItem { slot, bytes: &item, shift: false }).expect("it fits");
    }
    finish(&mut page, Lsn::new(5));
    page.seal(PAGE_ID);
    page
}

#[test]
fn every_flipped_bit_is_found() {
    let page = sealed_page();
    let mut image = *page.bytes();
    for bit in 0..PAGE_BYTES * 8 {
        image[bit / 8] ^= 1 << (bit % 8);
        let flipped = Page::from_slice(&image).expect("a page's length");
        assert!(matches!(flipped.verify(PAGE_ID), Err(PageError::Checksum { .. })), "bit {bit}");
        image[bit / 8] ^= 1 << (bit % 8);
    }
    let mut random = Seeded::new(1);
    for _ in 0..20_000 {
        let mut image = *page.bytes();
        for _ in 0..=random.below(40) {
            let bit = random.below(PAGE_BYTES * 8);
            image[bit / 8] ^= 1 << (bit % 8);
        }
        let flipped = Page::from_slice(&image).expect("a page's length");
        assert!(flipped == page || flipped.verify(PAGE_ID).is_err());
    }
}

#[test]
fn torn_misdirected_and_blank_images_are_found() {
    let page = sealed_page();
    let torn_at = |at: usize| {
        let mut image = *page.bytes();
        image[at..].fill(0);
        Page::from_slice(&image).expect("a page's length").verify(PAGE_ID)
    };
    for sector in 0..PAGE_BYTES / 512 {
        assert!(matches!(torn_at(sector * 512), Err(PageError::Checksum { .. })), "torn at sector {sector}");
    }
    let wanted = PageId::new(78);
    assert_eq!(page.verify(wanted), Err(PageError::WrongPage { wanted, found: 77 }));
    assert_eq!(Page::from_slice(&[0; 100]).err(), Some(PageError::Length(100)));

    let mut unsealed = page.clone();
    assert_eq!(unsealed.unseal(PAGE_ID), Ok(()));
    assert!(
        matches!(unsealed.verify(PAGE_ID), Err(PageError::Checksum { .. })),
        "in memory there is no checksum"
    );

    let mut absent = Page::absent(PAGE_ID);
    absent.seal(PAGE_ID);
    assert_eq!(absent.verify(PAGE_ID), Ok(()), "an absent page can be sent as well");
}

#[test]
fn contradictory_pages_are_refused_and_not_changed() {
    // Each case changes one field of a sound page: where, to what (little endian), and what is found.
    let check = |at: usize, value: u16, expected: &str| {
        let mut image = *sealed_page().bytes();
        image[at..at + 2].copy_from_slice(&value.to_le_bytes());
        let mut page = Page::from_slice(&image).expect("a page's length");
        let error = page.validate().expect_err(expected);
        assert_eq!(error.to_string(), expected);
        // The operations refuse it too, or leave it no worse; they do not panic.
        let before = page.clone();
        for op in [
            Op::InsertItem { slot: 0, bytes: &[1; 2000], shift: true },
            Op::DeleteItem { slot: 3, shift: false },
            Op::TruncateItems { from_slot: 1 },
            Op::Compact,
            Op::FullImage { bytes: &image },
        ] {
            if apply_op(&mut page, &op).is_err() {
                assert!(page == before, "{op:?}");
            }
            page.copy_from(&before);
        }
    };
    check(4, 9, "unknown page layout version 9");
    check(6, 1, "page structure damaged: reserved bits");
    check(24, 99, "page structure damaged: end of the slot array");
    check(26, 41, "page structure damaged: end of the slot array");
    check(28, 30, "page structure damaged: boundaries out of order");
    check(28, 8190, "page structure damaged: boundaries out of order");
    check(30, 8193, "page structure damaged: boundaries out of order");
    check(32, 6001, "page structure damaged: counters");
    check(32, 5, "page structure damaged: garbage count");
    check(34, 1, "page structure damaged: unused slot count");
    check(36, 1, "page structure damaged: reserved bits");
    check(40, 0, "page structure damaged: an unused slot has a length");
    check(40, 41, "page structure damaged: an item lies outside the items");
    check(40, 8190, "page structure damaged: an item lies outside the items");
    check(40, 8064, "page structure damaged: two items overlap");
    check(42, 0, "page structure damaged: an empty item is not at the items' end");
    check(42, 61, "page structure damaged: an item lies outside the items");
    check(42, 59, "page structure damaged: garbage count");
}

#[test]
fn damaged_records_are_refused() {
    let check = |bytes: &[u8], expected: DecodeError| {
        assert_eq!(decode_record(bytes), Err(expected), "{bytes:?}");
        assert_eq!(
            records(bytes).filter(Result::is_err).count(),
            usize::from(!matches!(expected, DecodeError::Trailing(_)))
        );
    };
    // length, flags, lsn, page, pg, three distances, an operation
    let sound = [8, 1, 9, 4, 0, 1, 2, 3, 7];
    assert!(decode_record(&sound).is_ok());
    assert_eq!(decode_record(&[]), Err(DecodeError::Truncated));
    for len in 1..sound.len() {
        check(&sound[..len], DecodeError::Truncated);
    }
    check(&[8, 1, 9, 4, 0, 1, 2, 3, 7, 8, 1, 9, 4, 0, 1, 2, 3, 7], DecodeError::Trailing(9));
    check(&[7, 1, 9, 4, 0, 1, 2, 3], DecodeError::NoOps);
    check(&[8, 2, 9, 4, 0, 1, 2, 3, 7], DecodeError::UnknownFlags(2));
    check(&[8, 1, 0, 4, 0, 1, 2, 3, 7], DecodeError::OutOfRange { field: "LSN", value: 0 });
    let field = "distance in the protection group";
    check(&[8, 1, 9, 4, 0, 0, 2, 3, 7], DecodeError::OutOfRange { field, value: 0 });
    check(&[8, 1, 9, 4, 0, 10, 2, 3, 7], DecodeError::OutOfRange { field, value: 10 });
    check(&[8, 1, 9, 4, 0, 1, 2, 3, 9], DecodeError::UnknownOp(9));
    check(&[8, 1, 9, 4, 0, 1, 2, 3, 0x17], DecodeError::UnknownOp(0x17));
    check(&[9, 1, 9, 4, 0, 1, 2, 3, 3, 0], DecodeError::Truncated);
    check(
        &[14, 1, 9, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40, 0, 1, 2, 3, 7],
        DecodeError::OutOfRange { field: "page id", value: 1 << 48 },
    );
    check(
        &[0x81, 0x80, 0x04],
        DecodeError::OutOfRange { field: "record length", value: MAX_RECORD_BYTES as u64 + 1 },
    );
}

#[test]
fn operations_at_the_limits() {
    let mut page = Page::absent(PAGE_ID);
    assert!(!page.fits(0));
    assert_eq!(apply_op(&mut page, &Op::Compact), Err(ApplyError::NotInitialised));
    let special = vec![5; MAX_SPECIAL_BYTES];
    assert_eq!(apply_op(&mut page, &Op::Initialise { kind: PageKind::new(1), special: &special }), Ok(()));
    assert_eq!((page.special(), page.free_bytes(), page.fits(0)), (&special[..], 0, false));
    let too_long = vec![5; MAX_SPECIAL_BYTES + 1];
    let refused = apply_op(&mut page, &Op::Initialise { kind: PageKind::new(1), special: &too_long });
    assert_eq!(refused, Err(ApplyError::SpecialTooLong(MAX_SPECIAL_BYTES + 1)));

    apply_op(&mut page, &Op::Initialise { kind: PageKind::new(1), special: &[] }).expect("it fits");
    assert!(page.fits(MAX_ITEM_BYTES) && !page.fits(MAX_ITEM_BYTES + 1));
    let item = vec![6; MAX_ITEM_BYTES];
    assert_eq!(apply_op(&mut page, &Op::InsertItem { slot: 0, bytes: &item, shift: false }), Ok(()));
    assert_eq!((page.item(0), page.free_bytes(), page.fits(0)), (Some(&item[..]), 0, false));
    let refused = apply_op(&mut page, &Op::InsertItem { slot: 1, bytes: &[], shift: false });
    assert_eq!(refused, Err(ApplyError::NoSpace { needed_bytes: 4, available_bytes: 0 }));
    assert_eq!(page.validate(), Ok(()));

    let mut image = *page.bytes();
    image[16] ^= 1;
    let refused = apply_op(&mut page, &Op::FullImage { bytes: &image });
    assert_eq!(refused, Err(ApplyError::Damaged(PageError::WrongPage { wanted: PAGE_ID, found: 76 })));
    let mut other = Page::absent(PageId::new(76));
    let copy = page.relabelled(PageId::new(76));
    assert_eq!(apply_op(&mut other, &Op::FullImage { bytes: copy.bytes() }), Ok(()));
    assert!(other == copy);
    let absent = Page::absent(PAGE_ID);
    assert_eq!(
        apply_op(&mut page, &Op::FullImage { bytes: absent.bytes() }),
        Err(ApplyError::NotInitialised)
    );
}
