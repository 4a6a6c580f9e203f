//! How one value is stored: a tag and what the tag says follows.
//!
//! The form describes itself, so that neither a reader without a catalog nor a domain or enum that was
//! made after the code needs a type look-up. Integers drop the bytes that their sign says already; texts of
//! up to 127 bytes have their length in the tag. Every value has exactly one form: equal bytes are equal
//! values, which is what HOT updates compare.
//!
//! ```text
//! 00          NULL                     30 float4   34 pg_lsn        38 timestamptz
//! 01 02       false, true              31 float8   35 time          39 interval
//! 03          "char"                   32 xid8     36 timetz        3a uuid
//! 04..06      int2 in 0 to 2 bytes     33 tid      37 timestamp     3b enum
//! 08..0c      int4 in 0 to 4 bytes     40 numeric  42 bytea  44 array    46 jsonb
//! 10..18      int8 in 0 to 8 bytes     41 text     43 bits   45 record   47 jsonpath   48 geometry
//! 20..24      oid in 0 to 4 bytes      49 tsvector 4a tsquery    each of 40 to 4a: length, then so many bytes
//! 28..2c      date in 0 to 4 bytes     3c macaddr  3d macaddr8   3e inet
//! 50          reference to a value elsewhere, 10 bytes
//! 80..ff      text of 0 to 127 bytes
//! ```

use std::sync::Arc;

use redoubt_error::{PgError, PgResult, code};
use redoubt_functions::{
    ArrayValue, Attribute, BitString, Datum, Dimension, EnumValue, Geometry, Inet, Interval, JsonPath, Jsonb,
    RecordValue, TidValue, TimeTz, TsQuery, TsVector, TupleDesc,
};

mod numeric;

const NULL: u8 = 0x00;
const FALSE: u8 = 0x01;
const TRUE: u8 = 0x02;
const CHAR: u8 = 0x03;
const INT2: u8 = 0x04;
const INT4: u8 = 0x08;
const INT8: u8 = 0x10;
const OID: u8 = 0x20;
const DATE: u8 = 0x28;
const FLOAT4: u8 = 0x30;
const FLOAT8: u8 = 0x31;
const XID8: u8 = 0x32;
const TID: u8 = 0x33;
const LSN: u8 = 0x34;
const TIME: u8 = 0x35;
const TIMETZ: u8 = 0x36;
const TIMESTAMP: u8 = 0x37;
const TIMESTAMPTZ: u8 = 0x38;
const INTERVAL: u8 = 0x39;
const UUID: u8 = 0x3a;
const ENUM: u8 = 0x3b;
const MACADDR: u8 = 0x3c;
const MACADDR8: u8 = 0x3d;
const INET: u8 = 0x3e;
/// The bytes of an `inet`: whether it is IPv6, the length of its network part, its address.
const INET_BYTES: usize = 18;
const NUMERIC: u8 = 0x40;
const TEXT: u8 = 0x41;
const BYTEA: u8 = 0x42;
const BIT: u8 = 0x43;
const ARRAY: u8 = 0x44;
const RECORD: u8 = 0x45;
const JSONB: u8 = 0x46;
const JSONPATH: u8 = 0x47;
const GEOMETRY: u8 = 0x48;
const TSVECTOR: u8 = 0x49;
const TSQUERY: u8 = 0x4a;
/// A reference to a value stored elsewhere, 10 bytes; the heap resolves it before anybody reads the row.
pub(crate) const EXTERNAL: u8 = 0x50;
const SHORT_TEXT: u8 = 0x80;

/// How deep arrays and records may nest; a damaged page must not exhaust the stack.
const MAX_NESTING: u32 = 64;

/// Appends a value.
///
/// # Errors
/// When the value cannot be stored: `void`, or arrays and records nested too deeply.
pub fn encode(datum: &Datum, out: &mut Vec<u8>) -> PgResult<()> {
    encode_nested(datum, out, 0)
}

fn encode_nested(datum: &Datum, out: &mut Vec<u8>, depth: u32) -> PgResult<()> {
    match datum {
        Datum::Null => out.push(NULL),
        Datum::Bool(value) => out.push(if *value { TRUE } else { FALSE }),
        Datum::Char(value) => out.extend([CHAR, *value]),
        Datum::Int2(value) => put_signed(out, INT2, i64::from(*value)),
        Datum::Int4(value) => put_signed(out, INT4, i64::from(*value)),
        Datum::Int8(value) => put_signed(out, INT8, *value),
        Datum::Oid(value) => put_unsigned(out, OID, *value),
        Datum::Date(value) => put_signed(out, DATE, i64::from(*value)),
        Datum::Float4(value) => put(out, FLOAT4, &value.to_le_bytes()),
        Datum::Float8(value) => put(out, FLOAT8, &value.to_le_bytes()),
        Datum::Xid8(value) => put(out, XID8, &value.to_le_bytes()),
        Datum::Lsn(value) => put(out, LSN, &value.to_le_bytes()),
        Datum::Time(value) => put(out, TIME, &value.to_le_bytes()),
        Datum::Timestamp(value) => put(out, TIMESTAMP, &value.to_le_bytes()),
        Datum::TimestampTz(value) => put(out, TIMESTAMPTZ, &value.to_le_bytes()),
        Datum::Uuid(value) => put(out, UUID, value),
        Datum::Macaddr(value) => put(out, MACADDR, value),
        Datum::Macaddr8(value) => put(out, MACADDR8, value),
        Datum::Inet(value) => {
            put(out, INET, &[u8::from(value.is_v6), value.bits]);
            out.extend(value.address);
        }
        Datum::Tid(value) => {
            put(out, TID, &value.block.to_le_bytes());
            out.extend(value.slot.to_le_bytes());
        }
        Datum::TimeTz(value) => {
            put(out, TIMETZ, &value.time_us.to_le_bytes());
            out.extend(value.zone_s.to_le_bytes());
        }
        Datum::Interval(value) => {
            put(out, INTERVAL, &value.months.to_le_bytes());
            out.extend(value.days.to_le_bytes());
            out.extend(value.usecs.to_le_bytes());
        }
        Datum::Enum(value) => {
            put(out, ENUM, &value.oid.to_le_bytes());
            out.extend(value.sort.to_le_bytes());
        }
        Datum::Text(value) if value.len() < 128 => put(out, SHORT_TEXT | value.len() as u8, value.as_bytes()),
        Datum::Text(value) => put_long(out, TEXT, value.as_bytes()),
        Datum::Bytea(value) => put_long(out, BYTEA, value),
        other => {
            if depth == MAX_NESTING {
                let message = format!("values nested more than {MAX_NESTING} levels deep cannot be stored");
                return Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, message));
            }
            let mut body = Vec::new();
            let tag = encode_body(other, &mut body, depth)?;
            put_long(out, tag, &body);
        }
    }
    Ok(())
}

/// Values made of parts: the tag, and the parts into `body`.
fn encode_body(datum: &Datum, body: &mut Vec<u8>, depth: u32) -> PgResult<u8> {
    match datum {
        Datum::Numeric(_) => {
            numeric::encode(datum, body)?;
            Ok(NUMERIC)
        }
        Datum::Bit(value) => {
            put_varint(body, u64::from(value.len_bits));
            body.extend_from_slice(&value.bytes);
            Ok(BIT)
        }
        Datum::Jsonb(value) => {
            body.extend(value.to_bytes()?);
            Ok(JSONB)
        }
        Datum::TsVector(value) => {
            body.extend(value.to_bytes());
            Ok(TSVECTOR)
        }
        Datum::TsQuery(value) => {
            body.extend(value.to_bytes());
            Ok(TSQUERY)
        }
        Datum::JsonPath(path) => {
            body.extend(path.to_string().into_bytes());
            Ok(JSONPATH)
        }
        Datum::Geometry(value) => {
            let (kind, numbers) = value.numbers();
            body.push(kind);
            numbers.iter().for_each(|number| body.extend(number.to_le_bytes()));
            Ok(GEOMETRY)
        }
        Datum::Array(array) => {
            put_varint(body, u64::from(array.elem_type));
            put_varint(body, array.dims.len() as u64);
            for dim in &array.dims {
                body.extend(dim.len.to_le_bytes());
                body.extend(dim.lower.to_le_bytes());
            }
            array.elems.iter().try_for_each(|elem| encode_nested(elem, body, depth + 1))?;
            Ok(ARRAY)
        }
        Datum::Record(record) => {
            put_varint(body, u64::from(record.type_oid));
            put_varint(body, record.fields.len() as u64);
            for (attr, field) in record.desc.attrs.iter().zip(&record.fields) {
                put_varint(body, if attr.dropped { 0 } else { u64::from(attr.type_oid) });
                body.extend(attr.typmod.to_le_bytes());
                encode_nested(field, body, depth + 1)?;
            }
            Ok(RECORD)
        }
        other => Err(PgError::internal(format!("a value of kind {} cannot be stored", other.kind()))),
    }
}

fn put(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

fn put_long(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A stored value (tag included) that is a `numeric`, as a whole number of `10^-scale` and that scale; `None` when
/// it is not finite, or too large or long for sums of it to stay in 128 bits (`10^20`, 18 decimals).
pub fn numeric_units(stored: &[u8]) -> Option<(i128, u32)> {
    let mut values = Values::new(stored);
    match values.byte() {
        Ok(NUMERIC) => numeric::units(values.long().ok()?),
        _ => None,
    }
}

/// The fewest bytes from which the sign extends to the value.
fn put_signed(out: &mut Vec<u8>, tag: u8, value: i64) {
    let significant_bits = 64 - (value ^ value >> 63).leading_zeros();
    let len = if value == 0 { 0 } else { (significant_bits as usize + 1).div_ceil(8) };
    put(out, tag + len as u8, &value.to_le_bytes()[..len]);
}

fn put_unsigned(out: &mut Vec<u8>, tag: u8, value: u32) {
    let len = (32 - value.leading_zeros() as usize).div_ceil(8);
    put(out, tag + len as u8, &value.to_le_bytes()[..len]);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A cursor over stored values. Damaged bytes are answered with `XX001`, never with a panic.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    rest: &'a [u8],
    depth: u32,
}

impl<'a> Values<'a> {
    /// Starts at the first value.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, depth: 0 }
    }

    /// Reads the next value.
    ///
    /// # Errors
    /// `XX001` when the bytes are damaged.
    #[inline]
    pub fn read(&mut self) -> PgResult<Datum> {
        let tag = self.byte()?;
        Ok(match tag {
            NULL => Datum::Null,
            SHORT_TEXT.. => Datum::Text(text(self.take(usize::from(tag & 0x7f))?)?),
            INT4..=0x0c => Datum::Int4(self.signed(tag - INT4)? as i32),
            INT8..=0x18 => Datum::Int8(self.signed(tag - INT8)?),
            FALSE => Datum::Bool(false),
            TRUE => Datum::Bool(true),
            CHAR => Datum::Char(self.byte()?),
            INT2..=0x06 => Datum::Int2(self.signed(tag - INT2)? as i16),
            OID..=0x24 => Datum::Oid(self.unsigned(tag - OID)?),
            DATE..=0x2c => Datum::Date(self.signed(tag - DATE)? as i32),
            FLOAT4 => Datum::Float4(f32::from_le_bytes(self.array()?)),
            FLOAT8 => Datum::Float8(f64::from_le_bytes(self.array()?)),
            XID8 => Datum::Xid8(u64::from_le_bytes(self.array()?)),
            LSN => Datum::Lsn(u64::from_le_bytes(self.array()?)),
            TIME => Datum::Time(i64::from_le_bytes(self.array()?)),
            TIMESTAMP => Datum::Timestamp(i64::from_le_bytes(self.array()?)),
            TIMESTAMPTZ => Datum::TimestampTz(i64::from_le_bytes(self.array()?)),
            UUID => Datum::Uuid(self.array()?),
            TID => Datum::Tid(TidValue {
                block: u32::from_le_bytes(self.array()?),
                slot: u16::from_le_bytes(self.array()?),
            }),
            TIMETZ => Datum::TimeTz(TimeTz {
                time_us: i64::from_le_bytes(self.array()?),
                zone_s: i32::from_le_bytes(self.array()?),
            }),
            INTERVAL => Datum::Interval(Interval {
                months: i32::from_le_bytes(self.array()?),
                days: i32::from_le_bytes(self.array()?),
                usecs: i64::from_le_bytes(self.array()?),
            }),
            ENUM => Datum::Enum(EnumValue {
                oid: u32::from_le_bytes(self.array()?),
                sort: f32::from_le_bytes(self.array()?),
            }),
            MACADDR => Datum::Macaddr(self.array()?),
            MACADDR8 => Datum::Macaddr8(self.array()?),
            INET => self.inet()?,
            TEXT => Datum::Text(text(self.long()?)?),
            BYTEA => Datum::Bytea(self.long()?.into()),
            NUMERIC => numeric::decode(self.long()?)?,
            BIT => self.nested()?.bits()?,
            JSONB => match Jsonb::from_bytes(self.long()?) {
                Some(value) => Datum::Jsonb(Arc::new(value)),
                None => return Err(damaged("a jsonb")),
            },
            JSONPATH => {
                let path = std::str::from_utf8(self.long()?).ok().and_then(|text| JsonPath::parse(text).ok());
                Datum::JsonPath(Arc::new(path.ok_or_else(|| damaged("a jsonpath"))?))
            }
            GEOMETRY => geometry(self.long()?)?,
            TSVECTOR => match TsVector::from_bytes(self.long()?) {
                Ok(value) => Datum::TsVector(Arc::new(value)),
                Err(_) => return Err(damaged("a tsvector")),
            },
            TSQUERY => match TsQuery::from_bytes(self.long()?) {
                Ok(value) => Datum::TsQuery(Arc::new(value)),
                Err(_) => return Err(damaged("a tsquery")),
            },
            ARRAY => self.nested()?.array_value()?,
            RECORD => self.nested()?.record_value()?,
            _ => return Err(damaged("unknown tag")),
        })
    }

    /// Passes over the next value.
    ///
    /// # Errors
    /// `XX001` when the bytes are damaged.
    #[inline]
    pub fn skip(&mut self) -> PgResult<()> {
        let tag = self.byte()?;
        let len = match tag {
            SHORT_TEXT.. => usize::from(tag & 0x7f),
            NULL | FALSE | TRUE => 0,
            INT4..=0x0c => usize::from(tag - INT4),
            INT8..=0x18 => usize::from(tag - INT8),
            INT2..=0x06 => usize::from(tag - INT2),
            OID..=0x24 => usize::from(tag - OID),
            DATE..=0x2c => usize::from(tag - DATE),
            CHAR => 1,
            FLOAT4 => 4,
            TID => 6,
            FLOAT8 | XID8 | LSN | TIME | TIMESTAMP | TIMESTAMPTZ | ENUM => 8,
            MACADDR => 6,
            MACADDR8 => 8,
            INET => INET_BYTES,
            TIMETZ => 12,
            UUID | INTERVAL => 16,
            NUMERIC..=TSQUERY => self.len()?,
            EXTERNAL => 10,
            _ => return Err(damaged("unknown tag")),
        };
        self.take(len).map(drop)
    }

    /// The bytes of the next value, tag included.
    ///
    /// # Errors
    /// `XX001` when the bytes are damaged.
    #[inline]
    pub fn raw(&mut self) -> PgResult<&'a [u8]> {
        let before = self.rest;
        self.skip()?;
        Ok(&before[..before.len() - self.rest.len()])
    }

    /// The next value, which is a text or NULL, without copying it.
    ///
    /// # Errors
    /// `XX001` when the bytes are damaged or are another value.
    #[inline]
    pub fn read_text(&mut self) -> PgResult<Option<&'a str>> {
        let bytes = match self.byte()? {
            NULL => return Ok(None),
            tag @ SHORT_TEXT.. => self.take(usize::from(tag & 0x7f))?,
            TEXT => self.long()?,
            _ => return Err(damaged("a value that is no text")),
        };
        std::str::from_utf8(bytes).map(Some).map_err(|_| damaged("a text that is not UTF-8"))
    }

    /// As [`Values::raw`], but nothing for a NULL.
    ///
    /// # Errors
    /// `XX001` when the bytes are damaged.
    #[inline]
    pub fn read_raw(&mut self) -> PgResult<Option<&'a [u8]>> {
        let raw = self.raw()?;
        Ok(if raw == [NULL] { None } else { Some(raw) })
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    fn take(&mut self, len: usize) -> PgResult<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| damaged("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn byte(&mut self) -> PgResult<u8> {
        let (&first, rest) = self.rest.split_first().ok_or_else(|| damaged("it ends too early"))?;
        self.rest = rest;
        Ok(first)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> PgResult<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| damaged("it ends too early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    fn signed(&mut self, len: u8) -> PgResult<i64> {
        let bytes = self.take(usize::from(len))?;
        let negative = bytes.last().is_some_and(|&last| last & 0x80 != 0);
        let mut value = if negative { [0xff; 8] } else { [0; 8] };
        value[..bytes.len()].copy_from_slice(bytes);
        Ok(i64::from_le_bytes(value))
    }

    #[inline]
    fn unsigned(&mut self, len: u8) -> PgResult<u32> {
        let bytes = self.take(usize::from(len))?;
        let mut value = [0; 4];
        value[..bytes.len()].copy_from_slice(bytes);
        Ok(u32::from_le_bytes(value))
    }

    fn varint(&mut self) -> PgResult<u64> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(damaged("a length without end"))
    }

    fn len(&mut self) -> PgResult<usize> {
        usize::try_from(self.varint()?).map_err(|_| damaged("a length beyond memory"))
    }

    fn oid(&mut self) -> PgResult<u32> {
        u32::try_from(self.varint()?).map_err(|_| damaged("an OID beyond 32 bits"))
    }

    fn long(&mut self) -> PgResult<&'a [u8]> {
        let len = self.len()?;
        self.take(len)
    }

    fn nested(&mut self) -> PgResult<Self> {
        if self.depth == MAX_NESTING {
            return Err(damaged("it is nested too deeply"));
        }
        Ok(Self { rest: self.long()?, depth: self.depth + 1 })
    }

    fn inet(&mut self) -> PgResult<Datum> {
        let is_v6 = match self.byte()? {
            0 => false,
            1 => true,
            _ => return Err(damaged("an address family")),
        };
        let value = Inet { is_v6, bits: self.byte()?, address: self.array()? };
        if value.bits > if is_v6 { 128 } else { 32 } {
            return Err(damaged("a network part too long"));
        }
        Ok(Datum::Inet(value))
    }

    fn bits(&mut self) -> PgResult<Datum> {
        let len_bits = u32::try_from(self.varint()?).map_err(|_| damaged("a bit string too long"))?;
        if self.rest.len() != (len_bits as usize).div_ceil(8) {
            return Err(damaged("a bit string of the wrong length"));
        }
        Ok(Datum::Bit(Arc::new(BitString { len_bits, bytes: self.rest.into() })))
    }

    fn array_value(&mut self) -> PgResult<Datum> {
        let elem_type = self.oid()?;
        let ndim = self.varint()?;
        if ndim > redoubt_functions::MAX_DIMENSIONS as u64 {
            return Err(damaged("too many dimensions"));
        }
        let mut array = ArrayValue::empty(elem_type);
        let mut count = usize::from(ndim > 0);
        for _ in 0..ndim {
            let dim = Dimension {
                len: i32::from_le_bytes(self.array()?),
                lower: i32::from_le_bytes(self.array()?),
            };
            let len = usize::try_from(dim.len).map_err(|_| damaged("a negative dimension"))?;
            count = count.checked_mul(len).ok_or_else(|| damaged("too many elements"))?;
            array.dims.push(dim);
        }
        // Every element has at least its tag.
        if count > self.rest.len() {
            return Err(damaged("more elements than bytes"));
        }
        array.elems = (0..count).map(|_| self.read()).collect::<PgResult<_>>()?;
        if !self.is_empty() {
            return Err(damaged("bytes behind an array's elements"));
        }
        Ok(Datum::Array(Arc::new(array)))
    }

    fn record_value(&mut self) -> PgResult<Datum> {
        let type_oid = self.oid()?;
        let count = self.len()?;
        if count > self.rest.len() {
            return Err(damaged("more fields than bytes"));
        }
        let (mut attrs, mut fields) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for number in 1..=count {
            let mut attr = Attribute::new(format!("f{number}"), self.oid()?);
            attr.typmod = i32::from_le_bytes(self.array()?);
            attr.dropped = attr.type_oid == 0;
            attrs.push(attr);
            fields.push(self.read()?);
        }
        let record = RecordValue { type_oid, desc: TupleDesc::new(attrs), fields: fields.into() };
        Ok(Datum::Record(Arc::new(record)))
    }
}

fn geometry(bytes: &[u8]) -> PgResult<Datum> {
    let (kind, rest) = bytes.split_first().ok_or_else(|| damaged("a geometric value"))?;
    let (numbers, left) = rest.as_chunks::<8>();
    let numbers: Vec<f64> = numbers.iter().map(|number| f64::from_le_bytes(*number)).collect();
    let value = Geometry::from_numbers(*kind, &numbers).filter(|_| left.is_empty());
    value.map(|value| Datum::Geometry(Arc::new(value))).ok_or_else(|| damaged("a geometric value"))
}

fn text(bytes: &[u8]) -> PgResult<Arc<str>> {
    std::str::from_utf8(bytes).map(Arc::from).map_err(|_| damaged("text that is not UTF-8"))
}

#[cold]
fn damaged(what: &str) -> PgError {
    PgError::new(code::DATA_CORRUPTED, format!("a stored value is damaged: {what}"))
}
