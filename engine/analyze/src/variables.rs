//! Parameters with names: the arguments of functions, the variables of procedural languages
//! (PostgreSQL's `sql_fn_post_column_ref` and `resolve_column_ref` of PL/pgSQL).

use crate::analyzer::Analyzer;
use crate::query::Expr;
use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree as ast;
use std::sync::Arc;

/// What `$1`, `$2`, ... are called.
#[derive(Clone, Debug, Default)]
pub struct VariableNames {
    /// One per parameter; an empty name is none. Of two of the same name the later is meant.
    pub names: Vec<VariableName>,
    /// What to do about a name that is a column's too: `false` refuses it as ambiguous, `true` takes the column.
    pub columns_win: bool,
}

/// The name of one parameter.
#[derive(Clone, Debug, Default)]
pub struct VariableName {
    /// What may stand before it: the function, the block, or the record that it is a field of.
    pub qualifier: Arc<str>,
    /// It must stand there: a record's field.
    pub qualified_only: bool,
    /// Its own name.
    pub name: Arc<str>,
}

impl Analyzer<'_> {
    /// A column reference where variables have names.
    pub(crate) fn column_or_variable(
        &mut self,
        column: &ast::ColumnRef,
        variables: &VariableNames,
    ) -> PgResult<Expr> {
        let as_column = self.plain_column(column);
        let Some(value) = self.variable(column, variables)? else { return as_column };
        match as_column {
            Ok(column) if variables.columns_win => Ok(column),
            Ok(_) => {
                let shown: Vec<&str> = column.parts.iter().map(|part| part.as_str()).collect();
                let message = format!("column reference \"{}\" is ambiguous", shown.join("."));
                Err(PgError::new(code::AMBIGUOUS_COLUMN, message)
                    .detail("It could refer to either a PL/pgSQL variable or a table column.")
                    .at(Some(column.pos)))
            }
            Err(error) if is_missing(&error) => Ok(value),
            Err(error) => Err(error),
        }
    }

    fn variable(&mut self, column: &ast::ColumnRef, variables: &VariableNames) -> PgResult<Option<Expr>> {
        if column.star {
            return Ok(None);
        }
        let parts: Vec<&str> = column.parts.iter().map(|part| part.as_str()).collect();
        let find = |qualifier: Option<&str>, name: &str| {
            variables.names.iter().rposition(|variable| {
                *variable.name == *name
                    && match qualifier {
                        None => !variable.qualified_only,
                        Some(qualifier) => *variable.qualifier == *qualifier,
                    }
            })
        };
        let (at, field) = match parts.as_slice() {
            [name] => (find(None, name), None),
            [first, second] => match find(Some(first), second) {
                Some(at) => (Some(at), None),
                None => (find(None, first), Some(*second)),
            },
            [first, second, third] => (find(Some(first), second), Some(*third)),
            _ => (None, None),
        };
        let Some(at) = at else { return Ok(None) };
        let type_oid = self.params.refer(at + 1, column.pos)?;
        let value = Expr::Param { number: at + 1, ty: self.plain_type(type_oid)? };
        match field {
            None => Ok(Some(value)),
            Some(field) => self.field_of(value, field),
        }
    }
}

/// There is no such column, or nothing that could have it.
fn is_missing(error: &PgError) -> bool {
    [code::UNDEFINED_COLUMN, code::UNDEFINED_TABLE].contains(&error.code())
}
