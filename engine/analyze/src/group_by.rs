//! GROUP BY with its grouping sets (PostgreSQL's transformGroupClause and expand_grouping_sets).

use crate::analyzer::{Analyzer, Place};
use crate::query::SortGroup;
use crate::target::Targets;
use redoubt_error::{PgError, PgResult, code};
use redoubt_sql::tree as ast;

/// More expanded sets than this are refused.
const MAX_SETS: usize = 4096;
/// A larger CUBE is refused.
const MAX_CUBE: usize = 12;

/// The keys, and the sets of indexes into them if there are grouping sets.
type Grouping = (Vec<SortGroup>, Option<Vec<Vec<usize>>>);

impl Analyzer<'_> {
    pub(crate) fn group_clause(
        &mut self,
        select: &ast::Select,
        targets: &mut Targets,
        sort: &[SortGroup],
    ) -> PgResult<Grouping> {
        let mut keys: Vec<SortGroup> = Vec::new();
        let has_sets = select.group_by.iter().any(|item| !matches!(item, ast::GroupBy::Expr(_)));
        let mut product: Vec<Vec<usize>> = vec![Vec::new()];
        for item in &select.group_by {
            let sets = self.grouping_item(item, targets, sort, &mut keys)?;
            if has_sets {
                product = cross(&product, &sets).ok_or_else(|| too_many_sets(item))?;
            }
        }
        if !has_sets {
            return Ok((keys, None));
        }
        // Shorter sets first; GROUP BY DISTINCT drops those that are there twice.
        product.sort_by_key(Vec::len);
        if select.group_distinct {
            let mut seen: Vec<Vec<usize>> = Vec::new();
            product.retain(|set| {
                let mut sorted = set.clone();
                sorted.sort_unstable();
                let new = !seen.contains(&sorted);
                seen.push(sorted);
                new
            });
        }
        Ok((keys, Some(product)))
    }

    /// The sets that one item of GROUP BY stands for.
    fn grouping_item(
        &mut self,
        item: &ast::GroupBy,
        targets: &mut Targets,
        sort: &[SortGroup],
        keys: &mut Vec<SortGroup>,
    ) -> PgResult<Vec<Vec<usize>>> {
        Ok(match item {
            ast::GroupBy::Expr(expr) => vec![self.grouping_exprs(expr, targets, sort, keys)?],
            ast::GroupBy::Empty { .. } => vec![Vec::new()],
            ast::GroupBy::Rollup { items, .. } => {
                let parts = self.grouping_parts(items, targets, sort, keys)?;
                (0..=parts.len()).rev().map(|length| union(&parts[..length])).collect()
            }
            ast::GroupBy::Cube { items, pos } => {
                if items.len() > MAX_CUBE {
                    let message = format!("CUBE is limited to {MAX_CUBE} elements");
                    return Err(PgError::new(code::TOO_MANY_COLUMNS, message).at(Some(*pos)));
                }
                let parts = self.grouping_parts(items, targets, sort, keys)?;
                (0..1usize << parts.len())
                    .map(|mask| {
                        let chosen = parts.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0);
                        union(&chosen.map(|(_, part)| part.clone()).collect::<Vec<_>>())
                    })
                    .collect()
            }
            ast::GroupBy::Sets { items, .. } => {
                let mut sets = Vec::new();
                for item in items {
                    sets.extend(self.grouping_item(item, targets, sort, keys)?);
                    if sets.len() > MAX_SETS {
                        return Err(too_many_sets(item));
                    }
                }
                sets
            }
        })
    }

    fn grouping_parts(
        &mut self,
        items: &[ast::Expr],
        targets: &mut Targets,
        sort: &[SortGroup],
        keys: &mut Vec<SortGroup>,
    ) -> PgResult<Vec<Vec<usize>>> {
        items.iter().map(|item| self.grouping_exprs(item, targets, sort, keys)).collect()
    }

    /// The keys of one expression; `(a, b)` is a list of two.
    fn grouping_exprs(
        &mut self,
        raw: &ast::Expr,
        targets: &mut Targets,
        sort: &[SortGroup],
        keys: &mut Vec<SortGroup>,
    ) -> PgResult<Vec<usize>> {
        if let ast::Expr::Row { fields, explicit: false, .. } = raw {
            let mut all = Vec::with_capacity(fields.len());
            for field in fields {
                all.extend(self.grouping_exprs(field, targets, sort, keys)?);
            }
            return Ok(union(&[all]));
        }
        let target = self.find_target(raw, targets, Place::GroupBy)?;
        if let Some(known) = keys.iter().position(|key| key.target == target) {
            return Ok(vec![known]);
        }
        // A key that is also sorted by takes over how it is sorted.
        let key = match sort.iter().find(|key| key.target == target) {
            Some(key) => *key,
            None => self.group_key(targets, target, raw.location())?,
        };
        keys.push(key);
        Ok(vec![keys.len() - 1])
    }

    /// PARTITION BY: keys by SQL99's rules.
    pub(crate) fn partition_clause(
        &mut self,
        raw: &[ast::Expr],
        targets: &mut Targets,
        sort: &[SortGroup],
    ) -> PgResult<Vec<SortGroup>> {
        let mut keys: Vec<SortGroup> = Vec::with_capacity(raw.len());
        for expr in raw {
            let target = self.find_target_sql99(expr, targets, Place::WindowPartition)?;
            if keys.iter().any(|key| key.target == target) {
                continue;
            }
            keys.push(match sort.iter().find(|key| key.target == target) {
                Some(key) => *key,
                None => self.group_key(targets, target, expr.location())?,
            });
        }
        Ok(keys)
    }
}

/// Every set of one list joined with every set of the other; `None` when they are too many.
fn cross(left: &[Vec<usize>], right: &[Vec<usize>]) -> Option<Vec<Vec<usize>>> {
    if left.len().checked_mul(right.len())? > MAX_SETS {
        return None;
    }
    Some(left.iter().flat_map(|a| right.iter().map(|b| union(&[a.clone(), b.clone()]))).collect())
}

/// All members in order, each once.
fn union(parts: &[Vec<usize>]) -> Vec<usize> {
    let mut all: Vec<usize> = Vec::new();
    for member in parts.iter().flatten() {
        if !all.contains(member) {
            all.push(*member);
        }
    }
    all
}

fn too_many_sets(item: &ast::GroupBy) -> PgError {
    let position = match item {
        ast::GroupBy::Expr(expr) => expr.location(),
        ast::GroupBy::Empty { pos }
        | ast::GroupBy::Rollup { pos, .. }
        | ast::GroupBy::Cube { pos, .. }
        | ast::GroupBy::Sets { pos, .. } => *pos,
    };
    let message = format!("too many grouping sets present (maximum {MAX_SETS})");
    PgError::new(code::STATEMENT_TOO_COMPLEX, message).at(Some(position))
}
