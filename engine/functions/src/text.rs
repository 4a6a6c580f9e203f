//! `text`, `varchar`, `bpchar` and `name`: formats and length coercion.

use crate::args::builtins;
use crate::binary::client_text;
use crate::io::TypeIo;
use crate::{CallContext, Datum};
use redoubt_error::{PgError, PgResult, code};
use std::borrow::Cow;
use std::sync::Arc;

/// Bytes in a `name` besides PostgreSQL's terminating zero.
pub const NAME_MAX_BYTES: usize = 63;

/// A typmod of these types is the declared length plus this header size.
const TYPMOD_HEADER: i32 = 4;

/// `isspace` in the C locale.
pub fn is_c_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0B' | '\x0C' | '\r')
}

fn output_text(datum: &Datum, _env: &dyn crate::Env, out: &mut Vec<u8>) -> PgResult<()> {
    out.extend_from_slice(datum.as_str()?.as_bytes());
    Ok(())
}

/// `text`, `unknown` and C strings.
pub(crate) static TEXT_IO: TypeIo = TypeIo {
    input: |text, _, _| Ok(Datum::text(text)),
    output: output_text,
    recv: |bytes, _, _| client_text(bytes).map(Datum::text),
    send: output_text,
};

/// `varchar`.
pub(crate) static VARCHAR_IO: TypeIo = TypeIo {
    input: |text, typmod, _| coerce_varchar(text, typmod, false).map(Datum::text),
    output: output_text,
    recv: |bytes, typmod, _| coerce_varchar(client_text(bytes)?, typmod, false).map(Datum::text),
    send: output_text,
};

/// `bpchar`, which is `char(n)`.
pub(crate) static BPCHAR_IO: TypeIo = TypeIo {
    input: |text, typmod, _| coerce_bpchar(text, typmod, false).map(Datum::text),
    output: output_text,
    recv: |bytes, typmod, _| coerce_bpchar(client_text(bytes)?, typmod, false).map(Datum::text),
    send: output_text,
};

/// `name`.
pub(crate) static NAME_IO: TypeIo = TypeIo {
    input: |text, _, _| Ok(Datum::text(truncate_name(text))),
    output: output_text,
    recv: |bytes, _, _| {
        let text = client_text(bytes)?;
        if text.len() > NAME_MAX_BYTES {
            return Err(PgError::new(code::NAME_TOO_LONG, "identifier too long")
                .detail(format!("Identifier must be less than {} characters.", NAME_MAX_BYTES + 1)));
        }
        Ok(Datum::text(text))
    },
    send: output_text,
};

/// The first 63 bytes at most, never cutting a character in two.
pub fn truncate_name(text: &str) -> &str {
    &text[..text.floor_char_boundary(NAME_MAX_BYTES)]
}

/// Byte offset of the character at `index`, if the string has more characters than that.
fn nth_char_offset(text: &str, index: usize) -> Option<usize> {
    if text.len() <= index {
        return None;
    }
    if text.is_ascii() {
        return Some(index);
    }
    text.char_indices().nth(index).map(|(offset, _)| offset)
}

/// `22001` for a value that does not fit.
fn too_long(type_name: &str, limit: usize) -> PgError {
    PgError::new(code::STRING_DATA_RIGHT_TRUNCATION, format!("value too long for type {type_name}({limit})"))
}

/// Applies `varchar(n)`: blanks beyond the limit are dropped, anything else is an error unless
/// the cast is explicit.
///
/// # Errors
/// `22001`.
pub(crate) fn coerce_varchar(text: &str, typmod: i32, explicit: bool) -> PgResult<&str> {
    if typmod < TYPMOD_HEADER {
        return Ok(text);
    }
    let limit = (typmod - TYPMOD_HEADER) as usize;
    match nth_char_offset(text, limit) {
        None => Ok(text),
        Some(offset) if explicit || text.as_bytes()[offset..].iter().all(|&byte| byte == b' ') => {
            Ok(&text[..offset])
        }
        Some(_) => Err(too_long("character varying", limit)),
    }
}

/// Applies `char(n)`: shorter values are padded with blanks, longer ones treated as by
/// [`coerce_varchar`].
///
/// # Errors
/// `22001`.
pub(crate) fn coerce_bpchar(text: &str, typmod: i32, explicit: bool) -> PgResult<Cow<'_, str>> {
    if typmod < TYPMOD_HEADER {
        return Ok(Cow::Borrowed(text));
    }
    let limit = (typmod - TYPMOD_HEADER) as usize;
    if let Some(offset) = nth_char_offset(text, limit) {
        if explicit || text.as_bytes()[offset..].iter().all(|&byte| byte == b' ') {
            return Ok(Cow::Borrowed(&text[..offset]));
        }
        return Err(too_long("character", limit));
    }
    let missing = limit - text.chars().count();
    if missing == 0 {
        return Ok(Cow::Borrowed(text));
    }
    check_allocation(text.len() + missing + 4)?;
    let mut padded = String::with_capacity(text.len() + missing);
    padded.push_str(text);
    padded.extend(std::iter::repeat_n(' ', missing));
    Ok(Cow::Owned(padded))
}

/// Values are limited to a gigabyte, as in PostgreSQL. `bytes` includes the length word.
///
/// # Errors
/// `XX000`, in the words of PostgreSQL's allocator.
pub(crate) fn check_allocation(bytes: usize) -> PgResult<()> {
    const MAX_ALLOCATION: usize = 0x3FFF_FFFF;
    if bytes > MAX_ALLOCATION {
        return Err(PgError::internal(format!("invalid memory alloc request size {bytes}")));
    }
    Ok(())
}

/// The value of a `bpchar` for comparison: without trailing blanks.
#[inline]
pub fn bpchar_key(text: &str) -> &str {
    text.trim_end_matches(' ')
}

/// Cast function `varchar(varchar, int4, bool)`.
fn varchar_cast(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let [value, typmod, explicit] = args else {
        return Err(PgError::internal("varchar takes three arguments"));
    };
    let text = value.as_str()?;
    let coerced = coerce_varchar(text, typmod.as_int4()?, explicit.as_bool()?)?;
    Ok(if coerced.len() == text.len() { value.clone() } else { Datum::text(coerced) })
}

/// Cast function `bpchar(bpchar, int4, bool)`.
fn bpchar_cast(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let [value, typmod, explicit] = args else {
        return Err(PgError::internal("bpchar takes three arguments"));
    };
    let text = value.as_str()?;
    let coerced = coerce_bpchar(text, typmod.as_int4()?, explicit.as_bool()?)?;
    Ok(if coerced.len() == text.len() { value.clone() } else { Datum::text(coerced) })
}

fn text_to_name(value: &Arc<str>) -> Arc<str> {
    if value.len() <= NAME_MAX_BYTES { value.clone() } else { truncate_name(value).into() }
}

fn name_to_text(value: &Arc<str>) -> Arc<str> {
    value.clone()
}

fn bpchar_to_text(value: &Arc<str>) -> Arc<str> {
    let trimmed = bpchar_key(value);
    if trimmed.len() == value.len() { value.clone() } else { trimmed.into() }
}

fn bpchar_to_name(value: &Arc<str>) -> Arc<str> {
    let trimmed = bpchar_key(truncate_name(value));
    if trimmed.len() == value.len() { value.clone() } else { trimmed.into() }
}

builtins! {
    "varchar" = varchar_cast;
    "bpchar" = bpchar_cast;
    "text_name" = text_to_name: 1;
    "name_text" = name_to_text: 1;
    "name_bpchar" = name_to_text: 1;
    "rtrim1" = bpchar_to_text: 1;
    "bpchar_name" = bpchar_to_name: 1;
}
