//! Set-returning functions.

use crate::{CallContext, Datum};
use redoubt_error::PgResult;
use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// The rows of one call, produced one at a time. A function with several OUT columns yields
/// [`Datum::Record`].
pub type Rows = Box<dyn Iterator<Item = PgResult<Datum>> + Send>;

/// A set-returning function. As with [`crate::ScalarFn`], strictness is the caller's business:
/// a strict one with a NULL argument returns no rows.
pub type SrfFn = fn(&CallContext<'_>, &[Datum]) -> PgResult<Rows>;

/// One family's set-returning functions.
pub(crate) type Family = &'static [(&'static str, SrfFn)];

#[rustfmt::skip]
static FAMILIES: &[Family] = &[
    crate::json_get::SET_RETURNING,
    crate::json_populate::SET_RETURNING,
    crate::jsonpath_functions::SET_RETURNING,
    crate::regex_functions::SET_RETURNING,
    crate::series::SET_RETURNING,
    crate::timestamp_ops::SET_RETURNING,
    crate::ts_ops::SET_RETURNING,
];

static BY_NAME: LazyLock<FxHashMap<&'static str, SrfFn>> =
    LazyLock::new(|| FAMILIES.iter().copied().flatten().copied().collect());

/// Looks a set-returning function up by `pg_proc.prosrc`. `None` means that it is not built.
pub fn set_returning(prosrc: &str) -> Option<SrfFn> {
    BY_NAME.get(prosrc).copied()
}
