//! A client that speaks the protocol message by message, and may break its rules.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// How long an answer may take before the test fails.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// One connection.
pub struct RawClient {
    stream: TcpStream,
}

/// A message of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type byte.
    pub kind: u8,
    /// What follows its length.
    pub body: Vec<u8>,
}

impl Message {
    /// A field of an ErrorResponse or NoticeResponse.
    pub fn field(&self, name: u8) -> Option<String> {
        let mut fields = self.body.split(|byte| *byte == 0);
        fields
            .find(|field| field.first() == Some(&name))
            .map(|field| String::from_utf8_lossy(&field[1..]).into_owned())
    }

    /// An ErrorResponse's SQLSTATE and message.
    pub fn error(&self) -> String {
        let field = |name| self.field(name).unwrap_or_default();
        format!("{} {}", field(b'C'), field(b'M'))
    }

    /// The values of a DataRow; `None` is NULL.
    pub fn values(&self) -> Vec<Option<&[u8]>> {
        assert_eq!(self.kind, b'D', "{self:?} is a row");
        let mut rest = &self.body[2..];
        let mut values = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = i32::from_be_bytes(*length);
            let (value, after) = after.split_at(length.max(0) as usize);
            values.push((length >= 0).then_some(value));
            rest = after;
        }
        values
    }
}

impl RawClient {
    /// A connection that has said nothing yet.
    pub fn connect(port: u16) -> RawClient {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        stream.set_read_timeout(Some(ANSWER_LIMIT)).expect("a timeout");
        stream.set_write_timeout(Some(ANSWER_LIMIT)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        RawClient { stream }
    }

    /// A session of the superuser, ready for a query.
    pub fn session(port: u16) -> RawClient {
        let mut client = RawClient::connect(port);
        client.send_bytes(&startup(b"user\0postgres\0database\0postgres\0\0"));
        let greeting = client.until_ready();
        assert!(greeting.iter().all(|message| message.kind != b'E'), "{greeting:?}");
        client
    }

    /// Sends bytes as they are. The server may have closed already: that is for the reader to find out.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a whole message.
    pub fn send(&mut self, kind: u8, body: &[u8]) -> bool {
        self.send_bytes(&message(kind, body))
    }

    /// Says that nothing more will be said.
    pub fn finish(&mut self) {
        // The server may have been quicker.
        let _closed = self.stream.shutdown(Shutdown::Write);
    }

    /// The next message; `None` when the server has closed the connection.
    pub fn receive(&mut self) -> Option<Message> {
        let mut head = [0; 5];
        self.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length.checked_sub(4).expect("a length counts itself")];
        self.read_exact(&mut body)?;
        Some(Message { kind: head[0], body })
    }

    /// One byte, such as the answer to an SSLRequest.
    pub fn receive_byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.read_exact(&mut byte)?;
        Some(byte[0])
    }

    /// Everything up to ReadyForQuery, or to the end of the connection.
    pub fn until_ready(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.receive() {
            let ready = message.kind == b'Z';
            messages.push(message);
            if ready {
                break;
            }
        }
        messages
    }

    /// Everything up to the end of the connection, which must come.
    pub fn until_closed(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.receive()).collect()
    }

    /// A simple query's answer.
    pub fn query(&mut self, text: &str) -> Vec<Message> {
        assert!(self.send(b'Q', &[text.as_bytes(), b"\0"].concat()), "the server reads");
        self.until_ready()
    }

    fn read_exact(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("the server neither answered nor closed within {ANSWER_LIMIT:?}")
            }
            Err(_) => None,
        }
    }
}

/// A message with its length.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("a message fits its length");
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

/// A startup packet of protocol 3.0.
pub fn startup(parameters: &[u8]) -> Vec<u8> {
    packet(196_608, parameters)
}

/// A packet without a type: a startup packet or a request in its place.
pub fn packet(code: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).expect("a packet fits its length");
    [&length.to_be_bytes()[..], &code.to_be_bytes(), body].concat()
}
