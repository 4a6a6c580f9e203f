//! Serving reads: of pages to instances, of records to recoveries and peers. Reads wait for neither writes nor
//! one another.

use std::ops::Range;
use std::rc::Rc;

use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use redoubt_io::Storage;
use redoubt_page::{Lsn, PgId};
use redoubt_protocol::{
    Address, Epochs, Fill, FillSource, Images, Message, Origin, PageReply, ReadPage, RecordBatch, Records,
    RecordsFor, Refusal, Refused, RequestId, SharedBytes,
};

use super::Shard;
use super::materialise::MakeError;
use crate::error::ShardError;
use crate::inbox::Work;
use crate::log::error::LogError;
use crate::log::lookup::{BlockCopy, Found};
use crate::log::ring::Chunk;

/// No record is shorter than this.
const LEAST_RECORD_BYTES: usize = 16;
/// Reads under way at once.
const CONCURRENT_READS: usize = 32;

/// A read that was admitted.
pub(super) enum Job {
    /// A page as of a read point.
    Page {
        /// The node asked.
        slot: usize,
        /// Who asks.
        to: Origin,
        /// What.
        read: ReadPage,
    },
    /// Records of a range.
    Records {
        /// The node asked.
        slot: usize,
        /// The segment asked.
        address: Address,
        /// Who asks.
        to: Origin,
        /// How to answer.
        answer: RecordsFor,
        /// The epochs the answer carries.
        epochs: Epochs,
        /// Above this one,
        after: Lsn,
        /// up to this one,
        upto: Lsn,
        /// and no more bytes than this, but at least one record.
        max_bytes: u32,
    },
    /// Pages in the place of records.
    Images {
        /// The node asked.
        slot: usize,
        /// Who asks.
        to: Origin,
        /// The message, but for the pages.
        offer: Images,
    },
}

impl<S: Storage> Shard<S> {
    pub(super) fn queue_read(&self, job: Job) {
        self.reads.borrow_mut().push_back(job);
        self.reads_waiting.set();
    }

    /// Serves reads until the handle is closed and none is left.
    pub(super) async fn read_loop(&self) -> Result<(), ShardError> {
        let mut running = FuturesUnordered::new();
        let mut is_closed = false;
        loop {
            while running.len() < CONCURRENT_READS {
                let Some(job) = self.reads.borrow_mut().pop_front() else { break };
                running.push(self.serve(job));
            }
            if is_closed && running.is_empty() {
                return Ok(());
            }
            if is_closed {
                running.next().await.unwrap_or(Ok(()))?;
                continue;
            }
            let questions = self.handle.questions();
            let queued = self.reads_waiting.wait();
            futures_util::pin_mut!(questions, queued);
            let news = select(questions, queued);
            let news = if running.is_empty() {
                Some(news.await)
            } else {
                match select(news, running.next()).await {
                    Either::Left((news, _)) => Some(news),
                    Either::Right((done, _)) => {
                        done.unwrap_or(Ok(()))?;
                        None
                    }
                }
            };
            match news {
                Some(Either::Left((Work::Messages(messages), _))) => {
                    messages.into_iter().for_each(|(from, message)| self.ask(from, message));
                }
                Some(Either::Left((Work::Closed, _))) => is_closed = true,
                Some(Either::Right(_)) | None => {}
            }
        }
    }

    /// Lets the segment decide about a read.
    fn ask(&self, from: Origin, message: Message) {
        let to = message.address();
        let Message::ReadPage(read) = message else { return };
        match self.slot_of_segment(to.segment) {
            Some(slot) => {
                let mut segments = self.nodes[slot].segments.borrow_mut();
                let core = segments.get_mut(&to.segment).expect("the segment was just found");
                core.on_read(from, read);
                self.take_outputs(slot, core);
            }
            None => self.refuse(from, to, read.request, Refusal::UnknownSegment),
        }
        // A refusal goes out at once.
        self.deliver();
    }

    fn refuse(&self, to: Origin, from: Address, request: RequestId, reason: Refusal) {
        self.outgoing.borrow_mut().push(to, Message::Refused(Refused { from, request, reason }));
    }

    async fn serve(&self, job: Job) -> Result<(), ShardError> {
        match job {
            Job::Page { slot, to, read } => self.serve_page(slot, to, read).await?,
            Job::Records { slot, address, to, answer, epochs, after, upto, max_bytes } => {
                let batch = self.collect_records(slot, address, answer, (after, upto), max_bytes).await?;
                self.answer_records(slot, address, to, answer, epochs, (after, batch));
            }
            Job::Images { slot, to, offer } => self.serve_images(slot, to, offer).await?,
        }
        self.deliver();
        Ok(())
    }

    async fn serve_page(&self, slot: usize, to: Origin, read: ReadPage) -> Result<(), ShardError> {
        let made = self.make_page(slot, read.to.pg, read.page, read.read_point).await;
        match made {
            Ok(made) => {
                let mut image = made.page.clone();
                image.seal(read.page);
                let image = SharedBytes::from(image.bytes().to_vec());
                let reply = PageReply { from: read.to, request: read.request, image };
                self.outgoing.borrow_mut().push(to, Message::PageReply(reply));
                self.count(|counters| counters.pages_served += 1);
            }
            // The device may fail to read one place and not another: the asker goes elsewhere.
            Err(MakeError::Shard(ShardError::Log(LogError::Unreadable(_)))) => {
                self.refuse(to, read.to, read.request, Refusal::Damaged);
            }
            Err(MakeError::Shard(error)) => return Err(error),
            Err(damage) => {
                self.note_damage(slot, read.to.pg, read.page, damage);
                self.refuse(to, read.to, read.request, Refusal::Damaged);
            }
        }
        Ok(())
    }

    /// The node's linked records in `(after, upto]`, from the start of the range, up to some bytes. Nothing
    /// but an error when one of them cannot be read.
    pub(super) async fn collect_records(
        &self,
        slot: usize,
        address: Address,
        answer: RecordsFor,
        (after, upto): (Lsn, Lsn),
        max_bytes: u32,
    ) -> Result<Result<Option<RecordBatch>, Refusal>, ShardError> {
        let (pages, coalesced) = {
            let segments = self.nodes[slot].segments.borrow();
            let Some(core) = segments.get(&address.segment) else {
                return Ok(Err(Refusal::UnknownSegment));
            };
            (core.control().pages(), core.status(RequestId::new(0)).coalesced)
        };
        if matches!(answer, RecordsFor::Peer(_)) && self.is_far_behind(address.pg, after, coalesced) {
            return Ok(Err(Refusal::RecordsCollected { floor: coalesced }));
        }
        let wanted = self.entries_above(slot, address.pg, &pages, (after, upto), max_bytes).await?;
        let mut bytes = Vec::new();
        let mut block: Option<(Found, BlockCopy)> = None;
        for Found { chunk, entry } in wanted {
            if self.is_voided(slot, address.pg, entry.lsn) {
                continue;
            }
            let at_hand = block.as_ref().is_some_and(|(other, _)| {
                other.chunk.lap == chunk.lap && other.entry.block_at(slot) == entry.block_at(slot)
            });
            if !at_hand {
                let copy = match self.log.read_copy(&chunk, &entry, slot).await {
                    Ok(copy) => copy,
                    Err(LogError::Rot | LogError::Unreadable(_)) => {
                        let page = entry.page;
                        let damage = MakeError::DamagedBlock(Box::new(Found { chunk, entry }));
                        self.note_damage(slot, address.pg, page, damage);
                        return Ok(Err(Refusal::Damaged));
                    }
                    Err(error) => return Err(error.into()),
                };
                block = Some((Found { chunk, entry }, copy));
            }
            let (_, copy) = block.as_ref().expect("a block was just read");
            let record = copy.payload().get(entry.record_at as usize..);
            let record = record.and_then(|bytes| redoubt_page::decode_record_prefix(bytes).ok());
            let Some((record, _)) = record else { return Ok(Err(Refusal::Damaged)) };
            if !bytes.is_empty() && bytes.len() + record.bytes().len() > max_bytes as usize {
                break;
            }
            bytes.extend_from_slice(record.bytes());
        }
        if bytes.is_empty() && after >= coalesced {
            return Ok(Ok(None));
        }
        let batch = RecordBatch::parse(SharedBytes::from(bytes)).map_err(|_| Refusal::Damaged);
        Ok(match batch {
            Ok(batch) if batch.summary().prev_pg_lsn() <= after => Ok(Some(batch)),
            // There is a hole before the first record found. What was made into images may be gone.
            _ if after < coalesced => Err(Refusal::RecordsCollected { floor: coalesced }),
            _ => Err(Refusal::Damaged),
        })
    }

    /// Where a node's records in a range are, by number, from the start of the range on: enough of them for so many
    /// bytes. Chunks are looked into from the one with the lowest record on, and no more of them than needed.
    async fn entries_above(
        &self,
        slot: usize,
        pg: PgId,
        pages: &Range<u64>,
        (after, upto): (Lsn, Lsn),
        max_bytes: u32,
    ) -> Result<Vec<Found>, ShardError> {
        let mut chunks = self.log.chunks_with(pg, after, upto);
        let low = |chunk: &Rc<Chunk>| chunk.range_of(pg).map_or(Lsn::MAX, |(low, _)| low);
        chunks.sort_by_key(low);
        let enough = max_bytes as usize / LEAST_RECORD_BYTES + 1;
        let mut wanted: Vec<Found> = Vec::new();
        for (at, chunk) in chunks.iter().enumerate() {
            for entry in self.log.entries(chunk).await? {
                let inside = entry.lsn > after && entry.lsn <= upto && pages.contains(&entry.page.get());
                if inside && entry.copies.contains(slot) {
                    wanted.push(Found { chunk: Rc::clone(chunk), entry });
                }
            }
            // What the next chunk begins with may come before some of these.
            let complete_below = chunks.get(at + 1).map_or(Lsn::MAX, low);
            if wanted.iter().filter(|found| found.entry.lsn < complete_below).count() >= enough {
                wanted.retain(|found| found.entry.lsn < complete_below);
                break;
            }
        }
        // Of several places of one record the newest: an older one may have been replaced for being damaged.
        wanted.sort_by_key(|found| (found.entry.lsn, std::cmp::Reverse(found.chunk.lap)));
        wanted.dedup_by_key(|found| found.entry.lsn);
        Ok(wanted)
    }

    fn answer_records(
        &self,
        slot: usize,
        address: Address,
        to: Origin,
        answer: RecordsFor,
        epochs: Epochs,
        found: (Lsn, Result<Option<RecordBatch>, Refusal>),
    ) {
        let (after, batch) = found;
        match (answer, batch) {
            (RecordsFor::Recovery(request), Ok(batch)) => {
                let records = Records { from: address, request, batch };
                self.outgoing.borrow_mut().push(to, Message::Records(records));
            }
            (RecordsFor::Recovery(request), Err(reason)) => self.refuse(to, address, request, reason),
            (RecordsFor::Peer(peer), Ok(Some(batch))) => {
                let fill = Fill { to: peer, epochs, source: FillSource::Peer, batch };
                self.outgoing.borrow_mut().push(to, Message::Fill(fill));
            }
            (RecordsFor::Peer(peer), Err(Refusal::RecordsCollected { .. })) => {
                self.offer_images(slot, to, peer, epochs, (address.segment, after));
            }
            // Nothing to give: the asker learns of it by the silence.
            (RecordsFor::Peer(_), _) => {}
        }
    }
}
