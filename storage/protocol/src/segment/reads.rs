//! Reads: of pages by instances, of records by recoveries and peers.

use super::*;

/// The most bytes of records sent to a peer at one asking.
const GAP_FILL_BYTES: u32 = 1024 * 1024;

impl SegmentCore {
    /// Admits a page read, or says why not.
    pub fn on_read(&mut self, from: Origin, read: ReadPage) {
        match self.admit_read(&read) {
            Ok(()) => self.outputs.push_back(Output::ServePage { to: from, read }),
            Err(reason) => self.refuse(from, read.request, reason),
        }
    }

    /// Whether a read may be served: epochs and history match, the read point is not below the floor, and
    /// the segment is complete **as far as the read point needs**. Asking for the VDL itself instead would
    /// be wrong both ways: an idle protection group's segment would never qualify, and one that did not yet
    /// get its own records could.
    ///
    /// # Errors
    /// The reason why another segment must be asked, or why the asker must first renew what it knows.
    pub fn admit_read(&self, read: &ReadPage) -> Result<(), Refusal> {
        self.admit(read.epochs)?;
        if !self.clean {
            return Err(Refusal::Damaged);
        }
        if !self.durable.pages().contains(&read.page.get()) {
            return Err(Refusal::WrongPage);
        }
        // Images that came in the place of records know no older version of their pages.
        let floor = self.heard.read_floor.max(self.collected);
        if read.read_point < floor {
            return Err(Refusal::BelowReadFloor { floor });
        }
        let scl = self.links.scl();
        if scl < read.read_point.min(read.pg_tail) && !self.bugs.has(Planted::ReadsBehind) {
            return Err(Refusal::Behind { scl });
        }
        Ok(())
    }

    pub(super) fn on_fetch(&mut self, from: Origin, fetch: FetchRecords) {
        let scl = self.links.scl();
        let admitted = self
            .admit_recovery(fetch.volume_epoch)
            .and_then(|()| if fetch.upto > scl { Err(Refusal::Behind { scl }) } else { Ok(()) });
        match admitted {
            Err(reason) => self.refuse(from, fetch.request, reason),
            Ok(()) => self.outputs.push_back(Output::ServeRecords {
                to: from,
                answer: RecordsFor::Recovery(fetch.request),
                epochs: self.durable.epochs(),
                after: fetch.after,
                upto: fetch.upto,
                max_bytes: fetch.max_bytes,
            }),
        }
    }

    pub(super) fn on_ask_gaps(&mut self, from: Origin, ask: AskGaps) {
        if let Err(reason) = self.admit(ask.epochs) {
            return self.refuse(from, RequestId::new(0), reason);
        }
        let upto = ask.upto.min(self.links.scl());
        if upto <= ask.scl {
            // Nothing to give. The asker learns of it by the silence.
            return;
        }
        self.outputs.push_back(Output::ServeRecords {
            to: from,
            answer: RecordsFor::Peer(Address { pg: self.durable.address.pg, segment: ask.from }),
            epochs: self.durable.epochs(),
            after: ask.scl,
            upto,
            max_bytes: GAP_FILL_BYTES,
        });
    }

    /// The question to put to a peer now, when this segment may ask at all: for the gap above SCL if there
    /// is a known one, else for whatever the peer has above it. When and whom to ask is the driver's choice.
    /// Nothing while images are on their way, see `image_question`.
    pub fn gap_question(&self, peer: Address) -> Option<AskGaps> {
        let epochs = self.durable.epochs();
        self.admit(epochs).ok()?;
        if self.receiving.is_some() {
            return None;
        }
        Some(AskGaps {
            to: peer,
            from: self.durable.address.segment,
            epochs,
            scl: self.links.scl(),
            upto: self.links.gap_end().unwrap_or(Lsn::MAX),
        })
    }

    /// Whether records above SCL are held that wait for a gap to close.
    pub fn has_gap(&self) -> bool {
        self.links.gap_end().is_some()
    }
}
