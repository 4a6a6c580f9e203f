//! The row executor's compiled expressions, run over a batch of rows at once.
//!
//! A [`Program`] is a list of steps with forward jumps. Here each step is taken for all the rows that are
//! at it: a jump sets rows aside until the step they jump to, so that AND, OR, CASE and COALESCE look at
//! exactly the rows that the row executor would have them look at, and fail for no other. What a step
//! computes is what the row executor computes: the same functions, or a kernel that a test holds against
//! them.

use crate::flow::{Flow, Rows};
use crate::kernels;
use crate::repr::{Collector, Reader, Repr, repeat};
use arrow::array::{Array, ArrayRef, BooleanArray, UInt32Array};
use arrow::compute::{interleave, take};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{CallContext, Datum, PlainEnv, ScalarFn, compare, io};
use redoubt_plan::program::{ArrayOp, Program, SiteId, Step};
use redoubt_plan::{Plan, Slot};
use std::sync::Arc;

/// What expressions are computed with, shared by everything that works on one statement.
pub(crate) struct Surroundings {
    pub plan: Arc<Plan>,
    /// Constants, parameters and outer values: the frame when the subtree was started.
    pub frame: Vec<Datum>,
    /// The session's settings and times.
    pub env: PlainEnv,
}

/// The values of a slot for the rows of a batch.
#[derive(Clone, Debug)]
pub(crate) enum Column {
    /// One value for all.
    Same(Datum),
    /// One for each.
    Each(Repr, ArrayRef),
}

/// A batch while programs run over it: values by slot.
pub(crate) struct Batch<'s> {
    around: &'s Surroundings,
    columns: Vec<Option<Column>>,
    rows: usize,
}

/// A reader of a column, whichever it is.
enum Values<'a> {
    Same(&'a Datum),
    Each(Reader<'a>),
}

impl Values<'_> {
    #[inline]
    fn get(&self, row: usize) -> PgResult<Datum> {
        match self {
            Values::Same(datum) => Ok((*datum).clone()),
            Values::Each(reader) => reader.get(row),
        }
    }
}

impl<'s> Batch<'s> {
    pub(crate) fn new(around: &'s Surroundings, rows: usize) -> Self {
        Batch { around, columns: vec![None; around.frame.len()], rows }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Sets a slot for all rows.
    pub(crate) fn set(&mut self, slot: Slot, column: Column) {
        self.columns[slot.index()] = Some(column);
    }

    /// A slot's values.
    pub(crate) fn get(&self, slot: Slot) -> Column {
        match &self.columns[slot.index()] {
            Some(column) => column.clone(),
            None => Column::Same(self.around.frame[slot.index()].clone()),
        }
    }

    fn values(&self, slot: Slot) -> Values<'_> {
        match &self.columns[slot.index()] {
            None => Values::Same(&self.around.frame[slot.index()]),
            Some(Column::Same(datum)) => Values::Same(datum),
            Some(Column::Each(repr, array)) => Values::Each(Reader::new(*repr, array)),
        }
    }

    /// A slot's values as an array of the given layout, for some of the rows.
    pub(crate) fn array(&self, slot: Slot, repr: Repr, rows: &Rows) -> PgResult<ArrayRef> {
        let array = match self.get(slot) {
            Column::Same(datum) => return repeat(repr, &datum, rows.len(self.rows)),
            Column::Each(held, array) if held == repr => array,
            Column::Each(held, _) => {
                return Err(PgError::internal(format!(
                    "a column of layout {held:?} where {repr:?} is planned"
                )));
            }
        };
        match rows {
            Rows::All => Ok(array),
            Rows::Some(rows) => take(&array, &UInt32Array::from(rows.clone()), None)
                .map_err(|e| PgError::internal(e.to_string())),
        }
    }

    /// A slot's values as an array, with their layout.
    pub(crate) fn whole(&self, slot: Slot) -> PgResult<(Repr, ArrayRef)> {
        match self.get(slot) {
            Column::Each(repr, array) => Ok((repr, array)),
            Column::Same(datum) => {
                let repr = Repr::of_datum(&datum).unwrap_or(Repr::Encoded);
                Ok((repr, repeat(repr, &datum, self.rows)?))
            }
        }
    }

    /// The rows in which a boolean slot is true.
    pub(crate) fn true_rows(&self, slot: Slot) -> PgResult<Rows> {
        Ok(self.split(slot, &Rows::All, |value| value == Some(true))?.0)
    }

    /// The batch of these rows alone.
    pub(crate) fn keep(self, rows: &[u32]) -> PgResult<Batch<'s>> {
        let picks = UInt32Array::from(rows.to_vec());
        let mut columns = self.columns;
        for column in columns.iter_mut().flatten() {
            if let Column::Each(_, array) = column {
                *array = take(array, &picks, None).map_err(|error| PgError::internal(error.to_string()))?;
            }
        }
        Ok(Batch { around: self.around, columns, rows: rows.len() })
    }

    /// Runs a program for the given rows; answers with those for which no conjunct failed.
    pub(crate) fn run(&mut self, program: &Program, rows: Rows) -> PgResult<Rows> {
        let mut flow = Flow::new(rows, self.rows);
        for (at, step) in program.steps.iter().enumerate() {
            flow.arrive(at as u32);
            if flow.active.is_empty(self.rows) {
                continue;
            }
            self.step(step, &mut flow)?;
        }
        flow.arrive(program.steps.len() as u32);
        Ok(flow.finish())
    }

    fn step(&mut self, step: &Step, flow: &mut Flow) -> PgResult<()> {
        match step {
            Step::Copy { from, to } => {
                let column = self.get(*from);
                self.put_taken(*to, column, &flow.active)
            }
            Step::Fast { op, left, right, out } => {
                let (left, right) = (self.operand(*left, &flow.active)?, self.operand(*right, &flow.active)?);
                let column = kernels::apply(*op, &left, &right, flow.active.len(self.rows))?;
                self.put(*out, column, &flow.active)
            }
            Step::Call { function, args, count, strict, out, site } => {
                self.call(*function, *args, *count, *strict, *out, *site, &flow.active)
            }
            Step::Require(condition) => {
                let (yes, _) = self.split(*condition, &flow.active, |value| value == Some(true))?;
                flow.active = yes;
                Ok(())
            }
            Step::Jump(to) => {
                let rows = std::mem::replace(&mut flow.active, Rows::Some(Vec::new()));
                flow.wait(*to, rows);
                Ok(())
            }
            Step::JumpUnless { condition, to } => {
                let (yes, no) = self.split(*condition, &flow.active, |value| value == Some(true))?;
                flow.active = yes;
                flow.wait(*to, no);
                Ok(())
            }
            Step::JumpIfNotNull { value, to } => {
                let (null, present) = self.split_null(*value, &flow.active);
                flow.active = null;
                flow.wait(*to, present);
                Ok(())
            }
            Step::And { arg, out, first, end } => self.connect(*arg, *out, *first, true, *end, flow),
            Step::Or { arg, out, first, end } => self.connect(*arg, *out, *first, false, *end, flow),
            other => self.other_step(other, &flow.active),
        }
    }

    fn other_step(&mut self, step: &Step, rows: &Rows) -> PgResult<()> {
        match step {
            Step::Not { arg, out } => {
                let column = self.booleans(*arg, rows, |value| value.map(|value| !value))?;
                self.put(*out, column, rows)
            }
            Step::BooleanTest { arg, value, negated, out } => {
                let column = self.booleans(*arg, rows, |known| Some((known == *value) != *negated))?;
                self.put(*out, column, rows)
            }
            Step::IsNull { arg, negated, out } => {
                let column = match self.operand(*arg, rows)? {
                    Column::Same(datum) => Column::Same(Datum::Bool(datum.is_null() != *negated)),
                    Column::Each(_, array) => {
                        let nulls: BooleanArray =
                            (0..array.len()).map(|row| Some(array.is_null(row) != *negated)).collect();
                        Column::Each(Repr::Bool, Arc::new(nulls))
                    }
                };
                self.put(*out, column, rows)
            }
            Step::Distinct { function, args, negated, out, site } => {
                let (left, right) = (*args, args.plus(1));
                self.each_row(*out, Repr::Bool, rows, |batch, row| {
                    let pair = [batch.values(left).get(row)?, batch.values(right).get(row)?];
                    Ok(Datum::Bool(batch.equal(*function, &pair, *site)? == *negated))
                })
            }
            Step::NullIf { function, args, out, site } => {
                let (left, right) = (*args, args.plus(1));
                let repr = self.repr_of(left)?;
                self.each_row(*out, repr, rows, |batch, row| {
                    let pair = [batch.values(left).get(row)?, batch.values(right).get(row)?];
                    let both = !pair[0].is_null() && !pair[1].is_null();
                    let [left, right] = pair;
                    let same = both && batch.equal(*function, &[left.clone(), right], *site)?;
                    Ok(if same { Datum::Null } else { left })
                })
            }
            Step::MinMax { greatest, args, count, type_oid, out } => {
                let repr = Repr::of_type(*type_oid).ok_or_else(|| not_here("GREATEST"))?;
                self.each_row(*out, repr, rows, |batch, row| {
                    let mut best = Datum::Null;
                    for at in 0..usize::from(*count) {
                        let value = batch.values(args.plus(at)).get(row)?;
                        if value.is_null() {
                            continue;
                        }
                        let order = compare::cmp(*type_oid, &value, &best);
                        if best.is_null() || (if *greatest { order.is_gt() } else { order.is_lt() }) {
                            best = value;
                        }
                    }
                    Ok(best)
                })
            }
            Step::ViaText { arg, from, to, typmod, out } => {
                let repr = Repr::of_type(*to).ok_or_else(|| not_here("a cast"))?;
                self.each_row(*out, repr, rows, |batch, row| match batch.values(*arg).get(row)? {
                    Datum::Null => Ok(Datum::Null),
                    value => {
                        let text = io::output_string(&value, *from, &batch.around.env)?;
                        io::input(*to, *typmod, &text, &batch.around.env)
                    }
                })
            }
            Step::ArrayOp(op) => {
                self.each_row(op.out, Repr::Bool, rows, |batch, row| batch.array_op(op, row))
            }
            Step::Unsupported(what) => Err(PgError::unsupported(what)),
            other => Err(not_here(&format!("{other:?}"))),
        }
    }

    /// A call of a function of the library, row by row.
    #[allow(clippy::too_many_arguments)]
    fn call(
        &mut self,
        function: ScalarFn,
        args: Slot,
        count: u16,
        strict: bool,
        out: Slot,
        site: SiteId,
        rows: &Rows,
    ) -> PgResult<()> {
        let slots: Vec<Slot> = (0..usize::from(count)).map(|at| args.plus(at)).collect();
        let context = self.context(site);
        let constant = slots.iter().all(|slot| matches!(self.get(*slot), Column::Same(_)));
        if constant {
            let values: Vec<Datum> =
                slots.iter().map(|slot| self.values(*slot).get(0)).collect::<PgResult<_>>()?;
            let null = strict && values.iter().any(Datum::is_null);
            let value = if null { Datum::Null } else { function(&context, &values)? };
            return self.put(out, Column::Same(value), rows);
        }
        let result = &self.around.plan.call_sites[site.0 as usize].result_type;
        let repr = Repr::of_type(*result).ok_or_else(|| not_here("a function's result"))?;
        if let Some(operands) = self.fast_operands(&slots, rows)? {
            let proc_oid = self.around.plan.call_sites[site.0 as usize].proc_oid;
            if let Some(column) = kernels::call(proc_oid, &operands, rows.len(self.rows))? {
                return self.put(out, column, rows);
            }
        }
        let mut collector = Collector::new(repr, rows.len(self.rows));
        {
            let readers: Vec<Values<'_>> = slots.iter().map(|slot| self.values(*slot)).collect();
            let mut values = vec![Datum::Null; readers.len()];
            for row in rows.iter(self.rows) {
                for (value, reader) in values.iter_mut().zip(&readers) {
                    *value = reader.get(row)?;
                }
                if strict && values.iter().any(Datum::is_null) {
                    collector.push_null();
                } else {
                    collector.push(&function(&context, &values)?)?;
                }
            }
        }
        self.put(out, Column::Each(repr, collector.finish()), rows)
    }

    /// Operands of a call with two of them, which is what kernels exist for.
    fn fast_operands(&self, slots: &[Slot], rows: &Rows) -> PgResult<Option<[Column; 2]>> {
        let &[left, right] = slots else { return Ok(None) };
        Ok(Some([self.operand(left, rows)?, self.operand(right, rows)?]))
    }

    fn context(&self, site: SiteId) -> CallContext<'s> {
        let around: &'s Surroundings = self.around;
        let site = &around.plan.call_sites[site.0 as usize];
        CallContext {
            collation: site.collation,
            arg_types: &site.arg_types,
            result_type: site.result_type,
            variadic: site.variadic,
            ..CallContext::new(&around.env)
        }
    }

    fn equal(&self, function: ScalarFn, pair: &[Datum; 2], site: SiteId) -> PgResult<bool> {
        match (&pair[0], &pair[1]) {
            (Datum::Null, Datum::Null) => Ok(true),
            (Datum::Null, _) | (_, Datum::Null) => Ok(false),
            _ => Ok(matches!(function(&self.context(site), pair)?, Datum::Bool(true))),
        }
    }

    /// `value op ANY|ALL (array)` for one row; NULL as soon as one comparison is unknown and none decides.
    fn array_op(&self, op: &ArrayOp, row: usize) -> PgResult<Datum> {
        let Datum::Array(array) = self.values(op.array).get(row)? else { return Ok(Datum::Null) };
        let left = self.values(op.args).get(row)?;
        if array.elems.is_empty() {
            return Ok(Datum::Bool(!op.any));
        }
        if left.is_null() && op.strict {
            return Ok(Datum::Null);
        }
        let context = self.context(op.site);
        let mut unknown = false;
        let mut pair = [left, Datum::Null];
        for element in array.elems.iter() {
            if element.is_null() && op.strict {
                unknown = true;
                continue;
            }
            pair[1] = element.clone();
            match (op.function)(&context, &pair)? {
                Datum::Bool(value) if value == op.any => return Ok(Datum::Bool(value)),
                Datum::Bool(_) => {}
                _ => unknown = true,
            }
        }
        Ok(if unknown { Datum::Null } else { Datum::Bool(!op.any) })
    }

    /// Computes a slot row by row.
    fn each_row(
        &mut self,
        out: Slot,
        repr: Repr,
        rows: &Rows,
        compute: impl Fn(&Self, usize) -> PgResult<Datum>,
    ) -> PgResult<()> {
        let mut collector = Collector::new(repr, rows.len(self.rows));
        for row in rows.iter(self.rows) {
            collector.push(&compute(self, row)?)?;
        }
        self.put(out, Column::Each(repr, collector.finish()), rows)
    }

    /// The layout of a slot's values, where they are all NULL that of a stored form.
    fn repr_of(&self, slot: Slot) -> PgResult<Repr> {
        Ok(match self.get(slot) {
            Column::Each(repr, _) => repr,
            Column::Same(datum) => Repr::of_datum(&datum).unwrap_or(Repr::Encoded),
        })
    }

    /// A slot's values for these rows alone.
    fn operand(&self, slot: Slot, rows: &Rows) -> PgResult<Column> {
        match (self.get(slot), rows) {
            (Column::Each(repr, array), Rows::Some(rows)) => {
                let taken = take(&array, &UInt32Array::from(rows.clone()), None)
                    .map_err(|error| PgError::internal(error.to_string()))?;
                Ok(Column::Each(repr, taken))
            }
            (column, _) => Ok(column),
        }
    }

    /// Sets a slot for these rows to the same rows of a column.
    fn put_taken(&mut self, slot: Slot, column: Column, rows: &Rows) -> PgResult<()> {
        let column = match (column, rows) {
            (Column::Each(repr, array), Rows::Some(rows)) => {
                let taken = take(&array, &UInt32Array::from(rows.clone()), None)
                    .map_err(|error| PgError::internal(error.to_string()))?;
                Column::Each(repr, taken)
            }
            (column, _) => column,
        };
        self.put(slot, column, rows)
    }

    /// Sets a slot for these rows; `column` has one value for each of them.
    fn put(&mut self, slot: Slot, column: Column, rows: &Rows) -> PgResult<()> {
        let Rows::Some(rows) = rows else {
            self.set(slot, column);
            return Ok(());
        };
        let old = self.columns[slot.index()].take().unwrap_or(Column::Same(Datum::Null));
        let repr = match (&column, &old) {
            (Column::Each(repr, _), _) | (Column::Same(Datum::Null), Column::Each(repr, _)) => *repr,
            (Column::Same(new), Column::Each(..)) => Repr::of_datum(new).expect("NULL was matched before"),
            (Column::Same(new), Column::Same(old)) => {
                Repr::of_datum(new).or(Repr::of_datum(old)).unwrap_or(Repr::Encoded)
            }
        };
        let new = as_array(column, repr, rows.len())?;
        let old = match old {
            Column::Each(held, array) if held == repr => array,
            Column::Same(datum) if Repr::of_datum(&datum).is_none_or(|held| held == repr) => {
                repeat(repr, &datum, self.rows)?
            }
            // What another program left there is never read again under another layout.
            _ => repeat(repr, &Datum::Null, self.rows)?,
        };
        let mut picks: Vec<(usize, usize)> = (0..self.rows).map(|row| (0, row)).collect();
        for (at, row) in rows.iter().enumerate() {
            picks[*row as usize] = (1, at);
        }
        let merged =
            interleave(&[&old, &new], &picks).map_err(|error| PgError::internal(error.to_string()))?;
        self.set(slot, Column::Each(repr, merged));
        Ok(())
    }

    /// A boolean function of a boolean slot; `None` is NULL.
    fn booleans(
        &self,
        slot: Slot,
        rows: &Rows,
        of: impl Fn(Option<bool>) -> Option<bool>,
    ) -> PgResult<Column> {
        Ok(match self.operand(slot, rows)? {
            Column::Same(datum) => Column::Same(match of(known(&datum)) {
                Some(value) => Datum::Bool(value),
                None => Datum::Null,
            }),
            Column::Each(_, array) => {
                let values: BooleanArray = truths(&array)?.iter().map(of).collect();
                Column::Each(Repr::Bool, Arc::new(values))
            }
        })
    }

    /// Rows by whether a boolean slot passes the test.
    fn split(&self, slot: Slot, rows: &Rows, test: impl Fn(Option<bool>) -> bool) -> PgResult<(Rows, Rows)> {
        match self.get(slot) {
            Column::Same(datum) if test(known(&datum)) => Ok((rows.clone(), Rows::Some(Vec::new()))),
            Column::Same(_) => Ok((Rows::Some(Vec::new()), rows.clone())),
            Column::Each(_, array) => {
                let truths = truths(&array)?;
                let test = |row: usize| test((!truths.is_null(row)).then(|| truths.value(row)));
                Ok(self.partition(rows, test))
            }
        }
    }

    /// Rows in which a slot is NULL, and the others.
    fn split_null(&self, slot: Slot, rows: &Rows) -> (Rows, Rows) {
        match self.get(slot) {
            Column::Same(Datum::Null) => (rows.clone(), Rows::Some(Vec::new())),
            Column::Same(_) => (Rows::Some(Vec::new()), rows.clone()),
            Column::Each(_, array) => self.partition(rows, |row| array.is_null(row)),
        }
    }

    fn partition(&self, rows: &Rows, test: impl Fn(usize) -> bool) -> (Rows, Rows) {
        let (mut yes, mut no) = (Vec::new(), Vec::new());
        for row in rows.iter(self.rows) {
            if test(row) { yes.push(row as u32) } else { no.push(row as u32) }
        }
        (Rows::of(yes, self.rows), Rows::of(no, self.rows))
    }

    /// Takes one argument into an AND or OR; rows whose answer is known go to its end.
    fn connect(
        &mut self,
        arg: Slot,
        out: Slot,
        first: bool,
        and: bool,
        end: u32,
        flow: &mut Flow,
    ) -> PgResult<()> {
        // FALSE decides an AND, TRUE an OR.
        let (decided, open) = self.split(arg, &flow.active, |value| value == Some(!and))?;
        if !decided.is_empty(self.rows) {
            self.put(out, Column::Same(Datum::Bool(!and)), &decided)?;
        }
        if !open.is_empty(self.rows) {
            let (neutral, unknown) = self.split(arg, &open, |value| value == Some(and))?;
            if first && !neutral.is_empty(self.rows) {
                self.put(out, Column::Same(Datum::Bool(and)), &neutral)?;
            }
            if !unknown.is_empty(self.rows) {
                self.put_null_bool(out, &unknown)?;
            }
        }
        flow.active = open;
        flow.wait(end, decided);
        Ok(())
    }

    fn put_null_bool(&mut self, out: Slot, rows: &Rows) -> PgResult<()> {
        let nulls = repeat(Repr::Bool, &Datum::Null, rows.len(self.rows))?;
        self.put(out, Column::Each(Repr::Bool, nulls), rows)
    }
}

/// A column with one value per row.
pub(crate) fn as_array(column: Column, repr: Repr, rows: usize) -> PgResult<ArrayRef> {
    match column {
        Column::Same(datum) => repeat(repr, &datum, rows),
        Column::Each(held, array) if held == repr => Ok(array),
        Column::Each(held, _) => {
            Err(PgError::internal(format!("a column of layout {held:?} where {repr:?} is planned")))
        }
    }
}

fn truths(array: &ArrayRef) -> PgResult<&BooleanArray> {
    array.as_any().downcast_ref().ok_or_else(|| PgError::internal("a condition that is no boolean"))
}

fn known(datum: &Datum) -> Option<bool> {
    match datum {
        Datum::Bool(value) => Some(*value),
        _ => None,
    }
}

/// For steps that translation has let pass by mistake: an error, not a wrong answer.
fn not_here(what: &str) -> PgError {
    PgError::unsupported(format!("{what} in DataFusion"))
}
