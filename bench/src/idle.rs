//! Connections that do nothing but stay.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Protocol version 3.0.
const PROTOCOL: i32 = 196_608;

/// Opens so many sessions on a server; they end when they are dropped.
///
/// # Errors
/// The first that could not be opened, with what the server or the system said. The usual reason is the limit on open
/// files (`ulimit -n`).
pub fn open(port: u16, count: u32) -> Result<Vec<TcpStream>, String> {
    (0..count)
        .map(|number| session(port).map_err(|error| format!("idle session {number} of {count}: {error}")))
        .collect()
}

fn session(port: u16) -> Result<TcpStream, String> {
    let explain = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(explain)?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(explain)?;
    stream.write_all(&startup()).map_err(explain)?;
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head).map_err(explain)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length.saturating_sub(4)];
        stream.read_exact(&mut body).map_err(explain)?;
        match head[0] {
            b'Z' => return Ok(stream),
            b'E' => return Err(String::from_utf8_lossy(&body).replace('\0', " ")),
            _ => {}
        }
    }
}

/// The startup message of user and database `postgres`.
fn startup() -> Vec<u8> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    body.extend_from_slice(b"user\0postgres\0database\0postgres\0\0");
    let mut message = (body.len() as u32 + 4).to_be_bytes().to_vec();
    message.extend(body);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn startup_counts_itself() {
        let message = startup();
        let length = u32::from_be_bytes([message[0], message[1], message[2], message[3]]);
        assert_eq!(length as usize, message.len());
        assert!(message.ends_with(b"\0\0"));
    }
}
