//! The bytes that COPY FROM reads: a window over the client's messages or a file.

use crate::client::{Client, CopyData};
use crate::session::SessionFacts;
use redoubt_error::{PgError, PgResult, code};
use std::fs::File;
use std::io::Read;

/// Bytes of a file that are read at once.
const FILE_CHUNK_BYTES: u64 = 64 * 1024;
/// Consumed bytes are given up when there are this many of them.
const COMPACT_BYTES: usize = 64 * 1024;

/// Where the bytes are.
pub(super) enum Source<'a> {
    Client {
        client: &'a mut dyn Client,
        facts: &'a SessionFacts,
    },
    File(File),
    #[cfg(test)]
    Pieces(Vec<Vec<u8>>),
}

/// Bytes that have been read, and the place up to which they are consumed.
pub(super) struct Input<'a> {
    source: Source<'a>,
    bytes: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<'a> Input<'a> {
    pub(super) fn new(source: Source<'a>) -> Input<'a> {
        Input { source, bytes: Vec::new(), at: 0, ended: false }
    }

    /// What has been read and not consumed.
    pub(super) fn window(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// Gives up the first `count` bytes of the window.
    pub(super) fn consume(&mut self, count: usize) {
        self.at += count;
    }

    /// Reads on; false at the end.
    ///
    /// # Errors
    /// `57014` when the client gives up or the statement is canceled; those of the file; fatal ones
    /// of the connection.
    pub(super) fn fill(&mut self) -> PgResult<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.at >= COMPACT_BYTES || self.at == self.bytes.len() {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        let before = self.bytes.len();
        self.ended = loop {
            match &mut self.source {
                Source::Client { client, facts } => match client.read_copy(&mut self.bytes)? {
                    CopyData::Some if self.bytes.len() == before => {}
                    CopyData::Some => break false,
                    CopyData::Done => break true,
                    CopyData::Failed(reason) => {
                        let message = format!("COPY from stdin failed: {reason}");
                        return Err(PgError::new(code::QUERY_CANCELED, message));
                    }
                    CopyData::Interrupted => facts.backend.check_for_interrupts()?,
                },
                Source::File(file) => {
                    let read = file.take(FILE_CHUNK_BYTES).read_to_end(&mut self.bytes);
                    let read = read.map_err(|error| {
                        let message = format!("could not read from COPY file: {}", super::os_error(&error));
                        PgError::new(code::IO_ERROR, message)
                    })?;
                    break read == 0;
                }
                #[cfg(test)]
                Source::Pieces(pieces) => {
                    break match pieces.pop() {
                        Some(piece) => {
                            self.bytes.extend(piece);
                            false
                        }
                        None => true,
                    };
                }
            }
        };
        Ok(!self.ended)
    }

    /// Makes these bytes all that is left.
    pub(super) fn replace(&mut self, bytes: Vec<u8>) {
        (self.bytes, self.at, self.ended) = (bytes, 0, true);
    }

    /// Reads and throws away what is left, so that the client's messages are used up.
    pub(super) fn finish(&mut self) -> PgResult<()> {
        while self.fill()? {
            self.at = self.bytes.len();
        }
        Ok(())
    }
}
