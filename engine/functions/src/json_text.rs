//! Writing JSON: escaped strings, `jsonb` on one line and indented.

use crate::Jsonb;

/// Appends a JSON string literal (PostgreSQL's `escape_json`).
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars() {
        match char {
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0'..' ' => out.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ => out.push(char),
        }
    }
    out.push('"');
}

/// Appends a `jsonb` on one line.
pub(crate) fn write_jsonb(value: &Jsonb, out: &mut String) {
    write(value, None, out);
}

/// Appends a `jsonb` with one member or element on each line (`jsonb_pretty`).
pub(crate) fn write_pretty(value: &Jsonb, out: &mut String) {
    write(value, Some(0), out);
}

/// A line break and the indentation of a level, where there is any.
fn indent(level: Option<usize>, out: &mut String) {
    if let Some(level) = level {
        out.push('\n');
        (0..level).for_each(|_| out.push_str("    "));
    }
}

fn write(value: &Jsonb, level: Option<usize>, out: &mut String) {
    let inner = level.map(|level| level + 1);
    let separator = if level.is_some() { "," } else { ", " };
    match value {
        Jsonb::Null => out.push_str("null"),
        Jsonb::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Jsonb::Number(number) => out.push_str(&number.to_string()),
        Jsonb::String(text) => write_string(text, out),
        Jsonb::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(separator);
                }
                indent(inner, out);
                write(item, inner, out);
            }
            indent(level, out);
            out.push(']');
        }
        Jsonb::Object(members) => {
            out.push('{');
            for (at, (key, item)) in members.iter().enumerate() {
                if at > 0 {
                    out.push_str(separator);
                }
                indent(inner, out);
                write_string(key, out);
                out.push_str(": ");
                write(item, inner, out);
            }
            indent(level, out);
            out.push('}');
        }
    }
}
