//! Autovacuum: a thread that looks after tables that have changed much, by PostgreSQL's thresholds.

use super::counters::{Counted, TableKey};
use super::{Options, Target};
use crate::access::Access;
use crate::instance::Instance;
use crate::session::{Session, SessionStart};
use crate::settings::Parameter;
use parking_lot::{Condvar, Mutex};
use redoubt_catalog::Relation;
use redoubt_error::PgResult;
use redoubt_functions::Oid;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// The user that automatic work is done as.
const USER: &str = "postgres";
/// Stack of the thread: as deep as sessions' are.
const STACK_BYTES: usize = 16 << 20;

/// The way to tell the thread that the server stops.
#[derive(Default)]
pub(crate) struct Autovacuum {
    stopping: Mutex<bool>,
    changed: Condvar,
}

impl Autovacuum {
    /// Ends the thread's sleep, for good.
    pub(crate) fn stop(&self) {
        *self.stopping.lock() = true;
        self.changed.notify_all();
    }

    /// Waits for the next round; false when the server stops.
    fn sleep(&self, naptime: Duration) -> bool {
        let mut stopping = self.stopping.lock();
        if !*stopping {
            self.changed.wait_for(&mut stopping, naptime);
        }
        !*stopping
    }
}

impl Instance {
    /// Starts the thread that vacuums and analyzes what has changed much. Nothing happens if `autovacuum` is off.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start_autovacuum(self: &Arc<Self>) -> std::io::Result<()> {
        if !self.settings().bool(Parameter::Autovacuum) {
            return Ok(());
        }
        let naptime = Duration::from_secs(self.settings().int(Parameter::AutovacuumNaptime) as u64);
        let signal = self.autovacuum.clone();
        let instance = Arc::downgrade(self);
        let body = move || {
            while signal.sleep(naptime) {
                let Some(instance) = Weak::upgrade(&instance) else { break };
                if let Err(error) = round(&instance) {
                    tracing::warn!(error = error.message(), "autovacuum gave up a round");
                }
            }
        };
        std::thread::Builder::new().name("autovacuum".into()).stack_size(STACK_BYTES).spawn(body)?;
        Ok(())
    }
}

/// Looks after every database that has tables that changed.
fn round(instance: &Arc<Instance>) -> PgResult<()> {
    let tables = instance.counters.changed_tables();
    let mut rest = &tables[..];
    while let [first, ..] = rest {
        let database = first.0.0;
        let end = rest.partition_point(|(key, _)| key.0 == database);
        look_after(instance, database, &rest[..end])?;
        rest = &rest[end..];
    }
    Ok(())
}

/// Vacuums and analyzes what needs it in one database.
fn look_after(instance: &Arc<Instance>, database: Oid, tables: &[(TableKey, Counted)]) -> PgResult<()> {
    let Some(mut session) = Session::start_worker(instance, USER, database)? else {
        // The database is gone, and its tables with it.
        tables.iter().for_each(|(key, _)| instance.counters.forget(*key));
        return Ok(());
    };
    for (key, counted) in tables {
        session.ensure_transaction()?;
        let access = Access::current(&session)?;
        let relation = access.catalog().relation_by_oid(key.1)?;
        drop(access);
        session.commit_unanswered()?;
        let Some(relation) = relation else {
            instance.counters.forget(*key);
            continue;
        };
        if relation.persistence == 't' {
            // Only its own session looks after a temporary table.
            instance.counters.forget(*key);
            continue;
        }
        let (vacuum, analyze) = needs(instance, &relation, counted);
        if let Err(error) = session.look_after_table(&relation, vacuum, analyze) {
            session.abort();
            tracing::warn!(table = &*relation.name, error = error.message(), "automatic vacuum failed");
        }
    }
    Ok(())
}

/// Whether a table has changed enough to be vacuumed, and to be analyzed (PostgreSQL's `relation_needs_vacanalyze`).
fn needs(instance: &Instance, relation: &Relation, counted: &Counted) -> (bool, bool) {
    if relation.boolean_option("autovacuum_enabled") == Some(false) {
        return (false, false);
    }
    let settings = instance.settings();
    let rows = f64::from(relation.class.reltuples.max(0.0));
    // A table's own storage parameters have the names of the settings that they replace.
    let own = |parameter: Parameter| relation.option(parameter.definition().name)?.parse::<f64>().ok();
    let over = |count: u64, threshold: Parameter, scale: Parameter| {
        let threshold = own(threshold).unwrap_or_else(|| settings.int(threshold) as f64);
        let scale = own(scale).unwrap_or_else(|| settings.real(scale));
        // Only `autovacuum_vacuum_insert_threshold` may be negative: then insertions do not count.
        threshold >= 0.0 && count as f64 > threshold + scale * rows
    };
    let vacuum =
        over(counted.dead, Parameter::AutovacuumVacuumThreshold, Parameter::AutovacuumVacuumScaleFactor)
            || over(
                counted.inserted_since_vacuum,
                Parameter::AutovacuumVacuumInsertThreshold,
                Parameter::AutovacuumVacuumInsertScaleFactor,
            );
    let analyze = over(
        counted.changed_since_analyze,
        Parameter::AutovacuumAnalyzeThreshold,
        Parameter::AutovacuumAnalyzeScaleFactor,
    );
    (vacuum, analyze)
}

impl Session {
    /// A session for automatic work in a database; `None` if there is no such database any more.
    fn start_worker(instance: &Arc<Instance>, user: &str, database: Oid) -> PgResult<Option<Session>> {
        let Some(name) = crate::login::database_name(instance, database)? else { return Ok(None) };
        let parameters = vec![("user".into(), user.into()), ("database".into(), name.to_string())];
        let session = Session::start(instance, SessionStart { parameters, ..SessionStart::default() })?;
        session.registration.activity.lock().automatic = true;
        Ok(Some(session))
    }

    fn look_after_table(&mut self, relation: &Relation, vacuum: bool, analyze: bool) -> PgResult<()> {
        let target = Target { relid: relation.oid, name: relation.name.clone(), columns: Vec::new() };
        let options = Options {
            vacuum,
            analyze,
            verbose: false,
            // Whoever has the table locked would only be kept waiting by somebody who waits for it.
            skip_locked: true,
            all_pages: false,
            truncate: None,
        };
        if vacuum {
            self.ensure_transaction()?;
            self.vacuum_table(&target, options)?;
            self.commit_unanswered()?;
        }
        if analyze {
            self.ensure_transaction()?;
            self.analyze_table(&target, options)?;
            self.commit_unanswered()?;
        }
        self.notices.borrow_mut().clear();
        Ok(())
    }
}
