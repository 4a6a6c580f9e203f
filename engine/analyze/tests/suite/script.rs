//! psql scripts cut into statements. What psql itself would do (backslash commands, variables, COPY
//! data) is left out.

/// The statements of a script, without their semicolons.
pub fn statements(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if current.trim().is_empty() && line.starts_with('\\') {
            continue;
        }
        current.push_str(line);
        current.push('\n');
        while let Some(end) = statement_end(&current) {
            let statement = strip_leading(&current[..end]).to_owned();
            current.drain(..=end);
            let lower = statement.to_lowercase();
            if lower.starts_with("copy") && lower.contains("from stdin") {
                for data in lines.by_ref() {
                    if data == "\\." {
                        break;
                    }
                }
            } else if !statement.is_empty() {
                found.push(statement);
            }
        }
        // `\gset` and the like end a statement, too.
        if let Some(at) = current.find("\n\\").or_else(|| current.find(" \\g")) {
            found.push(strip_leading(&current[..at]).to_owned());
            current.clear();
        }
    }
    found.retain(|statement| !statement.is_empty());
    found
}

/// Comments and blanks before a statement would shift positions as they do on the server, but make
/// reports hard to read.
fn strip_leading(text: &str) -> &str {
    let mut text = text.trim();
    while let Some(comment) = text.strip_prefix("--") {
        text = comment.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
    }
    text
}

/// Where the first semicolon outside of quotes, comments and parentheses stands.
fn statement_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'\'' => {
                let escapes = at > 0 && matches!(bytes[at - 1], b'E' | b'e');
                at += 1;
                while at < bytes.len() && bytes[at] != b'\'' {
                    at += if escapes && bytes[at] == b'\\' { 2 } else { 1 };
                }
                if at >= bytes.len() {
                    return None;
                }
            }
            b'"' => at += 1 + text[at + 1..].find('"')?,
            b'-' if bytes.get(at + 1) == Some(&b'-') => at += text[at..].find('\n')?,
            b'/' if bytes.get(at + 1) == Some(&b'*') => at += 1 + text[at..].find("*/")?,
            b'$' => {
                if let Some(tag) = dollar_tag(&text[at..]) {
                    at += tag.len() + text[at + tag.len()..].find(tag)? + tag.len() - 1;
                }
            }
            b'(' => depth += 1,
            b')' => depth -= 1,
            b';' if depth == 0 => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

fn dollar_tag(text: &str) -> Option<&str> {
    let end = 1 + text[1..].find('$')?;
    let name = &text[1..end];
    let valid = name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    valid.then(|| &text[..=end])
}
