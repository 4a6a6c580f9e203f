//! `inet` and `cidr`: IPv4 and IPv6 addresses with the length of their network part.

use crate::args::{FromDatum, IntoDatum, builtins};
use crate::binary::BinaryReader;
use crate::hash::{Width, hash_bytes};
use crate::inet_text::{parse_cidr, parse_inet, write_address, write_short_cidr};
use crate::io::{TypeIo, invalid_syntax};
use crate::{Datum, Env};
use redoubt_error::{PgError, PgResult, code};
use std::cmp::Ordering;

/// An `inet` or `cidr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inet {
    /// IPv6, else IPv4.
    pub is_v6: bool,
    /// Bits of the network part.
    pub bits: u8,
    /// The address from the left; of an IPv4 address the last 12 bytes are 0.
    pub address: [u8; 16],
}

/// Address families in the binary form (PostgreSQL's `PGSQL_AF_INET` and `PGSQL_AF_INET6`).
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 3;

/// `inet`
pub(crate) static INET_IO: TypeIo = TypeIo {
    input: |text, _, _| parse_inet(text).ok_or_else(|| invalid_syntax("inet", text))?.into_datum(),
    output: |datum, _, out| {
        let value = Inet::from_datum(datum)?;
        out.extend(value.text().into_bytes());
        Ok(())
    },
    recv: |bytes, _, _| receive(bytes, "inet")?.into_datum(),
    send: |datum, _, out| send(datum, false, out),
};

/// `cidr`: no bit is set behind the network part.
pub(crate) static CIDR_IO: TypeIo = TypeIo {
    input: |text, _, _| {
        let value = parse_cidr(text).ok_or_else(|| invalid_syntax("cidr", text))?;
        if value.masked() != value {
            let message = format!("invalid cidr value: \"{text}\"");
            return Err(PgError::new(code::INVALID_TEXT_REPRESENTATION, message)
                .detail("Value has bits set to right of mask."));
        }
        value.into_datum()
    },
    output: |datum, _: &dyn Env, out| {
        out.extend(with_length(Inet::from_datum(datum)?).into_bytes());
        Ok(())
    },
    recv: |bytes, _, _| {
        let value = receive(bytes, "cidr")?;
        if value.masked() != value {
            return Err(PgError::new(code::INVALID_BINARY_REPRESENTATION, "invalid external \"cidr\" value")
                .detail("Value has bits set to right of mask."));
        }
        value.into_datum()
    },
    send: |datum, _, out| send(datum, true, out),
};

fn send(datum: &Datum, is_cidr: bool, out: &mut Vec<u8>) -> PgResult<()> {
    let value = Inet::from_datum(datum)?;
    let address = value.address_bytes();
    let family = if value.is_v6 { FAMILY_V6 } else { FAMILY_V4 };
    out.extend([family, value.bits, u8::from(is_cidr), address.len() as u8]);
    out.extend_from_slice(address);
    Ok(())
}

fn receive(bytes: &[u8], type_name: &str) -> PgResult<Inet> {
    let invalid = |what: &str| {
        let message = format!("invalid {what} in external \"{type_name}\" value");
        PgError::new(code::INVALID_BINARY_REPRESENTATION, message)
    };
    let mut reader = BinaryReader::new(bytes);
    let is_v6 = match reader.u8()? {
        FAMILY_V4 => false,
        FAMILY_V6 => true,
        _ => return Err(invalid("address family")),
    };
    let mut value = Inet { is_v6, bits: reader.u8()?, address: [0; 16] };
    if value.bits > value.max_bits() {
        return Err(invalid("bits"));
    }
    let _is_cidr = reader.u8()?;
    let len = usize::from(reader.u8()?);
    if len != value.address_bytes().len() {
        return Err(invalid("length"));
    }
    value.address[..len].copy_from_slice(reader.take(len)?);
    reader.finish()?;
    Ok(value)
}

impl Inet {
    pub(crate) fn max_bits(&self) -> u8 {
        if self.is_v6 { 128 } else { 32 }
    }

    pub(crate) fn address_bytes(&self) -> &[u8] {
        &self.address[..if self.is_v6 { 16 } else { 4 }]
    }

    /// The address as a number, its first bit the most significant of 128.
    fn number(&self) -> u128 {
        u128::from_be_bytes(self.address)
    }

    fn with_number(self, number: u128) -> Self {
        Inet { address: number.to_be_bytes(), ..self }
    }

    /// The bits that an address of this family has.
    fn all_ones(&self) -> u128 {
        leading_ones(self.max_bits())
    }

    /// The same without what is behind the network part.
    pub(crate) fn masked(self) -> Self {
        self.with_number(self.number() & leading_ones(self.bits))
    }

    fn text(&self) -> String {
        let mut out = String::new();
        write_address(self, &mut out);
        if self.bits != self.max_bits() {
            out.push_str(&format!("/{}", self.bits));
        }
        out
    }

    /// By family, then common network bits, then length of the network part, then the whole address.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let common = leading_ones(self.bits.min(other.bits));
        self.is_v6
            .cmp(&other.is_v6)
            .then_with(|| (self.number() & common).cmp(&(other.number() & common)))
            .then_with(|| self.bits.cmp(&other.bits))
            .then_with(|| self.address.cmp(&other.address))
    }

    /// Appends bytes whose order is [`Inet::order`]'s: every network bit follows a marker that says that
    /// the network part goes on, so that a shorter network sorts before all longer ones inside it.
    pub(crate) fn encode_key(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_v6));
        let number = self.number();
        for at in 0..self.bits {
            out.push(1 + (number >> (127 - at) & 1) as u8);
        }
        out.push(0);
        out.extend_from_slice(self.address_bytes());
    }

    pub(crate) fn hash(&self, width: Width) -> u64 {
        let family = if self.is_v6 { FAMILY_V6 } else { FAMILY_V4 };
        hash_bytes(&[&[family, self.bits], self.address_bytes()].concat(), width)
    }
}

fn leading_ones(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

fn cmp(a: Inet, b: Inet) -> i32 {
    a.order(&b) as i32
}

fn eq(a: Inet, b: Inet) -> bool {
    a == b
}

fn ne(a: Inet, b: Inet) -> bool {
    a != b
}

fn lt(a: Inet, b: Inet) -> bool {
    a.order(&b).is_lt()
}

fn le(a: Inet, b: Inet) -> bool {
    a.order(&b).is_le()
}

fn gt(a: Inet, b: Inet) -> bool {
    a.order(&b).is_gt()
}

fn ge(a: Inet, b: Inet) -> bool {
    a.order(&b).is_ge()
}

fn larger(a: Inet, b: Inet) -> Inet {
    if gt(a, b) { a } else { b }
}

fn smaller(a: Inet, b: Inet) -> Inet {
    if lt(a, b) { a } else { b }
}

/// Whether the first `bits` bits of both are the same.
fn share(a: Inet, b: Inet, bits: u8) -> bool {
    a.is_v6 == b.is_v6 && (a.number() ^ b.number()) & leading_ones(bits) == 0
}

fn is_subnet(a: Inet, b: Inet) -> bool {
    a.bits > b.bits && share(a, b, b.bits)
}

fn is_subnet_or_equal(a: Inet, b: Inet) -> bool {
    a.bits >= b.bits && share(a, b, b.bits)
}

fn is_supernet(a: Inet, b: Inet) -> bool {
    is_subnet(b, a)
}

fn is_supernet_or_equal(a: Inet, b: Inet) -> bool {
    is_subnet_or_equal(b, a)
}

fn overlap(a: Inet, b: Inet) -> bool {
    share(a, b, a.bits.min(b.bits))
}

fn host(value: Inet) -> String {
    let mut out = String::new();
    write_address(&value, &mut out);
    out
}

/// The address with the length of its network part, which `inet` output leaves out when it is the whole.
fn with_length(value: Inet) -> String {
    format!("{}/{}", host(value), value.bits)
}

fn short_inet(value: Inet) -> String {
    value.text()
}

fn short_cidr(value: Inet) -> String {
    let mut out = String::new();
    write_short_cidr(&value, &mut out);
    out
}

fn mask_length(value: Inet) -> i32 {
    value.bits.into()
}

fn family(value: Inet) -> i32 {
    if value.is_v6 { 6 } else { 4 }
}

fn broadcast(value: Inet) -> Inet {
    value.with_number(value.number() | (value.all_ones() & !leading_ones(value.bits)))
}

fn netmask(value: Inet) -> Inet {
    Inet { bits: value.max_bits(), ..value.with_number(leading_ones(value.bits)) }
}

fn hostmask(value: Inet) -> Inet {
    Inet { bits: value.max_bits(), ..value.with_number(value.all_ones() & !leading_ones(value.bits)) }
}

fn set_length(value: Inet, bits: i32) -> PgResult<Inet> {
    let wanted = if bits == -1 { i32::from(value.max_bits()) } else { bits };
    match u8::try_from(wanted) {
        Ok(wanted) if wanted <= value.max_bits() => Ok(Inet { bits: wanted, ..value }),
        _ => Err(invalid(format!("invalid mask length: {bits}"))),
    }
}

fn set_cidr_length(value: Inet, bits: i32) -> PgResult<Inet> {
    set_length(value, bits).map(Inet::masked)
}

fn invalid(message: impl Into<String>) -> PgError {
    PgError::new(code::INVALID_PARAMETER_VALUE, message)
}

fn same_family(a: Inet, b: Inet) -> bool {
    a.is_v6 == b.is_v6
}

/// The smallest network that holds both.
fn merge(a: Inet, b: Inet) -> PgResult<Inet> {
    if a.is_v6 != b.is_v6 {
        return Err(invalid("cannot merge addresses from different families"));
    }
    let common = (a.number() ^ b.number()).leading_zeros() as u8;
    Ok(Inet { bits: common.min(a.bits).min(b.bits), ..a }.masked())
}

fn not(value: Inet) -> Inet {
    value.with_number(!value.number() & value.all_ones())
}

fn combine(a: Inet, b: Inet, verb: &str, with: fn(u128, u128) -> u128) -> PgResult<Inet> {
    if a.is_v6 != b.is_v6 {
        return Err(invalid(format!("cannot {verb} inet values of different sizes")));
    }
    Ok(Inet { bits: a.bits.max(b.bits), ..a.with_number(with(a.number(), b.number())) })
}

fn and(a: Inet, b: Inet) -> PgResult<Inet> {
    combine(a, b, "AND", |a, b| a & b)
}

fn or(a: Inet, b: Inet) -> PgResult<Inet> {
    combine(a, b, "OR", |a, b| a | b)
}

fn out_of_range() -> PgError {
    PgError::new(code::NUMERIC_VALUE_OUT_OF_RANGE, "result is out of range")
}

fn plus(value: Inet, addend: i64) -> PgResult<Inet> {
    let unused = 128 - u32::from(value.max_bits());
    let number = value.number() >> unused;
    let sum = number.checked_add_signed(addend.into()).filter(|sum| *sum <= value.all_ones() >> unused);
    Ok(value.with_number(sum.ok_or_else(out_of_range)? << unused))
}

fn minus(value: Inet, addend: i64) -> PgResult<Inet> {
    // The most negative number has no opposite, and its own value stands in for it, as in PostgreSQL.
    plus(value, addend.wrapping_neg())
}

fn difference(a: Inet, b: Inet) -> PgResult<i64> {
    if a.is_v6 != b.is_v6 {
        return Err(invalid("cannot subtract inet values of different sizes"));
    }
    let unused = 128 - u32::from(a.max_bits());
    let (a, b) = (a.number() >> unused, b.number() >> unused);
    let distance = i64::try_from(a.abs_diff(b) as i128);
    match (a >= b, distance) {
        (true, Ok(distance)) => Ok(distance),
        (false, Ok(distance)) => Ok(-distance),
        // Only the most negative number is left.
        (false, Err(_)) if b - a == 1 << 63 => Ok(i64::MIN),
        _ => Err(out_of_range()),
    }
}

builtins! {
    "network_cmp" = cmp: 2;
    "network_eq" = eq: 2;
    "network_ne" = ne: 2;
    "network_lt" = lt: 2;
    "network_le" = le: 2;
    "network_gt" = gt: 2;
    "network_ge" = ge: 2;
    "network_larger" = larger: 2;
    "network_smaller" = smaller: 2;
    "network_sub" = is_subnet: 2;
    "network_subeq" = is_subnet_or_equal: 2;
    "network_sup" = is_supernet: 2;
    "network_supeq" = is_supernet_or_equal: 2;
    "network_overlap" = overlap: 2;
    "network_host" = host: 1;
    "network_show" = with_length: 1;
    "inet_abbrev" = short_inet: 1;
    "cidr_abbrev" = short_cidr: 1;
    "network_masklen" = mask_length: 1;
    "network_family" = family: 1;
    "network_broadcast" = broadcast: 1;
    "network_network" = Inet::masked: 1;
    "network_netmask" = netmask: 1;
    "network_hostmask" = hostmask: 1;
    "inet_to_cidr" = Inet::masked: 1;
    "inet_set_masklen" = set_length: 2;
    "cidr_set_masklen" = set_cidr_length: 2;
    "inet_same_family" = same_family: 2;
    "inet_merge" = merge: 2;
    "inetnot" = not: 1;
    "inetand" = and: 2;
    "inetor" = or: 2;
    "inetpl" = plus: 2;
    "inetmi_int8" = minus: 2;
    "inetmi" = difference: 2;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In ascending order.
    const SORTED: &[&str] = &[
        "0.0.0.0/0",
        "10.0.0.0/8",
        "10.1.2.3/8",
        "10.0.0.0/9",
        "10.1.2.3",
        "192.168.1.0/24",
        "192.168.1.226/24",
        "192.168.1.0/25",
        "192.168.2.0/23",
        "::/0",
        "::1/0",
        "::1",
        "10:23::f1/64",
        "ffff::1",
    ];

    #[test]
    fn order_and_keys_agree() {
        let value = |text: &str| parse_inet(text).unwrap();
        let key = |text: &str| {
            let mut key = Vec::new();
            value(text).encode_key(&mut key);
            key
        };
        for (at, a) in SORTED.iter().enumerate() {
            for (other, b) in SORTED.iter().enumerate() {
                assert_eq!(value(a).order(&value(b)), at.cmp(&other), "{a} {b}");
                assert_eq!(key(a).cmp(&key(b)), at.cmp(&other), "keys of {a} {b}");
            }
        }
    }

    #[test]
    fn arithmetic() {
        let value = |text: &str| parse_inet(text).unwrap();
        assert_eq!(plus(value("127.0.0.1"), 257).unwrap().text(), "127.0.1.2");
        assert!(plus(value("127::1"), -10_000_000).is_ok());
        assert!(plus(value("255.255.255.255"), 1).is_err());
        assert!(plus(value("0.0.0.0"), -1).is_err());
        assert_eq!(difference(value("127::2"), value("127::1")).unwrap(), 1);
        assert!(difference(value("127::1"), value("126::1")).is_err());
        assert_eq!(merge(value("192.168.1.5/24"), value("192.168.2.5/24")).unwrap().text(), "192.168.0.0/22");
    }
}
