//! Input, output and send functions under their own symbols, for SQL that calls them directly.
//!
//! Receive functions take the protocol's buffers, which SQL cannot make, and are not here.

use crate::args::arg;
use crate::{CallContext, Datum, Oid, ScalarFn, io, types};
use redoubt_error::PgResult;

/// Arguments are the text, and for some types the element type and the modifier.
fn input(type_oid: Oid, ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let typmod = if args.len() > 2 { arg::<i32>(args, 2)? } else { -1 };
    io::input(type_oid, typmod, arg(args, 0)?, ctx.env)
}

fn output(type_oid: Oid, ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    io::output_string(arg(args, 0)?, type_oid, ctx.env).map(Datum::text)
}

fn send(type_oid: Oid, ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let mut out = Vec::new();
    io::send(arg(args, 0)?, type_oid, ctx.env, &mut out)?;
    Ok(Datum::Bytea(out.into()))
}

/// Arrays, rows and enums: the element type or row type comes as the second argument.
fn typed_input(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let type_oid = arg::<crate::args::OidArg>(args, 1)?.0;
    let typmod = if args.len() > 2 { arg::<i32>(args, 2)? } else { -1 };
    io::input(type_oid, typmod, arg(args, 0)?, ctx.env)
}

fn array_input(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let oid = arg::<crate::args::OidArg>(args, 1)?.0;
    let typmod = if args.len() > 2 { arg::<i32>(args, 2)? } else { -1 };
    let delim = ctx.env.type_info(oid)?.map_or(',', |info| info.delim);
    crate::array_io::input(&crate::array_io::ElementType { oid, delim }, typmod, arg(args, 0)?, ctx.env)
}

fn typed_output(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    output(ctx.arg_types.first().copied().unwrap_or(types::RECORD), ctx, args)
}

fn typed_send(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    send(ctx.arg_types.first().copied().unwrap_or(types::RECORD), ctx, args)
}

fn void_output(_: &CallContext<'_>, _: &[Datum]) -> PgResult<Datum> {
    Ok(Datum::text(""))
}

macro_rules! io_functions {
    ($($type:ident: $input:literal, $output:literal, $send:literal;)*) => {
        /// This family's functions by `pg_proc.prosrc`.
        pub(crate) static BUILTINS: &[(&str, ScalarFn)] = &[
            $(
                ($input, |ctx, args| input(types::$type, ctx, args)),
                ($output, |ctx, args| output(types::$type, ctx, args)),
                ($send, |ctx, args| send(types::$type, ctx, args)),
            )*
            ("array_in", array_input),
            ("array_out", typed_output),
            ("array_send", typed_send),
            ("anyarray_out", typed_output),
            ("anyarray_send", typed_send),
            ("anycompatiblearray_out", typed_output),
            ("anycompatiblearray_send", typed_send),
            ("enum_in", typed_input),
            ("enum_out", typed_output),
            ("enum_send", typed_send),
            ("anyenum_out", typed_output),
            ("record_in", typed_input),
            ("record_out", typed_output),
            ("record_send", typed_send),
            ("void_out", void_output),
        ];
    };
}

io_functions! {
    BOOL: "boolin", "boolout", "boolsend";
    BYTEA: "byteain", "byteaout", "byteasend";
    CHAR: "charin", "charout", "charsend";
    NAME: "namein", "nameout", "namesend";
    INT8: "int8in", "int8out", "int8send";
    INT2: "int2in", "int2out", "int2send";
    INT2VECTOR: "int2vectorin", "int2vectorout", "int2vectorsend";
    INT4: "int4in", "int4out", "int4send";
    REGPROC: "regprocin", "regprocout", "regprocsend";
    TEXT: "textin", "textout", "textsend";
    OID: "oidin", "oidout", "oidsend";
    TID: "tidin", "tidout", "tidsend";
    XID: "xidin", "xidout", "xidsend";
    CID: "cidin", "cidout", "cidsend";
    OIDVECTOR: "oidvectorin", "oidvectorout", "oidvectorsend";
    JSON: "json_in", "json_out", "json_send";
    FLOAT4: "float4in", "float4out", "float4send";
    FLOAT8: "float8in", "float8out", "float8send";
    UNKNOWN: "unknownin", "unknownout", "unknownsend";
    BPCHAR: "bpcharin", "bpcharout", "bpcharsend";
    VARCHAR: "varcharin", "varcharout", "varcharsend";
    DATE: "date_in", "date_out", "date_send";
    TIME: "time_in", "time_out", "time_send";
    TIMESTAMP: "timestamp_in", "timestamp_out", "timestamp_send";
    TIMESTAMPTZ: "timestamptz_in", "timestamptz_out", "timestamptz_send";
    INTERVAL: "interval_in", "interval_out", "interval_send";
    TIMETZ: "timetz_in", "timetz_out", "timetz_send";
    MONEY: "cash_in", "cash_out", "cash_send";
    MACADDR: "macaddr_in", "macaddr_out", "macaddr_send";
    MACADDR8: "macaddr8_in", "macaddr8_out", "macaddr8_send";
    INET: "inet_in", "inet_out", "inet_send";
    CIDR: "cidr_in", "cidr_out", "cidr_send";
    BIT: "bit_in", "bit_out", "bit_send";
    VARBIT: "varbit_in", "varbit_out", "varbit_send";
    NUMERIC: "numeric_in", "numeric_out", "numeric_send";
    REGPROCEDURE: "regprocedurein", "regprocedureout", "regproceduresend";
    REGOPER: "regoperin", "regoperout", "regopersend";
    REGOPERATOR: "regoperatorin", "regoperatorout", "regoperatorsend";
    REGCLASS: "regclassin", "regclassout", "regclasssend";
    REGTYPE: "regtypein", "regtypeout", "regtypesend";
    CSTRING: "cstring_in", "cstring_out", "cstring_send";
    UUID: "uuid_in", "uuid_out", "uuid_send";
    PG_LSN: "pg_lsn_in", "pg_lsn_out", "pg_lsn_send";
    REGCONFIG: "regconfigin", "regconfigout", "regconfigsend";
    REGDICTIONARY: "regdictionaryin", "regdictionaryout", "regdictionarysend";
    TSVECTOR: "tsvectorin", "tsvectorout", "tsvectorsend";
    TSQUERY: "tsqueryin", "tsqueryout", "tsquerysend";
    POINT: "point_in", "point_out", "point_send";
    LSEG: "lseg_in", "lseg_out", "lseg_send";
    LINE: "line_in", "line_out", "line_send";
    BOX: "box_in", "box_out", "box_send";
    PATH: "path_in", "path_out", "path_send";
    POLYGON: "poly_in", "poly_out", "poly_send";
    CIRCLE: "circle_in", "circle_out", "circle_send";
    JSONPATH: "jsonpath_in", "jsonpath_out", "jsonpath_send";
    JSONB: "jsonb_in", "jsonb_out", "jsonb_send";
    REGNAMESPACE: "regnamespacein", "regnamespaceout", "regnamespacesend";
    REGROLE: "regrolein", "regroleout", "regrolesend";
    REGCOLLATION: "regcollationin", "regcollationout", "regcollationsend";
    XID8: "xid8in", "xid8out", "xid8send";
}
