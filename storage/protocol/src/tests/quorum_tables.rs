//! Quorum expressions over every subset of their segments, and memberships through changes.

use alloc::vec;
use alloc::vec::Vec;
use redoubt_page::{Lsn, MembershipEpoch};

use super::rng::Rng;
use super::{lsn, member, six};
use crate::geometry::{Membership, QuorumPair, VolumeGeometry};
use crate::ids::SegmentId;
use crate::quorum::{QuorumError, QuorumSet, overlaps};

fn ids(numbers: &[u64]) -> Vec<SegmentId> {
    numbers.iter().map(|n| SegmentId::new(*n)).collect()
}

fn at_least(k: u8, numbers: &[u64]) -> QuorumSet {
    QuorumSet::at_least(k, &ids(numbers))
}

/// Whether the segments whose bits are set meet an expression; segment n is bit n - 1.
fn met(quorum: &QuorumSet, subset: u32) -> bool {
    quorum.is_met(|s| subset & 1 << (s.get() - 1) != 0)
}

#[test]
fn malformed_expressions_are_refused() {
    let mut deep = at_least(1, &[1]);
    for _ in 0..8 {
        deep = QuorumSet::And(vec![deep]);
    }
    let many: Vec<u64> = (1..=17).collect();
    let table = [
        (at_least(0, &[1, 2]), Err(QuorumError::ImpossibleCount)),
        (at_least(3, &[1, 2]), Err(QuorumError::ImpossibleCount)),
        (at_least(1, &[]), Err(QuorumError::ImpossibleCount)),
        (at_least(2, &[1, 1, 2]), Err(QuorumError::DuplicateSegment)),
        (QuorumSet::And(vec![]), Err(QuorumError::NoTerms)),
        (QuorumSet::Or(vec![at_least(1, &[1]), QuorumSet::Or(vec![])]), Err(QuorumError::NoTerms)),
        (deep, Err(QuorumError::TooDeep)),
        (at_least(9, &many), Err(QuorumError::TooLarge)),
        (QuorumSet::Or(vec![at_least(1, &[1]); 200]), Err(QuorumError::TooLarge)),
        (QuorumSet::And(vec![at_least(4, &[1, 2, 3, 4, 5, 6]), at_least(1, &[7])]), Ok(())),
    ];
    for (quorum, expected) in table {
        assert_eq!(quorum.check(), expected, "{quorum:?}");
    }
}

#[test]
fn a_subset_meets_what_it_should() {
    let all = [1, 2, 3, 4, 5, 6];
    let tail_write = QuorumSet::Or(vec![at_least(4, &all), at_least(3, &[1, 2, 3])]);
    let tail_read = QuorumSet::And(vec![at_least(3, &all), at_least(1, &[1, 2, 3])]);
    for subset in 0_u32..64 {
        let count = subset.count_ones();
        let full = (subset & 0b111).count_ones();
        assert_eq!(met(&at_least(4, &all), subset), count >= 4);
        assert_eq!(met(&tail_write, subset), count >= 4 || full == 3);
        assert_eq!(met(&tail_read, subset), count >= 3 && full >= 1);
    }
}

/// What `overlaps` claims, looked at directly: every pair of sets that meet the two shares a segment.
fn overlaps_by_pairs(first: &QuorumSet, second: &QuorumSet, segments: u32) -> bool {
    let meeting = |q: &QuorumSet| (0_u32..1 << segments).filter(|s| met(q, *s)).collect::<Vec<_>>();
    let (firsts, seconds) = (meeting(first), meeting(second));
    firsts.iter().all(|a| seconds.iter().all(|b| a & b != 0))
}

#[test]
fn overlap_is_what_pairs_of_subsets_say() {
    let all = [1, 2, 3, 4, 5, 6];
    let replaced = [1, 2, 3, 4, 5, 7];
    let nested_write =
        QuorumSet::And(vec![at_least(4, &all), at_least(4, &replaced), at_least(4, &[1, 2, 3, 4, 8, 7])]);
    let nested_read =
        QuorumSet::Or(vec![at_least(3, &all), at_least(3, &replaced), at_least(3, &[1, 2, 3, 4, 8, 7])]);
    let expressions = [
        at_least(4, &all),
        at_least(3, &all),
        at_least(2, &all),
        at_least(3, &replaced),
        QuorumSet::Or(vec![at_least(4, &all), at_least(3, &[1, 2, 3])]),
        QuorumSet::And(vec![at_least(3, &all), at_least(1, &[1, 2, 3])]),
        nested_write,
        nested_read,
    ];
    for first in &expressions {
        for second in &expressions {
            let expected = overlaps_by_pairs(first, second, 8);
            assert_eq!(overlaps(first, second, &[]), Ok(expected), "{first:?} {second:?}");
        }
    }
}

#[test]
fn overlap_is_checked_when_a_membership_is_made() {
    let members = |n: u64| (1..=n).map(|s| member(s, 0)).collect::<Vec<_>>();
    let make = |n: u64, write: QuorumSet, read: QuorumSet| {
        Membership::new(MembershipEpoch::new(1), members(n), vec![QuorumPair { write, read }]).map(|_| ())
    };
    let all = [1, 2, 3, 4, 5, 6];
    let table = [
        (6, at_least(4, &all), at_least(3, &all), Ok(())),
        (6, at_least(4, &all), at_least(2, &all), Err(QuorumError::ReadMissesWrite)),
        (6, at_least(3, &all), at_least(4, &all), Err(QuorumError::WritesDisjoint)),
        (7, at_least(4, &all), at_least(3, &all), Err(QuorumError::MembersDiffer)),
        (5, at_least(4, &all), at_least(3, &all), Err(QuorumError::MembersDiffer)),
        (1, at_least(1, &[1]), at_least(1, &[1]), Ok(())),
    ];
    for (n, write, read, expected) in table {
        assert_eq!(make(n, write.clone(), read.clone()), expected, "{n} {write:?} {read:?}");
    }
    let none = Membership::new(MembershipEpoch::new(1), members(1), vec![]);
    assert_eq!(none, Err(QuorumError::NothingLeft));
}

#[test]
fn uniform_memberships_are_majorities() {
    for n in 1_u64..=12 {
        let members = (1..=n).map(|s| member(s, 0)).collect();
        let membership = Membership::uniform(MembershipEpoch::new(1), members).expect("a majority overlaps");
        let QuorumSet::AtLeast { k: write, .. } = membership.write() else { panic!("one term") };
        let QuorumSet::AtLeast { k: read, .. } = membership.read() else { panic!("one term") };
        assert_eq!(u64::from(*write) + u64::from(*read), n + 1, "{n} members");
        assert!(u64::from(*write) * 2 > n, "{n} members");
    }
}

#[test]
fn full_and_tail_segments() {
    let full = (1..=3).map(|s| member(s, 0)).collect();
    let tail = (4..=6).map(|s| member(s, 0)).collect();
    let membership = Membership::full_and_tail(MembershipEpoch::new(1), full, tail).expect("overlaps");
    assert!(met(membership.write(), 0b000_111), "three full segments are a write quorum");
    assert!(!met(membership.write(), 0b111_000), "three tails are none");
    assert!(!met(membership.read(), 0b111_000), "nor can they be read from");
    let next = membership.replacing(SegmentId::new(2), member(7, 50)).expect("a full one is replaced");
    assert!(!met(next.write(), 0b000_0111) && met(next.write(), 0b100_0111));
}

/// A record written by ABCF before F is replaced by G must be seen by every read quorum afterwards: the
/// empty G does not count for one, or DEG would miss it.
#[test]
fn a_joiner_would_make_reads_miss_writes() {
    let old = six(1);
    let next = old.replacing(SegmentId::new(6), member(7, 100)).expect("one replacement");
    assert_eq!(next.epoch(), MembershipEpoch::new(2));
    let joiner = [SegmentId::new(7)];
    assert_eq!(overlaps(next.read(), old.write(), &[]), Ok(false), "with G, DEG misses ABCF");
    assert_eq!(overlaps(next.read(), old.write(), &joiner), Ok(true));
    // Writes must reach both outcomes, in every one of the 128 subsets.
    for subset in 0_u32..128 {
        let (common, f, g) = ((subset & 0b11111).count_ones(), subset >> 5 & 1, subset >> 6 & 1);
        assert_eq!(met(next.write(), subset), common + f >= 4 && common + g >= 4, "{subset:b}");
        assert_eq!(met(next.read(), subset), common + f >= 3 || common + g >= 3, "{subset:b}");
    }
}

#[test]
fn replacements_nest_and_end_either_way() {
    let old = six(1);
    let one = old.replacing(SegmentId::new(6), member(7, 100)).expect("F by G");
    let two = one.replacing(SegmentId::new(5), member(8, 100)).expect("E by H, nested");
    assert_eq!(two.alternatives().len(), 4, "a four-way and");
    assert_eq!(overlaps(two.read(), two.write(), &[]), Ok(true));
    assert!(overlaps_by_pairs(two.read(), two.write(), 8));
    assert!(overlaps_by_pairs(two.write(), two.write(), 8));
    let three = two.replacing(SegmentId::new(4), member(9, 100)).expect("and a third");
    assert_eq!(three.alternatives().len(), 8);
    let table: [(&[u64], &[u64]); 3] =
        [(&[6, 5], &[1, 2, 3, 4, 7, 8]), (&[7, 8], &[1, 2, 3, 4, 5, 6]), (&[6, 8], &[1, 2, 3, 4, 5, 7])];
    for (leaving, left) in table {
        let mut membership = two.clone();
        for segment in leaving {
            membership = membership.without(SegmentId::new(*segment)).expect("an outcome");
        }
        assert_eq!(membership.alternatives().len(), 1);
        assert_eq!(*membership.write(), at_least_sorted(4, membership.write(), left));
        assert_eq!(membership.epoch(), MembershipEpoch::new(5), "every step is a new epoch");
    }
}

/// The expected expression, its segments in the order found.
fn at_least_sorted(k: u8, found: &QuorumSet, expected: &[u64]) -> QuorumSet {
    let QuorumSet::AtLeast { of, .. } = found else { panic!("one term, not {found:?}") };
    let mut sorted = of.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ids(expected));
    QuorumSet::AtLeast { k, of: of.clone() }
}

#[test]
fn impossible_changes_are_refused() {
    let old = six(1);
    let table = [(9, 10), (6, 3)];
    for (failed, joining) in table {
        let changed = old.replacing(SegmentId::new(failed), member(joining, 0));
        assert_eq!(changed, Err(QuorumError::NotReplaceable), "{failed} by {joining}");
    }
    assert_eq!(old.without(SegmentId::new(1)), Err(QuorumError::NothingLeft));
}

/// `reached` against its definition: the highest LSN such that those who reached it meet the expression.
#[test]
fn reached_is_the_highest_met() {
    let all = [1, 2, 3, 4, 5, 6];
    let old = six(1);
    let change = old.replacing(SegmentId::new(6), member(7, 0)).expect("a change");
    let nested = change.replacing(SegmentId::new(5), member(8, 0)).expect("a nested change");
    let expressions = [
        at_least(1, &all),
        at_least(4, &all),
        at_least(6, &all),
        QuorumSet::Or(vec![at_least(4, &all), at_least(3, &[1, 2, 3])]),
        change.write().clone(),
        change.read().clone(),
        nested.write().clone(),
        nested.read().clone(),
    ];
    let mut rng = Rng::new(11);
    for _ in 0..2_000 {
        let scls: Vec<u64> = (0..8).map(|_| rng.below(6) as u64).collect();
        let scl = |s: SegmentId| lsn(scls[s.get() as usize - 1]);
        for quorum in &expressions {
            let is_met = |l: u64| quorum.is_met(|s| scl(s) >= lsn(l));
            let expected = (0..6).rev().find(|l| is_met(*l)).map_or(Lsn::ZERO, lsn);
            assert_eq!(quorum.reached(scl), expected, "{scls:?} {quorum:?}");
        }
    }
}

#[test]
fn pages_fall_into_groups() {
    assert_eq!(VolumeGeometry::new(0), None);
    let geometry = VolumeGeometry::new(100).expect("a geometry");
    let page = redoubt_page::PageId::new;
    for (number, group) in [(0, 0), (99, 0), (100, 1), (12_345, 123)] {
        let pg = geometry.pg_of(page(number));
        assert_eq!(pg.get(), group);
        assert!(geometry.pages_of(pg).contains(&number));
    }
    assert!(geometry.pages_of(redoubt_page::PgId::new(u32::MAX)).end <= 1 << 48);
    let huge = VolumeGeometry::new(u64::MAX).expect("one group for everything");
    assert_eq!(huge.pages_of(redoubt_page::PgId::new(0)), 0..1 << 48);
    assert!(huge.pages_of(redoubt_page::PgId::new(7)).is_empty());
}
