//! Joins. DataFusion builds its table from the left input; ours from the inner one, so sides are swapped.

use super::{Built, Translated, Translator, one_partition, refuse};
use crate::predicate::Predicate;
use crate::program_exec::{Output, Work, schema_of_types};
use crate::repr::Repr;
use datafusion_common::{JoinSide, JoinType as DataFusionJoin, NullEquality};
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::Column;
use datafusion_physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion_physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, PartitionMode};
use redoubt_functions::types;
use redoubt_plan::join::{HashJoin, HashKey, JoinType, NestedLoop};
use redoubt_plan::node::Filter;
use redoubt_plan::program::Value;
use redoubt_plan::{NodeId, Slot};
use std::sync::Arc;

/// One side of a join: its columns, the keys behind them.
struct Side {
    built: Built,
    /// Where the keys begin.
    first_key: usize,
}

impl Translator<'_> {
    pub(super) fn hash_join(&mut self, join: &HashJoin) -> Translated<Built> {
        let outer = self.node(join.outer)?;
        let inner = one_partition(self.node(join.inner)?);
        let (mut outer_keys, mut inner_keys) = (Vec::new(), Vec::new());
        let (mut outer_work, mut inner_work) = (Vec::new(), Vec::new());
        for key in &join.keys {
            let outer_repr = self.key_value(&key.outer, &mut outer_work)?;
            let inner_repr = self.key_value(&key.inner, &mut inner_work)?;
            outer_keys.push(key_output(key, &key.outer, outer_repr, inner_repr)?);
            inner_keys.push(key_output(key, &key.inner, inner_repr, outer_repr)?);
        }
        let outer = self.with_keys(join.outer, outer, outer_work, outer_keys);
        let inner = self.with_keys(join.inner, inner, inner_work, inner_keys);
        let column = |at: usize| Arc::new(Column::new(&format!("c{at}"), at)) as Arc<dyn PhysicalExpr>;
        let on = (0..join.keys.len())
            .map(|key| (column(inner.first_key + key), column(outer.first_key + key)))
            .collect();
        let filter = self.join_filter(join.condition.as_ref(), &inner.built, &outer.built)?;
        let kind = join_type(join.join);
        let columns = joined_columns(kind, &inner.built, &outer.built);
        let exec = HashJoinExec::try_new(
            inner.built.exec,
            outer.built.exec,
            on,
            filter,
            &kind,
            None,
            PartitionMode::CollectLeft,
            NullEquality::NullEqualsNothing,
            false,
        )?;
        Ok(Built { exec: Arc::new(exec), columns })
    }

    pub(super) fn nested_loop(&mut self, join: &NestedLoop) -> Translated<Built> {
        if !join.params.is_empty() {
            return refuse("a nested loop whose inner side depends on the outer row");
        }
        let outer = self.node(join.outer)?;
        let inner = one_partition(self.node(join.inner)?);
        let filter = self.join_filter(join.condition.as_ref(), &inner, &outer)?;
        let kind = join_type(join.join);
        let columns = joined_columns(kind, &inner, &outer);
        let exec = NestedLoopJoinExec::try_new(inner.exec, outer.exec, filter, &kind, None)?;
        Ok(Built { exec: Arc::new(exec), columns })
    }

    fn key_value(&mut self, value: &Value, work: &mut Vec<Work>) -> Translated<Repr> {
        let repr = self.learn_value(value)?;
        if !value.program.steps.is_empty() {
            work.push(Work::Compute(value.program.clone()));
        }
        Ok(repr)
    }

    /// An input with its keys behind what is wanted of it.
    fn with_keys(&mut self, id: NodeId, built: Built, work: Vec<Work>, keys: Vec<Output>) -> Side {
        let wanted: Vec<(Slot, Repr)> =
            self.plan_node(id).live.iter().map(|slot| (*slot, self.layout_or_any(*slot))).collect();
        let first_key = wanted.len();
        let mut columns: Vec<Option<(Slot, Repr)>> = wanted.iter().copied().map(Some).collect();
        columns.extend(keys.iter().map(|_| None));
        let mut outputs: Vec<Output> = wanted.iter().map(|&(slot, repr)| Output::Slot(slot, repr)).collect();
        outputs.extend(keys);
        let exec = self.program(built, work, outputs);
        Side { built: Built { exec, columns }, first_key }
    }

    fn join_filter(
        &mut self,
        condition: Option<&Filter>,
        inner: &Built,
        outer: &Built,
    ) -> Translated<Option<JoinFilter>> {
        let Some(condition) = condition else { return Ok(None) };
        self.learn(&condition.program)?;
        let (mut columns, mut indices) = (Vec::new(), Vec::new());
        for (side, built) in [(JoinSide::Left, inner), (JoinSide::Right, outer)] {
            for (index, column) in built.columns.iter().enumerate() {
                if column.is_some() {
                    columns.push(*column);
                    indices.push(ColumnIndex { index, side });
                }
            }
        }
        let schema = schema_of_types(columns.iter().flatten().map(|(_, repr)| repr.data_type()));
        let predicate =
            Predicate { around: self.around.clone(), program: condition.program.clone(), columns };
        Ok(Some(JoinFilter::new(Arc::new(predicate), indices, schema)))
    }
}

/// How a key is compared: as it lies, widened, or by the bytes that order it.
fn key_output(key: &HashKey, value: &Value, mine: Repr, other: Repr) -> Translated<Output> {
    let slot = value.slot;
    let is_integer = |repr| matches!(repr, Repr::Int2 | Repr::Int4 | Repr::Int8);
    let is_float = |repr| matches!(repr, Repr::Float4 | Repr::Float8);
    let padded = [key.outer_type, key.inner_type, key.equality.type_oid].contains(&types::BPCHAR);
    if is_integer(mine) && is_integer(other) {
        return Ok(if mine == other { Output::Slot(slot, mine) } else { Output::Wide(slot) });
    }
    // Integers of two widths, and floats, have an equality function of their own that means just that.
    if key.equality.function.is_some() && !(is_float(mine) && is_float(other)) {
        return refuse("a join by an operator of its own");
    }
    if mine == other && mine.is_identity() && !padded {
        return Ok(Output::Slot(slot, mine));
    }
    // Floats of both widths have the same bytes; of other types both sides must be of one.
    if key.outer_type != key.inner_type && !(is_float(mine) && is_float(other)) {
        return refuse("a join of columns of different types");
    }
    let type_oid = key.outer_type;
    Ok(Output::Key { slot, type_oid, descending: false, nulls_first: false, keep_null: true })
}

/// With the outer input on DataFusion's right.
fn join_type(join: JoinType) -> DataFusionJoin {
    match join {
        JoinType::Inner => DataFusionJoin::Inner,
        JoinType::Left => DataFusionJoin::Right,
        JoinType::Right => DataFusionJoin::Left,
        JoinType::Full => DataFusionJoin::Full,
        JoinType::Semi => DataFusionJoin::RightSemi,
        JoinType::Anti => DataFusionJoin::RightAnti,
    }
}

fn joined_columns(kind: DataFusionJoin, inner: &Built, outer: &Built) -> Vec<Option<(Slot, Repr)>> {
    match kind {
        DataFusionJoin::RightSemi | DataFusionJoin::RightAnti => outer.columns.clone(),
        _ => inner.columns.iter().chain(&outer.columns).copied().collect(),
    }
}
