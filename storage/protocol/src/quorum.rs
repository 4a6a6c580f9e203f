//! Quorums as data (SIGMOD 2018, section 4.1): `k of {segments}`, **and**, **or**.
//!
//! A quorum expression is monotone: adding a segment to a set that meets it never unmeets it. Everything
//! here relies on that, and the three forms cannot express anything else.

use alloc::vec::Vec;
use redoubt_page::Lsn;

use crate::ids::SegmentId;

/// The most distinct segments that two expressions compared with each other may name. A protection group
/// has six; two nested replacements make eight.
pub const MAX_QUORUM_SEGMENTS: usize = 16;

/// The deepest nesting of **and** / **or** that is accepted.
pub const MAX_QUORUM_DEPTH: usize = 6;

/// The most terms an expression may have in all. Three nested replacements of a full/tail geometry need 31.
pub const MAX_QUORUM_TERMS: usize = 128;

/// A condition on the set of segments that have done something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuorumSet {
    /// Met when at least `k` of the segments in `of` have.
    AtLeast {
        /// How many are needed, from 1 to `of.len()`.
        k: u8,
        /// The segments that count; no segment twice.
        of: Vec<SegmentId>,
    },
    /// Met when every term is.
    And(Vec<QuorumSet>),
    /// Met when one term is.
    Or(Vec<QuorumSet>),
}

/// Why an expression, or a pair of them, cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// `k` is zero or above the number of segments.
    #[error("a quorum count is zero or above the number of its segments")]
    ImpossibleCount,
    /// A segment is named twice in one `AtLeast`.
    #[error("a quorum names a segment twice")]
    DuplicateSegment,
    /// An **and** or **or** without terms.
    #[error("a quorum has no terms")]
    NoTerms,
    /// Nested deeper than `MAX_QUORUM_DEPTH`.
    #[error("a quorum is nested too deeply")]
    TooDeep,
    /// More than `MAX_QUORUM_TERMS` terms or `MAX_QUORUM_SEGMENTS` segments.
    #[error("a quorum has too many terms or segments")]
    TooLarge,
    /// Some set of segments meets the write quorum while the others alone meet the read quorum: a read
    /// could miss a write.
    #[error("a read quorum could miss a write quorum")]
    ReadMissesWrite,
    /// Two disjoint sets meet the write quorum: two writers could both succeed.
    #[error("two write quorums could be disjoint")]
    WritesDisjoint,
    /// A quorum names a segment that is no member, or a member is in no quorum.
    #[error("the quorums and the members name different segments")]
    MembersDiffer,
    /// The segment to replace is not a member, or the new one already is.
    #[error("the segment cannot be replaced by the one given")]
    NotReplaceable,
    /// A change would leave no expression at all.
    #[error("the change would leave no quorum")]
    NothingLeft,
}

impl QuorumSet {
    /// `k` of the given segments.
    pub fn at_least(k: u8, of: &[SegmentId]) -> QuorumSet {
        QuorumSet::AtLeast { k, of: of.to_vec() }
    }

    /// Whether the segments for which `has` is true meet this expression.
    pub fn is_met(&self, has: impl Fn(SegmentId) -> bool) -> bool {
        self.met_by(&has)
    }

    fn met_by(&self, has: &dyn Fn(SegmentId) -> bool) -> bool {
        match self {
            QuorumSet::AtLeast { k, of } => of.iter().filter(|s| has(**s)).count() >= usize::from(*k),
            QuorumSet::And(terms) => terms.iter().all(|t| t.met_by(has)),
            QuorumSet::Or(terms) => terms.iter().any(|t| t.met_by(has)),
        }
    }

    /// The highest LSN that the positions of a quorum have reached: the highest `l` for which the segments
    /// with `position(s) >= l` meet this expression. This is how PGCL comes from SCLs.
    ///
    /// Because expressions are monotone, the threshold distributes over them: the k-th highest for
    /// `AtLeast`, the minimum for **and**, the maximum for **or**. Nothing is allocated.
    pub fn reached(&self, position: impl Fn(SegmentId) -> Lsn) -> Lsn {
        self.threshold(&position)
    }

    fn threshold(&self, position: &dyn Fn(SegmentId) -> Lsn) -> Lsn {
        match self {
            QuorumSet::AtLeast { k, of } => {
                // The k highest so far, highest first: an insertion sort over at most sixteen places.
                let mut highest = [Lsn::ZERO; MAX_QUORUM_SEGMENTS];
                let k = usize::from(*k);
                for segment in of {
                    let lsn = position(*segment);
                    let Some(at) = highest[..k].iter().position(|held| lsn > *held) else { continue };
                    highest[at..k].rotate_right(1);
                    highest[at] = lsn;
                }
                highest[k - 1]
            }
            QuorumSet::And(terms) => terms.iter().map(|t| t.threshold(position)).min().unwrap_or(Lsn::ZERO),
            QuorumSet::Or(terms) => terms.iter().map(|t| t.threshold(position)).max().unwrap_or(Lsn::ZERO),
        }
    }

    /// Calls `visit` for every segment named, repeats included.
    pub fn for_each_segment(&self, visit: &mut dyn FnMut(SegmentId)) {
        match self {
            QuorumSet::AtLeast { of, .. } => of.iter().for_each(|s| visit(*s)),
            QuorumSet::And(terms) | QuorumSet::Or(terms) => {
                terms.iter().for_each(|t| t.for_each_segment(visit));
            }
        }
    }

    /// Every distinct segment named, in rising order.
    pub fn segments(&self) -> Vec<SegmentId> {
        let mut all = Vec::new();
        self.for_each_segment(&mut |s| all.push(s));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whether the expression names this segment anywhere.
    pub fn names(&self, segment: SegmentId) -> bool {
        let mut found = false;
        self.for_each_segment(&mut |s| found |= s == segment);
        found
    }

    /// The same expression with one segment put in the place of another.
    pub fn substituted(&self, old: SegmentId, new: SegmentId) -> QuorumSet {
        match self {
            QuorumSet::AtLeast { k, of } => QuorumSet::AtLeast {
                k: *k,
                of: of.iter().map(|s| if *s == old { new } else { *s }).collect(),
            },
            QuorumSet::And(terms) => QuorumSet::And(terms.iter().map(|t| t.substituted(old, new)).collect()),
            QuorumSet::Or(terms) => QuorumSet::Or(terms.iter().map(|t| t.substituted(old, new)).collect()),
        }
    }

    /// Checks that the expression can be evaluated at all: counts, terms, depth, size.
    pub fn check(&self) -> Result<(), QuorumError> {
        let mut terms_left = MAX_QUORUM_TERMS;
        self.check_term(MAX_QUORUM_DEPTH, &mut terms_left)?;
        if self.segments().len() > MAX_QUORUM_SEGMENTS {
            return Err(QuorumError::TooLarge);
        }
        Ok(())
    }

    fn check_term(&self, depth_left: usize, terms_left: &mut usize) -> Result<(), QuorumError> {
        *terms_left = terms_left.checked_sub(1).ok_or(QuorumError::TooLarge)?;
        match self {
            QuorumSet::AtLeast { k, of } => {
                if of.len() > MAX_QUORUM_SEGMENTS {
                    return Err(QuorumError::TooLarge);
                }
                if *k == 0 || usize::from(*k) > of.len() {
                    return Err(QuorumError::ImpossibleCount);
                }
                let repeated = of.iter().enumerate().any(|(i, s)| of[..i].contains(s));
                if repeated { Err(QuorumError::DuplicateSegment) } else { Ok(()) }
            }
            QuorumSet::And(terms) | QuorumSet::Or(terms) => {
                if terms.is_empty() {
                    return Err(QuorumError::NoTerms);
                }
                let depth_left = depth_left.checked_sub(1).ok_or(QuorumError::TooDeep)?;
                terms.iter().try_for_each(|t| t.check_term(depth_left, terms_left))
            }
        }
    }
}

/// Whether every set that meets `first` shares a segment with every set that meets `second`, where the
/// segments in `uncounted` never count toward `first`. Looks at every subset of the segments named.
///
/// # Errors
/// `TooLarge` when the two name more than `MAX_QUORUM_SEGMENTS` segments between them.
pub fn overlaps(first: &QuorumSet, second: &QuorumSet, uncounted: &[SegmentId]) -> Result<bool, QuorumError> {
    let mut named = first.segments();
    named.extend(second.segments());
    named.sort_unstable();
    named.dedup();
    if named.len() > MAX_QUORUM_SEGMENTS {
        return Err(QuorumError::TooLarge);
    }
    let place = |s: SegmentId| named.binary_search(&s).expect("both expressions' segments were collected");
    for subset in 0_u32..1 << named.len() {
        let in_subset = |s: SegmentId| subset & 1 << place(s) != 0;
        let outside = |s: SegmentId| !in_subset(s) && !uncounted.contains(&s);
        // By monotonicity it is enough to give each side of the split all that it could have.
        if second.is_met(in_subset) && first.is_met(outside) {
            return Ok(false);
        }
    }
    Ok(true)
}
