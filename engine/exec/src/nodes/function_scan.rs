//! FunctionScan: functions in FROM, run side by side; the shorter ones are padded with NULLs.

use crate::exec::Exec;
use crate::node::Node;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, RecordValue, Rows};
use redoubt_plan::scan::{ScanCall, ScanFunction};
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct FunctionScanState {
    id: NodeId,
    /// Per function, once started; `None` inside when it has no more rows.
    sources: Vec<Option<Source>>,
    started: bool,
    row: i64,
}

enum Source {
    Set(Rows),
    Value(Datum),
}

impl FunctionScanState {
    pub(crate) fn new(id: NodeId, functions: usize) -> Self {
        let mut sources = Vec::new();
        sources.resize_with(functions, || None);
        FunctionScanState { id, sources, started: false, row: 0 }
    }
}

impl Node for FunctionScanState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        let NodeKind::FunctionScan(node) = &x.plan.nodes[self.id.index()].kind else { unreachable!() };
        if !self.started {
            for (source, function) in self.sources.iter_mut().zip(&node.functions) {
                *source = Some(match &function.call {
                    ScanCall::Set(call) => Source::Set(x.start_set(call)?),
                    ScanCall::Scalar(value) => Source::Value(x.value(value)?.clone()),
                });
            }
            self.started = true;
        }
        x.ctx.check_for_interrupts()?;
        let mut any = false;
        for (source, function) in self.sources.iter_mut().zip(&node.functions) {
            let value = match source.take() {
                None => None,
                Some(Source::Value(value)) => Some(value),
                Some(Source::Set(mut rows)) => match rows.next() {
                    Some(value) => {
                        *source = Some(Source::Set(rows));
                        Some(value?)
                    }
                    None => None,
                },
            };
            any |= value.is_some();
            deliver(x, function, value)?;
        }
        if any {
            self.row += 1;
            if let Some(slot) = node.ordinality {
                x.set(slot, Datum::Int8(self.row));
            }
        }
        Ok(any)
    }

    fn rescan(&mut self, _: &mut Exec<'_>, _: &SlotSet) -> PgResult<()> {
        self.sources.iter_mut().for_each(|source| *source = None);
        (self.started, self.row) = (false, 0);
        Ok(())
    }
}

/// Writes a function's value into its columns.
fn deliver(x: &mut Exec<'_>, function: &ScanFunction, value: Option<Datum>) -> PgResult<()> {
    match value {
        Some(Datum::Record(record)) if function.composite => {
            check_row(x, function, &record)?;
            // A named type's columns keep their places when one of them is dropped; a row that describes itself
            // has what it shows.
            let keeps_places = function.expected.is_empty();
            let fields = record.fields.iter().zip(record.desc.attrs.iter());
            let fields = fields.filter(|(_, attr)| keeps_places || !attr.dropped);
            for ((field, _), slot) in fields.zip(&function.columns) {
                if let Some(slot) = slot {
                    x.set(*slot, field.clone());
                }
            }
        }
        Some(value) if !function.composite => {
            if let Some(Some(slot)) = function.columns.first() {
                x.set(*slot, value);
            }
        }
        // No row any more, or a NULL composite.
        _ => function.columns.iter().flatten().for_each(|slot| x.set(*slot, Datum::Null)),
    }
    Ok(())
}

/// Whether a row that describes itself is what the query expects (`tupledesc_match`).
fn check_row(x: &Exec<'_>, function: &ScanFunction, record: &RecordValue) -> PgResult<()> {
    if function.expected.is_empty() {
        return Ok(());
    }
    let mismatch = |detail: String| {
        let message = "function return row and query-specified return row do not match";
        Err(PgError::new(code::DATATYPE_MISMATCH, message).detail(detail))
    };
    let live: Vec<_> = record.desc.attrs.iter().filter(|attr| !attr.dropped).collect();
    if live.len() != function.expected.len() {
        let plural = if live.len() == 1 { "" } else { "s" };
        return mismatch(format!(
            "Returned row contains {} attribute{plural}, but query expects {}.",
            live.len(),
            function.expected.len()
        ));
    }
    for (at, (attr, expected)) in live.iter().zip(&function.expected).enumerate() {
        if attr.type_oid != *expected {
            return mismatch(format!(
                "Returned type {} at ordinal position {}, but query expects {}.",
                x.ctx.env.type_name(attr.type_oid, -1)?,
                at + 1,
                x.ctx.env.type_name(*expected, -1)?
            ));
        }
    }
    Ok(())
}
