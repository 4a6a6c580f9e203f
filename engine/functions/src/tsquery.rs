//! `tsquery`: words joined by `&`, `|`, `!` and `<->` (PostgreSQL's `tsquery.c`).

use crate::binary::{BinaryReader, client_text};
use crate::io::TypeIo;
use crate::json_parse::too_deep;
use crate::text::is_c_space;
use crate::tsvector::{MAX_LEXEME_BYTES, MAX_POSITION, read_word, weight_of, write_quoted};
use crate::{Datum, Env};
use redoubt_error::{PgError, PgResult, Severity, code};

/// How deeply a query may nest.
const MAX_DEPTH: usize = 1000;

/// A `tsquery`; `None` is the empty one.
#[derive(Clone, Debug, Default)]
pub struct TsQuery(pub(crate) Option<Node>);

/// A part of a query.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Word(QueryWord),
    Not(Box<Node>),
    Join(Join, Box<Node>, Box<Node>),
}

/// A word to look for.
#[derive(Clone, Debug)]
pub(crate) struct QueryWord {
    pub(crate) text: Box<str>,
    /// Bits of the weights it may have, `A` being 8; 0 for any.
    pub(crate) weights: u8,
    /// It may be the beginning of a lexeme only.
    pub(crate) prefix: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    And,
    Or,
    /// The right operand stands so many places behind the left one.
    Phrase(u16),
}

impl Join {
    fn priority(self) -> u8 {
        match self {
            Join::Or => 1,
            Join::And => 2,
            Join::Phrase(_) => 3,
        }
    }

    /// PostgreSQL's numbers of the operators.
    fn number(self) -> u8 {
        match self {
            Join::And => 2,
            Join::Or => 3,
            Join::Phrase(_) => 4,
        }
    }
}

const NOT_PRIORITY: u8 = 4;
const NOT_NUMBER: u8 = 1;
const KIND_WORD: u8 = 1;
const KIND_OPERATOR: u8 = 2;

/// `tsquery`
pub(crate) static TSQUERY_IO: TypeIo = TypeIo {
    input: |text, _, env| parse(text, env).map(TsQuery::into_datum),
    output: |datum, _, out| {
        if let Some(node) = &of(datum)?.0 {
            let mut text = String::new();
            write(node, 0, false, &mut text);
            out.extend(text.into_bytes());
        }
        Ok(())
    },
    recv: |bytes, _, _| TsQuery::from_bytes(bytes).map(TsQuery::into_datum),
    send: |datum, _: &dyn Env, out| {
        out.extend(of(datum)?.to_bytes());
        Ok(())
    },
};

fn of(datum: &Datum) -> PgResult<&TsQuery> {
    match datum {
        Datum::TsQuery(value) => Ok(value),
        other => Err(other.mismatch("tsquery")),
    }
}

struct Parser<'a> {
    rest: &'a str,
    whole: &'a str,
    depth: usize,
}

/// Reads a query.
///
/// # Errors
/// `42601` for malformed text, `22023` for an impossible distance.
fn parse(whole: &str, env: &dyn Env) -> PgResult<TsQuery> {
    let mut parser = Parser { rest: whole.trim_start_matches(is_c_space), whole, depth: 0 };
    if parser.rest.is_empty() {
        let message = format!("text-search query doesn't contain lexemes: \"{whole}\"");
        env.notice(PgError::report(Severity::Notice, code::SUCCESSFUL_COMPLETION, message));
        return Ok(TsQuery(None));
    }
    let node = parser.disjunction()?;
    if !parser.rest.is_empty() {
        return Err(parser.malformed());
    }
    Ok(TsQuery(Some(node)))
}

impl Parser<'_> {
    fn malformed(&self) -> PgError {
        PgError::new(code::SYNTAX_ERROR, format!("syntax error in tsquery: \"{}\"", self.whole))
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(is_c_space);
    }

    fn take(&mut self, operator: char) -> bool {
        match self.rest.strip_prefix(operator) {
            Some(rest) => {
                self.rest = rest.trim_start_matches(is_c_space);
                true
            }
            None => false,
        }
    }

    fn disjunction(&mut self) -> PgResult<Node> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let mut left = self.conjunction()?;
        while self.take('|') {
            left = Node::Join(Join::Or, left.into(), self.conjunction()?.into());
        }
        self.depth -= 1;
        Ok(left)
    }

    fn conjunction(&mut self) -> PgResult<Node> {
        let mut left = self.phrase()?;
        while self.take('&') {
            left = Node::Join(Join::And, left.into(), self.phrase()?.into());
        }
        Ok(left)
    }

    fn phrase(&mut self) -> PgResult<Node> {
        let mut left = self.operand()?;
        while let Some(distance) = self.distance()? {
            left = Node::Join(Join::Phrase(distance), left.into(), self.operand()?.into());
        }
        Ok(left)
    }

    /// `<->` or `<N>`.
    fn distance(&mut self) -> PgResult<Option<u16>> {
        let Some(inner) = self.rest.strip_prefix('<') else { return Ok(None) };
        let (distance, behind) = match inner.strip_prefix('-') {
            Some(behind) => (1, behind),
            None => {
                let digits = inner.bytes().take_while(u8::is_ascii_digit).count();
                if digits == 0 {
                    return Ok(None);
                }
                let number = inner[..digits].parse().ok().filter(|number| *number <= MAX_POSITION + 1);
                (number.ok_or_else(bad_distance)?, &inner[digits..])
            }
        };
        let Some(behind) = behind.strip_prefix('>') else { return Ok(None) };
        self.rest = behind.trim_start_matches(is_c_space);
        Ok(Some(distance))
    }

    fn operand(&mut self) -> PgResult<Node> {
        if self.rest.starts_with('!') {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(too_deep());
            }
            self.take('!');
            let operand = self.operand()?;
            self.depth -= 1;
            return Ok(Node::Not(operand.into()));
        }
        if self.take('(') {
            let inner = self.disjunction()?;
            return if self.take(')') { Ok(inner) } else { Err(self.malformed()) };
        }
        if self.rest.is_empty() {
            let message = format!("no operand in tsquery: \"{}\"", self.whole);
            return Err(PgError::new(code::SYNTAX_ERROR, message));
        }
        if self.rest.starts_with(':') {
            return Err(self.malformed());
        }
        let word = read_word(self.rest, true, self.whole)?;
        if word.text.len() >= MAX_LEXEME_BYTES {
            let message = format!("word is too long in tsquery: \"{}\"", self.whole);
            return Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message));
        }
        let consumed = self.rest.len() - word.rest.len();
        self.rest = &self.rest[consumed..];
        let mut found = QueryWord { text: word.text.into(), weights: 0, prefix: false };
        if let Some(modifiers) = self.rest.strip_prefix(':') {
            let mut count = 0;
            for letter in modifiers.bytes() {
                match weight_of(letter) {
                    Some(weight) => found.weights |= 1 << weight,
                    None if letter == b'*' => found.prefix = true,
                    None => break,
                }
                count += 1;
            }
            self.rest = &self.rest[1 + count..];
        }
        self.skip_blanks();
        Ok(Node::Word(found))
    }
}

/// `22023`: a distance out of range.
pub(crate) fn bad_distance() -> PgError {
    let message = "distance in phrase operator must be an integer value between zero and 16384 inclusive";
    PgError::new(code::INVALID_PARAMETER_VALUE, message)
}

fn write(node: &Node, parent: u8, right_of_phrase: bool, out: &mut String) {
    match node {
        Node::Word(word) => {
            write_quoted(&word.text, out);
            if word.weights != 0 || word.prefix {
                out.push(':');
                out.push_str(if word.prefix { "*" } else { "" });
                for (bit, letter) in [(8, 'A'), (4, 'B'), (2, 'C'), (1, 'D')] {
                    if word.weights & bit != 0 {
                        out.push(letter);
                    }
                }
            }
        }
        Node::Not(operand) => {
            let wrapped = NOT_PRIORITY < parent;
            out.push_str(if wrapped { "( !" } else { "!" });
            write(operand, NOT_PRIORITY, false, out);
            out.push_str(if wrapped { " )" } else { "" });
        }
        Node::Join(join, left, right) => {
            let is_phrase = matches!(join, Join::Phrase(_));
            let wrapped = join.priority() < parent || is_phrase && right_of_phrase;
            out.push_str(if wrapped { "( " } else { "" });
            write(left, join.priority(), false, out);
            match join {
                Join::And => out.push_str(" & "),
                Join::Or => out.push_str(" | "),
                Join::Phrase(1) => out.push_str(" <-> "),
                Join::Phrase(distance) => out.push_str(&format!(" <{distance}> ")),
            }
            write(right, join.priority(), is_phrase, out);
            out.push_str(if wrapped { " )" } else { "" });
        }
    }
}

/// PostgreSQL's "legacy" CRC-32: the table of the reflected polynomial, used as if it were not.
fn legacy_crc(text: &str) -> u32 {
    let entry = |index: u32| {
        (0..8).fold(index, |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    };
    !text.bytes().fold(u32::MAX, |crc, byte| entry((crc >> 24 ^ u32::from(byte)) & 0xFF) ^ crc << 8)
}

impl Node {
    pub(crate) fn count(&self) -> usize {
        match self {
            Node::Word(_) => 1,
            Node::Not(operand) => 1 + operand.count(),
            Node::Join(_, left, right) => 1 + left.count() + right.count(),
        }
    }

    fn text_bytes(&self) -> usize {
        match self {
            Node::Word(word) => word.text.len() + 1,
            Node::Not(operand) => operand.text_bytes(),
            Node::Join(_, left, right) => left.text_bytes() + right.text_bytes(),
        }
    }

    fn encode_key(&self, out: &mut Vec<u8>) {
        match self {
            Node::Word(word) => {
                out.push(!KIND_WORD);
                out.extend((!(legacy_crc(&word.text) ^ 0x8000_0000)).to_be_bytes());
                out.extend_from_slice(word.text.as_bytes());
                out.push(0);
            }
            Node::Not(operand) => {
                out.extend([!KIND_OPERATOR, !NOT_NUMBER]);
                operand.encode_key(out);
            }
            Node::Join(join, left, right) => {
                out.extend([!KIND_OPERATOR, !join.number()]);
                right.encode_key(out);
                left.encode_key(out);
                if let Join::Phrase(distance) = join {
                    out.extend((!distance).to_be_bytes());
                }
            }
        }
    }

    fn to_bytes(&self, out: &mut Vec<u8>) {
        match self {
            Node::Word(word) => {
                out.extend([KIND_WORD, word.weights, u8::from(word.prefix)]);
                out.extend_from_slice(word.text.as_bytes());
                out.push(0);
            }
            Node::Not(operand) => {
                out.extend([KIND_OPERATOR, NOT_NUMBER]);
                operand.to_bytes(out);
            }
            Node::Join(join, left, right) => {
                out.extend([KIND_OPERATOR, join.number()]);
                if let Join::Phrase(distance) = join {
                    out.extend(distance.to_be_bytes());
                }
                right.to_bytes(out);
                left.to_bytes(out);
            }
        }
    }

    fn from_bytes(reader: &mut BinaryReader<'_>, depth: usize) -> PgResult<Self> {
        let malformed = |what: &str| {
            PgError::new(code::INVALID_BINARY_REPRESENTATION, format!("invalid tsquery: {what}"))
        };
        if depth > MAX_DEPTH * 2 {
            return Err(malformed("nested too deeply"));
        }
        match reader.u8()? {
            KIND_WORD => {
                let (weights, prefix) = (reader.u8()?, reader.u8()? != 0);
                if weights > 0xF {
                    return Err(malformed("invalid weight bitmap"));
                }
                let len = memchr::memchr(0, reader.rest()).ok_or_else(crate::binary::insufficient)?;
                let text = client_text(reader.take(len)?)?.into();
                reader.take(1)?;
                Ok(Node::Word(QueryWord { text, weights, prefix }))
            }
            KIND_OPERATOR => {
                let join = match reader.u8()? {
                    NOT_NUMBER => return Ok(Node::Not(Self::from_bytes(reader, depth + 1)?.into())),
                    2 => Join::And,
                    3 => Join::Or,
                    4 => Join::Phrase(reader.i16()? as u16),
                    _ => return Err(malformed("unrecognized operator type")),
                };
                let right = Self::from_bytes(reader, depth + 1)?;
                let left = Self::from_bytes(reader, depth + 1)?;
                Ok(Node::Join(join, left.into(), right.into()))
            }
            _ => Err(malformed("unrecognized item type")),
        }
    }
}

impl TsQuery {
    pub(crate) fn into_datum(self) -> Datum {
        Datum::TsQuery(self.into())
    }

    /// The number of words and operators.
    pub(crate) fn count(&self) -> usize {
        self.0.as_ref().map_or(0, Node::count)
    }

    /// The binary form, which is also the stored one: operators before their operands, the right one first.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = (self.count() as u32).to_be_bytes().to_vec();
        if let Some(node) = &self.0 {
            node.to_bytes(&mut out);
        }
        out
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// `08P01`, `22P03` and `22021` for malformed bytes.
    pub fn from_bytes(bytes: &[u8]) -> PgResult<Self> {
        let mut reader = BinaryReader::new(bytes);
        let count = reader.i32()?;
        let node = if count == 0 { None } else { Some(Node::from_bytes(&mut reader, 0)?) };
        reader.finish()?;
        let query = TsQuery(node);
        if usize::try_from(count) != Ok(query.count()) {
            let message = "invalid size of tsquery";
            return Err(PgError::new(code::INVALID_BINARY_REPRESENTATION, message));
        }
        Ok(query)
    }

    /// Appends bytes whose order is PostgreSQL's: by number of items, stored size, then item by item.
    pub(crate) fn encode_key(&self, out: &mut Vec<u8>) {
        let text_bytes = self.0.as_ref().map_or(0, Node::text_bytes);
        out.extend((self.count() as u32).to_be_bytes());
        out.extend((text_bytes as u32).to_be_bytes());
        if let Some(node) = &self.0 {
            node.encode_key(out);
        }
    }

    /// The key as bytes of its own.
    pub(crate) fn key(&self) -> Vec<u8> {
        let mut key = Vec::new();
        self.encode_key(&mut key);
        key
    }

    /// PostgreSQL's order, which is that of the keys.
    pub(crate) fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
