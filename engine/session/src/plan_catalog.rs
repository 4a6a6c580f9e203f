//! The catalogs as the planner asks for them.

use crate::access::Access;
use crate::functions;
use redoubt_analyze::query::Expr;
use redoubt_error::{PgError, PgResult};
use redoubt_exec::Relations;
use redoubt_functions::{Oid, ScalarFn};
use redoubt_plan::facts::{
    AggregateFacts, BtreeMember, ColumnStats, IndexFacts, MovingFacts, OperatorFacts, PlanCatalog, ProcFacts,
    RelationSize, TableRules,
};
use std::sync::Arc;

/// `pg_am.oid` of btree.
const BTREE: Oid = 403;

impl PlanCatalog for Access<'_> {
    fn relation_size(&self, relid: Oid) -> PgResult<RelationSize> {
        let relation = self.relation(relid)?;
        let pages = if relation.has_storage() { self.open(relid)?.heap.nblocks() } else { 0 };
        Ok(RelationSize {
            pages,
            known_pages: relation.class.relpages,
            known_tuples: relation.class.reltuples,
            all_visible_pages: relation.class.relallvisible,
        })
    }

    /// Index scans come with the B-tree; until then no plan may use one.
    fn indexes(&self, _: Oid) -> PgResult<Vec<Arc<IndexFacts>>> {
        Ok(Vec::new())
    }

    fn proc(&self, oid: Oid) -> PgResult<Option<Arc<ProcFacts>>> {
        let Some(row) = self.catalog().proc_by_oid(oid)? else { return Ok(None) };
        let language = self.catalog().language_by_oid(row.prolang)?;
        let support = self.source_of(row.prosupport)?;
        Ok(Some(Arc::new(ProcFacts {
            name: row.proname.clone(),
            source: row.prosrc.clone(),
            language: language.map_or_else(|| "".into(), |row| row.lanname.clone()),
            cost: f64::from(row.procost),
            rows: f64::from(row.prorows),
            strict: row.proisstrict,
            volatility: row.provolatile,
            result_type: row.prorettype,
            support,
        })))
    }

    fn function(&self, source: &str) -> Option<ScalarFn> {
        functions::find(source)
    }

    fn operator(&self, oid: Oid) -> PgResult<Option<Arc<OperatorFacts>>> {
        let Some(row) = self.catalog().operator_by_oid(oid)? else { return Ok(None) };
        Ok(Some(Arc::new(OperatorFacts {
            name: row.oprname.clone(),
            left_type: row.oprleft,
            right_type: row.oprright,
            proc_oid: row.oprcode,
            commutator: row.oprcom,
            negator: row.oprnegate,
            can_hash: row.oprcanhash,
            can_merge: row.oprcanmerge,
            restrict_estimator: self.source_of(row.oprrest)?,
            join_estimator: self.source_of(row.oprjoin)?,
        })))
    }

    fn btree_members(&self, operator: Oid) -> PgResult<Vec<BtreeMember>> {
        let rows = self.catalog().families_of_operator(operator)?;
        let btree = rows.iter().filter(|row| row.amopmethod == BTREE && row.amoppurpose == 's');
        Ok(btree
            .map(|row| BtreeMember {
                family: row.amopfamily,
                strategy: row.amopstrategy as u8,
                left_type: row.amoplefttype,
                right_type: row.amoprighttype,
            })
            .collect())
    }

    fn btree_operator(&self, family: Oid, strategy: u8, left: Oid, right: Oid) -> PgResult<Oid> {
        self.catalog().family_operator(family, left, right, i16::from(strategy))
    }

    fn default_btree_family(&self, type_oid: Oid) -> PgResult<Oid> {
        Ok(self.catalog().sort_operators(type_oid)?.btree_family)
    }

    fn aggregate(&self, proc_oid: Oid) -> PgResult<Option<Arc<AggregateFacts>>> {
        let Some(row) = self.catalog().aggregate(proc_oid)? else { return Ok(None) };
        let required = |oid: Oid| -> PgResult<(Arc<str>, bool)> {
            let proc = self.catalog().proc_by_oid(oid)?;
            let proc =
                proc.ok_or_else(|| PgError::internal(format!("cache lookup failed for function {oid}")))?;
            Ok((proc.prosrc.clone(), proc.proisstrict))
        };
        let optional = |oid: Oid| -> PgResult<(Option<Arc<str>>, bool)> {
            if oid == 0 {
                return Ok((None, false));
            }
            required(oid).map(|(source, strict)| (Some(source), strict))
        };
        let (transition, transition_strict) = required(row.aggtransfn)?;
        let (finalizer, final_strict) = optional(row.aggfinalfn)?;
        let moving = if row.aggmtransfn == 0 {
            None
        } else {
            let (forward, forward_strict) = required(row.aggmtransfn)?;
            let (inverse, _) = required(row.aggminvtransfn)?;
            let (moving_finalizer, moving_final_strict) = optional(row.aggmfinalfn)?;
            Some(Box::new(MovingFacts {
                transition: forward,
                transition_strict: forward_strict,
                inverse,
                transition_type: row.aggmtranstype,
                finalizer: moving_finalizer,
                final_strict: moving_final_strict,
                final_extra: row.aggmfinalextra,
                initial: row.aggminitval.clone(),
            }))
        };
        Ok(Some(Arc::new(AggregateFacts {
            transition,
            transition_strict,
            transition_type: row.aggtranstype,
            finalizer,
            final_strict,
            final_extra: row.aggfinalextra,
            initial: row.agginitval.clone(),
            kind: row.aggkind,
            sort_operator: row.aggsortop,
            moving,
        })))
    }

    /// Tables have NOT NULL columns; CHECK, keys and indexes are refused when they are made.
    fn table_rules(&self, relid: Oid) -> PgResult<Arc<TableRules>> {
        let relation = self.relation(relid)?;
        if !relation.constraints.is_empty() || !relation.indexes.is_empty() {
            return Err(PgError::unsupported(format!(
                "changing table \"{}\", which has constraints or indexes",
                relation.name
            )));
        }
        Ok(Arc::new(TableRules {
            desc: relation.desc.clone(),
            indexes: Vec::new(),
            checks: Vec::new(),
            generated: Vec::new(),
            foreign_keys: Vec::new(),
            referenced_by: Vec::new(),
        }))
    }

    fn column_default(&self, relid: Oid, attno: i16) -> PgResult<Option<Expr>> {
        let relation = self.relation(relid)?;
        match relation.default_of(attno) {
            None => Ok(None),
            Some(_) => Err(PgError::unsupported("column defaults")),
        }
    }

    fn column_stats(&self, _: Oid, _: i16) -> PgResult<Option<Arc<ColumnStats>>> {
        Ok(None)
    }
}

impl Access<'_> {
    fn relation(&self, relid: Oid) -> PgResult<Arc<redoubt_catalog::Relation>> {
        let found = self.catalog().relation_by_oid(relid)?;
        found.ok_or_else(|| PgError::internal(format!("cache lookup failed for relation {relid}")))
    }

    /// The C symbol of a function, if there is one.
    fn source_of(&self, oid: Oid) -> PgResult<Option<Arc<str>>> {
        if oid == 0 {
            return Ok(None);
        }
        Ok(self.catalog().proc_by_oid(oid)?.map(|row| row.prosrc.clone()))
    }
}
