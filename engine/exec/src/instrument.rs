//! Measuring an execution, for EXPLAIN ANALYZE (PostgreSQL's src/backend/executor/instrument.c).
//!
//! An execution that is not measured has no [`Meter`], and pays one test of a pointer per row and node.

use crate::exec::Exec;
use redoubt_plan::NodeId;
use redoubt_plan::explain::NodeStats;
use std::time::{Duration, Instant};

/// The measurements of all nodes of a plan.
pub(crate) struct Meter {
    nodes: Vec<NodeMeter>,
    timing: bool,
}

/// The measurements of one node.
#[derive(Clone, Default)]
struct NodeMeter {
    stats: NodeStats,
    /// The node has been asked for a row since it was started last.
    running: bool,
    /// Time of this loop until its first answer.
    first: Duration,
    /// Time of this loop.
    spent: Duration,
}

impl Meter {
    pub(crate) fn new(nodes: usize, timing: bool) -> Self {
        Meter { nodes: vec![NodeMeter::default(); nodes], timing }
    }

    /// The clock before a node is asked, if times are wanted.
    pub(crate) fn start(&self) -> Option<Instant> {
        self.timing.then(Instant::now)
    }

    /// A node has answered.
    pub(crate) fn stop(&mut self, id: NodeId, started: Option<Instant>, found: bool) {
        let node = &mut self.nodes[id.index()];
        if let Some(started) = started {
            node.spent += started.elapsed();
        }
        if !node.running {
            node.running = true;
            node.first = node.spent;
        }
        node.stats.rows += u64::from(found);
    }

    /// A node is done, or about to start over.
    pub(crate) fn end_loop(&mut self, id: NodeId) {
        let node = &mut self.nodes[id.index()];
        if !std::mem::take(&mut node.running) {
            return;
        }
        node.stats.startup_ms += std::mem::take(&mut node.first).as_secs_f64() * 1000.0;
        node.stats.total_ms += std::mem::take(&mut node.spent).as_secs_f64() * 1000.0;
        node.stats.loops += 1;
    }

    /// Takes the measurements of a node that another executor has run.
    pub(crate) fn set(&mut self, id: NodeId, stats: NodeStats) {
        self.nodes[id.index()].stats = stats;
    }

    /// All nodes are done: their numbers.
    pub(crate) fn finish(&mut self) -> Vec<NodeStats> {
        for node in 0..self.nodes.len() {
            self.end_loop(NodeId(node as u32));
        }
        self.nodes.iter().map(|node| node.stats).collect()
    }
}

impl Exec<'_> {
    /// Notes something about a node, if the execution is measured.
    #[inline]
    pub(crate) fn note(&mut self, id: NodeId, change: impl FnOnce(&mut NodeStats)) {
        if let Some(meter) = &mut self.meter {
            change(&mut meter.nodes[id.index()].stats);
        }
    }

    /// Counts an answer of a node that delivers no rows: a bitmap.
    pub(crate) fn note_loop(&mut self, id: NodeId, rows: u64) {
        if let Some(meter) = &mut self.meter {
            let stats = &mut meter.nodes[id.index()].stats;
            stats.loops += 1;
            stats.rows += rows;
        }
    }
}
