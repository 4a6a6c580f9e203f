//! Bracket expressions and character classes. Classes are those of the C locale: ASCII only.

use crate::regex_parse::{BAD_BRACKETS, BAD_ESCAPE, Escape, Parser, invalid};
use redoubt_error::PgResult;
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

fn ranges(parts: &[(char, char)]) -> ClassUnicode {
    ClassUnicode::new(parts.iter().map(|(first, last)| ClassUnicodeRange::new(*first, *last)))
}

/// A set of one character, or of its two cases.
pub(crate) fn single_char(c: char, ignore_case: bool) -> ClassUnicode {
    let class = ranges(&[(c, c)]);
    if ignore_case { fold_case(class) } else { class }
}

/// Adds the other case of ASCII letters.
pub(crate) fn fold_case(mut class: ClassUnicode) -> ClassUnicode {
    let mut added = Vec::new();
    for range in class.ranges() {
        let mut other = |low: char, high: char, flip: fn(&char) -> char| {
            let (first, last) = (range.start().max(low), range.end().min(high));
            if first <= last {
                added.push(ClassUnicodeRange::new(flip(&first), flip(&last)));
            }
        };
        other('a', 'z', char::to_ascii_uppercase);
        other('A', 'Z', char::to_ascii_lowercase);
    }
    for range in added {
        class.push(range);
    }
    class
}

/// A named class: `alpha`, `digit`, ...
fn named_class(name: &str) -> Option<ClassUnicode> {
    Some(match name {
        "alnum" => ranges(&[('0', '9'), ('A', 'Z'), ('a', 'z')]),
        "alpha" => ranges(&[('A', 'Z'), ('a', 'z')]),
        "ascii" => ranges(&[('\0', '\x7F')]),
        "blank" => ranges(&[('\t', '\t'), (' ', ' ')]),
        "cntrl" => ranges(&[('\0', '\x1F'), ('\x7F', '\u{9F}')]),
        "digit" => ranges(&[('0', '9')]),
        "graph" => ranges(&[('!', '~')]),
        "lower" => ranges(&[('a', 'z')]),
        "print" => ranges(&[(' ', '~')]),
        "punct" => ranges(&[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
        "space" => ranges(&[('\t', '\r'), (' ', ' ')]),
        "upper" => ranges(&[('A', 'Z')]),
        "xdigit" => ranges(&[('0', '9'), ('A', 'F'), ('a', 'f')]),
        "word" => ranges(&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
        _ => return None,
    })
}

/// `\d`, `\s`, `\w` and their complements.
pub(crate) fn class_escape(c: char) -> Option<ClassUnicode> {
    let name = match c.to_ascii_lowercase() {
        'd' => "digit",
        's' => "space",
        'w' => "word",
        _ => return None,
    };
    let mut class = named_class(name)?;
    if c.is_ascii_uppercase() {
        // Unlike negated brackets, these match newlines even where the dot does not.
        class.negate();
    }
    Some(class)
}

/// Names of characters that POSIX defines, as in `[[.hyphen.]]`.
const CHARACTER_NAMES: &[(&str, char)] = &[
    ("NUL", '\0'),
    ("SOH", '\x01'),
    ("STX", '\x02'),
    ("ETX", '\x03'),
    ("EOT", '\x04'),
    ("ENQ", '\x05'),
    ("ACK", '\x06'),
    ("BEL", '\x07'),
    ("alert", '\x07'),
    ("BS", '\x08'),
    ("backspace", '\x08'),
    ("HT", '\t'),
    ("tab", '\t'),
    ("LF", '\n'),
    ("newline", '\n'),
    ("VT", '\x0B'),
    ("vertical-tab", '\x0B'),
    ("FF", '\x0C'),
    ("form-feed", '\x0C'),
    ("CR", '\r'),
    ("carriage-return", '\r'),
    ("SO", '\x0E'),
    ("SI", '\x0F'),
    ("DLE", '\x10'),
    ("DC1", '\x11'),
    ("DC2", '\x12'),
    ("DC3", '\x13'),
    ("DC4", '\x14'),
    ("NAK", '\x15'),
    ("SYN", '\x16'),
    ("ETB", '\x17'),
    ("CAN", '\x18'),
    ("EM", '\x19'),
    ("SUB", '\x1A'),
    ("ESC", '\x1B'),
    ("IS4", '\x1C'),
    ("FS", '\x1C'),
    ("IS3", '\x1D'),
    ("GS", '\x1D'),
    ("IS2", '\x1E'),
    ("RS", '\x1E'),
    ("IS1", '\x1F'),
    ("US", '\x1F'),
    ("space", ' '),
    ("exclamation-mark", '!'),
    ("quotation-mark", '"'),
    ("number-sign", '#'),
    ("dollar-sign", '$'),
    ("percent-sign", '%'),
    ("ampersand", '&'),
    ("apostrophe", '\''),
    ("left-parenthesis", '('),
    ("right-parenthesis", ')'),
    ("asterisk", '*'),
    ("plus-sign", '+'),
    ("comma", ','),
    ("hyphen", '-'),
    ("hyphen-minus", '-'),
    ("period", '.'),
    ("full-stop", '.'),
    ("slash", '/'),
    ("solidus", '/'),
    ("zero", '0'),
    ("one", '1'),
    ("two", '2'),
    ("three", '3'),
    ("four", '4'),
    ("five", '5'),
    ("six", '6'),
    ("seven", '7'),
    ("eight", '8'),
    ("nine", '9'),
    ("colon", ':'),
    ("semicolon", ';'),
    ("less-than-sign", '<'),
    ("equals-sign", '='),
    ("greater-than-sign", '>'),
    ("question-mark", '?'),
    ("commercial-at", '@'),
    ("left-square-bracket", '['),
    ("backslash", '\\'),
    ("reverse-solidus", '\\'),
    ("right-square-bracket", ']'),
    ("circumflex", '^'),
    ("circumflex-accent", '^'),
    ("underscore", '_'),
    ("low-line", '_'),
    ("grave-accent", '`'),
    ("left-brace", '{'),
    ("left-curly-bracket", '{'),
    ("vertical-line", '|'),
    ("right-brace", '}'),
    ("right-curly-bracket", '}'),
    ("tilde", '~'),
    ("DEL", '\x7F'),
];

/// One end of a range, or a whole element.
enum Element {
    Char(char),
    Class(ClassUnicode),
}

impl Parser {
    /// A bracket expression; the opening bracket has been read.
    pub(crate) fn bracket(&mut self) -> PgResult<ClassUnicode> {
        let negated = self.eat('^');
        let mut class = ClassUnicode::empty();
        let mut is_first = true;
        loop {
            let Some(c) = self.peek() else { return Err(invalid(BAD_BRACKETS)) };
            if c == ']' && !is_first {
                self.at += 1;
                break;
            }
            self.at += 1;
            // A hyphen is itself first and last; anywhere else it makes a range.
            if c == '-' && !is_first && self.peek() != Some(']') {
                return Err(invalid("invalid character range"));
            }
            let element = self.element(c)?;
            is_first = false;
            let first = match element {
                Element::Class(part) => {
                    class.union(&part);
                    continue;
                }
                Element::Char(first) => first,
            };
            let last = self.range_end(first)?;
            class.union(&ranges(&[(first, last)]));
        }
        let mut class = self.folded(class);
        if negated {
            if self.flags.newline_stops {
                class.union(&single_char('\n', false));
            }
            class.negate();
        }
        Ok(class)
    }

    /// The end of a range that starts with a character, which may be that character itself.
    fn range_end(&mut self, first: char) -> PgResult<char> {
        let next_is_end = self.chars.get(self.at + 1) == Some(&']');
        if self.peek() != Some('-') || next_is_end {
            return Ok(first);
        }
        self.at += 1;
        let Some(c) = self.peek() else { return Err(invalid(BAD_BRACKETS)) };
        self.at += 1;
        let last = match c {
            '-' => '-',
            c => match self.element(c)? {
                Element::Char(last) => last,
                Element::Class(_) => return Err(invalid("invalid character range")),
            },
        };
        if first > last {
            return Err(invalid("invalid character range"));
        }
        Ok(last)
    }

    fn element(&mut self, c: char) -> PgResult<Element> {
        if c == '\\' && self.is_advanced() {
            return match self.escape()? {
                Escape::Char(c) => Ok(Element::Char(c)),
                Escape::Class(class) => Ok(Element::Class(class)),
                _ => Err(invalid(BAD_ESCAPE)),
            };
        }
        if c != '[' {
            return Ok(Element::Char(c));
        }
        match self.peek() {
            None => Err(invalid(BAD_BRACKETS)),
            Some(':') => {
                let name = self.delimited(':')?;
                // The two cases are one when case does not matter.
                let name = match &*name {
                    "upper" | "lower" if self.flags.ignore_case => "alpha",
                    name => name,
                };
                named_class(name).map(Element::Class).ok_or_else(|| invalid("invalid character class"))
            }
            Some('.') => {
                let name = self.delimited('.')?;
                collating_element(&name).map(Element::Char)
            }
            Some('=') => {
                let name = self.delimited('=')?;
                collating_element(&name).map(|c| Element::Class(single_char(c, false)))
            }
            Some(_) => Ok(Element::Char('[')),
        }
    }

    /// The text between `[:` and `:]` and the like.
    fn delimited(&mut self, mark: char) -> PgResult<String> {
        self.at += 1;
        let mut name = String::new();
        loop {
            match self.peek() {
                None => return Err(invalid(BAD_BRACKETS)),
                Some(c) if c == mark && self.chars.get(self.at + 1) == Some(&']') => {
                    self.at += 2;
                    break;
                }
                Some(c) => {
                    name.push(c);
                    self.at += 1;
                }
            }
        }
        if name.is_empty() {
            let what = if mark == ':' { "invalid character class" } else { "invalid collating element" };
            return Err(invalid(what));
        }
        Ok(name)
    }
}

fn collating_element(name: &str) -> PgResult<char> {
    let mut chars = name.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        return Ok(c);
    }
    CHARACTER_NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, c)| *c)
        .ok_or_else(|| invalid("invalid collating element"))
}
