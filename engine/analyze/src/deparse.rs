//! Typed trees back to SQL, as PostgreSQL's ruleutils.c prints them: what `pg_get_expr`,
//! `pg_get_viewdef` and `pg_get_constraintdef` show, and what the catalogs keep of defaults, checks,
//! index expressions and views.
//!
//! Names are qualified where `path` would not find them. What is to be kept is printed with a path
//! of `pg_catalog` alone, and read back with the same path: it then means the same whatever the
//! session's search path is.

mod call;
mod constant;
mod definition;
mod expr;
mod from;
mod joins;
mod names;
mod parens;
mod query;
mod special;

use crate::default_expr::TableShape;
use crate::query::{Expr, Query};
use names::Scope;
use redoubt_catalog::CatalogView;
use redoubt_error::PgResult;
use redoubt_functions::{Env, Oid};
use std::sync::Arc;

/// What is needed to print a tree.
pub struct DeparseContext<'a> {
    /// The catalogs, for names.
    pub catalog: CatalogView<'a>,
    /// The session, for the output of constants.
    pub env: &'a dyn Env,
    /// Schemas in which a name needs no qualification, `pg_catalog` included at its place.
    pub path: &'a [Oid],
    /// Fewer parentheses, as the functions' `pretty` argument asks.
    pub pretty: bool,
}

/// Prints an expression about one table, or about none: columns stand without a qualifier.
///
/// # Errors
/// Those of reading the catalogs and of the output functions of constants' types.
pub fn deparse_expr(
    expr: &Expr,
    table: Option<&TableShape>,
    context: DeparseContext<'_>,
) -> PgResult<String> {
    let mut printer = Printer::new(context);
    if let Some(table) = table {
        printer.scopes.push(Scope::of_table(table));
    }
    printer.expr(expr, false)?;
    Ok(printer.out)
}

/// Prints a SELECT. `columns` are the names that its output columns shall have (those of the view that
/// it defines); without, they have their own.
///
/// # Errors
/// As [`deparse_expr`]; `0A000` for a statement that changes data.
pub fn deparse_query(
    query: &Query,
    columns: Option<&[Arc<str>]>,
    context: DeparseContext<'_>,
) -> PgResult<String> {
    let mut printer = Printer::new(context);
    printer.query(query, columns, true)?;
    Ok(printer.out)
}

/// Columns that a level of nesting is indented by.
const INDENT: i32 = 8;
/// What a join inside FROM is indented by.
const INDENT_JOIN: i32 = 4;
/// What continued lists are indented by.
const INDENT_LIST: i32 = 4;
/// Beyond this many columns indentation grows more slowly.
const INDENT_LIMIT: i32 = 40;

/// The printer's state.
struct Printer<'a> {
    context: DeparseContext<'a>,
    out: String,
    /// Current indentation, in columns.
    indent: i32,
    /// Names that can be referred to, innermost query last.
    scopes: Vec<Scope>,
    /// Columns are printed with their relation's name.
    prefix: bool,
    /// A call whose name could be taken for ROLLUP or CUBE must be quoted.
    in_group_by: bool,
}

impl<'a> Printer<'a> {
    fn new(context: DeparseContext<'a>) -> Self {
        Printer {
            context,
            out: String::new(),
            indent: 0,
            scopes: Vec::new(),
            prefix: false,
            in_group_by: false,
        }
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// An opening parenthesis that pretty printing does without.
    fn open(&mut self) {
        if !self.context.pretty {
            self.out.push('(');
        }
    }

    fn close(&mut self) {
        if !self.context.pretty {
            self.out.push(')');
        }
    }

    /// Starts a line with a keyword: `before` and `after` change the indentation, `extra` is for
    /// this line alone.
    fn keyword(&mut self, word: &str, before: i32, after: i32, extra: i32) {
        self.indent += before;
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
        let level = self.indent.max(0);
        let columns = if self.indent < INDENT_LIMIT {
            level + extra
        } else {
            // Deep nesting: a quarter of what is beyond the limit, and not for ever.
            (INDENT_LIMIT + (self.indent - INDENT_LIMIT) / (INDENT / 2)) % INDENT_LIMIT + extra
        };
        self.out.extend(std::iter::repeat_n(' ', usize::try_from(columns).unwrap_or(0)));
        self.out.push_str(word);
        self.indent = (self.indent + after).max(0);
    }

    /// Prints aside: what `print` would have added.
    fn aside(&mut self, print: impl FnOnce(&mut Self) -> PgResult<()>) -> PgResult<String> {
        let before = std::mem::take(&mut self.out);
        let result = print(self);
        let printed = std::mem::replace(&mut self.out, before);
        result.map(|()| printed)
    }

    fn list<T>(&mut self, items: &[T], mut print: impl FnMut(&mut Self, &T) -> PgResult<()>) -> PgResult<()> {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.text(", ");
            }
            print(self, item)?;
        }
        Ok(())
    }
}
