//! Function calls and what is built on them.

use super::Compiler;
use crate::program::{ArrayOp, CallSite, FastOp, SiteId, Step};
use crate::slot::Slot;
use redoubt_analyze::query::*;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Oid, ScalarFn, types};
use std::sync::Arc;

/// PostgreSQL's `MIN_ARRAY_SIZE_FOR_HASHED_SAOP`: from this many constants on, `= ANY` probes a
/// hash table.
const HASHED_ARRAY_MIN: usize = 9;

impl Compiler<'_, '_> {
    pub(super) fn call(&mut self, call: &Call, target: Option<Slot>) -> PgResult<Slot> {
        if call.returns_set {
            return Err(PgError::new(
                redoubt_error::code::FEATURE_NOT_SUPPORTED,
                "set-valued function called in context that cannot accept a set",
            )
            .at(call.position));
        }
        if let Some(op) = fast_form(call) {
            let left = self.value(&call.args[0], None)?;
            let right = self.value(&call.args[1], None)?;
            return self.unary(target, |out| Step::Fast { op, left, right, out });
        }
        let Some(function) = self.implementation(call)? else {
            return self.unary(target, |_| Step::Unsupported(unsupported(call)));
        };
        let (args, count) = self.args(&call.args)?;
        let (site, strict) = (self.site(call), call.strict);
        self.unary(target, |out| Step::Call { function, args, count, strict, out, site })
    }

    /// The function behind a call: the analyzer's, or one that only upper layers know.
    pub(super) fn implementation(&mut self, call: &Call) -> PgResult<Option<ScalarFn>> {
        if call.function.is_some() {
            return Ok(call.function);
        }
        let catalog = self.builder.ctx.catalog;
        let proc = catalog.proc(call.proc_oid)?;
        Ok(proc.and_then(|proc| catalog.function(proc.symbol())))
    }

    pub(super) fn required(&mut self, call: &Call) -> PgResult<ScalarFn> {
        self.implementation(call)?.ok_or_else(|| PgError::unsupported(unsupported(call)))
    }

    /// Registers the call's site.
    pub(super) fn site(&mut self, call: &Call) -> SiteId {
        self.builder.site(CallSite {
            arg_types: call.arg_types.clone().into(),
            result_type: call.ty.type_oid,
            result_desc: None,
            collation: call.input_collation,
            variadic: call.variadic,
            proc_oid: call.proc_oid,
            name: call.name.clone(),
        })
    }

    pub(super) fn distinct(
        &mut self,
        equality: &Call,
        negated: bool,
        target: Option<Slot>,
    ) -> PgResult<Slot> {
        let function = self.required(equality)?;
        let (args, _) = self.args(&equality.args)?;
        let site = self.site(equality);
        self.unary(target, |out| Step::Distinct { function, args, negated, out, site })
    }

    pub(super) fn null_if(&mut self, equality: &Call, target: Option<Slot>) -> PgResult<Slot> {
        let function = self.required(equality)?;
        let (args, _) = self.args(&equality.args)?;
        let site = self.site(equality);
        self.unary(target, |out| Step::NullIf { function, args, out, site })
    }

    pub(super) fn array_op(&mut self, call: &Call, any: bool, target: Option<Slot>) -> PgResult<Slot> {
        let function = self.required(call)?;
        let args = self.builder.new_slots(2);
        self.arg(&call.args[0], args)?;
        let array = self.value(&call.args[1], None)?;
        let site = self.site(call);
        let hashed = match (any, self.preset(array)) {
            (true, Some(Datum::Array(list))) if list.elems.len() >= HASHED_ARRAY_MIN => {
                let element = list.elem_type;
                is_default_equality(call.proc_oid).then(|| {
                    self.builder.array_caches += 1;
                    (element, self.builder.array_caches - 1)
                })
            }
            _ => None,
        };
        let strict = call.strict;
        self.unary(target, |out| {
            Step::ArrayOp(Box::new(ArrayOp { function, strict, args, array, any, out, site, hashed }))
        })
    }

    pub(super) fn sql_value(
        &mut self,
        function: SqlValueFunction,
        ty: ColumnType,
        target: Option<Slot>,
    ) -> PgResult<Slot> {
        use SqlValueFunction::*;
        let (source, scale) = match function {
            CurrentDate => (Some("timestamptz_date"), None),
            CurrentTime => (Some("timestamptz_timetz"), Some("timetz_scale")),
            CurrentTimestamp => (None, Some("timestamptz_scale")),
            LocalTime => (Some("timestamptz_time"), Some("time_scale")),
            LocalTimestamp => (Some("timestamptz_timestamp"), Some("timestamp_scale")),
            CurrentRole | CurrentUser | User => return self.session_call("current_user", ty, target),
            SessionUser => return self.session_call("session_user", ty, target),
            CurrentCatalog => return self.session_call("current_database", ty, target),
            CurrentSchema => return self.session_call("current_schema", ty, target),
        };
        let mut slot = self.internal_call("now", &[], &[], types::TIMESTAMPTZ, None)?;
        if let Some(source) = source {
            slot = self.internal_call(source, &[slot], &[types::TIMESTAMPTZ], ty.type_oid, None)?;
        }
        if let Some(scale) = scale.filter(|_| ty.typmod >= 0) {
            let typmod = self.builder.constant(Datum::Int4(ty.typmod));
            slot =
                self.internal_call(scale, &[slot, typmod], &[ty.type_oid, types::INT4], ty.type_oid, None)?;
        }
        Ok(self.deliver(slot, target))
    }

    fn session_call(&mut self, source: &str, ty: ColumnType, target: Option<Slot>) -> PgResult<Slot> {
        self.internal_call(source, &[], &[], ty.type_oid, target)
    }

    /// Calls a built-in by its C symbol, outside of any call in the query.
    fn internal_call(
        &mut self,
        source: &str,
        inputs: &[Slot],
        arg_types: &[Oid],
        result_type: Oid,
        target: Option<Slot>,
    ) -> PgResult<Slot> {
        let function = self
            .builder
            .ctx
            .catalog
            .function(source)
            .ok_or_else(|| PgError::unsupported(format!("function {source}")))?;
        let args = self.builder.new_slots(inputs.len());
        for (index, &from) in inputs.iter().enumerate() {
            self.steps.push(Step::Copy { from, to: args.plus(index) });
        }
        let site = self.builder.site(CallSite {
            arg_types: arg_types.into(),
            result_type,
            result_desc: None,
            collation: 0,
            variadic: false,
            proc_oid: 0,
            name: Arc::from(source),
        });
        let count = inputs.len() as u16;
        self.unary(target, |out| Step::Call { function, args, count, strict: true, out, site })
    }
}

/// Whether the call has a step of its own. Text comparison without a collation must fail as the
/// function does, so it is left to the function.
fn fast_form(call: &Call) -> Option<FastOp> {
    let op = FastOp::of_function(call.proc_oid)?;
    if call.args.len() != 2 || (matches!(op, FastOp::Text(_)) && call.input_collation == 0) {
        return None;
    }
    Some(op)
}

/// Equality functions that agree with the type's default hashing, both arguments of one type.
fn is_default_equality(proc_oid: Oid) -> bool {
    use crate::program::Comparison::Eq;
    matches!(
        FastOp::of_function(proc_oid),
        Some(FastOp::Int(Eq) | FastOp::Text(Eq) | FastOp::Oid(Eq) | FastOp::Date(Eq) | FastOp::Timestamp(Eq))
    )
}

/// What the message about a function without implementation says.
fn unsupported(call: &Call) -> Arc<str> {
    Arc::from(format!("function {}", call.name))
}
