//! Calls in SQL's own syntax: EXTRACT, OVERLAY, TRIM, COALESCE, CURRENT_DATE and their kin
//! (func_expr_common_subexpr).

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::{PgError, PgResult};
use sqlparser::tokenizer::Token;

/// Functions called without parentheses, some with an optional precision.
const SQL_VALUES: &[(&str, SqlValue, bool)] = &[
    ("current_date", SqlValue::CurrentDate, false),
    ("current_time", SqlValue::CurrentTime, true),
    ("current_timestamp", SqlValue::CurrentTimestamp, true),
    ("localtime", SqlValue::LocalTime, true),
    ("localtimestamp", SqlValue::LocalTimestamp, true),
    ("current_role", SqlValue::CurrentRole, false),
    ("current_user", SqlValue::CurrentUser, false),
    ("session_user", SqlValue::SessionUser, false),
    ("user", SqlValue::User, false),
    ("current_catalog", SqlValue::CurrentCatalog, false),
];

impl Cursor<'_> {
    /// CURRENT_DATE and its kin, if one is next.
    pub(super) fn sql_value(&mut self) -> PgResult<Option<Expr>> {
        let pos = self.pos();
        let Some((_, function, with_precision)) = SQL_VALUES.iter().find(|(word, ..)| self.at(word)) else {
            return Ok(None);
        };
        self.advance();
        let precision = if *with_precision { self.optional_precision()? } else { None };
        Ok(Some(Expr::SqlValue { function: *function, precision, pos }))
    }

    /// COLLATION FOR (x).
    pub(super) fn collation_for(&mut self) -> PgResult<Expr> {
        let pos = self.pos();
        self.expect_seq(&["collation", "for"])?;
        self.expect_lparen()?;
        let arg = self.expr()?;
        self.expect_rparen()?;
        Ok(system_call("pg_collation_for", vec![arg], pos))
    }

    /// A keyword that has a syntax of its own, if one is next.
    pub(super) fn special_syntax(&mut self) -> PgResult<Option<Expr>> {
        if *self.peek_nth(1) != Token::LParen {
            return Ok(None);
        }
        let pos = self.pos();
        let word = self.word().unwrap_or_default();
        if word == "exists" {
            self.advance();
            let query = self.query_in_parens()?;
            return Ok(Some(Expr::SubLink(Box::new(SubLink { kind: SubLinkKind::Exists, query, pos }))));
        }
        let rule: fn(&mut Self, usize) -> PgResult<Expr> = match word {
            "coalesce" => |c, pos| Ok(Expr::Coalesce { args: c.expr_list()?, pos }),
            "greatest" => |c, pos| Ok(Expr::MinMax { greatest: true, args: c.expr_list()?, pos }),
            "least" => |c, pos| Ok(Expr::MinMax { greatest: false, args: c.expr_list()?, pos }),
            "grouping" => |c, pos| Ok(Expr::Grouping { args: c.expr_list()?, pos }),
            "nullif" => Self::nullif,
            "extract" => Self::extract,
            "normalize" => Self::normalize,
            "overlay" => Self::overlay,
            "position" => Self::position,
            "substring" => Self::substring,
            "treat" => Self::treat,
            "trim" => Self::trim,
            "xmlconcat" | "xmlelement" | "xmlexists" | "xmlforest" | "xmlparse" | "xmlpi" | "xmlroot"
            | "xmlserialize" => return Err(PgError::unsupported(word).at(Some(pos))),
            _ => return Ok(None),
        };
        self.advance();
        self.expect_lparen()?;
        let expr = rule(self, pos)?;
        self.expect_rparen()?;
        Ok(Some(expr))
    }

    fn nullif(&mut self, pos: usize) -> PgResult<Expr> {
        let left = Box::new(self.expr()?);
        self.expect_token(&Token::Comma)?;
        let right = Box::new(self.expr()?);
        Ok(Expr::NullIf { left, right, pos })
    }

    fn extract(&mut self, pos: usize) -> PgResult<Expr> {
        let field_pos = self.pos();
        let field = match self.peek_string().map(str::to_string) {
            Some(field) => {
                self.advance();
                field
            }
            None => {
                // An identifier, or one of the six field names that are keywords.
                let fields = ["year", "month", "day", "hour", "minute", "second"];
                let is_keyword = self.word().is_some_and(|w| crate::keywords::category(w).is_some());
                if is_keyword && !self.at_any(&fields) {
                    return self.unexpected();
                }
                self.col_label()?.name.to_string()
            }
        };
        self.expect("from")?;
        let source = self.expr()?;
        let field = Expr::Literal { value: Literal::String(field.into()), pos: field_pos };
        Ok(system_call("extract", vec![field, source], pos))
    }

    /// NFC, NFD, NFKC or NFKD, as a string.
    pub(super) fn normal_form(&mut self) -> PgResult<Expr> {
        let pos = self.pos();
        let form = self.expect_one(&["nfc", "nfd", "nfkc", "nfkd"])?;
        Ok(Expr::Literal { value: Literal::String(form.to_uppercase().into()), pos })
    }

    fn normalize(&mut self, pos: usize) -> PgResult<Expr> {
        let mut args = vec![self.expr()?];
        if self.eat_token(&Token::Comma) {
            args.push(self.normal_form()?);
        }
        Ok(system_call("normalize", args, pos))
    }

    fn overlay(&mut self, pos: usize) -> PgResult<Expr> {
        if *self.peek() == Token::RParen {
            return Ok(plain_call("overlay", Vec::new(), pos));
        }
        let first = self.argument()?;
        if first.name.is_some() || !self.eat("placing") {
            return self.plain_arguments("overlay", first, pos);
        }
        let mut args = vec![first.value, self.expr()?];
        self.expect("from")?;
        args.push(self.expr()?);
        if self.eat("for") {
            args.push(self.expr()?);
        }
        Ok(system_call("overlay", args, pos))
    }

    fn position(&mut self, pos: usize) -> PgResult<Expr> {
        let what = self.restricted_expr()?;
        self.expect("in")?;
        let within = self.restricted_expr()?;
        Ok(system_call("position", vec![within, what], pos))
    }

    fn substring(&mut self, pos: usize) -> PgResult<Expr> {
        if *self.peek() == Token::RParen {
            return Ok(plain_call("substring", Vec::new(), pos));
        }
        let first = self.argument()?;
        if first.name.is_some() || !self.at_any(&["from", "for", "similar"]) {
            return self.plain_arguments("substring", first, pos);
        }
        let source = first.value;
        if self.eat("from") {
            let mut args = vec![source, self.expr()?];
            if self.eat("for") {
                args.push(self.expr()?);
            }
            return Ok(system_call("substring", args, pos));
        }
        if self.eat("for") {
            let length = self.expr()?;
            if self.eat("from") {
                let start = self.expr()?;
                return Ok(system_call("substring", vec![source, start, length], pos));
            }
            // The length is cast, as substring(text, text, text) is something else.
            let one = Expr::Literal { value: Literal::Integer(1), pos };
            let type_name = Box::new(TypeName::system("int4", Vec::new(), length.location()));
            let at = length.location();
            let length = Expr::Cast { arg: Box::new(length), type_name, pos: at };
            return Ok(system_call("substring", vec![source, one, length], pos));
        }
        self.expect("similar")?;
        let pattern = self.expr()?;
        self.expect("escape")?;
        let escape = self.expr()?;
        Ok(system_call("substring", vec![source, pattern, escape], pos))
    }

    fn treat(&mut self, pos: usize) -> PgResult<Expr> {
        let arg = self.expr()?;
        self.expect("as")?;
        let type_name = self.type_name()?;
        let call = FuncCall {
            sql_syntax: false,
            ..FuncCall::system(type_name.name.last().as_str(), vec![arg], pos)
        };
        Ok(Expr::Call(Box::new(call)))
    }

    fn trim(&mut self, pos: usize) -> PgResult<Expr> {
        let name = match self.word() {
            Some("leading") => "ltrim",
            Some("trailing") => "rtrim",
            _ => "btrim",
        };
        if self.at_any(&["leading", "trailing", "both"]) {
            self.advance();
        }
        if self.eat("from") {
            return Ok(system_call(name, self.expr_list()?, pos));
        }
        let first = self.expr()?;
        if self.eat("from") {
            let mut args = self.expr_list()?;
            args.push(first);
            return Ok(system_call(name, args, pos));
        }
        let mut args = vec![first];
        while self.eat_token(&Token::Comma) {
            args.push(self.expr()?);
        }
        Ok(system_call(name, args, pos))
    }

    /// The rest of a plain argument list, up to the closing parenthesis.
    fn plain_arguments(&mut self, name: &str, first: FuncArg, pos: usize) -> PgResult<Expr> {
        let mut args = vec![first];
        while self.eat_token(&Token::Comma) {
            args.push(self.argument()?);
        }
        Ok(plain_call(name, args, pos))
    }
}

fn system_call(name: &str, args: Vec<Expr>, pos: usize) -> Expr {
    Expr::Call(Box::new(FuncCall::system(name, args, pos)))
}

/// A call looked up along the search path, as if written plainly.
fn plain_call(name: &str, args: Vec<FuncArg>, pos: usize) -> Expr {
    let name = ObjectName { parts: vec![Ident { name: name.into(), pos }] };
    Expr::Call(Box::new(FuncCall { name, args, sql_syntax: false, ..FuncCall::system("", Vec::new(), pos) }))
}
