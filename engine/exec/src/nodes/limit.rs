//! Limit: OFFSET and LIMIT, computed when the node starts; rows are fetched only as far as needed.

use crate::exec::Exec;
use crate::keys::same_key;
use crate::node::{Node, PlanState};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Datum;
use redoubt_plan::node::Limit;
use redoubt_plan::{NodeId, NodeKind, SlotSet};

pub(crate) struct LimitState {
    id: NodeId,
    child: PlanState,
    phase: Phase,
    /// Rows still to deliver; `None` is no limit.
    left: Option<u64>,
    /// WITH TIES: the last row's keys.
    last: Vec<Datum>,
}

#[derive(PartialEq)]
enum Phase {
    Start,
    Running,
    /// Only rows that tie with the last one.
    Ties,
    Done,
}

impl LimitState {
    pub(crate) fn new(id: NodeId, child: PlanState) -> Self {
        LimitState { id, child, phase: Phase::Start, left: None, last: Vec::new() }
    }

    fn start(&mut self, x: &mut Exec<'_>) -> PgResult<()> {
        let node = limit_of(x, self.id);
        let offset =
            bound(x, node.offset.as_ref(), "OFFSET", code::INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE)?;
        self.left = bound(x, node.count.as_ref(), "LIMIT", code::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE)?;
        if self.left.is_none() && node.ties.is_some() {
            return Err(PgError::new(
                code::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE,
                "row count cannot be null in FETCH FIRST ... WITH TIES clause",
            ));
        }
        if self.left == Some(0) {
            self.phase = Phase::Done;
            return Ok(());
        }
        self.phase = Phase::Running;
        for _ in 0..offset.unwrap_or(0) {
            if !self.child.next(x)? {
                self.phase = Phase::Done;
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The node's part of the plan.
fn limit_of<'a>(x: &Exec<'a>, id: NodeId) -> &'a Limit {
    match &x.plan.nodes[id.index()].kind {
        NodeKind::Limit(node) => node,
        _ => unreachable!("the node is a limit"),
    }
}

fn bound<'a>(
    x: &mut Exec<'a>,
    value: Option<&'a redoubt_plan::program::Value>,
    name: &str,
    code: redoubt_error::SqlState,
) -> PgResult<Option<u64>> {
    let Some(value) = value else { return Ok(None) };
    match x.value(value)? {
        Datum::Null => Ok(None),
        Datum::Int8(count) => match u64::try_from(*count) {
            Ok(count) => Ok(Some(count)),
            Err(_) => Err(PgError::new(code, format!("{name} must not be negative"))),
        },
        other => Err(other.mismatch("int8")),
    }
}

impl Node for LimitState {
    fn next(&mut self, x: &mut Exec<'_>) -> PgResult<bool> {
        if self.phase == Phase::Start {
            self.start(x)?;
        }
        let node = limit_of(x, self.id);
        match self.phase {
            Phase::Running => {
                if !self.child.next(x)? {
                    self.phase = Phase::Done;
                    return Ok(false);
                }
                if let Some(left) = &mut self.left {
                    *left -= 1;
                    if *left == 0 {
                        self.phase = if node.ties.is_some() { Phase::Ties } else { Phase::Done };
                    }
                }
                if let Some(keys) = &node.ties {
                    self.last = keys.iter().map(|key| x.get(key.slot).clone()).collect();
                }
                Ok(true)
            }
            Phase::Ties => {
                if !self.child.next(x)? {
                    self.phase = Phase::Done;
                    return Ok(false);
                }
                for (key, last) in node.ties.iter().flatten().zip(&self.last) {
                    if !same_key(x, &key.equality, x.get(key.slot), last)? {
                        self.phase = Phase::Done;
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Phase::Done | Phase::Start => Ok(false),
        }
    }

    fn rescan(&mut self, x: &mut Exec<'_>, changed: &SlotSet) -> PgResult<()> {
        self.phase = Phase::Start;
        self.child.rescan(x, changed)
    }
}
