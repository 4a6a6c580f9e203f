//! INSERT, UPDATE, DELETE.

use crate::execution::{Cx, Execution};
use crate::state::State;
use crate::storage::{OpenTable, system_column};
use redoubt_access::{InsertOptions, Tid, TupleRef, form_tuple};
use redoubt_analyze::query::CommandType;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, TupleDesc, io};
use redoubt_plan::modify::{LockRows, ModifyTable};
use redoubt_plan::node::NodeId;

impl Execution {
    /// Changes rows until one is to be returned, or until all are changed.
    pub(crate) fn next_modify(&mut self, cx: &Cx<'_>, id: NodeId, node: &ModifyTable) -> PgResult<bool> {
        if let State::Done = self.states[id.index()] {
            return Ok(false);
        }
        check_supported(node)?;
        let table = cx.storage.relations.open(node.relid)?;
        let mut tuple = Vec::new();
        while self.next_row(cx, node.child)? {
            cx.env.check_interrupts()?;
            self.insert_row(cx, node, &table, &mut tuple)?;
            if node.sets_tag {
                self.processed += 1;
            }
            if node.returning {
                return Ok(true);
            }
        }
        self.put(id, State::Done);
        Ok(false)
    }

    fn insert_row(
        &mut self,
        cx: &Cx<'_>,
        node: &ModifyTable,
        table: &OpenTable,
        tuple: &mut Vec<u8>,
    ) -> PgResult<()> {
        self.run(cx, &node.generated)?;
        self.check_row(cx, node, table)?;
        let first = node.new_row.index();
        let values = &self.frame[first..first + node.rules.desc.len()];
        form_tuple(&node.rules.desc, values, tuple)?;
        let options = InsertOptions { fillfactor: table.fillfactor };
        let tid = table.heap.insert(cx.storage.txn, tuple, options)?;
        self.write_returned(node, tid, tuple)
    }

    fn write_returned(&mut self, node: &ModifyTable, tid: Tid, tuple: &[u8]) -> PgResult<()> {
        let tuple = TupleRef::new(tuple).ok_or_else(|| PgError::internal("a row version is shorter than its header"))?;
        for (attno, slot) in &node.returning_system {
            self.frame[slot.index()] = system_column(*attno, node.relid, tid, tuple)?;
        }
        Ok(())
    }

    /// NOT NULL, then CHECK constraints by name.
    fn check_row(&mut self, cx: &Cx<'_>, node: &ModifyTable, table: &OpenTable) -> PgResult<()> {
        let first = node.new_row.index();
        let desc = &node.rules.desc;
        for (index, attribute) in desc.attrs.iter().enumerate() {
            if attribute.not_null && !attribute.dropped && self.frame[first + index].is_null() {
                let message = format!(
                    "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                    attribute.name, table.name
                );
                return Err(PgError::new(code::NOT_NULL_VIOLATION, message)
                    .detail(self.failing_row(cx, desc, first)?)
                    .table(&*table.schema, &*table.name)
                    .column(&*attribute.name));
            }
        }
        for (name, check) in &node.checks {
            if matches!(self.value(cx, check)?, Datum::Bool(false)) {
                let message =
                    format!("new row for relation \"{}\" violates check constraint \"{name}\"", table.name);
                return Err(PgError::new(code::CHECK_VIOLATION, message)
                    .detail(self.failing_row(cx, desc, first)?)
                    .table(&*table.schema, &*table.name)
                    .constraint(&**name));
            }
        }
        Ok(())
    }

    /// "Failing row contains (1, null, abc)." Long values are cut as PostgreSQL cuts them.
    fn failing_row(&self, cx: &Cx<'_>, desc: &TupleDesc, first: usize) -> PgResult<String> {
        /// PostgreSQL's limit per column, in bytes (ExecConstraints' maxfieldlen).
        const MAX_FIELD_BYTES: usize = 64;
        let mut parts = Vec::with_capacity(desc.len());
        for (index, attribute) in desc.attrs.iter().enumerate().filter(|(_, attribute)| !attribute.dropped) {
            let value = &self.frame[first + index];
            let text = if value.is_null() {
                "null".to_string()
            } else {
                io::output_string(value, attribute.type_oid, cx.env)?
            };
            let cut = text.floor_char_boundary(MAX_FIELD_BYTES);
            parts.push(if cut < text.len() { format!("{}...", &text[..cut]) } else { text });
        }
        Ok(format!("Failing row contains ({}).", parts.join(", ")))
    }

    pub(crate) fn next_lock_rows(&mut self, _: &Cx<'_>, _: NodeId, _: &LockRows) -> PgResult<bool> {
        Err(PgError::unsupported("row locking"))
    }
}

/// What later stages bring is refused by name before anything is changed.
fn check_supported(node: &ModifyTable) -> PgResult<()> {
    match node.operation {
        CommandType::Insert => {}
        CommandType::Update => return Err(PgError::unsupported("UPDATE")),
        CommandType::Delete => return Err(PgError::unsupported("DELETE")),
        CommandType::Select => return Err(PgError::internal("SELECT modifies no table")),
    }
    if node.conflict.is_some() {
        return Err(PgError::unsupported("ON CONFLICT"));
    }
    if !node.indexes.is_empty() {
        return Err(PgError::unsupported("INSERT into an indexed table"));
    }
    if !node.rules.foreign_keys.is_empty() {
        return Err(PgError::unsupported("INSERT into a table with foreign keys"));
    }
    Ok(())
}
