//! From answers to bytes: one buffer per connection, written once before the next read.

use bytes::{BufMut, BytesMut};
use redoubt_error::{PgError, PgResult, Severity};
use redoubt_functions::{Datum, Env, Oid, io};
use redoubt_page::Lsn;
use redoubt_session::{Client, CopyData, Format, OutputColumn};

/// The way to the client in the middle of a statement: pushes a full buffer out, and reads COPY's
/// data. It blocks (announced), and fails when the client is gone.
pub trait Drain: Send {
    /// Writes and clears `buffer` once the volume is durable up to `hold`.
    fn drain(&mut self, buffer: &mut BytesMut, hold: Lsn) -> PgResult<()>;
    /// Waits for COPY's data and appends what has arrived to `data`.
    fn receive(&mut self, data: &mut Vec<u8>) -> PgResult<CopyData>;
}

/// Long results leave in pieces of about this size.
const DRAIN_BYTES: usize = 256 * 1024;

/// The answers of one connection that have not been written yet.
pub struct Output<D> {
    buffer: BytesMut,
    scratch: Vec<u8>,
    hold: Lsn,
    drain: D,
}

impl<D: Drain> Output<D> {
    /// An empty buffer whose overflow goes to `drain`.
    pub fn new(drain: D) -> Self {
        Output { buffer: BytesMut::with_capacity(8192), scratch: Vec::new(), hold: Lsn::ZERO, drain }
    }

    /// The bytes to write, the position that must be durable before they are, and the way out.
    pub fn parts(&mut self) -> (&mut BytesMut, Lsn, &mut D) {
        (&mut self.buffer, self.hold, &mut self.drain)
    }

    /// The way to the client.
    pub fn link(&mut self) -> &mut D {
        &mut self.drain
    }

    /// Appends a message: type byte, length, and what `body` writes.
    pub fn message(&mut self, kind: u8, body: impl FnOnce(&mut BytesMut)) {
        message(&mut self.buffer, kind, body);
    }

    fn copy_response(&mut self, kind: u8, format: Format, columns: usize) {
        self.message(kind, |buffer| {
            buffer.put_u8(format as u8);
            buffer.put_i16(columns as i16);
            (0..columns).for_each(|_| buffer.put_i16(format as i16));
        });
    }

    fn drain_if_long(&mut self) -> PgResult<()> {
        if self.buffer.len() < DRAIN_BYTES {
            return Ok(());
        }
        self.drain.drain(&mut self.buffer, self.hold)
    }
}

/// Appends one backend message to `buffer`; the length is filled in afterwards.
pub fn message(buffer: &mut BytesMut, kind: u8, body: impl FnOnce(&mut BytesMut)) {
    buffer.put_u8(kind);
    let start = buffer.len();
    buffer.put_i32(0);
    body(buffer);
    let length = i32::try_from(buffer.len() - start).expect("messages are bounded by the row size limit");
    buffer[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a zero-terminated string; an embedded zero byte would end it early, so it is dropped.
pub fn put_cstring(buffer: &mut BytesMut, text: &str) {
    buffer.extend(text.bytes().filter(|byte| *byte != 0));
    buffer.put_u8(0);
}

/// Encodes an ErrorResponse or NoticeResponse body (documentation, "Error and Notice Message
/// Fields"). The position counts characters from one.
pub fn put_report(buffer: &mut BytesMut, report: &PgError, statement: &str) {
    let fields = report.fields();
    let mut field = |kind: u8, text: &str| {
        buffer.put_u8(kind);
        put_cstring(buffer, text);
    };
    field(b'S', fields.severity.as_str());
    field(b'V', fields.severity.as_str());
    field(b'C', fields.code.as_str());
    field(b'M', &fields.message);
    let mut optional = |kind: u8, text: &Option<String>| {
        if let Some(text) = text {
            field(kind, text);
        }
    };
    optional(b'D', &fields.detail);
    optional(b'H', &fields.hint);
    let position = fields.position.map(|at| character_position(statement, at).to_string());
    optional(b'P', &position);
    if let Some((query, at)) = &fields.internal_query {
        optional(b'p', &at.map(|at| character_position(query, at).to_string()));
        optional(b'q', &Some(query.clone()));
    }
    optional(b'W', &fields.context);
    optional(b's', &fields.schema);
    optional(b't', &fields.table);
    optional(b'c', &fields.column);
    optional(b'd', &fields.data_type);
    optional(b'n', &fields.constraint);
    buffer.put_u8(0);
}

/// The 1-based character position of a byte offset.
fn character_position(statement: &str, offset: usize) -> usize {
    statement.char_indices().take_while(|(at, _)| *at < offset).count() + 1
}

impl<D: Drain> Client for Output<D> {
    fn row_description(&mut self, columns: &[OutputColumn]) {
        self.message(b'T', |buffer| {
            buffer.put_i16(columns.len() as i16);
            for column in columns {
                put_cstring(buffer, &column.name);
                buffer.put_u32(column.table_oid);
                buffer.put_i16(column.attribute);
                buffer.put_u32(column.type_oid);
                buffer.put_i16(column.type_length);
                buffer.put_i32(column.typmod);
                buffer.put_i16(column.format as i16);
            }
        });
    }

    fn data_row(&mut self, columns: &[OutputColumn], values: &[Datum], env: &dyn Env) -> PgResult<()> {
        assert_eq!(columns.len(), values.len(), "a row has as many values as its description has columns");
        let start = self.buffer.len();
        self.buffer.put_u8(b'D');
        self.buffer.put_i32(0);
        self.buffer.put_i16(values.len() as i16);
        for (column, value) in columns.iter().zip(values) {
            if let Err(error) = put_value(&mut self.buffer, &mut self.scratch, column, value, env) {
                // Half a row must not reach the client in front of the error.
                self.buffer.truncate(start);
                return Err(error);
            }
        }
        let length = i32::try_from(self.buffer.len() - start - 1).map_err(|_| {
            PgError::new(redoubt_error::code::PROGRAM_LIMIT_EXCEEDED, "result row is too large")
        })?;
        self.buffer[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
        self.drain_if_long()
    }

    fn command_complete(&mut self, tag: &str) {
        self.message(b'C', |buffer| put_cstring(buffer, tag));
    }

    fn empty_query(&mut self) {
        self.message(b'I', |_| {});
    }

    fn report(&mut self, report: &PgError, statement: &str) {
        let kind = if report.fields().severity >= Severity::Error { b'E' } else { b'N' };
        self.message(kind, |buffer| put_report(buffer, report, statement));
    }

    fn parameter_status(&mut self, name: &str, value: &str) {
        self.message(b'S', |buffer| {
            put_cstring(buffer, name);
            put_cstring(buffer, value);
        });
    }

    fn parse_complete(&mut self) {
        self.message(b'1', |_| {});
    }

    fn bind_complete(&mut self) {
        self.message(b'2', |_| {});
    }

    fn close_complete(&mut self) {
        self.message(b'3', |_| {});
    }

    fn no_data(&mut self) {
        self.message(b'n', |_| {});
    }

    fn parameter_description(&mut self, types: &[Oid]) {
        self.message(b't', |buffer| {
            // The count is unsigned in practice: 65,535 parameters are allowed.
            buffer.put_u16(types.len() as u16);
            for oid in types {
                buffer.put_u32(*oid);
            }
        });
    }

    fn portal_suspended(&mut self) {
        self.message(b's', |_| {});
    }

    fn copy_in(&mut self, format: Format, columns: usize) -> PgResult<()> {
        self.copy_response(b'G', format, columns);
        // The client sends nothing before it has read this.
        self.drain.drain(&mut self.buffer, self.hold)
    }

    fn read_copy(&mut self, data: &mut Vec<u8>) -> PgResult<CopyData> {
        self.drain.receive(data)
    }

    fn copy_out(&mut self, format: Format, columns: usize) {
        self.copy_response(b'H', format, columns);
    }

    fn copy_data(&mut self, data: &[u8]) -> PgResult<()> {
        const MAX_BYTES: usize = 0x3fff_ffff;
        if data.len() > MAX_BYTES {
            let message = "a row of COPY data is too large";
            return Err(PgError::new(redoubt_error::code::PROGRAM_LIMIT_EXCEEDED, message));
        }
        self.message(b'd', |buffer| buffer.put_slice(data));
        self.drain_if_long()
    }

    fn copy_done(&mut self) {
        self.message(b'c', |_| {});
    }

    fn notification(&mut self, process_id: i32, channel: &str, payload: &str) {
        self.message(b'A', |buffer| {
            buffer.put_i32(process_id);
            put_cstring(buffer, channel);
            put_cstring(buffer, payload);
        });
    }

    fn hold_until(&mut self, lsn: Lsn) {
        self.hold = self.hold.max(lsn);
    }
}

fn put_value(
    buffer: &mut BytesMut,
    scratch: &mut Vec<u8>,
    column: &OutputColumn,
    value: &Datum,
    env: &dyn Env,
) -> PgResult<()> {
    if matches!(value, Datum::Null) {
        buffer.put_i32(-1);
        return Ok(());
    }
    scratch.clear();
    match column.format {
        Format::Text => io::output(value, column.type_oid, env, scratch)?,
        Format::Binary => io::send(value, column.type_oid, env, scratch)?,
    }
    buffer.put_i32(scratch.len() as i32);
    buffer.put_slice(scratch);
    Ok(())
}
