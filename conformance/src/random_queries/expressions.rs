//! Values.

use super::{Kind, ORDERED, RandomQueries, Scope};

impl RandomQueries {
    fn constant(&mut self, kind: Kind) -> String {
        let dice = &mut self.dice;
        match kind {
            Kind::Int | Kind::Bigint => dice.between(-3, 20).to_string(),
            Kind::Numeric => (*dice.pick(&["0.5", "3.25", "7.0", "12.0", "-1.5"])).into(),
            Kind::Float => format!("{}::float8", dice.pick(&["0.5", "2", "4.5"])),
            Kind::Text => (*dice.pick(&["'x1'::text", "'x3'::text", "'x'::text", "''::text"])).into(),
            Kind::Bool => (*dice.pick(&["true", "false", "NULL::bool"])).into(),
            Kind::Date => format!("date '2024-01-{:02}'", dice.between(1, 28)),
            Kind::Timestamp => format!("timestamp '2024-01-{:02} 11:00'", dice.between(1, 28)),
            Kind::Ints => (*dice.pick(&["ARRAY[1, 2]", "'{}'::int[]", "ARRAY[0, 1, 2]"])).into(),
            Kind::Json => (*dice.pick(&["'{\"a\": 1}'::jsonb", "'null'::jsonb"])).into(),
        }
    }

    /// A column of one of the kinds, sometimes of an outer query.
    fn column(&mut self, scope: &Scope, kinds: &[Kind]) -> Option<String> {
        let outer = self.dice.in_hundred(30);
        let of = |columns: &[(String, Kind)]| -> Vec<String> {
            columns.iter().filter(|(_, kind)| kinds.contains(kind)).map(|(name, _)| name.clone()).collect()
        };
        let found = if outer { of(&scope.outer) } else { Vec::new() };
        let found = if found.is_empty() { of(&scope.own) } else { found };
        (!found.is_empty()).then(|| self.dice.pick(&found).clone())
    }

    /// A value of a kind; deeper ones are smaller.
    pub(super) fn value(&mut self, kind: Kind, scope: &Scope, depth: usize) -> String {
        let roll = self.dice.roll(100);
        let deeper = depth + 1;
        if depth > 2 || roll < 35 {
            let fitting: &[Kind] = match kind {
                Kind::Bigint => &[Kind::Int, Kind::Bigint],
                Kind::Numeric => &[Kind::Int, Kind::Bigint, Kind::Numeric],
                _ => &[kind],
            };
            let column = self.column(scope, fitting).filter(|_| self.dice.in_hundred(85));
            return column.unwrap_or_else(|| self.constant(kind));
        }
        let two = |me: &mut Self| (me.value(kind, scope, deeper), me.value(kind, scope, deeper));
        match roll {
            35..42 => {
                let (a, b) = two(self);
                format!("coalesce({a}, {b})")
            }
            42..50 => {
                let condition = self.condition(scope, deeper);
                let (a, b) = two(self);
                format!("CASE WHEN {condition} THEN {a} ELSE {b} END")
            }
            50..54 => {
                let (a, b) = two(self);
                format!("nullif({a}, {b})")
            }
            54..58 if ORDERED.contains(&kind) => {
                let (a, b) = two(self);
                format!("{}({a}, {b})", self.dice.pick(&["greatest", "least"]))
            }
            58..66 if depth < 2 => self.scalar_subquery(kind, scope),
            _ => self.call(kind, scope, deeper),
        }
    }

    /// A function or operator that yields the kind.
    fn call(&mut self, kind: Kind, scope: &Scope, depth: usize) -> String {
        match kind {
            Kind::Int => self.int_call(scope, depth),
            Kind::Text => self.text_call(scope, depth),
            Kind::Bool => format!("({})", self.condition(scope, depth)),
            Kind::Bigint => {
                let a = self.value(Kind::Int, scope, depth);
                match self.dice.roll(2) {
                    0 => format!("({} + {a})", self.value(Kind::Bigint, scope, depth)),
                    _ => format!("({a})::bigint"),
                }
            }
            Kind::Numeric => {
                let a = self.value(Kind::Numeric, scope, depth);
                match self.dice.roll(5) {
                    0 => {
                        let operator = *self.dice.pick(&["+", "-", "*"]);
                        format!("({a} {operator} {})", self.value(Kind::Numeric, scope, depth))
                    }
                    1 => format!("round(({a})::numeric, {})", self.dice.between(-1, 2)),
                    2 => format!("trunc(({a})::numeric)"),
                    3 => format!("({a} / {})", self.dice.pick(&["2.0", "3.0", "-0.7"])),
                    _ => format!("({})::numeric", self.value(Kind::Int, scope, depth)),
                }
            }
            Kind::Float => match self.dice.roll(3) {
                0 => {
                    let (a, b) =
                        (self.value(Kind::Float, scope, depth), self.value(Kind::Float, scope, depth));
                    format!("({a} + {b})")
                }
                1 => format!("({})::float8", self.value(Kind::Int, scope, depth)),
                _ => format!("floor({})", self.value(Kind::Float, scope, depth)),
            },
            Kind::Date => match self.dice.roll(2) {
                0 => format!("({} + {})", self.value(Kind::Date, scope, depth), self.dice.between(-3, 9)),
                _ => format!("({})::date", self.value(Kind::Timestamp, scope, depth)),
            },
            Kind::Timestamp => match self.dice.roll(3) {
                0 => format!("({} + interval '1 day')", self.value(Kind::Timestamp, scope, depth)),
                1 => {
                    let field = *self.dice.pick(&["day", "month", "hour"]);
                    format!("date_trunc('{field}', {})", self.value(Kind::Timestamp, scope, depth))
                }
                _ => format!("({})::timestamp", self.value(Kind::Date, scope, depth)),
            },
            Kind::Ints => {
                let a = self.value(Kind::Ints, scope, depth);
                match self.dice.roll(4) {
                    0 => format!("({a} || {})", self.dice.between(0, 3)),
                    1 => {
                        let (b, c) =
                            (self.value(Kind::Int, scope, depth), self.value(Kind::Int, scope, depth));
                        format!("ARRAY[{b}, {c}]")
                    }
                    2 if depth < 2 => format!("array({} ORDER BY 1)", self.select(scope, 1, &[Kind::Int])),
                    _ => format!("array_remove({a}, {})", self.dice.between(0, 3)),
                }
            }
            Kind::Json => match self.dice.roll(2) {
                0 => {
                    let kind = *self.dice.pick(&[Kind::Int, Kind::Text, Kind::Bool, Kind::Ints]);
                    format!("to_jsonb({})", self.value(kind, scope, depth))
                }
                _ => format!("({} -> 'b')", self.value(Kind::Json, scope, depth)),
            },
        }
    }

    fn int_call(&mut self, scope: &Scope, depth: usize) -> String {
        let a = self.value(Kind::Int, scope, depth);
        match self.dice.roll(11) {
            0 => format!("({a} {} {})", self.dice.pick(&["+", "-"]), self.dice.between(0, 9)),
            1 => format!("({a} * {})", self.dice.between(-3, 4)),
            2 => format!("({a} % {})", self.dice.pick(&["3", "7", "-4"])),
            3 => format!("({a} / {})", self.dice.pick(&["2", "-3"])),
            4 => format!("length({})", self.value(Kind::Text, scope, depth)),
            5 => format!("abs({a})"),
            6 => format!("cardinality({})", self.value(Kind::Ints, scope, depth)),
            7 => format!("({})[{}]", self.value(Kind::Ints, scope, depth), self.dice.between(0, 3)),
            8 => {
                let (b, c) = (self.value(Kind::Date, scope, depth), self.value(Kind::Date, scope, depth));
                format!("({b} - {c})")
            }
            9 => format!("extract(day FROM {})::int", self.value(Kind::Timestamp, scope, depth)),
            _ => format!("({})::int", self.value(Kind::Bool, scope, depth)),
        }
    }

    fn text_call(&mut self, scope: &Scope, depth: usize) -> String {
        let a = self.value(Kind::Text, scope, depth);
        match self.dice.roll(9) {
            0 => format!("({a} || {})", self.value(Kind::Text, scope, depth)),
            1 => format!("upper({a})"),
            2 => format!("substr({a}, {})", self.dice.between(-1, 3)),
            3 => {
                const PRINTED: &[Kind] =
                    &[Kind::Int, Kind::Numeric, Kind::Bool, Kind::Date, Kind::Ints, Kind::Json];
                let kind = *self.dice.pick(PRINTED);
                format!("({})::text", self.value(kind, scope, depth))
            }
            4 => format!("left({a}, {})", self.dice.between(-2, 2)),
            5 => {
                let (b, c) = (self.constant(Kind::Text), self.constant(Kind::Text));
                format!("replace({a}, {b}, {c})")
            }
            6 => format!("concat_ws('-', {a}, {})", self.value(Kind::Int, scope, depth)),
            7 => format!("to_char({}, 'YYYY-MM-DD HH24')", self.value(Kind::Timestamp, scope, depth)),
            _ => format!("({} ->> 'a')", self.value(Kind::Json, scope, depth)),
        }
    }

    /// An aggregate of the kind over the rows of a scope.
    pub(super) fn aggregate(&mut self, kind: Kind, scope: &Scope) -> String {
        let filter = match self.dice.in_hundred(15) {
            true => format!(" FILTER (WHERE {})", self.condition(scope, 2)),
            false => String::new(),
        };
        let distinct = *self.dice.pick(&["", "", "DISTINCT "]);
        let extreme = *self.dice.pick(&["max", "min"]);
        let value = self.value(kind, scope, 1);
        match kind {
            Kind::Int if self.dice.in_hundred(40) => format!("(count({distinct}{value}){filter})::int"),
            Kind::Bigint => format!("count(*){filter}"),
            Kind::Numeric if self.dice.in_hundred(50) => format!("sum({distinct}{value}){filter}"),
            Kind::Numeric => format!("round((avg({distinct}{value}){filter})::numeric, 5)"),
            Kind::Text if !distinct.is_empty() => format!("string_agg(DISTINCT {value}, ','){filter}"),
            Kind::Text if self.dice.in_hundred(50) => {
                format!("string_agg({value}, ',' ORDER BY {value}){filter}")
            }
            Kind::Bool => format!("{}({value}){filter}", self.dice.pick(&["bool_and", "bool_or"])),
            Kind::Ints => {
                let element = self.value(Kind::Int, scope, 1);
                format!("array_agg({element} ORDER BY {element}){filter}")
            }
            Kind::Json => self.constant(kind),
            _ => format!("{extreme}({value}){filter}"),
        }
    }

    fn scalar_subquery(&mut self, kind: Kind, scope: &Scope) -> String {
        let (from, inner) = self.from(scope, 2);
        let result = self.aggregate(kind, &inner);
        let condition = match self.dice.in_hundred(70) {
            true => format!(" WHERE {}", self.condition(&inner, 2)),
            false => String::new(),
        };
        let query = format!("SELECT {result} FROM {from}{condition}");
        if !self.dice.in_hundred(20) {
            return format!("({query})");
        }
        let name = self.name();
        let kept = *self.dice.pick(&["", "MATERIALIZED "]);
        format!("(WITH {name}(v) AS {kept}({query}) SELECT v FROM {name})")
    }
}
