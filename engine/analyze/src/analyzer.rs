//! The analyzer's state: what it may ask, and the query levels it is inside of.

use crate::params::Params;
use crate::query::{Cte, RangeTblEntry, WindowClause};
use crate::scope::Scope;
use redoubt_catalog::CatalogView;
use redoubt_functions::{Env, Oid};

/// Where an expression stands: some constructs are not allowed everywhere, and messages name the
/// place (PostgreSQL's ParseExprKind).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Output columns of SELECT.
    SelectTarget,
    /// INSERT's source expressions.
    InsertTarget,
    /// UPDATE's assigned expressions.
    UpdateSource,
    /// RETURNING.
    Returning,
    /// JOIN ... ON.
    JoinOn,
    /// JOIN ... USING.
    JoinUsing,
    /// A function in FROM.
    FromFunction,
    /// A subquery in FROM.
    FromSubselect,
    /// WHERE.
    Where,
    /// HAVING.
    Having,
    /// FILTER.
    Filter,
    /// PARTITION BY of a window.
    WindowPartition,
    /// ORDER BY of a window.
    WindowOrder,
    /// A frame's offset.
    WindowFrame,
    /// GROUP BY.
    GroupBy,
    /// ORDER BY.
    OrderBy,
    /// DISTINCT ON.
    DistinctOn,
    /// LIMIT.
    Limit,
    /// OFFSET.
    Offset,
    /// VALUES lists.
    Values,
    /// The one list of INSERT ... VALUES, which is as good as a target list.
    SingleValues,
    /// CHECK constraints.
    CheckConstraint,
    /// DEFAULT expressions.
    ColumnDefault,
    /// Generated columns.
    GeneratedColumn,
    /// Index expressions.
    IndexExpression,
    /// Index predicates.
    IndexPredicate,
    /// ALTER TABLE ... USING.
    AlterTransform,
    /// EXECUTE's parameters.
    ExecuteParameter,
    /// CALL's arguments.
    CallArgument,
    /// COPY ... WHERE.
    CopyWhere,
    /// Anything else: no restriction.
    Other,
}

/// One query level while it is analyzed.
#[derive(Debug, Default)]
pub(crate) struct Level {
    /// Range table so far.
    pub rtable: Vec<RangeTblEntry>,
    /// What names can see at the moment.
    pub scope: Scope,
    /// WITH queries of this level.
    pub ctes: Vec<Cte>,
    /// Named windows first, then the anonymous ones that OVER (...) adds.
    pub windows: Vec<WindowClause>,
    /// An aggregate of this level was seen.
    pub has_aggs: bool,
    /// A window function was seen.
    pub has_window_funcs: bool,
    /// A set-returning function was seen in the target list.
    pub has_target_srfs: bool,
    /// Where the expression being analyzed stands.
    pub place: Option<Place>,
}

/// Analyzes one statement. Levels form a stack: the last is the query being analyzed, and a
/// [`crate::query::Var`]'s `levels_up` counts from there.
pub struct Analyzer<'a> {
    pub(crate) catalog: CatalogView<'a>,
    pub(crate) env: &'a dyn Env,
    /// Schemas searched, `pg_catalog` included at its place.
    pub(crate) path: &'a [Oid],
    pub(crate) params: Params,
    pub(crate) levels: Vec<Level>,
    /// The views whose text is being analyzed, outermost first: one that reads itself must not be read for ever.
    pub(crate) views: Vec<Oid>,
}
