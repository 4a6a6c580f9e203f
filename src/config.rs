//! `postgresql.conf`: one `name = value` per line, values quoted or plain, `#` starts a comment
//! (documentation, "Parameter Interaction via the Configuration File").

/// One assignment of the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Parameter name.
    pub name: String,
    /// Value, unquoted.
    pub value: String,
}

/// Reads the whole file. An error names the line.
pub fn parse(text: &str) -> Result<Vec<Assignment>, String> {
    let mut assignments = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match parse_line(line) {
            Ok(Some(assignment)) => assignments.push(assignment),
            Ok(None) => {}
            Err(error) => return Err(format!("line {}: {error}", index + 1)),
        }
    }
    Ok(assignments)
}

/// Reads `name=value` of a `-c` argument.
pub fn parse_argument(argument: &str) -> Result<Assignment, String> {
    match argument.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok(Assignment { name: name.trim().replace('-', "_"), value: value.to_string() })
        }
        _ => Err(format!("-c {argument} requires a value")),
    }
}

fn parse_line(line: &str) -> Result<Option<Assignment>, String> {
    let line = line.trim_start();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(line.len());
    let name = &line[..end];
    if name.is_empty() {
        return Err("syntax error".into());
    }
    if name.eq_ignore_ascii_case("include") || name.eq_ignore_ascii_case("include_dir") {
        return Err(format!("{name} is not supported yet"));
    }
    let rest = line[end..].trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    let (value, after) = match rest.strip_prefix('\'') {
        Some(quoted) => unquote(quoted)?,
        None => {
            let end = rest.find(|c: char| c.is_whitespace() || c == '#').unwrap_or(rest.len());
            (rest[..end].to_string(), &rest[end..])
        }
    };
    let after = after.trim_start();
    if (value.is_empty() && !rest.starts_with('\'')) || !(after.is_empty() || after.starts_with('#')) {
        return Err("syntax error".into());
    }
    Ok(Some(Assignment { name: name.to_string(), value }))
}

/// The content of a quoted value whose opening quote is gone, and what follows its end. A quote is
/// written twice or behind a backslash.
fn unquote(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if text[at + 1..].starts_with('\'') => {
                value.push('\'');
                chars.next();
            }
            '\'' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, other)) => value.push(other),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err("unterminated quoted string".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&[(&str, &str)], &str>) {
        let got = parse(text);
        match expect {
            Ok(pairs) => {
                let got: Vec<(String, String)> =
                    got.expect(text).into_iter().map(|a| (a.name, a.value)).collect();
                let pairs: Vec<(String, String)> =
                    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
                assert_eq!(got, pairs, "{text}");
            }
            Err(error) => assert_eq!(got.expect_err(text), error, "{text}"),
        }
    }

    #[test]
    fn files() {
        check("", Ok(&[]));
        check("# nothing\n\n  # here", Ok(&[]));
        check("port = 5433 # taken\nwork_mem 64MB", Ok(&[("port", "5433"), ("work_mem", "64MB")]));
        check("search_path='\"$user\", public'", Ok(&[("search_path", "\"$user\", public")]));
        check("a.b = 'it''s \\'so\\''", Ok(&[("a.b", "it's 'so'")]));
        check("application_name = ''", Ok(&[("application_name", "")]));
        check("\nport", Err("line 2: syntax error"));
        check("port = 1 2", Err("line 1: syntax error"));
        check("port = 'x", Err("line 1: unterminated quoted string"));
        check("include 'x'", Err("line 1: include is not supported yet"));
    }
}
