//! Parts of `json` and `jsonb` values: operators `->`, `->>`, `#>`, `#>>`, `json_each` and its kin.
//!
//! Over `json` a part is a slice of the text as it was written; of members with the same key the
//! last one is found.

use crate::args::{arg, builtins};
use crate::json_parse::{Escapes, Node, NodeKind, parse};
use crate::set_returning::{Family, Rows};
use crate::{ArrayValue, Attribute, CallContext, Datum, Jsonb, Oid, RecordValue, TupleDesc, types};
use redoubt_error::{PgError, PgResult, code};

fn invalid(message: impl Into<String>) -> PgError {
    PgError::new(code::INVALID_PARAMETER_VALUE, message)
}

/// An integer as C's `strtol` reads a whole string.
pub(crate) fn path_index(text: &str) -> Option<i32> {
    let text = text.trim_start_matches(crate::text::is_c_space);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.starts_with(['+', '-']) { None } else { text.parse().ok() }
}

/// The elements of a path; `None` when one is NULL.
fn path(array: &ArrayValue) -> PgResult<Option<Vec<&str>>> {
    if array.has_nulls() {
        return Ok(None);
    }
    array.elems.iter().map(Datum::as_str).collect::<PgResult<_>>().map(Some)
}

impl Node {
    fn member(&self, key: &str) -> Option<&Node> {
        let NodeKind::Object(members) = &self.kind else { return None };
        members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    fn element(&self, index: i64) -> Option<&Node> {
        let NodeKind::Array(items) = &self.kind else { return None };
        let at = if index < 0 { index + items.len() as i64 } else { index };
        items.get(usize::try_from(at).ok()?)
    }

    /// The value as it is written.
    pub(crate) fn slice<'t>(&self, text: &'t str) -> &'t str {
        &text[self.span.clone()]
    }

    /// The decoded string, nothing for `null`, anything else as it is written.
    pub(crate) fn as_text(&self, text: &str) -> Option<String> {
        match &self.kind {
            NodeKind::Null => None,
            NodeKind::String(value) => Some(value.clone()),
            _ => Some(self.slice(text).to_owned()),
        }
    }

    fn at_path(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, step| match node.kind {
            NodeKind::Object(_) => node.member(step),
            NodeKind::Array(_) => node.element(path_index(step)?.into()),
            _ => None,
        })
    }
}

fn decoded(text: &str) -> PgResult<Node> {
    parse(text, Escapes::Decode)
}

fn json_field(text: &str, key: &str) -> PgResult<Option<String>> {
    Ok(decoded(text)?.member(key).map(|node| node.slice(text).to_owned()))
}

fn json_field_text(text: &str, key: &str) -> PgResult<Option<String>> {
    Ok(decoded(text)?.member(key).and_then(|node| node.as_text(text)))
}

fn json_element(text: &str, index: i32) -> PgResult<Option<String>> {
    Ok(decoded(text)?.element(index.into()).map(|node| node.slice(text).to_owned()))
}

fn json_element_text(text: &str, index: i32) -> PgResult<Option<String>> {
    Ok(decoded(text)?.element(index.into()).and_then(|node| node.as_text(text)))
}

fn json_path(text: &str, steps: &ArrayValue) -> PgResult<Option<String>> {
    let Some(steps) = path(steps)? else { return Ok(None) };
    Ok(decoded(text)?.at_path(&steps).map(|node| node.slice(text).to_owned()))
}

fn json_path_text(text: &str, steps: &ArrayValue) -> PgResult<Option<String>> {
    let Some(steps) = path(steps)? else { return Ok(None) };
    Ok(decoded(text)?.at_path(&steps).and_then(|node| node.as_text(text)))
}

fn jsonb_field(value: &Jsonb, key: &str) -> Option<Jsonb> {
    value.member(key).cloned()
}

fn jsonb_field_text(value: &Jsonb, key: &str) -> Option<String> {
    value.member(key)?.as_text()
}

fn jsonb_element(value: &Jsonb, index: i32) -> Option<Jsonb> {
    value.element(index.into()).cloned()
}

fn jsonb_element_text(value: &Jsonb, index: i32) -> Option<String> {
    value.element(index.into())?.as_text()
}

impl Jsonb {
    /// One step of a path: the member of an object, or the element of an array when the step is an integer.
    pub fn at_step(&self, step: &str) -> Option<&Jsonb> {
        match self {
            Jsonb::Object(_) => self.member(step),
            Jsonb::Array(_) => self.element(path_index(step)?.into()),
            _ => None,
        }
    }

    fn at_path(&self, path: &[&str]) -> Option<&Jsonb> {
        path.iter().try_fold(self, |value, step| value.at_step(step))
    }
}

fn jsonb_path(value: &Jsonb, steps: &ArrayValue) -> PgResult<Option<Jsonb>> {
    Ok(path(steps)?.and_then(|steps| value.at_path(&steps).cloned()))
}

fn jsonb_path_text(value: &Jsonb, steps: &ArrayValue) -> PgResult<Option<String>> {
    Ok(path(steps)?.and_then(|steps| value.at_path(&steps)?.as_text()))
}

fn json_array_length(text: &str) -> PgResult<i32> {
    match parse(text, Escapes::Keep)?.kind {
        NodeKind::Array(items) => Ok(items.len() as i32),
        NodeKind::Object(_) => Err(invalid("cannot get array length of a non-array")),
        _ => Err(invalid("cannot get array length of a scalar")),
    }
}

fn jsonb_array_length(value: &Jsonb) -> PgResult<i32> {
    match value {
        Jsonb::Array(items) => Ok(items.len() as i32),
        Jsonb::Object(_) => Err(invalid("cannot get array length of a non-array")),
        _ => Err(invalid("cannot get array length of a scalar")),
    }
}

fn json_typeof(text: &str) -> PgResult<&'static str> {
    Ok(match parse(text, Escapes::Keep)?.kind {
        NodeKind::Null => "null",
        NodeKind::Bool(_) => "boolean",
        NodeKind::Number => "number",
        NodeKind::String(_) => "string",
        NodeKind::Array(_) => "array",
        NodeKind::Object(_) => "object",
    })
}

fn json_strip_nulls(text: &str) -> PgResult<String> {
    fn write(node: &Node, text: &str, out: &mut String) {
        match &node.kind {
            NodeKind::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write(item, text, out);
                }
                out.push(']');
            }
            NodeKind::Object(members) => {
                out.push('{');
                let kept = members.iter().filter(|(_, value)| !matches!(value.kind, NodeKind::Null));
                for (at, (key, value)) in kept.enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    crate::json_text::write_string(key, out);
                    out.push(':');
                    write(value, text, out);
                }
                out.push('}');
            }
            NodeKind::String(value) => crate::json_text::write_string(value, out),
            _ => out.push_str(node.slice(text)),
        }
    }
    let mut out = String::new();
    write(&decoded(text)?, text, &mut out);
    Ok(out)
}

/// A row of `json_each` and its kin.
fn pair(key: String, value: Datum, value_type: Oid) -> Datum {
    let desc = TupleDesc::new(vec![Attribute::new("key", types::TEXT), Attribute::new("value", value_type)]);
    let fields = vec![Datum::text(key), value].into();
    Datum::Record(RecordValue { type_oid: types::RECORD, desc, fields }.into())
}

fn rows(values: Vec<Datum>) -> PgResult<Rows> {
    Ok(Box::new(values.into_iter().map(Ok)))
}

fn text_datum(text: Option<String>) -> Datum {
    text.map_or(Datum::Null, Datum::text)
}

fn json_members(text: &str) -> PgResult<Vec<(String, Node)>> {
    match decoded(text)?.kind {
        NodeKind::Object(members) => Ok(members),
        NodeKind::Array(_) => Err(invalid("cannot deconstruct an array as an object")),
        _ => Err(invalid("cannot deconstruct a scalar")),
    }
}

fn json_each(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let text: &str = arg(args, 0)?;
    let members = json_members(text)?.into_iter();
    rows(members.map(|(key, node)| pair(key, Datum::text(node.slice(text)), types::JSON)).collect())
}

fn json_each_text(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let text: &str = arg(args, 0)?;
    let members = json_members(text)?.into_iter();
    rows(members.map(|(key, node)| pair(key, text_datum(node.as_text(text)), types::TEXT)).collect())
}

fn jsonb_members<'a>(args: &'a [Datum], function: &str) -> PgResult<&'a [(Box<str>, Jsonb)]> {
    match arg::<&Jsonb>(args, 0)? {
        Jsonb::Object(members) => Ok(members),
        _ => Err(invalid(format!("cannot call {function} on a non-object"))),
    }
}

fn jsonb_each(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let members = jsonb_members(args, "jsonb_each")?.iter();
    let row =
        |(key, value): &(Box<str>, Jsonb)| pair(key.to_string(), value.clone().into_datum(), types::JSONB);
    rows(members.map(row).collect())
}

fn jsonb_each_text(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let members = jsonb_members(args, "jsonb_each_text")?.iter();
    let row =
        |(key, value): &(Box<str>, Jsonb)| pair(key.to_string(), text_datum(value.as_text()), types::TEXT);
    rows(members.map(row).collect())
}

fn json_object_keys(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    match decoded(arg(args, 0)?)?.kind {
        NodeKind::Object(members) => rows(members.into_iter().map(|(key, _)| Datum::text(key)).collect()),
        NodeKind::Array(_) => Err(invalid("cannot call json_object_keys on an array")),
        _ => Err(invalid("cannot call json_object_keys on a scalar")),
    }
}

fn jsonb_object_keys(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    match arg::<&Jsonb>(args, 0)? {
        Jsonb::Object(members) => rows(members.iter().map(|(key, _)| Datum::text(&**key)).collect()),
        Jsonb::Array(_) => Err(invalid("cannot call jsonb_object_keys on an array")),
        _ => Err(invalid("cannot call jsonb_object_keys on a scalar")),
    }
}

fn json_items(text: &str, function: &str) -> PgResult<Vec<Node>> {
    match decoded(text)?.kind {
        NodeKind::Array(items) => Ok(items),
        NodeKind::Object(_) => Err(invalid(format!("cannot call {function} on a non-array"))),
        _ => Err(invalid(format!("cannot call {function} on a scalar"))),
    }
}

fn json_array_elements(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let text: &str = arg(args, 0)?;
    let items = json_items(text, "json_array_elements")?;
    rows(items.iter().map(|node| Datum::text(node.slice(text))).collect())
}

fn json_array_elements_text(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let text: &str = arg(args, 0)?;
    let items = json_items(text, "json_array_elements_text")?;
    rows(items.iter().map(|node| text_datum(node.as_text(text))).collect())
}

fn jsonb_items(args: &[Datum]) -> PgResult<&[Jsonb]> {
    match arg::<&Jsonb>(args, 0)? {
        Jsonb::Array(items) => Ok(items),
        Jsonb::Object(_) => Err(invalid("cannot extract elements from an object")),
        _ => Err(invalid("cannot extract elements from a scalar")),
    }
}

fn jsonb_array_elements(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    rows(jsonb_items(args)?.iter().map(|item| item.clone().into_datum()).collect())
}

fn jsonb_array_elements_text(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    rows(jsonb_items(args)?.iter().map(|item| text_datum(item.as_text())).collect())
}

builtins! {
    "json_object_field" = json_field: 2;
    "json_object_field_text" = json_field_text: 2;
    "json_array_element" = json_element: 2;
    "json_array_element_text" = json_element_text: 2;
    "json_extract_path" = json_path: 2;
    "json_extract_path_text" = json_path_text: 2;
    "jsonb_object_field" = jsonb_field: 2;
    "jsonb_object_field_text" = jsonb_field_text: 2;
    "jsonb_array_element" = jsonb_element: 2;
    "jsonb_array_element_text" = jsonb_element_text: 2;
    "jsonb_extract_path" = jsonb_path: 2;
    "jsonb_extract_path_text" = jsonb_path_text: 2;
    "json_array_length" = json_array_length: 1;
    "jsonb_array_length" = jsonb_array_length: 1;
    "json_typeof" = json_typeof: 1;
    "jsonb_typeof" = Jsonb::type_name: 1;
    "json_strip_nulls" = json_strip_nulls: 1;
}

pub(crate) static SET_RETURNING: Family = &[
    ("json_each", json_each),
    ("json_each_text", json_each_text),
    ("jsonb_each", jsonb_each),
    ("jsonb_each_text", jsonb_each_text),
    ("json_object_keys", json_object_keys),
    ("jsonb_object_keys", jsonb_object_keys),
    ("json_array_elements", json_array_elements),
    ("json_array_elements_text", json_array_elements_text),
    ("jsonb_array_elements", jsonb_array_elements),
    ("jsonb_array_elements_text", jsonb_array_elements_text),
];
