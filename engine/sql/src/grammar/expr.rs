//! Expressions (a_expr, b_expr): operators by precedence.

use super::operator::{Level, infix_level};
use crate::cursor::{Cursor, MAX_EXPRESSION_HEIGHT, too_deep};
use crate::tree::*;
use redoubt_error::PgResult;
use sqlparser::tokenizer::Token;

/// Which expressions a place admits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// a_expr: everything.
    Full,
    /// b_expr: no AND, OR, NOT, IN, LIKE, BETWEEN, IS NULL, COLLATE, AT TIME ZONE.
    Restricted,
}

impl Cursor<'_> {
    /// a_expr.
    pub(crate) fn expr(&mut self) -> PgResult<Expr> {
        self.expr_at(Level::Or, Mode::Full)
    }

    /// b_expr.
    pub(crate) fn restricted_expr(&mut self) -> PgResult<Expr> {
        self.expr_at(Level::Or, Mode::Restricted)
    }

    /// `a, b, c`.
    pub(crate) fn expr_list(&mut self) -> PgResult<Vec<Expr>> {
        self.comma_list(Self::expr)
    }

    /// An expression whose operators bind at least as tightly as `level`.
    pub(crate) fn expr_at(&mut self, level: Level, mode: Mode) -> PgResult<Expr> {
        self.nested(|c| {
            let before = std::mem::take(&mut c.height);
            let left = c.prefix(mode)?;
            c.height += 1;
            let expr = c.infix_from(left, level, mode)?;
            c.height = c.height.max(before);
            Ok(expr)
        })
    }

    /// Continues an expression whose first operand has been read; `height` is that operand's, and
    /// then the whole's.
    pub(crate) fn infix_from(&mut self, mut left: Expr, level: Level, mode: Mode) -> PgResult<Expr> {
        // The level of the last operator that was open to the right: a second operator of the
        // same non-associative level may not follow it.
        let mut open: Option<Level> = None;
        while let Some(next) = infix_level(self, mode) {
            if next < level {
                break;
            }
            if open == Some(next) && next.is_nonassociative() {
                return self.unexpected();
            }
            let flat = matches!((next, &left), (Level::And, Expr::And { .. }) | (Level::Or, Expr::Or { .. }));
            let left_height = std::mem::take(&mut self.height);
            let is_open;
            (left, is_open) = self.infix(left, next, mode)?;
            self.height = match flat {
                true => left_height.max(self.height + 1),
                false => left_height.max(self.height) + 1,
            };
            if self.height > MAX_EXPRESSION_HEIGHT {
                return Err(too_deep());
            }
            open = is_open.then_some(next);
        }
        Ok(left)
    }

    fn prefix(&mut self, mode: Mode) -> PgResult<Expr> {
        let pos = self.pos();
        match self.peek() {
            Token::Minus => {
                self.advance();
                let arg = self.expr_at(Level::UnaryMinus, mode)?;
                Ok(negate(arg, pos))
            }
            Token::Plus => {
                self.advance();
                let right = self.expr_at(Level::UnaryMinus, mode)?;
                Ok(Expr::Op(Box::new(Op { name: OpName::bare("+"), left: None, right, pos })))
            }
            Token::CustomBinaryOperator(_) => {
                let name = self.operator_name()?;
                let right = self.expr_at(Level::Operator.tighter(), mode)?;
                Ok(Expr::Op(Box::new(Op { name, left: None, right, pos })))
            }
            Token::Word(_) if self.at("operator") && *self.peek_nth(1) == Token::LParen => {
                let name = self.operator_name()?;
                let right = self.expr_at(Level::Operator.tighter(), mode)?;
                Ok(Expr::Op(Box::new(Op { name, left: None, right, pos })))
            }
            Token::Word(_) if mode == Mode::Full && self.at("not") => {
                self.advance();
                let arg = self.expr_at(Level::Not, mode)?;
                Ok(Expr::Not { arg: Box::new(arg), pos })
            }
            Token::Word(_) if mode == Mode::Full && self.at("default") => {
                self.advance();
                Ok(Expr::Default { pos })
            }
            _ => self.primary(mode),
        }
    }

    /// One operator behind `left`; also says whether it was open to the right.
    fn infix(&mut self, left: Expr, level: Level, mode: Mode) -> PgResult<(Expr, bool)> {
        let pos = self.pos();
        match level {
            Level::Or | Level::And => {
                self.advance();
                let right = self.expr_at(level.tighter(), mode)?;
                Ok((conjoin(level == Level::And, left, right, pos), true))
            }
            Level::Is => self.is_test(left, pos, mode),
            Level::Between => self.pattern_or_range(left, pos),
            Level::At => {
                self.expect_seq(&["at", "time", "zone"])?;
                let zone = self.expr_at(Level::At.tighter(), mode)?;
                let call = FuncCall::system("timezone", vec![zone, left], pos);
                Ok((Expr::Call(Box::new(call)), true))
            }
            Level::Collate => {
                self.advance();
                let collation = self.any_name()?;
                Ok((Expr::Collate { arg: Box::new(left), collation, pos }, false))
            }
            Level::Typecast => {
                self.advance();
                let type_name = Box::new(self.type_name()?);
                Ok((Expr::Cast { arg: Box::new(left), type_name, pos }, false))
            }
            _ => self.binary(left, level, pos, mode),
        }
    }

    fn binary(&mut self, left: Expr, level: Level, pos: usize, mode: Mode) -> PgResult<(Expr, bool)> {
        let name = self.operator_name()?;
        if mode == Mode::Full && self.at_any(&["any", "some", "all"]) {
            return Ok((self.quantified(left, name, pos)?, false));
        }
        let right = self.expr_at(level.tighter(), mode)?;
        Ok((Expr::Op(Box::new(Op { name, left: Some(left), right, pos })), true))
    }

    /// `ANY (...)` or `ALL (...)` behind `left op`.
    pub(super) fn quantified(&mut self, left: Expr, name: OpName, pos: usize) -> PgResult<Expr> {
        let any = !self.at("all");
        self.advance();
        match self.paren_of(false)? {
            Paren::Query(query) => {
                let kind = if any {
                    SubLinkKind::Any { test: left, op: name, is_in: false }
                } else {
                    SubLinkKind::All { test: left, op: name }
                };
                Ok(Expr::SubLink(Box::new(SubLink { kind, query, pos })))
            }
            Paren::Expr(right) => Ok(Expr::OpArray(Box::new(OpArray { name, left, right, any, pos }))),
            Paren::Row(_) => self.unexpected(),
        }
    }

    /// IS ..., ISNULL, NOTNULL.
    fn is_test(&mut self, left: Expr, pos: usize, mode: Mode) -> PgResult<(Expr, bool)> {
        let arg = Box::new(left);
        if self.eat("isnull") {
            return Ok((Expr::IsNull { arg, negated: false, pos }, false));
        }
        if self.eat("notnull") {
            return Ok((Expr::IsNull { arg, negated: true, pos }, false));
        }
        self.expect("is")?;
        let negated = self.eat("not");
        if self.eat("distinct") {
            self.expect("from")?;
            let right = Box::new(self.expr_at(Level::Is.tighter(), mode)?);
            return Ok((Expr::Distinct { left: arg, right, negated, pos }, true));
        }
        if mode == Mode::Restricted {
            return self.unexpected();
        }
        let test = |value| Expr::BooleanTest { arg: arg.clone(), value, negated, pos };
        let expr = match self.word() {
            Some("null") => Expr::IsNull { arg, negated, pos },
            Some("true") => test(Some(true)),
            Some("false") => test(Some(false)),
            Some("unknown") => test(None),
            Some("nfc" | "nfd" | "nfkc" | "nfkd" | "normalized") => {
                return self.is_normalized(*arg, negated, pos);
            }
            Some("document") => return Err(redoubt_error::PgError::unsupported("IS DOCUMENT")),
            _ => return self.unexpected(),
        };
        self.advance();
        Ok((expr, false))
    }

    fn is_normalized(&mut self, arg: Expr, negated: bool, pos: usize) -> PgResult<(Expr, bool)> {
        let mut args = vec![arg];
        if !self.at("normalized") {
            args.push(self.normal_form()?);
        }
        self.expect("normalized")?;
        let call = Expr::Call(Box::new(FuncCall::system("is_normalized", args, pos)));
        Ok((if negated { Expr::Not { arg: Box::new(call), pos } } else { call }, false))
    }

    /// LIKE, ILIKE, SIMILAR TO, BETWEEN, IN, each perhaps behind NOT.
    fn pattern_or_range(&mut self, left: Expr, pos: usize) -> PgResult<(Expr, bool)> {
        let negated = self.eat("not");
        let keyword = self.expect_one(&["like", "ilike", "similar", "between", "in"])?;
        match keyword {
            "between" => self.between(left, negated, pos),
            "in" => self.in_list(left, negated, pos),
            "similar" => {
                self.expect("to")?;
                self.pattern(left, LikeKind::Similar, negated, pos)
            }
            like => {
                let kind = if like == "like" { LikeKind::Like } else { LikeKind::ILike };
                if self.at_any(&["any", "some", "all"]) {
                    let symbol = match (kind, negated) {
                        (LikeKind::Like, false) => "~~",
                        (LikeKind::Like, true) => "!~~",
                        (_, false) => "~~*",
                        (_, true) => "!~~*",
                    };
                    return Ok((self.quantified(left, OpName::bare(symbol), pos)?, false));
                }
                self.pattern(left, kind, negated, pos)
            }
        }
    }

    fn pattern(&mut self, arg: Expr, kind: LikeKind, negated: bool, pos: usize) -> PgResult<(Expr, bool)> {
        let pattern = self.expr_at(Level::Between.tighter(), Mode::Full)?;
        let escape = match self.eat("escape") {
            true => Some(self.expr_at(Level::Between.tighter(), Mode::Full)?),
            false => None,
        };
        Ok((Expr::Like(Box::new(Like { kind, negated, arg, pattern, escape, pos })), true))
    }

    fn between(&mut self, arg: Expr, negated: bool, pos: usize) -> PgResult<(Expr, bool)> {
        let symmetric = self.eat("symmetric");
        if !symmetric {
            self.eat("asymmetric");
        }
        let low = self.restricted_expr()?;
        self.expect("and")?;
        let high = self.expr_at(Level::Between.tighter(), Mode::Full)?;
        Ok((Expr::Between(Box::new(Between { arg, low, high, negated, symmetric, pos })), true))
    }

    fn in_list(&mut self, left: Expr, negated: bool, pos: usize) -> PgResult<(Expr, bool)> {
        let list = match self.paren()? {
            Paren::Query(query) => {
                let kind = SubLinkKind::Any { test: left, op: OpName::bare("="), is_in: true };
                let link = Expr::SubLink(Box::new(SubLink { kind, query, pos }));
                return Ok((if negated { Expr::Not { arg: Box::new(link), pos } } else { link }, false));
            }
            Paren::Expr(item) => vec![item],
            Paren::Row(items) => items,
        };
        Ok((Expr::In { arg: Box::new(left), list, negated, pos }, false))
    }
}

/// What stands between parentheses.
pub(crate) enum Paren {
    Query(Query),
    Expr(Expr),
    /// Two or more.
    Row(Vec<Expr>),
}

/// `left AND right`, flattened on the left as PostgreSQL's grammar does.
fn conjoin(is_and: bool, left: Expr, right: Expr, pos: usize) -> Expr {
    match (is_and, left) {
        (true, Expr::And { mut args, pos }) => {
            args.push(right);
            Expr::And { args, pos }
        }
        (false, Expr::Or { mut args, pos }) => {
            args.push(right);
            Expr::Or { args, pos }
        }
        (true, left) => Expr::And { args: vec![left, right], pos },
        (false, left) => Expr::Or { args: vec![left, right], pos },
    }
}

/// A minus sign before a number literal belongs to the literal.
fn negate(arg: Expr, pos: usize) -> Expr {
    match arg {
        Expr::Literal { value: Literal::Integer(i), .. } if i != i32::MIN => {
            Expr::Literal { value: Literal::Integer(-i), pos }
        }
        Expr::Literal { value: Literal::Number(n), .. } => {
            let text = match n.strip_prefix('-') {
                Some(positive) => positive.to_string(),
                None => format!("-{n}"),
            };
            Expr::Literal { value: Literal::Number(text.into()), pos }
        }
        right => Expr::Op(Box::new(Op { name: OpName::bare("-"), left: None, right, pos })),
    }
}
