//! One connection through the proxy: requests are forwarded one at a time, queries after they were asked in both
//! executors.

use super::answer::Answer;
use super::statement::{has_many, is_query};
use super::{Found, REFUSAL, Shared};
use crate::messages::{Message, complete, startup_length};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Ipv4Addr, TcpStream};

/// The protocol number of a CancelRequest, which has no answer.
const CANCEL: u32 = 80_877_102;
/// What the proxy's own savepoint is called.
const SAVEPOINT: &str = "both_executors";

/// A stream of messages from one side.
struct Side {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Side {
    fn new(stream: TcpStream) -> Result<Side> {
        stream.set_nodelay(true)?;
        Ok(Side { stream, buffer: Vec::new() })
    }

    fn fill(&mut self) -> Result<()> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(())
            }
        }
    }

    /// Takes the startup packet, which has no type byte.
    fn startup(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(length) = startup_length(&self.buffer) {
                return Ok(self.buffer.drain(..length).collect());
            }
            self.fill()?;
        }
    }

    /// Takes the next message, header included.
    fn message(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(header) = self.buffer.get(..5) {
                let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
                if self.buffer.len() > length {
                    return Ok(self.buffer.drain(..1 + length).collect());
                }
            }
            self.fill()?;
        }
    }
}

/// Where a connection's transaction stands, by the last ReadyForQuery.
struct Connection<'a> {
    shared: &'a Shared,
    client: Side,
    server: Side,
    state: u8,
}

/// Serves one client to its end.
pub(super) fn serve(shared: &Shared, client: TcpStream) -> Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.upstream_port))?;
    let mut connection =
        Connection { shared, client: Side::new(client)?, server: Side::new(server)?, state: b'I' };
    let startup = connection.client.startup()?;
    connection.server.stream.write_all(&startup)?;
    if startup.get(4..8) == Some(&CANCEL.to_be_bytes()[..]) {
        return Ok(());
    }
    connection.relay()?;
    // A server without the setting would take any value for it, and answer twice with one executor.
    if connection.ask("SET redoubt.executor = neither")?.error.is_none() {
        return Err(Error::other("the server does not know redoubt.executor"));
    }
    loop {
        let message = connection.client.message()?;
        if message[0] == b'Q' {
            connection.compare(&message)?;
        }
        connection.server.stream.write_all(&message)?;
        // A simple query, a Sync and a function call are answered to their ReadyForQuery; what
        // comes before a Sync is answered with it.
        if matches!(message[0], b'Q' | b'S' | b'F') {
            connection.relay()?;
        }
    }
}

impl Connection<'_> {
    /// Passes the server's messages on until it is ready again, and the client's data where it asks for them.
    fn relay(&mut self) -> Result<()> {
        loop {
            let message = self.server.message()?;
            self.client.stream.write_all(&message)?;
            match message[0] {
                b'Z' => {
                    self.state = message[5];
                    return Ok(());
                }
                b'G' | b'W' => loop {
                    let data = self.client.message()?;
                    self.server.stream.write_all(&data)?;
                    if matches!(data[0], b'c' | b'f') {
                        break;
                    }
                },
                _ => {}
            }
        }
    }

    /// Asks a query in both executors, if it is one and can be asked.
    fn compare(&mut self, message: &[u8]) -> Result<()> {
        let text = String::from_utf8_lossy(&message[5..]);
        let text = text.trim_end_matches('\0').trim();
        if !is_query(text) {
            return Ok(());
        }
        let found = match self.state {
            _ if has_many(text) => Found::NotAsked("several statements in one message".into()),
            b'E' => Found::NotAsked("a transaction that has failed".into()),
            state => self.ask_both(text, state == b'T')?,
        };
        self.shared.note(text, found);
        Ok(())
    }

    fn ask_both(&mut self, text: &str, in_block: bool) -> Result<Found> {
        if !in_block {
            self.command("BEGIN")?;
        }
        self.command(&format!("SAVEPOINT {SAVEPOINT}"))?;
        self.command("SET LOCAL redoubt.executor = datafusion")?;
        let datafusion = self.ask(text)?;
        self.command(&format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}"))?;
        let refusal = datafusion.error.as_ref().and_then(|(_, message)| message.split_once(REFUSAL));
        let found = match refusal {
            Some((reason, _)) => Found::NotAsked(reason.to_string()),
            None => {
                self.command("SET LOCAL redoubt.executor = row")?;
                let row = self.ask(text)?;
                Found::Asked(Box::new([datafusion, row]))
            }
        };
        match in_block {
            true => {
                self.command(&format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}"))?;
                self.command(&format!("RELEASE SAVEPOINT {SAVEPOINT}"))?;
            }
            false => self.command("ROLLBACK")?,
        }
        Ok(found)
    }

    /// A statement of the proxy's own, which must succeed.
    fn command(&mut self, sql: &str) -> Result<()> {
        match self.ask(sql)?.error {
            None => Ok(()),
            Some((_, message)) => Err(Error::other(format!("{sql}: {message}"))),
        }
    }

    /// Asks the server something that the client does not hear of.
    fn ask(&mut self, sql: &str) -> Result<Answer> {
        let length = u32::try_from(sql.len() + 5).map_err(Error::other)?;
        let mut request = vec![b'Q'];
        request.extend_from_slice(&length.to_be_bytes());
        request.extend_from_slice(sql.as_bytes());
        request.push(0);
        self.server.stream.write_all(&request)?;
        let mut answer = Answer::default();
        loop {
            let bytes = self.server.message()?;
            let mut understood = Some(());
            let taken = complete(&bytes, |message: Message<'_>| understood = answer.take(&message));
            if taken.is_err() || understood.is_none() {
                return Err(Error::other("a message that cannot be read"));
            }
            match bytes[0] {
                b'Z' => return Ok(answer),
                // Notifications and changed settings are told once, whoever's statement they come with.
                b'A' | b'S' => self.client.stream.write_all(&bytes)?,
                _ => {}
            }
        }
    }
}
