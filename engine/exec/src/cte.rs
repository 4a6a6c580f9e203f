//! WITH queries that keep a store: computed as far as their readers ask, once.

use crate::exec::Exec;
use crate::node::PlanState;
use crate::spill::tuple_store::TupleStore;
use redoubt_analyze::query::CommandType;
use redoubt_error::{PgError, PgResult};
use redoubt_plan::SlotSet;

/// A WITH query being computed.
pub(crate) struct CteState {
    root: PlanState,
    pub store: TupleStore,
    complete: bool,
}

impl Exec<'_> {
    /// Makes sure that the store has a row at `position`; false if it has no such row.
    pub(crate) fn fetch_cte(&mut self, cte: usize, position: usize) -> PgResult<bool> {
        let plan = self.plan.ctes[cte]
            .as_ref()
            .ok_or_else(|| PgError::internal("a WITH query that is read has a plan"))?;
        let mut state = self.ctes[cte].take().unwrap_or_else(|| {
            Box::new(CteState {
                root: PlanState::new(self.plan, plan.root),
                store: TupleStore::new(&self.ctx.storage.work, plan.columns.len()),
                complete: false,
            })
        });
        let mut result = Ok(());
        while !state.complete && state.store.len() <= position {
            let found = state.root.next(self).and_then(|found| {
                if found { state.store.push(self, &plan.columns).map(|()| true) } else { Ok(false) }
            });
            match found {
                Ok(found) => state.complete = !found,
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        let found = position < state.store.len();
        self.ctes[cte] = Some(state);
        result.map(|()| found)
    }

    /// Empties the store if what its query reads from outside has changed. All readers start over before any of
    /// them reads again. Its own node starts over, too, for it may read a store that depends on the same.
    pub(crate) fn restart_cte(&mut self, cte: usize, changed: &SlotSet) -> PgResult<()> {
        if !self.plan.ctes[cte].as_ref().is_some_and(|plan| plan.external.intersects(changed)) {
            return Ok(());
        }
        let Some(mut state) = self.ctes[cte].take() else { return Ok(()) };
        state.root.rescan(self, changed)?;
        state.store.clear();
        state.complete = false;
        self.ctes[cte] = Some(state);
        Ok(())
    }

    /// Runs WITH queries that have been started to their ends.
    pub(crate) fn complete_ctes(&mut self) -> PgResult<()> {
        for cte in 0..self.ctes.len() {
            if self.ctes[cte].as_ref().is_some_and(|state| !state.complete) {
                self.fetch_cte(cte, usize::MAX)?;
            }
        }
        Ok(())
    }

    /// Runs the data-modifying WITH queries to their ends, whether or not anybody read them.
    pub(crate) fn finish_ctes(&mut self) -> PgResult<()> {
        for cte in 0..self.plan.ctes.len() {
            let changes =
                self.plan.ctes[cte].as_ref().is_some_and(|plan| plan.command != CommandType::Select);
            if changes {
                self.fetch_cte(cte, usize::MAX)?;
            }
        }
        Ok(())
    }
}
