//! The text format.

use super::properties::{Property, Summary, View};
use std::fmt::Write;

pub(super) fn write(root: &View, summary: &Summary<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    node(root, 0, &mut lines);
    if !summary.settings.is_empty() {
        let settings: Vec<String> =
            summary.settings.iter().map(|(name, value)| format!("{name} = '{value}'")).collect();
        lines.push(format!("Settings: {}", settings.join(", ")));
    }
    if let Some(ms) = summary.planning_ms {
        lines.push(format!("Planning Time: {ms:.3} ms"));
    }
    if let Some(ms) = summary.execution_ms {
        lines.push(format!("Execution Time: {ms:.3} ms"));
    }
    lines
}

/// `indent` counts in twos.
fn node(view: &View, mut indent: usize, lines: &mut Vec<String>) {
    if let Some(name) = &view.subplan {
        lines.push(format!("{}{name}", spaces(indent)));
        indent += 1;
    }
    let mut line = spaces(indent);
    if indent > 0 {
        line.push_str("->  ");
        indent += 2;
    }
    line.push_str(&view.title);
    numbers(view, &mut line);
    lines.push(line);
    indent += 1;
    for (name, property) in &view.properties {
        let value = match property {
            Property::Text(text) => text.clone(),
            Property::List(items) => items.join(", "),
            Property::Count(count) => count.to_string(),
            Property::Line(line) => {
                lines.push(format!("{}{line}", spaces(indent)));
                continue;
            }
            Property::Part(_) | Property::Word(_) => continue,
        };
        lines.push(format!("{}{name}: {value}", spaces(indent)));
    }
    for child in &view.children {
        node(child, indent, lines);
    }
}

fn numbers(view: &View, line: &mut String) {
    if let Some(cost) = view.estimate {
        let _ = write!(
            line,
            "  (cost={:.2}..{:.2} rows={:.0} width={})",
            cost.startup, cost.total, cost.rows, cost.width
        );
    }
    let Some(stats) = view.stats else { return };
    if stats.loops == 0 {
        line.push_str(" (never executed)");
        return;
    }
    let loops = stats.loops as f64;
    let rows = stats.rows as f64 / loops;
    if view.timing {
        let (startup, total) = (stats.startup_ms / loops, stats.total_ms / loops);
        let _ = write!(line, " (actual time={startup:.3}..{total:.3} rows={rows:.0} loops={loops:.0})");
    } else {
        let _ = write!(line, " (actual rows={rows:.0} loops={loops:.0})");
    }
}

fn spaces(indent: usize) -> String {
    " ".repeat(indent * 2)
}
