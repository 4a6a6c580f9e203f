//! Types, domains and functions.
#![allow(missing_docs)] // Fields bear the grammar's own names; types and variants are documented.

use super::expr::*;
use super::object::{ObjectRef, ObjectType};
use super::session::SetStatement;
use super::statement::Statement;
use super::table::{ColumnConstraint, ColumnDef, TableConstraint};
use super::utility::*;
use std::ops::Range;

/// CREATE TYPE.
#[derive(Clone, Debug)]
pub enum CreateType {
    Composite {
        name: ObjectName,
        columns: Vec<ColumnDef>,
    },
    Enum {
        name: ObjectName,
        labels: Vec<String>,
    },
    Range {
        name: ObjectName,
        options: Vec<DefElem>,
    },
    /// `CREATE TYPE name` or `CREATE TYPE name (INPUT = ...)`.
    Base {
        name: ObjectName,
        options: Option<Vec<DefElem>>,
    },
}

/// ALTER TYPE ... ADD VALUE / RENAME VALUE.
#[derive(Clone, Debug)]
pub enum AlterEnum {
    AddValue {
        name: ObjectName,
        if_not_exists: bool,
        label: String,
        /// The neighbour, and whether the new label goes after it.
        neighbour: Option<(String, bool)>,
    },
    RenameValue {
        name: ObjectName,
        old: String,
        new: String,
    },
}

/// CREATE DOMAIN.
#[derive(Clone, Debug)]
pub struct CreateDomain {
    pub name: ObjectName,
    pub type_name: TypeName,
    pub collation: Option<ObjectName>,
    pub constraints: Vec<ColumnConstraint>,
}

/// ALTER DOMAIN.
#[derive(Clone, Debug)]
pub enum AlterDomainCommand {
    SetDefault(Expr),
    DropDefault,
    SetNotNull,
    DropNotNull,
    AddConstraint(TableConstraint),
    DropConstraint { name: Ident, if_exists: bool, behavior: DropBehavior },
    ValidateConstraint { name: Ident },
}

/// CREATE FUNCTION and CREATE PROCEDURE.
#[derive(Clone, Debug)]
pub struct CreateFunction {
    pub or_replace: bool,
    pub is_procedure: bool,
    pub name: ObjectName,
    pub params: Vec<FunctionParameter>,
    pub returns: Option<TypeName>,
    /// RETURNS TABLE (...): columns come as parameters of mode `Table`.
    pub returns_table: bool,
    pub options: Vec<FunctionOption>,
    /// A SQL-standard body (RETURN or BEGIN ATOMIC).
    pub sql_body: Option<SqlBody>,
}

/// RETURN expression, or the statements between BEGIN ATOMIC and END.
#[derive(Clone, Debug)]
pub struct SqlBody {
    /// Its bytes in the query string.
    pub range: Range<usize>,
    /// BEGIN ATOMIC ... END.
    pub is_atomic: bool,
    /// Statements; RETURN is a SELECT of one value.
    pub statements: Vec<Statement>,
    /// Each statement's text, as it can be parsed again.
    pub texts: Vec<String>,
}

/// ALTER FUNCTION, PROCEDURE and ROUTINE with options.
#[derive(Clone, Debug)]
pub struct AlterFunction {
    pub object: ObjectType,
    pub target: ObjectRef,
    pub options: Vec<FunctionOption>,
}

/// A parameter, or an argument type of a reference to a function.
#[derive(Clone, Debug)]
pub struct FunctionParameter {
    pub name: Option<Ident>,
    pub mode: ParameterMode,
    pub type_name: TypeName,
    pub default: Option<Expr>,
}

/// IN, OUT, INOUT, VARIADIC, TABLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterMode {
    /// Nothing said.
    Default,
    In,
    Out,
    InOut,
    Variadic,
    Table,
}

/// An option of CREATE FUNCTION.
#[derive(Clone, Debug)]
pub struct FunctionOption {
    pub kind: FunctionOptionKind,
    pub pos: usize,
}

/// What the option says.
#[derive(Clone, Debug)]
pub enum FunctionOptionKind {
    /// AS 'body' or AS 'object', 'symbol'; where the first string's characters begin, if they stand there as they are.
    As(Vec<String>, Option<usize>),
    Language(String),
    /// IMMUTABLE, STABLE, VOLATILE: 'i', 's', 'v'.
    Volatility(char),
    Strict(bool),
    SecurityDefiner(bool),
    Leakproof(bool),
    Window,
    Cost(String),
    Rows(String),
    Support(ObjectName),
    Set(SetStatement),
    /// PARALLEL word.
    Parallel(String),
    Transform(Vec<TypeName>),
}
