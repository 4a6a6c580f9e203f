//! Replacing segments that their nodes have lost: the driver of the protocol's replacement machine.
//!
//! A thread of its own looks at an interval, because the steps wait for the metadata store and the way of the data must
//! not. What a step was, and whether it came about, is in the machine; this only carries it out, once more at every
//! look.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use redoubt_page::{Lsn, PgId};
use redoubt_protocol::{
    Address, CreateSegment, Member, Membership, Message, NewSegment, NodeId, Refusal, ReplacementCore,
    ReplacementState, RequestId, SegmentId, SegmentView,
};

use crate::core::{Core, Writing};
use crate::error::{MetadataError, VolumeError};
use crate::growth::{next_create_request, read_group, read_volume, write_group};
use crate::metadata::{VOLUME_KEY, VolumeRecord};

/// How often it is looked whether there is something to do.
const LOOK: Duration = Duration::from_millis(250);

/// Changes of membership under way, and what was said about those that cannot be made.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    under_way: Mutex<BTreeMap<PgId, Change>>,
    /// A failure of the metadata store was logged, and nothing has succeeded since.
    pub(crate) has_complained: AtomicBool,
}

/// A replacement, and the request to make its segment.
#[derive(Debug)]
struct Change {
    core: ReplacementCore,
    request: RequestId,
    step: ChangeStep,
}

/// What a change of membership waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeStep {
    /// The node to make the new segment.
    Creating,
    /// The metadata store to name the new membership.
    Naming,
    /// Write quorums of the old and of the new membership to hold it.
    Settling,
    /// The new segment to hold everything that was durable when it joined.
    Filling,
}

/// A change of a group's membership under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeStatus {
    /// The segment that leaves.
    pub leaving: SegmentId,
    /// The segment that joins. It counts in no quorum of reads before it holds everything up to its join point.
    pub joining: SegmentId,
    /// What was durable when the change began.
    pub join_point: Lsn,
    /// What is waited for.
    pub step: ChangeStep,
}

impl Changes {
    /// The change of a group, if there is one.
    pub(crate) fn of(&self, pg: PgId) -> Option<ChangeStatus> {
        let under_way = self.under_way.lock();
        let change = under_way.get(&pg)?;
        let core = &change.core;
        let join_point = core.join_point();
        Some(ChangeStatus { leaving: core.leaving(), joining: core.joining(), join_point, step: change.step })
    }
}

/// Goes on with what an earlier writer left, and looks from then on, for as long as the volume is used.
pub(crate) fn start(core: &Arc<Core>) {
    let mut under_way = core.changes.under_way.lock();
    let writing = core.writing.lock();
    for pg in (0..writing.writer.group_count() as u32).map(PgId::new) {
        let known = writing.writer.membership(pg);
        if let Some(core) = known.and_then(|known| ReplacementCore::resume(pg, known)) {
            tracing::info!(%pg, leaving = %core.leaving(), joining = %core.joining(), "a change of membership goes on");
            let request = next_create_request();
            under_way.insert(pg, Change { core, request, step: ChangeStep::Settling });
        }
    }
    drop(writing);
    drop(under_way);
    let watched = Arc::downgrade(core);
    let spawned = std::thread::Builder::new().name("redoubt-members".into()).spawn(move || watch(&watched));
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread for changes of membership: lost segments are not replaced");
    }
}

/// Looks until the volume is dropped or over.
fn watch(watched: &Weak<Core>) {
    loop {
        match watched.upgrade() {
            Some(core) if core.waiters.ended().is_none() => core.look_after_members(),
            _ => return,
        }
        std::thread::park_timeout(LOOK);
    }
}

impl Core {
    /// Takes every change a step further, and begins those that are needed.
    fn look_after_members(&self) {
        let mut under_way = self.changes.under_way.lock();
        let lost = self.writing.lock().lost_segments();
        for address in &lost {
            match under_way.get_mut(&address.pg) {
                // It was lost as well: the change goes back, and another one is begun.
                Some(change) if change.core.joining() == address.segment => change.core.give_up(),
                Some(_) => {}
                None => match self.begin_change(*address) {
                    Ok(Some(change)) => {
                        under_way.insert(address.pg, change);
                    }
                    Ok(None) => {}
                    Err(error) => self.complain(&error),
                },
            }
        }
        for change in under_way.values_mut() {
            // The old one is back, with everything that it held.
            let leaving = Address { pg: change.core.pg(), segment: change.core.leaving() };
            if self.writing.lock().is_ready(leaving) {
                change.core.give_up();
            }
        }
        under_way.retain(|_, change| match self.take_step(change) {
            Ok(is_under_way) => is_under_way,
            Err(error) => {
                self.complain(&error);
                true
            }
        });
    }

    /// Says once that the metadata store does not serve; it is tried again at every look.
    fn complain(&self, error: &VolumeError) {
        let said = self.changes.has_complained.swap(true, std::sync::atomic::Ordering::Relaxed);
        // Another process changing the same key is nothing to complain about: it is looked at again.
        if !said && *error != VolumeError::Metadata(MetadataError::Conflict) {
            tracing::warn!(%error, "a change of membership waits");
        }
    }

    /// Begins to replace a segment that its node does not know. Nothing when the metadata store names another
    /// membership than this writer's: a writer that is over has named that one, and the next opening goes on with it.
    fn begin_change(&self, lost: Address) -> Result<Option<Change>, VolumeError> {
        let stored = read_group(&*self.metadata, lost.pg.get())?;
        let Some(member) = stored.membership.member(lost.segment).copied() else { return Ok(None) };
        let known = self.writing.lock().writer.membership(lost.pg).map(|known| known.epoch());
        if known != Some(stored.membership.epoch()) {
            return Ok(None);
        }
        let record = self.take_segment_number()?;
        let segment = SegmentId::new(record.next_segment - 1);
        let joining = Member { segment, ..member };
        let request = next_create_request();
        let new = NewSegment { volume: record.volume, segment_pages: record.segment_pages, request };
        let mut writing = self.writing.lock();
        // It may have been found in the meantime: a node that was starting, say.
        if !writing.lost_segments().contains(&lost) {
            return Ok(None);
        }
        let begun = ReplacementCore::begin(&mut writing.writer, lost.pg, lost.segment, joining, new);
        drop(writing);
        match begun {
            Ok(core) => {
                tracing::warn!(
                    pg = %lost.pg, node = %member.node, leaving = %lost.segment, joining = %segment,
                    "a storage node has lost its segment; a new one takes its place"
                );
                Ok(Some(Change { core, request, step: ChangeStep::Creating }))
            }
            Err(error) => {
                tracing::error!(pg = %lost.pg, leaving = %lost.segment, %error, "a segment cannot be replaced");
                Ok(None)
            }
        }
    }

    /// Takes an identity that nobody had, and makes sure that this writer is still the newest.
    fn take_segment_number(&self) -> Result<VolumeRecord, VolumeError> {
        let (mut record, revision) = read_volume(&*self.metadata)?;
        self.check_newest(&record)?;
        record.next_segment += 1;
        self.metadata.compare_and_set(VOLUME_KEY, Some(revision), &record.encode())?;
        Ok(record)
    }

    fn check_newest(&self, record: &VolumeRecord) -> Result<(), VolumeError> {
        let own = self.writing.lock().writer.volume_epoch();
        match record.volume_epoch > own {
            true => Err(VolumeError::Fenced { by: record.volume_epoch }),
            false => Ok(()),
        }
    }

    /// Carries out one step. Returns whether the change goes on.
    fn take_step(&self, change: &mut Change) -> Result<bool, VolumeError> {
        self.note_created(change);
        let pg = change.core.pg();
        let next = change.core.next_step(&mut self.writing.lock().writer);
        let next = match next {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%pg, %error, "a change of membership cannot go on");
                return Ok(false);
            }
        };
        match next {
            ReplacementState::Create(create) => {
                change.step = ChangeStep::Creating;
                self.send_create(*create);
            }
            ReplacementState::Name(membership) => {
                change.step = ChangeStep::Naming;
                self.name(change, &membership)?;
            }
            ReplacementState::Install(membership) => {
                change.step = ChangeStep::Settling;
                let mut writing = self.writing.lock();
                writing.writer.change_membership(pg, Arc::clone(&membership));
                writing.connect_new(pg, &membership);
                drop(writing);
                self.ring();
            }
            ReplacementState::Settling => change.step = ChangeStep::Settling,
            ReplacementState::Filling => change.step = ChangeStep::Filling,
            ReplacementState::Done(membership) => {
                let (leaving, joining) = (change.core.leaving(), change.core.joining());
                let is_replaced = membership.member(joining).is_some();
                tracing::info!(
                    %pg, %leaving, %joining, is_replaced, membership_epoch = membership.epoch().get(),
                    "a change of membership is complete"
                );
                self.created.lock().remove(&change.request);
                self.writing.lock().forget_those_without(pg, &membership);
                return Ok(false);
            }
            ReplacementState::Overtaken => {
                tracing::warn!(%pg, "a change of membership was given up");
                self.created.lock().remove(&change.request);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The node may have said that the new segment exists.
    fn note_created(&self, change: &mut Change) {
        let answer = self.created.lock().get(&change.request).copied().flatten();
        if let Some(status) = answer {
            change.core.on_created(&status);
        }
    }

    fn send_create(&self, create: CreateSegment) {
        let node = create.membership.member(create.to.segment).map(|member| member.node);
        let node = node.expect("a segment joins a membership that it is a member of");
        let is_reachable = !self.writing.lock().unreachable.contains(&node);
        if is_reachable {
            self.transport.send(node, Message::CreateSegment(Box::new(create)));
        }
    }

    /// Puts the next membership in the place of the one before.
    fn name(&self, change: &mut Change, next: &Arc<Membership>) -> Result<(), VolumeError> {
        let (record, _) = read_volume(&*self.metadata)?;
        self.check_newest(&record)?;
        let stored = read_group(&*self.metadata, change.core.pg().get())?;
        if *stored.membership == **next {
            // It was done before, and the answer lost.
            change.core.on_named();
        } else if stored.membership.epoch().next() == next.epoch() {
            write_group(&*self.metadata, change.core.pg(), stored.revision, next)?;
            change.core.on_named();
        } else {
            change.core.on_overtaken();
        }
        self.changes.has_complained.store(false, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }
}

impl Writing {
    /// Segments whose nodes have said that they do not know them, and not otherwise since.
    fn lost_segments(&self) -> Vec<Address> {
        let failed = self.failed.iter().filter(|(_, reason)| *reason == Refusal::UnknownSegment);
        failed.map(|(address, _)| *address).filter(|address| !self.is_ready(*address)).collect()
    }

    /// Whether a segment takes records.
    fn is_ready(&self, address: Address) -> bool {
        let mut views = self.writer.segments(address.pg);
        views.any(|view: SegmentView| view.segment == address.segment && view.ready)
    }

    /// Connects segments that a membership has brought.
    fn connect_new(&mut self, pg: PgId, membership: &Membership) {
        for member in membership.members() {
            let is_new = self.nodes.insert(member.segment, member.node).is_none();
            if is_new && !self.unreachable.contains(&member.node) {
                self.writer.on_connected(Address { pg, segment: member.segment });
            }
        }
        self.mark(pg, true);
    }

    /// Forgets what is known of segments that are members no more.
    fn forget_those_without(&mut self, pg: PgId, membership: &Membership) {
        let is_gone = |address: &Address| address.pg == pg && membership.member(address.segment).is_none();
        self.failed.retain(|(address, _)| !is_gone(address));
    }
}

/// Nodes to which there is no connection.
pub(crate) type Unreachable = HashSet<NodeId>;
