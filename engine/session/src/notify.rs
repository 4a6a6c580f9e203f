//! LISTEN, NOTIFY and UNLISTEN: notifications pass between the sessions of this server, when the
//! sender's transaction commits and outside the receiver's (PostgreSQL's async.c).
//!
//! A notification carries the place of its commit in the log: it reaches a client only when that is
//! durable, so that whoever asks because of it sees what was committed.

use crate::client::Client;
use crate::env::StatementEnv;
use crate::functions::{Family, SetFamily, all_rows, session_functions, session_sets};
use crate::session::Session;
use parking_lot::{Mutex, MutexGuard};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{CallContext, Datum, Oid, Rows};
use redoubt_page::Lsn;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Longest name of a channel, in bytes (PostgreSQL's NAMEDATALEN less one).
const CHANNEL_MAX_BYTES: usize = 63;
/// Longest payload, in bytes.
const PAYLOAD_MAX_BYTES: usize = 7999;
/// What all notifications that wait may take, in bytes, before senders fail.
const QUEUE_MAX_BYTES: usize = 256 << 20;

/// One notification on its way.
#[derive(Clone, Debug)]
struct Notification {
    sender: i32,
    channel: Arc<str>,
    payload: Arc<str>,
    commit: Lsn,
}

impl Notification {
    fn bytes(&self) -> usize {
        size_of::<Notification>() + self.channel.len() + self.payload.len()
    }
}

/// Who listens, and what waits for whom.
#[derive(Default)]
pub(crate) struct Notifications {
    /// Held from before a commit until its notifications are queued, so that they queue in the order of the
    /// commits. Taken before `state`.
    turn: Mutex<()>,
    state: Mutex<State>,
    /// What all that waits takes. Changed under `state`, read without it.
    waiting_bytes: AtomicUsize,
}

#[derive(Default)]
struct State {
    listeners: FxHashMap<(Oid, Arc<str>), BTreeSet<i32>>,
    waiting: FxHashMap<i32, VecDeque<Notification>>,
}

/// What a transaction has said so far.
#[derive(Default)]
pub(crate) struct Said {
    actions: Vec<Action>,
    /// The notifications among them.
    notified: FxHashSet<(Arc<str>, Arc<str>)>,
    /// How many actions there were when each savepoint was made.
    marks: Vec<usize>,
}

/// One thing said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    Listen(Arc<str>),
    Unlisten(Arc<str>),
    UnlistenAll,
    Notify(Arc<str>, Arc<str>),
}

impl Said {
    /// A savepoint is made.
    pub(crate) fn push(&mut self) {
        self.marks.push(self.actions.len());
    }

    /// The savepoints from this level (from 1) up are released.
    pub(crate) fn release(&mut self, level: usize) {
        self.marks.truncate(level - 1);
    }

    /// What was said since the savepoint of this level is taken back; the savepoint stays.
    pub(crate) fn roll_back(&mut self, level: usize) {
        if let Some(mark) = self.marks.get(level - 1) {
            self.truncate(*mark);
        }
        self.marks.truncate(level);
    }

    /// The transaction is over.
    pub(crate) fn clear(&mut self) {
        self.actions.clear();
        self.notified.clear();
        self.marks.clear();
    }

    /// NOTIFY. The same twice in a transaction is said once.
    ///
    /// # Errors
    /// `22023` for names and payloads that are too long.
    pub(crate) fn notify(&mut self, channel: &str, payload: &str) -> PgResult<()> {
        let invalid = |message: &str| Err(PgError::new(code::INVALID_PARAMETER_VALUE, message));
        if channel.is_empty() {
            return invalid("channel name cannot be empty");
        }
        if channel.len() > CHANNEL_MAX_BYTES {
            return invalid("channel name too long");
        }
        if payload.len() > PAYLOAD_MAX_BYTES {
            return invalid("payload string too long");
        }
        let notification = (Arc::from(channel), Arc::from(payload));
        if self.notified.insert(notification.clone()) {
            self.actions.push(Action::Notify(notification.0, notification.1));
        }
        Ok(())
    }

    /// Forgets the actions from this place on.
    fn truncate(&mut self, length: usize) {
        for action in self.actions.drain(length..) {
            if let Action::Notify(channel, payload) = action {
                self.notified.remove(&(channel, payload));
            }
        }
    }
}

impl Session {
    /// LISTEN, from the commit on.
    pub(crate) fn listen(&mut self, channel: &str) -> PgResult<()> {
        self.ensure_transaction()?;
        self.facts.said.borrow_mut().actions.push(Action::Listen(channel.into()));
        Ok(())
    }

    /// UNLISTEN, from the commit on; without a name, all channels.
    pub(crate) fn unlisten(&mut self, channel: Option<&str>) -> PgResult<()> {
        self.ensure_transaction()?;
        let action = channel.map_or(Action::UnlistenAll, |channel| Action::Unlisten(channel.into()));
        self.facts.said.borrow_mut().actions.push(action);
        Ok(())
    }

    /// NOTIFY.
    pub(crate) fn notify(&mut self, channel: &str, payload: &str) -> PgResult<()> {
        self.ensure_transaction()?;
        self.facts.said.borrow_mut().notify(channel, payload)
    }

    /// Whether the transaction has notified anybody.
    pub(crate) fn speaks(&self) -> bool {
        !self.facts.said.borrow().notified.is_empty()
    }

    /// Before a commit: whether what the transaction has said can be queued.
    ///
    /// # Errors
    /// `54000` when listeners that do not take their notifications fill the queue.
    pub(crate) fn check_room_to_speak(&self) -> PgResult<()> {
        if self.speaks() && self.facts.instance.notifications.waiting_bytes() >= QUEUE_MAX_BYTES {
            let message = "too many notifications in the NOTIFY queue";
            return Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message));
        }
        Ok(())
    }

    /// After a commit: what the transaction has said becomes true.
    pub(crate) fn speak(&mut self, commit: Lsn) {
        let mut said = self.facts.said.borrow_mut();
        if said.actions.is_empty() {
            return said.marks.clear();
        }
        let actions = std::mem::take(&mut said.actions);
        said.clear();
        drop(said);
        let (instance, database) = (self.facts.instance.clone(), self.facts.database);
        let process_id = self.registration.process_id;
        let mut receivers = BTreeSet::new();
        let mut state = instance.notifications.state.lock();
        for action in actions {
            match action {
                Action::Listen(channel) => {
                    state.listeners.entry((database, channel)).or_default().insert(process_id);
                }
                Action::Unlisten(channel) => state.forget(database, &channel, process_id),
                Action::UnlistenAll => state.forget_all(process_id),
                Action::Notify(channel, payload) => {
                    let Some(listeners) = state.listeners.get(&(database, channel.clone())) else { continue };
                    let listeners: Vec<i32> = listeners.iter().copied().collect();
                    let notification = Notification { sender: process_id, channel, payload, commit };
                    for listener in listeners {
                        instance
                            .notifications
                            .waiting_bytes
                            .fetch_add(notification.bytes(), Ordering::Relaxed);
                        state.waiting.entry(listener).or_default().push_back(notification.clone());
                        receivers.insert(listener);
                    }
                }
            }
        }
        drop(state);
        receivers.remove(&process_id);
        for receiver in receivers {
            instance.wake(receiver);
        }
    }

    /// Tells the client what has arrived, unless a transaction runs; says whether there was anything.
    pub fn deliver_notifications(&mut self, client: &mut dyn Client) -> bool {
        if self.txn.is_some() || self.block.status() != b'I' {
            return false;
        }
        let process_id = self.registration.process_id;
        let Some(waiting) = self.facts.instance.notifications.take(process_id) else { return false };
        for Notification { sender, channel, payload, commit } in waiting {
            client.hold_until(commit);
            client.notification(sender, &channel, &payload);
        }
        true
    }
}

impl Notifications {
    /// Waits until no other transaction is between its commit and its notifications.
    pub(crate) fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.try_lock().unwrap_or_else(|| redoubt_buffer::blocking(|| self.turn.lock()))
    }

    fn take(&self, process_id: i32) -> Option<VecDeque<Notification>> {
        // The usual answer, after every statement of every session. What arrives later comes with a wake.
        if self.waiting_bytes() == 0 {
            return None;
        }
        self.take_from(&mut self.state.lock(), process_id)
    }

    fn take_from(&self, state: &mut State, process_id: i32) -> Option<VecDeque<Notification>> {
        let taken = state.waiting.remove(&process_id)?;
        let bytes = taken.iter().map(Notification::bytes).sum();
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        Some(taken)
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting_bytes.load(Ordering::Relaxed)
    }

    /// A session is over.
    pub(crate) fn forget(&self, process_id: i32) {
        let mut state = self.state.lock();
        if !state.listeners.is_empty() {
            state.forget_all(process_id);
        }
        self.take_from(&mut state, process_id);
    }

    /// The share of the queue that is filled.
    fn usage(&self) -> f64 {
        self.waiting_bytes() as f64 / QUEUE_MAX_BYTES as f64
    }

    /// The channels that a session listens to.
    fn channels(&self, process_id: i32) -> Vec<Arc<str>> {
        let state = self.state.lock();
        let listened = state.listeners.iter().filter(|(_, listeners)| listeners.contains(&process_id));
        let mut names: Vec<Arc<str>> = listened.map(|((_, channel), _)| channel.clone()).collect();
        names.sort_unstable();
        names
    }
}

impl State {
    fn forget(&mut self, database: Oid, channel: &Arc<str>, process_id: i32) {
        let key = (database, channel.clone());
        if let Some(listeners) = self.listeners.get_mut(&key) {
            listeners.remove(&process_id);
            if listeners.is_empty() {
                self.listeners.remove(&key);
            }
        }
    }

    fn forget_all(&mut self, process_id: i32) {
        self.listeners.retain(|_, listeners| {
            listeners.remove(&process_id);
            !listeners.is_empty()
        });
    }
}

pub(crate) const BUILTINS: Family = session_functions! {
    "pg_notify": pg_notify;
    "pg_notification_queue_usage": queue_usage;
};

pub(crate) const SETS: SetFamily = session_sets! {
    "pg_listening_channels": listening_channels;
};

/// NOTIFY as a function; NULL stands for the empty text.
fn pg_notify(env: &StatementEnv<'_>, _: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let text = |arg: &Datum| match arg {
        Datum::Null => Ok(Arc::from("")),
        arg => arg.as_str().map(Arc::<str>::from),
    };
    env.facts.said.borrow_mut().notify(&text(&args[0])?, &text(&args[1])?)?;
    Ok(Datum::Void)
}

fn queue_usage(env: &StatementEnv<'_>, _: &CallContext<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::Float8(env.facts.instance.notifications.usage()))
}

fn listening_channels(env: &StatementEnv<'_>, _: &CallContext<'_>, _: &[Datum]) -> PgResult<Rows> {
    let channels = env.facts.instance.notifications.channels(env.facts.backend.pid());
    Ok(all_rows(channels.into_iter().map(Datum::Text).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn savepoints_take_back_what_was_said() {
        let mut said = Said::default();
        said.notify("a", "1").expect("said");
        said.notify("a", "1").expect("said");
        said.push();
        said.notify("b", "").expect("said");
        said.push();
        said.notify("c", "").expect("said");
        said.roll_back(2);
        assert_eq!((said.actions.len(), said.marks.len()), (2, 2));
        said.release(2);
        said.roll_back(1);
        assert_eq!((said.actions.len(), said.marks.len()), (1, 1));
        let error = said.notify("", "x").expect_err("empty");
        assert_eq!(error.message(), "channel name cannot be empty");
    }
}
