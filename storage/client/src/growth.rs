//! Making protection groups: their segments first, durably, then their name in the metadata.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redoubt_page::{Lsn, MembershipEpoch, PageId, PgId, VolumeEpoch};
use redoubt_protocol::{
    Address, CreateSegment, History, Member, Membership, Message, RequestId, SegmentId, SharedBytes,
    WriteMembership,
};

use crate::core::{CREATE_REQUEST, Core};
use crate::error::{MetadataError, VolumeError};
use crate::metadata::{MetadataStore, VOLUME_KEY, VolumeRecord, group_key};

/// How long nodes are waited for that have not answered, once a write quorum has.
const STRAGGLERS: Duration = Duration::from_secs(2);
/// How long a write quorum is waited for.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);

/// Numbers the requests to make segments.
static NEXT_REQUEST: AtomicU64 = AtomicU64::new(1);

pub(crate) fn next_create_request() -> RequestId {
    RequestId::new(CREATE_REQUEST | NEXT_REQUEST.fetch_add(1, Ordering::Relaxed))
}

/// A protection group to be made, one segment on every node.
pub(crate) struct Plan {
    pub(crate) pg: PgId,
    pub(crate) membership: Arc<Membership>,
}

/// Takes identities for the segments of the next group. They are used up even if the group is never made.
pub(crate) fn plan_group(
    metadata: &dyn MetadataStore,
    epoch: Option<VolumeEpoch>,
) -> Result<(Plan, VolumeRecord), VolumeError> {
    let (mut record, revision) = read_volume(metadata)?;
    if let Some(by) = epoch.and_then(|epoch| (record.volume_epoch > epoch).then_some(record.volume_epoch)) {
        return Err(VolumeError::Fenced { by });
    }
    let first = record.next_segment;
    record.next_segment += record.nodes.len() as u64;
    metadata.compare_and_set(VOLUME_KEY, Some(revision), &record.encode())?;
    let members = record.nodes.iter().zip(first..).map(|((node, zone), segment)| Member {
        segment: SegmentId::new(segment),
        node: *node,
        zone: *zone,
        join_point: Lsn::ZERO,
    });
    let membership = Membership::uniform(MembershipEpoch::new(1), members.collect())
        .map_err(|error| MetadataError::Damaged(error.to_string()))?;
    let plan = Plan { pg: PgId::new(record.groups), membership: Arc::new(membership) };
    Ok((plan, record))
}

/// The messages that make a group's segments.
pub(crate) fn create_messages(
    plan: &Plan,
    record: &VolumeRecord,
    history: &Arc<History>,
) -> Vec<CreateSegment> {
    let members = plan.membership.members().iter();
    members
        .map(|member| CreateSegment {
            to: Address { pg: plan.pg, segment: member.segment },
            request: next_create_request(),
            volume: record.volume,
            segment_pages: record.segment_pages,
            volume_epoch: record.volume_epoch,
            history: Arc::clone(history),
            membership: Arc::clone(&plan.membership),
        })
        .collect()
}

/// Names a group whose segments exist.
pub(crate) fn name_group(metadata: &dyn MetadataStore, plan: &Plan) -> Result<(), VolumeError> {
    let key = group_key(plan.pg.get());
    // A group that was planned earlier and not counted has left its name; its segments hold nothing.
    let before = metadata.read(&key)?.map(|revised| revised.revision);
    metadata.compare_and_set(&key, before, &encode_membership(plan.pg, &plan.membership))?;
    let (mut record, revision) = read_volume(metadata)?;
    if record.groups != plan.pg.get() {
        return Err(MetadataError::Conflict.into());
    }
    record.groups += 1;
    metadata.compare_and_set(VOLUME_KEY, Some(revision), &record.encode())?;
    Ok(())
}

/// The volume's record and its revision.
pub(crate) fn read_volume(metadata: &dyn MetadataStore) -> Result<(VolumeRecord, u64), VolumeError> {
    let stored = metadata.read(VOLUME_KEY)?;
    let stored = stored.ok_or_else(|| MetadataError::Damaged("the volume's record is gone".into()))?;
    Ok((VolumeRecord::decode(&stored.value)?, stored.revision))
}

/// A membership is stored as the message that would install it: versioned, checked, documented.
fn encode_membership(pg: PgId, membership: &Arc<Membership>) -> Vec<u8> {
    let segment = membership.members()[0].segment;
    let message = Message::WriteMembership(WriteMembership {
        to: Address { pg, segment },
        request: RequestId::new(0),
        volume_epoch: VolumeEpoch::ZERO,
        membership: Arc::clone(membership),
    });
    let mut bytes = Vec::new();
    let rest = message.encode(&mut bytes);
    assert!(rest.is_none(), "a membership carries no records");
    bytes
}

/// The memberships of all groups.
pub(crate) fn read_groups(
    metadata: &dyn MetadataStore,
    groups: u32,
) -> Result<Vec<Arc<Membership>>, MetadataError> {
    (0..groups).map(|pg| read_group(metadata, pg).map(|stored| stored.membership)).collect()
}

/// A membership as it is stored.
pub(crate) struct StoredGroup {
    pub(crate) membership: Arc<Membership>,
    pub(crate) revision: u64,
}

/// The membership of one group.
pub(crate) fn read_group(metadata: &dyn MetadataStore, pg: u32) -> Result<StoredGroup, MetadataError> {
    let key = group_key(pg);
    let missing = || MetadataError::Damaged(format!("{key} is missing"));
    let stored = metadata.read(&key)?.ok_or_else(missing)?;
    match Message::decode(&SharedBytes::from(stored.value))? {
        Message::WriteMembership(message) if message.to.pg == PgId::new(pg) => {
            Ok(StoredGroup { membership: message.membership, revision: stored.revision })
        }
        _ => Err(MetadataError::Damaged(format!("{key} is no membership"))),
    }
}

/// Puts a group's next membership in the place of the one that was read at this revision.
pub(crate) fn write_group(
    metadata: &dyn MetadataStore,
    pg: PgId,
    revision: u64,
    next: &Arc<Membership>,
) -> Result<(), MetadataError> {
    metadata.compare_and_set(&group_key(pg.get()), Some(revision), &encode_membership(pg, next)).map(|_| ())
}

impl Core {
    /// Makes groups until there is one for this page.
    pub(crate) fn grow(&self, up_to: PageId) -> Result<(), VolumeError> {
        let _growing = self.growing.lock();
        while self.page_count.load(Ordering::Acquire) <= up_to.get() {
            if let Some(error) = self.waiters.ended() {
                return Err(error);
            }
            self.add_group()?;
        }
        Ok(())
    }

    fn add_group(&self) -> Result<(), VolumeError> {
        let (epoch, history) = {
            let writing = self.writing.lock();
            (writing.writer.volume_epoch(), Arc::clone(writing.writer.history()))
        };
        let (plan, record) = plan_group(&*self.metadata, Some(epoch))?;
        let messages = create_messages(&plan, &record, &history);
        let requests: Vec<(SegmentId, RequestId)> =
            messages.iter().map(|create| (create.to.segment, create.request)).collect();
        for (create, member) in messages.into_iter().zip(plan.membership.members()) {
            self.transport.send(member.node, Message::CreateSegment(Box::new(create)));
        }
        let made = self.wait_until_created(&plan, &requests);
        let mut created = self.created.lock();
        created.retain(|known, _| requests.iter().all(|(_, request)| request != known));
        drop(created);
        made?;
        name_group(&*self.metadata, &plan)?;
        let mut writing = self.writing.lock();
        let pg = writing.writer.add_group(Arc::clone(&plan.membership));
        assert!(pg == plan.pg, "groups are made in the order of their numbers");
        writing.connect_group(pg);
        drop(writing);
        self.page_count.fetch_add(self.segment_pages, Ordering::AcqRel);
        self.ring();
        Ok(())
    }

    /// Waits until all segments exist, or a write quorum does and the rest has had its time.
    fn wait_until_created(
        &self,
        plan: &Plan,
        requests: &[(SegmentId, RequestId)],
    ) -> Result<(), VolumeError> {
        let begun = Instant::now();
        let mut created = self.created.lock();
        loop {
            let answered = requests.iter().filter(|(_, request)| created.contains_key(request)).count();
            let exists = |segment: SegmentId| {
                requests
                    .iter()
                    .any(|(of, request)| *of == segment && created.get(request).is_some_and(Option::is_some))
            };
            let has_quorum = plan.membership.write().is_met(exists);
            let is_last_answer = answered == requests.len();
            let patience = if has_quorum { STRAGGLERS } else { GIVE_UP_AFTER };
            let is_over = is_last_answer || begun.elapsed() >= patience;
            if is_over {
                let refused = VolumeError::Unavailable("too few nodes made their segments".into());
                return if has_quorum { Ok(()) } else { Err(refused) };
            }
            self.creation_answered.wait_until(&mut created, begun + patience);
        }
    }
}
