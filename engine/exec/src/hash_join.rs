//! Hash joins: the inner input goes into a table in memory, the outer input probes it.

use crate::arrays::hash;
use crate::execution::{Cx, Execution};
use crate::state::{SavedRow, State};
use redoubt_error::PgResult;
use redoubt_functions::Datum;
use redoubt_plan::join::{HashJoin, HashKey, JoinType};
use redoubt_plan::node::NodeId;
use rustc_hash::FxHashMap;

/// The table and where the probing stands.
pub(crate) struct HashJoinState {
    rows: Vec<InnerRow>,
    buckets: FxHashMap<u64, Vec<u32>>,
    phase: Phase,
}

struct InnerRow {
    keys: SavedRow,
    values: SavedRow,
    matched: bool,
}

enum Phase {
    /// The next outer row is to be fetched.
    Outer,
    /// An outer row is in the frame; candidates from `next` on are to be tried.
    Probing { hash: u64, next: usize, matched: bool },
    /// RIGHT and FULL: inner rows without match, from this one on.
    Unmatched(usize),
    /// Nothing more.
    Done,
}

impl Execution {
    pub(crate) fn next_hash_join(&mut self, cx: &Cx<'_>, id: NodeId, node: &HashJoin) -> PgResult<bool> {
        let mut state = match self.take(id) {
            State::HashJoin(state) => state,
            _ => Box::new(self.build(cx, node)?),
        };
        let result = self.probe(cx, node, &mut state);
        self.put(id, State::HashJoin(state));
        result
    }

    fn build(&mut self, cx: &Cx<'_>, node: &HashJoin) -> PgResult<HashJoinState> {
        let live = &cx.plan.nodes[node.inner.index()].live;
        let keeps_all = matches!(node.join, JoinType::Right | JoinType::Full);
        let mut rows = Vec::new();
        let mut buckets: FxHashMap<u64, Vec<u32>> = FxHashMap::default();
        while self.next_row(cx, node.inner)? {
            let keys = self.hash_values(cx, &node.keys, false)?;
            let null = keys.iter().any(Datum::is_null);
            // A NULL key matches nothing; the row matters only where unmatched rows come out.
            if null && !keeps_all {
                continue;
            }
            if !null {
                buckets.entry(hash_of(&node.keys, &keys, false)).or_default().push(rows.len() as u32);
            }
            rows.push(InnerRow { keys, values: self.save(live), matched: false });
        }
        Ok(HashJoinState { rows, buckets, phase: Phase::Outer })
    }

    fn hash_values(&mut self, cx: &Cx<'_>, keys: &[HashKey], outer: bool) -> PgResult<SavedRow> {
        keys.iter().map(|key| self.value(cx, if outer { &key.outer } else { &key.inner })).collect()
    }

    fn probe(&mut self, cx: &Cx<'_>, node: &HashJoin, state: &mut HashJoinState) -> PgResult<bool> {
        let live = &cx.plan.nodes[node.inner.index()].live;
        loop {
            match state.phase {
                Phase::Done => return Ok(false),
                Phase::Outer => {
                    if !self.next_row(cx, node.outer)? {
                        let keeps_all = matches!(node.join, JoinType::Right | JoinType::Full);
                        state.phase = if keeps_all { Phase::Unmatched(0) } else { Phase::Done };
                        if keeps_all {
                            self.set_null(&cx.plan.nodes[node.outer.index()].live);
                        }
                        continue;
                    }
                    let keys = self.hash_values(cx, &node.keys, true)?;
                    let hash = hash_of(&node.keys, &keys, true);
                    // Past the end of any bucket: a NULL key has no candidates.
                    let next = if keys.iter().any(Datum::is_null) { usize::MAX } else { 0 };
                    state.phase = Phase::Probing { hash, next, matched: false };
                }
                Phase::Probing { hash, next, matched } => {
                    let settled = matched && (node.single_match || matches!(node.join, JoinType::Semi | JoinType::Anti));
                    let found = if settled { None } else { self.candidate(cx, node, state, hash, next)? };
                    if let Some((row, next)) = found {
                        state.rows[row].matched = true;
                        state.phase = Phase::Probing { hash, next, matched: true };
                        if node.join != JoinType::Anti {
                            return Ok(true);
                        }
                        continue;
                    }
                    state.phase = Phase::Outer;
                    if !matched && matches!(node.join, JoinType::Left | JoinType::Full | JoinType::Anti) {
                        self.set_null(live);
                        return Ok(true);
                    }
                }
                Phase::Unmatched(at) => {
                    let Some(offset) = state.rows[at..].iter().position(|row| !row.matched) else {
                        state.phase = Phase::Done;
                        return Ok(false);
                    };
                    state.phase = Phase::Unmatched(at + offset + 1);
                    self.restore(live, &state.rows[at + offset].values);
                    return Ok(true);
                }
            }
        }
    }

    /// The next inner row of the bucket that matches the outer row, and where to go on.
    fn candidate(
        &mut self,
        cx: &Cx<'_>,
        node: &HashJoin,
        state: &HashJoinState,
        hash: u64,
        mut next: usize,
    ) -> PgResult<Option<(usize, usize)>> {
        let live = &cx.plan.nodes[node.inner.index()].live;
        let Some(bucket) = state.buckets.get(&hash) else { return Ok(None) };
        while let Some(&row) = bucket.get(next) {
            next += 1;
            let inner = &state.rows[row as usize];
            let mut equal = true;
            for (key, value) in node.keys.iter().zip(&inner.keys) {
                let outer = &self.frame[key.outer.slot.index()];
                if !Execution::keys_equal(cx, &key.equality, outer, value)? {
                    equal = false;
                    break;
                }
            }
            if !equal {
                continue;
            }
            self.restore(live, &inner.values);
            let fits = match &node.condition {
                Some(condition) => self.run(cx, &condition.program)?,
                None => true,
            };
            if fits {
                return Ok(Some((row as usize, next)));
            }
        }
        Ok(None)
    }
}

/// One hash over all keys. Values of both sides hash alike if they are equal: the planner sees to the
/// types.
fn hash_of(keys: &[HashKey], values: &[Datum], outer: bool) -> u64 {
    values.iter().zip(keys).filter(|(value, _)| !value.is_null()).fold(0, |all: u64, (value, key)| {
        let type_oid = if outer { key.outer_type } else { key.inner_type };
        all.rotate_left(5) ^ hash(type_oid, value)
    })
}
