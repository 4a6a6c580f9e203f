//! `sum` and `avg` of numerics, exact and in parts.
//!
//! A number of usual size is added as a whole number of `10^-scale` in 128 bits, straight from its stored form.
//! What has no such form (NaN, infinities, very large or long numbers, and a sum that would leave 128 bits) is
//! added as a numeric beside it. Addition of numerics is exact and shows the larger of the scales, so neither the
//! order nor the division into parts shows in the result.

use crate::accumulate::{PLAIN, each_row_alone, emit, passes, quotient, sum_at, sums_array};
use crate::error::to_datafusion;
use crate::repr::{Collector, Repr};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array};
use arrow::datatypes::{Int32Type, Int64Type};
use datafusion_common::Result;
use datafusion_expr::{EmitTo, GroupsAccumulator};
use redoubt_access::value::{Values, numeric_units};
use redoubt_error::PgResult;
use redoubt_functions::numeric::Numeric;
use redoubt_functions::{Datum, io, types};
use std::sync::Arc;

/// One group's sum.
#[derive(Clone, Default)]
struct Sum {
    count: i64,
    /// In units of `10^-scale`.
    units: i128,
    scale: u32,
    /// The sum of what was not added to the units.
    rest: Option<Box<Numeric>>,
}

impl Sum {
    fn add_stored(&mut self, stored: &[u8]) -> PgResult<()> {
        self.count += 1;
        if let Some((units, scale)) = numeric_units(stored)
            && self.add_units(units, scale)
        {
            return Ok(());
        }
        match Values::new(stored).read()? {
            Datum::Numeric(value) => self.add_rest(&value),
            other => Err(other.mismatch("numeric")),
        }
    }

    /// False when the sum would leave its range; then nothing has changed.
    fn add_units(&mut self, units: i128, scale: u32) -> bool {
        let common = self.scale.max(scale);
        let raise = |units: i128, from: u32| units.checked_mul(10i128.checked_pow(common - from)?);
        let sum = raise(self.units, self.scale).zip(raise(units, scale)).and_then(|(a, b)| a.checked_add(b));
        match sum {
            Some(sum) => {
                (self.units, self.scale) = (sum, common);
                true
            }
            None => false,
        }
    }

    fn add_rest(&mut self, value: &Numeric) -> PgResult<()> {
        let sum = match &self.rest {
            Some(rest) => rest.plus(value)?,
            None => value.clone(),
        };
        self.rest = Some(Box::new(sum));
        Ok(())
    }

    /// The units as a numeric that shows their scale.
    fn whole(&self) -> PgResult<Numeric> {
        let units = Numeric::from(self.units);
        if self.scale == 0 {
            return Ok(units);
        }
        let unit = format!("0.{}1", "0".repeat(self.scale as usize - 1));
        match io::input(types::NUMERIC, -1, &unit, &*PLAIN)? {
            Datum::Numeric(unit) => units.times(&unit),
            other => Err(other.mismatch("numeric")),
        }
    }

    fn total(&self) -> PgResult<Numeric> {
        match &self.rest {
            None => self.whole(),
            Some(rest) => self.whole()?.plus(rest),
        }
    }

    fn result(&self, average: bool) -> PgResult<Datum> {
        match (self.count, average) {
            (0, _) => Ok(Datum::Null),
            (count, true) => quotient(self.total()?, count),
            (_, false) => Ok(Datum::numeric(self.total()?)),
        }
    }
}

/// The sums of all groups.
pub(crate) struct ExactSums {
    average: bool,
    sums: Vec<Sum>,
}

impl ExactSums {
    pub(crate) fn new(average: bool) -> Self {
        ExactSums { average, sums: Vec::new() }
    }

    fn add(&mut self, array: &ArrayRef, groups: &[usize], filter: Option<&BooleanArray>) -> PgResult<()> {
        let stored = array.as_binary::<i64>();
        for (row, &group) in groups.iter().enumerate() {
            if stored.is_valid(row) && passes(filter, row) {
                self.sums[group].add_stored(stored.value(row))?;
            }
        }
        Ok(())
    }

    fn merge(&mut self, states: &[ArrayRef], groups: &[usize]) -> PgResult<()> {
        let (counts, scales) = (states[0].as_primitive::<Int64Type>(), states[2].as_primitive::<Int32Type>());
        let rests = states[3].as_binary::<i64>();
        for (row, &group) in groups.iter().enumerate() {
            let part = Sum {
                count: counts.value(row),
                units: sum_at(&states[1], row).unwrap_or(0),
                scale: scales.value(row) as u32,
                rest: None,
            };
            let sum = &mut self.sums[group];
            sum.count += part.count;
            if !sum.add_units(part.units, part.scale) {
                sum.add_rest(&part.whole()?)?;
            }
            if rests.is_valid(row) {
                match Values::new(rests.value(row)).read()? {
                    Datum::Numeric(rest) => sum.add_rest(&rest)?,
                    other => return Err(other.mismatch("numeric")),
                }
            }
        }
        Ok(())
    }

    fn states(&mut self, to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sums = emit(&mut self.sums, to);
        let counts: Int64Array = sums.iter().map(|sum| Some(sum.count)).collect();
        let scales: Int32Array = sums.iter().map(|sum| Some(sum.scale as i32)).collect();
        let mut rests = Collector::new(Repr::Encoded, sums.len());
        for sum in &sums {
            match &sum.rest {
                Some(rest) => rests.push(&Datum::numeric((**rest).clone())).map_err(to_datafusion)?,
                None => rests.push_null(),
            }
        }
        let units = sums_array(sums.iter().map(|sum| Some(sum.units)))?;
        Ok(vec![Arc::new(counts), units, Arc::new(scales), rests.finish()])
    }
}

impl GroupsAccumulator for ExactSums {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.sums.resize(total, Sum::default());
        match values.first() {
            Some(array) => self.add(array, groups, filter).map_err(to_datafusion),
            None => Ok(()),
        }
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.sums.resize(total, Sum::default());
        self.merge(values, groups).map_err(to_datafusion)
    }

    fn evaluate(&mut self, to: EmitTo) -> Result<ArrayRef> {
        let sums = emit(&mut self.sums, to);
        let mut collector = Collector::new(Repr::Encoded, sums.len());
        for sum in &sums {
            let value = sum.result(self.average).map_err(to_datafusion)?;
            collector.push(&value).map_err(to_datafusion)?;
        }
        Ok(collector.finish())
    }

    fn state(&mut self, to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.states(to)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        each_row_alone(ExactSums::new(self.average), values, filter)
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<Sum>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(texts: &[&str]) -> ArrayRef {
        let mut collector = Collector::new(Repr::Encoded, texts.len());
        for text in texts {
            collector.push(&io::input(types::NUMERIC, -1, text, &*PLAIN).unwrap()).unwrap();
        }
        collector.finish()
    }

    /// In one part, and with every row a part of its own.
    fn check(texts: &[&str], expect: &str) {
        let array = stored(texts);
        let groups = vec![0; texts.len()];
        let mut whole = ExactSums::new(false);
        whole.update_batch(std::slice::from_ref(&array), &groups, None, 1).unwrap();
        let parts = whole.convert_to_state(&[array], None).unwrap();
        let mut merged = ExactSums::new(false);
        merged.merge_batch(&parts, &groups, 1).unwrap();
        for sums in [&mut whole, &mut merged] {
            let result = sums.sums[0].result(false).unwrap();
            assert_eq!(io::output_string(&result, types::NUMERIC, &*PLAIN).unwrap(), expect, "{texts:?}");
        }
    }

    #[test]
    fn sums_are_exact_and_show_the_largest_scale() {
        check(&["1.5", "2.25", "-0.000"], "3.750");
        check(&["0", "0.00"], "0.00");
        check(&["99999999999999999999", "0.000000000000000001"], "99999999999999999999.000000000000000001");
        check(&["1e40", "1", "-1e40", "0.5"], "1.5");
        check(&["1e-30", "1"], "1.000000000000000000000000000001");
        check(&["NaN", "1"], "NaN");
        check(&["Infinity", "1"], "Infinity");
        check(&["Infinity", "-Infinity", "1"], "NaN");
        let many = vec!["99999999999999999999.999999999999999999"; 2];
        check(&many, "199999999999999999999.999999999999999998");
    }
}
