//! The value that a domain's constraints are about: VALUE.
//!
//! It is analyzed as the one column, `value`, of a table that has no other.

use crate::default_expr::TableShape;
use redoubt_catalog::CatalogView;
use redoubt_catalog::rows::PgType;
use redoubt_error::PgResult;
use redoubt_functions::{Attribute, TupleDesc};

/// What conditions call the value.
const VALUE: &str = "value";

/// The table that the constraints of a domain are analyzed against.
///
/// # Errors
/// Those of reading the catalogs.
pub fn domain_shape(domain: &PgType, catalog: &CatalogView<'_>) -> PgResult<TableShape> {
    let mut attribute = Attribute::new(VALUE, catalog.base_type(domain.typbasetype, -1)?.0);
    (attribute.typmod, attribute.collation) = (domain.typtypmod, domain.typcollation);
    Ok(TableShape {
        // No name that a condition could use.
        name: "".into(),
        relid: 0,
        desc: TupleDesc::new(vec![attribute]),
        row_type: 0,
    })
}

/// A printed condition with VALUE in capitals, as PostgreSQL prints it.
pub(crate) fn with_capitals(printed: &str) -> String {
    let mut out = String::with_capacity(printed.len());
    let mut rest = printed;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let word: usize =
            rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(rest.len());
        let len = match first {
            '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            _ if word > 0 => word,
            other => other.len_utf8(),
        };
        let (token, tail) = rest.split_at(len);
        let is_value = token == VALUE && !matches!(before, '.' | ':') && !tail.starts_with(['(', '.']);
        out.push_str(if is_value { "VALUE" } else { token });
        before = first;
        rest = tail;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::with_capitals;

    #[test]
    fn only_the_value_itself_is_written_in_capitals() {
        let check = |text: &str, expect: &str| assert_eq!(with_capitals(text), expect);
        check("(value > 0)", "(VALUE > 0)");
        check("value", "VALUE");
        check("((value).value = 'value''value'::text)", "((VALUE).value = 'value''value'::text)");
        check("(valued = \"value\") AND values.value", "(valued = \"value\") AND values.value");
        check("value(value, _value)", "value(VALUE, _value)");
        check("(VALUE ~ 'ä'::text)", "(VALUE ~ 'ä'::text)");
    }
}
