//! What the sessions of one server share.

use crate::activity::{Activity, SharedActivity};
use crate::measures::Measures;
use crate::notify::Notifications;
use crate::settings::{Parameter, Settings};
use crate::temporary::TemporaryNumbers;
use crate::timekeeper::Timekeeper;
use crate::vacuum::{Autovacuum, TableCounters};
use parking_lot::{Condvar, Mutex, RwLock};
use redoubt_access::Engine;
use redoubt_catalog::Catalog;
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_functions::Oid;
use redoubt_page::Lsn;
use redoubt_txn::{Interrupt, Interrupts};
use rustc_hash::FxHashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The durable end of the log, waited for without blocking a thread.
pub trait Durability: Send + Sync {
    /// The durable end now.
    fn vdl(&self) -> Lsn;
    /// Completes when the durable end has reached `lsn`, or fails when this writer is over.
    fn wait(&self, lsn: Lsn) -> Pin<Box<dyn Future<Output = PgResult<()>> + Send + '_>>;
}

/// One server: engine, catalogs, settings, sessions.
pub struct Instance {
    pub(crate) engine: Arc<Engine>,
    pub(crate) catalog: Arc<Catalog>,
    durability: Box<dyn Durability>,
    settings: RwLock<Arc<Settings>>,
    sessions: Mutex<FxHashMap<i32, Registered>>,
    /// Some session has left the register.
    session_left: Condvar,
    next_process_id: AtomicI32,
    stopping: AtomicBool,
    started_us: i64,
    /// How much tables have changed.
    pub(crate) counters: TableCounters,
    pub(crate) autovacuum: Arc<Autovacuum>,
    pub(crate) measures: Measures,
    /// Who has which temporary schema.
    pub(crate) temporary_numbers: TemporaryNumbers,
    pub(crate) notifications: Notifications,
    pub(crate) timekeeper: Timekeeper,
    /// Makes up the salts of users that there are not.
    pub(crate) mock_key: [u8; 32],
    /// How often the configuration has been read again: sessions that have seen fewer adopt it.
    reloads: AtomicU32,
    reload: Mutex<Option<Reload>>,
}

/// Reads the configuration again and puts it into effect; the server's log says how it went.
type Reload = Box<dyn Fn(&Instance) + Send + Sync>;

/// A session as others see it.
struct Registered {
    secret: i32,
    interrupts: Arc<Interrupts>,
    waker: Arc<Mutex<Option<Box<dyn Fn() + Send + Sync>>>>,
    activity: SharedActivity,
}

/// A session's entry in the register of sessions, which goes when this is dropped.
pub(crate) struct Registration {
    instance: Arc<Instance>,
    pub process_id: i32,
    pub secret: i32,
    pub activity: SharedActivity,
    waker: Arc<Mutex<Option<Box<dyn Fn() + Send + Sync>>>>,
}

impl Registration {
    /// What to call when the session is interrupted while it waits for its client.
    pub(crate) fn set_waker(&self, wake: impl Fn() + Send + Sync + 'static) {
        *self.waker.lock() = Some(Box::new(wake));
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.instance.notifications.forget(self.process_id);
        self.instance.sessions.lock().remove(&self.process_id);
        self.instance.session_left.notify_all();
    }
}

impl Instance {
    /// A server over an open engine. `settings` are what new sessions start with.
    pub fn new(
        engine: Arc<Engine>,
        catalog: Arc<Catalog>,
        settings: Settings,
        durability: Box<dyn Durability>,
    ) -> Arc<Instance> {
        crate::work::clean(&settings);
        Arc::new(Instance {
            engine,
            catalog,
            durability,
            settings: RwLock::new(Arc::new(settings)),
            sessions: Mutex::default(),
            session_left: Condvar::new(),
            next_process_id: AtomicI32::new(1),
            stopping: AtomicBool::new(false),
            started_us: redoubt_functions::timestamp::now_us(),
            counters: TableCounters::default(),
            autovacuum: Arc::default(),
            measures: Measures::new(),
            temporary_numbers: TemporaryNumbers::default(),
            notifications: Notifications::default(),
            timekeeper: Timekeeper::default(),
            mock_key: random_key(),
            reloads: AtomicU32::new(0),
            reload: Mutex::new(None),
        })
    }

    /// The settings that new sessions start with.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.read().clone()
    }

    /// What `pg_reload_conf` does.
    pub fn on_reload(&self, reload: impl Fn(&Instance) + Send + Sync + 'static) {
        *self.reload.lock() = Some(Box::new(reload));
    }

    /// Reads the configuration again, if there is one to read.
    pub fn reload(&self) {
        if let Some(reload) = &*self.reload.lock() {
            reload(self);
        }
    }

    /// Puts settings read again into effect: for new sessions, and for the others before their next statement.
    /// Gives the names of those that keep their values until the server starts again.
    pub fn adopt_settings(&self, new: &Settings) -> Vec<&'static str> {
        let mut settings = self.settings.write();
        let mut adopted = (**settings).clone();
        let refused = adopted.adopt(new);
        *settings = Arc::new(adopted);
        self.reloads.fetch_add(1, Ordering::Release);
        refused
    }

    /// How often the configuration has been read again.
    pub(crate) fn reloads(&self) -> u32 {
        self.reloads.load(Ordering::Acquire)
    }

    /// `authentication_timeout`, in seconds.
    pub fn authentication_timeout_s(&self) -> u64 {
        self.settings.read().int(Parameter::AuthenticationTimeout) as u64
    }

    /// Waits until the volume is durable up to `lsn`.
    ///
    /// # Errors
    /// When this writer is fenced or failed; what was to be told is then in doubt.
    pub async fn wait_durable(&self, lsn: Lsn) -> PgResult<()> {
        if self.durability.vdl() >= lsn {
            return Ok(());
        }
        let began = Instant::now();
        let result = self.durability.wait(lsn).await;
        self.measures.waited(began.elapsed());
        result
    }

    /// How far the log is durable.
    pub(crate) fn durable_end(&self) -> Lsn {
        self.durability.vdl()
    }

    /// When the server started, microseconds since 2000-01-01 UTC.
    pub(crate) fn started_us(&self) -> i64 {
        self.started_us
    }

    /// What each session does, in order of process id.
    pub(crate) fn activities(&self) -> Vec<(i32, Activity)> {
        let sessions = self.sessions.lock();
        let mut all: Vec<_> =
            sessions.iter().map(|(pid, session)| (*pid, session.activity.lock().clone())).collect();
        all.sort_unstable_by_key(|(pid, _)| *pid);
        all
    }

    /// Cancels the statement that a session runs, if the secret is the session's own.
    pub fn cancel(&self, process_id: i32, secret: i32) {
        self.interrupt(process_id, Interrupt::Cancel, Some(secret));
    }

    /// Raises an interrupt; says whether there is such a session (with this secret, if one is asked for).
    pub(crate) fn interrupt(&self, process_id: i32, interrupt: Interrupt, secret: Option<i32>) -> bool {
        let sessions = self.sessions.lock();
        let Some(session) = sessions.get(&process_id) else { return false };
        if secret.is_some_and(|secret| secret != session.secret) {
            return false;
        }
        raise(session, interrupt);
        true
    }

    /// Makes a session that waits for its client look at what there is for it.
    pub(crate) fn wake(&self, process_id: i32) {
        if let Some(session) = self.sessions.lock().get(&process_id)
            && let Some(wake) = session.waker.lock().as_ref()
        {
            wake();
        }
    }

    /// Ends all sessions and admits no more.
    pub fn shut_down(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.autovacuum.stop();
        for session in self.sessions.lock().values() {
            raise(session, Interrupt::Terminate);
        }
    }

    /// Waits until no session but `own` is in a database, `patience` at most; automatic work there is told to end.
    /// Returns how many sessions have stayed. No other may come: the database's lock is held.
    ///
    /// # Errors
    /// Those of `check_for_interrupts`.
    pub(crate) fn wait_until_left(
        &self,
        database: Oid,
        own: i32,
        patience: Duration,
        check_for_interrupts: &mut dyn FnMut() -> PgResult<()>,
    ) -> PgResult<usize> {
        /// How long an interrupt may go unnoticed.
        const LOOK: Duration = Duration::from_millis(100);
        let deadline = Instant::now() + patience;
        loop {
            check_for_interrupts()?;
            let mut sessions = self.sessions.lock();
            let mut others = 0;
            for (_, session) in sessions.iter().filter(|(pid, _)| **pid != own) {
                let (there, automatic) = {
                    let activity = session.activity.lock();
                    (activity.database == database, activity.automatic)
                };
                others += usize::from(there);
                if there && automatic {
                    raise(session, Interrupt::Terminate);
                }
            }
            let now = Instant::now();
            if others == 0 || now >= deadline {
                return Ok(others);
            }
            self.session_left.wait_for(&mut sessions, LOOK.min(deadline - now));
        }
    }

    /// How many sessions of clients are in a database, and how many are a role's.
    pub(crate) fn count_sessions(&self, database: Oid, user: Oid) -> (usize, usize) {
        let sessions = self.sessions.lock();
        let mut counts = (0, 0);
        for session in sessions.values() {
            let activity = session.activity.lock();
            if !activity.automatic {
                counts.0 += usize::from(activity.database == database);
                counts.1 += usize::from(activity.user == user);
            }
        }
        counts
    }

    /// How many sessions there are.
    pub fn session_count(&self) -> usize {
        self.sessions.lock().len()
    }

    /// Enters a session into the register, within the limits on connections.
    pub(crate) fn register(
        self: &Arc<Self>,
        superuser: bool,
        backend: impl FnOnce(i32) -> Arc<Interrupts>,
    ) -> PgResult<Registration> {
        let fatal = |code, message: &str| Err(PgError::report(Severity::Fatal, code, message));
        if self.stopping.load(Ordering::SeqCst) {
            return fatal(code::CANNOT_CONNECT_NOW, "the database system is shutting down");
        }
        let mut sessions = self.sessions.lock();
        let limit = self.settings.read().int(Parameter::MaxConnections) as usize;
        let reserved = self.settings.read().int(Parameter::SuperuserReservedConnections) as usize;
        if sessions.len() >= limit {
            return fatal(code::TOO_MANY_CONNECTIONS, "sorry, too many clients already");
        }
        if !superuser && sessions.len() + reserved >= limit {
            return fatal(
                code::TOO_MANY_CONNECTIONS,
                "remaining connection slots are reserved for non-replication superuser connections",
            );
        }
        let process_id = loop {
            let candidate = self.next_process_id.fetch_add(1, Ordering::Relaxed) & i32::MAX;
            if candidate != 0 && !sessions.contains_key(&candidate) {
                break candidate;
            }
        };
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes)
            .map_err(|error| PgError::internal(format!("no random numbers: {error}")))?;
        let secret = i32::from_be_bytes(bytes);
        let waker = Arc::default();
        let activity = SharedActivity::default();
        let registered = Registered {
            secret,
            interrupts: backend(process_id),
            waker: Arc::clone(&waker),
            activity: activity.clone(),
        };
        sessions.insert(process_id, registered);
        Ok(Registration { instance: self.clone(), process_id, secret, activity, waker })
    }
}

fn random_key() -> [u8; 32] {
    let mut key = [0; 32];
    getrandom::fill(&mut key).expect("the operating system provides randomness");
    key
}

fn raise(session: &Registered, interrupt: Interrupt) {
    session.interrupts.raise(interrupt);
    if let Some(wake) = session.waker.lock().as_ref() {
        wake();
    }
}
