//! Filling a new index from its table's rows.
//!
//! The caller's lock keeps writers out. All rows that any snapshot may see get an entry: the root of
//! their chain of versions under the newest version's key. Where an older version that somebody may see has
//! another key, the index says so (`indcheckxmin`), and transactions with an older snapshot do not read through it.

use super::index_pair::Pair;
use crate::access::Access;
use crate::session::Session;
use crate::settings::Parameter;
use redoubt_access::{BulkBuilder, FetchBuf, RowVersions, TupleRef, deform};
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::Ddl;
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::{ExecContext, ExternalSort, Relations, RowEvaluator, Storage, encode_key, encode_payload};
use redoubt_functions::{Datum, Oid, TupleDesc, io};
use redoubt_plan::facts::{IndexFacts, IndexForm, PlannerContext, PlannerSettings};
use redoubt_plan::{CatalogFacts, PlanCatalog, plan_row};
use std::sync::Arc;

/// How full leaves of a GiST index are made, in percent, as in PostgreSQL.
const GIST_FILL: u8 = 90;
const PAGE_BYTES: usize = 8192;

/// How many rows are read between two looks at whether the statement was cancelled.
const ROWS_PER_CHECK: u64 = 1024;

impl Session {
    /// Fills an index that [`Ddl::create_index`] has made. The transaction holds the table's lock.
    ///
    /// # Errors
    /// `23505` when a unique index would have duplicates; those of the index's expressions.
    pub(crate) fn build_index(&self, table: Oid, index: Oid) -> PgResult<()> {
        redoubt_buffer::blocking(|| self.fill_index(table, index))
    }

    fn fill_index(&self, table: Oid, index: Oid) -> PgResult<()> {
        let access = Access::current(self)?;
        let env = access.env();
        let relation = access.relation(table)?;
        let facts = CatalogFacts { view: access.catalog(), env: &env, path: &access.path, host: &access };
        let wanted = facts.indexes(table)?.into_iter().find(|facts| facts.oid == index);
        let index_facts =
            wanted.ok_or_else(|| PgError::internal(format!("table {table} has no index {index}")))?;
        let settings = PlannerSettings::default();
        let planner = PlannerContext {
            catalog: &facts,
            env: &env,
            settings: &settings,
            params: None,
            tuple_fraction: 0.0,
        };
        let storage = Storage {
            engine: access.engine(),
            txn: self.txn(),
            snapshot: access.snapshot.clone(),
            relations: &access,
            work: self.work(),
            offload: None,
        };
        let mut maker = KeyMaker::new(index_facts.clone(), &relation, &planner)?;
        let ctx = ExecContext { env: &env, storage: &storage };
        let heap = access.open(table)?.heap;
        let limit = self.settings.int(Parameter::MaintenanceWorkMem) as usize * 1024;
        let mut keys = ExternalSort::new(&storage.work, limit);
        let counted =
            self.collect_keys(&ctx, RowVersions::new(heap.clone(), self.txn()), &mut maker, &mut keys)?;
        keys.finish(&mut Pair::order)?;
        let catalog_index = access.catalog().index_by_oid(index)?;
        let catalog_index = catalog_index.ok_or_else(|| PgError::internal("the new index has gone"))?;
        let option = |name: &str| {
            catalog_index.options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
        };
        let fillfactor = option("fillfactor").and_then(|text| text.parse().ok());
        if let IndexForm::Searched(columns) = &index_facts.form {
            let tree = access.engine().gist(catalog_index.node)?;
            let spare = PAGE_BYTES * usize::from(100 - fillfactor.unwrap_or(GIST_FILL).clamp(10, 100)) / 100;
            let mut entries = 0_u64;
            while let Some(pair) = keys.next(&mut Pair::order)? {
                tree.insert(columns, pair.key(), pair.tid, spare)?;
                entries += 1;
                if entries % ROWS_PER_CHECK == 0 {
                    self.facts.backend.check_for_interrupts()?;
                }
            }
            return self.note_built(
                &access,
                (table, heap.nblocks()),
                (index, tree.nblocks(), entries),
                &counted,
            );
        }
        let tree = access.engine().btree(catalog_index.node)?;
        let mut builder = BulkBuilder::new(tree.clone(), fillfactor)?;
        let mut unique = index_facts.unique.then(|| Duplicates::new(index_facts.nulls_not_distinct));
        let mut entries = 0_u64;
        while let Some(pair) = keys.next(&mut Pair::order)? {
            if let Some(unique) = &mut unique
                && unique.is_duplicate(pair)
            {
                let mut buf = FetchBuf::default();
                let snapshot = self.txn().latest_snapshot()?;
                heap.fetch_from_index(pair.tid, &snapshot, &mut buf)?;
                let text = maker.key_text(&ctx, buf.tuple())?;
                let table = access.open(table)?;
                return Err(duplicated(&index_facts.name, &text).table(&*table.schema, &*relation.name));
            }
            builder.add(pair.key(), pair.tid, pair.payload())?;
            entries += 1;
            if entries % ROWS_PER_CHECK == 0 {
                self.facts.backend.check_for_interrupts()?;
            }
        }
        builder.finish()?;
        self.note_built(&access, (table, heap.nblocks()), (index, tree.nblocks(), entries), &counted)
    }

    /// Tells the catalogs how large the table and its new index are.
    fn note_built(
        &self,
        access: &Access<'_>,
        (table, pages): (Oid, u32),
        (index, index_pages, entries): (Oid, u32, u64),
        counted: &Counted,
    ) -> PgResult<()> {
        let ddl = Ddl::new(access.store(), &access.path);
        if counted.broken {
            ddl.change_index(index, |row| row.indcheckxmin = true)?;
        }
        ddl.change_relation(index, |row| {
            row.relpages = index_pages as i32;
            row.reltuples = entries as f32;
        })?;
        ddl.note_in_relation(table, |row| {
            row.relpages = pages as i32;
            // An empty table that has never been counted may be about to be filled.
            if counted.live > 0 || row.reltuples >= 0.0 {
                row.reltuples = counted.live as f32;
            }
        })
    }

    fn collect_keys(
        &self,
        ctx: &ExecContext<'_>,
        mut rows: RowVersions<'_>,
        maker: &mut KeyMaker,
        keys: &mut ExternalSort<Pair>,
    ) -> PgResult<Counted> {
        let mut counted = Counted { live: 0, broken: false };
        let mut seen = 0_u64;
        let (mut newest, mut older, mut payload) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            seen += 1;
            if seen % ROWS_PER_CHECK == 0 {
                self.facts.backend.check_for_interrupts()?;
            }
            counted.live += u64::from(row.live);
            let (last, before) = row.versions.split_last().expect("a row has a version");
            let made = maker.key(ctx, tuple_of(last)?, &mut newest)?;
            maker.payload(newest.len(), &mut payload)?;
            for version in before {
                let other = maker.key(ctx, tuple_of(version)?, &mut older)?;
                counted.broken |= (other, &older) != (made, &newest);
            }
            if let Some(has_null) = made {
                let pair = Pair::new(&newest, &payload, row.root, (row.live, has_null));
                keys.push(pair, &mut Pair::order)?;
            }
        }
        Ok(counted)
    }
}

struct Counted {
    /// Rows that are alive.
    live: u64,
    /// Some chain of versions has several keys.
    broken: bool,
}

fn tuple_of(bytes: &[u8]) -> PgResult<TupleRef<'_>> {
    TupleRef::new(bytes).ok_or_else(|| PgError::internal("a row version without a header"))
}

/// Makes keys of one index from rows.
pub(crate) struct KeyMaker {
    index: Arc<IndexFacts>,
    desc: TupleDesc,
    /// Expression columns, then the predicate.
    evaluator: Option<RowEvaluator>,
    row: Vec<Datum>,
}

impl KeyMaker {
    fn new(index: Arc<IndexFacts>, table: &Relation, planner: &PlannerContext<'_>) -> PgResult<KeyMaker> {
        let mut exprs: Vec<_> = index.columns.iter().filter_map(|column| column.expr.clone()).collect();
        exprs.extend(index.predicate.clone());
        let evaluator = match exprs.is_empty() {
            true => None,
            false => Some(RowEvaluator::new(plan_row(&exprs, &table.desc, planner)?)),
        };
        Ok(KeyMaker { index, desc: table.desc.clone(), evaluator, row: Vec::new() })
    }

    /// Makes the key of a row, and says whether a column of it is NULL; `None` if the index leaves the row out.
    fn key(
        &mut self,
        ctx: &ExecContext<'_>,
        tuple: TupleRef<'_>,
        out: &mut Vec<u8>,
    ) -> PgResult<Option<bool>> {
        out.clear();
        if !self.load(ctx, tuple)? {
            return Ok(None);
        }
        let KeyMaker { index, evaluator, row, .. } = self;
        encode_key(index, ctx.env, column_values(index, evaluator.as_ref(), row), out)
    }

    /// Makes what is stored along with the key that was made last.
    fn payload(&self, key_bytes: usize, out: &mut Vec<u8>) -> PgResult<()> {
        let values = column_values(&self.index, self.evaluator.as_ref(), &self.row);
        encode_payload(&self.index, values, key_bytes, out)
    }

    /// Reads a row and computes what the index is over; false if the index leaves it out.
    fn load(&mut self, ctx: &ExecContext<'_>, tuple: TupleRef<'_>) -> PgResult<bool> {
        self.row.clear();
        deform(tuple, &self.desc, self.desc.len(), &mut self.row)?;
        let Some(evaluator) = &mut self.evaluator else { return Ok(true) };
        evaluator.evaluate(ctx, &self.row)?;
        let expressions = self.index.columns.iter().filter(|column| column.expr.is_some()).count();
        Ok(self.index.predicate.is_none() || matches!(evaluator.output(expressions), Datum::Bool(true)))
    }

    /// `(a, b)=(1, 2)`.
    fn key_text(&mut self, ctx: &ExecContext<'_>, tuple: TupleRef<'_>) -> PgResult<String> {
        self.load(ctx, tuple)?;
        let KeyMaker { index, evaluator, row, desc } = self;
        let (mut names, mut texts) = (Vec::new(), Vec::new());
        let columns = index.columns[..index.key_columns].iter();
        for (column, value) in columns.zip(column_values(index, evaluator.as_ref(), row)) {
            names.push(match &column.text {
                Some(text) => text.to_string(),
                None => redoubt_catalog::names::quote_identifier(&desc.attrs[column.attno as usize - 1].name),
            });
            texts.push(match value {
                Datum::Null => "null".to_string(),
                value => io::output_string(value, column.type_oid, ctx.env)?,
            });
        }
        Ok(format!("({})=({})", names.join(", "), texts.join(", ")))
    }
}

fn column_values<'v>(
    index: &'v IndexFacts,
    evaluator: Option<&'v RowEvaluator>,
    row: &'v [Datum],
) -> impl Iterator<Item = &'v Datum> {
    let mut expressions = 0..;
    index.columns.iter().map(move |column| match &column.expr {
        None => &row[column.attno as usize - 1],
        Some(_) => {
            let at = expressions.next().expect("the range has no end");
            evaluator.expect("an index over expressions computes them").output(at)
        }
    })
}

/// `23505`, but for the table.
fn duplicated(index: &str, key: &str) -> PgError {
    PgError::new(code::UNIQUE_VIOLATION, format!("could not create unique index \"{index}\""))
        .detail(format!("Key {key} is duplicated."))
        .constraint(index)
}

/// Looks for two living rows with one key among pairs that come in order.
struct Duplicates {
    nulls_not_distinct: bool,
    /// The last living row's key.
    before: Option<Vec<u8>>,
}

impl Duplicates {
    fn new(nulls_not_distinct: bool) -> Self {
        Duplicates { nulls_not_distinct, before: None }
    }

    /// Whether a row before has the same key. NULLs are no duplicates unless the index says so.
    fn is_duplicate(&mut self, pair: &Pair) -> bool {
        if !pair.live || pair.has_null && !self.nulls_not_distinct {
            return false;
        }
        let before = self.before.get_or_insert_with(Vec::new);
        if !before.is_empty() && before == pair.key() {
            return true;
        }
        before.clear();
        before.extend_from_slice(pair.key());
        false
    }
}
