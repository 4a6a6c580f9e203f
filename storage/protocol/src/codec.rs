//! The integers, lists and shared structures of the wire and control-file forms: little endian, fixed
//! width, lengths before contents. Reading never panics and never allocates more than the input could fill.

use alloc::vec::Vec;
use redoubt_page::{DecodeError as RecordDecodeError, Lsn, MembershipEpoch, PgId, VolumeEpoch};

use crate::batch::BatchError;
use crate::geometry::{Member, Membership, QuorumPair};
use crate::history::{History, HistoryError, VoidedRange};
use crate::ids::{NodeId, RequestId, SegmentId, VolumeId, Zone};
use crate::quorum::{MAX_QUORUM_DEPTH, MAX_QUORUM_SEGMENTS, MAX_QUORUM_TERMS, QuorumError, QuorumSet};

/// Why bytes are not a message, or not a stored control structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("the bytes end inside a field")]
    Truncated,
    /// Bytes are left over.
    #[error("{0} bytes are left over")]
    Trailing(usize),
    /// Written by a version of the protocol that this build does not speak.
    #[error("protocol version {0} is not spoken here")]
    Version(u8),
    /// An unknown kind of message.
    #[error("unknown message kind {0}")]
    Kind(u8),
    /// A length or count beyond its limit.
    #[error("{field} is out of range: {value}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// What was found.
        value: u64,
    },
    /// The records inside are not a batch.
    #[error("bad batch: {0}")]
    Batch(#[from] BatchError),
    /// The voided ranges inside are not a history.
    #[error("bad history: {0}")]
    History(#[from] HistoryError),
    /// The quorums inside are not usable.
    #[error("bad quorum: {0}")]
    Quorum(#[from] QuorumError),
}

impl From<RecordDecodeError> for DecodeError {
    fn from(error: RecordDecodeError) -> DecodeError {
        DecodeError::Batch(BatchError::Record(error))
    }
}

/// Appends the encoded form.
pub(crate) struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Writer<'a> {
        Writer { out }
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    pub(crate) fn count(&mut self, value: usize) {
        self.u32(u32::try_from(value).expect("lists are bounded far below 2^32"));
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
    }

    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    pub(crate) fn lsn(&mut self, value: Lsn) {
        self.u64(value.get());
    }

    pub(crate) fn history(&mut self, history: &History) {
        self.u64(history.epoch().get());
        self.count(history.ranges().len());
        for range in history.ranges() {
            self.lsn(range.after);
            self.lsn(range.upto);
            self.u64(range.epoch.get());
        }
    }

    pub(crate) fn membership(&mut self, membership: &Membership) {
        self.u64(membership.epoch().get());
        self.count(membership.members().len());
        for member in membership.members() {
            self.u64(member.segment.get());
            self.u16(member.node.get());
            self.u8(member.zone.get());
            self.lsn(member.join_point);
        }
        self.count(membership.alternatives().len());
        for pair in membership.alternatives() {
            self.quorum(&pair.write);
            self.quorum(&pair.read);
        }
    }

    pub(crate) fn quorum(&mut self, quorum: &QuorumSet) {
        match quorum {
            QuorumSet::AtLeast { k, of } => {
                self.u8(0);
                self.u8(*k);
                self.count(of.len());
                of.iter().for_each(|s| self.u64(s.get()));
            }
            QuorumSet::And(terms) => self.terms(1, terms),
            QuorumSet::Or(terms) => self.terms(2, terms),
        }
    }

    fn terms(&mut self, tag: u8, terms: &[QuorumSet]) {
        self.u8(tag);
        self.count(terms.len());
        terms.iter().for_each(|t| self.quorum(t));
    }
}

/// A cursor over untrusted bytes.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// How many bytes have been read.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Checks that everything was read.
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        if self.remaining() == 0 { Ok(()) } else { Err(DecodeError::Trailing(self.remaining())) }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        if len > self.remaining() {
            return Err(DecodeError::Truncated);
        }
        let taken = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        self.take(N)?.try_into().map_err(|_| DecodeError::Truncated)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::OutOfRange { field, value: u64::from(other) }),
        }
    }

    /// A count of things that take at least `each_bytes` bytes, so that an absurd one is refused before
    /// anything is allocated for it.
    pub(crate) fn count(&mut self, field: &'static str, each_bytes: usize) -> Result<usize, DecodeError> {
        let count = self.u32()?;
        let fits = usize::try_from(count).ok().filter(|c| *c <= self.remaining() / each_bytes);
        fits.ok_or(DecodeError::OutOfRange { field, value: u64::from(count) })
    }

    pub(crate) fn varint(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let digit = u64::from(byte & 0x7f);
            let wrapped = shift == 63 && byte > 1;
            let padded = shift > 0 && byte == 0;
            if wrapped || padded {
                return Err(DecodeError::OutOfRange { field, value });
            }
            value |= digit << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(DecodeError::OutOfRange { field, value })
    }

    pub(crate) fn lsn(&mut self) -> Result<Lsn, DecodeError> {
        Ok(Lsn::new(self.u64()?))
    }

    pub(crate) fn pg(&mut self) -> Result<PgId, DecodeError> {
        Ok(PgId::new(self.u32()?))
    }

    pub(crate) fn segment(&mut self) -> Result<SegmentId, DecodeError> {
        Ok(SegmentId::new(self.u64()?))
    }

    pub(crate) fn request(&mut self) -> Result<RequestId, DecodeError> {
        Ok(RequestId::new(self.u64()?))
    }

    pub(crate) fn volume_epoch(&mut self) -> Result<VolumeEpoch, DecodeError> {
        Ok(VolumeEpoch::new(self.u64()?))
    }

    pub(crate) fn membership_epoch(&mut self) -> Result<MembershipEpoch, DecodeError> {
        Ok(MembershipEpoch::new(self.u64()?))
    }

    pub(crate) fn volume(&mut self) -> Result<VolumeId, DecodeError> {
        Ok(VolumeId::new(self.array()?))
    }

    pub(crate) fn history(&mut self) -> Result<History, DecodeError> {
        let epoch = self.volume_epoch()?;
        let count = self.count("voided ranges", 24)?;
        let mut ranges = Vec::with_capacity(count);
        for _ in 0..count {
            ranges.push(VoidedRange { after: self.lsn()?, upto: self.lsn()?, epoch: self.volume_epoch()? });
        }
        Ok(History::from_ranges(epoch, ranges)?)
    }

    pub(crate) fn membership(&mut self) -> Result<Membership, DecodeError> {
        let epoch = self.membership_epoch()?;
        let count = self.count("members", 19)?;
        if count > MAX_QUORUM_SEGMENTS {
            return Err(DecodeError::OutOfRange { field: "members", value: count as u64 });
        }
        let mut members = Vec::with_capacity(count);
        for _ in 0..count {
            members.push(Member {
                segment: self.segment()?,
                node: NodeId::new(self.u16()?),
                zone: Zone::new(self.u8()?),
                join_point: self.lsn()?,
            });
        }
        let count = self.count("quorum pairs", 12)?;
        if count > MAX_QUORUM_TERMS {
            return Err(DecodeError::OutOfRange { field: "quorum pairs", value: count as u64 });
        }
        let mut alternatives = Vec::with_capacity(count);
        for _ in 0..count {
            alternatives.push(QuorumPair {
                write: self.quorum(MAX_QUORUM_DEPTH)?,
                read: self.quorum(MAX_QUORUM_DEPTH)?,
            });
        }
        Ok(Membership::new(epoch, members, alternatives)?)
    }

    fn quorum(&mut self, depth_left: usize) -> Result<QuorumSet, DecodeError> {
        let tag = self.u8()?;
        if tag == 0 {
            let k = self.u8()?;
            let count = self.count("quorum segments", 8)?;
            if count > MAX_QUORUM_SEGMENTS {
                return Err(DecodeError::OutOfRange { field: "quorum segments", value: count as u64 });
            }
            let of = (0..count).map(|_| self.segment()).collect::<Result<Vec<_>, _>>()?;
            return Ok(QuorumSet::AtLeast { k, of });
        }
        let depth_left = depth_left.checked_sub(1).ok_or(QuorumError::TooDeep)?;
        let count = self.count("quorum terms", 5)?;
        if count > MAX_QUORUM_TERMS {
            return Err(DecodeError::OutOfRange { field: "quorum terms", value: count as u64 });
        }
        let terms = (0..count).map(|_| self.quorum(depth_left)).collect::<Result<Vec<_>, _>>()?;
        match tag {
            1 => Ok(QuorumSet::And(terms)),
            2 => Ok(QuorumSet::Or(terms)),
            other => Err(DecodeError::OutOfRange { field: "quorum tag", value: u64::from(other) }),
        }
    }
}
