//! The smallest PostgreSQL client that can prepare a statement and ask for its shape.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

/// The fields of an error that the analyzer is responsible for. The position counts characters
/// from 1; 0 is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    pub code: String,
    pub message: String,
    pub position: usize,
    pub detail: Option<String>,
    pub hint: Option<String>,
}

/// A prepared statement's shape: parameter types, then column names with type and modifier.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    pub params: Vec<u32>,
    pub columns: Vec<(String, u32, i32)>,
}

/// One connection.
pub struct Client {
    write: TcpStream,
    read: BufReader<TcpStream>,
}

impl Client {
    /// Connects to `host:port` as user `postgres`, trusted.
    pub fn connect(address: &str, database: &str) -> Self {
        let write = TcpStream::connect(address).expect("the reference server answers");
        let read = BufReader::new(write.try_clone().expect("a socket can be cloned"));
        let mut client = Client { write, read };
        let mut body = 196_608i32.to_be_bytes().to_vec();
        body.extend_from_slice(format!("user\0postgres\0database\0{database}\0\0").as_bytes());
        let mut packet = ((body.len() + 4) as i32).to_be_bytes().to_vec();
        packet.extend(body);
        client.write.write_all(&packet).expect("the reference server listens");
        client.finish().expect("the reference server accepts the connection");
        client
    }

    /// Runs a query for its rows of text.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Vec<String>>, ServerError> {
        let mut packet = Vec::new();
        message(&mut packet, b'Q', &[sql.as_bytes(), b"\0"]);
        self.write.write_all(&packet).expect("the reference server listens");
        self.finish().map(|messages| {
            messages.iter().filter(|(kind, _)| *kind == b'D').map(|(_, body)| data_row(body)).collect()
        })
    }

    /// Prepares a statement and describes it.
    pub fn describe(&mut self, sql: &str) -> Result<Shape, ServerError> {
        let mut packet = Vec::new();
        message(&mut packet, b'P', &[b"\0", sql.as_bytes(), b"\0", &0i16.to_be_bytes()]);
        message(&mut packet, b'D', &[b"S\0"]);
        message(&mut packet, b'S', &[]);
        self.write.write_all(&packet).expect("the reference server listens");
        let mut shape = Shape::default();
        for (kind, body) in self.finish()? {
            match kind {
                b't' => shape.params = body[2..].chunks(4).map(|c| int(c, 4) as u32).collect(),
                b'T' => shape.columns = columns(&body),
                _ => {}
            }
        }
        Ok(shape)
    }

    fn finish(&mut self) -> Result<Vec<(u8, Vec<u8>)>, ServerError> {
        let (mut messages, mut error) = (Vec::new(), None);
        loop {
            let mut head = [0u8; 5];
            self.read.read_exact(&mut head).expect("the reference server stays");
            let mut body = vec![0; int(&head[1..], 4) as usize - 4];
            self.read.read_exact(&mut body).expect("the reference server stays");
            match head[0] {
                b'E' => error = Some(error_fields(&body)),
                b'Z' => return error.map_or(Ok(messages), Err),
                kind => messages.push((kind, body)),
            }
        }
    }
}

fn message(packet: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    packet.push(kind);
    let length: usize = parts.iter().map(|part| part.len()).sum();
    packet.extend_from_slice(&(length as i32 + 4).to_be_bytes());
    parts.iter().for_each(|part| packet.extend_from_slice(part));
}

fn int(bytes: &[u8], length: usize) -> i64 {
    bytes[..length].iter().fold(0, |value, byte| value << 8 | i64::from(*byte))
}

fn columns(body: &[u8]) -> Vec<(String, u32, i32)> {
    let mut at = 2;
    let mut found = Vec::new();
    for _ in 0..int(body, 2) {
        let end = at + body[at..].iter().position(|byte| *byte == 0).expect("names end in zero");
        let name = String::from_utf8_lossy(&body[at..end]).into_owned();
        let fixed = &body[end + 1..];
        found.push((name, int(&fixed[6..], 4) as u32, int(&fixed[12..], 4) as u32 as i32));
        at = end + 19;
    }
    found
}

fn data_row(body: &[u8]) -> Vec<String> {
    let mut at = 2;
    let mut row = Vec::new();
    for _ in 0..int(body, 2) {
        let length = int(&body[at..], 4) as u32 as i32;
        at += 4;
        let end = at + length.max(0) as usize;
        row.push(String::from_utf8_lossy(&body[at..end]).into_owned());
        at = end;
    }
    row
}

fn error_fields(body: &[u8]) -> ServerError {
    let mut error = ServerError::default();
    for field in body.split(|byte| *byte == 0).filter(|field| !field.is_empty()) {
        let text = String::from_utf8_lossy(&field[1..]).into_owned();
        match field[0] {
            b'C' => error.code = text,
            b'M' => error.message = text,
            b'P' => error.position = text.parse().expect("positions are numbers"),
            b'D' => error.detail = Some(text),
            b'H' => error.hint = Some(text),
            _ => {}
        }
    }
    error
}
