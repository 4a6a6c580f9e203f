//! The lines of COPY's text and CSV forms: where they end, and the marker that ends the data.
//!
//! The first line decides what a line end is; another kind of it further on is an error, because it
//! is most often data that should have been escaped (PostgreSQL's CopyReadLineText).

use super::input::Input;
use super::options::{CopyFormat, CopyOptions};
use redoubt_error::{PgError, PgResult, code};

/// How lines end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    Newline,
    Return,
    Both,
}

/// Lines, one at a time.
pub(super) struct Lines<'a> {
    input: Input<'a>,
    /// Quote and escape of CSV; nothing for text.
    csv: Option<(u8, u8)>,
    line_end: Option<LineEnd>,
    /// Length of the current line, without its end.
    length: usize,
    /// Bytes of the window that the next line starts behind.
    taken: usize,
    ended: bool,
    /// The number of the current line, from 1.
    pub number: u64,
}

/// What a byte of the scan turned out to be.
enum Step {
    /// Data: the scan goes on behind so many bytes.
    On(usize),
    /// The line ends here, and its end has so many bytes.
    End(usize),
    /// The end-of-data marker.
    Marker,
}

impl<'a> Lines<'a> {
    pub(super) fn new(input: Input<'a>, options: &CopyOptions) -> Lines<'a> {
        let csv = (options.format == CopyFormat::Csv).then_some((options.quote, options.escape));
        Lines { input, csv, line_end: None, length: 0, taken: 0, ended: false, number: 0 }
    }

    /// The current line.
    pub(super) fn line(&self) -> &[u8] {
        &self.input.window()[..self.length]
    }

    /// Goes to the next line; false when there is none.
    ///
    /// # Errors
    /// `22P04` for line ends that do not match; `22021` for bytes that are no UTF-8; those of the input.
    pub(super) fn advance(&mut self) -> PgResult<bool> {
        self.input.consume(self.taken);
        (self.length, self.taken) = (0, 0);
        if self.ended {
            return Ok(false);
        }
        self.number += 1;
        match self.csv {
            None => self.scan_text()?,
            Some((quote, escape)) => self.scan_csv(quote, escape)?,
        }
        if self.ended && self.length == 0 {
            return Ok(false);
        }
        match std::str::from_utf8(self.line()) {
            Ok(_) => Ok(true),
            Err(error) => Err(invalid_utf8(&self.line()[error.valid_up_to()..])),
        }
    }

    fn scan_text(&mut self) -> PgResult<()> {
        let mut at = 0;
        loop {
            let window = self.input.window();
            match memchr::memchr3(b'\n', b'\r', b'\\', &window[at..]) {
                None => {
                    at = window.len();
                    if !self.input.fill()? {
                        return self.end_of_data(at, at);
                    }
                }
                Some(found) => {
                    at += found;
                    match self.special(at)? {
                        Step::On(count) => at += count,
                        Step::End(count) => return self.end_of_line(at, count),
                        Step::Marker => return self.marker(at),
                    }
                }
            }
        }
    }

    fn scan_csv(&mut self, quote: u8, escape: u8) -> PgResult<()> {
        // Where quote and escape are one, two in a row switch quoting off and on again.
        let escape = (escape != quote).then_some(escape);
        let (mut at, mut quoted, mut escaped) = (0, false, false);
        loop {
            let Some(&byte) = self.input.window().get(at) else {
                if !self.input.fill()? {
                    return self.end_of_data(at, at);
                }
                continue;
            };
            if quoted && Some(byte) == escape {
                escaped = !escaped;
            }
            if byte == quote && !escaped {
                quoted = !quoted;
            }
            if Some(byte) != escape {
                escaped = false;
            }
            let step = match byte {
                b'\n' | b'\r' if quoted => {
                    // A line of the file, though not of the data.
                    let end = if self.line_end == Some(LineEnd::Newline) { b'\n' } else { b'\r' };
                    self.number += u64::from(byte == end);
                    Step::On(1)
                }
                b'\n' | b'\r' => self.special(at)?,
                b'\\' if at == 0 => self.special(at)?,
                _ => Step::On(1),
            };
            match step {
                Step::On(count) => at += count,
                Step::End(count) => return self.end_of_line(at, count),
                Step::Marker => return self.marker(at),
            }
        }
    }

    /// The byte at a place of the window, if the data go on that far.
    fn peek(&mut self, at: usize) -> PgResult<Option<u8>> {
        while self.input.window().len() <= at {
            if !self.input.fill()? {
                return Ok(None);
            }
        }
        Ok(Some(self.input.window()[at]))
    }

    /// A line end or a backslash.
    fn special(&mut self, at: usize) -> PgResult<Step> {
        match self.input.window()[at] {
            b'\n' => match self.line_end {
                None | Some(LineEnd::Newline) => {
                    self.line_end = Some(LineEnd::Newline);
                    Ok(Step::End(1))
                }
                _ => Err(self.literal("newline", "\\n")),
            },
            b'\r' => match (self.line_end, self.peek(at + 1)?) {
                (None | Some(LineEnd::Both), Some(b'\n')) => {
                    self.line_end = Some(LineEnd::Both);
                    Ok(Step::End(2))
                }
                (None | Some(LineEnd::Return), _) => {
                    self.line_end = Some(LineEnd::Return);
                    Ok(Step::End(1))
                }
                _ => Err(self.literal("carriage return", "\\r")),
            },
            _ => self.backslash(at),
        }
    }

    /// `\.` ends the data, if a line ends behind it. In text anything else behind a backslash is data.
    fn backslash(&mut self, at: usize) -> PgResult<Step> {
        if self.peek(at + 1)? != Some(b'.') {
            return Ok(Step::On(if self.csv.is_some() { 1 } else { 2 }));
        }
        let mut behind = self.peek(at + 2)?;
        let wrong_style = self.line_end == Some(LineEnd::Both) && behind == Some(b'\n');
        if self.line_end == Some(LineEnd::Both) && behind == Some(b'\r') {
            behind = self.peek(at + 3)?;
        }
        let fault = match (behind, self.line_end) {
            _ if wrong_style => "end-of-copy marker does not match previous newline style",
            (Some(b'\n'), None | Some(LineEnd::Newline | LineEnd::Both)) => return Ok(Step::Marker),
            (Some(b'\r'), None | Some(LineEnd::Return)) => return Ok(Step::Marker),
            (Some(b'\n' | b'\r'), _) => "end-of-copy marker does not match previous newline style",
            // The marker may be the last there is.
            (None, _) => return Ok(Step::Marker),
            _ => "end-of-copy marker corrupt",
        };
        match self.csv {
            Some(_) => Ok(Step::On(2)),
            None => Err(bad_format(fault)),
        }
    }

    fn literal(&self, what: &str, sequence: &str) -> PgError {
        match self.csv {
            None => bad_format(&format!("literal {what} found in data"))
                .hint(format!("Use \"{sequence}\" to represent {what}.")),
            Some(_) => bad_format(&format!("unquoted {what} found in data"))
                .hint(format!("Use quoted CSV field to represent {what}.")),
        }
    }

    fn end_of_line(&mut self, length: usize, end: usize) -> PgResult<()> {
        (self.length, self.taken) = (length, length + end);
        Ok(())
    }

    fn end_of_data(&mut self, length: usize, taken: usize) -> PgResult<()> {
        self.ended = true;
        (self.length, self.taken) = (length, taken);
        Ok(())
    }

    /// What stands before the marker on its line is a line; what stands behind it is ignored.
    fn marker(&mut self, at: usize) -> PgResult<()> {
        let line = self.input.window()[..at].to_vec();
        self.input.finish()?;
        self.input.replace(line);
        self.end_of_data(at, at)
    }
}

/// `22P04`.
pub(super) fn bad_format(message: &str) -> PgError {
    PgError::new(code::BAD_COPY_FILE_FORMAT, message)
}

/// `22021`, with the bytes that the sequence should have.
pub(super) fn invalid_utf8(bytes: &[u8]) -> PgError {
    let expected = match bytes.first() {
        Some(0xC0..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF7) => 4,
        _ => 1,
    };
    let shown: Vec<String> = bytes.iter().take(expected).map(|byte| format!("0x{byte:02x}")).collect();
    let message = format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" "));
    PgError::new(code::CHARACTER_NOT_IN_REPERTOIRE, message)
}

#[cfg(test)]
mod tests {
    use super::super::input::Source;
    use super::*;
    use crate::copy::options::{Columns, Header};

    fn options(format: CopyFormat) -> CopyOptions {
        CopyOptions {
            format,
            delimiter: b',',
            null: String::new(),
            header: Header::No,
            quote: b'"',
            escape: b'"',
            force_quote: Columns::None,
            force_not_null: Columns::None,
            force_null: Columns::None,
        }
    }

    /// Reads data that arrive in pieces of every size, and shows lines and the error.
    fn check(format: CopyFormat, data: &str, expect: &[&str]) {
        for size in 1..=data.len().max(1) {
            let mut pieces: Vec<Vec<u8>> = data.as_bytes().chunks(size).map(<[u8]>::to_vec).collect();
            pieces.reverse();
            let mut lines = Lines::new(Input::new(Source::Pieces(pieces)), &options(format));
            let mut got = Vec::new();
            loop {
                match lines.advance() {
                    Ok(true) => got.push(String::from_utf8_lossy(lines.line()).into_owned()),
                    Ok(false) => break,
                    Err(error) => {
                        got.push(format!("{}: {}", lines.number, error.message()));
                        break;
                    }
                }
            }
            assert_eq!(got, expect, "{data:?} in pieces of {size}");
        }
    }

    #[test]
    fn text() {
        let text = |data: &str, expect: &[&str]| check(CopyFormat::Text, data, expect);
        text("", &[]);
        text("a\nb\n", &["a", "b"]);
        text("a\n\nb", &["a", "", "b"]);
        text("a\r\nb\r\n", &["a", "b"]);
        text("a\rb\r", &["a", "b"]);
        text("a\\\nb\nc\n", &["a\\\nb", "c"]);
        text("a\n\\.\nb\n", &["a"]);
        text("a\\.\nb\n", &["a"]);
        text("a\\\\.\nb\n", &["a\\\\.", "b"]);
        text("a\n\\.x\n", &["a", "2: end-of-copy marker corrupt"]);
        text("a\nb\rc\n", &["a", "2: literal carriage return found in data"]);
        text("a\rb\n", &["a", "2: literal newline found in data"]);
        text("a\r\nb\nc\r\n", &["a", "2: literal newline found in data"]);
    }

    #[test]
    fn csv() {
        let csv = |data: &str, expect: &[&str]| check(CopyFormat::Csv, data, expect);
        csv("a,b\nc\n", &["a,b", "c"]);
        csv("\"a\nb\",c\nd\n", &["\"a\nb\",c", "d"]);
        csv("\"a\"\"\nb\"\nc", &["\"a\"\"\nb\"", "c"]);
        csv("a\\.\nb\n\\.\nc\n", &["a\\.", "b"]);
        csv("\\.x\n", &["\\.x"]);
        csv("a\nb\rc\n", &["a", "2: unquoted carriage return found in data"]);
    }
}
