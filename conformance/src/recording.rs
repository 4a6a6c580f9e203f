//! What passes between psql and a server, as text that can be compared, and the proxy's notes.

use crate::messages::{Message, error_fields};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

/// Between the cells of a row or the names of columns: psql prints neither.
const CELL: char = '\u{1f}';
/// A NULL among cells.
const NULL: &str = "\u{0}";

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// With ReadyForQuery.
    #[default]
    Answered,
    /// The server closed the connection without a FATAL error.
    Lost,
    /// The server closed the connection and said why.
    Closed,
    /// The server said nothing for longer than the limit.
    Hung,
}

/// One request of a client up to the server's ReadyForQuery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// What the client sent: SQL, or the names and contents of other messages.
    pub statement: String,
    /// The server's messages in order, one line of notes each, with everything that psql prints of
    /// them.
    pub answer: Vec<String>,
    /// The transaction state of ReadyForQuery: `I`, `T` or `E`.
    pub state: Option<char>,
    /// SQLSTATE and primary message of each error.
    pub errors: Vec<(String, String)>,
    /// How it ended.
    pub ended: Ended,
}

impl Exchange {
    /// Notes a client message. COPY data counts by length: it is the client's own text.
    pub fn note_request(&mut self, message: &Message<'_>) {
        let body = || String::from_utf8_lossy(message.body).replace('\0', " ").trim().to_string();
        let line = match message.kind {
            b'Q' => body(),
            b'd' => return,
            b'c' => "CopyDone".to_string(),
            b'f' => format!("CopyFail {}", body()),
            kind => format!("message {} {}", kind as char, printable(message.body)),
        };
        if !self.statement.is_empty() {
            self.statement.push('\n');
        }
        self.statement.push_str(&line);
    }

    /// Notes a server message; true at ReadyForQuery.
    pub fn note_answer(&mut self, message: &Message<'_>) -> bool {
        let body = message.body;
        let text = || String::from_utf8_lossy(body).trim_end_matches('\0').to_string();
        let line = match message.kind {
            b'Z' => {
                self.state = body.first().map(|&byte| byte as char);
                return true;
            }
            b'T' => format!("columns {}", columns(body).unwrap_or_else(|| printable(body))),
            b'D' => format!("row {}", cells(body).unwrap_or_else(|| printable(body))),
            b'C' => format!("tag {}", text()),
            b'N' => format!("notice {}", printed_fields(body, false)),
            b'E' => {
                let fields = error_fields(body);
                let field = |code: u8| fields.iter().find(|f| f.0 == code).map_or("", |f| f.1.as_str());
                self.errors.push((field(b'C').to_string(), field(b'M').to_string()));
                self.forget_unprinted();
                format!("error {}", printed_fields(body, true))
            }
            // The process id is never the same, so channel and payload are what can be compared.
            b'A' => format!("notification {}", printable(body.get(4..).unwrap_or_default())),
            b'd' => format!("copied {}", String::from_utf8_lossy(body)),
            b'G' | b'H' | b'W' => format!("copy starts {}", message.kind as char),
            b'V' => format!("function result {}", printable(body)),
            // Keys, settings and authentication are not printed.
            b'K' | b'S' | b'R' => return false,
            kind => format!("message {}", kind as char),
        };
        self.answer.push(line);
        false
    }

    /// Of a result that ends in an error psql prints nothing but the error: columns and rows that came
    /// before it go.
    fn forget_unprinted(&mut self) {
        let in_result = |line: &String| line.starts_with("columns ") || line.starts_with("row ");
        let is_other = |line: &String| !in_result(line) && !line.starts_with("notice ");
        let start = self.answer.iter().rposition(is_other).map_or(0, |last| last + 1);
        let result = self.answer.split_off(start);
        self.answer.extend(result.into_iter().filter(|line| !in_result(line)));
    }

    /// Whether a FATAL error explains the end of the connection.
    pub fn was_told_why(&self) -> bool {
        self.answer.iter().any(|line| line.starts_with("error FATAL") || line.starts_with("error PANIC"))
    }

    /// Replaces directories of this run by the names that every run gives them.
    pub fn rename_paths(&mut self, names: &[(String, &'static str)]) {
        for (path, name) in names {
            for text in std::iter::once(&mut self.statement).chain(self.answer.iter_mut()) {
                if text.contains(path.as_str()) {
                    *text = text.replace(path.as_str(), name);
                }
            }
        }
    }

    /// The answer as a person reads it.
    pub fn printed(&self) -> String {
        let mut out = String::new();
        for line in &self.answer {
            out.push_str(&line.replace(CELL, " | ").replace(NULL, "<null>"));
            out.push('\n');
        }
        match self.ended {
            Ended::Answered => {}
            ended => out.push_str(&format!("[connection: {ended:?}]\n")),
        }
        out
    }
}

/// Bytes as text, with what is not printable escaped.
fn printable(body: &[u8]) -> String {
    body.escape_ascii().to_string()
}

fn take<'a>(body: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = body.split_at_checked(count)?;
    *body = tail;
    Some(head)
}

fn take_u16(body: &mut &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(take(body, 2)?.try_into().ok()?))
}

fn take_i32(body: &mut &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(take(body, 4)?.try_into().ok()?))
}

/// Names of the columns with the side psql aligns them to (fe-print.c and print.c's
/// `column_type_alignment`: numbers to the right).
fn columns(mut body: &[u8]) -> Option<String> {
    let count = take_u16(&mut body)?;
    let mut out = String::new();
    for index in 0..count {
        let end = body.iter().position(|&byte| byte == 0)?;
        let name = String::from_utf8_lossy(take(&mut body, end)?).into_owned();
        take(&mut body, 1 + 4 + 2)?;
        let type_oid = take_i32(&mut body)?;
        take(&mut body, 2 + 4)?;
        let format = take_u16(&mut body)?;
        if index > 0 {
            out.push(CELL);
        }
        let right = matches!(type_oid, 20 | 21 | 23 | 26 | 28 | 29 | 700 | 701 | 790 | 1700 | 5069);
        out.push_str(&name);
        out.push_str(if right { ":right" } else { ":left" });
        if format != 0 {
            out.push_str(":binary");
        }
    }
    Some(out)
}

fn cells(mut body: &[u8]) -> Option<String> {
    let count = take_u16(&mut body)?;
    let mut out = String::new();
    for index in 0..count {
        if index > 0 {
            out.push(CELL);
        }
        match take_i32(&mut body)? {
            -1 => out.push_str(NULL),
            length => out.push_str(&String::from_utf8_lossy(take(&mut body, usize::try_from(length).ok()?)?)),
        }
    }
    Some(out)
}

/// Severity, message, detail, hint and position; context with errors alone, as psql's default has it.
fn printed_fields(body: &[u8], is_error: bool) -> String {
    let fields = error_fields(body);
    let wanted: &[u8] = if is_error { b"SMDHPpqW" } else { b"SMDHPpq" };
    let mut out = String::new();
    for &code in wanted {
        if let Some((_, value)) = fields.iter().find(|field| field.0 == code) {
            if !out.is_empty() {
                out.push(CELL);
            }
            if code != b'S' {
                out.push(code as char);
                out.push('=');
            }
            out.push_str(value);
        }
    }
    out
}

/// Writes one exchange per line.
pub fn save(path: &Path, exchanges: &[Exchange]) -> Result<(), String> {
    let explain = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = BufWriter::new(fs::File::create(path).map_err(explain)?);
    for exchange in exchanges {
        let line = serde_json::to_string(exchange).map_err(|error| format!("{}: {error}", path.display()))?;
        writeln!(file, "{line}").map_err(explain)?;
    }
    file.flush().map_err(explain)
}

/// Reads what [`save`] wrote.
pub fn load(path: &Path) -> Result<Vec<Exchange>, String> {
    let explain = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = BufReader::new(fs::File::open(path).map_err(explain)?);
    file.lines()
        .map(|line| {
            let line = line.map_err(explain)?;
            serde_json::from_str(&line).map_err(|error| format!("{}: {error}", path.display()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(kind: u8, body: &[u8]) -> String {
        let mut exchange = Exchange::default();
        exchange.note_answer(&Message { kind, body });
        exchange.printed().trim_end().to_string()
    }

    #[test]
    fn answers_are_noted_as_psql_prints_them() {
        let mut columns = vec![0, 2];
        for (name, type_oid) in [("id", 23u32), ("name", 25)] {
            columns.extend(name.bytes());
            columns.extend([0; 7]);
            columns.extend(type_oid.to_be_bytes());
            columns.extend([0; 8]);
        }
        assert_eq!(note(b'T', &columns), "columns id:right | name:left");
        assert_eq!(
            note(b'D', b"\0\x02\0\0\0\x0142\xff\xff\xff\xff".split_at(7).0),
            "row \\x00\\x02\\x00\\x00\\x00\\x014"
        );
        assert_eq!(note(b'D', b"\0\x02\0\0\0\x0242\xff\xff\xff\xff"), "row 42 | <null>");
        assert_eq!(note(b'C', b"INSERT 0 1\0"), "tag INSERT 0 1");
        assert_eq!(
            note(b'E', b"SERROR\0VERROR\0C42601\0Mwrong\0P7\0Fscan.l\0Wwhere\0\0"),
            "error ERROR | M=wrong | P=7 | W=where"
        );
        assert_eq!(note(b'N', b"SNOTICE\0C00000\0Mhello\0Wwhere\0\0"), "notice NOTICE | M=hello");
    }

    #[test]
    fn a_result_that_ends_in_an_error_is_not_printed() {
        let mut exchange = Exchange::default();
        for (kind, body) in [
            (b'T', b"\0\0".as_slice()),
            (b'C', b"SELECT 0\0"),
            (b'T', b"\0\0"),
            (b'N', b"SNOTICE\0Mhello\0\0"),
            (b'D', b"\0\0"),
            (b'E', b"SERROR\0Mwrong\0\0"),
        ] {
            exchange.note_answer(&Message { kind, body });
        }
        assert_eq!(
            exchange.printed(),
            "columns \ntag SELECT 0\nnotice NOTICE | M=hello\nerror ERROR | M=wrong\n"
        );
    }
}
