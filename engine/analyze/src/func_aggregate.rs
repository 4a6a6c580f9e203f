//! Calls of aggregates and window functions: what is special about them beside other calls
//! (PostgreSQL's src/backend/parser/parse_func.c, parse_agg.c).

use crate::analyzer::{Analyzer, Place};
use crate::query::{Aggregate, Expr, OrderKey, WindowFunc};
use redoubt_catalog::rows::PgProc;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Oid;
use redoubt_sql::tree as ast;

impl Analyzer<'_> {
    #[allow(clippy::too_many_arguments)] // The parts of one call, each found by an earlier step.
    pub(crate) fn aggregate_call(
        &mut self,
        call: &ast::FuncCall,
        proc: &PgProc,
        args: Vec<Expr>,
        arg_types: Vec<Oid>,
        ty: crate::query::ColumnType,
        input_collation: Oid,
        direct: usize,
    ) -> PgResult<Expr> {
        let facts = self
            .catalog
            .aggregate(proc.oid)?
            .ok_or_else(|| PgError::internal(format!("cache lookup failed for aggregate {}", proc.oid)))?;
        if facts.aggkind != 'n' || call.within_group {
            return Err(
                PgError::unsupported(format!("ordered-set aggregate {}", proc.proname)).at(Some(call.pos))
            );
        }
        debug_assert_eq!(direct, call.args.len(), "plain aggregates have no sort keys among their arguments");
        if proc.proretset || args.iter().any(|arg| matches!(arg, Expr::Call(c) if c.returns_set)) {
            return Err(PgError::new(
                code::FEATURE_NOT_SUPPORTED,
                "aggregate function calls cannot contain set-returning function calls",
            )
            .hint("You might be able to move the set-returning function into a LATERAL FROM item.")
            .at(Some(call.pos)));
        }
        let order_by = self.aggregate_order(call, &args)?;
        if call.distinct {
            for (arg, raw) in args.iter().zip(&call.args) {
                self.sort_group_operators(arg.ty().type_oid, Some(raw.value.location()))?;
            }
        }
        let filter = match &call.filter {
            Some(filter) => {
                let position = filter.location();
                let filter = self.expr(filter, Place::Filter)?;
                Some(self.coerce_to_boolean(filter, "FILTER", position)?)
            }
            None => None,
        };
        let mut aggregate = Aggregate {
            proc_oid: proc.oid,
            name: proc.proname.clone(),
            args,
            direct_args: 0,
            arg_types,
            star: call.star,
            distinct: call.distinct,
            order_by,
            filter,
            ty,
            input_collation,
            levels_up: 0,
            position: Some(call.pos),
        };
        self.register_aggregate(&mut aggregate, call.pos)?;
        Ok(Expr::Aggregate(Box::new(aggregate)))
    }

    /// ORDER BY inside an aggregate call. With DISTINCT the keys must be arguments.
    fn aggregate_order(&mut self, call: &ast::FuncCall, args: &[Expr]) -> PgResult<Vec<OrderKey>> {
        let place = self.place();
        let mut keys = Vec::with_capacity(call.order_by.len());
        for sort in &call.order_by {
            let position = sort.expr.location();
            let expr = self.expr(&sort.expr, place)?;
            let expr = self.resolve_unknown(expr, Some(position))?;
            if call.distinct && !args.iter().any(|arg| crate::equal::same_expr(arg, &expr)) {
                return Err(PgError::new(
                    code::INVALID_COLUMN_REFERENCE,
                    "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list",
                )
                .at(Some(position)));
            }
            keys.push(self.order_key(expr, sort, position)?);
        }
        Ok(keys)
    }

    /// One sort key with its operators and NULLS rule.
    pub(crate) fn order_key(&self, expr: Expr, sort: &ast::SortBy, position: usize) -> PgResult<OrderKey> {
        let (less, equal, greater) = self.sort_group_operators(expr.ty().type_oid, Some(position))?;
        let descending = match &sort.direction {
            ast::SortDirection::Default | ast::SortDirection::Asc => false,
            ast::SortDirection::Desc => true,
            ast::SortDirection::Using(name) => {
                let oid = expr.ty().type_oid;
                let operator = self.find_operator(name, Some(oid), oid, sort.pos)?;
                if operator.oid == less {
                    false
                } else if operator.oid == greater {
                    true
                } else {
                    return Err(PgError::new(
                        code::WRONG_OBJECT_TYPE,
                        format!("operator {} is not a valid ordering operator", name.symbol),
                    )
                    .hint("Ordering operators must be \"<\" or \">\" members of btree operator families.")
                    .at(sort.pos));
                }
            }
        };
        Ok(OrderKey {
            expr,
            descending,
            nulls_first: sort.nulls_first.unwrap_or(descending),
            sort_operator: if descending { greater } else { less },
            eq_operator: equal,
        })
    }

    pub(crate) fn window_call(
        &mut self,
        call: &ast::FuncCall,
        proc: &PgProc,
        args: Vec<Expr>,
        arg_types: Vec<Oid>,
        ty: crate::query::ColumnType,
        input_collation: Oid,
    ) -> PgResult<Expr> {
        let refuse = |code, message: &str| Err(PgError::new(code, message).at(Some(call.pos)));
        if call.distinct {
            return refuse(code::FEATURE_NOT_SUPPORTED, "DISTINCT is not implemented for window functions");
        }
        if !call.order_by.is_empty() && !call.within_group {
            return refuse(
                code::FEATURE_NOT_SUPPORTED,
                "aggregate ORDER BY is not implemented for window functions",
            );
        }
        if call.within_group {
            return refuse(code::FEATURE_NOT_SUPPORTED, "OVER is not supported for ordered-set aggregates");
        }
        if proc.prokind == 'w' && call.filter.is_some() {
            return refuse(
                code::FEATURE_NOT_SUPPORTED,
                "FILTER is not implemented for non-aggregate window functions",
            );
        }
        if proc.proretset {
            return refuse(code::INVALID_FUNCTION_DEFINITION, "window functions cannot return sets");
        }
        let filter = match &call.filter {
            Some(filter) => {
                let position = filter.location();
                let filter = self.expr(filter, Place::Filter)?;
                Some(self.coerce_to_boolean(filter, "FILTER", position)?)
            }
            None => None,
        };
        let spec = call.over.as_ref().expect("the caller saw OVER");
        let window = self.register_window_func(spec, call.pos)?;
        Ok(Expr::WindowFunc(Box::new(WindowFunc {
            proc_oid: proc.oid,
            name: proc.proname.clone(),
            args,
            arg_types,
            filter,
            is_aggregate: proc.prokind == 'a',
            star: call.star,
            window,
            ty,
            input_collation,
            position: Some(call.pos),
        })))
    }
}
