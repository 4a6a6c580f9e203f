//! Reading the names of types: SQL's own spellings, qualified names, modifiers and array brackets.

use crate::regnames::split_name;
use crate::view::CatalogView;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types as t};

/// The type that a text names and its modifier (-1 for none), or `None` when there is no such type.
///
/// # Errors
/// `42601` for texts that are no type's name, `22023` for modifiers out of range; those of reading pages.
pub fn parse_type_name(view: &CatalogView<'_>, text: &str, path: &[Oid]) -> PgResult<Option<(Oid, i32)>> {
    let (base, is_array) = strip_array(text.trim());
    if base.is_empty() || base.to_ascii_lowercase().starts_with("setof ") {
        return Err(PgError::new(code::SYNTAX_ERROR, format!("invalid type name \"{text}\"")));
    }
    let (name, modifiers) = strip_modifiers(base, text)?;
    let found = match sql_type(&name.to_ascii_lowercase(), &modifiers)? {
        Some(found) => Some(found),
        None => named_type(view, &name, &modifiers, text, path)?,
    };
    let Some((oid, typmod)) = found else { return Ok(None) };
    if !is_array {
        return Ok(Some((oid, typmod)));
    }
    match view.array_type(oid)? {
        Some(array) => Ok(Some((array, typmod))),
        None => Err(PgError::new(
            code::UNDEFINED_OBJECT,
            format!("could not find array type for data type {}", view.format_type(oid, None, path)?),
        )),
    }
}

/// Takes `[]`, `[3]` and `ARRAY` off the end. How many dimensions were declared does not matter.
fn strip_array(text: &str) -> (&str, bool) {
    let mut rest = text;
    let mut is_array = false;
    while let Some(open) = rest.strip_suffix(']').and_then(|inner| inner.rfind('[')) {
        let inside = rest[open + 1..rest.len() - 1].trim();
        if !inside.bytes().all(|b| b.is_ascii_digit()) {
            break;
        }
        rest = rest[..open].trim_end();
        is_array = true;
    }
    let start = rest.len().saturating_sub(6);
    if rest.is_char_boundary(start) && rest[start..].eq_ignore_ascii_case(" array") {
        return (rest[..start].trim_end(), true);
    }
    (rest, is_array)
}

/// Takes the modifiers in parentheses out of the text, wherever in it they are (`timestamp(3) with time zone`).
fn strip_modifiers(base: &str, whole: &str) -> PgResult<(String, Vec<i32>)> {
    let invalid = || PgError::new(code::SYNTAX_ERROR, format!("invalid type name \"{whole}\""));
    let mut quoted = false;
    let open = base.find(|c: char| {
        quoted ^= c == '"';
        c == '(' && !quoted
    });
    let Some(open) = open else { return Ok((base.to_string(), Vec::new())) };
    let close = base[open..].find(')').ok_or_else(invalid)? + open;
    let modifiers: Result<Vec<i32>, _> =
        base[open + 1..close].split(',').map(|number| number.trim().parse()).collect();
    let name = format!("{} {}", base[..open].trim_end(), base[close + 1..].trim_start());
    Ok((name.trim_end().to_string(), modifiers.map_err(|_| invalid())?))
}

/// The types that SQL itself names. A modifier that they do not take is an error.
fn sql_type(name: &str, modifiers: &[i32]) -> PgResult<Option<(Oid, i32)>> {
    let words: Vec<&str> = name.split_whitespace().collect();
    let plain = |oid| if modifiers.is_empty() { Ok(Some((oid, -1))) } else { Err(no_modifier(name)) };
    match words[..] {
        ["int" | "integer"] => plain(t::INT4),
        ["smallint"] => plain(t::INT2),
        ["bigint"] => plain(t::INT8),
        ["real"] => plain(t::FLOAT4),
        ["double", "precision"] => plain(t::FLOAT8),
        ["boolean"] => plain(t::BOOL),
        ["float"] => float(modifiers),
        ["decimal" | "dec" | "numeric"] => Ok(Some((t::NUMERIC, numeric_typmod(modifiers)?))),
        ["char" | "character" | "nchar"] | ["national", "char" | "character"] => {
            Ok(Some((t::BPCHAR, length_typmod("char", modifiers, 1)?)))
        }
        ["varchar"]
        | ["char" | "character" | "nchar", "varying"]
        | ["national", "char" | "character", "varying"] => {
            let typmod = if modifiers.is_empty() { -1 } else { length_typmod("varchar", modifiers, 1)? };
            Ok(Some((t::VARCHAR, typmod)))
        }
        ["bit"] => Ok(Some((t::BIT, bit_typmod("bit", modifiers, 1)?))),
        ["bit", "varying"] => Ok(Some((t::VARBIT, bit_typmod("varbit", modifiers, -1)?))),
        ["time"] | ["time", "without", "time", "zone"] => time(t::TIME, "TIME", "", modifiers),
        ["time", "with", "time", "zone"] => time(t::TIMETZ, "TIME", " WITH TIME ZONE", modifiers),
        ["timestamp"] | ["timestamp", "without", "time", "zone"] => {
            time(t::TIMESTAMP, "TIMESTAMP", "", modifiers)
        }
        ["timestamp", "with", "time", "zone"] => {
            time(t::TIMESTAMPTZ, "TIMESTAMP", " WITH TIME ZONE", modifiers)
        }
        ["interval", ref fields @ ..] => interval(fields, modifiers),
        _ => Ok(None),
    }
}

fn no_modifier(name: &str) -> PgError {
    PgError::new(code::SYNTAX_ERROR, format!("type modifier is not allowed for type \"{name}\""))
}

fn out_of_range(message: String) -> PgError {
    PgError::new(code::INVALID_PARAMETER_VALUE, message)
}

fn float(modifiers: &[i32]) -> PgResult<Option<(Oid, i32)>> {
    Ok(Some(match modifiers {
        [] | [25..=53] => (t::FLOAT8, -1),
        [1..=24] => (t::FLOAT4, -1),
        [..1] => return Err(out_of_range("precision for type float must be at least 1 bit".to_string())),
        [_] => return Err(out_of_range("precision for type float must be less than 54 bits".to_string())),
        _ => return Err(no_modifier("float")),
    }))
}

fn length_typmod(name: &str, modifiers: &[i32], default: i32) -> PgResult<i32> {
    const MAX: i32 = 10 * 1024 * 1024;
    match modifiers {
        [] => Ok(default + 4),
        [..1] => Err(out_of_range(format!("length for type {name} must be at least 1"))),
        [1..=MAX] => Ok(modifiers[0] + 4),
        [_] => Err(out_of_range(format!("length for type {name} cannot exceed {MAX}"))),
        _ => Err(out_of_range("invalid type modifier".to_string())),
    }
}

fn bit_typmod(name: &str, modifiers: &[i32], default: i32) -> PgResult<i32> {
    const MAX: i32 = 10 * 1024 * 1024 * 8;
    match modifiers {
        [] => Ok(default),
        [..1] => Err(out_of_range(format!("length for type {name} must be at least 1"))),
        [1..=MAX] => Ok(modifiers[0]),
        [_] => Err(out_of_range(format!("length for type {name} cannot exceed {MAX}"))),
        _ => Err(out_of_range("invalid type modifier".to_string())),
    }
}

fn numeric_typmod(modifiers: &[i32]) -> PgResult<i32> {
    let (precision, scale) = match *modifiers {
        [] => return Ok(-1),
        [precision] => (precision, 0),
        [precision, scale] => (precision, scale),
        _ => return Err(out_of_range("invalid NUMERIC type modifier".to_string())),
    };
    if !(1..=1000).contains(&precision) {
        return Err(out_of_range(format!("NUMERIC precision {precision} must be between 1 and 1000")));
    }
    if !(-1000..=1000).contains(&scale) {
        return Err(out_of_range(format!("NUMERIC scale {scale} must be between -1000 and 1000")));
    }
    Ok(((precision << 16) | (scale & 0x7ff)) + 4)
}

/// Times keep at most six digits of a second.
const MAX_PRECISION: i32 = 6;

fn time(oid: Oid, name: &str, zone: &str, modifiers: &[i32]) -> PgResult<Option<(Oid, i32)>> {
    match *modifiers {
        [] => Ok(Some((oid, -1))),
        [precision] if precision >= 0 => Ok(Some((oid, precision.min(MAX_PRECISION)))),
        [precision] => Err(out_of_range(format!("{name}({precision}){zone} precision must not be negative"))),
        _ => Err(out_of_range("invalid type modifier".to_string())),
    }
}

fn interval(fields: &[&str], modifiers: &[i32]) -> PgResult<Option<(Oid, i32)>> {
    const FULL_RANGE: i32 = 0x7fff;
    const FULL_PRECISION: i32 = 0xffff;
    let bit = |field: &str| match field {
        "month" => Some(1 << 1),
        "year" => Some(1 << 2),
        "day" => Some(1 << 3),
        "hour" => Some(1 << 10),
        "minute" => Some(1 << 11),
        "second" => Some(1 << 12),
        _ => None,
    };
    let range = match fields {
        [] => FULL_RANGE,
        [one] => match bit(one) {
            Some(bit) => bit,
            None => return Ok(None),
        },
        ["year", "to", "month"] => 1 << 2 | 1 << 1,
        ["day", "to", "hour"] => 1 << 3 | 1 << 10,
        ["day", "to", "minute"] => 1 << 3 | 1 << 10 | 1 << 11,
        ["day", "to", "second"] => 1 << 3 | 1 << 10 | 1 << 11 | 1 << 12,
        ["hour", "to", "minute"] => 1 << 10 | 1 << 11,
        ["hour", "to", "second"] => 1 << 10 | 1 << 11 | 1 << 12,
        ["minute", "to", "second"] => 1 << 11 | 1 << 12,
        _ => return Ok(None),
    };
    let precision = match *modifiers {
        [] if fields.is_empty() => return Ok(Some((t::INTERVAL, -1))),
        [] => FULL_PRECISION,
        [precision] if precision >= 0 => precision.min(MAX_PRECISION),
        [precision] => {
            return Err(out_of_range(format!("INTERVAL({precision}) precision must not be negative")));
        }
        _ => return Err(out_of_range("invalid type modifier".to_string())),
    };
    Ok(Some((t::INTERVAL, range << 16 | precision)))
}

/// A type by its name in the catalogs.
fn named_type(
    view: &CatalogView<'_>,
    name: &str,
    modifiers: &[i32],
    whole: &str,
    path: &[Oid],
) -> PgResult<Option<(Oid, i32)>> {
    let parts = split_name(name)
        .map_err(|_| PgError::new(code::SYNTAX_ERROR, format!("invalid type name \"{whole}\"")))?;
    let (schema, name) = view.qualified(parts)?;
    let schemas = view.schemas_to_search(schema, path);
    let Some(found) = view.type_in_path(&schemas, &name)? else { return Ok(None) };
    let typmod = match found.oid {
        _ if modifiers.is_empty() => -1,
        t::BPCHAR | t::VARCHAR => length_typmod(&name, modifiers, 1)?,
        t::NUMERIC => numeric_typmod(modifiers)?,
        t::BIT | t::VARBIT => bit_typmod(&name, modifiers, 1)?,
        t::TIME | t::TIMETZ | t::TIMESTAMP | t::TIMESTAMPTZ => {
            time(found.oid, &name.to_uppercase(), "", modifiers)?.map_or(-1, |(_, typmod)| typmod)
        }
        t::INTERVAL => interval(&[], modifiers)?.map_or(-1, |(_, typmod)| typmod),
        _ => return Err(no_modifier(&name)),
    };
    Ok(Some((found.oid, typmod)))
}
