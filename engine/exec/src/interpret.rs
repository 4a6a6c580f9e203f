//! Running compiled expressions.
//!
//! A program runs from its first step to its last over the frame; the steps that can be wrong or
//! slow live in functions of their own, so that the loop stays small.

use crate::composite;
use crate::execution::{Cx, Execution};
use crate::fast;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{CallContext, Datum, ScalarFn, compare, io};
use redoubt_plan::node::KeyEquality;
use redoubt_plan::program::{ArrayCast, ArrayOp, Program, RowCompare, SiteId, Step, Value};
use redoubt_plan::slot::Slot;
use std::sync::Arc;

impl Execution {
    /// Runs a program. `false` means that a `Require` step was not satisfied.
    pub(crate) fn run(&mut self, cx: &Cx<'_>, program: &Program) -> PgResult<bool> {
        let steps = &program.steps;
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            at += 1;
            match step {
                Step::Copy { from, to } => {
                    let value = self.frame[from.index()].clone();
                    self.frame[to.index()] = value;
                }
                Step::Fast { op, left, right, out } => {
                    let value = fast::compute(*op, &self.frame[left.index()], &self.frame[right.index()])?;
                    self.frame[out.index()] = value;
                }
                Step::Call { function, args, count, strict, out, site } => {
                    let value = self.call(cx, *function, *args, *count as usize, *strict, *site)?;
                    self.frame[out.index()] = value;
                }
                Step::Require(slot) => {
                    if !self.is_true(*slot) {
                        return Ok(false);
                    }
                }
                Step::Jump(to) => at = *to as usize,
                Step::JumpUnless { condition, to } => {
                    if !self.is_true(*condition) {
                        at = *to as usize;
                    }
                }
                Step::JumpIfNotNull { value, to } => {
                    if !self.frame[value.index()].is_null() {
                        at = *to as usize;
                    }
                }
                Step::And { arg, out, first, end } => {
                    if self.fold(*arg, *out, *first, false)? {
                        at = *end as usize;
                    }
                }
                Step::Or { arg, out, first, end } => {
                    if self.fold(*arg, *out, *first, true)? {
                        at = *end as usize;
                    }
                }
                other => self.run_rare(cx, other)?,
            }
        }
        Ok(true)
    }

    /// Runs what computes a value and gives the value.
    pub(crate) fn value(&mut self, cx: &Cx<'_>, value: &Value) -> PgResult<Datum> {
        self.run(cx, &value.program)?;
        Ok(self.frame[value.slot.index()].clone())
    }

    #[inline]
    pub(crate) fn is_true(&self, slot: Slot) -> bool {
        matches!(self.frame[slot.index()], Datum::Bool(true))
    }

    /// One argument of AND (`decisive` false) or OR (`decisive` true). Says whether the answer is
    /// known. NULL stays NULL unless a decisive argument follows.
    fn fold(&mut self, arg: Slot, out: Slot, first: bool, decisive: bool) -> PgResult<bool> {
        let value = match &self.frame[arg.index()] {
            Datum::Null => None,
            Datum::Bool(value) => Some(*value),
            other => return Err(other.mismatch("boolean")),
        };
        if value == Some(decisive) {
            self.frame[out.index()] = Datum::Bool(decisive);
            return Ok(true);
        }
        if first {
            self.frame[out.index()] = value.map_or(Datum::Null, Datum::Bool);
        } else if value.is_none() {
            self.frame[out.index()] = Datum::Null;
        }
        Ok(false)
    }

    #[inline]
    pub(crate) fn call(
        &mut self,
        cx: &Cx<'_>,
        function: ScalarFn,
        args: Slot,
        count: usize,
        strict: bool,
        site: SiteId,
    ) -> PgResult<Datum> {
        let args = &self.frame[args.index()..args.index() + count];
        if strict && args.iter().any(Datum::is_null) {
            return Ok(Datum::Null);
        }
        function(&cx.call_context(site), args)
    }

    /// The steps that are not in every expression.
    fn run_rare(&mut self, cx: &Cx<'_>, step: &Step) -> PgResult<()> {
        let (out, value) = match step {
            Step::Unsupported(what) => return Err(PgError::unsupported(format!("function {what}"))),
            Step::Not { arg, out } => (*out, not(&self.frame[arg.index()])?),
            Step::IsNull { arg, negated, out } => {
                (*out, Datum::Bool(self.frame[arg.index()].is_null() != *negated))
            }
            Step::RowIsNull { arg, negated, out } => {
                (*out, Datum::Bool(composite::row_is_null(&self.frame[arg.index()], *negated)))
            }
            Step::BooleanTest { arg, value, negated, out } => {
                let actual = match &self.frame[arg.index()] {
                    Datum::Null => None,
                    other => Some(other.as_bool()?),
                };
                (*out, Datum::Bool((actual == *value) != *negated))
            }
            Step::Distinct { function, args, negated, out, site } => {
                let equal = self.equal_pair(cx, *function, *args, *site)?;
                (*out, Datum::Bool(equal == *negated))
            }
            Step::NullIf { function, args, out, site } => {
                let equal = self.call(cx, *function, *args, 2, true, *site)?;
                let first = self.frame[args.index()].clone();
                (*out, if matches!(equal, Datum::Bool(true)) { Datum::Null } else { first })
            }
            Step::MinMax { greatest, args, count, type_oid, out } => {
                (*out, self.min_max(*greatest, *args, *count as usize, *type_oid))
            }
            Step::ArrayOp(op) => (op.out, self.array_op(cx, op)?),
            Step::MakeArray { args, count, element_type, multidim, out } => {
                let elements = &self.frame[args.index()..args.index() + *count as usize];
                (*out, composite::make_array(elements, *element_type, *multidim)?)
            }
            Step::MakeRow(row) => {
                let fields = &self.frame[row.args.index()..row.args.index() + row.count as usize];
                (row.out, composite::make_row(row, fields))
            }
            Step::Field { arg, field, out } => (*out, composite::field(&self.frame[arg.index()], *field)?),
            Step::Subscript(op) => (op.out, composite::subscript(op, &self.frame)?),
            Step::ViaText { arg, from, to, typmod, out } => {
                let value = match &self.frame[arg.index()] {
                    Datum::Null => Datum::Null,
                    value => {
                        let text = io::output_string(value, *from, cx.env)?;
                        io::input(*to, *typmod, &text, cx.env)?
                    }
                };
                (*out, value)
            }
            Step::ArrayCast(cast) => (cast.out, self.array_cast(cx, cast)?),
            Step::RowCompare(compare) => (compare.out, self.row_compare(cx, compare)?),
            Step::SubPlan { id, out } => (*out, self.subplan(cx, *id)?),
            Step::CheckDomain { arg, domain, out } => {
                let value = self.frame[arg.index()].clone();
                cx.env.check_domain(*domain, &value)?;
                (*out, value)
            }
            common => unreachable!("{common:?} is run by the loop"),
        };
        self.frame[out.index()] = value;
        Ok(())
    }

    /// Whether two adjacent values are the same, NULLs included.
    fn equal_pair(&mut self, cx: &Cx<'_>, function: ScalarFn, args: Slot, site: SiteId) -> PgResult<bool> {
        let (left, right) = (self.frame[args.index()].is_null(), self.frame[args.index() + 1].is_null());
        if left || right {
            return Ok(left && right);
        }
        Ok(matches!(self.call(cx, function, args, 2, true, site)?, Datum::Bool(true)))
    }

    fn min_max(&self, greatest: bool, args: Slot, count: usize, type_oid: u32) -> Datum {
        let mut best = &Datum::Null;
        for value in self.frame[args.index()..args.index() + count].iter().filter(|value| !value.is_null()) {
            let order = compare::cmp(type_oid, value, best);
            if best.is_null() || (if greatest { order.is_gt() } else { order.is_lt() }) {
                best = value;
            }
        }
        best.clone()
    }

    /// `scalar op ANY|ALL (array)`: stops at the first element that decides; NULLs leave it open.
    fn array_op(&mut self, cx: &Cx<'_>, op: &ArrayOp) -> PgResult<Datum> {
        let array = match &self.frame[op.array.index()] {
            Datum::Null => return Ok(Datum::Null),
            Datum::Array(array) => array.clone(),
            other => return Err(other.mismatch("array")),
        };
        if array.elems.is_empty() {
            return Ok(Datum::Bool(!op.any));
        }
        if op.strict && self.frame[op.args.index()].is_null() {
            return Ok(Datum::Null);
        }
        if let Some((type_oid, cache)) = op.hashed
            && op.any
        {
            return Ok(self.array_caches.probe(cache, type_oid, &array, &self.frame[op.args.index()]));
        }
        let mut unknown = false;
        for element in &array.elems {
            self.frame[op.args.index() + 1] = element.clone();
            match self.call(cx, op.function, op.args, 2, op.strict, op.site)? {
                Datum::Bool(value) if value == op.any => return Ok(Datum::Bool(op.any)),
                Datum::Null => unknown = true,
                _ => {}
            }
        }
        Ok(if unknown { Datum::Null } else { Datum::Bool(!op.any) })
    }

    fn array_cast(&mut self, cx: &Cx<'_>, cast: &ArrayCast) -> PgResult<Datum> {
        let array = match &self.frame[cast.arg.index()] {
            Datum::Null => return Ok(Datum::Null),
            Datum::Array(array) => array.clone(),
            other => return Err(other.mismatch("array")),
        };
        let mut elements = Vec::with_capacity(array.elems.len());
        for element in &array.elems {
            self.frame[cast.element.index()] = element.clone();
            elements.push(self.value(cx, &cast.cast)?);
        }
        let mut result = (*array).clone();
        result.elem_type = cast.element_type;
        result.elems = elements;
        Ok(Datum::Array(Arc::new(result)))
    }

    /// Row-wise comparison: the first column pair that is not equal decides; a NULL there makes the
    /// answer unknown.
    fn row_compare(&mut self, cx: &Cx<'_>, compare: &RowCompare) -> PgResult<Datum> {
        for column in &compare.columns {
            self.run(cx, &column.operands)?;
            match self.call(cx, column.equal, column.args, 2, true, column.equal_site)? {
                Datum::Bool(true) => {}
                Datum::Null => return Ok(Datum::Null),
                _ => return self.call(cx, column.compare, column.args, 2, true, column.compare_site),
            }
        }
        Ok(Datum::Bool(compare.or_equal))
    }

    /// Whether two values are equal as keys: two NULLs are.
    pub(crate) fn keys_equal(cx: &Cx<'_>, equality: &KeyEquality, left: &Datum, right: &Datum) -> PgResult<bool> {
        if left.is_null() || right.is_null() {
            return Ok(left.is_null() && right.is_null());
        }
        match equality.function {
            None => Ok(compare::eq(equality.type_oid, left, right)),
            Some((function, site)) => {
                let result = function(&cx.call_context(site), &[left.clone(), right.clone()])?;
                Ok(matches!(result, Datum::Bool(true)))
            }
        }
    }
}

fn not(value: &Datum) -> PgResult<Datum> {
    match value {
        Datum::Null => Ok(Datum::Null),
        other => Ok(Datum::Bool(!other.as_bool()?)),
    }
}

impl Cx<'_> {
    /// What a call site passes to its function.
    #[inline]
    pub(crate) fn call_context(&self, site: SiteId) -> CallContext<'_> {
        let site = &self.plan.call_sites[site.0 as usize];
        CallContext {
            env: self.env,
            collation: site.collation,
            arg_types: &site.arg_types,
            result_type: site.result_type,
            variadic: site.variadic,
        }
    }
}
