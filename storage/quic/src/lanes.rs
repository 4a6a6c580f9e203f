//! The streams of a connection. Page reads have one of their own, so that a page never waits behind a batch of
//! records.
//!
//! The member that dials opens both, and begins each with who it is:
//!
//! ```text
//! 0  magic  "RdQL"
//! 4  lane   u8    0 changes, 1 reads
//! 5  length u8    of the name
//! 6  name         the member that dials, as in its certificate
//! ```

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream};
use redoubt_protocol::Message;

use crate::error::LinkError;
use crate::frames::{FrameReader, encode};
use crate::outbox::Outbox;
use crate::tls::MemberName;

const MAGIC: [u8; 4] = *b"RdQL";

/// A stream's purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Everything that changes something, in order, and its answers.
    Changes,
    /// Page reads and their answers.
    Reads,
}

/// One stream, both ways.
pub(crate) struct LaneStreams {
    pub(crate) send: SendStream,
    pub(crate) receive: FrameReader,
}

/// Both streams of a connection.
pub(crate) struct Lanes {
    pub(crate) changes: LaneStreams,
    pub(crate) reads: LaneStreams,
}

/// Opens both streams and says who dials.
pub(crate) async fn open(connection: &Connection, own: MemberName) -> Result<Lanes, LinkError> {
    let changes = open_one(connection, own, Lane::Changes).await?;
    let reads = open_one(connection, own, Lane::Reads).await?;
    Ok(Lanes { changes, reads })
}

async fn open_one(connection: &Connection, own: MemberName, lane: Lane) -> Result<LaneStreams, LinkError> {
    let (mut send, receive) = connection.open_bi().await?;
    let name = own.to_string();
    let mut preface = MAGIC.to_vec();
    preface.push(lane as u8);
    preface.push(name.len() as u8);
    preface.extend_from_slice(name.as_bytes());
    send.write_all(&preface).await?;
    Ok(LaneStreams { send, receive: FrameReader::new(receive) })
}

/// Takes both streams of a member that dialled, and who it says it is.
pub(crate) async fn accept(connection: &Connection) -> Result<(MemberName, Lanes), LinkError> {
    let (first_name, first_lane, first) = accept_one(connection).await?;
    let (second_name, second_lane, second) = accept_one(connection).await?;
    if first_name != second_name {
        return Err(LinkError::Rules("it has two names"));
    }
    let lanes = match (first_lane, second_lane) {
        (Lane::Changes, Lane::Reads) => Lanes { changes: first, reads: second },
        (Lane::Reads, Lane::Changes) => Lanes { changes: second, reads: first },
        _ => return Err(LinkError::Rules("it opened one stream twice")),
    };
    Ok((first_name, lanes))
}

async fn accept_one(connection: &Connection) -> Result<(MemberName, Lane, LaneStreams), LinkError> {
    let (send, mut receive) = connection.accept_bi().await?;
    let head: [u8; 6] = read_exactly(&mut receive).await?;
    let [magic @ .., lane, length] = head;
    if magic != MAGIC {
        return Err(LinkError::Rules("its stream begins with something else"));
    }
    let lane = match lane {
        0 => Lane::Changes,
        1 => Lane::Reads,
        _ => return Err(LinkError::Rules("there is no such stream")),
    };
    let mut name = vec![0; usize::from(length)];
    receive.read_exact(&mut name).await.map_err(|_| LinkError::Closed)?;
    let name = std::str::from_utf8(&name).ok().and_then(MemberName::parse);
    let name = name.ok_or(LinkError::Stranger("its name is no member's"))?;
    Ok((name, lane, LaneStreams { send, receive: FrameReader::new(receive) }))
}

async fn read_exactly<const N: usize>(stream: &mut RecvStream) -> Result<[u8; N], LinkError> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.map_err(|_| LinkError::Closed)?;
    Ok(bytes)
}

/// Sends what gathers in an outbox, and what `load` adds at the moment when there is room for it.
pub(crate) async fn send_from(
    mut stream: SendStream,
    outbox: &Outbox,
    load: impl Fn(&mut Vec<Message>),
) -> LinkError {
    let (mut messages, mut chunks) = (Vec::new(), Vec::<Bytes>::new());
    loop {
        outbox.take(&mut messages);
        load(&mut messages);
        if messages.is_empty() {
            outbox.ready().await;
            continue;
        }
        encode(&mut messages, &mut chunks);
        if let Err(error) = stream.write_all_chunks(&mut chunks).await {
            return error.into();
        }
        chunks.clear();
    }
}
