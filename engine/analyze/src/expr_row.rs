//! Rows and lists: ROW(...), row comparisons, IN, IS DISTINCT FROM, NULLIF
//! (PostgreSQL's make_row_comparison_op, transformAExprIn, transformAExprDistinct).

use crate::analyzer::Analyzer;
use crate::coerce::Coercion;
use crate::query::{Call, Expr, RowCompareOp};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::types;
use redoubt_sql::tree as ast;

impl Analyzer<'_> {
    pub(crate) fn row(&mut self, fields: &[ast::Expr]) -> PgResult<Expr> {
        const MAX_FIELDS: usize = 1664;
        if fields.len() > MAX_FIELDS {
            let message = format!("ROW expressions can have at most {MAX_FIELDS} entries");
            return Err(
                PgError::new(code::TOO_MANY_COLUMNS, message).at(fields.first().map(ast::Expr::location))
            );
        }
        let mut analyzed = Vec::with_capacity(fields.len());
        for field in fields {
            if let ast::Expr::Column(column) = field
                && column.star
            {
                analyzed.extend(self.expand_row_star(column)?);
                continue;
            }
            // Literals stay of unknown type: a cast to a composite type may follow.
            analyzed.push(self.expr(field, self.place())?);
        }
        Ok(Expr::Row { fields: analyzed, ty: self.plain_type(types::RECORD)? })
    }

    /// Fields for a comparison: literals keep their unknown type, so that the other side decides.
    fn row_fields(&mut self, fields: &[ast::Expr]) -> PgResult<Vec<(Expr, usize)>> {
        let place = self.place();
        fields.iter().map(|field| Ok((self.expr(field, place)?, field.location()))).collect()
    }

    /// `(a, b) op (c, d)`.
    pub(crate) fn row_comparison(
        &mut self,
        name: &ast::OpName,
        left: &[ast::Expr],
        right: &[ast::Expr],
        position: usize,
    ) -> PgResult<Expr> {
        let (left, right) = (self.row_fields(left)?, self.row_fields(right)?);
        self.row_comparison_of(name, left, right, position)
    }

    fn row_comparison_of(
        &mut self,
        name: &ast::OpName,
        left: Vec<(Expr, usize)>,
        right: Vec<(Expr, usize)>,
        position: usize,
    ) -> PgResult<Expr> {
        if left.len() != right.len() {
            return Err(PgError::new(code::SYNTAX_ERROR, "unequal number of entries in row expressions")
                .at(Some(position)));
        }
        if left.is_empty() {
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, "cannot compare rows of zero length")
                .at(Some(position)));
        }
        let mut calls = Vec::with_capacity(left.len());
        let mut pairs = Vec::with_capacity(left.len());
        for ((left, left_position), (right, right_position)) in left.into_iter().zip(right) {
            pairs.push((left.clone(), right.clone(), (left_position, right_position)));
            calls.push(self.boolean_call(name, left, right, position, (left_position, right_position))?);
        }
        if calls.len() == 1 {
            return Ok(Expr::Call(Box::new(calls.pop().expect("there is one"))));
        }
        let op = match &*name.symbol {
            "=" => return Ok(Expr::And(calls.into_iter().map(|call| Expr::Call(Box::new(call))).collect())),
            "<>" => return Ok(Expr::Or(calls.into_iter().map(|call| Expr::Call(Box::new(call))).collect())),
            "<" => RowCompareOp::Less,
            "<=" => RowCompareOp::LessEqual,
            ">" => RowCompareOp::Greater,
            ">=" => RowCompareOp::GreaterEqual,
            other => {
                return Err(PgError::new(
                    code::FEATURE_NOT_SUPPORTED,
                    format!("could not determine interpretation of row comparison operator {other}"),
                )
                .hint("Row comparison operators must be associated with btree operator families.")
                .at(Some(position)));
            }
        };
        let mut equalities = Vec::with_capacity(pairs.len());
        for (left, right, positions) in pairs {
            equalities.push(self.boolean_call(&ast::OpName::bare("="), left, right, position, positions)?);
        }
        Ok(Expr::RowCompare { calls, equalities, op })
    }

    /// An operator call that must yield a boolean.
    pub(crate) fn boolean_call(
        &mut self,
        name: &ast::OpName,
        left: Expr,
        right: Expr,
        position: usize,
        positions: (usize, usize),
    ) -> PgResult<Call> {
        let Expr::Call(call) = self.make_op(name, Some(left), right, position, positions)? else {
            unreachable!("operators become calls");
        };
        if call.ty.type_oid != types::BOOL {
            return Err(PgError::new(
                code::DATATYPE_MISMATCH,
                format!(
                    "row comparison operator must yield type boolean, not type {}",
                    self.type_name(call.ty.type_oid)?
                ),
            )
            .at(Some(position)));
        }
        if call.returns_set {
            return Err(PgError::new(
                code::DATATYPE_MISMATCH,
                "row comparison operator must not return a set",
            )
            .at(Some(position)));
        }
        Ok(*call)
    }

    /// IS [NOT] DISTINCT FROM. Rows of literals compare field by field; a plain NULL on one side is
    /// a null test.
    pub(crate) fn distinct(
        &mut self,
        left: &ast::Expr,
        right: &ast::Expr,
        negated: bool,
        position: usize,
    ) -> PgResult<Expr> {
        let null = |expr: &ast::Expr| matches!(expr, ast::Expr::Literal { value: ast::Literal::Null, .. });
        if null(right) || null(left) {
            let place = self.place();
            let other = if null(right) { left } else { right };
            let arg = self.expr(other, place)?;
            // `x IS DISTINCT FROM NULL` holds when x is not null, whatever its fields.
            return Ok(Expr::IsNull { arg: Box::new(arg), negated: !negated, row: false });
        }
        if let (ast::Expr::Row { fields: left, .. }, ast::Expr::Row { fields: right, .. }) = (left, right) {
            return self.distinct_rows(left, right, negated, position);
        }
        let place = self.place();
        let (l, r) = (self.expr(left, place)?, self.expr(right, place)?);
        self.distinct_of(l, r, negated, position, (left.location(), right.location()))
    }

    fn distinct_of(
        &mut self,
        left: Expr,
        right: Expr,
        negated: bool,
        position: usize,
        positions: (usize, usize),
    ) -> PgResult<Expr> {
        let Expr::Call(call) =
            self.make_op(&ast::OpName::bare("="), Some(left), right, position, positions)?
        else {
            unreachable!("operators become calls");
        };
        if call.ty.type_oid != types::BOOL {
            return Err(PgError::new(
                code::DATATYPE_MISMATCH,
                "IS DISTINCT FROM requires = operator to yield boolean",
            )
            .at(Some(position)));
        }
        Ok(Expr::Distinct { equality: call, negated })
    }

    fn distinct_rows(
        &mut self,
        left: &[ast::Expr],
        right: &[ast::Expr],
        negated: bool,
        position: usize,
    ) -> PgResult<Expr> {
        if left.len() != right.len() {
            return Err(PgError::new(code::SYNTAX_ERROR, "unequal number of entries in row expressions")
                .at(Some(position)));
        }
        let (left, right) = (self.row_fields(left)?, self.row_fields(right)?);
        let mut tests = Vec::with_capacity(left.len());
        for ((l, lp), (r, rp)) in left.into_iter().zip(right) {
            tests.push(self.distinct_of(l, r, negated, position, (lp, rp))?);
        }
        Ok(match (tests.len(), negated) {
            (0, _) => crate::coerce::constant(redoubt_functions::Datum::Bool(negated), types::BOOL),
            (1, _) => tests.pop().expect("there is one"),
            (_, false) => Expr::Or(tests),
            (_, true) => Expr::And(tests),
        })
    }

    pub(crate) fn null_if(&mut self, left: &ast::Expr, right: &ast::Expr, position: usize) -> PgResult<Expr> {
        let place = self.place();
        let (l, r) = (self.expr(left, place)?, self.expr(right, place)?);
        let positions = (left.location(), right.location());
        let Expr::Call(call) = self.make_op(&ast::OpName::bare("="), Some(l), r, position, positions)? else {
            unreachable!("operators become calls");
        };
        if call.ty.type_oid != types::BOOL {
            return Err(PgError::new(code::DATATYPE_MISMATCH, "NULLIF requires = operator to yield boolean")
                .at(Some(position)));
        }
        let ty = call.args[0].ty();
        Ok(Expr::NullIf { equality: call, ty })
    }

    /// IN: constants and parameters of one type become `= ANY (ARRAY[...])`; whatever contains
    /// columns, and rows, become a chain of comparisons.
    pub(crate) fn in_list(
        &mut self,
        arg: &ast::Expr,
        list: &[ast::Expr],
        negated: bool,
        position: usize,
    ) -> PgResult<Expr> {
        let name = ast::OpName::bare(if negated { "<>" } else { "=" });
        let rows = matches!(arg, ast::Expr::Row { .. });
        let place = self.place();
        let mut constants: Vec<(Expr, usize)> = Vec::new();
        let mut others: Vec<&ast::Expr> = Vec::new();
        for item in list {
            if rows || matches!(item, ast::Expr::Row { .. }) {
                others.push(item);
                continue;
            }
            let expr = self.expr(item, place)?;
            if has_var(&expr) { others.push(item) } else { constants.push((expr, item.location())) }
        }
        let mut tests = Vec::new();
        if constants.len() > 1 {
            match self.in_array(arg, &name, &constants, negated, position)? {
                Some(test) => tests.push(test),
                None => others = list.iter().collect(),
            }
        } else {
            others = list.iter().collect();
        }
        for item in others {
            if let (ast::Expr::Row { fields: left, .. }, ast::Expr::Row { fields: right, .. }) = (arg, item) {
                tests.push(self.row_comparison(&name, left, right, position)?);
                continue;
            }
            let (left, right) = (self.expr(arg, place)?, self.expr(item, place)?);
            let test = self.make_op(&name, Some(left), right, position, (arg.location(), item.location()))?;
            tests.push(self.coerce_to_boolean(test, "IN", position)?);
        }
        Ok(match tests.len() {
            1 => tests.pop().expect("there is one"),
            _ if negated => Expr::And(tests),
            _ => Expr::Or(tests),
        })
    }

    /// The array form, if all constants have a common scalar type.
    fn in_array(
        &mut self,
        arg: &ast::Expr,
        name: &ast::OpName,
        constants: &[(Expr, usize)],
        negated: bool,
        position: usize,
    ) -> PgResult<Option<Expr>> {
        let place = self.place();
        let left = self.expr(arg, place)?;
        let mut all: Vec<(&Expr, usize)> = vec![(&left, arg.location())];
        all.extend(constants.iter().map(|(expr, position)| (expr, *position)));
        let common = match self.select_common_type(&all, "IN") {
            Ok(common) if common != types::RECORD => common,
            Ok(_) => return Ok(None),
            // No common type: separate comparisons may still work, or give the better error.
            Err(error) if error.code() == code::DATATYPE_MISMATCH => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(array) = self.catalog.array_type(common)? else { return Ok(None) };
        for (expr, _) in constants {
            if !self.can_coerce_types(&[expr.ty().type_oid], &[common], Coercion::Implicit)? {
                return Ok(None);
            }
        }
        let mut elements = Vec::with_capacity(constants.len());
        for (expr, position) in constants {
            elements.push(self.coerce_to_common(expr.clone(), common, "IN", *position)?);
        }
        let ty = self.plain_type(array)?;
        let array = Expr::Array { elements, element_type: common, multidim: false, ty };
        let positions = (arg.location(), constants[0].1);
        self.make_scalar_array_op(name, !negated, left, array, position, positions).map(Some)
    }
}

/// Whether an expression refers to columns of this level.
fn has_var(expr: &Expr) -> bool {
    let mut found = false;
    crate::walk::walk(expr, &mut |expr| {
        found |= matches!(expr, Expr::Var(var) if var.levels_up == 0);
        // A subquery may reach out; it is not a constant either.
        found |= matches!(expr, Expr::SubLink(_));
    });
    found
}
