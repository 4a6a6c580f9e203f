//! The encoded form of messages.
//!
//! ```text
//! 0  version   u8    1
//! 1  kind      u8    which message
//! 2  reserved  u16   0
//! 4  length    u32   bytes that follow
//! 8  address   pg u32, segment u64
//! 20 the rest of the message; records and page images come last
//! ```

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use redoubt_page::{Lsn, PAGE_BYTES, PageId};

use crate::batch::{LsnRun, RecordBatch};
use crate::bytes::SharedBytes;
use crate::codec::{DecodeError, Reader, Writer};
use crate::ids::RequestId;
use crate::message::*;
use crate::refusal::Refusal;

/// The version of the protocol that this build speaks. Any change to the encoded form raises it.
pub const PROTOCOL_VERSION: u8 = 1;

/// Bytes before a message's body.
pub const FRAME_HEADER_BYTES: usize = 8;

/// The longest body that is accepted: a seal report over a full window of unacknowledged records, with room.
pub const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// Reads the header of a frame and returns the length of the body that follows it, so that a stream can be
/// cut into frames.
///
/// # Errors
/// When the version is not spoken here or the length is beyond its limit.
pub fn body_length(header: &[u8; FRAME_HEADER_BYTES]) -> Result<usize, DecodeError> {
    let [version, _kind, reserved @ .., l0, l1, l2, l3] = *header;
    if version != PROTOCOL_VERSION {
        return Err(DecodeError::Version(version));
    }
    if reserved != [0, 0] {
        let value = u64::from(u16::from_le_bytes(reserved));
        return Err(DecodeError::OutOfRange { field: "reserved bytes", value });
    }
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let within = usize::try_from(length).ok().filter(|l| *l <= MAX_BODY_BYTES);
    within.ok_or(DecodeError::OutOfRange { field: "message length", value: u64::from(length) })
}

impl Message {
    /// Appends the message's frame to `head`, except for its records or page image, which are returned to
    /// be sent right after: they are shared with other sends and need not be copied.
    pub fn encode(&self, head: &mut Vec<u8>) -> Option<SharedBytes> {
        let start = head.len();
        head.extend_from_slice(&[PROTOCOL_VERSION, self.kind(), 0, 0, 0, 0, 0, 0]);
        let mut writer = Writer::new(head);
        let address = self.address();
        writer.u32(address.pg.get());
        writer.u64(address.segment.get());
        let tail = self.encode_body(&mut writer);
        let body = head.len() - start - FRAME_HEADER_BYTES + tail.as_ref().map_or(0, |t| t.len());
        assert!(body <= MAX_BODY_BYTES, "a message of {body} bytes is too long to send");
        head[start + 4..start + 8].copy_from_slice(&(body as u32).to_le_bytes());
        tail
    }

    /// The whole frame in one piece.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        if let Some(tail) = self.encode(&mut frame) {
            frame.extend_from_slice(&tail);
        }
        frame
    }

    /// Reads a whole frame, header included. Records and images share the frame's bytes.
    ///
    /// # Errors
    /// When the bytes are anything but one well-formed message.
    pub fn decode(frame: &SharedBytes) -> Result<Message, DecodeError> {
        let header = frame.first_chunk::<FRAME_HEADER_BYTES>().ok_or(DecodeError::Truncated)?;
        let length = body_length(header)?;
        let found = frame.len() - FRAME_HEADER_BYTES;
        if found < length {
            return Err(DecodeError::Truncated);
        }
        if found > length {
            return Err(DecodeError::Trailing(found - length));
        }
        let body = frame.slice(FRAME_HEADER_BYTES..frame.len());
        let mut reader = Reader::new(&body);
        let address = Address { pg: reader.pg()?, segment: reader.segment()? };
        let message = decode_body(header[1], address, &mut reader, &body)?;
        reader.finish()?;
        Ok(message)
    }

    fn kind(&self) -> u8 {
        match self {
            Message::Append(_) => 1,
            Message::AppendAck(_) => 2,
            Message::Refused(_) => 3,
            Message::ReadPage(_) => 4,
            Message::PageReply(_) => 5,
            Message::Seal(_) => 6,
            Message::SealReport(_) => 7,
            Message::WriteHistory(_) => 8,
            Message::HistoryWritten(_) => 9,
            Message::WriteMembership(_) => 10,
            Message::MembershipWritten(_) => 11,
            Message::CreateSegment(_) => 12,
            Message::FetchRecords(_) => 13,
            Message::Records(_) => 14,
            Message::Fill(_) => 15,
            Message::AskGaps(_) => 16,
            Message::AskStatus(_) => 17,
            Message::Status(_) => 18,
            Message::AskImages(_) => 19,
            Message::Images(_) => 20,
        }
    }

    fn encode_body(&self, w: &mut Writer<'_>) -> Option<SharedBytes> {
        match self {
            Message::Append(m) => {
                epochs(w, m.epochs);
                [m.vdl, m.pg_tail, m.read_floor].into_iter().for_each(|l| w.lsn(l));
                return m.batch.as_ref().map(|b| b.bytes().clone());
            }
            Message::AppendAck(m) => {
                w.u64(m.volume_epoch.get());
                w.lsn(m.scl);
            }
            Message::Refused(m) => {
                w.u64(m.request.get());
                refusal(w, m.reason);
            }
            Message::ReadPage(m) => {
                w.u64(m.request.get());
                epochs(w, m.epochs);
                w.u64(m.page.get());
                w.lsn(m.read_point);
                w.lsn(m.pg_tail);
            }
            Message::PageReply(m) => {
                w.u64(m.request.get());
                return Some(m.image.clone());
            }
            Message::Seal(m) => {
                w.u64(m.request.get());
                w.u64(m.volume_epoch.get());
            }
            Message::SealReport(m) => seal_report(w, m),
            Message::WriteHistory(m) => {
                w.u64(m.request.get());
                w.u64(m.volume_epoch.get());
                w.history(&m.history);
            }
            Message::HistoryWritten(m) => {
                w.u64(m.request.get());
                w.u64(m.volume_epoch.get());
                w.u64(m.history_epoch.get());
                w.lsn(m.scl);
            }
            Message::WriteMembership(m) => {
                w.u64(m.request.get());
                w.u64(m.volume_epoch.get());
                w.membership(&m.membership);
            }
            Message::MembershipWritten(m) => {
                w.u64(m.request.get());
                w.u64(m.membership_epoch.get());
            }
            Message::CreateSegment(m) => {
                w.u64(m.request.get());
                w.bytes(&m.volume.get());
                w.u64(m.segment_pages);
                w.u64(m.volume_epoch.get());
                w.history(&m.history);
                w.membership(&m.membership);
            }
            Message::FetchRecords(m) => {
                w.u64(m.request.get());
                w.u64(m.volume_epoch.get());
                w.lsn(m.after);
                w.lsn(m.upto);
                w.u32(m.max_bytes);
            }
            Message::Records(m) => {
                w.u64(m.request.get());
                return m.batch.as_ref().map(|b| b.bytes().clone());
            }
            Message::Fill(m) => {
                epochs(w, m.epochs);
                fill_source(w, m.source);
                return Some(m.batch.bytes().clone());
            }
            Message::AskGaps(m) => {
                w.u64(m.from.get());
                epochs(w, m.epochs);
                w.lsn(m.scl);
                w.lsn(m.upto);
            }
            Message::AskStatus(m) => w.u64(m.request.get()),
            Message::Status(m) => status(w, m),
            Message::AskImages(m) => {
                w.u64(m.from.get());
                epochs(w, m.epochs);
                fill_source(w, m.source);
                [m.at, m.pg_tail, m.above].into_iter().for_each(|l| w.lsn(l));
                w.u64(m.first_page.get());
            }
            Message::Images(m) => {
                w.u64(m.from.get());
                epochs(w, m.epochs);
                fill_source(w, m.source);
                [m.at, m.pg_tail, m.above].into_iter().for_each(|l| w.lsn(l));
                w.u64(m.first_page.get());
                w.u64(m.next_page.map_or(u64::MAX, |p| p.get()));
                return Some(m.images.clone());
            }
        }
        None
    }
}

fn epochs(w: &mut Writer<'_>, epochs: Epochs) {
    w.u64(epochs.volume.get());
    w.u64(epochs.membership.get());
}

fn fill_source(w: &mut Writer<'_>, source: FillSource) {
    w.u8(match source {
        FillSource::Recovery => 0,
        FillSource::Peer => 1,
    });
}

fn seal_report(w: &mut Writer<'_>, m: &SealReport) {
    w.u64(m.request.get());
    w.u64(m.volume_epoch.get());
    w.bool(m.joined);
    w.bool(m.clean);
    [m.scl, m.persisted_vdl, m.read_floor, m.chain_base].into_iter().for_each(|l| w.lsn(l));
    w.membership(&m.membership);
    w.history(&m.history);
    // Positions along the chain are close together: each is written as its distance from the one before.
    w.count(m.chain.len());
    let mut at = Lsn::ZERO;
    for run in &m.chain {
        w.varint(run.first.records_since(at));
        w.varint(run.first.records_since(run.prev_volume));
        w.varint(run.last.records_since(run.first));
        at = run.last;
    }
    w.count(m.cpls.len());
    let mut at = Lsn::ZERO;
    for cpl in &m.cpls {
        w.varint(cpl.records_since(at));
        at = *cpl;
    }
}

fn status(w: &mut Writer<'_>, m: &Status) {
    w.u64(m.request.get());
    w.u64(m.volume_epoch.get());
    w.u64(m.history_epoch.get());
    w.u64(m.membership_epoch.get());
    [m.scl, m.highest_received, m.persisted_vdl, m.coalesced, m.read_floor]
        .into_iter()
        .for_each(|l| w.lsn(l));
    w.bool(m.joined);
    w.bool(m.clean);
}

fn refusal(w: &mut Writer<'_>, reason: Refusal) {
    let (code, value) = match reason {
        Refusal::Fenced { current } => (1, current.get()),
        Refusal::NeedHistory { installed } => (2, installed.get()),
        Refusal::StaleMembership { current } => (3, current.get()),
        Refusal::NeedMembership { installed } => (4, installed.get()),
        Refusal::Behind { scl } => (5, scl.get()),
        Refusal::BelowReadFloor { floor } => (6, floor.get()),
        Refusal::UnknownSegment => (7, 0),
        Refusal::WrongPage => (8, 0),
        Refusal::BadRecords => (9, 0),
        Refusal::TooManyGaps => (10, 0),
        Refusal::LogDead => (11, 0),
        Refusal::Damaged => (12, 0),
        Refusal::OutOfSpace => (13, 0),
        Refusal::RecordsCollected { floor } => (14, floor.get()),
        Refusal::HistoryTooDeep { linked } => (15, linked.get()),
    };
    w.u8(code);
    w.u64(value);
}

fn decode_body(
    kind: u8,
    address: Address,
    r: &mut Reader<'_>,
    body: &SharedBytes,
) -> Result<Message, DecodeError> {
    Ok(match kind {
        1 => Message::Append(Append {
            to: address,
            epochs: read_epochs(r)?,
            vdl: r.lsn()?,
            pg_tail: r.lsn()?,
            read_floor: r.lsn()?,
            batch: read_batch(r, body)?,
        }),
        2 => Message::AppendAck(AppendAck { from: address, volume_epoch: r.volume_epoch()?, scl: r.lsn()? }),
        3 => Message::Refused(Refused { from: address, request: r.request()?, reason: read_refusal(r)? }),
        4 => Message::ReadPage(ReadPage {
            to: address,
            request: r.request()?,
            epochs: read_epochs(r)?,
            page: read_page_id(r)?,
            read_point: r.lsn()?,
            pg_tail: r.lsn()?,
        }),
        5 => read_page_reply(address, r, body)?,
        6 => Message::Seal(Seal { to: address, request: r.request()?, volume_epoch: r.volume_epoch()? }),
        7 => Message::SealReport(Box::new(read_seal_report(address, r)?)),
        8 => Message::WriteHistory(WriteHistory {
            to: address,
            request: r.request()?,
            volume_epoch: r.volume_epoch()?,
            history: Arc::new(r.history()?),
        }),
        9 => Message::HistoryWritten(HistoryWritten {
            from: address,
            request: r.request()?,
            volume_epoch: r.volume_epoch()?,
            history_epoch: r.volume_epoch()?,
            scl: r.lsn()?,
        }),
        10 => Message::WriteMembership(WriteMembership {
            to: address,
            request: r.request()?,
            volume_epoch: r.volume_epoch()?,
            membership: Arc::new(r.membership()?),
        }),
        11 => Message::MembershipWritten(MembershipWritten {
            from: address,
            request: r.request()?,
            membership_epoch: r.membership_epoch()?,
        }),
        12 => Message::CreateSegment(Box::new(CreateSegment {
            to: address,
            request: r.request()?,
            volume: r.volume()?,
            segment_pages: r.u64()?,
            volume_epoch: r.volume_epoch()?,
            history: Arc::new(r.history()?),
            membership: Arc::new(r.membership()?),
        })),
        13 => Message::FetchRecords(FetchRecords {
            to: address,
            request: r.request()?,
            volume_epoch: r.volume_epoch()?,
            after: r.lsn()?,
            upto: r.lsn()?,
            max_bytes: r.u32()?,
        }),
        14 => {
            let request = r.request()?;
            Message::Records(Records { from: address, request, batch: read_batch(r, body)? })
        }
        15 => Message::Fill(Fill {
            to: address,
            epochs: read_epochs(r)?,
            source: read_fill_source(r)?,
            batch: read_batch(r, body)?.ok_or(DecodeError::Truncated)?,
        }),
        16 => Message::AskGaps(AskGaps {
            to: address,
            from: r.segment()?,
            epochs: read_epochs(r)?,
            scl: r.lsn()?,
            upto: r.lsn()?,
        }),
        17 => Message::AskStatus(AskStatus { to: address, request: r.request()? }),
        18 => Message::Status(read_status(address, r)?),
        19 => Message::AskImages(AskImages {
            to: address,
            from: r.segment()?,
            epochs: read_epochs(r)?,
            source: read_fill_source(r)?,
            at: r.lsn()?,
            pg_tail: r.lsn()?,
            above: r.lsn()?,
            first_page: read_page_id(r)?,
        }),
        20 => read_images(address, r, body)?,
        other => return Err(DecodeError::Kind(other)),
    })
}

fn read_epochs(r: &mut Reader<'_>) -> Result<Epochs, DecodeError> {
    Ok(Epochs { volume: r.volume_epoch()?, membership: r.membership_epoch()? })
}

fn read_page_id(r: &mut Reader<'_>) -> Result<PageId, DecodeError> {
    let value = r.u64()?;
    PageId::try_new(value).ok_or(DecodeError::OutOfRange { field: "page id", value })
}

/// The rest of the body as shared bytes.
fn read_rest(r: &mut Reader<'_>, body: &SharedBytes) -> Result<SharedBytes, DecodeError> {
    let rest = body.slice(r.position()..body.len());
    r.take(rest.len())?;
    Ok(rest)
}

fn read_batch(r: &mut Reader<'_>, body: &SharedBytes) -> Result<Option<RecordBatch>, DecodeError> {
    let rest = read_rest(r, body)?;
    if rest.is_empty() { Ok(None) } else { Ok(Some(RecordBatch::parse(rest)?)) }
}

fn read_page_reply(from: Address, r: &mut Reader<'_>, body: &SharedBytes) -> Result<Message, DecodeError> {
    let request: RequestId = r.request()?;
    let image = read_rest(r, body)?;
    if image.len() != PAGE_BYTES {
        return Err(DecodeError::OutOfRange { field: "page image length", value: image.len() as u64 });
    }
    Ok(Message::PageReply(PageReply { from, request, image }))
}

fn read_images(to: Address, r: &mut Reader<'_>, body: &SharedBytes) -> Result<Message, DecodeError> {
    let (from, epochs, source) = (r.segment()?, read_epochs(r)?, read_fill_source(r)?);
    let (at, pg_tail, above) = (r.lsn()?, r.lsn()?, r.lsn()?);
    let first_page = read_page_id(r)?;
    let next_page = match r.u64()? {
        u64::MAX => None,
        value => {
            let page = PageId::try_new(value).filter(|next| *next > first_page);
            Some(page.ok_or(DecodeError::OutOfRange { field: "next page", value })?)
        }
    };
    let images = read_rest(r, body)?;
    if !images.len().is_multiple_of(PAGE_BYTES) {
        return Err(DecodeError::OutOfRange { field: "page images length", value: images.len() as u64 });
    }
    Ok(Message::Images(Images {
        to,
        from,
        epochs,
        source,
        at,
        pg_tail,
        above,
        first_page,
        next_page,
        images,
    }))
}

fn read_fill_source(r: &mut Reader<'_>) -> Result<FillSource, DecodeError> {
    match r.u8()? {
        0 => Ok(FillSource::Recovery),
        1 => Ok(FillSource::Peer),
        other => Err(DecodeError::OutOfRange { field: "fill source", value: u64::from(other) }),
    }
}

fn read_seal_report(from: Address, r: &mut Reader<'_>) -> Result<SealReport, DecodeError> {
    Ok(SealReport {
        from,
        request: r.request()?,
        volume_epoch: r.volume_epoch()?,
        joined: r.bool("joined")?,
        clean: r.bool("clean")?,
        scl: r.lsn()?,
        persisted_vdl: r.lsn()?,
        read_floor: r.lsn()?,
        chain_base: r.lsn()?,
        membership: Arc::new(r.membership()?),
        history: Arc::new(r.history()?),
        chain: read_chain(r)?,
        cpls: read_cpls(r)?,
    })
}

/// Moves a position up by a distance read from the message; distances are at least one.
fn read_step(r: &mut Reader<'_>, at: Lsn, field: &'static str) -> Result<Lsn, DecodeError> {
    let value = r.varint(field)?;
    let moved = if value == 0 { None } else { at.checked_add(value) };
    moved.ok_or(DecodeError::OutOfRange { field, value })
}

fn read_chain(r: &mut Reader<'_>) -> Result<Vec<LsnRun>, DecodeError> {
    let count = r.count("chain runs", 3)?;
    let mut chain = Vec::with_capacity(count);
    let mut at = Lsn::ZERO;
    for _ in 0..count {
        let first = read_step(r, at, "chain run start")?;
        let back = r.varint("chain run link")?;
        let link = if back == 0 { None } else { first.checked_sub(back) };
        let prev_volume = link.ok_or(DecodeError::OutOfRange { field: "chain run link", value: back })?;
        let length = r.varint("chain run length")?;
        let end = first.checked_add(length);
        let last = end.ok_or(DecodeError::OutOfRange { field: "chain run length", value: length })?;
        chain.push(LsnRun { prev_volume, first, last });
        at = last;
    }
    Ok(chain)
}

fn read_cpls(r: &mut Reader<'_>) -> Result<Vec<Lsn>, DecodeError> {
    let count = r.count("consistency points", 1)?;
    let mut cpls = Vec::with_capacity(count);
    let mut at = Lsn::ZERO;
    for _ in 0..count {
        at = read_step(r, at, "consistency point")?;
        cpls.push(at);
    }
    Ok(cpls)
}

fn read_status(from: Address, r: &mut Reader<'_>) -> Result<Status, DecodeError> {
    Ok(Status {
        from,
        request: r.request()?,
        volume_epoch: r.volume_epoch()?,
        history_epoch: r.volume_epoch()?,
        membership_epoch: r.membership_epoch()?,
        scl: r.lsn()?,
        highest_received: r.lsn()?,
        persisted_vdl: r.lsn()?,
        coalesced: r.lsn()?,
        read_floor: r.lsn()?,
        joined: r.bool("joined")?,
        clean: r.bool("clean")?,
    })
}

fn read_refusal(r: &mut Reader<'_>) -> Result<Refusal, DecodeError> {
    let code = r.u8()?;
    let value = r.u64()?;
    let (epoch, lsn) = (redoubt_page::VolumeEpoch::new(value), Lsn::new(value));
    let membership = redoubt_page::MembershipEpoch::new(value);
    if (7..=13).contains(&code) && value != 0 {
        return Err(DecodeError::OutOfRange { field: "refusal value", value });
    }
    Ok(match code {
        1 => Refusal::Fenced { current: epoch },
        2 => Refusal::NeedHistory { installed: epoch },
        3 => Refusal::StaleMembership { current: membership },
        4 => Refusal::NeedMembership { installed: membership },
        5 => Refusal::Behind { scl: lsn },
        6 => Refusal::BelowReadFloor { floor: lsn },
        7 => Refusal::UnknownSegment,
        8 => Refusal::WrongPage,
        9 => Refusal::BadRecords,
        10 => Refusal::TooManyGaps,
        11 => Refusal::LogDead,
        12 => Refusal::Damaged,
        13 => Refusal::OutOfSpace,
        14 => Refusal::RecordsCollected { floor: lsn },
        15 => Refusal::HistoryTooDeep { linked: lsn },
        other => {
            return Err(DecodeError::OutOfRange { field: "refusal code", value: u64::from(other) });
        }
    })
}
