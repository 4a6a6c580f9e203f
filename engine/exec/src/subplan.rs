//! Subqueries in expressions at run time.

use crate::exec::Exec;
use crate::interpret::is_true;
use crate::keys::{equal_values, hash_keys};
use crate::node::PlanState;
use crate::rows::RowStore;
use crate::spill::{Reservation, row_bytes};
use hashbrown::HashTable;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{ArrayValue, Datum};
use redoubt_plan::Slot;
use redoubt_plan::program::Value;
use redoubt_plan::subplan::{HashedKey, SubPlan, SubPlanId, SubPlanKind};
use std::sync::Arc;

/// A subquery's state.
pub(crate) struct SubPlanState {
    root: PlanState,
    used: bool,
    /// An init plan's value.
    value: Option<Datum>,
    hashed: Option<Hashed>,
}

/// The rows of a hashed ANY.
struct Hashed {
    index: HashTable<(u64, u32)>,
    /// Rows without NULLs.
    rows: RowStore,
    /// Rows with some NULL: they can only make the answer unknown.
    with_nulls: RowStore,
    /// The planner hashes what it expects to fit; it has to stay in memory.
    held: Reservation,
}

impl<'a> Exec<'a> {
    /// The value of a subquery for the current outer row.
    pub(crate) fn subplan(&mut self, id: SubPlanId) -> PgResult<Datum> {
        let plan = self.plan;
        let subplan = &plan.subplans[id.index()];
        let mut state = self.subplans[id.index()].take().unwrap_or_else(|| {
            Box::new(SubPlanState {
                root: PlanState::new(plan, subplan.root),
                used: false,
                value: None,
                hashed: None,
            })
        });
        let result = match &state.value {
            Some(value) => Ok(value.clone()),
            None => self.evaluate_subplan(subplan, &mut state),
        };
        if let (true, Ok(value)) = (subplan.init, &result) {
            state.value = Some(value.clone());
        }
        self.subplans[id.index()] = Some(state);
        result
    }

    fn evaluate_subplan(&mut self, subplan: &'a SubPlan, state: &mut SubPlanState) -> PgResult<Datum> {
        if let SubPlanKind::HashedAny { left, keys, test, .. } = &subplan.kind {
            self.run(left)?;
            return self.probe_subplan(subplan, state, keys, test);
        }
        if let SubPlanKind::Quantified { left, .. } | SubPlanKind::RowCompare { left, .. } = &subplan.kind {
            self.run(left)?;
        }
        self.restart(state)?;
        match &subplan.kind {
            SubPlanKind::Exists => Ok(Datum::Bool(state.root.next(self)?)),
            SubPlanKind::Scalar => {
                if !state.root.next(self)? {
                    return Ok(Datum::Null);
                }
                let value = self.get(subplan.columns[0]).clone();
                self.no_more(state)?;
                Ok(value)
            }
            SubPlanKind::RowCompare { test, .. } => {
                if !state.root.next(self)? {
                    return Ok(Datum::Null);
                }
                let value = self.value(test)?.clone();
                self.no_more(state)?;
                Ok(value)
            }
            SubPlanKind::Array { element_type, multidim } => {
                self.subplan_array(subplan, state, *element_type, *multidim)
            }
            SubPlanKind::Quantified { any, test, .. } => self.quantified(state, *any, test),
            SubPlanKind::HashedAny { .. } => unreachable!("handled above"),
        }
    }

    /// Starts the subquery over with the outer row as it is now.
    fn restart(&mut self, state: &mut SubPlanState) -> PgResult<()> {
        if state.used {
            let changed = &self.plan.nodes[state.root.id().index()].external;
            state.root.rescan(self, changed)?;
        }
        state.used = true;
        Ok(())
    }

    fn no_more(&mut self, state: &mut SubPlanState) -> PgResult<()> {
        if state.root.next(self)? {
            return Err(PgError::new(
                code::CARDINALITY_VIOLATION,
                "more than one row returned by a subquery used as an expression",
            ));
        }
        Ok(())
    }

    fn subplan_array(
        &mut self,
        subplan: &'a SubPlan,
        state: &mut SubPlanState,
        element_type: u32,
        multidim: bool,
    ) -> PgResult<Datum> {
        let mut elements = Vec::new();
        let mut held = self.ctx.storage.work.reserve();
        while state.root.next(self)? {
            let value = self.get(subplan.columns[0]);
            held.add(size_of::<Datum>() + value.payload_bytes())?;
            elements.push(value.clone());
        }
        if multidim {
            return crate::interpret::make_array(&elements, element_type, true);
        }
        Ok(Datum::Array(Arc::new(ArrayValue::from_elems(element_type, elements))))
    }

    fn quantified(&mut self, state: &mut SubPlanState, any: bool, test: &'a Value) -> PgResult<Datum> {
        let mut unknown = false;
        while state.root.next(self)? {
            match self.value(test)? {
                Datum::Bool(answer) if *answer == any => return Ok(Datum::Bool(any)),
                Datum::Bool(_) => {}
                _ => unknown = true,
            }
        }
        Ok(if unknown { Datum::Null } else { Datum::Bool(!any) })
    }

    fn probe_subplan(
        &mut self,
        subplan: &'a SubPlan,
        state: &mut SubPlanState,
        keys: &'a [HashedKey],
        test: &'a Value,
    ) -> PgResult<Datum> {
        let depends = !self.plan.nodes[subplan.root.index()].external.is_empty();
        if state.hashed.is_none() || depends {
            self.restart(state)?;
            state.hashed = Some(self.hash_subplan(state, keys)?);
        }
        let hashed = state.hashed.as_ref().expect("just made");
        if hashed.rows.len() == 0 && hashed.with_nulls.len() == 0 {
            return Ok(Datum::Bool(false));
        }
        let slots: Vec<Slot> = keys.iter().map(|key| key.right).collect();
        if keys.iter().any(|key| self.get(key.left).is_null()) {
            // Some row may still be unequal in another column; otherwise the answer is unknown.
            return self.probe_with_nulls(hashed, &slots, test, true);
        }
        let hash = hash_keys(keys.iter().map(|key| (key.equality.type_oid, self.get(key.left))));
        let mut failure = None;
        let found = hashed.index.find(hash, |&(known, row)| {
            known == hash
                && keys.iter().zip(hashed.rows.row(row as usize)).all(|(key, value)| {
                    equal_values(self, &key.equality, self.get(key.left), value).unwrap_or_else(|error| {
                        failure.get_or_insert(error);
                        false
                    })
                })
        });
        if found.is_some() {
            return Ok(Datum::Bool(true));
        }
        match failure {
            Some(error) => Err(error),
            None => self.probe_with_nulls(hashed, &slots, test, false),
        }
    }

    /// Compares row by row where NULLs are involved: NULL if some comparison is neither true nor
    /// false.
    fn probe_with_nulls(
        &mut self,
        hashed: &Hashed,
        slots: &[Slot],
        test: &'a Value,
        all: bool,
    ) -> PgResult<Datum> {
        let mut unknown = false;
        let whole = if all { hashed.rows.len() } else { 0 };
        for at in 0..whole + hashed.with_nulls.len() {
            let (store, row) = if at < whole { (&hashed.rows, at) } else { (&hashed.with_nulls, at - whole) };
            store.load(self, slots, row);
            match self.value(test)? {
                value if is_true(value) => return Ok(Datum::Bool(true)),
                Datum::Null => unknown = true,
                _ => {}
            }
            if unknown && slots.len() == 1 {
                break;
            }
        }
        Ok(if unknown { Datum::Null } else { Datum::Bool(false) })
    }

    fn hash_subplan(&mut self, state: &mut SubPlanState, keys: &'a [HashedKey]) -> PgResult<Hashed> {
        let slots: Vec<Slot> = keys.iter().map(|key| key.right).collect();
        let mut hashed = Hashed {
            index: HashTable::new(),
            rows: RowStore::new(slots.len()),
            with_nulls: RowStore::new(slots.len()),
            held: self.ctx.storage.work.reserve(),
        };
        while state.root.next(self)? {
            self.ctx.check_for_interrupts()?;
            if slots.iter().any(|slot| self.get(*slot).is_null()) {
                hashed.with_nulls.push(self, &slots);
                hashed.held.add(row_bytes(hashed.with_nulls.row(hashed.with_nulls.len() - 1)))?;
                continue;
            }
            let hash = hash_keys(keys.iter().map(|key| (key.equality.type_oid, self.get(key.right))));
            let row = hashed.rows.len() as u32;
            hashed.rows.push(self, &slots);
            hashed.held.add(row_bytes(hashed.rows.row(row as usize)) + 2 * size_of::<(u64, u32)>())?;
            hashed.index.insert_unique(hash, (hash, row), |(hash, _)| *hash);
        }
        Ok(hashed)
    }
}
