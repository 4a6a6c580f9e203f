//! Constant folding: calls of immutable functions on constants are made while planning, and
//! conditions that are decided disappear.
//!
//! After `eval_const_expressions` in PostgreSQL's src/backend/optimizer/util/clauses.c, with its
//! rules on what is evaluated early: in a CASE, conditions are folded in order, branches behind a
//! constant-true condition or under a constant-false one are dropped unseen, and an error in a
//! branch that remains is raised now.

use crate::builder::Builder;
use crate::walk;
use redoubt_analyze::query::*;
use redoubt_error::PgResult;
use redoubt_functions::{ArrayValue, CallContext, Datum, builtin_type, io, types};
use std::sync::Arc;

impl Builder<'_> {
    /// Folds the expressions of one query level; subqueries are folded when they are planned.
    pub(crate) fn fold_query(&mut self, query: &mut Query) -> PgResult<()> {
        for entry in &mut query.rtable {
            match &mut entry.kind {
                RteKind::Function { functions, .. } => {
                    functions.iter_mut().try_for_each(|function| self.fold(&mut function.call))?;
                }
                RteKind::Values(rows) => rows.iter_mut().flatten().try_for_each(|value| self.fold(value))?,
                _ => {}
            }
        }
        for entry in query.target_list.iter_mut().chain(&mut query.returning) {
            self.fold(&mut entry.expr)?;
        }
        for item in &mut query.jointree.items {
            self.fold_from_item(item)?;
        }
        for expr in
            [&mut query.jointree.quals, &mut query.having, &mut query.limit_offset, &mut query.limit_count]
        {
            self.fold_option(expr)?;
        }
        for window in &mut query.windows {
            for bound in [&mut window.frame.start, &mut window.frame.end] {
                if let FrameBound::Preceding(offset) | FrameBound::Following(offset) = bound {
                    self.fold(offset)?;
                }
            }
        }
        if let Some(conflict) = &mut query.on_conflict {
            conflict.set.iter_mut().try_for_each(|entry| self.fold(&mut entry.expr))?;
            self.fold_option(&mut conflict.where_clause)?;
        }
        Ok(())
    }

    fn fold_option(&mut self, expr: &mut Option<Expr>) -> PgResult<()> {
        expr.as_mut().map_or(Ok(()), |expr| self.fold(expr))
    }

    fn fold_from_item(&mut self, item: &mut FromItem) -> PgResult<()> {
        if let FromItem::Join { left, right, quals, .. } = item {
            self.fold_from_item(left)?;
            self.fold_from_item(right)?;
            self.fold_option(quals)?;
        }
        Ok(())
    }

    /// Folds an expression in place.
    ///
    /// # Errors
    /// Those of the calls that are made.
    pub(crate) fn fold(&mut self, expr: &mut Expr) -> PgResult<()> {
        match expr {
            Expr::Case { .. } => return self.fold_case(expr),
            Expr::Coalesce { .. } => return self.fold_coalesce(expr),
            Expr::And(_) | Expr::Or(_) => return self.fold_connective(expr),
            _ => {}
        }
        self.fold_children(expr)?;
        let folded = match expr {
            Expr::Call(call) => self.fold_call(call)?,
            Expr::Param { number, ty } => {
                let value = self.ctx.params.and_then(|params| params.get(*number - 1));
                value.map(|value| Expr::Const { value: value.clone(), ty: *ty })
            }
            Expr::Relabel { arg, ty, .. } => match &**arg {
                Expr::Const { value, .. } if builtin_type(ty.type_oid).is_some() => {
                    let value = crate::relabel::relabel(value.clone(), ty.type_oid);
                    Some(Expr::Const { value, ty: *ty })
                }
                _ => None,
            },
            // The analyzer labels constants without looking at them.
            Expr::Const { value, ty } if matches!(value, Datum::Int4(_) | Datum::Oid(_)) => {
                let (value, ty) = (crate::relabel::relabel(value.clone(), ty.type_oid), *ty);
                Some(Expr::Const { value, ty })
            }
            Expr::Collate { arg, collation } => match &**arg {
                Expr::Const { value, ty } => Some(Expr::Const {
                    value: value.clone(),
                    ty: ColumnType { collation: *collation, ..*ty },
                }),
                _ => None,
            },
            Expr::CoerceViaIo { arg, ty, .. } => self.fold_via_text(arg, *ty)?,
            Expr::Not(arg) => fold_not(arg),
            Expr::IsNull { arg, negated, row: false } => match &**arg {
                Expr::Const { value, .. } => Some(bool_const(value.is_null() != *negated)),
                _ => None,
            },
            Expr::BooleanTest { arg, value, negated } => match &**arg {
                Expr::Const { value: Datum::Bool(known), .. } => {
                    Some(bool_const((*value == Some(*known)) != *negated))
                }
                Expr::Const { value: Datum::Null, .. } => Some(bool_const(value.is_none() != *negated)),
                _ => None,
            },
            Expr::Array { elements, element_type, multidim: false, ty } => {
                fold_array(elements, *element_type, *ty)
            }
            Expr::ScalarArrayOp { call, .. } => {
                let null = call.strict && call.args.iter().any(is_null_const);
                null.then(|| Expr::Const { value: Datum::Null, ty: BOOL_TYPE })
            }
            _ => None,
        };
        if let Some(folded) = folded {
            *expr = folded;
        }
        Ok(())
    }

    fn fold_children(&mut self, expr: &mut Expr) -> PgResult<()> {
        let mut result = Ok(());
        walk::children_mut(expr, &mut |child| {
            if result.is_ok() {
                result = self.fold(child);
            }
        });
        result
    }

    fn fold_call(&self, call: &Call) -> PgResult<Option<Expr>> {
        if call.returns_set || !call.args.iter().all(|arg| matches!(arg, Expr::Const { .. })) {
            let null = call.strict && !call.returns_set && call.args.iter().any(is_null_const);
            return Ok(
                (null && call.volatility != 'v').then(|| Expr::Const { value: Datum::Null, ty: call.ty })
            );
        }
        if call.volatility != 'i' || call.ty.type_oid == types::RECORD {
            return Ok(None);
        }
        if call.strict && call.args.iter().any(is_null_const) {
            return Ok(Some(Expr::Const { value: Datum::Null, ty: call.ty }));
        }
        let Some(function) = call.function else { return Ok(None) };
        let args: Vec<Datum> = call
            .args
            .iter()
            .map(|arg| match arg {
                Expr::Const { value, .. } => value.clone(),
                _ => unreachable!("all arguments are constants"),
            })
            .collect();
        let mut context = CallContext::new(self.ctx.env).with_types(&call.arg_types, call.ty.type_oid);
        context.collation = call.input_collation;
        context.variadic = call.variadic;
        let value = function(&context, &args)?;
        Ok(Some(Expr::Const { value, ty: call.ty }))
    }

    /// A cast by way of text whose two halves are immutable.
    fn fold_via_text(&self, arg: &Expr, ty: ColumnType) -> PgResult<Option<Expr>> {
        let Expr::Const { value, ty: from } = arg else { return Ok(None) };
        if value.is_null() {
            return Ok(Some(Expr::Const { value: Datum::Null, ty }));
        }
        if !has_immutable_text(from.type_oid) || !has_immutable_text(ty.type_oid) {
            return Ok(None);
        }
        let mut text = Vec::new();
        io::output(value, from.type_oid, self.ctx.env, &mut text)?;
        let text = String::from_utf8_lossy(&text);
        let value = io::input(ty.type_oid, ty.typmod, &text, self.ctx.env)?;
        Ok(Some(Expr::Const { value, ty }))
    }

    fn fold_case(&mut self, expr: &mut Expr) -> PgResult<()> {
        let Expr::Case { arg, whens, otherwise, ty } = expr else { unreachable!("only called on CASE") };
        if let Some(arg) = arg {
            self.fold(arg)?;
        }
        let constant = match arg.as_deref() {
            Some(value @ Expr::Const { .. }) => Some(value.clone()),
            _ => None,
        };
        let mut kept = Vec::with_capacity(whens.len());
        let mut decided = None;
        for (mut condition, mut result) in std::mem::take(whens) {
            if let Some(constant) = &constant {
                replace_case_test(&mut condition, constant);
            }
            self.fold(&mut condition)?;
            match super::inspect::constant_bool(&condition) {
                Some(Some(true)) => {
                    self.fold(&mut result)?;
                    decided = Some(result);
                    break;
                }
                Some(_) => {}
                None => {
                    self.fold(&mut result)?;
                    kept.push((condition, result));
                }
            }
        }
        match decided {
            Some(result) => **otherwise = result,
            None => self.fold(otherwise)?,
        }
        if kept.is_empty() {
            let result = std::mem::replace(&mut **otherwise, Expr::Const { value: Datum::Null, ty: *ty });
            *expr = result;
        } else {
            *whens = kept;
        }
        Ok(())
    }

    fn fold_coalesce(&mut self, expr: &mut Expr) -> PgResult<()> {
        let Expr::Coalesce { args, ty } = expr else { unreachable!("only called on COALESCE") };
        let mut kept = Vec::with_capacity(args.len());
        for mut arg in std::mem::take(args) {
            self.fold(&mut arg)?;
            match &arg {
                Expr::Const { value: Datum::Null, .. } => {}
                Expr::Const { .. } => {
                    kept.push(arg);
                    break;
                }
                _ => kept.push(arg),
            }
        }
        *expr = match kept.len() {
            0 => Expr::Const { value: Datum::Null, ty: *ty },
            1 => kept.remove(0),
            _ => Expr::Coalesce { args: kept, ty: *ty },
        };
        Ok(())
    }

    /// AND and OR: nested ones are flattened, decided arguments dropped, a deciding one ends it.
    fn fold_connective(&mut self, expr: &mut Expr) -> PgResult<()> {
        let and = matches!(expr, Expr::And(_));
        let (Expr::And(args) | Expr::Or(args)) = expr else { unreachable!("only called on AND and OR") };
        let mut kept = Vec::with_capacity(args.len());
        let mut unknown = false;
        let mut pending: Vec<Expr> = std::mem::take(args);
        pending.reverse();
        while let Some(mut arg) = pending.pop() {
            match arg {
                Expr::And(inner) if and => pending.extend(inner.into_iter().rev()),
                Expr::Or(inner) if !and => pending.extend(inner.into_iter().rev()),
                _ => {
                    self.fold(&mut arg)?;
                    match arg {
                        Expr::And(inner) if and => kept.extend(inner),
                        Expr::Or(inner) if !and => kept.extend(inner),
                        arg => match super::inspect::constant_bool(&arg) {
                            Some(Some(value)) if value == and => {}
                            Some(Some(value)) => {
                                *expr = bool_const(value);
                                return Ok(());
                            }
                            Some(None) => unknown = true,
                            None => kept.push(arg),
                        },
                    }
                }
            }
        }
        if unknown {
            kept.push(Expr::Const { value: Datum::Null, ty: BOOL_TYPE });
        }
        *expr = match kept.len() {
            0 => bool_const(and),
            1 => kept.remove(0),
            _ if and => Expr::And(kept),
            _ => Expr::Or(kept),
        };
        Ok(())
    }
}

/// A boolean constant expression.
pub(crate) fn bool_const(value: bool) -> Expr {
    Expr::Const { value: Datum::Bool(value), ty: BOOL_TYPE }
}

fn is_null_const(expr: &Expr) -> bool {
    matches!(expr, Expr::Const { value: Datum::Null, .. })
}

fn fold_not(arg: &Expr) -> Option<Expr> {
    match arg {
        Expr::Const { value: Datum::Bool(value), .. } => Some(bool_const(!value)),
        Expr::Const { value: Datum::Null, .. } => Some(arg.clone()),
        Expr::Not(inner) => Some((**inner).clone()),
        Expr::IsNull { arg, negated, row: false } => {
            Some(Expr::IsNull { arg: arg.clone(), negated: !negated, row: false })
        }
        Expr::BooleanTest { arg, value, negated } => {
            Some(Expr::BooleanTest { arg: arg.clone(), value: *value, negated: !negated })
        }
        _ => None,
    }
}

fn fold_array(elements: &[Expr], element_type: redoubt_functions::Oid, ty: ColumnType) -> Option<Expr> {
    let values: Option<Vec<Datum>> = elements
        .iter()
        .map(|element| match element {
            Expr::Const { value, .. } => Some(value.clone()),
            _ => None,
        })
        .collect();
    let array = ArrayValue::from_elems(element_type, values?);
    Some(Expr::Const { value: Datum::Array(Arc::new(array)), ty })
}

/// Puts a constant in the place of a simple CASE's test value.
fn replace_case_test(expr: &mut Expr, constant: &Expr) {
    walk::rewrite(expr, 0, &mut |node, _| match node {
        Expr::CaseTest(_) => {
            *node = constant.clone();
            false
        }
        // Inner ones have test values of their own.
        Expr::Case { arg: Some(_), .. } | Expr::ArrayCoerce { .. } | Expr::SubLink(_) => false,
        _ => true,
    });
}

/// Types whose text form depends on no setting.
fn has_immutable_text(type_oid: redoubt_functions::Oid) -> bool {
    matches!(
        type_oid,
        types::BOOL
            | types::CHAR
            | types::NAME
            | types::INT2
            | types::INT4
            | types::INT8
            | types::TEXT
            | types::VARCHAR
            | types::BPCHAR
            | types::NUMERIC
            | types::FLOAT4
            | types::FLOAT8
            | types::OID
            | types::UUID
    )
}
