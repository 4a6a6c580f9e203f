//! Parsing PostgreSQL's advanced and extended regular expressions (H. Spencer's dialect).

use crate::regex_bracket::{class_escape, fold_case, single_char};
use crate::regex_syntax_tree::{Node, NodeId, Preference, Tree};
use redoubt_error::{PgError, PgResult, code};
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange, Look};

/// The largest number in a repetition count.
const MAX_REPEAT: u32 = 255;

/// How an expression is to be read and matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Flags {
    pub(crate) flavor: Flavor,
    pub(crate) ignore_case: bool,
    /// A dot and negated brackets do not match newlines.
    pub(crate) newline_stops: bool,
    /// `^` and `$` match at newlines.
    pub(crate) newline_anchors: bool,
    /// Blanks and comments are ignored.
    pub(crate) expanded: bool,
}

/// Which dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Flavor {
    Advanced,
    Extended,
    Basic,
    /// A plain string.
    Literal,
}

impl Flags {
    /// An advanced expression without options.
    pub(crate) const DEFAULT: Flags = Flags {
        flavor: Flavor::Advanced,
        ignore_case: false,
        newline_stops: false,
        newline_anchors: false,
        expanded: false,
    };

    /// Applies an option letter; false when there is no such option.
    pub(crate) fn apply(&mut self, option: char) -> bool {
        match option {
            'b' => self.flavor = Flavor::Basic,
            'c' => self.ignore_case = false,
            'e' => self.flavor = Flavor::Extended,
            'i' => self.ignore_case = true,
            'm' | 'n' => (self.newline_stops, self.newline_anchors) = (true, true),
            'p' => (self.newline_stops, self.newline_anchors) = (true, false),
            'q' => self.flavor = Flavor::Literal,
            's' => (self.newline_stops, self.newline_anchors) = (false, false),
            't' => self.expanded = false,
            'w' => (self.newline_stops, self.newline_anchors) = (false, true),
            'x' => self.expanded = true,
            _ => return false,
        }
        true
    }
}

/// `2201B` with one of the dialect's messages.
#[cold]
pub(crate) fn invalid(message: &str) -> PgError {
    PgError::new(code::INVALID_REGULAR_EXPRESSION, format!("invalid regular expression: {message}"))
}

pub(crate) const BAD_PARENS: &str = "parentheses () not balanced";
pub(crate) const BAD_BRACKETS: &str = "brackets [] not balanced";
pub(crate) const BAD_ESCAPE: &str = "invalid escape \\ sequence";
const BAD_BRACES: &str = "braces {} not balanced";
const BAD_COUNT: &str = "invalid repetition count(s)";
pub(crate) const BAD_QUANTIFIER: &str = "quantifier operand invalid";
const BAD_OPTION: &str = "invalid embedded option";
pub(crate) const BAD_REFERENCE: &str = "invalid backreference number";
const BAD_PATTERN: &str = "invalid regexp (reg version 0.8)";

/// Reads an expression from the left.
pub(crate) struct Parser {
    pub(crate) chars: Vec<char>,
    pub(crate) at: usize,
    pub(crate) flags: Flags,
    pub(crate) tree: Tree,
    /// Groups opened so far; a group that is still open cannot be referred to.
    opened: usize,
    closed: Vec<bool>,
}

/// What an escape stands for.
pub(crate) enum Escape {
    Char(char),
    Class(ClassUnicode),
    Look(Look),
    BackReference(usize),
}

/// Parses an expression with its options and prefixes.
///
/// # Errors
/// `2201B` for malformed expressions.
pub(crate) fn parse(pattern: &str, flags: Flags) -> PgResult<Tree> {
    let mut parser = Parser {
        chars: pattern.chars().collect(),
        at: 0,
        flags,
        tree: Tree::default(),
        opened: 0,
        closed: Vec::new(),
    };
    parser.prefixes()?;
    match parser.flags.flavor {
        Flavor::Basic => parser.tree.root = parser.basic_branch(false)?,
        Flavor::Literal => parser.tree.root = parser.literal(),
        Flavor::Advanced | Flavor::Extended => {
            parser.tree.root = parser.alternation(false, false)?;
        }
    }
    Ok(parser.tree)
}

impl Parser {
    pub(crate) fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    pub(crate) fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    pub(crate) fn eat_all(&mut self, text: &str) -> bool {
        let found = self.chars[self.at..].iter().copied().take(text.len()).eq(text.chars());
        self.at += if found { text.len() } else { 0 };
        found
    }

    pub(crate) fn is_advanced(&self) -> bool {
        self.flags.flavor == Flavor::Advanced
    }

    /// `***:`, `***=` and embedded options.
    fn prefixes(&mut self) -> PgResult<()> {
        if self.flags.flavor == Flavor::Literal {
            return Ok(());
        }
        if self.chars.len() > 3 && self.eat_all("***") {
            match self.peek() {
                Some(':') => {
                    self.flags.flavor = Flavor::Advanced;
                    self.at += 1;
                }
                Some('=') => {
                    self.at += 1;
                    self.become_literal();
                    return Ok(());
                }
                Some('?') => return Err(invalid(BAD_PATTERN)),
                _ => return Err(invalid(BAD_QUANTIFIER)),
            }
        }
        let has_option = self.chars.get(self.at + 2).is_some_and(char::is_ascii_alphabetic);
        if !self.is_advanced() || !has_option || !self.eat_all("(?") {
            return Ok(());
        }
        while let Some(option) = self.peek().filter(char::is_ascii_alphabetic) {
            if !self.flags.apply(option) {
                return Err(invalid(BAD_OPTION));
            }
            self.at += 1;
        }
        if !self.eat(')') {
            return Err(invalid(BAD_OPTION));
        }
        if self.flags.flavor == Flavor::Literal {
            self.become_literal();
        }
        Ok(())
    }

    fn become_literal(&mut self) {
        let ignore_case = self.flags.ignore_case;
        self.flags = Flags { flavor: Flavor::Literal, ignore_case, ..Flags::DEFAULT };
    }

    fn literal(&mut self) -> NodeId {
        let rest = self.chars.split_off(self.at);
        let parts: Vec<NodeId> = rest.into_iter().map(|c| self.char_node(c)).collect();
        self.tree.push(Node::Concat(parts))
    }

    pub(crate) fn char_node(&mut self, c: char) -> NodeId {
        let class = single_char(c, self.flags.ignore_case);
        self.tree.push(Node::Class(class))
    }

    /// Skips blanks and comments, where the options say so.
    pub(crate) fn skip_blanks(&mut self) {
        loop {
            if self.flags.expanded {
                while self.peek().is_some_and(|c| matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0B' | '\x0C')) {
                    self.at += 1;
                }
                if self.peek() == Some('#') {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                    continue;
                }
            }
            if self.is_advanced() && self.eat_all("(?#") {
                while self.peek().is_some_and(|c| c != ')') {
                    self.at += 1;
                }
                self.at += usize::from(self.peek().is_some());
                continue;
            }
            return;
        }
    }

    /// Branches up to the end, or to the parenthesis that closes a group. Inside a lookaround
    /// nothing captures.
    fn alternation(&mut self, in_group: bool, in_lookaround: bool) -> PgResult<NodeId> {
        let mut branches = vec![self.branch(in_group, in_lookaround)?];
        while self.eat('|') {
            branches.push(self.branch(in_group, in_lookaround)?);
        }
        if in_group && !self.eat(')') {
            return Err(invalid(BAD_PARENS));
        }
        Ok(if branches.len() == 1 { branches[0] } else { self.tree.push(Node::Alternation(branches)) })
    }

    fn branch(&mut self, in_group: bool, in_lookaround: bool) -> PgResult<NodeId> {
        let mut parts = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                None | Some('|') => break,
                Some(')') if in_group => break,
                Some(')') if self.is_advanced() => return Err(invalid(BAD_PARENS)),
                Some(c) => {
                    self.at += 1;
                    if let Some(part) = self.quantified(c, in_lookaround)? {
                        parts.push(part);
                    }
                }
            }
        }
        Ok(match parts[..] {
            [] => self.tree.push(Node::Empty),
            [part] => part,
            _ => self.tree.push(Node::Concat(parts)),
        })
    }

    /// An atom with its quantifier, or a constraint, which takes none.
    fn quantified(&mut self, c: char, in_lookaround: bool) -> PgResult<Option<NodeId>> {
        let look = |parser: &mut Self, look| Ok(Some(parser.tree.push(Node::Look(look))));
        let atom = match c {
            '^' => {
                let kind = self.line_start();
                return look(self, kind);
            }
            '$' => {
                let kind = self.line_end();
                return look(self, kind);
            }
            '*' | '+' | '?' => return Err(invalid(BAD_QUANTIFIER)),
            '{' if self.starts_bound() => return Err(invalid(BAD_QUANTIFIER)),
            '(' => {
                let start = self.at;
                match self.group(in_lookaround)? {
                    GroupKind::Around(id) => return Ok(Some(id)),
                    GroupKind::Plain(id) => {
                        debug_assert!(self.at > start);
                        id
                    }
                }
            }
            '[' if self.eat_all("[:<:]]") => return look(self, Look::WordStartAscii),
            '[' if self.eat_all("[:>:]]") => return look(self, Look::WordEndAscii),
            '[' => {
                let class = self.bracket()?;
                self.tree.push(Node::Class(class))
            }
            '.' => {
                let class = self.any_char();
                self.tree.push(Node::Class(class))
            }
            '\\' => match self.escape()? {
                Escape::Look(found) => return look(self, found),
                Escape::Char(c) => self.char_node(c),
                Escape::Class(class) => self.tree.push(Node::Class(class)),
                Escape::BackReference(group) => {
                    if in_lookaround || !self.is_closed(group) {
                        return Err(invalid(BAD_REFERENCE));
                    }
                    self.tree.push(Node::BackReference(group))
                }
            },
            c => self.char_node(c),
        };
        self.skip_blanks();
        self.quantifier(atom)
    }

    pub(crate) fn line_start(&self) -> Look {
        if self.flags.newline_anchors { Look::StartLF } else { Look::Start }
    }

    pub(crate) fn line_end(&self) -> Look {
        if self.flags.newline_anchors { Look::EndLF } else { Look::End }
    }

    /// Whether a group can be referred to.
    pub(crate) fn is_closed(&self, group: usize) -> bool {
        group.checked_sub(1).and_then(|at| self.closed.get(at)) == Some(&true)
    }

    /// A new group around what `parse` reads.
    pub(crate) fn capturing(&mut self, parse: impl Fn(&mut Self) -> PgResult<NodeId>) -> PgResult<NodeId> {
        self.opened += 1;
        self.closed.push(false);
        self.tree.groups.push(0);
        let index = self.opened;
        let node = parse(self)?;
        self.closed[index - 1] = true;
        let id = self.tree.push(Node::Group { node, index });
        self.tree.groups[index - 1] = id;
        Ok(id)
    }

    pub(crate) fn any_char(&self) -> ClassUnicode {
        let mut class = ClassUnicode::new([ClassUnicodeRange::new('\0', char::MAX)]);
        if self.flags.newline_stops {
            class.difference(&single_char('\n', false));
        }
        class
    }

    /// A parenthesis has been read.
    fn group(&mut self, in_lookaround: bool) -> PgResult<GroupKind> {
        if !self.is_advanced() || !self.eat('?') {
            if in_lookaround {
                return self.alternation(true, true).map(GroupKind::Plain);
            }
            return self.capturing(|parser| parser.alternation(true, false)).map(GroupKind::Plain);
        }
        let (behind, negated) = if self.eat(':') {
            return self.alternation(true, in_lookaround).map(GroupKind::Plain);
        } else if self.eat('=') {
            (false, false)
        } else if self.eat('!') {
            (false, true)
        } else if self.eat_all("<=") {
            (true, false)
        } else if self.eat_all("<!") {
            (true, true)
        } else {
            return Err(invalid(BAD_QUANTIFIER));
        };
        let node = self.alternation(true, true)?;
        Ok(GroupKind::Around(self.tree.push(Node::Around { node, behind, negated })))
    }

    /// After an opening brace: a digit makes it a bound.
    fn starts_bound(&mut self) -> bool {
        let mut at = self.at;
        if self.flags.expanded {
            at += self.chars[at..].iter().take_while(|c| c.is_ascii_whitespace()).count();
        }
        self.chars.get(at).is_some_and(char::is_ascii_digit)
    }

    fn quantifier(&mut self, node: NodeId) -> PgResult<Option<NodeId>> {
        let (min, max, may_prefer) = match self.peek() {
            Some('*') => (0, None, true),
            Some('+') => (1, None, true),
            Some('?') => (0, Some(1), true),
            Some('{') => {
                self.at += 1;
                if !self.starts_bound() {
                    // An ordinary brace after all.
                    self.at -= 1;
                    return Ok(Some(node));
                }
                let (min, max, may_prefer) = self.bound()?;
                self.at -= 1;
                (min, max, may_prefer)
            }
            _ => return Ok(Some(node)),
        };
        self.at += 1;
        let is_short = self.is_advanced() && self.eat('?');
        let preference = match (may_prefer, is_short) {
            (false, _) => Preference::None,
            (true, true) => Preference::Short,
            (true, false) => Preference::Long,
        };
        Ok(self.repeated(node, min, max, preference))
    }

    /// A repetition; none when it matches nothing at all.
    pub(crate) fn repeated(
        &mut self,
        node: NodeId,
        min: u32,
        max: Option<u32>,
        preference: Preference,
    ) -> Option<NodeId> {
        match (min, max) {
            (_, Some(0)) => None,
            (1, Some(1)) if preference == Preference::None => Some(node),
            _ => Some(self.tree.repeat(node, min, max, preference)),
        }
    }

    /// `m}`, `m,}` or `m,n}`. The bare form passes its operand's preference on.
    pub(crate) fn bound(&mut self) -> PgResult<(u32, Option<u32>, bool)> {
        let min = self.count()?;
        self.skip_bound_blanks();
        let (max, may_prefer) = if self.eat(',') {
            self.skip_bound_blanks();
            let max =
                if self.peek().is_some_and(|c| c.is_ascii_digit()) { Some(self.count()?) } else { None };
            if max.is_some_and(|max| min > max) {
                return Err(invalid(BAD_COUNT));
            }
            (max, true)
        } else {
            (Some(min), false)
        };
        self.skip_bound_blanks();
        if self.peek().is_none() {
            return Err(invalid(BAD_BRACES));
        }
        if !self.eat_all(if self.flags.flavor == Flavor::Basic { "\\}" } else { "}" }) {
            return Err(invalid(BAD_COUNT));
        }
        Ok((min, max, may_prefer))
    }

    fn skip_bound_blanks(&mut self) {
        if self.flags.expanded {
            self.skip_blanks();
        }
    }

    fn count(&mut self) -> PgResult<u32> {
        self.skip_bound_blanks();
        let mut value = 0;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            // More digits than fit are an error whatever follows.
            value = value * 10 + digit;
            if value > MAX_REPEAT {
                return Err(invalid(BAD_COUNT));
            }
            self.at += 1;
        }
        Ok(value)
    }

    /// A backslash has been read.
    pub(crate) fn escape(&mut self) -> PgResult<Escape> {
        let Some(c) = self.peek() else { return Err(invalid(BAD_ESCAPE)) };
        self.at += 1;
        if !self.is_advanced() || !c.is_ascii_alphanumeric() {
            return Ok(Escape::Char(c));
        }
        if let Some(class) = class_escape(c) {
            return Ok(Escape::Class(class));
        }
        Ok(match c {
            'a' => Escape::Char('\x07'),
            'b' => Escape::Char('\x08'),
            'B' => Escape::Char('\\'),
            'c' => {
                let Some(control) = self.peek() else { return Err(invalid(BAD_ESCAPE)) };
                self.at += 1;
                Escape::Char(char::from_u32(control as u32 & 0x1F).unwrap_or('\0'))
            }
            'e' => Escape::Char('\x1B'),
            'f' => Escape::Char('\x0C'),
            'n' => Escape::Char('\n'),
            'r' => Escape::Char('\r'),
            't' => Escape::Char('\t'),
            'v' => Escape::Char('\x0B'),
            'u' => Escape::Char(self.digits(16, 4, 4)?),
            'U' => Escape::Char(self.digits(16, 8, 8)?),
            'x' => Escape::Char(self.digits(16, 1, 255)?),
            'A' => Escape::Look(Look::Start),
            'Z' => Escape::Look(Look::End),
            'm' => Escape::Look(Look::WordStartAscii),
            'M' => Escape::Look(Look::WordEndAscii),
            'y' => Escape::Look(Look::WordAscii),
            'Y' => Escape::Look(Look::WordAsciiNegate),
            '0'..='9' => self.numeric_escape(c)?,
            _ => return Err(invalid(BAD_ESCAPE)),
        })
    }

    /// A back reference, or else an octal character.
    fn numeric_escape(&mut self, first: char) -> PgResult<Escape> {
        let start = self.at;
        if first != '0' {
            let mut value = first.to_digit(10).map_or(0, |digit| digit as usize);
            while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
                value = value.saturating_mul(10).saturating_add(digit as usize);
                self.at += 1;
            }
            // One digit is always a reference, more of them only if there are as many groups.
            if self.at == start || value <= self.opened {
                return Ok(Escape::BackReference(value));
            }
        }
        self.at = start - 1;
        let mut value = 0;
        let mut taken = 0;
        while taken < 3
            && let Some(digit) = self.peek().and_then(|c| c.to_digit(8))
        {
            if value * 8 + digit > 0xFF {
                break;
            }
            value = value * 8 + digit;
            taken += 1;
            self.at += 1;
        }
        if taken == 0 {
            return Err(invalid(BAD_ESCAPE));
        }
        char::from_u32(value).map(Escape::Char).ok_or_else(|| invalid(BAD_ESCAPE))
    }

    fn digits(&mut self, radix: u32, least: usize, most: usize) -> PgResult<char> {
        let mut value = 0u32;
        let mut taken = 0;
        while taken < most
            && let Some(digit) = self.peek().and_then(|c| c.to_digit(radix))
        {
            value = value
                .checked_mul(radix)
                .and_then(|v| v.checked_add(digit))
                .ok_or_else(|| invalid(BAD_ESCAPE))?;
            taken += 1;
            self.at += 1;
        }
        if taken < least {
            return Err(invalid(BAD_ESCAPE));
        }
        char::from_u32(value).ok_or_else(|| invalid(BAD_ESCAPE))
    }

    /// Applies case-insensitivity to a set.
    pub(crate) fn folded(&self, class: ClassUnicode) -> ClassUnicode {
        if self.flags.ignore_case { fold_case(class) } else { class }
    }
}

/// What a parenthesis turned out to be.
enum GroupKind {
    Plain(NodeId),
    Around(NodeId),
}
