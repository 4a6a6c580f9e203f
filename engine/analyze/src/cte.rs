//! WITH (PostgreSQL's src/backend/parser/parse_cte.c).

use crate::analyzer::Analyzer;
use crate::query::{ColumnType, CommandType, Cte, Query, RteKind, SetOperation, TargetEntry};
use crate::scope::NsItem;
use crate::visit;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::types;
use redoubt_sql::tree as ast;
use std::sync::Arc;

/// A WITH query that may refer to itself, while it is analyzed.
#[derive(Debug)]
pub(crate) struct Recursion {
    name: Arc<str>,
    /// Names given to its columns.
    aliases: Vec<ast::Ident>,
    /// Output columns, known when the non-recursive term has been analyzed.
    columns: Option<(Vec<Arc<str>>, Vec<ColumnType>)>,
    /// Why it cannot be recursive: it is no UNION.
    wrong_form: Option<&'static str>,
    /// A clause around the UNION that recursion does not work with, and where it stands.
    decoration: Option<(&'static str, Option<usize>)>,
    /// Its own WITH clause is being analyzed.
    in_with: bool,
    /// How often it referred to itself.
    references: usize,
    position: usize,
}

/// Where a WITH query was found.
enum Found {
    /// Index among the level's.
    Done(usize),
    /// It is the one being analyzed.
    Itself,
    /// It comes later in WITH RECURSIVE: its number among those.
    Later(usize),
    /// The one being analyzed is analyzed for its sake: they refer to each other.
    Around(usize),
}

impl Analyzer<'_> {
    /// Analyzes WITH; its queries become visible one after the other.
    pub(crate) fn with_clause(&mut self, with: &ast::With) -> PgResult<()> {
        for (index, cte) in with.ctes.iter().enumerate() {
            if with.ctes[..index].iter().any(|other| other.name == cte.name) {
                let message = format!("WITH query name \"{}\" specified more than once", cte.name.name);
                return Err(PgError::new(code::DUPLICATE_ALIAS, message).at(Some(cte.pos)));
            }
        }
        if with.recursive {
            self.level().scope.pending_ctes = with.ctes.clone();
            while !self.level().scope.pending_ctes.is_empty() {
                self.next_pending(0)?;
            }
            return Ok(());
        }
        for (index, cte) in with.ctes.iter().enumerate() {
            let later = with.ctes[index..].iter();
            self.level().scope.future_ctes = later.map(|cte| cte.name.name.clone()).collect();
            let analyzed = self.with_query(cte, false)?;
            self.level().ctes.push(analyzed);
        }
        self.level().scope.future_ctes.clear();
        Ok(())
    }

    /// Analyzes one of the queries of WITH RECURSIVE that are still to be done. Those that it refers
    /// to come before it.
    fn next_pending(&mut self, index: usize) -> PgResult<()> {
        let cte = self.level().scope.pending_ctes.remove(index);
        let mut analyzed = self.with_query(&cte, true)?;
        let index = self.level().ctes.len();
        // References of the query to itself were made before its number was known.
        visit::each_query(&mut analyzed.query, 1, &mut |query, depth| {
            for entry in &mut query.rtable {
                if let RteKind::Cte { levels_up, index: own, self_reference: true, .. } = &mut entry.kind
                    && *levels_up == depth
                {
                    *own = index;
                }
            }
        });
        self.level().ctes.push(analyzed);
        Ok(())
    }

    fn with_query(&mut self, cte: &ast::Cte, recursive: bool) -> PgResult<Cte> {
        if cte.search.is_some() {
            return Err(PgError::unsupported("the SEARCH clause").at(Some(cte.pos)));
        }
        if cte.cycle.is_some() {
            return Err(PgError::unsupported("the CYCLE clause").at(Some(cte.pos)));
        }
        let mut references = 0;
        let mut expected = None;
        let query = if recursive {
            self.level().scope.recursive.push(Recursion {
                name: cte.name.name.clone(),
                aliases: cte.columns.clone(),
                columns: None,
                wrong_form: wrong_form(&cte.query),
                decoration: decoration(&cte.query),
                in_with: false,
                references: 0,
                position: cte.pos,
            });
            let query = self.with_body(cte, true);
            let recursion = self.level().scope.recursive.pop().expect("it was pushed above");
            references = recursion.references;
            expected = recursion.columns;
            query?
        } else {
            self.with_body(cte, false)?
        };
        let is_recursive = references > 0;
        if query.command != CommandType::Select && self.levels.len() > 1 {
            let message = "WITH clause containing a data-modifying statement must be at the top level";
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).at(Some(cte.pos)));
        }
        let output: &[TargetEntry] =
            if query.command == CommandType::Select { &query.target_list } else { &query.returning };
        let (mut names, columns): (Vec<Arc<str>>, Vec<ColumnType>) =
            output.iter().filter(|e| !e.junk).map(|e| (e.name.clone(), e.expr.ty())).unzip();
        if cte.columns.len() > names.len() {
            return Err(too_many_names(&cte.name.name, names.len(), cte.columns.len(), cte.pos));
        }
        for (name, alias) in names.iter_mut().zip(&cte.columns) {
            *name = alias.name.clone();
        }
        if let Some((_, expected)) = expected.filter(|_| is_recursive) {
            self.check_recursive_types(cte, &expected, &columns)?;
        }
        Ok(Cte {
            name: cte.name.name.clone(),
            query: Box::new(query),
            recursive: is_recursive,
            materialized: cte.materialized,
            references: 0,
            column_names: names,
            columns,
        })
    }

    fn with_body(&mut self, cte: &ast::Cte, recursive: bool) -> PgResult<Query> {
        let is_union = recursive && union_of(&cte.query).is_some();
        self.in_level(|analyzer| {
            analyzer.level().scope.parent_cte = is_union;
            match &cte.query {
                ast::DmlStatement::Select(query) => {
                    if let Some(with) = &query.with {
                        analyzer.own_with(recursive);
                        analyzer.with_clause(with)?;
                        analyzer.own_with(false);
                    }
                    analyzer.query_without_with(query, true, recursive)
                }
                ast::DmlStatement::Insert(insert) => analyzer.insert(insert),
                ast::DmlStatement::Update(update) => analyzer.update(update),
                ast::DmlStatement::Delete(delete) => analyzer.delete(delete),
            }
        })
    }

    /// Enters or leaves the WITH clause of a query that may be recursive.
    fn own_with(&mut self, in_with: bool) {
        let above = self.levels.len() - 2;
        if let Some(recursion) = self.levels[above].scope.recursive.last_mut() {
            recursion.in_with = in_with;
        }
    }

    /// The non-recursive term gives a recursive query its columns (`determineRecursiveColTypes`).
    pub(crate) fn recursive_columns(
        &mut self,
        raw: &ast::Query,
        tree: &SetOperation,
        columns: &[(ColumnType, usize)],
    ) -> PgResult<()> {
        let mut first = tree;
        while let SetOperation::Node { left, .. } = first {
            first = left;
        }
        let SetOperation::Leaf(rt) = first else { unreachable!("the leftmost input is a leaf") };
        let mut names = self.level().rtable[*rt].column_names.clone();
        let mut types = Vec::with_capacity(columns.len());
        for (ty, _) in columns {
            let unknown = ty.type_oid == types::UNKNOWN;
            types.push(if unknown { self.plain_type(types::TEXT)? } else { *ty });
        }
        let up = self.levels.len() - 2;
        let recursion = self.levels[up].scope.recursive.last_mut().expect("its level is the one above");
        if recursion.aliases.len() > names.len() {
            let (name, given) = (recursion.name.clone(), recursion.aliases.len());
            return Err(too_many_names(&name, names.len(), given, recursion.position).at(Some(raw.pos)));
        }
        for (name, alias) in names.iter_mut().zip(&recursion.aliases) {
            *name = alias.name.clone();
        }
        recursion.columns = Some((names, types));
        Ok(())
    }

    /// The recursive term may not have changed the types.
    fn check_recursive_types(
        &self,
        cte: &ast::Cte,
        expected: &[ColumnType],
        columns: &[ColumnType],
    ) -> PgResult<()> {
        for (index, (before, after)) in expected.iter().zip(columns).enumerate() {
            if before.type_oid != after.type_oid || before.typmod != after.typmod {
                let message = format!(
                    "recursive query \"{}\" column {} has type {} in non-recursive term but type {} overall",
                    cte.name.name,
                    index + 1,
                    self.env.type_name(before.type_oid, before.typmod)?,
                    self.env.type_name(after.type_oid, after.typmod)?
                );
                let position = non_recursive_target(&cte.query, index).unwrap_or(cte.pos);
                return Err(PgError::new(code::DATATYPE_MISMATCH, message)
                    .hint("Cast the output of the non-recursive term to the correct type.")
                    .at(Some(position)));
            }
        }
        Ok(())
    }

    /// How many levels up a WITH query of this name is visible.
    pub(crate) fn find_cte(&self, name: &str) -> Option<usize> {
        self.search_cte(name).map(|(up, _)| up)
    }

    fn search_cte(&self, name: &str) -> Option<(usize, Found)> {
        for up in 0..self.levels.len() {
            let level = self.level_up(up);
            if let Some(index) = level.ctes.iter().position(|cte| &*cte.name == name) {
                return Some((up, Found::Done(index)));
            }
            let pending = level.scope.pending_ctes.iter().position(|cte| &*cte.name.name == name);
            if let Some(pending) = pending {
                return Some((up, Found::Later(pending)));
            }
            if let Some((last, others)) = level.scope.recursive.split_last() {
                if &*last.name == name {
                    return Some((up, Found::Itself));
                }
                if let Some(other) = others.iter().find(|recursion| &*recursion.name == name) {
                    return Some((up, Found::Around(other.position)));
                }
            }
        }
        None
    }

    /// A reference in FROM to a WITH query, if the name is one.
    pub(crate) fn range_cte(
        &mut self,
        name: &ast::Ident,
        alias: Option<&ast::Alias>,
    ) -> PgResult<Option<NsItem>> {
        let Some((up, found)) = self.search_cte(&name.name) else { return Ok(None) };
        let at = self.levels.len() - 1 - up;
        let (index, names, columns, self_reference) = match found {
            Found::Done(index) => {
                let cte = &mut self.levels[at].ctes[index];
                if cte.query.command != CommandType::Select && cte.query.returning.is_empty() {
                    let message = format!("WITH query \"{}\" does not have a RETURNING clause", cte.name);
                    return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).at(Some(name.pos)));
                }
                cte.references += 1;
                (index, cte.column_names.clone(), cte.columns.clone(), false)
            }
            Found::Later(index) => {
                // It is analyzed at its own level, which knows nothing of those further in.
                let inner = self.levels.split_off(at + 1);
                let result = self.next_pending(index);
                self.levels.extend(inner);
                result?;
                return self.range_cte(name, alias);
            }
            Found::Around(position) => {
                let message = "mutual recursion between WITH items is not implemented";
                return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).at(Some(position)));
            }
            Found::Itself => {
                let (names, columns) = self.recursive_reference(at, name)?;
                (self.levels[at].ctes.len(), names, columns, true)
            }
        };
        let kind =
            RteKind::Cte { name: name.name.clone(), levels_up: up, index, self_reference, outer: Vec::new() };
        self.add_entry(kind, &name.name, names, columns, alias).map(Some)
    }

    /// A query's reference to itself, which must stand where it can be carried out
    /// (`checkWellFormedRecursion`).
    fn recursive_reference(
        &mut self,
        at: usize,
        name: &ast::Ident,
    ) -> PgResult<(Vec<Arc<str>>, Vec<ColumnType>)> {
        let blocked = self.levels[at + 1..].iter().rev().find_map(|level| level.scope.blocked);
        let recursion = self.levels[at].scope.recursive.last_mut().expect("it was found there");
        let refuse =
            |message: String, at: usize| Err(PgError::new(code::INVALID_RECURSION, message).at(Some(at)));
        if let Some(wrong) = recursion.wrong_form {
            return refuse(format!("recursive query \"{}\" {wrong}", recursion.name), recursion.position);
        }
        let reference = format!("recursive reference to query \"{}\" must not appear", recursion.name);
        if recursion.in_with {
            return refuse(format!("{reference} within a subquery"), name.pos);
        }
        if let Some((clause, position)) = recursion.decoration {
            let message = format!("{clause} in a recursive query is not implemented");
            return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, message).at(position));
        }
        if let Some(place) = blocked {
            return refuse(format!("{reference} within {place}"), name.pos);
        }
        let Some(columns) = recursion.columns.clone() else {
            return refuse(format!("{reference} within its non-recursive term"), name.pos);
        };
        if recursion.references > 0 {
            return refuse(format!("{reference} more than once"), name.pos);
        }
        recursion.references += 1;
        Ok(columns)
    }

    /// Recursive references may not stand in some inputs of nested set operations.
    pub(crate) fn block_recursion(&mut self, operation: &ast::SetOperation, right: bool) {
        let blocked = match operation.op {
            ast::SetOperator::Intersect if operation.all => Some("INTERSECT"),
            ast::SetOperator::Except if operation.all || right => Some("EXCEPT"),
            _ => None,
        };
        let scope = &mut self.level().scope;
        scope.blocked = scope.blocked.or(blocked);
    }
}

/// The UNION that a WITH query is.
fn union_of(query: &ast::DmlStatement) -> Option<&ast::SetOperation> {
    let ast::DmlStatement::Select(query) = query else { return None };
    match &query.body {
        ast::QueryBody::SetOp(operation) if operation.op == ast::SetOperator::Union => Some(operation),
        _ => None,
    }
}

/// Where an output column of the non-recursive term was written.
fn non_recursive_target(query: &ast::DmlStatement, index: usize) -> Option<usize> {
    match &union_of(query)?.left.body {
        ast::QueryBody::Select(select) => select.targets.get(index).map(|target| target.expr.location()),
        ast::QueryBody::Values { rows, .. } => rows.first()?.get(index).map(ast::Expr::location),
        ast::QueryBody::SetOp(_) => None,
    }
}

/// Why a query cannot refer to itself.
fn wrong_form(query: &ast::DmlStatement) -> Option<&'static str> {
    match query {
        ast::DmlStatement::Select(_) if union_of(query).is_some() => None,
        ast::DmlStatement::Select(_) => {
            Some("does not have the form non-recursive-term UNION [ALL] recursive-term")
        }
        _ => Some("must not contain data-modifying statements"),
    }
}

/// A clause around a UNION that is not implemented for recursive ones, in PostgreSQL neither.
fn decoration(query: &ast::DmlStatement) -> Option<(&'static str, Option<usize>)> {
    let ast::DmlStatement::Select(query) = query else { return None };
    if let Some(sort) = query.order_by.first() {
        Some(("ORDER BY", Some(sort.expr.location())))
    } else if let Some(offset) = &query.limit.offset {
        Some(("OFFSET", Some(offset.location())))
    } else if let Some(count) = &query.limit.count {
        Some(("LIMIT", Some(count.location())))
    } else {
        query.locking.first().map(|_| ("FOR UPDATE/SHARE", None))
    }
}

fn too_many_names(name: &str, available: usize, given: usize, position: usize) -> PgError {
    let message =
        format!("WITH query \"{name}\" has {available} columns available but {given} columns specified");
    PgError::new(code::INVALID_COLUMN_REFERENCE, message).at(Some(position))
}
