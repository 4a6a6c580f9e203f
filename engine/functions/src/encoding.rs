//! Text forms of binary data: hexadecimal, base 64 and escaped.

use crate::bytea::unescape;
use redoubt_error::{PgError, PgResult, code};

const HEX: &[u8; 16] = b"0123456789abcdef";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Characters in a line of base 64 (RFC 2045).
const BASE64_LINE: usize = 76;

fn invalid(message: String) -> PgError {
    PgError::new(code::INVALID_PARAMETER_VALUE, message)
}

#[cold]
fn unknown_encoding(name: &str) -> PgError {
    invalid(format!("unrecognized encoding: \"{name}\""))
}

/// `encode(bytea, text)`.
///
/// # Errors
/// `22023` for an unknown encoding.
pub(crate) fn encode(bytes: &[u8], encoding: &str) -> PgResult<String> {
    let mut out = Vec::new();
    match encoding.to_ascii_lowercase().as_str() {
        "hex" => hex_encode(bytes, &mut out),
        "base64" => base64_encode(bytes, &mut out),
        "escape" => escape(bytes, &mut out),
        _ => return Err(unknown_encoding(encoding)),
    }
    if out.len() + 4 > 0x3FFF_FFFF {
        return Err(PgError::new(code::PROGRAM_LIMIT_EXCEEDED, "result of encoding conversion is too large"));
    }
    crate::io::into_string(out)
}

/// `decode(text, text)`.
///
/// # Errors
/// `22023` for an unknown encoding or malformed data, `22P02` for malformed escapes.
pub(crate) fn decode(text: &str, encoding: &str) -> PgResult<Vec<u8>> {
    match encoding.to_ascii_lowercase().as_str() {
        "hex" => hex_decode(text),
        "base64" => base64_decode(text),
        "escape" => unescape(text.as_bytes()),
        _ => Err(unknown_encoding(encoding)),
    }
}

/// Appends two lower-case digits per byte.
pub(crate) fn hex_encode(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() * 2);
    for &byte in bytes {
        out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// Reads pairs of digits; blanks between pairs are skipped.
pub(crate) fn hex_decode(text: &str) -> PgResult<Vec<u8>> {
    let digit = |c: char| {
        c.to_digit(16)
            .map(|digit| digit as u8)
            .ok_or_else(|| invalid(format!("invalid hexadecimal digit: \"{c}\"")))
    };
    let mut out = Vec::with_capacity(text.len() / 2);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if matches!(c, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let high = digit(c)?;
        let low = chars
            .next()
            .ok_or_else(|| invalid("invalid hexadecimal data: odd number of digits".to_owned()))?;
        out.push(high << 4 | digit(low)?);
    }
    Ok(out)
}

fn base64_encode(bytes: &[u8], out: &mut Vec<u8>) {
    let mut column = 0;
    for group in bytes.chunks(3) {
        if column == BASE64_LINE {
            out.push(b'\n');
            column = 0;
        }
        let bits =
            group.iter().enumerate().fold(0u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for at in 0..4 {
            let symbol = BASE64[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= group.len() { symbol } else { b'=' });
        }
        column += 4;
    }
    // A full line ends with a line break even when nothing follows.
    if column == BASE64_LINE {
        out.push(b'\n');
    }
}

fn base64_decode(text: &str) -> PgResult<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut padding) = (0u32, 0, 0);
    for c in text.chars() {
        if matches!(c, ' ' | '\n' | '\t' | '\r') {
            continue;
        }
        let value = if c == '=' {
            if padding == 0 {
                padding = match count {
                    2 => 1,
                    3 => 2,
                    _ => return Err(invalid("unexpected \"=\" while decoding base64 sequence".to_owned())),
                };
            }
            0
        } else {
            let at = BASE64.iter().position(|symbol| char::from(*symbol) == c);
            at.ok_or_else(|| invalid(format!("invalid symbol \"{c}\" found while decoding base64 sequence")))?
                as u32
        };
        bits = bits << 6 | value;
        count += 1;
        if count == 4 {
            let [_, bytes @ ..] = bits.to_be_bytes();
            out.extend_from_slice(&bytes[..if padding == 0 { 3 } else { padding }]);
            (bits, count) = (0, 0);
        }
    }
    if count != 0 {
        return Err(invalid("invalid base64 end sequence".to_owned())
            .hint("Input data is missing padding, is truncated, or is otherwise corrupted."));
    }
    Ok(out)
}

/// Zero bytes and bytes above ASCII in octal, backslashes doubled, the rest as it is.
fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            0 | 0x80.. => {
                out.extend([b'\\', b'0' + (byte >> 6), b'0' + ((byte >> 3) & 7), b'0' + (byte & 7)])
            }
            _ => out.push(byte),
        }
    }
}
