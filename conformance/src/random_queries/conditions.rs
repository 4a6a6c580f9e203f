//! Conditions.

use super::{Kind, ORDERED, RandomQueries, Scope};

const COMPARISONS: &[&str] = &["=", "<", ">", "<=", ">=", "<>", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"];
const MAYBE_NOT: &[&str] = &["", "NOT "];

impl RandomQueries {
    /// Something true, false or unknown.
    pub(super) fn condition(&mut self, scope: &Scope, depth: usize) -> String {
        let roll = self.dice.roll(100);
        let deeper = depth + 1;
        let not = *self.dice.pick(MAYBE_NOT);
        match roll {
            40..54 if depth < 3 => {
                let (a, b) = (self.condition(scope, deeper), self.condition(scope, deeper));
                format!("({a} {} {b})", self.dice.pick(&["AND", "OR"]))
            }
            54..58 if depth < 3 => format!("NOT ({})", self.condition(scope, deeper)),
            58..64 => {
                let kind = *self.dice.pick(&[Kind::Int, Kind::Text, Kind::Numeric, Kind::Ints]);
                format!("{} IS {not}NULL", self.value(kind, scope, deeper))
            }
            64..69 => {
                let kind = *self.dice.pick(ORDERED);
                let value = self.value(kind, scope, deeper);
                let list: Vec<String> = (0..3).map(|_| self.value(kind, &Scope::default(), 9)).collect();
                format!("{value} {not}IN ({})", list.join(", "))
            }
            69..78 if depth < 2 => self.membership(scope, deeper, not),
            78..86 if depth < 2 => format!("{not}EXISTS ({})", self.select(scope, deeper, &[Kind::Int])),
            86..89 => {
                let value = self.value(Kind::Int, scope, deeper);
                let low = self.dice.between(-3, 12);
                format!("{value} {not}BETWEEN {low} AND {}", self.value(Kind::Int, scope, deeper))
            }
            89..92 => {
                let value = self.value(Kind::Text, scope, deeper);
                format!("{value} {not}LIKE {}", self.dice.pick(&["'x%'", "'%1'", "'_2'", "'%x%'"]))
            }
            92..95 => {
                let kinds = [Kind::Int, Kind::Text];
                let mut row = || kinds.map(|kind| self.value(kind, scope, deeper)).join(", ");
                let (a, b) = (row(), row());
                format!("({a}) {} ({b})", self.dice.pick(&["=", "<", ">="]))
            }
            95..97 => {
                let value = self.value(Kind::Int, scope, deeper);
                format!("{value} = ANY ({})", self.value(Kind::Ints, scope, deeper))
            }
            97.. => {
                let test = *self.dice.pick(&["TRUE", "NOT TRUE", "UNKNOWN", "NOT FALSE"]);
                format!("({}) IS {test}", self.value(Kind::Bool, scope, deeper))
            }
            _ => {
                let kind = *self.dice.pick(ORDERED);
                let (a, b) = (self.value(kind, scope, deeper), self.value(kind, scope, deeper));
                format!("{a} {} {b}", self.dice.pick(COMPARISONS))
            }
        }
    }

    /// A comparison with the rows of a subquery.
    fn membership(&mut self, scope: &Scope, depth: usize, not: &str) -> String {
        let kind = *self.dice.pick(&[Kind::Int, Kind::Text, Kind::Numeric, Kind::Float]);
        let value = self.value(kind, scope, depth);
        // Another kind of number is cast for the comparison.
        let numbers = [Kind::Int, Kind::Numeric];
        let of = if numbers.contains(&kind) { *self.dice.pick(&numbers) } else { kind };
        let query = self.select(scope, depth, &[of]);
        match self.dice.roll(3) {
            0 => {
                let operator = *self.dice.pick(&["<", "=", ">=", "<>"]);
                format!("{value} {operator} {} ({query})", self.dice.pick(&["ANY", "ALL"]))
            }
            _ => format!("{value} {not}IN ({query})"),
        }
    }
}
