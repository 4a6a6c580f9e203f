//! Window functions' results for one row.

use super::{Partition, Running};
use crate::aggregates::CallState;
use crate::exec::Exec;
use redoubt_analyze::query::FrameExclude;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::Datum;
use redoubt_plan::Slot;
use redoubt_plan::aggregate::AggCall;
use redoubt_plan::program::Program;
use redoubt_plan::window::{BuiltinWindow, WindowFunction, Windowing};

/// What computing a row's results works with.
pub(super) struct Window<'a, 's> {
    pub node: &'a Windowing,
    pub slots: &'s [Slot],
    pub offsets: &'s (Datum, Datum),
}

/// Whether a function depends on the frame.
pub(super) fn looks_at_frame(function: &WindowFunction) -> bool {
    match function {
        WindowFunction::Aggregate(_) => true,
        WindowFunction::Builtin { kind, .. } => {
            matches!(kind, BuiltinWindow::FirstValue | BuiltinWindow::LastValue | BuiltinWindow::NthValue)
        }
    }
}

impl<'a> Window<'a, '_> {
    /// An aggregate over the frame. As long as the frame only grows at its end, rows are only added.
    pub(super) fn aggregate(
        &self,
        x: &mut Exec<'a>,
        partition: &mut Partition,
        call: usize,
        aggregate: &'a AggCall,
        row: usize,
        (from, to): (usize, usize),
    ) -> PgResult<Datum> {
        let excludes = self.node.frame.exclude != FrameExclude::NoOthers;
        let mut running = match partition.aggregates[call].take() {
            Some(running) if !excludes && running.from == from && running.upto <= to => running,
            used => {
                if let Some(used) = used {
                    used.state.release(&mut partition.held)?;
                }
                Running { state: CallState::new(aggregate, x), from, upto: from }
            }
        };
        while running.upto < to {
            let at = running.upto;
            running.upto += 1;
            if self.is_excluded(partition, row, at) {
                continue;
            }
            x.ctx.check_for_interrupts()?;
            partition.rows.load(x, self.slots, at)?;
            x.accumulate(aggregate, &mut running.state, &mut partition.held)?;
        }
        let value = x.result(aggregate, &mut running.state)?;
        partition.aggregates[call] = Some(running);
        Ok(value)
    }

    /// A window function proper.
    pub(super) fn builtin(
        &self,
        x: &mut Exec<'a>,
        partition: &mut Partition,
        call: usize,
        function: &'a WindowFunction,
        row: usize,
        frame: (usize, usize),
    ) -> PgResult<Datum> {
        let WindowFunction::Builtin { kind, program, args, count } = function else {
            unreachable!("aggregates are computed elsewhere")
        };
        let (peers_start, peers_end) = partition.peers(row);
        let rows = partition.len();
        Ok(match kind {
            BuiltinWindow::RowNumber => Datum::Int8(row as i64 + 1),
            BuiltinWindow::Rank => Datum::Int8(peers_start as i64 + 1),
            BuiltinWindow::DenseRank => Datum::Int8(i64::from(partition.group_of[row]) + 1),
            BuiltinWindow::PercentRank if rows <= 1 => Datum::Float8(0.0),
            BuiltinWindow::PercentRank => Datum::Float8(peers_start as f64 / (rows - 1) as f64),
            BuiltinWindow::CumeDist => Datum::Float8(peers_end as f64 / rows as f64),
            BuiltinWindow::Ntile => self.ntile(x, partition, call, program, *args, row)?,
            BuiltinWindow::Lag => self.offset_row(x, partition, program, (*args, *count), row, -1)?,
            BuiltinWindow::Lead => self.offset_row(x, partition, program, (*args, *count), row, 1)?,
            BuiltinWindow::FirstValue => {
                let found = (frame.0..frame.1).find(|&at| !self.is_excluded(partition, row, at));
                self.value_at(x, partition, program, *args, found)?
            }
            BuiltinWindow::LastValue => {
                let found = (frame.0..frame.1).rev().find(|&at| !self.is_excluded(partition, row, at));
                self.value_at(x, partition, program, *args, found)?
            }
            BuiltinWindow::NthValue => {
                partition.rows.load(x, self.slots, row)?;
                x.run(program)?;
                let nth = match x.get(args.plus(1)) {
                    Datum::Int4(nth) => *nth,
                    _ => return Ok(Datum::Null),
                };
                if nth <= 0 {
                    return Err(PgError::new(
                        code::INVALID_ARGUMENT_FOR_NTH_VALUE,
                        "argument of nth_value must be greater than zero",
                    ));
                }
                let mut included = (frame.0..frame.1).filter(|&at| !self.is_excluded(partition, row, at));
                let found = included.nth(nth as usize - 1);
                self.value_at(x, partition, program, *args, found)?
            }
        })
    }

    /// The first argument's value at a row; NULL if there is no such row.
    fn value_at(
        &self,
        x: &mut Exec<'a>,
        partition: &mut Partition,
        program: &'a Program,
        args: Slot,
        row: Option<usize>,
    ) -> PgResult<Datum> {
        let Some(row) = row else { return Ok(Datum::Null) };
        partition.rows.load(x, self.slots, row)?;
        x.run(program)?;
        Ok(x.get(args).clone())
    }

    /// LAG and LEAD.
    fn offset_row(
        &self,
        x: &mut Exec<'a>,
        partition: &mut Partition,
        program: &'a Program,
        (args, count): (Slot, u16),
        row: usize,
        direction: i64,
    ) -> PgResult<Datum> {
        partition.rows.load(x, self.slots, row)?;
        x.run(program)?;
        let offset = match count {
            1 => 1,
            _ => match x.get(args.plus(1)) {
                Datum::Int4(offset) => i64::from(*offset),
                _ => return Ok(Datum::Null),
            },
        };
        let default = if count > 2 { x.get(args.plus(2)).clone() } else { Datum::Null };
        let at = row as i64 + direction * offset;
        match usize::try_from(at).ok().filter(|at| *at < partition.len()) {
            Some(at) => self.value_at(x, partition, program, args, Some(at)),
            None => Ok(default),
        }
    }

    /// NTILE: the bucket count is the first row's argument.
    fn ntile(
        &self,
        x: &mut Exec<'a>,
        partition: &mut Partition,
        call: usize,
        program: &'a Program,
        args: Slot,
        row: usize,
    ) -> PgResult<Datum> {
        if row == 0 {
            partition.rows.load(x, self.slots, 0)?;
            x.run(program)?;
            partition.ntile[call] = match x.get(args) {
                Datum::Int4(buckets) => Some(i64::from(*buckets)),
                _ => None,
            };
        }
        let Some(buckets) = partition.ntile[call] else { return Ok(Datum::Null) };
        if buckets <= 0 {
            return Err(PgError::new(
                code::INVALID_ARGUMENT_FOR_NTILE,
                "argument of ntile must be greater than zero",
            ));
        }
        let (rows, row) = (partition.len() as i64, row as i64);
        // The first buckets get one row more until the remainder is used up.
        let (size, larger) = (rows / buckets, rows % buckets);
        let in_larger = larger * (size + 1);
        let bucket =
            if row < in_larger { row / (size + 1) } else { larger + (row - in_larger) / size.max(1) };
        Ok(Datum::Int4(bucket as i32 + 1))
    }
}
