//! Changing parts of a `jsonb`: deletion, `jsonb_set`, `jsonb_insert`.

use crate::args::{FromDatum, arg, builtins};
use crate::json_get::path_index;
use crate::jsonb::key_order;
use crate::{ArrayValue, CallContext, Datum, Jsonb};
use redoubt_error::{PgError, PgResult, code};

fn invalid(message: impl Into<String>) -> PgError {
    PgError::new(code::INVALID_PARAMETER_VALUE, message)
}

fn delete_scalar() -> PgError {
    invalid("cannot delete from scalar")
}

/// Keeps the members and the elements of an array for which `keep` holds; `None` of it is no string.
fn filtered(value: &Jsonb, keep: impl Fn(&str) -> bool) -> PgResult<Jsonb> {
    match value {
        Jsonb::Object(members) => {
            Ok(Jsonb::Object(members.iter().filter(|(key, _)| keep(key)).cloned().collect()))
        }
        Jsonb::Array(items) => {
            let stays = |item: &&Jsonb| !matches!(item, Jsonb::String(text) if !keep(text));
            Ok(Jsonb::Array(items.iter().filter(stays).cloned().collect()))
        }
        _ => Err(delete_scalar()),
    }
}

fn delete_key(value: &Jsonb, key: &str) -> PgResult<Jsonb> {
    filtered(value, |name| name != key)
}

fn delete_keys(value: &Jsonb, keys: &ArrayValue) -> PgResult<Jsonb> {
    one_dimension(keys)?;
    filtered(value, |name| !keys.elems.iter().any(|key| matches!(key, Datum::Text(key) if &**key == name)))
}

fn delete_index(value: &Jsonb, index: i32) -> PgResult<Jsonb> {
    let items = match value {
        Jsonb::Array(items) => items,
        Jsonb::Object(_) => return Err(invalid("cannot delete from object using integer index")),
        _ => return Err(delete_scalar()),
    };
    let at = if index < 0 { i64::from(index) + items.len() as i64 } else { index.into() };
    let mut items = items.clone();
    if let Ok(at) = usize::try_from(at)
        && at < items.len()
    {
        items.remove(at);
    }
    Ok(Jsonb::Array(items))
}

fn one_dimension(path: &ArrayValue) -> PgResult<()> {
    if path.ndim() <= 1 {
        return Ok(());
    }
    Err(PgError::new(code::ARRAY_SUBSCRIPT_ERROR, "wrong number of array subscripts"))
}

/// What to do at the end of a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Delete,
    /// Replace what is there.
    Replace,
    /// Replace what is there or create it.
    Create,
    InsertBefore,
    InsertAfter,
}

impl Change {
    /// Whether a missing last step is created.
    fn creates(self) -> bool {
        !matches!(self, Change::Delete | Change::Replace)
    }
}

/// A path and the change at its end (PostgreSQL's `setPath`).
struct Edit<'a> {
    path: &'a [Option<&'a str>],
    new: &'a Jsonb,
    change: Change,
}

impl Edit<'_> {
    fn is_last(&self, level: usize) -> bool {
        level + 1 == self.path.len()
    }

    fn step(&self, level: usize) -> PgResult<&str> {
        self.path[level].ok_or_else(|| {
            let message = format!("path element at position {} is null", level + 1);
            PgError::new(code::NULL_VALUE_NOT_ALLOWED, message)
        })
    }

    fn apply(&self, value: &Jsonb, level: usize) -> PgResult<Jsonb> {
        let step = self.step(level)?;
        match value {
            Jsonb::Object(members) => self.object(members, step, level),
            Jsonb::Array(items) => self.array(items, step, level),
            scalar => Ok(scalar.clone()),
        }
    }

    fn object(&self, members: &[(Box<str>, Jsonb)], step: &str, level: usize) -> PgResult<Jsonb> {
        let mut members = members.to_vec();
        match members.binary_search_by(|(key, _)| key_order(key, step)) {
            Ok(at) if !self.is_last(level) => members[at].1 = self.apply(&members[at].1, level + 1)?,
            Ok(at) => match self.change {
                Change::InsertBefore | Change::InsertAfter => {
                    return Err(invalid("cannot replace existing key")
                        .hint("Try using the function jsonb_set to replace key value."));
                }
                Change::Delete => drop(members.remove(at)),
                _ => members[at].1 = self.new.clone(),
            },
            Err(at) if self.is_last(level) && self.change.creates() => {
                members.insert(at, (step.into(), self.new.clone()));
            }
            Err(_) => {}
        }
        Jsonb::object(members)
    }

    fn array(&self, items: &[Jsonb], step: &str, level: usize) -> PgResult<Jsonb> {
        let position = level + 1;
        let index = path_index(step).ok_or_else(|| {
            let message = format!("path element at position {position} is not an integer: \"{step}\"");
            PgError::new(code::INVALID_TEXT_REPRESENTATION, message)
        })?;
        // None stands for a place before the first element.
        let at = match usize::try_from(index) {
            Ok(at) => Some(at),
            Err(_) => items.len().checked_sub(index.unsigned_abs() as usize),
        };
        let mut items = items.to_vec();
        match at {
            Some(at) if at < items.len() => {
                if self.is_last(level) {
                    self.at_element(&mut items, at);
                } else {
                    items[at] = self.apply(&items[at], level + 1)?;
                }
            }
            None if self.is_last(level) && self.change.creates() => items.insert(0, self.new.clone()),
            Some(_) if self.is_last(level) && self.change.creates() => items.push(self.new.clone()),
            _ => {}
        }
        Jsonb::array(items)
    }

    fn at_element(&self, items: &mut Vec<Jsonb>, at: usize) {
        match self.change {
            Change::Delete => drop(items.remove(at)),
            Change::InsertBefore => items.insert(at, self.new.clone()),
            Change::InsertAfter => items.insert(at + 1, self.new.clone()),
            _ => items[at] = self.new.clone(),
        }
    }
}

fn steps(path: &ArrayValue) -> PgResult<Vec<Option<&str>>> {
    one_dimension(path)?;
    path.elems.iter().map(Option::<&str>::from_datum).collect()
}

/// Applies a change; an empty path and, unless it creates, an empty container leave the value alone.
fn edit(value: &Jsonb, path: &ArrayValue, new: &Jsonb, change: Change, verb: &str) -> PgResult<Jsonb> {
    let path = steps(path)?;
    if value.is_scalar() {
        return Err(invalid(format!("cannot {verb} path in scalar")));
    }
    let is_empty = match value {
        Jsonb::Array(items) => items.is_empty(),
        Jsonb::Object(members) => members.is_empty(),
        _ => false,
    };
    if path.is_empty() || (is_empty && !change.creates()) {
        return Ok(value.clone());
    }
    Edit { path: &path, new, change }.apply(value, 0)
}

fn delete_path(value: &Jsonb, path: &ArrayValue) -> PgResult<Jsonb> {
    edit(value, path, &Jsonb::Null, Change::Delete, "delete")
}

fn set(value: &Jsonb, path: &ArrayValue, new: &Jsonb, create: bool) -> PgResult<Jsonb> {
    edit(value, path, new, if create { Change::Create } else { Change::Replace }, "set")
}

fn insert(value: &Jsonb, path: &ArrayValue, new: &Jsonb, after: bool) -> PgResult<Jsonb> {
    edit(value, path, new, if after { Change::InsertAfter } else { Change::InsertBefore }, "set")
}

/// `jsonb_set_lax`: says what a NULL as the new value means. Not strict.
fn set_lax(_: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let (Some(value), Some(path), Some(create)) = (
        arg::<Option<&Jsonb>>(args, 0)?,
        arg::<Option<&ArrayValue>>(args, 1)?,
        arg::<Option<bool>>(args, 3)?,
    ) else {
        return Ok(Datum::Null);
    };
    let treatments = "null_value_treatment must be \"delete_key\", \"return_target\", \
                      \"use_json_null\", or \"raise_exception\"";
    let Some(treatment) = arg::<Option<&str>>(args, 4)? else { return Err(invalid(treatments)) };
    let changed = match (arg::<Option<&Jsonb>>(args, 2)?, treatment) {
        (Some(new), _) => set(value, path, new, create)?,
        (None, "use_json_null") => set(value, path, &Jsonb::Null, create)?,
        (None, "delete_key") => delete_path(value, path)?,
        (None, "return_target") => value.clone(),
        (None, "raise_exception") => {
            return Err(PgError::new(code::NULL_VALUE_NOT_ALLOWED, "JSON value must not be null")
                .detail("Exception was raised because null_value_treatment is \"raise_exception\".")
                .hint(
                    "To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is \
                     not passed.",
                ));
        }
        _ => return Err(invalid(treatments)),
    };
    Ok(changed.into_datum())
}

builtins! {
    "jsonb_delete" = delete_key: 2;
    "jsonb_delete_array" = delete_keys: 2;
    "jsonb_delete_idx" = delete_index: 2;
    "jsonb_delete_path" = delete_path: 2;
    "jsonb_set" = set: 4;
    "jsonb_set_lax" = set_lax;
    "jsonb_insert" = insert: 4;
}
