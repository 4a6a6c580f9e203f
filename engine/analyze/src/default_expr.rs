//! The expressions of DDL: defaults, generated columns, CHECK constraints, indexes
//! (PostgreSQL's cookDefault, cookConstraint and transformIndexStmt).

use crate::analyzer::{Analyzer, Place};
use crate::coerce::Coercion;
use crate::query::{CallForm, ColumnType, Expr, Position, RteKind, Var};
use crate::statement::AnalyzeContext;
use crate::visit;
use redoubt_catalog::Relation;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Attribute, Oid, TupleDesc, types};
use redoubt_sql::tree as ast;
use std::sync::Arc;

/// The table that an expression is about; it need not be in the catalogs yet.
#[derive(Clone, Debug)]
pub struct TableShape {
    /// Its name.
    pub name: Arc<str>,
    /// `pg_class.oid`, or 0 when it has none yet.
    pub relid: Oid,
    /// Its columns.
    pub desc: TupleDesc,
    /// The composite type of its rows, or 0.
    pub row_type: Oid,
}

/// Analyzes an expression about a table, or about none. Its columns are `Var`s with `rt` 0. The
/// type is the expression's own; literals of unknown type have become text.
///
/// # Errors
/// PostgreSQL's, with positions in the expression's text.
pub fn analyze_expression(
    raw: &ast::Expr,
    place: Place,
    table: Option<&TableShape>,
    context: AnalyzeContext<'_>,
) -> PgResult<Expr> {
    let mut analyzer = context.analyzer();
    analyzer.with_table(table, |analyzer| {
        let expr = analyzer.expr(raw, place)?;
        analyzer.resolve_unknown(expr, Some(raw.location()))
    })
}

/// Analyzes a column's DEFAULT, cast to the column's type.
///
/// # Errors
/// As [`analyze_expression`]; `42804` when it does not fit the column.
pub fn analyze_default(raw: &ast::Expr, column: &Attribute, context: AnalyzeContext<'_>) -> PgResult<Expr> {
    context.analyzer().default_expression(raw, column)
}

/// The value that a column gets when none is given: its default, or the next of its identity. `None` is NULL, and a
/// generated column has none.
///
/// # Errors
/// Those of reading the catalogs.
pub fn analyze_column_default(
    table: &Relation,
    attno: i16,
    context: AnalyzeContext<'_>,
) -> PgResult<Option<Expr>> {
    context.analyzer().column_default(table, attno)
}

/// Analyzes what the values of a column become when it gets another type: the expression that USING gives, or else
/// the column itself, cast as by an assignment. `None` when there is no such cast.
///
/// # Errors
/// As [`analyze_expression`].
pub fn analyze_transform(
    using: Option<&ast::Expr>,
    attno: i16,
    target: (Oid, i32),
    table: &TableShape,
    context: AnalyzeContext<'_>,
) -> PgResult<Option<Expr>> {
    let mut analyzer = context.analyzer();
    analyzer.with_table(Some(table), |analyzer| {
        let value = match using {
            Some(raw) => analyzer.expr(raw, Place::AlterTransform)?,
            None => {
                let ty = crate::assign::column_type(&table.desc.attrs[attno as usize - 1]);
                Expr::Var(Var {
                    rt: 0,
                    attno,
                    type_oid: ty.type_oid,
                    typmod: ty.typmod,
                    collation: ty.collation,
                    levels_up: 0,
                    position: Position::default(),
                })
            }
        };
        analyzer.coerce_to_target(value, target.0, target.1, Coercion::Assignment, false, None)
    })
}

/// Casts a column's default, as it is stored, to another type as an assignment would. `None` when there is no such
/// cast.
///
/// # Errors
/// As [`analyze_expression`].
pub fn analyze_default_as(
    raw: &ast::Expr,
    target: (Oid, i32),
    context: AnalyzeContext<'_>,
) -> PgResult<Option<Expr>> {
    let mut analyzer = context.analyzer();
    analyzer.in_level(|analyzer| {
        let value = strip_casts(analyzer.expr(raw, Place::ColumnDefault)?);
        analyzer.coerce_to_target(value, target.0, target.1, Coercion::Assignment, false, None)
    })
}

/// What implicit casts were put around (`strip_implicit_coercions`).
fn strip_casts(expr: Expr) -> Expr {
    match expr {
        Expr::Relabel { arg, explicit: false, .. } | Expr::CoerceViaIo { arg, explicit: false, .. } => {
            strip_casts(*arg)
        }
        Expr::Call(mut call) if call.form == CallForm::ImplicitCast => strip_casts(call.args.swap_remove(0)),
        expr => expr,
    }
}

/// Analyzes the expression of a generated column, cast to the column's type.
///
/// # Errors
/// As [`analyze_default`]; `42P17` when it is not immutable or refers to what it may not.
pub fn analyze_generated(
    raw: &ast::Expr,
    column: &Attribute,
    table: &TableShape,
    context: AnalyzeContext<'_>,
) -> PgResult<Expr> {
    let mut analyzer = context.analyzer();
    let expr = analyzer.with_table(Some(table), |analyzer| {
        let expr = analyzer.expr(raw, Place::GeneratedColumn)?;
        analyzer.cast_default(expr, column, raw.location())
    })?;
    let mut error = None;
    visit::visit(&expr, 0, &mut |node, _| {
        if let Expr::Var(var) = node {
            let refuse = |message: String| PgError::new(code::INVALID_OBJECT_DEFINITION, message);
            let at = var.position.offset();
            if var.attno == 0 {
                let message = "cannot use whole-row variable in column generation expression";
                error.get_or_insert(
                    refuse(message.into())
                        .detail("This would cause the generated column to depend on its own value.")
                        .at(at),
                );
            } else if let Some(attribute) =
                var.attno.checked_sub(1).and_then(|i| table.desc.attrs.get(i as usize))
                && attribute.generated != 0
            {
                let message = format!(
                    "cannot use generated column \"{}\" in column generation expression",
                    attribute.name
                );
                error.get_or_insert(
                    refuse(message)
                        .detail("A generated column cannot reference another generated column.")
                        .at(at),
                );
            }
        }
        error.is_none()
    });
    if let Some(error) = error {
        return Err(error);
    }
    if !is_immutable(&expr) {
        let message = "generation expression is not immutable";
        return Err(PgError::new(code::INVALID_OBJECT_DEFINITION, message));
    }
    Ok(expr)
}

/// Analyzes a CHECK constraint of a table.
///
/// # Errors
/// As [`analyze_expression`]; `42804` when it is not boolean.
pub fn analyze_check(raw: &ast::Expr, table: &TableShape, context: AnalyzeContext<'_>) -> PgResult<Expr> {
    analyze_condition(raw, Place::CheckConstraint, "CHECK", table, context)
}

/// Analyzes a condition about a table's rows; `clause` names it in messages.
///
/// # Errors
/// As [`analyze_check`].
pub fn analyze_condition(
    raw: &ast::Expr,
    place: Place,
    clause: &str,
    table: &TableShape,
    context: AnalyzeContext<'_>,
) -> PgResult<Expr> {
    let mut analyzer = context.analyzer();
    analyzer.with_table(Some(table), |analyzer| {
        let expr = analyzer.expr(raw, place)?;
        analyzer.coerce_to_boolean(expr, clause, raw.location())
    })
}

/// Analyzes an expression that an index is over; it must be immutable.
///
/// # Errors
/// As [`analyze_expression`]; `42P17` when it is not immutable.
pub fn analyze_index_expression(
    raw: &ast::Expr,
    table: &TableShape,
    context: AnalyzeContext<'_>,
) -> PgResult<Expr> {
    let expr = analyze_expression(raw, Place::IndexExpression, Some(table), context)?;
    if is_immutable(&expr) {
        return Ok(expr);
    }
    let message = "functions in index expression must be marked IMMUTABLE";
    Err(PgError::new(code::INVALID_OBJECT_DEFINITION, message))
}

/// Analyzes the condition of a partial index; it must be immutable.
///
/// # Errors
/// As [`analyze_check`]; `42P17` when it is not immutable.
pub fn analyze_index_predicate(
    raw: &ast::Expr,
    table: &TableShape,
    context: AnalyzeContext<'_>,
) -> PgResult<Expr> {
    let expr = analyze_condition(raw, Place::IndexPredicate, "WHERE", table, context)?;
    if is_immutable(&expr) {
        return Ok(expr);
    }
    let message = "functions in index predicate must be marked IMMUTABLE";
    Err(PgError::new(code::INVALID_OBJECT_DEFINITION, message))
}

/// Whether an expression gives the same answer for ever (`contain_mutable_functions`).
pub fn is_immutable(expr: &Expr) -> bool {
    let mut immutable = true;
    visit::visit(expr, 0, &mut |node, _| {
        match node {
            Expr::Call(call) => immutable &= call.volatility == 'i',
            Expr::Distinct { equality: call, .. }
            | Expr::NullIf { equality: call, .. }
            | Expr::ScalarArrayOp { call, .. } => immutable &= call.volatility == 'i',
            Expr::RowCompare { calls, .. } => immutable &= calls.iter().all(|call| call.volatility == 'i'),
            // Text input and output may look at settings; only the types that do not are few.
            Expr::CoerceViaIo { arg, ty, .. } => {
                immutable &= io_is_immutable(arg.ty().type_oid) && io_is_immutable(ty.type_oid);
            }
            Expr::SqlValue { .. } => immutable = false,
            _ => {}
        }
        immutable
    });
    immutable
}

/// Whether a type's text input and output functions are immutable.
fn io_is_immutable(type_oid: Oid) -> bool {
    !matches!(
        type_oid,
        types::DATE
            | types::TIME
            | types::TIMETZ
            | types::TIMESTAMP
            | types::TIMESTAMPTZ
            | types::INTERVAL
            | types::MONEY
            | types::RECORD
            | types::REGCLASS
            | types::REGPROC
            | types::REGTYPE
    )
}

impl Analyzer<'_> {
    /// Does something at a level that sees one table, or none.
    fn with_table<T>(
        &mut self,
        table: Option<&TableShape>,
        f: impl FnOnce(&mut Self) -> PgResult<T>,
    ) -> PgResult<T> {
        self.in_level(|analyzer| {
            if let Some(table) = table {
                analyzer.add_shape(table)?;
            }
            f(analyzer)
        })
    }

    fn add_shape(&mut self, table: &TableShape) -> PgResult<()> {
        let attrs = &table.desc.attrs;
        let names = attrs.iter().map(|a| if a.dropped { "".into() } else { a.name.clone() }).collect();
        let columns: Vec<ColumnType> = attrs.iter().map(crate::assign::column_type).collect();
        let kind = RteKind::Relation { relid: table.relid, relkind: 'r', desc: table.desc.clone() };
        let mut item = self.add_entry(kind, &table.name, names, columns, None)?;
        item.row_type = if table.row_type == 0 { types::RECORD } else { table.row_type };
        self.level().scope.items.push(item);
        Ok(())
    }
}
