//! Casts that change nothing but a value's label in PostgreSQL, and its kind of datum here: integers and
//! object identifiers share their bits.

use redoubt_error::PgResult;
use redoubt_functions::{CallContext, Datum, Oid, ScalarFn, types};

fn is_identifier(type_oid: Oid) -> bool {
    matches!(
        type_oid,
        types::OID
            | types::REGPROC
            | types::REGPROCEDURE
            | types::REGOPER
            | types::REGOPERATOR
            | types::REGCLASS
            | types::REGTYPE
            | types::REGROLE
            | types::REGNAMESPACE
            | types::REGCONFIG
            | types::REGDICTIONARY
            | types::REGCOLLATION
    )
}

/// What turns values of one type into datums of the other; `None` where they are the same.
pub(crate) fn conversion(from: Oid, to: Oid) -> Option<ScalarFn> {
    if from == types::INT4 && is_identifier(to) {
        Some(to_identifier)
    } else if to == types::INT4 && is_identifier(from) {
        Some(to_integer)
    } else {
        None
    }
}

/// A constant under another label.
pub(crate) fn relabel(value: Datum, to: Oid) -> Datum {
    match value {
        Datum::Int4(number) if is_identifier(to) => Datum::Oid(number.cast_unsigned()),
        Datum::Oid(number) if to == types::INT4 => Datum::Int4(number.cast_signed()),
        other => other,
    }
}

fn to_identifier(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(relabel(args[0].clone(), types::OID))
}

fn to_integer(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    Ok(relabel(args[0].clone(), types::INT4))
}
