//! COPY's options: what may be said, and what may be said together.

use redoubt_error::{PgError, PgResult, SqlState, code};
use redoubt_sql::tree::{DefElem, DefValue};

/// The form of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CopyFormat {
    Text,
    Csv,
    Binary,
}

/// Whether the first line names the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    No,
    Yes,
    /// Its names must be the columns'.
    Match,
}

/// Columns that an option concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Columns {
    None,
    All,
    Named(Vec<String>),
}

/// All options, with their defaults filled in.
#[derive(Clone, Debug)]
pub(super) struct CopyOptions {
    pub format: CopyFormat,
    pub delimiter: u8,
    pub null: String,
    pub header: Header,
    pub quote: u8,
    pub escape: u8,
    pub force_quote: Columns,
    pub force_not_null: Columns,
    pub force_null: Columns,
}

/// What was said, before it is judged.
#[derive(Default)]
struct Said {
    format: Option<CopyFormat>,
    /// Rows are never frozen: transaction numbers have 64 bits. What it asks for holds anyway.
    freeze: Option<bool>,
    delimiter: Option<String>,
    null: Option<String>,
    header: Option<Header>,
    quote: Option<String>,
    escape: Option<String>,
    force_quote: Option<Columns>,
    force_not_null: Option<Columns>,
    force_null: Option<Columns>,
    encoding: bool,
}

impl CopyOptions {
    /// Reads the options of a statement.
    ///
    /// # Errors
    /// PostgreSQL's, in its order; `0A000` for client encodings other than UTF8.
    pub(super) fn read(list: &[DefElem], is_from: bool) -> PgResult<CopyOptions> {
        let mut said = Said::default();
        for option in list {
            said.take(option, is_from)?;
        }
        said.settle(is_from)
    }
}

impl Said {
    fn take(&mut self, option: &DefElem, is_from: bool) -> PgResult<()> {
        let name = option.name.as_str();
        match name {
            "format" => {
                let format = match text(option)?.as_str() {
                    "text" => CopyFormat::Text,
                    "csv" => CopyFormat::Csv,
                    "binary" => CopyFormat::Binary,
                    other => {
                        let message = format!("COPY format \"{other}\" not recognized");
                        if self.format.is_some() {
                            return Err(redundant(option));
                        }
                        return Err(PgError::new(code::INVALID_PARAMETER_VALUE, message).at(Some(option.pos)));
                    }
                };
                set(&mut self.format, option, format)
            }
            "freeze" => set(&mut self.freeze, option, boolean(option)?),
            "delimiter" => set(&mut self.delimiter, option, text(option)?),
            "null" => set(&mut self.null, option, text(option)?),
            "header" => {
                if self.header.is_some() {
                    return Err(redundant(option));
                }
                set(&mut self.header, option, header(option, is_from)?)
            }
            "quote" => set(&mut self.quote, option, text(option)?),
            "escape" => set(&mut self.escape, option, text(option)?),
            "force_quote" => set(&mut self.force_quote, option, columns(option, true)?),
            "force_not_null" => set(&mut self.force_not_null, option, columns(option, false)?),
            "force_null" => set(&mut self.force_null, option, columns(option, false)?),
            "encoding" => {
                if self.encoding {
                    return Err(redundant(option));
                }
                self.encoding = true;
                encoding(option)
            }
            other => {
                let message = format!("option \"{other}\" not recognized");
                Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(option.pos)))
            }
        }
    }

    fn settle(self, is_from: bool) -> PgResult<CopyOptions> {
        let format = self.format.unwrap_or(CopyFormat::Text);
        let csv = format == CopyFormat::Csv;
        if format == CopyFormat::Binary {
            for (said, name) in [(self.delimiter.is_some(), "DELIMITER"), (self.null.is_some(), "NULL")] {
                if said {
                    let message = format!("cannot specify {name} in BINARY mode");
                    return Err(PgError::new(code::SYNTAX_ERROR, message));
                }
            }
        }
        let delimiter = self.delimiter.unwrap_or_else(|| if csv { "," } else { "\t" }.into());
        let null = self.null.unwrap_or_else(|| if csv { "" } else { "\\N" }.into());
        let quote = self.quote.clone().unwrap_or_else(|| "\"".into());
        let escape = self.escape.clone().unwrap_or_else(|| quote.clone());
        let refuse = |message: &str| Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
        let invalid = |message: &str| Err(PgError::new(code::INVALID_PARAMETER_VALUE, message));
        let &[delimiter] = delimiter.as_bytes() else {
            return refuse("COPY delimiter must be a single one-byte character");
        };
        if matches!(delimiter, b'\r' | b'\n') {
            return invalid("COPY delimiter cannot be newline or carriage return");
        }
        if null.contains(['\r', '\n']) {
            return invalid("COPY null representation cannot use newline or carriage return");
        }
        if !csv && b"\\.abcdefghijklmnopqrstuvwxyz0123456789".contains(&delimiter) {
            return invalid(&format!("COPY delimiter cannot be \"{}\"", delimiter as char));
        }
        let header = self.header.unwrap_or(Header::No);
        if format == CopyFormat::Binary && header != Header::No {
            return refuse("cannot specify HEADER in BINARY mode");
        }
        if !csv && self.quote.is_some() {
            return refuse("COPY quote available only in CSV mode");
        }
        let &[quote] = quote.as_bytes() else {
            return refuse("COPY quote must be a single one-byte character");
        };
        if csv && delimiter == quote {
            return invalid("COPY delimiter and quote must be different");
        }
        if !csv && self.escape.is_some() {
            return refuse("COPY escape available only in CSV mode");
        }
        let &[escape] = escape.as_bytes() else {
            return refuse("COPY escape must be a single one-byte character");
        };
        let forced = [
            (&self.force_quote, "force quote", "TO", !is_from),
            (&self.force_not_null, "force not null", "FROM", is_from),
            (&self.force_null, "force null", "FROM", is_from),
        ];
        for (said, name, direction, fits) in forced {
            if said.is_some() && !csv {
                return refuse(&format!("COPY {name} available only in CSV mode"));
            }
            if said.is_some() && !fits {
                return refuse(&format!("COPY {name} only available using COPY {direction}"));
            }
        }
        if null.as_bytes().contains(&delimiter) {
            return refuse("COPY delimiter must not appear in the NULL specification");
        }
        if csv && null.as_bytes().contains(&quote) {
            return refuse("CSV quote character must not appear in the NULL specification");
        }
        Ok(CopyOptions {
            format,
            delimiter,
            null,
            header,
            quote,
            escape,
            force_quote: self.force_quote.unwrap_or(Columns::None),
            force_not_null: self.force_not_null.unwrap_or(Columns::None),
            force_null: self.force_null.unwrap_or(Columns::None),
        })
    }
}

fn set<T>(place: &mut Option<T>, option: &DefElem, value: T) -> PgResult<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(redundant(option)),
    }
}

fn redundant(option: &DefElem) -> PgError {
    PgError::new(code::SYNTAX_ERROR, "conflicting or redundant options").at(Some(option.pos))
}

fn invalid_use(code: SqlState, option: &DefElem, rest: &str) -> PgError {
    PgError::new(code, format!("{} {rest}", option.name.as_str()))
}

fn text(option: &DefElem) -> PgResult<String> {
    option.string().ok_or_else(|| invalid_use(code::SYNTAX_ERROR, option, "requires a parameter"))
}

fn boolean(option: &DefElem) -> PgResult<bool> {
    read_boolean(option).ok_or_else(|| invalid_use(code::SYNTAX_ERROR, option, "requires a Boolean value"))
}

fn read_boolean(option: &DefElem) -> Option<bool> {
    match &option.value {
        None => Some(true),
        Some(DefValue::Integer(0)) => Some(false),
        Some(DefValue::Integer(1)) => Some(true),
        Some(DefValue::Integer(_)) => None,
        Some(value) => match value.text().to_ascii_lowercase().as_str() {
            "true" | "on" => Some(true),
            "false" | "off" => Some(false),
            _ => None,
        },
    }
}

fn header(option: &DefElem, is_from: bool) -> PgResult<Header> {
    if let Some(on) = read_boolean(option) {
        return Ok(if on { Header::Yes } else { Header::No });
    }
    if !text(option)?.eq_ignore_ascii_case("match") {
        return Err(invalid_use(code::SYNTAX_ERROR, option, "requires a Boolean value or \"match\""));
    }
    if !is_from {
        let message = "cannot use \"match\" with HEADER in COPY TO";
        return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message));
    }
    Ok(Header::Match)
}

fn columns(option: &DefElem, may_be_all: bool) -> PgResult<Columns> {
    match &option.value {
        Some(DefValue::Star) if may_be_all => Ok(Columns::All),
        Some(DefValue::List(items)) => Ok(Columns::Named(items.iter().map(DefValue::text).collect())),
        _ => {
            let message =
                format!("argument to option \"{}\" must be a list of column names", option.name.as_str());
            Err(PgError::new(code::INVALID_PARAMETER_VALUE, message).at(Some(option.pos)))
        }
    }
}

/// Names of encodings are compared without punctuation, whatever the case.
fn encoding(option: &DefElem) -> PgResult<()> {
    const KNOWN: &[&str] = &[
        "eucjp",
        "euccn",
        "euckr",
        "euctw",
        "eucjis2004",
        "muleinternal",
        "latin1",
        "latin2",
        "latin3",
        "latin4",
        "latin5",
        "latin6",
        "latin7",
        "latin8",
        "latin9",
        "latin10",
        "iso88591",
        "iso88595",
        "iso88596",
        "iso88597",
        "iso88598",
        "iso885915",
        "win1250",
        "win1251",
        "win1252",
        "win1253",
        "win1254",
        "win1255",
        "win1256",
        "win1257",
        "win1258",
        "win866",
        "win874",
        "koi8r",
        "koi8u",
        "sjis",
        "big5",
        "gbk",
        "uhc",
        "gb18030",
        "johab",
        "shiftjis2004",
    ];
    let given = text(option)?;
    let plain: String =
        given.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    match plain.as_str() {
        // Bytes that are no text in the server's encoding are refused as UTF8's are.
        "utf8" | "unicode" | "sqlascii" => Ok(()),
        plain if KNOWN.contains(&plain) => Err(PgError::unsupported(format!("COPY in encoding {given}"))),
        _ => {
            let message = "argument to option \"encoding\" must be a valid encoding name";
            Err(PgError::new(code::INVALID_PARAMETER_VALUE, message).at(Some(option.pos)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redoubt_sql::tree::{StatementKind, UtilityStatement};

    /// Expectations taken from PostgreSQL 15.18.
    #[test]
    fn refusals() {
        let check = |sql: &str, expect: &str| {
            let statement = redoubt_sql::parse(sql).expect(sql).pop().expect("one statement");
            let StatementKind::Utility(utility) = statement.kind else { panic!("{sql}") };
            let UtilityStatement::Copy(copy) = *utility else { panic!("{sql}") };
            let got = match CopyOptions::read(&copy.options, copy.is_from) {
                Ok(_) => "fine".to_string(),
                Err(error) => format!("{} {}", error.code(), error.message()),
            };
            assert_eq!(got, expect, "{sql}");
        };
        check("copy t from stdin (format 'x')", "22023 COPY format \"x\" not recognized");
        check("copy t from stdin (format csv, format csv)", "42601 conflicting or redundant options");
        check("copy t from stdin (bogus 1)", "42601 option \"bogus\" not recognized");
        check("copy t from stdin (header 3)", "42601 header requires a Boolean value or \"match\"");
        check("copy t to stdout (header match)", "0A000 cannot use \"match\" with HEADER in COPY TO");
        check("copy t from stdin (format binary, header)", "0A000 cannot specify HEADER in BINARY mode");
        check("copy t from stdin (format binary, null 'x')", "42601 cannot specify NULL in BINARY mode");
        check("copy t from stdin (quote 'x')", "0A000 COPY quote available only in CSV mode");
        check(
            "copy t from stdin (format csv, quote 'xy')",
            "0A000 COPY quote must be a single one-byte character",
        );
        check(
            "copy t from stdin (format csv, force_quote (a))",
            "0A000 COPY force quote only available using COPY TO",
        );
        check("copy t from stdin (delimiter 'a')", "22023 COPY delimiter cannot be \"a\"");
        check(
            "copy t from stdin (null 'a\"', format csv)",
            "0A000 CSV quote character must not appear in the NULL specification",
        );
        check("copy t from stdin (freeze 7)", "42601 freeze requires a Boolean value");
        check("copy t from stdin (delimiter)", "42601 delimiter requires a parameter");
        check("copy t from stdin csv header", "fine");
        check("copy t to stdout (format csv, force_quote *, encoding 'UTF-8', header true)", "fine");
        check("copy t from stdin (encoding latin1)", "0A000 COPY in encoding latin1 is not supported yet");
    }
}
