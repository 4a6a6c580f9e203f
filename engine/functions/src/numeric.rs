//! `numeric`: arbitrary precision decimals with a display scale, NaN and infinities.

use smallvec::SmallVec;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

/// Base of the digits.
pub(crate) const BASE: i32 = 10_000;

/// Base-10000 digits, most significant first, each 0 to 9999.
pub(crate) type Digits = SmallVec<[i16; 8]>;

/// What kind of number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    NegInf,
    Negative,
    /// Zero included.
    Positive,
    PosInf,
    /// Greater than everything, as in PostgreSQL's order.
    NaN,
}

/// A `numeric` value.
///
/// Digits carry neither leading nor trailing zeros; zero has none at all. The value is
/// `sum(digits[i] * 10000^(weight - i))`.
#[derive(Clone, Debug)]
pub struct Numeric {
    pub(crate) kind: Kind,
    /// Decimal digits shown after the point.
    pub(crate) dscale: u16,
    /// Power of 10000 of the first digit.
    pub(crate) weight: i32,
    pub(crate) digits: Digits,
}

impl Numeric {
    /// Zero without decimals.
    pub fn zero() -> Self {
        Numeric { kind: Kind::Positive, dscale: 0, weight: 0, digits: Digits::new() }
    }

    /// Not a number.
    pub fn nan() -> Self {
        Numeric { kind: Kind::NaN, ..Self::zero() }
    }

    /// Infinity, positive or negative.
    pub fn infinity(negative: bool) -> Self {
        Numeric { kind: if negative { Kind::NegInf } else { Kind::PosInf }, ..Self::zero() }
    }

    /// True for zero, whatever its scale.
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty() && self.is_finite()
    }

    /// Neither NaN nor infinite.
    pub fn is_finite(&self) -> bool {
        matches!(self.kind, Kind::Negative | Kind::Positive)
    }

    /// Not a number.
    pub fn is_nan(&self) -> bool {
        self.kind == Kind::NaN
    }

    /// Compares magnitudes of finite numbers.
    pub(crate) fn cmp_abs(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.weight.cmp(&other.weight).then_with(|| self.digits.cmp(&other.digits)),
        }
    }

    /// Appends the memory-comparable key: class, weight, digits one higher, and a zero to end
    /// them; all of it complemented for negative numbers.
    pub(crate) fn encode_key(&self, out: &mut Vec<u8>) {
        let class = match self.kind {
            Kind::NegInf => 1,
            Kind::Negative => 2,
            Kind::Positive if self.digits.is_empty() => 3,
            Kind::Positive => 4,
            Kind::PosInf => 5,
            Kind::NaN => 6,
        };
        out.push(class);
        if !matches!(class, 2 | 4) {
            return;
        }
        let start = out.len();
        out.extend_from_slice(&(self.weight as u32 ^ 0x8000_0000).to_be_bytes());
        for digit in &self.digits {
            out.extend_from_slice(&(*digit as u16 + 1).to_be_bytes());
        }
        out.extend_from_slice(&[0, 0]);
        if class == 2 {
            for byte in &mut out[start..] {
                *byte = !*byte;
            }
        }
    }
}

impl From<i64> for Numeric {
    fn from(value: i64) -> Self {
        let mut rest = value.unsigned_abs();
        let mut digits = Digits::new();
        let mut weight = -1;
        while rest != 0 {
            digits.push((rest % BASE as u64) as i16);
            rest /= BASE as u64;
            weight += 1;
        }
        digits.reverse();
        while digits.last() == Some(&0) {
            digits.pop();
        }
        let kind = if value < 0 { Kind::Negative } else { Kind::Positive };
        Numeric { kind, dscale: 0, weight: weight.max(0), digits }
    }
}

impl From<i32> for Numeric {
    fn from(value: i32) -> Self {
        Numeric::from(i64::from(value))
    }
}

impl PartialEq for Numeric {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Numeric {}

impl PartialOrd for Numeric {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// PostgreSQL's order: -Infinity, finite numbers, Infinity, NaN. Scale does not matter.
impl Ord for Numeric {
    fn cmp(&self, other: &Self) -> Ordering {
        self.kind.cmp(&other.kind).then_with(|| match self.kind {
            Kind::Positive => self.cmp_abs(other),
            Kind::Negative => other.cmp_abs(self),
            _ => Ordering::Equal,
        })
    }
}

impl Hash for Numeric {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
        if !self.digits.is_empty() {
            self.weight.hash(state);
            self.digits.hash(state);
        }
    }
}
