//! Type names (Typename).

use crate::cursor::Cursor;
use crate::tree::*;
use redoubt_error::{PgError, PgResult, code};
use sqlparser::tokenizer::Token;

/// Bits of interval's field mask (src/include/utils/datetime.h, timestamp.h).
mod field {
    pub(super) const MONTH: i32 = 1 << 1;
    pub(super) const YEAR: i32 = 1 << 2;
    pub(super) const DAY: i32 = 1 << 3;
    pub(super) const HOUR: i32 = 1 << 10;
    pub(super) const MINUTE: i32 = 1 << 11;
    pub(super) const SECOND: i32 = 1 << 12;
    pub(super) const FULL_RANGE: i32 = 0x7fff;
    pub(super) const FULL_PRECISION: i32 = 0xffff;
}

impl TypeName {
    /// A type named in the text, without array bounds.
    pub(crate) fn plain(name: ObjectName, typmods: Vec<Expr>) -> TypeName {
        let pos = name.pos();
        TypeName {
            name,
            typmods,
            interval_typmod: None,
            array_bounds: Vec::new(),
            setof: false,
            pct_type: false,
            pos,
        }
    }

    /// A type that the grammar itself knows, in `pg_catalog`.
    pub(crate) fn system(name: &str, typmods: Vec<Expr>, pos: usize) -> TypeName {
        let part = |n: &str| Ident { name: n.into(), pos };
        TypeName::plain(ObjectName { parts: vec![part("pg_catalog"), part(name)] }, typmods)
    }
}

fn int_literal(value: i32, pos: usize) -> Expr {
    Expr::Literal { value: Literal::Integer(value), pos }
}

/// `interval(p)`.
pub(super) fn interval_precision(precision: i32, pos: usize) -> TypeName {
    let typmods = vec![int_literal(field::FULL_RANGE, pos), int_literal(precision, pos)];
    TypeName::system("interval", typmods, pos)
}

impl Cursor<'_> {
    /// A type with array bounds, perhaps behind SETOF.
    pub(crate) fn type_name(&mut self) -> PgResult<TypeName> {
        let setof = self.eat("setof");
        let mut type_name = self.simple_type_name(false)?;
        type_name.setof = setof;
        if self.eat("array") {
            let bound = match self.eat_token(&Token::LBracket) {
                true => {
                    let bound = self.integer()?;
                    self.expect_token(&Token::RBracket)?;
                    Some(bound)
                }
                false => None,
            };
            type_name.array_bounds = vec![bound];
            return Ok(type_name);
        }
        while self.eat_token(&Token::LBracket) {
            let bound = match self.peek() {
                Token::RBracket => None,
                _ => Some(self.integer()?),
            };
            self.expect_token(&Token::RBracket)?;
            type_name.array_bounds.push(bound);
        }
        Ok(type_name)
    }

    /// A function's parameter or result type: also `table.column%TYPE`.
    pub(crate) fn function_type(&mut self) -> PgResult<TypeName> {
        let setof = self.at("setof");
        let mut n = usize::from(setof);
        if matches!(self.peek_nth(n), Token::Word(_)) {
            n += 1;
            while *self.peek_nth(n) == Token::Period && matches!(self.peek_nth(n + 1), Token::Word(_)) {
                n += 2;
            }
            if *self.peek_nth(n) == Token::Mod && self.at_nth(n + 1, "type") {
                self.eat("setof");
                let mut parts = vec![self.type_function_name()?];
                while self.eat_token(&Token::Period) {
                    parts.push(self.col_label()?);
                }
                self.advance();
                self.advance();
                let mut type_name = TypeName::plain(ObjectName { parts }, Vec::new());
                type_name.setof = setof;
                type_name.pct_type = true;
                return Ok(type_name);
            }
        }
        self.type_name()
    }

    /// A type in front of a string constant: CHAR and BIT have no default length there.
    pub(super) fn const_type_name(&mut self) -> PgResult<TypeName> {
        self.simple_type_name(true)
    }

    fn simple_type_name(&mut self, is_const: bool) -> PgResult<TypeName> {
        let pos = self.pos();
        let system = |name: &str, typmods| TypeName::system(name, typmods, pos);
        let Some(word) = self.word() else { return self.generic_type() };
        let fixed = match word {
            "int" | "integer" => "int4",
            "smallint" => "int2",
            "bigint" => "int8",
            "real" => "float4",
            "boolean" => "bool",
            "double" if self.at_nth(1, "precision") => {
                self.advance();
                "float8"
            }
            "float" => return self.float_type(pos),
            "decimal" | "dec" | "numeric" => {
                self.advance();
                let typmods = self.type_modifiers()?;
                return Ok(system("numeric", typmods));
            }
            "bit" => return self.bit_type(pos, is_const),
            "character" | "char" | "national" | "nchar" | "varchar" => {
                return self.character_type(pos, is_const);
            }
            "time" | "timestamp" => return self.datetime_type(pos),
            "interval" => return self.interval_type(pos),
            _ => return self.generic_type(),
        };
        self.advance();
        Ok(system(fixed, Vec::new()))
    }

    fn generic_type(&mut self) -> PgResult<TypeName> {
        let mut parts = vec![self.type_function_name()?];
        while self.eat_token(&Token::Period) {
            parts.push(self.col_label()?);
        }
        let typmods = self.type_modifiers()?;
        Ok(TypeName::plain(ObjectName { parts }, typmods))
    }

    fn type_modifiers(&mut self) -> PgResult<Vec<Expr>> {
        if !self.eat_token(&Token::LParen) {
            return Ok(Vec::new());
        }
        let list = self.expr_list()?;
        self.expect_rparen()?;
        Ok(list)
    }

    /// `(n)`, if present.
    pub(super) fn optional_precision(&mut self) -> PgResult<Option<i32>> {
        if !self.eat_token(&Token::LParen) {
            return Ok(None);
        }
        let value = self.integer()?;
        self.expect_rparen()?;
        Ok(Some(value))
    }

    fn float_type(&mut self, pos: usize) -> PgResult<TypeName> {
        self.advance();
        let digits_pos = self.pos() + 1;
        let refuse =
            |message: &str| Err(PgError::new(code::INVALID_PARAMETER_VALUE, message).at(Some(digits_pos)));
        let name = match self.optional_precision()? {
            Some(..=0) => return refuse("precision for type float must be at least 1 bit"),
            Some(1..=24) => "float4",
            None | Some(25..=53) => "float8",
            Some(_) => return refuse("precision for type float must be less than 54 bits"),
        };
        Ok(TypeName::system(name, Vec::new(), pos))
    }

    fn bit_type(&mut self, pos: usize, is_const: bool) -> PgResult<TypeName> {
        self.advance();
        let varying = self.eat("varying");
        let mut typmods = self.type_modifiers()?;
        if typmods.is_empty() && !varying && !is_const {
            typmods = vec![int_literal(1, pos)];
        }
        Ok(TypeName::system(if varying { "varbit" } else { "bit" }, typmods, pos))
    }

    fn character_type(&mut self, pos: usize, is_const: bool) -> PgResult<TypeName> {
        let varying = match self.word() {
            Some("varchar") => {
                self.advance();
                true
            }
            Some("national") => {
                self.advance();
                self.expect_one(&["character", "char"])?;
                self.eat("varying")
            }
            _ => {
                self.advance();
                self.eat("varying")
            }
        };
        let length_pos = self.pos() + 1;
        let typmods = match self.optional_precision()? {
            Some(length) => vec![int_literal(length, length_pos)],
            // "char defaults to char(1), varchar to no limit"; a constant takes its own length.
            None if varying || is_const => Vec::new(),
            None => vec![int_literal(1, pos)],
        };
        Ok(TypeName::system(if varying { "varchar" } else { "bpchar" }, typmods, pos))
    }

    fn datetime_type(&mut self, pos: usize) -> PgResult<TypeName> {
        let is_time = self.at("time");
        self.advance();
        let precision_pos = self.pos() + 1;
        let typmods = match self.optional_precision()? {
            Some(precision) => vec![int_literal(precision, precision_pos)],
            None => Vec::new(),
        };
        // WITH counts only before TIME; WITHOUT cannot mean anything else here.
        let with_zone = self.at_seq(&["with", "time"]);
        if with_zone || self.at("without") {
            self.advance();
            self.expect_seq(&["time", "zone"])?;
        }
        let name = match (is_time, with_zone) {
            (true, false) => "time",
            (true, true) => "timetz",
            (false, false) => "timestamp",
            (false, true) => "timestamptz",
        };
        Ok(TypeName::system(name, typmods, pos))
    }

    fn interval_type(&mut self, pos: usize) -> PgResult<TypeName> {
        self.advance();
        match self.optional_precision()? {
            Some(precision) => Ok(interval_precision(precision, pos)),
            None => self.interval_fields(pos),
        }
    }

    /// `YEAR TO MONTH`, `SECOND(3)` and so on, or nothing, behind INTERVAL at `pos`.
    pub(super) fn interval_fields(&mut self, pos: usize) -> PgResult<TypeName> {
        use field::*;
        let mut type_name = TypeName::system("interval", Vec::new(), pos);
        let Some(first) =
            ["year", "month", "day", "hour", "minute", "second"].iter().position(|w| self.at(w))
        else {
            return Ok(type_name);
        };
        self.advance();
        let last = match self.at("to") {
            true => {
                self.advance();
                let allowed: &[&str] = match first {
                    0 => &["month"],
                    2 => &["hour", "minute", "second"],
                    3 => &["minute", "second"],
                    4 => &["second"],
                    _ => {
                        self.back();
                        return self.unexpected();
                    }
                };
                self.expect_one(allowed)?
            }
            false => ["year", "month", "day", "hour", "minute", "second"][first],
        };
        let mask = match (first, last) {
            (0, "year") => YEAR,
            (0, _) => YEAR | MONTH,
            (1, _) => MONTH,
            (2, "day") => DAY,
            (2, "hour") => DAY | HOUR,
            (2, "minute") => DAY | HOUR | MINUTE,
            (2, _) => DAY | HOUR | MINUTE | SECOND,
            (3, "hour") => HOUR,
            (3, "minute") => HOUR | MINUTE,
            (3, _) => HOUR | MINUTE | SECOND,
            (4, "minute") => MINUTE,
            (4, _) => MINUTE | SECOND,
            _ => SECOND,
        };
        let precision_pos = self.pos() + 1;
        match if last == "second" { self.optional_precision()? } else { None } {
            Some(precision) => {
                type_name.typmods = vec![int_literal(mask, pos), int_literal(precision, precision_pos)];
            }
            None => type_name.interval_typmod = Some(mask << 16 | field::FULL_PRECISION),
        }
        Ok(type_name)
    }
}
