//! Charts as SVG: for every cell one bar a peer, with a line from the least to the greatest round.

use crate::figures::Spread;
use crate::peer::PeerName;
use crate::results::Results;
use std::fmt::Write;

const LABELS_WIDTH: f64 = 230.0;
const BARS_WIDTH: f64 = 620.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 86.0;
const BAR: f64 = 13.0;
const GAP: f64 = 14.0;

/// A chart's name and what it shows.
type Drawn = (&'static str, String);

/// All charts of a run.
pub fn all(results: &Results) -> Vec<Drawn> {
    let tps = |cell: &str, peer| results.ratio(cell, peer, PeerName::PgSingle, |m| m.tps);
    let cpu = |cell: &str, peer| results.spread(cell, peer, |m| m.cpu_us_per_transaction);
    let log = |cell: &str, peer| results.spread(cell, peer, |m| m.log_bytes_per_transaction);
    let wire = |cell: &str, peer| results.spread(cell, peer, |m| m.wire_bytes_per_transaction);
    let latency = |cell: &str, peer| results.spread(cell, peer, |m| m.latency_ms[2]);
    vec![
        ("tps", draw(results, "Throughput against PostgreSQL alone, in the same round", "x", 2, &tps)),
        ("cpu", draw(results, "Server processor time per transaction", "us", 0, &cpu)),
        ("log", draw(results, "Log per transaction, counted once", "B", 0, &log)),
        ("wire", draw(results, "Bytes over the network per transaction, clients and copies", "B", 0, &wire)),
        ("p99", draw(results, "Latency that 99 of 100 transactions do not exceed", "ms", 1, &latency)),
    ]
}

fn colour(peer: PeerName) -> &'static str {
    match peer {
        PeerName::PgSingle => "#8da2b8",
        PeerName::PgQuorum => "#4f6d8c",
        PeerName::Embedded => "#2f8f5b",
        PeerName::Processes => "#c98a1b",
    }
}

fn draw(
    results: &Results,
    title: &str,
    unit: &str,
    digits: usize,
    figure: &dyn Fn(&str, PeerName) -> Option<Spread>,
) -> String {
    let rows: Vec<(String, Vec<(PeerName, Spread)>)> = results
        .cells()
        .into_iter()
        .map(|cell| {
            let bars = PeerName::ALL.into_iter().filter_map(|peer| Some((peer, figure(&cell, peer)?)));
            let bars = bars.collect::<Vec<_>>();
            (cell, bars)
        })
        .filter(|(_, bars)| !bars.is_empty())
        .collect();
    let bars = rows.iter().flat_map(|(_, bars)| bars);
    let most = bars.clone().map(|(_, spread)| spread.greatest).fold(f64::MIN_POSITIVE, f64::max);
    let height = TOP + bars.count() as f64 * BAR + rows.len() as f64 * GAP + 20.0;
    let width = LABELS_WIDTH + BARS_WIDTH + RIGHT;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"Helvetica, Arial, sans-serif\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let (commit, version) = results.versions();
    text(&mut out, 20.0, 32.0, 18.0, "start", title);
    text(
        &mut out,
        20.0,
        52.0,
        11.0,
        "start",
        &format!("commit {commit}, PostgreSQL {version}; median of the rounds, line from least to greatest"),
    );
    legend(&mut out);
    let mut y = TOP;
    for (cell, bars) in &rows {
        let middle = y + bars.len() as f64 * BAR / 2.0 + 4.0;
        text(&mut out, LABELS_WIDTH - 10.0, middle, 12.0, "end", cell);
        for (peer, spread) in bars {
            bar(&mut out, y, *peer, spread, most, &format!("{:.digits$} {unit}", spread.median));
            y += BAR;
        }
        y += GAP;
    }
    out.push_str("</svg>\n");
    out
}

fn legend(out: &mut String) {
    let mut x = LABELS_WIDTH;
    for peer in PeerName::ALL {
        // Writing to a String cannot fail, here and below.
        let _written =
            writeln!(out, "<rect x=\"{x}\" y=\"62\" width=\"10\" height=\"10\" fill=\"{}\"/>", colour(peer));
        text(out, x + 15.0, 71.0, 11.0, "start", peer.as_str());
        x += 150.0;
    }
}

fn bar(out: &mut String, y: f64, peer: PeerName, spread: &Spread, most: f64, label: &str) {
    let at = |value: f64| LABELS_WIDTH + BARS_WIDTH * value / most;
    let (width, middle) = (at(spread.median) - LABELS_WIDTH, y + BAR / 2.0 - 1.0);
    let _written = writeln!(
        out,
        "<rect x=\"{LABELS_WIDTH}\" y=\"{y}\" width=\"{width:.1}\" height=\"{}\" fill=\"{}\"/>\
         <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle}\" y2=\"{middle}\" stroke=\"#1f2933\"/>",
        BAR - 2.0,
        colour(peer),
        at(spread.least),
        at(spread.greatest),
    );
    text(out, at(spread.greatest) + 6.0, y + BAR - 3.0, 10.0, "start", label);
}

fn text(out: &mut String, x: f64, y: f64, size: f64, anchor: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    let _written = writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"#1f2933\">{content}</text>"
    );
}
