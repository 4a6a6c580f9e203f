//! Messages to bytes on a stream, and back. The frames are those of `docs/protocol.md`.

use bytes::Bytes;
use quinn::RecvStream;
use redoubt_protocol::{FRAME_HEADER_BYTES, Message, SharedBytes, body_length};

use crate::error::LinkError;

/// Records and images shorter than this are copied behind their frame's head: cheaper than a chunk of their own.
const COPY_BELOW_BYTES: usize = 4096;
/// How much is read from a stream at once.
const READ_BYTES: usize = 256 << 10;

/// The bytes of messages, in order. Long records and images are shared, not copied.
pub(crate) fn encode(messages: &mut Vec<Message>, chunks: &mut Vec<Bytes>) {
    let mut head = Vec::new();
    for message in messages.drain(..) {
        match message.encode(&mut head) {
            None => {}
            Some(rest) if rest.len() < COPY_BELOW_BYTES => head.extend_from_slice(&rest),
            Some(rest) => {
                chunks.push(Bytes::from(std::mem::take(&mut head)));
                chunks.push(Bytes::from_owner(rest));
            }
        }
    }
    if !head.is_empty() {
        chunks.push(Bytes::from(head));
    }
}

/// Cuts a stream into messages.
pub(crate) struct FrameReader {
    stream: RecvStream,
    /// What was read and is not a whole frame yet.
    buffer: Vec<u8>,
}

impl FrameReader {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Appends the messages that have come, at least one. Memory grows with what is really received, whatever
    /// a frame's head promises.
    pub(crate) async fn read(&mut self, messages: &mut Vec<Message>) -> Result<(), LinkError> {
        loop {
            let used = cut(&self.buffer, messages)?;
            self.buffer.drain(..used);
            if !messages.is_empty() {
                return Ok(());
            }
            match self.stream.read_chunk(READ_BYTES, true).await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk.bytes),
                None => return Err(LinkError::Closed),
            }
        }
    }
}

/// Decodes the whole frames at the beginning of some bytes. Returns how many bytes they are.
fn cut(bytes: &[u8], messages: &mut Vec<Message>) -> Result<usize, LinkError> {
    let mut used = 0;
    while let Some((header, _)) = bytes[used..].split_first_chunk::<FRAME_HEADER_BYTES>() {
        let end = used + FRAME_HEADER_BYTES + body_length(header)?;
        let Some(frame) = bytes.get(used..end) else { break };
        messages.push(Message::decode(&SharedBytes::from(frame.to_vec()))?);
        used = end;
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;
    use redoubt_page::PgId;
    use redoubt_protocol::{Address, AskStatus, PageReply, RequestId, SegmentId};

    fn address() -> Address {
        Address { pg: PgId::new(1), segment: SegmentId::new(2) }
    }

    fn sent() -> Vec<Message> {
        let ask = |request| Message::AskStatus(AskStatus { to: address(), request: RequestId::new(request) });
        let image = SharedBytes::from(vec![7; 8192]);
        let reply = Message::PageReply(PageReply { from: address(), request: RequestId::new(9), image });
        vec![ask(1), reply, ask(2)]
    }

    fn bytes() -> Vec<u8> {
        let mut chunks = Vec::new();
        encode(&mut sent(), &mut chunks);
        assert_eq!(chunks.len(), 3, "only the image is a chunk of its own");
        chunks.concat()
    }

    #[test]
    fn messages_come_out_as_they_went_in_wherever_the_stream_is_cut() {
        let bytes = bytes();
        for cut_at in [0, 1, 7, 8, 30, 100, 8000, bytes.len()] {
            let mut messages = Vec::new();
            let used = cut(&bytes[..cut_at], &mut messages).expect("good so far");
            let rest = cut(&bytes[used..], &mut messages).expect("good to the end");
            assert_eq!((used + rest, messages), (bytes.len(), sent()), "cut at {cut_at}");
        }
    }

    #[test]
    fn nonsense_is_an_error_and_never_a_panic() {
        let good = bytes();
        for at in 0..64 {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                // Some flips make another good message; what counts is that all of them are survived.
                let _ = cut(&bad, &mut Vec::new());
            }
        }
        let huge = [1, 2, 0, 0, 255, 255, 255, 255];
        assert!(cut(&huge, &mut Vec::new()).is_err(), "a length beyond the limit");
        assert!(cut(&[9; 8], &mut Vec::new()).is_err(), "another version");
    }
}
