//! Window nodes.

use crate::builder::Builder;
use crate::node::{NodeId, NodeKind};
use crate::planner::level::Level;
use crate::planner::path::{Path, SortItem, WindowSpec};
use crate::program::CallSite;
use crate::slot::Slot;
use crate::window::*;
use redoubt_analyze::query::{Expr, FrameBound, FrameMode, WindowFunc};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{ScalarFn, types};

impl Builder<'_> {
    pub(super) fn create_window(&mut self, level: &Level, sub: &Path, spec: &WindowSpec) -> PgResult<NodeId> {
        let child = self.create(level, sub)?;
        let partition = self.group_keys(child, &spec.partition)?;
        let order = self.group_keys(child, &spec.order)?;
        let order_keys = self.sort_keys(child, &spec.order)?;
        let in_range = self.in_range(spec)?;
        let frame = Frame {
            mode: spec.frame.mode,
            start: self.frame_bound(&spec.frame.start)?,
            end: self.frame_bound(&spec.frame.end)?,
            exclude: spec.frame.exclude,
            in_range,
        };
        let mut calls = Vec::with_capacity(spec.calls.len());
        for (index, call) in spec.calls.iter().enumerate() {
            let out = self.column(spec.range, index as i16 + 1);
            calls.push(self.window_call(call, out)?);
        }
        Ok(self.node(NodeKind::Window(Windowing { child, partition, order, order_keys, frame, calls })))
    }

    fn frame_bound(&mut self, bound: &FrameBound) -> PgResult<Bound> {
        Ok(match bound {
            FrameBound::UnboundedPreceding => Bound::UnboundedPreceding,
            FrameBound::CurrentRow => Bound::CurrentRow,
            FrameBound::UnboundedFollowing => Bound::UnboundedFollowing,
            FrameBound::Preceding(offset) => Bound::Preceding(self.compile(offset)?),
            FrameBound::Following(offset) => Bound::Following(self.compile(offset)?),
        })
    }

    /// The support functions of RANGE with an offset.
    fn in_range(&mut self, spec: &WindowSpec) -> PgResult<Option<InRange>> {
        if spec.frame.mode != FrameMode::Range {
            return Ok(None);
        }
        let offset = |bound: &FrameBound| match bound {
            FrameBound::Preceding(offset) | FrameBound::Following(offset) => Some(offset.ty().type_oid),
            _ => None,
        };
        let (start, end) = (offset(&spec.frame.start), offset(&spec.frame.end));
        if start.is_none() && end.is_none() {
            return Ok(None);
        }
        let key = spec
            .order
            .first()
            .ok_or_else(|| PgError::internal("RANGE with an offset is over one ORDER BY column"))?;
        let args = self.new_slots(5);
        let start = start.map(|offset| self.in_range_function(key, offset)).transpose()?;
        let end = end.map(|offset| self.in_range_function(key, offset)).transpose()?;
        Ok(Some(InRange { start, end, args }))
    }

    fn in_range_function(
        &mut self,
        key: &SortItem,
        offset: redoubt_functions::Oid,
    ) -> PgResult<(ScalarFn, crate::program::SiteId)> {
        let catalog = self.ctx.catalog;
        let key_type = key.expr.ty().type_oid;
        let family = catalog.btree_members(key.operator)?.first().map_or(0, |member| member.family);
        let source = catalog.in_range(family, key_type, offset)?.ok_or_else(|| {
            PgError::new(
                code::FEATURE_NOT_SUPPORTED,
                "RANGE with offset PRECEDING/FOLLOWING is not supported for these column and offset types",
            )
        })?;
        let function =
            catalog.function(&source).ok_or_else(|| PgError::unsupported(format!("function {source}")))?;
        let site = self.site(CallSite {
            arg_types: [key_type, key_type, offset, types::BOOL, types::BOOL].into(),
            result_type: types::BOOL,
            result_desc: None,
            collation: key.expr.ty().collation,
            variadic: false,
            proc_oid: 0,
            name: "in_range".into(),
        });
        Ok((function, site))
    }

    fn window_call(&mut self, call: &WindowFunc, out: Slot) -> PgResult<WindowCall> {
        let expr = Expr::WindowFunc(Box::new(call.clone()));
        let result_type = call.ty.type_oid;
        if call.is_aggregate {
            let aggregate = Box::new(self.window_aggregate(call, out)?);
            let function = WindowFunction::Aggregate(aggregate);
            return Ok(WindowCall { function, out, result_type, expr });
        }
        let proc = self.ctx.catalog.proc(call.proc_oid)?;
        let kind = proc
            .and_then(|proc| builtin_window(&proc.source))
            .ok_or_else(|| PgError::unsupported(format!("window function {}", call.name)))?;
        let args = self.new_slots(call.args.len());
        let pairs: Vec<(&Expr, Slot)> =
            call.args.iter().enumerate().map(|(index, arg)| (arg, args.plus(index))).collect();
        let program = self.compile_all_into(pairs)?;
        let count = call.args.len() as u16;
        let function = WindowFunction::Builtin { kind, program, args, count };
        Ok(WindowCall { function, out, result_type, expr })
    }
}

/// A window function by its C symbol.
fn builtin_window(source: &str) -> Option<BuiltinWindow> {
    Some(match source {
        "window_row_number" => BuiltinWindow::RowNumber,
        "window_rank" => BuiltinWindow::Rank,
        "window_dense_rank" => BuiltinWindow::DenseRank,
        "window_percent_rank" => BuiltinWindow::PercentRank,
        "window_cume_dist" => BuiltinWindow::CumeDist,
        "window_ntile" => BuiltinWindow::Ntile,
        "window_lag" | "window_lag_with_offset" | "window_lag_with_offset_and_default" => BuiltinWindow::Lag,
        "window_lead" | "window_lead_with_offset" | "window_lead_with_offset_and_default" => {
            BuiltinWindow::Lead
        }
        "window_first_value" => BuiltinWindow::FirstValue,
        "window_last_value" => BuiltinWindow::LastValue,
        "window_nth_value" => BuiltinWindow::NthValue,
        _ => return None,
    })
}
