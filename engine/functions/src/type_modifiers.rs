//! Type modifiers: `varchar(10)`, `timestamp(3)`, `interval day to second(2)`, from the numbers in
//! parentheses to the packed form and back to text.

use crate::args::builtins;
use crate::text::is_c_space;
use crate::{ArrayValue, CallContext, Datum, numeric_io};
use redoubt_error::{PgError, PgResult, Severity, code};

/// The longest declared `char(n)` or `varchar(n)` (PostgreSQL's `MaxAttrSize`).
const MAX_CHARACTERS: i32 = 10_485_760;

/// Times keep microseconds.
const MAX_TIME_PRECISION: i32 = 6;

/// Stands for "no precision" in an interval's type modifier.
pub(crate) const INTERVAL_FULL_PRECISION: i32 = 0xFFFF;

/// Stands for "no field restriction" in an interval's type modifier.
pub(crate) const INTERVAL_FULL_RANGE: i32 = 0x7FFF;

/// Field bits in an interval's type modifier.
pub(crate) mod field {
    pub(crate) const MONTH: i32 = 1 << 1;
    pub(crate) const YEAR: i32 = 1 << 2;
    pub(crate) const DAY: i32 = 1 << 3;
    pub(crate) const HOUR: i32 = 1 << 10;
    pub(crate) const MINUTE: i32 = 1 << 11;
    pub(crate) const SECOND: i32 = 1 << 12;
}

/// The restrictions that SQL allows, with their words.
const INTERVAL_RANGES: &[(i32, &str)] = &[
    (field::YEAR, " year"),
    (field::MONTH, " month"),
    (field::DAY, " day"),
    (field::HOUR, " hour"),
    (field::MINUTE, " minute"),
    (field::SECOND, " second"),
    (field::YEAR | field::MONTH, " year to month"),
    (field::DAY | field::HOUR, " day to hour"),
    (field::DAY | field::HOUR | field::MINUTE, " day to minute"),
    (field::DAY | field::HOUR | field::MINUTE | field::SECOND, " day to second"),
    (field::HOUR | field::MINUTE, " hour to minute"),
    (field::HOUR | field::MINUTE | field::SECOND, " hour to second"),
    (field::MINUTE | field::SECOND, " minute to second"),
    (INTERVAL_FULL_RANGE, ""),
];

fn invalid(message: impl Into<String>) -> PgError {
    PgError::new(code::INVALID_PARAMETER_VALUE, message)
}

/// Reads the `cstring[]` that typmod-in functions take.
fn numbers(array: &ArrayValue) -> PgResult<Vec<i32>> {
    let parse = |elem: &Datum| {
        let text = elem.as_str()?;
        let value = crate::integer::parse_signed(text, "integer")?;
        i32::try_from(value)
            .map_err(|_| crate::integer::value_out_of_range(text.trim_matches(is_c_space), "integer"))
    };
    array.elems.iter().map(parse).collect()
}

fn single(array: &ArrayValue) -> PgResult<i32> {
    match numbers(array)?[..] {
        [number] => Ok(number),
        _ => Err(invalid("invalid type modifier")),
    }
}

fn length(array: &ArrayValue, type_name: &str, limit: i32) -> PgResult<i32> {
    let length = single(array)?;
    if length < 1 {
        return Err(invalid(format!("length for type {type_name} must be at least 1")));
    }
    if length > limit {
        return Err(invalid(format!("length for type {type_name} cannot exceed {limit}")));
    }
    Ok(length)
}

fn varchar_in(array: &ArrayValue) -> PgResult<i32> {
    length(array, "varchar", MAX_CHARACTERS).map(|length| length + 4)
}

fn bpchar_in(array: &ArrayValue) -> PgResult<i32> {
    length(array, "char", MAX_CHARACTERS).map(|length| length + 4)
}

fn char_out(typmod: i32) -> String {
    if typmod > 4 { format!("({})", typmod - 4) } else { String::new() }
}

fn bit_in(array: &ArrayValue) -> PgResult<i32> {
    length(array, "bit", MAX_CHARACTERS * 8)
}

fn varbit_in(array: &ArrayValue) -> PgResult<i32> {
    length(array, "varbit", MAX_CHARACTERS * 8)
}

fn bit_out(typmod: i32) -> String {
    if typmod >= 0 { format!("({typmod})") } else { String::new() }
}

fn numeric_in(array: &ArrayValue) -> PgResult<i32> {
    numeric_io::typmod_in(&numbers(array)?)
}

/// A number of fractional digits; too many are cut with a warning.
fn precision(ctx: &CallContext<'_>, precision: i32, type_name: &str, suffix: &str) -> PgResult<i32> {
    if precision < 0 {
        return Err(invalid(format!("{type_name}({precision}){suffix} precision must not be negative")));
    }
    if precision > MAX_TIME_PRECISION {
        ctx.env.notice(PgError::report(
            Severity::Warning,
            code::INVALID_PARAMETER_VALUE,
            format!(
                "{type_name}({precision}){suffix} precision reduced to maximum allowed, {MAX_TIME_PRECISION}"
            ),
        ));
    }
    Ok(precision.min(MAX_TIME_PRECISION))
}

const WITH_ZONE: &str = " WITH TIME ZONE";

fn timestamp_in(ctx: &CallContext<'_>, array: &ArrayValue) -> PgResult<i32> {
    precision(ctx, single(array)?, "TIMESTAMP", "")
}

fn timestamptz_in(ctx: &CallContext<'_>, array: &ArrayValue) -> PgResult<i32> {
    precision(ctx, single(array)?, "TIMESTAMP", WITH_ZONE)
}

fn time_in(ctx: &CallContext<'_>, array: &ArrayValue) -> PgResult<i32> {
    precision(ctx, single(array)?, "TIME", "")
}

fn timetz_in(ctx: &CallContext<'_>, array: &ArrayValue) -> PgResult<i32> {
    precision(ctx, single(array)?, "TIME", WITH_ZONE)
}

fn without_zone_out(typmod: i32) -> String {
    if typmod >= 0 { format!("({typmod}) without time zone") } else { " without time zone".to_owned() }
}

fn with_zone_out(typmod: i32) -> String {
    if typmod >= 0 { format!("({typmod}) with time zone") } else { " with time zone".to_owned() }
}

/// The field restriction of an interval's type modifier.
pub(crate) fn interval_range(typmod: i32) -> i32 {
    typmod >> 16 & INTERVAL_FULL_RANGE
}

/// The precision of an interval's type modifier, [`INTERVAL_FULL_PRECISION`] for none.
pub(crate) fn interval_precision(typmod: i32) -> i32 {
    typmod & INTERVAL_FULL_PRECISION
}

/// True for the field restrictions that SQL allows.
pub(crate) fn is_valid_range(range: i32) -> bool {
    INTERVAL_RANGES.iter().any(|(mask, _)| *mask == range)
}

fn interval_in(ctx: &CallContext<'_>, array: &ArrayValue) -> PgResult<i32> {
    let bad = || invalid("invalid INTERVAL type modifier");
    let given = numbers(array)?;
    let range = *given.first().ok_or_else(bad)?;
    if !is_valid_range(range) {
        return Err(bad());
    }
    let digits = match given[1..] {
        [] if range == INTERVAL_FULL_RANGE => return Ok(-1),
        [] => INTERVAL_FULL_PRECISION,
        [digits] => precision(ctx, digits, "INTERVAL", "")?,
        _ => return Err(bad()),
    };
    Ok(range << 16 | digits)
}

fn interval_out(typmod: i32) -> PgResult<String> {
    if typmod < 0 {
        return Ok(String::new());
    }
    let range = interval_range(typmod);
    let words = INTERVAL_RANGES
        .iter()
        .find(|(mask, _)| *mask == range)
        .map(|(_, words)| *words)
        .ok_or_else(|| PgError::internal(format!("invalid INTERVAL typmod: 0x{typmod:x}")))?;
    let precision = interval_precision(typmod);
    Ok(if precision == INTERVAL_FULL_PRECISION { words.to_owned() } else { format!("{words}({precision})") })
}

/// The text of a type modifier by the type's `typmodout` function, as `format_type` appends it.
///
/// # Errors
/// `XX000` for an interval modifier that cannot be.
pub(crate) fn modifier_text(type_oid: crate::Oid, typmod: i32) -> PgResult<String> {
    use crate::types;
    Ok(match type_oid {
        types::VARCHAR | types::BPCHAR => char_out(typmod),
        types::BIT | types::VARBIT => bit_out(typmod),
        types::NUMERIC => numeric_io::typmod_out(typmod),
        types::TIMESTAMP | types::TIME => without_zone_out(typmod),
        types::TIMESTAMPTZ | types::TIMETZ => with_zone_out(typmod),
        types::INTERVAL => interval_out(typmod)?,
        // Types without a function of their own show the plain number.
        _ => format!("({typmod})"),
    })
}

builtins! {
    "varchartypmodin" = varchar_in: 1;
    "varchartypmodout" = char_out: 1;
    "bpchartypmodin" = bpchar_in: 1;
    "bpchartypmodout" = char_out: 1;
    "bittypmodin" = bit_in: 1;
    "bittypmodout" = bit_out: 1;
    "varbittypmodin" = varbit_in: 1;
    "varbittypmodout" = bit_out: 1;
    "numerictypmodin" = numeric_in: 1;
    "numerictypmodout" = numeric_io::typmod_out: 1;
    "timestamptypmodin" = timestamp_in: (ctx, 1);
    "timestamptypmodout" = without_zone_out: 1;
    "timestamptztypmodin" = timestamptz_in: (ctx, 1);
    "timestamptztypmodout" = with_zone_out: 1;
    "timetypmodin" = time_in: (ctx, 1);
    "timetypmodout" = without_zone_out: 1;
    "timetztypmodin" = timetz_in: (ctx, 1);
    "timetztypmodout" = with_zone_out: 1;
    "intervaltypmodin" = interval_in: (ctx, 1);
    "intervaltypmodout" = interval_out: 1;
}
