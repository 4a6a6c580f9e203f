//! The grammar of `jsonpath` (PostgreSQL's `jsonpath_gram.y`), by recursive descent.

use crate::io::invalid_syntax;
use crate::json_parse::too_deep;
use crate::jsonpath::{Binary, Chain, JsonPath, Method, RegexFlags, Step, Unary};
use crate::jsonpath_lex::{Lexeme, Lexer, Token, error_at, invalid};
use redoubt_error::{PgError, PgResult, code};

/// How deeply parentheses, filters and subscripts may nest.
const MAX_DEPTH: usize = 1000;

/// Reads a path.
///
/// # Errors
/// `42601` and `22P02` for malformed text, with PostgreSQL's words.
pub(crate) fn parse(text: &str) -> PgResult<JsonPath> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        next: Lexeme { token: Token::End, shown: String::new() },
        depth: 0,
    };
    parser.advance()?;
    let lax = match parser.keyword() {
        Some("strict") => {
            parser.advance()?;
            false
        }
        Some("lax") => {
            parser.advance()?;
            true
        }
        _ => true,
    };
    if parser.next.token == Token::End && text.trim_matches([' ', '\t', '\n', '\r', '\u{c}']).is_empty() {
        return Err(invalid_syntax("jsonpath", text));
    }
    let expr = parser.disjunction()?.chain;
    if parser.next.token != Token::End {
        return Err(parser.unexpected());
    }
    check(&expr, 0, false)?;
    Ok(JsonPath { lax, expr })
}

/// What was read: PostgreSQL's grammar keeps values and truth values apart.
struct Parsed {
    chain: Chain,
    is_predicate: bool,
}

fn value(step: Step) -> Parsed {
    Parsed { chain: Chain(vec![step]), is_predicate: false }
}

fn predicate(step: Step) -> Parsed {
    Parsed { chain: Chain(vec![step]), is_predicate: true }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    next: Lexeme,
    depth: usize,
}

/// Words with a meaning; `true` for those that count in lower case only.
const KEYWORDS: [(&str, bool); 22] = [
    ("is", false),
    ("to", false),
    ("abs", false),
    ("lax", false),
    ("flag", false),
    ("last", false),
    ("null", true),
    ("size", false),
    ("true", true),
    ("type", false),
    ("with", false),
    ("false", true),
    ("floor", false),
    ("double", false),
    ("exists", false),
    ("starts", false),
    ("strict", false),
    ("ceiling", false),
    ("unknown", false),
    ("datetime", false),
    ("keyvalue", false),
    ("like_regex", false),
];

impl Parser<'_> {
    fn advance(&mut self) -> PgResult<Token> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.next, next).token)
    }

    fn unexpected(&self) -> PgError {
        error_at("syntax error", &self.next.shown)
    }

    fn keyword(&self) -> Option<&'static str> {
        let Token::Word(word) = &self.next.token else { return None };
        let is = |(keyword, exact): &&(&str, bool)| {
            if *exact { word == keyword } else { word.eq_ignore_ascii_case(keyword) }
        };
        KEYWORDS.iter().find(is).map(|(keyword, _)| *keyword)
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.next.token, Token::Symbol(found) if found == symbol)
    }

    fn take_symbol(&mut self, symbol: &str) -> PgResult<bool> {
        let found = self.is_symbol(symbol);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect_symbol(&mut self, symbol: &str) -> PgResult<()> {
        if self.take_symbol(symbol)? { Ok(()) } else { Err(self.unexpected()) }
    }

    fn expect_keyword(&mut self, keyword: &str) -> PgResult<()> {
        if self.keyword() == Some(keyword) {
            self.advance()?;
            return Ok(());
        }
        Err(self.unexpected())
    }

    /// The operand of `op` must be a truth value, or a value, before the operator is taken.
    fn require(&self, operand: &Parsed, is_predicate: bool) -> PgResult<()> {
        if operand.is_predicate == is_predicate { Ok(()) } else { Err(self.unexpected()) }
    }

    fn disjunction(&mut self) -> PgResult<Parsed> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let mut left = self.conjunction()?;
        while self.is_symbol("||") {
            self.require(&left, true)?;
            self.advance()?;
            let right = self.conjunction()?;
            self.require(&right, true)?;
            left = predicate(Step::Binary(Binary::Or, left.chain, right.chain));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn conjunction(&mut self) -> PgResult<Parsed> {
        let mut left = self.comparison()?;
        while self.is_symbol("&&") {
            self.require(&left, true)?;
            self.advance()?;
            let right = self.comparison()?;
            self.require(&right, true)?;
            left = predicate(Step::Binary(Binary::And, left.chain, right.chain));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> PgResult<Parsed> {
        let left = self.sum()?;
        let operator = match self.next.token {
            Token::Symbol("==") => Binary::Equal,
            Token::Symbol("!=" | "<>") => Binary::NotEqual,
            Token::Symbol("<") => Binary::Less,
            Token::Symbol(">") => Binary::Greater,
            Token::Symbol("<=") => Binary::LessOrEqual,
            Token::Symbol(">=") => Binary::GreaterOrEqual,
            _ => match self.keyword() {
                Some("starts") => return self.starts_with(left),
                Some("like_regex") => return self.like_regex(left),
                _ => return Ok(left),
            },
        };
        self.require(&left, false)?;
        self.advance()?;
        let right = self.sum()?;
        self.require(&right, false)?;
        Ok(predicate(Step::Binary(operator, left.chain, right.chain)))
    }

    fn starts_with(&mut self, left: Parsed) -> PgResult<Parsed> {
        self.require(&left, false)?;
        self.advance()?;
        self.expect_keyword("with")?;
        let initial = match &self.next.token {
            Token::String(text) => Step::String(text.clone()),
            Token::Variable(name) => Step::Variable(name.clone()),
            _ => return Err(self.unexpected()),
        };
        self.advance()?;
        Ok(predicate(Step::Binary(Binary::StartsWith, left.chain, Chain(vec![initial]))))
    }

    fn string(&mut self) -> PgResult<String> {
        if !matches!(self.next.token, Token::String(_)) {
            return Err(self.unexpected());
        }
        match self.advance()? {
            Token::String(text) => Ok(text),
            _ => Err(PgError::internal("a token has changed")),
        }
    }

    fn like_regex(&mut self, left: Parsed) -> PgResult<Parsed> {
        self.require(&left, false)?;
        self.advance()?;
        let pattern = self.string()?;
        let mut flags = RegexFlags::default();
        if self.keyword() == Some("flag") {
            self.advance()?;
            for letter in self.string()?.chars() {
                match letter {
                    'i' => flags.ignore_case = true,
                    's' => flags.dot_all = true,
                    'm' => flags.multi_line = true,
                    'x' => flags.white_space = true,
                    'q' => flags.quote = true,
                    _ => {
                        let detail =
                            format!("Unrecognized flag character \"{letter}\" in LIKE_REGEX predicate.");
                        return Err(invalid(code::SYNTAX_ERROR, detail));
                    }
                }
            }
        }
        crate::jsonpath_regex::compile(&pattern, flags)?;
        Ok(predicate(Step::LikeRegex { expr: left.chain, pattern, flags }))
    }

    fn sum(&mut self) -> PgResult<Parsed> {
        let mut left = self.product()?;
        loop {
            let operator = match self.next.token {
                Token::Symbol("+") => Binary::Add,
                Token::Symbol("-") => Binary::Sub,
                _ => return Ok(left),
            };
            self.require(&left, false)?;
            self.advance()?;
            let right = self.product()?;
            self.require(&right, false)?;
            left = value(Step::Binary(operator, left.chain, right.chain));
        }
    }

    fn product(&mut self) -> PgResult<Parsed> {
        let mut left = self.signed()?;
        loop {
            let operator = match self.next.token {
                Token::Symbol("*") => Binary::Mul,
                Token::Symbol("/") => Binary::Div,
                Token::Symbol("%") => Binary::Mod,
                _ => return Ok(left),
            };
            self.require(&left, false)?;
            self.advance()?;
            let right = self.signed()?;
            self.require(&right, false)?;
            left = value(Step::Binary(operator, left.chain, right.chain));
        }
    }

    fn signed(&mut self) -> PgResult<Parsed> {
        let operator = match self.next.token {
            Token::Symbol("+") => Unary::Plus,
            Token::Symbol("-") => Unary::Minus,
            Token::Symbol("!") => return self.negation(),
            _ => return self.accessed(),
        };
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(too_deep());
        }
        self.advance()?;
        let operand = self.signed()?;
        self.require(&operand, false)?;
        self.depth -= 1;
        // A sign before a literal is part of it.
        if let [Step::Number(number)] = &operand.chain.0[..] {
            let number = if operator == Unary::Minus { number.clone().negated() } else { number.clone() };
            return Ok(value(Step::Number(number)));
        }
        Ok(value(Step::Unary(operator, operand.chain)))
    }

    /// `!` stands before parentheses or `exists` only.
    fn negation(&mut self) -> PgResult<Parsed> {
        self.advance()?;
        let operand = if self.keyword() == Some("exists") {
            self.exists()?
        } else {
            self.expect_symbol("(")?;
            let operand = self.disjunction()?;
            self.require(&operand, true)?;
            self.expect_symbol(")")?;
            operand
        };
        Ok(predicate(Step::Unary(Unary::Not, operand.chain)))
    }

    fn exists(&mut self) -> PgResult<Parsed> {
        self.advance()?;
        self.expect_symbol("(")?;
        let operand = self.disjunction()?;
        self.require(&operand, false)?;
        self.expect_symbol(")")?;
        Ok(predicate(Step::Unary(Unary::Exists, operand.chain)))
    }

    /// An operand with its accessors.
    fn accessed(&mut self) -> PgResult<Parsed> {
        let mut parsed = self.primary()?;
        let starts = |parser: &Self| [".", "[", "?"].iter().any(|symbol| parser.is_symbol(symbol));
        while starts(self) {
            let accessor = self.accessor()?;
            parsed.chain.0.push(accessor);
            parsed.is_predicate = false;
        }
        Ok(parsed)
    }

    fn primary(&mut self) -> PgResult<Parsed> {
        if self.take_symbol("(")? {
            let inner = self.disjunction()?;
            self.expect_symbol(")")?;
            if inner.is_predicate && self.keyword() == Some("is") {
                self.advance()?;
                self.expect_keyword("unknown")?;
                return Ok(predicate(Step::Unary(Unary::IsUnknown, inner.chain)));
            }
            return Ok(inner);
        }
        let step = match &self.next.token {
            Token::String(text) => Step::String(text.clone()),
            Token::Variable(name) => Step::Variable(name.clone()),
            Token::Integer(digits) | Token::Number(digits) => Step::Number(crate::numeric_io::parse(digits)?),
            Token::Symbol("$") => Step::Root,
            Token::Symbol("@") => Step::Current,
            _ => match self.keyword() {
                Some("null") => Step::Null,
                Some("true") => Step::Bool(true),
                Some("false") => Step::Bool(false),
                Some("last") => Step::Last,
                Some("exists") => return self.exists(),
                _ => return Err(self.unexpected()),
            },
        };
        self.advance()?;
        Ok(value(step))
    }

    fn accessor(&mut self) -> PgResult<Step> {
        if self.take_symbol("?")? {
            self.expect_symbol("(")?;
            let filter = self.disjunction()?;
            self.require(&filter, true)?;
            self.expect_symbol(")")?;
            return Ok(Step::Filter(filter.chain));
        }
        if self.take_symbol("[")? {
            return self.subscripts();
        }
        self.expect_symbol(".")?;
        if self.take_symbol("*")? {
            return Ok(Step::AnyKey);
        }
        if self.take_symbol("**")? {
            return self.any_levels();
        }
        let keyword = self.keyword();
        let name = match &self.next.token {
            Token::Word(name) | Token::String(name) => name.clone(),
            _ => return Err(self.unexpected()),
        };
        self.advance()?;
        if !self.is_symbol("(") {
            return Ok(Step::Key(name));
        }
        let method = match keyword {
            Some("abs") => Method::Abs,
            Some("size") => Method::Size,
            Some("type") => Method::Type,
            Some("floor") => Method::Floor,
            Some("double") => Method::Double,
            Some("ceiling") => Method::Ceiling,
            Some("keyvalue") => Method::KeyValue,
            Some("datetime") => {
                self.advance()?;
                let template =
                    if matches!(self.next.token, Token::String(_)) { Some(self.string()?) } else { None };
                self.expect_symbol(")")?;
                return Ok(Step::Datetime(template));
            }
            _ => return Err(self.unexpected()),
        };
        self.advance()?;
        self.expect_symbol(")")?;
        Ok(Step::Method(method))
    }

    fn subscripts(&mut self) -> PgResult<Step> {
        if self.take_symbol("*")? {
            self.expect_symbol("]")?;
            return Ok(Step::AnyArray);
        }
        let mut subscripts = Vec::new();
        loop {
            let from = self.disjunction()?;
            self.require(&from, false)?;
            let to = if self.keyword() == Some("to") {
                self.advance()?;
                let to = self.disjunction()?;
                self.require(&to, false)?;
                Some(to.chain)
            } else {
                None
            };
            subscripts.push((from.chain, to));
            if !self.take_symbol(",")? {
                break;
            }
        }
        self.expect_symbol("]")?;
        Ok(Step::Subscripts(subscripts))
    }

    fn any_levels(&mut self) -> PgResult<Step> {
        if !self.take_symbol("{")? {
            return Ok(Step::Any { first: 0, last: u32::MAX });
        }
        let first = self.level()?;
        let last = if self.keyword() == Some("to") {
            self.advance()?;
            self.level()?
        } else {
            first
        };
        self.expect_symbol("}")?;
        Ok(Step::Any { first, last })
    }

    fn level(&mut self) -> PgResult<u32> {
        let level = match &self.next.token {
            Token::Integer(digits) => digits
                .parse::<i32>()
                .map_err(|_| crate::integer::value_out_of_range(digits, "integer"))?
                .unsigned_abs(),
            _ if self.keyword() == Some("last") => u32::MAX,
            _ => return Err(self.unexpected()),
        };
        self.advance()?;
        Ok(level)
    }
}

/// Refuses `@` outside of filters and `last` outside of subscripts.
fn check(chain: &Chain, filters: usize, in_subscript: bool) -> PgResult<()> {
    let refuse = |message: &str| Err(PgError::new(code::SYNTAX_ERROR, message));
    for step in &chain.0 {
        match step {
            Step::Current if filters == 0 => return refuse("@ is not allowed in root expressions"),
            Step::Last if !in_subscript => return refuse("LAST is allowed only in array subscripts"),
            Step::Unary(_, operand) | Step::LikeRegex { expr: operand, .. } => {
                check(operand, filters, in_subscript)?;
            }
            Step::Binary(_, left, right) => {
                check(left, filters, in_subscript)?;
                check(right, filters, in_subscript)?;
            }
            Step::Filter(operand) => check(operand, filters + 1, in_subscript)?,
            Step::Subscripts(subscripts) => {
                for (from, to) in subscripts {
                    check(from, filters, true)?;
                    to.as_ref().map_or(Ok(()), |to| check(to, filters, true))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> String {
        match parse(text) {
            Ok(path) => path.to_string(),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn printed_forms() {
        for (text, expected) in [
            ("$", "$"),
            ("lax  $", "$"),
            ("strict $", "strict $"),
            ("$.a.*[*].b", "$.\"a\".*[*].\"b\""),
            ("$.a.**{2 to last}", "$.\"a\".**{2 to last}"),
            ("$[0, 1 + 2 to last]", "$[0,1 + 2 to last]"),
            ("$a + 1", "($\"a\" + 1)"),
            ("1 * 2 + 4 % -3 != false", "(1 * 2 + 4 % -3 != false)"),
            (
                "$ ? (@.a < 1 && (@.b > 2 || exists(@.c)))",
                "$?(@.\"a\" < 1 && (@.\"b\" > 2 || exists (@.\"c\")))",
            ),
            ("(1).type()", "(1).type()"),
            ("(($ + 1)).a", "($ + 1).\"a\""),
            ("-(2).x", "(-(2).\"x\")"),
            ("$ ? (@ like_regex \"pat\" flag \"xsmiq\")", "$?(@ like_regex \"pat\" flag \"ismxq\")"),
            ("$.datetime(\"x\")", "$.datetime(\"x\")"),
            ("$.\"\\u0061\\t\\x62\"", "$.\"a\\tb\""),
            ("", "invalid input syntax for type jsonpath: \"\""),
            ("@ + 1", "@ is not allowed in root expressions"),
            ("last", "LAST is allowed only in array subscripts"),
            ("$.a == 1 == 2", "syntax error at or near \"==\" of jsonpath input"),
            ("1 && 2", "syntax error at or near \"&&\" of jsonpath input"),
            ("$ ? (@.a)", "syntax error at or near \")\" of jsonpath input"),
            ("1a", "trailing junk after numeric literal at or near \"1a\" of jsonpath input"),
            ("1e+", "invalid numeric literal at or near \"1e+\" of jsonpath input"),
            ("00", "trailing junk after numeric literal at or near \"00\" of jsonpath input"),
            ("\"abc", "unexpected end of quoted string at end of jsonpath input"),
            ("\"\\u00\"", "invalid unicode sequence at or near \"\\u00\" of jsonpath input"),
        ] {
            assert_eq!(printed(text), expected, "{text}");
        }
    }
}
