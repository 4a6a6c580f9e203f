//! Function calls: from a name and arguments to a function, aggregate, window function or cast
//! (PostgreSQL's src/backend/parser/parse_func.c).

use crate::analyzer::{Analyzer, Place};
use crate::candidate::Candidate;
use crate::coerce::{Coercion, Pathway};
use crate::func_match::arrange;
use crate::query::{Aggregate, Call, CallForm, Expr, OrderKey, WindowFunc};
use redoubt_catalog::rows::PgProc;
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Oid, builtin, types};
use redoubt_sql::tree as ast;
use std::sync::Arc;

/// `pg_language.oid` of `internal`.
const INTERNAL_LANGUAGE: Oid = 12;
/// `pg_language.oid` of `c`.
const C_LANGUAGE: Oid = 13;

/// A function found, with how the actual arguments map to its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Match {
    pub proc: Arc<PgProc>,
    /// For named notation: per parameter, the index of the actual argument.
    pub order: Option<Vec<Option<usize>>>,
    /// Parameters from this index on are elements of the VARIADIC array.
    pub variadic_from: Option<usize>,
}

/// The outcome of a look-up by name and types.
enum Found {
    Function(Candidate<Match>),
    /// `typename(x)` is a cast.
    Cast(Oid),
    Missing,
    Ambiguous,
}

impl Analyzer<'_> {
    pub(crate) fn proc_must(&self, oid: Oid) -> PgResult<Arc<PgProc>> {
        self.catalog
            .proc_by_oid(oid)?
            .ok_or_else(|| PgError::internal(format!("cache lookup failed for function {oid}")))
    }

    /// The parts of a call that come from the function itself.
    pub(crate) fn call_of(&self, proc: &PgProc, args: Vec<Expr>) -> Call {
        Call {
            proc_oid: proc.oid,
            function: if matches!(proc.prolang, INTERNAL_LANGUAGE | C_LANGUAGE) {
                builtin(&proc.prosrc)
            } else {
                None
            },
            name: proc.proname.clone(),
            strict: proc.proisstrict,
            volatility: proc.provolatile,
            returns_set: proc.proretset,
            variadic: false,
            args,
            arg_types: Vec::new(),
            ty: crate::query::BOOL_TYPE,
            input_collation: 0,
            form: CallForm::Function,
            position: None,
        }
    }

    /// A call as the grammar gives it (`ParseFuncOrColumn`).
    pub(crate) fn func_call(&mut self, call: &ast::FuncCall) -> PgResult<Expr> {
        let place = self.place();
        let mut args = Vec::with_capacity(call.args.len());
        let mut names: Vec<Option<Arc<str>>> = Vec::new();
        for arg in &call.args {
            names.push(arg.name.as_ref().map(|name| name.name.clone()));
            args.push(self.expr(&arg.value, place)?);
        }
        let mut positions: Vec<usize> = call.args.iter().map(|arg| arg.value.location()).collect();
        let direct = args.len();
        if call.within_group {
            // Ordered-set aggregates take the sort keys as further arguments.
            for sort in &call.order_by {
                args.push(self.expr(&sort.expr, place)?);
                positions.push(sort.expr.location());
                names.push(None);
            }
        }
        let actual: Vec<Oid> = args.iter().map(|arg| arg.ty().type_oid).collect();
        let found = self.find_function(&call.name, &actual, &names, call.variadic)?;
        match found {
            Found::Function(candidate) => self.finish_call(call, candidate, args, positions, direct),
            Found::Cast(target) => {
                let arg = args.pop().expect("a cast has one argument");
                let coerced =
                    self.coerce_to_target(arg, target, -1, Coercion::Explicit, true, Some(positions[0]))?;
                coerced.ok_or_else(|| PgError::internal("a cast was found but does not apply"))
            }
            Found::Missing if names.iter().all(Option::is_none) && actual.len() == 1 && !call.star => {
                match self.field_by_function(call, args.pop().expect("one argument"))? {
                    Some(field) => Ok(field),
                    None => Err(self.missing_function(call, &actual, &names)?),
                }
            }
            Found::Missing => Err(self.missing_function(call, &actual, &names)?),
            Found::Ambiguous => Err(PgError::new(
                code::AMBIGUOUS_FUNCTION,
                format!("function {} is not unique", self.signature(&call.name.dotted(), &actual, &names)?),
            )
            .hint("Could not choose a best candidate function. You might need to add explicit type casts.")
            .at(Some(call.pos))),
        }
    }

    /// `f(x)` may be field f of the composite x.
    fn field_by_function(&mut self, call: &ast::FuncCall, arg: Expr) -> PgResult<Option<Expr>> {
        let plain =
            call.name.parts.len() == 1 && call.over.is_none() && call.filter.is_none() && !call.distinct;
        let composite = matches!(self.type_info(arg.ty().type_oid)?.typtype, 'c');
        if !plain || !composite {
            return Ok(None);
        }
        self.field_of(arg, &call.name.last().name)
    }

    fn missing_function(
        &self,
        call: &ast::FuncCall,
        actual: &[Oid],
        names: &[Option<Arc<str>>],
    ) -> PgResult<PgError> {
        let signature = self.signature(&call.name.dotted(), actual, names)?;
        if call.star {
            let dotted = call.name.dotted();
            return Ok(PgError::new(code::UNDEFINED_FUNCTION, format!("function {dotted}() does not exist"))
                .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
                .at(Some(call.pos)));
        }
        Ok(PgError::new(code::UNDEFINED_FUNCTION, format!("function {signature} does not exist"))
            .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
            .at(Some(call.pos)))
    }

    pub(crate) fn signature(
        &self,
        name: &str,
        actual: &[Oid],
        names: &[Option<Arc<str>>],
    ) -> PgResult<String> {
        let mut parts = Vec::with_capacity(actual.len());
        for (oid, name) in actual.iter().zip(names.iter().chain(std::iter::repeat(&None))) {
            let type_name = self.type_name(*oid)?;
            parts.push(match name {
                Some(name) => format!("{name} => {type_name}"),
                None => type_name,
            });
        }
        Ok(format!("{name}({})", parts.join(", ")))
    }

    /// `func_get_detail`.
    fn find_function(
        &mut self,
        name: &ast::ObjectName,
        actual: &[Oid],
        names: &[Option<Arc<str>>],
        variadic: bool,
    ) -> PgResult<Found> {
        let candidates = self.function_candidates(name, actual, names, variadic)?;
        let exact: Vec<usize> = (0..candidates.len()).filter(|i| candidates[*i].args == actual).collect();
        if let Some(first) = exact.first() {
            return Ok(Found::Function(candidates[*first].clone()));
        }
        if actual.len() == 1
            && names[0].is_none()
            && let Some(target) = self.cast_by_name(name, actual[0])?
        {
            return Ok(Found::Cast(target));
        }
        let mut matching = self.matching(actual, candidates)?;
        match matching.len() {
            0 => Ok(Found::Missing),
            1 => Ok(Found::Function(matching.pop().expect("there is one"))),
            _ => Ok(match self.select_candidate(actual, matching)? {
                Some(best) => Found::Function(best),
                None => Found::Ambiguous,
            }),
        }
    }

    /// A type's name used as a function of one argument is a cast, if the cast is trivial or goes
    /// through text.
    fn cast_by_name(&mut self, name: &ast::ObjectName, source: Oid) -> PgResult<Option<Oid>> {
        let found = match name.schema() {
            Some(schema) => {
                let Some(namespace) = self.catalog.namespace_by_name(&schema.name)? else { return Ok(None) };
                self.catalog.type_by_name(namespace.oid, &name.last().name)?
            }
            None => self.catalog.type_in_path(self.path, &name.last().name)?,
        };
        let Some(target) = found.map(|found| found.oid) else { return Ok(None) };
        if source == types::UNKNOWN {
            return Ok(Some(target));
        }
        let trivial = match self.find_pathway(target, source, Coercion::Explicit)? {
            Pathway::Relabel => true,
            // Only between strings' own types and others, as PostgreSQL has it.
            Pathway::ViaIo => {
                !((source == types::RECORD || self.type_info(source)?.typtype == 'c')
                    && self.type_info(target)?.category == 'S')
            }
            _ => false,
        };
        Ok(trivial.then_some(target))
    }

    /// All visible functions of the name that take so many arguments (`FuncnameGetCandidates`).
    fn function_candidates(
        &self,
        name: &ast::ObjectName,
        actual: &[Oid],
        names: &[Option<Arc<str>>],
        variadic: bool,
    ) -> PgResult<Vec<Candidate<Match>>> {
        let path = match name.schema() {
            Some(schema) => vec![self.explicit_namespace(&schema.name, schema.pos)?],
            None => self.path.to_vec(),
        };
        let procs = self.catalog.procs_by_name(&name.last().name)?;
        let mut found: Vec<Candidate<Match>> = Vec::new();
        for schema in path {
            for proc in procs.iter().filter(|proc| proc.pronamespace == schema) {
                let Some(candidate) = arrange(proc, actual.len(), names, variadic) else { continue };
                // The same declared types earlier in the path, or without VARIADIC, win.
                match found.iter_mut().find(|other| other.args == candidate.args) {
                    Some(other)
                        if other.target.variadic_from.is_some()
                            && candidate.target.variadic_from.is_none()
                            && other.target.proc.pronamespace == schema =>
                    {
                        *other = candidate;
                    }
                    Some(_) => {}
                    None => found.push(candidate),
                }
            }
        }
        Ok(found)
    }

    fn finish_call(
        &mut self,
        call: &ast::FuncCall,
        found: Candidate<Match>,
        args: Vec<Expr>,
        positions: Vec<usize>,
        direct: usize,
    ) -> PgResult<Expr> {
        let proc = found.target.proc.clone();
        self.check_decorations(call, &proc)?;
        let mut declared = found.args.clone();
        let actual: Vec<Oid> = args.iter().map(|arg| arg.ty().type_oid).collect();
        let mut args = args;
        let mut positions = positions;
        let defaults = self.apply_order(&found, &mut args, &mut positions, &mut declared)?;
        let all_actual: Vec<Oid> =
            if defaults { args.iter().map(|arg| arg.ty().type_oid).collect() } else { actual };
        let result = self.resolve_generics(&all_actual, &mut declared, proc.prorettype)?;
        let mut args = self.coerce_args(args, &declared, &positions)?;
        if let Some(first) = found.target.variadic_from {
            args = self.gather_variadic(args, first)?;
        }
        let collation = self.input_collation(&args);
        let mut ty = self.plain_type(result)?;
        if ty.collation != 0 && collation != 0 {
            ty.collation = collation;
        }
        let arg_types: Vec<Oid> = args.iter().map(|arg| arg.ty().type_oid).collect();
        if call.over.is_some() {
            return self.window_call(call, &proc, args, arg_types, ty, collation);
        }
        match proc.prokind {
            'a' => self.aggregate_call(call, &proc, args, arg_types, ty, collation, direct),
            'w' => Err(PgError::new(
                code::WRONG_OBJECT_TYPE,
                format!("window function {} requires an OVER clause", proc.proname),
            )
            .at(Some(call.pos))),
            'p' if self.place() != Place::CallArgument => Err(PgError::new(
                code::WRONG_OBJECT_TYPE,
                format!("{} is a procedure", self.signature(&call.name.dotted(), &arg_types, &[])?),
            )
            .hint("To call a procedure, use CALL.")
            .at(Some(call.pos))),
            _ => {
                if proc.proretset {
                    self.note_set_returning(call.pos)?;
                }
                Ok(Expr::Call(Box::new(Call {
                    arg_types,
                    ty,
                    input_collation: collation,
                    variadic: call.variadic || found.target.variadic_from.is_some(),
                    form: if call.sql_syntax { CallForm::SqlSyntax } else { CallForm::Function },
                    position: Some(call.pos),
                    ..self.call_of(&proc, args)
                })))
            }
        }
    }

    /// DISTINCT, ORDER BY, FILTER, * and OVER belong to aggregates and window functions.
    fn check_decorations(&self, call: &ast::FuncCall, proc: &PgProc) -> PgResult<()> {
        let name = call.name.dotted();
        let refuse = |message: String| Err(PgError::new(code::WRONG_OBJECT_TYPE, message).at(Some(call.pos)));
        let kind_is_plain = matches!(proc.prokind, 'f' | 'p');
        if kind_is_plain {
            if call.star {
                return refuse(format!("{name}(*) specified, but {name} is not an aggregate function"));
            }
            if call.distinct {
                return refuse(format!("DISTINCT specified, but {name} is not an aggregate function"));
            }
            if call.within_group {
                return refuse(format!("WITHIN GROUP specified, but {name} is not an aggregate function"));
            }
            if !call.order_by.is_empty() {
                return refuse(format!("ORDER BY specified, but {name} is not an aggregate function"));
            }
            if call.filter.is_some() {
                return refuse(format!("FILTER specified, but {name} is not an aggregate function"));
            }
            if call.over.is_some() {
                return refuse(format!(
                    "OVER specified, but {name} is not a window function nor an aggregate function"
                ));
            }
        }
        if call.star && proc.pronargs > 0 {
            return refuse(format!("{name}(*) must be used to call a parameterless aggregate function"));
        }
        if proc.prokind == 'a' && proc.pronargs == 0 && !call.star && !call.within_group {
            return refuse(format!("{name}(*) must be used to call a parameterless aggregate function"));
        }
        Ok(())
    }

    /// Puts named arguments in their places and fills in defaults. Says whether anything changed.
    fn apply_order(
        &mut self,
        found: &Candidate<Match>,
        args: &mut Vec<Expr>,
        positions: &mut Vec<usize>,
        declared: &mut Vec<Oid>,
    ) -> PgResult<bool> {
        let proc = &found.target.proc;
        let parameters = proc.pronargs as usize;
        // VARIADIC "any" takes more arguments than there are parameters.
        if found.target.order.is_none() && (found.target.variadic_from.is_some() || args.len() >= parameters)
        {
            return Ok(false);
        }
        let order = match &found.target.order {
            Some(order) => order.clone(),
            None => (0..parameters).map(|i| (i < args.len()).then_some(i)).collect(),
        };
        let defaults = self.default_args(proc)?;
        let first_default = parameters - defaults.len();
        let (given, given_positions) = (std::mem::take(args), std::mem::take(positions));
        for (parameter, source) in order.iter().enumerate() {
            match source {
                Some(index) => {
                    args.push(given[*index].clone());
                    positions.push(given_positions[*index]);
                }
                None => {
                    args.push(defaults[parameter - first_default].clone());
                    positions.push(0);
                }
            }
        }
        *declared = proc.proargtypes.clone();
        Ok(true)
    }

    /// The defaults of a function's last parameters.
    fn default_args(&mut self, proc: &PgProc) -> PgResult<Vec<Expr>> {
        let Some(text) = &proc.proargdefaults else { return Ok(Vec::new()) };
        let raw = crate::text::parse_expressions(text)?;
        raw.iter().map(|expr| self.expr(expr, Place::Other)).collect()
    }

    /// The arguments from `first` on become one array.
    fn gather_variadic(&mut self, mut args: Vec<Expr>, first: usize) -> PgResult<Vec<Expr>> {
        let elements = args.split_off(first);
        let element_type = elements[0].ty().type_oid;
        let array = self
            .catalog
            .array_type(element_type)?
            .ok_or_else(|| PgError::new(code::UNDEFINED_OBJECT, "could not find array type for data type"))?;
        args.push(Expr::Array { elements, element_type, multidim: false, ty: self.plain_type(array)? });
        Ok(args)
    }

    #[allow(clippy::too_many_arguments)] // The parts of one call, each found by an earlier step.
    fn aggregate_call(
        &mut self,
        call: &ast::FuncCall,
        proc: &PgProc,
        args: Vec<Expr>,
        arg_types: Vec<Oid>,
        ty: crate::query::ColumnType,
        input_collation: Oid,
        direct: usize,
    ) -> PgResult<Expr> {
        let facts = self
            .catalog
            .aggregate(proc.oid)?
            .ok_or_else(|| PgError::internal(format!("cache lookup failed for aggregate {}", proc.oid)))?;
        if facts.aggkind != 'n' || call.within_group {
            return Err(
                PgError::unsupported(format!("ordered-set aggregate {}", proc.proname)).at(Some(call.pos))
            );
        }
        debug_assert_eq!(direct, call.args.len(), "plain aggregates have no sort keys among their arguments");
        let mut args = args;
        if call.distinct {
            // Values that are told apart need a type.
            for (arg, raw) in args.iter_mut().zip(&call.args) {
                *arg = self.resolve_unknown(arg.clone(), Some(raw.value.location()))?;
            }
        }
        let order_by = self.aggregate_order(call, &args)?;
        if call.distinct {
            for (arg, raw) in args.iter().zip(&call.args) {
                self.sort_group_operators(arg.ty().type_oid, Some(raw.value.location()))?;
            }
        }
        let filter = match &call.filter {
            Some(filter) => {
                let position = filter.location();
                let filter = self.expr(filter, Place::Filter)?;
                Some(self.coerce_to_boolean(filter, "FILTER", position)?)
            }
            None => None,
        };
        let mut aggregate = Aggregate {
            proc_oid: proc.oid,
            name: proc.proname.clone(),
            args,
            direct_args: 0,
            arg_types,
            star: call.star,
            distinct: call.distinct,
            order_by,
            filter,
            ty,
            input_collation,
            levels_up: 0,
            position: Some(call.pos),
        };
        self.register_aggregate(&mut aggregate, call.pos)?;
        Ok(Expr::Aggregate(Box::new(aggregate)))
    }

    /// ORDER BY inside an aggregate call. With DISTINCT the keys must be arguments.
    fn aggregate_order(&mut self, call: &ast::FuncCall, args: &[Expr]) -> PgResult<Vec<OrderKey>> {
        let place = self.place();
        let mut keys = Vec::with_capacity(call.order_by.len());
        for sort in &call.order_by {
            let position = sort.expr.location();
            let expr = self.expr(&sort.expr, place)?;
            let expr = self.resolve_unknown(expr, Some(position))?;
            if call.distinct && !args.iter().any(|arg| crate::equal::same_expr(arg, &expr)) {
                return Err(PgError::new(
                    code::INVALID_COLUMN_REFERENCE,
                    "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list",
                )
                .at(Some(position)));
            }
            keys.push(self.order_key(expr, sort, position)?);
        }
        Ok(keys)
    }

    /// One sort key with its operators and NULLS rule.
    pub(crate) fn order_key(&self, expr: Expr, sort: &ast::SortBy, position: usize) -> PgResult<OrderKey> {
        let (less, equal, greater) = self.sort_group_operators(expr.ty().type_oid, Some(position))?;
        let descending = match &sort.direction {
            ast::SortDirection::Default | ast::SortDirection::Asc => false,
            ast::SortDirection::Desc => true,
            ast::SortDirection::Using(name) => {
                let oid = expr.ty().type_oid;
                let operator = self.find_operator(name, Some(oid), oid, sort.pos)?;
                if operator.oid == less {
                    false
                } else if operator.oid == greater {
                    true
                } else {
                    return Err(PgError::new(
                        code::WRONG_OBJECT_TYPE,
                        format!("operator {} is not a valid ordering operator", name.symbol),
                    )
                    .hint("Ordering operators must be \"<\" or \">\" members of btree operator families.")
                    .at(sort.pos));
                }
            }
        };
        Ok(OrderKey {
            expr,
            descending,
            nulls_first: sort.nulls_first.unwrap_or(descending),
            sort_operator: if descending { greater } else { less },
            eq_operator: equal,
        })
    }

    fn window_call(
        &mut self,
        call: &ast::FuncCall,
        proc: &PgProc,
        args: Vec<Expr>,
        arg_types: Vec<Oid>,
        ty: crate::query::ColumnType,
        input_collation: Oid,
    ) -> PgResult<Expr> {
        let refuse = |code, message: &str| Err(PgError::new(code, message).at(Some(call.pos)));
        if call.distinct {
            return refuse(code::FEATURE_NOT_SUPPORTED, "DISTINCT is not implemented for window functions");
        }
        if !call.order_by.is_empty() && !call.within_group {
            return refuse(
                code::FEATURE_NOT_SUPPORTED,
                "aggregate ORDER BY is not implemented for window functions",
            );
        }
        if call.within_group {
            return refuse(code::FEATURE_NOT_SUPPORTED, "OVER is not supported for ordered-set aggregates");
        }
        if proc.prokind == 'w' && call.filter.is_some() {
            return refuse(
                code::FEATURE_NOT_SUPPORTED,
                "FILTER is not implemented for non-aggregate window functions",
            );
        }
        if proc.proretset {
            return refuse(code::INVALID_FUNCTION_DEFINITION, "window functions cannot return sets");
        }
        let filter = match &call.filter {
            Some(filter) => {
                let position = filter.location();
                let filter = self.expr(filter, Place::Filter)?;
                Some(self.coerce_to_boolean(filter, "FILTER", position)?)
            }
            None => None,
        };
        let spec = call.over.as_ref().expect("the caller saw OVER");
        let window = self.register_window_func(spec, call.pos)?;
        Ok(Expr::WindowFunc(Box::new(WindowFunc {
            proc_oid: proc.oid,
            name: proc.proname.clone(),
            args,
            arg_types,
            filter,
            is_aggregate: proc.prokind == 'a',
            star: call.star,
            window,
            ty,
            input_collation,
            position: Some(call.pos),
        })))
    }
}
