//! Input and output of `json` and `jsonb`.

use crate::binary::{BinaryReader, client_text};
use crate::io::TypeIo;
use crate::json_parse::{Escapes, parse};
use crate::{Datum, Env, Jsonb, json_text};
use redoubt_error::{PgError, PgResult};

/// `json`: the text itself, once it has been checked.
pub(crate) static JSON_IO: TypeIo = TypeIo {
    input: |text, _, _| json_input(text),
    output: |datum, _, out| {
        out.extend_from_slice(datum.as_str()?.as_bytes());
        Ok(())
    },
    recv: |bytes, _, _| json_input(client_text(bytes)?),
    send: |datum, _, out| {
        out.extend_from_slice(datum.as_str()?.as_bytes());
        Ok(())
    },
};

fn json_input(text: &str) -> PgResult<Datum> {
    parse(text, Escapes::Keep)?;
    Ok(Datum::text(text))
}

/// `jsonb`.
pub(crate) static JSONB_IO: TypeIo = TypeIo {
    input: |text, _, _| Jsonb::from_text(text).map(Jsonb::into_datum),
    output,
    recv,
    send: |datum, env, out| {
        out.push(BINARY_VERSION);
        output(datum, env, out)
    },
};

/// First byte of the binary form; text follows.
const BINARY_VERSION: u8 = 1;

fn output(datum: &Datum, _: &dyn Env, out: &mut Vec<u8>) -> PgResult<()> {
    let Datum::Jsonb(value) = datum else { return Err(datum.mismatch("jsonb")) };
    let mut text = String::new();
    json_text::write_jsonb(value, &mut text);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn recv(bytes: &[u8], _: i32, _: &dyn Env) -> PgResult<Datum> {
    let mut reader = BinaryReader::new(bytes);
    let version = reader.u8()?;
    if version != BINARY_VERSION {
        return Err(PgError::internal(format!("unsupported jsonb version number {version}")));
    }
    let text = client_text(reader.take(reader.remaining())?)?;
    Jsonb::from_text(text).map(Jsonb::into_datum)
}
