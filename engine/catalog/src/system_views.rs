//! What the system views compute: our SQL, by the views' names (views/*.sql).
//!
//! That the views exist, what their columns are called and which types these have are facts
//! (facts/pg_class.tsv and others); the analyzer's tests hold the bodies against them.

use rustc_hash::FxHashMap;
use std::sync::LazyLock;

static SOURCES: &[&str] = &[include_str!("../views/pg_catalog.sql")];

static BODIES: LazyLock<FxHashMap<&'static str, &'static str>> =
    LazyLock::new(|| SOURCES.iter().flat_map(|source| statements(source)).collect());

/// The query of the system view of this name.
pub(crate) fn body(view: &str) -> Option<&'static str> {
    BODIES.get(view).copied()
}

/// Name and query of each `CREATE VIEW name AS query;`. Each begins a line, and no query has a semicolon
/// at the end of a line.
fn statements(source: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    source.split("\nCREATE VIEW ").skip(1).map(|statement| {
        let (name, rest) = statement.split_once(" AS\n").expect("a view has a query");
        let (query, _) = rest.split_once(";\n").expect("a statement ends with a semicolon");
        (name, query)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::PgClass;

    #[test]
    fn every_view_has_a_body_and_every_body_a_view() {
        let classes: Vec<PgClass> = crate::facts::typed();
        let mut views: Vec<&str> =
            classes.iter().filter(|class| class.relkind == 'v').map(|class| &*class.relname).collect();
        let mut bodies: Vec<&str> = BODIES.keys().copied().collect();
        views.sort_unstable();
        bodies.sort_unstable();
        assert_eq!(views, bodies);
    }
}
