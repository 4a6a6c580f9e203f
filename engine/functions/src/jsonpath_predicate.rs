//! Predicates of `jsonpath`: comparisons, `starts with`, `like_regex`, `exists`, and what joins them.

use crate::Jsonb;
use crate::jsonpath::{Binary, Chain, Step, Unary};
use crate::jsonpath_exec::{Evaluation, Fault, Outcome};
use crate::jsonpath_item::Item;
use redoubt_error::PgError;

/// SQL's three truth values; `None` is unknown.
type Truth = Option<bool>;

impl<'a> Evaluation<'a, '_> {
    /// The truth of a predicate for an item.
    pub(crate) fn truth(&mut self, step: &Step, item: &Item<'a>) -> Outcome<Truth> {
        let truth_of = |this: &mut Self, chain: &Chain| this.truth(&chain.0[0], item);
        Ok(match step {
            Step::Binary(Binary::And, left, right) => match truth_of(self, left)? {
                Some(false) => Some(false),
                left => match truth_of(self, right)? {
                    Some(true) => left,
                    right => right,
                },
            },
            Step::Binary(Binary::Or, left, right) => match truth_of(self, left)? {
                Some(true) => Some(true),
                left => match truth_of(self, right)? {
                    Some(false) => left,
                    right => right,
                },
            },
            Step::Unary(Unary::Not, operand) => truth_of(self, operand)?.map(|truth| !truth),
            Step::Unary(Unary::IsUnknown, operand) => Some(truth_of(self, operand)?.is_none()),
            Step::Unary(Unary::Exists, operand) => self.exists(operand, item)?,
            Step::Binary(operator, left, right) => {
                let unwrap_right = *operator != Binary::StartsWith;
                let Some(left) = suppressed(self.operand(left, item, true))? else { return Ok(None) };
                let Some(right) = suppressed(self.operand(right, item, unwrap_right))? else {
                    return Ok(None);
                };
                let pairs = left.iter().flat_map(|left| right.iter().map(move |right| (left, right)));
                self.any_of(pairs.map(|(left, right)| {
                    Ok(match operator {
                        Binary::StartsWith => starts_with(left.value(), right.value()),
                        _ => compare(*operator, left.value(), right.value()),
                    })
                }))?
            }
            Step::LikeRegex { expr, pattern, flags } => {
                let Some(values) = suppressed(self.operand(expr, item, true))? else { return Ok(None) };
                let regex = crate::jsonpath_regex::compile(pattern, *flags)?;
                self.any_of(values.iter().map(|value| match value.value() {
                    Jsonb::String(text) => regex.is_match(text).map(Some).map_err(Fault::Hard),
                    _ => Ok(None),
                }))?
            }
            _ => return Err(Fault::Hard(PgError::internal("invalid boolean jsonpath item"))),
        })
    }

    /// A predicate holds if it holds for any pair of items. In strict mode every pair must be free of errors.
    fn any_of(&self, truths: impl Iterator<Item = Outcome<Truth>>) -> Outcome<Truth> {
        let (mut holds, mut unknown) = (false, false);
        for truth in truths {
            match truth? {
                None if !self.lax => return Ok(None),
                None => unknown = true,
                Some(true) if self.lax => return Ok(Some(true)),
                Some(true) => holds = true,
                Some(false) => {}
            }
        }
        Ok(if holds {
            Some(true)
        } else if unknown {
            None
        } else {
            Some(false)
        })
    }

    fn exists(&mut self, operand: &Chain, item: &Item<'a>) -> Outcome<Truth> {
        if self.lax {
            return suppressed(self.execute(&operand.0, item, None));
        }
        let mut all = Vec::new();
        let result = self.execute(&operand.0, item, Some(&mut all));
        Ok(suppressed(result)?.map(|_| !all.is_empty()))
    }
}

/// Turns a suppressible error into unknown.
fn suppressed<T>(result: Outcome<T>) -> Outcome<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Fault::Suppressible(_)) => Ok(None),
        Err(hard) => Err(hard),
    }
}

fn starts_with(whole: &Jsonb, initial: &Jsonb) -> Truth {
    match (whole, initial) {
        (Jsonb::String(whole), Jsonb::String(initial)) => Some(whole.starts_with(&**initial)),
        _ => None,
    }
}

/// Compares two scalars; those of different kinds only with null.
fn compare(operator: Binary, left: &Jsonb, right: &Jsonb) -> Truth {
    let order = match (left, right) {
        (Jsonb::Null, Jsonb::Null) => std::cmp::Ordering::Equal,
        (Jsonb::Null, _) | (_, Jsonb::Null) => return Some(operator == Binary::NotEqual),
        (Jsonb::Bool(left), Jsonb::Bool(right)) => left.cmp(right),
        (Jsonb::Number(left), Jsonb::Number(right)) => left.cmp(right),
        (Jsonb::String(left), Jsonb::String(right)) => left.as_bytes().cmp(right.as_bytes()),
        _ => return None,
    };
    Some(match operator {
        Binary::Equal => order.is_eq(),
        Binary::NotEqual => order.is_ne(),
        Binary::Less => order.is_lt(),
        Binary::Greater => order.is_gt(),
        Binary::LessOrEqual => order.is_le(),
        _ => order.is_ge(),
    })
}
