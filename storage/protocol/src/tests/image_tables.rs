//! Pages in the place of records, as one segment gives and takes them.

use alloc::vec;
use redoubt_page::{Lsn, MembershipEpoch, PageId};

use super::lsn;
use super::segment_tables::*;
use crate::bytes::SharedBytes;
use crate::ids::{ControlToken, PersistToken, SegmentId};
use crate::message::*;
use crate::planted::Planted;
use crate::segment::SegmentCore;

/// Images of the pages in a range, as of VDL 40, whose last record of the group is 30.
fn images_of(first_page: u64, next_page: Option<u64>) -> Message {
    Message::Images(Images {
        to: address(),
        from: SegmentId::new(3),
        epochs: Epochs { volume: epoch(3), membership: MembershipEpoch::new(1) },
        source: FillSource::Peer,
        at: lsn(40),
        pg_tail: lsn(30),
        above: Lsn::ZERO,
        first_page: PageId::new(first_page),
        next_page: next_page.map(PageId::new),
        images: SharedBytes::from(vec![0; redoubt_page::PAGE_BYTES]),
    })
}

#[test]
fn images_come_one_message_at_a_time_and_count_all_at_once() {
    let mut core = segment();
    core.on_message(OTHER, images_of(0, Some(2)));
    check(&mut core, "stage anew 8192");
    assert_eq!(core.image_question(), None, "nothing is asked for while that is put aside");
    core.on_images_staged();
    check(&mut core, "ask@2 0..2 at 40");
    core.on_message(OTHER, images_of(0, Some(2)));
    check(&mut core, "");
    // What would only wait for the images is not taken, what links is.
    append(&mut core, 30, 31, 33);
    check(&mut core, "no@1 TooManyGaps");
    append(&mut core, 0, 1, 5);
    check(&mut core, "log 1: 1..5");
    core.on_message(OTHER, images_of(2, None));
    core.on_images_staged();
    check(&mut core, "stage 8192, commit 1: 30 at 40");
    assert_eq!(
        (core.scl(), core.status(REQUEST).coalesced),
        (Lsn::ZERO, Lsn::ZERO),
        "not before it is durable"
    );
    core.on_images_committed(ControlToken::new(1));
    check(&mut core, "ack@2 30, ack@1 30");
    assert_eq!((core.scl(), core.image_progress()), (lsn(30), None));
}

#[test]
fn what_waits_makes_room_for_what_it_waits_for() {
    let mut core = segment();
    append(&mut core, 5, 6, 9);
    persisted(&mut core, 1);
    check(&mut core, "log 1: 6..9, ack@1 0");
    assert!(core.forget_waiting());
    assert!(!core.forget_waiting(), "there is nothing left");
    append(&mut core, 5, 6, 9);
    check(&mut core, "no@1 TooManyGaps");
    append(&mut core, 0, 1, 5);
    append(&mut core, 5, 6, 9);
    check(&mut core, "log 2: 1..5, log 3: 6..9");
    core.set_roomy();
    append(&mut core, 12, 13, 14);
    check(&mut core, "log 4: 13..14");
    persisted(&mut core, 4);
    assert_eq!(core.scl(), lsn(9));
}

#[test]
fn a_part_of_the_images_is_not_all_of_them() {
    let said_by = |planted| {
        let mut core = segment();
        core.plant(planted);
        core.on_message(OTHER, images_of(0, Some(2)));
        said(&mut core)
    };
    assert_eq!(said_by(Planted::None), "stage anew 8192");
    assert_eq!(said_by(Planted::ImagesCountInPart), "stage anew 8192, commit 1: 30 at 40");
}

#[test]
fn an_older_point_is_served_for_as_long_as_no_image_passes_it() {
    let mut core = segment();
    append(&mut core, 0, 1, 5);
    persisted(&mut core, 1);
    core.on_append(WRITER, append_at(3, 5, None));
    core.on_positions_persisted(PersistToken::new(2));
    said(&mut core);
    core.offer_images(
        OTHER,
        Address { segment: SegmentId::new(3), ..address() },
        core.control().epochs(),
        Lsn::ZERO,
    );
    check(&mut core, "images@2 0..5 at 5 from 0");
    append(&mut core, 5, 6, 9);
    persisted(&mut core, 3);
    let positions = Append { read_floor: lsn(9), ..append_at(3, 9, None) };
    core.on_append(WRITER, positions);
    core.on_positions_persisted(PersistToken::new(4));
    said(&mut core);
    let ask = |core: &mut SegmentCore| {
        let epochs = core.control().epochs();
        let (from, source) = (SegmentId::new(3), FillSource::Peer);
        let (at, pg_tail, above, first_page) = (lsn(5), lsn(5), Lsn::ZERO, PageId::new(2));
        let to = address();
        let ask = AskImages { to, from, epochs, source, at, pg_tail, above, first_page };
        core.on_message(OTHER, Message::AskImages(ask));
    };
    ask(&mut core);
    check(&mut core, "images@2 0..5 at 5 from 2");
    core.release_images();
    core.on_coalesced(lsn(9));
    ask(&mut core);
    check(&mut core, "images@2 0..9 at 9 from 0");
}
