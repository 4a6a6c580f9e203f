//! Stored values: what goes in comes out, in as few bytes as promised, and damage is an error.

use std::sync::Arc;

use redoubt_access::value::{Values, encode};
use redoubt_access::{TupleRef, deform, deform_needed, form_tuple, same_columns};
use redoubt_functions::{
    ArrayValue, Attribute, BitString, Datum, Dimension, EnumValue, Interval, PlainEnv, RecordValue, TidValue,
    TimeTz, TupleDesc, io, types,
};

fn stored(datum: &Datum) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(datum, &mut bytes).unwrap();
    bytes
}

fn samples() -> Vec<Datum> {
    let mut samples = vec![
        Datum::Null,
        Datum::Bool(true),
        Datum::Bool(false),
        Datum::Char(b'x'),
        Datum::Float4(-0.0),
        Datum::Float8(1.5e300),
        Datum::Xid8(u64::MAX),
        Datum::Lsn(77),
        Datum::Tid(TidValue { block: u32::MAX, slot: 7 }),
        Datum::Time(86_400_000_000),
        Datum::TimeTz(TimeTz { time_us: 1, zone_s: -3600 }),
        Datum::Timestamp(i64::MIN),
        Datum::TimestampTz(i64::MAX),
        Datum::Interval(Interval { months: -1, days: 2, usecs: i64::MAX }),
        Datum::Uuid([9; 16]),
        Datum::Enum(EnumValue { oid: 16_400, sort: 1.5 }),
        Datum::text(""),
        Datum::text("x".repeat(127)),
        Datum::text("ä".repeat(64)),
        Datum::text("long ".repeat(1000)),
        Datum::Bytea(Arc::from(&[0u8, 255, 3][..])),
        Datum::Bit(Arc::new(BitString { len_bits: 11, bytes: Box::new([0xff, 0xe0]) })),
        Datum::Macaddr([1, 2, 3, 4, 5, 6]),
        Datum::Macaddr8([8; 8]),
        io::input(types::INET, -1, "10.1.2.3/8", &PlainEnv::default()).unwrap(),
        io::input(types::CIDR, -1, "::/0", &PlainEnv::default()).unwrap(),
        io::input(types::JSONB, -1, r#"{"a": [1.50, null, true, "x"], "b": {}}"#, &PlainEnv::default())
            .unwrap(),
        io::input(types::JSONB, -1, "0", &PlainEnv::default()).unwrap(),
        io::input(types::JSONPATH, -1, "strict $.a[*] ? (@ > 1)", &PlainEnv::default()).unwrap(),
        io::input(types::TSVECTOR, -1, "b:1A,3 'a c':2", &PlainEnv::default()).unwrap(),
        io::input(types::TSQUERY, -1, "a:*B & !(b <2> c | d)", &PlainEnv::default()).unwrap(),
        io::input(types::POINT, -1, "(1,2)", &PlainEnv::default()).unwrap(),
        io::input(types::LINE, -1, "{1,2,3}", &PlainEnv::default()).unwrap(),
        io::input(types::PATH, -1, "[(1,2),(3,4),(5,6)]", &PlainEnv::default()).unwrap(),
        io::input(types::CIRCLE, -1, "<(1,2),3>", &PlainEnv::default()).unwrap(),
        Datum::Array(Arc::new(ArrayValue::empty(types::INT4))),
        Datum::Array(Arc::new(ArrayValue::vector(types::OID, vec![]))),
        Datum::Array(Arc::new(
            ArrayValue::with_dims(
                types::TEXT,
                &[Dimension { len: 2, lower: -1 }, Dimension { len: 1, lower: 5 }],
                vec![Datum::text("a"), Datum::Null],
            )
            .unwrap(),
        )),
    ];
    for bits in 0..64 {
        let power = 1i64 << bits;
        for value in
            [power.wrapping_sub(1), power, power.wrapping_neg(), power.wrapping_neg().wrapping_sub(1)]
        {
            samples.extend([Datum::Int8(value), Datum::Int4(value as i32), Datum::Int2(value as i16)]);
            samples.extend([Datum::Date(value as i32), Datum::Oid(value as u32)]);
        }
    }
    samples
}

#[test]
fn values_come_back() {
    for datum in samples() {
        let bytes = stored(&datum);
        let mut values = Values::new(&bytes);
        let back = values.read().unwrap();
        assert!(values.is_empty());
        assert_eq!(format!("{back:?}"), format!("{datum:?}"));
        assert_eq!(stored(&back), bytes, "{datum:?} has one form");
        let mut values = Values::new(&bytes);
        assert_eq!(values.raw().unwrap(), bytes);
        assert!(values.is_empty());
    }
}

#[test]
fn numbers_come_back() {
    let env = PlainEnv::default();
    for (text, bytes) in [
        ("0", 4),
        ("0.00", 4),
        ("1", 6),
        ("-1234.56", 8),
        ("12345678.9", 10),
        ("1e-200", 9),
        ("0.0000000000000000000000000000000001", 8),
        ("1e1000", 8),
        ("9999999999999999999999999999999999999999.9999999999999999999999999999999999999", 46),
        ("NaN", 4),
        ("Infinity", 6),
        ("-Infinity", 6),
    ] {
        let number = io::input(types::NUMERIC, -1, text, &env).unwrap();
        let stored = stored(&number);
        let back = Values::new(&stored).read().unwrap();
        let show = |number| io::output_string(number, types::NUMERIC, &env).unwrap();
        assert_eq!(show(&back), show(&number));
        assert!(stored.len() <= bytes, "{text} takes {} bytes", stored.len());
        for end in 0..stored.len() {
            assert!(Values::new(&stored[..end]).read().is_err());
        }
        for at in 0..stored.len() {
            let mut bent = stored.clone();
            bent[at] ^= 0xff;
            let _ = Values::new(&bent).read();
        }
    }
}

#[test]
fn short_values_are_short() {
    for (datum, bytes) in [
        (Datum::Int4(0), 1),
        (Datum::Int4(-1), 2),
        (Datum::Int4(127), 2),
        (Datum::Int4(128), 3),
        (Datum::Int4(-128), 2),
        (Datum::Int4(100_000), 4),
        (Datum::Int4(i32::MAX), 5),
        (Datum::Int8(i64::MIN), 9),
        (Datum::Oid(1259), 3),
        (Datum::text("abc"), 4),
        (Datum::text("x".repeat(128)), 131),
        (Datum::Null, 1),
    ] {
        assert_eq!(stored(&datum).len(), bytes, "{datum:?}");
    }
}

#[test]
fn damaged_values_are_errors() {
    for datum in samples() {
        let bytes = stored(&datum);
        for end in 0..bytes.len() {
            assert!(Values::new(&bytes[..end]).read().is_err() || end == 0 && bytes.is_empty(), "{datum:?}");
            assert!(Values::new(&bytes[..end]).skip().is_err());
        }
        for at in 0..bytes.len().min(60) {
            for flip in [1, 0x80, 0xff] {
                let mut bent = bytes.clone();
                bent[at] ^= flip;
                // Anything but a panic.
                let _ = Values::new(&bent).read();
                let _ = Values::new(&bent).skip();
            }
        }
    }
    let mut nested = Datum::Int4(1);
    for _ in 0..64 {
        nested = Datum::Array(Arc::new(ArrayValue::from_elems(types::INT4, vec![nested])));
    }
    let bytes = stored(&nested);
    assert!(Values::new(&bytes).read().is_ok());
    let too_deep = Datum::Array(Arc::new(ArrayValue::from_elems(types::INT4, vec![nested])));
    assert_eq!(encode(&too_deep, &mut Vec::new()).unwrap_err().code().as_str(), "54000");
    assert!(encode(&Datum::Void, &mut Vec::new()).is_err());
}

#[test]
fn records_keep_their_types() {
    let desc = TupleDesc::new(vec![Attribute::new("a", types::INT4), Attribute::new("b", types::TEXT)]);
    let fields = vec![Datum::Int4(5), Datum::text("x")].into();
    let record = Datum::Record(Arc::new(RecordValue { type_oid: 16_500, desc, fields }));
    let back = Values::new(&stored(&record)).read().unwrap().as_record().unwrap();
    assert_eq!(back.type_oid, 16_500);
    assert_eq!(
        back.desc.attrs.iter().map(|attr| attr.type_oid).collect::<Vec<_>>(),
        [types::INT4, types::TEXT]
    );
    assert_eq!(format!("{:?}", back.fields), format!("{:?}", [Datum::Int4(5), Datum::text("x")]));
}

#[test]
fn rows_by_descriptor() {
    let column = |name: &str| Attribute::new(name, types::INT4);
    let old = TupleDesc::new(vec![column("a"), column("b"), column("c")]);
    let mut row = Vec::new();
    form_tuple(&old, &[Datum::Int4(1), Datum::Null, Datum::Int4(3)], &mut row).unwrap();
    let mut dropped = column("a");
    dropped.dropped = true;
    let mut added = column("d");
    added.missing = Some(Datum::Int4(42));
    let new = TupleDesc::new(vec![dropped, column("b"), column("c"), added, column("e")]);
    let tuple = TupleRef::new(&row).unwrap();
    let read = |needed: Option<&[bool]>| {
        let mut out = Vec::new();
        match needed {
            None => deform(tuple, &new, 5, &mut out).unwrap(),
            Some(needed) => deform_needed(tuple, &new, needed, &mut out).unwrap(),
        }
        format!("{out:?}")
    };
    assert_eq!(read(None), "[Null, Null, Int4(3), Int4(42), Null]");
    assert_eq!(read(Some(&[true, false, true])), "[Null, Null, Int4(3)]");
    assert_eq!(read(Some(&[false, false, false, true, true])), "[Null, Null, Null, Int4(42), Null]");

    let mut other = Vec::new();
    form_tuple(&old, &[Datum::Int4(1), Datum::Int4(2), Datum::Int4(3)], &mut other).unwrap();
    let other = TupleRef::new(&other).unwrap();
    assert!(same_columns(tuple, other, &[true, false, true]).unwrap());
    assert!(!same_columns(tuple, other, &[true, true]).unwrap());
    assert!(!same_columns(tuple, other, &[false, false, false, true]).unwrap());
}
