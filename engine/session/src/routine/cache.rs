//! The bodies of functions that a session has called, ready to run.

use super::sql::SqlFunction;
use redoubt_catalog::rows::PgProc;
use redoubt_functions::Oid;
use rustc_hash::FxHashMap;
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// Functions that are remembered per session.
const MAX_FUNCTIONS: usize = 256;

/// A function and the types that one call has for its polymorphic parameters and its result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CallShape {
    pub function: Oid,
    pub arguments: Vec<Oid>,
    pub result: Oid,
}

/// What a session knows of functions.
#[derive(Default)]
pub(crate) struct Routines {
    sql: RefCell<FxHashMap<CallShape, (Arc<PgProc>, Arc<SqlFunction>)>>,
    /// How many functions are running inside each other.
    pub depth: Cell<u32>,
}

impl Routines {
    /// A function in language SQL, if it is still what its row says.
    pub(crate) fn find(&self, shape: &CallShape, row: &Arc<PgProc>) -> Option<Arc<SqlFunction>> {
        let known = self.sql.borrow();
        let (made_of, function) = known.get(shape)?;
        // The catalogs' caches give out one row as long as nothing has changed it.
        Arc::ptr_eq(made_of, row).then(|| function.clone())
    }

    pub(crate) fn keep(&self, shape: CallShape, row: Arc<PgProc>, function: Arc<SqlFunction>) {
        let mut known = self.sql.borrow_mut();
        if known.len() >= MAX_FUNCTIONS {
            known.clear();
        }
        known.insert(shape, (row, function));
    }
}
