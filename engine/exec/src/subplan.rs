//! Subqueries in expressions.

use crate::arrays::hash;
use crate::execution::{Cx, Execution};
use crate::state::SavedRow;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{ArrayValue, Datum};
use redoubt_plan::program::{Program, Value};
use redoubt_plan::subplan::{HashedKey, SubPlan, SubPlanId, SubPlanKind};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// The rows of an uncorrelated subquery, by the hash of their columns.
pub(crate) struct HashedRows {
    buckets: FxHashMap<u64, Vec<SavedRow>>,
    /// Rows with a NULL in them: they may match anything.
    with_nulls: Vec<SavedRow>,
    empty: bool,
}

impl Execution {
    /// A subquery's value for the current outer row.
    pub(crate) fn subplan(&mut self, cx: &Cx<'_>, id: SubPlanId) -> PgResult<Datum> {
        let subplan = &cx.plan.subplans[id.index()];
        if subplan.init
            && let Some(value) = &self.init_values[id.index()]
        {
            return Ok(value.clone());
        }
        let value = match &subplan.kind {
            SubPlanKind::HashedAny { left, keys, test, unknown_is_false } => {
                self.hashed_any(cx, id, subplan, left, keys, test, *unknown_is_false)?
            }
            _ => {
                self.rescan(cx, subplan.root);
                self.evaluate(cx, subplan)?
            }
        };
        if subplan.init {
            self.init_values[id.index()] = Some(value.clone());
        }
        Ok(value)
    }

    fn evaluate(&mut self, cx: &Cx<'_>, subplan: &SubPlan) -> PgResult<Datum> {
        match &subplan.kind {
            SubPlanKind::Exists => Ok(Datum::Bool(self.next_row(cx, subplan.root)?)),
            SubPlanKind::Scalar => self.scalar(cx, subplan),
            SubPlanKind::Array { element_type, multidim } => {
                let mut values = Vec::new();
                while self.next_row(cx, subplan.root)? {
                    values.push(self.frame[subplan.columns[0].index()].clone());
                }
                if *multidim {
                    return crate::composite::make_array(&values, *element_type, true);
                }
                Ok(Datum::Array(Arc::new(ArrayValue::from_elems(*element_type, values))))
            }
            SubPlanKind::Quantified { any, left, test } => self.quantified(cx, subplan, *any, left, test),
            SubPlanKind::RowCompare { left, test } => {
                self.run(cx, left)?;
                if !self.next_row(cx, subplan.root)? {
                    return Ok(Datum::Null);
                }
                let value = self.value(cx, test)?;
                self.refuse_second(cx, subplan)?;
                Ok(value)
            }
            SubPlanKind::HashedAny { .. } => unreachable!("hashed subqueries are probed"),
        }
    }

    fn scalar(&mut self, cx: &Cx<'_>, subplan: &SubPlan) -> PgResult<Datum> {
        if !self.next_row(cx, subplan.root)? {
            return Ok(Datum::Null);
        }
        let value = self.frame[subplan.columns[0].index()].clone();
        self.refuse_second(cx, subplan)?;
        Ok(value)
    }

    fn refuse_second(&mut self, cx: &Cx<'_>, subplan: &SubPlan) -> PgResult<()> {
        if self.next_row(cx, subplan.root)? {
            return Err(PgError::new(
                code::CARDINALITY_VIOLATION,
                "more than one row returned by a subquery used as an expression",
            ));
        }
        Ok(())
    }

    fn quantified(
        &mut self,
        cx: &Cx<'_>,
        subplan: &SubPlan,
        any: bool,
        left: &Program,
        test: &Value,
    ) -> PgResult<Datum> {
        self.run(cx, left)?;
        let mut unknown = false;
        while self.next_row(cx, subplan.root)? {
            match self.value(cx, test)? {
                Datum::Bool(value) if value == any => return Ok(Datum::Bool(any)),
                Datum::Null => unknown = true,
                _ => {}
            }
        }
        Ok(if unknown { Datum::Null } else { Datum::Bool(!any) })
    }

    #[allow(clippy::too_many_arguments)] // The parts of one subplan kind, taken apart by the caller.
    fn hashed_any(
        &mut self,
        cx: &Cx<'_>,
        id: SubPlanId,
        subplan: &SubPlan,
        left: &Program,
        keys: &[HashedKey],
        test: &Value,
        unknown_is_false: bool,
    ) -> PgResult<Datum> {
        if self.hashed_subplans[id.index()].is_none() {
            self.rescan(cx, subplan.root);
            let rows = self.hash_rows(cx, subplan, keys)?;
            self.hashed_subplans[id.index()] = Some(rows);
        }
        self.run(cx, left)?;
        let rows = self.hashed_subplans[id.index()].take().expect("just made");
        let result = self.probe_rows(cx, subplan, &rows, keys, test, unknown_is_false);
        self.hashed_subplans[id.index()] = Some(rows);
        result
    }

    fn hash_rows(&mut self, cx: &Cx<'_>, subplan: &SubPlan, keys: &[HashedKey]) -> PgResult<HashedRows> {
        let mut rows = HashedRows { buckets: FxHashMap::default(), with_nulls: Vec::new(), empty: true };
        while self.next_row(cx, subplan.root)? {
            rows.empty = false;
            let row = self.save(&subplan.columns);
            let values = keys.iter().map(|key| &self.frame[key.right.index()]);
            if values.clone().any(Datum::is_null) {
                rows.with_nulls.push(row);
            } else {
                let hash = hash_values(keys, values);
                rows.buckets.entry(hash).or_default().push(row);
            }
        }
        Ok(rows)
    }

    fn probe_rows(
        &mut self,
        cx: &Cx<'_>,
        subplan: &SubPlan,
        rows: &HashedRows,
        keys: &[HashedKey],
        test: &Value,
        unknown_is_false: bool,
    ) -> PgResult<Datum> {
        if rows.empty {
            return Ok(Datum::Bool(false));
        }
        let values = keys.iter().map(|key| &self.frame[key.left.index()]);
        let null = values.clone().any(Datum::is_null);
        let mut unknown = false;
        let mut try_rows = |this: &mut Self, candidates: &[SavedRow]| -> PgResult<bool> {
            for row in candidates {
                this.restore(&subplan.columns, row);
                match this.value(cx, test)? {
                    Datum::Bool(true) => return Ok(true),
                    Datum::Null => unknown = true,
                    _ => {}
                }
            }
            Ok(false)
        };
        if !null {
            let hash = hash_values(keys, values);
            if let Some(bucket) = rows.buckets.get(&hash)
                && try_rows(self, bucket)?
            {
                return Ok(Datum::Bool(true));
            }
        }
        if unknown_is_false {
            return Ok(Datum::Bool(false));
        }
        // NULLs on either side: a row that might match makes the answer unknown.
        try_rows(self, &rows.with_nulls)?;
        if null {
            for bucket in rows.buckets.values() {
                try_rows(self, bucket)?;
            }
        }
        Ok(if unknown { Datum::Null } else { Datum::Bool(false) })
    }
}

fn hash_values<'d>(keys: &[HashedKey], values: impl Iterator<Item = &'d Datum>) -> u64 {
    keys.iter().zip(values).fold(0, |all: u64, (key, value)| {
        all.rotate_left(5) ^ hash(key.equality.type_oid, value)
    })
}
