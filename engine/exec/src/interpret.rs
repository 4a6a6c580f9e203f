//! The interpreter of compiled expressions.
//!
//! One loop over a program's steps; operands and results are slots of the frame. Nothing here
//! allocates for integers, and nothing recurses but subqueries.

mod array;
mod fast;
mod row;

pub(crate) use array::{ArrayCache, make as make_array};
pub use fast::apply as apply_fast;

use crate::exec::Exec;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{CallContext, Datum, ScalarFn, io};
use redoubt_plan::Slot;
use redoubt_plan::program::{Program, SiteId, Step, Value};

impl<'a> Exec<'a> {
    /// Runs a program. False if it is a filter and a conjunct was not true.
    ///
    /// # Errors
    /// Those of the functions it calls.
    #[inline]
    pub(crate) fn run(&mut self, program: &'a Program) -> PgResult<bool> {
        if program.steps.is_empty() { Ok(true) } else { self.run_steps(&program.steps) }
    }

    /// Computes a value and returns a reference to it.
    #[inline]
    pub(crate) fn value(&mut self, value: &'a Value) -> PgResult<&Datum> {
        self.run(&value.program)?;
        Ok(&self.frame[value.slot.index()])
    }

    fn run_steps(&mut self, steps: &'a [Step]) -> PgResult<bool> {
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            at += 1;
            match step {
                Step::Copy { from, to } => {
                    let value = self.frame[from.index()].clone();
                    self.frame[to.index()] = value;
                }
                Step::Fast { op, left, right, out } => {
                    let value = fast::apply(*op, &self.frame[left.index()], &self.frame[right.index()])?;
                    self.frame[out.index()] = value;
                }
                Step::Call { function, args, count, strict, out, site } => {
                    let args = &self.frame[args.index()..args.index() + usize::from(*count)];
                    let value = if *strict && args.iter().any(Datum::is_null) {
                        Datum::Null
                    } else {
                        function(&self.call_context(*site), args)?
                    };
                    self.frame[out.index()] = value;
                }
                Step::Require(condition) => {
                    if !is_true(&self.frame[condition.index()]) {
                        return Ok(false);
                    }
                }
                Step::Jump(to) => at = *to as usize,
                Step::JumpUnless { condition, to } => {
                    if !is_true(&self.frame[condition.index()]) {
                        at = *to as usize;
                    }
                }
                Step::JumpIfNotNull { value, to } => {
                    if !self.frame[value.index()].is_null() {
                        at = *to as usize;
                    }
                }
                Step::And { arg, out, first, end } => {
                    if self.connect(*arg, *out, *first, true) {
                        at = *end as usize;
                    }
                }
                Step::Or { arg, out, first, end } => {
                    if self.connect(*arg, *out, *first, false) {
                        at = *end as usize;
                    }
                }
                other => self.run_uncommon(other)?,
            }
        }
        Ok(true)
    }

    /// The context of a call.
    #[inline]
    pub(crate) fn call_context(&self, site: SiteId) -> CallContext<'a> {
        let site = &self.plan.call_sites[site.0 as usize];
        CallContext {
            env: self.ctx.env,
            collation: site.collation,
            arg_types: &site.arg_types,
            result_type: site.result_type,
            result_desc: site.result_desc.as_ref(),
            variadic: site.variadic,
            function: site.proc_oid,
        }
    }

    /// Takes one argument into an AND or OR; true if the answer is known.
    #[inline]
    fn connect(&mut self, arg: Slot, out: Slot, first: bool, and: bool) -> bool {
        match self.frame[arg.index()] {
            Datum::Bool(value) if value != and => {
                self.frame[out.index()] = Datum::Bool(value);
                true
            }
            Datum::Bool(_) => {
                if first {
                    self.frame[out.index()] = Datum::Bool(and);
                }
                false
            }
            _ => {
                self.frame[out.index()] = Datum::Null;
                false
            }
        }
    }

    fn run_uncommon(&mut self, step: &'a Step) -> PgResult<()> {
        let (out, value) = match step {
            Step::Not { arg, out } => (*out, not(&self.frame[arg.index()])),
            Step::IsNull { arg, negated, out } => {
                (*out, Datum::Bool(self.frame[arg.index()].is_null() != *negated))
            }
            Step::RowIsNull { arg, negated, out } => {
                (*out, Datum::Bool(row::is_null(&self.frame[arg.index()], *negated)))
            }
            Step::BooleanTest { arg, value, negated, out } => {
                let holds = match &self.frame[arg.index()] {
                    Datum::Bool(known) => *value == Some(*known),
                    _ => value.is_none(),
                };
                (*out, Datum::Bool(holds != *negated))
            }
            Step::Distinct { function, args, negated, out, site } => {
                let equal = self.equal(*function, *args, *site)?;
                (*out, Datum::Bool(equal == *negated))
            }
            Step::NullIf { function, args, out, site } => {
                let (left, right) = (&self.frame[args.index()], &self.frame[args.index() + 1]);
                let equal = !left.is_null() && !right.is_null() && self.equal(*function, *args, *site)?;
                (*out, if equal { Datum::Null } else { self.frame[args.index()].clone() })
            }
            Step::MinMax { greatest, args, count, type_oid, out } => {
                let args = &self.frame[args.index()..args.index() + usize::from(*count)];
                (*out, min_max(args, *type_oid, *greatest))
            }
            Step::ViaText { arg, from, to, typmod, out } => {
                let value = match &self.frame[arg.index()] {
                    Datum::Null => Datum::Null,
                    value => {
                        let text = io::output_string(value, *from, self.ctx.env)?;
                        io::input(*to, *typmod, &text, self.ctx.env)?
                    }
                };
                (*out, value)
            }
            Step::CheckDomain { arg, domain, out } => {
                let value = self.frame[arg.index()].clone();
                self.ctx.env.check_domain(*domain, &value)?;
                (*out, value)
            }
            Step::Field { arg, field, out } => (*out, row::field(&self.frame[arg.index()], *field)?),
            Step::MakeRow(make) => (make.out, row::make(make, &self.frame)),
            Step::MakeArray { args, count, element_type, multidim, out } => {
                let elements = &self.frame[args.index()..args.index() + *count as usize];
                (*out, array::make(elements, *element_type, *multidim)?)
            }
            Step::Subscript(op) => (op.out, array::subscript(op, &self.frame)?),
            Step::ArrayOp(op) => (op.out, self.array_op(op)?),
            Step::ArrayCast(cast) => (cast.out, self.array_cast(cast)?),
            Step::RowCompare(compare) => (compare.out, self.row_compare(compare)?),
            Step::SubPlan { id, out } => {
                let value = self.subplan(*id)?;
                (*out, value)
            }
            Step::Unsupported(what) => return Err(PgError::unsupported(what)),
            other => unreachable!("{other:?} is a common step"),
        };
        self.frame[out.index()] = value;
        Ok(())
    }

    /// Whether two values are not distinct: both NULL, or equal by the function.
    fn equal(&self, function: ScalarFn, args: Slot, site: SiteId) -> PgResult<bool> {
        let pair = &self.frame[args.index()..args.index() + 2];
        match (&pair[0], &pair[1]) {
            (Datum::Null, Datum::Null) => Ok(true),
            (Datum::Null, _) | (_, Datum::Null) => Ok(false),
            _ => Ok(is_true(&function(&self.call_context(site), pair)?)),
        }
    }
}

/// Whether a condition holds: NULL does not.
#[inline]
pub(crate) fn is_true(value: &Datum) -> bool {
    matches!(value, Datum::Bool(true))
}

fn not(value: &Datum) -> Datum {
    match value {
        Datum::Bool(value) => Datum::Bool(!value),
        _ => Datum::Null,
    }
}

fn min_max(args: &[Datum], type_oid: u32, greatest: bool) -> Datum {
    let mut best: Option<&Datum> = None;
    for arg in args.iter().filter(|arg| !arg.is_null()) {
        let better = best.is_none_or(|best| {
            let order = redoubt_functions::compare::cmp(type_oid, arg, best);
            if greatest { order.is_gt() } else { order.is_lt() }
        });
        if better {
            best = Some(arg);
        }
    }
    best.cloned().unwrap_or(Datum::Null)
}
