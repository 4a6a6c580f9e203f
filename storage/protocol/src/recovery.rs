//! What a volume is after a crash: pure functions over the reports of its sealed segments.
//!
//! There is no redo replay. Recovery finds the last consistency point up to which nothing is missing,
//! copies what only a few hold, and voids everything above (SIGMOD 2017, section 4.3; SIGMOD 2018,
//! section 2.4). The design's numbered steps are cited below as "step n".

use alloc::sync::Arc;
use alloc::vec::Vec;
use redoubt_page::{Lsn, PgId, VolumeEpoch};

use crate::batch::LsnRun;
use crate::geometry::Membership;
use crate::history::History;
use crate::ids::SegmentId;
use crate::message::SealReport;
use crate::planted::{Bugs, Planted};

/// The sealed segments of one protection group.
#[derive(Clone, Debug)]
pub struct GroupReports {
    /// The membership that the recovery works with.
    pub membership: Arc<Membership>,
    /// At most one report per segment, all of the recovery's epoch.
    pub reports: Vec<SealReport>,
}

/// What a recovery decides. A function of the reports alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The volume is complete up to here,
    pub vcl: Lsn,
    /// and consistent here: the highest consistency point at or below VCL.
    pub vdl: Lsn,
    /// The history that the reports are meant under, and that the new one extends.
    pub base_history: Arc<History>,
    /// The history to write: the base, and everything above VDL that anyone could have allocated.
    pub history: Arc<History>,
    /// The highest read floor that any segment persisted: no lower read point can be served.
    pub read_floor: Lsn,
    /// Per protection group, its last record at or below VDL.
    pub tails: Vec<Lsn>,
}

/// Why nothing can be decided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// Too few clean voters of this group have reported.
    #[error("protection group {0} has too few clean reports")]
    TooFewReports(PgId),
    /// A segment holds a newer membership than the recovery's: read the metadata store and start again.
    #[error("protection group {0} has a newer membership than recovery started with")]
    NewerMembership(PgId),
    /// The reports contradict each other or themselves; nothing may be written on their word.
    #[error("the reports of protection group {0} contradict each other")]
    Contradiction(PgId),
}

/// A voter's report as it reads under the base history.
#[derive(Clone, Debug)]
struct Voice<'a> {
    report: &'a SealReport,
    scl: Lsn,
}

/// Decides what the volume is (steps 3, 4 and 6).
///
/// # Errors
/// When more reports are needed, or when these cannot all be true.
pub fn decide(
    epoch: VolumeEpoch,
    allocation_limit: u64,
    groups: &[GroupReports],
) -> Result<Decision, Undecided> {
    decide_with(epoch, allocation_limit, groups, Bugs::default())
}

pub(crate) fn decide_with(
    epoch: VolumeEpoch,
    allocation_limit: u64,
    groups: &[GroupReports],
    bugs: Bugs,
) -> Result<Decision, Undecided> {
    for (pg, group) in numbered(groups) {
        check_group(pg, group, epoch, bugs)?;
    }
    let base = base_history(groups, epoch, bugs);
    let mut voices = Vec::with_capacity(groups.len());
    for (pg, group) in numbered(groups) {
        voices.push(group_voice(pg, group, &base, bugs)?);
    }
    let all_voters = || groups.iter().flat_map(|g| voters(g, bugs));
    let persisted = all_voters().map(|r| base.clipped(r.persisted_vdl)).max().unwrap_or(Lsn::ZERO);
    let (vcl, vdl) = walk(persisted, &voices);
    let tails = numbered(groups).zip(&voices).map(|((pg, _), voice)| tail_at(pg, voice, vdl));
    let tails = tails.collect::<Result<Vec<Lsn>, Undecided>>()?;
    let limit_from = vdl.max(base.end());
    let upto = limit_from.checked_add(allocation_limit).filter(|upto| *upto < Lsn::MAX);
    // Only reports that are wrong can bring the numbers to their end.
    let mut upto = upto.ok_or(Undecided::Contradiction(PgId::new(0)))?;
    if bugs.has(Planted::VoidOnlySeen) {
        upto = all_voters().map(|r| r.scl).max().unwrap_or(Lsn::ZERO).max(limit_from).next();
    }
    let history = base.extended(epoch, vdl, upto).map_err(|_| Undecided::Contradiction(PgId::new(0)))?;
    let read_floor = all_voters().map(|r| r.read_floor).max().unwrap_or(Lsn::ZERO).min(vdl);
    Ok(Decision { vcl, vdl, base_history: base, history: Arc::new(history), read_floor, tails })
}

fn numbered(groups: &[GroupReports]) -> impl Iterator<Item = (PgId, &GroupReports)> {
    (0_u32..).map(PgId::new).zip(groups)
}

/// The reports that count: of members that have reached their join point and can read back what they hold.
fn voters(group: &GroupReports, bugs: Bugs) -> impl Iterator<Item = &SealReport> {
    let is_member = |r: &&SealReport| group.membership.member(r.from.segment).is_some();
    let joined = move |r: &&SealReport| r.joined || bugs.has(Planted::JoinerCountsEarly);
    group.reports.iter().filter(is_member).filter(joined).filter(|r| r.clean)
}

/// Whether enough have reported for this group: a read quorum of voters, and for group 0 promises of a
/// write quorum, so that two recoveries cannot both get past it (step 2).
fn check_group(pg: PgId, group: &GroupReports, epoch: VolumeEpoch, bugs: Bugs) -> Result<(), Undecided> {
    if group.reports.iter().any(|r| r.volume_epoch != epoch || r.from.pg != pg) {
        return Err(Undecided::Contradiction(pg));
    }
    if group.reports.iter().any(|r| r.membership.epoch() > group.membership.epoch()) {
        return Err(Undecided::NewerMembership(pg));
    }
    let votes = |s: SegmentId| voters(group, bugs).any(|r| r.from.segment == s);
    let promised = |s: SegmentId| group.reports.iter().any(|r| r.from.segment == s);
    let enough = group.membership.read().is_met(votes)
        && (pg != PgId::new(0) || group.membership.write().is_met(promised));
    if enough { Ok(()) } else { Err(Undecided::TooFewReports(pg)) }
}

/// The history to start from (step 6): of the lowest, over groups, of the highest history epoch in a group.
/// A newer one was written by a recovery that never opened, because opening needs a write quorum of every
/// group; its range must not be believed, for it would kill what a later writer was acknowledged (rule 10).
fn base_history(groups: &[GroupReports], epoch: VolumeEpoch, bugs: Bugs) -> Arc<History> {
    let highest = |g: &GroupReports| voters(g, bugs).map(|r| r.history.epoch()).max();
    let e = groups.iter().filter_map(highest).min().unwrap_or(VolumeEpoch::ZERO);
    let all = || groups.iter().flat_map(|g| voters(g, bugs)).map(|r| &r.history);
    if bugs.has(Planted::HistoryForgotten) {
        return Arc::new(History::new(VolumeEpoch::ZERO));
    }
    if bugs.has(Planted::HistoryMerged) {
        return Arc::new(merged(all(), epoch));
    }
    let found = all().find(|h| h.epoch() == e);
    found.map_or_else(|| Arc::new(History::new(VolumeEpoch::ZERO)), Arc::clone)
}

/// Only for the planted bug of that name: the union of every range that any report lists.
fn merged<'a>(all: impl Iterator<Item = &'a Arc<History>>, epoch: VolumeEpoch) -> History {
    let mut ranges: Vec<_> = all.flat_map(|h| h.ranges().iter().copied()).collect();
    ranges.sort_by_key(|r| (r.after, core::cmp::Reverse(r.upto)));
    let mut union = History::new(VolumeEpoch::ZERO);
    for (at, range) in ranges.iter().enumerate() {
        let number = VolumeEpoch::new(epoch.get().min(at as u64 + 1));
        union = union.extended(number, range.after, range.upto).unwrap_or(union);
    }
    union
}

/// The report that speaks for a group (step 3): the one with the **highest** SCL. A write quorum holds
/// every acknowledged record and shares a segment with these voters, so the highest SCL reaches them all;
/// with a lower one, acknowledged commits would be lost (rule 9).
fn group_voice<'a>(
    pg: PgId,
    group: &'a GroupReports,
    base: &History,
    bugs: Bugs,
) -> Result<Voice<'a>, Undecided> {
    let heard = voters(group, bugs).filter_map(|report| {
        check_report(report).then_some(())?;
        Some(Voice { report, scl: live_scl(report, base)? })
    });
    let chosen = if bugs.has(Planted::RecoverMinimum) {
        heard.min_by_key(|v| v.scl)
    } else {
        heard.max_by_key(|v| v.scl)
    };
    chosen.ok_or(Undecided::Contradiction(pg))
}

/// Whether a report's positions fit together. It came over the network.
fn check_report(report: &SealReport) -> bool {
    let runs_link = report.chain.windows(2).all(|w| w[1].prev_volume >= w[0].last);
    let starts = report.chain.first().is_none_or(|r| r.first > report.persisted_vdl);
    let ends = report.chain.last().map_or(report.chain_base, |r| r.last);
    let cpls_inside = report.cpls.iter().all(|c| report.chain.iter().any(|r| r.first <= *c && *c <= r.last));
    let base_below = report.chain_base <= report.persisted_vdl;
    runs_link && starts && cpls_inside && base_below && ends == report.scl
}

/// A report's SCL under the base history, which may be newer than the reporter's own: whatever it holds
/// from the first voided record on is dead. Nothing when even its base is.
pub(crate) fn live_scl(report: &SealReport, base: &History) -> Option<Lsn> {
    if base.is_voided(report.chain_base) {
        return None;
    }
    let mut scl = report.chain_base;
    for run in &report.chain {
        match base.first_voided_in(run.first, run.last) {
            None => scl = run.last,
            Some(voided) if voided > run.first => return voided.checked_sub(1),
            Some(_) => return Some(scl),
        }
    }
    Some(scl)
}

/// Walks the volume chain from the highest persisted VDL (step 4): VCL is where it breaks, VDL the last
/// consistency point before.
fn walk(persisted_vdl: Lsn, voices: &[Voice<'_>]) -> (Lsn, Lsn) {
    let runs_of = |v: &Voice<'_>| -> Vec<LsnRun> {
        let live = v.report.chain.iter().filter(|r| r.first <= v.scl);
        live.map(|r| LsnRun { last: r.last.min(v.scl), ..*r }).collect()
    };
    let mut runs: Vec<LsnRun> = voices.iter().flat_map(runs_of).collect();
    runs.sort_unstable_by_key(|r| r.first);
    let mut vcl = persisted_vdl;
    for run in runs.iter().filter(|r| r.last > persisted_vdl) {
        if run.first > vcl && run.prev_volume != vcl {
            break;
        }
        vcl = vcl.max(run.last);
    }
    // A report under an older history may list consistency points that are dead: those above its live SCL.
    let cpls = voices.iter().flat_map(|v| v.report.cpls.iter().filter(|c| **c <= v.scl));
    let vdl = cpls.copied().filter(|c| *c > persisted_vdl && *c <= vcl).max().unwrap_or(persisted_vdl);
    (vcl, vdl)
}

/// A group's last record at or below VDL.
fn tail_at(pg: PgId, voice: &Voice<'_>, vdl: Lsn) -> Result<Lsn, Undecided> {
    if voice.report.persisted_vdl > vdl {
        return Err(Undecided::Contradiction(pg));
    }
    let below = voice.report.chain.iter().rev().find(|r| r.first <= vdl);
    Ok(below.map_or(voice.report.chain_base, |r| r.last.min(vdl).min(voice.scl)))
}
