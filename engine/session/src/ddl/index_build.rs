//! Filling a new index from its table's rows.
//!
//! The caller's lock keeps writers out. All rows that any snapshot may see get an entry: the root of
//! their chain of versions under the newest version's key. Where an older version that somebody may see has
//! another key, the index says so (`indcheckxmin`), and transactions with an older snapshot do not read through it.

use crate::access::Access;
use crate::session::Session;
use redoubt_access::{BulkBuilder, FetchBuf, RowVersions, Tid, TupleRef, deform};
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::Ddl;
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::{ExecContext, Relations, RowEvaluator, Storage, encode_key};
use redoubt_functions::{Datum, Oid, TupleDesc, io};
use redoubt_plan::facts::{IndexFacts, PlannerContext, PlannerSettings};
use redoubt_plan::{CatalogFacts, PlanCatalog, plan_row};
use std::sync::Arc;

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
        };
        let mut maker = KeyMaker::new(index_facts.clone(), &relation, &planner)?;
        let ctx = ExecContext { env: &env, storage: &storage };
        let heap = access.open(table)?.heap;
        let mut keys = Keys::default();
        let counted =
            self.collect_keys(&ctx, RowVersions::new(heap.clone(), self.txn()), &mut maker, &mut keys)?;
        keys.sort();
        if index_facts.unique
            && let Some(root) = keys.duplicate(index_facts.nulls_not_distinct)
        {
            let mut buf = FetchBuf::default();
            let snapshot = self.txn().latest_snapshot()?;
            heap.fetch_from_index(root, &snapshot, &mut buf)?;
            let text = maker.key_text(&ctx, buf.tuple())?;
            let name = &index_facts.name;
            let schema = access.open(table)?.schema;
            return Err(PgError::new(
                code::UNIQUE_VIOLATION,
                format!("could not create unique index \"{name}\""),
            )
            .detail(format!("Key {text} is duplicated."))
            .table(&*schema, &*relation.name)
            .constraint(&**name));
        }
        let catalog_index = access.catalog().index_by_oid(index)?;
        let catalog_index = catalog_index.ok_or_else(|| PgError::internal("the new index has gone"))?;
        let tree = access.engine().btree(catalog_index.node)?;
        let option = |name: &str| {
            catalog_index.options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
        };
        let fillfactor = option("fillfactor").and_then(|text| text.parse().ok());
        let mut builder = BulkBuilder::new(tree.clone(), fillfactor)?;
        for entry in &keys.entries {
            builder.add(keys.key(entry), entry.tid, &[])?;
        }
        builder.finish()?;
        let ddl = Ddl::new(access.store(), &access.path);
        if counted.broken {
            ddl.change_index(index, |row| row.indcheckxmin = true)?;
        }
        let entries = keys.entries.len() as f32;
        ddl.change_relation(index, |row| {
            row.relpages = tree.nblocks() as i32;
            row.reltuples = entries;
        })?;
        let pages = heap.nblocks() as i32;
        ddl.note_in_relation(table, |row| {
            row.relpages = pages;
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
        keys: &mut Keys,
    ) -> PgResult<Counted> {
        let mut counted = Counted { live: 0, broken: false };
        let mut seen = 0_u64;
        let (mut newest, mut older) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            seen += 1;
            if seen % ROWS_PER_CHECK == 0 {
                self.facts.backend.check_for_interrupts()?;
            }
            counted.live += u64::from(row.live);
            let (last, before) = row.versions.split_last().expect("a row has a version");
            let made = maker.key(ctx, tuple_of(last)?, &mut newest)?;
            for version in before {
                let other = maker.key(ctx, tuple_of(version)?, &mut older)?;
                counted.broken |= (other, &older) != (made, &newest);
            }
            if let Some(has_null) = made {
                keys.push(&newest, row.root, row.live, has_null);
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

    /// Makes the key of a row, and says whether a column of it is NULL; `None` if a partial index leaves the row out.
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
        encode_key(index, column_values(index, evaluator.as_ref(), row), out).map(Some)
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

/// Keys in memory, to be sorted.
#[derive(Default)]
struct Keys {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

struct Entry {
    /// The key's first bytes, big-endian: most comparisons end here.
    prefix: u64,
    start: usize,
    len: u32,
    tid: Tid,
    live: bool,
    has_null: bool,
}

impl Keys {
    fn push(&mut self, key: &[u8], tid: Tid, live: bool, has_null: bool) {
        let mut first = [0; 8];
        let shared = key.len().min(8);
        first[..shared].copy_from_slice(&key[..shared]);
        let (prefix, start) = (u64::from_be_bytes(first), self.bytes.len());
        self.bytes.extend_from_slice(key);
        self.entries.push(Entry { prefix, start, len: key.len() as u32, tid, live, has_null });
    }

    fn key(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.start..entry.start + entry.len as usize]
    }

    /// Into the tree's order: by key, then by place.
    fn sort(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let key = |entry: &Entry| &bytes[entry.start..entry.start + entry.len as usize];
        self.entries.sort_unstable_by(|a, b| {
            a.prefix.cmp(&b.prefix).then_with(|| key(a).cmp(key(b))).then_with(|| a.tid.cmp(&b.tid))
        });
        self.bytes = bytes;
    }

    /// A living row whose key another living row has as well. NULLs are no duplicates unless the index says so.
    fn duplicate(&self, nulls_not_distinct: bool) -> Option<Tid> {
        let mut before: Option<&Entry> = None;
        for entry in self.entries.iter().filter(|entry| entry.live && (nulls_not_distinct || !entry.has_null))
        {
            if before.is_some_and(|before| self.key(before) == self.key(entry)) {
                return Some(entry.tid);
            }
            before = Some(entry);
        }
        None
    }
}
