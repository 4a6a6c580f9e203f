//! Text input and output of simple types, and a few operators, as PostgreSQL prints them.

use redoubt_functions::{CallContext, Datum, PlainEnv, builtin, io, types};

/// Parses and prints; an error shows as `SQLSTATE message`.
fn round_trip(type_oid: u32, typmod: i32, text: &str) -> String {
    let env = PlainEnv::default();
    match io::input(type_oid, typmod, text, &env).and_then(|datum| io::output_string(&datum, type_oid, &env))
    {
        Ok(text) => text,
        Err(error) => format!("{} {}", error.code(), error.message()),
    }
}

#[test]
fn simple_types_round_trip() {
    let check = |type_oid, text, expect: &str| assert_eq!(round_trip(type_oid, -1, text), expect, "{text}");
    check(types::INT4, " 42 ", "42");
    check(types::INT4, "-2147483648", "-2147483648");
    check(types::INT4, "2147483648", "22003 value \"2147483648\" is out of range for type integer");
    check(types::INT4, "2147483648x", "22P02 invalid input syntax for type integer: \"2147483648x\"");
    check(types::INT4, "12x", "22P02 invalid input syntax for type integer: \"12x\"");
    check(types::INT4, "", "22P02 invalid input syntax for type integer: \"\"");
    check(types::INT2, "40000", "22003 value \"40000\" is out of range for type smallint");
    check(types::INT8, "-9223372036854775808", "-9223372036854775808");
    check(types::OID, "-1", "4294967295");
    check(types::OID, "4294967296", "22003 value \"4294967296\" is out of range for type oid");
    check(types::BOOL, " TRU ", "t");
    check(types::BOOL, "of", "f");
    check(types::BOOL, "o", "22P02 invalid input syntax for type boolean: \"o\"");
    check(types::CHAR, "\\101", "A");
    check(types::NAME, &"é".repeat(40), &"é".repeat(31));
}

#[test]
fn length_limits() {
    let check = |type_oid, limit: i32, text, expect: &str| {
        assert_eq!(round_trip(type_oid, limit + 4, text), expect, "{text}");
    };
    check(types::VARCHAR, 3, "abc  ", "abc");
    check(types::VARCHAR, 3, "abcd", "22001 value too long for type character varying(3)");
    check(types::BPCHAR, 5, "é", "é    ");
    check(types::BPCHAR, 1, "ab", "22001 value too long for type character(1)");
}

#[test]
fn integer_operators_overflow() {
    let env = PlainEnv::default();
    let ctx = CallContext::new(&env);
    let check = |name, args: &[Datum], expect: &str| {
        let shown = match builtin(name).expect(name)(&ctx, args) {
            Ok(Datum::Int4(value)) => value.to_string(),
            Ok(Datum::Int8(value)) => value.to_string(),
            Ok(Datum::Int2(value)) => value.to_string(),
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("{} {}", error.code(), error.message()),
        };
        assert_eq!(shown, expect, "{name}");
    };
    check("int4pl", &[Datum::Int4(i32::MAX), Datum::Int4(1)], "22003 integer out of range");
    check("int48mul", &[Datum::Int4(3), Datum::Int8(5)], "15");
    check("int2div", &[Datum::Int2(1), Datum::Int2(0)], "22012 division by zero");
    check("int4div", &[Datum::Int4(i32::MIN), Datum::Int4(-1)], "22003 integer out of range");
    check("int4mod", &[Datum::Int4(i32::MIN), Datum::Int4(-1)], "0");
    check("int4shl", &[Datum::Int4(1), Datum::Int4(33)], "2");
    check("int2shl", &[Datum::Int2(1), Datum::Int4(15)], "-32768");
    check("int8gcd", &[Datum::Int8(i64::MIN), Datum::Int8(0)], "22003 bigint out of range");
    check("int4lcm", &[Datum::Int4(4), Datum::Int4(-6)], "12");
}
