//! Type coercion: which casts apply where, and how they are written into the tree.
//!
//! The rules are PostgreSQL's (documentation, "Type Conversion"; src/backend/parser/parse_coerce.c).

use crate::analyzer::Analyzer;
use crate::query::{BOOL_TYPE, Call, CallForm, ColumnType, Expr};
use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{Datum, Oid, TypeRef, io, types};

/// How much license a place gives to cast (`CoercionContext`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Coercion {
    /// Only casts marked implicit.
    Implicit,
    /// Also casts marked for assignment.
    Assignment,
    /// Any cast: it was written out.
    Explicit,
}

/// How a value of one type becomes one of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pathway {
    /// Not at all.
    None,
    /// Nothing changes but the label.
    Relabel,
    /// A cast function.
    Function(Oid),
    /// Element by element.
    Array,
    /// Through text output and input.
    ViaIo,
}

impl Analyzer<'_> {
    pub(crate) fn type_info(&self, oid: Oid) -> PgResult<TypeRef> {
        self.catalog.type_info_must(oid)
    }

    /// The type's SQL name, for messages (`format_type_be`).
    pub(crate) fn type_name(&self, oid: Oid) -> PgResult<String> {
        self.env.type_name(oid, -1)
    }

    /// A column type without modifier and with the type's own collation.
    pub(crate) fn plain_type(&self, oid: Oid) -> PgResult<ColumnType> {
        Ok(ColumnType { type_oid: oid, typmod: -1, collation: self.type_info(oid)?.collation })
    }

    /// Whether values of `inputs` can become `targets`, position by position (`can_coerce_type`).
    pub(crate) fn can_coerce_types(
        &self,
        inputs: &[Oid],
        targets: &[Oid],
        context: Coercion,
    ) -> PgResult<bool> {
        let mut generic = false;
        for (&input, &target) in inputs.iter().zip(targets) {
            if input == target || target == types::ANY || input == types::UNKNOWN {
                continue;
            }
            if is_polymorphic(target) {
                generic = true;
                continue;
            }
            if self.find_pathway(target, input, context)? != Pathway::None {
                continue;
            }
            if self.is_record_compatible(input, target)? {
                continue;
            }
            return Ok(false);
        }
        Ok(!generic || self.generics_are_consistent(inputs, targets)?)
    }

    /// RECORD against named composites, and arrays of them.
    fn is_record_compatible(&self, input: Oid, target: Oid) -> PgResult<bool> {
        let (from, to) = (self.type_info(input)?, self.type_info(target)?);
        Ok((input == types::RECORD && to.typtype == 'c')
            || (target == types::RECORD && from.typtype == 'c')
            || (target == types::RECORD_ARRAY
                && from.is_array()
                && self.type_info(from.elem)?.typtype == 'c'))
    }

    /// How to get from `source` to `target` in this context (`find_coercion_pathway`).
    pub(crate) fn find_pathway(&self, target: Oid, source: Oid, context: Coercion) -> PgResult<Pathway> {
        let (source, target) = (self.catalog.base_type(source, -1)?.0, self.catalog.base_type(target, -1)?.0);
        if source == target {
            return Ok(Pathway::Relabel);
        }
        if let Some(cast) = self.catalog.cast(source, target)? {
            let allowed = match cast.castcontext {
                'i' => Coercion::Implicit,
                'a' => Coercion::Assignment,
                _ => Coercion::Explicit,
            };
            if context < allowed {
                return Ok(Pathway::None);
            }
            return Ok(match cast.castmethod {
                'f' => Pathway::Function(cast.castfunc),
                'i' => Pathway::ViaIo,
                _ => Pathway::Relabel,
            });
        }
        let (from, to) = (self.type_info(source)?, self.type_info(target)?);
        // Nothing becomes an oidvector or int2vector element by element, but they become arrays.
        let vectors = [types::OIDVECTOR, types::INT2VECTOR];
        if to.is_array() && from.is_array() && !vectors.contains(&target) {
            let element = self.find_pathway(to.elem, from.elem, context)?;
            if element != Pathway::None {
                return Ok(if element == Pathway::Relabel && from.elem == to.elem {
                    Pathway::Relabel
                } else {
                    Pathway::Array
                });
            }
        }
        // Anything may be assigned to a string type, and cast from one explicitly.
        if context >= Coercion::Assignment && to.category == 'S' {
            return Ok(Pathway::ViaIo);
        }
        if context >= Coercion::Explicit && from.category == 'S' {
            return Ok(Pathway::ViaIo);
        }
        if self.catalog.is_binary_coercible(source, target)? {
            return Ok(Pathway::Relabel);
        }
        Ok(Pathway::None)
    }

    /// Casts to a type and modifier, or gives `None` when no cast applies (`coerce_to_target_type`).
    pub(crate) fn coerce_to_target(
        &mut self,
        expr: Expr,
        target: Oid,
        typmod: i32,
        context: Coercion,
        explicit: bool,
        position: Option<usize>,
    ) -> PgResult<Option<Expr>> {
        let source = expr.ty().type_oid;
        if !self.can_coerce_types(&[source], &[target], context)? {
            return Ok(None);
        }
        // A collation on the outside stays on the outside.
        let (inner, collation) = match expr {
            Expr::Collate { arg, collation } => (*arg, Some(collation)),
            other => (other, None),
        };
        let coerced = self.coerce(inner, target, typmod, context, explicit, position)?;
        // A domain's own modifier has been applied on the way to it.
        let coerced = match typmod {
            ..0 => coerced,
            _ => self.coerce_typmod(coerced, target, typmod, context, explicit, position)?,
        };
        let collatable = self.type_info(target)?.is_collatable();
        Ok(Some(match collation {
            Some(collation) if collatable => Expr::Collate { arg: Box::new(coerced), collation },
            _ => coerced,
        }))
    }

    /// Casts to a type; the caller knows that it can be done (`coerce_type`). The modifier is used
    /// for constants only; [`Analyzer::coerce_typmod`] applies it to other values.
    pub(crate) fn coerce(
        &mut self,
        expr: Expr,
        target: Oid,
        typmod: i32,
        context: Coercion,
        explicit: bool,
        position: Option<usize>,
    ) -> PgResult<Expr> {
        let source = expr.ty();
        let expr = match expr {
            // Nothing more will be said about the fields of a row that becomes no composite type.
            row @ Expr::Row { .. } if !self.is_composite(target)? => self.resolve_unknown(row, position)?,
            other => other,
        };
        if source.type_oid == target
            || matches!(
                target,
                types::ANY
                    | types::ANYELEMENT
                    | types::ANYNONARRAY
                    | types::ANYCOMPATIBLE
                    | types::ANYCOMPATIBLENONARRAY
            )
        {
            return Ok(expr);
        }
        if is_polymorphic(target) && source.type_oid != types::UNKNOWN {
            return self.coerce_to_any_array(expr, target);
        }
        if source.type_oid == types::UNKNOWN {
            match expr {
                Expr::Const { value, .. } => {
                    return self.coerce_literal(value, target, typmod, context, explicit, position);
                }
                Expr::Param { number, .. } if self.params.is_open() => {
                    self.params.settle(number, target, position)?;
                    return Ok(Expr::Param { number, ty: self.plain_type(target)? });
                }
                expr => {
                    let ty = self.plain_type(self.catalog.base_type(target, -1)?.0)?;
                    let through = Expr::CoerceViaIo { arg: Box::new(expr), ty, explicit };
                    return self.wrap_domain(through, target, context, explicit, position);
                }
            }
        }
        if let Expr::Collate { arg, collation } = expr {
            let arg = self.coerce(*arg, target, typmod, context, explicit, position)?;
            return Ok(if self.type_info(target)?.is_collatable() {
                Expr::Collate { arg: Box::new(arg), collation }
            } else {
                arg
            });
        }
        // What is known of a row's type stays known.
        if matches!(target, types::RECORD | types::RECORD_ARRAY)
            && self.is_record_compatible(source.type_oid, target)?
        {
            return Ok(expr);
        }
        let base = self.catalog.base_type(target, -1)?.0;
        let coerced = match self.find_pathway(target, source.type_oid, context)? {
            Pathway::Relabel => self.relabel(expr, base, explicit)?,
            Pathway::Function(function) => {
                self.cast_call(expr, function, base, typmod, context, explicit, position)?
            }
            Pathway::ViaIo => Expr::CoerceViaIo { arg: Box::new(expr), ty: self.plain_type(base)?, explicit },
            Pathway::Array => self.coerce_elements(expr, base, typmod, context, explicit, position)?,
            Pathway::None => {
                // An explicit cast is pointed at itself, by whoever knows where it stands.
                let at = if explicit { None } else { position };
                return self.coerce_record(expr, target, context, at);
            }
        };
        self.wrap_domain(coerced, target, context, explicit, position)
    }

    fn relabel(&self, expr: Expr, target: Oid, explicit: bool) -> PgResult<Expr> {
        if expr.ty().type_oid == target {
            return Ok(expr);
        }
        let mut ty = self.plain_type(target)?;
        if ty.collation != 0 && expr.ty().collation != 0 {
            ty.collation = expr.ty().collation;
        }
        Ok(Expr::Relabel { arg: Box::new(expr), ty, explicit })
    }

    /// ANYARRAY and its kin take any array as it is; a domain over one is looked through.
    fn coerce_to_any_array(&self, expr: Expr, _target: Oid) -> PgResult<Expr> {
        let source = expr.ty().type_oid;
        let base = self.catalog.base_type(source, -1)?.0;
        if base == source { Ok(expr) } else { self.relabel(expr, base, false) }
    }

    /// Makes a value of the type under all domains one of a domain: its modifier is applied, and its constraints are
    /// checked when the value is computed (`coerce_to_domain`).
    pub(crate) fn wrap_domain(
        &mut self,
        expr: Expr,
        target: Oid,
        context: Coercion,
        explicit: bool,
        position: Option<usize>,
    ) -> PgResult<Expr> {
        if self.type_info(target)?.typtype != 'd' {
            return Ok(expr);
        }
        let expr = self.coerce_typmod(expr, target, -1, context, explicit, position)?;
        let ty = self.plain_type(target)?;
        Ok(Expr::Relabel { arg: Box::new(expr), ty, explicit })
    }

    /// A literal of unknown type is read by the target type's input function, here and now; the
    /// error points at the literal.
    fn coerce_literal(
        &mut self,
        value: Datum,
        target: Oid,
        typmod: i32,
        context: Coercion,
        explicit: bool,
        position: Option<usize>,
    ) -> PgResult<Expr> {
        let (base, base_typmod) = self.catalog.base_type(target, typmod)?;
        let mut ty = self.plain_type(base)?;
        // Interval's modifier may change what fields mean; all others are applied afterwards, so
        // that a literal too long for varchar(n) is truncated or refused by the cast's own rules.
        let input_typmod = if base == types::INTERVAL { base_typmod } else { -1 };
        ty.typmod = input_typmod;
        let value = match value {
            Datum::Null => Datum::Null,
            Datum::Text(text) => {
                io::input(base, input_typmod, &text, self.env).map_err(|error| error.at(position))?
            }
            other => return Err(other.mismatch("unknown literal")),
        };
        self.wrap_domain(Expr::Const { value, ty }, target, context, explicit, position)
    }

    #[allow(clippy::too_many_arguments)] // It mirrors coerce, whose arguments it passes on.
    fn cast_call(
        &mut self,
        expr: Expr,
        function: Oid,
        target: Oid,
        typmod: i32,
        context: Coercion,
        explicit: bool,
        position: Option<usize>,
    ) -> PgResult<Expr> {
        let proc = self.proc_must(function)?;
        let mut args = vec![expr];
        // Cast functions may take the modifier and whether the cast was explicit.
        if proc.pronargs >= 2 {
            args.push(constant(Datum::Int4(typmod), types::INT4));
        }
        if proc.pronargs >= 3 {
            args.push(constant(Datum::Bool(context == Coercion::Explicit), types::BOOL));
        }
        let mut ty = self.plain_type(target)?;
        if proc.pronargs >= 2 {
            ty.typmod = typmod;
        }
        let form = if explicit { CallForm::ExplicitCast } else { CallForm::ImplicitCast };
        Ok(Expr::Call(Box::new(Call {
            arg_types: args.iter().map(|arg| arg.ty().type_oid).collect(),
            input_collation: args[0].ty().collation,
            ty,
            form,
            position,
            ..self.call_of(&proc, args)
        })))
    }

    fn coerce_elements(
        &mut self,
        expr: Expr,
        target: Oid,
        typmod: i32,
        context: Coercion,
        explicit: bool,
        position: Option<usize>,
    ) -> PgResult<Expr> {
        let source = self.catalog.base_type(expr.ty().type_oid, -1)?.0;
        let (from, to) = (self.type_info(source)?.elem, self.type_info(target)?.elem);
        let test = Expr::CaseTest(ColumnType { typmod: expr.ty().typmod, ..self.plain_type(from)? });
        let element = self.coerce(test, to, typmod, context, explicit, position)?;
        let element = self.coerce_typmod(element, to, typmod, context, explicit, position)?;
        let ty = ColumnType { typmod: element.ty().typmod, ..self.plain_type(target)? };
        Ok(Expr::ArrayCoerce { arg: Box::new(expr), element: Box::new(element), ty })
    }

    /// RECORD to a named composite and back.
    fn coerce_record(
        &mut self,
        expr: Expr,
        target: Oid,
        context: Coercion,
        position: Option<usize>,
    ) -> PgResult<Expr> {
        let source = expr.ty().type_oid;
        let Expr::Row { fields, .. } = expr else {
            if source == types::RECORD {
                let message = format!("cannot cast type record to {}", self.type_name(target)?);
                return Err(PgError::new(code::CANNOT_COERCE, message).at(position));
            }
            return Err(PgError::internal(format!(
                "failed to find conversion function from {} to {}",
                self.type_name(source)?,
                self.type_name(target)?
            )));
        };
        let desc = self.catalog.composite_desc(target)?;
        let cannot = |detail: String, name: String| {
            PgError::new(code::CANNOT_COERCE, format!("cannot cast type record to {name}"))
                .detail(detail)
                .at(position)
        };
        let mut fields = fields.into_iter();
        let mut coerced = Vec::with_capacity(desc.attrs.len());
        for (index, attribute) in desc.attrs.iter().enumerate() {
            if attribute.dropped {
                coerced.push(constant(Datum::Null, types::INT4));
                continue;
            }
            let Some(field) = fields.next() else {
                return Err(cannot("Input has too few columns.".into(), self.type_name(target)?));
            };
            let from = field.ty().type_oid;
            match self.coerce_to_target(
                field,
                attribute.type_oid,
                attribute.typmod,
                context,
                false,
                position,
            )? {
                Some(field) => coerced.push(field),
                None => {
                    let detail = format!(
                        "Cannot cast type {} to {} in column {}.",
                        self.type_name(from)?,
                        self.type_name(attribute.type_oid)?,
                        index + 1
                    );
                    return Err(cannot(detail, self.type_name(target)?));
                }
            }
        }
        if fields.next().is_some() {
            return Err(cannot("Input has too many columns.".into(), self.type_name(target)?));
        }
        Ok(Expr::Row { fields: coerced, ty: self.plain_type(target)? })
    }

    /// Applies a type modifier through the type's length coercion function (`coerce_type_typmod`).
    pub(crate) fn coerce_typmod(
        &mut self,
        expr: Expr,
        target: Oid,
        typmod: i32,
        context: Coercion,
        explicit: bool,
        position: Option<usize>,
    ) -> PgResult<Expr> {
        let (base, typmod) = self.catalog.base_type(target, typmod)?;
        if typmod < 0 || expr.ty().typmod == typmod {
            return Ok(expr);
        }
        let info = self.type_info(base)?;
        if info.is_array() && self.length_function(info.elem)?.is_some() {
            let element = self.type_info(info.elem)?.oid;
            let test = Expr::CaseTest(ColumnType { typmod: expr.ty().typmod, ..self.plain_type(element)? });
            let element = self.coerce_typmod(test, element, typmod, context, explicit, position)?;
            let ty = ColumnType { typmod, ..expr.ty() };
            return Ok(Expr::ArrayCoerce { arg: Box::new(expr), element: Box::new(element), ty });
        }
        match self.length_function(base)? {
            None => Ok(expr),
            Some(function) => self.cast_call(expr, function, base, typmod, context, explicit, position),
        }
    }

    /// The cast of a type to itself, which applies modifiers.
    fn length_function(&self, type_oid: Oid) -> PgResult<Option<Oid>> {
        let cast = self.catalog.cast(type_oid, type_oid)?;
        Ok(cast.filter(|cast| cast.castfunc != 0).map(|cast| cast.castfunc))
    }

    /// A condition must be boolean (`coerce_to_boolean`).
    pub(crate) fn coerce_to_boolean(
        &mut self,
        expr: Expr,
        construct: &str,
        position: usize,
    ) -> PgResult<Expr> {
        self.coerce_to_specific(expr, types::BOOL, construct, position)
    }

    /// A construct wants one type (`coerce_to_specific_type`).
    pub(crate) fn coerce_to_specific(
        &mut self,
        expr: Expr,
        target: Oid,
        construct: &str,
        position: usize,
    ) -> PgResult<Expr> {
        let source = expr.ty().type_oid;
        let mismatch =
            |message: String| Err(PgError::new(code::DATATYPE_MISMATCH, message).at(Some(position)));
        if source != target {
            return match self.coerce_to_target(
                expr,
                target,
                -1,
                Coercion::Assignment,
                false,
                Some(position),
            )? {
                Some(expr) => self.refuse_set(expr, construct, position),
                None => mismatch(format!(
                    "argument of {construct} must be type {}, not type {}",
                    self.type_name(target)?,
                    self.type_name(source)?
                )),
            };
        }
        self.refuse_set(expr, construct, position)
    }

    fn refuse_set(&self, expr: Expr, construct: &str, position: usize) -> PgResult<Expr> {
        if matches!(&expr, Expr::Call(call) if call.returns_set) {
            let message = format!("argument of {construct} must not return a set");
            return Err(PgError::new(code::DATATYPE_MISMATCH, message).at(Some(position)));
        }
        Ok(expr)
    }
}

/// A constant that the analyzer makes itself.
pub(crate) fn constant(value: Datum, type_oid: Oid) -> Expr {
    if type_oid == types::BOOL {
        return Expr::Const { value, ty: BOOL_TYPE };
    }
    Expr::Const { value, ty: ColumnType { type_oid, typmod: -1, collation: 0 } }
}

/// The pseudo-types that stand for an argument's own type.
pub fn is_polymorphic(oid: Oid) -> bool {
    matches!(
        oid,
        types::ANYELEMENT
            | types::ANYARRAY
            | types::ANYNONARRAY
            | types::ANYENUM
            | types::ANYRANGE
            | types::ANYMULTIRANGE
            | types::ANYCOMPATIBLE
            | types::ANYCOMPATIBLEARRAY
            | types::ANYCOMPATIBLENONARRAY
            | types::ANYCOMPATIBLERANGE
            | types::ANYCOMPATIBLEMULTIRANGE
    )
}
