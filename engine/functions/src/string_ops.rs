//! Operators and functions of strings: comparison, concatenation, parts, padding, case.
//!
//! Positions and lengths count characters. Case mapping is that of the C locale: ASCII only.

use crate::args::builtins;
use crate::text::{NAME_MAX_BYTES, bpchar_key};
use crate::{Datum, Oid, types};
use redoubt_error::{PgError, PgResult, code};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

/// What C's `memcmp` tells, as the comparison support functions return it.
fn byte_difference(a: &[u8], b: &[u8]) -> i32 {
    match a.iter().zip(b).find(|(x, y)| x != y) {
        Some((x, y)) => i32::from(*x) - i32::from(*y),
        None => a.len().cmp(&b.len()) as i32,
    }
}

fn text_cmp(a: &str, b: &str) -> i32 {
    byte_difference(a.as_bytes(), b.as_bytes())
}

/// As C's `strncmp`, which sees a zero byte at the end of the shorter name.
fn name_cmp(a: &str, b: &str) -> i32 {
    let bytes = |name: &str| name.bytes().chain([0]).collect::<Vec<u8>>();
    byte_difference(&bytes(a), &bytes(b))
}

fn eq(a: &str, b: &str) -> bool {
    a == b
}

fn ne(a: &str, b: &str) -> bool {
    a != b
}

fn lt(a: &str, b: &str) -> bool {
    a < b
}

fn le(a: &str, b: &str) -> bool {
    a <= b
}

fn gt(a: &str, b: &str) -> bool {
    a > b
}

fn ge(a: &str, b: &str) -> bool {
    a >= b
}

fn larger(a: &Arc<str>, b: &Arc<str>) -> Arc<str> {
    if a > b { a.clone() } else { b.clone() }
}

fn smaller(a: &Arc<str>, b: &Arc<str>) -> Arc<str> {
    if a < b { a.clone() } else { b.clone() }
}

fn bpchar_order(a: &str, b: &str) -> Ordering {
    bpchar_key(a).cmp(bpchar_key(b))
}

fn bpchar_cmp(a: &str, b: &str) -> i32 {
    text_cmp(bpchar_key(a), bpchar_key(b))
}

fn bpchar_eq(a: &str, b: &str) -> bool {
    bpchar_order(a, b).is_eq()
}

fn bpchar_ne(a: &str, b: &str) -> bool {
    bpchar_order(a, b).is_ne()
}

fn bpchar_lt(a: &str, b: &str) -> bool {
    bpchar_order(a, b).is_lt()
}

fn bpchar_le(a: &str, b: &str) -> bool {
    bpchar_order(a, b).is_le()
}

fn bpchar_gt(a: &str, b: &str) -> bool {
    bpchar_order(a, b).is_gt()
}

fn bpchar_ge(a: &str, b: &str) -> bool {
    bpchar_order(a, b).is_ge()
}

fn bpchar_larger(a: &Arc<str>, b: &Arc<str>) -> Arc<str> {
    if bpchar_order(a, b).is_ge() { a.clone() } else { b.clone() }
}

fn bpchar_smaller(a: &Arc<str>, b: &Arc<str>) -> Arc<str> {
    if bpchar_order(a, b).is_le() { a.clone() } else { b.clone() }
}

/// Number of characters.
#[inline]
pub(crate) fn char_count(text: &str) -> usize {
    // Every character has exactly one byte that is no continuation byte.
    text.bytes().filter(|byte| (*byte as i8) >= -0x40).count()
}

fn length(text: &str) -> i32 {
    char_count(text) as i32
}

fn bpchar_length(text: &str) -> i32 {
    char_count(bpchar_key(text)) as i32
}

fn octet_length(text: &str) -> i32 {
    text.len() as i32
}

/// `||`.
fn concat(a: &str, b: &str) -> PgResult<Arc<str>> {
    crate::text::check_allocation(a.len() + b.len() + 4)?;
    let mut joined = String::with_capacity(a.len() + b.len());
    joined.push_str(a);
    joined.push_str(b);
    Ok(joined.into())
}

/// Byte offset of the character with this index, or the end.
fn char_offset(text: &str, index: usize) -> usize {
    if index == 0 {
        return 0;
    }
    if text.is_ascii() {
        return index.min(text.len());
    }
    text.char_indices().nth(index).map_or(text.len(), |(offset, _)| offset)
}

#[cold]
fn negative_length() -> PgError {
    PgError::new(code::SUBSTRING_ERROR, "negative substring length not allowed")
}

/// Turns SQL's one-based start and length into a zero-based character range.
///
/// # Errors
/// `22011` for a negative length.
pub(crate) fn substring_range(start: i32, length: Option<i32>) -> PgResult<(usize, Option<usize>)> {
    let first = start.max(1) as usize - 1;
    let Some(length) = length else { return Ok((first, None)) };
    if length < 0 {
        return Err(negative_length());
    }
    // An end beyond what an integer holds is beyond the end of any string.
    let end = start.checked_add(length).map(|end| (end.max(1) as usize - 1).max(first));
    Ok((first, end))
}

fn slice(text: &str, start: i32, length: Option<i32>) -> PgResult<&str> {
    let (first, end) = substring_range(start, length)?;
    let from = char_offset(text, first);
    let rest = &text[from..];
    Ok(match end {
        Some(end) => &rest[..char_offset(rest, end - first)],
        None => rest,
    })
}

/// A part of a string as a datum, sharing it when the part is the whole.
fn share(whole: &Arc<str>, part: &str) -> Arc<str> {
    if part.len() == whole.len() { whole.clone() } else { part.into() }
}

fn substr(text: &Arc<str>, start: i32, length: i32) -> PgResult<Arc<str>> {
    slice(text, start, Some(length)).map(|part| share(text, part))
}

fn substr_to_end(text: &Arc<str>, start: i32) -> PgResult<Arc<str>> {
    slice(text, start, None).map(|part| share(text, part))
}

fn overlay(text: &str, replacement: &str, start: i32, length: i32) -> PgResult<String> {
    if start <= 0 {
        return Err(negative_length());
    }
    let resume = start.checked_add(length).ok_or_else(|| crate::integer_ops::out_of_range("integer"))?;
    let head = slice(text, 1, Some(start - 1))?;
    let tail = slice(text, resume, None)?;
    Ok([head, replacement, tail].concat())
}

fn overlay_same_length(text: &str, replacement: &str, start: i32) -> PgResult<String> {
    overlay(text, replacement, start, length(replacement))
}

/// `left(text, n)`: a negative count drops characters from the end.
fn left(text: &Arc<str>, count: i32) -> Arc<str> {
    let keep = if count < 0 {
        char_count(text).saturating_sub(count.unsigned_abs() as usize)
    } else {
        count as usize
    };
    share(text, &text[..char_offset(text, keep)])
}

/// `right(text, n)`: a negative count drops characters from the start.
fn right(text: &Arc<str>, count: i32) -> Arc<str> {
    let skip = if count == i32::MIN {
        // Its negation does not fit, and PostgreSQL drops nothing then.
        0
    } else if count < 0 {
        count.unsigned_abs() as usize
    } else {
        char_count(text).saturating_sub(count as usize)
    };
    share(text, &text[char_offset(text, skip)..])
}

/// One-based position of the first occurrence, 0 if there is none.
fn position(text: &str, part: &str) -> i32 {
    match memchr::memmem::find(text.as_bytes(), part.as_bytes()) {
        Some(at) => char_count(&text[..at]) as i32 + 1,
        None => 0,
    }
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.starts_with(prefix)
}

/// `54000` for strings that would not fit in a gigabyte.
#[cold]
fn too_large() -> PgError {
    PgError::new(code::PROGRAM_LIMIT_EXCEEDED, "requested length too large")
}

/// Checks a result length in bytes.
fn check_size(bytes: Option<usize>) -> PgResult<()> {
    match bytes {
        Some(bytes) if bytes + 4 <= 0x3FFF_FFFF => Ok(()),
        _ => Err(too_large()),
    }
}

fn repeat(ctx: &crate::CallContext<'_>, text: &str, count: i32) -> PgResult<String> {
    let count = count.max(0) as usize;
    check_size(text.len().checked_mul(count))?;
    ctx.env.check_interrupts()?;
    Ok(text.repeat(count))
}

/// The text cut to `len` characters, and the padding it lacks.
fn padding<'a>(text: &'a str, len: i32, fill: &str) -> PgResult<(&'a str, String)> {
    let len = len.max(0) as usize;
    let kept = &text[..char_offset(text, len)];
    let have = char_count(kept);
    let wanted = if fill.is_empty() { have } else { len };
    // Four bytes for every character, as PostgreSQL reckons.
    check_size(wanted.checked_mul(4))?;
    Ok((kept, fill.chars().cycle().take(wanted - have).collect()))
}

fn lpad(text: &str, len: i32, fill: &str) -> PgResult<String> {
    padding(text, len, fill).map(|(kept, pad)| pad + kept)
}

fn rpad(text: &str, len: i32, fill: &str) -> PgResult<String> {
    padding(text, len, fill).map(|(kept, pad)| [kept, &pad].concat())
}

fn trim_start<'a>(text: &'a str, set: &str) -> &'a str {
    text.trim_start_matches(|c| set.contains(c))
}

fn trim_end<'a>(text: &'a str, set: &str) -> &'a str {
    text.trim_end_matches(|c| set.contains(c))
}

fn ltrim(text: &Arc<str>, set: &str) -> Arc<str> {
    share(text, trim_start(text, set))
}

fn rtrim(text: &Arc<str>, set: &str) -> Arc<str> {
    share(text, trim_end(text, set))
}

fn btrim(text: &Arc<str>, set: &str) -> Arc<str> {
    share(text, trim_end(trim_start(text, set), set))
}

fn ltrim_blanks(text: &Arc<str>) -> Arc<str> {
    share(text, text.trim_start_matches(' '))
}

fn btrim_blanks(text: &Arc<str>) -> Arc<str> {
    share(text, text.trim_matches(' '))
}

fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

fn upper(text: &str) -> String {
    text.to_ascii_uppercase()
}

/// First letters of words upper, the rest lower; words are runs of ASCII letters and digits.
fn initcap(text: &str) -> String {
    let mut in_word = false;
    text.chars()
        .map(|c| {
            let mapped = if in_word { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() };
            in_word = c.is_ascii_alphanumeric();
            mapped
        })
        .collect()
}

fn reverse(text: &str) -> String {
    text.chars().rev().collect()
}

fn replace(text: &Arc<str>, from: &str, to: &str) -> PgResult<Arc<str>> {
    if from.is_empty() || text.is_empty() || !text.contains(from) {
        return Ok(text.clone());
    }
    let replaced = text.replace(from, to);
    crate::text::check_allocation(replaced.len() + 4)?;
    Ok(replaced.into())
}

/// Each character of `from` becomes the one at the same place in `to`, or is dropped.
fn translate(text: &str, from: &str, to: &str) -> String {
    let to: Vec<char> = to.chars().collect();
    text.chars()
        .filter_map(|c| match from.chars().position(|f| f == c) {
            Some(at) => to.get(at).copied(),
            None => Some(c),
        })
        .collect()
}

/// The field with this number, counted from the end when negative.
fn split_part(text: &Arc<str>, separator: &str, field: i32) -> PgResult<Arc<str>> {
    if field == 0 {
        return Err(PgError::new(code::INVALID_PARAMETER_VALUE, "field position must not be zero"));
    }
    if separator.is_empty() {
        return Ok(if field.abs() == 1 { text.clone() } else { "".into() });
    }
    let index = field.unsigned_abs() as usize - 1;
    let part = if field > 0 {
        text.split(separator).nth(index)
    } else {
        // Fields are cut from the left even when they are counted from the right.
        let fields: Vec<&str> = text.split(separator).collect();
        fields.len().checked_sub(index + 1).map(|at| fields[at])
    };
    Ok(share(text, part.unwrap_or("")))
}

/// Code point of the first character, 0 for an empty string.
fn ascii(text: &str) -> i32 {
    text.chars().next().map_or(0, |c| c as i32)
}

fn chr(code_point: i32) -> PgResult<String> {
    let limit = |message: String| PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message);
    if code_point < 0 {
        return Err(PgError::new(code::INVALID_PARAMETER_VALUE, "character number must be positive"));
    }
    if code_point == 0 {
        return Err(limit("null character not permitted".to_owned()));
    }
    if code_point > 0x10_FFFF {
        return Err(limit(format!("requested character too large for encoding: {code_point}")));
    }
    char::from_u32(code_point as u32)
        .map(String::from)
        .ok_or_else(|| limit(format!("requested character not valid for encoding: {code_point}")))
}

fn to_hex32(value: i32) -> String {
    format!("{value:x}")
}

fn to_hex64(value: i64) -> String {
    format!("{value:x}")
}

/// `name || oid`: the name is cut so that the OID stays whole.
fn name_concat_oid(name: &str, oid: crate::args::OidArg) -> String {
    let suffix = format!("_{}", oid.0);
    let kept = &name[..name.floor_char_boundary((NAME_MAX_BYTES - suffix.len()).min(name.len()))];
    format!("{kept}{suffix}")
}

fn database_encoding() -> Arc<str> {
    "UTF8".into()
}

/// `pg_typeof`: the declared type, of NULL too.
fn type_of(ctx: &crate::CallContext<'_>, _args: &[Datum]) -> PgResult<Datum> {
    ctx.arg_type(0).map(Datum::Oid)
}

/// `num_nulls` and `num_nonnulls`.
fn count_nulls(ctx: &crate::CallContext<'_>, args: &[Datum], wanted: bool) -> PgResult<Datum> {
    let count = |values: &[Datum]| values.iter().filter(|value| value.is_null() == wanted).count();
    if !ctx.variadic {
        return Ok(Datum::Int4(count(args) as i32));
    }
    Ok(match args {
        [Datum::Array(array)] => Datum::Int4(count(&array.elems) as i32),
        _ => Datum::Null,
    })
}

fn num_nulls(ctx: &crate::CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    count_nulls(ctx, args, true)
}

fn num_nonnulls(ctx: &crate::CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    count_nulls(ctx, args, false)
}

/// A value as its type prints it, for functions that take `any`.
///
/// # Errors
/// Those of the type's output function.
pub(crate) fn value_text<'a>(
    ctx: &crate::CallContext<'_>,
    value: &'a Datum,
    type_oid: Oid,
) -> PgResult<Cow<'a, str>> {
    // All that are kept as text read as they are kept, except what has names in the place of OIDs.
    if let Datum::Text(text) = value
        && type_oid != types::ACLITEM
    {
        return Ok(Cow::Borrowed(text));
    }
    crate::io::output_string(value, type_oid, ctx.env).map(Cow::Owned)
}

builtins! {
    "texteq" = eq: 2;
    "textne" = ne: 2;
    "text_lt" = lt: 2;
    "text_le" = le: 2;
    "text_gt" = gt: 2;
    "text_ge" = ge: 2;
    "bttextcmp" = text_cmp: 2;
    "text_larger" = larger: 2;
    "text_smaller" = smaller: 2;
    "text_pattern_lt" = lt: 2;
    "text_pattern_le" = le: 2;
    "text_pattern_gt" = gt: 2;
    "text_pattern_ge" = ge: 2;
    "bttext_pattern_cmp" = text_cmp: 2;
    "nameeq" = eq: 2;
    "namene" = ne: 2;
    "namelt" = lt: 2;
    "namele" = le: 2;
    "namegt" = gt: 2;
    "namege" = ge: 2;
    "btnamecmp" = name_cmp: 2;
    "nameeqtext" = eq: 2;
    "namenetext" = ne: 2;
    "namelttext" = lt: 2;
    "nameletext" = le: 2;
    "namegttext" = gt: 2;
    "namegetext" = ge: 2;
    "btnametextcmp" = text_cmp: 2;
    "texteqname" = eq: 2;
    "textnename" = ne: 2;
    "textltname" = lt: 2;
    "textlename" = le: 2;
    "textgtname" = gt: 2;
    "textgename" = ge: 2;
    "bttextnamecmp" = text_cmp: 2;
    "bpchareq" = bpchar_eq: 2;
    "bpcharne" = bpchar_ne: 2;
    "bpcharlt" = bpchar_lt: 2;
    "bpcharle" = bpchar_le: 2;
    "bpchargt" = bpchar_gt: 2;
    "bpcharge" = bpchar_ge: 2;
    "bpcharcmp" = bpchar_cmp: 2;
    "bpchar_larger" = bpchar_larger: 2;
    "bpchar_smaller" = bpchar_smaller: 2;
    "bpchar_pattern_lt" = bpchar_lt: 2;
    "bpchar_pattern_le" = bpchar_le: 2;
    "bpchar_pattern_gt" = bpchar_gt: 2;
    "bpchar_pattern_ge" = bpchar_ge: 2;
    "btbpchar_pattern_cmp" = bpchar_cmp: 2;
    "textcat" = concat: 2;
    "textlen" = length: 1;
    "bpcharlen" = bpchar_length: 1;
    "textoctetlen" = octet_length: 1;
    "bpcharoctetlen" = octet_length: 1;
    "text_substr" = substr: 3;
    "text_substr_no_len" = substr_to_end: 2;
    "textoverlay" = overlay: 4;
    "textoverlay_no_len" = overlay_same_length: 3;
    "text_left" = left: 2;
    "text_right" = right: 2;
    "textpos" = position: 2;
    "text_starts_with" = starts_with: 2;
    "repeat" = repeat: (ctx, 2);
    "lpad" = lpad: 3;
    "rpad" = rpad: 3;
    "ltrim" = ltrim: 2;
    "rtrim" = rtrim: 2;
    "btrim" = btrim: 2;
    "ltrim1" = ltrim_blanks: 1;
    "btrim1" = btrim_blanks: 1;
    "lower" = lower: 1;
    "upper" = upper: 1;
    "initcap" = initcap: 1;
    "text_reverse" = reverse: 1;
    "replace_text" = replace: 3;
    "translate" = translate: 3;
    "split_part" = split_part: 3;
    "ascii" = ascii: 1;
    "chr" = chr: 1;
    "to_hex32" = to_hex32: 1;
    "to_hex64" = to_hex64: 1;
    "nameconcatoid" = name_concat_oid: 2;
    "getdatabaseencoding" = database_encoding: 0;
    "pg_typeof" = type_of;
    "pg_num_nulls" = num_nulls;
    "pg_num_nonnulls" = num_nonnulls;
}
