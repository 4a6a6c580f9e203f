//! The fields of a line of COPY's text and CSV forms.

use super::lines::{bad_format, invalid_utf8};
use redoubt_error::PgResult;
use std::ops::Range;

/// The fields of one line. Those that are written as they are point into the line, the others into a
/// buffer that is used again for the next line.
#[derive(Default)]
pub(super) struct Fields {
    fields: Vec<Field>,
    unescaped: String,
}

enum Field {
    Null,
    AsWritten(Range<usize>),
    Unescaped(Range<usize>),
}

impl Fields {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// One of them; nothing for NULL.
    pub(super) fn get<'a>(&'a self, index: usize, line: &'a str) -> Option<&'a str> {
        match &self.fields[index] {
            Field::Null => None,
            Field::AsWritten(range) => Some(&line[range.clone()]),
            Field::Unescaped(range) => Some(&self.unescaped[range.clone()]),
        }
    }

    fn clear(&mut self) {
        self.fields.clear();
        self.unescaped.clear();
    }

    /// Splits a line of text.
    ///
    /// # Errors
    /// `22021` when escapes make bytes that are no UTF-8.
    pub(super) fn split_text(&mut self, line: &str, delimiter: u8, null: &str) -> PgResult<()> {
        self.clear();
        let bytes = line.as_bytes();
        let mut start = 0;
        loop {
            let mut end = start;
            let mut escapes = false;
            loop {
                match memchr::memchr2(delimiter, b'\\', &bytes[end..]) {
                    None => end = bytes.len(),
                    Some(found) if bytes[end + found] == b'\\' => {
                        escapes = true;
                        // The byte behind a backslash belongs to it, a delimiter too.
                        end = (end + found + 2).min(bytes.len());
                        continue;
                    }
                    Some(found) => end += found,
                }
                break;
            }
            // NULL is recognised as it is written, before escapes mean anything.
            let field = if &bytes[start..end] == null.as_bytes() {
                Field::Null
            } else if escapes {
                self.unescape(&line[start..end])?
            } else {
                Field::AsWritten(start..end)
            };
            self.fields.push(field);
            if end == bytes.len() {
                return Ok(());
            }
            start = end + 1;
        }
    }

    fn unescape(&mut self, field: &str) -> PgResult<Field> {
        let bytes = field.as_bytes();
        let mut out = Vec::with_capacity(bytes.len());
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            if byte != b'\\' {
                out.push(byte);
                continue;
            }
            // A backslash at the very end stands for itself.
            let Some(&escaped) = bytes.get(at) else {
                out.push(b'\\');
                break;
            };
            at += 1;
            out.push(match escaped {
                b'0'..=b'7' => {
                    at -= 1;
                    number(bytes, &mut at, 8, 3)
                }
                b'x' if bytes.get(at).is_some_and(u8::is_ascii_hexdigit) => number(bytes, &mut at, 16, 2),
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                other => other,
            });
        }
        let text = match std::str::from_utf8(&out) {
            Ok(text) if text.contains('\0') => return Err(invalid_utf8(&[0])),
            Ok(text) => text,
            Err(error) => return Err(invalid_utf8(&out[error.valid_up_to()..])),
        };
        let start = self.unescaped.len();
        self.unescaped.push_str(text);
        Ok(Field::Unescaped(start..self.unescaped.len()))
    }

    /// Splits a line of CSV.
    ///
    /// # Errors
    /// `22P04` when the line ends inside quotes.
    pub(super) fn split_csv(
        &mut self,
        line: &str,
        delimiter: u8,
        null: &str,
        quote: u8,
        escape: u8,
    ) -> PgResult<()> {
        self.clear();
        let bytes = line.as_bytes();
        let mut at = 0;
        loop {
            let start = at;
            match memchr::memchr2(delimiter, quote, &bytes[start..]) {
                Some(found) if bytes[start + found] == quote => {
                    let value = self.unquote(line, &mut at, delimiter, quote, escape)?;
                    self.fields.push(Field::Unescaped(value));
                }
                found => {
                    at = found.map_or(bytes.len(), |found| start + found);
                    let is_null = &line[start..at] == null;
                    self.fields.push(if is_null { Field::Null } else { Field::AsWritten(start..at) });
                }
            }
            if at == bytes.len() {
                return Ok(());
            }
            at += 1;
        }
    }

    /// Reads a field that has quotes in it, up to its delimiter.
    fn unquote(
        &mut self,
        line: &str,
        at: &mut usize,
        delimiter: u8,
        quote: u8,
        escape: u8,
    ) -> PgResult<Range<usize>> {
        let bytes = line.as_bytes();
        let first = self.unescaped.len();
        let mut quoted = false;
        loop {
            let from = *at;
            let rest = &bytes[from..];
            let stop = if quoted {
                memchr::memchr2(quote, escape, rest)
            } else {
                memchr::memchr2(quote, delimiter, rest)
            };
            let Some(stop) = stop.map(|stop| from + stop) else {
                if quoted {
                    return Err(bad_format("unterminated CSV quoted field"));
                }
                self.unescaped.push_str(&line[from..]);
                *at = bytes.len();
                return Ok(first..self.unescaped.len());
            };
            self.unescaped.push_str(&line[from..stop]);
            *at = stop + 1;
            match bytes[stop] {
                byte if !quoted && byte == delimiter => {
                    *at = stop;
                    return Ok(first..self.unescaped.len());
                }
                _ if !quoted => quoted = true,
                // An escape counts only before what must be escaped.
                byte if byte == escape
                    && bytes.get(stop + 1).is_some_and(|next| *next == quote || *next == escape) =>
                {
                    self.unescaped.push(bytes[stop + 1] as char);
                    *at = stop + 2;
                }
                byte if byte == quote => quoted = false,
                byte => self.unescaped.push(byte as char),
            }
        }
    }
}

/// Reads up to `most` digits; the number wraps at a byte's size, as PostgreSQL's does.
fn number(bytes: &[u8], at: &mut usize, radix: u32, most: usize) -> u8 {
    let mut value = 0u32;
    for _ in 0..most {
        let Some(digit) = bytes.get(*at).and_then(|byte| (*byte as char).to_digit(radix)) else { break };
        value = value * radix + digit;
        *at += 1;
    }
    value as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(fields: &Fields, line: &str) -> Vec<String> {
        (0..fields.len())
            .map(|index| fields.get(index, line).map_or("NULL".into(), |text| format!("[{text}]")))
            .collect()
    }

    #[test]
    fn text() {
        let check = |line: &str, expect: &[&str]| {
            let mut fields = Fields::default();
            let got = match fields.split_text(line, b'|', "\\N") {
                Ok(()) => show(&fields, line),
                Err(error) => vec![error.message().to_string()],
            };
            assert_eq!(got, expect, "{line}");
        };
        check("", &["[]"]);
        check("a|b", &["[a]", "[b]"]);
        check("a|", &["[a]", "[]"]);
        check("\\N|x\\N|\\\\N", &["NULL", "[xN]", "[\\N]"]);
        check("a\\|b|\\t\\n\\101\\x41\\x4z\\xz\\q", &["[a|b]", "[\t\nAA\u{4}zxzq]"]);
        check("a\\", &["[a\\]"]);
        check("\\303\\244", &["[ä]"]);
        check("\\303", &["invalid byte sequence for encoding \"UTF8\": 0xc3"]);
        check("ä|ö\\|", &["[ä]", "[ö|]"]);
    }

    #[test]
    fn csv() {
        let check = |line: &str, expect: &[&str]| {
            for escape in [b'"', b'\\'] {
                let line = if escape == b'"' { line.replace('\\', "\"") } else { line.to_string() };
                let mut fields = Fields::default();
                let got = match fields.split_csv(&line, b',', "", b'"', escape) {
                    Ok(()) => show(&fields, &line),
                    Err(error) => vec![error.message().to_string()],
                };
                assert_eq!(got, expect, "{line}");
            }
        };
        check("", &["NULL"]);
        check("a,,b", &["[a]", "NULL", "[b]"]);
        check("\"\",\"a,b\",", &["[]", "[a,b]", "NULL"]);
        check("\"a\\\"b\",x\"y,\"z,c", &["[a\"b]", "[xy,z]", "[c]"]);
        check("a,\"b,c", &["unterminated CSV quoted field"]);
    }
}
