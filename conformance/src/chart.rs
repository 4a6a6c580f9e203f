//! The score as a picture: three bars, and below them every file as a cell, the greener the more of
//! its statements match.

use crate::score::{FileScore, Score, percent};
use std::fmt::Write;

const WIDTH: usize = 980;
const COLUMNS: usize = 7;
const CELL_WIDTH: usize = 134;
const CELL_HEIGHT: usize = 19;
const LEFT: usize = 20;
const GRID_TOP: usize = 190;

/// The chart as SVG.
pub fn draw(score: &Score) -> String {
    let rows = score.files.len().div_ceil(COLUMNS);
    let height = GRID_TOP + rows * CELL_HEIGHT + 40;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"Helvetica, Arial, sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    text(
        &mut out,
        LEFT,
        34,
        20,
        "#1f2933",
        &format!("PostgreSQL {}'s own suites, against Redoubt", score.version),
    );
    let (matched, total) = score.statements();
    bar(&mut out, 62, "files", score.files_passed(), score.files.len());
    bar(&mut out, 92, "statements", matched, total);
    bar(&mut out, 122, "isolation specs", score.specs_passed(), score.specs.len());
    let trouble = format!(
        "crashes {}   hangs {}   internal errors {}   commit {}",
        score.crashes(),
        score.hangs(),
        score.internal_errors(),
        score.commit
    );
    text(&mut out, LEFT, 164, 12, "#52606d", &trouble);
    for (index, file) in score.files.iter().enumerate() {
        // Down the columns, so that the schedule's order reads as in a table.
        let (column, row) = (index / rows, index % rows);
        cell(&mut out, LEFT + column * CELL_WIDTH, GRID_TOP + row * CELL_HEIGHT, file);
    }
    let legend = "share of a file's statements that match: pale to green; bold with a frame: the whole file passes; \
                  red edge: crash or hang";
    text(&mut out, LEFT, height - 14, 11, "#52606d", legend);
    out.push_str("</svg>\n");
    out
}

fn text(out: &mut String, x: usize, y: usize, size: usize, colour: &str, content: &str) {
    // Writing to a String cannot fail, here and below.
    let _written = writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" fill=\"{colour}\">{}</text>",
        escaped(content)
    );
}

fn bar(out: &mut String, y: usize, name: &str, part: usize, whole: usize) {
    let (start, full) = (150, 600);
    let share = percent(part, whole);
    let filled = (full as f64 * share / 100.0).round();
    text(out, LEFT, y + 14, 13, "#1f2933", name);
    let _written = writeln!(
        out,
        "<rect x=\"{start}\" y=\"{y}\" width=\"{full}\" height=\"18\" rx=\"3\" fill=\"#e4e7eb\"/>\
         <rect x=\"{start}\" y=\"{y}\" width=\"{filled}\" height=\"18\" rx=\"3\" fill=\"#2f8f5b\"/>"
    );
    text(out, start + full + 12, y + 14, 13, "#1f2933", &format!("{part} of {whole}  ({share:.1} %)"));
}

fn cell(out: &mut String, x: usize, y: usize, file: &FileScore) {
    let share = percent(file.matched, file.total) / 100.0;
    // From near white to a mid green on which black text can still be read.
    let mix = |from: f64, to: f64| (from + (to - from) * share).round();
    let colour = format!("rgb({},{},{})", mix(246.0, 104.0), mix(247.0, 190.0), mix(248.0, 135.0));
    let edge = match (file.crashed || file.hung, file.passed) {
        (true, _) => " stroke=\"#c81e1e\" stroke-width=\"2\"",
        (false, true) => " stroke=\"#14532d\" stroke-width=\"1.5\"",
        (false, false) => "",
    };
    let weight = if file.passed { " font-weight=\"bold\"" } else { "" };
    let (width, height) = (CELL_WIDTH - 4, CELL_HEIGHT - 3);
    let name: String = file.name.chars().take(19).collect();
    let _written = writeln!(
        out,
        "<g><title>{full}: {matched} of {total}</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
         rx=\"2\" fill=\"{colour}\"{edge}/><text x=\"{text_x}\" y=\"{text_y}\" font-size=\"10\" fill=\"#1f2933\"{weight}>{name}</text></g>",
        full = escaped(&file.name),
        matched = file.matched,
        total = file.total,
        text_x = x + 4,
        text_y = y + 12,
        name = escaped(&name),
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
