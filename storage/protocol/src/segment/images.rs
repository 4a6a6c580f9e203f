//! Pages in the place of records: what a segment is given that is further behind than its peers' logs reach.
//!
//! All pages are as of one VDL of the source, whose last record in the group is known, so that the segment goes
//! on from there by records. They count all at once or not at all: half of them would be pages newer than what
//! the segment can say it holds.

use super::*;

use crate::bytes::SharedBytes;
use crate::history::History;
use crate::ids::SegmentId;
use redoubt_page::{PAGE_BYTES, PageId};

/// How many questions in a row may stay unanswered before another source is looked for.
const PATIENCE: u32 = 4;

/// Images on their way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receiving {
    source: SegmentId,
    behalf: FillSource,
    /// Who sent the newest of them, and is told in the end.
    from: Origin,
    at: Lsn,
    pg_tail: Lsn,
    above: Lsn,
    /// Everything below this page has come.
    next_page: PageId,
    /// What came last is not put aside yet: nothing more is asked for.
    is_staging: bool,
    /// All have come and are being committed.
    committing: Option<ControlToken>,
    is_committed: bool,
    unanswered: u32,
}

/// How far a segment is with images that it is being given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageProgress {
    /// Whom they come from.
    pub source: SegmentId,
    /// The VDL as of which they are.
    pub at: Lsn,
    /// Everything below this page has come; none once all have, and are being made current.
    pub next_page: Option<PageId>,
}

impl SegmentCore {
    /// Answers a peer whose question for records the log cannot answer any more: offers pages instead, all of
    /// those with records above `above`. The epochs are those under which its question was admitted (rule 7).
    pub fn offer_images(&mut self, to: Origin, peer: Address, epochs: Epochs, above: Lsn) {
        self.offer(to, peer.segment, epochs, FillSource::Peer, above);
    }

    fn offer(&mut self, to: Origin, from: SegmentId, epochs: Epochs, source: FillSource, above: Lsn) {
        let (at, pg_tail) = (self.persisted.vdl, self.persisted.pg_tail);
        // A point that the peer has passed already would be of no use to it.
        if !self.clean
            || self.links.scl() < pg_tail
            || pg_tail <= above
            || self.admit_fill(epochs, source).is_err()
        {
            return;
        }
        let Some(first_page) = PageId::try_new(self.durable.pages().start) else { return };
        let ask =
            AskImages { to: self.durable.address, from, epochs, source, at, pg_tail, above, first_page };
        self.serve_images(to, &ask);
    }

    fn serve_images(&mut self, to: Origin, ask: &AskImages) {
        self.image_pin = Some(self.image_pin.map_or(ask.at, |pin| pin.min(ask.at)));
        let offer = Images {
            to: Address { pg: self.durable.address.pg, segment: ask.from },
            from: self.durable.address.segment,
            epochs: ask.epochs,
            source: ask.source,
            at: ask.at,
            pg_tail: ask.pg_tail,
            above: ask.above,
            first_page: ask.first_page,
            next_page: None,
            images: SharedBytes::from(Vec::new()),
        };
        self.outputs.push_back(Output::ServeImages { to, offer });
    }

    /// Goes on from where a peer stands, or begins anew when versions as old as its point may be gone.
    pub(super) fn on_ask_images(&mut self, from: Origin, ask: &AskImages) {
        if let Err(reason) = self.admit_fill(ask.epochs, ask.source) {
            return self.refuse(from, RequestId::new(0), reason);
        }
        let is_known = ask.at <= self.persisted.vdl && ask.pg_tail <= ask.at;
        // The read floor is no matter: what a page was as of this point is known for as long as no image passes it.
        let is_served = ask.at >= self.coalesced.max(self.collected);
        let is_here = ask.at > Lsn::ZERO && self.durable.pages().contains(&ask.first_page.get());
        if !self.clean || !is_known || !is_served || !is_here {
            return self.offer(from, ask.from, ask.epochs, ask.source, ask.above);
        }
        self.serve_images(from, ask);
    }

    /// The point as of which a peer is being given images: nothing above it is made into durable images for so
    /// long. The driver ends that with `release_images`, once the last was sent or nobody asks any more.
    pub fn image_pin(&self) -> Option<Lsn> {
        self.image_pin
    }

    /// See `image_pin`.
    pub fn release_images(&mut self) {
        self.image_pin = None;
    }

    /// Takes images in the place of records.
    pub(super) fn on_images(&mut self, from: Origin, message: Images) {
        if let Err(reason) = self.admit_fill(message.epochs, message.source) {
            return self.refuse(from, RequestId::new(0), reason);
        }
        if !self.are_sound(&message) {
            return self.refuse(from, RequestId::new(0), Refusal::BadRecords);
        }
        if self.out_of_space {
            return self.refuse(from, RequestId::new(0), Refusal::OutOfSpace);
        }
        let is_first = message.first_page.get() == self.durable.pages().start;
        let known = self.receiving.filter(|r| r.goes_on_with(&message));
        let receiving = match known {
            Some(receiving) if receiving.next_page == message.first_page => receiving,
            // It was sent twice.
            Some(_) => return,
            None if is_first && self.wants(&message) => Receiving::beginning(&message, from),
            // Whoever sends what is here already may not have heard that it is.
            None if message.pg_tail <= self.links.scl() => return self.send_ack(from),
            None => return,
        };
        let pages = message.first_page.get()..message.next_page.map_or(self.durable.pages().end, PageId::get);
        let (upto, images) = (message.pg_tail, message.images);
        self.outputs.push_back(Output::StageImages { is_first, pages, upto, images });
        let receiving = Receiving { unanswered: 0, is_staging: true, from, ..receiving };
        let in_part = self.bugs.has(Planted::ImagesCountInPart);
        self.receiving = Some(match message.next_page.filter(|_| !in_part) {
            Some(next_page) => Receiving { next_page, ..receiving },
            None => self.commit_images(receiving),
        });
        self.check_order();
    }

    /// The images of the last `StageImages` are put aside: the next ones are asked for. What a segment has in memory
    /// of images is therefore never more than one message.
    pub fn on_images_staged(&mut self) {
        let Some(receiving) = self.receiving.as_mut().filter(|r| r.is_staging) else { return };
        receiving.is_staging = false;
        let from = receiving.from;
        if let Some(question) = self.next_images() {
            self.send(from, Message::AskImages(question));
        }
    }

    /// How far this segment is with images that it is being given, if it is.
    pub fn image_progress(&self) -> Option<ImageProgress> {
        let r = self.receiving?;
        let next_page = r.committing.is_none().then_some(r.next_page);
        Some(ImageProgress { source: r.source, at: r.at, next_page })
    }

    /// Whether a message is what an honest peer could send.
    fn are_sound(&self, message: &Images) -> bool {
        let pages = self.durable.pages();
        let end = message.next_page.map_or(pages.end, PageId::get);
        let in_range = pages.contains(&message.first_page.get()) && end <= pages.end;
        let whole = message.images.len().is_multiple_of(PAGE_BYTES);
        // A history on its way counts already: what it voids must not become the base of everything.
        let histories = [&self.durable.history, &self.promised.history];
        let is_dead = |lsn| histories.iter().any(|h| h.is_voided(lsn));
        let voided = is_dead(message.at) || is_dead(message.pg_tail) || message.at == Lsn::MAX;
        in_range && whole && !voided && message.pg_tail <= message.at
    }

    /// Whether images would bring this segment forward, and their source would not replace a better one.
    fn wants(&self, message: &Images) -> bool {
        let scl = self.links.scl();
        let is_better = self
            .receiving
            .is_none_or(|r| r.committing.is_none() && (message.at > r.at || r.unanswered >= PATIENCE));
        message.above <= scl && message.pg_tail > scl && is_better
    }

    /// Whether images that are being committed stand for records that this history voids. No honest peer sends
    /// such images: they are as of a VDL.
    pub(super) fn commits_what_is_voided(&self, history: &History) -> bool {
        let committing = self.receiving.filter(|r| r.committing.is_some());
        committing.is_some_and(|r| history.is_voided(r.pg_tail) || history.is_voided(r.at))
    }

    /// Whether a batch leaves a gap that is being closed by images, and so would only wait for them. Peers have it
    /// when they are in.
    pub(super) fn is_beyond_images(&self, batch: &RecordBatch) -> bool {
        self.receiving.is_some() && batch.summary().prev_pg_lsn() > self.links.scl()
    }

    fn commit_images(&mut self, receiving: Receiving) -> Receiving {
        let token = ControlToken::new(self.next_control_token);
        self.next_control_token += 1;
        let (at, pg_tail) = (receiving.at, receiving.pg_tail);
        let point = RestorePoint {
            linked: pg_tail,
            persisted_vdl: self.persisted.vdl.max(at),
            pg_tail: if at >= self.persisted.vdl { pg_tail } else { self.persisted.pg_tail },
            read_floor: self.persisted.read_floor,
            coalesced: pg_tail,
            collected: pg_tail,
        };
        self.outputs.push_back(Output::CommitImages { token, point });
        Receiving { committing: Some(token), ..receiving }
    }

    /// The question for the next images, to be put again at an interval of some round trips for as long as
    /// images are on their way: to their source, or, when a recovery passes them on, to the origin given with it.
    /// After some without an answer another source may take over.
    pub fn image_question(&mut self) -> Option<(Option<Origin>, AskImages)> {
        let question = self.next_images()?;
        let by_way_of = self.receiving.map(|r| r.from).filter(|_| question.source == FillSource::Recovery);
        if let Some(receiving) = &mut self.receiving {
            receiving.unanswered += 1;
            if receiving.unanswered > PATIENCE {
                self.receiving = None;
                return None;
            }
        }
        Some((by_way_of, question))
    }

    fn next_images(&self) -> Option<AskImages> {
        let receiving = self.receiving.filter(|r| r.committing.is_none() && !r.is_staging)?;
        let Receiving { at, pg_tail, above, .. } = receiving;
        let to = Address { pg: self.durable.address.pg, segment: receiving.source };
        let (from, source) = (self.durable.address.segment, receiving.behalf);
        let epochs = Epochs { volume: self.promised.volume_epoch, ..self.durable.epochs() };
        Some(AskImages { to, from, epochs, source, at, pg_tail, above, first_page: receiving.next_page })
    }

    /// Images that came cannot be used or put aside: they are asked for anew.
    pub fn abandon_images(&mut self) {
        self.receiving = None;
    }

    /// The images and the positions that came with `CommitImages` are durable, in one.
    pub fn on_images_committed(&mut self, token: ControlToken) {
        if let Some(receiving) = self.receiving.as_mut().filter(|r| r.committing == Some(token)) {
            receiving.is_committed = true;
            self.take_committed_images();
        }
    }

    /// Positions move once no history is on its way: it was admitted by what they were.
    pub(super) fn take_committed_images(&mut self) {
        let is_settled = self.promised.history == self.durable.history && self.health == Health::Running;
        let Some(done) = self.receiving.filter(|r| r.is_committed && is_settled) else { return };
        self.receiving = None;
        for positions in [&mut self.heard, &mut self.persisted] {
            if done.at > positions.vdl {
                positions.vdl = done.at;
                positions.pg_tail = done.pg_tail;
            }
        }
        self.links.jump_to(done.pg_tail, self.persisted.vdl);
        self.coalesced = self.coalesced.max(done.pg_tail);
        self.collected = self.collected.max(done.pg_tail);
        self.send_ack(done.from);
        self.writer.into_iter().filter(|w| *w != done.from).for_each(|w| self.send_ack(w));
        self.join_if_reached();
        self.check_order();
    }
}

impl Receiving {
    fn beginning(message: &Images, from: Origin) -> Receiving {
        Receiving {
            source: message.from,
            behalf: message.source,
            from,
            at: message.at,
            pg_tail: message.pg_tail,
            above: message.above,
            next_page: message.first_page,
            is_staging: false,
            committing: None,
            is_committed: false,
            unanswered: 0,
        }
    }

    fn goes_on_with(&self, message: &Images) -> bool {
        (self.source, self.behalf) == (message.from, message.source)
            && (self.at, self.pg_tail, self.above) == (message.at, message.pg_tail, message.above)
    }
}
