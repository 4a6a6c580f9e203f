//! Text and binary formats of every type: PostgreSQL's input, output, receive and send functions.

use crate::array_io::ElementType;
use crate::{Datum, Env, Oid, TypeRef, types};
use crate::{
    array_io, bit, boolean, bytea, catalog_types, date, float, geometry, inet, integer, interval, json_io,
    jsonpath, macaddr, money, numeric_io, reg, system_types, text, timestamp, tsquery, tsvector,
};
use redoubt_error::{PgError, PgResult, code};

/// The four I/O functions of a base type. A typmod of -1 asks for no length coercion.
pub(crate) struct TypeIo {
    /// Text to value.
    pub(crate) input: fn(&str, i32, &dyn Env) -> PgResult<Datum>,
    /// Value to text, appended.
    pub(crate) output: fn(&Datum, &dyn Env, &mut Vec<u8>) -> PgResult<()>,
    /// Binary to value.
    pub(crate) recv: fn(&[u8], i32, &dyn Env) -> PgResult<Datum>,
    /// Value to binary, appended.
    pub(crate) send: fn(&Datum, &dyn Env, &mut Vec<u8>) -> PgResult<()>,
}

/// The I/O functions of a built-in base type; `None` for arrays, composites and user types,
/// which are handled generically, and for types that are not built yet.
pub(crate) fn base_io(type_oid: Oid) -> Option<&'static TypeIo> {
    Some(match type_oid {
        types::BOOL => &boolean::BOOL_IO,
        types::CHAR => &boolean::CHAR_IO,
        types::INT2 => &integer::INT2_IO,
        types::INT4 => &integer::INT4_IO,
        types::INT8 => &integer::INT8_IO,
        types::BYTEA => &bytea::BYTEA_IO,
        types::UUID => &system_types::UUID_IO,
        types::PG_LSN => &system_types::LSN_IO,
        types::TID => &system_types::TID_IO,
        types::FLOAT4 => &float::FLOAT4_IO,
        types::FLOAT8 => &float::FLOAT8_IO,
        types::OIDVECTOR => &array_io::OIDVECTOR_IO,
        types::INT2VECTOR => &array_io::INT2VECTOR_IO,
        types::DATE => &date::DATE_IO,
        types::TIME => &date::TIME_IO,
        types::TIMETZ => &date::TIMETZ_IO,
        types::TIMESTAMP => &timestamp::TIMESTAMP_IO,
        types::TIMESTAMPTZ => &timestamp::TIMESTAMPTZ_IO,
        types::INTERVAL => &interval::INTERVAL_IO,
        types::BIT => &bit::BIT_IO,
        types::VARBIT => &bit::VARBIT_IO,
        types::MONEY => &money::MONEY_IO,
        types::MACADDR => &macaddr::MACADDR_IO,
        types::MACADDR8 => &macaddr::MACADDR8_IO,
        types::INET => &inet::INET_IO,
        types::CIDR => &inet::CIDR_IO,
        types::JSON => &json_io::JSON_IO,
        types::JSONB => &json_io::JSONB_IO,
        types::TSVECTOR => &tsvector::TSVECTOR_IO,
        types::TSQUERY => &tsquery::TSQUERY_IO,
        types::POINT => &geometry::POINT_IO,
        types::LSEG => &geometry::LSEG_IO,
        types::LINE => &geometry::LINE_IO,
        types::BOX => &geometry::BOX_IO,
        types::PATH => &geometry::PATH_IO,
        types::POLYGON => &geometry::POLYGON_IO,
        types::CIRCLE => &geometry::CIRCLE_IO,
        types::JSONPATH => &jsonpath::JSONPATH_IO,
        types::NUMERIC => &numeric_io::NUMERIC_IO,
        types::OID => &integer::OID_IO,
        types::XID => &integer::XID_IO,
        types::CID => &integer::CID_IO,
        types::XID8 => &integer::XID8_IO,
        types::ACLITEM => &catalog_types::ACLITEM_IO,
        types::PG_NODE_TREE => &catalog_types::NODE_TREE_IO,
        types::PG_NDISTINCT => &catalog_types::NDISTINCT_IO,
        types::PG_DEPENDENCIES => &catalog_types::DEPENDENCIES_IO,
        types::REGPROC => &reg::REGPROC_IO,
        types::REGPROCEDURE => &reg::REGPROCEDURE_IO,
        types::REGOPER => &reg::REGOPER_IO,
        types::REGOPERATOR => &reg::REGOPERATOR_IO,
        types::REGCLASS => &reg::REGCLASS_IO,
        types::REGTYPE => &reg::REGTYPE_IO,
        types::REGROLE => &reg::REGROLE_IO,
        types::REGNAMESPACE => &reg::REGNAMESPACE_IO,
        types::REGCONFIG => &reg::REGCONFIG_IO,
        types::REGDICTIONARY => &reg::REGDICTIONARY_IO,
        types::REGCOLLATION => &reg::REGCOLLATION_IO,
        types::TEXT | types::UNKNOWN | types::CSTRING => &text::TEXT_IO,
        types::VARCHAR => &text::VARCHAR_IO,
        types::BPCHAR => &text::BPCHAR_IO,
        types::NAME => &text::NAME_IO,
        _ => return None,
    })
}

/// Parses a value's text form, applying the type modifier as an assignment would.
///
/// # Errors
/// `22P02` and the type's own errors, with PostgreSQL's texts; `0A000` for types not built yet.
pub fn input(type_oid: Oid, typmod: i32, text: &str, env: &dyn Env) -> PgResult<Datum> {
    match base_io(type_oid) {
        Some(io) => (io.input)(text, typmod, env),
        None => generic_input(type_oid, typmod, text, env),
    }
}

/// Appends a value's text form. `datum` must not be NULL.
///
/// # Errors
/// `0A000` for types not built yet; errors of catalog look-ups.
pub fn output(datum: &Datum, type_oid: Oid, env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    match base_io(type_oid) {
        Some(io) => (io.output)(datum, env, out),
        None => generic_output(datum, type_oid, env, out),
    }
}

/// Parses a value's binary form.
///
/// # Errors
/// `08P01` and `22P03` for malformed bytes, and the type's own errors.
pub fn recv(type_oid: Oid, typmod: i32, bytes: &[u8], env: &dyn Env) -> PgResult<Datum> {
    match base_io(type_oid) {
        Some(io) => (io.recv)(bytes, typmod, env),
        None => generic_recv(type_oid, typmod, bytes, env),
    }
}

/// Appends a value's binary form. `datum` must not be NULL.
///
/// # Errors
/// `42883` when the type has no binary output; errors of catalog look-ups.
pub fn send(datum: &Datum, type_oid: Oid, env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    match base_io(type_oid) {
        Some(io) => (io.send)(datum, env, out),
        None => generic_send(datum, type_oid, env, out),
    }
}

/// A value's text form as a string.
///
/// # Errors
/// As [`output`].
pub fn output_string(datum: &Datum, type_oid: Oid, env: &dyn Env) -> PgResult<String> {
    let mut out = Vec::new();
    output(datum, type_oid, env, &mut out)?;
    into_string(out)
}

/// Output functions write valid UTF-8; anything else is a broken invariant reported softly.
pub(crate) fn into_string(bytes: Vec<u8>) -> PgResult<String> {
    String::from_utf8(bytes).map_err(|_| PgError::internal("output function produced invalid UTF-8"))
}

/// How a type that is no built-in base type is handled.
enum Generic {
    Array(ElementType),
    Domain(TypeRef),
    Enum,
    Composite,
}

fn classify(type_oid: Oid, env: &dyn Env) -> PgResult<Generic> {
    let Some(info) = env.type_info(type_oid)? else {
        return Err(PgError::internal(format!("cache lookup failed for type {type_oid}")));
    };
    if info.is_array() {
        let delim = env.type_info(info.elem)?.map_or(',', |elem| elem.delim);
        return Ok(Generic::Array(ElementType { oid: info.elem, delim }));
    }
    match info.typtype {
        'd' => Ok(Generic::Domain(info)),
        'e' => Ok(Generic::Enum),
        'c' => Ok(Generic::Composite),
        _ if type_oid == types::RECORD => Ok(Generic::Composite),
        _ => Err(PgError::unsupported(format!("type {}", info.name))),
    }
}

/// Pseudo-types whose values have the type that they carry themselves.
fn is_any(type_oid: Oid) -> bool {
    matches!(
        type_oid,
        types::ANY
            | types::ANYELEMENT
            | types::ANYARRAY
            | types::ANYNONARRAY
            | types::ANYENUM
            | types::ANYCOMPATIBLE
            | types::ANYCOMPATIBLEARRAY
            | types::ANYCOMPATIBLENONARRAY
    )
}

/// What NULL becomes in a column of a type: NULL, if the type is no domain that refuses it.
///
/// # Errors
/// `23502` and `23514`: those of the domain's constraints.
#[inline]
pub fn null_input(type_oid: Oid, env: &dyn Env) -> PgResult<Datum> {
    // Built-in types are no domains that refuse anything.
    if crate::builtin_type(type_oid).is_none()
        && env.type_info(type_oid)?.is_some_and(|info| info.typtype == 'd')
    {
        env.check_domain(type_oid, &Datum::Null)?;
    }
    Ok(Datum::Null)
}

fn no_input(type_oid: Oid, env: &dyn Env) -> PgResult<PgError> {
    let name = env.type_name(type_oid, -1)?;
    Ok(PgError::new(code::FEATURE_NOT_SUPPORTED, format!("cannot accept a value of type {name}")))
}

fn enum_value(type_oid: Oid, label: &str, env: &dyn Env) -> PgResult<Datum> {
    if let Some(member) = env.enum_by_label(type_oid, label)? {
        return Ok(Datum::Enum(member));
    }
    let name = env.type_name(type_oid, -1)?;
    Err(PgError::new(
        code::INVALID_TEXT_REPRESENTATION,
        format!("invalid input value for enum {name}: \"{label}\""),
    ))
}

fn write_enum(datum: &Datum, env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    let Datum::Enum(member) = datum else { return Err(datum.mismatch("enum")) };
    let label = env.enum_label(member.oid)?.ok_or_else(|| {
        PgError::new(
            code::INVALID_BINARY_REPRESENTATION,
            format!("invalid internal value for enum: {}", member.oid),
        )
    })?;
    out.extend_from_slice(label.as_bytes());
    Ok(())
}

fn generic_input(type_oid: Oid, typmod: i32, text: &str, env: &dyn Env) -> PgResult<Datum> {
    if is_any(type_oid) {
        return Err(no_input(type_oid, env)?);
    }
    match classify(type_oid, env)? {
        Generic::Array(elem) => crate::array_io::input(&elem, typmod, text, env),
        Generic::Domain(info) => {
            let value = input(info.basetype, info.typmod, text, env)?;
            env.check_domain(type_oid, &value)?;
            Ok(value)
        }
        Generic::Enum => enum_value(type_oid, text, env),
        Generic::Composite => crate::record_io::input(type_oid, text, env),
    }
}

fn generic_output(datum: &Datum, type_oid: Oid, env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    match datum {
        Datum::Void => return Ok(()),
        Datum::Record(record) => return crate::record_io::output(record, env, out),
        Datum::Enum(_) => return write_enum(datum, env, out),
        Datum::Array(array) => {
            let delim = env.type_info(array.elem_type)?.map_or(',', |elem| elem.delim);
            let elem = ElementType { oid: array.elem_type, delim };
            return crate::array_io::output(array, &elem, env, out);
        }
        _ => {}
    }
    match classify(type_oid, env)? {
        Generic::Domain(info) => output(datum, info.basetype, env, out),
        _ => Err(datum.mismatch("array or composite")),
    }
}

fn generic_recv(type_oid: Oid, typmod: i32, bytes: &[u8], env: &dyn Env) -> PgResult<Datum> {
    if is_any(type_oid) {
        return Err(no_input(type_oid, env)?);
    }
    match classify(type_oid, env)? {
        Generic::Array(elem) => crate::array_io::recv(elem.oid, typmod, bytes, env),
        Generic::Domain(info) => {
            let value = recv(info.basetype, info.typmod, bytes, env)?;
            env.check_domain(type_oid, &value)?;
            Ok(value)
        }
        Generic::Enum => enum_value(type_oid, crate::binary::client_text(bytes)?, env),
        Generic::Composite => crate::record_io::recv(type_oid, bytes, env),
    }
}

fn generic_send(datum: &Datum, type_oid: Oid, env: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    match datum {
        Datum::Void => return Ok(()),
        Datum::Record(record) => return crate::record_io::send(record, env, out),
        Datum::Enum(_) => return write_enum(datum, env, out),
        Datum::Array(array) => return crate::array_io::send(array, env, out),
        _ => {}
    }
    match classify(type_oid, env)? {
        Generic::Domain(info) => send(datum, info.basetype, env, out),
        _ => Err(datum.mismatch("array or composite")),
    }
}

/// `22P02` in the words most input functions use.
pub(crate) fn invalid_syntax(type_name: &str, text: &str) -> PgError {
    PgError::new(
        code::INVALID_TEXT_REPRESENTATION,
        format!("invalid input syntax for type {type_name}: \"{text}\""),
    )
}
