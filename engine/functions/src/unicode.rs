//! `normalize` and `IS NORMALIZED`: Unicode's normal forms (Unicode Standard Annex #15).
//!
//! PostgreSQL 15 knows Unicode 14.0, and the normal form of a character that came later is the character itself.
//! The crate is therefore held at the version whose tables are those of 14.0.

use crate::args::builtins;
use redoubt_error::{PgError, PgResult, code};
use unicode_normalization::{UNICODE_VERSION, UnicodeNormalization};

const _: () = assert!(UNICODE_VERSION.0 == 14 && UNICODE_VERSION.1 == 0, "PostgreSQL 15 has Unicode 14.0");

#[derive(Clone, Copy)]
enum Form {
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
}

impl Form {
    fn named(name: &str) -> PgResult<Form> {
        match name.to_ascii_uppercase().as_str() {
            "NFC" => Ok(Form::Nfc),
            "NFD" => Ok(Form::Nfd),
            "NFKC" => Ok(Form::Nfkc),
            "NFKD" => Ok(Form::Nfkd),
            _ => {
                let message = format!("invalid normalization form: {name}");
                Err(PgError::new(code::INVALID_PARAMETER_VALUE, message))
            }
        }
    }

    fn of(self, text: &str) -> String {
        match self {
            Form::Nfc => text.nfc().collect(),
            Form::Nfd => text.nfd().collect(),
            Form::Nfkc => text.nfkc().collect(),
            Form::Nfkd => text.nfkd().collect(),
        }
    }
}

fn normalize(text: &str, form: &str) -> PgResult<String> {
    Ok(Form::named(form)?.of(text))
}

fn is_normalized(text: &str, form: &str) -> PgResult<bool> {
    let form = Form::named(form)?;
    // ASCII is in every form.
    Ok(text.is_ascii() || form.of(text) == text)
}

builtins! {
    "unicode_normalize_func" = normalize: 2;
    "unicode_is_normalized" = is_normalized: 2;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let check = |text: &str, form: &str, expect: &str| {
            assert_eq!(normalize(text, form).expect("a form"), expect, "{text} {form}");
            assert_eq!(is_normalized(text, form).expect("a form"), text == expect, "{text} {form}");
        };
        check("a\u{308}\u{24D1}c", "nfc", "\u{E4}\u{24D1}c");
        check("\u{E4}\u{24D1}c", "NFD", "a\u{308}\u{24D1}c");
        check("a\u{308}\u{24D1}c", "NFKC", "\u{E4}bc");
        check("\u{E4}\u{24D1}c", "NFKD", "a\u{308}bc");
        check("plain", "NFC", "plain");
        // Hangul is composed by arithmetic.
        check("\u{1112}\u{1161}\u{11AB}", "NFC", "\u{D55C}");
        // Added by Unicode 16.0 with a decomposition that PostgreSQL 15 does not know.
        check("\u{11383}", "NFD", "\u{11383}");
        assert_eq!(
            normalize("abc", "def").map_err(|error| error.message().to_owned()),
            Err("invalid normalization form: def".to_owned())
        );
    }
}
