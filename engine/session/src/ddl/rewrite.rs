//! Rewriting a table: every row is read from the old storage, changed, and written into new, which takes the old one's
//! place when the transaction commits; then the indexes are made again (PostgreSQL's `ATRewriteTable`).

use super::row_type::check_rows_stored_nowhere_else;
use crate::access::Access;
use crate::session::Session;
use redoubt_access::{Direction, HeapScan, InsertOptions, deform, form_tuple};
use redoubt_analyze::query::Expr;
use redoubt_catalog::Relation;
use redoubt_catalog::ddl::Ddl;
use redoubt_error::{PgError, PgResult, code};
use redoubt_exec::{ExecContext, Relations, RowEvaluator, Storage};
use redoubt_functions::{Datum, Oid, TupleDesc};
use redoubt_plan::facts::{PlannerContext, PlannerSettings};
use redoubt_plan::{CatalogFacts, plan_row};

/// How many rows are read between two looks at whether the statement was cancelled.
const ROWS_PER_CHECK: u64 = 1024;

impl Session {
    /// Computes an expression that reads no table, now.
    pub(super) fn evaluate(&self, access: &Access<'_>, expr: &Expr) -> PgResult<Datum> {
        let columns = TupleDesc::new(Vec::new());
        let mut evaluator = self.evaluator(access, std::slice::from_ref(expr), &columns)?;
        let env = access.env();
        let storage = self.storage(access);
        evaluator.evaluate(&ExecContext { env: &env, storage: &storage }, &[])?;
        Ok(evaluator.output(0).clone())
    }

    fn evaluator(&self, access: &Access<'_>, exprs: &[Expr], desc: &TupleDesc) -> PgResult<RowEvaluator> {
        let env = access.env();
        let facts = CatalogFacts { view: access.catalog(), env: &env, path: &access.path, host: access };
        let settings = PlannerSettings::default();
        let planner = PlannerContext {
            catalog: &facts,
            env: &env,
            settings: &settings,
            params: None,
            tuple_fraction: 0.0,
        };
        Ok(RowEvaluator::new(plan_row(exprs, desc, &planner)?))
    }

    fn storage<'a>(&'a self, access: &'a Access<'_>) -> Storage<'a> {
        Storage {
            engine: access.engine(),
            txn: self.txn(),
            snapshot: access.snapshot.clone(),
            relations: access,
            work: self.work(),
            offload: None,
        }
    }

    /// Rewrites a table that the transaction has locked. `values` are the columns that change, by attribute number,
    /// each an expression over the row as it was; `desc` is what rows are to be.
    ///
    /// # Errors
    /// `23502` when a column that must have values gets none; those of the expressions and of the indexes.
    pub(super) fn rewrite_table(&self, table: Oid, values: &[(i16, Expr)], desc: &TupleDesc) -> PgResult<()> {
        redoubt_buffer::blocking(|| self.rewrite_rows(table, values, desc))
    }

    fn rewrite_rows(&self, table: Oid, values: &[(i16, Expr)], desc: &TupleDesc) -> PgResult<()> {
        let access = Access::current(self)?;
        let relation = access.relation(table)?;
        check_rows_stored_nowhere_else(&access, &relation)?;
        let exprs: Vec<Expr> = values.iter().map(|(_, expr)| expr.clone()).collect();
        let mut evaluator = self.evaluator(&access, &exprs, &relation.desc)?;
        let env = access.env();
        let storage = self.storage(&access);
        let context = ExecContext { env: &env, storage: &storage };
        let old = access.open(table)?;
        let options = InsertOptions { fillfactor: old.fillfactor };
        let ddl = Ddl::new(access.store(), &access.path);
        let node = ddl.new_storage(table)?;
        let heap = access.engine().heap(node, relation.table_id())?;
        let mut scan = HeapScan::new(old.heap.clone(), self.txn().latest_snapshot()?);
        let (mut row, mut tuple, mut seen) = (Vec::with_capacity(desc.len()), Vec::new(), 0_u64);
        while let Some((_, found)) = scan.next(Direction::Forward)? {
            seen += 1;
            if seen.is_multiple_of(ROWS_PER_CHECK) {
                self.facts.backend.check_for_interrupts()?;
            }
            row.clear();
            deform(found, &relation.desc, relation.desc.len(), &mut row)?;
            evaluator.evaluate(&context, &row)?;
            for (at, (attnum, _)) in values.iter().enumerate() {
                row[*attnum as usize - 1] = evaluator.output(at).clone();
            }
            self.check_values(&relation, desc, &row)?;
            form_tuple(desc, &row, &mut tuple)?;
            heap.insert(self.txn(), &mut tuple, options)?;
        }
        ddl.adopt_storage(table, node)?;
        // Every row has all its columns now.
        for attribute in relation.attributes.iter().filter(|attribute| attribute.atthasmissing) {
            ddl.change_column(table, attribute.attnum, |row| {
                row.atthasmissing = false;
                row.attmissingval = Datum::Null;
            })?;
        }
        Ok(())
    }

    fn check_values(&self, relation: &Relation, desc: &TupleDesc, row: &[Datum]) -> PgResult<()> {
        let mut columns = desc.attrs.iter().zip(row);
        let lacking = columns.find(|(column, value)| column.not_null && !column.dropped && value.is_null());
        let Some((column, _)) = lacking else { return Ok(()) };
        let message =
            format!("column \"{}\" of relation \"{}\" contains null values", column.name, relation.name);
        Err(PgError::new(code::NOT_NULL_VIOLATION, message)
            .table(self.schema_of(relation)?, &*relation.name)
            .column(&*column.name))
    }

    /// Makes the indexes of a table again.
    ///
    /// # Errors
    /// `23505` when a unique index would have duplicates.
    pub(super) fn rebuild_indexes(&self, table: Oid) -> PgResult<()> {
        let indexes = self.current(table)?.indexes.clone();
        indexes.iter().try_for_each(|index| self.rebuild_index(table, *index))
    }

    /// Makes one index again.
    ///
    /// # Errors
    /// As [`Session::rebuild_indexes`].
    pub(super) fn rebuild_index(&self, table: Oid, index: Oid) -> PgResult<()> {
        let access = Access::current(self)?;
        let ddl = Ddl::new(access.store(), &access.path);
        ddl.replace_storage(index)?;
        ddl.change_index(index, |row| row.indcheckxmin = false)?;
        drop(access);
        self.build_index(table, index)
    }
}
