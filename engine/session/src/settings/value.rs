//! Reading and showing the values of parameters, with units and limits
//! (PostgreSQL's src/backend/utils/misc/guc.c).

use super::table::{Definition, Kind, Unit};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::parse_bool;

/// A value in its checked form.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// On or off.
    Bool(bool),
    /// In the parameter's own unit.
    Int(i64),
    /// A number.
    Real(f64),
    /// An enum word or free text.
    Text(String),
}

/// Checks `text` as a value of the parameter.
pub fn parse(definition: &Definition, text: &str) -> PgResult<Value> {
    match definition.kind {
        Kind::Bool => parse_bool(text).map(Value::Bool).ok_or_else(|| {
            PgError::new(
                code::INVALID_PARAMETER_VALUE,
                format!("parameter \"{}\" requires a Boolean value", definition.name),
            )
        }),
        Kind::Int(min, max, unit) => parse_int(definition, text, min, max, unit),
        Kind::Real(min, max) => parse_real(definition, text, min, max),
        Kind::Enum(words) => parse_enum(definition, text, words),
        Kind::Text => Ok(Value::Text(text.to_string())),
        Kind::Only(words) => parse_only(definition, text, words),
    }
}

/// The text that `SHOW` prints.
pub fn show(definition: &Definition, value: &Value) -> String {
    match (value, definition.kind) {
        (Value::Bool(on), _) => if *on { "on" } else { "off" }.to_string(),
        (Value::Int(number), Kind::Int(_, _, unit)) => show_with_unit(*number, unit),
        (Value::Int(number), _) => number.to_string(),
        (Value::Real(number), _) => number.to_string(),
        (Value::Text(text), _) => text.clone(),
    }
}

/// The text in `pg_settings.setting`: without a unit.
pub fn show_raw(value: &Value) -> String {
    match value {
        Value::Bool(on) => if *on { "on" } else { "off" }.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
    }
}

fn invalid(definition: &Definition, text: &str) -> PgError {
    PgError::new(
        code::INVALID_PARAMETER_VALUE,
        format!("invalid value for parameter \"{}\": \"{text}\"", definition.name),
    )
}

fn parse_int(definition: &Definition, text: &str, min: i64, max: i64, unit: Unit) -> PgResult<Value> {
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !(c.is_ascii_digit() || "+-.eE".contains(c))).unwrap_or(trimmed.len());
    // An exponent's `e` never starts a unit name, but a lone unit such as "min" must not be cut.
    let (number, suffix) = (trimmed[..split].trim(), trimmed[split..].trim());
    let number: f64 = number.parse().map_err(|_| invalid(definition, text))?;
    let factor = if suffix.is_empty() {
        1.0
    } else {
        unit_factor(unit, suffix).ok_or_else(|| bad_unit(definition, text, unit))?
    };
    let value = (number * factor).round();
    if !value.is_finite() || value < min as f64 || value > max as f64 {
        let unit = unit_name(unit);
        let space = if unit.is_empty() { "" } else { " " };
        return Err(PgError::new(
            code::INVALID_PARAMETER_VALUE,
            format!(
                "{value}{space}{unit} is outside the valid range for parameter \"{}\" ({min} .. {max})",
                definition.name
            ),
        ));
    }
    Ok(Value::Int(value as i64))
}

fn bad_unit(definition: &Definition, text: &str, unit: Unit) -> PgError {
    let error = invalid(definition, text);
    match unit {
        Unit::None => error,
        Unit::Ms | Unit::S => {
            error.hint("Valid units for this parameter are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\".")
        }
        Unit::KB | Unit::Pages => {
            error.hint("Valid units for this parameter are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\".")
        }
    }
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "",
        Unit::Ms => "ms",
        Unit::S => "s",
        Unit::KB => "kB",
        Unit::Pages => "8kB",
    }
}

/// How many of the parameter's units the named unit is.
fn unit_factor(unit: Unit, suffix: &str) -> Option<f64> {
    const TIMES_US: &[(&str, f64)] =
        &[("us", 1.0), ("ms", 1e3), ("s", 1e6), ("min", 60e6), ("h", 3600e6), ("d", 86400e6)];
    const SIZES: &[(&str, f64)] = &[
        ("B", 1.0),
        ("kB", 1024.0),
        ("MB", 1024.0 * 1024.0),
        ("GB", 1024.0 * 1024.0 * 1024.0),
        ("TB", 1024.0 * 1024.0 * 1024.0 * 1024.0),
    ];
    let find =
        |table: &[(&str, f64)]| table.iter().find(|(name, _)| *name == suffix).map(|(_, factor)| *factor);
    match unit {
        Unit::None => None,
        Unit::Ms => find(TIMES_US).map(|factor| factor / 1e3),
        Unit::S => find(TIMES_US).map(|factor| factor / 1e6),
        Unit::KB => find(SIZES).map(|factor| factor / 1024.0),
        Unit::Pages => find(SIZES).map(|factor| factor / 8192.0),
    }
}

/// Shows a number in the largest unit that divides it; 0 and -1 go without a unit.
fn show_with_unit(number: i64, unit: Unit) -> String {
    if number <= 0 {
        return number.to_string();
    }
    let (number, table): (i64, &[(i64, &str)]) = match unit {
        Unit::None => return number.to_string(),
        Unit::Ms => (number, &[(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")]),
        Unit::S => (number, &[(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")]),
        Unit::KB => (number, &[(1 << 30, "TB"), (1 << 20, "GB"), (1 << 10, "MB"), (1, "kB")]),
        Unit::Pages => (number * 8, &[(1 << 30, "TB"), (1 << 20, "GB"), (1 << 10, "MB"), (1, "kB")]),
    };
    let (factor, name) = table.iter().find(|(factor, _)| number % factor == 0).expect("1 divides everything");
    format!("{}{name}", number / factor)
}

fn parse_real(definition: &Definition, text: &str, min: f64, max: f64) -> PgResult<Value> {
    let value: f64 = text.trim().parse().map_err(|_| invalid(definition, text))?;
    if !(min..=max).contains(&value) {
        return Err(PgError::new(
            code::INVALID_PARAMETER_VALUE,
            format!(
                "{value} is outside the valid range for parameter \"{}\" ({min} .. {max})",
                definition.name
            ),
        ));
    }
    Ok(Value::Real(value))
}

fn parse_enum(definition: &Definition, text: &str, words: &[&str]) -> PgResult<Value> {
    let found = words.iter().find(|word| word.eq_ignore_ascii_case(text.trim())).copied().or_else(|| {
        // synchronous_commit takes Boolean words too.
        let on = parse_bool(text)?;
        words.iter().find(|word| **word == if on { "on" } else { "off" }).copied()
    });
    match found {
        Some(word) => Ok(Value::Text(word.to_string())),
        None => {
            let list: Vec<&str> = words.to_vec();
            Err(invalid(definition, text).hint(format!("Available values: {}.", list.join(", "))))
        }
    }
}

/// Values that mean what is always done. Encodings and Booleans are compared loosely.
fn parse_only(definition: &Definition, text: &str, words: &[&str]) -> PgResult<Value> {
    let plain = |text: &str| text.trim().to_ascii_lowercase().replace(['-', '_'], "");
    let same = |word: &&&str| {
        plain(word) == plain(text)
            || matches!((parse_bool(word), parse_bool(text)), (Some(a), Some(b)) if a == b)
    };
    match words.iter().find(same) {
        Some(word) => Ok(Value::Text(word.to_string())),
        None => Err(PgError::unsupported(format!("setting {} to \"{text}\"", definition.name))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Parameter;
    use super::*;

    fn check(name: &str, text: &str, expect: &str) {
        let definition = Parameter::by_name(name).expect(name).definition();
        let got = match parse(definition, text) {
            Ok(value) => show(definition, &value),
            Err(error) => format!("{} {}", error.code(), error.message()),
        };
        assert_eq!(got, expect, "{name} = {text}");
    }

    /// Expectations taken from PostgreSQL 15.18.
    #[test]
    fn values_are_read_and_shown_as_postgresql_does() {
        check("statement_timeout", "1000", "1s");
        check("statement_timeout", "1500", "1500ms");
        check("statement_timeout", " 2 min", "2min");
        check("statement_timeout", "1.5s", "1500ms");
        check("statement_timeout", "0", "0");
        check(
            "statement_timeout",
            "1 fortnight",
            "22023 invalid value for parameter \"statement_timeout\": \"1 fortnight\"",
        );
        check(
            "statement_timeout",
            "-1",
            "22023 -1 ms is outside the valid range for parameter \"statement_timeout\" (0 .. 2147483647)",
        );
        check("work_mem", "64MB", "64MB");
        check("work_mem", "1024", "1MB");
        check(
            "work_mem",
            "12",
            "22023 12 kB is outside the valid range for parameter \"work_mem\" (64 .. 2147483647)",
        );
        check("shared_buffers", "128MB", "128MB");
        check("shared_buffers", "16", "128kB");
        check("extra_float_digits", "3", "3");
        check(
            "extra_float_digits",
            "4",
            "22023 4 is outside the valid range for parameter \"extra_float_digits\" (-15 .. 3)",
        );
        check("array_nulls", "of", "off");
        check("array_nulls", "o", "22023 parameter \"array_nulls\" requires a Boolean value");
        check("bytea_output", "ESCAPE", "escape");
        check("bytea_output", "b64", "22023 invalid value for parameter \"bytea_output\": \"b64\"");
        check("synchronous_commit", "false", "off");
        check("client_encoding", "utf-8", "UTF8");
        check(
            "client_encoding",
            "latin1",
            "0A000 setting client_encoding to \"latin1\" is not supported yet",
        );
        check("standard_conforming_strings", "1", "on");
        check(
            "standard_conforming_strings",
            "off",
            "0A000 setting standard_conforming_strings to \"off\" is not supported yet",
        );
    }

    #[test]
    fn every_default_is_valid() {
        for parameter in super::super::table::ALL {
            let definition = parameter.definition();
            parse(definition, definition.default).expect(definition.name);
        }
    }
}
