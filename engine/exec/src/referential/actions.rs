//! What happens to referencing rows when the row they refer to is deleted or gets another key.

use crate::context::{ExecContext, Storage};
use crate::exec::{Exec, Execution};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid, TupleDesc, quote_identifier};
use redoubt_plan::facts::{ForeignAction, ForeignKey};
use redoubt_txn::{Isolation, Snapshot};

impl Exec<'_> {
    /// Carries out a constraint's action.
    pub(super) fn act_on_referenced(
        &self,
        key: &ForeignKey,
        old: &[Datum],
        new: Option<&[Datum]>,
    ) -> PgResult<()> {
        // Nothing refers to a key with a NULL.
        if old.iter().any(Datum::is_null) {
            return Ok(());
        }
        let action = if new.is_some() { key.on_update } else { key.on_delete };
        if !matches!(action, ForeignAction::NoAction | ForeignAction::Restrict) {
            self.check_same_rows(key, old)?;
        }
        match action {
            // Another row may have taken the key over.
            ForeignAction::NoAction if self.key_is_back(key, old)? => Ok(()),
            ForeignAction::NoAction | ForeignAction::Restrict => self.refuse_if_referenced(key, old),
            ForeignAction::Cascade => match new {
                None => {
                    let text = format!("DELETE FROM ONLY {} WHERE {}", table(key), condition(key, 1));
                    self.run_action(&text, &types(&key.referenced_desc, key), old).map(drop)
                }
                Some(new) => {
                    let text = format!(
                        "UPDATE ONLY {} SET {} WHERE {}",
                        table(key),
                        assignments(key, &key.columns, |at| format!("${}", at + 1)),
                        condition(key, key.columns.len() + 1)
                    );
                    let own = types(&key.referenced_desc, key);
                    let params: Vec<Datum> = new.iter().chain(old).cloned().collect();
                    self.run_action(&text, &[own.clone(), own].concat(), &params).map(drop)
                }
            },
            ForeignAction::SetNull => self.set_columns(key, old, new.is_none(), "NULL"),
            ForeignAction::SetDefault => self.set_columns(key, old, new.is_none(), "DEFAULT"),
        }
    }

    /// Whether the referenced table has a row with this key again.
    fn key_is_back(&self, key: &ForeignKey, old: &[Datum]) -> PgResult<bool> {
        let as_referenced = ForeignKey {
            desc: key.referenced_desc.clone(),
            columns: key.referenced_columns.clone(),
            ..key.clone()
        };
        self.find_referenced(&as_referenced, old, false)
    }

    fn refuse_if_referenced(&self, key: &ForeignKey, old: &[Datum]) -> PgResult<()> {
        let text =
            format!("SELECT 1 FROM ONLY {} x WHERE {} FOR KEY SHARE OF x", table(key), condition(key, 1));
        if self.run_action(&text, &types(&key.referenced_desc, key), old)? == 0 {
            return Ok(());
        }
        let message = format!(
            "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
            key.referenced_name, key.name, key.table_name
        );
        let text = self.key_text(&key.referenced_desc, &key.referenced_columns, old);
        Err(PgError::new(code::FOREIGN_KEY_VIOLATION, message)
            .detail(format!("Key {text} is still referenced from table \"{}\".", key.table_name))
            .table(&*key.table_schema, &*key.table_name)
            .constraint(&*key.name))
    }

    fn set_columns(&self, key: &ForeignKey, old: &[Datum], deleted: bool, value: &str) -> PgResult<()> {
        let named = deleted && !key.delete_set_columns.is_empty();
        let columns = if named { &key.delete_set_columns } else { &key.columns };
        let text = format!(
            "UPDATE ONLY {} SET {} WHERE {}",
            table(key),
            assignments(key, columns, |_| value.to_owned()),
            condition(key, 1)
        );
        self.run_action(&text, &types(&key.referenced_desc, key), old).map(drop)
    }

    /// Under REPEATABLE READ the rows to be changed must be those that the transaction sees: changing rows that it
    /// cannot see is a serialization failure, and overlooking them would leave them without their key.
    fn check_same_rows(&self, key: &ForeignKey, old: &[Datum]) -> PgResult<()> {
        let txn = self.ctx.storage.txn;
        if txn.isolation() == Isolation::ReadCommitted {
            return Ok(());
        }
        let text = format!("SELECT 1 FROM ONLY {} x WHERE {}", table(key), condition(key, 1));
        let types = types(&key.referenced_desc, key);
        let seen = self.run_at(txn.statement_snapshot()?, &text, &types, old)?;
        if seen == self.run_at(txn.latest_snapshot()?, &text, &types, old)? {
            return Ok(());
        }
        Err(super::lookup::serialization("update"))
    }

    /// Runs a statement over the latest rows to its end; says how many rows it returned.
    fn run_action(&self, text: &str, types: &[Oid], params: &[Datum]) -> PgResult<u64> {
        self.run_at(self.ctx.storage.txn.latest_snapshot()?, text, types, params)
    }

    fn run_at(&self, snapshot: Snapshot, text: &str, types: &[Oid], params: &[Datum]) -> PgResult<u64> {
        let outer = self.ctx.storage;
        let plan = outer.relations.plan_internal(text, types)?;
        let storage = Storage {
            engine: outer.engine,
            txn: outer.txn,
            snapshot,
            relations: outer.relations,
            work: outer.work.clone(),
            offload: outer.offload,
        };
        let context = ExecContext { env: self.ctx.env, storage: &storage };
        let mut execution = Execution::new(plan, params);
        let mut rows = 0;
        while execution.next(&context)? {
            rows += 1;
        }
        outer.txn.advance_command()?;
        Ok(rows)
    }
}

fn table(key: &ForeignKey) -> String {
    format!("{}.{}", quote_identifier(&key.table_schema), quote_identifier(&key.table_name))
}

fn column(desc: &TupleDesc, attno: i16) -> String {
    quote_identifier(&desc.attrs[attno as usize - 1].name).to_string()
}

/// `$1 = a AND $2 = b`, the parameters counted from `first`.
fn condition(key: &ForeignKey, first: usize) -> String {
    let parts: Vec<String> = key
        .columns
        .iter()
        .enumerate()
        .map(|(at, attno)| format!("${} OPERATOR(pg_catalog.=) {}", first + at, column(&key.desc, *attno)))
        .collect();
    parts.join(" AND ")
}

fn assignments(key: &ForeignKey, columns: &[i16], value: impl Fn(usize) -> String) -> String {
    let parts: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(at, attno)| format!("{} = {}", column(&key.desc, *attno), value(at)))
        .collect();
    parts.join(", ")
}

/// The types of the referenced columns, which the parameters have.
fn types(desc: &TupleDesc, key: &ForeignKey) -> Vec<Oid> {
    key.referenced_columns.iter().map(|attno| desc.attrs[*attno as usize - 1].type_oid).collect()
}
