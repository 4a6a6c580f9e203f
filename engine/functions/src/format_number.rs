//! `to_char` of numbers (PostgreSQL's src/backend/utils/adt/formatting.c, `NUM_processor`).

use crate::Datum;
use crate::args::builtins;
use crate::format_number_picture::{Item, NumberPicture, SignPlace};
use crate::format_picture::{Case, ordinal_ending};
use crate::numeric::Numeric;
use redoubt_error::PgResult;

/// Writes digits into a picture.
struct Writer<'a> {
    picture: &'a NumberPicture,
    out: String,
    negative: bool,
    sign_written: bool,
    brackets: bool,
    sign_place: SignPlace,
    zero_start: usize,
    /// The number without its sign, and how far it is written.
    number: &'a [u8],
    at: usize,
    /// The last digit that FM keeps (or the point), if the picture has a fraction.
    last_relevant: Option<usize>,
    pre_spaces: usize,
    digits: usize,
    /// Digits of the picture passed.
    current: usize,
    /// A digit has just been written, so that a comma belongs there.
    in_number: bool,
}

/// Fills a picture with a number's text (digits, perhaps a point and more digits).
fn fill(picture: &NumberPicture, number: &str, negative: bool, pre_spaces: usize) -> String {
    let bytes = number.as_bytes();
    let mut writer = Writer {
        picture,
        out: String::with_capacity(picture.items.len() + 2),
        negative,
        sign_written: false,
        brackets: picture.brackets,
        sign_place: picture.sign_place,
        zero_start: picture.zero_start.saturating_sub(1),
        number: bytes,
        at: 0,
        last_relevant: None,
        pre_spaces,
        digits: (picture.pre + picture.post).saturating_sub(1),
        current: 0,
        in_number: false,
    };
    if picture.plus || picture.minus {
        // MI, PL and SG write the sign themselves, except that PL does not write a minus.
        writer.sign_written = picture.minus;
    } else {
        if !negative && picture.fill {
            writer.brackets = false;
        }
        writer.sign_written = !negative && picture.fill && !picture.local_sign;
        if writer.sign_place == SignPlace::Before && picture.pre == picture.pre_sign {
            writer.sign_place = SignPlace::After;
        }
    }
    if picture.fill && picture.decimal {
        writer.find_last_relevant();
    }
    if !writer.sign_written && pre_spaces == 0 {
        writer.digits += 1;
    }
    for item in &picture.items {
        writer.item(*item);
    }
    writer.out
}

impl Writer<'_> {
    /// Digits that 0 asks for are kept even if they are zeros.
    fn find_last_relevant(&mut self) {
        let Some(point) = self.number.iter().position(|byte| *byte == b'.') else { return };
        let mut last = point;
        for (at, byte) in self.number.iter().enumerate().skip(point + 1) {
            if *byte != b'0' {
                last = at;
            }
        }
        if self.picture.zero_end > self.pre_spaces {
            let asked = (self.number.len() - 1).min(self.picture.zero_end - self.pre_spaces);
            last = last.max(asked);
        }
        self.last_relevant = Some(last);
    }

    fn item(&mut self, item: Item) {
        let fill = self.picture.fill;
        match item {
            Item::Nine | Item::Zero | Item::Dec | Item::LocalDec => self.digit(item),
            Item::Comma | Item::Group => {
                if self.in_number {
                    self.out.push(',');
                } else if !fill {
                    self.out.push(' ');
                }
            }
            // Locale C has no currency symbol.
            Item::Currency => self.out.push(' '),
            Item::Ordinal { lower } => {
                if self.picture.roman.is_none()
                    && self.number.first() != Some(&b'#')
                    && !self.negative
                    && !self.picture.decimal
                {
                    let digits = String::from_utf8_lossy(self.number);
                    let case = if lower { Case::Lower } else { Case::Upper };
                    self.out.push_str(ordinal_ending(&digits, case));
                }
            }
            Item::Minus if self.negative => self.out.push('-'),
            Item::Plus if !self.negative => self.out.push('+'),
            Item::Minus | Item::Plus => {
                if !fill {
                    self.out.push(' ');
                }
            }
            Item::Sign => self.out.push(if self.negative { '-' } else { '+' }),
            Item::Text(c) => self.out.push(c),
            Item::Blank
            | Item::Exponent
            | Item::Fill
            | Item::Brackets
            | Item::Roman { .. }
            | Item::LocalSign
            | Item::Shift
            | Item::Ignored => {}
        }
    }

    /// The one zero before the point of a fraction is not shown by 9.
    fn is_zero_before_point(&self) -> bool {
        !self.picture.zero && self.at == 0 && self.number.first() == Some(&b'0') && self.picture.post != 0
    }

    fn last_is_point(&self) -> bool {
        self.last_relevant.is_some_and(|at| self.number[at] == b'.')
    }

    fn digit(&mut self, item: Item) {
        let picture = self.picture;
        self.in_number = false;
        let begins = self.current >= self.pre_spaces || (picture.zero && self.zero_start == self.current);
        if !self.sign_written && begins && (!self.is_zero_before_point() || self.last_is_point()) {
            self.sign();
        }
        if self.current < self.pre_spaces && (self.zero_start > self.current || !picture.zero) {
            if !picture.fill {
                self.out.push(' ');
            }
        } else if picture.zero && self.current < self.pre_spaces && self.zero_start <= self.current {
            self.out.push('0');
            self.in_number = true;
        } else {
            self.next_character(item);
        }
        let mut end = self.digits + usize::from(self.pre_spaces > 0) + usize::from(picture.decimal);
        if self.last_relevant.is_some_and(|last| last == self.at) {
            end = self.current;
        }
        if self.current + 1 == end {
            if self.sign_written && self.brackets {
                self.out.push(if self.negative { '>' } else { ' ' });
            } else if picture.local_sign && self.sign_place == SignPlace::After {
                self.out.push(if self.negative { '-' } else { '+' });
            }
        }
        self.current += 1;
    }

    fn sign(&mut self) {
        if self.picture.local_sign {
            if self.sign_place == SignPlace::Before {
                self.out.push(if self.negative { '-' } else { '+' });
                self.sign_written = true;
            }
        } else if self.brackets {
            self.out.push(if self.negative { '<' } else { ' ' });
            self.sign_written = true;
        } else if self.negative {
            self.out.push('-');
            self.sign_written = true;
        } else {
            if !self.picture.fill {
                self.out.push(' ');
            }
            self.sign_written = true;
        }
    }

    fn next_character(&mut self, item: Item) {
        let character = self.number.get(self.at).copied();
        match character {
            Some(b'.') => {
                if !self.last_is_point() || self.picture.fill {
                    self.out.push('.');
                }
            }
            // FM drops what is behind the last digit that counts.
            _ if self.last_relevant.is_some_and(|last| self.at > last) && item != Item::Zero => {}
            _ if self.is_zero_before_point() => {
                if !self.picture.fill {
                    self.out.push(' ');
                } else if self.last_is_point() {
                    self.out.push('0');
                }
            }
            Some(digit) => {
                self.out.push(char::from(digit));
                self.in_number = true;
            }
            None => self.in_number = true,
        }
        if character.is_some() {
            self.at += 1;
        }
    }
}

/// A number as digits, fitted to a picture: padded by the writer, or `#`s when it does not fit.
fn place(picture: &NumberPicture, pre: usize, text: &str, negative: bool) -> Datum {
    let whole = text.find('.').unwrap_or(text.len());
    if whole > pre {
        let mut overflow = "#".repeat(pre);
        overflow.push('.');
        overflow.push_str(&"#".repeat(picture.post));
        return Datum::text(fill(picture, &overflow, negative, 0));
    }
    Datum::text(fill(picture, text, negative, pre - whole))
}

/// Wider than what any Roman number needs.
const ROMAN_WIDTH: usize = 15;

fn roman(picture: &NumberPicture, value: Option<i32>, lower: bool) -> Datum {
    const SYMBOLS: [(i32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut text = String::new();
    match value.filter(|value| (1..=3999).contains(value)) {
        None => text = "#".repeat(ROMAN_WIDTH),
        Some(mut left) => {
            for (worth, symbol) in SYMBOLS {
                while left >= worth {
                    text.push_str(symbol);
                    left -= worth;
                }
            }
        }
    }
    if lower {
        text.make_ascii_lowercase();
    }
    if !picture.fill {
        text = format!("{text:>ROMAN_WIDTH$}");
    }
    Datum::text(text)
}

/// `1.23e+05`, with a blank for a plus in front.
fn scientific(value: &Numeric, digits: usize) -> String {
    if value.is_zero() {
        let fraction = if digits > 0 { format!(".{}", "0".repeat(digits)) } else { String::new() };
        return format!(" 0{fraction}e+00");
    }
    let text = value.clone().abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let all: String = whole.chars().chain(fraction.chars()).collect();
    let first = all.find(|c| c != '0').unwrap_or(0);
    let mut exponent = whole.len() as i32 - 1 - first as i32;
    // Rounding may carry into another digit: nine to ten.
    let significant = &all[first..];
    let unit = digits + 1;
    let mut kept: Vec<u8> = significant.bytes().chain(std::iter::repeat(b'0')).take(unit).collect();
    if significant.as_bytes().get(unit).is_some_and(|next| *next >= b'5') {
        let mut at = kept.len();
        loop {
            if at == 0 {
                kept.insert(0, b'1');
                kept.pop();
                exponent += 1;
                break;
            }
            at -= 1;
            if kept[at] < b'9' {
                kept[at] += 1;
                break;
            }
            kept[at] = b'0';
        }
    }
    let digits_text = String::from_utf8_lossy(&kept).into_owned();
    let sign = if value.signum() < 0 { '-' } else { ' ' };
    let mut out = format!("{sign}{}", &digits_text[..1]);
    if digits > 0 {
        out.push('.');
        out.push_str(&digits_text[1..]);
    }
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    out.push_str(&format!("e{exponent_sign}{:02}", exponent.abs()));
    out
}

/// What is shown for a number without digits in a scientific picture.
fn scientific_overflow(picture: &NumberPicture) -> String {
    let mut text: Vec<u8> = vec![b'#'; picture.pre + picture.post + 6];
    text[0] = b' ';
    text[picture.pre + 1] = b'.';
    String::from_utf8_lossy(&text).into_owned()
}

fn numeric(value: &Numeric, text: &str) -> PgResult<Datum> {
    if text.is_empty() {
        return Ok(Datum::Null);
    }
    let picture = NumberPicture::parse(text)?;
    if let Some(lower) = picture.roman {
        let rounded = if value.is_finite() { value.clone().rounded(0).to_i64() } else { None };
        return Ok(roman(&picture, rounded.and_then(|value| i32::try_from(value).ok()), lower));
    }
    if picture.exponent {
        return Ok(Datum::text(match value.is_finite() {
            true => scientific(value, picture.post),
            false => scientific_overflow(&picture),
        }));
    }
    let mut value = value.clone();
    let mut pre = picture.pre;
    if picture.shift {
        value = value.times(&power_of_ten(picture.multi))?;
        pre += picture.multi;
    }
    let rounded = if value.is_finite() { value.rounded(picture.post as i32) } else { value };
    let negative = rounded.signum() < 0 && !rounded.is_nan();
    let text = rounded.abs().to_string();
    Ok(place(&picture, pre, &text, negative))
}

fn power_of_ten(exponent: usize) -> Numeric {
    let digits = format!("1{}", "0".repeat(exponent));
    crate::numeric_io::parse(&digits).expect("a one and zeros are a number")
}

fn int4(value: i32, text: &str) -> PgResult<Datum> {
    numeric(&Numeric::from(i64::from(value)), text)
}

fn int8(value: i64, text: &str) -> PgResult<Datum> {
    numeric(&Numeric::from(value), text)
}

fn float4(value: f32, text: &str) -> PgResult<Datum> {
    /// Decimal digits that a `real` surely has (C's `FLT_DIG`).
    const DIGITS: usize = 6;
    float(f64::from(value), text, DIGITS)
}

fn float8(value: f64, text: &str) -> PgResult<Datum> {
    /// Decimal digits that a `double` surely has (C's `DBL_DIG`).
    const DIGITS: usize = 15;
    float(value, text, DIGITS)
}

fn float(value: f64, text: &str, significant: usize) -> PgResult<Datum> {
    if text.is_empty() {
        return Ok(Datum::Null);
    }
    let mut picture = NumberPicture::parse(text)?;
    if let Some(lower) = picture.roman {
        let rounded = value.round_ties_even();
        let fits = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&rounded);
        return Ok(roman(&picture, fits.then_some(rounded as i32), lower));
    }
    if picture.exponent {
        if !value.is_finite() {
            return Ok(Datum::text(scientific_overflow(&picture)));
        }
        let shown = format!("{:+.*e}", picture.post, value);
        let (mantissa, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        let mantissa = mantissa.replacen('+', " ", 1);
        let sign = if exponent < 0 { '-' } else { '+' };
        return Ok(Datum::text(format!("{mantissa}e{sign}{:02}", exponent.abs())));
    }
    let mut value = value;
    let mut pre = picture.pre;
    if picture.shift {
        value *= 10f64.powi(picture.multi as i32);
        pre += picture.multi;
    }
    let magnitude = value.abs();
    let shown = if value.is_finite() {
        let whole = format!("{magnitude:.0}").len();
        if whole >= significant {
            picture.post = 0;
        } else if whole + picture.post > significant {
            picture.post = significant - whole;
        }
        format!("{magnitude:.*}", picture.post)
    } else if value.is_nan() {
        "NaN".to_string()
    } else {
        "Infinity".to_string()
    };
    Ok(place(&picture, pre, &shown, value.is_sign_negative() && !value.is_nan()))
}

builtins! {
    "numeric_to_char" = numeric: 2;
    "int4_to_char" = int4: 2;
    "int8_to_char" = int8: 2;
    "float4_to_char" = float4: 2;
    "float8_to_char" = float8: 2;
}
