//! A temporary file of blocks, shared by the streams of one holder.
//!
//! As PostgreSQL's logtape.c: a sort's runs or a join's batches are streams of blocks in one file; a
//! stream that is read for the last time gives each block back as it goes, and the next stream takes
//! it. So merging needs no more disk than its input, and a holder needs one file however many
//! streams it has.

use super::work::{TempFile, Work, file_error};
use redoubt_error::{PgError, PgResult};
use std::os::unix::fs::FileExt;

/// Bytes in a block.
pub(crate) const BLOCK_BYTES: usize = 8192;

/// The file.
#[derive(Debug)]
pub(crate) struct BlockFile {
    file: TempFile,
    blocks: u32,
    free: Vec<u32>,
}

impl BlockFile {
    pub(crate) fn new(work: &Work) -> PgResult<BlockFile> {
        Ok(BlockFile { file: work.make_file()?, blocks: 0, free: Vec::new() })
    }

    /// Kibibytes of disk.
    pub(crate) fn kib(&self) -> u64 {
        self.file.bytes() >> 10
    }

    fn write(&mut self, bytes: &[u8]) -> PgResult<u32> {
        let block = match self.free.pop() {
            Some(block) => block,
            None => {
                self.file.extend(BLOCK_BYTES as u64)?;
                self.blocks = self
                    .blocks
                    .checked_add(1)
                    .ok_or_else(|| PgError::internal("a temporary file has too many blocks"))?;
                self.blocks - 1
            }
        };
        let at = u64::from(block) * BLOCK_BYTES as u64;
        self.file.file.write_all_at(bytes, at).map_err(|error| file_error(&error, "write to"))?;
        Ok(block)
    }

    fn read(&self, block: u32, bytes: &mut [u8]) -> PgResult<()> {
        let at = u64::from(block) * BLOCK_BYTES as u64;
        self.file.file.read_exact_at(bytes, at).map_err(|error| file_error(&error, "read from"))
    }
}

/// Records, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    blocks: Vec<u32>,
    /// What is behind the last full block.
    tail: Vec<u8>,
    bytes: u64,
    records: u64,
}

impl Stream {
    /// Records written.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Bytes written.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends a record.
    ///
    /// # Errors
    /// `53400`, `53100`; those of the file system.
    pub(crate) fn put(&mut self, file: &mut BlockFile, record: &[u8]) -> PgResult<()> {
        let length = u32::try_from(record.len())
            .map_err(|_| PgError::internal("a row of 4 GiB cannot be written to a temporary file"))?;
        self.append(file, &length.to_le_bytes())?;
        self.append(file, record)?;
        self.records += 1;
        Ok(())
    }

    fn append(&mut self, file: &mut BlockFile, mut bytes: &[u8]) -> PgResult<()> {
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = BLOCK_BYTES - self.tail.len();
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.tail.extend_from_slice(now);
            bytes = rest;
            if self.tail.len() == BLOCK_BYTES {
                self.blocks.push(file.write(&self.tail)?);
                self.tail.clear();
            }
        }
        Ok(())
    }

    /// Nothing more is written soon: what is left goes to the file, so that the stream holds no memory.
    ///
    /// # Errors
    /// As [`Stream::put`].
    pub(crate) fn seal(&mut self, file: &mut BlockFile) -> PgResult<()> {
        if !self.tail.is_empty() {
            self.blocks.push(file.write(&self.tail)?);
        }
        self.tail = Vec::new();
        Ok(())
    }
}

/// A place in a stream, from which records are read.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// Bytes of the stream before the next record.
    at: u64,
    /// The block in `block`, and its bytes.
    loaded: Option<usize>,
    block: Vec<u8>,
    record: Vec<u8>,
}

impl Cursor {
    /// Starts at a record that begins so many bytes into the stream.
    pub(crate) fn at(at: u64) -> Cursor {
        Cursor { at, ..Cursor::default() }
    }

    /// The next record; nothing at the end. With `consume`, blocks that are behind it are free for others, and
    /// the stream is not read again.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn next(
        &mut self,
        file: &mut BlockFile,
        stream: &Stream,
        consume: bool,
    ) -> PgResult<Option<&[u8]>> {
        if self.at >= stream.bytes {
            return Ok(None);
        }
        let mut length = [0; 4];
        self.copy(file, stream, consume, 4, |at, bytes| length[at..at + bytes.len()].copy_from_slice(bytes))?;
        let length = u32::from_le_bytes(length) as usize;
        let mut record = std::mem::take(&mut self.record);
        record.clear();
        self.copy(file, stream, consume, length, |_, bytes| record.extend_from_slice(bytes))?;
        self.record = record;
        Ok(Some(&self.record))
    }

    fn copy(
        &mut self,
        file: &mut BlockFile,
        stream: &Stream,
        consume: bool,
        length: usize,
        mut take: impl FnMut(usize, &[u8]),
    ) -> PgResult<()> {
        let mut done = 0;
        while done < length {
            let number = (self.at / BLOCK_BYTES as u64) as usize;
            let offset = (self.at % BLOCK_BYTES as u64) as usize;
            let held: &[u8] = match stream.blocks.get(number) {
                // What is not yet in the file.
                None => &stream.tail,
                Some(block) => {
                    if self.loaded != Some(number) {
                        let left = stream.bytes - (number * BLOCK_BYTES) as u64;
                        self.block.resize(left.min(BLOCK_BYTES as u64) as usize, 0);
                        file.read(*block, &mut self.block)?;
                        self.loaded = Some(number);
                        if consume {
                            file.free.push(*block);
                        }
                    }
                    &self.block
                }
            };
            let count = (held.len() - offset).min(length - done);
            take(done, &held[offset..offset + count]);
            done += count;
            self.at += count as u64;
        }
        Ok(())
    }
}
