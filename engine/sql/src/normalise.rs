//! Statements with their literals lifted out, so that a plan cache knows a statement it has seen with
//! other values.
//!
//! A literal is lifted only where a parameter in its place means the same: compared in WHERE, assigned in
//! SET, inserted by VALUES, counted by LIMIT. In SELECT's list, GROUP BY, ORDER BY and HAVING a number may
//! be a column's position and equal expressions must stay equal; arguments of functions, type modifiers,
//! array elements, patterns and strings behind a type's name stay as they are too.
//!
//! A parameter is not a literal in every respect. Whoever uses this must fall back to the statement as it
//! was written when the lifted one cannot be analyzed, or a string is no value of the type that its
//! parameter got: the error then has PostgreSQL's words and position.

use crate::keywords::{Category, category};
use crate::lexer::{bare_word, byte_range, lex};
use sqlparser::tokenizer::Token;

/// A statement without its literals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normalised {
    /// The statement, its words folded and its white space and comments gone, with `$1`, `$2`, ... for
    /// what was lifted. Together with the literals' kinds it is a key: two statements that have both in
    /// common differ in their values only.
    pub text: String,
    /// What was lifted, `$1` first.
    pub literals: Vec<Lifted>,
}

/// A literal's value; its kind is the parameter's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lifted {
    /// int4.
    Int4(i32),
    /// int8.
    Int8(i64),
    /// numeric, as written.
    Numeric(String),
    /// A string; use decides its type.
    String(String),
}

/// More literals than this are not worth a plan of their own.
const MAX_LITERALS: usize = 128;
/// Longer statements are not worth keeping.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Lifts the literals out of a single SELECT, INSERT, UPDATE or DELETE. `None` for anything else, and for
/// statements with parameters of their own.
pub fn normalise(text: &str) -> Option<Normalised> {
    if text.len() > MAX_TEXT_BYTES {
        return None;
    }
    let lexed = lex(text);
    if lexed.error.is_some() || !lexed.notices.is_empty() {
        return None;
    }
    let mut tokens: &[_] = &lexed.tokens;
    while let [rest @ .., last] = tokens
        && last.token == Token::SemiColon
    {
        tokens = rest;
    }
    let command = bare_word(&tokens.first()?.token)?;
    if !matches!(command, "select" | "insert" | "update" | "delete") {
        return None;
    }
    let mut scan = Scan {
        out: String::with_capacity(text.len() + 16),
        literals: Vec::new(),
        frames: vec![Frame::query(command)],
    };
    for (index, token) in tokens.iter().enumerate() {
        let before = |n: usize| index.checked_sub(n).map(|at| &tokens[at].token);
        let after = tokens.get(index + 1).map(|token| &token.token);
        let raw = &text[byte_range(token.span)];
        scan.token(&token.token, raw, [before(1), before(2)], after)?;
    }
    Some(Normalised { text: scan.out, literals: scan.literals })
}

/// Where in a query a token stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clause {
    /// Literals here may be lifted.
    Values,
    /// They may not.
    Other,
    /// From ON CONFLICT to DO: WHERE is a part of the index's description here.
    Conflict,
}

/// One level of parentheses.
struct Frame {
    /// Clause keywords count here.
    query: bool,
    /// SET and VALUES count here.
    modifies: bool,
    clause: Clause,
}

impl Frame {
    fn query(command: &str) -> Frame {
        Frame { query: true, modifies: matches!(command, "insert" | "update"), clause: Clause::Other }
    }
}

struct Scan {
    out: String,
    literals: Vec<Lifted>,
    frames: Vec<Frame>,
}

impl Scan {
    fn frame(&mut self) -> Option<&mut Frame> {
        self.frames.last_mut()
    }

    /// Takes one token; `None` gives the statement up.
    fn token(
        &mut self,
        token: &Token,
        raw: &str,
        before: [Option<&Token>; 2],
        after: Option<&Token>,
    ) -> Option<()> {
        match token {
            Token::Placeholder(_) | Token::SemiColon => return None,
            Token::LParen | Token::LBracket => {
                let opened = self.opened(token, before, after)?;
                self.frames.push(opened);
            }
            Token::RParen | Token::RBracket if self.frames.len() > 1 => {
                self.frames.pop();
            }
            Token::RParen | Token::RBracket => return None,
            Token::Number(..) | Token::SingleQuotedString(_) => {
                if let Some(literal) = self.lift(token, before, after)? {
                    self.literals.push(literal);
                    let parameter = format!("${}", self.literals.len());
                    self.add(&parameter);
                    return (self.literals.len() <= MAX_LITERALS).then_some(());
                }
            }
            _ => self.clause(token, after)?,
        }
        match bare_word(token) {
            Some(word) => self.add(word),
            None => self.add(raw),
        }
        Some(())
    }

    fn add(&mut self, text: &str) {
        if !self.out.is_empty() {
            self.out.push(' ');
        }
        self.out.push_str(text);
    }

    /// What a parenthesis opens: a subquery, a call, or a part of the expression around it.
    fn opened(&mut self, token: &Token, before: [Option<&Token>; 2], after: Option<&Token>) -> Option<Frame> {
        let around = self.frame()?;
        let inner = after.and_then(bare_word).unwrap_or_default();
        if matches!(inner, "select" | "values" | "table" | "with" | "insert" | "update" | "delete") {
            return Some(Frame::query(inner));
        }
        let clause = match before[0] {
            _ if *token == Token::LBracket => Clause::Other,
            // A name before the parenthesis makes it a call, or a type's modifiers.
            Some(Token::Word(_)) if !before[0].and_then(bare_word).is_some_and(opens_expression) => {
                Clause::Other
            }
            _ => around.clause,
        };
        Some(Frame { query: false, modifies: false, clause })
    }

    /// Words that begin another clause.
    fn clause(&mut self, token: &Token, after: Option<&Token>) -> Option<()> {
        let is_distinct_from = self.out.ends_with("distinct");
        let frame = self.frame()?;
        let (true, Some(word)) = (frame.query, bare_word(token)) else { return Some(()) };
        if frame.clause == Clause::Conflict {
            if word == "do" {
                frame.clause = Clause::Other;
            }
            return Some(());
        }
        frame.clause = match word {
            "where" | "limit" | "offset" => Clause::Values,
            "set" if frame.modifies => Clause::Values,
            "values" if frame.modifies && after == Some(&Token::LParen) => Clause::Values,
            "conflict" => Clause::Conflict,
            "from" if is_distinct_from => frame.clause,
            "select" | "from" | "group" | "having" | "order" | "fetch" | "for" | "window" | "union"
            | "intersect" | "except" | "returning" | "using" | "on" | "join" | "with" => Clause::Other,
            _ => frame.clause,
        };
        Some(())
    }

    /// The literal's value, if it may be lifted. A minus sign that belongs to a number goes with it.
    fn lift(
        &mut self,
        token: &Token,
        before: [Option<&Token>; 2],
        after: Option<&Token>,
    ) -> Option<Option<Lifted>> {
        if self.frame()?.clause != Clause::Values || after == Some(&Token::Period) {
            return Some(None);
        }
        let digits = match token {
            Token::SingleQuotedString(value) if is_compared(before[0]) => {
                return Some(Some(Lifted::String(value.clone())));
            }
            Token::Number(digits, _) => digits,
            _ => return Some(None),
        };
        let signed = matches!(before[0], Some(Token::Minus | Token::Plus)) && !ends_operand(before[1]);
        if signed {
            // A cast would bind tighter than the sign.
            if before[0] == Some(&Token::Plus) || after == Some(&Token::DoubleColon) {
                return Some(None);
            }
            self.out.truncate(self.out.strip_suffix(" -")?.len());
        } else if !is_operand_place(before[0]) {
            return Some(None);
        }
        let digits = if signed { format!("-{digits}") } else { digits.clone() };
        Some(Some(match digits.parse::<i64>() {
            Ok(value) => i32::try_from(value).map_or(Lifted::Int8(value), Lifted::Int4),
            Err(_) => Lifted::Numeric(digits),
        }))
    }
}

/// Whether a sign behind the token is an operator between two operands.
fn ends_operand(token: Option<&Token>) -> bool {
    match token {
        Some(Token::RParen | Token::RBracket | Token::Number(..) | Token::SingleQuotedString(_)) => true,
        Some(token @ Token::Word(_)) => {
            bare_word(token).is_none_or(|word| category(word) != Some(Category::Reserved))
        }
        _ => false,
    }
}

/// Keywords behind which a parenthesis holds a part of the expression.
fn opens_expression(word: &str) -> bool {
    matches!(
        word,
        "and" | "or" | "not" | "in" | "where" | "set" | "values" | "when" | "then" | "else" | "between"
    )
}

/// A number behind a word is an operand only behind some words.
fn is_operand_place(before: Option<&Token>) -> bool {
    match before {
        Some(Token::LBracket | Token::Colon | Token::DoubleColon) | None => false,
        Some(Token::Word(_)) => before.and_then(bare_word).is_some_and(|word| {
            opens_expression(word) || matches!(word, "limit" | "offset" | "case" | "symmetric")
        }),
        Some(_) => true,
    }
}

/// A string takes its type from what it is compared with or assigned to.
fn is_compared(before: Option<&Token>) -> bool {
    match before {
        Some(
            Token::Eq
            | Token::Neq
            | Token::Lt
            | Token::Gt
            | Token::LtEq
            | Token::GtEq
            | Token::LParen
            | Token::Comma,
        ) => true,
        Some(token) => matches!(bare_word(token), Some("between" | "and")),
        None => false,
    }
}
