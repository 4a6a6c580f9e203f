//! A batch: consecutive records of one protection group, with a summary that makes handling it cost the
//! same for one record as for a thousand.
//!
//! The summary is computed once, by the writer as it encodes or by whoever decodes the batch from a peer,
//! and shared by all who hold the batch. A segment links, accounts and reports by summaries alone.

use alloc::sync::Arc;
use alloc::vec::Vec;
use redoubt_page::{DecodeError, Lsn, PgId, RecordHeader, encode_record, records};

use crate::bytes::SharedBytes;

/// The most encoded bytes of one batch that is accepted from a peer.
pub const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Records of one protection group whose LSNs rise by one, each following the one before it in the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LsnRun {
    /// What the first record follows in the volume: not always the LSN below, because of voided ranges.
    pub prev_volume: Lsn,
    /// The first record.
    pub first: Lsn,
    /// The last record.
    pub last: Lsn,
}

/// What a batch holds, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchSummary {
    pg: PgId,
    prev_pg_lsn: Lsn,
    runs: Vec<LsnRun>,
    cpls: Vec<Lsn>,
    record_count: u32,
}

/// Why bytes are not a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A record cannot be decoded.
    #[error("a record cannot be decoded: {0}")]
    Record(#[from] DecodeError),
    /// There is no record in it.
    #[error("a batch without records")]
    Empty,
    /// Longer than `MAX_BATCH_BYTES`.
    #[error("a batch of {0} bytes is too long")]
    TooLong(usize),
    /// Records of two protection groups.
    #[error("record {0} belongs to another protection group than its batch")]
    MixedGroups(Lsn),
    /// A record does not follow the one before it in the protection group, or in the volume.
    #[error("record {0} does not follow the one before it")]
    BrokenLink(Lsn),
}

impl BatchSummary {
    fn starting(header: &RecordHeader) -> BatchSummary {
        let mut summary = BatchSummary {
            pg: header.pg,
            prev_pg_lsn: header.prev_pg_lsn,
            runs: Vec::with_capacity(1),
            cpls: Vec::new(),
            record_count: 0,
        };
        summary.push_run(header);
        summary.count(header);
        summary
    }

    fn push(&mut self, header: &RecordHeader) -> Result<(), BatchError> {
        if header.pg != self.pg {
            return Err(BatchError::MixedGroups(header.lsn));
        }
        let last = self.last();
        if header.prev_pg_lsn != last || header.prev_volume_lsn < last {
            return Err(BatchError::BrokenLink(header.lsn));
        }
        let run = self.runs.last_mut().expect("a summary has at least one run");
        if header.lsn == last.next() {
            // Nothing lies between two neighbouring numbers, so the later one follows the earlier.
            run.last = header.lsn;
        } else {
            self.push_run(header);
        }
        self.count(header);
        Ok(())
    }

    fn push_run(&mut self, header: &RecordHeader) {
        self.runs.push(LsnRun { prev_volume: header.prev_volume_lsn, first: header.lsn, last: header.lsn });
    }

    fn count(&mut self, header: &RecordHeader) {
        if header.flags.is_cpl() {
            self.cpls.push(header.lsn);
        }
        self.record_count += 1;
    }

    /// The protection group of every record in the batch.
    pub fn pg(&self) -> PgId {
        self.pg
    }

    /// What the first record follows in the protection group.
    pub fn prev_pg_lsn(&self) -> Lsn {
        self.prev_pg_lsn
    }

    /// The first record.
    pub fn first(&self) -> Lsn {
        self.runs[0].first
    }

    /// The last record.
    pub fn last(&self) -> Lsn {
        self.runs[self.runs.len() - 1].last
    }

    /// The records, as runs of neighbouring LSNs in rising order; at least one.
    pub fn runs(&self) -> &[LsnRun] {
        &self.runs
    }

    /// Which of the records end a mini-transaction, in rising order.
    pub fn cpls(&self) -> &[Lsn] {
        &self.cpls
    }

    /// How many records there are; at least one.
    pub fn record_count(&self) -> u32 {
        self.record_count
    }

    /// The last record of the batch at or below `lsn`.
    pub fn last_at_or_below(&self, lsn: Lsn) -> Option<Lsn> {
        let at = self.runs.partition_point(|r| r.first <= lsn);
        Some(self.runs[at.checked_sub(1)?].last.min(lsn))
    }
}

/// Consecutive encoded records of one protection group. Cloning shares bytes and summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordBatch {
    bytes: SharedBytes,
    summary: Arc<BatchSummary>,
}

impl RecordBatch {
    /// Reads a batch from untrusted bytes, decoding every record and checking that each follows the one
    /// before it in the protection group.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn parse(bytes: SharedBytes) -> Result<RecordBatch, BatchError> {
        if bytes.len() > MAX_BATCH_BYTES {
            return Err(BatchError::TooLong(bytes.len()));
        }
        let mut summary: Option<BatchSummary> = None;
        for record in records(&bytes) {
            let record = record?;
            match &mut summary {
                None => summary = Some(BatchSummary::starting(record.header())),
                Some(summary) => summary.push(record.header())?,
            }
        }
        let summary = Arc::new(summary.ok_or(BatchError::Empty)?);
        Ok(RecordBatch { bytes, summary })
    }

    /// The encoded records, one after the other.
    pub fn bytes(&self) -> &SharedBytes {
        &self.bytes
    }

    /// What the batch holds.
    pub fn summary(&self) -> &Arc<BatchSummary> {
        &self.summary
    }

    /// The part of the batch above `after` and at or below `upto`, or nothing when no record lies there.
    /// Shares the bytes; walks the records only when something is cut off.
    pub fn slice(&self, after: Lsn, upto: Lsn) -> Option<RecordBatch> {
        if after < self.summary.first() && upto >= self.summary.last() {
            return Some(self.clone());
        }
        let mut summary: Option<BatchSummary> = None;
        let (mut start, mut end) = (0, 0);
        let mut rest = records(&self.bytes);
        while let Some(record) = rest.next() {
            let record = record.expect("a batch was decoded or encoded here, so its records decode");
            let record_end = self.bytes.len() - rest.rest().len();
            if record.lsn() > upto {
                break;
            }
            if record.lsn() > after {
                match &mut summary {
                    None => {
                        start = record_end - record.bytes().len();
                        summary = Some(BatchSummary::starting(record.header()));
                    }
                    Some(summary) => {
                        summary.push(record.header()).expect("a part of a linked batch is linked");
                    }
                }
                end = record_end;
            }
        }
        let summary = Arc::new(summary?);
        Some(RecordBatch { bytes: self.bytes.slice(start..end), summary })
    }
}

/// Builds a batch record by record.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    summary: Option<BatchSummary>,
}

impl BatchBuilder {
    /// A builder with room for `capacity` bytes of records.
    pub fn with_capacity(capacity: usize) -> BatchBuilder {
        BatchBuilder { bytes: Vec::with_capacity(capacity), summary: None }
    }

    /// Appends a record made of a header and encoded operations.
    ///
    /// # Panics
    /// When the record does not follow the one before it: the writer's own order is broken.
    pub fn push(&mut self, header: &RecordHeader, ops: &[u8]) {
        encode_record(header, ops, &mut self.bytes);
        match &mut self.summary {
            None => self.summary = Some(BatchSummary::starting(header)),
            Some(summary) => summary.push(header).expect("the writer's records follow each other"),
        }
    }

    /// How many bytes of records have been appended.
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether no record has been appended.
    pub fn is_empty(&self) -> bool {
        self.summary.is_none()
    }

    /// Takes the batch out and leaves the builder empty, with room for as many bytes again; nothing when
    /// no record was appended.
    pub fn take(&mut self) -> Option<RecordBatch> {
        let summary = Arc::new(self.summary.take()?);
        let capacity = self.bytes.len();
        let bytes = core::mem::replace(&mut self.bytes, Vec::with_capacity(capacity));
        Some(RecordBatch { bytes: SharedBytes::from(bytes), summary })
    }
}
