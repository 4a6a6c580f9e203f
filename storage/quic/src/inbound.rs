//! What a member sent and the shard has not fetched yet, within a bound.
//!
//! The shard fetches when it is about to write, as it does from a writer in the same process. While it does
//! not, the queue fills, then this member's stream is not read on, and in the end the sender gathers.

use std::collections::VecDeque;

use parking_lot::Mutex;
use redoubt_node::Cargo;
use redoubt_page::Lsn;
use redoubt_protocol::Message;
use tokio::sync::Notify;

/// Bytes of records and images that may wait.
const MAX_QUEUED_BYTES: usize = 16 << 20;
/// Messages that may wait.
const MAX_QUEUED_MESSAGES: usize = 4096;

/// See the module.
#[derive(Default)]
pub(crate) struct Inbound {
    queue: Mutex<Queue>,
    room: Notify,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Message>,
    bytes: usize,
}

/// How many bytes a message takes up here.
fn queued_bytes(message: &Message) -> usize {
    match message {
        Message::Images(images) => images.images.len(),
        message => record_bytes(message),
    }
}

/// How many bytes of records a message carries: of what needs space in the log.
fn record_bytes(message: &Message) -> usize {
    match message {
        Message::Append(append) => append.batch.as_ref().map_or(0, |batch| batch.bytes().len()),
        Message::Fill(fill) => fill.batch.bytes().len(),
        _ => 0,
    }
}

impl Inbound {
    /// Takes messages in, in order, once there is room for more.
    pub(crate) async fn put(&self, messages: &mut Vec<Message>) {
        loop {
            {
                let mut queue = self.queue.lock();
                if queue.bytes < MAX_QUEUED_BYTES && queue.messages.len() < MAX_QUEUED_MESSAGES {
                    queue.bytes += messages.iter().map(queued_bytes).sum::<usize>();
                    queue.messages.extend(messages.drain(..));
                    return;
                }
            }
            self.room.notified().await;
        }
    }
}

impl Cargo for Inbound {
    fn load(&self, max_bytes: usize, messages: &mut Vec<Message>) -> bool {
        let mut queue = self.queue.lock();
        let mut loaded_bytes = 0;
        let mut held_back = VecDeque::new();
        while let Some(message) = queue.messages.pop_front() {
            let bytes = record_bytes(&message);
            if bytes > 0 && max_bytes == 0 {
                // Promises and questions overtake records that there is no space for, as they may on any network.
                held_back.push_back(message);
                continue;
            }
            queue.bytes -= queued_bytes(&message);
            loaded_bytes += bytes;
            messages.push(message);
            if max_bytes > 0 && loaded_bytes >= max_bytes {
                break;
            }
        }
        held_back.append(&mut queue.messages);
        queue.messages = held_back;
        let is_left = !queue.messages.is_empty();
        drop(queue);
        self.room.notify_one();
        is_left
    }

    fn read_floor(&self) -> Lsn {
        // What the segments have heard with their batches is all that is known here.
        Lsn::ZERO
    }

    fn positions_wanted(&self, _lsn: Lsn) {
        // A writer in another process announces positions that moved by itself, at an interval.
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redoubt_page::PgId;
    use redoubt_protocol::{
        Address, AskStatus, BatchBuilder, Epochs, Fill, FillSource, RequestId, SegmentId,
    };

    fn address() -> Address {
        Address { pg: PgId::new(0), segment: SegmentId::new(1) }
    }

    fn question(number: u64) -> Message {
        Message::AskStatus(AskStatus { to: address(), request: RequestId::new(number) })
    }

    fn records() -> Message {
        use redoubt_page::{
            MembershipEpoch, Op, OpsBuf, PageId, PageKind, RecordFlags, RecordHeader, VolumeEpoch,
        };
        let mut ops = OpsBuf::default();
        ops.push(&Op::Initialise { kind: PageKind::new(1), special: &[] });
        let header = RecordHeader {
            lsn: Lsn::new(1),
            page_id: PageId::new(1),
            pg: PgId::new(0),
            prev_pg_lsn: Lsn::ZERO,
            prev_page_lsn: Lsn::ZERO,
            prev_volume_lsn: Lsn::ZERO,
            flags: RecordFlags::CPL,
        };
        let mut batch = BatchBuilder::default();
        batch.push(&header, ops.as_bytes());
        let epochs = Epochs { volume: VolumeEpoch::new(1), membership: MembershipEpoch::new(1) };
        let batch = batch.take().expect("a record was pushed");
        Message::Fill(Fill { to: address(), epochs, source: FillSource::Peer, batch })
    }

    #[test]
    fn without_space_only_what_carries_no_records_is_fetched() {
        let inbound = Inbound::default();
        inbound.queue.lock().messages.extend([question(1), records(), question(2)]);
        inbound.queue.lock().bytes = queued_bytes(&records());
        let mut loaded = Vec::new();
        assert!(inbound.load(0, &mut loaded), "the records are left");
        assert_eq!(loaded, [question(1), question(2)]);
        loaded.clear();
        assert!(!inbound.load(1, &mut loaded));
        assert_eq!(loaded, [records()]);
        assert_eq!(inbound.queue.lock().bytes, 0);
    }
}
