//! Expressions: from what was written to typed trees
//! (PostgreSQL's src/backend/parser/parse_expr.c).

use crate::analyzer::{Analyzer, Place};
use crate::coerce::{Coercion, constant};
use crate::query::{ColumnType, Expr, SqlValueFunction};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid, io, types};
use redoubt_sql::tree as ast;

impl Analyzer<'_> {
    /// Analyzes an expression that stands in `place`. Literals may still be of unknown type.
    pub(crate) fn expr(&mut self, expr: &ast::Expr, place: Place) -> PgResult<Expr> {
        let level = self.levels.last_mut().expect("expressions are analyzed at some level");
        let before = level.place.replace(place);
        let result = self.transform(expr);
        self.levels.last_mut().expect("levels are pushed and popped in pairs").place = before;
        result
    }

    /// Where the expression being analyzed stands.
    pub(crate) fn place(&self) -> Place {
        self.levels.last().and_then(|level| level.place).unwrap_or(Place::Other)
    }

    /// A value whose type use did not decide is text, and so are literals in a row.
    pub(crate) fn resolve_unknown(&mut self, expr: Expr, position: Option<usize>) -> PgResult<Expr> {
        if let Expr::Row { fields, ty } = expr {
            let fields = fields.into_iter().map(|field| match field {
                Expr::Const { .. } | Expr::Row { .. } => self.resolve_unknown(field, position),
                other => Ok(other),
            });
            return Ok(Expr::Row { fields: fields.collect::<PgResult<_>>()?, ty });
        }
        if expr.ty().type_oid != types::UNKNOWN {
            return Ok(expr);
        }
        self.coerce(expr, types::TEXT, -1, Coercion::Implicit, false, position)
    }

    /// The children of AND and OR come flat, and deep trees are refused by the statement layer, so
    /// that recursion stays within a session's stack.
    fn transform(&mut self, expr: &ast::Expr) -> PgResult<Expr> {
        match expr {
            ast::Expr::Column(column) => self.resolve_column(column),
            ast::Expr::Param { number, pos } => {
                let number = *number as usize;
                let oid = self.params.refer(number, *pos)?;
                Ok(Expr::Param { number, ty: self.plain_type(oid)? })
            }
            ast::Expr::Literal { value, pos } => self.literal(value, *pos),
            ast::Expr::Op(op) => self.operator(op),
            ast::Expr::OpArray(op) => {
                let (left, right) = (self.transform(&op.left)?, self.transform(&op.right)?);
                let positions = (op.left.location(), op.right.location());
                self.make_scalar_array_op(&op.name, op.any, left, right, op.pos, positions)
            }
            ast::Expr::And { args, .. } => Ok(Expr::And(self.conditions(args, "AND")?)),
            ast::Expr::Or { args, .. } => Ok(Expr::Or(self.conditions(args, "OR")?)),
            ast::Expr::Not { arg, .. } => {
                let inner = self.transform(arg)?;
                Ok(Expr::Not(Box::new(self.coerce_to_boolean(inner, "NOT", arg.location())?)))
            }
            ast::Expr::Distinct { left, right, negated, pos } => self.distinct(left, right, *negated, *pos),
            ast::Expr::NullIf { left, right, pos } => self.null_if(left, right, *pos),
            ast::Expr::In { arg, list, negated, pos } => self.in_list(arg, list, *negated, *pos),
            ast::Expr::Like(like) => self.like(like),
            ast::Expr::Between(between) => self.between(between),
            ast::Expr::IsNull { arg, negated, .. } => {
                let inner = self.transform(arg)?;
                let row = matches!(inner, Expr::Row { .. }) || self.is_composite(inner.ty().type_oid)?;
                Ok(Expr::IsNull { arg: Box::new(inner), negated: *negated, row })
            }
            ast::Expr::BooleanTest { arg, value, negated, .. } => {
                let name = match (value, negated) {
                    (Some(true), false) => "IS TRUE",
                    (Some(true), true) => "IS NOT TRUE",
                    (Some(false), false) => "IS FALSE",
                    (Some(false), true) => "IS NOT FALSE",
                    (None, false) => "IS UNKNOWN",
                    (None, true) => "IS NOT UNKNOWN",
                };
                let inner = self.transform(arg)?;
                let inner = self.coerce_to_boolean(inner, name, arg.location())?;
                Ok(Expr::BooleanTest { arg: Box::new(inner), value: *value, negated: *negated })
            }
            ast::Expr::SubLink(link) => self.sublink(link),
            ast::Expr::Call(call) => self.func_call(call),
            ast::Expr::Cast { arg, type_name, pos } => self.cast(arg, type_name, *pos),
            ast::Expr::Collate { arg, collation, pos } => self.collate(arg, collation, *pos),
            ast::Expr::Case(case) => self.case(case),
            ast::Expr::Coalesce { args, .. } => {
                let (args, ty) = self.common_args(args, "COALESCE")?;
                Ok(Expr::Coalesce { args, ty })
            }
            ast::Expr::MinMax { greatest, args, .. } => {
                let construct = if *greatest { "GREATEST" } else { "LEAST" };
                let first = args[0].location();
                let (args, ty) = self.common_args(args, construct)?;
                self.sort_group_operators(ty.type_oid, Some(first))?;
                Ok(Expr::MinMax { greatest: *greatest, args, ty })
            }
            ast::Expr::Row { fields, .. } => self.row(fields),
            ast::Expr::Array { elements, pos } => self.array(elements, None, *pos),
            ast::Expr::Indirection { arg, path } => self.indirection(arg, path),
            ast::Expr::SqlValue { function, precision, pos } => self.sql_value(*function, *precision, *pos),
            ast::Expr::Grouping { args, pos } => self.grouping_func(args, *pos),
            ast::Expr::Default { pos } => {
                Err(PgError::new(code::SYNTAX_ERROR, "DEFAULT is not allowed in this context").at(Some(*pos)))
            }
            ast::Expr::CurrentOf { pos, .. } => Err(PgError::unsupported("WHERE CURRENT OF").at(Some(*pos))),
        }
    }

    fn conditions(&mut self, args: &[ast::Expr], construct: &str) -> PgResult<Vec<Expr>> {
        args.iter()
            .map(|arg| {
                let expr = self.transform(arg)?;
                self.coerce_to_boolean(expr, construct, arg.location())
            })
            .collect()
    }

    fn literal(&mut self, literal: &ast::Literal, position: usize) -> PgResult<Expr> {
        Ok(match literal {
            ast::Literal::Integer(number) => constant(Datum::Int4(*number), types::INT4),
            // Too large for int4: int8 if it fits, else numeric.
            ast::Literal::Number(text) => match text.parse::<i64>() {
                Ok(number) => constant(Datum::Int8(number), types::INT8),
                Err(_) => {
                    let value = io::input(types::NUMERIC, -1, text, self.env)
                        .map_err(|error| error.at(Some(position)))?;
                    constant(value, types::NUMERIC)
                }
            },
            ast::Literal::String(text) => constant(Datum::Text(text.clone()), types::UNKNOWN),
            ast::Literal::BitString(text) => {
                let value =
                    io::input(types::BIT, -1, text, self.env).map_err(|error| error.at(Some(position)))?;
                constant(value, types::BIT)
            }
            ast::Literal::Boolean(value) => constant(Datum::Bool(*value), types::BOOL),
            ast::Literal::Null => constant(Datum::Null, types::UNKNOWN),
        })
    }

    fn operator(&mut self, op: &ast::Op) -> PgResult<Expr> {
        let comparison =
            op.name.schema.is_empty() && matches!(&*op.name.symbol, "=" | "<>" | "<" | "<=" | ">" | ">=");
        if let (Some(ast::Expr::Row { fields: left, .. }), ast::Expr::Row { fields: right, .. }) =
            (&op.left, &op.right)
            && comparison
        {
            return self.row_comparison(&op.name, left, right, op.pos);
        }
        if let (Some(row @ ast::Expr::Row { .. }), ast::Expr::SubLink(link)) = (&op.left, &op.right)
            && matches!(link.kind, ast::SubLinkKind::Scalar)
        {
            return self.row_compare_sublink(&op.name, row, link, op.pos);
        }
        let left = op.left.as_ref().map(|left| self.transform(left)).transpose()?;
        let right = self.transform(&op.right)?;
        let left_position = op.left.as_ref().map_or(op.pos, ast::Expr::location);
        self.make_op(&op.name, left, right, op.pos, (left_position, op.right.location()))
    }

    fn like(&mut self, like: &ast::Like) -> PgResult<Expr> {
        let symbol = match (like.kind, like.negated) {
            (ast::LikeKind::Like, false) => "~~",
            (ast::LikeKind::Like, true) => "!~~",
            (ast::LikeKind::ILike, false) => "~~*",
            (ast::LikeKind::ILike, true) => "!~~*",
            (ast::LikeKind::Similar, false) => "~",
            (ast::LikeKind::Similar, true) => "!~",
        };
        let left = self.transform(&like.arg)?;
        let pattern = match (like.kind, &like.escape) {
            (ast::LikeKind::Similar, None) => {
                self.pattern_call("similar_to_escape", &[&like.pattern], like.pos)?
            }
            (ast::LikeKind::Similar, Some(escape)) => {
                self.pattern_call("similar_to_escape", &[&like.pattern, escape], like.pos)?
            }
            (_, Some(escape)) => self.pattern_call("like_escape", &[&like.pattern, escape], like.pos)?,
            (_, None) => self.transform(&like.pattern)?,
        };
        let positions = (like.arg.location(), like.pattern.location());
        self.make_op(&ast::OpName::bare(symbol), Some(left), pattern, like.pos, positions)
    }

    fn pattern_call(&mut self, function: &str, args: &[&ast::Expr], position: usize) -> PgResult<Expr> {
        let args = args.iter().map(|arg| (*arg).clone()).collect();
        self.func_call(&ast::FuncCall::system(function, args, position))
    }

    /// BETWEEN is two comparisons; SYMMETRIC tries both orders of the bounds. A volatile argument is
    /// evaluated once per comparison, as in PostgreSQL.
    fn between(&mut self, between: &ast::Between) -> PgResult<Expr> {
        let (arg, low, high) = (&between.arg, &between.low, &between.high);
        let compare = |this: &mut Self, symbol: &str, bound: &ast::Expr| -> PgResult<Expr> {
            let (left, right) = (this.transform(arg)?, this.transform(bound)?);
            let positions = (arg.location(), bound.location());
            this.make_op(&ast::OpName::bare(symbol), Some(left), right, between.pos, positions)
        };
        let inside = |this: &mut Self, low: &ast::Expr, high: &ast::Expr| -> PgResult<Expr> {
            Ok(Expr::And(vec![compare(this, ">=", low)?, compare(this, "<=", high)?]))
        };
        let outside = |this: &mut Self, low: &ast::Expr, high: &ast::Expr| -> PgResult<Expr> {
            Ok(Expr::Or(vec![compare(this, "<", low)?, compare(this, ">", high)?]))
        };
        match (between.negated, between.symmetric) {
            (false, false) => inside(self, low, high),
            (true, false) => outside(self, low, high),
            (false, true) => Ok(Expr::Or(vec![inside(self, low, high)?, inside(self, high, low)?])),
            (true, true) => Ok(Expr::And(vec![outside(self, low, high)?, outside(self, high, low)?])),
        }
    }

    fn cast(&mut self, arg: &ast::Expr, type_name: &ast::TypeName, position: usize) -> PgResult<Expr> {
        let (target, typmod) = self.resolve_type_name(type_name)?;
        // ARRAY[...]::t[] gives its elements the type right away.
        let inner = match arg {
            ast::Expr::Array { elements, pos } => {
                let base = self.catalog.base_type(target, typmod)?.0;
                let element = self.catalog.array_element(base)?;
                self.array(elements, element.map(|element| (base, element, typmod)), *pos)?
            }
            other => self.transform(other)?,
        };
        let source = inner.ty().type_oid;
        if source == types::UNKNOWN || source != target || typmod != inner.ty().typmod {
            let at = if source == types::UNKNOWN { arg.location() } else { position.min(type_name.pos) };
            let at = if source == types::UNKNOWN { at } else { arg.location().min(at) };
            let coerced = self.coerce_to_target(inner, target, typmod, Coercion::Explicit, true, Some(at));
            return match coerced.map_err(|error| error.at(Some(position)))? {
                Some(expr) => Ok(expr),
                None => Err(PgError::new(
                    code::CANNOT_COERCE,
                    format!("cannot cast type {} to {}", self.type_name(source)?, self.type_name(target)?),
                )
                .at(Some(position))),
            };
        }
        Ok(inner)
    }

    fn collate(&mut self, arg: &ast::Expr, name: &ast::ObjectName, position: usize) -> PgResult<Expr> {
        let inner = self.transform(arg)?;
        let inner_type = inner.ty().type_oid;
        if inner_type != types::UNKNOWN && !self.type_info(inner_type)?.is_collatable() {
            return Err(PgError::new(
                code::DATATYPE_MISMATCH,
                format!("collations are not supported by type {}", self.type_name(inner_type)?),
            )
            .at(Some(position)));
        }
        let inner = self.resolve_unknown(inner, Some(arg.location()))?;
        let collation = self.resolve_collation(name, position)?;
        Ok(Expr::Collate { arg: Box::new(inner), collation })
    }

    /// The collation of this name. Only those that order by code point are built.
    pub(crate) fn resolve_collation(&self, name: &ast::ObjectName, position: usize) -> PgResult<Oid> {
        let path = match name.schema() {
            Some(schema) => vec![self.explicit_namespace(&schema.name, schema.pos)?],
            None => self.path.to_vec(),
        };
        let all = self.catalog.collations_by_name(&name.last().name)?;
        let found = path.iter().find_map(|schema| all.iter().find(|row| row.collnamespace == *schema));
        match found {
            Some(row) if matches!(&*row.collname, "default" | "C" | "POSIX" | "ucs_basic") => Ok(row.oid),
            Some(row) => {
                Err(PgError::unsupported(format!("collation \"{}\"", row.collname)).at(Some(position)))
            }
            None => Err(PgError::new(
                code::UNDEFINED_OBJECT,
                format!("collation \"{}\" for encoding \"UTF8\" does not exist", name.dotted()),
            )
            .at(Some(position))),
        }
    }

    fn case(&mut self, case: &ast::Case) -> PgResult<Expr> {
        let mut arg = None;
        if let Some(raw) = &case.arg {
            let expr = self.transform(raw)?;
            arg = Some((self.resolve_unknown(expr, Some(raw.location()))?, raw.location()));
        }
        let mut whens = Vec::with_capacity(case.whens.len());
        for when in &case.whens {
            let condition = self.transform(&when.condition)?;
            let position = when.condition.location();
            let condition = match &arg {
                Some((arg, arg_position)) => self.make_op(
                    &ast::OpName::bare("="),
                    Some(Expr::CaseTest(arg.ty())),
                    condition,
                    position,
                    (*arg_position, position),
                )?,
                None => condition,
            };
            let condition = self.coerce_to_boolean(condition, "CASE/WHEN", position)?;
            whens.push((condition, self.transform(&when.result)?, when.result.location()));
        }
        let (otherwise, otherwise_position) = match &case.otherwise {
            Some(raw) => (self.transform(raw)?, raw.location()),
            None => (constant(Datum::Null, types::UNKNOWN), case.pos),
        };
        // The ELSE clause comes first, as in PostgreSQL: it decides among equally good types.
        let mut all = vec![(&otherwise, otherwise_position)];
        all.extend(whens.iter().map(|(_, result, position)| (result, *position)));
        let target = self.select_common_type(&all, "CASE")?;
        let otherwise = self.coerce_to_common(otherwise, target, "CASE/ELSE", otherwise_position)?;
        let whens = whens
            .into_iter()
            .map(|(condition, result, position)| {
                Ok((condition, self.coerce_to_common(result, target, "CASE/WHEN", position)?))
            })
            .collect::<PgResult<Vec<_>>>()?;
        let mut results: Vec<Expr> = whens.iter().map(|(_, result)| result.clone()).collect();
        results.push(otherwise.clone());
        let ty = ColumnType { typmod: Self::common_typmod(&results, target), ..self.plain_type(target)? };
        Ok(Expr::Case { arg: arg.map(|(arg, _)| Box::new(arg)), whens, otherwise: Box::new(otherwise), ty })
    }

    /// Arguments brought to their common type: COALESCE, GREATEST, LEAST.
    fn common_args(&mut self, raw: &[ast::Expr], construct: &str) -> PgResult<(Vec<Expr>, ColumnType)> {
        let mut args = Vec::with_capacity(raw.len());
        for arg in raw {
            args.push(self.transform(arg)?);
        }
        let with_positions: Vec<(&Expr, usize)> =
            args.iter().zip(raw.iter().map(ast::Expr::location)).collect();
        let target = self.select_common_type(&with_positions, construct)?;
        let args = args
            .into_iter()
            .zip(raw)
            .map(|(arg, raw)| self.coerce_to_common(arg, target, construct, raw.location()))
            .collect::<PgResult<Vec<Expr>>>()?;
        let typmod = Self::common_typmod(&args, target);
        let collation = self.input_collation(&args);
        let mut ty = ColumnType { typmod, ..self.plain_type(target)? };
        if ty.collation != 0 && collation != 0 {
            ty.collation = collation;
        }
        Ok((args, ty))
    }

    fn sql_value(
        &mut self,
        function: ast::SqlValue,
        precision: Option<i32>,
        position: usize,
    ) -> PgResult<Expr> {
        let (function, type_oid) = match function {
            ast::SqlValue::CurrentDate => (SqlValueFunction::CurrentDate, types::DATE),
            ast::SqlValue::CurrentTime => (SqlValueFunction::CurrentTime, types::TIMETZ),
            ast::SqlValue::CurrentTimestamp => (SqlValueFunction::CurrentTimestamp, types::TIMESTAMPTZ),
            ast::SqlValue::LocalTime => (SqlValueFunction::LocalTime, types::TIME),
            ast::SqlValue::LocalTimestamp => (SqlValueFunction::LocalTimestamp, types::TIMESTAMP),
            ast::SqlValue::CurrentRole => (SqlValueFunction::CurrentRole, types::NAME),
            ast::SqlValue::CurrentUser => (SqlValueFunction::CurrentUser, types::NAME),
            ast::SqlValue::User => (SqlValueFunction::User, types::NAME),
            ast::SqlValue::SessionUser => (SqlValueFunction::SessionUser, types::NAME),
            ast::SqlValue::CurrentCatalog => (SqlValueFunction::CurrentCatalog, types::NAME),
            ast::SqlValue::CurrentSchema => (SqlValueFunction::CurrentSchema, types::NAME),
        };
        const MAX_TIME_PRECISION: i32 = 6;
        if precision.is_some_and(|precision| precision < 0) {
            return Err(PgError::new(code::INVALID_PARAMETER_VALUE, "precision must not be negative")
                .at(Some(position)));
        }
        let typmod = precision.map_or(-1, |precision| precision.min(MAX_TIME_PRECISION));
        Ok(Expr::SqlValue { function, ty: ColumnType { typmod, ..self.plain_type(type_oid)? } })
    }

    pub(crate) fn is_composite(&self, type_oid: Oid) -> PgResult<bool> {
        if type_oid == types::RECORD {
            return Ok(true);
        }
        Ok(self.type_info(self.catalog.base_type(type_oid, -1)?.0)?.typtype == 'c')
    }
}
