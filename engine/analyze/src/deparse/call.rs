//! Functions, operators, casts, aggregates, window functions.

use super::Printer;
use super::constant::Label;
use crate::query::*;
use redoubt_error::{PgError, PgResult};

/// `pg_type.oid` of the pseudo-type that marks VARIADIC "any".
const ANY: u32 = redoubt_functions::types::ANY;

impl Printer<'_> {
    pub(super) fn call(&mut self, call: &Call, whole: &Expr, show_implicit: bool) -> PgResult<()> {
        match &call.form {
            CallForm::Operator { oid, .. } => {
                let name = self.operator_name(*oid)?;
                self.open();
                match call.args.as_slice() {
                    [left, right] => {
                        self.paren(left, true, whole)?;
                        self.text(&format!(" {name} "));
                        self.paren(right, true, whole)?;
                    }
                    [arg] => {
                        self.text(&format!("{name} "));
                        self.paren(arg, true, whole)?;
                    }
                    _ => return Err(PgError::internal("an operator has one or two operands")),
                }
                self.close();
                Ok(())
            }
            CallForm::ImplicitCast => self.coercion(&call.args[0], call.ty, false, whole, show_implicit),
            CallForm::ExplicitCast => self.coercion(&call.args[0], call.ty, true, whole, show_implicit),
            CallForm::SqlSyntax if self.special(call, whole)? => Ok(()),
            CallForm::SqlSyntax | CallForm::Function => self.plain_call(call),
        }
    }

    fn plain_call(&mut self, call: &Call) -> PgResult<()> {
        let proc = self.proc(call.proc_oid)?;
        let name = self.proc_name(&proc)?;
        self.text(&name);
        self.text("(");
        self.arguments(&call.args, if call.variadic { proc.provariadic } else { 0 })?;
        self.text(")");
        Ok(())
    }

    /// Arguments; those that were gathered into the array of a VARIADIC parameter are printed one by one.
    fn arguments(&mut self, args: &[Expr], variadic: u32) -> PgResult<()> {
        let gathered = match args.last() {
            _ if variadic == 0 => None,
            // Nothing is ever gathered for VARIADIC "any".
            Some(Expr::Array { elements, .. }) if variadic != ANY && !elements.is_empty() => Some(elements),
            Some(_) => {
                let (last, leading) = args.split_last().expect("there is a last argument");
                self.list(leading, |p, arg| p.expr(arg, true))?;
                self.text(if leading.is_empty() { "VARIADIC " } else { ", VARIADIC " });
                return self.expr(last, true);
            }
            None => None,
        };
        let Some(elements) = gathered else { return self.list(args, |p, arg| p.expr(arg, true)) };
        let all: Vec<&Expr> = args[..args.len() - 1].iter().chain(elements).collect();
        self.list(&all, |p, arg| p.expr(arg, true))
    }

    /// The operator of a comparison that the analyzer made.
    pub(super) fn call_operator(&self, call: &Call) -> PgResult<String> {
        match &call.form {
            CallForm::Operator { oid, .. } => self.operator_name(*oid),
            _ => Err(PgError::internal("a comparison is made by an operator")),
        }
    }

    pub(super) fn aggregate(&mut self, aggregate: &Aggregate) -> PgResult<()> {
        let proc = self.proc(aggregate.proc_oid)?;
        let name = self.proc_name(&proc)?;
        let kind = self.context.catalog.aggregate(aggregate.proc_oid)?.map_or('n', |row| row.aggkind);
        self.text(&name);
        self.text("(");
        if aggregate.distinct {
            self.text("DISTINCT ");
        }
        if kind == 'n' {
            if aggregate.star {
                self.text("*");
            } else {
                self.arguments(&aggregate.args, proc.provariadic)?;
            }
            if !aggregate.order_by.is_empty() {
                self.text(" ORDER BY ");
                self.list(&aggregate.order_by, |p, key| p.order_key(key))?;
            }
        } else {
            self.list(&aggregate.args[..aggregate.direct_args], |p, arg| p.expr(arg, true))?;
            self.text(") WITHIN GROUP (ORDER BY ");
            self.list(&aggregate.order_by, |p, key| p.order_key(key))?;
        }
        self.filter(aggregate.filter.as_ref())?;
        self.text(")");
        Ok(())
    }

    fn filter(&mut self, filter: Option<&Expr>) -> PgResult<()> {
        if let Some(filter) = filter {
            self.text(") FILTER (WHERE ");
            self.expr(filter, false)?;
        }
        Ok(())
    }

    fn order_key(&mut self, key: &OrderKey) -> PgResult<()> {
        self.sort_value(&key.expr)?;
        self.sort_direction(key.expr.ty().type_oid, key.sort_operator, key.nulls_first)
    }

    /// A sort or grouping key by its value. A bare constant would be a column's number, and a call
    /// could be taken for ROLLUP or CUBE.
    pub(super) fn sort_value(&mut self, expr: &Expr) -> PgResult<()> {
        match expr {
            Expr::Const { value, ty } => self.constant(value, *ty, Label::Always),
            Expr::Var(_) => self.expr(expr, true),
            _ => {
                let call = match expr {
                    Expr::Call(call) => !matches!(call.form, CallForm::Operator { .. }),
                    expr => matches!(expr, Expr::Aggregate(_) | Expr::WindowFunc(_)),
                };
                let parens = self.context.pretty || call;
                if parens {
                    self.text("(");
                }
                self.expr(expr, true)?;
                if parens {
                    self.text(")");
                }
                Ok(())
            }
        }
    }

    /// DESC, USING and NULLS, as far as they are not what would be assumed.
    pub(super) fn sort_direction(&mut self, type_oid: u32, operator: u32, nulls_first: bool) -> PgResult<()> {
        let known = self.context.catalog.sort_operators(type_oid)?;
        if operator == known.less {
            self.text(if nulls_first { " NULLS FIRST" } else { "" });
        } else if operator == known.greater {
            self.text(if nulls_first { " DESC" } else { " DESC NULLS LAST" });
        } else {
            let name = self.operator_name(operator)?;
            self.text(&format!(" USING {name}"));
            self.text(if nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
        }
        Ok(())
    }

    pub(super) fn window_func(&mut self, func: &WindowFunc) -> PgResult<()> {
        let proc = self.proc(func.proc_oid)?;
        let name = self.proc_name(&proc)?;
        self.text(&name);
        self.text("(");
        if func.star {
            self.text("*");
        } else {
            self.arguments(&func.args, proc.provariadic)?;
        }
        self.filter(func.filter.as_ref())?;
        self.text(") OVER ");
        // A plan's expressions are printed without their query; PostgreSQL shows the same then.
        if self.scopes.last().is_none_or(|scope| scope.windows.is_empty()) {
            self.text("(?)");
            return Ok(());
        }
        let window = self.scopes.last().and_then(|scope| scope.windows.get(func.window)).cloned();
        let window = window.ok_or_else(|| PgError::internal("window function without a window"))?;
        match &window.name {
            Some(name) => {
                self.ident(name);
                Ok(())
            }
            None => self.window_specification(&window),
        }
    }

    pub(super) fn window_specification(&mut self, window: &WindowClause) -> PgResult<()> {
        let targets = self.scopes.last().map(|scope| scope.targets.clone()).unwrap_or_default();
        self.text("(");
        let mut separator = "";
        if !window.partition_by.is_empty() {
            self.text("PARTITION BY ");
            self.list(&window.partition_by, |p, key| p.sort_value(&targets[key.target].expr))?;
            separator = " ";
        }
        if !window.order_by.is_empty() {
            self.text(separator);
            self.text("ORDER BY ");
            self.list(&window.order_by, |p, key| {
                let expr = &targets[key.target].expr;
                p.sort_value(expr)?;
                p.sort_direction(expr.ty().type_oid, key.sort_operator, key.nulls_first)
            })?;
            separator = " ";
        }
        self.frame(&window.frame, separator)?;
        self.text(")");
        Ok(())
    }

    /// The frame, unless it is what would be assumed.
    fn frame(&mut self, frame: &WindowFrame, separator: &str) -> PgResult<()> {
        let default = frame.mode == FrameMode::Range
            && matches!(frame.start, FrameBound::UnboundedPreceding)
            && matches!(frame.end, FrameBound::CurrentRow)
            && frame.exclude == FrameExclude::NoOthers;
        if default {
            return Ok(());
        }
        self.text(separator);
        self.text(match frame.mode {
            FrameMode::Rows => "ROWS BETWEEN ",
            FrameMode::Range => "RANGE BETWEEN ",
            FrameMode::Groups => "GROUPS BETWEEN ",
        });
        self.frame_bound(&frame.start)?;
        self.text(" AND ");
        self.frame_bound(&frame.end)?;
        self.text(match frame.exclude {
            FrameExclude::NoOthers => "",
            FrameExclude::CurrentRow => " EXCLUDE CURRENT ROW",
            FrameExclude::Group => " EXCLUDE GROUP",
            FrameExclude::Ties => " EXCLUDE TIES",
        });
        Ok(())
    }

    fn frame_bound(&mut self, bound: &FrameBound) -> PgResult<()> {
        match bound {
            FrameBound::UnboundedPreceding => self.text("UNBOUNDED PRECEDING"),
            FrameBound::CurrentRow => self.text("CURRENT ROW"),
            FrameBound::UnboundedFollowing => self.text("UNBOUNDED FOLLOWING"),
            FrameBound::Preceding(offset) => {
                self.expr(offset, false)?;
                self.text(" PRECEDING");
            }
            FrameBound::Following(offset) => {
                self.expr(offset, false)?;
                self.text(" FOLLOWING");
            }
        }
        Ok(())
    }

    /// GROUPING's arguments are what the keys stand for.
    pub(super) fn grouping(&mut self, keys: &[usize], levels_up: usize) -> PgResult<()> {
        // A plan's expressions are printed without the keys of their query.
        let missing = || PgError::unsupported("GROUPING in the output of EXPLAIN");
        let scope = self.scopes.len().checked_sub(1 + levels_up).ok_or_else(missing)?;
        let mut args = Vec::with_capacity(keys.len());
        for key in keys {
            let scope = &self.scopes[scope];
            let key = scope.group_by.get(*key).ok_or_else(missing)?;
            args.push(scope.targets.get(key.target).ok_or_else(missing)?.expr.clone());
        }
        self.text("GROUPING(");
        self.list(&args, |p, arg| p.expr(arg, true))?;
        self.text(")");
        Ok(())
    }
}
