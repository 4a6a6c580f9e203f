//! The first packets of a connection, before anybody is authenticated.
//!
//! Everything here is bounded: a packet of at most 10,000 bytes, at most `authentication_timeout`
//! to finish, and an empty buffer before any change of transport, so that bytes sent in the clear
//! behind an SSLRequest can never be taken for part of the encrypted session (CVE-2021-23214).

use bytes::{Buf, BytesMut};
use redoubt_error::{PgError, PgResult, Severity, code};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::frame::violation;

/// PostgreSQL's MAX_STARTUP_PACKET_LENGTH.
const STARTUP_BYTES: usize = 10_000;
const CANCEL_CODE: u32 = 80_877_102;
const SSL_CODE: u32 = 80_877_103;
const GSS_CODE: u32 = 80_877_104;

/// What the first packets asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Opening {
    /// A session.
    Start(StartupPacket),
    /// The cancellation of another session's statement.
    Cancel {
        /// `BackendKeyData`'s process id.
        pid: i32,
        /// Its secret.
        secret: i32,
    },
    /// Encryption, which the client has been promised.
    Tls,
    /// The client left, or only probed the port.
    Gone,
}

/// Whether a client may ask for encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// It gets it.
    Offered,
    /// It is told that there is none.
    Refused,
    /// It has it already, and asks for it once too often.
    Done,
}

/// A version 3 startup packet.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StartupPacket {
    /// Minor protocol version asked for.
    pub minor: u16,
    /// Name and value pairs in order, `user` and `database` among them.
    pub parameters: Vec<(String, String)>,
}

impl StartupPacket {
    /// The last value given for a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads packets until one opens a session, cancels one, asks for encryption and may have it, or the client
/// goes. GSS requests, and SSL requests without a certificate, are answered with `N`.
pub async fn open<S>(stream: &mut S, buffer: &mut BytesMut, encryption: Encryption) -> PgResult<Opening>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut ssl_asked, mut gss_asked) = (encryption == Encryption::Done, encryption == Encryption::Done);
    loop {
        let Some(packet) = read_packet(stream, buffer).await? else { return Ok(Opening::Gone) };
        match u32::from_be_bytes([packet[0], packet[1], packet[2], packet[3]]) {
            CANCEL_CODE => return cancel(&packet[4..]),
            request @ (SSL_CODE | GSS_CODE) => {
                let asked = if request == SSL_CODE { &mut ssl_asked } else { &mut gss_asked };
                if std::mem::replace(asked, true) {
                    return Err(violation("unsupported frontend protocol"));
                }
                if !buffer.is_empty() {
                    let what = if request == SSL_CODE { "SSL" } else { "GSSAPI encryption" };
                    return Err(violation(&format!("received unencrypted data after {what} request")));
                }
                let yes = request == SSL_CODE && encryption == Encryption::Offered;
                stream.write_all(if yes { b"S" } else { b"N" }).await.map_err(connection_lost)?;
                if yes {
                    return Ok(Opening::Tls);
                }
            }
            version => return parse_startup(version, &packet[4..]).map(Opening::Start),
        }
    }
}

/// 08006 for a client that went away.
pub fn connection_lost(error: std::io::Error) -> PgError {
    PgError::report(Severity::Fatal, code::CONNECTION_FAILURE, format!("connection to client lost: {error}"))
}

/// One packet without its length; `None` at a clean end of the stream.
async fn read_packet<S>(stream: &mut S, buffer: &mut BytesMut) -> PgResult<Option<BytesMut>>
where
    S: AsyncRead + Unpin,
{
    let incomplete = || violation("incomplete startup packet");
    loop {
        if buffer.len() >= 4 {
            let length = u32::from_be_bytes([buffer[0], buffer[1], buffer[2], buffer[3]]) as usize;
            if !(8..=STARTUP_BYTES).contains(&length) {
                return Err(violation("invalid length of startup packet"));
            }
            if buffer.len() >= length {
                let mut packet = buffer.split_to(length);
                packet.advance(4);
                return Ok(Some(packet));
            }
        }
        // The read is capped, so that a flood before authentication stays within the packet limit.
        let room = STARTUP_BYTES.saturating_sub(buffer.len()).max(1);
        let mut limited = (&mut *stream).take(room as u64);
        if limited.read_buf(buffer).await.map_err(connection_lost)? == 0 {
            return if buffer.is_empty() { Ok(None) } else { Err(incomplete()) };
        }
    }
}

fn cancel(body: &[u8]) -> PgResult<Opening> {
    let body: [u8; 8] = body.try_into().map_err(|_| violation("invalid length of startup packet"))?;
    let [a, b, c, d, e, f, g, h] = body;
    Ok(Opening::Cancel { pid: i32::from_be_bytes([a, b, c, d]), secret: i32::from_be_bytes([e, f, g, h]) })
}

fn parse_startup(version: u32, mut body: &[u8]) -> PgResult<StartupPacket> {
    let (major, minor) = (version >> 16, version as u16);
    if major != 3 {
        return Err(PgError::report(
            Severity::Fatal,
            code::FEATURE_NOT_SUPPORTED,
            format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0"),
        ));
    }
    let mut parameters = Vec::new();
    loop {
        let name = take_cstring(&mut body)?;
        if name.is_empty() {
            break;
        }
        let value = take_cstring(&mut body)?;
        parameters.push((name, value));
    }
    if !body.is_empty() {
        return Err(violation("invalid startup packet layout: expected terminator as last byte"));
    }
    Ok(StartupPacket { minor, parameters })
}

fn take_cstring(body: &mut &[u8]) -> PgResult<String> {
    let layout = || violation("invalid startup packet layout: expected terminator as last byte");
    let end = body.iter().position(|byte| *byte == 0).ok_or_else(layout)?;
    let text = std::str::from_utf8(&body[..end])
        .map_err(|_| violation("startup packet is not valid UTF-8"))?
        .to_owned();
    *body = &body[end + 1..];
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that has been closed for writing by the client after `input`.
    async fn open_with(input: &[u8]) -> (Result<Opening, String>, Vec<u8>) {
        open_under(input, Encryption::Refused).await
    }

    async fn open_under(input: &[u8], encryption: Encryption) -> (Result<Opening, String>, Vec<u8>) {
        let (mut client, mut server) = tokio::io::duplex(64 * 1024);
        client.write_all(input).await.expect("the pipe holds the input");
        client.shutdown().await.expect("shutdown");
        let result = open(&mut server, &mut BytesMut::new(), encryption)
            .await
            .map_err(|error| error.message().to_string());
        drop(server);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.expect("the pipe reads");
        (result, answer)
    }

    fn packet(code: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = (body.len() as u32 + 8).to_be_bytes().to_vec();
        bytes.extend(code.to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[tokio::test]
    async fn openings() {
        let startup = packet(196_608, b"user\0bob\0database\0d\0\0");
        let (opening, answer) = open_with(&startup).await;
        let Ok(Opening::Start(start)) = opening else { panic!("{opening:?}") };
        assert_eq!(
            (start.get("user"), start.get("database"), start.get("x")),
            (Some("bob"), Some("d"), None)
        );
        assert_eq!(answer, b"");

        let cancel = packet(CANCEL_CODE, &[0, 0, 0, 7, 0, 0, 0, 9]);
        assert_eq!(open_with(&cancel).await.0, Ok(Opening::Cancel { pid: 7, secret: 9 }));
        assert_eq!(open_with(b"").await.0, Ok(Opening::Gone));
        assert_eq!(open_with(&packet(SSL_CODE, b"")).await, (Ok(Opening::Gone), b"N".to_vec()));
    }

    #[tokio::test]
    async fn plaintext_behind_ssl_request_is_refused() {
        let mut bytes = packet(SSL_CODE, b"");
        bytes.extend(packet(196_608, b"user\0bob\0\0"));
        for encryption in [Encryption::Refused, Encryption::Offered] {
            let (opening, answer) = open_under(&bytes, encryption).await;
            assert_eq!(opening, Err("received unencrypted data after SSL request".to_string()));
            assert_eq!(answer, b"");
        }
    }

    #[tokio::test]
    async fn encryption_is_promised_once() {
        let request = packet(SSL_CODE, b"");
        assert_eq!(open_under(&request, Encryption::Offered).await, (Ok(Opening::Tls), b"S".to_vec()));
        let (opening, answer) = open_under(&request, Encryption::Done).await;
        assert_eq!((opening, answer), (Err("unsupported frontend protocol".to_string()), Vec::new()));
    }

    #[tokio::test]
    async fn garbage_is_refused() {
        let check = async |bytes: Vec<u8>, expect: &str| {
            assert_eq!(open_with(&bytes).await.0, Err(expect.to_string()), "{bytes:?}");
        };
        check(vec![0xff; 40], "invalid length of startup packet").await;
        check(vec![0, 0, 0, 7, 0, 3, 0, 0], "invalid length of startup packet").await;
        check(b"GET / HTTP/1.1\r\n\r\n".to_vec(), "invalid length of startup packet").await;
        check(vec![0, 0], "incomplete startup packet").await;
        check(
            packet(196_608, b"user\0bob"),
            "invalid startup packet layout: expected terminator as last byte",
        )
        .await;
        check(packet(196_608, b"\0x"), "invalid startup packet layout: expected terminator as last byte")
            .await;
        check(packet(131_072, b"\0"), "unsupported frontend protocol 2.0: server supports 3.0 to 3.0").await;
        check(vec![0, 0, 0x27, 0x11, 0, 3, 0, 0], "invalid length of startup packet").await;
    }
}
