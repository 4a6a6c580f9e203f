//! From bytes to frontend messages.
//!
//! pgwire decodes message bodies, but it trusts them: a short body panics, a body may read past
//! its own end, and invalid UTF-8 is replaced without a word. So a frame is cut out first, its
//! length checked against PostgreSQL's limits (src/include/libpq/libpq.h), its structure walked,
//! and only then is pgwire given exactly the frame's bytes.

use bytes::{Buf, BytesMut};
use pgwire::messages::{DecodeContext, PgWireFrontendMessage};
use redoubt_error::{PgError, PgResult, Severity, code};
use redoubt_session::CopyData;

/// Length limit of messages that carry data or statements: PostgreSQL's 1 GB less one.
const LARGE_MESSAGE_BYTES: usize = 0x3fff_ffff - 1;
/// Length limit of all other messages.
const SMALL_MESSAGE_BYTES: usize = 10_000;
/// The read buffer grows by at most this much ahead of what has arrived, so that a length
/// field alone cannot make the server allocate.
const READ_AHEAD_BYTES: usize = 1 << 20;

/// Takes the next whole message off the front of `buf`; `None` until it has all arrived.
///
/// Errors are fatal: after one the stream cannot be trusted any more (08P01).
pub fn next_message(buf: &mut BytesMut, context: &DecodeContext) -> PgResult<Option<PgWireFrontendMessage>> {
    if buf.len() < 5 {
        return Ok(None);
    }
    let kind = buf[0];
    let length = i32::from_be_bytes([buf[1], buf[2], buf[3], buf[4]]);
    let limit = length_limit(kind)?;
    if length < 4 || length as usize > limit {
        return Err(violation("invalid message length"));
    }
    let total = length as usize + 1;
    if buf.len() < total {
        buf.reserve((total - buf.len()).min(READ_AHEAD_BYTES));
        return Ok(None);
    }
    let mut frame = buf.split_to(total);
    check_shape(kind, &frame[5..])?;
    PgWireFrontendMessage::decode(&mut frame, context)
        .map_err(|error| violation(&format!("invalid message: {error}")))
}

/// Moves COPY's data, as far as whole messages of them have arrived, off the front of `buf`.
/// Nothing when more has to be read first. Flush and Sync mean nothing inside a COPY; clients of the
/// extended protocol send them behind Execute.
///
/// # Errors
/// Fatal ones (08P01), for other messages.
pub fn next_copy_data(buf: &mut BytesMut, data: &mut Vec<u8>) -> PgResult<Option<CopyData>> {
    let before = data.len();
    let mut taken = 0;
    let result = loop {
        let rest = &buf[taken..];
        let moved = || (data.len() > before).then_some(CopyData::Some);
        let &[kind, a, b, c, d, ..] = rest else { break moved() };
        let limit = match kind {
            b'd' => LARGE_MESSAGE_BYTES,
            b'c' | b'f' | b'H' | b'S' => SMALL_MESSAGE_BYTES,
            b'X' => {
                let message = "connection to client lost: it ended the session during COPY";
                return Err(PgError::report(Severity::Fatal, code::CONNECTION_FAILURE, message));
            }
            other => {
                return Err(violation(&format!(
                    "unexpected message type 0x{other:02X} during COPY from stdin"
                )));
            }
        };
        let length = i32::from_be_bytes([a, b, c, d]);
        if length < 4 || length as usize > limit {
            return Err(violation("invalid message length"));
        }
        let total = length as usize + 1;
        if rest.len() < total {
            if data.len() == before {
                let missing = total - rest.len();
                buf.advance(taken);
                buf.reserve(missing.min(READ_AHEAD_BYTES));
                return Ok(None);
            }
            break moved();
        }
        let body = &rest[5..total];
        match kind {
            b'd' => data.extend_from_slice(body),
            b'H' | b'S' => {}
            // What came before is dealt with first.
            _ if data.len() > before => break moved(),
            b'c' => {
                taken += total;
                break Some(CopyData::Done);
            }
            _ => {
                let end = body.iter().position(|byte| *byte == 0).unwrap_or(body.len());
                taken += total;
                break Some(CopyData::Failed(String::from_utf8_lossy(&body[..end]).into_owned()));
            }
        }
        taken += total;
    };
    buf.advance(taken);
    Ok(result)
}

/// A protocol violation that ends the connection.
pub fn violation(message: &str) -> PgError {
    PgError::report(Severity::Fatal, code::PROTOCOL_VIOLATION, message)
}

fn length_limit(kind: u8) -> PgResult<usize> {
    match kind {
        b'Q' | b'P' | b'B' | b'd' | b'F' => Ok(LARGE_MESSAGE_BYTES),
        b'p' | b'E' | b'D' | b'C' | b'f' | b'c' | b'H' | b'S' | b'X' => Ok(SMALL_MESSAGE_BYTES),
        other => Err(violation(&format!("invalid frontend message type {other}"))),
    }
}

/// Walks a body and refuses one whose fields do not fill it exactly.
fn check_shape(kind: u8, body: &[u8]) -> PgResult<()> {
    let mut cursor = Cursor { body };
    match kind {
        b'Q' | b'f' => cursor.text()?,
        b'P' => {
            cursor.text()?;
            cursor.text()?;
            let types = cursor.u16()?;
            cursor.skip(4 * types as usize)?;
        }
        b'B' => cursor.bind()?,
        b'E' => {
            cursor.text()?;
            cursor.skip(4)?;
        }
        b'D' | b'C' => {
            let target = cursor.u8()?;
            if target != b'S' && target != b'P' {
                return Err(violation(&format!("invalid message subtype {target}")));
            }
            cursor.text()?;
        }
        b'H' | b'S' | b'X' | b'c' => {}
        b'F' => return Err(PgError::unsupported("function call protocol").with_severity(Severity::Fatal)),
        // CopyData and the password family are opaque here.
        _ => return Ok(()),
    }
    if cursor.body.is_empty() { Ok(()) } else { Err(violation("invalid message format")) }
}

/// A reader over a message body that never reads past its end.
struct Cursor<'a> {
    body: &'a [u8],
}

impl Cursor<'_> {
    fn skip(&mut self, bytes: usize) -> PgResult<()> {
        self.body = self.body.get(bytes..).ok_or_else(|| violation("insufficient data left in message"))?;
        Ok(())
    }

    fn u8(&mut self) -> PgResult<u8> {
        let value = *self.body.first().ok_or_else(|| violation("no data left in message"))?;
        self.skip(1)?;
        Ok(value)
    }

    fn u16(&mut self) -> PgResult<u16> {
        let bytes = self.body.first_chunk::<2>().copied();
        self.skip(2)?;
        Ok(u16::from_be_bytes(bytes.unwrap_or_default()))
    }

    fn i32(&mut self) -> PgResult<i32> {
        let bytes = self.body.first_chunk::<4>().copied();
        self.skip(4)?;
        Ok(i32::from_be_bytes(bytes.unwrap_or_default()))
    }

    fn text(&mut self) -> PgResult<()> {
        let end = self
            .body
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(|| violation("invalid string in message"))?;
        if let Err(error) = std::str::from_utf8(&self.body[..end]) {
            return Err(invalid_utf8(&self.body[..end], error.valid_up_to()));
        }
        self.skip(end + 1)
    }

    fn bind(&mut self) -> PgResult<()> {
        self.text()?;
        self.text()?;
        let formats = self.u16()?;
        self.skip(2 * formats as usize)?;
        let parameters = self.u16()?;
        for _ in 0..parameters {
            let length = self.i32()?;
            if length < -1 {
                return Err(violation("invalid message format"));
            }
            self.skip(length.max(0) as usize)?;
        }
        let results = self.u16()?;
        self.skip(2 * results as usize)
    }
}

/// 22021, naming the offending bytes as PostgreSQL's `report_invalid_encoding` does.
fn invalid_utf8(text: &[u8], at: usize) -> PgError {
    let expected = match text[at] {
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF7 => 4,
        _ => 1,
    };
    let shown: Vec<String> = text[at..].iter().take(expected).map(|byte| format!("0x{byte:02x}")).collect();
    PgError::new(
        code::CHARACTER_NOT_IN_REPERTOIRE,
        format!("invalid byte sequence for encoding \"UTF8\": {}", shown.join(" ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgwire::messages::ProtocolVersion;

    fn context() -> DecodeContext {
        let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
        context.awaiting_frontend_ssl = false;
        context.awaiting_frontend_startup = false;
        context
    }

    fn decode(bytes: &[u8]) -> String {
        match next_message(&mut BytesMut::from(bytes), &context()) {
            Ok(None) => "incomplete".into(),
            Ok(Some(message)) => format!("{message:?}").split(['(', ' ']).next().unwrap_or("").into(),
            Err(error) => format!("{} {}", error.code(), error.message()),
        }
    }

    #[test]
    fn messages_are_cut_and_checked() {
        let check = |bytes: &[u8], expect: &str| assert_eq!(decode(bytes), expect, "{bytes:?}");
        check(b"", "incomplete");
        check(b"Q\0\0\0\x0dselect 1\0", "Query");
        check(b"Q\0\0\0\x0dselect 1", "incomplete");
        check(b"Q\0\0\0\x03", "08P01 invalid message length");
        check(b"Q\xff\xff\xff\xff", "08P01 invalid message length");
        check(b"Q\x7f\xff\xff\xff", "08P01 invalid message length");
        check(b"S\0\0\x40\0", "08P01 invalid message length");
        check(b"Q\0\0\0\x05\0", "Query");
        check(b"Q\0\0\0\x06a\0", "Query");
        check(b"Q\0\0\0\x06ab", "08P01 invalid string in message");
        check(b"Q\0\0\0\x07a\0b", "08P01 invalid message format");
        check(b"Q\0\0\0\x07\xe2\x28\0", "22021 invalid byte sequence for encoding \"UTF8\": 0xe2 0x28");
        check(b"?\0\0\0\x04", "08P01 invalid frontend message type 63");
        check(b"B\0\0\0\x0c\0\0\0\0\0\0\0\0", "Bind");
        check(b"B\0\0\0\x0c\0\0\0\0\0\x01\0\0", "08P01 insufficient data left in message");
        check(b"B\0\0\0\x10\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0", "08P01 insufficient data left in message");
        check(b"P\0\0\0\x08\0\0\xff\xff", "08P01 insufficient data left in message");
        check(b"D\0\0\0\x06Z\0", "08P01 invalid message subtype 90");
    }

    #[test]
    fn copy_data_are_gathered() {
        let check = |bytes: &[u8], expect: &[&str]| {
            let mut buf = BytesMut::from(bytes);
            let mut got = Vec::new();
            loop {
                let mut data = Vec::new();
                match next_copy_data(&mut buf, &mut data) {
                    Ok(None) => break got.push(format!("{} left", buf.len())),
                    Ok(Some(CopyData::Some)) => got.push(String::from_utf8_lossy(&data).into_owned()),
                    Ok(Some(other)) => got.push(format!("{other:?}")),
                    Err(error) => break got.push(error.message().to_string()),
                }
            }
            assert_eq!(got, expect, "{bytes:?}");
        };
        check(b"", &["0 left"]);
        check(b"d\0\0\0\x06abd\0\0\0\x05cS\0\0\0\x04d\0\0\0\x09xy", &["abc", "7 left"]);
        check(b"d\0\0\0\x05ac\0\0\0\x04", &["a", "Done", "0 left"]);
        check(b"f\0\0\0\x08why\0", &["Failed(\"why\")", "0 left"]);
        check(b"d\0\0\0\x03", &["invalid message length"]);
        check(b"Q\0\0\0\x05\0", &["unexpected message type 0x51 during COPY from stdin"]);
    }

    /// Every prefix and every one-byte change of valid messages decodes or fails, and never panics.
    #[test]
    fn damaged_messages_never_panic() {
        let valid: [&[u8]; 4] = [
            b"P\0\0\0\x17s1\0select $1\0\0\x01\0\0\0\x17",
            b"B\0\0\0\x1d\0s1\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x05\0\x01\0\x01",
            b"E\0\0\0\x09\0\0\0\0\0",
            b"d\0\0\0\x08abcd",
        ];
        for message in valid {
            for cut in 0..=message.len() {
                decode(&message[..cut]);
            }
            for at in 0..message.len() {
                for value in 0..=255u8 {
                    let mut changed = message.to_vec();
                    changed[at] = value;
                    decode(&changed);
                }
            }
        }
    }
}
