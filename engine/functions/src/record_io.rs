//! Composite values: text and binary formats, and row comparison functions.

use crate::args::builtins;
use crate::binary::BinaryReader;
use crate::composite::RecordValue;
use crate::text::is_c_space;
use crate::{CallContext, Datum, Env, Oid, TupleDesc, compare, io, types};
use redoubt_error::{PgError, PgResult, code};
use std::cmp::Ordering;

fn malformed(text: &str, detail: &str) -> PgError {
    PgError::new(code::INVALID_TEXT_REPRESENTATION, format!("malformed record literal: \"{text}\""))
        .detail(detail)
}

/// Parses a row's text form: `(a,"b c",)`. An empty column is NULL.
///
/// # Errors
/// `22P02` for malformed text, and the columns' errors.
pub(crate) fn input(type_oid: Oid, text: &str, env: &dyn Env) -> PgResult<Datum> {
    if type_oid == types::RECORD {
        return Err(PgError::new(
            code::FEATURE_NOT_SUPPORTED,
            "input of anonymous composite types is not implemented",
        ));
    }
    let desc = env.composite_desc(type_oid)?;
    let trimmed = text.trim_start_matches(is_c_space);
    let mut rest = trimmed.strip_prefix('(').ok_or_else(|| malformed(text, "Missing left parenthesis."))?;
    let mut fields = Vec::with_capacity(desc.len());
    let mut is_first = true;
    for attr in desc.attrs.iter() {
        if attr.dropped {
            fields.push(Datum::Null);
            continue;
        }
        if !is_first {
            rest = rest.strip_prefix(',').ok_or_else(|| malformed(text, "Too few columns."))?;
        }
        is_first = false;
        if rest.starts_with([',', ')']) {
            fields.push(io::null_input(attr.type_oid, env)?);
            continue;
        }
        let (value, tail) = read_column(rest).ok_or_else(|| malformed(text, "Unexpected end of input."))?;
        fields.push(io::input(attr.type_oid, attr.typmod, &value, env)?);
        rest = tail;
    }
    let tail = rest.strip_prefix(')').ok_or_else(|| malformed(text, "Too many columns."))?;
    if !tail.chars().all(is_c_space) {
        return Err(malformed(text, "Junk after right parenthesis."));
    }
    Ok(Datum::Record(RecordValue { type_oid, desc, fields: fields.into() }.into()))
}

/// One column's text without quotes and escapes, and what follows it.
fn read_column(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut in_quotes = false;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            ',' | ')' if !in_quotes => return Some((value, &text[at..])),
            '\\' => value.push(chars.next()?.1),
            '"' if !in_quotes => in_quotes = true,
            '"' => match chars.peek() {
                Some((_, '"')) => {
                    chars.next();
                    value.push('"');
                }
                _ => in_quotes = false,
            },
            _ => value.push(c),
        }
    }
    None
}

/// Appends a row's text form.
///
/// # Errors
/// Those of the columns' output functions.
pub(crate) fn output(record: &RecordValue, env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    out.push(b'(');
    let mut is_first = true;
    for (attr, field) in record.desc.attrs.iter().zip(&record.fields) {
        if attr.dropped {
            continue;
        }
        if !is_first {
            out.push(b',');
        }
        is_first = false;
        if field.is_null() {
            continue;
        }
        let start = out.len();
        io::output(field, attr.type_oid, env, out)?;
        let special = |byte: &u8| {
            matches!(byte, b'"' | b'\\' | b'(' | b')' | b',' | b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C)
        };
        if out.len() > start && !out[start..].iter().any(special) {
            continue;
        }
        let text = out.split_off(start);
        out.push(b'"');
        for byte in text {
            if matches!(byte, b'"' | b'\\') {
                out.push(byte);
            }
            out.push(byte);
        }
        out.push(b'"');
    }
    out.push(b')');
    Ok(())
}

/// Parses a row's binary form.
///
/// # Errors
/// `22P03` and `08P01` for malformed bytes, `42804` for other columns.
pub(crate) fn recv(type_oid: Oid, bytes: &[u8], env: &dyn Env) -> PgResult<Datum> {
    if type_oid == types::RECORD {
        return Err(PgError::new(
            code::FEATURE_NOT_SUPPORTED,
            "input of anonymous composite types is not implemented",
        ));
    }
    let desc = env.composite_desc(type_oid)?;
    let mut reader = BinaryReader::new(bytes);
    let count = reader.i32()?;
    let live = desc.attrs.iter().filter(|attr| !attr.dropped).count();
    if count as usize != live {
        return Err(PgError::new(
            code::DATATYPE_MISMATCH,
            format!("wrong number of columns: {count}, expected {live}"),
        ));
    }
    let mut fields = Vec::with_capacity(desc.len());
    for (at, attr) in desc.attrs.iter().enumerate() {
        if attr.dropped {
            fields.push(Datum::Null);
            continue;
        }
        let sent_type = reader.u32()?;
        if sent_type != attr.type_oid {
            let (sent, expected) = (env.type_name(sent_type, -1)?, env.type_name(attr.type_oid, -1)?);
            return Err(PgError::new(
                code::DATATYPE_MISMATCH,
                format!(
                    "binary data has type {sent_type} ({sent}) instead of expected {} ({expected}) in record column {}",
                    attr.type_oid,
                    at + 1
                ),
            ));
        }
        let len = reader.i32()?;
        fields.push(match len {
            -1 => io::null_input(attr.type_oid, env)?,
            0.. => io::recv(attr.type_oid, attr.typmod, reader.take(len as usize)?, env)?,
            _ => return Err(crate::binary::insufficient()),
        });
    }
    reader.finish()?;
    Ok(Datum::Record(RecordValue { type_oid, desc, fields: fields.into() }.into()))
}

/// Appends a row's binary form.
///
/// # Errors
/// Those of the columns' send functions.
pub(crate) fn send(record: &RecordValue, env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    let live = record.desc.attrs.iter().filter(|attr| !attr.dropped).count();
    out.extend_from_slice(&(live as i32).to_be_bytes());
    for (attr, field) in record.desc.attrs.iter().zip(&record.fields) {
        if attr.dropped {
            continue;
        }
        out.extend_from_slice(&attr.type_oid.to_be_bytes());
        if field.is_null() {
            out.extend_from_slice(&(-1i32).to_be_bytes());
            continue;
        }
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        io::send(field, attr.type_oid, env, out)?;
        let len = (out.len() - at - 4) as i32;
        out[at..at + 4].copy_from_slice(&len.to_be_bytes());
    }
    Ok(())
}

fn live(desc: &TupleDesc) -> impl Iterator<Item = (usize, &crate::Attribute)> {
    desc.attrs.iter().enumerate().filter(|(_, attr)| !attr.dropped)
}

/// Compares rows column by column, as far as both have them.
fn row_order(ctx: &CallContext<'_>, a: &RecordValue, b: &RecordValue) -> PgResult<Ordering> {
    let mismatch = |message: String| PgError::new(code::DATATYPE_MISMATCH, message);
    let (mut left, mut right) = (live(&a.desc), live(&b.desc));
    let mut column = 0;
    loop {
        column += 1;
        match (left.next(), right.next()) {
            (None, None) => return Ok(Ordering::Equal),
            (Some((i, x)), Some((j, y))) => {
                if x.type_oid != y.type_oid {
                    let name = |oid| ctx.env.type_name(oid, -1);
                    return Err(mismatch(format!(
                        "cannot compare dissimilar column types {} and {} at record column {column}",
                        name(x.type_oid)?,
                        name(y.type_oid)?
                    )));
                }
                compare::check_ordered(x.type_oid, ctx.env)?;
                let order = compare::cmp(x.type_oid, &a.fields[i], &b.fields[j]);
                if order.is_ne() {
                    return Ok(order);
                }
            }
            _ => {
                return Err(mismatch(
                    "cannot compare record types with different numbers of columns".to_owned(),
                ));
            }
        }
    }
}

fn record_cmp(ctx: &CallContext<'_>, a: &RecordValue, b: &RecordValue) -> PgResult<i32> {
    row_order(ctx, a, b).map(|order| order as i32)
}

fn record_eq(ctx: &CallContext<'_>, a: &RecordValue, b: &RecordValue) -> PgResult<bool> {
    row_order(ctx, a, b).map(Ordering::is_eq)
}

fn record_ne(ctx: &CallContext<'_>, a: &RecordValue, b: &RecordValue) -> PgResult<bool> {
    row_order(ctx, a, b).map(Ordering::is_ne)
}

fn record_lt(ctx: &CallContext<'_>, a: &RecordValue, b: &RecordValue) -> PgResult<bool> {
    row_order(ctx, a, b).map(Ordering::is_lt)
}

fn record_le(ctx: &CallContext<'_>, a: &RecordValue, b: &RecordValue) -> PgResult<bool> {
    row_order(ctx, a, b).map(Ordering::is_le)
}

fn record_gt(ctx: &CallContext<'_>, a: &RecordValue, b: &RecordValue) -> PgResult<bool> {
    row_order(ctx, a, b).map(Ordering::is_gt)
}

fn record_ge(ctx: &CallContext<'_>, a: &RecordValue, b: &RecordValue) -> PgResult<bool> {
    row_order(ctx, a, b).map(Ordering::is_ge)
}

builtins! {
    "record_eq" = record_eq: (ctx, 2);
    "record_ne" = record_ne: (ctx, 2);
    "record_lt" = record_lt: (ctx, 2);
    "record_le" = record_le: (ctx, 2);
    "record_gt" = record_gt: (ctx, 2);
    "record_ge" = record_ge: (ctx, 2);
    "btrecordcmp" = record_cmp: (ctx, 2);
}
