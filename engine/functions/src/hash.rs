//! PostgreSQL's hash functions. Their values are visible: hash partitioning assigns rows by them,
//! and applications call `hashtext`. Bytes are hashed with Bob Jenkins' `lookup3`.

use crate::args::{arg, builtins};
use crate::numeric::Numeric;
use crate::text::bpchar_key;
use crate::{ArrayValue, CallContext, Datum, Env, Oid, RecordValue, types};
use redoubt_error::{PgError, PgResult, code};

/// How to hash: to 32 bits, or to 64 bits with a seed.
#[derive(Clone, Copy)]
pub(crate) enum Width {
    Short,
    Long(u64),
}

/// `lookup3`'s three words.
struct Words(u32, u32, u32);

impl Words {
    /// The initial state for a length, with the seed mixed in.
    fn new(len: usize, width: Width) -> Self {
        let start = 0x9E37_79B9_u32.wrapping_add(len as u32).wrapping_add(3_923_095);
        let mut words = Words(start, start, start);
        if let Width::Long(seed) = width
            && seed != 0
        {
            words.0 = words.0.wrapping_add((seed >> 32) as u32);
            words.1 = words.1.wrapping_add(seed as u32);
            words.mix();
        }
        words
    }

    fn add(&mut self, a: u32, b: u32, c: u32) {
        self.0 = self.0.wrapping_add(a);
        self.1 = self.1.wrapping_add(b);
        self.2 = self.2.wrapping_add(c);
    }

    fn mix(&mut self) {
        let Words(a, b, c) = self;
        let step = |x: &mut u32, y: &mut u32, z: &mut u32, by| {
            *x = x.wrapping_sub(*z) ^ z.rotate_left(by);
            *z = z.wrapping_add(*y);
        };
        step(a, b, c, 4);
        step(b, c, a, 6);
        step(c, a, b, 8);
        step(a, b, c, 16);
        step(b, c, a, 19);
        step(c, a, b, 4);
    }

    fn finish(mut self, width: Width) -> u64 {
        let Words(a, b, c) = &mut self;
        let step = |x: &mut u32, y: &u32, by| *x = (*x ^ *y).wrapping_sub(y.rotate_left(by));
        step(c, b, 14);
        step(a, c, 11);
        step(b, a, 25);
        step(c, b, 16);
        step(a, c, 4);
        step(b, a, 14);
        step(c, b, 24);
        match width {
            Width::Short => u64::from(self.2),
            Width::Long(_) => u64::from(self.1) << 32 | u64::from(self.2),
        }
    }
}

/// Hashes bytes.
pub(crate) fn hash_bytes(bytes: &[u8], width: Width) -> u64 {
    let mut words = Words::new(bytes.len(), width);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
    let (blocks, tail) = bytes.as_chunks::<12>();
    for block in blocks {
        words.add(word(&block[..4]), word(&block[4..8]), word(&block[8..]));
        words.mix();
    }
    let part = |from: usize, to: usize| word(&tail[from.min(tail.len())..to.min(tail.len())]);
    // The lowest byte of the third word is the length's.
    words.add(part(0, 4), part(4, 8), part(8, 12) << 8);
    words.finish(width)
}

/// Hashes four bytes.
pub(crate) fn hash_u32(value: u32, width: Width) -> u64 {
    let mut words = Words::new(4, width);
    words.add(value, 0, 0);
    words.finish(width)
}

/// Hashes eight bytes so that small numbers hash as four bytes do.
pub(crate) fn hash_i64(value: i64, width: Width) -> u64 {
    let (low, high) = (value as u32, (value >> 32) as u32);
    hash_u32(low ^ if value >= 0 { high } else { !high }, width)
}

/// Hashes words as their bytes: what sampling methods choose places by.
pub fn hash_words(words: &[u32]) -> u32 {
    let mut bytes = [0; 16];
    let length = words.len() * 4;
    assert!(length <= bytes.len(), "at most four words");
    for (at, word) in words.iter().enumerate() {
        bytes[at * 4..][..4].copy_from_slice(&word.to_le_bytes());
    }
    hash_bytes(&bytes[..length], Width::Short) as u32
}

/// `hashfloat8`.
pub fn hash_float(value: f64) -> u32 {
    hash_f64(value, Width::Short) as u32
}

fn hash_f64(value: f64, width: Width) -> u64 {
    if value == 0.0 {
        return zero(width);
    }
    let value = if value.is_nan() { f64::from_bits(0x7FF8_0000_0000_0000) } else { value };
    hash_bytes(&value.to_le_bytes(), width)
}

/// What values without a hash of their own hash to.
fn zero(width: Width) -> u64 {
    match width {
        Width::Short => 0,
        Width::Long(seed) => seed,
    }
}

pub(crate) fn hash_numeric(value: &Numeric, width: Width) -> u64 {
    if !value.is_finite() {
        return zero(width);
    }
    if value.is_zero() {
        return match width {
            Width::Short => u64::from(u32::MAX),
            Width::Long(seed) => seed.wrapping_sub(1),
        };
    }
    let digits: Vec<u8> = value.digits.iter().flat_map(|digit| digit.to_le_bytes()).collect();
    let hash = hash_bytes(&digits, width);
    match width {
        Width::Short => u64::from(hash as u32 ^ value.weight as u32),
        Width::Long(_) => hash ^ i64::from(value.weight) as u64,
    }
}

fn hash_array(array: &ArrayValue, env: &dyn Env, width: Width) -> PgResult<u64> {
    check_hashable(array.elem_type, env, width)?;
    let mut result = 1_u64;
    for elem in &array.elems {
        let hash = if elem.is_null() { 0 } else { hash_value(array.elem_type, elem, env, width)? };
        result = combine(result, hash, width);
    }
    Ok(result)
}

fn hash_record(record: &RecordValue, env: &dyn Env, width: Width) -> PgResult<u64> {
    let mut result = 0_u64;
    for (attr, field) in record.desc.attrs.iter().zip(&record.fields).filter(|(attr, _)| !attr.dropped) {
        check_hashable(attr.type_oid, env, width)?;
        let hash = if field.is_null() { 0 } else { hash_value(attr.type_oid, field, env, width)? };
        result = combine(result, hash, width);
    }
    Ok(result)
}

/// 31 times the former result, plus the next.
fn combine(result: u64, hash: u64, width: Width) -> u64 {
    let sum = result.wrapping_mul(31).wrapping_add(hash);
    if matches!(width, Width::Short) { u64::from(sum as u32) } else { sum }
}

/// Fails for types without a default hash operator class.
fn check_hashable(type_oid: Oid, env: &dyn Env, width: Width) -> PgResult<()> {
    let unhashable = matches!(
        type_oid,
        types::BIT
            | types::VARBIT
            | types::JSON
            | types::XML
            | types::JSONPATH
            | types::POINT
            | types::LSEG
            | types::PATH
            | types::BOX
            | types::POLYGON
            | types::LINE
            | types::CIRCLE
            | types::TSVECTOR
            | types::TSQUERY
            | types::MONEY
    );
    if !unhashable {
        return Ok(());
    }
    let kind = if matches!(width, Width::Short) { "a hash function" } else { "an extended hash function" };
    Err(PgError::new(
        code::UNDEFINED_FUNCTION,
        format!("could not identify {kind} for type {}", env.type_name(type_oid, -1)?),
    ))
}

/// The hash of a value by its type's default hash operator class.
///
/// # Errors
/// `42883` when the type, or that of a part of it, has none.
pub(crate) fn hash_value(type_oid: Oid, datum: &Datum, env: &dyn Env, width: Width) -> PgResult<u64> {
    Ok(match datum {
        Datum::Bool(value) => hash_u32(u32::from(*value), width),
        Datum::Char(value) => hash_u32(i32::from(*value as i8) as u32, width),
        Datum::Int2(value) => hash_u32(i32::from(*value) as u32, width),
        Datum::Int4(value) | Datum::Date(value) => hash_u32(*value as u32, width),
        Datum::Int8(value) | Datum::Time(value) | Datum::Timestamp(value) | Datum::TimestampTz(value) => {
            hash_i64(*value, width)
        }
        Datum::Xid8(value) | Datum::Lsn(value) => hash_i64(*value as i64, width),
        Datum::Float4(value) => hash_f64(f64::from(*value), width),
        Datum::Float8(value) => hash_f64(*value, width),
        Datum::Oid(value) => hash_u32(*value, width),
        Datum::Enum(value) => hash_u32(value.oid, width),
        Datum::Tid(value) => {
            let [low, high] = [value.block as u16, (value.block >> 16) as u16].map(u16::to_le_bytes);
            let slot = value.slot.to_le_bytes();
            hash_bytes(&[high[0], high[1], low[0], low[1], slot[0], slot[1]], width)
        }
        Datum::TimeTz(value) => hash_i64(value.time_us, width) ^ hash_u32(value.zone_s as u32, width),
        Datum::Interval(value) => hash_i64(value.sort_key() as i64, width),
        Datum::Macaddr(value) => hash_bytes(value, width),
        Datum::Macaddr8(value) => hash_bytes(value, width),
        Datum::Inet(value) => value.hash(width),
        Datum::Uuid(value) => hash_bytes(value, width),
        Datum::Numeric(value) => hash_numeric(value, width),
        Datum::Text(value) if type_oid == types::BPCHAR => hash_bytes(bpchar_key(value).as_bytes(), width),
        Datum::Text(value) => hash_bytes(value.as_bytes(), width),
        Datum::Bytea(value) => hash_bytes(value, width),
        Datum::Jsonb(value) => value.hash(width),
        Datum::Array(value) if type_oid == types::OIDVECTOR => {
            let mut bytes = Vec::with_capacity(value.elems.len() * 4);
            for elem in &value.elems {
                bytes.extend(elem.as_oid()?.to_le_bytes());
            }
            hash_bytes(&bytes, width)
        }
        Datum::Array(value) => hash_array(value, env, width)?,
        Datum::Record(value) => hash_record(value, env, width)?,
        Datum::JsonPath(_)
        | Datum::Geometry(_)
        | Datum::TsVector(_)
        | Datum::TsQuery(_)
        | Datum::Bit(_)
        | Datum::Null
        | Datum::Void => {
            return Err(datum.mismatch("a value with a hash"));
        }
    })
}

fn short(type_oid: Oid, ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    hash_value(type_oid, arg(args, 0)?, ctx.env, Width::Short).map(|hash| Datum::Int4(hash as i32))
}

fn long(type_oid: Oid, ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    let seed: i64 = arg(args, 1)?;
    hash_value(type_oid, arg(args, 0)?, ctx.env, Width::Long(seed as u64))
        .map(|hash| Datum::Int8(hash as i64))
}

// The kind of a value tells how to hash it, except where types share a representation.
fn hash(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    short(0, ctx, args)
}

fn hash_extended(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    long(0, ctx, args)
}

fn hash_bpchar(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    short(types::BPCHAR, ctx, args)
}

fn hash_bpchar_extended(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    long(types::BPCHAR, ctx, args)
}

fn hash_oidvector(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    short(types::OIDVECTOR, ctx, args)
}

fn hash_oidvector_extended(ctx: &CallContext<'_>, args: &[Datum]) -> PgResult<Datum> {
    long(types::OIDVECTOR, ctx, args)
}

builtins! {
    "hash_array" = hash;
    "hash_array_extended" = hash_extended;
    "hash_numeric" = hash;
    "hash_numeric_extended" = hash_extended;
    "hash_record" = hash;
    "hash_record_extended" = hash_extended;
    "hashbpchar" = hash_bpchar;
    "hashbpcharextended" = hash_bpchar_extended;
    "hashchar" = hash;
    "hashcharextended" = hash_extended;
    "hashenum" = hash;
    "hashenumextended" = hash_extended;
    "hashfloat4" = hash;
    "hashfloat4extended" = hash_extended;
    "hashfloat8" = hash;
    "hashfloat8extended" = hash_extended;
    "hashint2" = hash;
    "hashint2extended" = hash_extended;
    "hashint4" = hash;
    "hashint4extended" = hash_extended;
    "hashint8" = hash;
    "hashint8extended" = hash_extended;
    "hashinet" = hash;
    "hashinetextended" = hash_extended;
    "hashmacaddr" = hash;
    "hashmacaddrextended" = hash_extended;
    "hashmacaddr8" = hash;
    "hashmacaddr8extended" = hash_extended;
    "hashname" = hash;
    "hashnameextended" = hash_extended;
    "hashoid" = hash;
    "hashoidextended" = hash_extended;
    "hashoidvector" = hash_oidvector;
    "hashoidvectorextended" = hash_oidvector_extended;
    "hashtext" = hash;
    "hashtextextended" = hash_extended;
    "hashtid" = hash;
    "hashtidextended" = hash_extended;
    "hashvarlena" = hash;
    "hashvarlenaextended" = hash_extended;
    "interval_hash" = hash;
    "interval_hash_extended" = hash_extended;
    "pg_lsn_hash" = hash;
    "pg_lsn_hash_extended" = hash_extended;
    "time_hash" = hash;
    "time_hash_extended" = hash_extended;
    "timestamp_hash" = hash;
    "timestamp_hash_extended" = hash_extended;
    "timetz_hash" = hash;
    "timetz_hash_extended" = hash_extended;
    "uuid_hash" = hash;
    "uuid_hash_extended" = hash_extended;
}
