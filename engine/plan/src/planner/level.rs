//! One query level while it is planned, and what is left of it for making the plan.

use super::clause::Clause;
use super::equivalence::EquivalenceClass;
use super::path::Path;
use super::relset::RelSet;
use crate::builder::Builder;
use crate::facts::{IndexFacts, RelationSize};
use crate::join::JoinType;
use redoubt_analyze::query::*;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// A planned query level: its candidate paths and what making any of them a plan needs.
#[derive(Debug)]
pub(crate) struct PlannedLevel {
    pub level: Rc<Level>,
    /// Ways to compute it, none of them worse than another in every respect.
    pub paths: Vec<Rc<Path>>,
}

/// What is left of a query level once its paths are made.
#[derive(Debug)]
pub(crate) struct Level {
    /// The range table (FROM functions, VALUES lists), for making scans.
    pub rtable: Vec<RangeTblEntry>,
    /// Output columns in terms of what the paths deliver.
    pub targets: Vec<TargetEntry>,
    /// RETURNING's columns, in the same terms.
    pub returning: Vec<TargetEntry>,
    /// Equivalence classes, for finding a sort key's expression.
    pub classes: Vec<EquivalenceClass>,
    /// Rows to lock.
    pub row_marks: Vec<RowMark>,
    /// All base relations in FROM, for rechecking rows.
    pub from: RelSet,
    /// Ranges of this level.
    pub locals: RelSet,
}

/// The joins as FROM and WHERE spell them, after pull-ups.
#[derive(Clone, Debug)]
pub(crate) enum JoinTree {
    /// One range-table entry.
    Rel(usize),
    /// An inner join of all items under these conditions.
    From { items: Vec<JoinTree>, quals: Vec<Expr> },
    /// A join of two.
    Join { join: JoinType, left: Box<JoinTree>, right: Box<JoinTree>, quals: Vec<Expr> },
}

impl JoinTree {
    /// All range-table entries below.
    pub(crate) fn relids(&self) -> RelSet {
        match self {
            JoinTree::Rel(range) => RelSet::single(*range),
            JoinTree::From { items, .. } => {
                items.iter().fold(RelSet::new(), |set, item| set.union(&item.relids()))
            }
            JoinTree::Join { left, right, .. } => left.relids().union(&right.relids()),
        }
    }
}

/// An outer, semi or anti join that restricts the order of joining (`SpecialJoinInfo`).
#[derive(Clone, Debug)]
pub(crate) struct SpecialJoin {
    /// Relations that must be on the left (right) before this join is done.
    pub min_left: RelSet,
    pub min_right: RelSet,
    /// All relations syntactically on the left (right).
    pub left: RelSet,
    pub right: RelSet,
    pub join: JoinType,
    /// The join's condition rejects rows whose left side is all NULL.
    pub left_strict: bool,
    /// Joins above it whose conditions use the nullable side in a non-strict way hold it back.
    pub delay_upper: bool,
    /// Semi join by equalities: (operator, right-side expressions), if it can be made unique.
    pub semi_keys: Option<Vec<(redoubt_functions::Oid, Expr)>>,
}

/// A base relation of the level.
#[derive(Debug)]
pub(crate) struct BaseRel {
    pub range: usize,
    pub kind: BaseKind,
    /// Conditions on it alone.
    pub restrictions: Vec<Rc<Clause>>,
    /// Conditions that join it with others, except those in equivalence classes.
    pub join_clauses: Vec<Rc<Clause>>,
    /// Rows without conditions.
    pub tuples: f64,
    pub pages: f64,
    pub all_visible_fraction: f64,
    /// Rows that satisfy the restrictions.
    pub rows: f64,
    pub width: i32,
    pub indexes: Vec<Arc<IndexFacts>>,
    /// Relations of this level that it refers to laterally.
    pub lateral: RelSet,
    pub paths: Vec<Rc<Path>>,
}

/// What a base relation is.
#[derive(Debug)]
pub(crate) enum BaseKind {
    Table { relid: redoubt_functions::Oid, size: RelationSize },
    Subquery(Rc<PlannedLevel>),
    Function,
    Values { rows: usize },
    Cte { number: usize, work_table: bool },
}

/// A join relation under construction.
#[derive(Debug, Default)]
pub(crate) struct JoinRel {
    pub rows: f64,
    pub width: i32,
    pub paths: Vec<Rc<Path>>,
}

/// The state of planning one query level.
pub(crate) struct LevelPlanner<'p, 'a> {
    pub builder: &'p mut Builder<'a>,
    pub query: Query,
    /// Expected fraction of rows fetched: 0 all, below 1 a share, from 1 on a count.
    pub fraction: f64,
    /// Base relations by range number.
    pub bases: HashMap<usize, BaseRel>,
    /// Ranges of this level, pulled-up ones included.
    pub locals: RelSet,
    /// Ranges in the join tree.
    pub from: RelSet,
    /// Ranges that some outer join may null-extend.
    pub nullable: RelSet,
    pub special: Vec<SpecialJoin>,
    pub classes: Vec<EquivalenceClass>,
    /// Conditions that mention no relation: tested once.
    pub constants: Vec<Expr>,
    /// The order that the steps above the joins would like best.
    pub wanted_order: Vec<super::path::PathKey>,
    /// Clauses made so far, for numbering them.
    pub clause_count: usize,
    /// Range-table entries of pulled-up subqueries, behind the query's own.
    pub join_rels: HashMap<RelSet, JoinRel>,
}
