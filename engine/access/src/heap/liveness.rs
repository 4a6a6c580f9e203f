//! Whether a row that an index entry leads to is alive, for unique checks: PostgreSQL's dirty snapshot.

use redoubt_error::PgResult;
use redoubt_txn::{StatusMissing, Txn, Xid, XidState};

use crate::heap::Heap;
use crate::heap::fetch::Chain;
use crate::tuple::{Tid, TupleRef};

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// No version is alive, and none will be.
    Dead,
    /// This version is.
    Live(Tid),
    /// It depends on how this transaction ends.
    Undecided(Xid),
}

impl Heap {
    /// Judges the row whose chain of versions starts at `root`, as of now and for `txn`.
    ///
    /// # Errors
    /// What the volume says.
    pub fn liveness(&self, txn: &Txn, root: Tid) -> PgResult<Liveness> {
        if root.block >= self.nblocks() {
            return Ok(Liveness::Dead);
        }
        let pin = self.pin(root.block)?;
        self.retry(|| {
            let page = pin.read();
            let mut undecided = Liveness::Dead;
            for (slot, tuple) in Chain::new(&page, root.slot) {
                match judge(txn, tuple)? {
                    Liveness::Dead => (),
                    Liveness::Live(_) => return Ok(Liveness::Live(Tid::new(root.block, slot))),
                    waits => undecided = waits,
                }
            }
            Ok(undecided)
        })
    }
}

fn judge(txn: &Txn, tuple: TupleRef<'_>) -> Result<Liveness, StatusMissing> {
    let own = txn.backend().id();
    let (xmin, xmax) = (tuple.xmin(), tuple.xmax());
    match txn.state_of(xmin)? {
        XidState::Aborted => return Ok(Liveness::Dead),
        XidState::Running(backend) if backend != own => return Ok(Liveness::Undecided(xmin)),
        XidState::Running(_) => (),
        XidState::Committed(_) => txn.depend_on(xmin),
    }
    if !xmax.is_valid() {
        return Ok(Liveness::Live(Tid::INVALID));
    }
    Ok(match txn.state_of(xmax)? {
        XidState::Aborted => Liveness::Live(Tid::INVALID),
        XidState::Running(backend) if backend == own => Liveness::Dead,
        XidState::Running(_) => Liveness::Undecided(xmax),
        XidState::Committed(_) => {
            txn.depend_on(xmax);
            Liveness::Dead
        }
    })
}
