//! CREATE TABLE and ALTER TABLE.
#![allow(missing_docs)] // Fields bear the grammar's own names; types and variants are documented.

use super::expr::*;
use super::object::{ObjectType, RoleSpec};
use super::query::{IndexElement, RelationName};
use super::utility::*;

/// CREATE TABLE.
#[derive(Clone, Debug)]
pub struct CreateTable {
    pub name: ObjectName,
    pub persistence: Persistence,
    pub if_not_exists: bool,
    pub elements: Vec<TableElement>,
    pub inherits: Vec<ObjectName>,
    /// PARTITION OF parent, with its bound.
    pub partition_of: Option<(ObjectName, PartitionBound)>,
    pub partition_by: Option<PartitionSpec>,
    /// OF type.
    pub of_type: Option<TypeName>,
    /// USING access method.
    pub access_method: Option<Ident>,
    /// WITH (...) storage parameters.
    pub options: Vec<DefElem>,
    pub on_commit: OnCommit,
    pub tablespace: Option<Ident>,
}

/// Whether a relation is logged, and how long it lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// An ordinary relation.
    #[default]
    Permanent,
    /// UNLOGGED.
    Unlogged,
    /// TEMPORARY.
    Temporary,
}

/// ON COMMIT of a temporary table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCommit {
    /// Nothing said: the rows stay.
    #[default]
    None,
    PreserveRows,
    DeleteRows,
    Drop,
}

/// A column, constraint or LIKE clause between the parentheses.
#[derive(Clone, Debug)]
pub enum TableElement {
    Column(ColumnDef),
    Constraint(TableConstraint),
    Like(LikeClause),
}

/// LIKE source INCLUDING ... EXCLUDING ...
#[derive(Clone, Debug)]
pub struct LikeClause {
    pub source: ObjectName,
    /// In order; later ones override earlier ones.
    pub options: Vec<(LikeOption, bool)>,
}

/// What LIKE can copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeOption {
    Comments,
    Compression,
    Constraints,
    Defaults,
    Generated,
    Identity,
    Indexes,
    Statistics,
    Storage,
    All,
}

/// A column of CREATE TABLE or ALTER TABLE ADD COLUMN.
#[derive(Clone, Debug)]
pub struct ColumnDef {
    pub name: Ident,
    /// `None` in a typed table or a partition (`col WITH OPTIONS ...`).
    pub type_name: Option<TypeName>,
    pub compression: Option<Ident>,
    pub storage: Option<Ident>,
    pub collation: Option<ObjectName>,
    pub constraints: Vec<ColumnConstraint>,
    pub pos: usize,
}

/// A constraint written behind a column.
#[derive(Clone, Debug)]
pub struct ColumnConstraint {
    /// CONSTRAINT name.
    pub name: Option<Ident>,
    pub kind: ColumnConstraintKind,
    pub attributes: ConstraintAttributes,
    pub pos: usize,
}

/// What a column constraint says.
#[derive(Clone, Debug)]
pub enum ColumnConstraintKind {
    NotNull,
    Null,
    Default(Expr),
    Check {
        expr: Expr,
        no_inherit: bool,
    },
    /// GENERATED ALWAYS AS (expr) STORED.
    Generated {
        expr: Expr,
    },
    /// GENERATED {ALWAYS|BY DEFAULT} AS IDENTITY.
    Identity {
        always: bool,
        options: Vec<SequenceOption>,
    },
    Unique(IndexConstraint),
    PrimaryKey(IndexConstraint),
    References(References),
}

/// DEFERRABLE, INITIALLY DEFERRED, NOT VALID, NO INHERIT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConstraintAttributes {
    pub deferrable: Option<bool>,
    pub initially_deferred: Option<bool>,
    pub not_valid: bool,
    pub no_inherit: bool,
}

/// The index behind UNIQUE or PRIMARY KEY.
#[derive(Clone, Debug, Default)]
pub struct IndexConstraint {
    /// UNIQUE NULLS NOT DISTINCT.
    pub nulls_not_distinct: bool,
    pub include: Vec<Ident>,
    pub options: Vec<DefElem>,
    pub tablespace: Option<Ident>,
    /// USING INDEX name.
    pub existing_index: Option<Ident>,
}

/// REFERENCES.
#[derive(Clone, Debug)]
pub struct References {
    pub table: ObjectName,
    pub columns: Vec<Ident>,
    pub match_type: MatchType,
    pub on_update: ReferentialAction,
    pub on_delete: ReferentialAction,
    /// ON DELETE SET NULL (columns).
    pub on_delete_columns: Vec<Ident>,
}

/// MATCH of a foreign key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatchType {
    #[default]
    Simple,
    Full,
}

/// ON DELETE and ON UPDATE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReferentialAction {
    #[default]
    NoAction,
    Restrict,
    Cascade,
    SetNull,
    SetDefault,
}

/// A constraint of the table.
#[derive(Clone, Debug)]
pub struct TableConstraint {
    pub name: Option<Ident>,
    pub kind: TableConstraintKind,
    pub attributes: ConstraintAttributes,
    pub pos: usize,
}

/// What a table constraint says.
#[derive(Clone, Debug)]
pub enum TableConstraintKind {
    Check {
        expr: Expr,
    },
    Unique {
        columns: Vec<Ident>,
        index: IndexConstraint,
    },
    PrimaryKey {
        columns: Vec<Ident>,
        index: IndexConstraint,
    },
    ForeignKey {
        columns: Vec<Ident>,
        references: References,
    },
    Exclude {
        method: Option<Ident>,
        /// Each element with its operator.
        elements: Vec<(IndexElement, OpName)>,
        index: IndexConstraint,
        where_clause: Option<Expr>,
    },
}

/// PARTITION BY.
#[derive(Clone, Debug)]
pub struct PartitionSpec {
    pub strategy: Ident,
    pub keys: Vec<IndexElement>,
    pub pos: usize,
}

/// FOR VALUES ... or DEFAULT.
#[derive(Clone, Debug)]
pub enum PartitionBound {
    Default,
    In(Vec<Expr>),
    Range { from: Vec<Expr>, to: Vec<Expr> },
    Hash { modulus: i32, remainder: i32 },
}

/// ALTER TABLE, and the same syntax for views, indexes, sequences, types.
#[derive(Clone, Debug)]
pub struct AlterTable {
    pub object: ObjectType,
    pub if_exists: bool,
    pub relation: RelationName,
    pub commands: Vec<AlterTableCommand>,
}

/// One action of ALTER TABLE.
#[derive(Clone, Debug)]
pub enum AlterTableCommand {
    AddColumn {
        if_not_exists: bool,
        column: ColumnDef,
    },
    DropColumn {
        if_exists: bool,
        name: Ident,
        behavior: DropBehavior,
    },
    /// ALTER COLUMN ... TYPE.
    AlterType {
        name: Ident,
        type_name: TypeName,
        collation: Option<ObjectName>,
        using: Option<Expr>,
    },
    SetDefault {
        name: Ident,
        expr: Expr,
    },
    DropDefault {
        name: Ident,
    },
    SetNotNull {
        name: Ident,
    },
    DropNotNull {
        name: Ident,
    },
    DropExpression {
        name: Ident,
        if_exists: bool,
    },
    /// SET STATISTICS, by name or (for indexes) by column number.
    SetStatistics {
        name: Option<Ident>,
        number: Option<i32>,
        target: i32,
    },
    SetStorage {
        name: Ident,
        storage: Ident,
    },
    SetCompression {
        name: Ident,
        method: Ident,
    },
    SetColumnOptions {
        name: Ident,
        options: Vec<DefElem>,
    },
    ResetColumnOptions {
        name: Ident,
        options: Vec<DefElem>,
    },
    AddIdentity {
        name: Ident,
        always: bool,
        options: Vec<SequenceOption>,
    },
    SetIdentity {
        name: Ident,
        always: Option<bool>,
        options: Vec<SequenceOption>,
    },
    DropIdentity {
        name: Ident,
        if_exists: bool,
    },
    AddConstraint(TableConstraint),
    AlterConstraint {
        name: Ident,
        attributes: ConstraintAttributes,
    },
    ValidateConstraint {
        name: Ident,
    },
    DropConstraint {
        name: Ident,
        if_exists: bool,
        behavior: DropBehavior,
    },
    OwnerTo(RoleSpec),
    ClusterOn {
        index: Ident,
    },
    SetWithoutCluster,
    SetLogged,
    SetUnlogged,
    SetWithoutOids,
    SetAccessMethod(Ident),
    SetTablespace(Ident),
    SetOptions(Vec<DefElem>),
    ResetOptions(Vec<DefElem>),
    Inherit(ObjectName),
    NoInherit(ObjectName),
    OfType(TypeName),
    NotOf,
    ReplicaIdentity(ReplicaIdentity),
    /// ENABLE or DISABLE TRIGGER.
    Trigger {
        name: TriggerTarget,
        state: TriggerState,
    },
    /// ENABLE or DISABLE RULE.
    Rule {
        name: Ident,
        state: TriggerState,
    },
    RowSecurity {
        enable: bool,
    },
    ForceRowSecurity {
        force: bool,
    },
    AttachPartition {
        partition: ObjectName,
        bound: Option<PartitionBound>,
    },
    DetachPartition {
        partition: ObjectName,
        concurrently: bool,
        finalize: bool,
    },
}

/// REPLICA IDENTITY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaIdentity {
    Default,
    Full,
    Nothing,
    Index(Ident),
}

/// Which triggers ENABLE TRIGGER names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriggerTarget {
    Named(Ident),
    All,
    User,
}

/// ENABLE, DISABLE, ENABLE ALWAYS, ENABLE REPLICA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerState {
    Enabled,
    Disabled,
    Always,
    Replica,
}
