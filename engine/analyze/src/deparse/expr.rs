//! Expressions (ruleutils.c's `get_rule_expr`).

use super::Printer;
use super::constant::Label;
use crate::query::*;
use redoubt_error::{PgError, PgResult};
use redoubt_functions::types;

impl Printer<'_> {
    /// Prints an expression; `show_implicit` prints casts that nobody wrote as well.
    pub(super) fn expr(&mut self, expr: &Expr, show_implicit: bool) -> PgResult<()> {
        if let Some(column) = self.join_column(expr) {
            self.print_join_column(&column);
            return Ok(());
        }
        match expr {
            Expr::Const { value, ty } => self.constant(value, *ty, Label::Needed),
            Expr::Var(var) => self.variable(var, false).map(|_| ()),
            Expr::Param { number, .. } => {
                self.text(&format!("${number}"));
                Ok(())
            }
            Expr::Call(call) => self.call(call, expr, show_implicit),
            Expr::Relabel { arg, ty, explicit } => self.coercion(arg, *ty, *explicit, expr, show_implicit),
            Expr::CoerceViaIo { arg, ty, explicit } => {
                self.coercion(arg, *ty, *explicit, expr, show_implicit)
            }
            Expr::ArrayCoerce { arg, ty, .. } => self.coercion(arg, *ty, true, expr, show_implicit),
            Expr::And(args) => self.connective(args, " AND ", expr),
            Expr::Or(args) => self.connective(args, " OR ", expr),
            Expr::Not(arg) => {
                self.open();
                self.text("NOT ");
                self.paren(arg, false, expr)?;
                self.close();
                Ok(())
            }
            Expr::IsNull { arg, negated, row } => {
                self.open();
                self.paren(arg, true, expr)?;
                // For a composite value that is tested as a whole, IS NULL would ask something else.
                let whole = !*row && self.is_composite(arg.ty().type_oid)?;
                self.text(match (whole, negated) {
                    (false, false) => " IS NULL",
                    (false, true) => " IS NOT NULL",
                    (true, false) => " IS NOT DISTINCT FROM NULL",
                    (true, true) => " IS DISTINCT FROM NULL",
                });
                self.close();
                Ok(())
            }
            Expr::BooleanTest { arg, value, negated } => {
                self.open();
                self.paren(arg, false, expr)?;
                self.text(match (value, negated) {
                    (Some(true), false) => " IS TRUE",
                    (Some(true), true) => " IS NOT TRUE",
                    (Some(false), false) => " IS FALSE",
                    (Some(false), true) => " IS NOT FALSE",
                    (None, false) => " IS UNKNOWN",
                    (None, true) => " IS NOT UNKNOWN",
                });
                self.close();
                Ok(())
            }
            Expr::Distinct { equality, negated } => self.distinct(equality, *negated, expr),
            Expr::NullIf { equality, .. } => {
                self.text("NULLIF(");
                self.list(&equality.args, |p, arg| p.expr(arg, true))?;
                self.text(")");
                Ok(())
            }
            Expr::Case { arg, whens, otherwise, .. } => self.case(arg.as_deref(), whens, otherwise),
            Expr::CaseTest(_) => {
                self.text("CASE_TEST_EXPR");
                Ok(())
            }
            Expr::Coalesce { args, .. } => self.function_like("COALESCE", args),
            Expr::MinMax { greatest, args, .. } => {
                self.function_like(if *greatest { "GREATEST" } else { "LEAST" }, args)
            }
            Expr::ScalarArrayOp { call, any } => self.scalar_array_op(call, *any, expr),
            Expr::Array { elements, ty, .. } => {
                self.text("ARRAY[");
                self.list(elements, |p, element| p.expr(element, true))?;
                self.text("]");
                // Elements say the type by themselves, if there are any.
                if elements.is_empty() {
                    self.text("::");
                    self.type_name(ty.type_oid, -1)?;
                }
                Ok(())
            }
            Expr::Row { fields, ty } => self.row(fields, *ty),
            Expr::RowCompare { calls, op, .. } => self.row_compare(calls, *op),
            Expr::FieldSelect { arg, field, .. } => self.field(arg, *field),
            Expr::Subscript { arg, indexes, slice, .. } => self.subscript(arg, indexes, *slice),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            Expr::Grouping { keys, levels_up } => self.grouping(keys, *levels_up),
            Expr::WindowFunc(call) => self.window_func(call),
            Expr::SubLink(link) => self.sublink(link),
            Expr::SqlValue { function, ty } => {
                self.sql_value(*function, ty.typmod);
                Ok(())
            }
            Expr::SetToDefault(_) => {
                self.text("DEFAULT");
                Ok(())
            }
            Expr::Collate { arg, collation } => {
                self.open();
                self.paren(arg, show_implicit, expr)?;
                let name = self.collation_name(*collation)?;
                self.text(&format!(" COLLATE {name}"));
                self.close();
                Ok(())
            }
        }
    }

    pub(super) fn is_composite(&self, type_oid: u32) -> PgResult<bool> {
        Ok(type_oid == types::RECORD || self.context.catalog.type_info_must(type_oid)?.typtype == 'c')
    }

    /// A column. Says its name, if it has one that a result column would take; a whole row has none.
    pub(super) fn variable(&mut self, var: &Var, top_level: bool) -> PgResult<Option<String>> {
        if let Some(column) = self.join_column(&Expr::Var(*var)) {
            self.print_join_column(&column);
            return Ok(Some(column.name.to_string()));
        }
        let unknown = || PgError::internal("variable refers to no relation in scope");
        let scope = self.scopes.len().checked_sub(1 + var.levels_up).ok_or_else(unknown)?;
        let (relation, columns) = self.scopes[scope].entries.get(var.rt).ok_or_else(unknown)?;
        let column = match var.attno {
            0 => None,
            -1 => Some("ctid".to_string()),
            -2 => Some("xmin".to_string()),
            -3 => Some("cmin".to_string()),
            -4 => Some("xmax".to_string()),
            -5 => Some("cmax".to_string()),
            -6 => Some("tableoid".to_string()),
            attno => {
                let index = usize::try_from(attno - 1).map_err(|_| unknown())?;
                Some(columns.get(index).ok_or_else(unknown)?.to_string())
            }
        };
        let need_prefix = self.prefix || column.is_none();
        if let (true, Some(relation)) = (need_prefix, relation.clone()) {
            self.ident(&relation);
            self.text(".");
        }
        match &column {
            Some(column) => self.ident(&column.clone()),
            None => {
                self.text("*");
                // In a result list a bare star would be all columns, not one row.
                if top_level {
                    self.text("::");
                    self.type_name(var.type_oid, var.typmod)?;
                }
            }
        }
        Ok(column)
    }

    /// An operand, in parentheses if pretty printing needs them.
    pub(super) fn paren(&mut self, expr: &Expr, show_implicit: bool, parent: &Expr) -> PgResult<()> {
        let needed = self.context.pretty && !self.is_simple(expr, parent);
        if needed {
            self.text("(");
        }
        self.expr(expr, show_implicit)?;
        if needed {
            self.text(")");
        }
        Ok(())
    }

    pub(super) fn coercion(
        &mut self,
        arg: &Expr,
        ty: ColumnType,
        explicit: bool,
        parent: &Expr,
        show_implicit: bool,
    ) -> PgResult<()> {
        if !explicit && !show_implicit {
            return self.paren(arg, false, parent);
        }
        // A cast to a length is made behind one to the type, which goes without saying.
        let arg = match arg {
            Expr::Relabel { arg: inner, ty: same, .. } | Expr::CoerceViaIo { arg: inner, ty: same, .. }
                if same.type_oid == ty.type_oid && same.typmod == -1 && ty.typmod != -1 =>
            {
                inner
            }
            Expr::Call(call)
                if matches!(call.form, CallForm::ExplicitCast | CallForm::ImplicitCast)
                    && call.ty.type_oid == ty.type_oid
                    && call.ty.typmod == -1
                    && ty.typmod != -1 =>
            {
                &call.args[0]
            }
            arg => arg,
        };
        match arg {
            // The cast says the type, the constant need not.
            Expr::Const { value, ty: from } if from.type_oid == ty.type_oid && from.typmod == -1 => {
                self.constant(value, *from, Label::Never)?;
            }
            _ => {
                self.open();
                self.paren(arg, false, parent)?;
                self.close();
            }
        }
        self.text("::");
        self.type_name(ty.type_oid, ty.typmod)
    }

    fn connective(&mut self, args: &[Expr], word: &str, parent: &Expr) -> PgResult<()> {
        self.open();
        for (index, arg) in args.iter().enumerate() {
            if index > 0 {
                self.text(word);
            }
            self.paren(arg, false, parent)?;
        }
        self.close();
        Ok(())
    }

    fn distinct(&mut self, equality: &Call, negated: bool, parent: &Expr) -> PgResult<()> {
        // NOT DISTINCT is the negation of a node of its own.
        if negated {
            self.open();
            self.text("NOT ");
        }
        self.open();
        self.paren(&equality.args[0], true, parent)?;
        self.text(" IS DISTINCT FROM ");
        self.paren(&equality.args[1], true, parent)?;
        self.close();
        if negated {
            self.close();
        }
        Ok(())
    }

    fn case(&mut self, arg: Option<&Expr>, whens: &[(Expr, Expr)], otherwise: &Expr) -> PgResult<()> {
        self.keyword_in_place("CASE");
        if let Some(arg) = arg {
            self.text(" ");
            self.expr(arg, true)?;
        }
        for (condition, result) in whens {
            self.keyword("WHEN ", 0, 0, 0);
            match (arg, condition) {
                // The comparison with the CASE's argument was made by the analyzer.
                (Some(_), Expr::Call(call)) if call.args.len() == 2 => self.expr(&call.args[1], false)?,
                _ => self.expr(condition, false)?,
            }
            self.text(" THEN ");
            self.expr(result, true)?;
        }
        self.keyword("ELSE ", 0, 0, 0);
        self.expr(otherwise, true)?;
        self.keyword("END", -INDENT_CASE, 0, 0);
        Ok(())
    }

    /// CASE starts a line, and what belongs to it is indented.
    fn keyword_in_place(&mut self, word: &str) {
        self.keyword(word, 0, INDENT_CASE, 0);
    }

    fn function_like(&mut self, name: &str, args: &[Expr]) -> PgResult<()> {
        self.text(name);
        self.text("(");
        self.list(args, |p, arg| p.expr(arg, true))?;
        self.text(")");
        Ok(())
    }

    fn scalar_array_op(&mut self, call: &Call, any: bool, parent: &Expr) -> PgResult<()> {
        let name = self.call_operator(call)?;
        self.open();
        self.paren(&call.args[0], true, parent)?;
        self.text(&format!(" {name} {} (", if any { "ANY" } else { "ALL" }));
        self.paren(&call.args[1], true, parent)?;
        // A bare subquery would be taken for rows, not for an array.
        if let Expr::SubLink(link) = &call.args[1]
            && link.kind == SubLinkKind::Expr
        {
            self.text("::");
            self.type_name(link.ty.type_oid, link.ty.typmod)?;
        }
        self.text(")");
        self.close();
        Ok(())
    }

    fn row(&mut self, fields: &[Expr], ty: ColumnType) -> PgResult<()> {
        self.text("ROW(");
        self.list(fields, |p, field| p.top_level(field, true))?;
        self.text(")");
        if ty.type_oid != types::RECORD {
            self.text("::");
            self.type_name(ty.type_oid, -1)?;
        }
        Ok(())
    }

    /// A field of a list in which a whole row must not be taken for its columns.
    pub(super) fn top_level(&mut self, expr: &Expr, show_implicit: bool) -> PgResult<()> {
        match expr {
            Expr::Var(var) => self.variable(var, true).map(|_| ()),
            expr => self.expr(expr, show_implicit),
        }
    }

    fn row_compare(&mut self, calls: &[Call], op: RowCompareOp) -> PgResult<()> {
        self.text("(ROW(");
        self.list(calls, |p, call| p.top_level(&call.args[0], true))?;
        let symbol = match op {
            RowCompareOp::Less => "<",
            RowCompareOp::LessEqual => "<=",
            RowCompareOp::GreaterEqual => ">=",
            RowCompareOp::Greater => ">",
        };
        self.text(&format!(") {symbol} ROW("));
        self.list(calls, |p, call| p.top_level(&call.args[1], true))?;
        self.text("))");
        Ok(())
    }

    fn field(&mut self, arg: &Expr, field: i16) -> PgResult<()> {
        let parens = !matches!(arg, Expr::Subscript { .. } | Expr::FieldSelect { .. });
        if parens {
            self.text("(");
        }
        self.expr(arg, true)?;
        if parens {
            self.text(")");
        }
        let name = self.field_name(arg, field)?;
        self.text(".");
        self.ident(&name);
        Ok(())
    }

    /// The name of a composite value's field.
    fn field_name(&self, arg: &Expr, field: i16) -> PgResult<String> {
        let index = usize::try_from(field - 1).unwrap_or(usize::MAX);
        let type_oid = self.context.catalog.base_type(arg.ty().type_oid, -1)?.0;
        if type_oid != types::RECORD {
            let desc = self.context.catalog.composite_desc(type_oid)?;
            if let Some(attribute) = desc.attrs.get(index) {
                return Ok(attribute.name.to_string());
            }
        }
        if let Expr::Var(var) = arg
            && let Some(scope) = self.scopes.len().checked_sub(1 + var.levels_up)
            && let Some((_, columns)) = self.scopes[scope].entries.get(var.rt)
            && let Some(name) = columns.get(index)
        {
            return Ok(name.to_string());
        }
        Ok(format!("f{field}"))
    }

    fn subscript(
        &mut self,
        arg: &Expr,
        indexes: &[(Option<Expr>, Option<Expr>)],
        slice: bool,
    ) -> PgResult<()> {
        let parens = !matches!(arg, Expr::Var(_) | Expr::FieldSelect { .. });
        if parens {
            self.text("(");
        }
        self.expr(arg, true)?;
        if parens {
            self.text(")");
        }
        for (lower, upper) in indexes {
            self.text("[");
            if slice {
                if let Some(lower) = lower {
                    self.expr(lower, false)?;
                }
                self.text(":");
            }
            if let Some(upper) = upper {
                self.expr(upper, false)?;
            }
            self.text("]");
        }
        Ok(())
    }

    fn sublink(&mut self, link: &SubLink) -> PgResult<()> {
        self.text(if link.kind == SubLinkKind::Array { "ARRAY(" } else { "(" });
        let mut operator = String::new();
        if let Some(first) = link.tests.first() {
            operator = self.call_operator(&first.call)?;
            if link.tests.len() == 1 {
                self.expr(&first.left, true)?;
            } else {
                self.text("(");
                self.list(&link.tests, |p, test| p.expr(&test.left, true))?;
                self.text(")");
            }
        }
        let word = match link.kind {
            SubLinkKind::Exists => "EXISTS ".to_string(),
            SubLinkKind::Any if operator == "=" => " IN ".to_string(),
            SubLinkKind::Any => format!(" {operator} ANY "),
            SubLinkKind::All => format!(" {operator} ALL "),
            SubLinkKind::RowCompare => format!(" {operator} "),
            SubLinkKind::Expr | SubLinkKind::Array => String::new(),
        };
        let parens = !word.is_empty();
        self.text(&word);
        if parens {
            self.text("(");
        }
        self.query(&link.query, None, false)?;
        self.text(if parens { "))" } else { ")" });
        Ok(())
    }

    fn sql_value(&mut self, function: SqlValueFunction, typmod: i32) {
        use SqlValueFunction as F;
        let (name, has_precision) = match function {
            F::CurrentDate => ("CURRENT_DATE", false),
            F::CurrentTime => ("CURRENT_TIME", true),
            F::CurrentTimestamp => ("CURRENT_TIMESTAMP", true),
            F::LocalTime => ("LOCALTIME", true),
            F::LocalTimestamp => ("LOCALTIMESTAMP", true),
            F::CurrentRole => ("CURRENT_ROLE", false),
            F::CurrentUser => ("CURRENT_USER", false),
            F::User => ("USER", false),
            F::SessionUser => ("SESSION_USER", false),
            F::CurrentCatalog => ("CURRENT_CATALOG", false),
            F::CurrentSchema => ("CURRENT_SCHEMA", false),
        };
        self.text(name);
        if has_precision && typmod >= 0 {
            self.text(&format!("({typmod})"));
        }
    }
}

/// What the parts of a CASE are indented by.
const INDENT_CASE: i32 = super::INDENT_LIST;
