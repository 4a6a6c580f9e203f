//! Calls of set-returning functions.

use crate::exec::Exec;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Rows};
use redoubt_plan::node::SetCall;

impl<'a> Exec<'a> {
    /// Starts a call and returns its rows.
    pub(crate) fn start_set(&mut self, call: &'a SetCall) -> PgResult<Rows> {
        self.run(&call.program)?;
        let Some(function) = call.function else {
            let name = &self.plan.call_sites[call.site.0 as usize].name;
            return Err(PgError::unsupported(format!("function {name}")));
        };
        let args = &self.frame[call.args.index()..call.args.index() + usize::from(call.count)];
        if call.strict && args.iter().any(Datum::is_null) {
            return Ok(Box::new(std::iter::empty()));
        }
        function(&self.call_context(call.site), args)
    }
}
