//! Errors for names that are not found, with PostgreSQL's suggestions of what may have been meant.

use crate::analyzer::Analyzer;
use crate::query::RteKind;
use crate::scope::unreachable_hint;
use redoubt_error::{PgError, PgResult, code};
use std::sync::Arc;

/// Names further apart than this are never suggested.
const MAX_DISTANCE: usize = 3;

/// The best candidates so far for a column that was not found.
struct Fuzzy {
    /// Distance of the best.
    distance: usize,
    first: Option<(Arc<str>, Arc<str>)>,
    second: Option<(Arc<str>, Arc<str>)>,
}

impl Analyzer<'_> {
    /// No such column (`errorMissingColumn`).
    pub(crate) fn missing_column(&self, relation: Option<&str>, name: &str, position: usize) -> PgError {
        let message = match relation {
            Some(relation) => format!("column {relation}.{name} does not exist"),
            None => format!("column \"{name}\" does not exist"),
        };
        let error = PgError::new(code::UNDEFINED_COLUMN, message).at(Some(position));
        let mut fuzzy = Fuzzy { distance: MAX_DISTANCE + 1, first: None, second: None };
        for up in 0..self.levels.len() {
            for entry in &self.level_up(up).rtable {
                if matches!(entry.kind, RteKind::Join) {
                    continue;
                }
                let penalty = relation.map_or(0, |relation| levenshtein(relation, &entry.alias));
                for column in &entry.column_names {
                    if &**column == name && penalty == 0 {
                        let hint = format!(
                            "There is a column named \"{name}\" in table \"{}\", but it cannot be referenced \
                             from this part of the query.",
                            entry.alias
                        );
                        return error.hint(hint);
                    }
                    fuzzy.consider(penalty, &entry.alias, column, name);
                }
            }
        }
        match (fuzzy.first, fuzzy.second) {
            (Some((table, column)), None) => {
                error.hint(format!("Perhaps you meant to reference the column \"{table}.{column}\"."))
            }
            (Some((table, column)), Some((table2, column2))) => error.hint(format!(
                "Perhaps you meant to reference the column \"{table}.{column}\" or the column \
                 \"{table2}.{column2}\"."
            )),
            (None, _) => error,
        }
    }

    /// No such table in FROM (`errorMissingRTE`).
    pub(crate) fn missing_entry(
        &self,
        schema: Option<&str>,
        name: &str,
        position: usize,
    ) -> PgResult<PgError> {
        let Some((up, rt)) = self.search_entry(schema, name)? else {
            let message = format!("missing FROM-clause entry for table \"{name}\"");
            return Ok(PgError::new(code::UNDEFINED_TABLE, message).at(Some(position)));
        };
        let alias = self.level_up(up).rtable[rt].alias.clone();
        let message = format!("invalid reference to FROM-clause entry for table \"{name}\"");
        let error = PgError::new(code::UNDEFINED_TABLE, message).at(Some(position));
        // It may have been called by its own name although it has an alias, and the alias can be seen.
        if &*alias != name
            && let Some((found_up, item)) = self.find_relation_name(None, &alias, position)?
            && found_up == up
            && self.level_up(up).scope.items[item].rt == rt
        {
            return Ok(error.hint(format!("Perhaps you meant to reference the table alias \"{alias}\".")));
        }
        Ok(error.hint(unreachable_hint(&alias)))
    }

    /// A range-table entry that the name could have meant, visible or not.
    fn search_entry(&self, schema: Option<&str>, name: &str) -> PgResult<Option<(usize, usize)>> {
        let cte = if schema.is_none() { self.find_cte(name) } else { None };
        let relid = match schema {
            _ if cte.is_some() => None,
            Some(schema) => match self.namespace_named(schema)? {
                Some(namespace) => self.catalog.relation_oid(namespace, name)?,
                None => None,
            },
            None => self.catalog.relation_in_path(self.path, name)?.map(|relation| relation.oid),
        };
        for up in 0..self.levels.len() {
            for (rt, entry) in self.level_up(up).rtable.iter().enumerate() {
                let same = match &entry.kind {
                    RteKind::Relation { relid: oid, .. } => relid == Some(*oid),
                    RteKind::Subquery(_) => relid.is_some() && relid == Some(entry.perms_relid),
                    RteKind::Cte { name: cte_name, levels_up, .. } => {
                        cte.is_some_and(|level| level == levels_up + up) && &**cte_name == name
                    }
                    _ => false,
                };
                if same || &*entry.alias == name {
                    return Ok(Some((up, rt)));
                }
            }
        }
        Ok(None)
    }
}

impl Fuzzy {
    /// Weighs one column against the name that was not found (`updateFuzzyAttrMatchState`).
    fn consider(&mut self, penalty: usize, table: &Arc<str>, column: &Arc<str>, name: &str) {
        // Dropped columns have empty names.
        if penalty > self.distance || column.is_empty() {
            return;
        }
        let distance = levenshtein(column, name);
        // With more than half of the letters different it would be a ridiculous suggestion.
        if distance > name.len() / 2 {
            return;
        }
        let distance = distance + penalty;
        let candidate = Some((table.clone(), column.clone()));
        if distance < self.distance {
            *self = Fuzzy { distance, first: candidate, second: None };
        } else if distance == self.distance {
            if self.second.is_some() {
                // Too many equally good ones: none of them, nor any that is as far away.
                *self = Fuzzy { distance: distance.saturating_sub(1), first: None, second: None };
            } else if self.first.is_some() {
                self.second = candidate;
            } else if self.distance <= MAX_DISTANCE {
                self.first = candidate;
            }
        }
    }
}

/// The number of insertions, deletions and substitutions between two names.
fn levenshtein(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::levenshtein;

    #[test]
    fn distances() {
        for (a, b, distance) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
            ("aa", "a", 1),
            ("abc", "acb", 2),
        ] {
            assert_eq!(levenshtein(a, b), distance, "{a} {b}");
            assert_eq!(levenshtein(b, a), distance, "{b} {a}");
        }
    }
}
