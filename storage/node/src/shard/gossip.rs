//! Asking nodes of other shards for what is missing here (SIGMOD 2017, figure 4, step 4).
//!
//! A segment that knows that it lacks something asks at every look; one that does not know asks now and then,
//! because whoever was away has not heard what it missed. Peers take turns, and an answer is followed by the
//! next question at once.

use redoubt_io::Storage;
use redoubt_protocol::{Address, FillSource, Message, Origin, RequestId, SegmentCore};

use super::{PEERS, Shard};

/// A segment that knows of no gap asks at every so many looks.
const LOOKS_PER_GUESS: u64 = 8;
/// A segment that is being given images asks again at every so many looks. Making a message takes a while.
const LOOKS_PER_IMAGES: u64 = 10;

impl<S: Storage> Shard<S> {
    /// Lets segments ask a peer each; with `only_behind`, those that know that they lack something. What is still
    /// on its way to the disk needs no asking for.
    pub(super) fn gossip(&self, only_behind: bool) {
        let round = self.gossip_round.get();
        if !only_behind {
            self.gossip_round.set(round + 1);
            self.publish_statuses();
        }
        for node in &self.nodes {
            for core in node.segments.borrow_mut().values_mut() {
                if !only_behind && round.is_multiple_of(LOOKS_PER_IMAGES) {
                    self.ask_for_images(core);
                }
                if core.unflushed_count() > 0 {
                    continue;
                }
                let is_due = !only_behind && round.is_multiple_of(LOOKS_PER_GUESS);
                if !is_behind(core) && !is_due {
                    continue;
                }
                let Some((to, peer)) = self.peer_of(core, round) else { continue };
                if let Some(question) = core.gap_question(peer) {
                    self.outgoing.borrow_mut().push(to, Message::AskGaps(question));
                }
            }
        }
    }

    /// Asks again for the next of the images that a segment is being given.
    fn ask_for_images(&self, core: &mut SegmentCore) {
        let membership = core.control().membership.clone();
        let Some((by_way_of, question)) = core.image_question() else { return };
        let source = membership.member(question.to.segment).map(|member| member.node);
        let is_here = source.is_some_and(|node| self.log.slot_of(node).is_some());
        let to = by_way_of.or_else(|| if is_here { Some(PEERS) } else { self.outbound.peer(source?) });
        match to {
            Some(to) => self.outgoing.borrow_mut().push(to, Message::AskImages(question)),
            // Its source has gone. Whoever is there can begin anew.
            None => core.abandon_images(),
        }
    }

    /// The connected peer whose turn it is.
    fn peer_of(&self, core: &SegmentCore, round: u64) -> Option<(Origin, Address)> {
        let own = core.control().address;
        let members = core.control().membership.members().iter();
        let others = members.filter(|member| member.segment != own.segment);
        let connected: Vec<(Origin, Address)> = others
            .filter(|member| self.log.slot_of(member.node).is_none())
            .filter_map(|member| {
                let to = self.outbound.peer(member.node)?;
                Some((to, Address { pg: own.pg, segment: member.segment }))
            })
            .collect();
        let turn = round.wrapping_add(own.segment.get()).checked_rem(connected.len() as u64)?;
        connected.get(turn as usize).copied()
    }

    /// Lets other threads see where the segments stand.
    pub(super) fn publish_statuses(&self) {
        let of_node = |node: &super::Node<S>| {
            let segments = node.segments.borrow();
            segments.values().map(|core| core.status(RequestId::new(0))).collect::<Vec<_>>()
        };
        let taken_by = |node: &super::Node<S>| {
            let segments = node.segments.borrow();
            let progress = segments.iter().map(|(segment, core)| Some((*segment, core.image_progress()?)));
            progress.flatten().collect::<Vec<_>>()
        };
        let taking = self.nodes.iter().flat_map(taken_by).collect();
        self.handle.publish(self.nodes.iter().flat_map(of_node).collect(), taking);
    }

    /// Counts whose records come in.
    pub(super) fn count_records(&self, message: &Message) {
        match message {
            Message::Append(append) => {
                let bytes = append.batch.as_ref().map_or(0, |batch| batch.bytes().len() as u64);
                self.count(|counters| counters.writer_record_bytes += bytes);
            }
            Message::Fill(fill) if fill.source == FillSource::Peer => {
                let bytes = fill.batch.bytes().len() as u64;
                self.count(|counters| counters.peer_record_bytes += bytes);
            }
            _ => {}
        }
    }
}

/// Whether a segment knows that records exist which it does not hold.
fn is_behind(core: &SegmentCore) -> bool {
    core.has_gap() || core.scl() < core.persisted_positions().pg_tail
}
