//! Expressions into programs.

mod call;
mod composite;

use crate::builder::Builder;
use crate::node::Filter;
use crate::program::CallSite;
use crate::program::{ArrayCast, Program, Step, Value};
use crate::slot::Slot;
use redoubt_analyze::query::*;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::Datum;

/// Compiles expressions into one program.
pub(crate) struct Compiler<'b, 'a> {
    pub(crate) builder: &'b mut Builder<'a>,
    steps: Vec<Step>,
    /// Slots of the values under test in the CASEs and casts around the current expression.
    tests: Vec<Slot>,
}

impl<'a> Builder<'a> {
    /// Compiles an expression whose value is wanted.
    pub(crate) fn compile(&mut self, expr: &Expr) -> PgResult<Value> {
        let mut compiler = Compiler::new(self);
        let slot = compiler.value(expr, None)?;
        Ok(Value { program: compiler.finish(), slot })
    }

    /// Compiles an expression so that its value ends up in `slot`, on which other programs may
    /// write too.
    pub(crate) fn compile_into(&mut self, expr: &Expr, slot: Slot) -> PgResult<Program> {
        self.compile_all_into([(expr, slot)])
    }

    /// Compiles several expressions into one program.
    pub(crate) fn compile_all_into<'e>(
        &mut self,
        pairs: impl IntoIterator<Item = (&'e Expr, Slot)>,
    ) -> PgResult<Program> {
        let mut compiler = Compiler::new(self);
        for (expr, slot) in pairs {
            compiler.into_slot(expr, slot)?;
        }
        Ok(compiler.finish())
    }

    /// Compiles a list of conjuncts, tested in order.
    pub(crate) fn filter(&mut self, exprs: &[Expr]) -> PgResult<Option<Filter>> {
        if exprs.is_empty() {
            return Ok(None);
        }
        let mark = self.trail_mark();
        let mut compiler = Compiler::new(self);
        for expr in exprs {
            let slot = compiler.value(expr, None)?;
            compiler.steps.push(Step::Require(slot));
        }
        let program = compiler.finish();
        let mut exprs = exprs.to_vec();
        self.name_subplans(&mut exprs, mark);
        Ok(Some(Filter { program, exprs }))
    }

    /// Compiles an expression in which a `CaseTest` stands for the value in `test`.
    pub(crate) fn compile_with_test(&mut self, expr: &Expr, test: Slot) -> PgResult<Value> {
        let mut compiler = Compiler::new(self);
        compiler.tests.push(test);
        let slot = compiler.value(expr, None)?;
        Ok(Value { program: compiler.finish(), slot })
    }
}

impl<'b, 'a> Compiler<'b, 'a> {
    pub(crate) fn new(builder: &'b mut Builder<'a>) -> Self {
        Compiler { builder, steps: Vec::new(), tests: Vec::new() }
    }

    pub(crate) fn finish(self) -> Program {
        Program { steps: self.steps.into() }
    }

    /// Emits what computes the expression and returns where its value is. With a target, the
    /// value is there; without, a column, constant or parameter stays where it is.
    pub(crate) fn value(&mut self, expr: &Expr, target: Option<Slot>) -> PgResult<Slot> {
        match expr {
            Expr::Const { value, ty } => {
                let slot = self.builder.constant(crate::relabel::relabel(value.clone(), ty.type_oid));
                Ok(self.deliver(slot, target))
            }
            Expr::Var(var) => {
                let slot = self.builder.column(var.rt, var.attno);
                Ok(self.deliver(slot, target))
            }
            Expr::Param { number, .. } => {
                let slot = self.builder.param(*number);
                Ok(self.deliver(slot, target))
            }
            Expr::CaseTest(_) => {
                let slot = *self
                    .tests
                    .last()
                    .ok_or_else(|| PgError::internal("a CASE test value has no CASE around it"))?;
                Ok(self.deliver(slot, target))
            }
            Expr::Collate { arg, .. } => self.value(arg, target),
            Expr::Relabel { arg, ty, .. } => self.relabel(arg, *ty, target),
            Expr::Call(call) => self.call(call, target),
            Expr::And(args) => self.connective(args, true, target),
            Expr::Or(args) => self.connective(args, false, target),
            Expr::Not(arg) => {
                let arg = self.value(arg, None)?;
                self.unary(target, |out| Step::Not { arg, out })
            }
            Expr::IsNull { arg, negated, row } => {
                let (arg, negated) = (self.value(arg, None)?, *negated);
                if *row {
                    self.unary(target, |out| Step::RowIsNull { arg, negated, out })
                } else {
                    self.unary(target, |out| Step::IsNull { arg, negated, out })
                }
            }
            Expr::BooleanTest { arg, value, negated } => {
                let (arg, value, negated) = (self.value(arg, None)?, *value, *negated);
                self.unary(target, |out| Step::BooleanTest { arg, value, negated, out })
            }
            Expr::CoerceViaIo { arg, ty, .. } => {
                let (from, to, typmod) = (arg.ty().type_oid, ty.type_oid, ty.typmod);
                let arg = self.value(arg, None)?;
                self.unary(target, |out| Step::ViaText { arg, from, to, typmod, out })
            }
            Expr::Case { .. } => self.case(expr, target),
            Expr::Coalesce { args, .. } => self.coalesce(args, target),
            Expr::FieldSelect { arg, field, .. } => {
                let (arg, field) = (self.value(arg, None)?, *field);
                self.unary(target, |out| Step::Field { arg, field, out })
            }
            Expr::SubLink(link) => {
                let id = self.builder.plan_sublink(link)?;
                self.unary(target, |out| Step::SubPlan { id, out })
            }
            _ => self.uncommon(expr, target),
        }
    }

    fn uncommon(&mut self, expr: &Expr, target: Option<Slot>) -> PgResult<Slot> {
        match expr {
            Expr::Distinct { equality, negated } => self.distinct(equality, *negated, target),
            Expr::NullIf { equality, .. } => self.null_if(equality, target),
            Expr::ScalarArrayOp { call, any } => self.array_op(call, *any, target),
            Expr::MinMax { greatest, args, ty } => {
                let (first, count) = self.args(args)?;
                let (greatest, type_oid) = (*greatest, ty.type_oid);
                self.unary(target, |out| Step::MinMax { greatest, args: first, count, type_oid, out })
            }
            Expr::Array { elements, element_type, multidim, .. } => {
                let (first, _) = self.args(elements)?;
                let (count, element_type, multidim) = (elements.len() as u32, *element_type, *multidim);
                self.unary(target, |out| Step::MakeArray { args: first, count, element_type, multidim, out })
            }
            Expr::ArrayCoerce { arg, element, ty } => self.array_cast(arg, element, *ty, target),
            Expr::Row { fields, ty } => self.row(fields, *ty, target),
            Expr::RowCompare { calls, equalities, op } => self.row_compare(calls, equalities, *op, target),
            Expr::Subscript { arg, indexes, slice, ty } => self.subscript(arg, indexes, *slice, *ty, target),
            Expr::SqlValue { function, ty } => self.sql_value(*function, *ty, target),
            Expr::SetToDefault(_) => {
                Err(PgError::internal("DEFAULT was not replaced by the column's default"))
            }
            Expr::Aggregate(aggregate) => Err(PgError::internal(format!(
                "aggregate {} found outside of an aggregate node",
                aggregate.name
            ))),
            Expr::Grouping { .. } => Err(PgError::internal("GROUPING found outside of an aggregate node")),
            Expr::WindowFunc(function) => Err(PgError::internal(format!(
                "window function {} found outside of a window node",
                function.name
            ))),
            other => Err(PgError::internal(format!("unexpected expression in the plan: {other:?}"))),
        }
    }

    /// Emits what brings the expression's value into `slot`.
    pub(crate) fn into_slot(&mut self, expr: &Expr, slot: Slot) -> PgResult<()> {
        self.value(expr, Some(slot)).map(|_| ())
    }

    /// Copies a slot to where it is wanted.
    fn deliver(&mut self, slot: Slot, target: Option<Slot>) -> Slot {
        match target {
            Some(to) if to != slot => {
                self.steps.push(Step::Copy { from: slot, to });
                to
            }
            _ => slot,
        }
    }

    /// Emits one step with its own result slot.
    fn unary(&mut self, target: Option<Slot>, step: impl FnOnce(Slot) -> Step) -> PgResult<Slot> {
        let out = target.unwrap_or_else(|| self.builder.new_slot());
        self.steps.push(step(out));
        Ok(out)
    }

    fn relabel(&mut self, arg: &Expr, ty: ColumnType, target: Option<Slot>) -> PgResult<Slot> {
        let is_domain = |oid| -> PgResult<bool> {
            Ok(self.builder.ctx.env.type_info(oid)?.is_some_and(|info| info.typtype == 'd'))
        };
        let domain = ty.type_oid;
        let from = arg.ty().type_oid;
        if from == domain || !is_domain(domain)? {
            let Some(function) = crate::relabel::conversion(from, domain) else {
                return self.value(arg, target);
            };
            let (args, count) = self.args(std::slice::from_ref(arg))?;
            let site = self.builder.site(CallSite {
                arg_types: [from].into(),
                result_type: domain,
                result_desc: None,
                collation: 0,
                variadic: false,
                proc_oid: 0,
                name: "".into(),
            });
            return self.unary(target, |out| Step::Call { function, args, count, strict: true, out, site });
        }
        let arg = self.value(arg, None)?;
        self.unary(target, |out| Step::CheckDomain { arg, domain, out })
    }

    fn connective(&mut self, args: &[Expr], and: bool, target: Option<Slot>) -> PgResult<Slot> {
        // The result builds up while the arguments run, so it must not be a slot they may read.
        let out = self.builder.new_slot();
        let mut jumps = Vec::with_capacity(args.len());
        for (index, arg) in args.iter().enumerate() {
            let (arg, first) = (self.value(arg, None)?, index == 0);
            jumps.push(self.steps.len());
            self.steps.push(if and {
                Step::And { arg, out, first, end: 0 }
            } else {
                Step::Or { arg, out, first, end: 0 }
            });
        }
        self.land(&jumps);
        Ok(self.deliver(out, target))
    }

    /// Makes jumps end at the next step.
    fn land(&mut self, jumps: &[usize]) {
        let here = self.steps.len() as u32;
        for &jump in jumps {
            match &mut self.steps[jump] {
                Step::And { end, .. } | Step::Or { end, .. } => *end = here,
                Step::Jump(to) | Step::JumpUnless { to, .. } | Step::JumpIfNotNull { to, .. } => *to = here,
                other => unreachable!("{other:?} does not jump"),
            }
        }
    }

    fn emit_jump(&mut self, step: Step) -> usize {
        self.steps.push(step);
        self.steps.len() - 1
    }

    fn case(&mut self, expr: &Expr, target: Option<Slot>) -> PgResult<Slot> {
        let Expr::Case { arg, whens, otherwise, .. } = expr else { unreachable!("only called on CASE") };
        if let Some(arg) = arg {
            // Copied: the test value must stay while the conditions reuse the argument's slots.
            let test = self.builder.new_slot();
            self.into_slot(arg, test)?;
            self.tests.push(test);
        }
        let out = self.builder.new_slot();
        let mut ends = Vec::with_capacity(whens.len());
        for (condition, result) in whens {
            let condition = self.value(condition, None)?;
            let next = self.emit_jump(Step::JumpUnless { condition, to: 0 });
            self.case_result(arg.is_some(), result, out)?;
            ends.push(self.emit_jump(Step::Jump(0)));
            self.land(&[next]);
        }
        self.case_result(arg.is_some(), otherwise, out)?;
        self.land(&ends);
        if arg.is_some() {
            self.tests.pop();
        }
        Ok(self.deliver(out, target))
    }

    /// A CASE's results do not see its test value, but that of the CASE around it.
    fn case_result(&mut self, has_test: bool, result: &Expr, out: Slot) -> PgResult<()> {
        let test = if has_test { self.tests.pop() } else { None };
        let done = self.into_slot(result, out);
        self.tests.extend(test);
        done
    }

    fn coalesce(&mut self, args: &[Expr], target: Option<Slot>) -> PgResult<Slot> {
        let out = self.builder.new_slot();
        let mut ends = Vec::with_capacity(args.len());
        for (index, arg) in args.iter().enumerate() {
            self.into_slot(arg, out)?;
            if index + 1 < args.len() {
                ends.push(self.emit_jump(Step::JumpIfNotNull { value: out, to: 0 }));
            }
        }
        self.land(&ends);
        Ok(self.deliver(out, target))
    }

    fn array_cast(
        &mut self,
        arg: &Expr,
        element: &Expr,
        ty: ColumnType,
        target: Option<Slot>,
    ) -> PgResult<Slot> {
        let arg = self.value(arg, None)?;
        let slot = self.builder.new_slot();
        self.tests.push(slot);
        let outside = std::mem::take(&mut self.steps);
        let value = self.value(element, None);
        let program = Program { steps: std::mem::replace(&mut self.steps, outside).into() };
        self.tests.pop();
        let cast = Value { program, slot: value? };
        let element_type = self
            .builder
            .ctx
            .env
            .type_info(ty.type_oid)?
            .map(|info| info.elem)
            .ok_or_else(|| PgError::internal(format!("cache lookup failed for type {}", ty.type_oid)))?;
        self.unary(target, |out| {
            Step::ArrayCast(Box::new(ArrayCast { arg, element: slot, cast, element_type, out }))
        })
    }

    /// Computes arguments into consecutive slots of their own. Constants are there from the start.
    fn args(&mut self, exprs: &[Expr]) -> PgResult<(Slot, u16)> {
        let first = self.builder.new_slots(exprs.len());
        for (index, expr) in exprs.iter().enumerate() {
            self.arg(expr, first.plus(index))?;
        }
        Ok((first, exprs.len() as u16))
    }

    /// Computes one argument into a slot that nothing else writes.
    fn arg(&mut self, expr: &Expr, slot: Slot) -> PgResult<()> {
        if let Expr::Const { value, ty } = expr {
            self.builder.frame[slot.index()] = crate::relabel::relabel(value.clone(), ty.type_oid);
            self.builder.fixed.insert(slot);
            return Ok(());
        }
        self.into_slot(expr, slot)
    }

    /// The slot's preset value, if it is a constant.
    fn preset(&self, slot: Slot) -> Option<&Datum> {
        self.builder.fixed.contains(slot).then(|| &self.builder.frame[slot.index()])
    }
}
