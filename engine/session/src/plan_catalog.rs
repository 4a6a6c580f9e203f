//! What the planner asks beyond the catalogs: sizes and implementations.

use crate::access::Access;
use crate::functions;
use redoubt_catalog::{Index, Relation};
use redoubt_error::PgResult;
use redoubt_exec::Relations;
use redoubt_functions::{ScalarFn, SrfFn};
use redoubt_plan::FactsHost;

impl FactsHost for Access<'_> {
    fn relation_pages(&self, relation: &Relation) -> PgResult<u32> {
        Ok(self.open(relation.oid)?.heap.nblocks())
    }

    fn index_size(&self, index: &Index) -> PgResult<(u32, u32)> {
        let tree = index.open(self.engine())?;
        Ok((tree.nblocks(), u32::from(tree.height()?)))
    }

    fn index_serves_snapshot(&self, index: &Index) -> PgResult<bool> {
        Ok(!index.row.indcheckxmin || self.sees_index(index.oid)?)
    }

    fn function(&self, source: &str) -> Option<ScalarFn> {
        functions::find(source)
    }

    fn set_function(&self, source: &str) -> Option<SrfFn> {
        functions::find_set(source)
    }
}
