//! What functions may ask of the session and the catalog.

use crate::timezone::Zone;
use crate::{Datum, Oid, Rows, TupleDesc, TypeRef};
use redoubt_error::{PgError, PgResult};
use std::any::Any;
use std::sync::Arc;

/// The output half of the `DateStyle` setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateFormat {
    /// `ISO`
    Iso,
    /// `SQL`
    Sql,
    /// `Postgres`
    Postgres,
    /// `German`
    German,
}

/// The input half of the `DateStyle` setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOrder {
    /// `YMD`
    Ymd,
    /// `DMY`
    Dmy,
    /// `MDY`
    Mdy,
}

/// The `IntervalStyle` setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalStyle {
    /// `postgres`
    Postgres,
    /// `postgres_verbose`
    PostgresVerbose,
    /// `sql_standard`
    SqlStandard,
    /// `iso_8601`
    Iso8601,
}

/// The `bytea_output` setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteaOutput {
    /// `hex`
    Hex,
    /// `escape`
    Escape,
}

/// The session settings that types and functions depend on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// First half of `DateStyle`.
    pub date_format: DateFormat,
    /// Second half of `DateStyle`.
    pub date_order: DateOrder,
    /// `IntervalStyle`.
    pub interval_style: IntervalStyle,
    /// `TimeZone`.
    pub timezone: Arc<Zone>,
    /// `extra_float_digits`, -15 to 3.
    pub extra_float_digits: i32,
    /// `bytea_output`.
    pub bytea_output: ByteaOutput,
    /// `array_nulls`.
    pub array_nulls: bool,
    /// `quote_all_identifiers`.
    pub quote_all_identifiers: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            date_format: DateFormat::Iso,
            date_order: DateOrder::Mdy,
            interval_style: IntervalStyle::Postgres,
            timezone: Zone::utc(),
            extra_float_digits: 1,
            bytea_output: ByteaOutput::Hex,
            array_nulls: true,
            quote_all_identifiers: false,
        }
    }
}

/// Which catalog a `reg*` type names objects of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegKind {
    /// `regproc`: a function by name alone.
    Proc,
    /// `regprocedure`: a function with its argument types.
    Procedure,
    /// `regoper`: an operator by name alone.
    Oper,
    /// `regoperator`: an operator with its argument types.
    Operator,
    /// `regclass`
    Class,
    /// `regtype`
    Type,
    /// `regrole`
    Role,
    /// `regnamespace`
    Namespace,
    /// `regconfig`
    Config,
    /// `regdictionary`
    Dictionary,
    /// `regcollation`
    Collation,
}

/// The session and catalog as functions see them.
///
/// Upper crates implement it; functions of upper crates that need more reach their own session
/// through [`Env::as_any`].
pub trait Env {
    /// The current settings. Cheap: a reference count.
    fn settings(&self) -> Arc<Settings>;

    /// Start of the transaction, microseconds since 2000-01-01 UTC.
    fn transaction_timestamp_us(&self) -> i64;

    /// Arrival of the statement, microseconds since 2000-01-01 UTC.
    fn statement_timestamp_us(&self) -> i64;

    /// The wall clock now, microseconds since 2000-01-01 UTC.
    fn clock_timestamp_us(&self) -> i64 {
        crate::timestamp::now_us()
    }

    /// Describes a type; `None` when no such type exists.
    ///
    /// # Errors
    /// Those of reading the catalog.
    fn type_info(&self, oid: Oid) -> PgResult<Option<TypeRef>> {
        Ok(crate::builtin_type(oid).map(TypeRef::Builtin))
    }

    /// The columns of a composite type.
    ///
    /// # Errors
    /// Those of reading the catalog; `42809` when the type is not composite.
    fn composite_desc(&self, type_oid: Oid) -> PgResult<TupleDesc>;

    /// The member of an enum type with this label.
    ///
    /// # Errors
    /// Those of reading the catalog.
    fn enum_by_label(&self, type_oid: Oid, label: &str) -> PgResult<Option<crate::EnumValue>>;

    /// The label of an enum member (by the OID of its `pg_enum` row).
    ///
    /// # Errors
    /// Those of reading the catalog.
    fn enum_label(&self, member: Oid) -> PgResult<Option<Arc<str>>>;

    /// All members of an enum type in sort order.
    ///
    /// # Errors
    /// Those of reading the catalog.
    fn enum_members(&self, type_oid: Oid) -> PgResult<Vec<crate::EnumValue>>;

    /// Checks a value (already of the base type and typmod) against a domain's constraints.
    ///
    /// # Errors
    /// `23502` or `23514` when one fails.
    fn check_domain(&self, domain: Oid, value: &Datum) -> PgResult<()>;

    /// Resolves the text form of a `reg*` value other than a number or `-`.
    /// `Ok(None)` means "does not exist" where PostgreSQL's `to_reg*` functions return NULL.
    ///
    /// # Errors
    /// Syntax errors and ambiguities, with PostgreSQL's texts.
    fn reg_lookup(&self, kind: RegKind, text: &str) -> PgResult<Option<Oid>>;

    /// The text form of a `reg*` value, qualified and quoted as far as the search path needs;
    /// `None` when the object does not exist.
    ///
    /// # Errors
    /// Those of reading the catalog.
    fn reg_name(&self, kind: RegKind, oid: Oid) -> PgResult<Option<String>>;

    /// The SQL name of a type with its modifier, as `format_type` prints it.
    ///
    /// # Errors
    /// Those of reading the catalog.
    fn type_name(&self, oid: Oid, typmod: i32) -> PgResult<String>;

    /// `format_type(oid, typmod)`: as [`Env::type_name`], but tells a modifier that was not asked
    /// for (`None`) from one that is absent (`Some(-1)`), which matters for `bpchar` and `bit`.
    ///
    /// # Errors
    /// Those of reading the catalog.
    fn format_type(&self, oid: Oid, typmod: Option<i32>) -> PgResult<String> {
        match crate::builtin_type_name(oid, typmod)? {
            Some(name) => Ok(name),
            None => self.type_name(oid, typmod.unwrap_or(-1)),
        }
    }

    /// Whether the current role may look up objects in a schema that a statement names. `path` is the slice
    /// that the text is read along: stored texts (of views, defaults) have one of their own, and what they
    /// name is not the current role's to look up.
    ///
    /// # Errors
    /// `42501` when it may not.
    fn check_schema_usage(&self, schema: Oid, path: &[Oid]) -> PgResult<()> {
        let _ = (schema, path);
        Ok(())
    }

    /// Runs `draw` over the session's random generator (`random`, `setseed`).
    fn with_random(&self, draw: &mut dyn FnMut(&mut crate::random::Prng));

    /// Fails when the session was asked to cancel; long loops call it now and then.
    ///
    /// # Errors
    /// `57014` and the like.
    fn check_interrupts(&self) -> PgResult<()> {
        Ok(())
    }

    /// Sends a notice or warning to the client.
    fn notice(&self, report: PgError);

    /// The implementation itself, for functions of the crate that implements it.
    fn as_any(&self) -> &dyn Any;

    /// Calls a function of the crate that implements this trait, one that needs more of it than
    /// [`Env::as_any`] can lend: `function` is a pointer type that only that crate knows.
    ///
    /// # Errors
    /// Those of the function; `XX000` where there is no session.
    fn call_upper(&self, function: &dyn Any, context: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
        let _ = (function, context, args);
        Err(PgError::internal("a function of the session was called outside of one"))
    }

    /// As [`Env::call_upper`], for set-returning functions.
    ///
    /// # Errors
    /// As [`Env::call_upper`].
    fn call_upper_set(
        &self,
        function: &dyn Any,
        context: &CallContext<'_>,
        args: &[Datum],
    ) -> PgResult<Rows> {
        let _ = (function, context, args);
        Err(PgError::internal("a function of the session was called outside of one"))
    }
}

/// The circumstances of one function call.
#[derive(Clone, Copy)]
pub struct CallContext<'a> {
    /// Session and catalog.
    pub env: &'a dyn Env,
    /// The collation the call runs under, 0 for none.
    pub collation: Oid,
    /// Types of the arguments actually passed; empty when the caller does not know them, which
    /// is only allowed for functions without polymorphic arguments.
    pub arg_types: &'a [Oid],
    /// The resolved result type, or 0.
    pub result_type: Oid,
    /// The columns of a column definition list, for functions in FROM that return `record`.
    pub result_desc: Option<&'a TupleDesc>,
    /// The call was written with the VARIADIC keyword: the last argument is an array.
    pub variadic: bool,
    /// `pg_proc.oid` of the function that is called, or 0.
    pub function: Oid,
}

impl<'a> CallContext<'a> {
    /// A context without type information, for plain functions.
    pub fn new(env: &'a dyn Env) -> Self {
        CallContext {
            env,
            collation: 0,
            arg_types: &[],
            result_type: 0,
            result_desc: None,
            variadic: false,
            function: 0,
        }
    }

    /// The same context with the resolved types of a call.
    pub fn with_types(mut self, arg_types: &'a [Oid], result_type: Oid) -> Self {
        self.arg_types = arg_types;
        self.result_type = result_type;
        self
    }

    /// The type of the argument at `index`.
    ///
    /// # Errors
    /// `XX000` when the caller did not pass argument types.
    pub fn arg_type(&self, index: usize) -> PgResult<Oid> {
        match self.arg_types.get(index) {
            Some(&oid) if oid != 0 => Ok(oid),
            _ => Err(PgError::internal("could not determine input data type")),
        }
    }
}
