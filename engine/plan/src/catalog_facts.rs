//! [`PlanCatalog`] over the system catalogs.
//!
//! Expressions that the catalogs keep as SQL text (CHECK constraints, index expressions, generation
//! expressions) are parsed and analyzed when they are asked for; plans keep the results.

mod bodies;
mod keys;
mod rules;
mod statistics;

use crate::facts::*;
use redoubt_analyze::query::Expr;
use redoubt_analyze::{AnalyzeContext, Params, TableShape, analyze_default};
use redoubt_catalog::{BTREE, CatalogView, GIST, HASH, Index, Relation};
use redoubt_error::{PgError, PgResult};
use redoubt_functions::{Env, GistClass, Oid, ScalarFn, SrfFn};
use std::sync::Arc;

/// What the planner asks that the catalogs do not know.
pub trait FactsHost {
    /// How many pages a relation with storage has.
    ///
    /// # Errors
    /// Those of opening it.
    fn relation_pages(&self, relation: &Relation) -> PgResult<u32>;

    /// How many pages an index has, and how many levels above its leaves.
    ///
    /// # Errors
    /// Those of opening it.
    fn index_size(&self, index: &Index) -> PgResult<(u32, u32)>;

    /// Whether the statement may read through an index: one that was built over chains of versions with several
    /// keys (`indcheckxmin`) does not lead to what an older snapshot sees.
    ///
    /// # Errors
    /// Those of reading pages.
    fn index_serves_snapshot(&self, index: &Index) -> PgResult<bool>;

    /// The implementation of an internal function by C symbol, those of upper layers included.
    fn function(&self, source: &str) -> Option<ScalarFn>;

    /// The implementation of an internal set-returning function, likewise.
    fn set_function(&self, source: &str) -> Option<SrfFn> {
        redoubt_functions::set_returning(source)
    }
}

/// The catalogs, seen by the planner through one statement's view of them.
pub struct CatalogFacts<'a> {
    /// The view.
    pub view: CatalogView<'a>,
    /// The session, for analyzing stored expressions.
    pub env: &'a dyn Env,
    /// The search path, for the same.
    pub path: &'a [Oid],
    /// The rest.
    pub host: &'a dyn FactsHost,
}

impl<'a> CatalogFacts<'a> {
    fn relation(&self, relid: Oid) -> PgResult<Arc<Relation>> {
        let found = self.view.relation_by_oid(relid)?;
        found.ok_or_else(|| PgError::internal(format!("cache lookup failed for relation {relid}")))
    }

    fn analysis(&self) -> AnalyzeContext<'a> {
        AnalyzeContext { catalog: self.view, env: self.env, path: self.path, params: Params::default() }
    }

    /// The C symbol of a function, and whether it is strict.
    fn symbol(&self, oid: Oid) -> PgResult<(Arc<str>, bool)> {
        let proc = self.view.proc_by_oid(oid)?;
        let proc =
            proc.ok_or_else(|| PgError::internal(format!("cache lookup failed for function {oid}")))?;
        Ok((proc.prosrc.clone(), proc.proisstrict))
    }

    fn optional_symbol(&self, oid: Oid) -> PgResult<(Option<Arc<str>>, bool)> {
        if oid == 0 {
            return Ok((None, false));
        }
        self.symbol(oid).map(|(source, strict)| (Some(source), strict))
    }

    fn estimator(&self, oid: Oid) -> PgResult<Option<Arc<str>>> {
        Ok(self.optional_symbol(oid)?.0)
    }

    fn shape(&self, relation: &Relation) -> TableShape {
        TableShape {
            name: relation.name.clone(),
            relid: relation.oid,
            desc: relation.desc.clone(),
            row_type: relation.class.reltype,
        }
    }

    /// What an index's access method makes of values.
    fn index_form(&self, index: &Index) -> PgResult<IndexForm> {
        match index.method {
            BTREE => Ok(IndexForm::Ordered),
            HASH => {
                let family = index.columns.first().map_or(0, |column| column.opfamily);
                Ok(IndexForm::Hashed(self.hash_functions(family)?))
            }
            GIST => {
                let keys = index.columns[..index.key_columns].iter();
                let classes: PgResult<Vec<_>> = keys.map(|column| self.gist_class(column)).collect();
                Ok(IndexForm::Searched(classes?.into()))
            }
            method => {
                let row = self.view.access_method_by_oid(method)?;
                let name = row.map_or_else(|| method.to_string(), |row| row.amname.to_string());
                Err(PgError::unsupported(format!("index access method \"{name}\"")))
            }
        }
    }

    /// The operator class of a GiST index's column, which its `consistent` function stands for.
    fn gist_class(&self, column: &redoubt_catalog::IndexColumn) -> PgResult<&'static dyn GistClass> {
        /// Support function number of `consistent`.
        const CONSISTENT: i16 = 1;
        let rows = self.view.procs_of_family(column.opfamily)?;
        let row = rows
            .iter()
            .find(|row| row.amprocnum == CONSISTENT && row.amproclefttype == column.input_type)
            .ok_or_else(|| PgError::internal(format!("missing support function {CONSISTENT}")))?;
        let (symbol, _) = self.symbol(row.amproc)?;
        redoubt_functions::gist_class(&symbol).ok_or_else(|| {
            PgError::unsupported(format!("GiST operator class with the support function {symbol}"))
        })
    }

    /// The hash functions of an operator family, by type.
    fn hash_functions(&self, family: Oid) -> PgResult<Arc<[(Oid, ScalarFn)]>> {
        /// Support function number of the 32-bit hash.
        const HASH_CODE: i16 = 1;
        let rows = self.view.procs_of_family(family)?;
        let mut functions = Vec::new();
        for row in rows.iter().filter(|row| row.amprocnum == HASH_CODE) {
            let (symbol, _) = self.symbol(row.amproc)?;
            let function = self.host.function(&symbol);
            let function = function.ok_or_else(|| PgError::unsupported(format!("hash function {symbol}")))?;
            functions.push((row.amproclefttype, function));
        }
        Ok(functions.into())
    }

    /// An index as the planner and DML know it.
    fn index_facts(&self, relation: &Relation, index: &Index) -> PgResult<IndexFacts> {
        let shape = self.shape(relation);
        let form = self.index_form(index)?;
        let mut columns = Vec::with_capacity(index.columns.len());
        for column in &index.columns {
            let expr = match &column.expression {
                None => None,
                Some(text) => {
                    let raw = redoubt_sql::parse_expression(text)?;
                    Some(redoubt_analyze::analyze_index_expression(&raw, &shape, self.analysis())?)
                }
            };
            columns.push(IndexColumn {
                attno: column.attnum,
                expr,
                text: column.expression.clone(),
                type_oid: column.type_oid,
                family: column.opfamily,
                class_type: column.input_type,
                collation: column.collation,
                descending: column.descending,
                nulls_first: column.nulls_first,
            });
        }
        let predicate = match &index.predicate {
            None => None,
            Some(text) => {
                let raw = redoubt_sql::parse_expression(text)?;
                Some(redoubt_analyze::analyze_index_predicate(&raw, &shape, self.analysis())?)
            }
        };
        let (pages, height) = self.host.index_size(index)?;
        Ok(IndexFacts {
            oid: index.oid,
            name: index.name.clone(),
            storage: index.node.0,
            form,
            columns,
            key_columns: index.key_columns,
            unique: index.row.indisunique,
            nulls_not_distinct: index.row.indnullsnotdistinct,
            primary: index.row.indisprimary,
            immediate: index.row.indimmediate,
            valid: index.row.indisvalid && self.host.index_serves_snapshot(index)?,
            ready: index.row.indisready,
            predicate,
            pages,
            // The table's row count stands for the index's until the index has been counted itself.
            tuples: -1.0,
            height,
        })
    }
}

impl PlanCatalog for CatalogFacts<'_> {
    fn relation_size(&self, relid: Oid) -> PgResult<RelationSize> {
        let relation = self.relation(relid)?;
        let pages = if relation.has_storage() { self.host.relation_pages(&relation)? } else { 0 };
        Ok(RelationSize {
            pages,
            known_pages: relation.class.relpages,
            known_tuples: relation.class.reltuples,
            all_visible_pages: relation.class.relallvisible,
        })
    }

    fn indexes(&self, relid: Oid) -> PgResult<Vec<Arc<IndexFacts>>> {
        let relation = self.relation(relid)?;
        self.view
            .indexes_of(&relation)?
            .iter()
            .map(|index| self.index_facts(&relation, index).map(Arc::new))
            .collect()
    }

    fn proc(&self, oid: Oid) -> PgResult<Option<Arc<ProcFacts>>> {
        let Some(row) = self.view.proc_by_oid(oid)? else { return Ok(None) };
        let language = self.view.language_by_oid(row.prolang)?;
        Ok(Some(Arc::new(ProcFacts {
            name: row.proname.clone(),
            source: row.prosrc.clone(),
            language: language.map_or_else(|| "".into(), |row| row.lanname.clone()),
            cost: f64::from(row.procost),
            rows: f64::from(row.prorows),
            strict: row.proisstrict,
            volatility: row.provolatile,
            result_type: row.prorettype,
            support: self.estimator(row.prosupport)?,
        })))
    }

    fn function(&self, source: &str) -> Option<ScalarFn> {
        self.host.function(source)
    }

    fn set_function(&self, source: &str) -> Option<SrfFn> {
        self.host.set_function(source)
    }

    fn sql_body(&self, oid: Oid, arg_types: &[Oid]) -> PgResult<Option<SqlBody>> {
        self.body_in_sql(oid, arg_types)
    }

    fn operator(&self, oid: Oid) -> PgResult<Option<Arc<OperatorFacts>>> {
        let Some(row) = self.view.operator_by_oid(oid)? else { return Ok(None) };
        Ok(Some(Arc::new(OperatorFacts {
            name: row.oprname.clone(),
            left_type: row.oprleft,
            right_type: row.oprright,
            proc_oid: row.oprcode,
            commutator: row.oprcom,
            negator: row.oprnegate,
            can_hash: row.oprcanhash,
            can_merge: row.oprcanmerge,
            restrict_estimator: self.estimator(row.oprrest)?,
            join_estimator: self.estimator(row.oprjoin)?,
        })))
    }

    fn btree_members(&self, operator: Oid) -> PgResult<Vec<BtreeMember>> {
        let rows = self.view.families_of_operator(operator)?;
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

    fn strategy(&self, operator: Oid, family: Oid) -> PgResult<Option<i16>> {
        let found = self.view.strategy_in_family(operator, family)?;
        Ok(found.map(|row| row.amopstrategy))
    }

    fn btree_operator(&self, family: Oid, strategy: u8, left: Oid, right: Oid) -> PgResult<Oid> {
        self.view.family_operator(family, left, right, i16::from(strategy))
    }

    fn default_btree_family(&self, type_oid: Oid) -> PgResult<Oid> {
        Ok(self.view.sort_operators(type_oid)?.btree_family)
    }

    fn in_range(&self, family: Oid, type_oid: Oid, offset: Oid) -> PgResult<Option<Arc<str>>> {
        /// Support function number of `in_range` in B-tree families.
        const IN_RANGE: i16 = 3;
        let rows = self.view.procs_of_family(family)?;
        let found = rows.iter().find(|row| {
            row.amprocnum == IN_RANGE && row.amproclefttype == type_oid && row.amprocrighttype == offset
        });
        found.map(|row| Ok(self.symbol(row.amproc)?.0)).transpose()
    }

    fn is_hashable(&self, type_oid: Oid) -> PgResult<bool> {
        Ok(self.view.sort_operators(type_oid)?.hashable)
    }

    fn aggregate(&self, proc_oid: Oid) -> PgResult<Option<Arc<AggregateFacts>>> {
        let Some(row) = self.view.aggregate(proc_oid)? else { return Ok(None) };
        let (transition, transition_strict) = self.symbol(row.aggtransfn)?;
        let (finalizer, final_strict) = self.optional_symbol(row.aggfinalfn)?;
        let moving = if row.aggmtransfn == 0 {
            None
        } else {
            let (transition, transition_strict) = self.symbol(row.aggmtransfn)?;
            let (finalizer, final_strict) = self.optional_symbol(row.aggmfinalfn)?;
            Some(Box::new(MovingFacts {
                transition,
                transition_strict,
                inverse: self.symbol(row.aggminvtransfn)?.0,
                transition_type: row.aggmtranstype,
                finalizer,
                final_strict,
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

    fn table_rules(&self, relid: Oid) -> PgResult<Arc<TableRules>> {
        let relation = self.relation(relid)?;
        Ok(Arc::new(self.rules_of(&relation)?))
    }

    fn column_default(&self, relid: Oid, attno: i16) -> PgResult<Option<Expr>> {
        let relation = self.relation(relid)?;
        let Some(default) = relation.default_of(attno) else { return Ok(None) };
        let raw = redoubt_sql::parse_expression(&default.expression)?;
        let column = &relation.desc.attrs[attno as usize - 1];
        analyze_default(&raw, column, self.analysis()).map(Some)
    }

    fn column_stats(&self, relid: Oid, attno: i16) -> PgResult<Option<Arc<ColumnStats>>> {
        // Nothing is gathered before the first ANALYZE, which also counts the rows.
        if self.relation(relid)?.class.reltuples < 0.0 {
            return Ok(None);
        }
        self.stored_stats(relid, attno)
    }
}
