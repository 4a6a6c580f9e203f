//! Accumulators with states that can be computed in parts, spilled and merged.
//!
//! Each holds one state per group. `update_batch` may be called without arrays, to make groups exist.

use crate::error::to_datafusion;
use crate::repr::{Collector, Reader, Repr};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, Int64Array};
use arrow::datatypes::Int64Type;
use datafusion_common::Result;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::numeric::Numeric;
use redoubt_functions::{CallContext, Datum, PlainEnv, builtin};
use redoubt_functions::{compare, types};
use std::sync::{Arc, LazyLock};

/// Takes the states to emit out of the list.
pub(crate) fn emit<T>(states: &mut Vec<T>, to: EmitTo) -> Vec<T> {
    match to {
        EmitTo::All => std::mem::take(states),
        EmitTo::First(count) => {
            let rest = states.split_off(count);
            std::mem::replace(states, rest)
        }
    }
}

/// Whether a row counts.
#[inline]
pub(crate) fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

/// The integer in a row, of whatever width.
#[inline]
fn integers(repr: Repr, array: &ArrayRef) -> Result<Int64Array> {
    let wide = match repr {
        Repr::Int8 => array.clone(),
        _ => arrow::compute::cast(array, &arrow::datatypes::DataType::Int64)?,
    };
    Ok(wide.as_primitive::<Int64Type>().clone())
}

/// `count`.
pub(crate) struct Counting {
    /// Of values, as opposed to rows.
    values: bool,
    counts: Vec<i64>,
}

impl Counting {
    pub(crate) fn new(values: bool) -> Self {
        Counting { values, counts: Vec::new() }
    }
}

impl GroupsAccumulator for Counting {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.counts.resize(total, 0);
        let nulls = values.first().filter(|_| self.values).and_then(|array| array.nulls());
        for (row, &group) in groups.iter().enumerate() {
            let counts = nulls.is_none_or(|nulls| nulls.is_valid(row)) && passes(filter, row);
            self.counts[group] += i64::from(counts);
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.counts.resize(total, 0);
        let parts = values[0].as_primitive::<Int64Type>();
        groups.iter().enumerate().for_each(|(row, &group)| self.counts[group] += parts.value(row));
        Ok(())
    }

    fn evaluate(&mut self, to: EmitTo) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from(emit(&mut self.counts, to))))
    }

    fn state(&mut self, to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(to)?])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        each_row_alone(Counting::new(self.values), values, filter)
    }

    fn size(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }
}

/// Every row as a group of its own, for when grouping does not pay.
pub(crate) fn each_row_alone(
    mut accumulator: impl GroupsAccumulator,
    values: &[ArrayRef],
    filter: Option<&BooleanArray>,
) -> Result<Vec<ArrayRef>> {
    let rows = values.first().map_or(0, |array| array.len());
    let groups: Vec<usize> = (0..rows).collect();
    accumulator.update_batch(values, &groups, filter, rows)?;
    accumulator.state(EmitTo::All)
}

/// `sum` of integers: exact in 128 bits, which no number of rows can overflow.
pub(crate) struct Summing {
    arg: Repr,
    /// int8, or a numeric's stored form.
    result: Repr,
    sums: Vec<Option<i128>>,
}

impl Summing {
    pub(crate) fn new(arg: Repr, result: Repr) -> Self {
        Summing { arg, result, sums: Vec::new() }
    }

    fn add(&mut self, group: usize, value: i128) {
        let sum = &mut self.sums[group];
        *sum = Some(sum.unwrap_or(0) + value);
    }

    /// A sum of int4 leaves the range of int8 after 2^32 rows at the earliest.
    fn result(&self, sum: Option<i128>) -> PgResult<Datum> {
        let Some(sum) = sum else { return Ok(Datum::Null) };
        if self.result == Repr::Int8 {
            return i64::try_from(sum)
                .map(Datum::Int8)
                .map_err(|_| PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "bigint out of range"));
        }
        Ok(Datum::numeric(Numeric::from(sum)))
    }
}

/// 128-bit sums as arrays of 16 bytes.
pub(crate) fn sums_array(sums: impl ExactSizeIterator<Item = Option<i128>>) -> Result<ArrayRef> {
    let bytes = sums.map(|sum| sum.map(i128::to_le_bytes));
    Ok(Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 16)?))
}

pub(crate) fn sum_at(array: &ArrayRef, row: usize) -> Option<i128> {
    let array = array.as_fixed_size_binary();
    array.is_valid(row).then(|| i128::from_le_bytes(array.value(row).try_into().expect("16 bytes")))
}

impl GroupsAccumulator for Summing {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.sums.resize(total, None);
        let Some(array) = values.first() else { return Ok(()) };
        let array = integers(self.arg, array)?;
        for (row, &group) in groups.iter().enumerate() {
            if array.is_valid(row) && passes(filter, row) {
                self.add(group, i128::from(array.value(row)));
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.sums.resize(total, None);
        for (row, &group) in groups.iter().enumerate() {
            if let Some(part) = sum_at(&values[0], row) {
                self.add(group, part);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, to: EmitTo) -> Result<ArrayRef> {
        let sums = emit(&mut self.sums, to);
        let mut collector = Collector::new(self.result, sums.len());
        for sum in sums {
            let value = self.result(sum).map_err(to_datafusion)?;
            collector.push(&value).map_err(to_datafusion)?;
        }
        Ok(collector.finish())
    }

    fn state(&mut self, to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![sums_array(emit(&mut self.sums, to).into_iter())?])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        each_row_alone(Summing::new(self.arg, self.result), values, filter)
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<Option<i128>>()
    }
}

/// `avg` of integers: the quotient as numeric division gives it.
pub(crate) struct Average {
    arg: Repr,
    groups: Vec<(i64, i128)>,
}

pub(crate) static PLAIN: LazyLock<PlainEnv> = LazyLock::new(PlainEnv::default);

impl Average {
    pub(crate) fn new(arg: Repr) -> Self {
        Average { arg, groups: Vec::new() }
    }

    fn result((count, sum): (i64, i128)) -> PgResult<Datum> {
        if count == 0 { Ok(Datum::Null) } else { quotient(Numeric::from(sum), count) }
    }
}

/// An average as PostgreSQL computes it: by numeric division.
pub(crate) fn quotient(sum: Numeric, count: i64) -> PgResult<Datum> {
    let divide = builtin("numeric_div").expect("numeric division is built in");
    let context = CallContext::new(&*PLAIN).with_types(&[types::NUMERIC, types::NUMERIC], types::NUMERIC);
    divide(&context, &[Datum::numeric(sum), Datum::numeric(Numeric::from(count))])
}

impl GroupsAccumulator for Average {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.groups.resize(total, (0, 0));
        let Some(array) = values.first() else { return Ok(()) };
        let array = integers(self.arg, array)?;
        for (row, &group) in groups.iter().enumerate() {
            if array.is_valid(row) && passes(filter, row) {
                let (count, sum) = &mut self.groups[group];
                *count += 1;
                *sum += i128::from(array.value(row));
            }
        }
        Ok(())
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.groups.resize(total, (0, 0));
        let counts = values[0].as_primitive::<Int64Type>();
        for (row, &group) in groups.iter().enumerate() {
            let (count, sum) = &mut self.groups[group];
            *count += counts.value(row);
            *sum += sum_at(&values[1], row).unwrap_or(0);
        }
        Ok(())
    }

    fn evaluate(&mut self, to: EmitTo) -> Result<ArrayRef> {
        let groups = emit(&mut self.groups, to);
        let mut collector = Collector::new(Repr::Encoded, groups.len());
        for group in groups {
            let value = Average::result(group).map_err(to_datafusion)?;
            collector.push(&value).map_err(to_datafusion)?;
        }
        Ok(collector.finish())
    }

    fn state(&mut self, to: EmitTo) -> Result<Vec<ArrayRef>> {
        let groups = emit(&mut self.groups, to);
        let counts: Int64Array = groups.iter().map(|(count, _)| Some(*count)).collect();
        Ok(vec![Arc::new(counts), sums_array(groups.iter().map(|(_, sum)| Some(*sum)))?])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        each_row_alone(Average::new(self.arg), values, filter)
    }

    fn size(&self) -> usize {
        self.groups.capacity() * size_of::<(i64, i128)>()
    }
}

/// `min` and `max` of types whose values order themselves.
pub(crate) struct Extreme {
    repr: Repr,
    greatest: bool,
    best: Vec<Datum>,
    text_bytes: usize,
}

impl Extreme {
    pub(crate) fn new(repr: Repr, greatest: bool) -> Self {
        Extreme { repr, greatest, best: Vec::new(), text_bytes: 0 }
    }

    fn take(&mut self, array: &ArrayRef, groups: &[usize], filter: Option<&BooleanArray>) -> PgResult<()> {
        if let Some(texts) = array.as_string_opt::<i64>() {
            // A text is only copied when it is better than what the group has.
            for (row, &group) in groups.iter().enumerate() {
                if texts.is_null(row) || !passes(filter, row) {
                    continue;
                }
                let text = texts.value(row);
                let better = match &self.best[group] {
                    Datum::Text(best) => {
                        (text.as_bytes() > best.as_bytes()) == self.greatest && text != &**best
                    }
                    _ => true,
                };
                if better {
                    self.text_bytes += text.len();
                    self.best[group] = Datum::text(text);
                }
            }
            return Ok(());
        }
        let reader = Reader::new(self.repr, array);
        for (row, &group) in groups.iter().enumerate() {
            if array.is_null(row) || !passes(filter, row) {
                continue;
            }
            let value = reader.get(row)?;
            let best = &mut self.best[group];
            let order = compare::cmp(0, &value, best);
            if best.is_null() || (if self.greatest { order.is_gt() } else { order.is_lt() }) {
                *best = value;
            }
        }
        Ok(())
    }
}

impl GroupsAccumulator for Extreme {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.best.resize(total, Datum::Null);
        match values.first() {
            Some(array) => self.take(array, groups, filter).map_err(to_datafusion),
            None => Ok(()),
        }
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.update_batch(values, groups, None, total)
    }

    fn evaluate(&mut self, to: EmitTo) -> Result<ArrayRef> {
        let best = emit(&mut self.best, to);
        let mut collector = Collector::new(self.repr, best.len());
        best.iter().try_for_each(|value| collector.push(value)).map_err(to_datafusion)?;
        Ok(collector.finish())
    }

    fn state(&mut self, to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(to)?])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        each_row_alone(Extreme::new(self.repr, self.greatest), values, filter)
    }

    fn size(&self) -> usize {
        self.best.capacity() * size_of::<Datum>() + self.text_bytes
    }
}

/// The value in a group's first row.
pub(crate) struct First {
    repr: Repr,
    values: Vec<Option<Datum>>,
    bytes: usize,
}

impl First {
    pub(crate) fn new(repr: Repr) -> Self {
        First { repr, values: Vec::new(), bytes: 0 }
    }

    fn take(&mut self, array: &ArrayRef, groups: &[usize], there: Option<&BooleanArray>) -> PgResult<()> {
        let reader = Reader::new(self.repr, array);
        for (row, &group) in groups.iter().enumerate() {
            if self.values[group].is_none() && passes(there, row) {
                let value = reader.get(row)?;
                if let Datum::Text(text) = &value {
                    self.bytes += text.len();
                }
                self.values[group] = Some(value);
            }
        }
        Ok(())
    }
}

impl GroupsAccumulator for First {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.values.resize(total, None);
        match values.first() {
            Some(array) => self.take(array, groups, filter).map_err(to_datafusion),
            None => Ok(()),
        }
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.values.resize(total, None);
        self.take(&values[0], groups, Some(values[1].as_boolean())).map_err(to_datafusion)
    }

    fn evaluate(&mut self, to: EmitTo) -> Result<ArrayRef> {
        Ok(self.state(to)?.swap_remove(0))
    }

    fn state(&mut self, to: EmitTo) -> Result<Vec<ArrayRef>> {
        let values = emit(&mut self.values, to);
        let mut collector = Collector::new(self.repr, values.len());
        for value in &values {
            collector.push(value.as_ref().unwrap_or(&Datum::Null)).map_err(to_datafusion)?;
        }
        let there: BooleanArray = values.iter().map(|value| Some(value.is_some())).collect();
        Ok(vec![collector.finish(), Arc::new(there)])
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        each_row_alone(First::new(self.repr), values, filter)
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<Option<Datum>>() + self.bytes
    }
}
