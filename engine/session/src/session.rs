//! One connection's state.

use crate::block::{Block, State};
use crate::client::Client;
use crate::extended::{Portal, Prepared};
use crate::instance::{Instance, Registration};
use crate::plan_cache::StatementCache;
use crate::settings::{Parameter, Settings};
use crate::timekeeper::Timer;
use redoubt_catalog::SessionCatalog;
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_functions::random::Prng;
use redoubt_functions::{Oid, timestamp};
use redoubt_page::Lsn;
use redoubt_txn::{Backend, Interrupt, Isolation, Txn};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// What a client asked for when it connected.
#[derive(Clone, Debug, Default)]
pub struct SessionStart {
    /// The startup packet's parameters, in order.
    pub parameters: Vec<(String, String)>,
    /// Address and port it connects from; `None` for the Unix-domain socket.
    pub client_address: Option<(IpAddr, u16)>,
    /// How the connection is encrypted, if it is.
    pub encryption: Option<EncryptionFacts>,
}

/// What `pg_stat_ssl` shows of an encrypted connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionFacts {
    /// The protocol's version.
    pub version: String,
    /// The cipher suite's name.
    pub cipher: String,
}

/// What functions may know about the session: fixed while a statement runs.
pub struct SessionFacts {
    /// Shared state.
    pub(crate) instance: Arc<Instance>,
    /// The transaction layer's view of the connection.
    pub(crate) backend: Arc<Backend>,
    /// `pg_database.oid` of the database.
    pub(crate) database: Oid,
    /// Its name.
    pub(crate) database_name: Arc<str>,
    /// The session's user: who connected, or what SET SESSION AUTHORIZATION has made of it.
    pub(crate) session_user: Arc<str>,
    /// Its OID.
    pub(crate) session_user_oid: Oid,
    /// OID of the user that connected.
    pub(crate) login_oid: Oid,
    /// That one was a superuser then.
    pub(crate) login_superuser: bool,
    /// The current user, whose privileges count: the session's, or the role that SET ROLE has chosen.
    pub(crate) current_user: Arc<str>,
    /// Its OID.
    pub(crate) user_oid: Oid,
    /// It is a superuser.
    pub(crate) superuser: bool,
    /// Address and port the client connects from.
    pub(crate) client_address: Option<(IpAddr, u16)>,
    /// Start of the transaction, microseconds since 2000-01-01 UTC.
    pub(crate) transaction_timestamp_us: i64,
    /// Arrival of the statement.
    pub(crate) statement_timestamp_us: i64,
    /// What the transaction has said to be heard when it commits.
    pub(crate) said: RefCell<crate::notify::Said>,
}

/// One connection's session. It is driven by its connection alone and never waits for its own commits:
/// what it writes to its [`Client`] is held there until they are durable.
pub struct Session {
    pub(crate) facts: SessionFacts,
    pub(crate) registration: Registration,
    pub(crate) catalog: SessionCatalog,
    pub(crate) settings: Settings,
    /// What `set_config` has made of them in the statement that runs; they take effect when it ends.
    pub(crate) changed_settings: RefCell<Option<Box<Settings>>>,
    pub(crate) block: Block,
    pub(crate) txn: Option<Txn>,
    pub(crate) prepared: HashMap<String, Arc<Prepared>>,
    pub(crate) portals: HashMap<String, Portal>,
    /// Those that DECLARE has made.
    pub(crate) cursors: HashMap<String, crate::cursor::Cursor>,
    /// While a portal of a utility statement runs: the formats that Bind asked for.
    pub(crate) portal_formats: Option<Box<[i16]>>,
    /// Plans of statements that came as text.
    pub(crate) statements: StatementCache,
    pub(crate) random: RefCell<Prng>,
    pub(crate) notices: RefCell<Vec<PgError>>,
    pub(crate) sequences: RefCell<crate::sequence::UsedSequences>,
    /// Plans of foreign keys' actions.
    pub(crate) internal_plans: RefCell<crate::internal_plan::InternalPlans>,
    pub(crate) roles: crate::current_role::ChosenRoles,
    pub(crate) temporary: crate::temporary::Temporary,
    pub(crate) domain_checks: RefCell<crate::domain_check::DomainChecks>,
    pub(crate) routines: crate::routine::Routines,
    /// Where its statements keep what they hold back.
    pub(crate) work_space: redoubt_exec::WorkSpace,
    /// The schema that a CREATE SCHEMA with elements is making: it is searched, and filled, before all others.
    pub(crate) schema_in_making: std::cell::Cell<Option<Oid>>,
    /// How often the configuration had been read again when the session last took it over.
    pub(crate) seen_reloads: u32,
    /// `statement_timeout`, while a statement runs.
    pub(crate) statement_timer: Option<Timer>,
}

impl Session {
    /// Starts a session for an authenticated client.
    ///
    /// # Errors
    /// `28000`, `3D000` for an unknown user or database, `53300` when there are too many sessions, those of
    /// settings in the startup packet. All are fatal.
    pub fn start(instance: &Arc<Instance>, start: SessionStart) -> PgResult<Session> {
        let mut backend = None;
        let registration = instance.register(true, |process_id| {
            let connected = instance.engine.txns().connect(process_id);
            let interrupts = connected.interrupts().clone();
            backend = Some(connected);
            interrupts
        })?;
        let backend = backend.expect("a registered session has a backend");
        let result = Session::open(instance, start, registration, backend.clone());
        if result.is_err() {
            instance.engine.txns().disconnect(&backend);
        }
        result
    }

    fn open(
        instance: &Arc<Instance>,
        start: SessionStart,
        registration: Registration,
        backend: Arc<Backend>,
    ) -> PgResult<Session> {
        let parameter = |name: &str| {
            start.parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
        };
        let user: Arc<str> = parameter("user").unwrap_or_default().into();
        let database_name: Arc<str> =
            parameter("database").filter(|name| !name.is_empty()).unwrap_or(&user).into();
        let now = timestamp::now_us();
        let found = crate::login::find(instance, &backend, &registration, &user, &database_name)?;
        let seen_reloads = instance.reloads();
        let mut settings = (*instance.settings()).clone();
        let warnings = found.apply_kept(&mut settings);
        apply_startup(&mut settings, &start.parameters, found.superuser)?;
        settings.set_fact(Parameter::SessionAuthorization, &user);
        settings.set_fact(Parameter::IsSuperuser, if found.superuser { "on" } else { "off" });
        let work_space = crate::work::space(&settings, registration.process_id);
        let session = Session {
            work_space,
            facts: SessionFacts {
                instance: instance.clone(),
                backend,
                database: found.database,
                database_name,
                current_user: user.clone(),
                session_user: user,
                session_user_oid: found.user,
                login_oid: found.user,
                login_superuser: found.superuser,
                user_oid: found.user,
                superuser: found.superuser,
                client_address: start.client_address,
                transaction_timestamp_us: now,
                statement_timestamp_us: now,
                said: RefCell::default(),
            },
            registration,
            catalog: instance.catalog.session(found.database),
            settings,
            changed_settings: RefCell::new(None),
            block: Block::default(),
            txn: None,
            prepared: HashMap::new(),
            portals: HashMap::new(),
            cursors: HashMap::new(),
            portal_formats: None,
            statements: StatementCache::default(),
            random: RefCell::new(Prng::from_entropy()),
            notices: RefCell::new(warnings),
            sequences: RefCell::default(),
            internal_plans: RefCell::default(),
            roles: crate::current_role::ChosenRoles::default(),
            temporary: crate::temporary::Temporary::default(),
            domain_checks: RefCell::default(),
            routines: crate::routine::Routines::default(),
            schema_in_making: std::cell::Cell::new(None),
            seen_reloads,
            statement_timer: None,
        };
        session.apply_timeouts();
        session.report_start(start.encryption);
        Ok(session)
    }

    /// The process id that clients are told.
    pub fn process_id(&self) -> i32 {
        self.registration.process_id
    }

    /// The secret that a cancel request must know.
    pub fn secret(&self) -> i32 {
        self.registration.secret
    }

    /// What to call when the session is interrupted while it waits for its client.
    pub fn on_interrupt(&self, wake: impl Fn() + Send + Sync + 'static) {
        self.registration.set_waker(wake);
    }

    /// All reported settings, for the start of the session.
    pub fn reports(&self) -> Vec<(&'static str, String)> {
        self.settings.all_reports()
    }

    /// Reported settings that changed since the last call.
    pub fn take_reports(&mut self) -> Vec<(&'static str, String)> {
        self.settings.take_reports()
    }

    /// The status byte of ReadyForQuery.
    pub fn transaction_status(&self) -> u8 {
        self.block.status()
    }

    /// A commit that the next statement builds on, and that is not durable yet: the connection waits for
    /// it without blocking a thread.
    pub fn dependency(&self) -> Option<Lsn> {
        let lsn = self.facts.backend.dependency();
        (lsn > Lsn::ZERO).then_some(lsn)
    }

    /// How long the client may stay silent now, in milliseconds.
    pub fn idle_timeout_ms(&self) -> Option<u64> {
        let parameter = match self.block.state() {
            State::Idle | State::Implicit => Parameter::IdleSessionTimeout,
            State::Block | State::Failed => Parameter::IdleInTransactionSessionTimeout,
        };
        u64::try_from(self.settings.int(parameter)).ok().filter(|timeout| *timeout > 0)
    }

    /// The error that ends a session whose client stayed silent for too long.
    pub fn idle_timeout_error(&self) -> PgError {
        let (code, message) = match self.block.state() {
            State::Idle | State::Implicit => {
                (code::IDLE_SESSION_TIMEOUT, "terminating connection due to idle-session timeout")
            }
            State::Block | State::Failed => (
                code::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
                "terminating connection due to idle-in-transaction timeout",
            ),
        };
        PgError::report(Severity::Fatal, code, message)
    }

    /// What to do about an interrupt that came while the session was idle: a cancel came too late, all else
    /// ends the session.
    ///
    /// # Errors
    /// The fatal error that ends the session.
    pub fn check_while_idle(&self) -> PgResult<()> {
        let interrupts = self.facts.backend.interrupts();
        interrupts.clear(Interrupt::Cancel);
        interrupts.check()
    }

    /// The transaction, started now if none runs.
    pub(crate) fn ensure_transaction(&mut self) -> PgResult<()> {
        if self.txn.is_some() {
            return Ok(());
        }
        let default = self.settings.text(Parameter::DefaultTransactionIsolation).to_string();
        self.start_transaction(&default)
    }

    /// Starts a transaction of an isolation level.
    pub(crate) fn start_transaction(&mut self, isolation: &str) -> PgResult<()> {
        let level = match isolation {
            "read committed" | "read uncommitted" => Isolation::ReadCommitted,
            "repeatable read" => Isolation::RepeatableRead,
            other => return Err(PgError::unsupported(format!("isolation level {}", other.to_uppercase()))),
        };
        self.facts.transaction_timestamp_us = self.facts.statement_timestamp_us;
        self.settings.set_fact(Parameter::TransactionIsolation, isolation);
        let read_only = if self.settings.bool(Parameter::DefaultTransactionReadOnly) { "on" } else { "off" };
        self.settings.set_fact(Parameter::TransactionReadOnly, read_only);
        self.txn = Some(self.facts.instance.engine.txns().begin(&self.facts.backend, level));
        Ok(())
    }

    pub(crate) fn txn(&self) -> &Txn {
        self.txn.as_ref().expect("a statement runs inside a transaction")
    }

    /// A statement is done.
    pub(crate) fn complete(&self, tag: &str, client: &mut dyn Client) {
        self.facts.instance.measures.completed(tag);
        client.command_complete(tag);
    }

    /// Commits the transaction, if one runs. The answer is held until the commit is durable.
    pub(crate) fn commit(&mut self, client: &mut dyn Client) -> PgResult<()> {
        if let Some(lsn) = self.commit_unanswered()?
            && self.settings.text(Parameter::SynchronousCommit) != "off"
        {
            client.hold_until(lsn);
        }
        Ok(())
    }

    /// Commits the transaction, if one runs, where nobody waits for the answer. Returns the commit's place in the log.
    pub(crate) fn commit_unanswered(&mut self) -> PgResult<Option<Lsn>> {
        self.portals.clear();
        if self.txn.is_none() {
            // A SET needs no transaction; a later failure must not take it back.
            self.settings.end_level(u32::from(self.block.state() != State::Idle), true);
            return Ok(None);
        }
        let ready = self.keep_held_cursors().and_then(|()| self.act_on_commit());
        if let Err(error) = ready.and_then(|()| self.check_room_to_speak()) {
            self.abort();
            self.block.reset();
            return Err(error);
        }
        let level = u32::from(self.block.state() != State::Idle);
        let Some(txn) = self.txn.take() else {
            // What needed no transaction, as RESET does, stays as well: a later failure must not undo it.
            self.settings.end_level(level, true);
            return Ok(None);
        };
        let pending = self.catalog.begin_commit();
        let changed_catalogs = pending.is_some();
        // Notifications arrive in the order of their commits.
        let instance = self.speaks().then(|| self.facts.instance.clone());
        let order = instance.as_ref().map(|instance| instance.notifications.take_turn());
        let committed = txn.commit();
        drop(txn);
        match committed {
            Ok(lsn) => {
                self.speak(lsn);
                drop(order);
                self.facts.instance.measures.committed();
                if let Some(pending) = pending {
                    pending.committed(lsn);
                }
                self.catalog.transaction_ended();
                self.settings.end_level(level, true);
                self.apply_role();
                if changed_catalogs {
                    self.sweep_storage();
                }
                Ok(Some(lsn))
            }
            Err(error) => {
                drop(pending);
                self.drop_cursors(0);
                self.facts.said.borrow_mut().clear();
                self.catalog.transaction_ended();
                self.settings.end_level(level, false);
                self.apply_role();
                self.block.reset();
                Err(error)
            }
        }
    }

    /// Frees the storage that dropped tables and failed transactions have left. The commit stands
    /// whatever happens here; what could not be freed is tried again next time.
    fn sweep_storage(&self) {
        if let Err(error) = self.facts.instance.engine.sweep_storage() {
            let message = format!("storage could not be freed: {}", error.message());
            self.notices.borrow_mut().push(PgError::report(Severity::Warning, error.code(), message));
        }
    }

    /// Undoes the transaction, if one runs.
    pub(crate) fn abort(&mut self) {
        self.portals.clear();
        self.drop_cursors(0);
        self.facts.said.borrow_mut().clear();
        if let Some(txn) = self.txn.take() {
            self.facts.instance.measures.rolled_back();
            txn.abort();
        }
        self.catalog.transaction_ended();
        self.settings.end_level(0, false);
        self.apply_role();
    }

    /// A statement failed: undoes what the failure undoes. Inside a block the transaction's work is given
    /// up at once, its locks too, except that savepoints keep what came before them.
    pub(crate) fn fail(&mut self) {
        self.changed_settings.take();
        match self.block.fail() {
            State::Idle | State::Implicit => self.abort(),
            State::Block if self.block.depth() > 0 => {
                self.portals.clear();
                self.drop_cursors(self.block.depth());
                self.facts.said.borrow_mut().roll_back(self.block.depth());
                self.txn().abort_sub();
                self.catalog.rolled_back_to_savepoint();
                self.settings.end_level(self.block.depth() as u32 + 1, false);
                self.apply_role();
            }
            State::Block => {
                self.portals.clear();
                self.drop_cursors(0);
                self.facts.said.borrow_mut().clear();
                if let Some(txn) = self.txn.take() {
                    self.facts.instance.measures.rolled_back();
                    txn.abort();
                }
                self.catalog.transaction_ended();
                self.settings.end_level(1, false);
                self.apply_role();
            }
            State::Failed => {}
        }
    }

    /// Tells the client the notices that a statement has left, down to `client_min_messages`.
    pub(crate) fn send_notices(&mut self, client: &mut dyn Client, statement: &str) {
        let least = match self.settings.text(Parameter::ClientMinMessages) {
            "warning" => Severity::Warning,
            "error" => Severity::Error,
            "notice" => Severity::Notice,
            _ => Severity::Debug,
        };
        for notice in self.notices.take() {
            let severity = notice.fields().severity;
            if severity >= least || severity == Severity::Info {
                client.report(&notice, statement);
            }
        }
    }

    /// Puts what `set_config` has done in a statement that succeeded into effect.
    pub(crate) fn adopt_changed_settings(&mut self) {
        if let Some(changed) = self.changed_settings.take() {
            self.settings = *changed;
            self.apply_timeouts();
        }
    }

    /// Takes over the configuration if it has been read again.
    pub(crate) fn adopt_reloaded_settings(&mut self) {
        let reloads = self.facts.instance.reloads();
        if reloads != self.seen_reloads {
            self.seen_reloads = reloads;
            let settings = self.facts.instance.settings();
            self.settings.adopt(&settings);
            self.apply_timeouts();
        }
    }

    /// Passes the settings on that the transaction layer keeps itself.
    pub(crate) fn apply_timeouts(&self) {
        let millis = |parameter| std::time::Duration::from_millis(self.settings.int(parameter) as u64);
        self.facts.backend.set_lock_timeout(millis(Parameter::LockTimeout));
        self.facts.backend.set_deadlock_timeout(millis(Parameter::DeadlockTimeout));
    }
}

/// What was not committed is undone, however the session ends.
impl Drop for Session {
    fn drop(&mut self) {
        self.portals.clear();
        self.cursors.clear();
        if let Some(txn) = self.txn.take() {
            txn.abort();
            self.catalog.transaction_ended();
        }
        self.end_temporary();
        self.facts.instance.engine.txns().disconnect(&self.facts.backend);
    }
}

/// A session starts as the user that connects.
fn refuse_role(name: &str) -> PgResult<()> {
    match Parameter::by_name(name) {
        Some(Parameter::Role | Parameter::SessionAuthorization) => {
            Err(PgError::unsupported(format!("setting {name} in the startup packet")))
        }
        _ => Ok(()),
    }
}

/// Settings in the startup packet: by name, and as `-c name=value` in `options`.
fn apply_startup(settings: &mut Settings, parameters: &[(String, String)], superuser: bool) -> PgResult<()> {
    for (name, value) in parameters {
        match name.as_str() {
            "user" | "database" | "replication" => {}
            "options" => {
                for (name, value) in split_options(value)? {
                    refuse_role(&name)?;
                    settings.set_startup(&name, &value, superuser)?;
                }
            }
            // Protocol extensions that a server does not know are left out of the negotiation.
            name if name.starts_with("_pq_.") => {}
            name => {
                refuse_role(name)?;
                settings.set_startup(name, value, superuser)?;
            }
        }
    }
    Ok(())
}

/// `-c name=value` and `--name=value` with backslash-escaped spaces.
fn split_options(text: &str) -> PgResult<Vec<(String, String)>> {
    let invalid = |word: &str| {
        PgError::report(
            Severity::Fatal,
            code::SYNTAX_ERROR,
            format!("invalid command-line argument for server process: {word}"),
        )
    };
    let mut words = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let word = words.last_mut().expect("there is always one");
        match c {
            '\\' => word.extend(chars.next()),
            c if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(String::new());
                }
            }
            c => word.push(c),
        }
    }
    let mut settings = Vec::new();
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let assignment = match word.as_str() {
            "-c" => words.next().ok_or_else(|| invalid(&word))?,
            other => match other.strip_prefix("-c").or_else(|| other.strip_prefix("--")) {
                Some(rest) => rest.to_string(),
                None => return Err(invalid(&word)),
            },
        };
        let (name, value) = assignment.split_once('=').ok_or_else(|| invalid(&assignment))?;
        settings.push((name.replace('-', "_"), value.to_string()));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_set_may_not_be_started_with() {
        let check = |name: &str, superuser: bool, expect: &str| {
            let parameters = [("options".to_string(), format!("-c {name}"))];
            let got = match apply_startup(&mut Settings::default(), &parameters, superuser) {
                Ok(()) => "taken".to_string(),
                Err(error) => format!("{} {}", error.code(), error.message()),
            };
            assert_eq!(got, expect, "{name}");
        };
        check("work_mem=1MB", false, "taken");
        check("deadlock_timeout=5s", true, "taken");
        check("deadlock_timeout=5s", false, "42501 permission denied to set parameter \"deadlock_timeout\"");
        let restart = "55P02 parameter \"shared_buffers\" cannot be changed without restarting the server";
        check("shared_buffers=1GB", true, restart);
        check("server_version=16", true, "55P02 parameter \"server_version\" cannot be changed");
        check("role=postgres", true, "0A000 setting role in the startup packet is not supported yet");
    }

    #[test]
    fn startup_options() {
        let check = |text: &str, expect: &[(&str, &str)]| {
            let got = split_options(text).expect(text);
            let got: Vec<(&str, &str)> =
                got.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(got, expect, "{text}");
        };
        check("", &[]);
        check("-c geqo=off", &[("geqo", "off")]);
        check(" -cwork_mem=1MB  --search-path=a\\ b", &[("work_mem", "1MB"), ("search_path", "a b")]);
        assert!(split_options("-x").is_err());
        assert!(split_options("-c").is_err());
    }
}
