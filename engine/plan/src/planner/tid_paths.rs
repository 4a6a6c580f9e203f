//! Reading rows by ctid (PostgreSQL's tidpath.c; `cost_tidscan` in costsize.c).

use super::clause::{Clause, operator_of};
use super::cost;
use super::inspect;
use super::level::LevelPlanner;
use super::order::DISABLE_COST;
use super::path::{Path, PathKind};
use super::relset::RelSet;
use redoubt_analyze::query::{CallForm, Expr};
use redoubt_error::PgResult;
use redoubt_functions::Oid;
use std::rc::Rc;

/// `pg_operator.oid` of `tid = tid`.
const TID_EQUALS: Oid = 387;

impl LevelPlanner<'_, '_> {
    /// Adds a scan by ctid if a restriction names the places.
    pub(super) fn add_tid_path(
        &self,
        range: usize,
        clauses: &[Rc<Clause>],
        paths: &mut Vec<Rc<Path>>,
    ) -> PgResult<()> {
        let found = clauses.iter().find_map(|clause| Some((clause, self.tids_of(range, &clause.expr)?)));
        let Some((clause, tids)) = found else { return Ok(()) };
        let settings = self.builder.ctx.settings;
        let base = &self.bases[&range];
        let count: f64 =
            tids.iter().map(|(expr, is_array)| if *is_array { cost::array_length(expr) } else { 1.0 }).sum();
        let quals = self.exprs_cost(clauses.iter().map(|clause| &clause.expr))?;
        let tested = self.exprs_cost([&clause.expr])?;
        let mut startup = quals.startup + tested.total;
        if !settings.enable_tidscan {
            startup += DISABLE_COST;
        }
        let per_tuple = settings.cpu_tuple_cost + quals.total - tested.total;
        let run = settings.random_page_cost * count + per_tuple * count;
        let filter = clauses.iter().filter(|other| !Rc::ptr_eq(other, clause)).cloned().collect();
        let path = Path {
            kind: PathKind::TidScan { range, tids, conditions: vec![clause.clone()], filter },
            relids: RelSet::single(range),
            outer: base.lateral.clone(),
            rows: base.rows,
            startup,
            total: startup + run,
            width: base.width,
            order: Vec::new(),
        };
        self.add(paths, path);
        Ok(())
    }

    /// The places that a condition confines rows to, each with whether it is an array of them.
    fn tids_of(&self, range: usize, expr: &Expr) -> Option<Vec<(Expr, bool)>> {
        let is_ctid = |expr: &Expr| matches!(expr, Expr::Var(var) if var.rt == range && var.attno == -1);
        let fixed = |expr: &Expr| self.local_relids(expr).is_empty() && !inspect::is_volatile(expr);
        if let Some((call, TID_EQUALS)) = operator_of(expr) {
            let (left, right) = (&call.args[0], &call.args[1]);
            return if is_ctid(left) && fixed(right) {
                Some(vec![(right.clone(), false)])
            } else if is_ctid(right) && fixed(left) {
                Some(vec![(left.clone(), false)])
            } else {
                None
            };
        }
        match expr {
            Expr::ScalarArrayOp { call, any: true }
                if matches!(call.form, CallForm::Operator { oid: TID_EQUALS, .. })
                    && is_ctid(&call.args[0])
                    && fixed(&call.args[1]) =>
            {
                Some(vec![(call.args[1].clone(), true)])
            }
            // Every arm must name places.
            Expr::Or(arms) => {
                let mut all = Vec::new();
                for arm in arms {
                    all.extend(self.tids_of(range, arm)?);
                }
                Some(all)
            }
            _ => None,
        }
    }
}
