//! Options of utility statements, as `name value` in parentheses.

use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree::DefElem;

/// An option's Boolean value, as PostgreSQL's `defGetBoolean` reads it.
pub(crate) fn option_boolean(element: &DefElem) -> PgResult<bool> {
    let Some(text) = element.string() else { return Ok(true) };
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => {
            let message = format!("{} requires a Boolean value", element.name.as_str());
            Err(PgError::new(code::SYNTAX_ERROR, message))
        }
    }
}
