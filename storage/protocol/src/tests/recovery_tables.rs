//! Decisions over given reports. The random schedules look for what nobody thought of; these tables say
//! what was thought of.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use redoubt_page::{PgId, VolumeEpoch};

use super::{lsn, member, six};
use crate::batch::LsnRun;
use crate::geometry::Membership;
use crate::history::{History, VoidedRange};
use crate::ids::{RequestId, SegmentId};
use crate::message::{Address, SealReport};
use crate::recovery::{Decision, GroupReports, Undecided, decide};

const EPOCH: VolumeEpoch = VolumeEpoch::new(9);
const LIMIT: u64 = 100;

fn history(epoch: u64, ranges: &[(u64, u64, u64)]) -> Arc<History> {
    let range = |&(after, upto, by): &(u64, u64, u64)| VoidedRange {
        after: lsn(after),
        upto: lsn(upto),
        epoch: VolumeEpoch::new(by),
    };
    let ranges = ranges.iter().map(range).collect();
    Arc::new(History::from_ranges(VolumeEpoch::new(epoch), ranges).expect("a history"))
}

/// Runs of records: previous in the volume, first, last.
type Runs<'a> = &'a [(u64, u64, u64)];

/// A report of a segment that holds these runs (previous in the volume, first, last) above a persisted VDL.
fn report(segment: u64, persisted_vdl: u64, base: u64, runs: &[(u64, u64, u64)], cpls: &[u64]) -> SealReport {
    let chain: Vec<LsnRun> = runs
        .iter()
        .map(|&(prev, first, last)| LsnRun { prev_volume: lsn(prev), first: lsn(first), last: lsn(last) })
        .collect();
    SealReport {
        from: Address { pg: PgId::new(((segment - 1) / 6) as u32), segment: SegmentId::new(segment) },
        request: RequestId::new(1),
        volume_epoch: EPOCH,
        membership: six((segment - 1) / 6 * 6 + 1),
        joined: true,
        clean: true,
        history: history(1, &[]),
        scl: chain.last().map_or(lsn(base), |r| r.last),
        persisted_vdl: lsn(persisted_vdl),
        read_floor: lsn(0),
        chain_base: lsn(base),
        chain,
        cpls: cpls.iter().map(|c| lsn(*c)).collect(),
    }
}

fn group(pg: u64, reports: Vec<SealReport>) -> GroupReports {
    GroupReports { membership: six(pg * 6 + 1), reports }
}

fn decided(groups: &[GroupReports]) -> Decision {
    decide(EPOCH, LIMIT, groups).expect("enough is known")
}

/// One group; each report is (persisted VDL, base, last record); every third record ends an MTR.
fn decide_one(reports: &[(u64, u64, u64)]) -> Decision {
    let reports = (1..).zip(reports).map(|(segment, &(persisted, base, last))| {
        let cpls: Vec<u64> = (persisted + 1..=last).filter(|l| l % 3 == 0).collect();
        let runs = [(persisted, persisted + 1, last)];
        let runs = if last > persisted { &runs[..] } else { &[] };
        report(segment, persisted, base, runs, &cpls)
    });
    decided(&[group(0, reports.collect())])
}

#[test]
fn the_highest_scl_of_a_group_counts() {
    // Reports; VCL, VDL.
    let table: [(Runs<'_>, u64, u64); 5] = [
        (&[(0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0)], 0, 0),
        (&[(0, 0, 10), (0, 0, 7), (0, 0, 0), (0, 0, 2)], 10, 9),
        (&[(3, 3, 10), (6, 6, 9), (0, 0, 4), (0, 0, 4)], 10, 9),
        // Nothing above what was known to be durable.
        (&[(6, 6, 6), (0, 0, 4), (0, 0, 4), (0, 0, 4)], 6, 6),
        // A segment that heard of a VDL beyond what it holds itself.
        (&[(9, 4, 4), (0, 0, 9), (0, 0, 4), (0, 0, 4)], 9, 9),
    ];
    for (reports, vcl, vdl) in table {
        let decision = decide_one(reports);
        assert_eq!((decision.vcl, decision.vdl), (lsn(vcl), lsn(vdl)), "{reports:?}");
        assert_eq!(decision.tails, [lsn(vdl)], "{reports:?}");
        let expected = VoidedRange { after: lsn(vdl), upto: lsn(vdl + LIMIT), epoch: EPOCH };
        assert_eq!(decision.history.ranges(), [expected], "{reports:?}");
    }
}

/// Three of the same report.
fn thrice(first: SealReport) -> Vec<SealReport> {
    let at = first.from.segment.get();
    let copy = |n: u64| SealReport {
        from: Address { segment: SegmentId::new(at + n), ..first.from },
        ..first.clone()
    };
    (0..4).map(copy).collect()
}

#[test]
fn the_volume_chain_is_walked_across_groups() {
    let one = report(1, 0, 0, &[(0, 1, 2), (4, 5, 6), (8, 9, 9)], &[2, 6]);
    // What the other group holds; VCL, VDL, tails.
    type Row<'a> = (Runs<'a>, &'a [u64], u64, u64, [u64; 2]);
    let table: [Row<'_>; 4] = [
        (&[(2, 3, 4), (6, 7, 8)], &[8], 9, 8, [6, 8]),
        (&[(2, 3, 4), (6, 7, 7)], &[], 7, 6, [6, 4]),
        (&[(2, 3, 3)], &[], 3, 2, [2, 0]),
        (&[], &[], 2, 2, [2, 0]),
    ];
    for (runs, cpls, vcl, vdl, tails) in table {
        let other = report(7, 0, 0, runs, cpls);
        let decision = decided(&[group(0, thrice(one.clone())), group(1, thrice(other))]);
        assert_eq!((decision.vcl, decision.vdl), (lsn(vcl), lsn(vdl)), "{runs:?}");
        assert_eq!(decision.tails, tails.map(lsn), "{runs:?}");
    }
}

/// A chain that goes on above a voided range.
#[test]
fn the_chain_crosses_voided_ranges() {
    let lived = history(2, &[(5, 50, 2)]);
    let with = |mut r: SealReport| {
        r.history = Arc::clone(&lived);
        r
    };
    let one = with(report(1, 0, 0, &[(0, 1, 5), (5, 51, 53)], &[5, 53]));
    let decision = decided(&[group(0, thrice(one))]);
    assert_eq!((decision.vcl, decision.vdl), (lsn(53), lsn(53)));
    let expected = [
        VoidedRange { after: lsn(5), upto: lsn(50), epoch: VolumeEpoch::new(2) },
        VoidedRange { after: lsn(53), upto: lsn(153), epoch: EPOCH },
    ];
    assert_eq!(decision.history.ranges(), expected);
    // Nothing written since: the limit counts from the end of the voided range, not from VDL.
    let quiet = with(report(1, 5, 5, &[], &[]));
    let decision = decided(&[group(0, thrice(quiet))]);
    assert_eq!(decision.history.ranges(), [VoidedRange { after: lsn(5), upto: lsn(150), epoch: EPOCH }]);
}

/// A segment that was absent for a recovery holds records that recovery voided, and consistency points
/// among them.
#[test]
fn dead_records_of_the_absent_do_not_count() {
    let lived = history(2, &[(5, 50, 2)]);
    let mut absent = report(1, 0, 0, &[(0, 1, 9)], &[5, 8, 9]);
    absent.from.segment = SegmentId::new(6);
    let mut present = report(1, 0, 0, &[(0, 1, 5), (5, 51, 51)], &[5]);
    present.history = Arc::clone(&lived);
    let mut reports = thrice(present.clone());
    reports.push(absent.clone());
    let decision = decided(&[group(0, reports)]);
    assert_eq!((decision.vcl, decision.vdl), (lsn(51), lsn(5)));
    // The same when the absent one holds the most that is alive.
    present.chain.truncate(0);
    (present.scl, present.cpls) = (lsn(0), vec![]);
    let mut reports = thrice(present);
    reports.push(absent);
    let decision = decided(&[group(0, reports.clone())]);
    assert_eq!((decision.vcl, decision.vdl, decision.tails), (lsn(5), lsn(5), vec![lsn(5)]));
    // And when the volume goes on in another group, past the dead consistency points.
    let mut other = report(7, 0, 0, &[(5, 51, 51)], &[]);
    other.history = Arc::clone(&lived);
    let decision = decided(&[group(0, reports), group(1, thrice(other))]);
    assert_eq!((decision.vcl, decision.vdl, decision.tails), (lsn(51), lsn(5), vec![lsn(5), lsn(0)]));
}

/// The history to start from is the lowest, over groups, of the highest in a group.
#[test]
fn a_history_that_never_opened_is_not_believed() {
    let (opened, unopened) = (history(2, &[(0, 10, 2)]), history(3, &[(0, 10, 2), (12, 110, 3)]));
    let groups = |in_second: &Arc<History>| {
        let mut first = thrice(report(1, 0, 0, &[(0, 11, 15)], &[12, 15]));
        first.iter_mut().for_each(|r| r.history = Arc::clone(&opened));
        first[1].history = Arc::clone(&unopened);
        (first[1].scl, first[1].cpls) = (lsn(12), vec![lsn(12)]);
        first[1].chain[0].last = lsn(12);
        let mut second = thrice(report(7, 0, 0, &[], &[]));
        second.iter_mut().for_each(|r| r.history = Arc::clone(in_second));
        [group(0, first), group(1, second)]
    };
    let decision = decided(&groups(&opened));
    assert_eq!((decision.base_history.epoch(), decision.vdl), (VolumeEpoch::new(2), lsn(15)));
    assert!(!decision.history.is_voided(lsn(13)));
    // Once every group knows of it, it may have opened, and is believed.
    let decision = decided(&groups(&unopened));
    assert_eq!((decision.base_history.epoch(), decision.vdl), (VolumeEpoch::new(3), lsn(12)));
    assert!(decision.history.is_voided(lsn(13)));
}

#[test]
fn too_little_is_not_decided() {
    let whole = || thrice(report(1, 0, 0, &[(0, 1, 3)], &[3]));
    let spoiled = |spoil: fn(&mut SealReport), count: usize| {
        let mut reports = whole();
        reports.iter_mut().take(count).for_each(spoil);
        decide(EPOCH, LIMIT, &[group(0, reports)]).map(|d| d.vdl)
    };
    let pg = PgId::new(0);
    let few = Err(Undecided::TooFewReports(pg));
    let contradiction = Err(Undecided::Contradiction(pg));
    // Four promises make group 0 safe; one of them may be of a segment that cannot vote.
    type Row = (fn(&mut SealReport), usize, Result<u64, Undecided>);
    let table: [Row; 9] = [
        (|_| {}, 0, Ok(3)),
        (|r| r.clean = false, 1, Ok(3)),
        (|r| r.clean = false, 2, few.clone()),
        (|r| r.joined = false, 2, few),
        (|r| r.volume_epoch = VolumeEpoch::new(8), 1, contradiction.clone()),
        (|r| r.from.pg = PgId::new(1), 1, contradiction.clone()),
        (|r| r.chain_base = lsn(1), 4, contradiction.clone()),
        (|r| r.scl = lsn(4), 4, contradiction.clone()),
        (|r| r.cpls = vec![lsn(7)], 4, contradiction),
    ];
    for (at, (spoil, count, expected)) in table.into_iter().enumerate() {
        assert_eq!(spoiled(spoil, count), expected.map(lsn), "row {at}");
    }
    let mut reports = whole();
    reports.truncate(3);
    let three = decide(EPOCH, LIMIT, &[group(0, reports)]);
    assert_eq!(three, Err(Undecided::TooFewReports(pg)), "group 0 needs a write quorum of promises");
    let mut second = thrice(report(7, 0, 0, &[], &[]));
    second.truncate(3);
    assert!(decide(EPOCH, LIMIT, &[group(0, whole()), group(1, second.clone())]).is_ok());
    second.truncate(2);
    let two = decide(EPOCH, LIMIT, &[group(0, whole()), group(1, second)]);
    assert_eq!(two, Err(Undecided::TooFewReports(PgId::new(1))));
}

/// Wrong reports bring the numbers to their end; a writer started there could not number one record.
#[test]
fn the_end_of_the_numbers_is_refused() {
    for (persisted_vdl, decided) in [(u64::MAX - 101, true), (u64::MAX - 100, false), (u64::MAX, false)] {
        let reports = thrice(report(1, persisted_vdl, 0, &[], &[]));
        assert_eq!(decide(EPOCH, LIMIT, &[group(0, reports)]).is_ok(), decided, "{persisted_vdl}");
    }
}

#[test]
fn a_newer_membership_means_to_start_again() {
    let next: Arc<Membership> =
        Arc::new(six(1).replacing(SegmentId::new(6), member(20, 0)).expect("a change"));
    let mut reports = thrice(report(1, 0, 0, &[], &[]));
    reports[2].membership = Arc::clone(&next);
    let decision = decide(EPOCH, LIMIT, &[group(0, reports.clone())]);
    assert_eq!(decision, Err(Undecided::NewerMembership(PgId::new(0))));
    // Known to the recovery, the change needs a read quorum of either outcome, the joiner not counting.
    let known = GroupReports { membership: next, reports };
    assert!(decide(EPOCH, LIMIT, &[known]).is_ok());
}
