//! Random queries over three small tables: joins, subqueries of every kind, WITH, grouping sets, windows, set
//! operations, over columns full of NULLs. What each answers does not depend on the order of rows, so two servers
//! can be held against each other. The same seed gives the same queries.

mod conditions;
mod expressions;
mod queries;

/// Makes the tables that the queries read, in an empty database.
pub const TABLES: &str = include_str!("random_queries/tables.sql");

/// What an expression is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int,
    Bigint,
    Numeric,
    Float,
    Text,
    Bool,
    Date,
    Timestamp,
    Ints,
    Json,
}

/// Kinds that can be compared with `<`, in the frequency in which they are.
const ORDERED: &[Kind] =
    &[Kind::Int, Kind::Numeric, Kind::Text, Kind::Date, Kind::Bigint, Kind::Float, Kind::Timestamp];

/// The tables with their columns.
const COLUMNS: &[(&str, &[(&str, Kind)])] = &[
    (
        "t1",
        &[
            ("a", Kind::Int),
            ("b", Kind::Int),
            ("c", Kind::Text),
            ("d", Kind::Numeric),
            ("e", Kind::Bool),
            ("f", Kind::Date),
        ],
    ),
    (
        "t2",
        &[
            ("a", Kind::Int),
            ("b", Kind::Bigint),
            ("c", Kind::Text),
            ("d", Kind::Float),
            ("g", Kind::Timestamp),
            ("h", Kind::Ints),
        ],
    ),
    ("t3", &[("k", Kind::Int), ("a", Kind::Int), ("c", Kind::Text), ("d", Kind::Numeric), ("j", Kind::Json)]),
];

/// The queries of one seed, without end.
pub struct RandomQueries {
    dice: Dice,
    names: u32,
}

/// A small generator (xorshift).
struct Dice(u64);

impl Dice {
    /// Below `sides`.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn in_hundred(&mut self, chances: usize) -> bool {
        self.roll(100) < chances
    }

    /// From `low` to `high`, both included.
    fn between(&mut self, low: i32, high: i32) -> i32 {
        low + self.roll((high - low + 1) as usize) as i32
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

/// The columns that an expression may name.
#[derive(Clone, Default)]
struct Scope {
    own: Vec<(String, Kind)>,
    outer: Vec<(String, Kind)>,
}

impl Scope {
    fn inside(&self, own: Vec<(String, Kind)>) -> Scope {
        Scope { own, outer: [&self.own[..], &self.outer].concat() }
    }
}

impl RandomQueries {
    /// The queries of a seed.
    pub fn new(seed: u64) -> RandomQueries {
        let mut dice = Dice((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            dice.roll(2);
        }
        RandomQueries { dice, names: 0 }
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("r{}", self.names)
    }
}

impl Iterator for RandomQueries {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        const RESULTS: &[Kind] = &[
            Kind::Int,
            Kind::Text,
            Kind::Numeric,
            Kind::Bool,
            Kind::Date,
            Kind::Int,
            Kind::Text,
            Kind::Ints,
            Kind::Timestamp,
            Kind::Float,
        ];
        let kinds: Vec<Kind> = (0..=self.dice.roll(4)).map(|_| *self.dice.pick(RESULTS)).collect();
        Some(self.select(&Scope::default(), 0, &kinds))
    }
}
