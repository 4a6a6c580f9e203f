//! Frames: which rows of the partition a row's functions look at.

use super::Partition;
use super::functions::Window;
use crate::exec::Exec;
use crate::interpret::is_true;
use redoubt_analyze::query::{FrameExclude, FrameMode};
use redoubt_error::PgResult;
use redoubt_functions::{Datum, ScalarFn};
use redoubt_plan::program::SiteId;
use redoubt_plan::window::Bound;

impl<'a> Window<'a, '_> {
    /// The frame of a row before exclusion: from and to before.
    pub(super) fn frame(
        &self,
        x: &mut Exec<'a>,
        partition: &mut Partition,
        row: usize,
    ) -> PgResult<(usize, usize)> {
        let start = self.bound(x, partition, row, true)?;
        let end = self.bound(x, partition, row, false)?;
        partition.frame = (start, end);
        Ok((start, end.max(start)))
    }

    fn bound(&self, x: &mut Exec<'a>, partition: &mut Partition, row: usize, start: bool) -> PgResult<usize> {
        let frame = &self.node.frame;
        let (bound, offset) =
            if start { (&frame.start, &self.offsets.0) } else { (&frame.end, &self.offsets.1) };
        let rows = partition.len();
        let (peers_start, peers_end) = partition.peers(row);
        let preceding = matches!(bound, Bound::Preceding(_));
        Ok(match (bound, frame.mode) {
            (Bound::UnboundedPreceding, _) => 0,
            (Bound::UnboundedFollowing, _) => rows,
            (Bound::CurrentRow, FrameMode::Rows) => row + usize::from(!start),
            (Bound::CurrentRow, _) => {
                if start {
                    peers_start
                } else {
                    peers_end
                }
            }
            (_, FrameMode::Rows) => {
                let at = shifted(row, offset, preceding);
                // The end is one past the last row.
                let at = if start { at } else { at + 1 };
                at.clamp(0, rows as i64) as usize
            }
            (_, FrameMode::Groups) => {
                let groups = partition.group_starts.len() - 1;
                let at = shifted(partition.group_of[row] as usize, offset, preceding);
                let at = if start { at } else { at + 1 };
                partition.group_starts[at.clamp(0, groups as i64) as usize]
            }
            (_, FrameMode::Range) => self.range_bound(x, partition, row, start, preceding)?,
        })
    }

    /// RANGE with an offset: moves on from where the frame of the row before was.
    fn range_bound(
        &self,
        x: &mut Exec<'a>,
        partition: &mut Partition,
        row: usize,
        start: bool,
        preceding: bool,
    ) -> PgResult<usize> {
        let key = &self.node.order_keys[0];
        let column = self.slots.iter().position(|slot| *slot == key.slot).expect("keys are kept");
        let in_range = self.node.frame.in_range.as_ref().expect("planned for RANGE with an offset");
        let (function, offset) = if start {
            (in_range.start.expect("the start has an offset"), &self.offsets.0)
        } else {
            (in_range.end.expect("the end has an offset"), &self.offsets.1)
        };
        let subtract = preceding != key.descending;
        let less = start == key.descending;
        let current = partition.rows.row(row)?[column].clone();
        let mut at = if start { partition.frame.0 } else { partition.frame.1 };
        while at < partition.len() {
            let value = &partition.rows.row(at)?[column];
            let (value_null, current_null) = (value.is_null(), current.is_null());
            let moves_on = if value_null || current_null {
                match (start, key.nulls_first) {
                    (true, true) => value_null && !current_null,
                    (true, false) => !value_null && current_null,
                    (false, true) => value_null || !current_null,
                    (false, false) => !value_null || current_null,
                }
            } else {
                let within = self.is_in_range(x, function, [value, &current, offset], subtract, less)?;
                within != start
            };
            if !moves_on {
                break;
            }
            at += 1;
        }
        Ok(at)
    }

    fn is_in_range(
        &self,
        x: &mut Exec<'a>,
        (function, site): (ScalarFn, SiteId),
        [value, base, offset]: [&Datum; 3],
        subtract: bool,
        less: bool,
    ) -> PgResult<bool> {
        let args = [value.clone(), base.clone(), offset.clone(), Datum::Bool(subtract), Datum::Bool(less)];
        Ok(is_true(&function(&x.call_context(site), &args)?))
    }

    /// Whether EXCLUDE leaves a row out of the current row's frame.
    pub(super) fn is_excluded(&self, partition: &Partition, current: usize, row: usize) -> bool {
        match self.node.frame.exclude {
            FrameExclude::NoOthers => false,
            FrameExclude::CurrentRow => row == current,
            FrameExclude::Group => partition.group_of[row] == partition.group_of[current],
            FrameExclude::Ties => row != current && partition.group_of[row] == partition.group_of[current],
        }
    }
}

/// A position an offset away; beyond the ends of `i64` it is at them.
fn shifted(from: usize, offset: &Datum, preceding: bool) -> i64 {
    let Datum::Int8(offset) = offset else { return from as i64 };
    // One less than the greatest, so that the end of a frame can be one past it.
    let limit = i64::MAX - 1;
    if preceding {
        (from as i64).saturating_sub(*offset)
    } else {
        (from as i64).saturating_add(*offset).min(limit)
    }
}
