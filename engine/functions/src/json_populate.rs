//! Rows out of JSON: `json_populate_record`, `json_to_recordset` and their kin.

use crate::args::arg;
use crate::composite::Dimension;
use crate::json_parse::{Escapes, Node, NodeKind, parse};
use crate::json_text::write_string;
use crate::set_returning::{Family, Rows};
use crate::{ArrayValue, CallContext, Datum, Env, Jsonb, Oid, RecordValue, ScalarFn, TupleDesc, io, types};
use redoubt_error::{PgError, PgResult, code};

/// A value of either type, in place.
#[derive(Clone, Copy)]
enum Source<'a> {
    Json(&'a Node, &'a str),
    Jsonb(&'a Jsonb),
}

/// The shape of a value.
enum Shape<'a> {
    Null,
    Scalar,
    Array(Vec<Source<'a>>),
    Object,
}

fn invalid(message: impl Into<String>) -> PgError {
    PgError::new(code::INVALID_PARAMETER_VALUE, message)
}

impl<'a> Source<'a> {
    fn shape(self) -> Shape<'a> {
        match self {
            Source::Json(node, text) => match &node.kind {
                NodeKind::Null => Shape::Null,
                NodeKind::Array(items) => {
                    Shape::Array(items.iter().map(|item| Source::Json(item, text)).collect())
                }
                NodeKind::Object(_) => Shape::Object,
                _ => Shape::Scalar,
            },
            Source::Jsonb(value) => match value {
                Jsonb::Null => Shape::Null,
                Jsonb::Array(items) => Shape::Array(items.iter().map(Source::Jsonb).collect()),
                Jsonb::Object(_) => Shape::Object,
                _ => Shape::Scalar,
            },
        }
    }

    fn is_string(self) -> bool {
        match self {
            Source::Json(node, _) => matches!(node.kind, NodeKind::String(_)),
            Source::Jsonb(value) => matches!(value, Jsonb::String(_)),
        }
    }

    fn is_empty_object(self) -> bool {
        match self {
            Source::Json(node, _) => matches!(&node.kind, NodeKind::Object(members) if members.is_empty()),
            Source::Jsonb(value) => matches!(value, Jsonb::Object(members) if members.is_empty()),
        }
    }

    fn member(self, name: &str) -> Option<Source<'a>> {
        match self {
            Source::Json(node, text) => {
                let NodeKind::Object(members) = &node.kind else { return None };
                let found = members.iter().rev().find(|(key, _)| key == name);
                found.map(|(_, value)| Source::Json(value, text))
            }
            Source::Jsonb(value) => value.member(name).map(Source::Jsonb),
        }
    }

    /// What the input function of a type reads.
    fn input_text(self, type_oid: Oid) -> String {
        let quoted = matches!(type_oid, types::JSON | types::JSONB);
        match self {
            Source::Json(node, text) => match &node.kind {
                NodeKind::String(value) if quoted => {
                    let mut out = String::new();
                    write_string(value, &mut out);
                    out
                }
                NodeKind::String(value) => value.clone(),
                _ => node.slice(text).to_owned(),
            },
            Source::Jsonb(Jsonb::String(value)) if !quoted => value.to_string(),
            Source::Jsonb(value) => value.to_text(),
        }
    }
}

/// Where a value goes, for errors.
#[derive(Clone, Copy)]
struct Column<'a> {
    type_oid: Oid,
    typmod: i32,
    name: Option<&'a str>,
}

/// Makes one column or element. `None` stands for a key that is not there, which is as good as null.
fn field(source: Option<Source<'_>>, column: Column<'_>, former: &Datum, env: &dyn Env) -> PgResult<Datum> {
    let Some(info) = env.type_info(column.type_oid)? else {
        return Err(PgError::internal(format!("cache lookup failed for type {}", column.type_oid)));
    };
    let source = source.filter(|source| !matches!(source.shape(), Shape::Null));
    let is_composite = |oid: Oid, typtype: char| typtype == 'c' || oid == types::RECORD;
    if info.typtype == 'd' {
        let value = match source {
            Some(source) => {
                let base = Column { type_oid: info.basetype, typmod: info.typmod, name: column.name };
                field(Some(source), base, former, env)?
            }
            None => Datum::Null,
        };
        env.check_domain(column.type_oid, &value)?;
        return Ok(value);
    }
    let Some(source) = source else { return Ok(Datum::Null) };
    let is_container = info.is_array() && info.category == 'A' || is_composite(column.type_oid, info.typtype);
    if !is_container || source.is_string() {
        if let (Source::Jsonb(value), types::JSONB) = (source, column.type_oid) {
            return Ok(value.clone().into_datum());
        }
        return io::input(column.type_oid, column.typmod, &source.input_text(column.type_oid), env);
    }
    if is_composite(column.type_oid, info.typtype) {
        let desc = env.composite_desc(column.type_oid)?;
        let former = match former {
            Datum::Record(record) => Some(&**record),
            _ => None,
        };
        return record(source, column.type_oid, &desc, former, env);
    }
    let element = Column { type_oid: info.elem, ..column };
    let mut array = ArrayMaker { element, env, dims: Vec::new(), counts: Vec::new(), elems: Vec::new() };
    array.level(source, 1)?;
    array.finish()
}

/// Collects the elements of nested JSON arrays. The first branch decides how many dimensions there are.
struct ArrayMaker<'a> {
    element: Column<'a>,
    env: &'a dyn Env,
    /// The length of each dimension, once known; empty until the number of dimensions is.
    dims: Vec<Option<i32>>,
    /// The elements seen so far in the array that is open at each level.
    counts: Vec<i32>,
    elems: Vec<Datum>,
}

impl ArrayMaker<'_> {
    fn expected_array(&self, level: usize) -> PgError {
        let error = PgError::new(code::INVALID_TEXT_REPRESENTATION, "expected JSON array");
        let place: String = self.counts.iter().take(level).map(|count| format!("[{count}]")).collect();
        match (place.is_empty(), self.element.name) {
            (true, None) => error,
            (true, Some(name)) => error.hint(format!("See the value of key \"{name}\".")),
            (false, None) => error.hint(format!("See the array element {place}.")),
            (false, Some(name)) => error.hint(format!("See the array element {place} of key \"{name}\".")),
        }
    }

    /// Reads an array that stands at a level counted from 1.
    fn level(&mut self, source: Source<'_>, level: usize) -> PgResult<()> {
        let Shape::Array(items) = source.shape() else { return Err(self.expected_array(level - 1)) };
        let is_innermost = !items.first().is_some_and(|item| matches!(item.shape(), Shape::Array(_)));
        if self.dims.is_empty() && is_innermost {
            self.dims = vec![None; level];
            self.counts = vec![0; level];
        }
        for item in items {
            if !self.dims.is_empty() && level >= self.dims.len() {
                let column = Column { name: None, ..self.element };
                let value = field(Some(item), column, &Datum::Null, self.env)?;
                self.elems.push(value);
                self.counts[level - 1] += 1;
            } else {
                self.level(item, level + 1)?;
                self.close(level)?;
            }
        }
        Ok(())
    }

    /// Ends an array inside the one of this level.
    fn close(&mut self, level: usize) -> PgResult<()> {
        let count = std::mem::take(&mut self.counts[level]);
        if *self.dims[level].get_or_insert(count) != count {
            let error = PgError::new(code::INVALID_TEXT_REPRESENTATION, "malformed JSON array");
            return Err(
                error.detail("Multidimensional arrays must have sub-arrays with matching dimensions.")
            );
        }
        self.counts[level - 1] += 1;
        Ok(())
    }

    fn finish(mut self) -> PgResult<Datum> {
        self.dims[0] = Some(self.counts[0]);
        let dims: Vec<_> =
            self.dims.iter().map(|len| Dimension { len: len.unwrap_or(0), lower: 1 }).collect();
        crate::composite::element_count(&dims)?;
        let array = ArrayValue::with_dims(self.element.type_oid, &dims, self.elems)?;
        Ok(Datum::Array(array.into()))
    }
}

/// Makes a row; columns without a key keep what the former row has.
fn record(
    source: Source<'_>,
    type_oid: Oid,
    desc: &TupleDesc,
    former: Option<&RecordValue>,
    env: &dyn Env,
) -> PgResult<Datum> {
    match source.shape() {
        Shape::Object => {}
        Shape::Array(_) => return Err(invalid("cannot call populate_composite on an array")),
        _ => return Err(invalid("cannot call populate_composite on a scalar")),
    }
    let mut fields = Vec::with_capacity(desc.len());
    for (at, attr) in desc.attrs.iter().enumerate() {
        let before = former.and_then(|former| former.fields.get(at)).cloned().unwrap_or(Datum::Null);
        let found = source.member(&attr.name);
        if attr.dropped {
            fields.push(Datum::Null);
        } else if former.is_some() && (found.is_none() || source.is_empty_object()) {
            fields.push(before);
        } else {
            let column = Column { type_oid: attr.type_oid, typmod: attr.typmod, name: Some(&attr.name) };
            fields.push(field(found, column, &before, env)?);
        }
    }
    let value = RecordValue { type_oid, desc: desc.clone(), fields: fields.into() };
    Ok(Datum::Record(value.into()))
}

/// The row type that a call makes.
struct RowType {
    oid: Oid,
    desc: TupleDesc,
    /// The domain over it that was asked for.
    domain: Option<Oid>,
}

fn from_query(ctx: &CallContext<'_>, function: &str) -> PgResult<RowType> {
    match ctx.result_desc {
        Some(desc) => Ok(RowType { oid: types::RECORD, desc: desc.clone(), domain: None }),
        None => Err(PgError::new(
            code::FEATURE_NOT_SUPPORTED,
            format!("could not determine row type for result of {function}"),
        )
        .hint(
            "Provide a non-null record argument, or call the function in the FROM clause using a column \
             definition list.",
        )),
    }
}

/// Refuses a row that has not the columns of the query's column definition list.
fn check_expected(desc: &TupleDesc, ctx: &CallContext<'_>) -> PgResult<()> {
    let Some(expected) = ctx.result_desc else { return Ok(()) };
    let mismatch = |detail: String| {
        let message = "function return row and query-specified return row do not match";
        Err(PgError::new(code::DATATYPE_MISMATCH, message).detail(detail))
    };
    if desc.len() != expected.len() {
        let noun = if desc.len() == 1 { "attribute" } else { "attributes" };
        let (found, expected) = (desc.len(), expected.len());
        return mismatch(format!("Returned row contains {found} {noun}, but query expects {expected}."));
    }
    for (at, (found, expected)) in desc.attrs.iter().zip(expected.attrs.iter()).enumerate() {
        if found.type_oid != expected.type_oid {
            let name = |oid| ctx.env.type_name(oid, -1);
            return mismatch(format!(
                "Returned type {} at ordinal position {}, but query expects {}.",
                name(found.type_oid)?,
                at + 1,
                name(expected.type_oid)?
            ));
        }
    }
    Ok(())
}

/// The row type of `json_populate_record(set)`: that of the first argument.
fn from_argument(ctx: &CallContext<'_>, former: &Datum, function: &str) -> PgResult<RowType> {
    let mut oid = ctx.arg_type(0)?;
    let mut domain = None;
    while let Some(info) = ctx.env.type_info(oid)?.filter(|info| info.typtype == 'd') {
        domain.get_or_insert(oid);
        oid = info.basetype;
    }
    if oid == types::RECORD {
        return match former {
            Datum::Record(record) => {
                check_expected(&record.desc, ctx)?;
                Ok(RowType { oid: record.type_oid, desc: record.desc.clone(), domain })
            }
            _ => from_query(ctx, function),
        };
    }
    if ctx.env.type_info(oid)?.is_none_or(|info| info.typtype != 'c') {
        let message = format!("first argument of {function} must be a row type");
        return Err(PgError::new(code::DATATYPE_MISMATCH, message));
    }
    Ok(RowType { oid, desc: ctx.env.composite_desc(oid)?, domain })
}

impl RowType {
    fn make(&self, source: Source<'_>, former: &Datum, env: &dyn Env) -> PgResult<Datum> {
        let former = match former {
            Datum::Record(record) => Some(&**record),
            _ => None,
        };
        let value = record(source, self.oid, &self.desc, former, env)?;
        if let Some(domain) = self.domain {
            env.check_domain(domain, &value)?;
        }
        Ok(value)
    }
}

/// Lends the JSON argument as a source.
fn with_source<T>(datum: &Datum, body: impl FnOnce(Source<'_>) -> PgResult<T>) -> PgResult<T> {
    match datum {
        Datum::Text(text) => body(Source::Json(&parse(text, Escapes::Decode)?, text)),
        Datum::Jsonb(value) => body(Source::Jsonb(value)),
        other => Err(other.mismatch("json")),
    }
}

fn populate_record(ctx: &CallContext<'_>, args: &[Datum], function: &str) -> PgResult<Datum> {
    let (former, value) = (arg::<&Datum>(args, 0)?, arg::<&Datum>(args, 1)?);
    let row = from_argument(ctx, former, function)?;
    if value.is_null() {
        return Ok(former.clone());
    }
    with_source(value, |source| row.make(source, former, ctx.env))
}

fn to_record(ctx: &CallContext<'_>, args: &[Datum], function: &str) -> PgResult<Datum> {
    let row = from_query(ctx, function)?;
    with_source(arg(args, 0)?, |source| row.make(source, &Datum::Null, ctx.env))
}

/// The rows of an array of objects.
fn record_set(
    ctx: &CallContext<'_>,
    row: &RowType,
    former: &Datum,
    value: &Datum,
    function: &str,
) -> PgResult<Rows> {
    let values = with_source(value, |source| {
        let items = match source.shape() {
            Shape::Array(items) => items,
            Shape::Object if matches!(source, Source::Json(..)) => {
                return Err(invalid(format!("cannot call {function} on an object")));
            }
            _ if matches!(source, Source::Json(..)) => {
                return Err(invalid(format!("cannot call {function} on a scalar")));
            }
            _ => return Err(invalid(format!("cannot call {function} on a non-array"))),
        };
        let make = |item: Source<'_>| match item.shape() {
            Shape::Object => row.make(item, former, ctx.env),
            _ => Err(invalid(format!("argument of {function} must be an array of objects"))),
        };
        items.into_iter().map(make).collect::<PgResult<Vec<_>>>()
    })?;
    Ok(Box::new(values.into_iter().map(Ok)))
}

fn populate_set(ctx: &CallContext<'_>, args: &[Datum], function: &str) -> PgResult<Rows> {
    let (former, value) = (arg::<&Datum>(args, 0)?, arg::<&Datum>(args, 1)?);
    let row = from_argument(ctx, former, function)?;
    if value.is_null() {
        return Ok(Box::new(std::iter::empty()));
    }
    record_set(ctx, &row, former, value, function)
}

fn to_set(ctx: &CallContext<'_>, args: &[Datum], function: &str) -> PgResult<Rows> {
    let row = from_query(ctx, function)?;
    record_set(ctx, &row, &Datum::Null, arg(args, 0)?, function)
}

/// This family's functions by `pg_proc.prosrc`.
pub(crate) static BUILTINS: &[(&str, ScalarFn)] = &[
    ("json_populate_record", |ctx, args| populate_record(ctx, args, "json_populate_record")),
    ("jsonb_populate_record", |ctx, args| populate_record(ctx, args, "jsonb_populate_record")),
    ("json_to_record", |ctx, args| to_record(ctx, args, "json_to_record")),
    ("jsonb_to_record", |ctx, args| to_record(ctx, args, "jsonb_to_record")),
];

pub(crate) static SET_RETURNING: Family = &[
    ("json_populate_recordset", |ctx, args| populate_set(ctx, args, "json_populate_recordset")),
    ("jsonb_populate_recordset", |ctx, args| populate_set(ctx, args, "jsonb_populate_recordset")),
    ("json_to_recordset", |ctx, args| to_set(ctx, args, "json_to_recordset")),
    ("jsonb_to_recordset", |ctx, args| to_set(ctx, args, "jsonb_to_recordset")),
];
