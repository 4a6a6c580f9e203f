//! What a session is doing, as other sessions see it (`pg_stat_activity`).

use crate::session::{EncryptionFacts, Session};
use crate::settings::Parameter;
use parking_lot::Mutex;
use redoubt_functions::{Oid, timestamp};
use std::net::IpAddr;
use std::sync::Arc;

/// How much of a statement's text is shown (`track_activity_query_size`).
const QUERY_BYTES: usize = 1023;

/// A session's state, in the words of `pg_stat_activity.state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Runs a statement.
    Active,
    /// Waits for its client outside a transaction.
    Idle,
    /// Waits for its client inside one.
    IdleInTransaction,
    /// Waits for its client in a transaction that has failed.
    IdleInFailedTransaction,
}

impl Doing {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Doing::Active => "active",
            Doing::Idle => "idle",
            Doing::IdleInTransaction => "idle in transaction",
            Doing::IdleInFailedTransaction => "idle in transaction (aborted)",
        }
    }
}

/// One session's row. Times are microseconds since 2000-01-01 UTC, 0 for none.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    pub database: Oid,
    pub user: Oid,
    /// It is no client's, but looks after tables.
    pub automatic: bool,
    pub application_name: String,
    pub client_address: Option<(IpAddr, u16)>,
    pub encryption: Option<EncryptionFacts>,
    pub session_start_us: i64,
    pub transaction_start_us: i64,
    pub query_start_us: i64,
    pub state_change_us: i64,
    pub doing: Doing,
    pub query: String,
}

impl Default for Activity {
    fn default() -> Self {
        Activity {
            database: 0,
            user: 0,
            automatic: false,
            application_name: String::new(),
            client_address: None,
            encryption: None,
            session_start_us: 0,
            transaction_start_us: 0,
            query_start_us: 0,
            state_change_us: 0,
            doing: Doing::Idle,
            query: String::new(),
        }
    }
}

/// A row that its session writes and others read.
pub(crate) type SharedActivity = Arc<Mutex<Activity>>;

impl Session {
    /// The session exists.
    pub(crate) fn report_start(&self, encryption: Option<EncryptionFacts>) {
        let mut row = self.registration.activity.lock();
        row.database = self.facts.database;
        row.user = self.facts.user_oid;
        row.client_address = self.facts.client_address;
        row.encryption = encryption;
        row.session_start_us = self.facts.statement_timestamp_us;
        row.state_change_us = self.facts.statement_timestamp_us;
        row.application_name.push_str(self.settings.text(Parameter::ApplicationName));
    }

    /// It runs a statement that has just arrived.
    pub(crate) fn report_running(&self, text: &str) {
        let mut end = text.len().min(QUERY_BYTES);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let now = self.facts.statement_timestamp_us;
        let mut row = self.registration.activity.lock();
        // The buffers are kept, so that this copies and does not allocate.
        row.query.clear();
        row.query.push_str(&text[..end]);
        row.query_start_us = now;
        row.state_change_us = now;
        row.doing = Doing::Active;
        row.transaction_start_us = if self.txn.is_some() { self.facts.transaction_timestamp_us } else { now };
    }

    /// It waits for its client.
    pub(crate) fn report_waiting(&self) {
        let doing = match self.block.status() {
            b'T' => Doing::IdleInTransaction,
            b'E' => Doing::IdleInFailedTransaction,
            _ => Doing::Idle,
        };
        let mut row = self.registration.activity.lock();
        row.doing = doing;
        row.state_change_us = timestamp::now_us();
        row.transaction_start_us = if doing == Doing::Idle { 0 } else { self.facts.transaction_timestamp_us };
        let name = self.settings.text(Parameter::ApplicationName);
        if row.application_name != name {
            row.application_name.clear();
            row.application_name.push_str(name);
        }
    }
}
