//! Evaluating a `jsonpath` over a `jsonb` (PostgreSQL's `jsonpath_exec.c`).
//!
//! In lax mode arrays are unwrapped where a single item is wanted, single items count as arrays of
//! one, and structural errors end in nothing found. Predicates turn errors into *unknown*.

use crate::jsonpath::{Binary, Chain, JsonPath, Method, Step, Unary};
use crate::jsonpath_item::Item;
use crate::numeric::Numeric;
use crate::{CallContext, Datum, Jsonb};
use redoubt_error::{PgError, SqlState, code};

/// Why an evaluation stopped.
pub(crate) enum Fault {
    /// An error that predicates and the argument `silent` suppress.
    Suppressible(PgError),
    /// An error that nothing suppresses.
    Hard(PgError),
}

/// The result of a step of the evaluation.
pub(crate) type Outcome<T> = Result<T, Fault>;

impl From<PgError> for Fault {
    fn from(error: PgError) -> Self {
        Fault::Hard(error)
    }
}

fn fault<T>(code: SqlState, message: impl Into<String>) -> Outcome<T> {
    Err(Fault::Suppressible(PgError::new(code, message)))
}

/// Where results go; `None` when only their existence is asked for, which may end the work early.
pub(crate) type Found<'f, 'a> = Option<&'f mut Vec<Item<'a>>>;

/// One evaluation.
pub(crate) struct Evaluation<'a, 'c> {
    ctx: &'c CallContext<'c>,
    vars: Option<&'a Jsonb>,
    pub(crate) lax: bool,
    ignore_structural_errors: bool,
    root: Item<'a>,
    /// What `@` means.
    current: Item<'a>,
    /// The length of the array whose subscript is evaluated, for `last`.
    array_len: Option<usize>,
    next_object_id: i64,
}

/// Evaluates a path. Results go to `found`; without it the answer says whether there is any.
///
/// # Errors
/// [`Fault`]; what was found before it stays in `found`.
pub(crate) fn evaluate<'a, 'c>(
    ctx: &'c CallContext<'c>,
    path: &JsonPath,
    value: &'a Jsonb,
    vars: Option<&'a Jsonb>,
    found: Found<'_, 'a>,
) -> Outcome<bool> {
    if vars.is_some_and(|vars| !matches!(vars, Jsonb::Object(_))) {
        let error = PgError::new(code::INVALID_PARAMETER_VALUE, "\"vars\" argument is not an object");
        let detail = "Jsonpath parameters should be encoded as key-value pairs of \"vars\" object.";
        return Err(Fault::Hard(error.detail(detail)));
    }
    let root = Item::root(value, 0);
    let mut evaluation = Evaluation {
        ctx,
        vars,
        lax: path.lax,
        ignore_structural_errors: path.lax,
        current: root.clone(),
        root: root.clone(),
        array_len: None,
        next_object_id: if vars.is_some() { 2 } else { 1 },
    };
    if !path.lax && found.is_none() {
        // In strict mode everything is looked at, since an error may come late.
        let mut all = Vec::new();
        evaluation.execute(&path.expr.0, &root, Some(&mut all))?;
        return Ok(!all.is_empty());
    }
    evaluation.execute(&path.expr.0, &root, found)
}

impl<'a> Evaluation<'a, '_> {
    pub(crate) fn execute(&mut self, steps: &[Step], item: &Item<'a>, found: Found<'_, 'a>) -> Outcome<bool> {
        self.execute_unwrapping(steps, item, found, self.lax)
    }

    /// Goes on behind the current step, or delivers the item when that was the last.
    fn next(&mut self, steps: &[Step], item: Item<'a>, found: Found<'_, 'a>) -> Outcome<bool> {
        match (&steps[1..], found) {
            ([], Some(found)) => found.push(item),
            ([], None) => {}
            (rest, found) => return self.execute(rest, &item, found),
        }
        Ok(true)
    }

    /// Applies the first step to an item, or to its elements if it is an array and `unwrap` says so.
    fn execute_unwrapping(
        &mut self,
        steps: &[Step],
        item: &Item<'a>,
        mut found: Found<'_, 'a>,
        unwrap: bool,
    ) -> Outcome<bool> {
        self.ctx.env.check_interrupts()?;
        let unwraps = matches!(
            steps[0],
            Step::Key(_)
                | Step::AnyKey
                | Step::Filter(_)
                | Step::Datetime(_)
                | Step::Method(
                    Method::Abs | Method::Floor | Method::Ceiling | Method::Double | Method::KeyValue
                )
        );
        if unwrap && unwraps && item.is_array() {
            return self.elements(steps, item, found, false);
        }
        match &steps[0] {
            Step::Binary(
                operator @ (Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Mod),
                left,
                right,
            ) => {
                let number = self.arithmetic(*operator, left, right, item)?;
                self.next(steps, Item::made(Jsonb::Number(number)), found)
            }
            Step::Unary(operator @ (Unary::Plus | Unary::Minus), operand) => {
                self.signed(*operator, operand, steps, item, found)
            }
            Step::Binary(..) | Step::Unary(..) | Step::LikeRegex { .. } => {
                let truth = self.truth(&steps[0], item)?;
                self.next(steps, Item::made(truth.map_or(Jsonb::Null, Jsonb::Bool)), found)
            }
            Step::Null => self.next(steps, Item::made(Jsonb::Null), found),
            Step::Bool(value) => self.next(steps, Item::made(Jsonb::Bool(*value)), found),
            Step::Number(value) => self.next(steps, Item::made(Jsonb::Number(value.clone())), found),
            Step::String(value) => self.next(steps, Item::made(Jsonb::String(value.as_str().into())), found),
            Step::Variable(name) => {
                let value = self.variable(name)?;
                self.next(steps, value, found)
            }
            Step::Root => self.next(steps, self.root.clone(), found),
            Step::Current => self.next(steps, self.current.clone(), found),
            Step::Last => {
                let len = self.array_len.ok_or_else(|| {
                    PgError::internal("evaluating jsonpath LAST outside of array subscript")
                })?;
                let last = Numeric::from(len as i64 - 1);
                self.next(steps, Item::made(Jsonb::Number(last)), found)
            }
            Step::Key(key) => match item.member(key) {
                Some(member) => self.next(steps, member, found),
                None if self.ignore_structural_errors => Ok(false),
                None if item.is_object() => fault(
                    code::SQL_JSON_MEMBER_NOT_FOUND,
                    format!("JSON object does not contain key \"{key}\""),
                ),
                None => fault(
                    code::SQL_JSON_MEMBER_NOT_FOUND,
                    "jsonpath member accessor can only be applied to an object",
                ),
            },
            Step::AnyKey if item.is_object() => self.elements(&steps[1..], item, found, self.lax),
            Step::AnyKey => self.structural(
                code::SQL_JSON_OBJECT_NOT_FOUND,
                "jsonpath wildcard member accessor can only be applied to an object",
            ),
            Step::AnyArray if item.is_array() => self.elements(&steps[1..], item, found, self.lax),
            Step::AnyArray if self.lax => self.next(steps, item.clone(), found),
            Step::AnyArray => self.structural(
                code::SQL_JSON_ARRAY_NOT_FOUND,
                "jsonpath wildcard array accessor can only be applied to an array",
            ),
            Step::Subscripts(subscripts) if item.is_array() || self.lax => {
                let outer = self.array_len.replace(item.array_len().unwrap_or(1));
                let result = self.subscripts(subscripts, steps, item, found);
                self.array_len = outer;
                result
            }
            Step::Subscripts(_) => self.structural(
                code::SQL_JSON_ARRAY_NOT_FOUND,
                "jsonpath array accessor can only be applied to an array",
            ),
            Step::Any { first, last } => {
                let mut any = false;
                if *first == 0 {
                    any = self.without_structural_errors(|this| {
                        this.next(steps, item.clone(), found.as_deref_mut())
                    })?;
                    if any && found.is_none() {
                        return Ok(true);
                    }
                }
                let deeper = Levels { first: *first, last: *last, ignore: true, unwrap: self.lax };
                Ok(self.levels(&steps[1..], item, found, 1, &deeper)? || any)
            }
            Step::Filter(predicate) => {
                let outer = std::mem::replace(&mut self.current, item.clone());
                let truth = self.truth(&predicate.0[0], item);
                self.current = outer;
                if truth? == Some(true) { self.next(steps, item.clone(), found) } else { Ok(false) }
            }
            Step::Method(method) => self.method(*method, steps, item, found),
            Step::Datetime(_) => Err(Fault::Hard(PgError::unsupported("jsonpath item method .datetime()"))),
        }
    }

    /// An error about a value's structure, where those count.
    fn structural(&self, code: SqlState, message: &str) -> Outcome<bool> {
        if self.ignore_structural_errors { Ok(false) } else { fault(code, message) }
    }

    fn without_structural_errors<T>(&mut self, body: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        let outer = std::mem::replace(&mut self.ignore_structural_errors, true);
        let result = body(self);
        self.ignore_structural_errors = outer;
        result
    }

    fn variable(&self, name: &str) -> Outcome<Item<'a>> {
        let Some(vars) = self.vars else { return Ok(Item::made(Jsonb::Null)) };
        Item::root(vars, 1).member(name).ok_or_else(|| {
            let message = format!("could not find jsonpath variable \"{name}\"");
            Fault::Hard(PgError::new(code::UNDEFINED_OBJECT, message))
        })
    }

    /// Applies the steps, if any, to every part of a container.
    fn elements(
        &mut self,
        steps: &[Step],
        item: &Item<'a>,
        found: Found<'_, 'a>,
        unwrap: bool,
    ) -> Outcome<bool> {
        self.levels(steps, item, found, 1, &Levels { first: 1, last: 1, ignore: false, unwrap })
    }

    /// Applies the steps to the parts of a container on a range of levels.
    fn levels(
        &mut self,
        steps: &[Step],
        item: &Item<'a>,
        mut found: Found<'_, 'a>,
        level: u32,
        levels: &Levels,
    ) -> Outcome<bool> {
        let mut any = false;
        if level > levels.last {
            return Ok(false);
        }
        for part in item.parts() {
            let leaves_only = levels.first == u32::MAX && levels.last == u32::MAX;
            if level >= levels.first || leaves_only && !part.is_container() {
                if steps.is_empty() {
                    match &mut found {
                        Some(found) => found.push(part.clone()),
                        None => return Ok(true),
                    }
                    any = true;
                } else {
                    let inner = found.as_deref_mut();
                    any = if levels.ignore {
                        self.without_structural_errors(|this| {
                            this.execute_unwrapping(steps, &part, inner, levels.unwrap)
                        })?
                    } else {
                        self.execute_unwrapping(steps, &part, inner, levels.unwrap)?
                    };
                    if any && found.is_none() {
                        break;
                    }
                }
            }
            if level < levels.last && part.is_container() {
                any = self.levels(steps, &part, found.as_deref_mut(), level + 1, levels)?;
                if any && found.is_none() {
                    break;
                }
            }
        }
        Ok(any)
    }

    fn subscripts(
        &mut self,
        subscripts: &[(Chain, Option<Chain>)],
        steps: &[Step],
        item: &Item<'a>,
        mut found: Found<'_, 'a>,
    ) -> Outcome<bool> {
        let len = self.array_len.unwrap_or(1) as i64;
        let mut any = false;
        for (from, to) in subscripts {
            let from = self.array_index(from, item)?;
            let to = match to {
                Some(to) => self.array_index(to, item)?,
                None => from,
            };
            if !self.ignore_structural_errors && (from < 0 || from > to || to >= len) {
                return fault(code::INVALID_SQL_JSON_SUBSCRIPT, "jsonpath array subscript is out of bounds");
            }
            for at in from.max(0)..=to.min(len - 1) {
                let part = if item.is_array() { item.element(at as usize) } else { Some(item.clone()) };
                let Some(part) = part else { continue };
                any = self.next(steps, part, found.as_deref_mut())?;
                if any && found.is_none() {
                    return Ok(true);
                }
            }
        }
        Ok(any)
    }

    fn array_index(&mut self, chain: &Chain, item: &Item<'a>) -> Outcome<i64> {
        let mut values = Vec::new();
        self.execute(&chain.0, item, Some(&mut values))?;
        let [value] = &values[..] else { return not_an_index() };
        let Jsonb::Number(number) = value.value() else { return not_an_index() };
        let index = number.clone().truncated(0).to_i64().filter(|index| i32::try_from(*index).is_ok());
        index.map_or_else(
            || fault(code::INVALID_SQL_JSON_SUBSCRIPT, "jsonpath array subscript is out of integer range"),
            Ok,
        )
    }

    /// The items of an operand; in lax mode arrays among them give their elements.
    pub(crate) fn operand(&mut self, chain: &Chain, item: &Item<'a>, unwrap: bool) -> Outcome<Vec<Item<'a>>> {
        let mut values = Vec::new();
        self.execute(&chain.0, item, Some(&mut values))?;
        if !(unwrap && self.lax) {
            return Ok(values);
        }
        let mut unwrapped = Vec::with_capacity(values.len());
        for value in values {
            if value.is_array() { unwrapped.extend(value.parts()) } else { unwrapped.push(value) }
        }
        Ok(unwrapped)
    }

    fn arithmetic(
        &mut self,
        operator: Binary,
        left: &Chain,
        right: &Chain,
        item: &Item<'a>,
    ) -> Outcome<Numeric> {
        let left = self.operand(left, item, true)?;
        let right = self.operand(right, item, true)?;
        let single = |values: &[Item<'a>], side: &str| match values {
            [value] => match value.value() {
                Jsonb::Number(number) => Ok(number.clone()),
                _ => not_a_number(operator, side),
            },
            _ => not_a_number(operator, side),
        };
        let (left, right) = (single(&left, "left")?, single(&right, "right")?);
        let result = match operator {
            Binary::Add => left.plus(&right),
            Binary::Sub => left.minus(&right),
            Binary::Mul => left.times(&right),
            Binary::Div => left.divide(&right),
            _ => left.remainder(&right),
        };
        result.map_err(Fault::Suppressible)
    }

    fn signed(
        &mut self,
        operator: Unary,
        operand: &Chain,
        steps: &[Step],
        item: &Item<'a>,
        mut found: Found<'_, 'a>,
    ) -> Outcome<bool> {
        let values = self.operand(operand, item, true)?;
        let only_existence = found.is_none() && steps.len() == 1;
        let mut any = false;
        for value in values {
            let number = match value.value() {
                Jsonb::Number(number) => number.clone(),
                _ if only_existence => continue,
                _ => {
                    let sign = if operator == Unary::Minus { '-' } else { '+' };
                    let message = format!("operand of unary jsonpath operator {sign} is not a numeric value");
                    return fault(code::SQL_JSON_NUMBER_NOT_FOUND, message);
                }
            };
            let number = if operator == Unary::Minus { number.negated() } else { number };
            if self.next(steps, Item::made(Jsonb::Number(number)), found.as_deref_mut())? {
                any = true;
                if found.is_none() {
                    return Ok(true);
                }
            }
        }
        Ok(any)
    }

    fn method(
        &mut self,
        method: Method,
        steps: &[Step],
        item: &Item<'a>,
        found: Found<'_, 'a>,
    ) -> Outcome<bool> {
        let made = match method {
            Method::Type => Jsonb::String(item.value().type_name().into()),
            Method::Size => match item.array_len() {
                Some(len) => Jsonb::Number(Numeric::from(len as i64)),
                None if self.lax => Jsonb::Number(Numeric::one()),
                None => {
                    return self.structural(
                        code::SQL_JSON_ARRAY_NOT_FOUND,
                        "jsonpath item method .size() can only be applied to an array",
                    );
                }
            },
            Method::Double => self.double(item.value())?,
            Method::KeyValue => return self.key_values(steps, item, found),
            Method::Abs | Method::Floor | Method::Ceiling => {
                let Jsonb::Number(number) = item.value() else {
                    let name = method.name();
                    let message =
                        format!("jsonpath item method .{name}() can only be applied to a numeric value");
                    return fault(code::NON_NUMERIC_SQL_JSON_ITEM, message);
                };
                let function = match method {
                    Method::Abs => "numeric_abs",
                    Method::Floor => "numeric_floor",
                    _ => "numeric_ceil",
                };
                Jsonb::Number(self.call(function, Datum::numeric(number.clone()))?)
            }
        };
        self.next(steps, Item::made(made), found)
    }

    /// Calls a built-in function that makes a `numeric`.
    fn call(&self, function: &str, arg: Datum) -> Outcome<Numeric> {
        let function = crate::builtin(function).ok_or_else(|| PgError::internal("a function is missing"))?;
        Ok(function(self.ctx, &[arg])?.as_numeric()?.clone())
    }

    fn double(&self, value: &Jsonb) -> Outcome<Jsonb> {
        let (text, what) = match value {
            Jsonb::Number(number) => (number.to_string(), "numeric"),
            Jsonb::String(text) => (text.to_string(), "string"),
            _ => {
                return fault(
                    code::NON_NUMERIC_SQL_JSON_ITEM,
                    "jsonpath item method .double() can only be applied to a string or numeric value",
                );
            }
        };
        let parsed = crate::io::input(crate::types::FLOAT8, -1, &text, self.ctx.env);
        let number = parsed.and_then(|datum| datum.as_float8()).ok().filter(|number| number.is_finite());
        match (number, value) {
            (Some(_), Jsonb::Number(number)) => Ok(Jsonb::Number(number.clone())),
            (Some(number), _) => Ok(Jsonb::Number(self.call("float8_numeric", Datum::Float8(number))?)),
            (None, Jsonb::Number(_)) => fault(
                code::NON_NUMERIC_SQL_JSON_ITEM,
                format!(
                    "{what} argument of jsonpath item method .double() is out of range for type double precision"
                ),
            ),
            (None, _) => fault(
                code::NON_NUMERIC_SQL_JSON_ITEM,
                format!(
                    "{what} argument of jsonpath item method .double() is not a valid representation of a \
                     double precision number"
                ),
            ),
        }
    }

    fn key_values(&mut self, steps: &[Step], item: &Item<'a>, mut found: Found<'_, 'a>) -> Outcome<bool> {
        let Jsonb::Object(members) = item.value() else {
            return fault(
                code::SQL_JSON_OBJECT_NOT_FOUND,
                "jsonpath item method .keyvalue() can only be applied to an object",
            );
        };
        let id = Jsonb::Number(Numeric::from(item.object_id()));
        let mut any = false;
        for (key, value) in members {
            let pair = Jsonb::object(vec![
                ("key".into(), Jsonb::String(key.clone())),
                ("value".into(), value.clone()),
                ("id".into(), id.clone()),
            ])?;
            let base = self.next_object_id;
            self.next_object_id += 1;
            any = self.next(steps, Item::made_base(pair, base), found.as_deref_mut())?;
            if any && found.is_none() {
                break;
            }
        }
        Ok(any)
    }
}

/// Which levels of a value `.**` and its kin look at.
struct Levels {
    first: u32,
    last: u32,
    /// Structural errors do not count.
    ignore: bool,
    /// The step behind unwraps arrays.
    unwrap: bool,
}

fn not_an_index<T>() -> Outcome<T> {
    fault(code::INVALID_SQL_JSON_SUBSCRIPT, "jsonpath array subscript is not a single numeric value")
}

fn not_a_number<T>(operator: Binary, side: &str) -> Outcome<T> {
    let operator = operator.text();
    let message = format!("{side} operand of jsonpath operator {operator} is not a single numeric value");
    fault(code::SINGLETON_SQL_JSON_ITEM_REQUIRED, message)
}
