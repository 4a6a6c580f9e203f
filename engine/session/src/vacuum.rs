//! VACUUM and ANALYZE, asked for or automatic.
//!
//! Each table is vacuumed in a transaction of its own, as in PostgreSQL, so that dead rows of the tables done
//! before do not wait for the last. Transaction numbers have 64 bits: there is nothing to freeze, and FREEZE
//! asks for what holds anyway.

mod automatic;
mod column_statistics;
mod counters;
mod sample;

pub(crate) use automatic::Autovacuum;
pub(crate) use counters::{Changes, Counted, TableCounters};

use crate::access::{Access, PG_CATALOG};
use crate::client::Client;
use crate::options::option_boolean;
use crate::session::Session;
use redoubt_access::{AccessMethod, VacuumOptions, VacuumStats};
use redoubt_catalog::Relation;
use redoubt_catalog::rows::PgClass;
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_exec::Relations;
use redoubt_functions::Oid;
use redoubt_sql::tree::{DefElem, Vacuum, VacuumRelation};
use redoubt_txn::{LockMode, LockOutcome, LockTag, LockWait};
use std::sync::Arc;

/// What a VACUUM or ANALYZE is to do.
#[derive(Clone, Copy, Debug)]
struct Options {
    vacuum: bool,
    analyze: bool,
    verbose: bool,
    skip_locked: bool,
    all_pages: bool,
    /// Whether empty pages at the end are given up; the table's own parameter says so if nobody else does.
    truncate: Option<bool>,
}

/// A table to look after, and the columns that were asked for.
struct Target {
    relid: Oid,
    name: Arc<str>,
    columns: Vec<i16>,
}

impl Session {
    /// VACUUM or ANALYZE.
    pub(crate) fn vacuum(&mut self, statement: &Vacuum, client: &mut dyn Client) -> PgResult<()> {
        let options = read_options(statement)?;
        if statement.is_vacuum {
            self.block.check_outside("VACUUM")?;
        }
        if !options.analyze && statement.relations.iter().any(|relation| !relation.columns.is_empty()) {
            let message = "ANALYZE option must be specified when a column list is provided";
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
        }
        self.ensure_transaction()?;
        let targets =
            self.vacuum_targets(&statement.relations, if options.vacuum { "vacuum" } else { "analyze" })?;
        if options.vacuum {
            // The transaction that found the tables must not hold their dead rows back.
            self.commit(client)?;
        }
        for target in &targets {
            if options.vacuum {
                self.ensure_transaction()?;
                self.vacuum_table(target, options)?;
                self.commit(client)?;
            }
            if options.analyze {
                self.ensure_transaction()?;
                self.analyze_table(target, options)?;
                if options.vacuum {
                    self.commit(client)?;
                }
            }
        }
        Ok(())
    }

    /// Whether the user may do this to a table; a warning says that it is passed over (`vacuum_is_permitted_for_relation`).
    fn may_maintain(&self, access: &Access<'_>, class: &PgClass, verb: &str) -> PgResult<bool> {
        let (catalog, user) = (access.catalog(), self.facts.user_oid);
        if self.facts.superuser || catalog.has_privileges_of(user, class.relowner)? {
            return Ok(true);
        }
        let database = catalog.database_by_oid(self.facts.database)?;
        if let Some(row) = database.filter(|_| !class.relisshared)
            && catalog.has_privileges_of(user, row.datdba)?
        {
            return Ok(true);
        }
        let who = match class.relisshared {
            true => "superuser",
            false if class.relnamespace == PG_CATALOG => "superuser or database owner",
            false => "table or database owner",
        };
        let message = format!("skipping \"{}\" --- only {who} can {verb} it", class.relname);
        self.warn(code::WARNING, message);
        Ok(false)
    }

    /// The tables that were named, or all there are, less those that the user has no business with.
    fn vacuum_targets(&self, named: &[VacuumRelation], verb: &str) -> PgResult<Vec<Target>> {
        let access = Access::current(self)?;
        let catalog = access.catalog();
        if named.is_empty() {
            let mut classes: Vec<PgClass> = catalog.scan()?;
            let own = access.own_temporary_schema();
            // Others' temporary tables are theirs to look after.
            classes.retain(|class| {
                matches!(class.relkind, 'r' | 'm')
                    && (class.relpersistence != 't' || own == Some(class.relnamespace))
            });
            classes.sort_by_key(|class| class.oid);
            let mut permitted = Vec::with_capacity(classes.len());
            for class in classes {
                if self.may_maintain(&access, &class, verb)? {
                    permitted.push(class);
                }
            }
            let target = |class: PgClass| Target {
                relid: class.oid,
                name: class.relname.clone(),
                columns: Vec::new(),
            };
            return Ok(permitted.into_iter().map(target).collect());
        }
        let mut targets = Vec::with_capacity(named.len());
        for one in named {
            let relation = access.relation_named(&one.name)?;
            if !self.may_maintain(&access, &relation.class, verb)? {
                continue;
            }
            let mut columns: Vec<i16> = Vec::with_capacity(one.columns.len());
            for column in &one.columns {
                let index =
                    relation.desc.attrs.iter().position(|a| !a.dropped && *a.name == *column.as_str());
                let attno = index.map(|index| index as i16 + 1).ok_or_else(|| {
                    let message = format!(
                        "column \"{}\" of relation \"{}\" does not exist",
                        column.name, relation.name
                    );
                    PgError::new(code::UNDEFINED_COLUMN, message)
                })?;
                if columns.contains(&attno) {
                    let message = format!(
                        "column \"{}\" of relation \"{}\" appears more than once",
                        column.name, relation.name
                    );
                    return Err(PgError::new(code::DUPLICATE_COLUMN, message));
                }
                columns.push(attno);
            }
            targets.push(Target { relid: relation.oid, name: relation.name.clone(), columns });
        }
        Ok(targets)
    }

    /// Locks a table for vacuum or analyze. `None` if it is gone, locked by others, or nothing for them.
    fn lock_target(&self, target: &Target, options: Options, verb: &str) -> PgResult<Option<Arc<Relation>>> {
        let access = Access::current(self)?;
        let Some(relation) = access.catalog().relation_by_oid(target.relid)? else { return Ok(None) };
        let database = if relation.class.relisshared { 0 } else { self.facts.database };
        let tag = LockTag::Relation { database, relation: target.relid };
        let wait = if options.skip_locked { LockWait::NoWait } else { LockWait::Block };
        if self.txn().lock(tag, LockMode::ShareUpdateExclusive, wait)? == LockOutcome::NotAvailable {
            let message = format!("skipping {verb} of \"{}\" --- lock not available", target.name);
            self.warn(code::LOCK_NOT_AVAILABLE, message);
            return Ok(None);
        }
        let access = Access::current(self)?;
        let Some(relation) = access.catalog().relation_by_oid(target.relid)? else { return Ok(None) };
        // The owner may have changed while the lock was waited for.
        if !self.may_maintain(&access, &relation.class, verb)? {
            return Ok(None);
        }
        if !matches!(relation.kind, 'r' | 'm') {
            let message = format!(
                "skipping \"{}\" --- cannot {verb} non-tables or special system tables",
                relation.name
            );
            self.warn(code::WRONG_OBJECT_TYPE, message);
            return Ok(None);
        }
        Ok(Some(relation))
    }

    fn vacuum_table(&self, target: &Target, options: Options) -> PgResult<()> {
        let Some(relation) = self.lock_target(target, options, "vacuum")? else { return Ok(()) };
        let access = Access::current(self)?;
        let table = access.open(relation.oid)?;
        let indexes = access.catalog().indexes_of(&relation)?;
        let trees: PgResult<Vec<Arc<dyn AccessMethod>>> =
            indexes.iter().map(|index| index.open(access.engine())).collect();
        let trees = trees?;
        if options.verbose {
            let place = format!("{}.{}.{}", self.facts.database_name, table.schema, table.name);
            self.inform(format!("vacuuming \"{place}\""));
        }
        // Its own snapshot would keep rows that died since from being removed.
        drop(access);
        let how = VacuumOptions { all_pages: options.all_pages, ..VacuumOptions::default() };
        let run = || table.heap.vacuum(&self.facts.backend, &trees, how);
        let stats = redoubt_buffer::blocking(run)?;
        let truncate =
            options.truncate.or_else(|| relation.boolean_option("vacuum_truncate")).unwrap_or(true);
        let cut = if truncate { self.truncate_tail(&relation, &stats, &table.heap)? } else { 0 };
        self.note_sizes(&relation, &table.heap, &stats)?;
        self.facts.instance.counters.vacuumed((relation.database, relation.oid), stats.rows_recently_dead);
        if options.verbose {
            self.inform(format!(
                "finished vacuuming \"{}.{}.{}\": index scans: {}\n\
                 pages: {} removed, {} remain, {} scanned\n\
                 tuples: {} removed, {} remain, {} are dead but not yet removable",
                self.facts.database_name,
                table.schema,
                table.name,
                stats.index_passes,
                cut,
                table.heap.nblocks(),
                stats.pages_scanned,
                stats.rows_removed,
                stats.rows_left,
                stats.rows_recently_dead,
            ));
        }
        Ok(())
    }

    /// Gives up empty pages at the table's end, if nobody else is using the table and there are enough to be
    /// worth the lock. Returns how many.
    fn truncate_tail(
        &self,
        relation: &Relation,
        stats: &VacuumStats,
        heap: &redoubt_access::Heap,
    ) -> PgResult<u32> {
        /// PostgreSQL's `REL_TRUNCATE_MINIMUM` and `REL_TRUNCATE_FRACTION`.
        const ENOUGH_PAGES: u32 = 1000;
        const ENOUGH_FRACTION: u32 = 16;
        let empty = stats.empty_tail_pages;
        if empty == 0 || (empty < ENOUGH_PAGES && empty < stats.pages / ENOUGH_FRACTION) {
            return Ok(0);
        }
        let tag = LockTag::Relation { database: relation.database, relation: relation.oid };
        if self.txn().lock(tag, LockMode::AccessExclusive, LockWait::NoWait)? == LockOutcome::NotAvailable {
            return Ok(0);
        }
        heap.truncate_empty_tail()
    }

    /// Tells `pg_class` how large the table and its indexes are.
    fn note_sizes(
        &self,
        relation: &Relation,
        heap: &redoubt_access::Heap,
        stats: &VacuumStats,
    ) -> PgResult<()> {
        let access = Access::current(self)?;
        // Pages that were passed over hold as many rows as they did when they were counted.
        let known = f64::from(relation.class.reltuples.max(0.0));
        let skipped = f64::from(stats.pages - stats.pages_scanned);
        let old_pages = f64::from(relation.class.relpages.max(0));
        let before = if old_pages > 0.0 { known / old_pages * skipped } else { 0.0 };
        let rows = (before + stats.rows_left as f64 - stats.rows_recently_dead as f64).max(0.0);
        let visible = heap.all_visible_blocks()?;
        let pages = heap.nblocks();
        access.store().set_relation_size(relation.oid, pages as i32, rows as f32, visible as i32)?;
        for index in access.catalog().indexes_of(relation)? {
            let pages = index.open(access.engine())?.nblocks();
            access.store().set_relation_size(index.oid, pages as i32, rows as f32, 0)?;
        }
        Ok(())
    }

    fn warn(&self, code: redoubt_error::SqlState, message: String) {
        self.notices.borrow_mut().push(PgError::report(Severity::Warning, code, message));
    }

    fn inform(&self, message: String) {
        let report = PgError::report(Severity::Info, code::SUCCESSFUL_COMPLETION, message);
        self.notices.borrow_mut().push(report);
    }
}

fn read_options(statement: &Vacuum) -> PgResult<Options> {
    let mut options = Options {
        vacuum: statement.is_vacuum,
        analyze: !statement.is_vacuum,
        verbose: false,
        skip_locked: false,
        all_pages: false,
        truncate: None,
    };
    let command = if statement.is_vacuum { "VACUUM" } else { "ANALYZE" };
    for element in &statement.options {
        match (element.name.as_str(), statement.is_vacuum) {
            ("verbose", _) => options.verbose = option_boolean(element)?,
            ("skip_locked", _) => options.skip_locked = option_boolean(element)?,
            ("analyze", true) => options.analyze = option_boolean(element)?,
            ("disable_page_skipping", true) => options.all_pages = option_boolean(element)?,
            ("truncate", true) => options.truncate = Some(option_boolean(element)?),
            // Rows are never frozen, and long values are vacuumed with their table.
            ("freeze" | "process_toast", true) => {
                option_boolean(element)?;
            }
            ("full", true) => {
                if option_boolean(element)? {
                    return Err(PgError::unsupported("VACUUM FULL"));
                }
            }
            ("index_cleanup", true) => check_index_cleanup(element)?,
            ("parallel", true) => check_parallel(element)?,
            (name, _) => {
                let message = format!("unrecognized {command} option \"{name}\"");
                return Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(element.pos)));
            }
        }
    }
    Ok(options)
}

/// Indexes are always cleaned: leaving dead rows' entries is what the option exists to allow.
fn check_index_cleanup(element: &DefElem) -> PgResult<()> {
    match element.string().as_deref() {
        Some("auto") => Ok(()),
        _ if option_boolean(element)? => Ok(()),
        _ => Err(PgError::unsupported("VACUUM without cleaning indexes")),
    }
}

/// Workers to use at most; one is used.
fn check_parallel(element: &DefElem) -> PgResult<()> {
    const MAX_WORKERS: i32 = 1024;
    let workers = element.string().and_then(|text| text.parse::<i32>().ok());
    match workers {
        Some(0..=MAX_WORKERS) => Ok(()),
        Some(_) => {
            let message = format!("parallel workers for vacuum must be between 0 and {MAX_WORKERS}");
            Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(element.pos)))
        }
        None => {
            let message = format!("parallel option requires a value between 0 and {MAX_WORKERS}");
            Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(element.pos)))
        }
    }
}
