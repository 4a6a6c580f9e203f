//! What the planner asks of the catalog and the session.
//!
//! The planner sees the catalog through [`PlanCatalog`] alone, so that it can be tested over made-up
//! tables and so that everything it learned is part of the plan: a plan is valid as long as the
//! catalog version it was made under.

use redoubt_analyze::query::{ColumnType, Expr, Query};
use redoubt_error::PgResult;
use redoubt_functions::{Datum, Env, GistClass, Oid, ScalarFn, SrfFn, TupleDesc};
use std::sync::Arc;

/// How big a relation is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RelationSize {
    /// Pages right now.
    pub pages: u32,
    /// `pg_class.relpages` at the last VACUUM or ANALYZE.
    pub known_pages: i32,
    /// `pg_class.reltuples`, -1 if never counted.
    pub known_tuples: f32,
    /// `pg_class.relallvisible`.
    pub all_visible_pages: i32,
}

/// One column of an index.
#[derive(Clone, Debug)]
pub struct IndexColumn {
    /// Attribute number of a plain column, 0 for an expression.
    pub attno: i16,
    /// The expression (its `Var`s name range-table entry 0), when `attno` is 0.
    pub expr: Option<Expr>,
    /// The expression as SQL text, for messages.
    pub text: Option<Arc<str>>,
    /// Type of the key as the operator class stores it.
    pub type_oid: Oid,
    /// Operator family of the column's operator class; 0 for an included column.
    pub family: Oid,
    /// The operator class's declared input type.
    pub class_type: Oid,
    /// Collation.
    pub collation: Oid,
    /// DESC.
    pub descending: bool,
    /// NULLS FIRST.
    pub nulls_first: bool,
}

/// How an index holds values.
#[derive(Clone, Debug)]
pub enum IndexForm {
    /// In the order of their memory-comparable bytes: btree.
    Ordered,
    /// In the order of their hash codes: hash. The operator family's hash functions, by the type of value that
    /// they take.
    Hashed(Arc<[(Oid, ScalarFn)]>),
    /// Under keys that stand for several values: gist. The operator classes of the key columns.
    Searched(Arc<[&'static dyn GistClass]>),
}

/// An index, as far as planning and maintaining it goes.
#[derive(Clone, Debug)]
pub struct IndexFacts {
    /// `pg_class.oid` of the index.
    pub oid: Oid,
    /// Its name.
    pub name: Arc<str>,
    /// The number of its storage.
    pub storage: u32,
    /// What its access method makes of values.
    pub form: IndexForm,
    /// Key columns, then included ones.
    pub columns: Vec<IndexColumn>,
    /// How many of them are keys.
    pub key_columns: usize,
    /// UNIQUE.
    pub unique: bool,
    /// NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    /// Backs a PRIMARY KEY.
    pub primary: bool,
    /// Checked as each row is changed; false for a DEFERRABLE constraint's index.
    pub immediate: bool,
    /// Usable for queries.
    pub valid: bool,
    /// Must be maintained.
    pub ready: bool,
    /// The predicate of a partial index (`Var`s name range-table entry 0).
    pub predicate: Option<Expr>,
    /// Pages.
    pub pages: u32,
    /// Entries; -1 if unknown.
    pub tuples: f64,
    /// Levels above the leaves, if known.
    pub height: u32,
}

impl IndexFacts {
    /// Whether entries lie in the order of values, so that ranges and sorted rows can be had.
    pub fn is_ordered(&self) -> bool {
        matches!(self.form, IndexForm::Ordered)
    }

    /// Whether NULLs have entries and can be looked for.
    pub fn searches_nulls(&self) -> bool {
        !matches!(self.form, IndexForm::Hashed(_))
    }

    /// Whether equality with each of a list of values can be looked for.
    pub fn searches_lists(&self) -> bool {
        !matches!(self.form, IndexForm::Searched(_))
    }
}

/// `pg_proc`, as far as planning goes.
#[derive(Clone, Debug)]
pub struct ProcFacts {
    /// Name.
    pub name: Arc<str>,
    /// C symbol of a built-in.
    pub source: Arc<str>,
    /// `pg_language` name: `internal`, `c`, `sql`, `plpgsql`.
    pub language: Arc<str>,
    /// Estimated cost in `cpu_operator_cost` units.
    pub cost: f64,
    /// Estimated rows of a set-returning function.
    pub rows: f64,
    /// NULL in, NULL out.
    pub strict: bool,
    /// 'i', 's' or 'v'.
    pub volatility: char,
    /// Declared result type.
    pub result_type: Oid,
    /// Name of the planner support function, if any.
    pub support: Option<Arc<str>>,
}

impl ProcFacts {
    /// The C symbol to call it by: its own, or that of its language's call handler.
    pub fn symbol(&self) -> &str {
        match &*self.language {
            "internal" | "c" => &self.source,
            "sql" => "fmgr_sql",
            "plpgsql" => "plpgsql_call_handler",
            _ => "",
        }
    }
}

/// A function in language SQL whose body is one SELECT.
#[derive(Clone, Debug)]
pub struct SqlBody {
    /// The body. Its `Expr::Param`s are the function's arguments.
    pub query: Query,
    /// STRICT.
    pub strict: bool,
    /// 'i', 's' or 'v'.
    pub volatility: char,
}

/// `pg_operator`, as far as planning goes.
#[derive(Clone, Debug)]
pub struct OperatorFacts {
    /// Symbol.
    pub name: Arc<str>,
    /// Left operand type.
    pub left_type: Oid,
    /// Right operand type.
    pub right_type: Oid,
    /// Implementing function.
    pub proc_oid: Oid,
    /// `a op b` = `b commutator a`; 0 if none.
    pub commutator: Oid,
    /// `not (a op b)` = `a negator b`; 0 if none.
    pub negator: Oid,
    /// May be used to hash-join.
    pub can_hash: bool,
    /// May be used to merge-join.
    pub can_merge: bool,
    /// Name of the restriction estimator (`eqsel`), if any.
    pub restrict_estimator: Option<Arc<str>>,
    /// Name of the join estimator, if any.
    pub join_estimator: Option<Arc<str>>,
}

/// An operator's place in a B-tree operator family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BtreeMember {
    /// The family.
    pub family: Oid,
    /// 1 `<`, 2 `<=`, 3 `=`, 4 `>=`, 5 `>`.
    pub strategy: u8,
    /// Left operand type.
    pub left_type: Oid,
    /// Right operand type.
    pub right_type: Oid,
}

/// `pg_aggregate` with the functions it names resolved.
#[derive(Clone, Debug)]
pub struct AggregateFacts {
    /// `prosrc` of the transition function.
    pub transition: Arc<str>,
    /// Whether it is strict.
    pub transition_strict: bool,
    /// Its actual result type.
    pub transition_type: Oid,
    /// `prosrc` of the final function, if any.
    pub finalizer: Option<Arc<str>>,
    /// Whether the final function is strict.
    pub final_strict: bool,
    /// Whether the final function takes dummy NULLs for the aggregated arguments.
    pub final_extra: bool,
    /// `agginitval`, in the transition type's text form.
    pub initial: Option<Arc<str>>,
    /// `aggkind`: 'n'ormal, 'o'rdered-set, 'h'ypothetical-set.
    pub kind: char,
    /// The sort operator that makes it a MIN or MAX; 0 if none.
    pub sort_operator: Oid,
    /// `prosrc` of the moving-aggregate transition functions: forward and inverse.
    pub moving: Option<Box<MovingFacts>>,
}

/// The moving-window form of an aggregate.
#[derive(Clone, Debug)]
pub struct MovingFacts {
    /// Forward transition.
    pub transition: Arc<str>,
    /// Whether it is strict.
    pub transition_strict: bool,
    /// Inverse transition.
    pub inverse: Arc<str>,
    /// State type.
    pub transition_type: Oid,
    /// Final function.
    pub finalizer: Option<Arc<str>>,
    /// Whether the final function is strict.
    pub final_strict: bool,
    /// Whether it takes dummy NULLs.
    pub final_extra: bool,
    /// Initial value.
    pub initial: Option<Arc<str>>,
}

/// Statistics of one column (`pg_statistic`).
#[derive(Clone, Debug, Default)]
pub struct ColumnStats {
    /// Fraction of NULLs.
    pub null_fraction: f64,
    /// Average width in bytes.
    pub width: i32,
    /// Distinct values: positive a count, negative a fraction of the rows, 0 unknown.
    pub distinct: f64,
    /// Most common values and their frequencies.
    pub common: Vec<(Datum, f64)>,
    /// Histogram bounds of the values that are not most common.
    pub histogram: Vec<Datum>,
    /// Correlation of physical and logical order, if computed.
    pub correlation: Option<f64>,
}

/// Everything that changing a table's rows must obey.
#[derive(Clone, Debug)]
pub struct TableRules {
    /// The descriptor.
    pub desc: TupleDesc,
    /// Its indexes, in `pg_index` order of creation.
    pub indexes: Vec<Arc<IndexFacts>>,
    /// CHECK constraints by name (the order they are checked in), over range-table entry 0.
    pub checks: Vec<(Arc<str>, Expr)>,
    /// Stored generated columns, over range-table entry 0.
    pub generated: Vec<(i16, Expr)>,
    /// Foreign keys of this table.
    pub foreign_keys: Vec<Arc<ForeignKey>>,
    /// Foreign keys of other tables (or this one) that refer to it.
    pub referenced_by: Vec<Arc<ForeignKey>>,
}

/// What happens to referencing rows when the referenced one goes or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignAction {
    /// NO ACTION: checked at the end of the statement (or when deferred constraints are).
    NoAction,
    /// RESTRICT: checked at once.
    Restrict,
    /// CASCADE.
    Cascade,
    /// SET NULL.
    SetNull,
    /// SET DEFAULT.
    SetDefault,
}

/// A FOREIGN KEY constraint.
#[derive(Clone, Debug)]
pub struct ForeignKey {
    /// `pg_constraint.oid`.
    pub oid: Oid,
    /// Name.
    pub name: Arc<str>,
    /// The referencing table.
    pub table: Oid,
    /// Its name, for messages.
    pub table_name: Arc<str>,
    /// Its schema's name.
    pub table_schema: Arc<str>,
    /// The referencing columns.
    pub columns: Vec<i16>,
    /// The referenced table.
    pub referenced: Oid,
    /// Its name.
    pub referenced_name: Arc<str>,
    /// Its schema's name.
    pub referenced_schema: Arc<str>,
    /// The referenced columns.
    pub referenced_columns: Vec<i16>,
    /// The referenced table's columns.
    pub referenced_desc: TupleDesc,
    /// The referencing table's columns.
    pub desc: TupleDesc,
    /// The unique index on the referenced columns.
    pub index: Arc<IndexFacts>,
    /// Equality operators `referenced = referencing`, one per column.
    pub equalities: Vec<Oid>,
    /// ON DELETE.
    pub on_delete: ForeignAction,
    /// ON UPDATE.
    pub on_update: ForeignAction,
    /// Columns that ON DELETE SET NULL/DEFAULT sets; empty for all.
    pub delete_set_columns: Vec<i16>,
    /// MATCH FULL, as opposed to SIMPLE.
    pub match_full: bool,
    /// DEFERRABLE.
    pub deferrable: bool,
    /// INITIALLY DEFERRED.
    pub initially_deferred: bool,
}

/// The catalog as the planner sees it. Every method may read catalog pages and fail as that does.
pub trait PlanCatalog {
    /// The size of a relation now and at its last ANALYZE.
    #[allow(missing_docs)]
    fn relation_size(&self, relid: Oid) -> PgResult<RelationSize>;
    /// The relation's indexes, in order of OID.
    fn indexes(&self, relid: Oid) -> PgResult<Vec<Arc<IndexFacts>>>;
    /// A function's facts.
    fn proc(&self, oid: Oid) -> PgResult<Option<Arc<ProcFacts>>>;
    /// The implementation of an internal function, session functions included, by C symbol.
    fn function(&self, source: &str) -> Option<ScalarFn>;
    /// The implementation of an internal set-returning function, by C symbol.
    fn set_function(&self, source: &str) -> Option<SrfFn> {
        redoubt_functions::set_returning(source)
    }
    /// The analyzed body of a function in language SQL that may stand in the place of a call with
    /// arguments of these types; `None` when there is none.
    fn sql_body(&self, oid: Oid, arg_types: &[Oid]) -> PgResult<Option<SqlBody>> {
        let _ = (oid, arg_types);
        Ok(None)
    }
    /// An operator's facts.
    fn operator(&self, oid: Oid) -> PgResult<Option<Arc<OperatorFacts>>>;
    /// The B-tree families that an operator belongs to.
    fn btree_members(&self, operator: Oid) -> PgResult<Vec<BtreeMember>>;
    /// An operator's strategy in an index's operator family, whatever the access method; none if it is no member.
    fn strategy(&self, operator: Oid, family: Oid) -> PgResult<Option<i16>> {
        let members = self.btree_members(operator)?;
        let member = members.iter().find(|member| member.family == family);
        Ok(member.map(|member| i16::from(member.strategy)))
    }
    /// The operator of a family with this strategy and these operand types, 0 if none.
    fn btree_operator(&self, family: Oid, strategy: u8, left: Oid, right: Oid) -> PgResult<Oid>;
    /// The default B-tree family of a type (through domains and binary-compatible types), 0 if none.
    fn default_btree_family(&self, type_oid: Oid) -> PgResult<Oid>;
    /// The C symbol of a family's `in_range` support function for this column and offset type.
    fn in_range(&self, family: Oid, type_oid: Oid, offset: Oid) -> PgResult<Option<Arc<str>>> {
        let _ = (family, type_oid, offset);
        Ok(None)
    }
    /// Whether values of a type can be hashed, its elements' or columns' included.
    fn is_hashable(&self, type_oid: Oid) -> PgResult<bool> {
        let _ = type_oid;
        Ok(true)
    }
    /// An aggregate's facts.
    fn aggregate(&self, proc_oid: Oid) -> PgResult<Option<Arc<AggregateFacts>>>;
    /// What a change of the table's rows must obey.
    fn table_rules(&self, relid: Oid) -> PgResult<Arc<TableRules>>;
    /// The default of a column, coerced to its type; `None` is NULL.
    fn column_default(&self, relid: Oid, attno: i16) -> PgResult<Option<Expr>>;
    /// Statistics of a column, if ANALYZE has gathered any.
    fn column_stats(&self, relid: Oid, attno: i16) -> PgResult<Option<Arc<ColumnStats>>>;
}

/// The settings that steer planning, with PostgreSQL's names and defaults.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct PlannerSettings {
    pub seq_page_cost: f64,
    pub random_page_cost: f64,
    pub cpu_tuple_cost: f64,
    pub cpu_index_tuple_cost: f64,
    pub cpu_operator_cost: f64,
    /// In pages.
    pub effective_cache_size_pages: f64,
    /// In kilobytes.
    pub work_mem_kb: i64,
    pub hash_mem_multiplier: f64,
    pub cursor_tuple_fraction: f64,
    pub from_collapse_limit: usize,
    pub join_collapse_limit: usize,
    pub enable_seqscan: bool,
    pub enable_indexscan: bool,
    pub enable_indexonlyscan: bool,
    pub enable_bitmapscan: bool,
    pub enable_tidscan: bool,
    pub enable_sort: bool,
    pub enable_hashagg: bool,
    pub enable_nestloop: bool,
    pub enable_material: bool,
    pub enable_mergejoin: bool,
    pub enable_hashjoin: bool,
}

impl Default for PlannerSettings {
    fn default() -> Self {
        PlannerSettings {
            seq_page_cost: 1.0,
            random_page_cost: 4.0,
            cpu_tuple_cost: 0.01,
            cpu_index_tuple_cost: 0.005,
            cpu_operator_cost: 0.0025,
            effective_cache_size_pages: 524_288.0,
            work_mem_kb: 4096,
            hash_mem_multiplier: 2.0,
            cursor_tuple_fraction: 0.1,
            from_collapse_limit: 8,
            join_collapse_limit: 8,
            enable_seqscan: true,
            enable_indexscan: true,
            enable_indexonlyscan: true,
            enable_bitmapscan: true,
            enable_tidscan: true,
            enable_sort: true,
            enable_hashagg: true,
            enable_nestloop: true,
            enable_material: true,
            enable_mergejoin: true,
            enable_hashjoin: true,
        }
    }
}

/// What one run of the planner works with.
pub struct PlannerContext<'a> {
    /// Catalog.
    pub catalog: &'a dyn PlanCatalog,
    /// Session, for evaluating constant calls.
    pub env: &'a dyn Env,
    /// Settings.
    pub settings: &'a PlannerSettings,
    /// Values of `$n` for a plan that is made for them alone; `None` for a generic plan.
    pub params: Option<&'a [Datum]>,
    /// The fraction of rows that will be fetched, 0 for all: a cursor's.
    pub tuple_fraction: f64,
}

/// A relation's column type by attribute number, for the helpers that build expressions.
pub fn column_type(desc: &TupleDesc, attno: i16) -> ColumnType {
    let attr = &desc.attrs[attno as usize - 1];
    ColumnType { type_oid: attr.type_oid, typmod: attr.typmod, collation: attr.collation }
}
