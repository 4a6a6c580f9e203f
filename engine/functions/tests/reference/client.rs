//! The smallest PostgreSQL client that serves: trust authentication, simple queries, pipelined.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

/// A failed query: SQLSTATE and message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    pub code: String,
    pub message: String,
}

/// Rows of text values, NULL as `None`.
pub type Answer = Result<Vec<Vec<Option<String>>>, ServerError>;

/// One connection.
pub struct Client {
    write: TcpStream,
    read: BufReader<TcpStream>,
}

impl Client {
    /// Connects to `host:port` as user `postgres`, database `postgres`.
    pub fn connect(address: &str) -> Self {
        let write = TcpStream::connect(address).expect("the reference server answers");
        write.set_nodelay(true).unwrap();
        let read = BufReader::with_capacity(1 << 16, write.try_clone().unwrap());
        let mut client = Client { write, read };
        let mut body = 196_608i32.to_be_bytes().to_vec();
        body.extend_from_slice(b"user\0postgres\0database\0postgres\0client_encoding\0UTF8\0\0");
        let mut packet = ((body.len() + 4) as i32).to_be_bytes().to_vec();
        packet.extend(body);
        client.write.write_all(&packet).unwrap();
        client.answer().expect("the reference server accepts the connection");
        client
    }

    /// Runs one query.
    pub fn query(&mut self, sql: &str) -> Answer {
        self.pipeline(&[sql.to_owned()]).pop().expect("one answer per query")
    }

    /// Runs queries one after the other without waiting in between.
    pub fn pipeline(&mut self, queries: &[String]) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(queries.len());
        for chunk in queries.chunks(50) {
            let mut packet = Vec::new();
            for sql in chunk {
                packet.push(b'Q');
                packet.extend_from_slice(&((sql.len() + 5) as i32).to_be_bytes());
                packet.extend_from_slice(sql.as_bytes());
                packet.push(0);
            }
            self.write.write_all(&packet).unwrap();
            for _ in chunk {
                answers.push(self.answer());
            }
        }
        answers
    }

    fn message(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0u8; 5];
        self.read.read_exact(&mut head).expect("the reference server stays");
        let len = i32::from_be_bytes(head[1..].try_into().unwrap()) as usize - 4;
        let mut body = vec![0; len];
        self.read.read_exact(&mut body).unwrap();
        (head[0], body)
    }

    fn answer(&mut self) -> Answer {
        let mut rows = Vec::new();
        let mut error = None;
        loop {
            let (kind, body) = self.message();
            match kind {
                b'D' => rows.push(data_row(&body)),
                b'E' => error = Some(error_fields(&body)),
                b'Z' => return error.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }
}

fn data_row(body: &[u8]) -> Vec<Option<String>> {
    let count = i16::from_be_bytes(body[..2].try_into().unwrap());
    let mut at = 2;
    let mut row = Vec::new();
    for _ in 0..count {
        let len = i32::from_be_bytes(body[at..at + 4].try_into().unwrap());
        at += 4;
        if len < 0 {
            row.push(None);
            continue;
        }
        let end = at + len as usize;
        row.push(Some(String::from_utf8_lossy(&body[at..end]).into_owned()));
        at = end;
    }
    row
}

fn error_fields(body: &[u8]) -> ServerError {
    let mut error = ServerError { code: String::new(), message: String::new() };
    for field in body.split(|byte| *byte == 0).filter(|field| !field.is_empty()) {
        let text = String::from_utf8_lossy(&field[1..]).into_owned();
        match field[0] {
            b'C' => error.code = text,
            b'M' => error.message = text,
            _ => {}
        }
    }
    error
}
