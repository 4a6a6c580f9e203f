//! The table of built-in functions, by the C symbol names of `pg_proc.prosrc`.

use crate::{CallContext, Datum};
use redoubt_error::PgResult;
use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// A scalar function. Strictness is the caller's business: a strict function (`proisstrict`) must
/// not be called with NULL arguments, and reports `XX000` if it is.
pub type ScalarFn = fn(&CallContext<'_>, &[Datum]) -> PgResult<Datum>;

/// One family's functions.
type Family = &'static [(&'static str, ScalarFn)];

/// Every family. A symbol appears once in all of them together; a test holds that.
#[rustfmt::skip]
static FAMILIES: &[Family] = &[
    crate::aggregate_float::BUILTINS,
    crate::aggregate_simple::BUILTINS,
    crate::array_ops::BUILTINS,
    crate::array_search::BUILTINS,
    crate::bit::BUILTINS,
    crate::boolean::BUILTINS,
    crate::bytea::BUILTINS,
    crate::conversion::BUILTINS,
    crate::date_ops::BUILTINS,
    crate::datetime_compare::BUILTINS,
    crate::datetime_fields::BUILTINS,
    crate::enum_ops::BUILTINS,
    crate::float_ops::BUILTINS,
    crate::format_datetime::BUILTINS,
    crate::format_datetime_scan::BUILTINS,
    crate::format_number::BUILTINS,
    crate::format_number_scan::BUILTINS,
    crate::geometry_circles::BUILTINS,
    crate::geometry_points::BUILTINS,
    crate::geometry_shapes::BUILTINS,
    crate::hash::BUILTINS,
    crate::inet::BUILTINS,
    crate::integer_ops::BUILTINS,
    crate::interval_ops::BUILTINS,
    crate::io_functions::BUILTINS,
    crate::json_build::BUILTINS,
    crate::json_get::BUILTINS,
    crate::json_populate::BUILTINS,
    crate::jsonb_ops::BUILTINS,
    crate::jsonb_set::BUILTINS,
    crate::jsonpath_functions::BUILTINS,
    crate::like::BUILTINS,
    crate::macaddr::BUILTINS,
    crate::money::BUILTINS,
    crate::numeric_ops::BUILTINS,
    crate::quote::BUILTINS,
    crate::record_io::BUILTINS,
    crate::reg::BUILTINS,
    crate::regex_functions::BUILTINS,
    crate::string_ops::BUILTINS,
    crate::system_types::BUILTINS,
    crate::text::BUILTINS,
    crate::timestamp_ops::BUILTINS,
    crate::ts_ops::BUILTINS,
    crate::ts_rank::BUILTINS,
    crate::ts_text::BUILTINS,
    crate::type_modifiers::BUILTINS,
    crate::type_name::BUILTINS,
    crate::unicode::BUILTINS,
];

static BY_NAME: LazyLock<FxHashMap<&'static str, ScalarFn>> =
    LazyLock::new(|| FAMILIES.iter().copied().flatten().copied().collect());

/// Looks a built-in up by `pg_proc.prosrc`, PostgreSQL's C symbol name (`int4pl`).
///
/// `None` means that it is not built; the caller reports `0A000`.
pub fn builtin(prosrc: &str) -> Option<ScalarFn> {
    BY_NAME.get(prosrc).copied()
}

/// All built-in symbols, in no particular order, for completeness reports.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().copied().flatten().map(|entry| entry.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_symbol_is_registered_twice() {
        let mut names: Vec<_> = builtin_names().collect();
        names.sort_unstable();
        let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}
