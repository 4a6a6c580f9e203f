//! Answers gathered until the end of a step: one delivery per origin and step.

use redoubt_protocol::{Message, Origin};

use crate::inbox::Outbound;

/// Messages not delivered yet, by origin. There are few origins.
#[derive(Default)]
pub struct Outgoing {
    by_origin: Vec<(Origin, Vec<Message>)>,
}

impl Outgoing {
    /// Adds a message.
    pub fn push(&mut self, to: Origin, message: Message) {
        match self.by_origin.iter_mut().find(|(origin, _)| *origin == to) {
            Some((_, messages)) => messages.push(message),
            None => self.by_origin.push((to, vec![message])),
        }
    }

    /// Takes what is for one origin.
    pub fn take(&mut self, to: Origin) -> Vec<Message> {
        let found = self.by_origin.iter_mut().find(|(origin, _)| *origin == to);
        found.map(|(_, messages)| std::mem::take(messages)).unwrap_or_default()
    }

    /// Delivers everything.
    pub fn deliver(&mut self, outbound: &dyn Outbound) {
        for (origin, messages) in &mut self.by_origin {
            if !messages.is_empty() {
                outbound.deliver(*origin, messages);
                messages.clear();
            }
        }
    }
}
