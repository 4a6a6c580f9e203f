//! Windows: OVER and the WINDOW clause (PostgreSQL's transformWindowDefinitions and
//! transformWindowFuncCall).

use crate::agg::Placed;
use crate::analyzer::{Analyzer, Place};
use crate::equal::same_expr;
use crate::group::contains;
use crate::query::{Expr, FrameBound, FrameExclude, FrameMode, Query, SortGroup, WindowClause, WindowFrame};
use crate::target::{Targets, first_position};
use crate::visit;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::types;
use redoubt_sql::tree as ast;

/// The support function of a btree operator class that RANGE offsets need.
const IN_RANGE: i16 = 3;

impl Analyzer<'_> {
    /// The number of the window that OVER means; definitions in place are added to the WINDOW
    /// clause's. Equal ones are merged when all are known.
    pub(crate) fn register_window_func(
        &mut self,
        spec: &ast::WindowSpec,
        position: usize,
    ) -> PgResult<usize> {
        self.check_place(Placed::Window, 0, position)?;
        let level = self.level();
        level.has_window_funcs = true;
        let specs = &mut level.scope.window_specs;
        let Some(name) = &spec.name else {
            specs.push(spec.clone());
            return Ok(specs.len() - 1);
        };
        specs
            .iter()
            .position(|known| known.name.as_ref() == Some(name))
            .ok_or_else(|| missing(name, spec.pos))
    }

    /// Analyzes all window definitions of the level, after its window functions are known.
    pub(crate) fn window_clauses(&mut self, targets: &mut Targets) -> PgResult<()> {
        let specs = std::mem::take(&mut self.level().scope.window_specs);
        for spec in &specs {
            let window = self.window_clause(spec, &specs, targets)?;
            self.level().windows.push(window);
        }
        Ok(())
    }

    fn window_clause(
        &mut self,
        spec: &ast::WindowSpec,
        specs: &[ast::WindowSpec],
        targets: &mut Targets,
    ) -> PgResult<WindowClause> {
        let refuse = |message: String| Err(PgError::new(code::WINDOWING_ERROR, message).at(Some(spec.pos)));
        let known = self.level().windows.len();
        let earlier = |name: &ast::Ident| specs[..known].iter().position(|s| s.name.as_ref() == Some(name));
        if let Some(name) = &spec.name
            && earlier(name).is_some()
        {
            return refuse(format!("window \"{}\" is already defined", name.name));
        }
        let base = match &spec.refname {
            None => None,
            Some(name) => {
                let index = earlier(name).ok_or_else(|| missing(name, spec.pos))?;
                Some((name.name.clone(), self.level().windows[index].clone(), specs[index].frame.is_some()))
            }
        };
        let mut order_by = self.sort_clause(&spec.order_by, targets, Place::WindowOrder)?;
        let mut partition_by = self.partition_clause(&spec.partition_by, targets, &order_by)?;
        if let Some((name, window, has_frame)) = base {
            if !partition_by.is_empty() {
                return refuse(format!("cannot override PARTITION BY clause of window \"{name}\""));
            }
            if !order_by.is_empty() && !window.order_by.is_empty() {
                return refuse(format!("cannot override ORDER BY clause of window \"{name}\""));
            }
            if has_frame {
                let message = format!("cannot copy window \"{name}\" because it has a frame clause");
                let error = PgError::new(code::WINDOWING_ERROR, message).at(Some(spec.pos));
                let more = spec.name.is_some() || !order_by.is_empty() || spec.frame.is_some();
                return Err(if more {
                    error
                } else {
                    error.hint("Omit the parentheses in this OVER clause.")
                });
            }
            partition_by = window.partition_by;
            if order_by.is_empty() {
                order_by = window.order_by;
            }
        }
        let frame = self.frame(spec, &order_by, targets)?;
        Ok(WindowClause {
            name: spec.name.as_ref().map(|name| name.name.clone()),
            partition_by,
            order_by,
            frame,
        })
    }

    fn frame(
        &mut self,
        spec: &ast::WindowSpec,
        order_by: &[SortGroup],
        targets: &Targets,
    ) -> PgResult<WindowFrame> {
        let Some(raw) = &spec.frame else {
            return Ok(WindowFrame {
                mode: FrameMode::Range,
                start: FrameBound::UnboundedPreceding,
                end: FrameBound::CurrentRow,
                exclude: FrameExclude::NoOthers,
            });
        };
        let refuse = |message: &str| Err(PgError::new(code::WINDOWING_ERROR, message).at(Some(spec.pos)));
        let is_offset = |bound: &ast::FrameBound| {
            matches!(bound, ast::FrameBound::Preceding(_) | ast::FrameBound::Following(_))
        };
        let has_offset = is_offset(&raw.start) || raw.end.as_ref().is_some_and(is_offset);
        if raw.mode == ast::FrameMode::Range && has_offset && order_by.len() != 1 {
            return refuse("RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column");
        }
        if raw.mode == ast::FrameMode::Groups && order_by.is_empty() {
            return refuse("GROUPS mode requires an ORDER BY clause");
        }
        let start = self.frame_bound(&raw.start, raw.mode, order_by, targets)?;
        let end = match &raw.end {
            Some(end) => self.frame_bound(end, raw.mode, order_by, targets)?,
            None => FrameBound::CurrentRow,
        };
        Ok(WindowFrame {
            mode: match raw.mode {
                ast::FrameMode::Rows => FrameMode::Rows,
                ast::FrameMode::Range => FrameMode::Range,
                ast::FrameMode::Groups => FrameMode::Groups,
            },
            start,
            end,
            exclude: match raw.exclude {
                ast::FrameExclude::NoOthers => FrameExclude::NoOthers,
                ast::FrameExclude::CurrentRow => FrameExclude::CurrentRow,
                ast::FrameExclude::Group => FrameExclude::Group,
                ast::FrameExclude::Ties => FrameExclude::Ties,
            },
        })
    }

    fn frame_bound(
        &mut self,
        raw: &ast::FrameBound,
        mode: ast::FrameMode,
        order_by: &[SortGroup],
        targets: &Targets,
    ) -> PgResult<FrameBound> {
        Ok(match raw {
            ast::FrameBound::UnboundedPreceding => FrameBound::UnboundedPreceding,
            ast::FrameBound::CurrentRow => FrameBound::CurrentRow,
            ast::FrameBound::UnboundedFollowing => FrameBound::UnboundedFollowing,
            ast::FrameBound::Preceding(offset) => {
                FrameBound::Preceding(Box::new(self.frame_offset(offset, mode, order_by, targets)?))
            }
            ast::FrameBound::Following(offset) => {
                FrameBound::Following(Box::new(self.frame_offset(offset, mode, order_by, targets)?))
            }
        })
    }

    /// A frame's offset: int8 for ROWS and GROUPS; for RANGE a type that can be added to the sorted
    /// column's (`transformFrameOffset`).
    fn frame_offset(
        &mut self,
        raw: &ast::Expr,
        mode: ast::FrameMode,
        order_by: &[SortGroup],
        targets: &Targets,
    ) -> PgResult<Expr> {
        let (construct, words) = match mode {
            ast::FrameMode::Rows => ("ROWS", "window ROWS"),
            ast::FrameMode::Range => ("RANGE", "window RANGE"),
            ast::FrameMode::Groups => ("GROUPS", "window GROUPS"),
        };
        let position = raw.location();
        self.level().scope.frame_words = words;
        let offset = self.expr(raw, Place::WindowFrame)?;
        let target = match mode {
            ast::FrameMode::Range => self.range_offset_type(&offset, &order_by[0], targets, position)?,
            _ => types::INT8,
        };
        let offset = self.coerce_to_specific(offset, target, construct, position)?;
        let own = |node: &Expr, depth: usize| matches!(node, Expr::Var(var) if var.levels_up == depth);
        if contains(&offset, &own) {
            let message = format!("argument of {construct} must not contain variables");
            return Err(
                PgError::new(code::INVALID_COLUMN_REFERENCE, message).at(first_position(&offset, &own))
            );
        }
        Ok(offset)
    }

    fn range_offset_type(
        &mut self,
        offset: &Expr,
        key: &SortGroup,
        targets: &Targets,
        position: usize,
    ) -> PgResult<u32> {
        let column = targets.entries[key.target].expr.ty().type_oid;
        // The operator that sorts says by which family, and for which type.
        let families = self.catalog.families_of_operator(key.sort_operator)?;
        let ordering = families.iter().find(|row| row.amopmethod == redoubt_catalog::BTREE);
        let (family, input) = ordering.map_or((0, column), |row| (row.amopfamily, row.amoplefttype));
        let source = offset.ty().type_oid;
        let preferred = if source == types::UNKNOWN { input } else { source };
        let (mut count, mut matching, mut chosen) = (0, 0, 0);
        for proc in self.catalog.procs_of_family(family)?.iter() {
            if proc.amproclefttype != input || proc.amprocnum != IN_RANGE {
                continue;
            }
            count += 1;
            let target = proc.amprocrighttype;
            if self.can_coerce_types(&[source], &[target], crate::coerce::Coercion::Implicit)? {
                matching += 1;
                if chosen != preferred {
                    chosen = target;
                }
            }
        }
        let words = "RANGE with offset PRECEDING/FOLLOWING";
        let refuse = |message: String| PgError::new(code::FEATURE_NOT_SUPPORTED, message).at(Some(position));
        let pair = |column: String, offset: String| format!("column type {column} and offset type {offset}");
        let (column_name, source_name) = (self.type_name(input)?, self.type_name(source)?);
        if count == 0 {
            return Err(refuse(format!("{words} is not supported for column type {column_name}")));
        }
        if matching == 0 {
            return Err(refuse(format!("{words} is not supported for {}", pair(column_name, source_name)))
                .hint("Cast the offset value to an appropriate type."));
        }
        if matching != 1 && chosen != preferred {
            return Err(refuse(format!(
                "{words} has multiple interpretations for {}",
                pair(column_name, source_name)
            ))
            .hint("Cast the offset value to the exact intended type."));
        }
        Ok(chosen)
    }

    /// Merges equal definitions, so that their functions share one pass, and checks that window
    /// functions are not nested.
    pub(crate) fn merge_windows(&mut self, query: &mut Query) -> PgResult<()> {
        if !self.level().has_window_funcs {
            return Ok(());
        }
        for entry in &query.target_list {
            check_nesting(&entry.expr)?;
        }
        let mut kept: Vec<WindowClause> = Vec::new();
        let mut numbers = Vec::with_capacity(query.windows.len());
        for window in std::mem::take(&mut query.windows) {
            // A named window stays itself; an unnamed one may turn out to be any before it.
            let same =
                if window.name.is_some() { None } else { kept.iter().position(|k| same_window(k, &window)) };
            numbers.push(same.unwrap_or_else(|| {
                kept.push(window);
                kept.len() - 1
            }));
        }
        query.windows = kept;
        for entry in &mut query.target_list {
            visit::rewrite(&mut entry.expr, 0, &mut |node, depth| {
                if let Expr::WindowFunc(function) = node
                    && depth == 0
                {
                    function.window = numbers[function.window];
                }
                true
            });
        }
        Ok(())
    }
}

fn missing(name: &ast::Ident, position: usize) -> PgError {
    PgError::new(code::UNDEFINED_OBJECT, format!("window \"{}\" does not exist", name.name))
        .at(Some(position))
}

/// A window function's arguments may aggregate, but not look through another window.
fn check_nesting(expr: &Expr) -> PgResult<()> {
    let mut error = None;
    visit::visit(expr, 0, &mut |node, depth| {
        if let Expr::WindowFunc(function) = node
            && depth == 0
        {
            let inner = |node: &Expr, depth: usize| matches!(node, Expr::WindowFunc(_)) && depth == 0;
            if let Some(arg) = function.args.iter().find(|arg| contains(arg, &inner)) {
                let message = "window function calls cannot be nested";
                let at = first_position(arg, &inner);
                error.get_or_insert(PgError::new(code::WINDOWING_ERROR, message).at(at));
            }
        }
        error.is_none() && depth == 0
    });
    error.map_or(Ok(()), Err)
}

fn same_window(a: &WindowClause, b: &WindowClause) -> bool {
    a.partition_by == b.partition_by
        && a.order_by == b.order_by
        && a.frame.mode == b.frame.mode
        && a.frame.exclude == b.frame.exclude
        && same_bound(&a.frame.start, &b.frame.start)
        && same_bound(&a.frame.end, &b.frame.end)
}

fn same_bound(a: &FrameBound, b: &FrameBound) -> bool {
    match (a, b) {
        (FrameBound::Preceding(a), FrameBound::Preceding(b))
        | (FrameBound::Following(a), FrameBound::Following(b)) => same_expr(a, b),
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}
