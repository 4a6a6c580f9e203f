//! `bool` and `"char"`.

use crate::Datum;
use crate::args::{CharArg, builtins};
use crate::binary::BinaryReader;
use crate::io::{TypeIo, invalid_syntax};
use redoubt_error::{PgError, PgResult, code};

/// `bool`.
pub(crate) static BOOL_IO: TypeIo = TypeIo {
    input: |text, _, _| parse_bool(text).map(Datum::Bool).ok_or_else(|| invalid_syntax("boolean", text)),
    output: |datum, _, out| {
        out.push(if datum.as_bool()? { b't' } else { b'f' });
        Ok(())
    },
    recv: |bytes, _, _| {
        let mut reader = BinaryReader::new(bytes);
        let value = reader.u8()? != 0;
        reader.finish()?;
        Ok(Datum::Bool(value))
    },
    send: |datum, _, out| {
        out.push(u8::from(datum.as_bool()?));
        Ok(())
    },
};

/// `"char"`, a single byte. Bytes above ASCII show as a backslash and three octal digits.
pub(crate) static CHAR_IO: TypeIo = TypeIo {
    input: |text, _, _| Ok(Datum::Char(char_input(text))),
    output: |datum, _, out| {
        char_output(datum.as_char()?, out);
        Ok(())
    },
    recv: |bytes, _, _| {
        let mut reader = BinaryReader::new(bytes);
        let value = reader.u8()?;
        reader.finish()?;
        Ok(Datum::Char(value))
    },
    send: |datum, _, out| {
        out.push(datum.as_char()?);
        Ok(())
    },
};

/// Reads a boolean as `boolin` and settings do: surrounding blanks and unique prefixes of
/// true, false, yes, no, on, off, and 1 and 0 are accepted, whatever the case.
pub fn parse_bool(text: &str) -> Option<bool> {
    let word = text.trim_matches(crate::text::is_c_space);
    let is_prefix = |full: &str, least: usize| {
        word.len() >= least && word.len() <= full.len() && full[..word.len()].eq_ignore_ascii_case(word)
    };
    if !word.is_ascii() {
        return None;
    }
    if is_prefix("true", 1) || is_prefix("yes", 1) || is_prefix("on", 2) || word == "1" {
        return Some(true);
    }
    if is_prefix("false", 1) || is_prefix("no", 1) || is_prefix("off", 2) || word == "0" {
        return Some(false);
    }
    None
}

/// The first byte counts; an empty string is the zero byte; `\ooo` is octal.
fn char_input(text: &str) -> u8 {
    let bytes = text.as_bytes();
    let octal = |byte: u8| (b'0'..=b'7').contains(&byte);
    match *bytes {
        [b'\\', a, b, c] if octal(a) && octal(b) && octal(c) => {
            ((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0')
        }
        [first, ..] => first,
        [] => 0,
    }
}

fn char_output(value: u8, out: &mut Vec<u8>) {
    match value {
        0 => {}
        1..=0x7F => out.push(value),
        _ => out.extend([b'\\', b'0' + (value >> 6), b'0' + ((value >> 3) & 7), b'0' + (value & 7)]),
    }
}

fn bool_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

fn char_text(value: CharArg) -> PgResult<String> {
    let mut out = Vec::new();
    char_output(value.0, &mut out);
    crate::io::into_string(out)
}

fn char_to_int4(value: CharArg) -> i32 {
    i32::from(value.0 as i8)
}

fn int4_to_char(value: i32) -> PgResult<CharArg> {
    i8::try_from(value)
        .map(|byte| CharArg(byte as u8))
        .map_err(|_| PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "\"char\" out of range"))
}

/// `text::"char"`, unlike the input function, is defined on the text's first byte as well.
fn text_to_char(value: &str) -> CharArg {
    CharArg(char_input(value))
}

/// The difference, as PostgreSQL returns it, not just its sign.
fn char_cmp(a: CharArg, b: CharArg) -> i32 {
    i32::from(a.0) - i32::from(b.0)
}

fn booland(a: bool, b: bool) -> bool {
    a && b
}

fn boolor(a: bool, b: bool) -> bool {
    a || b
}

fn int4_bool(value: i32) -> bool {
    value != 0
}

fn bool_int4(value: bool) -> i32 {
    i32::from(value)
}

use crate::compare::generic as op;

builtins! {
    "booleq" = op::eq::<bool>: 2;
    "boolne" = op::ne::<bool>: 2;
    "boollt" = op::lt::<bool>: 2;
    "boolle" = op::le::<bool>: 2;
    "boolgt" = op::gt::<bool>: 2;
    "boolge" = op::ge::<bool>: 2;
    "btboolcmp" = op::cmp::<bool>: 2;
    "booltext" = bool_text: 1;
    "booland_statefunc" = booland: 2;
    "boolor_statefunc" = boolor: 2;
    "int4_bool" = int4_bool: 1;
    "bool_int4" = bool_int4: 1;
    "chareq" = op::eq::<CharArg>: 2;
    "charne" = op::ne::<CharArg>: 2;
    "charlt" = op::lt::<CharArg>: 2;
    "charle" = op::le::<CharArg>: 2;
    "chargt" = op::gt::<CharArg>: 2;
    "charge" = op::ge::<CharArg>: 2;
    "btcharcmp" = char_cmp: 2;
    "char_text" = char_text: 1;
    "text_char" = text_to_char: 1;
    "chartoi4" = char_to_int4: 1;
    "i4tochar" = int4_to_char: 1;
}
