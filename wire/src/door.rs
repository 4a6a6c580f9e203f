//! What decides who gets in: the rules and the certificate, which are read again when the operator says so, and
//! how many may wait at the door.

use crate::hba::HbaRules;
use crate::tls::Tls;
use parking_lot::{Mutex, RwLock};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Notify;

/// The rules of one moment.
#[derive(Default)]
pub struct Rules {
    /// `pg_hba.conf`.
    pub hba: HbaRules,
    /// Encryption, when `ssl` is on.
    pub tls: Option<Tls>,
}

/// A server's door.
pub struct Door {
    rules: RwLock<Arc<Rules>>,
    lobby: Mutex<Lobby>,
    limit: usize,
}

/// Those who have connected and not said who they are, oldest first.
#[derive(Default)]
struct Lobby {
    waiting: VecDeque<(u64, Arc<Notify>)>,
    next: u64,
}

impl Door {
    /// A door at which at most `limit` clients wait to be let in.
    pub fn new(rules: Rules, limit: usize) -> Arc<Door> {
        assert!(limit > 0, "somebody must be able to connect");
        Arc::new(Door { rules: RwLock::new(Arc::new(rules)), lobby: Mutex::default(), limit })
    }

    /// The rules now; they hold for a client from its first packet on.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.read().clone()
    }

    /// New rules for those who come from now on.
    pub fn replace(&self, rules: Rules) {
        *self.rules.write() = Arc::new(rules);
    }

    /// Lets a client into the lobby. When it is full, whoever has waited longest has to leave: a flood of silent
    /// connections then costs the flood its places, and not those who would speak.
    pub fn visit(self: &Arc<Self>) -> Visit {
        let leave = Arc::new(Notify::new());
        let mut lobby = self.lobby.lock();
        let number = lobby.next;
        lobby.next += 1;
        lobby.waiting.push_back((number, leave.clone()));
        if lobby.waiting.len() > self.limit
            && let Some((_, oldest)) = lobby.waiting.pop_front()
        {
            oldest.notify_one();
        }
        drop(lobby);
        Visit { door: self.clone(), number, leave }
    }
}

/// A client's place in the lobby, given up when this is dropped.
pub struct Visit {
    door: Arc<Door>,
    number: u64,
    leave: Arc<Notify>,
}

impl Visit {
    /// Completes when the place is needed for another.
    pub async fn shown_out(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut lobby = self.door.lobby.lock();
        if let Ok(at) = lobby.waiting.binary_search_by_key(&self.number, |(number, _)| *number) {
            lobby.waiting.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn whoever_has_waited_longest_leaves() {
        let door = Door::new(Rules::default(), 2);
        let left = |visit: &Visit| visit.shown_out().now_or_never().is_some();
        let first = door.visit();
        let second = door.visit();
        assert!(!left(&first) && !left(&second));
        drop(second);
        let third = door.visit();
        assert!(!left(&first));
        let fourth = door.visit();
        assert!(left(&first) && !left(&third) && !left(&fourth));
        drop(first);
        assert_eq!(door.lobby.lock().waiting.len(), 2);
    }
}
