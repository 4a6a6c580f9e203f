//! Merging sorted inputs into one sorted output.

use crate::execution::{Cx, Execution};
use crate::simple::compare_keys;
use crate::state::{SavedRow, State};
use redoubt_error::PgResult;
use redoubt_plan::node::{NodeId, SortKey};

/// The row that each input offers, with its keys.
pub(crate) struct MergeAppendState {
    heads: Vec<Option<(SavedRow, SavedRow)>>,
}

impl Execution {
    pub(crate) fn next_merge_append(
        &mut self,
        cx: &Cx<'_>,
        id: NodeId,
        children: &[NodeId],
        keys: &[SortKey],
    ) -> PgResult<bool> {
        let mut state = match self.take(id) {
            State::MergeAppend(state) => state,
            _ => {
                let mut heads = Vec::with_capacity(children.len());
                for child in children {
                    heads.push(self.merge_head(cx, *child, keys)?);
                }
                Box::new(MergeAppendState { heads })
            }
        };
        let mut error = None;
        let mut best: Option<usize> = None;
        for (at, head) in state.heads.iter().enumerate() {
            let Some((candidate, _)) = head else { continue };
            let wins = match best.and_then(|best| state.heads[best].as_ref()) {
                None => true,
                Some((leader, _)) => compare_keys(cx, keys, candidate, leader, &mut error).is_lt(),
            };
            if wins {
                best = Some(at);
            }
        }
        if let Some(error) = error {
            return Err(error);
        }
        if let Some(best) = best {
            let (_, row) = state.heads[best].take().expect("the best input has a row");
            state.heads[best] = self.merge_head(cx, children[best], keys)?;
            self.restore(&cx.plan.nodes[children[best].index()].live, &row);
        }
        self.put(id, State::MergeAppend(state));
        Ok(best.is_some())
    }

    fn merge_head(&mut self, cx: &Cx<'_>, child: NodeId, keys: &[SortKey]) -> PgResult<Option<(SavedRow, SavedRow)>> {
        if !self.next_row(cx, child)? {
            return Ok(None);
        }
        let key = keys.iter().map(|key| self.frame[key.slot.index()].clone()).collect();
        Ok(Some((key, self.save(&cx.plan.nodes[child.index()].live))))
    }
}
