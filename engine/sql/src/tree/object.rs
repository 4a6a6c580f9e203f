//! Objects, roles and privileges: DROP, GRANT, RENAME, COMMENT.
#![allow(missing_docs)] // Fields bear the grammar's own names; types and variants are documented.

use super::expr::*;
use super::routine::FunctionParameter;
use super::utility::DropBehavior;

/// Kinds of object that DROP, ALTER and COMMENT name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectType {
    AccessMethod,
    Aggregate,
    Cast,
    Collation,
    Column,
    Constraint,
    Conversion,
    Database,
    Domain,
    DomainConstraint,
    EventTrigger,
    Extension,
    ForeignDataWrapper,
    ForeignServer,
    ForeignTable,
    Function,
    Index,
    Language,
    LargeObject,
    MaterializedView,
    Operator,
    OperatorClass,
    OperatorFamily,
    Policy,
    Procedure,
    Publication,
    Role,
    Routine,
    Rule,
    Schema,
    Sequence,
    Statistics,
    Subscription,
    Table,
    TableConstraint,
    Tablespace,
    Transform,
    Trigger,
    TextSearchConfiguration,
    TextSearchDictionary,
    TextSearchParser,
    TextSearchTemplate,
    Type,
    UserMapping,
    View,
}

impl ObjectType {
    /// The words in the statement's command tag: `DROP TABLE`, `ALTER TABLE`.
    pub fn tag_words(self) -> &'static str {
        use ObjectType as O;
        match self {
            O::AccessMethod => "ACCESS METHOD",
            O::Aggregate => "AGGREGATE",
            O::Cast => "CAST",
            O::Collation => "COLLATION",
            O::Column | O::Table | O::TableConstraint | O::Constraint => "TABLE",
            O::Conversion => "CONVERSION",
            O::Database => "DATABASE",
            O::Domain | O::DomainConstraint => "DOMAIN",
            O::EventTrigger => "EVENT TRIGGER",
            O::Extension => "EXTENSION",
            O::ForeignDataWrapper => "FOREIGN DATA WRAPPER",
            O::ForeignServer => "SERVER",
            O::ForeignTable => "FOREIGN TABLE",
            O::Function => "FUNCTION",
            O::Index => "INDEX",
            O::Language => "LANGUAGE",
            O::LargeObject => "LARGE OBJECT",
            O::MaterializedView => "MATERIALIZED VIEW",
            O::Operator => "OPERATOR",
            O::OperatorClass => "OPERATOR CLASS",
            O::OperatorFamily => "OPERATOR FAMILY",
            O::Policy => "POLICY",
            O::Procedure => "PROCEDURE",
            O::Publication => "PUBLICATION",
            O::Role => "ROLE",
            O::Routine => "ROUTINE",
            O::Rule => "RULE",
            O::Schema => "SCHEMA",
            O::Sequence => "SEQUENCE",
            O::Statistics => "STATISTICS",
            O::Subscription => "SUBSCRIPTION",
            O::Tablespace => "TABLESPACE",
            O::Transform => "TRANSFORM",
            O::Trigger => "TRIGGER",
            O::TextSearchConfiguration => "TEXT SEARCH CONFIGURATION",
            O::TextSearchDictionary => "TEXT SEARCH DICTIONARY",
            O::TextSearchParser => "TEXT SEARCH PARSER",
            O::TextSearchTemplate => "TEXT SEARCH TEMPLATE",
            O::Type => "TYPE",
            O::UserMapping => "USER MAPPING",
            O::View => "VIEW",
        }
    }
}

/// A role as a statement names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleSpec {
    Name(Ident),
    CurrentRole,
    CurrentUser,
    SessionUser,
    Public,
}

/// Which of the three spellings created a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleKind {
    Role,
    User,
    Group,
}

/// An option of CREATE ROLE and ALTER ROLE.
#[derive(Clone, Debug)]
pub struct RoleOption {
    pub kind: RoleOptionKind,
    pub pos: usize,
}

/// What the option says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleOptionKind {
    /// `None` is PASSWORD NULL.
    Password(Option<String>),
    Superuser(bool),
    CreateDb(bool),
    CreateRole(bool),
    Inherit(bool),
    Login(bool),
    Replication(bool),
    BypassRls(bool),
    ConnectionLimit(i32),
    ValidUntil(String),
    InRole(Vec<RoleSpec>),
    RoleMembers(Vec<RoleSpec>),
    Admin(Vec<RoleSpec>),
    SysId(i32),
}

/// GRANT and REVOKE on objects.
#[derive(Clone, Debug)]
pub struct Grant {
    pub is_grant: bool,
    /// Empty is ALL PRIVILEGES.
    pub privileges: Vec<Privilege>,
    pub object: ObjectType,
    pub target: GrantTarget,
    pub grantees: Vec<RoleSpec>,
    /// WITH GRANT OPTION, or REVOKE GRANT OPTION FOR.
    pub grant_option: bool,
    pub granted_by: Option<RoleSpec>,
    pub behavior: DropBehavior,
}

/// A privilege, perhaps on columns only.
#[derive(Clone, Debug)]
pub struct Privilege {
    /// `None` is ALL (of columns).
    pub name: Option<Ident>,
    pub columns: Vec<Ident>,
}

/// What GRANT names.
#[derive(Clone, Debug)]
pub enum GrantTarget {
    Objects(Vec<ObjectRef>),
    /// ALL TABLES IN SCHEMA.
    AllInSchema(Vec<Ident>),
}

/// GRANT role TO role.
#[derive(Clone, Debug)]
pub struct GrantRole {
    pub is_grant: bool,
    pub roles: Vec<Ident>,
    pub grantees: Vec<RoleSpec>,
    pub admin_option: bool,
    pub granted_by: Option<RoleSpec>,
    pub behavior: DropBehavior,
}

/// ALTER DEFAULT PRIVILEGES.
#[derive(Clone, Debug)]
pub struct AlterDefaultPrivileges {
    pub schemas: Vec<Ident>,
    pub roles: Vec<RoleSpec>,
    pub action: Grant,
}

/// DROP of anything but roles and databases.
#[derive(Clone, Debug)]
pub struct Drop {
    pub object: ObjectType,
    pub targets: Vec<ObjectRef>,
    pub if_exists: bool,
    pub behavior: DropBehavior,
    pub concurrently: bool,
}

/// An object, with arguments where a name is not enough.
#[derive(Clone, Debug)]
pub struct ObjectRef {
    pub name: ObjectName,
    /// Argument types of a function or operator; `None` when they were left out.
    pub args: Option<Vec<FunctionParameter>>,
    /// The relation of a trigger, rule or policy; the method of an operator class.
    pub of: Option<ObjectName>,
}

impl ObjectRef {
    /// An object that a name suffices for.
    pub fn named(name: ObjectName) -> Self {
        ObjectRef { name, args: None, of: None }
    }
}

/// What RENAME renames.
#[derive(Clone, Debug)]
pub struct Rename {
    /// What is renamed.
    pub object: ObjectType,
    /// For columns and constraints: the kind of relation the statement said.
    pub relation_kind: ObjectType,
    pub target: ObjectRef,
    /// The column, attribute or constraint.
    pub subname: Option<Ident>,
    pub new_name: Ident,
    pub if_exists: bool,
    pub behavior: DropBehavior,
}

/// What COMMENT describes.
#[derive(Clone, Debug)]
pub enum CommentTarget {
    Object(ObjectRef),
    /// COMMENT ON TYPE and DOMAIN.
    Type(TypeName),
    /// COMMENT ON CONSTRAINT c ON DOMAIN d.
    DomainConstraint {
        constraint: Ident,
        domain: TypeName,
    },
    /// COMMENT ON CAST.
    Cast {
        source: TypeName,
        target: TypeName,
    },
    LargeObject(String),
}
