//! `jsonb_path_exists`, `jsonb_path_query` and their kin.

use crate::args::{arg, builtins};
use crate::jsonpath::JsonPath;
use crate::jsonpath_exec::{Fault, evaluate};
use crate::jsonpath_item::Item;
use crate::set_returning::{Family, Rows};
use crate::{CallContext, Datum, Jsonb};
use redoubt_error::{PgError, PgResult, code};

/// The arguments of every function of this family. The operators have only two and suppress errors.
struct Call<'a> {
    value: &'a Jsonb,
    path: &'a JsonPath,
    vars: Option<&'a Jsonb>,
    silent: bool,
}

impl<'a> Call<'a> {
    fn of(args: &'a [Datum]) -> PgResult<Self> {
        let (vars, silent) = if args.len() > 2 { (Some(arg(args, 2)?), arg(args, 3)?) } else { (None, true) };
        Ok(Call { value: arg(args, 0)?, path: arg(args, 1)?, vars, silent })
    }

    fn items(&self, ctx: &CallContext<'_>) -> PgResult<Vec<Item<'a>>> {
        let mut found = Vec::new();
        match evaluate(ctx, self.path, self.value, self.vars, Some(&mut found)) {
            Ok(_) => Ok(found),
            Err(Fault::Suppressible(_)) if self.silent => Ok(found),
            Err(Fault::Suppressible(error) | Fault::Hard(error)) => Err(error),
        }
    }
}

fn exists(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let call = Call::of(args)?;
    match evaluate(ctx, call.path, call.value, call.vars, None) {
        Ok(found) => Ok(Datum::Bool(found)),
        Err(Fault::Suppressible(_)) if call.silent => Ok(Datum::Null),
        Err(Fault::Suppressible(error) | Fault::Hard(error)) => Err(error),
    }
}

fn matches(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let call = Call::of(args)?;
    if let [item] = &call.items(ctx)?[..] {
        match item.value() {
            Jsonb::Bool(value) => return Ok(Datum::Bool(*value)),
            Jsonb::Null => return Ok(Datum::Null),
            _ => {}
        }
    }
    if call.silent {
        return Ok(Datum::Null);
    }
    let message = "single boolean result is expected";
    Err(PgError::new(code::SINGLETON_SQL_JSON_ITEM_REQUIRED, message))
}

fn query_array(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let items = Call::of(args)?.items(ctx)?;
    Jsonb::array(items.into_iter().map(Item::into_value).collect()).map(Jsonb::into_datum)
}

fn query_first(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let first = Call::of(args)?.items(ctx)?.into_iter().next();
    Ok(first.map_or(Datum::Null, |item| item.into_value().into_datum()))
}

fn query(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Rows> {
    let items = Call::of(args)?.items(ctx)?;
    let rows: Vec<_> = items.into_iter().map(|item| Ok(item.into_value().into_datum())).collect();
    Ok(Box::new(rows.into_iter()))
}

// The variants with `_tz` differ in comparing dates and times only, which `.datetime()` would make.
builtins! {
    "jsonb_path_exists" = exists;
    "jsonb_path_exists_tz" = exists;
    "jsonb_path_exists_opr" = exists;
    "jsonb_path_match" = matches;
    "jsonb_path_match_tz" = matches;
    "jsonb_path_match_opr" = matches;
    "jsonb_path_query_array" = query_array;
    "jsonb_path_query_array_tz" = query_array;
    "jsonb_path_query_first" = query_first;
    "jsonb_path_query_first_tz" = query_first;
}

pub(crate) static SET_RETURNING: Family = &[("jsonb_path_query", query), ("jsonb_path_query_tz", query)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlainEnv;

    /// The items of a path over a value, or the error.
    fn found(value: &str, path: &str) -> String {
        let env = PlainEnv::default();
        let ctx = CallContext::new(&env);
        let path = crate::jsonpath_parse::parse(path).unwrap();
        let args = [
            Jsonb::from_text(value).unwrap().into_datum(),
            Datum::JsonPath(path.into()),
            Jsonb::from_text("{\"x\": {\"y\": 5}}").unwrap().into_datum(),
            Datum::Bool(false),
        ];
        match query_array(&ctx, &args) {
            Ok(Datum::Jsonb(items)) => items.to_text(),
            Ok(other) => other.kind().to_owned(),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn paths() {
        for (value, path, expected) in [
            ("{\"a\": [1, 2, 3]}", "$.a[*] ? (@ > 1)", "[2, 3]"),
            ("{\"a\": [1, 2, 3]}", "$.a[last, 0]", "[3, 1]"),
            ("[{\"a\": 1}, {\"a\": 2}]", "$.a", "[1, 2]"),
            ("[{\"a\": 1}]", "strict $.a", "jsonpath member accessor can only be applied to an object"),
            ("{\"a\": {\"b\": 1}}", "lax $.**.b", "[1]"),
            ("{\"a\": {\"b\": 1}}", "$.**", "[{\"a\": {\"b\": 1}}, {\"b\": 1}, 1]"),
            ("{\"a\": {\"b\": 1}}", "$.**{last}", "[1]"),
            ("[1, \"x\", null]", "$[*].type()", "[\"number\", \"string\", \"null\"]"),
            ("[12, {\"a\": 13}, \"ccc\"]", "$[*] ? (@.a == 13)", "[{\"a\": 13}]"),
            ("{\"a\": 12}", "strict $.b", "JSON object does not contain key \"b\""),
            ("1", "$ + $x.y", "[6]"),
            ("1", "$z", "could not find jsonpath variable \"z\""),
            ("[1, 2]", "-$[*]", "[-1, -2]"),
            ("[1.5]", "$[0].ceiling()", "[2]"),
            ("\"1.5\"", "$.double()", "[1.5]"),
            (
                "{\"a\": 1, \"b\": [1, 2]}",
                "$.keyvalue()",
                "[{\"id\": 0, \"key\": \"a\", \"value\": 1}, {\"id\": 0, \"key\": \"b\", \"value\": [1, 2]}]",
            ),
            ("[{\"a\": 1, \"b\": [1, 2]}, {\"c\": {\"a\": \"bbb\"}}]", "$.keyvalue().id", "[12, 12, 72]"),
            ("[\"abc\", \"ABC\", 1]", "$[*] ? (@ like_regex \"^ab\" flag \"i\")", "[\"abc\", \"ABC\"]"),
            ("[\"abc\", 1]", "$[*] ? (@ starts with \"a\")", "[\"abc\"]"),
            ("2", "$ ? ((@ == \"x\") is unknown)", "[2]"),
            ("0", "1 / $", "division by zero"),
            ("\"2017-03-10\"", "$.datetime()", "jsonpath item method .datetime() is not supported yet"),
        ] {
            assert_eq!(found(value, path), expected, "{path}");
        }
    }
}
