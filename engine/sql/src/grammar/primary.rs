//! Operands: names, literals, calls, parentheses (c_expr).

use super::expr::{Mode, Paren};
use super::operator::Level;
use crate::cursor::Cursor;
use crate::keywords::{self, Category};
use crate::tree::*;
use redoubt_error::{PgError, PgResult, code};
use sqlparser::tokenizer::{Token, Word};

impl Cursor<'_> {
    pub(super) fn primary(&mut self, mode: Mode) -> PgResult<Expr> {
        let pos = self.pos();
        match self.peek() {
            Token::Word(_) => self.word_primary(mode),
            Token::Placeholder(_) => self.param(),
            Token::LParen => self.paren_primary(mode, pos),
            _ => match self.literal()? {
                Some(literal) => Ok(literal),
                None => self.unexpected(),
            },
        }
    }

    /// `$n`, perhaps with fields and subscripts.
    fn param(&mut self) -> PgResult<Expr> {
        let pos = self.pos();
        let Token::Placeholder(text) = self.peek() else { return self.unexpected() };
        let Ok(number) = text[1..].parse::<u32>() else {
            let error = PgError::new(code::UNDEFINED_PARAMETER, format!("there is no parameter {text}"));
            return Err(error.at(Some(pos)));
        };
        self.advance();
        self.indirection_behind(Expr::Param { number, pos })
    }

    fn paren_primary(&mut self, mode: Mode, pos: usize) -> PgResult<Expr> {
        match self.paren()? {
            Paren::Query(query) => {
                let link = SubLink { kind: SubLinkKind::Scalar, query, pos };
                self.indirection_behind(Expr::SubLink(Box::new(link)))
            }
            Paren::Expr(expr) => self.indirection_behind(expr),
            Paren::Row(fields) => self.overlaps(Expr::Row { fields, explicit: false, pos }, mode),
        }
    }

    /// A query in parentheses, and nothing else.
    pub(super) fn query_in_parens(&mut self) -> PgResult<Query> {
        if *self.peek() != Token::LParen || !self.query_behind_parens() {
            return self.unexpected_nth(self.leading_parens());
        }
        match self.paren()? {
            Paren::Query(query) => Ok(query),
            _ => self.unexpected(),
        }
    }

    /// A parenthesised query, expression or list of expressions.
    pub(crate) fn paren(&mut self) -> PgResult<Paren> {
        self.paren_of(true)
    }

    /// The same; a list only where one may stand.
    pub(super) fn paren_of(&mut self, list: bool) -> PgResult<Paren> {
        self.nested(|c| {
            c.expect_lparen()?;
            if c.at_query_start() {
                let query = c.query()?;
                c.expect_rparen()?;
                return Ok(Paren::Query(query));
            }
            let first = if *c.peek() == Token::LParen && c.query_behind_parens() {
                let pos = c.pos();
                match c.paren()? {
                    Paren::Query(inner) if *c.peek() == Token::RParen || c.at_query_continuation() => {
                        let query = c.query_from(inner, None, pos)?;
                        c.expect_rparen()?;
                        return Ok(Paren::Query(query));
                    }
                    inner => c.continue_from(inner, pos)?,
                }
            } else {
                c.expr()?
            };
            if !list {
                c.expect_rparen()?;
                return Ok(Paren::Expr(first));
            }
            c.rest_of_list(first)
        })
    }

    /// An expression that began with the parentheses just read at `pos`.
    fn continue_from(&mut self, inner: Paren, pos: usize) -> PgResult<Expr> {
        let operand = match inner {
            Paren::Query(query) => {
                let link = SubLink { kind: SubLinkKind::Scalar, query, pos };
                self.indirection_behind(Expr::SubLink(Box::new(link)))?
            }
            Paren::Expr(expr) => self.indirection_behind(expr)?,
            Paren::Row(fields) => self.overlaps(Expr::Row { fields, explicit: false, pos }, Mode::Full)?,
        };
        self.infix_from(operand, Level::Or, Mode::Full)
    }

    fn rest_of_list(&mut self, first: Expr) -> PgResult<Paren> {
        if self.eat_token(&Token::RParen) {
            return Ok(Paren::Expr(first));
        }
        let mut items = vec![first];
        while self.eat_token(&Token::Comma) {
            items.push(self.expr()?);
        }
        self.expect_rparen()?;
        match items.len() {
            1 => self.unexpected(),
            _ => Ok(Paren::Row(items)),
        }
    }

    /// Whether a query starts behind the run of parentheses that is next.
    pub(super) fn query_behind_parens(&self) -> bool {
        self.at_query_start_nth(self.leading_parens())
    }

    /// `row OVERLAPS row`, if that is what follows.
    fn overlaps(&mut self, row: Expr, mode: Mode) -> PgResult<Expr> {
        if mode == Mode::Restricted || !self.at("overlaps") {
            return Ok(row);
        }
        let pos = self.pos();
        self.advance();
        let left_pos = row.location();
        let left = row_fields(row, "left", left_pos)?;
        let right_pos = self.pos();
        let right = if self.at("row") {
            self.explicit_row()?
        } else {
            match self.paren()? {
                Paren::Row(fields) => Expr::Row { fields, explicit: false, pos: right_pos },
                _ => return self.unexpected(),
            }
        };
        let mut args = left;
        args.extend(row_fields(right, "right", right_pos)?);
        Ok(Expr::Call(Box::new(FuncCall::system("overlaps", args, pos))))
    }

    /// ROW (...).
    fn explicit_row(&mut self) -> PgResult<Expr> {
        let pos = self.pos();
        self.expect("row")?;
        self.expect_lparen()?;
        let fields = match self.peek() {
            Token::RParen => Vec::new(),
            _ => self.expr_list()?,
        };
        self.expect_rparen()?;
        Ok(Expr::Row { fields, explicit: true, pos })
    }

    /// An operand that starts with a word.
    fn word_primary(&mut self, mode: Mode) -> PgResult<Expr> {
        let Token::Word(Word { value, quote_style, .. }) = self.peek() else { return self.unexpected() };
        let category = match quote_style {
            Some(_) => None,
            None => keywords::category(value),
        };
        match category {
            None | Some(Category::Unreserved) => self.name_primary(),
            Some(Category::Reserved) => self.reserved_primary(),
            Some(Category::ColumnName) => self.column_keyword_primary(mode),
            Some(Category::TypeOrFunction) => self.function_keyword_primary(),
        }
    }

    fn reserved_primary(&mut self) -> PgResult<Expr> {
        let pos = self.pos();
        match self.word().unwrap_or_default() {
            "null" | "true" | "false" => {
                let value = match self.word() {
                    Some("null") => Literal::Null,
                    word => Literal::Boolean(word == Some("true")),
                };
                self.advance();
                Ok(Expr::Literal { value, pos })
            }
            "case" => self.case(),
            "cast" => self.cast(),
            "array" => self.array(),
            "collate" | "select" | "default" => self.unexpected(),
            "unique" => {
                Err(PgError::new(code::FEATURE_NOT_SUPPORTED, "UNIQUE predicate is not yet implemented")
                    .at(Some(pos)))
            }
            _ => match self.sql_value()? {
                Some(value) => Ok(value),
                None => self.unexpected(),
            },
        }
    }

    /// A word that is a function or type name but no column name: LEFT, AUTHORIZATION, ...
    fn function_keyword_primary(&mut self) -> PgResult<Expr> {
        let pos = self.pos();
        match self.word().unwrap_or_default() {
            "collation" if self.at_nth(1, "for") => self.collation_for(),
            "current_schema" if *self.peek_nth(1) != Token::LParen => {
                self.advance();
                Ok(Expr::SqlValue { function: SqlValue::CurrentSchema, precision: None, pos })
            }
            _ => {
                let name = self.type_function_name()?;
                self.function_or_typed_literal(ObjectName { parts: vec![name] })
            }
        }
    }

    fn column_keyword_primary(&mut self, mode: Mode) -> PgResult<Expr> {
        if let Some(special) = self.special_syntax()? {
            return Ok(special);
        }
        if self.at("row") && *self.peek_nth(1) == Token::LParen {
            let row = self.explicit_row()?;
            return self.overlaps(row, mode);
        }
        if let Some(literal) = self.typed_literal()? {
            return Ok(literal);
        }
        let name = self.col_id()?;
        if *self.peek() == Token::LParen {
            return self.unexpected();
        }
        self.column_ref(name)
    }

    /// A name: a column, a function call, or a type in front of a string.
    fn name_primary(&mut self) -> PgResult<Expr> {
        if self.at("nulls") && matches!(self.word_nth(1), Some("first" | "last")) {
            return self.unexpected();
        }
        if let Some(literal) = self.typed_literal()? {
            return Ok(literal);
        }
        // `a.b.c(` is a call of a qualified function; anything else behind dots is a column.
        let mut n = 1;
        while *self.peek_nth(n) == Token::Period && matches!(self.peek_nth(n + 1), Token::Word(_)) {
            n += 2;
        }
        if *self.peek_nth(n) == Token::LParen || self.at_string_nth(n) {
            let mut parts = vec![self.col_id()?];
            while self.eat_token(&Token::Period) {
                parts.push(self.col_label()?);
            }
            return self.function_or_typed_literal(ObjectName { parts });
        }
        let name = self.col_id()?;
        self.column_ref(name)
    }

    /// What may follow a function's name: arguments, or the string of a typed literal.
    fn function_or_typed_literal(&mut self, name: ObjectName) -> PgResult<Expr> {
        if self.peek_string().is_some() {
            return self.literal_of_type(TypeName::plain(name, Vec::new()));
        }
        if *self.peek() != Token::LParen {
            return self.unexpected();
        }
        self.call(name)
    }

    /// A column reference, whose leading name has been read.
    fn column_ref(&mut self, name: Ident) -> PgResult<Expr> {
        let pos = name.pos;
        let mut parts = vec![name];
        let mut path = Vec::new();
        let mut star = false;
        for step in self.indirection()? {
            match step {
                Indirection::Field(field) if path.is_empty() => parts.push(field),
                Indirection::Star if path.is_empty() => star = true,
                step => path.push(step),
            }
        }
        let column = Expr::Column(ColumnRef { parts, star, pos });
        Ok(match path.is_empty() {
            true => column,
            false => Expr::Indirection { arg: Box::new(column), path },
        })
    }

    /// Fields and subscripts behind an operand.
    pub(super) fn indirection_behind(&mut self, arg: Expr) -> PgResult<Expr> {
        let path = self.indirection()?;
        Ok(match path.is_empty() {
            true => arg,
            false => Expr::Indirection { arg: Box::new(arg), path },
        })
    }

    /// `.name`, `.*`, `[i]`, `[i:j]`, any number of them.
    pub(crate) fn indirection(&mut self) -> PgResult<Vec<Indirection>> {
        let mut path = Vec::new();
        loop {
            if self.eat_token(&Token::Period) {
                path.push(match self.peek() {
                    Token::Mul => {
                        self.advance();
                        Indirection::Star
                    }
                    _ => Indirection::Field(self.col_label()?),
                });
            } else if *self.peek() == Token::LBracket {
                path.push(self.subscript()?);
            } else {
                break;
            }
        }
        let leading = path.len().saturating_sub(1);
        if path[..leading].iter().any(|step| matches!(step, Indirection::Star)) {
            return Err(self.error_near("improper use of \"*\""));
        }
        Ok(path)
    }

    fn subscript(&mut self) -> PgResult<Indirection> {
        self.expect_token(&Token::LBracket)?;
        let lower = match self.peek() {
            Token::Colon => None,
            _ => Some(self.expr()?),
        };
        let lower = match lower {
            Some(index) if self.eat_token(&Token::RBracket) => return Ok(Indirection::Index(index)),
            other => other,
        };
        self.expect_token(&Token::Colon)?;
        let upper = match self.peek() {
            Token::RBracket => None,
            _ => Some(self.expr()?),
        };
        self.expect_token(&Token::RBracket)?;
        Ok(Indirection::Slice(lower, upper))
    }

    fn case(&mut self) -> PgResult<Expr> {
        let pos = self.pos();
        self.expect("case")?;
        let arg = if self.at("when") { None } else { Some(self.expr()?) };
        let mut whens = Vec::new();
        while whens.is_empty() || self.at("when") {
            let pos = self.pos();
            self.expect("when")?;
            let condition = self.expr()?;
            self.expect("then")?;
            let result = self.expr()?;
            whens.push(CaseWhen { condition, result, pos });
        }
        let otherwise = if self.eat("else") { Some(self.expr()?) } else { None };
        self.expect("end")?;
        Ok(Expr::Case(Box::new(Case { arg, whens, otherwise, pos })))
    }

    pub(super) fn cast(&mut self) -> PgResult<Expr> {
        let pos = self.pos();
        self.expect("cast")?;
        self.expect_lparen()?;
        let arg = Box::new(self.expr()?);
        self.expect("as")?;
        let type_name = Box::new(self.type_name()?);
        self.expect_rparen()?;
        Ok(Expr::Cast { arg, type_name, pos })
    }

    fn array(&mut self) -> PgResult<Expr> {
        let pos = self.pos();
        self.expect("array")?;
        if *self.peek() == Token::LParen {
            let query = self.query_in_parens()?;
            return Ok(Expr::SubLink(Box::new(SubLink { kind: SubLinkKind::Array, query, pos })));
        }
        self.array_elements(pos)
    }

    /// `[a, b]`, `[[a], [b]]`, `[]`.
    fn array_elements(&mut self, pos: usize) -> PgResult<Expr> {
        self.expect_token(&Token::LBracket)?;
        let elements = match self.peek() {
            Token::RBracket => Vec::new(),
            Token::LBracket => self.comma_list(|c| {
                let pos = c.pos();
                c.nested(|c| c.array_elements(pos))
            })?,
            _ => self.expr_list()?,
        };
        self.expect_token(&Token::RBracket)?;
        Ok(Expr::Array { elements, pos })
    }
}

fn row_fields(row: Expr, side: &str, pos: usize) -> PgResult<Vec<Expr>> {
    match row {
        Expr::Row { fields, .. } if fields.len() == 2 => Ok(fields),
        _ => {
            let message = format!("wrong number of parameters on {side} side of OVERLAPS expression");
            Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(pos)))
        }
    }
}
