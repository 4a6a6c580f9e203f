//! Calls that were written in SQL's own syntax (ruleutils.c's `get_func_sql_syntax`).

use super::Printer;
use crate::query::{Call, Expr};
use redoubt_error::PgResult;
use redoubt_functions::Datum;

impl Printer<'_> {
    /// Prints the call in its own syntax; false when it has none, or not with these arguments.
    pub(super) fn special(&mut self, call: &Call, whole: &Expr) -> PgResult<bool> {
        match (&*call.name, call.args.as_slice()) {
            ("timezone", [zone, time]) => {
                self.text("(");
                self.paren(time, false, whole)?;
                self.text(" AT TIME ZONE ");
                self.paren(zone, false, whole)?;
                self.text(")");
            }
            ("overlaps", [a, b, c, d]) => {
                self.text("((");
                self.list(&[a, b], |p, arg| p.expr(arg, false))?;
                self.text(") OVERLAPS (");
                self.list(&[c, d], |p, arg| p.expr(arg, false))?;
                self.text("))");
            }
            ("extract", [Expr::Const { value: Datum::Text(field), .. }, source]) => {
                self.text(&format!("EXTRACT({field} FROM "));
                self.expr(source, false)?;
                self.text(")");
            }
            ("is_normalized", [arg, form @ ..]) => {
                self.text("(");
                self.expr(arg, false)?;
                self.text(" IS");
                if let [Expr::Const { value: Datum::Text(form), .. }] = form {
                    self.text(&format!(" {form}"));
                }
                self.text(" NORMALIZED)");
            }
            ("normalize", [arg, form @ ..]) => {
                self.text("NORMALIZE(");
                self.expr(arg, false)?;
                if let [Expr::Const { value: Datum::Text(form), .. }] = form {
                    self.text(&format!(", {form}"));
                }
                self.text(")");
            }
            ("pg_collation_for", [arg]) => {
                self.text("COLLATION FOR (");
                self.expr(arg, false)?;
                self.text(")");
            }
            ("overlay", [text, new, from, length @ ..]) => {
                self.phrase("OVERLAY(", &[(text, " PLACING "), (new, " FROM "), (from, "")], length)?;
            }
            ("position", [within, what]) => {
                self.text("POSITION((");
                self.expr(what, false)?;
                self.text(") IN (");
                self.expr(within, false)?;
                self.text("))");
            }
            ("substring", [text, pattern, escape])
                if call.args[1..].iter().all(|arg| arg.ty().type_oid == redoubt_functions::types::TEXT) =>
            {
                self.phrase("SUBSTRING(", &[(text, " SIMILAR "), (pattern, " ESCAPE "), (escape, "")], &[])?;
            }
            ("substring", [text, from, length @ ..]) => {
                self.phrase("SUBSTRING(", &[(text, " FROM "), (from, "")], length)?;
            }
            ("btrim" | "ltrim" | "rtrim", [text, chars @ ..]) => {
                let side = match &*call.name {
                    "btrim" => "BOTH",
                    "ltrim" => "LEADING",
                    _ => "TRAILING",
                };
                self.text(&format!("TRIM({side}"));
                if let [chars] = chars {
                    self.text(" ");
                    self.expr(chars, false)?;
                }
                self.text(" FROM ");
                self.expr(text, false)?;
                self.text(")");
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Arguments with words between them, and a length behind FOR.
    fn phrase(&mut self, start: &str, args: &[(&Expr, &str)], length: &[Expr]) -> PgResult<()> {
        self.text(start);
        for (arg, word) in args {
            self.expr(arg, false)?;
            self.text(word);
        }
        if let [length] = length {
            self.text(" FOR ");
            self.expr(length, false)?;
        }
        self.text(")");
        Ok(())
    }
}
