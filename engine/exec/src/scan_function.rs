//! Functions in FROM, side by side.

use crate::execution::{Cx, Execution};
use crate::state::State;
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Rows};
use redoubt_plan::node::NodeId;
use redoubt_plan::scan::{FunctionScan, ScanCall, ScanFunction};

/// What is left of each function's rows, and the row number.
pub(crate) struct FunctionScanState {
    sets: Vec<Option<Rows>>,
    row: i64,
}

impl Execution {
    pub(crate) fn next_function_scan(&mut self, cx: &Cx<'_>, id: NodeId, node: &FunctionScan) -> PgResult<bool> {
        let mut state = match self.take(id) {
            State::Function(state) => state,
            _ => Box::new(self.start_function_scan(cx, node)?),
        };
        let mut any = false;
        for (set, function) in state.sets.iter_mut().zip(&node.functions) {
            let value = match set.as_mut().and_then(Iterator::next) {
                Some(value) => {
                    any = true;
                    value?
                }
                None => {
                    *set = None;
                    Datum::Null
                }
            };
            self.write_columns(function, value)?;
        }
        state.row += 1;
        if let Some(slot) = node.ordinality {
            self.frame[slot.index()] = Datum::Int8(state.row);
        }
        self.put(id, State::Function(state));
        Ok(any)
    }

    fn start_function_scan(&mut self, cx: &Cx<'_>, node: &FunctionScan) -> PgResult<FunctionScanState> {
        let mut sets: Vec<Option<Rows>> = Vec::with_capacity(node.functions.len());
        for function in &node.functions {
            sets.push(match &function.call {
                ScanCall::Set(call) => self.start_set(cx, call)?,
                ScanCall::Scalar(value) => {
                    let value = self.value(cx, value)?;
                    Some(Box::new(std::iter::once(Ok(value))))
                }
            });
        }
        Ok(FunctionScanState { sets, row: 0 })
    }

    fn write_columns(&mut self, function: &ScanFunction, value: Datum) -> PgResult<()> {
        if !function.composite {
            if let Some(Some(slot)) = function.columns.first() {
                self.frame[slot.index()] = value;
            }
            return Ok(());
        }
        for (index, slot) in function.columns.iter().enumerate() {
            if let Some(slot) = slot {
                self.frame[slot.index()] = crate::composite::field(&value, index as i16 + 1)?;
            }
        }
        Ok(())
    }
}
