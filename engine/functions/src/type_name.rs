//! The SQL names of types, as `format_type` prints them.

use crate::args::builtins;
use crate::type_modifiers::modifier_text;
use crate::{CallContext, Oid, builtin_type, quote_identifier, types};
use redoubt_error::PgResult;

/// The standard's name of a type where it differs from `typname`, and what follows a modifier.
fn standard_name(type_oid: Oid) -> Option<(&'static str, &'static str)> {
    Some(match type_oid {
        types::BIT => ("bit", ""),
        types::BOOL => ("boolean", ""),
        types::BPCHAR => ("character", ""),
        types::FLOAT4 => ("real", ""),
        types::FLOAT8 => ("double precision", ""),
        types::INT2 => ("smallint", ""),
        types::INT4 => ("integer", ""),
        types::INT8 => ("bigint", ""),
        types::NUMERIC => ("numeric", ""),
        types::INTERVAL => ("interval", ""),
        types::TIME => ("time", " without time zone"),
        types::TIMETZ => ("time", " with time zone"),
        types::TIMESTAMP => ("timestamp", " without time zone"),
        types::TIMESTAMPTZ => ("timestamp", " with time zone"),
        types::VARBIT => ("bit varying", ""),
        types::VARCHAR => ("character varying", ""),
        _ => return None,
    })
}

/// Names a type out of its parts: `name` is the quoted (and, where needed, qualified) name of a
/// type that is not known by a standard name. `typmod` is `None` when no modifier was asked for,
/// and `Some(-1)` when it was asked for and there is none: the two differ for `bpchar` and `bit`,
/// which without a length are not what the standard's bare name means.
///
/// # Errors
/// `XX000` for a modifier that cannot be.
pub fn type_name(type_oid: Oid, name: &str, typmod: Option<i32>) -> PgResult<String> {
    let modifier = typmod.filter(|typmod| *typmod >= 0);
    let bare_is_special = matches!(type_oid, types::BIT | types::BPCHAR) && typmod == Some(-1);
    match standard_name(type_oid).filter(|_| !bare_is_special) {
        Some((standard, _)) if modifier.is_some() => {
            Ok(format!("{standard}{}", modifier_text(type_oid, modifier.unwrap_or(-1))?))
        }
        Some((standard, suffix)) => Ok(format!("{standard}{suffix}")),
        None => {
            let text = modifier.map_or(Ok(String::new()), |typmod| modifier_text(type_oid, typmod))?;
            Ok(format!("{name}{text}"))
        }
    }
}

/// The name of a built-in type or array; `None` when the catalog must be asked.
///
/// # Errors
/// As [`type_name`].
pub fn builtin_type_name(type_oid: Oid, typmod: Option<i32>) -> PgResult<Option<String>> {
    let Some(info) = builtin_type(type_oid) else { return Ok(None) };
    // oidvector and int2vector are arrays, but have names of their own.
    let is_plain_array = info.is_array() && info.storage != 'p';
    let Some(elem) = (if is_plain_array { builtin_type(info.elem) } else { Some(info) }) else {
        return Ok(None);
    };
    let name = type_name(elem.oid, &quote_identifier(&elem.name), typmod)?;
    Ok(Some(if is_plain_array { name + "[]" } else { name }))
}

/// `format_type(oid, typmod)`. Neither argument is strict.
fn format_type(
    ctx: &CallContext<'_>,
    type_oid: Option<crate::args::OidArg>,
    typmod: Option<i32>,
) -> PgResult<Option<String>> {
    let Some(type_oid) = type_oid else { return Ok(None) };
    if type_oid.0 == 0 {
        return Ok(Some("-".to_owned()));
    }
    ctx.env.format_type(type_oid.0, typmod).map(Some)
}

builtins! {
    "format_type" = format_type: (ctx, 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_built_in_types() {
        let check = |oid, typmod, expect: &str| {
            assert_eq!(builtin_type_name(oid, typmod).unwrap().as_deref(), Some(expect));
        };
        check(types::INT4, None, "integer");
        check(types::BPCHAR, None, "character");
        check(types::BPCHAR, Some(-1), "bpchar");
        check(types::BPCHAR, Some(9), "character(5)");
        check(types::BIT, Some(-1), "\"bit\"");
        check(types::CHAR, None, "\"char\"");
        check(types::TIMESTAMPTZ_ARRAY, Some(3), "timestamp(3) with time zone[]");
        check(types::OIDVECTOR, None, "oidvector");
        check(types::INTERVAL, Some(0x7FFF << 16 | 2), "interval(2)");
        check(types::NUMERIC, Some((10 << 16 | 2) + 4), "numeric(10,2)");
        check(types::TEXT_ARRAY, None, "text[]");
    }
}
