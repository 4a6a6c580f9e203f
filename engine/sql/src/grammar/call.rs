//! Function calls (func_application and what may follow it).

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::{PgError, PgResult, code};
use sqlparser::tokenizer::Token;

impl Cursor<'_> {
    /// The parentheses behind a function's name, and WITHIN GROUP, FILTER, OVER. A string behind
    /// the parentheses makes it a type with modifiers: `numeric(3) '1.5'`.
    pub(super) fn call(&mut self, name: ObjectName) -> PgResult<Expr> {
        let pos = name.pos();
        let mut call = self.application(name)?;
        if self.peek_string().is_some() {
            return self.typed_by(call);
        }
        self.within_group(&mut call)?;
        if self.eat("filter") {
            self.expect_lparen()?;
            self.expect("where")?;
            call.filter = Some(self.expr()?);
            self.expect_rparen()?;
        }
        if self.at("over") {
            call.over = Some(self.over()?);
        }
        call.pos = pos;
        Ok(Expr::Call(Box::new(call)))
    }

    /// A function's possibly qualified name (func_name).
    pub(crate) fn function_name(&mut self) -> PgResult<ObjectName> {
        let first = if *self.peek_nth(1) == Token::Period {
            self.col_id()?
        } else if self.at_col_id() && !self.at_type_function_name() {
            // A word that can only be a column's name is refused at what makes it a call.
            return self.unexpected_nth(1);
        } else {
            self.type_function_name()?
        };
        let mut parts = vec![first];
        while self.eat_token(&Token::Period) {
            parts.push(self.col_label()?);
        }
        Ok(ObjectName { parts })
    }

    /// A call without what may follow its parentheses (func_application).
    pub(crate) fn application(&mut self, name: ObjectName) -> PgResult<FuncCall> {
        let pos = name.pos();
        let mut call = FuncCall { name, sql_syntax: false, ..FuncCall::system("", Vec::new(), pos) };
        self.expect_lparen()?;
        if self.eat_token(&Token::RParen) {
            return Ok(call);
        }
        if *self.peek() == Token::Mul {
            self.advance();
            self.expect_rparen()?;
            call.star = true;
            return Ok(call);
        }
        if self.eat("distinct") {
            call.distinct = true;
        } else {
            self.eat("all");
        }
        loop {
            call.variadic = !call.distinct && self.eat("variadic");
            call.args.push(self.argument()?);
            if call.variadic || !self.eat_token(&Token::Comma) {
                break;
            }
        }
        if self.at("order") {
            call.order_by = self.order_by()?;
        }
        self.expect_rparen()?;
        Ok(call)
    }

    /// `value`, `name => value` or `name := value`.
    pub(super) fn argument(&mut self) -> PgResult<FuncArg> {
        let named = matches!(self.peek(), Token::Word(_))
            && matches!(self.peek_nth(1), Token::RArrow | Token::Assignment);
        let name = if named { Some(self.type_function_name()?) } else { None };
        if named {
            self.advance();
        }
        Ok(FuncArg { name, value: self.expr()? })
    }

    /// `typename(modifiers) 'string'`.
    fn typed_by(&mut self, call: FuncCall) -> PgResult<Expr> {
        let pos = call.pos;
        let refuse = |message: &str| Err(PgError::new(code::SYNTAX_ERROR, message).at(Some(pos)));
        if call.args.iter().any(|a| a.name.is_some()) {
            return refuse("type modifier cannot have parameter name");
        }
        if !call.order_by.is_empty() {
            return refuse("type modifier cannot have ORDER BY");
        }
        if call.star || call.distinct || call.variadic || call.args.is_empty() {
            return self.unexpected();
        }
        let typmods = call.args.into_iter().map(|a| a.value).collect();
        self.literal_of_type(TypeName::plain(call.name, typmods))
    }

    fn within_group(&mut self, call: &mut FuncCall) -> PgResult<()> {
        if !self.at("within") {
            return Ok(());
        }
        let pos = self.pos();
        self.expect_seq(&["within", "group"])?;
        self.expect_lparen()?;
        let order_by = self.order_by()?;
        self.expect_rparen()?;
        let refuse = |what: &str| {
            Err(PgError::new(code::SYNTAX_ERROR, format!("cannot use {what} with WITHIN GROUP"))
                .at(Some(pos)))
        };
        if !call.order_by.is_empty() {
            return refuse("multiple ORDER BY clauses");
        }
        if call.distinct {
            return refuse("DISTINCT");
        }
        if call.variadic {
            return refuse("VARIADIC");
        }
        call.order_by = order_by;
        call.within_group = true;
        Ok(())
    }
}
