//! The table at the end, and the line that shows how far a run is.

use crate::figures::Spread;
use crate::measurement::Measurement;
use crate::peer::PeerName;
use crate::results::Results;
use std::fmt::Write;
use std::time::Duration;

/// Characters of the progress bar.
const BAR: usize = 30;

/// `[#####.....] 12 of 32, 3 min left`: of what is done, `measured_now` has taken the time, and the rest is an
/// interrupted run's.
pub fn progress(done: usize, total: usize, measured_now: usize, elapsed: Duration) -> String {
    let filled = (BAR * done).checked_div(total).unwrap_or(BAR);
    let bar = format!("[{}{}]", "#".repeat(filled), ".".repeat(BAR - filled));
    let left = elapsed.as_secs_f64() / measured_now.max(1) as f64 * (total - done) as f64;
    if measured_now == 0 || done == total {
        format!("{bar} {done} of {total}")
    } else {
        format!("{bar} {done} of {total}, {:.0} min left", (left / 60.0).ceil())
    }
}

/// All cells: ratios of throughput, and what a transaction costs each peer.
pub fn table(results: &Results) -> String {
    let (commit, version) = results.versions();
    let mut out = format!("commit {commit}, PostgreSQL {version}; medians over rounds, (least-greatest)\n\n");
    // Writing to a String cannot fail, here and below.
    let _written = writeln!(
        out,
        "{:<33} {:<18} {:>9} {:>20} {:>20} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7}",
        "cell",
        "peer",
        "tps",
        "x pg-single",
        "x pg-4-of-6",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "cpu us",
        "log B",
        "wire B",
        "flushes",
        "MiB"
    );
    for cell in results.cells() {
        for peer in PeerName::ALL {
            let figure = |f: fn(&Measurement) -> f64| results.spread(&cell, peer, f).map(|s| s.median);
            let Some(tps) = figure(|m| m.tps) else { continue };
            let against = |other| ratio(results.ratio(&cell, peer, other, |m| m.tps));
            let shown = |value: Option<f64>, digits: usize| {
                value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
            };
            let _written = writeln!(
                out,
                "{cell:<33} {peer:<18} {tps:>9.0} {:>20} {:>20} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>7}",
                against(PeerName::PgSingle),
                against(PeerName::PgQuorum),
                shown(figure(|m| m.latency_ms[0]), 2),
                shown(figure(|m| m.latency_ms[1]), 2),
                shown(figure(|m| m.latency_ms[2]), 2),
                shown(figure(|m| m.cpu_us_per_transaction), 0),
                shown(figure(|m| m.log_bytes_per_transaction), 0),
                shown(figure(|m| m.wire_bytes_per_transaction), 0),
                // Not a number where it is not counted: no spread.
                shown(figure(|m| m.flushes_per_transaction.unwrap_or(f64::NAN)), 3),
                shown(figure(|m| m.peak_memory_kb as f64 / 1024.0), 0),
            );
        }
    }
    out.push('\n');
    for peer in PeerName::ALL {
        if let Some(load) = results.load_time(peer) {
            let _written = writeln!(out, "pgbench -i            {peer:<18} {:>7.1} s", load.median);
        }
    }
    for (peer, after, ready) in results.recoveries() {
        let _written =
            writeln!(out, "ready after kill -9 at {after:>3} s of load  {peer:<18} {ready:>6.2} s");
    }
    for reason in results.skipped() {
        let _written = writeln!(out, "SKIPPED: {reason}");
    }
    for (cell, peer, trouble) in results.troubles() {
        let _written = writeln!(out, "{cell} on {peer}: {trouble}");
    }
    let _written = writeln!(out, "failed transactions: {}", results.failed());
    out
}

/// TPC-H: seconds of each query (the median of its runs) on each peer, and what is wrong with an answer.
pub fn tpch_table(results: &Results) -> String {
    let mut out = String::new();
    for (scale_factor, all) in results.tpch() {
        let _written = writeln!(out, "TPC-H at scale factor {scale_factor}, seconds");
        for answered in all {
            let executor =
                answered.executor.as_ref().map_or_else(String::new, |executor| format!(" ({executor})"));
            let median = Spread::of(answered.seconds.clone()).map(|s| s.median);
            let _written = writeln!(
                out,
                "query {:>2} {:<32} {:>9} {}",
                answered.query,
                format!("{}{executor}", answered.peer),
                median.map_or_else(|| "-".into(), |seconds| format!("{seconds:.3}")),
                answered.trouble.as_deref().or(answered.refused.as_deref()).unwrap_or_default(),
            );
        }
    }
    out
}

fn ratio(spread: Option<Spread>) -> String {
    spread.map_or_else(|| "-".into(), |s| format!("{:.2} ({:.2}-{:.2})", s.median, s.least, s.greatest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars() {
        let check = |done, total, now, seconds, expect: &str| {
            assert_eq!(progress(done, total, now, Duration::from_secs(seconds)), expect);
        };
        check(0, 4, 0, 0, "[..............................] 0 of 4");
        check(2, 4, 2, 120, "[###############...............] 2 of 4, 2 min left");
        check(2, 4, 1, 120, "[###############...............] 2 of 4, 4 min left");
        check(2, 4, 0, 0, "[###############...............] 2 of 4");
        check(4, 4, 4, 240, "[##############################] 4 of 4");
        check(0, 0, 0, 0, "[##############################] 0 of 0");
    }
}
