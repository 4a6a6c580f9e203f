//! `(a AND b) OR (a AND c)` is `a AND (b OR c)`: what all arms of an OR ask for can be asked first, and join tables or
//! search an index (`canonicalize_qual` in PostgreSQL's prepqual.c).

use super::clause::conjuncts;
use crate::equal::same;
use redoubt_analyze::query::Expr;

/// Splits a condition into its conjuncts, those that all arms of its ORs have in common among them.
pub(crate) fn canonical_conjuncts(condition: Expr, into: &mut Vec<Expr>) {
    conjuncts(canonical(condition), into);
}

fn canonical(expr: Expr) -> Expr {
    match expr {
        Expr::And(args) => Expr::And(args.into_iter().map(canonical).collect()),
        Expr::Or(args) => factor(args.into_iter().map(canonical).collect()),
        other => other,
    }
}

/// An OR of these arms, with what they have in common in front.
fn factor(args: Vec<Expr>) -> Expr {
    let mut arms: Vec<Vec<Expr>> = args.into_iter().map(arm).collect();
    // The shortest arm has the fewest candidates.
    let Some(shortest) = (0..arms.len()).min_by_key(|index| arms[*index].len()) else {
        return Expr::Or(Vec::new());
    };
    let mut common: Vec<Expr> = Vec::new();
    for candidate in &arms[shortest] {
        let everywhere = arms.iter().all(|arm| contains(arm, candidate));
        if everywhere && !contains(&common, candidate) {
            common.push(candidate.clone());
        }
    }
    arms.iter_mut().for_each(|arm| arm.retain(|condition| !contains(&common, condition)));
    // An arm that asks for nothing more makes the others superfluous.
    if arms.iter().all(|arm| !arm.is_empty()) {
        common.push(Expr::Or(arms.into_iter().map(joined).collect()));
    }
    joined(common)
}

/// The conjuncts of an arm. Not [`conjuncts`], which drops a constant: an arm that is always true must stay.
fn arm(expr: Expr) -> Vec<Expr> {
    match expr {
        Expr::And(args) => args.into_iter().flat_map(arm).collect(),
        other => vec![other],
    }
}

fn contains(list: &[Expr], expr: &Expr) -> bool {
    list.iter().any(|other| same(other, expr))
}

fn joined(mut conditions: Vec<Expr>) -> Expr {
    if conditions.len() == 1 { conditions.remove(0) } else { Expr::And(conditions) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redoubt_analyze::query::ColumnType;
    use redoubt_functions::types;

    /// A column of its own for each letter; `&` binds tighter than `|`.
    fn parse(text: &str) -> Expr {
        let arms: Vec<Expr> = text
            .split('|')
            .map(|arm| joined(arm.split('&').map(|name| column(name.trim())).collect()))
            .collect();
        if arms.len() == 1 { arms.into_iter().next().expect("one arm") } else { Expr::Or(arms) }
    }

    fn column(name: &str) -> Expr {
        let number = name.bytes().next().expect("a letter") as usize;
        let ty = ColumnType { type_oid: types::BOOL, typmod: -1, collation: 0 };
        Expr::Param { number, ty }
    }

    fn show(expr: &Expr) -> String {
        let list = |args: &[Expr], word: &str| {
            let shown: Vec<String> = args.iter().map(show).collect();
            format!("({})", shown.join(word))
        };
        match expr {
            Expr::Param { number, .. } => char::from(*number as u8).to_string(),
            Expr::And(args) => list(args, "&"),
            Expr::Or(args) => list(args, "|"),
            other => unreachable!("not made here: {other:?}"),
        }
    }

    #[test]
    fn what_arms_have_in_common() {
        let check = |text: &str, expect: &str| {
            let mut list = Vec::new();
            canonical_conjuncts(parse(text), &mut list);
            let shown: Vec<String> = list.iter().map(show).collect();
            assert_eq!(shown.join(" "), expect, "{text}");
        };
        check("a", "a");
        check("a & b", "a b");
        check("a | b", "(a|b)");
        check("a & b | a & c", "a (b|c)");
        check("b & a | c & a | a & d & e", "a (b|c|(d&e))");
        check("a & b | a", "a");
        check("a | a", "a");
        check("a & b & c | c & b & d", "b c (a|d)");
        check("a & b | c & d", "((a&b)|(c&d))");
        check("a & a & b | a & c", "a (b|c)");
    }
}
