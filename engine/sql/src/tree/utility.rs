//! Statements that are carried out, not planned.
#![allow(missing_docs)] // Fields bear the grammar's own names; types and variants are documented.

use super::expr::*;
use super::object::*;
use super::query::*;
use super::routine::*;
use super::session::*;
use super::statement::Statement;
use super::table::*;
use std::ops::Range;

/// Every utility statement.
#[derive(Clone, Debug)]
pub enum UtilityStatement {
    Transaction(TransactionStatement),
    CreateTable(CreateTable),
    /// CREATE TABLE AS, SELECT INTO, CREATE MATERIALIZED VIEW.
    CreateTableAs(CreateTableAs),
    AlterTable(AlterTable),
    CreateIndex(CreateIndex),
    CreateView(CreateView),
    RefreshMaterializedView {
        concurrently: bool,
        name: ObjectName,
        with_data: bool,
    },
    CreateSequence(CreateSequence),
    AlterSequence(AlterSequence),
    CreateSchema(CreateSchema),
    CreateDatabase {
        name: Ident,
        options: Vec<DefElem>,
    },
    AlterDatabase {
        name: Ident,
        options: Vec<DefElem>,
    },
    /// ALTER DATABASE name SET TABLESPACE.
    AlterDatabaseTablespace {
        name: Ident,
        tablespace: Ident,
    },
    /// ALTER DATABASE name SET/RESET.
    AlterDatabaseSet {
        name: Ident,
        setting: SetStatement,
    },
    DropDatabase {
        name: Ident,
        if_exists: bool,
        force: bool,
    },
    CreateRole {
        kind: RoleKind,
        name: RoleSpec,
        options: Vec<RoleOption>,
    },
    AlterRole {
        role: RoleSpec,
        options: Vec<RoleOption>,
    },
    /// ALTER ROLE name [IN DATABASE db] SET/RESET; `role` is `None` for ALL.
    AlterRoleSet {
        role: Option<RoleSpec>,
        database: Option<Ident>,
        setting: SetStatement,
    },
    /// ALTER GROUP name ADD/DROP USER.
    AlterGroup {
        group: RoleSpec,
        add: bool,
        members: Vec<RoleSpec>,
    },
    DropRole {
        roles: Vec<RoleSpec>,
        if_exists: bool,
    },
    ReassignOwned {
        roles: Vec<RoleSpec>,
        new_role: RoleSpec,
    },
    DropOwned {
        roles: Vec<RoleSpec>,
        behavior: DropBehavior,
    },
    Grant(Grant),
    GrantRole(GrantRole),
    AlterDefaultPrivileges(AlterDefaultPrivileges),
    Drop(Drop),
    /// ALTER ... RENAME.
    Rename(Rename),
    /// ALTER ... SET SCHEMA.
    AlterObjectSchema {
        object: ObjectType,
        target: ObjectRef,
        if_exists: bool,
        new_schema: Ident,
    },
    /// ALTER ... OWNER TO, for what ALTER TABLE's grammar does not cover.
    AlterOwner {
        object: ObjectType,
        target: ObjectRef,
        new_owner: RoleSpec,
    },
    Comment {
        object: ObjectType,
        target: CommentTarget,
        text: Option<String>,
    },
    Set(SetStatement),
    /// SHOW name; `None` is SHOW ALL.
    Show {
        name: Option<String>,
    },
    Explain(Explain),
    Prepare {
        name: Ident,
        types: Vec<TypeName>,
        statement: Box<Statement>,
    },
    Execute(Execute),
    /// DEALLOCATE; `None` is ALL.
    Deallocate {
        name: Option<Ident>,
    },
    DeclareCursor(DeclareCursor),
    Fetch(Fetch),
    /// CLOSE; `None` is ALL.
    ClosePortal {
        name: Option<Ident>,
    },
    Copy(Copy),
    Truncate {
        relations: Vec<RelationName>,
        restart_identity: bool,
        behavior: DropBehavior,
    },
    Vacuum(Vacuum),
    Cluster {
        verbose: bool,
        relation: Option<ObjectName>,
        index: Option<Ident>,
    },
    Reindex {
        kind: ReindexKind,
        options: Vec<DefElem>,
        name: Option<ObjectName>,
    },
    Lock {
        relations: Vec<RelationName>,
        mode: LockMode,
        nowait: bool,
    },
    Discard(DiscardTarget),
    Checkpoint,
    Load {
        file: String,
    },
    Listen {
        channel: Ident,
    },
    /// UNLISTEN; `None` is `*`.
    Unlisten {
        channel: Option<Ident>,
    },
    Notify {
        channel: Ident,
        payload: Option<String>,
    },
    /// SET CONSTRAINTS; empty for ALL.
    SetConstraints {
        names: Vec<ObjectName>,
        deferred: bool,
    },
    Do {
        language: Option<Ident>,
        body: String,
        body_pos: usize,
    },
    Call(Box<FuncCall>),
    CreateType(CreateType),
    AlterEnum(AlterEnum),
    CreateDomain(CreateDomain),
    AlterDomain {
        name: ObjectName,
        command: AlterDomainCommand,
    },
    CreateFunction(Box<CreateFunction>),
    AlterFunction(AlterFunction),
    /// CREATE EXTENSION.
    CreateExtension {
        name: Ident,
        if_not_exists: bool,
        options: Vec<DefElem>,
    },
    CreateTablespace {
        name: Ident,
        owner: Option<RoleSpec>,
        location: String,
        options: Vec<DefElem>,
    },
    DropTablespace {
        name: Ident,
        if_exists: bool,
    },
    /// A statement of PostgreSQL's that is not built yet; running it is 0A000.
    NotYet {
        /// The statement's name, such as `CREATE TRIGGER`.
        what: &'static str,
    },
}

/// CASCADE or RESTRICT (the default).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DropBehavior {
    #[default]
    Restrict,
    Cascade,
}

/// A `name = value` option, as WITH (...), COPY, EXPLAIN and others take.
#[derive(Clone, Debug)]
pub struct DefElem {
    /// `namespace.name`, as in `toast.autovacuum_enabled`.
    pub namespace: Option<Ident>,
    pub name: Ident,
    pub value: Option<DefValue>,
    pub pos: usize,
}

/// The value of an option.
#[derive(Clone, Debug)]
pub enum DefValue {
    Integer(i32),
    Number(String),
    String(String),
    /// A bare word or a type name.
    Type(TypeName),
    Operator(OpName),
    List(Vec<DefValue>),
    Star,
    None,
}

impl DefElem {
    /// The option's value as text, as PostgreSQL's `defGetString` gives it.
    pub fn string(&self) -> Option<String> {
        self.value.as_ref().map(DefValue::text)
    }
}

impl DefValue {
    /// The value as text.
    pub fn text(&self) -> String {
        match self {
            DefValue::Integer(i) => i.to_string(),
            DefValue::Number(s) | DefValue::String(s) => s.clone(),
            DefValue::Type(t) => t.name.dotted(),
            DefValue::Operator(o) => o.symbol.to_string(),
            DefValue::List(items) => items.iter().map(DefValue::text).collect::<Vec<_>>().join(", "),
            DefValue::Star => "*".into(),
            DefValue::None => "none".into(),
        }
    }
}

/// Where SELECT INTO and CREATE TABLE AS put their rows.
#[derive(Clone, Debug)]
pub struct IntoClause {
    pub name: ObjectName,
    pub columns: Vec<Ident>,
    pub persistence: Persistence,
    pub access_method: Option<Ident>,
    pub options: Vec<DefElem>,
    pub on_commit: OnCommit,
    pub tablespace: Option<Ident>,
}

/// CREATE TABLE AS.
#[derive(Clone, Debug)]
pub struct CreateTableAs {
    pub into: IntoClause,
    pub source: CreateTableAsSource,
    /// WITH [NO] DATA.
    pub with_data: bool,
    pub if_not_exists: bool,
    /// CREATE MATERIALIZED VIEW.
    pub materialized_view: bool,
    /// Written as SELECT INTO.
    pub select_into: bool,
    /// The query's bytes in the query string.
    pub query_range: Range<usize>,
}

/// What fills the table.
#[derive(Clone, Debug)]
pub enum CreateTableAsSource {
    Query(Box<Query>),
    Execute(Execute),
}

/// CREATE INDEX.
#[derive(Clone, Debug)]
pub struct CreateIndex {
    pub unique: bool,
    pub concurrently: bool,
    pub if_not_exists: bool,
    pub name: Option<Ident>,
    pub relation: RelationName,
    /// USING method; `btree` if unsaid.
    pub method: Option<Ident>,
    pub columns: Vec<IndexElement>,
    pub include: Vec<IndexElement>,
    pub nulls_not_distinct: bool,
    pub options: Vec<DefElem>,
    pub tablespace: Option<Ident>,
    pub where_clause: Option<Expr>,
}

/// CREATE VIEW.
#[derive(Clone, Debug)]
pub struct CreateView {
    pub or_replace: bool,
    pub persistence: Persistence,
    pub recursive: bool,
    pub name: ObjectName,
    pub columns: Vec<Ident>,
    pub options: Vec<DefElem>,
    pub query: Box<Query>,
    /// The query's bytes in the query string.
    pub query_range: Range<usize>,
    pub check_option: Option<CheckOption>,
}

/// WITH CHECK OPTION.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOption {
    Local,
    Cascaded,
}

/// CREATE SEQUENCE.
#[derive(Clone, Debug)]
pub struct CreateSequence {
    pub name: ObjectName,
    pub persistence: Persistence,
    pub if_not_exists: bool,
    pub options: Vec<SequenceOption>,
}

/// ALTER SEQUENCE.
#[derive(Clone, Debug)]
pub struct AlterSequence {
    pub name: ObjectName,
    pub if_exists: bool,
    pub options: Vec<SequenceOption>,
}

/// One option of a sequence.
#[derive(Clone, Debug)]
pub struct SequenceOption {
    pub kind: SequenceOptionKind,
    pub pos: usize,
}

/// What the option says. Numbers are text, as they may exceed int8 and must then be refused.
#[derive(Clone, Debug)]
pub enum SequenceOptionKind {
    As(TypeName),
    Cache(String),
    Cycle(bool),
    Increment(String),
    /// `None` is NO MAXVALUE.
    MaxValue(Option<String>),
    /// `None` is NO MINVALUE.
    MinValue(Option<String>),
    /// `OWNED BY NONE` is a single part `none`.
    OwnedBy(ObjectName),
    SequenceName(ObjectName),
    Start(String),
    /// `None` is RESTART alone.
    Restart(Option<String>),
}

/// CREATE SCHEMA.
#[derive(Clone, Debug)]
pub struct CreateSchema {
    pub name: Option<Ident>,
    pub if_not_exists: bool,
    pub authorization: Option<RoleSpec>,
    /// Statements inside.
    pub elements: Vec<Statement>,
}

/// EXPLAIN.
#[derive(Clone, Debug)]
pub struct Explain {
    pub options: Vec<DefElem>,
    pub statement: Box<Statement>,
}

/// EXECUTE.
#[derive(Clone, Debug)]
pub struct Execute {
    pub name: Ident,
    pub params: Vec<Expr>,
}

/// DECLARE CURSOR.
#[derive(Clone, Debug)]
pub struct DeclareCursor {
    pub name: Ident,
    pub binary: bool,
    /// SCROLL, NO SCROLL, or unsaid.
    pub scroll: Option<bool>,
    /// INSENSITIVE (true), ASENSITIVE (false), or unsaid.
    pub insensitive: Option<bool>,
    pub hold: bool,
    pub query: Box<Query>,
    /// The query's bytes in the query string.
    pub query_range: Range<usize>,
}

/// FETCH and MOVE.
#[derive(Clone, Debug)]
pub struct Fetch {
    pub is_move: bool,
    pub direction: FetchDirection,
    pub cursor: Ident,
}

/// Which rows; counts are as written, `i64::MAX` for ALL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchDirection {
    Forward(i64),
    Backward(i64),
    Absolute(i64),
    Relative(i64),
}

/// COPY.
#[derive(Clone, Debug)]
pub struct Copy {
    pub source: CopySource,
    pub is_from: bool,
    /// PROGRAM instead of a file.
    pub is_program: bool,
    /// `None` is STDIN or STDOUT.
    pub filename: Option<String>,
    pub options: Vec<DefElem>,
    pub where_clause: Option<Expr>,
}

/// What COPY reads or writes.
#[derive(Clone, Debug)]
pub enum CopySource {
    Relation {
        name: ObjectName,
        columns: Vec<Ident>,
    },
    /// COPY (query) TO, with the query's bytes.
    Query {
        statement: Box<Statement>,
    },
}

/// VACUUM and ANALYZE.
#[derive(Clone, Debug)]
pub struct Vacuum {
    /// VACUUM, or ANALYZE alone.
    pub is_vacuum: bool,
    pub options: Vec<DefElem>,
    pub relations: Vec<VacuumRelation>,
}

/// A relation to vacuum or analyze.
#[derive(Clone, Debug)]
pub struct VacuumRelation {
    pub name: ObjectName,
    pub columns: Vec<Ident>,
}

/// What REINDEX rebuilds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReindexKind {
    Index,
    Table,
    Schema,
    System,
    Database,
}

/// PostgreSQL's table lock modes, weakest first (lockdefs.h numbers them from 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockMode {
    AccessShare = 1,
    RowShare = 2,
    RowExclusive = 3,
    ShareUpdateExclusive = 4,
    Share = 5,
    ShareRowExclusive = 6,
    Exclusive = 7,
    AccessExclusive = 8,
}

/// DISCARD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiscardTarget {
    All,
    Plans,
    Sequences,
    Temp,
}
