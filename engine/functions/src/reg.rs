//! The `reg*` types: OIDs that read and print as the names of catalog objects.

use crate::args::{OidArg, builtins};
use crate::io::TypeIo;
use crate::{CallContext, Datum, Env, RegKind};
use redoubt_error::{PgError, PgResult, SqlState, code};

macro_rules! reg_io {
    ($($(#[$doc:meta])* $name:ident = $kind:ident;)*) => {$(
        $(#[$doc])*
        pub(crate) static $name: TypeIo = TypeIo {
            input: |text, _, env| input(RegKind::$kind, text, env).map(Datum::Oid),
            output: |datum, env, out| output(RegKind::$kind, datum, env, out),
            recv: |bytes, typmod, env| (crate::integer::OID_IO.recv)(bytes, typmod, env),
            send: |datum, env, out| (crate::integer::OID_IO.send)(datum, env, out),
        };
    )*};
}

reg_io! {
    /// `regproc`.
    REGPROC_IO = Proc;
    /// `regprocedure`.
    REGPROCEDURE_IO = Procedure;
    /// `regoper`.
    REGOPER_IO = Oper;
    /// `regoperator`.
    REGOPERATOR_IO = Operator;
    /// `regclass`.
    REGCLASS_IO = Class;
    /// `regtype`.
    REGTYPE_IO = Type;
    /// `regrole`.
    REGROLE_IO = Role;
    /// `regnamespace`.
    REGNAMESPACE_IO = Namespace;
    /// `regconfig`.
    REGCONFIG_IO = Config;
    /// `regdictionary`.
    REGDICTIONARY_IO = Dictionary;
    /// `regcollation`.
    REGCOLLATION_IO = Collation;
}

/// What operator types print for the zero OID, and read as it; the others use a hyphen.
fn zero_name(kind: RegKind) -> &'static str {
    match kind {
        RegKind::Oper | RegKind::Operator => "0",
        _ => "-",
    }
}

/// A number stands for itself, anything else is looked up.
fn input(kind: RegKind, text: &str, env: &dyn Env) -> PgResult<u32> {
    if text == zero_name(kind) {
        return Ok(0);
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return crate::integer::parse_oid(text);
    }
    env.reg_lookup(kind, text)?.ok_or_else(|| not_found(kind, text))
}

#[cold]
fn not_found(kind: RegKind, text: &str) -> PgError {
    let (state, message): (SqlState, String) = match kind {
        RegKind::Proc | RegKind::Procedure => {
            (code::UNDEFINED_FUNCTION, format!("function \"{text}\" does not exist"))
        }
        RegKind::Oper | RegKind::Operator => {
            (code::UNDEFINED_FUNCTION, format!("operator does not exist: {text}"))
        }
        RegKind::Class => (code::UNDEFINED_TABLE, format!("relation \"{text}\" does not exist")),
        RegKind::Type => (code::UNDEFINED_OBJECT, format!("type \"{text}\" does not exist")),
        RegKind::Role => (code::UNDEFINED_OBJECT, format!("role \"{text}\" does not exist")),
        RegKind::Namespace => (code::INVALID_SCHEMA_NAME, format!("schema \"{text}\" does not exist")),
        RegKind::Config => {
            (code::UNDEFINED_OBJECT, format!("text search configuration \"{text}\" does not exist"))
        }
        RegKind::Dictionary => {
            (code::UNDEFINED_OBJECT, format!("text search dictionary \"{text}\" does not exist"))
        }
        RegKind::Collation => {
            (code::UNDEFINED_OBJECT, format!("collation \"{text}\" for encoding \"UTF8\" does not exist"))
        }
    };
    PgError::new(state, message)
}

fn output(kind: RegKind, datum: &Datum, env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    let oid = datum.as_oid()?;
    if oid == 0 {
        out.extend_from_slice(zero_name(kind).as_bytes());
        return Ok(());
    }
    match env.reg_name(kind, oid)? {
        Some(name) => out.extend_from_slice(name.as_bytes()),
        None => crate::integer::write_uint(u64::from(oid), out),
    }
    Ok(())
}

/// `text::regclass`.
fn text_regclass(ctx: &CallContext<'_>, text: &str) -> PgResult<OidArg> {
    input(RegKind::Class, text, ctx.env).map(OidArg)
}

macro_rules! soft_lookups {
    ($($name:ident = $kind:ident;)*) => {$(
        /// NULL instead of an error when there is no such object.
        fn $name(ctx: &CallContext<'_>, text: &str) -> PgResult<Option<OidArg>> {
            ctx.env.reg_lookup(RegKind::$kind, text).map(|found| found.map(OidArg))
        }
    )*};
}

soft_lookups! {
    to_regproc = Proc;
    to_regprocedure = Procedure;
    to_regoper = Oper;
    to_regoperator = Operator;
    to_regclass = Class;
    to_regtype = Type;
    to_regrole = Role;
    to_regnamespace = Namespace;
    to_regcollation = Collation;
}

builtins! {
    "text_regclass" = text_regclass: (ctx, 1);
    "to_regproc" = to_regproc: (ctx, 1);
    "to_regprocedure" = to_regprocedure: (ctx, 1);
    "to_regoper" = to_regoper: (ctx, 1);
    "to_regoperator" = to_regoperator: (ctx, 1);
    "to_regclass" = to_regclass: (ctx, 1);
    "to_regtype" = to_regtype: (ctx, 1);
    "to_regrole" = to_regrole: (ctx, 1);
    "to_regnamespace" = to_regnamespace: (ctx, 1);
    "to_regcollation" = to_regcollation: (ctx, 1);
}
