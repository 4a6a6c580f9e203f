//! Arrays: text and binary formats, and those of `oidvector` and `int2vector`.

use crate::binary::{BinaryReader, insufficient};
use crate::composite::{Dimension, MAX_DIMENSIONS, element_count, too_many_dimensions};
use crate::io::{self, TypeIo};
use crate::text::is_c_space;
use crate::{ArrayValue, Datum, Env, Oid, types};
use redoubt_error::{PgError, PgResult, code};

fn malformed(shown: &str, detail: &str) -> PgError {
    let error =
        PgError::new(code::INVALID_TEXT_REPRESENTATION, format!("malformed array literal: \"{shown}\""));
    if detail.is_empty() { error } else { error.detail(detail) }
}

/// Parses an array's text form.
///
/// # Errors
/// `22P02` and the like for malformed text, and the element type's errors.
pub(crate) fn input(elem: &ElementType, typmod: i32, text: &str, env: &dyn Env) -> PgResult<Datum> {
    let (declared, body) = parse_dimensions(text)?;
    if !body.starts_with('{') {
        return Err(malformed(
            text,
            if declared.is_empty() {
                "Array value must start with \"{\" or dimension information."
            } else {
                "Array contents must start with \"{\"."
            },
        ));
    }
    let parsed = Parser::new(body, elem.delim).run()?;
    let lengths = parsed.lengths;
    let dims: Vec<Dimension> = if declared.is_empty() {
        lengths.iter().map(|&len| Dimension { len, lower: 1 }).collect()
    } else {
        if declared.len() != lengths.len() || declared.iter().zip(&lengths).any(|(dim, len)| dim.len != *len)
        {
            return Err(malformed(text, "Specified array dimensions do not match array contents."));
        }
        declared
    };
    if element_count(&dims)? != parsed.items.len() {
        return Err(malformed(text, ""));
    }
    let nulls = env.settings().array_nulls;
    let mut elems = Vec::with_capacity(parsed.items.len());
    for item in &parsed.items {
        elems.push(if nulls && !item.quoted && item.text.eq_ignore_ascii_case("null") {
            io::null_input(elem.oid, env)?
        } else {
            io::input(elem.oid, typmod, &item.text, env)?
        });
    }
    Ok(Datum::Array(ArrayValue::with_dims(elem.oid, &dims, elems)?.into()))
}

/// What array formats need to know about the element type.
pub(crate) struct ElementType {
    pub(crate) oid: Oid,
    pub(crate) delim: char,
}

/// Reads `[lower:upper]...=` if it is there; returns the dimensions and what follows.
fn parse_dimensions(text: &str) -> PgResult<(Vec<Dimension>, &str)> {
    let mut dims = Vec::new();
    let mut rest = text.trim_start_matches(is_c_space);
    while let Some(inner) = rest.strip_prefix('[') {
        if dims.len() >= MAX_DIMENSIONS {
            return Err(too_many_dimensions(dims.len() + 1));
        }
        let number = |text: &str| {
            text.find(|c: char| !c.is_ascii_digit() && c != '-' && c != '+').unwrap_or(text.len())
        };
        let end = number(inner);
        if end == 0 {
            return Err(malformed(text, "\"[\" must introduce explicitly-specified array dimensions."));
        }
        let (mut lower, mut upper, mut tail) = (1, &inner[..end], &inner[end..]);
        if let Some(after) = tail.strip_prefix(':') {
            let end = number(after);
            if end == 0 {
                return Err(malformed(text, "Missing array dimension value."));
            }
            lower = c_integer(upper);
            (upper, tail) = (&after[..end], &after[end..]);
        }
        let upper = c_integer(upper);
        rest = tail
            .strip_prefix(']')
            .ok_or_else(|| malformed(text, "Missing \"]\" after array dimensions."))?
            .trim_start_matches(is_c_space);
        if upper < lower {
            return Err(PgError::new(
                code::ARRAY_SUBSCRIPT_ERROR,
                "upper bound cannot be less than lower bound",
            ));
        }
        let len = i64::from(upper) - i64::from(lower) + 1;
        dims.push(Dimension { len: i32::try_from(len).map_err(|_| crate::composite::size_limit())?, lower });
    }
    if dims.is_empty() {
        return Ok((dims, rest));
    }
    let body =
        rest.strip_prefix('=').ok_or_else(|| malformed(text, "Missing \"=\" after array dimensions."))?;
    Ok((dims, body.trim_start_matches(is_c_space)))
}

/// C's `atoi`: a sign, digits, whatever follows; too many digits wrap around.
fn c_integer(text: &str) -> i32 {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let magnitude = digits[..end].parse::<i64>().unwrap_or(if end == 0 { 0 } else { i64::MAX });
    (if negative { magnitude.wrapping_neg() } else { magnitude }) as i32
}

/// One element's text, without quotes and escapes.
struct Item {
    text: String,
    quoted: bool,
}

struct Parsed {
    /// Lengths of the dimensions; empty for an empty array.
    lengths: Vec<i32>,
    items: Vec<Item>,
}

/// Where the parser is with respect to elements and braces.
#[derive(Clone, Copy, PartialEq)]
enum State {
    NoLevel,
    LevelStarted,
    InElement,
    InQuotes,
    AfterQuotes,
    AfterElementDelimiter,
    LevelCompleted,
    AfterLevelDelimiter,
}

/// Reads the braces of an array literal.
struct Parser<'a> {
    body: &'a str,
    delim: char,
    state: State,
    /// Elements or sub-arrays seen so far in each open level.
    counts: Vec<i32>,
    /// The length that each level must have, once one of its arrays is complete.
    lengths: Vec<Option<i32>>,
    items: Vec<Item>,
    item: Item,
    /// Bytes of the item up to its last significant character.
    significant: usize,
    /// The depth at which elements appear.
    leaf_depth: Option<usize>,
}

impl<'a> Parser<'a> {
    fn new(body: &'a str, delim: char) -> Self {
        Parser {
            body,
            delim,
            state: State::NoLevel,
            counts: Vec::new(),
            lengths: Vec::new(),
            items: Vec::new(),
            item: Item { text: String::new(), quoted: false },
            significant: 0,
            leaf_depth: None,
        }
    }

    fn fail(&self, detail: &str) -> PgError {
        malformed(self.body, detail)
    }

    fn unexpected(&self, c: char) -> PgError {
        self.fail(&format!("Unexpected \"{c}\" character."))
    }

    fn run(mut self) -> PgResult<Parsed> {
        let mut chars = self.body.char_indices();
        let end = loop {
            let Some((at, c)) = chars.next() else { return Err(self.fail("Unexpected end of input.")) };
            if c == '\\' {
                let Some((_, escaped)) = chars.next() else {
                    return Err(self.fail("Unexpected end of input."));
                };
                self.escape(escaped)?;
            } else if c == '"' {
                self.quote()?;
            } else if self.state == State::InQuotes {
                self.item.text.push(c);
            } else if c == '{' {
                self.open()?;
            } else if c == '}' {
                if self.close()? {
                    break at + 1;
                }
            } else if c == self.delim {
                self.delimiter()?;
            } else if is_c_space(c) {
                // Blanks inside an element count when something follows them.
                if !self.item.text.is_empty() && self.state == State::InElement {
                    self.item.text.push(c);
                }
            } else {
                self.character(c)?;
            }
        };
        if !self.body[end..].chars().all(is_c_space) {
            return Err(self.fail("Junk after closing right brace."));
        }
        if self.items.is_empty() {
            return Ok(Parsed { lengths: Vec::new(), items: Vec::new() });
        }
        let lengths = self.lengths.iter().map(|len| len.unwrap_or(0)).collect();
        Ok(Parsed { lengths, items: self.items })
    }

    fn may_start_element(&self) -> bool {
        matches!(self.state, State::LevelStarted | State::AfterElementDelimiter)
    }

    fn escape(&mut self, escaped: char) -> PgResult<()> {
        if !self.may_start_element() && !matches!(self.state, State::InElement | State::InQuotes) {
            return Err(self.unexpected('\\'));
        }
        if self.state != State::InQuotes {
            self.state = State::InElement;
        }
        self.item.text.push(escaped);
        self.item.quoted = true;
        self.significant = self.item.text.len();
        Ok(())
    }

    fn quote(&mut self) -> PgResult<()> {
        if self.state == State::InQuotes {
            self.state = State::AfterQuotes;
            self.significant = self.item.text.len();
            return Ok(());
        }
        if !self.may_start_element() {
            return Err(self.fail("Unexpected array element."));
        }
        self.state = State::InQuotes;
        self.item.quoted = true;
        Ok(())
    }

    fn character(&mut self, c: char) -> PgResult<()> {
        if !self.may_start_element() && self.state != State::InElement {
            return Err(self.fail("Unexpected array element."));
        }
        self.state = State::InElement;
        self.item.text.push(c);
        self.significant = self.item.text.len();
        Ok(())
    }

    fn open(&mut self) -> PgResult<()> {
        if !matches!(self.state, State::NoLevel | State::LevelStarted | State::AfterLevelDelimiter) {
            return Err(self.unexpected('{'));
        }
        if self.counts.len() >= MAX_DIMENSIONS {
            return Err(too_many_dimensions(self.counts.len() + 1));
        }
        self.state = State::LevelStarted;
        self.counts.push(0);
        if self.lengths.len() < self.counts.len() {
            self.lengths.push(None);
        }
        Ok(())
    }

    /// Ends an element, if one is there.
    fn finish_item(&mut self) -> PgResult<()> {
        if !matches!(self.state, State::InElement | State::AfterQuotes) {
            return Ok(());
        }
        let depth = self.counts.len();
        if *self.leaf_depth.get_or_insert(depth) != depth {
            return Err(self.fail(""));
        }
        let mut item = std::mem::replace(&mut self.item, Item { text: String::new(), quoted: false });
        item.text.truncate(self.significant);
        self.significant = 0;
        self.items.push(item);
        *self.counts.last_mut().expect("an element is inside a level") += 1;
        Ok(())
    }

    fn delimiter(&mut self) -> PgResult<()> {
        match self.state {
            State::InElement | State::AfterQuotes => {
                self.finish_item()?;
                self.state = State::AfterElementDelimiter;
            }
            State::LevelCompleted => self.state = State::AfterLevelDelimiter,
            _ => return Err(self.unexpected(self.delim)),
        }
        Ok(())
    }

    /// Ends a level; true when it was the outermost.
    fn close(&mut self) -> PgResult<bool> {
        let empty_array = self.counts.len() == 1 && self.state == State::LevelStarted;
        if !empty_array
            && !matches!(self.state, State::InElement | State::AfterQuotes | State::LevelCompleted)
        {
            return Err(self.unexpected('}'));
        }
        self.finish_item()?;
        self.state = State::LevelCompleted;
        let Some(count) = self.counts.pop() else { return Err(self.fail("Unmatched \"}\" character.")) };
        let depth = self.counts.len();
        if self.lengths[depth].is_some_and(|len| len != count) {
            return Err(self.fail("Multidimensional arrays must have sub-arrays with matching dimensions."));
        }
        self.lengths[depth] = Some(count);
        match self.counts.last_mut() {
            Some(outer) => {
                *outer += 1;
                Ok(false)
            }
            None => Ok(true),
        }
    }
}

/// Appends an array's text form.
///
/// # Errors
/// Those of the element type's output function.
pub(crate) fn output(
    array: &ArrayValue,
    elem: &ElementType,
    env: &dyn Env,
    out: &mut Vec<u8>,
) -> PgResult<()> {
    if array.dims.is_empty() {
        out.extend_from_slice(b"{}");
        return Ok(());
    }
    if array.dims.iter().any(|dim| dim.lower != 1) {
        for dim in &array.dims {
            let upper = i64::from(dim.lower) + i64::from(dim.len) - 1;
            out.extend_from_slice(format!("[{}:{upper}]", dim.lower).as_bytes());
        }
        out.push(b'=');
    }
    let mut elems = array.elems.iter();
    write_level(&array.dims, &mut elems, elem, env, out)
}

fn write_level(
    dims: &[Dimension],
    elems: &mut std::slice::Iter<'_, Datum>,
    elem: &ElementType,
    env: &dyn Env,
    out: &mut Vec<u8>,
) -> PgResult<()> {
    out.push(b'{');
    for at in 0..dims[0].len {
        if at > 0 {
            out.push(elem.delim as u8);
        }
        if dims.len() > 1 {
            write_level(&dims[1..], elems, elem, env, out)?;
        } else if let Some(datum) = elems.next() {
            write_element(datum, elem, env, out)?;
        }
    }
    out.push(b'}');
    Ok(())
}

fn write_element(datum: &Datum, elem: &ElementType, env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    if datum.is_null() {
        out.extend_from_slice(b"NULL");
        return Ok(());
    }
    let start = out.len();
    io::output(datum, elem.oid, env, out)?;
    let text = &out[start..];
    let special = |byte: &u8| {
        matches!(byte, b'"' | b'\\' | b'{' | b'}' | b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C)
            || char::from(*byte) == elem.delim
    };
    if !text.is_empty() && !text.eq_ignore_ascii_case(b"null") && !text.iter().any(special) {
        return Ok(());
    }
    let text = out.split_off(start);
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
    Ok(())
}

/// Parses an array's binary form.
///
/// # Errors
/// `22P03` and `08P01` for malformed bytes, `42804` for another element type.
pub(crate) fn recv(elem_type: Oid, typmod: i32, bytes: &[u8], env: &dyn Env) -> PgResult<Datum> {
    let bad = |message: String| PgError::new(code::INVALID_BINARY_REPRESENTATION, message);
    let mut reader = BinaryReader::new(bytes);
    let ndim = reader.i32()?;
    if ndim < 0 {
        return Err(bad(format!("invalid number of dimensions: {ndim}")));
    }
    if ndim as usize > MAX_DIMENSIONS {
        return Err(too_many_dimensions(ndim as usize));
    }
    if !(0..=1).contains(&reader.i32()?) {
        return Err(bad("invalid array flags".to_owned()));
    }
    let sent_type = reader.u32()?;
    if sent_type != elem_type {
        let (sent, expected) = (env.type_name(sent_type, -1)?, env.type_name(elem_type, -1)?);
        return Err(PgError::new(
            code::DATATYPE_MISMATCH,
            format!(
                "binary data has array element type {sent_type} ({sent}) instead of expected {elem_type} ({expected})"
            ),
        ));
    }
    let mut dims = Vec::with_capacity(ndim as usize);
    for _ in 0..ndim {
        dims.push(Dimension { len: reader.i32()?, lower: reader.i32()? });
    }
    let count = element_count(&dims)?;
    let mut elems = Vec::with_capacity(count.min(reader.remaining() / 4));
    for _ in 0..count {
        let len = reader.i32()?;
        elems.push(match len {
            -1 => io::null_input(elem_type, env)?,
            0.. => {
                let bytes = reader.take(len as usize).map_err(|_| {
                    PgError::new(code::INVALID_BINARY_REPRESENTATION, insufficient().message())
                })?;
                io::recv(elem_type, typmod, bytes, env)?
            }
            _ => return Err(bad("insufficient data left in message".to_owned())),
        });
    }
    reader.finish()?;
    Ok(Datum::Array(ArrayValue::with_dims(elem_type, &dims, elems)?.into()))
}

/// Appends an array's binary form.
///
/// # Errors
/// Those of the element type's send function.
pub(crate) fn send(array: &ArrayValue, env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    out.extend_from_slice(&(array.ndim() as i32).to_be_bytes());
    out.extend_from_slice(&i32::from(array.has_nulls()).to_be_bytes());
    out.extend_from_slice(&array.elem_type.to_be_bytes());
    for dim in &array.dims {
        out.extend_from_slice(&dim.len.to_be_bytes());
        out.extend_from_slice(&dim.lower.to_be_bytes());
    }
    for elem in &array.elems {
        if elem.is_null() {
            out.extend_from_slice(&(-1i32).to_be_bytes());
            continue;
        }
        let at = out.len();
        out.extend_from_slice(&[0; 4]);
        io::send(elem, array.elem_type, env, out)?;
        let len = (out.len() - at - 4) as i32;
        out[at..at + 4].copy_from_slice(&len.to_be_bytes());
    }
    Ok(())
}

/// `oidvector`: OIDs separated by blanks.
pub(crate) static OIDVECTOR_IO: TypeIo = TypeIo {
    input: |text, _, env| vector_input(types::OID, text, env),
    output: vector_output,
    recv: |bytes, _, env| vector_recv(types::OID, bytes, env),
    send: vector_send,
};

/// `int2vector`: small integers separated by blanks.
pub(crate) static INT2VECTOR_IO: TypeIo = TypeIo {
    input: |text, _, env| vector_input(types::INT2, text, env),
    output: vector_output,
    recv: |bytes, _, env| vector_recv(types::INT2, bytes, env),
    send: vector_send,
};

fn vector_input(elem_type: Oid, text: &str, env: &dyn Env) -> PgResult<Datum> {
    let items = text.split(is_c_space).filter(|item| !item.is_empty());
    let elems = items.map(|item| io::input(elem_type, -1, item, env)).collect::<PgResult<_>>()?;
    Ok(Datum::Array(ArrayValue::vector(elem_type, elems).into()))
}

fn vector_output(datum: &Datum, env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    let array = datum.as_array()?;
    for (at, elem) in array.elems.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        io::output(elem, array.elem_type, env, out)?;
    }
    Ok(())
}

fn vector_recv(elem_type: Oid, bytes: &[u8], env: &dyn Env) -> PgResult<Datum> {
    let array = recv(elem_type, -1, bytes, env)?.as_array()?;
    let name = if elem_type == types::OID { "oidvector" } else { "int2vector" };
    let one_dimension = array.dims.is_empty() || (array.ndim() == 1 && array.dims[0].lower == 0);
    if !one_dimension || array.has_nulls() {
        return Err(PgError::new(code::INVALID_BINARY_REPRESENTATION, format!("invalid {name} data")));
    }
    Ok(Datum::Array(ArrayValue::vector(elem_type, array.elems.clone()).into()))
}

fn vector_send(datum: &Datum, env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    send(&*datum.as_array()?, env, out)
}
