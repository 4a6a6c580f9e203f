//! Format pictures of `to_char` and its kin, cut into fields and literal text
//! (PostgreSQL's src/backend/utils/adt/formatting.c).

/// What a date and time field shows or reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Each is named as in the documentation's table.
pub(crate) enum Field {
    AdDots,
    AmDots,
    Ad,
    Am,
    Cc,
    Ddd,
    Dd,
    Dy,
    Day,
    D,
    Ff(u32),
    Fx,
    Hh24,
    Hh12,
    Iddd,
    Id,
    Iw,
    Iyyy,
    Iyy,
    Iy,
    I,
    J,
    Mi,
    Mm,
    Month,
    Mon,
    Ms,
    Of,
    Q,
    Rm,
    Ssss,
    Ss,
    Tzh,
    Tzm,
    Tz,
    Us,
    Ww,
    W,
    YCommaYyy,
    Yyyy,
    Yyy,
    Yy,
    Y,
}

/// How letters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// As in `MONTH`.
    Upper,
    /// As in `Month`.
    Title,
    /// As in `month`.
    Lower,
}

/// One piece of a picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// A field.
    Field(FieldPiece),
    /// A blank.
    Space(char),
    /// Punctuation.
    Separator(char),
    /// Any other character.
    Literal(char),
}

/// A field with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FieldPiece {
    pub(crate) field: Field,
    /// The key word, for messages.
    pub(crate) name: &'static str,
    pub(crate) case: Case,
    /// Consists of digits.
    pub(crate) digits: bool,
    /// FM: no padding.
    pub(crate) fill: bool,
    /// TM: localized, which in locale C differs in padding only.
    pub(crate) localized: bool,
    /// TH (upper) or th (lower).
    pub(crate) ordinal: Option<Case>,
}

type Key = (&'static str, Field, Case, bool);

/// Key words, each before those it begins with.
#[rustfmt::skip]
static KEYS: &[Key] = {
    use Case::{Lower, Title, Upper};
    use Field::*;
    &[
        ("A.D.", AdDots, Upper, false), ("A.M.", AmDots, Upper, false), ("AD", Ad, Upper, false),
        ("AM", Am, Upper, false), ("B.C.", AdDots, Upper, false), ("BC", Ad, Upper, false),
        ("CC", Cc, Upper, true), ("DAY", Day, Upper, false), ("DDD", Ddd, Upper, true), ("DD", Dd, Upper, true),
        ("DY", Dy, Upper, false), ("Day", Day, Title, false), ("Dy", Dy, Title, false), ("D", D, Upper, true),
        ("FF1", Ff(1), Upper, false), ("FF2", Ff(2), Upper, false), ("FF3", Ff(3), Upper, false),
        ("FF4", Ff(4), Upper, false), ("FF5", Ff(5), Upper, false), ("FF6", Ff(6), Upper, false),
        ("FX", Fx, Upper, false), ("HH24", Hh24, Upper, true), ("HH12", Hh12, Upper, true), ("HH", Hh12, Upper, true),
        ("IDDD", Iddd, Upper, true), ("ID", Id, Upper, true), ("IW", Iw, Upper, true), ("IYYY", Iyyy, Upper, true),
        ("IYY", Iyy, Upper, true), ("IY", Iy, Upper, true), ("I", I, Upper, true), ("J", J, Upper, true),
        ("MI", Mi, Upper, true), ("MM", Mm, Upper, true), ("MONTH", Month, Upper, false), ("MON", Mon, Upper, false),
        ("MS", Ms, Upper, true), ("Month", Month, Title, false), ("Mon", Mon, Title, false), ("OF", Of, Upper, false),
        ("P.M.", AmDots, Upper, false), ("PM", Am, Upper, false), ("Q", Q, Upper, true), ("RM", Rm, Upper, false),
        ("SSSSS", Ssss, Upper, true), ("SSSS", Ssss, Upper, true), ("SS", Ss, Upper, true),
        ("TZH", Tzh, Upper, false), ("TZM", Tzm, Upper, true), ("TZ", Tz, Upper, false), ("US", Us, Upper, true),
        ("WW", Ww, Upper, true), ("W", W, Upper, true), ("Y,YYY", YCommaYyy, Upper, true),
        ("YYYY", Yyyy, Upper, true), ("YYY", Yyy, Upper, true), ("YY", Yy, Upper, true), ("Y", Y, Upper, true),
        ("a.d.", AdDots, Lower, false), ("a.m.", AmDots, Lower, false), ("ad", Ad, Lower, false),
        ("am", Am, Lower, false), ("b.c.", AdDots, Lower, false), ("bc", Ad, Lower, false), ("cc", Cc, Lower, true),
        ("day", Day, Lower, false), ("ddd", Ddd, Lower, true), ("dd", Dd, Lower, true), ("dy", Dy, Lower, false),
        ("d", D, Lower, true), ("ff1", Ff(1), Lower, false), ("ff2", Ff(2), Lower, false),
        ("ff3", Ff(3), Lower, false), ("ff4", Ff(4), Lower, false), ("ff5", Ff(5), Lower, false),
        ("ff6", Ff(6), Lower, false), ("fx", Fx, Lower, false), ("hh24", Hh24, Lower, true),
        ("hh12", Hh12, Lower, true), ("hh", Hh12, Lower, true), ("iddd", Iddd, Lower, true), ("id", Id, Lower, true),
        ("iw", Iw, Lower, true), ("iyyy", Iyyy, Lower, true), ("iyy", Iyy, Lower, true), ("iy", Iy, Lower, true),
        ("i", I, Lower, true), ("j", J, Lower, true), ("mi", Mi, Lower, true), ("mm", Mm, Lower, true),
        ("month", Month, Lower, false), ("mon", Mon, Lower, false), ("ms", Ms, Lower, true), ("of", Of, Lower, false),
        ("p.m.", AmDots, Lower, false), ("pm", Am, Lower, false), ("q", Q, Lower, true), ("rm", Rm, Lower, false),
        ("sssss", Ssss, Lower, true), ("ssss", Ssss, Lower, true), ("ss", Ss, Lower, true),
        ("tzh", Tzh, Lower, false), ("tzm", Tzm, Lower, true), ("tz", Tz, Lower, false), ("us", Us, Lower, true),
        ("ww", Ww, Lower, true), ("w", W, Lower, true), ("y,yyy", YCommaYyy, Lower, true),
        ("yyyy", Yyyy, Lower, true), ("yyy", Yyy, Lower, true), ("yy", Yy, Lower, true), ("y", Y, Lower, true),
    ]
};

/// Cuts a date and time picture.
pub(crate) fn datetime_pieces(picture: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = picture;
    while !rest.is_empty() {
        let (mut fill, mut localized) = (false, false);
        // One prefix counts; another one after it would be literal text.
        match rest.get(..2) {
            Some("FM" | "fm") => fill = true,
            Some("TM" | "tm") => localized = true,
            _ => {}
        }
        let after = if fill || localized { &rest[2..] } else { rest };
        if let Some((name, field, case, digits)) = KEYS.iter().find(|key| after.starts_with(key.0)) {
            rest = &after[name.len()..];
            let mut ordinal = None;
            match rest.get(..2) {
                Some("TH") => ordinal = Some(Case::Upper),
                Some("th") => ordinal = Some(Case::Lower),
                _ => {}
            }
            if ordinal.is_some() || rest.starts_with("SP") {
                rest = &rest[2..];
            }
            pieces.push(Piece::Field(FieldPiece {
                field: *field,
                name,
                case: *case,
                digits: *digits,
                fill,
                localized,
                ordinal,
            }));
            continue;
        }
        rest = literal(after, &mut pieces);
    }
    pieces
}

/// Takes a quoted text or one character.
fn literal<'a>(text: &'a str, pieces: &mut Vec<Piece>) -> &'a str {
    let mut chars = text.chars();
    match chars.next() {
        None => "",
        Some('"') => {
            while let Some(c) = chars.next() {
                match c {
                    '"' => break,
                    '\\' => pieces.extend(chars.next().map(Piece::Literal)),
                    c => pieces.push(Piece::Literal(c)),
                }
            }
            chars.as_str()
        }
        // Outside quotes a backslash matters only before one.
        Some('\\') if chars.as_str().starts_with('"') => {
            chars.next();
            pieces.push(Piece::Separator('"'));
            chars.as_str()
        }
        Some(c) => {
            pieces.push(if is_separator(c) {
                Piece::Separator(c)
            } else if c.is_ascii_whitespace() || c == '\u{b}' {
                Piece::Space(c)
            } else {
                Piece::Literal(c)
            });
            chars.as_str()
        }
    }
}

/// Printable ASCII that is neither letter nor digit.
pub(crate) fn is_separator(c: char) -> bool {
    c.is_ascii_graphic() && !c.is_ascii_alphanumeric()
}

/// The ordinal ending of a number: by its last digits.
pub(crate) fn ordinal_ending(digits: &str, case: Case) -> &'static str {
    let last = digits.as_bytes().last().copied().unwrap_or(b'0');
    let before = digits.len().checked_sub(2).map(|at| digits.as_bytes()[at]);
    let upper = match last {
        _ if before == Some(b'1') => "TH",
        b'1' => "ST",
        b'2' => "ND",
        b'3' => "RD",
        _ => "TH",
    };
    match (case, upper) {
        (Case::Upper, upper) => upper,
        (_, "ST") => "st",
        (_, "ND") => "nd",
        (_, "RD") => "rd",
        _ => "th",
    }
}

/// The last pictures that were cut are kept, as a query uses one for all its rows.
pub(crate) fn cached_datetime_pieces(picture: &str) -> std::rc::Rc<[Piece]> {
    use std::cell::RefCell;
    use std::rc::Rc;
    type Cache = Vec<(String, Rc<[Piece]>)>;
    /// As many as PostgreSQL keeps.
    const KEPT: usize = 20;
    thread_local! {
        static CACHE: RefCell<Cache> = const { RefCell::new(Vec::new()) };
    }
    CACHE.with_borrow_mut(|cache| {
        if let Some(at) = cache.iter().position(|(known, _)| known == picture) {
            return cache[at].1.clone();
        }
        let pieces: Rc<[Piece]> = datetime_pieces(picture).into();
        if cache.len() == KEPT {
            cache.remove(0);
        }
        cache.push((picture.to_string(), pieces.clone()));
        pieces
    })
}
