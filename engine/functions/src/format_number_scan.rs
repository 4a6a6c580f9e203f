//! `to_number`: text read by a picture (PostgreSQL's src/backend/utils/adt/formatting.c,
//! `NUM_numpart_from_char`).

use crate::Datum;
use crate::args::builtins;
use crate::format_number_picture::{Item, NumberPicture, SignPlace};
use crate::numeric::Numeric;
use crate::numeric_io::{pack_typmod, parse};
use redoubt_error::{PgError, PgResult, code};

struct Reader<'a> {
    picture: &'a NumberPicture,
    text: &'a [u8],
    at: usize,
    /// `-`, `+`, or unsaid.
    sign: Option<u8>,
    digits: String,
    pre: usize,
    post: usize,
    point: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Steps over a character of one or more bytes.
    fn skip(&mut self) {
        self.at += 1;
        while self.peek().is_some_and(|byte| byte & 0xC0 == 0x80) {
            self.at += 1;
        }
    }

    /// Steps over characters that are no part of a number.
    fn skip_text(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek().is_none_or(|byte| b"0123456789.,+-".contains(&byte)) {
                break;
            }
            self.skip();
        }
    }

    fn item(&mut self, item: Item) {
        match item {
            Item::Nine | Item::Zero | Item::Dec | Item::LocalDec => {
                self.part(item);
                self.at += 1;
            }
            Item::Comma | Item::Group => {
                if self.peek() == Some(b',') {
                    self.at += 1;
                }
            }
            Item::Currency => self.skip_text(1),
            Item::Ordinal { .. } => {
                if self.sign != Some(b'-') && !self.picture.decimal {
                    self.skip_text(2);
                }
            }
            Item::Minus | Item::Plus | Item::Sign => {
                let takes: &[u8] = match item {
                    Item::Minus => b"-",
                    Item::Plus => b"+",
                    _ => b"-+",
                };
                match self.peek().filter(|byte| takes.contains(byte)) {
                    Some(sign) => {
                        self.sign = Some(sign);
                        self.at += 1;
                    }
                    None => self.skip_text(1),
                }
            }
            Item::Text(_) => self.skip(),
            _ => {}
        }
    }

    /// A digit or the point, with a sign before or behind it. The caller steps over the character.
    fn part(&mut self, item: Item) {
        if self.peek() == Some(b' ') {
            self.at += 1;
        }
        let Some(byte) = self.peek() else { return };
        if self.sign.is_none() && matches!(item, Item::Nine | Item::Zero) && self.pre + self.post == 0 {
            let local = self.picture.local_sign && self.picture.sign_place == SignPlace::Before;
            match byte {
                b'-' | b'+' => {
                    self.sign = Some(byte);
                    self.at += 1;
                }
                b'<' if self.picture.brackets && !local => {
                    self.sign = Some(b'-');
                    self.at += 1;
                }
                _ => {}
            }
        }
        let Some(byte) = self.peek() else { return };
        let mut taken = false;
        if byte.is_ascii_digit() {
            if self.point && self.post == self.picture.post {
                return;
            }
            self.digits.push(char::from(byte));
            if self.point {
                self.post += 1
            } else {
                self.pre += 1
            }
            taken = true;
        } else if self.picture.decimal && !self.point && byte == b'.' {
            self.digits.push('.');
            self.point = true;
            taken = true;
        }
        if self.sign.is_some() || self.pre + self.post == 0 {
            return;
        }
        if self.picture.local_sign && taken {
            // S is anchored behind the last digit.
            if let Some(sign @ (b'-' | b'+')) = self.text.get(self.at + 1).copied() {
                self.sign = Some(sign);
                self.at += 1;
            }
        } else if !taken && !self.picture.local_sign && !self.picture.plus && !self.picture.minus {
            if let b'-' | b'+' = byte {
                self.sign = Some(byte);
            }
        }
    }
}

fn to_number(text: &str, picture: &str) -> PgResult<Datum> {
    if picture.is_empty() {
        return Ok(Datum::Null);
    }
    let picture = NumberPicture::parse(picture)?;
    if picture.exponent {
        return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, "\"EEEE\" not supported for input"));
    }
    if picture.roman.is_some() {
        return Err(PgError::new(code::FEATURE_NOT_SUPPORTED, "\"RN\" not supported for input"));
    }
    let mut reader = Reader {
        picture: &picture,
        text: text.as_bytes(),
        at: 0,
        sign: None,
        digits: String::new(),
        pre: 0,
        post: 0,
        point: false,
    };
    for item in &picture.items {
        if reader.at >= text.len() {
            break;
        }
        reader.item(*item);
    }
    let sign = if reader.sign == Some(b'-') { "-" } else { "" };
    let digits = reader.digits.strip_suffix('.').unwrap_or(&reader.digits);
    let number = if digits.is_empty() { " ".to_string() } else { format!("{sign}{digits}") };
    let scale = reader.post as i32;
    let precision = (picture.pre + picture.multi + reader.post).clamp(1, 1000) as i32;
    let value = parse(&number)?.coerced(pack_typmod(precision, scale))?;
    if !picture.shift {
        return Ok(Datum::numeric(value));
    }
    let divisor = parse(&format!("1{}", "0".repeat(picture.multi)))?;
    Ok(Datum::numeric(Numeric::divide(&value, &divisor)?))
}

builtins! {
    "numeric_to_number" = to_number: 2;
}
