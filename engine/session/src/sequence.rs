//! A sequence's row and what a session remembers of the sequences it has used.
//!
//! The row lies alone in its relation and is changed where it lies, outside of all transactions: the change
//! is redo like any other, and no client is told a value before a write quorum has that redo (the session
//! *depends on* it). A crash can therefore lose values, and never hand one out twice. How many values are
//! taken at once, and what `log_cnt` shows, is as in PostgreSQL's src/backend/commands/sequence.c; there is
//! no log-ahead behind it here.

use redoubt_access::{Tid, TupleRef, form_tuple};
use redoubt_buffer::RelNode;
use redoubt_catalog::rows::PgSequence;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Attribute, Datum, Oid, TupleDesc, types};
use rustc_hash::FxHashMap;
use std::sync::LazyLock;

/// Where a sequence's only row is.
pub(crate) const ROW: Tid = Tid { block: 0, slot: 1 };
/// More than any form of the row takes.
pub(crate) const MAX_ROW_BYTES: usize = 96;
/// How many values PostgreSQL logs ahead: `log_cnt` counts down from it.
const LOGGED_AHEAD: i64 = 32;

static COLUMNS: LazyLock<TupleDesc> = LazyLock::new(|| {
    let column = |name: &str, type_oid| Attribute::new(name, type_oid);
    TupleDesc::new(vec![
        column("last_value", types::INT8),
        column("log_cnt", types::INT8),
        column("is_called", types::BOOL),
    ])
});

/// The row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SequenceRow {
    pub last_value: i64,
    pub log_cnt: i64,
    /// Whether `last_value` has been handed out.
    pub is_called: bool,
}

impl SequenceRow {
    /// A sequence whose next value is `start`.
    pub(crate) fn starting_at(start: i64) -> Self {
        SequenceRow { last_value: start, log_cnt: 0, is_called: false }
    }

    /// Reads the row from its page.
    pub(crate) fn read(tuple: TupleRef<'_>) -> PgResult<Self> {
        let mut values = tuple.values();
        let (last, log, called) = (values.read()?, values.read()?, values.read()?);
        Ok(SequenceRow { last_value: last.as_int8()?, log_cnt: log.as_int8()?, is_called: called.as_bool()? })
    }

    /// The row's bytes, for the heap.
    pub(crate) fn form(self) -> PgResult<Vec<u8>> {
        let values = [Datum::Int8(self.last_value), Datum::Int8(self.log_cnt), Datum::Bool(self.is_called)];
        let mut bytes = Vec::with_capacity(MAX_ROW_BYTES);
        form_tuple(&COLUMNS, &values, &mut bytes)?;
        Ok(bytes)
    }
}

/// Values taken from a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The row afterwards.
    pub row: SequenceRow,
    /// The first value, which is the call's.
    pub first: i64,
    /// The last value; those between are the session's to hand out.
    pub last: i64,
}

/// Takes as many values as the sequence's CACHE says, or as many as are left.
///
/// # Errors
/// `2200H` when none is left.
pub(crate) fn take(row: SequenceRow, of: &PgSequence, name: &str) -> PgResult<Taken> {
    let mut next = row.last_value;
    let (mut first, mut last) = (next, next);
    let mut taken = 0;
    let mut wanted = of.seqcache;
    if !row.is_called {
        // The value in the row is the first one.
        taken = 1;
        wanted -= 1;
    }
    let mut logged = row.log_cnt;
    if logged < wanted || !row.is_called {
        wanted += LOGGED_AHEAD;
        logged = wanted;
    }
    while wanted > 0 {
        next = match following(next, of) {
            Some(value) => value,
            None if taken > 0 => break,
            None if of.seqcycle => {
                if of.seqincrement > 0 {
                    of.seqmin
                } else {
                    of.seqmax
                }
            }
            None => return Err(exhausted(of, name)),
        };
        wanted -= 1;
        if taken < of.seqcache {
            logged -= 1;
            taken += 1;
            last = next;
            if taken == 1 {
                first = next;
            }
        }
    }
    let row = SequenceRow { last_value: last, log_cnt: logged - wanted, is_called: true };
    Ok(Taken { row, first, last })
}

/// The value after this one, unless it is out of bounds.
fn following(value: i64, of: &PgSequence) -> Option<i64> {
    value.checked_add(of.seqincrement).filter(|next| (of.seqmin..=of.seqmax).contains(next))
}

fn exhausted(of: &PgSequence, name: &str) -> PgError {
    let (bound, value) = if of.seqincrement > 0 { ("maximum", of.seqmax) } else { ("minimum", of.seqmin) };
    PgError::new(
        code::SEQUENCE_GENERATOR_LIMIT_EXCEEDED,
        format!("nextval: reached {bound} value of sequence \"{name}\" ({value})"),
    )
}

/// What the session knows of one sequence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UsedSequence {
    /// The storage that `last` and `cached` come from.
    pub node: RelNode,
    /// The transaction that holds the lock on it.
    pub locked_in: Option<u32>,
    /// What `nextval` returned last, if it did.
    pub current: Option<i64>,
    /// Where the session is among the values it took, and the last of those.
    pub last: i64,
    pub cached: i64,
    pub increment: i64,
}

/// The sequences that the session has used (`currval`, `lastval`, CACHE).
#[derive(Debug, Default)]
pub(crate) struct UsedSequences {
    known: FxHashMap<Oid, UsedSequence>,
    /// The sequence that `nextval` was last called for.
    pub last: Option<Oid>,
}

impl UsedSequences {
    /// What is known of a sequence; values taken from storage that has been replaced are void.
    pub(crate) fn of(&mut self, sequence: Oid, node: RelNode) -> &mut UsedSequence {
        let known = self.known.entry(sequence).or_insert(UsedSequence {
            node,
            locked_in: None,
            current: None,
            last: 0,
            cached: 0,
            increment: 0,
        });
        if known.node != node {
            known.node = node;
            known.cached = known.last;
        }
        known
    }

    /// Forgets everything: DISCARD SEQUENCES.
    pub(crate) fn discard(&mut self) {
        self.known.clear();
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(increment: i64, min: i64, max: i64, cache: i64, cycle: bool) -> PgSequence {
        PgSequence {
            seqrelid: 1,
            seqtypid: types::INT8,
            seqstart: min,
            seqincrement: increment,
            seqmax: max,
            seqmin: min,
            seqcache: cache,
            seqcycle: cycle,
        }
    }

    fn check(of: &PgSequence, mut row: SequenceRow, calls: usize, expect: &str) {
        let mut shown = Vec::new();
        for _ in 0..calls {
            match take(row, of, "s") {
                Ok(taken) => {
                    shown.push(format!("{}-{}/{}", taken.first, taken.last, taken.row.log_cnt));
                    row = taken.row;
                }
                Err(error) => shown.push(error.message().to_string()),
            }
        }
        assert_eq!(shown.join(", "), expect);
    }

    /// Expected values are what PostgreSQL 15 shows for the same definitions.
    #[test]
    fn values_are_taken_as_the_definition_says() {
        let start = SequenceRow::starting_at;
        check(&sequence(1, 1, i64::MAX, 1, false), start(1), 3, "1-1/32, 2-2/31, 3-3/30");
        check(&sequence(1, 1, i64::MAX, 10, false), start(1), 2, "1-10/32, 11-20/22");
        check(
            &sequence(1, 1, 2, 1, false),
            start(1),
            3,
            "1-1/1, 2-2/0, nextval: reached maximum value of sequence \"s\" (2)",
        );
        check(
            &sequence(-1, -2, -1, 1, false),
            start(-1),
            3,
            "-1--1/1, -2--2/0, nextval: reached minimum value of sequence \"s\" (-2)",
        );
        check(&sequence(1, 1, 3, 2, true), start(1), 3, "1-2/1, 3-3/0, 1-2/1");
        check(
            &sequence(i64::MAX, i64::MIN, i64::MAX, 1, false),
            start(i64::MAX - 1),
            2,
            "9223372036854775806-9223372036854775806/0, nextval: reached maximum value of sequence \"s\" (9223372036854775807)",
        );
    }

    #[test]
    fn a_row_survives_its_bytes() {
        for row in [
            SequenceRow { last_value: i64::MIN, log_cnt: 0, is_called: false },
            SequenceRow { last_value: i64::MAX, log_cnt: 32, is_called: true },
        ] {
            let bytes = row.form().unwrap();
            assert!(bytes.len() <= MAX_ROW_BYTES);
            assert_eq!(SequenceRow::read(TupleRef::new(&bytes).unwrap()).unwrap(), row);
        }
    }
}
