//! JSON out of SQL values: `to_json`, `json_build_object`, `row_to_json`, the aggregates, and the
//! same for `jsonb`.

use crate::aggregate::{AggState, Finals, InternalState, Transitions};
use crate::args::{arg, builtins};
use crate::datetime_format::{self as format, Style};
use crate::json_parse::is_number;
use crate::json_text::write_string;
use crate::quote::spread;
use crate::{
    ArrayValue, CallContext, DateFormat, DateOrder, Datum, Env, Jsonb, Oid, RecordValue, TupleDesc, date, io,
    timestamp, types,
};
use redoubt_error::{PgError, PgResult, code};

fn invalid(message: impl Into<String>) -> PgError {
    PgError::new(code::INVALID_PARAMETER_VALUE, message)
}

/// How a value of a type becomes JSON.
enum Category {
    Bool,
    Number,
    DateTime,
    Json,
    Jsonb,
    Array,
    Composite,
    /// Everything else is a string.
    Text,
}

/// The category of a type and, for a domain, the type below it.
fn categorise(type_oid: Oid, env: &dyn Env) -> PgResult<(Category, Oid)> {
    let mut oid = type_oid;
    let category = loop {
        break match oid {
            types::BOOL => Category::Bool,
            types::INT2 | types::INT4 | types::INT8 | types::FLOAT4 | types::FLOAT8 | types::NUMERIC => {
                Category::Number
            }
            types::DATE | types::TIMESTAMP | types::TIMESTAMPTZ => Category::DateTime,
            types::JSON => Category::Json,
            types::JSONB => Category::Jsonb,
            types::RECORD => Category::Composite,
            types::ANYARRAY | types::RECORD_ARRAY | types::ANYCOMPATIBLEARRAY => Category::Array,
            _ => match env.type_info(oid)? {
                Some(info) if info.typtype == 'd' => {
                    oid = info.basetype;
                    continue;
                }
                Some(info) if info.typtype == 'c' => Category::Composite,
                Some(info) if info.category == 'A' && info.is_array() => Category::Array,
                _ => Category::Text,
            },
        };
    };
    Ok((category, oid))
}

/// Dates and times as XML Schema writes them, whatever `DateStyle` says.
fn datetime_text(value: &Datum, env: &dyn Env) -> PgResult<String> {
    let style = Style { format: DateFormat::Iso, order: DateOrder::Mdy };
    let mut out = Vec::new();
    let zone_at = match value {
        Datum::Date(days) if !date::is_infinite(*days) => {
            format::date(&date::to_civil(*days), style, &mut out);
            None
        }
        Datum::Timestamp(moment) if !timestamp::is_infinite(*moment) => {
            format::timestamp(&timestamp::to_civil(*moment), None, style, &mut out);
            None
        }
        Datum::TimestampTz(moment) if !timestamp::is_infinite(*moment) => {
            let (civil, west_s) = timestamp::to_local(*moment, &env.settings().timezone);
            format::timestamp(&civil, None, style, &mut out);
            let era = if out.ends_with(b" BC") { out.split_off(out.len() - 3) } else { Vec::new() };
            let zone_at = out.len();
            format::zone(west_s, &mut out);
            if out.len() - zone_at == 3 {
                out.extend_from_slice(b":00");
            }
            out.extend(era);
            Some(zone_at)
        }
        Datum::Date(date::EARLY)
        | Datum::Timestamp(timestamp::EARLY)
        | Datum::TimestampTz(timestamp::EARLY) => {
            out.extend_from_slice(b"-infinity");
            None
        }
        _ => {
            out.extend_from_slice(b"infinity");
            None
        }
    };
    let mut text = io::into_string(out)?;
    let is_moment = zone_at.is_some() || matches!(value, Datum::Timestamp(_));
    if is_moment && let Some(at) = text.find(' ').filter(|at| !text[*at..].starts_with(" BC")) {
        text.replace_range(at..=at, "T");
    }
    Ok(text)
}

fn key_not_scalar() -> PgError {
    invalid("key value must be scalar, not array, composite, or json")
}

/// The columns of a row value. A row that was stored knows only its type.
fn columns(record: &RecordValue, env: &dyn Env) -> PgResult<TupleDesc> {
    if matches!(record.type_oid, 0 | types::RECORD) {
        return Ok(record.desc.clone());
    }
    env.composite_desc(record.type_oid)
}

/// Appends JSON text. `lines` asks for a line break between the outermost parts.
fn write_json(value: &Datum, type_oid: Oid, env: &dyn Env, lines: bool, out: &mut String) -> PgResult<()> {
    if value.is_null() {
        out.push_str("null");
        return Ok(());
    }
    let (category, base) = categorise(type_oid, env)?;
    match category {
        Category::Bool => out.push_str(if value.as_bool()? { "true" } else { "false" }),
        Category::Number => {
            let text = io::output_string(value, base, env)?;
            if is_number(&text) { out.push_str(&text) } else { write_string(&text, out) }
        }
        Category::DateTime => write_string(&datetime_text(value, env)?, out),
        Category::Json | Category::Jsonb => out.push_str(&io::output_string(value, base, env)?),
        Category::Array => {
            let array = value.as_array()?;
            let mut elems = array.elems.iter();
            if array.dims.is_empty() {
                out.push_str("[]");
            } else {
                write_array(&array, 0, &mut elems, env, lines, out)?;
            }
        }
        Category::Composite => write_row(&*value.as_record()?, env, lines, out)?,
        Category::Text => write_string(&io::output_string(value, type_oid, env)?, out),
    }
    Ok(())
}

fn separator(lines: bool) -> &'static str {
    if lines { ",\n " } else { "," }
}

fn write_array(
    array: &ArrayValue,
    level: usize,
    elems: &mut std::slice::Iter<'_, Datum>,
    env: &dyn Env,
    lines: bool,
    out: &mut String,
) -> PgResult<()> {
    out.push('[');
    for at in 0..array.dims[level].len {
        if at > 0 {
            out.push_str(separator(lines));
        }
        if level + 1 < array.dims.len() {
            write_array(array, level + 1, elems, env, false, out)?;
        } else {
            write_json(elems.next().unwrap_or(&Datum::Null), array.elem_type, env, false, out)?;
        }
    }
    out.push(']');
    Ok(())
}

fn write_row(record: &RecordValue, env: &dyn Env, lines: bool, out: &mut String) -> PgResult<()> {
    let desc = columns(record, env)?;
    out.push('{');
    let mut is_first = true;
    for (attr, field) in desc.attrs.iter().zip(&record.fields) {
        if attr.dropped {
            continue;
        }
        if !is_first {
            out.push_str(separator(lines));
        }
        is_first = false;
        write_string(&attr.name, out);
        out.push(':');
        write_json(field, attr.type_oid, env, false, out)?;
    }
    out.push('}');
    Ok(())
}

/// Appends an object key: any scalar, as a string.
fn write_key(value: &Datum, type_oid: Oid, env: &dyn Env, out: &mut String) -> PgResult<()> {
    write_string(&key_text(value, type_oid, env)?, out);
    Ok(())
}

fn key_text(value: &Datum, type_oid: Oid, env: &dyn Env) -> PgResult<String> {
    let (category, base) = categorise(type_oid, env)?;
    match category {
        Category::Bool => Ok(value.as_bool()?.to_string()),
        Category::DateTime => datetime_text(value, env),
        Category::Json | Category::Jsonb | Category::Array | Category::Composite => Err(key_not_scalar()),
        Category::Number => io::output_string(value, base, env),
        Category::Text => io::output_string(value, type_oid, env),
    }
}

/// The `jsonb` form of a value.
fn make_jsonb(value: &Datum, type_oid: Oid, env: &dyn Env) -> PgResult<Jsonb> {
    if value.is_null() {
        return Ok(Jsonb::Null);
    }
    let (category, base) = categorise(type_oid, env)?;
    match category {
        Category::Bool => Ok(Jsonb::Bool(value.as_bool()?)),
        Category::Number => {
            let text = io::output_string(value, base, env)?;
            let number = crate::numeric_io::parse(&text)?;
            if number.is_finite() { Ok(Jsonb::Number(number)) } else { Jsonb::string(text) }
        }
        Category::DateTime => Jsonb::string(datetime_text(value, env)?),
        Category::Json => Jsonb::from_text(value.as_str()?),
        Category::Jsonb => match value {
            Datum::Jsonb(value) => Ok((**value).clone()),
            other => Err(other.mismatch("jsonb")),
        },
        Category::Array => {
            let array = value.as_array()?;
            if array.dims.is_empty() {
                return Ok(Jsonb::Array(Vec::new()));
            }
            jsonb_array(&array, 0, &mut array.elems.iter(), env)
        }
        Category::Composite => {
            let record = value.as_record()?;
            let desc = columns(&record, env)?;
            let mut members = Vec::with_capacity(desc.len());
            for (attr, field) in desc.attrs.iter().zip(&record.fields) {
                if !attr.dropped {
                    members.push((Box::from(&*attr.name), make_jsonb(field, attr.type_oid, env)?));
                }
            }
            Jsonb::object(members)
        }
        Category::Text => Jsonb::string(io::output_string(value, type_oid, env)?),
    }
}

fn jsonb_array(
    array: &ArrayValue,
    level: usize,
    elems: &mut std::slice::Iter<'_, Datum>,
    env: &dyn Env,
) -> PgResult<Jsonb> {
    let mut items = Vec::new();
    for _ in 0..array.dims[level].len {
        items.push(if level + 1 < array.dims.len() {
            jsonb_array(array, level + 1, elems, env)?
        } else {
            make_jsonb(elems.next().unwrap_or(&Datum::Null), array.elem_type, env)?
        });
    }
    Jsonb::array(items)
}

fn json(ctx: &CallContext<'_>, args: &[Datum], lines: bool) -> PgResult<Datum> {
    let mut out = String::new();
    write_json(arg(args, 0)?, ctx.arg_type(0).map_err(|_| undetermined())?, ctx.env, lines, &mut out)?;
    Ok(Datum::text(out))
}

fn undetermined() -> PgError {
    invalid("could not determine input data type")
}

fn to_json(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    json(ctx, args, false)
}

fn to_json_lines(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    json(ctx, args, arg(args, 1)?)
}

fn to_jsonb(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Jsonb> {
    let type_oid = ctx.arg_type(0).map_err(|_| undetermined())?;
    make_jsonb(arg(args, 0)?, type_oid, ctx.env)
}

fn to_jsonb_call(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    to_jsonb(ctx, args).map(Jsonb::into_datum)
}

fn even(values: &[(Datum, Oid)], function: &str) -> PgResult<()> {
    if values.len().is_multiple_of(2) {
        return Ok(());
    }
    let hint = format!("The arguments of {function}() must consist of alternating keys and values.");
    Err(invalid("argument list must have even number of elements").hint(hint))
}

fn build_object(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let Some(values) = spread(ctx, args, 0)? else { return Ok(Datum::Null) };
    even(&values, "json_build_object")?;
    let mut out = String::from("{");
    for (at, pair) in values.chunks_exact(2).enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        if pair[0].0.is_null() {
            let message = format!("argument {} cannot be null", at * 2 + 1);
            return Err(invalid(message).hint("Object keys should be text."));
        }
        write_key(&pair[0].0, pair[0].1, ctx.env, &mut out)?;
        out.push_str(" : ");
        write_json(&pair[1].0, pair[1].1, ctx.env, false, &mut out)?;
    }
    out.push('}');
    Ok(Datum::text(out))
}

fn build_array(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let Some(values) = spread(ctx, args, 0)? else { return Ok(Datum::Null) };
    let mut out = String::from("[");
    for (at, (value, type_oid)) in values.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write_json(value, *type_oid, ctx.env, false, &mut out)?;
    }
    out.push(']');
    Ok(Datum::text(out))
}

fn build_jsonb_object(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let Some(values) = spread(ctx, args, 0)? else { return Ok(Datum::Null) };
    even(&values, "jsonb_build_object")?;
    let mut members = Vec::with_capacity(values.len() / 2);
    for (at, pair) in values.chunks_exact(2).enumerate() {
        if pair[0].0.is_null() {
            return Err(invalid(format!("argument {}: key must not be null", at * 2 + 1)));
        }
        let key = key_text(&pair[0].0, pair[0].1, ctx.env)?;
        members.push((key.into(), make_jsonb(&pair[1].0, pair[1].1, ctx.env)?));
    }
    Jsonb::object(members).map(Jsonb::into_datum)
}

fn build_jsonb_array(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let Some(values) = spread(ctx, args, 0)? else { return Ok(Datum::Null) };
    let items = values.iter().map(|(value, type_oid)| make_jsonb(value, *type_oid, ctx.env));
    Jsonb::array(items.collect::<PgResult<_>>()?).map(Jsonb::into_datum)
}

fn empty_array() -> &'static str {
    "[]"
}

fn empty_object() -> &'static str {
    "{}"
}

fn empty_jsonb_array() -> Jsonb {
    Jsonb::Array(Vec::new())
}

fn empty_jsonb_object() -> Jsonb {
    Jsonb::Object(Vec::new())
}

type Pairs<'a> = Vec<(&'a str, Option<&'a str>)>;

fn subscripts(message: &str) -> PgError {
    PgError::new(code::ARRAY_SUBSCRIPT_ERROR, message)
}

fn pair<'a>(key: &'a Datum, value: &'a Datum) -> PgResult<(&'a str, Option<&'a str>)> {
    if key.is_null() {
        let message = "null value not allowed for object key";
        return Err(PgError::new(code::NULL_VALUE_NOT_ALLOWED, message));
    }
    Ok((key.as_str()?, if value.is_null() { None } else { Some(value.as_str()?) }))
}

/// Keys and values in turn, or in two columns.
fn alternating(array: &ArrayValue) -> PgResult<Pairs<'_>> {
    match &array.dims[..] {
        [] => {}
        [dim] if dim.len % 2 != 0 => return Err(subscripts("array must have even number of elements")),
        [_] => {}
        [_, dim] if dim.len != 2 => return Err(subscripts("array must have two columns")),
        [_, _] => {}
        _ => return Err(subscripts("wrong number of array subscripts")),
    }
    array.elems.chunks_exact(2).map(|both| pair(&both[0], &both[1])).collect()
}

fn zipped<'a>(keys: &'a ArrayValue, values: &'a ArrayValue) -> PgResult<Pairs<'a>> {
    if keys.ndim() > 1 || keys.ndim() != values.ndim() {
        return Err(subscripts("wrong number of array subscripts"));
    }
    if keys.elems.len() != values.elems.len() {
        return Err(subscripts("mismatched array dimensions"));
    }
    keys.elems.iter().zip(&values.elems).map(|(key, value)| pair(key, value)).collect()
}

fn object_text(pairs: Pairs<'_>) -> String {
    let mut out = String::from("{");
    for (at, (key, value)) in pairs.into_iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write_string(key, &mut out);
        out.push_str(" : ");
        match value {
            Some(value) => write_string(value, &mut out),
            None => out.push_str("null"),
        }
    }
    out.push('}');
    out
}

fn object_jsonb(pairs: Pairs<'_>) -> PgResult<Jsonb> {
    let member =
        |(key, value): (&str, Option<&str>)| Ok((key.into(), value.map_or(Ok(Jsonb::Null), Jsonb::string)?));
    Jsonb::object(pairs.into_iter().map(member).collect::<PgResult<_>>()?)
}

fn json_object(array: &ArrayValue) -> PgResult<String> {
    alternating(array).map(object_text)
}

fn json_object_two(keys: &ArrayValue, values: &ArrayValue) -> PgResult<String> {
    zipped(keys, values).map(object_text)
}

fn jsonb_object(array: &ArrayValue) -> PgResult<Jsonb> {
    object_jsonb(alternating(array)?)
}

fn jsonb_object_two(keys: &ArrayValue, values: &ArrayValue) -> PgResult<Jsonb> {
    object_jsonb(zipped(keys, values)?)
}

/// What the `json` aggregates have written so far.
#[derive(Clone)]
struct Written(String);

/// The elements of `jsonb_agg`.
#[derive(Clone)]
struct Items(Vec<Jsonb>);

/// The members of `jsonb_object_agg`.
#[derive(Clone)]
struct Members(Vec<(Box<str>, Jsonb)>);

macro_rules! internal_states {
    ($($state:ty: $unit:ty),*) => {$(
        impl InternalState for $state {
            fn copy(&self) -> Box<dyn InternalState> {
                Box::new(self.clone())
            }

            // What is behind the parts would have to be added up.
            fn grown_bytes(&self) -> usize {
                self.0.capacity() * size_of::<$unit>()
            }
        }
    )*};
}
internal_states!(Written: u8, Items: Jsonb, Members: (Box<str>, Jsonb));

fn json_agg(ctx: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    let type_oid = ctx.arg_type(0).map_err(|_| undetermined())?;
    let value = arg::<&Datum>(args, 0)?;
    let mut item = String::new();
    write_json(value, type_oid, ctx.env, false, &mut item)?;
    let is_structured = matches!(categorise(type_oid, ctx.env)?.0, Category::Array | Category::Composite);
    let written = state.get_or_make(|_| Ok(Written("[".to_owned())))?;
    if written.0.len() > 1 {
        written.0.push_str(", ");
        if !value.is_null() && is_structured {
            written.0.push_str("\n ");
        }
    }
    written.0.push_str(&item);
    Ok(())
}

fn json_agg_final(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    Ok(state.get::<Written>().map_or(Datum::Null, |written| Datum::text(format!("{}]", written.0))))
}

fn json_object_agg(ctx: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    let (key, value) = (arg::<&Datum>(args, 0)?, arg::<&Datum>(args, 1)?);
    if key.is_null() {
        return Err(invalid("field name must not be null"));
    }
    let mut member = String::new();
    write_key(key, ctx.arg_type(0)?, ctx.env, &mut member)?;
    member.push_str(" : ");
    write_json(value, ctx.arg_type(1)?, ctx.env, false, &mut member)?;
    let written = state.get_or_make(|_| Ok(Written("{ ".to_owned())))?;
    if written.0.len() > 2 {
        written.0.push_str(", ");
    }
    written.0.push_str(&member);
    Ok(())
}

fn json_object_agg_final(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    Ok(state.get::<Written>().map_or(Datum::Null, |written| Datum::text(format!("{} }}", written.0))))
}

fn jsonb_agg(ctx: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    let item = to_jsonb(ctx, args)?;
    state.get_or_make(|_| Ok(Items(Vec::new())))?.0.push(item);
    Ok(())
}

fn jsonb_agg_final(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    let Some(items) = state.get::<Items>() else { return Ok(Datum::Null) };
    Jsonb::array(items.0.clone()).map(Jsonb::into_datum)
}

fn jsonb_object_agg(ctx: &CallContext<'_>, state: &mut AggState, args: &[Datum]) -> PgResult<()> {
    let (key, value) = (arg::<&Datum>(args, 0)?, arg::<&Datum>(args, 1)?);
    if key.is_null() {
        return Err(invalid("field name must not be null"));
    }
    let key = key_text(key, ctx.arg_type(0)?, ctx.env)?;
    let value = make_jsonb(value, ctx.arg_type(1)?, ctx.env)?;
    state.get_or_make(|_| Ok(Members(Vec::new())))?.0.push((key.into(), value));
    Ok(())
}

fn jsonb_object_agg_final(_: &CallContext<'_>, state: &AggState, _: &[Datum]) -> PgResult<Datum> {
    let Some(members) = state.get::<Members>() else { return Ok(Datum::Null) };
    Jsonb::object(members.0.clone()).map(Jsonb::into_datum)
}

pub(crate) static TRANSITIONS: Transitions = &[
    ("json_agg_transfn", json_agg),
    ("json_object_agg_transfn", json_object_agg),
    ("jsonb_agg_transfn", jsonb_agg),
    ("jsonb_object_agg_transfn", jsonb_object_agg),
];

pub(crate) static FINALS: Finals = &[
    ("json_agg_finalfn", json_agg_final),
    ("json_object_agg_finalfn", json_object_agg_final),
    ("jsonb_agg_finalfn", jsonb_agg_final),
    ("jsonb_object_agg_finalfn", jsonb_object_agg_final),
];

builtins! {
    "to_json" = to_json;
    "array_to_json" = to_json;
    "array_to_json_pretty" = to_json_lines;
    "row_to_json" = to_json;
    "row_to_json_pretty" = to_json_lines;
    "to_jsonb" = to_jsonb_call;
    "json_build_object" = build_object;
    "json_build_object_noargs" = empty_object: 0;
    "json_build_array" = build_array;
    "json_build_array_noargs" = empty_array: 0;
    "jsonb_build_object" = build_jsonb_object;
    "jsonb_build_object_noargs" = empty_jsonb_object: 0;
    "jsonb_build_array" = build_jsonb_array;
    "jsonb_build_array_noargs" = empty_jsonb_array: 0;
    "json_object" = json_object: 1;
    "json_object_two_arg" = json_object_two: 2;
    "jsonb_object" = jsonb_object: 1;
    "jsonb_object_two_arg" = jsonb_object_two: 2;
}
