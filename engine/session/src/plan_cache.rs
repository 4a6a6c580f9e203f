//! Plans that are used again: a prepared statement's own, and those of statements that come as text and
//! differ from earlier ones in their values only.
//!
//! A plan is good while the catalogs, the search path and the settings are as they were when it was made.
//! Statements that come as text are known by their normalised form (`redoubt_sql::normalise`). The second time
//! one is met it is planned with parameters in the places of its literals; that plan serves while it is cheap.
//! A costly statement is planned anew each time with its values in sight, as PostgreSQL does always: there
//! planning is what costs least.

use crate::access::Access;
use crate::executor::Origin;
use crate::run::Planned;
use crate::session::Session;
use redoubt_analyze::Params;
use redoubt_error::PgResult;
use redoubt_functions::Settings as FormatSettings;
use redoubt_functions::{Datum, Oid, io, types};
use redoubt_page::Lsn;
use redoubt_sql::tree::DmlStatement;
use redoubt_sql::{Lifted, Normalised};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Plans with parameters are kept for statements up to this cost. About what planning itself costs, in the
/// planner's unit of one page read in order.
const MAX_COST: f64 = 1000.0;
/// Statements that are remembered per session.
const MAX_STATEMENTS: usize = 256;

/// What a plan was made under. Equal circumstances make equal plans.
#[derive(Clone)]
struct Circumstances {
    version: Lsn,
    path: Vec<Oid>,
    /// Every change of a setting makes a new one.
    formats: Arc<FormatSettings>,
}

impl Circumstances {
    /// Those of now; `None` while the catalogs are being changed.
    fn now(session: &Session, access: &Access<'_>) -> Option<Circumstances> {
        let version = access.catalog().version()?;
        Some(Circumstances {
            version,
            path: access.path.clone(),
            formats: session.settings.formats().clone(),
        })
    }

    fn hold(&self, session: &Session, access: &Access<'_>) -> bool {
        access.catalog().version() == Some(self.version)
            // An older snapshot may not read through every index that there is by now.
            && self.version <= access.snapshot.lsn()
            && self.path == access.path
            && Arc::ptr_eq(&self.formats, session.settings.formats())
    }
}

/// A plan and when it is good.
pub(crate) struct CachedPlan {
    made_under: Circumstances,
    planned: Planned,
    /// The role that was found to have the privileges it needs.
    allowed_to: AtomicU32,
}

/// Statements that came as text, by their normalised form.
#[derive(Default)]
pub(crate) struct StatementCache {
    entries: HashMap<String, Entry>,
}

struct Entry {
    state: State,
    /// Since entries were last thrown out.
    used: bool,
}

enum State {
    /// Met once: most statements never come back.
    Met,
    /// Planned with parameters.
    Planned(Arc<CachedPlan>),
    /// Not to be planned with parameters as things stand.
    Refused(Circumstances),
}

impl StatementCache {
    /// Makes room for one more: what has not been used since the last time goes.
    fn make_room(&mut self) {
        if self.entries.len() >= MAX_STATEMENTS {
            self.entries.retain(|_, entry| std::mem::take(&mut entry.used));
        }
        if self.entries.len() >= MAX_STATEMENTS {
            self.entries.clear();
        }
    }
}

impl Session {
    /// The plan if it is still good, its tables locked.
    pub(crate) fn reuse(&self, cached: &CachedPlan) -> PgResult<Option<Planned>> {
        self.reuse_under(cached, || Access::current(self))
    }

    /// As [`Session::reuse`], where the plan is used under another search path or snapshot than the session's own.
    pub(crate) fn reuse_under<'s>(
        &'s self,
        cached: &CachedPlan,
        look: impl Fn() -> PgResult<Access<'s>>,
    ) -> PgResult<Option<Planned>> {
        let access = look()?;
        if !cached.made_under.hold(self, &access) {
            return Ok(None);
        }
        // The answer is the same for the same role under the same state of the catalogs.
        if cached.allowed_to.load(Ordering::Relaxed) != self.facts.user_oid {
            self.check_privileges(&access, &cached.planned)?;
            cached.allowed_to.store(self.facts.user_oid, Ordering::Relaxed);
        }
        self.check_read_only(&cached.planned.plan)?;
        if self.lock_tables(&access, &cached.planned.plan)? {
            // Some lock was new, and what it was waited for may have changed the table.
            let access = look()?;
            if !cached.made_under.hold(self, &access) {
                return Ok(None);
            }
        }
        Ok(Some(cached.planned.clone()))
    }

    /// Plans a statement to be kept; `None` when the catalogs are being changed, and nothing can be kept.
    pub(crate) fn plan_to_keep(
        &self,
        statement: &DmlStatement,
        params: &Params,
        origin: Origin,
    ) -> PgResult<(Planned, Option<CachedPlan>)> {
        let planned = self.plan_for(statement, params, origin)?;
        let cached = self.to_keep(&Access::current(self)?, &planned);
        Ok((planned, cached))
    }

    /// A plan that was just made, to be kept; `None` when the catalogs are being changed.
    pub(crate) fn to_keep(&self, access: &Access<'_>, planned: &Planned) -> Option<CachedPlan> {
        Some(CachedPlan {
            made_under: Circumstances::now(self, access)?,
            planned: planned.clone(),
            allowed_to: AtomicU32::new(0),
        })
    }

    /// A plan for a statement that came as text, and the values of its parameters; `None` when it has to be
    /// planned as it stands. The session must be in a transaction.
    pub(crate) fn plan_of_text(&mut self, normalised: Normalised) -> PgResult<Option<(Planned, Vec<Datum>)>> {
        if self.datafusion_only() {
            // A plan of unknown values might be one that DataFusion cannot run; and there only few are cheap.
            return Ok(None);
        }
        let key = key_of(normalised.text, &normalised.literals);
        let mut cache = std::mem::take(&mut self.statements);
        let found = self.find_or_plan(&mut cache, key, &normalised.literals);
        self.statements = cache;
        let Some(planned) = found? else { return Ok(None) };
        let params = self.values(&planned.param_types, normalised.literals);
        Ok(params.map(|params| (planned, params)))
    }

    fn find_or_plan(
        &self,
        cache: &mut StatementCache,
        key: String,
        literals: &[Lifted],
    ) -> PgResult<Option<Planned>> {
        let Some(entry) = cache.entries.get_mut(&key) else {
            cache.make_room();
            cache.entries.insert(key, Entry { state: State::Met, used: false });
            return Ok(None);
        };
        entry.used = true;
        match &entry.state {
            State::Planned(cached) => {
                if let Some(planned) = self.reuse(cached)? {
                    return Ok(Some(planned));
                }
            }
            State::Refused(circumstances) if circumstances.hold(self, &Access::current(self)?) => {
                return Ok(None);
            }
            State::Refused(_) | State::Met => {}
        }
        let access = Access::current(self)?;
        let Some(made_under) = Circumstances::now(self, &access) else { return Ok(None) };
        drop(access);
        entry.state = match self.plan_lifted(&key[..text_length(&key)], literals) {
            Some(cached) => State::Planned(Arc::new(CachedPlan {
                made_under,
                planned: cached,
                allowed_to: AtomicU32::new(0),
            })),
            None => State::Refused(made_under),
        };
        match &entry.state {
            State::Planned(cached) => self.reuse(cached),
            _ => Ok(None),
        }
    }

    /// Plans the normalised statement. Whatever is wrong with it, the statement as it stands will say better.
    fn plan_lifted(&self, text: &str, literals: &[Lifted]) -> Option<Planned> {
        self.facts.instance.measures.parsing();
        let statements = redoubt_sql::parse(text).ok()?;
        let [statement] = &statements[..] else { return None };
        let statement = statement.kind.as_dml()?;
        let declared = literals.iter().map(declared_type).collect();
        let access = Access::current(self).ok()?;
        let planned =
            self.plan_under(&access, &statement, &Params::variable(declared), Origin::Client).ok()?;
        let cost = planned.plan.nodes[planned.plan.root.index()].estimate.total;
        (cost <= MAX_COST).then_some(planned)
    }

    /// The literals as values of the parameters' types; `None` if one is no such value.
    fn values(&self, types: &[Oid], literals: Vec<Lifted>) -> Option<Vec<Datum>> {
        let mut access = None;
        let mut values = Vec::with_capacity(literals.len());
        for (literal, type_oid) in literals.into_iter().zip(types) {
            values.push(match literal {
                Lifted::Int4(value) => Datum::Int4(value),
                Lifted::Int8(value) => Datum::Int8(value),
                Lifted::Numeric(text) | Lifted::String(text) => {
                    if access.is_none() {
                        access = Access::current(self).ok();
                    }
                    io::input(*type_oid, -1, &text, &access.as_ref()?.env()).ok()?
                }
            });
        }
        Some(values)
    }
}

fn declared_type(literal: &Lifted) -> Oid {
    match literal {
        Lifted::Int4(_) => types::INT4,
        Lifted::Int8(_) => types::INT8,
        Lifted::Numeric(_) => types::NUMERIC,
        Lifted::String(_) => 0,
    }
}

/// Separates the text from the literals' kinds; no statement contains it.
const SEPARATOR: char = '\0';

fn key_of(mut text: String, literals: &[Lifted]) -> String {
    text.push(SEPARATOR);
    text.extend(literals.iter().map(|literal| match literal {
        Lifted::Int4(_) => 'i',
        Lifted::Int8(_) => 'l',
        Lifted::Numeric(_) => 'n',
        Lifted::String(_) => 's',
    }));
    text
}

fn text_length(key: &str) -> usize {
    key.rfind(SEPARATOR).expect("every key has a separator")
}
