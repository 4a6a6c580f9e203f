//! Quoting identifiers and literals, `concat`, `format` and `parse_ident`.

use crate::args::builtins;
use crate::keywords::needs_quotes;
use crate::string_ops::{char_count, value_text};
use crate::text::is_c_space;
use crate::{ArrayValue, CallContext, Datum, Oid, types};
use redoubt_error::{PgError, PgResult, code};
use std::borrow::Cow;

/// Quotes an identifier where the grammar needs it: anything but lower-case letters, digits and
/// underscores, and keywords that are not unreserved.
pub fn quote_identifier(name: &str) -> Cow<'_, str> {
    let plain_start = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let plain =
        plain_start && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain && !needs_quotes(name) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(format!("\"{}\"", name.replace('"', "\"\"")))
}

/// Quotes a string as an SQL literal, with the `E` prefix when it holds backslashes.
pub fn quote_literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 3);
    if text.contains('\\') {
        out.push('E');
    }
    out.push('\'');
    for c in text.chars() {
        if c == '\'' || c == '\\' {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
    out
}

fn quote_ident(ctx: &CallContext<'_>, name: &str) -> String {
    if ctx.env.settings().quote_all_identifiers {
        return format!("\"{}\"", name.replace('"', "\"\""));
    }
    quote_identifier(name).into_owned()
}

fn quote_literal_text(text: &str) -> String {
    quote_literal(text)
}

fn quote_nullable(text: Option<&str>) -> String {
    text.map_or_else(|| "NULL".to_owned(), quote_literal)
}

/// The arguments from `first` on, or the elements of a VARIADIC array, with their types.
/// `None` for a NULL array.
pub(crate) fn spread(
    ctx: &CallContext<'_>,
    args: &[Datum],
    first: usize,
) -> PgResult<Option<Vec<(Datum, Oid)>>> {
    if !ctx.variadic {
        let typed = |(at, value): (usize, &Datum)| Ok((value.clone(), ctx.arg_type(at)?));
        return args.iter().enumerate().skip(first).map(typed).collect::<PgResult<_>>().map(Some);
    }
    match args.get(first) {
        Some(Datum::Array(array)) => {
            Ok(Some(array.elems.iter().map(|value| (value.clone(), array.elem_type)).collect()))
        }
        _ => Ok(None),
    }
}

/// Values that are not NULL, joined.
fn join(ctx: &CallContext<'_>, values: &[(Datum, Oid)], separator: &str) -> PgResult<Datum> {
    let mut out = String::new();
    let mut first = true;
    for (value, type_oid) in values.iter().filter(|(value, _)| !value.is_null()) {
        if !first {
            out.push_str(separator);
        }
        first = false;
        out.push_str(&value_text(ctx, value, *type_oid)?);
    }
    crate::text::check_allocation(out.len() + 4)?;
    Ok(Datum::text(out))
}

fn concat(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    spread(ctx, args, 0)?.map_or(Ok(Datum::Null), |values| join(ctx, &values, ""))
}

fn concat_ws(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let separator = match args.first() {
        Some(Datum::Null) | None => return Ok(Datum::Null),
        Some(separator) => separator.as_str()?,
    };
    spread(ctx, args, 1)?.map_or(Ok(Datum::Null), |values| join(ctx, &values, separator))
}

fn invalid_parameter(message: impl Into<String>) -> PgError {
    PgError::new(code::INVALID_PARAMETER_VALUE, message)
}

/// One parsed conversion of a format string.
struct Conversion {
    /// One-based argument, when written as `n$`.
    argument: Option<i32>,
    align_left: bool,
    width: Width,
    kind: char,
}

enum Width {
    Literal(i32),
    /// `*`: the next argument, or the one named by `*n$`.
    Argument(Option<i32>),
}

/// Reads conversions out of a format string.
struct FormatParser<'a> {
    rest: &'a str,
}

impl FormatParser<'_> {
    fn peek(&self) -> PgResult<char> {
        self.rest.chars().next().ok_or_else(|| {
            invalid_parameter("unterminated format() type specifier").hint("For a single \"%\" use \"%%\".")
        })
    }

    fn skip(&mut self) {
        let len = self.rest.chars().next().map_or(0, char::len_utf8);
        self.rest = &self.rest[len..];
    }

    /// A run of digits, if there is one. A character must follow.
    fn number(&mut self) -> PgResult<Option<i32>> {
        let mut value = None;
        while let Some(digit) = self.peek()?.to_digit(10) {
            let next = value.unwrap_or(0i32).checked_mul(10).and_then(|tens| tens.checked_add(digit as i32));
            value =
                Some(next.ok_or_else(|| {
                    PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "number is out of range")
                })?);
            self.skip();
        }
        Ok(value)
    }

    /// What follows a percent sign.
    fn conversion(&mut self) -> PgResult<Conversion> {
        let check_position = |number: i32| {
            if number == 0 {
                return Err(invalid_parameter(
                    "format specifies argument 0, but arguments are numbered from 1",
                ));
            }
            Ok(number)
        };
        let mut conversion =
            Conversion { argument: None, align_left: false, width: Width::Literal(0), kind: ' ' };
        if let Some(number) = self.number()? {
            if self.peek()? != '$' {
                // A plain width ends the specification.
                conversion.width = Width::Literal(number);
                conversion.kind = self.kind()?;
                return Ok(conversion);
            }
            conversion.argument = Some(check_position(number)?);
            self.skip();
        }
        while self.peek()? == '-' {
            conversion.align_left = true;
            self.skip();
        }
        if self.peek()? == '*' {
            self.skip();
            let position = self.number()?;
            if let Some(number) = position {
                if self.peek()? != '$' {
                    return Err(invalid_parameter("width argument position must be ended by \"$\""));
                }
                check_position(number)?;
                self.skip();
            }
            conversion.width = Width::Argument(position);
        } else if let Some(number) = self.number()? {
            conversion.width = Width::Literal(number);
        }
        conversion.kind = self.kind()?;
        Ok(conversion)
    }

    fn kind(&mut self) -> PgResult<char> {
        let kind = self.peek()?;
        if !matches!(kind, 's' | 'I' | 'L') {
            return Err(invalid_parameter(format!("unrecognized format() type specifier \"{kind}\""))
                .hint("For a single \"%\" use \"%%\"."));
        }
        self.skip();
        Ok(kind)
    }
}

/// Hands out arguments in order or by position.
struct Arguments {
    values: Vec<(Datum, Oid)>,
    next: usize,
}

impl Arguments {
    fn take(&mut self, position: Option<i32>) -> PgResult<(Datum, Oid)> {
        if let Some(position) = position {
            self.next = position as usize - 1;
        }
        let value = self.values.get(self.next).cloned();
        self.next += 1;
        value.ok_or_else(|| invalid_parameter("too few arguments for format()"))
    }
}

/// `format(text, ...)`.
fn format_text(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let template = match args.first() {
        Some(Datum::Null) | None => return Ok(Datum::Null),
        Some(template) => template.as_str()?,
    };
    let mut arguments = Arguments { values: spread(ctx, args, 1)?.unwrap_or_default(), next: 0 };
    let mut out = String::with_capacity(template.len() + 16);
    let mut parser = FormatParser { rest: template };
    while let Some(at) = parser.rest.find('%') {
        out.push_str(&parser.rest[..at]);
        parser.rest = &parser.rest[at + 1..];
        if parser.peek()? == '%' {
            out.push('%');
            parser.skip();
            continue;
        }
        let conversion = parser.conversion()?;
        let width = match conversion.width {
            Width::Literal(width) => width,
            Width::Argument(position) => {
                let (value, type_oid) = arguments.take(position)?;
                width_argument(ctx, &value, type_oid)?
            }
        };
        let (value, type_oid) = arguments.take(conversion.argument)?;
        let text = converted(ctx, conversion.kind, &value, type_oid)?;
        append_padded(&mut out, &text, width, conversion.align_left)?;
    }
    out.push_str(parser.rest);
    Ok(Datum::text(out))
}

fn width_argument(ctx: &CallContext<'_>, value: &Datum, type_oid: Oid) -> PgResult<i32> {
    match value {
        Datum::Null => Ok(0),
        Datum::Int4(width) => Ok(*width),
        Datum::Int2(width) => Ok(i32::from(*width)),
        other => {
            let text = value_text(ctx, other, type_oid)?;
            crate::io::input(types::INT4, -1, &text, ctx.env)?.as_int4()
        }
    }
}

fn converted<'a>(
    ctx: &CallContext<'_>,
    kind: char,
    value: &'a Datum,
    type_oid: Oid,
) -> PgResult<Cow<'a, str>> {
    if value.is_null() {
        return match kind {
            's' => Ok(Cow::Borrowed("")),
            'L' => Ok(Cow::Borrowed("NULL")),
            _ => Err(PgError::new(
                code::NULL_VALUE_NOT_ALLOWED,
                "null values cannot be formatted as an SQL identifier",
            )),
        };
    }
    let text = value_text(ctx, value, type_oid)?;
    Ok(match kind {
        'I' => Cow::Owned(quote_ident(ctx, &text)),
        'L' => Cow::Owned(quote_literal(&text)),
        _ => text,
    })
}

fn append_padded(out: &mut String, text: &str, width: i32, align_left: bool) -> PgResult<()> {
    let magnitude = width
        .checked_abs()
        .ok_or_else(|| PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "number is out of range"))?;
    let missing = (magnitude as usize).saturating_sub(char_count(text));
    crate::text::check_allocation(out.len() + text.len() + missing + 4)?;
    let blanks = std::iter::repeat_n(' ', missing);
    if align_left || width < 0 {
        out.push_str(text);
        out.extend(blanks);
    } else {
        out.extend(blanks);
        out.push_str(text);
    }
    Ok(())
}

fn bad_identifier(text: &str) -> PgError {
    invalid_parameter(format!("string is not a valid identifier: \"{text}\""))
}

/// Splits a qualified name into its identifiers.
fn parse_ident(text: &str, strict: bool) -> PgResult<ArrayValue> {
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
    let is_part = |c: char| is_start(c) || c.is_ascii_digit() || c == '$';
    let mut rest = text.trim_start_matches(is_c_space);
    let mut parts = Vec::new();
    let mut after_dot = false;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (name, tail) = quoted_identifier(quoted)
                .ok_or_else(|| bad_identifier(text).detail("String has unclosed double quotes."))?;
            if name.is_empty() {
                return Err(bad_identifier(text).detail("Quoted identifier must not be empty."));
            }
            parts.push(Datum::text(name));
            rest = tail;
        } else if rest.starts_with(is_start) {
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            parts.push(Datum::text(rest[..end].to_ascii_lowercase()));
            rest = &rest[end..];
        } else {
            let error = bad_identifier(text);
            return Err(if rest.starts_with('.') {
                error.detail("No valid identifier before \".\".")
            } else if after_dot {
                error.detail("No valid identifier after \".\".")
            } else {
                error
            });
        }
        rest = rest.trim_start_matches(is_c_space);
        match rest.strip_prefix('.') {
            Some(tail) => {
                after_dot = true;
                rest = tail.trim_start_matches(is_c_space);
            }
            None if rest.is_empty() || !strict => return Ok(ArrayValue::from_elems(types::TEXT, parts)),
            None => return Err(bad_identifier(text)),
        }
    }
}

/// The content of a quoted identifier whose opening quote is gone, and what follows it.
fn quoted_identifier(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let at = rest.find('"')?;
        name.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('"') {
            Some(tail) => {
                name.push('"');
                rest = tail;
            }
            None => return Some((name, rest)),
        }
    }
}

builtins! {
    "quote_ident" = quote_ident: (ctx, 1);
    "quote_literal" = quote_literal_text: 1;
    "quote_nullable" = quote_nullable: 1;
    "text_concat" = concat;
    "text_concat_ws" = concat_ws;
    "text_format" = format_text;
    "text_format_nv" = format_text;
    "parse_ident" = parse_ident: 2;
}
