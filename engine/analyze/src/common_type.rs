//! One type for several expressions: of CASE, VALUES, set operations and their like.

use crate::analyzer::Analyzer;
use crate::coerce::Coercion;
use crate::query::Expr;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, types};

impl Analyzer<'_> {
    /// The type that all of these expressions can become (`select_common_type`). Each comes with
    /// where it stands. `construct` names the place in the error.
    pub(crate) fn select_common_type(&self, exprs: &[(&Expr, usize)], construct: &str) -> PgResult<Oid> {
        let first = exprs[0].0.ty().type_oid;
        if first != types::UNKNOWN && exprs.iter().all(|(expr, _)| expr.ty().type_oid == first) {
            return Ok(first);
        }
        let mut chosen = self.catalog.base_type(first, -1)?.0;
        let mut chosen_info = self.type_info(chosen)?;
        for (expr, position) in &exprs[1..] {
            let next = self.catalog.base_type(expr.ty().type_oid, -1)?.0;
            if next == types::UNKNOWN || next == chosen {
                continue;
            }
            let next_info = self.type_info(next)?;
            if chosen == types::UNKNOWN {
                (chosen, chosen_info) = (next, next_info);
            } else if next_info.category != chosen_info.category {
                return Err(PgError::new(
                    code::DATATYPE_MISMATCH,
                    format!(
                        "{construct} types {} and {} cannot be matched",
                        self.type_name(chosen)?,
                        self.type_name(next)?
                    ),
                )
                .at(Some(*position)));
            } else if !chosen_info.preferred
                && self.can_coerce_types(&[chosen], &[next], Coercion::Implicit)?
                && !self.can_coerce_types(&[next], &[chosen], Coercion::Implicit)?
            {
                (chosen, chosen_info) = (next, next_info);
            }
        }
        Ok(if chosen == types::UNKNOWN { types::TEXT } else { chosen })
    }

    /// Casts one of several expressions to their common type (`coerce_to_common_type`).
    pub(crate) fn coerce_to_common(
        &mut self,
        expr: Expr,
        target: Oid,
        construct: &str,
        position: usize,
    ) -> PgResult<Expr> {
        let source = expr.ty().type_oid;
        if source == target {
            return Ok(expr);
        }
        if self.can_coerce_types(&[source], &[target], Coercion::Implicit)? {
            return self.coerce(expr, target, -1, Coercion::Implicit, false, Some(position));
        }
        Err(PgError::new(
            code::CANNOT_COERCE,
            format!(
                "{construct} could not convert type {} to {}",
                self.type_name(source)?,
                self.type_name(target)?
            ),
        )
        .at(Some(position)))
    }

    /// The modifier that all of these share, or -1 (`select_common_typmod`).
    pub(crate) fn common_typmod(exprs: &[Expr], target: Oid) -> i32 {
        let first = exprs[0].ty().typmod;
        let same = exprs.iter().all(|expr| expr.ty().type_oid == target && expr.ty().typmod == first);
        if same { first } else { -1 }
    }
}
