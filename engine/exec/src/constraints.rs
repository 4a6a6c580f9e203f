//! NOT NULL and CHECK constraints over a new row, and the words that report them.

use crate::context::{ExecContext, OpenTable};
use crate::exec::Exec;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, TupleDesc, io};
use redoubt_plan::modify::ModifyTable;

/// Longest part of a value that a message shows (PostgreSQL's `maxfieldlen`), in bytes.
const FIELD_MAX_BYTES: usize = 64;

impl<'a> Exec<'a> {
    /// Checks the new row of a DML node.
    ///
    /// # Errors
    /// `23502`, `23514`, and those of the expressions.
    pub(crate) fn check_row(&mut self, node: &'a ModifyTable, table: &OpenTable) -> PgResult<()> {
        let first = node.new_row.index();
        let desc = &node.rules.desc;
        for (at, attr) in desc.attrs.iter().enumerate() {
            if attr.not_null && !attr.dropped && self.frame[first + at].is_null() {
                return Err(self.not_null_violation(node, table, at));
            }
        }
        for (name, check) in &node.checks {
            if matches!(self.value(check)?, Datum::Bool(false)) {
                let row = self.row_text(node, desc);
                let message =
                    format!("new row for relation \"{}\" violates check constraint \"{name}\"", table.name);
                return Err(PgError::new(code::CHECK_VIOLATION, message)
                    .table(&*table.schema, &*table.name)
                    .constraint(&**name)
                    .detail(format!("Failing row contains {row}.")));
            }
        }
        Ok(())
    }

    fn not_null_violation(&self, node: &ModifyTable, table: &OpenTable, at: usize) -> PgError {
        let column = &node.rules.desc.attrs[at].name;
        let message = format!(
            "null value in column \"{column}\" of relation \"{}\" violates not-null constraint",
            table.name
        );
        let row = self.row_text(node, &node.rules.desc);
        PgError::new(code::NOT_NULL_VIOLATION, message)
            .table(&*table.schema, &*table.name)
            .column(&**column)
            .detail(format!("Failing row contains {row}."))
    }

    fn row_text(&self, node: &ModifyTable, desc: &TupleDesc) -> String {
        let first = node.new_row.index();
        row_text(self.ctx, desc, &self.frame[first..first + desc.len()])
    }
}

/// A row as messages show it: `(1, null, abc)`.
pub(crate) fn row_text(ctx: &ExecContext<'_>, desc: &TupleDesc, values: &[Datum]) -> String {
    let fields: Vec<String> = desc
        .attrs
        .iter()
        .zip(values)
        .filter(|(attr, _)| !attr.dropped)
        .map(|(attr, value)| value_text(ctx, attr.type_oid, value))
        .collect();
    format!("({})", fields.join(", "))
}

/// A value as messages show it, shortened.
fn value_text(ctx: &ExecContext<'_>, type_oid: u32, value: &Datum) -> String {
    if value.is_null() {
        return "null".to_owned();
    }
    // A value that cannot be printed must not hide the violation.
    let mut text = io::output_string(value, type_oid, ctx.env).unwrap_or_else(|_| "?".to_owned());
    if text.len() > FIELD_MAX_BYTES {
        let mut end = FIELD_MAX_BYTES;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("...");
    }
    text
}
