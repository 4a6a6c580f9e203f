//! Lists of identifiers, as `search_path` is one.

/// PostgreSQL's SplitIdentifierString: comma-separated names, folded to lower case unless quoted.
pub fn split_identifiers(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    if rest.is_empty() {
        return Some(names);
    }
    loop {
        let name;
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut content = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                let (at, c) = chars.next()?;
                if c != '"' {
                    content.push(c);
                } else if quoted[at + 1..].starts_with('"') {
                    content.push('"');
                    chars.next();
                } else {
                    break at + 1;
                }
            };
            name = content;
            rest = quoted[end..].trim_start();
        } else {
            let end = rest.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            name = rest[..end].to_lowercase();
            rest = rest[end..].trim_start();
        }
        names.push(name);
        if rest.is_empty() {
            return Some(names);
        }
        rest = rest.strip_prefix(',')?.trim_start();
        if rest.is_empty() {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifier_lists() {
        let check = |text: &str, expect: Option<&[&str]>| {
            let got = split_identifiers(text);
            assert_eq!(
                got.as_ref().map(|v| v.iter().map(String::as_str).collect::<Vec<_>>()).as_deref(),
                expect
            );
        };
        check("", Some(&[]));
        check("\"$user\", public", Some(&["$user", "public"]));
        check("A , \"B c\",\"d\"\"e\"", Some(&["a", "B c", "d\"e"]));
        check("a,", None);
        check("a b", None);
        check("\"a", None);
    }
}
