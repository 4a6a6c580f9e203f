//! Records and pages in words, for people who inspect a log or a page.

use alloc::format;
use alloc::string::String;
use core::fmt::Write;

use crate::op::{Op, PatchTarget};
use crate::page::Page;
use crate::record::RecordRef;

/// How many bytes of an item are shown.
const SHOWN_BYTES: usize = 16;

/// A record: one line for its header, one for each operation.
pub fn describe(record: &RecordRef<'_>) -> String {
    let header = record.header();
    let mut text = format!(
        "record {} page {} pg {} after pg {} page {} volume {}{} ({} bytes)",
        header.lsn,
        header.page_id,
        header.pg,
        header.prev_pg_lsn,
        header.prev_page_lsn,
        header.prev_volume_lsn,
        if header.flags.is_cpl() { " CPL" } else { "" },
        record.bytes().len(),
    );
    for op in record.ops() {
        text.push_str("\n  ");
        text.push_str(&describe_op(&op));
    }
    text
}

/// One operation, on one line.
pub fn describe_op(op: &Op<'_>) -> String {
    match *op {
        Op::Initialise { kind, special } => format!("initialise kind {kind} special {}", hex(special)),
        Op::InsertItem { slot, bytes, shift } => {
            format!("insert item slot {slot}{} {}", shifted(shift), hex(bytes))
        }
        Op::ReplaceItem { slot, bytes } => format!("replace item slot {slot} {}", hex(bytes)),
        Op::DeleteItem { slot, shift } => format!("delete item slot {slot}{}", shifted(shift)),
        Op::PatchBytes { target: PatchTarget::Slot(slot), offset, bytes } => {
            format!("patch slot {slot} at {offset} {}", hex(bytes))
        }
        Op::PatchBytes { target: PatchTarget::Special, offset, bytes } => {
            format!("patch special at {offset} {}", hex(bytes))
        }
        Op::TruncateItems { from_slot } => format!("truncate items from slot {from_slot}"),
        Op::Compact => String::from("compact"),
        Op::FullImage { .. } => String::from("full image"),
    }
}

/// A page: one line for its header, one for the special area if there is one, one for each slot.
pub fn describe_page(page: &Page) -> String {
    let mut text = format!("page {} lsn {}", page.page_id(), page.lsn());
    if !page.is_initialised() {
        text.push_str(" not initialised");
        return text;
    }
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        " kind {} slots {} unused {} free {} reclaimable {}",
        page.kind(),
        page.slot_count(),
        page.unused_slot_count(),
        page.free_bytes(),
        page.reclaimable_free_bytes(),
    );
    if let Err(error) = page.validate() {
        let _ = write!(text, " DAMAGED: {error}");
    }
    if !page.special().is_empty() {
        let _ = write!(text, "\n  special {}", hex(page.special()));
    }
    for slot in 0..page.slot_count() {
        let _ = match page.item(slot) {
            Some(item) => write!(text, "\n  slot {slot} {}", hex(item)),
            None => write!(text, "\n  slot {slot} unused"),
        };
    }
    text
}

fn shifted(shift: bool) -> &'static str {
    if shift { " shifting" } else { "" }
}

/// The length, and the first bytes in hexadecimal.
fn hex(bytes: &[u8]) -> String {
    let mut text = format!("{} bytes", bytes.len());
    for (at, byte) in bytes.iter().take(SHOWN_BYTES).enumerate() {
        let _ = write!(text, "{}{byte:02x}", if at == 0 { " " } else { "" });
    }
    if bytes.len() > SHOWN_BYTES {
        text.push_str("..");
    }
    text
}
