//! The JSON format.

use super::properties::{Property, Summary, View};
use std::fmt::Write;

pub(super) fn write(root: &View, summary: &Summary<'_>) -> String {
    let mut out = String::from("[\n  {\n    \"Plan\": ");
    node(root, 2, &mut out);
    if !summary.settings.is_empty() {
        let settings: Vec<String> = summary
            .settings
            .iter()
            .map(|(name, value)| format!("      {}: {}", quoted(name), quoted(value)))
            .collect();
        let _ = write!(out, ",\n    \"Settings\": {{\n{}\n    }}", settings.join(",\n"));
    }
    if let Some(ms) = summary.planning_ms {
        let _ = write!(out, ",\n    \"Planning Time\": {ms:.3}");
    }
    if summary.analyzed {
        out.push_str(",\n    \"Triggers\": [\n    ]");
    }
    if let Some(ms) = summary.execution_ms {
        let _ = write!(out, ",\n    \"Execution Time\": {ms:.3}");
    }
    out.push_str("\n  }\n]");
    out
}

fn node(view: &View, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth + 1);
    let mut fields: Vec<String> = vec![format!("\"Node Type\": {}", quoted(view.node_type))];
    let is_first = |name: &str| matches!(name, "Strategy" | "Partial Mode" | "Operation");
    fields.extend(
        view.words.iter().filter(|(name, _)| is_first(name)).map(|(name, property)| field(name, property)),
    );
    let mut text = |name: &str, value: &str| fields.push(format!("\"{name}\": {}", quoted(value)));
    if let Some(relationship) = view.relationship {
        text("Parent Relationship", relationship);
    }
    if let Some(name) = &view.subplan {
        text("Subplan Name", name);
    }
    fields.push("\"Parallel Aware\": false".to_owned());
    fields.push("\"Async Capable\": false".to_owned());
    fields.extend(
        view.words.iter().filter(|(name, _)| !is_first(name)).map(|(name, property)| field(name, property)),
    );
    if let Some(cost) = view.estimate {
        fields.push(format!("\"Startup Cost\": {:.2}", cost.startup));
        fields.push(format!("\"Total Cost\": {:.2}", cost.total));
        fields.push(format!("\"Plan Rows\": {:.0}", cost.rows));
        fields.push(format!("\"Plan Width\": {}", cost.width));
    }
    if let Some(stats) = view.stats {
        let loops = stats.loops.max(1) as f64;
        if view.timing {
            fields.push(format!("\"Actual Startup Time\": {:.3}", stats.startup_ms / loops));
            fields.push(format!("\"Actual Total Time\": {:.3}", stats.total_ms / loops));
        }
        fields.push(format!("\"Actual Rows\": {:.0}", stats.rows as f64 / loops));
        fields.push(format!("\"Actual Loops\": {}", stats.loops));
    }
    let shown = view.properties.iter().filter(|(_, property)| !matches!(property, Property::Line(_)));
    fields.extend(shown.map(|(name, property)| field(name, property)));
    let closing = "  ".repeat(depth);
    out.push_str("{\n");
    out.push_str(&fields.iter().map(|field| format!("{indent}{field}")).collect::<Vec<_>>().join(",\n"));
    if !view.children.is_empty() {
        let _ = write!(out, ",\n{indent}\"Plans\": [\n");
        for (index, child) in view.children.iter().enumerate() {
            let _ = write!(out, "{}", "  ".repeat(depth + 2));
            node(child, depth + 2, out);
            out.push_str(if index + 1 < view.children.len() { ",\n" } else { "\n" });
        }
        let _ = write!(out, "{indent}]");
    }
    let _ = write!(out, "\n{closing}}}");
}

fn field(name: &str, property: &Property) -> String {
    match property {
        Property::Text(text) | Property::Line(text) => format!("\"{name}\": {}", quoted(text)),
        Property::Word(text) => format!("\"{name}\": {}", quoted(text)),
        Property::List(items) => {
            let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
            format!("\"{name}\": [{}]", items.join(", "))
        }
        Property::Count(count) | Property::Part(count) => format!("\"{name}\": {count}"),
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
