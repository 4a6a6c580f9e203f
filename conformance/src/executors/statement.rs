//! As much of SQL's text as it takes to tell a query from other statements.

/// The words and marks of a statement outside of quotes and comments, with how deep in parentheses they stand.
struct Tokens<'a> {
    rest: &'a str,
    depth: usize,
}

/// A word (in lower case) or a single mark.
type Token = (String, usize);

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Tokens<'a> {
        Tokens { rest: text, depth: 0 }
    }

    /// Drops up to and with the end mark.
    fn skip_past(&mut self, end: &str) {
        self.rest = self.rest.find(end).map_or("", |at| &self.rest[at + end.len()..]);
    }

    /// Drops a block comment, those nested in it included.
    fn skip_comment(&mut self) {
        let mut level = 0;
        while !self.rest.is_empty() {
            if let Some(rest) = self.rest.strip_prefix("/*") {
                (self.rest, level) = (rest, level + 1);
            } else if let Some(rest) = self.rest.strip_prefix("*/") {
                (self.rest, level) = (rest, level - 1);
                if level == 0 {
                    return;
                }
            } else {
                self.rest = &self.rest[first_length(self.rest)..];
            }
        }
    }

    /// Drops a quoted text whose opening quote is already dropped.
    fn skip_quoted(&mut self, quote: char, escapes: bool) {
        let mut chars = self.rest.char_indices().peekable();
        while let Some((at, char)) = chars.next() {
            if escapes && char == '\\' {
                chars.next();
            } else if char == quote {
                if chars.peek().is_some_and(|next| next.1 == quote) {
                    chars.next();
                } else {
                    self.rest = &self.rest[at + 1..];
                    return;
                }
            }
        }
        self.rest = "";
    }

    /// The tag of a dollar-quoted text that begins here, both dollars included.
    fn dollar_tag(&self) -> Option<&'a str> {
        let end = self.rest[1..].find('$')? + 2;
        let tag = &self.rest[..end];
        let inner = &tag[1..end - 1];
        let is_tag = !inner.starts_with(|c: char| c.is_ascii_digit())
            && inner.chars().all(|c| c.is_alphanumeric() || c == '_');
        is_tag.then_some(tag)
    }
}

fn first_length(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            self.rest = self.rest.trim_start();
            let first = self.rest.chars().next()?;
            if self.rest.starts_with("--") {
                self.skip_past("\n");
            } else if self.rest.starts_with("/*") {
                self.skip_comment();
            } else if let Some(tag) = (first == '$').then(|| self.dollar_tag()).flatten() {
                self.rest = &self.rest[tag.len()..];
                self.skip_past(tag);
            } else if first == '\'' || first == '"' {
                self.rest = &self.rest[1..];
                self.skip_quoted(first, false);
                return Some((first.to_string(), self.depth));
            } else if first.is_alphabetic() || first == '_' {
                let length = self
                    .rest
                    .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
                    .unwrap_or(self.rest.len());
                let word = self.rest[..length].to_lowercase();
                self.rest = &self.rest[length..];
                if word == "e" && self.rest.starts_with('\'') {
                    self.rest = &self.rest[1..];
                    self.skip_quoted('\'', true);
                }
                return Some((word, self.depth));
            } else {
                self.rest = &self.rest[first.len_utf8()..];
                match first {
                    '(' => self.depth += 1,
                    ')' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                return Some((first.to_string(), self.depth));
            }
        }
    }
}

/// Whether a message's text begins as a query does.
pub(super) fn is_query(text: &str) -> bool {
    let first = Tokens::of(text).find(|(token, _)| token != "(");
    first.is_some_and(|(token, _)| ["select", "values", "with", "table"].contains(&token.as_str()))
}

/// Whether there is more than one statement in a message.
pub(super) fn has_many(text: &str) -> bool {
    let mut tokens = Tokens::of(text).skip_while(|(token, _)| token != ";");
    tokens.any(|(token, _)| token != ";")
}

/// Whether the whole of a query's result is ordered.
pub(super) fn is_ordered(text: &str) -> bool {
    let top: Vec<String> =
        Tokens::of(text).filter(|(_, depth)| *depth == 0).map(|(token, _)| token).collect();
    top.windows(2).any(|pair| pair[0] == "order" && pair[1] == "by")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_told_from_other_statements() {
        let check = |text: &str, query: bool, many: bool, ordered: bool| {
            assert_eq!((is_query(text), has_many(text), is_ordered(text)), (query, many, ordered), "{text}");
        };
        check("select 1", true, false, false);
        check("-- says\n/* a /* nested */ */ ((SELECT 1) union select 2) ORDER\n BY 1;", true, false, true);
        check("SELECT ';' , E'\\';', \"a;b\", $x$;$x$ FROM t;", true, false, false);
        check("SELECT 1; SELECT 2", true, true, false);
        check("with a as (select 1 order by 1) select * from a", true, false, false);
        check("select sum(x) over (order by y) from t", true, false, false);
        check("values (1) order by 1;;", true, false, true);
        check("table t", true, false, false);
        check("explain select 1", false, false, false);
        check("selection", false, false, false);
        check("select 'order' by, 1 from t", true, false, false);
        check("", false, false, false);
        check("select $1 order by $1", true, false, true);
    }
}
