//! Pictures of numbers: what they consist of and what they ask for as a whole
//! (PostgreSQL's src/backend/utils/adt/formatting.c, `NUMDesc_prepare`).

use redoubt_error::{PgError, PgResult, code};

/// A piece of a number's picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Each is named as in the documentation's table.
pub(crate) enum Item {
    Comma,
    Dec,
    Zero,
    Nine,
    Blank,
    LocalDec,
    Exponent,
    Fill,
    Group,
    Currency,
    Minus,
    Plus,
    Brackets,
    Roman {
        lower: bool,
    },
    Sign,
    LocalSign,
    Ordinal {
        lower: bool,
    },
    Shift,
    /// Known and of no effect.
    Ignored,
    /// Any other character.
    Text(char),
}

type Key = (&'static str, Item);

/// Key words, each before those it begins with.
#[rustfmt::skip]
static KEYS: &[Key] = &[
    (",", Item::Comma), (".", Item::Dec), ("0", Item::Zero), ("9", Item::Nine),
    ("B", Item::Blank), ("C", Item::Ignored), ("D", Item::LocalDec), ("EEEE", Item::Exponent), ("FM", Item::Fill),
    ("G", Item::Group), ("L", Item::Currency), ("MI", Item::Minus), ("PL", Item::Plus), ("PR", Item::Brackets),
    ("RN", Item::Roman { lower: false }), ("SG", Item::Sign), ("SP", Item::Ignored), ("S", Item::LocalSign),
    ("TH", Item::Ordinal { lower: false }), ("V", Item::Shift),
    ("b", Item::Blank), ("c", Item::Ignored), ("d", Item::LocalDec), ("eeee", Item::Exponent), ("fm", Item::Fill),
    ("g", Item::Group), ("l", Item::Currency), ("mi", Item::Minus), ("pl", Item::Plus), ("pr", Item::Brackets),
    ("rn", Item::Roman { lower: true }), ("sg", Item::Sign), ("sp", Item::Ignored), ("s", Item::LocalSign),
    ("th", Item::Ordinal { lower: true }), ("v", Item::Shift),
];

/// Where S puts the sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SignPlace {
    #[default]
    None,
    Before,
    After,
}

/// A picture with what it asks for as a whole.
#[derive(Clone, Debug, Default)]
pub(crate) struct NumberPicture {
    pub(crate) items: Vec<Item>,
    /// Digits before the point, and after it.
    pub(crate) pre: usize,
    pub(crate) post: usize,
    /// Digits after V.
    pub(crate) multi: usize,
    /// From which digit on zeros are written, from 1; and up to which.
    pub(crate) zero_start: usize,
    pub(crate) zero_end: usize,
    pub(crate) sign_place: SignPlace,
    /// Digits before S.
    pub(crate) pre_sign: usize,
    pub(crate) decimal: bool,
    pub(crate) zero: bool,
    pub(crate) blank: bool,
    pub(crate) fill: bool,
    pub(crate) local_sign: bool,
    pub(crate) brackets: bool,
    pub(crate) minus: bool,
    pub(crate) plus: bool,
    pub(crate) roman: Option<bool>,
    pub(crate) shift: bool,
    pub(crate) exponent: bool,
}

#[cold]
fn bad(message: &str) -> PgError {
    PgError::new(code::SYNTAX_ERROR, message)
}

impl NumberPicture {
    pub(crate) fn parse(picture: &str) -> PgResult<NumberPicture> {
        let mut parsed = NumberPicture::default();
        let mut rest = picture;
        while let Some(first) = rest.chars().next() {
            if let Some((word, item)) = KEYS.iter().find(|(word, _)| rest.starts_with(word)) {
                rest = &rest[word.len()..];
                parsed.note(*item)?;
                parsed.items.push(*item);
            } else if first == '"' {
                rest = parsed.quoted(&rest[1..]);
            } else if rest.starts_with("\\\"") {
                rest = &rest[2..];
                parsed.items.push(Item::Text('"'));
            } else {
                rest = &rest[first.len_utf8()..];
                parsed.items.push(Item::Text(first));
            }
        }
        Ok(parsed)
    }

    fn quoted<'a>(&mut self, text: &'a str) -> &'a str {
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '"' => break,
                '\\' => self.items.extend(chars.next().map(Item::Text)),
                c => self.items.push(Item::Text(c)),
            }
        }
        chars.as_str()
    }

    fn note(&mut self, item: Item) -> PgResult<()> {
        if self.exponent && item != Item::Exponent {
            return Err(bad("\"EEEE\" must be the last pattern used"));
        }
        match item {
            Item::Nine => {
                if self.brackets {
                    return Err(bad("\"9\" must be ahead of \"PR\""));
                }
                if self.shift {
                    self.multi += 1;
                } else if self.decimal {
                    self.post += 1;
                } else {
                    self.pre += 1;
                }
            }
            Item::Zero => {
                if self.brackets {
                    return Err(bad("\"0\" must be ahead of \"PR\""));
                }
                if !self.zero && !self.decimal {
                    self.zero = true;
                    self.zero_start = self.pre + 1;
                }
                if self.decimal {
                    self.post += 1
                } else {
                    self.pre += 1
                }
                self.zero_end = self.pre + self.post;
            }
            Item::Blank => self.blank |= self.pre == 0 && self.post == 0 && !self.zero,
            Item::LocalDec | Item::Dec => {
                if self.decimal {
                    return Err(bad("multiple decimal points"));
                }
                if self.shift {
                    return Err(bad("cannot use \"V\" and decimal point together"));
                }
                self.decimal = true;
            }
            Item::Fill => self.fill = true,
            Item::LocalSign => self.note_local_sign()?,
            Item::Minus => {
                if self.local_sign {
                    return Err(bad("cannot use \"S\" and \"MI\" together"));
                }
                self.minus = true;
            }
            Item::Plus => {
                if self.local_sign {
                    return Err(bad("cannot use \"S\" and \"PL\" together"));
                }
                self.plus = true;
            }
            Item::Sign => {
                if self.local_sign {
                    return Err(bad("cannot use \"S\" and \"SG\" together"));
                }
                (self.minus, self.plus) = (true, true);
            }
            Item::Brackets => {
                if self.local_sign || self.plus || self.minus {
                    return Err(bad("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together"));
                }
                self.brackets = true;
            }
            Item::Roman { lower } => self.roman = Some(lower),
            Item::Shift => {
                if self.decimal {
                    return Err(bad("cannot use \"V\" and decimal point together"));
                }
                self.shift = true;
            }
            Item::Exponent => self.note_exponent()?,
            Item::Comma
            | Item::Group
            | Item::Currency
            | Item::Ordinal { .. }
            | Item::Ignored
            | Item::Text(_) => {}
        }
        Ok(())
    }

    fn note_local_sign(&mut self) -> PgResult<()> {
        if self.local_sign {
            return Err(bad("cannot use \"S\" twice"));
        }
        if self.plus || self.minus || self.brackets {
            return Err(bad("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together"));
        }
        if !self.decimal {
            self.sign_place = SignPlace::Before;
            self.pre_sign = self.pre;
        } else if self.sign_place == SignPlace::None {
            self.sign_place = SignPlace::After;
        }
        self.local_sign = true;
        Ok(())
    }

    fn note_exponent(&mut self) -> PgResult<()> {
        if self.exponent {
            return Err(bad("cannot use \"EEEE\" twice"));
        }
        let others = self.blank || self.fill || self.local_sign || self.brackets || self.minus || self.plus;
        if others || self.roman.is_some() || self.shift {
            return Err(bad("\"EEEE\" is incompatible with other formats")
                .detail("\"EEEE\" may only be used together with digit and decimal point patterns."));
        }
        self.exponent = true;
        Ok(())
    }
}
