//! Nested loops.

use crate::execution::{Cx, Execution};
use crate::state::State;
use redoubt_error::{PgError, PgResult};
use redoubt_plan::join::{JoinType, MergeJoin, NestedLoop};
use redoubt_plan::node::NodeId;

impl Execution {
    /// For each outer row the inner rows that match; what happens without a match is the join's kind.
    pub(crate) fn next_nested_loop(&mut self, cx: &Cx<'_>, id: NodeId, node: &NestedLoop) -> PgResult<bool> {
        let mut matched = match self.take(id) {
            State::Nested { matched } => Some(matched),
            State::Done => {
                self.put(id, State::Done);
                return Ok(false);
            }
            _ => None,
        };
        loop {
            let Some(found) = matched else {
                if !self.next_row(cx, node.outer)? {
                    self.put(id, State::Done);
                    return Ok(false);
                }
                self.rescan(cx, node.inner);
                matched = Some(false);
                continue;
            };
            // Once it is known that a row matches, these kinds need no more of its inner rows.
            let settled = found && (node.single_match || matches!(node.join, JoinType::Semi | JoinType::Anti));
            if !settled && self.next_row(cx, node.inner)? {
                let fits = match &node.condition {
                    Some(condition) => self.run(cx, &condition.program)?,
                    None => true,
                };
                if !fits {
                    continue;
                }
                matched = Some(true);
                if node.join != JoinType::Anti {
                    self.put(id, State::Nested { matched: true });
                    return Ok(true);
                }
                continue;
            }
            matched = None;
            if !found && matches!(node.join, JoinType::Left | JoinType::Anti) {
                self.set_null(&cx.plan.nodes[node.inner.index()].live);
                self.put(id, State::Fresh);
                return Ok(true);
            }
        }
    }

    pub(crate) fn next_merge_join(&mut self, _: &Cx<'_>, _: NodeId, _: &MergeJoin) -> PgResult<bool> {
        Err(PgError::unsupported("merge join"))
    }
}
