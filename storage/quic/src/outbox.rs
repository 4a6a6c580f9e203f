//! Messages that wait to be sent, within a bound.

use std::collections::VecDeque;

use parking_lot::Mutex;
use redoubt_protocol::Message;
use tokio::sync::Notify;

/// See the module. What does not fit is dropped: the protocol's machines ask again for whatever is lost.
#[derive(Debug)]
pub(crate) struct Outbox {
    messages: Mutex<VecDeque<Message>>,
    ready: Notify,
    max_messages: usize,
}

impl Outbox {
    pub(crate) fn new(max_messages: usize) -> Self {
        Self { messages: Mutex::default(), ready: Notify::new(), max_messages }
    }

    /// Adds a message. Returns whether there was room.
    pub(crate) fn push(&self, message: Message) -> bool {
        let mut messages = self.messages.lock();
        if messages.len() >= self.max_messages {
            return false;
        }
        messages.push_back(message);
        drop(messages);
        self.ready.notify_one();
        true
    }

    /// Wakes whoever sends, although nothing was added here.
    pub(crate) fn ring(&self) {
        self.ready.notify_one();
    }

    /// Moves everything into `into`.
    pub(crate) fn take(&self, into: &mut Vec<Message>) {
        into.extend(self.messages.lock().drain(..));
    }

    /// Drops everything.
    pub(crate) fn clear(&self) {
        self.messages.lock().clear();
    }

    /// Waits until something was added, or the bell rung, since the last time.
    pub(crate) async fn ready(&self) {
        self.ready.notified().await;
    }
}
