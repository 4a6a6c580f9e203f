//! The foreground: messages in, one write and one flush for all of them, answers out.

use futures_util::future::{Either, select};
use redoubt_io::Storage;
use redoubt_protocol::{
    Address, ControlState, CreateSegment, Message, Origin, Output, Refusal, Refused, RequestId, RestorePoint,
    SegmentCore, SegmentId,
};

use super::pending::Completed;
use super::read_loop::Job;
use super::taking::Arrival;
use super::{PEERS, RESERVED_CHUNKS, Shard};
use crate::error::ShardError;
use crate::inbox::Work;
use crate::state::{put_history, put_segment};

/// A segment whose first state is on its way to the log.
pub(super) struct Creation {
    create: CreateSegment,
    control: ControlState,
    asked_by: Vec<Origin>,
}

impl<S: Storage> Shard<S> {
    /// Takes messages and persists what they ask for, until the handle is closed.
    pub(super) async fn write_loop(&self) -> Result<(), ShardError> {
        loop {
            // While records wait for space, no more of them are fetched.
            let max_bytes = if self.starved.get() { 0 } else { self.load_bytes() };
            let changes = self.handle.changes(max_bytes);
            // Records may wait for space, and repairs to be written. Promises and answers wait for neither.
            let wanted = self.write_wanted.wait();
            futures_util::pin_mut!(changes, wanted);
            let work = match select(changes, wanted).await {
                Either::Left((work, _)) => work,
                Either::Right(_) => Work::Messages(Vec::new()),
            };
            let Work::Messages(messages) = work else { break };
            for (from, message) in messages {
                self.take_message(from, message);
            }
            if let Err(error) = self.persist().await {
                self.die();
                return Err(error);
            }
            if self.handle.take_gossip() {
                self.gossip(false);
            } else if self.was_filled.get() {
                self.gossip(true);
            }
            self.forget_givings();
            self.deliver();
            if self.awaits_progress.take() | self.was_filled.take() | self.starved.get() {
                self.background_wanted.set();
            }
        }
        self.closed.set(true);
        self.background_wanted.set();
        self.switch_noted.set();
        Ok(())
    }

    /// How much is written together: enough to keep a device busy, and little against the ring.
    fn load_bytes(&self) -> usize {
        (self.identity.borrow().chunk_bytes / 4).min(4 << 20)
    }

    /// The log failed: no segment acknowledges anything any more.
    fn die(&self) {
        for node in &self.nodes {
            node.segments.borrow_mut().values_mut().for_each(SegmentCore::on_flush_failed);
        }
    }

    /// Delivers what was gathered. What is for the shard itself comes back to it as a message.
    pub(super) fn deliver(&self) {
        let mut outgoing = self.outgoing.borrow_mut();
        for message in outgoing.take(PEERS) {
            if matches!(message, Message::Fill(_) | Message::Images(_) | Message::AskImages(_)) {
                self.handle.send(PEERS, message);
            }
        }
        outgoing.deliver(&*self.outbound);
    }

    pub(super) fn take_message(&self, from: Origin, message: Message) {
        let to = message.address();
        self.was_filled.set(self.was_filled.get() || matches!(message, Message::Fill(_)));
        self.count_records(&message);
        let Some(slot) = self.slot_of_segment(to.segment) else {
            return match message {
                Message::CreateSegment(create) => self.create_segment(from, *create),
                message if message.is_to_segment() => self.refuse_unknown(from, to),
                _ => {}
            };
        };
        let mut segments = self.nodes[slot].segments.borrow_mut();
        let core = segments.get_mut(&to.segment).expect("the segment was just found");
        core.on_message(from, message);
        self.take_outputs(slot, core);
    }

    fn refuse_unknown(&self, from: Origin, to: Address) {
        let refused = Refused { from: to, request: RequestId::new(0), reason: Refusal::UnknownSegment };
        self.outgoing.borrow_mut().push(from, Message::Refused(refused));
    }

    /// Makes a segment on the node that its membership names. It exists, and answers, once its state is durable.
    fn create_segment(&self, from: Origin, create: CreateSegment) {
        let segment = create.to.segment;
        let mut creating = self.creating.borrow_mut();
        if let Some(creation) = creating.iter_mut().find(|creation| creation.create.to.segment == segment) {
            creation.asked_by.push(from);
            return;
        }
        let node = create.membership.member(segment).map(|member| member.node);
        let slot = node.and_then(|node| self.log.slot_of(node));
        let (Some(slot), Ok(control)) = (slot, ControlState::created(&create)) else {
            return self.refuse_unknown(from, create.to);
        };
        // A node has one segment of a group. One that the group has given up makes way; one that is still a member does
        // not, because pages of both would be in one store.
        let held = self.nodes[slot].by_group.borrow().get(&create.to.pg).copied();
        if held.is_some_and(|held| create.membership.member(held).is_some()) {
            return self.refuse_unknown(from, create.to);
        }
        let items = self.control_items(slot, &RestorePoint::default(), &control);
        self.pending.borrow_mut().push_new_segment(slot, segment, items);
        creating.push(Creation { create, control, asked_by: vec![from] });
    }

    /// A new segment's state is durable.
    fn finish_creating(&self, slot: usize, segment: SegmentId) {
        let mut creating = self.creating.borrow_mut();
        let at = creating.iter().position(|creation| creation.create.to.segment == segment);
        let creation = creating.swap_remove(at.expect("what was persisted was being created"));
        drop(creating);
        let mut core = SegmentCore::restore(creation.control, RestorePoint::default());
        #[cfg(feature = "planted-bugs")]
        core.plant(self.planted.get());
        for from in creation.asked_by {
            core.on_message(from, Message::CreateSegment(Box::new(creation.create.clone())));
        }
        self.take_outputs(slot, &mut core);
        self.nodes[slot].adopt(core);
    }

    /// Carries out what a machine wants, as far as that needs no waiting, and queues the rest.
    pub(super) fn take_outputs(&self, slot: usize, core: &mut SegmentCore) {
        let address = core.control().address;
        while let Some(output) = core.poll_output() {
            match output {
                Output::PersistRecords { token, batch, positions } => self.pending.borrow_mut().push_records(
                    slot,
                    address.segment,
                    address.pg,
                    token,
                    batch,
                    positions,
                ),
                Output::PersistControl { token, control } => {
                    let items = self.control_items(slot, &core.restore_point(), &control);
                    self.pending.borrow_mut().push_control(slot, address.segment, token, items);
                }
                Output::Discard { token } => {
                    self.pending.borrow_mut().discard(slot, address.segment, token);
                }
                Output::HistoryInForce { .. } => {
                    // Durable images never pass the persisted VDL, below which nothing is ever voided; what
                    // was made in memory may have.
                    self.cache.borrow_mut().retain(|_, _| false);
                    self.background_wanted.set();
                }
                Output::ServePage { to, read } => self.queue_read(Job::Page { slot, to, read }),
                Output::ServeRecords { to, answer, epochs, after, upto, max_bytes } => {
                    self.queue_read(Job::Records {
                        slot,
                        address,
                        to,
                        answer,
                        epochs,
                        after,
                        upto,
                        max_bytes,
                    });
                }
                Output::ServeImages { to, offer } => self.give_images(slot, to, offer),
                Output::StageImages { is_first, pages, upto, images } => {
                    let segment = address.segment;
                    self.queue_arrival(Arrival::Stage { slot, segment, is_first, pages, upto, images });
                }
                Output::CommitImages { token, point } => {
                    let (segment, linked) = (address.segment, point.linked);
                    self.queue_arrival(Arrival::Commit { slot, segment, token, linked });
                }
                Output::Send { to, message } => self.outgoing.borrow_mut().push(to, message),
            }
        }
    }

    /// A segment's promises as items, with its history unless that is stored in this lap already.
    fn control_items(&self, slot: usize, point: &RestorePoint, control: &ControlState) -> Vec<u8> {
        let mut items = Vec::new();
        if self.nodes[slot].known_histories.borrow_mut().insert(control.history.epoch()) {
            put_history(&mut items, &control.history);
        }
        put_segment(&mut items, control, point);
        items
    }

    /// Writes everything that is pending, as far as there is space for it.
    async fn persist(&self) -> Result<(), ShardError> {
        let may_go_on = !self.starved.get() || self.pending.borrow().has_promises();
        if !may_go_on && !self.make_room(false).await? {
            return Ok(());
        }
        self.starved.set(false);
        let mut completed = Vec::new();
        while !self.pending.borrow().is_empty() {
            let mut load = self.pending.borrow_mut().take();
            // A chunk that was begun from the reserve is none for records: what frees space must be written.
            let for_records = self.log.free_chunks() >= RESERVED_CHUNKS;
            let wanted = if for_records { load.groups.len() } else { load.urgent_count() };
            let count = self.log.append(&load.groups[..wanted]).await?;
            self.count(|counters| counters.log_writes += u64::from(count > 0));
            load.complete(count, &mut completed);
            let (is_done, is_urgent) = (load.groups.is_empty(), load.urgent_count() > 0);
            self.pending.borrow_mut().carry(load);
            self.complete(&mut completed);
            if !is_done && (count == wanted && count > 0 || !self.make_room(is_urgent).await?) {
                self.starved.set(true);
                break;
            }
        }
        Ok(())
    }

    /// Tells the machines what is durable, and takes what follows from it.
    fn complete(&self, completed: &mut Vec<Completed>) {
        // One flush completes many intents of a segment; the last stands for all, and is answered once.
        completed.sort_unstable();
        for at in 0..completed.len() {
            let (slot, segment) = completed[at].place();
            if completed.get(at + 1).is_some_and(|next| next.supersedes(&completed[at])) {
                continue;
            }
            match completed[at] {
                Completed::Created(..) => {
                    self.finish_creating(slot, segment);
                    continue;
                }
                Completed::Switch(slot) => {
                    // They are written in the order of the nodes.
                    if slot + 1 == self.nodes.len() {
                        self.switch_noted.set();
                    }
                    continue;
                }
                _ => {}
            }
            let mut segments = self.nodes[slot].segments.borrow_mut();
            let Some(core) = segments.get_mut(&segment) else { continue };
            match completed[at] {
                Completed::Positions(_, _, token) => core.on_positions_persisted(token),
                Completed::Records(_, _, token) => core.on_persisted(token),
                Completed::Control(_, _, token) => core.on_control_persisted(token),
                Completed::Created(..) | Completed::Switch(_) => {}
            }
            self.take_outputs(slot, core);
        }
        completed.clear();
    }

    /// Begins a new lap, unless only what is urgent may have the chunks that are left. Returns whether there is
    /// room now.
    async fn make_room(&self, is_urgent: bool) -> Result<bool, ShardError> {
        self.background_wanted.set();
        // The reserve is made of files that exist: a full device must not take it away.
        let wanted = if is_urgent { 1 } else { RESERVED_CHUNKS + 1 };
        if !self.log.keep_free(wanted).await? {
            return Ok(false);
        }
        self.begin_lap().await?;
        Ok(true)
    }
}
