//! Whole queries and what stands in FROM.

use super::{COLUMNS, Kind, RandomQueries, Scope};

impl RandomQueries {
    /// A query that yields these kinds; `outer` is what it may refer to outside of itself.
    pub(super) fn select(&mut self, outer: &Scope, depth: usize, kinds: &[Kind]) -> String {
        let (from, scope) = self.from(outer, depth);
        let condition = match self.dice.in_hundred(75) {
            true => format!(" WHERE {}", self.condition(&scope, 1)),
            false => String::new(),
        };
        let rows = format!("{from}{condition}");
        match self.dice.roll(100) {
            0..25 if depth < 3 => self.grouped(&rows, &scope, kinds),
            25..37 if depth == 0 => self.windowed(&rows, &scope, kinds),
            roll => {
                let results: Vec<String> = kinds.iter().map(|kind| self.value(*kind, &scope, 0)).collect();
                let distinct = if roll < 50 { "DISTINCT " } else { "" };
                let query = format!("SELECT {distinct}{} FROM {rows}", results.join(", "));
                if depth > 1 || !self.dice.in_hundred(12) {
                    return query;
                }
                const OPERATIONS: &[&str] =
                    &["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL"];
                let operation = *self.dice.pick(OPERATIONS);
                format!("({query}) {operation} ({})", self.select(outer, depth + 1, kinds))
            }
        }
    }

    fn grouped(&mut self, rows: &str, scope: &Scope, kinds: &[Kind]) -> String {
        let groupable: Vec<_> = scope.own.iter().filter(|(_, kind)| *kind != Kind::Json).cloned().collect();
        let mut keys: Vec<(String, Kind)> = Vec::new();
        for _ in 0..self.dice.roll(3) {
            let key = self.dice.pick(&groupable).clone();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let mut results = Vec::new();
        for kind in kinds {
            let key = keys.iter().find(|(_, of)| of == kind).filter(|_| self.dice.in_hundred(70));
            results.push(key.map_or_else(|| self.aggregate(*kind, scope), |(name, _)| name.clone()));
        }
        let mut query = format!("SELECT {} FROM {rows}", results.join(", "));
        if keys.is_empty() {
            return query;
        }
        let names = keys.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        query += " GROUP BY ";
        query += &match self.dice.roll(5) {
            0 => format!("ROLLUP ({names})"),
            1 => format!("CUBE ({names})"),
            2 => format!("GROUPING SETS (({names}), ())"),
            _ => names,
        };
        if self.dice.in_hundred(25) {
            query += " HAVING count(*) > 1";
        }
        query
    }

    fn windowed(&mut self, rows: &str, scope: &Scope, kinds: &[Kind]) -> String {
        let mut results: Vec<String> = kinds.iter().map(|kind| self.value(*kind, scope, 0)).collect();
        let partition = self.dice.pick(&scope.own).0.clone();
        // Rows that are equal in all of these cannot be told apart, whichever comes first.
        let order: Vec<&str> =
            scope.own.iter().filter(|(_, kind)| *kind != Kind::Json).map(|(name, _)| name.as_str()).collect();
        let order = order.join(", ");
        let argument = self.value(Kind::Int, &Scope { own: scope.own.clone(), outer: Vec::new() }, 9);
        let function = match self.dice.roll(5) {
            0 => format!("sum({argument})"),
            1 => "row_number()".into(),
            2 => format!("lag({argument})"),
            3 => "dense_rank()".into(),
            _ => format!("max({argument})"),
        };
        let frame = match function.starts_with("sum") {
            true => " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
            false => "",
        };
        results.push(format!("{function} OVER (PARTITION BY {partition} ORDER BY {order}{frame})"));
        format!("SELECT {} FROM {rows}", results.join(", "))
    }

    /// A FROM clause and the columns it brings.
    pub(super) fn from(&mut self, outer: &Scope, depth: usize) -> (String, Scope) {
        let (mut text, mut columns) = self.item(depth);
        for _ in 0..self.dice.roll(if depth < 2 { 3 } else { 2 }) {
            if depth < 2 && self.dice.in_hundred(12) {
                let (item, brought) = self.lateral(&outer.inside(columns.clone()), depth);
                text = format!("{text} {item}");
                columns.extend(brought);
                continue;
            }
            let (item, brought) = self.item(depth);
            let pairs: Vec<String> = columns
                .iter()
                .flat_map(|a| brought.iter().map(move |b| (a, b)))
                .filter(|(a, b)| a.1 == b.1 && matches!(a.1, Kind::Int | Kind::Text))
                .map(|(a, b)| format!("{} = {}", a.0, b.0))
                .collect();
            columns.extend(brought);
            let join = *self.dice.pick(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"]);
            let scope = outer.inside(columns.clone());
            text = match join {
                "CROSS JOIN" => format!("{text} CROSS JOIN {item}"),
                // PostgreSQL has no plan for a full join without an equality.
                "FULL JOIN" if pairs.is_empty() => format!("({text} LEFT JOIN {item} ON true)"),
                "FULL JOIN" => format!("({text} FULL JOIN {item} ON {})", self.dice.pick(&pairs)),
                _ if !pairs.is_empty() && self.dice.in_hundred(85) => {
                    let pair = self.dice.pick(&pairs).clone();
                    let more = match self.dice.in_hundred(30) {
                        true => format!(" AND {}", self.condition(&scope, 2)),
                        false => String::new(),
                    };
                    format!("({text} {join} {item} ON {pair}{more})")
                }
                _ => format!("({text} {join} {item} ON {})", self.condition(&scope, 2)),
            };
        }
        (text, outer.inside(columns))
    }

    fn lateral(&mut self, scope: &Scope, depth: usize) -> (String, Vec<(String, Kind)>) {
        let kind = *self.dice.pick(&[Kind::Int, Kind::Text]);
        let (mut query, name) = (self.select(scope, depth + 1, &[kind]), self.name());
        if self.dice.in_hundred(40) {
            query = format!("WITH w{name} AS MATERIALIZED ({query}) SELECT * FROM w{name}");
        }
        let limit = self.dice.between(1, 3);
        let item = format!("(SELECT * FROM ({query}) z ORDER BY 1 LIMIT {limit}) {name}(c0)");
        let join = match self.dice.roll(2) {
            0 => format!("CROSS JOIN LATERAL {item}"),
            _ => format!("LEFT JOIN LATERAL {item} ON true"),
        };
        (join, vec![(format!("{name}.c0"), kind)])
    }

    /// A table, a subquery, a function or a VALUES list.
    fn item(&mut self, depth: usize) -> (String, Vec<(String, Kind)>) {
        let name = self.name();
        match self.dice.roll(100) {
            0..18 if depth < 2 => {
                const RESULTS: &[Kind] = &[Kind::Int, Kind::Text, Kind::Numeric, Kind::Date, Kind::Bool];
                let kinds: Vec<Kind> = (0..=self.dice.roll(3)).map(|_| *self.dice.pick(RESULTS)).collect();
                let query = self.select(&Scope::default(), depth + 1, &kinds);
                let names: Vec<String> = (0..kinds.len()).map(|at| format!("c{at}")).collect();
                let columns = names.iter().map(|column| format!("{name}.{column}")).zip(kinds).collect();
                (format!("({query}) {name}({})", names.join(", ")), columns)
            }
            18..24 => {
                let (low, high) = (self.dice.between(0, 3), self.dice.between(3, 8));
                let columns = vec![(format!("{name}.n"), Kind::Int)];
                (format!("generate_series({low}, {high}) {name}(n)"), columns)
            }
            24..29 => {
                let columns = vec![(format!("{name}.n"), Kind::Int), (format!("{name}.s"), Kind::Text)];
                (format!("(VALUES (1, 'x1'), (2, NULL), (NULL, 'x3'), (5, 'x1')) {name}(n, s)"), columns)
            }
            _ => {
                let (table, columns) = self.dice.pick(COLUMNS);
                let columns =
                    columns.iter().map(|(column, kind)| (format!("{name}.{column}"), *kind)).collect();
                (format!("{table} {name}"), columns)
            }
        }
    }
}
