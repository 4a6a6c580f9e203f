//! Page reads under way: each waits for the first good answer of the segments it asked.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use redoubt_page::{Lsn, Page, PageId};
use redoubt_protocol::{Address, Epochs, Message, NodeId, ReadPage, Refusal, RequestId};

use crate::core::{Core, READ_REQUEST};
use crate::error::VolumeError;

/// A second segment is asked when the first takes this many times as long as usual,
const HEDGE_FACTOR: u32 = 8;
/// and at least this long.
const HEDGE_AT_LEAST: Duration = Duration::from_millis(2);
/// When nobody has answered for so long, the volume is not available.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);

/// Reads under way, and how long they usually take.
#[derive(Debug)]
pub(crate) struct Reads {
    next: AtomicU64,
    waiting: Mutex<HashMap<RequestId, Arc<Pending>>>,
    /// A moving average over all answered reads.
    usual_ns: AtomicU64,
    /// Reads for which a second segment was asked.
    pub(crate) hedged: AtomicU64,
    /// Answers that were damaged, in transit or at the segment.
    pub(crate) damaged: AtomicU64,
}

impl Default for Reads {
    fn default() -> Self {
        Self {
            next: AtomicU64::new(1),
            waiting: Mutex::default(),
            usual_ns: AtomicU64::new(500_000),
            hedged: AtomicU64::default(),
            damaged: AtomicU64::default(),
        }
    }
}

/// One read, which may have asked several segments.
#[derive(Debug)]
struct Pending {
    page: PageId,
    state: Mutex<Answers>,
    answered: Condvar,
}

#[derive(Debug, Default)]
struct Answers {
    page: Option<Page>,
    refusals: Vec<Refusal>,
    ended: Option<VolumeError>,
}

/// Whom to ask, in this order, and with what.
struct Question {
    targets: Vec<(Address, NodeId, Epochs)>,
    pg_tail: Lsn,
}

impl Reads {
    /// Takes an answer in.
    pub(crate) fn answer(&self, request: RequestId, message: &Message) {
        let Some(pending) = self.waiting.lock().remove(&request) else { return };
        let answer = match message {
            Message::PageReply(reply) => {
                // Checked here, whatever the node said: a page that rotted on the way is caught as well.
                let page = Page::from_slice(&reply.image).ok();
                let page = page.and_then(|mut page| page.unseal(pending.page).ok().map(|()| page));
                page.ok_or(Refusal::Damaged)
            }
            Message::Refused(refused) => Err(refused.reason),
            _ => return,
        };
        let mut state = pending.state.lock();
        match answer {
            Ok(page) => {
                state.page.get_or_insert(page);
            }
            Err(reason) => {
                if reason == Refusal::Damaged {
                    self.damaged.fetch_add(1, Ordering::Relaxed);
                }
                state.refusals.push(reason);
            }
        }
        drop(state);
        pending.answered.notify_all();
    }

    /// Nobody answers any more.
    pub(crate) fn end(&self, error: &VolumeError) {
        for pending in self.waiting.lock().drain().map(|(_, pending)| pending) {
            pending.state.lock().ended = Some(error.clone());
            pending.answered.notify_all();
        }
    }

    fn hedge_after(&self) -> Duration {
        let usual = Duration::from_nanos(self.usual_ns.load(Ordering::Relaxed));
        (usual * HEDGE_FACTOR).max(HEDGE_AT_LEAST)
    }

    fn note_time(&self, taken: Duration) {
        let taken_ns = u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX / 8).min(u64::MAX / 8);
        let usual_ns = self.usual_ns.load(Ordering::Relaxed);
        self.usual_ns.store((usual_ns * 7 + taken_ns) / 8, Ordering::Relaxed);
    }
}

impl Core {
    /// The page as of `at`. Blocks.
    pub(crate) fn read_page(&self, page: PageId, at: Lsn) -> Result<Page, VolumeError> {
        let question = self.question(page, at)?;
        let pending = Arc::new(Pending { page, state: Mutex::default(), answered: Condvar::new() });
        let mut requests = Vec::with_capacity(2);
        let result = self.ask_in_turn(&question, page, at, &pending, &mut requests);
        if requests.len() > 1 || result.is_err() {
            let mut waiting = self.reads.waiting.lock();
            for request in &requests {
                waiting.remove(request);
            }
        }
        result
    }

    fn question(&self, page: PageId, at: Lsn) -> Result<Question, VolumeError> {
        if let Some(error) = self.waiters.ended() {
            return Err(error);
        }
        let writing = self.writing.lock();
        let pg = redoubt_page::PgId::new((page.get() / self.segment_pages) as u32);
        let writer = &writing.writer;
        let Some(pg_tail) = writer.pg_tail(pg) else {
            return Err(VolumeError::Unavailable(format!("page {page} lies beyond the volume's end")));
        };
        assert!(at <= writer.vdl(), "page {page} is read at {at}, which is not durable");
        let needed = pg_tail.min(at);
        let mut views: Vec<_> = writer.segments(pg).collect();
        // Who is known to be complete goes first; the rest may still be asked. Among equals take turns.
        let turn = (page.get() as usize).checked_rem(views.len()).unwrap_or(0);
        views.rotate_left(turn);
        views.sort_by_key(|view| !(view.ready && view.scl >= needed));
        let targets = views.iter().filter_map(|view| {
            let address = Address { pg, segment: view.segment };
            let node = *writing.nodes.get(&view.segment)?;
            Some((address, node, writer.epochs(address)?))
        });
        Ok(Question { targets: targets.collect(), pg_tail })
    }

    /// Asks one segment after the other, the next when the last one refuses or is slow, until one has answered.
    fn ask_in_turn(
        &self,
        question: &Question,
        page: PageId,
        at: Lsn,
        pending: &Arc<Pending>,
        requests: &mut Vec<RequestId>,
    ) -> Result<Page, VolumeError> {
        let begun = Instant::now();
        for (address, node, epochs) in &question.targets {
            let request = RequestId::new(READ_REQUEST | self.reads.next.fetch_add(1, Ordering::Relaxed));
            self.reads.waiting.lock().insert(request, Arc::clone(pending));
            requests.push(request);
            if let Some(error) = self.waiters.ended() {
                return Err(error);
            }
            let read = ReadPage {
                to: *address,
                request,
                epochs: *epochs,
                page,
                read_point: at,
                pg_tail: question.pg_tail,
            };
            self.transport.send(*node, Message::ReadPage(read));
            let is_last = requests.len() == question.targets.len();
            let patience = if is_last { GIVE_UP_AFTER } else { self.reads.hedge_after() };
            if let Some(page) = wait_for_one(pending, requests.len(), patience)? {
                self.reads.note_time(begun.elapsed());
                return Ok(page);
            }
            if requests.len() == 1 && !is_last {
                self.reads.hedged.fetch_add(1, Ordering::Relaxed);
            }
        }
        let refusals = std::mem::take(&mut pending.state.lock().refusals);
        Err(why_not(&refusals, page, at))
    }
}

/// Waits until someone has answered well, or all who were asked have refused, or for so long.
fn wait_for_one(pending: &Pending, asked: usize, patience: Duration) -> Result<Option<Page>, VolumeError> {
    let deadline = Instant::now() + patience;
    let mut state = pending.state.lock();
    loop {
        if let Some(page) = state.page.take() {
            return Ok(Some(page));
        }
        if let Some(error) = &state.ended {
            return Err(error.clone());
        }
        if state.refusals.len() >= asked {
            return Ok(None);
        }
        if pending.answered.wait_until(&mut state, deadline).timed_out() {
            return Ok(state.page.take());
        }
    }
}

/// The error that the refusals of all segments amount to.
fn why_not(refusals: &[Refusal], page: PageId, at: Lsn) -> VolumeError {
    for refusal in refusals {
        match refusal {
            Refusal::Fenced { current } => return VolumeError::Fenced { by: *current },
            Refusal::BelowReadFloor { floor } => {
                return VolumeError::ReadPointTooOld { page, at, floor: *floor };
            }
            _ => {}
        }
    }
    if refusals.contains(&Refusal::Damaged) {
        return VolumeError::Corrupt { page, at };
    }
    let reasons: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    VolumeError::Unavailable(match reasons.as_slice() {
        [] => format!("no segment has answered for page {page}"),
        reasons => format!("no segment can serve page {page}: {}", reasons.join("; ")),
    })
}
