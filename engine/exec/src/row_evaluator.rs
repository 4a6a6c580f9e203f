//! Computing compiled expressions over rows that come from elsewhere than a plan's nodes.

use crate::context::ExecContext;
use crate::exec::{Exec, Runtime};
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::RowProgram;

/// A [`RowProgram`] and what it works on.
pub struct RowEvaluator {
    program: RowProgram,
    runtime: Runtime,
}

impl RowEvaluator {
    /// Ready for the first row.
    pub fn new(program: RowProgram) -> Self {
        let mut arrays = Vec::new();
        arrays.resize_with(program.plan.array_caches as usize, || None);
        let runtime = Runtime { frame: program.plan.frame.clone(), arrays, ..Runtime::default() };
        RowEvaluator { program, runtime }
    }

    /// Computes all expressions over a row; `values` has one value per attribute.
    ///
    /// # Errors
    /// Those of the expressions.
    pub fn evaluate(&mut self, ctx: &ExecContext<'_>, values: &[Datum]) -> PgResult<()> {
        assert_eq!(values.len(), self.program.columns, "a row has a value for each column");
        let first = self.program.row.index();
        self.runtime.frame[first..first + values.len()].clone_from_slice(values);
        let mut exec = Exec::resume(&self.program.plan, ctx, std::mem::take(&mut self.runtime));
        let result = exec.run(&self.program.program);
        self.runtime = exec.suspend();
        result.map(|_| ())
    }

    /// The value of an expression, by its place among those compiled.
    pub fn output(&self, at: usize) -> &Datum {
        &self.runtime.frame[self.program.outputs[at].index()]
    }
}
