//! Which layout each slot has, and whether a program's steps all have a counterpart.

use super::{Refusal, Translated, Translator, refuse};
use crate::repr::Repr;
use crate::verified::is_verified;
use redoubt_functions::{Oid, builtin_type_name};
use redoubt_plan::Slot;
use redoubt_plan::program::{FastOp, Program, SiteId, Step, Value};

/// A type's name for a message.
pub(crate) fn type_name(type_oid: Oid) -> String {
    match builtin_type_name(type_oid, None) {
        Ok(Some(name)) => format!("type {name}"),
        _ => format!("the type with OID {type_oid}"),
    }
}

impl Translator<'_> {
    /// Notes a slot's layout. A slot has one over the whole subtree.
    pub(super) fn set_layout(&mut self, slot: Slot, repr: Repr) -> Translated<()> {
        match self.layouts.insert(slot, repr) {
            Some(known) if known != repr => refuse("a value that has one type here and another there"),
            _ => Ok(()),
        }
    }

    /// A slot's layout: known from a program or scan, or that of the value it is started with.
    pub(super) fn layout(&self, slot: Slot) -> Option<Repr> {
        self.layouts.get(&slot).copied().or_else(|| Repr::of_datum(&self.around.frame[slot.index()]))
    }

    /// As [`Translator::layout`]; what is always NULL lies as a stored form.
    pub(super) fn layout_or_any(&self, slot: Slot) -> Repr {
        self.layout(slot).unwrap_or(Repr::Encoded)
    }

    /// Checks a value's program and gives its layout.
    pub(super) fn learn_value(&mut self, value: &Value) -> Translated<Repr> {
        self.learn(&value.program)?;
        Ok(self.layout_or_any(value.slot))
    }

    /// Checks a program's steps, and notes the layouts of what it computes.
    pub(super) fn learn(&mut self, program: &Program) -> Translated<()> {
        program.steps.iter().try_for_each(|step| self.learn_step(step))
    }

    fn learn_step(&mut self, step: &Step) -> Translated<()> {
        let boolean = |out: &Slot| Some((*out, Repr::Bool));
        let written = match step {
            Step::Copy { from, to } => self.layout(*from).map(|repr| (*to, repr)),
            Step::Fast { op, out, .. } => Some((*out, fast_repr(*op))),
            Step::Call { out, site, .. } => Some((*out, self.call_repr(*site)?)),
            Step::And { out, .. } | Step::Or { out, .. } | Step::Not { out, .. } => boolean(out),
            Step::IsNull { out, .. } | Step::BooleanTest { out, .. } => boolean(out),
            Step::Distinct { site, out, .. } => {
                self.check_call(*site)?;
                boolean(out)
            }
            Step::NullIf { args, site, out, .. } => {
                self.check_call(*site)?;
                self.layout(*args).map(|repr| (*out, repr))
            }
            Step::MinMax { type_oid, out, .. } => Some((*out, repr_of(*type_oid)?)),
            Step::ViaText { from, to, out, .. } => {
                repr_of(*from)?;
                Some((*out, repr_of(*to)?))
            }
            Step::ArrayOp(op) => {
                if self.layouts.contains_key(&op.array) {
                    return refuse("a comparison with a computed array");
                }
                let site = &self.plan.call_sites[op.site.0 as usize];
                if !is_verified(site.proc_oid) {
                    return refuse(format!("function {}", site.name));
                }
                boolean(&op.out)
            }
            Step::Jump(_) | Step::JumpUnless { .. } | Step::JumpIfNotNull { .. } | Step::Require(_) => None,
            Step::SubPlan { .. } => return refuse("subqueries in expressions"),
            Step::MakeArray { .. } | Step::ArrayCast(_) | Step::Subscript(_) => return refuse("arrays"),
            Step::MakeRow(_) | Step::Field { .. } | Step::RowIsNull { .. } | Step::RowCompare(_) => {
                return refuse("row values");
            }
            Step::CheckDomain { .. } => return refuse("domains"),
            Step::Unsupported(what) => return refuse(what.to_string()),
        };
        match written {
            Some((slot, repr)) => self.set_layout(slot, repr),
            None => Ok(()),
        }
    }

    fn check_call(&self, site: SiteId) -> Translated<()> {
        let site = &self.plan.call_sites[site.0 as usize];
        if !is_verified(site.proc_oid) {
            return refuse(format!("function {}", site.name));
        }
        site.arg_types.iter().try_for_each(|type_oid| repr_of(*type_oid).map(drop))
    }

    fn call_repr(&self, site: SiteId) -> Translated<Repr> {
        self.check_call(site)?;
        repr_of(self.plan.call_sites[site.0 as usize].result_type)
    }
}

/// The layout of a type's values.
pub(super) fn repr_of(type_oid: Oid) -> Translated<Repr> {
    Repr::of_type(type_oid).ok_or_else(|| Refusal(format!("values of {}", type_name(type_oid))))
}

fn fast_repr(op: FastOp) -> Repr {
    match op {
        FastOp::Int4Add | FastOp::Int4Sub | FastOp::Int4Mul => Repr::Int4,
        FastOp::Int8Add | FastOp::Int8Sub | FastOp::Int8Mul => Repr::Int8,
        _ => Repr::Bool,
    }
}
