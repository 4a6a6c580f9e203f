//! `convert_to` and `convert_from`: text in other encodings than the database's, which is UTF8.
//!
//! The tables are `encoding_rs`'s. They are the web's, which differ from PostgreSQL's in places: what is converted
//! here has been compared with PostgreSQL code by code, and every other encoding is refused with `0A000`.

use crate::args::builtins;
use encoding_rs::EUC_KR;
use redoubt_error::{PgError, PgResult, code};

/// An encoding of PostgreSQL's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Latin1,
    EucKr,
}

/// KS X 1001's only character that the web's table lacks: the circled postal code mark.
const EUC_KR_ONLY: ([u8; 2], char) = ([0xA2, 0xE8], '\u{327E}');

impl Encoding {
    /// The encoding of a name, in which case and punctuation do not count.
    fn named(name: &str) -> PgResult<Encoding> {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        match plain.to_ascii_lowercase().as_str() {
            "utf8" | "unicode" => Ok(Encoding::Utf8),
            "latin1" | "iso88591" => Ok(Encoding::Latin1),
            "euckr" => Ok(Encoding::EucKr),
            _ => Err(PgError::unsupported(format!("conversion between UTF8 and encoding \"{name}\""))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "UTF8",
            Encoding::Latin1 => "LATIN1",
            Encoding::EucKr => "EUC_KR",
        }
    }

    /// The first character of some bytes and its length.
    fn first(self, bytes: &[u8]) -> PgResult<(char, usize)> {
        let invalid = |length: usize| {
            let shown = listed(&bytes[..length.min(bytes.len())]);
            let message = format!("invalid byte sequence for encoding \"{}\": {shown}", self.name());
            PgError::new(code::CHARACTER_NOT_IN_REPERTOIRE, message)
        };
        match (self, bytes) {
            (_, [0, ..]) => Err(invalid(1)),
            (Encoding::EucKr, [first @ 0x80..=0xFF, rest @ ..]) => {
                let in_range = |byte: u8| (0xA1..=0xFE).contains(&byte);
                let Some(&second) = rest.first().filter(|second| in_range(*first) && in_range(**second))
                else {
                    return Err(invalid(2));
                };
                let pair = [*first, second];
                let table = || {
                    let text = EUC_KR.decode_without_bom_handling_and_without_replacement(&pair)?;
                    text.chars().next()
                };
                let found = if pair == EUC_KR_ONLY.0 { Some(EUC_KR_ONLY.1) } else { table() };
                found.map(|found| (found, 2)).ok_or_else(|| no_equivalent(&pair, self, Encoding::Utf8))
            }
            (_, [byte, ..]) => Ok((char::from(*byte), 1)),
            (_, []) => Err(PgError::internal("no bytes to convert")),
        }
    }

    /// Appends a character.
    fn put(self, c: char, out: &mut Vec<u8>) -> PgResult<()> {
        let mut buffer = [0; 4];
        let utf8 = c.encode_utf8(&mut buffer);
        match self {
            Encoding::Utf8 => out.extend_from_slice(utf8.as_bytes()),
            Encoding::Latin1 => match u8::try_from(c) {
                Ok(byte) => out.push(byte),
                Err(_) => return Err(no_equivalent(utf8.as_bytes(), Encoding::Utf8, self)),
            },
            Encoding::EucKr if c == EUC_KR_ONLY.1 => out.extend(EUC_KR_ONLY.0),
            Encoding::EucKr => {
                let (bytes, _, failed) = EUC_KR.encode(utf8);
                // The web's encoding has more characters, in places that are none in EUC_KR.
                let known = c.is_ascii() || bytes.iter().all(|byte| (0xA1..=0xFE).contains(byte));
                if failed || !known {
                    return Err(no_equivalent(utf8.as_bytes(), Encoding::Utf8, self));
                }
                out.extend_from_slice(&bytes);
            }
        }
        Ok(())
    }
}

fn listed(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("0x{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn no_equivalent(bytes: &[u8], from: Encoding, to: Encoding) -> PgError {
    let message = format!(
        "character with byte sequence {} in encoding \"{}\" has no equivalent in encoding \"{}\"",
        listed(bytes),
        from.name(),
        to.name()
    );
    PgError::new(code::UNTRANSLATABLE_CHARACTER, message)
}

fn convert_to(text: &str, name: &str) -> PgResult<Vec<u8>> {
    let encoding = Encoding::named(name)?;
    let mut out = Vec::with_capacity(text.len());
    text.chars().try_for_each(|c| encoding.put(c, &mut out))?;
    Ok(out)
}

fn convert_from(bytes: &[u8], name: &str) -> PgResult<String> {
    let encoding = Encoding::named(name)?;
    if encoding == Encoding::Utf8 {
        return crate::binary::client_text(bytes).map(str::to_owned);
    }
    let (mut out, mut rest) = (String::with_capacity(bytes.len()), bytes);
    while !rest.is_empty() {
        let (c, length) = encoding.first(rest)?;
        out.push(c);
        rest = &rest[length..];
    }
    Ok(out)
}

builtins! {
    "pg_convert_to" = convert_to: 2;
    "pg_convert_from" = convert_from: 2;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let check = |bytes: &[u8], name: &str, text: &str| {
            assert_eq!(convert_from(bytes, name).expect("valid bytes"), text);
            assert_eq!(convert_to(text, name).expect("known characters"), bytes);
        };
        check(b"\xB0\xFA\xC7\xD0, 1", "EUC_KR", "과학, 1");
        check(b"\xA2\xE8\xA1\xA1", "euc-kr", "\u{327E}\u{3000}");
        check(b"caf\xE9", "latin1", "café");
        check("€".as_bytes(), "UTF8", "€");
    }

    #[test]
    fn what_cannot_be() {
        let check = |result: PgResult<()>, code: &str, message: &str| {
            let error = result.expect_err(message);
            assert_eq!((error.code().as_str(), error.message()), (code, message));
        };
        let from = |bytes: &[u8], name: &str| convert_from(bytes, name).map(|_| ());
        let to = |text: &str, name: &str| convert_to(text, name).map(|_| ());
        check(from(b"\xB0 ", "EUC_KR"), "22021", "invalid byte sequence for encoding \"EUC_KR\": 0xb0 0x20");
        check(from(b"\xB0", "EUC_KR"), "22021", "invalid byte sequence for encoding \"EUC_KR\": 0xb0");
        check(from(b"a\0", "LATIN1"), "22021", "invalid byte sequence for encoding \"LATIN1\": 0x00");
        let unknown = "character with byte sequence 0xad 0xa1 in encoding \"EUC_KR\" has no equivalent in encoding \"UTF8\"";
        check(from(b"\xAD\xA1", "EUC_KR"), "22P05", unknown);
        // A syllable of the web's windows-949 alone.
        let alone = "character with byte sequence 0xea 0xb0 0x82 in encoding \"UTF8\" has no equivalent in encoding \"EUC_KR\"";
        check(to("\u{AC02}", "EUC_KR"), "22P05", alone);
        let euro = "character with byte sequence 0xe2 0x82 0xac in encoding \"UTF8\" has no equivalent in encoding \"LATIN1\"";
        check(to("€", "LATIN1"), "22P05", euro);
    }
}
