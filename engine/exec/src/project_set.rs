//! Set-returning functions in a target list: they advance in step until the longest is done.

use crate::execution::{Cx, Execution};
use crate::state::State;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Datum, Rows};
use redoubt_plan::node::{NodeId, ProjectSet, SetCall};

/// The sets of the current input row.
pub(crate) struct ProjectSetState {
    sets: Vec<Option<Rows>>,
}

impl Execution {
    pub(crate) fn next_project_set(&mut self, cx: &Cx<'_>, id: NodeId, node: &ProjectSet) -> PgResult<bool> {
        let mut state = match self.take(id) {
            State::ProjectSet(state) => Some(state),
            _ => None,
        };
        loop {
            if let Some(current) = &mut state {
                let mut any = false;
                for (set, call) in current.sets.iter_mut().zip(&node.calls) {
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
                    self.frame[call.out.index()] = value;
                }
                if any {
                    self.put(id, State::ProjectSet(state.expect("it was just used")));
                    return Ok(true);
                }
            }
            if !self.next_row(cx, node.child)? {
                return Ok(false);
            }
            let sets = node.calls.iter().map(|call| self.start_set(cx, call)).collect::<PgResult<_>>()?;
            state = Some(Box::new(ProjectSetState { sets }));
        }
    }

    /// Calls a set-returning function; `None` is the empty set.
    pub(crate) fn start_set(&mut self, cx: &Cx<'_>, call: &SetCall) -> PgResult<Option<Rows>> {
        self.run(cx, &call.program)?;
        let args = &self.frame[call.args.index()..call.args.index() + call.count as usize];
        if call.strict && args.iter().any(Datum::is_null) {
            return Ok(None);
        }
        let Some(function) = call.function else {
            let name = &cx.plan.call_sites[call.site.0 as usize].name;
            return Err(PgError::unsupported(format!("set-returning function {name}")));
        };
        function(&cx.call_context(call.site), args).map(Some)
    }
}
