//! Looking a key up in the table it refers to.

use crate::exec::Exec;
use crate::index_key::{encode_column, encode_key, key_type};
use redoubt_access::{BTreeScan, Direction, FetchBuf, KeyRange, Tid, TmResult, deform};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, TupleDesc, io};
use redoubt_plan::facts::ForeignKey;
use redoubt_txn::{Isolation, LockWait, RowLockMode, Snapshot};

impl Exec<'_> {
    /// A snapshot that sees what the statement has done, and under READ COMMITTED what others have
    /// committed by now.
    fn check_snapshot(&self) -> PgResult<Snapshot> {
        let txn = self.ctx.storage.txn;
        match txn.isolation() {
            Isolation::ReadCommitted => txn.latest_snapshot(),
            _ => txn.statement_snapshot(),
        }
    }

    /// A referencing row must find its key.
    pub(super) fn check_referencing(&self, key: &ForeignKey, values: &[Datum]) -> PgResult<()> {
        let nulls = values.iter().filter(|value| value.is_null()).count();
        if nulls > 0 {
            if key.match_full && nulls < values.len() {
                return Err(
                    violation(key).detail("MATCH FULL does not allow mixing of null and nonnull key values.")
                );
            }
            return Ok(());
        }
        if self.find_referenced(key, values, true)? {
            return Ok(());
        }
        let text = self.key_text(&key.desc, &key.columns, values);
        Err(violation(key).detail(format!("Key {text} is not present in table \"{}\".", key.referenced_name)))
    }

    /// Whether the referenced table has a row with these values (of the referencing columns' types),
    /// which is locked FOR KEY SHARE if that is asked.
    pub(super) fn find_referenced(&self, key: &ForeignKey, values: &[Datum], lock: bool) -> PgResult<bool> {
        let Some(search) = self.search_key(key, values)? else { return Ok(false) };
        let storage = self.ctx.storage;
        let table = storage.relations.open(key.referenced)?;
        let snapshot = self.check_snapshot()?;
        let tree = storage.open_index(key.index.storage)?;
        let mut scan = BTreeScan::new(tree, KeyRange::prefix(&search));
        let mut buf = FetchBuf::default();
        while let Some(entry) = scan.next(Direction::Forward)? {
            let Some(tid) = table.heap.fetch_from_index(entry.tid, &snapshot, &mut buf)? else { continue };
            // An entry stays when its row's key has changed.
            if !self.has_key(key, &buf, &search)? {
                continue;
            }
            if !lock || self.lock_referenced(key, tid, &search)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Locks the row; false if it has gone, or has another key by now.
    fn lock_referenced(&self, key: &ForeignKey, tid: Tid, search: &[u8]) -> PgResult<bool> {
        let txn = self.ctx.storage.txn;
        let table = self.ctx.storage.relations.open(key.referenced)?;
        let mut buf = FetchBuf::default();
        let mode = RowLockMode::KeyShare;
        if txn.isolation() == Isolation::ReadCommitted {
            let locked = table.heap.lock_latest(txn, tid, mode, LockWait::Block, &mut buf)?;
            return match locked.result {
                TmResult::Ok if locked.moved => self.has_key(key, &buf, search),
                TmResult::Ok => Ok(true),
                _ => Ok(false),
            };
        }
        match table.heap.lock_tuple(txn, tid, mode, LockWait::Block, &mut buf)? {
            TmResult::Ok => Ok(true),
            TmResult::Updated { .. } => Err(serialization("update")),
            TmResult::Deleted { .. } => Err(serialization("delete")),
            _ => Ok(false),
        }
    }

    /// The index key for these values; nothing if no value of the referenced column's type is equal.
    fn search_key(&self, key: &ForeignKey, values: &[Datum]) -> PgResult<Option<Vec<u8>>> {
        let mut search = Vec::new();
        for column in &key.index.columns[..key.index.key_columns] {
            let at = key.referenced_columns.iter().position(|attno| *attno == column.attno);
            let at = at.ok_or_else(|| PgError::internal("a foreign key's index has other columns"))?;
            let from = key.desc.attrs[key.columns[at] as usize - 1].type_oid;
            let Some(value) = self.converted(from, key_type(column), &values[at])? else { return Ok(None) };
            encode_column(column, &value, &mut search)?;
        }
        Ok(Some(search))
    }

    /// A value as one of the index column's type. Foreign keys only compare across types where an
    /// implicit cast leads from one to the other, which text does as well.
    fn converted(&self, from: u32, to: u32, value: &Datum) -> PgResult<Option<Datum>> {
        let same_kind = from == to
            || redoubt_functions::is_string_type(from) && redoubt_functions::is_string_type(to)
            || redoubt_functions::builtin_type(from).is_none();
        if same_kind {
            return Ok(Some(value.clone()));
        }
        let text = io::output_string(value, from, self.ctx.env)?;
        match io::input(to, -1, &text, self.ctx.env) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.code() == code::NUMERIC_VALUE_OUT_OF_RANGE => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a referenced row has the key that is looked for.
    fn has_key(&self, key: &ForeignKey, buf: &FetchBuf, search: &[u8]) -> PgResult<bool> {
        let desc = &key.referenced_desc;
        let mut row = Vec::with_capacity(desc.len());
        deform(buf.tuple(), desc, desc.len(), &mut row)?;
        let mut own = Vec::with_capacity(search.len());
        let values = key.index.columns.iter().map(|column| &row[column.attno as usize - 1]);
        encode_key(&key.index, self.ctx.env, values, &mut own)?;
        Ok(own == search)
    }

    /// `(a, b)=(1, 2)`.
    pub(super) fn key_text(&self, desc: &TupleDesc, columns: &[i16], values: &[Datum]) -> String {
        let attrs = || columns.iter().map(|attno| &desc.attrs[*attno as usize - 1]);
        let names: Vec<&str> = attrs().map(|attr| &*attr.name).collect();
        let texts: Vec<String> = attrs()
            .zip(values)
            .map(|(attr, value)| match value {
                Datum::Null => "null".to_owned(),
                value => {
                    io::output_string(value, attr.type_oid, self.ctx.env).unwrap_or_else(|_| "?".to_owned())
                }
            })
            .collect();
        format!("({})=({})", names.join(", "), texts.join(", "))
    }
}

fn violation(key: &ForeignKey) -> PgError {
    let message = format!(
        "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
        key.table_name, key.name
    );
    PgError::new(code::FOREIGN_KEY_VIOLATION, message)
        .table(&*key.table_schema, &*key.table_name)
        .constraint(&*key.name)
}

pub(super) fn serialization(what: &str) -> PgError {
    PgError::new(
        code::T_R_SERIALIZATION_FAILURE,
        format!("could not serialize access due to concurrent {what}"),
    )
}
