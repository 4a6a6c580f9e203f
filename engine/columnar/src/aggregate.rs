//! PostgreSQL's aggregates as DataFusion's aggregate functions.
//!
//! What an aggregate computes is not left to DataFusion, whose sums wrap and whose averages are floats.
//! The common ones over integers, and minimum and maximum, have accumulators of their own here
//! ([`crate::accumulate`]), which can be computed in parts and spilled; all others run the row executor's
//! transition functions over the rows in order ([`crate::transition`]).

use crate::accumulate::{Average, Counting, Extreme, First, Summing};
use crate::accumulate_numeric::ExactSums;
use crate::error::to_datafusion;
use crate::evaluate::Surroundings;
use crate::repr::Repr;
use crate::transition::Transitions;
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion_expr::{Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility};
use redoubt_error::PgError;
use redoubt_functions::{Oid, types};
use redoubt_plan::NodeId;
use redoubt_plan::aggregate::AggCall;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What an aggregate function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// `count(*)`.
    CountRows,
    /// `count(x)`.
    CountValues,
    /// `sum` of int2 or int4, an int8.
    SumInt8,
    /// `sum` of int8, a numeric.
    SumNumeric,
    /// `avg` of an integer, a numeric.
    Average,
    /// `sum` of numerics.
    SumExact,
    /// `avg` of numerics.
    AverageExact,
    /// `min` of a type whose array order is its own.
    Min,
    /// `max` of such a type.
    Max,
    /// The value in the group's first row: a key, or a column that depends on the keys.
    First,
    /// Any other call, by its node and number: the row executor's functions.
    Call(NodeId, usize),
}

impl Kind {
    /// The way to compute a call.
    pub(crate) fn of_call(call: &AggCall, proc_oid: Oid, arg: Option<Repr>, node: NodeId, at: usize) -> Kind {
        const COUNT_ROWS: Oid = 2803;
        const COUNT_VALUES: Oid = 2147;
        let plain = call.distinct.is_none() && call.order.is_empty();
        match (proc_oid, arg) {
            (COUNT_ROWS, _) if plain => Kind::CountRows,
            (COUNT_VALUES, Some(_)) if plain => Kind::CountValues,
            (2108, Some(Repr::Int4)) | (2109, Some(Repr::Int2)) if plain => Kind::SumInt8,
            (2107, Some(Repr::Int8)) if plain => Kind::SumNumeric,
            (2100, Some(Repr::Int8)) | (2101, Some(Repr::Int4)) | (2102, Some(Repr::Int2)) if plain => {
                Kind::Average
            }
            (2114, Some(Repr::Encoded)) if plain => Kind::SumExact,
            (2103, Some(Repr::Encoded)) if plain => Kind::AverageExact,
            // DISTINCT makes no difference to the least and the greatest.
            (oid, Some(repr)) if MINIMA.contains(&oid) && has_order(repr) => Kind::Min,
            (oid, Some(repr)) if MAXIMA.contains(&oid) && has_order(repr) => Kind::Max,
            _ => Kind::Call(node, at),
        }
    }

    /// Whether parts of a group may be computed apart and put together.
    pub(crate) fn has_parts(self) -> bool {
        !matches!(self, Kind::Call(..))
    }
}

/// `min` over int8, int4, int2, oid, date, timestamp, timestamptz, text.
const MINIMA: [Oid; 8] = [2131, 2132, 2133, 2134, 2138, 2142, 2143, 2145];
/// `max` over the same.
const MAXIMA: [Oid; 8] = [2115, 2116, 2117, 2118, 2122, 2126, 2127, 2129];

fn has_order(repr: Repr) -> bool {
    repr.is_identity() && !matches!(repr, Repr::Bool | Repr::Uuid | Repr::Bytea)
}

/// An aggregate function with the layouts of its argument and result.
pub(crate) struct PgAggregate {
    kind: Kind,
    args: Vec<Repr>,
    result: Repr,
    around: Arc<Surroundings>,
    signature: Signature,
}

impl PgAggregate {
    pub(crate) fn new(kind: Kind, args: Vec<Repr>, result: Repr, around: Arc<Surroundings>) -> Self {
        PgAggregate { kind, args, result, around, signature: Signature::variadic_any(Volatility::Immutable) }
    }

    /// The layouts of a part's state.
    fn state(&self) -> Vec<Repr> {
        match self.kind {
            Kind::CountRows | Kind::CountValues => vec![Repr::Int8],
            // A 128-bit sum as 16 bytes.
            Kind::SumInt8 | Kind::SumNumeric => vec![Repr::Uuid],
            Kind::Average => vec![Repr::Int8, Repr::Uuid],
            // Rows, a sum of units, their scale, and the sum of what has no units.
            Kind::SumExact | Kind::AverageExact => vec![Repr::Int8, Repr::Uuid, Repr::Int4, Repr::Encoded],
            Kind::Min | Kind::Max => vec![self.result],
            // The value, and whether there is one: it may be NULL.
            Kind::First => vec![self.result, Repr::Bool],
            Kind::Call(..) => vec![self.result],
        }
    }

    fn groups(&self) -> Result<Box<dyn GroupsAccumulator>> {
        let arg = self.args.first().copied();
        Ok(match self.kind {
            Kind::CountRows => Box::new(Counting::new(false)),
            Kind::CountValues => Box::new(Counting::new(true)),
            Kind::SumInt8 => Box::new(Summing::new(arg.unwrap_or(Repr::Int4), Repr::Int8)),
            Kind::SumNumeric => Box::new(Summing::new(Repr::Int8, Repr::Encoded)),
            Kind::Average => Box::new(Average::new(arg.unwrap_or(Repr::Int4))),
            Kind::SumExact => Box::new(ExactSums::new(false)),
            Kind::AverageExact => Box::new(ExactSums::new(true)),
            Kind::Min => Box::new(Extreme::new(self.result, false)),
            Kind::Max => Box::new(Extreme::new(self.result, true)),
            Kind::First => Box::new(First::new(self.result)),
            Kind::Call(node, at) => Box::new(
                Transitions::new(self.around.clone(), node, at, self.args.clone(), self.result)
                    .map_err(to_datafusion)?,
            ),
        })
    }
}

impl fmt::Debug for PgAggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PgAggregate({:?} of {:?} as {:?})", self.kind, self.args, self.result)
    }
}

impl PartialEq for PgAggregate {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.args, self.result) == (other.kind, &other.args, other.result)
            && Arc::ptr_eq(&self.around, &other.around)
    }
}

impl Eq for PgAggregate {}

impl Hash for PgAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.kind, &self.args, self.result).hash(state);
    }
}

impl AggregateUDFImpl for PgAggregate {
    fn name(&self) -> &str {
        "pg_aggregate"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.result.data_type())
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let fields = self.state().into_iter().enumerate();
        Ok(fields
            .map(|(at, repr)| Arc::new(Field::new(format!("{}[{at}]", args.name), repr.data_type(), true)))
            .collect())
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        self.groups()
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(OneGroup { groups: std::sync::Mutex::new(self.groups()?), kind: self.kind }))
    }

    fn order_sensitivity(&self) -> datafusion_expr::utils::AggregateOrderSensitivity {
        datafusion_expr::utils::AggregateOrderSensitivity::Insensitive
    }
}

/// An aggregate without GROUP BY: one group.
struct OneGroup {
    // DataFusion wants accumulators to be Sync, though none is ever shared; the row executor's states are not.
    groups: std::sync::Mutex<Box<dyn GroupsAccumulator>>,
    kind: Kind,
}

impl OneGroup {
    fn groups(&mut self) -> Result<&mut dyn GroupsAccumulator> {
        match self.groups.get_mut() {
            Ok(groups) => Ok(&mut **groups),
            Err(_) => Err(to_datafusion(PgError::internal("an accumulator has panicked before"))),
        }
    }
}

impl fmt::Debug for OneGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OneGroup({:?})", self.kind)
    }
}

fn rows_of(values: &[ArrayRef]) -> Vec<usize> {
    vec![0; values.first().map_or(0, |array| array.len())]
}

impl Accumulator for OneGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.groups()?.update_batch(values, &rows_of(values), None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.groups()?.merge_batch(states, &rows_of(states), 1)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let groups = self.groups()?;
        // Without any row the group is not there yet.
        groups.update_batch(&[], &[], None, 1)?;
        ScalarValue::try_from_array(&groups.evaluate(EmitTo::All)?, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let groups = self.groups()?;
        groups.update_batch(&[], &[], None, 1)?;
        groups.state(EmitTo::All)?.iter().map(|array| ScalarValue::try_from_array(array, 0)).collect()
    }

    fn size(&self) -> usize {
        self.groups.lock().map_or(0, |groups| groups.size())
    }
}

/// The layout of a call's result.
pub(crate) fn result_repr(call: &AggCall) -> Option<Repr> {
    match call.result_type {
        types::UNKNOWN => None,
        type_oid => Repr::of_type(type_oid),
    }
}
