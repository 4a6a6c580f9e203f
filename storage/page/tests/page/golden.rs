//! Golden vectors.
//!
//! Bytes that must never change: a stored page or record written by any earlier version is read by this one.

use expect_test::{Expect, expect};
use redoubt_page::{
    Lsn, Op, OpsBuf, Page, PageId, PageKind, PatchTarget, PgId, RecordFlags, RecordHeader, apply_op,
    decode_record, describe, describe_page, encode_record, encoded_len, finish,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn header() -> RecordHeader {
    RecordHeader {
        lsn: Lsn::new(1000),
        page_id: PageId::new(70_000),
        pg: PgId::new(3),
        prev_pg_lsn: Lsn::new(998),
        prev_page_lsn: Lsn::new(700),
        prev_volume_lsn: Lsn::new(999),
        flags: RecordFlags::CPL,
    }
}

#[test]
fn operations() {
    let check = |op: Op<'_>, expected: Expect| {
        let mut ops = OpsBuf::new();
        ops.push(&op);
        expected.assert_eq(&hex(ops.as_bytes()));
        assert_eq!(ops.iter().collect::<Vec<_>>(), [op]);
    };
    check(Op::Initialise { kind: PageKind::new(7), special: b"\x01\x02" }, expect!["0107020102"]);
    check(Op::InsertItem { slot: 1, bytes: b"abc", shift: false }, expect!["020103616263"]);
    check(Op::InsertItem { slot: 300, bytes: b"", shift: true }, expect!["12ac0200"]);
    check(Op::ReplaceItem { slot: 2, bytes: b"xyz" }, expect!["03020378797a"]);
    check(Op::DeleteItem { slot: 4, shift: false }, expect!["0404"]);
    check(Op::DeleteItem { slot: 4, shift: true }, expect!["1404"]);
    check(Op::PatchBytes { target: PatchTarget::Slot(5), offset: 200, bytes: b"p" }, expect!["0505c8010170"]);
    check(Op::PatchBytes { target: PatchTarget::Special, offset: 8, bytes: b"q" }, expect!["15080171"]);
    check(Op::TruncateItems { from_slot: 9 }, expect!["0609"]);
    check(Op::Compact, expect!["07"]);
}

#[test]
fn record() {
    let mut ops = OpsBuf::new();
    ops.push(&Op::InsertItem { slot: 1, bytes: b"abc", shift: false });
    ops.push(&Op::PatchBytes { target: PatchTarget::Special, offset: 8, bytes: b"q" });
    let mut bytes = Vec::new();
    encode_record(&header(), ops.as_bytes(), &mut bytes);
    assert_eq!(bytes.len(), encoded_len(&header(), ops.len_bytes()));
    expect!["1501e807f0a2040302ac020102010361626315080171"].assert_eq(&hex(&bytes));
    let record = decode_record(&bytes).expect("what was encoded decodes");
    assert_eq!(*record.header(), header());
    expect![[r#"
        record 1000 page 70000 pg 3 after pg 998 page 700 volume 999 CPL (22 bytes)
          insert item slot 1 3 bytes 616263
          patch special at 8 1 bytes 71"#]]
    .assert_eq(&describe(&record));
}

#[test]
fn page() {
    let mut page = Page::absent(PageId::new(70_000));
    for op in [
        Op::Initialise { kind: PageKind::new(7), special: b"SPECIAL!" },
        Op::InsertItem { slot: 0, bytes: b"first", shift: false },
        Op::InsertItem { slot: 0, bytes: b"before it", shift: true },
        Op::InsertItem { slot: 2, bytes: b"last", shift: false },
        Op::DeleteItem { slot: 1, shift: false },
        Op::ReplaceItem { slot: 0, bytes: b"be" },
    ] {
        apply_op(&mut page, &op).expect("the operation fits");
    }
    finish(&mut page, Lsn::new(700));
    page.seal(PageId::new(70_000));
    expect![[r#"
        49fc7fdc01070000bc02000000000000701101000000000003003400e61ff81f0c00010000000000ea1f020000000000e61f040000000000
        6c6173746265666f726520697466697273745350454349414c21"#]].assert_eq(&format!("{}\n{}", hex(&page.bytes()[..56]), hex(&page.bytes()[8166..])));
    expect![[r#"
        page 70000 lsn 700 kind 7 slots 3 unused 1 free 8114 reclaimable 8126
          special 8 bytes 5350454349414c21
          slot 0 2 bytes 6265
          slot 1 unused
          slot 2 4 bytes 6c617374"#]]
    .assert_eq(&describe_page(&page));
    assert_eq!(page.verify(PageId::new(70_000)), Ok(()));
}
