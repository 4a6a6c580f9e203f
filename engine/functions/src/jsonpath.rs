//! `jsonpath` values: the tree of a path and its text form.

use crate::binary::{BinaryReader, client_text};
use crate::io::TypeIo;
use crate::json_text::write_string;
use crate::jsonpath_parse::parse;
use crate::numeric::Numeric;
use crate::{Datum, Env};
use redoubt_error::{PgError, PgResult};

/// A path.
#[derive(Clone, Debug)]
pub struct JsonPath {
    /// Arrays are unwrapped and structural errors ignored.
    pub(crate) lax: bool,
    pub(crate) expr: Chain,
}

/// An operand and the accessors behind it; never empty.
#[derive(Clone, Debug)]
pub(crate) struct Chain(pub(crate) Vec<Step>);

/// One item of a path.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Null,
    Bool(bool),
    Number(Numeric),
    String(String),
    Variable(String),
    /// `$`
    Root,
    /// `@`
    Current,
    /// `last`
    Last,
    Unary(Unary, Chain),
    Binary(Binary, Chain, Chain),
    LikeRegex {
        expr: Chain,
        pattern: String,
        flags: RegexFlags,
    },
    /// `.key`
    Key(String),
    /// `.*`
    AnyKey,
    /// `[*]`
    AnyArray,
    /// `[0, 2 to last]`
    Subscripts(Vec<(Chain, Option<Chain>)>),
    /// `.**{first to last}`, `u32::MAX` standing for `last`.
    Any {
        first: u32,
        last: u32,
    },
    /// `?(predicate)`
    Filter(Chain),
    Method(Method),
    /// `.datetime(template)`
    Datetime(Option<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary {
    Plus,
    Minus,
    Not,
    IsUnknown,
    Exists,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    StartsWith,
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Abs,
    Size,
    Type,
    Floor,
    Double,
    Ceiling,
    KeyValue,
}

/// Flags of `like_regex`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RegexFlags {
    pub(crate) ignore_case: bool,
    pub(crate) dot_all: bool,
    pub(crate) multi_line: bool,
    pub(crate) white_space: bool,
    pub(crate) quote: bool,
}

/// `jsonpath`
pub(crate) static JSONPATH_IO: TypeIo = TypeIo {
    input: |text, _, _| parse(text).map(|path| Datum::JsonPath(path.into())),
    output,
    recv: |bytes, _, _| {
        let mut reader = BinaryReader::new(bytes);
        let version = reader.u8()?;
        if version != BINARY_VERSION {
            return Err(PgError::internal(format!("unsupported jsonpath version number: {version}")));
        }
        parse(client_text(reader.take(reader.remaining())?)?).map(|path| Datum::JsonPath(path.into()))
    },
    send: |datum, env, out| {
        out.push(BINARY_VERSION);
        output(datum, env, out)
    },
};

const BINARY_VERSION: u8 = 1;

fn output(datum: &Datum, _: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    let Datum::JsonPath(path) = datum else { return Err(datum.mismatch("jsonpath")) };
    out.extend_from_slice(path.to_string().as_bytes());
    Ok(())
}

impl Binary {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Binary::Or => "||",
            Binary::And => "&&",
            Binary::Equal => "==",
            Binary::NotEqual => "!=",
            Binary::Less => "<",
            Binary::Greater => ">",
            Binary::LessOrEqual => "<=",
            Binary::GreaterOrEqual => ">=",
            Binary::StartsWith => "starts with",
            Binary::Add => "+",
            Binary::Sub => "-",
            Binary::Mul => "*",
            Binary::Div => "/",
            Binary::Mod => "%",
        }
    }

    fn priority(self) -> u8 {
        match self {
            Binary::Or => 0,
            Binary::And => 1,
            Binary::Add | Binary::Sub => 3,
            Binary::Mul | Binary::Div | Binary::Mod => 4,
            _ => 2,
        }
    }
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Method::Abs => "abs",
            Method::Size => "size",
            Method::Type => "type",
            Method::Floor => "floor",
            Method::Double => "double",
            Method::Ceiling => "ceiling",
            Method::KeyValue => "keyvalue",
        }
    }
}

/// Operands that bind no tighter than their operator get parentheses.
fn priority(step: &Step) -> u8 {
    match step {
        Step::Binary(operator, ..) => operator.priority(),
        Step::Unary(Unary::Plus | Unary::Minus, _) => 5,
        _ => 6,
    }
}

impl JsonPath {
    /// Reads the text form.
    ///
    /// # Errors
    /// `42601` and `22P02` for malformed text.
    pub fn parse(text: &str) -> PgResult<Self> {
        parse(text)
    }
}

impl std::fmt::Display for JsonPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = String::new();
        if !self.lax {
            out.push_str("strict ");
        }
        write_chain(&self.expr, true, &mut out);
        f.write_str(&out)
    }
}

/// Writes an operand; parentheses are put around an operator if asked for.
fn write_chain(chain: &Chain, parentheses: bool, out: &mut String) {
    for (at, step) in chain.0.iter().enumerate() {
        write_step(step, at > 0, at + 1 < chain.0.len(), parentheses || at > 0, out);
    }
}

fn write_operand(operand: &Chain, of: &Step, out: &mut String) {
    write_chain(operand, priority(&operand.0[0]) <= priority(of), out);
}

fn write_step(step: &Step, in_key: bool, has_next: bool, parentheses: bool, out: &mut String) {
    let open = |out: &mut String| {
        if parentheses {
            out.push('(');
        }
    };
    let close = |out: &mut String| {
        if parentheses {
            out.push(')');
        }
    };
    let dot = |out: &mut String| {
        if in_key {
            out.push('.');
        }
    };
    match step {
        Step::Null => out.push_str("null"),
        Step::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Step::Number(value) if has_next => out.push_str(&format!("({value})")),
        Step::Number(value) => out.push_str(&value.to_string()),
        Step::String(value) => write_string(value, out),
        Step::Variable(name) => {
            out.push('$');
            write_string(name, out);
        }
        Step::Root => out.push('$'),
        Step::Current => out.push('@'),
        Step::Last => out.push_str("last"),
        Step::Binary(operator, left, right) => {
            open(out);
            write_operand(left, step, out);
            out.push_str(&format!(" {} ", operator.text()));
            write_operand(right, step, out);
            close(out);
        }
        Step::LikeRegex { expr, pattern, flags } => {
            open(out);
            write_operand(expr, step, out);
            out.push_str(" like_regex ");
            write_string(pattern, out);
            write_flags(*flags, out);
            close(out);
        }
        Step::Unary(operator @ (Unary::Plus | Unary::Minus), operand) => {
            open(out);
            out.push(if *operator == Unary::Plus { '+' } else { '-' });
            write_operand(operand, step, out);
            close(out);
        }
        Step::Unary(operator, operand) => {
            out.push_str(match operator {
                Unary::Not => "!(",
                Unary::Exists => "exists (",
                _ => "(",
            });
            write_chain(operand, false, out);
            out.push_str(if *operator == Unary::IsUnknown { ") is unknown" } else { ")" });
        }
        Step::Key(name) => {
            dot(out);
            write_string(name, out);
        }
        Step::AnyKey => {
            dot(out);
            out.push('*');
        }
        Step::AnyArray => out.push_str("[*]"),
        Step::Subscripts(subscripts) => write_subscripts(subscripts, out),
        Step::Any { first, last } => {
            dot(out);
            write_any(*first, *last, out);
        }
        Step::Filter(predicate) => {
            out.push_str("?(");
            write_chain(predicate, false, out);
            out.push(')');
        }
        Step::Method(method) => out.push_str(&format!(".{}()", method.name())),
        Step::Datetime(template) => {
            out.push_str(".datetime(");
            if let Some(template) = template {
                write_string(template, out);
            }
            out.push(')');
        }
    }
}

fn write_flags(flags: RegexFlags, out: &mut String) {
    let all = [
        (flags.ignore_case, 'i'),
        (flags.dot_all, 's'),
        (flags.multi_line, 'm'),
        (flags.white_space, 'x'),
        (flags.quote, 'q'),
    ];
    let letters: String = all.iter().filter(|(set, _)| *set).map(|(_, letter)| *letter).collect();
    if !letters.is_empty() {
        out.push_str(&format!(" flag \"{letters}\""));
    }
}

fn write_subscripts(subscripts: &[(Chain, Option<Chain>)], out: &mut String) {
    out.push('[');
    for (at, (from, to)) in subscripts.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_chain(from, false, out);
        if let Some(to) = to {
            out.push_str(" to ");
            write_chain(to, false, out);
        }
    }
    out.push(']');
}

fn write_any(first: u32, last: u32, out: &mut String) {
    let level = |level: u32| if level == u32::MAX { "last".to_owned() } else { level.to_string() };
    out.push_str("**");
    if (first, last) == (0, u32::MAX) {
        return;
    }
    if first == last {
        out.push_str(&format!("{{{}}}", level(first)));
    } else {
        out.push_str(&format!("{{{} to {}}}", level(first), level(last)));
    }
}
